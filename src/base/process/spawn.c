/* spawn.c: see spawn.h. */
#include "base/process/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "base/fd.h"

static void actions_done(posix_spawn_file_actions_t *actions) {
    (void)posix_spawn_file_actions_destroy(actions); /* Cannot fail. */
}

static void attributes_done(posix_spawnattr_t *attributes) {
    (void)posix_spawnattr_destroy(attributes); /* Cannot fail. */
}

/* `copies` lie above all places of the child, so that no place is taken before it was copied. */
static int descriptors_set(const struct spawn *spawn, const int *copies,
                           posix_spawn_file_actions_t *actions) {
    int rc = 0;
    for (size_t i = 0; i < spawn->fd_count && rc == 0; i++) {
        rc = spawn->fds[i] == SPAWN_NULL
                 ? posix_spawn_file_actions_addopen(actions, (int)i, "/dev/null", O_RDWR, 0)
                 : posix_spawn_file_actions_adddup2(actions, copies[i], (int)i);
    }
    return rc != 0 ? rc : posix_spawn_file_actions_addclosefrom_np(actions, (int)spawn->fd_count);
}

static int attributes_set(const struct spawn *spawn, posix_spawnattr_t *attributes) {
    sigset_t none, all;
    (void)sigemptyset(&none); /* Neither can fail. */
    (void)sigfillset(&all);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                (spawn->session == SPAWN_SESSION ? POSIX_SPAWN_SETSID : 0);
    int rc = posix_spawnattr_setflags(attributes, (short)flags);
    rc = rc != 0 ? rc : posix_spawnattr_setsigmask(attributes, &none);
    return rc != 0 ? rc : posix_spawnattr_setsigdefault(attributes, &all);
}

static int spawn_with(const struct spawn *spawn, const int *copies, int *ret_pid) {
    AUTO(actions_done) posix_spawn_file_actions_t actions;
    AUTO(attributes_done) posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    assert(rc == 0); /* Both only fill memory of ours. */
    rc = posix_spawnattr_init(&attributes);
    assert(rc == 0);
    rc = descriptors_set(spawn, copies, &actions);
    rc = rc != 0 ? rc : attributes_set(spawn, &attributes);
    if (rc == 0 && spawn->folder != NULL) {
        rc = posix_spawn_file_actions_addchdir_np(&actions, spawn->folder);
    }
    char *const *argv = (char *const *)(uintptr_t)spawn->argv;       /* exec takes these so, and */
    char *const *env = (char *const *)(uintptr_t)spawn->environment; /* writes none. */
    return rc != 0 ? rc
                   : posix_spawnp(ret_pid, spawn->program, &actions, &attributes, argv,
                                  env != NULL ? env : environ);
}

struct err spawn(const struct spawn *spawn, int *ret_pid) {
    assert(spawn->fd_count <= SPAWN_FDS_MAX);
    int copies[SPAWN_FDS_MAX] = {0}, rc = 0, pid = 0;
    size_t count = 0;
    for (; count < spawn->fd_count && rc == 0; count++) {
        int fd = spawn->fds[count];
        copies[count] = fd == SPAWN_NULL ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, SPAWN_FDS_MAX);
        rc = fd != SPAWN_NULL && copies[count] < 0 ? errno : 0;
    }
    rc = rc != 0 ? rc : spawn_with(spawn, copies, &pid);
    while (count > 0) {
        fd_release(&copies[--count]);
    }
    if (rc != 0) {
        return err_from_errno(rc, "spawn");
    }
    *ret_pid = pid;
    return ERR_OK;
}
