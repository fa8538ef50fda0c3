/* fanout.c: many readers of one stream, and a few writers to it, in one thread.
 *
 * Each event carries the time at which its request was sent, so the delay of a delivery is all of
 * it: the request's way in, the commit, the fan-out, and our own queue of readable sockets. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/memory.h"
#include "load.h"
#include "measure.h"

enum {
    IN_SIZE = 1 << 18,
    /* How many events the readers may be behind, on average, before writers wait for them: a
     * server may not be asked to hold more than a slow client's bound. */
    BEHIND_MAX = 512,
    SETTLE_MS = 20000,
};

struct peer {
    bool writer, busy; /* busy: a writer whose request is in flight. */
    int fd;
};

struct writer {
    struct peer peer;
    size_t len;
    char in[1024];
};

struct reader {
    struct peer peer;
    struct fanout *fanout; /* Borrowed. */
    uint64_t seq;
    struct sse sse;
};

struct fanout {
    const struct load *load;
    int epoll_fd;
    struct reader *readers;
    struct writer *writers;
    struct writer **idle; /* A stack of writers without a request in flight. */
    size_t idle_count, heads;
    uint64_t sent, appended, delivered, gaps, repeats;
    uint64_t now_ns; /* When the bytes at hand were read. */
    struct histogram delay;
    char *in;
};

static void watch(struct fanout *fanout, struct peer *peer) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (epoll_ctl(fanout->epoll_fd, EPOLL_CTL_ADD, peer->fd, &event) < 0) {
        die("epoll_ctl");
    }
}

static void take_event(void *ctx, const struct event *event) {
    struct reader *reader = ctx;
    struct fanout *fanout = reader->fanout;
    if (event->seq <= reader->seq) {
        fanout->repeats++;
        return;
    }
    fanout->gaps += event->seq - reader->seq - 1;
    reader->seq = event->seq;
    fanout->delivered++;
    if (event->stamp != 0) {
        histogram_add(&fanout->delay, fanout->now_ns - event->stamp);
    }
}

static void read_events(struct fanout *fanout, struct reader *reader) {
    ssize_t got = recv(reader->peer.fd, fanout->in, IN_SIZE, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        die("the server closed an event stream");
    }
    fanout->now_ns = now_ns();
    bool was_head = reader->sse.state == SSE_HEAD;
    sse_feed(&reader->sse, fanout->in, (size_t)got, take_event, reader);
    fanout->heads += was_head && reader->sse.state != SSE_HEAD;
}

static void read_answer(struct fanout *fanout, struct writer *writer) {
    ssize_t got =
        recv(writer->peer.fd, writer->in + writer->len, sizeof writer->in - writer->len, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        die("the server closed a writer's connection");
    }
    writer->len += (size_t)got;
    int status = 0;
    if (reply_measure(writer->in, writer->len, &status) == 0) {
        return;
    }
    if (status != 201) {
        die_saying("an append was refused");
    }
    writer->len = 0;
    writer->peer.busy = false;
    fanout->appended++;
    fanout->idle[fanout->idle_count] = writer;
    fanout->idle_count++;
}

