/* ops_branches.c: what is said becomes another history: a message gets another text, an answer is
 * asked for again beside the old one, and one of several answers is chosen. */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "base/memory.h"
#include "chat_ops.h"
#include "late.h"
#include "ops.h"

/* --- Another text ----------------------------------------------------------------------------- */

static struct known_message *stored_pick(struct sim *sim) {
    struct known *known = known_of(sim);
    struct known_message *found = NULL;
    if (known->message_count > 0) {
        /* Mostly a late one: a message can be edited while it waits, or its session is idle. */
        size_t newest =
            known->message_count > 4 && sim_chance(sim, "late", 60) ? 4 : known->message_count;
        found = &known->messages[known->message_count - 1 - sim_choose(sim, "message", newest)];
    }
    bool fits = found != NULL && found->id[0] != '\0' && !found->probe;
    return fits && found->session->state <= SESSION_THERE ? found : NULL;
}

static struct err edit_run(struct tx *tx, struct errand *errand) {
    struct message_row row;
    struct session_row session;
    errand->what.edit = (struct message_edit){
        .key = {.owner = BYTES(KNOWN_OWNER), .message = known_bytes(errand->message->id)},
        .text = {errand->text.data, errand->text.len}};
    return tx_message_edit(tx, &errand->what.edit, &row, &session);
}

static void edit_done(struct errand *errand, struct err result) {
    if (errand->message->edited != NULL &&
        strcmp(errand->message->edited, errand->text.data) == 0) {
        known_edited(errand->message, !err_failed(result));
    }
    if (err_failed(result) && !errand_refused(errand, result)) {
        sim_fail(errand->sim, "an edit was refused: %s", err_name(result.code));
    }
}

static void message_edit_late(struct sim *sim, unsigned op) {
    struct known_message *message = stored_pick(sim);
    if (message == NULL) {
        return;
    }
    struct errand *errand = errand_new(sim, "edit", message->session);
    errand->op = op;
    errand->message = message;
    turns_words(sim, op, &errand->text);
    known_edit(message, errand->text.data);
    errand->run = edit_run;
    errand->done = edit_done;
    errand_send(errand);
}

/* --- Whose ------------------------------------------------------------------------------------ */

/* Mostly one with answers in which no turn runs: others refuse. */
static struct known_session *answered_pick(struct sim *sim) {
    struct known *known = known_of(sim);
    struct known_session *fits[KNOWN_SESSIONS_MAX];
    size_t count = 0;
    bool any = sim_chance(sim, "any", 15);
    for (size_t i = 0; i < known->session_count && !any; i++) {
        struct known_session *session = &known->sessions[i];
        if (session->state <= SESSION_THERE &&
            rows_number(sim,
                        "SELECT count(*) FROM sessions s JOIN messages m ON m.session = s.id"
                        " WHERE s.session = $1 AND s.state = 'idle' AND m.role = 'assistant'"
                        " AND m.status = 'completed'",
                        TEXTS(session->id), 0) > 0) {
            fits[count++] = session;
        }
    }
    return count == 0 ? known_pick(sim, "session")
                      : fits[count - 1 - sim_choose(sim, "session", count < 3 ? count : 3)];
}

/* --- An answer, again ------------------------------------------------------------------------- */

struct answer_found {
    char id[ID_SIZE];
    size_t skip;
};

static void answer_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct answer_found *found = ctx;
    (void)sim;
    if (found->skip > 0) {
        found->skip--;
    } else if (found->id[0] == '\0') {
        (void)snprintf(found->id, sizeof found->id, "%s", row->text[0].data);
    }
}

static struct err again_run(struct tx *tx, struct errand *errand) {
    struct run_row run;
    errand->what.again.key =
        (struct message_key){.owner = BYTES(KNOWN_OWNER), .message = known_bytes(errand->id)};
    errand->what.again.model_default = known_bytes(errand->model.name);
    return tx_turn_again(tx, &errand->what.again, &run, &errand->why);
}

static void again_done(struct errand *errand, struct err result) {
    if (!err_failed(result)) {
        known_add_answer(errand->sim, errand->session, errand->id);
    } else if (!errand_refused(errand, result)) {
        sim_fail(errand->sim, "another answer was refused: %s: %s", err_name(result.code),
                 errand->why.text);
    }
}

