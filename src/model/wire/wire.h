/* wire.h: what differs between the interfaces that providers speak; one struct wire for each kind.
 *
 *   openai.c      POST {base}/chat/completions
 *   responses.c   POST {base}/responses
 *   anthropic.c   POST {base}/v1/messages
 *
 * Threads    `build` is pure and runs in the pool; `event` on the loop.
 */
#ifndef DROVER_MODEL_WIRE_WIRE_H
#define DROVER_MODEL_WIRE_WIRE_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/text.h"
#include "model/connection.h"
#include "model/price.h"
#include "model/request.h"
#include "model/wire/answer.h"
#include "model/wire/sse.h"

/* The answer to a schema, where the provider knows answers only as text: a tool of ours, whose
 * arguments are told as the answer's text. */
#define WIRE_ANSWER_TOOL "structured_answer"
/* Member with what a model thought, of most servers that speak chat completions. */
#define WIRE_REASONING "reasoning_content"

struct wire_order {
    const struct model_request *request; /* Borrowed. */
    const char *base_url;                /* Borrowed. */
    struct bytes model;                  /* Without its connection. Borrowed. */
    struct model_facts facts;
};

/* One stream of a provider. The answer is told as it comes. */
struct stream {
    const struct wire *wire; /* Borrowed. */
    const char *secret;      /* Borrowed; may be NULL. */
    struct answer answer;
    struct sse sse;
    bool over;        /* The final marker came: nothing is read any more. */
    int64_t call_key; /* openai: of the last call. */
    /* anthropic: the block that is open, what was counted so far, and */
    enum { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_CALL, BLOCK_ANSWER } block;
    int64_t block_key;
    struct usage_messages_counts counts;
    struct text words;    /* Owned: where an answer to a schema may follow, and they were none. */
    bool answer_tool;     /* One was asked for: words wait in `words`, */
    bool answered;        /* and are none if it was called. */
    enum model_stop stop; /* It said why, but not yet that it is over. */
};

struct wire {
    const char *path;
    void (*build)(const struct wire_order *order, struct text *body);
    /* One event; `data` is never NULL. */
    void (*event)(struct stream *stream, const char *name, const json_t *data);
};

const struct wire *wire_of(enum model_kind kind); /* NULL: scripted. */

extern const struct wire wire_openai, wire_responses, wire_anthropic;

#endif
