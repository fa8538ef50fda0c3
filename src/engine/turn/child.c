/* child.c: runs that work for a turn: calls of tools that are runs of their own (commands, and work
 * in the background), and the check of what was written.
 *
 * The commit that makes the child is the begin of the call: a card that runs without one never
 * began, so it may always begin again. A child's end, in whatever way it came, reaches the card by
 * runs__end: one that is waited for wakes its turn, which fetches the output; one of a long
 * tool replaces the card's content in place. Prompts that show a notice of that end show the card
 * as it was before (prompt.c).
 *
 * What a step wrote is checked by a run of its own:
 *
 *   wrote ──tx_turn_check_start──> check_run ──its end──> tx_turn_check_end ──> (told) ──> the call
 *     └────── there is no check ──────────────────────────────────────────────────────────────^
 *
 * A crash before the start finds `wrote`, and looks again. From the start on the run is a job like
 * any other: its holder lives on, and the next daemon adopts it. Its result is told in the commit
 * that takes check_run away, so it comes once. */
#include "engine/turn/record.h"

enum { COPIES_MAX = 64 }; /* Forks of one session whose cards an end reaches. */

/* --- The begin -------------------------------------------------------------------------------- */

/* The card's result, as long as its run goes on. */
static void card_pend(struct tx *tx, struct turn *turn, const struct card *card, const char *status,
                      struct bytes operation) {
    AUTO(text_done) struct text text = {.size_max = 1024};
    cards__write_pending(status, operation, &text);
    turns__close_card(tx, turn, card, tx_copy_text(tx, &text, "turns: pending"));
}

/* The same call of this session that goes on already: a refresh or a retry starts nothing twice. */
static struct bytes run_find_same(struct tx *tx, const struct turn *turn, const struct card *card) {
    char pattern[128];
    int len = snprintf(pattern, sizeof pattern, "%%\"digest\":\"%.*s\"%%", (int)card->digest.len,
                       card->digest.data);
    return tx_text(
        tx,
        "SELECT r.run FROM messages m JOIN parts p ON p.message = m.id JOIN runs r ON r.id = p.run"
        " WHERE m.session = $1 AND p.kind = 'tool' AND p.state = 'pending' AND p.name = $2"
        " AND p.run <> 0 AND r.ended_ms IS NULL AND p.data LIKE $3 LIMIT 1",
        ARGS(arg_int(turn->session.id), arg_text(card->tool),
             arg_text((struct bytes){pattern, (size_t)len})));
}

static struct run_row child_submit(struct tx *tx, const struct turn *turn,
                                   const struct run_new *run, struct bytes parent) {
    struct run_new what = *run;
    struct run_row row = {.id = 0, .run = BYTES("")};
    what.owner = turn->run.owner;
    what.project = turn->session.project;
    what.parent = parent;
    tx_fail(tx, tx_run_submit(tx, &what, &row));
    return row;
}

struct err tx_turn_child(struct tx *tx, const struct turn_child *child, struct turn_plan *plan) {
    struct turn turn;
    struct card card;
    turns__plan_begin(plan);
    plan->late =
        !turns__load_card(tx, &child->key, child->part, PART_STATE_RUNNING, &turn, &card) ||
        card.child.id != 0;
    if (plan->late) {
        return tx_error(tx);
    }
    const bool stops = turn.run.stop != CAUSE_NONE; /* Then the turn takes no children. */
    const struct bytes same =
        child->is_long && !stops ? run_find_same(tx, &turn, &card) : BYTES("");
    if (same.len > 0) {
        cards__end(&card, CARD_DONE);
        card_pend(tx, &turn, &card, "in_progress", same);
    } else if (!stops) {
        struct run_new run = child->run;
        if (!child->is_long && turn.run.parent != 0) { /* The turn of a workflow's agent. */
            run.own_key = BYTES(AGENT_COMMANDS_KEY);
            run.key_max = child->agent_commands;
        }
        const struct run_row row =
            child_submit(tx, &turn, &run, child->is_long ? BYTES("") : turn.run.run);
        card.child.id = row.id;
        if (child->is_long) {
            runs__set_session(tx, row.id, turn.session.session);
            card.state = PART_STATE_PENDING;
            card_pend(tx, &turn, &card, "started", row.run);
        } else {
            cards__write(tx, turn.row.answer, &card, CARD_RESULT_STAYS);
        }
    }
    return err_failed(tx_error(tx)) ? tx_error(tx)
                                    : turns__advance(tx, &turn, &child->key.bounds, plan);
}

