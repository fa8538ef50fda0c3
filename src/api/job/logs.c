/* logs.c: which log is meant; a range of it, and the search in it (GET …/logs, GET …/logs/search).
 *
 * First the row, then the folder: whatever the row says about the end was true before the bytes
 * were read, so `Drover-Ended: true` means that the log ends at `Drover-Next`.
 */
#include "api/job/logs.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/job/logs_search.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "journal/journal.h"
#include "rules/job/screen.h"

/* --- The request ------------------------------------------------------------------------------ */

static void copy_text(char *to, size_t size, struct bytes from) {
    assert(from.len < size);
    memcpy(to, from.data, from.len);
    to[from.len] = '\0';
}

bool log_spot_parse(struct bytes id, struct log_spot *ret_spot) {
    static const struct number_bounds attempts = {1, LOGS_ATTEMPT_MAX}, offsets = {0, INT64_MAX};
    struct log_spot spot = {.attempt = LOG_ATTEMPT_LATEST};
    const char *point = id.len == 0 ? NULL : memchr(id.data, '.', id.len);
    if (point != NULL) {
        size_t len = (size_t)(point - id.data);
        if (!number_parse((struct bytes){id.data, len}, attempts, &spot.attempt)) {
            return false;
        }
        id = (struct bytes){point + 1, id.len - len - 1};
    }
    if (!number_parse(id, offsets, &spot.offset)) {
        return false;
    }
    *ret_spot = spot;
    return true;
}

/* `name` is that of what the client sent the id in. */
static struct err spot_take(struct bytes id, const char *name, struct log_target *target,
                            struct why *why) {
    struct log_spot spot;
    if (!log_spot_parse(id, &spot)) {
        return err_why(why, ERR_BAD_CURSOR,
                       "%s: not the id of an event of this log: ATTEMPT.OFFSET, or OFFSET", name);
    }
    if (target->named && spot.attempt != LOG_ATTEMPT_LATEST && spot.attempt != target->attempt) {
        return err_why(why, ERR_BAD_CURSOR, "%s is of attempt %lld, and 'attempt' says %lld", name,
                       (long long)spot.attempt, (long long)target->attempt);
    }
    target->attempt = spot.attempt != LOG_ATTEMPT_LATEST ? spot.attempt : target->attempt;
    target->offset = spot.offset;
    return ERR_OK;
}

/* A browser that reconnects sends its first URL again and the newer cursor in Last-Event-ID. */
static struct err offset_read(const struct exchange *exchange, enum log_way way,
                              struct log_target *target, struct why *why) {
    struct bytes id = {0};
    target->offset = param_number(exchange, "offset");
    if (way == LOG_FOLLOWED && exchange_header(exchange, "last-event-id", &id) && id.len > 0) {
        return spot_take(id, "Last-Event-ID", target, why);
    }
    return param_given(exchange, "after")
               ? spot_take(param_text(exchange, "after"), "after", target, why)
               : ERR_OK;
}

struct err log_target_read(struct request *request, enum log_way way,
                           struct log_target *ret_target) {
    const struct exchange *exchange = request->op.exchange;
    struct why *why = &request->op.why;
    struct log_target target = {.exit_code = LOG_NO_EXIT_CODE, .bounds = request->bounds};
    struct err err = ERR_OK;
    if (param_given(exchange, "stream")) {
        struct bytes name = param_text(exchange, "stream");
        while (target.stream < LOG_STREAMS && !bytes_is(name, log_stream_name(target.stream))) {
            target.stream++;
        }
        target.has_stream = target.stream < LOG_STREAMS;
        if (!target.has_stream) {
            err = err_why(why, ERR_BAD_QUERY,
                          "query parameter 'stream' must be one of out, err, pty");
        }
    }
    target.named = param_given(exchange, "attempt");
    target.attempt = target.named ? param_number(exchange, "attempt") : LOG_ATTEMPT_LATEST;
    if (!err_failed(err) && way != LOG_SEARCHED) {
        if (param_given(exchange, "encoding") &&
            !bytes_is(param_text(exchange, "encoding"), "base64")) {
            return err_why(why, ERR_BAD_QUERY, "query parameter 'encoding' can only be base64");
        }
        err = offset_read(exchange, way, &target, why);
    }
    copy_text(target.run, sizeof target.run, request->key.id);
    copy_text(target.owner, sizeof target.owner, request->key.owner);
    text_init(&target.spec, RUN_SPEC_MAX);
    *ret_target = target;
    return err;
}

