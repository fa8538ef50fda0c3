/* call.c: requests of a script, each from its begin to its outcome: which agent begins next, the
 * row of its step, and what others do to it meanwhile.
 *
 * A workflow that is paused begins no agent. Its script goes on and gets the outcomes of busy
 * ones; what it asks for then waits in line. So nothing is held back that has to be remembered: the
 * pause stands in the run's row, and the daemon that takes the run over reads it there.
 *
 * Somebody may restart an agent: its row has the next attempt, and what it did so far is dropped;
 * its promise waits on. What is in the pool or in the store cannot be taken back: it comes, is
 * dropped, and the agent is asked then.
 *
 * Spending. Tokens and cost are a budget of the agent's own, below that of its run
 * (engine/workflow/steps.h): calls of its model are admitted there before they begin. Its time is a
 * deadline like that of every agent, since a turn that reserves all of it would leave nothing to
 * its own commands. An agent whose budget is used up is a null, with a cause of its own; a spent
 * budget of its run throws. */
#include "dispatch/workflow/call.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/find.h"
#include "base/json/schema.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/turn/turns.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "engine/budget/budget.h"
#include "engine/session/sessions.h"
#include "rules/provider/no_model.h"

enum { MISFIT_NOTE_MAX = 300, CALL_REUSE_KEY = 32 /* Digits. */ };

/* --- States ----------------------------------------------------------------------------------- */

#define BIT(state) (1U << (state))
void call__enter(struct call *call, enum call_state state) {
    enum {
        WORK = BIT(CALL_BEGUN) | BIT(CALL_ASKING) | BIT(CALL_CHECKING) | BIT(CALL_TREE_MAKING) |
               BIT(CALL_TURN),
        ENDS = BIT(CALL_TREE_REMOVING) | BIT(CALL_ENDED) | BIT(CALL_DONE),
        BUDGET = BIT(CALL_UNADMITTED),
    };
    static const unsigned edges[CALL_STATES] = {
        [CALL_NEW] = BIT(CALL_IN_LINE) | BIT(CALL_CACHED) | BIT(CALL_SEARCHING) | BUDGET |
                     BIT(CALL_TIMER) | BIT(CALL_DEFERRED) | BIT(CALL_DONE),
        [CALL_IN_LINE] = BIT(CALL_BEGUN) | ENDS,
        [CALL_CACHED] = BIT(CALL_SEARCHING) | BIT(CALL_STORING) | BIT(CALL_ENDED),
        [CALL_SEARCHING] = BIT(CALL_CACHED) | BIT(CALL_DEFERRED) | BIT(CALL_ENDED),
        [CALL_TIMER] = BIT(CALL_ENDED),
        [CALL_BEGUN] = WORK | BUDGET | ENDS | BIT(CALL_STORING),
        [CALL_UNADMITTED] = BIT(CALL_BEGUN) | ENDS,
        [CALL_ASKING] = WORK | ENDS,
        [CALL_CHECKING] = WORK | ENDS,
        [CALL_TREE_MAKING] = WORK | ENDS,
        [CALL_TURN] = WORK | ENDS,
        [CALL_TREE_REMOVING] = WORK | ENDS,
        [CALL_ENDED] = WORK | BIT(CALL_SEARCHING) | BIT(CALL_DEFERRED) | BIT(CALL_STORING),
        [CALL_DEFERRED] = WORK | BIT(CALL_ENDED),
        [CALL_STORING] =
            WORK | BIT(CALL_IN_LINE) | BIT(CALL_TIMER) | BIT(CALL_ENDED) | BIT(CALL_DONE),
    };
    assert((edges[call->state] & BIT(state)) != 0);
    link_remove(&call->link);
    link_add_last(&call->workflow->by_state[state], &call->link);
    call->state = state;
}

/* --- Memory ----------------------------------------------------------------------------------- */

void call__name_of(char name[CALL_NAME], struct bytes key, int64_t occurrence) {
    (void)snprintf(name, CALL_NAME, "%.*s.%lld",
                   (int)(key.len < WORKFLOW_HASH ? key.len : WORKFLOW_HASH), key.data,
                   (long long)occurrence);
}

struct call *workflow__find_call(const struct workflow *workflow, struct bytes name) {
    struct table_node *node = table_find(&workflow->calls, name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct call, node);
}

struct call *call__new(struct workflow *workflow, const char *key, int64_t occurrence) {
    struct call *call = mem_new(sizeof *call);
    (void)snprintf(call->key, sizeof call->key, "%s", key);
    call__name_of(call->name, bytes_of(call->key), occurrence);
    call->node.name = bytes_of(call->name);
    call->workflow = workflow;
    call->occurrence = occurrence;
    call->limits = amounts_unlimited();
    call->attempt = 1;
    text_init(&call->answer, WORKFLOW_RESULT_MAX);
    text_init(&call->result, 2 * (size_t)WORKFLOW_RESULT_MAX);
    text_init(&call->misfit, RUN_SPEC_MAX);
    text_init(&call->mended, RUN_SPEC_MAX);
    text_init(&call->program, AGENT_DEFINITION_MAX);
    table_add(&workflow->calls, &call->node);
    link_add_last(&workflow->by_state[CALL_NEW], &call->link);
    return call;
}

