/* zygote.c: see zygote.h. */
#include "script/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "loop/loop_uv.h"
#include "script/descriptor_passing.h"

enum { NOTES_AT_ONCE = 64, PID_SIZE = 16 };

struct zygote {
    uv_poll_t poll;
    struct loop *loop; /* Borrowed. */
    int fd, pidfd;     /* Owned. */
    const struct zygote_news *news;
    void *ctx; /* Borrowed. */
};

void pidfd_kill(int pidfd) {
    (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL /* info */, 0U);
}

/* --- Births ----------------------------------------------------------------------------------- */

struct err zygote_bear(const struct zygote *zygote, const struct script_birth *birth, int fd) {
    struct script_birth copy = *birth;
    const struct parcel parcel = {.bytes = &copy, .size = sizeof copy, .fd = fd};
    if (parcel_send(zygote->fd, &parcel, MSG_DONTWAIT) < 0) {
        return err_from_errno(errno, "zygote: ask for a worker");
    }
    return ERR_OK;
}

/* --- Notes ------------------------------------------------------------------------------------ */

/* False: there is none now, or never again. */
static bool take_note(struct zygote *zygote) {
    struct script_note note = {.id = 0};
    struct parcel parcel = {.bytes = &note, .size = sizeof note, .fd = -1};
    ssize_t got = parcel_take(zygote->fd, &parcel, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (got <= 0) {
        zygote->news->over(zygote->ctx);
        return false;
    }
    AUTO(fd_release) int pidfd = fd_take(&parcel.fd);
    if ((size_t)got == sizeof note) {
        zygote->news->noted(zygote->ctx, &note, fd_take(&pidfd));
    }
    return true;
}

/* A broken socket is told as an error of the handle, which libuv has stopped then. */
static void on_ready(uv_poll_t *poll, int status, int events) {
    (void)events; /* There is but one. */
    struct zygote *zygote = poll->data;
    bool more = true;
    for (unsigned i = 0; i < NOTES_AT_ONCE && more && !uv_is_closing((uv_handle_t *)poll); i++) {
        loop_breathe(zygote->loop);
        more = take_note(zygote);
    }
    if (status < 0 && !uv_is_closing((uv_handle_t *)poll)) {
        zygote->news->over(zygote->ctx);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static void actions_done(posix_spawn_file_actions_t *actions) {
    (void)posix_spawn_file_actions_destroy(actions); /* It cannot fail. */
}

static void attributes_done(posix_spawnattr_t *attributes) {
    (void)posix_spawnattr_destroy(attributes); /* It cannot fail. */
}

/* A session of its own: Ctrl-C at our terminal is for us to answer. */
static struct err spawn(const char *program, int link, pid_t *ret_pid) {
    AUTO(actions_done) posix_spawn_file_actions_t actions;
    AUTO(attributes_done) posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    assert(rc == 0); /* Both only fill memory of ours. */
    rc = posix_spawnattr_init(&attributes);
    assert(rc == 0);
    rc = posix_spawn_file_actions_adddup2(&actions, link, SCRIPT_FD);
    if (rc == 0) {
        rc = posix_spawn_file_actions_addclosefrom_np(&actions, SCRIPT_FD + 1);
    }
    if (rc == 0) {
        rc = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    }
    char name[] = "drover-worker", self[PID_SIZE];
    (void)snprintf(self, sizeof self, "%d", (int)getpid());
    char *argv[] = {name, self, NULL}, *env[] = {NULL};
    if (rc == 0) {
        rc = posix_spawn(ret_pid, program, &actions, &attributes, argv, env);
    }
    return rc == 0 ? ERR_OK : err_from_errno(rc, "zygote: start");
}

/* Not collected yet, whoever does so: the pid is still its own. */
static struct err spawn_held(const char *program, int link, int *ret_pidfd) {
    pid_t pid = 0;
    struct err err = spawn(program, link, &pid);
    if (err_failed(err)) {
        return err;
    }
    *ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
    return *ret_pidfd < 0 ? err_from_errno(errno, "zygote: hold") : ERR_OK;
}

struct err zygote_start(struct loop *loop, const char *program, const struct zygote_news *news,
                        void *ctx, struct zygote **ret_zygote) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0 /* protocol */, pair) < 0) {
        return err_from_errno(errno, "zygote: make a link");
    }
    AUTO(fd_release) int ours = pair[0];
    AUTO(fd_release) int theirs = pair[1];
    AUTO(fd_release) int pidfd = -1;
    struct err err = spawn_held(program, theirs, &pidfd);
    if (err_failed(err)) {
        return err; /* If it was started, it finds that its link has ended. */
    }
    AUTO(mem_release) struct zygote *zygote = mem_new(sizeof *zygote);
    int rc = uv_poll_init(loop_uv(loop), &zygote->poll, ours);
    if (rc != 0) {
        return err_from_errno(-rc, "zygote: watch");
    }
    zygote->loop = loop;
    zygote->fd = fd_take(&ours);
    zygote->pidfd = fd_take(&pidfd);
    zygote->news = news;
    zygote->ctx = ctx;
    zygote->poll.data = zygote;
    rc = uv_poll_start(&zygote->poll, UV_READABLE, on_ready);
    assert(rc == 0); /* It only fails for a handle that is closing. */
    *ret_zygote = zygote;
    zygote = NULL; /* Handed over. */
    return ERR_OK;
}

static void on_closed(uv_handle_t *handle) {
    struct zygote *zygote = handle->data;
    loop_breathe(zygote->loop);
    zygote->news->closed(zygote->ctx);
    mem_free(zygote);
}

void zygote_close(struct zygote *zygote) {
    if (zygote == NULL) {
        return;
    }
    uv_close((uv_handle_t *)&zygote->poll, on_closed);
    pidfd_kill(zygote->pidfd);
    fd_release(&zygote->fd);
    fd_release(&zygote->pidfd);
}
