/* work.c: opened in one order, closed in the other. */
#include "main/work.h"
#include "main/parts.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "dispatch/base/effects.h"
#include "dispatch/inbox/deliver.h"
#include "dispatch/job/dispatch.h"
#include "engine/base/home.h"
#include "http/metrics.h"
#include "loop/fetch.h"
#include "main/chats.h"
#include "main/descriptors.h"
#include "main/herds.h"
#include "main/hosts.h"
#include "main/processes.h"
#include "main/providers.h"
#include "main/report/damage_scan.h"
#include "main/report/delivery_metrics.h"
#include "main/report/job_metrics.h"
#include "main/report/sandbox_lack.h"
#include "main/sandbox_hidden.h"
#include "main/spool_scan.h"
#include "tool/tool.h"

enum { CENSUS_MS = 1000 };
#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

struct work {
    struct work_options options;
    struct processes processes;
    char *secret; /* Owned, as are all pointers below. */
    struct address_list *allow, *fetch_allow;
    struct effects *effects;
    struct shortage *shortage;
    struct dispatch *dispatch;
    struct fetch *client;
    struct deliver *deliver;
    struct providers *providers;
    struct chats *chats;
    struct toolbox *toolbox;
    struct hidden hidden;
    struct home_found home;
    void (*known)(void *ctx, struct err err);
    unsigned stopping; /* Rooms that have not stopped yet. */
    void (*stopped)(void *ctx);
    void *stopped_ctx, *known_ctx;
    /* What the rows say, for /metrics: counted again within a second of a change. */
    struct run_census census, census_read;
    struct timer census_timer;
    bool census_due, census_away;
    struct spool_look spool_look;
};

/* --- Told from below -------------------------------------------------------------------------- */

static void dispatch_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    struct work *work = ctx;
    log_event(work->options.serve->log, LOG_WARN, what,
              LOG_FIELDS(log_bytes("run", run), log_err(err)));
}

static void deliver_failed(void *ctx, const char *what, struct err err) {
    struct work *work = ctx;
    log_event(work->options.serve->log, LOG_WARN, what, LOG_FIELDS(log_err(err)));
}

/* Each start that waits says nothing of its own, and neither does one that failed for it. */
static void shortage_began(void *ctx, const char *what, struct err err) {
    struct work *work = ctx;
    log_event(work->options.serve->log, LOG_WARN,
              "no file descriptor is free: starts wait until there are some; raise the limit of"
              " the service (LimitNOFILE=, ulimit -Hn) or of the system (fs.file-max)",
              LOG_FIELDS(log_text("at", what), log_err(err)));
}

static void shortage_ended(void *ctx, uint64_t lasted_ms) {
    struct work *work = ctx;
    log_event(work->options.serve->log, LOG_INFO, "file descriptors are free again: starts go on",
              LOG_FIELDS(log_int("waited_ms", (int64_t)lasted_ms)));
}

/* With a database server, lock and epoch decide whose it is, wherever the daemon runs. */
static bool has_home(const struct work *work) {
    return work->options.serve->database == NULL;
}

static struct err home_take(struct tx *tx, void *ctx) {
    const struct work *work = ctx;
    return tx_home_take(tx, bytes_of(work->processes.host.text));
}

static void home_taken(struct err err, void *ctx) {
    struct work *work = ctx;
    if (!err_failed(err)) {
        store_missing_accept(work->options.store); /* A loss was noted in the same column. */
    } else {
        log_event(work->options.serve->log, LOG_WARN,
                  "the release could not be noted: the next start will hold again",
                  LOG_FIELDS(log_err(err)));
    }
}

static void released(void *ctx) {
    struct work *work = ctx;
    if (has_home(work)) {
        store_write(work->options.store, home_take, home_taken, work);
    }
    log_event(work->options.serve->log, LOG_INFO, "released: what waited may begin",
              NULL /* no fields */);
    failed_starts_accept(work->options.starts);
    chats_release(work->chats);
    deliver_release(work->deliver);
}

static void recovered(void *ctx) {
    struct work *work = ctx;
    struct dispatch_stats stats;
    dispatch_get_stats(work->dispatch, &stats);
    log_event(work->options.serve->log, LOG_INFO, "recovery finished",
              LOG_FIELDS(log_int("in_flight", (int64_t)stats.live)));
}

/* --- Opening ---------------------------------------------------------------------------------- */

static struct err processes_begin(struct work *work) {
    const struct serve_options *serve = work->options.serve;
    struct err err = processes_open(serve, work->options.loop, &work->processes);
    if (!err_failed(err) && cgroups_path(work->processes.cgroups) == NULL) {
        log_event(serve->log, LOG_INFO, "commands get no cgroups of their own",
                  LOG_FIELDS(log_text("why", work->processes.no_cgroups.text)));
    }
    return err;
}

