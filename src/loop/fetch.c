/* fetch.c: requests from their start until their end is delivered. libcurl is called only from
 * fetch_transfer.c and fetch_engine.c. */
#include "loop/fetch.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "loop/fetch_inside.h"

enum { BEGIN_AT_ONCE = 16 };

/* --- The ring of those that wait -------------------------------------------------------------- */

static void ring_add_after(struct fetch_request *before, struct fetch_request *request) {
    request->prev = before;
    request->next = before->next;
    before->next->prev = request;
    before->next = request;
    request->client->waiting_count++;
}

static void ring_remove(struct fetch_request *request) {
    request->prev->next = request->next;
    request->next->prev = request->prev;
    request->client->waiting_count--;
}

/* --- Ending and telling ----------------------------------------------------------------------- */

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
static void withdraw(struct fetch_request *request) {
    struct fetch *client = request->client;
    timer_stop(client->loop, &request->phase);
    timer_stop(client->loop, &request->total);
    if (request->stage == STAGE_WAITING) {
        ring_remove(request);
    } else if (request->stage == STAGE_RUNNING) {
        fetch__transfer_free(request);
        client->running_count--;
    }
}

void fetch__end(struct fetch_request *request, enum fetch_fault fault, const char *detail) {
    struct fetch *client = request->client;
    withdraw(request);
    request->stage = STAGE_ENDED;
    request->fault = fault;
    if (detail != request->detail) {
        size_t len = strnlen(detail, sizeof request->detail - 1);
        memcpy(request->detail, detail, len);
        request->detail[len] = '\0';
    }
    /* Parts of it come from the other side. */
    utf8_make_plain(request->detail, strlen(request->detail));
    client->failed += fault != FETCH_NONE;
    loop_soon(client->loop, &request->tell);
    fetch__begin_waiting(client);
}

static struct fetch_answer answer_of(const struct fetch_request *request) {
    if (!request->head_whole) {
        return (struct fetch_answer){.status = 0};
    }
    return (struct fetch_answer){request->status, {request->head.data, request->head.len}};
}

/* Deliver the head, or a piece; false: there is no more to deliver now, or no request any more. */
static bool tell_head(struct fetch_request *request, const bool *gone) {
    if (!request->head_whole || request->head_told) {
        return true;
    }
    request->head_told = true;
    if (request->call.head != NULL) {
        struct fetch_answer answer = answer_of(request);
        request->call.head(request->call.ctx, &answer);
    }
    return !*gone && !request->paused;
}

static bool tell_pieces(struct fetch_request *request, const bool *gone) {
    if (request->held.len == 0) {
        return true;
    }
    size_t len = 0;
    AUTO(mem_release) char *data = text_take(&request->held, &len);
    request->call.piece(request->call.ctx, (struct bytes){data, len});
    return !*gone && !request->paused;
}

static void tell_end(struct fetch_request *request) {
    request->stage = STAGE_TOLD;
    request->client->live--; /* In `done`, the client may be closed. */
    struct fetch_result result = {
        .fault = request->fault, .answer = answer_of(request), .detail = request->detail};
    request->call.done(request->call.ctx, &result);
    request_free(request);
}

/* libcurl hands over at once what it held back, so there may be more to tell. */
static void take_more(struct fetch_request *request) {
    struct fetch *client = request->client;
    if (request->held_back && request->stage == STAGE_RUNNING) {
        request->held_back = false;
        /* A failure comes out as the transfer's own end. */
        (void)client->curl.curl_easy_pause(request->easy, CURLPAUSE_CONT);
    }
}

static void tell(struct loop_task *task) {
    struct fetch_request *request = CONTAINER_OF(task, struct fetch_request, tell);
    if (request->paused) {
        return; /* The resume comes back here. */
    }
    bool gone = false;
    request->gone = &gone;
    bool on = tell_head(request, &gone) && tell_pieces(request, &gone);
    if (gone) {
        return;
    }
    request->gone = NULL;
    if (on && request->stage == STAGE_ENDED) {
        tell_end(request);
    } else if (on) {
        take_more(request);
    }
}

/* --- Time-outs -------------------------------------------------------------------------------- */

static void phase_over(struct timer *timer) {
    struct fetch_request *request = CONTAINER_OF(timer, struct fetch_request, phase);
    fetch__end(request, request->phase_fault, "");
}

static void total_over(struct timer *timer) {
    struct fetch_request *request = CONTAINER_OF(timer, struct fetch_request, total);
    fetch__end(request, FETCH_TOTAL_TIMEOUT, "");
}

void fetch__phase(struct fetch_request *request, uint64_t after_ms, enum fetch_fault fault) {
    request->phase_fault = fault;
    if (after_ms == 0 || request->paused) {
        timer_stop(request->client->loop, &request->phase);
    } else {
        timer_start(request->client->loop, &request->phase, after_ms, phase_over);
    }
}

/* --- Beginning -------------------------------------------------------------------------------- */

/* The resolver's threads, TLS and libcurl itself need descriptors too, and don't say by what errno
 * they fail. */
