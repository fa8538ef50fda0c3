/* client.h: the client of a request about tasks or mail: see struct board_client.
 *
 * Ownership  texts are borrowed from the exchange, or live in the transaction's arena.
 * Threads    any; board_client_complete: inside a store function.
 */
#ifndef DROVER_API_BOARD_CLIENT_H
#define DROVER_API_BOARD_CLIENT_H

#include "engine/board/board.h"
#include "http/http.h"

struct board_client board_client_read(const struct exchange *exchange);
/* An agent without a run is who its token says. */
void board_client_complete(struct tx *tx, const struct exchange *exchange,
                           struct board_client *io_client);

#endif
