/* ops_turns.c: messages with every policy, alone and in bursts, sent again under their client's id,
 * edited, taken back, sent now, asked again; turns that are stopped; histories that are compacted.
 */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "base/memory.h"
#include "chat_ops.h"
#include "late.h"
#include "servers.h"

enum { LONG_BYTES = 24 << 10, SHORT_BYTES = 60, BURST_MIN = 4, BURST_MAX = 11 };

/* --- Messages --------------------------------------------------------------------------------- */

void turns_words(struct sim *sim, unsigned op, struct text *text) {
    static const char *const fillers[] = {"please go on with the task ", "\xf0\x9f\x90\x91 baa ",
                                          "a \"quote\" and a \\ ", "line\nbreak ", "\x02 "};
    uint64_t pick = sim_choose(sim, "length", 12);
    size_t most = pick == 0 ? LONG_BYTES : pick < 3 ? LONG_BYTES / 8 : SHORT_BYTES;
    size_t len = (size_t)sim_choose(sim, "words", most);
    text_addf(text, "op#%u. ", op);
    while (text->len < len) {
        text_add_str(text, fillers[sim_choose(sim, "filler", COUNT_OF(fillers))]);
    }
}

static struct err say_run(struct tx *tx, struct errand *errand) {
    struct turn_accepted accepted;
    errand->what.say.session = errand_key(errand);
    errand->what.say.text = known_bytes(errand->message->text);
    errand->what.say.client = known_bytes(errand->id);
    errand->what.say.model_default = known_bytes(errand->model.name);
    if (errand->message->schema != NULL) {
        errand->what.say.schema = known_bytes(errand->message->schema);
    }
    if (errand->message->attachment[0] != '\0') {
        errand->what.say.attachments[0] = known_bytes(errand->message->attachment);
        errand->what.say.attachment_count = 1;
    }
    struct err err = policies_find(tx, errand->what.say.session.session, &errand->policy);
    if (!err_failed(err)) {
        err = tx_turn_submit(tx, &errand->what.say, &accepted, &errand->why);
    }
    if (!err_failed(err)) {
        errand->policy.decision = accepted.decision;
        errand->policy.repeated = accepted.repeated;
        (void)snprintf(errand->run_id, sizeof errand->run_id, "%.*s", (int)accepted.run.run.len,
                       accepted.run.run.data);
        text_clear(&errand->text);
        text_add(&errand->text, accepted.message.data, accepted.message.len);
    }
    return err;
}

static void say_done(struct errand *errand, struct err result) {
    struct known_message *message = errand->message;
    if (!err_failed(result)) {
        if (message->state == MESSAGE_STORED && strcmp(message->id, errand->text.data) != 0) {
            sim_fail(errand->sim, "the same message was stored twice: %s and %s", message->id,
                     errand->text.data);
        }
        (void)snprintf(message->id, sizeof message->id, "%s", errand->text.data);
        (void)snprintf(message->run, sizeof message->run, "%s", errand->run_id);
        message->state = message->state == MESSAGE_LOOSE ? MESSAGE_LOOSE : MESSAGE_STORED;
        policies_decided(errand->sim, message, errand->what.say.policy, &errand->policy);
    } else if (!errand_refused(errand, result)) {
        sim_fail(errand->sim, "a message was refused: %s: %s", err_name(result.code),
                 errand->why.text);
    }
}

void turns_say(struct sim *sim, struct known_message *message, enum turn_policy policy) {
    struct errand *errand = errand_new(sim, "say", message->session);
    errand->message = message;
    (void)snprintf(errand->id, sizeof errand->id, "client-%u", message->marker);
    /* Sent when another operation may have begun, which has ids of its own. */
    const unsigned marker = message->marker;
    errand->what.say = (struct turn_message){.policy = policy,
                                             .run = late_id(sim, marker, "run", "turn"),
                                             .message = late_id(sim, marker, "msg", "asks"),
                                             .answer = late_id(sim, marker, "msg", "answers"),
                                             .bounds = errand_bounds(errand)};
    errand->run = say_run;
    errand->done = say_done;
    if (policy == TURN_ROLLBACK) {
        errand_change(errand);
    }
    errand_send(errand);
}

