/* args.c: see flow_args.h. */
#include "dispatch/workflow/args.h"

#include "base/json/schema.h"

static struct err misfit(const struct script_prepared *prepared, const char *what,
                         struct why *why) {
    why_set(why, "\"args\" are not what %s asks for: %s", script_meta_name(prepared), what);
    return err_make(ERR_BAD_FIELD, "workflows: args");
}

struct err flow_args_check(const struct script_prepared *prepared, const json_t *args,
                           struct why *why) {
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    AUTO(json_release) json_t *none = NULL;
    AUTO(text_done) struct text text = {0};
    const json_t *schema = script_meta_args(prepared);
    struct json_faults faults = {.count = 0};
    struct why inner = {""};
    if (schema == NULL) {
        return ERR_OK;
    }
    if (args == NULL) {
        none = json_object();
        args = none;
    }
    if (err_failed(json_schema_compile(schema, &compiled, &inner))) {
        return misfit(prepared, inner.text, why);
    }
    text_init(&text, sizeof why->text);
    if (!err_failed(json_schema_check(compiled, args, &faults))) {
        return ERR_OK;
    }
    json_faults_join(&faults, &text);
    return misfit(prepared, text.data == NULL ? "" : text.data, why);
}
