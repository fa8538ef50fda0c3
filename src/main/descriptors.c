/* descriptors.c: see the header.
 *
 *    limit = kept back + 2 * jobs + connections + those that are refused with an answer
 *
 * Kept back are 40 descriptors at least (an idle daemon has 24: database, loop, sockets; threads
 * that read the spool have three each), and a quarter of the limit up to 256 (calls of models,
 * processes of scripts). Of a limit that is too low, commands get up to half, and more where
 * connections want less. */
#include "main/descriptors.h"

#include <inttypes.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "http/metrics.h"
#include "http/server.h"

enum {
    KEPT_MIN = 40,
    KEPT_MAX = 256,
    EACH_JOB = 2, /* Its link, and its order while it starts. */
    CALLS_MIN = 4,
    CALLS_MAX = 1024,
};
static_assert(DESCRIPTORS_MIN >= KEPT_MIN + EACH_JOB + 2, "one command, one connection, a refusal");

static uint64_t kept_back(uint64_t limit) {
    uint64_t part = limit / 4;
    return part < KEPT_MIN ? KEPT_MIN : part < KEPT_MAX ? part : KEPT_MAX;
}

static uint64_t connections_cost(size_t connections) {
    return connections + http_refused_max(connections);
}

/* The most connections that `room` holds with their refusals. */
static size_t connections_in(uint64_t room, size_t wanted) {
    size_t low = 1, high = wanted;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        bool fits = connections_cost(middle) <= room;
        low = fits ? middle : low;
        high = fits ? high : middle - 1;
    }
    return low;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

struct err descriptors_fit(uint64_t limit, const struct descriptor_shares *wanted,
                           struct descriptor_shares *ret_fitted, struct why *why) {
    if (limit < DESCRIPTORS_MIN) {
        return err_why(why, ERR_CONFIG,
                       "the limit of open files is %" PRIu64
                       ", and drover needs at least %d: raise it"
                       " with ulimit -n, or LimitNOFILE= of the service",
                       limit, DESCRIPTORS_MIN);
    }
    uint64_t room = limit - kept_back(limit);
    uint64_t half = room / 2, others = smaller(connections_cost(wanted->connections), room);
    uint64_t for_jobs = room - others > half ? room - others : half;
    uint64_t jobs = smaller((uint64_t)wanted->jobs, for_jobs / EACH_JOB);
    room -= jobs * EACH_JOB;
    size_t connections = connections_in(room, wanted->connections);
    uint64_t cost = connections_cost(connections);
    uint64_t calls = (kept_back(limit) - KEPT_MIN) / 2 + (room > cost ? room - cost : 0);
    calls = smaller(wanted->calls, calls > CALLS_MIN ? calls : CALLS_MIN);
    *ret_fitted = (struct descriptor_shares){
        .jobs = (int64_t)jobs, .connections = connections, .calls = (size_t)calls};
    return ERR_OK;
}

static uint64_t limit_raise(uint64_t *ret_before) {
    struct rlimit limit;
    *ret_before = 0;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return UINT64_MAX;
    }
    *ret_before = limit.rlim_cur;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : *ret_before;
    }
    return limit.rlim_cur;
}

struct err descriptors_share(const struct serve_options *asked, struct serve_options *ret_fitted,
                             uint64_t *ret_before, struct why *why) {
    const struct descriptor_shares wanted = {
        .jobs = asked->jobs_max, .connections = asked->limits.connections_max, .calls = CALLS_MAX};
    struct descriptor_shares fitted;
    uint64_t limit = limit_raise(ret_before);
    TRY(descriptors_fit(limit, &wanted, &fitted, why));
    *ret_fitted = *asked;
    ret_fitted->jobs_max = fitted.jobs;
    ret_fitted->limits.connections_max = fitted.connections;
    ret_fitted->model_calls_max = fitted.calls;
    if (fitted.jobs < wanted.jobs || fitted.connections < wanted.connections ||
        fitted.calls < wanted.calls) {
        log_event(asked->log, LOG_WARN,
                  "the hard limit of open files is too low for what the settings allow at once:"
                  " these numbers hold until it is raised (ulimit -Hn, LimitNOFILE=)",
                  LOG_FIELDS(log_int("open_files", (int64_t)limit),
                             log_int("max_jobs", fitted.jobs),
                             log_int("max_connections", (int64_t)fitted.connections),
                             log_int("model_calls", (int64_t)fitted.calls)));
    }
    return ERR_OK;
}

/* --- Shown ------------------------------------------------------------------------------------ */

struct usage {
    int64_t used; /* -1: not known. */
    int64_t limit;
};

/* The size of the folder is the number of descriptors since Linux 6.2, and 0 before. Reading the
 * folder needs a descriptor, and time. */
static struct usage usage_get(void) {
    struct usage usage = {.used = -1};
    struct stat info;
    struct rlimit limit;
    if (stat("/proc/self/fd", &info) == 0 && info.st_size > 0) {
        usage.used = info.st_size;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT64_MAX) {
        usage.limit = (int64_t)limit.rlim_cur;
    }
    return usage;
}

void descriptors_write(const struct shortage *shortage, struct text *text) {
    const struct usage usage = usage_get();
    struct shortage_stats stats;
    shortage_get_stats(shortage, &stats);
    text_add_str(text, "\"descriptors\":{");
    text_add_member_int_or_null(text, "used", usage.used, usage.used >= 0);
    text_add_member_int_or_null(text, "limit", usage.limit, usage.limit > 0);
    text_add_member_int_or_null(text, "waiting_since_ms", stats.since_ms, stats.lasts);
    text_add_char(text, '}');
}

void descriptors_metrics(const struct shortage *shortage, struct text *text) {
    const struct usage usage = usage_get();
    struct shortage_stats stats;
    shortage_get_stats(shortage, &stats);
    const struct metric metrics[] = {
        {"descriptor_shortage", "Whether starts wait for a free file descriptor: 1 or 0.",
         stats.lasts},
        {"descriptor_shortages_total",
         "Times at which no file descriptor was free, and starts waited.", stats.begun},
        {"descriptor_failed_starts_total",
         "Starts that found no file descriptor, and are tried again.", stats.reports},
        {"descriptor_shortage_seconds_total", "Time of the shortages that are over.",
         stats.waited_ms / 1000},
        {"descriptors_limit", "File descriptors that the daemon may have.", (uint64_t)usage.limit},
        {"descriptors_used", "File descriptors that it has; none: not known.",
         (uint64_t)usage.used},
    };
    metrics_add(text, metrics, COUNT_OF(metrics) - (usage.used < 0));
}
