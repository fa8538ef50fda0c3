/* log.c: output by logical offset, while a holder writes it and drops its oldest part.
 *
 *   out.head                 [0, size)
 *   out.00000000000000065536 [65536, 65536 + size)        and so on
 *
 * The files are extents, sorted by their first offset. A listing is taken without a lock, and so it
 * may be wrong in two ways:
 *
 *   - A segment in it is gone when it is opened. Then it is listed anew.
 *   - It lacks a file that was made while the folder was read, though it has a later one: a hole
 *     that isn't there. So a hole is believed only when the extent behind it was there in an
 *     earlier listing already: whatever lies before that one was made before it, and this listing
 *     must have seen it, if it still exists.
 *
 * Sizes are taken after the listing: an extent with another one behind it does not grow any more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "proc/spool/inside.h"
#include "proc/spool/spool.h"

enum {
    EXTENTS_MAX = 1 << 16, /* A holder keeps far fewer. */
    ROUNDS_MAX = 16,       /* Of listing again. A holder would have to drop a segment in each. */
    FILE_NAME_SIZE = 32,
};

static const int64_t HEAD = -1; /* Sorts before all segments; its first offset is 0. */

/* The files of one stream, by their first offsets. */
struct listing {
    int64_t *starts; /* Owned. */
    size_t count, size;
};

static void listing_done(struct listing *listing) {
    mem_free(listing->starts);
}

static void dir_release(DIR **dir) {
    if (*dir != NULL) {
        (void)closedir(*dir); /* It was only read. */
    }
}

const char *log_stream_name(enum log_stream stream) {
    static const char *const names[LOG_STREAMS] = {
        [LOG_OUT] = "out",
        [LOG_ERR] = "err",
        [LOG_PTY] = "pty",
    };
    assert((unsigned)stream < LOG_STREAMS);
    return names[stream];
}

/* --- Listing ---------------------------------------------------------------------------------- */

/* Exactly 20 digits, so number_parse, which refuses leading zeros, is no help. */
static bool parse_start(const char *digits, int64_t *ret_start) {
    if (strlen(digits) != PROTOCOL_SEGMENT_DIGITS) {
        return false;
    }
    int64_t start = 0;
    for (const char *at = digits; *at != '\0'; at++) {
        int64_t digit = *at - '0';
        if (digit < 0 || digit > 9 || start > (INT64_MAX - digit) / 10) {
            return false;
        }
        start = start * 10 + digit;
    }
    *ret_start = start;
    return true;
}

static bool parse_file_name(const char *file, enum log_stream stream, int64_t *ret_start) {
    const char *name = log_stream_name(stream);
    size_t len = strlen(name);
    if (strncmp(file, name, len) != 0 || file[len] != '.') {
        return false;
    }
    if (strcmp(file + len + 1, "head") == 0) {
        *ret_start = HEAD;
        return true;
    }
    return parse_start(file + len + 1, ret_start);
}

static struct err listing_add(struct listing *listing, int64_t start) {
    if (listing->count == EXTENTS_MAX) {
        return err_make(ERR_OVERLOADED, "spool: too many segments");
    }
    if (listing->count == listing->size) {
        listing->size = listing->size == 0 ? 32 : 2 * listing->size;
        listing->starts = mem_grow(listing->starts, listing->size * sizeof *listing->starts);
    }
    listing->starts[listing->count++] = start;
    return ERR_OK;
}

static int compare_starts(const void *a, const void *b) {
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static struct err list_extents(int folder_fd, enum log_stream stream, struct listing *listing) {
    listing->count = 0;
    int copy = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0 && errno == ENOENT) {
        return ERR_OK; /* Removed since it was opened. */
    }
    AUTO(dir_release) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (dir == NULL) {
        struct err err = err_from_errno(errno, "spool: read a folder");
        fd_release(&copy);
        return err;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL && errno != 0) {
            return err_from_errno(errno, "spool: read a folder");
        }
        if (entry == NULL) {
            break;
        }
        int64_t start = 0;
        struct err err =
            parse_file_name(entry->d_name, stream, &start) ? listing_add(listing, start) : ERR_OK;
        if (err_failed(err)) {
            return err;
        }
    }
    if (listing->count > 0) {
        qsort(listing->starts, listing->count, sizeof *listing->starts, compare_starts);
    }
    return ERR_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* What goes wrong between two looks is no error: `again` is set, and it is all done anew. */
struct reading {
    int folder_fd; /* Borrowed. */
    enum log_stream stream;
    struct listing listing; /* Owned. */
    int64_t known_max;      /* The last start of the listing before. */
    bool again;
    char *buffer; /* Borrowed; `size` bytes. */
    size_t size;
    struct log_read result;
};

static int64_t start_of(const struct reading *reading, size_t at) {
    int64_t start = reading->listing.starts[at];
    return start == HEAD ? 0 : start;
}

