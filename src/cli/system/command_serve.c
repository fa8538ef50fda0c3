/* command_serve.c: drover serve. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/base/action.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/budget/limits.h"
#include "cli/system/serve_options.h"
#include "cli/terminal/plain.h"

/* A row of the settings: its name, the variable DROVER_… that may hold it, the word that stands for
 * its value in help, the bounds and the default of a number, and the sentence of help. `make docs`
 * writes docs/configuration.md from these rows. */
#define SETTING_SWITCH(name_, env_, ...)                                                           \
    OPTION_SWITCH(name_, 0, __VA_ARGS__, .env = "DROVER_" env_, .in_file = true)
#define SETTING_TEXT(name_, env_, value_, ...)                                                     \
    OPTION_TEXT(name_, 0, value_, __VA_ARGS__, .env = "DROVER_" env_, .in_file = true)
#define SETTING_NUMBER(kind_, name_, env_, value_, min_, max_, absent_, about_)                    \
    OPTION_NUMBER(kind_, name_, 0, value_, min_, max_, about_, .env = "DROVER_" env_,              \
                  .in_file = true, .absent = (absent_))
#define SETTING_INT(name_, env_, value_, min_, max_, absent_, about_)                              \
    SETTING_NUMBER(FLAG_INT, name_, env_, value_, min_, max_, absent_, about_)
#define SETTING_SIZE(name_, env_, min_, max_, absent_, about_)                                     \
    SETTING_NUMBER(FLAG_SIZE, name_, env_, "SIZE", min_, max_, absent_, about_)

