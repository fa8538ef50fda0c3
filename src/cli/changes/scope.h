/* scope.h: the session or run whose changes a command is about, and the list of them.
 *
 *   ses_…, run_…   a session, a run; short names of both were resolved before (names.h)
 *   tsk_…          a task: its last attempt
 *   no word        the session that changed last and works in the current folder or its project;
 *                  where none does, the newest run that does. A line on stderr names it.
 *
 * Ownership  embedded; changes_scope_done ends it, zeroed too. *ret_list is the caller's.
 * Threads    one.
 * Failure    as client.h; ERR_NOT_FOUND: there is no such thing; ERR_NOT_IMPLEMENTED: there is no
 *            git where the daemon runs.
 */
#ifndef DROVER_CLI_CHANGES_SCOPE_H
#define DROVER_CLI_CHANGES_SCOPE_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/base/api.h"

#define CHANGES_BASE_FLAG                                                                          \
    OPTION_TEXT("base", 0, "BASE",                                                                 \
                "Show changes since this: start, turn:N, or point:ID of a point [start].")
#define CHANGES_WHOSE_ABOUT                                                                        \
    "Without SESSION or RUN, it is the session that changed last and works in the\n"               \
    "current folder or its project, else the newest run that works there. A task\n"                \
    "(tsk_…) stands for its last attempt.\n"

struct changes_scope {
    struct text path; /* Owned: "/api/v1/sessions/ID", or that of a run or a task. */
};
void changes_scope_done(struct changes_scope *scope); /* For AUTO. */
/* `word` NULL: none was given. */
MUST_CHECK struct err changes_scope_find(struct talk *talk, const char *word,
                                         struct changes_scope *ret_scope);

/* A path as it is typed, in the form of the API. A name in quotes has that already: the list shows
 * it so. */
void changes_path_name(const char *typed, struct text *name);

struct changes_wish {
    int64_t limit; /* Files of a page; 0: that of the API. */
    bool all;      /* Files of all pages; `next` is null then. */
};
/* The list of changes with --base and --since of the command, as the API answers. */
MUST_CHECK struct err changes_list(struct talk *talk, const struct changes_scope *scope,
                                   const struct changes_wish *wish, json_t **ret_list);

/* Says on stderr what limits the list: nothing was recorded, the folder is large, or it is not read
 * any more. ERR_NOT_IMPLEMENTED: there is no git. */
MUST_CHECK struct err changes_state_print(struct invocation *invocation, const json_t *list);

#endif
