/* ops_approvals.c: a person answers what turns ask: once, twice at the same time, or again when all
 * is over; and rules that deny.
 *
 *   answers   the first one wins, for ever; a later one is refused
 *   cards     what was denied is not performed; what was answered reaches the model
 *   rules     what a rule denies is not performed, whatever another rule says
 */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "chat_ops.h"
#include "late.h"
#include "ops.h"

enum { DECISIONS_MAX = 512 };

struct decision {
    char approval[ID_SIZE];
    enum approval_verb verb; /* Of the answer that was acknowledged. */
};

static struct decision decisions[DECISIONS_MAX];
static size_t decision_count;

static const struct decision *decision_find(const char *approval) {
    for (size_t i = 0; i < decision_count; i++) {
        if (strcmp(decisions[i].approval, approval) == 0) {
            return &decisions[i];
        }
    }
    return NULL;
}

/* --- Answers ---------------------------------------------------------------------------------- */

struct question {
    char id[ID_SIZE];
    bool answer;
    size_t skip; /* Number of those that stand before it. */
    bool found;
};

static void question_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct question *question = ctx;
    (void)sim;
    if (question->found || question->skip > 0) {
        question->skip -= question->skip > 0;
        return;
    }
    question->found = true;
    question->answer = strcmp(row->text[1].data, "answer") == 0;
    (void)snprintf(question->id, sizeof question->id, "%s", row->text[0].data);
}

static struct err answer_run(struct tx *tx, struct errand *errand) {
    struct approval_row row;
    struct approval_answer *answer = &errand->what.answer;
    answer->key =
        (struct approval_key){.owner = BYTES(KNOWN_OWNER), .approval = known_bytes(errand->id)};
    return tx_approval_answer(tx, answer, &row, &errand->why);
}

static void answer_done(struct errand *errand, struct err result) {
    const struct decision *before = decision_find(errand->id);
    if (err_failed(result) && !errand_refused(errand, result)) {
        sim_fail(errand->sim, "an answer was refused: %s: %s", err_name(result.code),
                 errand->why.text);
    }
    if (!err_failed(result) && before != NULL) {
        sim_fail(errand->sim, "%s was answered, and is answered again", errand->id);
    }
    if (!err_failed(result) && decision_count < DECISIONS_MAX) {
        struct decision *decision = &decisions[decision_count++];
        decision->verb = errand->what.answer.verb;
        memcpy(decision->approval, errand->id, sizeof decision->approval);
    }
}

static void answer_send(struct sim *sim, const struct question *question) {
    struct errand *errand = errand_new(sim, "answer", NULL);
    memcpy(errand->id, question->id, sizeof errand->id);
    struct approval_answer *answer = &errand->what.answer;
    answer->by = BYTES(KNOWN_OWNER);
    if (question->answer && sim_chance(sim, "answers", 85)) {
        answer->verb = APPROVAL_ANSWER;
        answer->text = BYTES("{\"answer\":\"this\"}");
    } else if (!question->answer && sim_chance(sim, "allow", 70)) {
        answer->verb = APPROVAL_ALLOW;
        answer->text = BYTES("");
    } else {
        answer->verb = APPROVAL_DENY;
        answer->text = sim_chance(sim, "reason", 50) ? BYTES("not \"now\"") : BYTES("");
    }
    errand->run = answer_run;
    errand->done = answer_done;
    errand_send(errand);
}

bool asked_answer(struct sim *sim, uint64_t which) {
    int64_t open = rows_number(sim, "SELECT count(*) FROM approvals WHERE answered_ms IS NULL",
                               NULL, /* otherwise */ 0);
    if (open == 0) {
        return false;
    }
    struct question question = {.skip = (size_t)(which % (uint64_t)open)};
    ask_each(sim, "SELECT approval, kind FROM approvals WHERE answered_ms IS NULL ORDER BY id",
             NULL, question_take, &question);
    answer_send(sim, &question);
    if (sim_chance(sim, "twice", 10)) { /* Somebody else at the same time. */
        answer_send(sim, &question);
    }
    return true;
}

static void approval_answer(struct sim *sim) {
    (void)asked_answer(sim, sim_choose(sim, "which", 1000));
}

/* Somebody whose list is old. */
static void again_late(struct sim *sim, unsigned op) {
    int64_t count = rows_number(sim, "SELECT count(*) FROM approvals", NULL, 0);
    struct question question = {
        .skip = count == 0 ? 0 : (size_t)sim_choose(sim, "which", (uint64_t)count)};
    (void)op; /* An answer makes nothing. */
    ask_each(sim, "SELECT approval, kind FROM approvals ORDER BY id", NULL, question_take,
             &question);
    if (question.found) {
        answer_send(sim, &question);
    }
}

static void approval_answer_again(struct sim *sim) {
    late_plan(sim, again_late);
}

/* --- What must hold --------------------------------------------------------------------------- */

/* Columns: state of the approval, state of the card ("": gone), what the model was told. */
static void decision_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    static const char *const states[] = {
        [APPROVAL_ALLOW] = "allowed", [APPROVAL_DENY] = "denied", [APPROVAL_ANSWER] = "answered"};
    const struct decision *decision = ctx;
    const char *state = states[decision->verb], *card = row->text[1].data;
    if (strcmp(row->text[0].data, state) != 0) {
        sim_fail(sim, "%s was %s, and is %s", decision->approval, state, row->text[0].data);
    }
    if (decision->verb == APPROVAL_DENY && strcmp(card, "succeeded") == 0) {
        sim_fail(sim, "the call that %s asked for was denied, and is performed",
                 decision->approval);
    }
    if (decision->verb == APPROVAL_ANSWER && strcmp(card, "succeeded") == 0 &&
        strstr(row->text[2].data, "this") == NULL) {
        sim_fail(sim, "the answer to %s did not reach the model: %.200s", decision->approval,
                 row->text[2].data);
    }
}

static void rules_check(struct sim *sim) {
    const struct known *known = known_of(sim);
    for (size_t i = 0; i < known->session_count; i++) {
        const struct known_session *session = &known->sessions[i];
        if (session->ruled &&
            rows_number(sim,
                        "SELECT count(*) FROM parts p JOIN messages m ON m.id = p.message"
                        " JOIN sessions s ON s.id = m.session WHERE s.session = $1"
                        " AND p.kind = 'tool' AND p.name = 'write_file' AND p.state = 'succeeded'"
                        " AND p.data LIKE '%file1.txt%'",
                        TEXTS(session->id), 0) > 0) {
            sim_fail(sim, "a rule of %s denies it, and file1.txt was written", session->id);
        }
    }
}

static void approvals_check(struct sim *sim) {
    for (size_t i = 0; i < decision_count; i++) {
        ask_each(sim,
                 "SELECT a.state, coalesce(p.state, ''), coalesce(substr(p.text, 1, 2000), '')"
                 " FROM approvals a LEFT JOIN parts p ON p.message = a.message"
                 " AND p.number = a.part WHERE a.approval = $1",
                 TEXTS(decisions[i].approval), decision_take, &decisions[i]);
    }
    rules_check(sim);
}

static void approvals_begin(struct sim *sim) {
    (void)sim;
    decision_count = 0;
}

static const struct sim_op ops_approvals[] = {
    {"approval_answer", 14, approval_answer},
    {"approval_answer_again", 3, approval_answer_again},
    {NULL, 0, NULL},
};

const struct sim_part part_approvals = {.name = "approvals",
                                        .ops = ops_approvals,
                                        .begin = approvals_begin,
                                        .opened = approvals_check,
                                        .heal = approvals_check,
                                        .end = approvals_check};