/* Every setting of the daemon; config.h says where a value may come from. */
static const struct flag serve_flags[] = {
    SETTING_TEXT("data", "DATA", "DIR",
                 "Data directory; created if it is absent [$XDG_STATE_HOME/drover]."),
    SETTING_TEXT("listen", "LISTEN", "ADDRESS",
                 "Listen on HOST:PORT (0 picks a port) or unix:PATH, and on DIR/drover.sock.",
                 .absent = "127.0.0.1:7433"),
    SETTING_TEXT("database", "DATABASE", "URL",
                 "Use postgres://… instead of SQLite in the data directory."),
    OPTION_TEXT("config", 0, "FILE",
                "Read settings from this JSON file [DIR/config.json, if it exists].",
                .env = "DROVER_CONFIG"),
    SETTING_SWITCH("insecure-loopback", "INSECURE_LOOPBACK",
                   "Accept requests on loopback addresses without a token."),
    SETTING_SWITCH("allow-remote", "ALLOW_REMOTE",
                   "Permit listening on an address that other machines can reach."),
    SETTING_TEXT("allow-host", "ALLOW_HOST", "NAMES",
                 "Accept these further names in Host; commas between."),
    SETTING_TEXT("allow-origin", "ALLOW_ORIGIN", "ORIGINS",
                 "Let web pages of these origins use the API: https://drover.example."),
    SETTING_INT("max-connections", "MAX_CONNECTIONS", "N", 1, 1000000, "12000",
                "Accept at most N connections at a time."),
    SETTING_INT("max-per-address", "MAX_PER_ADDRESS", "N", 1, 1000000, "256",
                "Accept at most N connections from one remote address."),
    SETTING_INT("heartbeat", "HEARTBEAT", "SECONDS", 1, 3600, "15",
                "Send a heartbeat on silent streams this often."),
    SETTING_INT("drain", "DRAIN", "SECONDS", 0, 3600, "10",
                "Wait this long for requests in flight when stopping."),
    OPTION_TEXT("on-demand", 0, "COMMAND",
                "Serve DIR/drover.sock alone for COMMAND, and end when idle."),
    SETTING_INT("idle-exit", "IDLE_EXIT", "SECONDS", 0, 31536000, "900",
                "With --on-demand, end after this long without work; 0: never."),
    SETTING_SWITCH("hold", "HOLD", "Start and send nothing until 'drover release'."),
    SETTING_INT("hold-after", "HOLD_AFTER", "N", 0, 1000, "3",
                "Hold after N crashes in a row, each within a minute; 0: never."),
    SETTING_SWITCH("no-cgroups", "NO_CGROUPS", "Run jobs without cgroups of their own."),
    SETTING_INT("max-jobs", "MAX_JOBS", "N", 1, 100000, "1000",
                "Run at most N commands at a time; more wait."),
    SETTING_INT("host-timeout", "HOST_TIMEOUT", "SECONDS", 0, 31536000, "0",
                "Give up jobs of a host that is silent for this long; 0: never."),
    SETTING_INT("keep-runs", "KEEP_RUNS", "N", 0, 1000000000, "10000",
                "Keep at most N finished runs; 0: all."),
    SETTING_INT("keep-days", "KEEP_DAYS", "DAYS", 0, 36500, "30",
                "Keep finished runs for this many days; 0: for ever."),
    SETTING_SIZE("keep-bytes", "KEEP_BYTES", 0, INT64_MAX, "10G",
                 "Limit the disk space of finished runs; 0: no limit."),
    SETTING_INT("keep-worktrees", "KEEP_WORKTREES", "MINUTES", 0, 52560000, "60",
                "Keep unchanged working trees for this long after their last use; 0: for ever."),
    SETTING_SIZE("max-bytes", "MAX_BYTES", 0, INT64_MAX, "0",
                 "Refuse new runs when DIR has this size; 0: no limit."),
    SETTING_INT("notify-after", "NOTIFY_AFTER", "SECONDS", 0, 86400, "30",
                "Run notify_command for runs that failed or took this long."),
    SETTING_SIZE("attachment-max", "ATTACHMENT_MAX", 1 << 10, INT64_C(200) << 20, "20M",
                 "Refuse larger images in sessions."),
    SETTING_TEXT("webhook-allow", "WEBHOOK_ALLOW", "ADDRESSES",
                 "Let webhooks reach these private hosts, addresses or networks."),
    SETTING_TEXT("webhook-secret", "WEBHOOK_SECRET", "FILE",
                 "Sign webhooks with this file [DIR/webhook.key, created if absent]."),
    SETTING_INT("webhook-timeout", "WEBHOOK_TIMEOUT", "SECONDS", 1, 3600, "30",
                "Wait this long for the answer of a webhook."),
    SETTING_INT("webhook-wait", "WEBHOOK_WAIT", "MS", 1, 3600000, "1000",
                "Wait this long after a webhook's first failure; doubles each time."),
    SETTING_INT("webhook-wait-max", "WEBHOOK_WAIT_MAX", "MS", 1, 86400000, "300000",
                "Limit that wait."),
    SETTING_INT("webhook-wait-stalled", "WEBHOOK_WAIT_STALLED", "MS", 1, 86400000, "3600000",
                "Wait this long between tries after 20 failures."),
    SETTING_TEXT("model", "MODEL", "NAME",
                 "Use provider/model for sessions that name none [found by your keys].",
                 .max = 256),
    SETTING_INT("model-answer", "MODEL_ANSWER", "SECONDS", 1, 1800, "300",
                "Wait this long for the first byte of a model."),
    SETTING_INT("model-stall", "MODEL_STALL", "SECONDS", 1, 1800, "120",
                "Wait this long for more of a model's answer."),
    SETTING_INT("model-wait", "MODEL_WAIT", "MS", 30, 3600000, "15000",
                "Wait this long for a provider that stays away; doubles up to 20 times it."),
    SETTING_TEXT("script", "SCRIPT", "FILE",
                 "Read the answers of scripted/… from this file (docs/scripted.md)."),
    SETTING_TEXT("prices", "PRICES", "FILE",
                 "Read prices and windows of models from this file (docs/models.md)."),
    SETTING_TEXT("fetch-allow", "FETCH_ALLOW", "ADDRESSES",
                 "Let web_fetch and web_search reach these private hosts, addresses or networks."),
    SETTING_TEXT("search", "SEARCH", "ENGINE",
                 "Give agents web_search: searxng=URL, brave, tavily or provider (docs/tools.md)."),
    SETTING_TEXT("search-key-file", "SEARCH_KEY_FILE", "FILE",
                 "Read the key of the search engine from this file."),
    SETTING_INT("workflow-max-runs", "WORKFLOW_MAX_RUNS", "N", 0, 100000, "0",
                "Run at most N workflows and N flows; more wait; 0: any."),
    SETTING_TEXT("workflow-default-budget", "WORKFLOW_DEFAULT_BUDGET", "LIMITS",
                 "Limit workflows without a budget of their own: cost=2.50,agents=50."),
    SETTING_INT("agents", "AGENTS", "N", 1, 256, "16",
                "Run at most N agents of a workflow at once."),
    SETTING_INT("agent-stuck", "AGENT_STUCK", "SECONDS", 1, 86400, "330",
                "Retry an agent's call whose model is silent for this long, up to twice."),
    SETTING_INT(
        "flow-steps", "FLOW_STEPS", "N", 1, 500, "16",
        "Run at most N steps of a flow at once; those that wait for a person do not count."),
    SETTING_INT("flow-step-timeout", "FLOW_STEP_TIMEOUT", "SECONDS", 0, 31536000, "300",
                "Stop a step of a flow that shows no life this long; 0: never."),
    SETTING_INT("script-cpu", "SCRIPT_CPU", "MS", 10, 600000, "5000",
                "Stop a script that computes this long without waiting."),
    SETTING_SIZE("script-memory", "SCRIPT_MEMORY", 4 << 20, 1 << 30, "256M",
                 "Limit the memory of a script."),
    SETTING_INT("workers-max", "WORKERS_MAX", "N", 1, 4000, "500",
                "Keep at most N script processes; above it, evict idle ones."),
    SETTING_TEXT("web-dir", "WEB_DIR", "DIR",
                 "Serve the web pages of this folder instead, to develop them (web/README.md)."),
    SETTING_TEXT("log", "LOG", "LEVEL", "Log this level and above on stderr.",
                 .choices = "debug|info|warn|error", .absent = "info"),
    OPTION_END,
};

