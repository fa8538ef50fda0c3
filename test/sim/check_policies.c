/* check_policies.c: a second message, by its policy.
 *
 *   decided   the decision is the one that docs/api.md lists for the policy; a turn that follows up
 *             a notice may give way to a message instead
 *   steer     a message joins with the next call of the turn that runs, or stays a message of its
 *             own where that turn was stopped, failed or reached a limit; a prompt shows it once
 *             (check_prompts.c)
 *   interrupt ends the turn that runs as `interrupted`
 */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "chat_ops.h"
#include "ops.h"

enum { JOIN_MAX = 8 /* Messages that join with one call. */ };

/* --- Decided ---------------------------------------------------------------------------------- */

struct err policies_find(struct tx *tx, struct bytes session, struct policy_case *ret_case) {
    static const char sql[] =
        "SELECT r.run, CASE WHEN r.stop <> '' THEN 1 ELSE 0 END,"
        " CASE t.began_by WHEN 'compact' THEN $2 WHEN 'notice' THEN $3 ELSE $4 END FROM runs r"
        " JOIN turns t ON t.run = r.id JOIN sessions s ON s.id = t.session"
        " WHERE s.session = $1 AND r.kind = 'turn' AND r.ended_ms IS NULL AND r.state <> 'queued'";
    const struct arg args[] = {arg_text(session), arg_int(POLICY_TURN_COMPACTS),
                               arg_int(POLICY_TURN_FOLLOWS_UP), arg_int(POLICY_TURN_ANSWERS)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    struct policy_case found = {.running = ""};
    if (!err_failed(err) && rows != NULL) {
        struct bytes run = rows_text(rows, 0);
        (void)snprintf(found.running, sizeof found.running, "%.*s", (int)run.len, run.data);
        found.asked = rows_int(rows, 1) != 0;
        found.turn = (enum policy_turn)rows_int(rows, 2);
    }
    if (!err_failed(err)) {
        *ret_case = found;
    }
    return err;
}

void policies_decided(struct sim *sim, struct known_message *message, enum turn_policy policy,
                      const struct policy_case *found) {
    static const enum turn_decision busy[TURN_POLICY_COUNT] = {[TURN_ENQUEUE] = TURN_DECIDE_QUEUE,
                                                               [TURN_REJECT] = TURN_DECIDE_REFUSE,
                                                               [TURN_INTERRUPT] = TURN_DECIDE_STOP,
                                                               [TURN_ROLLBACK] = TURN_DECIDE_UNDO,
                                                               [TURN_STEER] = TURN_DECIDE_JOIN};
    bool open = found->running[0] != '\0' && !found->asked;
    bool deaf = found->turn == POLICY_TURN_COMPACTS && policy == TURN_STEER;
    enum turn_decision expected = open && !deaf ? busy[policy] : TURN_DECIDE_QUEUE;
    bool gave_way = found->turn == POLICY_TURN_FOLLOWS_UP && found->decision == TURN_DECIDE_QUEUE;
    message->decision = found->decision;
    if (found->repeated) {
        return;
    }
    (void)snprintf(message->running, sizeof message->running, "%s", found->running);
    if (!gave_way && found->decision != expected && ask_wanted("decided")) {
        sim_fail(sim, "the decision is '%s' and not '%s', on the message %s of op %u",
                 turn_decision_name(found->decision), turn_decision_name(expected), message->id,
                 message->op);
    }
}

/* --- Steer ------------------------------------------------------------------------------------ */

/* Columns: message, last step of the turn, step of its call that is out, number of messages that
 * wait to join the turn. */
static void steering_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct known_message *message = known_find_message(sim, row->text[0].data);
    (void)ctx;
    if (message == NULL) {
        return;
    }
    if (row->number[3] > JOIN_MAX) {
        message->step = INT64_MAX;
    } else if (message->step == 0) {
        message->step = row->number[1] + 1;
    } else if (row->number[2] >= message->step && ask_wanted("steer")) {
        sim_fail(sim, "a call of a turn began without a message that waits to join, %s of op %u",
                 message->id, message->op);
    }
}

static void steering_look(struct sim *sim) {
    ask_each(sim,
             "SELECT m.message, t.step, t.call,"
             " (SELECT count(*) FROM messages o WHERE o.run = m.run AND o.status = 'steering')"
             " FROM messages m JOIN turns t ON t.run = m.run WHERE m.status = 'steering'",
             NULL, steering_take, NULL);
}

/* Columns: status of the message, state and cause of the turn that ran. */
static void joined_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct known_message *message = ctx;
    const char *status = row->text[0].data, *cause = row->text[2].data;
    if (strcmp(status, "steering") == 0 && ask_wanted("steer")) {
        sim_fail(sim, "a message waits to join a turn that has ended, %s of op %u", message->id,
                 message->op);
    }
    if (strcmp(status, "completed") == 0 && strcmp(cause, "completed") == 0 &&
        ask_wanted("steer")) {
        sim_fail(sim, "a turn completed without the message that was to join, %s of op %u",
                 message->id, message->op);
    }
}

/* --- Interrupt -------------------------------------------------------------------------------- */

/* Columns: status of the message, state and cause of the turn that ran. */
static void interrupted_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct known_message *message = ctx;
    const char *state = row->text[1].data, *cause = row->text[2].data;
    if ((strcmp(state, "cancelled") != 0 || strcmp(cause, "interrupted") != 0) &&
        ask_wanted("interrupt")) {
        sim_fail(sim, "a turn that was interrupted ended as %s, %s; by the message %s of op %u",
                 state, cause, message->id, message->op);
    }
}

static void turn_look(struct sim *sim, struct known_message *message) {
    bool joins = message->decision == TURN_DECIDE_JOIN;
    bool stops = message->decision == TURN_DECIDE_STOP;
    if ((!joins && !stops) || message->running[0] == '\0' || message->state != MESSAGE_STORED ||
        message->session->state != SESSION_THERE ||
        rows_number(sim, "SELECT count(*) FROM runs WHERE run = $1 AND ended_ms IS NULL",
                    TEXTS(message->running), 1) > 0) {
        return;
    }
    ask_each(sim,
             "SELECT m.status, r.state, r.cause FROM messages m, runs r"
             " WHERE m.message = $1 AND r.run = $2",
             TEXTS(message->id, message->running), joins ? joined_take : interrupted_take, message);
    message->running[0] = '\0'; /* Each message is looked at once. */
}

static void policies_look(struct sim *sim) {
    struct known *known = known_of(sim);
    steering_look(sim);
    for (size_t i = 0; i < known->message_count; i++) {
        turn_look(sim, &known->messages[i]);
    }
}

const struct sim_part part_policies = {.name = "policies", .look = policies_look};
