/* work.c: the rooms are opened in one order and closed in the other.
 *
 * The rooms that perform runs are rows of a table: commands (dispatch), notices, titles, turns and
 * workflows. The note of a run is given to those that hear its kind. */
#include "main/work.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/rows.h"
#include "agent/where.h"
#include "base/json/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "dispatch/base/effects.h"
#include "dispatch/base/performer.h"
#include "dispatch/base/run_wait.h"
#include "dispatch/board/boards.h"
#include "dispatch/board/must.h"
#include "dispatch/flow/flows.h"
#include "dispatch/inbox/deliver.h"
#include "dispatch/session/titles.h"
#include "dispatch/turn/turns.h"
#include "engine/base/home.h"
#include "engine/budget/budget.h"
#include "loop/fetch.h"
#include "loop/loop_uv.h"
#include "loop/sleep_watch.h"
#include "main/agents_load.h"
#include "main/census.h"
#include "main/descriptors.h"
#include "main/parts.h"
#include "main/processes.h"
#include "main/report/metrics.h"
#include "main/report/sandbox_lack.h"
#include "main/rooms/folders.h"
#include "main/run_key.h"
#include "main/scans.h"
#include "rules/workflow/workflow.h"
#include "script/judge.h"
#include "script/program.h"
#include "script/script.h"
#include "tool/tool.h"
#include "tool/web/search.h"

enum {
    RELEASE_AGAIN_MS = 10 * 1000,
    HIDDEN_MAX = 4,
    PERFORMERS = 13,
    WAITS_PAUSE_MS = 200, /* After a failed read of runs that are waited for. */
    WAITS_PAUSE_MAX_MS = 10 * 1000,
    /* Many connections may each have CONNECTION_CONCURRENT_DEFAULT streams at once; each is a
     * descriptor. Further calls wait. The default of a daemon that was given no number. */
    STREAMS_MAX = 1024,
};
#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

struct work {
    struct work_options options;
    struct log *log; /* Borrowed, as are loop and store. */
    struct loop *loop;
    struct store *store;
    struct processes processes;
    char environment[128]; /* Name of the environment, for people. */
    char *secret;          /* Owned, as are all pointers below. */
    struct address_list *allow, *fetch_allow;
    struct search_engine search; /* SEARCH_NONE: none is configured. */
    char *search_key;            /* Owned. */
    struct run_token_key token_key;
    struct effects *effects;
    struct shortage *shortage;
    struct fetch *client;       /* For webhooks and pages. */
    struct fetch *model_client; /* Shared by the requests of models. */
    struct models *models;
    struct connections *connections; /* Each leads to models. */
    struct agent_rows *agents;
    struct agent_versions *agent_versions;
    struct providers_api providers_api;
    struct toolbox *toolbox;
    struct scripts *scripts;  /* Workers of the engine that this program carries. */
    struct amounts budget;    /* Default of workflows; `workflows` borrows it. */
    char *hidden[HIDDEN_MAX]; /* Paths that commands in the sandbox must not see. Ends with NULL. */

    /* The performers. */
    struct dispatch *dispatch;
    struct deliver *deliver;
    struct folders folders;
    struct turns *turns;
    struct titles *titles;
    struct workflows *workflows;
    struct boards *boards;
    struct flows *flows;
    struct musts *musts;
    struct run_waits waits; /* Runs that turns, workflows and boards wait for. */
    struct performer performers[PERFORMERS];

    struct home_found home;
    void (*known)(void *ctx, struct err err);
    unsigned stopping; /* Performers that have not stopped yet. */
    void (*stopped)(void *ctx);
    void *stopped_ctx, *known_ctx;
    struct census census;
    struct timer release_timer;
    struct spool_look spool_look;
    struct sleep_watch sleep;
};

/* --- Reports of the rooms --------------------------------------------------------------------- */

static void run_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    const struct work *work = ctx;
    log_event(work->log, LOG_WARN, what, LOG_FIELDS(log_bytes("run", run), log_err(err)));
}

/* Notices belong to receivers, not to runs. */
static void deliver_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    const struct work *work = ctx;
    log_event(work->log, LOG_WARN, what, LOG_FIELDS(log_err(err)));
}

static void connection_failed(void *ctx, const char *name, const struct why *why) {
    const struct work *work = ctx;
    log_event(work->log, LOG_WARN, "a provider cannot be used as it was set up",
              LOG_FIELDS(log_text("provider", name), log_text("detail", why->text)));
}

static void connection_warned(void *ctx, const char *name, const struct why *why) {
    const struct work *work = ctx;
    log_event(work->log, LOG_WARN, "a provider is used with a short key",
              LOG_FIELDS(log_text("provider", name), log_text("detail", why->text)));
}

