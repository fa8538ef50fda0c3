/* steps.c: a step begins, and ends. The hottest of all transactions behind run/submit.c: alone one
 * question, one row and one event each. */
#include "engine/workflow/steps.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/base/ids.h"
#include "engine/run/budget_gate.h"
#include "engine/session/rows.h"
#include "engine/trace/usage_totals.h"
#include "engine/turn/rows.h"
#include "engine/workflow/rows.h"
#include "engine/workflow/step_turn.h"

static const struct bytes none = {"", 0};

/* --- It begins -------------------------------------------------------------------------------- */

struct facts {
    int64_t next_id;
    struct bytes budget;
    bool lives;
    bool global; /* There is a budget above all. */
};

static struct err ask_facts(struct tx *tx, const struct workflow_place *place,
                            struct facts *ret_facts) {
    static const char sql[] =
        "SELECT " IDS_NEXT("runs") ","
                                   " CASE WHEN EXISTS (SELECT 1 FROM budgets WHERE owner = '' AND "
                                   "path = '') THEN 1 ELSE 0 "
                                   "END, budget FROM runs WHERE id = $1 AND state IN ('running', "
                                   "'waiting') AND stop = ''"
                                   " AND epoch = $2";
    const struct arg args[] = {arg_int(place->id), arg_int(tx_epoch(tx))};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    struct facts facts = {.lives = rows != NULL, .budget = none};
    if (!err_failed(err) && facts.lives) {
        facts.next_id = rows_int(rows, 0);
        facts.global = rows_int(rows, 1) != 0;
        facts.budget = rows_text(rows, 2);
        err = workflows__keep(tx, &facts.budget);
    }
    if (!err_failed(err)) {
        *ret_facts = facts;
    }
    return err;
}

static struct run_row row_of(const struct tx *tx, const struct step_new *step,
                             const struct facts *facts) {
    return (struct run_row){.id = facts->next_id,
                            .run = {step->run.text, strlen(step->run.text)},
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
                            .key = none,
                            .command = none,
                            .label = step->label,
                            .host = step->bounds.host,
                            .spec = step->spec,
                            .budget = facts->budget,
                            .result = none,
                            .note = none};
}

/* Id of the run at the top of the tree of a new one, by the argument with its parent's id. */
#define RUN_ROOT_OF(parent)                                                                        \
    "COALESCE((SELECT CASE WHEN p.root = 0 THEN p.id ELSE p.root END FROM runs p WHERE p.id "      \
    "= " parent "), 0)"
#define RUN_STORED                                                                                 \
    "id, run, owner, kind, parent, state, gate, cause, stop, stop_grace_ms, attempt, voids,"       \
    " failures, reboots, epoch, priority, key_max, exit_code, once, made_ms, not_before_ms,"       \
    " started_ms, steady_ms, ended_ms, run_key, label, command, host, note, budget, lane, "        \
    "charged, output_tokens_held, tokens_held, cost_micros_held, agents_held, wall_ms_held,"       \
    " result, spec"

/* What a step has, and other runs do not. */
struct mark {
    struct bytes key;
    int64_t occurrence;
};

