/* daemon.c: the rooms are opened in one order and closed in the other. */
#include "main/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/agent/agents.h"
#include "api/board/tasks.h"
#include "api/changes/changes.h"
#include "api/flow/flows.h"
#include "api/job/logs.h"
#include "api/mail/mails.h"
#include "api/memory/memory.h"
#include "api/project/projects.h"
#include "api/session/sessions.h"
#include "api/stream/streams.h"
#include "api/system/pages.h"
#include "api/system/system.h"
#include "api/token/tokens.h"
#include "api/trace/usage.h"
#include "api/tree/trees.h"
#include "api/workflow/runs.h"
#include "base/log_pace.h"
#include "base/memory.h"
#include "base/process/umask.h"
#include "dispatch/base/failed_starts.h"
#include "engine/base/follow.h"
#include "engine/board/board.h"
#include "engine/host/pulse.h"
#include "engine/inbox/inbox.h"
#include "engine/system/overview.h"
#include "engine/token/page_keys.h"
#include "engine/token/token.h"
#include "engine/turn/view.h"
#include "engine/workflow/snapshot.h"
#include "journal/pruner.h"
#include "main/deletion.h"
#include "main/descriptors.h"
#include "main/notifier.h"
#include "main/on_demand.h"
#include "main/page_port.h"
#include "main/report/disk_watch.h"
#include "main/report/metrics.h"
#include "main/report/notices.h"
#include "main/restart.h"
#include "main/standby.h"
#include "main/stop_signals.h"
#include "main/work.h"
#include "proc/inside.h"
#include "proc/port_owner.h"
#include "rules/project/project.h"
#include "rules/token/run_token.h"
#include "store/datadir.h"

enum { SOCKET_PATH_MAX = 4096 };

/* Errors of the disk fail each request that writes: of each of them one line of log a second. */
static const enum err_code disk_codes[] = {ERR_DISK_FULL, ERR_DATA_FULL, ERR_READ_ONLY,
                                           ERR_STORE_IO};

struct daemon {
    const struct serve_options *options; /* Borrowed, like all in it; `fitted` from the start on. */
    struct serve_options fitted;         /* With the numbers that the limit of open files allows. */
    struct datadir *claim;               /* Owned; NULL: the SQLite store has its own. */
    struct loop *loop;                   /* Owned, as are all pointers below. */
    struct hub *hub;
    struct store *store;
    struct token_table *tokens;
    struct page_keys page_keys;
    struct page_port page_port;
    struct work *work;
    struct http_server *http;
    struct pruner *pruner;
    struct deletion deletion;
    struct pulse pulse;
    struct notices notices;
    struct disk_watch disk;
    struct notifier notifier;
    struct failed_starts *starts; /* Owned; NULL: its file could not be opened. */
    struct on_demand on_demand;
    struct timer lasted; /* Until this life counts as a good one. */

    struct streams streams_api;
    struct feed_kind log_feeds;
    struct tokens tokens_api;
    struct request_host host; /* Host of resources without a struct of their own. */
    struct resource_routes *resource_routes;
    struct agents_api agents_api;
    struct system_info system_api;
    struct pages pages;
    struct runs_api runs_api;
    struct tasks_api tasks_api;
    struct changes_api changes_api;
    struct trees_api trees_api;
    struct sessions_api sessions_api;
    struct blobs *blobs;
    struct turns_api turns_api;
    struct workflow_runs_api workflows_api;
    struct flows_api flows_api;

    struct stop_signals signals;
    bool stopping;
    uint64_t files;       /* The soft limit of descriptors before it was raised. */
    unsigned umask;       /* Umask of the person: base/process/umask.h. */
    unsigned restarts;    /* In a row, before this one: see restart.h. */
    uint64_t led_from_ns; /* When the store was there. */
    struct log_pace disk_paces[COUNT_OF(disk_codes)];
    struct err failure;
    struct why why;
};

/* --- Callbacks from the rooms below ----------------------------------------------------------- */

/* Nobody may be answered any more, so nothing is closed in order. One that is about to end, or that
 * can't tell what happened, ends: only who knows that another one serves goes on beside it. */
