/* child.c: calls of tools that are runs of their own: commands, and work in the background.
 *
 * The commit that makes the child is the begin of the call: a card that runs without one never
 * began, so it may always begin again. A child's end, in whatever way it came, reaches the card by
 * runs__end: one that is waited for is told to its turn, which fetches the output; one of a long
 * tool replaces the card's content in place. Prompts that show a notice of that end show the card
 * as it was before (prompt.c). */
#include "engine/turn/cards.h"

#include <string.h>

#include "base/memory.h"
#include "engine/inbox/inbox.h"

enum { COPIES_MAX = 64 }; /* Forks of one session whose cards an end reaches. */

/* --- The begin -------------------------------------------------------------------------------- */

static void write_pending(const char *status, struct bytes operation, struct text *text) {
    text_addf(text, "{\"status\":\"%s\",\"operation\":", status);
    text_add_json(text, operation.data, operation.len);
    text_add_char(text, '}');
}

void cards__write_started(struct bytes operation, struct text *text) {
    write_pending("started", operation, text);
}

static struct err pending_result(struct tx *tx, const char *status, struct bytes operation,
                                 struct bytes *ret_text) {
    AUTO(text_done) struct text text;
    text_init(&text, 1024);
    write_pending(status, operation, &text);
    const char *copy =
        text_failed(&text) ? NULL : arena_try_copy(tx_arena(tx), text.data, text.len);
    if (copy == NULL) {
        return text_error(&text, "turns: pending");
    }
    *ret_text = (struct bytes){copy, text.len};
    return ERR_OK;
}

/* The same call of this session that goes on already: a refresh or a retry starts nothing twice. */
static struct err find_same(struct tx *tx, const struct turn *turn, const struct card *card,
                            struct bytes *ret_run) {
    static const char sql[] =
        "SELECT r.run FROM messages m JOIN parts p ON p.message = m.id JOIN runs r ON r.id = p.run"
        " WHERE m.session = $1 AND p.kind = 'tool' AND p.state = 'pending' AND p.name = $2"
        " AND p.run <> 0 AND r.ended_ms IS NULL AND p.data LIKE $3 LIMIT 1";
    char pattern[128];
    int len = snprintf(pattern, sizeof pattern, "%%\"digest\":\"%.*s\"%%", (int)card->digest.len,
                       card->digest.data);
    const struct arg args[] = {arg_int(turn->session.id), arg_text(card->tool),
                               arg_text((struct bytes){pattern, (size_t)len})};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    *ret_run = (struct bytes){"", 0};
    if (!err_failed(err) && rows != NULL) {
        struct bytes run = rows_text(rows, 0);
        const char *copy = arena_try_copy(tx_arena(tx), run.data, run.len);
        *ret_run = (struct bytes){copy, run.len};
        err = copy == NULL ? err_make(ERR_OUT_OF_MEMORY, "turns: same") : ERR_OK;
    }
    return err;
}

static struct err start(struct tx *tx, struct turn *turn, struct card *card,
                        const struct turn_child *child) {
    struct run_row row;
    struct run_new what = child->run;
    what.owner = turn->run.owner;
    what.project = turn->session.project;
    what.parent = child->is_long ? (struct bytes){"", 0} : turn->run.run;
    struct err err = tx_run_submit(tx, &what, &row);
    if (!err_failed(err) && child->is_long) {
        err = runs__set_session(tx, row.id, turn->session.session);
    }
    if (err_failed(err)) {
        return err;
    }
    card->child = row.id;
    if (!child->is_long) {
        return cards__write(tx, turn->row.answer, card, (struct bytes){NULL, 0});
    }
    struct bytes result;
    card->state = PART_STATE_PENDING;
    err = pending_result(tx, "started", row.run, &result);
    return err_failed(err) ? err : turns__close_card(tx, turn, card, result);
}

static struct err start_once(struct tx *tx, struct turn *turn, struct card *card,
                             const struct turn_child *child) {
    struct bytes same = {"", 0}, result;
    struct err err = child->is_long ? find_same(tx, turn, card, &same) : ERR_OK;
    if (err_failed(err)) {
        return err;
    }
    if (same.len == 0) {
        return start(tx, turn, card, child);
    }
    cards__end(card, CARD_DONE);
    err = pending_result(tx, "in_progress", same, &result);
    return err_failed(err) ? err : turns__close_card(tx, turn, card, result);
}

