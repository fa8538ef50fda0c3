/* answer.h: one answer of a model while it comes, in the words of no provider.
 *
 * The readers of providers call in here; what they say is checked, bounded, kept as far as it is
 * needed again, and told to the watch at once.
 *
 *   begin ──> text, thinking, calls … ──> stop ──> end
 *                └── fail, at any point; the first failure holds, and nothing is told after it
 *
 * Promise    calls are told begin, pieces, done, in that order for each; thinking_done comes before
 *            what follows the thinking. Bounds below are failures (`response_too_large`).
 * Ownership  embedded: answer_init, answer_done; answer_clear between two tries.
 * Threads    the loop.
 */
#ifndef DROVER_MODEL_WIRE_ANSWER_H
#define DROVER_MODEL_WIRE_ANSWER_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/text.h"
#include "model/model.h"
#include "rules/provider/markup.h"

enum {
    ANSWER_TEXT_MAX = 8 << 20, /* Text and thinking together. */
    ANSWER_CALLS_MAX = 128,
    ANSWER_SEARCHES_MAX = 64,
    ANSWER_ARGUMENTS_MAX = 4 << 20, /* Of all calls together. */
    ANSWER_ID_MAX = 256,
    ANSWER_SIGNATURE_MAX = 2 << 20,
    ANSWER_EXTRA_MAX = 64 << 10, /* Each call: stored with its card. */
};

struct answer_call {
    int64_t key;     /* As the provider numbers it. */
    char *id, *name; /* Owned; name NULL: not received yet. */
    struct text arguments;
    struct text extra; /* JSON object that the call has to be sent back with; "": none. */
    bool told, over;
    bool cut; /* The provider says so, whatever its arguments look like. */
};

struct answer {
    const struct model_watch *watch; /* Borrowed. */
    void *ctx;
    uint64_t salt; /* Makes ids of calls that have none. */
    bool muted;    /* Cancelled from within a callback: no callback follows. */
    bool begun;    /* A callback was called. */
    bool thinking; /* Thinking was reported and is not over. */
    bool stopped;  /* The provider said why it ended: the final marker. */
    bool counted;  /* `usage` was reported. */
    enum model_stop stop;
    struct usage usage;
    size_t text_len, thinking_len, arguments_len;
    struct markup_tail tail; /* End of the text. */
    size_t search_count;     /* At most ANSWER_SEARCHES_MAX are reported. */
    int64_t paid_searches;   /* Number of searches that the provider bills. */
    struct text signature;
    struct answer_call *calls; /* Owned. */
    size_t call_count;
    struct model_failure failure;
};

void answer_init(struct answer *answer, const struct model_watch *watch, void *ctx, uint64_t salt);
void answer_done(struct answer *answer);
void answer_clear(struct answer *answer);

/* Nothing in all of these, once the answer has failed or is muted. */
void answer_text(struct answer *answer, struct bytes piece);
void answer_thinking(struct answer *answer, struct bytes piece);
void answer_signature(struct answer *answer, struct bytes piece);
void answer_search(struct answer *answer, const struct model_search *search);
void answer_thinking_done(struct answer *answer); /* Not thinking, no signature: nothing. */

/* id or name empty: not received (yet). */
void answer_call(struct answer *answer, int64_t key, struct bytes id, struct bytes name);
/* The latest call of that key; NULL: there is none. */
struct answer_call *answer_call_find(const struct answer *answer, int64_t key);
void answer_call_piece(struct answer *answer, int64_t key, struct bytes piece);
/* The call carries this JSON object; a later one replaces it, and anything else is none. */
void answer_call_extra(struct answer *answer, int64_t key, const json_t *extra);
void answer_call_done(struct answer *answer, int64_t key);
/* The provider's word that the call is half of one: answer_end reports it as cut off. */
void answer_call_cut(struct answer *answer, int64_t key);

void answer_stop(struct answer *answer, enum model_stop stop);
void answer_fail(struct answer *answer, enum model_cause cause, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The provider has nothing more to say: judges the whole. */
void answer_end(struct answer *answer);

/* Alive and without a fault so far. */
static inline bool answer_goes_on(const struct answer *answer) {
    return !answer->muted && answer->failure.cause == MODEL_NONE;
}
size_t answer_size(const struct answer *answer); /* In bytes, for an estimate. */

#endif
