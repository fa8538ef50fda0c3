/* workflow.c: facts that all files of this folder share: clocks, ids, places, the states of a
 * workflow, and the memory of its earlier life. */
#include "dispatch/workflow/workflow.h"

#include "base/memory.h"
#include "dispatch/workflow/history.h"
#include "engine/session/sessions.h"

int64_t workflows__now_ms(const struct workflows *workflows) {
    return world_wall_ms(loop_world(workflows->options.loop));
}

int64_t workflows__mono_ms(const struct workflows *workflows) {
    return (int64_t)(world_mono_ns(loop_world(workflows->options.loop)) / 1000000);
}

struct id workflows__new_id(const struct workflows *workflows, const char *prefix) {
    return world_new_id(loop_world(workflows->options.loop), prefix);
}

struct catalog_search workflows__search(const struct workflows *workflows, const char *root,
                                        const char *config_dir) {
    struct catalog_search search = workflows->options.search;
    search.root = root;
    search.config_dir = config_dir != NULL ? config_dir : search.config_dir;
    return search;
}

/* Answers of the store are not waited for here: store_close comes after us. */
void workflows__maybe_stopped(struct workflows *workflows) {
    if (workflows->asker.stopping && !workflows->stop_reported && workflows->pool.count == 0 &&
        links_empty(&workflows->checks) && links_empty(&workflows->rehearsals)) {
        workflows->stop_reported = true;
        loop_soon(workflows->options.loop, &workflows->stop_task);
    }
}

static void json_free(void *json) {
    json_decref((json_t *)json);
}

void workflows__free_json(struct workflows *workflows, json_t *json) {
    loop_free(workflows->options.loop, json_free, json, SIZE_MAX); /* A message may be large. */
}

/* --- One of them ------------------------------------------------------------------------------ */

struct bytes workflow__run(const struct workflow *workflow) {
    return workflow->node.name;
}

/* Where none was named, it is the project that sessions without one have. */
struct bytes workflow__project(const struct workflow *workflow) {
    return json_object_get(workflow->spec, "project") == NULL
               ? BYTES(SESSION_PROJECT_DEFAULT)
               : json_bytes(workflow->spec, "project");
}

struct workflow_place workflow__place(const struct workflow *workflow) {
    return (struct workflow_place){
        .id = workflow->id, .owner = bytes_of(workflow->owner), .run = workflow__run(workflow)};
}

struct catalog_search workflow__search(const struct workflow *workflow) {
    return workflows__search(workflow->workflows, workflow->root,
                             json_str(workflow->spec, "config_dir", NULL));
}

bool workflow__is_confined(const struct workflow *workflow) {
    return json_is_true(json_object_get(workflow->spec, "confined"));
}

void workflow__progressed(const struct workflow *workflow) {
    const struct progress_of of = {.workflow = workflow->id,
                                   .owner = bytes_of(workflow->owner),
                                   .project = workflow__project(workflow)};
    progress_mark(workflow->workflows->board, &of);
}

struct call *workflow__next_call(const struct workflow *workflow, const struct call *after) {
    struct table_node *node = table_next(&workflow->calls, after == NULL ? NULL : &after->node);
    return node == NULL ? NULL : CONTAINER_OF(node, struct call, node);
}

bool workflow__is_over(const struct workflow *workflow) {
    return workflow->state >= WORKFLOW_ENDING || workflow->workflows->asker.stopping;
}

void workflow__enter(struct workflow *workflow, enum workflow_state state) {
    enum {
        OVER = 1U << WORKFLOW_ENDED | 1U << WORKFLOW_FREED,
        ENDS = 1U << WORKFLOW_ENDING | OVER
    };
    static const unsigned edges[WORKFLOW_STATES] = {
        [WORKFLOW_UNREAD] = 1U << WORKFLOW_LOADING | ENDS,
        [WORKFLOW_LOADING] = 1U << WORKFLOW_UNREAD | 1U << WORKFLOW_ADOPTING | ENDS,
        [WORKFLOW_ADOPTING] =
            1U << WORKFLOW_UNREAD | 1U << WORKFLOW_ADOPTING | 1U << WORKFLOW_LIVE | ENDS,
        [WORKFLOW_LIVE] = 1U << WORKFLOW_UNREAD | ENDS,
        [WORKFLOW_ENDING] = OVER,
        [WORKFLOW_ENDED] = OVER,
    };
    assert((edges[workflow->state] >> state & 1) != 0);
    workflow->state = state;
}

/* --- Read again ------------------------------------------------------------------------------- */

/* The history has all that was stored, and nothing more is stored until it was read. */
static void workflow_rebuild(struct timer *timer) {
    struct workflow *workflow = CONTAINER_OF(timer, struct workflow, rebuild);
    if (shortage_lasts(workflow->workflows->options.shortage)) {
        timer_start(workflow->workflows->options.loop, timer, SHORTAGE_CALM_MS, workflow_rebuild);
    } else if (workflow->storing == 0) { /* Else workflow__store_empty goes on. */
        workflow->workflows->machine->load(workflow);
    }
}

void workflow__reload_in(struct workflow *workflow, uint64_t wait_ms) {
    workflow__enter(workflow, WORKFLOW_UNREAD);
    workflow->script = WORKFLOW_REPLAYING;
    timer_start(workflow->workflows->options.loop, &workflow->rebuild, wait_ms, workflow_rebuild);
}

void workflow__store_empty(struct workflow *workflow) {
    if (workflow->state == WORKFLOW_UNREAD && !timer_runs(&workflow->rebuild) &&
        !workflow->workflows->asker.stopping) {
        timer_start(workflow->workflows->options.loop, &workflow->rebuild, 0, workflow_rebuild);
    }
}

/* --- Steps that began before, and a history that is being read -------------------------------- */

/* For an earlier life only the wall clock is known: within the bounds of what is charged for
 * that. */
int64_t prior__elapsed_ms(const struct workflow *workflow, const struct prior *prior) {
    const struct store *store = workflow->workflows->options.store;
    int64_t passed_ms = prior->epoch == store_epoch(store)
                            ? store_steady_ms(store) - prior->steady_ms
                            : workflows__now_ms(workflow->workflows) - prior->started_ms;
    passed_ms -= steps__parked_ms(prior->parked_ms, workflows__now_ms(workflow->workflows));
    passed_ms = passed_ms > 0 ? passed_ms : 0;
    return passed_ms < RUN_UNSEEN_MAX_MS ? passed_ms : RUN_UNSEEN_MAX_MS;
}

void prior__free(struct prior *prior) {
    json_decref(prior->worktree);
    mem_free(prior->model);
    mem_free(prior);
}

void workflow__free_priors(struct table *priors) {
    for (struct table_node *node; (node = table_next(priors, NULL)) != NULL;) {
        table_remove(priors, node);
        prior__free(CONTAINER_OF(node, struct prior, node));
    }
}

void workflow__load_free(struct workflow *workflow) {
    struct workflow_load *load = workflow->load;
    if (load == NULL) {
        return;
    }
    assert(!load->away);
    workflow__free_priors(&load->open);
    workflow__free_priors(&load->reusable);
    table_done(&load->open);
    table_done(&load->reusable);
    text_done(&load->order);
    mem_free(load->unloaded);
    json_decref(load->spec);
    json_decref(load->project_settings);
    mem_free(load->label);
    mem_free(load);
    workflow->load = NULL;
}
