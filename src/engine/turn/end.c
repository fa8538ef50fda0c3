/* end.c: the end of a turn, in whatever way it came.
 *
 * A turn that runs is ended by turns__end. One that waits in the queue, or is ended by somebody
 * else's stop, is ended by the transactions of runs. All of them come through runs__end, and so
 * through turns__ended, which closes the message in the same commit: no card stays open, the text
 * so far stays, and what went wrong is the message's last item. */
#include "engine/session/checkpoints.h"
#include "engine/turn/cards.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/inbox/bind.h"
#include "journal/journal.h"

enum { UNDONE_MAX = 256 << 10 };

struct err turns__end(struct tx *tx, struct turn *turn, enum run_cause cause, struct bytes sentence,
                      const struct run_bounds *bounds) {
    struct run_freed freed = {.kinds = 0};
    bool waits = run_waits_for_provider(&turn->run);
    struct err err = waits ? runs__provider_ask(tx, &turn->run) : ERR_OK;
    const struct run_end end = {.from = turn->run.state, .output = {"", 0}};
    turn->run.state = turn_end_state(cause);
    turn->run.cause = cause;
    turn->run.not_before_ms = turn->resume_at_ms;
    turn->run.note = (struct bytes){sentence.data, utf8_cut(sentence, RUN_NOTE_TEXT_MAX)};
    if (!err_failed(err)) {
        err = turns__write(tx, &turn->row);
    }
    if (!err_failed(err)) {
        err = runs__end(tx, &end, &turn->run, &freed);
    }
    if (!err_failed(err)) {
        err = runs__ask_children(tx, &turn->run, &freed);
    }
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, bounds);
}

/* --- Closing the message ---------------------------------------------------------------------- */

/* Nobody waits for it any more: what it says is late. */
static struct err end_review(struct tx *tx, const struct turn *turn, const struct card *card) {
    const struct turn_review_end end = {.failure = CAUSE_STOPPED, .reason = {"", 0}};
    return card->state == PART_STATE_REVIEWING ? turns__span_review_end(tx, turn, card, &end)
                                               : ERR_OK;
}

static struct err close_cards(struct tx *tx, struct turn *turn) {
    static const char stopped[] = "It was stopped before it was done.";
    static const char ended[] = "The turn ended before this was done.";
    bool cancelled = turn->run.state == RUN_CANCELLED;
    struct cards cards = {.count = 0};
    struct err err = cards__open(tx, turn->row.answer, &cards);
    for (size_t i = 0; i < cards.count && !err_failed(err); i++) {
        err = end_review(tx, turn, &cards.at[i]);
        if (err_failed(err)) {
            break;
        }
        cards__end(&cards.at[i], cancelled ? CARD_STOPPED : CARD_TURN_ENDED);
        err = turns__close_card(tx, turn, &cards.at[i], cancelled ? BYTES(stopped) : BYTES(ended));
    }
    return err_failed(err) ? err : approvals__cancel(tx, &turn->run);
}

static struct err add_error(struct tx *tx, const struct turn *turn) {
    const char *about = run_cause_about(turn->run.cause);
    AUTO(text_done) struct text data;
    text_init(&data, (size_t)1 << 10);
    text_addf(&data, "{\"cause\":\"%s\"}", run_cause_name(turn->run.cause));
    bool told = turn->run.note.len > 0;
    const struct message_part part = {.message = turn->row.answer,
                                      .step = turn->row.step,
                                      .kind = PART_ERROR,
                                      .text = told ? turn->run.note : bytes_of(about),
                                      .data = {data.data, data.len}};
    return cards__add_plain(tx, &part);
}

static enum message_status status_of(enum run_state state) {
    switch (state) {
    case RUN_SUCCEEDED:
    case RUN_DEGRADED:
        return MESSAGE_COMPLETED;
    case RUN_CANCELLED:
        return MESSAGE_INTERRUPTED;
    default:
        return MESSAGE_FAILED;
    }
}

