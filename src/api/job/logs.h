/* logs.h: what the three ways of reading a job's output share: which job, which attempt, which
 * stream; and the frames in which output is followed.
 *
 * Threads    log_look: a store function. The rest: any, pure, one at a time.
 */
#ifndef DROVER_API_JOB_LOGS_H
#define DROVER_API_JOB_LOGS_H

#include "api/run/runs.h"
#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "http/stream/feed.h"
#include "proc/spool/spool.h"

/* As an offset: from the start, or of a terminal from where its screen can be drawn. */
#define LOG_FROM_SCREEN INT64_MIN
enum log_bounds { LOG_ATTEMPT_LATEST = 0, LOG_NO_EXIT_CODE = -1 };

/* Where in a job's output. Each attempt counts its bytes from 0, so an offset alone says something
 * only where there is one attempt. */
struct log_spot {
    int64_t attempt; /* LOG_ATTEMPT_LATEST: not given. */
    int64_t offset;  /* Negative: from the end. */
};
/* The id of an event: "ATTEMPT.OFFSET", or the offset alone. False: neither. */
MUST_CHECK bool log_spot_parse(struct bytes id, struct log_spot *ret_spot);

/* What a client asked for, and what the row says. Copies, since a follower outlives its
 * exchange. */
struct log_target {
    char run[ID_SIZE], owner[OWNER_SIZE];
    bool named; /* The client named the attempt; ids need not. */
    int64_t attempt;
    int64_t offset; /* As asked; negative: from the end. */
    bool has_stream;
    enum log_stream stream;
    struct run_bounds bounds; /* Of the daemon that was asked. */

    /* Found by log_look. */
    int64_t latest; /* 0: none has begun. */
    enum run_state state;
    enum run_cause cause;
    int64_t exit_code; /* LOG_NO_EXIT_CODE: none. */
    bool began;        /* A command began in the attempt, as far as the row can say. */
    int64_t head;      /* Of the run's own stream: every change of the row is an event after it. */
    struct text spec;  /* Owned; only while the stream is not known. */
};

/* The three ways of reading. */
enum log_way { LOG_RANGE, LOG_FOLLOWED, LOG_SEARCHED };
/* Reads what the request asks for; its `why` says what is wrong with that. */
MUST_CHECK struct err log_target_read(struct request *request, enum log_way way,
                                      struct log_target *ret_target);
void log_target_done(struct log_target *target);
/* May run more than once, as any store function. ERR_NOT_FOUND: no such job, or attempt.
 * ERR_HOST_AWAY, ERR_HOST_GONE: the attempt was on another host. ERR_BAD_CURSOR: there are several
 * attempts, and nobody said of which the offset is. */
MUST_CHECK struct err log_look(struct tx *tx, struct log_target *target, struct why *why);
/* The latest attempt, where the client named none; the first, where none has begun. */
void log_target_resolve(struct log_target *target);
/* In the pool, before the first read. The attempt is the one above; the stream, where the client
 * named none, a terminal's output if the job has one, else stdout; a negative offset counts from
 * the end. The place borrows `name`. ERR_OUTPUT_GONE: the attempt has ended, and its folder was
 * removed. */
MUST_CHECK struct err log_open(struct log_target *target, const struct spool *spool,
                               char name[PROTOCOL_NAME_MAX], struct log_place *ret_place,
                               struct why *why);
/* Nothing is added to the log of this attempt any more. */
bool log_ended(const struct log_target *target);
/* RUN.ATTEMPT */
void log_name(const struct log_target *target, char ret_name[PROTOCOL_NAME_MAX]);

/* In the pool: where the output of a terminal is best begun to be replayed, at most
 * SCREEN_WINDOW_MAX before its end (rules/job/screen.h). */
MUST_CHECK struct err log_screen_begin(const struct spool *spool, const struct log_place *place,
                                       int64_t *ret_offset);

extern const struct request_kind jobs__range, jobs__search;
void jobs__logs(struct exchange *exchange, void *ctx);
/* Subscriptions "log:run_…" of WebSockets, and messages about jobs. */
struct feed_kind log_feeds(struct runs_api *api);
/* Answers with events as the log grows: takes what `target` owns. */
void logs__follow(struct exchange *exchange, struct runs_api *api, const struct log_target *target);

/* --- Reading --------------------------------------------------------------------------------- */

/* As much as is there, up to `size`, in one stretch: a hole may be before the first byte, and
 * ends it after that. */
struct log_stretch {
    size_t len;
    int64_t offset;    /* Of the first byte. */
    int64_t hole_from; /* [hole_from, offset) was dropped; equal: nothing was. */
    int64_t size;      /* Of the log. */
    bool hole_after;   /* What comes next was dropped. */
};
MUST_CHECK struct err log_read_stretch(const struct spool *spool, const struct log_place *place,
                                       char *buffer, size_t size, struct log_stretch *ret_stretch);
/* ERR_CURSOR_AHEAD: the log of `size` bytes has not come as far as that spot. */
MUST_CHECK struct err log_spot_check(struct log_spot spot, int64_t size, struct why *why);

/* --- Frames ---------------------------------------------------------------------------------- */

enum log_encoding { LOG_AUTO, LOG_BASE64 };
enum log_rest { LOG_GOES_ON, LOG_REST_LAST }; /* LAST: nothing follows these bytes directly. */
/* How many bytes may be sent now: not the first bytes of a character whose others may follow. */
size_t log_piece_len(struct bytes bytes, enum log_rest rest);

struct log_piece {
    struct bytes bytes;
    struct log_spot at; /* LATEST: the client named the attempt, and the id is the offset alone. */
    enum log_encoding encoding;
};
/* Bytes of a piece at most. */
enum { LOG_PIECE_MAX = 32 << 10 };
/* `socket`: name of a subscription, whose frames are those of a WebSocket; empty: SSE. */
void log_frame_output(struct text *text, struct bytes socket, const struct log_piece *piece);
void log_frame_dropped(struct text *text, struct bytes socket, struct log_spot from, int64_t to);
void log_frame_done(struct text *text, struct bytes socket, const struct log_target *target,
                    int64_t size);
/* `code` NULL: the server drains. */
void log_frame_closing(struct text *text, struct bytes socket, struct log_spot after,
                       const char *code);

#endif
