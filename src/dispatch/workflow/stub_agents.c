/* stub_agents.c: see stand_in.h. */
#include "dispatch/workflow/stub_agents.h"

#include <string.h>

#include "base/json/wide.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/args.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/replay.h"
#include "model/scripted/instance.h"

enum {
    ANSWER_MAX = 64 << 10, /* Bytes of one that stands in. */
    FAULT_MAX = 400,
};

/* What its script waits for. */
struct stand_in_asked {
    struct stand_in_asked *next;
    json_t *message; /* Owned; without its prompt. */
    unsigned wave;
    bool nested;
};

void stand_in_init(struct stand_in *stand_in, const struct catalog_search *search,
                   const char *root) {
    *stand_in = (struct stand_in){.search = *search};
    stand_in->root = root == NULL ? NULL : mem_copy(root, strlen(root));
    stand_in->search.root = stand_in->root;
    stand_in->end = &stand_in->first;
    text_init(&stand_in->reply, FLOW_ORDER_MAX);
}

static void asked_free(struct stand_in_asked *asked) {
    json_decref(asked->message);
    mem_free(asked);
}

void stand_in_done(struct stand_in *stand_in) {
    while (stand_in->first != NULL) {
        struct stand_in_asked *asked = stand_in->first;
        stand_in->first = asked->next;
        asked_free(asked);
    }
    for (size_t i = 0; i < stand_in->step_count; i++) {
        mem_free(stand_in->steps[i].phase);
        mem_free(stand_in->steps[i].label);
        mem_free(stand_in->steps[i].model);
    }
    for (size_t i = 0; i < stand_in->model_count; i++) {
        mem_free(stand_in->models[i].name);
    }
    mem_free(stand_in->root);
    mem_free(stand_in->fault);
    text_done(&stand_in->reply);
}

/* --- Counted ---------------------------------------------------------------------------------- */

static struct bytes name_of(const json_t *json, const char *member) {
    struct bytes text = call__name(json, member);
    size_t nul = strnlen(text.data, text.len); /* A column would hold no more of it, either. */
    return (struct bytes){text.data, nul};
}

static char *kept(struct bytes name) {
    return name.len == 0 ? NULL : mem_copy(name.data, name.len);
}

static bool is_kept(const char *kept_name, struct bytes name) {
    return kept_name == NULL
               ? name.len == 0
               : strlen(kept_name) == name.len && memcmp(kept_name, name.data, name.len) == 0;
}

static const json_t *option(const json_t *message, const char *name) {
    return json_object_get(json_object_get(message, "opts"), name);
}

static void count_step(struct stand_in *stand_in, const json_t *message, unsigned wave) {
    struct bytes phase = name_of(message, "phase"), label = name_of(message, "label");
    struct bytes model = name_of(json_object_get(message, "opts"), "model");
    bool schema = option(message, "schema") != NULL;
    for (size_t i = 0; i < stand_in->step_count; i++) {
        struct stand_in_step *step = &stand_in->steps[i];
        if (step->wave == wave && step->schema == schema && is_kept(step->phase, phase) &&
            is_kept(step->label, label) && is_kept(step->model, model)) {
            step->agents++;
            return;
        }
    }
    if (stand_in->step_count == STAND_IN_STEPS) {
        stand_in->unlisted++;
        return;
    }
    stand_in->steps[stand_in->step_count++] = (struct stand_in_step){.phase = kept(phase),
                                                                     .label = kept(label),
                                                                     .model = kept(model),
                                                                     .wave = wave,
                                                                     .schema = schema,
                                                                     .agents = 1};
}

/* A name without a slash is none of ours (call.c). */
static void count_model(struct stand_in *stand_in, const json_t *message, size_t prompt_bytes) {
    struct bytes name = name_of(json_object_get(message, "opts"), "model");
    if (name.len == 0 || memchr(name.data, '/', name.len) == NULL) {
        name = BYTES("");
    }
    size_t at = 0;
    while (at < stand_in->model_count &&
           (strlen(stand_in->models[at].name) != name.len ||
            memcmp(stand_in->models[at].name, name.data, name.len) != 0)) {
        at++;
    }
    if (at == STAND_IN_MODELS) {
        return;
    }
    if (at == stand_in->model_count) {
        stand_in->models[stand_in->model_count++] =
            (struct stand_in_model){.name = mem_copy(name.data, name.len)};
    }
    stand_in->models[at].agents++;
    stand_in->models[at].prompt_bytes += (int64_t)prompt_bytes;
}

