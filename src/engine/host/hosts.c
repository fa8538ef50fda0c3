/* hosts.c: see the header. */
#include "engine/host/hosts.h"

#include "engine/base/home.h"
#include "engine/run/rows.h"

#define HOST_COLUMNS                                                                               \
    "id, place, name, role, version, made_ms, seen_ms, (SELECT count(*) FROM runs"                 \
    " WHERE runs.host = hosts.place AND runs.host <> '' AND kind = 'job' AND gate = ''"            \
    " AND ended_ms IS NULL)"

static const char *const role_names[] = {[HOST_STANDBY] = "standby", [HOST_LEADER] = "leader"};

struct err tx_host_seen(struct tx *tx, const struct host_row *host) {
    tx_do(tx,
          "INSERT INTO hosts (place, name, role, version, made_ms, seen_ms)"
          " VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (place) DO UPDATE SET"
          " name = $2, role = $3, version = $4, seen_ms = $5",
          ARGS(arg_text(host->place), arg_text(host->name), arg_str(role_names[host->role]),
               arg_text(host->version), arg_int(tx_now_ms(tx))));
    return tx_error(tx);
}

struct err tx_host_rename(struct tx *tx, struct bytes place) {
    struct bytes older = home_without_id(place);
    bool more = false;
    if (older.len == 0 || tx_number(tx,
                                    "SELECT count(*) FROM hosts"
                                    " WHERE substr(place, 1, length($1) + 1) = $1 || '/'",
                                    ARGS(arg_text(older)), /* absent */ 0) > 1) {
        return tx_error(tx);
    }
    tx_do(tx,
          "UPDATE runs SET host = $1 WHERE host = $2 AND host <> '' AND ended_ms IS NULL"
          " AND kind = 'job' AND state IN ('running', 'waiting')",
          ARGS(arg_text(place), arg_text(older)));
    return tx_host_remove(tx, older, &more);
}

/* Copies the texts. */
static struct host_row host_read(struct rows *rows) {
    bool leads = bytes_is(rows_text(rows, 3), role_names[HOST_LEADER]);
    return (struct host_row){.id = rows_int(rows, 0),
                             .place = rows_copy(rows, 1),
                             .name = rows_copy(rows, 2),
                             .role = leads ? HOST_LEADER : HOST_STANDBY,
                             .version = rows_copy(rows, 4),
                             .made_ms = rows_int(rows, 5),
                             .seen_ms = rows_int(rows, 6),
                             .runs = rows_int(rows, 7)};
}

/* *ret_several: several rows fit, and none of them has the word for its place. */
static struct err host_find(struct tx *tx, const char *sql, struct bytes word, bool *ret_found,
                            bool *ret_several, struct host_row *ret_host) {
    struct host_row host = {.id = 0};
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, ARGS(arg_text(word)));
    *ret_found = rows != NULL;
    if (rows != NULL) {
        host = host_read(rows);
    }
    *ret_several = rows != NULL && !bytes_equal(host.place, word) && rows_step(rows);
    *ret_host = host;
    return tx_error(tx);
}

struct err tx_host_find(struct tx *tx, struct bytes word, bool *ret_found,
                        struct host_row *ret_host) {
    bool several = false;
    struct err err = host_find(tx,
                               "SELECT " HOST_COLUMNS " FROM hosts WHERE place = $1 OR name = $1"
                               " ORDER BY CASE WHEN place = $1 THEN 0 ELSE 1 END, id LIMIT 2",
                               word, ret_found, &several, ret_host);
    return !err_failed(err) && several ? err_make(ERR_CONFLICT, "hosts: name") : err;
}

struct err tx_host_of_run(struct tx *tx, struct bytes place, bool *ret_found,
                          struct host_row *ret_host) {
    bool several = false;
    struct err err = host_find(tx,
                               "SELECT " HOST_COLUMNS " FROM hosts WHERE place = $1 OR"
                               " substr(place, 1, length($1) + 1) = $1 || '/'"
                               " ORDER BY CASE WHEN place = $1 THEN 0 ELSE 1 END, id LIMIT 2",
                               place, ret_found, &several, ret_host);
    if (several) {
        ret_host->name = place; /* Which of them it was, nobody knows. */
    }
    return err;
}

struct err tx_host_each(struct tx *tx, const struct host_page *page,
                        struct err (*each)(void *ctx, const struct host_row *host), void *ctx) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, "SELECT " HOST_COLUMNS " FROM hosts WHERE id > $1 ORDER BY id LIMIT $2",
                ARGS(arg_int(page->after), arg_int(page->limit)));
    struct err err = ERR_OK;
    while (!err_failed(err) && rows_step(rows)) {
        const struct host_row host = host_read(rows);
        err = each(ctx, &host);
    }
    return err_failed(err) ? err : tx_error(tx);
}
