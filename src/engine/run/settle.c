/* settle.c: the end of an attempt, and of a run.
 *
 * The fence: only the row's own attempt, and only while it runs, is settled. A result that comes
 * later, because a daemon sent it twice or an older attempt was thought dead, changes nothing.
 */
#include "base/utf8.h"
#include "engine/inbox/bind.h"
#include "engine/run/budget_gate.h"
#include "engine/run/kinds.h"
#include "engine/trace/spans.h"

static bool first_call_is_refused(struct tx *tx, const struct run_row *row) {
    return run_kind_is(row->kind, RUN_RESERVES_CALLS) && row->cause == CAUSE_BUDGET &&
           tx_number(tx, "SELECT 1 FROM spans WHERE run = $1 LIMIT 1", ARGS(arg_int(row->id))) == 0;
}

/* What had begun and was not settled by somebody who knows better took what its row says, without
 * its waits for a person. Tokens and cost that a row still holds at its end are those of a call
 * that was out, and whose usage nobody will report: they count as used. */
static void budgets_settle(struct tx *tx, const struct run_end *end, struct run_row *row,
                           struct run_freed *freed) {
    struct run_took took = {.began = true,
                            .refused = first_call_is_refused(tx, row),
                            .completed = row->state == RUN_SUCCEEDED || row->state == RUN_DEGRADED,
                            .used = row->reserve};
    struct run_time time = {.took_ms = 0};
    if (end->from == RUN_QUEUED) {
        runs__budget_leave(tx, row, freed);
        return;
    }
    if (row->charged && !end->alone) {
        time = runs__time(tx, row, end->from);
    }
    took.wall_ms = time.took_ms;
    runs__budget_settle(tx, &took, row, freed);
}

/* The holder has measured the time of its command, and the daemon may have noticed the end days
 * later. Of any other run the end is the time of this commit, unless the wall clock was set back
 * meanwhile: no run ends before its start. */
static int64_t end_ms(const struct tx *tx, const struct run_usage *usage,
                      const struct run_row *row) {
    if (usage != NULL && usage->known && usage->wall_ms >= 0) {
        return row->started_ms + usage->wall_ms;
    }
    int64_t now_ms = tx_now_ms(tx);
    return now_ms >= row->started_ms ? now_ms : row->started_ms + runs__took_ms(tx, row);
}

/* Errors of other rows are returned and not kept: damage in the rows of whoever started a run keeps
 * no run from its end. */
static struct err kinds_end(struct tx *tx, const struct run_end *end, const struct run_row *row,
                            struct run_freed *freed) {
    const struct run_kind_ops *kind = &run_kinds[row->kind];
    struct err err = ERR_OK;
    if (!end->alone && run_kind_is(row->kind, RUN_HAS_PROCESS) && row->attempt > 0) {
        err = tx_span_keep(tx, row->id);
    }
    if (!err_failed(err) && !end->alone && kind->ended != NULL) {
        err = kind->ended(tx, row, freed);
    }
    if (err_failed(err)) {
        return err;
    }
    for (size_t i = 0; i < COUNT_OF(run_kinds) && !err_failed(err); i++) {
        if (run_kinds[i].child_ended != NULL) {
            err = run_kinds[i].child_ended(tx, row, end->output);
        }
    }
    return err.code == ERR_STORE_CORRUPT || err.code == ERR_TEXT_TOO_LONG ? ERR_OK : err;
}