static void store_lost(void *ctx, struct err err) {
    struct daemon *daemon = ctx;
    failed_starts_good(daemon->starts, LIFE_ENDS); /* No run is at fault. */
    if (!daemon->stopping && store_is_replaced(daemon->store)) {
        log_event(daemon->options->log, LOG_WARN,
                  "replaced: another daemon has taken over this database; this one starts again as"
                  " a standby",
                  LOG_FIELDS(log_err(err)));
        uint64_t led_ns = world_mono_ns(daemon->options->world) - daemon->led_from_ns;
        const struct restart restart = {.count = daemon->restarts,
                                        .led_ms = led_ns / (1000 * 1000),
                                        .files_soft = daemon->files,
                                        .umask = daemon->umask};
        err = restart_as_standby(&restart);
    }
    log_event(daemon->options->log, LOG_ERROR,
              "the daemon ends: its database was removed or taken over by another one, or the"
              " outcome of a commit is unknown; start it again",
              LOG_FIELDS(log_err(err)));
    _exit(err_exit_code(ERR_STORE_LOST));
}

static void store_damage_met(void *ctx) {
    struct daemon *daemon = ctx;
    notices_damage(&daemon->notices);
}

static void turn_slow(void *ctx, uint64_t cpu_ns) {
    struct daemon *daemon = ctx;
    log_event(daemon->options->log, LOG_WARN, "a turn of the loop took long",
              LOG_FIELDS(log_int("cpu_us", (int64_t)(cpu_ns / 1000))));
}

/* Nothing is delivered before the loop runs, and by then all rooms are open. */
static void run_note(void *ctx, struct bytes note) {
    struct daemon *daemon = ctx;
    struct run_row row;
    bool ours = run_note_read(note, &row);
    assert(ours); /* The engine wrote it, in this process. */
    on_demand_worked(&daemon->on_demand);
    work_run_note(daemon->work, &row);
    notifier_run_note(&daemon->notifier, &row);
}

static void inbox_note(void *ctx, struct bytes note) {
    struct daemon *daemon = ctx;
    on_demand_worked(&daemon->on_demand);
    work_inbox_note(daemon->work, note);
}

static void board_note(void *ctx, struct bytes note) {
    struct daemon *daemon = ctx;
    on_demand_worked(&daemon->on_demand);
    work_board_note(daemon->work, note);
}

static void prune_failed(void *ctx, struct err err) {
    struct daemon *daemon = ctx;
    log_event(daemon->options->log, LOG_WARN, "old events could not be removed",
              LOG_FIELDS(log_err(err)));
}

/* Whether the run goes on is asked with the request's own transaction (api/base/request.c). */
static bool run_token_check(const struct daemon *daemon, struct bytes text,
                            struct identity *ret_identity) {
    struct run_token token;
    if (!run_token_read(work_token_key(daemon->work), text, &token)) {
        return false;
    }
    *ret_identity = (struct identity){.scopes = SCOPE_READ | SCOPE_RUN, .by_run_token = true};
    memcpy(ret_identity->owner, token.owner, sizeof token.owner);
    memcpy(ret_identity->inside, token.run.text, sizeof ret_identity->inside);
    return true;
}

static bool token_check(void *ctx, struct bytes token, struct identity *ret_identity) {
    struct daemon *daemon = ctx;
    struct token_grant grant;
    if (run_token_is(token)) {
        return run_token_check(daemon, token, ret_identity);
    }
    if (!token_table_find(daemon->tokens, token, world_wall_ms(daemon->options->world), &grant)) {
        return false;
    }
    if (grant.use_due) {
        page_keys_use(&daemon->page_keys, grant.id);
    }
    *ret_identity = (struct identity){.origin = grant.origin[0] != '\0' ? grant.origin : NULL,
                                      .scopes = grant.scopes};
    memcpy(ret_identity->owner, grant.owner, strlen(grant.owner) + 1);
    memcpy(ret_identity->token, grant.id, strlen(grant.id) + 1);
    return true;
}

static void token_revoked(void *ctx, const char *id) {
    struct daemon *daemon = ctx;
    if (daemon->http != NULL) {
        http_revoke(daemon->http, id);
    }
}

static struct err pages_origin(void *ctx, enum page_place place, struct origin_text *ret_origin,
                               struct why *why) {
    struct daemon *daemon = ctx;
    return page_port_origin(&daemon->page_port, place, ret_origin, why);
}

static struct bytes public_origin(void *ctx) {
    const struct daemon *daemon = ctx;
    return connections_settings(work_providers_api(daemon->work)->connections)->public_url;
}

