/* submit.c: a message comes to a session; or what it started in the background has ended, and its
 * agent goes on with that.
 *
 * The session's rows decide about it, in the commit that accepts it: a turn of its own (queued or
 * at once, by the session's concurrency key), a part of the one that runs, or a refusal. The place
 * of the answer is kept beside its question, so that the order of messages is that of the
 * conversation, whatever comes before the turn begins.
 *
 * A message that is sent again under the client's own id gets the answer that it got the first
 * time. The decision is a part of that answer, which the client may not have received, so the
 * message has it in its metadata: {"decision", "undone"?}. Of a message that only waits nothing is
 * kept.
 *
 * A session with notices that are due, and no turn, gets one: the commit that makes it binds the
 * notices to it (inbox/bind.h), and the commit that ends it settles them. So a notice is sent as
 * often as it takes and acknowledged once, over any crash. A session that is busy is left alone:
 * the end of its turn offers what is left. */
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/base/ids.h"
#include "engine/base/settings.h"
#include "engine/budget/rows.h"
#include "engine/inbox/bind.h"
#include "engine/run/budget_gate.h"
#include "engine/session/attachments.h"
#include "engine/turn/notices.h"
#include "engine/turn/record.h"
#include "rules/provider/no_model.h"

enum {
    LIVE_MAX = TURN_QUEUE_MAX + 8,
    COMMAND_MAX = 120,
    IMAGE_DATA_MAX = 512,
    DECISION_MAX = 512 << 10,
    UNDONE_MAX = 256 << 10,
};

/* --- What the session does -------------------------------------------------------------------- */

struct live {
    struct turn_session session;
    int64_t running;  /* id of the run that has begun; 0: none. */
    int64_t first;    /* The oldest that has not ended. */
    int64_t compacts; /* A compaction that was not asked to end. */
    int64_t notice;   /* A follow-up that waits before the first try of its first call that its
                     * provider takes, and was not asked to end. */
    int64_t count;
};

/* Turns of a session have the name of its stream as their key, so that one runs at a time; a job
 * with the same is no turn. By that key, and in no order: SQLite would walk through all that the
 * owner or the session ever ran, to have them in the order of ids. */
static struct live live_find(struct tx *tx, const struct session_row *session) {
    struct live live = {.count = 0};
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT r.id, CASE r.state WHEN 'queued' THEN 0 ELSE 1 END, r.stop,"
        " CASE t.began_by WHEN 'compact' THEN 1 ELSE 0 END,"
        " CASE WHEN t.began_by <> 'notice' THEN 0"
        " WHEN t.calls = 0 AND (r.state = 'queued' OR r.lane <> 0) THEN 1"
        " WHEN t.calls = 1 AND r.state = 'waiting' AND r.not_before_ms <> 0 THEN 1 ELSE 0 END"
        " FROM runs r JOIN turns t ON t.run = r.id WHERE r.owner = $1 AND r.run_key = $2"
        " AND r.ended_ms IS NULL AND r.run_key <> '' LIMIT $3",
        ARGS(arg_text(session->owner), arg_text(sessions__stream(tx, session)), arg_int(LIVE_MAX)));
    while (rows_step(rows)) {
        const int64_t id = rows_int(rows, 0);
        const bool begun = rows_int(rows, 1) != 0, asked = rows_text(rows, 2).len > 0;
        const bool quiet = rows_int(rows, 3) != 0, gives_way = rows_int(rows, 4) != 0;
        live.count++;
        live.first = live.first == 0 || id < live.first ? id : live.first;
        live.compacts = quiet && !asked ? id : live.compacts;
        live.notice = gives_way && !asked ? id : live.notice;
        live.session.busy = live.session.busy || !gives_way;
        if (begun) {
            live.running = id;
            live.session.begun = true;
            live.session.asked = asked;
            live.session.quiet = quiet;
        }
    }
    return live;
}

static struct err live_refuse(struct tx *tx, const struct live *live, struct run_row *ret_run,
                              struct why *why) {
    bool found = false;
    TRY(runs__find_id(tx, live->running != 0 ? live->running : live->first, &found, ret_run));
    return err_why(why, ERR_TURN_IN_PROGRESS, "the session is busy with %.*s",
                   (int)ret_run->run.len, ret_run->run.data);
}

