/* spec.c: a job's fields, by table, and what they mean together. */
#include "engine/job/spec.h"

#include <string.h>

#include "engine/job/spec_parts.h"
#include "engine/run/runs.h"

#define TIMEOUT_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)
enum { KEY_RUNS_MAX = 100000 };

static struct err bad(void) {
    return err_make(ERR_BAD_FIELD, "job: spec");
}

/* Labels and keys are shown in terminals and lists. */
static struct err check_plain(const char *name, const char *text, struct why *why) {
    for (const char *at = text; at != NULL && *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            why_set(why, "\"%s\" must not hold control characters", name);
            return bad();
        }
    }
    return ERR_OK;
}

static struct err check_command(const struct job_spec *spec, struct why *why) {
    if ((spec->argv == NULL) == (spec->shell == NULL)) {
        why_set(why, spec->argv == NULL ? "\"argv\" or \"shell\" is missing: what shall run?"
                                        : "\"argv\" and \"shell\" exclude each other");
        return spec->argv == NULL ? err_make(ERR_MISSING_FIELD, "job: spec") : bad();
    }
    if (spec->cwd != NULL && spec->cwd[0] != '/') {
        why_set(why, "\"cwd\" must be an absolute path, not '%.100s'", spec->cwd);
        return bad();
    }
    return spec->argv == NULL ? ERR_OK : job_spec__argv(spec->argv, why);
}

static struct err check_sandbox(const char *sandbox, struct job_spec *spec, struct why *why) {
    spec->sandbox = sandbox != NULL && strcmp(sandbox, "on") == 0;
    if (sandbox != NULL && !spec->sandbox && strcmp(sandbox, "off") != 0) {
        why_set(why, "\"sandbox\": '%.60s' is not known; \"on\" and \"off\" are", sandbox);
        return bad();
    }
    if (spec->sandbox && spec->cwd == NULL) {
        why_set(why, "\"sandbox\" keeps a command in its folder: say in which one, by \"cwd\"");
        return err_make(ERR_MISSING_FIELD, "job: sandbox");
    }
    return ERR_OK;
}

/* What each field allows by itself, but not beside another. */
static struct err check_together(const struct job_spec *spec, struct why *why) {
    if (spec->key == NULL && spec->key_max > 0) {
        why_set(why, "\"key_max\" says how many of one key run at once: it needs a \"key\"");
        return bad();
    }
    if (spec->once && spec->retry.max > 0) {
        why_set(why, "\"retry\" would run it again, and \"once\" forbids that: leave one of them"
                     " out");
        return bad();
    }
    return ERR_OK;
}

struct parts {
    json_t *pty, *limits, *retry, *budget;
};

static struct err check_parts(const struct parts *parts, struct job_spec *spec, struct why *why) {
    struct err err = ERR_OK;
    if (spec->env != NULL) {
        err = job_spec__env(spec->env, why);
    }
    if (!err_failed(err) && parts->pty != NULL) {
        err = job_spec__pty(parts->pty, spec, why);
    }
    if (!err_failed(err) && parts->limits != NULL) {
        err = job_spec__limits(parts->limits, spec, why);
    }
    if (!err_failed(err) && parts->retry != NULL) {
        err = job_spec__retry(parts->retry, spec, why);
    }
    if (!err_failed(err) && spec->notify != NULL) {
        err = job_spec__notify(spec->notify, why);
    }
    if (!err_failed(err) && parts->budget != NULL) {
        err = job_spec__budget(parts->budget, spec, why);
    }
    return err;
}

static struct err check_all(const struct parts *parts, const char *sandbox, struct job_spec *spec,
                            struct why *why) {
    struct err err = check_command(spec, why);
    if (!err_failed(err)) {
        err = check_plain("label", spec->label, why);
    }
    if (!err_failed(err)) {
        err = check_plain("key", spec->key, why);
    }
    if (!err_failed(err)) {
        err = check_sandbox(sandbox, spec, why);
    }
    if (!err_failed(err)) {
        err = job_spec__project(spec->project, why);
    }
    if (!err_failed(err)) {
        err = check_parts(parts, spec, why);
    }
    return err_failed(err) ? err : check_together(spec, why);
}

struct err job_spec_read(const json_t *json, struct job_spec *ret_spec, struct why *why) {
    struct job_spec spec = {.output = JOB_LOG_DEFAULT};
    struct parts parts = {.pty = NULL};
    const char *sandbox = NULL;
    const struct json_field fields[] = {
        {"argv", JSON_KIND_TEXTS, false, 1, JOB_ARGS_MAX, .value = &spec.argv},
        {"shell", JSON_KIND_TEXT, false, 1, JOB_WORD_MAX, .text = &spec.shell},
        {"cwd", JSON_KIND_TEXT, false, 1, JOB_CWD_MAX, .text = &spec.cwd},
        {"env", JSON_KIND_ANY, .value = &spec.env},
        {"stdin", JSON_KIND_TEXT, false, 0, RUN_SPEC_MAX, .text = &spec.input},
        {"stdin_open", JSON_KIND_BOOL, .flag = &spec.input_open},
        {"pty", JSON_KIND_ANY, .value = &parts.pty},
        {"timeout_ms", JSON_KIND_INT, false, 1, TIMEOUT_MAX_MS, .number = &spec.timeout_ms},
        {"limits", JSON_KIND_ANY, .value = &parts.limits},
        {"key", JSON_KIND_TEXT, false, 1, JOB_KEY_MAX, .text = &spec.key},
        {"key_max", JSON_KIND_INT, false, 1, KEY_RUNS_MAX, .number = &spec.key_max},
        {"priority", JSON_KIND_INT, false, -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX,
         .number = &spec.priority},
        {"once", JSON_KIND_BOOL, .flag = &spec.once},
        {"label", JSON_KIND_TEXT, false, 1, JOB_LABEL_MAX, .text = &spec.label},
        {"sandbox", JSON_KIND_TEXT, .text = &sandbox},
        {"retry", JSON_KIND_ANY, .value = &parts.retry},
        {"notify", JSON_KIND_ANY, .value = &spec.notify},
        {"project", JSON_KIND_TEXT, .text = &spec.project},
        {"budget", JSON_KIND_ANY, .value = &parts.budget},
    };
    struct err err = json_read_fields(json, fields, COUNT_OF(fields), why);
    if (!err_failed(err)) {
        err = check_all(&parts, sandbox, &spec, why);
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
