/* prior.c: steps that began before this worker, and a history that is being read: their memory, and
 * the time of an agent that has passed. */
#include "base/memory.h"
#include "dispatch/workflow/history.h"

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
