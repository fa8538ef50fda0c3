/* command_serve.c: drover serve. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/budget/limits.h"
#include "cli/system/serve_options.h"

/* Every setting of the daemon; config.h says where a value may come from. */
static const struct flag serve_flags[] = {
    {.name = "data",
     .kind = FLAG_TEXT,
     .value = "DIR",
     .about = "Data directory; made if it is absent [$XDG_STATE_HOME/drover].",
     .env = "DROVER_DATA",
     .in_file = true},
    {.name = "listen",
     .kind = FLAG_TEXT,
     .value = "ADDRESS",
     .about = "HOST:PORT (0 picks one) or unix:PATH, beside DIR/drover.sock.",
     .env = "DROVER_LISTEN",
     .in_file = true,
     .absent = "127.0.0.1:7433"},
    {.name = "database",
     .kind = FLAG_TEXT,
     .value = "URL",
     .about = "postgres://…; without it, SQLite in the data directory.",
     .env = "DROVER_DATABASE",
     .in_file = true},
    {.name = "config",
     .kind = FLAG_TEXT,
     .value = "FILE",
     .about = "Settings as JSON [DIR/config.json, if it exists].",
     .env = "DROVER_CONFIG"},
    {.name = "insecure-loopback",
     .kind = FLAG_SWITCH,
     .about = "Want no token on loopback addresses.",
     .env = "DROVER_INSECURE_LOOPBACK",
     .in_file = true},
    {.name = "allow-remote",
     .kind = FLAG_SWITCH,
     .about = "Listen on an address that other machines reach.",
     .env = "DROVER_ALLOW_REMOTE",
     .in_file = true},
    {.name = "allow-host",
     .kind = FLAG_TEXT,
     .value = "NAMES",
     .about = "Further names in Host that are ours, with commas between.",
     .env = "DROVER_ALLOW_HOST",
     .in_file = true},
    {.name = "allow-origin",
     .kind = FLAG_TEXT,
     .value = "ORIGINS",
     .about = "Further origins of web pages that may use the API, as https://drover.example.",
     .env = "DROVER_ALLOW_ORIGIN",
     .in_file = true},
    {.name = "max-connections",
     .kind = FLAG_INT,
     .value = "N",
     .about = "Connections at a time.",
     .min = 1,
     .max = 1000000,
     .env = "DROVER_MAX_CONNECTIONS",
     .in_file = true,
     .absent = "12000"},
    {.name = "max-per-address",
     .kind = FLAG_INT,
     .value = "N",
     .about = "Connections of one remote address at a time.",
     .min = 1,
     .max = 1000000,
     .env = "DROVER_MAX_PER_ADDRESS",
     .in_file = true,
     .absent = "256"},
    {.name = "heartbeat",
     .kind = FLAG_INT,
     .value = "SECONDS",
     .about = "A sign of life on streams that are silent.",
     .min = 1,
     .max = 3600,
     .env = "DROVER_HEARTBEAT",
     .in_file = true,
     .absent = "15"},
    {.name = "drain",
     .kind = FLAG_INT,
     .value = "SECONDS",
     .about = "How long a stop waits for what is in flight.",
     .min = 0,
     .max = 3600,
     .env = "DROVER_DRAIN",
     .in_file = true,
     .absent = "10"},
    {.name = "hold",
     .kind = FLAG_SWITCH,
     .about = "Begin and send nothing until 'drover release'.",
     .env = "DROVER_HOLD",
     .in_file = true},
    {.name = "hold-after",
     .kind = FLAG_INT,
     .value = "N",
     .about = "Hold after N crashes in a row within a minute of a start; 0: never.",
     .min = 0,
     .max = 1000,
     .env = "DROVER_HOLD_AFTER",
     .in_file = true,
     .absent = "3"},
    {.name = "no-cgroups",
     .kind = FLAG_SWITCH,
     .about = "Give no job a cgroup of its own.",
     .env = "DROVER_NO_CGROUPS",
     .in_file = true},
    {.name = "max-jobs",
     .kind = FLAG_INT,
     .value = "N",
     .about = "Commands at a time; more wait.",
     .min = 1,
     .max = 100000,
     .env = "DROVER_MAX_JOBS",
     .in_file = true,
     .absent = "1000"},
    {.name = "host-timeout",
     .kind = FLAG_INT,
     .value = "SECONDS",
     .about = "After so long without a sign of life, jobs of another host are lost.",
     .min = 0,
     .max = 31536000,
     .env = "DROVER_HOST_TIMEOUT",
     .in_file = true,
     .absent = "0"},
    {.name = "keep-runs",
     .kind = FLAG_INT,
     .value = "N",
     .about = "Runs that are kept after their end; 0 keeps any number.",
     .min = 0,
     .max = 1000000000,
     .env = "DROVER_KEEP_RUNS",
     .in_file = true,
     .absent = "10000"},
    {.name = "keep-days",
     .kind = FLAG_INT,
     .value = "DAYS",
     .about = "How long they are kept; 0 keeps them for ever.",
     .min = 0,
     .max = 36500,
     .env = "DROVER_KEEP_DAYS",
     .in_file = true,
     .absent = "30"},
    {.name = "keep-bytes",
     .kind = FLAG_SIZE,
     .value = "SIZE",
     .about = "What they may take on the disk, all together; 0: any size.",
     .min = 0,
     .max = INT64_MAX,
     .env = "DROVER_KEEP_BYTES",
     .in_file = true,
     .absent = "10G"},
    {.name = "attachment-max",
     .kind = FLAG_SIZE,
     .value = "SIZE",
     .about = "The largest image that a session takes.",
     .min = 1 << 10,
     .max = INT64_C(200) << 20,
     .env = "DROVER_ATTACHMENT_MAX",
     .in_file = true,
     .absent = "20M"},
    {.name = "webhook-allow",
     .kind = FLAG_TEXT,
     .value = "ADDRESSES",
     .about = "Private hosts, addresses or networks that webhooks may reach.",
     .env = "DROVER_WEBHOOK_ALLOW",
     .in_file = true},
    {.name = "webhook-secret",
     .kind = FLAG_TEXT,
     .value = "FILE",
     .about = "What signs webhooks [DIR/webhook.key; made if it is absent].",
     .env = "DROVER_WEBHOOK_SECRET",
     .in_file = true},
    {.name = "webhook-timeout",
     .kind = FLAG_INT,
     .value = "SECONDS",
     .about = "How long a webhook may take to answer.",
     .min = 1,
     .max = 3600,
     .env = "DROVER_WEBHOOK_TIMEOUT",
     .in_file = true,
     .absent = "30"},
    {.name = "webhook-wait",
     .kind = FLAG_INT,
     .value = "MS",
     .about = "The wait after a first failure; it doubles.",
     .min = 1,
     .max = 3600000,
     .env = "DROVER_WEBHOOK_WAIT",
     .in_file = true,
     .absent = "1000"},
    {.name = "webhook-wait-max",
     .kind = FLAG_INT,
     .value = "MS",
     .about = "The longest of those waits.",
     .min = 1,
     .max = 86400000,
     .env = "DROVER_WEBHOOK_WAIT_MAX",
     .in_file = true,
     .absent = "300000"},
    {.name = "webhook-wait-stalled",
     .kind = FLAG_INT,
     .value = "MS",
     .about = "The wait between tries after 20 failures.",
     .min = 1,
     .max = 86400000,
     .env = "DROVER_WEBHOOK_WAIT_STALLED",
     .in_file = true,
     .absent = "3600000"},
    {.name = "model",
     .kind = FLAG_TEXT,
     .value = "NAME",
     .about = "provider/model for sessions that name none [found by the keys that are there].",
     .max = 256,
     .env = "DROVER_MODEL",
     .in_file = true},
    {.name = "model-answer",
     .kind = FLAG_INT,
     .value = "SECONDS",
     .about = "How long a model may take to its first byte.",
     .min = 1,
     .max = 1800,
     .env = "DROVER_MODEL_ANSWER",
     .in_file = true,
     .absent = "300"},
    {.name = "model-stall",
     .kind = FLAG_INT,
     .value = "SECONDS",
     .about = "How long a model may be silent within its answer.",
     .min = 1,
     .max = 1800,
     .env = "DROVER_MODEL_STALL",
     .in_file = true,
     .absent = "120"},
    {.name = "script",
     .kind = FLAG_TEXT,
     .value = "FILE",
     .about = "What scripted/… answers (docs/scripted.md).",
     .env = "DROVER_SCRIPT",
     .in_file = true},
    {.name = "prices",
     .kind = FLAG_TEXT,
     .value = "FILE",
     .about = "Prices and windows of models (docs/models.md).",
     .env = "DROVER_PRICES",
     .in_file = true},
    {.name = "fetch-allow",
     .kind = FLAG_TEXT,
     .value = "ADDRESSES",
     .about = "Private hosts, addresses or networks that web_fetch may reach.",
     .env = "DROVER_FETCH_ALLOW",
     .in_file = true},
    {.name = "workflow-max-runs",
     .kind = FLAG_INT,
     .value = "N",
     .about = "Workflows at a time, others wait in line; 0: any number.",
     .min = 0,
     .max = 100000,
     .env = "DROVER_WORKFLOW_MAX_RUNS",
     .in_file = true,
     .absent = "0"},
    {.name = "workflow-default-budget",
     .kind = FLAG_TEXT,
     .value = "LIMITS",
     .about = "Of workflows that are given no budget: cost=2.50,agents=50.",
     .env = "DROVER_WORKFLOW_DEFAULT_BUDGET",
     .in_file = true},
    {.name = "agents",
     .kind = FLAG_INT,
     .value = "N",
     .about = "Agents of one workflow at a time; 0: by the processors, 2 to 16.",
     .min = 0,
     .max = 256,
     .env = "DROVER_AGENTS",
     .in_file = true,
     .absent = "0"},
    {.name = "agent-stuck",
     .kind = FLAG_INT,
     .value = "SECONDS",
     .about = "How long an agent's model may be silent; twice it begins anew.",
     .min = 1,
     .max = 86400,
     .env = "DROVER_AGENT_STUCK",
     .in_file = true,
     .absent = "180"},
    {.name = "script-cpu",
     .kind = FLAG_INT,
     .value = "MS",
     .about = "How long a script may compute without waiting for anything.",
     .min = 10,
     .max = 600000,
     .env = "DROVER_SCRIPT_CPU",
     .in_file = true,
     .absent = "5000"},
    {.name = "script-memory",
     .kind = FLAG_SIZE,
     .value = "SIZE",
     .about = "What a script may use of memory.",
     .min = 4 << 20,
     .max = 1 << 30,
     .env = "DROVER_SCRIPT_MEMORY",
     .in_file = true,
     .absent = "256M"},
    {.name = "workers-max",
     .kind = FLAG_INT,
     .value = "N",
     .about = "Processes of scripts; beyond it, those that only wait are ended.",
     .min = 1,
     .max = 4000,
     .env = "DROVER_WORKERS_MAX",
     .in_file = true,
     .absent = "500"},
    {.name = "log",
     .kind = FLAG_TEXT,
     .value = "LEVEL",
     .choices = "debug|info|warn|error",
     .about = "What is told on stderr.",
     .env = "DROVER_LOG",
     .in_file = true,
     .absent = "info"},
    {.name = NULL},
};

