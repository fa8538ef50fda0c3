/* page.c: one page of a list. */
#include "api/page.h"

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
    struct page_ask ask = {.after = BYTES(""), .limit = exchange_query_int(exchange, PAGE_LIMIT)};
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

void page_init(struct page *page, struct exchange *exchange, int64_t limit) {
    assert(limit >= 1 && limit <= PAGE_LIMIT_MAX);
    op_init(&page->op, exchange, 200);
    page->limit = limit;
}

static void slice_done(struct err result, void *ctx) {
    struct page *page = ctx;
    if (err_failed(result) || !page->now.paused) {
        op_done(result, page);
        return;
    }
    page->slice_before = page->now;
    page->slice_before.paused = false;
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

bool page_pause(struct page *page, int64_t from) {
    assert(page->store != NULL);
    page->now.paused = page->now.slice + 1 < PAGE_SLICES_MAX;
    page->now.cut = !page->now.paused;
    page->now.from = from;
    page->now.len = page->op.answer.len;
    return page->now.paused;
}

void page_listed(struct page *page) {
    page->now.listed = true;
    page->now.from = 0;
}

static void keep_cursor(struct page *page, struct bytes cursor) {
    assert(cursor.len <= sizeof page->now.last);
    memcpy(page->now.last, cursor.data, cursor.len);
    page->now.last_len = cursor.len;
}

static void row_close(struct page *page) {
    struct text *answer = &page->op.answer;
    if (page->now.shown > 0 && text_failed(answer) && !answer->no_memory) {
        text_cut(answer, page->now.mark);
        page->now.shown--;
        page->now.left_out++;
    }
}

/* The first row is always taken: a page without any would never lead to the next. */
bool page_add(struct page *page, struct bytes cursor) {
    row_close(page);
    if (page->now.rows == page->limit || (page->now.rows > 0 && page->op.answer.len > PAGE_BYTES)) {
        page->now.full = true;
    }
    if (page->now.full) {
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
    keep_cursor(page, cursor);
    page->now.full = true;
}

bool page_add_number(struct page *page, int64_t cursor) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)cursor);
    assert(len > 0 && (size_t)len < sizeof digits);
    return page_add(page, (struct bytes){digits, (size_t)len});
}

void page_end(struct page *page, int64_t total) {
    struct text *text = &page->op.answer;
    row_close(page);
    text_add_str(text, "],\"next\":");
    if (page->now.full) {
        text_add_json(text, page->now.last, page->now.last_len);
    } else {
        text_add_str(text, "null");
    }
    if (total != PAGE_NO_TOTAL) {
        text_add_str(text, ",\"total\":");
        text_add_int(text, total > PAGE_TOTAL_MAX ? PAGE_TOTAL_MAX : total);
        text_add_str(text, total > PAGE_TOTAL_MAX || page->now.cut ? ",\"more\":true" : "");
    }
    if (page->now.left_out > 0) {
        text_add_str(text, ",\"left_out\":");
        text_add_int(text, page->now.left_out);
    }
    text_add_char(text, '}');
}
