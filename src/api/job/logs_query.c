/* logs_query.c: GET …/logs, in both ways, and GET …/logs/search. */
#include <stdatomic.h>
#include <string.h>

#include "api/base/op.h"
#include "api/job/logs_search.h"
#include "api/job/logs_way.h"
#include "base/memory.h"

/* --- Output ----------------------------------------------------------------------------------- */

static struct err encoding_read(const struct exchange *exchange, struct why *why) {
    if (!exchange_query_given(exchange, LOGS_ENCODING)) {
        return ERR_OK;
    }
    struct bytes encoding = exchange_query_text(exchange, LOGS_ENCODING);
    static const struct bytes base64 = {"base64", 6};
    if (encoding.len != base64.len || memcmp(encoding.data, base64.data, base64.len) != 0) {
        why_set(why, "query parameter 'encoding' can only be base64");
        return err_make(ERR_BAD_QUERY, "logs: encoding");
    }
    return ERR_OK;
}

/* `name` is that of what the client sent the id in. */
static struct err spot_take(struct bytes id, const char *name, struct log_target *target,
                            struct why *why) {
    struct log_spot spot;
    if (!log_spot_parse(id, &spot)) {
        why_set(why, "%s: not the id of an event of this log: ATTEMPT.OFFSET, or OFFSET", name);
        return err_make(ERR_BAD_CURSOR, "logs: id");
    }
    if (target->named && spot.attempt != LOG_ATTEMPT_LATEST && spot.attempt != target->attempt) {
        why_set(why, "%s is of attempt %lld, and 'attempt' says %lld", name,
                (long long)spot.attempt, (long long)target->attempt);
        return err_make(ERR_BAD_CURSOR, "logs: attempt");
    }
    target->attempt = spot.attempt != LOG_ATTEMPT_LATEST ? spot.attempt : target->attempt;
    target->offset = spot.offset;
    return ERR_OK;
}

enum log_way { LOGS_RANGE, LOGS_FOLLOWED };

/* A browser that reconnects sends its first URL again and the newer cursor in Last-Event-ID. */
static struct err offset_read(const struct exchange *exchange, enum log_way way,
                              struct log_target *target, struct why *why) {
    struct bytes id = {0};
    target->offset = exchange_query_int(exchange, LOGS_OFFSET);
    if (way == LOGS_FOLLOWED && exchange_header(exchange, "last-event-id", &id) && id.len > 0) {
        return spot_take(id, "Last-Event-ID", target, why);
    }
    return exchange_query_given(exchange, LOGS_AFTER)
               ? spot_take(exchange_query_text(exchange, LOGS_AFTER), "after", target, why)
               : ERR_OK;
}

void jobs__logs(struct exchange *exchange, void *ctx) {
    struct runs_api *api = ctx;
    struct log_target target;
    if (!log_target_read(exchange, api, &target)) {
        return;
    }
    struct why why = {.text = ""};
    bool follow = exchange_accepts(exchange, "text/event-stream");
    struct err err = encoding_read(exchange, &why);
    if (!err_failed(err)) {
        err = offset_read(exchange, follow ? LOGS_FOLLOWED : LOGS_RANGE, &target, &why);
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
    } else if (follow) {
        logs__follow(exchange, api, &target);
    } else {
        logs__range(exchange, api, &target);
    }
}

/* --- Search ----------------------------------------------------------------------------------- */

/* The client that leaves, and the server that drains, end it: it would take a place in the pool for
 * nobody. */
struct search_op {
    struct op op;
    struct loop_work work;
    struct runs_api *api;
    struct log_target target;
    struct search_options options; /* The pattern is borrowed from the exchange. */
    char name[PROTOCOL_NAME_MAX];
    atomic_bool cancelled;
    struct err err; /* Of the pool's part. */
};

static void search_free(struct search_op *search) {
    search->api->searches--;
    log_target_done(&search->target);
    mem_free(search);
}

