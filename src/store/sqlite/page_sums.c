/* page_sums.c: see page_sums.h. Each file is opened through the default VFS; only reads and writes
 * of pages of a database file are looked at, all else is passed on.
 *
 * Whether a file has checksums is known from its header, which SQLite reads when it opens the file.
 * A damaged byte there must not switch the checksums off: where the header denies them, but the
 * first page with the usual header has the right checksum, SQLite is given the usual header, and
 * the page is refused as damaged when it is read as a whole.
 */
#include "store/sqlite/page_sums.h"

#include "store/sqlite/log_frames.h"
#include "store/sqlite/page_gap.h"

#include <errno.h>
#include <string.h>

enum {
    HEADER_PAGE_SIZE = 16, /* Two bytes, big endian. */
    HEADER_RESERVED = 20,
    HEADER_BYTES = 100,
    SUMMED_BYTES = PAGE_BYTES - PAGE_SUM_BYTES,
};
/* File controls of ours; those below 100 are SQLite's. */
enum { CONTROL_WATCH = 7301, CONTROL_SET, CONTROL_GET };
/* SQLITE_IOCAP_SUBPAGE_READ, which headers before 3.48 do not have; the library may be newer. */
enum { CAN_READ_PARTS = 0x8000 };

struct page_file {
    sqlite3_file base;
    sqlite3_file *real;       /* Owned: sqlite3_malloc. */
    struct page_watch *watch; /* Borrowed; may be NULL. */
    bool database;            /* Not a log, a journal or a temporary file. */
    bool sums;
    bool gaps; /* Gaps are cleared (page_gap.h). */
    /* Between these two a checkpoint copies the log: a page that is damaged there. */
    bool copies, spoilt;
    struct page_file *log_of;   /* Borrowed; NULL: no log. */
    sqlite3_int64 written_from; /* Of a log: what is behind may be of a commit that goes on. */
};

static const sqlite3_int64 nothing_written = INT64_MAX;

/* --- Reads and writes ------------------------------------------------------------------------- */

static struct page_file *of(sqlite3_file *file) {
    return CONTAINER_OF(file, struct page_file, base);
}

static bool header_has_sums(const uint8_t *header) {
    return header[HEADER_PAGE_SIZE] == PAGE_BYTES >> 8 && header[HEADER_PAGE_SIZE + 1] == 0 &&
           header[HEADER_RESERVED] == PAGE_SUM_BYTES;
}

static void header_set_sums(uint8_t *header) {
    header[HEADER_PAGE_SIZE] = PAGE_BYTES >> 8;
    header[HEADER_PAGE_SIZE + 1] = 0;
    header[HEADER_RESERVED] = PAGE_SUM_BYTES;
}

bool page_first_has_sums(const uint8_t *page) {
    uint8_t copy[PAGE_BYTES];
    memcpy(copy, page, sizeof copy);
    header_set_sums(copy);
    return header_has_sums(page) || page_sum_fits(copy, 1);
}

static void header_look(struct page_file *file, uint8_t *header) {
    uint8_t page[PAGE_BYTES];
    file->gaps = page_gap_possible(header);
    file->sums = header_has_sums(header);
    if (!file->sums && file->real->pMethods->xRead(file->real, page, PAGE_BYTES, 0) == SQLITE_OK) {
        file->sums = page_first_has_sums(page);
        if (file->sums) {
            header_set_sums(header);
        }
    }
}

static bool is_page(const struct page_file *file, int len, sqlite3_int64 at) {
    return file->database && len == PAGE_BYTES && at % PAGE_BYTES == 0;
}

static void damage_add(const struct page_file *database, uint32_t number) {
    if (database->watch != NULL) {
        page_damage_add(&database->watch->damage, number);
    }
}

static int refuse(const struct page_file *database, uint32_t number) {
    damage_add(database, number);
    errno = 0; /* Not an error of the system. */
    return SQLITE_CORRUPT;
}

/* A page that the file is too short for is damage, too: SQLite would take it for zeros, which are
 * content in a row that fills several pages. */
