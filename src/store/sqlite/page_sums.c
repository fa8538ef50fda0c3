/* page_sums.c: see page_sums.h. Only reads and writes of pages of a database file and of its log
 * are looked at. Each file is opened through the default VFS and lies at the beginning of ours, so
 * that all other methods of that VFS work on it as they are.
 *
 * Whether a file has checksums is known from its header, which SQLite reads when it opens the file.
 * A damaged byte there must not switch the checksums off: where the header denies them, but the
 * first page with the usual header has the right checksum, SQLite is given the usual header, and
 * the page is refused as damaged when it is read as a whole.
 */
#include "store/sqlite/page_sums.h"

#include <errno.h>
#include <string.h>

#include "store/sqlite/log_frames.h"
#include "store/sqlite/log_tail.h"

/* File controls of ours; those below 100 are SQLite's. */
enum { CONTROL_WATCH = 7301, CONTROL_SET, CONTROL_GET, CONTROL_BUFFER };
/* SQLITE_IOCAP_SUBPAGE_READ, which headers before 3.48 do not have; the library may be newer. */
enum { CAN_READ_PARTS = 0x8000 };
enum { REAL_BYTES = 1024 }; /* SQLite's own take some 150. */

struct page_file {
    sqlite3_file base;              /* The file of the default VFS, */
    char rest[REAL_BYTES];          /* with its members. */
    const sqlite3_io_methods *real; /* Borrowed: methods of the default VFS; */
    sqlite3_io_methods methods;     /* a copy with some of ours, which `base` has. */
    struct page_watch *watch;       /* Borrowed; may be NULL. */
    bool database;                  /* Not a log, a journal or a temporary file. */
    bool sums;
    bool gaps; /* Gaps are cleared (page.h). */
    /* Between these two a checkpoint copies the log: a page that is damaged there. */
    bool copies, spoilt;
    struct page_file *log_of;   /* Borrowed; NULL: no log. */
    sqlite3_int64 written_from; /* Of a log: what follows may be of a commit that goes on. */
    struct log_tail tail;       /* The end of a log that is not in its file yet, */
    bool buffered;              /* and whether logs of this database have one. */
};

static const sqlite3_int64 nothing_written = INT64_MAX;

static struct page_file *of(sqlite3_file *file) {
    return CONTAINER_OF(file, struct page_file, base);
}

/* --- What all connections share --------------------------------------------------------------- */

void page_watch_init(struct page_watch *watch) {
    int rc = uv_mutex_init(&watch->lock);
    assert(rc == 0);
}

void page_watch_done(struct page_watch *watch) {
    uv_mutex_destroy(&watch->lock);
}

uint32_t page_watch_damaged(const struct page_watch *watch) {
    return (uint32_t)atomic_load_explicit(&watch->damaged_count, memory_order_relaxed);
}

static void damage_add(const struct page_file *database, uint32_t number) {
    struct page_watch *watch = database->watch;
    if (watch == NULL) {
        return;
    }
    uv_mutex_lock(&watch->lock);
    uint32_t count = page_watch_damaged(watch), at = 0;
    while (at < count && watch->damaged[at] != number) {
        at++;
    }
    if (at == count && count < PAGE_DAMAGE_MAX) {
        watch->damaged[count] = number;
        atomic_store_explicit(&watch->damaged_count, count + 1, memory_order_relaxed);
    }
    uv_mutex_unlock(&watch->lock);
}

static void log_sum_put(struct page_watch *watch, uint64_t frame, const uint8_t *page) {
    if (watch != NULL && frame < PAGE_LOG_FRAMES) {
        atomic_store_explicit(&watch->log_sums[frame], page_sum_all(page, (uint32_t)frame),
                              memory_order_relaxed);
    }
}

static bool log_sum_fits(const struct page_watch *watch, uint64_t frame, const uint8_t *page) {
    if (watch == NULL || frame >= PAGE_LOG_FRAMES) {
        return false;
    }
    uint64_t sum = atomic_load_explicit(&watch->log_sums[frame], memory_order_relaxed);
    return sum != 0 && sum == page_sum_all(page, (uint32_t)frame);
}

