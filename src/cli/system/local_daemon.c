/* local_daemon.c: see local_daemon.h.
 *
 * The kernel notes at listen(2) who listens on a Unix socket, and tells each peer. That process may
 * have ended since, and its number may be another's: so the pidfd is opened first, and then the
 * connection is looked at. The daemon holds one that is whole, so the pidfd is the daemon's. */
#include "cli/system/local_daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/fd.h"

enum { LOOK_MS = 20 };

static bool connection_is_whole(int fd) {
    struct pollfd look = {.fd = fd, .events = POLLIN | POLLRDHUP};
    return fd >= 0 && poll(&look, 1, 0) == 0; /* Nothing was asked, so nothing comes. */
}

static struct err pidfd_of(const struct talk *talk, int *ret_fd, int *ret_pid, struct why *why) {
    struct ucred peer = {.pid = 0};
    socklen_t len = sizeof peer;
    const int fd = client_fd(talk->client);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid <= 0) {
        return err_why(why, ERR_NO_PERMISSION,
                       "the daemon of %s runs in another PID namespace, or container; end it there",
                       talk->options.data);
    }
    AUTO(fd_release) int pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0 /* flags */);
    if (pidfd < 0 || !connection_is_whole(fd)) {
        return err_why(why, ERR_UNREACHABLE, "the daemon of %s has just ended", talk->options.data);
    }
    *ret_pid = peer.pid;
    *ret_fd = fd_take(&pidfd);
    return ERR_OK;
}

static struct err end_await(struct talk *talk, int pidfd, int64_t most_ms) {
    struct err err = ERR_OK;
    struct pollfd look = {.fd = pidfd, .events = POLLIN};
    const uint64_t begin_ns = world_mono_ns(talk->world);
    while (!err_failed(err) && poll(&look, 1, 0) == 0) {
        const uint64_t waited_ms = (world_mono_ns(talk->world) - begin_ns) / 1000000;
        err = most_ms > 0 && waited_ms > (uint64_t)most_ms ? err_make(ERR_BUSY, "daemon: end")
                                                           : client_pause(&talk->options, LOOK_MS);
    }
    return err;
}

struct err local_daemon_check_outside(const json_t *daemon, struct why *why) {
    const char *run = talk_text(daemon, "inside");
    return run[0] == '\0' ? ERR_OK
                          : err_why(why, ERR_INSIDE_RUN,
                                    "this program is inside of %.40s, and a run ends no daemon; end"
                                    " it outside of the run",
                                    run);
}

struct err local_daemon_end(struct talk *talk, int64_t most_ms, int *ret_pid, struct why *why) {
    AUTO(fd_release) int pidfd = -1;
    if (talk->options.url != NULL) {
        return err_why(
            why, ERR_USAGE,
            "a daemon is ended on its own machine; leave --url and DROVER_URL out there");
    }
    TRY(pidfd_of(talk, &pidfd, ret_pid, why));
    struct err err = ERR_OK;
    if (syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL /* as kill(2) has it */, 0) < 0 &&
        errno != ESRCH) {
        err = err_from_errno(errno, "daemon: signal");
        return err_why(why, err.code, "the daemon (pid %d) cannot be signalled: %s", *ret_pid,
                       strerror(err.os));
    }
    client_hang_up(talk->client); /* A daemon that ends waits for its clients. */
    err = end_await(talk, pidfd, most_ms);
    if (err.code == ERR_INTERRUPTED) {
        why_set(why, "the daemon (pid %d) was asked to end and has not ended yet", *ret_pid);
    } else if (err.code == ERR_BUSY) {
        why_set(why,
                "the daemon of %s (pid %d) was asked to end and has not within %lld s; when it"
                " has, run this again",
                talk->options.data, *ret_pid, (long long)(most_ms / 1000));
    }
    return err;
}
