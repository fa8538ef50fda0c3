#include "http_kit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "http/stream/sse.h"
#include "http/stream/websocket.h"
#include "journal/journal.h"
#include "scale.h"
#include "store/store.h"

/* --- Routes ----------------------------------------------------------------------------------- */

static void reply_text(struct exchange *exchange, int status, const char *media,
                       const char *words) {
    AUTO(text_done) struct text text;
    text_init(&text, 4096);
    text_add_str(&text, words);
    exchange_reply(exchange, status, media, &text);
}

static void ping(struct exchange *exchange, void *ctx) {
    reply_text(exchange, 200, "text/plain", "pong");
}

static void show_thing(struct exchange *exchange, void *ctx) {
    AUTO(text_done) struct text text;
    struct bytes id = exchange_param(exchange, 0), name = exchange_query_text(exchange, 0);
    text_init(&text, 4096);
    text_add_str(&text, "{\"id\":");
    text_add_json(&text, id.data, id.len);
    text_add_str(&text, ",\"name\":");
    text_add_json(&text, name.data, name.len);
    text_addf(&text, ",\"n\":%lld,\"flag\":%lld,\"owner\":\"%s\"}",
              (long long)exchange_query_int(exchange, 1),
              (long long)exchange_query_int(exchange, 2), exchange_identity(exchange)->owner);
    exchange_reply(exchange, 200, "application/json", &text);
}

static void echo(struct exchange *exchange, void *ctx) {
    AUTO(text_done) struct text text;
    text_init(&text, 4 << 20);
    struct err err = json_write(exchange_json(exchange), &text);
    if (err_failed(err)) {
        exchange_problem(exchange, err, NULL);
        return;
    }
    exchange_reply(exchange, 201, "application/json", &text);
}

static void large(struct exchange *exchange, void *ctx) {
    enum { LARGE = 6 << 20 };
    AUTO(text_done) struct text text;
    text_init(&text, LARGE + 1);
    for (size_t i = 0; i < LARGE / 16; i++) {
        text_add(&text, "0123456789abcde\n", 16);
    }
    exchange_reply(exchange, 200, "text/plain", &text);
}

static void broken(struct exchange *exchange, void *ctx) {
    exchange_problem(exchange, err_make(ERR_INTERNAL, "test: broken"), NULL);
}

static void forget(struct kit *kit, const struct exchange *exchange) {
    for (unsigned i = 0; i < kit->wait_count; i++) {
        if (kit->waits[i] == exchange) {
            kit->waits[i] = kit->waits[--kit->wait_count];
            return;
        }
    }
}

static void wait_gone(struct exchange *exchange, void *ctx) {
    struct kit *kit = ctx;
    kit->gone_count++;
    forget(kit, exchange);
    reply_text(exchange, 200, "text/plain", "gone");
}

static void wait_drained(struct exchange *exchange, void *ctx) {
    struct kit *kit = ctx;
    kit->drain_count++;
    forget(kit, exchange);
    reply_text(exchange, 200, "text/plain", "drained");
}

/* Its client stays until it is released. */
static void delay(struct exchange *exchange, void *ctx) {
    struct kit *kit = ctx;
    assert(kit->wait_count < KIT_WAITS_MAX);
    kit->waits[kit->wait_count++] = exchange;
}

static void wait(struct exchange *exchange, void *ctx) {
    struct kit *kit = ctx;
    delay(exchange, ctx);
    exchange_on_gone(exchange, wait_gone, kit);
    exchange_on_drain(exchange, wait_drained, kit);
}

/* Answers those that wait, the latest first: order is the server's business. */
static void release(struct exchange *exchange, void *ctx) {
    struct kit *kit = ctx;
    while (kit->wait_count > 0) {
        reply_text(kit->waits[--kit->wait_count], 200, "text/plain", "released");
    }
    reply_text(exchange, 200, "text/plain", "done");
}

struct append_job {
    struct exchange *exchange;
    char stream[64], data[4096];
    struct appended appended;
};

static struct err append_fn(struct tx *tx, void *ctx) {
    struct append_job *job = ctx;
    struct append append = {.owner = BYTES("local"),
                            .stream = {job->stream, strlen(job->stream)},
                            .type = BYTES("note"),
                            .data = {job->data, strlen(job->data)}};
    return tx_append(tx, &append, &job->appended);
}