enum { NAMES_MAX = 16, BUDGET_MAX = 4096, HOST_TIMEOUT_MIN_S = 30 };

/* "a,b,c" as a list that ends with NULL. */
struct names {
    char *text; /* Owned: cut at the commas. */
    const char *list[NAMES_MAX + 1];
};

static void names_done(struct names *names) {
    mem_free(names->text);
}

static struct err names_read(const struct args *args, const char *flag, struct names *names,
                             struct why *why) {
    const char *given = args_text(args, flag);
    size_t count = 0;
    names->text = given != NULL ? mem_copy(given, strlen(given)) : NULL;
    for (char *at = names->text, *comma = NULL; at != NULL; at = comma) {
        comma = strchr(at, ',');
        if (comma != NULL) {
            *comma++ = '\0';
        }
        if (at[0] == '\0' || count == NAMES_MAX) {
            return err_why(why, ERR_CONFIG, "%s: 1 to %d names with commas between", flag,
                           NAMES_MAX);
        }
        names->list[count++] = at;
    }
    return ERR_OK;
}

struct serving {
    struct invocation *invocation;
    struct log log;
};

static void unknown_warn(void *ctx, const char *name, const char *nearest) {
    struct serving *serving = ctx;
    if (nearest != NULL) {
        log_event(&serving->log, LOG_WARN, "an environment variable is not known; a mistyped name?",
                  LOG_FIELDS(log_text("name", name), log_text("did_you_mean", nearest)));
    } else {
        log_event(&serving->log, LOG_WARN, "an environment variable is not known",
                  LOG_FIELDS(log_text("name", name)));
    }
}

