/* script_retention.c: removes from DIR/scripts what no run has any more.
 *
 *   removals (store) ──> list (pool) ──> which are of a run? (store, page by page)
 *                  ──> remove (pool) ──> removals are done (store) ──> end, or the next page
 *
 * A script that came as text is put there to be edited (start.c), under the beginning of its
 * hash. It goes with the last run that has its text. One that somebody has edited is his: its text
 * is not what its name says any more, and it stays. So does one that was touched within a day: the
 * run that it was put there for may not be stored yet, and who was told where a fault is in it may
 * still look. But where the database lists a text as removed with its last run, only a touch after
 * that counts. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/job/inside.h"
#include "dispatch/workflow/flows.h"
#include "dispatch/workflow/start.h"
#include "engine/workflow/workflows.h"
#include "store/datadir.h"

enum {
    NAME_HEX = 16,
    NAMES_MAX = 2 * FLOW_SAVED_MAX, /* Of one round: more are not there. */
    NAMES_PAGE = 64,                /* That one transaction looks up. */
    UNTOUCHED_S = 24 * 60 * 60,
};

struct name {
    char hex[NAME_HEX + 1];
    bool gone; /* No run has it. */
};

struct script_sweep {
    struct dispatch *dispatch;
    struct pool_job job;
    int64_t before_s; /* Files touched since stay, but for: */
    struct script_removals removed;
    struct name *names; /* Owned. */
    size_t count, asked;
    void (*done)(void *ctx);
    void *ctx;
};

/* --- Files ------------------------------------------------------------------------------------ */

/* A touch counts from this time on. */
static int64_t touch_s(const struct script_sweep *sweep, const char *file) {
    for (size_t i = 0; i < sweep->removed.count; i++) {
        const struct script_removal *removal = &sweep->removed.page[i];
        if (memcmp(removal->hash, file, NAME_HEX) == 0) {
            return removal->made_ms / 1000 + 1;
        }
    }
    return sweep->before_s;
}

static bool is_old(const struct script_sweep *sweep, int folder, const char *file) {
    struct stat about;
    return fstatat(folder, file, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode) &&
           about.st_mtime < touch_s(sweep, file);
}

static void write_file(const struct name *name, char file[NAME_HEX + sizeof ".js"]) {
    (void)snprintf(file, NAME_HEX + sizeof ".js", "%s.js", name->hex);
}

static bool is_ours(const char *file, struct name *ret_name) {
    uint8_t bytes[NAME_HEX / 2];
    *ret_name = (struct name){.gone = false};
    if (strlen(file) != NAME_HEX + strlen(".js") || strcmp(file + NAME_HEX, ".js") != 0 ||
        !hex_parse((struct bytes){file, NAME_HEX}, bytes, sizeof bytes)) {
        return false;
    }
    memcpy(ret_name->hex, file, NAME_HEX);
    return true;
}

static bool is_unedited(const struct script_sweep *sweep, const char *path,
                        const struct name *name) {
    const struct world *world = loop_world(sweep->dispatch->options.loop);
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    if (err_failed(world->file_read(world->ctx, path, WORKFLOW_SCRIPT_MAX + 1, &content, &len))) {
        return false;
    }
    const struct sha256 hash = sha256_of(content, len);
    const struct sha256_hex hex = sha256_hex(&hash);
    return memcmp(hex.text, name->hex, NAME_HEX) == 0;
}

/* A text that was being written (start.c): ".HASH.0x…". */
static bool is_half(const char *file) {
    unsigned char bytes[NAME_HEX / 2];
    return file[0] == '.' && strlen(file) > NAME_HEX + 4 &&
           hex_parse((struct bytes){file + 1, NAME_HEX}, bytes, sizeof bytes) &&
           strncmp(file + 1 + NAME_HEX, ".0x", 3) == 0;
}

static void look_at(struct script_sweep *sweep, const char *folder, int fd, const char *file) {
    struct name name;
    AUTO(mem_release) char *path = datadir_path(folder, file);
    if (is_ours(file, &name) && is_old(sweep, fd, file) && is_unedited(sweep, path, &name)) {
        sweep->names[sweep->count++] = name;
    } else if (is_half(file) && is_old(sweep, fd, file)) {
        (void)unlinkat(fd, file, 0); /* What a crash left of a write; the next round tries again. */
    }
}

static void list_run(struct pool_job *job) {
    struct script_sweep *sweep = CONTAINER_OF(job, struct script_sweep, job);
    AUTO(mem_release) char *path = datadir_path(sweep->dispatch->options.data_dir, "scripts");
    DIR *folder = opendir(path);
    const struct dirent *entry = NULL;
    sweep->names = mem_new_array(NAMES_MAX, sizeof *sweep->names);
    while (folder != NULL && sweep->count < NAMES_MAX && (entry = readdir(folder)) != NULL) {
        look_at(sweep, path, dirfd(folder), entry->d_name);
    }
    if (folder != NULL) {
        (void)closedir(folder); /* It was only read. */
    }
}

static void remove_run(struct pool_job *job) {
    struct script_sweep *sweep = CONTAINER_OF(job, struct script_sweep, job);
    AUTO(mem_release) char *path = datadir_path(sweep->dispatch->options.data_dir, "scripts");
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < sweep->count; i++) {
        char file[NAME_HEX + sizeof ".js"];
        write_file(&sweep->names[i], file);
        if (sweep->names[i].gone && is_old(sweep, fd, file)) {
            (void)unlinkat(fd, file, 0); /* The next round tries again. */
        }
    }
}