struct err turns__idle(struct tx *tx, const struct session_row *session, struct why *why) {
    struct run_row run;
    const struct live live = live_find(tx, session);
    return live.count == 0 ? tx_error(tx) : live_refuse(tx, &live, &run, why);
}

struct err tx_session_idle(struct tx *tx, const struct session_row *session, struct why *why) {
    return turns__idle(tx, session, why);
}

bool turns__busy(struct tx *tx, const struct session_row *session) {
    return live_find(tx, session).count > 0;
}

struct err turns__compacting(struct tx *tx, const struct session_row *session, bool *ret_found,
                             struct run_row *ret_run) {
    const struct live live = live_find(tx, session);
    *ret_found = false;
    return live.compacts == 0 ? tx_error(tx) : runs__find_id(tx, live.compacts, ret_found, ret_run);
}

static_assert(sizeof NO_MODEL_DETAIL <= sizeof((struct why *)NULL)->text, "it is said whole");

static struct err deleted_refuse(const struct session_row *session, struct why *why) {
    return session->deleted_ms == 0
               ? ERR_OK
               : err_why(why, ERR_CONFLICT, "the session was deleted; restore it first");
}

struct err turns__need_model(const struct session_row *session, struct bytes model_default,
                             struct why *why) {
    TRY(deleted_refuse(session, why));
    if (session->model.len > 0 || model_default.len > 0) {
        return ERR_OK;
    }
    return err_why(why, ERR_NO_MODEL, NO_MODEL_DETAIL);
}

/* --- A turn of its own ------------------------------------------------------------------------ */

static struct bytes wanted_model(const struct turn_message *message,
                                 const struct session_row *session) {
    return message->model.len > 0   ? message->model
           : session->model.len > 0 ? session->model
                                    : message->model_default;
}

/* An alias becomes its model here, so that rows have the model that is asked. Any other name
 * without a "/" stays: the turn fails, and says that there is no such model. */
static struct bytes model_of(struct tx *tx, const struct turn_message *message,
                             const struct session_row *session) {
    const struct bytes asked = wanted_model(message, session);
    struct settings settings;
    struct model_name alias;
    const bool whole = asked.len == 0 || memchr(asked.data, '/', asked.len) != NULL;
    const bool known = !whole && !err_failed(tx_settings_read(tx, &settings)) &&
                       model_alias_find(settings.model_aliases, asked, &alias);
    return known ? tx_copy(tx, bytes_of(alias.text)) : asked;
}

/* For lists, the command is the first words of the text. */
static struct err run_submit(struct tx *tx, const struct session_row *session,
                             const struct turn_message *message, struct run_row *ret_run) {
    AUTO(text_done) struct text spec = {.size_max = RUN_SPEC_MAX};
    text_add_char(&spec, '{');
    text_add_member(&spec, "session", session->session);
    text_add_member(&spec, "message", bytes_of(message->message.text));
    text_add_member(&spec, "model", model_of(tx, message, session));
    if (session->agent.len > 0) {
        text_add_member(&spec, "agent", session->agent);
    }
    if (message->notify.data != NULL) {
        text_add_str(&spec, ",\"notify\":[{");
        text_add_member(&spec, "session", message->notify);
        text_add_str(&spec, "}]");
    }
    text_add_char(&spec, '}');
    struct bytes words = message->text;
    const char *end = words.len == 0 ? NULL : memchr(words.data, '\n', words.len);
    words.len = end == NULL ? words.len : (size_t)(end - words.data);
    AUTO(text_done) struct text command = text_up_to(COMMAND_MAX + sizeof "…");
    const size_t shown_len = utf8_cut(words, COMMAND_MAX);
    text_add(&command, words.data, shown_len);
    text_add_str(&command, shown_len < words.len ? "…" : "");
    struct run_new what = {.run = message->run,
                           .owner = session->owner,
                           .parent = message->parent.data == NULL ? BYTES("") : message->parent,
                           .own_key = sessions__stream(tx, session),
                           .label = BYTES(""),
                           .spec = tx_copy_text(tx, &spec, "turns: spec"),
                           .not_before_ms = message->not_before_ms,
                           .command = tx_copy(tx, text_bytes(&command)),
                           .kind = KIND_TURN,
                           .key_max = 1,
                           .bounds = message->bounds};
    struct err err = budget__session_path(tx, session, &what.budget_path);
    if (!err_failed(err)) {
        err = tx_run_submit(tx, &what, ret_run);
    }
    if (!err_failed(err)) {
        runs__set_agent(tx, ret_run->id, session->agent);
    }
    return err_failed(err) ? err : tx_error(tx);
}

