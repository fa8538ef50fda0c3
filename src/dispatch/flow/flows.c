/* flows.c: see flows.h and flow_run.h. */
#include "dispatch/flow/flows.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/flow/flow_run.h"
#include "dispatch/flow/start.h"
#include "proc/spool/spool.h"

enum {
    RETRY_MS = 200,
    RETRY_MAX_MS = 30000,
    WAIT_MAX_MS = 3600000,
    CRASHES_MAX = 3,
};

static void flow_run_next(struct flow_run *run);

/* --- Life of one ------------------------------------------------------------------------------ */

static void order_free(struct flow_order *order) {
    if (order != NULL) {
        link_remove(&order->link);
        text_done(&order->text);
        text_done(&order->agent);
        text_done(&order->note);
        mem_free(order);
    }
}

static struct flow_order *order_new(struct flow_run *run, enum flow_order_kind kind, size_t at) {
    struct flow_order *order = mem_new(sizeof *order);
    order->kind = kind;
    order->at = at;
    order->version = at < run->count ? run->hands[at].version : 0;
    text_init(&order->text, FLOW_TEXT_MAX);
    text_init(&order->agent, FLOW_NAME_MAX + 1);
    text_init(&order->note, 600);
    link_add_last(&run->orders, &order->link);
    return order;
}

static struct text *const *texts_of(struct flow_run *run, struct text *ret_texts[14]) {
    struct text *const texts[14] = {
        &run->name,        &run->file,     &run->source,  &run->input,       &run->model,
        &run->root,        &run->owner,    &run->project, &run->rejected,    &run->program,
        &run->child_model, &run->settings, &run->title,   &run->instructions};
    memcpy(ret_texts, texts, sizeof texts);
    return ret_texts;
}

static void seen_free(struct flow_run *run) {
    for (size_t i = 0; i < run->count; i++) {
        text_done(&run->seen[i].prompt);
    }
    mem_free(run->seen);
    mem_free(run->hands);
}

static void orders_free(struct link *orders) {
    while (!links_empty(orders)) {
        order_free(CONTAINER_OF(orders->next, struct flow_order, link));
    }
}

static void flow_run_free(struct flow_run *run) {
    struct text *texts[14];
    timer_stop(run->flows->options.loop, &run->timer);
    ask_drop(&run->ask);
    flow_run__drop_child(run);
    evaluator_close(run->evaluator);
    orders_free(&run->orders);
    orders_free(&run->calls);
    order_free(run->order);
    seen_free(run);
    json_release(&run->description);
    json_release(&run->results);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_done(texts_of(run, texts)[i]);
    }
    table_remove(&run->flows->table, &run->node);
    mem_free(run);
}

static void on_stopped(struct loop_task *task) {
    struct flows *flows = CONTAINER_OF(task, struct flows, stop_task);
    flows->stopped(flows->stopped_ctx);
}

void flows__maybe_stopped(struct flows *flows) {
    if (flows->asker.stopping && !flows->told && flows->pool.count == 0) {
        flows->told = true;
        loop_soon(flows->options.loop, &flows->stop_task);
    }
}

/* --- What the rows say ------------------------------------------------------------------------ */

static void text_set(struct text *text, struct bytes bytes) {
    text_clear(text);
    text_add(text, bytes.data, bytes.len);
}

static void seen_make(struct flow_run *run, size_t count) {
    run->count = count;
    run->seen = mem_new_array(count, sizeof *run->seen);
    run->hands = mem_new_array(count, sizeof *run->hands);
    for (size_t i = 0; i < count; i++) {
        const json_t *steps = json_object_get(run->description, "steps");
        text_init(&run->seen[i].prompt, FLOW_TEXT_MAX);
        run->seen[i].id = json_bytes(json_array_get(steps, i), "id");
        run->hands[i] = (struct flow_hand){.version = -1, .known = -1};
    }
}

