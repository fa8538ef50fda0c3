/* ask.h: asks for what the stream of a workflow does not tell: its agents' rows, and who
 * of them waits for an answer.
 *
 * Threads    one.
 * Failure    as client.h; what came before stays in the tree.
 */
#ifndef DROVER_CLI_WORKFLOW_ASK_H
#define DROVER_CLI_WORKFLOW_ASK_H

#include "cli/base/api.h"
#include "cli/workflow/tree.h"

/* Each goes into the tree; with --json (`rows` not NULL) each is appended there, too. */
struct workflow_ask {
    const char *run;
    struct workflow_tree *tree;
    json_t *rows; /* An array; NULL: they are not wanted. */
};
MUST_CHECK struct err workflow_agents_ask(struct talk *talk, struct workflow_ask *ask,
                                          struct why *why);

/* An agent with tools speaks in a turn of its own, and that one asks; whose it is, is asked once.
 */
struct workflow_questions {
    struct workflow_tree *tree;
    json_t *parents; /* An object: of each run that asked, the run that it belongs to. */
    /* A question that is new to the tree; NULL: nobody wants to hear. */
    void (*asked)(void *ctx, const struct workflow_agent *agent, const json_t *approval);
    /* Each that is open, new or not; NULL: as above. */
    void (*open)(void *ctx, const struct workflow_agent *agent, const json_t *approval);
    void *ctx;
};
/* The tree's agents ask what they ask now, and nothing else. */
MUST_CHECK struct err workflow_questions_ask(struct talk *talk,
                                             struct workflow_questions *questions, struct why *why);

#endif