struct err tx_turn_child(struct tx *tx, const struct turn_child *child, struct turn_plan *plan) {
    struct turn turn;
    struct card card;
    bool found = false;
    turns__plan_begin(plan);
    struct err err = turns__load(tx, &child->key, &plan->late, &turn);
    if (err_failed(err) || plan->late) {
        return err;
    }
    err = cards__find(tx, turn.row.answer, child->part, &found, &card);
    plan->late = !found || card.state != PART_STATE_RUNNING || card.child != 0;
    if (err_failed(err) || plan->late) {
        return err;
    }
    if (turn.run.stop == CAUSE_NONE) { /* Else it ends now, and takes no children any more. */
        err = start_once(tx, &turn, &card, child);
    }
    return err_failed(err) ? err : turns__advance(tx, &turn, &child->key.bounds, plan);
}

/* --- The end ---------------------------------------------------------------------------------- */

struct owner {
    int64_t message, number, run; /* run: id of the turn. message 0: it is the turn's check. */
    bool pending;
};

/* Runs end by the thousand, and few of them are somebody's: one question. */
static struct err find_owner(struct tx *tx, const struct run_row *child, bool *ret_found,
                             struct owner *ret_owner) {
    static const char sql[] =
        "SELECT p.message, p.number, m.run, p.state FROM parts p JOIN messages m ON m.id = "
        "p.message"
        " WHERE p.run = $1 AND p.run <> 0 AND p.state IN ('running', 'pending')"
        " AND (m.status <> 'removed' OR p.state = 'running')"
        " UNION ALL SELECT 0, 0, t.run, '' FROM turns t WHERE t.run = $2 AND t.check_run = $1"
        " ORDER BY 3 DESC LIMIT 1"; /* The turn's own card before copies of it, which have none. */
    const struct arg args[] = {arg_int(child->id), arg_int(child->parent)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    *ret_found = rows != NULL;
    if (rows != NULL) {
        *ret_owner = (struct owner){.message = rows_int(rows, 0),
                                    .number = rows_int(rows, 1),
                                    .run = rows_int(rows, 2),
                                    .pending = rows_text(rows, 3).len == 7 &&
                                               memcmp(rows_text(rows, 3).data, "pending", 7) == 0};
    }
    return ERR_OK;
}

static void begin_outcome(struct bytes operation, struct text *text) {
    text_add_str(text, "{\"operation\":");
    text_add_json(text, operation.data, operation.len);
    text_add_str(text, ",\"state\":");
}

bool cards__is_outcome(struct bytes result, struct bytes operation) {
    AUTO(text_done) struct text begin;
    text_init(&begin, 1024);
    begin_outcome(operation, &begin);
    return !text_failed(&begin) && result.len > begin.len &&
           memcmp(result.data, begin.data, begin.len) == 0;
}

static struct err write_outcome(const struct run_row *child, struct bytes output,
                                struct text *text) {
    const char *state = run_state_name(child->state), *cause = run_cause_name(child->cause);
    begin_outcome(child->run, text);
    text_addf(text, "\"%s\",\"cause\":\"%s\",\"exit_code\":", state, cause);
    if (child->exit_code >= 0) {
        text_add_int(text, child->exit_code);
    } else {
        text_add_str(text, "null");
    }
    if (child->note.len > 0) {
        text_add_str(text, ",\"note\":");
        text_add_json(text, child->note.data, child->note.len);
    }
    text_add_str(text, ",\"output\":");
    text_add_json(text, output.data, output.len);
    text_add_char(text, '}');
    return text_failed(text) ? text_error(text, "turns: outcome") : ERR_OK;
}

static struct err write_card(struct tx *tx, const struct owner *owner, const struct run_row *child,
                             const struct text *text, struct card *card) {
    cards__end(card, card_cause_of_run(CARD_RUN_JOB, child->state, child->cause));
    return cards__write(tx, owner->message, card, (struct bytes){text->data, text->len});
}

static struct err replace(struct tx *tx, struct turn *turn, const struct owner *owner,
                          const struct run_row *child, const struct text *outcome) {
    struct card card;
    bool found = false;
    struct err err = cards__find(tx, owner->message, owner->number, &found, &card);
    if (!err_failed(err) && found) {
        err = write_card(tx, owner, child, outcome, &card);
    }
    return err_failed(err) || !found
               ? err
               : turns__event_card_finished(tx, turn, &card,
                                            (struct bytes){outcome->data, outcome->len});
}

/* --- Copies of the card ----------------------------------------------------------------------- */

struct copies {
    size_t count;
    struct owner of[COPIES_MAX]; /* run: id of the session. */
};

/* Messages that a fork copied belong to no turn. */
static struct err find_copies(struct tx *tx, const struct run_row *child, struct copies *copies) {
    static const char sql[] =
        "SELECT p.message, p.number, m.session FROM parts p JOIN messages m ON m.id = p.message"
        " WHERE p.run = $1 AND p.run <> 0 AND p.state = 'pending' AND m.run = 0"
        " AND m.status <> 'removed' ORDER BY p.id LIMIT $2";
    const struct arg args[] = {arg_int(child->id), arg_int(COPIES_MAX)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool more = !err_failed(err);
    copies->count = 0;
    while (!err_failed(err) && more) {
        err = rows_next(rows, &more);
        if (!err_failed(err) && more) {
            copies->of[copies->count++] = (struct owner){.message = rows_int(rows, 0),
                                                         .number = rows_int(rows, 1),
                                                         .run = rows_int(rows, 2)};
        }
    }
    return err;
}

static struct err replace_copy(struct tx *tx, const struct owner *copy, const struct run_row *child,
                               const struct text *outcome) {
    struct card card;
    struct session_row session;
    struct message_row message;
    bool found = false, shown = false;
    struct err err = cards__find(tx, copy->message, copy->number, &found, &card);
    if (!err_failed(err) && found) {
        err = write_card(tx, copy, child, outcome, &card);
    }
    if (!err_failed(err) && found) { /* A fork that is being made has no readers. */
        err = sessions__find_id(tx, copy->run, &shown, &session);
    }
    if (!err_failed(err) && shown) {
        err = messages__find_id(tx, copy->message, &shown, &message);
    }
    return err_failed(err) || !shown ? err : messages__tell_edited(tx, &session, &message);
}

static struct err replace_copies(struct tx *tx, const struct run_row *child,
                                 const struct text *outcome) {
    struct copies copies;
    struct err err = find_copies(tx, child, &copies);
    for (size_t i = 0; i < copies.count && !err_failed(err); i++) {
        err = replace_copy(tx, &copies.of[i], child, outcome);
    }
    return err;
}

/* --- The child has ended ---------------------------------------------------------------------- */

/* `turn` NULL: only copies are left. */
static struct err replace_all(struct tx *tx, struct turn *turn, const struct owner *owner,
                              const struct run_row *child, struct bytes output) {
    bool found = false;
    AUTO(text_done) struct text outcome;
    text_init(&outcome, TURN_RESULT_MAX);
    struct err err = write_outcome(child, output, &outcome);
    if (!err_failed(err) && turn != NULL) {
        err = turns__load_rest(tx, turn, &found);
    }
    if (!err_failed(err) && found) {
        err = replace(tx, turn, owner, child, &outcome);
    }
    return err_failed(err) ? err : replace_copies(tx, child, &outcome);
}

struct err turns__child_ended(struct tx *tx, const struct run_row *child, struct bytes output) {
    struct owner owner = {.run = 0};
    struct turn turn = {.run = {.id = 0}};
    bool found = false;
    struct err err = find_owner(tx, child, &found, &owner);
    if (err_failed(err) || !found) {
        return err;
    }
    err = runs__find_id(tx, owner.run, &found, &turn.run);
    if (!err_failed(err) && !found && owner.pending) {
        return replace_all(tx, /* turn */ NULL, &owner, child, output);
    }
    if (err_failed(err) || !found) {
        return err;
    }
    if (!owner.pending) {
        return run_state_final(turn.run.state) ? ERR_OK : runs__tell(tx, &turn.run);
    }
    return replace_all(tx, &turn, &owner, child, output);
}
