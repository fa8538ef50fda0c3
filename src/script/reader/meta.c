/* meta.c: one file, from its bytes to what a worker is given. */
#include "script/reader/meta.h"

#include <stdio.h>
#include <string.h>

#include "base/json/schema.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "script/reader/context_object.h"
#include "script/reader/forms.h"
#include "script/reader/literal.h"
#include "script/reader/refuse.h"

static const char bad_meta[] = "bad_meta";

const char *script_form_name(enum script_form form) {
    static const char *const names[] = {
        [SCRIPT_FORM_BODY] = "body", [SCRIPT_FORM_MAIN] = "main", [SCRIPT_FORM_FLOW] = "flow"};
    return names[form];
}

void script_prepared_done(struct script_prepared *prepared) {
    json_release(&prepared->meta);
    mem_free(prepared->text);
    *prepared = (struct script_prepared){.meta = NULL};
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
    const struct tokens *tokens;
    const struct forms *forms;
    json_t *meta;
    struct script_fault *fault;
};

/* At the value of the key, or at the object. */
static struct err meta_refuse(const struct checking *checking, const char *key, const char *text) {
    uint32_t object = checking->forms->meta_value;
    uint32_t value =
        object == TOKEN_NOWHERE ? TOKEN_NOWHERE : literal_value_of(checking->tokens, object, key);
    return token_fault(checking->tokens, value == TOKEN_NOWHERE ? object : value, bad_meta,
                       checking->fault, "%s", text);
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

static struct err check_meta(const struct checking *checking) {
    const json_t *meta = checking->meta, *about = json_object_get(meta, "description");
    const json_t *name = json_object_get(meta, "name"), *phases = json_object_get(meta, "phases");
    const json_t *args = json_object_get(meta, "args"), *results = json_object_get(meta, "results");
    bool bare = about == NULL && checking->forms->form == SCRIPT_FORM_MAIN;
    if (!is_full_text(name)) {
        return meta_refuse(checking, "name", "meta.name must be a non-empty string");
    }
    if (json_string_length(name) > SCRIPT_NAME_MAX) {
        return meta_refuse(checking, "name", "meta.name is too long: at most 200 bytes");
    }
    if (!bare && !is_full_text(about)) {
        return meta_refuse(checking, "description", "meta.description must be a non-empty string");
    }
    if (!is_text_or_absent(meta, "whenToUse")) {
        return meta_refuse(checking, "whenToUse", "meta.whenToUse must be a string");
    }
    if (results != NULL && strcmp(json_str(meta, "results", ""), "object") != 0 &&
        strcmp(json_str(meta, "results", ""), "value") != 0) {
        return meta_refuse(checking, "results", "meta.results must be \"object\" or \"value\"");
    }
    if (phases != NULL && (!json_is_array(phases) || json_array_size(phases) > SCRIPT_PHASES_MAX)) {
        return meta_refuse(checking, "phases", "meta.phases must be a list of at most 200 phases");
    }
    for (size_t i = 0; i < json_array_size(phases); i++) {
        const json_t *phase = json_array_get(phases, i);
        if (!is_full_text(json_object_get(phase, "title"))) {
            return meta_refuse(
                checking, "phases",
                "each of meta.phases must be an object whose title is a non-empty string");
        }
        if (!is_text_or_absent(phase, "detail")) {
            return meta_refuse(checking, "phases",
                               "the detail of one of meta.phases must be a string");
        }
        if (!is_text_or_absent(phase, "model")) {
            return meta_refuse(checking, "phases",
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
    return meta_refuse(checking, "args", text);
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

/* Where name and description of a flow stand. */
struct flow_texts {
    uint32_t name, description; /* TOKEN_NOWHERE: not in the object, or not for sure. */
};

static void flow_texts_take(void *ctx, struct bytes key, uint32_t value) {
    struct flow_texts *texts = ctx;
    if (key.len == 0) { /* Computed, or a spread, which may replace those before it. */
        *texts = (struct flow_texts){TOKEN_NOWHERE, TOKEN_NOWHERE};
    } else if (bytes_is(key, "name")) {
        texts->name = value;
    } else if (bytes_is(key, "description")) {
        texts->description = value;
    }
}

/* Adds a member whose value is a text that stands there as one; any other is left out. */
static struct err flow_text_add(const struct tokens *tokens, const char *key, uint32_t at,
                                json_t *meta) {
    struct script_fault ignored;
    AUTO(text_done) struct text text = text_up_to(SCRIPT_META_MAX);
    const enum token_kind kind = token_kind(tokens, at);
    if ((kind != TOKEN_STRING && kind != TOKEN_TEMPLATE) || !token_is_any(tokens, at + 1, ",}") ||
        err_failed(literal_text(tokens, at, &text, &ignored)) || text_failed(&text)) {
        return ERR_OK;
    }
    return json_object_set_new(meta, key, json_stringn(text_bytes(&text).data, text.len)) < 0
               ? err_make(ERR_OUT_OF_MEMORY, "script: flow")
               : ERR_OK;
}

static struct err read_flow(const struct script_source *source, const struct tokens *tokens,
                            const struct forms *forms, json_t **ret_meta,
                            struct script_fault *ret_fault) {
    struct flow_texts texts = {TOKEN_NOWHERE, TOKEN_NOWHERE};
    if (forms->meta_value != TOKEN_NOWHERE) {
        literal_each_key(tokens, forms->meta_value, flow_texts_take, &texts);
    }
    *ret_meta = json_object();
    struct err err = flow_text_add(tokens, "name", texts.name, *ret_meta);
    const json_t *name = json_object_get(*ret_meta, "name");
    if (name != NULL && (!is_full_text(name) || json_string_length(name) > SCRIPT_NAME_MAX)) {
        return token_fault(tokens, texts.name, "bad_flow", ret_fault,
                           "the name of a flow must be a text of 1 to %d bytes that is not blank",
                           SCRIPT_NAME_MAX);
    }
    err =
        err_failed(err) ? err : flow_text_add(tokens, "description", texts.description, *ret_meta);
    err = err_failed(err) ? err : add_absent(*ret_meta, "name", script_stem(source->file));
    return err_failed(err) ? err : add_absent(*ret_meta, "description", BYTES(""));
}

static struct err read_meta(const struct script_source *source, const struct tokens *tokens,
                            const struct forms *forms, json_t **ret_meta,
                            struct script_fault *ret_fault) {
    struct err err = ERR_OK;
    if (forms->meta_value == TOKEN_NOWHERE) {
        *ret_meta = json_object();
    } else {
        uint32_t after = 0;
        err = literal_read(tokens, forms->meta_value, ret_meta, &after, ret_fault);
        if (!err_failed(err) && !json_is_object(*ret_meta)) {
            err = token_fault(tokens, forms->meta_value, bad_meta, ret_fault,
                              "meta must be an object");
        }
        if (!err_failed(err)) {
            err = forms_check_end(tokens, forms, after, ret_fault);
        }
    }
    if (!err_failed(err) && forms->form == SCRIPT_FORM_MAIN) {
        err = add_absent(*ret_meta, "name", script_stem(source->file));
    }
    const struct checking checking = {tokens, forms, *ret_meta, ret_fault};
    if (!err_failed(err)) {
        err = check_meta(&checking);
    }
    return err_failed(err) ? err : add_absent(*ret_meta, "description", BYTES(""));
}

/* --- The form that authors expect ------------------------------------------------------------- */

bool script_is_of_boocode(struct bytes file) {
    static const char folder[] = "/.boocode/workflows/";
    const size_t len = sizeof folder - 1;
    const bool starts = file.len >= len - 1 && memcmp(file.data, folder + 1, len - 1) == 0;
    return starts || memmem(file.data, file.len, folder, len) != NULL;
}

bool script_has_objects(const json_t *meta, struct bytes file) {
    const char *said = json_str(meta, "results", NULL);
    return said != NULL ? strcmp(said, "object") == 0 : script_is_of_boocode(file);
}

bool script_has_timers(const json_t *meta, struct bytes file) {
    const json_t *timers = json_object_get(meta, "timers");
    return json_is_boolean(timers) ? json_is_true(timers) : script_is_of_boocode(file);
}

/* --- A file ----------------------------------------------------------------------------------- */

struct err script_prepare(const struct script_source *source, struct script_prepared *ret_prepared,
                          struct script_fault *ret_fault) {
    AUTO(tokens_done) struct tokens tokens = {.list = NULL};
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    AUTO(text_done) struct text text = text_up_to(SCRIPT_SOURCE_MAX + 256);
    struct forms forms;
    struct context_object context = {.taken = false};
    if (source->text.len > SCRIPT_SOURCE_MAX) {
        *ret_fault = (struct script_fault){.code = "too_large"};
        (void)snprintf(ret_fault->message, sizeof ret_fault->message,
                       "the script has %zu bytes; at most %d are taken", source->text.len,
                       SCRIPT_SOURCE_MAX);
        return err_make(ERR_BAD_SCRIPT, "script: size");
    }
    struct err err = tokens_read(source->text, &tokens, ret_fault);
    if (err.code != ERR_OUT_OF_MEMORY && tokens.list != NULL) {
        /* A word of another language may be why the tokens ended in a fault: a better answer. */
        struct err foreign = refuse_foreign(&tokens, ret_fault);
        err = err_failed(foreign) ? foreign : err;
    }
    if (!err_failed(err)) {
        err = forms_find(&tokens, source->kind, &forms, ret_fault);
    }
    if (!err_failed(err)) {
        err = source->kind == SCRIPT_FLOW
                  ? read_flow(source, &tokens, &forms, &prepared.meta, ret_fault)
                  : read_meta(source, &tokens, &forms, &prepared.meta, ret_fault);
    }
    if (!err_failed(err)) {
        context_object_find(&tokens, &forms, &context);
        err = forms_write(&tokens, &forms, context.taken ? context_object_text : NULL, &text);
    }
    if (err_failed(err)) {
        return err;
    }
    prepared.text = text_take(&text, &prepared.len);
    prepared.form = forms.form;
    prepared.objects =
        source->kind == SCRIPT_WORKFLOW && script_has_objects(prepared.meta, source->file);
    prepared.timers =
        source->kind == SCRIPT_WORKFLOW && script_has_timers(prepared.meta, source->file);
    script_note_context(&tokens, &context, &prepared);
    script_note_risks(&tokens, &context, &prepared);
    script_note_absent(&tokens, &prepared);
    script_note_names(&tokens, &prepared);
    *ret_prepared = prepared;
    prepared = (struct script_prepared){.meta = NULL}; /* Handed over. */
    return ERR_OK;
}
