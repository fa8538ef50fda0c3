/* whole.c: questions about a database as a whole, asked without claiming it. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/postgres/postgres.h"

/* --- The schema's number ---------------------------------------------------------------------- */

static struct err read_int(struct pg_link *link, const char *sql, int64_t *ret_number) {
    return pg_link_numbers(link, sql, NO_ARGS, ERR_STORE_CORRUPT, ret_number, 1);
}

static struct err read_schema(struct pg_link *link, struct schema *ret_schema) {
    /* A table or a column that is not there would fail the statement, so they are counted first. */
    static const char sql[] =
        "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relname = 'schema' AND a.attname IN ('series', 'version')"
        " AND c.relnamespace = quote_ident(current_schema())::regnamespace";
    struct schema schema = {.version = 0};
    int64_t columns = 0;
    TRY(read_int(link, sql, &columns));
    if (columns > 0) {
        TRY(read_int(link, "SELECT version FROM schema", &schema.version));
    }
    if (columns > 1) {
        TRY(read_int(link, "SELECT series FROM schema", &schema.series));
    }
    *ret_schema = schema;
    return ERR_OK;
}

struct err postgres__schema(struct conn *conn, struct schema *ret_schema) {
    return read_schema(pg_session_of(conn)->link, ret_schema);
}

/* --- Backup and restore ----------------------------------------------------------------------- */

/* PostgreSQL's own tools copy a schema in one snapshot while we write, and know how to bring it
 * back into another version of the server; a half of that here would only look like a backup. */
static struct err use_their_tools(struct why *why, const char *what, const char *how) {
    return err_why(why, ERR_USAGE,
                   "drover %s copies a data directory; for a PostgreSQL database use %s", what,
                   how);
}

struct err postgres__backup(const char *where, const char *to, struct why *why) {
    (void)where;
    (void)to;
    return use_their_tools(why, "backup",
                           "pg_dump --format=custom --file=FILE URL (safe while drover runs)");
}

struct err postgres__restore(const char *from, const char *where, struct why *why) {
    (void)from;
    (void)where;
    return use_their_tools(why, "restore",
                           "pg_restore --dbname=URL FILE into an empty database, with no drover "
                           "running on it");
}

/* --- Check ------------------------------------------------------------------------------------ */

/* The server checks each page that it reads (where checksums are on) and each value that it
 * unpacks. So every value of every table is read; an index that a failure left invalid is found. */
static struct err check_indexes(struct pg_link *link, struct store_check *check) {
    int64_t invalid = 0;
    struct err err = read_int(link,
                              "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = "
                              "i.indexrelid WHERE NOT i.indisvalid AND c.relnamespace = "
                              "quote_ident(current_schema())::regnamespace",
                              &invalid);
    if (!err_failed(err) && invalid > 0) {
        check->integrity_ok = false;
        (void)snprintf(check->detail, sizeof check->detail, "%lld invalid indexes; REINDEX them",
                       (long long)invalid);
    }
    return err;
}

static struct err check_table(struct pg_link *link, const char *quoted, struct store_check *check) {
    AUTO(text_done) struct text sql = text_up_to(/* size_max */ 512);
    text_addf(&sql, "SELECT sum(length(t::text)) FROM %s t", quoted);
    if (text_failed(&sql)) {
        return err_make(ERR_INTERNAL, "postgres: check");
    }
    struct err err = pg_link_script(link, sql.data);
    if (err_failed(err) && pg_link_alive(link)) {
        check->integrity_ok = false;
        (void)snprintf(check->detail, sizeof check->detail, "table %s: %s", quoted,
                       pg_link_message(link));
        return ERR_OK;
    }
    return err;
}

static struct err check_tables(struct pg_link *link, struct store_check *check) {
    static const char sql[] =
        "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND "
        "relnamespace = quote_ident(current_schema())::regnamespace ORDER BY relname";
    const struct libpq *pq = pg_link_libpq(link);
    PGresult *result = NULL;
    struct err err = pg_link_run(link, sql, NO_ARGS, &result);
    for (int i = 0; !err_failed(err) && check->integrity_ok && i < pq->PQntuples(result); i++) {
        err = check_table(link, pq->PQgetvalue(result, i, 0), check);
    }
    int64_t sums = 0;
    if (!err_failed(err)) {
        err = read_int(link, "SELECT CAST(current_setting('data_checksums') = 'on' AS int)", &sums);
        check->sums = sums != 0;
    }
    if (!err_failed(err) && check->integrity_ok) {
        int version = pg_link_version(link);
        (void)snprintf(check->detail, sizeof check->detail,
                       "PostgreSQL %d.%d: %d tables read to the end", version / 10000,
                       version % 10000, pq->PQntuples(result));
    }
    pq->PQclear(result);
    return err;
}

static struct err check_link(struct pg_link *link, struct store_check *check, struct why *why) {
    int64_t oid = 0;
    TRY(pg_server_check(link, why));
    TRY(pg_schema_enter(link, PG_ENTER_FIND, &oid, why));
    struct schema schema = {.version = 0};
    struct err err = read_schema(link, &schema);
    check->series = schema.series;
    check->schema = schema.version;
    check->schema_other = schema.version > 0 && schema.series != SCHEMA_SERIES;
    if (!err_failed(err) && check->schema == 0) {
        return err_why(why, ERR_NOT_FOUND, "the schema is empty: no drover has served it yet");
    }
    /* The tables of a newer schema are read all the same: nothing here depends on their columns. */
    err = err_failed(err) ? err : read_int(link, "SELECT epoch FROM nodes", &check->epoch);
    err = err_failed(err) ? err : check_indexes(link, check);
    err = err_failed(err) || !check->integrity_ok ? err : check_tables(link, check);
    if (err_failed(err)) {
        why_set(why, "PostgreSQL: %s", pg_link_message(link));
    }
    return err;
}

struct err postgres__check(const char *where, struct store_check *ret_check, struct why *why) {
    struct libpq pq;
    TRY(libpq_open(&pq, why));
    struct pg_link *link = NULL;
    struct store_check check = {.schema_known = store__schema_known(), .integrity_ok = true};
    struct pg_patience patience;
    pg_patience_init(&patience, world_real());
    patience.script_ms = UINT_MAX; /* A whole table is read before the server says a word. */
    struct err err = pg_link_open(&pq, where, &patience, &link, why);
    err = err_failed(err) ? err : check_link(link, &check, why);
    pg_link_close(link);
    libpq_close(&pq);
    if (!err_failed(err)) {
        *ret_check = check;
    }
    return err;
}