/* --- The end ---------------------------------------------------------------------------------- */

/* From here on errors are returned and not kept: runs__end passes over damage in these rows. */

static void outcome_write(const struct run_row *child, struct bytes output, struct text *text) {
    cards__begin_outcome(child->run, text);
    text_addf(text, "\"%s\",\"cause\":\"%s\"", run_state_name(child->state),
              run_cause_name(child->cause));
    text_add_member_int_or_null(text, "exit_code", child->exit_code, child->exit_code >= 0);
    if (child->note.len > 0) {
        text_add_member(text, "note", child->note);
    }
    text_add_member(text, "output", output);
    text_add_char(text, '}');
}

/* The card of a run. `message` 0: the run is the check of a turn. */
struct place {
    int64_t message, number;
    int64_t of; /* id of the run of the turn; of a copy: of its session. */
};

/* false: there is no such card any more. */
static bool card_replace(struct tx *tx, const struct place *place, const struct run_row *child,
                         struct bytes outcome, struct card *card) {
    if (!cards__find(tx, place->message, place->number, card)) {
        return false;
    }
    cards__end(card, card_cause_of_run(CARD_RUN_JOB, child->state, child->cause));
    cards__write(tx, place->message, card, outcome);
    return true;
}

/* Messages that a fork copied belong to no turn. A fork that is being made has no readers. */
static void copies_replace(struct tx *tx, const struct run_row *child, struct bytes outcome) {
    struct place copies[COPIES_MAX];
    size_t count = 0;
    struct rows *rows = tx_rows(
        tx,
        "SELECT p.message, p.number, m.session FROM parts p JOIN messages m ON m.id = p.message"
        " WHERE p.run = $1 AND p.run <> 0 AND p.state = 'pending' AND m.run = 0"
        " AND m.status <> 'removed' ORDER BY p.id LIMIT $2",
        ARGS(arg_int(child->id), arg_int(COPIES_MAX)));
    while (rows_step(rows)) {
        copies[count++] = (struct place){rows_int(rows, 0), rows_int(rows, 1), rows_int(rows, 2)};
    }
    rows_release(&rows);
    for (size_t i = 0; i < count; i++) {
        struct card card;
        struct session_row session;
        const struct message_row message = {.id = copies[i].message};
        if (card_replace(tx, &copies[i], child, outcome, &card) &&
            sessions__find_id(tx, copies[i].of, &session)) {
            messages__tell_edited(tx, &session, &message);
        }
    }
}

/* Wakes the turn. A program that has ended waits for no answer, so its turn does not, either. */
static struct err child_heard(struct tx *tx, const struct run_row *child, struct turn *turn) {
    const bool asks = turn->run.state == RUN_WAITING && !run_waits_for_provider(&turn->run);
    if (run_state_final(turn->run.state)) {
        return ERR_OK;
    }
    if (asks && turns__load_rest(tx, turn) && turn->row.program.child == child->id) {
        turns__go_on(tx, turn);
        return tx_error(tx);
    }
    return err_failed(tx_error(tx)) ? tx_error(tx) : runs__tell(tx, &turn->run);
}

/* Runs end by the thousand, and few of them are somebody's: one question. The turn's own card comes
 * before copies of it, which have none. A card whose turn is gone has copies alone. */
