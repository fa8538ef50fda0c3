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
    int64_t number = 0;
    tx_numbers(tx, sql, args, count, &number, 1);
    return number;
}

bool tx_numbers(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                int64_t *ret_numbers, size_t columns) {
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, args, count);
    for (size_t i = 0; i < columns; i++) {
        ret_numbers[i] = rows == NULL || rows_null(rows, (int)i) ? 0 : rows_int(rows, (int)i);
    }
    return rows != NULL;
}

struct bytes tx_text(struct tx *tx, const char *sql, const struct arg *args, size_t count) {
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, args, count);
    return rows == NULL ? BYTES("") : rows_copy(rows, 0);
}

size_t tx_ids(struct tx *tx, const char *sql, const struct arg *args, size_t count, size_t max,
              int64_t *ret_ids) {
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql, args, count);
    size_t found = 0;
    while (found < max && rows_step(rows)) {
        ret_ids[found++] = rows_int(rows, 0);
    }
    return found;
}

size_t tx_texts(struct tx *tx, const char *sql, const struct arg *args, size_t count, size_t max,
                struct bytes *ret_texts) {
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql, args, count);
    size_t found = 0;
    while (found < max && rows_step(rows)) {
        ret_texts[found++] = rows_copy(rows, 0);
    }
    return found;
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
