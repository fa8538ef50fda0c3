/* server.c: the server from its opening to its end, the walks over all connections, the listeners
 * and the admission of connections. */
#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "http/conn.h"
#include "loop/loop_uv.h"

enum {
    BACKLOG = 4096,
    TURN_ACCEPTS_MAX = 32, /* Some 10 us each. */
    REFUSED_MAX = 64,
    DESCRIPTORS_SPARE = 256, /* Beside the connections: database, listeners, logs. */
    WALK_NS = 500 * 1000,    /* A walk over all connections goes in steps of this. */
    KEEPALIVE_S = 60,        /* Silence after which the kernel probes a client. */
};

/* All limits are of one type, so that zeros are replaced in a loop. */
static struct http_limits limits_fill(const struct http_limits *given) {
    enum { LIMITS = sizeof *given / sizeof(size_t) };
    static const struct http_limits absent = {
        .connections_max = 12000,
        .per_address_max = 256,
        .pipeline_max = 32,
        .headers_max = HEADERS_MAX,
        .head_bytes_max = 16 << 10,
        .url_bytes_max = 8 << 10,
        .body_bytes_max = 1 << 20,
        .bodies_bytes_max = 256 << 20,
        .values_bytes_max = 256 << 20,
        .answers_bytes_max = 128 << 20,
        .ahead_bytes_max = 32 << 20,
        .head_ms = 10000,
        .body_ms = 10000,
        .idle_ms = 60000,
        .look_ms = 10000,
        .write_ms = 30000,
        .linger_ms = 2000,
        .heartbeat_ms = 15000,
        .subscriptions_max = 1000,
        .unsigned_max = 32,
        .sign_in_ms = 5000,
    };
    union {
        struct http_limits named;
        size_t values[LIMITS];
    } filled = {.named = *given}, defaults = {.named = absent};
    for (size_t i = 0; i < LIMITS; i++) {
        filled.values[i] = filled.values[i] != 0 ? filled.values[i] : defaults.values[i];
    }
    return filled.named;
}

/* As many descriptors as the connections may take, if the hard limit lets us; if not, accepting
 * fails one day, which costs a connection and no more. */
static void descriptors_raise(size_t connections_max) {
    struct rlimit limit;
    rlim_t wanted = connections_max + DESCRIPTORS_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* See above: we go on with fewer. */
}

/* --- Connections of one address --------------------------------------------------------------- */

/* Many addresses in one bucket cost a longer walk, bounded by the connections there are. */
static unsigned bucket_of(const struct address *address) {
    const uint32_t hash =
        bytes_hash((struct bytes){(const char *)address->bytes, sizeof address->bytes});
    return (hash ^ (hash >> 16)) % ADDRESS_BUCKETS;
}

struct address_slot *addresses_take(struct addresses *addresses, struct address address,
                                    size_t count_max) {
    struct address_slot **bucket = &addresses->buckets[bucket_of(&address)];
    struct address_slot *slot = *bucket;
    while (slot != NULL && memcmp(&slot->address, &address, sizeof address) != 0) {
        slot = slot->next;
    }
    if (slot == NULL) {
        slot = mem_new(sizeof *slot);
        slot->address = address;
        slot->next = *bucket;
        *bucket = slot;
    }
    if (slot->count >= count_max) {
        return NULL;
    }
    slot->count++;
    return slot;
}

void addresses_release(struct addresses *addresses, struct address_slot *slot) {
    if (slot == NULL || --slot->count > 0) {
        return;
    }
    struct address_slot **at = &addresses->buckets[bucket_of(&slot->address)];
    while (*at != slot) {
        at = &(*at)->next;
    }
    *at = slot->next;
    mem_free(slot);
}

/* --- Accepting -------------------------------------------------------------------------------- */

/* The client of a Unix socket; pid 0 and a user that nobody is: the kernel does not tell. */
static struct ucred peer_of(struct conn *conn) {
    const struct ucred none = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    struct ucred peer = none;
    socklen_t size = sizeof peer;
    uv_os_fd_t fd;
    bool known = uv_fileno(&conn->uv.handle, &fd) == 0 &&
                 getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    return known ? peer : none;
}

/* The same user could read the database anyway; root could do anything. */
static bool peer_is_owner(const struct ucred *peer) {
    return peer->uid == geteuid() || peer->uid == 0;
}

static void server_end_if_empty(struct http_server *server);

static void look_run(struct loop_work *work) {
    struct peer_look *look = CONTAINER_OF(work, struct peer_look, work);
    const struct http_options *options = &look->server->options;
    look->inside = options->inside(options->ctx, look->pid, &look->run);
}