struct err runs__end(struct tx *tx, const struct run_end *end, struct run_row *row,
                     struct run_freed *freed) {
    assert(run_state_final(row->state));
    tx_fail(tx, runs__free(tx, row, freed));
    budgets_settle(tx, end, row, freed);
    row->gate = GATE_NONE;
    row->ended_ms = end_ms(tx, end->usage, row);
    tx_fail(tx, runs__write(tx, end->from, row));
    runs__input_close(tx, row);
    struct inbox_notice notice = {
        .run = row, .output = end->output, .members = end->members, .exit_code = row->exit_code};
    struct err err = runs__event_finished(tx, row);
    if (!err_failed(err)) {
        err = kinds_end(tx, end, row, freed);
    }
    if (!err_failed(err) && run_kinds[row->kind].output != NULL && !end->alone) {
        err = run_kinds[row->kind].output(tx, row, &notice.output);
    }
    if (!err_failed(err) && row->cause != CAUSE_CALLED_OFF) {
        err = tx_inbox_notify(tx, &notice);
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err runs__end_queued(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    assert(row->state == RUN_QUEUED);
    const struct run_end end = {.from = RUN_QUEUED, .output = {"", 0}};
    struct run_verdict verdict = run_judge_stopped(row);
    row->state = verdict.state;
    row->cause = verdict.cause;
    /* What an attempt before its wait came to is told by that attempt, not by this end. */
    row->exit_code = -1;
    row->result = (struct bytes){"", 0};
    if (row->cause != CAUSE_BUDGET) { /* A budget that refused it has just said why. */
        row->note = (struct bytes){"", 0};
    }
    return runs__end(tx, &end, row, freed);
}

/* --- An attempt of a command ------------------------------------------------------------------ */

/* The fence is that of the run's row, which has been passed. */
static void span_end(struct tx *tx, const struct run_settle *settle,
                     const struct run_verdict *verdict, const struct run_row *row) {
    const struct run_usage *usage = &settle->usage;
    const struct span_end end = {
        .key = {.run = row->id, .attempt = row->attempt},
        .state = bytes_of(run_state_name(verdict->attempt)),
        .cause = bytes_of(run_cause_name(verdict->cause)),
        .error = row->note,
        .output = {"", 0},
        .tokens = SPAN_TOKENS_UNKNOWN,
        .cost = SPAN_UNKNOWN,
        .tries = 1,
        .exit_code = row->exit_code >= 0 ? row->exit_code : SPAN_UNKNOWN,
        .cpu_us = usage->known || usage->cpu_us > 0 ? usage->cpu_us : SPAN_UNKNOWN,
        .memory_kb = usage->known ? usage->memory_kb : SPAN_UNKNOWN,
        .disk = settle->disk,
        .ended_ms = end_ms(tx, usage, row),
    };
    if (run_kind_is(row->kind, RUN_HAS_PROCESS)) {
        tx_fail(tx, tx_span_end(tx, &end, NULL /* never late */));
    }
}

/* The run ends, or is queued again. Without a wait it goes straight to the queue for a slot, and
 * keeps its key on the way. */
static void attempt_apply(struct tx *tx, const struct run_settle *settle, struct run_row *row,
                          struct run_freed *freed) {
    enum run_state from = row->state;
    struct run_verdict verdict = run_judge(row, &settle->retry, &settle->end, settle->random);
    row->state = verdict.state;
    row->cause = verdict.cause;
    row->voids = verdict.voids;
    row->failures = verdict.failures;
    row->reboots = verdict.reboots;
    row->unbegun = verdict.unbegun;
    row->exit_code = settle->end.end == ATTEMPT_EXITED ? settle->end.code : -1;
    row->result = settle->result;
    row->note = (struct bytes){settle->note.data, utf8_cut(settle->note, RUN_NOTE_TEXT_MAX)};
    span_end(tx, settle, &verdict, row);
    if (row->state == RUN_QUEUED) {
        tx_fail(tx, runs__free(tx, row, freed));
        row->gate = verdict.wait_ms > 0 ? GATE_TIME : GATE_SLOT;
        row->not_before_ms = verdict.wait_ms > 0 ? tx_now_ms(tx) + verdict.wait_ms : 0;
        tx_fail(tx, runs__write(tx, from, row));
        runs__event_retrying(tx, row, verdict.wait_ms);
        return;
    }
    const struct run_end end = {.from = from, .output = settle->output, .usage = &settle->usage};
    tx_fail(tx, runs__end(tx, &end, row, freed));
    tx_fail(tx, runs__ask_children(tx, row, freed));
}

struct err tx_run_settle(struct tx *tx, const struct run_settle *settle, bool *ret_late,
                         struct run_row *ret_row) {
    assert(settle->result.len <= RUN_RESULT_MAX);
    const struct run_usage *usage = &settle->usage;
    const enum attempt_end how = settle->end.end;
    struct run_time time = {.took_ms = usage->wall_ms > 0 ? usage->wall_ms : 0};
    struct run_freed freed = {.kinds = 0};
    struct run_row row;
    *ret_late =
        !runs__load(tx, settle->run, &row) || !run_lives(&row) || row.attempt != settle->attempt;
    if (*ret_late) {
        *ret_row = row;
        return tx_error(tx);
    }
    if (!usage->known || usage->wall_ms < 0) {
        time = runs__time(tx, &row, row.state);
    }
    const struct run_took took = {.wall_ms = time.took_ms,
                                  .began = how != ATTEMPT_VOID && how != ATTEMPT_NOT_STARTED &&
                                           how != ATTEMPT_NO_DESCRIPTORS,
                                  .completed = how == ATTEMPT_EXITED && settle->end.code == 0 &&
                                               settle->end.why == ATTEMPT_ITSELF};
    runs__budget_settle(tx, &took, &row, &freed);
    attempt_apply(tx, settle, &row, &freed);
    tx_fail(tx, runs__admit_freed(tx, &freed, &settle->bounds));
    if (row.state == RUN_QUEUED) { /* It may be the one that goes next. */
        runs__load(tx, settle->run, &row);
    }
    *ret_row = row;
    return tx_error(tx);
}
