/* ask.h: a few connections, each of which asks its next question when its last was answered.
 *
 * Promise    an exact clock around each question; an answer may wait (long-poll) for long.
 * Ownership  everything is borrowed for the call; an answer's body lasts until `answered` returns.
 * Threads    one.
 * Failure    a server that closes or does not speak HTTP ends the run.
 */
#ifndef DROVER_BENCH_ASK_H
#define DROVER_BENCH_ASK_H

#include "wire.h"

struct question {
    const char *method;
    char path[192], body[512]; /* body "": none. */
};

struct answer {
    int status;
    const char *body; /* Ends with a NUL. */
    uint64_t asked_ns, answered_ns;
};

struct ask {
    const struct target *target;
    size_t connections;
    size_t answer_max; /* Bytes of an answer; 0: 16 kB. */
    void *ctx;
    /* The next question of connection `at`; false: it has no more, for ever. */
    bool (*next)(void *ctx, size_t at, struct question *ret_question);
    void (*answered)(void *ctx, size_t at, const struct answer *answer);
};
void ask_all(const struct ask *ask); /* Until no connection has a question. */

#endif