void log_target_done(struct log_target *target) {
    text_done(&target->spec);
}

/* --- The row ---------------------------------------------------------------------------------- */

static struct err head_find(struct tx *tx, struct log_target *target) {
    char name[ID_SIZE + 4];
    int len = snprintf(name, sizeof name, "run:%s", target->run);
    assert(len > 0 && (size_t)len < sizeof name);
    bool found = false;
    struct stream_state state = {0};
    struct err err = tx_stream_find(tx, bytes_of(target->owner), (struct bytes){name, (size_t)len},
                                    &found, &state);
    target->head = found ? state.head : 0;
    return err;
}

/* A reader with an offset of one attempt would miss the rest of that attempt in the next. */
static struct err spot_of_one(const struct log_target *target, int64_t attempts, struct why *why) {
    if (target->attempt != LOG_ATTEMPT_LATEST || target->offset <= 0 || attempts <= 1) {
        return ERR_OK;
    }
    return err_why(
        why, ERR_BAD_CURSOR,
        "offset %lld could be of any of %lld attempts: name one with 'attempt', or send the "
        "whole id of an event, ATTEMPT.OFFSET",
        (long long)target->offset, (long long)attempts);
}

struct err log_look(struct tx *tx, struct log_target *target, struct why *why) {
    const struct run_key key = {bytes_of(target->owner), bytes_of(target->run)};
    bool found = false;
    struct run_row row = {0};
    text_clear(&target->spec);
    TRY(tx_run_find_shown(tx, &key, &found, &row));
    if (!found || row.kind != KIND_JOB) {
        return runs__absent(key.run, why);
    }
    if (target->attempt > (row.attempt > 0 ? row.attempt : 1)) {
        return err_why(why, ERR_NOT_FOUND, "attempt: there have been %lld so far",
                       (long long)row.attempt);
    }
    const struct run_output output = {
        .row = &row,
        .attempt = target->attempt == LOG_ATTEMPT_LATEST ? row.attempt : target->attempt};
    struct err err = tx_run_check_output(tx, &output, &target->bounds, why);
    if (!err_failed(err)) {
        err = spot_of_one(target, row.attempt, why);
    }
    if (err_failed(err)) {
        return err;
    }
    target->latest = row.attempt;
    target->state = row.state;
    target->cause = row.cause;
    target->exit_code = row.exit_code;
    target->began = row.attempt > row.unbegun &&
                    !(row.attempt == output.attempt && row.cause == CAUSE_NOT_STARTED);
    if (!target->has_stream) {
        text_add(&target->spec, row.spec.data, row.spec.len);
    }
    return text_failed(&target->spec) ? text_error(&target->spec, "logs: spec")
                                      : head_find(tx, target);
}

static bool wants_terminal(const struct text *spec) {
    AUTO(json_release) json_t *json = NULL;
    struct err err =
        json_parse_wrapped((struct bytes){spec->data, spec->len}, &json, NULL /* no words */);
    if (err_failed(err)) {
        return false; /* It was accepted once; whatever it is now has no terminal. */
    }
    const json_t *pty = json_object_get(json, "pty");
    return pty != NULL && !json_is_false(pty);
}

void log_target_resolve(struct log_target *target) {
    if (target->attempt == LOG_ATTEMPT_LATEST) {
        target->attempt = target->latest > 0 ? target->latest : 1;
    }
}

