/* request.c: a request from its first byte to its last.
 *
 * The head, line by line:
 *
 *     [CRLF]{0,2}  METHOD SP target SP HTTP/1.x CRLF  {name ":" value CRLF}  CRLF
 *
 * A line is checked when it is whole, so a client hears at once what is wrong with its first line,
 * and a client that never ends one is bounded by the limits. The whole head, and the body piece by
 * piece, then go through llhttp, whose callbacks fill the request.
 */
#include "http/request.h"

#include <string.h>

#include "base/memory.h"
#include "http/host.h"

enum {
    METHOD_MAX = 20,
    BLANK_LINES_MAX = 2,
    VERSION_LEN = 8,                                     /* "HTTP/1.1" */
    FIRST_LINE_EXTRA = METHOD_MAX + 2 + VERSION_LEN + 2, /* Beside the target. */
    BODY_FIRST = 64 << 10, /* Memory for a stated length before its bytes came. */
    WIRE_FREE = 16 << 10,  /* Framing that a body may have, beside … */
    WIRE_PER_BYTE = 8,     /* … this for each byte: a chunk of one takes six. */
};

void request_init(struct request *request, size_t body_max) {
    memset(request, 0, offsetof(struct request, headers));
    request->head = request->inline_head;
    request->head_size = HEAD_INLINE;
    request->body_max = body_max;
}

void request_done(struct request *request) {
    if (request->head != request->inline_head) {
        mem_free(request->head);
    }
    request->head = request->inline_head;
    mem_free(request->body);
    request->body = NULL;
}

struct bytes request_method(const struct request *request) {
    return (struct bytes){request->head, request->method_len};
}

struct bytes request_target(const struct request *request) {
    return (struct bytes){request->head + request->target_at, request->target_len};
}

struct bytes request_header_name(const struct request *request, unsigned at) {
    assert(at < request->header_count);
    const struct header *header = &request->headers[at];
    return (struct bytes){request->head + header->name_at, header->name_len};
}

struct bytes request_header_value(const struct request *request, unsigned at) {
    assert(at < request->header_count);
    const struct header *header = &request->headers[at];
    return (struct bytes){request->head + header->value_at, header->value_len};
}

bool request_known(const struct request *request, enum header_known known,
                   struct bytes *ret_value) {
    if (request->known[known] == 0) {
        return false;
    }
    *ret_value = request_header_value(request, request->known[known] - 1U);
    return true;
}

bool request_find_header(const struct request *request, struct bytes lower_name,
                         struct bytes *ret_value) {
    for (unsigned i = 0; i < request->header_count; i++) {
        if (bytes_equal(request_header_name(request, i), lower_name)) {
            *ret_value = request_header_value(request, i);
            return true;
        }
    }
    return false;
}

/* --- The head --------------------------------------------------------------------------------- */

/* The first fault of a request is its error. Always false. */
static bool request_fail(struct request *request, enum err_code code, const char *detail) {
    if (!err_failed(request->err)) {
        request->err = err_why(&request->why, code, "%s", detail);
    }
    return false;
}

static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* `line` is without its CRLF. */
static bool request_line_check(struct request *request, struct bytes line, size_t url_max) {
    size_t method = 0;
    while (method < line.len && is_upper(line.data[method])) {
        method++;
    }
    if (method == 0 || method > METHOD_MAX || method == line.len || line.data[method] != ' ') {
        return request_fail(request, ERR_BAD_REQUEST,
                            "the request line does not begin with a method");
    }
    bool has_version = line.len >= method + 1 + 1 + 1 + VERSION_LEN;
    const char *version = has_version ? line.data + line.len - VERSION_LEN : NULL;
    if (!has_version || version[-1] != ' ' || memcmp(version, "HTTP/", 5) != 0 ||
        !is_digit(version[5]) || version[6] != '.' || !is_digit(version[7])) {
        return request_fail(request, ERR_BAD_REQUEST,
                            "the request line does not end with HTTP/1.1");
    }
    if (version[5] != '1' || (version[7] != '0' && version[7] != '1')) {
        return request_fail(request, ERR_BAD_VERSION,
                            "the request's version is not HTTP/1.0 or HTTP/1.1");
    }
    request->minor = (uint8_t)(version[7] - '0');
    size_t target = line.len - method - 2 - VERSION_LEN;
    if (target > url_max) {
        return request_fail(request, ERR_URL_TOO_LONG, "the URL is longer than the server's limit");
    }
    if (memchr(line.data + method + 1, ' ', target) != NULL) {
        return request_fail(request, ERR_BAD_REQUEST, "the target contains a blank");
    }
    /* Methods that no route could ever have are distinguished from those that this route lacks. */
    static const char *const known[] = {"GET",   "HEAD",   "POST",    "PUT",
                                        "PATCH", "DELETE", "OPTIONS", NULL};
    unsigned at = 0;
    if (!bytes_find((struct bytes){line.data, method}, known, &at)) {
        return request_fail(request, ERR_NOT_IMPLEMENTED, "the method is not supported here");
    }
    request->method_len = (uint16_t)method;
    request->target_at = (uint16_t)(method + 1);
    request->target_len = (uint16_t)target;
    return true;
}