/* Ends the ready line for a person, who needs another terminal for it. */
static void page_hint_print(const struct args *args) {
    fputs("; 'drover open", stdout);
    if (args_given(args, "data")) {
        fputs(" --data ", stdout);
        plain_print_line(args_text(args, "data"));
    }
    fputs("' shows it in a browser", stdout);
}

/* Here and not before: a start that is refused says why in one sentence, and nothing else. */
static void ready_print(void *ctx, const char *url, size_t tokens) {
    struct serving *serving = ctx;
    const struct invocation *invocation = serving->invocation;
    const bool is_http = strncmp(url, "http", 4) == 0;
    config_env_unknown(invocation->commands, &invocation->env, unknown_warn, serving);
    if (!args_given(&invocation->args, "on-demand")) { /* Stdout is the log then. */
        printf("drover ready at %s", url);
        if (is_http && isatty(STDOUT_FILENO)) { /* Programs read the line without more. */
            page_hint_print(&invocation->args);
        }
        puts("");
        fflush(stdout);
    }
    if (tokens == 0 && isatty(STDERR_FILENO) && is_http &&
        !args_on(&invocation->args, "insecure-loopback")) {
        plain_note("TCP needs a token, and there is none yet; 'drover token create' makes "
                   "one over the socket.\n");
    }
}

static int64_t wall_clock(void *ctx) {
    return world_wall_ms(ctx);
}

/* The settings that are taken as they were given. */
static struct serve_options options_of(const struct args *args) {
    return (struct serve_options){
        .data = args_text(args, "data"),
        .config = args_text(args, "config"),
        .database = args_text(args, "database"),
        .listen_given = args_given(args, "listen"),
        .insecure_loopback = args_on(args, "insecure-loopback"),
        .drain_ms = (unsigned)args_int(args, "drain", 0) * 1000,
        .limits = {.connections_max = (size_t)args_int(args, "max-connections", 0),
                   .per_address_max = (unsigned)args_int(args, "max-per-address", 0),
                   .heartbeat_ms = (unsigned)args_int(args, "heartbeat", 0) * 1000},
        .on_demand = args_text(args, "on-demand"),
        .idle_exit_ms = (uint64_t)args_int(args, "idle-exit", 0) * 1000,
        .hold = args_on(args, "hold"),
        .starts_max = (uint32_t)args_int(args, "hold-after", 0),
        .no_cgroups = args_on(args, "no-cgroups"),
        .jobs_max = args_int(args, "max-jobs", 0),
        .host_timeout_ms = args_int(args, "host-timeout", 0) * 1000,
        .keep_runs = args_int(args, "keep-runs", 0),
        .keep_days = args_int(args, "keep-days", 0),
        .keep_bytes = args_int(args, "keep-bytes", 0),
        .keep_worktrees_ms = args_int(args, "keep-worktrees", 0) * 60 * 1000,
        .max_bytes = args_int(args, "max-bytes", 0),
        .notify_after_ms = args_int(args, "notify-after", 0) * 1000,
        .attachment_max = args_int(args, "attachment-max", 0),
        .webhook_allow = args_text(args, "webhook-allow"),
        .webhook_secret = args_text(args, "webhook-secret"),
        .webhook_timeout_ms = (uint64_t)args_int(args, "webhook-timeout", 0) * 1000,
        .webhook_first_ms = args_int(args, "webhook-wait", 0),
        .webhook_max_ms = args_int(args, "webhook-wait-max", 0),
        .webhook_stalled_ms = args_int(args, "webhook-wait-stalled", 0),
        .workflows_max = args_int(args, "workflow-max-runs", 0),
        .agents = args_int(args, "agents", 0),
        .agent_stuck_ms = args_int(args, "agent-stuck", 0) * 1000,
        .flow_steps = args_int(args, "flow-steps", 0),
        .flow_step_ms = args_int(args, "flow-step-timeout", 0) * 1000,
        .script_cpu_ms = args_int(args, "script-cpu", 0),
        .script_memory = args_int(args, "script-memory", 0),
        .workers_max = args_int(args, "workers-max", 0),
        .model = args_text(args, "model"),
        .model_answer_ms = (uint64_t)args_int(args, "model-answer", 0) * 1000,
        .model_stall_ms = (uint64_t)args_int(args, "model-stall", 0) * 1000,
        .model_wait_ms = (uint64_t)args_int(args, "model-wait", 0),
        .script = args_text(args, "script"),
        .price_file = args_text(args, "prices"),
        .search = args_text(args, "search"),
        .search_key_file = args_text(args, "search-key-file"),
        .fetch_allow = args_text(args, "fetch-allow"),
        .web_dir = args_text(args, "web-dir"),
    };
}

