/* vfs.c: see vfs.h. */
#include "vfs.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <string.h>

#include "base/memory.h"
#include "vfs_model.h"

struct vfs {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;    /* Borrowed: the default one. */
    pthread_mutex_t lock; /* Guards what follows. */
    struct vfs_failure failure;
    bool failing;
    unsigned seen, failed;
    unsigned calls[VFS_CALLS];
    char *folder; /* Owned; ends with a slash. NULL: nothing is watched. */
    struct vfs_files files;
    void (*hook)(void *ctx, const char *name);
    void *hook_ctx;
};

struct vfs_image {
    struct vfs_files files;
};

/* An open file: ours, and behind it the real one. */
struct handle {
    sqlite3_file base;
    struct vfs *vfs;    /* Borrowed. */
    char *path;         /* Owned; NULL: a temporary one. */
    const char *name;   /* Inside path; NULL: not watched. */
    sqlite3_file *real; /* In the same memory. */
    bool sync_folder;   /* With the first sync of the file. */
};

static size_t real_at(void) {
    return (sizeof(struct handle) + 15) / 16 * 16;
}

static void lock(struct vfs *vfs) {
    int rc = pthread_mutex_lock(&vfs->lock);
    assert(rc == 0);
}

static void unlock(struct vfs *vfs) {
    int rc = pthread_mutex_unlock(&vfs->lock);
    assert(rc == 0);
}

/* --- Failing ---------------------------------------------------------------------------------- */

static bool meant(const struct vfs *vfs, enum vfs_call call, const char *path) {
    return vfs->failing && vfs->failure.call == call &&
           (vfs->failure.file == NULL || (path != NULL && vfs_ends_with(path, vfs->failure.file)));
}

/* SQLITE_OK: the call shall go well. */
static int verdict(struct vfs *vfs, enum vfs_call call, const char *path) {
    int code = SQLITE_OK, os = 0;
    lock(vfs);
    vfs->calls[call]++;
    if (meant(vfs, call, path)) {
        vfs->seen++;
        unsigned nth = vfs->seen - vfs->failure.after;
        if (vfs->seen > vfs->failure.after &&
            (vfs->failure.times == 0 || nth <= vfs->failure.times)) {
            vfs->failed++;
            code = vfs->failure.code;
            os = vfs->failure.os;
        }
    }
    unlock(vfs);
    if (code != SQLITE_OK) {
        errno = os;
    }
    return code;
}

void vfs_fail(struct vfs *vfs, struct vfs_failure failure) {
    lock(vfs);
    vfs->failure = failure;
    vfs->failing = true;
    vfs->seen = 0;
    vfs->failed = 0;
    unlock(vfs);
}

void vfs_heal(struct vfs *vfs) {
    lock(vfs);
    vfs->failing = false;
    unlock(vfs);
}

unsigned vfs_failed(struct vfs *vfs) {
    lock(vfs);
    unsigned failed = vfs->failed;
    unlock(vfs);
    return failed;
}

unsigned vfs_calls(struct vfs *vfs, enum vfs_call call) {
    lock(vfs);
    unsigned calls = vfs->calls[call];
    unlock(vfs);
    return calls;
}

/* --- Open files ------------------------------------------------------------------------------- */

static struct handle *of(sqlite3_file *file) {
    return CONTAINER_OF(file, struct handle, base);
}

static int file_close(sqlite3_file *file) {
    struct handle *handle = of(file);
    int rc =
        handle->real->pMethods == NULL ? SQLITE_OK : handle->real->pMethods->xClose(handle->real);
    mem_free(handle->path);
    return rc;
}

static int file_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at) {
    struct handle *handle = of(file);
    int rc = verdict(handle->vfs, VFS_READ, handle->path);
    return rc != SQLITE_OK ? rc : handle->real->pMethods->xRead(handle->real, data, len, at);
}

static struct vfs_file *model_of(struct handle *handle) {
    return handle->name == NULL ? NULL : vfs_files_find(&handle->vfs->files, handle->name);
}