/* Checks the last whole line of the buffer. */
static bool head_line_check(struct request *request, const struct request_limits *limits) {
    struct bytes line = {request->head + request->line_at, request->head_len - request->line_at};
    bool has_cr = line.len >= 2 && line.data[line.len - 2] == '\r';
    line.len -= has_cr ? 2 : 0;
    const char *fault = !has_cr                                     ? "a line ends with a bare LF"
                        : memchr(line.data, '\r', line.len) != NULL ? "a line holds a bare CR"
                        : memchr(line.data, '\0', line.len) != NULL ? "a line holds a NUL"
                                                                    : NULL;
    if (fault == NULL && request->lines == 0 && line.len == 0) {
        request->head_len = 0;
        if (++request->blank_lines <= BLANK_LINES_MAX) {
            return true;
        }
        fault = "there are blank lines instead of a request";
    }
    if (fault != NULL) {
        return request_fail(request, ERR_BAD_REQUEST, fault);
    }
    request->line_at = request->head_len;
    if (request->lines++ == 0) {
        request->first_line_len = request->head_len;
        return request_line_check(request, line, limits->url_bytes_max);
    }
    request->head_done = line.len == 0;
    if (request->head_done) {
        return true;
    }
    if (line.data[0] == ' ' || line.data[0] == '\t' || line.data[0] == ':') {
        fault = line.data[0] == ':' ? "a header has no name" : "a header line is folded";
        return request_fail(request, ERR_BAD_REQUEST, fault);
    }
    return request->lines <= limits->headers_max + 1 ||
           request_fail(request, ERR_HEADERS_TOO_LARGE, "there are more headers than allowed");
}

/* Checks what can be said of a line that has not ended yet. */
static bool head_bounds_check(struct request *request, const struct request_limits *limits) {
    if (request->lines > 0) {
        return request->head_len - request->first_line_len <= limits->head_bytes_max ||
               request_fail(request, ERR_HEADERS_TOO_LARGE,
                            "the headers have more bytes than allowed");
    }
    if (request->head_len > 0 && !is_upper(request->head[0]) && request->head[0] != '\r') {
        return request_fail(request, ERR_BAD_REQUEST,
                            "the request line does not begin with a method");
    }
    return request->head_len <= limits->url_bytes_max + FIRST_LINE_EXTRA ||
           request_fail(request, ERR_URL_TOO_LONG, "the URL is longer than the server's limit");
}

static bool head_append(struct request *request, const char *data, size_t len) {
    size_t need = request->head_len + len;
    if (need > HEAD_SIZE_MAX) {
        return request_fail(request, ERR_HEADERS_TOO_LARGE, "the head has more bytes than allowed");
    }
    if (need > request->head_size) {
        size_t size = (size_t)request->head_size * 4;
        size = size < need ? need : size;
        bool inside = request->head == request->inline_head;
        char *head = inside ? mem_try(size) : mem_try_grow(request->head, size);
        if (head == NULL) {
            return request_fail(request, ERR_OUT_OF_MEMORY,
                                "there is not enough memory for the head");
        }
        if (inside) {
            memcpy(head, request->head, request->head_len);
        }
        request->head = head;
        request->head_size = (uint32_t)size;
    }
    memcpy(request->head + request->head_len, data, len);
    request->head_len = (uint32_t)need;
    return true;
}

/* Takes the bytes of a head, up to its end. True: the head is complete, or request->err says what
 * is wrong with it. */
