/* step_turn.c: a step whose agent has tools: a session, and the turn of it that is the step's.
 *
 * Both are made in the commit that begins the step, and the turn is performed like any other. The
 * session is put away at once, so that the lists of what people talk to stay theirs; it can be read
 * there like every other. */
#include "engine/workflow/step_turn.h"

#include <string.h>

#include "engine/turn/cards.h"
#include "engine/workflow/rows.h"

static struct bytes id_text(const struct id *id) {
    return bytes_of(id->text);
}

static struct err make_session(struct tx *tx, const struct step_new *step,
                               struct session_row *ret_session) {
    const struct step_talk *talk = step->talk;
    const struct session_new what = {.session = talk->session,
                                     .owner = step->place.owner,
                                     .parent = {"", 0},
                                     .project = talk->project,
                                     .title = talk->title,
                                     .model = step->model,
                                     .root = talk->root,
                                     .instructions = talk->instructions,
                                     .settings = talk->settings};
    struct err err = tx_session_create(tx, &what, ret_session);
    if (err_failed(err)) {
        return err;
    }
    const struct session_change away = {
        .key = {.owner = step->place.owner, .session = ret_session->session},
        .archive = SESSION_ARCHIVE};
    return tx_session_change(tx, &away, ret_session);
}

/* It stays as long as its step does, and is found by it: see STEP_TURN_KEY. */
static struct err mark_turn(struct tx *tx, const struct id *turn) {
    const struct arg args[] = {arg_text(id_text(turn)), arg_text(BYTES(STEP_TURN_KEY))};
    return tx_exec(tx, "UPDATE runs SET step_key = $2 WHERE run = $1", args, COUNT_OF(args),
                   NULL /* one row, always */);
}

struct err steps__begin_talk(struct tx *tx, const struct step_new *step) {
    const struct step_talk *talk = step->talk;
    struct session_row session;
    struct turn_accepted accepted;
    struct err err = make_session(tx, step, &session);
    if (err_failed(err)) {
        return err;
    }
    const struct turn_message message = {
        .session = {.owner = step->place.owner, .session = id_text(&talk->session)},
        .text = step->prompt,
        .schema = talk->schema,
        .model_default = step->model,
        .policy = TURN_ENQUEUE,
        .parent = id_text(&step->run),
        .calls_max = talk->calls_max,
        .run = talk->turn,
        .message = talk->message,
        .answer = talk->answer,
        .bounds = step->bounds};
    struct why why = {""};
    err = tx_turn_submit(tx, &message, &accepted, &why);
    return err_failed(err) ? err : mark_turn(tx, &talk->turn);
}

/* --- What it used ----------------------------------------------------------------------------- */

/* Sums of the sessions of all its turns: each restart made another one. */
static struct err sum_sessions(struct tx *tx, struct bytes step, struct step_used *ret_used) {
    static const char sql[] =
        "SELECT CAST(COALESCE(sum(s.fresh), 0) AS BIGINT),"
        " CAST(COALESCE(sum(s.cache_read), 0) AS BIGINT),"
        " CAST(COALESCE(sum(s.cache_write), 0) AS BIGINT),"
        " CAST(COALESCE(sum(s.output), 0) AS BIGINT),"
        " CAST(COALESCE(sum(s.reasoning), 0) AS BIGINT),"
        " CAST(COALESCE(sum(s.cost_micros), 0) AS BIGINT),"
        " CAST(COALESCE(sum(s.cost_unknown), 0) AS BIGINT)"
        " FROM runs r JOIN turns t ON t.run = r.id JOIN sessions s ON s.id = t.session"
        " WHERE r.parent = (SELECT id FROM runs WHERE run = $1) AND r.step_key = $2";
    const struct arg args[] = {arg_text(step), arg_text(BYTES(STEP_TURN_KEY))};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        assert(rows != NULL); /* Sums always come as one row. */
        ret_used->usage = (struct usage){.fresh = rows_int(rows, 0),
                                         .cache_read = rows_int(rows, 1),
                                         .cache_write = rows_int(rows, 2),
                                         .output = rows_int(rows, 3),
                                         .reasoning = rows_int(rows, 4)};
        ret_used->cost =
            (struct usage_cost){.known = rows_int(rows, 6) == 0, .micros = rows_int(rows, 5)};
    }
    return err;
}