static void on_item(void *ctx, const struct flow_item *item) {
    struct flow_run *run = ctx;
    if (item->place >= run->count) {
        return;
    }
    struct flow_seen *seen = &run->seen[item->place];
    struct flow_hand *hand = &run->hands[item->place];
    seen->kind = item->kind;
    seen->status = item->status;
    seen->phase = item->phase;
    seen->version = item->version;
    seen->tries = item->tries;
    seen->has_child = item->has_child;
    if (item->phase == FLOW_AT_CHILD && !item->has_child) {
        text_set(&seen->prompt, item->prompt);
    }
    if (item->phase == FLOW_AT_OUTPUT) {
        text_set(&seen->prompt, item->log);
    }
    if (hand->known != item->version) {
        hand->known = item->version;
        /* A command that wrote nothing has a result: no text. One that is no UTF-8 is left out. */
        const bool has = item->result.len > 0 || item->status == FLOW_COMPLETED;
        (void)json_object_set_new(
            run->results, seen->id.data,
            has ? json_stringn(item->result.len > 0 ? item->result.data : "", item->result.len)
                : json_null());
    }
}

static struct err description_read(struct flow_run *run, const struct flow_look *look) {
    if (run->description != NULL) {
        return ERR_OK;
    }
    text_set(&run->name, look->name);
    text_set(&run->file, look->file);
    text_set(&run->source, look->source);
    text_set(&run->input, look->input);
    text_set(&run->model, look->model);
    text_set(&run->root, look->root);
    text_set(&run->owner, look->run.owner);
    text_set(&run->project, look->run.project);
    const struct err err = json_parse_wrapped(look->description, &run->description, NULL);
    if (!err_failed(err)) {
        seen_make(run, look->count);
    }
    return err;
}

/* The rows are read twice the first time: their number is known by the first reading. */
static struct err look_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    struct flow_look look;
    bool found = false;
    struct err err = tx_flow_look(tx, bytes_of(run->run), &found, &look, on_item, run);
    if (err_failed(err) || !found) {
        run->stage = FLOW_IS_OVER;
        return err;
    }
    run->stage = look.stage;
    run->stop = look.run.stop;
    run->due_ms = look.due_ms;
    run->orphans = look.orphans;
    text_set(&run->rejected, look.rejected);
    if (run->description == NULL) {
        err = description_read(run, &look);
        return err_failed(err) ? err
                               : tx_flow_look(tx, bytes_of(run->run), &found, &look, on_item, run);
    }
    return ERR_OK;
}

/* --- The worker ------------------------------------------------------------------------------- */

static bool phase_evaluates(enum flow_phase phase) {
    return phase == FLOW_AT_WHEN || phase == FLOW_AT_CASES || phase == FLOW_AT_RUN ||
           phase == FLOW_AT_UNTIL;
}

static bool has_render(const struct flow_run *run) {
    return json_is_true(json_object_get(json_object_get(run->description, "render"), "function"));
}

static void step_ask(struct flow_run *run, size_t at) {
    static const char *const whats[FLOW_PHASE_COUNT] = {[FLOW_AT_WHEN] = "when",
                                                        [FLOW_AT_CASES] = "case",
                                                        [FLOW_AT_RUN] = "run",
                                                        [FLOW_AT_UNTIL] = "until"};
    struct flow_hand *hand = &run->hands[at];
    hand->evaluation = ++run->evaluations;
    const struct evaluation what = {.id = hand->evaluation,
                                    .what = whats[run->seen[at].phase],
                                    .step = run->seen[at].id,
                                    .number = (int64_t)hand->number};
    evaluator_ask(run->evaluator, &what);
}

static size_t hand_find(const struct flow_run *run, int64_t evaluation) {
    size_t at = 0;
    while (at < run->count && run->hands[at].evaluation != evaluation) {
        at++;
    }
    return at < run->count && evaluation > 0 ? at : FLOW_NONE;
}

static struct flow_order *tell_new(struct flow_run *run, size_t at, enum flow_said said) {
    struct flow_order *order = order_new(run, ORDER_TELL, at);
    run->hands[at].evaluation = 0;
    order->answer = (struct flow_answer){.version = run->hands[at].version,
                                         .phase = run->seen[at].phase,
                                         .said = said,
                                         .chosen = run->hands[at].number};
    return order;
}

static void tell_throw(struct flow_run *run, size_t at, struct bytes sentence) {
    struct flow_order *order = tell_new(run, at, FLOW_SAID_THREW);
    text_add(&order->text, sentence.data, sentence.len);
}

/* A text as it is; anything else as JSON. False: it is too long, or nothing. */
static bool value_write(const json_t *value, struct text *text) {
    const struct bytes words = json_text(value);
    if (json_is_string(value)) {
        text_add(text, words.data, words.len);
    } else if (value != NULL && !json_is_null(value) && err_failed(json_write(value, text))) {
        return false;
    }
    return !text_failed(text);
}

