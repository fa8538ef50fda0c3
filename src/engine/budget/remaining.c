/* remaining.c: what a session may still spend, as whoever looks at it sees it. */
#include <inttypes.h>

#include "base/text.h"
#include "engine/budget/rows.h"

static void write_left(const struct budget_row *row, struct text *text) {
    const char *before = "";
    text_add_str(text, "{\"scope\":");
    text_add_json(text, row->scope.data, row->scope.len);
    text_add_str(text, ",\"left\":{");
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (row->limits.of[i] < AMOUNT_MAX) {
            int64_t left = row->limits.of[i] - row->spent.of[i] - row->reserved.of[i];
            text_addf(text, "%s\"%s\":%" PRId64, before, amount_name((enum amount)i),
                      left > 0 ? left : 0);
            before = ",";
        }
    }
    text_add_str(text, "}}");
}

struct err budget__write_left(struct tx *tx, const struct session_row *session, struct text *text) {
    struct run_row run = {.owner = session->owner};
    struct budget__places places = {.count = 0};
    const char *before = "";
    struct err err = budget__session_path(tx, session, &run.budget);
    if (!err_failed(err)) {
        err = budget__load(tx, &run, &places);
    }
    text_add_char(text, '[');
    for (size_t i = 0; i < places.count && !err_failed(err); i++) {
        struct budget_row *row = &places.rows[i];
        if (budget__limited(row)) {
            err = budget__reserved(tx, row, &row->reserved);
            text_add_str(text, before);
            write_left(row, text);
            before = ",";
        }
    }
    text_add_char(text, ']');
    return err;
}
