/* agent.c: the request of an agent: its row, its instructions, what it may spend, and what has to
 * be looked up before anybody is asked.
 *
 * Spending. Tokens and cost are a budget of the agent's own, below that of its run
 * (engine/workflow/steps.h): calls of its model are admitted there before they begin. Its time is a
 * deadline like that of every agent, since a turn that reserves all of it would leave nothing to
 * its own commands. An agent whose budget is used up is a null, with a cause of its own; a spent
 * budget of its run throws.
 *
 * Lookup, in the pool. Its schema must be one, and the type of agent that it names must be defined:
 * the definition is a file of the project or of the user, read again for each agent. What is wrong
 * with either concerns the script: the agent is refused, and its promise rejects. */
#include "dispatch/workflow/agent.h"

#include <stdio.h>

#include "base/json/schema.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/turn/turns.h"
#include "dispatch/workflow/history.h"
#include "engine/budget/budget.h"
#include "engine/session/sessions.h"

enum { MISFIT_NOTE_MAX = 300 };

const json_t *call__option(const struct call *call, const char *name) {
    return json_object_get(json_object_get(call->message, "opts"), name);
}

/* Labels and phases are names, whatever a script takes for one. */
struct bytes call__name(const json_t *message, const char *member) {
    struct bytes text = json_bytes(message, member);
    return (struct bytes){text.data, utf8_cut(text, STEP_LABEL_MAX)};
}

/* Asked for, and not one of ours. "inherit" is the word of such files for the run's model. */
static struct bytes call_foreign_model(const struct call *call) {
    struct bytes asked = json_bytes(json_object_get(call->message, "opts"), "model");
    asked.len = strnlen(asked.data, asked.len); /* As it was chosen by, and is bounded. */
    const bool ours =
        asked.len == 0 || memchr(asked.data, '/', asked.len) != NULL || bytes_is(asked, "inherit");
    return ours ? BYTES("") : asked;
}

/* Columns hold no NUL, whatever a script makes a text of. */
void call__tidy(json_t *message) {
    static const char *const columns[] = {"prompt", "label"};
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        struct bytes text = json_bytes(message, columns[i]);
        if (text.len == 0 || memchr(text.data, '\0', text.len) == NULL) {
            continue;
        }
        AUTO(mem_release) char *copy = mem_copy(text.data, text.len);
        for (size_t at = 0; at < text.len; at++) {
            copy[at] = copy[at] == '\0' ? ' ' : copy[at];
        }
        (void)json_object_set_new(message, columns[i], json_stringn_nocheck(copy, text.len));
    }
}

/* --- Its row ---------------------------------------------------------------------------------- */

void call__write_request(const json_t *message, struct text *text) {
    text_add_str(text, "\"prompt\":");
    struct bytes prompt = json_bytes(message, "prompt");
    text_add_json(text, prompt.data, prompt.len);
    if (err_failed(flow__add_json(text, "opts", json_object_get(message, "opts")))) {
        text_add_str(text, "null");
    }
}

