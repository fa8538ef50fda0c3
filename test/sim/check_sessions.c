/* check_sessions.c: what must hold of conversations, whatever happened.
 *
 *   always    one turn of a session runs at a time; an id names one row for ever
 *   opened    what was acknowledged is there once, with its text, after each crash
 *   answers   a stored text is what the model said, byte for byte, or a beginning of it where it
 *             was cut; one that its length cut off is not called complete; a call that was cut off
 *             is not performed
 *   cards     denied means that a rule, a person or a review said no
 *   undone    what was rolled back is called so, or was removed
 *   asked     nobody is asked on behalf of a turn that has ended
 *   rest      every turn has ended, or waits for a named cause; a session whose turn failed answers
 *             the next message
 */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "chat_ops.h"
#include "ops.h"
#include "provider.h"

enum { IDS_MAX = 8192, IDS_BACK = 16, PHASES_MAX = 500 };

/* --- An id names one row for ever ------------------------------------------------------------- */

struct id_table {
    const char *sql, *what;
    int64_t max;
    uint64_t names[IDS_MAX]; /* Hash of the name that the id had; 0: none yet. */
};

static struct id_table id_tables[] = {
    {.sql = "SELECT id, run FROM runs WHERE id >= $1", .what = "run"},
    {.sql = "SELECT id, session FROM sessions WHERE id >= $1", .what = "session"},
    {.sql = "SELECT id, message FROM messages WHERE id >= $1", .what = "message"},
};

static void id_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct id_table *table = ctx;
    int64_t id = row->number[0];
    if (id < 0 || id >= IDS_MAX) {
        return;
    }
    uint64_t name = sim_hash(1, row->text[1].len, row->text[1].data, 0) | 1;
    if (table->names[id] != 0 && table->names[id] != name && ask_wanted("ids")) {
        sim_fail(sim, "the id %lld of a %s names another one now: %.*s", (long long)id, table->what,
                 (int)row->text[1].len, row->text[1].data);
    }
    table->names[id] = name;
    table->max = id > table->max ? id : table->max;
}

static void ids_look(struct sim *sim) {
    for (size_t i = 0; i < COUNT_OF(id_tables); i++) {
        struct id_table *table = &id_tables[i];
        struct ask_number from = ask_number(table->max - IDS_BACK);
        ask_each(sim, table->sql, TEXTS(from.text), id_take, table);
    }
}

/* --- One writer ------------------------------------------------------------------------------- */

static void writers_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "%lld turns of the session %.*s run at once", (long long)row->number[1],
             (int)row->text[0].len, row->text[0].data);
}

static void writers_look(struct sim *sim) {
    ask_each(sim,
             "SELECT s.session, count(*) FROM runs r JOIN turns t ON t.run = r.id"
             " JOIN sessions s ON s.id = t.session"
             " WHERE r.ended_ms IS NULL AND r.kind = 'turn' AND r.state IN ('running', 'waiting')"
             " GROUP BY s.session HAVING count(*) > 1",
             NULL, writers_take, NULL);
}

/* --- Waits for providers ---------------------------------------------------------------------- */

static void waits_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "the turn %.*s waits for its provider, and no call of it is out",
             (int)row->text[0].len, row->text[0].data);
}

/* A turn that goes on without its provider waits for it no more. */
static void waits_look(struct sim *sim) {
    ask_each(sim,
             "SELECT r.run FROM runs r JOIN turns t ON t.run = r.id"
             " WHERE r.kind = 'turn' AND r.state = 'waiting' AND r.not_before_ms <> 0"
             " AND t.call = 0",
             NULL, waits_take, NULL);
}

/* --- Questions -------------------------------------------------------------------------------- */

static void asked_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "the run %.*s has ended, and its question %.*s is open", (int)row->text[1].len,
             row->text[1].data, (int)row->text[0].len, row->text[0].data);
}

static void asked_look(struct sim *sim) {
    ask_each(sim,
             "SELECT a.approval, r.run FROM approvals a JOIN runs r ON r.id = a.run"
             " LEFT JOIN sessions s ON s.id = a.session"
             " WHERE a.answered_ms IS NULL AND r.ended_ms IS NOT NULL"
             " AND COALESCE(s.hidden, 0) = 0", /* Else nobody sees it. */
             NULL, asked_take, NULL);
}

/* --- What was acknowledged -------------------------------------------------------------------- */

struct stored {
    const struct known_message *message;
    unsigned count;
};

static void stored_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct stored *stored = ctx;
    const char *edited = stored->message->edited;
    stored->count++;
    if (strcmp(row->text[1].data, stored->message->text) != 0 &&
        (edited == NULL || strcmp(row->text[1].data, edited) != 0)) {
        sim_fail(sim, "the message %s of op %u is not what was sent", stored->message->id,
                 stored->message->op);
    }
}

