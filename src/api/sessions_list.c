/* sessions_list.c: which sessions there are, and where a text stands in them. */
#include <stdio.h>
#include <string.h>

#include "api/sessions.h"
#include "base/memory.h"
#include "base/number.h"

struct list_op {
    struct page page;
    struct session_page what; /* Borrowed from the exchange, as `q` is. */
    struct bytes q;
};

/* --- Cursors: MS.ID --------------------------------------------------------------------------- */

enum { CURSOR_SIZE = 44 };

static bool cursor_parse(struct bytes text, struct session_cursor *ret_cursor) {
    struct number_bounds bounds = {0, INT64_MAX};
    const char *dot = memchr(text.data, '.', text.len);
    if (dot == NULL) {
        return false;
    }
    size_t at = (size_t)(dot - text.data);
    return number_parse((struct bytes){text.data, at}, bounds, &ret_cursor->changed_ms) &&
           number_parse((struct bytes){dot + 1, text.len - at - 1}, bounds, &ret_cursor->id) &&
           ret_cursor->id > 0;
}

static bool cursor_valid(struct bytes text) {
    struct session_cursor cursor;
    return cursor_parse(text, &cursor);
}

static struct bytes cursor_write(const struct session_cursor *cursor, char ret_text[CURSOR_SIZE]) {
    int len = snprintf(ret_text, CURSOR_SIZE, "%lld.%lld", (long long)cursor->changed_ms,
                       (long long)cursor->id);
    assert(len > 0 && len < CURSOR_SIZE);
    return (struct bytes){ret_text, (size_t)len};
}

/* --- In the store ----------------------------------------------------------------------------- */

static bool add(struct list_op *list, const struct session_row *row) {
    char text[CURSOR_SIZE];
    const struct session_cursor cursor = {.changed_ms = row->changed_ms, .id = row->id};
    return page_add(&list->page, cursor_write(&cursor, text));
}

static struct err list_row(void *ctx, const struct session_row *row) {
    struct list_op *list = ctx;
    if (add(list, row)) {
        session_write_json(row, SESSION_LIGHT, &list->page.op.answer);
    }
    return ERR_OK;
}

static enum session_found found_row(void *ctx, const struct session_row *row,
                                    const struct session_hit *hit) {
    struct list_op *list = ctx;
    if (!add(list, row)) {
        return SESSION_FOUND_ENOUGH;
    }
    session_write_found(row, hit, &list->page.op.answer);
    return SESSION_FOUND_TAKEN;
}

static struct err search(struct tx *tx, struct list_op *list) {
    struct session_cursor after = {0, 0};
    char text[CURSOR_SIZE];
    struct err err = tx_session_search(tx, &list->what, list->q, found_row, list, &after);
    if (!err_failed(err) && after.id != 0) {
        page_stop(&list->page, cursor_write(&after, text));
    }
    return err;
}

static struct err list_run(struct tx *tx, void *ctx) {
    struct list_op *list = ctx;
    struct session_page what = list->what;
    what.limit = page_begin(&list->page);
    struct err err =
        list->q.len > 0 ? search(tx, list) : tx_session_each(tx, &what, list_row, list);
    if (err.code == ERR_NOT_FOUND) {
        why_set(&list->page.op.why, "parent: there is no session with that id");
    }
    page_end(&list->page, PAGE_NO_TOTAL);
    return err;
}

/* --- The request ------------------------------------------------------------------------------ */

static struct err filters_read(const struct exchange *exchange, struct list_op *list) {
    list->what.archived = exchange_query_int(exchange, SESSIONS_ARCHIVED) != 0;
    list->what.project = list->what.parent = list->q = BYTES("");
    if (exchange_query_given(exchange, SESSIONS_Q)) {
        list->q = exchange_query_text(exchange, SESSIONS_Q);
    }
    if (exchange_query_given(exchange, SESSIONS_PROJECT)) {
        list->what.project = exchange_query_text(exchange, SESSIONS_PROJECT);
    }
    if (exchange_query_given(exchange, SESSIONS_PARENT)) {
        list->what.parent = exchange_query_text(exchange, SESSIONS_PARENT);
    }
    return memchr(list->q.data, '\0', list->q.len) == NULL ? ERR_OK
                                                           : err_make(ERR_BAD_QUERY, "sessions: q");
}

void sessions__list(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.valid = cursor_valid};
    const struct sessions_api *api = ctx;
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return;
    }
    struct list_op *list = mem_new(sizeof *list);
    page_init(&list->page, exchange, ask.limit);
    struct err err = filters_read(exchange, list);
    if (err_failed(err)) {
        op_done(err, list);
        return;
    }
    list->what.owner = ask.owner;
    list->what.hold = dispatch_held(api->dispatch);
    bool start = ask.after.len == 0;
    if (!start && !cursor_parse(ask.after, &list->what.after)) {
        op_done(err_make(ERR_BAD_CURSOR, "sessions: after"), list);
        return;
    }
    store_read(api->store, list_run, op_done, list);
}
