/* spec.c: the meaning of a job's fields (rules/job/fields.c), and what they allow beside each
 * other. Sentences name the place: "retry.on[1]", "env.PATH". */
#include "engine/job/spec.h"

#include <string.h>

#include "base/id.h"
#include "rules/budget/budget.h"
#include "rules/session/given.h"
#include "rules/session/session.h"

static struct err command_check(const struct job_spec *spec, struct why *why) {
    if (spec->argv == NULL && spec->shell == NULL) {
        return err_why(why, ERR_MISSING_FIELD,
                       "\"argv\" or \"shell\" is missing: name the command to run");
    }
    if (spec->argv != NULL && spec->shell != NULL) {
        return err_why(why, ERR_BAD_FIELD, "\"argv\" and \"shell\" exclude each other");
    }
    if (spec->cwd != NULL && spec->cwd[0] != '/') {
        return err_why(why, ERR_BAD_FIELD, "\"cwd\" must be an absolute path, not '%.100s'",
                       spec->cwd);
    }
    for (size_t i = 0; i < json_array_size(spec->argv); i++) {
        if (json_string_length(json_array_get(spec->argv, i)) > JOB_WORD_MAX) {
            return err_why(why, ERR_BAD_FIELD,
                           "argv[%zu] is longer than %d bytes, which no system takes", i,
                           JOB_WORD_MAX);
        }
    }
    if (spec->argv != NULL && json_string_length(json_array_get(spec->argv, 0)) == 0) {
        return err_why(why, ERR_BAD_FIELD, "argv[0] names the program: it must not be empty");
    }
    if (spec->sandbox && spec->cwd == NULL) {
        return err_why(why, ERR_MISSING_FIELD,
                       "\"sandbox\" keeps a command in its folder: name that folder in \"cwd\"");
    }
    return ERR_OK;
}

static struct err variable_check(const char *name, const json_t *value, struct why *why) {
    if (name[0] == '\0' || strchr(name, '=') != NULL) {
        return err_why(why, ERR_BAD_FIELD, "env: the name '%.60s' must not be empty, nor hold '='",
                       name);
    }
    if (bytes_begin(bytes_of(name), BYTES("DROVER_"))) {
        return err_why(why, ERR_BAD_FIELD,
                       "env: '%.60s': names that begin with DROVER_ are set by drover itself",
                       name);
    }
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)) {
        return err_why(why, ERR_BAD_FIELD,
                       "env: the value of '%.60s' must be a string without \\u0000", name);
    }
    if (strlen(name) + 1 + json_string_length(value) > JOB_WORD_MAX) {
        return err_why(why, ERR_BAD_FIELD,
                       "env: '%.60s' and its value are longer than %d bytes, which no system takes",
                       name, JOB_WORD_MAX);
    }
    return ERR_OK;
}

static struct err env_check(const json_t *env, struct why *why) {
    if (!json_is_object(env)) {
        return err_why(why, ERR_BAD_FIELD, "\"env\" must be an object of names and strings");
    }
    if (json_object_size(env) > JOB_ENV_MAX) {
        return err_why(why, ERR_BAD_FIELD, "\"env\" must have at most %d names, not %zu",
                       JOB_ENV_MAX, json_object_size(env));
    }
    const char *name;
    json_t *value;
    struct err err = ERR_OK;
    /* The macro takes no const, though it only reads. */
    json_object_foreach((json_t *)env, name, value) {
        err = variable_check(name, value, why);
        if (err_failed(err)) {
            break;
        }
    }
    return err;
}

