/* submit.c: a message comes to a session.
 *
 * What becomes of it is decided on the session's rows, in the commit that accepts it: a turn of its
 * own (queued or at once, by the session's concurrency key), a part of the one that runs, or a
 * refusal. The place of the answer is kept beside its question, so that the order of messages is
 * that of the conversation, whatever comes before the turn begins. */
#include "engine/budget/rows.h"
#include "engine/turn/cards.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/session/attachments.h"

enum { KEY_MAX = 80, LIVE_MAX = TURN_QUEUE_MAX + 8, COMMAND_MAX = 120 };

/* --- What the session does -------------------------------------------------------------------- */

struct live {
    struct turn_session session;
    int64_t running;  /* id of the run that has begun; 0: none. */
    int64_t first;    /* Of the oldest that has not ended. */
    int64_t compacts; /* Of one that only makes it shorter, and was not asked to end. */
    int64_t notice;   /* Of a follow-up that waits before the first try of its first call that its
                     * provider takes, and was not asked to end. */
    int64_t count;
};

/* Turns of a session have it, so that one runs at a time; a job with the same is no turn. */
static struct err find_key(struct tx *tx, const struct session_row *session,
                           struct bytes *ret_key) {
    char key[KEY_MAX];
    int len =
        snprintf(key, sizeof key, "session:%.*s", (int)session->session.len, session->session.data);
    assert(len > 0 && (size_t)len < sizeof key); /* Ids are ours. */
    *ret_key = (struct bytes){arena_try_copy(tx_arena(tx), key, (size_t)len), (size_t)len};
    return ret_key->data == NULL ? err_make(ERR_OUT_OF_MEMORY, "turns: key") : ERR_OK;
}

/* By their key, and in no order: SQLite would walk through all that the owner or the session ever
 * ran, to have them in the order of ids. */
static struct err look(struct tx *tx, const struct session_row *session, struct live *ret_live) {
    static const char sql[] =
        "SELECT r.id, CASE r.state WHEN 'queued' THEN 0 ELSE 1 END, r.stop,"
        " CASE t.began_by WHEN 'compact' THEN 1 ELSE 0 END,"
        " CASE WHEN t.began_by <> 'notice' THEN 0"
        " WHEN t.calls = 0 AND (r.state = 'queued' OR r.lane <> 0) THEN 1"
        " WHEN t.calls = 1 AND r.state = 'waiting' AND r.not_before_ms <> 0 THEN 1 ELSE 0 END"
        " FROM runs r JOIN turns t ON t.run = r.id WHERE r.owner = $1 AND r.run_key = $2"
        " AND r.ended_ms IS NULL AND r.run_key <> '' LIMIT $3";
    struct bytes key = {"", 0};
    struct err err = find_key(tx, session, &key);
    const struct arg args[] = {arg_text(session->owner), arg_text(key), arg_int(LIVE_MAX)};
    struct live live = {.count = 0};
    AUTO(rows_release) struct rows *rows = NULL;
    err = err_failed(err) ? err : tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    while (!err_failed(err) && row) {
        err = rows_next(rows, &row);
        if (err_failed(err) || !row) {
            break;
        }
        int64_t id = rows_int(rows, 0);
        live.first = live.first == 0 || id < live.first ? id : live.first;
        live.count++;
        bool quiet = rows_int(rows, 3) != 0, asked = rows_text(rows, 2).len > 0;
        live.compacts = quiet && !asked ? id : live.compacts;
        bool gives_way = rows_int(rows, 4) != 0;
        live.notice = gives_way && !asked ? id : live.notice;
        live.session.busy = live.session.busy || !gives_way;
        if (rows_int(rows, 1) != 0) {
            live.running = id;
            live.session.asked = asked;
            live.session.quiet = quiet;
        }
    }
    live.session.begun = live.running != 0;
    if (!err_failed(err)) {
        *ret_live = live;
    }
    return err;
}

