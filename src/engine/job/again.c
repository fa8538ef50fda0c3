/* again.c: see again.h. */
#include "engine/job/again.h"

#include <string.h>

#include "engine/job/spec.h"
#include "engine/run/inside.h"
#include "engine/run/rows.h"

struct err tx_job_submit(struct tx *tx, const struct job_again *again, struct run_row *ret_row,
                         struct why *why) {
    const struct run_row *job = again->job;
    AUTO(json_release) json_t *json = NULL;
    struct job_spec spec = {0};
    struct why inner = {""};
    struct err err = json_parse_wrapped(job->spec, &json, NULL /* a row's */);
    if (!err_failed(err)) {
        err = job_spec_read_stored(json, &spec, &inner);
    }
    if (err_failed(err)) {
        return err.code == ERR_OUT_OF_MEMORY
                   ? err
                   : err_why(why, ERR_CONFLICT, "the run's spec is damaged in the database");
    }
    struct run_new what = {.run = again->run,
                           .owner = job->owner,
                           .parent = BYTES(""),
                           .kind = job->kind,
                           .key = bytes_of(spec.key),
                           .label = job->label,
                           .command = job->command,
                           .shown = job->shown,
                           .spec = job->spec,
                           .priority = job->priority,
                           .key_max = spec.key == NULL ? 0 : job->key_max,
                           .once = job->once,
                           .project = job->project,
                           .budget = spec.budgeted ? &spec.budget : NULL,
                           .input_open = spec.input_open,
                           .input_from = spec.input == NULL ? 0 : (int64_t)strlen(spec.input),
                           .bounds = again->bounds};
    err = tx_inside_budget(tx, again->inside, &what);
    err = err_failed(err) ? err : tx_run_submit(tx, &what, ret_row);
    return err_failed(err) ? err : tx_inside_mark_run(tx, again->inside, ret_row->id);
}

struct err tx_job_again(struct tx *tx, const struct job_again *again, struct run_row *ret_row,
                        struct why *why) {
    const struct run_row *job = again->job;
    TRY(tx_job_submit(tx, again, ret_row, why));
    runs__set_retry_of(tx, job, ret_row);
    if (job->session.len > 0) {
        runs__set_session(tx, ret_row->id, job->session);
    }
    return tx_error(tx);
}
