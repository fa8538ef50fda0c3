/* fetch.c: requests from their start until their end is delivered: the queue, the limits of time,
 * and the loading of libcurl. A transfer: fetch_transfer.c. Sockets and timer of libcurl:
 * fetch_sockets.c.
 *
 * libcurl may not be called from most of its own callbacks. So those only keep what came and mark
 * what went wrong; the rest happens when libcurl has returned, or in the request's task.
 */
#include "loop/fetch.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "loop/fetch_transfer.h"

static void waiting_begin(struct fetch *client);

/* --- A request's end -------------------------------------------------------------------------- */

static void request_free(struct fetch_request *request) {
    text_done(&request->headers);
    text_done(&request->head);
    text_done(&request->held);
    mem_free(request->method);
    mem_free(request->url);
    mem_free(request->host);
    mem_free(request);
}

/* Takes it out of wherever it is, without a word. */
static void request_withdraw(struct fetch_request *request) {
    struct fetch *client = request->client;
    timer_stop(client->loop, &request->phase);
    timer_stop(client->loop, &request->total);
    if (request->stage == STAGE_WAITING) {
        link_remove(&request->link);
        client->waiting_count--;
    } else if (request->stage == STAGE_RUNNING) {
        fetch__transfer_free(request);
        client->running_count--;
    }
}

/* `detail` NULL: stands in the request already. */
static void request_end(struct fetch_request *request, enum fetch_fault fault, const char *detail) {
    struct fetch *client = request->client;
    request_withdraw(request);
    request->stage = STAGE_ENDED;
    request->fault = detail == NULL ? fault : fetch__fail(request, fault, detail);
    /* Parts of it come from the other side. */
    utf8_make_plain(request->detail, strlen(request->detail));
    client->failed += fault != FETCH_NONE;
    loop_soon(client->loop, &request->tell);
    waiting_begin(client);
}

static void phase_over(struct timer *timer) {
    struct fetch_request *request = CONTAINER_OF(timer, struct fetch_request, phase);
    request_end(request, request->phase_fault, "");
}

void fetch__phase_begin(struct fetch_request *request, uint64_t after_ms, enum fetch_fault fault) {
    request->phase_fault = fault;
    if (after_ms == 0 || request->paused) {
        timer_stop(request->client->loop, &request->phase);
    } else {
        timer_start(request->client->loop, &request->phase, after_ms, phase_over);
    }
}

static void total_over(struct timer *timer) {
    request_end(CONTAINER_OF(timer, struct fetch_request, total), FETCH_TOTAL_TIMEOUT, "");
}

static struct fetch_answer answer_of(const struct fetch_request *request) {
    if (request->head_state == HEAD_COMING) {
        return (struct fetch_answer){.status = 0};
    }
    return (struct fetch_answer){request->status, {request->head.data, request->head.len}};
}

/* Delivers the head, pieces and the end, in this order, until the caller pauses or cancels. */
static void request_tell(struct loop_task *task) {
    struct fetch_request *request = CONTAINER_OF(task, struct fetch_request, tell);
    struct fetch *client = request->client;
    if (request->paused) {
        return; /* The resume comes back here. */
    }
    bool gone = false;
    request->gone = &gone;
    if (request->head_state == HEAD_WHOLE) {
        request->head_state = HEAD_TOLD;
        if (request->call.head != NULL) {
            struct fetch_answer answer = answer_of(request);
            request->call.head(request->call.ctx, &answer);
        }
    }
    if (!gone && !request->paused && request->held.len > 0) {
        size_t len = 0;
        AUTO(mem_release) char *data = text_take(&request->held, &len);
        request->call.piece(request->call.ctx, (struct bytes){data, len});
    }
    if (gone) {
        return;
    }
    request->gone = NULL;
    if (request->paused) {
        return;
    }
    if (request->stage == STAGE_ENDED) {
        request->stage = STAGE_TOLD;
        client->live--; /* In `done`, the client may be closed. */
        struct fetch_result result = {
            .fault = request->fault, .answer = answer_of(request), .detail = request->detail};
        request->call.done(request->call.ctx, &result);
        request_free(request);
    } else if (request->held_back && request->stage == STAGE_RUNNING) {
        /* libcurl hands over at once what it held back, so there may be more to tell. A failure
         * comes out as the transfer's own end. */
        request->held_back = false;
        (void)client->curl.curl_easy_pause(request->easy, CURLPAUSE_CONT);
    }
}

/* --- Beginning -------------------------------------------------------------------------------- */

/* For a request that was not sent. True: no descriptor was free, and it waits again. The resolver's
 * threads, TLS and libcurl itself need descriptors too, and don't say by what errno they fail. */
