/* host.h: which names a client may call us by.
 *
 * A browser can be made to send requests to 127.0.0.1 under a name of the attacker's (DNS
 * rebinding), and from pages of other origins. Both are told by headers that a page cannot forge:
 * Host and Origin.
 *
 * Promise    pure; names compare without case. Syntax: a registered name of letters, digits, '.',
 *            '-' and '_', an IPv4 address or a bracketed IPv6 one, then perhaps ":port".
 * Threads    any.
 */
#ifndef DROVER_HTTP_HOST_H
#define DROVER_HTTP_HOST_H

#include "base/base.h"

struct host {
    struct bytes name; /* With the brackets of an IPv6 address. */
    int port;          /* -1: none given. */
};
MUST_CHECK bool host_parse(struct bytes text, struct host *ret_host);

struct host_rules {
    bool any;                         /* A Unix socket: each valid name will do. */
    uint16_t port;                    /* The listening one. */
    const char *address;              /* The listening one, as in a URL; may be NULL. */
    const char *const *allowed_hosts; /* "name" or "name:port"; ends with NULL; may be NULL. */
    const char *const *allowed_origins;
};
/* A name of loopback or the listening address, with the listening port. */
MUST_CHECK bool host_is_own(const struct host_rules *rules, struct host host);
MUST_CHECK bool host_allowed(const struct host_rules *rules, struct host host);

enum { ORIGIN_SIZE = 288 };
struct origin_text {
    char text[ORIGIN_SIZE];
};
/* The origin of an http or https URL without a path, as browsers write it: in lower case, without
 * the port of its scheme. A slash at the end is left out. */
MUST_CHECK bool origin_parse(struct bytes url, struct origin_text *ret_origin);
/* Whether a page of this origin, over http or https, is asked for with this Host header. */
MUST_CHECK bool origin_has_host(struct bytes origin, struct bytes host);

/* True: host and port are those of the Host header, over http, or the origin is listed. */
MUST_CHECK bool origin_allowed(const struct host_rules *rules, struct bytes origin,
                               struct bytes host);

#endif