static void append_done(struct err result, void *ctx) {
    struct append_job *job = ctx;
    if (err_failed(result)) {
        exchange_problem(job->exchange, result, NULL);
    } else {
        reply_text(job->exchange, 201, "application/json", "{}");
    }
    mem_free(job);
}

static void append(struct exchange *exchange, void *ctx) {
    struct kit *kit = ctx;
    struct bytes name = exchange_param(exchange, 0), body = exchange_body(exchange);
    struct append_job *job = mem_new(sizeof *job);
    assert(name.len < sizeof job->stream);
    assert(body.len < sizeof job->data);
    job->exchange = exchange;
    memcpy(job->stream, name.data, name.len);
    memcpy(job->data, body.data, body.len);
    store_write(kit->store, append_fn, append_done, job);
}

static void stream(struct exchange *exchange, void *ctx) {
    struct kit *kit = ctx;
    struct hub_subscribe what = {.owner = BYTES("local"),
                                 .name = exchange_param(exchange, 0),
                                 .after = exchange_query_int(exchange, 0)};
    exchange_stream_sse(exchange, kit->hub, &what);
}

static void web_socket(struct exchange *exchange, void *ctx) {
    struct kit *kit = ctx;
    exchange_upgrade_websocket(exchange, kit->hub, /* feeds */ NULL);
}

static const struct query_param thing_query[] = {
    {.name = "name", .about = "A name", .kind = QUERY_TEXT, .max = 10},
    {.name = "n", .about = "A number", .kind = QUERY_INT, .min = 1, .max = 200, .absent = 50},
    {.name = "flag", .about = "A flag", .kind = QUERY_FLAG},
    {.name = NULL},
};
static const struct query_param stream_query[] = {
    {.name = "after", .kind = QUERY_INT, .min = -1, .max = INT64_MAX, .absent = 0},
    {.name = NULL},
};

static const struct route routes[] = {
    {.method = "GET", .path = "/ping", .answer_status = 200, .handle = ping},
    {.method = "GET",
     .path = "/things/{id}",
     .scope = SCOPE_READ,
     .query = thing_query,
     .answer_status = 200,
     .handle = show_thing},
    {.method = "POST",
     .path = "/things",
     .scope = SCOPE_RUN,
     .has_body = true,
     .idempotent_key = true,
     .body_schema = "{\"type\":\"object\"}",
     .answer_status = 201,
     .handle = echo},
    {.method = "PUT",
     .path = "/things/{id}",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body_max = 2 << 20,
     .answer_status = 201,
     .handle = echo},
    {.method = "GET", .path = "/large", .answer_status = 200, .handle = large},
    {.method = "GET", .path = "/broken", .answer_status = 200, .handle = broken},
    {.method = "GET", .path = "/wait", .answer_status = 200, .handle = wait},
    {.method = "GET", .path = "/slow", .answer_status = 200, .handle = delay},
    {.method = "DELETE", .path = "/slow", .answer_status = 200, .handle = delay},
    {.method = "GET", .path = "/release", .answer_status = 200, .handle = release},
    {.method = "DELETE",
     .path = "/secret",
     .scope = SCOPE_ADMIN,
     .answer_status = 200,
     .handle = ping},
    {.method = "POST", .path = "/s/{id}", .has_body = true, .answer_status = 201, .handle = append},
    {.method = "GET",
     .path = "/s/{id}",
     .query = stream_query,
     .answer_status = 200,
     .answer_media = "text/event-stream",
     .handle = stream},
    {.method = "GET",
     .path = "/ws",
     .scope = SCOPE_READ,
     .answer_status = 101,
     .handle = web_socket},
};

/* --- Life ------------------------------------------------------------------------------------- */

static bool check(void *ctx, struct bytes token, struct identity *ret_identity) {
    bool good = token.len == 4 && memcmp(token.data, "good", 4) == 0;
    if (good) {
        *ret_identity = (struct identity){.owner = "ann", .scopes = SCOPE_READ | SCOPE_RUN};
    }
    return good;
}

static void count_failed(void *ctx, const struct exchange *exchange, struct err err,
                         const struct why *why) {
    struct kit *kit = ctx;
    kit->failed_count++;
}

