#include <string.h>

#include "base/memory.h"
#include "http/request.h"

enum {
    BODY_FIRST = 64 << 10, /* What a stated length gets before its bytes came. */
    WIRE_FREE = 16 << 10,  /* Framing that a body may have, beside … */
    WIRE_PER_BYTE = 8,     /* … this for each byte: a chunk of one takes six. */
};

static int fail(struct request *request, enum err_code code, const char *detail) {
    if (!err_failed(request->err)) {
        request->err = err_make(code, "http: parse");
        why_set(&request->why, "%s", detail);
    }
    return HPE_USER;
}

static int on_header_field(llhttp_t *http, const char *at, size_t len) {
    struct request *request = http->data;
    if (request->head_done) {
        return fail(request, ERR_BAD_REQUEST, "trailer fields are not accepted");
    }
    if (request->header_count == HEADERS_MAX) {
        return fail(request, ERR_HEADERS_TOO_LARGE, "there are more headers than allowed");
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
        return fail(request, ERR_BAD_REQUEST, "a header line is folded");
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

static bool body_reserve(struct request *request, size_t need) {
    if (need <= request->body_size) {
        return true;
    }
    size_t size = request->body_size * 2;
    if (request->has_length && request->body_size == 0) {
        size = request->content_length < BODY_FIRST ? (size_t)request->content_length : BODY_FIRST;
    }
    size = size < need ? need : size;
    char *body = mem_try_grow(request->body, size);
    if (body == NULL) {
        return false;
    }
    request->body = body;
    request->body_size = size;
    return true;
}

static int on_body(llhttp_t *http, const char *at, size_t len) {
    struct request *request = http->data;
    if (len > request->body_max - request->body_len) {
        return fail(request, ERR_BODY_TOO_LARGE, "the body is larger than this route takes");
    }
    if (!request->discard) {
        if (!body_reserve(request, request->body_len + len)) {
            return fail(request, ERR_OUT_OF_MEMORY, "there is no memory for the body");
        }
        memcpy(request->body + request->body_len, at, len);
    }
    request->body_len += len;
    return 0;
}

/* The length of a chunk is known before its bytes: a client hears early that it is too long. */
static int on_chunk_header(llhttp_t *http) {
    struct request *request = http->data;
    if (http->content_length > request->body_max - request->body_len) {
        return fail(request, ERR_BODY_TOO_LARGE, "the body is larger than this route takes");
    }
    return 0;
}

static int on_chunk_extension(llhttp_t *http, const char *at, size_t len) {
    return fail(http->data, ERR_BAD_REQUEST, "chunk extensions are not accepted");
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

void parser_init(struct parser *parser) {
    llhttp_init(&parser->http, HTTP_REQUEST, &settings);
    parser->in_body = false;
    parser->wire = 0;
    parser->last = '\0';
}

/* What llhttp found that none of our own checks had. */
static enum parse_result failed(struct parser *parser, struct request *request) {
    if (!err_failed(request->err)) {
        const char *reason = llhttp_get_error_reason(&parser->http);
        (void)fail(request, ERR_BAD_REQUEST, reason == NULL ? "not valid HTTP" : reason);
    }
    return PARSE_FAILED;
}

static enum parse_result finish(struct parser *parser) {
    parser_init(parser);
    return PARSE_WHOLE;
}

static enum parse_result feed_head(struct parser *parser, struct request *request,
                                   const struct request_limits *limits, struct bytes bytes,
                                   size_t *ret_used) {
    if (!head_take(request, limits, bytes, ret_used)) {
        return PARSE_MORE;
    }
    if (err_failed(request->err)) {
        return PARSE_FAILED;
    }
    /* From here on the callbacks tell when the head is over. */
    request->head_done = false;
    parser->http.data = request;
    llhttp_errno_t rc = llhttp_execute(&parser->http, request->head, request->head_len);
    if ((rc != HPE_OK && rc != HPE_PAUSED) || !request->head_done) {
        return failed(parser, request);
    }
    request->err = header_rules_check(request);
    if (err_failed(request->err)) {
        return PARSE_FAILED;
    }
    if (request->whole) {
        return finish(parser);
    }
    parser->in_body = true;
    return PARSE_HEAD;
}

/* llhttp takes a bare LF for the empty line behind the last chunk. */
static bool ends_with_crlf(const struct parser *parser, const char *data, size_t used) {
    assert(used > 0);
    return data[used - 1] == '\n' && (used > 1 ? data[used - 2] : parser->last) == '\r';
}

static enum parse_result feed_body(struct parser *parser, struct request *request,
                                   struct bytes bytes, size_t *ret_used) {
    llhttp_errno_t rc = llhttp_execute(&parser->http, bytes.data, bytes.len);
    if (rc == HPE_PAUSED && request->whole) {
        *ret_used = (size_t)(llhttp_get_error_pos(&parser->http) - bytes.data);
        if (request->chunked && !ends_with_crlf(parser, bytes.data, *ret_used)) {
            (void)fail(request, ERR_BAD_REQUEST, "the chunks end with a bare LF");
            return PARSE_FAILED;
        }
        return finish(parser);
    }
    if (rc != HPE_OK) {
        return failed(parser, request);
    }
    *ret_used = bytes.len;
    parser->wire += bytes.len;
    parser->last = bytes.data[bytes.len - 1];
    if (request->chunked &&
        parser->wire > WIRE_FREE + WIRE_PER_BYTE * (uint64_t)request->body_len) {
        (void)fail(request, ERR_BAD_REQUEST, "the chunks hold more framing than body");
        return PARSE_FAILED;
    }
    return PARSE_MORE;
}

enum parse_result parser_feed(struct parser *parser, struct request *request,
                              const struct request_limits *limits, struct bytes bytes,
                              size_t *ret_used) {
    *ret_used = 0;
    if (!parser->in_body) {
        return feed_head(parser, request, limits, bytes, ret_used);
    }
    return bytes.len == 0 ? PARSE_MORE : feed_body(parser, request, bytes, ret_used);
}
