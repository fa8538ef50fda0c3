/* Output by logical offset: heads, segments, holes, and a holder that writes and drops. And where
 * its folders lie. */
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/small/small.h"
#include "proc_kit.h"

static const char NAME[] = "run_a.1";

/* --- A seam: one listing that lacks a file, as one may that is made while the folder is read -- */

static const char *missed; /* A test's own. */

const char *__real_names_next(struct names *names);
const char *__wrap_names_next(struct names *names);
const char *__wrap_names_next(struct names *names) {
    const char *name = __real_names_next(names);
    if (name != NULL && missed != NULL && strcmp(name, missed) == 0) {
        missed = NULL;
        name = __real_names_next(names);
    }
    return name;
}

/* --- Files ------------------------------------------------------------------------------------ */

static int open_place(void **state) {
    struct place *place = calloc(1, sizeof *place);
    place_init(place);
    *state = place;
    return 0;
}

static int close_place(void **state) {
    place_done(*state);
    free(*state);
    return 0;
}

static const char *segment(const struct place *place, const char *stream, int64_t start) {
    char file[48];
    (void)snprintf(file, sizeof file, "%s.%020lld", stream, (long long)start);
    return place_path(place, NAME, file);
}

static struct log_read read_from(const struct place *place, int64_t offset, char *buffer,
                                 size_t size) {
    const struct log_place where = {NAME, LOG_OUT, offset};
    struct log_read read;
    memset(&read, 0x5A, sizeof read);
    memset(buffer, 0, size);
    assert_int_equal(spool_log_read(place->spool, &where, buffer, size, &read).code, ERR_NONE);
    return read;
}

static void a_stream_without_a_byte_reads_as_empty(void **state) {
    struct place *place = *state;
    char buffer[16];
    struct log_read read = read_from(place, 5, buffer, sizeof buffer); /* No folder, either. */
    assert_int_equal(read.len, 0);
    assert_int_equal(read.offset, 5);
    assert_int_equal(read.hole_from, 5);
    assert_int_equal(read.size, 0);
    put_text(place_path(place, NAME, "err.head"), "another stream");
    put_text(place_path(place, NAME, "out.headless"), "no file of ours");
    put_text(place_path(place, NAME, "out.123"), "nor this");
    assert_int_equal(read_from(place, 0, buffer, sizeof buffer).size, 0);
}

static void bytes_of_the_head_are_read_from_any_offset(void **state) {
    struct place *place = *state;
    char buffer[8];
    put_text(place_path(place, NAME, "out.head"), "0123456789");
    struct log_read read = read_from(place, 0, buffer, sizeof buffer);
    assert_int_equal(read.len, 8);
    assert_int_equal(read.size, 10);
    read = read_from(place, 8, buffer, sizeof buffer);
    assert_int_equal(read.len, 2);
    assert_memory_equal(buffer, "89", 2);
    assert_int_equal(read_from(place, 10, buffer, sizeof buffer).len, 0);
    read = read_from(place, 999, buffer, sizeof buffer);
    assert_int_equal(read.len, 0);
    assert_int_equal(read.offset, 999);
    assert_int_equal(read.hole_from, 999);
    assert_int_equal(read.size, 10);
}

static void one_read_goes_over_the_seams_of_files(void **state) {
    struct place *place = *state;
    char buffer[32];
    put_text(place_path(place, NAME, "out.head"), "0123");
    put_text(segment(place, "out", 4), "4567");
    put_text(segment(place, "out", 8), "89ab");
    struct log_read read = read_from(place, 2, buffer, sizeof buffer);
    assert_int_equal(read.len, 10);
    assert_memory_equal(buffer, "23456789ab", 10);
    assert_int_equal(read.size, 12);
    read = read_from(place, 4, buffer, 5);
    assert_int_equal(read.len, 5);
    assert_memory_equal(buffer, "45678", 5);
    assert_int_equal(read.size, 12);
}

static void a_hole_is_told_and_jumped(void **state) {
    struct place *place = *state;
    char buffer[32];
    put_text(place_path(place, NAME, "out.head"), "0123");
    put_text(segment(place, "out", 20), "tail");
    struct log_read read = read_from(place, 2, buffer, sizeof buffer);
    assert_int_equal(read.len, 2); /* First what lies before it, */
    assert_int_equal(read.offset, 2);
    read = read_from(place, 4, buffer, sizeof buffer);
    assert_int_equal(read.hole_from, 4); /* then the hole, with what lies behind. */
    assert_int_equal(read.offset, 20);
    assert_int_equal(read.len, 4);
    assert_memory_equal(buffer, "tail", 4);
    assert_int_equal(read.size, 24);
    read = read_from(place, 11, buffer, sizeof buffer);
    assert_int_equal(read.hole_from, 11);
    assert_int_equal(read.offset, 20);
    read = read_from(place, 21, buffer, sizeof buffer);
    assert_int_equal(read.hole_from, read.offset);
    assert_memory_equal(buffer, "ail", 3);
}