static struct err settings_read(struct work *work, struct why *why) {
    const struct serve_options *serve = work->options.serve;
    struct err err = ERR_OK;
    if (serve->webhook_allow != NULL) {
        err = address_list_parse(serve->webhook_allow, &work->allow, why);
    }
    if (!err_failed(err) && serve->fetch_allow != NULL) {
        err = address_list_parse(serve->fetch_allow, &work->fetch_allow, why);
    }
    return err_failed(err) ? err
                           : deliver_secret_load(serve->world, work->processes.data_dir,
                                                 serve->webhook_secret, &work->secret, why);
}

/* --- The rooms -------------------------------------------------------------------------------- */

/* What every room allows that may let a run begin, in whatever commit. */
static struct run_bounds bounds_of(const struct work *work) {
    return (struct run_bounds){
        .slots = work->options.serve->jobs_max,
        .workflows = work->options.serve->workflows_max,
        .host = {work->processes.host.text, strlen(work->processes.host.text)},
        .hosts = has_home(work) ? RUN_HOST_ONE : RUN_HOSTS_SHARED};
}

static void dispatch_begin(struct work *work) {
    const struct serve_options *serve = work->options.serve;
    struct dispatch_options with = {.loop = work->options.loop,
                                    .store = work->options.store,
                                    .effects = work->effects,
                                    .shortage = work->shortage,
                                    .spool = work->processes.spool,
                                    .holders = work->processes.holders,
                                    .data_dir = work->processes.data_dir,
                                    .cgroups = work->processes.cgroups,
                                    .hide = (const char *const *)work->hidden.paths,
                                    .sandbox_lack = sandbox_lack(work->options.serve),
                                    .bounds = bounds_of(work),
                                    .environment = (const char *const *)environ,
                                    .files = work->options.files,
                                    .hold = serve->hold ? RUN_HELD : RUN_FREE,
                                    .parts = leader_parts,
                                    .keep = {.count = serve->keep_runs,
                                             .age_ms = serve->keep_days * DAY_MS,
                                             .bytes = serve->keep_bytes},
                                    .host_name = work->processes.host_name,
                                    .version = DROVER_VERSION,
                                    .host_timeout_ms = serve->host_timeout_ms,
                                    .ctx = work,
                                    .released = released,
                                    .failed = dispatch_failed};
    work->dispatch = dispatch_open(&with);
}

static void deliver_begin(struct work *work) {
    const struct serve_options *serve = work->options.serve;
    const struct fetch_options of_client = {.loop = work->options.loop, .shortage = work->shortage};
    fetch_open(&of_client, &work->client);
    struct deliver_options with = {.loop = work->options.loop,
                                   .store = work->options.store,
                                   .effects = work->effects,
                                   .client = work->client,
                                   .allow = work->allow,
                                   .secret = {work->secret, strlen(work->secret)},
                                   .waits = INBOX_WAITS_DEFAULT,
                                   .timeout_ms = serve->webhook_timeout_ms,
                                   .hold = serve->hold ? RUN_HELD : RUN_FREE,
                                   .bounds = bounds_of(work),
                                   .connections = providers_connections(work->providers),
                                   .ctx = work,
                                   .failed = deliver_failed};
    with.waits.first_ms = serve->webhook_first_ms;
    with.waits.max_ms = serve->webhook_max_ms;
    with.waits.stalled_ms = serve->webhook_stalled_ms;
    work->deliver = deliver_open(&with);
}

struct err work_open(const struct work_options *options, struct work **ret_work, struct why *why) {
    struct work *work = mem_new(sizeof *work);
    work->options = *options;
    work->effects = effects_new(options->serve->world);
    effects_set_starts(work->effects, options->starts);
    work->shortage = shortage_new(&(struct shortage_options){
        .loop = options->loop, .began = shortage_began, .ended = shortage_ended, .ctx = work});
    struct err err = processes_begin(work);
    work->toolbox = toolbox_new();
    if (!err_failed(err) && work->toolbox == NULL) {
        err = err_make(ERR_OUT_OF_MEMORY, "work: tools");
    }
    if (!err_failed(err)) {
        err = settings_read(work, why);
    }
    if (!err_failed(err)) {
        const struct providers_options of_models = {.serve = options->serve,
                                                    .loop = options->loop,
                                                    .store = options->store,
                                                    .shortage = work->shortage,
                                                    .data_dir = work->processes.data_dir};
        err = providers_open(&of_models, &work->providers, why);
    }
    if (err_failed(err)) {
        work_close(work);
        return err;
    }
    hidden_find(&work->hidden, options->serve, work->processes.data_dir);
    dispatch_begin(work);
    deliver_begin(work);
    const struct chats_options with = {.serve = options->serve,
                                       .loop = options->loop,
                                       .store = options->store,
                                       .effects = work->effects,
                                       .shortage = work->shortage,
                                       .client = work->client,
                                       .allow = work->fetch_allow,
                                       .connections = providers_connections(work->providers),
                                       .toolbox = work->toolbox,
                                       .spool = work->processes.spool,
                                       .sandbox = sandbox_lack(work->options.serve) == NULL,
                                       .data_dir = work->processes.data_dir,
                                       .bounds = bounds_of(work)};
    err = chats_open(&with, &work->chats);
    if (err_failed(err)) {
        why_set(why, "%s/libexec cannot be written", work->processes.data_dir);
        work_close(work);
        return err;
    }
    *ret_work = work;
    return ERR_OK;
}