static int file_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at) {
    struct handle *handle = of(file);
    int rc = verdict(handle->vfs, VFS_WRITE, handle->path);
    if (rc == SQLITE_OK) {
        rc = handle->real->pMethods->xWrite(handle->real, data, len, at);
    }
    lock(handle->vfs);
    struct vfs_file *model = model_of(handle);
    if (rc == SQLITE_OK && model != NULL) {
        vfs_file_write(model, data, (size_t)len, (size_t)at);
    }
    unlock(handle->vfs);
    return rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 len) {
    struct handle *handle = of(file);
    int rc = verdict(handle->vfs, VFS_TRUNCATE, handle->path);
    if (rc == SQLITE_OK) {
        rc = handle->real->pMethods->xTruncate(handle->real, len);
    }
    lock(handle->vfs);
    struct vfs_file *model = model_of(handle);
    if (rc == SQLITE_OK && model != NULL) {
        vfs_file_truncate(model, (size_t)len);
    }
    unlock(handle->vfs);
    return rc;
}

/* The real sync is left out: what the machine's own disk does is not what is tested, and a thousand
 * syncs take time. */
static int file_sync(sqlite3_file *file, int flags) {
    struct handle *handle = of(file);
    if (handle->name != NULL && handle->vfs->hook != NULL) {
        handle->vfs->hook(handle->vfs->hook_ctx, handle->name);
    }
    int rc = verdict(handle->vfs, VFS_SYNC, handle->path);
    if (rc != SQLITE_OK) {
        return rc;
    }
    lock(handle->vfs);
    struct vfs_file *model = model_of(handle);
    if (model != NULL) {
        vfs_file_sync(model);
    }
    if (model != NULL && handle->sync_folder) {
        vfs_files_sync_folder(&handle->vfs->files);
        handle->sync_folder = false;
    }
    unlock(handle->vfs);
    (void)flags;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size) {
    struct handle *handle = of(file);
    return handle->real->pMethods->xFileSize(handle->real, ret_size);
}

static int file_lock(sqlite3_file *file, int level) {
    struct handle *handle = of(file);
    return handle->real->pMethods->xLock(handle->real, level);
}

static int file_unlock(sqlite3_file *file, int level) {
    struct handle *handle = of(file);
    return handle->real->pMethods->xUnlock(handle->real, level);
}

static int file_check_lock(sqlite3_file *file, int *ret_locked) {
    struct handle *handle = of(file);
    return handle->real->pMethods->xCheckReservedLock(handle->real, ret_locked);
}

static int file_control(sqlite3_file *file, int what, void *arg) {
    struct handle *handle = of(file);
    return handle->real->pMethods->xFileControl(handle->real, what, arg);
}

static int file_sector_size(sqlite3_file *file) {
    struct handle *handle = of(file);
    return handle->real->pMethods->xSectorSize(handle->real);
}

static int file_characteristics(sqlite3_file *file) {
    struct handle *handle = of(file);
    return handle->real->pMethods->xDeviceCharacteristics(handle->real);
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend,
                        void volatile **ret_memory) {
    struct handle *handle = of(file);
    int rc = verdict(handle->vfs, VFS_SHM, handle->path);
    return rc != SQLITE_OK
               ? rc
               : handle->real->pMethods->xShmMap(handle->real, page, size, extend, ret_memory);
}

static int file_shm_lock(sqlite3_file *file, int at, int count, int flags) {
    struct handle *handle = of(file);
    return handle->real->pMethods->xShmLock(handle->real, at, count, flags);
}

static void file_shm_barrier(sqlite3_file *file) {
    struct handle *handle = of(file);
    handle->real->pMethods->xShmBarrier(handle->real);
}

static int file_shm_unmap(sqlite3_file *file, int remove) {
    struct handle *handle = of(file);
    return handle->real->pMethods->xShmUnmap(handle->real, remove);
}