/* The settings that can be wrong in other ways than their rows say. *budget: the JSON of the budget
 * that workflows get; empty: none. */
static struct err settings_check(const struct args *args, struct serve_options *options,
                                 struct text *budget, struct why *why) {
    TRY(listen_parse(args_text(args, "listen"), &options->listen, why));
    if (!options->listen.loopback && !args_on(args, "allow-remote")) {
        return err_why(
            why, ERR_CONFIG,
            "listen: %s is reachable from other machines, and drover speaks no TLS; put a "
            "proxy with TLS in front and listen on loopback, or say --allow-remote",
            args_text(args, "listen"));
    }
    const char *words = args_text(args, "workflow-default-budget");
    struct why inner = {""};
    text_init(budget, BUDGET_MAX);
    if (words != NULL && words[0] != '\0' && err_failed(budget_words_list(budget, words, &inner))) {
        return err_why(why, ERR_CONFIG, "workflow-default-budget: %s", inner.text);
    }
    options->workflow_budget = budget->data;
    if (options->host_timeout_ms != 0 && options->host_timeout_ms < HOST_TIMEOUT_MIN_S * 1000) {
        return err_why(
            why, ERR_CONFIG,
            "host-timeout: at least %d seconds, or 0 for none: a host gives a sign of life"
            " every 10 seconds, and one that lives must not lose its jobs",
            HOST_TIMEOUT_MIN_S);
    }
    return ERR_OK;
}

static struct err serve_command(struct invocation *invocation) {
    AUTO(config_done) struct config config;
    AUTO(names_done) struct names hosts = {.text = NULL}, origins = {.text = NULL};
    AUTO(text_done) struct text budget = {0};
    const struct args *args = &invocation->args;
    struct serving serving = {.invocation = invocation};
    config_init(&config);
    TRY(config_load(&config, &invocation->args, &invocation->env, invocation->world,
                    &invocation->why));
    TRY(names_read(args, "allow-host", &hosts, &invocation->why));
    TRY(names_read(args, "allow-origin", &origins, &invocation->why));
    enum log_level level = LOG_INFO;
    bool known = log_level_parse(bytes_of(args_text(args, "log")), &level);
    assert(known); /* The table lists the choices. */
    log_init(&serving.log, STDERR_FILENO, level, wall_clock, (void *)(uintptr_t)invocation->world);
    struct serve_options options = options_of(args);
    options.allowed_hosts = hosts.list;
    options.allowed_origins = origins.list;
    options.world = invocation->world;
    options.log = &serving.log;
    options.ready = ready_print;
    options.ctx = &serving;
    TRY(settings_check(args, &options, &budget, &invocation->why));
    return invocation->serve(&options, &invocation->why);
}

const struct command command_serve = {
    COMMAND(NULL, "serve", NULL, "Run the daemon in the foreground."),
    HELP(DAEMON, "drover serve\n"
                 "drover serve --data ~/.drover --listen 127.0.0.1:7433 --max-jobs 50\n"),
    .flags = serve_flags,
    .about = "Each setting comes from the flag, else the environment variable, else the\n"
             "configuration file, else the default. The file is one JSON object whose keys are\n"
             "flag names, with _ for -.\n",
    .run = serve_command,
};
