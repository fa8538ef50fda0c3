/* closed.c: N connections, each with `pipeline` requests in flight, sending the next one when an
 * answer comes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/memory.h"
#include "load.h"
#include "measure.h"

enum { PIPELINE_MAX = 64, WARM_UP_MS = 300, REQUEST_MAX = 512 };

struct client {
    int fd;
    size_t len;
    unsigned oldest; /* Ring of the times at which the requests in flight were sent. */
    uint64_t sent_ns[PIPELINE_MAX];
    char in[8192];
};

struct closed {
    const struct load *load;
    int expected;  /* Status. */
    char *request; /* `pipeline` copies of it. */
    size_t request_len;
    uint64_t answered, refused, answered_before; /* before: while warming up. */
    bool stopping;
    struct histogram latency;
};

static void send_requests(struct closed *closed, struct client *client, unsigned count) {
    send_all(client->fd, closed->request, count * closed->request_len);
}

/* Takes the whole answers out of the buffer; answers how many. */
static unsigned take_answers(struct closed *closed, struct client *client) {
    unsigned taken = 0;
    size_t at = 0;
    uint64_t now = now_ns();
    for (;;) {
        int status = 0;
        size_t len = reply_measure(client->in + at, client->len - at, &status);
        if (len == 0) {
            break;
        }
        at += len;
        taken++;
        closed->refused += status != closed->expected;
        histogram_add(&closed->latency, now - client->sent_ns[client->oldest]);
        client->sent_ns[client->oldest] = now; /* The next one leaves at once. */
        client->oldest = (client->oldest + 1) % (unsigned)closed->load->pipeline;
    }
    client->len -= at;
    memmove(client->in, client->in + at, client->len);
    closed->answered += taken;
    return taken;
}

static void on_readable(struct closed *closed, struct client *client) {
    ssize_t got = recv(client->fd, client->in + client->len, sizeof client->in - client->len, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        die("the server closed a connection");
    }
    client->len += (size_t)got;
    unsigned taken = take_answers(closed, client);
    if (taken > 0 && !closed->stopping) {
        send_requests(closed, client, taken);
    }
}

static void run_until(struct closed *closed, int epoll_fd, uint64_t until_ns) {
    struct epoll_event events[256];
    while (now_ns() < until_ns) {
        int count = epoll_wait(epoll_fd, events, COUNT_OF(events), closed->load->spin ? 0 : 50);
        for (int i = 0; i < count; i++) {
            on_readable(closed, events[i].data.ptr);
        }
        if (closed->refused > 0) {
            die_saying("the server answered with another status than the one expected");
        }
    }
}

static struct client *open_clients(struct closed *closed, int epoll_fd) {
    size_t count = (size_t)closed->load->connections;
    struct client *clients = mem_new_array(count, sizeof *clients);
    for (size_t i = 0; i < count; i++) {
        clients[i].fd = target_connect(&closed->load->target);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clients[i].fd, &event) < 0) {
            die("epoll_ctl");
        }
        for (unsigned k = 0; k < closed->load->pipeline; k++) {
            clients[i].sent_ns[k] = now_ns();
        }
        send_requests(closed, &clients[i], (unsigned)closed->load->pipeline);
    }
    return clients;
}

static void run_closed(struct closed *closed, const char *request) {
    const struct load *load = closed->load;
    if (load->pipeline < 1 || load->pipeline > PIPELINE_MAX) {
        die_saying("--pipeline must be 1 to 64");
    }
    closed->request_len = strlen(request);
    closed->request = mem_new_array((size_t)load->pipeline, closed->request_len);
    for (size_t i = 0; i < (size_t)load->pipeline; i++) {
        memcpy(closed->request + i * closed->request_len, request, closed->request_len);
    }
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct client *clients = open_clients(closed, epoll_fd);
    run_until(closed, epoll_fd, now_ns() + WARM_UP_MS * 1000000ULL);

    closed->latency = (struct histogram){0};
    closed->answered_before = closed->answered;
    closed->answered = 0;
    uint64_t began_cpu_ns = process_cpu_ns((pid_t)load->pid);
    uint64_t own_cpu_ns = process_cpu_ns(getpid());
    uint64_t began_ns = now_ns();
    run_until(closed, epoll_fd, began_ns + (uint64_t)load->milliseconds * 1000000ULL);
    double seconds = (double)(now_ns() - began_ns) / 1e9;
    double cpu_seconds = (double)(process_cpu_ns((pid_t)load->pid) - began_cpu_ns) / 1e9;
    double own_seconds = (double)(process_cpu_ns(getpid()) - own_cpu_ns) / 1e9;

    tell("requests", (double)closed->answered);
    tell("rate", (double)closed->answered / seconds);
    tell_latency(&closed->latency);
    tell("server_us", cpu_seconds * 1e6 / (double)closed->answered);
    tell("server_cores", cpu_seconds / seconds);
    tell("client_cores", own_seconds / seconds);

    /* Nothing may be in flight when somebody looks at the server next. */
    closed->stopping = true;
    run_until(closed, epoll_fd, now_ns() + 100 * 1000000ULL);
    tell("requests_in_all", (double)(closed->answered + closed->answered_before));
    for (size_t i = 0; i < (size_t)load->connections; i++) {
        (void)close(clients[i].fd);
    }
    (void)close(epoll_fd);
    mem_free(clients);
    mem_free(closed->request);
}

void load_ping(const struct load *load) {
    char request[REQUEST_MAX];
    (void)snprintf(request, sizeof request, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n",
                   load->target.host);
    AUTO(mem_release) struct closed *closed = mem_new(sizeof *closed);
    closed->load = load;
    closed->expected = 200;
    run_closed(closed, request);
}

void load_append(const struct load *load) {
    static const char body[] = "{\"type\":\"token\",\"data\":{\"text\":\"a word or two of it\"}}";
    char request[REQUEST_MAX];
    (void)snprintf(request, sizeof request,
                   "POST /api/v1/streams/%s/events HTTP/1.1\r\nHost: %s\r\n"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   load->stream, load->target.host, sizeof body - 1, body);
    AUTO(mem_release) struct closed *closed = mem_new(sizeof *closed);
    closed->load = load;
    closed->expected = 201;
    run_closed(closed, request);
}

void load_submit(const struct load *load) {
    static const char body[] = "{\"argv\":[\"/bin/true\"]}";
    char request[REQUEST_MAX];
    (void)snprintf(request, sizeof request,
                   "POST /api/v1/jobs HTTP/1.1\r\nHost: %s\r\n"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   load->target.host, sizeof body - 1, body);
    AUTO(mem_release) struct closed *closed = mem_new(sizeof *closed);
    closed->load = load;
    closed->expected = 201;
    run_closed(closed, request);
}