static void look_done(struct loop_work *work) {
    struct peer_look *look = CONTAINER_OF(work, struct peer_look, work);
    struct http_server *server = look->server;
    struct conn *conn = look->conn;
    server->look_count--;
    timer_stop(server->loop, &look->timer);
    if (conn != NULL) {
        conn->inside = look->inside;
        conn->run = look->run;
        conn->look = NULL;
        conn_start(conn);
    }
    mem_free(look);
    server_end_if_empty(server);
}

/* The pool is busy, or /proc stands still. A client of whom nothing is known may only read. */
static void look_expired(struct timer *timer) {
    struct peer_look *look = CONTAINER_OF(timer, struct peer_look, timer);
    struct conn *conn = look->conn;
    if (conn != NULL) {
        look->conn = NULL;
        conn->look = NULL;
        conn->inside = HTTP_INSIDE_UNKNOWN;
        conn_start(conn);
    }
}

/* The client sends its first request meanwhile, which waits in the socket. */
static void conn_look(struct conn *conn, int pid) {
    struct peer_look *look = mem_new(sizeof *look);
    *look = (struct peer_look){.work = {.run = look_run, .done = look_done},
                               .server = conn->server,
                               .conn = conn,
                               .pid = pid};
    conn->look = look;
    conn->server->look_count++;
    loop_work(conn->server->loop, &look->work);
    timer_start(conn->server->loop, &look->timer, conn->server->limits.look_ms, look_expired);
}

