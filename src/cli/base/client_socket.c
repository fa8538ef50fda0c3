/* client_socket.c: non-blocking sockets and poll(2), so that each wait has an end.
 *
 * The Unix socket is reached through its directory's descriptor (/proc/self/fd/N/drover.sock): the
 * address of a Unix socket holds 108 bytes, and a data directory may be deeper than that.
 */
#include "cli/base/client_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/number.h"

enum { CONNECT_MS = 10 * 1000, CONNECT_STEP_MS = 10, SEND_MS = 30 * 1000 };

static void address_info_release(struct addrinfo **info) {
    if (*info != NULL) {
        freeaddrinfo(*info);
    }
}

struct err client_url_parse(const char *url, struct client_address *ret_address, struct why *why) {
    static const char scheme[] = "http://";
    struct client_address address = {.port = "80"};
    if (strncmp(url, scheme, sizeof scheme - 1) != 0) {
        return err_why(why, ERR_USAGE, "'%s' is not an address like http://127.0.0.1:7433", url);
    }
    const char *host = url + sizeof scheme - 1;
    size_t len = strcspn(host, "/");
    const char *rest = host + len;
    const char *colon = memrchr(host, ':', len);
    if (colon != NULL && memchr(colon, ']', len - (size_t)(colon - host)) == NULL) {
        struct bytes digits = {colon + 1, len - (size_t)(colon + 1 - host)};
        int64_t port = 0;
        if (!number_parse(digits, (struct number_bounds){1, 65535}, &port)) {
            return err_why(why, ERR_USAGE, "'%s': the port is not a number from 1 to 65535", url);
        }
        (void)snprintf(address.port, sizeof address.port, "%d", (int)port); /* 5 digits fit. */
        len = (size_t)(colon - host);
    }
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof address.host || (rest[0] != '\0' && strcmp(rest, "/") != 0)) {
        return err_why(why, ERR_USAGE, "'%s' is not an address like http://127.0.0.1:7433", url);
    }
    memcpy(address.host, host, len);
    *ret_address = address;
    return ERR_OK;
}

/* Until `fd` has one of `events`, for at most timeout_ms. */
static struct err wait_for(const struct client_options *options, int fd, short events,
                           int64_t timeout_ms) {
    struct pollfd polls[] = {{.fd = fd, .events = events},
                             {.fd = options->interrupt_fd, .events = POLLIN}};
    const struct client_tick *tick = options->tick;
    for (int64_t left_ms = timeout_ms;;) {
        int64_t slice_ms = tick != NULL && tick->every_ms < left_ms ? tick->every_ms : left_ms;
        int ready = poll(polls, COUNT_OF(polls), (int)slice_ms);
        if (ready < 0 && errno != EINTR) {
            return err_from_errno(errno, "client: poll");
        }
        if (ready > 0) {
            bool left = (polls[1].revents & POLLIN) != 0;
            return left ? err_make(ERR_INTERRUPTED, "client: wait") : ERR_OK;
        }
        left_ms -= ready == 0 ? slice_ms : 0;
        if (ready == 0 && left_ms <= 0) {
            return err_from_errno(ETIMEDOUT, "client: wait");
        }
        if (ready == 0) {
            tick->run(tick->ctx); /* Slices are only cut for it. */
        }
    }
}

struct err client_pause(const struct client_options *options, int64_t pause_ms) {
    if (options->before_wait != NULL) {
        options->before_wait(options->ctx);
    }
    struct err err = wait_for(options, -1, 0, pause_ms);
    return err.os == ETIMEDOUT ? ERR_OK : err;
}

/* Finishes a connect that may still be under way. */
static struct err connect_finish(const struct client_options *options, int fd, int result) {
    if (result == 0) {
        return ERR_OK;
    }
    if (errno != EINPROGRESS) {
        return err_make(ERR_UNREACHABLE, "client: connect");
    }
    struct err err = wait_for(options, fd, POLLOUT, CONNECT_MS);
    if (err_failed(err)) {
        return err.code == ERR_INTERRUPTED ? err : err_make(ERR_UNREACHABLE, "client: connect");
    }
    int failure = 0;
    socklen_t len = sizeof failure;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0 || failure != 0) {
        return err_make(ERR_UNREACHABLE, "client: connect");
    }
    return ERR_OK;
}

/* EAGAIN of a Unix socket is no connect under way: the queue of the listener is full, and nothing
 * reports when it has room. */
