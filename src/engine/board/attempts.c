/* attempts.c: an attempt ends, and what follows. */
#include "base/json/json.h"
#include "engine/board/rows.h"
#include "engine/run/runs.h"
#include "rules/agent/outcome.h"

enum { DETAIL_MAX = 32 << 10 /* Bytes of what an event tells of an end. */ };

/* As its program said: in the state of the reader, which is that of its turn. */
static struct bytes transport_of(struct tx *tx, struct bytes run) {
    AUTO(json_release) json_t *reader = NULL;
    const struct bytes state =
        run.len == 0 ? run
                     : tx_text(tx,
                               "SELECT s.program_reader FROM runs r JOIN turns t ON t.run = r.id"
                               " JOIN sessions s ON s.id = t.session WHERE r.run = $1"
                               " AND s.program_answer = t.answer",
                               ARGS(arg_text(run)));
    if (state.len == 0 || err_failed(json_parse_wrapped(state, &reader, NULL))) {
        return BYTES("");
    }
    return tx_copy(tx, json_bytes(reader, "transport"));
}

struct ending {
    enum run_state state;
    enum run_cause cause;
    struct bytes outcome, note;
    int64_t exit_code;
    int64_t began_ms; /* When the attempt was made. */
};

/* Number of attempts that ended so, since the task was opened. */
static int64_t same_ends(struct tx *tx, const struct task *task, struct bytes outcome) {
    return tx_number(tx,
                     "SELECT count(*) FROM (SELECT outcome FROM task_attempts WHERE task = $1"
                     " ORDER BY id DESC LIMIT $2) ends WHERE outcome = $3",
                     ARGS(arg_text(task->task), arg_int(task->attempts), arg_text(outcome)));
}

static void end_tell(struct tx *tx, const struct task *task, const struct ending *ending,
                     const struct board_verdict *verdict, struct bytes facts) {
    AUTO(text_done) struct text detail = text_up_to(DETAIL_MAX);
    text_add_char(&detail, '{');
    text_add_member(&detail, "outcome", ending->outcome);
    text_add_member(&detail, "attempt", task->attempt);
    text_add_member(&detail, "reason", bytes_of(board_reason_names[verdict->reason]));
    text_add_member_int(&detail, "retry_count", verdict->retry_count);
    if (facts.len > 0) {
        text_add_char(&detail, ',');
        text_add(&detail, facts.data, facts.len);
    }
    text_add_char(&detail, '}');
    const struct task_happened happened = {.type = board_end_event(ending->cause),
                                           .agent = task->agent,
                                           .detail = text_bytes(&detail)};
    tasks__tell(tx, task, &happened);
}

static void attempt_end(struct tx *tx, struct task *task, const struct ending *ending) {
    const struct board_attempt_end end = {.status = task->status,
                                          .state = ending->state,
                                          .cause = ending->cause,
                                          .retry_count = task->retry_count,
                                          .attempts = task->attempts,
                                          .attempts_max = task->attempts_max,
                                          .refusals = board_refusals(task->counters)};
    const struct board_verdict verdict = board_attempt_judge(&end);
    const enum board_counter counter = board_counter_of(ending->cause);
    if (counter < BOARD_COUNTER_COUNT) {
        task->counters[counter]++;
    }
    AUTO(text_done) struct text facts = text_up_to(DETAIL_MAX);
    const bool moves = verdict.to != task->status;
    const struct attempt_over over = {.status = task->status,
                                      .outcome = ending->outcome,
                                      .note = ending->note,
                                      .transport = transport_of(tx, task->run),
                                      .exit_code = ending->exit_code,
                                      .fallback = ending->cause == CAUSE_FALLBACK_USED,
                                      .well = ending->cause == CAUSE_COMPLETED};
    attempts__close(tx, task, &over);
    const struct board_facts known = {.reason = verdict.reason,
                                      .note = ending->note,
                                      .transport = over.transport,
                                      .retry_count = verdict.retry_count,
                                      .same = same_ends(tx, task, ending->outcome),
                                      .duration_ms = tx_now_ms(tx) - ending->began_ms};
    board_facts_write(&known, &facts);
    /* An end that moves nothing has no other event. */
    end_tell(tx, task, ending, &verdict, moves ? BYTES("") : text_bytes(&facts));
    task->retry_count = verdict.retry_count;
    if (!moves) {
        tasks__write(tx, task);
        return;
    }
    task->detail = ending->note;
    task->not_before_ms = verdict.pause_ms > 0 ? tx_now_ms(tx) + verdict.pause_ms : 0;
    task->question = verdict.to == TASK_BLOCKED ? bytes_of(verdict.question) : task->question;
    const struct task_entered entered = {.to = verdict.to,
                                         .reason = verdict.reason,
                                         .by = BYTES(""),
                                         .words = ending->note,
                                         .facts = text_bytes(&facts)};
    tasks__enter(tx, task, &entered);
}

struct err board__run_ended(struct tx *tx, const struct run_row *run) {
    struct task_attempt attempt;
    struct task task;
    const struct bytes name = tx_text(
        tx, "SELECT attempt FROM task_attempts WHERE run = $1 AND run <> '' AND ended_ms IS NULL",
        ARGS(arg_text(run->run)));
    if (name.len > 0 && attempts__find(tx, name, &attempt, &task)) {
        const struct ending ending = {.state = run->state,
                                      .cause = run->cause,
                                      .outcome = bytes_of(run_cause_name(run->cause)),
                                      .note = run->note,
                                      .exit_code = run->exit_code,
                                      .began_ms = attempt.made_ms};
        board__agent_cools(tx, attempt.agent, run);
        attempt_end(tx, &task, &ending);
    }
    reviews__ended(tx, run);
    return tx_error(tx);
}

struct err tx_attempt_unstarted(struct tx *tx, struct bytes attempt, struct bytes note) {
    struct task_attempt row;
    struct task task;
    if (attempts__find(tx, attempt, &row, &task)) {
        const struct ending ending = {.state = RUN_FAILED,
                                      .cause = CAUSE_NOT_STARTED,
                                      .outcome = bytes_of(agent_outcome_name(AGENT_SPAWN_FAILED)),
                                      .note = note,
                                      .exit_code = -1,
                                      .began_ms = row.made_ms};
        attempt_end(tx, &task, &ending);
    }
    return tx_error(tx);
}

/* --- After a restart -------------------------------------------------------------------------- */

struct err tx_board_recover(struct tx *tx) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT DISTINCT owner, project FROM tasks WHERE status IN"
                                " ('pending', 'claimed', 'working', 'review')"
                                " UNION SELECT owner, project FROM tasks WHERE worktree <> ''"
                                " AND status IN ('done', 'failed', 'cancelled')",
                                NO_ARGS);
    while (rows_step(rows)) {
        AUTO(text_done) struct text note = text_up_to(BOARD_NOTE_MAX);
        const struct bytes owner = rows_text(rows, 0), project = rows_text(rows, 1);
        text_addf(&note, "%.*s\n%.*s", (int)owner.len, owner.data, (int)project.len, project.data);
        tx_fail(tx, text_failed(&note) ? ERR_OK : tx_note(tx, BOARD_NOTE, text_bytes(&note)));
    }
    return tx_error(tx);
}
