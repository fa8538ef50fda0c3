/* usage_totals.h: what models took, added up by day, so that it outlives runs and sessions. Sums of
 * these rows: usage_walk.h.
 *
 * Promise    a call is counted in the commit that stores its answer: once, or not at all.
 * Bounds     a row for each hour, session, model, category, project, agent, workflow, phase and
 *            tool that was used; an answer has USAGE_ROWS_MAX, by two dimensions USAGE_PAIRS_MAX.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TRACE_USAGE_TOTALS_H
#define DROVER_ENGINE_TRACE_USAGE_TOTALS_H

#include "base/base.h"
#include "base/err.h"
#include "rules/session/session.h"
#include "rules/trace/usage.h"
#include "store/store.h"

enum { USAGE_ROWS_MAX = 200, USAGE_PAIRS_MAX = 1000, USAGE_DAYS_MAX = 3660 };

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
/* The agent of a workflow that used something; no data: it was none. */
struct usage_place {
    int64_t run;                         /* id of the workflow's run. */
    struct bytes agent, workflow, phase; /* agent: its type, or "". */
};
struct usage_add {
    const struct session_row *session; /* NULL: of none; then these two say whose it is. */
    struct bytes owner, project;
    struct usage_place place; /* The agent of the place goes before that of the session. */
    struct bytes model;
    enum usage_category category;
    struct session_usage usage;
    /* Tokens of the parts of the input; all 0: nobody measured the prompt. */
    int64_t parts[USAGE_PART_COUNT];
    /* Name of the tool whose calls `usage.calls` counts; no data: these are calls of a model. */
    struct bytes tool;
    int64_t ms, errors;
};
void tx_usage_add(struct tx *tx, const struct usage_add *add);
/* Place of a run below `parent` (run_row.id; 0: none): that of the agent there. In the arena. */
struct usage_place tx_usage_place(struct tx *tx, int64_t parent);

/* id of the run of a workflow; 0: the owner has no such run. *ret_workflow: whether it is one. */
int64_t tx_usage_run(struct tx *tx, struct bytes owner, struct bytes run, bool *ret_workflow);

/* Adds the usage of a deleted session to the sums that name neither session nor agent, a page at a
 * time. True: call again. */
MUST_CHECK bool tx_usage_forget(struct tx *tx, const struct session_row *session, int64_t limit);
/* The same for a workflow that is removed: its rows then name no workflow, phase and agent. */
MUST_CHECK bool tx_usage_forget_run(struct tx *tx, int64_t run, int64_t limit);

#define USAGE_SORTS(X)                                                                             \
    X(DAY, "day")                                                                                  \
    X(MODEL, "model")                                                                              \
    X(AGENT, "agent")                                                                              \
    X(SESSION, "session")                                                                          \
    X(PROJECT, "project")                                                                          \
    X(CATEGORY, "category")                                                                        \
    X(HOUR, "hour")                                                                                \
    X(TOOL, "tool")                                                                                \
    X(WORKFLOW, "workflow")                                                                        \
    X(PHASE, "phase")                                                                              \
    X(SEGMENT, "segment")
enum usage_sort {
#define X(sort, name) USAGE_BY_##sort,
    USAGE_SORTS(X)
#undef X
        USAGE_SORT_COUNT
};
const char *usage_sort_name(enum usage_sort sort);
MUST_CHECK bool usage_sort_find(struct bytes name, enum usage_sort *ret_sort);

/* Segments of all tokens: none stands in two of them. OTHER: input whose parts nobody measured. */
#define USAGE_SEGMENTS(X)                                                                          \
    X(TOOLS, "tools")                                                                              \
    X(INSTRUCTIONS, "instructions")                                                                \
    X(HISTORY, "history")                                                                          \
    X(OTHER, "other")                                                                              \
    X(OUTPUT, "output")                                                                            \
    X(REASONING, "reasoning")
enum usage_segment {
#define X(segment, name) USAGE_SEGMENT_##segment,
    USAGE_SEGMENTS(X)
#undef X
        USAGE_SEGMENT_COUNT
};
const char *usage_segment_name(enum usage_segment segment);

enum { USAGE_KEYS = 2 };
struct usage_ask {
    struct bytes owner;
    struct bytes session, project;  /* "": of all. */
    int64_t run;                    /* id of a workflow's run; 0: of all. */
    enum usage_sort by[USAGE_KEYS]; /* With USAGE_BY_TOOL calls of tools are counted. */
    size_t by_count;                /* From 1. */
    int64_t from_day, to_day;       /* 0: from the beginning, and to the end. */
    unsigned slices_max;            /* 0: USAGE_SLICES_MAX. */
};
/* A sum. `time` counts days or hours since 1970 where these are asked for, else `text`. */
struct usage_key {
    struct bytes text;
    int64_t time;
};
struct usage_total {
    struct usage_key keys[USAGE_KEYS];
    struct session_usage usage;
    int64_t ms, errors; /* Sums over calls of tools. */
    int64_t parts[USAGE_PART_COUNT];
};
MUST_CHECK static inline bool usage_sort_is_time(enum usage_sort sort) {
    return sort == USAGE_BY_DAY || sort == USAGE_BY_HOUR;
}
/* Whether calls of tools are asked for, in place of those of models. */
bool usage_asks_tools(const struct usage_ask *ask);
/* Whether sums are divided into segments: the key of that dimension is empty. */
bool usage_asks_segments(const struct usage_ask *ask);
int64_t usage_segment_tokens(const struct usage_total *total, enum usage_segment segment);

/* The numbers of a usage: columns of a row from `from` on, and arguments of a statement. */
struct session_usage usage_read(const struct rows *rows, int from);
void usage_args(const struct session_usage *usage, struct arg ret_args[SESSION_USAGE_NUMBERS]);

/* Of what was read, the part that a cache had, in thousandths; -1: nothing was read. */
int64_t usage_cache_permille(const struct session_usage *usage);

#endif
