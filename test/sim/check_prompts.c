/* check_prompts.c: what a model is shown is the history that clients chose.
 *
 *   words     every answer and message in a prompt is one of the session's, in its order
 *   branches  of the answers to a message at most one is shown, and it is the one that was chosen
 *   removed   what a client took out of the history, or undid, is shown no more
 *   kept      what was acknowledged and answered is shown, unless a summary stands for it
 *
 * A turn's prompt is known by its words: messages begin with "op#N. " (ops_turns.c), what the model
 * said with "said#KEY. " (utterance.c). Its session is the one that runs a turn and holds
 * the last of the messages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asks.h"
#include "images.h"
#include "known.h"
#include "memories.h"
#include "ops.h"
#include "prompts.h"
#include "schemas.h"

enum { WORDS_MAX = 512, MARK_MAX = 32 };

/* What a prompt shows. */
struct sight {
    char asked[WORDS_MAX][MARK_MAX], said[WORDS_MAX][MARK_MAX]; /* "op#N. ", "said#KEY. " */
    size_t asked_count, said_count;
    bool summary;    /* Something stands for words of before. */
    char number[24]; /* Of the session. */
    char session[ID_SIZE];
    unsigned sessions; /* Number of those that it may be of. */
    int64_t run;       /* Number of the turn's run. */
    const struct prompt *prompt;
    const char *tail; /* What follows the question; NULL: nothing. */
};

static uint64_t checked; /* Prompts of this seed. */

/* --- What is shown ---------------------------------------------------------------------------- */

/* The text begins with such a mark: copied. */
static bool mark_read(const char *text, const char *sign, char mark[MARK_MAX]) {
    size_t len = strlen(sign);
    if (strncmp(text, sign, len) != 0) {
        return false;
    }
    len += strspn(text + len, "0123456789");
    if (len + 3 > MARK_MAX || text[len] != '.' || text[len + 1] != ' ') {
        return false;
    }
    (void)snprintf(mark, MARK_MAX, "%.*s", (int)len + 2, text);
    return true;
}

static void words_take(struct sight *sight, bool of_user, const char *text) {
    if (text == NULL) {
        return;
    }
    if (of_user && strncmp(text, "[drover: what was said", 22) == 0) {
        sight->summary = true;
    } else if (of_user && strstr(text, "<context>\nToday is ") != NULL) {
        sight->tail = strstr(text, "<context>\nToday is ");
        sight->asked_count += sight->asked_count < WORDS_MAX &&
                              mark_read(text, "op#", sight->asked[sight->asked_count]);
    } else if (of_user && sight->asked_count < WORDS_MAX) {
        sight->asked_count += mark_read(text, "op#", sight->asked[sight->asked_count]);
    } else if (!of_user && sight->said_count < WORDS_MAX) {
        sight->said_count += mark_read(text, "said#", sight->said[sight->said_count]);
    }
}

/* All wires have messages with a role and a content, which is a text or a list of parts. */
static void sight_read(const struct prompt *prompt, struct sight *sight) {
    const json_t *messages =
        json_object_get(prompt->json, prompt->wire == WIRE_RESPONSES ? "input" : "messages");
    size_t i, j;
    json_t *message, *part;
    json_array_foreach(messages, i, message) {
        const char *role = json_string_value(json_object_get(message, "role"));
        json_t *content = json_object_get(message, "content");
        bool of_user = role != NULL && strcmp(role, "user") == 0;
        bool of_model = role != NULL && strcmp(role, "assistant") == 0;
        if (!of_user && !of_model) {
            continue;
        }
        words_take(sight, of_user, json_string_value(content));
        json_array_foreach(content, j, part) {
            words_take(sight, of_user, json_string_value(json_object_get(part, "text")));
        }
    }
}

static void session_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct sight *sight = ctx;
    (void)sim;
    sight->sessions++;
    (void)snprintf(sight->number, sizeof sight->number, "%s", row->text[0].data);
    (void)snprintf(sight->session, sizeof sight->session, "%s", row->text[1].data);
    sight->run = row->number[2];
}

/* Two forks that run at once hold the same messages: then nobody knows whose it is. */
static bool session_find(struct sim *sim, struct sight *sight) {
    if (sight->asked_count == 0) {
        return false;
    }
    ask_each(sim,
             "SELECT DISTINCT s.id, s.session, r.id FROM runs r JOIN turns t ON t.run = r.id"
             " JOIN sessions s ON s.id = t.session JOIN messages m ON m.session = s.id"
             " JOIN parts p ON p.message = m.id WHERE r.kind = 'turn' AND r.ended_ms IS NULL"
             " AND r.state <> 'queued' AND m.status NOT IN ('removed', 'rolled_back')"
             " AND m.role = 'user'"
             " AND substr(p.text, 1, length($1)) = $1",
             TEXTS(sight->asked[sight->asked_count - 1]), session_take, sight);
    return sight->sessions == 1;
}

