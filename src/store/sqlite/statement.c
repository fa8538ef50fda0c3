/* statement.c: prepared statements of one connection, and rows.
 *
 * A statement is prepared at its first use and kept for the connection's life. Its one cursor is
 * part of it, so a query allocates nothing; a second cursor on the same SQL, while the first is
 * open, gets a statement of its own that ends with it.
 *
 * SQLite takes `$1` for a name, not for a position: `$2` may well be bound to slot 1. The slot of
 * each number is looked up once, when the statement is prepared.
 */
#include "base/memory.h"
#include "base/number.h"
#include "store/sqlite/conn.h"

struct sqlite_statement {
    sqlite3_stmt *stmt; /* Owned. */
    struct rows rows;
    struct sqlite_conn *conn;          /* Borrowed: the connection that owns us. */
    unsigned char at[DRIVER_ARGS_MAX]; /* Slot of $(i + 1); 0: not in the text. */
    bool busy;                         /* The cursor of the statement is open. */
    bool extra;                        /* Ends with its cursor. */
};

static struct sqlite_statement *of(const struct rows *rows) {
    return CONTAINER_OF(rows, struct sqlite_statement, rows);
}

void sqlite_statement_free(void *value) {
    struct sqlite_statement *statement = value;
    (void)sqlite3_finalize(statement->stmt); /* Repeats the error of the last step. */
    mem_free(statement);
}

static struct err statement_prepare(struct sqlite_conn *conn, const char *sql,
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
    int slots = sqlite3_bind_parameter_count(stmt);
    assert(slots <= DRIVER_ARGS_MAX);
    for (int slot = 1; slot <= slots; slot++) {
        const char *name = sqlite3_bind_parameter_name(stmt, slot);
        assert(name != NULL && name[0] == '$'); /* No other kind of parameter: one dialect. */
        int64_t number = 0;
        bool known =
            number_parse(bytes_of(name + 1), (struct number_bounds){1, DRIVER_ARGS_MAX}, &number);
        assert(known);
        statement->at[number - 1] = (unsigned char)slot;
    }
    *ret_statement = statement;
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

/* Opens the cursor of a statement, with its arguments. */
static struct err statement_open(struct conn *base, const char *sql, const struct arg *args,
                                 size_t count, sqlite3_destructor_type lifetime,
                                 struct sqlite_statement **ret_statement) {
    struct sqlite_conn *conn = sqlite_conn_of(base);
    struct statements_slot *slot = statements_find(&conn->statements, sql, /* use */ 0);
    struct sqlite_statement *statement = slot->value;
    if (statement == NULL || statement->busy) {
        TRY(statement_prepare(conn, sql, &statement));
        statement->extra = slot->value != NULL;
        slot->value = statement->extra ? slot->value : statement;
    }
    statement->busy = true;
    assert(count <= DRIVER_ARGS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert(statement->at[i] != 0); /* An argument that the text does not have. */
        int rc = bind_one(statement->stmt, statement->at[i], &args[i], lifetime);
        if (rc != SQLITE_OK) {
            struct err err = sqlite_error(conn, rc, "store: bind");
            sqlite_rows_close(&statement->rows);
            return err;
        }
    }
    *ret_statement = statement;
    return ERR_OK;
}

struct err sqlite_exec(struct conn *conn, const char *sql, const struct arg *args, size_t count,
                       int64_t *ret_changed) {
    struct sqlite_statement *statement = NULL;
    struct err err = ERR_OK;
    TRY(statement_open(conn, sql, args, count, SQLITE_STATIC, &statement));
    for (bool row = true; row && !err_failed(err);) {
        err = sqlite_rows_next(&statement->rows, &row);
    }
    if (!err_failed(err) && ret_changed != NULL) {
        *ret_changed = sqlite3_changes64(statement->conn->db);
    }
    sqlite_rows_close(&statement->rows);
    return err;
}

struct err sqlite_query(struct conn *conn, const char *sql, const struct arg *args, size_t count,
                        struct rows **ret_rows) {
    struct sqlite_statement *statement = NULL;
    TRY(statement_open(conn, sql, args, count, SQLITE_TRANSIENT, &statement));
    *ret_rows = &statement->rows;
    return ERR_OK;
}

struct err sqlite_rows_next(struct rows *rows, bool *ret_row) {
    int rc = sqlite3_step(of(rows)->stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return sqlite_error(of(rows)->conn, rc, "store: statement");
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
        sqlite_statement_free(statement);
        return;
    }
    (void)sqlite3_reset(statement->stmt); /* Repeats the error of the last step. */
    /* The text that was bound may belong to a caller who is about to go away. It cannot fail. */
    (void)sqlite3_clear_bindings(statement->stmt);
    statement->busy = false;
}
