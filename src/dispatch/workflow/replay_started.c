/* replay_started.c: steps that were begun before this worker, until its script asks for them. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/flow.h"

/* Which turn its agent has, and which working tree. */
static void read_spec(struct bytes spec, struct past *past) {
    AUTO(json_release) json_t *json = NULL;
    if (err_failed(json_parse_wrapped(spec, &json, NULL))) {
        return;
    }
    const char *turn = json_string_value(json_object_get(json, "turn"));
    if (turn != NULL) {
        (void)snprintf(past->turn.text, sizeof past->turn.text, "%s", turn);
    }
    past->worktree = json_incref(json_object_get(json, "worktree"));
}

struct past *past__new(const struct step_row *row) {
    char key[WORKFLOW_HASH + 1] = "";
    struct past *past = mem_new(sizeof *past);
    size_t len = row->key.len < WORKFLOW_HASH ? row->key.len : WORKFLOW_HASH;
    memcpy(key, row->key.data, len);
    call__line_name(past->name, key, row->occurrence);
    past->node.name = bytes_of(past->name);
    assert(row->run.len < sizeof past->run.text);
    memcpy(past->run.text, row->run.data, row->run.len);
    past->attempt = row->attempt;
    past->done_no = row->done_no;
    past->state = row->state;
    past->started_ms = row->started_ms;
    past->steady_ms = row->steady_ms;
    past->epoch = row->epoch;
    past->resume_at_ms = row->resume_at_ms;
    past->stop = row->stop != CAUSE_NONE;
    past->parked = row->cause == CAUSE_PAUSED;
    if (row->spec.len > 0) {
        read_spec(row->spec, past);
    }
    return past;
}

/* Of an earlier life only the wall clock tells: within the bounds of what is charged for that. */
int64_t past__passed_ms(const struct flow *flow, const struct past *past) {
    const struct store *store = flow->flows->options.store;
    int64_t passed_ms = past->epoch == store_epoch(store)
                            ? store_steady_ms(store) - past->steady_ms
                            : flows__now_ms(flow->flows) - past->started_ms;
    passed_ms = passed_ms > 0 ? passed_ms : 0;
    return passed_ms < RUN_UNSEEN_MAX_MS ? passed_ms : RUN_UNSEEN_MAX_MS;
}

void past__free(struct past *past) {
    json_decref(past->worktree);
    mem_free(past);
}

static void free_past(void *ctx, struct table_node *node) {
    struct past *past = CONTAINER_OF(node, struct past, node);
    table_remove(ctx, node);
    past__free(past);
}

void flow__forget_open(struct flow *flow) {
    table_each(&flow->open, free_past, &flow->open);
}

void flow__forget_past(struct flow *flow) {
    flow__forget_open(flow);
    table_each(&flow->old, free_past, &flow->old);
}

struct seeking {
    struct bytes run;
    struct past *found;
};

static void seek(void *ctx, struct table_node *node) {
    struct seeking *seeking = ctx;
    struct past *past = CONTAINER_OF(node, struct past, node);
    if (strlen(past->run.text) == seeking->run.len &&
        memcmp(past->run.text, seeking->run.data, seeking->run.len) == 0) {
        seeking->found = past;
    }
}

/* It changed between our reading of it and the script's asking for it. */
void flow__note_past(struct flow *flow, const struct run_row *row) {
    struct seeking seeking = {.run = row->run};
    bool final = run_state_final(row->state);
    if (flow->state == FLOW_LOADING) {
        flow->again = flow->again || final || row->stop != CAUSE_NONE || row->attempt > 1;
        flow->admitted = flow->admitted || row->state == RUN_RUNNING;
        return;
    }
    table_each(&flow->open, seek, &seeking);
    if (seeking.found == NULL) {
        return;
    }
    if (final) {
        flow__reread(flow);
        return;
    }
    seeking.found->state = row->state;
    seeking.found->stop = row->stop != CAUSE_NONE;
    seeking.found->parked = row->cause == CAUSE_PAUSED;
    if (row->attempt > seeking.found->attempt && row->attempt > 1) {
        seeking.found->turn = (struct id){""}; /* A restart has taken it. */
    }
    seeking.found->attempt = row->attempt;
    seeking.found->started_ms = row->started_ms;
    seeking.found->steady_ms = row->steady_ms;
    seeking.found->epoch = row->epoch;
    seeking.found->resume_at_ms = run_waits_for_provider(row) ? row->not_before_ms : 0;
}
