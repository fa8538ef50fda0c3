/* spec.c: the fields that a client sends to start a workflow. */
#include "engine/workflow/spec.h"

#include <string.h>

#include "engine/job/spec.h"
#include "engine/workflow/workflows.h"

static struct err bad(void) {
    return err_make(ERR_BAD_FIELD, "workflow: spec");
}

/* Checks what the fields mean together. */
static struct err spec_check(const struct workflow_spec *spec, enum workflow_source source,
                             struct why *why) {
    bool given = spec->script != NULL || spec->name != NULL || spec->path != NULL;
    if (source == WORKFLOW_SOURCE_OUTSIDE && given) {
        why_set(why, "the path names the workflow: \"script\", \"name\" and \"scriptPath\" are not "
                     "taken here");
        return bad();
    }
    if (source == WORKFLOW_SOURCE_INSIDE && !given && spec->resume == NULL) {
        return err_why(why, ERR_MISSING_FIELD,
                       "one of \"script\", \"name\" and \"scriptPath\" says what runs");
    }
    if (spec->settings != NULL && !json_is_object(spec->settings)) {
        why_set(why, "\"settings\" must be an object, as sessions have it");
        return bad();
    }
    if (spec->root != NULL && spec->root[0] != '/') {
        why_set(why, "\"root\" must be an absolute path");
        return bad();
    }
    struct err err = job_spec_project(spec->project, why);
    return err_failed(err) || spec->notify == NULL ? err : job_spec_notify(spec->notify, why);
}

static struct err budget_read(json_t *budget, struct workflow_spec *spec, struct why *why) {
    if (budget == NULL) {
        return ERR_OK;
    }
    struct err err = job_spec_budget(budget, &spec->budget, why);
    spec->budgeted = !err_failed(err);
    spec->budget_asked = budget;
    return err;
}

/* --- Limits ----------------------------------------------------------------------------------- */

enum limit { LIMIT_TIME, LIMIT_AGENT_TIME, LIMIT_CONCURRENCY, LIMIT_TOTAL, LIMIT_BUDGET, LIMITS };
static const char *const limit_names[LIMITS] = {
    [LIMIT_TIME] = "timeout_ms",         [LIMIT_AGENT_TIME] = "agent_timeout_ms",
    [LIMIT_CONCURRENCY] = "concurrency", [LIMIT_TOTAL] = "total",
    [LIMIT_BUDGET] = "budget",
};

/* Nulls go, so that the rest is read as if they had not been there. The values stay `json`'s. */
static json_t *without_lifted(const json_t *json, unsigned *lifted) {
    json_t *copy = json_copy((json_t *)json);
    *lifted = 0;
    for (unsigned i = 0; i < LIMITS; i++) {
        if (json_is_null(json_object_get(copy, limit_names[i]))) {
            (void)json_object_del(copy, limit_names[i]);
            *lifted |= 1U << i;
        }
    }
    return copy;
}

static void take_number(const struct workflow_spec *spec, const json_t *old, enum limit limit,
                        int64_t absent, int64_t *number) {
    if (*number == absent && (spec->lifted & 1U << limit) == 0) {
        *number = json_int(old, limit_names[limit], absent);
    }
}

struct err workflow_spec_inherit(struct workflow_spec *spec, const json_t *old, struct why *why) {
    take_number(spec, old, LIMIT_TIME, 0, &spec->timeout_ms);
    take_number(spec, old, LIMIT_AGENT_TIME, 0, &spec->agent_timeout_ms);
    take_number(spec, old, LIMIT_CONCURRENCY, 0, &spec->concurrency);
    take_number(spec, old, LIMIT_TOTAL, -1, &spec->total);
    struct err err = ERR_OK;
    if (!spec->budgeted && (spec->lifted & 1U << LIMIT_BUDGET) == 0) {
        err = budget_read(json_object_get(old, limit_names[LIMIT_BUDGET]), spec, why);
    }
    spec->args = spec->args != NULL ? spec->args : json_object_get(old, "args");
    if (spec->confined) {
        bool longer = spec->agent_timeout_ms > WORKFLOW_AGENT_MS;
        spec->agent_timeout_ms = longer ? 0 : spec->agent_timeout_ms;
        return err;
    }
    spec->root = spec->root != NULL ? spec->root : json_str(old, "root", NULL);
    spec->model = spec->model != NULL ? spec->model : json_str(old, "model", NULL);
    spec->project = spec->project != NULL ? spec->project : json_str(old, "project", NULL);
    spec->settings = spec->settings != NULL ? spec->settings : json_object_get(old, "settings");
    return err;
}

/* --- Asked ------------------------------------------------------------------------------------ */

struct err workflow_spec_read(const json_t *json, enum workflow_source source,
                              struct workflow_spec *ret_spec, struct why *why) {
    struct workflow_spec spec = {.script = NULL};
    AUTO(json_release) json_t *said = without_lifted(json, &spec.lifted);
    struct err err = fields_read(&workflow_fields, FIELD_GIVEN, said, &spec, why);
    if (!err_failed(err)) {
        err = spec_check(&spec, source, why);
    }
    if (!err_failed(err)) {
        err = budget_read(spec.budget_asked, &spec, why);
    }
    if (!err_failed(err)) {
        *ret_spec = spec;
    }
    return err;
}

/* --- Kept ------------------------------------------------------------------------------------- */

static void put_text(json_t *object, const char *name, const char *value) {
    if (value != NULL) {
        (void)json_object_set_new(object, name, json_string(value)); /* NULL is refused. */
    }
}

static void put_number(json_t *object, enum limit limit, int64_t value, int64_t absent) {
    if (value != absent) {
        (void)json_object_set_new(object, limit_names[limit], json_integer(value));
    }
}

static void put(json_t *object, const char *name, const json_t *value) {
    if (value != NULL) {
        (void)json_object_set(object, name, (json_t *)value);
    }
}

struct err workflow_spec_write(const struct workflow_spec *spec, const struct workflow_found *found,
                               struct text *text) {
    AUTO(json_release) json_t *object = json_object();
    if (object == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "workflow: spec");
    }
    put_text(object, "name", found->name);
    put_text(object, "file", found->file);
    put_text(object, "script", found->hash);
    put_text(object, "engine", found->engine);
    if (spec->confined) {
        (void)json_object_set_new(object, "confined", json_true()); /* NULL is refused. */
    }
    put(object, "args", spec->args);
    put_text(object, "resumed_from", spec->resume);
    put_text(object, "root", spec->root);
    put_text(object, "model", spec->model);
    put_text(object, "project", spec->project);
    put(object, "settings", spec->settings);
    put_number(object, LIMIT_TIME, spec->timeout_ms, 0);
    put_number(object, LIMIT_AGENT_TIME, spec->agent_timeout_ms, 0);
    put_number(object, LIMIT_CONCURRENCY, spec->concurrency, 0);
    put_number(object, LIMIT_TOTAL, spec->total, -1);
    put(object, limit_names[LIMIT_BUDGET], spec->budget_asked);
    put(object, "rerun", spec->rerun);
    put(object, "notify", spec->notify);
    return json_write(object, text);
}
