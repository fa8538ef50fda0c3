/* mend.h: an answer that has to fit a schema, as models give it, and the value that was meant.
 *
 * Models put what they thought before it, a fence or words around it, a comma too many into it, the
 * whole of it into a string or a list, or into the call of a tool that they write as text. All of
 * this is put right where it cannot be meant otherwise, before the answer counts as missed:
 *
 *   text    thinking is left out; the only JSON in fences, else in the text, is taken (of several
 *           the only one that fits); a comma before a closing bracket is left out
 *   value   JSON in a string, the one item of a list, the arguments of a call of the answer's tool,
 *           the one member of an object, unless its name is one of the schema's or "error": if that
 *           fits, and the value as it came does not
 *
 * Promise    an answer that fits as it came is never changed. `told` has a phrase for each change,
 *            with "; " between them.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_TURN_MEND_H
#define DROVER_RULES_TURN_MEND_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/json/schema.h"
#include "base/text.h"

/* Name of the tool by which a model gives its answer, where it is offered one. */
#define ANSWER_TOOL "final_answer"
/* Models may know it by the name that another host gives it. */
MUST_CHECK bool answer_tool_is(struct bytes name);

/* ERR_NONE: *ret_value fits; owned by the caller. *ret_changed: the text as it came is another
 * value, or none. Else ERR_BAD_FIELD or ERR_TOO_EXPENSIVE, and `misfit` has a line for each fault
 * of the value that was meant, or says why there is none. */
MUST_CHECK struct err answer_mend(const struct json_schema *schema, struct bytes answer,
                                  json_t **ret_value, bool *ret_changed, struct text *told,
                                  struct text *misfit);

/* A copy without commas that stand before a closing bracket; NULL: there is none such. Owned. */
char *commas_drop(struct bytes text, size_t *ret_len);

#endif
