/* budget.c: admission, and the mean by which it is asked for. */
#include "rules/budget/budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *title;
} names[AMOUNT_COUNT] = {
#define X(amount, name, title) {(name), (title)},
    AMOUNTS(X)
#undef X
};

const char *amount_name(enum amount amount) {
    assert(amount < AMOUNT_COUNT);
    return names[amount].name;
}

const char *amount_title(enum amount amount) {
    assert(amount < AMOUNT_COUNT);
    return names[amount].title;
}

enum amount amount_find(const char *name) {
    unsigned at = 0;
    while (at < AMOUNT_COUNT && strcmp(names[at].name, name) != 0) {
        at++;
    }
    return (enum amount)at;
}

struct amount_shown amount_show(enum amount amount, int64_t value) {
    enum { MICROS = 1000000 };
    struct amount_shown shown;
    const int64_t seconds = value / 1000; /* Used for a duration only. */
    const size_t size = sizeof shown.text;
    int len = 0;
    if (amount == AMOUNT_COST) {
        len = snprintf(shown.text, size, "$%" PRId64 ".%04" PRId64, value / MICROS,
                       value % MICROS / 100);
    } else if (amount != AMOUNT_WALL) {
        len = snprintf(shown.text, size, "%" PRId64, value);
    } else if (value < 10000) {
        len = snprintf(shown.text, size, "%" PRId64 ".%03" PRId64 "s", seconds, value % 1000);
    } else if (seconds < 3600) {
        len = snprintf(shown.text, size, "%" PRId64 "m %02" PRId64 "s", seconds / 60, seconds % 60);
    } else {
        len = snprintf(shown.text, size, "%" PRId64 "h %02" PRId64 "m", seconds / 3600,
                       seconds / 60 % 60);
    }
    assert(len > 0 && (size_t)len < size);
    return shown;
}

/* --- Amounts ---------------------------------------------------------------------------------- */

static int64_t bounded(int64_t amount) {
    return amount < 0 ? 0 : amount > AMOUNT_MAX ? AMOUNT_MAX : amount;
}

struct amounts amounts_none(void) {
    return (struct amounts){.of = {0}};
}

struct amounts amounts_unlimited(void) {
    struct amounts amounts = amounts_none();
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        amounts.of[i] = AMOUNT_MAX;
    }
    return amounts;
}

bool amounts_any(const struct amounts *amounts) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (amounts->of[i] != 0) {
            return true;
        }
    }
    return amounts->cost_unknown != 0;
}

/* Both are within 2^53, so their sum fits. */
void amounts_add(struct amounts *sum, const struct amounts *more) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        sum->of[i] = bounded(bounded(sum->of[i]) + bounded(more->of[i]));
    }
    sum->cost_unknown = bounded(bounded(sum->cost_unknown) + bounded(more->cost_unknown));
}

void amounts_subtract(struct amounts *sum, const struct amounts *less) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        sum->of[i] = bounded(bounded(sum->of[i]) - bounded(less->of[i]));
    }
}

/* --- Admission -------------------------------------------------------------------------------- */

static int64_t left(const struct budget_node *node, enum amount amount, int64_t held) {
    return node->limits.of[amount] - node->spent.of[amount] - held;
}

static bool limits_it(const struct budget_node *node, const struct amounts *want, unsigned amount) {
    return want->of[amount] > 0 && node->limits.of[amount] < AMOUNT_MAX;
}

/* All is spent, by itself or with `above`. Tomorrow there may be something left; not where the
 * limit is 0, or all of it is reserved above. */
static enum budget_verdict used_up(const struct budget_node *node, int64_t above,
                                   struct budget_hit *io_hit) {
    io_hit->today = node->day_end_ms != 0 && above < node->limits.of[io_hit->amount];
    io_hit->above = !io_hit->today && left(node, io_hit->amount, 0) > 0;
    return io_hit->today ? BUDGET_WAITS : BUDGET_SPENT;
}

