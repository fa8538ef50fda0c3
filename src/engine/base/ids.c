/* ids.c: the highest id of a table, kept before its row may go. */
#include "engine/base/ids.h"

void ids__keep(struct tx *tx, enum ids_table table) {
    static const char *const sql[] = {[IDS_RUNS] = IDS_KEEP("runs"),
                                      [IDS_MESSAGES] = IDS_KEEP("messages"),
                                      [IDS_SESSIONS] = IDS_KEEP("sessions"),
                                      [IDS_BUDGETS] = IDS_KEEP("budgets"),
                                      [IDS_ATTACHMENTS] = IDS_KEEP("attachments")};
    tx_do(tx, sql[table], NO_ARGS);
}
