/* turn_followup.c: what a session started has ended, and its agent goes on with it.
 *
 * A session with notices that are due, and no turn, gets one: the commit that makes it binds the
 * notices to it (inbox_bind.h), and the commit that ends it settles them. So a notice is told as
 * often as it takes and acknowledged once, over any crash. A session that is busy is left alone:
 * the end of its turn offers what is left. */
#include "engine/turn_cards.h"

#include <string.h>

#include "base/memory.h"
#include "engine/inbox_bind.h"

enum { NOTICE_MAX = MESSAGE_TEXT_MAX };

static const char opening[] =
    "[drover: what you started in the background has ended. Continue the task with this; don't "
    "repeat finished work. If the task is complete, give the final result.]";

static struct err add_notice(void *ctx, const struct inbox_row *row) {
    struct text *text = ctx;
    text_add_str(text, "\n\n");
    text_add(text, row->payload.data, row->payload.len);
    return text_failed(text) ? err_make(ERR_OUT_OF_MEMORY, "turns: notices") : ERR_OK;
}

static struct err begin(struct tx *tx, struct session_row *session,
                        const struct turn_followup *followup, struct bytes notices,
                        struct run_row *ret_run) {
    const struct turn_message message = {.session = followup->session,
                                         .text = notices,
                                         .model = {"", 0},
                                         .model_default = followup->model_default,
                                         .run = followup->run,
                                         .message = followup->message,
                                         .answer = followup->answer,
                                         .bounds = followup->bounds};
    struct why unused = {""}; /* It has no images. */
    return turns__make(tx, session, &message, TRIGGER_NOTICE, ret_run, &unused);
}

static struct err follow_up(struct tx *tx, struct session_row *session,
                            const struct turn_followup *followup,
                            enum turn_followed *ret_followed) {
    AUTO(text_done) struct text text;
    struct run_row run;
    size_t count = 0;
    text_init(&text, NOTICE_MAX);
    text_add_str(&text, opening);
    const struct inbox_bind bind = {
        .session = {.owner = session->owner, .address = session->session, .kind = RECEIVER_SESSION},
        .turn = {followup->run.text, strlen(followup->run.text)},
        .waits = followup->waits};
    struct err err = tx_inbox_bind(tx, &bind, add_notice, &text, &count);
    *ret_followed = count > 0 ? FOLLOW_UP_BEGUN : FOLLOW_UP_IDLE;
    if (err_failed(err) || count == 0) {
        return err;
    }
    return begin(tx, session, followup, (struct bytes){text.data, text.len}, &run);
}

struct err tx_turn_follow_up(struct tx *tx, const struct turn_followup *followup,
                             enum turn_followed *ret_followed) {
    const struct inbox_receiver receiver = {.owner = followup->session.owner,
                                            .address = followup->session.session,
                                            .kind = RECEIVER_SESSION};
    struct session_row session;
    bool found = false, busy = false, more = false;
    struct err err = sessions__find(tx, &followup->session, &found, &session);
    if (!err_failed(err) && !found) {
        err = tx_inbox_receiver_gone(tx, &receiver, &more);
        *ret_followed = more ? FOLLOW_UP_MORE : FOLLOW_UP_IDLE;
        return err;
    }
    if (!err_failed(err)) {
        err = turns__busy(tx, &session, &busy);
    }
    *ret_followed = FOLLOW_UP_BUSY;
    return err_failed(err) || busy ? err : follow_up(tx, &session, followup, ret_followed);
}
