/* short_forms.c: statements that leave their error to the transaction (store.h, "The short forms").
 *
 * They stand apart from tx.c so that a test which counts or fails the calls of tx_exec, tx_query
 * and tx_first (the linker's --wrap) meets theirs, too.
 */
#include "store/store.h"

struct rows *tx_rows(struct tx *tx, const char *sql, const struct arg *args, size_t count) {
    struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, count, &rows);
    return err_failed(err) ? NULL : rows; /* The transaction keeps the error. */
}

bool rows_step(struct rows *rows) {
    bool row = false;
    return rows != NULL && !err_failed(rows_next(rows, &row)) && row;
}

struct rows *tx_row(struct tx *tx, const char *sql, const struct arg *args, size_t count) {
    struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, count, &rows);
    return err_failed(err) ? NULL : rows;
}

int64_t tx_number(struct tx *tx, const char *sql, const struct arg *args, size_t count) {
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, args, count);
    return rows == NULL || rows_null(rows, 0) ? 0 : rows_int(rows, 0);
}

int64_t tx_change(struct tx *tx, const char *sql, const struct arg *args, size_t count) {
    int64_t changed = 0;
    struct err err = tx_exec(tx, sql, args, count, &changed);
    return err_failed(err) ? 0 : changed;
}

void tx_do(struct tx *tx, const char *sql, const struct arg *args, size_t count) {
    struct err err = tx_exec(tx, sql, args, count, NULL /* nobody needs the number */);
    (void)err; /* The transaction keeps it. */
}