static void a_file_that_one_listing_lacks_is_no_hole(void **state) {
    struct place *place = *state;
    char buffer[32];
    put_text(place_path(place, NAME, "out.head"), "0123");
    put_text(segment(place, "out", 4), "4567");
    put_text(segment(place, "out", 8), "89ab");
    for (int64_t offset = 4; offset < 8; offset++) {
        missed = "out.00000000000000000004";
        struct log_read read = read_from(place, offset, buffer, sizeof buffer);
        assert_null(missed);
        assert_int_equal(read.offset, offset);
        assert_int_equal(read.hole_from, offset);
        assert_int_equal(read.len, 12 - offset);
    }
}

static void offsets_beyond_32_bits_are_exact(void **state) {
    struct place *place = *state;
    char buffer[8];
    int64_t start = (int64_t)1 << 40;
    put_text(place_path(place, NAME, "out.head"), "x");
    put_text(segment(place, "out", start), "far");
    struct log_read read = read_from(place, start + 1, buffer, sizeof buffer);
    assert_int_equal(read.len, 2);
    assert_memory_equal(buffer, "ar", 2);
    assert_true(read.size == start + 3);
    /* A number that does not fit is no segment. */
    put_text(place_path(place, NAME, "out.99999999999999999999"), "never");
    assert_true(read_from(place, 0, buffer, sizeof buffer).size == start + 3);
}

/* --- While it is written ---------------------------------------------------------------------- */

enum { PIECE = 512, PIECES = 4000, KEPT = 3 };

struct writer {
    const struct place *place;
    atomic_int_least64_t floor; /* Nothing from the head's end to here is kept. Raised before. */
    atomic_int_least64_t size;  /* Raised after. */
};

static char byte_at(int64_t offset) {
    return (char)('a' + (offset * 7 + offset / PIECE) % 26);
}

static void segment_path(const struct place *place, int64_t start, char *path, size_t size) {
    (void)snprintf(path, size, "%s/spool/%s/out.%020lld", place->dir, NAME, (long long)start);
}

static void write_piece(const char *path, int64_t start) {
    char piece[PIECE];
    for (int64_t i = 0; i < PIECE; i++) {
        piece[i] = byte_at(start + i);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    /* In two, so that a reader finds segments that still grow. */
    if (fd < 0 || write(fd, piece, 100) != 100 ||
        write(fd, piece + 100, PIECE - 100) != PIECE - 100) {
        abort();
    }
    (void)close(fd);
}

static void *write_all(void *arg) {
    struct writer *writer = arg;
    for (int64_t i = 1; i < PIECES; i++) {
        char path[128];
        segment_path(writer->place, i * PIECE, path, sizeof path);
        write_piece(path, i * PIECE);
        atomic_store(&writer->size, (i + 1) * PIECE);
        if (i > KEPT) {
            atomic_store(&writer->floor, (i - KEPT + 1) * PIECE);
            segment_path(writer->place, (i - KEPT) * PIECE, path, sizeof path);
            (void)unlink(path); /* It is there. */
        }
    }
    return NULL;
}

static void check_bytes(const struct log_read *read, const char *buffer) {
    for (size_t i = 0; i < read->len; i++) {
        assert_int_equal(buffer[i], byte_at(read->offset + (int64_t)i));
    }
}

static void a_reader_beside_the_writer_sees_true_bytes_and_no_false_hole(void **state) {
    struct place *place = *state;
    struct writer writer = {.place = place, .floor = PIECE, .size = PIECE};
    write_piece(place_path(place, NAME, "out.head"), 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_all, &writer), 0);
    static char buffer[3 * PIECE];
    int64_t offset = 0;
    while (offset < (int64_t)PIECES * PIECE) {
        int64_t size_before = atomic_load(&writer.size);
        struct log_read read;
        const struct log_place where = {NAME, LOG_OUT, offset};
        struct err err = spool_log_read(place->spool, &where, buffer, sizeof buffer, &read);
        if (err.code == ERR_BUSY) {
            continue; /* The writer was faster, sixteen times in a row. */
        }
        assert_int_equal(err.code, ERR_NONE);
        assert_int_equal(read.hole_from, offset);
        check_bytes(&read, buffer);
        assert_true(read.offset == offset || read.offset <= atomic_load(&writer.floor));
        assert_true(read.size >= size_before);
        offset = read.offset + (int64_t)read.len;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void folders_are_spread_where_the_file_system_can(void **state) {
    struct place *place = *state;
    int other = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), flags = 0, spool = 0;
    bool can = ioctl(other, FS_IOC_GETFLAGS, &flags) == 0;
    flags |= FS_TOPDIR_FL;
    can = can && ioctl(other, FS_IOC_SETFLAGS, &flags) == 0;
    (void)close(other);
    if (!can) {
        skip();
    }
    assert_int_equal(ioctl(spool_fd(place->spool), FS_IOC_GETFLAGS, &spool), 0);
    assert_true((spool & FS_TOPDIR_FL) != 0);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, open_place, close_place)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(folders_are_spread_where_the_file_system_can),
        PLACED(a_stream_without_a_byte_reads_as_empty),
        PLACED(bytes_of_the_head_are_read_from_any_offset),
        PLACED(one_read_goes_over_the_seams_of_files),
        PLACED(a_hole_is_told_and_jumped),
        PLACED(a_file_that_one_listing_lacks_is_no_hole),
        PLACED(offsets_beyond_32_bits_are_exact),
        PLACED(a_reader_beside_the_writer_sees_true_bytes_and_no_false_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
