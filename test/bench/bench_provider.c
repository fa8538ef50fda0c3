/* bench_provider: a model on this machine, as far as a benchmark needs one: whatever it is asked,
 * it says COUNT tokens, RATE of them in a second. Each token is the time at which it was said.
 *
 *     bench_provider --count 200 --rate 50 [--at-once]      at once: the first one of them
 *
 * Prints "provider ready at URL", then serves until it is killed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <llhttp.h>
#include <netinet/in.h>
#include <uv.h>

#include "base/memory.h"
#include "measure.h"

enum { IN_SIZE = 1 << 16 };

struct provider {
    uv_loop_t loop;
    uv_tcp_t listener;
    llhttp_settings_t settings;
    int64_t count, rate;
    bool at_once;
    char *in; /* Shared: what arrives is parsed at once. */
};

struct peer {
    uv_tcp_t tcp;
    uv_timer_t timer;
    llhttp_t parser;
    struct provider *provider;
    int64_t said;
    unsigned open; /* Handles. */
};

static void say(struct peer *peer, const char *text) {
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));
    (void)uv_try_write((uv_stream_t *)&peer->tcp, &buf, 1); /* Who has gone hears nothing. */
}

static void on_closed(uv_handle_t *handle) {
    struct peer *peer = handle->data;
    if (--peer->open == 0) {
        mem_free(peer);
    }
}

static void leave(struct peer *peer) {
    if (!uv_is_closing((uv_handle_t *)&peer->tcp)) {
        uv_close((uv_handle_t *)&peer->tcp, on_closed);
        uv_close((uv_handle_t *)&peer->timer, on_closed);
    }
}

static void on_tick(uv_timer_t *timer) {
    struct peer *peer = timer->data;
    char text[200];
    if (peer->said++ < peer->provider->count) {
        (void)snprintf(text, sizeof text,
                       "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"@%" PRIu64
                       " \"},\"finish_reason\":null}]}\n\n",
                       now_ns());
        say(peer, text);
        return;
    }
    say(peer, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
              "data: [DONE]\n\n");
    leave(peer);
}

static int on_message(llhttp_t *parser) {
    struct peer *peer = CONTAINER_OF(parser, struct peer, parser);
    uint64_t step_ms = 1000 / (uint64_t)peer->provider->rate;
    say(peer, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
    return uv_timer_start(&peer->timer, on_tick, peer->provider->at_once ? 0 : step_ms, step_ms);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)suggested;
    struct peer *peer = handle->data;
    *buf = uv_buf_init(peer->provider->in, IN_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
    struct peer *peer = stream->data;
    if (got < 0 || (got > 0 && llhttp_execute(&peer->parser, buf->base, (size_t)got) != HPE_OK)) {
        leave(peer);
    }
}

static void on_connection(uv_stream_t *listener, int status) {
    struct provider *provider = CONTAINER_OF((uv_tcp_t *)listener, struct provider, listener);
    struct peer *peer = mem_new(sizeof *peer);
    peer->provider = provider;
    peer->open = 2;
    llhttp_init(&peer->parser, HTTP_REQUEST, &provider->settings);
    if (status < 0 || uv_tcp_init(&provider->loop, &peer->tcp) != 0 ||
        uv_timer_init(&provider->loop, &peer->timer) != 0 ||
        uv_accept(listener, (uv_stream_t *)&peer->tcp) != 0) {
        die_saying("accept failed");
    }
    peer->tcp.data = peer->timer.data = peer;
    (void)uv_tcp_nodelay(&peer->tcp, 1);
    (void)uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
}

int main(int argc, char **argv) {
    raise_descriptor_limit();
    struct provider provider = {.in = mem_new(IN_SIZE), .count = 200, .rate = 50};
    const struct option_row rows[] = {
        {.name = "count", .number = &provider.count},
        {.name = "rate", .number = &provider.rate},
        {.name = "at-once", .flag = &provider.at_once},
    };
    options_parse(argv + (argc > 0), rows, COUNT_OF(rows));
    if (provider.rate < 1 || provider.rate > 1000) {
        die_saying("--rate must be 1 to 1000");
    }
    llhttp_settings_init(&provider.settings);
    provider.settings.on_message_complete = on_message;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int len = sizeof address;
    if (uv_loop_init(&provider.loop) != 0 || uv_tcp_init(&provider.loop, &provider.listener) != 0 ||
        uv_tcp_bind(&provider.listener, (struct sockaddr *)&address, 0 /* flags */) != 0 ||
        uv_listen((uv_stream_t *)&provider.listener, 4096, on_connection) != 0 ||
        uv_tcp_getsockname(&provider.listener, (struct sockaddr *)&address, &len) != 0) {
        die_saying("cannot listen");
    }
    (void)printf("provider ready at http://127.0.0.1:%d\n", (int)ntohs(address.sin_port));
    (void)fflush(stdout);
    return uv_run(&provider.loop, UV_RUN_DEFAULT);
}
