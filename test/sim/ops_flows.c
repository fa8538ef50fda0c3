/* ops_flows.c: requests of clients for flows, as the handlers of api/ ask the daemon: they are
 * submitted, also from an ended one, stopped and deleted, workflows of their steps are paused; and
 * answers come that nobody waits for. */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "base/memory.h"
#include "base/text.h"
#include "engine/flow/flows.h"
#include "flow_player.h"
#include "flows.h"
#include "inside.h"
#include "known.h"
#include "main/work.h"

enum { TEXT_BYTES_MAX = 64 << 10 };

static struct run_bounds bounds_of(struct sim *sim) {
    return dispatch_bounds(work_api(sim_life(sim)->work).host.dispatch);
}

static struct sim_flow *flow_pick(struct sim *sim) {
    struct sim_flows *all = flows_of(sim);
    return all->count == 0 ? NULL : &all->list[sim_choose(sim, "flow", all->count)];
}

/* --- Submitted -------------------------------------------------------------------------------- */

struct submission {
    struct sim *sim;
    struct sim_flow *flow;
    struct flow_new what;
    struct id run;
    bool excluded[WORLD_STEPS];
    struct text source, description, input; /* Owned. */
    json_t *rerun, *rerun_from;             /* Owned; NULL: none. */
    struct why why;
};

static struct err submit_tx(struct tx *tx, void *ctx) {
    struct submission *submission = ctx;
    struct run_row row = {0};
    return tx_flow_submit(tx, &submission->what, &row, &submission->why);
}

static bool may_refuse(struct err err) {
    switch (err.code) {
    case ERR_INTERNAL:
    case ERR_BAD_JSON:
    case ERR_BAD_FIELD:
    case ERR_BAD_FLOW:
    case ERR_NOT_FOUND:
        return false;
    default:
        return true; /* A full disk, a full queue, a daemon that ends. */
    }
}

static void submit_done(struct err err, void *ctx) {
    struct submission *submission = ctx;
    struct sim *sim = submission->sim;
    if (!sim_life(sim)->dead) {
        submission->flow->told = err_failed(err) ? TOLD_REFUSED : TOLD_ACCEPTED;
        sim_trace(sim, "flow %s: %s", submission->flow->run, err_name(err.code));
        const bool removed = submission->flow->before != NULL && err.code == ERR_NOT_FOUND;
        if (err_failed(err) && !removed && !may_refuse(err)) {
            sim_fail(sim, "a flow is refused: %s (%s) %s", err_name(err.code), err.step,
                     submission->why.text);
        }
    }
    text_done(&submission->source);
    text_done(&submission->description);
    text_done(&submission->input);
    json_release(&submission->rerun);
    json_release(&submission->rerun_from);
    mem_free(submission);
}

static void what_write(struct sim *sim, struct submission *submission, const char *root) {
    static const char *const models[] = {"openai/plain", "openai/think", "responses/plain",
                                         "anthropic/plain"};
    struct sim_flow *flow = submission->flow;
    const struct flow_world *world = &flow->world;
    world_write(world, &submission->description);
    text_addf(&submission->input, "{\"op\":%lld}", (long long)flow->op);
    for (size_t i = 0; i < world->count; i++) {
        submission->excluded[i] = world->plans[i].unwanted_first;
    }
    submission->what = (struct flow_new){
        .run = {.run = submission->run,
                .owner = BYTES(KNOWN_OWNER),
                .parent = BYTES(""),
                .key = BYTES(""),
                .label = BYTES("demo"),
                .spec = BYTES("{}"),
                .project = sim_chance(sim, "project", 50) ? BYTES("web") : BYTES(""),
                .kind = KIND_FLOW,
                .bounds = bounds_of(sim)},
        .name = BYTES("demo"),
        .file = BYTES("demo.js"),
        .source = text_bytes(&submission->source),
        .description = text_bytes(&submission->description),
        .input = text_bytes(&submission->input),
        .model = known_bytes(models[sim_choose(sim, "model", COUNT_OF(models))]),
        .root = known_bytes(root),
        .step_timeout_ms = sim_chance(sim, "step time?", 40)
                               ? 2000 + (int64_t)sim_choose(sim, "step time", 300000)
                               : 0,
        .timeout_ms = flow->timeout_ms,
        .excluded = submission->excluded};
}

