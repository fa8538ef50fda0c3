/* steps.c: a step begins, is restarted, and ends. Begin and end are the hottest of all transactions
 * after run/submit.c: alone one question, one row and one event each.
 *
 * Agents with tools. A step whose agent has tools has a session, and the turn of it is the step's.
 * Both are made in the commit that begins the step, and the turn is performed like any other. The
 * session is archived at once, so that the lists of what people talk to stay theirs; it can be read
 * there like every other.
 *
 * Restart. An agent that has not ended is asked again, under the row that it has.
 *
 *   running, attempt n ──restart──> running, attempt n + 1
 *
 * The attempt is the fence: what the one before came to is brought with its number, finds another
 * one, and is ignored. So a restart that meets the agent's end is either refused, since the
 * end was stored, or that end is. Who performs the step hears of it by the row's note; a daemon
 * that comes back finds an agent that has to be asked, as after any crash.
 *
 * An agent with tools loses its turn: it is called off here, and its name leaves the row, so that
 * the next performer makes another one (tx_step_talk), in another commit. */
#include "engine/workflow/steps.h"

#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/base/ids.h"
#include "engine/inbox/inbox.h"
#include "engine/run/budget_gate.h"
#include "engine/session/rows.h"
#include "engine/trace/usage_totals.h"
#include "engine/turn/record.h"
#include "engine/workflow/rows.h"

/* --- Agents with tools ------------------------------------------------------------------------ */

static struct err turn_begin(struct tx *tx, const struct step_new *step) {
    struct talk_new talk = *step->talk;
    struct talk_begun begun;
    struct why why = {""};
    talk.session.owner = step->place.owner;
    talk.session.model = talk.message.model_default = step->model;
    talk.session.archived = true;
    talk.message.text = step->prompt;
    talk.message.parent = bytes_of(step->run.text);
    talk.message.bounds = step->bounds;
    TRY(tx_talk_begin(tx, &talk, &begun, &why));
    /* The turn stays as long as its step, and is found by it: see STEP_TURN_KEY. */
    tx_do(tx, "UPDATE runs SET step_key = $2 WHERE run = $1",
          ARGS(arg_text(begun.turn.run), arg_str(STEP_TURN_KEY)));
    return tx_error(tx);
}

/* The last condition admits the index of steps: no database derives it from the one before. */
#define TURNS_OF_STEP                                                                              \
    " FROM runs r JOIN turns t ON t.run = r.id JOIN sessions s ON s.id = t.session"                \
    " WHERE r.parent = (SELECT id FROM runs WHERE run = $1) AND r.step_key = $2"                   \
    " AND r.step_key <> ''"

/* Sums of the sessions of all its turns: each restart made another one. A step that was skipped, or
 * whose timeout has passed, ends before its turn does: the call that is out then counts by the text
 * that its stream has. */
static void talk_used(struct tx *tx, struct step_end *io_end) {
    static const char sums[] = "SELECT CAST(COALESCE(sum(s.fresh), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.cache_read), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.cache_write), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.output), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.reasoning), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.cost_micros), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.cost_unknown), 0) AS BIGINT)" TURNS_OF_STEP;
    static const char calling[] =
        "SELECT COALESCE(max(r.id), 0)" TURNS_OF_STEP " AND r.ended_ms IS NULL AND t.call <> 0";
    const struct arg args[] = {arg_text(io_end->run), arg_str(STEP_TURN_KEY)};
    int64_t of[7];
    tx_numbers(tx, sums, args, COUNT_OF(args), of, COUNT_OF(of));
    io_end->usage = (struct usage){.fresh = of[0],
                                   .cache_read = of[1],
                                   .cache_write = of[2],
                                   .output = of[3],
                                   .reasoning = of[4]};
    io_end->calls_unpriced = of[6];
    io_end->cost = (struct usage_cost){.known = of[6] == 0, .micros = of[5]};
    AUTO(turns__said_done) struct turn_said said = {.text = {0}};
    struct turn turn = {.run = {.id = tx_number(tx, calling, args, COUNT_OF(args))}};
    if (turn.run.id == 0 || !turns__load_rest(tx, &turn)) {
        return;
    }
    tx_fail(tx, turns__hear(tx, &turn.session, &turn.row, &said));
    const struct usage call =
        usage_estimate(/* input_bytes */ 0, said.text.len + said.thinking.len);
    usage_add(&io_end->usage, &call);
}

