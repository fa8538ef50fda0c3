/* call.c: from what a model wrote to a call that can be performed, or to a sentence; then the one
 * door to the tools that are performed here. */
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "rules/approval/words.h"
#include "tool/agent_types.h"
#include "tool/repair.h"
#include "tool/requests.h"
#include "tool/work.h"

enum { NOTES_MAX = 4 << 10, NAME_SHOWN_MAX = 64 };

void tool_call_done(struct tool_call *call) {
    json_release(&call->input);
    mem_free(call->canonical);
    text_done(&call->notes);
    call->canonical = NULL;
}

static struct err tool_unknown(tool_set set, struct bytes name, struct text *problem) {
    char shown[NAME_SHOWN_MAX + 1];
    size_t len = utf8_cut(name, NAME_SHOWN_MAX);
    memcpy(shown, name.data, len);
    shown[len] = '\0';
    utf8_make_plain(shown, len);
    AUTO(text_done) struct text names = text_up_to(TOOL_COUNT * (TOOL_NAME_MAX + 1));
    struct suggest suggest;
    suggest_begin(&suggest, shown);
    for (unsigned i = 0; i < TOOL_COUNT; i++) {
        const char *tool = tool_get((enum tool_id)i)->name;
        if ((set & tool_set_of((enum tool_id)i)) != 0) {
            suggest_offer(&suggest, tool);
            text_addf(&names, " %s", tool);
        }
    }
    const char *near = suggest_best(&suggest);
    const tool_set same = agent_tools_named(name) & set; /* By its name in Claude Code. */
    for (unsigned i = TOOL_COUNT; i-- > 0 && same != TOOL_SET_ALL;) {
        near = (same & tool_set_of((enum tool_id)i)) != 0 ? tool_get((enum tool_id)i)->name : near;
    }
    text_addf(problem, "there is no tool \"%s\"; ", shown);
    if (near != NULL) {
        text_addf(problem, "did you mean %s?\n", near);
    } else {
        text_addf(problem, "there are%s\n", names.data == NULL ? "" : names.data);
    }
    return err_make(ERR_NOT_FOUND, "tool: name");
}

/* Paths, arguments of programs and URLs end where a NUL is; only the content of files may have
 * one. */
static struct err refuse_nul(enum tool_id id, const json_t *input, struct text *problem) {
    bool file = id == TOOL_WRITE_FILE || id == TOOL_EDIT_FILE;
    for (struct json_member at = json_first(input); at.value != NULL; at = json_next(at)) {
        size_t count = json_is_array(at.value) ? json_array_size(at.value) : 1;
        for (size_t i = 0; i < count && (!file || bytes_is(at.key, "path")); i++) {
            const json_t *value = json_is_array(at.value) ? json_array_get(at.value, i) : at.value;
            if (json_is_string(value) &&
                memchr(json_string_value(value), '\0', json_string_length(value)) != NULL) {
                text_addf(problem, "/%s: must not contain the character \\u0000\n", at.key.data);
                return err_make(ERR_BAD_FIELD, "tool: arguments");
            }
        }
    }
    return ERR_OK;
}

struct err tool_call_read(const struct toolbox *toolbox, tool_set tools, struct bytes name,
                          struct bytes arguments, struct tool_call *ret_call,
                          struct text *problem) {
    text_clear(problem);
    AUTO(tool_call_done) struct tool_call call = {0};
    if (!tool_find(name, &call.id) || (tools & tool_set_of(call.id)) == 0) {
        return tool_unknown(tools, name, problem);
    }
    if (arguments.len > TOOL_ARGUMENTS_MAX) {
        text_addf(problem, "the arguments have %zu bytes; %d are allowed\n", arguments.len,
                  TOOL_ARGUMENTS_MAX);
        return err_make(ERR_BAD_FIELD, "tool: arguments");
    }
    text_init(&call.notes, NOTES_MAX);
    const struct json_schema *schema = toolbox__schema(toolbox, call.id);
    struct why why = {.text = ""};
    struct json_faults faults;
    struct err err = repair_parse(arguments, &call.input, &call.notes, &why);
    if (err_failed(err)) {
        text_addf(problem, "the arguments are not valid JSON: %s\n", why.text);
        return err;
    }
    TRY(repair_values(schema, &call.input, &call.notes));
    const char *tool = tool_get(call.id)->name;
    err = json_schema_check(schema, call.input, &faults);
    if (err_failed(err)) {
        text_addf(problem, "the arguments of %s are not right:\n", tool);
        json_faults_write(&faults, problem);
        return err;
    }
    AUTO(text_done) struct text text = text_up_to(8 * (size_t)TOOL_ARGUMENTS_MAX);
    err = refuse_nul(call.id, call.input, problem);
    if (!err_failed(err)) {
        err = json_write_canonical(call.input, &text);
    }
    if (err_failed(err)) {
        return err;
    }
    struct sha256_stream stream;
    sha256_start(&stream);
    sha256_add(&stream, tool, strlen(tool) + 1); /* With its end: names are not run into JSON. */
    sha256_add(&stream, text.data, text.len);
    struct sha256 hash = sha256_finish(&stream);
    call.digest = sha256_hex(&hash);
    call.canonical = text_take(&text, NULL);
    *ret_call = call;
    call = (struct tool_call){0}; /* Handed over. */
    return ERR_OK;
}

/* --- Looks and results ------------------------------------------------------------------------ */