/* NULL: there are too many flows. */
static struct submission *submission_new(struct sim *sim, int64_t op, uint64_t seed, bool rooted) {
    struct submission *submission = mem_new(sizeof *submission);
    text_init(&submission->source, TEXT_BYTES_MAX);
    flow_source_write(seed, FLOW_WORLD_STEPS,
                      WORLD_TIMES | WORLD_FILES | (rooted ? WORLD_NESTS : 0), &submission->source);
    struct sim_flow *flow = flows_add(sim, op, text_bytes(&submission->source));
    if (flow == NULL) {
        text_done(&submission->source);
        mem_free(submission);
        return NULL;
    }
    submission->sim = sim;
    submission->flow = flow;
    flow->timeout_ms =
        sim_chance(sim, "run time?", 25) ? 1000 + (int64_t)sim_choose(sim, "run time", 600000) : 0;
    text_init(&submission->description, TEXT_BYTES_MAX);
    text_init(&submission->input, TEXT_BYTES_MAX);
    submission->run = known_id(sim, "run", "flow");
    memcpy(flow->run, submission->run.text, ID_SIZE);
    flow->rooted = rooted;
    what_write(sim, submission, rooted ? sim_project_dir(sim) : "");
    return submission;
}

static void flow_submit(struct sim *sim) {
    const bool rooted = sim_chance(sim, "root", 40);
    const uint64_t seed = sim_hash(sim_seed(sim), sim_operation(sim), "demo", 0);
    struct submission *submission = submission_new(sim, (int64_t)sim_operation(sim), seed, rooted);
    if (submission != NULL) {
        store_write(sim_life(sim)->store, submit_tx, submit_done, submission);
    }
}

/* --- From an ended one ------------------------------------------------------------------------ */

/* A step runs again: alone, but for a switch, or with all after it. */
static void again_choose(struct sim *sim, struct submission *submission) {
    struct sim_flow *flow = submission->flow;
    const size_t at = (size_t)sim_choose(sim, "again", flow->world.count);
    const bool alone =
        flow->world.plans[at].kind != FLOW_KIND_SWITCH && sim_chance(sim, "alone", 50);
    flow->again[at] = alone ? FLOW_ALONE_AGAIN : FLOW_AGAIN;
    *(alone ? &submission->rerun : &submission->rerun_from) =
        json_pack("[o]", json_sprintf("s%zu", at));
    submission->what.rerun = submission->rerun;
    submission->what.rerun_from = submission->rerun_from;
}

/* A flow that has ended, and that no step began; NULL: there is none. Of those with one number the
 * last must have ended, too: workers of both would know the same steps. */
static const struct sim_flow *ended_pick(struct sim *sim) {
    struct sim_flows *all = flows_of(sim);
    const struct sim_flow *ended[FLOWS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct sim_flow *flow = &all->list[i];
        if (flow->ends_known && !flow->deleting && flow_parent_op(flow->op) == 0 &&
            flows_by_op(sim, flow->op)->ends_known) {
            ended[count++] = flow;
        }
    }
    return count == 0 ? NULL : ended[sim_choose(sim, "ended flow", count)];
}

static void flow_resume(struct sim *sim) {
    const struct sim_flow *old = ended_pick(sim);
    if (old == NULL) {
        return;
    }
    struct submission *submission = submission_new(sim, old->op, old->world.seed, old->rooted);
    if (submission == NULL) {
        return;
    }
    submission->flow->before = old;
    submission->what.resume = known_bytes(old->run);
    if (sim_chance(sim, "again?", 60)) {
        again_choose(sim, submission);
    }
    store_write(sim_life(sim)->store, submit_tx, submit_done, submission);
}

/* --- Stopped ---------------------------------------------------------------------------------- */

struct order {
    struct sim *sim;
    struct sim_flow *flow;
    struct run_stop stop;
    bool more;
    /* A late answer: */
    struct flow_told told;
    bool late;
};