static struct err terminal_read(const json_t *pty, struct job_spec *spec, struct why *why) {
    struct why inner = {.text = ""};
    if (!json_is_boolean(pty) && !json_is_object(pty)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"pty\" must be true, false or {\"rows\", \"columns\"}");
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
bool job_spec_url_valid(const char *url) {
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
    const char *url = NULL, *session = NULL;
    const struct json_field fields[] = {
        {"webhook", JSON_KIND_TEXT, false, 1, JOB_URL_MAX, .text = &url},
        {"session", JSON_KIND_TEXT, false, 1, JOB_URL_MAX, .text = &session},
    };
    struct why inner = {.text = ""};
    struct err err = json_read_fields(entry, fields, COUNT_OF(fields), &inner);
    if (err_failed(err)) {
        why_set(why, "\"notify[%zu]\": %.280s", at, inner.text);
        return err;
    }
    bool named = session != NULL && id_valid(session, strlen(session), "ses");
    if ((url == NULL) == (session == NULL) || (session != NULL && !named)) {
        return err_why(why, session == NULL ? ERR_MISSING_FIELD : ERR_BAD_FIELD,
                       "notify[%zu]: one of {\"session\": ID} and {\"webhook\": URL}", at);
    }
    if (url != NULL && !job_spec_url_valid(url)) {
        return err_why(why, ERR_BAD_FIELD,
                       "notify[%zu]: \"webhook\" must be an address that begins with http:// or"
                       " https://, without a user and password",
                       at);
    }
    return ERR_OK; /* Whether a session exists, the transaction knows. */
}

struct err job_spec_notify(const json_t *notify, struct why *why) {
    if (!json_is_array(notify) || json_array_size(notify) > JOB_NOTIFY_MAX) {
        return err_why(why, ERR_BAD_FIELD, "\"notify\" must be an array of at most %d receivers",
                       JOB_NOTIFY_MAX);
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
    return project == NULL || session_project_valid(bytes_of(project))
               ? ERR_OK
               : err_why(why, ERR_BAD_FIELD,
                         "\"project\": '%.60s' is not a name of 1 to %d of a-z, 0-9, '_', '.', '-'",
                         project, SESSION_PROJECT_MAX);
}

/* --- All of it -------------------------------------------------------------------------------- */

struct err job_spec_read(const json_t *json, struct job_spec *ret_spec, struct why *why) {
    struct job_spec spec = {.argv = NULL};
    struct err err = fields_read(&job_fields, FIELD_GIVEN, json, &spec, why);
    spec.sandbox = spec.sandbox_asked != NULL && strcmp(spec.sandbox_asked, "on") == 0;
    if (!err_failed(err)) {
        err = command_check(&spec, why);
    }
    if (!err_failed(err)) {
        err = job_spec_project(spec.project, why);
    }
    if (!err_failed(err) && spec.env != NULL) {
        err = env_check(spec.env, why);
    }
    if (!err_failed(err) && spec.pty_asked != NULL) {
        err = terminal_read(spec.pty_asked, &spec, why);
    }
    if (!err_failed(err) && spec.notify != NULL) {
        err = job_spec_notify(spec.notify, why);
    }
    if (!err_failed(err) && spec.budget_asked != NULL) {
        err = job_spec_budget(spec.budget_asked, &spec.budget, why);
        spec.budgeted = !err_failed(err);
    }
    if (err_failed(err)) {
        return err;
    }
    /* Values that each field allows by itself, but not beside another. */
    if (spec.key == NULL && spec.key_max > 0) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"key_max\" limits how many jobs of one key run at once: it needs a "
                       "\"key\"");
    }
    if (spec.once && spec.retry.max > 0) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"retry\" would run it again, and \"once\" forbids that: leave one of them"
                       " out");
    }
    if (spec.key != NULL && spec.key_max == 0) {
        spec.key_max = 1;
    }
    spec.input_open = spec.input_open || spec.pty;
    *ret_spec = spec;
    return ERR_OK;
}

/* Members that drover alone writes, and no client: of programs that are agents, of working
 * trees. */
struct err job_spec_read_stored(json_t *json, struct job_spec *ret_spec, struct why *why) {
    AUTO(json_release) json_t *agent = json_incref(json_object_get(json, "agent"));
    AUTO(json_release) json_t *token_for = json_incref(json_object_get(json, "token_for"));
    (void)json_object_del(json, "agent"); /* Most have none. */
    (void)json_object_del(json, "token_for");
    AUTO(json_release) json_t *ports = json_incref(json_object_get(json, "ports"));
    (void)json_object_del(json, "ports");
    struct err err = job_spec_read(json, ret_spec, why);
    if (!err_failed(err) && agent != NULL && json_object_set(json, "agent", agent) == 0) {
        ret_spec->agent = true;
        ret_spec->secrets = json_is_object(agent) ? agent : NULL; /* Lives as `json` does. */
    }
    if (!err_failed(err) && token_for != NULL &&
        json_object_set(json, "token_for", token_for) == 0) {
        ret_spec->token_for = json_string_value(token_for); /* The same. */
    }
    if (!err_failed(err) && ports != NULL && json_object_set(json, "ports", ports) == 0) {
        ret_spec->ports = json_string_value(ports); /* The same. */
    }
    return err;
}

struct run_new job_run_new(const struct id *run, struct bytes spec) {
    return (struct run_new){
        .run = *run, .spec = spec, .key = BYTES(""), .label = BYTES(""), .kind = KIND_JOB};
}