static bool request_wait_again(struct fetch_request *request, enum fetch_fault fault) {
    static const char what[] = "send a request";
    struct fetch *client = request->client;
    if (client->shortage == NULL || request->asked || fault == FETCH_NONE) {
        return false;
    }
    bool unknown = fault == FETCH_RESOLVE || fault == FETCH_CONNECT || fault == FETCH_TLS ||
                   fault == FETCH_FAILED;
    if (request->starved_os != 0) {
        shortage_report(client->shortage, what,
                        err_from_errno(request->starved_os, "client: open a socket"));
    } else if (!unknown || !shortage_suspect(client->shortage, what)) {
        return false;
    }
    if (!shortage_lasts(client->shortage)) {
        return false;
    }
    request->starved_os = 0;
    timer_stop(client->loop, &request->phase);
    fetch__transfer_free(request);
    client->running_count--;
    request->stage = STAGE_WAITING;
    request->error[0] = request->detail[0] = request->refused[0] = '\0';
    link_add_first(&client->waiting, &request->link);
    client->waiting_count++;
    waiting_begin(client);
    return true;
}

/* A request that ends as it begins would call this again from within; the loop here has it anyway.
 * Each takes 30 microseconds here and as much when libcurl connects it, and the first ones of a
 * daemon ten times that: hundreds at once would hold up the loop, started one by one or not. */
static void waiting_begin(struct fetch *client) {
    if (client->beginning) {
        return;
    }
    client->beginning = true;
    while (client->engine == ENGINE_WARM && client->waiting_count > 0 &&
           client->running_count < client->running_max && !shortage_lasts(client->shortage)) {
        if (client->begun == FETCH_BEGUN_AT_ONCE) {
            loop_soon(client->loop, &client->more);
            break;
        }
        client->begun++;
        struct fetch_request *request =
            CONTAINER_OF(links_take(&client->waiting), struct fetch_request, link);
        client->waiting_count--;
        request->stage = STAGE_RUNNING;
        client->running_count++;
        fetch__phase_begin(request, request->call.limits.connect_ms, FETCH_CONNECT_TIMEOUT);
        enum fetch_fault fault = fetch__transfer_begin(request);
        if (fault != FETCH_NONE && !request_wait_again(request, fault)) {
            request_end(request, fault, NULL /* the detail is there */);
        }
    }
    client->beginning = false;
    if (client->waiting_count > 0 && shortage_lasts(client->shortage)) {
        shortage_await(client->shortage, &client->waiter, &client->more);
    }
}

/* --- Ends of transfers ------------------------------------------------------------------------ */