static void script_failed(void *ctx, struct err err) {
    const struct work *work = ctx;
    log_event(work->log, LOG_WARN,
              "the process that scripts are forked from has ended; another one is started",
              LOG_FIELDS(log_err(err)));
}

static void judge_failed(void *ctx, struct err err) {
    const struct work *work = ctx;
    log_event(work->log, LOG_WARN,
              "the process that checks scripts has ended, or cannot be started: while that lasts,"
              " scripts have no notes",
              LOG_FIELDS(log_err(err)));
}

/* A single line stands for all starts that wait; none of them logs its own. */
static void shortage_began(void *ctx, const char *what, struct err err) {
    const struct work *work = ctx;
    log_event(work->log, LOG_WARN,
              "no file descriptor is free: starts wait until there are some; raise the limit of"
              " the service (LimitNOFILE=, ulimit -Hn) or of the system (fs.file-max)",
              LOG_FIELDS(log_text("at", what), log_err(err)));
}

static void shortage_ended(void *ctx, uint64_t lasted_ms) {
    const struct work *work = ctx;
    log_event(work->log, LOG_INFO, "file descriptors are free again: starts go on",
              LOG_FIELDS(log_int("waited_ms", (int64_t)lasted_ms)));
}

/* With a database server, lock and epoch decide whose it is, wherever the daemon runs. */
static bool has_home(const struct work *work) {
    return work->options.serve->database == NULL;
}

static struct err release_tx(struct tx *tx, void *ctx) {
    const struct work *work = ctx;
    tx_hold_tell(tx, false /* held */);
    return has_home(work) ? tx_home_take(tx, bytes_of(work->processes.host.text)) : tx_error(tx);
}

static void release_write(struct timer *timer);

/* Until it is stored, a start holds again. */
static void release_stored(struct err err, void *ctx) {
    struct work *work = ctx;
    if (!err_failed(err) && has_home(work)) {
        store_missing_accept(work->store); /* A loss was noted in the same column. */
    } else if (err_failed(err) && work->stopped == NULL) {
        log_event(work->log, LOG_WARN,
                  "the release could not be stored, and is tried again: a start before that would"
                  " hold again",
                  LOG_FIELDS(log_err(err)));
        timer_start(work->loop, &work->release_timer, RELEASE_AGAIN_MS, release_write);
    }
}

static void release_write(struct timer *timer) {
    struct work *work = CONTAINER_OF(timer, struct work, release_timer);
    store_write(work->store, release_tx, release_stored, work);
}

static void released(void *ctx) {
    struct work *work = ctx;
    release_write(&work->release_timer);
    log_event(work->log, LOG_INFO, "released: queued runs may start", NULL /* no fields */);
    failed_starts_accept(work->options.starts);
    deliver_set_hold(work->deliver, RUN_FREE);
    boards_recover(work->boards);
}

static void machine_after_sleep(void *ctx, uint64_t slept_ms) {
    const struct work *work = ctx;
    log_event(work->log, LOG_INFO,
              "the machine was suspended: connections that died meanwhile are ended, and their"
              " calls tried again",
              LOG_FIELDS(log_int("slept_ms", (int64_t)slept_ms)));
    fetch_after_sleep(work->model_client);
    fetch_after_sleep(work->client);
    models_woke(work->models, slept_ms);
    turns_recheck_waits(work->turns);
    workflows_woke(work->workflows);
    dispatch_after_sleep(work->dispatch);
    deliver_recover(work->deliver); /* Notices that were due meanwhile. */
}

static void connection_mended(void *ctx) {
    const struct work *work = ctx;
    turns_recheck_waits(work->turns);
    workflows_woke(work->workflows);
}

static void recovered(void *ctx) {
    struct work *work = ctx;
    struct dispatch_stats stats;
    dispatch_get_stats(work->dispatch, &stats);
    log_event(work->log, LOG_INFO, "recovery finished",
              LOG_FIELDS(log_int("in_flight", (int64_t)stats.live)));
}

/* --- Opening ---------------------------------------------------------------------------------- */

static const char *from_environment(void *ctx, const char *name) {
    (void)ctx; /* There is one environment. */
    return getenv(name);
}