void call__set_slots(struct call *call, int64_t slots) {
    call->workflow->working += slots - call->slots;
    call->slots = slots;
    if (slots > 0) {
        workflow__pulse(call->workflow);
    }
}

void call__set_note(struct call *call, struct bytes note) {
    char *copy = mem_copy(note.data, note.len); /* The note may be the one that is freed here. */
    mem_free(call->note);
    call->note = copy;
}

void call__release_bytes(struct call *call) {
    struct workflow *workflow = call->workflow;
    workflow->pending_bytes -= call->pending_bytes;
    workflow->workflows->pending_bytes -= call->pending_bytes;
    call->pending_bytes = 0;
    workflow__resume_frame(workflow);
    workflows__resume_frames(workflow->workflows);
}

void call__forget_message(struct call *call) {
    json_t *message = call->message;
    call->message = NULL;
    if (json_object_get(message, CALL_WRITTEN) != NULL) { /* The message may be large. */
        workflows__free_json(call->workflow->workflows, message);
    } else {
        json_decref(message);
    }
    call__release_bytes(call);
}

void call__cancel(struct call *call) {
    struct loop *loop = call->workflow->workflows->options.loop;
    timer_stop(loop, &call->timer);
    timer_stop(loop, &call->deadline);
    call__cut_off(call);
}

void call__free(struct call *call) {
    struct workflow *workflow = call->workflow;
    call__cancel(call);
    link_remove(&call->link);
    call__orphan_ops(call);
    call__leave_turn(call);
    call__free_missed(call);
    script_search_free(call->search);
    agent_type_done(&call->type);
    call__free_tree(call);
    table_remove(&workflow->calls, &call->node);
    call__set_slots(call, 0);
    workflow->cached -= call->cached != NULL;
    workflow->unloaded -= call->form == RESULT_UNLOADED;
    text_done(&call->answer);
    text_done(&call->result);
    text_done(&call->misfit);
    text_done(&call->mended);
    text_done(&call->program);
    call__forget_message(call);
    mem_free(call->model);
    mem_free(call->note);
    mem_free(call);
}

void call__fail(struct call *call, enum run_cause cause, const char *note) {
    if (call->state >= CALL_TREE_REMOVING) {
        return;
    }
    call__cancel(call);
    call->cause = cause;
    call__set_note(call, bytes_of(note));
    if (call->state != CALL_CHECKING) { /* Else the pool has it; its `done` goes on. */
        text_clear(&call->result);
        call__ended(call);
    }
}

void call__skip(struct call *call) {
    call__fail(call, CAUSE_STOPPED, "somebody skipped it");
}

static void call_in_pool(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    call->run_in_pool(call);
}

static void call_on_back(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    if (call__is_back(call)) {
        call->back(call);
    }
}

void call__pool(struct call *call, void (*run)(struct call *), void (*back)(struct call *)) {
    call->workflow->in_pool++;
    call->run_in_pool = run;
    call->back = back;
    pool_begin(&call->workflow->workflows->pool, &call->job, POOL_QUICK, call_in_pool,
               call_on_back);
}

/* --- What it asks for ------------------------------------------------------------------------- */

const json_t *call__option(const struct call *call, const char *name) {
    return json_object_get(json_object_get(call->message, "opts"), name);
}

/* Labels and phases are names, whatever a script takes for one. */
struct bytes call__name(const json_t *message, const char *member) {
    struct bytes text = json_bytes(message, member);
    return (struct bytes){text.data, utf8_cut(text, STEP_LABEL_MAX)};
}

struct bytes call__agent_type(const struct call *call) {
    struct bytes name = json_bytes(json_object_get(call->message, "opts"), "agentType");
    name.len = name.len == 0 ? 0 : strnlen(name.data, name.len);
    return (struct bytes){name.data, utf8_cut(name, AGENT_TYPE_NAME_MAX)};
}

const char *workflows__known_model(const struct workflows *workflows, struct bytes name,
                                   struct model_name *room) {
    const struct settings *settings = connections_settings(workflows->options.connections);
    name.len = strnlen(name.data, name.len); /* As rows have it, and bounded. */
    if (memchr(name.data, '/', name.len) != NULL && name.len < sizeof room->text) {
        memcpy(room->text, name.data, name.len);
        room->text[name.len] = '\0';
        return room->text;
    }
    return model_alias_find(settings->model_aliases, name, room) ? room->text : NULL;
}

/* As its script has it, else the definition of its type; empty: neither names one. */
struct bytes call__asked_model(const struct call *call) {
    struct bytes asked = json_bytes(json_object_get(call->message, "opts"), "model");
    asked.len = strnlen(asked.data, asked.len);
    const bool typed = (asked.len == 0 || call->program.len > 0) && call->type.model != NULL;
    return typed ? bytes_of(call->type.model) : asked;
}

/* Model that was asked for and that nobody knows; empty: it is known, or none was asked for.
 * "inherit" is the word of types of agents for the run's model. */