/* Of one that was cleared away nothing is stored but that it ended. */
static struct err close_answer(struct tx *tx, struct turn *turn) {
    bool cleared = turns__is_cleared(turn);
    struct err err = close_cards(tx, turn);
    if (!err_failed(err) && !cleared && turn->run.state != RUN_SUCCEEDED &&
        turn->run.state != RUN_CANCELLED) {
        err = add_error(tx, turn);
    }
    if (!err_failed(err)) {
        const char *cause = run_cause_name(turn->run.cause);
        turn->answer.cause = bytes_of(cause);
        turn->answer.error = turn->run.state == RUN_SUCCEEDED ? BYTES("") : turn->run.note;
        err = messages__write_status(tx, cleared ? MESSAGE_REMOVED : status_of(turn->run.state),
                                     &turn->answer);
    }
    if (!err_failed(err)) {
        err = sessions__set_state(tx, SESSION_IDLE, &turn->session);
    }
    return err_failed(err) ? err : turns__event_finished(tx, turn);
}

/* What joined too late stays as a message of its own: it was accepted, so the next turn sees it. */
static struct err free_steering(struct tx *tx, const struct turn *turn) {
    struct message_rows rows = {.count = 0};
    struct err err = messages__steering(tx, &turn->session, turn->run.id, &rows);
    for (size_t i = 0; i < rows.count && !err_failed(err); i++) {
        err = messages__write_status(tx, MESSAGE_COMPLETED, &rows.rows[i]);
        err = err_failed(err) ? err : messages__tell_edited(tx, &turn->session, &rows.rows[i]);
    }
    return err;
}

/* Ends a turn that never began: its message leaves the queue. A person's message stays readable; a
 * notice that was taken back comes again, with the next follow-up. */
static struct err take_out(struct tx *tx, const struct turn *turn, struct message_row *question) {
    bool again = turn->run.cause == CAUSE_ROLLED_BACK;
    struct err err = again ? messages__remove(tx, &turn->session, question)
                           : messages__write_status(tx, MESSAGE_INTERRUPTED, question);
    if (!err_failed(err) && !again) {
        err = messages__tell_edited(tx, &turn->session, question);
    }
    return err_failed(err) ? err : messages__tell_queue(tx, &turn->session);
}

/* Its end is told like every other: somebody may look on at it. */
static struct err close_unbegun(struct tx *tx, struct turn *turn) {
    struct message_row question;
    bool found = false;
    struct err err = messages__write_status(tx, MESSAGE_REMOVED, &turn->answer);
    if (!err_failed(err)) {
        err = messages__find_id(tx, turn->row.question, &found, &question);
    }
    if (!err_failed(err) && found && question.status == MESSAGE_QUEUED) {
        err = take_out(tx, turn, &question);
    }
    return err_failed(err) ? err : turns__event_finished(tx, turn);
}

/* Another message took its place: neither it nor its answer is in any prompt from here on. A
 * question that was taken out of the queue before its turn began stays removed. */
static struct err roll_back(struct tx *tx, struct turn *turn) {
    struct message_row question;
    bool found = false;
    struct err err = messages__find_id(tx, turn->row.question, &found, &question);
    bool undone = !err_failed(err) && found && question.status != MESSAGE_REMOVED;
    if (undone) {
        err = messages__write_status(tx, MESSAGE_ROLLED_BACK, &question);
    }
    if (!err_failed(err) && undone) {
        err = messages__tell_edited(tx, &turn->session, &question);
    }
    if (!err_failed(err)) {
        err = messages__write_status(tx, MESSAGE_ROLLED_BACK, &turn->answer);
    }
    if (!err_failed(err)) { /* A summary that was made within the turn covers a part of it. */
        const struct checkpoint_void from = {.session = turn->session.id,
                                             .message = turn->row.answer};
        err = tx_checkpoint_void_from(tx, &from);
    }
    return err_failed(err) ? err : messages__tell_edited(tx, &turn->session, &turn->answer);
}

static struct err close_begun(struct tx *tx, struct turn *turn, struct run_freed *freed) {
    struct err err = close_answer(tx, turn);
    if (!err_failed(err)) {
        err = sessions__release_events(tx, &turn->session);
    }
    if (err_failed(err) || turns__is_cleared(turn)) {
        return err;
    }
    if (turn->run.cause == CAUSE_ROLLED_BACK) {
        err = roll_back(tx, turn);
    }
    return err_failed(err) ? err : titles__wish(tx, turn, freed);
}

