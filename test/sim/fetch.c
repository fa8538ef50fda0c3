/* fetch.c: substitutes loop/fetch.h: requests reach the simulated servers instead of sockets.
 *
 *   waiting ──> connecting ──> asked ──> answering ──> ended ──> told
 *                    └────────────┴──────────┴── silent: only a limit ends it
 *
 * A suspend of the machine kills some of the connections that stand then: they are silent, and once
 * the daemon has noticed that the machine woke, they end within DEAD_MS.
 *
 * The rules of the real client hold here as they stand in its header: `running_max`, the guard of
 * addresses, all limits, back pressure at FETCH_HELD_MAX, callbacks never inside a call. The
 * library is "opened" by a pool job with the first request, so that a request may start and be
 * cancelled before anything is there.
 */
#include "loop/fetch.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"
#include "loop/sleep_watch.h"
#include "outages.h"
#include "servers.h"
#include "sim.h"

enum { DETAIL_MAX = 256, PIECES_TYPICAL = 24, DEAD_MS = 6000 };

/* By then a wake is noticed, and dead connections are ended. */
enum { NOTICED_MS = SLEEP_LOOK_MS + DEAD_MS + 2000 };

enum fetch_stage { STAGE_WAITING, STAGE_RUNNING, STAGE_ENDED, STAGE_TOLD };
enum fetch_link { LINK_CONNECTING, LINK_ASKED, LINK_ANSWERING, LINK_SILENT };

struct fetch_request {
    struct fetch_request *prev, *next; /* In the ring of those that wait, or that run. */
    struct fetch *client;              /* Borrowed. */
    struct fetch_call call;            /* method, url and headers are owned copies. */
    char *method, *url;                /* Owned. */
    struct fetch_header *headers;      /* Owned, as are the texts in it. */
    enum fetch_stage stage;
    enum fetch_link link;
    struct server_reply reply; /* Filled once it runs. */
    struct timer event;        /* The next thing that the other side does. */
    struct timer phase, total; /* Limits. */
    enum fetch_fault phase_fault, fault;
    unsigned sleeps; /* Number of suspends when its connection was looked at last. */
    bool dead;       /* The other side will never hear, nor be heard. */
    int status;      /* 0: no head came yet. */
    size_t sent, received;
    struct text held; /* Pieces that were not handed over yet. */
    uint64_t piece_count;
    bool head_told, held_back, paused;
    bool *gone; /* Set by a cancel while a callback of this request runs. */
    struct loop_task tell;
    char detail[DETAIL_MAX];
};

enum fetch_engine { ENGINE_COLD, ENGINE_LOADING, ENGINE_WARM };