/* --- A turn of its own ------------------------------------------------------------------------ */

static struct bytes model_of(const struct turn_message *message,
                             const struct session_row *session) {
    return message->model.len > 0   ? message->model
           : session->model.len > 0 ? session->model
                                    : message->model_default;
}

static struct err write_spec(struct tx *tx, const struct session_row *session,
                             const struct turn_message *message, struct bytes *ret_spec) {
    AUTO(text_done) struct text text;
    struct bytes model = model_of(message, session);
    text_init(&text, RUN_SPEC_MAX);
    text_add_str(&text, "{\"session\":");
    text_add_json(&text, session->session.data, session->session.len);
    text_add_str(&text, ",\"message\":");
    text_add_json(&text, message->message.text, strlen(message->message.text));
    text_add_str(&text, ",\"model\":");
    text_add_json(&text, model.data, model.len);
    if (message->notify.data != NULL) {
        text_add_str(&text, ",\"notify\":[{\"session\":");
        text_add_json(&text, message->notify.data, message->notify.len);
        text_add_str(&text, "}]");
    }
    text_add_char(&text, '}');
    char *copy = text_failed(&text) ? NULL : arena_try_copy(tx_arena(tx), text.data, text.len);
    if (copy == NULL) {
        return text_error(&text, "turns: spec");
    }
    *ret_spec = (struct bytes){copy, text.len};
    return ERR_OK;
}

/* For lists: the first words. */
static struct bytes words_of(struct bytes text) {
    const char *end = memchr(text.data, '\n', text.len);
    struct bytes line = {text.data, end == NULL ? text.len : (size_t)(end - text.data)};
    return (struct bytes){line.data, utf8_cut(line, COMMAND_MAX)};
}

static struct err submit_run(struct tx *tx, const struct session_row *session,
                             const struct turn_message *message, struct run_row *ret_run) {
    struct run_new what = {.run = message->run,
                           .owner = session->owner,
                           .parent = message->parent.data == NULL ? (struct bytes){"", 0}
                                                                  : message->parent,
                           .label = {"", 0},
                           .not_before_ms = message->not_before_ms,
                           .command = words_of(message->text),
                           .kind = KIND_TURN,
                           .key_max = 1,
                           .bounds = message->bounds};
    struct err err = find_key(tx, session, &what.key);
    if (!err_failed(err)) {
        err = budget__session_path(tx, session, &what.budget_path);
    }
    if (!err_failed(err)) {
        err = write_spec(tx, session, message, &what.spec);
    }
    return err_failed(err) ? err : tx_run_submit(tx, &what, ret_run);
}

struct question {
    enum message_role role;
    enum message_status status;
    int64_t run;
};

enum { IMAGE_DATA_MAX = 512 };

static struct err write_image(struct tx *tx, const struct attachment_row *row,
                              struct message_part *ret_part) {
    AUTO(text_done) struct text data;
    text_init(&data, IMAGE_DATA_MAX);
    attachment_write_json(row, &data);
    const char *copy =
        text_failed(&data) ? NULL : arena_try_copy(tx_arena(tx), data.data, data.len);
    if (copy == NULL) {
        return text_error(&data, "turns: image");
    }
    *ret_part =
        (struct message_part){.kind = PART_IMAGE, .name = row->media, .data = {copy, data.len}};
    return ERR_OK;
}

static struct err find_images(struct tx *tx, const struct session_row *session,
                              const struct turn_message *message, struct message_part *parts,
                              struct why *why) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < message->attachment_count && !err_failed(err); i++) {
        const struct bytes *id = &message->attachments[i];
        struct attachment_row row;
        bool found = false;
        err = tx_attachment_give(tx, session, *id, &found, &row);
        if (!err_failed(err) && !found) {
            why_set(why, "attachments: there is no %.*s", (int)(id->len < ID_SIZE ? id->len : 0),
                    id->data);
            err = err_make(ERR_BAD_FIELD, "turns: attachment");
        }
        if (!err_failed(err)) {
            err = write_image(tx, &row, &parts[i]);
        }
    }
    return err;
}

