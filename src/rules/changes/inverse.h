/* inverse.h: changes of a path that a rewind takes back, the work of one author. Pure.
 *
 *   T0 ──A──▶ 1 ──A──▶ 2 ──B──▶ 3 ──A──▶ 4 = now          changes of one path, oldest first
 *      └── run 1 ──┘       └ other └ run 2 ┘
 *
 * A change is *mine* where its author set is not empty and has no member outside of `mine`;
 * *shared* where it is not mine and has several members; else another's. Changes of mine with no
 * other between them are one run.
 *
 *   only mine          INVERSE_EXACT: the path becomes what it was at T0
 *   others as well     INVERSE_RUNS: runs are taken back, the newest first. Taking back is a merge
 *                      of three: the state now, the state after the run (base) and the one before
 *                      the run (other): inverse_merge
 *   others made, deleted or changed the mode or kind of the path after my first change
 *                      INVERSE_REFUSED: no text says whose state counts
 *   forced             INVERSE_EXACT, also where others changed it
 *   back               INVERSE_NONE: others alone came after mine, and the path is what it was
 *   nothing of mine    INVERSE_NONE, and INVERSE_SHARED where a shared change has a member of mine
 *
 * What others did before my first change needs no care: it is the base of my run.
 *
 * Ownership  all is borrowed.
 * Threads    any.
 */
#ifndef DROVER_RULES_CHANGES_INVERSE_H
#define DROVER_RULES_CHANGES_INVERSE_H

#include "base/base.h"

/* A path in a tree. Both are empty where there is nothing. */
struct inverse_state {
    struct bytes mode; /* "100644", "100755", "120000". */
    struct bytes hash;
};
struct inverse_change {
    struct inverse_state before, after;
    int64_t by; /* Set of authors (authors.h); 0: unknown. */
};

enum inverse_kind {
    INVERSE_NONE,
    INVERSE_SHARED,
    INVERSE_EXACT,
    INVERSE_RUNS,
    INVERSE_REFUSED,
};
enum inverse_force { INVERSE_CAREFUL, INVERSE_FORCED };
MUST_CHECK enum inverse_kind inverse_judge(const struct inverse_change *changes, size_t count,
                                           int64_t mine, enum inverse_force force);

/* Whether a change is shared: the reason that a refusal names. */
MUST_CHECK bool inverse_is_mine(int64_t by, int64_t mine);
MUST_CHECK bool inverse_is_shared(int64_t by, int64_t mine);

/* The newest run that begins before *io_at, which is `count` at first. False: there is no more. */
struct inverse_run {
    struct inverse_state before, after;
};
MUST_CHECK bool inverse_run_next(const struct inverse_change *changes, int64_t mine, size_t *io_at,
                                 struct inverse_run *ret_run);

/* Takes a run back from the state `now`.
 *   INVERSE_STATE   *ret_state is the result
 *   INVERSE_TEXT    the result has the mode of *ret_state; its text is the merge of now, run->after
 *                   and run->before
 *   INVERSE_CLASH   existence or kind differ on both sides, or a link has two targets */
enum inverse_merge { INVERSE_STATE, INVERSE_TEXT, INVERSE_CLASH };
MUST_CHECK enum inverse_merge inverse_merge(struct inverse_state now, const struct inverse_run *run,
                                            struct inverse_state *ret_state);

#endif
