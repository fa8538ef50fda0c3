/* rows.h: what is stored, read between two steps on the reader's connection of the living daemon.
 *
 * Promise    sees what was committed, and nothing else; changes nothing.
 * Ownership  statements are kept for as long as the life lasts.
 */
#ifndef DROVER_TEST_SIM_ROWS_H
#define DROVER_TEST_SIM_ROWS_H

#include "rules/run/run.h"
#include "sim.h"

struct sqlite3_stmt;
/* Ready to be stepped; NULL: nobody serves. `sql` is a literal, with $1 … for `texts` (NULL ends
 * them). */
struct sqlite3_stmt *rows_open(struct sim *sim, const char *sql, const char *const *texts);
bool stmt_step(struct sim *sim, struct sqlite3_stmt *rows); /* false: that was all; it is reset. */
int64_t row_int(struct sqlite3_stmt *rows, int column);
const char *row_text(struct sqlite3_stmt *rows, int column); /* Until the next step. */
/* The first column of the first row; `missing` where there is none. */
int64_t rows_number(struct sim *sim, const char *sql, const char *const *texts, int64_t missing);
#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct row_state {
    bool found;
    enum run_state state;
    enum run_cause cause;
    enum run_gate gate;
    int64_t attempt, id, not_before_ms, epoch;
    bool once, asked; /* asked: to end. */
    char host[32];    /* Place of its attempt; "": none. */
};
/* false: nobody serves, so nobody knows. */
bool row_state_read(struct sim *sim, const char *run, struct row_state *ret_row);

#endif
