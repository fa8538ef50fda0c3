/* call.c: what a script asked for, from its asking to what came of it. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/flow.h"
#include "engine/session/sessions.h"

void call__line_name(char name[FLOW_NAME], const char *key, int64_t occurrence) {
    (void)snprintf(name, FLOW_NAME, "%s.%lld", key, (long long)occurrence);
}

struct call *call__new(struct flow *flow, const char *key, int64_t occurrence) {
    struct call *call = mem_new(sizeof *call);
    (void)snprintf(call->key, sizeof call->key, "%s", key);
    call__line_name(call->name, call->key, occurrence);
    call->node.name = bytes_of(call->name);
    call->flow = flow;
    call->occurrence = occurrence;
    call->limits = amounts_unlimited();
    call->attempt = 1;
    text_init(&call->said, WORKFLOW_RESULT_MAX);
    text_init(&call->result, 2 * (size_t)WORKFLOW_RESULT_MAX);
    text_init(&call->misfit, RUN_SPEC_MAX);
    table_add(&flow->calls, &call->node);
    return call;
}

void call__free(struct call *call) {
    struct flow *flow = call->flow;
    call__cancel(call);
    call__leave_lines(call);
    flow__orphan(flow, call);
    call__leave_talk(call);
    call__asked_free(call);
    call__forget_script(call);
    agent_type_done(&call->type);
    call__forget_place(call);
    table_remove(&flow->calls, &call->node);
    flow->working -= call->counted;
    flow->taking -= call->cached != NULL;
    flow->behind -= call->behind;
    text_done(&call->said);
    text_done(&call->result);
    text_done(&call->misfit);
    call__forget_message(call);
    mem_free(call->model);
    mem_free(call->note);
    mem_free(call);
}

/* --- What it holds ---------------------------------------------------------------------------- */

static void count_in(struct call *call) {
    const json_t *prompt = json_object_get(call->message, "prompt");
    const json_t *written = json_object_get(call->message, CALL_WRITTEN);
    call->bytes = json_string_length(prompt) + json_string_length(written);
    call->flow->asked += call->bytes;
    call->flow->flows->asked += call->bytes;
}

void call__count_out(struct call *call) {
    struct flow *flow = call->flow;
    flow->asked -= call->bytes;
    flow->flows->asked -= call->bytes;
    call->bytes = 0;
    flow__hear_on(flow);
    flows__hear_on(flow->flows);
}

void call__forget_message(struct call *call) {
    json_t *message = call->message;
    call->message = NULL;
    if (json_object_get(message, CALL_WRITTEN) != NULL) { /* It may be large. */
        flows__bury(call->flow->flows, message);
    } else {
        json_decref(message);
    }
    call__count_out(call);
}

struct call *flow__find_call(const struct flow *flow, const char *key, int64_t occurrence) {
    char name[FLOW_NAME];
    call__line_name(name, key, occurrence);
    struct table_node *node = table_find(&flow->calls, bytes_of(name));
    return node == NULL ? NULL : CONTAINER_OF(node, struct call, node);
}

/* --- Lines of calls --------------------------------------------------------------------------- */

void call__append(struct call *call, struct call ***end) {
    call->next = NULL;
    **end = call;
    *end = &call->next;
}

static void take_out(struct call *call, struct call **first, struct call ***end) {
    struct call **at = first;
    while (*at != NULL && *at != call) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return;
    }
    *at = call->next;
    if (call->next == NULL) {
        *end = at;
    }
    call->next = NULL;
}

void call__leave_lines(struct call *call) {
    struct flow *flow = call->flow;
    switch (call->state) {
    case CALL_WAITING:
        take_out(call, &flow->waiting, &flow->waiting_end);
        break;
    case CALL_STORING:
        if (call->kept) {
            take_out(call, &flow->kept, &flow->kept_end);
            call->kept = false;
        }
        break;
    case CALL_DONE:
        take_out(call, &flow->done, &flow->done_end);
        break;
    default:
        break;
    }
}

/* --- Asked ------------------------------------------------------------------------------------ */

static struct past *find_past(const struct table *table, const struct call *call) {
    struct table_node *node = table_find(table, call->node.name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct past, node);
}

static const char *text_of(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    return text == NULL ? "" : text;
}

/* Labels and phases are names, whatever a script takes for one. */
struct bytes call__name(const json_t *message, const char *member) {
    struct bytes text = json_bytes(message, member);
    return (struct bytes){text.data, utf8_cut(text, STEP_LABEL_MAX)};
}

