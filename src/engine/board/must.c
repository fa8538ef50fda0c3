/* must.c: see must.h. */
#include "engine/board/must.h"

#include "base/utf8.h"
#include "engine/board/rows.h"
#include "rules/agent/definition.h"

enum {
    RECOVER_PAGE = 50,
    SPEC_MAX = 256 << 10, /* A line of TASK_TEXT_MAX bytes, and paths, escaped. */
};

/* --- The order -------------------------------------------------------------------------------- */

/* The session in which a task is worked on: that of the turn that takes it now. */
static struct bytes session_of(struct tx *tx, const struct task_move *move,
                               const struct board_who *who, const struct task *task) {
    return move->to == TASK_CLAIMED
               ? tx_text(tx, "SELECT session FROM runs WHERE run = $1", ARGS(arg_text(who->turn)))
               : task->session;
}

static void places_find(struct tx *tx, const struct task *task, struct bytes name,
                        struct must_order *io_order) {
    const struct session_key key = {task->owner, name};
    struct session_row session;
    bool found = false;
    if (name.len > 0) {
        tx_fail(tx, tx_session_find(tx, &key, &found, &session));
    }
    io_order->path = found ? session.path : BYTES("");
    io_order->confined = found && agent_json_by_port(session.program);
    io_order->sandbox = found && (session.program.len == 0 || io_order->confined);
    io_order->root = found && session.root.len > 0
                         ? session.root
                         : tx_text(tx, "SELECT root FROM projects WHERE owner = $1 AND name = $2",
                                   ARGS(arg_text(task->owner), arg_text(task->project)));
}

static int64_t timeout_find(struct tx *tx, const struct task *task) {
    AUTO(json_release) json_t *board = NULL;
    const struct bytes settings =
        tx_text(tx, "SELECT board FROM projects WHERE owner = $1 AND name = $2",
                ARGS(arg_text(task->owner), arg_text(task->project)));
    return err_failed(json_parse_wrapped(settings, &board, NULL))
               ? MUST_TIMEOUT_S
               : json_int(board, "check_timeout_s", MUST_TIMEOUT_S);
}

struct err tx_must_order(struct tx *tx, const struct task_move *move,
                         struct must_order *ret_order) {
    const unsigned kinds = move->to == TASK_REVIEW    ? MUST_OUTSIDE
                           : move->to == TASK_CLAIMED ? MUST_OF_UNCHANGED
                                                      : 0;
    struct why ignored = {""};
    struct board_who who;
    struct task task;
    const struct err err = tasks__move_look(tx, move, &task, &who, &ignored);
    *ret_order = (struct must_order){.due = !err_failed(err) && task.status != move->to &&
                                            must_has(task.must_haves, kinds)};
    if (!ret_order->due || err_failed(tx_error(tx))) {
        return tx_error(tx);
    }
    places_find(tx, &task, session_of(tx, move, &who, &task), ret_order);
    ret_order->task = task.task;
    ret_order->attempt = task.attempt;
    ret_order->must_haves = task.must_haves;
    ret_order->prints = task.prints;
    ret_order->project = task.project;
    ret_order->run = tx_text(tx, "SELECT run FROM task_attempts WHERE attempt = $1",
                             ARGS(arg_text(task.attempt)));
    ret_order->timeout_s = timeout_find(tx, &task);
    return tx_error(tx);
}

/* --- Commands --------------------------------------------------------------------------------- */

static void spec_write(const struct must_command *command, struct text *spec) {
    const struct must_order *order = command->order;
    text_add_char(spec, '{');
    text_add_member(spec, "shell", command->line);
    text_add_member(spec, "cwd", order->root);
    if (order->path.len > 0) {
        text_add_member(spec, "path", order->path);
    }
    text_add_member_int(spec, "timeout_ms", order->timeout_s * 1000);
    text_addf(spec, ",\"limits\":{\"output\":%d}", MUST_COMMAND_OUTPUT);
    if (command->sandbox && order->sandbox) {
        text_add_member(spec, "sandbox", BYTES("on"));
    }
    text_add_char(spec, '}');
}

