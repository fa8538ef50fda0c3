/* turns.c: many turns at once, each listened to by a client of its own; and one turn alone.
 *
 * Each token is the time at which the model said it (bench_provider.c), so its delay is all of it:
 * the daemon reads and parses it, commits it, and sends it on; and our own queue of readable
 * sockets. The same is measured without the daemon between: the client listens to the model. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ask.h"
#include "base/memory.h"
#include "load.h"
#include "measure.h"

enum { ID_TEXT = 40, IN_SIZE = 1 << 17, SETTLE_MS = 60000, STAMP_DIGITS_MIN = 10 };

struct listener {
    int fd;
    char session[ID_TEXT];
    bool in_stamp, began, ended;
    unsigned digits;
    uint64_t stamp;
    size_t matched; /* Bytes of `end`, the word that tells the end. */
};

struct turns {
    const struct load *load;
    const char *end;
    struct listener *listeners;
    size_t made, said; /* Sessions made, and spoken to. */
    size_t began, ended;
    int epoll_fd;
    uint64_t from_ns; /* Tokens from before are not counted. */
    uint64_t tokens, now_ns;
    struct histogram delay;
    char *in;
};

/* --- Reading ---------------------------------------------------------------------------------- */

static void take_stamp(struct turns *turns, struct listener *listener) {
    bool whole = listener->in_stamp && listener->digits >= STAMP_DIGITS_MIN;
    listener->in_stamp = false;
    if (!whole) {
        return;
    }
    if (!listener->began) {
        listener->began = true;
        turns->began++;
    }
    if (turns->from_ns != 0 && listener->stamp >= turns->from_ns) {
        turns->tokens++;
        histogram_add(&turns->delay, turns->now_ns - listener->stamp);
    }
}

/* "@" and digits, and the word at the end: nothing else of the bytes is looked at. */
static void take_byte(struct turns *turns, struct listener *listener, char c) {
    if (c == '@') {
        listener->in_stamp = true;
        listener->digits = 0;
        listener->stamp = 0;
    } else if (listener->in_stamp && c >= '0' && c <= '9') {
        listener->stamp = listener->stamp * 10 + (uint64_t)(c - '0');
        listener->digits++;
    } else {
        take_stamp(turns, listener);
    }
    listener->matched = c == turns->end[listener->matched] ? listener->matched + 1
                        : c == turns->end[0]               ? 1
                                                           : 0;
    if (turns->end[listener->matched] == '\0') {
        turns->ended += !listener->ended;
        listener->ended = true;
        listener->matched = 0;
    }
}

