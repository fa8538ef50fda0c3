/* must.c: see must.h. */
#include "engine/board/must.h"

#include "base/utf8.h"

enum {
    RECOVER_PAGE = 50,
    SPEC_MAX = 256 << 10, /* A line of TASK_TEXT_MAX bytes, and paths, escaped. */
};

static void spec_write(const struct must_command *command, struct text *spec) {
    const struct check_order *order = command->order;
    text_add_char(spec, '{');
    text_add_member(spec, "shell", order->line);
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

struct err tx_must_run(struct tx *tx, const struct must_command *command) {
    AUTO(text_done) struct text spec = text_up_to(SPEC_MAX);
    AUTO(text_done) struct text label = text_up_to(JOB_LABEL_MAX);
    const struct bytes line = command->order->line;
    struct run_row row;
    spec_write(command, &spec);
    text_add_str(&label, "must-have: ");
    const size_t shown = utf8_cut(line, JOB_LABEL_MAX - label.len);
    for (size_t i = 0; i < shown; i++) {
        text_add_char(&label, (unsigned char)line.data[i] < ' ' ? ' ' : line.data[i]);
    }
    struct run_new run = job_run_new(&command->run, tx_copy_text(tx, &spec, "must-have: command"));
    run.owner = command->order->owner;
    run.parent = command->order->run;
    run.project = command->order->project;
    run.label = tx_copy_text(tx, &label, "must-have: label");
    run.own_key = BYTES(MUST_KEY);
    run.key_max = MUST_AT_ONCE;
    /* No slot of the daemon is waited for: the agent that waits here may hold the last one. */
    run.priority = JOB_PRIORITY_MAX;
    run.bounds = command->bounds;
    run.bounds.slots = run_bounds_hold(&run.bounds) == RUN_HELD ? 0 : INT64_MAX;
    return err_failed(tx_error(tx)) ? tx_error(tx) : tx_run_submit(tx, &run, &row);
}

struct err tx_must_stop(struct tx *tx, struct bytes run, const struct run_bounds *bounds) {
    const struct run_stop stop = {
        .key = {.run = run}, .cause = CAUSE_STOPPED, .grace_ms = 0, .bounds = *bounds};
    struct run_row ignored;
    bool more = false; /* A job has no runs below it but those that its command began. */
    const struct err err = tx_run_stop(tx, &stop, &more, &ignored);
    return err.code == ERR_CONFLICT || err.code == ERR_NOT_FOUND ? ERR_OK : err;
}

static void checks_note(struct tx *tx) {
    int64_t ids[RECOVER_PAGE], after = 0;
    for (size_t count = RECOVER_PAGE; count == RECOVER_PAGE && !err_failed(tx_error(tx));) {
        count = tx_ids(tx,
                       "SELECT id FROM task_attempts WHERE checking_ms IS NOT NULL AND id > $1"
                       " ORDER BY id LIMIT $2",
                       ARGS(arg_int(after), arg_int(RECOVER_PAGE)), RECOVER_PAGE, ids);
        for (size_t i = 0; i < count; i++) {
            const struct bytes attempt = tx_text(
                tx, "SELECT attempt FROM task_attempts WHERE id = $1", ARGS(arg_int(ids[i])));
            tx_fail(tx, tx_note(tx, BOARD_NOTE, attempt));
        }
        after = count > 0 ? ids[count - 1] : after;
    }
}

struct err tx_must_recover(struct tx *tx, const struct run_bounds *bounds, bool *ret_more) {
    int64_t ids[RECOVER_PAGE];
    const size_t count =
        tx_ids(tx,
               "SELECT id FROM runs WHERE run_key = $1 AND run_key <> '' AND ended_ms IS NULL"
               " AND stop = '' AND NOT EXISTS (SELECT 1 FROM task_attempts WHERE check_run ="
               " runs.run AND check_run <> '') ORDER BY id LIMIT $2",
               ARGS(arg_str(MUST_KEY), arg_int(RECOVER_PAGE)), RECOVER_PAGE, ids);
    struct err err = tx_error(tx);
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        const struct bytes run =
            tx_text(tx, "SELECT run FROM runs WHERE id = $1", ARGS(arg_int(ids[i])));
        err = tx_must_stop(tx, run, bounds);
    }
    *ret_more = count == RECOVER_PAGE;
    if (!*ret_more && !err_failed(err)) {
        checks_note(tx);
    }
    return err_failed(err) ? err : tx_error(tx);
}
