/* place.h: where in a JSON line a field is, as "lines" of a definition says it. Pure.
 *
 *   PATH
 *   PATH if PATH=TEXT and PATH=TEXT
 *
 * A path is names with dots between; in an array, a number is an index from 0. With conditions the
 * field is only in lines where each of those paths leads to that text, number or truth value. This
 * separates the words of an assistant from those of a user, where a program prints both in the
 * same member. A text of a condition has no blanks.
 */
#ifndef DROVER_RULES_AGENT_PLACE_H
#define DROVER_RULES_AGENT_PLACE_H

#include "base/base.h"
#include "base/json/json.h"

/* Whether it can be read: each path has names, each condition a path and a text. */
MUST_CHECK bool agent_place_fits(struct bytes place);
/* Borrowed from the line. NULL: it has no such field, or null, or a condition does not hold. */
const json_t *agent_place_find(struct bytes place, const json_t *line);

#endif
