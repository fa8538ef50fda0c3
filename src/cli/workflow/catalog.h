/* catalog.h: lists of workflows and of flows, and one of them with its source.
 *
 * Threads    one.
 * Failure    as action.h.
 */
#ifndef DROVER_CLI_WORKFLOW_CATALOG_H
#define DROVER_CLI_WORKFLOW_CATALOG_H

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/table.h"

extern const struct flag catalog_list_flags[], catalog_show_flags[];

/* Words and requests of one kind of scripts. */
struct catalog_view {
    const char *list, *one;   /* "GET /api/v1/…" */
    const char *rows;         /* Member of the list. */
    const char *title, *none; /* Title of the first column; a sentence where there is none. */
    const char *unknown;      /* Sentence about a name that can be none. */
    const struct column *lines;
};
MUST_CHECK struct err catalog_list(struct invocation *invocation, struct talk *talk,
                                   const struct catalog_view *view);
MUST_CHECK struct err catalog_show(struct invocation *invocation, struct talk *talk,
                                   const struct catalog_view *view);
/* As a column prints it: warnings and errors of a script. */
void catalog_notes_print(const json_t *script);

#endif
