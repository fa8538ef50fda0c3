/* logs_query.c: GET …/logs, in both ways, and GET …/logs/search.
 *
 * First the row, then the folder: whatever the row says about the end was true before the bytes
 * were read, so `Drover-Ended: true` means that the log ends at `Drover-Next`.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "api/job/logs.h"
#include "api/job/logs_search.h"
#include "base/memory.h"

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
    log_target_settle(&range->target);
    log_name(&range->target, name);
    struct log_place place = {
        .name = name, .stream = range->target.stream, .offset = range->target.offset};
    struct err err = log_target_check(&range->target, api->spool, &op->why);
    if (!err_failed(err)) {
        err = log_offset_settle(api->spool, &place);
    }
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
    struct err err = log_target_read(&search->request, LOG_SEARCHED, &search->target);
    if (err_failed(err)) {
        return err;
    }
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
    log_target_settle(&search->target);
    log_name(&search->target, search->name);
    search->options.kind = search->target.stream == LOG_PTY ? SEARCH_TERMINAL : SEARCH_PLAIN;
    struct err err = log_target_check(&search->target, api->spool, &op->why);
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
