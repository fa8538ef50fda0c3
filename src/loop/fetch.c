/* fetch.c: requests, each a transfer of libcurl, from their start until their end is delivered.
 *
 * libcurl may not be called from most of its own callbacks. So those only keep what came and mark
 * what went wrong; the rest happens when libcurl has returned, or in the request's task.
 */
#include "loop/fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"
#include "loop/curl_library.h"
#include "loop/loop_uv.h"

enum { BEGIN_AT_ONCE = 4 };

enum fetch_stage { STAGE_WAITING, STAGE_RUNNING, STAGE_ENDED, STAGE_TOLD };
enum fetch_head { HEAD_COMING, HEAD_WHOLE, HEAD_TOLD };

struct fetch_request {
    struct link link;          /* Among those that wait. */
    struct fetch *client;      /* Borrowed. */
    struct fetch_call call;    /* method, url and headers: owned copies, below. */
    char *method, *url, *host; /* Owned; host: as libcurl reads it in the URL. */
    struct text headers;       /* "Name: value", each with its terminator. */
    enum fetch_stage stage;

    CURL *easy;              /* Owned while it runs, like the next. */
    struct curl_slist *list; /* Headers for libcurl. */
    char error[CURL_ERROR_SIZE];

    enum fetch_head head_state;
    struct text head; /* Header lines of the answer. */
    int status;
    struct text held; /* Pieces that were not handed over yet. */
    size_t received;
    int starved_os;        /* The errno by which the socket found no free descriptor; 0: it did. */
    bool asked;            /* Connected; the request goes out. */
    bool held_back;        /* libcurl waits for us to take what is held. */
    bool paused;           /* By the caller. */
    bool *gone;            /* Set by a cancel while a callback of this request runs. */
    struct loop_task tell; /* Hands over what there is. */
    struct timer phase, total;
    enum fetch_fault phase_fault; /* Fault that is reported when `phase` fires. */
    enum fetch_fault broken;      /* Found by us inside a callback of libcurl's. */
    enum fetch_fault fault;       /* Once ended. */
    char refused[96];             /* The address that was not allowed, and why. */
    char detail[sizeof(struct why)];
};

enum fetch_engine { ENGINE_COLD, ENGINE_LOADING, ENGINE_WARM };