static void environment_name(struct work *work) {
    const char *by = work->options.serve->on_demand;
    const time_t now = (time_t)(world_wall_ms(loop_world(work->loop)) / 1000);
    char when[32] = "";
    struct tm parts;
    if (gmtime_r(&now, &parts) != NULL) {
        (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%SZ", &parts); /* Fits. */
    }
    (void)snprintf(work->environment, sizeof work->environment, "environment of %s%s%s",
                   by != NULL ? by : "the daemon", by != NULL ? ", " : "",
                   by != NULL ? when : ""); /* Cut at worst. */
}

static void model_client_gone(void *ctx) {
    struct work *work = ctx;
    work->model_client = NULL;
    if (work->stopped != NULL) {
        work->stopped(work->stopped_ctx);
    }
}

static void models_gone(void *ctx) {
    struct work *work = ctx;
    work->models = NULL;
    fetch_close(work->model_client, model_client_gone, work);
}

/* Models, the connections that lead to them, and the client that their requests share. Where that
 * fails, the loop does not run yet, and nothing was asked of anybody. */
static struct err models_begin(struct work *work, struct why *why) {
    const struct serve_options *serve = work->options.serve;
    struct loop *loop = work->loop;
    const struct fetch_options of_client = {
        .loop = loop,
        .running_max = serve->model_calls_max != 0 ? serve->model_calls_max : STREAMS_MAX,
        .shortage = work->shortage};
    fetch_open(&of_client, &work->model_client);
    const struct models_options of_models = {.loop = loop,
                                             .client = work->model_client,
                                             .script = serve->script,
                                             .price_file = serve->price_file,
                                             .limits = {.answer_ms = serve->model_answer_ms,
                                                        .stall_ms = serve->model_stall_ms,
                                                        .outage_ms = serve->model_wait_ms}};
    struct err err = models_open(&of_models, &work->models, why);
    if (err_failed(err)) {
        fetch_close(work->model_client, model_client_gone, work);
        loop_drain(loop);
        return err;
    }
    environment_name(work);
    const struct connections_options with = {
        .loop = loop,
        .store = work->store,
        .models = work->models,
        .data_dir = work->processes.data_dir,
        .model = serve->model,
        .from = {.env = from_environment, .local = DISCOVER_LOCAL},
        .environment = work->environment,
        .salt = serve->on_demand != NULL ? work->processes.host.text : NULL,
        .ctx = work,
        .failed = connection_failed,
        .warned = connection_warned};
    err = connections_open(&with, &work->connections, why);
    if (err_failed(err)) {
        models_close(work->models, models_gone, work);
        loop_drain(loop);
        return err;
    }
    work->providers_api = (struct providers_api){.host = {.loop = loop, .store = work->store},
                                                 .connections = work->connections};
    return ERR_OK;
}

/* The key of a search engine: from its file, else from the environment. */
static struct err search_begin(struct work *work, struct why *why) {
    const struct serve_options *serve = work->options.serve;
    if (serve->search == NULL || serve->search[0] == '\0') {
        return ERR_OK;
    }
    struct err err = search_engine_parse(serve->search, &work->search, why);
    if (err_failed(err)) {
        return err;
    }
    const char *variable = search_key_variable(work->search.form);
    if (serve->search_key_file != NULL) {
        err = key_load(serve->world, serve->search_key_file, &work->search_key, why);
        work->search.key = work->search_key;
    } else if (variable != NULL) {
        work->search.key = getenv(variable);
    }
    if (!err_failed(err) && variable != NULL && work->search.key == NULL) {
        return err_why(why, ERR_CONFIG, "search: no key; set %s, or --search-key-file", variable);
    }
    if (work->search.key != NULL && strlen(work->search.key) > SEARCH_KEY_MAX) {
        return err_why(why, ERR_CONFIG, "search: the key has more than %d bytes", SEARCH_KEY_MAX);
    }
    return err;
}

static int64_t agent_commands(void) {
    return workflow_commands_at_once((int64_t)uv_available_parallelism());
}

/* The bounds of every room whose commits may let a run begin. */
static struct run_bounds bounds_of(const struct work *work) {
    return (struct run_bounds){.slots = work->options.serve->jobs_max,
                               .workflows = work->options.serve->workflows_max,
                               .host = bytes_of(work->processes.host.text),
                               .hosts = has_home(work) ? RUN_HOST_ONE : RUN_HOSTS_SHARED};
}

static enum run_hold hold_of(const struct work *work) {
    return work->options.serve->hold ? RUN_HELD : RUN_FREE;
}

static void dispatch_begin(struct work *work) {
    const struct serve_options *serve = work->options.serve;
    struct dispatch_options with = {.loop = work->loop,
                                    .store = work->store,
                                    .effects = work->effects,
                                    .shortage = work->shortage,
                                    .spool = work->processes.spool,
                                    .holders = work->processes.holders,
                                    .data_dir = work->processes.data_dir,
                                    .cgroups = work->processes.cgroups,
                                    .token_key = &work->token_key,
                                    .hide = (const char *const *)work->hidden,
                                    .webhook_allow = work->allow,
                                    .sandbox_lack = sandbox_lack(serve),
                                    .bounds = bounds_of(work),
                                    .environment = (const char *const *)environ,
                                    .files = work->options.files,
                                    .umask = work->options.umask,
                                    .hold = hold_of(work),
                                    .parts = leader_parts,
                                    .keep = {.count = serve->keep_runs,
                                             .age_ms = serve->keep_days * DAY_MS,
                                             .bytes = serve->keep_bytes},
                                    .host_name = work->processes.host_name,
                                    .version = DROVER_VERSION,
                                    .host_timeout_ms = serve->host_timeout_ms,
                                    .ctx = work,
                                    .released = released,
                                    .failed = run_failed};
    work->dispatch = dispatch_open(&with);
    work->providers_api.host.dispatch = work->dispatch;
}

static void deliver_begin(struct work *work) {
    const struct serve_options *serve = work->options.serve;
    const struct fetch_options of_client = {.loop = work->loop, .shortage = work->shortage};
    fetch_open(&of_client, &work->client);
    struct deliver_options with = {.loop = work->loop,
                                   .store = work->store,
                                   .effects = work->effects,
                                   .client = work->client,
                                   .allow = work->allow,
                                   .secret = bytes_of(work->secret),
                                   .waits = INBOX_WAITS_DEFAULT,
                                   .timeout_ms = serve->webhook_timeout_ms,
                                   .hold = hold_of(work),
                                   .bounds = bounds_of(work),
                                   .connections = work->connections,
                                   .ctx = work,
                                   .failed = deliver_failed};
    with.waits.first_ms = serve->webhook_first_ms;
    with.waits.max_ms = serve->webhook_max_ms;
    with.waits.stalled_ms = serve->webhook_stalled_ms;
    work->deliver = deliver_open(&with);
}

struct agent_rows *work_agents(struct work *work) {
    return work->agents;
}

struct agent_versions *work_agent_versions(struct work *work) {
    return work->agent_versions;
}

const char *work_home(void) {
    const char *home = getenv("HOME");
    return home == NULL || home[0] != '/' ? NULL : home;
}

/* Where scripts are looked for, without the root. */
static struct catalog_search catalog_places(void) {
    return (struct catalog_search){.home = work_home(), .config_dir = getenv("CLAUDE_CONFIG_DIR")};
}

static void run_waits_begin(struct work *work) {
    run_waits_init(&work->waits, &(struct asker){.loop = work->loop,
                                                 .store = work->store,
                                                 .effects = work->effects,
                                                 .pause_ms = WAITS_PAUSE_MS,
                                                 .pause_max_ms = WAITS_PAUSE_MAX_MS,
                                                 .ctx = work,
                                                 .failed = run_failed});
}

static struct err workflows_begin(struct work *work) {
    const struct serve_options *serve = work->options.serve;
    AUTO(mem_release) char *path = NULL;
    struct sha256 hash;
    const char *budget = serve->workflow_budget; /* The default of workflows. */
    struct err err = ERR_OK;
    if (budget != NULL) { /* The command has made the text, so it fits. */
        AUTO(json_release) json_t *json = NULL;
        struct budget_limits limits;
        struct why why = {""};
        err = json_parse(budget, strlen(budget), JSON_DEPTH_MAX, &json, &why);
        err = err_failed(err) ? err : budget_limits_read(json, &limits, &why);
        work->budget = err_failed(err) ? work->budget : limits.limits;
    }
    if (!err_failed(err)) {
        err = script_program_install(serve->world, work->processes.data_dir, &hash, &path);
    }
    if (err_failed(err)) {
        return err;
    }
    const struct scripts_options of_scripts = {.loop = work->loop,
                                               .program = path,
                                               .failed = script_failed,
                                               .ctx = work,
                                               .shortage = work->shortage};
    work->scripts = scripts_open(&of_scripts);
    script_judge_open(work->processes.data_dir, judge_failed, work);
    const struct workflows_options with = {.loop = work->loop,
                                           .store = work->store,
                                           .hub = work->options.hub,
                                           .effects = work->effects,
                                           .shortage = work->shortage,
                                           .models = work->models,
                                           .connections = work->connections,
                                           .scripts = work->scripts,
                                           .engine = sha256_hex(&hash),
                                           .search = catalog_places(),
                                           .agents = work->agents,
                                           .waits = &work->waits,
                                           .data_dir = work->processes.data_dir,
                                           .spool = work->processes.spool,
                                           .umask = work->options.umask,
                                           .sandbox = sandbox_lack(serve) == NULL,
                                           .searches = work->search.form != SEARCH_NONE,
                                           .provider_searches =
                                               work->search.form == SEARCH_PROVIDER,
                                           .limits = {.commands = agent_commands(),
                                                      .at_once = serve->agents,
                                                      .cpu_ms = serve->script_cpu_ms,
                                                      .memory_mb = serve->script_memory >> 20,
                                                      .workers_max = serve->workers_max,
                                                      .stuck_ms = serve->agent_stuck_ms},
                                           .budget = budget == NULL ? NULL : &work->budget,
                                           .bounds = bounds_of(work),
                                           .ctx = work,
                                           .failed = run_failed,
                                           .script_failed = script_failed};
    work->workflows = workflows_open(&with);
    return ERR_OK;
}

static void turns_begin(struct work *work) {
    const char *home = work_home();
    const struct turns_options with = {.loop = work->loop,
                                       .store = work->store,
                                       .effects = work->effects,
                                       .shortage = work->shortage,
                                       .models = work->models,
                                       .connections = work->connections,
                                       .workflow_tool = &workflow_tool,
                                       .workflows = work->workflows,
                                       .client = work->client,
                                       .allow = work->fetch_allow,
                                       .search = work->search.url == NULL ? NULL : &work->search,
                                       .provider_searches = work->search.form == SEARCH_PROVIDER,
                                       .data_dir = work->processes.data_dir,
                                       .home = home == NULL ? "" : home,
                                       .umask = work->options.umask,
                                       .toolbox = work->toolbox,
                                       .spool = work->processes.spool,
                                       .agents = work->agents,
                                       .dispatch = work->dispatch,
                                       .waits = &work->waits,
                                       .musts = work->musts,
                                       .points = work->folders.points,
                                       .trees = work->folders.trees,
                                       .sandbox = sandbox_lack(work->options.serve) == NULL,
                                       .agent_commands = agent_commands(),
                                       .bounds = bounds_of(work),
                                       .ctx = work,
                                       .failed = run_failed};
    work->turns = turns_open(&with);
    workflows_listen(work->workflows, work->turns);
    const struct titles_options of_titles = {.loop = work->loop,
                                             .store = work->store,
                                             .models = work->models,
                                             .bounds = bounds_of(work),
                                             .ctx = work,
                                             .failed = run_failed};
    work->titles = titles_open(&of_titles);
}

static struct room_options room_of(struct work *work) {
    return (struct room_options){.loop = work->loop,
                                 .store = work->store,
                                 .effects = work->effects,
                                 .shortage = work->shortage,
                                 .ctx = work,
                                 .failed = run_failed};
}

static void folders_begin(struct work *work) {
    const struct folders_options with = {.room = room_of(work),
                                         .dispatch = work->dispatch,
                                         .waits = &work->waits,
                                         .data_dir = work->processes.data_dir,
                                         .host = bytes_of(work->processes.host.text),
                                         .home = work_home(),
                                         .umask = work->options.umask,
                                         .trees_kept_ms = work->options.serve->keep_worktrees_ms};
    folders_open(&work->folders, &with);
}

static void boards_begin(struct work *work) {
    const char *home = work_home();
    const struct boards_options with = {.room = room_of(work),
                                        .connections = work->connections,
                                        .dispatch = work->dispatch,
                                        .waits = &work->waits,
                                        .agents = work->agents,
                                        .home = home == NULL ? "" : home,
                                        .config_dir = catalog_places().config_dir,
                                        .bounds = bounds_of(work)};
    work->boards = boards_open(&with);
}

static void flows_begin(struct work *work) {
    const struct serve_options *serve = work->options.serve;
    const struct flows_options with = {.room = room_of(work),
                                       .connections = work->connections,
                                       .dispatch = work->dispatch,
                                       .workflows = work->workflows,
                                       .scripts = work->scripts,
                                       .search = catalog_places(),
                                       .agents = work->agents,
                                       .spool = work->processes.spool,
                                       .cpu_ms = serve->script_cpu_ms,
                                       .memory_mb = serve->script_memory >> 20,
                                       .workers_max = serve->workers_max,
                                       .at_once = serve->flow_steps,
                                       .step_timeout_ms = serve->flow_step_ms,
                                       .data_dir = work->processes.data_dir,
                                       .umask = work->options.umask,
                                       .bounds = bounds_of(work)};
    work->flows = flows_open(&with);
}

/* A kind of run is heard by those that name it here. Dispatch hears of each, and so do those that
 * wait for one run (work_run_note). */
static void performers_fill(struct work *work) {
    const struct performer rows[PERFORMERS] = {
        {.room = work->dispatch, .stop = dispatch_stop},
        {.room = work->deliver, .stop = deliver_stop},
        {.room = work->titles, .note = {[KIND_TITLE] = titles_run_note}, .end = titles_stop},
        {.room = work->turns, .note = {[KIND_TURN] = turns_run_note}, .stop = turns_stop},
        {.room = work->workflows,
         .note = {[KIND_WORKFLOW] = workflows_run_note, [KIND_AGENT] = workflows_step_note},
         .stop = workflows_stop},
        {.room = work->boards, .stop = boards_stop},
        {.room = work->flows, .note = {[KIND_FLOW] = flows_run_note}, .stop = flows_stop},
        {.room = work->musts, .stop = musts_stop},
        {.room = work->folders.removals, .stop = removals_stop},
        {.room = work->folders.trees, .stop = trees_stop},
        {.room = work->folders.rewinds, .stop = rewinds_stop},
        {.room = work->folders.points, .note = {[KIND_JOB] = points_run_note}, .stop = points_stop},
        {.room = &work->waits, .end = run_waits_stop},
    };
    memcpy(work->performers, rows, sizeof rows);
}

static struct err rooms_open(struct work *work, struct why *why) {
    const struct work_options *options = &work->options;
    work->processes.child_ended = options->child_ended;
    work->processes.ctx = options->ctx;
    struct err err = processes_open(options->serve, options->loop, &work->processes);
    if (!err_failed(err) && cgroups_path(work->processes.cgroups) == NULL) {
        log_event(work->log, LOG_INFO, "commands get no cgroups of their own",
                  LOG_FIELDS(log_text("why", work->processes.no_cgroups.text)));
    }
    work->agents = agent_rows_new();
    work->agent_versions = agent_versions_new();
    work->toolbox = toolbox_new();
    if (!err_failed(err) && work->toolbox == NULL) {
        err = err_make(ERR_OUT_OF_MEMORY, "work: tools");
    }
    const struct serve_options *serve = options->serve;
    if (!err_failed(err) && serve->webhook_allow != NULL) {
        err = address_list_parse(serve->webhook_allow, &work->allow, why);
    }
    if (!err_failed(err)) {
        err = search_begin(work, why);
    }
    if (!err_failed(err) && serve->fetch_allow != NULL) {
        err = address_list_parse(serve->fetch_allow, &work->fetch_allow, why);
    }
    if (!err_failed(err)) {
        err = deliver_secret_load(serve->world, work->processes.data_dir, serve->webhook_secret,
                                  &work->secret, why);
    }
    if (!err_failed(err)) {
        err = run_key_load(serve->world, work->processes.data_dir, &work->token_key, why);
    }
    if (!err_failed(err)) {
        err = models_begin(work, why);
    }
    if (err_failed(err)) {
        return err;
    }
    /* Hidden are the data directory, and the files with secrets that may stand elsewhere. A file
     * that does not exist needs no hiding. */
    const char *const names[] = {work->processes.data_dir, serve->config, serve->webhook_secret};
    static_assert(COUNT_OF(names) < HIDDEN_MAX, "the list ends with NULL");
    for (size_t i = 0, count = 0; i < COUNT_OF(names); i++) {
        char path[PATH_MAX];
        if (names[i] != NULL && realpath(names[i], path) != NULL) {
            work->hidden[count++] = mem_copy(path, strlen(path));
        }
    }
    dispatch_begin(work);
    deliver_begin(work);
    run_waits_begin(work);
    err = workflows_begin(work);
    if (err_failed(err)) {
        why_set(why, "%s/libexec cannot be written", work->processes.data_dir);
        return err;
    }
    const struct musts_options musts = {.room = room_of(work), .dispatch = work->dispatch};
    work->musts = musts_open(&musts);
    folders_begin(work);
    turns_begin(work);
    boards_begin(work);
    flows_begin(work);
    performers_fill(work);
    return ERR_OK;
}

struct err work_open(const struct work_options *options, struct work **ret_work, struct why *why) {
    struct work *work = mem_new(sizeof *work);
    work->options = *options;
    work->log = options->serve->log;
    work->loop = options->loop;
    work->store = options->store;
    work->effects = effects_new(options->serve->world);
    effects_set_starts(work->effects, options->starts);
    work->shortage = shortage_new(&(struct shortage_options){
        .loop = options->loop, .began = shortage_began, .ended = shortage_ended, .ctx = work});
    struct err err = rooms_open(work, why);
    if (err_failed(err)) {
        work_close(work);
        return err;
    }
    *ret_work = work;
    return ERR_OK;
}

/* --- Beginning -------------------------------------------------------------------------------- */

static struct err home_find(struct tx *tx, void *ctx) {
    struct work *work = ctx;
    struct err err = tx_home_find(tx, bytes_of(work->processes.host.text), &work->home);
    if (!err_failed(err)) {
        const bool elsewhere = has_home(work) && work->home.home == HOME_OTHER;
        tx_hold_tell(tx, elsewhere || hold_of(work) == RUN_HELD);
        err = tx_error(tx);
    }
    return err;
}

static void connections_known(void *ctx, struct err err) {
    struct work *work = ctx;
    struct default_model model;
    connections_default_model(work->connections, &model);
    if (!err_failed(err) && model.from == MODEL_FROM_NOWHERE) {
        log_event(work->log, LOG_INFO,
                  "no model is known: set a key such as ANTHROPIC_API_KEY, or use 'drover "
                  "provider add' (docs/models.md)",
                  NULL /* no fields */);
    }
    work->known(work->known_ctx, err);
}

static void agents_loaded(void *ctx, struct err err) {
    struct work *work = ctx;
    if (err_failed(err)) {
        work->known(work->known_ctx, err);
    } else {
        connections_load(work->connections, connections_known, work);
    }
}

static void home_found(struct err err, void *ctx) {
    struct work *work = ctx;
    if (!err_failed(err) && has_home(work)) {
        dispatch_set_history_start(work->dispatch, work->home.since_epoch);
    }
    if (!err_failed(err) && has_home(work) && work->home.home == HOME_OTHER) {
        dispatch_hold(work->dispatch);
        deliver_set_hold(work->deliver, RUN_HELD);
        const struct store *store = work->store;
        if (store_missing(store) == 0) {
            log_event(work->log, LOG_WARN,
                      "this database was restored or copied: nothing starts before 'drover "
                      "release'",
                      NULL);
        } else {
            log_event(work->log, LOG_ERROR,
                      "the database lacks the newest commits: its log was damaged, cut or removed,"
                      " or an older copy was put in its place; restore a newer backup, or accept"
                      " the loss with drover release: nothing begins before",
                      LOG_FIELDS(log_int("commits_missing", store_missing(store)),
                                 log_int("found_at_ms", store_missing_at_ms(store)),
                                 log_err(err_make(ERR_STORE_INCOMPLETE, "store: mark"))));
        }
    }
    if (err_failed(err)) {
        work->known(work->known_ctx, err);
    } else {
        agents_load(work->store, work->agents, work->turns, agents_loaded, work);
    }
}

void work_come_home(struct work *work, void (*known)(void *ctx, struct err err), void *ctx) {
    work->known = known;
    work->known_ctx = ctx;
    store_write(work->store, home_find, home_found, work);
}

void work_begin(struct work *work) {
    dispatch_recover(work->dispatch, recovered, work);
    deliver_recover(work->deliver);
    boards_recover(work->boards);
    census_start(&work->census, work->loop, work->store);
    census_stale(&work->census);
    models_on_mended(work->models, connection_mended, work);
    sleep_watch_start(&work->sleep, work->loop, machine_after_sleep, work);
    musts_recover(work->musts);
    folders_recover(&work->folders);
    damage_look(work->store, work->log);
    spool_look_start(&work->spool_look, work->loop, work->store, work->log, work->processes.spool);
}

/* --- Notes ------------------------------------------------------------------------------------ */

void work_run_note(struct work *work, const struct run_row *row) {
    effects_at(work->effects, row->run);
    dispatch_run_note(work->dispatch, row); /* Also after a stop: it counts the ends. */
    const bool heard = work->stopped == NULL && dispatch_held(work->dispatch) == RUN_FREE;
    for (size_t i = 0; i < PERFORMERS && heard; i++) {
        if (work->performers[i].note[row->kind] != NULL) {
            work->performers[i].note[row->kind](work->performers[i].room, row);
        }
    }
    run_waits_note(&work->waits, row);
    census_stale(&work->census);
}

void work_inbox_note(struct work *work, struct bytes note) {
    deliver_note(work->deliver, note);
}

void work_board_note(struct work *work, struct bytes note) {
    if (bytes_begin(note, BYTES("try_"))) {
        musts_note(work->musts, note);
    } else {
        boards_note(work->boards, note);
    }
}

/* --- Closing ---------------------------------------------------------------------------------- */

static struct err stop_note_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    return tx_run_note_stop(tx);
}

