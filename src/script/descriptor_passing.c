/* descriptor_passing.c: see descriptor_passing.h. Part of the worker's program, too. */
#include "script/descriptor_passing.h"

#include <string.h>
#include <sys/socket.h>

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr first; /* For its alignment. */
};

ssize_t parcel_send(int socket, const struct parcel *parcel, int flags) {
    union control control = {.bytes = {0}};
    struct iovec bytes = {.iov_base = parcel->bytes, .iov_len = parcel->size};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (parcel->fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        control.first.cmsg_level = SOL_SOCKET;
        control.first.cmsg_type = SCM_RIGHTS;
        control.first.cmsg_len = CMSG_LEN(sizeof parcel->fd);
        memcpy(CMSG_DATA(&control.first), &parcel->fd, sizeof parcel->fd);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | flags);
}

static int descriptor_of(struct msghdr *message) {
    int fd = -1;
    const struct cmsghdr *first = CMSG_FIRSTHDR(message);
    if (first != NULL && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS &&
        first->cmsg_len == CMSG_LEN(sizeof fd)) {
        memcpy(&fd, CMSG_DATA(first), sizeof fd);
    }
    return fd;
}

ssize_t parcel_take(int socket, struct parcel *parcel, int flags) {
    union control control = {.bytes = {0}};
    struct iovec bytes = {.iov_base = parcel->bytes, .iov_len = parcel->size};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
    parcel->fd = got > 0 ? descriptor_of(&message) : -1;
    return got;
}
