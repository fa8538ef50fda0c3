/* agent_request.c: the request of agent(): its options, the row of its step, and the instructions
 * of its model. */
#include <stdio.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/base/agent_order.h"
#include "dispatch/turn/turns.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"

enum { MISFIT_NOTE_MAX = 300, CALL_REUSE_KEY = 32 /* Digits. */ };

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
    return agent_model_known(settings->model_aliases, name, room);
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

/* --- Its tools -------------------------------------------------------------------------------- */

/* Not for an agent in a workflow: no person sits before it, the script starts others, and the
 * attempt that runs it reports its task. */
static const enum tool_id left_out[] = {
    TOOL_ASK_USER,        TOOL_READ_SESSION,    TOOL_RUN_WORKFLOW,    TOOL_SPAWN_SUBAGENT,
    TOOL_SUBAGENT_CANCEL, TOOL_SUBAGENT_RESULT, TOOL_SUBAGENT_STATUS, TOOL_TASK_ADD,
    TOOL_TASK_COMMENT,    TOOL_TASK_OUTPUT,     TOOL_TASK_SHOW,       TOOL_TASK_STATUS};

int64_t call__limit(const struct call *call, const char *name) {
    return call__option(call, name) == NULL
               ? -1
               : json_int(json_object_get(call->message, "opts"), name, INT32_MAX);
}

/* As its script asks for them, and as its type allows. Workers refuse unknown names; those of
 * earlier builds left them to us. */
struct agent_tools call__tools(const struct call *call) {
    const json_t *names = call__option(call, "tools");
    struct agent_tools tools = {.asked = names == NULL ? TOOL_SET_ALL : 0,
                                .type = call->type.instructions != NULL ? call->type.tools
                                                                        : TOOL_SET_ALL};
    for (size_t i = 0; i < json_array_size(names); i++) {
        tools.asked |= agent_tools_named(json_text(json_array_get(names, i)));
    }
    return tools;
}

bool call__has_tools(const struct call *call) {
    const struct agent_tools tools = call__tools(call);
    if (call->program.len > 0) {
        return call->kind == CALL_OF_AGENT;
    }
    return call->kind == CALL_OF_AGENT && call->workflow->root[0] != '\0' && tools.asked != 0 &&
           tools.type != 0 && call__limit(call, "max_tool_calls") != 0 &&
           call__limit(call, "max_tool_iters") != 0;
}

bool call__wants_tree(const struct call *call) {
    return (call__option(call, "isolation") != NULL || call->type.isolated) &&
           call__has_tools(call);
}

tool_set workflows__tools(const struct workflows *workflows) {
    return workflows->options.searches ? TOOL_SET_ALL
                                       : TOOL_SET_ALL & ~tool_set_of(TOOL_WEB_SEARCH);
}

json_t *workflow__tools(const json_t *allowed, tool_set asked) {
    json_t *names = json_array();
    for (size_t i = 0; i < COUNT_OF(left_out); i++) {
        asked &= ~tool_set_of(left_out[i]);
    }
    for (unsigned id = 0; id < TOOL_COUNT; id++) {
        const char *name = tool_get((enum tool_id)id)->name;
        const bool fits = allowed == NULL || json_has_text(allowed, bytes_of(name));
        if (fits && (asked & tool_set_of((enum tool_id)id)) != 0) {
            (void)json_array_append_new(names, json_string(name));
        }
    }
    return names;
}

bool call__only_reads(const struct call *call) {
    const json_t *settings = json_object_get(call->workflow->spec, "settings");
    if (call->kind != CALL_OF_AGENT || call->tree != NULL || call->program.len > 0) {
        return false;
    }
    if (!call__has_tools(call)) {
        return true;
    }
    const struct agent_tools tools = call__tools(call);
    AUTO(json_release)
    json_t *names = workflow__tools(json_object_get(settings, "tools"), tools.asked & tools.type);
    bool reads = names != NULL;
    for (size_t i = 0; reads && i < json_array_size(names); i++) {
        enum tool_id id = TOOL_COUNT;
        reads = tool_find(json_text(json_array_get(names, i)), &id) &&
                tool_get(id)->again == TOOL_REPEATABLE &&
                (tool_get(id)->needs & (TOOL_NEEDS_WRITE | TOOL_NEEDS_COMMAND)) == 0;
    }
    return reads;
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
    json_add_member(text, "opts", json_object_get(message, "opts"));
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
    text_add_member_str(spec, "turn", call->turn.text);
    if (call->tree != NULL && call->tree->stage != TREE_GONE) {
        text_add_str(spec, ",\"worktree\":");
        tree_texts_write(call->tree->git.texts, spec);
    }
    text_add_member(spec, "phase", call__name(call->message, "phase"));
    text_add_member_str(spec, "model", call->model);
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
static struct bytes call_reuse_key(const struct call *call, struct sha256_hex *room) {
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
    *room = sha256_hex(&digest);
    return (struct bytes){room->text, CALL_REUSE_KEY};
}

struct step_new call__step(const struct call *call, struct workflow_op *op,
                           struct sha256_hex *room) {
    text_init(&op->more, STEP_SPEC_MAX);
    call__write_spec(call, &op->more);
    return (struct step_new){.reuse_key = call_reuse_key(call, room),
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
                             .spec = text_bytes(&op->more),
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
    const bool has_turn = call->turn.text[0] != '\0';
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
