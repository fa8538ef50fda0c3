/* prompt.h: drover's own words to a program, beside those of its user. Pure. */
#ifndef DROVER_RULES_AGENT_PROMPT_H
#define DROVER_RULES_AGENT_PROMPT_H

#include "base/base.h"
#include "base/text.h"

/* The session of the program goes on after an end that was none: the n-th of `max` tries. */
struct agent_again {
    int64_t number, max;
};
void agent_prompt_again(struct agent_again again, struct text *text);
/* Before the words of the user, after that: an end so early that it may not have read them. */
void agent_prompt_unheard(struct text *text);
/* Before the words of the user: `missed`, which an earlier turn ended without. */
void agent_prompt_missed(struct bytes missed, struct text *text);
/* Before words of the user that came meanwhile, and that it may not have read. */
void agent_prompt_joins(struct text *text);
/* Before the words of the user, for a session of the program that begins in the middle of a
 * conversation. */
void agent_prompt_history(struct bytes history, struct text *text);
/* For a program whose answer must be JSON that fits the schema. After the words of the user. */
void agent_prompt_schema(struct bytes schema, struct text *text);

#endif
