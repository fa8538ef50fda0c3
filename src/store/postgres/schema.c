#include "store/postgres/schema.h"

#include <stdio.h>
#include <string.h>

enum { VERSION_MIN = 130000, SCRIPT_SIZE = 320 };

static const char *value_of(const struct libpq *pq, const PGresult *result, int column) {
    return pq->PQgetvalue(result, 0, column);
}

/* Leaves a sentence for the user about a statement that failed at the start. */
static struct err explain(const struct pg_link *link, struct err err, struct why *why) {
    why_set(why, "PostgreSQL: %s", pg_link_message(link));
    return err;
}

/* --- The server ------------------------------------------------------------------------------- */

/* Providers are letters: c the C library, b PostgreSQL's own (17), which sorts by code point in
 * each of its locales: the order of UTF-8 bytes. */
static bool sorts_by_bytes(char provider, const char *collate) {
    return provider == 'b' ||
           (provider == 'c' && (strcmp(collate, "C") == 0 || strcmp(collate, "POSIX") == 0));
}

static struct err judge_server(const struct libpq *pq, const PGresult *result, struct why *why) {
    const char *encoding = value_of(pq, result, 0), *collate = value_of(pq, result, 1);
    const char *provider = value_of(pq, result, 2), *name = value_of(pq, result, 5);
    if (strcmp(encoding, "UTF8") != 0 || !sorts_by_bytes(provider[0], collate)) {
        return err_why(
            why, ERR_CONFIG,
            "the database \"%s\" has encoding %s and sorts text by %s; drover needs UTF8 and "
            "the order of bytes: CREATE DATABASE name TEMPLATE template0 ENCODING 'UTF8' "
            "LOCALE 'C'",
            name, encoding, collate);
    }
    if (strcmp(value_of(pq, result, 3), "on") != 0) {
        return err_why(why, ERR_CONFIG,
                       "the PostgreSQL server runs with fsync = off: acknowledged writes would not "
                       "survive a power cut");
    }
    if (strcmp(value_of(pq, result, 4), "f") != 0) {
        return err_why(why, ERR_READ_ONLY,
                       "the PostgreSQL server is a standby and accepts no writes");
    }
    return ERR_OK;
}

struct err pg_server_check(struct pg_link *link, struct why *why) {
    static const char sql[] =
        "SELECT current_setting('server_encoding'), datcollate, datlocprovider, "
        "current_setting('fsync'), pg_is_in_recovery(), datname "
        "FROM pg_database WHERE datname = current_database()";
    static const char sql_14[] = /* Before 15 there was one provider. */
        "SELECT current_setting('server_encoding'), datcollate, 'c', "
        "current_setting('fsync'), pg_is_in_recovery(), datname "
        "FROM pg_database WHERE datname = current_database()";
    const struct libpq *pq = pg_link_libpq(link);
    int version = pg_link_version(link);
    if (version < VERSION_MIN) {
        return err_why(why, ERR_CONFIG,
                       "the PostgreSQL server is version %d; drover needs 13 or later",
                       version / 10000);
    }
    PGresult *result = NULL;
    struct err err = pg_link_run(link, version >= 150000 ? sql : sql_14, NO_ARGS, &result);
    if (err_failed(err)) {
        return explain(link, err, why);
    }
    err = judge_server(pq, result, why);
    pq->PQclear(result);
    return err;
}

/* --- The schema ------------------------------------------------------------------------------- */

/* The schema's name, quoted where it needs quotes; the first name of the path decides even when it
 * does not exist yet, where current_schema() would fall through to the next one. */
static struct err find_name(struct pg_link *link, char *ret_name, size_t size, struct why *why) {
    static const char sql[] =
        "WITH path AS (SELECT nullif(trim(split_part(current_setting('search_path'), ',', 1)), '') "
        "AS first) SELECT CASE WHEN first IS NULL OR first = '\"$user\"' "
        "THEN quote_ident(current_schema()) ELSE quote_ident((parse_ident(first))[1]) END FROM "
        "path";
    const struct libpq *pq = pg_link_libpq(link);
    PGresult *result = NULL;
    struct err err = pg_link_run(link, sql, NO_ARGS, &result);
    if (err_failed(err)) {
        return explain(link, err, why);
    }
    if (pq->PQgetisnull(result, 0, 0) || (size_t)pq->PQgetlength(result, 0, 0) >= size) {
        why_set(why, "the connection has no schema for the tables; name one in the URL: "
                     "?options=-csearch_path%%3Dname");
        err = err_make(ERR_CONFIG, "postgres: schema");
    } else {
        (void)snprintf(ret_name, size, "%s", value_of(pq, result, 0)); /* Fits. */
    }
    pq->PQclear(result);
    return err;
}

static struct err run_named(struct pg_link *link, const char *before, const char *name,
                            const char *after) {
    char script[SCRIPT_SIZE];
    (void)snprintf(script, sizeof script, "%s%s%s", before, name, after); /* Fits. */
    return pg_link_script(link, script);
}

