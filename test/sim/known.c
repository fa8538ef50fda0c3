/* known.c: the tables of the model. */
#include "known.h"

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

struct known_message *known_add_message(struct sim *sim, struct known_session *session,
                                        const char *text) {
    if (known.message_count == KNOWN_MESSAGES_MAX) {
        return NULL;
    }
    struct known_message *message = &known.messages[known.message_count++];
    *message = (struct known_message){
        .session = session, .text = sim_copy(text), .op = sim_operation(sim)};
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
}

static void known_begin(struct sim *sim) {
    (void)sim;
    for (size_t i = 0; i < known.message_count; i++) {
        sim_free(known.messages[i].text);
    }
    memset(&known, 0, sizeof known);
}

const struct sim_part part_known = {.name = "known", .begin = known_begin};