void tool_look_init(struct tool_look *look) {
    *look = (struct tool_look){0};
    for (size_t i = 0; i < TOOL_SUBJECTS_MAX; i++) {
        text_init(&look->subjects[i], WORDS_ROOM((size_t)TOOL_ARGUMENTS_MAX));
    }
    text_init(&look->diff, TOOL_DIFF_MAX);
    text_init(&look->refusal, sizeof(struct why));
}

void tool_look_done(struct tool_look *look) {
    for (size_t i = 0; i < TOOL_SUBJECTS_MAX; i++) {
        text_done(&look->subjects[i]);
    }
    text_done(&look->diff);
    text_done(&look->refusal);
}

void tool_result_init(struct tool_result *result) {
    *result = (struct tool_result){0};
    text_init(&result->content, TOOL_CONTENT_MAX);
    text_init(&result->diff, TOOL_DIFF_MAX);
}

void tool_result_done(struct tool_result *result) {
    text_done(&result->content);
    text_done(&result->diff);
}

/* --- The door --------------------------------------------------------------------------------- */

/* A refusal becomes a sentence, with its cause. What the model can do nothing about is an error. */
static struct err work_end(struct tool_work *work, struct err err, struct text *sentence,
                           enum card_cause *ret_cause) {
    if (!err_failed(err) || err.code == ERR_OUT_OF_MEMORY || work->why.text[0] == '\0') {
        return err;
    }
    *ret_cause = work->cause != CARD_DONE ? work->cause : card_cause_of_error(err.code);
    text_clear(sentence);
    text_add_str(sentence, work->why.text);
    return ERR_OK;
}

/* The command, URL, … of a call, for the rules. */
static struct err subject_from_input(const struct tool_call *call, const struct tool_place *place,
                                     struct tool_look *look) {
    static const char *const names[] = {"command", "url", "path", "session", "name"};
    struct text *text = &look->subjects[0];
    const json_t *input = call->input, *value = NULL;
    if (call->id == TOOL_RUN_WORKFLOW) {
        /* The file, as the project has it; of a text nothing is known; else the name. */
        const char *path = json_str(input, "scriptPath", NULL);
        const char *root = place->root_count > 0 ? place->roots[0].path : "";
        size_t len = strlen(root);
        bool inside = path != NULL && len > 0 && strncmp(path, root, len) == 0 && path[len] == '/';
        if (path == NULL && json_object_get(input, "script") == NULL) {
            path = json_str(input, "name", NULL);
        }
        text_add_str(text, path == NULL ? "" : inside ? path + len + 1 : path);
        look->subject_count = path != NULL;
    } else {
        for (size_t i = 0; value == NULL && i < COUNT_OF(names); i++) {
            value = json_object_get(input, names[i]);
        }
        value = call->id == TOOL_WEB_SEARCH       ? json_object_get(input, "query")
                : call->id == TOOL_SPAWN_SUBAGENT ? json_object_get(input, "agent")
                                                  : value;
    }
    if (json_is_string(value)) {
        look->subject_count = 1;
        if (tool_get(call->id)->subject != SUBJECT_WORDS) {
            text_add(text, json_string_value(value), json_string_length(value));
        } else {
            const json_t *args = json_object_get(input, "args");
            words_add_quoted(text, json_text(value));
            for (size_t i = 0; i < json_array_size(args); i++) {
                words_add_quoted(text, json_text(json_array_get(args, i)));
            }
        }
    }
    return text_failed(text) ? text_error(text, "tool: subject") : ERR_OK;
}

/* The look of request_access: the folder as it was written, and where it really is. */
static struct err access_look(const struct tool_call *call, const struct tool_place *place,
                              struct tool_look *look) {
    struct access_request request;
    struct extra_root root = {.path = ""};
    struct why why = {.text = ""};
    struct place_path path;
    access_request_read(call, &request);
    struct err err = extra_root_find(request.path, place->closed, &root, &why);
    if (!err_failed(err) &&
        !err_failed(place_resolve(place, root.path, request.access, &path, NULL))) {
        err = err_why(&why, ERR_CONFLICT, "\"%.200s\" is already accessible to you in that way",
                      root.path);
    }
    if (err_failed(err)) {
        text_add_str(&look->refusal, why.text);
        look->cause = card_cause_of_error(err.code);
    }
    return look_set_subjects(look, request.path, root.path);
}

struct err tool_look(const struct tool_call *call, const struct tool_place *place,
                     struct tool_look *look) {
    const struct tool *tool = tool_get(call->id);
    if (call->id == TOOL_REQUEST_ACCESS) {
        return access_look(call, place, look);
    }
    if (tool->perform == NULL) {
        return subject_from_input(call, place, look);
    }
    struct tool_work work = {.call = call, .place = place, .step = WORK_LOOK, .look = look};
    return work_end(&work, tool->perform(&work), &look->refusal, &look->cause);
}

struct err tool_perform(const struct tool_call *call, const struct tool_place *place,
                        const struct tool_look *seen, struct tool_result *result) {
    const struct tool *tool = tool_get(call->id);
    assert(tool->perform != NULL);
    struct tool_work work = {
        .call = call, .place = place, .step = WORK_DO, .seen = seen, .result = result};
    struct err err = tool->perform(&work);
    if (err_failed(err)) {
        text_clear(&result->diff);
    }
    return work_end(&work, err, &result->content, &result->cause);
}