static int page_read(struct page_file *file, uint8_t *page, uint32_t number) {
    sqlite3_int64 at = (sqlite3_int64)(number - 1) * PAGE_BYTES;
    int rc = file->real->pMethods->xRead(file->real, page, PAGE_BYTES, at);
    bool cut = rc == SQLITE_IOERR_SHORT_READ && file->sums;
    if (rc != SQLITE_OK && !cut) {
        return rc;
    }
    file->sums = file->sums || (number == 1 && header_has_sums(page));
    if (!file->sums || (!cut && page_sum_fits(page, number))) {
        return SQLITE_OK;
    }
    return refuse(file, number);
}

/* Part of a page: SQLite reads overflow pages so since 3.45. The checksum needs all of the page. */
static int part_read(struct page_file *file, void *data, int len, sqlite3_int64 at) {
    uint8_t page[PAGE_BYTES];
    int rc = page_read(file, page, (uint32_t)(at / PAGE_BYTES + 1));
    if (rc == SQLITE_OK) {
        memcpy(data, page + at % PAGE_BYTES, (size_t)len);
    }
    return rc;
}

/* A damaged page must not stop the copy of all others, and must not look whole afterwards: it is
 * written with a wrong checksum. Frames of a commit that goes on get their checksums at its end;
 * only the connection that writes them reads them until then. */
static int log_read(struct page_file *log, uint8_t *page, sqlite3_int64 at) {
    struct page_watch *watch = log->log_of->watch;
    uint64_t frame = log_frame_number(at);
    int rc = log->real->pMethods->xRead(log->real, page, PAGE_BYTES, at);
    bool whole = rc == SQLITE_OK && watch != NULL && log_sums_fit(&watch->log, frame, page);
    if (whole || (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)) {
        return rc;
    }
    bool fits = false;
    uint32_t number = 0;
    rc = log_frame_read(log->real, page, at, &fits, &number);
    if (rc == SQLITE_OK && fits && watch != NULL) {
        log_sums_put(&watch->log, frame, page);
    }
    if (rc != SQLITE_OK || fits) {
        return rc;
    }
    if (log->log_of->copies) {
        log->log_of->spoilt = true;
        return SQLITE_OK;
    }
    return refuse(log->log_of, number);
}

/* The beginning of the header is read by itself while the file may be written by others. */
static int file_read(sqlite3_file *base, void *data, int len, sqlite3_int64 at) {
    struct page_file *file = of(base);
    if (is_page(file, len, at)) {
        return page_read(file, data, (uint32_t)(at / PAGE_BYTES + 1));
    }
    if (file->log_of != NULL && file->log_of->sums && at < file->written_from &&
        log_frame_is_page(len, at)) {
        return log_read(file, data, at);
    }
    bool header = at < HEADER_BYTES;
    if (file->database && file->sums && !header && at % PAGE_BYTES + len <= PAGE_BYTES) {
        return part_read(file, data, len, at);
    }
    int rc = file->real->pMethods->xRead(file->real, data, len, at);
    if (file->database && at == 0 && len >= HEADER_BYTES && rc == SQLITE_OK) {
        header_look(file, data);
    }
    return rc;
}

/* Damaged in the log: see log_read. */
static int spoilt_write(struct page_file *file, const void *data, sqlite3_int64 at) {
    uint8_t copy[PAGE_BYTES];
    uint32_t number = (uint32_t)(at / PAGE_BYTES + 1);
    memcpy(copy, data, sizeof copy);
    page_sum_put(copy, number);
    copy[SUMMED_BYTES] ^= 1;
    file->spoilt = false;
    damage_add(file, number);
    return file->real->pMethods->xWrite(file->real, copy, PAGE_BYTES, at);
}

static int log_write(struct page_file *log, const void *data, int len, sqlite3_int64 at) {
    struct page_watch *watch = log->log_of->watch;
    log->written_from = at < log->written_from ? at : log->written_from;
    if (log->log_of->sums && watch != NULL && log_frame_is_page(len, at)) {
        log_sums_put(&watch->log, log_frame_number(at), data);
    }
    return log->real->pMethods->xWrite(log->real, data, len, at);
}