struct fetch {
    struct loop *loop;   /* Borrowed. */
    const char *ca_file; /* Borrowed; may be NULL. */
    size_t running_max;
    enum fetch_engine engine;
    struct loop_work load;
    struct err load_err;
    struct why load_why;
    struct curl_library curl; /* Written by the pool while it loads. */
    struct curl_trust trust;
    CURLM *multi;          /* Owned, once warm. */
    struct timer timer;    /* libcurl's clock. */
    struct loop_task soon; /* Work that libcurl wants done at once. */
    size_t sockets;        /* Watched by libuv, or not yet closed there. */
    struct link watched;   /* Sockets that libuv watches. */
    struct link waiting;   /* Requests. */
    size_t waiting_count, running_count, live;
    uint64_t started, failed;
    bool beginning, closing;
    struct loop_task more;         /* Begins what waits, when there was too much for one turn, or */
    struct shortage *shortage;     /* after a shortage (borrowed; may be NULL), */
    struct shortage_waiter waiter; /* for whose end this waits. */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void waiting_begin(struct fetch *client);

/* --- The guard, inside libcurl ---------------------------------------------------------------- */

static bool may_connect(struct fetch_request *request, const struct address *address) {
    if (address_allowed(request->call.allow, address, request->host)) {
        return true;
    }
    char ip[INET6_ADDRSTRLEN];
    bool four = memcmp(address->bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
    (void)inet_ntop(four ? AF_INET : AF_INET6, address->bytes + (four ? 12 : 0), ip, sizeof ip);
    (void)snprintf(request->refused, sizeof request->refused, "%s is a %s address", ip,
                   address_kind_name(address_judge(address)));
    return false;
}

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

static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to) {
    struct fetch_request *request = ctx;
    struct address address;
    if (purpose != CURLSOCKTYPE_IPCXN || !address_from_socket(&to->addr, to->addrlen, &address) ||
        !may_connect(request, &address)) {
        return CURL_SOCKET_BAD;
    }
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (fd < 0 && shortage_is(err_from_errno(errno, "client: socket"))) {
        request->starved_os = errno;
    }
    if (fd >= 0) {
        probing_set(fd, &always);
    }
    return fd;
}

static void phase_over(struct timer *timer);

static void phase_begin(struct fetch_request *request, uint64_t after_ms, enum fetch_fault fault) {
    request->phase_fault = fault;
    if (after_ms == 0 || request->paused) {
        timer_stop(request->client->loop, &request->phase);
    } else {
        timer_start(request->client->loop, &request->phase, after_ms, phase_over);
    }
}

/* Also of a connection that is used again, which was opened with another list, maybe. */
static int on_connected(void *ctx, char *ip, char *own_ip, int port, int own_port) {
    struct fetch_request *request = ctx;
    struct address address;
    if (!address_parse(ip, (uint16_t)port, &address) || !may_connect(request, &address)) {
        return CURL_PREREQFUNC_ABORT;
    }
    request->asked = true;
    phase_begin(request, request->call.limits.answer_ms, FETCH_ANSWER_TIMEOUT);
    return CURL_PREREQFUNC_OK;
}

static CURLcode on_trust(CURL *easy, void *context, void *ctx) {
    const struct curl_trust *trust = ctx;
    trust->context_set(context, trust->store);
    return CURLE_OK;
}

/* --- What arrives, inside libcurl ------------------------------------------------------------- */

static size_t transfer_break(struct fetch_request *request, enum fetch_fault fault) {
    request->broken = fault;
    return 0; /* Fewer bytes than it gave: libcurl ends the transfer. */
}

/* Takes one line at a time. Heads of 1xx answers, and trailers, are nobody's business. */
static size_t on_header(char *data, size_t size, size_t count, void *ctx) {
    struct fetch_request *request = ctx;
    size_t len = size * count;
    phase_begin(request, request->call.limits.stall_ms, FETCH_STALL_TIMEOUT);
    if (request->head_state != HEAD_COMING) {
        return len;
    }
    if (bytes_begin((struct bytes){data, len}, BYTES("HTTP/"))) {
        text_clear(&request->head);
        return len;
    }
    if (len <= 2 && (data[0] == '\r' || data[0] == '\n')) {
        long status = 0;
        (void)request->client->curl.curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE,
                                                      &status); /* Cannot fail. */
        if (status >= 200) {
            request->status = (int)status;
            request->head_state = HEAD_WHOLE;
            loop_soon(request->client->loop, &request->tell);
        }
        return len;
    }
    text_add(&request->head, data, len);
    return text_failed(&request->head) ? transfer_break(request, FETCH_TOO_LARGE) : len;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
    struct fetch_request *request = ctx;
    size_t len = size * count, size_max = request->call.limits.size_max;
    phase_begin(request, request->call.limits.stall_ms, FETCH_STALL_TIMEOUT);
    if (size_max > 0 && len > size_max - request->received) {
        return transfer_break(request, FETCH_TOO_LARGE);
    }
    if (request->call.piece != NULL) {
        if (len > FETCH_HELD_MAX - request->held.len) {
            request->held_back = true;
            return CURL_WRITEFUNC_PAUSE; /* libcurl delivers the piece again. */
        }
        text_add(&request->held, data, len);
        if (text_failed(&request->held)) {
            return transfer_break(request, FETCH_FAILED);
        }
        loop_soon(request->client->loop, &request->tell);
    }
    request->received += len;
    return len;
}

/* --- A transfer's beginning ------------------------------------------------------------------- */

static enum fetch_fault transfer_fail(struct fetch_request *request, enum fetch_fault fault,
                                      const char *detail) {
    (void)snprintf(request->detail, sizeof request->detail, "%s", detail); /* Cut at worst. */
    return fault;
}

/* libcurl's own reader of URLs, so that the guard and the connection cannot understand a host
 * differently. */
