/* Programs of the host as children: what they have, and what not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/process/spawn.h"

/* The script's output goes to a pipe in place of fds[1]. */
static void assert_prints(struct spawn *spawned, const char *script, const char *expected) {
    const char *const argv[] = {"sh", "-c", script, NULL};
    char printed[256] = "";
    int ends[2], pid = 0, status = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    spawned->program = "sh";
    spawned->argv = argv;
    spawned->fds[STDOUT_FILENO] = ends[1];
    assert_int_equal(spawn(spawned, &pid).code, ERR_NONE);
    assert_int_equal(close(ends[1]), 0);
    for (size_t len = 0; len < sizeof printed - 1;) {
        ssize_t got = read(ends[0], printed + len, sizeof printed - 1 - len);
        if (got <= 0) {
            break;
        }
        len += (size_t)got;
    }
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_string_equal(printed, expected);
}

static void the_child_has_the_named_descriptors_and_no_other(void **state) {
    (void)state;
    AUTO(fd_release) int inherited = open("/dev/zero", O_RDONLY); /* Not close-on-exec. */
    AUTO(fd_release) int full = open("/dev/full", O_RDONLY | O_CLOEXEC);
    assert_true(full >= 0 && dup2(inherited, 100) == 100);
    struct spawn spawned = {.fds = {SPAWN_NULL, 0, SPAWN_NULL, full}, .fd_count = 4};
    assert_prints(&spawned,
                  "readlink /proc/$$/fd/0 /proc/$$/fd/2 /proc/$$/fd/3;"
                  " readlink /proc/$$/fd/4 /proc/$$/fd/100 || echo no other",
                  "/dev/null\n/dev/null\n/dev/full\nno other\n");
    assert_int_equal(close(100), 0);
}

/* Each place is taken by the descriptor that another place is made from. */
static void descriptors_may_lie_in_each_others_way(void **state) {
    (void)state;
    static const char *const paths[] = {"/dev/full", "/dev/zero"};
    for (int i = 0; i < 2; i++) {
        AUTO(fd_release) int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        AUTO(fd_release) int far = fcntl(fd, F_DUPFD_CLOEXEC, 100);
        fd_release(&fd);
        assert_int_equal(dup3(far, 3 + i, O_CLOEXEC), 3 + i);
    }
    struct spawn spawned = {.fds = {SPAWN_NULL, 0, SPAWN_NULL, 4, 3}, .fd_count = 5};
    assert_prints(&spawned, "readlink /proc/$$/fd/3 /proc/$$/fd/4", "/dev/zero\n/dev/full\n");
    assert_int_equal(close(3), 0);
    assert_int_equal(close(4), 0);
}

static void signals_folder_environment_and_session_are_as_asked(void **state) {
    (void)state;
    static const char *const environment[] = {"A=b", NULL};
    sigset_t blocked, before;
    (void)sigemptyset(&blocked); /* Neither can fail. */
    (void)sigaddset(&blocked, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    void (*action)(int) = signal(SIGINT, SIG_IGN);
    struct spawn spawned = {.fds = {SPAWN_NULL, 0, STDERR_FILENO},
                            .fd_count = 3,
                            .environment = environment,
                            .folder = "/",
                            .session = SPAWN_SESSION};
    assert_prints(&spawned,
                  "echo $A; pwd; grep ^SigBlk /proc/self/status;"
                  " ignored=$(sed -n 's/^SigIgn:.//p' /proc/$$/status);"
                  " echo $((0x$ignored & 1 << 1));" /* SIGINT */
                  " test \"$(cut -d' ' -f6 /proc/$$/stat)\" = $$ && echo leads",
                  "b\n/\nSigBlk:\t0000000000000000\n0\nleads\n");
    (void)signal(SIGINT, action);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

static void a_program_that_is_not_there_is_an_error_of_the_call(void **state) {
    (void)state;
    const char *const argv[] = {"x", NULL};
    const struct spawn spawned = {.program = "/nonexistent/program", .argv = argv};
    int pid = 17;
    assert_int_equal(spawn(&spawned, &pid).os, ENOENT);
    assert_int_equal(pid, 17);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_child_has_the_named_descriptors_and_no_other),
        cmocka_unit_test(descriptors_may_lie_in_each_others_way),
        cmocka_unit_test(signals_folder_environment_and_session_are_as_asked),
        cmocka_unit_test(a_program_that_is_not_there_is_an_error_of_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
