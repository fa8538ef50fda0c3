/* spec.h: what a job is: read once from what a client sent, stored, and read again to be run.
 *
 * Promise    job_spec_read accepts exactly what docs/api.md says: an unknown field, a wrong type or
 *            a bound that was passed is refused by name. What it accepted it accepts for ever: rows
 *            outlive the daemon that wrote them.
 * Ownership  texts and arrays are borrowed from the JSON value.
 * Threads    any; pure.
 */
#ifndef DROVER_ENGINE_JOB_SPEC_H
#define DROVER_ENGINE_JOB_SPEC_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "engine/run/runs.h"
#include "rules/job/job.h"

MUST_CHECK struct err job_spec_read(const json_t *json, struct job_spec *ret_spec, struct why *why);
/* The same of a row: drover itself may have added that the command is an agent, as `true` or with
 * the references of its secrets. */
MUST_CHECK struct err job_spec_read_stored(json_t *json, struct job_spec *ret_spec,
                                           struct why *why);

/* A run that is a job with this spec, without a key, a label and a parent. */
struct run_new job_run_new(const struct id *run, struct bytes spec);

/* Fields that a workflow has too (engine/workflow/spec.c). `project` NULL: none; the others are
 * given. */
MUST_CHECK struct err job_spec_project(const char *project, struct why *why);
/* URL of a webhook: http(s)://HOST…, printable ASCII, without a user and password. */
MUST_CHECK bool job_spec_url_valid(const char *url);
MUST_CHECK struct err job_spec_notify(const json_t *notify, struct why *why);
MUST_CHECK struct err job_spec_budget(const json_t *budget, struct amounts *ret_budget,
                                      struct why *why);

#endif