static enum fetch_fault host_read(struct fetch_request *request) {
    const struct curl_library *curl = &request->client->curl;
    CURLU *url = curl->curl_url();
    char *host = NULL;
    CURLUcode code = url == NULL ? CURLUE_OUT_OF_MEMORY
                                 : curl->curl_url_set(url, CURLUPART_URL, request->url,
                                                      CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OK) {
        code = curl->curl_url_get(url, CURLUPART_HOST, &host, 0);
    }
    if (code == CURLUE_OK) {
        mem_free(request->host); /* From a start that was put back. */
        request->host = mem_copy(host, strlen(host));
    }
    curl->curl_free(host);
    curl->curl_url_cleanup(url);
    return code == CURLUE_OK ? FETCH_NONE : transfer_fail(request, FETCH_URL, "it is not valid");
}

static bool list_add(struct fetch_request *request, const char *line) {
    struct curl_slist *longer = request->client->curl.curl_slist_append(request->list, line);
    if (longer != NULL) {
        request->list = longer;
    }
    return longer != NULL;
}

static enum fetch_fault list_make(struct fetch_request *request) {
    const struct text *headers = &request->headers;
    bool typed = false, fine = !text_failed(headers);
    for (size_t at = 0; fine && at < headers->len; at += strlen(headers->data + at) + 1) {
        const char *line = headers->data + at;
        if (strpbrk(line, "\r\n") != NULL) {
            return transfer_fail(request, FETCH_FAILED, "a header's value holds a line break");
        }
        typed = typed || strncasecmp(line, "content-type:", 13) == 0;
        fine = list_add(request, line);
    }
    /* libcurl would ask leave for large bodies first (Expect), and call a body a form. */
    fine = fine && list_add(request, "Expect:") && (typed || list_add(request, "Content-Type:"));
    return fine ? FETCH_NONE : transfer_fail(request, FETCH_FAILED, "not enough memory");
}

/* Setting one fails for want of memory, or where a library was built without it. */
struct setter {
    const struct curl_library *curl; /* Borrowed. */
    CURL *easy;                      /* Borrowed. */
    CURLcode code;
};

/* The library reads a long, a pointer or a function's pointer, and takes no other type. */
static void set_long(struct setter *setter, CURLoption option, long value) {
    if (setter->code == CURLE_OK) {
        setter->code = setter->curl->curl_easy_setopt(setter->easy, option, value);
    }
}

static void set_pointer(struct setter *setter, CURLoption option, const void *value) {
    if (setter->code == CURLE_OK) {
        setter->code = setter->curl->curl_easy_setopt(setter->easy, option, value);
    }
}

static CURLcode options_set(struct fetch_request *request) {
    const struct fetch *client = request->client;
    const struct curl_library *curl = &client->curl;
    CURL *easy = request->easy;
    struct setter set = {.curl = curl, .easy = easy};
    set_pointer(&set, CURLOPT_PROTOCOLS_STR, "http,https");
    set_pointer(&set, CURLOPT_PROXY, ""); /* Not even the environment's. */
    set_long(&set, CURLOPT_FOLLOWLOCATION, 0);
    set_long(&set, CURLOPT_DISALLOW_USERNAME_IN_URL, 1);
    set_long(&set, CURLOPT_NOSIGNAL, 1);
    /* A name server that does not answer would otherwise hold up the loop when we give up. */
    set_long(&set, CURLOPT_QUICK_EXIT, 1);
    /* A connection for each request at a time: a stream that is paused holds up no other. */
    set_long(&set, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    set_pointer(&set, CURLOPT_USERAGENT, "drover/" DROVER_VERSION);

    set_pointer(&set, CURLOPT_OPENSOCKETDATA, request);
    set_pointer(&set, CURLOPT_PREREQDATA, request);
    set_pointer(&set, CURLOPT_HEADERDATA, request);
    set_pointer(&set, CURLOPT_WRITEDATA, request);
    set_pointer(&set, CURLOPT_PRIVATE, request);
    set_pointer(&set, CURLOPT_ERRORBUFFER, request->error);
    /* Each of these only keeps a value. */
    (void)curl->curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    (void)curl->curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    (void)curl->curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl->curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);

    if (client->trust.store != NULL) {
        set_pointer(&set, CURLOPT_CAINFO, NULL);
        set_pointer(&set, CURLOPT_CAPATH, NULL);
        set_pointer(&set, CURLOPT_SSL_CTX_DATA, &client->trust);
        if (set.code == CURLE_OK) {
            set.code = curl->curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_trust);
        }
    } else if (client->ca_file != NULL) {
        set_pointer(&set, CURLOPT_CAINFO, client->ca_file);
    }

    struct bytes body = request->call.body;
    set_pointer(&set, CURLOPT_URL, request->url);
    set_pointer(&set, CURLOPT_HTTPHEADER, request->list);
    if (strcmp(request->method, "HEAD") == 0) {
        set_long(&set, CURLOPT_NOBODY, 1);
    } else if (strcmp(request->method, "GET") != 0) {
        set_long(&set, CURLOPT_POST, 1);
        set_pointer(&set, CURLOPT_POSTFIELDS, body.len > 0 ? body.data : "");
        set_long(&set, CURLOPT_POSTFIELDSIZE, (long)body.len);
        set_pointer(&set, CURLOPT_CUSTOMREQUEST, request->method);
    }
    return set.code;
}