static int file_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 at) {
    struct page_file *file = of(base);
    bool page = is_page(file, len, at);
    if (page && file->spoilt) {
        return spoilt_write(file, data, at);
    }
    if (file->log_of != NULL) {
        return log_write(file, data, len, at);
    }
    if (page && at == 0) {
        file->sums = header_has_sums(data);
        file->gaps = page_gap_possible(data);
    }
    if (!page || (!file->sums && !file->gaps)) {
        return file->real->pMethods->xWrite(file->real, data, len, at);
    }
    uint8_t copy[PAGE_BYTES]; /* SQLite's own buffer must not change. */
    memcpy(copy, data, sizeof copy);
    sqlite3_int64 size = 0;
    int rc = file->gaps ? file->real->pMethods->xFileSize(file->real, &size) : SQLITE_ERROR;
    if (rc == SQLITE_OK && size / PAGE_BYTES < PAGE_GAP_PAGES_MAX) {
        page_gap_clear(copy, (uint32_t)(at / PAGE_BYTES + 1),
                       file->sums ? SUMMED_BYTES : PAGE_BYTES);
    }
    if (file->sums) {
        page_sum_put(copy, (uint32_t)(at / PAGE_BYTES + 1));
    }
    return file->real->pMethods->xWrite(file->real, copy, len, at);
}

static int file_control(sqlite3_file *base, int what, void *arg) {
    struct page_file *file = of(base);
    switch (what) {
    case CONTROL_WATCH:
        file->watch = arg;
        return SQLITE_OK;
    case CONTROL_SET:
        file->sums = *(const bool *)arg;
        return SQLITE_OK;
    case CONTROL_GET:
        *(bool *)arg = file->sums;
        return SQLITE_OK;
    case SQLITE_FCNTL_CKPT_START:
    case SQLITE_FCNTL_CKPT_DONE:
        file->copies = what == SQLITE_FCNTL_CKPT_START;
        file->spoilt = false;
        return file->real->pMethods->xFileControl(file->real, what, arg);
    default:
        return file->real->pMethods->xFileControl(file->real, what, arg);
    }
}

/* --- Passed on -------------------------------------------------------------------------------- */

static int file_close(sqlite3_file *base) {
    struct page_file *file = of(base);
    int rc = file->real->pMethods->xClose(file->real);
    sqlite3_free(file->real);
    return rc;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 len) {
    struct page_file *file = of(base);
    return file->real->pMethods->xTruncate(file->real, len);
}

static int file_sync(sqlite3_file *base, int flags) {
    struct page_file *file = of(base);
    int rc = file->real->pMethods->xSync(file->real, flags);
    if (rc == SQLITE_OK) {
        file->written_from = nothing_written;
    }
    return rc;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size) {
    struct page_file *file = of(base);
    return file->real->pMethods->xFileSize(file->real, ret_size);
}

static int file_lock(sqlite3_file *base, int level) {
    struct page_file *file = of(base);
    return file->real->pMethods->xLock(file->real, level);
}

static int file_unlock(sqlite3_file *base, int level) {
    struct page_file *file = of(base);
    return file->real->pMethods->xUnlock(file->real, level);
}

static int file_check_lock(sqlite3_file *base, int *ret_locked) {
    struct page_file *file = of(base);
    return file->real->pMethods->xCheckReservedLock(file->real, ret_locked);
}

static int file_sector_size(sqlite3_file *base) {
    struct page_file *file = of(base);
    return file->real->pMethods->xSectorSize(file->real);
}

static int file_characteristics(sqlite3_file *base) {
    struct page_file *file = of(base);
    return file->real->pMethods->xDeviceCharacteristics(file->real) & ~CAN_READ_PARTS;
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend,
                        void volatile **ret_memory) {
    struct page_file *file = of(base);
    return file->real->pMethods->xShmMap(file->real, region, size, extend, ret_memory);
}

static int file_shm_lock(sqlite3_file *base, int at, int count, int flags) {
    struct page_file *file = of(base);
    return file->real->pMethods->xShmLock(file->real, at, count, flags);
}