/* The file of an extent and its size; -1 when it is gone. */
static struct err open_extent(struct reading *reading, size_t at, int *ret_fd, int64_t *ret_size) {
    char file[FILE_NAME_SIZE];
    int64_t start = reading->listing.starts[at];
    const char *stream = log_stream_name(reading->stream);
    if (start == HEAD) {
        (void)snprintf(file, sizeof file, "%s.head", stream);
    } else {
        (void)snprintf(file, sizeof file, "%s.%0*lld", stream, PROTOCOL_SEGMENT_DIGITS,
                       (long long)start);
    }
    AUTO(fd_release)
    int fd = openat(reading->folder_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        reading->again = true;
        *ret_fd = -1;
        return ERR_OK;
    }
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0) {
        return err_from_errno(errno, "spool: open a log");
    }
    if (!S_ISREG(about.st_mode) || about.st_size > INT64_MAX - start_of(reading, at)) {
        return err_make(ERR_IO, "spool: a log that is no plain file");
    }
    *ret_size = (int64_t)about.st_size;
    *ret_fd = fd_take(&fd);
    return ERR_OK;
}

/* One extent from `offset` on, as far as the buffer goes. */
static struct err read_extent(struct reading *reading, int fd, off_t from, int64_t left) {
    struct log_read *result = &reading->result;
    while (left > 0 && result->len < reading->size) {
        size_t room = reading->size - result->len;
        size_t wanted = (int64_t)room < left ? room : (size_t)left;
        ssize_t got = pread(fd, reading->buffer + result->len, wanted, from);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_from_errno(errno, "spool: read a log");
        }
        if (got == 0) {
            return ERR_OK; /* Cut short by somebody: the next round or read shows it. */
        }
        result->len += (size_t)got;
        from += got;
        left -= got;
    }
    return ERR_OK;
}

/* Nothing was read yet, and the next byte there is begins an extent. */
static void jump_hole(struct reading *reading, int64_t start) {
    if (start > reading->known_max) {
        reading->again = true;
        return;
    }
    reading->result.offset = start;
}

/* Takes what this extent has of what is wanted. *ret_more: the next one may go on from here. */
static struct err take_extent(struct reading *reading, size_t at, bool *ret_more) {
    struct log_read *result = &reading->result;
    int64_t start = start_of(reading, at), size = 0;
    *ret_more = false;
    AUTO(fd_release) int fd = -1;
    struct err err = open_extent(reading, at, &fd, &size);
    if (err_failed(err) || fd < 0) {
        return err;
    }
    int64_t position = result->offset + (int64_t)result->len;
    if (position >= start + size) {
        *ret_more = true; /* It lies behind this one. */
        return ERR_OK;
    }
    if (position < start && result->len > 0) {
        return ERR_OK; /* A hole behind what was read is the next read's. */
    }
    if (position < start) {
        jump_hole(reading, start);
        if (reading->again) {
            return ERR_OK;
        }
        position = start;
    }
    err = read_extent(reading, fd, (off_t)(position - start), start + size - position);
    *ret_more = result->offset + (int64_t)result->len == start + size;
    return err;
}

/* The last extent that begins at or before the offset; without one, the first. */
static size_t find_extent(const struct reading *reading, int64_t offset) {
    size_t at = 0;
    while (at + 1 < reading->listing.count && start_of(reading, at + 1) <= offset) {
        at++;
    }
    return at;
}

static struct err take_size(struct reading *reading) {
    int64_t size = 0;
    AUTO(fd_release) int fd = -1;
    size_t last = reading->listing.count - 1;
    struct err err = open_extent(reading, last, &fd, &size);
    if (!err_failed(err) && fd >= 0) {
        reading->result.size = start_of(reading, last) + size;
    }
    return err;
}

static struct err read_round(struct reading *reading, int64_t offset) {
    reading->again = false;
    reading->result = (struct log_read){.offset = offset, .hole_from = offset};
    struct err err = list_extents(reading->folder_fd, reading->stream, &reading->listing);
    if (err_failed(err) || reading->listing.count == 0) {
        return err;
    }
    bool more = true;
    for (size_t at = find_extent(reading, offset);
         more && !reading->again && at < reading->listing.count; at++) {
        err = take_extent(reading, at, &more);
        if (err_failed(err)) {
            return err;
        }
    }
    return reading->again ? ERR_OK : take_size(reading);
}

static struct err read_folder(struct reading *reading, int64_t offset) {
    reading->known_max = HEAD;
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        struct err err = read_round(reading, offset);
        if (err_failed(err) || !reading->again) {
            return err;
        }
        if (reading->listing.count > 0) {
            reading->known_max = reading->listing.starts[reading->listing.count - 1];
        }
    }
    return err_make(ERR_BUSY, "spool: a log that changes faster than it is read");
}

struct err spool_log_read(const struct spool *spool, const struct log_place *place, char *buffer,
                          size_t size, struct log_read *ret_read) {
    assert(place->offset >= 0);
    struct log_read nothing = {.offset = place->offset, .hole_from = place->offset};
    AUTO(fd_release) int folder = -1;
    struct err err = spool__folder(spool, place->name, &folder);
    if (err_failed(err) && err.code != ERR_CONFLICT) {
        return err;
    }
    if (folder < 0) {
        *ret_read = nothing;
        return ERR_OK;
    }
    struct reading reading = {
        .folder_fd = folder, .stream = place->stream, .buffer = buffer, .size = size};
    err = read_folder(&reading, place->offset);
    listing_done(&reading.listing);
    if (!err_failed(err)) {
        *ret_read = reading.result;
    }
    return err;
}
