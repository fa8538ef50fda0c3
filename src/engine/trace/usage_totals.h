/* usage_totals.h: what models took, added up by day, so that it outlives runs and sessions. Sums of
 * these rows: usage_walk.h.
 *
 * Promise    a call is counted in the commit that stores its answer: once, or not at all.
 * Bounds     a row for each day, session, model, category and project; an answer has
 *            USAGE_ROWS_MAX.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TRACE_USAGE_TOTALS_H
#define DROVER_ENGINE_TRACE_USAGE_TOTALS_H

#include "base/base.h"
#include "base/err.h"
#include "rules/session/session.h"
#include "store/store.h"

enum { USAGE_ROWS_MAX = 200, USAGE_DAYS_MAX = 3660 };

#define USAGE_CATEGORIES(X)                                                                        \
    X(TURN, "turn")                                                                                \
    X(FOLLOW_UP, "follow_up")                                                                      \
    X(SUBAGENT, "subagent")                                                                        \
    X(REVIEW, "review")                                                                            \
    X(COMPACTION, "compaction")                                                                    \
    X(TITLE, "title")                                                                              \
    X(AGENT, "agent")
enum usage_category {
#define X(category, name) USAGE_##category,
    USAGE_CATEGORIES(X)
#undef X
        USAGE_CATEGORY_COUNT
};
struct usage_add {
    const struct session_row *session; /* NULL: of none; then these two say whose it is. */
    struct bytes owner, project;
    struct bytes model;
    enum usage_category category;
    struct session_usage usage;
};
MUST_CHECK struct err tx_usage_add(struct tx *tx, const struct usage_add *add);

/* Adds the usage of a deleted session to the sums that name neither session nor agent, a page at a
 * time. *ret_some: call again. */
MUST_CHECK struct err tx_usage_forget(struct tx *tx, const struct session_row *session,
                                      int64_t limit, bool *ret_some);

#define USAGE_SORTS(X)                                                                             \
    X(DAY, "day")                                                                                  \
    X(MODEL, "model")                                                                              \
    X(AGENT, "agent")                                                                              \
    X(SESSION, "session")                                                                          \
    X(PROJECT, "project")                                                                          \
    X(CATEGORY, "category")
enum usage_sort {
#define X(sort, name) USAGE_BY_##sort,
    USAGE_SORTS(X)
#undef X
        USAGE_SORT_COUNT
};
const char *usage_sort_name(enum usage_sort sort);
MUST_CHECK bool usage_sort_find(struct bytes name, enum usage_sort *ret_sort);

struct usage_ask {
    struct bytes owner;
    struct bytes session, project; /* "": of all. */
    enum usage_sort by;
    int64_t from_day;    /* 0: from the beginning. */
    unsigned slices_max; /* 0: USAGE_SLICES_MAX. */
};
/* A sum; `day` counts where that is asked for, else `key`. */
struct usage_total {
    struct bytes key;
    int64_t day;
    struct session_usage usage;
};

/* The numbers of a usage: columns of a row from `from` on, and arguments of a statement. */
struct session_usage usage_read(const struct rows *rows, int from);
void usage_args(const struct session_usage *usage, struct arg ret_args[SESSION_USAGE_NUMBERS]);

/* Of what was read, the part that a cache had, in thousandths; -1: nothing was read. */
int64_t usage_cache_permille(const struct session_usage *usage);

#endif