/* The next follow-up delivers the notice again, so this message of it leaves the prompt with the
 * answer to it (prompt.c). A summary that was made within the turn covers a part of that. */
static struct err undo_follow_up(struct tx *tx, const struct turn *turn) {
    struct message_row notice;
    bool found = false;
    struct err err = messages__find_id(tx, turn->row.question, &found, &notice);
    if (err_failed(err) || !found || notice.status != MESSAGE_COMPLETED) {
        return err;
    }
    const struct checkpoint_void from = {.session = turn->session.id, .message = notice.id};
    err = messages__write_status(tx, MESSAGE_ROLLED_BACK, &notice);
    return err_failed(err) ? err : tx_checkpoint_void_from(tx, &from);
}

/* What the session is owed waited while it was busy. */
static struct err offer(struct tx *tx, const struct turn *turn) {
    const struct inbox_receiver receiver = {
        .owner = turn->session.owner, .address = turn->session.session, .kind = RECEIVER_SESSION};
    struct err err = tx_inbox_offer(tx, &receiver);
    bool failed = turn->run.state == RUN_FAILED && turn->row.trigger == TRIGGER_NOTICE;
    return err_failed(err) || !failed ? err : undo_follow_up(tx, turn);
}

struct err turns__ended(struct tx *tx, const struct run_row *run, struct run_freed *freed) {
    struct turn turn = {.run = *run};
    bool found = false;
    struct err err = turns__find(tx, run->id, &found, &turn.row);
    if (err_failed(err) || !found) {
        return err;
    }
    err = subagents__ended(tx, turn.row.session, freed);
    if (err_failed(err)) {
        return err;
    }
    err = sessions__find_id(tx, turn.row.session, &found, &turn.session);
    if (err_failed(err) || !found) {
        return err; /* The session is gone with all that was said in it. */
    }
    err = messages__find_id(tx, turn.row.answer, &found, &turn.answer);
    if (err_failed(err) || !found) {
        return err;
    }
    err = turn.row.begun ? close_begun(tx, &turn, freed) : close_unbegun(tx, &turn);
    if (!err_failed(err)) {
        err = free_steering(tx, &turn);
    }
    if (!err_failed(err)) {
        err = turns__write(tx, &turn.row);
    }
    return err_failed(err) ? err : offer(tx, &turn);
}

/* --- What cannot be taken back ---------------------------------------------------------------- */

/* What its tools did stays done: whoever takes it back should know of it. */
struct err turns__list_undone(struct tx *tx, int64_t run, struct bytes *ret_list) {
    static const char sql[] =
        "SELECT p.name, p.state, p.text FROM turns t JOIN parts p ON p.message = t.answer"
        " WHERE t.run = $1 AND p.kind = 'tool' AND p.state IN ('succeeded', 'pending', 'running')"
        " ORDER BY p.number LIMIT 100";
    const struct arg args[] = {arg_int(run)};
    AUTO(text_done) struct text text;
    text_init(&text, UNDONE_MAX);
    text_add_char(&text, '[');
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    for (int i = 0; !err_failed(err) && row; i++) {
        err = rows_next(rows, &row);
        if (!err_failed(err) && row) {
            struct bytes result = rows_text(rows, 2);
            text_add_str(&text, i > 0 ? ",{\"tool\":" : "{\"tool\":");
            text_add_json(&text, rows_text(rows, 0).data, rows_text(rows, 0).len);
            text_add_str(&text, ",\"state\":");
            text_add_json(&text, rows_text(rows, 1).data, rows_text(rows, 1).len);
            text_add_str(&text, ",\"result\":");
            text_add_json(&text, result.data, utf8_cut(result, 200));
            text_add_char(&text, '}');
        }
    }
    text_add_char(&text, ']');
    const char *copy =
        text_failed(&text) ? NULL : arena_try_copy(tx_arena(tx), text.data, text.len);
    if (!err_failed(err) && copy == NULL) {
        err = text_error(&text, "turns: undone");
    }
    if (!err_failed(err)) {
        *ret_list = (struct bytes){copy, text.len};
    }
    return err;
}
