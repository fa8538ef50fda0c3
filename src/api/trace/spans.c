/* spans.c: what a run did, or all runs below it, or the turns of a session, step by step; and the
 * texts of a step by range. Cursors are ATTEMPT.STEP, RUN.ATTEMPT.STEP and TURN.ATTEMPT.STEP. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/base/page.h"
#include "api/run/runs.h"
#include "base/number.h"
#include "base/utf8.h"
#include "engine/session/sessions.h"
#include "engine/trace/spans.h"
#include "engine/trace/tree.h"

enum { CURSOR_SIZE = 72, RUN_PARTS = 2, SESSION_PARTS = 3, TREE_PARTS = 3 };

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

/* The query says which of the two a cursor must be (of_run_read). */
static bool of_run_valid(struct bytes text) {
    int64_t ignored[SESSION_PARTS];
    return cursor_read(text, RUN_PARTS, ignored) || cursor_read(text, TREE_PARTS, ignored);
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

static bool is_tree(const struct page *page) {
    return page->kind == &runs__spans && param_flag(page->request.op.exchange, "below");
}

static int64_t lasted(const struct span_row *row) {
    return row->ended_ms == 0 ? -1 : row->ended_ms - row->started_ms;
}

static int64_t changed_since(const struct page *page) { /* 0: any time. */
    return param_number(page->request.op.exchange, "changed_since");
}

/* A span that has not ended has no duration yet, so no minimum duration admits it. */
static bool span_fits(const struct page *page, const struct span_row *row) {
    int64_t min_ms = param_number(page->request.op.exchange, "min_ms");
    int64_t lasted_ms = lasted(row);
    int64_t since = changed_since(page);
    return page_is(page, "state", row->state) && page_is(page, "kind", row->kind) &&
           page_since(page, row->started_ms) &&
           (row->started_ms >= since || row->ended_ms >= since) &&
           (min_ms == 0 || lasted_ms >= min_ms) &&
           (page_holds(page, row->name) || page_holds(page, row->error) ||
            (row->in_tree && page_holds(page, row->label)));
}

/* --- Sums ------------------------------------------------------------------------------------- */

enum sum {
    SUM_COUNT,
    SUM_MS,
    SUM_READ,
    SUM_CACHED,
    SUM_OUTPUT,
    SUM_COST,
    SUM_UNKNOWN,
    SUM_ERRORS,
    SUMS
};
static_assert((int)SUMS <= (int)PAGE_SUMS, "the sums of spans have room in a page");

static int64_t known_or_0(int64_t number) {
    return number == SPAN_UNKNOWN ? 0 : number;
}

static bool is_error(struct bytes state) {
    return bytes_is(state, "failed") || bytes_is(state, "timed_out") || bytes_is(state, "lost") ||
           bytes_is(state, "denied") || bytes_is(state, "outcome_unknown");
}

/* A run counts only where its kind was asked for: its spans are its time and its errors. */
static void sums_add(struct page *page, const struct span_row *row) {
    int64_t *sums = page->now.sums;
    if (row->is_run && !param_given(page->request.op.exchange, "kind")) {
        return;
    }
    sums[SUM_COUNT]++;
    sums[SUM_MS] += lasted(row) > 0 ? lasted(row) : 0;
    sums[SUM_READ] += known_or_0(row->tokens.fresh) + known_or_0(row->tokens.cache_read) +
                      known_or_0(row->tokens.cache_write);
    sums[SUM_CACHED] += known_or_0(row->tokens.cache_read);
    sums[SUM_OUTPUT] += known_or_0(row->tokens.output);
    sums[SUM_COST] += known_or_0(row->cost);
    sums[SUM_UNKNOWN] += row->tokens.fresh != SPAN_UNKNOWN && row->cost == SPAN_UNKNOWN;
    sums[SUM_ERRORS] += is_error(row->state);
}

static void sums_write(const struct page *page, struct text *text) {
    const int64_t *sums = page->now.sums;
    text_add_str(text, ",\"sums\":{");
    text_add_member_int(text, "count", sums[SUM_COUNT]);
    text_add_member_int(text, "ms", sums[SUM_MS]);
    text_add_member_int(text, "tokens", sums[SUM_READ] + sums[SUM_OUTPUT]);
    text_add_member_int_or_null(text, "cost_micros", sums[SUM_COST],
                                sums[SUM_COST] > 0 || sums[SUM_UNKNOWN] == 0);
    text_add_member_int(text, "cost_unknown", sums[SUM_UNKNOWN]);
    text_add_member_int(text, "errors", sums[SUM_ERRORS]);
    text_add_str(text, page->now.counted > PAGE_TOTAL_MAX ? ",\"more\":true" : "");
    if (sums[SUM_READ] > 0) {
        const int64_t permille = sums[SUM_CACHED] * 1000 / sums[SUM_READ];
        text_addf(text, ",\"cache\":%lld.%03lld}", (long long)(permille / 1000),
                  (long long)(permille % 1000));
    } else {
        text_add_str(text, ",\"cache\":null}");
    }
}

static struct err span_add(void *ctx, const struct span_row *row) {
    struct page *page = ctx;
    char text[CURSOR_SIZE];
    const bool tree = row->in_tree, fits = span_fits(page, row);
    int len = row->turn == 0 && !tree
                  ? snprintf(text, sizeof text, "%" PRId64 ".%" PRId64, row->attempt, row->step)
                  : snprintf(text, sizeof text, "%" PRId64 ".%" PRId64 ".%" PRId64,
                             tree ? row->run_id : row->turn, row->is_run ? 0 : row->attempt,
                             row->is_run ? 0 : row->step);
    assert(len > 0 && (size_t)len < sizeof text);
    if (fits && page->now.state == PAGE_COUNTING) {
        sums_add(page, row);
    }
    if (page_row(page, (struct bytes){text, (size_t)len}, fits)) {
        span_write_json(row, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err of_tree(struct tx *tx, struct page *page, const struct page_part *part,
                          const struct run_row *top) {
    int64_t from[SESSION_PARTS], id = 0;
    part_read(part, TREE_PARTS, from);
    const struct trace_page what = {.top = top,
                                    .id = from[0],
                                    .attempt = from[1],
                                    .step = from[2],
                                    .changed_since = changed_since(page),
                                    .limit = part->limit};
    struct err err = tx_trace_each(tx, &what, span_add, page, &id);
    if (!err_failed(err) && id != 0) { /* All of that run was looked at. */
        char text[CURSOR_SIZE];
        int len = snprintf(text, sizeof text, "%" PRId64 ".%" PRId64 ".0", id, INT64_MAX);
        assert(len > 0 && (size_t)len < sizeof text);
        page_looked(page, (struct bytes){text, (size_t)len});
    }
    return err;
}

static struct err of_run(struct tx *tx, struct page *page, const struct page_part *part) {
    int64_t from[SESSION_PARTS];
    struct run_row row = {.id = 0};
    TRY(request_run(tx, &page->request, &row));
    if (is_tree(page)) {
        return of_tree(tx, page, part, &row);
    }
    part_read(part, RUN_PARTS, from);
    const struct span_page what = {.run = row.id,
                                   .name = row.run,
                                   .attempt = from[1],
                                   .step = from[2],
                                   .changed_since = changed_since(page),
                                   .limit = part->limit};
    if (run_kind_is(row.kind, RUN_IS_STEP)) { /* A step has one span at most. */
        return tx_span_of_agent(tx, &what, span_add, page);
    }
    struct err err = tx_span_of_timers(tx, &what, span_add, page); /* A run has one of the two. */
    return err_failed(err) ? err : tx_span_each(tx, &what, span_add, page);
}

/* All rows are counted with the first page, for the sums. */
static struct err of_run_read(void *request) {
    struct page *page = request;
    int64_t ignored[SESSION_PARTS];
    if (page->after.len > 0 &&
        !cursor_read(page->after, is_tree(page) ? TREE_PARTS : RUN_PARTS, ignored)) {
        return err_why(&page->request.op.why, ERR_BAD_CURSOR,
                       "after: take it from `next` of the page before");
    }
    /* Sums of a poll for changes would mean nothing, and would read all rows. */
    page->sums = is_tree(page) && page->after.len == 0 && changed_since(page) == 0;
    return ERR_OK;
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
                                           .changed_since = changed_since(page),
                                           .limit = part->limit};
    return tx_span_of_session(tx, &what, span_add, page);
}

const struct page_kind runs__spans = {.request = {.one = &runs__one, .read = of_run_read},
                                      .valid = of_run_valid,
                                      .rows = of_run,
                                      .sums = sums_write};
const struct page_kind runs__session_spans = {
    .request = {.one = &session_one}, .valid = of_session_valid, .rows = of_session};

/* --- The texts of a span, by range ------------------------------------------------------------ */

static struct err text_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct exchange *exchange = request->op.exchange;
    const struct bytes number = exchange_param(exchange, 1);
    struct run_row row = {.id = 0};
    struct bytes text = BYTES("");
    int64_t parts[RUN_PARTS];
    bool found = false;
    struct err err = request_run(tx, request, &row);
    if (err_failed(err)) {
        return err;
    }
    const struct bytes side = param_text(exchange, "side");
    if (side.len > 0 && !bytes_is(side, "input") && !bytes_is(side, "output")) {
        return err_why(&request->op.why, ERR_BAD_QUERY,
                       "query parameter 'side' must be one of input, output");
    }
    if (cursor_read(number, RUN_PARTS, parts)) {
        const struct span_key key = {.run = row.id, .attempt = parts[0], .step = parts[1]};
        err = tx_span_text(tx, &key, bytes_is(side, "input") ? SPAN_INPUT : SPAN_OUTPUT, &found,
                           &text);
    }
    if (err_failed(err) || !found) {
        return err_failed(err) ? err
                               : err_why(&request->op.why, ERR_NOT_FOUND,
                                         "the run has no span ATTEMPT.STEP of that number");
    }
    /* From the first whole character after `offset` to the last one within `limit`. */
    size_t offset = (size_t)param_number(exchange, "offset");
    offset = offset < text.len ? offset : text.len;
    while (offset < text.len && ((unsigned char)text.data[offset] & 0xC0) == 0x80) {
        offset++;
    }
    struct bytes range = {text.data + offset, text.len - offset};
    range.len = utf8_cut(range, (size_t)param_number(exchange, "limit"));
    text_add_char(&request->op.answer, '{');
    text_add_member(&request->op.answer, "text", range);
    text_add_member_int(&request->op.answer, "offset", (int64_t)offset);
    text_add_member_int(&request->op.answer, "next", (int64_t)(offset + range.len));
    text_add_member_int(&request->op.answer, "bytes", (int64_t)text.len);
    text_add_char(&request->op.answer, '}');
    return op_written(&request->op);
}

const struct request_kind runs__span_text = {.one = &runs__one, .work = text_work};
