/* stub_agents.h: who answers a script's agents where nobody is asked.
 *
 * A script is played to its end: each agent is answered with a value that fits its schema
 * (model/scripted/instance.h), or with a short text; workflow() is found and run. Answers are given
 * one at a time, in the order in which they were asked for, so what is asked for behind the answers
 * of one WAVE is the next. What was asked for is counted, and kept by its kind.
 *
 * Promise    at most STAND_IN_STEPS kinds are kept, of STAND_IN_MODELS models, and at most
 *            STAND_IN_SCRIPTS scripts are looked for; what is beyond is counted.
 * Ownership  embedded: stand_in_init/stand_in_done.
 * Threads    one at a time: the pool's while it reads a frame, else the loop's. stand_in_hear
 *            blocks on the disk.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_STUB_AGENTS_H
#define DROVER_DISPATCH_WORKFLOW_STUB_AGENTS_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "script/catalog.h"

enum {
    STAND_IN_STEPS = 200,
    STAND_IN_MODELS = 32,
    STAND_IN_SCRIPTS = 64,
    STAND_IN_OUTPUT = 1000, /* Tokens that an agent is taken to say. */
};

enum stand_in_end { STAND_IN_GOING, STAND_IN_FINISHED, STAND_IN_FAILED };

/* Agents that differ in nothing that is shown. */
struct stand_in_step {
    char *phase, *label, *model; /* Owned; NULL: none. */
    unsigned wave;
    int64_t agents;
    bool schema;
};
struct stand_in_model {
    char *name; /* Owned; "": of those that name none of ours. */
    int64_t agents, prompt_bytes;
};

struct stand_in_asked;
struct stand_in {
    struct catalog_search search; /* Borrowed; but for its root: */
    char *root;                   /* Owned; NULL: none. */
    struct stand_in_asked *first, **end;
    int64_t pending, most_pending, agents, unlisted, spent;
    unsigned wave, scripts, asked;
    struct stand_in_step steps[STAND_IN_STEPS];
    size_t step_count;
    struct stand_in_model models[STAND_IN_MODELS];
    size_t model_count;
    enum stand_in_end ended;
    char *fault;       /* Owned: why it failed. */
    struct text reply; /* What its worker is told next; empty: nothing. */
};

void stand_in_init(struct stand_in *stand_in, const struct catalog_search *search,
                   const char *root);
void stand_in_done(struct stand_in *stand_in);
/* A frame of its worker. */
void stand_in_hear(struct stand_in *stand_in, struct bytes frame);
/* "steps":[{"wave","phase","label","model","schema","agents"}…],"unlisted":N */
void stand_in_write(const struct stand_in *stand_in, struct text *text);

#endif
