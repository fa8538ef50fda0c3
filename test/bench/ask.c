#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/memory.h"
#include "measure.h"

enum { ANSWER_MAX = 16384, EVENTS_MAX = 256 };

struct asker {
    int fd;
    size_t at; /* Which of the connections. */
    size_t len;
    uint64_t asked_ns;
    char *in; /* Owned by ask_all. */
};

struct asking {
    const struct ask *ask;
    size_t answer_max;
    int epoll_fd;
    size_t open; /* Connections that still have a question. */
};

/* The clock starts before the write: what the kernel takes for it is part of asking. */
static void ask_next(struct asking *asking, struct asker *asker) {
    const struct ask *ask = asking->ask;
    struct question question = {.method = "GET"};
    if (!ask->next(ask->ctx, asker->at, &question)) {
        (void)close(asker->fd);
        asking->open--;
        return;
    }
    char request[1024];
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       question.method, question.path, ask->target->host, strlen(question.body),
                       question.body);
    assert(len > 0 && (size_t)len < sizeof request);
    asker->asked_ns = now_ns();
    send_all(asker->fd, request, (size_t)len);
}

static void take_answer(struct asking *asking, struct asker *asker, size_t len, int status) {
    const struct ask *ask = asking->ask;
    if (len != asker->len) {
        die_saying("the server answered what nobody asked");
    }
    asker->in[len] = '\0';
    const char *body = strstr(asker->in, "\r\n\r\n");
    const struct answer answer = {.status = status,
                                  .body = body == NULL ? "" : body + 4,
                                  .asked_ns = asker->asked_ns,
                                  .answered_ns = now_ns()};
    asker->len = 0;
    ask->answered(ask->ctx, asker->at, &answer);
    ask_next(asking, asker);
}

static void on_readable(struct asking *asking, struct asker *asker) {
    ssize_t got = recv(asker->fd, asker->in + asker->len, asking->answer_max - 1 - asker->len, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        die("the server closed a connection");
    }
    asker->len += (size_t)got;
    int status = 0;
    size_t len = reply_measure(asker->in, asker->len, &status);
    if (len > 0) {
        take_answer(asking, asker, len, status);
    }
}

void ask_all(const struct ask *ask) {
    AUTO(mem_release) struct asker *askers = mem_new_array(ask->connections, sizeof *askers);
    struct asking asking = {.ask = ask,
                            .answer_max = ask->answer_max > 0 ? ask->answer_max : ANSWER_MAX,
                            .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                            .open = ask->connections};
    AUTO(mem_release) char *in = mem_new_array(ask->connections, asking.answer_max);
    for (size_t i = 0; i < ask->connections; i++) {
        askers[i].at = i;
        askers[i].in = in + i * asking.answer_max;
        askers[i].fd = target_connect(ask->target);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &askers[i]};
        if (epoll_ctl(asking.epoll_fd, EPOLL_CTL_ADD, askers[i].fd, &event) < 0) {
            die("epoll_ctl");
        }
        ask_next(&asking, &askers[i]);
    }
    struct epoll_event events[EVENTS_MAX];
    while (asking.open > 0) {
        int count = epoll_wait(asking.epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            on_readable(&asking, events[i].data.ptr);
        }
    }
    (void)close(asking.epoll_fd);
}