static struct bytes call_unknown_model(const struct call *call) {
    const struct bytes asked = call__asked_model(call);
    struct model_name room;
    const bool known = asked.len == 0 || bytes_is(asked, "inherit") ||
                       workflows__known_model(call->workflow->workflows, asked, &room) != NULL;
    return known ? BYTES("") : asked;
}

/* Columns hold no NUL, whatever a script makes a text of. */
void call__tidy(json_t *message) {
    static const char *const columns[] = {"prompt", "label", "phase"};
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        struct bytes text = json_bytes(message, columns[i]);
        if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL) {
            AUTO(mem_release) char *copy = mem_copy(text.data, text.len);
            for (size_t at = 0; at < text.len; at++) {
                copy[at] = copy[at] == '\0' ? ' ' : copy[at];
            }
            (void)json_object_set_new(message, columns[i], json_stringn_nocheck(copy, text.len));
        }
    }
}

/* --- Its row ---------------------------------------------------------------------------------- */

/* A worker of an earlier build knows none; of one that was hijacked it may be any number. */
struct step_call_place call__place(const json_t *message) {
    const int64_t line = json_int(message, "line", 0), column = json_int(message, "column", 0);
    const struct bytes file = json_bytes(message, "file");
    const bool known = line > 0 && line <= UINT32_MAX && column >= 0 && column <= UINT32_MAX;
    return (struct step_call_place){
        .line = known ? line : 0,
        .column = known ? column : 0,
        .file = {file.data, known ? utf8_cut(file, STEP_LABEL_MAX) : 0}};
}

void call__write_request(const json_t *message, struct text *text) {
    text_add_str(text, "\"prompt\":");
    struct bytes prompt = json_bytes(message, "prompt");
    text_add_json(text, prompt.data, prompt.len);
    workflow__add_json(text, "opts", json_object_get(message, "opts"));
    const struct step_call_place at = call__place(message);
    if (at.line > 0) {
        text_add_member_int(text, "line", at.line);
        text_add_member_int(text, "column", at.column);
    }
    if (at.file.len > 0) {
        text_add_member(text, "file", at.file);
    }
}

/* All that the row of an agent says of it, for a daemon that goes on with it after a crash. */
void call__write_spec(const struct call *call, struct text *spec) {
    struct bytes written = json_bytes(call->message, CALL_WRITTEN);
    struct bytes unknown = call_unknown_model(call);
    text_clear(spec);
    text_add_char(spec, '{');
    workflow__add_member(spec, "turn", call->turn.text);
    call__write_tree(call, spec);
    text_add_member(spec, "phase", call__name(call->message, "phase"));
    workflow__add_member(spec, "model", call->model);
    if (unknown.len > 0) {
        text_add_member(spec, "model_asked", unknown);
    }
    text_add_char(spec, ',');
    if (written.len > 0) {
        text_add(spec, written.data, written.len);
    } else {
        call__write_request(call->message, spec);
    }
    text_add_char(spec, '}');
    if (text_failed(spec)) { /* The worker limits prompts and options to less. */
        text_done(spec);
        text_init(spec, STEP_SPEC_MAX);
        text_add_str(spec, "{}");
    }
}

/* The call's own key has the prompt and the options; this one adds the owner, the place
 * and the model. */
static struct bytes call_reuse_key(const struct call *call, struct workflow_op *op) {
    const struct workflow *workflow = call->workflow;
    AUTO(text_done) struct text all = text_up_to(64 << 10);
    if (!call__only_reads(call)) {
        return BYTES("");
    }
    text_addf(&all, "{\"n\":%lld", (long long)call->occurrence);
    text_add_member(&all, "key", bytes_of(call->key));
    text_add_member(&all, "owner", bytes_of(workflow->owner));
    text_add_member(&all, "project", workflow__project(workflow));
    text_add_member(&all, "root", bytes_of(workflow->root));
    text_add_member(&all, "model", bytes_of(call->model));
    if (text_failed(&all)) {
        return BYTES("");
    }
    const struct sha256 digest = sha256_of(all.data, all.len);
    op->reuse = sha256_hex(&digest);
    return (struct bytes){op->reuse.text, CALL_REUSE_KEY};
}

struct step_new call__step(const struct call *call, struct workflow_op *op) {
    text_init(&op->spec, STEP_SPEC_MAX);
    call__write_spec(call, &op->spec);
    return (struct step_new){.reuse_key = call_reuse_key(call, op),
                             .place = workflow__place(call->workflow),
                             .run = call->run,
                             .key = bytes_of(call->key),
                             .occurrence = call->occurrence,
                             .label = call__name(call->message, "label"),
                             .phase = call__name(call->message, "phase"),
                             .agent = call__agent_type(call),
                             .model = bytes_of(call->model),
                             .model_asked = call_unknown_model(call),
                             .prompt = json_bytes(call->message, "prompt"),
                             .isolation = json_text(call__option(call, "isolation")),
                             .at = call__place(call->message),
                             .spec = text_bytes(&op->spec),
                             .bounds = call->workflow->workflows->options.bounds};
}

