/* search.c: the script that workflow() names, searched in the pool. */
#include "base/json/schema.h"
#include "base/memory.h"
#include "dispatch/workflow/history.h"

enum { MEMBERS_MAX = 7 * WORKFLOW_SCRIPT_MAX /* A script as JSON text, whatever it holds. */ };

struct err workflow_args_check(const struct script_prepared *prepared, const json_t *args,
                               struct why *why) {
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    AUTO(json_release) json_t *none = json_object();
    AUTO(text_done) struct text text;
    const json_t *schema = script_meta_args(prepared);
    struct json_faults faults = {.count = 0};
    struct why inner = {""};
    text_init(&text, sizeof why->text);
    if (schema == NULL) {
        return ERR_OK;
    }
    if (err_failed(json_schema_compile(schema, &compiled, &inner))) {
        text_add_str(&text, inner.text);
    } else if (!err_failed(json_schema_check(compiled, args == NULL ? none : args, &faults))) {
        return ERR_OK;
    } else {
        json_faults_join(&faults, &text);
    }
    return err_why(why, ERR_BAD_FIELD, "\"args\" are not what %s asks for: %s",
                   script_meta_name(prepared), text.data == NULL ? "" : text.data);
}

void script_search_init(struct script_search *search, const struct catalog_search *places,
                        const json_t *request) {
    *search = (struct script_search){.search = *places,
                                     .path = json_str(request, "path", NULL),
                                     .name = json_str(request, "name", ""),
                                     .args = json_object_get(request, "args")};
    text_init(&search->members, MEMBERS_MAX);
}

void script_search_done(struct script_search *search) {
    catalog_script_done(&search->script);
    text_done(&search->members);
}

void script_search_free(struct script_search *search) {
    if (search != NULL) {
        script_search_done(search);
        mem_free(search);
    }
}

void script_search_find(struct script_search *search) {
    const struct catalog_script *script = &search->script;
    const struct script_fault *fault = &script->entry.fault;
    struct why why = {""};
    struct err err =
        search->path != NULL
            ? catalog_open(&search->search, search->path, &search->script, &why)
            : catalog_find(&search->search, bytes_of(search->name), &search->script, &why);
    if (err_failed(err) && why.text[0] == '\0') {
        why_set(&why, "%s", err_title(err.code));
    } else if (!err_failed(err) && !script->entry.valid) {
        why_set(&why, "%s:%u:%u: %s", script->entry.file, fault->line, fault->column,
                fault->message);
    } else if (!err_failed(err)) {
        why.text[0] = '\0';
        err = workflow_args_check(&script->prepared, search->args, &why);
    }
    if (why.text[0] != '\0') {
        why_set(&search->why, "workflow: %s", why.text);
        return;
    }
    workflow__add_script(&script->prepared, bytes_of(script->entry.file), &search->members);
    if (text_failed(&search->members)) {
        why_set(&search->why, "workflow: %s is too large", script->entry.file);
    }
}