static struct sha256_hex message_digest(const struct turn_message *message) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, message->text.data, message->text.len);
    if (message->schema.len > 0) {
        sha256_add(&sha, "\0schema ", 8); /* No text has a NUL. */
        sha256_add(&sha, message->schema.data, message->schema.len);
    }
    for (size_t i = 0; i < message->attachment_count; i++) {
        sha256_add(&sha, "\0", 1);
        sha256_add(&sha, message->attachments[i].data, message->attachments[i].len);
    }
    const struct sha256 digest = sha256_finish(&sha);
    return sha256_hex(&digest);
}

/* `like` has the role, the status and the run of the message. */
static struct err question_insert(struct tx *tx, struct session_row *session,
                                  const struct turn_message *message,
                                  const struct message_row *like, int64_t *ret_id,
                                  struct why *why) {
    const struct sha256_hex digest = message_digest(message);
    struct message_row row = *like;
    struct message_part parts[1 + TURN_IMAGES_MAX] = {{.kind = PART_TEXT, .text = message->text}};
    row.message = bytes_of(message->message.text);
    row.active = true;
    row.client_id = message->client;
    row.client_digest = bytes_of(digest.text);
    row.metadata = message->told;
    for (size_t i = 0; i < message->attachment_count; i++) {
        const struct bytes id = message->attachments[i];
        struct attachment_row image;
        if (!tx_attachment_give(tx, session, id, &image)) {
            return err_failed(tx_error(tx))
                       ? tx_error(tx)
                       : err_why(why, ERR_BAD_FIELD, "attachments: there is no attachment '%.*s'",
                                 (int)(id.len < ID_SIZE ? id.len : 0), id.data);
        }
        AUTO(text_done) struct text data = {.size_max = IMAGE_DATA_MAX};
        attachment_write_json(&image, &data);
        parts[1 + i] = (struct message_part){.kind = PART_IMAGE,
                                             .name = image.media,
                                             .data = tx_copy_text(tx, &data, "turns: image")};
    }
    const struct message_insert what = {.session = session,
                                        .row = &row,
                                        .parts = parts,
                                        .count = 1 + message->attachment_count,
                                        .room = true};
    messages__insert(tx, &what);
    *ret_id = row.id;
    return tx_error(tx);
}

/* A budget that is used up ends a run as it is submitted, when its end finds no turn to close. */
struct err turns__make(struct tx *tx, struct session_row *session,
                       const struct turn_message *message, struct run_row *ret_run,
                       struct why *why) {
    const bool notice = message->trigger == TRIGGER_NOTICE;
    const bool asks = notice || message->trigger == TRIGGER_MESSAGE;
    const int64_t most = notice ? TURN_CALLS_FOLLOW_UP_MAX : TURN_CALLS_MAX;
    const bool fewer = message->calls_max > 0 && message->calls_max < most;
    struct err err = run_submit(tx, session, message, ret_run);
    if (err_failed(err)) {
        return err;
    }
    struct turn_row row = {.run = ret_run->id,
                           .session = session->id,
                           .trigger = message->trigger,
                           .question = message->question,
                           .model = model_of(tx, message, session),
                           .facts.calls_max = fewer ? message->calls_max : most,
                           .program = {.asked = BYTES(""), .outcome = BYTES("")},
                           .yields = message->yields,
                           .last = BYTES("")};
    if (asks) {
        const struct message_row question = {
            .role = notice ? ROLE_NOTICE : ROLE_USER, .status = MESSAGE_QUEUED, .run = row.run};
        TRY(question_insert(tx, session, message, &question, &row.question, why));
        if (message->schema.len > 0) {
            messages__write_schema(tx, row.question, message->schema);
        }
    }
    struct message_row answer = {.message = bytes_of(message->answer.text),
                                 .role = message->trigger == TRIGGER_COMPACT ? ROLE_SYSTEM
                                                                             : ROLE_ASSISTANT,
                                 .status = MESSAGE_RESERVED,
                                 .run = row.run,
                                 .reply_to = row.question,
                                 .variant = message->variant,
                                 .active = true,
                                 .metadata = message->kept};
    const struct message_insert place = {.session = session, .row = &answer, .room = true};
    messages__insert_quiet(tx, &place);
    row.answer = answer.id;
    turns__insert(tx, &row);
    if (run_state_final(ret_run->state)) {
        struct run_freed freed = {.kinds = 0};
        tx_fail(tx, turns__ended(tx, ret_run, &freed));
        tx_fail(tx, runs__admit_later(tx, &freed));
    }
    if (asks && ret_run->state == RUN_QUEUED) {
        messages__tell_queue(tx, session);
    }
    return tx_error(tx);
}