static void answer_failed(void *ctx, const struct exchange *exchange, struct err err,
                          const struct why *why) {
    struct daemon *daemon = ctx;
    uint64_t omitted = 0, now_ns = world_mono_ns(daemon->options->world);
    for (size_t i = 0; i < COUNT_OF(disk_codes); i++) {
        if (err.code == disk_codes[i] && !log_pace_take(&daemon->disk_paces[i], now_ns, &omitted)) {
            return;
        }
    }
    log_event(daemon->options->log, LOG_ERROR, "a request failed",
              LOG_FIELDS(log_bytes("method", exchange_method(exchange)),
                         log_bytes("target", exchange_target(exchange)),
                         log_text("detail", why != NULL ? why->text : NULL),
                         log_int("omitted", (int64_t)omitted), log_err(err)));
}

static struct err ready(void *ctx, struct why *why) {
    const struct daemon *daemon = ctx;
    if (!store_reachable(daemon->store)) {
        return err_why(why, ERR_STORE_DOWN, "PostgreSQL does not answer; drover goes on trying");
    }
    return work_ready(daemon->work, why);
}

/* Damage does not make the daemon unready: it serves the rows that are whole. */
static void status_write(void *ctx, struct text *text) {
    const struct daemon *daemon = ctx;
    const struct store *store = daemon->store;
    text_add_char(text, ',');
    failed_starts_write(daemon->starts, text);
    text_addf(text, ",\"damaged\":%u,\"missing\":%lld,\"missing_at_ms\":%lld,\"mark_errors\":%llu,",
              (unsigned)store_damaged(store), (long long)store_missing(store),
              (long long)store_missing_at_ms(store), (unsigned long long)store_mark_errors(store));
    work_status_write(daemon->work, text);
    text_add_char(text, ',');
    disk_watch_write(&daemon->disk, text);
    page_port_write(&daemon->page_port, text);
}

static void metrics_write(void *ctx, struct text *text) {
    const struct daemon *daemon = ctx;
    metrics_of_store(daemon->store, daemon->tokens, text);
    work_metrics(daemon->work, text);
    disk_watch_metrics(&daemon->disk, text);
}

static void child_ended(void *ctx, int pid, int status) {
    struct daemon *daemon = ctx;
    notifier_child_ended(&daemon->notifier, pid, status);
}

static bool work_is_stuck(void *ctx, struct why *ret_why) {
    const struct daemon *daemon = ctx;
    return err_failed(work_ready(daemon->work, ret_why));
}

static int64_t notices_stalled(void *ctx) {
    const struct daemon *daemon = ctx;
    return work_stalled(daemon->work);
}

/* Any thread. */
static enum http_inside client_inside(void *ctx, int pid, struct id *ret_run) {
    static const enum http_inside found[] = {[INSIDE_NO] = HTTP_OUTSIDE,
                                             [INSIDE_RUN] = HTTP_INSIDE_RUN,
                                             [INSIDE_UNKNOWN] = HTTP_INSIDE_UNKNOWN};
    const struct daemon *daemon = ctx;
    const struct inside_place place = {
        .spool = daemon->runs_api.spool, .proc = "/proc", .self = getpid()};
    return found[inside_find(&place, pid, ret_run)];
}

/* For routes that begin a run. */
static struct err room_for_run(void *ctx, struct why *why) {
    struct daemon *daemon = ctx;
    return disk_watch_room(&daemon->disk, why);
}

/* --- The end ---------------------------------------------------------------------------------- */

static void work_gone(void *ctx) {
    struct daemon *daemon = ctx;
    stop_signals_close(&daemon->signals);
    loop_stop(daemon->loop);
}

/* Last, since draining still answers requests. Processes go on; the next daemon adopts them. */
static void stop_work(struct daemon *daemon) {
    pulse_stop(&daemon->pulse); /* A daemon that drains still leads. */
    blobs_stop(daemon->blobs);
    work_stop(daemon->work, work_gone, daemon);
}

static void http_gone(void *ctx) {
    struct daemon *daemon = ctx;
    daemon->http = NULL;
    stop_work(daemon);
}

static void http_drained(struct http_server *server, void *ctx) {
    http_close(server, http_gone, ctx);
}

static void stop_begin(struct daemon *daemon) {
    if (daemon->stopping) {
        return;
    }
    daemon->stopping = true;
    timer_stop(daemon->loop, &daemon->lasted);
    on_demand_stop(&daemon->on_demand);
    failed_starts_good(daemon->starts, LIFE_ENDS);
    deletion_stop(&daemon->deletion);
    disk_watch_stop(&daemon->disk);
    page_keys_stop(&daemon->page_keys);
    notifier_stop(&daemon->notifier);
    pruner_stop(daemon->pruner);
    daemon->pruner = NULL;
    if (daemon->http != NULL) {
        http_drain(daemon->http, daemon->options->drain_ms, http_drained, daemon);
    } else {
        stop_work(daemon);
    }
}

