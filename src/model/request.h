/* request.h: what a model is asked, in the words of no provider.
 *
 * Promise    the same request gives the same bytes to a provider, and a request that begins like
 *            another gives a prompt that begins like the other's: tools go out sorted by name,
 *            their schemas as canonical JSON, and nothing is added that changes from call to call,
 *            but for the tail, which is the end. So the caches of providers hit.
 * Ownership  a request owns an arena that holds all it points to: the functions here copy. It is
 *            handed over to model_ask, or ended with model_request_free.
 * Threads    one at a time: a reader thread, or the pool, may build it and hand it to the loop.
 * Failure    a request that would be larger than REQUEST_SIZE_MAX, or hold more than the counts
 *            allow, remembers it and takes nothing more: add as you like and ask
 *            model_request_failed once.
 */
#ifndef DROVER_MODEL_REQUEST_H
#define DROVER_MODEL_REQUEST_H

#include "base/base.h"
#include "base/memory.h"
#include "rules/provider/outage.h"

enum {
    REQUEST_SIZE_MAX = 64 << 20,
    REQUEST_MESSAGES_MAX = 20000,
    REQUEST_TOOLS_MAX = 512,
};

enum model_role { MODEL_USER, MODEL_ASSISTANT, MODEL_TOOL };

/* Which words a connection speaks. */
#define MODEL_KINDS(X)                                                                             \
    X(OPENAI, "openai")       /* Chat completions. */                                              \
    X(RESPONSES, "responses") /* OpenAI's later interface. */                                      \
    X(ANTHROPIC, "anthropic") /* Messages. */                                                      \
    X(SCRIPTED, "scripted")   /* No provider: docs/scripted.md. */
enum model_kind {
#define X(kind, name) MODEL_KIND_##kind,
    MODEL_KINDS(X)
#undef X
        MODEL_KIND_COUNT
};
const char *model_kind_name(enum model_kind kind);
MUST_CHECK bool model_kind_find(struct bytes name, enum model_kind *ret_kind);

enum model_part_kind {
    MODEL_PART_TEXT,        /* text */
    MODEL_PART_THINKING,    /* text, signature, maker; also searches of the provider */
    MODEL_PART_TOOL_CALL,   /* id, name, text: the arguments, a JSON object; signature */
    MODEL_PART_TOOL_RESULT, /* id, text, is_error */
    MODEL_PART_IMAGE,       /* name: the media type; text: base64 */
};

/* All borrowed from the request. */
struct model_part {
    struct model_part *next;
    enum model_part_kind kind;
    struct bytes text, id, name;
    /* What the provider gave with its thinking, opaque, verbatim, and which kind of provider gave
     * it: another kind is not shown it. Of a call: a JSON object that belongs to it, "" unless the
     * call was made by the same connection. */
    struct bytes signature;
    enum model_kind maker;
    bool is_error;
};

struct model_message {
    struct model_message *next;
    enum model_role role;
    struct model_part *first, *last;
    size_t answered; /* Answers to it that a summary stands for: only the scripted model looks. */
};

struct model_tool {
    struct bytes name, description, schema; /* schema: JSON text. */
};

enum model_effort {
    MODEL_EFFORT_DEFAULT,
    MODEL_EFFORT_LOW,
    MODEL_EFFORT_MEDIUM,
    MODEL_EFFORT_HIGH
};
/* Of low, medium, high; `otherwise` for any other word. */
enum model_effort model_effort_of(struct bytes name, enum model_effort otherwise);
const char *model_effort_name(enum model_effort effort); /* NULL: the default. */

struct model_request {
    struct arena arena;
    bool failed;
    struct bytes model;  /* "provider/model" */
    struct bytes system; /* Empty: none. */
    struct model_message *first, *last;
    size_t message_count;
    struct model_tool *tools; /* Sorted by name. */
    size_t tool_count;
    /* Message that the model is to answer: the tail follows it. NULL: not known yet. */
    struct model_message *question;
    struct bytes tail;   /* After the question, and no part of it; empty: none. */
    struct bytes schema; /* The answer's, JSON text; empty: free text. */
    bool no_calls;       /* The tools are shown, and none may be called. */
    bool searches;       /* The provider may search the web itself, where it can. */
    enum model_effort effort;
    int64_t output_max;            /* Tokens; 0: what the model allows, as the price file has it. */
    enum outage_patience patience; /* While its provider is away. */
};

/* The part of "connection/model" before its slash. */
struct bytes model_connection_of(struct bytes model);
/* Member with what a model thought, of most servers that speak chat completions; and the signature
 * of that, since those want it back, in later turns, too. */
#define MODEL_REASONING "reasoning_content"
MUST_CHECK bool model_thinking_lasts(struct bytes signature);

struct model_request *model_request_new(struct bytes model);
void model_request_free(struct model_request *request); /* NULL is allowed. */
MUST_CHECK bool model_request_failed(const struct model_request *request);

void model_request_set_system(struct model_request *request, struct bytes text);
void model_request_set_schema(struct model_request *request, struct bytes schema);
/* A name that is there already: the later one replaces it. */
void model_request_add_tool(struct model_request *request, const struct model_tool *tool);

void model_request_add_message(struct model_request *request, enum model_role role);
/* Adds a copy of the part to the end of the request's last message. */
void model_request_add_part(struct model_request *request, const struct model_part *part);
/* A part that was added becomes this. */
void model_request_change_part(struct model_request *request, struct model_part *part,
                               enum model_part_kind kind, struct bytes text);
/* A part of kind image gets its base64, written once, straight into the request's memory. */
void model_request_set_image(struct model_request *request, struct model_part *part,
                             struct bytes image);
size_t model_image_size(size_t len); /* Bytes of the base64 of an image of `len` bytes. */
void model_request_add_text(struct model_request *request, struct bytes text);

/* Takes out what every provider would refuse: a call without id, name or result, a result without
 * its call. Before the tail is set. How many it were. */
size_t model_request_mend(struct model_request *request);

/* The last message is what the model is to answer. */
void model_request_mark_question(struct model_request *request);

/* Text that changes from turn to turn (the date, say). The text goes to the end of the question,
 * else of the last message of a user, else into a message of its own: never into a tool's result,
 * which it would break, and never after one, where it would begin a turn of its own. So the prompts
 * of a turn begin alike as far as they go, and those of the next turn up to the question. After the
 * last message; the scripted model passes it over. */
void model_request_set_tail(struct model_request *request, struct bytes text);

/* The bytes of the prompt's texts, an image as so much: what an estimate of tokens counts. */
struct model_sizes {
    size_t tools, instructions,
        history; /* tools: with the answer's schema; history: with the tail. */
};
struct model_sizes model_request_sizes(const struct model_request *request);
/* Of all three. */
size_t model_request_text_size(const struct model_request *request);

#endif