struct fetch {
    struct loop *loop;
    size_t running_max, waiting_count, running_count, live;
    enum fetch_engine engine;
    struct loop_work load;
    unsigned loads;
    struct fetch_request waiting, running; /* Heads of rings. */
    uint64_t started, failed;
    bool beginning, closing;
    struct loop_task close_task;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void waiting_begin(struct fetch *client);

/* --- Rings ------------------------------------------------------------------------------------ */

static void ring_add(struct fetch_request *ring, struct fetch_request *request) {
    request->prev = ring->prev;
    request->next = ring;
    ring->prev->next = request;
    ring->prev = request;
}

static void ring_remove(struct fetch_request *request) {
    request->prev->next = request->next;
    request->next->prev = request->prev;
}

/* --- Ending and telling ----------------------------------------------------------------------- */

static void request_free(struct fetch_request *request) {
    server_reply_done(&request->reply);
    text_done(&request->held);
    for (size_t i = 0; i < request->call.header_count; i++) {
        mem_free((char *)request->headers[i].name);
        mem_free((char *)request->headers[i].value);
    }
    mem_free(request->headers);
    mem_free(request->method);
    mem_free(request->url);
    mem_free(request);
}

static void request_withdraw(struct fetch_request *request) {
    struct fetch *client = request->client;
    timer_stop(client->loop, &request->event);
    timer_stop(client->loop, &request->phase);
    timer_stop(client->loop, &request->total);
    if (request->stage == STAGE_WAITING || request->stage == STAGE_RUNNING) {
        ring_remove(request);
        client->waiting_count -= request->stage == STAGE_WAITING;
        client->running_count -= request->stage == STAGE_RUNNING;
    }
}

static void request_end(struct fetch_request *request, enum fetch_fault fault, const char *detail) {
    struct fetch *client = request->client;
    request_withdraw(request);
    request->stage = STAGE_ENDED;
    request->fault = fault;
    (void)snprintf(request->detail, sizeof request->detail, "%s", detail); /* Cut at worst. */
    utf8_make_plain(request->detail, strlen(request->detail));
    client->failed += fault != FETCH_NONE;
    loop_soon(client->loop, &request->tell);
    waiting_begin(client);
}

static struct fetch_answer request_answer(const struct fetch_request *request) {
    if (request->status == 0) {
        return (struct fetch_answer){.status = 0};
    }
    const struct text *head = &request->reply.head;
    return (struct fetch_answer){request->status,
                                 {head->data != NULL ? head->data : "", head->len}};
}

static void body_next(struct fetch_request *request);

static bool head_tell(struct fetch_request *request, const bool *gone) {
    if (request->status == 0 || request->head_told) {
        return true;
    }
    request->head_told = true;
    if (request->call.head != NULL) {
        struct fetch_answer answer = request_answer(request);
        request->call.head(request->call.ctx, &answer);
    }
    return !*gone && !request->paused;
}

static bool pieces_tell(struct fetch_request *request, const bool *gone) {
    if (request->held.len == 0) {
        return true;
    }
    size_t len = 0;
    AUTO(mem_release) char *data = text_take(&request->held, &len);
    request->call.piece(request->call.ctx, (struct bytes){data, len});
    return !*gone && !request->paused;
}

static void end_tell(struct fetch_request *request) {
    request->stage = STAGE_TOLD;
    request->client->live--; /* In `done`, the client may be closed. */
    struct fetch_result result = {
        .fault = request->fault, .answer = request_answer(request), .detail = request->detail};
    request->call.done(request->call.ctx, &result);
    if (request->fault == FETCH_NONE && request->status == 429) {
        outages_refused(&request->call, text_bytes(&request->reply.body));
    }
    request_free(request);
}

static void tell_run(struct loop_task *task) {
    struct fetch_request *request = CONTAINER_OF(task, struct fetch_request, tell);
    if (request->paused) {
        return; /* fetch_resume queues the task again. */
    }
    bool gone = false;
    request->gone = &gone;
    bool on = head_tell(request, &gone) && pieces_tell(request, &gone);
    if (gone) {
        return;
    }
    request->gone = NULL;
    if (on && request->stage == STAGE_ENDED) {
        end_tell(request);
    } else if (on && request->held_back && request->stage == STAGE_RUNNING) {
        request->held_back = false;
        body_next(request);
    }
}

/* --- Limits ----------------------------------------------------------------------------------- */

/* Whether the connection died in a suspend. */
static bool request_dies(struct fetch_request *request) {
    const struct servers *servers = servers_in_use();
    const bool stands = request->link != LINK_CONNECTING;
    if (stands && request->sleeps != servers->sleeps) {
        uint64_t key = request->reply.cut_key * 7U + servers->sleeps;
        request->dead = request->dead || servers_choose(servers, key, "dies") % 4 != 0;
        request->link = request->dead ? LINK_SILENT : request->link;
        request->sleeps = servers->sleeps;
    }
    return request->dead;
}

/* A limit ends it. That is the way of a dead connection only until the wake is noticed. */
static void limit_over(struct fetch_request *request, enum fetch_fault fault) {
    const uint64_t since_ns = sim_now_ns(sim_current()) - servers_in_use()->woke_ns;
    if (request_dies(request) && since_ns > (uint64_t)NOTICED_MS * 1000000) {
        sim_fail(sim_current(),
                 "a connection died in a suspend, and only its limit ended it, %llu ms after the"
                 " machine woke",
                 (unsigned long long)(since_ns / 1000000));
    }
    request_end(request, fault, "");
}

static void phase_over(struct timer *timer) {
    struct fetch_request *request = CONTAINER_OF(timer, struct fetch_request, phase);
    limit_over(request, request->phase_fault);
}

static void total_over(struct timer *timer) {
    limit_over(CONTAINER_OF(timer, struct fetch_request, total), FETCH_TOTAL_TIMEOUT);
}

static void phase_set(struct fetch_request *request, uint64_t after_ms, enum fetch_fault fault) {
    request->phase_fault = fault;
    if (after_ms == 0 || request->paused) {
        timer_stop(request->client->loop, &request->phase);
    } else {
        timer_start(request->client->loop, &request->phase, after_ms, phase_over);
    }
}

/* --- The other side --------------------------------------------------------------------------- */

static void body_event(struct timer *timer);

static size_t piece_size(struct fetch_request *request, size_t rest) {
    const struct servers *servers = servers_in_use();
    uint64_t key = request->reply.cut_key * 1000003U + request->piece_count++;
    uint64_t pick = servers_choose(servers, key, "piece");
    size_t typical = request->reply.body.len / PIECES_TYPICAL + 1;
    size_t size =
        pick % 8 == 0 ? 1 + (size_t)(pick >> 8) % 7 : 1 + (size_t)(pick >> 8) % (2 * typical);
    size = size < FETCH_HELD_MAX ? size : FETCH_HELD_MAX;
    return size < rest ? size : rest;
}

static void body_end(struct fetch_request *request) {
    if (request->reply.end == REPLY_WHOLE) {
        request_end(request, FETCH_NONE, "");
    } else if (request->reply.end == REPLY_CUT_OFF) {
        request_end(request, FETCH_CUT_OFF, "connection reset by the simulated peer");
    } else {
        request->link = LINK_SILENT;
    }
}

static void body_next(struct fetch_request *request) {
    uint64_t key = request->reply.cut_key * 31U + request->piece_count;
    uint64_t pick = servers_choose(servers_in_use(), key, "gap");
    uint64_t gap_ms = request->reply.gap_ms == 0 ? 0 : pick % (request->reply.gap_ms + 1);
    timer_start(request->client->loop, &request->event, gap_ms, body_event);
}

static void body_event(struct timer *timer) {
    struct fetch_request *request = CONTAINER_OF(timer, struct fetch_request, event);
    const struct text *body = &request->reply.body;
    size_t most = request->reply.sent_max < body->len ? request->reply.sent_max : body->len;
    if (request_dies(request)) {
        return;
    }
    if (request->sent == most) {
        body_end(request);
        return;
    }
    size_t len = piece_size(request, most - request->sent);
    size_t size_max = request->call.limits.size_max;
    phase_set(request, request->call.limits.stall_ms, FETCH_STALL_TIMEOUT);
    if (size_max > 0 && len > size_max - request->received) {
        request_end(request, FETCH_TOO_LARGE, "");
        return;
    }
    if (request->call.piece != NULL) {
        if (len > FETCH_HELD_MAX - request->held.len) {
            request->held_back = true; /* The other side waits until pieces were taken. */
            return;
        }
        text_add(&request->held, body->data + request->sent, len);
        loop_soon(request->client->loop, &request->tell);
    }
    request->sent += len;
    request->received += len;
    body_next(request);
}

static void head_event(struct timer *timer) {
    struct fetch_request *request = CONTAINER_OF(timer, struct fetch_request, event);
    if (request_dies(request)) {
        return;
    }
    phase_set(request, request->call.limits.stall_ms, FETCH_STALL_TIMEOUT);
    if (request->reply.link == FETCH_CUT_OFF || request->reply.link == FETCH_NOT_HTTP ||
        request->reply.link == FETCH_FAILED) {
        request_end(request, request->reply.link, "the simulated peer did so");
        return;
    }
    if (request->reply.head.len > FETCH_HEAD_MAX) {
        request_end(request, FETCH_TOO_LARGE, "");
        return;
    }
    request->link = LINK_ANSWERING;
    request->status = request->reply.status;
    loop_soon(request->client->loop, &request->tell);
    body_next(request);
}

/* The host of a URL that curl would take; false: it would not. */
static bool url_read(const char *url, struct server_request *ret) {
    size_t scheme = strncasecmp(url, "http://", 7) == 0 ? 7 : 0;
    scheme = strncasecmp(url, "https://", 8) == 0 ? 8 : scheme;
    const char *host = url + scheme;
    size_t authority = strcspn(host, "/?#");
    if (scheme == 0 || memchr(host, '@', authority) != NULL || strpbrk(url, " \t\r\n") != NULL) {
        return false;
    }
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    ret->url = (struct bytes){url, strlen(url)};
    ret->host = (struct bytes){host, len < authority ? len : authority};
    ret->path = (struct bytes){host + authority, strlen(host + authority)};
    return ret->host.len > 0;
}

/* The guard judges the address as the real client does. */
static bool address_may(struct fetch_request *request, const struct server_request *asked) {
    struct address address;
    AUTO(mem_release) char *host = mem_copy(asked->host.data, asked->host.len);
    bool known = address_parse(request->reply.address, /* port */ 443, &address);
    assert(known);
    if (address_allowed(request->call.allow, &address, host)) {
        return true;
    }
    (void)snprintf(request->detail, sizeof request->detail, "%s is a %s address",
                   request->reply.address, address_kind_name(address_judge(&address)));
    return false;
}

static void connect_event(struct timer *timer) {
    struct fetch_request *request = CONTAINER_OF(timer, struct fetch_request, event);
    const struct server_reply *reply = &request->reply;
    if (reply->link == FETCH_CONNECT_TIMEOUT) {
        request->link = LINK_SILENT;
        return;
    }
    if (reply->link == FETCH_RESOLVE || reply->link == FETCH_CONNECT || reply->link == FETCH_TLS ||
        reply->link == FETCH_REFUSED) {
        request_end(request, reply->link, request->detail);
        return;
    }
    phase_set(request, request->call.limits.answer_ms, FETCH_ANSWER_TIMEOUT);
    request->sleeps = servers_in_use()->sleeps;
    request->link = reply->link == FETCH_ANSWER_TIMEOUT ? LINK_SILENT : LINK_ASKED;
    if (request->link == LINK_ASKED) {
        timer_start(request->client->loop, &request->event, reply->first_ms, head_event);
    }
}

/* --- Beginning -------------------------------------------------------------------------------- */

static void request_begin(struct fetch_request *request) {
    struct fetch *client = request->client;
    struct server_request asked = {.method = {request->method, strlen(request->method)},
                                   .body = request->call.body,
                                   .headers = request->call.headers,
                                   .header_count = request->call.header_count};
    ring_remove(request);
    ring_add(&client->running, request);
    request->stage = STAGE_RUNNING;
    request->sleeps = servers_in_use()->sleeps;
    client->waiting_count--;
    client->running_count++;
    if (!url_read(request->url, &asked)) {
        request_end(request, FETCH_URL, "it is not valid");
        return;
    }
    servers_answer(servers_in_use(), &asked, &request->reply);
    if (request->reply.link != FETCH_RESOLVE && !address_may(request, &asked)) {
        request->reply.link = FETCH_REFUSED;
    }
    request->link = LINK_CONNECTING;
    phase_set(request, request->call.limits.connect_ms, FETCH_CONNECT_TIMEOUT);
    timer_start(client->loop, &request->event, request->reply.connect_ms, connect_event);
}

static void waiting_begin(struct fetch *client) {
    if (client->beginning) {
        return; /* The loop below has it. */
    }
    client->beginning = true;
    while (client->engine == ENGINE_WARM && client->waiting_count > 0 &&
           client->running_count < client->running_max) {
        request_begin(client->waiting.next);
    }
    client->beginning = false;
}

static void close_run(struct loop_task *task) {
    struct fetch *client = CONTAINER_OF(task, struct fetch, close_task);
    void (*closed)(void *ctx) = client->closed;
    void *ctx = client->closed_ctx;
    mem_free(client);
    closed(ctx);
}

static void load_run(struct loop_work *work) {
    (void)work; /* Reading a library is nothing here but time. */
}

static void load_done(struct loop_work *work) {
    struct fetch *client = CONTAINER_OF(work, struct fetch, load);
    bool fails = servers_fault(servers_in_use(), client->loads++, "library", /* percent */ 1);
    client->engine = fails ? ENGINE_COLD : ENGINE_WARM;
    if (client->closing) {
        loop_soon(client->loop, &client->close_task);
    } else if (fails) {
        while (client->waiting_count > 0) { /* The next request tries again. */
            request_end(client->waiting.next, FETCH_LIBRARY, "libcurl cannot be opened");
        }
    } else {
        waiting_begin(client);
    }
}

static void headers_copy(struct fetch_request *request) {
    size_t count = request->call.header_count;
    assert(count <= FETCH_HEADERS_MAX);
    request->headers = mem_new((count + 1) * sizeof *request->headers);
    for (size_t i = 0; i < count; i++) {
        const struct fetch_header *from = &request->call.headers[i];
        request->headers[i] = (struct fetch_header){mem_copy(from->name, strlen(from->name)),
                                                    mem_copy(from->value, strlen(from->value))};
    }
    request->call.headers = request->headers;
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
                                      .tell = {.run = tell_run}};
    text_init(&request->held, FETCH_HELD_MAX);
    server_reply_init(&request->reply);
    headers_copy(request);
    client->live++;
    client->started++;
    ring_add(&client->waiting, request);
    client->waiting_count++;
    if (call->limits.total_ms > 0) {
        timer_start(client->loop, &request->total, call->limits.total_ms, total_over);
    }
    *ret_request = request;
    if (client->engine == ENGINE_COLD) {
        client->engine = ENGINE_LOADING;
        client->load.run = load_run;
        client->load.done = load_done;
        loop_work(client->loop, &client->load);
    }
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
        phase_set(request, request->call.limits.stall_ms, FETCH_STALL_TIMEOUT);
    }
    loop_soon(request->client->loop, &request->tell);
}