/* What one limit says. */
static enum budget_verdict judge_one(const struct budget_node *node, int64_t *io_grant,
                                     struct budget_hit *io_hit) {
    const enum amount amount = io_hit->amount;
    if (left(node, amount, node->above.of[amount]) <= 0) {
        return used_up(node, node->above.of[amount], io_hit);
    }
    int64_t free_now = left(node, amount, node->reserved.of[amount]);
    if (free_now <= 0) {
        return BUDGET_WAITS;
    }
    *io_grant = *io_grant < free_now ? *io_grant : free_now;
    return BUDGET_ADMITTED;
}

enum budget_verdict budget_judge(const struct budget_node *nodes, size_t count,
                                 const struct amounts *want, struct amounts *ret_grant,
                                 struct budget_hit *ret_hit) {
    enum budget_verdict verdict = BUDGET_ADMITTED;
    struct budget_hit hit = {.node = 0};
    struct amounts grant = *want;
    for (size_t n = 0; n < count; n++) {
        for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
            struct budget_hit here = {.node = n, .amount = (enum amount)i};
            enum budget_verdict said = !limits_it(&nodes[n], want, i)
                                           ? BUDGET_ADMITTED
                                           : judge_one(&nodes[n], &grant.of[i], &here);
            if (said > verdict) { /* In the order of enum budget_verdict. */
                verdict = said;
                hit = here;
            }
        }
    }
    *ret_grant = grant;
    *ret_hit = hit;
    return verdict;
}

enum budget_verdict budget_still(const struct budget_node *nodes, size_t count,
                                 const struct amounts *want, struct budget_hit *ret_hit) {
    enum budget_verdict verdict = BUDGET_ADMITTED;
    for (size_t n = 0; n < count; n++) {
        for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
            struct budget_hit here = {.node = n, .amount = (enum amount)i};
            enum budget_verdict said =
                limits_it(&nodes[n], want, i) && left(&nodes[n], here.amount, 0) <= 0
                    ? used_up(&nodes[n], /* above */ 0, &here)
                    : BUDGET_ADMITTED;
            if (said > verdict) {
                verdict = said;
                *ret_hit = here;
            }
        }
    }
    return verdict;
}

/* --- Days ------------------------------------------------------------------------------------- */

struct budget_day budget_day(int64_t end_ms, int64_t now_ms, int64_t midnight_ms) {
    if (end_ms == 0) {
        return (struct budget_day){.end_ms = 0};
    }
    if (end_ms <= now_ms) {
        return (struct budget_day){.end_ms = midnight_ms, .fresh = true};
    }
    bool far = end_ms - now_ms > BUDGET_LONG_DAY_MS;
    return (struct budget_day){.end_ms = far ? now_ms + BUDGET_DAY_MS : end_ms};
}

/* --- Forecasts -------------------------------------------------------------------------------- */

/* Time until the limit is reached; BUDGET_FORECAST_MAX_MS: never. Amounts are at most 2^53. */
static int64_t reached_in_ms(const struct budget_pace *pace, unsigned amount) {
    const int64_t spent = pace->spent.of[amount], rest = pace->limits.of[amount] - spent;
    const int64_t span = pace->now_ms - pace->since_ms;
    if (pace->limits.of[amount] >= AMOUNT_MAX || spent <= 0) {
        return BUDGET_FORECAST_MAX_MS;
    }
    const double ms = (double)rest / (double)spent *
                      (double)(span > BUDGET_FORECAST_MIN_MS ? span : BUDGET_FORECAST_MIN_MS);
    return ms < (double)BUDGET_FORECAST_MAX_MS ? (int64_t)ms : BUDGET_FORECAST_MAX_MS;
}

struct budget_forecast budget_forecast(const struct budget_pace *pace) {
    const struct budget_forecast none = {.amount = AMOUNT_COUNT};
    struct budget_forecast forecast = none;
    int64_t first_ms = BUDGET_FORECAST_MAX_MS;
    if (pace->day_end_ms != 0) { /* The count of the day ends before. */
        const int64_t left_ms = pace->day_end_ms - pace->now_ms;
        first_ms = left_ms < first_ms ? left_ms : first_ms;
    }
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (pace->limits.of[i] < AMOUNT_MAX && pace->spent.of[i] >= pace->limits.of[i]) {
            return none;
        }
        const int64_t in_ms = reached_in_ms(pace, i);
        if (in_ms < first_ms) {
            first_ms = in_ms;
            forecast = (struct budget_forecast){(enum amount)i, pace->now_ms + in_ms};
        }
    }
    return forecast;
}