static void stop_with(struct daemon *daemon, struct err err) {
    daemon->failure = err;
    stop_begin(daemon);
}

static void signal_came(void *ctx, int number) {
    struct daemon *daemon = ctx;
    if (daemon->stopping) {
        /* What was acknowledged is on disk; the rest was promised to nobody. */
        _exit(err_exit_code(ERR_INTERRUPTED));
    }
    log_event(daemon->options->log, LOG_INFO, "stopping", LOG_FIELDS(log_int("signal", number)));
    on_demand_forget(daemon->options);
    stop_begin(daemon);
}

static void idle_end(void *ctx) {
    stop_begin(ctx);
}

/* --- The beginning, on the loop --------------------------------------------------------------- */

static bool is_held(void *ctx) {
    const struct daemon *daemon = ctx;
    const struct dispatch *dispatch = daemon->runs_api.host.dispatch;
    return dispatch != NULL && dispatch_held(dispatch) == RUN_HELD;
}

static struct err http_begin(struct daemon *daemon) {
    const struct serve_options *options = daemon->options;
    struct providers_api *providers = work_providers_api(daemon->work);
    const struct resource_served served[] = {
        {&memory_handlers, &daemon->host},           {&project_handlers, &daemon->host},
        {&agent_handlers, &daemon->agents_api.host}, {&token_handlers, &daemon->tokens_api.host},
        {&delivery_handlers, &daemon->host},         {&host_handlers, &daemon->host},
        {&terminal_handlers, &daemon->host},         {&mail_handlers, &daemon->host},
        {&task_handlers, &daemon->tasks_api.host}};
    daemon->resource_routes = resource_routes_new(served, COUNT_OF(served));
    struct route_table tables[] = {
        resource_routes_table(daemon->resource_routes),
        request_routes(streams_routes, &daemon->streams_api.host),
        request_routes(runs_routes, &daemon->runs_api.host),
        request_routes(jobs_routes, &daemon->runs_api.host),
        request_routes(terminals_routes, &daemon->runs_api.host),
        request_routes(inbox_routes, &daemon->runs_api.host),
        request_routes(hold_routes, &daemon->runs_api.host),
        request_routes(sessions_routes, &daemon->sessions_api.host),
        request_routes(session_roots_routes, &daemon->sessions_api.host),
        request_routes(session_files_routes, &daemon->sessions_api.host),
        request_routes(folders_routes, &daemon->sessions_api.host),
        attachments_table(&daemon->sessions_api),
        request_routes(messages_routes, &daemon->sessions_api.host),
        request_routes(turns_routes, &daemon->turns_api.host),
        request_routes(approvals_routes, &daemon->turns_api.host),
        request_routes(tools_routes, &daemon->host),
        request_routes(workflow_runs_routes, &daemon->workflows_api.host),
        request_routes(workflows_routes, &daemon->workflows_api.host),
        request_routes(flows_routes, &daemon->flows_api.host),
        request_routes(memory_routes, &daemon->host),
        request_routes(task_routes, &daemon->tasks_api.host),
        request_routes(blame_routes, &daemon->changes_api.host),
        request_routes(changes_routes, &daemon->changes_api.host),
        request_routes(rewind_routes, &daemon->changes_api.host),
        request_routes(task_changes_routes, &daemon->changes_api.host),
        request_routes(tree_routes, &daemon->trees_api.host),
        request_routes(tree_apply_routes, &daemon->trees_api.host),
        request_routes(tree_removal_routes, &daemon->trees_api.host),
        request_routes(mail_routes, &daemon->sessions_api.host),
        request_routes(agents_routes, &daemon->agents_api.host),
        request_routes(usage_routes, &daemon->host),
        request_routes(providers_routes, &providers->host),
        request_routes(settings_routes, &providers->host),
        request_routes(budgets_routes, &daemon->runs_api.host),
        request_routes(hosts_routes, &daemon->runs_api.host),
        request_routes(names_routes, &daemon->host),
        request_routes(overview_routes, &daemon->host),
        request_routes(login_routes, &daemon->tokens_api.host),
        request_routes(log_routes, &daemon->system_api.host),
        request_routes(backup_routes, &daemon->system_api.host),
        request_routes(system_routes, &daemon->system_api.host)};
    struct http_options with = {.loop = daemon->loop,
                                .hub = daemon->hub,
                                .tables = tables,
                                .table_count = COUNT_OF(tables),
                                .fallback = &pages_route,
                                .fallback_ctx = &daemon->pages,
                                .limits = options->limits,
                                .version = DROVER_VERSION,
                                .epoch = store_epoch(daemon->store),
                                .allowed_hosts = options->allowed_hosts,
                                .allowed_origins = options->allowed_origins,
                                .insecure_loopback = options->insecure_loopback,
                                .ctx = daemon,
                                .ready = ready,
                                .status = status_write,
                                .check = token_check,
                                .public_origin = public_origin,
                                .room = room_for_run,
                                .inside = client_inside,
                                .held = is_held,
                                .metrics = metrics_write,
                                .failed = answer_failed};
    return http_open(&with, &daemon->http, &daemon->why);
}