/* --- The client ------------------------------------------------------------------------------- */

void fetch_open(const struct fetch_options *options, struct fetch **ret_client) {
    struct fetch *client = mem_new(sizeof *client);
    client->loop = options->loop;
    client->running_max = options->running_max != 0 ? options->running_max : FETCH_RUNNING_MAX;
    client->waiting.prev = client->waiting.next = &client->waiting;
    client->running.prev = client->running.next = &client->running;
    client->close_task.run = close_run;
    *ret_client = client;
}

void fetch_close(struct fetch *client, void (*closed)(void *ctx), void *ctx) {
    assert(client->live == 0);
    assert(!client->closing);
    client->closing = true;
    client->closed = closed;
    client->closed_ctx = ctx;
    if (client->engine != ENGINE_LOADING) {
        loop_soon(client->loop, &client->close_task);
    }
}

void fetch_get_stats(const struct fetch *client, struct fetch_stats *ret_stats) {
    *ret_stats = (struct fetch_stats){.started = client->started,
                                      .failed = client->failed,
                                      .running = client->running_count,
                                      .waiting = client->waiting_count};
}

static void dead_event(struct timer *timer) {
    request_end(CONTAINER_OF(timer, struct fetch_request, event), FETCH_CUT_OFF,
                "the simulated kernel found no peer");
}

void fetch_after_sleep(struct fetch *client) {
    for (struct fetch_request *request = client->running.next; request != &client->running;
         request = request->next) {
        if (request_dies(request)) {
            uint64_t pick = servers_choose(servers_in_use(), request->reply.cut_key, "dead");
            timer_start(client->loop, &request->event, pick % DEAD_MS, dead_event);
        }
    }
}
