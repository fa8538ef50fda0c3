/* cut.c: the history of a session is cut: all of it (clear), or what stands behind a message
 * that is said once more (resend).
 *
 * Removed messages are out of every list, prompt and search from the commit of the cut on, and so
 * is the place of an answer that is being made: what is still brought to its turn finds that
 * (turns__is_cleared), is counted, and stored nowhere. What they said is removed from the disk
 * afterwards, page by page. */
#include "engine/session/checkpoints.h"
#include "engine/turn/cards.h"

#include <string.h>

#include "base/memory.h"

enum { RUNS_MAX = TURN_QUEUE_MAX + 8 };

/* --- Clear ------------------------------------------------------------------------------------ */

struct names {
    struct bytes at[RUNS_MAX]; /* In the arena. */
    size_t count;
};

/* The turns that lost their places and have not ended. */
static struct err find_cleared(struct tx *tx, int64_t session, struct names *ret_names) {
    static const char sql[] =
        "SELECT r.run FROM turns t JOIN runs r ON r.id = t.run JOIN messages m ON m.id = t.answer"
        " WHERE t.session = $1 AND r.ended_ms IS NULL AND m.status = 'removed'"
        " ORDER BY r.id LIMIT $2";
    const struct arg args[] = {arg_int(session), arg_int(RUNS_MAX)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    ret_names->count = 0;
    while (!err_failed(err) && row && ret_names->count < RUNS_MAX) {
        err = rows_next(rows, &row);
        if (!err_failed(err) && row) {
            ret_names->at[ret_names->count++] = rows_copy(rows, 0);
        }
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* A turn that this page leaves alone ends by itself, as soon as something is brought to it. */
static struct err stop_cleared(struct tx *tx, int64_t session, const struct run_bounds *bounds,
                               bool *ret_more) {
    struct names names;
    struct err err = find_cleared(tx, session, &names);
    *ret_more = false;
    for (size_t i = 0; i < names.count && !err_failed(err) && !*ret_more; i++) {
        const struct run_stop stop = {.key = {.run = names.at[i]},
                                      .cause = CAUSE_CLEARED,
                                      .grace_ms = RUN_STOP_GRACE_MS,
                                      .bounds = *bounds};
        struct run_row run;
        err = tx_run_stop(tx, &stop, ret_more, &run);
        if (err.code == ERR_CONFLICT) { /* The end of one before it has ended it. */
            err = ERR_OK;
        }
    }
    return err;
}

static struct err empty(struct tx *tx, struct session_row *session) {
    const struct session_context context = {.used = 0, .window = session->context_window};
    const struct messages_cleared all = {.after = {"", 0}, .fork = {"", 0}};
    struct err err = messages__remove_behind(tx, session->id, 0);
    if (!err_failed(err)) {
        err = approvals__cancel_all(tx, session);
    }
    if (!err_failed(err)) {
        err = sessions__set_context(tx, &context, session);
    }
    if (!err_failed(err)) {
        err = sessions__touch(tx, session);
    }
    return err_failed(err) ? err : messages__tell_cleared(tx, session, &all);
}

struct err tx_turn_clear(struct tx *tx, const struct turn_clear *what,
                         struct turn_cleared *ret_cleared) {
    struct session_row session;
    bool found = false, more = false;
    struct err err = sessions__find(tx, &what->session, &found, &session);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "turns: clear");
    }
    if (!err_failed(err) && !what->emptied) {
        err = empty(tx, &session);
    }
    if (!err_failed(err)) {
        err = stop_cleared(tx, session.id, &what->bounds, &more);
    }
    if (!err_failed(err)) {
        *ret_cleared = (struct turn_cleared){.session = session.id, .more = more};
    }
    return err;
}

/* --- What was removed ------------------------------------------------------------------------- */

struct err tx_message_gone(struct tx *tx, struct bytes message, bool *ret_gone) {
    const struct arg args[] = {arg_text(message)};
    const struct run_ask ask = {
        .sql = "SELECT 1 FROM messages m JOIN sessions s ON s.id = m.session"
               " WHERE m.message = $1 AND m.status <> 'removed' AND s.hidden >= 0",
        .args = args,
        .count = COUNT_OF(args)};
    int64_t there = 0;
    struct err err = runs__int(tx, &ask, &there);
    if (!err_failed(err)) {
        *ret_gone = there == 0;
    }
    return err;
}

struct err tx_message_purge(struct tx *tx, int64_t session, bool *ret_more) {
    static const char sql[] =
        "DELETE FROM parts WHERE id IN (SELECT p.id FROM messages m JOIN parts p"
        " ON p.message = m.id WHERE m.session = $1 AND m.status = 'removed' LIMIT $2)";
    const struct arg args[] = {arg_int(session), arg_int(MESSAGE_PURGE_PAGE)};
    int64_t removed = 0;
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), &removed);
    if (!err_failed(err)) {
        *ret_more = removed == MESSAGE_PURGE_PAGE;
    }
    return err;
}

/* --- Resend ----------------------------------------------------------------------------------- */

static struct err check_status(const struct message_row *question, struct why *why) {
    if (question->status != MESSAGE_COMPLETED && question->status != MESSAGE_INTERRUPTED) {
        why_set(why, question->status == MESSAGE_JOINED
                         ? "the message is a part of an answer that it joined"
                         : "the message was taken back");
        return err_make(ERR_CONFLICT, "turns: resend");
    }
    return ERR_OK;
}

