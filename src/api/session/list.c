/* list.c: the list of sessions, and the search for a text in them. */
#include <stdio.h>
#include <string.h>

#include "api/session/sessions.h"
#include "base/memory.h"
#include "base/number.h"

struct list_op {
    struct page page;
    struct session_page what; /* Filters of the engine. Texts are borrowed from the exchange. */
    struct bytes q, states;   /* Filters of this file; borrowed from the exchange. */
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

static struct bytes cursor_of(const struct session_row *row, char ret_text[CURSOR_SIZE]) {
    const struct session_cursor cursor = {.changed_ms = row->changed_ms, .id = row->id};
    return cursor_write(&cursor, ret_text);
}

static bool fits(const struct list_op *list, const struct session_row *row) {
    const char *state = session_state_name(row->state);
    return page_names(list->states, bytes_of(state));
}

static struct err list_row(void *ctx, const struct session_row *row) {
    struct list_op *list = ctx;
    char text[CURSOR_SIZE];
    if (!fits(list, row)) {
        page_pass(&list->page, cursor_of(row, text));
    } else if (page_add(&list->page, cursor_of(row, text))) {
        session_write_json(row, SESSION_LIGHT, &list->page.op.answer);
    }
    return ERR_OK;
}

static enum session_found found_row(void *ctx, const struct session_row *row,
                                    const struct session_hit *hit) {
    struct list_op *list = ctx;
    char text[CURSOR_SIZE];
    if (!fits(list, row)) {
        page_pass(&list->page, cursor_of(row, text));
    } else if (page_add(&list->page, cursor_of(row, text))) {
        session_write_found(row, hit, &list->page.op.answer);
    }
    return list->page.now.state == PAGE_FULL ? SESSION_FOUND_ENOUGH : SESSION_FOUND_TAKEN;
}

static struct err search(struct tx *tx, struct list_op *list, const struct session_page *what) {
    struct session_cursor after = {0, 0};
    char text[CURSOR_SIZE];
    struct err err = tx_session_search(tx, what, list->q, found_row, list, &after);
    if (!err_failed(err) && after.id != 0) {
        page_looked(&list->page, cursor_write(&after, text));
    }
    return err;
}

static struct err list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct list_op *list = CONTAINER_OF(page, struct list_op, page);
    struct session_page what = list->what;
    what.limit = part->limit;
    bool valid = part->after.len == 0 || cursor_parse(part->after, &what.after);
    assert(valid); /* The form has seen to it. */
    struct err err =
        list->q.len > 0 ? search(tx, list, &what) : tx_session_each(tx, &what, list_row, list);
    if (err.code == ERR_NOT_FOUND) {
        why_set(&page->op.why, "parent: there is no session with that id");
    }
    return err;
}

/* --- The request ------------------------------------------------------------------------------ */

static struct err filters_read(const struct exchange *exchange, struct list_op *list) {
    list->what.archived = exchange_query_int(exchange, SESSIONS_ARCHIVED) != 0;
    list->what.project = page_word(exchange, SESSIONS_PROJECT);
    list->what.parent = page_word(exchange, SESSIONS_PARENT);
    list->q = page_word(exchange, SESSIONS_Q);
    list->states = page_word(exchange, SESSIONS_STATE);
    list->what.since_ms = exchange_query_int(exchange, SESSIONS_SINCE);
    if (memchr(list->q.data, '\0', list->q.len) != NULL) {
        return err_make(ERR_BAD_QUERY, "sessions: q");
    }
    return page_words_check(list->states, "state", "idle,running,waiting,compacting",
                            &list->page.op.why);
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
    page_list(&list->page, api->store, &ask, list_rows);
}