static void file_shm_barrier(sqlite3_file *base) {
    struct page_file *file = of(base);
    file->real->pMethods->xShmBarrier(file->real);
}

static int file_shm_unmap(sqlite3_file *base, int remove) {
    struct page_file *file = of(base);
    return file->real->pMethods->xShmUnmap(file->real, remove);
}

/* Version 2: shared memory, but no mapped reads, which would pass the checksums by. */
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

static sqlite3_vfs page_vfs; /* Below. */

/* Where the default is taken out of SQLite's list, the next one in it is the default: ours. */
static sqlite3_vfs *real(void) {
    sqlite3_vfs *found = sqlite3_vfs_find(NULL /* the default */);
    return found == &page_vfs ? found->pNext : found;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                    int *ret_flags) {
    struct page_file *file = of(base);
    (void)vfs;
    *file = (struct page_file){.database = (flags & SQLITE_OPEN_MAIN_DB) != 0,
                               .written_from = nothing_written};
    if ((flags & SQLITE_OPEN_WAL) != 0) {
        file->log_of = of(sqlite3_database_file_object(path));
    }
    file->real = sqlite3_malloc(real()->szOsFile);
    if (file->real == NULL) {
        return SQLITE_NOMEM;
    }
    memset(file->real, 0, (size_t)real()->szOsFile);
    int rc = real()->xOpen(real(), path, file->real, flags, ret_flags);
    if (rc == SQLITE_OK) {
        base->pMethods = &methods;
        return SQLITE_OK;
    }
    if (file->real->pMethods != NULL) {
        (void)file->real->pMethods->xClose(file->real); /* The open has failed already. */
    }
    sqlite3_free(file->real);
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
    (void)vfs;
    return real()->xDelete(real(), path, sync_folder);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret_answer) {
    (void)vfs;
    return real()->xAccess(real(), path, flags, ret_answer);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int size, char *ret_path) {
    (void)vfs;
    return real()->xFullPathname(real(), path, size, ret_path);
}

static int vfs_random(sqlite3_vfs *vfs, int size, char *ret_bytes) {
    (void)vfs;
    return real()->xRandomness(real(), size, ret_bytes);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us) {
    (void)vfs;
    return real()->xSleep(real(), us);
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ret_time) {
    (void)vfs;
    return real()->xCurrentTimeInt64(real(), ret_time);
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *ret_text) {
    (void)vfs;
    return real()->xGetLastError(real(), size, ret_text);
}

/* SQLite keeps the struct in a list of its own for the life of the process. */
static sqlite3_vfs page_vfs = {
    .iVersion = 2,
    .szOsFile = sizeof(struct page_file),
    .zName = "drover-pages",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xRandomness = vfs_random,
    .xSleep = vfs_sleep,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_time,
};

const char *page_sums_vfs(void) {
    if (sqlite3_vfs_find(page_vfs.zName) == NULL) {
        const sqlite3_vfs *under = real();
        page_vfs.mxPathname = under == NULL ? 0 : under->mxPathname;
        if (under == NULL ||
            sqlite3_vfs_register(&page_vfs, 0 /* not the default */) != SQLITE_OK) {
            return NULL;
        }
    }
    return page_vfs.zName;
}

/* --- Connections ------------------------------------------------------------------------------ */

static void control(sqlite3 *db, int what, void *arg) {
    (void)sqlite3_file_control(db, "main", what, arg); /* No file has none of these. */
}

void page_sums_reserve(sqlite3 *db) {
    int bytes = PAGE_SUM_BYTES;
    control(db, SQLITE_FCNTL_RESERVE_BYTES, &bytes);
}

void page_sums_watch(sqlite3 *db, struct page_watch *watch) {
    control(db, CONTROL_WATCH, watch);
}

bool page_sums_on(sqlite3 *db) {
    bool on = false;
    control(db, CONTROL_GET, &on);
    return on;
}

void page_sums_like(sqlite3 *db, sqlite3 *from) {
    bool on = page_sums_on(from);
    control(db, CONTROL_SET, &on);
}