/* --- Closing ---------------------------------------------------------------------------------- */

static void providers_gone(void *ctx) {
    struct work *work = ctx;
    work->stopped(work->stopped_ctx);
}

static void client_gone(void *ctx) {
    struct work *work = ctx;
    work->client = NULL;
    providers_end(work->providers, providers_gone, work);
}

static void room_stopped(void *ctx) {
    struct work *work = ctx;
    if (--work->stopping == 0) {
        holders_close(work->processes.holders);
        work->processes.holders = NULL;
        fetch_close(work->client, client_gone, work);
    }
}

void work_stop(struct work *work, void (*stopped)(void *ctx), void *ctx) {
    work->stopped = stopped;
    work->stopped_ctx = ctx;
    work->stopping = 3;
    timer_stop(work->options.loop, &work->census_timer);
    spool_look_stop(&work->spool_look);
    dispatch_stop(work->dispatch, room_stopped, work);
    deliver_stop(work->deliver, room_stopped, work);
    chats_stop(work->chats, room_stopped, work);
}

void work_close(struct work *work) {
    if (work == NULL) {
        return;
    }
    spool_look_done(&work->spool_look);
    chats_close(work->chats);
    toolbox_free(work->toolbox);
    providers_close(work->providers);
    deliver_close(work->deliver);
    dispatch_close(work->dispatch);
    shortage_free(work->shortage);
    effects_free(work->effects);
    processes_done(&work->processes);
    address_list_free(work->allow);
    address_list_free(work->fetch_allow);
    if (work->secret != NULL) {
        explicit_bzero(work->secret, strlen(work->secret));
    }
    mem_free(work->secret);
    hidden_done(&work->hidden);
    mem_free(work);
}

/* --- Asked from above ------------------------------------------------------------------------- */

struct runs_api work_api(struct work *work) {
    return (struct runs_api){.loop = work->options.loop,
                             .store = work->options.store,
                             .dispatch = work->dispatch,
                             .hub = work->options.hub,
                             .chores = work->options.chores,
                             .starts = work->options.starts,
                             .spool = work->processes.spool};
}

struct turns_api work_turns_api(struct work *work) {
    return (struct turns_api){.loop = work->options.loop,
                              .store = work->options.store,
                              .hub = work->options.hub,
                              .dispatch = work->dispatch,
                              .connections = providers_connections(work->providers)};
}

struct workflow_runs_api work_workflows_api(struct work *work) {
    return (struct workflow_runs_api){.loop = work->options.loop,
                                      .store = work->options.store,
                                      .dispatch = work->dispatch,
                                      .flows = chats_flows(work->chats),
                                      .search = herds_search()};
}

struct err work_ready(const struct work *work, struct why *why) {
    return effects_stuck(work->effects, why) ? err_make(ERR_STALLED, "work: ready") : ERR_OK;
}

void work_status_write(const struct work *work, struct text *text) {
    text_addf(text, "\"unknown_folders\":%lld,", (long long)work->spool_look.count);
    descriptors_write(work->shortage, text);
}

struct providers_api *work_providers_api(struct work *work) {
    return providers_api(work->providers);
}

static struct err census_tx(struct tx *tx, void *ctx) {
    struct work *work = ctx;
    return tx_run_census(tx, &work->census_read);
}

static void census_done(struct err err, void *ctx) {
    struct work *work = ctx;
    work->census_away = false;
    if (!err_failed(err)) {
        work->census = work->census_read;
    }
}