static struct err find_calling(struct tx *tx, struct bytes step, int64_t *ret_turn) {
    static const char sql[] = "SELECT r.id FROM runs r JOIN turns t ON t.run = r.id"
                              " WHERE r.parent = (SELECT id FROM runs WHERE run = $1)"
                              " AND r.step_key = $2 AND r.ended_ms IS NULL AND t.call <> 0"
                              " ORDER BY r.id DESC LIMIT 1";
    const struct arg args[] = {arg_text(step), arg_text(BYTES(STEP_TURN_KEY))};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_turn);
}

/* A step that was skipped, or whose time is over, ends before its turn does: the call that is out
 * then counts by the text that its stream has. */
static struct err add_call(struct tx *tx, int64_t run, struct step_used *io_used) {
    AUTO(turns__said_done) struct turn_said said = {.text = {0}};
    struct turn turn = {.run = {.id = run}};
    bool found = false;
    struct err err = turns__load_rest(tx, &turn, &found);
    if (err_failed(err) || !found) {
        return err;
    }
    err = turns__hear(tx, &turn.session, &turn.row, &said);
    const struct usage call =
        usage_estimate(/* input_bytes */ 0, said.text.len + said.thinking.len);
    usage_add(&io_used->usage, &call);
    return err;
}

struct err steps__talk_used(struct tx *tx, struct bytes step, struct step_used *ret_used) {
    struct step_used used = {.cost = {.known = true}};
    int64_t turn = 0;
    struct err err = sum_sessions(tx, step, &used);
    if (!err_failed(err)) {
        err = find_calling(tx, step, &turn);
    }
    if (!err_failed(err) && turn != 0) {
        err = add_call(tx, turn, &used);
    }
    if (!err_failed(err)) {
        *ret_used = used;
    }
    return err;
}

/* --- What it came to -------------------------------------------------------------------------- */

/* A budget has ended it: its own, or one above. What its time is worth is no question here. */
static struct err look_at_own(struct tx *tx, int64_t step, enum run_cause *io_cause) {
    static const char sql[] = "SELECT count(*) FROM budgets WHERE run = $1"
                              " AND (output_tokens_spent >= output_tokens_max"
                              " OR tokens_spent >= tokens_max OR cost_micros_spent >= "
                              "cost_micros_max)";
    const struct arg args[] = {arg_int(step)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t used_up = 0;
    struct err err = *io_cause == CAUSE_BUDGET ? runs__int(tx, &ask, &used_up) : ERR_OK;
    *io_cause = used_up > 0 ? CAUSE_AGENT_BUDGET : *io_cause;
    return err;
}

struct err tx_step_talked(struct tx *tx, struct bytes turn, struct step_talked *ret_talked) {
    const struct run_key key = {.run = turn};
    struct step_talked talked = {.said = {"", 0}, .note = {"", 0}};
    struct run_row row;
    struct turn_row of_turn;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &talked.found, &row);
    if (!err_failed(err) && talked.found) {
        found = turns__find(tx, row.id, &of_turn);
        err = tx_error(tx);
    }
    if (err_failed(err) || !talked.found) {
        *ret_talked = talked;
        return err;
    }
    talked.ended = run_state_final(row.state);
    talked.state = row.state;
    talked.resume_at_ms = run_resume_at_ms(&row);
    talked.cause = row.cause;
    talked.note = row.note;
    if (talked.ended) {
        err = turns__said(tx, row.id, &talked.said);
    }
    if (!err_failed(err)) {
        err = look_at_own(tx, row.parent, &talked.cause);
    }
    if (!err_failed(err) && found) {
        struct run_time time;
        err = runs__time(tx, &row, row.state, &time);
        talked.waited_ms = time.waited_ms;
    }
    *ret_talked = talked;
    return err;
}
