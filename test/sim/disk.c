/* disk.c: SQLite's files in memory, behind a VFS that loses power.
 *
 * Each file has two sides: what a running machine reads, and what was synced and written since
 * (disk_file.c). A killed daemon leaves both as they are. A power cut leaves what was synced, and
 * of the rest nothing, everything or a part, by choice of the model of test/fault; that is what the
 * machine reads from then on.
 *
 * A plan makes a sync or a write the last thing that the daemon does: from there on the disk is
 * `dead`, every call fails and changes nothing, until the step is over and the life crashes. So the
 * daemon may be between any two writes of a commit when it dies.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "disk.h"
#include "store/store.h"
#include "warm.h"

struct disk *disk(void) {
    static struct disk all;
    return &all;
}

/* --- Plans ------------------------------------------------------------------------------------ */

void disk_plan(enum disk_plan plan, unsigned after) {
    struct disk *self = disk();
    self->plan = plan;
    self->left = after;
    self->planned = true;
}

void disk_heal(void) {
    disk()->planned = false;
    disk()->full = false;
}

uint64_t disk_syncs(void) {
    return disk()->syncs;
}

uint64_t disk_full_ns(void) {
    return disk()->full_ns;
}

static bool counts_syncs(enum disk_plan plan) {
    return plan == DISK_PLAN_POWER || plan == DISK_PLAN_SYNC_FAILS;
}

static int plan_come_true(struct disk *self) {
    self->planned = false;
    switch (self->plan) {
    case DISK_PLAN_KILL:
    case DISK_PLAN_POWER:
        self->dead = true;
        sim_die(self->sim, self->plan == DISK_PLAN_KILL ? SIM_KILLED : SIM_POWER_CUT);
        return SQLITE_IOERR;
    case DISK_PLAN_FULL:
        self->full = true;
        self->full_ns = sim_now_ns(self->sim);
        errno = ENOSPC;
        return SQLITE_FULL;
    case DISK_PLAN_SYNC_FAILS:
        errno = EIO;
        return SQLITE_IOERR_FSYNC;
    }
    return SQLITE_OK;
}

/* SQLITE_OK: the call goes well. */
int disk_verdict(enum disk_call call) {
    bool sync = call == DISK_SYNC;
    struct disk *self = disk();
    if (self->dead) {
        errno = EIO;
        return SQLITE_IOERR;
    }
    if (self->planned && counts_syncs(self->plan) == sync && self->left-- == 0) {
        return plan_come_true(self);
    }
    if (self->full && !sync) {
        self->full_ns = sim_now_ns(self->sim);
        errno = ENOSPC;
        return SQLITE_FULL;
    }
    return SQLITE_OK;
}

/* SQLite calls this for each connection that it opens. */
static int connection_opened(sqlite3 *db, const char **message, const void *routines) {
    struct disk *self = disk();
    (void)message;
    (void)routines;
    assert(self->connections_count < CONNECTIONS_MAX);
    self->connections[self->connections_count++] = db;
    return SQLITE_OK;
}

void disk_install(void) {
    struct disk *self = disk();
    /* There is one thread, and nobody asks how much memory is used. */
    int configured = sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    assert(configured == SQLITE_OK);
    configured = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    assert(configured == SQLITE_OK);
    disk_vfs_fill(&self->vfs);
    int rc = sqlite3_vfs_register(&self->vfs, 1 /* the default from now on */);
    assert(rc == SQLITE_OK);
    rc = sqlite3_auto_extension((void (*)(void))connection_opened);
    assert(rc == SQLITE_OK);
}

/* --- Seeds and crashes ------------------------------------------------------------------------ */