static void send_event(struct fanout *fanout) {
    fanout->idle_count--;
    struct writer *writer = fanout->idle[fanout->idle_count];
    char body[128];
    char request[512];
    int body_len =
        snprintf(body, sizeof body,
                 "{\"type\":\"token\",\"data\":{\"t\":%" PRIu64 ",\"text\":\"a word\"}}", now_ns());
    int len = snprintf(request, sizeof request,
                       "POST /api/v1/streams/%s/events HTTP/1.1\r\nHost: %s\r\n"
                       "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                       fanout->load->stream, fanout->load->target.host, body_len, body);
    send_all(writer->peer.fd, request, (size_t)len);
    writer->peer.busy = true;
    fanout->sent++;
}

static void poll_once(struct fanout *fanout, uint64_t wait_ns) {
    struct epoll_event events[512];
    struct timespec wait = {0, (long)(wait_ns > 50000000 ? 50000000 : wait_ns)};
    if (fanout->load->spin) {
        wait.tv_nsec = 0;
    }
    int count = epoll_pwait2(fanout->epoll_fd, events, COUNT_OF(events), &wait, NULL);
    for (int i = 0; i < count; i++) {
        struct peer *peer = events[i].data.ptr;
        if (peer->writer) {
            read_answer(fanout, CONTAINER_OF(peer, struct writer, peer));
        } else {
            read_events(fanout, CONTAINER_OF(peer, struct reader, peer));
        }
    }
}

static void open_readers(struct fanout *fanout) {
    const struct load *load = fanout->load;
    size_t count = (size_t)load->readers;
    char request[512];
    int len = snprintf(request, sizeof request,
                       "GET /api/v1/streams/%s/events?after=0 HTTP/1.1\r\nHost: %s\r\n"
                       "Accept: text/event-stream\r\n\r\n",
                       load->stream, load->target.host);
    fanout->readers = mem_new_array(count, sizeof *fanout->readers);
    uint64_t until_ns = now_ns() + SETTLE_MS * 1000000ULL;
    for (size_t i = 0; i < count; i++) {
        struct reader *reader = &fanout->readers[i];
        reader->fanout = fanout;
        reader->peer.fd = target_connect(&load->target);
        watch(fanout, &reader->peer);
        send_all(reader->peer.fd, request, (size_t)len);
        while (i + 1 - fanout->heads > 64 && now_ns() < until_ns) { /* Not all of them at once. */
            poll_once(fanout, 1000000);
        }
    }
    while (fanout->heads < count) {
        if (now_ns() > until_ns) {
            die_saying("some event streams never began");
        }
        poll_once(fanout, 10000000);
    }
}

static void open_writers(struct fanout *fanout) {
    size_t count = (size_t)fanout->load->writers;
    fanout->writers = mem_new_array(count, sizeof *fanout->writers);
    fanout->idle = mem_new_array(count, sizeof(struct writer *));
    for (size_t i = 0; i < count; i++) {
        struct writer *writer = &fanout->writers[i];
        writer->peer.writer = true;
        writer->peer.fd = target_connect(&fanout->load->target);
        watch(fanout, &writer->peer);
        fanout->idle[i] = writer;
    }
    fanout->idle_count = count;
}

static struct fanout *open_fanout(const struct load *load) {
    struct fanout *fanout = mem_new(sizeof *fanout);
    fanout->load = load;
    fanout->in = mem_new(IN_SIZE);
    fanout->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    open_readers(fanout);
    open_writers(fanout);
    return fanout;
}

static void close_fanout(struct fanout *fanout) {
    for (int64_t i = 0; i < fanout->load->readers; i++) {
        (void)close(fanout->readers[i].peer.fd);
    }
    for (int64_t i = 0; i < fanout->load->writers; i++) {
        (void)close(fanout->writers[i].peer.fd);
    }
    (void)close(fanout->epoll_fd);
    mem_free(fanout->readers);
    mem_free(fanout->writers);
    mem_free(fanout->idle);
    mem_free(fanout->in);
    mem_free(fanout);
}

static bool too_far_behind(const struct fanout *fanout) {
    uint64_t readers = (uint64_t)fanout->load->readers;
    return fanout->sent * readers > fanout->delivered + readers * BEHIND_MAX;
}

static void write_as_fast_as_answers_come(struct fanout *fanout, uint64_t until_ns) {
    while (now_ns() < until_ns) {
        while (fanout->idle_count > 0 && !too_far_behind(fanout)) {
            send_event(fanout);
        }
        poll_once(fanout, 1000000);
    }
}

static void write_at_rate(struct fanout *fanout, uint64_t until_ns) {
    uint64_t step_ns = 1000000000ULL / (uint64_t)fanout->load->rate;
    uint64_t next_ns = now_ns();
    while (next_ns < until_ns) {
        uint64_t now = now_ns();
        while (next_ns <= now) { /* Who finds no writer free is late, and sent when one is. */
            if (fanout->idle_count == 0) {
                break;
            }
            send_event(fanout);
            next_ns += step_ns;
        }
        poll_once(fanout, next_ns > now ? next_ns - now : 100000);
    }
}

static bool settled(const struct fanout *fanout) {
    return fanout->appended == fanout->sent &&
           fanout->delivered + fanout->gaps == fanout->appended * (uint64_t)fanout->load->readers;
}

void load_fanout(const struct load *load) {
    struct fanout *fanout = open_fanout(load);
    uint64_t began_cpu_ns = process_cpu_ns((pid_t)load->pid);
    uint64_t own_cpu_ns = process_cpu_ns(getpid());
    uint64_t began_ns = now_ns();
    uint64_t until_ns = began_ns + (uint64_t)load->milliseconds * 1000000ULL;
    if (load->rate == 0) {
        write_as_fast_as_answers_come(fanout, until_ns);
    } else {
        write_at_rate(fanout, until_ns);
    }
    uint64_t give_up_ns = now_ns() + SETTLE_MS * 1000000ULL;
    while (!settled(fanout) && now_ns() < give_up_ns) {
        poll_once(fanout, 1000000);
    }
    double seconds = (double)(now_ns() - began_ns) / 1e9;
    double cpu_seconds = (double)(process_cpu_ns((pid_t)load->pid) - began_cpu_ns) / 1e9;
    double own_seconds = (double)(process_cpu_ns(getpid()) - own_cpu_ns) / 1e9;
    tell("appended", (double)fanout->appended);
    tell("appends_rate", (double)fanout->appended / seconds);
    tell("deliveries", (double)fanout->delivered);
    tell("rate", (double)fanout->delivered / seconds);
    tell("server_us", cpu_seconds * 1e6 / (double)fanout->delivered);
    tell("server_cores", cpu_seconds / seconds);
    tell("client_cores", own_seconds / seconds);
    tell_latency(&fanout->delay);
    tell("gaps", (double)fanout->gaps);
    tell("repeats", (double)fanout->repeats);
    tell("complete", settled(fanout) ? 1 : 0);
    if (load->pid != 0) {
        tell("pss_kb", (double)process_pss_kb((pid_t)load->pid));
    }
    close_fanout(fanout);
}

void load_idle(const struct load *load) {
    pid_t pid = (pid_t)load->pid;
    double before_kb = (double)process_pss_kb(pid);
    struct fanout *fanout = open_fanout(load);
    uint64_t began_cpu_ns = process_cpu_ns(pid);
    uint64_t began_ns = now_ns();
    while (now_ns() < began_ns + (uint64_t)load->milliseconds * 1000000ULL) {
        poll_once(fanout, 50000000);
    }
    double seconds = (double)(now_ns() - began_ns) / 1e9;
    tell("pss_before_kb", before_kb);
    tell("pss_kb", (double)process_pss_kb(pid));
    tell("cpu_percent", (double)(process_cpu_ns(pid) - began_cpu_ns) / 1e7 / seconds);
    close_fanout(fanout);
}