static void ask(struct stand_in *stand_in, json_t *message, bool nested) {
    struct stand_in_asked *asked = mem_new(sizeof *asked);
    *asked = (struct stand_in_asked){
        .message = json_incref(message), .wave = stand_in->wave + 1, .nested = nested};
    if (!nested) {
        const json_t *prompt = json_object_get(message, "prompt");
        stand_in->agents++;
        stand_in->pending++;
        count_step(stand_in, message, asked->wave);
        count_model(stand_in, message, json_string_length(prompt));
        (void)json_object_del(message, "prompt"); /* Long, and not needed any more. */
    }
    if (stand_in->pending > stand_in->most_pending) {
        stand_in->most_pending = stand_in->pending;
    }
    *stand_in->end = asked;
    stand_in->end = &asked->next;
}

/* --- Answered --------------------------------------------------------------------------------- */

static void add_text(struct text *text, const char *before, const char *value) {
    text_add_str(text, before);
    text_add_json(text, value, strlen(value));
}

/* As dispatch does: who asks for what nobody has gets null. */
static void add_agent(const struct stand_in_asked *asked, struct text *reply) {
    AUTO(text_done) struct text value = {0};
    const json_t *schema = option(asked->message, "schema");
    if (json_array_size(option(asked->message, "capabilities")) > 0) {
        text_add_str(reply, ",\"o\":\"null\"");
        return;
    }
    text_init(&value, ANSWER_MAX);
    if (schema != NULL) {
        script_instance_add_json(&value, schema, INSTANCE_WHOLE);
    } else {
        add_text(&value, "", "An answer that stands in for an agent's.");
    }
    text_add_str(reply, ",\"o\":\"value\",\"v\":");
    if (text_failed(&value)) {
        text_add_str(reply, "null");
    } else {
        text_add(reply, value.data, value.len);
    }
}

static struct err find(struct stand_in *stand_in, const json_t *message,
                       struct catalog_script *ret_script, struct why *why) {
    const json_t *path = json_object_get(message, "path");
    const json_t *name = json_object_get(message, "name");
    if (stand_in->scripts++ >= STAND_IN_SCRIPTS) {
        why_set(why, "a plan looks for %d scripts, and not for more", STAND_IN_SCRIPTS);
        return err_make(ERR_WORKFLOW_NOT_FOUND, "plan: scripts");
    }
    if (path != NULL) {
        return catalog_open(&stand_in->search, json_string_value(path), ret_script, why);
    }
    const char *words = json_string_value(name);
    const struct bytes whole = {words == NULL ? "" : words, json_string_length(name)};
    return catalog_find(&stand_in->search, whole, ret_script, why);
}

static void add_nested(struct stand_in *stand_in, const json_t *message, struct text *reply) {
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    AUTO(text_done) struct text members;
    struct why why = {""};
    struct err err = find(stand_in, message, &script, &why);
    text_init(&members, FLOW_ORDER_MAX);
    if (err_failed(err) && why.text[0] == '\0') {
        why_set(&why, "%s", err_title(err.code));
    } else if (!err_failed(err)) {
        const struct bytes file = bytes_of(script.entry.file);
        const struct bytes source = {script.source, script.len};
        if (!flow__add_script(source, file, &members, &why)) {
            err = err_make(ERR_BAD_SCRIPT, "plan: script"); /* It has said why. */
        } else if (text_failed(&members)) {
            why_set(&why, "%s is too large", script.entry.file);
        } else {
            err = flow_args_check(&script.prepared, json_object_get(message, "args"), &why);
        }
    }
    if (why.text[0] != '\0') {
        struct why whole = {""};
        why_set(&whole, "workflow: %s", why.text);
        add_text(reply, ",\"o\":\"throw\",\"name\":\"Error\",\"message\":", whole.text);
    } else {
        text_add_str(reply, ",\"o\":\"script\",");
        text_add(reply, members.data, members.len);
    }
}