static void stop_noted(struct err err, void *ctx) {
    (void)err; /* Without the mark the next daemon counts an end: that is no harm. */
    (void)ctx;
}

static void client_gone(void *ctx) {
    struct work *work = ctx;
    work->client = NULL;
    /* No call to a model is under way but those that test connections. */
    providers_stop(&work->providers_api);
    connections_stop(work->connections);
    models_close(work->models, models_gone, work);
}

static void room_stopped(void *ctx) {
    struct work *work = ctx;
    if (--work->stopping == 0) {
        /* The zygote ends while the loop still turns, and after what the pool reads of workers. */
        scripts_close(work->scripts);
        work->scripts = NULL;
        holders_close(work->processes.holders);
        work->processes.holders = NULL;
        fetch_close(work->client, client_gone, work);
    }
}

void work_stop(struct work *work, void (*stopped)(void *ctx), void *ctx) {
    work->stopped = stopped;
    work->stopped_ctx = ctx;
    census_stop(&work->census);
    timer_stop(work->loop, &work->release_timer);
    spool_look_stop(&work->spool_look);
    sleep_watch_stop(&work->sleep);
    models_on_mended(work->models, NULL, NULL);
    /* A daemon that leaves nothing under way stops without a write, which could fail. */
    struct turns_stats turns;
    struct models_stats models; /* Turns, titles and agents ask them. */
    turns_get_stats(work->turns, &turns);
    models_get_stats(work->models, &models);
    if (turns.live > 0 || models.running > 0 || models.waiting > 0) {
        store_write(work->store, stop_note_tx, stop_noted, NULL);
    }
    for (size_t i = 0; i < PERFORMERS; i++) {
        const struct performer *performer = &work->performers[i];
        if (performer->stop != NULL) {
            work->stopping++;
            performer->stop(performer->room, room_stopped, work);
        } else {
            performer->end(performer->room);
        }
    }
}

