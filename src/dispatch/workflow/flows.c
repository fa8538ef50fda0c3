/* flows.c: the workflows that this daemon performs, from the note of a row to its end: its script
 * returned or threw, its worker died, somebody stopped it. */
#include "dispatch/workflow/flows.h"

#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "engine/session/sessions.h"

enum { FREE_PART = 32 }; /* Calls that one turn of the loop frees. */

int64_t flows__now_ms(const struct flows *flows) {
    return world_wall_ms(loop_world(flows->options.loop));
}

struct catalog_search flows__search(const struct flows *flows, const char *root,
                                    const char *config_dir) {
    struct catalog_search search = flows->options.search;
    search.root = root;
    search.config_dir = config_dir != NULL ? config_dir : search.config_dir;
    return search;
}

struct catalog_search flow__search(const struct flow *flow) {
    return flows__search(flow->flows, flow->root, json_str(flow->spec, "config_dir", NULL));
}

int64_t flows__mono_ms(const struct flows *flows) {
    return (int64_t)(world_mono_ns(loop_world(flows->options.loop)) / 1000000);
}

struct id flows__new_id(const struct flows *flows, const char *prefix) {
    return world_new_id(loop_world(flows->options.loop), prefix);
}

struct bytes flow__run(const struct flow *flow) {
    return flow->node.name;
}

/* Where none was named, it is the project that sessions without one have. */
struct bytes flow__project(const struct flow *flow) {
    return json_object_get(flow->spec, "project") == NULL ? BYTES(SESSION_PROJECT_DEFAULT)
                                                          : json_bytes(flow->spec, "project");
}

struct workflow_place flow__place(const struct flow *flow) {
    return (struct workflow_place){
        .id = flow->id, .owner = bytes_of(flow->owner), .run = flow__run(flow)};
}

struct call *flow__next_call(const struct flow *flow, const struct call *after) {
    struct table_node *node = table_next(&flow->calls, after == NULL ? NULL : &after->node);
    return node == NULL ? NULL : CONTAINER_OF(node, struct call, node);
}

/* Thousands of calls of workflow() are only passed over: no model is asked for them. */
static struct call *flow_next_agent(const struct flow *flow, const struct call *after) {
    struct call *call = flow__next_call(flow, after);
    while (call != NULL && call->nested) {
        call = flow__next_call(flow, call);
    }
    return call;
}

void flow_list_append(struct flow_list *list, struct flow_link *link) {
    assert(!link->listed);
    *link = (struct flow_link){.prev = list->last, .listed = true};
    *(list->last == NULL ? &list->first : &list->last->next) = link;
    list->last = link;
}

void flow_list_prepend(struct flow_list *list, struct flow_link *link) {
    assert(!link->listed);
    *link = (struct flow_link){.next = list->first, .listed = true};
    *(list->first == NULL ? &list->last : &list->first->prev) = link;
    list->first = link;
}

void flow_list_remove(struct flow_list *list, struct flow_link *link) {
    if (link->listed) {
        *(link->prev == NULL ? &list->first : &link->prev->next) = link->next;
        *(link->next == NULL ? &list->last : &link->next->prev) = link->prev;
        link->listed = false;
    }
}

/* --- A flow ----------------------------------------------------------------------------------- */

void flow__enter(struct flow *flow, enum flow_state state) {
    enum { OVER = 1U << FLOW_ENDED | 1U << FLOW_FREED, ENDS = 1U << FLOW_ENDING | OVER };
    static const unsigned edges[FLOW_STATES] = {
        [FLOW_UNREAD] = 1U << FLOW_LOADING | ENDS,
        [FLOW_LOADING] = 1U << FLOW_UNREAD | 1U << FLOW_ADOPTING | ENDS,
        [FLOW_ADOPTING] = 1U << FLOW_UNREAD | 1U << FLOW_ADOPTING | 1U << FLOW_LIVE | ENDS,
        [FLOW_LIVE] = 1U << FLOW_UNREAD | ENDS,
        [FLOW_ENDING] = OVER,
        [FLOW_ENDED] = OVER,
    };
    assert((edges[flow->state] >> state & 1) != 0);
    flow->state = state;
}