struct err log_open(struct log_target *target, const struct spool *spool,
                    char name[PROTOCOL_NAME_MAX], struct log_place *ret_place, struct why *why) {
    int64_t changed_s = 0;
    log_target_resolve(target);
    if (!target->has_stream) {
        target->stream = target->spec.len > 0 && wants_terminal(&target->spec) ? LOG_PTY : LOG_OUT;
        target->has_stream = true;
    }
    text_done(&target->spec);
    text_init(&target->spec, RUN_SPEC_MAX);
    log_name(target, name);
    bool told = target->cause == CAUSE_OUTPUT_GONE && target->attempt == target->latest;
    if (told || (target->began && log_ended(target) &&
                 spool_changed_s(spool, name, &changed_s).code == ERR_NOT_FOUND)) {
        return err_why(
            why, ERR_OUTPUT_GONE,
            "the folder spool/%s of the data directory was removed, and the output with it", name);
    }
    *ret_place =
        (struct log_place){.name = name, .stream = target->stream, .offset = target->offset};
    if (target->offset >= 0) {
        return ERR_OK;
    }
    char none[1];
    struct log_read read = {0};
    const struct log_place end = {.name = name, .stream = target->stream, .offset = INT64_MAX};
    struct err err = spool_log_read(spool, &end, none, sizeof none, &read);
    if (!err_failed(err)) {
        ret_place->offset = read.size + target->offset > 0 ? read.size + target->offset : 0;
    }
    return err;
}

/* A run that waits for its next attempt has ended the one before. */
bool log_ended(const struct log_target *target) {
    return run_state_final(target->state) || target->attempt < target->latest ||
           (target->state == RUN_QUEUED && target->attempt == target->latest);
}

void log_name(const struct log_target *target, char ret_name[PROTOCOL_NAME_MAX]) {
    int len =
        snprintf(ret_name, PROTOCOL_NAME_MAX, "%s.%lld", target->run, (long long)target->attempt);
    assert(len > 0 && len < PROTOCOL_NAME_MAX);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct err log_read_stretch(const struct spool *spool, const struct log_place *place, char *buffer,
                            size_t size, struct log_stretch *ret_stretch) {
    struct log_stretch stretch = {.offset = place->offset, .hole_from = place->offset};
    struct log_place at = *place;
    while (stretch.len < size) {
        struct log_read read = {0};
        struct err err =
            spool_log_read(spool, &at, buffer + stretch.len, size - stretch.len, &read);
        if (err_failed(err)) {
            return err;
        }
        stretch.size = read.size;
        if (stretch.len > 0 && read.offset != at.offset) {
            stretch.hole_after = true;
            break;
        }
        if (stretch.len == 0) {
            stretch.offset = read.offset;
            stretch.hole_from = read.hole_from;
        }
        if (read.len == 0) {
            break;
        }
        stretch.len += read.len;
        at.offset = read.offset + (int64_t)read.len;
    }
    *ret_stretch = stretch;
    return ERR_OK;
}

struct err log_spot_check(struct log_spot spot, int64_t size, struct why *why) {
    if (spot.offset <= size) {
        return ERR_OK;
    }
    return err_why(why, ERR_CURSOR_AHEAD,
                   "offset %lld is ahead of the log of attempt %lld, which has %lld bytes",
                   (long long)spot.offset, (long long)spot.attempt, (long long)size);
}

struct err log_screen_begin(const struct spool *spool, const struct log_place *place,
                            int64_t *ret_offset) {
    AUTO(mem_release) char *window = mem_try(SCREEN_WINDOW_MAX);
    struct log_place at = *place;
    struct log_stretch stretch = {0};
    char none[1];
    struct log_read end = {0};
    if (window == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "logs: screen");
    }
    at.offset = INT64_MAX;
    struct err err = spool_log_read(spool, &at, none, sizeof none, &end);
    if (err_failed(err) || end.size <= SCREEN_WINDOW_MAX) {
        return err;
    }
    /* Bytes after the last hole: what was drawn before one is not whole. */
    at.offset = end.size - SCREEN_WINDOW_MAX;
    do {
        err = log_read_stretch(spool, &at, window, SCREEN_WINDOW_MAX, &stretch);
        at.offset = stretch.offset + (int64_t)stretch.len;
    } while (!err_failed(err) && stretch.hole_after);
    if (!err_failed(err)) {
        *ret_offset = stretch.offset + (int64_t)screen_begin((struct bytes){window, stretch.len});
    }
    return err;
}