struct err tx_step_talked(struct tx *tx, struct bytes turn, struct step_talked *ret_talked) {
    /* A budget of the step's own that is used up; the worth of its time is no question here. */
    static const char own[] = "SELECT count(*) FROM budgets WHERE run = $1"
                              " AND (output_tokens_spent >= output_tokens_max"
                              " OR tokens_spent >= tokens_max OR cost_micros_spent >="
                              " cost_micros_max)";
    struct run_row row;
    struct turn_row of_turn;
    *ret_talked = (struct step_talked){.said = {"", 0}, .note = {"", 0}};
    if (!runs__load(tx, turn, &row)) {
        return tx_error(tx);
    }
    ret_talked->ended = run_state_final(row.state);
    ret_talked->state = row.state;
    ret_talked->resume_at_ms = run_resume_at_ms(&row);
    ret_talked->cause = row.cause;
    ret_talked->note = row.note;
    if (ret_talked->ended) {
        tx_fail(tx, turns__said(tx, row.id, &ret_talked->said));
    }
    if (row.cause == CAUSE_BUDGET && tx_number(tx, own, ARGS(arg_int(row.parent))) > 0) {
        ret_talked->cause = CAUSE_AGENT_BUDGET;
    }
    if (turns__find(tx, row.id, &of_turn)) {
        ret_talked->waited_ms = runs__time(tx, &row, row.state).waited_ms;
        const int64_t parked_ms =
            tx_number(tx, "SELECT parked_ms FROM runs WHERE id = $1", ARGS(arg_int(row.parent)));
        ret_talked->waited_ms += steps__parked_ms(parked_ms, tx_now_ms(tx));
    }
    return tx_error(tx);
}

/* --- It begins -------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct step_fresh, member)
static const struct field step_rows[] = {
    {ROW_ONCE("step_key", FIELD_TEXT, AT(key))},
    {ROW_ONCE("occurrence", FIELD_INT, AT(occurrence))},
    {ROW_ONCE("done_no", FIELD_INT, AT(done_no))},
    {ROW_ONCE("cached", FIELD_BOOL, AT(cached))},
    {ROW_ONCE("output_tokens", FIELD_INT, AT(output_tokens))},
    {ROW_ONCE("tokens", FIELD_INT, AT(tokens))},
    {ROW_ONCE("cost_micros", FIELD_INT, AT(cost_micros))},
    {ROW_ONCE("cache_read", FIELD_INT, AT(cache_read))},
    {ROW_ONCE("cache_write", FIELD_INT, AT(cache_write))},
    {ROW_ONCE("reasoning", FIELD_INT, AT(reasoning))},
    {ROW_ONCE("cost_unknown", FIELD_INT, AT(cost_unknown))},
    {ROW_ONCE("phase", FIELD_TEXT, AT(phase))},
    {ROW_ONCE("agent", FIELD_TEXT, AT(agent))},
    {ROW_ONCE("parked_ms", FIELD_INT, AT(parked_ms))},
    {ROW_ONCE("cached_from", FIELD_TEXT, AT(cached_from))},
    {ROW_ONCE("reuse_key", FIELD_TEXT, AT(reuse_key))},
};
static_assert(offsetof(struct step_fresh, run) == 0, "the row of the run is read in its place");
const struct resource steps__resource = {.table = "runs",
                                         .base = &run_resource,
                                         .of_daemon = true,
                                         .fields = {FIELD_ROWS(step_rows), .use = FIELD_LISTED},
                                         .size = sizeof(struct step_fresh)};

/* Facts about its workflow. */
struct facts {
    bool lives;
    bool global; /* There is a budget above all. */
    int64_t next_id, root;
    int64_t next_done; /* 0: not asked for. */
    struct bytes budget;
};

enum step_span { STEP_GOES_ON, STEP_ENDS_TOO };

static struct facts facts_read(struct tx *tx, const struct workflow_place *place,
                               enum step_span span) {
    static const char sql[] = "SELECT " IDS_NEXT(
        "runs") ", CASE WHEN EXISTS (SELECT 1 FROM budgets WHERE owner = ''"
                " AND path = '') THEN 1 ELSE 0 END, CASE WHEN root = 0 THEN id ELSE root END,"
                " CASE WHEN $3 = 1 THEN " WORKFLOW_NEXT_DONE(
                    "$1") " ELSE 0 END, budget FROM runs"
                          " WHERE id = $1 AND state IN ('running', 'waiting') AND stop = '' AND "
                          "epoch = $2";
    AUTO(rows_release)
    struct rows *rows = tx_row(
        tx, sql,
        ARGS(arg_int(place->id), arg_int(tx_epoch(tx)), arg_int(span == STEP_ENDS_TOO ? 1 : 0)));
    if (rows == NULL) {
        return (struct facts){.lives = false};
    }
    return (struct facts){.lives = true,
                          .next_id = rows_int(rows, 0),
                          .global = rows_int(rows, 1) != 0,
                          .root = rows_int(rows, 2),
                          .next_done = rows_int(rows, 3),
                          .budget = rows_copy(rows, 4)};
}

