/* titles.c: see titles.h. */
#include "engine/turn/titles.h"

#include "base/hash.h"
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/base/settings.h"
#include "engine/budget/rows.h"
#include "engine/turn/record.h"
#include "rules/session/title.h"

enum { SPEC_MAX = 2 << 10 };

/* --- The first words -------------------------------------------------------------------------- */

/* Beginning of the question's text, in the arena. */
static struct bytes question_text(struct tx *tx, int64_t question) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT text FROM parts WHERE message = $1 AND kind = 'text'"
                               " ORDER BY number LIMIT 1",
                               ARGS(arg_int(question)));
    struct bytes text = rows == NULL ? BYTES("") : rows_text(rows, 0);
    return tx_copy(tx, (struct bytes){text.data, utf8_cut(text, TITLE_QUOTE_MAX)});
}

static struct err title_give(struct tx *tx, const struct session_row *session,
                             const struct title *title) {
    const struct session_key key = {session->owner, session->session};
    bool given = false;
    return tx_session_give_title(tx, &key, (struct bytes){title->text, title->len}, &given);
}

static struct err title_give_words(struct tx *tx, const struct session_row *session,
                                   int64_t question) {
    const struct title title = title_of_words(question_text(tx, question));
    return title_give(tx, session, &title);
}

/* --- It begins -------------------------------------------------------------------------------- */

/* Submits the run, unless the session has one: one at a time. It is queued, and admitted with what
 * the turn's end frees. The id is made of the turn's, which has at most one title, whichever
 * transaction ends it. */
static struct err title_submit(struct tx *tx, const struct turn *turn, struct bytes model,
                               struct run_freed *freed) {
    const struct bytes session = turn->session.session;
    AUTO(text_done) struct text key = {.size_max = SPEC_MAX};
    AUTO(text_done) struct text spec = {.size_max = SPEC_MAX};
    text_addf(&key, "title:%.*s", (int)session.len, session.data);
    text_add_char(&spec, '{');
    text_add_member(&spec, "session", session);
    text_add_member(&spec, "turn", turn->run.run);
    text_add_member(&spec, "model", model);
    text_add_char(&spec, '}');
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, "title of ", 9);
    sha256_add(&sha, turn->run.run.data, turn->run.run.len);
    const struct sha256 digest = sha256_finish(&sha);
    struct run_new what = {.run = id_make("run", tx_now_ms(tx), digest.bytes),
                           .owner = turn->session.owner,
                           .parent = BYTES(""),
                           .own_key = tx_copy_text(tx, &key, "titles: key"),
                           .label = BYTES("Title"),
                           .spec = tx_copy_text(tx, &spec, "titles: spec"),
                           .kind = KIND_TITLE,
                           .key_max = 1,
                           .bounds = {.slots = 0, .host = {"", 0}}};
    const bool live = tx_number(tx,
                                "SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
                                " AND kind = 'title' AND ended_ms IS NULL AND run_key <> ''"
                                " LIMIT 1",
                                ARGS(arg_text(what.owner), arg_text(what.own_key))) != 0;
    if (live || err_failed(tx_error(tx))) {
        return tx_error(tx);
    }
    struct run_row row;
    struct err err = budget__session_path(tx, &turn->session, &what.budget_path);
    freed->kinds |= 1U << KIND_TITLE;
    return err_failed(err) ? err : tx_run_submit(tx, &what, &row);
}

struct err titles__wish(struct tx *tx, const struct turn *turn, struct run_freed *freed) {
    struct settings settings;
    if (turn->session.title_by != TITLE_NONE || turn->row.question == 0 ||
        turn->row.trigger == TRIGGER_NOTICE || turn->run.cause == CAUSE_ROLLED_BACK) {
        return ERR_OK;
    }
    TRY(tx_settings_read(tx, &settings));
    const struct bytes model =
        settings.title_model.len > 0 ? settings.title_model : turn->row.model;
    const bool well = turn->run.state == RUN_SUCCEEDED || turn->run.state == RUN_DEGRADED;
    /* A program that answers is no model that could be asked. */
    const bool program = settings.title_model.len == 0 && turn->session.program.len > 0;
    return well && !program && title_is_asked(model)
               ? title_submit(tx, turn, model, freed)
               : title_give_words(tx, &turn->session, turn->row.question);
}

/* --- What it is about ------------------------------------------------------------------------- */

struct naming {
    int64_t turn;               /* id of its run. */
    struct session_row session; /* id 0: it is gone. */
    int64_t question;
    struct bytes model;
    bool wanted; /* All of them are there, and the session has no title. */
};

static struct err naming_find(struct tx *tx, const struct run_row *run, struct naming *naming) {
    AUTO(json_release) json_t *spec = NULL;
    struct run_row turn;
    struct turn_row row;
    struct message_row question;
    bool found = false;
    *naming = (struct naming){.wanted = false};
    struct err err = json_parse_wrapped(run->spec, &spec, NULL);
    if (err_failed(err)) {
        return err;
    }
    const struct session_key session = {run->owner, json_bytes(spec, "session")};
    const struct run_key of_turn = {run->owner, json_bytes(spec, "turn")};
    naming->model = tx_copy(tx, json_bytes(spec, "model"));
    if (sessions__find(tx, &session, &naming->session)) {
        err = tx_run_find(tx, &of_turn, &found, &turn);
    }
    if (err_failed(err) || !found || !turns__find(tx, turn.id, &row)) {
        return err_failed(err) ? err : tx_error(tx);
    }
    naming->turn = turn.id;
    naming->question = row.question;
    naming->wanted = messages__find_id(tx, row.question, &question) &&
                     message_shown(question.status) && question.status != MESSAGE_ROLLED_BACK &&
                     naming->session.title_by == TITLE_NONE;
    return tx_error(tx);
}