/* --- Reads ------------------------------------------------------------------------------------ */

static int refuse(const struct page_file *database, uint32_t number) {
    damage_add(database, number);
    errno = 0; /* Not an error of the system. */
    return SQLITE_CORRUPT;
}

static bool is_page(const struct page_file *file, int len, sqlite3_int64 at) {
    return file->database && len == PAGE_BYTES && at % PAGE_BYTES == 0;
}

/* A page that the file is too short for is damage, too: SQLite would take it for zeros, which are
 * content in a row that fills several pages. */
static int page_read(struct page_file *file, uint8_t *page, uint32_t number) {
    sqlite3_int64 at = (sqlite3_int64)(number - 1) * PAGE_BYTES;
    int rc = file->real->xRead(&file->base, page, PAGE_BYTES, at);
    bool cut = rc == SQLITE_IOERR_SHORT_READ && file->sums;
    if (rc != SQLITE_OK && !cut) {
        return rc;
    }
    file->sums = file->sums || (number == 1 && page_header_has_sums(page));
    if (!file->sums || (!cut && page_sum_fits(page, number))) {
        return SQLITE_OK;
    }
    return refuse(file, number);
}

/* A damaged page must not stop the copy of all others, and must not look whole afterwards: it is
 * written with a wrong checksum. Frames of a commit that goes on get their checksums at its end;
 * only the connection that writes them reads them until then. */
