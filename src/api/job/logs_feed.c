/* logs_feed.c: logs as subscriptions of a WebSocket (http/stream/feed.h).
 *
 *     > {"subscribe":"log:run_…","stream":"pty","attempt":1,"offset":0}
 *     < {"subscribed":"log:run_…","log":{"stream":"pty","attempt":1,"from":0}}
 *     < {"stream":"log:run_…","output":{…}}, and the other frames of logs_frame.c
 *     > {"ack":"log:run_…","offset":N}
 *
 * At most WINDOW_MAX bytes of the log are sent after the acknowledged offset; then nothing is read
 * until the client acknowledges more. So a page that is slow to draw costs no memory, and does not
 * fill the connection, on which other subscriptions wait.
 */
#include <string.h>

#include "api/job/logs_follow.h"
#include "base/memory.h"
#include "journal/journal.h"

enum { WINDOW_MAX = 256 << 10, NAME_AT = sizeof "log:" - 1 };

struct log_feed {
    struct follow follow;
    struct feed feed;
    int64_t acknowledged;
    int64_t taken; /* The cursor of what the socket has taken. */
    char name[NAME_AT + ID_SIZE];
};

static struct log_feed *of_follow(const struct follow *follow) {
    return CONTAINER_OF(follow, struct log_feed, follow);
}

static struct log_feed *of_feed(const struct feed *feed) {
    return CONTAINER_OF(feed, struct log_feed, feed);
}

/* --- The way of its frames -------------------------------------------------------------------- */

static bool feed_begin(struct follow *follow) {
    struct log_feed *log = of_follow(follow);
    AUTO(text_done)
    struct text json = text_up_to(512), frames = text_up_to(FOLLOW_FRAMES_MAX + 512);
    text_add_char(&json, '{');
    text_add_member(&json, "subscribed", follow->socket);
    text_add_name(&json, "log");
    text_add_char(&json, '{');
    text_add_member(&json, "stream", bytes_of(log_stream_name(follow->target.stream)));
    text_add_member_int(&json, "attempt", follow->target.attempt);
    text_add_member_int(&json, "from", follow->from);
    text_add_str(&json, "}}");
    feed_frame_add(&frames, text_bytes(&json));
    text_add(&frames, follow->frames.data, follow->frames.len);
    text_done(&follow->frames);
    follow->frames = frames;
    frames = text_up_to(0);
    log->acknowledged = log->taken = follow->from;
    log->feed.begun = true;
    log->feed.ready(&log->feed);
    return true;
}

static void feed_refuse(struct follow *follow, struct err err) {
    struct log_feed *log = of_follow(follow);
    follow_frames_clear(follow);
    feed_error_add(&follow->frames, follow->socket, err, &follow->why);
    follow->state = FOLLOW_OVER;
    log->feed.over = true;
    log->feed.ready(&log->feed);
}

/* The socket pulls. */
static bool feed_open(const struct follow *follow) {
    struct log_feed *log = of_follow(follow);
    if (follow->frames.len == 0) {
        return true;
    }
    log->feed.ready(&log->feed);
    return false;
}

static void feed_end(struct follow *follow) {
    of_follow(follow)->feed.over = true;
}

static bool feed_room(const struct follow *follow) {
    return follow->next - of_follow(follow)->acknowledged <= WINDOW_MAX - FOLLOW_ROUND_MAX;
}

static const struct follow_way feed_way = {.begin = feed_begin,
                                           .refuse = feed_refuse,
                                           .open = feed_open,
                                           .end = feed_end,
                                           .room = feed_room};

/* --- The socket's side ------------------------------------------------------------------------ */

static struct bytes on_pull(struct feed *feed) {
    const struct follow *follow = &of_feed(feed)->follow;
    bool there = follow->state == FOLLOW_WRITING || feed->over;
    return there ? text_bytes(&follow->frames) : BYTES("");
}

static void on_taken(struct feed *feed) {
    struct log_feed *log = of_feed(feed);
    log->taken = log->follow.next;
    follow_frames_clear(&log->follow);
    if (!feed->over) {
        follow_written(&log->follow);
    }
}

static struct err on_acknowledge(struct feed *feed, int64_t offset, struct why *why) {
    struct log_feed *log = of_feed(feed);
    if (offset > log->taken) {
        return err_why(why, ERR_CURSOR_AHEAD, "'offset': nothing was sent after %lld yet",
                       (long long)log->taken);
    }
    log->acknowledged = offset > log->acknowledged ? offset : log->acknowledged;
    if (log->follow.state == FOLLOW_FULL && feed_room(&log->follow)) {
        follow_go_on(&log->follow);
    }
    return ERR_OK;
}

