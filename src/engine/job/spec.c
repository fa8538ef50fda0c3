/* spec.c: the meaning of a job's fields (rules/job/fields.c), and what they allow beside each
 * other. Sentences name the place: "retry.on[1]", "env.PATH". */
#include "engine/job/spec.h"

#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "rules/budget/budget.h"
#include "rules/session/given.h"
#include "rules/session/session.h"

static struct err spec_bad(void) {
    return err_make(ERR_BAD_FIELD, "job: spec");
}

static bool holds_nul(const json_t *text) {
    return strlen(json_string_value(text)) != json_string_length(text);
}

/* --- Command ---------------------------------------------------------------------------------- */

static struct err command_check(const struct job_spec *spec, struct why *why) {
    if ((spec->argv == NULL) == (spec->shell == NULL)) {
        why_set(why, spec->argv == NULL ? "\"argv\" or \"shell\" is missing: what shall run?"
                                        : "\"argv\" and \"shell\" exclude each other");
        return spec->argv == NULL ? err_make(ERR_MISSING_FIELD, "job: spec") : spec_bad();
    }
    if (spec->cwd != NULL && spec->cwd[0] != '/') {
        why_set(why, "\"cwd\" must be an absolute path, not '%.100s'", spec->cwd);
        return spec_bad();
    }
    for (size_t i = 0; i < json_array_size(spec->argv); i++) {
        if (json_string_length(json_array_get(spec->argv, i)) > JOB_WORD_MAX) {
            why_set(why, "argv[%zu] is longer than %d bytes, which no system takes", i,
                    JOB_WORD_MAX);
            return spec_bad();
        }
    }
    if (spec->argv != NULL && json_string_length(json_array_get(spec->argv, 0)) == 0) {
        why_set(why, "argv[0] names the program: it must not be empty");
        return spec_bad();
    }
    if (spec->sandbox && spec->cwd == NULL) {
        return err_why(why, ERR_MISSING_FIELD,
                       "\"sandbox\" keeps a command in its folder: say in which one, by \"cwd\"");
    }
    return ERR_OK;
}

static struct err variable_check(const char *name, const json_t *value, struct why *why) {
    static const char ours[] = "DROVER_";
    if (name[0] == '\0' || strchr(name, '=') != NULL) {
        why_set(why, "env: the name '%.60s' must not be empty, nor hold '='", name);
        return spec_bad();
    }
    if (strncmp(name, ours, sizeof ours - 1) == 0) {
        why_set(why, "env: '%.60s': names that begin with DROVER_ are set by drover itself", name);
        return spec_bad();
    }
    if (!json_is_string(value) || holds_nul(value)) {
        why_set(why, "env: the value of '%.60s' must be a string without \\u0000", name);
        return spec_bad();
    }
    if (strlen(name) + 1 + json_string_length(value) > JOB_WORD_MAX) {
        why_set(why, "env: '%.60s' and its value are longer than %d bytes, which no system takes",
                name, JOB_WORD_MAX);
        return spec_bad();
    }
    return ERR_OK;
}

static struct err env_check(const json_t *env, struct why *why) {
    if (!json_is_object(env)) {
        why_set(why, "\"env\" must be an object of names and strings");
        return spec_bad();
    }
    if (json_object_size(env) > JOB_ENV_MAX) {
        why_set(why, "\"env\" must have at most %d names, not %zu", JOB_ENV_MAX,
                json_object_size(env));
        return spec_bad();
    }
    /* jansson's iterator takes no const, though it only reads. */
    json_t *iterated = (json_t *)env;
    struct err err = ERR_OK;
    for (void *at = json_object_iter(iterated); at != NULL && !err_failed(err);
         at = json_object_iter_next(iterated, at)) {
        err = variable_check(json_object_iter_key(at), json_object_iter_value(at), why);
    }
    return err;
}

static struct err terminal_read(const json_t *pty, struct job_spec *spec, struct why *why) {
    struct why inner = {.text = ""};
    if (!json_is_boolean(pty) && !json_is_object(pty)) {
        why_set(why, "\"pty\" must be true, false or {\"rows\", \"columns\"}");
        return spec_bad();
    }
    struct err err =
        fields_read(&job_terminal_fields, FIELD_GIVEN,
                    json_is_object(pty) ? pty : NULL /* the usual size */, spec, &inner);
    if (err_failed(err)) {
        why_set(why, "\"pty\": %.280s", inner.text);
    }
    spec->pty = !json_is_false(pty);
    spec->rows = spec->pty ? spec->rows : 0;
    spec->columns = spec->pty ? spec->columns : 0;
    return err;
}

/* --- Notify ----------------------------------------------------------------------------------- */

/* http(s)://HOST…, printable ASCII: what is not can be written with percent signs. Which addresses
 * are allowed is asked when a connection is made, not here. */
static bool url_valid(const char *url) {
    const char *host = strncmp(url, "https://", 8) == 0  ? url + 8
                       : strncmp(url, "http://", 7) == 0 ? url + 7
                                                         : NULL;
    if (host == NULL || host[0] == '\0' || strchr("/?#:@", host[0]) != NULL) {
        return false;
    }
    if (memchr(host, '@', strcspn(host, "/?#")) != NULL) {
        return false; /* Lists of notices would show a password. */
    }
    for (const char *at = host; *at != '\0'; at++) {
        if (*at <= 0x20 || *at >= 0x7f || *at == '"' || *at == '\\' || *at == '<' || *at == '>') {
            return false;
        }
    }
    return true;
}