static bool has_starved(struct fetch_request *request, enum fetch_fault fault) {
    struct shortage *shortage = request->client->shortage;
    static const char what[] = "send a request";
    if (shortage == NULL || request->asked || fault == FETCH_NONE) {
        return false;
    }
    if (request->starved) {
        shortage_report(shortage, what,
                        err_from_errno(request->starved_os, "client: open a socket"));
        return true;
    }
    bool unknown = fault == FETCH_RESOLVE || fault == FETCH_CONNECT || fault == FETCH_TLS ||
                   fault == FETCH_FAILED;
    return unknown && shortage_suspect(shortage, what);
}

bool fetch__wait_again(struct fetch_request *request, enum fetch_fault fault) {
    struct fetch *client = request->client;
    if (!has_starved(request, fault) || !shortage_lasts(client->shortage)) {
        return false;
    }
    request->starved = false;
    timer_stop(client->loop, &request->phase);
    fetch__transfer_free(request);
    client->running_count--;
    request->stage = STAGE_WAITING;
    request->error[0] = request->detail[0] = request->refused[0] = '\0';
    ring_add_after(&client->waiting, request);
    fetch__begin_waiting(client);
    return true;
}

static void begin(struct fetch_request *request) {
    struct fetch *client = request->client;
    ring_remove(request);
    request->stage = STAGE_RUNNING;
    client->running_count++;
    fetch__phase(request, request->call.limits.connect_ms, FETCH_CONNECT_TIMEOUT);
    enum fetch_fault fault = fetch__transfer_begin(request);
    if (fault != FETCH_NONE && !fetch__wait_again(request, fault)) {
        fetch__end(request, fault, request->detail);
    }
}

static void load_if_cold(struct fetch *client) {
    if (client->engine == ENGINE_COLD && client->waiting_count > 0 &&
        !shortage_lasts(client->shortage)) {
        fetch__load(client);
    }
}

static void begin_more(struct loop_task *task) {
    struct fetch *client = CONTAINER_OF(task, struct fetch, more);
    load_if_cold(client);
    fetch__begin_waiting(client);
}

/* One that ends as it begins would call this again from within; the loop here has it anyway. Each
 * takes some 30 microseconds: hundreds at once would hold up the loop. */
void fetch__begin_waiting(struct fetch *client) {
    if (client->beginning) {
        return;
    }
    client->beginning = true;
    unsigned begun = 0;
    while (client->engine == ENGINE_WARM && client->waiting_count > 0 &&
           client->running_count < client->running_max && !shortage_lasts(client->shortage)) {
        if (begun++ == BEGIN_AT_ONCE) {
            loop_soon(client->loop, &client->more);
            break;
        }
        begin(client->waiting.next);
    }
    client->beginning = false;
    if (client->waiting_count > 0 && shortage_lasts(client->shortage)) {
        shortage_await(client->shortage, &client->waiter, &client->more);
    }
}

void fetch__load_failed(struct fetch *client) {
    while (client->waiting_count > 0) {
        fetch__end(client->waiting.next, FETCH_LIBRARY, client->load_why.text);
    }
}

static void copy_headers(struct fetch_request *request) {
    const struct fetch_call *call = &request->call;
    assert(call->header_count <= FETCH_HEADERS_MAX);
    for (size_t i = 0; i < call->header_count; i++) {
        const struct fetch_header *header = &call->headers[i];
        /* With a colon and nothing behind it, libcurl would leave the header out. */
        text_addf(&request->headers, header->value[0] == '\0' ? "%s;" : "%s: ", header->name);
        text_add_str(&request->headers, header->value);
        text_add_char(&request->headers, '\0');
    }
}

struct err fetch_start(struct fetch *client, const struct fetch_call *call,
                       struct fetch_request **ret_request) {
    assert(!client->closing);
    if (client->waiting_count >= FETCH_WAITING_MAX) {
        return err_make(ERR_OVERLOADED, "client: start");
    }
    struct fetch_request *request = mem_new(sizeof *request);
    *request = (struct fetch_request){.client = client,
                                      .call = *call,
                                      .method = mem_copy(call->method, strlen(call->method)),
                                      .url = mem_copy(call->url, strlen(call->url)),
                                      .tell = {.run = tell}};
    text_init(&request->headers, FETCH_HEAD_MAX);
    text_init(&request->head, FETCH_HEAD_MAX);
    text_init(&request->held, FETCH_HELD_MAX);
    copy_headers(request);
    client->live++;
    client->started++;
    ring_add_after(client->waiting.prev, request);
    if (call->limits.total_ms > 0) {
        timer_start(client->loop, &request->total, call->limits.total_ms, total_over);
    }
    *ret_request = request;
    load_if_cold(client);
    fetch__begin_waiting(client);
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
    withdraw(request);
    loop_task_cancel(client->loop, &request->tell);
    request_free(request);
    client->live--;
    fetch__begin_waiting(client);
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
        fetch__phase(request, request->call.limits.stall_ms, FETCH_STALL_TIMEOUT);
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
    client->waiting.prev = client->waiting.next = &client->waiting;
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
        fetch__unload(client);
    }
}

void fetch_get_stats(const struct fetch *client, struct fetch_stats *ret_stats) {
    *ret_stats = (struct fetch_stats){.started = client->started,
                                      .failed = client->failed,
                                      .running = client->running_count,
                                      .waiting = client->waiting_count};
}
