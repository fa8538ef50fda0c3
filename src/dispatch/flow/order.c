/* order.c: the orders of a flow, in line, and the one at hand, which becomes a transaction.
 *
 * Some need the pool before it. An order is made of rows that were read a moment ago, and names the
 * version of its step: where somebody was first, it has no effect.
 */
#include "base/json/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "dispatch/flow/flow_run.h"
#include "rules/flow/about.h"

void flow_run__order_free(struct flow_order *order) {
    if (order != NULL) {
        link_remove(&order->link);
        text_done(&order->text);
        text_done(&order->agent);
        text_done(&order->note);
        text_done(&order->path);
        text_done(&order->fault);
        text_done(&order->files);
        mem_free(order->watched);
        mem_free(order->signs);
        mem_free(order);
    }
}

struct flow_order *flow_run__order_new(struct flow_run *run, enum flow_order_kind kind, size_t at) {
    struct flow_order *order = mem_new(sizeof *order);
    order->kind = kind;
    order->at = at;
    order->version = at < run->count ? run->hands[at].version : 0;
    text_init(&order->text, FLOW_TEXT_MAX);
    text_init(&order->agent, FLOW_NAME_MAX + 1);
    text_init(&order->note, 600);
    text_init(&order->path, LIMIT_PATH_MAX);
    text_init(&order->fault, 600);
    text_init(&order->files, FLOW_ABOUT_LIST_MAX);
    link_add_last(&run->orders, &order->link);
    return order;
}

void flow_run__orders_free(struct link *orders) {
    while (!links_empty(orders)) {
        flow_run__order_free(CONTAINER_OF(orders->next, struct flow_order, link));
    }
}

struct flow_place flow_run__order_place(struct flow_run *run, const struct flow_order *order) {
    run->after.head = 0;
    return (struct flow_place){bytes_of(run->run), order->at, order->version, &run->flow,
                               &run->after};
}

void flow_run__steps_take(struct flow_run *run) {
    struct flow_step *const before = run->flow.steps;
    if (run->after.head != 0) {
        run->flow.head = run->after.head;
        run->flow.steps = run->after.steps;
        run->after.steps = before;
    }
}

void flow_run__files_child(struct flow_run *run, const struct catalog_entry *entry) {
    AUTO(json_release) json_t *found = NULL;
    json_t *file = NULL;
    size_t at = 0;
    if (run->order->files.len == 0 ||
        err_failed(json_parse_wrapped(text_bytes(&run->order->files), &found, NULL))) {
        return;
    }
    json_array_foreach(found, at, file) {
        if (bytes_is(json_bytes(file, "path"), entry->file)) {
            (void)json_object_set_new(file, "sha256", json_string(entry->hash.text));
            break;
        }
    }
    text_clear(&run->order->files);
    if (at == json_array_size(found) || err_failed(json_write(found, &run->order->files))) {
        text_clear(&run->order->files);
    }
}

/* --- One at hand ------------------------------------------------------------------------------ */

void flow_run__look(struct flow_run *run) {
    run->state = FLOW_RUN_IDLE;
    run->again = true;
    run->flows->go_on(run);
}

void flow_run__order_done(struct flow_run *run) {
    flow_run__order_free(run->order);
    run->order = NULL;
    flow_run__look(run);
}

static void on_order_written(void *ctx) {
    flow_run__steps_take(ctx);
    flow_run__order_done(ctx);
}

static struct err order_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    struct flow_order *order = run->order;
    const struct run_bounds *bounds = &run->flows->options.bounds;
    const struct flow_told told = {.place = flow_run__order_place(run, order),
                                   .answer = order->answer,
                                   .text = text_bytes(&order->text),
                                   .bounds = *bounds};
    const struct flow_over over = {.run = bytes_of(run->run),
                                   .report = text_bytes(&order->text),
                                   .note = text_bytes(&order->note),
                                   .artifact = text_bytes(&order->path),
                                   .artifact_fault = text_bytes(&order->fault),
                                   .bounds = *bounds};
    const struct flow_due due = {.run = bytes_of(run->run),
                                 .signs = order->signs,
                                 .count = order->watched_count,
                                 .bounds = *bounds};
    switch (order->kind) {
    case ORDER_TELL:
        return tx_flow_answer(tx, &told, &order->late);
    case ORDER_TICK:
        return tx_flow_tick(tx, &due);
    case ORDER_END:
        return tx_flow_end(tx, &over, &order->late);
    case ORDER_OUTPUT:
    case ORDER_READ:
    case ORDER_CHILD:
    case ORDER_CALL:
        break;
    }
    return err_make(ERR_INTERNAL, "flows: order");
}

void flow_run__order_write(struct flow_run *run) {
    run->state = FLOW_RUN_WRITING;
    ask_write(&run->ask, order_tx, on_order_written);
}

static void order_looked(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    if (run->flows->room.asker.stopping) {
        room_maybe_stopped(&run->flows->room);
    } else {
        flow_run__order_write(run);
    }
}

void flow_run__order_look(struct flow_run *run, void (*look)(struct pool_job *job)) {
    run->state = FLOW_RUN_SEARCHING;
    pool_begin(&run->flows->room.pool, &run->job, POOL_QUICK, look, order_looked);
}

bool flow_run__call_waits(const struct flow_run *run, const struct flow_order *order) {
    return run->evaluator != NULL && run->hands[order->at].evaluation == order->evaluation;
}

void flow_run__refuse_child(struct flow_run *run) {
    struct flow_order *order = run->order;
    const struct bytes why = bytes_of(run->why.text);
    if (order->kind == ORDER_CALL) {
        if (flow_run__call_waits(run, order)) {
            evaluator_answer(run->evaluator, order->evaluation, order->number, EVALUATOR_FAILED,
                             why);
        }
        flow_run__order_done(run);
        return;
    }
    const bool asks = order->kind == ORDER_READ;
    order->kind = ORDER_TELL;
    order->answer = (struct flow_answer){.version = order->version,
                                         .phase = asks ? FLOW_AT_FILES : FLOW_AT_CHILD,
                                         .said = asks ? FLOW_SAID_THREW : FLOW_SAID_FAILED};
    text_clear(&order->text);
    text_add(&order->text, why.data, why.len);
    flow_run__order_write(run);
}

void flow_run__await_call(struct flow_run *run) {
    link_add_last(&run->calls, &run->order->link);
    run->order = NULL;
    run->state = FLOW_RUN_IDLE;
    run->flows->go_on(run);
}