static struct step_fresh step_of(const struct tx *tx, const struct step_new *step,
                                 const struct facts *facts) {
    return (struct step_fresh){.run = {.id = facts->next_id,
                                       .run = bytes_of(step->run.text),
                                       .owner = step->place.owner,
                                       .kind = KIND_AGENT,
                                       .parent = step->place.id,
                                       .parent_run = step->place.run,
                                       .state = RUN_RUNNING,
                                       .attempt = 1,
                                       .epoch = tx_epoch(tx),
                                       .exit_code = -1,
                                       .made_ms = tx_now_ms(tx),
                                       .started_ms = tx_now_ms(tx),
                                       .steady_ms = tx_steady_ms(tx),
                                       .label = step->label,
                                       .host = step->bounds.host,
                                       .spec = step->spec,
                                       .budget = facts->budget,
                                       .root = facts->root},
                               .key = step->key,
                               .phase = step->phase,
                               .agent = step->agent,
                               .cached_from = BYTES(""),
                               .reuse_key = step->reuse_key,
                               .occurrence = step->occurrence};
}

/* Writes the end into the row that is inserted. */
static void step_end_at_once(struct tx *tx, const struct step_end *end, const struct facts *facts,
                             struct step_fresh *fresh) {
    fresh->run.state = workflow_step_state(end->cause);
    fresh->run.cause = end->cause;
    fresh->run.note = (struct bytes){end->note.data, utf8_cut(end->note, RUN_NOTE_TEXT_MAX)};
    fresh->run.result = end->result;
    fresh->run.host = BYTES(""); /* A row of an ended step needs none. */
    fresh->run.not_before_ms = end->resume_at_ms;
    fresh->run.ended_ms = tx_now_ms(tx);
    fresh->done_no = facts->next_done;
    fresh->output_tokens = end->usage.output;
    fresh->tokens = usage_total(&end->usage);
    fresh->cache_read = end->usage.cache_read;
    fresh->cache_write = end->usage.cache_write;
    fresh->reasoning = end->usage.reasoning;
    fresh->cost_unknown = end->calls_unpriced;
    fresh->cost_micros = end->cost.micros;
}

/* Without a note: its caller has the step in hand. */
static void step_insert(struct tx *tx, struct step_fresh *fresh) {
    const struct run_place place = runs__place(fresh->run.budget);
    fresh->run.project = place.project;
    fresh->run.session = place.session;
    tx_row_insert(tx, &steps__resource, RUN_ENDED, fresh);
}

/* Makes the step's own budget, and asks all. One that is not admitted has not begun. */
static struct err step_admit(struct tx *tx, const struct step_new *step, const struct facts *facts,
                             struct run_row *row, enum budget_verdict *ret_verdict) {
    struct err err = step->owns_budget ? runs__budget_own(tx, &step->limits, row) : ERR_OK;
    if (!err_failed(err) && step->asks && (facts->global || row->budget.len > 0)) {
        *ret_verdict = runs__budget_judge(tx, /* past */ 0, row);
    }
    if (!err_failed(err) && *ret_verdict != BUDGET_ADMITTED) {
        row->state = RUN_QUEUED;
        row->gate = GATE_BUDGET;
        row->attempt = row->epoch = row->started_ms = row->steady_ms = 0;
        row->host = BYTES("");
    }
    return err;
}

struct err tx_step_begin(struct tx *tx, const struct step_new *step, enum step_begun *ret_begun,
                         bool *ret_budgeted) {
    assert(step->end == NULL || !step->asks); /* A step that waits for a budget has not ended. */
    assert(step->end != NULL || !step->end_tells);
    const struct facts facts =
        facts_read(tx, &step->place, step->end == NULL ? STEP_GOES_ON : STEP_ENDS_TOO);
    *ret_begun = STEP_LATE;
    *ret_budgeted = facts.lives && (facts.global || facts.budget.len > 0);
    if (!facts.lives) {
        return tx_error(tx);
    }
    struct step_fresh fresh = step_of(tx, step, &facts);
    struct run_row *row = &fresh.run;
    enum budget_verdict verdict = BUDGET_ADMITTED;
    TRY(step_admit(tx, step, &facts, row, &verdict));
    if (step->end != NULL) {
        step_end_at_once(tx, step->end, &facts, &fresh);
    }
    step_insert(tx, &fresh);
    if (verdict == BUDGET_ADMITTED && !step->end_tells) {
        tx_fail(tx, steps__event_started(tx, step));
    }
    if (step->talk != NULL) {
        tx_fail(tx, turn_begin(tx, step));
    }
    bool goes = true;
    if (verdict != BUDGET_ADMITTED) {
        goes = runs__budget_apply(tx, verdict, row);
        if (verdict == BUDGET_WAITS) {
            tx_fail(tx, steps__event_queued(tx, step, row));
        }
    } else if (row->charged) {
        budget__write_run(tx, row);
    }
    *ret_begun = goes ? STEP_BEGUN : verdict == BUDGET_WAITS ? STEP_WAITS : STEP_OVER;
    return tx_error(tx);
}

