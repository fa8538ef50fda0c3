/* agent_lookup.c: what has to be known of an agent before anybody is asked, found out in the pool.
 *
 * Its schema must be one, and the type of agent that it names must be defined: its definition is a
 * file of the project or of the user, read anew for each agent. What is wrong with either is the
 * script's to hear of: the agent is refused, and its promise rejects. */
#include <string.h>

#include "base/json/schema.h"
#include "base/memory.h"
#include "dispatch/turn/turns.h"
#include "dispatch/workflow/flow.h"
#include "engine/session/sessions.h"

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

static const json_t *option(const struct call *call, const char *name) {
    return json_object_get(json_object_get(call->message, "opts"), name);
}

/* Who it is comes first: its type, or, with tools, what everybody is told who has some. The rest is
 * about the form of the answer. */
void call__write_instructions(const struct call *call, struct text *text) {
    const struct settings *settings = connections_settings(call->flow->flows->options.connections);
    const char *typed = call->type.instructions;
    size_t before = text->len;
    if (typed != NULL) {
        text_add_str(text, typed);
    } else if (call->talks && settings->instructions.len > 0) {
        text_add(text, settings->instructions.data, settings->instructions.len);
    } else if (call->talks) {
        text_add_str(text, turn_instructions);
    }
    text_add_str(text, text->len > before ? "\n\n" : "");
    text_add_str(text, option(call, "schema") != NULL ? as_object : in_words);
}

/* --- In the pool ------------------------------------------------------------------------------ */

static void look_at_schema(struct call *call) {
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    const json_t *schema = option(call, "schema");
    struct why why = {""};
    if (schema != NULL && (err_failed(json_schema_compile(schema, &compiled, &why)) ||
                           json_schema_is_void(compiled, &why))) {
        text_add_str(&call->misfit, why.text[0] != '\0' ? why.text : "it is no schema");
        call->refusal = CAUSE_BAD_SCHEMA;
    }
}

static void look_for_type(struct call *call) {
    const json_t *name = option(call, "agentType");
    const struct catalog_search *search = &call->flow->flows->options.search;
    const struct agent_places places = {
        .root = call->flow->root, .home = search->home, .config_dir = search->config_dir};
    const struct bytes wanted = {json_string_value(name), json_string_length(name)};
    struct why why = {""};
    agent_type_done(&call->type);
    if (name != NULL && err_failed(agent_type_find(&places, wanted, &call->type, &why))) {
        text_add_str(&call->misfit, why.text[0] != '\0' ? why.text : "it is no type of agent");
        call->refusal = CAUSE_AGENT_TYPE_UNKNOWN;
    }
}

static void look_run(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    text_clear(&call->misfit);
    call->refusal = CAUSE_NONE;
    look_at_schema(call);
    if (call->refusal == CAUSE_NONE) {
        look_for_type(call);
    }
    if (call->refusal == CAUSE_NONE && call__wants_place(call) && !call__find_place(call)) {
        call->refusal = CAUSE_NO_WORKTREE;
    }
}

/* --- On the loop ------------------------------------------------------------------------------ */

/* A name without a slash is the run's to choose, here as in a script. */
static void choose_model(struct call *call) {
    const char *model = call->type.model;
    const json_t *asked = option(call, "model");
    if (asked == NULL && model != NULL && strchr(model, '/') != NULL) {
        mem_free(call->model);
        call->model = mem_copy(model, strlen(model));
    }
}

void call__put_to_work(struct call *call) {
    if (call->place != NULL) {
        call__make_place(call);
    } else if (call__has_tools(call)) {
        call__talk_anew(call);
    } else {
        call__ask(call);
    }
}

static void looked(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    if (!call__is_back(call)) {
        return;
    }
    bool late = call->late && call->refusal == CAUSE_NONE && !call->stop;
    call->state = CALL_BEGUN;
    call->again = call->late = false; /* A restart meanwhile is what begins now. */
    choose_model(call);
    if (!late) {
        call__begin(call, call->refusal);
    } else {
        call__put_to_work(call);
    }
}

/* One that was asked, or waited for a budget, before this daemon: nobody has looked since. */
bool call__lacks_type(const struct call *call) {
    return option(call, "agentType") != NULL && call->type.instructions == NULL;
}

void call__look_late(struct call *call) {
    call->late = true;
    bool looks = call__look(call);
    assert(looks); /* It has a type. */
}

bool call__look(struct call *call) {
    if (option(call, "schema") == NULL && option(call, "agentType") == NULL &&
        !call__wants_place(call)) {
        return false;
    }
    if (call->run.text[0] == '\0') {
        call->run = flows__new_id(call->flow->flows); /* Its working tree is named after it. */
    }
    call->state = CALL_CHECKING;
    call->job = (struct pool_job){.kind = POOL_QUICK, .run = look_run, .done = looked};
    call->flow->in_pool++;
    pool_add(&call->flow->flows->pool, &call->job);
    return true;
}
