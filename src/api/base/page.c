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

#include "base/number.h"

static struct err cursor_read(const struct exchange *exchange, const struct page_form *form,
                              struct page_ask *ask, struct why *why) {
    if (!exchange_query_given(exchange, PAGE_AFTER)) {
        return ERR_OK;
    }
    struct number_bounds bounds = {1, INT64_MAX};
    ask->after = exchange_query_text(exchange, PAGE_AFTER);
    bool valid = form->valid != NULL ? form->valid(ask->after)
                                     : number_parse(ask->after, bounds, &ask->from);
    if (!valid) {
        why_set(why, "after: take it from `next` of the page before");
        return err_make(ERR_BAD_CURSOR, "page: after");
    }
    return ERR_OK;
}

bool page_read(struct exchange *exchange, const struct page_form *form, struct page_ask *ret_ask) {
    struct why why = {.text = ""};
    struct page_ask ask = {.after = BYTES(""),
                           .limit = exchange_query_int(exchange, PAGE_LIMIT),
                           .total = exchange_query_int(exchange, PAGE_TOTAL) != 0};
    struct err err = ERR_OK;
    if (form->of == PAGE_OF_OWNER) {
        err = op_owner(exchange, PAGE_OWNER, &ask.owner, &why);
    }
    if (!err_failed(err)) {
        err = cursor_read(exchange, form, &ask, &why);
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return false;
    }
    *ret_ask = ask;
    return true;
}

/* --- Filters ---------------------------------------------------------------------------------- */

struct bytes page_word(const struct exchange *exchange, unsigned position) {
    return exchange_query_given(exchange, position) ? exchange_query_text(exchange, position)
                                                    : BYTES("");
}

static char fold(char c) {
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool page_holds(struct bytes text, struct bytes q) {
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

struct err page_words_check(struct bytes words, const char *name, const char *known,
                            struct why *why) {
    const struct bytes all = bytes_of(known);
    bool given = words.len > 0;
    struct bytes word;
    while (given && word_next(&words, &word)) {
        if (!page_names(all, word)) {
            why_set(why, "query parameter '%s' must be one of %s, or several of them: a,b", name,
                    known);
            return err_make(ERR_BAD_QUERY, "page: words");
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

void page_init(struct page *page, struct exchange *exchange, int64_t limit) {
    assert(limit >= 1 && limit <= PAGE_LIMIT_MAX);
    op_init(&page->op, exchange, 200);
    page->limit = limit;
}

static void slice_done(struct err result, void *ctx) {
    struct page *page = ctx;
    if (err_failed(result) || page->now.state == PAGE_ENDED) {
        op_done(result, page);
        return;
    }
    page->slice_before = page->now;
    page->slice_before.slice++;
    store_read_slice(page->store, page->fn, slice_done, page);
}

void page_read_slices(struct page *page, struct store *store, store_fn fn) {
    page->store = store;
    page->fn = fn;
    store_read(store, fn, slice_done, page);
}

int64_t page_begin(struct page *page) {
    page->now = page->slice_before;
    if (page->now.slice == 0) {
        op_restart(&page->op);
        text_add_str(&page->op.answer, "{\"items\":[");
    } else {
        text_cut(&page->op.answer, page->now.len);
    }
    return page->limit + 1 - page->now.rows;
}

static void row_close(struct page *page) {
    struct text *answer = &page->op.answer;
    if (page->now.shown > 0 && text_failed(answer) && !answer->no_memory) {
        text_cut(answer, page->now.mark);
        page->now.shown--;
        page->now.left_out++;
    }
}

bool page_pause(struct page *page, int64_t from) {
    assert(page->store != NULL);
    row_close(page);
    page->now.from = from;
    page->now.len = page->op.answer.len;
    if (page->now.slice + 1 == PAGE_SLICES_MAX) {
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

void page_pass(struct page *page, struct bytes cursor) {
    keep_at(page, cursor);
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
    struct err err = page->rows(tx, page, &part);
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
        bool first =
            now->state == PAGE_LISTING && now->at_len == page->ask.after.len && now->rows == 0;
        err = read_part(tx, page, first ? page->limit + 1 : PAGE_PART_ROWS, &more);
        enough = now->state == PAGE_FULL || now->counted > PAGE_TOTAL_MAX;
    } while (!err_failed(err) && more && !enough && !tx_slice_over(tx));
    *ret_more = more && !enough;
    return err;
}

static void begin_at(struct page *page, const struct page_ask *ask) {
    page->now.at_len = ask->after.len;
    memcpy(page->now.at, ask->after.data, ask->after.len);
    page->now.at_number = ask->from;
}

static struct err list_slice(struct tx *tx, void *ctx) {
    struct page *page = ctx;
    struct err err = ERR_OK;
    bool more = false;
    (void)page_begin(page);
    if (page->now.slice == 0) {
        begin_at(page, &page->ask);
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
        counting = page->ask.total && page_listed(page);
    }
    if (!err_failed(err) && counting) {
        err = read_parts(tx, page, &more);
        if (!err_failed(err) && more && page_pause(page, 0)) {
            return ERR_OK;
        }
    }
    page_end(page, page->ask.total ? page->now.counted : PAGE_NO_TOTAL);
    return err;
}

void page_list(struct page *page, struct store *store, const struct page_ask *ask,
               page_rows_fn rows) {
    assert(ask->after.len <= PAGE_CURSOR_MAX);
    page->ask = *ask;
    page->rows = rows;
    page_read_slices(page, store, list_slice);
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
    if (page->now.rows == page->limit || (page->now.rows > 0 && page->op.answer.len > PAGE_BYTES)) {
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
    page->now.mark = page->op.answer.len;
    if (page->now.shown++ > 0) {
        text_add_char(&page->op.answer, ',');
    }
    keep_cursor(page, cursor);
    return true;
}

void page_stop(struct page *page, struct bytes cursor) {
    assert(page->now.state == PAGE_CUT);
    keep_cursor(page, cursor);
    page->now.next_len = page->now.last_len;
}

static struct bytes digits_of(int64_t cursor, char digits[24]) {
    int len = snprintf(digits, 24, "%lld", (long long)cursor);
    assert(len > 0 && len < 24);
    return (struct bytes){digits, (size_t)len};
}

bool page_add_number(struct page *page, int64_t cursor) {
    char digits[24];
    page->now.at_number = cursor;
    return page_add(page, digits_of(cursor, digits));
}

void page_pass_number(struct page *page, int64_t cursor) {
    char digits[24];
    page->now.at_number = cursor;
    page_pass(page, digits_of(cursor, digits));
}

void page_looked_number(struct page *page, int64_t cursor) {
    char digits[24];
    page->now.at_number = cursor;
    page_looked(page, digits_of(cursor, digits));
}

void page_end(struct page *page, int64_t total) {
    struct text *text = &page->op.answer;
    bool cut = page->now.state == PAGE_CUT;
    row_close(page);
    page_event(page, EVENT_END);
    text_add_str(text, "],\"next\":");
    if (page->now.next_len > 0) {
        text_add_json(text, page->now.last, page->now.next_len);
    } else {
        text_add_str(text, "null");
    }
    if (total != PAGE_NO_TOTAL) {
        text_add_str(text, ",\"total\":");
        text_add_int(text, total > PAGE_TOTAL_MAX ? PAGE_TOTAL_MAX : total);
        text_add_str(text, total > PAGE_TOTAL_MAX || cut ? ",\"more\":true" : "");
    }
    if (page->now.left_out > 0) {
        text_add_str(text, ",\"left_out\":");
        text_add_int(text, page->now.left_out);
    }
    text_add_char(text, '}');
}