/* A step that took its result over has no reuse key: else a result would never be too old. */
static struct rows *cached_find(struct tx *tx, const struct step_cached *cached) {
    static const char named[] = "SELECT run, result FROM runs WHERE run = $1 AND owner = $2";
    static const char newest[] =
        "SELECT run, result FROM runs WHERE reuse_key = $1 AND reuse_key <> '' AND owner = $2"
        " AND state = 'succeeded' AND ended_ms >= $3 ORDER BY ended_ms DESC LIMIT 1";
    const struct step_new *step = &cached->step;
    return cached->from.len > 0
               ? tx_row(tx, named, ARGS(arg_text(cached->from), arg_text(step->place.owner)))
               : tx_row(tx, newest,
                        ARGS(arg_text(step->reuse_key), arg_text(step->place.owner),
                             arg_int(cached->since_ms)));
}

struct err tx_step_cached(struct tx *tx, const struct step_cached *cached, bool *ret_late,
                          struct bytes *ret_value) {
    const struct step_new *step = &cached->step;
    const struct facts facts = facts_read(tx, &step->place, STEP_ENDS_TOO);
    AUTO(rows_release) struct rows *rows = facts.lives ? cached_find(tx, cached) : NULL;
    *ret_late = rows == NULL && !err_failed(tx_error(tx));
    if (rows == NULL) {
        return tx_error(tx);
    }
    const struct bytes from = rows_copy(rows, 0);
    *ret_value = rows_copy(rows, 1);
    rows_release(&rows);
    struct step_fresh fresh = step_of(tx, step, &facts);
    fresh.cached_from = from;
    fresh.reuse_key = BYTES("");
    fresh.run.state = RUN_SUCCEEDED;
    fresh.run.cause = CAUSE_COMPLETED;
    fresh.run.ended_ms = tx_now_ms(tx);
    fresh.run.result = *ret_value;
    fresh.run.host = BYTES("");
    fresh.done_no = facts.next_done;
    fresh.cached = true;
    step_insert(tx, &fresh);
    const struct step_told told = {.place = step->place,
                                   .run = fresh.run.run,
                                   .key = {step->key, step->occurrence},
                                   .label = step->label,
                                   .phase = step->phase,
                                   .state = RUN_SUCCEEDED,
                                   .cause = CAUSE_COMPLETED,
                                   .cached = true,
                                   .cached_from = from};
    tx_fail(tx, steps__event_finished(tx, &told));
    return tx_error(tx);
}

/* --- It ends ---------------------------------------------------------------------------------- */

/* The fence: the attempt that is meant, while it has not ended. */
static bool end_write(struct tx *tx, const struct step_end *end) {
    static const char sql[] =
        "UPDATE runs SET state = $2, gate = '', host = '', cause = $3, note = $4, result = $5,"
        " not_before_ms = $12, ended_ms = CASE WHEN started_ms > $6 THEN started_ms ELSE $6 END,"
        " output_tokens = output_tokens + $7, tokens = tokens + $8, cost_micros = cost_micros + $9,"
        " cache_read = cache_read + $13, cache_write = cache_write + $14,"
        " reasoning = reasoning + $15, cost_unknown = cost_unknown + $16, done_no "
        "= " WORKFLOW_NEXT_DONE("$10") " WHERE run = $1 AND attempt = $11 AND ended_ms IS NULL";
    const struct bytes note = {end->note.data, utf8_cut(end->note, RUN_NOTE_TEXT_MAX)};
    return tx_change(tx, sql,
                     ARGS(arg_text(end->run),
                          arg_str(run_state_name(workflow_step_state(end->cause))),
                          arg_str(run_cause_name(end->cause)), arg_text(note),
                          arg_text(end->result), arg_int(tx_now_ms(tx)), arg_int(end->usage.output),
                          arg_int(usage_total(&end->usage)), arg_int(end->cost.micros),
                          arg_int(end->place.id), arg_int(end->attempt), arg_int(end->resume_at_ms),
                          arg_int(end->usage.cache_read), arg_int(end->usage.cache_write),
                          arg_int(end->usage.reasoning), arg_int(end->calls_unpriced))) > 0;
}

/* An agent may have made several calls, and the cost of some may be known: that is charged, and the
 * others are counted. */
static struct amounts used_by_calls(const struct usage *usage, const struct usage_cost *cost,
                                    int64_t unpriced) {
    struct amounts used = turns__amounts(usage, cost);
    used.of[AMOUNT_COST] = cost->micros;
    used.cost_unknown = used.cost_unknown > 0 ? unpriced : 0;
    return used;
}

