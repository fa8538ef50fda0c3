/* spec_parts.c: see the header. Sentences name the place: "retry.on[1]", "env.PATH". */
#include "engine/job/spec_parts.h"

#include "base/id.h"

#include <stdio.h>
#include <string.h>

#include "engine/budget/budget.h"
#include "engine/session/sessions.h"

static struct err bad(void) {
    return err_make(ERR_BAD_FIELD, "job: spec");
}

/* A nested object is read by the same table as any; only where it stands must be said. */
static struct err read_part(const json_t *object, const char *where,
                            const struct json_field *fields, size_t count, struct why *why) {
    struct why inner = {.text = ""};
    struct err err = json_read_fields(object, fields, count, &inner);
    if (err_failed(err)) {
        why_set(why, "\"%s\": %.280s", where, inner.text);
    }
    return err;
}

static bool holds_nul(const json_t *text) {
    return strlen(json_string_value(text)) != json_string_length(text);
}

struct err job_spec__argv(const json_t *argv, struct why *why) {
    for (size_t i = 0; i < json_array_size(argv); i++) {
        if (json_string_length(json_array_get(argv, i)) > JOB_WORD_MAX) {
            why_set(why, "argv[%zu] is longer than %d bytes, which no system takes", i,
                    JOB_WORD_MAX);
            return bad();
        }
    }
    if (json_string_length(json_array_get(argv, 0)) == 0) {
        why_set(why, "argv[0] names the program: it must not be empty");
        return bad();
    }
    return ERR_OK;
}

/* --- Environment ------------------------------------------------------------------------------ */

static struct err check_variable(const char *name, const json_t *value, struct why *why) {
    static const char ours[] = "DROVER_";
    if (name[0] == '\0' || strchr(name, '=') != NULL) {
        why_set(why, "env: the name '%.60s' must not be empty, nor hold '='", name);
        return bad();
    }
    if (strncmp(name, ours, sizeof ours - 1) == 0) {
        why_set(why, "env: '%.60s': names that begin with DROVER_ are set by drover itself", name);
        return bad();
    }
    if (!json_is_string(value) || holds_nul(value)) {
        why_set(why, "env: the value of '%.60s' must be a string without \\u0000", name);
        return bad();
    }
    if (strlen(name) + 1 + json_string_length(value) > JOB_WORD_MAX) {
        why_set(why, "env: '%.60s' and its value are longer than %d bytes, which no system takes",
                name, JOB_WORD_MAX);
        return bad();
    }
    return ERR_OK;
}

struct err job_spec__env(const json_t *env, struct why *why) {
    if (!json_is_object(env)) {
        why_set(why, "\"env\" must be an object of names and strings");
        return bad();
    }
    if (json_object_size(env) > JOB_ENV_MAX) {
        why_set(why, "\"env\" must have at most %d names, not %zu", JOB_ENV_MAX,
                json_object_size(env));
        return bad();
    }
    /* jansson's iterator takes no const, though it only reads. */
    json_t *iterated = (json_t *)env;
    struct err err = ERR_OK;
    for (void *at = json_object_iter(iterated); at != NULL && !err_failed(err);
         at = json_object_iter_next(iterated, at)) {
        err = check_variable(json_object_iter_key(at), json_object_iter_value(at), why);
    }
    return err;
}

/* --- Terminal, limits, retry ------------------------------------------------------------------ */

struct err job_spec__pty(const json_t *pty, struct job_spec *spec, struct why *why) {
    int64_t rows = 24, columns = 80;
    if (json_is_boolean(pty)) {
        spec->pty = json_is_true(pty);
    } else if (json_is_object(pty)) {
        const struct json_field fields[] = {
            {"rows", JSON_KIND_INT, false, 1, JOB_TERMINAL_MAX, .number = &rows},
            {"columns", JSON_KIND_INT, false, 1, JOB_TERMINAL_MAX, .number = &columns},
        };
        struct err err = read_part(pty, "pty", fields, COUNT_OF(fields), why);
        if (err_failed(err)) {
            return err;
        }
        spec->pty = true;
    } else {
        why_set(why, "\"pty\" must be true, false or {\"rows\", \"columns\"}");
        return bad();
    }
    spec->rows = spec->pty ? rows : 0;
    spec->columns = spec->pty ? columns : 0;
    return ERR_OK;
}

struct err job_spec__limits(const json_t *limits, struct job_spec *spec, struct why *why) {
    const struct json_field fields[] = {
        {"memory", JSON_KIND_INT, false, JOB_MEMORY_MIN, JOB_MEMORY_MAX, .number = &spec->memory},
        {"output", JSON_KIND_INT, false, JOB_OUTPUT_MIN, JOB_OUTPUT_LIMIT_MAX,
         .number = &spec->output},
        {"processes", JSON_KIND_INT, false, 1, JOB_PROCESSES_MAX, .number = &spec->processes},
    };
    return read_part(limits, "limits", fields, COUNT_OF(fields), why);
}