static void case_answered(struct flow_run *run, size_t at, bool holds) {
    const json_t *steps = json_object_get(run->description, "steps");
    const size_t count = json_array_size(json_object_get(json_array_get(steps, at), "cases"));
    struct flow_hand *hand = &run->hands[at];
    if (!holds && ++hand->number < count) {
        step_ask(run, at);
        return;
    }
    (void)tell_new(run, at, FLOW_SAID_VALUE); /* `count`: the default. */
}

static void end_order(struct flow_run *run, struct bytes report, struct bytes note) {
    struct flow_order *order = order_new(run, ORDER_END, FLOW_NONE);
    text_add(&order->text, report.data, report.len);
    text_add(&order->note, note.data, note.len);
    run->report = -1; /* In line. */
}

static void report_value(struct flow_run *run, const json_t *value) {
    AUTO(text_done) struct text text = text_up_to(FLOW_TEXT_MAX);
    if (value_write(value, &text)) {
        end_order(run, text_bytes(&text), BYTES(""));
    } else {
        end_order(run, BYTES(""), BYTES("the report is longer than 1 MB"));
    }
}

static void on_value(void *ctx, int64_t id, const json_t *value, bool read_results) {
    struct flow_run *run = ctx;
    (void)read_results; /* For the start alone (start.c). */
    if (id > 0 && id == run->report) {
        report_value(run, value);
        flow_run_next(run);
        return;
    }
    const size_t at = hand_find(run, id);
    if (at == FLOW_NONE) {
        return; /* The step went back meanwhile. */
    }
    const enum flow_phase phase = run->seen[at].phase;
    if (phase == FLOW_AT_CASES) {
        case_answered(run, at, json_is_true(value));
    } else if (phase == FLOW_AT_RUN) {
        struct flow_order *order = tell_new(run, at, FLOW_SAID_VALUE);
        if (!value_write(value, &order->text)) {
            order->answer.said = FLOW_SAID_THREW;
            text_clear(&order->text);
            text_add_str(&order->text, "what it returned is longer than 1 MB");
        }
    } else {
        (void)tell_new(run, at, json_is_true(value) ? FLOW_SAID_YES : FLOW_SAID_NO);
    }
    flow_run_next(run);
}

static void on_throw(void *ctx, int64_t id, struct bytes sentence) {
    struct flow_run *run = ctx;
    const size_t at = hand_find(run, id);
    if (id > 0 && id == run->report) {
        end_order(run, BYTES(""), sentence);
    } else if (at != FLOW_NONE) {
        tell_throw(run, at, sentence);
    }
    flow_run_next(run);
}

static void on_asks(void *ctx, int64_t id, int64_t call, struct bytes agent, struct bytes task) {
    struct flow_run *run = ctx;
    const size_t at = hand_find(run, id);
    if (at == FLOW_NONE || call < 1 || call > FLOW_DISPATCHES_MAX) {
        return;
    }
    struct flow_order *order = order_new(run, ORDER_CALL, at);
    order->number = call;
    order->evaluation = id;
    text_add(&order->agent, agent.data, agent.len);
    text_add(&order->text, task.data, task.len);
    flow_run_next(run);
}

static void on_evaluator_end(void *ctx, enum evaluator_end end, struct bytes sentence) {
    struct flow_run *run = ctx;
    const bool again = end == EVALUATOR_CRASHED && run->crashes++ < CRASHES_MAX;
    orders_free(&run->calls);
    for (size_t i = 0; i < run->count; i++) {
        if (run->hands[i].evaluation > 0 && again) {
            run->hands[i].version = -1;
            run->hands[i].evaluation = 0;
        } else if (run->hands[i].evaluation > 0) {
            tell_throw(run, i, sentence);
        }
    }
    if (run->report > 0 && !again) {
        end_order(run, BYTES(""), sentence);
    }
    run->report = run->report > 0 ? 0 : run->report;
    evaluator_close(run->evaluator); /* The sentence was its own. */
    run->evaluator = NULL;
    run->again = true;
    flow_run_next(run);
}

