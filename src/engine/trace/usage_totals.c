/* usage_totals.c: see usage_totals.h. */
#include "engine/trace/usage_totals.h"

#include <string.h>

#include "rules/run/run.h"

#define HOUR_MS (INT64_C(3600) * 1000)
#define DAY_MS (24 * HOUR_MS)

static const char *const categories[USAGE_CATEGORY_COUNT] = {
#define X(category, name) name,
    USAGE_CATEGORIES(X)
#undef X
};
static const char *const sorts[USAGE_SORT_COUNT + 1] = {
#define X(sort, name) name,
    USAGE_SORTS(X)
#undef X
};

static const char *const segments[USAGE_SEGMENT_COUNT] = {
#define X(segment, name) name,
    USAGE_SEGMENTS(X)
#undef X
};

const char *usage_segment_name(enum usage_segment segment) {
    return segments[segment];
}

const char *usage_sort_name(enum usage_sort sort) {
    return sorts[sort];
}

bool usage_sort_find(struct bytes name, enum usage_sort *ret_sort) {
    return bytes_find(name, sorts, ret_sort);
}

static bool asks_by(const struct usage_ask *ask, enum usage_sort sort) {
    bool asks = false;
    for (size_t i = 0; i < ask->by_count; i++) {
        asks = asks || ask->by[i] == sort;
    }
    return asks;
}

bool usage_asks_tools(const struct usage_ask *ask) {
    return asks_by(ask, USAGE_BY_TOOL);
}

bool usage_asks_segments(const struct usage_ask *ask) {
    return asks_by(ask, USAGE_BY_SEGMENT);
}

int64_t usage_segment_tokens(const struct usage_total *total, enum usage_segment segment) {
    const struct session_usage *usage = &total->usage;
    int64_t other = usage->fresh + usage->cache_read + usage->cache_write;
    for (size_t i = 0; i < USAGE_PART_COUNT; i++) {
        other -= total->parts[i];
    }
    switch (segment) {
    case USAGE_SEGMENT_OTHER:
        return other > 0 ? other : 0;
    case USAGE_SEGMENT_OUTPUT:
        return usage->output > usage->reasoning ? usage->output - usage->reasoning : 0;
    case USAGE_SEGMENT_REASONING:
        return usage->reasoning;
    case USAGE_SEGMENT_TOOLS:
    case USAGE_SEGMENT_INSTRUCTIONS:
    case USAGE_SEGMENT_HISTORY:
    case USAGE_SEGMENT_COUNT:
        break;
    }
    static_assert((int)USAGE_SEGMENT_HISTORY == (int)USAGE_HISTORY, "in one order");
    return total->parts[segment];
}

#define KEYS                                                                                       \
    "owner, day, hour, session, model, category, project, agent, run, workflow,"                   \
    " phase, tool"
#define NUMBERS                                                                                    \
    "ms, errors, tools_tokens, instructions_tokens, history_tokens, calls, fresh, cache_read, "    \
    "cache_write, output, reasoning, cost_micros,"                                                 \
    " cost_unknown"
/* clang-format off */
#define ADDED(column) " " column " = usage_totals." column " + EXCLUDED." column
#define ADD_TO_ROW                                                                                 \
    " ON CONFLICT (" KEYS ") DO UPDATE SET"                                                        \
    ADDED("ms") "," ADDED("errors") "," ADDED("tools_tokens") "," ADDED("instructions_tokens") "," \
    ADDED("history_tokens") "," ADDED("calls") "," ADDED("fresh") "," ADDED("cache_read")          \
    "," ADDED("cache_write") "," ADDED("output") "," ADDED("reasoning") "," ADDED("cost_micros")   \
    "," ADDED("cost_unknown")
/* clang-format on */

struct session_usage usage_read(const struct rows *rows, int from) {
    struct session_usage usage;
    int64_t numbers[SESSION_USAGE_NUMBERS];
    for (int i = 0; i < (int)SESSION_USAGE_NUMBERS; i++) {
        numbers[i] = rows_int(rows, from + i);
    }
    memcpy(&usage, numbers, sizeof usage);
    return usage;
}

void usage_args(const struct session_usage *usage, struct arg ret_args[SESSION_USAGE_NUMBERS]) {
    int64_t numbers[SESSION_USAGE_NUMBERS];
    memcpy(numbers, usage, sizeof numbers);
    for (size_t i = 0; i < SESSION_USAGE_NUMBERS; i++) {
        ret_args[i] = arg_int(numbers[i]);
    }
}

