/* followup.c: what a session started has ended, and its agent goes on with it.
 *
 * A session with notices that are due, and no turn, gets one: the commit that makes it binds the
 * notices to it (inbox/bind.h), and the commit that ends it settles them. So a notice is told as
 * often as it takes and acknowledged once, over any crash. A session that is busy is left alone:
 * the end of its turn offers what is left. */
#include "engine/turn/cards.h"

#include "base/json/json.h"
#include "engine/inbox/bind.h"

enum {
    KEPT_MAX = 256 << 10,
    FAILED_MAX = 64,      /* Messages that one commit removes. */
    KEPT_ROOM = 32 << 10, /* For the runs whose results are too much. */
};

static const char opening[] =
    "[drover: what you started in the background has ended. Continue the task with this; don't "
    "repeat finished work. If the task is complete, give the final result.]";

/* The text for the agent, and the metadata of its messages: of the notice {"runs": [ID, …]}, by
 * which prompts show each result once (prompt.c); of the answer {"follow_up": [{"run",
 * "state", "result"}]}. */
struct notices {
    struct text text, runs, kept; /* Owned. */
};

static void notices_done(struct notices *notices) {
    text_done(&notices->text);
    text_done(&notices->runs);
    text_done(&notices->kept);
}

static struct err notices_check(const struct notices *notices) {
    const struct text *const texts[] = {&notices->text, &notices->runs, &notices->kept};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (text_failed(texts[i])) {
            return text_error(texts[i], "turns: notices");
        }
    }
    return ERR_OK;
}

/* A damaged notice keeps nothing beside its message. After so many results the runs are named, no
 * more. */
static struct err notice_add(void *ctx, const struct inbox_row *row) {
    struct notices *notices = ctx;
    AUTO(json_release) json_t *notice = NULL;
    text_add_str(&notices->text, "\n\n");
    if (json_is_valid(row->payload)) {
        text_add(&notices->text, row->payload.data, row->payload.len);
    } else {
        text_add_str(&notices->text, "[this notice is damaged, and cannot be read]");
    }
    text_add_str(&notices->runs, notices->runs.data[notices->runs.len - 1] == '[' ? "" : ",");
    text_add_json(&notices->runs, row->run.data, row->run.len);
    struct err err = json_parse_wrapped(row->payload, &notice, NULL /* ours */);
    if (err_failed(err) && err.code != ERR_BAD_JSON) {
        return err;
    }
    if (!err_failed(err)) {
        struct text *kept = &notices->kept;
        text_add_str(kept, kept->data[kept->len - 1] == '[' ? "{" : ",{");
        text_add_member(kept, "run", json_bytes(notice, "run"));
        text_add_member(kept, "state", json_bytes(notice, "state"));
        if (kept->len + row->payload.len <= KEPT_MAX - KEPT_ROOM) {
            text_add_member(kept, "result", json_bytes(notice, "output"));
        }
        text_add_char(kept, '}');
    }
    return notices_check(notices);
}

/* Messages of earlier turns that got the same notices, and failed, are removed, so that a provider
 * that is away for an hour leaves one message and not one for each try. Their runs keep what went
 * wrong. */
static struct err failed_remove(struct tx *tx, const struct session_row *session) {
    struct message_rows rows = {.count = 0};
    struct err err = messages__many(
        tx,
        MESSAGE_SELECT "m.session = $1 AND ("
                       "(m.role = 'notice' AND m.status = 'rolled_back') OR (m.role = 'assistant'"
                       " AND m.status IN ('failed', 'rolled_back') AND EXISTS (SELECT 1"
                       " FROM messages a WHERE a.id = m.reply_to AND a.role = 'notice'"
                       " AND a.status = 'rolled_back'))) ORDER BY m.id LIMIT $2",
        ARGS(arg_int(session->id), arg_int(FAILED_MAX)), FAILED_MAX, &rows);
    for (size_t i = 0; i < rows.count && !err_failed(err); i++) {
        err = messages__remove(tx, session, &rows.rows[i]);
    }
    return err;
}

static struct err follow_up_begin(struct tx *tx, struct session_row *session,
                                  const struct turn_followup *followup,
                                  enum turn_followed *ret_followed) {
    const struct inbox_bind bind = {
        .session = {.owner = session->owner, .address = session->session, .kind = RECEIVER_SESSION},
        .turn = bytes_of(followup->run.text)};
    AUTO(notices_done)
    struct notices notices = {.text = {.size_max = MESSAGE_TEXT_MAX},
                              .runs = {.size_max = KEPT_MAX},
                              .kept = {.size_max = KEPT_MAX}};
    size_t count = 0;
    text_add_str(&notices.text, opening);
    text_add_str(&notices.runs, "{\"runs\":[");
    text_add_str(&notices.kept, "{\"follow_up\":[");
    struct err err = tx_inbox_bind(tx, &bind, notice_add, &notices, &count);
    *ret_followed = count > 0 ? FOLLOW_UP_BEGUN : FOLLOW_UP_IDLE;
    if (err_failed(err) || count == 0) {
        return err;
    }
    text_add_str(&notices.runs, "]}");
    text_add_str(&notices.kept, "]}");
    err = failed_remove(tx, session);
    if (!err_failed(err)) {
        err = notices_check(&notices);
    }
    const struct turn_new notice = {.trigger = TRIGGER_NOTICE};
    const struct turn_message message = {.session = followup->session,
                                         .text = text_bytes(&notices.text),
                                         .told = text_bytes(&notices.runs),
                                         .kept = text_bytes(&notices.kept),
                                         .model_default = followup->model_default,
                                         .run = followup->run,
                                         .message = followup->message,
                                         .answer = followup->answer,
                                         .bounds = followup->bounds};
    struct why unused = {""}; /* No images: no reason. */
    struct run_row run;
    return err_failed(err) ? err : turns__make(tx, session, &message, &notice, &run, &unused);
}

struct err tx_turn_follow_up(struct tx *tx, const struct turn_followup *followup,
                             enum turn_followed *ret_followed) {
    const struct inbox_receiver receiver = {.owner = followup->session.owner,
                                            .address = followup->session.session,
                                            .kind = RECEIVER_SESSION};
    struct session_row session;
    bool found = false, more = false;
    struct err err = sessions__find(tx, &followup->session, &found, &session);
    /* The latest turn in the session of a workflow's agent is its step's, unless a person has
     * written there since. Nobody reads what the model would say after it, and no budget of the
     * workflow would pay for that. */
    const bool listens =
        found && tx_number(tx,
                           "SELECT count(*) FROM (SELECT r.step_key AS word FROM turns t"
                           " JOIN runs r ON r.id = t.run WHERE t.session = $1"
                           " ORDER BY t.run DESC LIMIT 1) latest WHERE word <> ''",
                           ARGS(arg_int(session.id)), 0) == 0;
    *ret_followed = FOLLOW_UP_BUSY;
    if (err_failed(err) || err_failed(tx_error(tx))) {
        return err_failed(err) ? err : tx_error(tx);
    }
    if (!listens) {
        err = tx_inbox_receiver_gone(tx, &receiver, &more);
        *ret_followed = more ? FOLLOW_UP_MORE : FOLLOW_UP_IDLE;
        return err;
    }
    return turns__busy(tx, &session) || err_failed(tx_error(tx))
               ? tx_error(tx)
               : follow_up_begin(tx, &session, followup, ret_followed);
}
