/* fetch_kit.h: a client, a server that answers it, and a request with all that was told of it. */
#ifndef DROVER_TEST_FETCH_KIT_H
#define DROVER_TEST_FETCH_KIT_H

#include <arpa/inet.h>
#include <sys/socket.h>

#include "http_server.h"
#include "loop/fetch.h"

enum server_end { KEEP, CLOSE, RESET };

struct kit {
    struct loop *loop;
    struct fetch *client;
    struct server server;
    struct address_list *allow;
    const char *answer; /* What the server says to each request, and */
    size_t answer_len;
    enum server_end then;
    struct served *asked; /* By the last request, while nothing is said by itself. */
    struct text request;
    bool closed;
};

/* One request and all that was told of it. */
struct asking {
    struct kit *kit;
    struct fetch_request *request;
    struct text body, heads;
    unsigned pieces, dones;
    int head_status;
    struct fetch_result result;
    char detail[400], location[100];
    bool cancel_at_piece, pause_at_piece, paused;
    struct asking *cancels; /* At its own end. */
};

static inline void serve(struct server *server, struct served *served) {
    struct kit *kit = server->ctx;
    text_clear(&kit->request);
    text_add(&kit->request, served->request.data, served->request.len);
    kit->asked = served;
    if (kit->answer == NULL) {
        return;
    }
    served_send(served, kit->answer, kit->answer_len);
    if (kit->then == CLOSE) {
        served_close(served);
    } else if (kit->then == RESET) {
        served_reset(served);
    }
}

static inline void answers(struct kit *kit, const char *text) {
    kit->answer = text;
    kit->answer_len = strlen(text);
}

static inline int open_kit(void **state) {
    struct kit *kit = mem_new(sizeof *kit);
    assert_false(err_failed(loop_open(&(struct loop_options){.world = world_real()}, &kit->loop)));
    fetch_open(&(struct fetch_options){.loop = kit->loop}, &kit->client);
    server_open(&kit->server, kit->loop, serve, kit);
    assert_false(err_failed(address_list_parse("127.0.0.1", &kit->allow, NULL)));
    text_init(&kit->request, SERVED_BYTES_MAX);
    *state = kit;
    return 0;
}

static inline void on_closed(void *ctx) {
    *(bool *)ctx = true;
}

static inline int close_kit(void **state) {
    struct kit *kit = *state;
    fetch_close(kit->client, on_closed, &kit->closed);
    assert_false(kit->closed); /* Not inside the call. */
    while (!kit->closed) {
        server_turn(kit->loop);
    }
    server_close(&kit->server);
    loop_close(kit->loop);
    address_list_free(kit->allow);
    text_done(&kit->request);
    mem_free(kit);
    return 0;
}

static inline void on_head(void *ctx, const struct fetch_answer *answer) {
    struct asking *asking = ctx;
    assert_int_equal(asking->pieces, 0);
    asking->head_status = answer->status;
}

static inline void on_piece(void *ctx, struct bytes piece) {
    struct asking *asking = ctx;
    assert_int_not_equal(asking->head_status, 0);
    assert_int_equal(asking->dones, 0);
    asking->pieces++;
    text_add(&asking->body, piece.data, piece.len);
    if (asking->cancel_at_piece) {
        fetch_cancel(asking->request);
        asking->request = NULL;
    } else if (asking->pause_at_piece) {
        fetch_pause(asking->request);
        asking->paused = true;
    }
}

static inline void on_done(void *ctx, const struct fetch_result *result) {
    struct asking *asking = ctx;
    asking->dones++;
    asking->result = *result;
    (void)snprintf(asking->detail, sizeof asking->detail, "%s", result->detail);
    struct bytes value;
    if (fetch_answer_header(&result->answer, "location", &value)) {
        (void)snprintf(asking->location, sizeof asking->location, "%.*s", (int)value.len,
                       value.data);
    }
    fetch_cancel(asking->request); /* Over already: nothing happens. */
    asking->request = NULL;
    if (asking->cancels != NULL) {
        fetch_cancel(asking->cancels->request);
        asking->cancels->request = NULL;
    }
}

/* A GET of the test's server, with everything wanted and every limit a minute. */
static inline struct fetch_call call_of(struct kit *kit, struct asking *asking) {
    *asking = (struct asking){.kit = kit};
    text_init(&asking->body, SERVED_BYTES_MAX);
    return (struct fetch_call){.method = "GET",
                               .allow = kit->allow,
                               .limits = {.connect_ms = 60000,
                                          .answer_ms = 60000,
                                          .stall_ms = 60000,
                                          .total_ms = 60000,
                                          .size_max = SERVED_BYTES_MAX},
                               .head = on_head,
                               .piece = on_piece,
                               .done = on_done,
                               .ctx = asking};
}

/* PORT in the URL stands for the server's. */
static inline void start(struct asking *asking, struct fetch_call call, const char *url) {
    struct kit *kit = asking->kit;
    const char *port = strstr(url, "PORT");
    char whole[200];
    (void)snprintf(whole, sizeof whole, "%s", url);
    if (port != NULL) {
        (void)snprintf(whole + (port - url), sizeof whole - (size_t)(port - url), "%u%s",
                       kit->server.port, port + strlen("PORT"));
    }
    call.url = whole;
    assert_int_equal(fetch_start(kit->client, &call, &asking->request).code, ERR_NONE);
    assert_int_equal(asking->dones, 0); /* Never inside the call. */
}

static inline void finish(struct asking *asking) {
    while (asking->dones == 0) {
        server_turn(asking->kit->loop);
    }
    assert_int_equal(asking->dones, 1);
}

/* A port on which nobody listens, for as long as the descriptor is open. */
static inline int port_take(uint16_t *ret_port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static inline void expect(struct asking *asking, enum fetch_fault fault) {
    finish(asking);
    if (asking->result.fault != fault) {
        fail_msg("%s (%s), not %s", fetch_fault_text(asking->result.fault), asking->detail,
                 fetch_fault_text(fault));
    }
    text_done(&asking->body);
}

static const char here[] = "http://127.0.0.1:PORT/";

#endif
