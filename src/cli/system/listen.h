/* listen.h: where a daemon listens, as users write it.
 *
 * Threads    any.
 */
#ifndef DROVER_CLI_SYSTEM_LISTEN_H
#define DROVER_CLI_SYSTEM_LISTEN_H

#include "base/base.h"
#include "base/err.h"

struct listen_address {
    bool unix_socket;
    char host[256]; /* Without brackets. */
    uint16_t port;
    const char *path; /* Borrowed from the text. */
    bool loopback;    /* Nobody from another machine reaches it. */
};

/* "HOST:PORT", "[V6]:PORT" or "unix:PATH". */
MUST_CHECK struct err listen_parse(const char *text, struct listen_address *ret_address,
                                   struct why *why);

#endif