/* --- A range ---------------------------------------------------------------------------------- */

struct range_op {
    struct request request;
    struct log_target target;
    struct log_stretch stretch;
};

static struct err range_start(void *ctx) {
    struct range_op *range = ctx;
    range->request.op.media = "application/octet-stream";
    return log_target_read(&range->request, LOG_RANGE, &range->target);
}

static struct err range_look(struct tx *tx, void *ctx) {
    struct range_op *range = ctx;
    return log_look(tx, &range->target, &range->request.op.why);
}

static void range_read(struct loop_work *work) {
    struct range_op *range = CONTAINER_OF(work, struct range_op, request.work);
    const struct runs_api *api = range->request.api;
    struct op *op = &range->request.op;
    size_t limit = (size_t)param_number(op->exchange, "limit");
    char name[PROTOCOL_NAME_MAX];
    struct log_place place = {0};
    struct err err = log_open(&range->target, api->spool, name, &place, &op->why);
    AUTO(mem_release) char *buffer = mem_try(limit);
    if (!err_failed(err) && buffer == NULL) {
        err = err_make(ERR_OUT_OF_MEMORY, "logs: buffer");
    }
    if (!err_failed(err)) {
        err = log_read_stretch(api->spool, &place, buffer, limit, &range->stretch);
    }
    if (!err_failed(err)) {
        const struct log_spot spot = {range->target.attempt, place.offset};
        err = log_spot_check(spot, range->stretch.size, &op->why);
    }
    if (!err_failed(err)) {
        text_add(&op->answer, buffer, range->stretch.len);
    }
    range->request.err = err;
}

static void header_add(struct exchange *exchange, const char *name, int64_t number) {
    char value[24];
    (void)snprintf(value, sizeof value, "%lld", (long long)number); /* 20 digits fit. */
    exchange_add_header(exchange, name, value);
}

static void range_was_read(struct loop_work *work) {
    struct range_op *range = CONTAINER_OF(work, struct range_op, request.work);
    struct exchange *exchange = range->request.op.exchange;
    const struct log_stretch *stretch = &range->stretch;
    if (!err_failed(range->request.err)) {
        header_add(exchange, "Drover-Offset", stretch->offset);
        header_add(exchange, "Drover-Next", stretch->offset + (int64_t)stretch->len);
        header_add(exchange, "Drover-Size", stretch->size);
        header_add(exchange, "Drover-Attempt", range->target.attempt);
        exchange_add_header(exchange, "Drover-Stream", log_stream_name(range->target.stream));
        exchange_add_header(exchange, "Drover-Ended", log_ended(&range->target) ? "true" : "false");
        if (stretch->hole_from < stretch->offset) {
            char hole[48];
            (void)snprintf(hole, sizeof hole, "%lld-%lld", (long long)stretch->hole_from,
                           (long long)stretch->offset); /* Twice 20 digits fit. */
            exchange_add_header(exchange, "Drover-Dropped", hole);
        }
    }
    request_answer(&range->request, range->request.err);
}

static enum request_next range_looked(void *ctx, struct err *io_result) {
    struct range_op *range = ctx;
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    range->request.work = (struct loop_work){.run = range_read, .done = range_was_read};
    loop_work(range->request.loop, &range->request.work);
    return REQUEST_LATER;
}

static void range_end(void *ctx, struct err result) {
    struct range_op *range = ctx;
    log_target_done(&range->target);
}

const struct request_kind jobs__range = {
    .size = sizeof(struct range_op),
    .one = &runs__one,
    .start = range_start,
    .work = range_look,
    .done = range_looked,
    .end = range_end,
};

