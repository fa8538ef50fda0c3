/* job_metrics.c: commands, as figures. */
#include "main/report/job_metrics.h"

#include "http/metrics.h"

static void ended_write(const struct dispatch *dispatch, struct text *text) {
    struct dispatch_stats stats;
    dispatch_get_stats(dispatch, &stats);
    text_add_str(text, "# HELP drover_runs_ended_total Runs that have ended, by how.\n"
                       "# TYPE drover_runs_ended_total counter\n");
    for (unsigned state = 0; state < RUN_STATE_COUNT; state++) {
        if (run_state_final((enum run_state)state)) {
            text_addf(text, "drover_runs_ended_total{state=\"%s\"} %llu\n",
                      run_state_name((enum run_state)state),
                      (unsigned long long)stats.ended[state]);
        }
    }
}

static void processes_write(const struct dispatch *dispatch, const struct holders *holders,
                            const struct effects *effects, struct text *text) {
    struct dispatch_stats jobs;
    dispatch_get_stats(dispatch, &jobs);
    struct holders_stats held = {0};
    struct effects_stats steps;
    effects_get_stats(effects, &steps);
    if (holders != NULL) {
        holders_get_stats(holders, &held);
    }
    const struct metric metrics[] = {
        {"jobs_started_total", "Commands begun.", jobs.started},
        {"jobs_adopted_total", "Commands of a daemon before, found alive.", jobs.adopted},
        {"jobs_settled_total", "Ends of commands that were stored.", jobs.settled},
        {"jobs_late_results_total", "Ends that came too late and changed nothing.", jobs.late},
        {"jobs_void_starts_total", "Starts of which nothing came.", jobs.void_starts},
        {"jobs_trees_ended_total", "Trees of dead holders that were ended.", jobs.trees_ended},
        {"runs_refused_by_budget_total", "Runs that failed since a budget was used up.",
         jobs.refused},
        {"jobs_store_retries_total", "Writes that the store had to be asked again.",
         jobs.store_retries},
        {"effects_open", "Steps of runs that are being stored, or tried again.", steps.listed},
        {"effects_stuck", "Of them, those without progress for a minute.", steps.stuck},
        {"effects_abandoned_total", "Steps that were given up, and are left to the next start.",
         steps.abandoned},
        {"jobs_in_flight", "Attempts in the hands of this daemon.", jobs.live},
        {"jobs_starting", "Commands that are about to be begun.", jobs.queued_starts},
        {"jobs_disk_full", "Commands whose output finds no space.", jobs.disk_full},
        {"jobs_log_followers", "Followers of logs that wait for more.", jobs.watches},
        {"holders", "Holders that this daemon is connected to.", held.live},
        {"processes_reaped_total", "Orphans that ended and were collected.", held.reaped},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}

void job_metrics(const struct dispatch *dispatch, const struct holders *holders,
                 const struct effects *effects, struct text *text) {
    ended_write(dispatch, text);
    processes_write(dispatch, holders, effects, text);
}