/* The reserve goes back before the row ends: a run that has ended holds nothing. */
static void end_settle(struct tx *tx, const struct step_end *end, struct run_freed *freed) {
    const enum run_state state = workflow_step_state(end->cause);
    struct run_row row;
    if (!runs__load(tx, end->run, &row) || run_state_final(row.state)) {
        return;
    }
    if (row.state == RUN_QUEUED) {
        runs__budget_leave(tx, &row, freed);
    } else if (row.attempt == end->attempt) { /* Else it was restarted, and the next one holds. */
        const struct run_took took = {
            .wall_ms = end->took_ms,
            .began = end->calls > 0,
            .completed = state == RUN_SUCCEEDED || state == RUN_DEGRADED,
            .used = used_by_calls(&end->usage, &end->cost, end->calls_unpriced)};
        runs__budget_settle(tx, &took, &row, freed);
    }
}

/* A call that was cut off with the daemon is nobody's: what it held is charged, as with turns. */
static void end_count(struct tx *tx, const struct step_end *end) {
    struct usage_add add = {.owner = end->place.owner,
                            .project = end->project,
                            .place = {.run = end->place.id,
                                      .agent = end->agent,
                                      .workflow = end->workflow,
                                      .phase = end->phase},
                            .model = end->model,
                            .category = USAGE_AGENT,
                            .usage = sessions__sums_of(&end->usage, &end->cost)};
    add.usage.calls = end->calls;
    add.usage.cost_micros = end->cost.micros;
    add.usage.cost_unknown = end->calls_unpriced;
    memcpy(add.parts, end->parts, sizeof add.parts);
    if (end->calls > 0) {
        tx_usage_add(tx, &add);
    }
}

/* The usage of an agent with tools is read from its turns, which alone know it, also where the
 * agent was skipped: its tokens would else be missing in `budget.spent()`. */
struct err tx_step_end(struct tx *tx, const struct step_end *given, bool *ret_late,
                       struct usage *ret_used) {
    struct step_end end = *given;
    struct run_freed freed = {.kinds = 0};
    if (end.talks) {
        talk_used(tx, &end);
    }
    *ret_used = end.usage;
    *ret_late = false;
    if (end.budgeted) {
        end_settle(tx, &end, &freed);
    }
    *ret_late = !end.written && !end_write(tx, &end);
    if (err_failed(tx_error(tx)) || *ret_late) {
        return tx_error(tx);
    }
    const struct step_told told = {.place = end.place,
                                   .run = end.run,
                                   .key = end.key,
                                   .label = end.label,
                                   .phase = end.phase,
                                   .note = end.note,
                                   .worktree = end.worktree,
                                   .state = workflow_step_state(end.cause),
                                   .cause = end.cause,
                                   .output_tokens = end.usage.output,
                                   .cost_micros = end.cost.micros,
                                   .cost_unknown = end.calls_unpriced,
                                   .took_ms = end.took_ms};
    tx_fail(tx, end.untold == NULL ? steps__event_finished(tx, &told)
                                   : steps__event_both(tx, end.untold, &told));
    end_count(tx, &end);
    if (end.spec.len > 0) {
        tx_do(tx, "UPDATE runs SET spec = $2 WHERE run = $1",
              ARGS(arg_text(end.run), arg_text(end.spec)));
    }
    struct run_row row; /* The turn goes on after a timeout or a skip. */
    if (end.cause == CAUSE_STUCK && runs__load(tx, end.run, &row)) {
        tx_fail(tx, tx_inbox_notify(tx, &(struct inbox_notice){.run = &row, .exit_code = -1}));
    }
    if (end.talks && runs__load(tx, end.run, &row)) {
        tx_fail(tx, runs__ask_children(tx, &row, &freed));
    }
    if (end.budgeted || end.talks) {
        tx_fail(tx, runs__admit_freed(tx, &freed, &end.bounds));
    }
    return tx_error(tx);
}

void steps__cut_off(struct tx *tx, const struct step_took *took, struct bytes project,
                    struct run_row *row, struct run_freed *freed) {
    const struct run_took by_budgets = {
        .wall_ms = took->took_ms,
        .began = took->calls > 0,
        .used = used_by_calls(&took->usage, &took->cost, took->calls_unpriced)};
    const struct usage_place place = tx_usage_place(tx, row->id);
    const struct step_end counted = {.place = {.owner = row->owner, .id = place.run},
                                     .agent = place.agent,
                                     .workflow = place.workflow,
                                     .phase = place.phase,
                                     .usage = took->usage,
                                     .cost = took->cost,
                                     .model = took->model,
                                     .project = project,
                                     .calls = took->calls,
                                     .calls_unpriced = took->calls_unpriced};
    runs__budget_settle(tx, &by_budgets, row, freed);
    tx_do(tx,
          "UPDATE runs SET output_tokens = output_tokens + $2, tokens = tokens + $3,"
          " cost_micros = cost_micros + $4, cache_read = cache_read + $5,"
          " cache_write = cache_write + $6, reasoning = reasoning + $7,"
          " cost_unknown = cost_unknown + $8 WHERE id = $1",
          ARGS(arg_int(row->id), arg_int(took->usage.output), arg_int(usage_total(&took->usage)),
               arg_int(took->cost.micros), arg_int(took->usage.cache_read),
               arg_int(took->usage.cache_write), arg_int(took->usage.reasoning),
               arg_int(took->calls_unpriced)));
    end_count(tx, &counted);
}

