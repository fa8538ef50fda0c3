/* flows.c: workflows one after the other on each of N clients, as a user's program would run them:
 * started by their text over a connection that stays, followed on their stream of events, over one
 * of its own, until that tells of the end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/memory.h"
#include "brood.h"
#include "load.h"
#include "measure.h"

enum { WARM_UP_MS = 500, ID_TEXT = 32, IN_SIZE = 1 << 18, REQUEST_SIZE = 1024, EVENTS_MAX = 256 };

/* The job J1: steps, each of which waits for the one before it. */
enum { STEPS = 10 };

static void script_write(const struct load *load, char script[REQUEST_SIZE]) {
    char delay[64] = "";
    if (load->delay > 0) {
        (void)snprintf(delay, sizeof delay, "delay: %lldms\\\\n", (long long)load->delay);
    }
    (void)snprintf(script, REQUEST_SIZE,
                   "{\"model\":\"scripted/demo\",\"script\":"
                   "\"export const meta = {name: 'ten', description: 'Ten steps'};\\n"
                   "let said = '';\\n"
                   "for (let i = 0; i < %lld; i++) said = await agent('%ssay: step ' + i);\\n"
                   "return said;\"}",
                   (long long)load->count, delay);
}

struct client {
    int asks;    /* Stays. */
    int follows; /* Of the present run; -1: none. */
    uint64_t asked_ns;
    size_t len;
    char in[IN_SIZE]; /* The answer, then the stream. */
};

struct flows {
    const struct load *load;
    int epoll_fd;
    char request[2 * REQUEST_SIZE];
    char last[64]; /* The last step's words, as the stream has them. */
    uint64_t until_ns;
    size_t busy; /* Clients with a run under way. */
    struct histogram took;
};

/* --- One client ------------------------------------------------------------------------------- */

static void watch(struct flows *flows, int fd, struct client *client) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(flows->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        die("epoll_ctl");
    }
}

static void begin(struct flows *flows, struct client *client) {
    if (now_ns() >= flows->until_ns) {
        flows->busy--;
        return;
    }
    client->len = 0;
    client->asked_ns = now_ns();
    send_all(client->asks, flows->request, strlen(flows->request));
}

/* Without waiting for the other end's leave: ports are few, and there are thousands of runs. */
static void hang_up(int fd) {
    const struct linger at_once = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once,
                     sizeof at_once); /* Only slower without. */
    (void)close(fd);
}

static void follow(struct flows *flows, struct client *client) {
    char request[REQUEST_SIZE];
    const char *id = strstr(client->in, "\"runId\":\"run_");
    if (id == NULL) {
        (void)fprintf(stderr, "%s\n", client->in);
        die_saying("a workflow was refused");
    }
    (void)snprintf(request, sizeof request,
                   "GET /api/v1/streams/run:%.*s/events?after=0 HTTP/1.1\r\nHost: %s\r\n"
                   "Accept: text/event-stream\r\n\r\n",
                   (int)strcspn(id + 9, "\""), id + 9, flows->load->target.host);
    client->len = 0;
    client->follows = target_connect(&flows->load->target);
    watch(flows, client->follows, client);
    send_all(client->follows, request, strlen(request));
}

static void take_end(struct flows *flows, struct client *client) {
    if (strstr(client->in, "\"state\":\"succeeded\",\"cause\":\"completed\",\"note\":\"\"") ==
            NULL &&
        strstr(client->in, flows->last) == NULL) {
        (void)fprintf(stderr, "%s\n", client->in);
        die_saying("a workflow did not succeed");
    }
    histogram_add(&flows->took, now_ns() - client->asked_ns);
    hang_up(client->follows);
    client->follows = -1;
    begin(flows, client);
}

