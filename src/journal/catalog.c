/* catalog.c: the streams table as clients see it. */
#include "journal/catalog.h"

#include "journal/journal.h"

static struct stream_row row_read(struct rows *rows) {
    return (struct stream_row){.name = rows_text(rows, 0),
                               .head = rows_int(rows, 1),
                               .floor = rows_int(rows, 2),
                               .made_ms = rows_int(rows, 3),
                               .keep_events = rows_int(rows, 4),
                               .keep_ms = rows_int(rows, 5)};
}

struct err tx_stream_each(struct tx *tx, const struct stream_page *page, stream_row_fn each,
                          void *ctx) {
    static const char sql[] = "SELECT name, head, floor, made_ms, COALESCE(keep_events, 0),"
                              " COALESCE(keep_ms, 0) FROM streams"
                              " WHERE owner = $1 AND name > $2 ORDER BY name LIMIT $3";
    struct arg args[] = {arg_text(page->owner), arg_text(page->after), arg_int(page->limit)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    while (!err_failed(err)) {
        bool more = false;
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        struct stream_row row = row_read(rows);
        err = each(ctx, &row);
    }
    return err;
}

struct err tx_stream_show(struct tx *tx, const struct stream_key *key, bool *ret_found,
                          stream_row_fn show, void *ctx) {
    static const char sql[] = "SELECT name, head, floor, made_ms, COALESCE(keep_events, 0),"
                              " COALESCE(keep_ms, 0) FROM streams WHERE owner = $1 AND name = $2";
    struct arg args[] = {arg_text(key->owner), arg_text(key->name)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    bool found = rows != NULL;
    if (found) {
        struct stream_row row = row_read(rows);
        err = show(ctx, &row);
    }
    if (!err_failed(err)) {
        *ret_found = found;
    }
    return err;
}

static struct err keep_find(struct tx *tx, const struct stream_key *key, bool *ret_found,
                            struct retention *ret_keep) {
    static const char sql[] = "SELECT COALESCE(keep_events, 0), COALESCE(keep_ms, 0) FROM streams"
                              " WHERE owner = $1 AND name = $2";
    struct arg args[] = {arg_text(key->owner), arg_text(key->name)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    if (rows != NULL) {
        *ret_keep = (struct retention){.events = rows_int(rows, 0), .ms = rows_int(rows, 1)};
    }
    *ret_found = rows != NULL;
    return ERR_OK;
}

struct err tx_stream_set_keep(struct tx *tx, const struct stream_key *key,
                              const struct stream_keep *keep, bool *ret_found) {
    struct retention retention = {0};
    bool found = false;
    struct err err = keep_find(tx, key, &found, &retention);
    if (err_failed(err)) {
        return err;
    }
    if (keep->has_events) {
        retention.events = keep->events;
    }
    if (keep->has_ms) {
        retention.ms = keep->ms;
    }
    if (found) {
        err = tx_stream_keep(tx, key->owner, key->name, retention, &found);
    }
    if (!err_failed(err)) {
        *ret_found = found;
    }
    return err;
}