/* The address of a peer whose connections are counted. A loopback address is not. */
static bool address_counted(struct conn *conn, struct address *ret_address) {
    static const uint8_t six[16] = {[15] = 1}, four[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_storage peer;
    int size = sizeof peer;
    struct address address;
    if (conn->listener->is_unix || conn->listener->loopback ||
        uv_tcp_getpeername(&conn->uv.tcp, (struct sockaddr *)&peer, &size) != 0 ||
        !address_from_socket((struct sockaddr *)&peer, (size_t)size, &address)) {
        return false;
    }
    bool mapped = memcmp(address.bytes, four, sizeof four) == 0;
    if (mapped ? address.bytes[12] == 127 : memcmp(address.bytes, six, sizeof six) == 0) {
        return false;
    }
    address.port = 0;
    if (!mapped) { /* An owner of one such network has all of it. */
        memset(address.bytes + 8, 0, 8);
    }
    *ret_address = address;
    return true;
}

size_t http_refused_max(size_t connections_max) {
    size_t part = connections_max / 4 + 1;
    return part < REFUSED_MAX ? part : REFUSED_MAX;
}

/* `pid`: of the client, if it may be inside a run; else 0. */
static void conn_admit(struct conn *conn, int pid) {
    struct http_server *server = conn->server;
    const struct http_limits *limits = &server->limits;
    struct address address;
    struct why why;
    if (server->stats.connections > limits->connections_max) {
        server->stats.refused++;
        if (server->stats.connections >
            limits->connections_max + http_refused_max(limits->connections_max)) {
            conn_close(conn);
            return;
        }
        conn_reject(conn,
                    err_why(&why, ERR_OVERLOADED, "there are already %zu connections",
                            limits->connections_max),
                    &why);
        return;
    }
    if (address_counted(conn, &address)) {
        conn->address = addresses_take(server->addresses, address, limits->per_address_max);
        if (conn->address == NULL) {
            server->stats.refused++;
            conn_reject(conn,
                        err_why(&why, ERR_TOO_MANY, "your address already has %zu connections",
                                limits->per_address_max),
                        &why);
            return;
        }
    }
    conn_deadline(conn, limits->idle_ms);
    if (pid > 0 && server->options.inside != NULL) {
        conn_look(conn, pid);
    } else {
        conn_start(conn);
    }
}

static void listener_accept(struct listener *listener) {
    struct conn *conn = conn_new(listener);
    if (uv_accept(&listener->uv.stream, &conn->uv.stream) != 0) {
        conn_close(conn);
        return;
    }
    listener->server->stats.accepted++;
    bool local = listener->loopback && listener->server->options.insecure_loopback;
    struct ucred peer = {.pid = 0};
    if (listener->is_unix) {
        peer = peer_of(conn);
        local = peer_is_owner(&peer);
    } else {
        (void)uv_tcp_nodelay(&conn->uv.tcp, 1);                /* Only slower without. */
        (void)uv_tcp_keepalive(&conn->uv.tcp, 1, KEEPALIVE_S); /* Else writes find out. */
    }
    conn->scopes = local ? SCOPE_ALL : 0;
    conn_admit(conn, peer.pid);
}

static void listener_turn(struct loop_task *task) {
    struct listener *listener = CONTAINER_OF(task, struct listener, task);
    bool waiting = listener->turn_accepts > TURN_ACCEPTS_MAX;
    listener->turn_accepts = 0;
    if (waiting && listener->open) {
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

static void listener_close(struct listener *listener) {
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
                   ? (struct err){.code = ERR_ADDRESS_TAKEN, .os = -rc, .step = "http: listen"}
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
    TRY(listener_start(listener, rc, where, why));
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

/* True: a process listens there. False: a dead daemon left the socket behind. */
static bool is_served(const struct sockaddr_un *address) {
    AUTO(fd_release) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                       errno == EAGAIN); /* The queue is full. */
}

/* A path in sun_path may have 107 bytes, a data directory more; by way of its descriptor each
 * directory has a short name. */
static struct err socket_bind(const char *path, mode_t mode, int *ret_fd) {
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    AUTO(mem_release)
    char *dir_path = slash == NULL ? mem_copy(".", 1) : mem_copy(path, (size_t)(name - path));
    AUTO(fd_release) int dir = open(dir_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_release) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (dir < 0 || fd < 0) {
        return err_from_errno(errno, "http: socket");
    }
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
    if (fchmod(fd, mode) != 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        return err_from_errno(errno, "http: bind");
    }
    *ret_fd = fd_take(&fd);
    return ERR_OK;
}

struct err http_listen_unix(struct http_server *server, const char *path, mode_t mode,
                            struct why *why) {
    int fd = -1;
    struct err err = socket_bind(path, mode, &fd);
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

/* --- Emptying --------------------------------------------------------------------------------- */

static void server_go(struct http_server *server, enum server_state to) {
    static const unsigned edges[SERVER_STATES] = {
        [SERVER_OPEN] = 1U << SERVER_DRAINING | 1U << SERVER_CLOSING,
        [SERVER_DRAINING] = 1U << SERVER_CUTTING | 1U << SERVER_CLOSING,
        [SERVER_CUTTING] = 1U << SERVER_CLOSING,
        [SERVER_CLOSING] = 1U << SERVER_CLOSED,
    };
    assert((edges[server->state] & 1U << to) != 0);
    server->state = to;
}

static void revoked_forget(struct http_server *server) {
    mem_free(server->revoked);
    server->revoked = NULL;
    server->revoked_count = 0;
}

static void server_free_if_unused(struct http_server *server) {
    if (server->exchange_count > 0 || server->remains_count > 0) {
        return;
    }
    while (server->spare != NULL) {
        struct exchange *exchange = server->spare;
        server->spare = exchange->next;
        mem_free(exchange);
    }
    while (server->listeners != NULL) {
        struct listener *listener = server->listeners;
        server->listeners = listener->next;
        mem_free(listener->path);
        mem_free(listener);
    }
    revoked_forget(server);
    router_done(&server->router);
    mem_free(server->addresses);
    mem_free(server);
}

/* The last connection or listener may have gone: notifies the waiting owner. */
static void server_end_if_empty(struct http_server *server) {
    if (!links_empty(&server->conns) || server->listeners_open > 0 || server->walker.queued ||
        server->look_count > 0) {
        return;
    }
    if (server->drained != NULL) {
        void (*drained)(struct http_server *, void *) = server->drained;
        server->drained = NULL;
        timer_stop(server->loop, &server->drain_limit);
        drained(server, server->drained_ctx); /* May call http_close, which queues the walker. */
    } else if (server->state == SERVER_CLOSING) {
        void (*on_closed)(void *) = server->on_closed;
        void *ctx = server->closed_ctx;
        timer_stop(server->loop, &server->drain_limit);
        server_go(server, SERVER_CLOSED);
        server_free_if_unused(server);
        if (on_closed != NULL) {
            on_closed(ctx);
        }
    }
}

void server_exchange_gone(struct http_server *server) {
    if (server->state == SERVER_CLOSED) {
        server_free_if_unused(server);
    }
}

void server_conn_gone(struct conn *conn) {
    struct http_server *server = conn->server;
    if (server->walk == &conn->link) {
        server->walk = conn->link.next;
    }
    link_remove(&conn->link);
    server->stats.connections--;
    addresses_release(server->addresses, conn->address);
    mem_free(conn);
    server_end_if_empty(server);
}

/* Ten thousand connections are not notified in one turn of the loop. */
static void server_walk_step(struct loop_task *task) {
    struct http_server *server = CONTAINER_OF(task, struct http_server, walker);
    const struct world *world = loop_world(server->loop);
    uint64_t until_ns = world_mono_ns(world) + WALK_NS;
    while (server->walk != &server->conns) {
        struct conn *conn = CONTAINER_OF(server->walk, struct conn, link);
        server->walk = conn->link.next;
        loop_breathe(server->loop);
        if (server->state >= SERVER_CUTTING) {
            conn_close(conn);
        } else {
            conn_revoke(conn);
            if (server->state == SERVER_DRAINING) {
                conn_drain(conn);
            }
        }
        if (world_mono_ns(world) > until_ns) {
            loop_soon(server->loop, &server->walker);
            return;
        }
    }
    revoked_forget(server);
    server_end_if_empty(server);
}

void server_walk(struct http_server *server) {
    server->walk = server->conns.next;
    loop_soon(server->loop, &server->walker);
}

static void server_stop_listening(struct http_server *server) {
    for (struct listener *at = server->listeners; at != NULL; at = at->next) {
        listener_close(at);
    }
}

static void server_cut_rest(struct timer *timer) {
    struct http_server *server = CONTAINER_OF(timer, struct http_server, drain_limit);
    server_go(server, SERVER_CUTTING);
    server_walk(server);
}

/* --- Public ----------------------------------------------------------------------------------- */

struct err http_open(const struct http_options *options, struct http_server **ret_server,
                     struct why *why) {
    assert(options->loop != NULL);
    struct http_limits limits = limits_fill(&options->limits);
    if (limits.headers_max > HEADERS_MAX ||
        limits.head_bytes_max + limits.url_bytes_max + 64 > HEAD_SIZE_MAX) {
        return err_why(why, ERR_CONFIG,
                       "at most %d headers, and %d bytes of URL and headers together", HEADERS_MAX,
                       HEAD_SIZE_MAX - 64);
    }
    struct http_server *server = mem_new(sizeof *server);
    server->addresses = mem_new(sizeof *server->addresses);
    server->limits = limits;
    server->request_limits = (struct request_limits){
        .head_bytes_max = limits.head_bytes_max,
        .url_bytes_max = limits.url_bytes_max,
        .headers_max = limits.headers_max,
    };
    server->loop = options->loop;
    server->options = *options;
    server->options.tables = NULL;
    server->walker.run = server_walk_step;
    links_init(&server->conns);
    links_init(&server->waiting);
    server->walk = &server->conns;
    server->date_s = -1;
    for (size_t i = 0; i < builtin_route_count; i++) {
        const struct route *route = &builtin_routes[i];
        router_add(&server->router,
                   &(struct router_entry){.route = route, .ctx = server, .handle = route->handle});
    }
    for (size_t t = 0; t < options->table_count; t++) {
        const struct route_table *table = &options->tables[t];
        for (size_t i = 0; i < table->count; i++) {
            const struct route *route = &table->routes[i];
            const struct router_entry entry = {.route = route,
                                               .ctx = route->ctx == NULL ? table->ctx : route->ctx,
                                               .handle = route->handle == NULL ? table->handle
                                                                               : route->handle};
            assert(entry.handle != NULL);
            router_add(&server->router, &entry);
        }
    }
    if (options->fallback != NULL) {
        server->router.fallback = (struct router_row){
            .entry_count = 1,
            .entries = {{options->fallback, options->fallback_ctx, options->fallback->handle}}};
    }
    descriptors_raise(limits.connections_max);
    /* libuv writes with write(2), which would end the process when a client is gone. */
    (void)signal(SIGPIPE, SIG_IGN);
    *ret_server = server;
    return ERR_OK;
}

/* Restarts a walk that is under way: a connection that it has passed may hold this token. */
void http_revoke(struct http_server *server, const char *token) {
    assert(token[0] != '\0');
    assert(strlen(token) < ID_SIZE);
    size_t count = server->revoked_count + 1;
    server->revoked = mem_grow(server->revoked, count * sizeof *server->revoked);
    memcpy(server->revoked[server->revoked_count], token, strlen(token) + 1);
    server->revoked_count = count;
    server_walk(server);
}

void http_drain(struct http_server *server, unsigned limit_ms,
                void (*drained)(struct http_server *server, void *ctx), void *ctx) {
    server_go(server, SERVER_DRAINING);
    server->drained = drained;
    server->drained_ctx = ctx;
    server_stop_listening(server);
    timer_start(server->loop, &server->drain_limit, limit_ms, server_cut_rest);
    server_walk(server);
}

void http_close(struct http_server *server, void (*closed)(void *ctx), void *ctx) {
    server_go(server, SERVER_CLOSING);
    server->on_closed = closed;
    server->closed_ctx = ctx;
    timer_stop(server->loop, &server->drain_limit); /* All are cut now. */
    server_stop_listening(server);
    server_walk(server);
}

void http_get_stats(const struct http_server *server, struct http_stats *ret_stats) {
    *ret_stats = server->stats;
    ret_stats->requests_in_flight = server->exchange_count;
    ret_stats->unread_bytes = server->answer_bytes;
}
