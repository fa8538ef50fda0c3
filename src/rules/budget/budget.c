/* budget.c: admission, and the mean by which it is asked for. */
#include "rules/budget/budget.h"

#include <inttypes.h>

static const char *const names[AMOUNT_COUNT + 1] = {
#define X(amount, name) name,
    AMOUNTS(X)
#undef X
};

const char *amount_name(enum amount amount) {
    assert(amount < AMOUNT_COUNT);
    return names[amount];
}

/* --- Amounts ---------------------------------------------------------------------------------- */

static int64_t bounded(int64_t amount) {
    return amount < 0 ? 0 : amount > AMOUNT_MAX ? AMOUNT_MAX : amount;
}

struct amounts amounts_none(void) {
    return (struct amounts){.of = {0}};
}

struct amounts amounts_unlimited(void) {
    struct amounts amounts;
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
    return false;
}

/* Both are within 2^53, so their sum fits. */
void amounts_add(struct amounts *sum, const struct amounts *more) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        sum->of[i] = bounded(bounded(sum->of[i]) + bounded(more->of[i]));
    }
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

/* What one limit says. */
static enum budget_verdict judge_one(const struct budget_node *node, enum amount amount,
                                     int64_t *io_grant, bool *ret_above) {
    if (left(node, amount, node->above.of[amount]) <= 0) {
        *ret_above = left(node, amount, 0) > 0;
        return BUDGET_SPENT;
    }
    int64_t free_now = left(node, amount, node->reserved.of[amount]);
    if (free_now <= 0) {
        *ret_above = false;
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
            enum budget_verdict said =
                !limits_it(&nodes[n], want, i)
                    ? BUDGET_ADMITTED
                    : judge_one(&nodes[n], here.amount, &grant.of[i], &here.above);
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
    for (size_t n = 0; n < count; n++) {
        for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
            if (limits_it(&nodes[n], want, i) && left(&nodes[n], (enum amount)i, 0) <= 0) {
                *ret_hit = (struct budget_hit){.node = n, .amount = (enum amount)i};
                return BUDGET_SPENT;
            }
        }
    }
    return BUDGET_ADMITTED;
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
    unsigned at = 0;
    if (!bytes_find(bytes_of(name), names, &at)) {
        return err_why(why, ERR_UNKNOWN_FIELD,
                       "'%.60s' is none of output_tokens, tokens, cost_micros, agents, wall_ms",
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

struct err budget_limits_read(const json_t *json, struct budget_limits *ret_limits,
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
        err = limit_read(json_object_iter_key(at), json_object_iter_value(at), &limits, why);
    }
    if (!err_failed(err)) {
        *ret_limits = limits;
    }
    return err;
}