static int log_read(struct page_file *log, uint8_t *page, sqlite3_int64 at) {
    struct page_watch *watch = log->log_of->watch;
    uint64_t frame = log_frame_number(at);
    int rc = log->real->xRead(&log->base, page, PAGE_BYTES, at);
    bool whole = rc == SQLITE_OK && log_sum_fits(watch, frame, page);
    if (whole || (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)) {
        return rc;
    }
    bool fits = false;
    uint32_t number = 0;
    rc = log_frame_read(&log->base, page, at, &fits, &number);
    if (rc == SQLITE_OK && fits) {
        log_sum_put(watch, frame, page);
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

static int log_flush(struct page_file *file) {
    return log_tail_write(&file->tail, file->real, &file->base);
}

static int checked_read(struct page_file *file, void *data, int len, sqlite3_int64 at) {
    uint8_t page[PAGE_BYTES];
    if (is_page(file, len, at)) {
        return page_read(file, data, (uint32_t)(at / PAGE_BYTES + 1));
    }
    if (file->log_of != NULL && file->log_of->sums && at < file->written_from &&
        log_frame_is_page(len, at)) {
        return log_read(file, data, at);
    }
    /* Part of a page: SQLite reads overflow pages so since 3.45. The checksum needs all of it. But
     * the beginning of the header is read by itself while the file may be written by others. */
    if (file->database && file->sums && at >= PAGE_HEADER_BYTES &&
        at % PAGE_BYTES + len <= PAGE_BYTES) {
        int rc = page_read(file, page, (uint32_t)(at / PAGE_BYTES + 1));
        if (rc == SQLITE_OK) {
            memcpy(data, page + at % PAGE_BYTES, (size_t)len);
        }
        return rc;
    }
    int rc = file->real->xRead(&file->base, data, len, at);
    if (file->database && at == 0 && len >= PAGE_HEADER_BYTES && rc == SQLITE_OK) {
        file->gaps = page_gap_possible(data);
        file->sums = page_header_has_sums(data);
        if (!file->sums && file->real->xRead(&file->base, page, PAGE_BYTES, 0) == SQLITE_OK &&
            page_first_has_sums(page)) {
            file->sums = true;
            page_header_set_sums(data);
        }
    }
    return rc;
}

static int file_read(sqlite3_file *base, void *data, int len, sqlite3_int64 at) {
    struct page_file *file = of(base);
    int rc = log_flush(file); /* A commit larger than the cache reads what it has written. */
    if (rc == SQLITE_OK && file->log_of != NULL && len == LOG_FRAME_BYTES) {
        return log_tail_read(&file->tail, file->real, base, data, len, at); /* A recovery. */
    }
    file->tail.ahead = 0;
    return rc == SQLITE_OK ? checked_read(file, data, len, at) : rc;
}

/* --- Writes ----------------------------------------------------------------------------------- */

static int log_write(struct page_file *log, const void *data, int len, sqlite3_int64 at) {
    log->written_from = at < log->written_from ? at : log->written_from;
    if (log->log_of->sums && log_frame_is_page(len, at)) {
        log_sum_put(log->log_of->watch, log_frame_number(at), data);
    }
    return log->log_of->buffered ? log_tail_add(&log->tail, log->real, &log->base, data, len, at)
                                 : log->real->xWrite(&log->base, data, len, at);
}

static int file_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 at) {
    struct page_file *file = of(base);
    if (file->log_of != NULL) {
        return log_write(file, data, len, at);
    }
    if (!is_page(file, len, at)) {
        return file->real->xWrite(base, data, len, at);
    }
    uint8_t copy[PAGE_BYTES]; /* SQLite's own buffer must not change. */
    uint32_t number = (uint32_t)(at / PAGE_BYTES + 1);
    memcpy(copy, data, sizeof copy);
    if (file->spoilt) { /* Damaged in the log: see log_read. */
        page_sum_put(copy, number);
        copy[PAGE_SUMMED_BYTES] ^= 1;
        file->spoilt = false;
        damage_add(file, number);
        return file->real->xWrite(base, copy, len, at);
    }
    if (at == 0) {
        file->sums = page_header_has_sums(data);
        file->gaps = page_gap_possible(data);
    }
    sqlite3_int64 size = 0;
    if (file->gaps && file->real->xFileSize(base, &size) == SQLITE_OK &&
        size / PAGE_BYTES < PAGE_GAP_PAGES_MAX) {
        page_gap_clear(copy, number, file->sums ? PAGE_SUMMED_BYTES : PAGE_BYTES);
    }
    if (file->sums) {
        page_sum_put(copy, number);
    }
    return file->real->xWrite(base, copy, len, at);
}

static int file_sync(sqlite3_file *base, int flags) {
    struct page_file *file = of(base);
    int rc = log_flush(file);
    rc = rc == SQLITE_OK ? file->real->xSync(base, flags) : rc;
    if (rc == SQLITE_OK) {
        file->written_from = nothing_written;
    }
    return rc;
}

/* Without a flush: what no sync has followed is no commit. */
static int file_close(sqlite3_file *base) {
    struct page_file *file = of(base);
    log_tail_done(&file->tail);
    return file->real->xClose(base);
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
    case CONTROL_BUFFER:
        file->buffered = true;
        return SQLITE_OK;
    case SQLITE_FCNTL_CKPT_START:
    case SQLITE_FCNTL_CKPT_DONE:
        file->copies = what == SQLITE_FCNTL_CKPT_START;
        file->spoilt = false;
        return file->real->xFileControl(base, what, arg);
    default:
        return file->real->xFileControl(base, what, arg);
    }
}

static int file_characteristics(sqlite3_file *base) {
    return of(base)->real->xDeviceCharacteristics(base) & ~CAN_READ_PARTS;
}

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
    if ((size_t)real()->szOsFile > offsetof(struct page_file, real)) {
        return SQLITE_CANTOPEN;
    }
    int rc = real()->xOpen(real(), path, base, flags, ret_flags);
    if (rc != SQLITE_OK) {
        return rc; /* Where the file has methods all the same, SQLite closes it. */
    }
    file->log_of = (flags & SQLITE_OPEN_WAL) != 0 ? of(sqlite3_database_file_object(path)) : NULL;
    file->real = base->pMethods;
    file->methods = *file->real;
    if (file->methods.iVersion > 2) {
        file->methods.iVersion = 2; /* No mapped reads, which would pass the checksums by. */
    }
    file->methods.xRead = file_read;
    file->methods.xWrite = file_write;
    file->methods.xSync = file_sync;
    file->methods.xClose = file_close;
    file->methods.xFileControl = file_control;
    file->methods.xDeviceCharacteristics = file_characteristics;
    base->pMethods = &file->methods;
    return SQLITE_OK;
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

void page_sums_buffer_log(sqlite3 *db) {
    control(db, CONTROL_BUFFER, NULL);
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