static void answer_next(struct stand_in *stand_in) {
    struct stand_in_asked *asked = stand_in->first;
    struct text *reply = &stand_in->reply;
    if (asked == NULL) {
        return; /* It waits for what never comes: it says so itself. */
    }
    stand_in->first = asked->next;
    if (stand_in->first == NULL) {
        stand_in->end = &stand_in->first;
    }
    text_addf(reply, "[{\"t\":\"settle\",\"id\":%lld",
              (long long)json_integer_value(json_object_get(asked->message, "id")));
    if (asked->nested) {
        /* What its script asks for at once is of its own wave. */
        stand_in->wave = asked->wave - 1;
        add_nested(stand_in, asked->message, reply);
    } else {
        stand_in->wave = asked->wave;
        stand_in->pending--;
        stand_in->spent += STAND_IN_OUTPUT;
        add_agent(asked, reply);
    }
    text_addf(reply, ",\"spent\":%lld}]", (long long)stand_in->spent);
    asked_free(asked);
}

/* --- Heard ------------------------------------------------------------------------------------ */

static void end(struct stand_in *stand_in, const json_t *message) {
    const char *words = json_string_value(json_object_get(message, "message"));
    long long line = json_integer_value(json_object_get(message, "line"));
    AUTO(text_done) struct text fault = {0};
    if (json_is_true(json_object_get(message, "ok"))) {
        stand_in->ended = STAND_IN_FINISHED;
        return;
    }
    stand_in->ended = STAND_IN_FAILED;
    words = words == NULL ? "it gave no reason" : words;
    text_init(&fault, 2 * (size_t)FAULT_MAX);
    if (line > 0) {
        text_addf(&fault, "line %lld: ", line);
    }
    text_add(&fault, words, utf8_cut(bytes_of(words), FAULT_MAX));
    mem_free(stand_in->fault);
    stand_in->fault = text_failed(&fault) ? NULL : text_take(&fault, NULL);
}

static bool is(const json_t *message, const char *word) {
    const char *type = json_string_value(json_object_get(message, "t"));
    return type != NULL && strcmp(type, word) == 0;
}

/* A worker that somebody took over asks for more than a script may. */
static bool may_ask(struct stand_in *stand_in) {
    return stand_in->asked++ < WORKFLOW_AGENTS_MAX + WORKFLOW_NESTED_MAX;
}

static void take(struct stand_in *stand_in, json_t *message) {
    bool nested = is(message, "workflow");
    if (nested || is(message, "call")) {
        if (may_ask(stand_in)) {
            ask(stand_in, message, nested);
        }
    } else if (is(message, "quiet")) {
        answer_next(stand_in);
    } else if (is(message, "end")) {
        end(stand_in, message);
    }
}

void stand_in_hear(struct stand_in *stand_in, struct bytes frame) {
    AUTO(json_release) json_t *messages = NULL;
    struct why why = {""};
    struct err err = json_parse_wide(frame.data, frame.len, JSON_DEPTH_MAX, &messages, &why);
    if (err_failed(err)) {
        stand_in->ended = STAND_IN_FAILED;
        stand_in->fault = mem_copy(why.text, strlen(why.text));
        return;
    }
    for (size_t i = 0; i < json_array_size(messages) && stand_in->ended == STAND_IN_GOING; i++) {
        take(stand_in, json_array_get(messages, i));
    }
}

/* --- Told ------------------------------------------------------------------------------------- */

static void add_optional(struct text *text, const char *before, const char *value) {
    if (value == NULL) {
        text_add_str(text, before);
        text_add_str(text, "null");
    } else {
        add_text(text, before, value);
    }
}

void stand_in_write(const struct stand_in *stand_in, struct text *text) {
    text_add_str(text, "\"steps\":[");
    for (size_t i = 0; i < stand_in->step_count; i++) {
        const struct stand_in_step *step = &stand_in->steps[i];
        text_addf(text, "%s{\"wave\":%u", i > 0 ? "," : "", step->wave);
        add_optional(text, ",\"phase\":", step->phase);
        add_optional(text, ",\"label\":", step->label);
        add_optional(text, ",\"model\":", step->model);
        text_add_str(text, step->schema ? ",\"schema\":true" : ",\"schema\":false");
        text_addf(text, ",\"agents\":%lld}", (long long)step->agents);
    }
    text_addf(text, "],\"unlisted\":%lld", (long long)stand_in->unlisted);
}
