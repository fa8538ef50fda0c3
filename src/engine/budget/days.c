/* days.c: budgets that count by the day.
 *
 * A day ends by itself: a budget that is read after its midnight has nothing spent (budget__read).
 * The runs that wait for that are woken here, since no end of another run would do it.
 */
#include "base/memory.h"
#include "engine/base/follow.h"
#include "engine/budget/budget.h"
#include "engine/run/budget_gate.h"

enum { PAGE = 16 };

/* The whole page is read before a lane is opened: one cursor at a time. A lane of which nothing is
 * free stays as it is. */
struct err tx_budget_days(struct tx *tx, struct budget_days *days) {
    static const char sql[] = "SELECT * FROM budgets WHERE day_end_ms <> 0"
                              " AND id > $1 ORDER BY id LIMIT $2";
    struct budget_row *found = tx_memory(tx, PAGE * sizeof *found);
    const size_t count =
        budget__rows(tx, sql, ARGS(arg_int(days->after), arg_int(PAGE)), PAGE, found);
    struct run_freed freed = {.kinds = 0};
    for (size_t n = 0; n < count; n++) {
        struct budget_row *row = &found[n];
        if (row->moved) {
            tx_row_changed(tx, FOLLOW_BUDGET, row->id);
        }
        budget__write_day(tx, row);
        days->next_ms = row->day_end_ms < days->next_ms ? row->day_end_ms : days->next_ms;
        for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
            budget__free_lane(tx, budget__lane(row->id, (enum amount)i), &freed);
        }
    }
    days->more = count == PAGE;
    days->after = count > 0 ? found[count - 1].id : days->after;
    return runs__admit_freed(tx, &freed, &days->bounds);
}
