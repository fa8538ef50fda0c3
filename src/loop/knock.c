/* knock.c: a connect to loopback, and how it was answered. */
#include "loop/knock.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static bool was_refused(int fd) {
    struct pollfd answered = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof error;
    return poll(&answered, 1, 0 /* it does not wait */) == 1 &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == ECONNREFUSED;
}

bool knock_refused(uint16_t port) {
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    int rc = connect(fd, (const struct sockaddr *)&address, sizeof address);
    bool refused = rc < 0 && (errno == ECONNREFUSED || (errno == EINPROGRESS && was_refused(fd)));
    (void)close(fd); /* Nothing was written. */
    return refused;
}