bool flow__is_over(const struct flow *flow) {
    return flow->state >= FLOW_ENDING || flow->flows->asker.stopping;
}

static struct flow *flow_new(struct flows *flows, const struct run_row *row) {
    struct flow *flow = mem_new(sizeof *flow);
    flow->run = id_copy(row->run);
    flow->node.name = bytes_of(flow->run.text);
    flow->id = row->id;
    flow->id_node.name = (struct bytes){(const char *)&flow->id, sizeof flow->id};
    flow->flows = flows;
    flow->owner = mem_copy(row->owner.data, row->owner.len);
    flow->attempt = row->attempt;
    flow->paused = row->state == RUN_WAITING;
    flow->fresh = row->epoch == store_epoch(flows->options.store);
    table_init(&flow->calls);
    table_init(&flow->open);
    table_init(&flow->reusable);
    table_add(&flows->flows, &flow->node);
    table_add(&flows->ids, &flow->id_node);
    flows->stats.begun++;
    return flow;
}

/* A part of its calls in each turn of the loop; then the rest. */
static void flow_free_part(struct loop_task *task) {
    struct flow *flow = CONTAINER_OF(task, struct flow, free_task);
    struct flows *flows = flow->flows;
    size_t left = flows->asker.stopping ? SIZE_MAX : FREE_PART;
    for (struct call *call = flow__next_call(flow, NULL), *next; call != NULL && left > 0;
         call = next, left--) {
        next = flow__next_call(flow, call);
        call__free(call);
    }
    if (flow->calls.count > 0) {
        loop_soon(flows->options.loop, task);
        return;
    }
    flow_list_remove(&flows->freed, &flow->freed);
    retry_done(&flow->loading);
    flow__free_priors(&flow->open);
    flow__free_priors(&flow->reusable);
    table_done(&flow->calls);
    table_done(&flow->open);
    table_done(&flow->reusable);
    json_decref(flow->spec);
    json_decref(flow->warned);
    mem_free(flow->owner);
    mem_free(flow->model);
    mem_free(flow->root);
    mem_free(flow->label);
    mem_free(flow);
    flows__maybe_stopped(flows);
}

/* Once nothing of it is away, nobody finds it any more. Its memory is freed in parts, and never
 * within the callback in which it ended: its caller may still hold it. */
void flow__maybe_free(struct flow *flow) {
    struct flows *flows = flow->flows;
    struct loop *loop = flows->options.loop;
    bool away = flow->in_pool > 0;
    if (flow->state == FLOW_FREED || (flow->state != FLOW_ENDED && !flows->asker.stopping)) {
        return;
    }
    flow__close_worker(flow);
    timer_stop(loop, &flow->deadline);
    timer_stop(loop, &flow->rebuild);
    flow__drop_delayed(flow);
    loop_task_cancel(loop, &flow->deliver_task);
    for (struct flow_op *op = flow->ops; op != NULL; op = op->next) {
        timer_stop(loop, &op->timer);
        away = away || op->away;
    }
    for (struct call *call = NULL; (call = flow_next_agent(flow, call)) != NULL;) {
        call__cancel(call);
    }
    if (away) {
        return;
    }
    flow__enter(flow, FLOW_FREED);
    while (flow->ops != NULL) {
        flow__op_free(flow->ops);
    }
    flow__release_build(flow);
    flow__load_free(flow);
    for (size_t i = 0; i < flow->line_count; i++) {
        mem_free((char *)flow->lines[i].text.data);
    }
    table_remove(&flows->flows, &flow->node);
    table_remove(&flows->ids, &flow->id_node);
    flow_list_append(&flows->freed, &flow->freed);
    flow->free_task.run = flow_free_part;
    loop_soon(loop, &flow->free_task);
}

void flow__ended(struct flow *flow) {
    flow__enter(flow, FLOW_ENDED);
    flow__maybe_free(flow);
}

/* --- Its end, stored -------------------------------------------------------------------------- */

static struct err flow_end_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    return tx_workflow_end(tx, &op->whole, &op->late);
}

static struct err flow_close_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    const struct run_give_up what = {.run = op->whole.run,
                                     .attempt = op->whole.attempt,
                                     .sentence = op->whole.note,
                                     .exit_code = -1,
                                     .bounds = op->whole.bounds};
    return tx_run_give_up(tx, &what, &op->late);
}