/* The socket in the data directory, then what was asked for; `url` says where that is. A daemon on
 * demand opens no port that nobody asked for. A socket that was asked for is for its group too,
 * where the umask leaves it that: with a token. */
static struct err http_listen(struct daemon *daemon, char *url, size_t url_size,
                              uint16_t *ret_port) {
    const struct listen_address *listen = &daemon->options->listen;
    AUTO(mem_release) char *socket = datadir_path(daemon->options->data, "drover.sock");
    TRY(http_listen_unix(daemon->http, socket, 0600, &daemon->why));
    if (daemon->options->on_demand != NULL) {
        (void)snprintf(url, url_size, "unix:%s", socket); /* Cut at worst. */
        return ERR_OK;
    }
    if (listen->unix_socket) {
        (void)snprintf(url, url_size, "unix:%s", listen->path); /* Cut at worst. */
        return strcmp(listen->path, socket) == 0
                   ? ERR_OK
                   : http_listen_unix(daemon->http, listen->path, 0660, &daemon->why);
    }
    uint16_t port = 0;
    struct err err = http_listen_tcp(daemon->http, listen->host, listen->port, &port, &daemon->why);
    bool six = strchr(listen->host, ':') != NULL;
    (void)snprintf(url, url_size, "http://%s%s%s:%u", six ? "[" : "", listen->host, six ? "]" : "",
                   port); /* A host is short. */
    *ret_port = port;
    return err;
}

/* --- Where links of notices lead -------------------------------------------------------------- */

struct place {
    const struct daemon *daemon;
    struct origin_text origin; /* "": no browser reaches the daemon. */
};

static struct err place_write(struct tx *tx, void *ctx) {
    const struct place *place = ctx;
    return tx_inbox_set_place(
        tx, &(struct inbox_place){.origin = bytes_of(place->origin.text),
                                  .notify_after_ms = place->daemon->options->notify_after_ms});
}

/* After a failure links begin with the origin that was stored earlier. */
static void on_place_written(struct err err, void *ctx) {
    struct place *place = ctx;
    if (err_failed(err) && !place->daemon->stopping) {
        log_event(place->daemon->options->log, LOG_WARN, "the address of links could not be stored",
                  LOG_FIELDS(log_err(err)));
    }
    mem_free(place);
}

static void place_store(void *ctx) {
    const struct daemon *daemon = ctx;
    struct place *place = mem_new(sizeof *place);
    place->daemon = daemon;
    page_port_link(&daemon->page_port, &place->origin);
    dispatch_set_address(daemon->runs_api.host.dispatch, place->origin.text);
    store_write(daemon->store, place_write, on_place_written, place);
}

/* `port`: the one of --listen; 0: there is none. */
static void pages_start(struct daemon *daemon, uint16_t port) {
    const struct page_port_options of_port = {.serve = daemon->options,
                                              .http = daemon->http,
                                              .tokens = daemon->tokens,
                                              .connections =
                                                  work_providers_api(daemon->work)->connections,
                                              .bound = port,
                                              .listening = place_store,
                                              .ctx = daemon};
    const struct page_keys_options of_keys = {.loop = daemon->loop,
                                              .store = daemon->store,
                                              .table = daemon->tokens,
                                              .revoked = token_revoked,
                                              .ctx = daemon};
    page_port_start(&daemon->page_port, &of_port);
    page_keys_start(&daemon->page_keys, &of_keys);
}

