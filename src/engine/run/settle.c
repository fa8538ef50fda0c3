/* settle.c: the end of an attempt, and of a run.
 *
 * The fence: only the row's own attempt, and only while it runs, is settled. A result that comes
 * later, because a daemon sent it twice or an older attempt was thought dead, changes nothing.
 */
#include "engine/run/budget_gate.h"
#include "engine/run/kinds.h"

#include <string.h>

#include "base/utf8.h"
#include "engine/inbox/bind.h"
#include "engine/trace/spans.h"

/* What was told by this turn. */
static struct err settle_owed(struct tx *tx, const struct run_row *turn) {
    const struct inbox_turn_end end = {
        .turn = turn->run, .state = turn->state, .cause = turn->cause};
    return tx_inbox_settle_turn(tx, &end);
}

/* Tokens and cost that a row still holds at its end are those of a call that was out, and whose
 * usage nobody will report: they count as used. */
static struct amounts used_by_row(const struct run_row *row) {
    struct amounts used = row->reserve;
    used.of[AMOUNT_AGENTS] = 0;
    used.of[AMOUNT_WALL] = 0;
    return used;
}

/* What had begun and was not settled by somebody who knows better took what its row says, without
 * its waits for a person. */
static struct err settle_budgets(struct tx *tx, const struct run_end *end, struct run_row *row,
                                 struct run_freed *freed) {
    struct run_took took = {.began = true,
                            .completed = row->state == RUN_SUCCEEDED || row->state == RUN_DEGRADED,
                            .used = used_by_row(row)};
    struct run_time time = {.took_ms = 0};
    if (end->from == RUN_QUEUED) {
        return runs__budget_leave(tx, row, freed);
    }
    struct err err = row->charged && !end->alone ? runs__time(tx, row, end->from, &time) : ERR_OK;
    took.wall_ms = time.took_ms;
    return err_failed(err) ? err : runs__budget_settle(tx, &took, row, freed);
}

/* The output of a turn is what it said, which is read only where somebody is notified of it. */
static struct err end_turn(struct tx *tx, const struct run_row *row, struct bytes *ret_output) {
    struct err err = settle_owed(tx, row);
    bool heard = row->spec.len > 0 &&
                 memmem(row->spec.data, row->spec.len, "\"notify\"", strlen("\"notify\"")) != NULL;
    return err_failed(err) || !heard ? err : run_kinds[KIND_TURN].output(tx, row, ret_output);
}

static struct err end_kind(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    const struct run_kind_ops *kind = &run_kinds[row->kind];
    if (row->kind == KIND_JOB && row->attempt > 0) {
        return tx_span_keep(tx, row->id);
    }
    return kind->ended != NULL ? kind->ended(tx, row, freed) : ERR_OK;
}

/* Damage in the rows of whoever started a run keeps no run from its end. */
static struct err end_child(struct tx *tx, const struct run_row *row, struct bytes output) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(run_kinds) && !err_failed(err); i++) {
        if (run_kinds[i].child_ended != NULL) {
            err = run_kinds[i].child_ended(tx, row, output);
        }
    }
    return err.code == ERR_STORE_CORRUPT || err.code == ERR_TEXT_TOO_LONG ? ERR_OK : err;
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

