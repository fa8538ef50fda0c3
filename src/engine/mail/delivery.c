/* delivery.c: mail on its way: the row of the inbox, the notice that a turn reads, and the
 * changes of the mail that follow from changes of that row. */
#include <string.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/inbox/bind.h"
#include "engine/inbox/rows.h"
#include "engine/mail/mail.h"
#include "engine/session/message_rows.h"
#include "rules/agent/definition.h"
#include "rules/mail/prompt.h"

enum { PAYLOAD_MAX = 200, CAUSE_MAX = 400, JOINED_MAX = 256 << 10, TOLD_MAX = 100 };

/* --- On its way ------------------------------------------------------------------------------- */

/* The same however often the function runs. */
static struct id derived_id(struct tx *tx, const char *prefix, const struct mail *mail) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, prefix, strlen(prefix));
    sha256_add(&sha, &mail->attempts, sizeof mail->attempts);
    sha256_add(&sha, mail->mail.data, mail->mail.len);
    const struct sha256 digest = sha256_finish(&sha);
    return id_make(prefix, tx_now_ms(tx), digest.bytes);
}

/* The row has the name of the mail: its text stands in the mail alone. */
static struct err delivery_insert(struct tx *tx, const struct mail *mail) {
    AUTO(text_done) struct text payload = text_up_to(PAYLOAD_MAX);
    text_add_char(&payload, '{');
    text_add_member(&payload, "mail", mail->mail);
    text_add_char(&payload, '}');
    struct inbox_row row = {.delivery = mail->delivery,
                            .owner = mail->owner,
                            .run = mail->mail,
                            .address = mail->session,
                            .kind = RECEIVER_SESSION,
                            .event = NOTICE_ENDED,
                            .payload = text_bytes(&payload)};
    return inbox__insert(tx, &row);
}

struct err mail__insert(struct tx *tx, struct mail *mail) {
    const bool goes = mail->session.len > 0 && !mail_is_over(mail->status);
    const struct id delivery = derived_id(tx, "dlv", mail);
    mail->cause = mail->turn = mail->message = BYTES("");
    mail->delivery = goes ? tx_copy(tx, bytes_of(delivery.text)) : BYTES("");
    const struct err err = tx_resource_insert(tx, &mail_resource, mail);
    return err_failed(err) || !goes ? err : delivery_insert(tx, mail);
}

static void prompt_write(struct tx *tx, struct mail_prompt *prompt, struct text *text) {
    const struct mail *mail = prompt->mail;
    unsigned status = 0;
    prompt->about_status = BYTES("");
    prompt->by_port =
        mail->session.len > 0 &&
        agent_json_by_port(tx_text(tx, "SELECT program FROM sessions WHERE session = $1",
                                   ARGS(arg_text(mail->session))));
    if (mail->about.len > 0) {
        prompt->about_status =
            tx_text(tx, "SELECT status FROM tasks WHERE owner = $1 AND project = $2 AND place = $3",
                    ARGS(arg_text(mail->owner), arg_text(mail->project),
                         arg_int(task_number_read(mail->about))));
        prompt->about_over = bytes_find(prompt->about_status, task_status_names, &status) &&
                             task_is_over((enum task_status)status);
    }
    mail_prompt_write(prompt, text);
}

void mail__notice_write(struct tx *tx, const struct inbox_row *row, bool first, struct text *text) {
    struct mail mail;
    struct mail_prompt prompt = {.mail = &mail, .first = first, .failures = row->failures};
    if (mail__find(tx, row->owner, row->run, &mail)) {
        prompt_write(tx, &prompt, text);
    } else {
        text_add_str(text, "[this mail is damaged, and cannot be read]");
    }
}

/* --- Into a turn that runs -------------------------------------------------------------------- */

