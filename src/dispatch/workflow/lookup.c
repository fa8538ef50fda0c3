/* lookup.c: lookup of the agent type and the schema that a request of a script names, in the pool.
 *
 * The schema must be valid, and the agent type must be defined: the definition is a file of the
 * project or of the user, read again for each agent. An error in either is the script's: the agent
 * is refused, and its promise rejects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/find.h"
#include "base/json/schema.h"
#include "base/memory.h"
#include "dispatch/base/agent_order.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/check.h"

enum { NAME_SHOWN_MAX = 100 };

/* Types of agents go before programs of the same name, since scripts of other hosts mean those.
 * ERR_NOT_FOUND: nothing has this name. */
static struct err lookup_named(struct call *call, const struct agent_places *places,
                               struct bytes type, struct why *why) {
    AUTO(agent_order_done) struct agent_order order;
    const struct agent_wish wish = {.name = type,
                                    .root = places->root,
                                    .home = places->home,
                                    .config_dir = places->config_dir,
                                    .path = json_str(call->workflow->spec, "path", NULL),
                                    .rows = call->workflow->workflows->options.agents,
                                    .model = json_text(call__option(call, "model")),
                                    .first = AGENT_TYPES_FIRST};
    agent_order_init(&order);
    text_clear(&call->program);
    agent_order_find(&wish, &order);
    if (order.kind == AGENT_ORDER_UNKNOWN) { /* The error names the types that exist. */
        return agent_type_find(places, type, &call->type, why);
    }
    if (order.kind == AGENT_ORDER_REFUSED) {
        *why = order.why;
        return order.err;
    }
    if (order.kind == AGENT_ORDER_TYPE) {
        call->type = order.type;
        order.type = (struct agent_type){0}; /* Handed over. */
        return ERR_OK;
    }
    if (workflow__is_confined(call->workflow)) { /* spawn_subagent asks a person first. */
        return err_why(why, ERR_BAD_FIELD,
                       "'%.*s' is a program, which the permissions of a session do not hold, and a "
                       "workflow that a model started may not use one; a person can start the "
                       "workflow, or the model can call spawn_subagent with \"agent\"",
                       (int)type.len, type.data);
    }
    call->type =
        (struct agent_type){.model = text_take(&order.model, NULL), .isolated = order.isolated};
    text_done(&call->program);
    call->program = order.program;
    order.program = (struct text){0}; /* Handed over. */
    return ERR_OK;
}

/* "PLUGIN:NAME" of another host: without the plugin. Empty: the name has none. */
static struct bytes without_plugin(struct bytes name) {
    const char *colon = memrchr(name.data, ':', name.len);
    return colon == NULL ? BYTES("")
                         : (struct bytes){colon + 1, (size_t)(name.data + name.len - colon) - 1};
}

void workflow_fallback_tell(const char *kind, struct bytes name, struct bytes used,
                            struct why *why) {
    why_set(why, "there is no %s \"%.*s\"; \"%.*s\" is used instead", kind,
            name.len > NAME_SHOWN_MAX ? NAME_SHOWN_MAX : (int)name.len, name.data,
            used.len > NAME_SHOWN_MAX ? NAME_SHOWN_MAX : (int)used.len, used.data);
}

static bool lookup_type(struct call *call, const struct agent_places *places, struct bytes type,
                        struct why *why) {
    struct err err = lookup_named(call, places, type, why);
    const struct bytes bare = without_plugin(type);
    call->aside.text[0] = '\0';
    if (err.code == ERR_NOT_FOUND && bare.len > 0) {
        struct why other = {""};
        const struct err again = lookup_named(call, places, bare, &other);
        if (again.code != ERR_NOT_FOUND) {
            err = again;
            *why = other;
            workflow_fallback_tell("agent type", type, bare, &call->aside);
        }
    }
    return !err_failed(err);
}

static void lookup_run(struct call *call) {
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    const json_t *schema = call__option(call, "schema"), *name = call__option(call, "agentType");
    const struct catalog_search search = workflow__search(call->workflow);
    const struct agent_places places = {
        .root = search.root, .home = search.home, .config_dir = search.config_dir};
    const struct bytes type = json_text(name);
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
    if (name != NULL && !lookup_type(call, &places, type, &why)) {
        call->refusal = CAUSE_AGENT_TYPE_UNKNOWN;
        text_add_str(&call->misfit, why.text[0] != '\0' ? why.text : "it is no type of agent");
    } else if (call__wants_tree(call) && !call__find_tree(call)) {
        call->refusal = CAUSE_NO_WORKTREE;
    }
}

void call__lookup(struct call *call, void (*back)(struct call *call)) {
    if (call->run.text[0] == '\0') {
        call->run =
            workflows__new_id(call->workflow->workflows, "run"); /* The tree is named after it. */
    }
    call__enter(call, CALL_CHECKING);
    call__pool(call, lookup_run, back);
}

