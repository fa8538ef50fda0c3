/* titles.c: see titles.h. */
#include "engine/turn/titles.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/base/settings.h"
#include "engine/budget/rows.h"
#include "engine/trace/spans.h"
#include "engine/trace/usage_totals.h"
#include "engine/turn/rows.h"
#include "rules/session/title.h"

enum { KEY_MAX = 80, SPEC_MAX = 2 << 10 };

/* --- The first words -------------------------------------------------------------------------- */

static struct err read_question(struct tx *tx, int64_t question, struct bytes *ret_text) {
    static const char sql[] = "SELECT text FROM parts WHERE message = $1 AND kind = 'text'"
                              " ORDER BY number LIMIT 1";
    const struct arg args[] = {arg_int(question)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    *ret_text = (struct bytes){"", 0};
    if (err_failed(err) || rows == NULL) {
        return err;
    }
    struct bytes text = rows_text(rows, 0);
    size_t len = utf8_cut(text, TITLE_QUOTE_MAX);
    *ret_text = (struct bytes){arena_try_copy(tx_arena(tx), len == 0 ? "" : text.data, len), len};
    return ret_text->data == NULL ? err_make(ERR_OUT_OF_MEMORY, "titles: question") : ERR_OK;
}

static struct err give(struct tx *tx, const struct session_row *session,
                       const struct title *title) {
    const struct session_key key = {.owner = session->owner, .session = session->session};
    bool given = false;
    return title->len == 0
               ? ERR_OK
               : tx_session_give_title(tx, &key, (struct bytes){title->text, title->len}, &given);
}

static struct err give_words(struct tx *tx, const struct session_row *session, int64_t question) {
    struct bytes text = {"", 0};
    struct err err = read_question(tx, question, &text);
    const struct title title = title_of_words(text);
    return err_failed(err) ? err : give(tx, session, &title);
}

/* --- It begins -------------------------------------------------------------------------------- */

/* One at a time for each session. */
static struct err find_key(struct tx *tx, const struct session_row *session,
                           struct bytes *ret_key) {
    char key[KEY_MAX];
    int len =
        snprintf(key, sizeof key, "title:%.*s", (int)session->session.len, session->session.data);
    assert(len > 0 && (size_t)len < sizeof key); /* Ids are ours. */
    *ret_key = (struct bytes){arena_try_copy(tx_arena(tx), key, (size_t)len), (size_t)len};
    return ret_key->data == NULL ? err_make(ERR_OUT_OF_MEMORY, "titles: key") : ERR_OK;
}

static struct err find_live(struct tx *tx, const struct run_new *what, bool *ret_found) {
    static const char sql[] = "SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
                              " AND kind = 'title' AND ended_ms IS NULL AND run_key <> '' LIMIT 1";
    const struct arg args[] = {arg_text(what->owner), arg_text(what->key)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t found = 0;
    struct err err = runs__int(tx, &ask, &found);
    *ret_found = found != 0;
    return err;
}

/* A turn has one at most, whoever's transaction ends it. */
static struct id id_of(const struct tx *tx, const struct turn *turn) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, "title of ", 9);
    sha256_add(&sha, turn->run.run.data, turn->run.run.len);
    struct sha256 digest = sha256_finish(&sha);
    return id_make("run", tx_now_ms(tx), digest.bytes);
}

static struct err write_spec(struct tx *tx, const struct turn *turn, struct bytes model,
                             struct bytes *ret_spec) {
    AUTO(text_done) struct text spec;
    text_init(&spec, SPEC_MAX);
    text_add_str(&spec, "{\"session\":");
    text_add_json(&spec, turn->session.session.data, turn->session.session.len);
    text_add_str(&spec, ",\"turn\":");
    text_add_json(&spec, turn->run.run.data, turn->run.run.len);
    text_add_str(&spec, ",\"model\":");
    text_add_json(&spec, model.data, model.len);
    text_add_char(&spec, '}');
    char *copy = text_failed(&spec) ? NULL : arena_try_copy(tx_arena(tx), spec.data, spec.len);
    *ret_spec = (struct bytes){copy, spec.len};
    return copy == NULL ? text_error(&spec, "titles: spec") : ERR_OK;
}

