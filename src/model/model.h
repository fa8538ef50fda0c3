/* model.h: asks models, whoever provides them.
 *
 *   model_ask ──> queued ──a slot──> trying ──> done
 *                   ^                  │ broken, and worth another try: discarded, retrying
 *                   └───── waiting <───┘ (its end: resumed)
 *   model_cancel, anywhere before `done`: gone at once, nothing is told any more
 *
 * Promise    `done` is called exactly once, unless the call was cancelled; every callback comes
 *            from the loop, never inside a call of ours, and may cancel its own call or any other.
 *            What is told between two `discarded` (or from the start, to `done`) is one answer from
 *            its first byte: a try that broke is withdrawn before the next begins.
 *            A success has text, a tool call or both, and the provider said that it was the end.
 *            Of a failure, what was told of the last try stands: the caller decides what to keep.
 * Retries    inside: 408, 409, 429, 5xx, connections that fail or break, streams without their end.
 *            While a provider is away, all calls of its connection wait for the one that asks it
 *            again (rules/provider/outage.h), as long as their patience lasts. The provider's
 *            retry-after is honoured up to MODEL_WAIT_MAX_MS; a longer one fails the call at once
 *            with resume_at_ms, unless it is an agent's, which waits. A quota error trips the
 *            connection's breaker: until resume_at_ms its calls fail with `quota`, without a
 *            request, and those of agents wait; then one of them is sent.
 * Refusals   a request that is refused for a parameter is made again at once without it, at most
 *            MODEL_REPEATS_MAX times, which are no tries. What it was refused for is remembered.
 * Bounds     max_concurrent calls of a connection at once; the rest, also what waits for its
 *            provider, queues by priority, then as it came; MODEL_QUEUE_MAX of them for each
 *            connection, so that one whose provider is away leaves room to the others. An answer:
 *            ANSWER_* in answer.h. All time limits in model_limits.
 * Guard      a connection's requests go to the host and port of its base URL and nowhere else;
 *            private and loopback addresses are allowed there, because its user named it.
 * Secrets    a key is in the one header of the request, and in no error, log, or list.
 * Ownership  see the functions. Threads: the loop.
 */
#ifndef DROVER_MODEL_MODEL_H
#define DROVER_MODEL_MODEL_H

#include "base/base.h"
#include "base/err.h"
#include "loop/fetch.h"
#include "loop/loop.h"
#include "model/connection.h"
#include "model/failure.h"
#include "model/price.h"
#include "model/request.h"
#include "rules/provider/parameters.h"
#include "rules/trace/usage.h"

enum {
    MODEL_TRIES_MAX = 4,
    MODEL_REPEATS_MAX = 6,
    MODEL_WAIT_MAX_MS = 60000, /* Between two tries. */
    MODEL_QUEUE_MAX = 10000,
    MODEL_WINDOW_DEFAULT = 32768,
};

/* 0 in any of them: the default. */
struct model_limits {
    uint64_t connect_ms; /* 10,000 */
    uint64_t answer_ms;  /* To the first byte: 300,000. */
    uint64_t stall_ms;   /* Between two pieces: 120,000. */
    uint64_t total_ms;   /* Of a call from its slot to its end, or to its next wait in the queue:
                          * 1,800,000. */
    uint64_t outage_ms;  /* First long wait of an outage: OUTAGE_WAIT_MS. */
};

struct models;
struct models_options {
    struct loop *loop; /* Borrowed for life, as all of these. */
    struct fetch *client;
    const char *script;     /* The JSON file of scripted/…; NULL: none. */
    const char *price_file; /* NULL: the built-in table alone. */
    struct model_limits limits;
};
/* Reads the files named in options: blocks, before the loop runs. */
MUST_CHECK struct err models_open(const struct models_options *options, struct models **ret_models,
                                  struct why *why);
/* Every call was cancelled or is done. `closed`, from the loop: all is gone. */
void models_close(struct models *models, void (*closed)(void *ctx), void *ctx);

/* --- Connections: set, changed and removed while running -------------------------------------- */

/* Adds one, or replaces the one of that name (calls that run go on as they began). Copies. */
MUST_CHECK struct err models_connection_set(struct models *models,
                                            const struct model_connection *connection,
                                            struct why *why);
/* false: there is none of that name. Calls that wait for it fail with `connection_changed`. */
MUST_CHECK bool models_connection_remove(struct models *models, const char *name);
/* NULL: there is none. Borrowed until the next set or remove. */
const struct model_connection *models_connection_find(const struct models *models,
                                                      const char *name);
/* In the order of their names. */
void models_connection_each(const struct models *models,
                            void (*each)(void *ctx, const struct model_connection *connection),
                            void *ctx);

