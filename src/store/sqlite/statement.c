/* statement.c: prepared statements of one connection, and rows.
 *
 * A statement is prepared at its first use and kept for the connection's life. Its one cursor is
 * part of it, so a query allocates nothing; a second cursor on the same SQL, while the first is
 * open, gets a statement of its own that ends with it.
 *
 * SQLite takes `$1` for a name, not for a position: `$2` may well be bound to slot 1. The slot of
 * each number is looked up once, when the statement is prepared.
 */
#include <string.h>

#include "base/memory.h"
#include "store/sqlite/conn.h"

enum { NAME_SIZE = 8 };

struct sqlite_statement {
    sqlite3_stmt *stmt; /* Owned. */
    struct rows rows;
    struct sqlite_conn *conn;          /* Borrowed: the connection that owns us. */
    unsigned char at[DRIVER_ARGS_MAX]; /* Slot of $(i + 1); 0: not in the text. */
    bool busy;                         /* The cursor of the statement is open. */
    bool extra;                        /* Ends with its cursor. */
};

static void statement_free(struct sqlite_statement *statement) {
    if (statement == NULL) {
        return;
    }
    (void)sqlite3_finalize(statement->stmt); /* Repeats the error of the last step. */
    mem_free(statement);
}

static void find_slots(struct sqlite_statement *statement) {
    int slots = sqlite3_bind_parameter_count(statement->stmt);
    assert(slots <= DRIVER_ARGS_MAX);
    for (int slot = 1; slot <= slots; slot++) {
        const char *name = sqlite3_bind_parameter_name(statement->stmt, slot);
        assert(name != NULL && name[0] == '$'); /* No other kind of parameter: one dialect. */
        size_t number = 0;
        for (const char *digit = name + 1; *digit != '\0'; digit++) {
            number = number * 10 + (size_t)(*digit - '0');
        }
        assert(number >= 1 && number <= DRIVER_ARGS_MAX);
        statement->at[number - 1] = (unsigned char)slot;
    }
}

static struct err prepare(struct sqlite_conn *conn, const char *sql,
                          struct sqlite_statement **ret_statement) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt,
                                NULL /* one statement */);
    if (rc != SQLITE_OK) {
        return sqlite_error(conn, rc, "store: prepare");
    }
    struct sqlite_statement *statement = mem_new(sizeof *statement);
    statement->stmt = stmt;
    statement->conn = conn;
    statement->rows.conn = &conn->conn;
    find_slots(statement);
    *ret_statement = statement;
    return ERR_OK;
}

static void make_room(struct sqlite_conn *conn, size_t number) {
    if (number < conn->prepared_size) {
        return;
    }
    size_t size = conn->prepared_size == 0 ? 32 : conn->prepared_size * 2;
    conn->prepared = mem_grow(conn->prepared, size * sizeof(struct sqlite_statement *));
    for (size_t i = conn->prepared_size; i < size; i++) {
        conn->prepared[i] = NULL;
    }
    conn->prepared_size = size;
}

static struct err find(struct sqlite_conn *conn, const char *sql,
                       struct sqlite_statement **ret_statement) {
    bool is_new = false;
    size_t number = statements_number(&conn->statements, sql, &is_new);
    make_room(conn, number);
    struct sqlite_statement **slot = &conn->prepared[number];
    if (*slot == NULL) {
        struct err err = prepare(conn, sql, slot);
        if (err_failed(err)) {
            return err;
        }
    } else if ((*slot)->busy) {
        struct err err = prepare(conn, sql, ret_statement);
        if (!err_failed(err)) {
            (*ret_statement)->extra = true;
        }
        return err;
    }
    *ret_statement = *slot;
    return ERR_OK;
}

static int bind_one(sqlite3_stmt *stmt, int slot, const struct arg *arg,
                    sqlite3_destructor_type lifetime) {
    switch (arg->kind) {
    case ARG_NULL:
        return sqlite3_bind_null(stmt, slot);
    case ARG_INT:
        return sqlite3_bind_int64(stmt, slot, arg->number);
    case ARG_TEXT:
        /* A NULL pointer would bind NULL, but an empty text is a text. */
        return sqlite3_bind_text64(stmt, slot, arg->text.data == NULL ? "" : arg->text.data,
                                   arg->text.len, lifetime, SQLITE_UTF8);
    }
    assert(false && "an arg of no kind");
    return SQLITE_MISUSE;
}