static void evaluator_begin(struct flow_run *run) {
    static const struct evaluator_watch watch = {
        .value = on_value, .threw = on_throw, .asks = on_asks, .ended = on_evaluator_end};
    const struct flows_options *options = &run->flows->options;
    const struct evaluator_options with = {.loop = options->loop,
                                           .scripts = options->scripts,
                                           .pool = &run->flows->pool,
                                           .bounds = {.cpu_ms = (uint32_t)options->cpu_ms},
                                           .memory_mb = (uint64_t)options->memory_mb,
                                           .script = text_bytes(&run->source),
                                           .file = text_bytes(&run->file),
                                           .input = text_bytes(&run->input),
                                           .model = text_bytes(&run->model),
                                           .watch = &watch,
                                           .ctx = run};
    for (size_t i = 0; i < run->count; i++) {
        run->hands[i].known = -1;
    }
    run->evaluator = evaluator_open(&with);
    run->again = true; /* The worker has to know all results. */
}

/* --- What is to be done ----------------------------------------------------------------------- */

static bool needs_worker(const struct flow_run *run) {
    bool needs = run->stage == FLOW_IN_REPORT && run->report == 0 && has_render(run);
    for (size_t i = 0; i < run->count && !needs; i++) {
        needs =
            phase_evaluates(run->seen[i].phase) && run->hands[i].version != run->seen[i].version;
    }
    return needs;
}

static void step_do(struct flow_run *run, size_t at) {
    struct flow_seen *seen = &run->seen[at];
    struct flow_hand *hand = &run->hands[at];
    if (hand->version == seen->version) {
        return;
    }
    if (hand->evaluation > 0) { /* The step went back while its function ran. */
        evaluator_drop(run->evaluator, hand->evaluation);
    }
    *hand = (struct flow_hand){.version = seen->version, .known = hand->known};
    if (phase_evaluates(seen->phase)) {
        step_ask(run, at);
    } else if (seen->phase == FLOW_AT_OUTPUT) {
        struct flow_order *order = order_new(run, ORDER_OUTPUT, at);
        text_add(&order->note, text_bytes(&seen->prompt).data, seen->prompt.len);
    } else if (seen->phase == FLOW_AT_CHILD && !seen->has_child) {
        struct flow_order *order = order_new(run, ORDER_CHILD, at);
        order->tries = seen->tries;
        text_add(&order->text, text_bytes(&seen->prompt).data, seen->prompt.len);
    }
}

static void report_ask(struct flow_run *run) {
    if (run->stage != FLOW_IN_REPORT || run->report != 0) {
        return;
    }
    if (!has_render(run)) {
        end_order(run, BYTES(""), BYTES(""));
        return;
    }
    run->report = ++run->evaluations;
    const struct evaluation what = {.id = run->report, .what = "render", .step = BYTES("")};
    evaluator_ask(run->evaluator, &what);
}

/* Agents of code may have ended. */
static void calls_ask(struct flow_run *run) {
    while (!links_empty(&run->calls)) {
        struct link *link = run->calls.next;
        link_remove(link);
        link_add_last(&run->orders, link);
    }
}

static void on_time(struct timer *timer) {
    struct flow_run *run = CONTAINER_OF(timer, struct flow_run, timer);
    (void)order_new(run, ORDER_TICK, FLOW_NONE);
    flow_run_next(run);
}

static void time_wait(struct flow_run *run) {
    struct loop *loop = run->flows->options.loop;
    const int64_t wait_ms = run->due_ms - store_steady_ms(run->flows->options.store);
    timer_stop(loop, &run->timer);
    if (run->due_ms > 0 && run->stage == FLOW_IN_STEPS) {
        timer_start(loop, &run->timer,
                    (uint64_t)(wait_ms < 10            ? 10
                               : wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS
                                                       : wait_ms),
                    on_time);
    }
}

static void results_give(struct flow_run *run) {
    if (run->evaluator != NULL && json_object_size(run->results) > 0) {
        evaluator_know(run->evaluator, run->results, text_bytes(&run->rejected));
        run->results = NULL;
    }
    json_release(&run->results);
}

/* A flow may wait for days: without a worker. */
static void evaluator_rest(struct flow_run *run) {
    bool busy = run->report > 0 || !links_empty(&run->orders) || !links_empty(&run->calls);
    for (size_t i = 0; i < run->count && !busy; i++) {
        busy = run->hands[i].evaluation > 0;
    }
    if (!busy) {
        evaluator_close(run->evaluator);
        run->evaluator = NULL;
    }
}

