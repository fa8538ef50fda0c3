/* script_retention.c: removes from DIR/scripts what no run has any more.
 *
 *   removals (store) ──> list (pool) ──> which are of a run? (store, page by page)
 *                  ──> remove (pool) ──> removals are done (store) ──> end, or the next page
 *
 * A script that came as text is put there to be edited (start.c), under the beginning of its
 * hash. It goes with the last run that has its text. One that somebody has edited is his: its text
 * is not what its name says any more, and it stays. So does one that was touched within a day: the
 * run that it was put there for may not be stored yet, and the author of one with a fault may
 * still look. But where the database lists a text as removed with its last run, only a touch after
 * that counts. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/job/inside.h"
#include "dispatch/workflow/start.h"
#include "dispatch/workflow/workflows.h"
#include "engine/workflow/workflows.h"
#include "store/datadir.h"

enum {
    NAME_HEX = 16,
    NAMES_MAX = 2 * WORKFLOW_SAVED_MAX, /* Files of one round: more are not there. */
    NAMES_PAGE = 64,                    /* Names that one transaction looks up. */
    UNTOUCHED_S = 24 * 60 * 60,
};

struct script_name {
    char hex[NAME_HEX + 1];
    bool gone; /* No run has it. */
};

struct script_sweep {
    struct dispatch *dispatch;
    struct ask ask;
    struct pool_job job;
    int64_t before_s; /* Files touched since stay, but for: */
    struct script_removals removed;
    struct script_name *names; /* Owned. */
    size_t count, asked;
    void (*done)(void *ctx);
    void *ctx;
};

/* --- Files, in the pool ----------------------------------------------------------------------- */

static bool sweep_is_old(const struct script_sweep *sweep, int folder, const char *file) {
    struct stat about;
    int64_t touch_s = sweep->before_s; /* A touch counts from this time on. */
    for (size_t i = 0; i < sweep->removed.count; i++) {
        if (memcmp(sweep->removed.page[i].hash, file, NAME_HEX) == 0) {
            touch_s = sweep->removed.page[i].made_ms / 1000 + 1;
            break;
        }
    }
    return fstatat(folder, file, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode) &&
           about.st_mtime < touch_s;
}

static bool name_is_hash(const char *name) {
    uint8_t bytes[NAME_HEX / 2];
    return strlen(name) >= NAME_HEX &&
           hex_parse((struct bytes){name, NAME_HEX}, bytes, sizeof bytes);
}

static void sweep_list_run(struct pool_job *job) {
    struct script_sweep *sweep = CONTAINER_OF(job, struct script_sweep, job);
    const struct dispatch_options *options = &sweep->dispatch->options;
    const struct world *world = loop_world(options->loop);
    AUTO(mem_release) char *path = datadir_path(options->data_dir, "scripts");
    AUTO(entries_close) DIR *folder = opendir(path);
    const char *file;
    sweep->names = mem_new_array(NAMES_MAX, sizeof *sweep->names);
    while (sweep->count < NAMES_MAX && (file = entries_next(folder)) != NULL) {
        const bool left =
            file[0] == '.' && name_is_hash(file + 1) && strncmp(file + 1 + NAME_HEX, ".0x", 3) == 0;
        const bool script = name_is_hash(file) && strcmp(file + NAME_HEX, ".js") == 0;
        if ((!left && !script) || !sweep_is_old(sweep, dirfd(folder), file)) {
            continue;
        }
        if (left) { /* By a crash in the middle of a write (start.c); the next round tries again. */
            (void)unlinkat(dirfd(folder), file, 0);
            continue;
        }
        AUTO(mem_release) char *whole = datadir_path(path, file);
        AUTO(mem_release) char *content = NULL;
        size_t len = 0;
        if (!err_failed(
                world->file_read(world->ctx, whole, WORKFLOW_SCRIPT_MAX + 1, &content, &len))) {
            const struct sha256 hash = sha256_of(content, len);
            if (memcmp(sha256_hex(&hash).text, file, NAME_HEX) == 0) { /* Nobody has edited it. */
                memcpy(sweep->names[sweep->count++].hex, file, NAME_HEX);
            }
        }
    }
}

static void sweep_remove_run(struct pool_job *job) {
    struct script_sweep *sweep = CONTAINER_OF(job, struct script_sweep, job);
    AUTO(mem_release) char *path = datadir_path(sweep->dispatch->options.data_dir, "scripts");
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < sweep->count; i++) {
        char file[NAME_HEX + sizeof ".js"];
        (void)snprintf(file, sizeof file, "%s.js", sweep->names[i].hex);
        if (sweep->names[i].gone && sweep_is_old(sweep, fd, file)) {
            (void)unlinkat(fd, file, 0); /* The next round tries again. */
        }
    }
}