/* Version 2: shared memory, but no mapped reads, which nothing could fail. */
static const sqlite3_io_methods file_methods = {
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

static struct vfs *vfs_of(sqlite3_vfs *vfs) {
    return CONTAINER_OF(vfs, struct vfs, vfs);
}

/* With the lock held: the name in the watched folder, or NULL. */
static const char *watched_name(const struct vfs *vfs, const char *path) {
    if (vfs->folder == NULL || path == NULL) {
        return NULL;
    }
    size_t len = strlen(vfs->folder);
    return strncmp(path, vfs->folder, len) == 0 ? path + len : NULL;
}

/* As SQLite's own VFS for Unix: the first sync of a journal or log that an open may have made also
 * syncs the folder, and with it the files that were made or removed there. */
static bool syncs_folder(int flags) {
    int journals = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
    return (flags & SQLITE_OPEN_CREATE) != 0 && (flags & journals) != 0;
}

static int fs_open(sqlite3_vfs *base, const char *path, sqlite3_file *file, int flags,
                   int *ret_flags) {
    struct vfs *vfs = vfs_of(base);
    struct handle *handle = of(file);
    *handle = (struct handle){.vfs = vfs};
    handle->real = (sqlite3_file *)((char *)handle + real_at());
    handle->real->pMethods = NULL;
    int rc = verdict(vfs, VFS_OPEN, path);
    if (rc == SQLITE_OK) {
        rc = vfs->real->xOpen(vfs->real, path, handle->real, flags, ret_flags);
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    file->pMethods = &file_methods;
    handle->sync_folder = syncs_folder(flags);
    if (path != NULL) {
        handle->path = mem_copy(path, strlen(path));
        lock(vfs);
        handle->name = watched_name(vfs, handle->path);
        if (handle->name != NULL) {
            (void)vfs_files_add(&vfs->files, handle->name);
        }
        unlock(vfs);
    }
    return SQLITE_OK;
}

static int fs_delete(sqlite3_vfs *base, const char *path, int sync_folder) {
    struct vfs *vfs = vfs_of(base);
    int rc = vfs->real->xDelete(vfs->real, path, sync_folder);
    lock(vfs);
    const char *name = watched_name(vfs, path);
    if (rc == SQLITE_OK && name != NULL) {
        vfs_files_remove(&vfs->files, name, sync_folder != 0);
    }
    unlock(vfs);
    return rc;
}

static int fs_access(sqlite3_vfs *base, const char *path, int flags, int *ret_answer) {
    struct vfs *vfs = vfs_of(base);
    return vfs->real->xAccess(vfs->real, path, flags, ret_answer);
}

static int fs_full_path(sqlite3_vfs *base, const char *path, int size, char *ret_path) {
    struct vfs *vfs = vfs_of(base);
    return vfs->real->xFullPathname(vfs->real, path, size, ret_path);
}

static int fs_last_error(sqlite3_vfs *base, int size, char *ret_text) {
    struct vfs *vfs = vfs_of(base);
    return vfs->real->xGetLastError(vfs->real, size, ret_text);
}

static int fs_random(sqlite3_vfs *base, int size, char *ret_bytes) {
    struct vfs *vfs = vfs_of(base);
    return vfs->real->xRandomness(vfs->real, size, ret_bytes);
}

static int fs_sleep(sqlite3_vfs *base, int us) {
    struct vfs *vfs = vfs_of(base);
    return vfs->real->xSleep(vfs->real, us);
}

static int fs_time(sqlite3_vfs *base, sqlite3_int64 *ret_time) {
    struct vfs *vfs = vfs_of(base);
    return vfs->real->xCurrentTimeInt64(vfs->real, ret_time);
}

struct vfs *vfs_install(void) {
    struct vfs *vfs = mem_new(sizeof *vfs);
    int rc = pthread_mutex_init(&vfs->lock, NULL /* no attributes */);
    assert(rc == 0);
    vfs->real = sqlite3_vfs_find(NULL /* the default one */);
    assert(vfs->real != NULL);
    vfs->vfs = (sqlite3_vfs){.iVersion = 2,
                             .szOsFile = (int)real_at() + vfs->real->szOsFile,
                             .mxPathname = vfs->real->mxPathname,
                             .zName = "drover-fault",
                             .xOpen = fs_open,
                             .xDelete = fs_delete,
                             .xAccess = fs_access,
                             .xFullPathname = fs_full_path,
                             .xRandomness = fs_random,
                             .xSleep = fs_sleep,
                             .xGetLastError = fs_last_error,
                             .xCurrentTimeInt64 = fs_time};
    rc = sqlite3_vfs_register(&vfs->vfs, 1 /* the default from now on */);
    assert(rc == SQLITE_OK);
    return vfs;
}

void vfs_remove(struct vfs *vfs) {
    int rc = sqlite3_vfs_unregister(&vfs->vfs);
    assert(rc == SQLITE_OK);
    rc = sqlite3_vfs_register(vfs->real, 1 /* not the one that is next in the list */);
    assert(rc == SQLITE_OK);
    vfs_watch(vfs, NULL);
    rc = pthread_mutex_destroy(&vfs->lock);
    assert(rc == 0);
    mem_free(vfs);
}

/* --- Power cuts ------------------------------------------------------------------------------- */

static bool is_database_file(const char *name) {
    return vfs_ends_with(name, ".db") || vfs_ends_with(name, "-wal") ||
           vfs_ends_with(name, "-journal");
}

static void model_folder(struct vfs *vfs) {
    DIR *folder = opendir(vfs->folder);
    assert(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (is_database_file(entry->d_name)) {
            AUTO(mem_release) char *path = vfs_path(vfs->folder, entry->d_name);
            AUTO(mem_release) char *data = NULL;
            size_t len = 0;
            vfs_bytes_read(path, &data, &len);
            struct vfs_file *file = vfs_files_add(&vfs->files, entry->d_name);
            vfs_file_set_durable(file, data, len);
            file->named = true;
        }
    }
    (void)closedir(folder); /* Only read. */
}

static void forget(struct vfs *vfs) {
    vfs_files_done(&vfs->files);
    mem_free(vfs->folder);
    vfs->folder = NULL;
}

void vfs_watch(struct vfs *vfs, const char *folder) {
    lock(vfs);
    forget(vfs);
    if (folder != NULL) {
        vfs->folder = vfs_path(folder, "");
        model_folder(vfs);
    }
    unlock(vfs);
}

void vfs_at_sync(struct vfs *vfs, void (*hook)(void *ctx, const char *name), void *ctx) {
    vfs->hook = hook;
    vfs->hook_ctx = ctx;
}

struct vfs_image *vfs_capture(struct vfs *vfs) {
    struct vfs_image *image = mem_new(sizeof *image);
    lock(vfs);
    vfs_files_copy(&vfs->files, &image->files);
    unlock(vfs);
    return image;
}

void vfs_image_free(struct vfs_image *image) {
    if (image != NULL) {
        vfs_files_done(&image->files);
        mem_free(image);
    }
}

void vfs_image_write(const struct vfs_image *image, const char *folder, enum vfs_cut cut,
                     uint64_t seed) {
    for (const struct vfs_file *file = image->files.first; file != NULL; file = file->next) {
        AUTO(mem_release) char *data = NULL;
        size_t len = 0;
        if (vfs_file_after(file, cut, &seed, &data, &len)) {
            AUTO(mem_release) char *path = vfs_path(folder, file->name);
            vfs_bytes_write(path, data, len);
        }
    }
}

void vfs_image_adopt(struct vfs *vfs, const struct vfs_image *image, const char *folder) {
    vfs_image_write(image, folder, VFS_KEEP_ALL, 0 /* nothing is drawn */);
    lock(vfs);
    forget(vfs);
    vfs->folder = vfs_path(folder, "");
    vfs_files_copy(&image->files, &vfs->files);
    unlock(vfs);
}
