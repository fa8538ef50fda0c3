/* bench_seed: rows of a past, in the database of a daemon that is down.
 *
 *     bench_seed --folder DATA --count 500000      runs that have ended, and a fifth as many sums
 *                                                  of usage
 *
 * One transaction of plain SQL, in seconds, where so many commands would take minutes. The file
 * system of SQLite is the daemon's, so that the pages have their checksums.
 */
#include <sqlite3.h>
#include <stdio.h>

#include "measure.h"
#include "store/sqlite/page_sums.h"

/* ?1: number of rows. Each 17th run is a turn; each 50th failed and each 1,000th was lost. */
static const char runs_sql[] =
    "INSERT INTO runs (id, run, owner, kind, parent, state, gate, cause, stop, stop_grace_ms,"
    " attempt, voids, failures, reboots, epoch, priority, key_max, exit_code, once, made_ms,"
    " not_before_ms, started_ms, ended_ms, run_key, label, command, host, note, result, spec,"
    " project)"
    " WITH RECURSIVE n (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < ?1)"
    " SELECT 1000 + at, printf('run_%026d', at), 'local',"
    " CASE WHEN at % 17 = 0 THEN 'turn' ELSE 'job' END, 0,"
    " CASE WHEN at % 1000 = 0 THEN 'lost' WHEN at % 50 = 0 THEN 'failed' ELSE 'succeeded' END,"
    " '', CASE WHEN at % 1000 = 0 THEN 'holder_killed' WHEN at % 50 = 0 THEN 'exit_code' ELSE ''"
    " END, '', 0, 1, 0, 0, 0, 1, 0, 1, CASE WHEN at % 50 = 0 THEN 1 ELSE 0 END, 0,"
    " 1700000000000 + at * 100, 0, 1700000000000 + at * 100, 1700000000050 + at * 100, '',"
    " 'label-' || at, 'make -C /srv/project check', '', '', '', '{}',"
    " 'project-' || (at % 20) FROM n";
static const char usage_sql[] =
    "INSERT INTO usage_totals (owner, day, session, model, category, project, agent, calls, fresh,"
    " cache_read, cache_write, output, reasoning, cost_micros, cost_unknown)"
    " WITH RECURSIVE n (at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < ?1 / 5)"
    " SELECT 'local', 19000 + at % 365, printf('ses_%026d', at / 3), 'openai/model-' || (at % 5),"
    " 'turn', 'project-' || (at % 20), '', at % 100, 1000, 500, 0, 200, 50, 1234, 0 FROM n";

static void check(sqlite3 *db, int result, const char *what) {
    if (result != SQLITE_OK && result != SQLITE_DONE) {
        (void)fprintf(stderr, "bench_seed: %s\n", sqlite3_errmsg(db));
        die_saying(what);
    }
}

static void insert(sqlite3 *db, const char *sql, int64_t count) {
    sqlite3_stmt *statement = NULL;
    check(db, sqlite3_prepare_v2(db, sql, -1, &statement, NULL /* one statement */), "prepare");
    check(db, sqlite3_bind_int64(statement, 1, count), "bind");
    check(db, sqlite3_step(statement), "insert");
    (void)sqlite3_finalize(statement); /* Its error was that of the step. */
}

int main(int argc, char **argv) {
    const char *folder = ".";
    int64_t count = 500000;
    const struct option_row rows[] = {
        {.name = "folder", .text = &folder},
        {.name = "count", .number = &count},
    };
    if (argc < 2) {
        die_saying("see the first lines of bench_seed.c for what it can do");
    }
    options_parse(argv + 1, rows, COUNT_OF(rows));
    char path[512];
    sqlite3 *db = NULL;
    (void)snprintf(path, sizeof path, "%s/drover.db", folder);
    check(db, sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, page_sums_vfs()), "open");
    check(db, sqlite3_exec(db, "PRAGMA cache_size=-262144; BEGIN IMMEDIATE", NULL, NULL, NULL),
          "begin");
    insert(db, runs_sql, count);
    insert(db, usage_sql, count);
    check(db, sqlite3_exec(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
          "commit");
    check(db, sqlite3_close(db), "close");
    return 0;
}
