/* Descriptors that end with their scope. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

static void a_descriptor_is_closed_when_its_scope_ends(void **state) {
    (void)state;
    int seen;
    {
        AUTO(fd_release) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(is_open(fd));
        seen = fd;
    }
    assert_false(is_open(seen));
}

static void a_taken_descriptor_stays_open(void **state) {
    (void)state;
    int taken;
    {
        AUTO(fd_release) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        taken = fd_take(&fd);
        assert_int_equal(fd, -1);
    }
    assert_true(is_open(taken));
    fd_release(&taken);
    assert_int_equal(taken, -1);
    fd_release(&taken);
}

static void the_error_that_is_about_to_be_reported_is_kept(void **state) {
    (void)state;
    int wrong = 1 << 20; /* close() of it fails with EBADF. */
    errno = ENOSPC;
    fd_release(&wrong);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(wrong, -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_is_closed_when_its_scope_ends),
        cmocka_unit_test(a_taken_descriptor_stays_open),
        cmocka_unit_test(the_error_that_is_about_to_be_reported_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