/* A name with a slash is one of ours; others are left to the run's own. */
static void choose_model(struct call *call) {
    struct flow *flow = call->flow;
    const char *asked = text_of(json_object_get(call->message, "opts"), "model");
    struct default_model otherwise;
    if (strchr(asked, '/') != NULL) {
        call->model = mem_copy(asked, strlen(asked));
    } else if (flow->model[0] != '\0') {
        call->model = mem_copy(flow->model, strlen(flow->model));
    } else {
        connections_default_model(flow->flows->options.connections, &otherwise);
        call->model = mem_copy(otherwise.name, strlen(otherwise.name));
    }
}

/* "inherit" is what such files say for the run's. */
struct bytes call__foreign_model(const struct call *call) {
    struct bytes asked = json_bytes(json_object_get(call->message, "opts"), "model");
    asked.len = strnlen(asked.data, asked.len); /* As it was chosen by, and is bounded. */
    const bool ours = asked.len == 0 || memchr(asked.data, '/', asked.len) != NULL ||
                      strcmp(asked.data, "inherit") == 0;
    return ours ? BYTES("") : asked;
}

/* It began in an earlier life, and is asked again under its row. */
static void take_up(struct call *call, struct past *past) {
    struct flow *flow = call->flow;
    call->run = past->run;
    call->attempt = past->attempt;
    call->began_ms = flows__mono_ms(flow->flows) - past__passed_ms(flow, past);
    call->stop = past->stop;
    call->parked = past->parked;
    call->turn = past->turn;
    call->wait.resume_at_ms = call->stored_resume_ms = past->resume_at_ms;
    call->written = true;
    call->state = past->state == RUN_QUEUED ? CALL_HELD : CALL_WAITING;
    call__take_place(call, past->worktree);
    table_remove(&flow->open, &past->node);
    past__free(past);
    if (call->state == CALL_WAITING) {
        call__append(call, &flow->waiting_end);
    }
}

/* Columns hold no NUL, whatever a script makes a text of. */
static void tidy(json_t *message, const char *member) {
    struct bytes text = json_bytes(message, member);
    if (text.len == 0 || memchr(text.data, '\0', text.len) == NULL) {
        return;
    }
    AUTO(mem_release) char *copy = mem_copy(text.data, text.len);
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = copy[i] == '\0' ? ' ' : copy[i];
    }
    (void)json_object_set_new(message, member, json_stringn_nocheck(copy, text.len));
}

void call__tidy(json_t *message) {
    tidy(message, "prompt");
    tidy(message, "label");
}

/* Its worker counts, too; one that is hijacked does not. */
static bool is_allowed(struct flow *flow, const json_t *message, bool nested) {
    int64_t *made = nested ? &flow->nested : &flow->agents;
    int64_t most = nested ? WORKFLOW_NESTED_MAX : WORKFLOW_AGENTS_MAX;
    struct amounts limits;
    return ++*made <= most && (nested || json_bytes(message, "prompt").len > 0) &&
           call__read_budget(message, &limits) &&
           strlen(text_of(json_object_get(message, "opts"), "model")) <= SESSION_MODEL_MAX;
}

static void begin_life(struct call *call) {
    struct flow *flow = call->flow;
    bool readable = call__read_budget(call->message, &call->limits);
    assert(readable); /* is_allowed has looked. */
    call__tidy(call->message);
    struct past *past = find_past(&flow->open, call);
    struct past *old = find_past(&flow->old, call);
    choose_model(call);
    if (past != NULL) {
        count_in(call);
        take_up(call, past);
    } else if (old != NULL) {
        call->cached = old;
        call->state = CALL_TAKEN;
        flow->taking++;
    } else {
        count_in(call);
        call->state = CALL_WAITING;
        call__append(call, &flow->waiting_end);
    }
}

static void refuse(struct flow *flow, json_t *message) {
    json_decref(message);
    flow__end(flow, CAUSE_TOO_MANY_CALLS, "its worker asked for more than it may");
}

/* One that outlived its worker is found again, with what came of it. */
void flow__asked(struct flow *flow, json_t *message, bool nested) {
    const char *key = text_of(message, "k");
    int64_t occurrence = json_integer_value(json_object_get(message, "n"));
    int64_t number = json_integer_value(json_object_get(message, "id"));
    if (strspn(key, "0123456789abcdef") != WORKFLOW_HASH || key[WORKFLOW_HASH] != '\0' ||
        occurrence <= 0 || number <= 0 || flow->calls.count > WORKFLOW_UNANSWERED_MAX) {
        refuse(flow, message);
        return;
    }
    struct call *call = flow__find_call(flow, key, occurrence);
    if (call != NULL) {
        json_decref(message);
        call->number = number;
        return;
    }
    if (!is_allowed(flow, message, nested)) {
        refuse(flow, message);
        return;
    }
    call = call__new(flow, key, occurrence);
    call->number = number;
    call->nested = nested;
    call->message = message;
    if (nested) {
        call__begin_nested(call, find_past(&flow->old, call));
    } else {
        begin_life(call);
    }
}

