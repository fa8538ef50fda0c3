/* sql_plans.c: a library that is loaded before SQLite's: it writes the plan of each statement
 * about rows that the program prepares to the file $SQL_PLANS, a line of JSON each, so that a test
 * sees the statements of the shipped binary, and none can be left out.
 *
 *   {"sql":"SELECT …","steps":["SEARCH runs USING INDEX …", …]}
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLAN_MAX = 32768 };

typedef int (*prepare_fn)(sqlite3 *db, const char *sql, int len, unsigned flags,
                          sqlite3_stmt **ret_stmt, const char **ret_tail);

struct line {
    char text[PLAN_MAX];
    size_t len;
};

static void line_add(struct line *line, char c) {
    if (line->len < sizeof line->text) {
        line->text[line->len++] = c;
    }
}

static void line_add_string(struct line *line, const char *string) {
    line_add(line, '"');
    for (const char *at = string; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            line_add(line, '\\');
        }
        line_add(line, *at == '\n' ? ' ' : *at);
    }
    line_add(line, '"');
}

static void line_add_text(struct line *line, const char *text) {
    for (const char *at = text; *at != '\0'; at++) {
        line_add(line, *at);
    }
}

static void plan_write(prepare_fn prepare, sqlite3 *db, const char *sql, const char *path) {
    static const char explain[] = "EXPLAIN QUERY PLAN ";
    size_t size = sizeof explain + strlen(sql);
    char *explained = malloc(size);
    struct line *line = calloc(1, sizeof *line);
    sqlite3_stmt *stmt = NULL;
    if (explained != NULL && line != NULL) {
        (void)snprintf(explained, size, "%s%s", explain, sql);
        line_add_text(line, "{\"sql\":");
        line_add_string(line, sql);
        line_add_text(line, ",\"steps\":[");
        bool first = true;
        if (prepare(db, explained, -1, 0, &stmt, NULL /* one statement */) == SQLITE_OK) {
            while (sqlite3_step(stmt) == SQLITE_ROW) {
                line_add_text(line, first ? "" : ",");
                line_add_string(line, (const char *)sqlite3_column_text(stmt, 3));
                first = false;
            }
        }
        (void)sqlite3_finalize(stmt);
        line_add_text(line, "]}\n");
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, line->text, line->len) != (ssize_t)line->len) {
            abort(); /* A plan that is missing would let its statement pass. */
        }
        (void)close(fd);
    }
    free(line);
    free(explained);
}

static bool is_of_rows(const char *sql) {
    static const char *const words[] = {"SELECT", "INSERT", "UPDATE", "DELETE"};
    bool found = false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        found = found || strncmp(sql, words[i], strlen(words[i])) == 0;
    }
    return found;
}

int sqlite3_prepare_v3(sqlite3 *db, const char *sql, int len, unsigned flags,
                       sqlite3_stmt **ret_stmt, const char **ret_tail) {
    prepare_fn prepare = (prepare_fn)dlsym(RTLD_NEXT, "sqlite3_prepare_v3");
    const char *path = getenv("SQL_PLANS");
    if (path != NULL && is_of_rows(sql)) {
        plan_write(prepare, db, sql, path);
    }
    return prepare(db, sql, len, flags, ret_stmt, ret_tail);
}
