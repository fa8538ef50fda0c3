/* url.h: where a redirect leads: a reference, resolved against the URL it came from (RFC 3986).
 *
 * Promise    only http and https come out, with a host, without a name or a password, without a
 *            fragment. Whatever the guard of addresses must know is left to it.
 * Threads    any.
 */
#ifndef DROVER_TOOL_WEB_URL_H
#define DROVER_TOOL_WEB_URL_H

#include "base/base.h"

enum { URL_SIZE = 2049 }; /* With the terminator. */
struct url {
    char text[URL_SIZE];
};

/* `base` NULL: the reference is whole. False: it is nothing that is fetched. */
MUST_CHECK bool url_join(const struct url *base, struct bytes reference, struct url *ret_url);
MUST_CHECK bool url_is_https(const struct url *url);

#endif