void call__note_misfit(struct call *call, struct bytes misfit) {
    char note[MISFIT_NOTE_MAX + 100];
    while (misfit.len > 0 && misfit.data[misfit.len - 1] == '\n') {
        misfit.len--;
    }
    (void)snprintf(note, sizeof note, "%d answers missed the schema; the last one: %.*s",
                   WORKFLOW_TRIES_MAX, (int)utf8_cut(misfit, MISFIT_NOTE_MAX), misfit.data);
    call__set_note(call, bytes_of(note));
}

#define WHO                                                                                        \
    "You are an agent of a workflow: a program asked you, and reads your answer. Do what is "      \
    "asked. "
static const char in_words[] =
    WHO "Your last words are the result as they stand, so say the result and nothing around it: no "
        "greeting, no offer to go on, no question.";
static const char as_object[] =
    WHO "The result is one object that fits the schema of this request. Give it once, when you are "
        "done: through the tool for the final answer where there is one, else as your last words, "
        "the JSON alone: no words around it, no fence, no question.";

/* The role comes first: its type, or, with tools, the instructions of everybody who has some. The
 * rest is about the form of the answer. */
void call__write_instructions(const struct call *call, struct text *text) {
    const struct settings *settings =
        connections_settings(call->workflow->workflows->options.connections);
    const bool has_turn = call->awaited.name.len > 0;
    size_t before = text->len;
    if (call->type.instructions != NULL) {
        text_add_str(text, call->type.instructions);
    } else if (has_turn && settings->instructions.len > 0) {
        text_add(text, settings->instructions.data, settings->instructions.len);
    } else if (has_turn) {
        text_add_str(text, turn_instructions);
    }
    text_add_str(text, text->len > before ? "\n\n" : "");
    text_add_str(text, call__option(call, "schema") != NULL ? as_object : in_words);
}

/* --- What it may spend ------------------------------------------------------------------------ */

static bool call_has_budget(const struct call *call) {
    bool has = false;
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        has = has || (i != AMOUNT_WALL && call->limits.of[i] < AMOUNT_MAX);
    }
    return has;
}

bool call__is_budgeted(const struct call *call) {
    return call->workflow->budgeted || call_has_budget(call);
}

/* The stored sum is never below the one that the script was given. */
static bool workflow_total_is_spent(const struct workflow *workflow) {
    return workflow->total >= 0 && workflow->stored >= workflow->total;
}

/* agent() throws the same words in the worker, for calls that are made later. This refusal is an
 * outcome with a note like others, so a replay repeats it. */
static void call_fail_total(struct call *call) {
    const struct workflow *workflow = call->workflow;
    char words[100];
    (void)snprintf(words, sizeof words, "budget exhausted: %lld of %lld tokens are spent",
                   (long long)workflow->stored, (long long)workflow->total);
    call__fail(call, CAUSE_TOTAL_SPENT, words);
}

static void call_on_deadline(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, deadline);
    bool own = call->limits.of[AMOUNT_WALL] < call->workflow->agent_ms;
    call__fail(call, own ? CAUSE_AGENT_BUDGET : CAUSE_TIMED_OUT, "its time was over");
}

/* From its begin; after a restart of the daemon at most as much as is left by the clock. Its waits
 * for a person do not count, and during one there is no deadline. */
void call__watch_deadline(struct call *call) {
    const struct workflow *workflow = call->workflow;
    int64_t own_ms = call->limits.of[AMOUNT_WALL];
    int64_t passed_ms = workflows__mono_ms(workflow->workflows) - call->began_ms - call->waited_ms;
    int64_t left_ms = (own_ms < workflow->agent_ms ? own_ms : workflow->agent_ms) -
                      (passed_ms > 0 ? passed_ms : 0);
    if (!timer_runs(&call->deadline) && call->waits_since_ms == 0) {
        timer_start(workflow->workflows->options.loop, &call->deadline,
                    left_ms > 0 ? (uint64_t)left_ms : 0, call_on_deadline);
    }
}

/* While a person is asked, or a provider whose quota is used up has named a time, its slot is for
 * others, and its deadline does not run. */
void call__set_waiting(struct call *call, bool waits) {
    struct workflow *workflow = call->workflow;
    int64_t now_ms = workflows__mono_ms(workflow->workflows);
    if (waits) {
        call->waits_since_ms = now_ms;
        timer_stop(workflow->workflows->options.loop, &call->deadline);
    } else {
        int64_t since_ms = call->waits_since_ms == 0 ? now_ms : call->waits_since_ms;
        call->waited_ms += now_ms > since_ms ? now_ms - since_ms : 0;
        call->waits_since_ms = 0;
        call__watch_deadline(call);
    }
    if (waits == (call->slots > 0)) {
        call__set_slots(call, waits ? 0 : 1);
        workflow__pump(workflow);
    }
}

bool call__parks(const struct call *call, int64_t resume_at_ms) {
    return resume_at_ms != 0 &&
           run_provider_parks(resume_at_ms, workflows__now_ms(call->workflow->workflows));
}

