/* step_turn.c: a step whose agent has tools: a session, and the turn of it that is the step's.
 *
 * Both are made in the commit that begins the step, and the turn is performed like any other. The
 * session is archived at once, so that the lists of what people talk to stay theirs; it can be read
 * there like every other. */
#include <string.h>

#include "engine/turn/cards.h"
#include "engine/workflow/rows.h"

struct err steps__begin_talk(struct tx *tx, const struct step_new *step) {
    const struct step_talk *talk = step->talk;
    const struct bytes run = bytes_of(talk->turn.text);
    const struct session_new what = {.session = talk->session,
                                     .owner = step->place.owner,
                                     .parent = {"", 0},
                                     .project = talk->project,
                                     .title = talk->title,
                                     .model = step->model,
                                     .root = talk->root,
                                     .instructions = talk->instructions,
                                     .settings = talk->settings};
    const struct session_key key = {.owner = step->place.owner,
                                    .session = bytes_of(talk->session.text)};
    const struct session_change away = {.key = key, .archive = SESSION_ARCHIVE};
    const struct turn_message message = {.session = key,
                                         .text = step->prompt,
                                         .schema = talk->schema,
                                         .model_default = step->model,
                                         .policy = TURN_ENQUEUE,
                                         .parent = bytes_of(step->run.text),
                                         .calls_max = talk->calls_max,
                                         .run = talk->turn,
                                         .message = talk->message,
                                         .answer = talk->answer,
                                         .bounds = step->bounds};
    struct session_row session;
    struct turn_accepted accepted;
    struct why why = {""};
    struct err err = tx_session_create(tx, &what, &session);
    if (!err_failed(err)) {
        err = tx_session_change(tx, &away, &session);
    }
    if (!err_failed(err)) {
        err = tx_turn_submit(tx, &message, &accepted, &why);
    }
    if (err_failed(err)) {
        return err;
    }
    /* It stays as long as its step does, and is found by it: see STEP_TURN_KEY. */
    tx_do(tx, "UPDATE runs SET step_key = $2 WHERE run = $1",
          ARGS(arg_text(run), arg_str(STEP_TURN_KEY)));
    return tx_error(tx);
}

/* --- Usage ------------------------------------------------------------------------------------ */

#define TURNS_OF_STEP                                                                              \
    " FROM runs r JOIN turns t ON t.run = r.id JOIN sessions s ON s.id = t.session"                \
    " WHERE r.parent = (SELECT id FROM runs WHERE run = $1) AND r.step_key = $2"

/* Sums of the sessions of all its turns: each restart made another one. A step that was skipped, or
 * whose time is over, ends before its turn does: the call that is out then counts by the text that
 * its stream has. */
void steps__talk_used(struct tx *tx, struct bytes step, struct usage *io_usage,
                      struct usage_cost *io_cost) {
    static const char sums[] = "SELECT CAST(COALESCE(sum(s.fresh), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.cache_read), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.cache_write), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.output), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.reasoning), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.cost_micros), 0) AS BIGINT),"
                               " CAST(COALESCE(sum(s.cost_unknown), 0) AS BIGINT)" TURNS_OF_STEP;
    static const char calling[] =
        "SELECT r.id" TURNS_OF_STEP
        " AND r.ended_ms IS NULL AND t.call <> 0 ORDER BY r.id DESC LIMIT 1";
    const struct arg args[] = {arg_text(step), arg_str(STEP_TURN_KEY)};
    AUTO(rows_release) struct rows *rows = tx_row(tx, sums, args, COUNT_OF(args));
    if (rows == NULL) {
        return;
    }
    *io_usage = (struct usage){.fresh = rows_int(rows, 0),
                               .cache_read = rows_int(rows, 1),
                               .cache_write = rows_int(rows, 2),
                               .output = rows_int(rows, 3),
                               .reasoning = rows_int(rows, 4)};
    *io_cost = (struct usage_cost){.known = rows_int(rows, 6) == 0, .micros = rows_int(rows, 5)};
    rows_release(&rows);

    AUTO(turns__said_done) struct turn_said said = {.text = {0}};
    struct turn turn = {.run = {.id = tx_number(tx, calling, args, COUNT_OF(args), 0)}};
    if (turn.run.id == 0 || !turns__load_rest(tx, &turn)) {
        return;
    }
    tx_fail(tx, turns__hear(tx, &turn.session, &turn.row, &said));
    const struct usage call =
        usage_estimate(/* input_bytes */ 0, said.text.len + said.thinking.len);
    usage_add(io_usage, &call);
}

/* --- What it came to -------------------------------------------------------------------------- */

struct err tx_step_talked(struct tx *tx, struct bytes turn, struct step_talked *ret_talked) {
    /* A budget of the step's own that is used up; the worth of its time is no question here. */
    static const char own[] = "SELECT count(*) FROM budgets WHERE run = $1"
                              " AND (output_tokens_spent >= output_tokens_max"
                              " OR tokens_spent >= tokens_max OR cost_micros_spent >="
                              " cost_micros_max)";
    struct run_row row;
    struct turn_row of_turn;
    *ret_talked = (struct step_talked){.said = {"", 0}, .note = {"", 0}};
    ret_talked->found = runs__load(tx, turn, &row);
    if (!ret_talked->found) {
        return tx_error(tx);
    }
    ret_talked->ended = run_state_final(row.state);
    ret_talked->state = row.state;
    ret_talked->resume_at_ms = run_resume_at_ms(&row);
    ret_talked->cause = row.cause;
    ret_talked->note = row.note;
    if (ret_talked->ended) {
        tx_fail(tx, turns__said(tx, row.id, &ret_talked->said));
    }
    if (row.cause == CAUSE_BUDGET && tx_number(tx, own, ARGS(arg_int(row.parent)), 0) > 0) {
        ret_talked->cause = CAUSE_AGENT_BUDGET;
    }
    if (turns__find(tx, row.id, &of_turn)) {
        struct run_time time = {.waited_ms = 0};
        tx_fail(tx, runs__time(tx, &row, row.state, &time));
        ret_talked->waited_ms = time.waited_ms;
    }
    return tx_error(tx);
}
