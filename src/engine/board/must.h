/* must.h: checks of must-haves that are looked at outside of the database: files, what must not
 * change, and commands. See rules/board/must.h.
 *
 *   tx_task_move ──begins──> LOOK ──the disk──> BEGIN ──a job──> RUN ──its end──> OVER
 *                              └─ no command ────────> OVER        └─the next one─> BEGIN
 *
 * Promise    a check is in the row of its attempt, which is `checking` until the end, and goes on
 *            after a kill of the daemon. Its commands are jobs below the attempt, one after the
 *            other. The commit of the last end decides: the task goes to review, or the findings
 *            are kept in the row. A check whose attempt has ended, or whose task was moved, decides
 *            nothing. Each step is a note, by which the dispatcher (dispatch/board/must.h) goes on.
 *            A task that is taken by hand is checked as well: the fingerprints of files that must
 *            not change are {"PATH": "HASH"} in its row, until it is opened again.
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

/* The end of a check, which holds for this attempt and this list alone. */
struct task_checked {
    bool moved; /* Everything was met: the task was moved, in the commit of the end. */
    struct bytes attempt, must_haves;
    struct bytes unmet; /* JSON strings, with commas between them; "": none was found. */
};

enum check_phase { CHECK_OVER, CHECK_LOOK, CHECK_BEGIN, CHECK_RUN };
enum check_end { CHECK_DROPPED, CHECK_MET, CHECK_UNMET };
/* A check, as the rows have it. */
struct check_order {
    enum check_phase phase;
    enum check_end end; /* CHECK_OVER; dropped: what has ended, or was changed, decided nothing. */
    int64_t number;
    enum task_status to;
    bool sandbox;  /* Commands are kept inside, if possible: the agent's own are. */
    bool confined; /* Else none runs: the agent reaches drover by a port alone. */
    bool queued;   /* CHECK_RUN: the command has not begun. */
    struct bytes owner, must_haves, prints;
    struct bytes root;         /* Folder of the attempt, or of its project; "": there is none. */
    struct bytes path;         /* PATH of commands; "": the daemon's. */
    struct bytes project, run; /* run_… below which commands run; "": none. */
    struct bytes line;         /* CHECK_BEGIN: the command. */
    struct bytes command;      /* CHECK_RUN: the run of the command. */
    struct bytes ran;          /* Run of the command before; "": none has ended. */
    struct bytes found;        /* CHECK_OVER: JSON list of findings, for check_found_read. */
    int64_t timeout_s;
};
/* By try_…; an attempt that is gone has no check. */
MUST_CHECK struct err tx_check_find(struct tx *tx, struct bytes attempt,
                                    struct check_order *ret_order);

/* A step of the check with that number, in the phase for it; else nothing happens. */
struct check_step {
    struct bytes attempt;
    int64_t number;
    struct bytes unmet, prints; /* LOOK: what the disk says. */
    struct id run;              /* BEGIN: name of the run. */
    const char *lack;           /* BEGIN: why the command cannot run; NULL: it can. */
    bool sandbox;               /* BEGIN: commands can be kept in one. */
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_check_looked(struct tx *tx, const struct check_step *step);
MUST_CHECK struct err tx_check_begin(struct tx *tx, const struct check_step *step);
/* Stops a command that has not begun for too long. */
MUST_CHECK struct err tx_check_late(struct tx *tx, const struct check_step *step);

/* A finding of a list: a sentence, or the end of a command. */
struct check_found {
    struct bytes sentence; /* "": a command. */
    struct must must;
    struct must_end end; /* Without the tail. */
    struct bytes run;    /* Run whose logs have the tail. */
    int64_t run_attempt;
};
void check_found_read(const json_t *item, const json_t *must_haves, struct check_found *ret_found);

/* Begins a command, in the folder of the order. */
struct must_command {
    struct id run;
    const struct check_order *order;
    bool sandbox;
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_must_run(struct tx *tx, const struct must_command *command);
/* Asks a command to end, unless it has. */
MUST_CHECK struct err tx_must_stop(struct tx *tx, struct bytes run,
                                   const struct run_bounds *bounds);
/* At the start: a note for each check that goes on, and commands of no check are asked to end;
 * *ret_more: call again. */
MUST_CHECK struct err tx_must_recover(struct tx *tx, const struct run_bounds *bounds,
                                      bool *ret_more);

#endif
