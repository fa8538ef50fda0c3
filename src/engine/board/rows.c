/* rows.c: rows of boards are read and written, with their events and notes. */
#include "engine/board/rows.h"

#include "engine/base/follow.h"
#include "rules/project/project.h"

bool tasks__load(struct tx *tx, struct bytes owner, struct bytes task, struct task *ret_task) {
    const struct resource_key key = {owner, task};
    bool found = false;
    return !err_failed(tx_resource_find(tx, &task_resource, &key, &found, ret_task)) && found;
}

bool attempts__load(struct tx *tx, struct bytes owner, struct bytes attempt,
                    struct task_attempt *ret_attempt) {
    const struct resource_key key = {owner, attempt};
    bool found = false;
    return !err_failed(tx_resource_find(tx, &task_attempt_resource, &key, &found, ret_attempt)) &&
           found;
}

bool attempts__find(struct tx *tx, struct bytes attempt, struct task_attempt *ret_attempt,
                    struct task *ret_task) {
    const struct bytes owner =
        tx_text(tx, "SELECT owner FROM task_attempts WHERE attempt = $1", ARGS(arg_text(attempt)));
    return owner.len > 0 && attempts__load(tx, owner, attempt, ret_attempt) &&
           ret_attempt->ended_ms == 0 && tasks__load(tx, owner, ret_attempt->task, ret_task) &&
           bytes_equal(ret_task->attempt, attempt);
}

/* --- Events and notes ------------------------------------------------------------------------- */

void tasks__tell(struct tx *tx, const struct task *task, const struct task_happened *happened) {
    AUTO(text_done) struct text data = text_up_to(64 << 10);
    const struct task_event event = {.task = task->task,
                                     .agent = happened->agent,
                                     .type = bytes_of(happened->type),
                                     .detail = happened->detail,
                                     .made_ms = tx_now_ms(tx)};
    tx_do(tx,
          "INSERT INTO task_events (task, agent, type, made_ms, detail) VALUES ($1, $2, $3, $4,"
          " $5)",
          ARGS(arg_text(event.task), arg_text(event.agent), arg_text(event.type),
               arg_int(event.made_ms), arg_text(event.detail)));
    fields_write(&task_event_fields, FIELD_TOLD, &event, &data);
    const struct follow tell = {.name = "task_event",
                                .owner = task->owner,
                                .project = task->project,
                                .key = "task",
                                .id = task->task,
                                .happened = true};
    follow_tell(tx, &tell, &data);
}

static void board_note(struct tx *tx, struct bytes owner, struct bytes project) {
    AUTO(text_done) struct text text = text_up_to(BOARD_NOTE_MAX);
    text_addf(&text, "%.*s\n%.*s", (int)owner.len, owner.data, (int)project.len, project.data);
    tx_fail(tx, text_failed(&text) ? text_error(&text, "board: note")
                                   : tx_note(tx, BOARD_NOTE, text_bytes(&text)));
}

void tasks__write(struct tx *tx, struct task *io_task) {
    tx_fail(tx, tx_resource_update(tx, &task_resource, FIELD_SET, io_task));
    board_note(tx, io_task->owner, io_task->project);
}

/* Agents came, or the hold is over: what waited for that begins. */
struct err board__on_project_change(struct tx *tx, const struct resource_key *key,
                                    const void *row) {
    const struct project *project = row;
    (void)key; /* The row names it. */
    if (project != NULL) {
        board_note(tx, project->owner, project->name);
    }
    return tx_error(tx);
}

/* --- What a task waits for -------------------------------------------------------------------- */

bool tasks__needs_met(struct tx *tx, const struct task *task, struct bytes *ret_name,
                      struct bytes *ret_status) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT t.name, t.status FROM task_needs n JOIN tasks t ON t.id = n.needs"
               " WHERE n.task = $1 AND n.waived_by = '' AND t.status <> 'done'"
               " ORDER BY n.needs LIMIT 1",
               ARGS(arg_int(task->id)));
    if (rows == NULL) {
        return true;
    }
    *ret_name = rows_copy(rows, 0);
    *ret_status = rows_copy(rows, 1);
    return false;
}

void tasks__waits_mark(struct tx *tx, const struct task *task) {
    tx_do(tx,
          "UPDATE tasks SET waits_for = COALESCE((SELECT min(n.needs)" TASK_NEEDS_UNMET "), 0)"
          " WHERE id = $1 OR (waits_for = $1 AND waits_for <> 0)",
          ARGS(arg_int(task->id)));
}

bool tasks__lane_taken(struct tx *tx, const struct task *task, struct bytes *ret_name) {
    *ret_name =
        task->lane.len == 0
            ? BYTES("")
            : tx_text(tx,
                      "SELECT name FROM tasks WHERE owner = $1 AND project = $2"
                      " AND status IN ('claimed', 'working') AND lane = $3 LIMIT 1",
                      ARGS(arg_text(task->owner), arg_text(task->project), arg_text(task->lane)));
    return ret_name->len > 0;
}
