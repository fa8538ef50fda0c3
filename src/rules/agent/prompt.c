/* prompt.c: see prompt.h. */
#include "rules/agent/prompt.h"

static const char now_says[] = "\n\nNow the user says:\n\n";

void agent_prompt_again(struct agent_again again, struct text *text) {
    text_addf(text,
              "You were interrupted before you were done (interruption %lld of at most %lld). Read "
              "the history of this session, look at what you have already done, since a part of it "
              "may be finished, and go on from there to the end.",
              (long long)again.number, (long long)again.max);
}

void agent_prompt_unheard(struct text *text) {
    text_add_str(text, "\n\nYou may not have read yet what the user has written:");
}

void agent_prompt_missed(struct bytes missed, struct text *text) {
    text_add_str(text, "Before, this was said to you, which you have not answered:\n\n");
    text_add(text, missed.data, missed.len);
    text_add_str(text, now_says);
}

void agent_prompt_joins(struct text *text) {
    text_add_str(text, "\n\nMeanwhile the user has written:");
}

void agent_prompt_history(struct bytes history, struct text *text) {
    text_add_str(text, "You are in the middle of a conversation. What was said so far:\n\n");
    text_add(text, history.data, history.len);
    text_add_str(text, now_says);
}

void agent_prompt_schema(struct bytes schema, struct text *text) {
    text_add_str(text, "\n\nA program reads your answer. Your last message must be one JSON value "
                       "that fits this JSON Schema, and nothing else: no words around it, no "
                       "fence.\n");
    text_add(text, schema.data, schema.len);
}
