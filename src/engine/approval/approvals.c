/* approvals.c: asked, answered, or no longer wanted. */
#include "engine/approval/approvals.h"

#include <string.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/session/roots.h"
#include "engine/turn/cards.h"
#include "engine/workflow/rows.h"
#include "journal/journal.h"

#define APPROVAL_COLUMNS                                                                           \
    "a.id, a.approval, a.owner, a.part, a.state, a.asked_ms, a.answered_ms, a.tool, a.kind,"       \
    " a.digest, a.answer, a.answered_by, s.session, r.run, m.message, a.arguments, a.about"
#define APPROVAL_TABLES                                                                            \
    " FROM approvals a JOIN sessions s ON s.id = a.session AND s.hidden = 0"                       \
    " JOIN runs r ON r.id = a.run"                                                                 \
    " JOIN messages m ON m.id = a.message"

static const char *const state_names[APPROVAL_STATE_COUNT] = {"open", "allowed", "denied",
                                                              "answered", "cancelled"};

const char *approval_state_name(enum approval_state state) {
    assert(state < APPROVAL_STATE_COUNT);
    return state_names[state];
}

static bool is(struct bytes text, const char *word) {
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

/* --- Rows ------------------------------------------------------------------------------------- */

static void borrow(const struct rows *rows, struct approval_row *ret_row) {
    struct approval_row row = {.id = rows_int(rows, 0),
                               .approval = rows_text(rows, 1),
                               .owner = rows_text(rows, 2),
                               .part = rows_int(rows, 3),
                               .asked_ms = rows_int(rows, 5),
                               .answered_ms = rows_null(rows, 6) ? 0 : rows_int(rows, 6),
                               .tool = rows_text(rows, 7),
                               .kind = rows_text(rows, 8),
                               .digest = rows_text(rows, 9),
                               .answer = rows_text(rows, 10),
                               .by = rows_text(rows, 11),
                               .session = rows_text(rows, 12),
                               .run = rows_text(rows, 13),
                               .message = rows_text(rows, 14),
                               .arguments = rows_text(rows, 15),
                               .about = rows_text(rows, 16)};
    unsigned state = 0;
    while (state < APPROVAL_STATE_COUNT && !is(rows_text(rows, 4), state_names[state])) {
        state++;
    }
    bool known = state < APPROVAL_STATE_COUNT;
    enum approval_state unknown = row.answered_ms == 0 ? APPROVAL_OPEN : APPROVAL_CANCELLED;
    row.state = known ? (enum approval_state)state : unknown;
    *ret_row = row;
}

static struct err read_row(struct tx *tx, const struct rows *rows, struct approval_row *ret_row) {
    struct approval_row row;
    struct err err = ERR_OK;
    borrow(rows, &row);
    struct bytes *const texts[] = {&row.approval, &row.owner,   &row.tool,      &row.kind,
                                   &row.digest,   &row.answer,  &row.by,        &row.session,
                                   &row.run,      &row.message, &row.arguments, &row.about};
    for (size_t i = 0; i < COUNT_OF(texts) && !err_failed(err); i++) {
        const char *copy =
            arena_try_copy(tx_arena(tx), texts[i]->len == 0 ? "" : texts[i]->data, texts[i]->len);
        texts[i]->data = copy;
        err = copy == NULL ? err_make(ERR_OUT_OF_MEMORY, "approvals: row") : ERR_OK;
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err tx_approval_find(struct tx *tx, const struct approval_key *key, bool *ret_found,
                            struct approval_row *ret_row) {
    static const char sql[] =
        "SELECT " APPROVAL_COLUMNS APPROVAL_TABLES " WHERE a.approval = $1 AND a.owner = $2";
    const struct arg args[] = {arg_text(key->approval), arg_text(key->owner)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        err = read_row(tx, rows, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

struct err tx_approval_each(struct tx *tx, const struct approval_page *page,
                            struct err (*each)(void *ctx, const struct approval_row *row),
                            void *ctx) {
    static const char all[] = "SELECT " APPROVAL_COLUMNS APPROVAL_TABLES
                              " WHERE a.owner = $1 AND a.id < $2 ORDER BY a.id DESC LIMIT $3";
    static const char open[] = "SELECT " APPROVAL_COLUMNS APPROVAL_TABLES
                               " WHERE a.owner = $1 AND a.id < $2 AND a.answered_ms IS NULL"
                               " ORDER BY a.id DESC LIMIT $3";
    static const char of_session[] =
        "SELECT " APPROVAL_COLUMNS APPROVAL_TABLES
        " WHERE a.owner = $1 AND a.id < $2 AND a.answered_ms IS NULL AND a.session = $4"
        " ORDER BY a.id DESC LIMIT $3";
    bool one = page->session != 0;
    const struct arg args[] = {arg_text(page->owner),
                               arg_int(page->before == 0 ? INT64_MAX : page->before),
                               arg_int(page->limit), arg_int(page->session)};
    const char *sql = one ? of_session : page->all ? all : open;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args) - (one ? 0 : 1), &rows);
    bool row = !err_failed(err);
    while (!err_failed(err) && row) {
        struct approval_row approval;
        err = rows_next(rows, &row);
        if (!err_failed(err) && row) {
            borrow(rows, &approval);
            err = each(ctx, &approval);
        }
    }
    return err;
}

void approval_write_json(const struct approval_row *row, struct text *text) {
    const struct {
        const char *name;
        struct bytes value;
    } texts[] = {{"{\"id\":", row->approval},   {",\"session\":", row->session},
                 {",\"run\":", row->run},       {",\"message\":", row->message},
                 {",\"kind\":", row->kind},     {",\"tool\":", row->tool},
                 {",\"digest\":", row->digest}, {",\"by\":", row->by}};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_add_str(text, texts[i].name);
        text_add_json(text, texts[i].value.data, texts[i].value.len);
    }
    text_addf(text, ",\"part\":%lld,\"state\":\"%s\",\"asked_ms\":%lld,\"answered_ms\":",
              (long long)row->part, state_names[row->state], (long long)row->asked_ms);
    if (row->answered_ms == 0) {
        text_add_str(text, "null");
    } else {
        text_add_int(text, row->answered_ms);
    }
    text_add_str(text, ",\"arguments\":");
    json_add_stored(text, row->arguments);
    text_add_str(text, ",\"about\":");
    json_add_stored(text, row->about);
    text_add_str(text, ",\"answer\":");
    text_add_json(text, row->answer.data, row->answer.len);
    text_add_char(text, '}');
}

/* --- Asked ------------------------------------------------------------------------------------ */

/* The same however often the function runs, and as hard to guess as the run's own id. */
static struct id id_of(struct tx *tx, const struct turn *turn, const struct card *card) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, "approval", 8);
    sha256_add(&sha, turn->run.run.data, turn->run.run.len);
    sha256_add(&sha, &card->number, sizeof card->number);
    struct sha256 digest = sha256_finish(&sha);
    return id_make("apr", tx_now_ms(tx), digest.bytes);
}

static struct err tell(struct tx *tx, const struct session_row *session,
                       const struct approval_row *row, const char *what) {
    char type[EVENT_TYPE_MAX];
    AUTO(text_done) struct text data;
    text_init(&data, (size_t)8 << 20);
    approval_write_json(row, &data);
    int len = snprintf(type, sizeof type, "%s_%s", is(row->kind, "leave") ? "approval" : "question",
                       what);
    if (text_failed(&data)) {
        return text_error(&data, "approvals: event");
    }
    if (data.len > EVENT_DATA_MAX) { /* A huge diff: who wants it asks for the object. */
        struct approval_row light = *row;
        light.about = (struct bytes){"", 0};
        light.arguments = BYTES("null");
        text_clear(&data);
        approval_write_json(&light, &data);
    }
    return sessions__event(tx, session, (struct bytes){type, (size_t)len},
                           (struct bytes){data.data, data.len});
}

static struct err tell_above(struct tx *tx, const struct turn *turn, const struct approval_row *row,
                             const char *type) {
    const char *state = approval_state_name(row->state);
    const struct run_asks asks = {.run = &turn->run,
                                  .type = type,
                                  .approval = row->approval,
                                  .kind = row->kind,
                                  .tool = row->tool,
                                  .state = {state, strlen(state)}};
    return steps__event_asks(tx, &asks);
}

struct err approvals__ask(struct tx *tx, const struct turn *turn, const struct card *card,
                          enum turn_asks asks) {
    static const char sql[] =
        "INSERT INTO approvals (approval, owner, session, run, message, part, kind, tool, digest,"
        " arguments, about, state, answer, answered_by, asked_ms, answered_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'open', '', '', $12, NULL)";
    struct id id = id_of(tx, turn, card);
    const struct approval_row row = {.approval = {id.text, strlen(id.text)},
                                     .owner = turn->session.owner,
                                     .session = turn->session.session,
                                     .run = turn->run.run,
                                     .message = turn->answer.message,
                                     .tool = card->tool,
                                     .kind =
                                         asks == TURN_ASKS_LEAVE ? BYTES("leave") : BYTES("answer"),
                                     .digest = card->digest,
                                     .part = card->number,
                                     .arguments = card->arguments,
                                     .about = card->about,
                                     .answer = {"", 0},
                                     .by = {"", 0},
                                     .asked_ms = tx_now_ms(tx)};
    const struct arg args[] = {
        arg_text(row.approval),  arg_text(row.owner),      arg_int(turn->session.id),
        arg_int(turn->run.id),   arg_int(turn->answer.id), arg_int(row.part),
        arg_text(row.kind),      arg_text(row.tool),       arg_text(row.digest),
        arg_text(row.arguments), arg_text(row.about),      arg_int(row.asked_ms)};
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
    if (!err_failed(err)) {
        err = tell(tx, &turn->session, &row, "asked");
    }
    return err_failed(err) ? err : tell_above(tx, turn, &row, "agent_waiting");
}

struct err approvals__cancel(struct tx *tx, const struct run_row *run) {
    static const char sql[] = "UPDATE approvals SET state = 'cancelled', answered_ms = $2"
                              " WHERE run = $1 AND answered_ms IS NULL";
    const struct arg args[] = {arg_int(run->id), arg_int(tx_now_ms(tx))};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* mostly none */);
}