void call__looked_up(struct call *call) {
    struct model_name room;
    const char *model =
        workflows__known_model(call->workflow->workflows, call__asked_model(call), &room);
    call__enter(call, CALL_BEGUN);
    call->restarted = false; /* A restart meanwhile is what begins now. */
    if (call->type.misnamed != NULL) {
        workflow__warn_once(call->workflow, call->type.misnamed);
    }
    model = call->program.len > 0 ? call->type.model : model;
    if (model != NULL) { /* The model of the type. */
        mem_free(call->model);
        call->model = mem_copy(model, strlen(model));
    }
    if (call->refusal == CAUSE_NONE && call->model[0] == '\0') {
        call->refusal = CAUSE_MODEL_UNKNOWN;
    }
}

static void on_late_lookup(struct call *call) {
    call__looked_up(call);
    call__tick(call);
}

bool call__looks_up_late(struct call *call) {
    if (call__option(call, "agentType") == NULL || call->type.instructions != NULL ||
        call->program.len > 0) {
        return false;
    }
    call__lookup(call, on_late_lookup);
    return true;
}

/* --- Names in a script that has not begun ----------------------------------------------------- */

struct name_judge {
    const struct catalog_search *workflows;
    struct agent_places places;
    struct agent_search search;
};

static void on_program(void *ctx, const struct agent_seen *seen) {
    struct why *fault = ctx;
    if (seen->found == AGENT_BROKEN) {
        why_set(fault, "the agent in %s is invalid: %s", seen->from, seen->why);
    }
}

/* *ret_fault: a definition of that name is there, and cannot be used. */
static bool type_exists(const struct name_judge *judge, struct bytes name,
                        struct agent_type *ret_type, struct why *ret_fault, struct why *why) {
    const struct err err = agent_type_find(&judge->places, name, ret_type, why);
    if (err.code == ERR_NOT_FOUND) {
        return agent_find(&judge->search, name, on_program, ret_fault);
    }
    if (err_failed(err)) {
        *ret_fault = *why;
    }
    return true;
}

static bool type_is_right(const struct name_judge *judge, struct bytes name, const char **ret_code,
                          struct why *ret_why) {
    AUTO(agent_type_done) struct agent_type type = {.tools = 0}, other = {.tools = 0};
    const struct bytes bare = without_plugin(name);
    struct why ignored = {""}, fault = {""};
    if (type_exists(judge, name, &type, &fault, ret_why)) {
        if (fault.text[0] != '\0') {
            *ret_code = NOTE_BAD_AGENT_TYPE;
            *ret_why = fault;
            return false;
        }
        if (type.misnamed != NULL) {
            *ret_code = NOTE_UNKNOWN_TOOL;
            why_set(ret_why, "%s", type.misnamed);
        }
        return type.misnamed == NULL;
    }
    if (bare.len > 0 && type_exists(judge, bare, &other, &fault, &ignored)) {
        workflow_fallback_tell("agent type", name, bare, ret_why);
    }
    return false;
}

/* A workflow that is not there at all is no finding: scripts catch that error, and a plan shows
 * it. */
static bool workflow_is_right(const struct name_judge *judge, struct bytes name,
                              struct why *ret_why) {
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    struct why ignored = {""};
    if (err_failed(catalog_find(judge->workflows, name, &script, &ignored)) ||
        bytes_is(name, script.entry.name)) {
        return true;
    }
    workflow_fallback_tell("workflow", name, bytes_of(script.entry.name), ret_why);
    return false;
}

static enum script_note_verdict name_judge(void *ctx, struct script_note *note) {
    const struct bytes name = bytes_of(note->name);
    struct why why = {""};
    bool right;
    if (note->about == NOTE_ABOUT_AGENT_TYPE) {
        right = type_is_right(ctx, name, &note->fault.code, &why);
    } else if (note->about == NOTE_ABOUT_WORKFLOW) {
        right = workflow_is_right(ctx, name, &why);
    } else {
        return NOTE_LEFT;
    }
    (void)snprintf(note->fault.message, sizeof note->fault.message, "%.*s",
                   (int)sizeof note->fault.message - 1, why.text);
    return right ? NOTE_DROPPED : NOTE_CONFIRMED;
}

void workflows_resolve_names(struct workflows *workflows, const struct catalog_search *places,
                             struct script_notes *notes) {
    struct name_judge judge = {
        .workflows = places,
        .places = {.root = places->root, .home = places->home, .config_dir = places->config_dir},
        .search = {.root = places->root,
                   .home = places->home,
                   .path = getenv("PATH"),
                   .rows = workflows->options.agents}};
    script_notes_resolve(notes, name_judge, &judge);
}