static void store_lost(void *ctx, struct err err) {
    abort();
}

static void open_store(struct kit *kit) {
    struct why why = {0};
    struct store_options options = {
        .where = kit->dir,
        .executor = STORE_THREAD,
        .loop = kit->loop,
        .world = world_real(),
        .lost = store_lost,
        .notes = {[JOURNAL_NOTE] = {.deliver = hub_deliver, .flush = hub_flush, .ctx = kit->hub}}};
    assert_int_equal(store_open(&options, &kit->store, &why).code, ERR_NONE);
    hub_attach(kit->hub, kit->store);
}

static void *run(void *ctx) {
    struct kit *kit = ctx;
    loop_run(kit->loop);
    return NULL;
}

struct kit *kit_start(const struct kit_options *options) {
    static const struct kit_options defaults = {.insecure_loopback = true};
    struct kit *kit = mem_new(sizeof *kit);
    options = options == NULL ? &defaults : options;
    memcpy(kit->dir, "/tmp/drover-http-XXXXXX", sizeof "/tmp/drover-http-XXXXXX");
    assert_non_null(mkdtemp(kit->dir));
    (void)snprintf(kit->path, sizeof kit->path, "%s/drover.sock", kit->dir);
    struct loop_options loop_options = {.world = world_real()};
    assert_int_equal(loop_open(&loop_options, &kit->loop).code, ERR_NONE);
    struct hub_options hub_options = {.loop = kit->loop};
    assert_int_equal(hub_open(&hub_options, &kit->hub).code, ERR_NONE);
    open_store(kit);
    struct route_table tables[] = {{.routes = routes, .count = COUNT_OF(routes), .ctx = kit},
                                   options->more};
    struct http_options http = {.loop = kit->loop,
                                .hub = kit->hub,
                                .tables = tables,
                                .table_count = options->more.count > 0 ? 2 : 1,
                                .limits = options->limits,
                                .version = "9.9",
                                .allowed_hosts = options->allowed_hosts,
                                .allowed_origins = options->allowed_origins,
                                .insecure_loopback = options->insecure_loopback,
                                .ctx = kit,
                                .check = check,
                                .inside = options->inside,
                                .failed = count_failed};
    struct why why = {0};
    assert_int_equal(http_open(&http, &kit->server, &why).code, ERR_NONE);
    assert_int_equal(http_listen_tcp(kit->server, "127.0.0.1", 0, &kit->port, &why).code, ERR_NONE);
    assert_int_equal(http_listen_unix(kit->server, kit->path, 0600, &why).code, ERR_NONE);
    assert_int_equal(pthread_create(&kit->thread, NULL, run, kit), 0);
    return kit;
}

/* Something that the loop's thread does while the test waits. */
struct errand {
    struct loop_msg msg;
    struct kit *kit;
    const unsigned *counter;
    unsigned value, limit_ms;
    struct http_stats stats;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
};

static void errand_finish(struct errand *errand) {
    pthread_mutex_lock(&errand->mutex);
    errand->done = true;
    pthread_cond_signal(&errand->cond);
    pthread_mutex_unlock(&errand->mutex);
}

static void errand_run(struct errand *errand, void (*run_it)(struct loop_msg *msg)) {
    errand->msg.run = run_it;
    pthread_mutex_init(&errand->mutex, NULL);
    pthread_cond_init(&errand->cond, NULL);
    loop_post(errand->kit->loop, &errand->msg);
    pthread_mutex_lock(&errand->mutex);
    while (!errand->done) {
        pthread_cond_wait(&errand->cond, &errand->mutex);
    }
    pthread_mutex_unlock(&errand->mutex);
}

static void do_read(struct loop_msg *msg) {
    struct errand *errand = CONTAINER_OF(msg, struct errand, msg);
    errand->value = *errand->counter;
    errand_finish(errand);
}

unsigned kit_read(struct kit *kit, const unsigned *counter) {
    struct errand errand = {.kit = kit, .counter = counter};
    errand_run(&errand, do_read);
    return errand.value;
}

static void do_stats(struct loop_msg *msg) {
    struct errand *errand = CONTAINER_OF(msg, struct errand, msg);
    http_get_stats(errand->kit->server, &errand->stats);
    errand_finish(errand);
}

