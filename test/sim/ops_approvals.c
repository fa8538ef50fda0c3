/* ops_approvals.c: programs of jobs ask, and a person answers what runs ask: once, twice at the
 * same time, or again when all is over; and rules that deny.
 *
 *   asked     the same question of a step again has the same row; with its run it ends
 *   answers   the first one wins, for ever; a later one that differs is refused, and so is one that
 *             does not fit
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
    enum approval_verb verb; /* Of the answer that was acknowledged, */
    struct bytes text;       /* and what it said. Static. */
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

struct question {
    char id[ID_SIZE];
    enum approval_kind kind;
    size_t skip; /* Number of those that stand before it. */
    bool found;
};

/* --- Questions of programs -------------------------------------------------------------------- */

static const struct {
    enum approval_kind kind;
    struct bytes arguments;
} asked[] = {
    {ASKS_CONFIRM, BYTES_INIT("{\"question\":\"sure?\"}")},
    {ASKS_CHOICE, BYTES_INIT("{\"options\":[\"red\",\"blue\"],\"question\":\"which?\"}")},
    {ASKS_FORM, BYTES_INIT("{\"question\":\"n?\",\"schema\":{\"properties\":{\"n\":"
                           "{\"type\":\"integer\"}},\"required\":[\"n\"],"
                           "\"type\":\"object\"}}")},
};
/* As an answer to a choice or a form: none of the options, and no field. */
static const struct bytes misfit_text =
    BYTES_INIT("{\"choice\":\"green\",\"fields\":{\"n\":\"green\"}}");

static struct err ask_run(struct tx *tx, struct errand *errand) {
    struct approval_row row;
    struct approval_asking *asking = &errand->what.ask;
    asking->run = (struct run_key){.owner = BYTES(KNOWN_OWNER), .run = known_bytes(errand->run_id)};
    struct err err = tx_approval_ask(tx, asking, &row, &errand->why);
    if (!err_failed(err)) {
        (void)snprintf(errand->id, sizeof errand->id, "%.*s", (int)row.approval.len,
                       row.approval.data);
    }
    return err;
}

/* The question is stored, unless its run has ended and was removed since. */
static void ask_done(struct errand *errand, struct err result) {
    struct sim *sim = errand->sim;
    if (err_failed(result) && !errand_refused(errand, result)) {
        sim_fail(sim, "a question was refused: %s: %s", err_name(result.code), errand->why.text);
    }
    if (!err_failed(result) &&
        rows_number(sim, "SELECT count(*) FROM approvals WHERE approval = $1", TEXTS(errand->id),
                    1) == 0 &&
        rows_number(sim, "SELECT count(*) FROM runs WHERE run = $1", TEXTS(errand->run_id), 0) >
            0) {
        sim_fail(sim, "%s asked %s, which is not there", errand->run_id, errand->id);
    }
}

static void job_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct question *job = ctx;
    (void)sim;
    if (!job->found && job->skip == 0) {
        job->found = true;
        (void)snprintf(job->id, sizeof job->id, "%s", row->text[0].data);
    }
    job->skip -= job->skip > 0;
}

static void question_ask(struct sim *sim) {
    struct question job = {.skip = (size_t)sim_choose(sim, "job", 3)};
    ask_each(
        sim,
        "SELECT run FROM runs WHERE kind = 'job' AND ended_ms IS NULL AND owner = '" KNOWN_OWNER
        "' ORDER BY id DESC",
        NULL, job_take, &job);
    if (!job.found) {
        return;
    }
    struct errand *errand = errand_new(sim, "ask", NULL);
    const size_t which = (size_t)sim_choose(sim, "kind", COUNT_OF(asked));
    memcpy(errand->run_id, job.id, sizeof errand->run_id);
    errand->what.ask =
        (struct approval_asking){.step = sim_chance(sim, "step", 50) ? BYTES("one") : BYTES("two"),
                                 .kind = asked[which].kind,
                                 .arguments = asked[which].arguments};
    errand->run = ask_run;
    errand->done = ask_done;
    errand_send(errand);
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void question_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct question *question = ctx;
    unsigned kind = 0;
    if (question->found || question->skip > 0) {
        question->skip -= question->skip > 0;
        return;
    }
    question->found = true;
    if (!bytes_find(row->text[1], approval_kind_names, &kind)) {
        sim_fail(sim, "%s is a question of no kind: %s", row->text[0].data, row->text[1].data);
    }
    question->kind = (enum approval_kind)kind;
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
    const struct approval_answer *answer = &errand->what.answer;
    const bool misfit = bytes_equal(answer->text, misfit_text);
    if (misfit && !err_failed(result)) {
        sim_fail(errand->sim, "%s takes an answer that does not fit", errand->id);
    }
    if (err_failed(result) && !errand_refused(errand, result) &&
        !(misfit && result.code == ERR_BAD_FIELD)) {
        sim_fail(errand->sim, "an answer was refused: %s: %s", err_name(result.code),
                 errand->why.text);
    }
    if (!err_failed(result) && before != NULL &&
        (before->verb != answer->verb || !bytes_equal(before->text, answer->text))) {
        sim_fail(errand->sim, "%s was answered, and takes another answer", errand->id);
    }
    if (!err_failed(result) && before == NULL && decision_count < DECISIONS_MAX) {
        struct decision *decision = &decisions[decision_count++];
        decision->verb = answer->verb;
        decision->text = answer->text;
        memcpy(decision->approval, errand->id, sizeof decision->approval);
    }
}

