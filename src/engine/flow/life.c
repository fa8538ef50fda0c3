/* life.c: signs of life of a step, below it. See flows.h.
 *
 * A step times out when nothing below it has moved for its time. That is looked at when the time
 * has passed, and not written when it happens: an agent says a word many times in a second. Signs
 * of life are rows: the last event of a run or of its session, a span, a begin. Output of commands
 * stands in no row, so who performs the flow looks for that before (tx_flow_jobs).
 *
 * Rows have times of the wall clock, and the time of a step passes by a clock that nobody sets: the
 * store knows how the two differed (tx_steady_of). A time that is still to come was written by an
 * earlier daemon, before the clock was set back, and says nothing.
 *
 * Time in which something below waits is no time of the step: for a slot, a budget, a provider, a
 * person, or the end of a sleep() of its own. When that is over, its own event is the sign of life.
 */
#include "base/memory.h"
#include "engine/flow/rows.h"

enum { BELOW_MAX = 500 }; /* Runs that are looked at for one step. */

/* The tree below the step $2 of the flow $1. Its roots are the unfinished child of the step, and
 * those of the calls of its function at version $3; below them are all unfinished runs, except
 * those that are being stopped. The rows come in the order of the tree, so that a limit cuts the
 * deepest. */
#define CHILDREN                                                                                   \
    "SELECT s.child FROM flow_steps s WHERE s.run = $1 AND s.place = $2 AND s.child <> 0"          \
    " UNION ALL SELECT c.child FROM flow_calls c WHERE c.run = $1 AND c.place = $2"                \
    " AND c.version = $3 AND c.child <> 0"
#define TREE                                                                                       \
    "WITH RECURSIVE tree (id) AS ("                                                                \
    "SELECT r.id FROM runs r WHERE r.ended_ms IS NULL AND r.id IN (" CHILDREN ")"                  \
    " UNION ALL SELECT b.id FROM runs b JOIN tree t ON b.parent = t.id WHERE b.parent <> 0"        \
    " AND b.ended_ms IS NULL AND b.stop = '') "
#define FROM_TREE " FROM (SELECT id FROM tree LIMIT $4) t JOIN runs r ON r.id = t.id"

/* 1: the run r waits for a budget, a slot, a provider, a person or the end of a sleep(). */
#define WAITS                                                                                      \
    "CASE WHEN r.gate <> '' OR r.lane <> 0 OR r.state = 'waiting' OR EXISTS ("                     \
    "SELECT 1 FROM approvals a WHERE a.run = r.id AND a.answered_ms IS NULL) OR EXISTS ("          \
    "SELECT 1 FROM workflow_timers w WHERE w.run = r.id AND w.done_no = 0 AND w.kind = 'sleep'"    \
    " AND w.state = 'pending') THEN 1 ELSE 0 END"
/* The last begin or end of a span of r; 0: none. Those at times that are to come are of a clock
 * that was set back since, and would hide later ones. */
#define LAST_SPAN                                                                                  \
    "COALESCE((SELECT max(COALESCE(p.ended_ms, p.started_ms)) FROM spans p"                        \
    " WHERE p.run = r.id AND COALESCE(p.ended_ms, p.started_ms) <= $5), 0)"
/* The last event of a stream; 0: none. */
#define LAST_EVENT(owner, name)                                                                    \
    "COALESCE((SELECT e.at_ms FROM streams m JOIN events e ON e.stream = m.id AND e.seq = m.head"  \
    " WHERE m.owner = " owner " AND m.name = " name "), 0)"
#define LAST_OF_RUN LAST_EVENT("r.owner", "'run:' || r.run")
#define LAST_OF_SESSION LAST_EVENT("n.owner", "'session:' || n.session")
/* The same of the session in which r is a turn; 0: it is no turn. */
#define LAST_AS_TURN                                                                               \
    "COALESCE((SELECT " LAST_OF_SESSION " FROM turns u JOIN sessions n ON n.id = u.session"        \
    " WHERE u.run = r.id), 0)"

