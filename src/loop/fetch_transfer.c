/* fetch_transfer.c: a request as a transfer of libcurl: its options, the guard of its addresses,
 * the answer as it arrives, and the fault that the end of the transfer means.
 */
#include "loop/fetch_transfer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/memory.h"

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
        fetch__socket_probe(fd);
    }
    return fd;
}

/* Also of a connection that is used again, which was opened with another list, maybe. */
static int on_connected(void *ctx, char *ip, char *own_ip, int port, int own_port) {
    struct fetch_request *request = ctx;
    struct address address;
    if (!address_parse(ip, (uint16_t)port, &address) || !may_connect(request, &address)) {
        return CURL_PREREQFUNC_ABORT;
    }
    request->asked = true;
    fetch__phase_begin(request, request->call.limits.answer_ms, FETCH_ANSWER_TIMEOUT);
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
    fetch__phase_begin(request, request->call.limits.stall_ms, FETCH_STALL_TIMEOUT);
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
    fetch__phase_begin(request, request->call.limits.stall_ms, FETCH_STALL_TIMEOUT);
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

enum fetch_fault fetch__fail(struct fetch_request *request, enum fetch_fault fault,
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
    return code == CURLUE_OK ? FETCH_NONE : fetch__fail(request, FETCH_URL, "it is not valid");
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
            return fetch__fail(request, FETCH_FAILED, "a header's value holds a line break");
        }
        typed = typed || strncasecmp(line, "content-type:", 13) == 0;
        fine = list_add(request, line);
    }
    /* libcurl would ask leave for large bodies first (Expect), and call a body a form. */
    fine = fine && list_add(request, "Expect:") && (typed || list_add(request, "Content-Type:"));
    return fine ? FETCH_NONE : fetch__fail(request, FETCH_FAILED, "not enough memory");
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

enum fetch_fault fetch__transfer_begin(struct fetch_request *request) {
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
        return fetch__fail(request, FETCH_FAILED, "not enough memory");
    }
    CURLcode code = options_set(request);
    if (code != CURLE_OK) {
        return fetch__fail(request, FETCH_FAILED, curl->curl_easy_strerror(code));
    }
    return curl->curl_multi_add_handle(request->client->multi, request->easy) == CURLM_OK
               ? FETCH_NONE
               : fetch__fail(request, FETCH_FAILED, "libcurl did not take it");
}

void fetch__transfer_free(struct fetch_request *request) {
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

enum fetch_fault fetch__transfer_judge(const struct fetch_request *request, CURLcode code) {
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