static bool head_take(struct request *request, const struct request_limits *limits,
                      struct bytes bytes, size_t *ret_used) {
    size_t at = 0;
    while (at < bytes.len && !request->head_done) {
        const char *from = bytes.data + at;
        const char *newline = memchr(from, '\n', bytes.len - at);
        size_t len = newline == NULL ? bytes.len - at : (size_t)(newline - from) + 1;
        /* Never more of a line than the bounds allow, and the one byte that is beyond them. */
        size_t bound = request->lines == 0 ? limits->url_bytes_max + FIRST_LINE_EXTRA
                                           : request->first_line_len + limits->head_bytes_max;
        size_t room = bound + 1 - request->head_len;
        bool whole = newline != NULL && len <= room;
        len = len < room ? len : room;
        at += len;
        if (!head_append(request, from, len) || !head_bounds_check(request, limits) ||
            (whole && !head_line_check(request, limits))) {
            break;
        }
    }
    *ret_used = at;
    return request->head_done || err_failed(request->err);
}

/* --- What llhttp finds ------------------------------------------------------------------------ */

static int callback_fail(struct request *request, enum err_code code, const char *detail) {
    (void)request_fail(request, code, detail); /* Always false. */
    return HPE_USER;
}

static int on_header_field(llhttp_t *http, const char *at, size_t len) {
    struct request *request = http->data;
    if (request->head_done) {
        return callback_fail(request, ERR_BAD_REQUEST, "trailer fields are not accepted");
    }
    if (request->header_count == HEADERS_MAX) {
        return callback_fail(request, ERR_HEADERS_TOO_LARGE, "there are more headers than allowed");
    }
    struct header *header = &request->headers[request->header_count++];
    *header = (struct header){.name_at = (uint16_t)(at - request->head), .name_len = (uint16_t)len};
    request->value_seen = false;
    char *name = request->head + header->name_at;
    for (size_t i = 0; i < len; i++) {
        if (name[i] >= 'A' && name[i] <= 'Z') {
            name[i] = (char)(name[i] | 0x20);
        }
    }
    return 0;
}

static int on_header_value(llhttp_t *http, const char *at, size_t len) {
    struct request *request = http->data;
    if (request->header_count == 0 || request->value_seen) {
        return callback_fail(request, ERR_BAD_REQUEST, "a header line is folded");
    }
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t')) {
        len--;
    }
    struct header *header = &request->headers[request->header_count - 1];
    header->value_at = (uint16_t)(at - request->head);
    header->value_len = (uint16_t)len;
    request->value_seen = true;
    return 0;
}

static int on_headers_complete(llhttp_t *http) {
    struct request *request = http->data;
    /* Whether a protocol is upgraded is decided by the route, after our own checks; until then an
     * Upgrade header is a wish like any other. */
    http->upgrade = 0;
    request->head_done = true;
    request->content_length = http->content_length;
    return 0;
}

static int on_body(llhttp_t *http, const char *at, size_t len) {
    struct request *request = http->data;
    if (len > request->body_max - request->body_len) {
        return callback_fail(request, ERR_BODY_TOO_LARGE,
                             "the body is larger than this route allows");
    }
    size_t need = request->body_len + len;
    if (!request->discard && need > request->body_size) {
        size_t size = request->body_size * 2;
        if (request->has_length && request->body_size == 0) {
            size =
                request->content_length < BODY_FIRST ? (size_t)request->content_length : BODY_FIRST;
        }
        size = size < need ? need : size;
        char *body = mem_try_grow(request->body, size);
        if (body == NULL) {
            return callback_fail(request, ERR_OUT_OF_MEMORY, "there is no memory for the body");
        }
        request->body = body;
        request->body_size = size;
    }
    if (!request->discard) {
        memcpy(request->body + request->body_len, at, len);
    }
    request->body_len = need;
    return 0;
}

/* The length of a chunk is known before its bytes: a client hears early that it is too long. */
static int on_chunk_header(llhttp_t *http) {
    struct request *request = http->data;
    if (http->content_length > request->body_max - request->body_len) {
        return callback_fail(request, ERR_BODY_TOO_LARGE,
                             "the body is larger than this route allows");
    }
    return 0;
}

static int on_chunk_extension(llhttp_t *http, const char *at, size_t len) {
    return callback_fail(http->data, ERR_BAD_REQUEST, "chunk extensions are not accepted");
}

static int on_message_complete(llhttp_t *http) {
    struct request *request = http->data;
    request->whole = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk_header,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_message_complete = on_message_complete,
};

/* --- Rules of headers about framing and connection -------------------------------------------- */