static struct err insert_question(struct tx *tx, struct session_row *session,
                                  const struct turn_message *message,
                                  const struct question *question, struct message_row *ret_row,
                                  struct why *why) {
    struct sha256_hex digest = turns__digest(message);
    struct message_row row = {.message = {message->message.text, strlen(message->message.text)},
                              .role = question->role,
                              .status = question->status,
                              .run = question->run,
                              .active = true,
                              .client_id = message->client,
                              .client_digest = {digest.text, strlen(digest.text)},
                              .metadata = message->told};
    struct message_part parts[1 + TURN_IMAGES_MAX] = {{.kind = PART_TEXT, .text = message->text}};
    const struct message_insert what = {.session = session,
                                        .row = &row,
                                        .parts = parts,
                                        .count = 1 + message->attachment_count,
                                        .room = true};
    struct err err = find_images(tx, session, message, parts + 1, why);
    if (!err_failed(err)) {
        err = messages__insert(tx, &what);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct place {
    enum message_role role;
    int64_t run, question; /* ids */
    int64_t variant;
};

static struct err reserve_answer(struct tx *tx, struct session_row *session,
                                 const struct turn_message *message, const struct place *place,
                                 int64_t *ret_id) {
    struct message_row row = {.message = {message->answer.text, strlen(message->answer.text)},
                              .role = place->role,
                              .status = MESSAGE_RESERVED,
                              .run = place->run,
                              .reply_to = place->question,
                              .variant = place->variant,
                              .active = true,
                              .metadata = message->kept};
    const struct message_insert what = {.session = session, .row = &row, .room = true};
    struct err err = messages__insert_quiet(tx, &what);
    if (!err_failed(err)) {
        *ret_id = row.id;
    }
    return err;
}

/* A budget that is used up ends a run as it is submitted, when its end finds no turn to close. */
static struct err insert_turn(struct tx *tx, const struct turn_row *row,
                              const struct run_row *run) {
    struct run_freed freed = {.kinds = 0};
    turns__insert(tx, row);
    if (!run_state_final(run->state)) {
        return tx_error(tx);
    }
    struct err err = turns__ended(tx, run, &freed);
    return err_failed(err) ? err : runs__admit_later(tx, &freed);
}

struct err turns__make(struct tx *tx, struct session_row *session,
                       const struct turn_message *message, enum turn_trigger trigger,
                       struct run_row *ret_run, struct why *why) {
    bool notice = trigger == TRIGGER_NOTICE;
    struct message_row question;
    int64_t calls_max = notice ? TURN_CALLS_FOLLOW_UP_MAX : TURN_CALLS_MAX;
    bool fewer = message->calls_max > 0 && message->calls_max < calls_max;
    struct turn_row row = {.trigger = trigger,
                           .session = session->id,
                           .model = model_of(message, session),
                           .calls_max = fewer ? message->calls_max : calls_max,
                           .last = {"", 0}};
    struct err err = submit_run(tx, session, message, ret_run);
    if (err_failed(err)) {
        return err;
    }
    row.run = ret_run->id;
    const struct question what = {
        .role = notice ? ROLE_NOTICE : ROLE_USER, .status = MESSAGE_QUEUED, .run = row.run};
    err = insert_question(tx, session, message, &what, &question, why);
    row.question = question.id;
    if (!err_failed(err) && message->schema.len > 0) {
        err = messages__write_schema(tx, question.id, message->schema);
    }
    if (!err_failed(err)) {
        const struct place place = {
            .role = ROLE_ASSISTANT, .run = row.run, .question = question.id};
        err = reserve_answer(tx, session, message, &place, &row.answer);
    }
    if (!err_failed(err)) {
        err = insert_turn(tx, &row, ret_run);
    }
    bool waits = ret_run->state == RUN_QUEUED;
    return err_failed(err) || !waits ? err : messages__tell_queue(tx, session);
}

struct err turns__make_again(struct tx *tx, struct session_row *session,
                             const struct turn_message *message, const struct turn_variant *variant,
                             struct run_row *ret_run) {
    struct turn_row row = {.trigger = TRIGGER_AGAIN,
                           .session = session->id,
                           .question = variant->question,
                           .model = model_of(message, session),
                           .calls_max = TURN_CALLS_MAX,
                           .last = {"", 0}};
    struct err err = submit_run(tx, session, message, ret_run);
    if (err_failed(err)) {
        return err;
    }
    row.run = ret_run->id;
    const struct place place = {.role = ROLE_ASSISTANT,
                                .run = row.run,
                                .question = variant->question,
                                .variant = variant->number};
    err = reserve_answer(tx, session, message, &place, &row.answer);
    return err_failed(err) ? err : insert_turn(tx, &row, ret_run);
}

struct err turns__make_compact(struct tx *tx, struct session_row *session,
                               const struct turn_message *message, struct run_row *ret_run) {
    struct turn_row row = {.trigger = TRIGGER_COMPACT,
                           .session = session->id,
                           .model = model_of(message, session),
                           .calls_max = TURN_CALLS_MAX,
                           .last = {"", 0}};
    struct err err = submit_run(tx, session, message, ret_run);
    if (err_failed(err)) {
        return err;
    }
    row.run = ret_run->id;
    const struct place place = {.role = ROLE_SYSTEM, .run = row.run};
    err = reserve_answer(tx, session, message, &place, &row.answer);
    return err_failed(err) ? err : insert_turn(tx, &row, ret_run);
}

/* --- A turn that runs ------------------------------------------------------------------------- */

static struct err stop_running(struct tx *tx, int64_t id, enum run_cause cause) {
    const struct run_ask_stop stop = {.cause = cause, .grace_ms = RUN_STOP_GRACE_MS};
    struct run_freed freed = {.kinds = 0}; /* Nothing: one that has begun ends later. */
    struct run_row row;
    bool found = false;
    struct err err = runs__find_id(tx, id, &found, &row);
    return err_failed(err) || !found ? err : runs__ask(tx, &stop, &row, &freed);
}

static struct err join(struct tx *tx, struct session_row *session,
                       const struct turn_message *message, const struct live *live,
                       struct turn_accepted *accepted, struct why *why) {
    struct message_row row;
    bool found = false;
    const struct question what = {
        .role = ROLE_USER, .status = MESSAGE_STEERING, .run = live->running};
    struct err err = insert_question(tx, session, message, &what, &row, why);
    return err_failed(err) ? err : runs__find_id(tx, live->running, &found, &accepted->run);
}

static struct err refuse(struct tx *tx, const struct live *live, struct turn_accepted *accepted,
                         struct why *why) {
    bool found = false;
    struct err err =
        runs__find_id(tx, live->running != 0 ? live->running : live->first, &found, &accepted->run);
    if (err_failed(err)) {
        return err;
    }
    why_set(why, "the session is busy with %.*s", (int)accepted->run.run.len,
            accepted->run.run.data);
    return err_make(ERR_TURN_IN_PROGRESS, "turns: reject");
}

struct err turns__idle(struct tx *tx, const struct session_row *session, struct why *why) {
    struct live live;
    struct turn_accepted busy;
    struct err err = look(tx, session, &live);
    return err_failed(err) || live.count == 0 ? err : refuse(tx, &live, &busy, why);
}

struct err turns__busy(struct tx *tx, const struct session_row *session, bool *ret_busy) {
    struct live live = {.count = 0};
    struct err err = look(tx, session, &live);
    *ret_busy = live.count > 0;
    return err;
}

struct err turns__compacting(struct tx *tx, const struct session_row *session, bool *ret_found,
                             struct run_row *ret_run) {
    struct live live;
    *ret_found = false;
    struct err err = look(tx, session, &live);
    return err_failed(err) || live.compacts == 0
               ? err
               : runs__find_id(tx, live.compacts, ret_found, ret_run);
}

/* A follow-up that waits has seen nothing of its notices: they are pending again, due at once, and
 * the end of the turn that goes before them offers them. Of the queued follow-up nothing is left
 * but its run. One that has begun, and waits for a budget or for its provider, ends as any other
 * that was asked to. */
static struct err unbind_notice(struct tx *tx, const struct session_row *session,
                                const struct turn_message *message, struct live *live) {
    const struct run_ask_stop stop = {.cause = CAUSE_ROLLED_BACK, .grace_ms = RUN_STOP_GRACE_MS};
    struct run_freed freed = {.kinds = 0};
    struct run_row row;
    bool found = false;
    struct err err = runs__find_id(tx, live->notice, &found, &row);
    if (!err_failed(err) && found) {
        err = runs__ask(tx, &stop, &row, &freed);
    }
    if (!err_failed(err)) {
        err = runs__admit_freed(tx, &freed, &message->bounds);
    }
    return err_failed(err) ? err : look(tx, session, live);
}

static struct err decide(struct tx *tx, struct session_row *session,
                         const struct turn_message *message, struct turn_accepted *accepted,
                         struct why *why) {
    struct live live;
    struct err err = look(tx, session, &live);
    if (!err_failed(err) && live.notice != 0) {
        err = unbind_notice(tx, session, message, &live);
    }
    if (err_failed(err)) {
        return err;
    }
    accepted->decision = turn_decide(message->policy, &live.session);
    if (accepted->decision == TURN_DECIDE_REFUSE) {
        return refuse(tx, &live, accepted, why);
    }
    if (live.count >= TURN_QUEUE_MAX) {
        why_set(why, "%d messages wait in this session already", TURN_QUEUE_MAX);
        return err_make(ERR_TOO_MANY, "turns: queue");
    }
    struct turn_message noted = *message;
    if (accepted->decision == TURN_DECIDE_UNDO) {
        accepted->undone = turns__list_undone(tx, live.running);
        err = tx_error(tx);
    }
    if (!err_failed(err)) {
        err = turns__note_decision(tx, accepted, &noted);
    }
    if (!err_failed(err) && accepted->decision == TURN_DECIDE_JOIN) {
        return join(tx, session, &noted, &live, accepted, why);
    }
    if (!err_failed(err) && accepted->decision == TURN_DECIDE_UNDO) {
        err = stop_running(tx, live.running, CAUSE_ROLLED_BACK);
    } else if (!err_failed(err) && accepted->decision == TURN_DECIDE_STOP) {
        err = stop_running(tx, live.running, CAUSE_INTERRUPTED);
    }
    return err_failed(err) ? err
                           : turns__make(tx, session, &noted, TRIGGER_MESSAGE, &accepted->run, why);
}

struct err tx_turn_submit(struct tx *tx, const struct turn_message *message,
                          struct turn_accepted *ret_accepted, struct why *why) {
    struct turn_accepted accepted = {
        .message = {message->message.text, strlen(message->message.text)}, .undone = {"", 0}};
    struct session_row session;
    bool found = false, earlier = false;
    struct err err = sessions__find(tx, &message->session, &found, &session);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_make(ERR_NOT_FOUND, "turns: session");
    }
    err = turns__find_earlier(tx, message, &session, &earlier, &accepted, why);
    if (!err_failed(err) && !earlier && model_of(message, &session).len == 0) {
        why_set(why,
                "model: neither the message nor the session names one, and there is no default");
        return err_make(ERR_MODEL_UNKNOWN, "turns: model");
    }
    if (!err_failed(err) && !earlier) {
        err = decide(tx, &session, message, &accepted, why);
    }
    if (!err_failed(err) || err.code == ERR_TURN_IN_PROGRESS) {
        *ret_accepted = accepted;
    }
    return err;
}