/* It stands in line, and whoever hands on what the turn's end frees lets it go. */
static struct err begin(struct tx *tx, const struct turn *turn, struct bytes model,
                        struct run_freed *freed) {
    struct run_new what = {.run = id_of(tx, turn),
                           .owner = turn->session.owner,
                           .parent = {"", 0},
                           .label = BYTES("Title"),
                           .kind = KIND_TITLE,
                           .key_max = 1,
                           .bounds = {.slots = 0, .host = {"", 0}}};
    struct run_row row;
    bool live = false;
    struct err err = find_key(tx, &turn->session, &what.key);
    if (!err_failed(err)) {
        err = find_live(tx, &what, &live);
    }
    if (err_failed(err) || live) {
        return err;
    }
    err = budget__session_path(tx, &turn->session, &what.budget_path);
    if (!err_failed(err)) {
        err = write_spec(tx, turn, model, &what.spec);
    }
    freed->kinds |= 1U << KIND_TITLE;
    return err_failed(err) ? err : tx_run_submit(tx, &what, &row);
}

static bool ended_well(const struct run_row *run) {
    return run->state == RUN_SUCCEEDED || run->state == RUN_DEGRADED;
}

struct err titles__wish(struct tx *tx, const struct turn *turn, struct run_freed *freed) {
    struct settings settings;
    if (turn->session.title_by != TITLE_NONE || turn->row.question == 0 ||
        turn->row.trigger == TRIGGER_NOTICE || turn->run.cause == CAUSE_ROLLED_BACK) {
        return ERR_OK;
    }
    struct err err = tx_settings_read(tx, &settings);
    if (err_failed(err)) {
        return err;
    }
    struct bytes model = settings.title_model.len > 0 ? settings.title_model : turn->row.model;
    return ended_well(&turn->run) && title_is_asked(model)
               ? begin(tx, turn, model, freed)
               : give_words(tx, &turn->session, turn->row.question);
}

/* --- What it is about ------------------------------------------------------------------------- */

struct naming {
    struct run_row turn;
    struct session_row session;
    struct message_row question;
    struct bytes model;
    bool wanted; /* All of them are there, and the session has no title. */
};

static struct err keep(struct tx *tx, const json_t *spec, const char *name,
                       struct bytes *ret_text) {
    const json_t *text = json_object_get(spec, name);
    size_t len = json_string_length(text);
    *ret_text = (struct bytes){
        arena_try_copy(tx_arena(tx), len == 0 ? "" : json_string_value(text), len), len};
    return ret_text->data == NULL ? err_make(ERR_OUT_OF_MEMORY, "titles: spec") : ERR_OK;
}

static struct err find_turn(struct tx *tx, const struct run_row *run, struct bytes name,
                            struct naming *naming) {
    const struct run_key key = {.owner = run->owner, .run = name};
    struct turn_row row;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &naming->turn);
    if (!err_failed(err) && found) {
        err = turns__find(tx, naming->turn.id, &found, &row);
    }
    if (!err_failed(err) && found) {
        err = messages__find_id(tx, row.question, &found, &naming->question);
    }
    if (!err_failed(err)) {
        enum message_status status = found ? naming->question.status : MESSAGE_REMOVED;
        naming->wanted = message_shown(status) && status != MESSAGE_ROLLED_BACK;
    }
    return err;
}

