/* reply.c: the head of an answer. */
#include <string.h>
#include <time.h>

#include "http/inside.h"

/* Status lines are whole, since an answer is written many thousand times a second. */
static const struct {
    int status;
    struct bytes line;
} status_lines[] = {
#define LINE(code, words)                                                                          \
    { code, BYTES_INIT("HTTP/1.1 " #code " " words "\r\n") }
    LINE(200, "OK"),
    LINE(201, "Created"),
    LINE(202, "Accepted"),
    LINE(204, "No Content"),
    LINE(304, "Not Modified"),
    LINE(400, "Bad Request"),
    LINE(401, "Unauthorized"),
    LINE(403, "Forbidden"),
    LINE(404, "Not Found"),
    LINE(405, "Method Not Allowed"),
    LINE(406, "Not Acceptable"),
    LINE(408, "Request Timeout"),
    LINE(409, "Conflict"),
    LINE(410, "Gone"),
    LINE(411, "Length Required"),
    LINE(412, "Precondition Failed"),
    LINE(413, "Content Too Large"),
    LINE(414, "URI Too Long"),
    LINE(415, "Unsupported Media Type"),
    LINE(417, "Expectation Failed"),
    LINE(421, "Misdirected Request"),
    LINE(422, "Unprocessable Content"),
    LINE(426, "Upgrade Required"),
    LINE(429, "Too Many Requests"),
    LINE(431, "Request Header Fields Too Large"),
    LINE(500, "Internal Server Error"),
    LINE(501, "Not Implemented"),
    LINE(503, "Service Unavailable"),
    LINE(505, "HTTP Version Not Supported"),
    LINE(507, "Insufficient Storage"),
#undef LINE
};

static char *put(char *out, struct bytes bytes) {
    memcpy(out, bytes.data, bytes.len);
    return out + bytes.len;
}

static char *put_number(char *out, size_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(out, (struct bytes){digits + at, sizeof digits - at});
}

static char *put_status(char *out, int status) {
    for (size_t i = 0; i < COUNT_OF(status_lines); i++) {
        if (status_lines[i].status == status) {
            return put(out, status_lines[i].line);
        }
    }
    out = put_number(put(out, BYTES("HTTP/1.1 ")), (size_t)status);
    return put(out, BYTES(" Status\r\n"));
}

/* The clock is asked once for each answer, the text made once a second. */
static char *put_date(char *out, struct http_server *server) {
    int64_t now_s = world_wall_ms(loop_world(server->loop)) / 1000;
    if (now_s != server->date_s) {
        time_t now = (time_t)now_s;
        struct tm utc;
        if (gmtime_r(&now, &utc) != NULL) {
            (void)strftime(server->date, sizeof server->date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
                           &utc); /* Its length is fixed, and fits. */
        }
        server->date_s = now_s;
    }
    return put(out, bytes_of(server->date));
}

size_t reply_head_write(const struct exchange *exchange, char *out) {
    char *at = put_status(out, exchange->status);
    at = put_date(at, exchange->server);
    if (exchange->media != NULL) {
        assert(strlen(exchange->media) < 200);
        at = put(at, BYTES("Content-Type: "));
        at = put(at, bytes_of(exchange->media));
        at = put(at, BYTES("\r\n"));
    }
    if (exchange->status != 204 && exchange->status != 304) {
        at = put(at, BYTES("Content-Length: "));
        at = put_number(at, exchange->body_len);
        at = put(at, BYTES("\r\n"));
    }
    at = put(at, BYTES("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"));
    if (exchange->close) {
        at = put(at, BYTES("Connection: close\r\n"));
    } else if (exchange->request.minor == 0) {
        at = put(at, BYTES("Connection: keep-alive\r\n"));
    }
    at = put(at, (struct bytes){exchange->extra, exchange->extra_len});
    at = put(at, BYTES("\r\n"));
    assert((size_t)(at - out) <= ANSWER_HEAD_MAX);
    return (size_t)(at - out);
}

size_t reply_stream_head_write(struct http_server *server, const char *status_line,
                               const char *fields, char *out) {
    char *at = put_date(put(out, bytes_of(status_line)), server);
    at = put(at, bytes_of(fields));
    at = put(at, BYTES("\r\n"));
    assert((size_t)(at - out) <= ANSWER_HEAD_MAX);
    return (size_t)(at - out);
}
