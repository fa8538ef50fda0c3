/* herds.c: opened in one order, closed in the other. */
#include "main/herds.h"

#include <stdlib.h>
#include <string.h>

#include "base/json/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatch/workflow/flows.h"
#include "engine/budget/budget.h"
#include "http/metrics.h"
#include "loop/loop_uv.h"
#include "script/program.h"
#include "script/script.h"

struct herds {
    struct herds_options options;
    struct scripts *scripts; /* Owned: of the build that is carried in us. */
    struct sha256_hex engine;
    struct flows *flows;   /* Owned. */
    struct amounts budget; /* Of workflows that are given none; */
    bool budgeted;         /* where there is one. */
    void (*stopped)(void *ctx);
    void *stopped_ctx; /* Borrowed. */
};

static void flow_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    const struct herds *herds = ctx;
    log_event(herds->options.serve->log, LOG_WARN, what,
              LOG_FIELDS(log_bytes("run", run), log_err(err)));
}

static void script_failed(void *ctx, struct err err) {
    const struct herds *herds = ctx;
    log_event(herds->options.serve->log, LOG_WARN,
              "the process that scripts are forked from has ended; another one is started",
              LOG_FIELDS(log_err(err)));
}

struct catalog_search herds_search(void) {
    const char *home = getenv("HOME");
    return (struct catalog_search){.home = home == NULL || home[0] != '/' ? NULL : home,
                                   .config_dir = getenv("CLAUDE_CONFIG_DIR")};
}

/* --- Opening ---------------------------------------------------------------------------------- */

static struct err scripts_begin(struct herds *herds) {
    AUTO(mem_release) char *path = NULL;
    struct sha256 hash;
    struct err err =
        script_program_install(herds->options.serve->world, herds->options.data_dir, &hash, &path);
    if (err_failed(err)) {
        return err;
    }
    const struct scripts_options with = {.loop = herds->options.loop,
                                         .program = path,
                                         .failed = script_failed,
                                         .ctx = herds,
                                         .shortage = herds->options.shortage};
    herds->engine = sha256_hex(&hash);
    herds->scripts = scripts_open(&with);
    return ERR_OK;
}

/* The command has read it from words, so it fits. */
static struct err budget_read(struct herds *herds) {
    const char *text = herds->options.serve->workflow_budget;
    AUTO(json_release) json_t *json = NULL;
    struct budget_limits limits;
    struct why why = {""};
    if (text == NULL) {
        return ERR_OK;
    }
    struct err err = json_parse(text, strlen(text), JSON_DEPTH_MAX, &json, &why);
    if (!err_failed(err)) {
        err = budget_limits_read(json, &limits, &why);
    }
    if (!err_failed(err)) {
        herds->budget = limits.limits;
        herds->budgeted = true;
    }
    return err;
}

static void flows_begin(struct herds *herds) {
    const struct herds_options *options = &herds->options;
    const struct serve_options *serve = options->serve;
    const struct flows_options with = {.loop = options->loop,
                                       .store = options->store,
                                       .effects = options->effects,
                                       .shortage = options->shortage,
                                       .models = connections_models(options->connections),
                                       .connections = options->connections,
                                       .scripts = herds->scripts,
                                       .engine = herds->engine,
                                       .search = herds_search(),
                                       .data_dir = options->data_dir,
                                       .spool = options->spool,
                                       .sandbox = options->sandbox,
                                       .limits = {.processors = (int64_t)uv_available_parallelism(),
                                                  .at_once = serve->agents,
                                                  .cpu_ms = serve->script_cpu_ms,
                                                  .memory_mb = serve->script_memory >> 20,
                                                  .workers_max = serve->workers_max,
                                                  .stuck_ms = serve->agent_stuck_ms},
                                       .budget = herds->budgeted ? &herds->budget : NULL,
                                       .bounds = options->bounds,
                                       .hold = serve->hold ? RUN_HELD : RUN_FREE,
                                       .ctx = herds,
                                       .failed = flow_failed,
                                       .script_failed = script_failed};
    herds->flows = flows_open(&with);
}

struct err herds_open(const struct herds_options *options, struct herds **ret_herds) {
    struct herds *herds = mem_new(sizeof *herds);
    herds->options = *options;
    struct err err = budget_read(herds);
    if (!err_failed(err)) {
        err = scripts_begin(herds);
    }
    if (err_failed(err)) {
        mem_free(herds);
        return err;
    }
    flows_begin(herds);
    *ret_herds = herds;
    return ERR_OK;
}

/* --- Life ------------------------------------------------------------------------------------- */

void herds_hold(struct herds *herds) {
    flows_hold(herds->flows);
}

void herds_release(struct herds *herds) {
    flows_release(herds->flows);
}

/* The zygote goes while the loop still turns, and behind what the pool reads of workers. */
static void flows_stopped(void *ctx) {
    struct herds *herds = ctx;
    scripts_close(herds->scripts);
    herds->scripts = NULL;
    herds->stopped(herds->stopped_ctx);
}

void herds_stop(struct herds *herds, void (*stopped)(void *ctx), void *ctx) {
    herds->stopped = stopped;
    herds->stopped_ctx = ctx;
    flows_stop(herds->flows, flows_stopped, herds);
}

void herds_close(struct herds *herds) {
    if (herds == NULL) {
        return;
    }
    flows_close(herds->flows);
    scripts_close(herds->scripts);
    mem_free(herds);
}

/* --- Asked from above ------------------------------------------------------------------------- */

struct flows *herds_flows(const struct herds *herds) {
    return herds->flows;
}

void herds_run_note(struct herds *herds, struct bytes note) {
    flows_run_note(herds->flows, note);
}

void herds_metrics(const struct herds *herds, struct text *text) {
    struct flows_stats flows;
    struct scripts_stats scripts;
    flows_get_stats(herds->flows, &flows);
    flows_get_script_stats(herds->flows, &scripts);
    const struct metric metrics[] = {
        {"workflows_begun_total", "Workflows taken up, those of a daemon before too.", flows.begun},
        {"workflows_finished_total", "Ends of workflows that were stored.", flows.finished},
        {"workflows_live", "Workflows in the hands of this daemon.", flows.live},
        {"workflow_agents_total", "Agents of workflows begun.", flows.agents},
        {"workflow_agents_cached_total", "Agents whose results another run had already.",
         flows.cached},
        {"workflow_crashes_total", "Workers of scripts that ended by themselves.", flows.crashes},
        {"workflow_workers_dropped_total",
         "Workers of scripts that were ended while they waited, since there were many.",
         flows.dropped},
        {"workflow_store_retries_total", "Steps of workflows that the store had to be asked again.",
         flows.store_retries},
        {"script_workers", "Processes in which scripts run.", scripts.live},
        {"script_workers_started_total", "Such processes begun.", scripts.started},
        {"script_workers_killed_total", "Those that were killed for what they did.",
         scripts.killed},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}
