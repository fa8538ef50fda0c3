/* nursery.c: see nursery.h, and protocol.h for what is said to a nursery.
 *
 * Not uv_spawn: the holder is nobody's child for long, and libuv would want to wait for it. */
#include "proc/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process/spawn.h"
#include "proc/spool/protocol.h"

enum { FDS = 2 };

/* From an assembler file: scripts/image.sh. */
extern const char holder_image_bytes[];
extern const size_t holder_image_bytes_size;
extern const uint8_t holder_image_bytes_sha256[sizeof(struct sha256)];

struct bytes holder_image(void) {
    return (struct bytes){holder_image_bytes, holder_image_bytes_size};
}

struct sha256 holder_image_hash(void) {
    struct sha256 hash;
    memcpy(hash.bytes, holder_image_bytes_sha256, sizeof hash.bytes);
    return hash;
}

/* --- A process -------------------------------------------------------------------------------- */

/* The holder needs nothing of our environment; the command's comes with the order. */
struct err nursery_spawn(const struct nursery_birth *birth, int *ret_pid) {
    static const char *const environment[] = {NULL};
    const bool is_nursery = birth->order_fd < 0;
    const char *const argv[] = {"drover-holder", is_nursery ? PROTOCOL_NURSERY : NULL, NULL};
    const struct spawn process = {
        .program = birth->program,
        .argv = argv,
        .environment = environment,
        .fds = {SPAWN_NULL, SPAWN_NULL,
                SPAWN_NULL, [PROTOCOL_ORDER_FD] = is_nursery ? SPAWN_NULL : birth->order_fd,
                [PROTOCOL_LINK_FD] = birth->link_fd},
        .fd_count = PROTOCOL_LINK_FD + 1,
        .session = SPAWN_SESSION};
    return spawn(&process, ret_pid);
}

struct err nursery_make_link(int *ret_ours, int *ret_theirs) {
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

/* --- The nursery ------------------------------------------------------------------------------ */

void nursery_init(struct nursery *nursery) {
    *nursery = (struct nursery){.link_fd = -1};
}

void nursery_done(struct nursery *nursery) {
    fd_release(&nursery->link_fd);
    nursery->pid = 0;
}

/* It is our child and was not collected, so the pid is still its own. */
void nursery_drop(struct nursery *nursery) {
    if (nursery->pid > 0) {
        (void)kill(nursery->pid, SIGKILL); /* At worst it has ended. */
    }
    nursery_done(nursery);
}

bool nursery_reaped(struct nursery *nursery, int pid) {
    bool is_it = nursery->pid == pid;
    if (is_it) {
        nursery_done(nursery);
    }
    return is_it;
}

static struct err nursery_make(struct nursery *nursery, const char *program) {
    AUTO(fd_release) int ours = -1;
    AUTO(fd_release) int theirs = -1;
    TRY(nursery_make_link(&ours, &theirs));
    const struct nursery_birth birth = {program, -1 /* no order */, theirs};
    int pid = 0;
    struct err err = nursery_spawn(&birth, &pid);
    if (!err_failed(err)) {
        *nursery = (struct nursery){.pid = pid, .link_fd = fd_take(&ours)};
    }
    return err;
}

/* Sends one byte, so that it is there whole or not at all. Does not wait. */
static struct err nursery_tell(const struct nursery *nursery, const struct nursery_birth *birth) {
    const int fds[FDS] = {birth->order_fd, birth->link_fd};
    union {
        char bytes[CMSG_SPACE(sizeof fds)];
        struct cmsghdr first;
    } control = {.bytes = {0}};
    char byte = '\n';
    struct iovec text = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &text,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    control.first.cmsg_level = SOL_SOCKET;
    control.first.cmsg_type = SCM_RIGHTS;
    control.first.cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(&control.first), fds, sizeof fds);
    if (sendmsg(nursery->link_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1) {
        return ERR_OK;
    }
    /* The queue is full, or too many descriptors are under way. */
    bool busy = errno == EAGAIN || errno == ETOOMANYREFS;
    return busy ? err_make(ERR_BUSY, "nursery: tell") : err_from_errno(errno, "nursery: tell");
}

/* One that has ended is not always known to be gone: the second try is of a new one. */
struct err nursery_bear(struct nursery *nursery, const struct nursery_birth *birth) {
    bool was_there = nursery->pid > 0;
    struct err err = was_there ? ERR_OK : nursery_make(nursery, birth->program);
    if (!err_failed(err)) {
        err = nursery_tell(nursery, birth);
    }
    if (!was_there || !err_failed(err) || err.code == ERR_BUSY) {
        return err;
    }
    nursery_drop(nursery);
    err = nursery_make(nursery, birth->program);
    return err_failed(err) ? err : nursery_tell(nursery, birth);
}
