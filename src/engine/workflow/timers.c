/* timers.c: see timers.h. */
#include "engine/workflow/timers.h"

#include "base/text.h"
#include "engine/workflow/rows.h"

/* --- Events ----------------------------------------------------------------------------------- */

static void timer_add_about(struct text *text, const struct timer_row *row) {
    step_key_add(text, &row->key);
    text_add_member_int(text, "timer", row->number);
    text_add_member(text, "kind", BYTES("timer"));
    text_add_member(text, "name", bytes_of(timer_kind_names[row->kind]));
    text_add_member_int(text, "due_ms", row->due_ms);
}

static struct err timer_event(struct tx *tx, const struct workflow_place *place,
                              const struct timer_row *row) {
    const bool pending = row->state == TIMER_PENDING;
    AUTO(text_done) struct text data = text_up_to(WORKFLOW_EVENT_MAX);
    text_add_char(&data, '{');
    timer_add_about(&data, row);
    if (pending) {
        steps__add_place(&data, &row->at);
    } else {
        text_add_member(&data, "state", bytes_of(timer_state_names[row->state]));
        text_add_member_bool(&data, "cached", row->cached);
        text_add_member_int(&data, "ms", row->ended_ms - row->made_ms);
    }
    text_add_char(&data, '}');
    return workflows__event(tx, place, pending ? "timer_started" : "timer_finished", &data,
                            WORKFLOW_GOES_ON);
}

/* --- It begins -------------------------------------------------------------------------------- */

struct err tx_timer_begin(struct tx *tx, const struct timer_new *timer,
                          struct timer_made *ret_made) {
    static const char next[] =
        "SELECT (SELECT COALESCE(max(number), 0) + 1 FROM workflow_timers WHERE run = $1),"
        " CASE WHEN $3 = 1 THEN " WORKFLOW_NEXT_DONE(
            "$1") " ELSE 0 END FROM runs WHERE id = $1"
                  " AND state IN ('running', 'waiting') AND stop = '' AND epoch = $2";
    static const char insert[] =
        "INSERT INTO workflow_timers (run, number, step_key, occurrence, done_no, kind, state,"
        " cached, made_ms, due_ms, ended_ms, line, place_column, file)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    const int64_t now_ms = tx_now_ms(tx);
    struct timer_row row = {.key = timer->key,
                            .kind = timer->kind,
                            .state = timer->cached ? TIMER_FIRED : TIMER_PENDING,
                            .made_ms = now_ms,
                            .due_ms = now_ms + (timer->cached ? 0 : timer->delay_ms),
                            .ended_ms = timer->cached ? now_ms : 0,
                            .cached = timer->cached,
                            .at = timer->at};
    AUTO(rows_release)
    struct rows *rows = tx_row(
        tx, next,
        ARGS(arg_int(timer->place.id), arg_int(tx_epoch(tx)), arg_int(timer->cached ? 1 : 0)));
    *ret_made = (struct timer_made){.late = rows == NULL};
    if (rows == NULL) {
        return tx_error(tx);
    }
    row.number = rows_int(rows, 0);
    row.done_no = rows_int(rows, 1);
    rows_release(&rows);
    tx_do(tx, insert,
          ARGS(arg_int(timer->place.id), arg_int(row.number), arg_text(row.key.hash),
               arg_int(row.key.occurrence), arg_int(row.done_no),
               arg_str(timer_kind_names[row.kind]), arg_str(timer_state_names[row.state]),
               arg_int(row.cached ? 1 : 0), arg_int(row.made_ms), arg_int(row.due_ms),
               timer->cached ? arg_int(row.ended_ms) : arg_null(), arg_int(row.at.line),
               arg_int(row.at.column), arg_text(row.at.file)));
    *ret_made =
        (struct timer_made){.number = row.number, .made_ms = row.made_ms, .due_ms = row.due_ms};
    tx_fail(tx, timer_event(tx, &timer->place, &row));
    return tx_error(tx);
}

/* --- It ends ---------------------------------------------------------------------------------- */

/* The pending timer of a run that this daemon performs; false: there is none. */
static bool timer_load(struct tx *tx, const struct timer_end *end, struct timer_row *ret_row,
                       bool *ret_paused) {
    static const char sql[] =
        "SELECT t.step_key, t.occurrence, t.kind, t.made_ms, t.due_ms, r.state"
        " FROM workflow_timers t JOIN runs r ON r.id = t.run WHERE t.run = $1 AND t.number = $2"
        " AND t.state = 'pending' AND r.state IN ('running', 'waiting') AND r.stop = ''"
        " AND r.epoch = $3";
    unsigned kind = TIMER_SLEEP;
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, sql, ARGS(arg_int(end->place.id), arg_int(end->number), arg_int(tx_epoch(tx))));
    if (rows == NULL) {
        return false;
    }
    (void)bytes_find(rows_text(rows, 2), timer_kind_names, &kind); /* A damaged word: a sleep. */
    *ret_row = (struct timer_row){.key = {rows_copy(rows, 0), rows_int(rows, 1)},
                                  .number = end->number,
                                  .kind = (enum timer_kind)kind,
                                  .state = end->state,
                                  .made_ms = rows_int(rows, 3),
                                  .due_ms = rows_int(rows, 4)};
    *ret_paused = bytes_is(rows_text(rows, 5), "waiting");
    return true;
}

