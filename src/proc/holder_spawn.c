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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder_inside.h"

enum { COPIES_FROM = 16 }; /* Beyond the places that the holder's descriptors take. */

static void actions_done(posix_spawn_file_actions_t *actions) {
    (void)posix_spawn_file_actions_destroy(actions); /* It cannot fail. */
}

static void attributes_done(posix_spawnattr_t *attributes) {
    (void)posix_spawnattr_destroy(attributes); /* It cannot fail. */
}

/* The descriptors must not lie in each other's way: copies far above do not. */
static int fill_actions(posix_spawn_file_actions_t *actions, const struct holder_spawn *copies) {
    int rc = 0;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && rc == 0; fd++) {
        rc = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0 /* mode */);
    }
    if (rc == 0) {
        int order_fd = copies->order_fd < 0 ? STDIN_FILENO : copies->order_fd;
        rc = posix_spawn_file_actions_adddup2(actions, order_fd, PROTOCOL_ORDER_FD);
    }
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(actions, copies->link_fd, PROTOCOL_LINK_FD);
    }
    if (rc == 0) {
        rc = posix_spawn_file_actions_addclosefrom_np(actions, PROTOCOL_LINK_FD + 1);
    }
    return rc;
}

/* A holder would hand a blocked signal on to commands. What was ignored it resets itself. */
static int fill_attributes(posix_spawnattr_t *attributes) {
    sigset_t none;
    (void)sigemptyset(&none); /* Cannot fail. */
    int rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    if (rc == 0) {
        rc = posix_spawnattr_setsigmask(attributes, &none);
    }
    return rc;
}

static struct err spawn_copies(const struct holder_spawn *copies, int *ret_pid) {
    AUTO(actions_done) posix_spawn_file_actions_t actions;
    AUTO(attributes_done) posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    assert(rc == 0); /* Both only fill memory of ours. */
    rc = posix_spawnattr_init(&attributes);
    assert(rc == 0);
    rc = fill_actions(&actions, copies);
    if (rc == 0) {
        rc = fill_attributes(&attributes);
    }
    if (rc != 0) {
        return err_from_errno(rc, "holder: prepare its start");
    }
    /* It needs nothing of our environment; the command's comes with the order. */
    char name[] = "drover-holder", nursery[] = PROTOCOL_NURSERY;
    char *argv[] = {name, copies->order_fd < 0 ? nursery : NULL, NULL}, *env[] = {NULL};
    pid_t pid = 0;
    rc = posix_spawn(&pid, copies->program, &actions, &attributes, argv, env);
    if (rc != 0) {
        return err_from_errno(rc, "holder: start");
    }
    *ret_pid = (int)pid;
    return ERR_OK;
}

struct err holder__spawn(const struct holder_spawn *spawn, int *ret_pid) {
    bool nursery = spawn->order_fd < 0;
    AUTO(fd_release)
    int order_fd = nursery ? -1 : fcntl(spawn->order_fd, F_DUPFD_CLOEXEC, COPIES_FROM);
    AUTO(fd_release) int link_fd = fcntl(spawn->link_fd, F_DUPFD_CLOEXEC, COPIES_FROM);
    if ((order_fd < 0 && !nursery) || link_fd < 0) {
        return err_from_errno(errno, "holder: copy descriptors");
    }
    const struct holder_spawn copies = {spawn->program, order_fd, link_fd};
    return spawn_copies(&copies, ret_pid);
}

struct err holder__make_link(int *ret_ours, int *ret_theirs) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0 /* protocol */, pair) < 0) {
        return err_from_errno(errno, "holder: make a link");
    }
    AUTO(fd_release) int ours = pair[0];
    AUTO(fd_release) int theirs = pair[1];
    if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0) {
        return err_from_errno(errno, "holder: make a link");
    }
    *ret_ours = fd_take(&ours);
    *ret_theirs = fd_take(&theirs);
    return ERR_OK;
}

/* A socket's path has at most 107 bytes, and a data directory may lie deeper: hence /proc. And what
 * the command put in the socket's place is not spoken to: a link would lead to another's. */
static struct err connect_there(int fd, int folder_fd) {
    AUTO(fd_release) int sock = openat(folder_fd, "sock", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    if (sock < 0 || fstat(sock, &about) < 0 || !S_ISSOCK(about.st_mode)) {
        return err_make(ERR_NOT_FOUND, "holder: no socket");
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", sock);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        return ERR_OK;
    }
    if (errno == ECONNREFUSED || errno == ENOENT) {
        return err_make(ERR_NOT_FOUND, "holder: nobody listens");
    }
    return err_from_errno(errno, "holder: connect");
}

struct err holder__connect(const struct spool *spool, const char *name, int *ret_fd) {
    AUTO(fd_release) int folder = -1;
    struct err err = spool_folder(spool, name, &folder);
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