static void message_check(struct sim *sim, const struct known_message *message) {
    struct stored stored = {.message = message};
    if (message->state != MESSAGE_STORED || message->session->state != SESSION_THERE) {
        return;
    }
    ask_each(sim,
             "SELECT m.status, p.text FROM messages m JOIN parts p ON p.message = m.id"
             " WHERE m.message = $1 AND p.kind = 'text' AND m.status <> 'removed'",
             TEXTS(message->id), stored_take, &stored);
    if (stored.count != 1) {
        sim_fail(sim, "the message %s of op %u was acknowledged, and is stored %u times",
                 message->id, message->op, stored.count);
    }
}

static void answer_check(struct sim *sim, const struct known_answer *answer) {
    if (answer->loose || answer->session->state != SESSION_THERE) {
        return;
    }
    if (rows_number(sim, "SELECT count(*) FROM messages WHERE message = $1 AND status <> 'removed'",
                    TEXTS(answer->id), 1) != 1) {
        sim_fail(sim, "the answer %s is gone, since another one was asked for", answer->id);
    }
}

static void session_check(struct sim *sim, const struct known_session *session) {
    int64_t count =
        rows_number(sim, "SELECT count(*) FROM sessions WHERE session = $1 AND hidden = 0",
                    TEXTS(session->id), 0);
    if (session->state == SESSION_THERE && count != 1) {
        sim_fail(sim, "the session %s of op %u was acknowledged, and is gone", session->id,
                 session->op);
    }
    if (session->state == SESSION_GONE && count != 0) {
        sim_fail(sim, "the session %s was deleted, and is there again", session->id);
    }
    int64_t grows =
        rows_number(sim, "SELECT count(*) FROM streams WHERE name = 'session:' || $1 AND ended = 0",
                    TEXTS(session->id), 0);
    if (session->state == SESSION_GONE && grows != 0) {
        sim_fail(sim, "the session %s was deleted, and its stream grows again", session->id);
    }
}

static void acknowledged_check(struct sim *sim) {
    struct known *known = known_of(sim);
    for (size_t i = 0; i < known->session_count; i++) {
        session_check(sim, &known->sessions[i]);
    }
    for (size_t i = 0; i < known->message_count; i++) {
        message_check(sim, &known->messages[i]);
    }
    for (size_t i = 0; i < known->answer_count; i++) {
        answer_check(sim, &known->answers[i]);
    }
}

/* --- Answers ---------------------------------------------------------------------------------- */

static const struct server_cut *cut_find(uint64_t key, const char *call) {
    const struct servers *servers = servers_in_use();
    for (size_t i = 0; i < servers->cut_count; i++) {
        const struct server_cut *cut = &servers->cuts[i];
        if (call == NULL ? cut->key == key : strcmp(cut->call, call) == 0 && call[0] != '\0') {
            return cut;
        }
    }
    return NULL;
}

/* The number behind "said#"; false: the text is none of the model's words. */
static bool said_key(struct bytes text, uint64_t *ret_key) {
    static const char sign[] = "said#";
    size_t at = sizeof sign - 1;
    uint64_t key = 0;
    if (text.len <= at || memcmp(text.data, sign, at) != 0) {
        return false;
    }
    for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        key = key * 10 + (uint64_t)(text.data[at] - '0');
    }
    *ret_key = key;
    return at < text.len && text.data[at] == '.';
}

/* Columns: message, its status, state of the turn, text, whether it is the last of the answer. */
static void answer_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    uint64_t key = 0;
    struct bytes text = row->text[3];
    if (!said_key(text, &key)) {
        return;
    }
    struct text words;
    text_init(&words, (size_t)1 << 20);
    utterance_words(servers_in_use(), key, &words);
    bool begins = text.len <= words.len && memcmp(text.data, words.data, text.len) == 0;
    bool whole = begins && text.len == words.len;
    text_done(&words);
    bool succeeded = strcmp(row->text[2].data, "succeeded") == 0;
    const struct server_cut *cut = cut_find(key, NULL);
    if (!begins) {
        sim_fail(sim, "the answer %.*s holds what the model did not say (said#%llu)",
                 (int)row->text[0].len, row->text[0].data, (unsigned long long)key);
    }
    if (!whole && succeeded && cut == NULL && ask_wanted("whole")) {
        sim_fail(sim, "the answer %.*s is complete, and a part of said#%llu is missing",
                 (int)row->text[0].len, row->text[0].data, (unsigned long long)key);
    }
    if (!whole && succeeded && cut->call[0] == '\0' && row->number[4] != 0 &&
        ask_wanted("truncated")) {
        sim_fail(sim, "the answer %.*s was truncated (said#%llu), and its turn is called succeeded",
                 (int)row->text[0].len, row->text[0].data, (unsigned long long)key);
    }
}