static struct err find_naming(struct tx *tx, const struct run_row *run, struct naming *naming) {
    AUTO(json_release) json_t *spec = NULL;
    struct bytes session, turn;
    bool found = false;
    naming->wanted = false;
    struct err err = json_parse_wrapped(run->spec, &spec, NULL);
    if (!err_failed(err)) {
        err = keep(tx, spec, "session", &session);
    }
    if (!err_failed(err)) {
        err = keep(tx, spec, "turn", &turn);
    }
    if (!err_failed(err)) {
        err = keep(tx, spec, "model", &naming->model);
    }
    if (err_failed(err)) {
        return err;
    }
    const struct session_key key = {.owner = run->owner, .session = session};
    err = tx_session_find(tx, &key, &found, &naming->session);
    if (!err_failed(err) && !found) {
        naming->session.id = 0;
        return ERR_OK;
    }
    err = err_failed(err) ? err : find_turn(tx, run, turn, naming);
    naming->wanted = naming->wanted && naming->session.title_by == TITLE_NONE;
    return err;
}

static struct err find_run(struct tx *tx, const struct title_key *key, bool *ret_late,
                           struct run_row *ret_run) {
    const struct run_key of = {.run = key->run};
    bool found = false;
    struct err err = tx_run_find(tx, &of, &found, ret_run);
    *ret_late = !found || ret_run->kind != KIND_TITLE || ret_run->state != RUN_RUNNING ||
                ret_run->attempt != key->attempt;
    return err;
}

struct err tx_title_find(struct tx *tx, const struct title_key *key, struct title_ask *ret_ask) {
    struct run_row run;
    struct naming naming;
    struct title_ask ask = {.wanted = false};
    struct err err = find_run(tx, key, &ask.late, &run);
    if (!err_failed(err) && !ask.late) {
        err = find_naming(tx, &run, &naming);
    }
    if (err_failed(err) || ask.late || !naming.wanted) {
        *ret_ask = ask;
        return err;
    }
    ask.wanted = true;
    ask.model = naming.model;
    err = read_question(tx, naming.question.id, &ask.question);
    if (!err_failed(err)) {
        err = turns__said(tx, naming.turn.id, &ask.answer);
        ask.answer.len = utf8_cut(ask.answer, TITLE_QUOTE_MAX);
    }
    *ret_ask = ask;
    return err;
}

/* --- Cut off by a crash ----------------------------------------------------------------------- */

struct err tx_title_adopt(struct tx *tx, const struct title_key *key,
                          const struct run_bounds *bounds, struct title_adopted *ret_adopted) {
    struct run_row run;
    struct title_adopted adopted = {.over = false};
    struct err err = find_run(tx, key, &adopted.late, &run);
    *ret_adopted = adopted;
    if (err_failed(err) || adopted.late || run.epoch == tx_epoch(tx)) {
        return err;
    }
    /* Nothing is granted back: the reserve stays for the call that follows. */
    const struct budget_spend spend = {
        .what = BYTES("title"), .granted = amounts_none(), .spent = run.reserve};
    err = tx_budget_spend(tx, &spend, bounds, &run);
    if (!err_failed(err)) {
        err = runs__cut_off(tx, run.epoch, &run, &ret_adopted->over);
    }
    return err_failed(err) ? err : runs__adopt(tx, &run);
}

/* --- It ends ---------------------------------------------------------------------------------- */

/* Told when it is over: a crash leaves nothing of it. */
static struct err add_span(struct tx *tx, const struct run_row *run, const struct title_end *end,
                           struct bytes model) {
    const struct span_key key = {.run = run->id, .attempt = run->attempt, .step = 1};
    const struct span_start start = {.key = key,
                                     .kind = SPAN_MODEL,
                                     .name = model,
                                     .input = {"", 0},
                                     .reserve = {SPAN_UNKNOWN, SPAN_UNKNOWN}};
    const char *cause = run_cause_name(end->cause);
    const char *state = run_state_name(turn_end_state(end->cause));
    const struct usage *usage = &end->usage;
    const struct span_end over = {.key = key,
                                  .state = {state, strlen(state)},
                                  .cause = {cause, strlen(cause)},
                                  .error = end->sentence,
                                  .output = end->said,
                                  .tokens = {.fresh = usage->fresh,
                                             .cache_read = usage->cache_read,
                                             .cache_write = usage->cache_write,
                                             .output = usage->output,
                                             .reasoning = usage->reasoning},
                                  .cost = end->cost.known ? end->cost.micros : SPAN_UNKNOWN,
                                  .estimated = usage->estimated,
                                  .tries = end->tries > 0 ? end->tries : 1,
                                  .exit_code = SPAN_UNKNOWN,
                                  .cpu_us = SPAN_UNKNOWN,
                                  .memory_kb = SPAN_UNKNOWN};
    struct err err = tx_span_start(tx, &start);
    return err_failed(err) ? err : tx_span_end(tx, &over, NULL /* the run is fenced */);
}