struct known_message *turns_probe(struct sim *sim, struct known_session *session) {
    struct text text;
    text_init(&text, LONG_BYTES);
    unsigned marker = servers_part_marker(sim_operation(sim), SERVER_PARTS_MAX);
    text_addf(&text, "op#%u. Are you there, %s?", marker, session->id);
    struct known_message *message = known_add_message(sim, session, text.data);
    text_done(&text);
    if (message != NULL) {
        message->marker = marker;
        message->probe = true;
        /* Ids of an operation are one a purpose: a probe's are of its session. */
        struct errand *errand = errand_new(sim, "probe", session);
        errand->message = message;
        (void)snprintf(errand->id, sizeof errand->id, "probe");
        errand->what.say = (struct turn_message){.policy = TURN_ENQUEUE,
                                                 .run = known_id(sim, "run", session->id),
                                                 .message = known_id(sim, "msg", session->id),
                                                 .answer = known_id(sim, "msg", session->id + 4),
                                                 .bounds = errand_bounds(errand)};
        errand->run = say_run;
        errand->done = say_done;
        errand_send(errand);
    }
    return message;
}

struct known_message *turns_new(struct sim *sim, struct known_session *session) {
    struct text text;
    text_init(&text, (size_t)LONG_BYTES * 2);
    turns_words(sim, sim_operation(sim), &text);
    struct known_message *message = known_add_message(sim, session, text.data);
    text_done(&text);
    return message;
}

static void message_say(struct sim *sim) {
    static const enum turn_policy policies[] = {TURN_ENQUEUE,   TURN_ENQUEUE,  TURN_ENQUEUE,
                                                TURN_INTERRUPT, TURN_ROLLBACK, TURN_STEER,
                                                TURN_REJECT};
    struct known_session *session = known_pick(sim, "session");
    if (session == NULL) {
        return;
    }
    struct known_message *message = turns_new(sim, session);
    enum turn_policy policy = policies[sim_choose(sim, "policy", COUNT_OF(policies))];
    if (policy == TURN_ROLLBACK) {
        known_loosen(sim, session);
    }
    if (message != NULL) {
        message->state = MESSAGE_ASKED; /* Its own rollback does not touch it. */
        turns_say(sim, message, policy);
    }
}

/* Several messages at once: a long conversation, whose turns run one after the other. */
static void message_burst(struct sim *sim) {
    struct known_session *session = known_pick(sim, "session");
    uint64_t count = BURST_MIN + sim_choose(sim, "burst", BURST_MAX - BURST_MIN + 1);
    for (unsigned part = 1; session != NULL && part <= count; part++) {
        unsigned marker = servers_part_marker(sim_operation(sim), part);
        size_t len = (size_t)sim_choose(sim, "burst's words", LONG_BYTES / 8);
        struct text text;
        text_init(&text, LONG_BYTES);
        text_addf(&text, "op#%u. Part %u ", marker, part);
        while (text.len < len) {
            text_add_str(&text, "of what there is to do. ");
        }
        struct known_message *message = known_add_message(sim, session, text.data);
        text_done(&text);
        if (message != NULL) {
            message->marker = marker;
            turns_say(sim, message, TURN_ENQUEUE);
        }
    }
}

static struct known_message *message_pick(struct sim *sim) {
    struct known *known = known_of(sim);
    struct known_message *found =
        known->message_count == 0
            ? NULL
            : &known->messages[sim_choose(sim, "message", known->message_count)];
    bool fits = found != NULL && !found->unsent && found->session->state <= SESSION_THERE;
    return fits ? found : NULL;
}

/* A client that got no answer sends again, with its id. */
static void message_repeat(struct sim *sim) {
    struct known_message *message = message_pick(sim);
    if (message != NULL && !message->probe) {
        turns_say(sim, message, TURN_ENQUEUE);
    }
}

/* --- Taken back, sent again ------------------------------------------------------------------- */

static struct err unqueue_run(struct tx *tx, struct errand *errand) {
    struct message_row row;
    const struct message_key key = {.owner = BYTES(KNOWN_OWNER),
                                    .message = known_bytes(errand->message->id)};
    struct run_bounds bounds = errand_bounds(errand);
    return tx_message_unqueue(tx, &key, &bounds, &row);
}

