/* history.c: the history of a session is changed: the last answer is asked for again, an earlier
 * variant of it is chosen, all is cleared, or a message is sent again and what follows it goes.
 *
 * All answers to a message are its variants. One is active: only that is in prompts, the others
 * stay to be read. The new one becomes active when its turn begins and not before, so a turn that
 * is stopped while it waits leaves everything as it was. Only the last answer may be asked for
 * again, since what was said after it refers to it.
 *
 * Removed messages are out of every list, prompt and search from the commit of the cut on, and so
 * is the place of an answer that is being made: what is still brought to its turn finds that
 * (turns__is_cleared), is counted, and stored nowhere. The texts of removed messages are deleted
 * from the disk afterwards, page by page. */
#include "engine/session/checkpoints.h"
#include "engine/turn/record.h"

enum { RUNS_MAX = TURN_QUEUE_MAX + 8 };

/* Refusals are returned, and not kept by the transaction: the caller reads on, to say more of them.
 */

/* A turn that answers the question again. `message` has what is not the same for all. */
static struct err answer_again(struct tx *tx, struct session_row *session,
                               const struct message_row *question, struct turn_message *message,
                               struct run_row *ret_run) {
    message->trigger = TRIGGER_AGAIN;
    message->question = question->id;
    assert(question->message.len < sizeof message->message.text); /* Ids are ours. */
    memcpy(message->message.text, question->message.data, question->message.len);
    return turns__make(tx, session, message, ret_run, NULL /* no images: no reason */);
}

/* --- Variants --------------------------------------------------------------------------------- */

/* The first text of the message; "": it has none. */
static struct bytes message_text(struct tx *tx, const struct message_row *message) {
    struct message_part part;
    return parts__next(tx, message->id, 0, &part) ? part.text : BYTES("");
}

struct answered {
    struct session_row session;
    struct message_row answer, question;
    bool found; /* There is such a question. */
};

/* An answer of a session that is idle, and the message that was answered. The rollback of one
 * answer takes that message out of the prompt, while the other answers keep their status: each of
 * them would stand there without it, and some providers refuse a prompt that begins with an answer.
 */
static struct err answered_find(struct tx *tx, const struct message_key *key, const char *step,
                                struct answered *of, struct why *why) {
    struct err err = messages__get(tx, key, step, &of->answer, &of->session);
    if (!err_failed(err)) {
        err = turns__idle(tx, &of->session, why);
    }
    if (err_failed(err)) {
        return err;
    }
    of->found = of->answer.role == ROLE_ASSISTANT && of->answer.reply_to != 0 &&
                messages__find_id(tx, of->answer.reply_to, &of->question);
    if (of->found && of->question.status == MESSAGE_ROLLED_BACK) {
        return err_why(why, ERR_CONFLICT, "the message that this answers was rolled back");
    }
    of->found = of->found && message_shown(of->question.status);
    return tx_error(tx);
}

struct err tx_turn_again(struct tx *tx, const struct turn_message *again, struct run_row *ret_run,
                         struct why *why) {
    struct answered of;
    TRY(answered_find(tx, &again->key, "turns: again", &of, why));
    const struct arg of_answer[] = {arg_int(of.session.id), arg_int(of.answer.reply_to),
                                    arg_int(of.answer.id)};
    const bool fits =
        of.found && of.question.role == ROLE_USER && of.answer.status != MESSAGE_ROLLED_BACK;
    /* Messages that follow the answer, and are no variants of it. */
    const int64_t after =
        tx_number(tx,
                  "SELECT count(*) FROM messages WHERE session = $1 AND id > $3 AND reply_to <> $2"
                  " AND role <> 'system' AND status NOT IN ('removed', 'reserved', 'rolled_back')",
                  of_answer, 3);
    if (!fits || after > 0) {
        return err_why(why, ERR_CONFLICT,
                       fits ? "something was said after this answer; only the last one is asked for"
                              " again"
                            : "the message is no answer to a user's message");
    }
    TRY(turns__need_model(&of.session, again->model_default, why));
    struct turn_message message = *again;
    message.text = message_text(tx, &of.question);
    message.variant = tx_number(tx,
                                "SELECT max(variant) + 1 FROM messages WHERE session = $1"
                                " AND reply_to = $2 AND status <> 'removed'",
                                of_answer, 2);
    return answer_again(tx, &of.session, &of.question, &message, ret_run);
}

struct err tx_turn_choose(struct tx *tx, const struct message_key *key, struct message_row *ret_row,
                          struct why *why) {
    struct answered of;
    TRY(answered_find(tx, key, "turns: choose", &of, why));
    *ret_row = of.answer;
    if (!of.found ||
        (ret_row->status != MESSAGE_COMPLETED && ret_row->status != MESSAGE_INTERRUPTED &&
         ret_row->status != MESSAGE_FAILED)) {
        return err_why(why, ERR_CONFLICT, "the message is not an answer that can be chosen");
    }
    if (!ret_row->active) { /* Else it is the one already. */
        turns__make_place(tx, &of.session, ret_row->reply_to, ret_row->id);
        ret_row->active = true;
        messages__write_status(tx, ret_row->status, ret_row);
        sessions__weigh_context(tx, &of.session);
        sessions__touch(tx, &of.session);
        messages__tell_edited(tx, &of.session, ret_row);
    }
    return tx_error(tx);
}

/* --- Clear ------------------------------------------------------------------------------------ */