/* Without a note: who asked for it has it in hand. */
static struct err insert(struct tx *tx, const struct run_row *row, const struct mark *mark) {
    static const char sql[] =
        "INSERT INTO runs (" RUN_STORED ", step_key, occurrence, project, session, root)"
        " VALUES ($1, $2, $3, 'agent', $4, $5, $6, '', '', 0, $7, 0, 0, 0, $8, 0, 0, -1, 0, $9, 0,"
        " $10, $17, NULL, '', $11, '', $12, '', $13, 0, 0, 0, 0, 0, 0, 0, '', $14, $15, $16,"
        " $18, $19, " RUN_ROOT_OF("$4") ")";
    const struct run_place place = runs__place(row->budget);
    const struct arg args[] = {
        arg_int(row->id),
        arg_text(row->run),
        arg_text(row->owner),
        arg_int(row->parent),
        runs__name(run_state_name(row->state)),
        runs__name(run_gate_name(row->gate)),
        arg_int(row->attempt),
        arg_int(row->epoch),
        arg_int(row->made_ms),
        arg_int(row->started_ms),
        arg_text(row->label),
        arg_text(row->host),
        arg_text(row->budget),
        arg_text(row->spec),
        arg_text(mark->key),
        arg_int(mark->occurrence),
        arg_int(row->steady_ms),
        arg_text(place.project),
        arg_text(place.session),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static void queue(struct run_row *row) {
    row->state = RUN_QUEUED;
    row->gate = GATE_BUDGET;
    row->attempt = 0;
    row->epoch = 0;
    row->started_ms = 0;
    row->steady_ms = 0;
    row->host = none;
}

/* The same with its end: what write_end changes, at once. */
static struct err insert_ended(struct tx *tx, const struct run_row *row, const struct mark *mark,
                               const struct step_end *end) {
    static const char sql[] =
        "INSERT INTO runs (" RUN_STORED ", step_key, occurrence, output_tokens, tokens,"
        " cost_micros, done_no, project, session, root)"
        " VALUES ($1, $2, $3, 'agent', $4, $5, '', $6, '', 0, $7, 0, 0, 0, $8, 0, 0, -1, 0, $9,"
        " $24, $10, $23, $11, '', $12, '', $13, $14, $15, 0, 0, 0, 0, 0, 0, 0, $16, $17, $18, $19, "
        "$20,"
        " $21, $22, " WORKFLOW_NEXT_DONE("$4") ", $25, $26, " RUN_ROOT_OF("$4") ")";
    const struct run_place place = runs__place(row->budget);
    const struct bytes note = {end->note.data, utf8_cut(end->note, RUN_NOTE_TEXT_MAX)};
    const struct arg args[] = {
        arg_int(row->id),
        arg_text(row->run),
        arg_text(row->owner),
        arg_int(row->parent),
        runs__name(run_state_name(workflow_step_state(end->cause))),
        runs__name(run_cause_name(end->cause)),
        arg_int(row->attempt),
        arg_int(row->epoch),
        arg_int(row->made_ms),
        arg_int(row->started_ms),
        arg_int(tx_now_ms(tx)),
        arg_text(row->label),
        arg_text(row->host),
        arg_text(note),
        arg_text(row->budget),
        arg_text(end->result),
        arg_text(row->spec),
        arg_text(mark->key),
        arg_int(mark->occurrence),
        arg_int(end->usage.output),
        arg_int(usage_total(&end->usage)),
        arg_int(end->cost.known ? end->cost.micros : 0),
        arg_int(row->steady_ms),
        arg_int(end->resume_at_ms),
        arg_text(place.project),
        arg_text(place.session),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static struct err judge(struct tx *tx, struct run_row *row, enum budget_verdict *ret_verdict) {
    const struct run_row running = *row;
    queue(row);
    struct err err = runs__budget_judge(tx, row, ret_verdict);
    if (!err_failed(err) && *ret_verdict == BUDGET_ADMITTED) {
        struct run_row admitted = running;
        admitted.charged = row->charged;
        admitted.reserve = row->reserve;
        *row = admitted;
    }
    return err;
}

static struct err ask_budgets(struct tx *tx, const struct step_new *step, const struct facts *facts,
                              struct run_row *row, enum budget_verdict *ret_verdict) {
    struct err err = step->owns_budget ? runs__budget_own(tx, &step->limits, row) : ERR_OK;
    bool asks = step->asks && (facts->global || row->budget.len > 0);
    return err_failed(err) || !asks ? err : judge(tx, row, ret_verdict);
}

static struct err write_row(struct tx *tx, const struct step_new *step, const struct run_row *row,
                            enum budget_verdict verdict) {
    const struct mark mark = {.key = step->key, .occurrence = step->occurrence};
    assert(step->end == NULL || !step->asks); /* Who waits for a budget has not ended. */
    assert(step->end != NULL || !step->end_tells);
    struct err err =
        step->end == NULL ? insert(tx, row, &mark) : insert_ended(tx, row, &mark, step->end);
    bool tells = verdict == BUDGET_ADMITTED && !step->end_tells;
    return err_failed(err) || !tells ? err : steps__event_started(tx, step);
}

static struct err begin(struct tx *tx, const struct step_new *step, const struct facts *facts,
                        enum step_begun *ret_begun) {
    struct run_row row = row_of(tx, step, facts);
    enum budget_verdict verdict = BUDGET_ADMITTED;
    bool goes = true;
    struct err err = ask_budgets(tx, step, facts, &row, &verdict);
    if (!err_failed(err)) {
        err = write_row(tx, step, &row, verdict);
    }
    if (!err_failed(err) && step->talk != NULL) {
        err = steps__begin_talk(tx, step);
    }
    if (!err_failed(err) && verdict != BUDGET_ADMITTED) {
        err = runs__budget_apply(tx, verdict, &row, &goes);
    } else if (!err_failed(err) && row.charged) {
        err = budget__write_run(tx, &row);
    }
    *ret_begun = goes ? STEP_BEGUN : verdict == BUDGET_WAITS ? STEP_WAITS : STEP_OVER;
    return err;
}

struct err tx_step_begin(struct tx *tx, const struct step_new *step, enum step_begun *ret_begun,
                         bool *ret_budgeted) {
    struct facts facts;
    struct err err = ask_facts(tx, &step->place, &facts);
    *ret_begun = STEP_LATE;
    *ret_budgeted = !err_failed(err) && facts.lives && (facts.global || facts.budget.len > 0);
    return err_failed(err) || !facts.lives ? err : begin(tx, step, &facts, ret_begun);
}

/* --- It ends ---------------------------------------------------------------------------------- */

static struct err write_end(struct tx *tx, const struct step_end *end, enum run_state state,
                            bool *ret_late) {
    static const char sql[] =
        "UPDATE runs SET state = $2, gate = '', cause = $3, note = $4, result = $5,"
        " not_before_ms = $12, ended_ms = CASE WHEN started_ms > $6 THEN started_ms ELSE $6 END,"
        " output_tokens = output_tokens + $7, tokens = tokens + $8, cost_micros = cost_micros + $9,"
        " done_no = " WORKFLOW_NEXT_DONE(
            "$10") " WHERE run = $1 AND attempt = $11 AND ended_ms IS NULL";
    const struct bytes note = {end->note.data, utf8_cut(end->note, RUN_NOTE_TEXT_MAX)};
    const struct arg args[] = {arg_text(end->run),
                               runs__name(run_state_name(state)),
                               runs__name(run_cause_name(end->cause)),
                               arg_text(note),
                               arg_text(end->result),
                               arg_int(tx_now_ms(tx)),
                               arg_int(end->usage.output),
                               arg_int(usage_total(&end->usage)),
                               arg_int(end->cost.known ? end->cost.micros : 0),
                               arg_int(end->place.id),
                               arg_int(end->attempt),
                               arg_int(end->resume_at_ms)};
    int64_t changed = 0;
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), &changed);
    *ret_late = changed == 0;
    return err;
}

static struct err write_spec(struct tx *tx, const struct step_end *end) {
    const struct arg args[] = {arg_text(end->run), arg_text(end->spec)};
    return end->spec.len == 0 ? ERR_OK
                              : tx_exec(tx, "UPDATE runs SET spec = $2 WHERE run = $1", args,
                                        COUNT_OF(args), NULL /* one row, always */);
}

/* What it held goes back before the row ends: who has ended holds nothing. */
static struct err settle(struct tx *tx, const struct step_end *end, struct run_freed *freed) {
    const struct run_key key = {.owner = end->place.owner, .run = end->run};
    struct run_row row;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (err_failed(err) || !found || run_state_final(row.state)) {
        return err;
    }
    if (row.state == RUN_QUEUED) {
        return runs__budget_leave(tx, &row, freed);
    }
    if (row.attempt != end->attempt) {
        return ERR_OK; /* It was restarted: what it holds is its next attempt's. */
    }
    const enum run_state state = workflow_step_state(end->cause);
    const struct run_took took = {.wall_ms = end->took_ms,
                                  .began = end->calls > 0,
                                  .completed = state == RUN_SUCCEEDED || state == RUN_DEGRADED,
                                  .used = turns__amounts(&end->usage, &end->cost)};
    return runs__budget_settle(tx, &took, &row, freed);
}

/* A call that was cut off with the daemon is nobody's: what it held is charged, as with turns. */
static struct err count_usage(struct tx *tx, const struct step_end *end) {
    struct usage_add add = {.owner = end->place.owner,
                            .project = end->project,
                            .model = end->model,
                            .category = USAGE_AGENT,
                            .usage = sessions__sums_of(&end->usage, &end->cost)};
    add.usage.calls = end->calls;
    add.usage.cost_micros = end->cost.micros;
    add.usage.cost_unknown = end->calls_unpriced;
    return end->calls == 0 ? ERR_OK : tx_usage_add(tx, &add);
}

/* It has ended itself, or its agent's time was over, or somebody skipped it. */
static struct err end_turn(struct tx *tx, const struct step_end *end, struct run_freed *freed) {
    const struct run_key key = {.run = end->run};
    struct run_row row;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &row);
    return err_failed(err) || !found ? err : runs__ask_children(tx, &row, freed);
}

static struct err end_step(struct tx *tx, const struct step_end *end, bool *ret_late) {
    enum run_state state = workflow_step_state(end->cause);
    struct run_freed freed = {.kinds = 0};
    struct err err = end->budgeted ? settle(tx, end, &freed) : ERR_OK;
    *ret_late = false;
    if (!err_failed(err) && !end->written) {
        err = write_end(tx, end, state, ret_late);
    }
    if (err_failed(err) || *ret_late) {
        return err;
    }
    const struct step_told told = {.place = end->place,
                                   .run = end->run,
                                   .label = end->label,
                                   .phase = end->phase,
                                   .note = end->note,
                                   .worktree = end->worktree,
                                   .state = state,
                                   .cause = end->cause,
                                   .output_tokens = end->usage.output,
                                   .cost_micros = end->cost.known ? end->cost.micros : -1,
                                   .took_ms = end->took_ms};
    err = end->untold == NULL ? steps__event_finished(tx, &told)
                              : steps__event_both(tx, end->untold, &told);
    if (!err_failed(err)) {
        err = count_usage(tx, end);
    }
    if (!err_failed(err)) {
        err = write_spec(tx, end);
    }
    if (!err_failed(err) && end->talks) {
        err = end_turn(tx, end, &freed);
    }
    return err_failed(err) || (!end->budgeted && !end->talks)
               ? err
               : runs__admit_freed(tx, &freed, &end->bounds);
}

/* What an agent with tools used is known to its turns alone, also where it was skipped: tokens of
 * an agent that ended early would else be missing in `budget.spent()`. */
struct err tx_step_end(struct tx *tx, const struct step_end *end, bool *ret_late,
                       struct usage *ret_used) {
    struct step_end whole = *end;
    struct step_used used = {.usage = end->usage, .cost = end->cost};
    struct err err = end->talks ? steps__talk_used(tx, end->run, &used) : ERR_OK;
    whole.usage = used.usage;
    whole.cost = used.cost;
    *ret_late = false;
    *ret_used = used.usage;
    return err_failed(err) ? err : end_step(tx, &whole, ret_late);
}

static struct err add_tokens(struct tx *tx, int64_t id, const struct step_took *took) {
    static const char sql[] = "UPDATE runs SET output_tokens = output_tokens + $2,"
                              " tokens = tokens + $3, cost_micros = cost_micros + $4 WHERE id = $1";
    const struct arg args[] = {arg_int(id), arg_int(took->usage.output),
                               arg_int(usage_total(&took->usage)),
                               arg_int(took->cost.known ? took->cost.micros : 0)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err steps__cut_off(struct tx *tx, const struct step_took *took, struct bytes project,
                          struct run_row *row, struct run_freed *freed) {
    const struct run_took by_budgets = {.wall_ms = took->took_ms,
                                        .began = took->calls > 0,
                                        .used = turns__amounts(&took->usage, &took->cost)};
    const struct step_end counted = {.place = {.owner = row->owner},
                                     .usage = took->usage,
                                     .cost = took->cost,
                                     .model = took->model,
                                     .project = project,
                                     .calls = took->calls,
                                     .calls_unpriced = took->calls_unpriced};
    struct err err = runs__budget_settle(tx, &by_budgets, row, freed);
    if (!err_failed(err)) {
        err = add_tokens(tx, row->id, took);
    }
    return err_failed(err) ? err : count_usage(tx, &counted);
}

static struct err find_tokens(struct tx *tx, int64_t id, int64_t *ret_output) {
    const struct arg args[] = {arg_int(id)};
    const struct run_ask ask = {.sql = "SELECT output_tokens FROM runs WHERE id = $1",
                                .args = args,
                                .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_output);
}

/* Somebody else ended it: it was stopped before it began, or a budget refused it. */
struct err steps__ended(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    (void)freed; /* A step frees nothing besides its run. */
    static const char sql[] =
        "UPDATE runs SET done_no = " WORKFLOW_NEXT_DONE("$2") " WHERE id = $1 AND step_key <> ''";
    const struct arg args[] = {arg_int(row->id), arg_int(row->parent)};
    struct bytes phase = none, worktree = none;
    int64_t output_tokens = 0;
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* told all the same */);
    if (!err_failed(err)) {
        err = workflows__member(tx, row->spec, "phase", &phase);
    }
    if (!err_failed(err)) {
        err = workflows__worktree(tx, row->spec, &worktree);
    }
    if (!err_failed(err)) {
        err = find_tokens(tx, row->id, &output_tokens);
    }
    if (err_failed(err) || row->parent_run.len == 0) {
        return err; /* Its workflow was removed, and its stream is no more. */
    }
    const struct step_told told = {
        .place = {.id = row->parent, .owner = row->owner, .run = row->parent_run},
        .run = row->run,
        .label = row->label,
        .phase = phase,
        .note = row->note,
        .worktree = worktree,
        .state = row->state,
        .cause = row->cause,
        .output_tokens = output_tokens,
        .cost_micros = -1,
        .took_ms = runs__took_ms(tx, row)};
    return steps__event_finished(tx, &told);
}

/* --- Taken over from another run -------------------------------------------------------------- */

static struct err copy_end(struct tx *tx, const struct step_cached *cached) {
    static const char sql[] =
        "UPDATE runs SET state = 'succeeded', cause = 'completed', cached = 1, ended_ms = $3,"
        " result = (SELECT o.result FROM runs o WHERE o.run = $2),"
        " done_no = " WORKFLOW_NEXT_DONE("$4") " WHERE run = $1";
    const struct step_new *step = &cached->step;
    const struct arg args[] = {arg_text(bytes_of(step->run.text)), arg_text(cached->from),
                               arg_int(tx_now_ms(tx)), arg_int(step->place.id)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static struct err read_value(struct tx *tx, const struct step_cached *cached, bool *ret_found,
                             struct bytes *ret_value) {
    static const char sql[] = "SELECT result FROM runs WHERE run = $1 AND owner = $2";
    const struct arg args[] = {arg_text(cached->from), arg_text(cached->step.place.owner)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    *ret_found = !err_failed(err) && rows != NULL;
    if (!*ret_found) {
        return err;
    }
    *ret_value = rows_text(rows, 0);
    return workflows__keep(tx, ret_value);
}

struct err tx_step_cached(struct tx *tx, const struct step_cached *cached, bool *ret_late,
                          struct bytes *ret_value) {
    const struct step_new *step = &cached->step;
    struct facts facts;
    bool found = false;
    struct err err = ask_facts(tx, &step->place, &facts);
    if (!err_failed(err) && facts.lives) {
        err = read_value(tx, cached, &found, ret_value);
    }
    if (err_failed(err)) {
        return err; /* Nobody knows whether it lives. */
    }
    *ret_late = !found;
    if (!found) {
        return ERR_OK;
    }
    const struct run_row row = row_of(tx, step, &facts);
    const struct mark mark = {.key = step->key, .occurrence = step->occurrence};
    err = insert(tx, &row, &mark);
    if (!err_failed(err)) {
        err = copy_end(tx, cached);
    }
    const struct step_told told = {.place = step->place,
                                   .run = row.run,
                                   .label = step->label,
                                   .phase = step->phase,
                                   .note = none,
                                   .state = RUN_SUCCEEDED,
                                   .cause = CAUSE_COMPLETED,
                                   .cached = true};
    return err_failed(err) ? err : steps__event_finished(tx, &told);
}

/* --- Asked of budgets ------------------------------------------------------------------------- */

/* A budget may be removed while it holds a reserve for an agent, or lets it wait. */
struct err tx_step_budgeted(struct tx *tx, const struct run_row *workflow, bool *ret_budgeted) {
    static const char sql[] =
        "SELECT (SELECT count(*) FROM budgets WHERE owner = '' AND path = '')"
        " + (SELECT count(*) FROM runs WHERE parent = $1 AND step_key <> '' AND done_no = 0"
        " AND (charged = 1 OR state = 'queued'))";
    const struct arg args[] = {arg_int(workflow->id)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t count = 0;
    struct err err = runs__int(tx, &ask, &count);
    *ret_budgeted = count > 0 || workflow->budget.len > 0;
    return err;
}
