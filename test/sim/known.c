/* known.c: the tables of the model. */
#include "known.h"

#include <stdio.h>
#include <string.h>

enum { NEWEST = 2 };

static struct known known; /* Of the seed that runs: one at a time in a process. */

struct known *known_of(struct sim *sim) {
    (void)sim; /* There is one. */
    return &known;
}

struct bytes known_bytes(const char *text) {
    return (struct bytes){text, strlen(text)};
}

struct id known_id(struct sim *sim, const char *prefix, const char *purpose) {
    uint8_t random[10];
    for (size_t i = 0; i < sizeof random; i++) {
        random[i] = (uint8_t)sim_hash(sim_seed(sim), sim_operation(sim), purpose, i);
    }
    return id_make(prefix, sim_wall_ms(sim), random);
}

struct known_session *known_add_session(struct sim *sim, const struct id *id) {
    if (known.session_count == KNOWN_SESSIONS_MAX) {
        return NULL;
    }
    struct known_session *session = &known.sessions[known.session_count++];
    *session = (struct known_session){.op = sim_operation(sim), .state = SESSION_ASKED};
    memcpy(session->id, id->text, sizeof session->id);
    return session;
}

void known_session_is(struct sim *sim, struct known_session *session,
                      enum known_session_state state) {
    session->state = state;
    session->since_ns = sim_now_ns(sim);
}

struct known_message *known_add_message(struct sim *sim, struct known_session *session,
                                        const char *text) {
    if (known.message_count == KNOWN_MESSAGES_MAX) {
        return NULL;
    }
    struct known_message *message = &known.messages[known.message_count++];
    *message = (struct known_message){.session = session,
                                      .text = sim_copy(text),
                                      .op = sim_operation(sim),
                                      .marker = sim_operation(sim)};
    return message;
}

struct known_session *known_pick(struct sim *sim, const char *purpose) {
    struct known_session *there[KNOWN_SESSIONS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < known.session_count; i++) {
        if (known.sessions[i].state <= SESSION_THERE) {
            there[count++] = &known.sessions[i];
        }
    }
    if (count == 0) {
        return NULL;
    }
    /* Mostly one of the newest, so that conversations become long. */
    size_t newest = count > NEWEST && sim_chance(sim, "newest", 80) ? NEWEST : count;
    return there[count - newest + sim_choose(sim, purpose, newest)];
}

void known_loosen(struct sim *sim, const struct known_session *session) {
    (void)sim;
    for (size_t i = 0; i < known.message_count; i++) {
        if (known.messages[i].session == session) {
            known.messages[i].state = MESSAGE_LOOSE;
        }
    }
    for (size_t i = 0; i < known.answer_count; i++) {
        known.answers[i].loose = known.answers[i].loose || known.answers[i].session == session;
    }
}

void known_add_answer(struct sim *sim, struct known_session *session, const char *id) {
    (void)sim;
    if (known.answer_count < KNOWN_ANSWERS_MAX) {
        struct known_answer *answer = &known.answers[known.answer_count++];
        /* An operation that is under way may yet take it away. */
        *answer = (struct known_answer){.session = session, .loose = session->changes > 0};
        (void)snprintf(answer->id, sizeof answer->id, "%s", id); /* It fits. */
    }
}

struct known_message *known_find_message(struct sim *sim, const char *id) {
    (void)sim;
    for (size_t i = 0; i < known.message_count; i++) {
        if (strcmp(known.messages[i].id, id) == 0) {
            return &known.messages[i];
        }
    }
    return NULL;
}

void known_remove(struct known_message *message, unsigned op) {
    if (message->removal == REMOVAL_NONE && message->id[0] != '\0') {
        message->removal = REMOVAL_ASKED;
        message->removal_op = op;
    }
}

void known_removed(struct sim *sim, unsigned op, bool done) {
    (void)sim;
    for (size_t i = 0; i < known.message_count; i++) {
        struct known_message *message = &known.messages[i];
        if (message->removal == REMOVAL_ASKED && message->removal_op == op) {
            message->removal = done ? REMOVAL_ACKNOWLEDGED : REMOVAL_NONE;
        }
    }
}

/* Two of them at once: which one is stored last is not known here, so that neither is looked at. */
void known_edit(struct known_message *message, const char *text) {
    message->state = message->edited != NULL ? MESSAGE_LOOSE : message->state;
    sim_free(message->edited);
    message->edited = sim_copy(text);
}

void known_edited(struct known_message *message, bool done) {
    char **old = done ? &message->text : &message->edited;
    size_t len = strlen(message->text);
    sim_free(*old);
    if (done) {
        message->replaced = len > message->replaced ? len : message->replaced;
        message->text = message->edited;
    }
    message->edited = NULL;
}

static void known_begin(struct sim *sim) {
    (void)sim;
    for (size_t i = 0; i < known.message_count; i++) {
        sim_free(known.messages[i].text);
        sim_free(known.messages[i].edited);
    }
    memset(&known, 0, sizeof known);
}

/* Requests that were under way get no answer. */
static void known_crashed(struct sim *sim) {
    (void)sim;
    for (size_t i = 0; i < known.session_count; i++) {
        known.sessions[i].changes = 0;
    }
    for (size_t i = 0; i < known.message_count; i++) {
        struct known_message *message = &known.messages[i];
        message->removal = message->removal == REMOVAL_ASKED ? REMOVAL_NONE : message->removal;
    }
}

const struct sim_part part_known = {
    .name = "known", .begin = known_begin, .crashed = known_crashed};
