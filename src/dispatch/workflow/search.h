/* search.h: the script that workflow() names, searched in the pool; for the files of this folder
 * alone.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_SEARCH_H
#define DROVER_DISPATCH_WORKFLOW_SEARCH_H

#include "base/json/json.h"
#include "base/text.h"
#include "dispatch/base/pool.h"
#include "script/catalog.h"

struct call;
/* The script that workflow() names, as the request says; in the pool. */
struct script_search {
    struct pool_job job; /* For settle.c, as is the call. */
    struct call *call;   /* Borrowed: it stays while `in_pool` counts us. */
    struct catalog_search search;
    const char *name, *path; /* Borrowed from the request, as are the args; path NULL: by name. */
    const json_t *args;      /* NULL: none. */
    struct catalog_script script;
    struct text members; /* Owned: of the script, as a worker wants it. */
    struct why why;      /* Empty: there is a script. */
};
void script_search_init(struct script_search *search, const struct catalog_search *places,
                        const json_t *request);
void script_search_find(struct script_search *search);
void script_search_done(struct script_search *search);
void script_search_free(struct script_search *search); /* NULL is allowed. */
/* Whether args fit the schema of a script's meta: the same for a run that is started, for
 * workflow() within one, and for a plan. NULL counts as {}: defaults of the script may do for all
 * of them. ERR_BAD_FIELD: `why` says which script, where, and what is wrong, in one line. Pure. */
MUST_CHECK struct err workflow_args_check(const struct script_prepared *prepared,
                                          const json_t *args, struct why *why);

#endif