/* --- The mean --------------------------------------------------------------------------------- */

/* Rounded away from the mean it comes from, so that it reaches what attempts take and does not
 * stop a few before it. */
static int64_t moved(int64_t mean, int64_t took, int64_t count) {
    int64_t gap = took - mean;
    int64_t step = (gap < 0 ? gap - (count - 1) : gap + (count - 1)) / count;
    return mean + step;
}

void budget_learn(struct budget_mean *mean, const struct amounts *took) {
    if (mean->count < BUDGET_RECENT_MAX) {
        mean->count++;
    }
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        mean->mean.of[i] = moved(mean->mean.of[i], bounded(took->of[i]), mean->count);
    }
}

/* Rounded up: at least 1 of what is wanted. */
static int64_t least(int64_t first) {
    return first / BUDGET_FLOOR_PART + (first % BUDGET_FLOOR_PART != 0);
}

struct amounts budget_want(const struct budget_mean *mean, const struct amounts *first) {
    struct amounts want = *first;
    for (unsigned i = 0; i < AMOUNT_COUNT && mean->count > 0; i++) {
        int64_t floor = least(first->of[i]);
        int64_t recent = mean->mean.of[i] > floor ? mean->mean.of[i] : floor;
        want.of[i] = first->of[i] > 0 ? recent : 0;
    }
    return want;
}

/* --- Limits ----------------------------------------------------------------------------------- */

static struct err limit_read(const char *name, const json_t *value, struct budget_limits *limits,
                             struct why *why) {
    int64_t limit = json_is_integer(value) ? json_integer_value(value) : -1;
    const enum amount at = amount_find(name);
    if (at == AMOUNT_COUNT) {
        return err_why(why, ERR_UNKNOWN_FIELD,
                       "'%.60s' is not one of output_tokens, tokens, cost_micros, agents, wall_ms",
                       name);
    }
    if (!json_is_null(value) && (limit < 0 || limit > BUDGET_LIMIT_MAX)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"%s\" must be a whole number from 0 to %" PRId64 ", or null for no limit",
                       name, BUDGET_LIMIT_MAX);
    }
    limits->named[at] = true;
    limits->limits.of[at] = json_is_null(value) ? AMOUNT_MAX : limit;
    return ERR_OK;
}

static struct err per_read(const json_t *value, struct budget_limits *limits, struct why *why) {
    bool day = json_is_string(value) && strcmp(json_string_value(value), "day") == 0;
    limits->per = day ? BUDGET_PER_DAY : BUDGET_PER_NONE;
    return day || json_is_null(value)
               ? ERR_OK
               : err_why(why, ERR_BAD_FIELD, "\"per\" must be \"day\", or null for no day");
}

static struct err members_read(const json_t *json, bool days, struct budget_limits *ret_limits,
                               struct why *why) {
    struct budget_limits limits = {.limits = amounts_unlimited()};
    if (!json_is_object(json)) {
        return err_why(why, ERR_BAD_FIELD, "limits are an object, like {\"wall_ms\": 60000}");
    }
    /* jansson's iterator takes no const, though it only reads. */
    json_t *iterated = (json_t *)json;
    struct err err = ERR_OK;
    for (void *at = json_object_iter(iterated); at != NULL && !err_failed(err);
         at = json_object_iter_next(iterated, at)) {
        const char *name = json_object_iter_key(at);
        const json_t *value = json_object_iter_value(at);
        err = days && strcmp(name, "per") == 0 ? per_read(value, &limits, why)
                                               : limit_read(name, value, &limits, why);
    }
    if (!err_failed(err)) {
        *ret_limits = limits;
    }
    return err;
}

struct err budget_limits_read(const json_t *json, struct budget_limits *ret_limits,
                              struct why *why) {
    return members_read(json, /* days */ false, ret_limits, why);
}

struct err budget_change_read(const json_t *json, struct budget_limits *ret_limits,
                              struct why *why) {
    return members_read(json, /* days */ true, ret_limits, why);
}
