/* log_follow.c: a feed for each stream, and one poll(2) over all of them. */
#include "cli/job/log_follow.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/number.h"
#include "base/utf8.h"
#include "cli/job/input.h"
#include "cli/stream/feed.h"
#include "cli/terminal/plain.h"

static const char *const stream_names[JOB_STREAM_COUNT + 1] = {
    [JOB_OUT] = "out", [JOB_ERR] = "err", [JOB_PTY] = "pty"};

const char *job_stream_name(enum job_stream stream) {
    assert(stream < JOB_STREAM_COUNT);
    return stream_names[stream];
}

bool job_stream_find(const char *name, enum job_stream *ret_stream) {
    return bytes_find(bytes_of(name), stream_names, ret_stream);
}

/* "/api/v1/jobs/RUN/logs?…" */
static bool log_target(struct text *target, const char *run, const struct log_range *range) {
    if (!talk_target(target, "/api/v1/jobs/", run, "/logs?stream=")) {
        return false;
    }
    text_addf(target, "%s&attempt=%lld", job_stream_name(range->stream), (long long)range->attempt);
    if (range->offset >= 0) {
        text_addf(target, "&offset=%lld", (long long)range->offset);
    }
    if (range->limit > 0) {
        text_addf(target, "&limit=%d", range->limit);
    }
    return !text_failed(target);
}

/* Leaves *number as it is where there is no such header, or it is no number. */
static void header_int(const struct talk *talk, const char *name, int64_t *number) {
    int64_t value = 0;
    if (number_parse(bytes_of(client_header(talk->client, name)),
                     (struct number_bounds){0, INT64_MAX}, &value)) {
        *number = value;
    }
}

struct err log_page(struct talk *talk, const char *run, const struct log_range *range,
                    struct text *ret_body, int64_t *ret_offset, int64_t *ret_size,
                    struct why *why) {
    AUTO(text_done) struct text target = {0};
    TRY(log_target(&target, run, range) ? ERR_OK : err_make(ERR_NOT_FOUND, "job: id"));
    const struct client_request request = {
        .method = "GET", .target = target.data, .accept = "application/octet-stream"};
    TRY(client_call(talk->client, &request, ret_body, why));
    header_int(talk, "drover-offset", ret_offset);
    header_int(talk, "drover-size", ret_size);
    return ERR_OK;
}

/* --- What may come next ----------------------------------------------------------------------- */

static struct err nonsense(const struct log_cursor *cursor, const char *what, struct why *why) {
    return err_why(why, ERR_INTERNAL, "the daemon sent a malformed log of %s: %s",
                   job_stream_name(cursor->stream), what);
}

struct err log_cursor_output(struct log_cursor *cursor, const json_t *data, struct why *why) {
    AUTO(text_done) struct text room = {0};
    int64_t offset = json_int(data, "offset", -1);
    struct bytes bytes = json_bytes(data, "text"), encoded = json_bytes(data, "base64");
    bool whole = json_is_string(json_object_get(data, "text"));
    if (!whole && json_is_string(json_object_get(data, "base64"))) {
        text_init(&room, encoded.len + 1);
        whole = base64_add_decoded(&room, encoded) && !text_failed(&room);
        bytes = text_bytes(&room);
    }
    if (!whole || !json_is_integer(json_object_get(data, "offset"))) {
        return nonsense(cursor, "a piece without offset or bytes", why);
    }
    if (offset > cursor->next) {
        return err_why(why, ERR_INTERNAL, "the log has a gap: %s byte %lld came after %lld",
                       job_stream_name(cursor->stream), (long long)offset, (long long)cursor->next);
    }
    /* Bytes that a reconnect repeats are not shown again. */
    uint64_t seen = (uint64_t)(cursor->next - offset);
    if (seen >= bytes.len) {
        return ERR_OK;
    }
    const struct log_piece piece = {
        .stream = cursor->stream,
        .attempt = cursor->options->attempt,
        .offset = cursor->next,
        .bytes = {bytes.data + seen, bytes.len - (size_t)seen},
    };
    cursor->next += (int64_t)piece.bytes.len;
    cursor->options->piece(cursor->options->ctx, &piece);
    return ERR_OK;
}