struct err approvals__cancel_all(struct tx *tx, const struct session_row *session) {
    static const char sql[] = "UPDATE approvals SET state = 'cancelled', answered_ms = $3"
                              " WHERE session = $1 AND owner = $2 AND answered_ms IS NULL";
    const struct arg args[] = {arg_int(session->id), arg_text(session->owner),
                               arg_int(tx_now_ms(tx))};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* however many */);
}

/* --- Answered --------------------------------------------------------------------------------- */

static struct err check(const struct approval_row *row, const struct approval_answer *answer,
                        struct why *why) {
    bool question = is(row->kind, "answer");
    if (row->state != APPROVAL_OPEN) {
        why_set(why, "it was %s already", state_names[row->state]);
        return err_make(ERR_CONFLICT, "approvals: answered");
    }
    if (question && answer->verb == APPROVAL_ALLOW) {
        why_set(why, "this is a question: it wants an answer, or deny");
        return err_make(ERR_BAD_FIELD, "approvals: a question");
    }
    if (!question && answer->verb == APPROVAL_ANSWER) {
        why_set(why, "this is no question: it wants allow or deny");
        return err_make(ERR_BAD_FIELD, "approvals: no question");
    }
    return ERR_OK;
}

static struct err write_answer(struct tx *tx, const struct approval_answer *answer,
                               struct approval_row *row) {
    static const enum approval_state states[] = {[APPROVAL_ALLOW] = APPROVAL_ALLOWED,
                                                 [APPROVAL_DENY] = APPROVAL_DENIED,
                                                 [APPROVAL_ANSWER] = APPROVAL_ANSWERED};
    row->state = states[answer->verb];
    row->answer = answer->text;
    row->by = answer->by;
    row->answered_ms = tx_now_ms(tx);
    const struct arg args[] = {arg_int(row->id), runs__name(state_names[row->state]),
                               arg_text(row->answer), arg_text(row->by), arg_int(row->answered_ms)};
    return tx_exec(tx,
                   "UPDATE approvals SET state = $2, answer = $3, answered_by = $4,"
                   " answered_ms = $5 WHERE id = $1",
                   args, COUNT_OF(args), NULL /* one row, always */);
}

