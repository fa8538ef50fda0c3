/* must.h: must-haves that are checked outside of the database: files, what must not change, and
 * commands. See rules/board/must.h.
 *
 *   an agent asks for review ──> tx_must_order ──> the checks (dispatch/board/must.h) ──>
 *                                tx_task_move with their findings, which looks at all else again
 *
 * A check has no row: it belongs to the request that is held open. The runs of its commands carry a
 * key of the engine's own, by which a daemon that comes back ends those of one that is gone.
 *
 * Files that must not change have a fingerprint, which is taken along with the task and kept until
 * that is opened again: {"PATH": "HASH"} in its row.
 *
 * Threads    inside a store function. Ownership: texts live in the transaction's arena.
 */
#ifndef DROVER_ENGINE_BOARD_MUST_H
#define DROVER_ENGINE_BOARD_MUST_H

#include "engine/board/board.h"
#include "engine/job/spec.h"
#include "rules/board/must.h"

#define MUST_KEY "must-have" /* The engine's own concurrency key. */
enum {
    MUST_AT_ONCE = 4,              /* Commands of must-haves of one owner. */
    MUST_PRINTS_MAX = 64 << 10,    /* Bytes of the fingerprints of a task. */
    MUST_COMMAND_OUTPUT = 1 << 20, /* Output of a command that is kept. */
};

/* Findings of checks, which hold for this attempt and this list alone. */
struct task_checked {
    struct bytes attempt, must_haves;
    struct bytes unmet;  /* JSON strings, with commas between them; "": all are met. */
    struct bytes prints; /* Fingerprints of a task that is taken. */
};

/* The checks that are due before a move, which nothing else forbids. */
struct must_order {
    bool due;      /* false: nothing is checked. */
    bool sandbox;  /* Commands are kept inside, if possible: the agent's own are. */
    bool confined; /* Else none runs: the agent reaches drover by a port alone. */
    struct bytes task, attempt, must_haves, prints;
    struct bytes root;         /* Folder of the attempt, or of its project; "": there is none. */
    struct bytes path;         /* PATH of commands; "": the daemon's. */
    struct bytes project, run; /* run_… below which commands run; "": none. */
    int64_t timeout_s;
};
/* A move that is refused anyhow is not: it says why by itself. */
MUST_CHECK struct err tx_must_order(struct tx *tx, const struct task_move *move,
                                    struct must_order *ret_order);

/* Begins a command, in the folder of the order. ERR_CONFLICT: the attempt works no more. */
struct must_command {
    struct id run;
    struct bytes owner, line;
    const struct must_order *order;
    bool sandbox;
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_must_run(struct tx *tx, const struct must_command *command,
                                  struct run_row *ret_row);
/* Asks it to end, unless it has; `stale_of` (try_…): only if that attempt does not work on its task
 * any more. No bytes: whatever the attempt does. */
MUST_CHECK struct err tx_must_stop(struct tx *tx, const struct run_key *key, struct bytes stale_of,
                                   const struct run_bounds *bounds);
/* At the start: asks the commands of an earlier daemon to end; *ret_more: call again. */
MUST_CHECK struct err tx_must_recover(struct tx *tx, const struct run_bounds *bounds,
                                      bool *ret_more);

#endif