static bool shows(const char words[][MARK_MAX], size_t count, const char *text) {
    char mark[MARK_MAX] = "";
    const char *sign = strncmp(text, "op#", 3) == 0 ? "op#" : "said#";
    for (size_t i = 0; mark_read(text, sign, mark) && i < count; i++) {
        if (strcmp(words[i], mark) == 0) {
            return true;
        }
    }
    return false;
}

/* --- Answers ---------------------------------------------------------------------------------- */

struct branches {
    const struct sight *sight;
    bool held[WORDS_MAX]; /* Whether the session has such an answer. */
    int64_t question;     /* Of the answer that was seen last, */
    char answer[ID_SIZE]; /* and that answer. */
    const char *chosen;   /* "": nobody knows. */
    bool chosen_is_there, chosen_is_shown;
};

/* Columns: id of the question, answer, text. By question. */
static void branch_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct branches *branches = ctx;
    const struct sight *sight = branches->sight;
    const char *answer = row->text[1].data, *text = row->text[2].data;
    char mark[MARK_MAX];
    if (!mark_read(text, "said#", mark)) {
        return; /* Stopped within its mark. */
    }
    bool shown = shows(sight->said, sight->said_count, text);
    bool is_chosen = strcmp(answer, branches->chosen) == 0;
    branches->chosen_is_there = branches->chosen_is_there || is_chosen;
    branches->chosen_is_shown = branches->chosen_is_shown || (is_chosen && shown);
    if (!shown) {
        return;
    }
    for (size_t i = 0; i < sight->said_count; i++) {
        branches->held[i] =
            branches->held[i] || strncmp(text, sight->said[i], strlen(sight->said[i])) == 0;
    }
    bool other = branches->answer[0] != '\0' && strcmp(branches->answer, answer) != 0;
    if (other && branches->question == row->number[0] && row->number[0] != 0) {
        sim_fail(sim, "a prompt of %s shows two answers to one message: %s and %s", sight->session,
                 branches->answer, answer);
    }
    branches->question = row->number[0];
    (void)snprintf(branches->answer, sizeof branches->answer, "%s", answer);
}

static const char *chosen_of(struct sim *sim, const char *session) {
    struct known *known = known_of(sim);
    for (size_t i = 0; i < known->session_count; i++) {
        if (strcmp(known->sessions[i].id, session) == 0 && known->sessions[i].changes == 0) {
            return known->sessions[i].chosen;
        }
    }
    return "";
}

static void branches_check(struct sim *sim, const struct sight *sight) {
    struct ask_number run = ask_number(sight->run);
    struct branches branches = {.sight = sight, .chosen = chosen_of(sim, sight->session)};
    ask_each(sim,
             "SELECT m.reply_to, m.message, p.text FROM messages m JOIN parts p ON p.message = m.id"
             " WHERE m.session = $1 AND m.role = 'assistant' AND m.status <> 'removed'"
             " AND (m.status <> 'rolled_back' OR m.run = $2)" /* It may be ending. */
             " AND p.kind = 'text' AND substr(p.text, 1, 5) = 'said#' ORDER BY m.reply_to, m.id",
             TEXTS(sight->number, run.text), branch_take, &branches);
    for (size_t i = 0; i < sight->said_count; i++) {
        if (!branches.held[i]) {
            sim_fail(sim, "a prompt of %s shows %s, which it does not hold", sight->session,
                     sight->said[i]);
        }
    }
    if (branches.chosen_is_there && !branches.chosen_is_shown && !sight->summary) {
        sim_fail(sim, "a prompt of %s does not show the answer %s, which was chosen",
                 sight->session, branches.chosen);
    }
}

/* --- Messages --------------------------------------------------------------------------------- */

struct order {
    const struct sight *sight;
    size_t at; /* Of what the prompt shows: the next one. */
};

/* Column: text of a message, in the order of the session. */
static void order_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct order *order = ctx;
    const struct sight *sight = order->sight;
    const char *text = row->text[0].data;
    (void)sim;
    if (order->at < sight->asked_count &&
        strncmp(text, sight->asked[order->at], strlen(sight->asked[order->at])) == 0) {
        order->at++;
    }
}

/* What was undone with its turn is no message of it any more. */
static void order_check(struct sim *sim, const struct sight *sight) {
    struct order order = {.sight = sight};
    ask_each(sim,
             "SELECT p.text FROM messages m JOIN parts p ON p.message = m.id WHERE m.session = $1"
             " AND p.kind IN ('text', 'steer') AND substr(p.text, 1, 3) = 'op#'"
             " AND m.status NOT IN ('removed', 'rolled_back') ORDER BY m.id, p.number",
             TEXTS(sight->number), order_take, &order);
    if (order.at < sight->asked_count) {
        sim_fail(sim, "a prompt of %s shows the message %s where the session has another one",
                 sight->session, sight->asked[order.at]);
    }
}