/* Connections that nobody configured: from the environment, and on this machine.
 *
 *   those that model/known.h names
 *   OLLAMA_HOST, else 127.0.0.1:11434           ollama     if something lists models there
 *   LLAMACPP_HOST, else 127.0.0.1:8080          llamacpp   if something lists models there
 *
 * A key may also be in a file: OPENAI_API_KEY_FILE and so on (key_load). A base URL without a key
 * is a connection without one. The last two are asked when they are needed for the first time: by a
 * list of models, or by a call that names them; one that was not there is looked for again. No host
 * is asked that its user did not name or set up. A connection that is there already stays as it is.
 * Blocks on a key's file: before the loop runs. */
struct discover_from {
    const char *(*env)(void *ctx, const char *name); /* NULL: not set. */
    void *ctx;
    enum { DISCOVER_LOCAL, DISCOVER_NO_LOCAL } local; /* Whether servers of this machine count. */
};
MUST_CHECK struct err models_discover(struct models *models, const struct discover_from *from,
                                      struct why *why);
/* Remedy for a sentence that says that there is no connection of that name. NULL: the name is not
 * among those above. */
const char *models_remedy(const char *name);
#define MODELS_FOUND_BY                                                                            \
    "openai, anthropic and deepseek with OPENAI_API_KEY, ANTHROPIC_API_KEY or DEEPSEEK_API_KEY"

/* --- What is known of a model ----------------------------------------------------------------- */

enum model_window_from {
    WINDOW_CONNECTION,
    WINDOW_PROVIDER,
    WINDOW_PRICES,
    WINDOW_DEFAULT,
    WINDOW_LEARNED /* The provider refused a prompt that all the others allow. */
};
struct model_info {
    struct model_facts facts; /* window is never 0; -1 or unknown elsewhere as price.h has it. */
    enum model_window_from window_from;
    int64_t accepted;      /* Tokens of the longest prompt that it took lately; 0: unknown. */
    parameter_set refused; /* Parameters that it has refused lately. */
    enum model_kind kind;  /* Of its connection. */
};
/* What is known now, without asking anybody; false: there is no such connection. */
MUST_CHECK bool models_info(const struct models *models, struct bytes name,
                            struct model_info *ret_info);

/* The model takes fewer tokens than anybody said, until that time of the wall clock. A change of
 * its connection forgets it. Of one connection at most MODEL_LEARNED_MAX are kept: the oldest make
 * room. Nothing, where the connection is not there. */
enum { MODEL_LEARNED_MAX = 256 };
struct model_learned {
    struct bytes name; /* "connection/model" */
    int64_t window, until_ms;
};
void models_learn(struct models *models, const struct model_learned *learned);
/* The model took a prompt of `window` tokens: kept until `until_ms`, if no longer one is. window 0:
 * what it took is forgotten. */
void models_accept(struct models *models, const struct model_learned *accepted);
/* The model does not take these parameters, until that time of the wall clock. A change of its
 * connection forgets it. */
struct model_refused {
    struct bytes name; /* "connection/model" */
    parameter_set parameters;
    int64_t until_ms;
};
void models_refuse(struct models *models, const struct model_refused *refused);
/* Reports each such finding, for a day, once a call without them was taken. From the loop. `found`
 * NULL: nobody wants to know any more. */
enum { MODEL_REFUSED_MS = 24 * 60 * 60 * 1000 };
void models_on_refused(struct models *models,
                       void (*found)(void *ctx, const struct model_refused *refused), void *ctx);
/* Whether calls of a connection wait: why, and when its provider is asked again. */
MUST_CHECK bool models_is_away(const struct models *models, struct bytes connection,
                               struct model_failure *ret_failure);
/* Ends that wait: the next call is sent. Forgets what its models have shown. */
void models_reset(struct models *models, struct bytes connection);
/* Reports each time that a connection was reset or changed, or that a test of it was answered: what
 * rests elsewhere until its provider is asked again may go on. From the loop. `mended` NULL: nobody
 * wants to know any more. */
void models_on_mended(struct models *models, void (*mended)(void *ctx), void *ctx);
/* Whether that was ever reported for the connection of "connection/model"; empty: for any. */
MUST_CHECK bool models_was_mended(const struct models *models, struct bytes name);
/* The machine was suspended for that time: each connection whose provider is away is asked again
 * now, and a time that a provider named comes nearer. */
void models_woke(struct models *models, uint64_t slept_ms);
/* Forgets what all models of a connection have shown. */
void models_forget(struct models *models, struct bytes connection);

/* One line of a list of models. Borrowed for the call. */
struct model_listed {
    const char *connection, *model;
    struct model_info info;
};
/* Asks every provider whose list is not known or older than MODEL_LIST_MS; then `each` for each
 * model in order of connections, then `done`. Of a provider that does not answer in time only
 * what was known before is told. `ctx` must live until `done`, which models_close brings about. */
enum { MODEL_LIST_MS = 600000, MODEL_LIST_MAX = 2000 };
void models_list(struct models *models, void (*each)(void *ctx, const struct model_listed *model),
                 void (*done)(void *ctx), void *ctx);

