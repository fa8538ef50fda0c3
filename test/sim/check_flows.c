/* check_flows.c: flows while they run, and the part of them. Their ends: check_flow_ends.c.
 *
 *   always   an ended flow has no open step, no open question, no child that nobody asked to end
 *            a step that went back has forgotten what it came to
 *            no question, and no step of a batch, outlasts its time
 *            a step times out when its time has passed since the last sign of life below it, by the
 *            clock that nobody sets: not earlier, and not much later
 *            no two steps have one child
 *   end      of each flow: flows_judge
 *   rest     all flows end: one that does not says what its steps wait for
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "asks.h"
#include "base/memory.h"
#include "base/text.h"
#include "chat_ops.h"
#include "flow_player.h"
#include "flows.h"
#include "inside.h"
#include "ops.h"

enum { SHARE = 4, ORPHAN_MS = 15000, OVERDUE_MS = 15000, EARLY_MS = 1000, NESTED_STEPS = 4 };

#define ORPHAN_NS ((uint64_t)ORPHAN_MS * 1000 * 1000)

struct sim_flows *flows_of(struct sim *sim) {
    static struct sim_flows all;
    (void)sim; /* There is one. */
    return &all;
}

bool flows_play(const struct sim_options *options) {
    return options->mix == SIM_FLOWS || sim_hash(options->seed, 0, "flows", 0) % SHARE == 0;
}

struct sim_flow *flows_by_op(struct sim *sim, int64_t op) {
    struct sim_flows *all = flows_of(sim);
    for (size_t i = all->count; i > 0; i--) {
        if (all->list[i - 1].op == op) {
            return &all->list[i - 1];
        }
    }
    return NULL;
}

struct sim_flow *flows_add(struct sim *sim, int64_t op, struct bytes source) {
    struct sim_flows *all = flows_of(sim);
    if (all->count == FLOWS_MAX) {
        return NULL;
    }
    struct sim_flow *flow = &all->list[all->count++];
    *flow = (struct sim_flow){.op = op, .told = TOLD_ASKED};
    if (!flow_source_read(source, &flow->world)) {
        sim_fail(sim, "a flow with a source that nobody wrote: %.*s", (int)source.len, source.data);
    }
    return flow;
}

int64_t flows_rounds(struct sim *sim, int64_t op, size_t at) {
    const struct sim_flow *flow = flows_by_op(sim, op);
    const struct ask_number place = ask_number((int64_t)at);
    return flow == NULL ? 0
                        : rows_number(sim,
                                      "SELECT s.rounds FROM flow_steps s JOIN runs r ON r.id ="
                                      " s.run WHERE r.run = $1 AND s.place = CAST($2 AS INTEGER)",
                                      TEXTS(flow->run, place.text), 0);
}

void flows_worker_lost(struct sim *sim, int64_t op) {
    struct sim_flow *const unlucky[] = {flows_by_op(sim, op), flows_by_op(sim, flow_parent_op(op))};
    for (size_t i = 0; i < COUNT_OF(unlucky); i++) {
        if (unlucky[i] != NULL) {
            unlucky[i]->misfortunes++;
        }
    }
}

/* --- Children --------------------------------------------------------------------------------- */

static struct sim_flow *flow_by_run(struct sim *sim, struct bytes run) {
    struct sim_flows *all = flows_of(sim);
    for (size_t i = 0; i < all->count; i++) {
        if (bytes_is(run, all->list[i].run)) {
            return &all->list[i];
        }
    }
    return NULL;
}

size_t flows_step(const struct flow_world *world, const char *name) {
    size_t at = 0;
    return sscanf(name, "s%zu", &at) == 1 && at < world->count ? at : FLOW_NONE;
}