static struct err connect_queue(const struct client_options *options, int fd,
                                const struct sockaddr_un *address, struct why *why) {
    for (unsigned waited_ms = 0;; waited_ms += CONNECT_STEP_MS) {
        int result = connect(fd, (const struct sockaddr *)address, sizeof *address);
        if (result == 0 || errno != EAGAIN) {
            return connect_finish(options, fd, result);
        }
        if (waited_ms >= CONNECT_MS) {
            return err_why(why, ERR_OVERLOADED,
                           "the daemon of %s accepts no connection for %d s; is it stopped?",
                           options->data, CONNECT_MS / 1000);
        }
        struct err err = wait_for(options, -1, 0, CONNECT_STEP_MS);
        if (err.os != ETIMEDOUT) {
            return err;
        }
    }
}

static struct err connect_unix(const struct client_options *options, int *ret_fd, struct why *why) {
    AUTO(fd_release) int directory = open(options->data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_release) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_from_errno(errno, "client: socket");
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/drover.sock",
                   directory); /* A number is short. */
    struct err err = directory < 0 ? err_make(ERR_UNREACHABLE, "client: data directory")
                                   : connect_queue(options, fd, &address, why);
    if (err.code == ERR_UNREACHABLE) {
        why_set(why, "no daemon serves %s; start one with 'drover serve --data %s'", options->data,
                options->data);
    }
    if (!err_failed(err)) {
        *ret_fd = fd_take(&fd);
    }
    return err;
}

static struct err connect_tcp(const struct client_options *options, const struct client_address *to,
                              int *ret_fd, struct why *why) {
    AUTO(address_info_release) struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int failure = getaddrinfo(to->host, to->port, &hints, &list);
    struct err err = err_make(ERR_UNREACHABLE, "client: connect");
    why_set(why, "nobody answers at %s port %s%s%s", to->host, to->port, failure != 0 ? ": " : "",
            failure != 0 ? gai_strerror(failure) : "");
    for (struct addrinfo *at = failure == 0 ? list : NULL; at != NULL; at = at->ai_next) {
        AUTO(fd_release)
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            continue;
        }
        int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* Only slower without. */
        err = connect_finish(options, fd, connect(fd, at->ai_addr, at->ai_addrlen));
        if (!err_failed(err)) {
            *ret_fd = fd_take(&fd);
            return ERR_OK;
        }
        if (err.code == ERR_INTERRUPTED) {
            return err;
        }
    }
    return err;
}

struct err client_socket_connect(const struct client_options *options,
                                 const struct client_address *address, int *ret_fd,
                                 struct why *why) {
    return address != NULL ? connect_tcp(options, address, ret_fd, why)
                           : connect_unix(options, ret_fd, why);
}

struct err client_socket_send(const struct client_options *options, int fd, struct bytes bytes,
                              struct why *why) {
    size_t sent = 0;
    while (sent < bytes.len) {
        ssize_t n = send(fd, bytes.data + sent, bytes.len - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN) {
            struct err err = wait_for(options, fd, POLLOUT, SEND_MS);
            if (err_failed(err)) {
                return err;
            }
        } else if (errno != EINTR) {
            struct err err = {.code = ERR_IO, .os = errno, .step = "client: send"};
            why_set(why, "the connection broke while sending: %s", strerror(err.os));
            return err;
        }
    }
    return ERR_OK;
}

struct err client_socket_receive(const struct client_options *options, int fd, int64_t timeout_ms,
                                 char *bytes, size_t size, size_t *ret_len, struct why *why) {
    /* A stream that never pauses never waits, and Ctrl-C must end that too. */
    struct pollfd interrupt = {.fd = options->interrupt_fd, .events = POLLIN};
    if (poll(&interrupt, 1, 0 /* just a look */) > 0) {
        return err_make(ERR_INTERRUPTED, "client: receive");
    }
    for (;;) {
        ssize_t n = recv(fd, bytes, size, 0);
        if (n >= 0) {
            *ret_len = (size_t)n;
            return ERR_OK;
        }
        if (errno == EAGAIN) {
            if (options->before_wait != NULL) {
                options->before_wait(options->ctx);
            }
            struct err err = wait_for(options, fd, POLLIN, timeout_ms);
            if (err.os == ETIMEDOUT) {
                why_set(why, "the daemon was silent for %lld s", (long long)timeout_ms / 1000);
                return (struct err){.code = ERR_IO, .os = ETIMEDOUT, .step = "client: receive"};
            }
            if (err_failed(err)) {
                return err;
            }
        } else if (errno != EINTR) {
            struct err err = {.code = ERR_IO, .os = errno, .step = "client: receive"};
            why_set(why, "the connection broke: %s", strerror(err.os));
            return err;
        }
    }
}