static void flow_end_done(struct flow_op *op) {
    flow__ended(op->flow);
}

/* No retry goes better, and the run ends with the cause. Where its end is refused as well it is
 * stored with nothing but the cause, then without a look at its agents; after that the row is left
 * to the next start of the daemon. */
void flow__refused(struct flow_op *op, struct err err) {
    struct flow *flow = op->flow;
    struct flows *flows = flow->flows;
    if (op->fn == flow_end_tx && op->whole.cause != CAUSE_NOT_STORED) {
        op->whole.cause = CAUSE_NOT_STORED;
        op->whole.note = BYTES("its end could not be stored with its result");
    } else if (op->fn == flow_end_tx) {
        op->fn = flow_close_tx;
        text_clear(&op->bytes);
        text_addf(&op->bytes, "its end could not be stored: %s (%s)", err_title(err.code),
                  err_name(err.code));
        op->whole.note = text_bytes(&op->bytes);
    } else if (op->fn == flow_close_tx) {
        asker_report(&flows->asker,
                     "the end of a workflow could not be stored: the next start tries again",
                     flow__run(flow), err);
        effects_abandon(flows->options.effects, &op->retry.effect, "store the end of a workflow",
                        err);
        flow__op_free(op);
        flow__ended(flow);
        return;
    } else {
        char note[400];
        (void)snprintf(note, sizeof note, "a step of it could not be stored or read: %s (%s)",
                       err_title(err.code), err_name(err.code));
        asker_report(&flows->asker, "a step of a workflow could not be stored or read: it ends",
                     flow__run(flow), err);
        flow->page_op = flow->page_op == op ? NULL : flow->page_op;
        flow__op_free(op);
        flow__end(flow, CAUSE_NOT_STORED, note);
        return;
    }
    op->whole.result = op->whole.error = BYTES("");
    op->retry.tries = 0;
    flow__op_send(op);
}

/* `result`, `error`: JSON or empty; copied. */
static void flow_store_end(struct flow *flow, enum run_cause cause, struct bytes result,
                           struct bytes error, const char *note) {
    struct loop *loop = flow->flows->options.loop;
    flow__enter(flow, FLOW_ENDING);
    retry_done(&flow->loading);
    flow__close_worker(flow);
    timer_stop(loop, &flow->deadline);
    timer_stop(loop, &flow->rebuild);
    struct flow_op *op = flow__op(flow, flow_end_tx, flow_end_done);
    size_t asked = 0, took_count = 0;
    for (struct call *call = NULL; (call = flow_next_agent(flow, call)) != NULL;) {
        call__cancel(call);
        asked += call->calls > 0 && call->state != CALL_DONE;
    }
    op->took = mem_new_array(asked + 1, sizeof *op->took);
    /* Usage of an agent that is one call of a model is charged with the end of its run; an agent
     * with tools has a turn, which charges its own usage. */
    for (struct call *call = NULL;
         took_count < asked && (call = flow_next_agent(flow, call)) != NULL;) {
        if (call->calls > 0 && call->state != CALL_DONE) {
            op->took[took_count++] =
                (struct step_took){.run = bytes_of(call->run.text),
                                   .model = bytes_of(call->model),
                                   .usage = call->usage,
                                   .cost = call->cost,
                                   .calls = call->calls,
                                   .took_ms = flows__mono_ms(flow->flows) - call->began_ms,
                                   .calls_unpriced = call->calls - call->calls_priced};
        }
    }
    text_init(&op->bytes, FLOW_ORDER_MAX);
    text_add(&op->bytes, result.data, result.len);
    text_add(&op->bytes, error.data, error.len);
    text_add_str(&op->bytes, note);
    const char *bytes = text_bytes(&op->bytes).data;
    op->whole = (struct workflow_end){.run = flow__run(flow),
                                      .attempt = flow->attempt,
                                      .cause = cause,
                                      .result = {bytes, result.len},
                                      .error = {bytes + result.len, error.len},
                                      .note = {bytes + result.len + error.len, strlen(note)},
                                      .items_failed = flow->items_failed,
                                      .calls_failed = flow->calls_failed,
                                      .took = op->took,
                                      .took_count = took_count,
                                      .project = flow__project(flow),
                                      .bounds = flow->flows->options.bounds};
    flow__op_send(op);
    /* Trees are removed after it: until then they have their turns. */
    for (struct call *call = NULL; (call = flow_next_agent(flow, call)) != NULL;) {
        call__sweep_tree(call);
    }
    for (struct table_node *node = NULL; (node = table_next(&flow->open, node)) != NULL;) {
        prior__sweep_tree(flow, CONTAINER_OF(node, struct prior, node));
    }
}

