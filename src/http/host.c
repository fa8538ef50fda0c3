#include "http/host.h"

#include "base/number.h"

enum { HTTP_PORT = 80 }; /* Where none is named. */

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_name_char(char c, bool in_brackets) {
    if ((c >= '0' && c <= '9') || c == '.') {
        return true;
    }
    return in_brackets ? (lower(c) >= 'a' && lower(c) <= 'f') || c == ':'
                       : (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '_';
}

bool host_parse(struct bytes text, struct host *ret_host) {
    bool in_brackets = text.len > 0 && text.data[0] == '[';
    size_t len = in_brackets ? 1 : 0;
    while (len < text.len && is_name_char(text.data[len], in_brackets)) {
        len++;
    }
    if (in_brackets) {
        len = len > 2 && len < text.len && text.data[len] == ']' ? len + 1 : 0;
    }
    int64_t port = -1;
    if (len == 0 || len > 255) {
        return false;
    }
    if (len < text.len) {
        struct bytes digits = {text.data + len + 1, text.len - len - 1};
        if (text.data[len] != ':' ||
            !number_parse(digits, (struct number_bounds){1, 65535}, &port)) {
            return false;
        }
    }
    *ret_host = (struct host){.name = {text.data, len}, .port = (int)port};
    return true;
}

bool host_allowed(const struct host_rules *rules, struct host host) {
    if (rules->any) {
        return true;
    }
    const struct bytes ours[] = {BYTES("localhost"), BYTES("127.0.0.1"), BYTES("[::1]"),
                                 bytes_of(rules->address)};
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        if (bytes_equal_nocase(ours[i], host.name) &&
            (host.port < 0 ? HTTP_PORT : host.port) == rules->port) {
            return true;
        }
    }
    for (const char *const *at = rules->allowed_hosts; at != NULL && *at != NULL; at++) {
        struct host allowed;
        if (host_parse(bytes_of(*at), &allowed) && bytes_equal_nocase(allowed.name, host.name) &&
            (allowed.port < 0 || allowed.port == host.port)) {
            return true;
        }
    }
    return false;
}

bool origin_allowed(const struct host_rules *rules, struct bytes origin, struct bytes host) {
    static const struct bytes scheme = BYTES_INIT("http://");
    for (const char *const *at = rules->allowed_origins; at != NULL && *at != NULL; at++) {
        if (bytes_equal_nocase(bytes_of(*at), origin)) {
            return true;
        }
    }
    /* A page over https is never ours, since the daemon has no TLS: whatever serves https under the
     * name in Host may be another program. The origin of a proxy in front has to be listed. */
    struct host from, to;
    if (origin.len <= scheme.len ||
        !bytes_equal_nocase((struct bytes){origin.data, scheme.len}, scheme) ||
        !host_parse((struct bytes){origin.data + scheme.len, origin.len - scheme.len}, &from) ||
        !host_parse(host, &to)) {
        return false;
    }
    int from_port = from.port < 0 ? HTTP_PORT : from.port;
    int to_port = to.port < 0 ? HTTP_PORT : to.port;
    return from_port == to_port && bytes_equal_nocase(from.name, to.name);
}