void work_close(struct work *work) {
    if (work == NULL) {
        return;
    }
    spool_look_done(&work->spool_look);
    boards_close(work->boards);
    flows_close(work->flows);
    workflows_close(work->workflows);
    script_judge_close();
    scripts_close(work->scripts);
    titles_close(work->titles);
    turns_close(work->turns);
    musts_close(work->musts);      /* Turns wait for its checks, */
    folders_close(&work->folders); /* and for points and trees. */
    run_waits_done(&work->waits);
    toolbox_free(work->toolbox);
    connections_close(work->connections);
    agent_rows_free(work->agents);
    agent_versions_free(work->agent_versions);
    deliver_close(work->deliver);
    dispatch_close(work->dispatch);
    shortage_free(work->shortage);
    effects_free(work->effects);
    processes_done(&work->processes);
    address_list_free(work->allow);
    address_list_free(work->fetch_allow);
    mem_wipe(&work->search_key);
    mem_wipe(&work->secret);
    for (size_t i = 0; i < HIDDEN_MAX; i++) {
        mem_free(work->hidden[i]);
    }
    mem_free(work);
}

/* --- For the API ------------------------------------------------------------------------------ */

static struct request_host host_of(const struct work *work) {
    return (struct request_host){
        .loop = work->loop, .store = work->store, .dispatch = work->dispatch};
}