/* --- Sent again ------------------------------------------------------------------------------- */

static struct err earlier_find(struct tx *tx, const struct turn_message *message,
                               const struct session_row *session, bool *ret_found,
                               struct turn_accepted *accepted, struct why *why) {
    struct message_row row;
    if (message->client.len == 0) {
        return ERR_OK;
    }
    struct err err = tx_message_find_client(tx, session->id, message->client, ret_found, &row);
    if (err_failed(err) || !*ret_found) {
        return err;
    }
    const struct sha256_hex digest = message_digest(message);
    if (!bytes_is(row.client_digest, digest.text)) {
        return err_why(why, ERR_MESSAGE_EXISTS, "client_id: another message was sent with this id");
    }
    AUTO(json_release) json_t *told = NULL;
    err = json_parse_wrapped(row.metadata, &told, NULL /* trusted */);
    if (err_failed(err)) {
        return err;
    }
    accepted->repeated = true;
    accepted->message = row.message;
    accepted->decision = TURN_DECIDE_QUEUE;
    const json_t *undone = json_object_get(told, "undone");
    if (turn_decision_find(json_bytes(told, "decision"), &accepted->decision) && undone != NULL) {
        AUTO(text_done) struct text text = {.size_max = DECISION_MAX};
        tx_fail(tx, json_write(undone, &text));
        accepted->undone = tx_copy_text(tx, &text, "turns: decision");
    }
    bool found = false;
    err = runs__find_id(tx, row.run, &found, &accepted->run);
    return err_failed(err) || found ? err : err_make(ERR_NOT_FOUND, "turns: the run was removed");
}

/* --- A message is accepted -------------------------------------------------------------------- */

static struct err run_ask(struct tx *tx, int64_t id, enum run_cause cause,
                          struct run_freed *freed) {
    const struct run_ask_stop stop = {.cause = cause, .grace_ms = RUN_STOP_GRACE_MS};
    struct run_row row;
    bool found = false;
    struct err err = runs__find_id(tx, id, &found, &row);
    return err_failed(err) || !found ? err : runs__ask(tx, &stop, &row, freed);
}

/* JSON array of what the turn's tools did: the client that takes the turn back should know that it
 * stays done. */
static struct bytes undone_list(struct tx *tx, int64_t run) {
    AUTO(text_done) struct text text = {.size_max = UNDONE_MAX};
    text_add_char(&text, '[');
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT p.name, p.state, p.text FROM turns t JOIN parts p ON p.message = t.answer"
        " WHERE t.run = $1 AND p.kind = 'tool' AND p.state IN ('succeeded', 'pending', 'running')"
        " ORDER BY p.number LIMIT 100",
        ARGS(arg_int(run)));
    while (rows_step(rows)) {
        struct bytes result = rows_text(rows, 2);
        result.len = utf8_cut(result, 200);
        text_add_str(&text, text.len > 1 ? ",{" : "{");
        text_add_member(&text, "tool", rows_text(rows, 0));
        text_add_member(&text, "state", rows_text(rows, 1));
        text_add_member(&text, "result", result);
        text_add_char(&text, '}');
    }
    text_add_char(&text, ']');
    return tx_copy_text(tx, &text, "turns: undone");
}

/* Models take messages before their next call. *ret_process: the program's that takes it now. */
static bool program_takes(struct tx *tx, const struct session_row *session,
                          const struct turn_message *message, const struct live *live,
                          struct run_row *ret_process) {
    return message->policy != TURN_STEER || session->program.len == 0 || live->running == 0 ||
           programs__take(tx, session, live->running, message->line, ret_process);
}

static struct err message_join(struct tx *tx, struct session_row *session,
                               const struct turn_message *message, const struct live *live,
                               const struct run_row *process, struct why *why) {
    const struct program_input input = {process, session->program, message->line};
    const bool now = process->id != 0;
    const struct message_row joins = {.role = ROLE_USER,
                                      .status = now ? MESSAGE_DELIVERED : MESSAGE_STEERING,
                                      .run = live->running};
    int64_t id = 0;
    struct err err = question_insert(tx, session, message, &joins, &id, why);
    if (!err_failed(err) && now) {
        programs__send(tx, &input, id, bytes_of(message->message.text));
    }
    return err;
}