struct err tx_turn_clear(struct tx *tx, const struct turn_clear *what,
                         struct turn_cleared *ret_cleared) {
    struct session_row session;
    TRY(sessions__get(tx, &what->session, "turns: clear", &session));
    if (!what->emptied) {
        const struct session_context context = {.used = 0, .window = session.context_window};
        const struct messages_cleared all = {.after = {"", 0}, .fork = {"", 0}};
        messages__remove_behind(tx, &session, 0);
        approvals__cancel_all(tx, &session);
        sessions__set_context(tx, &context, &session);
        sessions__touch(tx, &session);
        messages__tell_cleared(tx, &session, &all);
    }
    /* The turns that lost their places are asked to end. One that this page leaves alone ends by
     * itself, as soon as something is brought to it. */
    struct bytes runs[RUNS_MAX];
    bool more = false;
    const size_t count = tx_texts(
        tx,
        "SELECT r.run FROM turns t JOIN runs r ON r.id = t.run JOIN messages m ON m.id = t.answer"
        " WHERE t.session = $1 AND r.ended_ms IS NULL AND m.status = 'removed'"
        " ORDER BY r.id LIMIT $2",
        ARGS(arg_int(session.id), arg_int(RUNS_MAX)), RUNS_MAX, runs);
    for (size_t i = 0; i < count && !more && !err_failed(tx_error(tx)); i++) {
        more = runs__stop_tree(tx, runs[i], CAUSE_CLEARED, &what->bounds);
    }
    *ret_cleared = (struct turn_cleared){.session = session.id, .more = more};
    return tx_error(tx);
}

struct err tx_message_gone(struct tx *tx, struct bytes message, bool *ret_gone) {
    *ret_gone = tx_number(tx,
                          "SELECT 1 FROM messages m JOIN sessions s ON s.id = m.session"
                          " WHERE m.message = $1 AND m.status <> 'removed' AND s.hidden >= 0",
                          ARGS(arg_text(message))) == 0;
    return tx_error(tx);
}

struct err tx_message_purge(struct tx *tx, int64_t session, bool *ret_more) {
    const int64_t removed =
        tx_change(tx,
                  "DELETE FROM parts WHERE id IN (SELECT p.id FROM messages m JOIN parts p"
                  " ON p.message = m.id WHERE m.session = $1 AND m.status = 'removed' LIMIT $2)",
                  ARGS(arg_int(session), arg_int(MESSAGE_PURGE_PAGE)));
    *ret_more = removed == MESSAGE_PURGE_PAGE;
    return tx_error(tx);
}

/* --- Resend ----------------------------------------------------------------------------------- */

/* The text becomes what it is to be, what follows goes, and the turn begins. The answer's schema
 * stays with the question. */
static struct err question_resend(struct tx *tx, const struct turn_resend *what,
                                  struct session_row *session, struct message_row *question,
                                  struct turn_resent *resent) {
    const struct messages_cleared after = {
        .after = question->message,
        .fork = resent->forked ? bytes_of(resent->fork.session.text) : BYTES("")};
    struct turn_message message = what->message;
    if (message.text.data == NULL) {
        message.text = message_text(tx, question);
    } else {
        messages__write_text(tx, question, message.text);
    }
    messages__remove_behind(tx, session, question->id);
    tx_checkpoint_void_from(tx, session, question->id);
    programs__forget(tx, session);
    messages__write_status(tx, MESSAGE_COMPLETED, question);
    sessions__weigh_context(tx, session);
    sessions__touch(tx, session);
    messages__tell_cleared(tx, session, &after);
    messages__tell_edited(tx, session, question);
    return err_failed(tx_error(tx)) ? tx_error(tx)
                                    : answer_again(tx, session, question, &message, &resent->run);
}

struct err tx_turn_resend(struct tx *tx, const struct turn_resend *what,
                          struct turn_resent *ret_resent, struct why *why) {
    struct turn_resent resent = {.more = false, .fork = what->fork};
    struct message_row question;
    struct session_row session;
    struct err err = messages__get(tx, &what->message.key, "turns: resend", &question, &session);
    if (!err_failed(err) && question.role != ROLE_USER) {
        err = err_make(ERR_NOT_A_USER_MESSAGE, "turns: resend");
    }
    if (!err_failed(err)) {
        err = turns__idle(tx, &session, why);
    }
    if (!err_failed(err) && question.status != MESSAGE_COMPLETED &&
        question.status != MESSAGE_INTERRUPTED) {
        return err_why(why, ERR_CONFLICT,
                       question.status == MESSAGE_JOINED
                           ? "the message is a part of an answer that it joined"
                           : "the message was rolled back");
    }
    if (!err_failed(err)) {
        err = turns__need_model(&session, what->message.model_default, why);
    }
    if (err_failed(err)) {
        return err;
    }
    resent.session = session.id;
    /* A fork keeps all that was said, what is cut included; where that is nothing, none is made. */
    if (tx_number(tx,
                  "SELECT 1 FROM messages WHERE session = $1 AND id > $2"
                  " AND status IN ('completed', 'interrupted', 'failed') LIMIT 1",
                  ARGS(arg_int(session.id), arg_int(question.id))) != 0) {
        struct session_fork fork = what->fork;
        struct session_row into;
        fork.key = (struct session_key){.owner = session.owner, .session = session.session};
        fork.message = BYTES("");
        resent.forked = true;
        err = tx_session_fork(tx, &fork, &resent.fork, &resent.more, &into);
        resent.fork.key = what->fork.key; /* The key of this link is gone with its rows. */
    }
    if (!err_failed(err) && !resent.more) {
        err = question_resend(tx, what, &session, &question, &resent);
    }
    if (!err_failed(err)) {
        *ret_resent = resent;
    }
    return err_failed(err) ? err : tx_error(tx);
}