/* A step began a flow: its run, source and step. */
static void nested_add(struct sim *sim, const struct sim_flow *flow, const struct ask_row *row,
                       size_t at) {
    struct sim_flow *nested = flows_add(sim, flow_nested_op(flow->op, at), row->text[4]);
    if (nested != NULL) {
        (void)snprintf(nested->run, sizeof nested->run, "%s", row->text[3].data);
        nested->told = TOLD_ACCEPTED;
        nested->rooted = flow->rooted;
    }
}

/* Columns: run of the flow, name of the step, id, run; of a flow its source. The turn of an agent
 * is named by its session. */
static void child_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct sim_flow *flow = flow_by_run(sim, row->text[0]);
    const char *name =
        strncmp(row->text[1].data, "demo: ", 6) == 0 ? row->text[1].data + 6 : row->text[1].data;
    const size_t at = flow == NULL ? FLOW_NONE : flows_step(&flow->world, name);
    (void)ctx;
    if (flow == NULL) {
        return; /* The flow is beyond the table. */
    }
    if (at == FLOW_NONE || flow->child_count == FLOW_CHILDREN_MAX) {
        sim_fail(sim, "%s has a child of no step: %s", row->text[0].data, row->text[1].data);
    }
    flow->children[flow->child_count++] = (struct sim_child){.id = row->number[2], .at = at};
    flows_of(sim)->last_child = row->number[2];
    if (row->text[4].len > 0) {
        nested_add(sim, flow, row, at);
    }
}

static void child_state_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct sim_child *child = ctx;
    (void)sim;
    child->ended = row->number[1] != 0;
    child->succeeded = bytes_is(row->text[0], "succeeded");
}

static void children_look(struct sim *sim) {
    struct sim_flows *all = flows_of(sim);
    const struct ask_number last = ask_number(all->last_child);
    ask_each(
        sim,
        "SELECT f.run, coalesce(CASE WHEN c.kind = 'turn' THEN s.title WHEN c.kind = 'job'"
        " THEN c.label ELSE (SELECT name FROM flow_steps WHERE run = f.id AND latest = c.run)"
        " END, ''), c.id, c.run, coalesce(n.source, '') FROM runs c JOIN runs f ON f.id = c.parent"
        " LEFT JOIN turns t ON t.run = c.id LEFT JOIN sessions s ON s.id = t.session"
        " LEFT JOIN flows n ON n.run = c.id WHERE c.id > CAST($1 AS INTEGER)"
        " AND f.kind = 'flow' ORDER BY c.id",
        TEXTS(last.text), child_take, NULL);
    for (size_t i = 0; i < all->count; i++) {
        struct sim_flow *flow = &all->list[i];
        for (size_t c = 0; c < flow->child_count && !flow->judged; c++) {
            const struct ask_number id = ask_number(flow->children[c].id);
            if (!flow->children[c].ended) {
                ask_each(sim,
                         "SELECT state, ended_ms IS NOT NULL FROM runs WHERE id = CAST($1 AS"
                         " INTEGER)",
                         TEXTS(id.text), child_state_take, &flow->children[c]);
            }
        }
    }
}

/* --- Orphans, and batches --------------------------------------------------------------------- */

/* A child that no step waits for is asked to end, soon. */
static void orphan_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct sim_flow *flow = flow_by_run(sim, row->text[0]);
    (void)ctx;
    for (size_t i = 0; flow != NULL && i < flow->child_count; i++) {
        struct sim_child *child = &flow->children[i];
        if (child->id != row->number[1]) {
            continue;
        }
        child->orphan_ns = child->orphan_ns == 0 ? sim_now_ns(sim) : child->orphan_ns;
        if (sim_now_ns(sim) - child->orphan_ns > ORPHAN_NS && sim_life_age_ms(sim) > ORPHAN_MS &&
            !jobs_held(sim) && sim_now_ns(sim) - jobs_of(sim)->held_ns > ORPHAN_NS) {
            sim_fail(sim, "no step of %s waits for its child %s of s%zu, which runs", flow->run,
                     row->text[2].data, child->at);
        }
    }
}

