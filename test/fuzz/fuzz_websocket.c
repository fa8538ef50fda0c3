/* What a client says behind its handshake, to a whole server: over a socket pair, with a hub and a
 * store that has one stream. Nothing may be left when the client is gone. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "http/conn.h"
#include "http/stream/websocket.h"
#include "loop/loop_uv.h"
#include "store/store.h"

enum { INPUT_MAX = 32 << 10, TURNS_MAX = 10000 };

struct bench {
    struct loop *loop;
    struct hub *hub;
    struct store *store;
    struct http_server *server;
    char dir[32];
};

static void upgrade(struct exchange *exchange, void *ctx) {
    const struct bench *bench = ctx;
    exchange_upgrade_websocket(exchange, bench->hub, /* feeds */ NULL);
}

static const struct route routes[] = {
    {.method = "GET", .path = "/ws", .scope = SCOPE_READ, .answer_status = 101, .handle = upgrade},
};

static struct err append(struct tx *tx, void *ctx) {
    struct append what = {
        .owner = BYTES("local"), .stream = BYTES("a"), .type = BYTES("note"), .data = BYTES("1")};
    struct appended appended;
    return tx_append(tx, &what, &appended);
}

static void appended(struct err result, void *ctx) {
    assert(!err_failed(result));
}

static void turn(struct bench *bench) {
    while (store_turn(bench->store)) {
    }
    (void)uv_run(loop_uv(bench->loop), UV_RUN_NOWAIT);
}

/* One server for all inputs, as a real one has many clients. It lives until the process ends. */
static struct bench *the_bench(void) {
    static struct bench *bench;
    if (bench == NULL) {
        bench = mem_new(sizeof *bench);
    }
    return bench;
}

static void remove_dir(void) {
    char command[64];
    int len = snprintf(command, sizeof command, "rm -rf %s", the_bench()->dir);
    if (len < 0 || system(command) != 0) {
        abort();
    }
}

static void bench_open(struct bench *bench) {
    struct why why = {0};
    json_setup();
    memcpy(bench->dir, "/tmp/drover-fuzz-XXXXXX", sizeof "/tmp/drover-fuzz-XXXXXX");
    const char *dir = mkdtemp(bench->dir);
    assert(dir != NULL);
    int rc = atexit(remove_dir);
    assert(rc == 0);
    struct err err = loop_open(&(struct loop_options){.world = world_real()}, &bench->loop);
    assert(!err_failed(err));
    err = hub_open(&(struct hub_options){.loop = bench->loop}, &bench->hub);
    assert(!err_failed(err));
    struct store_options store = {
        .where = bench->dir,
        .executor = STORE_INLINE,
        .world = world_real(),
        .notes = {
            [JOURNAL_NOTE] = {.deliver = hub_deliver, .flush = hub_flush, .ctx = bench->hub}}};
    err = store_open(&store, &bench->store, &why);
    assert(!err_failed(err));
    hub_attach(bench->hub, bench->store);
    store_write(bench->store, append, appended, NULL);
    struct route_table table = {.routes = routes, .count = COUNT_OF(routes), .ctx = bench};
    struct http_options http = {
        .loop = bench->loop, .hub = bench->hub, .tables = &table, .table_count = 1};
    err = http_open(&http, &bench->server, &why);
    assert(!err_failed(err));
    turn(bench);
}

/* A connection that nobody had to listen for. */
static int open_pair(struct listener *listener) {
    int pair[2];
    int rc = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
    assert(rc == 0);
    struct conn *conn = conn_new(listener);
    rc = uv_pipe_open(&conn->uv.pipe, pair[0]);
    assert(rc == 0);
    conn->scopes = SCOPE_ALL;
    conn_start(conn);
    return pair[1];
}

static void drop_answers(int fd) {
    char sink[4096];
    while (recv(fd, sink, sizeof sink, 0) > 0) {
    }
}

static void say(struct bench *bench, int fd, const void *bytes, size_t len) {
    size_t at = 0;
    for (unsigned i = 0; at < len && i < TURNS_MAX; i++) {
        ssize_t rc = send(fd, (const char *)bytes + at, len - at, MSG_NOSIGNAL);
        if (rc < 0 && links_empty(&bench->server->conns)) {
            return; /* The server has ended it. */
        }
        at += rc > 0 ? (size_t)rc : 0;
        turn(bench);
        drop_answers(fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static const char hello[] = "GET /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\n"
                                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    if (len > INPUT_MAX) {
        return 0;
    }
    struct bench *bench = the_bench();
    if (bench->server == NULL) {
        bench_open(bench);
    }
    struct listener listener = {.server = bench->server, .is_unix = true, .rules = {.any = true}};
    int fd = open_pair(&listener);
    say(bench, fd, hello, sizeof hello - 1);
    say(bench, fd, data, len);
    turn(bench);
    drop_answers(fd);
    close(fd);
    for (unsigned i = 0; !links_empty(&bench->server->conns); i++) {
        assert(i < TURNS_MAX);
        turn(bench);
    }
    struct hub_stats stats;
    hub_get_stats(bench->hub, &stats);
    assert(stats.subscribers == 0);
    assert(bench->server->exchange_count == 0);
    assert(bench->server->stats.streams_websocket == 0);
    return 0;
}