static struct err message_accept(struct tx *tx, struct session_row *session,
                                 const struct turn_message *message, struct turn_accepted *accepted,
                                 struct why *why) {
    struct turn_message noted = *message;
    struct live live = live_find(tx, session);
    struct err err = tx_error(tx);
    /* A follow-up that waits has seen nothing of its notices: they are pending again, due at once,
     * and the end of the turn that goes before them offers them. Of the queued follow-up nothing is
     * left but its run. One that has begun, and waits for a budget or for its provider, ends as any
     * other that was asked to. */
    if (!err_failed(err) && live.notice != 0) {
        struct run_freed freed = {.kinds = 0};
        err = run_ask(tx, live.notice, CAUSE_ROLLED_BACK, &freed);
        err = err_failed(err) ? err : runs__admit_freed(tx, &freed, &message->bounds);
        live = live_find(tx, session);
    }
    if (err_failed(err) || err_failed(tx_error(tx))) {
        return err_failed(err) ? err : tx_error(tx);
    }
    struct run_row process = {.run = BYTES("")};
    live.session.quiet =
        live.session.quiet || !program_takes(tx, session, message, &live, &process);
    accepted->decision = turn_decide(message->policy, &live.session);
    if (accepted->decision == TURN_DECIDE_REFUSE) {
        return live_refuse(tx, &live, &accepted->run, why);
    }
    if (live.count >= TURN_QUEUE_MAX) {
        return err_why(why, ERR_TOO_MANY,
                       "%d messages are queued in this session already; wait for an answer",
                       TURN_QUEUE_MAX);
    }
    if (accepted->decision == TURN_DECIDE_UNDO) {
        accepted->undone = undone_list(tx, live.running);
    }
    AUTO(text_done) struct text told = text_up_to(DECISION_MAX);
    if (accepted->decision != TURN_DECIDE_QUEUE) {
        text_add_char(&told, '{');
        text_add_member(&told, "decision", bytes_of(turn_decision_name(accepted->decision)));
        if (accepted->undone.len > 0) {
            text_add_name(&told, "undone");
            text_add(&told, accepted->undone.data, accepted->undone.len);
        }
        text_add_char(&told, '}');
        noted.told = tx_copy_text(tx, &told, "turns: decision");
    }
    if (accepted->decision == TURN_DECIDE_JOIN) {
        bool found = false;
        err = message_join(tx, session, &noted, &live, &process, why);
        accepted->process = process.run;
        return err_failed(err) ? err : runs__find_id(tx, live.running, &found, &accepted->run);
    }
    if (accepted->decision == TURN_DECIDE_UNDO || accepted->decision == TURN_DECIDE_STOP) {
        struct run_freed freed = {.kinds = 0}; /* Nothing: one that has begun ends later. */
        const bool undo = accepted->decision == TURN_DECIDE_UNDO;
        err = run_ask(tx, live.running, undo ? CAUSE_ROLLED_BACK : CAUSE_INTERRUPTED, &freed);
    }
    return err_failed(err) ? err : turns__make(tx, session, &noted, &accepted->run, why);
}

struct err tx_turn_join(struct tx *tx, const struct turn_message *message, struct bytes *ret_turn,
                        struct why *why) {
    struct session_row session;
    struct run_row process = {.run = BYTES("")}, run;
    bool found = false;
    *ret_turn = BYTES("");
    struct err err = sessions__get(tx, &message->session, "turns: session", &session);
    const struct live live = err_failed(err) ? (struct live){.count = 0} : live_find(tx, &session);
    const bool room = live.running != 0 &&
                      messages__steering(tx, session.id, live.running).count < TURN_JOINED_MAX;
    const bool joins = room && live.session.begun && !live.session.asked && !live.session.quiet &&
                       program_takes(tx, &session, message, &live, &process);
    if (err_failed(err) || !joins) {
        return err_failed(err) ? err : tx_error(tx);
    }
    err = message_join(tx, &session, message, &live, &process, why);
    err = err_failed(err) ? err : runs__find_id(tx, live.running, &found, &run);
    *ret_turn = found ? run.run : BYTES("");
    return err;
}