/* FETCH_NONE: it is on its way; else `request->detail` may say more. */
static enum fetch_fault transfer_begin(struct fetch_request *request) {
    const struct curl_library *curl = &request->client->curl;
    enum fetch_fault fault = host_read(request);
    if (fault == FETCH_NONE) {
        fault = list_make(request);
    }
    if (fault != FETCH_NONE) {
        return fault;
    }
    request->easy = curl->curl_easy_init();
    if (request->easy == NULL) {
        return transfer_fail(request, FETCH_FAILED, "not enough memory");
    }
    CURLcode code = options_set(request);
    if (code != CURLE_OK) {
        return transfer_fail(request, FETCH_FAILED, curl->curl_easy_strerror(code));
    }
    return curl->curl_multi_add_handle(request->client->multi, request->easy) == CURLM_OK
               ? FETCH_NONE
               : transfer_fail(request, FETCH_FAILED, "libcurl did not take it");
}

/* Not begun is fine. */
static void transfer_free(struct fetch_request *request) {
    const struct fetch *client = request->client;
    if (request->easy != NULL) {
        /* Not among its transfers, when adding failed: then it says so, and nothing happens. */
        (void)client->curl.curl_multi_remove_handle(client->multi, request->easy);
        client->curl.curl_easy_cleanup(request->easy);
        request->easy = NULL;
    }
    if (request->list != NULL) {
        client->curl.curl_slist_free_all(request->list);
        request->list = NULL;
    }
}

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
        transfer_free(request);
        client->running_count--;
    }
}

/* `detail` NULL: stands in the request already. */
static void request_end(struct fetch_request *request, enum fetch_fault fault, const char *detail) {
    struct fetch *client = request->client;
    request_withdraw(request);
    request->stage = STAGE_ENDED;
    request->fault = detail == NULL ? fault : transfer_fail(request, fault, detail);
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
    transfer_free(request);
    client->running_count--;
    request->stage = STAGE_WAITING;
    request->error[0] = request->detail[0] = request->refused[0] = '\0';
    link_add_first(&client->waiting, &request->link);
    client->waiting_count++;
    waiting_begin(client);
    return true;
}

/* A request that ends as it begins would call this again from within; the loop here has it anyway.
 * Each takes 30 microseconds, and the first ones of a daemon ten times that: hundreds at once
 * would hold up the loop. */
static void waiting_begin(struct fetch *client) {
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
        struct fetch_request *request =
            CONTAINER_OF(links_take(&client->waiting), struct fetch_request, link);
        client->waiting_count--;
        request->stage = STAGE_RUNNING;
        client->running_count++;
        phase_begin(request, request->call.limits.connect_ms, FETCH_CONNECT_TIMEOUT);
        enum fetch_fault fault = transfer_begin(request);
        if (fault != FETCH_NONE && !request_wait_again(request, fault)) {
            request_end(request, fault, NULL /* the detail is there */);
        }
    }
    client->beginning = false;
    if (client->waiting_count > 0 && shortage_lasts(client->shortage)) {
        shortage_await(client->shortage, &client->waiter, &client->more);
    }
}

/* --- A transfer's end ------------------------------------------------------------------------- */

