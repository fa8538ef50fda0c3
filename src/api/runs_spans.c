/* runs_spans.c: what a run did, or the turns of a session, step by step. Cursors are ATTEMPT.STEP
 * and TURN.ATTEMPT.STEP. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/one.h"
#include "api/page.h"
#include "api/runs.h"
#include "base/memory.h"
#include "base/number.h"
#include "engine/sessions.h"
#include "engine/spans.h"

enum { CURSOR_SIZE = 72, CURSOR_PARTS_MAX = 3 };

struct spans_op {
    struct page page;
    /* One of the two; their ids are found by the function, their names borrowed. */
    struct run_key run;
    struct session_key session;
    int64_t turn;                   /* Of the session; 0: all of them. */
    int64_t from[CURSOR_PARTS_MAX]; /* Turn (0 for a run), attempt, step. */
};

/* --- Cursors ---------------------------------------------------------------------------------- */

/* As many numbers as `count`, with dots between them. */
static bool cursor_read(struct bytes text, size_t count, int64_t *ret_parts) {
    const struct number_bounds bounds = {0, INT64_MAX};
    for (size_t i = 0; i < count; i++) {
        const char *dot = text.len == 0 ? NULL : memchr(text.data, '.', text.len);
        bool last = i + 1 == count;
        size_t len = last ? text.len : dot == NULL ? 0 : (size_t)(dot - text.data);
        if (len == 0 || !number_parse((struct bytes){text.data, len}, bounds, &ret_parts[i])) {
            return false;
        }
        text = (struct bytes){text.data + len + (last ? 0 : 1), text.len - len - (last ? 0 : 1)};
    }
    return true;
}

static bool of_run_valid(struct bytes text) {
    int64_t ignored[CURSOR_PARTS_MAX];
    return cursor_read(text, 2, ignored);
}

static bool of_session_valid(struct bytes text) {
    int64_t ignored[CURSOR_PARTS_MAX];
    return cursor_read(text, CURSOR_PARTS_MAX, ignored);
}

static int cursor_write(const struct span_row *row, char *cursor) {
    return row->turn == 0
               ? snprintf(cursor, CURSOR_SIZE, "%" PRId64 ".%" PRId64, row->attempt, row->step)
               : snprintf(cursor, CURSOR_SIZE, "%" PRId64 ".%" PRId64 ".%" PRId64, row->turn,
                          row->attempt, row->step);
}

static struct err each_span(void *ctx, const struct span_row *row) {
    struct spans_op *spans = ctx;
    char cursor[CURSOR_SIZE];
    int len = cursor_write(row, cursor);
    assert(len > 0 && (size_t)len < sizeof cursor);
    if (page_add(&spans->page, (struct bytes){cursor, (size_t)len})) {
        span_write_json(row, &spans->page.op.answer);
    }
    return ERR_OK;
}

/* --- Of a run --------------------------------------------------------------------------------- */

static struct err of_run(struct tx *tx, void *ctx) {
    struct spans_op *spans = ctx;
    struct span_page what = {
        .attempt = spans->from[1], .step = spans->from[2], .limit = page_begin(&spans->page)};
    bool found = false;
    struct run_row row = {.id = 0};
    struct err err = tx_run_find_shown(tx, &spans->run, &found, &row);
    if (!err_failed(err) && !found) {
        return runs__absent(&spans->page.op.why);
    }
    what.run = row.id;
    if (!err_failed(err)) {
        err = tx_span_each(tx, &what, each_span, spans);
    }
    page_end(&spans->page, PAGE_NO_TOTAL);
    return err;
}

static struct spans_op *spans_new(struct exchange *exchange, const struct page_ask *ask,
                                  size_t parts) {
    struct spans_op *spans = mem_new(sizeof *spans);
    page_init(&spans->page, exchange, ask->limit);
    spans->from[CURSOR_PARTS_MAX - 1] = -1;
    if (ask->after.len > 0) {
        bool valid = cursor_read(ask->after, parts, spans->from + CURSOR_PARTS_MAX - parts);
        assert(valid); /* The form has seen to it. */
    }
    return spans;
}

void runs__spans(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.of = PAGE_OF_OWNER, .valid = of_run_valid};
    struct runs_api *api = ctx;
    struct run_key key;
    struct page_ask ask;
    if (runs__key(exchange, PAGE_OWNER, &key) && page_read(exchange, &form, &ask)) {
        struct spans_op *spans = spans_new(exchange, &ask, 2);
        spans->run = key;
        store_read(api->store, of_run, op_done, spans);
    }
}

/* --- Of a session ----------------------------------------------------------------------------- */

static const struct one_kind session_kind = {.prefix = "ses",
                                             .absent = "there is no session with that id"};

static struct err of_session(struct tx *tx, void *ctx) {
    struct spans_op *spans = ctx;
    struct span_session_page what = {.turn_min = spans->turn > 0 ? spans->turn : 1,
                                     .turn_max = spans->turn > 0 ? spans->turn : INT64_MAX,
                                     .turn = spans->from[0],
                                     .attempt = spans->from[1],
                                     .step = spans->from[2],
                                     .limit = page_begin(&spans->page)};
    bool found = false;
    struct session_row row = {.id = 0};
    struct err err = tx_session_find(tx, &spans->session, &found, &row);
    if (!err_failed(err) && !found) {
        return one_absent(&session_kind, &spans->page.op.why);
    }
    what.session = row.id;
    if (!err_failed(err)) {
        err = tx_span_of_session(tx, &what, each_span, spans);
    }
    page_end(&spans->page, PAGE_NO_TOTAL);
    return err;
}

void runs__session_spans(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.of = PAGE_OF_OWNER, .valid = of_session_valid};
    struct runs_api *api = ctx;
    struct one_key key;
    struct page_ask ask;
    if (one_read(exchange, &session_kind, PAGE_OWNER, &key) && page_read(exchange, &form, &ask)) {
        struct spans_op *spans = spans_new(exchange, &ask, CURSOR_PARTS_MAX);
        spans->session = (struct session_key){.owner = key.owner, .session = key.id};
        spans->turn = exchange_query_int(exchange, RUNS_SPANS_TURN);
        store_read(api->store, of_session, op_done, spans);
    }
}
