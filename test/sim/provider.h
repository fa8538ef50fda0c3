/* provider.h: simulated providers of models: openai.model.test, responses.model.test and
 * anthropic.model.test, each with its own wire, and the model behind all of them.
 *
 *   request bytes ──> prompt (read and checked) ──> utterance (decided by hash) ──> wire bytes
 *
 * Promise    an utterance is a pure function of the seed, the key of the request and the prompt, so
 *            that a check may ask later what was said. A prompt that a real provider would refuse
 *            (invalid JSON, calls without results) is a complaint, which breaks an invariant.
 * Files      provider.c: requests, faults; prompt.c: what was asked; utterance.c: what is said;
 *            wires.c: its bytes.
 */
#ifndef DROVER_SIM_PROVIDER_H
#define DROVER_SIM_PROVIDER_H

#include "base/json/json.h"
#include "base/text.h"
#include "servers.h"

/* The tool for an answer in a schema (model/wire/wire.h). */
#define PROMPT_ANSWER_TOOL "final_answer"

enum wire_kind { WIRE_OPENAI, WIRE_RESPONSES, WIRE_ANTHROPIC, WIRE_KINDS };

enum {
    PROMPT_TOOLS_MAX = 64,
    UTTERANCE_CALLS_MAX = 160,
    UTTERANCE_TYPICAL_CALLS = 3,
    PROVIDER_WINDOW = 16000,      /* Tokens; the window that models list, */
    PROVIDER_WINDOW_SHORT = 9000, /* the one that models of responses.model.test list, */
    PROVIDER_WINDOW_TRUE = 9000,  /* and the real one of models named small-…. */
    BYTES_PER_TOKEN = 4,
};

/* What a request asks, as far as the model looks at it. Texts are borrowed from `json`. */
struct prompt {
    enum wire_kind wire;
    json_t *json; /* Owned. */
    const char *model;
    const char *tools[PROMPT_TOOLS_MAX];
    size_t tool_count;
    bool tools_refused;   /* tool_choice: none. */
    const char *forced;   /* The tool that has to be called; NULL: none. */
    const json_t *schema; /* Of the answer; NULL: words. */
    bool formatted;       /* A format of the request has it. */
    json_t *shown;        /* Owned: the instructions have it; NULL: they do not. */
    bool summary;       /* A summary of a conversation is asked for (dispatch/turn/compaction.c). */
    int64_t output_max; /* Tokens; 0: not said. */
    size_t input_bytes;
    size_t results; /* Number of tool results since the last message of a person. */
};
/* false: no provider would take it; a complaint says why. */
bool prompt_read(struct servers *servers, enum wire_kind wire, struct bytes body,
                 struct prompt *ret_prompt);
void prompt_done(struct prompt *prompt);

enum utterance_stop { SPOKE_END, SPOKE_TOOLS, SPOKE_LENGTH, SPOKE_REFUSED };

struct utterance_call {
    char id[48];
    const char *name;      /* Borrowed from the prompt, or static. */
    struct text arguments; /* As the model writes them: not always JSON. */
};

struct utterance {
    struct text thinking, text;
    struct utterance_call *calls; /* Owned. */
    size_t call_count, call_made; /* Calls that are said, and all that `calls` owns. */
    bool last_call_cut;           /* The length ended the answer within its arguments. */
    enum utterance_stop stop;
    bool counted; /* Whether the provider says what it took: */
    int64_t input, cached, output, reasoning;
};
void utterance_make(struct servers *servers, uint64_t key, const struct prompt *prompt,
                    struct utterance *ret_utterance);
void utterance_done(struct utterance *utterance);
/* The text of what a model says under that key where nothing cuts it: what an answer that is stored
 * whole must hold, byte for byte. */
void utterance_words(const struct servers *servers, uint64_t key, struct text *text);

/* Writes arguments of a call of that tool; `broken`: as models write them when they fail. */
void arguments_write(const struct servers *servers, uint64_t key, const char *tool,
                     struct text *text);
void arguments_break(const struct servers *servers, uint64_t key, struct text *text);

/* The bytes of a whole answer. */
void wires_write(enum wire_kind wire, uint64_t key, const struct utterance *utterance,
                 struct text *body);
/* An error inside of a stream, after what `body` has. */
void wires_write_error(enum wire_kind wire, const char *type, const char *message,
                       struct text *body);

/* Window, in tokens, that the models of a connection list; `model` begins with its name, as in
 * "responses/plain". */
int64_t provider_window(const char *model);

void provider_answer(struct servers *servers, const struct server_request *request, uint64_t key,
                     struct server_reply *reply);

#endif