void fetch__take_ended(struct fetch *client) {
    int left = 0;
    CURLMsg *msg;
    while ((msg = client->curl.curl_multi_info_read(client->multi, &left)) != NULL) {
        CURL *easy = msg->easy_handle;
        CURLcode code = msg->data.result; /* Now: ending the transfer ends the message. */
        struct fetch_request *request = NULL;
        (void)client->curl.curl_easy_getinfo(easy, CURLINFO_PRIVATE, &request); /* Cannot fail. */
        enum fetch_fault fault = fetch__transfer_judge(request, code);
        if (request_wait_again(request, fault)) {
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
        request_end(request, fault, detail);
    }
}

/* --- Opening and closing ---------------------------------------------------------------------- */

static void load_run(struct loop_work *work) {
    struct fetch *client = CONTAINER_OF(work, struct fetch, load);
    client->load_err =
        curl_library_open(client->ca_file, &client->curl, &client->trust, &client->load_why);
}

static void fetch_unload(struct fetch *client);

static void load_done(struct loop_work *work) {
    struct fetch *client = CONTAINER_OF(work, struct fetch, load);
    if (!err_failed(client->load_err) && !fetch__multi_open(client)) {
        client->load_err = err_why(&client->load_why, ERR_OUT_OF_MEMORY, "not enough memory");
        curl_library_close(&client->curl, &client->trust);
    }
    client->engine = err_failed(client->load_err) ? ENGINE_COLD : ENGINE_WARM;
    if (client->closing) {
        fetch_unload(client);
        return;
    }
    if (client->engine == ENGINE_WARM ||
        (shortage_suspect(client->shortage, "load the HTTP library") &&
         shortage_lasts(client->shortage))) {
        waiting_begin(client);
        return;
    }
    while (client->waiting_count > 0) { /* The next request tries again. */
        request_end(CONTAINER_OF(client->waiting.next, struct fetch_request, link), FETCH_LIBRARY,
                    client->load_why.text);
    }
}

static void load_if_cold(struct fetch *client) {
    if (client->engine == ENGINE_COLD && client->waiting_count > 0 &&
        !shortage_lasts(client->shortage)) {
        client->engine = ENGINE_LOADING;
        client->load.run = load_run;
        client->load.done = load_done;
        loop_work(client->loop, &client->load);
    }
}

static void begin_more(struct loop_task *task) {
    struct fetch *client = CONTAINER_OF(task, struct fetch, more);
    client->begun = 0;
    load_if_cold(client);
    waiting_begin(client);
}

static void unload_end(struct loop_task *task) {
    struct fetch *client = CONTAINER_OF(task, struct fetch, soon);
    void (*closed)(void *ctx) = client->closed;
    void *ctx = client->closed_ctx;
    curl_library_close(&client->curl, &client->trust);
    mem_free(client);
    closed(ctx);
}

void fetch__unload_when_quiet(struct fetch *client) {
    if (client->closing && client->multi == NULL && client->sockets == 0) {
        client->soon.run = unload_end;
        loop_soon(client->loop, &client->soon);
    }
}

static void fetch_unload(struct fetch *client) {
    if (client->multi != NULL) {
        (void)client->curl.curl_multi_cleanup(client->multi); /* Nothing runs: cannot fail. */
        client->multi = NULL;
    }
    timer_stop(client->loop, &client->timer);
    loop_task_cancel(client->loop, &client->soon);
    loop_task_cancel(client->loop, &client->more);
    shortage_leave(&client->waiter);
    fetch__unload_when_quiet(client);
}

/* --- What the caller asks for ----------------------------------------------------------------- */

struct err fetch_start(struct fetch *client, const struct fetch_call *call,
                       struct fetch_request **ret_request) {
    assert(!client->closing);
    if (client->waiting_count + client->running_count >= FETCH_WAITING_MAX + client->running_max) {
        return err_make(ERR_OVERLOADED, "client: start");
    }
    struct fetch_request *request = mem_new(sizeof *request);
    *request = (struct fetch_request){.client = client,
                                      .call = *call,
                                      .method = mem_copy(call->method, strlen(call->method)),
                                      .url = mem_copy(call->url, strlen(call->url)),
                                      .headers = text_up_to(FETCH_HEAD_MAX),
                                      .head = text_up_to(FETCH_HEAD_MAX),
                                      .held = text_up_to(FETCH_HELD_MAX),
                                      .tell = {.run = request_tell}};
    assert(call->header_count <= FETCH_HEADERS_MAX);
    for (size_t i = 0; i < call->header_count; i++) {
        const struct fetch_header *header = &call->headers[i];
        /* With a colon and nothing after it, libcurl would leave the header out. */
        text_addf(&request->headers, header->value[0] == '\0' ? "%s;" : "%s: ", header->name);
        text_add_str(&request->headers, header->value);
        text_add_char(&request->headers, '\0');
    }
    client->live++;
    client->started++;
    link_add_last(&client->waiting, &request->link);
    client->waiting_count++;
    if (call->limits.total_ms > 0) {
        timer_start(client->loop, &request->total, call->limits.total_ms, total_over);
    }
    *ret_request = request;
    load_if_cold(client);
    waiting_begin(client);
    return ERR_OK;
}

/* --- What the caller may do meanwhile --------------------------------------------------------- */

void fetch_cancel(struct fetch_request *request) {
    struct fetch *client = request->client;
    if (request->stage == STAGE_TOLD) {
        return; /* From inside `done`: it is over. */
    }
    if (request->gone != NULL) {
        *request->gone = true;
    }
    request_withdraw(request);
    loop_task_cancel(client->loop, &request->tell);
    request_free(request);
    client->live--;
    waiting_begin(client);
}

void fetch_pause(struct fetch_request *request) {
    request->paused = true;
    if (request->phase_fault == FETCH_STALL_TIMEOUT) {
        timer_stop(request->client->loop, &request->phase);
    }
}

void fetch_resume(struct fetch_request *request) {
    if (!request->paused) {
        return;
    }
    request->paused = false;
    if (request->phase_fault == FETCH_STALL_TIMEOUT && request->stage == STAGE_RUNNING) {
        fetch__phase_begin(request, request->call.limits.stall_ms, FETCH_STALL_TIMEOUT);
    }
    loop_soon(request->client->loop, &request->tell);
}

/* --- The client ------------------------------------------------------------------------------- */

void fetch_open(const struct fetch_options *options, struct fetch **ret_client) {
    struct fetch *client = mem_new(sizeof *client);
    client->loop = options->loop;
    client->ca_file = options->ca_file;
    client->shortage = options->shortage;
    client->running_max = options->running_max != 0 ? options->running_max : FETCH_RUNNING_MAX;
    links_init(&client->waiting);
    links_init(&client->watched);
    client->more.run = begin_more;
    *ret_client = client;
}

void fetch_close(struct fetch *client, void (*closed)(void *ctx), void *ctx) {
    assert(client->live == 0);
    assert(!client->closing);
    client->closing = true;
    client->closed = closed;
    client->closed_ctx = ctx;
    if (client->engine != ENGINE_LOADING) { /* Else it is waited for. */
        fetch_unload(client);
    }
}

void fetch_get_stats(const struct fetch *client, struct fetch_stats *ret_stats) {
    *ret_stats = (struct fetch_stats){.started = client->started,
                                      .failed = client->failed,
                                      .running = client->running_count,
                                      .waiting = client->waiting_count};
}
