/* spec.h: what a job is: read once from what a client sent, stored, and read again to be run.
 *
 * Promise    job_spec_read accepts exactly what docs/api.md says: an unknown field, a wrong type or
 *            a bound that was passed is refused by name. What it accepted it accepts for ever: rows
 *            outlive the daemon that wrote them.
 * Ownership  texts and arrays are borrowed from the JSON value, but for `argv` of a shell command.
 * Threads    any; pure.
 */
#ifndef DROVER_ENGINE_JOB_SPEC_H
#define DROVER_ENGINE_JOB_SPEC_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "rules/run/run.h"

enum {
    JOB_ARGS_MAX = 4096,
    JOB_ENV_MAX = 16384,
    JOB_CWD_MAX = 4095,
    JOB_KEY_MAX = 200,
    JOB_LABEL_MAX = 200,
    JOB_NOTIFY_MAX = 8,
    JOB_URL_MAX = 2048,
    JOB_PRIORITY_MAX = 1000, /* And -1000. */
    JOB_RETRY_MAX = 100,
    JOB_LOG_DEFAULT = 64 << 20,
    JOB_GRACE_MS = 5000,
};

/* {"argv":[…] | "shell":"…", "cwd", "env":{…}, "stdin", "stdin_open",
 *  "pty": true | {"rows","columns"}, "timeout_ms", "limits":{"memory","output","processes"}, "key",
 *  "key_max", "priority", "once", "label", "sandbox", "retry":{"max","on":[…],"backoff"},
 *  "notify":[{"webhook":URL} | {"session":ID}…], "project", "budget":{"wall_ms", …}}
 * Without "on", what failed is tried again, but neither what timed out nor what was lost. */
struct job_spec {
    json_t *argv;                                  /* Texts, at least one; NULL: `shell`. */
    const char *shell, *cwd, *input, *key, *label; /* NULL: none. */
    json_t *env, *notify;                          /* NULL: none. */
    bool pty, once, sandbox;
    bool input_open; /* Input may follow `input`: asked for, or a terminal. */
    int64_t rows, columns, timeout_ms, memory, output, processes, key_max, priority;
    struct retry_policy retry;
    const char *project;   /* NULL: none. */
    bool budgeted;         /* It has a budget of its own, */
    struct amounts budget; /* with these limits. */
};
MUST_CHECK struct err job_spec_read(const json_t *json, struct job_spec *ret_spec, struct why *why);

#endif