void flow__end(struct flow *flow, enum run_cause cause, const char *note) {
    AUTO(text_done) struct text error = text_up_to(RUN_SPEC_MAX);
    if (flow->state >= FLOW_ENDING) {
        return;
    }
    if (cause != CAUSE_STOPPED) {
        text_add_char(&error, '{');
        text_add_member(&error, "code", bytes_of(run_cause_name(cause)));
        text_add_member(&error, "message", bytes_of(note));
        text_add_char(&error, '}');
    }
    flow_store_end(flow, cause, BYTES(""), text_bytes(&error), note);
}

/* --- Its script ended ------------------------------------------------------------------------- */

/* Bytes of what a script threw: it has to fit into an event. */
enum {
    ERROR_WORDS_MAX = 8 << 10,
    ERROR_NAME_MAX = 200,
    ERROR_NOTE_MAX = 400,
    ERROR_FILE_MAX = 4 << 10
};

static struct bytes error_head(const json_t *end, const char *name, size_t size_max) {
    const struct bytes whole = bytes_of(json_str(end, name, ""));
    return (struct bytes){whole.data, utf8_cut(whole, size_max)};
}

void flow__end_with(struct flow *flow, const json_t *end, const struct text *written) {
    static const enum run_cause known[] = {
        CAUSE_SCRIPT_ERROR,    CAUSE_SYNTAX_ERROR,   CAUSE_SCRIPT_STUCK,     CAUSE_MEMORY_EXCEEDED,
        CAUSE_TOO_MANY_CALLS,  CAUSE_TOO_MANY_LINES, CAUSE_OUTPUT_TOO_LARGE, CAUSE_RESULT_NOT_JSON,
        CAUSE_REPLAY_DIVERGED, CAUSE_NEVER_SETTLES,
    };
    static const struct {
        const char *name;
        size_t size_max; /* 0: a number. */
    } members[] = {
        {"message", ERROR_WORDS_MAX}, {"name", ERROR_NAME_MAX},  {"line", 0}, {"column", 0},
        {"file", ERROR_FILE_MAX},     {"stack", ERROR_WORDS_MAX}};
    AUTO(text_done) struct text own = text_up_to(WORKFLOW_RESULT_MAX);
    AUTO(text_done) struct text error = text_up_to(RUN_SPEC_MAX);
    AUTO(text_done) struct text note = text_up_to(RUN_SPEC_MAX);
    const json_t *value = json_object_get(end, "result");
    if (json_is_true(json_object_get(end, "ok"))) {
        if (written == NULL && value != NULL && err_failed(json_write(value, &own))) {
            own.failed = true;
        }
        written = written == NULL ? &own : written;
        if (text_failed(written)) {
            flow__end(flow, CAUSE_OUTPUT_TOO_LARGE, "its result has more than 1 MB");
        } else {
            flow_store_end(flow, CAUSE_COMPLETED, text_bytes(written), BYTES(""), "");
        }
        return;
    }
    enum run_cause cause = CAUSE_SCRIPT_ERROR;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        bool named = strcmp(json_str(end, "code", ""), run_cause_name(known[i])) == 0;
        cause = named ? known[i] : cause;
    }
    text_add_char(&error, '{');
    text_add_member(&error, "code", bytes_of(run_cause_name(cause)));
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const char *name = members[i].name;
        value = json_object_get(end, name);
        if (members[i].size_max == 0 && json_is_integer(value)) {
            text_add_member_int(&error, name, json_integer_value(value));
        } else if (members[i].size_max > 0 && json_is_string(value)) {
            text_add_member(&error, name, error_head(end, name, members[i].size_max));
        }
    }
    text_add_char(&error, '}');
    const char *within = json_str(end, "file", "");
    const char *file = within[0] != '\0' ? within : json_str(flow->spec, "file", "");
    const struct bytes message = error_head(end, "message", ERROR_NOTE_MAX);
    int64_t line = json_int(end, "line", 0);
    if (line > 0) {
        text_addf(&note, "%.400s:%lld: ", file[0] == '\0' ? "script" : file, (long long)line);
    }
    text_add(&note, message.data, message.len);
    flow_store_end(flow, cause, BYTES(""), text_bytes(&error), text_bytes(&note).data);
}

