/* settle.c: what came of a call is stored, and then told to the script.
 *
 * The order of the commits is the order in which the script hears of them, now and in every replay.
 * A run that may take over results of another one settles these first, in their old order, each
 * when the script is quiet; what its own agents came to meanwhile is kept until no such call is
 * left, and then settled one by one. So neither the order of before nor a failed sibling costs a
 * finished step.
 *
 * A call of workflow() has a place in that order, too, although its script is found anew: else two
 * branches, one of which waits for that call, would ask for equal prompts in another order, and get
 * each other's results. The place counts also where workflow() threw, then or now. A call that the
 * other run did not make is kept like an agent's outcome. The search for either script begins when
 * the call is the next one, and nothing else is settled until that search has ended. */
#include <string.h>

#include "base/memory.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/replay.h"

/* --- Told ------------------------------------------------------------------------------------- */

static struct bytes note_of(const struct call *call) {
    const char *note = call->note == NULL ? "" : call->note;
    return bytes_of(note);
}

static void add_agent(const struct call *call, struct text *text) {
    const struct flow_said said = {.state = workflow_step_state(call->cause),
                                   .cause = call->cause,
                                   .result = {call->result.data, call->result.len},
                                   .note = note_of(call)};
    flow__add_said(&said, text);
}

/* The result of workflow() are the members of its script (nested.c). */
static void add_nested(const struct call *call, struct text *text) {
    if (call->cause != CAUSE_COMPLETED) {
        flow__add_throw(text, note_of(call));
        return;
    }
    text_add_str(text, ",\"o\":\"script\",");
    text_add(text, call->result.data, call->result.len);
}

static void add_settle(struct call *call, struct text *text) {
    struct flow *flow = call->flow;
    flow->spent += call->usage.output;
    flow->sent++;
    text_addf(text, "{\"t\":\"settle\",\"id\":%lld", (long long)call->number);
    if (call->in_words) {
        text_add(text, call->result.data, call->result.len);
    } else if (call->nested) {
        add_nested(call, text);
    } else {
        add_agent(call, text);
    }
    text_addf(text, ",\"spent\":%lld}", (long long)flow->spent);
}

/* One that the new worker has not asked for, behind all that it was told: it does not do again what
 * the old one did. */
static bool diverged(const struct flow *flow) {
    return flow->done != NULL && flow->done->number == 0 && flow->quiet;
}

static bool may_be_told(const struct call *call) {
    return call != NULL && call->number != 0 && !call->behind;
}

void flow__deliver(struct flow *flow) {
    if (flow->state != FLOW_LIVE || !flow->replayed || flow->ended) {
        return;
    }
    if (flow->dropped) { /* What is to be told is in the history that its next worker gets. */
        if (flow->done != NULL) {
            flow__reread(flow);
        }
        return;
    }
    if (diverged(flow)) {
        flow__end(flow, CAUSE_REPLAY_DIVERGED, "an agent that it had asked was not asked again");
        return;
    }
    AUTO(text_done) struct text text;
    size_t told = 0;
    text_init(&text, FLOW_ORDER_MAX);
    text_add_char(&text, '[');
    while (may_be_told(flow->done) && text.len < FLOW_TOLD_BYTES) {
        struct call *call = flow->done;
        text_add_str(&text, told++ > 0 ? "," : "");
        add_settle(call, &text);
        call__free(call);
    }
    text_add_char(&text, ']');
    if (told > 0 && !text_failed(&text)) {
        flow__tell(flow, &text);
    } else if (flow->quiet && flow->done != NULL) {
        flow__read_behind(flow);
    }
}

/* --- Stored ----------------------------------------------------------------------------------- */

static void deliver_now(struct loop_task *task) {
    flow__deliver(CONTAINER_OF(task, struct flow, deliver_task));
}

/* Agents that ran side by side end side by side: their outcomes travel together, where the store
 * answers for several in this turn of the loop. */
static void deliver_with_others(struct flow *flow) {
    if (flow->storing == 0) {
        flow__deliver(flow);
        return;
    }
    flow->deliver_task.run = deliver_now;
    loop_soon(flow->flows->options.loop, &flow->deliver_task);
}

void call__line_up(struct call *call) {
    struct flow *flow = call->flow;
    call->state = CALL_DONE;
    call__append(call, &flow->done_end);
    call__forget_message(call);
    flow->working -= call->counted;
    call->counted = false;
    if (flow->behind > 0) { /* Its turn comes behind theirs. */
        call__put_behind(call);
    }
}

