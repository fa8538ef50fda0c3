/* terminals.c: see terminals.h. */
#include "engine/job/terminals.h"

#include "engine/base/idempotency.h"
#include "engine/job/again.h"
#include "engine/run/rows.h"

/* The job that the row names now. */
static struct err terminal_begin(struct tx *tx, const struct terminal_start *start,
                                 struct terminal *row, struct why *why) {
    AUTO(text_done) struct text spec = text_up_to(RUN_SPEC_MAX);
    const struct bytes none = BYTES("");
    struct run_row begun;
    terminal_job_write(row, &spec);
    const struct run_row job = {.owner = row->owner,
                                .kind = KIND_JOB,
                                .label = row->name,
                                .command = none,
                                .shown = none,
                                .project = none,
                                .session = none,
                                .spec = tx_copy_text(tx, &spec, "terminals: spec")};
    const struct job_again again = {
        .job = &job, .inside = "", .run = id_copy(start->run), .bounds = start->bounds};
    struct err err = tx_error(tx);
    err = err_failed(err) ? err : tx_job_submit(tx, &again, &begun, why);
    if (!err_failed(err)) {
        row->state = bytes_of(run_state_name(begun.state));
        row->cause = bytes_of(run_cause_name(begun.cause));
        row->exit_code = begun.exit_code;
    }
    return err;
}

struct err tx_terminal_open(struct tx *tx, const struct terminal_start *start,
                            struct terminal *io_row, struct why *why) {
    io_row->run = start->run;
    struct err err = tx_resource_insert(tx, &terminal_resource, io_row);
    if (err.code == ERR_TOO_MANY) {
        why_set(why, "there are %d terminals already; close some", TERMINALS_MAX);
    }
    return err_failed(err) ? err : terminal_begin(tx, start, io_row, why);
}

static struct err terminal_find(struct tx *tx, const struct resource_key *key,
                                struct terminal *ret_row) {
    bool found = false;
    struct err err = tx_resource_find(tx, &terminal_resource, key, &found, ret_row);
    return err_failed(err) || found ? err : err_make(ERR_NOT_FOUND, "terminals: id");
}

struct err tx_terminal_restart(struct tx *tx, const struct resource_key *key,
                               const struct terminal_start *start, struct terminal *ret_row,
                               struct why *why) {
    struct terminal row;
    struct run_row job;
    bool found = false;
    TRY(terminal_find(tx, key, &row));
    const struct run_key job_key = {.owner = row.owner, .run = row.run};
    struct err err = tx_run_find(tx, &job_key, &found, &job);
    if (!err_failed(err) && found && !run_state_final(job.state)) {
        return err_why(why, ERR_RUN_ALIVE, "the terminal has not ended: its job %.*s is %s",
                       (int)row.run.len, row.run.data, run_state_name(job.state));
    }
    row.run = start->run;
    if (!err_failed(err)) {
        err = tx_resource_update(tx, &terminal_resource, FIELD_SET, &row);
    }
    if (!err_failed(err)) {
        err = terminal_begin(tx, start, &row, why);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err tx_terminal_close(struct tx *tx, const struct resource_key *key,
                             const struct run_bounds *bounds) {
    struct terminal row;
    TRY(terminal_find(tx, key, &row));
    const struct run_stop stop = {.key = {.owner = row.owner, .run = row.run},
                                  .cause = CAUSE_STOPPED,
                                  .grace_ms = TERMINAL_GRACE_MS,
                                  .bounds = *bounds};
    struct run_row stopped;
    bool more = false; /* A job has no runs below it. */
    struct err err = tx_run_stop(tx, &stop, &more, &stopped);
    if (err_failed(err) && err.code != ERR_CONFLICT && err.code != ERR_NOT_FOUND) {
        return err; /* Else it has ended. */
    }
    (void)tx_idempotency_forget(tx, key->id); /* Most have no stored answer. */
    return tx_resource_remove(tx, &terminal_resource, key, NULL /* no hook refuses */);
}