static bool is_at_work(struct tx *tx, struct bytes attempt) {
    return tx_number(tx,
                     "SELECT count(*) FROM task_attempts a JOIN tasks t ON t.task = a.task"
                     " AND t.attempt = a.attempt WHERE a.attempt = $1 AND a.ended_ms IS NULL"
                     " AND t.status IN ('claimed', 'working')",
                     ARGS(arg_text(attempt))) > 0;
}

struct err tx_must_run(struct tx *tx, const struct must_command *command, struct run_row *ret_row) {
    AUTO(text_done) struct text spec = text_up_to(SPEC_MAX);
    AUTO(text_done) struct text label = text_up_to(JOB_LABEL_MAX);
    const struct bytes line = command->line;
    if (!is_at_work(tx, command->order->attempt)) {
        return err_failed(tx_error(tx)) ? tx_error(tx)
                                        : err_make(ERR_CONFLICT, "must-have: the attempt is over");
    }
    spec_write(command, &spec);
    text_add_str(&label, "must-have: ");
    const size_t shown = utf8_cut(line, JOB_LABEL_MAX - label.len);
    for (size_t i = 0; i < shown; i++) {
        text_add_char(&label, (unsigned char)line.data[i] < ' ' ? ' ' : line.data[i]);
    }
    struct run_new run = job_run_new(&command->run, tx_copy_text(tx, &spec, "must-have: command"));
    run.owner = command->owner;
    run.parent = command->order->run;
    run.project = command->order->project;
    run.label = tx_copy_text(tx, &label, "must-have: label");
    run.own_key = BYTES(MUST_KEY);
    run.key_max = MUST_AT_ONCE;
    /* No slot of the daemon is waited for: the agent that waits here may hold the last one. */
    run.priority = JOB_PRIORITY_MAX;
    run.bounds = command->bounds;
    run.bounds.slots = run_bounds_hold(&run.bounds) == RUN_HELD ? 0 : INT64_MAX;
    return err_failed(tx_error(tx)) ? tx_error(tx) : tx_run_submit(tx, &run, ret_row);
}

static struct err run_stop(struct tx *tx, const struct run_key *key,
                           const struct run_bounds *bounds) {
    const struct run_stop stop = {
        .key = *key, .cause = CAUSE_STOPPED, .grace_ms = 0, .bounds = *bounds};
    struct run_row ignored;
    bool more = false; /* A job has no runs below it but those that its command began. */
    const struct err err = tx_run_stop(tx, &stop, &more, &ignored);
    return err.code == ERR_CONFLICT || err.code == ERR_NOT_FOUND ? ERR_OK : err;
}

struct err tx_must_stop(struct tx *tx, const struct run_key *key, struct bytes stale_of,
                        const struct run_bounds *bounds) {
    const bool stays = stale_of.len > 0 && is_at_work(tx, stale_of);
    return err_failed(tx_error(tx)) || stays ? tx_error(tx) : run_stop(tx, key, bounds);
}

struct err tx_must_recover(struct tx *tx, const struct run_bounds *bounds, bool *ret_more) {
    int64_t ids[RECOVER_PAGE];
    const size_t count =
        tx_ids(tx,
               "SELECT id FROM runs WHERE run_key = $1 AND run_key <> '' AND ended_ms IS NULL"
               " AND stop = '' ORDER BY id LIMIT $2",
               ARGS(arg_str(MUST_KEY), arg_int(RECOVER_PAGE)), RECOVER_PAGE, ids);
    struct err err = tx_error(tx);
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        const struct bytes run =
            tx_text(tx, "SELECT run FROM runs WHERE id = $1", ARGS(arg_int(ids[i])));
        err = run_stop(tx, &(struct run_key){.run = run}, bounds);
    }
    *ret_more = count == RECOVER_PAGE;
    return err_failed(err) ? err : tx_error(tx);
}