void flow__stored(struct call *call) {
    struct flow *flow = call->flow;
    if (flow->state == FLOW_ENDING) {
        return;
    }
    flow->stored += call->usage.output;
    call__line_up(call);
    deliver_with_others(flow);
    if (flow->state == FLOW_LIVE) {
        flow__pump(flow);
    }
}

static struct err end_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    const struct flow_errand *beginning = errand->beginning;
    errand->end.written = beginning != NULL && beginning->begun == STEP_BEGUN;
    errand->end.untold =
        errand->end.written && beginning->begin.end_tells ? &beginning->begin : NULL;
    return tx_step_end(tx, &errand->end, &errand->late, &errand->used);
}

/* Late: its row is not there yet, and it is asked again when it is; or it was ended by others in
 * the same moment, and has its number from there; or somebody has it asked anew. */
static void end_done(struct flow_errand *errand) {
    struct call *call = errand->call;
    bool late = errand->late, restarted = late && call->again;
    call->usage = late ? call->usage : errand->used;
    flow__errand_free(errand);
    call->storing = false;
    if (restarted) {
        struct flow *flow = call->flow;
        call__ask_anew(call);
        flow__settle_quiet(flow); /* Others may have waited for this. */
        flow__pump(flow);
    } else if (!late || !call->unwritten) {
        flow__stored(call);
    }
}

static void store_end(struct call *call) {
    struct flow *flow = call->flow;
    struct flow_errand *errand = flow__errand(flow, end_tx, end_done);
    const bool talked = call->talks || call->turn.text[0] != '\0';
    errand->call = call;
    errand->used = call->usage; /* Where the store has no better number. */
    errand->end = (struct step_end){
        .place = flow__place(flow),
        .run = {call->run.text, strlen(call->run.text)},
        .attempt = call->attempt,
        .cause = call->cause,
        .result = {call->result.data == NULL ? "" : call->result.data, call->result.len},
        .note = note_of(call),
        .resume_at_ms = call->resume_at_ms,
        .label = call__name(call->message, "label"),
        .phase = call__name(call->message, "phase"),
        .usage = call->usage,
        .cost = call->cost,
        .model = {call->model, strlen(call->model)},
        .project = flow__project(flow),
        .calls = call->calls,
        .calls_unpriced = call->calls - call->calls_priced,
        .took_ms = call->began_ms == 0 ? 0 : flows__mono_ms(flow->flows) - call->began_ms,
        .budgeted = call__is_budgeted(call) && !talked,
        .talks = talked,
        .worktree = call__kept_place(call),
        .bounds = flow__bounds(flow)};
    if (call->place != NULL && errand->end.worktree.len == 0) {
        text_init(&errand->bytes, STEP_SPEC_MAX);
        call__write_spec(call, &errand->bytes);
        errand->end.spec = (struct bytes){errand->bytes.data, errand->bytes.len};
    }
    errand->stores = true;
    errand->ends = true;
    flow->storing++;
    call->storing = true;
    flow__send(errand);
}

static void keep(struct call *call) {
    call->kept = true;
    call__append(call, &call->flow->kept_end);
    call__count_out(call); /* What it waits for may stand in a frame that was not read yet. */
}

static void keep_first(struct call *call) {
    struct flow *flow = call->flow;
    call->kept = true;
    call->next = flow->kept;
    flow->kept_end = flow->kept == NULL ? &call->next : flow->kept_end;
    flow->kept = call;
}

/* Not before its row is written: it is asked again then. And not while a history is read, which
 * would have it or not: flow__release goes on. */
void call__store(struct call *call) {
    if (call->unwritten || call->kept || call->storing) {
        return;
    }
    if (call->flow->state != FLOW_LIVE) {
        keep(call);
    } else if (call->nested && call->finding == NULL) {
        call__find_script(call);
    } else if (call->nested) {
        call__store_script(call);
    } else {
        store_end(call);
    }
}

/* The lowest of those that another run has answered. */
struct lowest {
    struct call *call;
};
static void look(void *ctx, struct table_node *node) {
    struct lowest *lowest = ctx;
    struct call *call = CONTAINER_OF(node, struct call, node);
    if (call->state == CALL_TAKEN &&
        (lowest->call == NULL || call->cached->done_no < lowest->call->cached->done_no)) {
        lowest->call = call;
    }
}

/* A run that resumes another delivers its outcomes one by one: what the script asks for after one
 * of them may be cached, and is then delivered before the next. */
