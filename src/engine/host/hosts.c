/* hosts.c: see the header. */
#include "engine/host/hosts.h"

#include <string.h>

#include "engine/base/home.h"
#include "engine/run/rows.h"

#define HOST_COLUMNS                                                                               \
    "id, place, name, role, version, made_ms, seen_ms, (SELECT count(*) FROM runs"                 \
    " WHERE runs.host = hosts.place AND runs.host <> '' AND kind = 'job' AND gate = ''"            \
    " AND ended_ms IS NULL)"

static const char *const role_names[] = {[HOST_STANDBY] = "standby", [HOST_LEADER] = "leader"};

struct err tx_host_seen(struct tx *tx, const struct host_row *host) {
    static const char put[] = "INSERT INTO hosts (place, name, role, version, made_ms, seen_ms)"
                              " VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (place) DO UPDATE SET"
                              " name = $2, role = $3, version = $4, seen_ms = $5";
    const char *role = role_names[host->role];
    const struct arg args[] = {arg_text(host->place), arg_text(host->name),
                               arg_text(bytes_of(role)), arg_text(host->version),
                               arg_int(tx_now_ms(tx))};
    return tx_exec(tx, put, args, COUNT_OF(args), NULL /* one row */);
}

static struct err is_alone(struct tx *tx, struct bytes older, bool *ret_alone) {
    static const char sql[] = "SELECT count(*) FROM hosts WHERE substr(place, 1, length($1) + 1) ="
                              " $1 || '/'";
    const struct arg args[] = {arg_text(older)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        *ret_alone = rows_int(rows, 0) <= 1;
    }
    return err;
}

struct err tx_host_rename(struct tx *tx, struct bytes place) {
    static const char rename[] = "UPDATE runs SET host = $1 WHERE host = $2 AND host <> ''"
                                 " AND ended_ms IS NULL AND kind = 'job'"
                                 " AND state IN ('running', 'waiting')";
    struct bytes older = home_without_id(place);
    const struct arg args[] = {arg_text(place), arg_text(older)};
    bool alone = false;
    struct err err = older.len == 0 ? ERR_OK : is_alone(tx, older, &alone);
    if (err_failed(err) || !alone) {
        return err;
    }
    err = tx_exec(tx, rename, args, COUNT_OF(args), NULL /* mostly none */);
    bool more = false;
    return err_failed(err) ? err : tx_host_remove(tx, older, &more);
}

static void host_borrow(const struct rows *rows, struct host_row *ret_host) {
    struct bytes role = rows_text(rows, 3);
    bool leads = role.len == strlen(role_names[HOST_LEADER]) &&
                 memcmp(role.data, role_names[HOST_LEADER], role.len) == 0;
    *ret_host = (struct host_row){.id = rows_int(rows, 0),
                                  .place = rows_text(rows, 1),
                                  .name = rows_text(rows, 2),
                                  .role = leads ? HOST_LEADER : HOST_STANDBY,
                                  .version = rows_text(rows, 4),
                                  .made_ms = rows_int(rows, 5),
                                  .seen_ms = rows_int(rows, 6),
                                  .runs = rows_int(rows, 7)};
}

static struct err host_copy(struct tx *tx, struct host_row *io_host) {
    struct bytes *const texts[] = {&io_host->place, &io_host->name, &io_host->version};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const char *copy = arena_try_copy(tx_arena(tx), texts[i]->data, texts[i]->len);
        if (copy == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "hosts: find");
        }
        texts[i]->data = copy;
    }
    return ERR_OK;
}

struct err tx_host_find(struct tx *tx, struct bytes word, bool *ret_found,
                        struct host_row *ret_host) {
    static const char sql[] = "SELECT " HOST_COLUMNS " FROM hosts WHERE place = $1 OR name = $1"
                              " ORDER BY CASE WHEN place = $1 THEN 0 ELSE 1 END, id LIMIT 2";
    const struct arg args[] = {arg_text(word)};
    struct host_row host = {.id = 0};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    bool found = !err_failed(err) && rows != NULL;
    if (found) {
        host_borrow(rows, &host);
        err = host_copy(tx, &host);
    }
    if (found && !err_failed(err) && !bytes_equal(host.place, word) && rows_more(rows, &err)) {
        err = err_make(ERR_CONFLICT, "hosts: name");
    }
    if (!err_failed(err)) {
        *ret_found = found;
        *ret_host = host;
    }
    return err;
}

struct err tx_host_of_run(struct tx *tx, struct bytes place, bool *ret_found,
                          struct host_row *ret_host) {
    static const char sql[] = "SELECT " HOST_COLUMNS " FROM hosts WHERE place = $1 OR"
                              " substr(place, 1, length($1) + 1) = $1 || '/'"
                              " ORDER BY CASE WHEN place = $1 THEN 0 ELSE 1 END, id LIMIT 2";
    const struct arg args[] = {arg_text(place)};
    struct host_row host = {.id = 0};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    bool found = !err_failed(err) && rows != NULL;
    if (found) {
        host_borrow(rows, &host);
        err = host_copy(tx, &host);
    }
    if (found && !err_failed(err) && !bytes_equal(host.place, place) && rows_more(rows, &err)) {
        host.name = place; /* Which of them it was, nobody knows. */
    }
    if (!err_failed(err)) {
        *ret_found = found;
        *ret_host = host;
    }
    return err;
}

struct err tx_host_each(struct tx *tx, const struct host_page *page,
                        struct err (*each)(void *ctx, const struct host_row *host), void *ctx) {
    static const char sql[] = "SELECT " HOST_COLUMNS " FROM hosts WHERE id > $1 ORDER BY id"
                              " LIMIT $2";
    const struct arg args[] = {arg_int(page->after), arg_int(page->limit)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    while (rows_more(rows, &err)) {
        struct host_row host;
        host_borrow(rows, &host);
        err = each(ctx, &host);
        if (err_failed(err)) {
            return err;
        }
    }
    return err;
}
