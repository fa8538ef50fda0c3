/* rows.c: see rows.h. */
#include "rows.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"

enum { STATEMENTS_MAX = 192 };

struct kept {
    const char *sql; /* A literal. */
    sqlite3_stmt *stmt;
};

struct statements {
    sqlite3 *db;
    struct kept list[STATEMENTS_MAX];
    size_t count;
};

static struct statements *statements(void) {
    static struct statements all;
    return &all;
}

void rows_forget(void) {
    *statements() = (struct statements){.db = NULL};
}

void rows_finish(void) {
    struct statements *all = statements();
    for (size_t i = 0; i < all->count; i++) {
        (void)sqlite3_finalize(all->list[i].stmt); /* Repeats the error of its last step. */
    }
    rows_forget();
}

static sqlite3_stmt *statement(struct sim *sim, const char *sql) {
    struct statements *all = statements();
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i].sql == sql) {
            return all->list[i].stmt;
        }
    }
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(sim->life.db, sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK) {
        sim_fail(sim, "%s: %s", sqlite3_errmsg(sim->life.db), sql);
    }
    assert(all->count < STATEMENTS_MAX);
    all->list[all->count++] = (struct kept){sql, stmt};
    return stmt;
}

sqlite3_stmt *rows_open(struct sim *sim, const char *sql, const char *const *texts) {
    if (sim->life.db == NULL || sim->life.dead || !sim->life.ready) {
        return NULL;
    }
    sqlite3_stmt *stmt = statement(sim, sql);
    for (int i = 0; texts != NULL && texts[i] != NULL; i++) {
        char name[] = {'$', (char)('1' + i), '\0'};
        int index = sqlite3_bind_parameter_index(stmt, name);
        int rc = sqlite3_bind_text(stmt, index, texts[i], -1, SQLITE_TRANSIENT);
        assert(rc == SQLITE_OK);
    }
    return stmt;
}

bool stmt_step(struct sim *sim, sqlite3_stmt *rows) {
    int rc = sqlite3_step(rows);
    if (rc == SQLITE_ROW) {
        return true;
    }
    if (rc != SQLITE_DONE) {
        sim_fail(sim, "the database cannot be read: %s", sqlite3_errmsg(sim->life.db));
    }
    (void)sqlite3_reset(rows); /* Repeats the error of the step: none. */
    return false;
}

int64_t row_int(sqlite3_stmt *rows, int column) {
    return sqlite3_column_int64(rows, column);
}

const char *row_text(sqlite3_stmt *rows, int column) {
    const char *text = (const char *)sqlite3_column_text(rows, column);
    return text == NULL ? "" : text;
}

int64_t rows_number(struct sim *sim, const char *sql, const char *const *texts, int64_t missing) {
    sqlite3_stmt *rows = rows_open(sim, sql, texts);
    int64_t number = missing;
    if (rows != NULL && stmt_step(sim, rows)) {
        number = row_int(rows, 0);
        (void)sqlite3_reset(rows); /* It went well. */
    }
    return number;
}

bool row_state_read(struct sim *sim, const char *run, struct row_state *ret_row) {
    sqlite3_stmt *rows = rows_open(sim,
                                   "SELECT id, state, cause, gate, attempt, once, stop,"
                                   " not_before_ms, epoch, host FROM runs WHERE run = $1",
                                   TEXTS(run));
    *ret_row = (struct row_state){.found = false};
    if (rows == NULL) {
        return false;
    }
    if (!stmt_step(sim, rows)) {
        return true;
    }
    ret_row->found = true;
    ret_row->id = row_int(rows, 0);
    bool known = run_state_find(bytes_of(row_text(rows, 1)), &ret_row->state) &&
                 run_cause_find(bytes_of(row_text(rows, 2)), &ret_row->cause) &&
                 run_gate_find(bytes_of(row_text(rows, 3)), &ret_row->gate);
    ret_row->attempt = row_int(rows, 4);
    ret_row->once = row_int(rows, 5) != 0;
    ret_row->asked = row_text(rows, 6)[0] != '\0';
    ret_row->not_before_ms = row_int(rows, 7);
    ret_row->epoch = row_int(rows, 8);
    (void)snprintf(ret_row->host, sizeof ret_row->host, "%s", row_text(rows, 9));
    (void)sqlite3_reset(rows); /* It went well. */
    if (!known) {
        sim_fail(sim, "the row of %s has a state that nobody knows", run);
    }
    return true;
}