static const struct bytes known_names[HEADER_KNOWN] = {
    [HEADER_HOST] = BYTES_INIT("host"),
    [HEADER_CONTENT_LENGTH] = BYTES_INIT("content-length"),
    [HEADER_TRANSFER_ENCODING] = BYTES_INIT("transfer-encoding"),
    [HEADER_CONTENT_TYPE] = BYTES_INIT("content-type"),
    [HEADER_AUTHORIZATION] = BYTES_INIT("authorization"),
    [HEADER_ORIGIN] = BYTES_INIT("origin"),
    [HEADER_FETCH_SITE] = BYTES_INIT("sec-fetch-site"),
    [HEADER_EXPECT] = BYTES_INIT("expect"),
    [HEADER_UPGRADE] = BYTES_INIT("upgrade"),
    [HEADER_IDEMPOTENCY_KEY] = BYTES_INIT("idempotency-key"),
    [HEADER_LAST_EVENT_ID] = BYTES_INIT("last-event-id"),
    [HEADER_WEBSOCKET_KEY] = BYTES_INIT("sec-websocket-key"),
    [HEADER_WEBSOCKET_VERSION] = BYTES_INIT("sec-websocket-version"),
};

/* A header that comes twice is read as the first by one server and as the last by another. */
static bool known_index(struct request *request) {
    for (unsigned i = 0; i < request->header_count; i++) {
        int known = 0;
        while (known < HEADER_KNOWN &&
               !bytes_equal(known_names[known], request_header_name(request, i))) {
            known++;
        }
        if (known == HEADER_KNOWN) {
            continue;
        }
        if (request->known[known] != 0) {
            request->err = err_why(&request->why, ERR_BAD_REQUEST, "the header '%s' was sent twice",
                                   known_names[known].data);
            return false;
        }
        request->known[known] = (uint8_t)(i + 1);
    }
    return true;
}

static void connection_read(struct request *request) {
    bool close = false, keep = false, upgrade = false;
    for (unsigned i = 0; i < request->header_count; i++) {
        if (bytes_is(request_header_name(request, i), "connection")) {
            struct bytes value = request_header_value(request, i);
            close = close || header_list_has(value, BYTES("close"));
            keep = keep || header_list_has(value, BYTES("keep-alive"));
            upgrade = upgrade || header_list_has(value, BYTES("upgrade"));
        }
    }
    struct bytes protocol;
    request->keep_alive = !close && (request->minor > 0 || keep);
    request->wants_upgrade = upgrade && request->minor > 0 &&
                             request_known(request, HEADER_UPGRADE, &protocol) &&
                             header_list_has(protocol, BYTES("websocket"));
}

static bool header_rules_check(struct request *request) {
    if (!known_index(request)) {
        return false;
    }
    struct bytes value, length;
    struct host host;
    bool named = request_known(request, HEADER_HOST, &value);
    if (!named || !host_parse(value, &host)) {
        return request_fail(request, ERR_BAD_REQUEST,
                            named ? "the Host header is not a host and port"
                                  : "the Host header is missing");
    }
    connection_read(request);
    request->has_length = request_known(request, HEADER_CONTENT_LENGTH, &length);
    request->chunked = request_known(request, HEADER_TRANSFER_ENCODING, &value);
    if (request->chunked && (request->has_length || request->minor == 0)) {
        return request_fail(request, ERR_BAD_REQUEST,
                            request->has_length
                                ? "the request has both Content-Length and Transfer-Encoding"
                                : "HTTP/1.0 has no Transfer-Encoding");
    }
    if (request->chunked && !bytes_equal_nocase(value, BYTES("chunked"))) {
        return request_fail(request, ERR_NOT_IMPLEMENTED,
                            "the only supported Transfer-Encoding is chunked");
    }
    return !request_known(request, HEADER_EXPECT, &value) ||
           bytes_equal_nocase(value, BYTES("100-continue")) ||
           request_fail(request, ERR_EXPECTATION_FAILED,
                        "the only supported expectation is 100-continue");
}

/* Cuts the part up to `mark` off *rest, without blanks around it; false when nothing was left. */
static bool part_next(struct bytes *rest, char mark, struct bytes *ret_part) {
    if (rest->data == NULL) {
        return false;
    }
    const char *end = rest->len == 0 ? NULL : memchr(rest->data, mark, rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->data);
    *ret_part = bytes_trim((struct bytes){rest->data, len}, " \t");
    *rest = end == NULL ? (struct bytes){0} : (struct bytes){end + 1, rest->len - len - 1};
    return true;
}

bool header_list_has(struct bytes list, struct bytes token) {
    struct bytes part;
    while (part_next(&list, ',', &part)) {
        if (bytes_equal_nocase(part, token)) {
            return true;
        }
    }
    return false;
}