static struct err bind_all(struct sqlite_statement *statement, const struct arg *args, size_t count,
                           sqlite3_destructor_type lifetime) {
    assert(count <= DRIVER_ARGS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert(statement->at[i] != 0); /* An argument that the text does not have. */
        int rc = bind_one(statement->stmt, statement->at[i], &args[i], lifetime);
        if (rc != SQLITE_OK) {
            return sqlite_error(statement->conn, rc, "store: bind");
        }
    }
    return ERR_OK;
}

/* The text that was bound belongs to a caller who is about to go away. */
static void unbind(struct sqlite_statement *statement) {
    (void)sqlite3_clear_bindings(statement->stmt); /* Cannot fail. */
}

static struct err step_to_end(struct sqlite_statement *statement) {
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW) {
        rc = sqlite3_step(statement->stmt);
    }
    struct err err = ERR_OK;
    if (rc != SQLITE_DONE) {
        err = sqlite_error(statement->conn, rc, "store: statement");
    }
    (void)sqlite3_reset(statement->stmt); /* Repeats the error of the step. */
    return err;
}

struct err sqlite_exec(struct conn *conn, const char *sql, const struct arg *args, size_t count,
                       int64_t *ret_changed) {
    struct sqlite_conn *self = CONTAINER_OF(conn, struct sqlite_conn, conn);
    struct sqlite_statement *statement = NULL;
    struct err err = find(self, sql, &statement);
    if (err_failed(err)) {
        return err;
    }
    err = bind_all(statement, args, count, SQLITE_STATIC);
    if (!err_failed(err)) {
        err = step_to_end(statement);
    }
    unbind(statement);
    if (!err_failed(err) && ret_changed != NULL) {
        *ret_changed = sqlite3_changes64(self->db);
    }
    if (statement->extra) {
        statement_free(statement);
    }
    return err;
}

struct err sqlite_query(struct conn *conn, const char *sql, const struct arg *args, size_t count,
                        struct rows **ret_rows) {
    struct sqlite_statement *statement = NULL;
    struct err err = find(CONTAINER_OF(conn, struct sqlite_conn, conn), sql, &statement);
    if (err_failed(err)) {
        return err;
    }
    statement->busy = true;
    err = bind_all(statement, args, count, SQLITE_TRANSIENT);
    if (err_failed(err)) {
        sqlite_rows_close(&statement->rows);
        return err;
    }
    *ret_rows = &statement->rows;
    return ERR_OK;
}

static struct sqlite_statement *of(const struct rows *rows) {
    return CONTAINER_OF(rows, struct sqlite_statement, rows);
}

struct err sqlite_rows_next(struct rows *rows, bool *ret_row) {
    struct sqlite_statement *statement = of(rows);
    int rc = sqlite3_step(statement->stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return sqlite_error(statement->conn, rc, "store: statement");
    }
    *ret_row = rc == SQLITE_ROW;
    return ERR_OK;
}

bool sqlite_rows_null(const struct rows *rows, int column) {
    return sqlite3_column_type(of(rows)->stmt, column) == SQLITE_NULL;
}

int64_t sqlite_rows_int(const struct rows *rows, int column) {
    return sqlite3_column_int64(of(rows)->stmt, column);
}

/* Asked for as a blob, because a text would have to be terminated: for a long one that takes
 * memory, and where there is none SQLite answers NULL, which nobody could tell from an empty
 * text. */
struct bytes sqlite_rows_text(const struct rows *rows, int column) {
    sqlite3_stmt *stmt = of(rows)->stmt;
    const char *data = sqlite3_column_blob(stmt, column);
    return (struct bytes){data == NULL ? "" : data, (size_t)sqlite3_column_bytes(stmt, column)};
}

void sqlite_rows_close(struct rows *rows) {
    struct sqlite_statement *statement = of(rows);
    if (statement->extra) {
        statement_free(statement);
        return;
    }
    (void)sqlite3_reset(statement->stmt); /* Repeats the error of the last step. */
    unbind(statement);
    statement->busy = false;
}

void sqlite_statements_close(struct sqlite_conn *conn) {
    for (size_t i = 0; i < conn->prepared_size; i++) {
        statement_free(conn->prepared[i]);
    }
    mem_free(conn->prepared);
    conn->prepared = NULL;
    conn->prepared_size = 0;
    statements_done(&conn->statements);
}