/* --- The request ------------------------------------------------------------------------------ */

static struct prior *call_find_prior(const struct call *call, const struct table *table) {
    struct table_node *node = table_find(table, call->node.name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct prior, node);
}

static void call_begin_agent(struct call *call) {
    struct workflow *workflow = call->workflow;
    struct prior *open = call_find_prior(call, &workflow->open);
    call__tidy(call->message);
    /* A name that is neither a model's nor an alias leaves the choice to the run. */
    struct default_model otherwise;
    struct model_name room;
    const char *model = workflows__known_model(workflow->workflows, call__asked_model(call), &room);
    model = model != NULL ? model : workflow->model;
    if (open != NULL && open->model[0] != '\0') { /* A call that has begun keeps its model. */
        model = open->model;
    } else if (model[0] == '\0') {
        connections_default_model(workflow->workflows->options.connections, &otherwise);
        model = otherwise.name;
    }
    call->model = mem_copy(model, strlen(model));
    call->cached = open == NULL ? call_find_prior(call, &workflow->reusable) : NULL;
    if (call->cached != NULL) {
        call__enter(call, CALL_CACHED);
        workflow->cached++;
        return;
    }
    call->pending_bytes =
        json_bytes(call->message, "prompt").len + json_bytes(call->message, CALL_WRITTEN).len;
    workflow->pending_bytes += call->pending_bytes;
    workflow->workflows->pending_bytes += call->pending_bytes;
    if (open == NULL) {
        call__enter(call, CALL_IN_LINE);
        return;
    }
    /* The call began in an earlier life, and is asked again under its row. */
    call->run = open->run;
    call->attempt = open->attempt;
    call->waited_ms = steps__parked_ms(open->parked_ms, workflows__now_ms(workflow->workflows));
    call->began_ms = workflows__mono_ms(workflow->workflows) - prior__elapsed_ms(workflow, open) -
                     call->waited_ms;
    call->stop = open->stop;
    call->row = open->parked ? ROW_PARKED : ROW_WRITTEN;
    call->turn = open->turn;
    call->wait.resume_at_ms = call->stored_resume_ms = open->resume_at_ms;
    call->usage = open->spent.usage;
    call->cost = (struct usage_cost){.known = open->spent.calls_unpriced == 0,
                                     .micros = open->spent.cost_micros};
    call->calls = open->spent.calls;
    call->calls_priced = open->spent.calls - open->spent.calls_unpriced;
    call__take_tree(call, open->worktree);
    call__enter(call, open->state == RUN_QUEUED ? CALL_UNADMITTED : CALL_IN_LINE);
    table_remove(&workflow->open, &open->node);
    prior__free(open);
}

/* Counts a request. The worker counts, too, and lets no bad option pass; a worker that is hijacked
 * does not. False: it asks for more than it may. */
static bool workflow_admit_request(struct workflow *workflow, const json_t *message,
                                   enum call_kind kind, struct amounts *io_limits) {
    if (kind == CALL_OF_WORKFLOW) {
        return ++workflow->nested <= WORKFLOW_NESTED_MAX;
    }
    if (kind == CALL_OF_TIMER) {
        const int64_t ms = json_int(message, "ms", -1);
        return ++workflow->timers <= WORKFLOW_TIMERS_MAX && ms >= 0 && ms <= WORKFLOW_TIMER_MS_MAX;
    }
    const json_t *opts = json_object_get(message, "opts");
    const json_t *limits = json_object_get(opts, "budget");
    struct budget_limits budget = {.limits = amounts_unlimited()};
    struct why why;
    bool good = ++workflow->agents <= WORKFLOW_AGENTS_MAX &&
                json_bytes(message, "prompt").len > 0 &&
                strlen(json_str(opts, "model", "")) <= SESSION_MODEL_MAX;
    if (json_is_integer(limits)) {
        budget.limits.of[AMOUNT_OUTPUT_TOKENS] = json_integer_value(limits);
    } else if (limits != NULL) {
        good = good && !err_failed(budget_limits_read(limits, &budget, &why));
    }
    *io_limits = budget.limits;
    return good && budget.limits.of[AMOUNT_OUTPUT_TOKENS] >= 0;
}

/* A call that outlived its worker is found again, with its outcome. */
void workflow__on_call(struct workflow *workflow, json_t *message, enum call_kind kind) {
    const char *key = json_str(message, "k", "");
    int64_t occurrence = json_int(message, "n", 0), number = json_int(message, "id", 0);
    char name[CALL_NAME];
    call__name_of(name, bytes_of(key), occurrence);
    bool good = strspn(key, "0123456789abcdef") == WORKFLOW_HASH && key[WORKFLOW_HASH] == '\0' &&
                occurrence > 0 && number > 0 && workflow->calls.count <= WORKFLOW_UNANSWERED_MAX;
    struct call *call = good ? workflow__find_call(workflow, bytes_of(name)) : NULL;
    if (call != NULL) {
        json_decref(message);
        call->number = number;
        return;
    }
    struct amounts limits = amounts_unlimited();
    good = good && workflow_admit_request(workflow, message, kind, &limits);
    if (!good) {
        json_decref(message);
        workflow__end(workflow, CAUSE_TOO_MANY_CALLS, "its worker asked for more than it may");
        return;
    }
    call = call__new(workflow, key, occurrence);
    call->number = number;
    call->kind = kind;
    call->message = message;
    call->limits = limits;
    if (kind == CALL_OF_WORKFLOW) {
        call__begin_nested(call, call_find_prior(call, &workflow->reusable));
    } else if (kind == CALL_OF_TIMER) {
        call__begin_timer(call, call_find_prior(call, &workflow->open),
                          call_find_prior(call, &workflow->reusable));
    } else {
        call_begin_agent(call);
    }
}

