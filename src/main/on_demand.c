/* on_demand.c: see on_demand.h. */
#include "main/on_demand.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "cli/base/autostart.h"
#include "engine/inbox/inbox.h"
#include "engine/run/runs.h"
#include "store/datadir.h"
#include "store/log_file.h"

enum { LOG_SIZE_MAX = 4 << 20, LOOK_MS = 5000, LOOKS = 8 };

/* --- The mark --------------------------------------------------------------------------------- */

void on_demand_forget(const struct serve_options *serve) {
    AUTO(mem_release) char *mark = datadir_path(serve->data, AUTOSTART_MARK);
    (void)unlink(mark); /* Mostly it is not there. */
}

/* Without it a client that is there at a crash waits for another command to start the daemon. */
static void mark_write(const struct serve_options *serve) {
    AUTO(mem_release) char *mark = datadir_path(serve->data, AUTOSTART_MARK);
    struct err err =
        serve->world->file_replace(serve->world->ctx, mark, bytes_of(serve->on_demand), 0600);
    if (err_failed(err)) {
        log_event(serve->log, LOG_WARN, "the mark of a daemon on demand could not be written",
                  LOG_FIELDS(log_err(err)));
    }
}

/* --- The log ---------------------------------------------------------------------------------- */

/* The new file is made under another name first: on a full disk the lines go on into the old file,
 * which keeps its name, and the next look tries again. dup2 puts the new file in the place of the
 * old one in one step, so a line that another thread writes meanwhile lies whole in one of the
 * two. */
static void log_rotate(const struct serve_options *serve) {
    AUTO(mem_release) char *path = datadir_path(serve->data, LOG_FILE);
    AUTO(mem_release) char *old = datadir_path(serve->data, LOG_FILE_OLD);
    AUTO(mem_release) char *next = datadir_path(serve->data, LOG_FILE_NEXT);
    struct stat about;
    if (!log_file_is_output(path, &about) || about.st_size <= LOG_SIZE_MAX) {
        return;
    }
    AUTO(fd_release) int fd = open(next, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0 && rename(path, old) == 0 && rename(next, path) == 0) {
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
    }
}

/* --- Idleness --------------------------------------------------------------------------------- */

static uint64_t now_ns(const struct on_demand *on_demand) {
    return world_mono_ns(on_demand->options.serve->world);
}

static struct err unsettled_count(struct tx *tx, void *ctx) {
    struct on_demand *on_demand = ctx;
    struct run_census runs;
    struct inbox_census inbox = {.pending = 0};
    struct err err = tx_run_census(tx, &runs);
    err = err_failed(err) ? err : tx_inbox_census(tx, &inbox);
    if (err_failed(err)) {
        return err;
    }
    on_demand->unsettled = inbox.pending + inbox.stalled;
    for (size_t i = 0; i < COUNT_OF(runs.states); i++) {
        on_demand->unsettled += runs.states[i];
    }
    return ERR_OK;
}

/* Whether a client is there, or was since the last look. */
static bool client_seen(struct on_demand *on_demand) {
    struct http_stats stats;
    http_get_stats(on_demand->options.http, &stats);
    bool seen = stats.connections > 0 || stats.accepted != on_demand->accepted;
    on_demand->accepted = stats.accepted;
    return seen;
}

static void on_demand_look(struct timer *timer);

static void look_later(struct on_demand *on_demand) {
    const uint64_t part_ms = on_demand->options.serve->idle_exit_ms / LOOKS;
    const bool rare = part_ms == 0 || part_ms > LOOK_MS;
    timer_start(on_demand->options.loop, &on_demand->timer, rare ? LOOK_MS : part_ms,
                on_demand_look);
}

static void unsettled_known(struct err err, void *ctx) {
    struct on_demand *on_demand = ctx;
    if (on_demand->options.idle == NULL) {
        return; /* Stopped meanwhile. */
    }
    if (err_failed(err) || on_demand->unsettled > 0 || client_seen(on_demand) ||
        on_demand->asked_ns != on_demand->busy_ns) {
        on_demand->busy_ns = now_ns(on_demand);
        look_later(on_demand);
        return;
    }
    log_event(on_demand->options.serve->log, LOG_INFO, "idle: this daemon on demand ends",
              NULL /* no fields */);
    on_demand->options.idle(on_demand->options.ctx);
}

static void on_demand_look(struct timer *timer) {
    struct on_demand *on_demand = CONTAINER_OF(timer, struct on_demand, timer);
    const struct serve_options *serve = on_demand->options.serve;
    const uint64_t now = now_ns(on_demand);
    log_rotate(serve);
    if (client_seen(on_demand)) {
        on_demand->busy_ns = now;
    }
    if (serve->idle_exit_ms > 0 && now - on_demand->busy_ns >= serve->idle_exit_ms * 1000000) {
        on_demand->asked_ns = on_demand->busy_ns;
        store_read(on_demand->options.store, unsettled_count, unsettled_known, on_demand);
    } else {
        look_later(on_demand);
    }
}

void on_demand_worked(struct on_demand *on_demand) {
    if (on_demand->options.serve != NULL) {
        on_demand->busy_ns = now_ns(on_demand);
    }
}

void on_demand_start(struct on_demand *on_demand, const struct on_demand_options *options) {
    if (options->serve->on_demand == NULL) {
        on_demand_forget(options->serve);
        return;
    }
    *on_demand = (struct on_demand){.options = *options};
    on_demand->busy_ns = now_ns(on_demand);
    mark_write(options->serve);
    log_rotate(options->serve);
    look_later(on_demand);
}

void on_demand_stop(struct on_demand *on_demand) {
    if (on_demand->options.serve != NULL) {
        timer_stop(on_demand->options.loop, &on_demand->timer);
        on_demand->options.idle = NULL;
    }
}