static void flow_looked(void *ctx) {
    struct flow_run *run = ctx;
    run->state = FLOW_RUN_IDLE;
    if (run->stage == FLOW_IS_OVER) {
        flow_run_free(run);
        return;
    }
    if (run->stop != CAUSE_NONE) {
        json_release(&run->results);
        orders_free(&run->orders);
        end_order(run, BYTES(""), BYTES(""));
    } else if (run->evaluator == NULL && needs_worker(run)) {
        json_release(&run->results);
        evaluator_begin(run);
    } else {
        results_give(run);
        calls_ask(run);
        for (size_t i = 0; i < run->count && run->stage == FLOW_IN_STEPS; i++) {
            step_do(run, i);
        }
        if (run->orphans) {
            (void)order_new(run, ORDER_TICK, FLOW_NONE);
        }
        report_ask(run);
        time_wait(run);
        evaluator_rest(run);
    }
    flow_run_next(run);
}

/* --- Orders ----------------------------------------------------------------------------------- */

static struct flow_place order_place(const struct flow_run *run, const struct flow_order *order) {
    return (struct flow_place){bytes_of(run->run), order->at, order->version};
}

void flow_run__order_done(struct flow_run *run) {
    order_free(run->order);
    run->order = NULL;
    run->state = FLOW_RUN_IDLE;
    run->again = true;
    flow_run_next(run);
}

static void order_written(void *ctx) {
    flow_run__order_done(ctx);
}

static struct err order_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    struct flow_order *order = run->order;
    const struct run_bounds *bounds = &run->flows->options.bounds;
    const struct flow_told told = {.place = order_place(run, order),
                                   .answer = order->answer,
                                   .text = text_bytes(&order->text),
                                   .bounds = *bounds};
    const struct flow_over over = {.run = bytes_of(run->run),
                                   .report = text_bytes(&order->text),
                                   .note = text_bytes(&order->note),
                                   .bounds = *bounds};
    switch (order->kind) {
    case ORDER_TELL:
        return tx_flow_answer(tx, &told, &order->late);
    case ORDER_TICK:
        return tx_flow_tick(tx, bytes_of(run->run), bounds);
    case ORDER_END:
        return tx_flow_end(tx, &over, &order->late);
    case ORDER_OUTPUT:
    case ORDER_CHILD:
    case ORDER_CALL:
        break;
    }
    return err_make(ERR_INTERNAL, "flows: order");
}

/* Whether the evaluation that asked for the agent is under way: after a crash, another worker asks
 * for the agent again. */
static bool call_waits(const struct flow_run *run, const struct flow_order *order) {
    return run->evaluator != NULL && run->hands[order->at].evaluation == order->evaluation;
}

void flow_run__refuse_child(struct flow_run *run) {
    struct flow_order *order = run->order;
    const struct bytes why = bytes_of(run->why.text);
    if (order->kind == ORDER_CALL) {
        if (call_waits(run, order)) {
            evaluator_answer(run->evaluator, order->evaluation, order->number, EVALUATOR_FAILED,
                             why);
        }
        flow_run__order_done(run);
        return;
    }
    order->kind = ORDER_TELL;
    order->answer = (struct flow_answer){
        .version = order->version, .phase = FLOW_AT_CHILD, .said = FLOW_SAID_FAILED};
    text_set(&order->text, why);
    run->state = FLOW_RUN_WRITING;
    ask_write(&run->ask, order_tx, order_written);
}

/* --- What a command wrote --------------------------------------------------------------------- */

/* As a shell takes it: without the line ends at its end. What is no text is left out. */
static void output_read(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    struct flow_order *order = run->order;
    const struct log_place place = {.name = text_bytes(&order->note).data, .stream = LOG_OUT};
    AUTO(mem_release) char *output = mem_try(FLOW_TEXT_MAX);
    struct log_read read = {0};
    if (output == NULL || err_failed(spool_log_read(run->flows->options.spool, &place, output,
                                                    FLOW_TEXT_MAX, &read))) {
        read.len = 0;
    }
    while (read.len > 0 && output[read.len - 1] == '\n') {
        read.len--;
    }
    for (size_t at = 0; at < read.len;) {
        const size_t len = utf8_valid_len(output + at, read.len - at);
        text_add(&order->text, output + at, len);
        at += len + 1;
    }
}