/* A question to a person, the steps of a batch, and a run must not outlast their time. What passed
 * before this life of the daemon is left out: between two lives the wall clock counts, which may be
 * set. */
static void overdue_check(struct sim *sim, const struct sim_flow *flow, const char *what,
                          struct sim_still *still, int64_t version, int64_t most_ms) {
    const uint64_t now_ns = sim_now_ns(sim), full_ns = disk_full_ns();
    const uint64_t held_ns = jobs_of(sim)->held_ns;
    if (still->version != version || still->life != sim_life(sim)->number) {
        *still = (struct sim_still){version, sim_life(sim)->number, now_ns};
    }
    uint64_t from_ns = still->since_ns > full_ns ? still->since_ns : full_ns;
    from_ns = from_ns > held_ns ? from_ns : held_ns;
    if (most_ms > 0 && now_ns - from_ns > (uint64_t)(most_ms + OVERDUE_MS) * 1000 * 1000 &&
        sim_life_age_ms(sim) > (uint64_t)(most_ms + OVERDUE_MS) && !jobs_held(sim)) {
        sim_fail(sim, "%s of %s has a time of %lld ms, and goes on after %lld ms", what, flow->run,
                 (long long)most_ms, (long long)((now_ns - from_ns) / 1000000));
    }
}

/* --- Steps that time out ---------------------------------------------------------------------- */

/* Last numbers of the streams of a run, and of its session if it is a turn. Each event there is a
 * sign of life. */
#define HEADS                                                                                      \
    "COALESCE((SELECT m.head FROM streams m WHERE m.owner = r.owner AND m.name = 'run:' || r.run)" \
    ", 0) + COALESCE((SELECT m.head FROM turns u JOIN sessions n ON n.id = u.session JOIN streams" \
    " m ON m.owner = n.owner AND m.name = 'session:' || n.session WHERE u.run = r.id), 0)"
#define WAITS                                                                                      \
    "r.gate <> '' OR r.lane <> 0 OR r.state = 'waiting' OR EXISTS (SELECT 1 FROM approvals a "     \
    "WHERE"                                                                                        \
    " a.run = r.id AND a.answered_ms IS NULL) OR EXISTS (SELECT 1 FROM workflow_timers w WHERE"    \
    " w.run = r.id AND w.state = 'pending')"
/* Output of a command is a sign of life, too, and stands in no row. */
#define PRINTS "r.kind NOT IN ('turn', 'agent', 'workflow', 'flow')"
static const char signs_sql[] =
    "WITH RECURSIVE tree (flow, place, version, child, id) AS ("
    "SELECT s.run, s.place, s.version, s.child, s.child FROM flow_steps s WHERE s.child <> 0"
    " AND s.status = 'running' AND s.phase = 'child' UNION ALL SELECT t.flow, t.place, t.version,"
    " t.child, b.id FROM runs b JOIN tree t ON b.parent = t.id WHERE b.parent <> 0)"
    " SELECT f.run, t.place, t.version, sum(CASE WHEN r.id = t.child THEN " HEADS " ELSE 0 END),"
    " sum(" HEADS " + 1 + (SELECT count(*) + count(p.ended_ms) FROM spans p WHERE p.run = r.id)),"
    " max(CASE WHEN " WAITS " OR " PRINTS " THEN 1 ELSE 0 END), w.step_timeout_ms FROM tree t"
    " JOIN runs f ON f.id = t.flow JOIN flows w ON w.run = f.id JOIN runs r ON r.id = t.id"
    " WHERE r.ended_ms IS NULL GROUP BY f.run, t.place, t.version, w.step_timeout_ms";

static int64_t step_time_ms(const struct sim_flow *flow, int64_t at, int64_t of_flow_ms) {
    const int64_t own_ms = flow->world.plans[at].timeout_ms;
    return own_ms > 0 ? own_ms : of_flow_ms;
}

