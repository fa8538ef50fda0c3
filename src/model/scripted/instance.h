/* instance.h: a value that fits a JSON schema. Pure.
 *
 * The least one for demos and tests: the scripted model answers with it where a schema is asked for
 * and no script says what. A whole one, with all properties and lists of two, stands in for an
 * answer where a workflow is planned. Known are type, enum, const, properties, required, items,
 * minItems, maxItems, minLength, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf,
 * anyOf, oneOf, and $ref to a definition of the same schema; other keywords are
 * ignored, and an unreadable schema gives null.
 */
#ifndef DROVER_MODEL_SCRIPTED_INSTANCE_H
#define DROVER_MODEL_SCRIPTED_INSTANCE_H

#include "base/json/json.h"
#include "base/text.h"

enum instance_size { INSTANCE_LEAST, INSTANCE_WHOLE };

void script_instance_add(struct text *text, struct bytes schema);
void script_instance_add_json(struct text *text, const json_t *schema, enum instance_size size);

#endif