struct err log_cursor_dropped(struct log_cursor *cursor, const json_t *data, struct why *why) {
    if (!json_is_integer(json_object_get(data, "to"))) {
        return nonsense(cursor, "a hole without an end", why);
    }
    const struct log_hole hole = {.stream = cursor->stream,
                                  .attempt = cursor->options->attempt,
                                  .from = cursor->next,
                                  .to = json_int(data, "to", 0)};
    if (hole.to > hole.from) {
        cursor->next = hole.to;
        cursor->options->hole(cursor->options->ctx, &hole);
    }
    return ERR_OK;
}

/* --- Printing --------------------------------------------------------------------------------- */

void log_piece_json(const struct log_piece *piece, struct text *line) {
    text_addf(line, "{\"stream\":\"%s\",\"attempt\":%lld,\"offset\":%lld,\"next\":%lld,",
              job_stream_name(piece->stream), (long long)piece->attempt, (long long)piece->offset,
              (long long)(piece->offset + (int64_t)piece->bytes.len));
    if (utf8_valid(piece->bytes.data, piece->bytes.len)) {
        text_add_str(line, "\"text\":");
        text_add_json(line, piece->bytes.data, piece->bytes.len);
    } else {
        text_add_str(line, "\"base64\":\"");
        base64_add(line, piece->bytes);
        text_add_char(line, '"');
    }
    text_add_str(line, "}\n");
}

void log_print_piece(void *ctx, const struct log_piece *piece) {
    const struct log_print *print = ctx;
    bool apart = print->err_apart && piece->stream == JOB_ERR;
    if (print->form == LOG_PLAIN) {
        fwrite(piece->bytes.data, 1, piece->bytes.len, apart ? stderr : stdout);
        return;
    }
    /* An escape is at most six bytes. */
    AUTO(text_done) struct text line = text_up_to(piece->bytes.len * 6 + 256);
    log_piece_json(piece, &line);
    if (!text_failed(&line)) {
        fwrite(line.data, 1, line.len, stdout);
    }
}

void log_print_hole(void *ctx, const struct log_hole *hole) {
    const struct log_print *print = ctx;
    const char *name = job_stream_name(hole->stream);
    long long from = (long long)hole->from, to = (long long)hole->to;
    if (print->form == LOG_JSON) {
        printf("{\"stream\":\"%s\",\"attempt\":%lld,\"dropped\":{\"from\":%lld,\"to\":%lld}}\n",
               name, (long long)hole->attempt, from, to);
        return;
    }
    plain_note("drover: %lld bytes of %s are not kept: from %lld to %lld\n", to - from, name, from,
               to);
}

/* --- One stream ------------------------------------------------------------------------------- */

struct following {
    const struct log_follow_options *options;
    struct log_feed {
        struct following *all;
        struct feed feed;
        struct log_cursor cursor;
    } feeds[JOB_STREAM_COUNT];
    unsigned feed_count;
    bool troubled; /* The user was told of this outage. */
    int reader_fd; /* Our stdout, where that is a pipe or a socket; -1: it is not. */
    struct why *why;
};

static bool on_connect(void *ctx, struct text *target) {
    const struct log_feed *log = ctx;
    const struct log_follow_options *options = log->all->options;
    const struct log_range range = {
        .stream = log->cursor.stream, .attempt = options->attempt, .offset = log->cursor.next};
    return log_target(target, options->run, &range);
}

static struct err on_frame(void *ctx, const struct sse_frame *frame, struct why *why) {
    struct log_feed *log = ctx;
    AUTO(json_release) json_t *data = NULL;
    const bool dropped = sse_is(frame, "dropped");
    if (!dropped && !sse_is(frame, "output")) {
        return ERR_OK;
    }
    if (err_failed(json_parse_wrapped(frame->data, &data, why))) {
        return err_make(ERR_IO, "log: frame");
    }
    return dropped ? log_cursor_dropped(&log->cursor, data, why)
                   : log_cursor_output(&log->cursor, data, why);
}

static void on_alive(void *ctx, bool was_away) {
    struct log_feed *log = ctx;
    (void)was_away; /* The other streams count, too. */
    log->all->troubled = false;
}

static void on_away(void *ctx, struct err err, const struct why *why) {
    struct log_feed *log = ctx;
    if (!log->all->troubled) {
        talk_trouble_of(err, why);
        log->all->troubled = true;
    }
}

/* --- All of them ------------------------------------------------------------------------------ */