static void on_mark(const struct feed *feed, struct text *json) {
    const struct log_feed *log = of_feed(feed);
    text_add_member_int(json, "after", log->taken);
    text_add_member_int(json, "attempt", log->follow.target.attempt);
}

static void on_close(struct feed *feed) {
    follow_leave(&of_feed(feed)->follow);
}

static const struct feed_ops feed_ops = {.pull = on_pull,
                                         .taken = on_taken,
                                         .acknowledge = on_acknowledge,
                                         .mark = on_mark,
                                         .close = on_close};

/* --- Messages --------------------------------------------------------------------------------- */

static struct err run_of(struct bytes name, struct bytes *ret_run, struct why *why) {
    bool named = name.len > NAME_AT && memcmp(name.data, "log:", NAME_AT) == 0;
    struct bytes run = named ? (struct bytes){name.data + NAME_AT, name.len - NAME_AT} : name;
    if (!named || !id_valid(run.data, run.len, "run")) {
        return runs__absent(run, why);
    }
    *ret_run = run;
    return ERR_OK;
}

static struct err target_fill(const json_t *message, struct log_target *target, struct why *why) {
    const char *name = NULL, *stream = NULL;
    int64_t attempt = LOG_ATTEMPT_LATEST, offset = LOG_FROM_SCREEN;
    const struct json_field fields[] = {
        {"subscribe", JSON_KIND_TEXT, .required = true, .text = &name},
        {"stream", JSON_KIND_TEXT, .text = &stream},
        {"attempt", JSON_KIND_INT, .min = 1, .max = LOGS_ATTEMPT_MAX, .number = &attempt},
        {"offset", JSON_KIND_INT, .min = -LOGS_OFFSET_MAX, .max = LOGS_OFFSET_MAX,
         .number = &offset},
    };
    struct err err = json_read_fields(message, fields, COUNT_OF(fields), why);
    if (err_failed(err)) {
        return err;
    }
    while (stream != NULL && target->stream < LOG_STREAMS &&
           strcmp(stream, log_stream_name(target->stream)) != 0) {
        target->stream++;
    }
    if (target->stream == LOG_STREAMS) {
        return err_why(why, ERR_BAD_FIELD, "'stream' must be one of out, err, pty");
    }
    target->has_stream = stream != NULL;
    target->named = attempt != LOG_ATTEMPT_LATEST;
    target->attempt = attempt;
    target->offset = offset;
    return ERR_OK;
}

static struct err feed_subscribe(void *ctx, const struct feed_open *what, struct feed **ret_feed,
                                 struct why *why) {
    struct runs_api *api = ctx;
    struct bytes run = {0};
    struct log_target target = {.exit_code = LOG_NO_EXIT_CODE,
                                .bounds = dispatch_bounds(api->host.dispatch)};
    struct err err = target_fill(what->message, &target, why);
    if (!err_failed(err)) {
        err = run_of(what->name, &run, why);
    }
    if (err_failed(err)) {
        return err;
    }
    memcpy(target.run, run.data, run.len);
    memcpy(target.owner, what->owner, strlen(what->owner));
    text_init(&target.spec, RUN_SPEC_MAX);
    struct log_feed *log = mem_new(sizeof *log);
    memcpy(log->name, what->name.data, what->name.len);
    log->feed.ops = &feed_ops;
    log->follow.way = &feed_way;
    log->follow.api = api;
    log->follow.target = target;
    log->follow.next = target.offset;
    log->follow.socket = (struct bytes){log->name, what->name.len};
    follow_start(&log->follow);
    *ret_feed = &log->feed;
    return ERR_OK;
}

static struct err request_path(const char *word, struct bytes name, struct text *path,
                               struct why *why) {
    struct bytes run = {0};
    struct err err = run_of(name, &run, why);
    if (!err_failed(err)) {
        text_addf(path, "/api/v1/jobs/%.*s/%s", (int)run.len, run.data, word);
    }
    return err;
}

struct feed_kind log_feeds(struct runs_api *api) {
    static const char *const words[] = {"input", "resize", NULL}; /* As the paths end. */
    return (struct feed_kind){.prefix = "log:run_",
                              .ctx = api,
                              .open = feed_subscribe,
                              .words = words,
                              .path = request_path};
}
