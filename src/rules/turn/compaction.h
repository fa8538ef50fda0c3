/* compaction.h: when a prompt is too long for its model, and how much of it becomes a summary.
 * Pure.
 *
 *   0        half of prompt_max        prompt_max          hard_max        window
 *   |---------------|----------------------|-------------------|--------------|
 *    what a fold      grows from turn to     sent as it is only    never sent
 *    leaves           turn, unfolded         if no fold helps
 *
 * A prompt has a fixed part (tools, instructions, the question of the running turn) and a foldable
 * one: units, each a message or one step of an answer, oldest first. A fold replaces the oldest
 * units by a summary until the prompt has half of prompt_max. The distance between the two marks is
 * what keeps a conversation from being summarised in each turn.
 *
 * Threads    any. Sizes are bytes of text, unless a name says tokens.
 */
#ifndef DROVER_RULES_TURN_COMPACTION_H
#define DROVER_RULES_TURN_COMPACTION_H

#include "base/base.h"
#include "base/text.h"

/* --- Marks of a window ------------------------------------------------------------------------ */

struct fold_marks {
    int64_t prompt_max;  /* A longer prompt is folded. */
    int64_t hard_max;    /* A prompt that is longer than this is not sent. */
    int64_t keep_max;    /* Of the newest units, at most this stays as it is. */
    int64_t summary_max; /* Of the summary. */
};
struct fold_window {
    int64_t tokens, output_tokens; /* output_tokens 0: unknown. */
    bool guessed;                  /* An estimate: no prompt is held back for it. */
};
struct fold_marks fold_marks(const struct fold_window *window);

/* Window to assume for the next try after a provider refused a prompt of that many tokens as too
 * long; 0: the prompt is so short that its length cannot have been the reason. */
int64_t fold_window_refused(int64_t prompt_tokens);

/* All in tokens. */
struct fold_refusal {
    int64_t prompt;   /* Length of the prompt that was refused as too long. */
    int64_t fixed;    /* Length of its tools and instructions. */
    int64_t accepted; /* Longest prompt that the model took lately; 0: unknown. */
    int64_t window;   /* Window of the model, as it was known. */
};
/* Whether the length cannot have been the reason, because much longer prompts were taken. */
MUST_CHECK bool fold_refusal_is_doubtful(const struct fold_refusal *refusal);
/* Window to remember after a refusal that was believed; 0: nothing is remembered. */
int64_t fold_window_learned(const struct fold_refusal *refusal);
/* Window to remember after a model took a prompt that is longer than its learned window. */
int64_t fold_window_raised(int64_t prompt_tokens);

/* --- What is folded --------------------------------------------------------------------------- */

enum {
    FOLD_LEAST = 400, /* Nobody is asked to summarise less. */
    /* A prompt of more messages is folded, however short they are: a request holds only so many
     * (REQUEST_MESSAGES_MAX, which dispatch/turn/compaction.c compares). */
    FOLD_MESSAGES_MAX = 16000,
};
struct fold_sizes {
    int64_t prompt;   /* Of the whole prompt. */
    int64_t foldable; /* Of its units. */
    int64_t messages; /* Number of messages in its units. */
};
struct fold_limits {
    int64_t leave;    /* Units are folded until no more than this is left, */
    int64_t messages; /* in no more messages than this, */
    int64_t room;     /* but the newest unit stays if it is no longer than `room`. */
    int64_t summary;  /* Longest summary that is worth making. */
};
struct fold_limits fold_limits(const struct fold_marks *marks, const struct fold_sizes *sizes);
/* Everything is folded: somebody asked for it. */
struct fold_limits fold_limits_all(const struct fold_marks *marks, const struct fold_sizes *sizes);
/* Whether a fold would shorten the prompt by enough to be worth a call. */
MUST_CHECK bool fold_is_worth(const struct fold_marks *marks, const struct fold_sizes *sizes);

/* Whether the next unit, `len` long, is folded; `passed` bytes of units, in `messages` messages,
 * stand before it. */
struct fold_at {
    int64_t passed, messages, len;
};
MUST_CHECK bool fold_takes(const struct fold_limits *limits, const struct fold_sizes *sizes,
                           const struct fold_at *at);

/* --- Without a model -------------------------------------------------------------------------- */

/* In place of a summary that no model made: the beginning and the end of the transcript, at most
 * `max` bytes. What matters for going on mostly stands at the end. */
void fold_excerpt(struct bytes transcript, size_t max, struct text *text);

#endif