static void read_some(struct turns *turns, struct listener *listener) {
    ssize_t got = recv(listener->fd, turns->in, IN_SIZE, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    if (got <= 0) {
        if (!listener->ended) {
            die("a stream was closed before its end");
        }
        (void)epoll_ctl(turns->epoll_fd, EPOLL_CTL_DEL, listener->fd, NULL);
        return;
    }
    turns->now_ns = now_ns();
    for (ssize_t i = 0; i < got; i++) {
        take_byte(turns, listener, turns->in[i]);
    }
}

static void poll_for(struct turns *turns, uint64_t ms, const size_t *count, size_t enough) {
    uint64_t until_ns = now_ns() + ms * 1000000ULL;
    struct epoll_event events[512];
    while ((count == NULL || *count < enough) && now_ns() < until_ns) {
        int ready = epoll_wait(turns->epoll_fd, events, COUNT_OF(events), 5);
        for (int i = 0; i < ready; i++) {
            read_some(turns, events[i].data.ptr);
        }
    }
}

static void listen_to(struct turns *turns, struct listener *listener, const char *request) {
    listener->fd = target_connect(&turns->load->target);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
    if (epoll_ctl(turns->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) < 0) {
        die("epoll_ctl");
    }
    send_all(listener->fd, request, strlen(request));
}

/* --- Through the daemon ----------------------------------------------------------------------- */

static bool next_session(void *ctx, size_t at, struct question *ret_question) {
    (void)at;
    struct turns *turns = ctx;
    if (turns->made == (size_t)turns->load->readers) {
        return false;
    }
    turns->made++;
    ret_question->method = "POST";
    (void)snprintf(ret_question->path, sizeof ret_question->path, "/api/v1/sessions");
    (void)snprintf(ret_question->body, sizeof ret_question->body,
                   "{\"model\":\"%s\",\"title\":\"So that no model is asked for one\"}",
                   turns->load->name);
    return true;
}

static void made_session(void *ctx, size_t at, const struct answer *answer) {
    (void)at;
    struct turns *turns = ctx;
    const char *id = strstr(answer->body, "\"id\":\"ses_");
    if (answer->status != 201 || id == NULL) {
        die_saying("a session was refused");
    }
    (void)snprintf(turns->listeners[turns->said++].session, ID_TEXT, "%.30s", id + 6);
}

static bool next_message(void *ctx, size_t at, struct question *ret_question) {
    (void)at;
    struct turns *turns = ctx;
    if (turns->said == (size_t)turns->load->readers) {
        return false;
    }
    ret_question->method = "POST";
    (void)snprintf(ret_question->path, sizeof ret_question->path, "/api/v1/sessions/%s/messages",
                   turns->listeners[turns->said++].session);
    (void)snprintf(ret_question->body, sizeof ret_question->body, "{\"text\":\"go\"}");
    return true;
}

static void was_said(void *ctx, size_t at, const struct answer *answer) {
    (void)ctx;
    (void)at;
    if (answer->status != 201) {
        die_saying("a message was refused");
    }
}

static void open_sessions(struct turns *turns) {
    const struct ask ask = {.target = &turns->load->target,
                            .connections = 16,
                            .ctx = turns,
                            .next = next_session,
                            .answered = made_session};
    ask_all(&ask);
    for (size_t i = 0; i < (size_t)turns->load->readers; i++) {
        char request[512];
        (void)snprintf(request, sizeof request,
                       "GET /api/v1/streams/session:%s/events?after=0 HTTP/1.1\r\nHost: %s\r\n"
                       "Accept: text/event-stream\r\n\r\n",
                       turns->listeners[i].session, turns->load->target.host);
        listen_to(turns, &turns->listeners[i], request);
    }
    poll_for(turns, 500, NULL, 0);
}

static void speak(struct turns *turns) {
    const struct ask ask = {.target = &turns->load->target,
                            .connections = 16,
                            .ctx = turns,
                            .next = next_message,
                            .answered = was_said};
    turns->said = 0;
    ask_all(&ask);
}

/* --- Without it ------------------------------------------------------------------------------- */

static void ask_model(struct turns *turns) {
    for (size_t i = 0; i < (size_t)turns->load->readers; i++) {
        char request[512];
        (void)snprintf(request, sizeof request,
                       "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\n"
                       "Content-Length: 2\r\n\r\n{}",
                       turns->load->target.host);
        listen_to(turns, &turns->listeners[i], request);
    }
}

/* --- All of it -------------------------------------------------------------------------------- */

static double memory_kb(pid_t pid) {
    return pid == 0 ? 0 : (double)process_pss_kb(pid); /* The model's is nobody's matter. */
}

static void tell_turns(struct turns *turns, uint64_t cpu_ns, uint64_t began_ns, double idle_kb) {
    pid_t pid = (pid_t)turns->load->pid;
    size_t count = (size_t)turns->load->readers;
    double active_kb = memory_kb(pid);
    poll_for(turns, SETTLE_MS, &turns->ended, count);
    double seconds = (double)(now_ns() - began_ns) / 1e9;
    double cpu_us = (double)(process_cpu_ns(pid) - cpu_ns) / 1e3;
    tell("tokens", (double)turns->tokens);
    tell("rate", (double)turns->tokens / seconds);
    tell("seconds", seconds);
    tell("server_us", cpu_us / (double)turns->tokens);
    tell("server_cores", cpu_us / 1e6 / seconds);
    tell_latency(&turns->delay);
    tell("kb_each", (active_kb - idle_kb) / (double)count);
    tell("complete", turns->ended == count ? 1 : 0);
}

static void run_turns(const struct load *load, bool bare) {
    size_t count = (size_t)load->readers;
    AUTO(mem_release) struct turns *turns = mem_new(sizeof *turns);
    turns->load = load;
    turns->end = bare ? "[DONE]" : "turn_finished";
    turns->listeners = mem_new_array(count, sizeof *turns->listeners);
    turns->in = mem_new(IN_SIZE);
    turns->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!bare) {
        open_sessions(turns);
    }
    double idle_kb = memory_kb((pid_t)load->pid);
    if (bare) {
        ask_model(turns);
    } else {
        speak(turns);
    }
    poll_for(turns, SETTLE_MS, &turns->began, count);
    /* All of them speak from here on, and what was late since nobody listened has been read. */
    uint64_t cpu_ns = process_cpu_ns((pid_t)load->pid);
    turns->from_ns = now_ns();
    poll_for(turns, 1000, NULL, 0);
    tell_turns(turns, cpu_ns, turns->from_ns, idle_kb);
    for (size_t i = 0; i < count; i++) {
        (void)close(turns->listeners[i].fd);
    }
    (void)close(turns->epoll_fd);
    mem_free(turns->listeners);
    mem_free(turns->in);
}

void load_turns(const struct load *load) {
    run_turns(load, false);
}

void load_model(const struct load *load) {
    run_turns(load, true);
}

/* --- One alone -------------------------------------------------------------------------------- */

struct alone {
    const struct load *load;
    char session[ID_TEXT];
    uint64_t until_ns;
    struct histogram took;
};

static bool next_turn(void *ctx, size_t at, struct question *ret_question) {
    (void)at;
    struct alone *alone = ctx;
    bool first = alone->session[0] == '\0';
    ret_question->method = "POST";
    (void)snprintf(ret_question->path, sizeof ret_question->path,
                   first ? "/api/v1/sessions" : "/api/v1/sessions/%s/messages?wait=30",
                   alone->session);
    (void)snprintf(ret_question->body, sizeof ret_question->body,
                   first ? "{\"model\":\"scripted/demo\"}" : "{\"text\":\"say: a word\"}");
    return now_ns() < alone->until_ns;
}

static void turn_answered(void *ctx, size_t at, const struct answer *answer) {
    (void)at;
    struct alone *alone = ctx;
    const char *id = strstr(answer->body, "\"id\":\"ses_");
    if (answer->status != 201) {
        die_saying("a turn was refused");
    }
    if (alone->session[0] == '\0') {
        (void)snprintf(alone->session, sizeof alone->session, "%.30s", id == NULL ? "" : id + 6);
        return;
    }
    histogram_add(&alone->took, answer->answered_ns - answer->asked_ns);
}

void load_turn(const struct load *load) {
    struct alone alone = {.load = load,
                          .until_ns = now_ns() + (uint64_t)load->milliseconds * 1000000ULL};
    const struct ask ask = {.target = &load->target,
                            .connections = 1,
                            .ctx = &alone,
                            .next = next_turn,
                            .answered = turn_answered};
    ask_all(&ask);
    tell_latency(&alone.took);
}
