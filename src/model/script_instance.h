/* script_instance.h: the smallest value that fits a JSON schema. Pure.
 *
 * For demos and tests: the scripted model answers with it where a schema is asked for and no script
 * says what. It knows type, enum, const, properties, required, items, minItems, minimum and anyOf;
 * what it doesn't know it leaves out of account, and null is its answer to what it can't read.
 */
#ifndef DROVER_MODEL_SCRIPT_INSTANCE_H
#define DROVER_MODEL_SCRIPT_INSTANCE_H

#include "base/text.h"

void script_instance_add(struct text *text, struct bytes schema);

#endif