static void on_readable(struct flows *flows, struct client *client) {
    bool follows = client->follows >= 0;
    size_t before = client->len < 32 ? 0 : client->len - 32; /* A word may be cut in two. */
    ssize_t got = recv(follows ? client->follows : client->asks, client->in + client->len,
                       IN_SIZE - 1 - client->len, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        die_saying("the server closed a connection, or said too much");
    }
    client->len += (size_t)got;
    client->in[client->len] = '\0';
    int status = 0;
    if (!follows && reply_measure(client->in, client->len, &status) > 0) {
        follow(flows, client);
    } else if (follows && strstr(client->in + before, "workflow_finished") != NULL &&
               strstr(client->in + before, "\n\n") != NULL) {
        take_end(flows, client);
    }
}

/* --- All of them ------------------------------------------------------------------------------ */

static void run_until(struct flows *flows, uint64_t until_ns) {
    struct epoll_event events[EVENTS_MAX];
    int wait_ms = flows->load->spin ? 0 : 100;
    while (flows->busy > 0 && now_ns() < until_ns) {
        int count = epoll_wait(flows->epoll_fd, events, EVENTS_MAX, wait_ms);
        for (int i = 0; i < count; i++) {
            on_readable(flows, events[i].data.ptr);
        }
    }
}

static struct client *open_clients(struct flows *flows) {
    size_t count = (size_t)flows->load->connections;
    struct client *clients = mem_new_array(count, sizeof *clients);
    for (size_t i = 0; i < count; i++) {
        clients[i].asks = target_connect(&flows->load->target);
        clients[i].follows = -1;
        watch(flows, clients[i].asks, &clients[i]);
        flows->busy++;
        begin(flows, &clients[i]);
    }
    return clients;
}

static void tell_all(const struct flows *flows, double seconds, double daemon_us,
                     double workers_us) {
    double steps = (double)flows->took.total * (double)flows->load->count;
    tell("workflows", (double)flows->took.total);
    tell("steps", steps);
    tell("rate", steps / seconds);
    tell("seconds", seconds);
    tell("server_us", daemon_us / steps);
    tell("workers_us", workers_us / steps);
    tell_latency(&flows->took);
}

void load_flows(const struct load *given) {
    AUTO(mem_release) struct flows *flows = mem_new(sizeof *flows);
    struct load own = *given;
    const struct load *load = &own;
    pid_t pid = (pid_t)load->pid;
    char script[REQUEST_SIZE];
    own.count = given->count > 0 ? given->count : STEPS;
    script_write(load, script);
    (void)snprintf(flows->last, sizeof flows->last, "\"result\":\"step %lld\"",
                   (long long)load->count - 1);
    flows->load = load;
    flows->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    flows->until_ns = UINT64_MAX;
    (void)snprintf(flows->request, sizeof flows->request,
                   "POST /api/v1/workflows HTTP/1.1\r\nHost: %s\r\n"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   load->target.host, strlen(script), script);
    struct client *clients = open_clients(flows);
    run_until(flows, now_ns() + WARM_UP_MS * 1000000ULL);
    uint64_t before = flows->took.total;
    flows->took = (struct histogram){0};
    uint64_t began_ns = now_ns(), cpu_ns = process_cpu_ns(pid), others_ns = brood_cpu_ns(pid);
    run_until(flows, began_ns + (uint64_t)load->milliseconds * 1000000ULL);
    double seconds = (double)(now_ns() - began_ns) / 1e9;
    double daemon_us = (double)(process_cpu_ns(pid) - cpu_ns) / 1e3;
    tell_all(flows, seconds, daemon_us, (double)(brood_cpu_ns(pid) - others_ns) / 1e3);
    /* Nothing may be under way when somebody looks at the server next. */
    flows->until_ns = 0;
    run_until(flows, now_ns() + 10000 * 1000000ULL);
    tell("steps_in_all", (double)(before + flows->took.total) * (double)load->count);
    for (int64_t i = 0; i < load->connections; i++) {
        (void)close(clients[i].asks);
    }
    (void)close(flows->epoll_fd);
    mem_free(clients);
}