void jobs__logs(struct exchange *exchange, void *ctx) {
    const struct runs_api *api = ctx;
    const struct request_host host = {ctx, api->host.loop, api->host.store, api->host.dispatch};
    struct request request = {.kind = NULL};
    struct log_target target;
    if (!exchange_accepts(exchange, "text/event-stream")) {
        request_take(exchange, host);
    } else if (request_prepare(&request, exchange, &runs__one, &host)) {
        struct err err = log_target_read(&request, LOG_FOLLOWED, &target);
        if (err_failed(err)) {
            op_answer(&request.op, err);
        } else {
            logs__follow(exchange, ctx, &target);
        }
    }
}

/* --- Search ----------------------------------------------------------------------------------- */

/* The client that leaves, and the server that drains, end it: it would take a place in the pool for
 * nobody. */
struct search_op {
    struct request request;
    struct log_target target;
    struct search_options options; /* The pattern is borrowed from the exchange. */
    char name[PROTOCOL_NAME_MAX];
    atomic_bool cancelled;
    bool counted;
};

static struct err log_read_at(void *ctx, int64_t offset, char *buffer, size_t size,
                              struct log_read *ret_read) {
    const struct search_op *search = ctx;
    const struct runs_api *api = search->request.api;
    const struct log_place place = {
        .name = search->name, .stream = search->target.stream, .offset = offset};
    return spool_log_read(api->spool, &place, buffer, size, ret_read);
}

static void search_cancel(struct exchange *exchange, void *ctx) {
    struct search_op *search = ctx;
    atomic_store(&search->cancelled, true);
}

static struct err search_start(void *ctx) {
    struct search_op *search = ctx;
    struct exchange *exchange = search->request.op.exchange;
    struct runs_api *api = search->request.api;
    struct why *why = &search->request.op.why;
    struct bytes pattern = param_text(exchange, "pattern");
    size_t characters = 0;
    for (size_t i = 0; i < pattern.len; i++) {
        characters += ((unsigned char)pattern.data[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    if (characters == 0 || characters > SEARCH_PATTERN_MAX) {
        return err_why(why, ERR_BAD_QUERY, "query parameter 'pattern' must have 1 to %d characters",
                       SEARCH_PATTERN_MAX);
    }
    if (api->searches >= SEARCHES_MAX) {
        return err_why(why, ERR_TOO_MANY, "%d searches are under way already", SEARCHES_MAX);
    }
    TRY(log_target_read(&search->request, LOG_SEARCHED, &search->target));
    api->searches++;
    search->counted = true;
    search->options = (struct search_options){.pattern = pattern,
                                              .limit = param_number(exchange, "limit"),
                                              .context = param_number(exchange, "context"),
                                              .world = loop_world(search->request.loop),
                                              .time_ms = SEARCH_TIME_MS,
                                              .cancelled = &search->cancelled,
                                              .ctx = search,
                                              .read = log_read_at};
    exchange_on_gone(exchange, search_cancel, search);
    exchange_on_drain(exchange, search_cancel, search);
    return ERR_OK;
}

static struct err search_look(struct tx *tx, void *ctx) {
    struct search_op *search = ctx;
    return log_look(tx, &search->target, &search->request.op.why);
}

static struct err search_read(void *ctx) {
    struct search_op *search = ctx;
    const struct runs_api *api = search->request.api;
    struct op *op = &search->request.op;
    struct log_place place = {0};
    struct err err = log_open(&search->target, api->spool, search->name, &place, &op->why);
    search->options.kind = search->target.stream == LOG_PTY ? SEARCH_TERMINAL : SEARCH_PLAIN;
    if (!err_failed(err)) {
        err = log_search(&search->options, &op->answer, &op->why);
    }
    return err.code == ERR_INTERRUPTED ? err_make(ERR_CLOSING, "search: cancelled") : err;
}

static void search_end(void *ctx, struct err result) {
    struct search_op *search = ctx;
    struct runs_api *api = search->request.api;
    api->searches -= search->counted ? 1 : 0;
    log_target_done(&search->target);
}

const struct request_kind jobs__search = {
    .size = sizeof(struct search_op),
    .one = &runs__one,
    .start = search_start,
    .work = search_look,
    .after = search_read,
    .end = search_end,
};