/* A row for each run of the tree: whether it waits, and four signs of life. */
static const char signs_sql[] =
    TREE "SELECT " WAITS ", r.started_ms, " LAST_SPAN ", " LAST_OF_RUN ", " LAST_AS_TURN FROM_TREE;
/* The kind of each run of the tree, and the name of the folder of its output. */
static const char jobs_sql[] =
    TREE "SELECT r.kind, r.run || '.' || CAST(r.attempt AS TEXT)" FROM_TREE " WHERE r.gate = ''";

/* Latest sign of life that rows have, by the steady clock; now, while something below waits. */
static int64_t signs_read(struct tx *tx, const struct flow_state *state, size_t at) {
    int64_t alive_ms = -1;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, signs_sql,
                                ARGS(arg_int(state->run.id), arg_int((int64_t)at),
                                     arg_int(state->flow.steps[at].version), arg_int(BELOW_MAX),
                                     arg_int(tx_now_ms(tx))));
    while (alive_ms < tx_steady_ms(tx) && rows_step(rows)) {
        for (int column = 1; column <= 4; column++) {
            const int64_t sign_ms = tx_steady_of(tx, rows_int(rows, column));
            alive_ms = sign_ms > alive_ms ? sign_ms : alive_ms;
        }
        alive_ms = rows_int(rows, 0) != 0 ? tx_steady_ms(tx) : alive_ms;
    }
    return alive_ms;
}

/* The row keeps it: else each later round would take the time for passed again. */
static void step_revive(struct tx *tx, struct flow_state *state, size_t at, int64_t alive_ms) {
    struct flow_step *step = &state->flow.steps[at];
    if (alive_ms > step->changed_ms) {
        step->changed_ms = alive_ms < tx_steady_ms(tx) ? alive_ms : tx_steady_ms(tx);
        tx_do(tx, "UPDATE flow_steps SET changed_ms = $3 WHERE run = $1 AND place = $2",
              ARGS(arg_int(state->run.id), arg_int((int64_t)at), arg_int(step->changed_ms)));
    }
}

void flows__revive(struct tx *tx, struct flow_state *state, const struct flow_due *due) {
    for (size_t i = 0; i < state->flow.count; i++) {
        if (!flow_is_silent(&state->flow, i)) {
            continue;
        }
        int64_t alive_ms = signs_read(tx, state, i);
        for (size_t s = 0; s < due->count; s++) {
            const struct flow_sign *sign = &due->signs[s];
            const int64_t sign_ms = sign->at == i ? tx_steady_of(tx, sign->at_ms) : -1;
            alive_ms = sign_ms > alive_ms ? sign_ms : alive_ms;
        }
        step_revive(tx, state, i, alive_ms);
    }
}

struct err tx_flow_jobs(struct tx *tx, struct bytes run,
                        void (*each)(void *ctx, size_t at, struct bytes log), void *ctx) {
    AUTO(flows__done) struct flow_state state;
    if (!flows__load(tx, run, &state)) {
        return tx_error(tx);
    }
    for (size_t i = 0; i < state.flow.count && state.stage == FLOW_IN_STEPS; i++) {
        if (!flow_is_silent(&state.flow, i)) {
            continue;
        }
        AUTO(rows_release)
        struct rows *rows = tx_rows(tx, jobs_sql,
                                    ARGS(arg_int(state.run.id), arg_int((int64_t)i),
                                         arg_int(state.flow.steps[i].version), arg_int(BELOW_MAX)));
        while (rows_step(rows)) {
            enum run_kind kind = KIND_FLOW;
            if (run_kind_find(rows_text(rows, 0), &kind) && run_kind_is(kind, RUN_HAS_PROCESS)) {
                each(ctx, i, rows_text(rows, 1));
            }
        }
    }
    return tx_error(tx);
}