/* --- Begun ------------------------------------------------------------------------------------ */

static struct err begin_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    return tx_step_begin(tx, &errand->begin, &errand->begun, &errand->budgeted);
}

static void begin_done(struct flow_errand *errand) {
    struct call *call = errand->call;
    struct flow *flow = errand->flow;
    enum step_begun begun = errand->begun;
    flow->budgeted = flow->budgeted || errand->budgeted; /* One may be new. */
    flow__errand_free(errand);
    call->unwritten = false;
    call->written = begun != STEP_LATE;
    if (begun == STEP_LATE || flow->state == FLOW_ENDING) {
        return; /* A note tells of the end. */
    }
    if (call->state == CALL_STORING) {
        call__store(call); /* It may have waited for this. */
    } else if (call->state == CALL_BEGUN && call->place != NULL && begun == STEP_BEGUN) {
        call__make_place(call);
    } else if (call->state == CALL_BEGUN && begun == STEP_BEGUN) {
        call__ask(call); /* With budgets, not before. */
    } else if (call->state == CALL_BEGUN && call->admitted) {
        call__let_go(call);
    } else if (call->state == CALL_BEGUN && begun == STEP_WAITS) {
        call->state = CALL_HELD;
        flow->working -= call->counted;
        call->counted = false;
        flow__pump(flow);
    }
}

struct step_new call__step(const struct call *call, struct flow_errand *errand) {
    const struct flow *flow = call->flow;
    text_init(&errand->spec, STEP_SPEC_MAX);
    call__write_spec(call, &errand->spec);
    return (struct step_new){.place = flow__place(flow),
                             .run = call->run,
                             .key = {call->key, WORKFLOW_HASH},
                             .occurrence = call->occurrence,
                             .label = call__name(call->message, "label"),
                             .phase = call__name(call->message, "phase"),
                             .model = {call->model, strlen(call->model)},
                             .model_asked = call__foreign_model(call),
                             .prompt = json_bytes(call->message, "prompt"),
                             .spec = {errand->spec.data, errand->spec.len},
                             .bounds = flow__bounds(flow)};
}

static void insert(struct call *call) {
    struct flow *flow = call->flow;
    bool tools = !call->refused && call__has_tools(call);
    if (call->run.text[0] == '\0') {
        call->run = flows__new_id(flow->flows);
    }
    call->began_ms = flows__mono_ms(flow->flows);
    if (tools && call->place == NULL) {
        call__new_talk(call);
    }
    struct flow_errand *errand = flow__errand(flow, begin_tx, begin_done);
    errand->call = call;
    errand->begins = true;
    errand->begin = call__step(call, errand);
    if (call->talks) {
        call__prepare_talk(call, errand);
    }
    bool budgeted = call__is_budgeted(call);
    errand->begin.owns_budget = call__has_budget(call) && !call->refused;
    errand->begin.limits = call__own_budget(call);
    errand->begin.asks = budgeted && !call->refused && !tools;
    /* Where no budget is asked, the model is, at once; the row goes with what comes next. */
    errand->lazy = !budgeted && !tools;
    flow__send(errand);
}

static struct err again_tx(struct tx *tx, void *ctx) {
    struct flow_errand *errand = ctx;
    const struct run_bounds bounds = flow__bounds(errand->flow);
    const struct bytes run = bytes_of(errand->call->run.text);
    return tx_step_again(tx, run, &bounds, &errand->asks_again);
}

static void again_done(struct flow_errand *errand) {
    struct call *call = errand->call;
    const struct step_again again = errand->asks_again;
    flow__errand_free(errand);
    if (again.late || call->state != CALL_BEGUN) {
        return;
    }
    if (again.over) {
        call__fail(call, CAUSE_CUT_OFF, RUN_CUT_OFF_WORDS);
    } else {
        call__ask(call);
    }
}

/* Its row counts how often it was asked, also where it has no budget. */
static void go_on(struct call *call) {
    struct flow_errand *errand = flow__errand(call->flow, again_tx, again_done);
    errand->call = call;
    flow__send(errand);
}