static void unqueue_done(struct errand *errand, struct err result) {
    if (!err_failed(result)) {
        errand->message->removal = REMOVAL_ACKNOWLEDGED;
    }
}

static void message_unqueue(struct sim *sim) {
    struct known_message *message = message_pick(sim);
    if (message == NULL || message->id[0] == '\0') {
        return;
    }
    message->state = MESSAGE_LOOSE;
    struct errand *errand = errand_new(sim, "unqueue", message->session);
    errand->message = message;
    errand->run = unqueue_run;
    errand->done = unqueue_done;
    errand_send(errand);
}

static struct err send_now_run(struct tx *tx, struct errand *errand) {
    const struct turn_send_now what = {
        .key = {.owner = BYTES(KNOWN_OWNER), .message = known_bytes(errand->message->id)},
        .bounds = errand_bounds(errand)};
    struct turn_accepted accepted;
    return tx_turn_send_now(tx, &what, &accepted, &errand->why);
}

/* The promises about messages hold for any queue. */
static void message_send_now(struct sim *sim) {
    struct known_message *message = message_pick(sim);
    if (message != NULL && message->id[0] != '\0') {
        struct errand *errand = errand_new(sim, "send now", message->session);
        errand->message = message;
        errand->run = send_now_run;
        errand_send(errand);
    }
}

static struct err resend_run(struct tx *tx, struct errand *errand) {
    struct turn_resend *what = &errand->what.resend;
    what->message.key = (struct message_key){.owner = BYTES(KNOWN_OWNER),
                                             .message = known_bytes(errand->message->id)};
    what->message.model_default = known_bytes(errand->model.name);
    if (errand->text.len > 0) {
        what->message.text = (struct bytes){errand->text.data, errand->text.len};
    }
    errand->next.resent = (struct turn_resent){0};
    struct err err = tx_turn_resend(tx, what, &errand->next.resent, &errand->why);
    errand->more = !err_failed(err) && errand->next.resent.more;
    return err;
}

static void resend_advance(struct errand *errand) {
    errand->what.resend.fork = errand->next.resent.fork;
}

static struct err resend_abandon_run(struct tx *tx, struct errand *errand) {
    return tx_session_fork_abandon(tx, &errand->what.resend.fork);
}

/* Messages that followed it when the resend was asked for are shown no more; it is shown again. */
static void resend_done(struct errand *errand, struct err result) {
    struct known_message *message = errand->message;
    known_removed(errand->sim, errand->op, !err_failed(result));
    /* An earlier edit may be there, too, whose daemon died with the answer. */
    if (message->edited != NULL && errand->text.len > 0 &&
        strcmp(message->edited, errand->text.data) == 0) {
        known_edited(message, !err_failed(result));
    }
    if (!err_failed(result) && errand_decides(errand) && message->removal == REMOVAL_NONE) {
        message->state = MESSAGE_STORED;
    }
    if (err_failed(result)) {
        struct errand *after = errand_new(errand->sim, "abandon resend", errand->session);
        after->what.resend = errand->what.resend;
        after->run = resend_abandon_run;
        errand_send(after);
    }
}

static void removal_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct known_message *message = known_find_message(sim, row->text[0].data);
    (void)ctx;
    if (message != NULL) {
        known_remove(message, sim_operation(sim));
    }
}

/* Another text, too, in half of all cases. */
static void resend_edit(struct sim *sim, struct errand *errand) {
    if (sim_chance(sim, "edits", 50)) {
        text_init(&errand->text, TURN_TEXT_MAX);
        turns_words(sim, sim_operation(sim), &errand->text);
        known_edit(errand->message, errand->text.data);
    }
}

/* A message that joined an answer is a part of it: where the answer stands before the message that
 * is said again, the words stay with the answer, wherever the list has the message itself. */
