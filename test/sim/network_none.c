/* network_none.c: a network on which every webhook answers 200. */
#include <string.h>

#include "base/memory.h"
#include "loop/fetch.h"
#include "loop/knock.h"

struct fetch {
    struct loop *loop;
    struct fetch_stats stats;
    struct loop_task task;
    void (*closed)(void *ctx);
    void *ctx;
};

struct fetch_request {
    struct fetch *client;
    struct fetch_call call;
    struct timer timer;
};

bool knock_refused(uint16_t port) {
    (void)port;
    return true;
}

bool fetch_answer_header(const struct fetch_answer *answer, const char *name,
                         struct bytes *ret_value) {
    (void)answer;
    (void)name;
    (void)ret_value;
    return false;
}

const char *fetch_fault_text(enum fetch_fault fault) {
    (void)fault;
    return "";
}

void fetch_open(const struct fetch_options *options, struct fetch **ret_client) {
    struct fetch *client = mem_new(sizeof *client);
    client->loop = options->loop;
    *ret_client = client;
}

static void close_task(struct loop_task *task) {
    struct fetch *client = CONTAINER_OF(task, struct fetch, task);
    client->closed(client->ctx);
    mem_free(client);
}

void fetch_close(struct fetch *client, void (*closed)(void *ctx), void *ctx) {
    client->closed = closed;
    client->ctx = ctx;
    client->task.run = close_task;
    loop_soon(client->loop, &client->task);
}

static void answer(struct timer *timer) {
    struct fetch_request *request = CONTAINER_OF(timer, struct fetch_request, timer);
    struct fetch_call call = request->call;
    const struct fetch_result result = {.answer = {.status = 200, .head = {"", 0}}, .detail = ""};
    mem_free(request);
    call.done(call.ctx, &result);
}

struct err fetch_start(struct fetch *client, const struct fetch_call *call,
                       struct fetch_request **ret_request) {
    struct fetch_request *request = mem_new(sizeof *request);
    request->client = client;
    request->call = *call;
    timer_start(client->loop, &request->timer, 10, answer);
    *ret_request = request;
    return ERR_OK;
}

void fetch_cancel(struct fetch_request *request) {
    timer_stop(request->client->loop, &request->timer);
    mem_free(request);
}

void fetch_pause(struct fetch_request *request) {
    (void)request;
}

void fetch_resume(struct fetch_request *request) {
    (void)request;
}

void fetch_get_stats(const struct fetch *client, struct fetch_stats *ret_stats) {
    *ret_stats = client->stats;
}