/* Somebody else ended it: it was stopped before it began, or a budget refused it. */
struct err steps__ended(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    (void)freed; /* A step frees nothing besides its run. */
    tx_do(tx,
          "UPDATE runs SET done_no = " WORKFLOW_NEXT_DONE("$2") " WHERE id = $1 AND step_key <> ''",
          ARGS(arg_int(row->id), arg_int(row->parent)));
    AUTO(json_release) json_t *spec = NULL;
    TRY(json_parse_wrapped(row->spec, &spec, NULL));
    int64_t output_tokens =
        tx_number(tx, "SELECT output_tokens FROM runs WHERE id = $1", ARGS(arg_int(row->id)));
    if (row->parent_run.len == 0) {
        return tx_error(tx); /* Its workflow was removed with its stream. */
    }
    const struct step_told told = {
        .place = {.id = row->parent, .owner = row->owner, .run = row->parent_run},
        .run = row->run,
        .key = steps__key_of(tx, row->id),
        .label = row->label,
        .phase = json_bytes(spec, "phase"),
        .note = row->note,
        .worktree = json_bytes(json_object_get(spec, "worktree"), "path"),
        .state = row->state,
        .cause = row->cause,
        .output_tokens = output_tokens,
        .cost_micros = -1,
        .took_ms = runs__took_ms(tx, row)};
    return steps__event_finished(tx, &told);
}

/* --- Restart ---------------------------------------------------------------------------------- */

struct err step_ended_err(const struct run_row *row, struct why *why) {
    return err_why(why, ERR_STEP_ENDED,
                   "the agent has ended as %s; run it again with 'drover run --resume %.*s "
                   "--rerun %.*s'",
                   run_state_name(row->state), (int)row->parent_run.len, row->parent_run.data,
                   (int)row->run.len, row->run.data);
}

static struct err restart_check(const struct run_row *row, struct why *why) {
    if (row->kind != KIND_AGENT) {
        return err_why(why, ERR_CONFLICT,
                       "only agents of workflows can be restarted, and this run is of kind %s%s",
                       run_kind_name(row->kind),
                       row->kind == KIND_WORKFLOW ? "; 'drover show RUN' lists its agents" : "");
    }
    if (run_state_final(row->state)) {
        return step_ended_err(row, why);
    }
    if (row->stop != CAUSE_NONE) {
        return err_why(why, ERR_STEP_ENDED, "the agent was skipped, and is about to end");
    }
    return ERR_OK;
}

/* Epoch of an attempt that nobody has performed: of the ones before it, all is charged. */
enum { EPOCH_NONE = 0 };

/* Settles what an attempt used, and holds the reserve of the next one from here on.
 *
 * Usage of attempts that a crash cut off is unknown: all that is held for them is charged, and what
 * one attempt takes is held for the next one.
 *
 * Of others the dispatcher counts the tokens of all attempts together, and brings them with the
 * end. Until then the reserve of each attempt stays beside that of the next one, so that a crash
 * charges all of them. To charge the reserve here would charge more than was used where no crash
 * follows. */
enum charge { CHARGE_RESERVE, CHARGE_TIME };
static void attempt_charge(struct tx *tx, enum charge charge, struct run_row *row,
                           struct run_freed *freed) {
    bool cut_off = charge == CHARGE_RESERVE;
    struct run_took took = {
        .wall_ms = cut_off ? row->reserve.of[AMOUNT_WALL] : runs__took_ms(tx, row), .began = true};
    struct amounts want, grant, next = row->reserve;
    if (!row->charged) {
        return;
    }
    runs__budget_more(tx, row, &want, &grant);
    for (unsigned i = 0; cut_off && i < AMOUNT_COUNT; i++) {
        bool alone = i == AMOUNT_WALL || i == AMOUNT_AGENTS; /* Held once, however many attempts. */
        next.of[i] = alone || next.of[i] < want.of[i] ? next.of[i] : want.of[i];
    }
    if (cut_off) {
        took.used = row->reserve;
    } else {
        amounts_add(&next, &grant);
    }
    runs__budget_settle(tx, &took, row, freed);
    row->charged = true;
    row->reserve = next;
    budget__write_run(tx, row);
}

