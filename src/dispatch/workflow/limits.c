/* limits.c: the limits that agents of a workflow wait for, as they are now. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "dispatch/turn/turns.h"
#include "dispatch/workflow/workflow.h"

/* Whether the agent's model is to be asked, and its connection has a line before it. The end of a
 * wait for the provider may have passed without being stored yet: then the line is what is left. */
static bool call_waits_for_connection(const struct call *call) {
    if (call->wait.resume_at_ms > workflows__now_ms(call->workflow->workflows)) {
        return false;
    }
    if (call->state == CALL_TURN) {
        return turns_model_is_waiting(call->workflow->workflows->turns_of,
                                      bytes_of(call->turn.text));
    }
    return call->state == CALL_ASKING && call->asking != NULL && model_is_waiting(call->asking);
}

static struct workflow_connection_limit *connection_limit(const struct workflow *workflow,
                                                          const struct call *call,
                                                          struct workflow_limits *limits) {
    const struct bytes name = model_connection_of(bytes_of(call->model));
    size_t at = 0;
    while (at < limits->connection_count && !bytes_equal(limits->connections[at].name, name)) {
        at++;
    }
    if (at < limits->connection_count) {
        return &limits->connections[at];
    }
    struct workflow_connection_limit fresh = {.name = name};
    if (at == WORKFLOW_CONNECTION_LIMITS_MAX || name.len == 0 ||
        !models_get_load(workflow->workflows->options.models, bytes_of(call->model), &fresh.load)) {
        return NULL;
    }
    fresh.load.waiting = 0; /* Counted for this run alone. */
    limits->connections[at] = fresh;
    limits->connection_count++;
    return &limits->connections[at];
}

bool workflows_get_limits(const struct workflows *workflows, struct bytes run,
                          struct workflow_limits *ret_limits) {
    const struct table_node *node = table_find(&workflows->workflows, run);
    *ret_limits = (struct workflow_limits){.commands = workflows->options.limits.commands};
    if (node == NULL) {
        return false;
    }
    const struct workflow *workflow = CONTAINER_OF(node, struct workflow, node);
    ret_limits->at_once = workflow->at_once;
    ret_limits->working = workflow->working;
    for (const struct call *call = NULL; (call = workflow__next_call(workflow, call)) != NULL;) {
        ret_limits->in_line += call->state == CALL_IN_LINE;
        struct workflow_connection_limit *limit =
            call->state == CALL_ASKING || call->state == CALL_TURN
                ? connection_limit(workflow, call, ret_limits)
                : NULL;
        if (limit != NULL) {
            limit->load.waiting += call_waits_for_connection(call);
        }
    }
    return true;
}

size_t workflows_get_slots(const struct workflows *workflows, struct bytes run, size_t count_max,
                           struct step_slot *ret_slots) {
    const struct table_node *node = table_find(&workflows->workflows, run);
    size_t count = 0;
    if (node == NULL) {
        return 0;
    }
    const struct workflow *workflow = CONTAINER_OF(node, struct workflow, node);
    const struct call *call = NULL;
    while (count < count_max && (call = workflow__next_call(workflow, call)) != NULL) {
        const bool asks = call->state == CALL_ASKING || call->state == CALL_TURN;
        const char *limit = call->row == ROW_NONE                     ? NULL
                            : call->state == CALL_IN_LINE             ? "run"
                            : asks && call_waits_for_connection(call) ? "connection"
                                                                      : NULL;
        if (limit != NULL) {
            struct step_slot *slot = &ret_slots[count++];
            const struct bytes name = asks ? model_connection_of(bytes_of(call->model)) : BYTES("");
            *slot = (struct step_slot){.run = call->run, .limit = limit};
            (void)snprintf(slot->name, sizeof slot->name, "%.*s",
                           (int)utf8_cut(name, sizeof slot->name - 1), name.data);
        }
    }
    return count;
}