/* --- In turn ---------------------------------------------------------------------------------- */

static void finish(struct script_sweep *sweep) {
    void (*done)(void *ctx) = sweep->done;
    void *ctx = sweep->ctx;
    mem_free(sweep->names);
    mem_free(sweep);
    done(ctx);
}

static void tell(struct script_sweep *sweep, struct err err) {
    struct dispatch *dispatch = sweep->dispatch;
    uint64_t now_ns = world_mono_ns(loop_world(dispatch->options.loop));
    if (log_change_take(&dispatch->scripts_log, err, now_ns)) {
        dispatch__failed(dispatch, "scripts that no run has could not be looked up", BYTES(""),
                         err);
    }
}

static void sweep_begin(struct script_sweep *sweep);

static struct err forget_tx(struct tx *tx, void *ctx) {
    const struct script_sweep *sweep = ctx;
    return tx_script_removals_done(tx, &sweep->removed);
}

/* Those of a session may be many: the next page of them goes at once. */
static void forgotten(struct err err, void *ctx) {
    struct script_sweep *sweep = ctx;
    struct dispatch *dispatch = sweep->dispatch;
    bool more = !err_failed(err) && sweep->removed.count == SCRIPT_REMOVALS_PAGE;
    dispatch__answered(dispatch);
    tell(sweep, err); /* They stay listed for the next round. */
    if (more && !dispatch->stopping) {
        sweep_begin(sweep);
    } else {
        finish(sweep);
    }
}

/* Nothing of what was listed is left. */
static void finish_removals(struct script_sweep *sweep) {
    if (sweep->removed.count == 0 || sweep->dispatch->stopping) {
        finish(sweep);
    } else {
        dispatch__write(sweep->dispatch, forget_tx, forgotten, sweep);
    }
}

static void removed(struct pool_job *job) {
    struct script_sweep *sweep = CONTAINER_OF(job, struct script_sweep, job);
    struct dispatch *dispatch = sweep->dispatch;
    finish_removals(sweep);
    dispatch__maybe_stopped(dispatch);
}

static struct err ask_tx(struct tx *tx, void *ctx) {
    struct script_sweep *sweep = ctx;
    struct err err = ERR_OK;
    for (size_t i = 0; i < NAMES_PAGE && sweep->asked + i < sweep->count && !err_failed(err); i++) {
        struct name *name = &sweep->names[sweep->asked + i];
        bool kept = true;
        err = tx_script_kept(tx, (struct bytes){name->hex, NAME_HEX}, &kept);
        name->gone = !err_failed(err) && !kept;
    }
    return err;
}

static void asked(struct err err, void *ctx) {
    struct script_sweep *sweep = ctx;
    struct dispatch *dispatch = sweep->dispatch;
    dispatch__answered(dispatch);
    sweep->asked += NAMES_PAGE;
    tell(sweep, err);
    if (err_failed(err) || dispatch->stopping) {
        finish(sweep); /* The next round tries again. */
    } else if (sweep->asked < sweep->count) {
        dispatch__read(dispatch, ask_tx, asked, sweep);
    } else {
        sweep->job = (struct pool_job){.kind = POOL_TIDY, .run = remove_run, .done = removed};
        pool_add(&dispatch->pool, &sweep->job);
    }
}

static void listed(struct pool_job *job) {
    struct script_sweep *sweep = CONTAINER_OF(job, struct script_sweep, job);
    struct dispatch *dispatch = sweep->dispatch;
    if (sweep->count == 0 || dispatch->stopping) {
        finish_removals(sweep);
        dispatch__maybe_stopped(dispatch);
    } else {
        dispatch__read(dispatch, ask_tx, asked, sweep);
    }
}

static struct err find_tx(struct tx *tx, void *ctx) {
    struct script_sweep *sweep = ctx;
    return tx_script_removals_find(tx, &sweep->removed);
}

static void found(struct err err, void *ctx) {
    struct script_sweep *sweep = ctx;
    struct dispatch *dispatch = sweep->dispatch;
    dispatch__answered(dispatch);
    tell(sweep, err);
    if (err_failed(err) || dispatch->stopping) {
        finish(sweep); /* The next round tries again. */
        return;
    }
    sweep->job = (struct pool_job){.kind = POOL_TIDY, .run = list_run, .done = listed};
    pool_add(&dispatch->pool, &sweep->job);
}

static void sweep_begin(struct script_sweep *sweep) {
    mem_free(sweep->names);
    sweep->names = NULL;
    sweep->count = sweep->asked = 0;
    dispatch__read(sweep->dispatch, find_tx, found, sweep);
}

static void script_retention_sweep(struct dispatch *dispatch, void (*done)(void *ctx), void *ctx) {
    struct script_sweep *sweep = mem_new(sizeof *sweep);
    const struct world *world = loop_world(dispatch->options.loop);
    sweep->dispatch = dispatch;
    sweep->before_s = world_wall_ms(world) / 1000 - UNTOUCHED_S;
    sweep->done = done;
    sweep->ctx = ctx;
    sweep_begin(sweep);
}

const struct dispatch_part script_retention_part = {.sweep = script_retention_sweep};