/* --- Its row ---------------------------------------------------------------------------------- */

/* A budget has admitted the call. */
static void call_admit(struct call *call) {
    if (call->workflow->paused) {
        call->row = ROW_PARKED;
    } else if (workflow_total_is_spent(call->workflow)) {
        call_fail_total(call);
    } else {
        call__ask(call);
    }
}

static struct err begin_tx(struct tx *tx, void *ctx) {
    struct workflow_op *op = ctx;
    return tx_step_begin(tx, &op->begin, &op->begun, &op->budgeted);
}

static void begin_done(struct workflow_op *op) {
    struct call *call = op->call;
    struct workflow *workflow = op->workflow;
    const bool admitted = call->row == ROW_ADMITTED;
    workflow->budgeted = workflow->budgeted || op->budgeted; /* A budget may be new. */
    call->row = op->begun == STEP_LATE ? ROW_NONE : ROW_WRITTEN;
    if (op->begun == STEP_LATE || workflow->state == WORKFLOW_ENDING) {
        return; /* A note reports the end. */
    }
    if (call->state == CALL_ENDED) {
        call__store(call); /* The outcome has waited for this. */
    } else if (call->state != CALL_BEGUN) {
        return;
    } else if (op->begun == STEP_BEGUN && call->tree != NULL) {
        call__make_tree(call);
    } else if (op->begun == STEP_BEGUN) {
        call__ask(call); /* With budgets, not before. */
    } else if (admitted) {
        call_admit(call);
    } else if (op->begun == STEP_WAITS) {
        call__enter(call, CALL_UNADMITTED);
        call__set_slots(call, 0);
        workflow__pump(workflow);
    }
}

static struct err again_tx(struct tx *tx, void *ctx) {
    struct workflow_op *op = ctx;
    return tx_step_again(tx, bytes_of(op->run.text), &op->workflow->workflows->options.bounds,
                         &op->asks_again);
}

static void again_done(struct workflow_op *op) {
    if (op->asks_again.late || op->call->state != CALL_BEGUN) {
        return;
    }
    if (op->asks_again.over) {
        call__fail(op->call, CAUSE_CUT_OFF, RUN_CUT_OFF_WORDS);
    } else {
        call__ask(op->call);
    }
}

/* Late: a note has the reason. */
static struct err turn_tx(struct tx *tx, void *ctx) {
    struct workflow_op *op = ctx;
    return tx_step_talk(tx, &op->begin, op->attempt, &op->late);
}

static void turn_done(struct workflow_op *op) {
    op->call->row = ROW_WRITTEN;
    if (op->call->state == CALL_ENDED) {
        call__store(op->call); /* The outcome has waited for this. */
    }
}

void call__start_turn(struct call *call) {
    call__new_turn(call);
    struct workflow_op *op = call__op(call, turn_tx, turn_done);
    op->begins = true;
    op->begin = call__step(call, op);
    call__fill_turn(call, op);
    call__enter(call, CALL_TURN);
    call__watch_deadline(call);
    workflow__op_send(op);
}

/* --- Begun ------------------------------------------------------------------------------------ */

static void call_insert(struct call *call, enum run_cause refused) {
    const struct workflow *workflow = call->workflow;
    bool tools = refused == CAUSE_NONE && call__has_tools(call);
    if (call->run.text[0] == '\0') {
        call->run = workflows__new_id(workflow->workflows, "run");
    }
    call->began_ms = workflows__mono_ms(workflow->workflows);
    if (tools && call->tree == NULL) {
        call__new_turn(call);
    }
    struct workflow_op *op = call__op(call, begin_tx, begin_done);
    op->begins = true;
    op->begin = call__step(call, op);
    if (tools && call->tree == NULL) {
        call__fill_turn(call, op);
    }
    op->begin.owns_budget = call_has_budget(call) && refused == CAUSE_NONE;
    op->begin.limits = call->limits;
    op->begin.limits.of[AMOUNT_WALL] = AMOUNT_MAX; /* A deadline, and in no budget. */
    op->begin.asks = call__is_budgeted(call) && refused == CAUSE_NONE && !tools;
    /* Where no budget is asked, the model is, at once; the row goes with what comes next. */
    op->lazy = !call__is_budgeted(call) && !tools;
    workflow__op_send(op);
}

