/* holder_spawn.c: a holder's process, and the two ways to its socket.
 *
 * posix_spawn and not uv_spawn: the holder is nobody's child for long (libuv would want to wait for
 * it), gets two descriptors at fixed places and nothing else of ours, and glibc's vfork-like clone
 * costs the same whatever the daemon's size.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder_inside.h"
#include "proc/spool_inside.h"

enum { COPIES_FROM = 16 }; /* Beyond the places that the holder's descriptors take. */

static void actions_done(posix_spawn_file_actions_t *actions) {
    (void)posix_spawn_file_actions_destroy(actions); /* It cannot fail. */
}

static void attributes_done(posix_spawnattr_t *attributes) {
    (void)posix_spawnattr_destroy(attributes); /* It cannot fail. */
}

/* The descriptors must not lie in each other's way: copies far above do not. */
static int fill_actions(posix_spawn_file_actions_t *actions, int order_fd, int link_fd) {
    int rc = 0;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && rc == 0; fd++) {
        rc = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0 /* mode */);
    }
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(actions, order_fd, PROTOCOL_ORDER_FD);
    }
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(actions, link_fd, PROTOCOL_LINK_FD);
    }
    if (rc == 0) {
        rc = posix_spawn_file_actions_addclosefrom_np(actions, PROTOCOL_LINK_FD + 1);
    }
    return rc;
}

/* A holder that inherited an ignored SIGPIPE or a blocked SIGTERM would hand it on to commands. */
static int fill_attributes(posix_spawnattr_t *attributes) {
    sigset_t all, none;
    (void)sigfillset(&all); /* Neither fails. */
    (void)sigemptyset(&none);
    int rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSIGDEF);
    if (rc == 0) {
        rc = posix_spawnattr_setsigmask(attributes, &none);
    }
    if (rc == 0) {
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    }
    return rc;
}

static struct err spawn_copies(const char *program, int order_fd, int link_fd, int *ret_pid) {
    AUTO(actions_done) posix_spawn_file_actions_t actions;
    AUTO(attributes_done) posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    assert(rc == 0); /* Both only fill memory of ours. */
    rc = posix_spawnattr_init(&attributes);
    assert(rc == 0);
    rc = fill_actions(&actions, order_fd, link_fd);
    if (rc == 0) {
        rc = fill_attributes(&attributes);
    }
    if (rc != 0) {
        return err_from_errno(rc, "holder: prepare its start");
    }
    /* It needs nothing of our environment; the command's comes with the order. */
    char name[] = "drover-holder";
    char *argv[] = {name, NULL}, *env[] = {NULL};
    pid_t pid = 0;
    rc = posix_spawn(&pid, program, &actions, &attributes, argv, env);
    if (rc != 0) {
        return err_from_errno(rc, "holder: start");
    }
    *ret_pid = (int)pid;
    return ERR_OK;
}

struct err holder__spawn(const struct holder_spawn *spawn, int *ret_pid) {
    AUTO(fd_release) int order_fd = fcntl(spawn->order_fd, F_DUPFD_CLOEXEC, COPIES_FROM);
    AUTO(fd_release) int link_fd = fcntl(spawn->link_fd, F_DUPFD_CLOEXEC, COPIES_FROM);
    if (order_fd < 0 || link_fd < 0) {
        return err_from_errno(errno, "holder: copy descriptors");
    }
    return spawn_copies(spawn->program, order_fd, link_fd, ret_pid);
}

struct err holder__make_link(int *ret_ours, int *ret_theirs) {
    static const char keep[] = "keep\n";
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0 /* protocol */, pair) < 0) {
        return err_from_errno(errno, "holder: make a link");
    }
    AUTO(fd_release) int ours = pair[0];
    AUTO(fd_release) int theirs = pair[1];
    /* Said before it lives, so that the fastest command does not end before it is heard. */
    if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0 ||
        send(ours, keep, sizeof keep - 1, MSG_NOSIGNAL) != (ssize_t)sizeof keep - 1) {
        return err_from_errno(errno, "holder: make a link");
    }
    *ret_ours = fd_take(&ours);
    *ret_theirs = fd_take(&theirs);
    return ERR_OK;
}

/* A socket's path has at most 107 bytes, and a data directory may lie deeper: hence /proc. */
static struct err connect_there(int fd, int folder_fd) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/sock", folder_fd);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        return ERR_OK;
    }
    if (errno == ECONNREFUSED || errno == ENOENT || errno == ENOTSOCK) {
        return err_make(ERR_NOT_FOUND, "holder: nobody listens");
    }
    return err_from_errno(errno, "holder: connect");
}

struct err holder__connect(const struct spool *spool, const char *name, int *ret_fd) {
    AUTO(fd_release) int folder = -1;
    struct err err = spool__folder(spool, name, &folder);
    if (err_failed(err)) {
        return err;
    }
    if (folder < 0) {
        return err_make(ERR_NOT_FOUND, "holder: no folder");
    }
    AUTO(fd_release) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_from_errno(errno, "holder: make a socket");
    }
    err = connect_there(fd, folder);
    if (!err_failed(err)) {
        *ret_fd = fd_take(&fd);
    }
    return err;
}
