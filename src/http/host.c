#include "http/host.h"

#include <stdio.h>

#include "base/number.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

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

bool host_is_own(const struct host_rules *rules, struct host host) {
    const struct bytes ours[] = {BYTES("localhost"), BYTES("127.0.0.1"), BYTES("[::1]"),
                                 bytes_of(rules->address)};
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        if (bytes_equal_nocase(ours[i], host.name) &&
            (host.port < 0 ? HTTP_PORT : host.port) == rules->port) {
            return true;
        }
    }
    return false;
}

bool host_allowed(const struct host_rules *rules, struct host host) {
    if (rules->any || host_is_own(rules, host)) {
        return true;
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

struct scheme {
    struct bytes begin;
    int port; /* Where none is named. */
};
static const struct scheme schemes[] = {{BYTES_INIT("http://"), HTTP_PORT},
                                        {BYTES_INIT("https://"), HTTPS_PORT}};

/* NULL: the text is no origin. */
static const struct scheme *origin_split(struct bytes origin, struct host *ret_host) {
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        const struct bytes begin = schemes[i].begin;
        if (origin.len > begin.len &&
            bytes_equal_nocase((struct bytes){origin.data, begin.len}, begin)) {
            const struct bytes rest = {origin.data + begin.len, origin.len - begin.len};
            return host_parse(rest, ret_host) ? &schemes[i] : NULL;
        }
    }
    return NULL;
}

bool origin_parse(struct bytes url, struct origin_text *ret_origin) {
    struct host host;
    struct origin_text origin;
    url.len -= url.len > 0 && url.data[url.len - 1] == '/';
    const struct scheme *scheme = origin_split(url, &host);
    if (scheme == NULL) {
        return false;
    }
    int len = snprintf(origin.text, sizeof origin.text, "%.*s%.*s", (int)scheme->begin.len,
                       scheme->begin.data, (int)host.name.len, host.name.data);
    if (host.port >= 0 && host.port != scheme->port) {
        (void)snprintf(origin.text + len, sizeof origin.text - (size_t)len, ":%d",
                       host.port); /* A name has at most 255 bytes, so all fits. */
    }
    for (char *at = origin.text; *at != '\0'; at++) {
        *at = lower(*at);
    }
    *ret_origin = origin;
    return true;
}

bool origin_has_host(struct bytes origin, struct bytes host) {
    struct host from, to;
    const struct scheme *scheme = origin_split(origin, &from);
    return scheme != NULL && host_parse(host, &to) &&
           (from.port < 0 ? scheme->port : from.port) == (to.port < 0 ? scheme->port : to.port) &&
           bytes_equal_nocase(from.name, to.name);
}

bool origin_allowed(const struct host_rules *rules, struct bytes origin, struct bytes host) {
    for (const char *const *at = rules->allowed_origins; at != NULL && *at != NULL; at++) {
        if (bytes_equal_nocase(bytes_of(*at), origin)) {
            return true;
        }
    }
    /* A page over https is never ours, since the daemon has no TLS: whatever serves https under the
     * name in Host may be another program. The origin of a proxy in front has to be listed. */
    struct host from;
    return origin_split(origin, &from) == &schemes[0] && origin_has_host(origin, host);
}
