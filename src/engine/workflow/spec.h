/* spec.h: what a client asks of a workflow, read once and kept with the run.
 *
 * Promise    workflow_spec_read accepts exactly what docs/api.md says: an unknown field, a wrong
 *            type or a bound that was passed is refused by name. A limit that is null is none, also
 *            where the run that is resumed had one.
 * Ownership  texts and values are borrowed from the JSON value.
 * Threads    any; pure.
 */
#ifndef DROVER_ENGINE_WORKFLOW_SPEC_H
#define DROVER_ENGINE_WORKFLOW_SPEC_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "rules/workflow/spec.h"

/* OUTSIDE: the path of the request names the workflow, so none of script, name and path may. */
enum workflow_source { WORKFLOW_SOURCE_INSIDE, WORKFLOW_SOURCE_OUTSIDE };
MUST_CHECK struct err workflow_spec_read(const json_t *json, enum workflow_source source,
                                         struct workflow_spec *ret_spec, struct why *why);

/* A run that resumes another one takes each member that it does not give from the spec of the other
 * one, `old`. A confined client has the rest from its session: it takes the args, and limits that
 * are lower than those it would have without them. Borrows from `old`. */
MUST_CHECK struct err workflow_spec_inherit(struct workflow_spec *spec, const json_t *old,
                                            struct why *why);

/* As it is kept: compact JSON. What was found goes in, too. */
struct workflow_found {
    const char *name, *file, *hash;
    const char *engine; /* Hash of the worker's program: it goes on with that one. */
    /* Model of the agents that name none, where the start named none either; NULL: none was known.
     * The run keeps it: a daemon that comes back may not know a default yet. */
    const char *model_default;
    int64_t reuse_max; /* Number of settled steps at `from_seq`; WORKFLOW_REUSE_ANY: none given. */
};
MUST_CHECK struct err workflow_spec_write(const struct workflow_spec *spec,
                                          const struct workflow_found *found, struct text *text);

#endif
