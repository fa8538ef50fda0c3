/* begin.c: see begin.h. */
#include "engine/turn/begin.h"

struct err tx_talk_begin(struct tx *tx, const struct talk_new *talk, struct talk_begun *ret_begun,
                         struct why *why) {
    struct turn_message message = talk->message;
    struct session_row session;
    struct turn_accepted accepted;
    struct err err = ERR_OK;
    message.policy = TURN_ENQUEUE;
    if (talk->goes_on != NULL) {
        session = *talk->goes_on;
    } else {
        err = tx_session_create(tx, &talk->session, &session);
    }
    if (!err_failed(err)) {
        message.session = (struct session_key){session.owner, session.session};
        err =
            talk->on_session == NULL ? ERR_OK : talk->on_session(tx, talk->ctx, &session, &message);
    }
    if (!err_failed(err)) {
        err = tx_turn_submit(tx, &message, &accepted, why);
    }
    if (!err_failed(err)) {
        *ret_begun = (struct talk_begun){.session = session, .turn = accepted.run};
    }
    return err;
}
