/* flows.c: see flows.h and flow_run.h. */
#include "dispatch/flow/flows.h"

#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/flow/flow_run.h"
#include "dispatch/flow/start.h"
#include "engine/project/projects.h"
#include "script/protocol.h"

enum {
    RETRY_MS = 200,
    RETRY_MAX_MS = 30000,
    WAIT_MAX_MS = 3600000,
    OVERDUE_MS = 250, /* A time has passed, and what it is for gives signs of life. */
    CRASHES_MAX = 3,
    RUN_TEXTS = 13,
    ARTIFACT_FAULT_MAX = 400,
};

/* --- Life of one ------------------------------------------------------------------------------ */

static struct text *const *texts_of(struct flow_run *run, struct text *ret_texts[RUN_TEXTS]) {
    struct text *const texts[RUN_TEXTS] = {&run->name,    &run->file,  &run->source, &run->input,
                                           &run->model,   &run->root,  &run->path,   &run->owner,
                                           &run->project, &run->rules, &run->title,  &run->rendered,
                                           &run->results};
    memcpy(ret_texts, texts, sizeof texts);
    return ret_texts;
}

static void seen_free(struct flow_run *run) {
    for (size_t i = 0; i < run->count; i++) {
        text_done(&run->seen[i].prompt);
    }
    mem_free(run->seen);
    mem_free(run->hands);
    mem_free(run->known);
}

static void flow_run_free(struct flow_run *run) {
    struct text *texts[RUN_TEXTS];
    timer_stop(run->flows->options.room.loop, &run->timer);
    ask_drop(&run->ask);
    flow_run__drop_child(run);
    evaluator_close(run->evaluator);
    flow_run__orders_free(&run->orders);
    flow_run__orders_free(&run->calls);
    flow_run__order_free(run->order);
    seen_free(run);
    flow_free(&run->flow);
    mem_free(run->after.steps); /* Texts and lists of the steps belong to `flow`. */
    json_release(&run->description);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_done(texts_of(run, texts)[i]);
    }
    agent_order_done(&run->agent);
    table_remove(&run->flows->table, &run->node);
    mem_free(run);
}

/* --- What the rows say ------------------------------------------------------------------------ */

static void text_set(struct text *text, struct bytes bytes) {
    text_clear(text);
    text_add(text, bytes.data, bytes.len);
}

static void seen_make(struct flow_run *run) {
    run->count = run->flow.count;
    run->seen = mem_new_array(run->count, sizeof *run->seen);
    run->hands = mem_new_array(run->count, sizeof *run->hands);
    run->known = mem_new_array(run->count, sizeof *run->known);
    run->after.steps = mem_new_array(run->count, sizeof *run->after.steps);
    for (size_t i = 0; i < run->count; i++) {
        text_init(&run->seen[i].prompt, FLOW_TEXT_MAX);
        run->seen[i].id = run->flow.steps[i].id;
        run->seen[i].kind = run->flow.steps[i].kind;
        run->hands[i] = (struct flow_hand){.version = -1};
        run->known[i] = -1;
    }
}

/* All texts are read again, for a worker that has none of them. */
static void known_forget(struct flow_run *run) {
    for (size_t i = 0; i < run->count; i++) {
        run->known[i] = -1;
    }
}

static void texts_take(struct flow_run *run, const struct flow_item *item) {
    struct flow_seen *seen = &run->seen[item->place];
    run->known[item->place] = item->version;
    text_set(&seen->prompt, item->phase == FLOW_AT_OUTPUT  ? item->log
                            : item->phase == FLOW_AT_CHILD ? item->prompt
                                                           : BYTES(""));
    /* A command that wrote nothing has a result: no text. */
    const bool has =
        item->result.len > 0 || item->status == FLOW_COMPLETED || item->phase == FLOW_AT_UNTIL;
    evaluator_results_add(&run->results, seen->id, item->result, has);
}

static void on_item(void *ctx, const struct flow_item *item) {
    struct flow_run *run = ctx;
    if (item->place >= run->count) {
        return;
    }
    struct flow_seen *seen = &run->seen[item->place];
    seen->status = item->status;
    seen->phase = item->phase;
    seen->version = item->version;
    seen->tries = item->tries;
    seen->calls = item->calls;
    seen->has_child = item->has_child;
    if (run->known[item->place] != item->version) {
        texts_take(run, item);
    }
}

