#include <string.h>

#include "http/host.h"
#include "http/request.h"

static const struct bytes known_names[HEADER_KNOWN] = {
    [HEADER_HOST] = {"host", 4},
    [HEADER_CONTENT_LENGTH] = {"content-length", 14},
    [HEADER_TRANSFER_ENCODING] = {"transfer-encoding", 17},
    [HEADER_CONTENT_TYPE] = {"content-type", 12},
    [HEADER_AUTHORIZATION] = {"authorization", 13},
    [HEADER_ORIGIN] = {"origin", 6},
    [HEADER_EXPECT] = {"expect", 6},
    [HEADER_UPGRADE] = {"upgrade", 7},
    [HEADER_IDEMPOTENCY_KEY] = {"idempotency-key", 15},
    [HEADER_LAST_EVENT_ID] = {"last-event-id", 13},
    [HEADER_WEBSOCKET_KEY] = {"sec-websocket-key", 17},
    [HEADER_WEBSOCKET_VERSION] = {"sec-websocket-version", 21},
};

static struct err refuse(struct request *request, enum err_code code, const char *detail) {
    why_set(&request->why, "%s", detail);
    return err_make(code, "http: headers");
}

static int known_find(struct bytes name) {
    for (int i = 0; i < HEADER_KNOWN; i++) {
        if (bytes_equal(known_names[i], name)) {
            return i;
        }
    }
    return -1;
}

/* A header that comes twice is read as the first by one server and as the last by another. */
static struct err index_known(struct request *request) {
    for (unsigned i = 0; i < request->header_count; i++) {
        int known = known_find(request_header_name(request, i));
        if (known < 0) {
            continue;
        }
        if (request->known[known] != 0) {
            why_set(&request->why, "the header '%s' came twice", known_names[known].data);
            return err_make(ERR_BAD_REQUEST, "http: headers");
        }
        request->known[known] = (uint8_t)(i + 1);
    }
    return ERR_OK;
}

static struct err check_framing(struct request *request) {
    struct bytes value;
    if (request_known(request, HEADER_TRANSFER_ENCODING, &value)) {
        if (request->known[HEADER_CONTENT_LENGTH] != 0) {
            return refuse(request, ERR_BAD_REQUEST,
                          "the request has both Content-Length and Transfer-Encoding");
        }
        if (request->minor == 0) {
            return refuse(request, ERR_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
        }
        if (!bytes_equal_nocase(value, BYTES("chunked"))) {
            return refuse(request, ERR_NOT_IMPLEMENTED,
                          "the only Transfer-Encoding known here is chunked");
        }
        request->chunked = true;
    }
    request->has_length = request->known[HEADER_CONTENT_LENGTH] != 0;
    return ERR_OK;
}

static struct err check_expect(struct request *request) {
    struct bytes value;
    if (request_known(request, HEADER_EXPECT, &value) &&
        !bytes_equal_nocase(value, BYTES("100-continue"))) {
        return refuse(request, ERR_EXPECTATION_FAILED,
                      "the only expectation known is 100-continue");
    }
    return ERR_OK;
}

static void read_connection(struct request *request) {
    bool close = false, keep = false, upgrade = false;
    for (unsigned i = 0; i < request->header_count; i++) {
        struct bytes name = request_header_name(request, i);
        if (name.len == 10 && memcmp(name.data, "connection", 10) == 0) {
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

struct err header_rules_check(struct request *request) {
    struct err err = index_known(request);
    if (err_failed(err)) {
        return err;
    }
    struct bytes value;
    struct host host;
    if (!request_known(request, HEADER_HOST, &value)) {
        return refuse(request, ERR_BAD_REQUEST, "the Host header is missing");
    }
    if (!host_parse(value, &host)) {
        return refuse(request, ERR_BAD_REQUEST, "the Host header is not a host and port");
    }
    err = check_framing(request);
    if (!err_failed(err)) {
        err = check_expect(request);
    }
    read_connection(request);
    return err;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes text) {
    while (text.len > 0 && is_blank(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* Cuts the part up to `mark` off *rest; false when nothing was left. */
static bool next_part(struct bytes *rest, char mark, struct bytes *ret_part) {
    if (rest->data == NULL) {
        return false;
    }
    const char *end = rest->len == 0 ? NULL : memchr(rest->data, mark, rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->data);
    *ret_part = trim((struct bytes){rest->data, len});
    *rest = end == NULL ? (struct bytes){0} : (struct bytes){end + 1, rest->len - len - 1};
    return true;
}

bool header_list_has(struct bytes list, struct bytes token) {
    struct bytes part;
    while (next_part(&list, ',', &part)) {
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
    for (size_t i = 3; i < parameter.len; i++) {
        if (parameter.data[i] != '0' && parameter.data[i] != '.') {
            return false;
        }
    }
    return true;
}

bool header_accepts(struct bytes accept, struct bytes media) {
    struct bytes range, part;
    while (next_part(&accept, ',', &range)) {
        bool named = next_part(&range, ';', &part) && bytes_equal_nocase(part, media);
        while (named && next_part(&range, ';', &part)) {
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
    if (!next_part(&content_type, ';', &part) ||
        !bytes_equal_nocase(part, BYTES("application/json"))) {
        return false;
    }
    while (next_part(&content_type, ';', &part)) {
        if (!bytes_equal_nocase(part, BYTES("charset=utf-8")) &&
            !bytes_equal_nocase(part, BYTES("charset=\"utf-8\""))) {
            return false;
        }
    }
    return true;
}
