/* bench_responder: the least that libuv and llhttp can do for a keep-alive request: parse it, and
 * answer with a fixed text. It checks nothing, so no server of ours can be as fast.
 *
 * Prints "responder ready at URL", then serves until it is killed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llhttp.h>
#include <netinet/in.h>
#include <uv.h>

#include "base/memory.h"
#include "measure.h"

enum { IN_SIZE = 1 << 16, ANSWERS_MAX = 64 };

struct responder {
    uv_loop_t loop;
    uv_tcp_t listener;
    llhttp_settings_t settings;
    char *in; /* Shared: what arrives is parsed at once. */
};

struct peer {
    uv_tcp_t tcp;
    llhttp_t parser;
    struct responder *responder;
    unsigned asked; /* Requests that ended in the bytes at hand. */
};

static void on_closed(uv_handle_t *handle) {
    mem_free(CONTAINER_OF((uv_tcp_t *)handle, struct peer, tcp));
}

static int on_message(llhttp_t *parser) {
    CONTAINER_OF(parser, struct peer, parser)->asked++;
    return 0;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)suggested;
    struct peer *peer = CONTAINER_OF((uv_tcp_t *)handle, struct peer, tcp);
    *buf = uv_buf_init(peer->responder->in, IN_SIZE);
}

static void answer(struct peer *peer) {
    static char text[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Content-Length: 15\r\n\r\n{\"status\":\"ok\"}";
    while (peer->asked > 0) {
        unsigned count = peer->asked < ANSWERS_MAX ? peer->asked : ANSWERS_MAX;
        uv_buf_t bufs[ANSWERS_MAX];
        for (unsigned i = 0; i < count; i++) {
            bufs[i] = uv_buf_init(text, sizeof text - 1);
        }
        if (uv_try_write((uv_stream_t *)&peer->tcp, bufs, count) !=
            (int)(count * (sizeof text - 1))) {
            die_saying("the client does not read its answers");
        }
        peer->asked -= count;
    }
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
    struct peer *peer = CONTAINER_OF((uv_tcp_t *)stream, struct peer, tcp);
    if (got == 0) {
        return;
    }
    if (got < 0 || llhttp_execute(&peer->parser, buf->base, (size_t)got) != HPE_OK) {
        uv_close((uv_handle_t *)&peer->tcp, on_closed);
        return;
    }
    answer(peer);
}

static void on_connection(uv_stream_t *listener, int status) {
    struct responder *responder = CONTAINER_OF((uv_tcp_t *)listener, struct responder, listener);
    struct peer *peer = mem_new(sizeof *peer);
    peer->responder = responder;
    llhttp_init(&peer->parser, HTTP_REQUEST, &responder->settings);
    if (status < 0 || uv_tcp_init(&responder->loop, &peer->tcp) != 0 ||
        uv_accept(listener, (uv_stream_t *)&peer->tcp) != 0) {
        die_saying("accept failed");
    }
    (void)uv_tcp_nodelay(&peer->tcp, 1);
    (void)uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
}

int main(void) {
    raise_descriptor_limit();
    struct responder responder = {.in = mem_new(IN_SIZE)};
    llhttp_settings_init(&responder.settings);
    responder.settings.on_message_complete = on_message;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int len = sizeof address;
    if (uv_loop_init(&responder.loop) != 0 ||
        uv_tcp_init(&responder.loop, &responder.listener) != 0 ||
        uv_tcp_bind(&responder.listener, (struct sockaddr *)&address, 0 /* flags */) != 0 ||
        uv_listen((uv_stream_t *)&responder.listener, 4096, on_connection) != 0 ||
        uv_tcp_getsockname(&responder.listener, (struct sockaddr *)&address, &len) != 0) {
        die_saying("cannot listen");
    }
    (void)printf("responder ready at http://127.0.0.1:%d\n", (int)ntohs(address.sin_port));
    (void)fflush(stdout);
    return uv_run(&responder.loop, UV_RUN_DEFAULT);
}