/* Calls its turn off; the name of that leaves the row. */
static struct err turn_forget(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    const struct run_ask_stop stop = {.cause = CAUSE_CALLED_OFF, .grace_ms = RUN_STOP_GRACE_MS};
    AUTO(json_release) json_t *spec = NULL;
    AUTO(text_done) struct text text = text_up_to((size_t)STEP_SPEC_MAX);
    struct err err = json_parse_wrapped(row->spec, &spec, NULL);
    const struct bytes name = json_bytes(spec, "turn");
    struct run_row turn;
    if (err_failed(err) || name.len == 0) {
        return err;
    }
    if (runs__load(tx, name, &turn) && !run_state_final(turn.state)) {
        tx_fail(tx, runs__ask(tx, &stop, &turn, freed));
    }
    (void)json_object_set_new(spec, "turn", json_string("")); /* NULL is refused. */
    tx_fail(tx, json_write(spec, &text));
    row->spec = tx_copy_text(tx, &text, "steps: spec");
    tx_do(tx, "UPDATE runs SET spec = $2 WHERE id = $1",
          ARGS(arg_int(row->id), arg_text(row->spec)));
    return tx_error(tx);
}

/* An attempt of an earlier life of the daemon has no dispatcher, and neither has the next one,
 * until tx_step_again or tx_step_talk. */
static struct err attempt_next(struct tx *tx, const struct run_bounds *bounds,
                               struct run_row *row) {
    const enum run_state from = row->state;
    struct run_freed freed = {.kinds = 0};
    if (row->epoch == tx_epoch(tx)) {
        attempt_charge(tx, CHARGE_TIME, row, &freed);
    } else if (row->epoch != EPOCH_NONE) {
        row->epoch = EPOCH_NONE;
        if (!run_waits_for_provider(row)) { /* Then no call was out. */
            attempt_charge(tx, CHARGE_RESERVE, row, &freed);
        }
    }
    tx_fail(tx, turn_forget(tx, row, &freed));
    row->attempt++;
    row->started_ms = tx_now_ms(tx);
    row->steady_ms = tx_steady_ms(tx);
    row->state = RUN_RUNNING; /* A wait for its provider is over. */
    row->not_before_ms = 0;
    row->cut_offs = 0; /* Ends of the daemon count for one attempt. */
    tx_fail(tx, runs__write(tx, from, row));
    tx_do(tx, "UPDATE runs SET parked_ms = 0 WHERE id = $1", ARGS(arg_int(row->id)));
    tx_fail(tx, steps__event_restarted(tx, row));
    tx_fail(tx, runs__admit_freed(tx, &freed, bounds));
    return tx_error(tx);
}