struct runs_api work_api(struct work *work) {
    return (struct runs_api){.host = host_of(work),
                             .hub = work->options.hub,
                             .chores = work->options.chores,
                             .starts = work->options.starts,
                             .spool = work->processes.spool};
}

struct tasks_api work_tasks_api(struct work *work) {
    return (struct tasks_api){.host = host_of(work), .musts = work->musts};
}

struct changes_api work_changes_api(struct work *work) {
    return folders_changes_api(&work->folders, host_of(work));
}

struct trees_api work_trees_api(struct work *work) {
    return folders_trees_api(&work->folders, host_of(work));
}

struct turns_api work_turns_api(struct work *work) {
    return (struct turns_api){
        .host = host_of(work), .hub = work->options.hub, .connections = work->connections};
}

struct workflow_runs_api work_workflows_api(struct work *work) {
    return (struct workflow_runs_api){.host = host_of(work),
                                      .workflows = work->workflows,
                                      .flows = work->flows,
                                      .search = catalog_places()};
}

struct flows_api work_flows_api(struct work *work) {
    return (struct flows_api){.host = host_of(work),
                              .flows = work->flows,
                              .workflows = work->workflows,
                              .search = catalog_places()};
}

struct providers_api *work_providers_api(struct work *work) {
    return &work->providers_api;
}

