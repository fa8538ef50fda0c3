/* asks.h: queries of checks, over rows.h: each row is handed to a function.
 *
 * Promise    where nobody serves there are no rows. Texts live until the function returns.
 */
#ifndef DROVER_TEST_SIM_ASKS_H
#define DROVER_TEST_SIM_ASKS_H

#include "rows.h"
#include "sim.h"

enum { ASK_COLUMNS_MAX = 10 };
struct ask_row {
    int64_t number[ASK_COLUMNS_MAX];
    struct bytes text[ASK_COLUMNS_MAX]; /* Terminated. */
};
/* `sql` is a literal; `texts` as rows_open has it. A number is written as text: the column that it
 * is compared with makes it one. */
void ask_each(struct sim *sim, const char *sql, const char *const *texts,
              void (*each)(struct sim *sim, const struct ask_row *row, void *ctx), void *ctx);

/* Whether the invariant of that name is looked at: not if the variable SIM_SKIP names it, so that a
 * seed goes on beyond a defect that is known. */
bool ask_wanted(const char *invariant);

/* A number as such a text. */
struct ask_number {
    char text[24];
};
struct ask_number ask_number(int64_t number);

#endif
