/* log_follow.c: a connection for each stream, and one poll(2) over all of them.
 *
 *   AWAY ──asked──> READING ──done──> ENDED
 *     ^                │
 *     └──── broken ────┘   (after a pause; `closing` is a break that was announced)
 */
#include "cli/job/log_follow.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "cli/stream/sse_reader.h"

enum { PAUSE_FIRST_MS = 20, PAUSE_MAX_MS = 2000, SILENCE_MS = 45 * 1000 };
#define NS_PER_MS UINT64_C(1000000)

static const char *const stream_names[] = {[JOB_OUT] = "out", [JOB_ERR] = "err", [JOB_PTY] = "pty"};

const char *job_stream_name(enum job_stream stream) {
    assert(stream < JOB_STREAM_COUNT);
    return stream_names[stream];
}

bool job_stream_find(const char *name, enum job_stream *ret_stream) {
    for (unsigned i = 0; i < JOB_STREAM_COUNT; i++) {
        if (strcmp(stream_names[i], name) == 0) {
            *ret_stream = (enum job_stream)i;
            return true;
        }
    }
    return false;
}

bool log_target(struct text *target, const char *run, const struct log_range *range) {
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

/* --- What may come next ----------------------------------------------------------------------- */

static struct err nonsense(const struct log_cursor *cursor, const char *what, struct why *why) {
    return err_why(why, ERR_INTERNAL, "the daemon sent output of %s that makes no sense: %s",
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
    struct log_piece piece = {
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
    struct log_hole hole = {.stream = cursor->stream,
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
    AUTO(text_done) struct text line = {0};
    text_init(&line, piece->bytes.len * 6 + 256); /* An escape is at most six bytes. */
    log_piece_json(piece, &line);
    if (!text_failed(&line)) {
        fwrite(line.data, 1, line.len, stdout);
    }
}

void log_print_hole(void *ctx, const struct log_hole *hole) {
    const struct log_print *print = ctx;
    if (print->form == LOG_JSON) {
        printf("{\"stream\":\"%s\",\"attempt\":%lld,"
               "\"dropped\":{\"from\":%lld,\"to\":%lld}}\n",
               job_stream_name(hole->stream), (long long)hole->attempt, (long long)hole->from,
               (long long)hole->to);
        return;
    }
    (void)fflush(stdout); /* The note stands where the hole is, if both go to one terminal. */
    fprintf(stderr, "drover: %lld bytes of %s are not kept: from %lld to %lld\n",
            (long long)(hole->to - hole->from), job_stream_name(hole->stream),
            (long long)hole->from, (long long)hole->to);
}

/* --- One stream ------------------------------------------------------------------------------- */

struct feed {
    struct log_cursor cursor;
    struct client *client; /* Owned. */
    struct sse_reader reader;
    bool reading;
    bool proven;       /* Something came over this connection: the next pause is a short one. */
    uint64_t due_ns;   /* Away: when the next try is. Reading: when it was silent for too long. */
    uint64_t alive_ns; /* When something came last. */
    int64_t pause_ms;
};

struct following {
    const struct log_follow_options *options;
    struct feed feeds[JOB_STREAM_COUNT];
    unsigned feed_count;
    bool troubled; /* The user was told of this outage. */
    struct why *why;
};

static uint64_t now_ns(const struct following *all) {
    return world_mono_ns(all->options->talk->world);
}

static struct err frame_take(void *ctx, const struct sse_frame *frame, struct why *why) {
    struct feed *feed = ctx;
    if (feed->cursor.ended) {
        return ERR_OK;
    }
    if (sse_is(frame, "closing")) {
        return err_why(why, ERR_CLOSING, "the daemon ended the connection");
    }
    if (sse_is(frame, "done")) {
        feed->cursor.ended = true;
        return ERR_OK;
    }
    AUTO(json_release) json_t *data = NULL;
    if (err_failed(json_parse_wrapped(frame->data, &data, why))) {
        return err_make(ERR_IO, "log: frame");
    }
    if (sse_is(frame, "output")) {
        return log_cursor_output(&feed->cursor, data, why);
    }
    return sse_is(frame, "dropped") ? log_cursor_dropped(&feed->cursor, data, why) : ERR_OK;
}

/* Half of the pause is random, so that many followers of one daemon do not come back at once. */
static struct err feed_broken(struct following *all, struct feed *feed, struct err err) {
    const struct log_follow_options *options = all->options;
    uint64_t now = now_ns(all);
    client_hang_up(feed->client);
    feed->reading = false;
    if (!client_may_pass(err) || options->retry_ms == 0 ||
        now - feed->alive_ns > (uint64_t)options->retry_ms * NS_PER_MS) {
        return err;
    }
    if (!all->troubled) {
        talk_trouble_of(err, all->why);
        all->troubled = true;
    }
    uint16_t random = 0;
    world_random(options->talk->world, &random, sizeof random);
    feed->pause_ms = feed->proven || feed->pause_ms == 0 ? PAUSE_FIRST_MS : feed->pause_ms * 2;
    feed->pause_ms = feed->pause_ms < PAUSE_MAX_MS ? feed->pause_ms : PAUSE_MAX_MS;
    int64_t half = feed->pause_ms / 2;
    feed->due_ns = now + (uint64_t)(half + half * random / UINT16_MAX) * NS_PER_MS;
    feed->proven = false;
    return ERR_OK;
}

static struct err feed_connect(struct following *all, struct feed *feed) {
    AUTO(text_done) struct text target = {0};
    const struct log_range range = {.stream = feed->cursor.stream,
                                    .attempt = all->options->attempt,
                                    .offset = feed->cursor.next};
    sse_reader_clear(&feed->reader);
    all->why->text[0] = '\0';
    struct err err = err_make(ERR_NOT_FOUND, "log: target");
    if (log_target(&target, all->options->run, &range)) {
        struct client_request request = {
            .method = "GET", .target = target.data, .accept = "text/event-stream"};
        err = client_ask(feed->client, &request, all->why);
    }
    if (err_failed(err)) {
        return feed_broken(all, feed, err);
    }
    feed->reading = true;
    feed->due_ns = now_ns(all) + SILENCE_MS * NS_PER_MS;
    return ERR_OK;
}

static struct err feed_read(struct following *all, struct feed *feed) {
    struct bytes piece = {0};
    enum client_more more = CLIENT_MORE;
    struct err err = client_read_now(feed->client, &piece, &more, all->why);
    if (!err_failed(err) && piece.len > 0) {
        feed->proven = true;
        all->troubled = false;
        feed->alive_ns = now_ns(all);
        feed->due_ns = feed->alive_ns + SILENCE_MS * NS_PER_MS;
        err = sse_reader_feed(&feed->reader, piece, all->why);
    } else if (!err_failed(err) && more == CLIENT_OVER && !feed->cursor.ended) {
        why_set(all->why, "the daemon closed the connection");
        err = err_make(ERR_CLOSING, "log: end");
    }
    if (feed->cursor.ended) {
        client_hang_up(feed->client);
        feed->reading = false;
        return ERR_OK;
    }
    return err_failed(err) ? feed_broken(all, feed, err) : ERR_OK;
}

static struct err feed_turn(struct following *all, struct feed *feed, bool ready) {
    bool due = feed->due_ns <= now_ns(all);
    if (feed->cursor.ended || (!ready && !due)) {
        return ERR_OK;
    }
    if (!feed->reading) {
        return feed_connect(all, feed);
    }
    if (ready) {
        return feed_read(all, feed);
    }
    why_set(all->why, "the daemon was silent for %d s", SILENCE_MS / 1000);
    return feed_broken(all, feed, err_make(ERR_IO, "log: silence"));
}

/* --- All of them ------------------------------------------------------------------------------ */

/* Until the first thing that is due, at least a millisecond so that none is missed by rounding. */
static int wait_ms(const struct following *all) {
    uint64_t now = now_ns(all), first = now + SILENCE_MS * NS_PER_MS;
    for (unsigned i = 0; i < all->feed_count; i++) {
        const struct feed *feed = &all->feeds[i];
        if (!feed->cursor.ended && feed->due_ns < first) {
            first = feed->due_ns;
        }
    }
    int wait = first <= now ? 0 : (int)((first - now) / NS_PER_MS) + 1;
    const struct log_guest *guest = all->options->guest;
    int64_t guest_ms = guest == NULL ? -1 : guest->wait_ms(guest->ctx);
    return guest_ms >= 0 && guest_ms < wait ? (int)guest_ms : wait;
}

static struct err feeds_wait(struct following *all, bool ret_ready[JOB_STREAM_COUNT]) {
    const struct log_follow_options *options = all->options;
    const struct client_options *client = &options->talk->options;
    const struct log_guest *guest = options->guest;
    struct pollfd polls[JOB_STREAM_COUNT + 3];
    unsigned count = all->feed_count;
    for (unsigned i = 0; i < count; i++) {
        const struct feed *feed = &all->feeds[i];
        polls[i] =
            (struct pollfd){.fd = feed->reading ? client_fd(feed->client) : -1, .events = POLLIN};
    }
    polls[count] = (struct pollfd){.fd = client->interrupt_fd, .events = POLLIN};
    polls[count + 1] = (struct pollfd){.fd = options->signal_fd, .events = POLLIN};
    polls[count + 2] =
        (struct pollfd){.fd = guest == NULL ? -1 : guest->fd(guest->ctx), .events = POLLIN};
    if (client->before_wait != NULL) {
        client->before_wait(client->ctx);
    }
    if (poll(polls, count + 3, wait_ms(all)) < 0 && errno != EINTR) {
        return err_from_errno(errno, "log: poll");
    }
    if ((polls[count].revents & POLLIN) != 0) {
        return err_make(ERR_INTERRUPTED, "log: wait");
    }
    if ((polls[count + 1].revents & POLLIN) != 0) {
        options->signalled(options->ctx);
    }
    for (unsigned i = 0; i < count; i++) {
        ret_ready[i] = polls[i].fd >= 0 && polls[i].revents != 0;
    }
    bool guest_ready = polls[count + 2].fd >= 0 && polls[count + 2].revents != 0;
    return guest == NULL ? ERR_OK : guest->turn(guest->ctx, guest_ready);
}

static bool all_ended(const struct following *all) {
    bool ended = true;
    for (unsigned i = 0; i < all->feed_count; i++) {
        ended = ended && all->feeds[i].cursor.ended;
    }
    return ended;
}

struct err log_follow(const struct log_follow_options *options, struct why *why) {
    struct following all = {.options = options, .why = why};
    struct err err = ERR_OK;
    for (unsigned stream = 0; stream < JOB_STREAM_COUNT && !err_failed(err); stream++) {
        if (!options->wanted[stream]) {
            continue;
        }
        struct feed *feed = &all.feeds[all.feed_count++];
        *feed = (struct feed){.alive_ns = now_ns(&all)};
        feed->cursor = (struct log_cursor){
            .options = options, .stream = (enum job_stream)stream, .next = options->from[stream]};
        sse_reader_init(&feed->reader);
        feed->reader.frame = frame_take;
        feed->reader.ctx = feed;
        err = client_open(&options->talk->options, &feed->client, why);
    }
    bool ready[JOB_STREAM_COUNT] = {false}; /* At first nobody is connected, and all are due. */
    while (!err_failed(err) && !all_ended(&all)) {
        for (unsigned i = 0; i < all.feed_count && !err_failed(err); i++) {
            err = feed_turn(&all, &all.feeds[i], ready[i]);
        }
        if (!err_failed(err) && !all_ended(&all)) {
            err = feeds_wait(&all, ready);
        }
    }
    for (unsigned i = 0; i < all.feed_count; i++) {
        client_close(all.feeds[i].client);
        sse_reader_done(&all.feeds[i].reader);
    }
    return err;
}