static void serving_begin(struct daemon *daemon) {
    char url[SOCKET_PATH_MAX];
    uint16_t port = 0;
    struct err err = http_begin(daemon);
    err = err_failed(err) ? err : http_listen(daemon, url, sizeof url, &port);
    if (err_failed(err)) {
        stop_with(daemon, err);
        return;
    }
    pages_start(daemon, port);
    place_store(daemon); /* Before the first run that could owe a notice. */
    work_begin(daemon->work);
    notices_hold(&daemon->notices, daemon->starts);
    deletion_start(&daemon->deletion, daemon->loop, daemon->store, daemon->options->log);
    const struct notifier_options of_notifier = {.loop = daemon->loop,
                                                 .store = daemon->store,
                                                 .log = daemon->options->log,
                                                 .connections =
                                                     work_providers_api(daemon->work)->connections,
                                                 .after_ms = daemon->options->notify_after_ms,
                                                 .umask = daemon->umask,
                                                 .stuck = work_is_stuck,
                                                 .stalled = notices_stalled,
                                                 .ctx = daemon};
    notifier_start(&daemon->notifier, &of_notifier);
    disk_watch_start(&daemon->disk, &(struct disk_watch){.loop = daemon->loop,
                                                         .store = daemon->store,
                                                         .log = daemon->options->log,
                                                         .data = daemon->options->data,
                                                         .limit = daemon->options->max_bytes});
    struct pruner_options pruning = {
        .loop = daemon->loop, .store = daemon->store, .failed = prune_failed, .ctx = daemon};
    daemon->pruner = pruner_start(&pruning);
    log_event(daemon->options->log, LOG_INFO, "serving",
              LOG_FIELDS(log_text("url", url), log_text("version", DROVER_VERSION),
                         log_int("epoch", store_epoch(daemon->store))));
    const struct on_demand_options of_demand = {.serve = daemon->options,
                                                .loop = daemon->loop,
                                                .store = daemon->store,
                                                .http = daemon->http,
                                                .idle = idle_end,
                                                .ctx = daemon};
    on_demand_start(&daemon->on_demand, &of_demand);
    daemon->options->ready(daemon->options->ctx, url, token_table_count(daemon->tokens));
}

/* A key or a server that is away, or a daemon that a command needs for whatever else, holds nothing
 * up: what does need the model says so again. */
static struct err model_check(struct daemon *daemon) {
    const struct connections *connections = work_providers_api(daemon->work)->connections;
    struct why why = {.text = ""};
    bool may_come = false;
    struct err err = connections_check_option(connections, &may_come, &why);
    if (!err_failed(err)) {
        return ERR_OK;
    }
    if (may_come || daemon->options->on_demand != NULL) {
        log_event(daemon->options->log, LOG_WARN, "the provider of the default model is not there",
                  LOG_FIELDS(log_text("detail", why.text)));
        return ERR_OK;
    }
    daemon->why = why;
    return err;
}

static void home_known(void *ctx, struct err result) {
    struct daemon *daemon = ctx;
    result = err_failed(result) ? result : model_check(daemon);
    if (err_failed(result)) {
        stop_with(daemon, result);
    } else if (!daemon->stopping) {
        serving_begin(daemon);
    }
}

/* Nobody uses the table before all tokens are in it. */
static struct err tokens_read(struct tx *tx, void *ctx) {
    const struct daemon *daemon = ctx;
    return tx_token_load(tx, daemon->tokens);
}

static void tokens_loaded(struct err result, void *ctx) {
    struct daemon *daemon = ctx;
    if (err_failed(result)) {
        stop_with(daemon, result);
    } else if (!daemon->stopping) {
        work_come_home(daemon->work, home_known, daemon);
    }
}

/* --- The beginning, before the loop ----------------------------------------------------------- */

static void life_lasted(struct timer *timer) {
    struct daemon *daemon = CONTAINER_OF(timer, struct daemon, lasted);
    failed_starts_good(daemon->starts, LIFE_LASTED);
}