/* The call has its slot. `refused`: it ends at once, with that cause; CAUSE_NONE: it goes on. The
 * row may be older than a crash: a call that was refused then is refused again, and one that
 * was asked is asked again; its row counts how often, also where it has no budget. */
void call__begin(struct call *call, enum run_cause refused) {
    bool fresh = call->row == ROW_NONE;
    if (fresh && refused == CAUSE_NONE && call__reuse(call)) {
        return; /* The call begins again if there is none. */
    }
    if (fresh) {
        call_insert(call, refused);
    }
    if (call->stop) {
        call__skip(call);
    } else if (refused == CAUSE_TOTAL_SPENT) {
        call_fail_total(call);
    } else if (refused != CAUSE_NONE) {
        call__fail(call, refused,
                   refused == CAUSE_NO_CAPABLE_AGENT ? "no agent here has capabilities of its own"
                   : refused == CAUSE_AGENT_BUDGET   ? "its budget leaves it nothing"
                   : refused == CAUSE_MODEL_UNKNOWN  ? NO_MODEL_DETAIL
                                                     : call->misfit.data);
    } else if (call->awaited.name.len > 0) {
        call__enter(call, CALL_TURN);
        call__watch_deadline(call);
    } else if (call->tree != NULL && fresh) {
        call__watch_deadline(call); /* The row comes first. */
    } else if (call->tree != NULL) {
        call__make_tree(call);
    } else if (!fresh && call->attempt > 1 && call__has_tools(call)) {
        call__start_turn(call);
    } else if (!fresh) {
        workflow__op_send(call__op(call, again_tx, again_done));
    } else if (!call__is_budgeted(call)) {
        call__ask(call);
    }
}

static void call_begin_looked_up(struct call *call) {
    call__looked_up(call);
    call__begin(call, call->refusal);
}

/* A refusal that needs no lookup; a type may name a model. A call that has begun, in an earlier
 * life, goes on. */
static enum run_cause call_refusal(const struct call *call) {
    if (json_array_size(call__option(call, "capabilities")) > 0) {
        return CAUSE_NO_CAPABLE_AGENT;
    }
    if (call->model[0] == '\0' && call__option(call, "agentType") == NULL) {
        return CAUSE_MODEL_UNKNOWN;
    }
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (call->limits.of[i] == 0) {
            return CAUSE_AGENT_BUDGET;
        }
    }
    return call->row != ROW_WRITTEN && workflow_total_is_spent(call->workflow) ? CAUSE_TOTAL_SPENT
                                                                               : CAUSE_NONE;
}

/* --- Begins ----------------------------------------------------------------------------------- */

static void workflow_begin_calls(struct workflow *workflow) {
    while (workflow->working < workflow->at_once && workflow->state == WORKFLOW_LIVE) {
        /* A call that has begun is busy, also when it is asked again after a restart of the daemon;
         * not one that a budget admitted while the run was paused.
         *
         * A budget that is used up ends a call in the commit that begins it. Where the run resumes
         * another, that end must not come before the cached results, so the call does not begin
         * before them. */
        struct call *call = workflow__first(workflow, CALL_IN_LINE);
        while (call != NULL && ((workflow->paused && call->row != ROW_WRITTEN) ||
                                (call->row == ROW_NONE && call__is_budgeted(call) &&
                                 workflow__must_wait(workflow)))) {
            call = call__next(call);
        }
        if (call == NULL) {
            return;
        }
        enum run_cause refusal = call_refusal(call);
        call__enter(call, CALL_BEGUN);
        call->row = call->row == ROW_PARKED ? ROW_WRITTEN : call->row;
        call__set_slots(call, 1);
        workflow->workflows->stats.agents++;
        if (call->row != ROW_NONE && call->turn.text[0] != '\0') {
            call__resume_turn(call);
        } else if (refusal == CAUSE_NONE &&
                   (call__option(call, "schema") != NULL ||
                    call__option(call, "agentType") != NULL || call__wants_tree(call))) {
            call__lookup(call, call_begin_looked_up);
        } else {
            call__begin(call, refusal);
        }
    }
}

void workflow__pump(struct workflow *workflow) {
    workflow_begin_calls(workflow);
    workflow__announce_queued(workflow);
}

void workflow__on_pause(struct workflow *workflow, const struct run_row *row) {
    bool paused = row->state == RUN_WAITING;
    if (paused == workflow->paused) {
        return;
    }
    workflow->paused = paused;
    if (paused || workflow->state >= WORKFLOW_ENDING) {
        return;
    }
    for (struct call *call = NULL; (call = workflow__next_call(workflow, call)) != NULL;) {
        if (call->row == ROW_PARKED) {
            call->row = ROW_WRITTEN;
            if (call->state == CALL_BEGUN) {
                call_admit(call);
            }
        }
    }
    workflow__look_at_timers(workflow);
    workflow__pump(workflow);
}

/* --- Restarted -------------------------------------------------------------------------------- */

/* In a tree, with tools, or as one call. */
static void call_put_to_work(struct call *call) {
    if (call->tree != NULL) {
        call__make_tree(call);
    } else if (call__has_tools(call)) {
        call__start_turn(call);
    } else {
        call__ask(call);
    }
}

