/* run_settle.c: the end of an attempt, and of a run.
 *
 * The fence: only the row's own attempt, and only while it runs, is settled. A result that comes
 * later, because a daemon sent it twice or an older attempt was thought dead, changes nothing.
 */
#include "engine/run_rows.h"

#include "base/utf8.h"
#include "engine/inbox.h"

struct err runs__end(struct tx *tx, enum run_state from, struct run_row *row, struct bytes output) {
    assert(run_state_final(row->state));
    row->gate = GATE_NONE;
    row->ended_ms = tx_now_ms(tx);
    struct err err = runs__write(tx, from, row);
    if (!err_failed(err)) {
        err = runs__input_close(tx, row);
    }
    if (!err_failed(err)) {
        err = runs__event_finished(tx, row);
    }
    if (err_failed(err)) {
        return err;
    }
    const struct inbox_notice notice = {.run = row, .output = output, .exit_code = row->exit_code};
    return tx_inbox_notify(tx, &notice);
}

struct err runs__end_queued(struct tx *tx, struct run_row *row) {
    assert(row->state == RUN_QUEUED);
    const struct bytes none = {"", 0};
    struct run_verdict verdict = run_judge_stopped(row);
    row->state = verdict.state;
    row->cause = verdict.cause;
    return runs__end(tx, RUN_QUEUED, row, none);
}

static bool lives(const struct run_row *row) {
    return row->state == RUN_RUNNING || row->state == RUN_WAITING;
}

/* Without a wait it goes straight to the queue for a slot, and keeps its key on the way. */
static struct err again(struct tx *tx, enum run_state from, int64_t wait_ms, struct run_row *row) {
    row->gate = wait_ms > 0 ? GATE_TIME : GATE_SLOT;
    row->not_before_ms = wait_ms > 0 ? tx_now_ms(tx) + wait_ms : 0;
    struct err err = runs__write(tx, from, row);
    return err_failed(err) ? err : runs__event_retrying(tx, row, wait_ms);
}

static struct err apply(struct tx *tx, const struct run_settle *settle, struct run_row *row) {
    enum run_state from = row->state;
    struct run_verdict verdict = run_judge(row, &settle->retry, &settle->end, settle->random);
    row->state = verdict.state;
    row->cause = verdict.cause;
    row->voids = verdict.voids;
    row->failures = verdict.failures;
    row->reboots = verdict.reboots;
    row->exit_code = settle->end.end == ATTEMPT_EXITED ? settle->end.code : -1;
    row->result = settle->result;
    row->note = (struct bytes){settle->note.data, utf8_cut(settle->note, RUN_NOTE_TEXT_MAX)};
    if (row->state == RUN_QUEUED) {
        return again(tx, from, verdict.wait_ms, row);
    }
    struct err err = runs__end(tx, from, row, settle->output);
    return err_failed(err) ? err : runs__ask_children(tx, row);
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
    if (!late) {
        err = apply(tx, settle, &row);
    }
    if (!err_failed(err) && !late) {
        err = runs__admit_freed(tx, &row, &settle->bounds);
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
    if (!late && row.epoch != tx_epoch(tx)) {
        const struct arg args[] = {arg_int(row.id), arg_int(tx_epoch(tx))};
        err = tx_exec(tx, "UPDATE runs SET epoch = $2 WHERE id = $1", args, COUNT_OF(args), NULL);
    }
    if (!err_failed(err)) {
        *ret_late = late;
    }
    return err;
}
