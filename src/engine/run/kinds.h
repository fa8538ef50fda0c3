/* kinds.h: operations in which the kinds of runs differ.
 *
 * Runs stand below turns and workflows, and their ends, starts and failures are passed on here
 * to the features above: engine/system/run_kinds.c is the table, which is constant.
 *
 * Promise    each function runs in the transaction of the change, in the order of its callers.
 *            NULL: the kind has nothing to do there.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_RUN_KINDS_H
#define DROVER_ENGINE_RUN_KINDS_H

#include "engine/run/rows.h"

struct approval_row; /* engine/approval/approvals.h */
struct run_budget_wait {
    struct bytes note;
    int64_t resume_at_ms; /* End of the budget's day; 0: unknown. */
};

struct run_kind_ops {
    /* Event of an attempt that begins, instead of run_started. */
    struct err (*event_started)(struct tx *tx, const struct run_row *row);
    /* The run has ended, by its row: closes the other rows of its kind. Not called for a run that
     * ends alone. */
    struct err (*ended)(struct tx *tx, const struct run_row *row, struct run_freed *freed);
    /* After that: settles the notices that the run was given. Sets the output for the notices of
     * its end, in the arena; else it is that of struct run_end. */
    struct err (*output)(struct tx *tx, const struct run_row *row, struct bytes *ret_output);
    /* A run of any kind has ended, which a run of this kind may wait for. */
    struct err (*child_ended)(struct tx *tx, const struct run_row *child, struct bytes output);
    /* The whole of what an ended run came to, for a run above it; without it that is its output. */
    struct err (*said)(struct tx *tx, const struct run_row *row, struct bytes *ret_text);

    /* The end that reads no text (give_up.c). `end_alone`: the whole of it. Else `close` ends what
     * stands below the run before its own end, and `closed` follows that. */
    struct err (*end_alone)(struct tx *tx, struct bytes sentence, const struct run_row *row,
                            struct run_freed *freed);
    struct err (*close)(struct tx *tx, const struct run_row *row, struct run_freed *freed);
    struct err (*closed)(struct tx *tx, const struct run_row *row);

    /* Turns below the run that are removed with it: a page of them; how many. */
    size_t (*talks)(struct tx *tx, int64_t run, struct run_talk ret_talks[RUN_TALKS_PAGE]);
    /* Session that is removed with the run; 0: none. */
    int64_t (*talk_session)(struct tx *tx, int64_t run);
    /* A row to be shown gets what only its kind knows (tx_run_waits_mark). */
    void (*view)(struct tx *tx, struct run_row *io_row);
    /* SQL: a row where the run of the id $1 is of this kind by the rows beside it. A kind without
     * it has none. */
    const char *found;

    /* Whether a program inside such a run may ask a person (tx_approval_ask). */
    bool asks;
    /* Whether its questions may name the owners who approve ("approvers"). */
    bool approvers;
    /* A person has answered a question of the run: what waited for that goes on. The event of the
     * answer is appended. */
    struct err (*answered)(struct tx *tx, const struct approval_row *row);
    /* A run below another one asks, or has its answer: the run above may be of this kind. */
    struct err (*child_asks)(struct tx *tx, const struct approval_row *row);
    /* A run below another one waits for a budget; NULL: it goes on. The same holds. */
    struct err (*child_waits)(struct tx *tx, const struct run_row *child,
                              const struct run_budget_wait *wait);
};

/* By enum run_kind. */
extern const struct run_kind_ops run_kinds[RUN_KIND_COUNT];

#endif
