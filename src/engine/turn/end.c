/* end.c: the end of a turn, in whatever way it came.
 *
 * A turn that runs is ended by turns__end. One that waits in the queue, or is ended by somebody
 * else's stop, is ended by the transactions of runs. All of them come through runs__end, and so
 * through turns__ended, which closes the message in the same commit: no card stays open, the text
 * so far stays, and what went wrong is the message's last item.
 *
 * That end reads and writes many rows: message, cards, approvals, children, notices. If one of them
 * is refused for good, the run would hold its session's key for ever, and no message would follow.
 * So after the last try the run is ended alone (tx_turn_give_up), and what belongs to it is closed
 * by statements that read no text. Whoever waits for the run is notified as always; notices that it
 * was to tell are held, since the next turn might fail over the same rows. */
#include <string.h>

#include "base/utf8.h"
#include "engine/inbox/bind.h"
#include "engine/session/checkpoints.h"
#include "engine/turn/record.h"

struct err turns__end(struct tx *tx, struct turn *turn, enum run_cause cause, struct bytes sentence,
                      const struct run_bounds *bounds) {
    struct run_freed freed = {.kinds = 0};
    if (run_waits_for_provider(&turn->run)) {
        tx_fail(tx, runs__provider_ask(tx, &turn->run));
    }
    const struct run_end end = {.from = turn->run.state, .output = {"", 0}};
    turn->run.state = turn_end_state(cause);
    turn->run.cause = cause;
    turn->run.not_before_ms = turn->resume_at_ms;
    turn->run.note = (struct bytes){sentence.data, utf8_cut(sentence, RUN_NOTE_TEXT_MAX)};
    turns__write(tx, &turn->row);
    TRY(tx_error(tx));
    tx_fail(tx, runs__end(tx, &end, &turn->run, &freed));
    tx_fail(tx, runs__ask_children(tx, &turn->run, &freed));
    tx_fail(tx, runs__admit_freed(tx, &freed, bounds));
    return tx_error(tx);
}

/* --- Closing the message ---------------------------------------------------------------------- */

/* Nobody waits for a review any more: what it says is late. */
static void cards_close(struct tx *tx, struct turn *turn) {
    static const char stopped[] = "It was stopped before it was done.";
    static const char ended[] = "The turn ended before this was done.";
    const struct turn_review_end review = {.failure = CAUSE_STOPPED, .reason = BYTES("")};
    const bool cancelled = turn->run.state == RUN_CANCELLED;
    const struct cards cards = cards__open(tx, turn->row.answer);
    for (size_t i = 0; i < cards.count; i++) {
        struct card *card = &cards.at[i];
        if (card->state == PART_STATE_REVIEWING) {
            turns__span_review_end(tx, turn, card, &review);
        }
        turns__end_card(tx, turn, card, cancelled ? CARD_STOPPED : CARD_TURN_ENDED,
                        cancelled ? BYTES(stopped) : BYTES(ended));
    }
}

/* Of a turn that was cleared away nothing is stored but that it ended. */
static struct err close_begun(struct tx *tx, struct turn *turn, struct run_freed *freed) {
    const enum run_state state = turn->run.state;
    const bool succeeded = state == RUN_SUCCEEDED, cleared = turns__is_cleared(turn);
    cards_close(tx, turn);
    TRY(approvals__cancel(tx, &turn->run));
    if (!cleared && !succeeded && state != RUN_CANCELLED) {
        AUTO(text_done) struct text data = text_up_to((size_t)1 << 10);
        text_addf(&data, "{\"cause\":\"%s\"}", run_cause_name(turn->run.cause));
        const struct message_part part = {.message = turn->row.answer,
                                          .step = turn->row.step,
                                          .kind = PART_ERROR,
                                          .text = turn->run.note.len > 0
                                                      ? turn->run.note
                                                      : bytes_of(run_cause_about(turn->run.cause)),
                                          .data = text_bytes(&data)};
        cards__add_plain(tx, &part);
    }
    turn->answer.cause = bytes_of(run_cause_name(turn->run.cause));
    turn->answer.error = succeeded ? BYTES("") : turn->run.note;
    messages__write_status(tx,
                           cleared                              ? MESSAGE_REMOVED
                           : succeeded || state == RUN_DEGRADED ? MESSAGE_COMPLETED
                           : state == RUN_CANCELLED             ? MESSAGE_INTERRUPTED
                                                                : MESSAGE_FAILED,
                           &turn->answer);
    sessions__set_state(tx, SESSION_IDLE, &turn->session);
    TRY(turns__event_finished(tx, turn));
    sessions__hold_events(tx, &turn->session, STREAM_RELEASE);
    if (!cleared && turn->run.cause == CAUSE_ROLLED_BACK) {
        /* Another message took its place: neither it nor its answer is in any prompt from here on.
         * A question that was taken out of the queue before its turn began stays removed. A summary
         * that was made within the turn covers a part of it. */
        struct message_row question;
        if (messages__find_id(tx, turn->row.question, &question) &&
            question.status != MESSAGE_REMOVED) {
            messages__move(tx, &turn->session, MESSAGE_ROLLED_BACK, &question);
        }
        tx_checkpoint_void_from(tx, &turn->session, turn->row.answer);
        messages__move(tx, &turn->session, MESSAGE_ROLLED_BACK, &turn->answer);
        sessions__weigh_context(tx, &turn->session);
        programs__forget(tx, &turn->session);
    }
    return err_failed(tx_error(tx)) || cleared ? tx_error(tx) : titles__wish(tx, turn, freed);
}

