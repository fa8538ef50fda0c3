/* timers.h: the transactions of timers that the script of a workflow makes (see the rules in
 * rules/workflow/timer.h).
 *
 * A timer is a step of the journal like an agent's: it has a key and an occurrence, and its end
 * gets the next number of the run's outcomes, by which a replay settles it in its place. It is no
 * run: it takes no slot and costs nothing.
 *
 * Promise    the due time is fixed by the commit that makes the timer. A timer ends once, and does
 *            not fire while its run is paused. The end of its run cancels it.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_WORKFLOW_TIMERS_H
#define DROVER_ENGINE_WORKFLOW_TIMERS_H

#include "base/base.h"
#include "base/err.h"
#include "engine/workflow/steps.h"
#include "engine/workflow/workflows.h"
#include "rules/workflow/timer.h"
#include "store/store.h"

struct timer_new {
    struct workflow_place place;
    struct step_key key;
    enum timer_kind kind;
    int64_t delay_ms;
    struct step_call_place at;
    bool cached; /* The run that this one resumes had it fire: it is made and fires at once. */
};
struct timer_made {
    bool late; /* The run has ended, or is another's: nothing was written. */
    int64_t number, made_ms, due_ms;
};
MUST_CHECK struct err tx_timer_begin(struct tx *tx, const struct timer_new *timer,
                                     struct timer_made *ret_made);

/* FIRED or CLEARED. */
struct timer_end {
    struct workflow_place place;
    int64_t number;
    enum timer_state state;
};
enum timer_ended {
    TIMER_ENDED,
    TIMER_HELD, /* The run is paused, and the timer stays pending. */
    TIMER_LATE, /* As of struct timer_made. */
};
MUST_CHECK struct err tx_timer_end(struct tx *tx, const struct timer_end *end,
                                   enum timer_ended *ret_ended);

/* Texts are borrowed during the call. */
struct timer_row {
    struct step_key key;
    int64_t number, done_no, made_ms, due_ms, ended_ms; /* ended_ms 0: pending. */
    enum timer_kind kind;
    enum timer_state state;
    bool cached;
    struct step_call_place at;
};
/* Pending timers, for which the next worker's script will ask again. */
MUST_CHECK struct err tx_timers_open(struct tx *tx, int64_t workflow,
                                     struct err (*each)(void *ctx, const struct timer_row *row),
                                     void *ctx);

/* Rows after the number `after`, in the order in which they were made. */
struct timer_page {
    int64_t workflow, after, limit;
};
MUST_CHECK struct err tx_timers_each(struct tx *tx, const struct timer_page *page,
                                     struct err (*each)(void *ctx, const struct timer_row *row),
                                     void *ctx);
void timer_write_json(const struct timer_row *row, struct text *text);

#endif