static void signs_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct sim_flow *flow = flow_by_run(sim, row->text[0]);
    (void)ctx;
    if (flow == NULL) {
        return; /* The flow is beyond the table. */
    }
    const int64_t at = row->number[1], version = row->number[2];
    struct sim_signs *signs = &flow->signs[at];
    const bool opened = signs->life != sim_life(sim)->number;
    if (opened || signs->version != version || signs->child != row->number[3]) {
        signs->version = version;
        signs->child = row->number[3];
        signs->life = sim_life(sim)->number;
        signs->child_ns = opened ? 0 : sim_now_ns(sim);
    }
    const bool waits = row->number[5] != 0;
    overdue_check(sim, flow, "a step", &signs->below, waits ? -1 : (version << 32) + row->number[4],
                  waits ? 0 : step_time_ms(flow, at, row->number[6]));
}

/* Steps that have timed out in this commit: columns run, place, version, time of the flow's. */
static void timed_out_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct sim_flow *flow = flow_by_run(sim, row->text[0]);
    (void)ctx;
    struct sim_signs *signs = flow == NULL ? NULL : &flow->signs[row->number[1]];
    if (flow == NULL || signs->version != row->number[2] - 1 ||
        signs->life != sim_life(sim)->number) {
        return;
    }
    const int64_t time_ms = step_time_ms(flow, row->number[1], row->number[3]);
    const int64_t passed_ms = (int64_t)((sim_now_ns(sim) - signs->child_ns) / 1000000);
    signs->version = 0;
    if (signs->child_ns > 0 && passed_ms + EARLY_MS < time_ms) {
        sim_fail(sim,
                 "s%lld of %s has a time of %lld ms, and timed out %lld ms after a sign of "
                 "life",
                 (long long)row->number[1], flow->run, (long long)time_ms, (long long)passed_ms);
    }
}

static void signs_look(struct sim *sim) {
    ask_each(sim, signs_sql, NULL, signs_take, NULL);
    ask_each(sim,
             "SELECT r.run, s.place, s.version, f.step_timeout_ms FROM flow_steps s JOIN runs r ON"
             " r.id = s.run JOIN flows f ON f.run = r.id WHERE s.phase = 'ending' OR"
             " (s.status = 'timed_out' AND s.cause = 'timed_out')",
             NULL, timed_out_take, NULL);
}

/* --- Batches, and runs ------------------------------------------------------------------------ */

/* Columns: run, place, version, phase, rewinds of the steps that run; in the order of runs. */
struct running {
    struct sim_flow *flow;
    int64_t batched[WORLD_BATCHES + 1];
};

static void running_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct running *running = ctx;
    struct sim_flow *flow = flow_by_run(sim, row->text[0]);
    if (flow == NULL) {
        return; /* The flow is beyond the table. */
    }
    if (flow != running->flow) {
        *running = (struct running){.flow = flow};
    }
    const size_t at = (size_t)row->number[1];
    const size_t batch = flow->world.plans[at].batch;
    if (bytes_is(row->text[3], flow_phase_names[FLOW_AT_PERSON])) {
        overdue_check(sim, flow, "a question", &flow->asked[at], row->number[2],
                      flow->world.plans[at].timeout_ms);
    }
    if (batch < WORLD_BATCHES) {
        overdue_check(sim, flow, "a batch", &flow->batched[batch], 1 + row->number[4],
                      flow->world.batch_timeout_ms);
    }
    if (++running->batched[batch] > flow->world.batch_at_once && batch < WORLD_BATCHES) {
        sim_fail(sim, "too many steps of the batch b%zu of %s run at once", batch, flow->run);
    }
}

/* Whether the look is the first one of this life: what it sees may have happened before. */
static bool opening;

/* The time of a run counts from its start, and until its last step has ended. */
static void timed_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct sim_flow *flow = flow_by_run(sim, row->text[0]);
    (void)ctx;
    if (flow == NULL) {
        return; /* The flow is beyond the table. */
    }
    if (flow->began.version == 0) {
        flow->began = (struct sim_still){1, opening ? 0 : sim_life(sim)->number, sim_now_ns(sim)};
    }
    overdue_check(sim, flow, "the run", &flow->ran, 1, flow->timeout_ms);
}

