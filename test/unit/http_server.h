/* http_server.h: a server of the test's own on loopback, on the loop that is tested.
 *
 * It answers what the test tells it to, byte by byte if need be, and can break off anywhere.
 * `asked` is called for each whole request; the test answers in there or later.
 */
#ifndef DROVER_TEST_HTTP_SERVER_H
#define DROVER_TEST_HTTP_SERVER_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"
#include "loop/loop.h"
#include "loop/loop_uv.h"

enum { SERVED_MAX = 128, SERVED_BYTES_MAX = 4 << 20 };

struct served {
    uv_tcp_t tcp;
    struct server *server;
    struct text request; /* What came, until it is a whole request; for `asked`: that one. */
    bool open, gone;     /* gone: the other side closed it. */
    char buffer[64 << 10];
};

struct server {
    struct loop *loop;
    uv_tcp_t listener;
    uint16_t port;
    unsigned requests, connections, open;
    struct served *served[SERVED_MAX]; /* Every connection, by its number. */
    void (*asked)(struct server *server, struct served *served);
    void *ctx;
};

static inline void served_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
    struct served *served = CONTAINER_OF((uv_tcp_t *)handle, struct served, tcp);
    *buf = uv_buf_init(served->buffer, sizeof served->buffer);
}

static inline void served_closed(uv_handle_t *handle) {
    struct served *served = CONTAINER_OF((uv_tcp_t *)handle, struct served, tcp);
    served->server->open--;
}

static inline void served_close(struct served *served) {
    if (served->open) {
        served->open = false;
        uv_close((uv_handle_t *)&served->tcp, served_closed);
    }
}

static inline void served_reset(struct served *served) {
    served->open = false;
    assert_int_equal(uv_tcp_close_reset(&served->tcp, served_closed), 0);
}

/* The kernel's buffer takes what tests send: a whole answer, or it would wait. */
static inline void served_send(struct served *served, const char *bytes, size_t len) {
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);
    while (buf.len > 0) {
        int wrote = uv_try_write((uv_stream_t *)&served->tcp, &buf, 1);
        if (wrote < 0) {
            return; /* Full, or the client left; tests that care look at what arrived. */
        }
        buf.base += wrote;
        buf.len -= (size_t)wrote;
    }
}

static inline void served_say(struct served *served, const char *text) {
    served_send(served, text, strlen(text));
}

static inline size_t served_length(const char *head) {
    const char *at = strcasestr(head, "\r\ncontent-length: ");
    return at != NULL ? (size_t)strtoul(at + strlen("\r\ncontent-length: "), NULL, 10) : 0;
}

static inline void served_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf) {
    struct served *served = CONTAINER_OF((uv_tcp_t *)stream, struct served, tcp);
    if (len < 0) {
        served->gone = true;
        served_close(served);
        return;
    }
    text_add(&served->request, buf->base, (size_t)len);
    const char *end =
        served->request.data != NULL ? strstr(served->request.data, "\r\n\r\n") : NULL;
    if (end == NULL) {
        return;
    }
    size_t head = (size_t)(end - served->request.data) + 4;
    if (served->request.len < head + served_length(served->request.data)) {
        return;
    }
    served->server->requests++;
    served->server->asked(served->server, served);
    text_clear(&served->request);
}

static inline void server_accept(uv_stream_t *stream, int status) {
    struct server *server = CONTAINER_OF((uv_tcp_t *)stream, struct server, listener);
    assert_int_equal(status, 0);
    assert_in_range(server->connections, 0, SERVED_MAX - 1);
    struct served *served = mem_new(sizeof *served);
    served->server = server;
    served->open = true;
    text_init(&served->request, SERVED_BYTES_MAX);
    server->served[server->connections++] = served;
    server->open++;
    assert_int_equal(uv_tcp_init(loop_uv(server->loop), &served->tcp), 0);
    assert_int_equal(uv_accept(stream, (uv_stream_t *)&served->tcp), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&served->tcp, served_alloc, served_read), 0);
}

static inline void server_open(struct server *server, struct loop *loop,
                               void (*asked)(struct server *, struct served *), void *ctx) {
    *server = (struct server){.loop = loop, .asked = asked, .ctx = ctx, .open = 1};
    struct sockaddr_in at;
    int len = sizeof at;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
    assert_int_equal(uv_tcp_init(loop_uv(loop), &server->listener), 0);
    assert_int_equal(uv_tcp_bind(&server->listener, (struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&server->listener, SERVED_MAX, server_accept), 0);
    assert_int_equal(uv_tcp_getsockname(&server->listener, (struct sockaddr *)&at, &len), 0);
    server->port = ntohs(at.sin_port);
}

static inline void server_listener_closed(uv_handle_t *handle) {
    CONTAINER_OF((uv_tcp_t *)handle, struct server, listener)->open--;
}

static inline void server_turn(struct loop *loop) {
    (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
}

static inline void server_close(struct server *server) {
    uv_close((uv_handle_t *)&server->listener, server_listener_closed);
    for (unsigned i = 0; i < server->connections; i++) {
        served_close(server->served[i]);
    }
    while (server->open > 0) {
        server_turn(server->loop);
    }
    for (unsigned i = 0; i < server->connections; i++) {
        text_done(&server->served[i]->request);
        mem_free(server->served[i]);
    }
}

#endif
