/* spans.c: what a run did, or the turns of a session, step by step. Cursors are ATTEMPT.STEP
 * and TURN.ATTEMPT.STEP. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/base/page.h"
#include "api/run/runs.h"
#include "base/number.h"
#include "engine/session/sessions.h"
#include "engine/trace/spans.h"

enum { CURSOR_SIZE = 72, RUN_PARTS = 2, SESSION_PARTS = 3 };

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
    int64_t ignored[SESSION_PARTS];
    return cursor_read(text, RUN_PARTS, ignored);
}

static bool of_session_valid(struct bytes text) {
    int64_t ignored[SESSION_PARTS];
    return cursor_read(text, SESSION_PARTS, ignored);
}

/* Turn (0 for a run), attempt, step. */
static void part_read(const struct page_part *part, size_t parts, int64_t from[SESSION_PARTS]) {
    const int64_t start[SESSION_PARTS] = {0, 0, -1};
    memcpy(from, start, sizeof start);
    if (part->after.len > 0) {
        bool valid = cursor_read(part->after, parts, from + SESSION_PARTS - parts);
        assert(valid); /* The kind of page has seen to it. */
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* A span that has not ended has no duration yet, so no minimum duration admits it. */
static bool span_fits(const struct page *page, const struct span_row *row) {
    int64_t min_ms = param_number(page->request.op.exchange, "min_ms");
    int64_t lasted_ms = row->ended_ms == 0 ? -1 : row->ended_ms - row->started_ms;
    return page_is(page, "state", row->state) && page_is(page, "kind", row->kind) &&
           page_since(page, row->started_ms) && (min_ms == 0 || lasted_ms >= min_ms) &&
           (page_holds(page, row->name) || page_holds(page, row->error));
}

static struct err span_add(void *ctx, const struct span_row *row) {
    struct page *page = ctx;
    char text[CURSOR_SIZE];
    int len = row->turn == 0
                  ? snprintf(text, sizeof text, "%" PRId64 ".%" PRId64, row->attempt, row->step)
                  : snprintf(text, sizeof text, "%" PRId64 ".%" PRId64 ".%" PRId64, row->turn,
                             row->attempt, row->step);
    assert(len > 0 && (size_t)len < sizeof text);
    if (page_row(page, (struct bytes){text, (size_t)len}, span_fits(page, row))) {
        span_write_json(row, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err of_run(struct tx *tx, struct page *page, const struct page_part *part) {
    int64_t from[SESSION_PARTS];
    part_read(part, RUN_PARTS, from);
    struct run_row row = {.id = 0};
    struct err err = request_run(tx, &page->request, &row);
    if (err_failed(err)) {
        return err;
    }
    const struct span_page what = {
        .run = row.id, .attempt = from[1], .step = from[2], .limit = part->limit};
    return tx_span_each(tx, &what, span_add, page);
}

static struct err of_session(struct tx *tx, struct page *page, const struct page_part *part) {
    int64_t from[SESSION_PARTS];
    part_read(part, SESSION_PARTS, from);
    int64_t turn = param_number(page->request.op.exchange, "turn"); /* 0: all of them. */
    const struct session_key key = {.owner = page->request.key.owner,
                                    .session = page->request.key.id};
    bool found = false;
    struct session_row row = {.id = 0};
    struct err err = tx_session_find(tx, &key, &found, &row);
    if (err_failed(err) || !found) {
        return request_absent(&page->request, err);
    }
    const struct span_session_page what = {.session = row.id,
                                           .turn_min = turn > 0 ? turn : 1,
                                           .turn_max = turn > 0 ? turn : INT64_MAX,
                                           .turn = from[0],
                                           .attempt = from[1],
                                           .step = from[2],
                                           .limit = part->limit};
    return tx_span_of_session(tx, &what, span_add, page);
}

const struct page_kind runs__spans = {
    .request = {.one = &runs__one}, .valid = of_run_valid, .rows = of_run};
const struct page_kind runs__session_spans = {
    .request = {.one = &session_one}, .valid = of_session_valid, .rows = of_session};