static struct err store_begin(struct daemon *daemon) {
    const struct serve_options *options = daemon->options;
    if (options->database != NULL) {
        struct err err = datadir_claim(options->data, &daemon->claim, &daemon->why);
        if (err_failed(err)) {
            return err;
        }
        /* Before the wait of a standby, so that there is no time without handlers. */
        stop_signals_open(&daemon->signals, daemon->loop, signal_came, daemon);
    }
    struct store_options with = {
        .where = options->database != NULL ? options->database : options->data,
        .executor = STORE_THREAD,
        .loop = daemon->loop,
        .world = options->world,
        .standby = options->database != NULL,
        .lost = store_lost,
        .damaged = store_damage_met,
        .rows_changed = followed_rows,
        .ctx = daemon,
        .notes[JOURNAL_NOTE] = {.deliver = hub_deliver, .flush = hub_flush, .ctx = daemon->hub},
        .notes[RUN_NOTE] = {.deliver = run_note, .ctx = daemon},
        .notes[INBOX_NOTE] = {.deliver = inbox_note, .ctx = daemon},
        .notes[BOARD_NOTE] = {.deliver = board_note, .ctx = daemon}};
    const struct standby_options of_standby = {
        .serve = options, .store = &with, .pulse = &daemon->pulse, .restarts = daemon->restarts};
    bool waited = false;
    struct err err = options->database != NULL
                         ? standby_open_store(&of_standby, &daemon->store, &waited, &daemon->why)
                         : store_open(&with, &daemon->store, &daemon->why);
    if (err.code == ERR_INTERRUPTED) {
        log_event(options->log, LOG_INFO,
                  waited ? "stopped while standing by" : "stopped while starting",
                  NULL /* no fields */);
    }
    if (err_failed(err)) {
        return err;
    }
    if (store_upgraded_from(daemon->store) != 0) {
        AUTO(mem_release) char *copy = store_upgrade_copy(with.where);
        log_event(options->log, LOG_INFO, "the database was upgraded",
                  LOG_FIELDS(log_int("from_schema", store_upgraded_from(daemon->store)),
                             log_text("copy", copy)));
    }
    daemon->led_from_ns = world_mono_ns(options->world);
    daemon->notices = (struct notices){.store = daemon->store, .log = options->log};
    hub_attach(daemon->hub, daemon->store);
    /* A life counts from when it leads: a standby is at no run. */
    err = failed_starts_open(options->data, options->starts_max, &daemon->starts);
    if (err_failed(err)) {
        log_event(options->log, LOG_WARN,
                  "a crash of this daemon will not be counted as a failed start",
                  LOG_FIELDS(log_err(err)));
    } else {
        daemon->fitted.hold = daemon->fitted.hold || failed_starts_hold(daemon->starts);
        timer_start(daemon->loop, &daemon->lasted, FAILED_START_MS, life_lasted);
    }
    struct work_options of_work = {.serve = options,
                                   .loop = daemon->loop,
                                   .store = daemon->store,
                                   .hub = daemon->hub,
                                   .chores = &daemon->deletion.chores,
                                   .child_ended = child_ended,
                                   .ctx = daemon,
                                   .files = daemon->files,
                                   .umask = daemon->umask,
                                   .starts = daemon->starts};
    const struct blobs_options of_blobs = {
        .loop = daemon->loop, .store = daemon->store, .data = options->data};
    err = blobs_open(&of_blobs, &daemon->blobs);
    return err_failed(err) ? err : work_open(&of_work, &daemon->work, &daemon->why);
}

static struct bytes shared_place(void *ctx) {
    const struct daemon *daemon = ctx;
    bool shared = daemon->options->database != NULL && daemon->runs_api.host.dispatch != NULL;
    return shared ? dispatch_options(daemon->runs_api.host.dispatch)->bounds.host
                  : (struct bytes){"", 0};
}

static struct err rooms_open(struct daemon *daemon) {
    const struct serve_options *options = daemon->options;
    struct loop_options with = {.world = options->world, .slow = turn_slow, .slow_ctx = daemon};
    struct err err = loop_open(&with, &daemon->loop);
    if (!err_failed(err)) { /* Before rooms that would have to be stopped by the loop. */
        err = pages_open(&daemon->pages, daemon->loop, options->web_dir, &daemon->why);
    }
    if (err_failed(err)) {
        return err;
    }
    static const struct snapshot_kind *const states[] = {&session_snapshot, &owner_snapshot,
                                                         &workflow_snapshot};
    struct hub_options hub_with = {.loop = daemon->loop,
                                   .snapshots = {.kinds = states,
                                                 .count = COUNT_OF(states),
                                                 .held = is_held,
                                                 .place = shared_place,
                                                 .ctx = daemon}};
    err = hub_open(&hub_with, &daemon->hub);
    if (!err_failed(err)) {
        err = store_begin(daemon);
    }
    if (err_failed(err)) {
        return err;
    }
    daemon->tokens = token_table_new();
    daemon->runs_api = work_api(daemon->work);
    daemon->tasks_api = work_tasks_api(daemon->work);
    daemon->changes_api = work_changes_api(daemon->work);
    daemon->trees_api = work_trees_api(daemon->work);
    daemon->host = daemon->runs_api.host;
    daemon->agents_api = (struct agents_api){.host = daemon->host,
                                             .home = work_home(),
                                             .config_dir = getenv("CLAUDE_CONFIG_DIR"),
                                             .rows = work_agents(daemon->work),
                                             .versions = work_agent_versions(daemon->work),
                                             .spool = daemon->runs_api.spool};
    daemon->log_feeds = log_feeds(&daemon->runs_api);
    daemon->streams_api =
        (struct streams){.host = daemon->host, .hub = daemon->hub, .feeds = &daemon->log_feeds};
    deletion_init(&daemon->deletion, daemon->blobs, daemon->runs_api.host.dispatch,
                  daemon->changes_api.points);
    daemon->turns_api = work_turns_api(daemon->work);
    daemon->workflows_api = work_workflows_api(daemon->work);
    daemon->flows_api = work_flows_api(daemon->work);
    daemon->sessions_api = (struct sessions_api){.host = daemon->host,
                                                 .blobs = daemon->blobs,
                                                 .chores = &daemon->deletion.chores,
                                                 .connections = daemon->turns_api.connections,
                                                 .data_dir = work_data_dir(daemon->work),
                                                 .home = work_home(),
                                                 .config_dir = getenv("CLAUDE_CONFIG_DIR"),
                                                 .agents = work_agents(daemon->work),
                                                 .attachment_max = (size_t)options->attachment_max};
    daemon->tokens_api = (struct tokens){.host = daemon->host,
                                         .table = daemon->tokens,
                                         .revoked = token_revoked,
                                         .origin = pages_origin,
                                         .ctx = daemon};
    daemon->system_api = (struct system_info){
        .host = daemon->host,
        .version = DROVER_VERSION,
        .database = options->database != NULL ? "postgres" : "sqlite",
        .on_demand = options->on_demand,
        .started_ms = world_wall_ms(options->world),
        .jobs_max = options->jobs_max,
        .connections_max = options->limits.connections_max,
        .data = work_data_dir(daemon->work),
        .where = options->database != NULL ? options->database : work_data_dir(daemon->work)};
    return ERR_OK;
}

