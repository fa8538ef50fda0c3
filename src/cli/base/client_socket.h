/* client_socket.h: connecting, sending and receiving with a time-out and a way out.
 *
 * Ownership  the caller owns the descriptor.
 * Threads    one.
 * Failure    ERR_UNREACHABLE, ERR_IO or ERR_INTERRUPTED; *why tells.
 */
#ifndef DROVER_CLI_BASE_CLIENT_SOCKET_H
#define DROVER_CLI_BASE_CLIENT_SOCKET_H

#include "base/base.h"
#include "base/err.h"
#include "cli/base/client.h"

struct client_address {
    char host[256];
    char port[8];
};

/* "http://host:port[/]". */
MUST_CHECK struct err client_url_parse(const char *url, struct client_address *ret_address,
                                       struct why *why);
/* address NULL: the socket in the data directory. */
MUST_CHECK struct err client_socket_connect(const struct client_options *options,
                                            const struct client_address *address, int *ret_fd,
                                            struct why *why);
MUST_CHECK struct err client_socket_send(const struct client_options *options, int fd,
                                         struct bytes bytes, struct why *why);
/* *ret_len 0: the other side closed. */
MUST_CHECK struct err client_socket_receive(const struct client_options *options, int fd,
                                            int64_t timeout_ms, char *bytes, size_t size,
                                            size_t *ret_len, struct why *why);

#endif
