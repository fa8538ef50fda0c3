/* fetch_engine.c: libcurl's sockets and clock on our loop. */
#include "base/memory.h"
#include "loop/fetch_inside.h"
#include "loop/loop_uv.h"

/* --- Sockets ---------------------------------------------------------------------------------- */

struct watched {
    uv_poll_t poll;
    struct fetch *client;
    curl_socket_t fd;
};

/* After each call in which transfers may have ended. */
static void take_ended(struct fetch *client) {
    int left = 0;
    CURLMsg *msg;
    while ((msg = client->curl.curl_multi_info_read(client->multi, &left)) != NULL) {
        CURL *easy = msg->easy_handle;
        CURLcode code = msg->data.result; /* Now: ending the transfer ends the message. */
        struct fetch_request *request = NULL;
        (void)client->curl.curl_easy_getinfo(easy, CURLINFO_PRIVATE, &request); /* Cannot fail. */
        enum fetch_fault fault = fetch__transfer_judge(request, code);
        if (fetch__wait_again(request, fault)) {
            continue;
        }
        const char *detail = request->error;
        if (fault == FETCH_NONE) {
            detail = "";
        } else if (fault == FETCH_REFUSED) {
            detail = request->refused;
        } else if (fault == FETCH_TLS && client->trust.why[0] != '\0') {
            detail = client->trust.why;
        } else if (detail[0] == '\0') {
            detail = client->curl.curl_easy_strerror(code);
        }
        fetch__end(request, fault, detail);
    }
}

/* What these calls answer is about the handle as a whole, and would be a bug of ours; a transfer's
 * own failure comes as its end. */
static void act(struct fetch *client, curl_socket_t fd, int events) {
    int running = 0;
    CURLMcode code = client->curl.curl_multi_socket_action(client->multi, fd, events, &running);
    assert(code == CURLM_OK);
    take_ended(client);
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
    act(watched->client, watched->fd, flags); /* The call may end `watched`. */
}

static void unload_when_quiet(struct fetch *client);

static void on_socket_closed(uv_handle_t *handle) {
    struct watched *watched = CONTAINER_OF((uv_poll_t *)handle, struct watched, poll);
    struct fetch *client = watched->client;
    loop_breathe(client->loop);
    mem_free(watched);
    client->sockets--;
    unload_when_quiet(client);
}

/* A socket that cannot be watched is not worth the end of all others: its request times out. */
static struct watched *watch(struct fetch *client, curl_socket_t fd) {
    struct watched *watched = mem_new(sizeof *watched);
    watched->client = client;
    watched->fd = fd;
    if (uv_poll_init(loop_uv(client->loop), &watched->poll, fd) != 0) {
        mem_free(watched);
        return NULL;
    }
    client->sockets++;
    return watched;
}

static void unwatch(struct watched *watched) {
    (void)uv_poll_stop(&watched->poll); /* At once: libcurl closes the descriptor after this. */
    uv_close((uv_handle_t *)&watched->poll, on_socket_closed);
}

/* Called by libcurl: `what` it wants to know of the socket from now on. */
static int on_interest(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known) {
    struct fetch *client = ctx;
    struct watched *watched = known;
    if (what == CURL_POLL_REMOVE) {
        if (watched != NULL) {
            (void)client->curl.curl_multi_assign(client->multi, fd,
                                                 NULL); /* The descriptor is known. */
            unwatch(watched);
        }
        return 0;
    }
    if (watched == NULL) {
        watched = watch(client, fd);
        if (watched == NULL) {
            return 0;
        }
        (void)client->curl.curl_multi_assign(client->multi, fd,
                                             watched); /* The descriptor is known. */
    }
    int events = (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    int rc = uv_poll_start(&watched->poll, events, on_ready);
    assert(rc == 0);
    return 0;
}

/* --- The clock -------------------------------------------------------------------------------- */

static void on_soon(struct loop_task *task) {
    act(CONTAINER_OF(task, struct fetch, soon), CURL_SOCKET_TIMEOUT, 0);
}

static void on_timer(struct timer *timer) {
    act(CONTAINER_OF(timer, struct fetch, timer), CURL_SOCKET_TIMEOUT, 0);
}

/* Keeps one wish at a time, the newest. libcurl may not be called from here. */
static int on_wish(CURLM *multi, long after_ms, void *ctx) {
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

/* --- Opening and closing ---------------------------------------------------------------------- */

static void load_run(struct loop_work *work) {
    struct fetch *client = CONTAINER_OF(work, struct fetch, load);
    client->load_err =
        curl_library_open(client->ca_file, &client->curl, &client->trust, &client->load_why);
}

static bool multi_open(struct fetch *client) {
    const struct curl_library *curl = &client->curl;
    client->multi = curl->curl_multi_init();
    if (client->multi == NULL) {
        return false;
    }
    /* Each of these only keeps a value. */
    (void)curl->curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    (void)curl->curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl->curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_wish);
    (void)curl->curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl->curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->running_max);
    return true;
}

static void load_done(struct loop_work *work) {
    struct fetch *client = CONTAINER_OF(work, struct fetch, load);
    if (!err_failed(client->load_err) && !multi_open(client)) {
        client->load_err = err_make(ERR_OUT_OF_MEMORY, "client: open");
        why_set(&client->load_why, "not enough memory");
        curl_library_close(&client->curl, &client->trust);
    }
    client->engine = err_failed(client->load_err) ? ENGINE_COLD : ENGINE_WARM;
    bool short_of = client->engine == ENGINE_COLD && !client->closing &&
                    shortage_suspect(client->shortage, "load the HTTP library") &&
                    shortage_lasts(client->shortage);
    if (client->closing) {
        fetch__unload(client);
    } else if (client->engine == ENGINE_WARM || short_of) {
        fetch__begin_waiting(client);
    } else {
        fetch__load_failed(client); /* The next request tries again. */
    }
}

void fetch__load(struct fetch *client) {
    client->engine = ENGINE_LOADING;
    client->soon.run = on_soon;
    client->load.run = load_run;
    client->load.done = load_done;
    loop_work(client->loop, &client->load);
}

static void unload_end(struct loop_task *task) {
    struct fetch *client = CONTAINER_OF(task, struct fetch, soon);
    void (*closed)(void *ctx) = client->closed;
    void *ctx = client->closed_ctx;
    curl_library_close(&client->curl, &client->trust);
    mem_free(client);
    closed(ctx);
}

static void unload_when_quiet(struct fetch *client) {
    if (client->closing && client->multi == NULL && client->sockets == 0) {
        client->soon.run = unload_end;
        loop_soon(client->loop, &client->soon);
    }
}

void fetch__unload(struct fetch *client) {
    if (client->multi != NULL) {
        (void)client->curl.curl_multi_cleanup(client->multi); /* Nothing runs: cannot fail. */
        client->multi = NULL;
    }
    timer_stop(client->loop, &client->timer);
    loop_task_cancel(client->loop, &client->soon);
    loop_task_cancel(client->loop, &client->more);
    shortage_leave(&client->waiter);
    unload_when_quiet(client);
}