static void answers_check(struct sim *sim) {
    ask_each(sim,
             "SELECT m.message, m.status, r.state, p.text,"
             " NOT EXISTS (SELECT 1 FROM parts q WHERE q.message = m.id AND q.number > p.number)"
             " FROM messages m JOIN parts p ON p.message = m.id JOIN runs r ON r.id = m.run"
             " WHERE m.role = 'assistant' AND p.kind = 'text' AND r.ended_ms IS NOT NULL",
             NULL, answer_take, NULL);
}

/* What the model would have asked for is not known: the card says so, whatever stands in it. */
static void card_check_cut(struct sim *sim, const struct ask_row *row) {
    const char *state = row->text[2].data, *cause = row->text[7].data;
    bool says_so = strcmp(state, "failed") == 0 && strcmp(cause, "truncated") == 0;
    if (!says_so && cut_find(0, row->text[3].data) != NULL && ask_wanted("cut_call")) {
        sim_fail(sim, "the call %s of %s was cut off by its length, and is %s (%s)",
                 row->text[3].data, row->text[1].data, state, cause);
    }
}

/* Columns: message, tool, state, call, whether somebody denied it, settings, words, cause. */
static void card_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    const char *state = row->text[2].data;
    card_check_cut(sim, row);
    bool rules =
        strstr(row->text[5].data, "deny") != NULL || strstr(row->text[5].data, "review") != NULL;
    /* Settings are those of now: what a review or a rule of before said stands in its words. */
    rules = rules || strstr(row->text[6].data, "review") != NULL ||
            strstr(row->text[6].data, "settings") != NULL;
    if (strcmp(state, "denied") == 0 && row->number[4] == 0 && !rules && ask_wanted("denied")) {
        sim_fail(sim, "the call %s of %s in %s is denied, and nobody denied it: %s",
                 row->text[3].data, row->text[1].data, row->text[0].data, row->text[6].data);
    }
    if (strcmp(state, "failed") == 0 && row->number[4] != 0 && ask_wanted("refused")) {
        sim_fail(sim, "a person denied the call %s of %s in %s, and it is called failed",
                 row->text[3].data, row->text[1].data, row->text[0].data);
    }
}

static void cards_check(struct sim *sim) {
    ask_each(sim,
             "SELECT m.message, p.name, p.state, p.call,"
             " (SELECT count(*) FROM approvals a WHERE a.message = m.id AND a.part = p.number"
             "  AND a.state = 'denied'), s.settings, substr(p.text, 1, 200), p.cause"
             " FROM parts p JOIN messages m ON m.id = p.message JOIN sessions s ON s.id = m.session"
             " JOIN runs r ON r.id = m.run" /* Else retention took what was asked, too. */
             " WHERE p.kind = 'tool' AND p.state IN ('succeeded', 'failed', 'denied')",
             NULL, card_take, NULL);
}

/* --- Undone ----------------------------------------------------------------------------------- */

static void undone_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "the turn %s was rolled back, and its message %s is %s", row->text[0].data,
             row->text[1].data, row->text[2].data);
}

static void undone_check(struct sim *sim) {
    ask_each(sim,
             "SELECT r.run, m.message, m.status FROM runs r JOIN turns t ON t.run = r.id"
             " JOIN messages m ON m.id IN (t.question, t.answer) WHERE r.ended_ms IS NOT NULL"
             " AND r.cause = 'rolled_back' AND m.status NOT IN ('rolled_back', 'removed')",
             NULL, undone_take, NULL);
}

/* --- The end ---------------------------------------------------------------------------------- */

/* Columns: run, kind, state, gate, stop, session, lane, where its turn is. */
static void unended_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "the %s %s of %s is %s for ever (gate '%s', stop '%s', lane %s, %s)",
             row->text[1].data, row->text[0].data, row->text[5].data, row->text[2].data,
             row->text[3].data, row->text[4].data, row->text[6].data, row->text[7].data);
}

/* Columns: message, session, status, the run that it waits for. */
static void unheard_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "the message %s of %s is %s for ever (its run: %s)", row->text[0].data,
             row->text[1].data, row->text[2].data, row->text[3].data);
}

/* Columns: session, state. */
static void busy_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "the session %s is %s, and none of its turns runs", row->text[0].data,
             row->text[1].data);
}

struct probe_answer {
    const struct known_message *message;
    bool found;
};

/* Columns: status, cause and error of the answer. */
static void probe_answer_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct probe_answer *answer = ctx;
    const char *status = row->text[0].data, *cause = row->text[1].data;
    answer->found = true;
    if (strcmp(status, "completed") != 0 && strcmp(cause, "model_unknown") != 0 &&
        ask_wanted("probe")) {
        sim_fail(sim, "the session %s does not answer any more: %s, %s: %s",
                 answer->message->session->id, status, cause, row->text[2].data);
    }
}

