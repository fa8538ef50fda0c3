/* agent_progress.c: see agent_progress.h.
 *
 *   none ──an agent works──> PULSING: each tick a frame, if somebody follows ──nobody works──> none
 *
 * There is one timer for all workflows, which runs only while an agent works: agents that wait for
 * a person, or are parked, hold no slot. */
#include "dispatch/workflow/agent_progress.h"

#include <stdio.h>
#include <string.h>

#include "dispatch/turn/turns.h"
#include "dispatch/workflow/workflow.h"

enum {
    FRAME_BYTES_MAX = 240 << 10, /* At 200 bytes an agent, all that one run may have at once. */
    NAME_BYTES_MAX = 64,
    ALIVE_SLACK_MS = 50, /* Two readings of one sign of life may differ by this. */
};

/* --- What is known ---------------------------------------------------------------------------- */

static void asking_pulse(struct call *call, struct agent_pulse *pulse) {
    const int64_t now_ms = workflows__mono_ms(call->workflow->workflows);
    struct model_spent spent;
    bool priced = call->calls - (call->asking != NULL) <= call->calls_priced;
    pulse->tokens = call->usage.output;
    pulse->cost_micros = call->cost.micros;
    if (call->asking != NULL) {
        model_get_spent(call->asking, &spent);
        pulse->tokens += spent.usage.output;
        pulse->cost_micros += spent.cost.known ? spent.cost.micros : 0;
        priced = priced && spent.cost.known;
        pulse->in_line = model_is_waiting(call->asking);
        const int64_t silence_ms = model_silence_ms(call->asking);
        /* Time in line is none of silence. */
        call->heard_ms = pulse->in_line || call->heard_ms == 0 ? now_ms : call->heard_ms;
        const int64_t byte_ms = silence_ms < 0 ? 0 : now_ms - silence_ms;
        pulse->alive_ms = pulse->in_line ? -1 : byte_ms > call->heard_ms ? byte_ms : call->heard_ms;
    }
    pulse->cost_micros = priced ? pulse->cost_micros : -1;
}

/* A turn that waits for a person is in nobody's hands, and counts from 0 after that. */
static void turn_pulse_of(struct call *call, struct agent_pulse *pulse) {
    const struct workflows *workflows = call->workflow->workflows;
    struct agent_told *told = &call->told;
    struct turn_pulse of;
    if (workflows->turns_of == NULL ||
        !turns_get_pulse(workflows->turns_of, bytes_of(call->turn.text), &of)) {
        *pulse = told->pulse;
        pulse->tool[0] = '\0';
        pulse->arguments_streaming = pulse->in_line = false;
        pulse->alive_ms = -1;
        return;
    }
    if (of.tokens < told->turn_tokens) {
        told->tokens_before += told->turn_tokens;
    }
    told->turn_tokens = of.tokens;
    pulse->step = of.step;
    pulse->tokens = told->tokens_before + of.tokens;
    pulse->cost_micros = of.cost_micros;
    pulse->arguments_streaming = of.arguments_streaming;
    pulse->in_line = of.in_line;
    pulse->alive_ms = of.silent_ms < 0 ? -1 : workflows__mono_ms(workflows) - of.silent_ms;
    (void)snprintf(pulse->tool, sizeof pulse->tool, "%s", of.tool);
}

/* False: the call does not work. */
static bool call_pulse(struct call *call, struct agent_pulse *ret_pulse) {
    *ret_pulse = (struct agent_pulse){.step = call->calls, .alive_ms = -1, .cost_micros = -1};
    if (call->kind != CALL_OF_AGENT || call->run.text[0] == '\0') {
        return false;
    }
    if (call->state == CALL_ASKING || call->state == CALL_CHECKING) {
        asking_pulse(call, ret_pulse);
    } else if (call->state == CALL_TURN) {
        turn_pulse_of(call, ret_pulse);
    } else {
        return call->state == CALL_TREE_MAKING || call->state == CALL_TREE_REMOVING;
    }
    return true;
}

/* --- The frame -------------------------------------------------------------------------------- */

static bool pulse_changed(const struct agent_told *told, const struct agent_pulse *now) {
    const struct agent_pulse *before = &told->pulse;
    const int64_t moved_ms = now->alive_ms - before->alive_ms;
    return told->at_ms == 0 || before->step != now->step || before->tokens != now->tokens ||
           before->cost_micros != now->cost_micros || strcmp(before->tool, now->tool) != 0 ||
           before->arguments_streaming != now->arguments_streaming ||
           before->in_line != now->in_line || moved_ms > ALIVE_SLACK_MS ||
           moved_ms < -ALIVE_SLACK_MS || told->tokens_s != 0;
}