struct err mail__join(struct tx *tx, const struct mail_session *session, struct mail *io_mail,
                      struct why *why) {
    AUTO(text_done) struct text text = text_up_to(JOINED_MAX);
    struct mail_prompt prompt = {.mail = io_mail, .first = true};
    AUTO(text_done) struct text told = text_up_to(TOLD_MAX);
    struct bytes turn;
    prompt_write(tx, &prompt, &text);
    text_add_char(&told, '{'); /* By that it is no word of the user (tx_turn_request). */
    text_add_member(&told, "mail", io_mail->mail);
    text_add_char(&told, '}');
    const struct turn_message message = {.session = {io_mail->owner, io_mail->session},
                                         .text = tx_copy_text(tx, &text, "mail: prompt"),
                                         .client = BYTES(""),
                                         .told = tx_copy_text(tx, &told, "mail: mark"),
                                         .policy = TURN_STEER,
                                         .line = session->line,
                                         .message = session->message};
    struct err err =
        err_failed(tx_error(tx)) ? tx_error(tx) : tx_turn_join(tx, &message, &turn, why);
    if (err_failed(err) || turn.len == 0) {
        return err;
    }
    io_mail->message = bytes_of(session->message.text);
    err = tx_resource_update(tx, &mail_resource, FIELD_SET, io_mail);
    err = err_failed(err) ? err : tx_inbox_join(tx, io_mail->delivery, turn);
    return err_failed(err) || mail__find(tx, io_mail->owner, io_mail->mail, io_mail) ? err
                                                                                     : tx_error(tx);
}

/* The turn has ended, and has not come to read the message by which the mail joined it: that goes,
 * and the mail waits again. */
static bool unread_withdraw(struct tx *tx, struct mail *mail) {
    const struct message_key key = {mail->owner, mail->message};
    struct message_row message;
    struct session_row session;
    bool found = false;
    if (mail->message.len > 0) {
        tx_fail(tx, tx_message_find(tx, &key, &found, &message, &session));
    }
    mail->message = BYTES("");
    const bool unread =
        found && (message.status == MESSAGE_STEERING || message.status == MESSAGE_DELIVERED ||
                  message.status == MESSAGE_COMPLETED); /* Too late. */
    if (unread) {
        messages__remove(tx, &session, &message);
    }
    return unread;
}

/* --- Notices to the sender -------------------------------------------------------------------- */

/* A request is not answered by what its own sender adds to it. */
static bool is_answered(struct tx *tx, const struct mail *mail) {
    return tx_number(tx,
                     "SELECT count(*) FROM mail WHERE owner = $1 AND in_reply_to = $2 AND"
                     " sender <> '" MAIL_DROVER "' AND (sender <> $3 OR from_session <> $4)",
                     ARGS(arg_text(mail->owner), arg_text(mail->mail), arg_text(mail->from),
                          arg_text(mail->from_session))) > 0;
}

/* The session in which it was sent, while there is one; a person looks at the list. */
static struct bytes sender_session(struct tx *tx, const struct mail *mail) {
    const struct session_key key = {mail->owner, mail->from_session};
    struct session_row row;
    bool found = false;
    if (mail->from_session.len > 0) {
        tx_fail(tx, tx_session_find(tx, &key, &found, &row));
    }
    return found ? row.session : BYTES("");
}

static void sender_tell(struct tx *tx, const struct mail *mail, const char *what) {
    AUTO(text_done) struct text title = text_up_to(MAIL_TITLE_MAX);
    AUTO(text_done) struct text words = text_up_to(4 << 10);
    const struct id id = derived_id(tx, "mail", mail);
    const struct bytes session = sender_session(tx, mail);
    text_addf(&title, "%s: ", what);
    text_add(&title, mail->title.data, utf8_cut(mail->title, MAIL_TITLE_MAX - 100));
    text_addf(&words, "%s: %.*s to %.*s%s%.*s\n", what, (int)mail->mail.len, mail->mail.data,
              (int)mail->to.len, mail->to.data, mail->cause.len > 0 ? ". The cause: " : ".",
              (int)mail->cause.len, mail->cause.data);
    struct mail notice = {.mail = bytes_of(id.text),
                          .owner = mail->owner,
                          .project = mail->from_project,
                          .from = BYTES(MAIL_DROVER),
                          .to = mail->from,
                          .title = text_bytes(&title),
                          .text = text_bytes(&words),
                          .type = BYTES(MAIL_INFORM),
                          .in_reply_to = mail->mail,
                          .about = mail->about,
                          .depth = mail->depth + 1,
                          .status = session.len > 0 ? MAIL_PENDING : MAIL_DONE,
                          .session = session,
                          .from_session = BYTES(""),
                          .from_project = BYTES("")};
    tx_fail(tx, mail__insert(tx, &notice));
}

