/* spans.c: what a run did, or the turns of a session, step by step. Cursors are ATTEMPT.STEP
 * and TURN.ATTEMPT.STEP. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/base/one.h"
#include "api/base/page.h"
#include "api/run/runs.h"
#include "base/memory.h"
#include "base/number.h"
#include "engine/session/sessions.h"
#include "engine/trace/spans.h"

enum { CURSOR_SIZE = 72, CURSOR_PARTS_MAX = 3 };

struct spans_op {
    struct page page;
    /* One of the two; their ids are found by the function, their names borrowed. */
    struct run_key run;
    struct session_key session;
    int64_t turn; /* Of the session; 0: all of them. */
    struct bytes states, kinds, q;
    int64_t since_ms, min_ms;
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

/* A span that has not ended has no duration yet, so no minimum duration admits it. */
static bool fits(const struct spans_op *spans, const struct span_row *row) {
    int64_t lasted_ms = row->ended_ms == 0 ? -1 : row->ended_ms - row->started_ms;
    return page_names(spans->states, row->state) && page_names(spans->kinds, row->kind) &&
           row->started_ms >= spans->since_ms &&
           (spans->min_ms == 0 || lasted_ms >= spans->min_ms) &&
           (page_holds(row->name, spans->q) || page_holds(row->error, spans->q));
}

static struct err each_span(void *ctx, const struct span_row *row) {
    struct spans_op *spans = ctx;
    char cursor[CURSOR_SIZE];
    int len = cursor_write(row, cursor);
    assert(len > 0 && (size_t)len < sizeof cursor);
    if (!fits(spans, row)) {
        page_pass(&spans->page, (struct bytes){cursor, (size_t)len});
    } else if (page_add(&spans->page, (struct bytes){cursor, (size_t)len})) {
        span_write_json(row, &spans->page.op.answer);
    }
    return ERR_OK;
}

/* --- Of a run --------------------------------------------------------------------------------- */

/* Turn (0 for a run), attempt, step. */
static void part_read(const struct page_part *part, size_t parts, int64_t from[CURSOR_PARTS_MAX]) {
    const int64_t start[CURSOR_PARTS_MAX] = {0, 0, -1};
    memcpy(from, start, sizeof start);
    if (part->after.len > 0) {
        bool valid = cursor_read(part->after, parts, from + CURSOR_PARTS_MAX - parts);
        assert(valid); /* The form has seen to it. */
    }
}

static struct err of_run(struct tx *tx, struct page *page, const struct page_part *part) {
    struct spans_op *spans = CONTAINER_OF(page, struct spans_op, page);
    int64_t from[CURSOR_PARTS_MAX];
    part_read(part, 2, from);
    struct span_page what = {.attempt = from[1], .step = from[2], .limit = part->limit};
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
    return err;
}

static void spans_list(struct spans_op *spans, const struct page_ask *ask,
                       const struct runs_api *api, page_rows_fn rows) {
    const struct exchange *exchange = spans->page.op.exchange;
    spans->states = page_word(exchange, RUNS_SPANS_STATE);
    spans->kinds = page_word(exchange, RUNS_SPANS_KIND);
    spans->q = page_word(exchange, RUNS_SPANS_Q);
    spans->since_ms = exchange_query_int(exchange, RUNS_SPANS_SINCE);
    spans->min_ms = exchange_query_int(exchange, RUNS_SPANS_MIN);
    struct why *why = &spans->page.op.why;
    struct err err = page_words_check(
        spans->states, "state", "running,succeeded,degraded,failed,cancelled,timed_out,lost", why);
    if (!err_failed(err)) {
        err = page_words_check(spans->kinds, "kind", "process,model,tool,review,compaction", why);
    }
    if (err_failed(err)) {
        op_done(err, spans);
        return;
    }
    page_list(&spans->page, api->store, ask, rows);
}

static struct spans_op *spans_new(struct exchange *exchange, const struct page_ask *ask) {
    struct spans_op *spans = mem_new(sizeof *spans);
    page_init(&spans->page, exchange, ask->limit);
    return spans;
}

void runs__spans(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.of = PAGE_OF_OWNER, .valid = of_run_valid};
    struct runs_api *api = ctx;
    struct run_key key;
    struct page_ask ask;
    if (runs__key(exchange, PAGE_OWNER, &key) && page_read(exchange, &form, &ask)) {
        struct spans_op *spans = spans_new(exchange, &ask);
        spans->run = key;
        spans_list(spans, &ask, api, of_run);
    }
}

/* --- Of a session ----------------------------------------------------------------------------- */

static const struct one_kind session_kind = {.prefix = "ses",
                                             .absent = "there is no session with that id"};

static struct err of_session(struct tx *tx, struct page *page, const struct page_part *part) {
    struct spans_op *spans = CONTAINER_OF(page, struct spans_op, page);
    int64_t from[CURSOR_PARTS_MAX];
    part_read(part, CURSOR_PARTS_MAX, from);
    struct span_session_page what = {.turn_min = spans->turn > 0 ? spans->turn : 1,
                                     .turn_max = spans->turn > 0 ? spans->turn : INT64_MAX,
                                     .turn = from[0],
                                     .attempt = from[1],
                                     .step = from[2],
                                     .limit = part->limit};
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
    return err;
}

void runs__session_spans(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.of = PAGE_OF_OWNER, .valid = of_session_valid};
    struct runs_api *api = ctx;
    struct one_key key;
    struct page_ask ask;
    if (one_read(exchange, &session_kind, PAGE_OWNER, &key) && page_read(exchange, &form, &ask)) {
        struct spans_op *spans = spans_new(exchange, &ask);
        spans->session = (struct session_key){.owner = key.owner, .session = key.id};
        spans->turn = exchange_query_int(exchange, RUNS_SPANS_TURN);
        spans_list(spans, &ask, api, of_session);
    }
}
