/* A head, line by line:
 *
 *     [CRLF]{0,2}  METHOD SP target SP HTTP/1.x CRLF  {name ":" value CRLF}  CRLF
 *
 * A line is checked when it is whole, so a client hears at once what is wrong with its first line,
 * and a client that never ends one is bounded by the limits.
 */
#include <string.h>

#include "base/memory.h"
#include "http/request.h"

enum {
    METHOD_MAX = 20,
    BLANK_LINES_MAX = 2,
    VERSION_LEN = 8,                                     /* "HTTP/1.1" */
    FIRST_LINE_EXTRA = METHOD_MAX + 2 + VERSION_LEN + 2, /* Beside the target. */
};

static bool fail(struct request *request, enum err_code code, const char *detail) {
    request->err = err_make(code, "http: head");
    why_set(&request->why, "%s", detail);
    return false;
}

static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Methods that no route could ever have are told apart from those that this route lacks. */
static bool method_known(struct bytes method) {
    static const struct bytes known[] = {
        {"GET", 3},   {"HEAD", 4},   {"POST", 4},    {"PUT", 3},
        {"PATCH", 5}, {"DELETE", 6}, {"OPTIONS", 7},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (bytes_equal(known[i], method)) {
            return true;
        }
    }
    return false;
}

static bool check_version(struct request *request, const char *version) {
    if (memcmp(version, "HTTP/", 5) != 0 || !is_digit(version[5]) || version[6] != '.' ||
        !is_digit(version[7])) {
        return fail(request, ERR_BAD_REQUEST, "the request line does not end with HTTP/1.1");
    }
    if (version[5] != '1' || (version[7] != '0' && version[7] != '1')) {
        return fail(request, ERR_BAD_VERSION, "the request's version is not HTTP/1.0 or HTTP/1.1");
    }
    request->minor = (uint8_t)(version[7] - '0');
    return true;
}

/* `line` is without its CRLF. */
static bool check_request_line(struct request *request, struct bytes line, size_t url_max) {
    size_t method = 0;
    while (method < line.len && is_upper(line.data[method])) {
        method++;
    }
    if (method == 0 || method > METHOD_MAX || method == line.len || line.data[method] != ' ') {
        return fail(request, ERR_BAD_REQUEST, "the request line does not begin with a method");
    }
    if (line.len < method + 1 + 1 + 1 + VERSION_LEN ||
        line.data[line.len - VERSION_LEN - 1] != ' ') {
        return fail(request, ERR_BAD_REQUEST, "the request line does not end with HTTP/1.1");
    }
    if (!check_version(request, line.data + line.len - VERSION_LEN)) {
        return false;
    }
    size_t target = line.len - method - 2 - VERSION_LEN;
    if (target > url_max) {
        return fail(request, ERR_URL_TOO_LONG, "the URL is longer than the server's limit");
    }
    if (memchr(line.data + method + 1, ' ', target) != NULL) {
        return fail(request, ERR_BAD_REQUEST, "the target holds a blank");
    }
    if (!method_known((struct bytes){line.data, method})) {
        return fail(request, ERR_NOT_IMPLEMENTED, "the method is not known here");
    }
    request->method_len = (uint16_t)method;
    request->target_at = (uint16_t)(method + 1);
    request->target_len = (uint16_t)target;
    return true;
}

static bool check_field_line(struct request *request, const struct request_limits *limits,
                             struct bytes line) {
    if (line.data[0] == ' ' || line.data[0] == '\t') {
        return fail(request, ERR_BAD_REQUEST, "a header line is folded");
    }
    if (line.data[0] == ':') {
        return fail(request, ERR_BAD_REQUEST, "a header has no name");
    }
    if (request->lines > limits->headers_max + 1) {
        return fail(request, ERR_HEADERS_TOO_LARGE, "there are more headers than allowed");
    }
    return true;
}

/* The last whole line of the buffer. False: it is bad. */
static bool check_line(struct request *request, const struct request_limits *limits) {
    struct bytes line = {request->head + request->line_at, request->head_len - request->line_at};
    if (line.len < 2 || line.data[line.len - 2] != '\r') {
        return fail(request, ERR_BAD_REQUEST, "a line ends with a bare LF");
    }
    line.len -= 2;
    if (memchr(line.data, '\r', line.len) != NULL) {
        return fail(request, ERR_BAD_REQUEST, "a line holds a bare CR");
    }
    if (memchr(line.data, '\0', line.len) != NULL) {
        return fail(request, ERR_BAD_REQUEST, "a line holds a NUL");
    }
    if (request->lines == 0 && line.len == 0) {
        if (++request->blank_lines > BLANK_LINES_MAX) {
            return fail(request, ERR_BAD_REQUEST, "there are blank lines instead of a request");
        }
        request->head_len = 0;
        return true;
    }
    if (request->lines++ == 0) {
        request->first_line_len = request->head_len;
        request->line_at = request->head_len;
        return check_request_line(request, line, limits->url_bytes_max);
    }
    request->line_at = request->head_len;
    request->head_done = line.len == 0;
    return request->head_done || check_field_line(request, limits, line);
}

/* Checks what can be said of a line that has not ended yet. */
static bool check_bounds(struct request *request, const struct request_limits *limits) {
    if (request->lines > 0) {
        return request->head_len - request->first_line_len <= limits->head_bytes_max ||
               fail(request, ERR_HEADERS_TOO_LARGE, "the headers have more bytes than allowed");
    }
    if (request->head_len > 0 && !is_upper(request->head[0]) && request->head[0] != '\r') {
        return fail(request, ERR_BAD_REQUEST, "the request line does not begin with a method");
    }
    return request->head_len <= limits->url_bytes_max + FIRST_LINE_EXTRA ||
           fail(request, ERR_URL_TOO_LONG, "the URL is longer than the server's limit");
}

static bool append(struct request *request, const char *data, size_t len) {
    size_t need = request->head_len + len;
    if (need > HEAD_SIZE_MAX) {
        return fail(request, ERR_HEADERS_TOO_LARGE, "the head has more bytes than allowed");
    }
    if (need > request->head_size) {
        size_t size = (size_t)request->head_size * 4;
        size = size < need ? need : size;
        bool inside = request->head == request->inline_head;
        char *head = inside ? mem_try(size) : mem_try_grow(request->head, size);
        if (head == NULL) {
            return fail(request, ERR_OUT_OF_MEMORY, "there is no memory for the head");
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

/* How much of a line may be appended before the bounds are looked at again. */
static size_t room_of(const struct request *request, const struct request_limits *limits) {
    size_t bound = request->lines == 0 ? limits->url_bytes_max + FIRST_LINE_EXTRA
                                       : request->first_line_len + limits->head_bytes_max;
    return bound + 1 - request->head_len;
}

bool head_take(struct request *request, const struct request_limits *limits, struct bytes bytes,
               size_t *ret_used) {
    size_t at = 0;
    while (at < bytes.len && !request->head_done) {
        const char *from = bytes.data + at;
        const char *newline = memchr(from, '\n', bytes.len - at);
        size_t len = newline == NULL ? bytes.len - at : (size_t)(newline - from) + 1;
        size_t room = room_of(request, limits);
        bool whole = newline != NULL && len <= room;
        len = len < room ? len : room;
        at += len;
        if (!append(request, from, len) || !check_bounds(request, limits) ||
            (whole && !check_line(request, limits))) {
            break;
        }
    }
    *ret_used = at;
    return request->head_done || err_failed(request->err);
}
