/* trees.c: see trees.h. */
#include "engine/board/trees.h"

#include <stdio.h>

#include "base/json/json.h"
#include "engine/board/rows.h"
#include "engine/tree/trees.h"
#include "rules/agent/outcome.h"

/* A task goes on in its tree, whatever the board says by now. */
void tx_task_tree(struct tx *tx, const struct task *task, struct task_tree *ret_tree) {
    AUTO(json_release) json_t *board = NULL;
    const struct bytes settings =
        tx_text(tx, "SELECT board FROM projects WHERE owner = $1 AND name = $2",
                ARGS(arg_text(task->owner), arg_text(task->project)));
    const bool read = !err_failed(json_parse_wrapped(settings, &board, NULL));
    *ret_tree =
        (struct task_tree){.worktree = task->worktree,
                           .wanted = task->worktree.len > 0 ||
                                     (read && json_is_true(json_object_get(board, "worktrees")))};
}

static bool task_find(struct tx *tx, struct bytes id, struct task *ret_task) {
    const struct bytes owner =
        tx_text(tx, "SELECT owner FROM tasks WHERE task = $1", ARGS(arg_text(id)));
    return owner.len > 0 && tasks__load(tx, owner, id, ret_task);
}

static bool may_begin(struct tx *tx, const struct tree_begin *begin, struct task *ret_task) {
    struct task_attempt attempt;
    if (begin->attempt.len == 0) {
        return task_find(tx, begin->task, ret_task) && task_is_over(ret_task->status);
    }
    return attempts__find(tx, begin->attempt, &attempt, ret_task) &&
           task_is_held(ret_task->status) && !attempt.began;
}

/* The row that lists show of the tree. */
static struct err tree_register(struct tx *tx, const struct task *task,
                                const struct tree_begin *begin) {
    struct tree_new what = {.owner = task->owner,
                            .host = begin->job->bounds.host,
                            .kind = TREE_OF_TASK,
                            .holder = task->task,
                            .project = task->project,
                            .ports = begin->ports,
                            .trees_max = TASK_TREES_MAX};
    struct bytes ports = BYTES("");
    struct why why = {""};
    tree_texts_borrow(begin->texts, what.texts);
    TRY(tx_tree_put(tx, &what, &ports, &why));
    (void)snprintf(begin->ports_chosen, TREE_PORTS_SIZE, "%.*s", (int)ports.len, ports.data);
    return ERR_OK;
}

struct err tx_tree_begin(struct tx *tx, const struct tree_begin *begin, struct step_job *ret_job) {
    struct task task;
    if (!may_begin(tx, begin, &task)) {
        return err_failed(tx_error(tx)) ? tx_error(tx)
                                        : err_make(ERR_CONFLICT, "board: the task was moved");
    }
    if (begin->job->spec.len > 0 && !bytes_equal(task.worktree, begin->worktree)) {
        task.worktree = begin->worktree;
        tasks__write(tx, &task);
        TRY(tree_register(tx, &task, begin));
    }
    return err_failed(tx_error(tx)) ? tx_error(tx) : tx_step_job(tx, begin->job, ret_job);
}

/* --- A task that is over ---------------------------------------------------------------------- */

/* End of the JSON of a tree that stays: no other one ends like that, as all members are texts. */
#define KEPT ",\"kept\":true}"

bool tx_tree_over_find(struct tx *tx, const struct board_pick *pick, struct task *ret_task) {
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(
        tx, &task_resource,
        "owner = $1 AND project = $2 AND worktree <> '' AND worktree NOT LIKE '%:true}'"
        " AND status IN ('done', 'failed', 'cancelled') AND open_attempt = 0"
        " AND replace($3, task, '') = $3 LIMIT 1",
        ARGS(arg_text(pick->owner), arg_text(pick->project), arg_text(pick->busy)));
    const bool found = rows_step(rows) && resource_row_read(&task_resource, rows, ret_task);
    if (found) {
        tx_resource_copy(tx, &task_resource, ret_task);
    }
    return found;
}

static struct err tree_leave(struct tx *tx, const struct task *task, bool kept) {
    struct tree_row row;
    if (!tx_tree_of(tx, task->task, &row)) {
        return tx_error(tx);
    }
    row.kept = true;
    return kept ? tx_tree_write(tx, &row) : tx_tree_enter(tx, &row, TREE_ROW_GONE, BYTES(""));
}

struct err tx_tree_left(struct tx *tx, struct bytes id, bool kept) {
    AUTO(text_done) struct text text = text_up_to(TASK_TREE_MAX);
    struct task task;
    if (!task_find(tx, id, &task) || task.worktree.len == 0 ||
        (kept && !task_is_over(task.status))) {
        return tx_error(tx);
    }
    if (kept) {
        text_addf(&text, "%.*s" KEPT, (int)task.worktree.len - 1, task.worktree.data);
    }
    task.worktree = tx_copy_text(tx, &text, "board: tree");
    tasks__write(tx, &task);
    return err_failed(tx_error(tx)) ? tx_error(tx) : tree_leave(tx, &task, kept);
}

/* --- No tree ---------------------------------------------------------------------------------- */

struct err tx_attempt_treeless(struct tx *tx, struct bytes name, struct bytes why) {
    AUTO(text_done) struct text question = text_up_to(TASK_TEXT_MAX);
    struct task_attempt attempt;
    struct task task;
    if (!attempts__find(tx, name, &attempt, &task) || !task_is_held(task.status)) {
        return tx_error(tx); /* The task was moved meanwhile. */
    }
    text_addf(&question,
              "The task got no working tree of its own: %.*s. Put that right, or take \"worktrees\""
              " out of the board of %.*s; then open the task again.",
              (int)why.len, why.data, (int)task.project.len, task.project.data);
    struct tree_row row;
    if (tx_tree_of(tx, task.task, &row)) {
        TRY(tx_tree_enter(tx, &row, TREE_ROW_FAILED, why));
    }
    const struct attempt_over over = {.status = task.status,
                                      .outcome = bytes_of(agent_outcome_name(AGENT_SPAWN_FAILED)),
                                      .note = why,
                                      .exit_code = -1};
    attempts__close(tx, &task, &over);
    task.question = tx_copy_text(tx, &question, "board: question");
    task.answer = BYTES("");
    task.detail = why;
    const struct task_entered entered = {.to = TASK_BLOCKED,
                                         .reason = BOARD_BECAUSE_NOT_STARTED,
                                         .by = BYTES(""),
                                         .words = task.question};
    tasks__enter(tx, &task, &entered);
    return tx_error(tx);
}