bool flow__must_wait(const struct flow *flow) {
    return flow->resumes && (flow->taking > 0 || !flow->quiet || flow->kept != NULL ||
                             flow->storing > 0 || flow->done != NULL);
}

void call__ended(struct call *call) {
    if (call__leave_place(call)) {
        return;
    }
    call->state = CALL_STORING;
    if (!flow__must_wait(call->flow)) {
        call__store(call);
        return;
    }
    keep(call);
    flow__settle_quiet(call->flow);
}

static struct call *next_kept(struct flow *flow) {
    struct call *call = flow->kept;
    flow->kept = call->next;
    flow->kept_end = flow->kept == NULL ? &flow->kept : flow->kept_end;
    call->kept = false;
    call->next = NULL;
    return call;
}

void flow__release(struct flow *flow) {
    while (flow->kept != NULL && !flow->resumes) {
        call__store(next_kept(flow));
    }
}

/* --- Taken over ------------------------------------------------------------------------------- */

void call__leave_old(struct call *call) {
    call->flow->taking -= call->cached != NULL;
    call->cached = NULL;
}

static struct err cached_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    struct bytes value;
    text_clear(&errand->bytes);
    struct err err = tx_step_cached(tx, &errand->cached, &errand->late, &value);
    if (!err_failed(err) && !errand->late) {
        text_add(&errand->bytes, value.data, value.len);
        err = text_failed(&errand->bytes) ? text_error(&errand->bytes, "flow: cached") : ERR_OK;
    }
    return err;
}

/* Removed meanwhile: it is asked like any other. */
static void cached_done(struct flow_errand *errand) {
    struct call *call = errand->call;
    struct flow *flow = errand->flow;
    bool late = errand->late;
    call__leave_old(call);
    text_clear(&call->result);
    text_add(&call->result, errand->bytes.data, late ? 0 : errand->bytes.len);
    flow__errand_free(errand);
    if (!late) {
        flow->flows->stats.cached++;
        call->cause = CAUSE_COMPLETED;
        flow__stored(call);
        return;
    }
    call->state = CALL_WAITING;
    call__append(call, &flow->waiting_end);
    flow__pump(flow);
    flow__settle_quiet(flow);
}

static void take_over(struct call *call) {
    struct flow *flow = call->flow;
    struct flow_errand *errand = flow__errand(flow, cached_tx, cached_done);
    call->run = flows__new_id(flow->flows);
    call->state = CALL_STORING;
    text_init(&errand->bytes, 2 * (size_t)WORKFLOW_RESULT_MAX);
    errand->stores = true;
    flow->storing++;
    errand->call = call;
    errand->cached =
        (struct step_cached){.step = call__step(call, errand),
                             .from = {call->cached->run.text, strlen(call->cached->run.text)}};
    flow__send(errand);
}

void flow__settle_quiet(struct flow *flow) {
    struct lowest lowest = {.call = NULL};
    if (!flow->quiet || flow->state != FLOW_LIVE || flow->ended) {
        return;
    }
    if (flow->done != NULL) {
        flow__deliver(flow);
        return;
    }
    if (flow->storing > 0 || flow->seeks) {
        return; /* One at a time. */
    }
    if (flow->taking > 0) {
        table_each(&flow->calls, look, &lowest);
    }
    if (lowest.call != NULL && lowest.call->nested) {
        lowest.call->state = CALL_STORING;
        call__store(lowest.call);
    } else if (lowest.call != NULL) {
        take_over(lowest.call);
    } else if (flow->kept != NULL) {
        call__store(next_kept(flow));
    }
}

/* --- workflow() ------------------------------------------------------------------------------- */

void call__begin_nested(struct call *call, struct past *old) {
    struct flow *flow = call->flow;
    call->cached = old;
    flow->taking += old != NULL;
    call->state = old != NULL ? CALL_TAKEN : CALL_STORING;
    if (old == NULL && flow->resumes) {
        keep(call); /* The script, which asks just now, will be quiet: then the line moves. */
    } else if (old == NULL) {
        call__find_script(call);
    }
}

/* In a run that resumes another, the call was the next one when its search began. Somebody may have
 * skipped an agent meanwhile, and the script, which heard of that, asked for a call with a lower
 * place. So the order is judged once more. */
void call__found(struct call *call) {
    struct flow *flow = call->flow;
    call->state = call->cached != NULL ? CALL_TAKEN : CALL_STORING;
    if (!flow->resumes) {
        call__store(call);
        return;
    }
    if (call->cached == NULL) {
        keep_first(call);
    }
    flow__settle_quiet(flow);
}
