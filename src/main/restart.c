/* restart.c: see restart.h. */
#include "main/restart.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/number.h"

#define COUNT_NAME "DROVER_RESTARTS"

enum {
    ARGUMENTS_SIZE_MAX = 2 << 20, /* Of all of them; the system's own bound by default. */
    ARGUMENTS_MAX = 1024,
    VARIABLE_SIZE = sizeof COUNT_NAME + 16,
};

unsigned restart_count_take(void) {
    const char *text = getenv(COUNT_NAME);
    int64_t count = 0;
    const struct number_bounds bounds = {0, RESTARTS_MAX};
    if (text != NULL && !number_parse(bytes_of(text), bounds, &count)) {
        count = 0; /* Somebody else's. */
    }
    if (count > 0) { /* The kernel calls a process "exe" that was executed by its link. */
        (void)prctl(PR_SET_NAME, program_invocation_short_name); /* For humans only. */
    }
    (void)unsetenv(COUNT_NAME); /* The name is valid. */
    return (unsigned)count;
}

/* Whole, so that a read that is cut short is no shorter list of arguments. *argv points into the
 * buffer. */
static struct err arguments_read(char *buffer, size_t size, char **argv, size_t argv_size) {
    AUTO(fd_release) int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    size_t len = 0, count = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && len < size) {
        got = read(fd, buffer + len, size - len);
        len += got > 0 ? (size_t)got : 0;
    }
    if (got != 0 || len == 0 || buffer[len - 1] != '\0') {
        return err_from_errno(got < 0 ? errno : E2BIG, "restart: arguments");
    }
    for (char *at = buffer; at < buffer + len; at += strlen(at) + 1) {
        if (count + 1 == argv_size) {
            return err_from_errno(E2BIG, "restart: arguments");
        }
        argv[count++] = at;
    }
    argv[count] = NULL;
    return ERR_OK;
}

struct err restart_as_standby(const struct restart *restart) {
    unsigned count = restart->led_ms >= RESTART_LED_MS ? 1 : restart->count + 1;
    if (count > RESTARTS_MAX) {
        return err_make(ERR_OVERLOADED, "restart: too many in a row");
    }
    AUTO(mem_release) char *arguments = mem_new(ARGUMENTS_SIZE_MAX);
    AUTO(mem_release) char **argv = mem_new_array(ARGUMENTS_MAX, sizeof *argv);
    size_t variables = 0;
    TRY(arguments_read(arguments, ARGUMENTS_SIZE_MAX, argv, ARGUMENTS_MAX));
    while (environ[variables] != NULL) {
        variables++;
    }
    char counted[VARIABLE_SIZE];
    (void)snprintf(counted, sizeof counted, COUNT_NAME "=%u", count); /* Fits. */
    AUTO(mem_release) char **env = mem_new_array(variables + 2, sizeof *env);
    memcpy(env, environ, variables * sizeof *env);
    env[variables] = counted;
    /* Restores the limits, the umask and the signals of the first start: commands inherit the
     * limits, and a blocked signal would stay blocked. */
    struct rlimit limit;
    if (restart->files_soft > 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = restart->files_soft;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* At worst commands may open more. */
    }
    if (restart->umask != 0) {
        (void)umask((mode_t)restart->umask & 0777); /* Cannot fail. */
    }
    sigset_t none;
    (void)sigemptyset(&none); /* Neither can fail. */
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL /* not asked */);
    (void)execve("/proc/self/exe", argv, env); /* It returns only if it failed. */
    return err_from_errno(errno, "restart: execute");
}