/* --- Its worker died -------------------------------------------------------------------------- */

void flow__crashed(struct flow *flow, const struct script_end *end) {
    struct flows *flows = flow->flows;
    unsigned shift = 0;
    if (flow->state != FLOW_LIVE || flows->asker.stopping) {
        return;
    }
    if (end->kind == SCRIPT_STUCK) {
        flow__end(flow, CAUSE_SCRIPT_STUCK, "it computed for too long without waiting");
        return;
    }
    /* No fault of its script: the process that it was forked from died, or there could be none. It
     * is retried for as long as it takes, as the store is. */
    if (end->kind == SCRIPT_LOST || end->kind == SCRIPT_NOT_STARTED) {
        if (end->number == ENFILE || (end->number == EMFILE && !shortage_room())) {
            shortage_report(flows->options.shortage, "start a script",
                            err_from_errno(end->number, "script: start"));
        }
        shift = flow->lost_workers < 6 ? flow->lost_workers : 6;
        flow->lost_workers++;
        flow__recheck_build(flow);
    } else {
        flow->crashes++;
        flows->stats.crashes++;
        flow->fresh = false;
        if (flow->crashes > WORKFLOW_CRASHES_MAX) {
            char note[200];
            (void)snprintf(note, sizeof note, "its worker ended by itself, %lld times: %s",
                           (long long)flow->crashes, end->detail);
            flow__end(flow, CAUSE_WORKER_CRASHED, note);
            return;
        }
        shift = (unsigned)(flow->crashes - 1);
    }
    flow__reload_in(flow, (uint64_t)FLOW_CRASH_MS << shift);
}

/* --- Notes ------------------------------------------------------------------------------------ */

static void flows_workflow_note(struct flows *flows, const struct run_row *row) {
    struct table_node *node = table_find(&flows->flows, row->run);
    struct flow *flow = node == NULL ? NULL : CONTAINER_OF(node, struct flow, node);
    if (flow == NULL && workflow_lives(row) && flows->options.hold == RUN_FREE) {
        flow = flow_new(flows, row);
        flow__load(flow);
        if (row->stop != CAUSE_NONE) {
            flow__stop(flow);
        }
    } else if (flow != NULL && run_state_final(row->state)) {
        flows->stats.finished++;
        flow__ended(flow);
    } else if (flow != NULL && row->stop != CAUSE_NONE) {
        flow__stop(flow);
    } else if (flow != NULL) {
        flow__on_pause(flow, row);
    }
}

/* Others change steps, too: somebody skips one, or a budget admits it. Where the script has not
 * asked for it yet, what was read of it is updated. Both are rare, so all calls are looked
 * through. */
static void flows_step_note(struct flows *flows, const struct run_row *row) {
    const struct bytes id = {(const char *)&row->parent, sizeof row->parent};
    struct table_node *node = table_find(&flows->ids, id);
    struct flow *flow = node == NULL ? NULL : CONTAINER_OF(node, struct flow, id_node);
    struct call *call = NULL;
    if (flow == NULL || flow->state >= FLOW_ENDING) {
        return;
    }
    while ((call = flow__next_call(flow, call)) != NULL) {
        if (bytes_is(row->run, call->run.text)) {
            call__on_note(call, row);
            return;
        }
    }
    flow__note_prior(flow, row);
}

