/* asks.c: see asks.h. */
#include "asks.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ask_each(struct sim *sim, const char *sql, const char *const *texts,
              void (*each)(struct sim *sim, const struct ask_row *row, void *ctx), void *ctx) {
    sqlite3_stmt *stmt = rows_open(sim, sql, texts);
    if (stmt == NULL) {
        return;
    }
    int count = sqlite3_column_count(stmt);
    assert(count <= ASK_COLUMNS_MAX);
    while (stmt_step(sim, stmt)) {
        struct ask_row row = {.number = {0}};
        for (int i = 0; i < count; i++) {
            const char *text = row_text(stmt, i);
            row.text[i] = (struct bytes){text, (size_t)sqlite3_column_bytes(stmt, i)};
            row.number[i] = row_int(stmt, i);
        }
        each(sim, &row, ctx);
    }
}

struct ask_number ask_number(int64_t number) {
    struct ask_number as;
    (void)snprintf(as.text, sizeof as.text, "%lld", (long long)number); /* It fits. */
    return as;
}

/* Read before main, which empties the environment. */
static char skipped[256];

__attribute__((constructor)) static void skipped_read(void) {
    const char *names = getenv("SIM_SKIP");
    (void)snprintf(skipped, sizeof skipped, ",%s,", names != NULL ? names : ""); /* Cut at worst. */
}

bool ask_wanted(const char *invariant) {
    char name[64];
    (void)snprintf(name, sizeof name, ",%s,", invariant); /* It fits. */
    return strstr(skipped, name) == NULL;
}