static struct err receiver_check(const json_t *entry, size_t at, struct why *why) {
    char where[32];
    const char *url = NULL, *session = NULL;
    const struct json_field fields[] = {
        {"webhook", JSON_KIND_TEXT, false, 1, JOB_URL_MAX, .text = &url},
        {"session", JSON_KIND_TEXT, false, 1, JOB_URL_MAX, .text = &session},
    };
    (void)snprintf(where, sizeof where, "notify[%zu]", at); /* Fits. */
    struct why inner = {.text = ""};
    struct err err = json_read_fields(entry, fields, COUNT_OF(fields), &inner);
    if (err_failed(err)) {
        why_set(why, "\"%s\": %.280s", where, inner.text);
        return err;
    }
    if (session != NULL && (url != NULL || !id_valid(session, strlen(session), "ses"))) {
        why_set(why, "%s: one of {\"session\": ID} and {\"webhook\": URL}", where);
        return spec_bad();
    }
    if (session != NULL) {
        return ERR_OK; /* Whether it exists, the transaction knows. */
    }
    if (url == NULL) {
        return err_why(why, ERR_MISSING_FIELD,
                       "%s: one of {\"session\": ID} and {\"webhook\": URL}", where);
    }
    if (!url_valid(url)) {
        why_set(why,
                "%s: \"webhook\" must be an address that begins with http:// or https://, without"
                " a user and password",
                where);
        return spec_bad();
    }
    return ERR_OK;
}

struct err job_spec_notify(const json_t *notify, struct why *why) {
    if (!json_is_array(notify) || json_array_size(notify) > JOB_NOTIFY_MAX) {
        why_set(why, "\"notify\" must be an array of at most %d receivers", JOB_NOTIFY_MAX);
        return spec_bad();
    }
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(notify) && !err_failed(err); i++) {
        err = receiver_check(json_array_get(notify, i), i, why);
    }
    return err;
}

/* --- Whose, and for how much ------------------------------------------------------------------ */

struct err job_spec_budget(const json_t *budget, struct amounts *ret_budget, struct why *why) {
    struct budget_limits limits;
    struct why inner = {.text = ""};
    struct err err = budget_limits_read(budget, &limits, &inner);
    if (err_failed(err)) {
        why_set(why, "\"budget\": %.280s", inner.text);
        return err;
    }
    *ret_budget = limits.limits;
    return ERR_OK;
}

struct err job_spec_project(const char *project, struct why *why) {
    if (project == NULL || session_project_valid(bytes_of(project))) {
        return ERR_OK;
    }
    why_set(why, "\"project\": '%.60s' is not a name of 1 to %d of a-z, 0-9, '_', '.', '-'",
            project, SESSION_PROJECT_MAX);
    return spec_bad();
}

/* --- All of it -------------------------------------------------------------------------------- */

/* Values that each field allows by itself, but not beside another. */
static struct err together_check(const struct job_spec *spec, struct why *why) {
    if (spec->key == NULL && spec->key_max > 0) {
        why_set(why, "\"key_max\" says how many of one key run at once: it needs a \"key\"");
        return spec_bad();
    }
    if (spec->once && spec->retry.max > 0) {
        why_set(why, "\"retry\" would run it again, and \"once\" forbids that: leave one of them"
                     " out");
        return spec_bad();
    }
    return ERR_OK;
}

static struct err meaning_check(struct job_spec *spec, struct why *why) {
    struct err err = command_check(spec, why);
    if (!err_failed(err)) {
        err = job_spec_project(spec->project, why);
    }
    if (!err_failed(err) && spec->env != NULL) {
        err = env_check(spec->env, why);
    }
    if (!err_failed(err) && spec->pty_asked != NULL) {
        err = terminal_read(spec->pty_asked, spec, why);
    }
    if (!err_failed(err) && spec->notify != NULL) {
        err = job_spec_notify(spec->notify, why);
    }
    if (!err_failed(err) && spec->budget_asked != NULL) {
        err = job_spec_budget(spec->budget_asked, &spec->budget, why);
        spec->budgeted = !err_failed(err);
    }
    return err_failed(err) ? err : together_check(spec, why);
}

struct err job_spec_read(const json_t *json, struct job_spec *ret_spec, struct why *why) {
    struct job_spec spec = {.argv = NULL};
    struct err err = fields_read(&job_fields, FIELD_GIVEN, json, &spec, why);
    if (!err_failed(err)) {
        spec.sandbox = spec.sandbox_asked != NULL && strcmp(spec.sandbox_asked, "on") == 0;
        err = meaning_check(&spec, why);
    }
    if (err_failed(err)) {
        return err;
    }
    if (spec.key != NULL && spec.key_max == 0) {
        spec.key_max = 1;
    }
    spec.input_open = spec.input_open || spec.pty;
    *ret_spec = spec;
    return ERR_OK;
}
