/* client.c: see client.h. */
#include "api/board/client.h"

struct board_client board_client_read(const struct exchange *exchange) {
    const struct identity *identity = exchange_identity(exchange);
    return (struct board_client){.inside = identity->inside,
                                 .person = identity->inside[0] == '\0' &&
                                           (identity->scopes & SCOPE_APPROVE) != 0,
                                 .label = BYTES("")};
}

void board_client_complete(struct tx *tx, const struct exchange *exchange,
                           struct board_client *io_client) {
    if (io_client->inside[0] == '\0' && !io_client->person) {
        io_client->label = tx_text(tx, "SELECT label FROM tokens WHERE token = $1",
                                   ARGS(arg_str(exchange_identity(exchange)->token)));
    }
}