static void fail_refused(struct call *call, enum run_cause refused) {
    switch (refused) {
    case CAUSE_NO_CAPABLE_AGENT:
        call__fail(call, refused, "no agent here has capabilities of its own");
        return;
    case CAUSE_AGENT_BUDGET:
        call__fail(call, refused, "its budget leaves it nothing");
        return;
    case CAUSE_TOTAL_SPENT:
        call__fail_total(call);
        return;
    default:
        call__fail(call, refused, call->misfit.data);
    }
}

/* Its row may be there from before a crash: who was refused then is refused again, and whoever was
 * asked is asked again. */
void call__begin(struct call *call, enum run_cause refused) {
    bool fresh = !call->written;
    call->refused = refused != CAUSE_NONE;
    if (fresh) {
        insert(call);
    }
    if (call->stop) {
        call__fail(call, CAUSE_STOPPED, "somebody skipped it");
    } else if (refused != CAUSE_NONE) {
        fail_refused(call, refused);
    } else if (call->talks) {
        call->state = CALL_TALKING;
        call__watch_deadline(call);
    } else if (call->place != NULL && !fresh) {
        call__make_place(call);
    } else if (call->place != NULL) {
        call__watch_deadline(call); /* Its row comes first. */
    } else if (!fresh && call->attempt > 1 && call__has_tools(call)) {
        call__talk_anew(call);
    } else if (!fresh) {
        go_on(call);
    } else if (!call__is_budgeted(call)) {
        call__ask(call);
    }
}

/* What is known without a look at anything. */
static enum run_cause refusal_of(const struct call *call) {
    const json_t *opts = json_object_get(call->message, "opts");
    const bool begun = call->written && !call->parked; /* In an earlier life. */
    if (json_array_size(json_object_get(opts, "capabilities")) > 0) {
        return CAUSE_NO_CAPABLE_AGENT;
    }
    if (call__may_nothing(call)) {
        return CAUSE_AGENT_BUDGET;
    }
    return !begun && flow__total_is_spent(call->flow) ? CAUSE_TOTAL_SPENT : CAUSE_NONE;
}

static void begin(struct call *call) {
    struct flow *flow = call->flow;
    enum run_cause refusal = refusal_of(call);
    call->state = CALL_BEGUN;
    call->parked = false;
    call->counted = true;
    flow->working++;
    flow->flows->stats.agents++;
    if (call->written && call->turn.text[0] != '\0') {
        call__talk_again(call);
    } else if (refusal != CAUSE_NONE) {
        call__begin(call, refusal);
    } else if (!call__look(call)) {
        call__begin(call, CAUSE_NONE);
    }
}

void flow__pump(struct flow *flow) {
    struct call *call = NULL;
    while (flow->working < flow->at_once && flow->state == FLOW_LIVE && !flow->ended &&
           (call = flow__next(flow)) != NULL) {
        take_out(call, &flow->waiting, &flow->waiting_end);
        begin(call);
    }
}

/* --- Notes of its row ------------------------------------------------------------------------- */

/* Ended by others: its number among the outcomes is stored already. */
static void ended_elsewhere(struct call *call, const struct run_row *row) {
    struct flow *flow = call->flow;
    call__cancel(call);
    call__leave_lines(call);
    call->cause = row->cause;
    mem_free(call->note);
    call->note = NULL;
    call__line_up(call);
    if (flow->state != FLOW_LIVE || call->number == 0 || flow->storing > 0) {
        flow__reread(flow);
        return;
    }
    flow__deliver(flow);
    flow__pump(flow);
}

void call__admitted(struct call *call, const struct run_row *row) {
    struct flow *flow = call->flow;
    if (run_state_final(row->state)) {
        if (call->state != CALL_DONE && call->state != CALL_STORING) {
            ended_elsewhere(call, row);
        }
    } else if (row->stop != CAUSE_NONE && !call->stop) {
        call->stop = true;
        if (call->state != CALL_STORING && call->state != CALL_DONE) {
            call__leave_lines(call);
            call__fail(call, CAUSE_STOPPED, "somebody skipped it");
        }
    } else if (row->state == RUN_RUNNING && call->state == CALL_HELD) {
        call->attempt = row->attempt;
        call->began_ms = flows__mono_ms(flow->flows);
        call->state = CALL_BEGUN;
        call->counted = true;
        flow->working++;
        call__let_go(call);
    } else if (row->state == RUN_RUNNING && row->attempt > call->attempt) {
        call__restart(call, row);
    } else if (row->state == RUN_RUNNING && call->state == CALL_BEGUN) {
        call->attempt = row->attempt; /* Let go in the commit that had it wait. */
        call->admitted = true;
    }
}