static void call_work_looked_up(struct call *call) {
    call__looked_up(call);
    if (call->refusal == CAUSE_NONE && !call->stop) {
        call_put_to_work(call);
    } else {
        call__begin(call, call->refusal);
    }
}

bool call__looks_up_late(struct call *call) {
    if (call__option(call, "agentType") == NULL || call->type.instructions != NULL ||
        call->program.len > 0) {
        return false;
    }
    call__lookup(call, call_work_looked_up);
    return true;
}

/* As good as new; how often its model was silent is counted on. The usage of a turn is its
 * session's; what earlier calls of a model used stays counted. */
void call__start_again(struct call *call) {
    if (call->workflow->state == WORKFLOW_ENDING) {
        return;
    }
    call__cancel(call);
    call__leave_turn(call);
    call__free_missed(call);
    text_clear(&call->answer);
    text_clear(&call->misfit);
    text_clear(&call->result);
    mem_free(call->note);
    call->note = NULL;
    call->turn = (struct id){""};
    call->cause = CAUSE_NONE;
    call->tries = call->restarts = 0;
    call->waited_ms = call->waits_since_ms = 0;
    call->wait = (struct provider_wait){.resume_at_ms = 0}; /* The restart has ended it. */
    call->stored_resume_ms = 0;
    call->told = (struct agent_told){.at_ms = 0};
    call->silences = call->silent_attempt != 0 ? call->silences : 0;
    call->silent_attempt = 0;
    call->restarted = false;
    call__set_slots(call, 1);
    call__enter(call, CALL_BEGUN);
    if (call->stop) { /* Skipped while its earlier attempt was in the pool or in the store. */
        call__skip(call);
    } else if (!call__looks_up_late(call)) {
        call_put_to_work(call);
    }
}

/* --- Notes of its row ------------------------------------------------------------------------- */

/* Another client ended the step: its done_no is stored already. */
static void call_ended_elsewhere(struct call *call, enum run_cause cause) {
    struct workflow *workflow = call->workflow;
    call__cancel(call);
    call->cause = cause;
    call->usage = (struct usage){.output = 0}; /* As its row has it: nobody has counted there. */
    mem_free(call->note);
    call->note = NULL;
    call__done(call);
    if (workflow->state != WORKFLOW_LIVE || call->number == 0 || workflow->storing > 0) {
        workflow__reload(workflow);
        return;
    }
    workflow__deliver(workflow);
    workflow__pump(workflow);
}

bool call__is_back(struct call *call) {
    struct workflow *workflow = call->workflow;
    struct workflows *workflows = workflow->workflows;
    call->job.done = NULL;
    workflow->in_pool--;
    if (workflow__is_over(workflow)) {
        workflow__maybe_free(workflow);
        workflows__maybe_stopped(workflows);
        return false;
    }
    if (call->elsewhere != CAUSE_NONE) {
        call_ended_elsewhere(call, call->elsewhere);
        return false;
    }
    return true;
}

static void call_on_restart(struct call *call, int64_t attempt) {
    call->attempt = attempt;
    call->began_ms = workflows__mono_ms(call->workflow->workflows);
    switch (call->state) {
    case CALL_ASKING:
    case CALL_TURN:
    case CALL_ENDED:
    case CALL_DEFERRED:
        call__start_again(call);
        break;
    case CALL_CHECKING:
    case CALL_TREE_REMOVING:
        call__cancel(call); /* The deadline starts again, too. */
        call->restarted = true;
        break;
    case CALL_STORING:
        call->restarted = true;
        break;
    case CALL_TREE_MAKING: /* The tree is made all the same. */
        call__cancel(call);
        call__watch_deadline(call);
        call->turn = (struct id){""};
        break;
    default: /* Nobody was asked yet, by us. */
        call->turn = (struct id){""};
        break;
    }
}

void call__on_note(struct call *call, const struct run_row *row) {
    bool runs = row->state == RUN_RUNNING;
    if (run_state_final(row->state) && call__in_pool(call)) {
        call->elsewhere = row->cause; /* The pool reads the call; call__is_back goes on. */
    } else if (run_state_final(row->state)) {
        if (call->state < CALL_ENDED) {
            call_ended_elsewhere(call, row->cause);
        }
    } else if (row->stop != CAUSE_NONE && !call->stop) {
        call->stop = true;
        call__skip(call);
    } else if (runs && call->state == CALL_UNADMITTED) {
        call->attempt = row->attempt;
        call->began_ms = workflows__mono_ms(call->workflow->workflows);
        call__enter(call, CALL_BEGUN);
        call__set_slots(call, 1);
        call_admit(call);
    } else if (runs && row->attempt > call->attempt) {
        call_on_restart(call, row->attempt);
    } else if (runs && call->state == CALL_BEGUN) {
        call->attempt = row->attempt; /* Admitted in the commit that made it wait. */
        call->row = call->row == ROW_WRITTEN || call->row == ROW_PARKED ? call->row : ROW_ADMITTED;
    }
}