static void output_has_been_read(struct pool_job *job) {
    struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    struct flow_order *order = run->order;
    if (run->flows->asker.stopping) {
        flows__maybe_stopped(run->flows);
        return;
    }
    order->kind = ORDER_TELL;
    order->answer = (struct flow_answer){
        .version = order->version, .phase = FLOW_AT_OUTPUT, .said = FLOW_SAID_VALUE};
    run->state = FLOW_RUN_WRITING;
    ask_write(&run->ask, order_tx, order_written);
}

static void output_begin(struct flow_run *run) {
    run->state = FLOW_RUN_SEARCHING;
    pool_begin(&run->flows->pool, &run->job, POOL_QUICK, output_read, output_has_been_read);
}

/* --- An agent that code asks for -------------------------------------------------------------- */

static struct err call_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    struct flow_order *order = run->order;
    const struct flow_call call = {.place = order_place(run, order),
                                   .number = order->number,
                                   .agent = text_bytes(&order->agent),
                                   .task = text_bytes(&order->text)};
    const struct err err = tx_flow_call(tx, &call, &order->late, &order->called);
    if (!err_failed(err) && !order->late && order->called.ended) {
        text_set(&run->title, order->called.text); /* Room for it. */
    }
    return err;
}

void flow_run__call_begun(struct flow_run *run) {
    link_add_last(&run->calls, &run->order->link);
    run->order = NULL;
    run->state = FLOW_RUN_IDLE;
    flow_run_next(run);
}

static void call_asked(void *ctx) {
    struct flow_run *run = ctx;
    struct flow_order *order = run->order;
    if (order->late || !call_waits(run, order)) {
        flow_run__order_done(run);
    } else if (order->called.ended) {
        evaluator_answer(run->evaluator, order->evaluation, order->number,
                         order->called.failed ? EVALUATOR_FAILED : EVALUATOR_SAID,
                         text_bytes(&run->title));
        flow_run__order_done(run);
    } else if (order->called.begun) {
        flow_run__call_begun(run);
    } else {
        flow_run__begin_child(run);
    }
}

/* --- The next thing --------------------------------------------------------------------------- */

static struct err adopt_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    bool late = false;
    return tx_flow_adopt(tx, bytes_of(run->run), &run->flows->options.bounds, &late);
}

static void adopt_done(void *ctx) {
    struct flow_run *run = ctx;
    run->state = FLOW_RUN_IDLE;
    flow_run_next(run);
}

static void order_begin(struct flow_run *run) {
    run->order = CONTAINER_OF(run->orders.next, struct flow_order, link);
    link_remove(&run->order->link);
    run->state = FLOW_RUN_WRITING;
    run->why.text[0] = '\0'; /* The words of an earlier refusal would make any error one. */
    if (run->order->kind == ORDER_OUTPUT) {
        output_begin(run);
    } else if (run->order->kind == ORDER_CHILD) {
        flow_run__begin_child(run);
    } else if (run->order->kind == ORDER_CALL) {
        ask_write(&run->ask, call_tx, call_asked);
    } else {
        ask_write(&run->ask, order_tx, order_written);
    }
}

static void flow_run_next(struct flow_run *run) {
    if ((run->state != FLOW_RUN_IDLE && run->state != FLOW_RUN_NEW) || run->flows->asker.stopping ||
        dispatch_held(run->flows->options.dispatch) == RUN_HELD) {
        return;
    }
    if (run->state == FLOW_RUN_NEW) {
        run->state = FLOW_RUN_WRITING;
        ask_write(&run->ask, adopt_tx, adopt_done);
    } else if (!links_empty(&run->orders)) {
        order_begin(run);
    } else if (run->again) {
        run->again = false;
        run->state = FLOW_RUN_READING;
        run->results = json_object();
        ask_read(&run->ask, look_tx, flow_looked);
    }
}

/* --- Notes ------------------------------------------------------------------------------------ */

