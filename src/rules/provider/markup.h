/* markup.h: calls of tools that a model wrote as text, in the markup of its template, since its
 * server did not read them:
 *
 *   … <|tool_calls_section_begin|><|tool_call_begin|>functions.read_file:0
 *   <|tool_call_argument_begin|>{"path": "a"}<|tool_call_end|><|tool_calls_section_end|>
 *
 * A model stops after its calls, so only the end of a text counts: words about the markup go on
 * after it, if only by a fence.
 *
 * Promise    a text that ends otherwise is never taken for a call.
 * Ownership  embedded; zero is the beginning of a text.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_PROVIDER_MARKUP_H
#define DROVER_RULES_PROVIDER_MARKUP_H

#include "base/base.h"

enum { MARKUP_TAIL_MAX = 64 }; /* The longest mark, and white space after it. */
struct markup_tail {
    char bytes[MARKUP_TAIL_MAX];
    size_t len;
};
/* The next piece of the text. */
void markup_tail_add(struct markup_tail *tail, struct bytes piece);
/* Whether the text so far ends with a call of a tool. */
MUST_CHECK bool markup_tail_is_call(const struct markup_tail *tail);

#endif
