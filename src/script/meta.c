/* meta.c: what a file must say of itself, and what is added where it says nothing. */
#include "script/meta.h"

#include <stdio.h>
#include <string.h>

#include "base/json/schema.h"
#include "base/memory.h"
#include "base/utf8.h"

const char *script_form_name(enum script_form form) {
    static const char *const names[] = {
        [SCRIPT_FORM_BODY] = "body", [SCRIPT_FORM_MAIN] = "main", [SCRIPT_FORM_FLOW] = "flow"};
    return names[form];
}

const char *script_meta_name(const struct script_prepared *prepared) {
    return json_string_value(json_object_get(prepared->meta, "name"));
}

const char *script_meta_description(const struct script_prepared *prepared) {
    return json_string_value(json_object_get(prepared->meta, "description"));
}

const json_t *script_meta_args(const struct script_prepared *prepared) {
    return json_object_get(prepared->meta, "args");
}

/* --- What meta must say ----------------------------------------------------------------------- */

struct checking {
    const struct script_prepared *prepared;
    struct script_fault *fault;
};

/* At the value of the key, or at the object. */
static struct err meta_refuse(const struct checking *checking, enum meta_key key,
                              const char *text) {
    const struct script_place *at = &checking->prepared->meta_at[key];
    *checking->fault = (struct script_fault){
        .line = at->line,
        .column = at->column,
        .code = checking->prepared->form == SCRIPT_FORM_FLOW ? "bad_flow" : "bad_meta"};
    (void)snprintf(checking->fault->message, sizeof checking->fault->message, "%s",
                   text); /* Cut at worst. */
    return err_make(ERR_BAD_SCRIPT, "script: meta");
}

static bool is_full_text(const json_t *value) {
    const char *text = json_string_value(value);
    return text != NULL && text[strspn(text, " \t\r\n")] != '\0' &&
           strlen(text) == json_string_length(value);
}

static bool is_text_or_absent(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value == NULL || json_is_string(value);
}

/* A flow that computes its name has none here. */
static struct err flow_check(const struct checking *checking) {
    const json_t *name = json_object_get(checking->prepared->meta, "name");
    return name == NULL || (is_full_text(name) && json_string_length(name) <= SCRIPT_NAME_MAX)
               ? ERR_OK
               : meta_refuse(checking, META_NAME,
                             "the name of a flow must be a text of 1 to 200 bytes that is not "
                             "blank");
}

static struct err meta_check(const struct checking *checking) {
    const json_t *meta = checking->prepared->meta, *about = json_object_get(meta, "description");
    const json_t *name = json_object_get(meta, "name"), *phases = json_object_get(meta, "phases");
    const json_t *args = json_object_get(meta, "args"), *results = json_object_get(meta, "results");
    bool bare = about == NULL && checking->prepared->form == SCRIPT_FORM_MAIN;
    if (!is_full_text(name)) {
        return meta_refuse(checking, META_NAME, "meta.name must be a non-empty string");
    }
    if (json_string_length(name) > SCRIPT_NAME_MAX) {
        return meta_refuse(checking, META_NAME, "meta.name is too long: at most 200 bytes");
    }
    if (!bare && !is_full_text(about)) {
        return meta_refuse(checking, META_DESCRIPTION,
                           "meta.description must be a non-empty string");
    }
    if (!is_text_or_absent(meta, "whenToUse")) {
        return meta_refuse(checking, META_WHEN_TO_USE, "meta.whenToUse must be a string");
    }
    if (results != NULL && strcmp(json_str(meta, "results", ""), "object") != 0 &&
        strcmp(json_str(meta, "results", ""), "value") != 0) {
        return meta_refuse(checking, META_RESULTS, "meta.results must be \"object\" or \"value\"");
    }
    if (phases != NULL && (!json_is_array(phases) || json_array_size(phases) > SCRIPT_PHASES_MAX)) {
        return meta_refuse(checking, META_PHASES,
                           "meta.phases must be a list of at most 200 phases");
    }
    for (size_t i = 0; i < json_array_size(phases); i++) {
        const json_t *phase = json_array_get(phases, i);
        if (!is_full_text(json_object_get(phase, "title"))) {
            return meta_refuse(
                checking, META_PHASES,
                "each of meta.phases must be an object whose title is a non-empty string");
        }
        if (!is_text_or_absent(phase, "detail")) {
            return meta_refuse(checking, META_PHASES,
                               "the detail of one of meta.phases must be a string");
        }
        if (!is_text_or_absent(phase, "model")) {
            return meta_refuse(checking, META_PHASES,
                               "the model of one of meta.phases must be a string");
        }
    }
    AUTO(json_schema_release) struct json_schema *schema = NULL;
    struct why why = {.text = ""};
    struct err err = args == NULL ? ERR_OK : json_schema_compile(args, &schema, &why);
    if (!err_failed(err) || err.code == ERR_OUT_OF_MEMORY) {
        return err;
    }
    char text[sizeof checking->fault->message];
    (void)snprintf(text, sizeof text, "meta.args must be a JSON Schema: %.250s", why.text);
    return meta_refuse(checking, META_ARGS, text);
}

/* --- What meta says --------------------------------------------------------------------------- */

struct bytes script_stem(struct bytes file) {
    size_t start = file.len, end = file.len;
    while (start > 0 && file.data[start - 1] != '/') {
        start--;
        if (file.data[start] == '.' && end == file.len && start > 0) {
            end = start;
        }
    }
    struct bytes stem = {file.data + start, end > start ? end - start : file.len - start};
    stem.len = utf8_cut(stem, SCRIPT_NAME_MAX);
    return stem.len == 0 ? BYTES("workflow") : stem;
}

static struct err add_absent(json_t *meta, const char *key, struct bytes text) {
    AUTO(mem_release) char *plain = mem_copy(text.data, text.len);
    if (!utf8_valid(plain, text.len)) { /* It may be of the name of a file. */
        utf8_make_plain(plain, text.len);
    }
    bool failed = json_object_get(meta, key) == NULL &&
                  json_object_set_new(meta, key, json_stringn(plain, text.len)) < 0;
    return failed ? err_make(ERR_OUT_OF_MEMORY, "script: meta") : ERR_OK;
}

struct err script_prepare(const struct script_source *source, struct script_prepared *ret_prepared,
                          struct script_fault *ret_fault) {
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    TRY(script_read(source, &prepared, ret_fault));
    const struct checking checking = {&prepared, ret_fault};
    if (prepared.form == SCRIPT_FORM_FLOW) {
        TRY(flow_check(&checking));
    }
    if (prepared.form != SCRIPT_FORM_BODY) {
        TRY(add_absent(prepared.meta, "name", script_stem(source->file)));
    }
    if (prepared.form != SCRIPT_FORM_FLOW) {
        TRY(meta_check(&checking));
    }
    TRY(add_absent(prepared.meta, "description", BYTES("")));
    *ret_prepared = prepared;
    prepared = (struct script_prepared){.meta = NULL}; /* Handed over. */
    return ERR_OK;
}