/* Waits for bytes, or until something is due. */
static struct err feeds_wait(struct following *all, bool ret_ready[JOB_STREAM_COUNT]) {
    const struct log_follow_options *options = all->options;
    const struct client_options *client = &options->talk->options;
    int wait_ms = FEED_SILENCE_MS;
    struct pollfd polls[JOB_STREAM_COUNT + 4];
    unsigned count = all->feed_count;
    for (unsigned i = 0; i < count; i++) {
        const struct feed *feed = &all->feeds[i].feed;
        const int feed_ms = feed->state == FEED_ENDED ? wait_ms : feed_wait_ms(feed);
        polls[i] = (struct pollfd){.fd = feed_fd(feed), .events = POLLIN};
        wait_ms = feed_ms < wait_ms ? feed_ms : wait_ms;
    }
    int input_fd = options->input != NULL ? job_input_fd(options->input) : -1;
    int64_t input_ms = options->input != NULL ? job_input_wait_ms(options->input) : -1;
    wait_ms = input_ms >= 0 && input_ms < wait_ms ? (int)input_ms : wait_ms;
    struct pollfd *interrupt = &polls[count], *signal = &polls[count + 1];
    struct pollfd *input = &polls[count + 2], *reader = &polls[count + 3];
    *interrupt = (struct pollfd){.fd = client->interrupt_fd, .events = POLLIN};
    *signal = (struct pollfd){.fd = options->signal_fd, .events = POLLIN};
    *input = (struct pollfd){.fd = input_fd, .events = POLLIN};
    *reader = (struct pollfd){.fd = all->reader_fd};
    if (client->before_wait != NULL) {
        client->before_wait(client->ctx);
    }
    if (poll(polls, count + 4, wait_ms) < 0 && errno != EINTR) {
        return err_from_errno(errno, "log: poll");
    }
    if ((interrupt->revents & POLLIN) != 0) {
        return err_make(ERR_INTERRUPTED, "log: wait");
    }
    if ((reader->revents & (POLLERR | POLLHUP)) != 0) {
        return err_from_errno(EPIPE, "log: output");
    }
    if ((signal->revents & POLLIN) != 0) {
        options->signalled(options->ctx);
    }
    for (unsigned i = 0; i < count; i++) {
        ret_ready[i] = polls[i].fd >= 0 && polls[i].revents != 0;
    }
    return options->input != NULL
               ? job_input_turn(options->input, input_fd >= 0 && input->revents != 0)
               : ERR_OK;
}

/* A job may be silent for long, and a write would be the first to notice that the reader left. A
 * terminal that hangs up sends a signal instead. */
static int reader_find(void) {
    struct stat about;
    bool piped =
        fstat(STDOUT_FILENO, &about) == 0 && (S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode));
    return piped ? STDOUT_FILENO : -1;
}

static bool feeds_ended(const struct following *all) {
    bool ended = true;
    for (unsigned i = 0; i < all->feed_count; i++) {
        ended = ended && all->feeds[i].feed.state == FEED_ENDED;
    }
    return ended;
}

struct err log_follow(const struct log_follow_options *options, struct why *why) {
    struct following all = {.options = options, .reader_fd = reader_find(), .why = why};
    struct err err = ERR_OK;
    for (unsigned stream = 0; stream < JOB_STREAM_COUNT && !err_failed(err); stream++) {
        if (!options->wanted[stream]) {
            continue;
        }
        struct log_feed *log = &all.feeds[all.feed_count++];
        *log = (struct log_feed){.all = &all,
                                 .cursor = {.options = options,
                                            .stream = (enum job_stream)stream,
                                            .next = options->from[stream]},
                                 .feed = {.talk = options->talk,
                                          .retry_ms = options->retry_ms,
                                          .on_connect = on_connect,
                                          .on_frame = on_frame,
                                          .on_alive = on_alive,
                                          .on_away = on_away,
                                          .ctx = log}};
        err = feed_open(&log->feed, why);
    }
    bool ready[JOB_STREAM_COUNT] = {false}; /* At first nobody is connected, and all are due. */
    while (!err_failed(err) && !feeds_ended(&all)) {
        for (unsigned i = 0; i < all.feed_count && !err_failed(err); i++) {
            err = feed_turn(&all.feeds[i].feed, ready[i], why);
        }
        if (!err_failed(err) && !feeds_ended(&all)) {
            err = feeds_wait(&all, ready);
        }
    }
    for (unsigned i = 0; i < all.feed_count; i++) {
        feed_done(&all.feeds[i].feed);
    }
    return err;
}