static struct err stop_tx(struct tx *tx, void *ctx) {
    struct order *order = ctx;
    struct run_row row = {0};
    order->more = false;
    return tx_run_stop(tx, &order->stop, &order->more, &row);
}

static void stop_done(struct err err, void *ctx) {
    struct order *order = ctx;
    if (!err_failed(err) && order->more) {
        store_write(sim_life(order->sim)->store, stop_tx, stop_done, order);
        return;
    }
    sim_trace(order->sim, "a stop of the flow %s: %s", order->flow->run, err_name(err.code));
    mem_free(order);
}

static void flow_stop(struct sim *sim) {
    struct sim_flow *flow = flow_pick(sim);
    if (flow == NULL) {
        return;
    }
    struct order *order = mem_new(sizeof *order);
    *order =
        (struct order){.sim = sim,
                       .flow = flow,
                       .stop = {.key = {.owner = BYTES(KNOWN_OWNER), .run = known_bytes(flow->run)},
                                .cause = CAUSE_STOPPED,
                                .grace_ms = 1000,
                                .bounds = bounds_of(sim)}};
    store_write(sim_life(sim)->store, stop_tx, stop_done, order);
}

/* --- Deleted ---------------------------------------------------------------------------------- */

static struct err remove_tx(struct tx *tx, void *ctx) {
    struct order *order = ctx;
    struct run_row row = {0};
    order->more = false;
    return tx_run_remove(tx, &order->stop.key, &order->more, &row);
}

static void remove_done(struct err err, void *ctx) {
    struct order *order = ctx;
    if (!err_failed(err) && order->more) {
        store_write(sim_life(order->sim)->store, remove_tx, remove_done, order);
        return;
    }
    sim_trace(order->sim, "a delete of the flow %s: %s", order->flow->run, err_name(err.code));
    if (err_failed(err)) { /* The flow has not ended yet. */
        order->flow->deleting = false;
    } else {
        order->flow->told = TOLD_DELETED;
    }
    mem_free(order);
}

static void flow_delete(struct sim *sim) {
    struct sim_flow *flow = flow_pick(sim);
    if (flow == NULL || flow->told != TOLD_ACCEPTED) {
        return;
    }
    struct order *order = mem_new(sizeof *order);
    *order =
        (struct order){.sim = sim,
                       .flow = flow,
                       .stop.key = {.owner = BYTES(KNOWN_OWNER), .run = known_bytes(flow->run)}};
    flow->deleting = true;
    store_write(sim_life(sim)->store, remove_tx, remove_done, order);
}

/* --- Paused ----------------------------------------------------------------------------------- */

struct pause {
    char run[ID_SIZE];
    enum workflow_pause what;
    struct why why;
};

static struct err pause_tx(struct tx *tx, void *ctx) {
    struct pause *pause = ctx;
    struct run_row row = {0};
    const struct run_key key = {.owner = BYTES(KNOWN_OWNER), .run = known_bytes(pause->run)};
    return tx_workflow_pause(tx, &key, pause->what, &row, &pause->why);
}

static void pause_done(struct err err, void *ctx) {
    (void)err; /* The workflow may have ended. */
    mem_free(ctx);
}

struct pausing {
    enum workflow_pause what;
    size_t skip, sent;
};

static void pause_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct pausing *pausing = ctx;
    if (pausing->what == WORKFLOW_PAUSE && (pausing->skip > 0 || pausing->sent > 0)) {
        pausing->skip -= pausing->skip > 0 ? 1 : 0;
        return;
    }
    struct pause *pause = mem_new(sizeof *pause);
    pause->what = pausing->what;
    (void)snprintf(pause->run, sizeof pause->run, "%s", row->text[0].data);
    sim_trace(sim, "%s of the workflow %s", pause->what == WORKFLOW_PAUSE ? "pause" : "resume",
              pause->run);
    store_write(sim_life(sim)->store, pause_tx, pause_done, pause);
    pausing->sent++;
}