struct err turns__child_ended(struct tx *tx, const struct run_row *child, struct bytes output) {
    struct turn turn = {.run = {.id = 0}};
    struct card card;
    bool there = false;
    struct rows *rows =
        tx_row(tx,
               "SELECT p.message, p.number, m.run, p.state FROM parts p JOIN messages m ON m.id ="
               " p.message"
               " WHERE p.run = $1 AND p.run <> 0 AND p.state IN ('running', 'pending')"
               " AND (m.status <> 'removed' OR p.state = 'running')"
               " UNION ALL SELECT 0, 0, t.run, '' FROM turns t WHERE t.run = $2"
               " AND (t.check_run = $1 OR t.program_child = $1)"
               " ORDER BY 3 DESC LIMIT 1",
               ARGS(arg_int(child->id), arg_int(child->parent)));
    if (rows == NULL) {
        return tx_error(tx);
    }
    const struct place place = {rows_int(rows, 0), rows_int(rows, 1), rows_int(rows, 2)};
    const bool pending = bytes_is(rows_text(rows, 3), "pending");
    rows_release(&rows);
    struct err err = runs__find_id(tx, place.of, &there, &turn.run);
    if (err_failed(err) || (!there && !pending)) {
        return err;
    }
    if (!pending) {
        return child_heard(tx, child, &turn);
    }
    AUTO(text_done) struct text outcome = {.size_max = TURN_RESULT_MAX};
    outcome_write(child, output, &outcome);
    if (text_failed(&outcome)) {
        return text_error(&outcome, "turns: outcome");
    }
    if (there && turns__load_rest(tx, &turn) &&
        card_replace(tx, &place, child, text_bytes(&outcome), &card)) {
        const bool took = child->started_ms > 0 && child->ended_ms > child->started_ms;
        err = turns__event_card_finished(tx, &turn, &card, text_bytes(&outcome),
                                         took ? child->ended_ms - child->started_ms : 0);
    }
    if (err_failed(err)) {
        return err;
    }
    copies_replace(tx, child, text_bytes(&outcome));
    return tx_error(tx);
}

/* --- Checks ----------------------------------------------------------------------------------- */

/* To whom somebody talks: an agent of a workflow, or a subagent, cannot change it. */
static void check_tell_once(struct tx *tx, const struct turn *turn, struct bytes hint) {
    static const char sql[] = "UPDATE sessions SET check_told = 1 WHERE id = $1 AND check_told = 0";
    if (hint.len > 0 && turn->run.parent == 0 &&
        tx_change(tx, sql, ARGS(arg_int(turn->session.id))) > 0) {
        turns__add_text(tx, turn, PART_NOTICE, hint);
    }
}

struct err tx_turn_check_start(struct tx *tx, const struct turn_check_start *start,
                               struct turn_plan *plan) {
    struct turn turn;
    if (!turns__open(tx, &start->key, plan, &turn) || !turn.row.facts.wrote ||
        turn.row.check_run != 0 || turn.row.call != 0) {
        plan->late = true;
        return tx_error(tx);
    }
    turn.row.facts.wrote = false;
    if (!start->none && turn.run.stop == CAUSE_NONE) {
        turn.row.check_run = child_submit(tx, &turn, &start->run, turn.run.run).id;
    }
    check_tell_once(tx, &turn, start->hint);
    return turns__advance(tx, &turn, &start->key.bounds, plan);
}

struct err tx_turn_check_end(struct tx *tx, const struct turn_check_end *end,
                             struct turn_plan *plan) {
    struct turn turn;
    if (!turns__open(tx, &end->key, plan, &turn) || end->check == 0 ||
        turn.row.check_run != end->check) {
        plan->late = true;
        return tx_error(tx);
    }
    turn.row.check_run = 0;
    if (end->note.len > 0) {
        turn.row.facts.failed_checks++;
        turns__add_text(tx, &turn, PART_NOTICE, end->note);
    }
    return turns__advance(tx, &turn, &end->key.bounds, plan);
}