struct err pg_schema_enter(struct pg_link *link, enum pg_enter how, int64_t *ret_oid,
                           struct why *why) {
    char name[160]; /* 63 bytes, each doubled if it is a quote, and two quotes. */
    TRY(find_name(link, name, sizeof name, why));
    static const char find[] = "SELECT to_regnamespace($1)::oid::bigint";
    struct arg named = arg_text(bytes_of(name));
    int64_t oid = 0;
    struct err err = pg_link_numbers(link, find, &named, /* count */ 1, ERR_NONE, &oid, 1);
    if (!err_failed(err) && oid == 0 && how == PG_ENTER_MAKE) {
        /* CREATE SCHEMA wants the privilege even when the schema exists, so it is not sent then: a
         * user who only owns a schema is enough. */
        err = run_named(link, "CREATE SCHEMA IF NOT EXISTS ", name, "");
        err = err_failed(err)
                  ? err
                  : pg_link_numbers(link, find, &named, /* count */ 1, ERR_NONE, &oid, 1);
    }
    err = err_failed(err) ? err : run_named(link, "SET search_path = ", name, ", pg_temp");
    if (err_failed(err)) {
        return explain(link, err, why);
    }
    if (oid == 0) {
        return err_why(why, ERR_NOT_FOUND, "the schema %s does not exist", name);
    }
    *ret_oid = oid;
    return ERR_OK;
}

/* --- The lock --------------------------------------------------------------------------------- */

/* Advisory locks of one database share one space of 64-bit keys: "drov" sets ours apart. */
static struct arg lock_key(int64_t oid) {
    return arg_int((INT64_C(0x64726f76) << 32) | oid);
}

struct err pg_schema_try_lock(struct pg_link *link, int64_t oid, bool *ret_locked) {
    static const char sql[] = "SELECT pg_try_advisory_lock($1)::int";
    int64_t locked = 0;
    TRY(pg_link_numbers(link, sql, ARGS(lock_key(oid)), ERR_NONE, &locked, 1));
    *ret_locked = locked != 0;
    return ERR_OK;
}

void pg_schema_unlock(struct pg_link *link) {
    static const char sql[] = "SELECT pg_advisory_unlock_all()";
    pg_link_drain(link);
    struct err err = pg_link_run(link, sql, NO_ARGS, /* ret_result */ NULL);
    (void)err; /* Then the end of the session does it. */
}

void pg_schema_explain_lock(struct pg_link *link, int64_t oid, struct why *why) {
    static const char sql[] =
        "SELECT a.pid, coalesce(host(a.client_addr), 'this machine') FROM pg_locks l "
        "JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted "
        "AND l.objsubid = 1 AND l.classid = ($1 >> 32)::oid AND l.objid = ($1 & 4294967295)::oid "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    const struct libpq *pq = pg_link_libpq(link);
    PGresult *result = NULL;
    struct err err = pg_link_run(link, sql, ARGS(lock_key(oid)), &result);
    if (!err_failed(err) && pq->PQntuples(result) == 1) {
        why_set(why, "another daemon serves this schema, from %s (backend %s of the server)",
                value_of(pq, result, 1), value_of(pq, result, 0));
    } else {
        why_set(why, "another daemon serves this schema");
    }
    pq->PQclear(result);
}

/* --- Backends --------------------------------------------------------------------------------- */

struct err pg_backend_get(struct pg_link *link, struct pg_backend *ret_backend) {
    static const char sql[] = "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint "
                              "FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    int64_t numbers[2] = {0};
    TRY(pg_link_numbers(link, sql, NO_ARGS, ERR_NONE, numbers, COUNT_OF(numbers)));
    *ret_backend = (struct pg_backend){.pid = numbers[0], .start_us = numbers[1]};
    return ERR_OK;
}

struct err pg_backend_end(struct pg_link *link, struct pg_backend backend) {
    static const char sql[] =
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 "
        "AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2";
    return backend.pid == 0
               ? ERR_OK
               : pg_link_run(link, sql, ARGS(arg_int(backend.pid), arg_int(backend.start_us)),
                             NULL /* no rows */);
}

/* --- The vigil -------------------------------------------------------------------------------- */

void pg_vigil_reset(struct pg_vigil *vigil) {
    *vigil = (struct pg_vigil){.looks = 0};
}

/* Outside a transaction, so that each look sees what is committed now. No row: nobody has the lock,
 * or nobody may look: the state of a session of another role is nobody's to see. */
struct err pg_vigil_look(struct pg_vigil *vigil, struct pg_link *link, int64_t oid,
                         enum pg_vigil_seen *ret_seen) {
    static const char sql[] =
        "SELECT n.epoch, n.batch, a.pid, (extract(epoch FROM a.backend_start) * 1000000)::bigint, "
        "(a.state LIKE 'idle%')::int FROM nodes n, pg_locks l JOIN pg_stat_activity a "
        "ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
        "AND l.classid = ($1 >> 32)::oid AND l.objid = ($1 & 4294967295)::oid AND l.database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())";
    enum { EPOCH, BATCH, PID, START_US, IDLE, COLUMNS };
    int64_t seen[COLUMNS] = {0};
    struct err err = pg_link_numbers(link, sql, ARGS(lock_key(oid)), ERR_NONE, seen, COLUMNS);
    *ret_seen = PG_VIGIL_ALIVE;
    if (err_failed(err) || seen[IDLE] == 0) {
        pg_vigil_reset(vigil);
        return err;
    }
    bool same = vigil->looks > 0 && vigil->epoch == seen[EPOCH] && vigil->batch == seen[BATCH] &&
                vigil->backend.pid == seen[PID] && vigil->backend.start_us == seen[START_US];
    if (!same) {
        *vigil = (struct pg_vigil){.epoch = seen[EPOCH],
                                   .batch = seen[BATCH],
                                   .backend = {.pid = seen[PID], .start_us = seen[START_US]},
                                   .looks = 1};
        return ERR_OK;
    }
    vigil->looks++;
    if (vigil->looks > PG_VIGIL_LOOKS) {
        err = pg_backend_end(link, vigil->backend);
        *ret_seen = err_failed(err) ? PG_VIGIL_REFUSED : PG_VIGIL_ENDED;
        pg_vigil_reset(vigil);
    }
    return ERR_OK;
}