static const struct {
    CURLcode code;
    enum fetch_fault before, after; /* The request was sent. */
} ends[] = {
    {CURLE_OK, FETCH_NONE, FETCH_NONE},
    {CURLE_UNSUPPORTED_PROTOCOL, FETCH_URL, FETCH_NOT_HTTP}, /* HTTP/0.9 is called so, too. */
    {CURLE_URL_MALFORMAT, FETCH_URL, FETCH_URL},
    {CURLE_LOGIN_DENIED, FETCH_URL, FETCH_URL}, /* A name in the URL. */
    {CURLE_COULDNT_RESOLVE_HOST, FETCH_RESOLVE, FETCH_RESOLVE},
    {CURLE_COULDNT_CONNECT, FETCH_CONNECT, FETCH_CONNECT},
    {CURLE_OPERATION_TIMEDOUT, FETCH_CONNECT_TIMEOUT, FETCH_TOTAL_TIMEOUT},
    {CURLE_SSL_CONNECT_ERROR, FETCH_TLS, FETCH_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, FETCH_TLS, FETCH_TLS},
    {CURLE_SSL_CERTPROBLEM, FETCH_TLS, FETCH_TLS},
    {CURLE_SSL_CIPHER, FETCH_TLS, FETCH_TLS},
    {CURLE_SSL_CACERT_BADFILE, FETCH_TLS, FETCH_TLS},
    {CURLE_SSL_ISSUER_ERROR, FETCH_TLS, FETCH_TLS},
    {CURLE_PARTIAL_FILE, FETCH_CUT_OFF, FETCH_CUT_OFF},
    {CURLE_GOT_NOTHING, FETCH_CUT_OFF, FETCH_CUT_OFF},
    {CURLE_RECV_ERROR, FETCH_CUT_OFF, FETCH_CUT_OFF},
    {CURLE_SEND_ERROR, FETCH_CUT_OFF, FETCH_CUT_OFF},
    {CURLE_WEIRD_SERVER_REPLY, FETCH_NOT_HTTP, FETCH_NOT_HTTP},
    {CURLE_BAD_CONTENT_ENCODING, FETCH_NOT_HTTP, FETCH_NOT_HTTP},
};

static enum fetch_fault transfer_judge(const struct fetch_request *request, CURLcode code) {
    if (code == CURLE_OK && request->head_state == HEAD_COMING) {
        return FETCH_CUT_OFF; /* libcurl takes half a head for one. */
    }
    if (code != CURLE_OK && request->broken != FETCH_NONE) {
        return request->broken;
    }
    bool at_socket = code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK;
    if (at_socket && request->refused[0] != '\0') {
        return FETCH_REFUSED;
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        if (ends[i].code == code) {
            return request->asked ? ends[i].after : ends[i].before;
        }
    }
    return FETCH_FAILED;
}

/* --- Sockets ---------------------------------------------------------------------------------- */

struct watched {
    uv_poll_t poll;
    struct link link;
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
        enum fetch_fault fault = transfer_judge(request, code);
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

/* The answer of these calls is about the handle as a whole, and would be a bug of ours. A failure
 * of a transfer comes as the end of that. */
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

void fetch_woke(struct fetch *client) {
    for (struct link *at = client->watched.next; at != &client->watched; at = at->next) {
        probing_set(CONTAINER_OF(at, struct watched, link)->fd, &after_sleep);
    }
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

static void fetch_unload(struct fetch *client);

static void load_done(struct loop_work *work) {
    struct fetch *client = CONTAINER_OF(work, struct fetch, load);
    const struct curl_library *curl = &client->curl;
    client->multi = err_failed(client->load_err) ? NULL : curl->curl_multi_init();
    if (client->multi != NULL) {
        /* Each of these only keeps a value. */
        (void)curl->curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
        (void)curl->curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
        (void)curl->curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_wish);
        (void)curl->curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
        (void)curl->curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS,
                                      (long)client->running_max);
    } else if (!err_failed(client->load_err)) {
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
        client->soon.run = on_soon;
        client->load.run = load_run;
        client->load.done = load_done;
        loop_work(client->loop, &client->load);
    }
}

static void begin_more(struct loop_task *task) {
    struct fetch *client = CONTAINER_OF(task, struct fetch, more);
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

static void unload_when_quiet(struct fetch *client) {
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
    unload_when_quiet(client);
}

/* --- What the caller asks for ----------------------------------------------------------------- */

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
        phase_begin(request, request->call.limits.stall_ms, FETCH_STALL_TIMEOUT);
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
