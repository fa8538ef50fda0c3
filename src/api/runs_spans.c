/* runs_spans.c: what a run did, step by step. A cursor is ATTEMPT.STEP. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/page.h"
#include "api/runs.h"
#include "base/memory.h"
#include "base/number.h"
#include "engine/spans.h"

struct spans_op {
    struct page page;
    struct run_key key;    /* Borrowed from the exchange. */
    struct span_page what; /* Without the run's number, which the function finds. */
};

static struct err each_span(void *ctx, const struct span_row *row) {
    struct spans_op *spans = ctx;
    char cursor[48];
    int len = snprintf(cursor, sizeof cursor, "%" PRId64 ".%" PRId64, row->attempt, row->step);
    assert(len > 0 && (size_t)len < sizeof cursor);
    if (page_add(&spans->page, (struct bytes){cursor, (size_t)len})) {
        span_write_json(row, &spans->page.op.answer);
    }
    return ERR_OK;
}

static struct err spans_run(struct tx *tx, void *ctx) {
    struct spans_op *spans = ctx;
    struct span_page what = spans->what;
    what.limit = page_begin(&spans->page);
    bool found = false;
    struct run_row row = {.id = 0};
    struct err err = tx_run_find(tx, &spans->key, &found, &row);
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

static bool cursor_read(struct bytes text, struct span_page *what) {
    const struct number_bounds bounds = {0, INT64_MAX};
    const char *dot = text.len == 0 ? NULL : memchr(text.data, '.', text.len);
    if (dot == NULL) {
        return false;
    }
    struct bytes attempt = {text.data, (size_t)(dot - text.data)};
    struct bytes step = {dot + 1, text.len - attempt.len - 1};
    return number_parse(attempt, bounds, &what->attempt) && number_parse(step, bounds, &what->step);
}

static bool cursor_valid(struct bytes text) {
    struct span_page ignored;
    return cursor_read(text, &ignored);
}

void runs__spans(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.of = PAGE_OF_OWNER, .valid = cursor_valid};
    struct runs_api *api = ctx;
    struct run_key key;
    struct page_ask ask;
    if (!runs__key(exchange, PAGE_OWNER, &key) || !page_read(exchange, &form, &ask)) {
        return;
    }
    struct spans_op *spans = mem_new(sizeof *spans);
    page_init(&spans->page, exchange, ask.limit);
    spans->key = key;
    spans->what = (struct span_page){.step = -1};
    if (ask.after.len > 0) {
        bool valid = cursor_read(ask.after, &spans->what);
        assert(valid); /* The form has seen to it. */
    }
    store_read(api->store, spans_run, op_done, spans);
}
