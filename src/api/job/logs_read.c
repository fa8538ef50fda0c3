/* logs_read.c: one range of a job's output, as it stands now.
 *
 * First the row, then the folder: whatever the row says about the end was true before the bytes
 * were read, so `Drover-Ended: true` with nothing behind `Drover-Next` means that this was all.
 */
#include <stdio.h>
#include <string.h>

#include "api/base/op.h"
#include "api/job/logs_way.h"
#include "base/memory.h"

struct read_op {
    struct op op;
    struct loop_work work;
    struct runs_api *api;
    struct log_target target;
    size_t limit;
    struct log_stretch stretch;
    struct err err; /* Of the pool's part. */
};

static void read_free(struct read_op *read) {
    log_target_done(&read->target);
    mem_free(read);
}

/* --- In the pool ------------------------------------------------------------------------------ */

static struct err read_bytes(struct read_op *read) {
    char name[PROTOCOL_NAME_MAX];
    log_target_settle(&read->target);
    log_name(&read->target, name);
    struct log_place place = {
        .name = name, .stream = read->target.stream, .offset = read->target.offset};
    struct err err = log_target_check(&read->target, read->api->spool, &read->op.why);
    if (!err_failed(err)) {
        err = log_offset_settle(read->api->spool, &place);
    }
    if (err_failed(err)) {
        return err;
    }
    AUTO(mem_release) char *buffer = mem_try(read->limit);
    if (buffer == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "logs: buffer");
    }
    err = log_read_stretch(read->api->spool, &place, buffer, read->limit, &read->stretch);
    if (!err_failed(err)) {
        const struct log_spot spot = {read->target.attempt, place.offset};
        err = log_spot_check(spot, read->stretch.size, &read->op.why);
    }
    if (!err_failed(err)) {
        text_add(&read->op.answer, buffer, read->stretch.len);
    }
    return err;
}

static void read_in_pool(struct loop_work *work) {
    struct read_op *read = CONTAINER_OF(work, struct read_op, work);
    read->err = read_bytes(read);
}

/* --- The answer ------------------------------------------------------------------------------- */

static void add_number(struct exchange *exchange, const char *name, int64_t number) {
    char value[24];
    (void)snprintf(value, sizeof value, "%lld", (long long)number); /* 20 digits fit. */
    exchange_add_header(exchange, name, value);
}

static void add_headers(struct read_op *read) {
    struct exchange *exchange = read->op.exchange;
    const struct log_stretch *stretch = &read->stretch;
    add_number(exchange, "Drover-Offset", stretch->offset);
    add_number(exchange, "Drover-Next", stretch->offset + (int64_t)stretch->len);
    add_number(exchange, "Drover-Size", stretch->size);
    add_number(exchange, "Drover-Attempt", read->target.attempt);
    exchange_add_header(exchange, "Drover-Stream", log_stream_name(read->target.stream));
    exchange_add_header(exchange, "Drover-Ended", log_ended(&read->target) ? "true" : "false");
    if (stretch->hole_from < stretch->offset) {
        char hole[48];
        (void)snprintf(hole, sizeof hole, "%lld-%lld", (long long)stretch->hole_from,
                       (long long)stretch->offset); /* Twice 20 digits fit. */
        exchange_add_header(exchange, "Drover-Dropped", hole);
    }
}

static void read_done(struct loop_work *work) {
    struct read_op *read = CONTAINER_OF(work, struct read_op, work);
    if (err_failed(read->err)) {
        op_answer(&read->op, read->err);
    } else {
        add_headers(read);
        exchange_reply(read->op.exchange, read->op.status, "application/octet-stream",
                       &read->op.answer);
        text_done(&read->op.answer);
    }
    read_free(read);
}

/* --- The request ------------------------------------------------------------------------------ */

static struct err look_run(struct tx *tx, void *ctx) {
    struct read_op *read = ctx;
    op_restart(&read->op);
    return log_look(tx, &read->target, &read->op.why);
}

static void look_done(struct err result, void *ctx) {
    struct read_op *read = ctx;
    if (err_failed(result)) {
        op_answer(&read->op, result);
        read_free(read);
        return;
    }
    read->work.run = read_in_pool;
    read->work.done = read_done;
    loop_work(read->api->loop, &read->work);
}

void logs__range(struct exchange *exchange, struct runs_api *api, const struct log_target *target) {
    struct read_op *read = mem_new(sizeof *read);
    op_init(&read->op, exchange, 200);
    read->api = api;
    read->target = *target;
    read->limit = (size_t)exchange_query_int(exchange, LOGS_LIMIT);
    store_read(api->store, look_run, look_done, read);
}
