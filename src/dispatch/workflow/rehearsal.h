/* rehearsal.h: a script that is played to its end with stub agents, where nobody is asked.
 *
 *   PLAYING ──a frame──> READ in the pool ──its answer──> PLAYING
 *      └──its end, its worker's, or no time left──────────────────> done
 *
 * Each agent is answered with a value that fits its schema (model/scripted/instance.h), or with a
 * short text; workflow() is found and run. Answers are given one at a time, in the order of the
 * requests, so what is requested after the answers of one WAVE is the next. Requests are counted,
 * and listed by their kind.
 *
 * Promise    `done` once, never inside the call. It runs in a worker as a run's would, with the
 *            same limits; nobody is asked, and nothing is stored.
 * Limits     REHEARSE_MS, and REHEARSE_MAX at once: what is above is reported as `cut`. At most
 *            STUB_STEPS kinds are listed, of STUB_MODELS models, and at most STUB_SCRIPTS scripts
 *            are searched; what is above is counted.
 * Ownership  what is asked is borrowed for the call. `ctx` must live until `done`, which flows_stop
 *            brings about, too.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_REHEARSAL_H
#define DROVER_DISPATCH_WORKFLOW_REHEARSAL_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/text.h"
#include "script/catalog.h"
#include "script/reader/meta.h"

enum {
    STUB_STEPS = 200,
    STUB_MODELS = 32,
    STUB_SCRIPTS = 64,
    STUB_OUTPUT = 1000, /* Tokens that an agent is taken to say. */
};

enum stub_end { STUB_GOING, STUB_FINISHED, STUB_FAILED };

/* Agents that differ in nothing that is shown. */
struct stub_step {
    char *phase, *label, *model; /* Owned; NULL: none. */
    unsigned wave;
    int64_t agents;
    bool schema;
};
struct stub_model {
    char *name; /* Owned; "": of those that name none of ours. */
    int64_t agents, prompt_bytes;
};

struct stub_request;
struct stubs {
    struct catalog_search search; /* Borrowed; but for its root: */
    char *root;                   /* Owned; NULL: none. */
    struct stub_request *first, **end;
    int64_t pending, most_pending, agents, unlisted, spent;
    unsigned wave, scripts, asked;
    struct stub_step steps[STUB_STEPS];
    size_t step_count;
    struct stub_model models[STUB_MODELS];
    size_t model_count;
    enum stub_end ended;
    char *fault;       /* Owned: why it failed. */
    struct text reply; /* All that its worker is told next; empty: nothing. */
};

enum { REHEARSE_MS = 10000, REHEARSE_MAX = 8 };

struct flows;
struct rehearsal_ask {
    struct bytes text; /* As it was prepared. */
    enum script_form form;
    struct bytes file;
    const json_t *args; /* NULL: none. */
    int64_t total;      /* For its budget; < 0: none. */
    const char *root;   /* NULL: none. */
};
/* cut: why it was not played to its end, static; NULL: it was, well or not. Borrowed for the call,
 * as are the stubs. */
void flows_rehearse(struct flows *flows, const struct rehearsal_ask *ask,
                    void (*done)(void *ctx, const struct stubs *told, const char *cut), void *ctx);
/* "steps":[{"wave","phase","label","model","schema","agents"}…],"unlisted":N */
void stubs_write(const struct stubs *stubs, struct text *text);
void flows__stop_rehearsals(struct flows *flows); /* For flows_stop. */

#endif
