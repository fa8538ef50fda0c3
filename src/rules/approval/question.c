/* question.c: see question.h. */
#include "rules/approval/question.h"

#include <string.h>

#include "base/json/schema.h"
#include "base/text.h"

const char *const approval_kind_names[] = {"leave", "answer", "confirm", "choice", "form", NULL};
const char *const approval_scope_names[] = {"", "once", "session", "project", NULL};
const char *const approval_verb_members[] = {
    [APPROVAL_ANSWER] = "answer", [APPROVAL_CHOICE] = "choice", [APPROVAL_FIELDS] = "fields"};

/* --- The question ----------------------------------------------------------------------------- */

static struct err options_check(const json_t *options, struct why *why) {
    const size_t count = json_array_size(options);
    if (count < 2 || count > QUESTION_OPTIONS_MAX) {
        return err_why(why, ERR_BAD_FIELD, "options: 2 to %d texts", QUESTION_OPTIONS_MAX);
    }
    for (size_t at = 0; at < count; at++) {
        const json_t *option = json_array_get(options, at);
        const size_t len = json_string_length(option);
        if (len == 0 || len > QUESTION_OPTION_MAX) {
            return err_why(why, ERR_BAD_FIELD, "options[%zu]: a text of 1 to %d bytes", at,
                           QUESTION_OPTION_MAX);
        }
        for (size_t other = 0; other < at; other++) {
            if (json_same(option, json_array_get(options, other))) {
                return err_why(why, ERR_BAD_FIELD, "options[%zu]: the same as options[%zu]", at,
                               other);
            }
        }
    }
    return ERR_OK;
}

static struct err schema_check(const json_t *json, struct why *why) {
    AUTO(json_schema_release) struct json_schema *schema = NULL;
    struct why inner = {""};
    const json_t *type = json_object_get(json, "type");
    if (!json_is_string(type) || strcmp(json_string_value(type), "object") != 0) {
        return err_why(why, ERR_BAD_FIELD, "schema: its type must be \"object\"");
    }
    struct err err = json_schema_compile(json, &schema, &inner);
    if (!err_failed(err) && json_schema_is_void(schema, &inner)) {
        err = err_make(ERR_BAD_FIELD, "question: schema");
    }
    return err.code == ERR_BAD_FIELD ? err_why(why, ERR_BAD_FIELD, "schema: %s", inner.text) : err;
}

struct err question_check(const json_t *question, enum approval_kind *ret_kind, struct why *why) {
    const json_t *options = json_object_get(question, "options");
    const json_t *schema = json_object_get(question, "schema");
    if (options != NULL && schema != NULL) {
        return err_why(why, ERR_BAD_FIELD, "options and schema: one of them, or none");
    }
    *ret_kind = options != NULL ? ASKS_CHOICE : schema != NULL ? ASKS_FORM : ASKS_CONFIRM;
    return options != NULL  ? options_check(options, why)
           : schema != NULL ? schema_check(schema, why)
                            : ERR_OK;
}

/* --- An answer -------------------------------------------------------------------------------- */

static const struct {
    enum approval_verb verb; /* The verb that a kind takes, */
    const char *words;       /* and the sentence for another one. */
} fits[] = {
    [ASKS_LEAVE] = {APPROVAL_ALLOW, "this is not a question: allow or deny it"},
    [ASKS_ANSWER] = {APPROVAL_ANSWER, "this is a question: answer it with a text, or deny it"},
    [ASKS_CONFIRM] = {APPROVAL_ALLOW, "this takes a yes or a no: allow or deny it"},
    [ASKS_CHOICE] = {APPROVAL_CHOICE, "this is a choice: answer with one of its options, or deny "
                                      "it"},
    [ASKS_FORM] = {APPROVAL_FIELDS, "this is a form: answer with its fields, or deny it"},
};

static struct err choice_check(const json_t *options, const json_t *choice, struct why *why) {
    for (size_t at = 0; at < json_array_size(options); at++) {
        if (json_same(json_array_get(options, at), choice)) {
            return ERR_OK;
        }
    }
    return err_why(why, ERR_BAD_FIELD, "choice: none of the options");
}

static struct err fields_check_schema(const json_t *json, const json_t *fields, struct why *why) {
    AUTO(json_schema_release) struct json_schema *schema = NULL;
    AUTO(text_done) struct text words = text_up_to((size_t)4 << 10);
    struct json_faults faults = {.count = 0};
    struct err err = json_schema_compile(json, &schema, why);
    if (!err_failed(err)) {
        err = json_schema_check(schema, fields, &faults);
    }
    if (faults.count > 0) {
        json_faults_join(&faults, &words);
        return err_why(why, err.code, "fields: %s", text_bytes(&words).data);
    }
    return err;
}

static struct err scope_check(const struct question_answer *answer, struct why *why) {
    const bool rule = answer->scope >= APPROVAL_SESSION;
    if (answer->verb == APPROVAL_DENY && rule) {
        return err_why(why, ERR_BAD_FIELD,
                       "scope: a no is for this call; rules that deny stand in the settings of the "
                       "session or of its project");
    }
    if (answer->kind != ASKS_LEAVE && rule) {
        return err_why(why, ERR_BAD_FIELD, "scope: this is a question, which no rule can answer");
    }
    if (answer->folder && answer->verb == APPROVAL_ALLOW && answer->scope == APPROVAL_ONCE) {
        return err_why(why, ERR_BAD_FIELD,
                       "scope: a folder is granted to the session or to its project, and can be "
                       "revoked");
    }
    return ERR_OK;
}

struct err question_check_answer(const struct question_answer *answer, struct why *why) {
    AUTO(json_release) json_t *question = NULL, *given = NULL;
    TRY(scope_check(answer, why));
    if (answer->verb == APPROVAL_DENY) {
        return ERR_OK;
    }
    if (answer->verb != fits[answer->kind].verb) {
        return err_why(why, ERR_BAD_FIELD, "%s", fits[answer->kind].words);
    }
    if (answer->kind != ASKS_CHOICE && answer->kind != ASKS_FORM) {
        return ERR_OK;
    }
    struct err err = json_parse_wrapped(answer->question, &question, why);
    if (!err_failed(err)) {
        err = json_parse_wrapped(answer->text, &given, why);
    }
    if (err_failed(err)) {
        return err;
    }
    const json_t *value = json_object_get(given, approval_verb_members[answer->verb]);
    return answer->kind == ASKS_CHOICE
               ? choice_check(json_object_get(question, "options"), value, why)
               : fields_check_schema(json_object_get(question, "schema"), value, why);
}
