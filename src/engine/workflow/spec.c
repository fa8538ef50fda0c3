/* spec.c: the fields that a client sends to start a workflow. */
#include "engine/workflow/spec.h"

#include <string.h>

#include "engine/job/spec.h"
#include "engine/workflow/workflows.h"

/* Checks what the fields mean together. */
static struct err spec_check(const struct workflow_spec *spec, enum workflow_source source,
                             struct why *why) {
    bool given = spec->script != NULL || spec->name != NULL || spec->path != NULL;
    if (source == WORKFLOW_SOURCE_OUTSIDE && given) {
        return err_why(
            why, ERR_BAD_FIELD,
            "the path names the workflow: \"script\", \"name\" and \"scriptPath\" are not "
            "taken here");
    }
    if (source == WORKFLOW_SOURCE_INSIDE && !given && spec->resume == NULL) {
        return err_why(why, ERR_MISSING_FIELD,
                       "one of \"script\", \"name\" and \"scriptPath\" says what runs");
    }
    if (spec->from_seq >= 0 && spec->resume == NULL) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"from_seq\" is an event of the run that \"resumeFromRunId\" names");
    }
    if (spec->reuse_ms > 0 && spec->resume != NULL) {
        return err_why(
            why, ERR_BAD_FIELD,
            "\"reuse_ms\" takes results of any run, and \"resumeFromRunId\" those of one: "
            "give one of the two");
    }
    if (spec->settings != NULL && !json_is_object(spec->settings)) {
        return err_why(why, ERR_BAD_FIELD, "\"settings\" must be an object, as sessions have it");
    }
    if (spec->root != NULL && spec->root[0] != '/') {
        return err_why(why, ERR_BAD_FIELD, "\"root\" must be an absolute path");
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

/* The limits that are numbers, and the value of one that is not given. */
#define AT(member) offsetof(struct workflow_spec, member)
static const struct limit {
    const char *name;
    size_t at;
    int64_t absent;
} limits[] = {{"timeout_ms", AT(timeout_ms), 0},
              {"agent_timeout_ms", AT(agent_timeout_ms), 0},
              {"concurrency", AT(concurrency), 0},
              {"total", AT(total), -1}};
enum { LIMIT_BUDGET = COUNT_OF(limits), LIMITS }; /* Bits of what is lifted. */

static const char *limit_name(unsigned limit) {
    return limit == LIMIT_BUDGET ? "budget" : limits[limit].name;
}

static int64_t *limit_at(struct workflow_spec *spec, size_t limit) {
    return (int64_t *)(void *)((char *)spec + limits[limit].at);
}

/* Nulls go, so that the rest is read as if they had not been there. The values stay `json`'s. */
static json_t *without_lifted(const json_t *json, unsigned *lifted) {
    json_t *copy = json_copy((json_t *)json);
    *lifted = 0;
    for (unsigned i = 0; i < LIMITS; i++) {
        if (json_is_null(json_object_get(copy, limit_name(i)))) {
            (void)json_object_del(copy, limit_name(i));
            *lifted |= 1U << i;
        }
    }
    return copy;
}

struct err workflow_spec_inherit(struct workflow_spec *spec, const json_t *old, struct why *why) {
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        int64_t *number = limit_at(spec, i);
        if (*number == limits[i].absent && (spec->lifted & 1U << i) == 0) {
            *number = json_int(old, limits[i].name, limits[i].absent);
        }
    }
    struct err err = ERR_OK;
    if (!spec->budgeted && (spec->lifted & 1U << LIMIT_BUDGET) == 0) {
        err = budget_read(json_object_get(old, "budget"), spec, why);
    }
    spec->args = spec->args != NULL ? spec->args : json_object_get(old, "args");
    if (spec->confined) {
        bool longer = spec->agent_timeout_ms > WORKFLOW_AGENT_MS;
        spec->agent_timeout_ms = longer ? 0 : spec->agent_timeout_ms;
        return err;
    }
    spec->programs = spec->programs != NULL ? spec->programs : json_str(old, "path", NULL);
    spec->config_dir =
        spec->config_dir != NULL ? spec->config_dir : json_str(old, "config_dir", NULL);
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

/* Takes the value; NULL: the object has no such member. */
static void member_put(json_t *object, const char *name, json_t *value) {
    if (value != NULL) {
        (void)json_object_set_new(object, name, value); /* A value that is missing is refused. */
    }
}

static void text_put(json_t *object, const char *name, const char *value) {
    member_put(object, name, value == NULL ? NULL : json_string(value));
}

struct err workflow_spec_write(const struct workflow_spec *spec, const struct workflow_found *found,
                               struct text *text) {
    AUTO(json_release) json_t *object = json_object();
    if (object == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "workflow: spec");
    }
    text_put(object, "name", found->name);
    text_put(object, "file", found->file);
    text_put(object, "script", found->hash);
    text_put(object, "engine", found->engine);
    member_put(object, "confined", spec->confined ? json_true() : NULL);
    member_put(object, "args", json_incref((json_t *)spec->args));
    text_put(object, "resumed_from", spec->resume);
    member_put(object, "from_seq", spec->from_seq < 0 ? NULL : json_integer(spec->from_seq));
    member_put(object, "reuse_max",
               found->reuse_max == WORKFLOW_REUSE_ANY ? NULL : json_integer(found->reuse_max));
    text_put(object, "root", spec->root);
    text_put(object, "path", spec->programs);
    text_put(object, "config_dir", spec->config_dir);
    text_put(object, "model", spec->model);
    text_put(object, "model_default", found->model_default);
    text_put(object, "project", spec->project);
    member_put(object, "settings", json_incref((json_t *)spec->settings));
    struct workflow_spec numbers = *spec;
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        const int64_t value = *limit_at(&numbers, i);
        member_put(object, limits[i].name, value == limits[i].absent ? NULL : json_integer(value));
    }
    member_put(object, "reuse_ms", spec->reuse_ms == 0 ? NULL : json_integer(spec->reuse_ms));
    member_put(object, "budget", json_incref((json_t *)spec->budget_asked));
    member_put(object, "rerun", json_incref((json_t *)spec->rerun));
    member_put(object, "notify", json_incref((json_t *)spec->notify));
    return json_write(object, text);
}
