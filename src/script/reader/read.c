/* read.c: a text, from its bytes to what a worker is given. */
#include "script/reader/read.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "script/reader/context_object.h"
#include "script/reader/forms.h"
#include "script/reader/literal.h"
#include "script/reader/refuse.h"

void script_prepared_done(struct script_prepared *prepared) {
    json_release(&prepared->meta);
    mem_free(prepared->text);
    *prepared = (struct script_prepared){.meta = NULL};
}

/* --- What the text says ----------------------------------------------------------------------- */

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

static struct err flow_read(const struct tokens *tokens, const struct forms *forms,
                            struct script_prepared *prepared) {
    struct flow_texts texts = {TOKEN_NOWHERE, TOKEN_NOWHERE};
    if (forms->meta_value != TOKEN_NOWHERE) {
        literal_each_key(tokens, forms->meta_value, flow_texts_take, &texts);
    }
    prepared->meta = json_object();
    prepared->meta_at[META_NAME] = token_place(tokens, texts.name);
    struct err err = flow_text_add(tokens, "name", texts.name, prepared->meta);
    return err_failed(err)
               ? err
               : flow_text_add(tokens, "description", texts.description, prepared->meta);
}

static struct err meta_read(const struct tokens *tokens, const struct forms *forms,
                            struct script_prepared *prepared, struct script_fault *ret_fault) {
    static const char *const keys[META_KEYS] = {
        [META_NAME] = "name",       [META_DESCRIPTION] = "description",
        [META_RESULTS] = "results", [META_WHEN_TO_USE] = "whenToUse",
        [META_PHASES] = "phases",   [META_ARGS] = "args"};
    const uint32_t object = forms->meta_value;
    uint32_t after = 0;
    for (unsigned i = 0; i < META_KEYS; i++) {
        const uint32_t value =
            object == TOKEN_NOWHERE ? object : literal_value_of(tokens, object, keys[i]);
        prepared->meta_at[i] = token_place(tokens, value == TOKEN_NOWHERE ? object : value);
    }
    if (object == TOKEN_NOWHERE) {
        prepared->meta = json_object();
        return ERR_OK;
    }
    struct err err = literal_read(tokens, object, &prepared->meta, &after, ret_fault);
    if (!err_failed(err) && !json_is_object(prepared->meta)) {
        return token_fault(tokens, object, "bad_meta", ret_fault, "meta must be an object");
    }
    return err_failed(err) ? err : forms_check_end(tokens, forms, after, ret_fault);
}

/* --- The form that authors expect ------------------------------------------------------------- */

static bool is_of_boocode(struct bytes file) {
    static const char folder[] = "/.boocode/workflows/";
    const size_t len = sizeof folder - 1;
    const bool starts = file.len >= len - 1 && memcmp(file.data, folder + 1, len - 1) == 0;
    return starts || memmem(file.data, file.len, folder, len) != NULL;
}

/* Scripts there are written for results that are objects, and so are those that say so. */
static bool has_objects(const json_t *meta, struct bytes file) {
    const char *said = json_str(meta, "results", NULL);
    return said != NULL ? strcmp(said, "object") == 0 : is_of_boocode(file);
}

/* Scripts of Claude Code test for setTimeout, and must find none. */
static bool has_timers(const json_t *meta, struct bytes file) {
    const json_t *timers = json_object_get(meta, "timers");
    return json_is_boolean(timers) ? json_is_true(timers) : is_of_boocode(file);
}

/* --- A text ----------------------------------------------------------------------------------- */

struct err script_read(const struct script_source *source, struct script_prepared *ret_prepared,
                       struct script_fault *ret_fault) {
    AUTO(tokens_done) struct tokens tokens = {.list = NULL};
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    AUTO(text_done) struct text text = text_up_to(SCRIPT_SOURCE_MAX + 256);
    struct forms forms;
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
    TRY(err);
    TRY(forms_find(&tokens, source->kind, &forms, ret_fault));
    TRY(source->kind == SCRIPT_FLOW ? flow_read(&tokens, &forms, &prepared)
                                    : meta_read(&tokens, &forms, &prepared, ret_fault));
    const bool taken = context_object_is_taken(&tokens, &forms);
    TRY(forms_write(&tokens, &forms, taken ? context_object_text : NULL, &text));
    prepared.text = text_take(&text, &prepared.len);
    prepared.form = forms.form;
    prepared.objects = source->kind == SCRIPT_WORKFLOW && has_objects(prepared.meta, source->file);
    prepared.timers = source->kind == SCRIPT_WORKFLOW && has_timers(prepared.meta, source->file);
    *ret_prepared = prepared;
    prepared = (struct script_prepared){.meta = NULL}; /* Handed over. */
    return ERR_OK;
}