static struct err read_log(void *ctx, int64_t offset, char *buffer, size_t size,
                           struct log_read *ret_read) {
    const struct search_op *search = ctx;
    const struct log_place place = {
        .name = search->name, .stream = search->target.stream, .offset = offset};
    return spool_log_read(search->api->spool, &place, buffer, size, ret_read);
}

static void search_in_pool(struct loop_work *work) {
    struct search_op *search = CONTAINER_OF(work, struct search_op, work);
    log_target_settle(&search->target);
    log_name(&search->target, search->name);
    search->options.kind = search->target.stream == LOG_PTY ? SEARCH_TERMINAL : SEARCH_PLAIN;
    search->err = log_target_check(&search->target, search->api->spool, &search->op.why);
    if (!err_failed(search->err)) {
        search->err = log_search(&search->options, &search->op.answer, &search->op.why);
    }
}

static void search_done(struct loop_work *work) {
    struct search_op *search = CONTAINER_OF(work, struct search_op, work);
    struct err err = search->err;
    if (err.code == ERR_INTERRUPTED) {
        err = err_make(ERR_CLOSING, "search: cancelled");
    }
    op_answer(&search->op, err);
    search_free(search);
}

static void search_cancel(struct exchange *exchange, void *ctx) {
    struct search_op *search = ctx;
    atomic_store(&search->cancelled, true);
}

static struct err look_run(struct tx *tx, void *ctx) {
    struct search_op *search = ctx;
    op_restart(&search->op);
    return log_look(tx, &search->target, &search->op.why);
}

static void look_done(struct err result, void *ctx) {
    struct search_op *search = ctx;
    if (err_failed(result)) {
        op_answer(&search->op, result);
        search_free(search);
        return;
    }
    search->work.run = search_in_pool;
    search->work.done = search_done;
    loop_work(search->api->loop, &search->work);
}

static struct err pattern_check(struct bytes pattern, struct why *why) {
    size_t count = 0;
    for (size_t i = 0; i < pattern.len; i++) {
        count += ((unsigned char)pattern.data[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    if (count == 0 || count > SEARCH_PATTERN_MAX) {
        why_set(why, "query parameter 'pattern' must have 1 to %d characters", SEARCH_PATTERN_MAX);
        return err_make(ERR_BAD_QUERY, "search: pattern");
    }
    return ERR_OK;
}

static struct err search_check(const struct exchange *exchange, const struct runs_api *api,
                               struct why *why) {
    struct err err = pattern_check(exchange_query_text(exchange, SEARCH_PATTERN), why);
    if (!err_failed(err) && api->searches >= SEARCHES_MAX) {
        why_set(why, "%d searches are under way already", SEARCHES_MAX);
        err = err_make(ERR_TOO_MANY, "search: count");
    }
    return err;
}

void jobs__search(struct exchange *exchange, void *ctx) {
    struct runs_api *api = ctx;
    struct log_target target;
    struct why why = {.text = ""};
    struct err err = search_check(exchange, api, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    if (!log_target_read(exchange, api, &target)) {
        return;
    }
    struct search_op *search = mem_new(sizeof *search);
    op_init(&search->op, exchange, 200);
    api->searches++;
    search->api = api;
    search->target = target;
    search->options =
        (struct search_options){.pattern = exchange_query_text(exchange, SEARCH_PATTERN),
                                .limit = exchange_query_int(exchange, SEARCH_LIMIT),
                                .context = exchange_query_int(exchange, SEARCH_CONTEXT),
                                .world = loop_world(api->loop),
                                .time_ms = SEARCH_TIME_MS,
                                .cancelled = &search->cancelled,
                                .ctx = search,
                                .read = read_log};
    exchange_on_gone(exchange, search_cancel, search);
    exchange_on_drain(exchange, search_cancel, search);
    store_read(api->store, look_run, look_done, search);
}
