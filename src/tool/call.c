/* call.c: from what a model wrote to a call that can be performed, or to a sentence. */
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "tool/repair.h"
#include "tool/work.h"

enum { NOTES_MAX = 4 << 10, NAME_SHOWN_MAX = 64 };

void tool_call_done(struct tool_call *call) {
    json_release(&call->input);
    mem_free(call->canonical);
    text_done(&call->notes);
    call->canonical = NULL;
}

static struct err unknown(tool_set set, struct bytes name, struct text *problem) {
    char shown[NAME_SHOWN_MAX + 1];
    size_t len = utf8_cut(name, NAME_SHOWN_MAX);
    memcpy(shown, name.data, len);
    shown[len] = '\0';
    utf8_make_plain(shown, len);
    struct suggest suggest;
    suggest_begin(&suggest, shown);
    text_addf(problem, "there is no tool \"%s\"", shown);
    for (unsigned i = 0; i < TOOL_COUNT; i++) {
        if ((set & tool_set_of((enum tool_id)i)) != 0) {
            suggest_offer(&suggest, tool_get((enum tool_id)i)->name);
        }
    }
    const char *near = suggest_best(&suggest);
    if (near != NULL) {
        text_addf(problem, "; did you mean %s?\n", near);
        return err_make(ERR_NOT_FOUND, "tool: name");
    }
    text_add_str(problem, "; there are");
    for (unsigned i = 0; i < TOOL_COUNT; i++) {
        if ((set & tool_set_of((enum tool_id)i)) != 0) {
            text_addf(problem, " %s", tool_get((enum tool_id)i)->name);
        }
    }
    text_add_char(problem, '\n');
    return err_make(ERR_NOT_FOUND, "tool: name");
}

static struct err holds_nul(const json_t *value, const char *name, struct text *problem) {
    if (json_is_string(value) &&
        memchr(json_string_value(value), '\0', json_string_length(value)) != NULL) {
        text_addf(problem, "/%s: must not hold the character \\u0000\n", name);
        return err_make(ERR_BAD_FIELD, "tool: arguments");
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct err err = holds_nul(json_array_get(value, i), name, problem);
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

/* Paths, arguments of programs and URLs end where a NUL is; only the content of files may have
 * one. */
static struct err refuse_nul(enum tool_id id, const json_t *input, struct text *problem) {
    if (id == TOOL_WRITE_FILE || id == TOOL_EDIT_FILE) {
        return holds_nul(json_object_get(input, "path"), "path", problem);
    }
    json_t *object = (json_t *)input; /* jansson's iterator takes no const. */
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        const char *name = json_object_iter_key(at);
        struct err err = holds_nul(json_object_iter_value(at), name, problem);
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

static struct err seal(struct tool_call *call) {
    AUTO(text_done) struct text text = text_up_to(8 * (size_t)TOOL_ARGUMENTS_MAX);
    struct err err = json_write_canonical(call->input, &text);
    if (err_failed(err)) {
        return err;
    }
    const char *name = tool_get(call->id)->name;
    struct sha256_stream stream;
    sha256_start(&stream);
    sha256_add(&stream, name, strlen(name) + 1); /* With its end: names are not run into JSON. */
    sha256_add(&stream, text.data, text.len);
    struct sha256 hash = sha256_finish(&stream);
    call->digest = sha256_hex(&hash);
    call->canonical = text_take(&text, NULL);
    return ERR_OK;
}

static struct err read_input(const struct json_schema *schema, struct bytes arguments,
                             struct tool_call *call, struct text *problem) {
    struct why why = {.text = ""};
    struct json_faults faults;
    struct err err = repair_parse(arguments, &call->input, &call->notes, &why);
    if (err_failed(err)) {
        text_addf(problem, "the arguments are not valid JSON: %s\n", why.text);
        return err;
    }
    err = repair_values(schema, &call->input, &call->notes);
    if (err_failed(err)) {
        return err;
    }
    err = json_schema_check(schema, call->input, &faults);
    if (err_failed(err)) {
        text_addf(problem, "the arguments of %s are not right:\n", tool_get(call->id)->name);
        json_faults_write(&faults, problem);
        return err;
    }
    return refuse_nul(call->id, call->input, problem);
}

struct err tool_call_read(const struct toolbox *toolbox, tool_set tools, struct bytes name,
                          struct bytes arguments, struct tool_call *ret_call,
                          struct text *problem) {
    text_clear(problem);
    AUTO(tool_call_done) struct tool_call call = {0};
    if (!tool_find(name, &call.id) || (tools & tool_set_of(call.id)) == 0) {
        return unknown(tools, name, problem);
    }
    if (arguments.len > TOOL_ARGUMENTS_MAX) {
        text_addf(problem, "the arguments have %zu bytes; %d are allowed\n", arguments.len,
                  TOOL_ARGUMENTS_MAX);
        return err_make(ERR_BAD_FIELD, "tool: arguments");
    }
    text_init(&call.notes, NOTES_MAX);
    struct err err = read_input(toolbox__schema(toolbox, call.id), arguments, &call, problem);
    if (!err_failed(err)) {
        err = seal(&call);
    }
    if (err_failed(err)) {
        return err;
    }
    *ret_call = call;
    call = (struct tool_call){0}; /* Handed over. */
    return ERR_OK;
}