#define OF_FLOWS                                                                                   \
    "SELECT c.run FROM runs c JOIN runs f ON f.id = c.parent WHERE f.kind = 'flow' AND c.kind ="   \
    " 'workflow' AND c.ended_ms IS NULL AND c.stop = '' AND c.state "

bool flows_unpause(struct sim *sim) {
    struct pausing pausing = {.what = WORKFLOW_RESUME};
    ask_each(sim, OF_FLOWS "= 'waiting' ORDER BY c.id", NULL, pause_take, &pausing);
    return pausing.sent > 0;
}

static void flow_pause(struct sim *sim) {
    struct pausing pausing = {.what = WORKFLOW_PAUSE, .skip = sim_choose(sim, "pause", 3)};
    ask_each(sim, OF_FLOWS "<> 'waiting' ORDER BY c.id DESC", NULL, pause_take, &pausing);
    if (pausing.sent == 0) {
        (void)flows_unpause(sim);
    }
}

/* --- Late answers ----------------------------------------------------------------------------- */

struct steps {
    struct flow_place places[WORLD_STEPS];
    enum flow_phase phases[WORLD_STEPS];
    size_t count;
};

static void on_step(void *ctx, const struct flow_item *item) {
    struct steps *steps = ctx;
    if (steps->count < WORLD_STEPS) {
        steps->places[steps->count] =
            (struct flow_place){.at = item->place, .version = item->version};
        steps->phases[steps->count++] = item->phase;
    }
}

/* The answer is the one that the step waited for before, or another one than it waits for. */
static struct err late_tx(struct tx *tx, void *ctx) {
    struct order *order = ctx;
    struct flow_look look;
    struct steps steps = {.count = 0};
    bool found = false;
    order->late = true;
    struct err err = tx_flow_look(tx, known_bytes(order->flow->run), &found, &look);
    if (!err_failed(err) && found) {
        err = tx_flow_steps(tx, &look, (struct flow_known){.count = 0}, on_step, &steps);
    }
    if (err_failed(err) || !found || order->told.place.at >= steps.count) {
        return err;
    }
    const size_t at = order->told.place.at;
    const bool is_old = order->told.place.version == 0;
    struct flow_told told = order->told;
    told.place.version = told.answer.version = steps.places[at].version - (is_old ? 1 : 0);
    told.answer.phase = is_old                              ? steps.phases[at]
                        : steps.phases[at] == FLOW_AT_UNTIL ? FLOW_AT_WHEN
                                                            : FLOW_AT_UNTIL;
    return tx_flow_answer(tx, &told, &order->late);
}

static void late_done(struct err err, void *ctx) {
    struct order *order = ctx;
    if (!err_failed(err) && !order->late) {
        sim_fail(order->sim, "%s takes an answer that no step waits for", order->flow->run);
    }
    mem_free(order);
}

static void flow_late(struct sim *sim) {
    struct sim_flow *flow = flow_pick(sim);
    if (flow == NULL) {
        return;
    }
    static const enum flow_said words[] = {FLOW_SAID_YES, FLOW_SAID_NO, FLOW_SAID_VALUE,
                                           FLOW_SAID_FAILED, FLOW_SAID_THREW};
    struct order *order = mem_new(sizeof *order);
    *order =
        (struct order){.sim = sim,
                       .flow = flow,
                       .told = {.place = {.run = known_bytes(flow->run),
                                          .at = (size_t)sim_choose(sim, "step", flow->world.count),
                                          .version = (int64_t)sim_choose(sim, "old", 2)},
                                .answer = {.said = words[sim_choose(sim, "word", COUNT_OF(words))]},
                                .text = BYTES("too late"),
                                .bounds = bounds_of(sim)}};
    store_write(sim_life(sim)->store, late_tx, late_done, order);
}

const struct sim_op flows_ops[] = {
    {"flow_submit", 430, flow_submit},
    {"flow_resume", 200, flow_resume},
    {"flow_stop", 15, flow_stop},
    {"flow_delete", 8, flow_delete},
    {"flow_pause", 20, flow_pause},
    {"flow_late", 60, flow_late},
    {NULL, 0, NULL},
};
