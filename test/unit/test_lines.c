/* Standard input line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/memory.h"
#include "cli/terminal/lines.h"

struct pipe {
    int read_fd, write_fd;
};

static struct pipe pipe_open(void) {
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    return (struct pipe){fds[0], fds[1]};
}

static void put(int fd, const char *bytes, size_t len) {
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
}

static void expect_line(struct lines *lines, const char *text) {
    struct bytes line;
    assert_int_equal(lines_next(lines, &line).code, ERR_NONE);
    assert_non_null(line.data);
    assert_int_equal(line.len, strlen(text));
    assert_memory_equal(line.data, text, line.len);
}

static void lines_come_whole_however_they_were_cut(void **state) {
    (void)state;
    struct pipe in = pipe_open();
    struct lines lines;
    lines_init(&lines, in.read_fd, -1);
    put(in.write_fd, "one\ntw", 6);
    expect_line(&lines, "one");
    put(in.write_fd, "o\n\nfour", 7);
    expect_line(&lines, "two");
    expect_line(&lines, "");
    close(in.write_fd);
    expect_line(&lines, "four"); /* The last one needs no line break. */
    struct bytes line;
    assert_int_equal(lines_next(&lines, &line).code, ERR_NONE);
    assert_null(line.data);
    lines_done(&lines);
    close(in.read_fd);
}

static void an_interrupt_ends_the_wait(void **state) {
    (void)state;
    struct pipe in = pipe_open(), interrupt = pipe_open();
    struct lines lines;
    struct bytes line;
    lines_init(&lines, in.read_fd, interrupt.read_fd);
    put(interrupt.write_fd, "x", 1);
    assert_int_equal(lines_next(&lines, &line).code, ERR_INTERRUPTED);
    lines_done(&lines);
    close(in.read_fd);
    close(in.write_fd);
    close(interrupt.read_fd);
    close(interrupt.write_fd);
}

static void a_line_beyond_the_bound_is_refused(void **state) {
    (void)state;
    char path[] = "/tmp/drover-lines-XXXXXX";
    AUTO(fd_release) int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    AUTO(mem_release) char *much = mem_new(2 << 20);
    memset(much, 'x', 2 << 20);
    put(fd, much, 2 << 20);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    struct lines lines;
    struct bytes line;
    lines_init(&lines, fd, -1);
    assert_int_equal(lines_next(&lines, &line).code, ERR_BODY_TOO_LARGE);
    lines_done(&lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_however_they_were_cut),
        cmocka_unit_test(an_interrupt_ends_the_wait),
        cmocka_unit_test(a_line_beyond_the_bound_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
