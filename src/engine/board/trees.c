/* trees.c: see trees.h. */
#include "engine/board/trees.h"

#include "base/json/json.h"
#include "engine/board/rows.h"
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

struct err tx_tree_begin(struct tx *tx, const struct tree_begin *begin, struct step_job *ret_job) {
    struct task_attempt attempt;
    struct task task;
    if (!attempts__find(tx, begin->attempt, &attempt, &task) || !task_is_held(task.status) ||
        attempt.began) {
        return err_failed(tx_error(tx)) ? tx_error(tx)
                                        : err_make(ERR_CONFLICT, "board: the attempt is over");
    }
    if (!bytes_equal(task.worktree, begin->worktree)) {
        task.worktree = begin->worktree;
        tasks__write(tx, &task);
    }
    return err_failed(tx_error(tx)) ? tx_error(tx) : tx_step_job(tx, begin->job, ret_job);
}

struct err tx_attempt_treeless(struct tx *tx, struct bytes name, struct bytes why) {
    AUTO(text_done) struct text question = text_up_to(TASK_TEXT_MAX);
    struct task_attempt attempt;
    struct task task;
    if (!attempts__find(tx, name, &attempt, &task) || !task_is_held(task.status)) {
        return tx_error(tx); /* Somebody moved it meanwhile. */
    }
    text_addf(&question,
              "The task got no working tree of its own: %.*s. Put that right, or take \"worktrees\""
              " out of the board of %.*s; then open the task again.",
              (int)why.len, why.data, (int)task.project.len, task.project.data);
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