static void live_look(struct sim *sim) {
    struct running running = {.flow = NULL};
    ask_each(sim,
             "SELECT r.run, s.place, s.version, s.phase, f.rewinds FROM flow_steps s JOIN runs r ON"
             " r.id = s.run JOIN flows f ON f.run = r.id WHERE s.status = 'running' AND"
             " r.ended_ms IS NULL ORDER BY r.id",
             NULL, running_take, &running);
    ask_each(sim,
             "SELECT r.run FROM runs r JOIN flows f ON f.run = r.id WHERE r.state = 'running' AND"
             " r.stop = '' AND f.stage = 'steps' ORDER BY r.id",
             NULL, timed_take, NULL);
    ask_each(sim,
             "SELECT f.run, c.id, c.run FROM runs f JOIN runs c ON c.parent = f.id WHERE"
             " f.kind = 'flow' AND f.ended_ms IS NULL AND c.ended_ms IS NULL AND c.stop = ''"
             " AND NOT EXISTS (SELECT 1 FROM flow_steps s WHERE s.child = c.id)"
             " AND NOT EXISTS (SELECT 1 FROM flow_calls k JOIN flow_steps s ON s.run = k.run"
             " AND s.place = k.place AND s.version = k.version WHERE k.child = c.id)",
             NULL, orphan_take, NULL);
    if (rows_number(sim,
                    "SELECT count(*) FROM flow_steps WHERE status = 'pending' AND (prompt <> ''"
                    " OR result <> '')",
                    NULL, 0) > 0) {
        sim_fail(sim, "a step that has not begun, or went back, has a prompt or a result");
    }
}

/* --- The part --------------------------------------------------------------------------------- */

static void flow_check(struct sim *sim, struct sim_flow *flow) {
    struct row_state row;
    if (!row_state_read(sim, flow->run, &row)) {
        return;
    }
    if (flow->told == TOLD_DELETED && row.found) {
        sim_fail(sim, "%s was deleted, and is stored", flow->run);
    }
    if (flow->deleting) { /* Rows go one by one. */
        return;
    }
    if (!row.found && flow->told == TOLD_ACCEPTED && !flow->final) {
        sim_fail(sim, "%s was accepted, and is not stored", flow->run);
    }
    if (row.found && flow->told == TOLD_REFUSED) {
        sim_fail(sim, "%s was refused, and is stored", flow->run);
    }
    if (row.found && run_state_final(row.state)) {
        flows_judge(sim, flow);
    }
}

static void outlived_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "%s has ended, and %s of it has not", row->text[0].data, row->text[1].data);
}

static void flows_look(struct sim *sim) {
    struct sim_flows *all = flows_of(sim);
    if (!flows_play(&sim->options)) {
        return;
    }
    children_look(sim);
    live_look(sim);
    for (size_t i = 0; i < all->count; i++) {
        if (!all->list[i].judged) {
            flow_check(sim, &all->list[i]);
        }
    }
    ask_each(sim,
             "SELECT f.run, c.run FROM runs c JOIN runs f ON f.id = c.parent WHERE f.kind = 'flow'"
             " AND f.ended_ms IS NOT NULL AND c.ended_ms IS NULL AND c.stop = ''",
             NULL, outlived_take, NULL);
    ask_each(sim,
             "SELECT f.run, a.approval FROM approvals a JOIN runs f ON f.id = a.run WHERE"
             " f.kind = 'flow' AND f.ended_ms IS NOT NULL AND a.answered_ms IS NULL",
             NULL, outlived_take, NULL);
    ask_each(sim,
             "SELECT a.name, b.name FROM flow_steps a JOIN flow_steps b ON b.child = a.child"
             " WHERE a.child <> 0 AND (a.run <> b.run OR a.place < b.place)",
             NULL, outlived_take, NULL);
}

