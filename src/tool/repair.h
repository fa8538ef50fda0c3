/* repair.h: what models often get wrong, repaired where the meaning is clear, and reported.
 *
 * Text      nothing at all is {}; text and fences around one object fall away; a comma before a
 *           closing bracket too; a string that holds the object is the object.
 * Values    by the schema: a number as text, a text as number, a boolean as text, JSON as text, one
 *           value where a list of such is wanted, null for an optional field.
 * Not       an unknown field is never renamed or dropped: it may have mattered. The check suggests
 *           the name that is near.
 *
 * Promise   what fits the schema is never changed. `told` has a sentence, ended by a newline, for
 *           each change.
 * Threads   any.
 */
#ifndef DROVER_TOOL_REPAIR_H
#define DROVER_TOOL_REPAIR_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/json/schema.h"
#include "base/text.h"

/* ERR_BAD_JSON, with `why`: line and column in the text as it came. *ret_json is owned. */
MUST_CHECK struct err repair_parse(struct bytes raw, json_t **ret_json, struct text *told,
                                   struct why *why);
/* Changes what *json owns; may replace it. */
MUST_CHECK struct err repair_values(const struct json_schema *schema, json_t **json,
                                    struct text *told);

#endif
