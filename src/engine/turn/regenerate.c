/* regenerate.c: the last answer of a session, once more.
 *
 * All answers to a message are its variants. One is active: only that is in prompts, the others
 * stay to be read. The new one becomes active when its turn begins and not before, so a turn that
 * is stopped while it waits leaves everything as it was. Only the last answer may be asked for
 * again, since what was said behind it refers to it. */
#include "engine/session/checkpoints.h"
#include "engine/turn/rows.h"

#include <string.h>

#include "base/memory.h"

enum { ACTIVE_MAX = 2 }; /* One is; the other may just begin. */

/* All other answers to that question are no more active, and a summary of the one that was is not
 * one of this. */
static struct err make_room(struct tx *tx, const struct session_row *session, int64_t question,
                            int64_t answer) {
    struct message_rows rows = {.count = 0};
    struct err err = messages__many(
        tx,
        "SELECT " MESSAGE_COLUMNS MESSAGE_FROM " WHERE m.session = $1 AND m.reply_to = $2"
        " AND m.id <> $3 AND m.active = 1 AND m.status NOT IN ('removed', 'reserved')"
        " ORDER BY m.id LIMIT $4",
        ARGS(arg_int(session->id), arg_int(question), arg_int(answer), arg_int(ACTIVE_MAX)),
        ACTIVE_MAX, &rows);
    for (size_t i = 0; i < rows.count && !err_failed(err); i++) {
        rows.rows[i].active = false;
        err = messages__write_status(tx, rows.rows[i].status, &rows.rows[i]);
        err = err_failed(err) ? err : messages__tell_edited(tx, session, &rows.rows[i]);
    }
    const struct checkpoint_void from = {.session = session->id, .message = question};
    return err_failed(err) ? err : tx_checkpoint_void_from(tx, &from);
}

struct err turns__take_place(struct tx *tx, const struct turn *turn) {
    return make_room(tx, &turn->session, turn->row.question, turn->row.answer);
}

