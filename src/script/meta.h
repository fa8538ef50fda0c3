/* meta.h: the file of a workflow or a flow, ready to be run: what its text says (reader/read.h),
 * with a `meta` that was checked. Pure.
 *
 * Promise    `meta` has a name and a description, both texts; a file that gives itself no name has
 *            its stem. The schema of its args compiles.
 * Ownership  the source is borrowed for the call; a prepared script is the caller's.
 * Threads    any.
 * Failure    ERR_BAD_SCRIPT, and *ret_fault says where and what; ERR_OUT_OF_MEMORY.
 */
#ifndef DROVER_SCRIPT_META_H
#define DROVER_SCRIPT_META_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "script/reader/read.h"

enum {
    SCRIPT_NAME_MAX = 200, /* Bytes of meta.name. */
    SCRIPT_PHASES_MAX = 200,
};

MUST_CHECK struct err script_prepare(const struct script_source *source,
                                     struct script_prepared *ret_prepared,
                                     struct script_fault *ret_fault);
const char *script_form_name(enum script_form form); /* "body", …: as workers know it. */
/* Name of a script that gives itself none: "review" for "a/b/review.js". Borrowed. */
struct bytes script_stem(struct bytes file);
const char *script_meta_name(const struct script_prepared *prepared);        /* Borrowed. */
const char *script_meta_description(const struct script_prepared *prepared); /* Borrowed. */
/* The schema that args must fit, which compiles; NULL: any will do. Borrowed. */
const json_t *script_meta_args(const struct script_prepared *prepared);

#endif