void flows_run_note(struct flows *flows, struct bytes note) {
    struct run_row row;
    bool ours = run_note_read(note, &row);
    assert(ours); /* The engine wrote it, in this process. */
    if (flows->asker.stopping) {
        return;
    }
    if (row.kind == KIND_WORKFLOW) {
        flows_workflow_note(flows, &row);
    } else if (row.kind == KIND_AGENT) {
        flows_step_note(flows, &row);
    } else if (row.kind == KIND_TURN && row.parent != 0) {
        flows__turn_note(flows, &row);
    } else if (row.kind == KIND_JOB && row.parent == 0 && run_state_final(row.state)) {
        flows__job_note(flows, &row);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static void flows_report_stop(struct loop_task *task) {
    struct flows *flows = CONTAINER_OF(task, struct flows, stop_task);
    flows__stop_builds(flows);
    flows->stopped(flows->stopped_ctx);
}

struct flows *flows_open(const struct flows_options *options) {
    struct flows *flows = mem_new(sizeof *flows);
    flows->options = *options;
    flows->asker = (struct asker){.loop = options->loop,
                                  .store = options->store,
                                  .effects = options->effects,
                                  .pause_ms = FLOW_RETRY_FIRST_MS,
                                  .pause_max_ms = FLOW_RETRY_MAX_MS,
                                  .ctx = options->ctx,
                                  .failed = options->failed};
    flows->stop_task.run = flows_report_stop;
    table_init(&flows->flows);
    table_init(&flows->ids);
    table_init(&flows->turns);
    table_init(&flows->builds);
    table_init(&flows->checked);
    pool_init(&flows->pool, options->loop, options->shortage);
    return flows;
}

void flows_listen(struct flows *flows, struct turns *turns) {
    flows->turns_of = turns;
}

void flows_hold(struct flows *flows) {
    flows->options.hold = RUN_HELD;
}

void flows_release(struct flows *flows) {
    flows->options.hold = RUN_FREE;
}

void flows_woke(struct flows *flows) {
    for (struct table_node *node = NULL; (node = table_next(&flows->flows, node)) != NULL;) {
        const struct flow *flow = CONTAINER_OF(node, struct flow, node);
        for (struct call *call = flow__first(flow, CALL_ASKING); call != NULL;
             call = call_of(call->link.next)) {
            call__woke(call);
        }
    }
}

/* Answers of the store are not waited for here: store_close comes after us. */
void flows__maybe_stopped(struct flows *flows) {
    if (flows->asker.stopping && !flows->stop_reported && flows->pool.count == 0 &&
        flows->checks.first == NULL && flows->rehearsals.first == NULL) {
        flows->stop_reported = true;
        loop_soon(flows->options.loop, &flows->stop_task);
    }
}

void flows_stop(struct flows *flows, void (*stopped)(void *ctx), void *ctx) {
    assert(!flows->asker.stopping);
    flows->asker.stopping = true;
    flows->stopped = stopped;
    flows->stopped_ctx = ctx;
    pool_cancel(&flows->pool);
    for (struct table_node *node = table_next(&flows->flows, NULL), *next; node != NULL;
         node = next) {
        next = table_next(&flows->flows, node);
        loop_breathe(flows->options.loop); /* Nothing else waits any more. */
        flow__maybe_free(CONTAINER_OF(node, struct flow, node));
    }
    flows__stop_checks(flows);
    flows__stop_rehearsals(flows);
    flows__maybe_stopped(flows);
}

void flows_close(struct flows *flows) {
    if (flows == NULL) {
        return;
    }
    assert(flows->asker.away == 0);
    assert(flows->flows.count == 0);
    while (flows->freed.first != NULL) { /* The loop does not come to them any more. */
        struct flow *flow = CONTAINER_OF(flows->freed.first, struct flow, freed);
        loop_task_cancel(flows->options.loop, &flow->free_task);
        flow_free_part(&flow->free_task);
    }
    table_done(&flows->flows);
    table_done(&flows->ids);
    table_done(&flows->turns);
    flows__forget_checked(flows);
    table_done(&flows->checked);
    flows__drop_builds(flows);
    mem_free(flows);
}

void flows_get_stats(const struct flows *flows, struct flows_stats *ret_stats) {
    *ret_stats = flows->stats;
    ret_stats->store_retries = flows->asker.retries;
    ret_stats->live = flows->flows.count;
}