static bool answered(struct sim *sim, const struct known_message *message) {
    return rows_number(sim,
                       "SELECT count(*) FROM messages a JOIN messages q ON a.reply_to = q.id"
                       " WHERE q.message = $1 AND a.active = 1 AND a.status = 'completed'",
                       TEXTS(message->id), 0) > 0;
}

static unsigned count_shown(const struct sight *sight, const char *text) {
    char mark[MARK_MAX] = "";
    unsigned count = 0;
    for (size_t i = 0; mark_read(text, "op#", mark) && i < sight->asked_count; i++) {
        count += strcmp(sight->asked[i], mark) == 0;
    }
    return count;
}

/* A message with `steer` has no answer of its own. Prompts show it from the call on with which it
 * joined; one that came too late to join is shown in the turns that follow. */
static bool joined(struct sim *sim, const struct sight *sight,
                   const struct known_message *message) {
    struct ask_number run = ask_number(sight->run);
    return message->decision == TURN_DECIDE_JOIN &&
           rows_number(sim,
                       "SELECT count(*) FROM messages m WHERE m.message = $1"
                       " AND (m.status = 'completed' OR (m.status = 'joined' AND m.run = $2))",
                       TEXTS(message->id, run.text), 0) > 0;
}

static void message_look(struct sim *sim, const struct sight *sight,
                         const struct known_message *message) {
    unsigned count = count_shown(sight, message->text);
    bool shown = count > 0 || (message->edited != NULL && count_shown(sight, message->edited) > 0);
    if (count > 1) {
        sim_fail(sim, "a prompt of %s shows the message %s of op %u %u times", sight->session,
                 message->id, message->op, count);
    }
    if (shown && message->removal == REMOVAL_ACKNOWLEDGED && message->edited == NULL) {
        sim_fail(sim, "a prompt of %s shows the message %s of op %u, which was removed",
                 sight->session, message->id, message->op);
    }
    if (shown || message->state != MESSAGE_STORED || message->probe || sight->summary) {
        return;
    }
    if (answered(sim, message)) {
        sim_fail(sim, "a prompt of %s does not show the message %s of op %u, which was answered",
                 sight->session, message->id, message->op);
    }
    if (joined(sim, sight, message)) {
        sim_fail(sim, "a prompt of %s does not show the message %s of op %u, which joined",
                 sight->session, message->id, message->op);
    }
}

static void messages_check(struct sim *sim, const struct sight *sight) {
    struct known *known = known_of(sim);
    order_check(sim, sight);
    for (size_t i = 0; i < known->message_count; i++) {
        const struct known_message *message = &known->messages[i];
        if (strcmp(message->session->id, sight->session) == 0) {
            message_look(sim, sight, message);
        }
    }
}

/* A turn of a notice asks by that. */
static void tail_check(struct sim *sim, const struct sight *sight) {
    const char *mark = sight->asked[sight->asked_count - 1];
    struct ask_number run = ask_number(sight->run);
    int64_t asks = rows_number(sim,
                               "SELECT count(*) FROM turns t JOIN parts p ON p.message = t.question"
                               " WHERE t.run = $1 AND substr(p.text, 1, length($2)) = $2",
                               TEXTS(run.text, mark), 0);
    if (asks > 0) {
        const struct memories_shown shown = {.session = sight->number,
                                             .run = sight->run,
                                             .words = sight->tail == NULL ? "" : sight->tail};
        memories_check(sim, &shown);
        schemas_requested(sim, sight->session, mark, sight->prompt->schema != NULL);
        images_requested(sim, sight->session, mark, sight->prompt->json);
    }
}

void prompts_check(struct sim *sim, const struct prompt *prompt) {
    static struct sight sight; /* Large; one thread. */
    sight = (struct sight){.prompt = prompt};
    sight_read(prompt, &sight);
    if (!session_find(sim, &sight) || !ask_wanted("prompts")) {
        return;
    }
    checked++;
    branches_check(sim, &sight);
    messages_check(sim, &sight);
    tail_check(sim, &sight);
}

static void prompts_begin(struct sim *sim) {
    (void)sim;
    checked = 0;
}

static void prompts_end(struct sim *sim) {
    sim_trace(sim, "%llu prompts were looked at", (unsigned long long)checked);
}

const struct sim_part part_prompts = {
    .name = "prompts", .begin = prompts_begin, .end = prompts_end};