struct err tx_turn_submit(struct tx *tx, const struct turn_message *message,
                          struct turn_accepted *ret_accepted, struct why *why) {
    struct turn_accepted accepted = {
        .message = bytes_of(message->message.text), .process = BYTES(""), .undone = BYTES("")};
    struct session_row session;
    bool earlier = false;
    struct err err = sessions__get(tx, &message->session, "turns: session", &session);
    if (!err_failed(err)) {
        err = earlier_find(tx, message, &session, &earlier, &accepted, why);
    }
    err = err_failed(err) || earlier ? err : deleted_refuse(&session, why);
    if (!err_failed(err) && !earlier && wanted_model(message, &session).len == 0) {
        return err_why(why, ERR_NO_MODEL, NO_MODEL_DETAIL);
    }
    if (!err_failed(err) && !earlier) {
        sessions__set_places(tx, &message->places, &session);
        err = message_accept(tx, &session, message, &accepted, why);
    }
    if (!err_failed(err) || err.code == ERR_TURN_IN_PROGRESS) {
        *ret_accepted = accepted;
    }
    return err;
}

/* --- A queued message goes first -------------------------------------------------------------- */

/* Where a queued message and the place of its answer stand: ids, the order of messages. */
struct place {
    int64_t run, question, answer;
};

static void place_write(struct tx *tx, const struct place *from, const struct place *to) {
    static const char place[] = "UPDATE messages SET id = $2 WHERE id = $1";
    static const char answer[] = "UPDATE messages SET id = $2, reply_to = $3 WHERE id = $1";
    static const char turn[] = "UPDATE turns SET question = $2, answer = $3 WHERE run = $1";
    const struct arg question[] = {arg_int(from->question), arg_int(to->question)};
    tx_do(tx, place, question, 2);
    tx_do(tx, "UPDATE parts SET message = $2 WHERE message = $1", question, 2);
    tx_do(tx, answer, ARGS(arg_int(from->answer), arg_int(to->answer), arg_int(to->question)));
    tx_do(tx, turn, ARGS(arg_int(from->run), arg_int(to->question), arg_int(to->answer)));
}

/* The other queued messages get places after all that there are, in their order: a prompt has
 * messages in the order of their turns, and no id ever names two messages. */
static void queue_follow(struct tx *tx, int64_t session, const struct message_row *first) {
    const struct message_rows live = messages__live(tx, session);
    bool before = false;
    for (size_t i = 0; i < live.count; i++) {
        const struct message_row *row = &live.rows[i];
        const bool other =
            row->status == MESSAGE_QUEUED && row->role == ROLE_USER && row->id != first->id;
        before = before || (other && row->id < first->id);
        if (!other || !before) {
            continue;
        }
        const int64_t next = tx_number(tx, "SELECT " IDS_NEXT("messages"), NO_ARGS);
        const struct place from = {
            row->run, row->id,
            tx_number(tx, "SELECT answer FROM turns WHERE run = $1", ARGS(arg_int(row->run)))};
        const struct place to = {row->run, next + 1, next + 3}; /* With room for notes. */
        place_write(tx, &from, &to);
    }
}

/* The turn was queued before the message. A turn that no message began is as one that runs: it
 * ends, and has changed nothing. One past the gate of the key has not begun, and waits for the key
 * again. */
static struct err queue_step_back(struct tx *tx, int64_t id, struct run_freed *freed) {
    struct turn_row turn;
    struct run_row row;
    if (!runs__load_id(tx, id, &row) || !turns__find(tx, id, &turn)) {
        return tx_error(tx);
    }
    if (turn.trigger != TRIGGER_MESSAGE) {
        return run_ask(tx, id, CAUSE_INTERRUPTED, freed);
    }
    if (row.gate == GATE_KEY || row.gate == GATE_TIME) {
        return ERR_OK;
    }
    tx_fail(tx, runs__free(tx, &row, freed));
    runs__budget_leave(tx, &row, freed);
    row.gate = GATE_KEY;
    row.not_before_ms = 0;
    return runs__write(tx, RUN_QUEUED, &row);
}