const char *work_data_dir(const struct work *work) {
    return work->processes.data_dir;
}

struct err work_ready(const struct work *work, struct why *why) {
    return effects_stuck(work->effects, why) ? err_make(ERR_STALLED, "work: ready") : ERR_OK;
}

int64_t work_stalled(const struct work *work) {
    struct deliver_stats stats;
    deliver_get_stats(work->deliver, &stats);
    return (int64_t)stats.stalled;
}

void work_status_write(const struct work *work, struct text *text) {
    struct effects_stats steps;
    effects_get_stats(work->effects, &steps);
    text_addf(text, "\"unknown_folders\":%lld,\"abandoned\":%llu,",
              (long long)work->spool_look.count, (unsigned long long)steps.abandoned);
    descriptors_write(work->shortage, text);
}

void work_metrics(struct work *work, struct text *text) {
    const struct world *world = work->options.serve->world;
    metrics_of_runs(&work->census.counts, world, text);
    metrics_of_jobs(work->dispatch, work->processes.holders, work->effects, text);
    descriptors_metrics(work->shortage, text);
    metrics_of_deliveries(work->deliver, world, text);
    metrics_of_turns(work->turns, work->models, text);
    metrics_of_workflows(work->workflows, text);
    metrics_of_hosts(work->dispatch, text);
}

const struct run_token_key *work_token_key(const struct work *work) {
    return &work->token_key;
}
