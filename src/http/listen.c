/* listen.c: the listeners, and the admission of connections. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "http/inside.h"
#include "loop/loop_uv.h"

enum {
    BACKLOG = 4096,
    TURN_ACCEPTS_MAX = 32, /* Some 10 us each. */
    REFUSED_MAX = 64,
};

/* --- Accepting -------------------------------------------------------------------------------- */

/* Whoever runs as the same user could read the database anyway; root could do anything. */
static bool peer_is_owner(struct conn *conn) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    uv_os_fd_t fd;
    return uv_fileno(&conn->uv.handle, &fd) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static bool address_of(struct conn *conn, struct address *ret_address) {
    struct sockaddr_storage peer;
    int size = sizeof peer;
    if (uv_tcp_getpeername(&conn->uv.tcp, (struct sockaddr *)&peer, &size) != 0) {
        return false;
    }
    *ret_address = (struct address){0};
    if (peer.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&peer;
        memset(ret_address->bytes + 10, 0xff, 2);
        memcpy(ret_address->bytes + 12, &in->sin_addr, 4);
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&peer;
        bool mapped =
            IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) || IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
        memcpy(ret_address->bytes, &in6->sin6_addr, mapped ? 16 : 8);
    }
    return true;
}

static bool is_loopback_address(const struct address *address) {
    static const struct address six = {.bytes = {[15] = 1}};
    return memcmp(address, &six, sizeof six) == 0 ||
           (address->bytes[10] == 0xff && address->bytes[12] == 127);
}

unsigned http_refused_max(unsigned connections_max) {
    unsigned part = connections_max / 4 + 1;
    return part < REFUSED_MAX ? part : REFUSED_MAX;
}

static void conn_admit(struct conn *conn) {
    struct http_server *server = conn->server;
    const struct http_limits *limits = &server->limits;
    bool counted = !conn->listener->is_unix && !conn->listener->loopback;
    struct address address;
    struct why why;
    if (server->stats.connections > limits->connections_max) {
        server->stats.refused++;
        if (server->stats.connections >
            limits->connections_max + http_refused_max(limits->connections_max)) {
            conn_close(conn);
            return;
        }
        why_set(&why, "there are %u connections already", limits->connections_max);
        conn_reject(conn, err_make(ERR_OVERLOADED, "http: accept"), &why);
        return;
    }
    if (counted && address_of(conn, &address) && !is_loopback_address(&address)) {
        conn->address = addresses_take(&server->addresses, address, limits->per_address_max);
        if (conn->address == NULL) {
            server->stats.refused++;
            why_set(&why, "your address holds %u connections already", limits->per_address_max);
            conn_reject(conn, err_make(ERR_TOO_MANY, "http: accept"), &why);
            return;
        }
    }
    conn_deadline(conn, limits->idle_ms);
    conn_start(conn);
}

static void listener_accept(struct listener *listener) {
    struct conn *conn = conn_new(listener);
    if (uv_accept(&listener->uv.stream, &conn->uv.stream) != 0) {
        conn_close(conn);
        return;
    }
    listener->server->stats.accepted++;
    if (listener->is_unix) {
        conn->local = peer_is_owner(conn);
    } else {
        (void)uv_tcp_nodelay(&conn->uv.tcp, 1); /* Only slower without. */
        conn->local = listener->loopback && listener->server->options.insecure_loopback;
    }
    conn_admit(conn);
}

static void listener_turn(struct loop_task *task) {
    struct listener *listener = CONTAINER_OF(task, struct listener, task);
    listener->turn_accepts = 0;
    if (listener->waiting && listener->open) {
        listener->waiting = false;
        listener_accept(listener);
    }
}

/* libuv takes in as many as there are, in one turn; as long as one is not taken out of its hands,
 * it stops. */
static void listener_on_connection(uv_stream_t *stream, int status) {
    struct listener *listener = CONTAINER_OF(stream, struct listener, uv.stream);
    loop_breathe(listener->server->loop);
    if (status < 0) {
        return; /* Out of descriptors: libuv has shed the connection. */
    }
    if (listener->turn_accepts == 0) {
        loop_soon(listener->server->loop, &listener->task);
    }
    if (listener->turn_accepts++ < TURN_ACCEPTS_MAX) {
        listener_accept(listener);
    } else {
        listener->waiting = true;
    }
}

/* --- Opening ---------------------------------------------------------------------------------- */

static struct listener *listener_new(struct http_server *server) {
    struct listener *listener = mem_new(sizeof *listener);
    listener->server = server;
    listener->task.run = listener_turn;
    listener->rules.allowed_hosts = server->options.allowed_hosts;
    listener->rules.allowed_origins = server->options.allowed_origins;
    return listener;
}

static void listener_on_closed(uv_handle_t *handle) {
    struct listener *listener = CONTAINER_OF(handle, struct listener, uv.handle);
    listener->server->listeners_open--;
    server_end_if_empty(listener->server);
}

void listener_close(struct listener *listener) {
    if (!listener->open) {
        return;
    }
    listener->open = false;
    loop_task_cancel(listener->server->loop, &listener->task);
    if (listener->path != NULL) {
        (void)unlink(listener->path); /* A socket left behind is replaced by the next daemon. */
    }
    uv_close(&listener->uv.handle, listener_on_closed);
}

static void listener_on_given_up(uv_handle_t *handle) {
    mem_free(CONTAINER_OF(handle, struct listener, uv.handle));
}

/* Takes connections from now on, if what led here succeeded. `rc` is a code of libuv, a negated
 * errno; `where` stands in the sentence for the user. */
