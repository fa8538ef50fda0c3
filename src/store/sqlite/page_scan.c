/* page_scan.c: see page_scan.h. */
#include "store/sqlite/page_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "store/datadir.h"
#include "store/sqlite/log_frames.h"
#include "store/sqlite/page.h"

enum {
    PASSES = 3,
    CHUNK_PAGES = 256,
    HEADER_FREE_PAGES = 36, /* Four bytes, big endian. */
    /* Pages that are read again; of more than these, a page or two that are being written do not
     * matter. */
    AGAIN_MAX = 1000,
    /* Here are the bytes that SQLite locks: it never writes the page. */
    LOCK_PAGE = 0x40000000 / PAGE_BYTES + 1,
};

/* SQLite's own limit, whatever it was built with: 17.6 TB. */
static const int64_t pages_max = 0xfffffffe;

struct page_list {
    uint32_t *numbers; /* Owned. */
    size_t count, size;
};

static void page_list_add(struct page_list *list, uint32_t number) {
    if (list->count == list->size) {
        list->size = list->size == 0 ? 64 : list->size * 2;
        list->numbers = mem_grow(list->numbers, list->size * sizeof *list->numbers);
    }
    list->numbers[list->count++] = number;
}

/* Bytes that are missing at the end of a file that was cut are read as zeros. */
static struct err pages_read(int fd, uint32_t number, uint8_t *pages, size_t size) {
    size_t len = 0;
    TRY(page_read_at(fd, pages, size, (off_t)(number - 1) * PAGE_BYTES, &len));
    memset(pages + len, 0, size - len);
    return ERR_OK;
}

/* A page that the disk cannot read is damaged like any other. */
static bool page_holds(int fd, uint32_t number, uint8_t *page) {
    return !err_failed(pages_read(fd, number, page, PAGE_BYTES)) && page_sum_fits(page, number);
}

/* --- Pages in the log ------------------------------------------------------------------------- */

struct in_log {
    const struct page_list *pages;
    int64_t *first_at; /* Owned; for each: the first frame that holds it; 0: none. */
};

static void frame_note(void *ctx, int64_t frame, uint32_t number) {
    struct in_log *in_log = ctx;
    for (size_t i = 0; i < in_log->pages->count; i++) {
        if (in_log->pages->numbers[i] == number && in_log->first_at[i] == 0) {
            in_log->first_at[i] = frame;
        }
    }
}

/* What a checkpoint leaves out, because a reader needs the state before, may be a hole in the file
 * that grew; a page that a power cut tore while it was copied is whole in the log, too. */
static struct err log_pass(const char *log, struct page_list *damaged) {
    struct in_log in_log = {.pages = damaged,
                            .first_at = mem_new_array(damaged->count + 1, sizeof(int64_t))};
    int64_t commit = 0;
    struct err err = log_frames_each(log, frame_note, &in_log, &commit);
    size_t kept = 0;
    for (size_t i = 0; i < damaged->count && !err_failed(err); i++) {
        if (in_log.first_at[i] == 0 || in_log.first_at[i] > commit) {
            damaged->numbers[kept++] = damaged->numbers[i];
        }
    }
    damaged->count = err_failed(err) ? damaged->count : kept;
    mem_free(in_log.first_at);
    return err;
}

/* --- The whole file --------------------------------------------------------------------------- */

/* `log`: of the file; NULL: what is in it does not matter. */
static struct err file_scan(int fd, const char *log, uint8_t *chunk, struct page_list *damaged,
                            struct store_pages *pages) {
    uint8_t page[PAGE_BYTES];
    struct stat found;
    if (fstat(fd, &found) < 0) {
        return err_from_errno(errno, "scan: look");
    }
    int64_t count = (found.st_size + PAGE_BYTES - 1) / PAGE_BYTES;
    TRY(pages_read(fd, 1, chunk, PAGE_BYTES));
    pages->free = page_big_at(chunk + HEADER_FREE_PAGES);
    pages->sums = page_first_has_sums(chunk);
    if (!pages->sums) {
        return ERR_OK;
    }
    if (count > pages_max) { /* No database, whatever its first page says. */
        return err_from_errno(EFBIG, "scan: size");
    }
    pages->pages = count;
    for (int64_t done = 0; done < count; done += CHUNK_PAGES) {
        uint32_t first = (uint32_t)done + 1;
        uint32_t some = count - done < CHUNK_PAGES ? (uint32_t)(count - done) : CHUNK_PAGES;
        bool read = !err_failed(pages_read(fd, first, chunk, (size_t)some * PAGE_BYTES));
        for (uint32_t i = 0; i < some; i++) {
            bool holds = read ? page_sum_fits(chunk + (size_t)i * PAGE_BYTES, first + i)
                              : page_holds(fd, first + i, page);
            if (!holds && first + i != LOCK_PAGE) {
                page_list_add(damaged, first + i);
            }
        }
    }
    for (int pass = 1; pass < PASSES && damaged->count <= AGAIN_MAX; pass++) {
        size_t kept = 0;
        for (size_t i = 0; i < damaged->count; i++) {
            if (!page_holds(fd, damaged->numbers[i], page)) {
                damaged->numbers[kept++] = damaged->numbers[i];
            }
        }
        damaged->count = kept;
        if (log != NULL && kept > 0) {
            TRY(log_pass(log, damaged));
        }
    }
    return ERR_OK;
}

static struct err sums_write(int fd, const struct page_list *wrong) {
    uint8_t page[PAGE_BYTES];
    for (size_t i = 0; i < wrong->count; i++) {
        TRY(pages_read(fd, wrong->numbers[i], page, PAGE_BYTES));
        page_sum_put(page, wrong->numbers[i]);
        off_t at = (off_t)(wrong->numbers[i] - 1) * PAGE_BYTES + PAGE_SUMMED_BYTES;
        ssize_t written = pwrite(fd, page + PAGE_SUMMED_BYTES, PAGE_SUM_BYTES, at);
        if (written != PAGE_SUM_BYTES) {
            return err_from_errno(written < 0 ? errno : ENOSPC, "sums: write");
        }
    }
    return fsync(fd) < 0 ? err_from_errno(errno, "sums: sync") : ERR_OK;
}

struct err page_scan(const char *path, enum page_scan work, struct store_pages *ret_pages) {
    int flags = work == PAGE_SCAN_LOOK ? O_RDONLY : O_RDWR | O_NOFOLLOW;
    AUTO(fd_release) int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno, "scan: open");
    }
    AUTO(mem_release) uint8_t *chunk = mem_new((size_t)CHUNK_PAGES * PAGE_BYTES);
    AUTO(mem_release) char *log = datadir_beside(path, "-wal");
    struct page_list damaged = {.numbers = NULL};
    struct store_pages pages = {.sums = false};
    struct err err = file_scan(fd, work == PAGE_SCAN_LOOK ? log : NULL, chunk, &damaged, &pages);
    if (!err_failed(err) && work == PAGE_SCAN_REWRITE) {
        err = sums_write(fd, &damaged);
    }
    pages.damaged = (int64_t)damaged.count;
    for (size_t i = 0; i < damaged.count && i < STORE_PAGES_SHOWN; i++) {
        pages.numbers[i] = damaged.numbers[i];
    }
    mem_free(damaged.numbers);
    TRY(err);
    *ret_pages = pages;
    return ERR_OK;
}