/* A refusal of a child belongs to the child; anything else is tried again. */
static enum ask_verdict flow_run_judge(void *ctx, unsigned tries, struct err err) {
    const struct flow_run *run = ctx;
    const bool refusal = run->order != NULL && run->why.text[0] != '\0' &&
                         (run->order->kind == ORDER_CHILD || run->order->kind == ORDER_CALL);
    return refusal ? ASK_ANSWERED : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

static void on_later(struct timer *timer) {
    struct flow_run *run = CONTAINER_OF(timer, struct flow_run, timer);
    run->again = true;
    flow_run_next(run);
}

static void flow_run_refused(void *ctx, struct err err) {
    struct flow_run *run = ctx;
    (void)err; /* The asker has reported this. */
    json_release(&run->results);
    for (size_t i = 0; i < run->count; i++) {
        run->hands[i].known = -1; /* The worker may not have heard of what was read. */
    }
    if (run->order != NULL && run->order->at < run->count) {
        run->hands[run->order->at].version = -1; /* To be asked again. */
    }
    run->report = run->order != NULL && run->order->kind == ORDER_END ? 0 : run->report;
    order_free(run->order);
    run->order = NULL;
    run->state = FLOW_RUN_IDLE;
    timer_start(run->flows->options.loop, &run->timer, RETRY_MAX_MS, on_later);
}

static struct flow_run *flow_run_new(struct flows *flows, struct bytes name) {
    static const struct ask_rules rules = {
        .words = {.effect = "perform a flow", .again = "a flow could not go on; it is tried again"},
        .judge = flow_run_judge,
        .refused = flow_run_refused};
    struct flow_run *run = mem_new(sizeof *run);
    struct text *texts[14];
    memcpy(run->run, name.data, name.len < ID_SIZE - 1 ? name.len : ID_SIZE - 1);
    run->flows = flows;
    run->node.name = bytes_of(run->run);
    links_init(&run->orders);
    links_init(&run->calls);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_init(texts_of(run, texts)[i], FLOW_TEXT_MAX);
    }
    ask_init(&run->ask, &flows->asker, &rules, run);
    run->ask.run = run->node.name;
    table_add(&flows->table, &run->node);
    return run;
}

void flows_run_note(void *room, const struct run_row *row) {
    struct flows *flows = room;
    struct table_node *node = table_find(&flows->table, row->run);
    struct flow_run *run = node == NULL ? NULL : CONTAINER_OF(node, struct flow_run, node);
    const bool lives = row->state == RUN_RUNNING || (row->stop != CAUSE_NONE && run != NULL);
    if (flows->asker.stopping || (run == NULL && (!lives || run_state_final(row->state)))) {
        return;
    }
    run = run == NULL ? flow_run_new(flows, row->run) : run;
    run->again = true;
    flow_run_next(run);
}

/* --- Life ------------------------------------------------------------------------------------- */

struct flows *flows_open(const struct flows_options *options) {
    struct flows *flows = mem_new(sizeof *flows);
    flows->options = *options;
    flows->asker = (struct asker){.loop = options->loop,
                                  .store = options->store,
                                  .effects = options->effects,
                                  .pause_ms = RETRY_MS,
                                  .pause_max_ms = RETRY_MAX_MS,
                                  .ctx = options->ctx,
                                  .failed = options->failed};
    pool_init(&flows->pool, options->loop, options->shortage);
    table_init(&flows->table);
    links_init(&flows->starts);
    flows->stop_task.run = on_stopped;
    return flows;
}

void flows_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct flows *flows = room;
    flows->asker.stopping = true;
    flows->stopped = stopped;
    flows->stopped_ctx = ctx;
    for (struct table_node *node = NULL; (node = table_next(&flows->table, node)) != NULL;) {
        struct flow_run *run = CONTAINER_OF(node, struct flow_run, node);
        timer_stop(flows->options.loop, &run->timer);
        ask_stop(&run->ask);
        evaluator_close(run->evaluator);
        run->evaluator = NULL;
    }
    for (struct link *link = flows->starts.next, *next; link != &flows->starts; link = next) {
        next = link->next;
        flow_start__stop(CONTAINER_OF(link, struct flow_start, link));
    }
    pool_cancel(&flows->pool);
    flows__maybe_stopped(flows);
}

void flows_close(struct flows *flows) {
    if (flows == NULL) {
        return;
    }
    assert(flows->asker.away == 0);
    loop_task_cancel(flows->options.loop, &flows->stop_task);
    for (struct table_node *node = table_next(&flows->table, NULL), *next; node != NULL;
         node = next) {
        next = table_next(&flows->table, node);
        flow_run_free(CONTAINER_OF(node, struct flow_run, node));
    }
    table_done(&flows->table);
    mem_free(flows);
}