static struct err listener_start(struct listener *listener, int rc, const char *where,
                                 struct why *why) {
    struct http_server *server = listener->server;
    if (rc == 0) {
        rc = uv_listen(&listener->uv.stream, BACKLOG, listener_on_connection);
    }
    if (rc != 0) {
        why_set(why, "cannot listen on %s: %s", where, uv_strerror(rc));
        /* The handle is known to libuv: it must be closed before its memory goes. */
        uv_close(&listener->uv.handle, listener_on_given_up);
        return rc == UV_EADDRINUSE
                   ? (struct err){.code = ERR_BUSY, .os = -rc, .step = "http: listen"}
                   : err_from_errno(-rc, "http: listen");
    }
    listener->open = true;
    listener->next = server->listeners;
    server->listeners = listener;
    server->listeners_open++;
    return ERR_OK;
}

static uint16_t port_of(const uv_tcp_t *tcp) {
    struct sockaddr_storage name;
    int size = sizeof name;
    if (uv_tcp_getsockname(tcp, (struct sockaddr *)&name, &size) != 0) {
        return 0;
    }
    return ntohs(name.ss_family == AF_INET ? ((struct sockaddr_in *)&name)->sin_port
                                           : ((struct sockaddr_in6 *)&name)->sin6_port);
}

struct err http_listen_tcp(struct http_server *server, const char *host, uint16_t port,
                           uint16_t *ret_port, struct why *why) {
    const char *address = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } name;
    bool loopback, all;
    if (uv_ip4_addr(address, port, &name.in) == 0) {
        loopback = (ntohl(name.in.sin_addr.s_addr) >> 24) == 127;
        all = name.in.sin_addr.s_addr == 0;
    } else if (uv_ip6_addr(address, port, &name.in6) == 0) {
        loopback = IN6_IS_ADDR_LOOPBACK(&name.in6.sin6_addr);
        all = IN6_IS_ADDR_UNSPECIFIED(&name.in6.sin6_addr);
    } else {
        return err_why(why, ERR_CONFIG, "'%s' is not an IP address or 'localhost'", host);
    }
    struct listener *listener = listener_new(server);
    int rc = uv_tcp_init(loop_uv(server->loop), &listener->uv.tcp);
    assert(rc == 0);
    rc = uv_tcp_bind(&listener->uv.tcp, &name.any, 0);
    char where[128];
    (void)snprintf(where, sizeof where, "%s port %u", host, port); /* An address; it fits. */
    struct err err = listener_start(listener, rc, where, why);
    if (err_failed(err)) {
        return err;
    }
    listener->loopback = loopback;
    listener->rules.port = port_of(&listener->uv.tcp);
    if (!all && strlen(host) + 3 <= ADDRESS_SIZE) {
        bool bracket = strchr(host, ':') != NULL;
        (void)snprintf(listener->address, ADDRESS_SIZE, bracket ? "[%s]" : "%s", host); /* Fits. */
        listener->rules.address = listener->address;
    }
    *ret_port = listener->rules.port;
    return ERR_OK;
}

/* --- Unix sockets ----------------------------------------------------------------------------- */

/* Somebody listens there: not what a dead daemon left behind. */
static bool is_served(const struct sockaddr_un *address) {
    AUTO(fd_release) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                       errno == EAGAIN); /* Its queue is full. */
}

/* A path in sun_path may have 107 bytes, a data directory more; by way of its descriptor each
 * directory has a short name. */
static struct err socket_bind_in(int dir, const char *name, int fd) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, name);
    if (len < 0 || (size_t)len >= sizeof address.sun_path) {
        return err_make(ERR_CONFIG, "http: socket name");
    }
    struct stat old;
    if (fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISSOCK(old.st_mode)) {
            return err_make(ERR_CONFLICT, "http: socket exists");
        }
        if (is_served(&address)) {
            return err_make(ERR_BUSY, "http: socket is served");
        }
        (void)unlinkat(dir, name, 0); /* If it stays, bind says so. */
    }
    /* Before bind, so that nobody else could ever connect. */
    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        return err_from_errno(errno, "http: bind");
    }
    return ERR_OK;
}

static struct err socket_bind(const char *path, int *ret_fd) {
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    AUTO(mem_release)
    char *dir_path = slash == NULL ? mem_copy(".", 1) : mem_copy(path, (size_t)(name - path));
    AUTO(fd_release) int dir = open(dir_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_release) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (dir < 0 || fd < 0) {
        return err_from_errno(errno, "http: socket");
    }
    struct err err = socket_bind_in(dir, name, fd);
    if (!err_failed(err)) {
        *ret_fd = fd_take(&fd);
    }
    return err;
}

struct err http_listen_unix(struct http_server *server, const char *path, struct why *why) {
    int fd = -1;
    struct err err = socket_bind(path, &fd);
    if (err_failed(err)) {
        why_set(why, "cannot listen on %s: %s", path,
                err.os != 0 ? strerror(err.os) : err_title(err.code));
        return err;
    }
    struct listener *listener = listener_new(server);
    int rc = uv_pipe_init(loop_uv(server->loop), &listener->uv.pipe, /* ipc */ 0);
    assert(rc == 0);
    rc = uv_pipe_open(&listener->uv.pipe, fd);
    if (rc != 0) {
        fd_release(&fd);
    }
    err = listener_start(listener, rc, path, why);
    if (!err_failed(err)) {
        listener->is_unix = true;
        listener->rules.any = true;
        listener->path = mem_copy(path, strlen(path));
    }
    return err;
}
