/* problem.h: refusals as application/problem+json (RFC 9457).
 *
 * {"type":"urn:drover:problem:bad_query","title":…,"status":400,"detail":…,"code":"bad_query"}
 * `code` and `type` are stable; `detail` is for people and left out when there is none.
 *
 * Threads    any; pure.
 */
#ifndef DROVER_HTTP_PROBLEM_H
#define DROVER_HTTP_PROBLEM_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

#define PROBLEM_MEDIA "application/problem+json"

/* `run`: the member of that name; "": none. */
void problem_write(struct text *text, struct err err, const struct why *why, const char *run);

/* The JSON Schema of the document, for openapi.json. */
extern const char problem_schema[];

#endif
