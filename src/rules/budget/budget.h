/* budget.h: may it be spent. Pure: no clock, no I/O.
 *
 * A NODE of the tree of budgets (global, project, session, run) has limits, what was `spent` under
 * it, and what those that are in flight under it have `reserved`. Whoever wants to spend asks every
 * node that it stands under:
 *
 *   spent >= limit               SPENT: nothing is left, and waiting would not bring it back
 *   spent + above >= limit       SPENT, too: all that is left is reserved by its own live
 *                                ancestors, which may be waiting for it
 *   spent + reserved >= limit    WAITS: somebody else has reserved what is left, and will give back
 *                                what it does not take
 *   else                         ADMITTED, with what it wants or with what is left, if that is less
 *
 * A node may count by the day: `spent` falls to 0 when the day ends, and who finds it used up WAITS
 * for that.
 *
 * So an attempt is never held back for being large, and a limit is passed by no more than what is
 * in flight when it is reached.
 */
#ifndef DROVER_RULES_BUDGET_BUDGET_H
#define DROVER_RULES_BUDGET_BUDGET_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "rules/budget/amounts.h"

enum {
    BUDGET_NODES_MAX = 8,             /* That one run stands under. */
    BUDGET_RECENT_MAX = 8,            /* Attempts that a mean remembers. */
    BUDGET_FLOOR_PART = 32,           /* No reserve is below this part of the first one. */
    BUDGET_FIRST_WALL_MS = 60 * 1000, /* Reserved where no attempt has been seen. */
};

enum budget_verdict { BUDGET_ADMITTED, BUDGET_WAITS, BUDGET_SPENT };

struct budget_node {
    struct amounts limits; /* AMOUNT_MAX: none. */
    struct amounts spent;
    struct amounts reserved; /* By all that is in flight under it, but for who asks. */
    struct amounts above;    /* The part of it that the asker's live ancestors have. */
    int64_t day_end_ms;      /* `spent` falls to 0 then. 0: never. */
};

/* Which limit was met first: the node's place in the list, and what it is about. */
struct budget_hit {
    size_t node;
    enum amount amount;
    bool above; /* SPENT because of what its ancestors have reserved. */
    bool today; /* WAITS: all of the day is spent. Else others have reserved the rest. */
};

/* `want`: an amount of 0 is not asked for, and no limit on it matters. *ret_grant: at least 1 of
 * each that is wanted, when admitted. A SPENT anywhere goes before a WAITS. */
enum budget_verdict budget_judge(const struct budget_node *nodes, size_t count,
                                 const struct amounts *want, struct amounts *ret_grant,
                                 struct budget_hit *ret_hit);

/* The same for one that was admitted and is about to begin: what it has reserved it keeps, but
 * where all was spent meanwhile it must not. WAITS: all of the day was. */
enum budget_verdict budget_still(const struct budget_node *nodes, size_t count,
                                 const struct amounts *want, struct budget_hit *ret_hit);

/* What attempts took of late: the mean of the first few, then each new one moves it by an eighth.
 */
struct budget_mean {
    int64_t count; /* 0: none was seen; stops at BUDGET_RECENT_MAX. */
    struct amounts mean;
};
void budget_learn(struct budget_mean *mean, const struct amounts *took);
/* What the next one reserves: the mean, or `first` where nothing was seen. What `first` leaves out
 * is never wanted. Of what it names a part is wanted at least: a few small calls must not open the
 * gate to any number of large ones at once. */
struct amounts budget_want(const struct budget_mean *mean, const struct amounts *first);

/* --- Days ------------------------------------------------------------------------------------- */

/* Where a budget counts by the day, its row says when that day ends:
 *
 *   the end has come         a new day, with nothing spent, until the next midnight
 *   it is to come            the same day, also where the clock was set back over the midnight that
 *                            began it: no day is counted twice
 *   by more than 25 hours    the clock was set back by days. The day goes on, but for 24 hours at
 *                            most: a clock that was wrong for a while blocks nobody for longer
 */
#define BUDGET_DAY_MS (INT64_C(24) * 3600 * 1000)
#define BUDGET_LONG_DAY_MS (INT64_C(25) * 3600 * 1000) /* In which summer time ends. */

struct budget_day {
    int64_t end_ms; /* 0: it does not count by the day. */
    bool fresh;     /* The day has begun after the row was written: nothing is spent. */
};
/* `midnight_ms`: the first one after now_ms. */
struct budget_day budget_day(int64_t end_ms, int64_t now_ms, int64_t midnight_ms);

/* --- Forecasts -------------------------------------------------------------------------------- */

/* A forecast assumes that spending goes on as it did on average since `since_ms`: a rate that knows
 * nothing of nights, of work that has just begun, or of work that has just ended. A span that is
 * shorter than BUDGET_FORECAST_MIN_MS counts as that long: a single call is no rate. */
#define BUDGET_FORECAST_MIN_MS (INT64_C(10) * 60 * 1000)
#define BUDGET_FORECAST_MAX_MS (INT64_C(366) * 24 * 3600 * 1000) /* Later is never. */

struct budget_pace {
    struct amounts limits, spent;
    int64_t since_ms, now_ms; /* `spent` was spent between these. */
    int64_t day_end_ms;       /* `spent` falls to 0 then. 0: never. */
};
struct budget_forecast {
    enum amount amount; /* Limit that is reached first; AMOUNT_COUNT: none, or one is already. */
    int64_t at_ms;
};
struct budget_forecast budget_forecast(const struct budget_pace *pace);

/* --- Limits, as they come from outside: {"wall_ms": 60000, "agents": null, …} ----------------- */

#define BUDGET_LIMIT_MAX INT64_C(1000000000000000) /* Some thirty thousand years of wall_ms. */

enum budget_per { BUDGET_PER_UNNAMED, BUDGET_PER_NONE, BUDGET_PER_DAY };
struct budget_limits {
    bool named[AMOUNT_COUNT];
    struct amounts limits; /* AMOUNT_MAX: null, no limit. */
    enum budget_per per;   /* Only by budget_change_read. */
};
/* Unknown names, and values that are neither null nor 0 … BUDGET_LIMIT_MAX, are refused. */
MUST_CHECK struct err budget_limits_read(const json_t *json, struct budget_limits *ret_limits,
                                         struct why *why);
/* The same with "per": "day", or null. */
MUST_CHECK struct err budget_change_read(const json_t *json, struct budget_limits *ret_limits,
                                         struct why *why);

#endif
