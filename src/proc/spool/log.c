/* log.c: output by logical offset, while a holder writes it and drops its oldest part.
 *
 *   out.head                 [0, size)
 *   out.00000000000000065536 [65536, 65536 + size)        and so on
 *
 * The files are extents, sorted by their first offset. A listing is taken without a lock, and so it
 * may be wrong in two ways:
 *
 *   - A segment in it is gone when it is opened. Then the folder is listed again.
 *   - It lacks a file that was made while the folder was read, though it has a later one: a hole
 *     that does not exist. So a hole is believed only if an earlier listing already had the extent
 *     after it: every extent before that one is older, and this listing has it if it still exists.
 *
 * Sizes are taken after the listing: only the last extent still grows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "proc/small/small.h"
#include "proc/spool/spool.h"

enum {
    EXTENTS_MAX = 1 << 16, /* A holder keeps far fewer. */
    ROUNDS_MAX = 16,       /* Of listing again. A holder would have to drop a segment in each. */
    FILE_NAME_SIZE = 32,
};

static const int64_t HEAD = -1; /* Sorts before all segments; its first offset is 0. */

/* What goes wrong between two looks is no error: `again` is set, and it is all done anew. */
struct reading {
    int folder_fd; /* Borrowed. */
    enum log_stream stream;
    int64_t *starts; /* Owned: the files of the stream, by their first offsets. */
    size_t count, room;
    int64_t known_max; /* The last start of the listing before. */
    bool again;
    char *buffer; /* Borrowed; `size` bytes. */
    size_t size;
    struct log_read result;
};

static void reading_done(struct reading *reading) {
    mem_free(reading->starts);
}

/* --- Listing ---------------------------------------------------------------------------------- */

/* A segment has exactly 20 digits, so number_parse, which refuses leading zeros, is no help. */
static bool parse_file_name(const char *file, enum log_stream stream, int64_t *ret_start) {
    struct bytes digits = bytes_of(file), name;
    if (!bytes_next(&digits, '.', &name) || !bytes_is(name, log_stream_name(stream))) {
        return false;
    }
    if (bytes_is(digits, "head")) {
        *ret_start = HEAD;
        return true;
    }
    int64_t start = 0;
    for (size_t i = 0; i < digits.len; i++) {
        int64_t digit = digits.data[i] - '0';
        if (digit < 0 || digit > 9 || start > (INT64_MAX - digit) / 10) {
            return false;
        }
        start = start * 10 + digit;
    }
    *ret_start = start;
    return digits.len == PROTOCOL_SEGMENT_DIGITS;
}