static void rooms_close(struct daemon *daemon) {
    pulse_stop(&daemon->pulse);
    if (daemon->store != NULL) {
        store_close(daemon->store);
    }
    work_close(daemon->work);
    blobs_close(daemon->blobs);
    hub_close(daemon->hub);
    stop_signals_close(&daemon->signals);
    loop_close(daemon->loop);
    token_table_free(daemon->tokens);
    resource_routes_free(daemon->resource_routes);
    pages_close(&daemon->pages);
    notices_done(&daemon->notices);
    notifier_done(&daemon->notifier);
    failed_starts_close(daemon->starts);
    datadir_release(daemon->claim);
}

static void port_taken_why(const struct listen_address *listen, struct why *why) {
    const struct port_owner owner = port_owner_find(listen->port);
    struct why by = {.text = "another process"};
    if (owner.pid != 0) {
        why_set(&by, "%s (pid %d)", owner.name, owner.pid);
    }
    why_set(why,
            "port %u of %s is taken by %s; choose another with --listen, or port 0 for any that is"
            " free",
            listen->port, listen->host, by.text);
}

struct err daemon_run(const struct serve_options *options, struct why *why) {
    struct daemon *daemon = mem_new(sizeof *daemon);
    daemon->options = options;
    daemon->pages.folder = -1;
    daemon->restarts = restart_count_take();
    daemon->umask = options->on_demand != NULL ? umask_make_private() : 0;
    /* A client that left, or a file that may grow no further, is an error of write, not our end. */
    static const int ignored[] = {SIGPIPE, SIGXFSZ};
    for (size_t i = 0; i < COUNT_OF(ignored); i++) {
        struct sigaction action = {.sa_handler = SIG_IGN};
        int rc = sigaction(ignored[i], &action, NULL /* not restored */);
        assert(rc == 0);
    }
    struct err err = descriptors_share(options, &daemon->fitted, &daemon->files, &daemon->why);
    if (!err_failed(err)) {
        daemon->options = &daemon->fitted;
        err = rooms_open(daemon);
    }
    if (!err_failed(err)) {
        if (options->database == NULL) { /* Its lock leaves no doubt about who leads. */
            stop_signals_open(&daemon->signals, daemon->loop, signal_came, daemon);
        }
        store_read(daemon->store, tokens_read, tokens_loaded, daemon);
        loop_run(daemon->loop);
        err = daemon->failure;
    }
    if (err.code == ERR_ADDRESS_TAKEN) { /* A search of all processes is too long for the loop. */
        port_taken_why(&options->listen, &daemon->why);
    }
    if (err.code == ERR_INTERRUPTED) { /* As it was asked to. */
        err = ERR_OK;
    }
    rooms_close(daemon);
    *why = daemon->why;
    mem_free(daemon);
    return err;
}