static struct err count_usage(struct tx *tx, const struct run_row *run, const struct title_end *end,
                              struct naming *naming) {
    const struct usage *usage = &end->usage;
    const struct session_usage sums = sessions__sums_of(usage, &end->cost);
    struct err err = sessions__add_usage(tx, &sums, &naming->session);
    const struct usage_add add = {.session = &naming->session,
                                  .model = naming->model,
                                  .category = USAGE_TITLE,
                                  .usage = sums};
    if (!err_failed(err)) {
        err = tx_usage_add(tx, &add);
    }
    return err_failed(err) ? err : titles__event_usage(tx, &naming->session, run, end);
}

static struct err charge(struct tx *tx, const struct title_end *end, struct naming *naming,
                         struct run_row *run) {
    const struct budget_spend spend = {.what = BYTES("title"),
                                       .granted = run->reserve,
                                       .spent = turns__amounts(&end->usage, &end->cost)};
    if (!end->asked) {
        run->reserve = amounts_none(); /* Given back with the end of its run. */
        return ERR_OK;
    }
    struct err err = tx_budget_spend(tx, &spend, &end->bounds, run);
    if (!err_failed(err)) {
        err = add_span(tx, run, end, naming->model);
    }
    return err_failed(err) || naming->session.id == 0 ? err : count_usage(tx, run, end, naming);
}

static void judge(const struct title_end *end, const struct title *title, struct run_row *run) {
    enum run_cause cause =
        end->cause == CAUSE_COMPLETED && title->len == 0 ? CAUSE_EMPTY_RESPONSE : end->cause;
    run->cause = cause;
    run->state = turn_end_state(cause);
    run->note = (struct bytes){end->sentence.data, utf8_cut(end->sentence, RUN_NOTE_TEXT_MAX)};
    if (run->stop != CAUSE_NONE && cause != CAUSE_COMPLETED) {
        struct run_verdict verdict = run_judge_stopped(run);
        run->cause = verdict.cause;
        run->state = verdict.state;
    }
}

struct err tx_title_end(struct tx *tx, const struct title_end *end, bool *ret_late) {
    struct run_row run;
    struct naming naming;
    struct run_freed freed = {.kinds = 0};
    struct err err = find_run(tx, &end->key, ret_late, &run);
    if (err_failed(err) || *ret_late) {
        return err;
    }
    err = find_naming(tx, &run, &naming);
    if (!err_failed(err)) {
        err = charge(tx, end, &naming, &run);
    }
    const struct title title =
        title_of_answer(end->cause == CAUSE_COMPLETED ? end->said : (struct bytes){"", 0});
    if (!err_failed(err) && naming.wanted) {
        err = give(tx, &naming.session, &title);
    }
    if (err_failed(err)) {
        return err;
    }
    const struct run_end of_run = {.from = run.state, .output = {"", 0}};
    judge(end, &title, &run);
    err = runs__end(tx, &of_run, &run, &freed);
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, &end->bounds);
}

struct err titles__ended(struct tx *tx, const struct run_row *run, struct run_freed *freed) {
    (void)freed; /* A title holds nothing that others wait for. */
    struct run_row whole;
    struct naming naming;
    bool found = false;
    struct err err = runs__find_id(tx, run->id, &found, &whole);
    if (!err_failed(err) && found) {
        err = find_naming(tx, &whole, &naming);
    }
    return err_failed(err) || !found || !naming.wanted
               ? err
               : give_words(tx, &naming.session, naming.question.id);
}
