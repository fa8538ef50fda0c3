#include "http/server.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/memory.h"
#include "http/inside.h"

enum {
    DESCRIPTORS_SPARE = 256, /* Beside the connections: database, listeners, logs. */
    WALK_NS = 500 * 1000,    /* A walk over all connections goes in steps of this. */
};

static unsigned or_default(unsigned value, unsigned fallback) {
    return value == 0 ? fallback : value;
}

static size_t or_size(size_t value, size_t fallback) {
    return value == 0 ? fallback : value;
}

static void fill_limits(struct http_server *server, const struct http_limits *given) {
    server->limits = (struct http_limits){
        .connections_max = or_default(given->connections_max, 12000),
        .per_address_max = or_default(given->per_address_max, 256),
        .pipeline_max = or_default(given->pipeline_max, 32),
        .headers_max = or_default(given->headers_max, HEADERS_MAX),
        .head_bytes_max = or_size(given->head_bytes_max, 16 << 10),
        .url_bytes_max = or_size(given->url_bytes_max, 8 << 10),
        .body_bytes_max = or_size(given->body_bytes_max, 1 << 20),
        .bodies_bytes_max = or_size(given->bodies_bytes_max, 256 << 20),
        .values_bytes_max = or_size(given->values_bytes_max, 256 << 20),
        .answers_bytes_max = or_size(given->answers_bytes_max, 128 << 20),
        .ahead_bytes_max = or_size(given->ahead_bytes_max, 32 << 20),
        .head_ms = or_default(given->head_ms, 10000),
        .body_ms = or_default(given->body_ms, 10000),
        .idle_ms = or_default(given->idle_ms, 60000),
        .write_ms = or_default(given->write_ms, 30000),
        .linger_ms = or_default(given->linger_ms, 2000),
        .heartbeat_ms = or_default(given->heartbeat_ms, 15000),
        .subscriptions_max = or_default(given->subscriptions_max, 1000),
    };
    server->request_limits = (struct request_limits){
        .head_bytes_max = server->limits.head_bytes_max,
        .url_bytes_max = server->limits.url_bytes_max,
        .body_bytes_max = server->limits.body_bytes_max,
        .headers_max = server->limits.headers_max,
    };
}

static bool limits_fit(const struct http_limits *limits) {
    return limits->headers_max <= HEADERS_MAX &&
           limits->head_bytes_max + limits->url_bytes_max + 64 <= HEAD_SIZE_MAX;
}

/* As many descriptors as the connections may take, if the hard limit lets us; if not, accepting
 * fails one day, which costs a connection and no more. */
static void raise_descriptors(const struct http_server *server) {
    struct rlimit limit;
    rlim_t wanted = server->limits.connections_max + DESCRIPTORS_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* See above: we go on with fewer. */
}

static void add_routes(struct http_server *server, const struct http_options *options) {
    for (size_t i = 0; i < builtin_route_count; i++) {
        router_add(&server->router, &builtin_routes[i], server);
    }
    for (size_t t = 0; t < options->table_count; t++) {
        const struct route_table *table = &options->tables[t];
        for (size_t i = 0; i < table->count; i++) {
            const struct route *route = &table->routes[i];
            router_add(&server->router, route, route->ctx == NULL ? table->ctx : route->ctx);
        }
    }
}

/* --- Emptying --------------------------------------------------------------------------------- */

static void revoked_forget(struct http_server *server) {
    mem_free(server->revoked);
    server->revoked = NULL;
    server->revoked_count = 0;
}

static void free_if_unused(struct http_server *server) {
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
    mem_free(server);
}

/* The last connection or listener may have gone: who waits for that? */
static void look_empty(struct http_server *server) {
    if (server->conns != NULL || server->listeners_open > 0 || server->walker.queued) {
        return;
    }
    if (server->draining && server->drained != NULL) {
        void (*drained)(struct http_server *, void *) = server->drained;
        server->drained = NULL;
        timer_stop(server->loop, &server->drain_limit);
        drained(server, server->drained_ctx); /* May call http_close, which queues the walker. */
        return;
    }
    if (server->closing && !server->closed) {
        void (*on_closed)(void *) = server->on_closed;
        void *ctx = server->closed_ctx;
        timer_stop(server->loop, &server->drain_limit);
        server->closed = true;
        free_if_unused(server);
        if (on_closed != NULL) {
            on_closed(ctx);
        }
    }
}

void server_conn_gone(struct http_server *server) {
    look_empty(server);
}

void server_listener_gone(struct http_server *server) {
    server->listeners_open--;
    look_empty(server);
}

void server_exchange_gone(struct http_server *server) {
    if (server->closed) {
        free_if_unused(server);
    }
}

static void visit(struct http_server *server, struct conn *conn) {
    if (server->cutting) {
        conn_close(conn);
        return;
    }
    conn_revoke(conn);
    if (server->draining) {
        conn_drain(conn);
    }
}

/* Ten thousand connections are not told in one turn of the loop. */
static void walk(struct loop_task *task) {
    struct http_server *server = CONTAINER_OF(task, struct http_server, walker);
    const struct world *world = loop_world(server->loop);
    uint64_t until_ns = world_mono_ns(world) + WALK_NS;
    while (server->walk != NULL) {
        struct conn *conn = server->walk;
        server->walk = conn->next;
        loop_breathe(server->loop);
        visit(server, conn);
        if (world_mono_ns(world) > until_ns) {
            loop_soon(server->loop, &server->walker);
            return;
        }
    }
    revoked_forget(server);
    look_empty(server);
}

void server_walk(struct http_server *server) {
    server->walk = server->conns;
    loop_soon(server->loop, &server->walker);
}

void server_drain_again(struct http_server *server) {
    server_walk(server);
}

static void stop_listening(struct http_server *server) {
    for (struct listener *at = server->listeners; at != NULL; at = at->next) {
        listener_close(at);
    }
}

static void cut_rest(struct timer *timer) {
    struct http_server *server = CONTAINER_OF(timer, struct http_server, drain_limit);
    server->cutting = true;
    server_walk(server);
}

/* --- Public ----------------------------------------------------------------------------------- */

struct err http_open(const struct http_options *options, struct http_server **ret_server,
                     struct why *why) {
    assert(options->loop != NULL);
    struct http_server *server = mem_new(sizeof *server);
    fill_limits(server, &options->limits);
    if (!limits_fit(&server->limits)) {
        mem_free(server);
        why_set(why, "at most %d headers, and %d bytes of URL and headers together", HEADERS_MAX,
                HEAD_SIZE_MAX - 64);
        return err_make(ERR_CONFIG, "http: limits");
    }
    server->loop = options->loop;
    server->options = *options;
    server->options.tables = NULL;
    server->walker.run = walk;
    server->date_s = -1;
    router_init(&server->router);
    add_routes(server, options);
    raise_descriptors(server);
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
    assert(!server->draining);
    server->draining = true;
    server->drained = drained;
    server->drained_ctx = ctx;
    stop_listening(server);
    timer_start(server->loop, &server->drain_limit, limit_ms, cut_rest);
    server_walk(server);
}

void http_close(struct http_server *server, void (*closed)(void *ctx), void *ctx) {
    assert(!server->closing);
    server->closing = server->cutting = true;
    server->on_closed = closed;
    server->closed_ctx = ctx;
    stop_listening(server);
    server_walk(server);
}

void http_get_stats(const struct http_server *server, struct http_stats *ret_stats) {
    *ret_stats = server->stats;
    ret_stats->requests_in_flight = server->exchange_count;
    ret_stats->unread_bytes = server->answer_bytes;
}