enum { NAMES_MAX = 16, BUDGET_MAX = 4096, HOST_TIMEOUT_MIN_S = 30 };

/* "a,b,c" as a list that ends with NULL. The text is cut in place. */
static struct err names_split(char *text, const char *what, const char *names[NAMES_MAX + 1],
                              struct why *why) {
    size_t count = 0;
    while (text != NULL) {
        char *comma = strchr(text, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        if (text[0] == '\0' || count == NAMES_MAX) {
            why_set(why, "%s: 1 to %d names with commas between", what, NAMES_MAX);
            return err_make(ERR_CONFIG, "serve: names");
        }
        names[count++] = text;
        text = comma != NULL ? comma + 1 : NULL;
    }
    names[count] = NULL;
    return ERR_OK;
}

struct serving {
    struct invocation *invocation;
    struct log *log;
};

static void unknown_warn(void *ctx, const char *name, const char *nearest) {
    const struct serving *serving = ctx;
    if (nearest != NULL) {
        log_event(serving->log, LOG_WARN, "an environment variable is not known; a mistyped name?",
                  LOG_FIELDS(log_text("name", name), log_text("did_you_mean", nearest)));
    } else {
        log_event(serving->log, LOG_WARN, "an environment variable is not known",
                  LOG_FIELDS(log_text("name", name)));
    }
}

/* Here and not before: a start that is refused says why in one sentence, and nothing else. */
static void ready_print(void *ctx, const char *url, size_t tokens) {
    struct serving *serving = ctx;
    const struct invocation *invocation = serving->invocation;
    const struct args *args = &invocation->args;
    config_env_unknown(invocation->commands, &invocation->env, unknown_warn, serving);
    printf("drover ready at %s\n", url);
    fflush(stdout);
    if (tokens == 0 && isatty(STDERR_FILENO) && strncmp(url, "http", 4) == 0 &&
        !args_on(args, "insecure-loopback")) {
        fprintf(stderr, "TCP needs a token, and there is none yet; 'drover token create' makes "
                        "one over the socket.\n");
    }
}

static int64_t wall_clock(void *ctx) {
    return world_wall_ms(ctx);
}

static struct err address_check(const struct args *args, struct listen_address *ret_address,
                                struct why *why) {
    struct listen_address address;
    struct err err = listen_parse(args_text(args, "listen"), &address, why);
    if (err_failed(err)) {
        return err;
    }
    if (!address.loopback && !args_on(args, "allow-remote")) {
        why_set(why,
                "listen: %s is reachable from other machines, and drover speaks no TLS; put a "
                "proxy with TLS in front and listen on loopback, or say --allow-remote",
                args_text(args, "listen"));
        return err_make(ERR_CONFIG, "serve: listen");
    }
    *ret_address = address;
    return ERR_OK;
}

/* As JSON; no data: there is none. */
static struct err budget_take(const struct args *args, struct text *budget, struct why *why) {
    const char *words = args_text(args, "workflow-default-budget");
    struct why inner = {""};
    if (words == NULL || words[0] == '\0') {
        return ERR_OK;
    }
    text_init(budget, BUDGET_MAX);
    struct err err = budget_words_list(budget, words, &inner);
    if (err_failed(err)) {
        why_set(why, "workflow-default-budget: %s", inner.text);
        return err_make(ERR_CONFIG, "serve: budget");
    }
    return ERR_OK;
}

static struct err host_timeout_check(const struct args *args, struct why *why) {
    int64_t seconds = args_int(args, "host-timeout", 0);
    if (seconds == 0 || seconds >= HOST_TIMEOUT_MIN_S) {
        return ERR_OK;
    }
    why_set(why,
            "host-timeout: at least %d seconds, or 0 for none: a host gives a sign of life every"
            " 10 seconds, and one that lives must not lose its jobs",
            HOST_TIMEOUT_MIN_S);
    return err_make(ERR_CONFIG, "serve: host timeout");
}

static struct err serve_with(struct invocation *invocation, const char *const *hosts,
                             const char *const *origins) {
    const struct args *args = &invocation->args;
    struct log log;
    enum log_level level = LOG_INFO;
    const char *level_name = args_text(args, "log");
    bool known = log_level_parse(bytes_of(level_name), &level);
    assert(known); /* The table lists the choices. */
    log_init(&log, STDERR_FILENO, level, wall_clock, (void *)(uintptr_t)invocation->world);
    struct serving serving = {.invocation = invocation, .log = &log};
    struct serve_options options = {
        .data = args_text(args, "data"),
        .config = args_text(args, "config"),
        .database = args_text(args, "database"),
        .insecure_loopback = args_on(args, "insecure-loopback"),
        .drain_ms = (unsigned)args_int(args, "drain", 0) * 1000,
        .limits = {.connections_max = (unsigned)args_int(args, "max-connections", 0),
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
        .attachment_max = args_int(args, "attachment-max", 20 << 20),
        .webhook_allow = args_text(args, "webhook-allow"),
        .webhook_secret = args_text(args, "webhook-secret"),
        .webhook_timeout_ms = (uint64_t)args_int(args, "webhook-timeout", 0) * 1000,
        .webhook_first_ms = args_int(args, "webhook-wait", 0),
        .webhook_max_ms = args_int(args, "webhook-wait-max", 0),
        .workflows_max = args_int(args, "workflow-max-runs", 0),
        .agents = args_int(args, "agents", 0),
        .agent_stuck_ms = args_int(args, "agent-stuck", 0) * 1000,
        .script_cpu_ms = args_int(args, "script-cpu", 0),
        .script_memory = args_int(args, "script-memory", 0),
        .workers_max = args_int(args, "workers-max", 0),
        .webhook_stalled_ms = args_int(args, "webhook-wait-stalled", 0),
        .model = args_text(args, "model"),
        .model_answer_ms = (uint64_t)args_int(args, "model-answer", 0) * 1000,
        .model_stall_ms = (uint64_t)args_int(args, "model-stall", 0) * 1000,
        .script = args_text(args, "script"),
        .price_file = args_text(args, "prices"),
        .fetch_allow = args_text(args, "fetch-allow"),
        .allowed_hosts = hosts,
        .allowed_origins = origins,
        .world = invocation->world,
        .log = &log,
        .ready = ready_print,
        .ctx = &serving,
    };
    AUTO(text_done) struct text budget = {0};
    struct err err = address_check(args, &options.listen, &invocation->why);
    if (!err_failed(err)) {
        err = budget_take(args, &budget, &invocation->why);
        options.workflow_budget = budget.data;
    }
    if (!err_failed(err)) {
        err = host_timeout_check(args, &invocation->why);
    }
    return err_failed(err) ? err : invocation->serve(&options, &invocation->why);
}

static struct err serve_names(struct invocation *invocation) {
    const char *hosts[NAMES_MAX + 1] = {NULL}, *origins[NAMES_MAX + 1] = {NULL};
    const char *host_text = args_text(&invocation->args, "allow-host");
    const char *origin_text = args_text(&invocation->args, "allow-origin");
    AUTO(mem_release)
    char *host_copy = host_text != NULL ? mem_copy(host_text, strlen(host_text)) : NULL;
    AUTO(mem_release)
    char *origin_copy = origin_text != NULL ? mem_copy(origin_text, strlen(origin_text)) : NULL;
    struct err err = names_split(host_copy, "allow-host", hosts, &invocation->why);
    if (!err_failed(err)) {
        err = names_split(origin_copy, "allow-origin", origins, &invocation->why);
    }
    return err_failed(err) ? err : serve_with(invocation, hosts, origins);
}

static struct err serve_command(struct invocation *invocation) {
    struct config config;
    config_init(&config);
    struct err err = config_load(&config, &invocation->args, &invocation->env, invocation->world,
                                 &invocation->why);
    if (!err_failed(err)) {
        err = serve_names(invocation);
    }
    config_done(&config);
    return err;
}

const struct command command_serve = {
    .name = "serve",
    .summary = "Run the daemon.",
    .flags = serve_flags,
    .about = "A setting is taken from the flag, else the environment, else the configuration file\n"
             "(one JSON object; keys are the flags' names with _ for -), else the default.\n",
    .run = serve_command,
};