/* The turn was about a notice, and did not take it: also one that ran out of time. */
static bool notice_comes_again(const struct turn *turn) {
    const enum inbox_turn verdict = inbox_judge_turn(turn->run.state, turn->run.cause);
    return turn->row.trigger == TRIGGER_NOTICE &&
           (verdict == INBOX_TURN_FAILED || verdict == INBOX_TURN_HELD);
}

/* A turn that never began: its message leaves the queue. A person's message stays readable; a
 * notice that was taken back, or that a budget refused, comes again, with the next follow-up. The
 * end is sent like every other: a client may follow it.
 *
 * What joined too late stays as a message of its own: it was accepted, so the next turn sees it.
 * Last, the pending notices of the session are offered, which waited while it was busy. */
struct err turns__ended(struct tx *tx, const struct run_row *run, struct run_freed *freed) {
    struct turn turn = {.run = *run};
    struct message_row question;
    const bool found = turns__load_rest(tx, &turn);
    struct err err = turn.row.run != 0 ? subagents__ended(tx, turn.row.session, freed) : ERR_OK;
    if (err_failed(err) || !found) { /* The session is gone with all that was said in it. */
        return err_failed(err) ? err : tx_error(tx);
    }
    if (turn.row.begun) {
        err = close_begun(tx, &turn, freed);
    } else {
        messages__write_status(tx, MESSAGE_REMOVED, &turn.answer);
        if (messages__find_id(tx, turn.row.question, &question) &&
            question.status == MESSAGE_QUEUED) {
            if (turn.run.cause == CAUSE_ROLLED_BACK || notice_comes_again(&turn)) {
                messages__remove(tx, &turn.session, &question);
            } else {
                messages__move(tx, &turn.session, MESSAGE_INTERRUPTED, &question);
            }
            messages__tell_queue(tx, &turn.session);
        }
        err = turns__event_finished(tx, &turn);
    }
    if (err_failed(err)) {
        return err;
    }
    struct message_rows late[] = {messages__steering(tx, turn.session.id, turn.run.id),
                                  messages__delivered(tx, turn.run.id)};
    for (size_t i = 0; i < COUNT_OF(late); i++) {
        for (size_t j = 0; j < late[i].count; j++) {
            messages__move(tx, &turn.session, MESSAGE_COMPLETED, &late[i].rows[j]);
        }
    }
    turns__write(tx, &turn.row);
    const struct inbox_receiver receiver = {
        .owner = turn.session.owner, .address = turn.session.session, .kind = RECEIVER_SESSION};
    err = tx_inbox_offer(tx, &receiver);
    /* The next follow-up delivers the notice again, so this message of it leaves the prompt with
     * the answer to it (prompt.c). A summary that was made within the turn covers a part of
     * that. */
    if (!err_failed(err) && notice_comes_again(&turn) &&
        messages__find_id(tx, turn.row.question, &question) &&
        question.status == MESSAGE_COMPLETED) {
        messages__write_status(tx, MESSAGE_ROLLED_BACK, &question);
        tx_checkpoint_void_from(tx, &turn.session, question.id);
        sessions__weigh_context(tx, &turn.session);
        programs__forget(tx, &turn.session);
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* --- The end that reads no text --------------------------------------------------------------- */

/* $1: the run's id, $2: now, $3: the sentence. */
static void close_rows(struct tx *tx, const struct run_row *run) {
    static const struct {
        const char *sql;
        size_t args;
    } closings[] = {
        {"UPDATE messages SET status = 'failed', changed_ms = $2, cause = 'history_unreadable',"
         " error = $3 WHERE id = (SELECT answer FROM turns WHERE run = $1)"
         " AND status NOT IN ('removed', 'rolled_back')",
         3},
        {"UPDATE messages SET status = 'interrupted', changed_ms = $2"
         " WHERE id = (SELECT question FROM turns WHERE run = $1) AND status = 'queued'",
         2},
        {"UPDATE parts SET state = 'cancelled' WHERE state IN ('ready', 'asking', 'reviewing',"
         " 'running', 'pending') AND message = (SELECT answer FROM turns WHERE run = $1)",
         1},
        {"UPDATE sessions SET state = 'idle', changed_ms = $2" /* Others run while it is queued. */
         " WHERE id = (SELECT session FROM turns WHERE run = $1)"
         " AND EXISTS (SELECT 1 FROM runs WHERE runs.id = $1 AND runs.state <> 'queued')",
         2},
    };
    const struct arg args[] = {arg_int(run->id), arg_int(tx_now_ms(tx)), arg_text(run->note)};
    for (size_t i = 0; i < COUNT_OF(closings); i++) {
        tx_do(tx, closings[i].sql, args, closings[i].args);
    }
    tx_fail(tx, approvals__cancel(tx, run));
    tx_inbox_hold_turn(tx, run->run, run->cause);
}

/* Settles the notices that the turn was given. The output is what the turn said, which is read only
 * where somebody is notified of its end. */
struct err turns__output(struct tx *tx, const struct run_row *run, struct bytes *ret_text) {
    static const char notify[] = "\"notify\"";
    const struct inbox_turn_end end = {.turn = run->run, .state = run->state, .cause = run->cause};
    struct err err = tx_inbox_settle_turn(tx, &end);
    bool heard = run->spec.len > 0 &&
                 memmem(run->spec.data, run->spec.len, notify, sizeof notify - 1) != NULL;
    return err_failed(err) || !heard ? err : turns__said(tx, run->id, ret_text);
}

/* In its event the message is named where its id can be one. */
struct err turns__end_alone(struct tx *tx, struct bytes sentence, const struct run_row *run,
                            struct run_freed *freed) {
    const struct run_end end = {
        .from = run->state, .output = BYTES(""), .members = BYTES(""), .alone = true};
    struct turn turn = {.run = *run};
    turn.run.state = RUN_FAILED;
    turn.run.cause = CAUSE_HISTORY_UNREADABLE;
    turn.run.note = sentence;
    close_rows(tx, &turn.run);
    struct err err = runs__end(tx, &end, &turn.run, freed);
    err = err_failed(err) ? err : runs__ask_children(tx, &turn.run, freed);
    if (err_failed(err) || !turns__load_rest(tx, &turn)) {
        return err_failed(err) ? err : tx_error(tx);
    }
    if (turn.answer.message.len >= ID_SIZE) {
        turn.answer.message = BYTES("");
    }
    err = turns__event_finished(tx, &turn);
    sessions__hold_events(tx, &turn.session, STREAM_RELEASE);
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_turn_give_up(struct tx *tx, const struct turn_failure *failure,
                           struct turn_plan *plan) {
    const struct run_key key = {.run = failure->key.run};
    struct run_freed freed = {.kinds = 0};
    struct run_row run = {.id = 0};
    bool found = false;
    turns__plan_begin(plan);
    plan->next = TURN_NEXT_END;
    struct err err = tx_run_find(tx, &key, &found, &run);
    plan->late = !found || run.kind != KIND_TURN || run.attempt != failure->key.attempt ||
                 (run.state != RUN_RUNNING && run.state != RUN_WAITING);
    if (err_failed(err) || plan->late) {
        return err;
    }
    err = turns__end_alone(tx, failure->sentence, &run, &freed);
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, &failure->key.bounds);
}
