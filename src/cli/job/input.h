/* input.h: takes what comes on a descriptor to a job, as input by offset.
 *
 *   WAITING for bytes ──read──> SENDING a piece ──answered──> WAITING … ──end──> OVER
 *      └──cannot be read──> BROKEN <──refused──┘
 *
 * Promise    each byte arrives once and in order: a piece has a key of its own and is sent under it
 *            until it was answered, also by the next daemon. What comes meanwhile stays where it
 *            is. A job that has ended, or was told the end, takes no more: then it is over.
 * Ownership  embedded; everything is borrowed but the piece. job_input_done ends it.
 * Threads    one.
 * Failure    BROKEN: the rest of it will never arrive, and the job would wait for it.
 *            ERR_INTERRUPTED: the user leaves (Ctrl-], or the terminal is gone).
 */
#ifndef DROVER_CLI_JOB_INPUT_H
#define DROVER_CLI_JOB_INPUT_H

#include "cli/base/api.h"

enum { JOB_INPUT_LEAVE = 0x1d }; /* Ctrl-] */

enum job_input_from { JOB_INPUT_STREAM, JOB_INPUT_KEYS };
enum job_input_state { JOB_INPUT_WAITING, JOB_INPUT_SENDING, JOB_INPUT_OVER, JOB_INPUT_BROKEN };
struct job_input {
    struct talk *talk;
    const char *run;
    struct why *why;
    int fd;
    enum job_input_from from;
    enum job_input_state state; /* To be read. */
    /* Private. */
    bool ends;         /* The piece is the last one. */
    bool leaves;       /* The user leaves after it. */
    bool troubled;     /* The outage was reported to the user. */
    struct text piece; /* Owned: the body of the request that is to be sent. */
    struct text typed; /* Owned: keys that came while it could not be. */
    char key[33];
    int64_t pause_ms;
    uint64_t due_ns;
};
/* Members up to `from` are given, all others are zero. */
void job_input_init(struct job_input *input);
void job_input_done(struct job_input *input); /* For AUTO. */

/* For a caller that waits by poll(2): the descriptor to be read (-1: none now), the time until a
 * turn is due (negative: none is), and the turn after the wait. */
int job_input_fd(const struct job_input *input);
int64_t job_input_wait_ms(const struct job_input *input);
MUST_CHECK struct err job_input_turn(struct job_input *input, bool ready);
/* All of it, to its end, without looking at output. */
MUST_CHECK struct err job_input_pump(struct job_input *input);
/* Tells the job, by one request, that no more input comes: nobody reads what it would answer. */
void job_input_close(struct job_input *input);

#endif