struct errand *turns_resend(struct sim *sim, struct known_message *message) {
    known_loosen(sim, message->session);
    struct errand *errand = errand_new(sim, "resend", message->session);
    errand->message = message;
    errand_change(errand);
    ask_each(sim,
             "SELECT m.message FROM messages m JOIN messages q ON q.session = m.session"
             " WHERE q.message = $1 AND m.id > q.id AND m.role = 'user'"
             " AND NOT (m.status IN ('steering', 'joined') AND EXISTS (SELECT 1 FROM messages a"
             "  WHERE a.session = m.session AND a.run = m.run AND a.role = 'assistant'"
             "  AND a.id < q.id))",
             TEXTS(message->id), removal_take, NULL);
    errand->what.resend = (struct turn_resend){.message = {.run = known_id(sim, "run", "again"),
                                                           .answer = known_id(sim, "msg", "again"),
                                                           .bounds = errand_bounds(errand)}};
    errand->what.resend.fork.session = known_id(sim, "ses", "resend fork");
    for (size_t i = 0; i < sizeof errand->what.resend.fork.seed; i++) {
        errand->what.resend.fork.seed[i] = (uint8_t)sim_choose(sim, "fork's ids", 256);
    }
    errand->run = resend_run;
    errand->advance = resend_advance;
    errand->done = resend_done;
    return errand;
}

static void message_resend(struct sim *sim) {
    struct known_message *message = message_pick(sim);
    if (message != NULL && message->id[0] != '\0') {
        struct errand *errand = turns_resend(sim, message);
        resend_edit(sim, errand);
        errand_send(errand);
    }
}

/* --- Stopped, compacted ----------------------------------------------------------------------- */

static struct err stop_run(struct tx *tx, struct errand *errand) {
    const struct session_key key = errand_key(errand);
    struct session_row session;
    struct run_row row;
    struct run_stop what = {.key = {.owner = BYTES(KNOWN_OWNER)},
                            .cause = CAUSE_STOPPED,
                            .grace_ms = RUN_STOP_GRACE_MS,
                            .bounds = errand_bounds(errand)};
    bool found = false;
    struct err err = tx_session_find(tx, &key, &found, &session);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "sim: stop");
    }
    if (errand->run_id[0] == '\0') {
        err = tx_session_turn(tx, session.id, &what.key.run);
    } else {
        what.key.run = known_bytes(errand->run_id);
    }
    if (err_failed(err) || what.key.run.len == 0) {
        return err_failed(err) ? err : err_make(ERR_CONFLICT, "sim: stop");
    }
    err = tx_run_stop(tx, &what, &errand->more, &row);
    if (!err_failed(err)) {
        (void)snprintf(errand->run_id, sizeof errand->run_id, "%.*s", (int)row.run.len,
                       row.run.data);
    }
    return err;
}

static void turn_stop(struct sim *sim) {
    struct known_session *session = known_pick(sim, "session");
    if (session != NULL) {
        struct errand *errand = errand_new(sim, "stop", session);
        errand->run = stop_run;
        errand_send(errand);
    }
}

static struct err compact_run(struct tx *tx, struct errand *errand) {
    struct run_row run;
    errand->what.compact.session = errand_key(errand);
    errand->what.compact.model_default = known_bytes(errand->model.name);
    return tx_turn_compact(tx, &errand->what.compact, &run, &errand->why);
}

static void turn_compact(struct sim *sim) {
    struct known_session *session = known_pick(sim, "session");
    if (session != NULL) {
        struct errand *errand = errand_new(sim, "compact", session);
        errand->what.compact = (struct turn_message){.run = known_id(sim, "run", "compact"),
                                                     .message = known_id(sim, "msg", "compact"),
                                                     .bounds = errand_bounds(errand)};
        errand->run = compact_run;
        errand_send(errand);
    }
}

static const struct sim_op ops_turns[] = {
    {"message_say", 50, message_say},
    {"message_burst", 4, message_burst},
    {"message_repeat", 4, message_repeat},
    {"message_unqueue", 2, message_unqueue},
    {"message_resend", 2, message_resend},
    {"message_send_now", 4, message_send_now},
    {"turn_stop", 5, turn_stop},
    {"turn_compact", 3, turn_compact},
    {NULL, 0, NULL},
};

const struct sim_part part_turns = {.name = "turns", .ops = ops_turns};