struct err tx_timer_end(struct tx *tx, const struct timer_end *end, enum timer_ended *ret_ended) {
    static const char sql[] =
        "UPDATE workflow_timers SET state = $3, ended_ms = $4,"
        " done_no = " WORKFLOW_NEXT_DONE("$1") " WHERE run = $1 AND number = $2";
    struct timer_row row;
    bool paused = false;
    assert(end->state == TIMER_FIRED || end->state == TIMER_CLEARED);
    *ret_ended = TIMER_LATE;
    if (!timer_load(tx, end, &row, &paused)) {
        return tx_error(tx);
    }
    if (paused && end->state == TIMER_FIRED) {
        *ret_ended = TIMER_HELD;
        return tx_error(tx);
    }
    row.ended_ms = tx_now_ms(tx) > row.made_ms ? tx_now_ms(tx) : row.made_ms;
    tx_do(tx, sql,
          ARGS(arg_int(end->place.id), arg_int(end->number), arg_str(timer_state_names[end->state]),
               arg_int(row.ended_ms)));
    *ret_ended = TIMER_ENDED;
    tx_fail(tx, timer_event(tx, &end->place, &row));
    return tx_error(tx);
}

void timers__cancel(struct tx *tx, int64_t workflow) {
    tx_do(tx,
          "UPDATE workflow_timers SET state = 'cancelled',"
          " ended_ms = CASE WHEN made_ms > $2 THEN made_ms ELSE $2 END"
          " WHERE run = $1 AND done_no = 0 AND state = 'pending'",
          ARGS(arg_int(workflow), arg_int(tx_now_ms(tx))));
}

int64_t timers__forget(struct tx *tx, int64_t workflow, int64_t limit) {
    return tx_change(tx,
                     "DELETE FROM workflow_timers WHERE run = $1 AND number IN"
                     " (SELECT number FROM workflow_timers WHERE run = $1"
                     " ORDER BY number DESC LIMIT $2)",
                     ARGS(arg_int(workflow), arg_int(limit)));
}

/* --- Read ------------------------------------------------------------------------------------- */

#define TIMER_COLUMNS                                                                              \
    "SELECT number, step_key, occurrence, done_no, kind, state, cached, made_ms, due_ms,"          \
    " ended_ms, line, place_column, file FROM workflow_timers"

static struct err timers_walk(struct tx *tx, struct rows *rows,
                              struct err (*each)(void *ctx, const struct timer_row *row),
                              void *ctx) {
    struct err err = ERR_OK;
    while (!err_failed(err) && rows_step(rows)) {
        unsigned kind = 0, state = 0;
        if (!bytes_find(rows_text(rows, 4), timer_kind_names, &kind) ||
            !bytes_find(rows_text(rows, 5), timer_state_names, &state)) {
            return err_make(ERR_STORE_CORRUPT, "timers: a word of a row");
        }
        const struct timer_row row = {.number = rows_int(rows, 0),
                                      .key = {rows_text(rows, 1), rows_int(rows, 2)},
                                      .done_no = rows_int(rows, 3),
                                      .kind = (enum timer_kind)kind,
                                      .state = (enum timer_state)state,
                                      .cached = rows_int(rows, 6) != 0,
                                      .made_ms = rows_int(rows, 7),
                                      .due_ms = rows_int(rows, 8),
                                      .ended_ms = rows_null(rows, 9) ? 0 : rows_int(rows, 9),
                                      .at = {.line = rows_int(rows, 10),
                                             .column = rows_int(rows, 11),
                                             .file = rows_text(rows, 12)}};
        err = each(ctx, &row);
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_timers_open(struct tx *tx, int64_t workflow,
                          struct err (*each)(void *ctx, const struct timer_row *row), void *ctx) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, TIMER_COLUMNS " WHERE run = $1 AND done_no = 0 ORDER BY number LIMIT $2",
                ARGS(arg_int(workflow), arg_int(WORKFLOW_TIMERS_MAX)));
    return timers_walk(tx, rows, each, ctx);
}

struct err tx_timers_each(struct tx *tx, const struct timer_page *page,
                          struct err (*each)(void *ctx, const struct timer_row *row), void *ctx) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, TIMER_COLUMNS " WHERE run = $1 AND number > $2 ORDER BY number LIMIT $3",
                ARGS(arg_int(page->workflow), arg_int(page->after), arg_int(page->limit)));
    return timers_walk(tx, rows, each, ctx);
}

void timer_write_json(const struct timer_row *row, struct text *text) {
    text_add_char(text, '{');
    timer_add_about(text, row);
    text_add_member(text, "state", bytes_of(timer_state_names[row->state]));
    text_add_member_bool(text, "cached", row->cached);
    text_add_member_int(text, "done_no", row->done_no);
    text_add_member_int(text, "made_ms", row->made_ms);
    text_add_member_int_or_null(text, "ended_ms", row->ended_ms, row->ended_ms > 0);
    steps__add_place(text, &row->at);
    text_add_char(text, '}');
}
