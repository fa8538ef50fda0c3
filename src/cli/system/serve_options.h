/* serve_options.h: what `drover serve` asks of the daemon.
 *
 * The command reads settings; the daemon itself (main/daemon.h) stands above, where API and CLI
 * meet, and is handed to cli_main.
 *
 * Ownership  everything in it is borrowed until the daemon has stopped.
 * Threads    the main thread.
 */
#ifndef DROVER_CLI_SYSTEM_SERVE_OPTIONS_H
#define DROVER_CLI_SYSTEM_SERVE_OPTIONS_H

#include "base/base.h"
#include "base/log.h"
#include "cli/system/listen.h"
#include "http/server.h"
#include "loop/world.h"

struct serve_options {
    const char *data;             /* The data directory. */
    const char *config;           /* Another file of settings than the one in `data`; or NULL. */
    const char *database;         /* "postgres://…"; NULL: SQLite in `data`. */
    struct listen_address listen; /* Beside the socket in `data`. */
    bool listen_given;            /* By a flag, the environment or the file. */
    bool insecure_loopback;
    unsigned drain_ms;
    struct http_limits limits;
    const char *const *allowed_hosts, *const *allowed_origins; /* NULL: none. */
    /* Command that started the daemon in the background, which then listens on the socket in `data`
     * alone; NULL: it was started by itself. */
    const char *on_demand;
    uint64_t idle_exit_ms;      /* Time without work after which one on demand ends; 0: never. */
    bool hold;                  /* Nothing begins and nothing is sent until it is released. */
    uint32_t starts_max;        /* Failed starts in a row that make it hold; 0: none do. */
    bool no_cgroups;            /* Jobs get none, also where they could. */
    int64_t jobs_max;           /* At once. */
    size_t model_calls_max;     /* At once, as open files allow; 0: a default. No flag sets it. */
    int64_t host_timeout_ms;    /* Of another host without a sign of life; 0: none. */
    int64_t keep_runs;          /* Runs that have ended; 0: any number. */
    int64_t keep_days;          /* How long they stay; 0: for ever. */
    int64_t keep_bytes;         /* What they may take on the disk; 0: any size. */
    int64_t keep_worktrees_ms;  /* Unchanged working trees of ended holders; 0: for ever. */
    int64_t max_bytes;          /* Size of `data` at which no new run is taken; 0: any. */
    int64_t notify_after_ms;    /* Duration from which on the end of a run is a notification. */
    int64_t attachment_max;     /* Bytes of one image. */
    const char *webhook_allow;  /* Addresses that are not public; NULL: none. */
    const char *webhook_secret; /* A file; NULL: one in `data`, made if need be. */
    uint64_t webhook_timeout_ms;
    int64_t webhook_first_ms, webhook_max_ms, webhook_stalled_ms;
    const char *model; /* "provider/model" for sessions that name none; NULL: found. */
    uint64_t model_answer_ms, model_stall_ms; /* To its first byte; between two of its pieces. */
    uint64_t model_wait_ms;                   /* First long wait for a provider that is away. */
    const char *script;                       /* The file of scripted/…; NULL: none. */
    const char *price_file;                   /* NULL: what is built in. */
    const char *search;                       /* Engine of web_search; NULL: none. */
    const char *search_key_file;              /* NULL: the key is in the environment. */
    const char *fetch_allow;     /* Addresses beside public ones for web_fetch; NULL: none. */
    int64_t workflows_max;       /* At once; 0: any number. */
    const char *workflow_budget; /* Of those that are given none: limits as JSON; NULL: none. */
    int64_t agents;              /* Of one workflow, at once. */
    int64_t agent_stuck_ms;      /* How long one may say nothing. */
    int64_t flow_steps;          /* Steps of a flow at once. */
    int64_t flow_step_ms;        /* The same of a step of a flow; 0: for ever. */
    int64_t script_cpu_ms;       /* Of a script, between two waits. */
    int64_t script_memory;       /* Of a script, bytes. */
    int64_t workers_max;         /* Processes of scripts, above which those that wait are ended. */
    const char *web_dir;         /* Pages that are served instead of those inside; NULL: none. */
    const struct world *world;
    struct log *log;
    /* `url` is where it is reached. */
    void (*ready)(void *ctx, const char *url, size_t tokens);
    void *ctx;
};

#endif