/* All that the row of an agent says of it, for a daemon that goes on with it after a crash. */
void call__write_spec(const struct call *call, struct text *spec) {
    struct bytes written = json_bytes(call->message, CALL_WRITTEN);
    struct bytes foreign = call_foreign_model(call);
    text_clear(spec);
    text_add_char(spec, '{');
    flow__add_member(spec, "turn", call->turn.text);
    call__write_tree(call, spec);
    text_add_member(spec, "phase", call__name(call->message, "phase"));
    flow__add_member(spec, "model", call->model);
    if (foreign.len > 0) {
        text_add_member(spec, "model_asked", foreign);
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

struct step_new call__step(const struct call *call, struct flow_op *op) {
    text_init(&op->spec, STEP_SPEC_MAX);
    call__write_spec(call, &op->spec);
    return (struct step_new){.place = flow__place(call->flow),
                             .run = call->run,
                             .key = bytes_of(call->key),
                             .occurrence = call->occurrence,
                             .label = call__name(call->message, "label"),
                             .phase = call__name(call->message, "phase"),
                             .model = bytes_of(call->model),
                             .model_asked = call_foreign_model(call),
                             .prompt = json_bytes(call->message, "prompt"),
                             .spec = text_bytes(&op->spec),
                             .bounds = call->flow->flows->options.bounds};
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
    const struct settings *settings = connections_settings(call->flow->flows->options.connections);
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

bool call__read_budget(const json_t *message, struct amounts *ret_limits) {
    const json_t *budget = json_object_get(json_object_get(message, "opts"), "budget");
    struct budget_limits limits = {.limits = amounts_unlimited()};
    struct why why;
    if (json_is_integer(budget)) {
        limits.limits.of[AMOUNT_OUTPUT_TOKENS] = json_integer_value(budget);
    } else if (budget != NULL && err_failed(budget_limits_read(budget, &limits, &why))) {
        return false;
    }
    *ret_limits = limits.limits;
    return limits.limits.of[AMOUNT_OUTPUT_TOKENS] >= 0;
}

bool call__has_budget(const struct call *call) {
    bool has = false;
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        has = has || (i != AMOUNT_WALL && call->limits.of[i] < AMOUNT_MAX);
    }
    return has;
}

bool call__is_budgeted(const struct call *call) {
    return call->flow->budgeted || call__has_budget(call);
}

/* The stored sum is never below the one that the script was given. */
bool flow__total_is_spent(const struct flow *flow) {
    return flow->total >= 0 && flow->stored >= flow->total;
}

/* agent() throws the same words in the worker, for calls that are made later. This refusal is an
 * outcome with a note like others, so a replay repeats it. */
void call__fail_total(struct call *call) {
    const struct flow *flow = call->flow;
    char words[100];
    (void)snprintf(words, sizeof words, "budget exhausted: %lld of %lld tokens are spent",
                   (long long)flow->stored, (long long)flow->total);
    call__fail(call, CAUSE_TOTAL_SPENT, words);
}

static void call_on_deadline(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, deadline);
    bool own = call->limits.of[AMOUNT_WALL] < call->flow->agent_ms;
    call__fail(call, own ? CAUSE_AGENT_BUDGET : CAUSE_TIMED_OUT, "its time was over");
}

/* From its begin; after a restart of the daemon at most as much as is left by the clock. Its waits
 * for a person do not count, and during one there is no deadline. */
void call__watch_deadline(struct call *call) {
    const struct flow *flow = call->flow;
    int64_t own_ms = call->limits.of[AMOUNT_WALL];
    int64_t passed_ms = flows__mono_ms(flow->flows) - call->began_ms - call->waited_ms;
    int64_t left_ms =
        (own_ms < flow->agent_ms ? own_ms : flow->agent_ms) - (passed_ms > 0 ? passed_ms : 0);
    if (!timer_runs(&call->deadline) && call->waits_since_ms == 0) {
        timer_start(flow->flows->options.loop, &call->deadline, left_ms > 0 ? (uint64_t)left_ms : 0,
                    call_on_deadline);
    }
}

/* --- Lookup ----------------------------------------------------------------------------------- */

static void lookup_run(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    const json_t *schema = call__option(call, "schema"), *name = call__option(call, "agentType");
    const struct catalog_search *search = &call->flow->flows->options.search;
    const struct agent_places places = {
        .root = call->flow->root, .home = search->home, .config_dir = search->config_dir};
    const struct bytes type = {json_string_value(name), json_string_length(name)};
    struct why why = {""};
    text_clear(&call->misfit);
    call->refusal = CAUSE_NONE;
    if (schema != NULL && (err_failed(json_schema_compile(schema, &compiled, &why)) ||
                           json_schema_is_void(compiled, &why))) {
        call->refusal = CAUSE_BAD_SCHEMA;
        text_add_str(&call->misfit, why.text[0] != '\0' ? why.text : "it is no schema");
        return;
    }
    why.text[0] = '\0';
    agent_type_done(&call->type);
    if (name != NULL && err_failed(agent_type_find(&places, type, &call->type, &why))) {
        call->refusal = CAUSE_AGENT_TYPE_UNKNOWN;
        text_add_str(&call->misfit, why.text[0] != '\0' ? why.text : "it is no type of agent");
    } else if (call__wants_tree(call) && !call__find_tree(call)) {
        call->refusal = CAUSE_NO_WORKTREE;
    }
}

bool call__needs_lookup(const struct call *call) {
    return call__option(call, "schema") != NULL || call__option(call, "agentType") != NULL ||
           call__wants_tree(call);
}

void call__lookup(struct call *call, void (*done)(struct pool_job *job)) {
    if (call->run.text[0] == '\0') {
        call->run = flows__new_id(call->flow->flows, "run"); /* The tree is named after it. */
    }
    call__enter(call, CALL_CHECKING);
    call__pool(call, lookup_run, done);
}

void call__looked_up(struct call *call) {
    const char *model = call->type.model;
    call__enter(call, CALL_BEGUN);
    call->restarted = false; /* A restart meanwhile is what begins now. */
    /* A name without a slash is the run's to choose, here as in a script. */
    if (call__option(call, "model") == NULL && model != NULL && strchr(model, '/') != NULL) {
        mem_free(call->model);
        call->model = mem_copy(model, strlen(model));
    }
}
