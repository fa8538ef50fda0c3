/* handshake.h: what turns an HTTP request into a WebSocket (RFC 6455, section 4.2).
 *
 * Threads    any; pure.
 */
#ifndef DROVER_HTTP_STREAM_HANDSHAKE_H
#define DROVER_HTTP_STREAM_HANDSHAKE_H

#include "base/base.h"

enum { HANDSHAKE_ACCEPT_SIZE = 29 };

/* A Sec-WebSocket-Key is 16 bytes in base 64: 22 digits and "==". */
MUST_CHECK bool handshake_key_valid(struct bytes key);
void handshake_accept(struct bytes key, char ret_accept[HANDSHAKE_ACCEPT_SIZE]);

#endif