/* Most commits concern no run. */
static bool noted;

static void flows_noted(struct sim *sim, const struct run_row *row) {
    struct sim_flow *flow = run_state_final(row->state) ? flow_by_run(sim, row->run) : NULL;
    if (flow != NULL) {
        flow->final = true;
    }
    noted = true;
}

static void flows_committed(struct sim *sim) {
    if (noted) {
        flows_look(sim);
    }
    if (flows_of(sim)->count > 0) { /* A sign of life needs no note. */
        signs_look(sim);
    }
    noted = false;
}

static void flows_opened(struct sim *sim) {
    opening = true;
    flows_look(sim);
    opening = false;
}

static void flows_crashed(struct sim *sim) {
    struct sim_flows *all = flows_of(sim);
    for (size_t i = 0; i < all->count; i++) {
        all->list[i].told = all->list[i].told == TOLD_ASKED ? TOLD_UNKNOWN : all->list[i].told;
    }
}

static unsigned answers;

/* The file of the flow that steps of others begin. */
static void nested_write(struct sim *sim) {
    AUTO(text_done) struct text text = text_up_to(1 << 10);
    char path[300];
    flow_source_write(sim_hash(sim_seed(sim), 0, "fold", 0), NESTED_STEPS,
                      WORLD_TIMES | WORLD_FILES, &text);
    (void)snprintf(path, sizeof path, "%s/.drover/flows", sim_project_dir(sim));
    int rc = mkdir(path, 0700);
    assert(rc == 0);
    (void)snprintf(path, sizeof path, "%s/.drover/flows/" WORLD_NESTED ".js", sim_project_dir(sim));
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    const bool written = fputs(text.data, file) >= 0;
    rc = fclose(file);
    assert(written && rc == 0);
}

static void flows_begin(struct sim *sim) {
    if (flows_play(&sim->options)) {
        nested_write(sim);
    }
    flows_of(sim)->count = 0;
    flows_of(sim)->last_child = 0;
    answers = 0;
}

/* Columns: run, stage, names and phases of its open steps. */
static void waiting_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "%s has not ended: %s; %s", row->text[0].data, row->text[1].data,
             row->text[2].data);
}

static bool flows_rest(struct sim *sim, bool must) {
    static const char live[] = "SELECT count(*) FROM runs WHERE kind = 'flow' AND ended_ms IS NULL";
    if (!flows_play(&sim->options) || rows_number(sim, live, NULL, 0) == 0) {
        return true;
    }
    if (must) {
        ask_each(sim,
                 "SELECT r.run, f.stage || ' ' || r.state || ' ' || r.gate || ' ' || r.stop,"
                 " coalesce((SELECT group_concat(s.name || ' ' || s.phase || ' ' || coalesce("
                 "(SELECT c.run || ' ' || c.state || ' ' || c.gate FROM runs c WHERE c.id ="
                 " s.child), ''), '; ') FROM flow_steps s WHERE s.run = r.id AND s.status IN"
                 " ('pending', 'running')), '') FROM runs r JOIN flows f ON f.run = r.id"
                 " WHERE r.ended_ms IS NULL",
                 NULL, waiting_take, NULL);
    }
    (void)asked_answer(sim, answers++);
    (void)budgets_remove_all(sim);
    return false;
}

static void flows_end(struct sim *sim) {
    const struct sim_flows *all = flows_of(sim);
    size_t judged = 0;
    flows_look(sim);
    for (size_t i = 0; i < all->count; i++) {
        judged += all->list[i].judged ? 1 : 0;
    }
    sim_trace(sim, "%zu flows were judged", judged);
}

const struct sim_part part_flows = {
    .name = "flows",
    .ops = flows_ops,
    .begin = flows_begin,
    .opened = flows_opened,
    .crashed = flows_crashed,
    .noted = flows_noted,
    .look = flows_committed,
    .rest = flows_rest,
    .end = flows_end,
};
