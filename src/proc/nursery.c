/* nursery.c: see nursery.h, and protocol.h for what is said to it. */
#include "proc/nursery.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder_inside.h"

enum { FDS = 2 };

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

static struct err make(struct nursery *nursery, const char *program) {
    AUTO(fd_release) int ours = -1;
    AUTO(fd_release) int theirs = -1;
    struct err err = holder__make_link(&ours, &theirs);
    if (err_failed(err)) {
        return err;
    }
    const struct holder_spawn spawn = {program, -1 /* no order */, theirs};
    int pid = 0;
    err = holder__spawn(&spawn, &pid);
    if (!err_failed(err)) {
        *nursery = (struct nursery){.pid = pid, .link_fd = fd_take(&ours)};
    }
    return err;
}

/* One byte, so that it is there whole or not at all. Does not wait. */
static struct err tell(const struct nursery *nursery, const struct nursery_birth *birth) {
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
    /* Its queue is full, or too many descriptors are under way. */
    bool busy = errno == EAGAIN || errno == ETOOMANYREFS;
    return busy ? err_make(ERR_BUSY, "nursery: tell") : err_from_errno(errno, "nursery: tell");
}

/* One that has ended is not always known to be gone: the second try is of a new one. */
struct err nursery_bear(struct nursery *nursery, const struct nursery_birth *birth) {
    bool was_there = nursery->pid > 0;
    struct err err = was_there ? ERR_OK : make(nursery, birth->program);
    if (!err_failed(err)) {
        err = tell(nursery, birth);
    }
    if (!was_there || !err_failed(err) || err.code == ERR_BUSY) {
        return err;
    }
    nursery_drop(nursery);
    err = make(nursery, birth->program);
    return err_failed(err) ? err : tell(nursery, birth);
}
