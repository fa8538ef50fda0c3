/* spec_parts.h: the fields of a job that are more than a plain value. Only spec.c and
 * workflow/spec.c include it. Each takes the field's value, never NULL but where it is said, and
 * tells in `why` where it is wrong.
 */
#ifndef DROVER_ENGINE_JOB_SPEC_PARTS_H
#define DROVER_ENGINE_JOB_SPEC_PARTS_H

#include "engine/job/spec.h"

enum {
    JOB_WORD_MAX = 131071, /* Bytes of one argument or variable: what Linux takes. */
    JOB_OUTPUT_MIN = 4096,
    JOB_TERMINAL_MAX = 1000, /* Rows, columns. */
};
#define JOB_MEMORY_MIN (INT64_C(1) << 20)
#define JOB_MEMORY_MAX (INT64_C(1) << 50)
#define JOB_OUTPUT_LIMIT_MAX (INT64_C(1) << 40)
#define JOB_PROCESSES_MAX 1000000

MUST_CHECK struct err job_spec__project(const char *project, struct why *why); /* NULL: none. */
MUST_CHECK struct err job_spec__argv(const json_t *argv, struct why *why);
MUST_CHECK struct err job_spec__env(const json_t *env, struct why *why);
MUST_CHECK struct err job_spec__pty(const json_t *pty, struct job_spec *spec, struct why *why);
MUST_CHECK struct err job_spec__limits(const json_t *limits, struct job_spec *spec,
                                       struct why *why);
MUST_CHECK struct err job_spec__retry(const json_t *retry, struct job_spec *spec, struct why *why);
MUST_CHECK struct err job_spec__notify(const json_t *notify, struct why *why);
MUST_CHECK struct err job_spec__budget(const json_t *budget, struct job_spec *spec,
                                       struct why *why);

#endif
