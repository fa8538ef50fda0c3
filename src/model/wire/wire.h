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
#include "rules/provider/parameters.h"
#include "rules/turn/mend.h"

/* The answer to a schema, where the provider knows answers only as text, or where there are other
 * tools: a tool of ours, whose arguments are delivered as the answer's text. */
#define WIRE_ANSWER_TOOL ANSWER_TOOL

struct wire_order {
    const struct model_request *request; /* Borrowed. */
    const char *base_url;                /* Borrowed. */
    struct bytes model;                  /* Without its connection. Borrowed. */
    struct model_facts facts;
    parameter_set refused; /* Refused by the model: left out, or spelt otherwise. */
    bool beside_tools;     /* A format of the answer may stand beside tools. */
    parameter_set wanted;  /* Written by `build`: refused ones that would have been sent, */
    parameter_set sent;    /* and those that were. */
    bool answer_tool;      /* Written, too: the answer comes by the tool for it; */
    bool reasons, called; /* openai: the server's reasoning is in the request; a tool was called. */
};

/* A stream of a provider. The answer is delivered as it comes. */
struct stream {
    const struct wire *wire; /* Borrowed. */
    const char *secret;      /* Borrowed; may be NULL. */
    struct answer answer;
    struct sse sse;
    bool over;         /* The final marker came: nothing is read any more. */
    int64_t call_key;  /* openai: of the last call, */
    struct text extra; /* and the signature of the whole message. Owned. */
    /* anthropic: the block that is open, what was counted so far, and */
    enum { BLOCK_NONE, BLOCK_THINKING, BLOCK_SEARCH } block;
    int64_t block_key;
    struct usage_messages_counts counts;
    bool serves;     /* The block is a tool of the provider, or the result of one; */
    size_t input_at; /* of a search, where its input begins in the signature, and its id. */
    char search_id[ANSWER_ID_MAX + 1];
    json_t *searches;  /* Owned: inputs of its searches without result so far, by their ids. */
    struct text words; /* Owned: where an answer to a schema may follow, and they were none. */
    bool answer_tool;  /* One was asked for: words wait in `words`, */
    bool answered;     /* and are none if it was called. */
    int64_t answer_key, spare_key; /* Of that call, and of the latest further one, which is none. */
    enum model_stop stop;          /* Reason of the end, which is not over yet. */
};

struct wire {
    const char *path;
    void (*build)(struct wire_order *order, struct text *body);
    /* Takes one event; `data` is never NULL. */
    void (*event)(struct stream *stream, const char *name, const json_t *data);
    /* Takes a whole answer, of a server that does not stream. False: it is none. */
    bool (*whole)(struct stream *stream, const json_t *data);
};

const struct wire *wire_of(enum model_kind kind); /* NULL: scripted. */

extern const struct wire wire_openai, wire_responses, wire_anthropic;

/* --- From the bytes of a provider's stream to an answer --------------------------------------- */

/* The caller pulls events one by one, because a large one is parsed in the pool (the loop has 2 ms
 * for everything), and hands each back when it is parsed. Failures are in stream->answer.failure;
 * stream_parse: any thread. */
void stream_init(struct stream *stream, const struct wire *wire, const struct model_watch *watch,
                 void *ctx, uint64_t salt);
void stream_done(struct stream *stream);
void stream_clear(struct stream *stream, const char *secret); /* For the next try. */

/* false: no whole event is left in `rest`, or the stream is over or has failed. */
MUST_CHECK bool stream_pull(struct stream *stream, struct bytes *rest, struct sse_event *ret_event);
/* Parses and takes one event. */
void stream_take(struct stream *stream, const struct sse_event *event);
/* The same in two steps. *ret_json is owned. */
struct err stream_parse(struct bytes data, json_t **ret_json);
void stream_take_json(struct stream *stream, const char *name, struct err parsed,
                      const json_t *json);
/* A success whose body is no stream: a whole answer, or an error. `json`: what `body` holds; NULL:
 * it is no JSON. */
