/* header_rules.c: rules of headers about framing and connection. */
#include <string.h>

#include "http/host.h"
#include "http/request.h"

static const struct bytes known_names[HEADER_KNOWN] = {
    [HEADER_HOST] = BYTES_INIT("host"),
    [HEADER_CONTENT_LENGTH] = BYTES_INIT("content-length"),
    [HEADER_TRANSFER_ENCODING] = BYTES_INIT("transfer-encoding"),
    [HEADER_CONTENT_TYPE] = BYTES_INIT("content-type"),
    [HEADER_AUTHORIZATION] = BYTES_INIT("authorization"),
    [HEADER_ORIGIN] = BYTES_INIT("origin"),
    [HEADER_EXPECT] = BYTES_INIT("expect"),
    [HEADER_UPGRADE] = BYTES_INIT("upgrade"),
    [HEADER_IDEMPOTENCY_KEY] = BYTES_INIT("idempotency-key"),
    [HEADER_LAST_EVENT_ID] = BYTES_INIT("last-event-id"),
    [HEADER_WEBSOCKET_KEY] = BYTES_INIT("sec-websocket-key"),
    [HEADER_WEBSOCKET_VERSION] = BYTES_INIT("sec-websocket-version"),
};

static struct err refuse(struct request *request, enum err_code code, const char *detail) {
    return err_why(&request->why, code, "%s", detail);
}

/* A header that comes twice is read as the first by one server and as the last by another. */
static struct err known_index(struct request *request) {
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
            return err_why(&request->why, ERR_BAD_REQUEST, "the header '%s' came twice",
                           known_names[known].data);
        }
        request->known[known] = (uint8_t)(i + 1);
    }
    return ERR_OK;
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

struct err header_rules_check(struct request *request) {
    struct err err = known_index(request);
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
    connection_read(request);
    request->has_length = request->known[HEADER_CONTENT_LENGTH] != 0;
    request->chunked = request_known(request, HEADER_TRANSFER_ENCODING, &value);
    if (request->chunked && request->has_length) {
        return refuse(request, ERR_BAD_REQUEST,
                      "the request has both Content-Length and Transfer-Encoding");
    }
    if (request->chunked && request->minor == 0) {
        return refuse(request, ERR_BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
    }
    if (request->chunked && !bytes_equal_nocase(value, BYTES("chunked"))) {
        return refuse(request, ERR_NOT_IMPLEMENTED,
                      "the only Transfer-Encoding known here is chunked");
    }
    if (request_known(request, HEADER_EXPECT, &value) &&
        !bytes_equal_nocase(value, BYTES("100-continue"))) {
        return refuse(request, ERR_EXPECTATION_FAILED,
                      "the only expectation known is 100-continue");
    }
    return ERR_OK;
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