static void census_ask(struct timer *timer) {
    struct work *work = CONTAINER_OF(timer, struct work, census_timer);
    if (work->census_away) { /* The answer on its way may be older than the change. */
        timer_start(work->options.loop, timer, CENSUS_MS, census_ask);
        return;
    }
    work->census_due = false;
    work->census_away = true;
    store_read(work->options.store, census_tx, census_done, work);
}

static void census_stale(struct work *work) {
    if (!work->census_due && work->stopping == 0) {
        work->census_due = true;
        timer_start(work->options.loop, &work->census_timer, CENSUS_MS, census_ask);
    }
}

/* --- Notes ------------------------------------------------------------------------------------ */

void work_run_note(struct work *work, struct bytes note) {
    struct run_row row;
    if (run_note_read(note, &row)) {
        effects_at(work->effects, row.run);
    }
    dispatch_run_note(work->dispatch, note);
    chats_run_note(work->chats, note);
    census_stale(work);
}

void work_inbox_note(struct work *work, struct bytes note) {
    deliver_note(work->deliver, note);
}

/* --- Beginning -------------------------------------------------------------------------------- */

static struct err home_find(struct tx *tx, void *ctx) {
    struct work *work = ctx;
    return tx_home_find(tx, bytes_of(work->processes.host.text), &work->home);
}

static void providers_known(void *ctx, struct err err) {
    struct work *work = ctx;
    work->known(work->known_ctx, err);
}

static void hold_log(const struct work *work) {
    const struct store *store = work->options.store;
    if (store_missing(store) == 0) {
        log_event(work->options.serve->log, LOG_WARN,
                  "this database was restored or copied: all waits for drover release", NULL);
        return;
    }
    log_event(work->options.serve->log, LOG_ERROR,
              "the database lacks the newest commits: its log was damaged, cut or removed, or an"
              " older copy was put in its place; restore a newer backup, or accept the loss with"
              " drover release: nothing begins before",
              LOG_FIELDS(log_int("commits_missing", store_missing(store)),
                         log_int("found_at_ms", store_missing_at_ms(store)),
                         log_err(err_make(ERR_STORE_INCOMPLETE, "store: mark"))));
}

static void home_found(struct err err, void *ctx) {
    struct work *work = ctx;
    if (!err_failed(err) && has_home(work)) {
        dispatch_doubt(work->dispatch, work->home.since_epoch);
    }
    if (!err_failed(err) && has_home(work) && work->home.home == HOME_OTHER) {
        dispatch_hold(work->dispatch);
        chats_hold(work->chats);
        deliver_hold(work->deliver);
        hold_log(work);
    }
    if (err_failed(err)) {
        work->known(work->known_ctx, err);
    } else {
        providers_load(work->providers, providers_known, work);
    }
}

void work_come_home(struct work *work, void (*known)(void *ctx, struct err err), void *ctx) {
    work->known = known;
    work->known_ctx = ctx;
    store_write(work->options.store, home_find, home_found, work);
}

void work_begin(struct work *work) {
    dispatch_recover(work->dispatch, recovered, work);
    deliver_recover(work->deliver);
    census_stale(work);
    damage_look(work->options.store, work->options.serve->log);
    spool_look_start(&work->spool_look, work->options.loop, work->options.store,
                     work->options.serve->log, work->processes.spool);
}

static void census_write(struct work *work, struct text *text) {
    int64_t from_ms = work->census.oldest_queued_ms;
    int64_t age_ms = world_wall_ms(work->options.serve->world) - from_ms;
    const struct metric metrics[] = {
        {"runs_queued", "Runs that have not begun.", (uint64_t)work->census.states[RUN_QUEUED]},
        {"runs_running", "Runs that have begun and not ended.",
         (uint64_t)(work->census.states[RUN_RUNNING] + work->census.states[RUN_WAITING])},
        {"runs_oldest_queued_seconds", "Age of the oldest run that has not begun.",
         from_ms == 0 || age_ms < 0 ? 0 : (uint64_t)age_ms / 1000},
        {"runs_kept_bytes", "What runs that have ended take on the disk.",
         (uint64_t)work->census.kept_bytes},
        {"runs_waiting_for_budget", "Runs that wait for what others have reserved of a budget.",
         (uint64_t)work->census.waiting_for_budget},
        {"budgets", "Budgets, those of single runs among them.", (uint64_t)work->census.budgets},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}

const char *work_data_dir(const struct work *work) {
    return work->processes.data_dir;
}

void work_metrics(struct work *work, struct text *text) {
    census_write(work, text);
    job_metrics(work->dispatch, work->processes.holders, work->effects, text);
    descriptors_metrics(work->shortage, text);
    delivery_metrics(work->deliver, work->options.serve->world, text);
    chats_metrics(work->chats, text);
    hosts_metrics(work->dispatch, text);
}