static struct err description_read(struct flow_run *run, const struct flow_look *look,
                                   const struct flow_texts *texts) {
    struct why why;
    text_set(&run->name, texts->name);
    text_set(&run->file, texts->file);
    text_set(&run->source, texts->source);
    text_set(&run->input, texts->input);
    text_set(&run->model, texts->model);
    text_set(&run->root, texts->root);
    text_set(&run->path, texts->path);
    text_set(&run->owner, look->run.owner);
    text_set(&run->project, look->run.project);
    struct err err = json_parse_wrapped(texts->description, &run->description, NULL);
    err = err_failed(err) ? err : flow_read(run->description, &run->flow, &why);
    if (err_failed(err)) {
        json_release(&run->description);
    } else {
        seen_make(run);
    }
    return err;
}

/* A step whose texts are those of its version stays as it was seen, unless it is active. */
static struct flow_known steps_known(const struct flow_run *run) {
    struct flow_known known = {run->known, run->count, run->flow.head, run->count, 0};
    for (size_t i = 0; i < run->count; i++) {
        const struct flow_step *step = &run->flow.steps[i];
        if (flow_step_is_active(step) || run->known[i] != step->version) {
            known.first = i < known.first ? i : known.first;
            known.last = i;
        }
    }
    return known;
}

static struct err look_tx(struct tx *tx, void *ctx) {
    struct flow_run *run = ctx;
    struct flow_look look;
    struct flow_texts texts;
    bool found = false;
    struct err err = tx_flow_look(tx, bytes_of(run->run), &found, &look);
    if (err_failed(err) || !found) {
        run->stage = FLOW_IS_OVER;
        return err;
    }
    run->stage = look.stage;
    run->stop = look.run.stop;
    run->due_ms = look.due_ms;
    run->orphans = look.orphans;
    run->how = look.how;
    text_set(&run->rules, tx_project_settings(tx, look.run.owner, look.run.project));
    if (run->description == NULL) {
        err = tx_flow_texts(tx, &look, &texts);
        err = err_failed(err) ? err : description_read(run, &look, &texts);
    }
    const struct flow_known known = steps_known(run);
    text_clear(&run->results);
    err = err_failed(err) ? err : tx_flow_steps(tx, &look, known, on_item, run);
    evaluator_results_end(&run->results, look.rejected);
    return err;
}

/* --- The worker ------------------------------------------------------------------------------- */

static bool phase_evaluates(enum flow_phase phase) {
    return phase == FLOW_AT_WHEN || phase == FLOW_AT_CASES || phase == FLOW_AT_RUN ||
           phase == FLOW_AT_UNTIL;
}