static void probe_check(struct sim *sim, const struct known_message *message) {
    if (!message->probe || message->session->state != SESSION_THERE) {
        return;
    }
    if (message->state != MESSAGE_STORED) {
        sim_fail(sim, "the session %s did not take a message after all was healed",
                 message->session->id);
    }
    /* The turn's run may be gone already: retention keeps few of them. */
    struct probe_answer answer = {.message = message};
    ask_each(sim,
             "SELECT a.status, a.cause, a.error FROM messages a JOIN messages q"
             " ON a.reply_to = q.id WHERE q.message = $1",
             TEXTS(message->id), probe_answer_take, &answer);
    if (!answer.found && ask_wanted("probe")) {
        sim_fail(sim, "the session %s has no answer to its last message %s", message->session->id,
                 message->id);
    }
}

#define LIVE_TURNS "SELECT count(*) FROM runs WHERE ended_ms IS NULL AND kind IN ('turn', 'title')"

static void ended_check(struct sim *sim) {
    ask_each(sim,
             "SELECT r.run, r.kind, r.state, r.gate, r.stop, coalesce(s.session, ''), r.lane,"
             " 'begun by ' || t.began_by || ', step ' || t.step || ', call ' || t.call"
             " FROM runs r LEFT JOIN turns t ON t.run = r.id LEFT JOIN sessions s"
             " ON s.id = t.session WHERE r.ended_ms IS NULL AND r.kind IN ('turn', 'title')",
             NULL, unended_take, NULL);
    ask_each(sim,
             "SELECT m.message, s.session, m.status, coalesce(r.run || ', ' || r.state || ', ' ||"
             " r.cause, 'none') FROM messages m JOIN sessions s ON s.id = m.session"
             " LEFT JOIN runs r ON r.id = m.run WHERE s.hidden = 0 AND m.status IN ('queued', "
             "'steering')",
             NULL, unheard_take, NULL);
    ask_each(sim, "SELECT session, state FROM sessions WHERE hidden = 0 AND state <> 'idle'", NULL,
             busy_take, NULL);
    struct known *known = known_of(sim);
    for (size_t i = 0; i < known->message_count; i++) {
        probe_check(sim, &known->messages[i]);
    }
}

/* What is left to do before all can be judged: see sessions_quiet. */
static unsigned phases;
static bool probed;
static uint64_t healed_ns;

/* By then every pause that a provider asked for is over: a used-up quota shuts one for an hour. */
#define PROBE_NS (UINT64_C(61) * 60 * 1000 * 1000 * 1000)

static bool probes_send(struct sim *sim) {
    struct known *known = known_of(sim);
    bool any = false;
    probed = true;
    for (size_t i = 0; i < known->session_count; i++) {
        if (known->sessions[i].state == SESSION_THERE) {
            any = turns_probe(sim, &known->sessions[i]) != NULL || any;
        }
    }
    return any;
}

/* Whatever waits for a person gets an answer, whatever waits for a budget gets room, what was
 * deleted is brought back; then each session is asked once more. */
static bool sessions_rest(struct sim *sim, bool must) {
    if (phases < PHASES_MAX &&
        (asked_answer(sim, 0) || budgets_remove_all(sim) || sessions_restore_all(sim))) {
        phases++;
        return false;
    }
    if (must) {
        ended_check(sim);
    }
    bool early = !probed && sim_now_ns(sim) < healed_ns + PROBE_NS;
    if (rows_number(sim, LIVE_TURNS, NULL, 0) > 0 || early || (!probed && probes_send(sim))) {
        return false;
    }
    ended_check(sim);
    return true;
}

static void sessions_begin(struct sim *sim) {
    (void)sim;
    phases = 0;
    probed = false;
    for (size_t i = 0; i < COUNT_OF(id_tables); i++) {
        id_tables[i].max = 0;
        memset(id_tables[i].names, 0, sizeof id_tables[i].names);
    }
}

static void sessions_heal(struct sim *sim) {
    healed_ns = sim_now_ns(sim);
}

static void sessions_look(struct sim *sim) {
    ids_look(sim);
    writers_look(sim);
    waits_look(sim);
    asked_look(sim);
}

static void sessions_check(struct sim *sim) {
    acknowledged_check(sim);
    answers_check(sim);
    cards_check(sim);
    undone_check(sim);
}

const struct sim_part part_check_sessions = {.name = "check_sessions",
                                             .begin = sessions_begin,
                                             .opened = acknowledged_check,
                                             .look = sessions_look,
                                             .heal = sessions_heal,
                                             .rest = sessions_rest,
                                             .end = sessions_check};
