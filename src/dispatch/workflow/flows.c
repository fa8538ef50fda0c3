/* flows.c: which workflows are in the hands of this daemon, from the note of their row to their
 * end.
 */
#include "dispatch/workflow/flows.h"

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/rehearsal.h"
#include "dispatch/workflow/replay.h"
#include "dispatch/workflow/settle.h"
#include "engine/session/sessions.h"

enum { FREE_PART = 64 }; /* Calls that one turn of the loop frees. */

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

struct id flows__new_id(const struct flows *flows, const char *prefix) {
    const struct world *world = loop_world(flows->options.loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make(prefix, world_wall_ms(world), random);
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

struct run_bounds flow__bounds(const struct flow *flow) {
    return flow->flows->options.bounds;
}

/* --- Lists of flows --------------------------------------------------------------------------- */

void flow_list_append(struct flow_list *list, struct flow_link *link) {
    assert(!link->listed);
    *link = (struct flow_link){.prev = list->last, .listed = true};
    *(list->last == NULL ? &list->first : &list->last->next) = link;
    list->last = link;
}

void flow_list_remove(struct flow_list *list, struct flow_link *link) {
    if (link->listed) {
        *(link->prev == NULL ? &list->first : &link->prev->next) = link->next;
        *(link->next == NULL ? &list->last : &link->next->prev) = link->prev;
        link->listed = false;
    }
}

/* --- A flow ----------------------------------------------------------------------------------- */

static struct bytes id_name(const int64_t *id) {
    return (struct bytes){(const char *)id, sizeof *id};
}

struct flow *flows__find(const struct flows *flows, int64_t id) {
    struct table_node *node = table_find(&flows->ids, id_name(&id));
    return node == NULL ? NULL : CONTAINER_OF(node, struct flow, id_node);
}

void flow__enter(struct flow *flow, enum flow_state state) {
    static const unsigned edges[] = {
        [FLOW_LOADING] = 1U << FLOW_LOADING | 1U << FLOW_ADOPTING | 1U << FLOW_ENDING,
        [FLOW_ADOPTING] = 1U << FLOW_ADOPTING | 1U << FLOW_LIVE | 1U << FLOW_ENDING,
        [FLOW_LIVE] = 1U << FLOW_LOADING | 1U << FLOW_ENDING,
        [FLOW_ENDING] = 0,
    };
    assert((edges[flow->state] >> state & 1) != 0);
    flow->state = state;
}

bool flow__is_over(const struct flow *flow) {
    return flow->ended || flow->flows->stopping || flow->state == FLOW_ENDING;
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
    table_init(&flow->calls);
    table_init(&flow->open);
    table_init(&flow->reusable);
    table_add(&flows->flows, &flow->node);
    table_add(&flows->ids, &flow->id_node);
    flows->stats.begun++;
    return flow;
}

static void call_free_counted(void *ctx, struct table_node *node) {
    size_t *left = ctx;
    if (*left > 0) {
        --*left;
        call__free(CONTAINER_OF(node, struct call, node));
    }
}

/* A part of its calls in each turn of the loop; then the rest. */
static void flow_free_part(struct loop_task *task) {
    struct flow *flow = CONTAINER_OF(task, struct flow, free_task);
    struct flows *flows = flow->flows;
    size_t left = flows->stopping ? SIZE_MAX : FREE_PART;
    table_each(&flow->calls, call_free_counted, &left);
    if (flow->calls.count > 0) {
        loop_soon(flows->options.loop, task);
        return;
    }
    struct flow **at = &flows->ended;
    while (*at != flow) {
        at = &(*at)->next_ended;
    }
    *at = flow->next_ended;
    effect_done(&flow->loading);
    flow__free_priors(flow);
    table_done(&flow->calls);
    table_done(&flow->open);
    table_done(&flow->reusable);
    json_decref(flow->spec);
    mem_free(flow->owner);
    mem_free(flow->model);
    mem_free(flow->root);
    mem_free(flow);
    flows__maybe_stopped(flows);
}

/* From here on nobody finds it. Its memory is freed in parts, and never within the callback in
 * which it ended: whoever called that may still hold it. */
static void flow_free(struct flow *flow) {
    struct flows *flows = flow->flows;
    flow__drop_delayed(flow);
    while (flow->ops != NULL) {
        flow__op_free(flow->ops);
    }
    flow__release_build(flow);
    flow__load_free(flow);
    for (size_t i = 0; i < flow->line_count; i++) {
        mem_free((char *)flow->lines[i].text.data);
    }
    flow->waiting = flow->deferred = flow->done = flow->searching = (struct call_line){NULL, NULL};
    table_remove(&flows->flows, &flow->node);
    table_remove(&flows->ids, &flow->id_node);
    flow->next_ended = flows->ended;
    flows->ended = flow;
    flow->free_task.run = flow_free_part;
    flow->freed = true;
    loop_soon(flows->options.loop, &flow->free_task);
}

static void call_cancel(void *ctx, struct table_node *node) {
    (void)ctx; /* The call knows its flow. */
    call__cancel(CONTAINER_OF(node, struct call, node));
}

void flow__maybe_free(struct flow *flow) {
    struct loop *loop = flow->flows->options.loop;
    bool away = flow->in_pool > 0;
    if (flow->freed || (!flow->ended && !flow->flows->stopping)) {
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
    table_each(&flow->calls, call_cancel, NULL);
    if (!away) {
        flow_free(flow);
    }
}

/* --- Notes ------------------------------------------------------------------------------------ */

static void flows_workflow_note(struct flows *flows, const struct run_row *row) {
    struct table_node *node = table_find(&flows->flows, row->run);
    struct flow *flow = node == NULL ? NULL : CONTAINER_OF(node, struct flow, node);
    if (flow == NULL && workflow_lives(row) && flows->options.hold == RUN_FREE) {
        flow = flow_new(flows, row);
        flow->paused = row->state == RUN_WAITING;
        flow->fresh = row->epoch == store_epoch(flows->options.store);
        flow->stop = row->stop != CAUSE_NONE;
        flow__load(flow);
    } else if (flow != NULL && run_state_final(row->state)) {
        flow->ended = true;
        flows->stats.finished++;
        flow__maybe_free(flow);
    } else if (flow != NULL && row->stop != CAUSE_NONE && !flow->stop) {
        flow->stop = true;
        flow__stop(flow);
    } else if (flow != NULL) {
        flow__on_pause(flow, row);
    }
}

struct call_by_run {
    struct bytes run;
    struct call *found;
};

static void call_match_run(void *ctx, struct table_node *node) {
    struct call_by_run *wanted = ctx;
    struct call *call = CONTAINER_OF(node, struct call, node);
    if (bytes_is(wanted->run, call->run.text)) {
        wanted->found = call;
    }
}

/* Others change steps, too: somebody skips one, or a budget admits it. Where the script has not
 * asked for it yet, what was read of it is updated. Both are rare, so all calls are looked
 * through. */
static void flows_step_note(struct flows *flows, const struct run_row *row) {
    struct flow *flow = flows__find(flows, row->parent);
    struct call_by_run wanted = {.run = row->run};
    if (flow == NULL || flow->state == FLOW_ENDING || flow->ended) {
        return;
    }
    table_each(&flow->calls, call_match_run, &wanted);
    if (wanted.found != NULL) {
        call__on_note(wanted.found, row);
    } else {
        flow__note_prior(flow, row);
    }
}

void flows_run_note(struct flows *flows, struct bytes note) {
    struct run_row row;
    bool ours = run_note_read(note, &row);
    assert(ours); /* The engine wrote it, in this process. */
    if (flows->stopping) {
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

/* Answers of the store are not waited for here: store_close comes after us. */
void flows__maybe_stopped(struct flows *flows) {
    if (flows->stopping && !flows->stop_reported && flows->pool.count == 0 &&
        flows->checks == NULL && flows->rehearsals == NULL) {
        flows->stop_reported = true;
        loop_soon(flows->options.loop, &flows->stop_task);
    }
}

static void flow_stop_node(void *ctx, struct table_node *node) {
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
    table_each(&flows->flows, flow_stop_node, NULL);
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
        flow_free_part(task);
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
