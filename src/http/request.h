/* request.h: one request as it comes in, and the parser that fills it.
 *
 * The head is gathered into one buffer first and checked line by line (what the parser proper would
 * let through is refused here), then llhttp reads it in one go, so that each name and value is one
 * run of bytes in that buffer. Of a body llhttp takes the framing off.
 *
 * Promise    a request that comes out whole has one meaning: one Host, one framing, no folded line,
 *            no bare CR or LF, no NUL. Limits hold at each byte, not only at the end.
 * Ownership  embedded: init/done. Headers and body point into the request.
 * Threads    one at a time.
 * Failure    PARSE_FAILED: err and why of the request say it; the connection can't be read on.
 */
#ifndef DROVER_HTTP_REQUEST_H
#define DROVER_HTTP_REQUEST_H

#include <llhttp.h>

#include "base/base.h"
#include "base/err.h"

enum {
    HEADERS_MAX = 100,     /* What a request has room for; a limit may be lower. */
    HEAD_INLINE = 1024,    /* Most heads fit, and cost no allocation. */
    HEAD_SIZE_MAX = 64512, /* Offsets are 16 bits wide. */
};

/* Headers that we look at ourselves; each may come once. */
enum header_known {
    HEADER_HOST,
    HEADER_CONTENT_LENGTH,
    HEADER_TRANSFER_ENCODING,
    HEADER_CONTENT_TYPE,
    HEADER_AUTHORIZATION,
    HEADER_ORIGIN,
    HEADER_FETCH_SITE,
    HEADER_EXPECT,
    HEADER_UPGRADE,
    HEADER_IDEMPOTENCY_KEY,
    HEADER_LAST_EVENT_ID,
    HEADER_WEBSOCKET_KEY,
    HEADER_WEBSOCKET_VERSION,
    HEADER_KNOWN,
};

struct header {
    uint16_t name_at, name_len, value_at, value_len;
};

struct request_limits {
    size_t head_bytes_max, url_bytes_max, headers_max;
};

struct request {
    char *head; /* `inline_head`, or owned. */
    uint32_t head_len, head_size, line_at, first_line_len;
    uint16_t method_len, target_at, target_len, header_count;
    uint16_t lines;      /* Of the head, whole ones. */
    uint8_t blank_lines; /* Before the request line. */
    uint8_t minor;       /* HTTP/1.minor. */
    bool keep_alive;     /* Wanted and possible. */
    bool chunked, has_length, wants_upgrade;
    bool value_seen;             /* Of the last header: a second value means a folded line. */
    bool head_done, whole;       /* Set by the parser's callbacks. */
    bool discard;                /* The body is counted and dropped: the answer is known. */
    uint8_t known[HEADER_KNOWN]; /* Position + 1 in headers; 0: absent. */
    uint64_t content_length;
    char *body; /* Owned. */
    size_t body_len, body_size, body_max;
    struct err err;
    struct why why;
    struct header headers[HEADERS_MAX]; /* From here on not zeroed by init. */
    char inline_head[HEAD_INLINE];
};

void request_init(struct request *request, size_t body_max);
void request_done(struct request *request);

struct bytes request_method(const struct request *request);
struct bytes request_target(const struct request *request);
struct bytes request_header_name(const struct request *request, unsigned at);
struct bytes request_header_value(const struct request *request, unsigned at);
MUST_CHECK bool request_known(const struct request *request, enum header_known known,
                              struct bytes *ret_value);
MUST_CHECK bool request_find_header(const struct request *request, struct bytes lower_name,
                                    struct bytes *ret_value);

/* `list` is a comma separated header value, `token` one of its elements, without parameters. */
MUST_CHECK bool header_list_has(struct bytes list, struct bytes token);
/* Named explicitly, with a weight that is not 0. */
MUST_CHECK bool header_accepts(struct bytes accept, struct bytes media);
/* application/json, perhaps with charset=utf-8. */
MUST_CHECK bool header_is_json(struct bytes content_type);

struct parser {
    llhttp_t http;
    bool in_body;
    char last;     /* Of the bytes of a body so far. */
    uint64_t wire; /* Bytes that the body took, framing included. */
};
void parser_init(struct parser *parser);

enum parse_result {
    PARSE_MORE,  /* All bytes were used. */
    PARSE_HEAD,  /* The head is there and a body follows: decide, then feed on. */
    PARSE_WHOLE, /* The request is complete; the rest belongs to the next one. */
    PARSE_FAILED,
};
/* A new, initialised request is handed in for each request. */
MUST_CHECK enum parse_result parser_feed(struct parser *parser, struct request *request,
                                         const struct request_limits *limits, struct bytes bytes,
                                         size_t *ret_used);

#endif