/* --- One step after the other ----------------------------------------------------------------- */

static void sweep_finish(void *ctx) {
    struct script_sweep *sweep = ctx;
    void (*done)(void *ctx) = sweep->done;
    void *done_ctx = sweep->ctx;
    mem_free(sweep->names);
    mem_free(sweep);
    done(done_ctx);
}

/* True: the store refused, and the next round goes on. */
static bool sweep_failed(struct script_sweep *sweep) {
    struct dispatch *dispatch = sweep->dispatch;
    struct err err = sweep->ask.err;
    if (log_change_take(&dispatch->scripts_log, err,
                        world_mono_ns(loop_world(dispatch->options.loop)))) {
        dispatch__report(dispatch, "scripts that no run has could not be looked up", BYTES(""),
                         err);
    }
    if (err_failed(err)) {
        sweep_finish(sweep);
    }
    return err_failed(err);
}

static void sweep_begin(struct script_sweep *sweep);

static struct err sweep_forget_tx(struct tx *tx, void *ctx) {
    const struct script_sweep *sweep = ctx;
    return tx_script_removals_done(tx, &sweep->removed);
}

/* Removals of a session may be many: the next page of them goes at once. */
static void sweep_forgotten(void *ctx) {
    struct script_sweep *sweep = ctx;
    if (sweep_failed(sweep)) {
        return;
    }
    if (sweep->removed.count == SCRIPT_REMOVALS_PAGE) {
        sweep_begin(sweep);
    } else {
        sweep_finish(sweep);
    }
}

/* Nothing of what was listed is left, unless the daemon stops. */
static void sweep_removed(struct pool_job *job) {
    struct script_sweep *sweep = CONTAINER_OF(job, struct script_sweep, job);
    struct dispatch *dispatch = sweep->dispatch;
    if (sweep->removed.count == 0 || dispatch->stopping) {
        sweep_finish(sweep);
    } else {
        ask_write(&sweep->ask, sweep_forget_tx, sweep_forgotten);
    }
    dispatch__end_stop(dispatch);
}

static struct err sweep_ask_tx(struct tx *tx, void *ctx) {
    struct script_sweep *sweep = ctx;
    struct err err = ERR_OK;
    for (size_t i = 0; i < NAMES_PAGE && sweep->asked + i < sweep->count && !err_failed(err); i++) {
        struct script_name *name = &sweep->names[sweep->asked + i];
        bool kept = true;
        err = tx_script_kept(tx, (struct bytes){name->hex, NAME_HEX}, &kept);
        name->gone = !err_failed(err) && !kept;
    }
    return err;
}

static void sweep_asked(void *ctx) {
    struct script_sweep *sweep = ctx;
    sweep->asked += NAMES_PAGE;
    if (sweep_failed(sweep)) {
        return;
    }
    if (sweep->asked < sweep->count) {
        ask_read(&sweep->ask, sweep_ask_tx, sweep_asked);
    } else {
        pool_begin(&sweep->dispatch->pool, &sweep->job, POOL_TIDY, sweep_remove_run, sweep_removed);
    }
}

static void sweep_listed(struct pool_job *job) {
    struct script_sweep *sweep = CONTAINER_OF(job, struct script_sweep, job);
    if (sweep->count == 0 || sweep->dispatch->stopping) {
        sweep_removed(job);
    } else {
        ask_read(&sweep->ask, sweep_ask_tx, sweep_asked);
    }
}

static struct err sweep_find_tx(struct tx *tx, void *ctx) {
    struct script_sweep *sweep = ctx;
    return tx_script_removals_find(tx, &sweep->removed);
}

static void sweep_found(void *ctx) {
    struct script_sweep *sweep = ctx;
    if (!sweep_failed(sweep)) {
        pool_begin(&sweep->dispatch->pool, &sweep->job, POOL_TIDY, sweep_list_run, sweep_listed);
    }
}

static void sweep_begin(struct script_sweep *sweep) {
    mem_free(sweep->names);
    sweep->names = NULL;
    sweep->count = sweep->asked = 0;
    ask_read(&sweep->ask, sweep_find_tx, sweep_found);
}

static void script_retention_sweep(struct dispatch *dispatch, void (*done)(void *ctx), void *ctx) {
    static const struct ask_rules rules = {.judge = ask_any, .dropped = sweep_finish};
    struct script_sweep *sweep = mem_new(sizeof *sweep);
    sweep->dispatch = dispatch;
    ask_init(&sweep->ask, &dispatch->asker, &rules, sweep);
    sweep->before_s = world_wall_ms(loop_world(dispatch->options.loop)) / 1000 - UNTOUCHED_S;
    sweep->done = done;
    sweep->ctx = ctx;
    sweep_begin(sweep);
}

const struct dispatch_part script_retention_part = {.sweep = script_retention_sweep};
