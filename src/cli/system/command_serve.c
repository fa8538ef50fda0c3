/* command_serve.c: drover serve. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/budget/limits.h"
#include "cli/system/serve_options.h"

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
                 "Data directory; made if it is absent [$XDG_STATE_HOME/drover]."),
    SETTING_TEXT("listen", "LISTEN", "ADDRESS",
                 "HOST:PORT (0 picks one) or unix:PATH, beside DIR/drover.sock.",
                 .absent = "127.0.0.1:7433"),
    SETTING_TEXT("database", "DATABASE", "URL",
                 "postgres://…; without it, SQLite in the data directory."),
    OPTION_TEXT("config", 0, "FILE", "Settings as JSON [DIR/config.json, if it exists].",
                .env = "DROVER_CONFIG"),
    SETTING_SWITCH("insecure-loopback", "INSECURE_LOOPBACK",
                   "Want no token on loopback addresses."),
    SETTING_SWITCH("allow-remote", "ALLOW_REMOTE",
                   "Listen on an address that other machines reach."),
    SETTING_TEXT("allow-host", "ALLOW_HOST", "NAMES",
                 "Further names in Host that are ours, with commas between."),
    SETTING_TEXT("allow-origin", "ALLOW_ORIGIN", "ORIGINS",
                 "Further origins of web pages that may use the API, as https://drover.example."),
    SETTING_INT("max-connections", "MAX_CONNECTIONS", "N", 1, 1000000, "12000",
                "Connections at a time."),
    SETTING_INT("max-per-address", "MAX_PER_ADDRESS", "N", 1, 1000000, "256",
                "Connections of one remote address at a time."),
    SETTING_INT("heartbeat", "HEARTBEAT", "SECONDS", 1, 3600, "15",
                "A sign of life on streams that are silent."),
    SETTING_INT("drain", "DRAIN", "SECONDS", 0, 3600, "10",
                "How long a stop waits for what is in flight."),
    SETTING_SWITCH("hold", "HOLD", "Begin and send nothing until 'drover release'."),
    SETTING_INT("hold-after", "HOLD_AFTER", "N", 0, 1000, "3",
                "Hold after N crashes in a row within a minute of a start; 0: never."),
    SETTING_SWITCH("no-cgroups", "NO_CGROUPS", "Give no job a cgroup of its own."),
    SETTING_INT("max-jobs", "MAX_JOBS", "N", 1, 100000, "1000", "Commands at a time; more wait."),
    SETTING_INT("host-timeout", "HOST_TIMEOUT", "SECONDS", 0, 31536000, "0",
                "After so long without a sign of life, jobs of another host are lost."),
    SETTING_INT("keep-runs", "KEEP_RUNS", "N", 0, 1000000000, "10000",
                "Runs that are kept after their end; 0 keeps any number."),
    SETTING_INT("keep-days", "KEEP_DAYS", "DAYS", 0, 36500, "30",
                "How long they are kept; 0 keeps them for ever."),
    SETTING_SIZE("keep-bytes", "KEEP_BYTES", 0, INT64_MAX, "10G",
                 "What they may take on the disk, all together; 0: any size."),
    SETTING_SIZE("max-bytes", "MAX_BYTES", 0, INT64_MAX, "0",
                 "Size of the data directory at which no new run is taken; 0: any size."),
    SETTING_INT("notify-after", "NOTIFY_AFTER", "SECONDS", 0, 86400, "30",
                "notify_command tells of the end of runs that took as long, or failed."),
    SETTING_SIZE("attachment-max", "ATTACHMENT_MAX", 1 << 10, INT64_C(200) << 20, "20M",
                 "The largest image that a session takes."),
    SETTING_TEXT("webhook-allow", "WEBHOOK_ALLOW", "ADDRESSES",
                 "Private hosts, addresses or networks that webhooks may reach."),
    SETTING_TEXT("webhook-secret", "WEBHOOK_SECRET", "FILE",
                 "What signs webhooks [DIR/webhook.key; made if it is absent]."),
    SETTING_INT("webhook-timeout", "WEBHOOK_TIMEOUT", "SECONDS", 1, 3600, "30",
                "How long a webhook may take to answer."),
    SETTING_INT("webhook-wait", "WEBHOOK_WAIT", "MS", 1, 3600000, "1000",
                "The wait after a first failure; it doubles."),
    SETTING_INT("webhook-wait-max", "WEBHOOK_WAIT_MAX", "MS", 1, 86400000, "300000",
                "The longest of those waits."),
    SETTING_INT("webhook-wait-stalled", "WEBHOOK_WAIT_STALLED", "MS", 1, 86400000, "3600000",
                "The wait between tries after 20 failures."),
    SETTING_TEXT("model", "MODEL", "NAME",
                 "provider/model for sessions that name none [found by the keys that are there].",
                 .max = 256),
    SETTING_INT("model-answer", "MODEL_ANSWER", "SECONDS", 1, 1800, "300",
                "How long a model may take to its first byte."),
    SETTING_INT("model-stall", "MODEL_STALL", "SECONDS", 1, 1800, "120",
                "How long a model may be silent within its answer."),
    SETTING_TEXT("script", "SCRIPT", "FILE", "What scripted/… answers (docs/scripted.md)."),
    SETTING_TEXT("prices", "PRICES", "FILE", "Prices and windows of models (docs/models.md)."),
    SETTING_TEXT("fetch-allow", "FETCH_ALLOW", "ADDRESSES",
                 "Private hosts, addresses or networks that web_fetch may reach."),
    SETTING_INT("workflow-max-runs", "WORKFLOW_MAX_RUNS", "N", 0, 100000, "0",
                "Workflows at a time, others wait in line; 0: any number."),
    SETTING_TEXT("workflow-default-budget", "WORKFLOW_DEFAULT_BUDGET", "LIMITS",
                 "Of workflows that are given no budget: cost=2.50,agents=50."),
    SETTING_INT("agents", "AGENTS", "N", 0, 256, "0",
                "Agents of one workflow at a time; 0: by the processors, 2 to 16."),
    SETTING_INT("agent-stuck", "AGENT_STUCK", "SECONDS", 1, 86400, "180",
                "How long an agent's model may be silent; twice it begins anew."),
    SETTING_INT("script-cpu", "SCRIPT_CPU", "MS", 10, 600000, "5000",
                "How long a script may compute without waiting for anything."),
    SETTING_SIZE("script-memory", "SCRIPT_MEMORY", 4 << 20, 1 << 30, "256M",
                 "What a script may use of memory."),
    SETTING_INT("workers-max", "WORKERS_MAX", "N", 1, 4000, "500",
                "Processes of scripts; beyond it, those that only wait are ended."),
    SETTING_TEXT("log", "LOG", "LEVEL", "What is told on stderr.",
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

/* Here and not before: a start that is refused says why in one sentence, and nothing else. */
static void ready_print(void *ctx, const char *url, size_t tokens) {
    struct serving *serving = ctx;
    const struct invocation *invocation = serving->invocation;
    config_env_unknown(invocation->commands, &invocation->env, unknown_warn, serving);
    printf("drover ready at %s\n", url);
    fflush(stdout);
    if (tokens == 0 && isatty(STDERR_FILENO) && strncmp(url, "http", 4) == 0 &&
        !args_on(&invocation->args, "insecure-loopback")) {
        fprintf(stderr, "TCP needs a token, and there is none yet; 'drover token create' makes "
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
        .insecure_loopback = args_on(args, "insecure-loopback"),
        .drain_ms = (unsigned)args_int(args, "drain", 0) * 1000,
        .limits = {.connections_max = (size_t)args_int(args, "max-connections", 0),
                   .per_address_max = (unsigned)args_int(args, "max-per-address", 0),
                   .heartbeat_ms = (unsigned)args_int(args, "heartbeat", 0) * 1000},
        .hold = args_on(args, "hold"),
        .starts_max = (uint32_t)args_int(args, "hold-after", 0),
        .no_cgroups = args_on(args, "no-cgroups"),
        .jobs_max = args_int(args, "max-jobs", 0),
        .host_timeout_ms = args_int(args, "host-timeout", 0) * 1000,
        .keep_runs = args_int(args, "keep-runs", 0),
        .keep_days = args_int(args, "keep-days", 0),
        .keep_bytes = args_int(args, "keep-bytes", 0),
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
        .script_cpu_ms = args_int(args, "script-cpu", 0),
        .script_memory = args_int(args, "script-memory", 0),
        .workers_max = args_int(args, "workers-max", 0),
        .model = args_text(args, "model"),
        .model_answer_ms = (uint64_t)args_int(args, "model-answer", 0) * 1000,
        .model_stall_ms = (uint64_t)args_int(args, "model-stall", 0) * 1000,
        .script = args_text(args, "script"),
        .price_file = args_text(args, "prices"),
        .fetch_allow = args_text(args, "fetch-allow"),
    };
}

/* The settings that can be wrong in other ways than their rows say. *budget: the JSON of the budget
 * that workflows get; empty: none. */
static struct err settings_check(const struct args *args, struct serve_options *options,
                                 struct text *budget, struct why *why) {
    struct err err = listen_parse(args_text(args, "listen"), &options->listen, why);
    if (err_failed(err)) {
        return err;
    }
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
    struct err err = config_load(&config, &invocation->args, &invocation->env, invocation->world,
                                 &invocation->why);
    if (!err_failed(err)) {
        err = names_read(args, "allow-host", &hosts, &invocation->why);
    }
    if (!err_failed(err)) {
        err = names_read(args, "allow-origin", &origins, &invocation->why);
    }
    if (err_failed(err)) {
        return err;
    }
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
    err = settings_check(args, &options, &budget, &invocation->why);
    return err_failed(err) ? err : invocation->serve(&options, &invocation->why);
}

const struct command command_serve = {
    .name = "serve",
    .summary = "Run the daemon.",
    .flags = serve_flags,
    .about = "A setting is taken from the flag, else the environment, else the configuration file\n"
             "(one JSON object; keys are the flags' names with _ for -), else the default.\n",
    .run = serve_command,
};