static int compare_starts(const void *a, const void *b) {
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static struct err reading_list(struct reading *reading) {
    reading->count = 0;
    if (lseek(reading->folder_fd, 0, SEEK_SET) < 0) {
        return err_from_errno(errno, "spool: read a folder");
    }
    struct names names;
    names_start(&names, reading->folder_fd);
    for (const char *file; (file = names_next(&names)) != NULL;) {
        int64_t start = 0;
        if (!parse_file_name(file, reading->stream, &start)) {
            continue;
        }
        if (reading->count == EXTENTS_MAX) {
            return err_make(ERR_OVERLOADED, "spool: too many segments");
        }
        if (reading->count == reading->room) {
            reading->room = reading->room == 0 ? 32 : 2 * reading->room;
            reading->starts = mem_grow(reading->starts, reading->room * sizeof *reading->starts);
        }
        reading->starts[reading->count++] = start;
    }
    if (names.len < 0 && errno != ENOENT) { /* ENOENT: removed since it was opened. */
        return err_from_errno(errno, "spool: read a folder");
    }
    if (reading->count > 0) {
        qsort(reading->starts, reading->count, sizeof *reading->starts, compare_starts);
    }
    return ERR_OK;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static int64_t reading_start(const struct reading *reading, size_t at) {
    int64_t start = reading->starts[at];
    return start == HEAD ? 0 : start;
}

/* The file of an extent and its size; -1 when it is gone. */
static struct err reading_open(struct reading *reading, size_t at, int *ret_fd, int64_t *ret_size) {
    char file[FILE_NAME_SIZE];
    const char *stream = log_stream_name(reading->stream);
    if (reading->starts[at] == HEAD) {
        (void)snprintf(file, sizeof file, "%s.head", stream);
    } else {
        (void)snprintf(file, sizeof file, "%s.%0*lld", stream, PROTOCOL_SEGMENT_DIGITS,
                       (long long)reading->starts[at]);
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
    if (!S_ISREG(about.st_mode) || about.st_size > INT64_MAX - reading_start(reading, at)) {
        return err_make(ERR_IO, "spool: a log that is no plain file");
    }
    *ret_size = (int64_t)about.st_size;
    *ret_fd = fd_take(&fd);
    return ERR_OK;
}

/* Takes what this extent has of what is wanted. *ret_more: the next one may go on from here. */
static struct err reading_take(struct reading *reading, size_t at, bool *ret_more) {
    struct log_read *result = &reading->result;
    int64_t start = reading_start(reading, at), size = 0;
    *ret_more = false;
    AUTO(fd_release) int fd = -1;
    struct err err = reading_open(reading, at, &fd, &size);
    if (err_failed(err) || fd < 0) {
        return err;
    }
    int64_t position = result->offset + (int64_t)result->len;
    if (position >= start + size) {
        *ret_more = true; /* The next bytes are in a later extent. */
        return ERR_OK;
    }
    if (position < start) {
        /* A hole. After bytes that were read, the next read reports it; otherwise the next byte
         * that exists is the first one of this extent. */
        reading->again = result->len == 0 && start > reading->known_max;
        if (result->len > 0 || reading->again) {
            return ERR_OK;
        }
        position = result->offset = start;
    }
    /* As far as the buffer goes. */
    while (position < start + size && result->len < reading->size) {
        size_t room = reading->size - result->len;
        int64_t left = start + size - position;
        size_t wanted = (int64_t)room < left ? room : (size_t)left;
        ssize_t got = pread(fd, reading->buffer + result->len, wanted, (off_t)(position - start));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_from_errno(errno, "spool: read a log");
        }
        if (got == 0) {
            break; /* Cut short by somebody: the next round or read shows it. */
        }
        result->len += (size_t)got;
        position += got;
    }
    *ret_more = position == start + size;
    return ERR_OK;
}

static struct err reading_round(struct reading *reading, int64_t offset) {
    reading->again = false;
    reading->result = (struct log_read){.offset = offset, .hole_from = offset};
    struct err err = reading_list(reading);
    if (err_failed(err) || reading->count == 0) {
        return err;
    }
    /* From the last extent that begins at or before the offset; without one, from the first. */
    size_t at = 0, last = reading->count - 1;
    while (at < last && reading_start(reading, at + 1) <= offset) {
        at++;
    }
    for (bool more = true; more && !reading->again && at <= last; at++) {
        TRY(reading_take(reading, at, &more));
    }
    if (reading->again) {
        return ERR_OK;
    }
    int64_t size = 0;
    AUTO(fd_release) int fd = -1;
    err = reading_open(reading, last, &fd, &size);
    if (!err_failed(err) && fd >= 0) {
        reading->result.size = reading_start(reading, last) + size;
    }
    return err;
}

struct err spool_log_read(const struct spool *spool, const struct log_place *place, char *buffer,
                          size_t size, struct log_read *ret_read) {
    assert(place->offset >= 0);
    AUTO(fd_release) int folder = -1;
    struct err err = spool_folder(spool, place->name, &folder);
    if (err_failed(err) && err.code != ERR_CONFLICT) {
        return err;
    }
    if (folder < 0) {
        *ret_read = (struct log_read){.offset = place->offset, .hole_from = place->offset};
        return ERR_OK;
    }
    AUTO(reading_done)
    struct reading reading = {.folder_fd = folder,
                              .stream = place->stream,
                              .known_max = HEAD,
                              .buffer = buffer,
                              .size = size};
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        TRY(reading_round(&reading, place->offset));
        if (!reading.again) {
            *ret_read = reading.result;
            return ERR_OK;
        }
        if (reading.count > 0) {
            reading.known_max = reading.starts[reading.count - 1];
        }
    }
    return err_make(ERR_BUSY, "spool: a log that changes faster than it is read");
}
