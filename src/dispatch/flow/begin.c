/* begin.c: an order in line is begun: an answer, a child, a time, the end. See flow_run.h. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/flow/flow_run.h"
#include "proc/spool/spool.h"

enum { CUT_WORDS_MAX = 300 }; /* About output that is too long. */

/* --- What a command wrote --------------------------------------------------------------------- */

/* As a shell takes it: without the line ends at its end. What is no text is left out. Of an output
 * that is too long, the beginning counts, and a sentence at its end says so. */
static void output_read(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    struct flow_order *order = run->order;
    const struct log_place place = {.name = text_bytes(&order->note).data, .stream = LOG_OUT};
    AUTO(mem_release) char *output = mem_try(FLOW_TEXT_MAX);
    struct log_read read = {0};
    if (output == NULL || err_failed(spool_log_read(run->flows->options.spool, &place, output,
                                                    FLOW_TEXT_MAX - CUT_WORDS_MAX, &read))) {
        read.len = 0;
    }
    const bool cut = read.offset > 0 || read.offset + (int64_t)read.len < read.size;
    while (read.len > 0 && output[read.len - 1] == '\n') {
        read.len--;
    }
    for (size_t at = 0; at < read.len;) {
        const size_t len = utf8_valid_len(output + at, read.len - at);
        text_add(&order->text, output + at, len);
        at += len + 1;
    }
    if (cut) {
        text_addf(
            &order->text,
            "\n[… of %lld bytes of output, the rest is left out: 'drover logs %.*s' has it …]",
            (long long)read.size, (int)strcspn(place.name, "."), place.name);
    }
}

static void output_has_been_read(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    struct flow_order *order = run->order;
    if (run->flows->room.asker.stopping) {
        room_maybe_stopped(&run->flows->room);
        return;
    }
    order->kind = ORDER_TELL;
    order->answer = (struct flow_answer){
        .version = order->version, .phase = FLOW_AT_OUTPUT, .said = FLOW_SAID_VALUE};
    flow_run__order_write(run);
}

/* --- Signs of life ---------------------------------------------------------------------------- */

static void on_job(void *ctx, size_t at, struct bytes log) {
    struct flow_run *run = ctx;
    struct flow_order *order = run->order;
    if (order->watched_count == FLOW_WATCHED_MAX) {
        return;
    }
    struct flow_watched *watched = &order->watched[order->watched_count++];
    watched->at = at;
    (void)snprintf(watched->log, sizeof watched->log, "%.*s", (int)log.len, log.data);
}

static struct err jobs_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    run->order->watched_count = 0;
    return tx_flow_jobs(tx, bytes_of(run->run), on_job, run);
}

static void signs_look(struct pool_job *job) {
    const struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    struct flow_order *order = run->order;
    for (size_t i = 0; i < order->watched_count; i++) {
        const struct flow_watched *watched = &order->watched[i];
        order->signs[i] = (struct flow_sign){
            watched->at, spool_written_ms(run->flows->options.spool, watched->log)};
    }
}

static void jobs_read(void *ctx) {
    struct flow_run *run = ctx;
    if (run->order->watched_count == 0) {
        flow_run__order_write(run);
        return;
    }
    run->order->signs = mem_new_array(run->order->watched_count, sizeof *run->order->signs);
    flow_run__order_look(run, signs_look);
}

/* --- An agent that code asks for -------------------------------------------------------------- */

static struct err call_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    struct flow_order *order = run->order;
    const struct flow_call call = {.place = flow_run__order_place(run, order),
                                   .number = order->number,
                                   .agent = text_bytes(&order->agent),
                                   .task = text_bytes(&order->text)};
    const struct err err = tx_flow_call(tx, &call, &order->late, &order->called);
    if (!err_failed(err) && !order->late && order->called.ended) {
        text_clear(&run->title); /* Room for it. */
        text_add(&run->title, order->called.text.data, order->called.text.len);
    }
    return err;
}

static void call_asked(void *ctx) {
    struct flow_run *run = ctx;
    struct flow_order *order = run->order;
    flow_run__steps_take(run);
    if (order->late || !flow_run__call_waits(run, order)) {
        flow_run__order_done(run);
    } else if (order->called.ended) {
        evaluator_answer(run->evaluator, order->evaluation, order->number,
                         order->called.failed ? EVALUATOR_FAILED : EVALUATOR_SAID,
                         text_bytes(&run->title));
        flow_run__order_done(run);
    } else if (order->called.begun) {
        flow_run__await_call(run);
    } else {
        flow_run__begin_child(run);
    }
}

void flow_run__order_begin(struct flow_run *run) {
    run->order = CONTAINER_OF(run->orders.next, struct flow_order, link);
    link_remove(&run->order->link);
    run->state = FLOW_RUN_WRITING;
    run->why.text[0] = '\0'; /* The words of an earlier refusal would make any error one. */
    if (run->order->kind == ORDER_OUTPUT) {
        run->state = FLOW_RUN_SEARCHING;
        pool_begin(&run->flows->room.pool, &run->job, POOL_QUICK, output_read,
                   output_has_been_read);
    } else if (run->order->kind == ORDER_READ ||
               (run->order->kind == ORDER_CHILD && flow_run__is_approved(run, run->order->at))) {
        flow_run__files_begin(run);
    } else if (run->order->kind == ORDER_CHILD) {
        flow_run__begin_child(run);
    } else if (run->order->kind == ORDER_CALL) {
        ask_write(&run->ask, call_tx, call_asked);
    } else if (run->order->kind == ORDER_TICK) {
        run->order->watched = mem_new_array(FLOW_WATCHED_MAX, sizeof *run->order->watched);
        ask_read(&run->ask, jobs_tx, jobs_read);
    } else if (run->order->path.len > 0 && run->order->fault.len == 0) {
        flow_run__artifact_begin(run);
    } else {
        flow_run__order_write(run);
    }
}