/* --- Its delivery has changed ----------------------------------------------------------------- */

static struct bytes cause_of(const struct inbox_row *row) {
    return row->state == INBOX_GONE      ? BYTES("its session is no more")
           : row->state == INBOX_DROPPED ? BYTES("its delivery was given up")
           : row->state == INBOX_BOUND
               ? BYTES("")
               : (struct bytes){row->cause.data, utf8_cut(row->cause, CAUSE_MAX)};
}

/* Another row of the inbox, where the last one was settled. */
static void mail_again(struct tx *tx, struct mail *mail) {
    const struct id delivery = derived_id(tx, "dlv", mail);
    mail->status = MAIL_PENDING;
    mail->turn = mail->cause = BYTES("");
    mail->delivery = tx_copy(tx, bytes_of(delivery.text));
    tx_fail(tx, tx_resource_update(tx, &mail_resource, FIELD_SET, mail));
    tx_fail(tx, err_failed(tx_error(tx)) ? ERR_OK : delivery_insert(tx, mail));
}

static void attempt_begin(struct tx *tx, const struct mail *mail, struct bytes turn) {
    tx_do(tx,
          "INSERT INTO mail_attempts (turn, mail, depth) VALUES ($1, $2, $3)"
          " ON CONFLICT (turn, mail) DO NOTHING",
          ARGS(arg_text(turn), arg_text(mail->mail), arg_int(mail->depth)));
}

static void mail_follow(struct tx *tx, const struct inbox_row *row, struct mail *mail) {
    const struct inbox_key delivery = {.owner = mail->owner, .delivery = mail->delivery};
    const enum mail_status before = mail->status;
    struct inbox_row dropped;
    mail->status = mail_judge(row->state, row->failures);
    if (mail->status == MAIL_WORKING && before != MAIL_WORKING) {
        mail->attempts++;
        attempt_begin(tx, mail, row->turn);
    }
    if (row->state != INBOX_BOUND && unread_withdraw(tx, mail) && mail->status == MAIL_DONE) {
        mail_again(tx, mail);
        return;
    }
    mail->turn = row->turn;
    mail->cause = cause_of(row);
    tx_fail(tx, tx_resource_update(tx, &mail_resource, FIELD_SET, mail));
    if (mail->status == MAIL_FAILED && row->settled_ms == 0) {
        tx_fail(tx, tx_inbox_order(tx, &delivery, INBOX_DROP, &dropped));
    }
    if (!mail_is_request(mail) || err_failed(tx_error(tx))) {
        return;
    }
    if (mail->status == MAIL_FAILED) {
        sender_tell(tx, mail, "Your request failed");
    } else if (mail->status == MAIL_DONE && !is_answered(tx, mail)) {
        sender_tell(tx, mail, "Your request ended without an answer");
    }
}

struct err mail__delivery_changed(struct tx *tx, const struct resource_key *key, const void *row) {
    const struct inbox_row *delivery = row;
    struct mail mail;
    (void)key; /* The row names it. */
    /* A removed row was settled, which has come here already. */
    if (row != NULL && mail_is_name(delivery->run) &&
        mail__find(tx, delivery->owner, delivery->run, &mail) && !mail_is_over(mail.status)) {
        mail_follow(tx, delivery, &mail);
    }
    return tx_error(tx);
}

bool mail__find(struct tx *tx, struct bytes owner, struct bytes mail, struct mail *ret_mail) {
    const struct resource_key key = {owner, mail};
    bool found = false;
    return mail_is_name(mail) &&
           !err_failed(tx_resource_find(tx, &mail_resource, &key, &found, ret_mail)) && found;
}
