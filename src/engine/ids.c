/* ids.c: the highest id of a table, kept before its row may go. */
#include "engine/ids.h"

#define KEEP(table)                                                                                \
    "UPDATE ids SET last = (SELECT max(id) FROM " table ") WHERE name = '" table                   \
    "' AND last < (SELECT max(id) FROM " table ")"

struct err ids__keep(struct tx *tx, enum ids_table table) {
    static const char *const sql[] = {[IDS_RUNS] = KEEP("runs"),
                                      [IDS_MESSAGES] = KEEP("messages"),
                                      [IDS_SESSIONS] = KEEP("sessions"),
                                      [IDS_BUDGETS] = KEEP("budgets"),
                                      [IDS_ATTACHMENTS] = KEEP("attachments")};
    return tx_exec(tx, sql[table], NULL /* no argument */, 0, NULL /* one row, or none */);
}
