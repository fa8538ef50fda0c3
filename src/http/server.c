/* server.c: the server from its opening to its end, and the walks over all connections. */
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

static unsigned count_or(unsigned value, unsigned absent) {
    return value == 0 ? absent : value;
}

static size_t size_or(size_t value, size_t absent) {
    return value == 0 ? absent : value;
}

static struct http_limits limits_fill(const struct http_limits *given) {
    return (struct http_limits){
        .connections_max = count_or(given->connections_max, 12000),
        .per_address_max = count_or(given->per_address_max, 256),
        .pipeline_max = count_or(given->pipeline_max, 32),
        .headers_max = count_or(given->headers_max, HEADERS_MAX),
        .head_bytes_max = size_or(given->head_bytes_max, 16 << 10),
        .url_bytes_max = size_or(given->url_bytes_max, 8 << 10),
        .body_bytes_max = size_or(given->body_bytes_max, 1 << 20),
        .bodies_bytes_max = size_or(given->bodies_bytes_max, 256 << 20),
        .values_bytes_max = size_or(given->values_bytes_max, 256 << 20),
        .answers_bytes_max = size_or(given->answers_bytes_max, 128 << 20),
        .ahead_bytes_max = size_or(given->ahead_bytes_max, 32 << 20),
        .head_ms = count_or(given->head_ms, 10000),
        .body_ms = count_or(given->body_ms, 10000),
        .idle_ms = count_or(given->idle_ms, 60000),
        .write_ms = count_or(given->write_ms, 30000),
        .linger_ms = count_or(given->linger_ms, 2000),
        .heartbeat_ms = count_or(given->heartbeat_ms, 15000),
        .subscriptions_max = count_or(given->subscriptions_max, 1000),
    };
}

/* As many descriptors as the connections may take, if the hard limit lets us; if not, accepting
 * fails one day, which costs a connection and no more. */
static void descriptors_raise(unsigned connections_max) {
    struct rlimit limit;
    rlim_t wanted = connections_max + DESCRIPTORS_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* See above: we go on with fewer. */
}

/* --- Emptying --------------------------------------------------------------------------------- */

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
    mem_free(server);
}

void server_end_if_empty(struct http_server *server) {
    if (server->conns != NULL || server->listeners_open > 0 || server->walker.queued) {
        return;
    }
    if (server->draining && server->drained != NULL) {
        void (*drained)(struct http_server *, void *) = server->drained;
        server->drained = NULL;
        timer_stop(server->loop, &server->drain_limit);
        drained(server, server->drained_ctx); /* May call http_close, which queues the walker. */
    } else if (server->closing && !server->closed) {
        void (*on_closed)(void *) = server->on_closed;
        void *ctx = server->closed_ctx;
        timer_stop(server->loop, &server->drain_limit);
        server->closed = true;
        server_free_if_unused(server);
        if (on_closed != NULL) {
            on_closed(ctx);
        }
    }
}

void server_exchange_gone(struct http_server *server) {
    if (server->closed) {
        server_free_if_unused(server);
    }
}

/* Ten thousand connections are not notified in one turn of the loop. */
static void server_walk_step(struct loop_task *task) {
    struct http_server *server = CONTAINER_OF(task, struct http_server, walker);
    const struct world *world = loop_world(server->loop);
    uint64_t until_ns = world_mono_ns(world) + WALK_NS;
    while (server->walk != NULL) {
        struct conn *conn = server->walk;
        server->walk = conn->next;
        loop_breathe(server->loop);
        if (server->cutting) {
            conn_close(conn);
        } else {
            conn_revoke(conn);
            if (server->draining) {
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
    server->walk = server->conns;
    loop_soon(server->loop, &server->walker);
}

static void server_stop_listening(struct http_server *server) {
    for (struct listener *at = server->listeners; at != NULL; at = at->next) {
        listener_close(at);
    }
}

static void server_cut_rest(struct timer *timer) {
    struct http_server *server = CONTAINER_OF(timer, struct http_server, drain_limit);
    server->cutting = true;
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
    assert(!server->draining);
    server->draining = true;
    server->drained = drained;
    server->drained_ctx = ctx;
    server_stop_listening(server);
    timer_start(server->loop, &server->drain_limit, limit_ms, server_cut_rest);
    server_walk(server);
}

void http_close(struct http_server *server, void (*closed)(void *ctx), void *ctx) {
    assert(!server->closing);
    server->closing = server->cutting = true;
    server->on_closed = closed;
    server->closed_ctx = ctx;
    server_stop_listening(server);
    server_walk(server);
}

void http_get_stats(const struct http_server *server, struct http_stats *ret_stats) {
    *ret_stats = server->stats;
    ret_stats->requests_in_flight = server->exchange_count;
    ret_stats->unread_bytes = server->answer_bytes;
}