/* Something that is no variant of it came behind it. */
static struct err is_last(struct tx *tx, const struct message_row *answer, bool *ret_last) {
    static const char sql[] =
        "SELECT count(*) FROM messages WHERE session = $1 AND id > $2"
        " AND reply_to <> $3"
        " AND role <> 'system' AND status NOT IN ('removed', 'reserved', 'rolled_back')";
    const struct arg args[] = {arg_int(answer->session), arg_int(answer->id),
                               arg_int(answer->reply_to)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t behind = 0;
    struct err err = runs__int(tx, &ask, &behind);
    if (!err_failed(err)) {
        *ret_last = behind == 0;
    }
    return err;
}

static struct err next_variant(struct tx *tx, const struct message_row *answer,
                               struct turn_variant *ret_variant) {
    static const char sql[] = "SELECT max(variant) + 1 FROM messages WHERE session = $1"
                              " AND reply_to = $2 AND status <> 'removed'";
    const struct arg args[] = {arg_int(answer->session), arg_int(answer->reply_to)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    struct turn_variant variant = {.question = answer->reply_to};
    struct err err = runs__int(tx, &ask, &variant.number);
    if (!err_failed(err)) {
        *ret_variant = variant;
    }
    return err;
}

/* The message that was answered. The rollback of one answer takes that message out of the prompt,
 * while the other answers keep their status: each of them would stand there without it, and some
 * providers refuse a prompt that begins with an answer. *ret_found false: there is none. */
static struct err find_question(struct tx *tx, const struct message_row *answer, bool *ret_found,
                                struct message_row *ret_question, struct why *why) {
    bool found = false;
    struct message_row question = {.role = ROLE_NOTICE};
    struct err err = ERR_OK;
    if (answer->role == ROLE_ASSISTANT && answer->reply_to != 0) {
        err = messages__find_id(tx, answer->reply_to, &found, &question);
    }
    if (err_failed(err)) {
        return err;
    }
    if (found && question.status == MESSAGE_ROLLED_BACK) {
        why_set(why, "the message that this answers was rolled back");
        return err_make(ERR_CONFLICT, "turns: question");
    }
    *ret_found = found && message_shown(question.status);
    *ret_question = question;
    return ERR_OK;
}

static struct err check(struct tx *tx, const struct message_row *answer,
                        struct message_row *ret_question, struct why *why) {
    bool found = false, last = false;
    struct message_row question;
    struct err err = find_question(tx, answer, &found, &question, why);
    if (!err_failed(err)) {
        err = is_last(tx, answer, &last);
    }
    if (err_failed(err)) {
        return err;
    }
    bool fits = found && question.role == ROLE_USER && answer->status != MESSAGE_ROLLED_BACK;
    if (!fits || !last) {
        why_set(why, fits ? "something was said behind this answer; only the last one is asked for"
                            " again"
                          : "the message is no answer to a user's message");
        return err_make(ERR_CONFLICT, "turns: again");
    }
    *ret_question = question;
    return ERR_OK;
}

static struct err begin(struct tx *tx, const struct turn_again *again, struct session_row *session,
                        const struct message_row *answer, const struct message_row *question,
                        struct run_row *ret_run) {
    struct turn_message message = {
        .session = {.owner = session->owner, .session = session->session},
        .model = {"", 0},
        .model_default = again->model_default,
        .text = {"", 0},
        .run = again->run,
        .answer = again->answer,
        .bounds = again->bounds};
    struct message_part part = {.number = 0};
    struct turn_variant variant = {.number = 0};
    bool found = false;
    assert(question->message.len < sizeof message.message.text); /* Ids are ours. */
    memcpy(message.message.text, question->message.data, question->message.len);
    struct err err = parts__next(tx, question->id, 0, &found, &part);
    if (!err_failed(err) && found) {
        message.text = part.text;
    }
    if (!err_failed(err)) {
        err = next_variant(tx, answer, &variant);
    }
    return err_failed(err) ? err : turns__make_again(tx, session, &message, &variant, ret_run);
}

struct err tx_turn_again(struct tx *tx, const struct turn_again *again, struct run_row *ret_run,
                         struct why *why) {
    struct message_row answer = {.id = 0}, question = {.id = 0};
    struct session_row session = {.id = 0};
    bool found = false;
    struct err err = tx_message_find(tx, &again->key, &found, &answer, &session);
    if (!err_failed(err) && !found) {
        return err_make(ERR_MESSAGE_NOT_FOUND, "turns: again");
    }
    if (!err_failed(err)) {
        err = turns__idle(tx, &session, why);
    }
    if (!err_failed(err)) {
        err = check(tx, &answer, &question, why);
    }
    if (!err_failed(err) && session.model.len == 0 && again->model_default.len == 0) {
        why_set(why, "model: the session names none, and there is no default");
        return err_make(ERR_MODEL_UNKNOWN, "turns: model");
    }
    return err_failed(err) ? err : begin(tx, again, &session, &answer, &question, ret_run);
}

/* --- An older one ----------------------------------------------------------------------------- */

static struct err check_choice(struct tx *tx, const struct message_row *answer, struct why *why) {
    bool found = false;
    bool ended = answer->status == MESSAGE_COMPLETED || answer->status == MESSAGE_INTERRUPTED ||
                 answer->status == MESSAGE_FAILED;
    struct message_row question;
    struct err err = find_question(tx, answer, &found, &question, why);
    if (err_failed(err)) {
        return err;
    }
    if (!found || !ended) {
        why_set(why, "the message is no answer that could be chosen");
        return err_make(ERR_CONFLICT, "turns: choose");
    }
    return ERR_OK;
}

struct err tx_turn_choose(struct tx *tx, const struct message_key *key, struct message_row *ret_row,
                          struct why *why) {
    struct message_row answer = {.id = 0};
    struct session_row session = {.id = 0};
    bool found = false;
    struct err err = tx_message_find(tx, key, &found, &answer, &session);
    if (!err_failed(err) && !found) {
        return err_make(ERR_MESSAGE_NOT_FOUND, "turns: choose");
    }
    if (!err_failed(err)) {
        err = turns__idle(tx, &session, why);
    }
    if (!err_failed(err)) {
        err = check_choice(tx, &answer, why);
    }
    *ret_row = answer;
    if (err_failed(err) || answer.active) {
        return err; /* It is the one already. */
    }
    err = make_room(tx, &session, answer.reply_to, answer.id);
    ret_row->active = true;
    if (!err_failed(err)) {
        err = messages__write_status(tx, answer.status, ret_row);
    }
    if (!err_failed(err)) {
        err = sessions__touch(tx, &session);
    }
    return err_failed(err) ? err : messages__tell_edited(tx, &session, ret_row);
}
