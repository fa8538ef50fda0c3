/* build.h: what the three builders of request bodies share.
 *
 * A body is written front to back into one text: first what a call sets, then the tools, last the
 * messages, oldest first. So the body of a longer conversation begins like that of a shorter one.
 *
 * Threads    pure; the pool.
 */
#ifndef DROVER_MODEL_WIRE_BUILD_H
#define DROVER_MODEL_WIRE_BUILD_H

#include "model/wire/wire.h"

/* Begins the next element of an array that is being written. */
void build_next(struct text *body, const char *begin);
void build_text(struct text *body, const char *type, struct bytes text); /* {"type","text"} */
/* Canonical; what is no JSON object becomes the schema of an object without a word about it. */
void build_schema(struct text *body, struct bytes schema);
/* The arguments of a call as a JSON object, verbatim. Servers fail on text that is none, and the
 * model should see what it wrote: so that goes into an object, under "invalid_arguments". */
void build_arguments(struct text *body, struct bytes arguments);
void build_arguments_text(struct text *body, struct bytes arguments);   /* As a member, a text. */
void build_data_url(struct text *body, const struct model_part *image); /* A JSON string. */
/* "name", "description", and the schema under `schema_key`, as members. */
void build_tool(struct text *body, const struct model_tool *tool, const char *schema_key);
/* The tools and which of them to call, of both interfaces of OpenAI: in chat completions a function
 * is an object within its tool (nested). Nothing without tools. */
void build_functions(struct text *body, const struct model_request *request, bool nested);
/* The text parts of a message, and the tail, as one JSON string. */
void build_joined_text(struct text *body, const struct model_message *message, struct bytes tail);
/* The request's tail, if it goes to the end of this message; else empty. */
struct bytes build_tail(const struct model_request *request, const struct model_message *message);

MUST_CHECK bool build_has(const struct model_message *message, enum model_part_kind kind);
/* Whether the provider is shown this part: no empty text, no thinking that another kind made. */
MUST_CHECK bool build_shown(const struct model_part *part, enum model_kind kind);

#endif
