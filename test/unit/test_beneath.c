/* test_beneath.c: what is below a folder, and what is not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/beneath.h"
#include "base/fd.h"

static void only_plain_files_beneath_a_folder_are_opened(void **state) {
    (void)state;
    char folder[] = "/tmp/drv-beneath-XXXXXX", command[200];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(command, sizeof command,
                   "cd %s && mkdir in && echo x > in/a && echo y > out && ln -s a in/link &&"
                   " ln -s ../out in/up && ln -s /etc/passwd in/far && mkfifo in/pipe",
                   folder);
    assert_int_equal(system(command), 0);
    (void)snprintf(command, sizeof command, "%s/in", folder);
    AUTO(fd_release) int fd = open(command, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    static const struct {
        const char *path;
        int os;
    } cases[] = {
        {"a", 0},       {"link", 0},      {"up", EXDEV}, {"../out", EXDEV}, {"/etc/hosts", EXDEV},
        {"far", EXDEV}, {"pipe", EINVAL}, {".", EINVAL}, {"none", ENOENT},  {"a/b", ENOTDIR}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct stat about;
        AUTO(fd_release) int file = beneath_open_file(fd, cases[i].path, &about);
        int os = errno;
        assert_int_equal(file >= 0, cases[i].os == 0);
        assert_int_equal(file >= 0 ? 0 : os, cases[i].os);
        assert_int_equal(file >= 0 ? about.st_size : 2, 2);
    }
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_plain_files_beneath_a_folder_are_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