static struct err refuse_card(struct tx *tx, struct turn *turn, struct card *card,
                              const struct approval_row *row) {
    AUTO(text_done) struct text words;
    text_init(&words, APPROVAL_ANSWER_MAX + 256);
    text_addf(&words, "%.*s said no to this call%s", (int)row->by.len, row->by.data,
              row->answer.len > 0 ? ": " : ".");
    text_add(&words, row->answer.data, row->answer.len);
    cards__end(card, CARD_PERSON);
    return text_failed(&words)
               ? text_error(&words, "approvals: words")
               : turns__close_card(tx, turn, card, (struct bytes){words.data, words.len});
}

/* A folder that was asked for is granted in this commit, and that is all there is to do; any other
 * call may begin now. */
static struct err allow_card(struct tx *tx, struct turn *turn, struct card *card,
                             const struct approval_row *row) {
    static const char too_many[] = "This session has as many folders as it may have; one of them "
                                   "must be given back first.";
    const struct bytes as_it_is = {NULL, 0};
    struct bytes result = {"", 0};
    bool grant = false;
    struct err err = roots__grant(tx, &turn->session, card->about, row->by, &grant, &result);
    bool full = err.code == ERR_TOO_MANY;
    if (err_failed(err) && !full) {
        return err;
    }
    if (grant) {
        cards__end(card, full ? CARD_TOO_MANY : CARD_DONE);
        return turns__close_card(tx, turn, card, full ? BYTES(too_many) : result);
    }
    card->state = PART_STATE_READY;
    return cards__write(tx, turn->row.answer, card, as_it_is);
}

