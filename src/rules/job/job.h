/* job.h: the fields of a job that a client sends, and their limits.
 *
 * Ownership  texts and arrays of a struct job_spec are borrowed from the JSON value that was read.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_JOB_JOB_H
#define DROVER_RULES_JOB_JOB_H

#include "base/base.h"
#include "base/fields/fields.h"
#include "rules/budget/amounts.h"
#include "rules/run/run.h"

enum {
    JOB_ARGS_MAX = 4096,
    JOB_WORD_MAX = 131071, /* Bytes of one argument or variable: what Linux takes. */
    JOB_ENV_MAX = 16384,
    JOB_CWD_MAX = 4095,
    JOB_PATH_MAX = 8 << 10,
    JOB_KEY_MAX = 200,
    JOB_KEY_RUNS_MAX = 100000,
    JOB_LABEL_MAX = 200,
    JOB_NOTIFY_MAX = 8,
    JOB_URL_MAX = 2048,
    JOB_PRIORITY_MAX = 1000, /* And -1000. */
    JOB_RETRY_MAX = 100,
    JOB_LOG_DEFAULT = 64 << 20,
    JOB_OUTPUT_MIN = 4096,
    JOB_TERMINAL_MAX = 1000, /* Rows, columns. */
    JOB_PROCESSES_MAX = 1000000,
    JOB_GRACE_MS = 5000,
};
#define JOB_TIMEOUT_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)
#define JOB_MEMORY_MIN (INT64_C(1) << 20)
#define JOB_MEMORY_MAX (INT64_C(1) << 50)
#define JOB_OUTPUT_LIMIT_MAX (INT64_C(1) << 40)

/* Without "on", an attempt that failed is followed by another one, but neither one that timed out
 * nor one that was lost. */
struct job_spec {
    json_t *argv;                                  /* Texts, at least one; NULL: `shell`. */
    const char *shell, *cwd, *input, *key, *label; /* NULL: none. */
    const char *path;                              /* PATH, where `env` has none; NULL: ours. */
    json_t *env, *notify;                          /* NULL: none. */
    json_t *pty_asked, *budget_asked;              /* As sent; NULL: absent. */
    const char *sandbox_asked;                     /* "on", "off"; NULL: absent. */
    bool pty, once, sandbox;
    bool agent;      /* A program that is an agent: not asked for by clients. */
    json_t *secrets; /* Variables by reference (rules/agent/definition.h); NULL: none. */
    const char
        *token_for;    /* Owner for whom the program of an agent gets a token, and the address of
                            * the daemon, in place of its socket; NULL: nobody. */
    const char *ports; /* Block of its working tree: "20010-20019"; NULL: none. */
    bool input_open;   /* Input may follow `input`: asked for, or a terminal. */
    int64_t rows, columns, timeout_ms, memory, output, processes, key_max, priority;
    struct retry_policy retry;
    const char *project;   /* NULL: none. */
    bool budgeted;         /* Whether it has a budget of its own, */
    struct amounts budget; /* with these limits. */
};

extern const struct field_set job_fields;
extern const struct field_set job_terminal_fields; /* Members of a "pty" that is an object. */

#endif