static void call_add(struct call *call, const struct agent_pulse *now, struct text *text) {
    const struct workflows *workflows = call->workflow->workflows;
    struct agent_told *told = &call->told;
    const int64_t now_ms = workflows__mono_ms(workflows);
    const int64_t took_ms = told->at_ms == 0 ? 0 : now_ms - told->at_ms;
    const int64_t more = now->tokens - told->pulse.tokens;
    told->tokens_s = took_ms > 0 && more > 0 ? more * 1000 / took_ms : 0;
    told->pulse = *now;
    told->at_ms = now_ms;
    text_add_str(text, text->data[text->len - 1] == '}' ? ",{" : "{");
    text_add_member(text, "run", bytes_of(call->run.text));
    text_add_member_int(text, "step", now->step);
    text_add_member_or_null(text, "tool", bytes_of(now->tool));
    text_add_member_int(text, "tokens", now->tokens);
    text_add_member_int(text, "tokens_s", told->tokens_s);
    text_add_member_int_or_null(text, "cost_micros", now->cost_micros, now->cost_micros >= 0);
    text_add_member_int_or_null(text, "silent_ms", now_ms - now->alive_ms, now->alive_ms >= 0);
    text_add_member_bool(text, "arguments_streaming", now->arguments_streaming);
    if (now->in_line) {
        text_add_member(text, "limit", BYTES("connection"));
        text_add_member(text, "name", model_connection_of(bytes_of(call->model)));
    }
    text_add_char(text, '}');
}

static void workflow_say_pulse(struct workflow *workflow) {
    struct workflows *workflows = workflow->workflows;
    AUTO(text_done)
    struct text name = text_up_to(NAME_BYTES_MAX), data = text_up_to(FRAME_BYTES_MAX);
    const struct bytes owner = bytes_of(workflow->owner);
    text_addf(&name, "run:%s", workflow->run.text);
    if (!hub_follows(workflows->options.hub, owner, text_bytes(&name))) {
        workflow->pulse.ticks = 0;
        return;
    }
    const bool whole = workflow->pulse.ticks++ % AGENT_PROGRESS_WHOLE == 0;
    text_add_char(&data, '{');
    text_add_member(&data, "id", workflow__run(workflow));
    text_add_str(&data, ",\"agents\":[");
    const size_t empty = data.len;
    for (struct call *call = NULL; (call = workflow__next_call(workflow, call)) != NULL;) {
        struct agent_pulse now;
        if (call_pulse(call, &now) && (whole || pulse_changed(&call->told, &now))) {
            call_add(call, &now, &data);
        }
    }
    text_add_char(&data, ']');
    if (data.len > empty + 1) {
        text_add_member_int(&data, "at_ms", workflows__now_ms(workflows));
        text_add_char(&data, '}');
        const struct hub_said said = {.owner = owner,
                                      .name = text_bytes(&name),
                                      .type = BYTES("agent_progress"),
                                      .data = text_bytes(&data)};
        if (!text_failed(&data)) {
            hub_say(workflows->options.hub, &said);
        }
    }
}

/* --- Ticks ------------------------------------------------------------------------------------ */

static void workflows_on_pulse(struct timer *timer) {
    struct workflows *workflows = CONTAINER_OF(timer, struct workflows, pulse_timer);
    for (struct link *link = workflows->pulsing.next, *next; link != &workflows->pulsing;
         link = next) {
        struct workflow *workflow = CONTAINER_OF(link, struct workflow, pulse.link);
        next = link->next;
        if (workflow->state >= WORKFLOW_ENDED || workflow->working == 0) {
            link_remove(link);
        }
        if (workflow->state < WORKFLOW_ENDED) {
            workflow_say_pulse(workflow);
        }
    }
    if (!links_empty(&workflows->pulsing)) {
        timer_start(workflows->options.loop, timer, AGENT_PROGRESS_MS, workflows_on_pulse);
    }
}

void workflow__pulse(struct workflow *workflow) {
    struct workflows *workflows = workflow->workflows;
    if (workflows->options.hub == NULL || workflows->asker.stopping ||
        link_listed(&workflow->pulse.link)) {
        return;
    }
    link_add_last(&workflows->pulsing, &workflow->pulse.link);
    if (!timer_runs(&workflows->pulse_timer)) {
        timer_start(workflows->options.loop, &workflows->pulse_timer, AGENT_PROGRESS_MS,
                    workflows_on_pulse);
    }
}

void workflows__stop_pulses(struct workflows *workflows) {
    timer_stop(workflows->options.loop, &workflows->pulse_timer);
}