/* "q=0", "q=0.000": not wanted at all. */
static bool is_zero_weight(struct bytes parameter) {
    if (parameter.len < 3 || (parameter.data[0] | 0x20) != 'q' || parameter.data[1] != '=' ||
        parameter.data[2] != '0') {
        return false;
    }
    size_t at = 3;
    while (at < parameter.len && (parameter.data[at] == '0' || parameter.data[at] == '.')) {
        at++;
    }
    return at == parameter.len;
}

bool header_accepts(struct bytes accept, struct bytes media) {
    struct bytes range, part;
    while (part_next(&accept, ',', &range)) {
        bool named = part_next(&range, ';', &part) && bytes_equal_nocase(part, media);
        while (named && part_next(&range, ';', &part)) {
            named = !is_zero_weight(part);
        }
        if (named) {
            return true;
        }
    }
    return false;
}

bool header_is_json(struct bytes content_type) {
    struct bytes part;
    if (!part_next(&content_type, ';', &part) ||
        !bytes_equal_nocase(part, BYTES("application/json"))) {
        return false;
    }
    while (part_next(&content_type, ';', &part)) {
        if (!bytes_equal_nocase(part, BYTES("charset=utf-8")) &&
            !bytes_equal_nocase(part, BYTES("charset=\"utf-8\""))) {
            return false;
        }
    }
    return true;
}

/* --- The parser ------------------------------------------------------------------------------- */

void parser_init(struct parser *parser) {
    llhttp_init(&parser->http, HTTP_REQUEST, &settings);
    parser->in_body = false;
    parser->wire = 0;
    parser->last = '\0';
}

/* `detail`: what llhttp found that none of our own checks had; NULL: its own words. */
static enum parse_result parser_fail(struct parser *parser, struct request *request,
                                     const char *detail) {
    const char *reason = detail != NULL ? detail : llhttp_get_error_reason(&parser->http);
    (void)request_fail(request, ERR_BAD_REQUEST, reason == NULL ? "not valid HTTP" : reason);
    return PARSE_FAILED;
}

static enum parse_result parser_feed_head(struct parser *parser, struct request *request) {
    /* From here on the callbacks tell when the head is over. */
    request->head_done = false;
    parser->http.data = request;
    llhttp_errno_t rc = llhttp_execute(&parser->http, request->head, request->head_len);
    if ((rc != HPE_OK && rc != HPE_PAUSED) || !request->head_done) {
        return parser_fail(parser, request, NULL);
    }
    if (!header_rules_check(request)) {
        return PARSE_FAILED;
    }
    parser->in_body = !request->whole;
    if (request->whole) {
        parser_init(parser);
    }
    return request->whole ? PARSE_WHOLE : PARSE_HEAD;
}

static enum parse_result parser_feed_body(struct parser *parser, struct request *request,
                                          struct bytes bytes, size_t *ret_used) {
    llhttp_errno_t rc = llhttp_execute(&parser->http, bytes.data, bytes.len);
    if (rc == HPE_PAUSED && request->whole) {
        size_t used = (size_t)(llhttp_get_error_pos(&parser->http) - bytes.data);
        *ret_used = used;
        /* llhttp takes a bare LF for the empty line after the last chunk. */
        assert(used > 0);
        char before = used > 1 ? bytes.data[used - 2] : parser->last;
        if (request->chunked && (bytes.data[used - 1] != '\n' || before != '\r')) {
            return parser_fail(parser, request, "the chunks end with a bare LF");
        }
        parser_init(parser);
        return PARSE_WHOLE;
    }
    if (rc != HPE_OK) {
        return parser_fail(parser, request, NULL);
    }
    *ret_used = bytes.len;
    parser->wire += bytes.len;
    parser->last = bytes.data[bytes.len - 1];
    if (request->chunked &&
        parser->wire > WIRE_FREE + WIRE_PER_BYTE * (uint64_t)request->body_len) {
        return parser_fail(parser, request, "the chunks contain more framing than body");
    }
    return PARSE_MORE;
}

enum parse_result parser_feed(struct parser *parser, struct request *request,
                              const struct request_limits *limits, struct bytes bytes,
                              size_t *ret_used) {
    *ret_used = 0;
    if (parser->in_body) {
        return bytes.len == 0 ? PARSE_MORE : parser_feed_body(parser, request, bytes, ret_used);
    }
    if (!head_take(request, limits, bytes, ret_used)) {
        return PARSE_MORE;
    }
    return err_failed(request->err) ? PARSE_FAILED : parser_feed_head(parser, request);
}
