/* workflows.c: the workflows that this daemon performs, by the notes of their rows; its files, each
 * of which calls only those below:
 *
 *   workflows.c                                   the doors: notes of the store, a start, a stop
 *   history.c  frames.c                           its history is read; its script says something
 *   agent_begin.c                                 what follows for a call (call__on_tick)
 *   settle.c  timer.c  deliver.c                  outcomes: stored, and sent to the script
 *   end.c                                         the end, and the memory after it
 *   agent_call.c  lookup.c  worktree.c  agent_turn.c       how an agent works
 *   agent_request.c  call.c  worker.c             a call, a worker
 *   engine_build.c  store_ops.c  message.c  search.c  workflow.c
 *
 * A lower one calls a higher one by the machine that it was given (registry.h). Beside these are
 * starts: start.c  plan.c  check.c. */
#include "dispatch/workflow/workflows.h"

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"

static struct workflow *workflow_of_row(struct workflows *workflows, const struct run_row *row) {
    struct workflow *workflow = mem_new(sizeof *workflow);
    workflow->run = id_copy(row->run);
    workflow->node.name = bytes_of(workflow->run.text);
    workflow->id = row->id;
    workflow->id_node.name = (struct bytes){(const char *)&workflow->id, sizeof workflow->id};
    workflow->workflows = workflows;
    workflow->owner = mem_copy(row->owner.data, row->owner.len);
    workflow->attempt = row->attempt;
    workflow->paused = row->state == RUN_WAITING;
    workflow->fresh = row->epoch == store_epoch(workflows->options.store);
    for (size_t i = 0; i < COUNT_OF(workflow->by_state); i++) {
        links_init(&workflow->by_state[i]);
    }
    table_init(&workflow->calls);
    table_init(&workflow->open);
    table_init(&workflow->reusable);
    table_add(&workflows->workflows, &workflow->node);
    table_add(&workflows->ids, &workflow->id_node);
    workflows->stats.begun++;
    return workflow;
}

/* --- Notes ------------------------------------------------------------------------------------ */

void workflows_run_note(void *room, const struct run_row *row) {
    struct workflows *workflows = room;
    struct table_node *node = table_find(&workflows->workflows, row->run);
    struct workflow *workflow = node == NULL ? NULL : CONTAINER_OF(node, struct workflow, node);
    if (workflow != NULL) {
        workflow__progressed(workflow);
    }
    if (workflow == NULL && workflow_lives(row)) {
        workflow = workflow_of_row(workflows, row);
        workflow__progressed(workflow); /* Since a start, orders may have changed its steps. */
        workflow__load(workflow);
        if (row->stop != CAUSE_NONE) {
            workflow__stop(workflow);
        }
    } else if (workflow != NULL && run_state_final(row->state)) {
        workflows->stats.finished++;
        workflow__ended(workflow);
    } else if (workflow != NULL && row->stop != CAUSE_NONE) {
        workflow__stop(workflow);
    } else if (workflow != NULL) {
        workflow__on_pause(workflow, row);
    }
}

/* Others change steps, too: somebody skips one, or a budget admits it. Where the script has not
 * asked for it yet, what was read of it is updated. Both are rare, so all calls are looked
 * through. */
void workflows_step_note(void *room, const struct run_row *row) {
    const struct workflows *workflows = room;
    const struct bytes id = {(const char *)&row->parent, sizeof row->parent};
    struct table_node *node = table_find(&workflows->ids, id);
    struct workflow *workflow = node == NULL ? NULL : CONTAINER_OF(node, struct workflow, id_node);
    struct call *call = NULL;
    if (workflow == NULL || workflow->state >= WORKFLOW_ENDING) {
        return;
    }
    workflow__progressed(workflow);
    while ((call = workflow__next_call(workflow, call)) != NULL) {
        if (bytes_is(row->run, call->run.text)) {
            call__on_note(call, row);
            return;
        }
    }
    workflow__note_prior(workflow, row);
}

/* --- Life ------------------------------------------------------------------------------------- */

