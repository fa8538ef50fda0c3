/* fetch_sockets.c: the sockets and the timer of libcurl, on the loop. */
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "loop/fetch_transfer.h"
#include "loop/loop_uv.h"

/* --- Probes ----------------------------------------------------------------------------------- */

/* A peer that went away without a word (a laptop that moved, a router that forgot) is noticed by
 * probes of the kernel, never by its silence alone: a model may think for minutes. */
struct probing {
    int idle_s, interval_s, count, unacknowledged_ms;
};
static const struct probing always = {15, 5, 3, 60000}, after_sleep = {1, 1, 5, 6000};

static void probing_set(int fd, const struct probing *probing) {
    static const int on = 1;
    const struct {
        int level, option;
        const int *value;
    } rows[] = {{SOL_SOCKET, SO_KEEPALIVE, &on},
                {IPPROTO_TCP, TCP_KEEPIDLE, &probing->idle_s},
                {IPPROTO_TCP, TCP_KEEPINTVL, &probing->interval_s},
                {IPPROTO_TCP, TCP_KEEPCNT, &probing->count},
                {IPPROTO_TCP, TCP_USER_TIMEOUT, &probing->unacknowledged_ms}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        /* Without it a dead peer is noticed later, by the limits of the request. */
        (void)setsockopt(fd, rows[i].level, rows[i].option, rows[i].value, sizeof(int));
    }
}

void fetch__socket_probe(int fd) {
    probing_set(fd, &always);
}

/* --- Sockets ---------------------------------------------------------------------------------- */

struct watched {
    uv_poll_t poll;
    struct link link;
    struct fetch *client;
    curl_socket_t fd;
};

/* A failure here concerns the handle of all transfers, and would be a bug of ours. A transfer that
 * fails ends, and its message says why. */
static void multi_act(struct fetch *client, curl_socket_t fd, int events) {
    int running = 0;
    CURLMcode code = client->curl.curl_multi_socket_action(client->multi, fd, events, &running);
    assert(code == CURLM_OK);
    fetch__take_ended(client);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct watched *watched = CONTAINER_OF(poll, struct watched, poll);
    loop_breathe(watched->client->loop);
    int flags = 0;
    if (status < 0) {
        flags = CURL_CSELECT_ERR;
    } else {
        flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
        flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    }
    multi_act(watched->client, watched->fd, flags); /* The call may end `watched`. */
}

static void on_socket_closed(uv_handle_t *handle) {
    struct watched *watched = CONTAINER_OF((uv_poll_t *)handle, struct watched, poll);
    struct fetch *client = watched->client;
    loop_breathe(client->loop);
    mem_free(watched);
    client->sockets--;
    fetch__unload_when_quiet(client);
}

/* Called by libcurl: `what` it wants to know of the socket from now on. */
static int on_interest(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known) {
    struct fetch *client = ctx;
    struct watched *watched = known;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            /* The descriptor is known. */
            (void)client->curl.curl_multi_assign(client->multi, fd, NULL);
            link_remove(&watched->link);
            (void)uv_poll_stop(&watched->poll); /* At once: libcurl closes it after this. */
            uv_close((uv_handle_t *)&watched->poll, on_socket_closed);
        }
        return 0;
    }
    if (watched == NULL) {
        watched = mem_new(sizeof *watched);
        watched->client = client;
        watched->fd = fd;
        if (uv_poll_init(loop_uv(client->loop), &watched->poll, fd) != 0) {
            /* Not worth the end of all others: the request times out. */
            mem_free(watched);
            return 0;
        }
        client->sockets++;
        link_add_last(&client->watched, &watched->link);
        (void)client->curl.curl_multi_assign(client->multi, fd, watched); /* As above. */
    }
    int events = (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    int rc = uv_poll_start(&watched->poll, events, on_ready);
    assert(rc == 0);
    return 0;
}

void fetch_after_sleep(struct fetch *client) {
    for (struct link *at = client->watched.next; at != &client->watched; at = at->next) {
        probing_set(CONTAINER_OF(at, struct watched, link)->fd, &after_sleep);
    }
}

/* --- The timer -------------------------------------------------------------------------------- */

static void on_soon(struct loop_task *task) {
    multi_act(CONTAINER_OF(task, struct fetch, soon), CURL_SOCKET_TIMEOUT, 0);
}

static void on_timer(struct timer *timer) {
    multi_act(CONTAINER_OF(timer, struct fetch, timer), CURL_SOCKET_TIMEOUT, 0);
}

/* Keeps one timer, the newest that libcurl asked for. libcurl may not be called from here. */
static int on_timer_request(CURLM *multi, long after_ms, void *ctx) {
    struct fetch *client = ctx;
    if (after_ms > 0) {
        timer_start(client->loop, &client->timer, (uint64_t)after_ms, on_timer);
        return 0;
    }
    timer_stop(client->loop, &client->timer);
    if (after_ms == 0) {
        loop_soon(client->loop, &client->soon);
    }
    return 0;
}

bool fetch__multi_open(struct fetch *client) {
    const struct curl_library *curl = &client->curl;
    client->multi = curl->curl_multi_init();
    if (client->multi == NULL) {
        return false;
    }
    client->soon.run = on_soon;
    /* Each of these only keeps a value. */
    (void)curl->curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    (void)curl->curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl->curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer_request);
    (void)curl->curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl->curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->running_max);
    return true;
}