static struct err queue_pass(struct tx *tx, const struct session_row *session, int64_t run,
                             struct run_freed *freed) {
    int64_t ids[LIVE_MAX];
    const struct arg args[] = {arg_text(session->owner), arg_text(sessions__stream(tx, session)),
                               arg_int(run), arg_int(LIVE_MAX)};
    const size_t count =
        tx_ids(tx,
               "SELECT id FROM runs WHERE owner = $1 AND run_key = $2 AND ended_ms IS NULL"
               " AND run_key <> '' AND state = 'queued' AND id <> $3 LIMIT $4",
               args, COUNT_OF(args), COUNT_OF(ids), ids);
    const int64_t priority =
        tx_number(tx,
                  "SELECT COALESCE(max(priority), -1) + 1 FROM runs WHERE owner = $1"
                  " AND run_key = $2 AND ended_ms IS NULL AND run_key <> '' AND state = 'queued'"
                  " AND id <> $3",
                  args, 3);
    struct err err = tx_error(tx);
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        err = queue_step_back(tx, ids[i], freed);
    }
    if (!err_failed(err) && count > 0) {
        runs__set_priority(tx, run, priority);
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_turn_send_now(struct tx *tx, const struct turn_send_now *what,
                            struct turn_accepted *ret_accepted, struct why *why) {
    struct run_freed freed = {.kinds = 0};
    struct message_row row;
    struct session_row session;
    bool found = false;
    struct err err = messages__get(tx, &what->key, "turns: send now", &row, &session);
    if (err_failed(err)) {
        return err;
    }
    if (row.role != ROLE_USER) {
        return err_make(ERR_NOT_A_USER_MESSAGE, "turns: send now");
    }
    if (row.status != MESSAGE_QUEUED) {
        return err_why(why, ERR_CONFLICT, "the message is not queued, or no longer");
    }
    const struct live live = live_find(tx, &session);
    struct turn_accepted accepted = {.message = row.message,
                                     .process = BYTES(""),
                                     .undone = BYTES(""),
                                     .decision = turn_decide(TURN_INTERRUPT, &live.session)};
    if (accepted.decision == TURN_DECIDE_STOP) {
        err = run_ask(tx, live.running, CAUSE_INTERRUPTED, &freed);
    }
    err = err_failed(err) ? err : queue_pass(tx, &session, row.run, &freed);
    if (err_failed(err)) {
        return err;
    }
    queue_follow(tx, session.id, &row);
    tx_fail(tx, runs__admit_freed(tx, &freed, &what->bounds));
    messages__tell_queue(tx, &session);
    err =
        err_failed(tx_error(tx)) ? tx_error(tx) : runs__find_id(tx, row.run, &found, &accepted.run);
    if (!err_failed(err) && !found) {
        return err_make(ERR_NOT_FOUND, "turns: the run was removed");
    }
    *ret_accepted = accepted;
    return err;
}

/* --- Notices become a turn -------------------------------------------------------------------- */

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
    struct tx *tx;
    struct text text, runs, kept;   /* Owned. */
    const struct notice_kind *last; /* Kind of the last one, if it has a kind. */
    bool opened;                    /* There is the end of a run. */
};

static const struct notice_kind *notice_kind_of(const struct inbox_row *row) {
    const struct notice_kind *kind = notice_kinds;
    while (kind->prefix != NULL && !bytes_begin(row->run, bytes_of(kind->prefix))) {
        kind++;
    }
    return kind->prefix == NULL ? NULL : kind;
}

static void notices_done(struct notices *notices) {
    text_done(&notices->text);
    text_done(&notices->runs);
    text_done(&notices->kept);
}

/* A damaged notice keeps nothing beside its message. After KEPT_MAX bytes of results the runs are
 * only named. */
static struct err notice_add(void *ctx, const struct inbox_row *row) {
    struct notices *notices = ctx;
    const struct notice_kind *kind = notice_kind_of(row);
    AUTO(json_release) json_t *notice = NULL;
    text_add_str(&notices->text, notices->text.len == 0 ? "" : "\n\n");
    if (kind != NULL) {
        kind->write(notices->tx, row, kind != notices->last, &notices->text);
        notices->last = kind;
        return tx_error(notices->tx);
    }
    if (!notices->opened) {
        notices->opened = true;
        text_add_str(&notices->text, opening);
        text_add_str(&notices->text, "\n\n");
    }
    if (json_is_valid(row->payload)) {
        text_add(&notices->text, row->payload.data, row->payload.len);
    } else {
        text_add_str(&notices->text, "[this notice is damaged, and cannot be read]");
    }
    text_add_str(&notices->runs, notices->runs.data[notices->runs.len - 1] == '[' ? "" : ",");
    text_add_json(&notices->runs, row->run.data, row->run.len);
    struct err err = json_parse_wrapped(row->payload, &notice, NULL /* drover wrote it */);
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
    return ERR_OK;
}

