/* lists.c: short reads beside clients that list everything.
 *
 * The two are processes of their own: what a client takes to read pages must not stand in the
 * figure. The short read is paced, as a person's page or a hook is; one after the other would be
 * load itself. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "base/memory.h"
#include "load.h"
#include "measure.h"

/* --- Everything ------------------------------------------------------------------------------- */

enum { PAGE_BYTES_MAX = 4 << 20, CURSOR_SIZE = 64 };

/* Each client begins at another of these, and goes through all pages of it before the next. */
static const char *const lists[] = {
    "/api/v1/jobs?limit=200",
    "/api/v1/runs?limit=200&kind=turn&state=failed,succeeded&total=1",
    "/api/v1/runs?limit=200&kind=job&state=lost&q=label-77",
    "/api/v1/runs?limit=200&state=succeeded&project=project-3&since=1&total=1",
    "/api/v1/usage?by=session",
};

struct lister {
    size_t list;
    char after[CURSOR_SIZE]; /* "": from the start. */
};

struct listing {
    struct lister *listers; /* Owned by load_lists. */
    uint64_t until_ns;
    uint64_t lists;
    struct histogram pages;
};

static bool next_page(void *ctx, size_t at, struct question *ret_question) {
    struct listing *listing = ctx;
    const struct lister *lister = &listing->listers[at];
    if (now_ns() >= listing->until_ns) {
        return false;
    }
    (void)snprintf(ret_question->path, sizeof ret_question->path, "%s%s%s", lists[lister->list],
                   lister->after[0] != '\0' ? "&after=" : "", lister->after);
    return true;
}

static void take_page(void *ctx, size_t at, const struct answer *answer) {
    static const char member[] = "],\"next\":\"";
    enum { TAIL = 200 };
    struct listing *listing = ctx;
    struct lister *lister = &listing->listers[at];
    if (answer->status != 200) {
        die_saying("a list was refused");
    }
    histogram_add(&listing->pages, answer->answered_ns - answer->asked_ns);
    size_t len = strlen(answer->body);
    const char *next = strstr(answer->body + (len > TAIL ? len - TAIL : 0), member);
    lister->after[0] = '\0';
    if (next != NULL) {
        next += strlen(member);
        (void)snprintf(lister->after, sizeof lister->after, "%.*s", (int)strcspn(next, "\""), next);
    } else {
        lister->list = (lister->list + 1) % COUNT_OF(lists);
        listing->lists++;
    }
}

void load_lists(const struct load *load) {
    AUTO(mem_release) struct listing *listing = mem_new(sizeof *listing);
    size_t connections = (size_t)load->connections;
    AUTO(mem_release) struct lister *listers = mem_new_array(connections, sizeof *listers);
    for (size_t i = 0; i < connections; i++) {
        listers[i].list = i % COUNT_OF(lists);
    }
    listing->listers = listers;
    listing->until_ns = now_ns() + (uint64_t)load->milliseconds * 1000000ULL;
    const struct ask ask = {.target = &load->target,
                            .connections = connections,
                            .answer_max = PAGE_BYTES_MAX,
                            .ctx = listing,
                            .next = next_page,
                            .answered = take_page};
    ask_all(&ask);
    tell("lists", (double)listing->lists);
    tell_latency(&listing->pages);
}

/* --- Short reads ------------------------------------------------------------------------------ */

enum { SHORT_BYTES = 64 << 10 };

/* Asks and waits for the whole answer. */
static void read_once(int fd, const char *request, char *answer) {
    size_t len = 0;
    int status = 0;
    send_all(fd, request, strlen(request));
    do {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, -1) < 0 && errno != EINTR) {
            die("poll");
        }
        ssize_t got = recv(fd, answer + len, SHORT_BYTES - len, 0);
        if (got < 0 && errno == EAGAIN) {
            continue;
        }
        if (got <= 0) {
            die("the server closed a connection");
        }
        len += (size_t)got;
    } while (reply_measure(answer, len, &status) == 0);
    if (status != 200) {
        die_saying("a short read was refused");
    }
}

void load_short(const struct load *load) {
    AUTO(mem_release) char *answer = mem_new(SHORT_BYTES);
    AUTO(mem_release) struct histogram *latency = mem_new(sizeof *latency);
    char request[512];
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", load->name,
                       load->target.host);
    assert(len > 0 && (size_t)len < sizeof request);
    int fd = target_connect(&load->target);
    uint64_t until_ns = now_ns() + (uint64_t)load->milliseconds * 1000000ULL;
    const struct timespec pause = {0, 1000000000 / (load->rate > 0 ? load->rate : 200)};
    for (uint64_t began_ns = now_ns(); began_ns < until_ns; began_ns = now_ns()) {
        read_once(fd, request, answer);
        histogram_add(latency, now_ns() - began_ns);
        (void)nanosleep(&pause, NULL);
    }
    (void)close(fd);
    tell_latency(latency);
}
