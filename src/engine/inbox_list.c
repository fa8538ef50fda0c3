/* inbox_list.c: what is due, lists, recovery, retention and the census of the inbox. */
#include <string.h>

#include "engine/inbox_rows.h"

struct err tx_inbox_due(struct tx *tx, const struct inbox_receiver *receiver, bool *ret_found,
                        struct inbox_row *ret_row) {
    static const char sql[] =
        "SELECT " INBOX_COLUMNS " FROM inbox WHERE owner = $1 AND receiver = $2 AND address = $3"
        " AND settled_ms IS NULL ORDER BY not_before_ms, id LIMIT 1";
    const char *kind = receiver_kind_name(receiver->kind);
    const struct arg args[] = {arg_text(receiver->owner),
                               arg_text((struct bytes){kind, strlen(kind)}),
                               arg_text(receiver->address)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        err = inbox__read(tx, rows, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

static const char every_sql[] =
    "SELECT " INBOX_COLUMNS_LIGHT " FROM inbox WHERE owner = $1 AND id < $2"
    " ORDER BY id DESC LIMIT $3";
static const char open_sql[] =
    "SELECT " INBOX_COLUMNS_LIGHT " FROM inbox WHERE owner = $1 AND id < $2 AND settled_ms IS NULL"
    " ORDER BY id DESC LIMIT $3";

struct err tx_inbox_each(struct tx *tx, const struct inbox_page *page,
                         struct err (*each)(void *ctx, const struct inbox_row *row), void *ctx) {
    const struct arg args[] = {arg_text(page->owner),
                               arg_int(page->before > 0 ? page->before : INT64_MAX),
                               arg_int(page->limit)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, page->all ? every_sql : open_sql, args, COUNT_OF(args), &rows);
    for (;;) {
        bool more = false;
        struct inbox_row row;
        if (!err_failed(err)) {
            err = rows_next(rows, &more);
        }
        if (err_failed(err) || !more) {
            return err;
        }
        err = inbox__borrow(rows, INBOX_LIGHT, &row);
        if (!err_failed(err)) {
            err = each(ctx, &row);
        }
    }
}

/* A receiver stands where its first unsettled row does. */
struct err tx_inbox_recover(struct tx *tx, int64_t after, int64_t limit, int64_t *ret_last) {
    static const char sql[] =
        "SELECT min(id), owner, receiver, address FROM inbox WHERE settled_ms IS NULL"
        " GROUP BY owner, receiver, address HAVING min(id) > $1 ORDER BY min(id) LIMIT $2";
    const struct arg args[] = {arg_int(after), arg_int(limit)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    int64_t count = 0, last = 0;
    bool more = true;
    while (!err_failed(err)) {
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        struct inbox_receiver receiver = {.owner = rows_text(rows, 1),
                                          .address = rows_text(rows, 3)};
        if (!receiver_kind_find(rows_text(rows, 2), &receiver.kind)) {
            return err_make(ERR_STORE_CORRUPT, "inbox: receiver");
        }
        count++;
        last = rows_int(rows, 0);
        err = inbox__tell(tx, &receiver);
    }
    if (!err_failed(err)) {
        *ret_last = count == limit ? last : 0;
    }
    return err;
}

struct err tx_inbox_prune(struct tx *tx, int64_t before_ms, int64_t limit, bool *ret_more) {
    static const char sql[] = "DELETE FROM inbox WHERE id IN"
                              " (SELECT id FROM inbox WHERE settled_ms IS NOT NULL"
                              " AND settled_ms < $1 ORDER BY settled_ms LIMIT $2)";
    const struct arg args[] = {arg_int(before_ms), arg_int(limit)};
    int64_t changed = 0;
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), &changed);
    if (!err_failed(err)) {
        *ret_more = changed >= limit;
    }
    return err;
}

static void count_state(enum inbox_state state, const struct rows *rows,
                        struct inbox_census *census) {
    int64_t count = rows_int(rows, 1), oldest_ms = rows_int(rows, 2);
    if (state == INBOX_STALLED) {
        census->stalled = count;
    } else {
        census->pending = count;
    }
    if (census->oldest_ms == 0 || oldest_ms < census->oldest_ms) {
        census->oldest_ms = oldest_ms;
    }
}

struct err tx_inbox_census(struct tx *tx, struct inbox_census *ret_census) {
    static const char sql[] = "SELECT state, count(*), min(made_ms) FROM inbox"
                              " WHERE settled_ms IS NULL GROUP BY state";
    struct inbox_census census = {.pending = 0};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, NULL /* no argument */, 0, &rows);
    bool more = true;
    while (!err_failed(err)) {
        enum inbox_state state;
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        if (!inbox_state_find(rows_text(rows, 0), &state)) {
            return err_make(ERR_STORE_CORRUPT, "inbox: state");
        }
        count_state(state, rows, &census);
    }
    if (!err_failed(err)) {
        *ret_census = census;
    }
    return err;
}
