/* metrics.c: a table of figures for each room. */
#include "main/report/metrics.h"

#include "http/metrics.h"

/* Age of something that began at `from_ms`; 0: nothing did. */
static uint64_t seconds_since(const struct world *world, int64_t from_ms) {
    int64_t age_ms = world_wall_ms(world) - from_ms;
    return from_ms == 0 || age_ms < 0 ? 0 : (uint64_t)age_ms / 1000;
}

void metrics_of_store(struct store *store, const struct token_table *tokens, struct text *text) {
    struct store_stats stats;
    store_get_stats(store, &stats);
    const struct metric metrics[] = {
        {"store_groups_total", "Groups of writes, each one durable commit.", stats.groups},
        {"store_functions_total", "Writes that were run, reruns included.", stats.functions},
        {"store_reruns_total", "Writes that were run again, each alone.", stats.reruns},
        {"store_errors_total", "Writes that failed or were refused by their rules.", stats.errors},
        {"store_reads_total", "Reads that were run.", stats.reads},
        {"store_queue_depth", "Reads and writes that are not answered yet.", stats.queued},
        {"store_checkpoints_total", "Times the write-ahead log was copied into the database.",
         stats.checkpoints},
        {"store_wal_bytes", "Length of the write-ahead log; 0 with PostgreSQL.", stats.log_bytes},
        {"store_damaged_pages", "Damaged pages of the database that were read.",
         store_damaged(store)},
        {"store_missing_commits",
         "About how many acknowledged commits a start found missing, until a release.",
         (uint64_t)store_missing(store)},
        {"store_mark_errors_total",
         "Times the mark of the last commit (drover.mark) could not be written.",
         store_mark_errors(store)},
        {"tokens", "Live tokens.", token_table_count(tokens)},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}

void metrics_of_runs(const struct run_census *census, const struct world *world,
                     struct text *text) {
    const struct metric metrics[] = {
        {"runs_queued", "Runs that have not begun.", (uint64_t)census->states[RUN_QUEUED]},
        {"runs_running", "Runs that have begun and not ended.",
         (uint64_t)(census->states[RUN_RUNNING] + census->states[RUN_WAITING])},
        {"runs_oldest_queued_seconds", "Age of the oldest run that has not begun.",
         seconds_since(world, census->oldest_queued_ms)},
        {"runs_kept_bytes", "What runs that have ended take on the disk.",
         (uint64_t)census->kept_bytes},
        {"runs_waiting_for_budget", "Runs that wait for what others have reserved of a budget.",
         (uint64_t)census->waiting_for_budget},
        {"budgets", "Budgets, those of single runs among them.", (uint64_t)census->budgets},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}

void metrics_of_jobs(const struct dispatch *dispatch, const struct holders *holders,
                     const struct effects *effects, struct text *text) {
    struct dispatch_stats jobs;
    struct holders_stats held = {0};
    struct effects_stats steps;
    dispatch_get_stats(dispatch, &jobs);
    effects_get_stats(effects, &steps);
    if (holders != NULL) {
        holders_get_stats(holders, &held);
    }
    text_add_str(text, "# HELP drover_runs_ended_total Runs that have ended, by how.\n"
                       "# TYPE drover_runs_ended_total counter\n");
    for (unsigned state = 0; state < RUN_STATE_COUNT; state++) {
        if (run_state_final((enum run_state)state)) {
            text_addf(text, "drover_runs_ended_total{state=\"%s\"} %llu\n",
                      run_state_name((enum run_state)state), (unsigned long long)jobs.ended[state]);
        }
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

void metrics_of_deliveries(const struct deliver *deliver, const struct world *world,
                           struct text *text) {
    struct deliver_stats stats;
    deliver_get_stats(deliver, &stats);
    const struct metric metrics[] = {
        {"deliveries_total", "Notices that their receivers took.", stats.delivered},
        {"deliveries_failed_total", "Tries that failed.", stats.failed},
        {"deliveries_gone_total", "Notices whose receivers are no more.", stats.gone},
        {"deliveries_late_total", "Outcomes that came too late.", stats.late},
        {"deliveries_in_flight", "Notices on their way.", stats.in_flight},
        {"inbox_receivers", "Receivers that are owed something.", stats.receivers},
        {"inbox_pending", "Notices that are not delivered yet.", stats.pending},
        {"inbox_stalled", "Notices that failed so often that they are tried hourly.",
         stats.stalled},
        {"inbox_oldest_seconds", "Age of the oldest of them.",
         seconds_since(world, stats.oldest_ms)},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}

void metrics_of_turns(const struct turns *of_turns, const struct models *of_models,
                      struct text *text) {
    struct turns_stats turns;
    struct deltas_stats deltas;
    struct models_stats models;
    turns_get_stats(of_turns, &turns);
    turns_get_deltas(of_turns, &deltas);
    models_get_stats(of_models, &models);
    const struct metric metrics[] = {
        {"turns_begun_total", "Turns taken up, those of a daemon before too.", turns.begun},
        {"turns_finished_total", "Ends of turns that were stored.", turns.finished},
        {"turns_late_total", "Steps of turns that came too late.", turns.late},
        {"turns_store_retries_total", "Steps that the store had to be asked again.",
         turns.store_retries},
        {"turns_live", "Turns in the hands of this daemon.", turns.live},
        {"tool_calls_total", "Calls of tools begun.", turns.tools},
        {"model_calls_total", "Calls of models asked for.", models.asked},
        {"model_calls_failed_total", "Calls of models that failed for good.", models.failed},
        {"model_tries_total", "Tries of them after the first.", models.retried},
        {"model_calls_running", "Calls of models on their way.", models.running},
        {"model_calls_waiting", "Calls of models that wait for a place.", models.waiting},
        {"deltas_pieces_total", "Pieces of text that models sent.", deltas.pieces},
        {"deltas_commits_total", "Store functions that stored them.", deltas.commits},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}

void metrics_of_workflows(const struct workflows *of_workflows, struct text *text) {
    struct workflows_stats workflows;
    struct scripts_stats scripts;
    workflows_get_stats(of_workflows, &workflows);
    workflows_get_script_stats(of_workflows, &scripts);
    const struct metric metrics[] = {
        {"workflows_begun_total", "Workflows taken up, those of a daemon before too.",
         workflows.begun},
        {"workflows_finished_total", "Ends of workflows that were stored.", workflows.finished},
        {"workflows_live", "Workflows in the hands of this daemon.", workflows.live},
        {"workflow_agents_total", "Agents of workflows begun.", workflows.agents},
        {"workflow_agents_cached_total", "Agents whose results another run had already.",
         workflows.cached},
        {"workflow_crashes_total", "Workers of scripts that ended by themselves.",
         workflows.crashes},
        {"workflow_workers_dropped_total",
         "Workers of scripts that were ended while they waited, since there were many.",
         workflows.dropped},
        {"workflow_store_retries_total", "Steps of workflows that the store had to be asked again.",
         workflows.store_retries},
        {"script_workers", "Processes in which scripts run.", scripts.live},
        {"script_workers_started_total", "Such processes begun.", scripts.started},
        {"script_workers_killed_total", "Those that were killed for what they did.",
         scripts.killed},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}

void metrics_of_hosts(const struct dispatch *dispatch, struct text *text) {
    struct dispatch_stats stats;
    dispatch_get_stats(dispatch, &stats);
    const struct metric metrics[] = {
        {"host_reports_total", "Ends of commands that other hosts reported, and that were stored.",
         stats.reports},
        {"host_reports_late_total", "Reported ends that came too late and changed nothing.",
         stats.reports_late},
        {"hosts_other", "Other hosts that share the database.", stats.hosts},
        {"runs_away", "Jobs of other hosts that have not ended.", stats.away},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}
