/* disk_vfs.c: the VFS itself: files, locks, the index of the log. One thread uses it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "disk.h"

/* --- Files ------------------------------------------------------------------------------------ */

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static struct handle *of(sqlite3_file *base) {
    return CONTAINER_OF(base, struct handle, base);
}

static struct vfs_file *model_of(const struct handle *handle) {
    return handle->temporary ? NULL : vfs_files_find(&disk()->model, handle->file->name);
}

static int file_close(sqlite3_file *base) {
    struct handle *handle = of(base);
    struct handle **at = &disk()->open;
    while (*at != handle) {
        at = &(*at)->next;
    }
    *at = handle->next;
    if (handle->temporary) {
        disk_file_clear(handle->file);
        sim_free(handle->file);
    }
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *data, int len, sqlite3_int64 at) {
    const struct disk_file *file = of(base)->file;
    if (disk()->dead) {
        return SQLITE_IOERR_READ;
    }
    size_t copied = disk_file_read(file, data, (size_t)len, (size_t)at);
    if (copied == (size_t)len) {
        return SQLITE_OK;
    }
    memset((char *)data + copied, 0, (size_t)len - copied);
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 at) {
    struct handle *handle = of(base);
    int rc = handle->temporary ? SQLITE_OK : disk_verdict(DISK_WRITE);
    if (rc != SQLITE_OK) {
        return rc;
    }
    disk_file_write(handle->file, model_of(handle), data, (size_t)len, (size_t)at);
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 len) {
    struct handle *handle = of(base);
    if (disk()->dead) {
        return SQLITE_IOERR_TRUNCATE;
    }
    disk_file_truncate(handle->file, model_of(handle), (size_t)len);
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags) {
    struct handle *handle = of(base);
    (void)flags;
    int rc = handle->temporary ? SQLITE_OK : disk_verdict(DISK_SYNC);
    if (rc != SQLITE_OK) {
        return rc;
    }
    disk()->syncs++;
    struct vfs_file *model = model_of(handle);
    if (model != NULL) {
        disk_file_sync(handle->file, model);
    }
    memory_leave();
    if (model != NULL && handle->sync_folder) {
        vfs_files_sync_folder(&disk()->model);
        handle->sync_folder = false;
    }
    memory_return();
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size) {
    *ret_size = (sqlite3_int64)of(base)->file->len;
    return disk()->dead ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

/* --- Locks ------------------------------------------------------------------------------------ */

static bool others_have(const struct handle *handle, int level) {
    for (const struct handle *other = disk()->open; other != NULL; other = other->next) {
        if (other != handle && other->file == handle->file && other->level >= level) {
            return true;
        }
    }
    return false;
}

static int file_lock(sqlite3_file *base, int level) {
    struct handle *handle = of(base);
    int against = level == SQLITE_LOCK_SHARED     ? SQLITE_LOCK_PENDING
                  : level == SQLITE_LOCK_RESERVED ? SQLITE_LOCK_RESERVED
                                                  : SQLITE_LOCK_SHARED;
    if (level > handle->level) {
        if (others_have(handle, against)) {
            return SQLITE_BUSY;
        }
        handle->level = level;
    }
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level) {
    of(base)->level = level < of(base)->level ? level : of(base)->level;
    return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *base, int *ret_locked) {
    *ret_locked = others_have(of(base), SQLITE_LOCK_RESERVED);
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int what, void *arg) {
    (void)base;
    (void)what;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base) {
    (void)base;
    return 4096;
}

static int file_characteristics(sqlite3_file *base) {
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend,
                        void volatile **ret_memory) {
    struct disk_file *file = of(base)->file;
    assert(region < SHM_REGIONS);
    if (file->regions[region] == NULL && extend != 0) {
        file->regions[region] = sim_new((size_t)size);
        file->region_size = (size_t)size;
    }
    *ret_memory = file->regions[region];
    return SQLITE_OK;
}

static int file_shm_lock(sqlite3_file *base, int at, int count, int flags) {
    struct handle *handle = of(base);
    struct disk_file *file = handle->file;
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    bool lock = (flags & SQLITE_SHM_LOCK) != 0;
    for (int slot = at; lock && slot < at + count; slot++) {
        unsigned mine = (handle->shared >> slot) & 1U;
        if (file->exclusive[slot] || (exclusive && file->shared[slot] > mine)) {
            return SQLITE_BUSY;
        }
    }
    for (int slot = at; slot < at + count; slot++) {
        unsigned bit = 1U << slot;
        if (exclusive) {
            file->exclusive[slot] = lock;
            handle->exclusive = lock ? handle->exclusive | bit : handle->exclusive & ~bit;
        } else if (lock != ((handle->shared & bit) != 0)) {
            file->shared[slot] += lock ? 1U : -1U;
            handle->shared = lock ? handle->shared | bit : handle->shared & ~bit;
        }
    }
    return SQLITE_OK;
}

static void file_shm_barrier(sqlite3_file *base) {
    (void)base; /* There is one thread. */
}

void disk_shm_clear(struct disk_file *file) {
    for (size_t i = 0; i < SHM_REGIONS && file->regions[i] != NULL; i++) {
        memset(file->regions[i], 0, file->region_size);
    }
    memset(file->shared, 0, sizeof file->shared);
    memset(file->exclusive, 0, sizeof file->exclusive);
}

void disk_shm_drop(struct disk_file *file) {
    disk_shm_clear(file);
    for (size_t i = 0; i < SHM_REGIONS; i++) {
        sim_free(file->regions[i]);
        file->regions[i] = NULL;
    }
}

static int file_shm_unmap(sqlite3_file *base, int remove) {
    struct handle *handle = of(base);
    for (int slot = 0; slot < SHM_SLOTS; slot++) {
        handle->file->shared[slot] -= (handle->shared >> slot) & 1U;
        if (((handle->exclusive >> slot) & 1U) != 0) {
            handle->file->exclusive[slot] = false;
        }
    }
    handle->shared = handle->exclusive = 0;
    if (remove != 0) {
        disk_shm_drop(handle->file);
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

/* --- The VFS ---------------------------------------------------------------------------------- */

static int fs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                   int *ret_flags) {
    struct handle *handle = of(base);
    (void)vfs;
    *handle = (struct handle){.temporary = path == NULL};
    if (disk()->dead) {
        return SQLITE_CANTOPEN;
    }
    if (path == NULL) {
        handle->file = sim_new(sizeof *handle->file);
    } else {
        handle->file = disk_file_find(name_of(path));
        if (handle->file == NULL && (flags & SQLITE_OPEN_CREATE) == 0) {
            return SQLITE_CANTOPEN;
        }
        if (handle->file == NULL) {
            handle->file = disk_file_add(name_of(path));
            memory_leave();
            const struct vfs_file *model = vfs_files_add(&disk()->model, handle->file->name);
            handle->file->apart = model->len > 0;
            memory_return();
        }
        handle->creates = (flags & SQLITE_OPEN_CREATE) != 0 &&
                          (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
        handle->sync_folder = handle->creates;
    }
    base->pMethods = &methods;
    handle->next = disk()->open;
    disk()->open = handle;
    if (ret_flags != NULL) {
        *ret_flags = flags;
    }
    return SQLITE_OK;
}

static int fs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
    struct disk_file *file = disk_file_find(name_of(path));
    (void)vfs;
    if (disk()->dead) {
        return SQLITE_IOERR_DELETE;
    }
    if (file == NULL) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    disk_file_part(file, vfs_files_find(&disk()->model, file->name));
    memory_leave();
    vfs_files_remove(&disk()->model, file->name, sync_folder != 0);
    memory_return();
    disk_file_clear(file);
    return SQLITE_OK;
}

static int fs_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret_answer) {
    (void)vfs;
    (void)flags;
    *ret_answer = disk_file_find(name_of(path)) != NULL;
    return SQLITE_OK;
}

static int fs_full_path(sqlite3_vfs *vfs, const char *path, int size, char *ret_path) {
    (void)vfs;
    (void)snprintf(ret_path, (size_t)size, "%s", path); /* Short. */
    return SQLITE_OK;
}

static int fs_random(sqlite3_vfs *vfs, int size, char *ret_bytes) {
    (void)vfs;
    for (int i = 0; i < size; i++) {
        ret_bytes[i] = (char)(i * 7 + 1); /* Salts of the log: any will do. */
    }
    return size;
}

static int fs_sleep(sqlite3_vfs *vfs, int us) {
    (void)vfs;
    return us;
}

static int fs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret_time) {
    (void)vfs;
    *ret_time = INT64_C(212000000000000); /* Nobody asks SQLite for the time. */
    return SQLITE_OK;
}

static int fs_last_error(sqlite3_vfs *vfs, int size, char *ret_text) {
    (void)vfs;
    (void)size;
    (void)ret_text;
    return errno;
}

void disk_vfs_fill(sqlite3_vfs *vfs) {
    *vfs = (sqlite3_vfs){.iVersion = 2,
                         .szOsFile = sizeof(struct handle),
                         .mxPathname = 512,
                         .zName = "drover-sim",
                         .xOpen = fs_open,
                         .xDelete = fs_delete,
                         .xAccess = fs_access,
                         .xFullPathname = fs_full_path,
                         .xRandomness = fs_random,
                         .xSleep = fs_sleep,
                         .xGetLastError = fs_last_error,
                         .xCurrentTimeInt64 = fs_time};
}