/* False: the run has ended, or is in another attempt. */
static bool title_run_load(struct tx *tx, const struct title_key *key, struct run_row *ret_run) {
    return runs__load(tx, key->run, ret_run) && ret_run->kind == KIND_TITLE &&
           ret_run->state == RUN_RUNNING && ret_run->attempt == key->attempt;
}

struct err tx_title_find(struct tx *tx, const struct title_key *key, struct title_ask *ret_ask) {
    struct run_row run;
    struct naming naming;
    *ret_ask = (struct title_ask){.late = !title_run_load(tx, key, &run)};
    if (ret_ask->late || err_failed(tx_fail(tx, naming_find(tx, &run, &naming))) ||
        !naming.wanted) {
        return tx_error(tx);
    }
    ret_ask->wanted = true;
    ret_ask->model = naming.model;
    ret_ask->question = question_text(tx, naming.question);
    tx_fail(tx, turns__said(tx, naming.turn, &ret_ask->answer));
    ret_ask->answer.len = utf8_cut(ret_ask->answer, TITLE_QUOTE_MAX);
    return tx_error(tx);
}

/* --- Cut off by a crash ----------------------------------------------------------------------- */

struct err tx_title_adopt(struct tx *tx, const struct title_key *key,
                          const struct run_bounds *bounds, struct title_adopted *ret_adopted) {
    struct run_row run;
    *ret_adopted = (struct title_adopted){.late = !title_run_load(tx, key, &run)};
    if (ret_adopted->late || run.epoch == tx_epoch(tx)) {
        return tx_error(tx);
    }
    /* Nothing is granted back: the reserve stays for the call that follows. */
    const struct budget_spend spend = {
        .what = BYTES("title"), .granted = amounts_none(), .spent = run.reserve};
    tx_fail(tx, tx_budget_spend(tx, &spend, bounds, &run));
    ret_adopted->over = runs__cut_off(tx, run.epoch, &run);
    tx_fail(tx, runs__adopt(tx, &run));
    return tx_error(tx);
}

/* --- It ends ---------------------------------------------------------------------------------- */

/* Charges the call to the budgets, and to the sums of the session, if there still is one. Its span
 * is written now, when the call is over: a crash leaves nothing of it. */
static void call_charge(struct tx *tx, const struct title_end *end, struct naming *naming,
                        struct run_row *run) {
    const struct budget_spend spend = {.what = BYTES("title"),
                                       .granted = run->reserve,
                                       .spent = turns__amounts(&end->usage, &end->cost)};
    const struct call_span span = {.run = run,
                                   .step = 1,
                                   .kind = SPAN_MODEL,
                                   .category = USAGE_TITLE,
                                   .model = naming->model,
                                   .usage = &end->usage,
                                   .cost = &end->cost,
                                   .cause = end->cause,
                                   .sentence = end->sentence,
                                   .output = end->said,
                                   .tries = end->tries};
    tx_fail(tx, tx_budget_spend(tx, &spend, &end->bounds, run));
    calls__span(tx, &span);
    if (naming->session.id != 0) {
        AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
        text_add_char(&data, '{');
        text_add_member(&data, "run", run->run); /* No message of the session is its own. */
        text_add_member_bool(&data, "title", true);
        calls__count(tx, &naming->session, &span);
        turns__event_usage(tx, &naming->session, &end->usage, &end->cost, &data);
    }
}

struct err tx_title_end(struct tx *tx, const struct title_end *end, bool *ret_late) {
    struct run_row run;
    struct naming naming;
    struct run_freed freed = {.kinds = 0};
    *ret_late = !title_run_load(tx, &end->key, &run);
    if (*ret_late || err_failed(tx_fail(tx, naming_find(tx, &run, &naming)))) {
        return tx_error(tx);
    }
    if (end->asked) {
        call_charge(tx, end, &naming, &run);
    } else {
        run.reserve = amounts_none(); /* Given back with the end of its run. */
    }
    const struct title title =
        title_of_answer(end->cause == CAUSE_COMPLETED ? end->said : BYTES(""));
    if (naming.wanted) {
        tx_fail(tx, title_give(tx, &naming.session, &title));
    }
    TRY(tx_error(tx));
    const struct run_end of_run = {.from = run.state, .output = BYTES("")};
    run.cause = end->cause == CAUSE_COMPLETED && title.len == 0 ? CAUSE_EMPTY_RESPONSE : end->cause;
    run.state = turn_end_state(run.cause);
    run.note = (struct bytes){end->sentence.data, utf8_cut(end->sentence, RUN_NOTE_TEXT_MAX)};
    if (run.stop != CAUSE_NONE && run.cause != CAUSE_COMPLETED) {
        const struct run_verdict verdict = run_judge_stopped(&run);
        run.cause = verdict.cause;
        run.state = verdict.state;
    }
    struct err err = runs__end(tx, &of_run, &run, &freed);
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, &end->bounds);
}

struct err titles__ended(struct tx *tx, const struct run_row *run, struct run_freed *freed) {
    (void)freed; /* A title holds nothing that others wait for. */
    struct run_row whole;
    struct naming naming = {.wanted = false};
    bool found = false;
    struct err err = runs__find_id(tx, run->id, &found, &whole);
    if (!err_failed(err) && found) {
        err = naming_find(tx, &whole, &naming);
    }
    return err_failed(err) || !naming.wanted
               ? err
               : title_give_words(tx, &naming.session, naming.question);
}
