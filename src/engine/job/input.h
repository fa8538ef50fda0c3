/* input.h: what is typed, or poured, into a run that lives.
 *
 * Promise    a piece of input and its offset are one commit, and only then may it be sent. Offsets
 *            count from the first byte that the command reads, the spec's stdin included, without a
 *            gap; so an attempt that begins anew, or a daemon that comes back, goes on by offset.
 * Kept       until the run ends: a later attempt reads all of it again. Hence the bound in all.
 * Threads    inside a store function; reads write to the caller's own memory only.
 * Failure    as store.h; a refusal changes nothing and is told in words.
 */
#ifndef DROVER_ENGINE_JOB_INPUT_H
#define DROVER_ENGINE_JOB_INPUT_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "engine/run/runs.h"

enum {
    RUN_INPUT_PIECE_MAX = 64 << 10, /* Bytes of one piece; the caller looks to it. */
    RUN_INPUT_AHEAD_MAX = 1 << 20,  /* Not yet accepted by the command. */
    RUN_INPUT_MAX = 16 << 20,       /* Of one run, in all. */
};

enum run_input_end { RUN_INPUT_GOES_ON, RUN_INPUT_ENDS };
struct run_input {
    struct run_key key;
    struct bytes bytes;     /* May be empty where it ends. */
    enum run_input_end end; /* Whether that was all. */
    bool placed;            /* Only if the piece begins at `at`. */
    int64_t at;
    int64_t accepted; /* Up to where the attempt that runs has taken it; 0: not known. */
};
struct run_input_place {
    int64_t offset, next; /* Of the piece: its first byte, and the one after it. */
};
/* ERR_NOT_FOUND: no such job of this owner. ERR_INPUT_CLOSED: it takes none. ERR_TOO_MANY: the
 * command has not read enough of what it has. ERR_INPUT_FULL: the bound in all.
 * ERR_CONFLICT: the piece would not begin at `at`. */
MUST_CHECK struct err tx_run_input(struct tx *tx, const struct run_input *input,
                                   struct run_input_place *ret_place, struct why *why);

struct run_input_part {
    int64_t offset; /* Of the first byte; above what was asked where input begins later. */
    bool more;      /* Behind it there is more, now. */
    int64_t end;    /* Where all of it ends; -1: not known yet. */
};
/* The input of a run from `from` on, at most RUN_INPUT_PIECE_MAX bytes, into `bytes`, which is
 * cleared first. A run that has ended has none. */
MUST_CHECK struct err tx_run_input_read(struct tx *tx, struct bytes run, int64_t from,
                                        struct text *bytes, struct run_input_part *ret_part);

#endif