struct err runs__end(struct tx *tx, const struct run_end *end, struct run_row *row,
                     struct run_freed *freed) {
    assert(run_state_final(row->state));
    struct err err = runs__free(tx, row, freed);
    if (!err_failed(err)) {
        err = settle_budgets(tx, end, row, freed);
    }
    row->gate = GATE_NONE;
    row->ended_ms = end_ms(tx, end->usage, row);
    if (!err_failed(err)) {
        err = runs__write(tx, end->from, row);
    }
    if (!err_failed(err)) {
        err = runs__input_close(tx, row);
    }
    if (!err_failed(err)) {
        err = runs__event_finished(tx, row);
    }
    if (!err_failed(err) && !end->alone) {
        err = end_kind(tx, row, freed);
    }
    if (!err_failed(err)) {
        err = end_child(tx, row, end->output);
    }
    if (err_failed(err)) {
        return err;
    }
    struct inbox_notice notice = {
        .run = row, .output = end->output, .members = end->members, .exit_code = row->exit_code};
    if (row->kind == KIND_TURN && !end->alone) {
        err = end_turn(tx, row, &notice.output);
    }
    return err_failed(err) || row->cause == CAUSE_CALLED_OFF ? err : tx_inbox_notify(tx, &notice);
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

static bool lives(const struct run_row *row) {
    return row->state == RUN_RUNNING || row->state == RUN_WAITING;
}

/* Without a wait it goes straight to the queue for a slot, and keeps its key on the way. */
static struct err again(struct tx *tx, enum run_state from, int64_t wait_ms, struct run_row *row,
                        struct run_freed *freed) {
    struct err err = runs__free(tx, row, freed);
    if (err_failed(err)) {
        return err;
    }
    row->gate = wait_ms > 0 ? GATE_TIME : GATE_SLOT;
    row->not_before_ms = wait_ms > 0 ? tx_now_ms(tx) + wait_ms : 0;
    err = runs__write(tx, from, row);
    return err_failed(err) ? err : runs__event_retrying(tx, row, wait_ms);
}

/* The fence is that of the run's row, which has been passed. */
static struct err end_span(struct tx *tx, const struct run_settle *settle,
                           const struct run_verdict *verdict, const struct run_row *row) {
    if (row->kind != KIND_JOB) {
        return ERR_OK;
    }
    const char *cause = run_cause_name(verdict->cause), *state = run_state_name(verdict->attempt);
    const struct run_usage *usage = &settle->usage;
    const struct span_end end = {
        .key = {.run = row->id, .attempt = row->attempt},
        .state = {state, strlen(state)},
        .cause = {cause, strlen(cause)},
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
    return tx_span_end(tx, &end, NULL /* never late */);
}

static struct err apply(struct tx *tx, const struct run_settle *settle, struct run_row *row,
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
    struct err err = end_span(tx, settle, &verdict, row);
    if (err_failed(err)) {
        return err;
    }
    if (row->state == RUN_QUEUED) {
        return again(tx, from, verdict.wait_ms, row, freed);
    }
    const struct run_end end = {.from = from, .output = settle->output, .usage = &settle->usage};
    err = runs__end(tx, &end, row, freed);
    return err_failed(err) ? err : runs__ask_children(tx, row, freed);
}

static struct err find_took(struct tx *tx, const struct run_settle *settle,
                            const struct run_row *row, struct run_took *ret_took) {
    enum attempt_end end = settle->end.end;
    const struct run_usage *usage = &settle->usage;
    struct run_time time = {.took_ms = usage->wall_ms > 0 ? usage->wall_ms : 0};
    bool measured = usage->known && usage->wall_ms >= 0;
    struct err err = measured ? ERR_OK : runs__time(tx, row, row->state, &time);
    *ret_took = (struct run_took){.wall_ms = time.took_ms,
                                  .began = end != ATTEMPT_VOID && end != ATTEMPT_NOT_STARTED &&
                                           end != ATTEMPT_NO_DESCRIPTORS,
                                  .completed = end == ATTEMPT_EXITED && settle->end.code == 0 &&
                                               settle->end.why == ATTEMPT_ITSELF};
    return err;
}

struct err tx_run_settle(struct tx *tx, const struct run_settle *settle, bool *ret_late,
                         struct run_row *ret_row) {
    assert(settle->result.len <= RUN_RESULT_MAX);
    const struct run_key key = {.run = settle->run};
    bool found = false;
    struct run_row row = {.id = 0};
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    bool late = !found || !lives(&row) || row.attempt != settle->attempt;
    struct run_freed freed = {.kinds = 0};
    struct run_took took;
    if (!late) {
        err = find_took(tx, settle, &row, &took);
    }
    if (!err_failed(err) && !late) {
        err = runs__budget_settle(tx, &took, &row, &freed);
    }
    if (!err_failed(err) && !late) {
        err = apply(tx, settle, &row, &freed);
    }
    if (!err_failed(err) && !late) {
        err = runs__admit_freed(tx, &freed, &settle->bounds);
    }
    if (!err_failed(err) && !late && row.state == RUN_QUEUED) {
        err = runs__find_id(tx, row.id, &found, &row); /* It may be the one that goes next. */
    }
    if (!err_failed(err)) {
        *ret_late = late;
        *ret_row = row;
    }
    return err;
}

struct err tx_run_adopted(struct tx *tx, const struct run_key *key, int64_t attempt,
                          bool *ret_late) {
    bool found = false;
    struct run_row row;
    struct err err = tx_run_find(tx, key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    bool late = !found || !lives(&row) || row.attempt != attempt;
    if (!late) {
        err = runs__adopt(tx, &row);
    }
    if (!err_failed(err)) {
        *ret_late = late;
    }
    return err;
}
