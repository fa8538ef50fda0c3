/* step_job.c: a job that a step has done for itself: git, for the working tree of its agent.
 *
 * It is found by its label, in whatever life of the daemon, so a crash begins none twice; its key
 * is that of all jobs of a repository, which git cannot do at once. It stands below nobody: a
 * budget that is used up keeps no tree from being removed, and a stop of the agent leaves none half
 * made. */
#include "engine/workflow/steps.h"

#include <string.h>

#include "base/memory.h"
#include "engine/run/rows.h"

/* The label ends with the name of the run that it is for. */
static struct err find_open(struct tx *tx, const struct run_new *job, struct step_job *ret_job) {
    static const char sql[] = "SELECT run FROM runs WHERE owner = $1 AND run_key = $2"
                              " AND run_key <> '' AND ended_ms IS NULL AND label LIKE '%' || $3"
                              " ORDER BY id DESC LIMIT 1";
    const char *name = memrchr(job->label.data, ' ', job->label.len);
    const size_t from = name == NULL ? 0 : (size_t)(name + 1 - job->label.data);
    const struct bytes end = {job->label.data + from, job->label.len - from};
    const struct arg args[] = {arg_text(job->owner), arg_text(job->key), arg_text(end)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    *ret_job = (struct step_job){.found = false};
    if (!err_failed(err) && rows != NULL) {
        struct bytes run = rows_text(rows, 0);
        if (run.len >= sizeof ret_job->run.text) {
            return err_make(ERR_STORE_CORRUPT, "steps: job");
        }
        memcpy(ret_job->run.text, run.data, run.len);
        ret_job->found = true;
    }
    return err;
}

struct err tx_step_job(struct tx *tx, const struct run_new *job, struct step_job *ret_job) {
    struct run_row row;
    struct err err = find_open(tx, job, ret_job);
    if (err_failed(err) || ret_job->found || job->spec.len == 0) {
        return err;
    }
    err = tx_run_submit(tx, job, &row);
    if (!err_failed(err)) {
        *ret_job = (struct step_job){.run = job->run, .ended = run_state_final(row.state)};
    }
    return err;
}