struct http_stats kit_stats(struct kit *kit) {
    struct errand errand = {.kit = kit};
    errand_run(&errand, do_stats);
    return errand.stats;
}

static void drained(struct http_server *server, void *ctx) {
    errand_finish(ctx);
}

static void do_drain(struct loop_msg *msg) {
    struct errand *errand = CONTAINER_OF(msg, struct errand, msg);
    http_drain(errand->kit->server, errand->limit_ms, drained, errand);
}

void kit_drain(struct kit *kit, unsigned limit_ms) {
    struct errand errand = {.kit = kit, .limit_ms = limit_ms};
    errand_run(&errand, do_drain);
}

static void closed(void *ctx) {
    struct errand *errand = ctx;
    struct kit *kit = errand->kit;
    /* Exchanges that nobody answered yet are answered now, to nobody. */
    while (kit->wait_count > 0) {
        reply_text(kit->waits[--kit->wait_count], 200, "text/plain", "late");
    }
    loop_stop(kit->loop);
    errand_finish(errand);
}

static void do_close(struct loop_msg *msg) {
    struct errand *errand = CONTAINER_OF(msg, struct errand, msg);
    http_close(errand->kit->server, closed, errand);
}

void kit_stop(struct kit *kit) {
    struct errand errand = {.kit = kit};
    errand_run(&errand, do_close);
    assert_int_equal(pthread_join(kit->thread, NULL), 0);
    store_close(kit->store);
    hub_close(kit->hub);
    loop_close(kit->loop);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", kit->dir);
    assert_int_equal(system(command), 0);
    mem_free(kit);
}

/* --- Clients ---------------------------------------------------------------------------------- */

int kit_connect(const struct kit *kit) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(kit->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

int kit_connect_unix(const struct kit *kit) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, kit->path, strlen(kit->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void kit_send(int fd, const char *bytes, size_t len) {
    size_t at = 0;
    while (at < len) {
        ssize_t rc = send(fd, bytes + at, len - at, MSG_NOSIGNAL);
        if (rc < 0) {
            return; /* The server has said no already; what it said is read next. */
        }
        at += (size_t)rc;
    }
}

void kit_send_text(int fd, const char *text) {
    kit_send(fd, text, strlen(text));
}

/* Looks only at what is new, and as much before it as `end` may have begun in. */
static bool has_end(const char *all, size_t len, size_t fresh, const char *end) {
    size_t back = fresh + strlen(end);
    size_t from = back < len ? len - back : 0;
    return memmem(all + from, len - from, end, strlen(end)) != NULL;
}

char *kit_receive_until(int fd, const char *end, size_t *ret_len) {
    size_t len = 0, size = 64 << 10;
    char *all = mem_new(size);
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, scaled_ms(KIT_WAIT_MS)) != 1) {
            fail_msg("no answer in time; so far: %.400s", all);
        }
        if (size - len < 64 << 10) {
            size *= 2;
            all = mem_grow(all, size);
        }
        ssize_t rc = recv(fd, all + len, size - len - 1, 0);
        if (rc <= 0) {
            break;
        }
        len += (size_t)rc;
        all[len] = '\0';
        if (end != NULL && has_end(all, len, (size_t)rc, end)) {
            break;
        }
    }
    if (ret_len != NULL) {
        *ret_len = len;
    }
    return all;
}

char *kit_talk(const struct kit *kit, const char *bytes, size_t len) {
    int fd = kit_connect(kit);
    kit_send(fd, bytes, len);
    (void)shutdown(fd, SHUT_WR);
    char *answer = kit_receive_until(fd, NULL, NULL);
    close(fd);
    return answer;
}

int kit_status(const char *answer) {
    int status = 0;
    return sscanf(answer, "HTTP/1.1 %d ", &status) == 1 ? status : 0;
}

void kit_append(const struct kit *kit, const char *stream, const char *data) {
    char request[512];
    (void)snprintf(request, sizeof request,
                   "POST /s/%s HTTP/1.1\r\n"
                   "Host: t\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n%s",
                   stream, strlen(data), data);
    AUTO(mem_release) char *answer = kit_talk(kit, request, strlen(request));
    assert_int_equal(kit_status(answer), 201);
}
