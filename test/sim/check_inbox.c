/* check_inbox.c: a result and the notices that it owes are one commit, and each is delivered. */
#include "jobs.h"
#include "rows.h"

/* Rows of the inbox of a job that has ended are as many as its notices; before, there is none. */
static void check_owed(struct sim *sim, const struct job *job) {
    int64_t owed = rows_number(sim, "SELECT count(*) FROM inbox WHERE run = $1 AND approval = 0",
                               TEXTS(job->run.text), 0);
    struct row_state row;
    if (!row_state_read(sim, job->run.text, &row) || !row.found) {
        return;
    }
    int64_t wanted = run_state_final(row.state) ? (int64_t)job->hooks : 0;
    if (owed != wanted) {
        sim_fail(sim, "%s is %s and owes %lld notices, not %lld", job->run.text,
                 run_state_name(row.state), (long long)owed, (long long)wanted);
    }
}

/* A question of a job is owed to each of its receivers at most once, and as long as it is open at
 * least once; nothing is owed any more once it was answered. */
static void check_asked(struct sim *sim, const struct job *job) {
    const int64_t twice =
        rows_number(sim,
                    "SELECT count(*) FROM (SELECT 1 FROM inbox WHERE run = $1 AND approval <> 0"
                    " GROUP BY approval, address HAVING count(*) > 1)",
                    TEXTS(job->run.text), 0);
    const int64_t missing = rows_number(
        sim,
        "SELECT count(*) FROM approvals a JOIN runs r ON r.id = a.run WHERE r.run = $1"
        " AND a.answered_ms IS NULL AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.approval = a.id)",
        TEXTS(job->run.text), 0);
    const int64_t late = rows_number(
        sim,
        "SELECT count(*) FROM inbox i JOIN approvals a ON a.id = i.approval WHERE i.run = $1"
        " AND i.settled_ms IS NULL AND a.answered_ms IS NOT NULL",
        TEXTS(job->run.text), 0);
    if (twice > 0 || late > 0 || (missing > 0 && job->hooks > 0)) {
        sim_fail(sim, "questions of %s: %lld twice in the inbox, %lld not there, %lld answered",
                 job->run.text, (long long)twice, (long long)missing, (long long)late);
    }
}

void inbox_check(struct sim *sim) {
    struct jobs *jobs = jobs_of(sim);
    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->list[i].told != TOLD_REFUSED) {
            check_owed(sim, &jobs->list[i]);
            check_asked(sim, &jobs->list[i]);
        }
    }
}

bool inbox_rest(struct sim *sim, bool must) {
    struct sqlite3_stmt *rows =
        rows_open(sim,
                  "SELECT delivery, state, failures, cause FROM inbox WHERE settled_ms IS NULL"
                  " AND receiver = 'webhook'",
                  NULL);
    bool rest = true;
    while (rows != NULL && stmt_step(sim, rows)) {
        rest = false;
        if (must) {
            sim_fail(sim, "notice %s is still %s after %lld failures: %s", row_text(rows, 0),
                     row_text(rows, 1), (long long)row_int(rows, 2), row_text(rows, 3));
        }
    }
    return rest;
}