static struct err read_on(const json_t *list, unsigned *ret_on, struct why *why) {
    static const struct {
        const char *name;
        unsigned bit;
    } words[] = {{"failed", RETRY_FAILED}, {"timed_out", RETRY_TIMED_OUT}, {"lost", RETRY_LOST}};
    unsigned on = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        unsigned bit = 0;
        for (size_t w = 0; w < COUNT_OF(words); w++) {
            bit = strcmp(word, words[w].name) == 0 ? words[w].bit : bit;
        }
        if (bit == 0) {
            why_set(why, "retry.on[%zu]: '%.60s' is none of failed, timed_out, lost", i, word);
            return bad();
        }
        on |= bit;
    }
    *ret_on = on;
    return ERR_OK;
}

struct err job_spec__retry(const json_t *retry, struct job_spec *spec, struct why *why) {
    json_t *on = NULL;
    struct retry_policy policy = {.on = RETRY_FAILED, .backoff_ms = RETRY_BACKOFF_MS};
    const struct json_field fields[] = {
        {"max", JSON_KIND_INT, true, 0, JOB_RETRY_MAX, .number = &policy.max},
        {"on", JSON_KIND_TEXTS, false, 1, 3, .value = &on},
        {"backoff", JSON_KIND_INT, false, 0, RETRY_BACKOFF_MAX_MS, .number = &policy.backoff_ms},
    };
    struct err err = read_part(retry, "retry", fields, COUNT_OF(fields), why);
    if (!err_failed(err) && on != NULL) {
        err = read_on(on, &policy.on, why);
    }
    if (!err_failed(err)) {
        spec->retry = policy;
    }
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
        return false; /* A password would be shown to whoever may list what is owed. */
    }
    for (const char *at = host; *at != '\0'; at++) {
        if (*at <= 0x20 || *at >= 0x7f || *at == '"' || *at == '\\' || *at == '<' || *at == '>') {
            return false;
        }
    }
    return true;
}

static struct err check_receiver(const json_t *entry, size_t at, struct why *why) {
    char where[32];
    const char *url = NULL, *session = NULL;
    const struct json_field fields[] = {
        {"webhook", JSON_KIND_TEXT, false, 1, JOB_URL_MAX, .text = &url},
        {"session", JSON_KIND_TEXT, false, 1, JOB_URL_MAX, .text = &session},
    };
    (void)snprintf(where, sizeof where, "notify[%zu]", at); /* Fits. */
    struct err err = read_part(entry, where, fields, COUNT_OF(fields), why);
    if (err_failed(err)) {
        return err;
    }
    if (session != NULL && (url != NULL || !id_valid(session, strlen(session), "ses"))) {
        why_set(why, "%s: one of {\"session\": ID} and {\"webhook\": URL}", where);
        return bad();
    }
    if (session != NULL) {
        return ERR_OK; /* Whether it exists, the transaction knows. */
    }
    if (url == NULL) {
        why_set(why, "%s: one of {\"session\": ID} and {\"webhook\": URL}", where);
        return err_make(ERR_MISSING_FIELD, "job: notify");
    }
    if (!url_valid(url)) {
        why_set(why,
                "%s: \"webhook\" must be an address that begins with http:// or https://, without"
                " a user and password",
                where);
        return bad();
    }
    return ERR_OK;
}

struct err job_spec__notify(const json_t *notify, struct why *why) {
    if (!json_is_array(notify) || json_array_size(notify) > JOB_NOTIFY_MAX) {
        why_set(why, "\"notify\" must be an array of at most %d receivers", JOB_NOTIFY_MAX);
        return bad();
    }
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(notify) && !err_failed(err); i++) {
        err = check_receiver(json_array_get(notify, i), i, why);
    }
    return err;
}

/* --- Budget ----------------------------------------------------------------------------------- */

struct err job_spec__budget(const json_t *budget, struct job_spec *spec, struct why *why) {
    struct budget_limits limits;
    struct why inner = {.text = ""};
    struct err err = budget_limits_read(budget, &limits, &inner);
    if (err_failed(err)) {
        why_set(why, "\"budget\": %.280s", inner.text);
        return err;
    }
    spec->budgeted = true;
    spec->budget = limits.limits;
    return ERR_OK;
}

struct err job_spec__project(const char *project, struct why *why) {
    if (project == NULL || session_project_valid(bytes_of(project))) {
        return ERR_OK;
    }
    why_set(why, "\"project\": '%.60s' is not a name of 1 to %d of a-z, 0-9, '_', '.', '-'",
            project, SESSION_PROJECT_MAX);
    return bad();
}