static struct err check(struct tx *tx, const struct turn_resend *what,
                        struct message_row *ret_question, struct session_row *ret_session,
                        struct why *why) {
    bool found = false;
    struct err err = tx_message_find(tx, &what->key, &found, ret_question, ret_session);
    if (!err_failed(err) && !found) {
        return err_make(ERR_MESSAGE_NOT_FOUND, "turns: resend");
    }
    if (!err_failed(err) && ret_question->role != ROLE_USER) {
        return err_make(ERR_NOT_A_USER_MESSAGE, "turns: resend");
    }
    if (!err_failed(err)) {
        err = turns__idle(tx, ret_session, why);
    }
    if (!err_failed(err)) {
        err = check_status(ret_question, why);
    }
    if (!err_failed(err) && ret_session->model.len == 0 && what->model_default.len == 0) {
        why_set(why, "model: the session names none, and there is no default");
        err = err_make(ERR_MODEL_UNKNOWN, "turns: model");
    }
    return err;
}

/* Whether a fork would keep anything that is not kept here. */
static struct err is_last(struct tx *tx, const struct message_row *question, bool *ret_last) {
    const struct arg args[] = {arg_int(question->session), arg_int(question->id)};
    const struct run_ask ask = {.sql = "SELECT 1 FROM messages WHERE session = $1 AND id > $2"
                                       " AND status IN ('completed', 'interrupted', 'failed')"
                                       " LIMIT 1",
                                .args = args,
                                .count = COUNT_OF(args)};
    int64_t behind = 0;
    struct err err = runs__int(tx, &ask, &behind);
    if (!err_failed(err)) {
        *ret_last = behind == 0;
    }
    return err;
}

/* All that was said, what is to be cut included. */
static struct err fork_on(struct tx *tx, const struct turn_resend *what,
                          const struct session_row *session, struct turn_resent *resent) {
    struct session_fork fork = what->fork;
    struct session_row into;
    fork.key = (struct session_key){.owner = session->owner, .session = session->session};
    fork.message = (struct bytes){"", 0};
    resent->forked = true;
    struct err err = tx_session_fork(tx, &fork, &resent->fork, &resent->more, &into);
    resent->fork.key = what->fork.key; /* That of this link is gone with its rows. */
    return err;
}

/* What the answer must be like is asked for again, too. */
static struct err find_text(struct tx *tx, const struct turn_resend *what,
                            const struct message_row *question, struct bytes *ret_text) {
    struct message_part part = {.text = {"", 0}};
    bool found = false;
    if (what->text.data != NULL) {
        *ret_text = what->text;
        return messages__write_text(tx, question, what->text);
    }
    struct err err = parts__next(tx, question->id, 0, &found, &part);
    *ret_text = part.text;
    return err;
}

static struct err begin(struct tx *tx, const struct turn_resend *what, struct session_row *session,
                        const struct message_row *question, struct bytes text,
                        struct run_row *ret_run) {
    const struct turn_variant first = {.question = question->id};
    struct turn_message message = {
        .session = {.owner = session->owner, .session = session->session},
        .model = {"", 0},
        .model_default = what->model_default,
        .text = text,
        .run = what->run,
        .answer = what->answer,
        .bounds = what->bounds};
    assert(question->message.len < sizeof message.message.text); /* Ids are ours. */
    memcpy(message.message.text, question->message.data, question->message.len);
    return turns__make_again(tx, session, &message, &first, ret_run);
}

static struct err cut(struct tx *tx, const struct turn_resent *resent, struct session_row *session,
                      struct message_row *question) {
    const char *fork = resent->forked ? resent->fork.session.text : "";
    const struct messages_cleared behind = {.after = question->message,
                                            .fork = {fork, strlen(fork)}};
    const struct checkpoint_void from = {.session = session->id, .message = question->id};
    struct err err = messages__remove_behind(tx, session->id, question->id);
    if (!err_failed(err)) {
        err = tx_checkpoint_void_from(tx, &from);
    }
    if (!err_failed(err)) {
        err = messages__write_status(tx, MESSAGE_COMPLETED, question);
    }
    if (!err_failed(err)) {
        err = sessions__touch(tx, session);
    }
    if (!err_failed(err)) {
        err = messages__tell_cleared(tx, session, &behind);
    }
    return err_failed(err) ? err : messages__tell_edited(tx, session, question);
}

static struct err say_again(struct tx *tx, const struct turn_resend *what,
                            struct session_row *session, struct message_row *question,
                            struct turn_resent *resent) {
    struct bytes text = {"", 0};
    struct err err = find_text(tx, what, question, &text);
    if (!err_failed(err)) {
        err = cut(tx, resent, session, question);
    }
    return err_failed(err) ? err : begin(tx, what, session, question, text, &resent->run);
}

struct err tx_turn_resend(struct tx *tx, const struct turn_resend *what,
                          struct turn_resent *ret_resent, struct why *why) {
    struct turn_resent resent = {.more = false, .fork = what->fork};
    struct message_row question = {.id = 0};
    struct session_row session = {.id = 0};
    bool last = false;
    struct err err = check(tx, what, &question, &session, why);
    resent.session = session.id;
    if (!err_failed(err)) {
        err = is_last(tx, &question, &last);
    }
    if (!err_failed(err) && !last) {
        err = fork_on(tx, what, &session, &resent);
    }
    if (!err_failed(err) && !resent.more) {
        err = say_again(tx, what, &session, &question, &resent);
    }
    if (!err_failed(err)) {
        *ret_resent = resent;
    }
    return err;
}
