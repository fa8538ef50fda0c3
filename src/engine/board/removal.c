/* removal.c: tasks are removed, with all that was written down about them.
 *
 * The sessions of its attempts are conversations of their own, and stay until they are removed.
 */
#include "engine/board/rows.h"

enum { RECORDS_PAGE = 100, TASKS_PAGE = 16 };

/* Resources that have rows about a task. */
static const struct records {
    const struct resource *resource;
    const char *find;
} records[] = {
    {&task_output_resource, "SELECT output FROM task_outputs WHERE task = $1 ORDER BY id LIMIT $2"},
    {&task_comment_resource,
     "SELECT comment FROM task_comments WHERE task = $1 ORDER BY id LIMIT $2"},
    {&task_attempt_resource,
     "SELECT attempt FROM task_attempts WHERE task = $1 ORDER BY id LIMIT $2"},
    {&task_review_resource, "SELECT review FROM task_reviews WHERE task = $1 ORDER BY id LIMIT $2"},
};

/* A page of the first of them that there are any of. False: none is left. */
static bool records_remove(struct tx *tx, const struct task *task) {
    struct bytes names[RECORDS_PAGE];
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(records) && count == 0; i++) {
        count = tx_texts(tx, records[i].find, ARGS(arg_text(task->task), arg_int(RECORDS_PAGE)),
                         RECORDS_PAGE, names);
        for (size_t j = 0; j < count && !err_failed(tx_error(tx)); j++) {
            const struct resource_key key = {task->owner, names[j]};
            tx_fail(tx, tx_resource_remove(tx, records[i].resource, &key, NULL /* no hook */));
        }
    }
    return count > 0;
}

/* False: call again. */
static bool whole_remove(struct tx *tx, const struct task *task) {
    const struct resource_key key = {task->owner, task->task};
    if (records_remove(tx, task) || err_failed(tx_error(tx))) {
        return false;
    }
    tx_do(tx, "DELETE FROM task_events WHERE task = $1", ARGS(arg_text(task->task)));
    tx_do(tx, "DELETE FROM task_needs WHERE task = $1", ARGS(arg_int(task->id)));
    tx_do(tx, "DELETE FROM task_needs WHERE needs = $1", ARGS(arg_int(task->id)));
    tasks__waits_mark(tx, task);
    tx_fail(tx, tx_resource_remove(tx, &task_resource, &key, NULL /* no hook */));
    return true;
}

static struct err held_refuse(struct bytes name, struct why *why) {
    return err_why(why, ERR_CONFLICT, "%.*s is being worked on: cancel it first", (int)name.len,
                   name.data);
}

/* A task that waits for it would begin, as if it were done. */
static struct err waiting_check(struct tx *tx, const struct task *task, struct why *why) {
    const struct bytes name =
        tx_text(tx,
                "SELECT t.name FROM task_needs n JOIN tasks t ON t.id = n.task WHERE n.needs = $1"
                " AND n.waived_by = '' AND t.status NOT IN ('done', 'failed', 'cancelled')"
                " ORDER BY t.id LIMIT 1",
                ARGS(arg_int(task->id)));
    if (name.len == 0 || task->status == TASK_DONE || err_failed(tx_error(tx))) {
        return tx_error(tx);
    }
    return err_why(why, ERR_CONFLICT, "%.*s waits for %.*s: waive that, or remove it first",
                   (int)name.len, name.data, (int)task->name.len, task->name.data);
}

struct err tx_task_remove(struct tx *tx, const struct task_key *key,
                          const struct board_client *client, struct task *ret_task, bool *ret_more,
                          struct why *why) {
    TRY(tx_task_find(tx, key, client, ret_task, why));
    if (task_is_held(ret_task->status)) {
        return held_refuse(ret_task->name, why);
    }
    TRY(waiting_check(tx, ret_task, why));
    *ret_more = !whole_remove(tx, ret_task);
    return tx_error(tx);
}

struct err tx_tasks_remove(struct tx *tx, struct bytes owner, struct bytes project, bool *ret_more,
                           struct why *why) {
    const struct arg args[] = {arg_text(owner), arg_text(project), arg_int(TASKS_PAGE)};
    struct bytes names[TASKS_PAGE];
    const struct bytes held = tx_text(tx,
                                      "SELECT name FROM tasks WHERE owner = $1 AND project = $2"
                                      " AND status IN ('claimed', 'working') ORDER BY id LIMIT 1",
                                      args, 2);
    if (held.len > 0) {
        return held_refuse(held, why);
    }
    const size_t count = tx_texts(tx,
                                  "SELECT task FROM tasks WHERE owner = $1 AND project = $2"
                                  " ORDER BY place DESC LIMIT $3",
                                  args, COUNT_OF(args), TASKS_PAGE, names);
    bool whole = true;
    for (size_t i = 0; i < count && whole && !err_failed(tx_error(tx)); i++) {
        struct task task;
        whole = tasks__load(tx, owner, names[i], &task) && whole_remove(tx, &task);
    }
    *ret_more = count > 0;
    return tx_error(tx);
}