/* One that waits for a budget has done nothing yet. */
struct err tx_step_restart(struct tx *tx, const struct run_key *key,
                           const struct run_bounds *bounds, struct run_row *ret_row,
                           struct why *why) {
    struct run_row row;
    struct err err = runs__get(tx, key, &row);
    if (!err_failed(err)) {
        err = restart_check(&row, why);
    }
    if (!err_failed(err) && row.state != RUN_QUEUED) {
        err = attempt_next(tx, bounds, &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err tx_step_again(struct tx *tx, struct bytes run, const struct run_bounds *bounds,
                         struct step_again *ret_again) {
    struct run_freed freed = {.kinds = 0};
    struct run_row row;
    *ret_again =
        (struct step_again){.late = !runs__load(tx, run, &row) ||
                                    (row.state != RUN_RUNNING && !run_waits_for_provider(&row))};
    if (ret_again->late) {
        return tx_error(tx);
    }
    /* A call that waited for its provider was not out, so nothing was cut off. */
    if (row.state == RUN_RUNNING && row.epoch != EPOCH_NONE && row.epoch != tx_epoch(tx)) {
        ret_again->over = runs__cut_off(tx, row.epoch, &row);
    }
    /* Charges the cut-off call, also one of this daemon whose worker has crashed. A call that
     * waited used nothing since its last try, and keeps its reservation for the next one; usage of
     * the tries before is in the row, for the performer that brings the end. */
    if (row.epoch != EPOCH_NONE && row.state == RUN_RUNNING) {
        attempt_charge(tx, CHARGE_RESERVE, &row, &freed);
    }
    tx_fail(tx, runs__adopt(tx, &row));
    tx_fail(tx, runs__admit_freed(tx, &freed, bounds));
    return tx_error(tx);
}

struct err tx_step_talk(struct tx *tx, const struct step_new *step, int64_t attempt,
                        bool *ret_late) {
    static const char sql[] = "UPDATE runs SET spec = $2, epoch = $4 WHERE run = $1"
                              " AND attempt = $3 AND state = 'running' AND stop = ''";
    *ret_late = tx_change(tx, sql,
                          ARGS(arg_str(step->run.text), arg_text(step->spec), arg_int(attempt),
                               arg_int(tx_epoch(tx)))) == 0;
    if (err_failed(tx_error(tx)) || *ret_late) {
        return tx_error(tx);
    }
    tx_fail(tx, turn_begin(tx, step));
    tx_fail(tx, steps__event_session(tx, step, attempt));
    return tx_error(tx);
}

/* --- Others ----------------------------------------------------------------------------------- */

/* Time parked does not count against an agent's deadline. It is stored, so that another daemon
 * subtracts it, too. If the clock was set back meanwhile, the park counts as 0. */
static void step_park(struct tx *tx, const struct run_row *row, bool parks) {
    static const char begins[] = "UPDATE runs SET parked_ms = parked_ms - $2 WHERE id = $1"
                                 " AND parked_ms >= 0";
    static const char ends[] = "UPDATE runs SET parked_ms = CASE WHEN parked_ms + $2 > 0"
                               " THEN parked_ms + $2 ELSE 0 END WHERE id = $1 AND parked_ms < 0";
    tx_do(tx, parks ? begins : ends, ARGS(arg_int(row->id), arg_int(tx_now_ms(tx))));
}

static void step_keep_spent(struct tx *tx, const struct run_row *row,
                            const struct step_spent *spent) {
    static const char sql[] =
        "UPDATE runs SET waited_fresh = $2, waited_cache_read = $3, waited_cache_write = $4,"
        " waited_output = $5, waited_reasoning = $6, waited_cost_micros = $7,"
        " waited_cost_unknown = $8, waited_calls = $9 WHERE id = $1";
    const struct usage *usage = &spent->usage;
    if (spent->calls > 0) {
        tx_do(tx, sql,
              ARGS(arg_int(row->id), arg_int(usage->fresh), arg_int(usage->cache_read),
                   arg_int(usage->cache_write), arg_int(usage->output), arg_int(usage->reasoning),
                   arg_int(spent->cost_micros), arg_int(spent->calls_unpriced),
                   arg_int(spent->calls)));
    }
}

struct err tx_step_provider(struct tx *tx, struct bytes run, int64_t attempt,
                            const struct provider_wait *wait, const struct step_spent *spent) {
    struct run_row row;
    bool waits = wait->resume_at_ms != 0;
    if (!runs__load(tx, run, &row) || row.attempt != attempt ||
        (waits ? !runs__may_wait(&row) : !run_waits_for_provider(&row))) {
        return tx_error(tx);
    }
    tx_fail(tx, waits ? runs__provider_wait(tx, wait, &row) : runs__provider_ask(tx, &row));
    if (waits) {
        step_keep_spent(tx, &row, spent);
    }
    step_park(tx, &row, waits && run_provider_parks(wait->resume_at_ms, tx_now_ms(tx)));
    tx_fail(tx, steps__event_provider(tx, &row, wait));
    return tx_error(tx);
}

/* A job that a step has done for itself (git, for the working tree of its agent) is found by its
 * label, in whatever life of the daemon, so a crash begins none twice; its key is that of all jobs
 * of a repository, which git cannot do at once. The job has no parent: a budget that is used up
 * keeps no tree from being removed, and a stop of the agent leaves none half made.
 * The label ends with the name of the run that it is for. */
struct err tx_step_job(struct tx *tx, const struct run_new *job, struct step_job *ret_job) {
    static const char sql[] = "SELECT run FROM runs WHERE owner = $1 AND run_key = $2"
                              " AND run_key <> '' AND ended_ms IS NULL AND label LIKE '%' || $3"
                              " ORDER BY id DESC LIMIT 1";
    const char *name = memrchr(job->label.data, ' ', job->label.len);
    const size_t from = name == NULL ? 0 : (size_t)(name + 1 - job->label.data);
    const struct bytes end = {job->label.data + from, job->label.len - from};
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, sql, ARGS(arg_text(job->owner), arg_text(job->own_key), arg_text(end)));
    *ret_job = (struct step_job){.found = rows != NULL};
    if (rows != NULL) {
        struct bytes run = rows_text(rows, 0);
        if (run.len >= ID_SIZE) {
            return err_make(ERR_STORE_CORRUPT, "steps: job");
        }
        ret_job->run = id_copy(run);
        return ERR_OK;
    }
    if (err_failed(tx_error(tx)) || job->spec.len == 0) {
        return tx_error(tx);
    }
    struct run_row row;
    struct err err = tx_run_submit(tx, job, &row);
    if (!err_failed(err)) {
        *ret_job = (struct step_job){.run = job->run};
    }
    return err;
}

/* A budget may be removed while it holds a reserve for an agent, or lets it wait. */
struct err tx_step_budgeted(struct tx *tx, const struct run_row *workflow, bool *ret_budgeted) {
    int64_t count = tx_number(tx,
                              "SELECT (SELECT count(*) FROM budgets WHERE owner = '' AND path = '')"
                              " + (SELECT count(*) FROM runs WHERE parent = $1 AND step_key <> ''"
                              " AND done_no = 0 AND (charged = 1 OR state = 'queued'))",
                              ARGS(arg_int(workflow->id)));
    *ret_budgeted = count > 0 || workflow->budget.len > 0;
    return tx_error(tx);
}