static void answer_choose(struct sim *sim, const struct question *question,
                          struct approval_answer *answer) {
    const bool yes = question->kind == ASKS_LEAVE || question->kind == ASKS_CONFIRM;
    *answer = (struct approval_answer){.by = BYTES(KNOWN_OWNER), .text = BYTES("")};
    if (yes && sim_chance(sim, "allow", 70)) {
        answer->verb = APPROVAL_ALLOW;
    } else if (yes || !sim_chance(sim, "answers", 85)) {
        answer->verb = APPROVAL_DENY;
        answer->text = sim_chance(sim, "reason", 50) ? BYTES("not \"now\"") : BYTES("");
    } else if (question->kind == ASKS_ANSWER) {
        answer->verb = APPROVAL_ANSWER;
        answer->text = BYTES("{\"answer\":\"this\"}");
    } else if (sim_chance(sim, "misfit", 15)) {
        answer->verb = question->kind == ASKS_FORM ? APPROVAL_FIELDS : APPROVAL_CHOICE;
        answer->text = misfit_text;
    } else if (question->kind == ASKS_FORM) {
        answer->verb = APPROVAL_FIELDS;
        answer->text = sim_chance(sim, "one", 50) ? BYTES("{\"fields\":{\"n\":1}}")
                                                  : BYTES("{\"fields\":{\"n\":2}}");
    } else {
        answer->verb = APPROVAL_CHOICE;
        answer->text = sim_chance(sim, "red", 50) ? BYTES("{\"choice\":\"red\"}")
                                                  : BYTES("{\"choice\":\"blue\"}");
    }
}

static void answer_send(struct sim *sim, const struct question *question) {
    struct errand *errand = errand_new(sim, "answer", NULL);
    memcpy(errand->id, question->id, sizeof errand->id);
    answer_choose(sim, question, &errand->what.answer);
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

/* Columns: state of the approval, state of the card ("": gone, or none), what the model was told,
 * and the answer. */
static void decision_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    static const char *const states[] = {[APPROVAL_ALLOW] = "allowed",
                                         [APPROVAL_DENY] = "denied",
                                         [APPROVAL_ANSWER] = "answered",
                                         [APPROVAL_CHOICE] = "answered",
                                         [APPROVAL_FIELDS] = "answered"};
    const struct decision *decision = ctx;
    const char *state = states[decision->verb], *card = row->text[1].data;
    if (strcmp(row->text[0].data, state) != 0) {
        sim_fail(sim, "%s was %s, and is %s", decision->approval, state, row->text[0].data);
    }
    if (!bytes_equal(row->text[3], decision->text)) {
        sim_fail(sim, "%s was answered with %s, and has %s", decision->approval,
                 decision->text.data, row->text[3].data);
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
                 "SELECT a.state, coalesce(p.state, ''), coalesce(substr(p.text, 1, 2000), ''),"
                 " a.answer FROM approvals a LEFT JOIN parts p ON p.message = a.message"
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
    {"question_ask", 5, question_ask},
    {NULL, 0, NULL},
};

const struct sim_part part_approvals = {.name = "approvals",
                                        .ops = ops_approvals,
                                        .begin = approvals_begin,
                                        .opened = approvals_check,
                                        .heal = approvals_check,
                                        .end = approvals_check};