static struct err move_card(struct tx *tx, struct turn *turn, struct card *card,
                            const struct approval_row *row) {
    switch (row->state) {
    case APPROVAL_ALLOWED:
        return allow_card(tx, turn, card, row);
    case APPROVAL_ANSWERED:
        cards__end(card, CARD_DONE);
        return turns__close_card(tx, turn, card, row->answer);
    default:
        return refuse_card(tx, turn, card, row);
    }
}

/* A turn that waits goes on; one that runs (other tools of it) hears of it. */
static struct err go_on(struct tx *tx, struct turn *turn) {
    enum run_state from = turn->run.state;
    struct err err = turns__write(tx, &turn->row);
    if (err_failed(err) || from == RUN_RUNNING || run_waits_for_provider(&turn->run)) {
        return err_failed(err) ? err : runs__tell(tx, &turn->run);
    }
    turn->run.state = RUN_RUNNING;
    err = runs__write(tx, from, &turn->run);
    if (!err_failed(err)) {
        err = turns__wait(tx, turn, TURN_WAIT_ENDS);
    }
    return err_failed(err) ? err : sessions__set_state(tx, SESSION_RUNNING, &turn->session);
}

static struct err apply(struct tx *tx, const struct approval_row *row) {
    const struct run_key key = {.run = row->run};
    struct turn turn = {.run = {.id = 0}};
    struct card card;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &turn.run);
    if (!err_failed(err) && found) {
        err = turns__load_rest(tx, &turn, &found);
    }
    if (!err_failed(err) && found) {
        err = cards__find(tx, turn.row.answer, row->part, &found, &card);
    }
    if (err_failed(err) || !found || card.state != PART_STATE_ASKING) {
        return err;
    }
    err = tell(tx, &turn.session, row, "answered");
    if (!err_failed(err)) {
        err = tell_above(tx, &turn, row, "agent_answered");
    }
    if (!err_failed(err)) {
        err = move_card(tx, &turn, &card, row);
    }
    return err_failed(err) ? err : go_on(tx, &turn);
}

struct err tx_approval_answer(struct tx *tx, const struct approval_answer *answer,
                              struct approval_row *ret_row, struct why *why) {
    struct approval_row row;
    bool found = false;
    struct err err = tx_approval_find(tx, &answer->key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_make(ERR_NOT_FOUND, "approvals: answer");
    }
    err = check(&row, answer, why);
    if (err.code == ERR_CONFLICT) {
        *ret_row = row;
    }
    if (!err_failed(err)) {
        err = write_answer(tx, answer, &row);
    }
    if (!err_failed(err)) {
        err = apply(tx, &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}
