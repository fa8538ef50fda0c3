/* flows.c: which workflows are in our hands, and the store that is asked for them. */
#include "dispatch/workflow/flows.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/rehearsal.h"
#include "dispatch/workflow/replay.h"
#include "engine/session/sessions.h"

void flows__failed(struct flows *flows, const char *what, struct bytes run, struct err err) {
    if (flows->options.failed != NULL) {
        flows->options.failed(flows->options.ctx, what, run, err);
    }
}

int64_t flows__now_ms(const struct flows *flows) {
    return world_wall_ms(loop_world(flows->options.loop));
}

int64_t flows__mono_ms(const struct flows *flows) {
    return (int64_t)(world_mono_ns(loop_world(flows->options.loop)) / 1000000);
}

struct id flows__new_id(const struct flows *flows) {
    const struct world *world = loop_world(flows->options.loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make("run", world_wall_ms(world), random);
}

struct bytes flow__run(const struct flow *flow) {
    return flow->node.name;
}

/* As sessions have it, where none was named. */
struct bytes flow__project(const struct flow *flow) {
    const json_t *project = json_object_get(flow->spec, "project");
    return project == NULL
               ? BYTES(SESSION_PROJECT_DEFAULT)
               : (struct bytes){json_string_value(project), json_string_length(project)};
}

struct workflow_place flow__place(const struct flow *flow) {
    return (struct workflow_place){
        .id = flow->id, .owner = {flow->owner, strlen(flow->owner)}, .run = flow__run(flow)};
}

struct run_bounds flow__bounds(const struct flow *flow) {
    return flow->flows->options.bounds;
}

enum { REFUSAL_MAX = 400 };

/* --- The store -------------------------------------------------------------------------------- */

struct flow_errand *flow__errand(struct flow *flow, store_fn fn,
                                 void (*done)(struct flow_errand *errand)) {
    struct flow_errand *errand = mem_new(sizeof *errand);
    errand->flow = flow;
    errand->next = flow->errands;
    flow->errands = errand;
    errand->fn = fn;
    errand->done = done;
    return errand;
}

void flow__errand_free(struct flow_errand *errand) {
    assert(!errand->away);
    struct flow_errand **at = &errand->flow->errands;
    while (*at != errand) {
        at = &(*at)->next;
    }
    *at = errand->next;
    errand->flow->storing -= errand->stores;
    if (errand->stores && errand->flow->storing == 0) {
        flow__store_empty(errand->flow);
    }
    timer_stop(errand->flow->flows->options.loop, &errand->timer);
    effect_done(&errand->effect);
    text_done(&errand->spec);
    text_done(&errand->bytes);
    for (size_t i = 0; i < errand->line_count; i++) {
        mem_free((char *)errand->lines[i].text.data);
    }
    mem_free(errand->lines);
    mem_free(errand->took);
    flow__page_free(errand->page);
    mem_free(errand);
}

/* What it points to went with its call. */
static void send_again(struct timer *timer) {
    struct flow_errand *errand = CONTAINER_OF(timer, struct flow_errand, timer);
    if (errand->orphan) {
        flow__errand_free(errand);
    } else {
        flow__send(errand);
    }
}

static uint64_t wait_of(unsigned tries) {
    uint64_t wait_ms = (uint64_t)FLOW_RETRY_FIRST_MS << (tries < 6 ? tries : 6);
    return wait_ms < FLOW_RETRY_MAX_MS ? wait_ms : FLOW_RETRY_MAX_MS;
}

bool flows__is_for_good(struct err err) {
    switch (err.code) {
    case ERR_RUN_ALIVE:
    case ERR_BAD_FIELD:
    case ERR_MISSING_FIELD:
    case ERR_BODY_TOO_LARGE:
    case ERR_MODEL_UNKNOWN:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_BUDGET_TOO_DEEP:
        return true;
    default:
        return false;
    }
}

/* What an agent said is in our hands until it is stored: nothing is dropped for an error. */
static void failed(struct flow_errand *errand, struct err err) {
    struct flow *flow = errand->flow;
    struct flows *flows = flow->flows;
    if (errand->tries == 0) {
        flows__failed(flows, "steps of a workflow could not be stored or read; it is tried again",
                      flow__run(flow), err);
    }
    if (errand->begins) {
        errand->call->unwritten = true; /* Its end must not overtake it. */
    }
    effect_failed(&errand->effect, err);
    flows->stats.store_retries++;
    timer_start(flows->options.loop, &errand->timer, wait_of(errand->tries++), send_again);
}

/* No try would go better: its script hears no more of it. */
static void refuse_step(struct flow_errand *errand, struct err err) {
    struct flow *flow = errand->flow;
    char note[REFUSAL_MAX];
    const struct bytes label = errand->begin.label;
    (void)snprintf(note, sizeof note, "its agent \"%.*s\" cannot be begun: %s (%s)",
                   (int)utf8_cut(label, REFUSAL_MAX / 2), label.data, err_title(err.code),
                   err_name(err.code));
    flows__failed(flow->flows, "an agent of a workflow cannot be begun", flow__run(flow), err);
    flow__errand_free(errand);
    flow__end(flow, CAUSE_SCRIPT_ERROR, note);
}

/* No try goes better, and the run ends with the cause. Where its end is refused as well it is
 * stored with nothing but the cause, then without a look at its agents; after that the row is left
 * to the next start. */
static void give_up(struct flow_errand *errand, struct err err) {
    struct flow *flow = errand->flow;
    struct flows *flows = flow->flows;
    char note[REFUSAL_MAX];
    (void)snprintf(note, sizeof note, "a step of it could not be stored or read: %s (%s)",
                   err_title(err.code), err_name(err.code));
    enum flow_end_form form = flow__end_form(errand);
    if (form == FLOW_END_NONE) {
        flows__failed(flows, "a step of a workflow could not be stored or read: it ends",
                      flow__run(flow), err);
        flow->paging = flow->paging == errand ? NULL : flow->paging;
        flow__errand_free(errand);
        flow__end(flow, CAUSE_NOT_STORED, note);
    } else if (form != FLOW_END_ALONE) {
        flow__end_less(errand, err);
    } else {
        flows__failed(flows,
                      "the end of a workflow could not be stored: the next start tries again",
                      flow__run(flow), err);
        effects_abandon(flows->options.effects, &errand->effect, "store the end of a workflow",
                        err);
        flow__errand_free(errand);
        flow->ended = true;
        flow__maybe_free(flow);
    }
}

void flow__answered(struct flow_errand *errand, struct err err) {
    struct flow *flow = errand->flow;
    struct flows *flows = flow->flows;
    errand->away = false;
    if (flows->stopping) {
        flow__maybe_free(flow);
        return;
    }
    if (flow->ended || errand->orphan) { /* Whatever came of it, nobody waits for it. */
        flow__errand_free(errand);
        flow__maybe_free(flow);
    } else if (!err_failed(err)) {
        effect_done(&errand->effect);
        errand->done(errand);
    } else if (errand->begins && flows__is_for_good(err)) {
        refuse_step(errand, err);
    } else if (effect_is_hopeless(errand->tries + 1, err)) {
        give_up(errand, err);
    } else {
        failed(errand, err);
    }
}

/* A note of what it did may come before its answer, and end the call that it was about. */
void flow__orphan(struct flow *flow, const struct call *call) {
    for (struct flow_errand *errand = flow->errands; errand != NULL; errand = errand->next) {
        if (errand->call == call) {
            errand->call = NULL;
            errand->orphan = true;
        }
    }
}

void flow__send(struct flow_errand *errand) {
    if (errand->lazy) {
        flow__hold(errand);
        return;
    }
    if (!errand->reads) {
        flow__bring_held(errand);
    }
    flow__push(errand);
}

/* --- Flows ------------------------------------------------------------------------------------ */

static struct bytes id_name(const int64_t *id) {
    return (struct bytes){(const char *)id, sizeof *id};
}

struct flow *flows__find(const struct flows *flows, int64_t id) {
    struct table_node *node = table_find(&flows->ids, id_name(&id));
    return node == NULL ? NULL : CONTAINER_OF(node, struct flow, id_node);
}

static struct flow *find(const struct flows *flows, struct bytes run) {
    struct table_node *node = table_find(&flows->flows, run);
    return node == NULL ? NULL : CONTAINER_OF(node, struct flow, node);
}

static struct flow *flow_new(struct flows *flows, const struct run_row *row) {
    struct flow *flow = mem_new(sizeof *flow);
    assert(row->run.len < sizeof flow->name);
    memcpy(flow->name, row->run.data, row->run.len);
    flow->node.name = (struct bytes){flow->name, row->run.len};
    flow->id = row->id;
    flow->id_node.name = id_name(&flow->id);
    flow->flows = flows;
    flow->owner = mem_copy(row->owner.data, row->owner.len);
    flow->attempt = row->attempt;
    flow->waiting_end = &flow->waiting;
    flow->kept_end = &flow->kept;
    flow->done_end = &flow->done;
    flow->seeking_end = &flow->seeking;
    table_init(&flow->calls);
    table_init(&flow->open);
    table_init(&flow->old);
    table_add(&flows->flows, &flow->node);
    table_add(&flows->ids, &flow->id_node);
    flows->stats.begun++;
    return flow;
}

/* At most so many calls go in a turn of the loop. */
enum { FREE_PART = 64 };

struct freeing {
    size_t left;
};

static void free_some(void *ctx, struct table_node *node) {
    struct freeing *freeing = ctx;
    if (freeing->left > 0) {
        freeing->left--;
        call__free(CONTAINER_OF(node, struct call, node));
    }
}

static void free_rest(struct flow *flow) {
    struct flows *flows = flow->flows;
    struct flow **at = &flows->ended;
    while (*at != flow) {
        at = &(*at)->next_ended;
    }
    *at = flow->next_ended;
    effect_done(&flow->loading);
    flow__forget_past(flow);
    table_done(&flow->calls);
    table_done(&flow->open);
    table_done(&flow->old);
    json_decref(flow->spec);
    mem_free(flow->owner);
    mem_free(flow->model);
    mem_free(flow->root);
    mem_free(flow);
    flows__maybe_stopped(flows);
}

static void go_on_freeing(struct loop_task *task) {
    struct flow *flow = CONTAINER_OF(task, struct flow, free_task);
    struct freeing freeing = {.left = flow->flows->stopping ? SIZE_MAX : FREE_PART};
    table_each(&flow->calls, free_some, &freeing);
    if (flow->calls.count > 0) {
        loop_soon(flow->flows->options.loop, task);
    } else {
        free_rest(flow);
    }
}

/* Nothing of it begins any more. */
static void stop_timers(struct flow *flow) {
    struct loop *loop = flow->flows->options.loop;
    timer_stop(loop, &flow->deadline);
    timer_stop(loop, &flow->rebuild);
    flow__drop_held(flow);
    loop_task_cancel(loop, &flow->deliver_task);
    for (struct flow_errand *errand = flow->errands; errand != NULL; errand = errand->next) {
        timer_stop(loop, &errand->timer);
    }
}

/* From here on nobody finds it; what it holds goes bit by bit, and never within the callback in
 * which it came to its end: who called that may still hold it. */
static void flow_free(struct flow *flow) {
    struct flows *flows = flow->flows;
    flow__drop_held(flow);
    while (flow->errands != NULL) {
        flow__errand_free(flow->errands);
    }
    flow__close_worker(flow);
    flow__hearing_free(flow);
    flow__leave_build(flow);
    flow__load_free(flow);
    stop_timers(flow);
    for (size_t i = 0; i < flow->line_count; i++) {
        mem_free((char *)flow->lines[i].text.data);
    }
    flow->waiting = flow->kept = flow->done = flow->seeking = NULL; /* Nobody looks for a place. */
    flow->waiting_end = &flow->waiting;
    flow->kept_end = &flow->kept;
    flow->done_end = &flow->done;
    flow->seeking_end = &flow->seeking;
    table_remove(&flows->flows, &flow->node);
    table_remove(&flows->ids, &flow->id_node);
    flow->next_ended = flows->ended;
    flows->ended = flow;
    flow->free_task.run = go_on_freeing;
    flow->freed = true;
    loop_soon(flows->options.loop, &flow->free_task);
}

static bool is_away(const struct flow *flow) {
    for (const struct flow_errand *errand = flow->errands; errand != NULL; errand = errand->next) {
        if (errand->away) {
            return true;
        }
    }
    return flow->in_pool > 0;
}

static void cancel_call(void *ctx, struct table_node *node) {
    (void)ctx; /* The call knows its flow. */
    call__cancel(CONTAINER_OF(node, struct call, node));
}

void flow__maybe_free(struct flow *flow) {
    if (flow->freed || (!flow->ended && !flow->flows->stopping)) {
        return;
    }
    flow__close_worker(flow);
    stop_timers(flow);
    table_each(&flow->calls, cancel_call, NULL);
    if (!is_away(flow)) {
        flow_free(flow);
    }
}

/* --- Notes ------------------------------------------------------------------------------------ */

static void of_workflow(struct flows *flows, const struct run_row *row) {
    struct flow *flow = find(flows, row->run);
    bool final = run_state_final(row->state);
    if (flow == NULL && workflow_lives(row) && flows->options.hold == RUN_FREE) {
        flow = flow_new(flows, row);
        flow->paused = row->state == RUN_WAITING;
        flow->fresh = row->epoch == store_epoch(flows->options.store);
        flow->stop = row->stop != CAUSE_NONE;
        flow__load(flow);
    } else if (flow != NULL && final) {
        flow->ended = true;
        flows->stats.finished++;
        flow__maybe_free(flow);
    } else if (flow != NULL && row->stop != CAUSE_NONE && !flow->stop) {
        flow->stop = true;
        flow__stop(flow);
    } else if (flow != NULL) {
        flow__hear_pause(flow, row);
    }
}

static struct call *call_of(const struct flow *flow, struct bytes run);

/* Of a step others have something to say, too: somebody skips it, or a budget lets it go. Where the
 * script has not asked for it yet, what was read of it is set right. */
static void of_step(struct flows *flows, const struct run_row *row) {
    struct flow *flow = flows__find(flows, row->parent);
    if (flow == NULL || flow->state == FLOW_ENDING || flow->ended) {
        return;
    }
    struct call *call = call_of(flow, row->run);
    if (call != NULL) {
        call__admitted(call, row);
    } else {
        flow__note_past(flow, row);
    }
}

struct looking {
    struct bytes run;
    struct call *found;
};

static void look(void *ctx, struct table_node *node) {
    struct looking *looking = ctx;
    struct call *call = CONTAINER_OF(node, struct call, node);
    if (strlen(call->run.text) == looking->run.len &&
        memcmp(call->run.text, looking->run.data, looking->run.len) == 0) {
        looking->found = call;
    }
}

/* Seldom asked: by a person, and by a budget. */
static struct call *call_of(const struct flow *flow, struct bytes run) {
    struct looking looking = {.run = run};
    table_each((struct table *)&flow->calls, look, &looking);
    return looking.found;
}

void flows_run_note(struct flows *flows, struct bytes note) {
    struct run_row row;
    bool ours = run_note_read(note, &row);
    assert(ours); /* The engine wrote it, in this process. */
    if (flows->stopping) {
        return;
    }
    if (row.kind == KIND_WORKFLOW) {
        of_workflow(flows, &row);
    } else if (row.kind == KIND_AGENT) {
        of_step(flows, &row);
    } else if (row.kind == KIND_TURN && row.parent != 0) {
        flows__turn_note(flows, &row);
    } else if (row.kind == KIND_JOB && row.parent == 0 && run_state_final(row.state)) {
        flows__job_note(flows, &row);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static void on_stopped(struct loop_task *task) {
    struct flows *flows = CONTAINER_OF(task, struct flows, stop_task);
    flows__stop_builds(flows);
    flows->stopped(flows->stopped_ctx);
}

struct flows *flows_open(const struct flows_options *options) {
    struct flows *flows = mem_new(sizeof *flows);
    flows->options = *options;
    flows->stop_task.run = on_stopped;
    table_init(&flows->flows);
    table_init(&flows->ids);
    table_init(&flows->turns);
    table_init(&flows->builds);
    table_init(&flows->checked);
    pool_init(&flows->pool, options->loop, options->shortage);
    return flows;
}

void flows_hold(struct flows *flows) {
    flows->options.hold = RUN_HELD;
}

void flows_release(struct flows *flows) {
    flows->options.hold = RUN_FREE;
}

/* Answers of the store are not waited for here: store_close comes after us. */
void flows__maybe_stopped(struct flows *flows) {
    if (flows->stopping && !flows->told && flows->pool.count == 0 && flows->checks == NULL &&
        flows->rehearsals == NULL) {
        flows->told = true;
        loop_soon(flows->options.loop, &flows->stop_task);
    }
}

static void stop_one(void *ctx, struct table_node *node) {
    (void)ctx; /* The flow knows its flows. */
    struct flow *flow = CONTAINER_OF(node, struct flow, node);
    loop_breathe(flow->flows->options.loop); /* Nothing else waits any more. */
    flow__maybe_free(flow);
}

void flows_stop(struct flows *flows, void (*stopped)(void *ctx), void *ctx) {
    assert(!flows->stopping);
    flows->stopping = true;
    flows->stopped = stopped;
    flows->stopped_ctx = ctx;
    pool_cancel(&flows->pool);
    table_each(&flows->flows, stop_one, NULL);
    flows__stop_checks(flows);
    flows__stop_rehearsals(flows);
    flows__maybe_stopped(flows);
}

void flows_close(struct flows *flows) {
    if (flows == NULL) {
        return;
    }
    assert(flows->busy == 0);
    assert(flows->flows.count == 0);
    while (flows->ended != NULL) { /* The loop does not come to them any more. */
        struct loop_task *task = &flows->ended->free_task;
        loop_task_cancel(flows->options.loop, task);
        go_on_freeing(task);
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
    ret_stats->live = flows->flows.count;
}