/* The files are what the model's disk holds. */
static void files_read(enum vfs_cut cut, uint64_t choice) {
    struct vfs_files after = {NULL};
    for (struct vfs_file *file = disk()->model.first; file != NULL; file = file->next) {
        char *data = NULL;
        size_t len = 0;
        if (!vfs_file_after(file, cut, &choice, &data, &len)) {
            continue;
        }
        struct disk_file *into = disk_file_find(file->name);
        into = into == NULL ? disk_file_add(file->name) : into;
        into->lost = false;
        disk_file_set(into, data, len);
        vfs_files_add(&after, file->name)->named = true;
        mem_free(data);
    }
    vfs_files_done(&disk()->model);
    disk()->model = after;
}

static void files_forget(void) {
    for (size_t i = 0; i < FILES_MAX; i++) {
        disk_file_clear(&disk()->files[i]);
    }
}

/* What SQLite does when it closes reaches nothing. */
static void connections_close(void) {
    disk()->dead = true;
    warm_close();
    disk()->dead = false;
    assert(disk()->open == NULL);
}

/* Who opens a file anew takes care of its name anew. */
static void handles_reopen(void) {
    for (struct handle *handle = disk()->open; handle != NULL; handle = handle->next) {
        handle->sync_folder = handle->creates;
    }
}

/* Makes the connections that `store_open` opens, and ends them in order. */
static void store_visit(const char *folder) {
    struct store *store = NULL;
    struct why why = {.text = ""};
    const struct store_options options = {
        .where = folder, .executor = STORE_INLINE, .world = world_real()};
    struct err err = store_open(&options, &store, &why);
    if (err_failed(err)) {
        (void)fprintf(stderr, "the template could not be made: %s %s\n", err_name(err.code),
                      why.text);
    }
    assert(!err_failed(err));
    store_close(store);
    disk()->connections_count = 0;
}

/* The second time nothing is migrated, and the connections stay for the seeds. */
void disk_template(const char *folder) {
    store_visit(folder);
    vfs_files_sync_folder(&disk()->model);
    warm_keep(true);
    store_visit(folder);
    warm_keep(false);
    handles_reopen();
    for (struct vfs_file *file = disk()->model.first; file != NULL; file = file->next) {
        disk_file_sync(disk_file_find(file->name), file);
    }
}

void disk_begin(struct sim *sim) {
    disk()->sim = sim; /* The process was forked from the one that has the template. */
}

void disk_end(void) {
    connections_close();
    files_forget();
    memory_leave();
    vfs_files_done(&disk()->model);
    memory_return();
}

struct sqlite3 *disk_reader(void) {
    struct disk *self = disk();
    return self->connections_count == 0 ? NULL : self->connections[self->connections_count - 1];
}

void disk_closed(void) {
    struct disk *self = disk();
    assert(self->open == NULL);
    self->connections_count = 0;
}

/* The machine loses power: what is in the caches is gone. */
static void files_cut(uint64_t choice) {
    static const enum vfs_cut cuts[] = {VFS_LOSE_ALL, VFS_KEEP_ALL, VFS_LOSE_SOME, VFS_TEAR};
    struct disk *self = disk();
    for (size_t i = 0; i < FILES_MAX; i++) {
        self->files[i].lost = self->files[i].name[0] != '\0';
        disk_file_part(&self->files[i], vfs_files_find(&self->model, self->files[i].name));
    }
    memory_leave();
    files_read(cuts[choice % COUNT_OF(cuts)], choice);
    memory_return();
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (self->files[i].lost) {
            connections_close(); /* They would go on in a file without a name. */
            disk_file_clear(&self->files[i]);
        }
    }
}

void disk_crash(enum sim_death death, uint64_t choice) {
    struct disk *self = disk();
    self->dead = true; /* What SQLite does when it is interrupted reaches nothing. */
    bool parked = warm_park();
    assert(parked || self->open == NULL);
    self->connections_count = 0;
    self->dead = false;
    self->planned = false;
    self->full = false;
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (parked) {
            disk_shm_clear(&self->files[i]);
        } else {
            disk_shm_drop(&self->files[i]);
        }
    }
    handles_reopen();
    if (death == SIM_POWER_CUT) {
        files_cut(choice);
    }
}
