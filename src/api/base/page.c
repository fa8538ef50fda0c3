/* page.c: one page of a list.
 *
 *              a row more than the limit,
 *              or than the bytes                page_listed
 *   LISTING ─────────────────────────▶ FULL ──────────────────▶ COUNTING
 *    │  │ └───────────────── page_listed ───────────────────────▲  │  │
 *    │  │                                                          │  │
 *    │  └── page_pause, no slice left ──▶ CUT ◀── the same ────────┘  │
 *    │                                     │                          │
 *    └───────────── page_end ──────────────┴────────▶ ENDED ◀─────────┘
 *
 * A slice that ends with a state before ENDED is followed by another one, which begins in the same
 * state. The store may run a slice twice: page_begin restores the progress of the slice before.
 */
#include "api/base/page.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/resource/resource.h"

/* --- Filters ---------------------------------------------------------------------------------- */

static char fold(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool page_holds(const struct page *page, struct bytes text) {
    struct bytes q = param_text(page->request.op.exchange, "q");
    for (size_t at = 0; at + q.len <= text.len; at++) {
        size_t same = 0;
        while (same < q.len && fold(text.data[at + same]) == fold(q.data[same])) {
            same++;
        }
        if (same == q.len) {
            return true;
        }
    }
    return q.len == 0;
}

/* Takes the first word off. False: there is none. */
static bool word_next(struct bytes *words, struct bytes *ret_word) {
    if (words->data == NULL) {
        return false;
    }
    const char *comma = words->len == 0 ? NULL : memchr(words->data, ',', words->len);
    size_t len = comma == NULL ? words->len : (size_t)(comma - words->data);
    *ret_word = (struct bytes){words->data, len};
    *words =
        comma == NULL ? (struct bytes){NULL, 0} : (struct bytes){comma + 1, words->len - len - 1};
    return true;
}

bool page_names(struct bytes words, struct bytes word) {
    struct bytes one;
    if (words.len == 0) {
        return true;
    }
    while (word_next(&words, &one)) {
        if (bytes_equal(one, word)) {
            return true;
        }
    }
    return false;
}

bool page_is(const struct page *page, const char *name, struct bytes word) {
    return page_names(param_text(page->request.op.exchange, name), word);
}

bool page_since(const struct page *page, int64_t at_ms) {
    return at_ms >= param_number(page->request.op.exchange, "since");
}

/* Refuses words that the query's table does not name. */
static struct err words_check(struct page *page) {
    const struct query_param *param = exchange_route(page->request.op.exchange)->query;
    for (; param->name != NULL; param++) {
        struct bytes words = param_text(page->request.op.exchange, param->name), word;
        bool given = words.len > 0 && param->words != NULL;
        while (given && word_next(&words, &word)) {
            if (!page_names(bytes_of(param->words), word)) {
                return err_why(&page->request.op.why, ERR_BAD_QUERY,
                               "query parameter '%s' must be one of %s, or several of them: a,b",
                               param->name, param->words);
            }
        }
    }
    return ERR_OK;
}

/* --- States ----------------------------------------------------------------------------------- */

enum page_event { EVENT_FULL, EVENT_LISTED, EVENT_SPENT, EVENT_END, EVENTS };

/* PAGE_STATES: no such edge. */
static const enum page_state edges[PAGE_STATES][EVENTS] = {
    [PAGE_LISTING] = {PAGE_FULL, PAGE_COUNTING, PAGE_CUT, PAGE_ENDED},
    [PAGE_FULL] = {PAGE_FULL, PAGE_COUNTING, PAGE_STATES, PAGE_ENDED},
    [PAGE_COUNTING] = {PAGE_STATES, PAGE_STATES, PAGE_CUT, PAGE_ENDED},
    [PAGE_CUT] = {PAGE_STATES, PAGE_CUT, PAGE_STATES, PAGE_ENDED},
    [PAGE_ENDED] = {PAGE_STATES, PAGE_STATES, PAGE_STATES, PAGE_STATES},
};

static void page_event(struct page *page, enum page_event event) {
    enum page_state next = edges[page->now.state][event];
    assert(next != PAGE_STATES);
    page->now.state = next;
}

/* --- Slices ----------------------------------------------------------------------------------- */

int64_t page_begin(struct page *page) {
    page->now = page->slice_before;
    if (page->now.slice == 0) {
        op_restart(&page->request.op);
        text_add_str(&page->request.op.answer, "{\"items\":[");
    } else {
        text_cut(&page->request.op.answer, page->now.len);
    }
    return page->limit + 1 - page->now.rows;
}

static void row_close(struct page *page) {
    struct text *answer = &page->request.op.answer;
    if (page->now.shown > 0 && text_failed(answer) && !answer->no_memory) {
        text_cut(answer, page->now.mark);
        page->now.shown--;
        page->now.left_out++;
    }
}

bool page_pause(struct page *page, int64_t from) {
    row_close(page);
    page->now.from = from;
    page->now.len = page->request.op.answer.len;
    const bool counts = page->total || page->sums || page->kind->slices == 0;
    if (page->now.slice + 1 == (counts ? PAGE_SLICES_MAX : page->kind->slices)) {
        page_event(page, EVENT_SPENT);
    }
    return page->now.state != PAGE_CUT;
}

bool page_listed(struct page *page) {
    row_close(page);
    page_event(page, EVENT_LISTED);
    page->now.from = 0;
    page->now.at_len = 0;
    page->now.at_number = 0;
    return page->now.state == PAGE_COUNTING;
}

/* --- Rows after a cursor ---------------------------------------------------------------------- */

static void keep_at(struct page *page, struct bytes cursor) {
    if (cursor.len <= sizeof page->now.at) { /* Else a name that no drover gave. */
        memcpy(page->now.at, cursor.data, cursor.len);
        page->now.at_len = cursor.len;
    }
    page->now.part_left -= page->now.part_left > 0 ? 1 : 0;
}

void page_looked(struct page *page, struct bytes cursor) {
    keep_at(page, cursor);
    page->now.part_left = 0;
}

/* Answers whether rows may be left. */
static struct err read_part(struct tx *tx, struct page *page, int64_t limit, bool *ret_more) {
    char after[PAGE_CURSOR_MAX];
    struct page_at *now = &page->now;
    memcpy(after, now->at, now->at_len);
    const struct page_part part = {.after = {after, now->at_len},
                                   .from = now->at_number,
                                   .limit = limit < PAGE_PART_ROWS ? limit : PAGE_PART_ROWS};
    now->part_left = part.limit;
    struct err err = page->kind->rows(tx, page, &part);
    *ret_more = now->part_left == 0;
    return err;
}

/* *ret_more: the slice ended before its list, or its count. */
static struct err read_parts(struct tx *tx, struct page *page, bool *ret_more) {
    const struct page_at *now = &page->now;
    struct err err = ERR_OK;
    bool more = true, enough = false;
    do {
        /* Where filters leave rows out, the first part is not enough, nor are its few rows. */
        bool first = now->state == PAGE_LISTING && now->at_len == page->after.len && now->rows == 0;
        err = read_part(tx, page, first ? page->limit + 1 : PAGE_PART_ROWS, &more);
        enough = now->state == PAGE_FULL || now->counted > PAGE_TOTAL_MAX;
    } while (!err_failed(err) && more && !enough && !tx_slice_over(tx));
    *ret_more = more && !enough;
    return err;
}

static struct err list_slice(struct tx *tx, void *ctx) {
    struct page *page = ctx;
    struct err err = ERR_OK;
    bool more = false;
    (void)page_begin(page);
    if (page->now.slice == 0) {
        page->now.at_len = page->after.len;
        memcpy(page->now.at, page->after.data, page->after.len);
        page->now.at_number = page->from;
    }
    bool counting = page->now.state == PAGE_COUNTING;
    if (!counting) {
        err = read_parts(tx, page, &more);
        if (!err_failed(err) && more && page_pause(page, 0)) {
            return ERR_OK;
        }
        if (page->now.state == PAGE_CUT) {
            page_stop(page, (struct bytes){page->now.at, page->now.at_len});
        }
        counting = (page->total || page->sums) && page_listed(page);
    }
    if (!err_failed(err) && counting) {
        err = read_parts(tx, page, &more);
        if (!err_failed(err) && more && page_pause(page, 0)) {
            return ERR_OK;
        }
    }
    page_end(page, page->total ? page->now.counted : PAGE_NO_TOTAL);
    return err;
}

static void slice_done(struct err result, void *ctx) {
    struct page *page = ctx;
    if (!err_failed(result) && page->now.state == PAGE_ENDED && page->kind->request.after != NULL) {
        request_after(&page->request);
        return;
    }
    if (err_failed(result) || page->now.state == PAGE_ENDED) {
        request_answer(&page->request, result);
        return;
    }
    page->slice_before = page->now;
    page->slice_before.slice++;
    store_read_slice(page->request.store, list_slice, slice_done, page);
}

/* --- The request ------------------------------------------------------------------------------ */

static struct err query_read(struct page *page) {
    const struct exchange *exchange = page->request.op.exchange;
    const struct number_bounds bounds = {1, INT64_MAX};
    page->limit = param_number(exchange, "limit");
    page->total = param_flag(exchange, "total");
    page->after = BYTES("");
    if (param_given(exchange, "after")) {
        page->after = param_text(exchange, "after");
        bool valid = page->kind->valid != NULL ? page->kind->valid(page->after)
                     : page->kind->resource != NULL
                         ? resource_names(page->kind->resource, page->after)
                         : number_parse(page->after, bounds, &page->from);
        if (!valid) {
            return err_why(&page->request.op.why, ERR_BAD_CURSOR,
                           "after: take it from `next` of the page before");
        }
    }
    assert(page->after.len <= PAGE_CURSOR_MAX);
    struct err err = words_check(page);
    return err_failed(err) || page->kind->request.read == NULL ? err
                                                               : page->kind->request.read(page);
}

static void page_start(struct err err, void *ctx) {
    struct page *page = ctx;
    if (err_failed(err)) {
        request_answer(&page->request, err);
    } else if (page->kind->begin != NULL) {
        page->kind->begin(page);
    } else {
        store_read(page->request.store, list_slice, slice_done, page);
    }
}

void page_serve(struct exchange *exchange, const struct page_kind *kind,
                const struct request_host *host) {
    struct page *page = mem_new(kind->request.size > 0 ? kind->request.size : sizeof *page);
    if (!request_prepare(&page->request, exchange, kind->request.one, host)) {
        mem_free(page);
        return;
    }
    page->request.kind = &kind->request;
    page->kind = kind;
    struct err err = query_read(page);
    if (err_failed(err)) {
        page_start(err, page);
    } else {
        request_check_folder(&page->request, page_start);
    }
}

/* --- Its rows --------------------------------------------------------------------------------- */

static void keep_cursor(struct page *page, struct bytes cursor) {
    assert(cursor.len <= sizeof page->now.last);
    memcpy(page->now.last, cursor.data, cursor.len);
    page->now.last_len = cursor.len;
}

/* The first row is always taken: a page without any would never lead to the next. */
bool page_add(struct page *page, struct bytes cursor) {
    keep_at(page, cursor);
    if (page->now.state == PAGE_COUNTING) {
        page->now.counted++;
        return false;
    }
    row_close(page);
    if (page->now.rows == page->limit ||
        (page->now.rows > 0 && page->request.op.answer.len > PAGE_BYTES)) {
        page_event(page, EVENT_FULL);
        page->now.next_len = page->now.last_len;
    }
    if (page->now.state == PAGE_FULL) {
        return false;
    }
    page->now.rows++;
    if (cursor.len > sizeof page->now.last) { /* A name that no drover gave. */
        page->now.left_out++;
        return false;
    }
    page->now.mark = page->request.op.answer.len;
    if (page->now.shown++ > 0) {
        text_add_char(&page->request.op.answer, ',');
    }
    keep_cursor(page, cursor);
    return true;
}

void page_stop(struct page *page, struct bytes cursor) {
    assert(page->now.state == PAGE_CUT);
    page->now.partial = true;
    keep_cursor(page, cursor);
    page->now.next_len = page->now.last_len;
}

static struct bytes digits_of(int64_t cursor, char digits[24]) {
    int len = snprintf(digits, 24, "%lld", (long long)cursor);
    assert(len > 0 && len < 24);
    return (struct bytes){digits, (size_t)len};
}

bool page_add_number(struct page *page, int64_t cursor) {
    return page_row_number(page, cursor, true /* fits */);
}

bool page_row(struct page *page, struct bytes cursor, bool fits) {
    if (!fits) {
        keep_at(page, cursor);
    }
    return fits && page_add(page, cursor);
}

bool page_row_number(struct page *page, int64_t cursor, bool fits) {
    char digits[24];
    page->now.at_number = cursor;
    return page_row(page, digits_of(cursor, digits), fits);
}

void page_looked_number(struct page *page, int64_t cursor) {
    char digits[24];
    page->now.at_number = cursor;
    page_looked(page, digits_of(cursor, digits));
}

void page_end(struct page *page, int64_t total) {
    struct text *text = &page->request.op.answer;
    bool cut = page->now.state == PAGE_CUT;
    row_close(page);
    page_event(page, EVENT_END);
    text_add_str(text, "],\"next\":");
    if (page->now.next_len > 0) {
        text_add_json(text, page->now.last, page->now.next_len);
    } else {
        text_add_str(text, "null");
    }
    if (page->kind->members != NULL) {
        page->kind->members(page, text);
    }
    text_add_str(text, page->now.partial ? ",\"partial\":true" : "");
    if (cut && total != PAGE_NO_TOTAL && total < page->now.rows) {
        total = page->now.rows; /* Cut before it had counted these. */
    }
    if (total != PAGE_NO_TOTAL) {
        text_add_str(text, ",\"total\":");
        text_add_int(text, total > PAGE_TOTAL_MAX ? PAGE_TOTAL_MAX : total);
        text_add_str(text, total > PAGE_TOTAL_MAX || cut ? ",\"more\":true" : "");
    }
    if (page->sums && !cut) {
        page->kind->sums(page, text);
    }
    if (page->now.left_out > 0) {
        text_add_str(text, ",\"left_out\":");
        text_add_int(text, page->now.left_out);
    }
    text_add_char(text, '}');
}