struct success {
    int status;
    struct bytes body;
    const json_t *json; /* Borrowed. */
};
void stream_take_whole(struct stream *stream, const struct success *success);
/* No byte comes any more. A failure that is set before (the connection broke) stays, unless the
 * final marker had come. */
void stream_end(struct stream *stream);

/* --- For the readers -------------------------------------------------------------------------- */

/* Words, and a call with its pieces. Where the answer is a call of our tool, its arguments are
 * delivered as the answer's text; words around it are not the answer, and are dropped. Without such
 * a call they are all that there is, and are delivered at the end. */
void stream_words(struct stream *stream, struct bytes words);
void stream_call(struct stream *stream, int64_t key, struct bytes id, struct bytes name);
void stream_call_piece(struct stream *stream, int64_t key, struct bytes piece);
/* The provider said that it was the end. */
void stream_stop(struct stream *stream, enum model_stop stop);

/* --- Pieces of request bodies ----------------------------------------------------------------- */

/* A body is written front to back into one text: first what a call sets, then the tools, last the
 * messages, oldest first. So the body of a longer conversation begins like that of a shorter one.
 * Pure; the pool. */

/* Begins the next element of an array that is being written. */
void build_next(struct text *body, const char *begin);
void build_text(struct text *body, const char *type, struct bytes text); /* {"type","text"} */
/* Canonical; what is no JSON object becomes the schema of an object without a word about it. */
void build_schema(struct text *body, struct bytes schema);
/* The arguments of a call as a JSON object, verbatim. Servers fail on any other text, and the
 * model should see what it wrote: so that goes into an object, under "invalid_arguments". */
void build_arguments(struct text *body, struct bytes arguments);
void build_arguments_text(struct text *body, struct bytes arguments);   /* As a member, a text. */
void build_data_url(struct text *body, const struct model_part *image); /* A JSON string. */
/* Whether a parameter that is wanted is sent: it is not refused. */
MUST_CHECK bool build_sends(struct wire_order *order, enum provider_parameter parameter);
/* A search of the web by the provider itself is offered to the model. */
MUST_CHECK bool build_searches(struct wire_order *order);
/* How the answer is to fit the request's schema. */
enum build_means {
    BUILD_WORDS,  /* There is no schema. */
    BUILD_TOOL,   /* The tool for the answer. */
    BUILD_SCHEMA, /* A format that has the schema. */
    BUILD_OBJECT, /* A format that is any object; the schema is in the prompt, */
    BUILD_PROMPT, /* and so it is without any format. */
};
/* Decided once for a body. */
enum build_means build_means(struct wire_order *order);
/* The schema of the answer, canonical. Tools and formats take that of an object alone: any other
 * becomes the one member of an object. */
void build_answer_schema(struct text *body, struct bytes schema);
/* Instructions with, for OBJECT and PROMPT, the schema. */
void build_instructions(struct text *system, const struct model_request *request,
                        enum build_means means);
/* "name", "description", and the schema under `schema_key`, as members. A schema that the server
 * refused is part of the description. */
void build_tool(struct text *body, struct wire_order *order, const struct model_tool *tool,
                const char *schema_key);
/* The same of the tool for the answer. */
void build_answer_tool(struct text *body, struct wire_order *order, const char *schema_key);
/* The tools and which of them to call, of both interfaces of OpenAI: in chat completions a function
 * is an object within its tool (nested). Nothing without tools. */
void build_functions(struct text *body, struct wire_order *order, enum build_means means,
                     bool nested);
/* The text parts of a message, after `head` and before `tail`, as one JSON string. */
void build_joined_text(struct text *body, struct bytes head, const struct model_message *message,
                       struct bytes tail);
/* The request's tail, if it goes to the end of this message; else empty. */
struct bytes build_tail(const struct model_request *request, const struct model_message *message);

MUST_CHECK bool build_has(const struct model_message *message, enum model_part_kind kind);
/* Whether the provider is shown this part: no empty text, no thinking that another kind made. */
MUST_CHECK bool build_shown(const struct model_part *part, enum model_kind kind);

#endif