/* --- Asking ----------------------------------------------------------------------------------- */

/* PAUSE: the provider has stopped its searches for now; it goes on when it is asked again with what
 * it has said so far. Such an answer may have no text. */
enum model_stop {
    MODEL_STOP_END,
    MODEL_STOP_TOOLS,
    MODEL_STOP_LENGTH,
    MODEL_STOP_REFUSED,
    MODEL_STOP_PAUSE
};

struct model_result {
    enum model_stop stop;         /* Of a success; REFUSED comes with a failure. */
    struct usage usage;           /* Of the last try; estimated when the provider said nothing. */
    struct usage spent;           /* Of all tries together. */
    struct usage_cost cost;       /* Of `spent`. */
    struct model_failure failure; /* cause MODEL_NONE: it succeeded. */
    unsigned tries;
    /* Parameters of the request that the model has refused lately: it was asked without them. */
    parameter_set without;
    struct bytes model;          /* Without its connection; ""; borrowed for the call. */
    uint64_t first_ms, total_ms; /* To the first piece of the answer, and to its end; 0 also where
                                  * nothing was sent. */
};

struct model_tool_call {
    unsigned index; /* Within the answer, from 0. */
    struct bytes id, name;
    /* In `tool_done` whole, as the model wrote them: "{}" for none, not always valid JSON. Empty in
     * `tool_begin`. A call that the longest length cut off is never done: `tool_cut` has what of it
     * came. */
    struct bytes arguments;
    /* JSON object of the provider, opaque, for model_part.signature; "": none so far. */
    struct bytes extra;
};

/* A search of the web that the provider has made within the call. */
struct model_search {
    struct bytes id;
    struct bytes input;   /* A JSON object, as the model wrote it: {"query"}, mostly. */
    struct bytes results; /* JSON: [{"title","url"}], as far as the provider says them. */
    struct bytes fault;   /* The provider's word for a failure; empty: it succeeded. */
};

/* NULL: not wanted. What is handed over is borrowed for the call. */
struct model_watch {
    void (*text)(void *ctx, struct bytes piece); /* Never ends within a character. */
    void (*thinking)(void *ctx, struct bytes piece);
    void (*thinking_done)(void *ctx, struct bytes signature); /* For model_part.signature. */
    void (*tool_begin)(void *ctx, const struct model_tool_call *call);
    void (*tool_piece)(void *ctx, unsigned index, struct bytes piece);
    void (*tool_done)(void *ctx, const struct model_tool_call *call);
    void (*tool_cut)(void *ctx, const struct model_tool_call *call);
    void (*searched)(void *ctx, const struct model_search *search);
    void (*discarded)(void *ctx); /* All that was told of the answer so far is void. */
    void (*retrying)(void *ctx, const struct model_failure *failure, uint64_t wait_ms);
    void (*resumed)(void *ctx); /* That wait is over: the next try begins, or `done` follows. */
    void (*done)(void *ctx, const struct model_result *result);
};

enum model_priority { MODEL_FOREGROUND, MODEL_BACKGROUND };

/* Takes the request over in any case. An unknown connection, a full queue or a request
 * that failed to be built are told by `done`, like everything else. */
struct asking;
struct asking *model_ask(struct models *models, struct model_request *request,
                         enum model_priority priority, const struct model_watch *watch, void *ctx);
/* Usage of a call until now, to be read before it is cancelled: reported by the provider, else
 * estimated from the bytes that went out and came back. Not from inside `done`, which has it. */
struct model_spent {
    struct usage usage; /* Of all tries together. */
    struct usage_cost cost;
    unsigned tries;
};
void model_get_spent(const struct asking *asking, struct model_spent *ret_spent);
void model_cancel(struct asking *asking); /* From inside `done`: nothing happens. */
/* It stands in line, or waits between two tries: its provider is not being asked. */
MUST_CHECK bool model_is_waiting(const struct asking *asking);
/* Time since the provider sent bytes, comments and pings included; -1: none came in this try. */
int64_t model_silence_ms(const struct asking *asking);

/* A tiny call that is sent once, even while its connection waits; an answer ends that wait. The
 * result has the latency or the cause. `name`: CONNECTION/MODEL, or of a connection:
 * then one of its models that is known to answer, else any. */
struct asking *models_connection_test(struct models *models, const char *name,
                                      const struct model_watch *watch, void *ctx);

/* Calls of the connection of "connection/model", and how many it makes at once: `limit` is below
 * `most` while its provider answers 429 (rules/provider/brake.h). 0: any number. False: there is
 * no such connection. */
struct model_load {
    int64_t running, waiting, limit, most;
};
MUST_CHECK bool models_get_load(const struct models *models, struct bytes name,
                                struct model_load *ret_load);

struct models_stats {
    uint64_t asked, failed, retried, running, waiting;
};
void models_get_stats(const struct models *models, struct models_stats *ret_stats);

#endif
