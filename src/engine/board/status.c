/* status.c: a task gets another status, an attempt begins or ends: rows that each way shares. */
#include "base/utf8.h"
#include "engine/board/rows.h"

enum {
    METADATA_MAX = 64 << 10,   /* Bytes of an attempt's metadata. */
    EVENT_WORDS_MAX = 4 << 10, /* Bytes of the words of a move, before they are written as JSON. */
};

void checks__leave(struct tx *tx, struct task_attempt *io_attempt) {
    if (io_attempt->checking_ms != 0) {
        io_attempt->checking_ms = 0;
        io_attempt->check_run = BYTES("");
        tx_fail(tx, tx_note(tx, BOARD_NOTE, io_attempt->attempt));
    }
}

void checks__drop(struct tx *tx, const struct task *task) {
    struct task_attempt attempt;
    if (attempts__load(tx, task->owner, task->attempt, &attempt) && attempt.checking_ms != 0) {
        checks__leave(tx, &attempt);
        tx_fail(tx, tx_resource_update(tx, &task_attempt_resource, FIELD_SET, &attempt));
    }
}

void tasks__enter(struct tx *tx, struct task *io_task, const struct task_entered *entered) {
    AUTO(text_done) struct text detail = text_up_to(EVENT_WORDS_MAX * 8);
    const struct bytes words = {entered->words.data, utf8_cut(entered->words, EVENT_WORDS_MAX)};
    text_add_char(&detail, '{');
    text_add_member(&detail, "from", bytes_of(task_status_names[io_task->status]));
    if (entered->reason != BOARD_BECAUSE_NONE) {
        text_add_member(&detail, "reason", bytes_of(board_reason_names[entered->reason]));
    }
    if (entered->facts.len > 0) {
        text_add_char(&detail, ',');
        text_add(&detail, entered->facts.data, entered->facts.len);
    }
    if (words.len > 0) {
        text_add_member(&detail, "words", words);
    }
    if (io_task->attempt.len > 0) {
        text_add_member(&detail, "attempt", io_task->attempt);
    }
    text_add_char(&detail, '}');
    if (entered->to == TASK_REVIEW) { /* A new result. */
        io_task->review_run = io_task->reviewer = BYTES("");
    }
    if (io_task->open_attempt && !task_is_held(entered->to)) {
        checks__drop(tx, io_task);
    }
    io_task->status = entered->to;
    io_task->reason = entered->reason;
    io_task->completed_ms = task_is_over(entered->to) ? tx_now_ms(tx) : 0;
    const struct task_happened happened = {.type = task_status_names[entered->to],
                                           .agent = entered->by,
                                           .detail = text_bytes(&detail)};
    tasks__write(tx, io_task);
    if (entered->to == TASK_DONE) {
        tasks__waits_mark(tx, io_task);
    }
    tasks__tell(tx, io_task, &happened);
}

/* --- Attempts --------------------------------------------------------------------------------- */

void attempts__open(struct tx *tx, struct task *io_task, const struct attempt_new *what) {
    struct task_attempt row = {.attempt = what->attempt,
                               .owner = io_task->owner,
                               .project = io_task->project,
                               .task = io_task->task,
                               .agent = what->agent,
                               .session = what->session,
                               .run = what->run,
                               .outcome = BYTES(""),
                               .note = BYTES(""),
                               .metadata = BYTES(""),
                               .check_run = BYTES(""),
                               .checks = BYTES(""),
                               .began = what->by_hand,
                               .number = 1 + tx_number(tx,
                                                       "SELECT COALESCE(max(attempt_number), 0)"
                                                       " FROM task_attempts WHERE task = $1",
                                                       ARGS(arg_text(io_task->task))),
                               .exit_code = -1,
                               .status_at_exit = io_task->status};
    io_task->attempts++;
    io_task->attempt = what->attempt;
    io_task->agent = what->agent;
    io_task->session = what->session;
    io_task->run = BYTES("");
    io_task->open_attempt = true;
    tx_fail(tx, tx_resource_insert(tx, &task_attempt_resource, &row));
}

static struct bytes metadata_make(struct tx *tx, const struct task *task,
                                  const struct task_attempt *row, const struct attempt_over *over) {
    AUTO(text_done) struct text text = text_up_to(METADATA_MAX);
    const struct bytes error = over->note.len > 0 ? over->note : over->outcome;
    const struct task_metadata metadata = {.transport = over->transport,
                                           .fallback_reason = over->fallback ? error : BYTES(""),
                                           .error = over->well ? BYTES("") : error,
                                           .duration_ms = row->ended_ms - row->made_ms,
                                           .status_at_exit = over->status,
                                           .counters = task->counters};
    task_metadata_write(&metadata, &text);
    return tx_copy_text(tx, &text, "board: metadata");
}

void attempts__close(struct tx *tx, struct task *io_task, const struct attempt_over *over) {
    struct task_attempt row;
    if (!io_task->open_attempt || !attempts__load(tx, io_task->owner, io_task->attempt, &row)) {
        return;
    }
    row.outcome = over->outcome;
    row.note = over->note;
    row.exit_code = over->exit_code;
    row.status_at_exit = over->status;
    row.ended_ms = tx_now_ms(tx);
    row.metadata = metadata_make(tx, io_task, &row, over);
    row.run = over->run_goes_on ? BYTES("") : row.run;
    checks__leave(tx, &row);
    io_task->open_attempt = false;
    tx_fail(tx, tx_resource_update(tx, &task_attempt_resource, FIELD_SET, &row));
}

void attempts__let_go(struct tx *tx, struct task *io_task, enum task_status to, struct bytes note) {
    const struct attempt_over over = {.status = to,
                                      .run_goes_on = true,
                                      .well = to == TASK_REVIEW,
                                      .outcome = bytes_of(task_status_names[to]),
                                      .note = note,
                                      .transport = BYTES(""),
                                      .exit_code = -1};
    attempts__close(tx, io_task, &over);
}

/* --- Verdicts --------------------------------------------------------------------------------- */

void reviews__add(struct tx *tx, struct task *io_task, const struct review_made *made) {
    struct task_review row = {.review = made->review,
                              .owner = io_task->owner,
                              .project = io_task->project,
                              .task = io_task->task,
                              .attempt = io_task->attempt,
                              .reviewer = made->reviewer,
                              .accept = made->accept,
                              .reasons = made->reasons};
    io_task->rejections += made->accept ? 0 : 1;
    io_task->retry_count = 0;
    io_task->not_before_ms = 0;
    tx_fail(tx, tx_resource_insert(tx, &task_review_resource, &row));
}

void tasks__passed(struct tx *tx, struct bytes by, struct bytes detail, struct task *io_task) {
    io_task->detail = detail.len > 0 ? detail : io_task->detail;
    if (io_task->run.len == 0) { /* A run that took it by hand goes on. */
        attempts__let_go(tx, io_task, TASK_REVIEW, detail);
    }
    const struct task_entered entered = {.to = TASK_REVIEW, .by = by, .words = detail};
    tasks__enter(tx, io_task, &entered);
}
