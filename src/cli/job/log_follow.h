/* log_follow.h: follows the output of a job, several of its streams at once, to their ends.
 *
 * Promise    each byte is handed out once and in order; dropped bytes are reported. That is checked
 *            here and not believed. After a disconnect each stream goes on after its last byte;
 *            pauses between tries grow to 2 s, and without any success for `retry_ms` it ends.
 * Ownership  everything in the options is borrowed during the call.
 * Threads    one.
 * Failure    ERR_INTERRUPTED: the user leaves; the job goes on. EPIPE: nobody reads our stdout any
 *            more. What will not go away by trying again ends it at once.
 */
#ifndef DROVER_CLI_JOB_LOG_FOLLOW_H
#define DROVER_CLI_JOB_LOG_FOLLOW_H

#include "cli/base/api.h"

struct job_input;

enum job_stream { JOB_OUT, JOB_ERR, JOB_PTY, JOB_STREAM_COUNT };
const char *job_stream_name(enum job_stream stream);
MUST_CHECK bool job_stream_find(const char *name, enum job_stream *ret_stream);

struct log_piece {
    enum job_stream stream;
    int64_t attempt; /* Each has offsets of its own. */
    int64_t offset;
    struct bytes bytes;
};

struct log_hole { /* Bytes from `from` up to `to` were dropped. */
    enum job_stream stream;
    int64_t attempt;
    int64_t from, to;
};

/* The part of a log that a request asks for. */
struct log_range {
    enum job_stream stream;
    int64_t attempt;
    int64_t offset; /* Negative: none is given. */
    int limit;      /* Bytes; 0: none is given. */
};
/* A page of a log as bytes (ret_body NULL: not read). *ret_offset: where it begins; *ret_size:
 * where the log ends now. Both are untouched where the daemon does not say. */
MUST_CHECK struct err log_page(struct talk *talk, const char *run, const struct log_range *range,
                               struct text *ret_body, int64_t *ret_offset, int64_t *ret_size,
                               struct why *why);

struct log_follow_options {
    struct talk *talk;
    const char *run;
    int64_t attempt; /* From 1: what is the newest may be another one at the next connection. */
    bool wanted[JOB_STREAM_COUNT];
    int64_t from[JOB_STREAM_COUNT]; /* The first offset wanted of each. */
    int64_t retry_ms;               /* 0: a disconnect ends it. */
    int signal_fd;                  /* When it is readable, `signalled` is called; -1: none. */
    struct job_input *input;        /* Is sent meanwhile; an error of it ends all. NULL: none. */
    void (*piece)(void *ctx, const struct log_piece *piece);
    void (*hole)(void *ctx, const struct log_hole *hole);
    void (*signalled)(void *ctx);
    void *ctx;
};

MUST_CHECK struct err log_follow(const struct log_follow_options *options, struct why *why);

/* --- Printing ---------------------------------------------------------------------------------
 *
 *   plain   out and pty to stdout, err to stderr (`err_apart`) or stdout; a hole on stderr
 *   JSON    {"stream","attempt","offset","next","text"|"base64"} a line;
 *           a hole: {"stream","attempt","dropped":{…}}
 *
 * A failed write to stdout shows at the end of the program, which asks for it. */

enum log_form { LOG_PLAIN, LOG_JSON };
struct log_print {
    enum log_form form;
    bool err_apart;
};
/* ctx is a struct log_print. They fit struct log_follow_options. */
void log_print_piece(void *ctx, const struct log_piece *piece);
void log_print_hole(void *ctx, const struct log_hole *hole);

/* --- Parts that are tested alone -------------------------------------------------------------- */

/* The JSON line of a piece. */
void log_piece_json(const struct log_piece *piece, struct text *line);

/* Where one stream stands; `options` gives the callbacks. */
struct log_cursor {
    const struct log_follow_options *options;
    enum job_stream stream;
    int64_t next;
};
/* The JSON of the frames `output` and `dropped`. */
MUST_CHECK struct err log_cursor_output(struct log_cursor *cursor, const json_t *data,
                                        struct why *why);
MUST_CHECK struct err log_cursor_dropped(struct log_cursor *cursor, const json_t *data,
                                         struct why *why);

#endif