static bool has_function(const struct flow_run *run, const char *name) {
    return json_is_true(json_object_get(json_object_get(run->description, name), "function"));
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
    struct flow_order *order = flow_run__order_new(run, ORDER_TELL, at);
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

static void text_swap(struct text *a, struct text *b) {
    const struct text was = *a;
    *a = *b;
    *b = was;
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

/* The report is what was rendered last. */
static struct flow_order *end_order(struct flow_run *run, struct bytes note) {
    struct flow_order *order = flow_run__order_new(run, ORDER_END, FLOW_NONE);
    text_swap(&order->text, &run->rendered);
    text_add(&order->note, note.data, note.len);
    run->report = -1;
    run->naming = 0;
    return order;
}

/* Without a report. */
static void end_bare(struct flow_run *run, struct bytes note) {
    text_clear(&run->rendered);
    (void)end_order(run, note);
}

/* --- Its report ------------------------------------------------------------------------------- */

/* A report of what there is, after a failure, must not replace the file of one that is whole. */
static void report_value(struct flow_run *run, const struct evaluator_value *value) {
    text_swap(&run->rendered, value->text);
    if (text_failed(&run->rendered)) {
        end_bare(run, BYTES("the report is longer than 1 MB"));
        return;
    }
    if (run->how != FLOW_SUCCEEDS || !has_function(run, "output")) {
        (void)end_order(run, BYTES(""));
        return;
    }
    run->report = -1;
    run->naming = ++run->evaluations;
    const struct evaluation what = {.id = run->naming, .what = "output", .step = BYTES("")};
    evaluator_ask(run->evaluator, &what);
}

static void report_unnamed(struct flow_run *run, struct bytes why) {
    struct flow_order *order = end_order(run, BYTES(""));
    text_add_str(&order->fault, "output: ");
    text_add(&order->fault, why.data, utf8_cut(why, ARTIFACT_FAULT_MAX));
}

/* No name: no file. */
static void report_named(struct flow_run *run, const struct evaluator_value *value) {
    const struct bytes name = json_text(value->json);
    if (value->json != NULL && !json_is_null(value->json) && !json_is_string(value->json)) {
        report_unnamed(run, BYTES("it must return the name of a file, a text"));
    } else if (name.len >= LIMIT_PATH_MAX || memchr(name.data, '\0', name.len) != NULL) {
        report_unnamed(run, BYTES("it returned what is no name of a file"));
    } else {
        struct flow_order *order = end_order(run, BYTES(""));
        text_add(&order->path, name.data, name.len);
    }
}

static void on_value(void *ctx, int64_t id, const struct evaluator_value *value) {
    struct flow_run *run = ctx;
    if (id > 0 && (id == run->report || id == run->naming)) {
        (id == run->report ? report_value : report_named)(run, value);
        flow_run__next(run);
        return;
    }
    const size_t at = hand_find(run, id);
    if (at == FLOW_NONE) {
        return; /* The step went back meanwhile. */
    }
    const enum flow_phase phase = run->seen[at].phase;
    if (phase == FLOW_AT_CASES) {
        case_answered(run, at, json_is_true(value->json));
    } else if (phase == FLOW_AT_RUN) {
        struct flow_order *order = tell_new(run, at, FLOW_SAID_VALUE);
        text_swap(&order->text, value->text);
        if (text_failed(&order->text)) {
            order->answer.said = FLOW_SAID_THREW;
            text_clear(&order->text);
            text_add_str(&order->text, "what it returned is longer than 1 MB");
        }
    } else {
        (void)tell_new(run, at, json_is_true(value->json) ? FLOW_SAID_YES : FLOW_SAID_NO);
    }
    flow_run__next(run);
}

static void on_throw(void *ctx, int64_t id, struct bytes sentence) {
    struct flow_run *run = ctx;
    const size_t at = hand_find(run, id);
    if (id > 0 && id == run->report) {
        end_bare(run, sentence);
    } else if (id > 0 && id == run->naming) {
        report_unnamed(run, sentence);
    } else if (at != FLOW_NONE) {
        tell_throw(run, at, sentence);
    }
    flow_run__next(run);
}

static void on_asks(void *ctx, int64_t id, int64_t call, struct bytes agent, struct bytes task) {
    struct flow_run *run = ctx;
    const size_t at = hand_find(run, id);
    if (at == FLOW_NONE || call < 1 || call > FLOW_DISPATCHES_MAX) {
        return;
    }
    struct flow_order *order = flow_run__order_new(run, ORDER_CALL, at);
    order->number = call;
    order->evaluation = id;
    text_add(&order->agent, agent.data, agent.len);
    text_add(&order->text, task.data, task.len);
    flow_run__next(run);
}

static void on_evaluator_end(void *ctx, enum evaluator_end end, struct bytes sentence) {
    struct flow_run *run = ctx;
    const bool again = end == EVALUATOR_CRASHED && run->crashes++ < CRASHES_MAX;
    flow_run__orders_free(&run->calls);
    for (size_t i = 0; i < run->count; i++) {
        if (run->hands[i].evaluation > 0 && again) {
            run->hands[i].version = -1;
            run->hands[i].evaluation = 0;
        } else if (run->hands[i].evaluation > 0) {
            tell_throw(run, i, sentence);
        }
    }
    if (run->naming > 0 && !again) {
        report_unnamed(run, sentence);
    } else if (run->report > 0 && !again) {
        end_bare(run, sentence);
    } else if (run->naming > 0 || run->report > 0) {
        run->report = run->naming = 0;
    }
    evaluator_close(run->evaluator); /* The sentence was its own. */
    run->evaluator = NULL;
    run->again = true;
    flow_run__next(run);
}

/* --- A worker begins -------------------------------------------------------------------------- */

static void evaluator_begin(struct flow_run *run) {
    static const struct evaluator_watch watch = {
        .value = on_value, .threw = on_throw, .asks = on_asks, .ended = on_evaluator_end};
    const struct flows_options *options = &run->flows->options;
    const struct evaluator_options with = {.loop = options->room.loop,
                                           .scripts = options->scripts,
                                           .pool = &run->flows->room.pool,
                                           .bounds = {.cpu_ms = (uint32_t)options->cpu_ms},
                                           .memory_mb = (uint64_t)options->memory_mb,
                                           .script = text_bytes(&run->source),
                                           .file = text_bytes(&run->file),
                                           .input = text_bytes(&run->input),
                                           .model = text_bytes(&run->model),
                                           .watch = &watch,
                                           .ctx = run};
    known_forget(run);
    flows__make_room(run->flows);
    run->evaluator = evaluator_open(&with);
    run->again = true; /* The worker has to know all results. */
}

/* --- What is to be done ----------------------------------------------------------------------- */

static bool needs_worker(const struct flow_run *run) {
    bool needs = run->stage == FLOW_IN_REPORT && run->report == 0 && has_function(run, "render");
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
    *hand = (struct flow_hand){.version = seen->version};
    if (seen->phase == FLOW_AT_CASES && run->flow.steps[at].case_count == 0) {
        (void)tell_new(run, at, FLOW_SAID_VALUE); /* The default. */
    } else if (phase_evaluates(seen->phase)) {
        step_ask(run, at);
    } else if (seen->phase == FLOW_AT_OUTPUT) {
        struct flow_order *order = flow_run__order_new(run, ORDER_OUTPUT, at);
        text_add(&order->note, text_bytes(&seen->prompt).data, seen->prompt.len);
    } else if (seen->phase == FLOW_AT_FILES) {
        (void)flow_run__order_new(run, ORDER_READ, at);
    } else if (seen->phase == FLOW_AT_CHILD && !seen->has_child) {
        struct flow_order *order = flow_run__order_new(run, ORDER_CHILD, at);
        order->tries = seen->tries;
        text_add(&order->text, text_bytes(&seen->prompt).data, seen->prompt.len);
    }
}

static void report_ask(struct flow_run *run) {
    if (run->stage != FLOW_IN_REPORT || run->report != 0) {
        return;
    }
    if (!has_function(run, "render")) {
        end_bare(run, BYTES(""));
        return;
    }
    run->report = ++run->evaluations;
    const struct evaluation what = {.id = run->report, .what = "render", .step = BYTES("")};
    evaluator_ask(run->evaluator, &what);
}

static void on_time(struct timer *timer) {
    struct flow_run *run = CONTAINER_OF(timer, struct flow_run, timer);
    (void)flow_run__order_new(run, ORDER_TICK, FLOW_NONE);
    flow_run__next(run);
}

static void time_wait(struct flow_run *run) {
    struct loop *loop = run->flows->options.room.loop;
    const int64_t wait_ms = run->due_ms - store_steady_ms(run->flows->options.room.store);
    timer_stop(loop, &run->timer);
    if (run->due_ms > 0 && run->stage == FLOW_IN_STEPS) {
        timer_start(loop, &run->timer,
                    (uint64_t)(wait_ms < 0             ? OVERDUE_MS
                               : wait_ms < 10          ? 10
                               : wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS
                                                       : wait_ms),
                    on_time);
    }
}

/* A flow may wait for days: without a worker. */
static void evaluator_rest(struct flow_run *run) {
    bool busy = run->report > 0 || run->naming > 0 || !links_empty(&run->orders) ||
                !links_empty(&run->calls);
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
    flow_run__wake_evicted(run);
    if (run->stop != CAUSE_NONE) {
        flow_run__orders_free(&run->orders);
        end_bare(run, BYTES(""));
    } else if (run->evaluator == NULL && needs_worker(run)) {
        evaluator_begin(run);
    } else {
        if (run->evaluator != NULL) {
            evaluator_know(run->evaluator, &run->results);
        }
        links_move(&run->orders, &run->calls);
        for (size_t i = 0; i < run->count && run->stage == FLOW_IN_STEPS; i++) {
            step_do(run, i);
        }
        if (run->orphans) {
            (void)flow_run__order_new(run, ORDER_TICK, FLOW_NONE);
        }
        report_ask(run);
        time_wait(run);
        evaluator_rest(run);
    }
    flow_run__next(run);
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
    flow_run__next(run);
}

void flow_run__next(struct flow_run *run) {
    if ((run->state != FLOW_RUN_IDLE && run->state != FLOW_RUN_NEW) ||
        run->flows->room.asker.stopping ||
        dispatch_held(run->flows->options.dispatch) == RUN_HELD) {
        return;
    }
    if (run->state == FLOW_RUN_NEW) {
        run->state = FLOW_RUN_WRITING;
        ask_write(&run->ask, adopt_tx, adopt_done);
    } else if (!links_empty(&run->orders)) {
        flow_run__order_begin(run);
    } else if (run->again) {
        run->again = false;
        run->state = FLOW_RUN_READING;
        ask_read(&run->ask, look_tx, flow_looked);
    }
}

/* --- Notes ------------------------------------------------------------------------------------ */

/* A refusal of a child belongs to the child; anything else is tried again. */
static enum ask_verdict flow_run_judge(void *ctx, unsigned tries, struct err err) {
    const struct flow_run *run = ctx;
    const bool refusal = run->order != NULL && run->why.text[0] != '\0' &&
                         (run->order->kind == ORDER_CHILD || run->order->kind == ORDER_CALL);
    return run->state == FLOW_RUN_ENDING ? flow_run__judge_end(tries, err)
           : refusal                     ? ASK_ANSWERED
                                         : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

/* Nothing is asked any more: the worker, and what is in line, go. */
static void flow_run_clear(struct flow_run *run) {
    timer_stop(run->flows->options.room.loop, &run->timer);
    flow_run__orders_free(&run->orders);
    flow_run__orders_free(&run->calls);
    flow_run__order_free(run->order);
    run->order = NULL;
    evaluator_close(run->evaluator);
    run->evaluator = NULL;
}

static void flow_run_refused(void *ctx, struct err err) {
    struct flow_run *run = ctx;
    flow_run__drop_child(run);
    if (run->order != NULL && (run->order->kind == ORDER_CHILD || run->order->kind == ORDER_CALL)) {
        retry_done(&run->ask.retry);
        why_set(&run->why, "it could not be started: %s (%s)", err_title(err.code),
                err_name(err.code));
        flow_run__refuse_child(run);
        return;
    }
    flow_run_clear(run);
    flow_run__give_up(run, err);
}

static struct flow_run *flow_run_new(struct flows *flows, struct bytes name) {
    static const struct ask_rules rules = {
        .words = {.effect = "perform a flow", .again = "a flow could not go on; it is tried again"},
        .judge = flow_run_judge,
        .refused = flow_run_refused};
    struct flow_run *run = mem_new(sizeof *run);
    struct text *texts[RUN_TEXTS];
    memcpy(run->run, name.data, name.len < ID_SIZE - 1 ? name.len : ID_SIZE - 1);
    run->flows = flows;
    run->node.name = bytes_of(run->run);
    links_init(&run->orders);
    links_init(&run->calls);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_init(texts_of(run, texts)[i], FLOW_TEXT_MAX);
    }
    run->results.size_max = SCRIPT_ORDER_MAX;
    agent_order_init(&run->agent);
    ask_init(&run->ask, &flows->room.asker, &rules, run);
    run->ask.run = run->node.name;
    table_add(&flows->table, &run->node);
    return run;
}

void flows_run_note(void *room, const struct run_row *row) {
    struct flows *flows = room;
    struct table_node *node = table_find(&flows->table, row->run);
    struct flow_run *run = node == NULL ? NULL : CONTAINER_OF(node, struct flow_run, node);
    const bool lives = row->state == RUN_RUNNING || (row->stop != CAUSE_NONE && run != NULL);
    if (flows->room.asker.stopping || (run == NULL && (!lives || run_state_final(row->state)))) {
        return;
    }
    run = run == NULL ? flow_run_new(flows, row->run) : run;
    run->attempt = row->attempt;
    run->again = true;
    flow_run__next(run);
}

/* --- Life ------------------------------------------------------------------------------------- */

struct flows *flows_open(const struct flows_options *options) {
    struct flows *flows = mem_new(sizeof *flows);
    flows->options = *options;
    flows->go_on = flow_run__next;
    room_init(&flows->room, &options->room,
              (struct room_pauses){.first_ms = RETRY_MS, .max_ms = RETRY_MAX_MS});
    table_init(&flows->table);
    links_init(&flows->starts);
    return flows;
}

void flows_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct flows *flows = room;
    flows->room.asker.stopping = true;
    for (struct table_node *node = NULL; (node = table_next(&flows->table, node)) != NULL;) {
        struct flow_run *run = CONTAINER_OF(node, struct flow_run, node);
        timer_stop(flows->options.room.loop, &run->timer);
        ask_stop(&run->ask);
        evaluator_close(run->evaluator);
        run->evaluator = NULL;
    }
    for (struct link *link = flows->starts.next, *next; link != &flows->starts; link = next) {
        next = link->next;
        flow_start__stop(CONTAINER_OF(link, struct flow_start, link));
    }
    room_stop(&flows->room, stopped, ctx);
}

void flows_close(struct flows *flows) {
    if (flows == NULL) {
        return;
    }
    room_done(&flows->room);
    for (struct table_node *node = table_next(&flows->table, NULL), *next; node != NULL;
         node = next) {
        next = table_next(&flows->table, node);
        flow_run_free(CONTAINER_OF(node, struct flow_run, node));
    }
    table_done(&flows->table);
    mem_free(flows);
}