void tx_usage_add(struct tx *tx, const struct usage_add *add) {
    const struct session_row nobody = {.owner = add->owner, .project = add->project};
    const struct session_row *session = add->session == NULL ? &nobody : add->session;
    const struct usage_place *place = &add->place;
    const int64_t now_ms = tx_now_ms(tx);
    enum { KEYS_COUNT = 12, OWN_NUMBERS = 2 + USAGE_PART_COUNT };
    struct arg args[KEYS_COUNT + OWN_NUMBERS + SESSION_USAGE_NUMBERS] = {
        arg_text(session->owner),
        arg_int(now_ms / DAY_MS),
        arg_int(now_ms % DAY_MS / HOUR_MS),
        arg_text(session->session),
        arg_text(add->model),
        arg_str(categories[add->category]),
        arg_text(session->project),
        arg_text(place->agent.len > 0 ? place->agent : session->agent),
        arg_int(place->run),
        arg_text(place->workflow),
        arg_text(place->phase),
        arg_text(add->tool),
        arg_int(add->ms),
        arg_int(add->errors),
        arg_int(add->parts[USAGE_TOOLS]),
        arg_int(add->parts[USAGE_INSTRUCTIONS]),
        arg_int(add->parts[USAGE_HISTORY]),
    };
    usage_args(&add->usage, &args[KEYS_COUNT + OWN_NUMBERS]);
    tx_do(tx,
          "INSERT INTO usage_totals (" KEYS ", " NUMBERS ") VALUES ($1, $2, $3, $4, $5, $6, $7,"
          " $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,"
          " $25)" ADD_TO_ROW,
          args, COUNT_OF(args));
}

struct usage_place tx_usage_place(struct tx *tx, int64_t parent) {
    static const char sql[] = "SELECT a.agent, a.phase, w.label, w.id FROM runs a JOIN runs w"
                              " ON w.id = a.parent WHERE a.id = $1 AND a.kind = 'agent'";
    AUTO(rows_release)
    struct rows *rows = parent == 0 ? NULL : tx_row(tx, sql, ARGS(arg_int(parent)));
    return rows == NULL ? (struct usage_place){.run = 0}
                        : (struct usage_place){.run = rows_int(rows, 3),
                                               .agent = rows_copy(rows, 0),
                                               .phase = rows_copy(rows, 1),
                                               .workflow = rows_copy(rows, 2)};
}

int64_t tx_usage_run(struct tx *tx, struct bytes owner, struct bytes run, bool *ret_workflow) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, "SELECT id, kind FROM runs WHERE run = $1 AND owner = $2",
                               ARGS(arg_text(run), arg_text(owner)));
    enum run_kind kind = RUN_KIND_COUNT;
    *ret_workflow = rows != NULL && run_kind_find(rows_text(rows, 1), &kind) &&
                    run_kind_is(kind, RUN_HAS_STEPS);
    return rows == NULL ? 0 : rows_int(rows, 0);
}

/* clang-format off */
#define SUM(column) "CAST(sum(" column ") AS BIGINT)"
#define SUMS                                                                                       \
    SUM("ms") ", " SUM("errors") ", " SUM("tools_tokens") ", " SUM("instructions_tokens") ", "     \
    SUM("history_tokens") ", " SUM("calls") ", " SUM("fresh") ", " SUM("cache_read") ", "   \
    SUM("cache_write") ", " SUM("output") ", " SUM("reasoning") ", " SUM("cost_micros") ", "       \
    SUM("cost_unknown")
/* clang-format on */

/* Moves rows to sums that say less, a page at a time: `where` takes the page, the others are keys
 * as expressions. Rows that become one are added up first: PostgreSQL adds only once to a row. */
#define FORGET(session, agent, run, workflow, phase, where)                                        \
    "INSERT INTO usage_totals (" KEYS ", " NUMBERS ") SELECT " KEYS ", " SUMS                      \
    " FROM (SELECT owner, day, hour, " session " AS session, model, category, project, " agent     \
    " AS agent, " run " AS run, " workflow " AS workflow, " phase " AS phase, tool, " NUMBERS      \
    " FROM usage_totals WHERE " where " ORDER BY id LIMIT $3) AS page GROUP BY " KEYS ADD_TO_ROW
#define FORGOTTEN(where)                                                                           \
    "DELETE FROM usage_totals WHERE id IN (SELECT id FROM usage_totals WHERE " where               \
    " ORDER BY id LIMIT $3)"
#define OF_SESSION "owner = $1 AND session = $2"
#define OF_RUN "$1 = '' AND run = $2 AND run <> 0"

static bool rows_forget(struct tx *tx, const char *add, const char *remove,
                        const struct arg args[3]) {
    const bool some = tx_change(tx, add, args, 3) > 0;
    if (some) {
        tx_do(tx, remove, args, 3);
    }
    return some;
}

/* A workflow that is still there keeps its words. */
bool tx_usage_forget(struct tx *tx, const struct session_row *session, int64_t limit) {
    static const char add[] = FORGET("''", "CASE WHEN run = 0 THEN '' ELSE agent END", "run",
                                     "workflow", "phase", OF_SESSION);
    const struct arg args[] = {arg_text(session->owner), arg_text(session->session),
                               arg_int(limit)};
    return rows_forget(tx, add, FORGOTTEN(OF_SESSION), args);
}

bool tx_usage_forget_run(struct tx *tx, int64_t run, int64_t limit) {
    static const char add[] = FORGET("session", "''", "0", "''", "''", OF_RUN);
    const struct arg args[] = {arg_text(BYTES("")), arg_int(run), arg_int(limit)};
    return rows_forget(tx, add, FORGOTTEN(OF_RUN), args);
}

int64_t usage_cache_permille(const struct session_usage *usage) {
    int64_t read = usage->fresh + usage->cache_read + usage->cache_write;
    return read <= 0 ? -1 : usage->cache_read * 1000 / read;
}