static struct err follow_up_begin(struct tx *tx, struct session_row *session,
                                  const struct turn_message *followup,
                                  enum turn_followed *ret_followed) {
    const struct inbox_bind bind = {
        .session = {.owner = session->owner, .address = session->session, .kind = RECEIVER_SESSION},
        .turn = bytes_of(followup->run.text)};
    AUTO(notices_done)
    struct notices notices = {.tx = tx,
                              .text = {.size_max = MESSAGE_TEXT_MAX},
                              .runs = {.size_max = KEPT_MAX},
                              .kept = {.size_max = KEPT_MAX}};
    size_t count = 0;
    text_add_str(&notices.runs, "{\"runs\":[");
    text_add_str(&notices.kept, "{\"follow_up\":[");
    tx_fail(tx, tx_inbox_bind(tx, &bind, notice_add, &notices, &count));
    *ret_followed = count > 0 ? FOLLOW_UP_BEGUN : FOLLOW_UP_IDLE;
    if (count == 0) {
        return tx_error(tx);
    }
    text_add_str(&notices.runs, "]}");
    text_add_str(&notices.kept, "]}");
    /* Messages of earlier turns that got the same notices, and failed, are removed, so that a
     * provider that is away for an hour leaves one message and not one for each try. Their runs
     * keep what went wrong. */
    struct message_rows failed = messages__many(
        tx,
        MESSAGE_SELECT "m.session = $1 AND ("
                       "(m.role = 'notice' AND m.status = 'rolled_back') OR (m.role = 'assistant'"
                       " AND m.status IN ('failed', 'rolled_back') AND EXISTS (SELECT 1"
                       " FROM messages a WHERE a.id = m.reply_to AND a.role = 'notice'"
                       " AND a.status = 'rolled_back'))) ORDER BY m.id LIMIT $2",
        ARGS(arg_int(session->id), arg_int(FAILED_MAX)), FAILED_MAX);
    for (size_t i = 0; i < failed.count; i++) {
        messages__remove(tx, session, &failed.rows[i]);
    }
    struct turn_message message = *followup;
    message.trigger = TRIGGER_NOTICE;
    message.text = text_bytes(&notices.text);
    message.told = text_bytes(&notices.runs);
    message.kept = text_bytes(&notices.kept);
    const struct text *const texts[] = {&notices.text, &notices.runs, &notices.kept};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        tx_fail(tx, text_failed(texts[i]) ? text_error(texts[i], "turns: notices") : ERR_OK);
    }
    struct run_row run;
    return err_failed(tx_error(tx))
               ? tx_error(tx)
               : turns__make(tx, session, &message, &run, NULL /* no images */);
}

struct err tx_turn_follow_up(struct tx *tx, const struct turn_message *followup,
                             enum turn_followed *ret_followed) {
    const struct inbox_receiver receiver = {.owner = followup->session.owner,
                                            .address = followup->session.session,
                                            .kind = RECEIVER_SESSION};
    struct session_row session;
    /* The latest turn in the session of a workflow's agent is its step's, unless a person has
     * written there since. Nobody reads what the model would say after it, and no budget of the
     * workflow would pay for that. */
    const bool listens = sessions__find(tx, &followup->session, &session) &&
                         tx_number(tx,
                                   "SELECT count(*) FROM (SELECT r.step_key AS word FROM turns t"
                                   " JOIN runs r ON r.id = t.run WHERE t.session = $1"
                                   " ORDER BY t.run DESC LIMIT 1) latest WHERE word <> ''",
                                   ARGS(arg_int(session.id))) == 0;
    *ret_followed = FOLLOW_UP_BUSY;
    TRY(tx_error(tx));
    if (!listens) {
        *ret_followed = tx_inbox_receiver_gone(tx, &receiver) ? FOLLOW_UP_MORE : FOLLOW_UP_IDLE;
        return tx_error(tx);
    }
    /* A deleted session hears nothing until it is restored, or removed. */
    return session.deleted_ms != 0 || turns__busy(tx, &session) || err_failed(tx_error(tx))
               ? tx_error(tx)
               : follow_up_begin(tx, &session, followup, ret_followed);
}
