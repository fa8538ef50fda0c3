/* start.h: the begin of an attempt that the daemon makes. See board.h.
 *
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_BOARD_START_H
#define DROVER_ENGINE_BOARD_START_H

#include "engine/board/board.h"
#include "engine/turn/begin.h"

struct attempt_start {
    struct bytes attempt;  /* try_… */
    struct bytes task;     /* For a review: tsk_… */
    struct talk_new talk;  /* Complete but for what its task says: owner, project, title, prompt. */
    struct bytes prints;   /* Fingerprints of what must not change (must.h); "": as they are. */
    struct bytes worktree; /* JSON of the tree that its folder is in; "": none. */
    char *const *tree_texts;       /* The same, by enum tree_text. */
    struct bytes diff, diff_since; /* Changes in the tree since that commit; "": not known. */
    bool resumes;                  /* A session of it can go on. */
};
/* Makes its session, or takes that of the attempt before; writes the prompt, and makes the turn,
 * which is the run of the attempt. Nothing, where somebody moved the task meanwhile. */
MUST_CHECK struct err tx_attempt_start(struct tx *tx, const struct attempt_start *start,
                                       struct why *why);

/* The same for a review. */
MUST_CHECK struct err tx_review_start(struct tx *tx, const struct attempt_start *start,
                                      struct why *why);

#endif