/* Of an answer of the session, as a client finds it in the list; mostly of the last one. */
static bool answer_find(struct sim *sim, const struct known_session *session, const char *sql,
                        struct answer_found *ret_found) {
    *ret_found = (struct answer_found){.skip = 0};
    if (sim_chance(sim, "older", 25)) {
        ret_found->skip = sim_choose(sim, "which answer", 4);
    }
    ask_each(sim, sql, TEXTS(session->id), answer_take, ret_found);
    return ret_found->id[0] != '\0';
}

void branches_again(struct sim *sim, struct known_session *session, const char *answer,
                    const struct turn_message *what) {
    struct errand *errand = errand_new(sim, "again", session);
    (void)snprintf(errand->id, sizeof errand->id, "%s", answer);
    errand->what.again = *what;
    errand->what.again.bounds = errand_bounds(errand);
    errand_change(errand);
    errand->run = again_run;
    errand->done = again_done;
    errand_send(errand);
}

static void answer_again_late(struct sim *sim, unsigned op) {
    struct known_session *session = answered_pick(sim);
    struct answer_found found;
    if (session == NULL ||
        !answer_find(sim, session,
                     "SELECT m.message FROM messages m JOIN sessions s ON s.id = m.session"
                     " WHERE s.session = $1 AND m.role = 'assistant'"
                     " AND m.status NOT IN ('removed', 'reserved') ORDER BY m.id DESC",
                     &found)) {
        return;
    }
    const struct turn_message what = {.run = late_id(sim, op, "run", "again"),
                                      .answer = late_id(sim, op, "msg", "again")};
    branches_again(sim, session, found.id, &what);
}

/* --- One of several --------------------------------------------------------------------------- */

static struct err choose_run(struct tx *tx, struct errand *errand) {
    struct message_row row;
    const struct message_key key = {.owner = BYTES(KNOWN_OWNER),
                                    .message = known_bytes(errand->id)};
    struct err err = tx_turn_choose(tx, &key, &row, &errand->why);
    if (!err_failed(err) && !row.active) {
        sim_fail(errand->sim, "the answer %s was chosen, and is not told as active", errand->id);
    }
    return err;
}

/* What answers a notice gives way when that is tried again (engine/turn/followup.c). */
static bool answers_person(struct sim *sim, const char *answer) {
    return rows_number(sim,
                       "SELECT count(*) FROM messages a JOIN messages q ON q.id = a.reply_to"
                       " WHERE a.message = $1 AND q.role = 'user'",
                       TEXTS(answer), 0) > 0;
}

static void choose_done(struct errand *errand, struct err result) {
    bool certain = !err_failed(result) && answers_person(errand->sim, errand->id);
    if (certain) {
        known_add_answer(errand->sim, errand->session, errand->id);
        if (errand_decides(errand)) {
            memcpy(errand->session->chosen, errand->id, sizeof errand->id);
        }
    }
    if (err_failed(result) && !errand_refused(errand, result)) {
        sim_fail(errand->sim, "a choice was refused: %s: %s", err_name(result.code),
                 errand->why.text);
    }
}

void branches_choose(struct sim *sim, struct known_session *session, const char *answer) {
    struct errand *errand = errand_new(sim, "choose", session);
    (void)snprintf(errand->id, sizeof errand->id, "%s", answer);
    errand_change(errand);
    errand->run = choose_run;
    errand->done = choose_done;
    errand_send(errand);
}

static void answer_choose_late(struct sim *sim, unsigned op) {
    struct known_session *session = answered_pick(sim);
    struct answer_found found;
    (void)op; /* A choice makes nothing. */
    /* One that is not shown now, else any. */
    if (session == NULL ||
        !answer_find(sim, session,
                     "SELECT m.message FROM messages m JOIN sessions s ON s.id = m.session"
                     " WHERE s.session = $1 AND m.role = 'assistant' AND m.status NOT IN "
                     "('removed', 'reserved')"
                     " ORDER BY m.active, m.id DESC",
                     &found)) {
        return;
    }
    branches_choose(sim, session, found.id);
}

static void message_edit(struct sim *sim) {
    late_plan(sim, message_edit_late);
}

static void answer_again(struct sim *sim) {
    late_plan(sim, answer_again_late);
}

static void answer_choose(struct sim *sim) {
    late_plan(sim, answer_choose_late);
}

static const struct sim_op ops_branches[] = {
    {"message_edit", 3, message_edit},
    {"answer_again", 8, answer_again},
    {"answer_choose", 6, answer_choose},
    {NULL, 0, NULL},
};

const struct sim_part part_branches = {.name = "branches", .ops = ops_branches};