static void workflows_report_stop(struct loop_task *task) {
    struct workflows *workflows = CONTAINER_OF(task, struct workflows, stop_task);
    workflows__stop_builds(workflows);
    workflows->stopped(workflows->stopped_ctx);
}

struct workflows *workflows_open(const struct workflows_options *options) {
    static const struct workflow_machine machine = {.tick = call__on_tick,
                                                    .pump = workflow__pump,
                                                    .load = workflow__load,
                                                    .refused = workflow__refused,
                                                    .let_go = workflow__maybe_free};
    struct workflows *workflows = mem_new(sizeof *workflows);
    workflows->options = *options;
    workflows->machine = &machine;
    workflows->asker = (struct asker){.loop = options->loop,
                                      .store = options->store,
                                      .effects = options->effects,
                                      .pause_ms = WORKFLOW_RETRY_FIRST_MS,
                                      .pause_max_ms = WORKFLOW_RETRY_MAX_MS,
                                      .ctx = options->ctx,
                                      .failed = options->failed};
    workflows->stop_task.run = workflows_report_stop;
    links_init(&workflows->freed);
    links_init(&workflows->idle);
    links_init(&workflows->pulsing);
    links_init(&workflows->computing);
    links_init(&workflows->checks);
    links_init(&workflows->rehearsals);
    table_init(&workflows->workflows);
    table_init(&workflows->ids);
    table_init(&workflows->builds);
    table_init(&workflows->checked);
    pool_init(&workflows->pool, options->loop, options->shortage);
    if (options->hub != NULL) {
        workflows->board = progress_open(options->loop, options->store, options->hub);
    }
    return workflows;
}

void workflows_listen(struct workflows *workflows, struct turns *turns) {
    workflows->turns_of = turns;
}

void workflows_woke(struct workflows *workflows) {
    for (struct table_node *node = NULL;
         (node = table_next(&workflows->workflows, node)) != NULL;) {
        struct workflow *workflow = CONTAINER_OF(node, struct workflow, node);
        for (struct call *call = workflow__first(workflow, CALL_ASKING); call != NULL;
             call = call__next(call)) {
            call__woke(call);
        }
        workflow__look_at_timers(workflow);
    }
}

void workflows_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct workflows *workflows = room;
    assert(!workflows->asker.stopping);
    workflows->asker.stopping = true;
    workflows->stopped = stopped;
    workflows->stopped_ctx = ctx;
    pool_cancel(&workflows->pool);
    progress_stop(workflows->board);
    workflows__stop_pulses(workflows);
    for (struct table_node *node = table_next(&workflows->workflows, NULL), *next; node != NULL;
         node = next) {
        next = table_next(&workflows->workflows, node);
        loop_breathe(workflows->options.loop); /* Nothing else waits any more. */
        workflow__maybe_free(CONTAINER_OF(node, struct workflow, node));
    }
    workflows__stop_checks(workflows);
    workflows__stop_rehearsals(workflows);
    workflows__maybe_stopped(workflows);
}

void workflows_close(struct workflows *workflows) {
    if (workflows == NULL) {
        return;
    }
    assert(workflows->asker.away == 0);
    assert(workflows->workflows.count == 0);
    while (!links_empty(&workflows->freed)) { /* The loop does not come to them any more. */
        struct workflow *workflow = CONTAINER_OF(workflows->freed.next, struct workflow, freed);
        loop_task_cancel(workflows->options.loop, &workflow->free_task);
        workflow->free_task.run(&workflow->free_task);
    }
    progress_close(workflows->board);
    table_done(&workflows->workflows);
    table_done(&workflows->ids);
    workflows__forget_checked(workflows);
    table_done(&workflows->checked);
    workflows__drop_builds(workflows);
    mem_free(workflows);
}

void workflows_get_stats(const struct workflows *workflows, struct workflows_stats *ret_stats) {
    *ret_stats = workflows->stats;
    ret_stats->store_retries = workflows->asker.retries;
    ret_stats->live = workflows->workflows.count;
}
