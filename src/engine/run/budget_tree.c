/* budget_tree.c: nodes of the tree of budgets: read, asked above a run, and charged.
 *
 * Only nodes with a limit on something that is wanted cost a sum. Whose ancestors hold what is only
 * looked up where the answer would be to wait: a child must never wait for what its own live
 * ancestor has reserved, since that one may be waiting for the child.
 */
#include "engine/run/budget_gate.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "engine/base/follow.h"
#include "engine/base/ids.h"
#include "loop/local_day.h"

/* --- Nodes ------------------------------------------------------------------------------------ */

#define OF(amount) offsetof(struct amounts, of[AMOUNT_##amount])
#define AT(member) offsetof(struct budget_row, member)

/* A cost of which nothing is known is null, as everywhere. */
static struct field_value spent_cost(const void *of) {
    const struct amounts *spent = of;
    const int64_t cost = spent->of[AMOUNT_COST];
    return (struct field_value){.null = cost == 0 && spent->cost_unknown != 0, .number = cost};
}

static struct field_value counted_per(const void *of) {
    const struct budget_row *row = of;
    return (struct field_value){.null = row->day_end_ms == 0, .text = BYTES("day")};
}

#define LIMITED(amount, name, title) {FIELD(name, FIELD_INT, OF(amount)), .none = AMOUNT_MAX},
static const struct field limit_rows[] = {AMOUNTS(LIMITED)};
static const struct field_set limit_fields = {FIELD_ROWS(limit_rows), .use = FIELD_SHOWN};
#define RESERVED(amount, name, title) {FIELD(name, FIELD_INT, OF(amount))},
static const struct field reserved_rows[] = {AMOUNTS(RESERVED)};
static const struct field_set reserved_fields = {FIELD_ROWS(reserved_rows), .use = FIELD_SHOWN};
static const struct field spent_rows[] = {
    {FIELD("output_tokens", FIELD_INT, OF(OUTPUT_TOKENS))},
    {FIELD("tokens", FIELD_INT, OF(TOKENS))},
    {FIELD("cost_micros", FIELD_INT, 0), .get = spent_cost, .empty = FIELD_EMPTY_NULL},
    {FIELD("agents", FIELD_INT, OF(AGENTS))},
    {FIELD("wall_ms", FIELD_INT, OF(WALL))},
    {FIELD("cost_unknown", FIELD_INT, offsetof(struct amounts, cost_unknown))},
};
static const struct field_set spent_fields = {FIELD_ROWS(spent_rows), .use = FIELD_SHOWN};
#define KEPT .use = FIELD_KEPT
#define SET (FIELD_INSERTED | BUDGET_SET_LIMITS)
#define LIMIT(amount) AT(limits.of[AMOUNT_##amount])
#define SPENT(amount) AT(spent.of[AMOUNT_##amount])
static const struct field budget_rows[] = {
    {ROW_ONCE("id", FIELD_INT, AT(id)), KEPT},
    {ROW_ONCE("path", FIELD_TEXT, AT(path)), KEPT},
    {ROW_ONCE("run", FIELD_INT, AT(run)), KEPT},
    {ROW_READ("output_tokens_max", FIELD_INT, LIMIT(OUTPUT_TOKENS)), .group = SET, KEPT},
    {ROW_READ("tokens_max", FIELD_INT, LIMIT(TOKENS)), .group = SET, KEPT},
    {ROW_READ("cost_micros_max", FIELD_INT, LIMIT(COST)), .group = SET, KEPT},
    {ROW_READ("agents_max", FIELD_INT, LIMIT(AGENTS)), .group = SET, KEPT},
    {ROW_READ("wall_ms_max", FIELD_INT, LIMIT(WALL)), .group = SET, KEPT},
    {ROW_READ("output_tokens_spent", FIELD_INT, SPENT(OUTPUT_TOKENS)), .group = BUDGET_SET_SPENT,
     KEPT},
    {ROW_READ("tokens_spent", FIELD_INT, SPENT(TOKENS)), .group = BUDGET_SET_SPENT, KEPT},
    {ROW_READ("cost_micros_spent", FIELD_INT, SPENT(COST)), .group = BUDGET_SET_SPENT, KEPT},
    {ROW_READ("agents_spent", FIELD_INT, SPENT(AGENTS)), .group = BUDGET_SET_SPENT, KEPT},
    {ROW_READ("wall_ms_spent", FIELD_INT, SPENT(WALL)), .group = BUDGET_SET_SPENT, KEPT},
    {ROW_READ("cost_unknown", FIELD_INT, AT(spent.cost_unknown)), .group = BUDGET_SET_SPENT, KEPT},
    {ROW_ONCE("scope", FIELD_TEXT, AT(scope)), .required = true},
    {ROW_ONCE("owner", FIELD_TEXT, AT(owner)), .empty = FIELD_EMPTY_NULL},
    {FIELD("limits", FIELD_OBJECT, AT(limits)), .fields = &limit_fields, .required = true},
    {FIELD("spent", FIELD_OBJECT, AT(spent)), .fields = &spent_fields, .required = true},
    {FIELD("reserved", FIELD_OBJECT, AT(reserved)), .fields = &reserved_fields, .required = true},
    {FIELD("waiting", FIELD_INT, AT(waiting))},
    {FIELD("per", FIELD_TEXT, 0), .get = counted_per, .schema = "{\"enum\":[\"day\",null]}"},
    {FIELD("resets_ms", FIELD_INT, AT(day_end_ms)), .column = "day_end_ms",
     .group = FIELD_INSERTED | BUDGET_SET_SPENT, .empty = FIELD_EMPTY_NULL},
    {FIELD("forecast", FIELD_STORED, AT(forecast)), .use = FIELD_LISTED, .empty = FIELD_EMPTY_NULL,
     .schema = "{\"type\":[\"object\",\"null\"],\"required\":[\"limit\",\"at_ms\"],\"properties\":{"
               "\"limit\":{\"type\":\"string\"},\"at_ms\":{\"type\":\"integer\"}}}"},
    {ROW_ONCE("made_ms", FIELD_INT, AT(made_ms))},
};
const struct resource budget_resource = {.table = "budgets",
                                         .key = "id",
                                         .of_daemon = true,
                                         .fields = {FIELD_ROWS(budget_rows), .use = FIELD_SHOWN},
                                         .size = sizeof(struct budget_row)};

struct budget_row budget__read(struct tx *tx, const struct rows *rows) {
    struct budget_row row = {.id = 0};
    bool known = resource_row_fill(&budget_resource, RESOURCE_WHOLE, rows, &row);
    assert(known); /* No column is a word. */
    tx_resource_copy(tx, &budget_resource, &row);
    if (row.day_end_ms != 0) {
        int64_t now_ms = tx_now_ms(tx);
        const struct budget_day day = budget_day(row.day_end_ms, now_ms, local_day_end_ms(now_ms));
        row.spent = day.fresh ? amounts_none() : row.spent;
        row.moved = day.end_ms != row.day_end_ms;
        row.day_end_ms = day.end_ms;
    }
    return row;
}

size_t budget__rows(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                    size_t max, struct budget_row *ret_rows) {
    const char *text = tx_resource_sql(tx, &budget_resource, RESOURCE_WHOLE, sql);
    AUTO(rows_release) struct rows *rows = tx_rows(tx, text, args, count);
    size_t found = 0;
    while (found < max && rows_step(rows)) {
        ret_rows[found++] = budget__read(tx, rows);
    }
    return found;
}

bool budget__find_id(struct tx *tx, int64_t id, struct budget_row *ret_row) {
    static const char sql[] = "SELECT * FROM budgets WHERE id = $1";
    return budget__rows(tx, sql, ARGS(arg_int(id)), 1, ret_row) > 0;
}

void budget__write_day(struct tx *tx, struct budget_row *row) {
    if (row->moved) {
        tx_row_update(tx, &budget_resource, BUDGET_SET_SPENT, row);
        row->moved = false;
    }
}

void budget__insert(struct tx *tx, struct budget_row *row) {
    row->id = tx_number(tx, "SELECT " IDS_NEXT("budgets"), NO_ARGS);
    tx_row_insert(tx, &budget_resource, 0, row);
    tx_row_changed(tx, FOLLOW_BUDGET, row->id);
}

struct bytes budget__path(struct tx *tx, struct bytes above, struct bytes scope) {
    AUTO(text_done) struct text path = text_up_to(BUDGET_PATH_MAX);
    text_add(&path, above.data, above.len);
    text_add(&path, scope.data, scope.len);
    text_add_char(&path, '/');
    return tx_copy_text(tx, &path, "budget: path");
}

size_t budget__path_parts(struct bytes path) {
    size_t parts = 0;
    for (size_t i = 0; i < path.len; i++) {
        parts += path.data[i] == '/';
    }
    return parts;
}

struct bytes budget__project_path(struct tx *tx, struct bytes project) {
    AUTO(text_done) struct text scope = text_up_to(BUDGET_PATH_MAX);
    text_add_str(&scope, "project:");
    text_add(&scope, project.data, project.len);
    return budget__path(tx, BYTES(""), text_bytes(&scope));
}

/* Paths end with '/', so those below one are less than it with '0', the next character. */
struct bytes budget__path_end(struct tx *tx, struct bytes path) {
    bool closed = path.len > 0 && path.data[path.len - 1] == '/';
    AUTO(text_done) struct text end = text_up_to(BUDGET_PATH_MAX);
    text_add(&end, path.data, closed ? path.len - 1 : path.len);
    text_add_str(&end, closed ? "0" : ""); /* Nothing is below a damaged path. */
    return tx_copy_text(tx, &end, "budget: path");
}

#define HELD "output_tokens_held, tokens_held, cost_micros_held, agents_held, wall_ms_held"

static struct amounts amounts_read(const struct rows *rows, int from) {
    struct amounts amounts = amounts_none();
    for (int i = 0; i < AMOUNT_COUNT; i++) {
        amounts.of[i] = rows_int(rows, from + i);
    }
    return amounts;
}

/* A sum of integers is of another type in PostgreSQL. */
#define HELD_SUMS                                                                                  \
    "SELECT CAST(COALESCE(sum(output_tokens_held), 0) AS BIGINT),"                                 \
    " CAST(COALESCE(sum(tokens_held), 0) AS BIGINT),"                                              \
    " CAST(COALESCE(sum(cost_micros_held), 0) AS BIGINT),"                                         \
    " CAST(COALESCE(sum(agents_held), 0) AS BIGINT),"                                              \
    " CAST(COALESCE(sum(wall_ms_held), 0) AS BIGINT)"                                              \
    " FROM runs WHERE charged = 1 AND ended_ms IS NULL"

struct amounts budget__reserved(struct tx *tx, const struct budget_row *row) {
    const bool global = row->path.len == 0;
    struct amounts reserved = amounts_none();
    const struct arg args[] = {arg_text(row->owner), arg_text(row->path),
                               arg_text(budget__path_end(tx, row->path))};
    tx_numbers(tx,
               global ? HELD_SUMS : HELD_SUMS " AND owner = $1 AND budget >= $2 AND budget < $3",
               args, global ? 0 : COUNT_OF(args), reserved.of, AMOUNT_COUNT);
    return reserved;
}

void budget__write_run(struct tx *tx, const struct run_row *row) {
    tx_row_update(tx, &run_resource, RUN_BUDGET, row);
}

/* --- The nodes above a run -------------------------------------------------------------------- */

bool budget__limited(const struct budget_row *row) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (row->limits.of[i] < AMOUNT_MAX) {
            return true;
        }
    }
    return false;
}

/* The places that the path does not fill are the whole path again. */
void budget__load(struct tx *tx, const struct run_row *row, struct budget__places *ret_places) {
    static const char global[] = "SELECT * FROM budgets WHERE owner = '' AND path = ''";
    static const char above[] = "SELECT * FROM budgets WHERE owner IN ('', $1)"
                                " AND path IN ('', $2, $3, $4, $5, $6, $7, $8) ORDER BY path";
    static_assert(BUDGET_PATH_PARTS == 7, "as many as the statement has");
    struct bytes path = row->budget;
    struct arg args[1 + BUDGET_PATH_PARTS] = {arg_text(row->owner)};
    size_t parts = 1;
    for (size_t i = 0; i < path.len && parts < COUNT_OF(args); i++) {
        if (path.data[i] == '/') {
            args[parts++] = arg_text((struct bytes){path.data, i + 1});
        }
    }
    while (parts < COUNT_OF(args)) {
        args[parts++] = arg_text(path);
    }
    const bool none = path.len == 0;
    ret_places->count = budget__rows(tx, none ? global : above, args, none ? 0 : COUNT_OF(args),
                                     BUDGET_NODES_MAX, ret_places->rows);
    for (size_t n = 0; n < ret_places->count; n++) {
        const struct budget_row *found = &ret_places->rows[n];
        ret_places->nodes[n] = (struct budget_node){
            .limits = found->limits, .spent = found->spent, .day_end_ms = found->day_end_ms};
    }
}

void budget__load_now(struct tx *tx, const struct run_row *row, struct budget__places *ret_places) {
    budget__load(tx, row, ret_places);
    for (size_t n = 0; n < ret_places->count; n++) {
        budget__write_day(tx, &ret_places->rows[n]);
    }
}

/* --- Asking ----------------------------------------------------------------------------------- */

static struct budget_mean mean_find(struct tx *tx, int64_t budget, struct bytes what) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT count, output_tokens, tokens, cost_micros, agents, wall_ms"
                               " FROM budget_means WHERE budget = $1 AND what = $2",
                               ARGS(arg_int(budget), arg_text(what)));
    return rows == NULL
               ? (struct budget_mean){.count = 0}
               : (struct budget_mean){.count = rows_int(rows, 0), .mean = amounts_read(rows, 1)};
}

/* Adds what live ancestors hold to the nodes that they stand under, from the parent up; a chain is
 * walked for a thousand runs. */
static void ancestors_add(struct tx *tx, const struct run_row *row, struct budget__places *places) {
    static const char sql[] =
        "WITH RECURSIVE above (id, parent, depth) AS ("
        "SELECT id, parent, 1 FROM runs WHERE id = $1"
        " UNION ALL SELECT r.id, r.parent, a.depth + 1 FROM runs r JOIN above a ON r.id = a.parent"
        " WHERE a.parent <> 0 AND a.depth < 1000)"
        " SELECT r.budget, " HELD " FROM above a JOIN runs r ON r.id = a.id"
        " WHERE r.charged = 1 AND r.ended_ms IS NULL";
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql, ARGS(arg_int(row->parent)));
    while (rows_step(rows)) {
        const struct amounts held = amounts_read(rows, 1);
        for (size_t n = 0; n < places->count; n++) {
            if (bytes_begin(rows_text(rows, 0), places->rows[n].path)) {
                amounts_add(&places->nodes[n].above, &held);
            }
        }
    }
}

/* First in, first out: what is free belongs to the runs that stand in the lane of that limit. */
static void lanes_ask(struct tx *tx, const struct run_row *row, int64_t past,
                      struct budget__judgement *judgement) {
    static const char before[] =
        "SELECT 1 FROM runs WHERE lane = $1 AND lane <> 0 AND ended_ms IS NULL"
        " AND (priority > $2 OR (priority = $2 AND id < $3)) AND id <> $4 LIMIT 1";
    const struct budget__places *places = &judgement->places;
    for (size_t n = 0; n < places->count; n++) {
        for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
            int64_t lane = budget__lane(places->rows[n].id, (enum amount)i);
            if (judgement->want.of[i] > 0 && places->nodes[n].limits.of[i] < AMOUNT_MAX &&
                tx_number(tx, before,
                          ARGS(arg_int(lane), arg_int(row->priority), arg_int(row->id),
                               arg_int(past))) != 0) {
                judgement->verdict = BUDGET_WAITS;
                judgement->hit = (struct budget_hit){.node = n, .amount = (enum amount)i};
                return;
            }
        }
    }
}

static void judge(struct budget__judgement *judgement) {
    judgement->verdict = budget_judge(judgement->places.nodes, judgement->places.count,
                                      &judgement->want, &judgement->grant, &judgement->hit);
}

void budget__judge(struct tx *tx, const struct run_row *row, const struct budget_ask *ask,
                   struct budget__judgement *ret_judgement) {
    assert(ask->what.len <= BUDGET_WHAT_MAX);
    struct budget__places *places = &ret_judgement->places;
    ret_judgement->verdict = BUDGET_ADMITTED;
    ret_judgement->grant = amounts_none();
    budget__load_now(tx, row, places);
    if (places->count == 0) {
        return;
    }
    /* The mean of the deepest node that has seen such attempts. */
    struct budget_mean mean = {.count = 0};
    for (size_t i = places->count; i > 0 && mean.count == 0; i--) {
        mean = mean_find(tx, places->rows[i - 1].id, ask->what);
    }
    ret_judgement->want = budget_want(&mean, &ask->first);
    const struct amounts *want = &ret_judgement->want;
    for (size_t n = 0; n < places->count; n++) {
        bool wanted = false;
        for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
            wanted = wanted || (want->of[i] > 0 && places->nodes[n].limits.of[i] < AMOUNT_MAX);
        }
        if (wanted) {
            places->nodes[n].reserved = budget__reserved(tx, &places->rows[n]);
        }
    }
    judge(ret_judgement);
    if (ret_judgement->verdict == BUDGET_WAITS && row->parent != 0) {
        ancestors_add(tx, row, places);
        judge(ret_judgement);
    }
    if (ret_judgement->verdict == BUDGET_ADMITTED) {
        lanes_ask(tx, row, ask->past, ret_judgement);
    }
    /* An amount without a limit needs no reserve. */
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        bool limited = false;
        for (size_t n = 0; n < places->count; n++) {
            limited = limited || places->nodes[n].limits.of[i] < AMOUNT_MAX;
        }
        ret_judgement->grant.of[i] = limited ? ret_judgement->grant.of[i] : 0;
    }
}

struct bytes budget__why(struct tx *tx, const struct budget__judgement *judgement) {
    enum { WHY_MAX = 400 };
    const struct budget_hit *hit = &judgement->hit;
    const struct budget_row *row = &judgement->places.rows[hit->node];
    const struct budget_node *node = &judgement->places.nodes[hit->node];
    const char *title = amount_title(hit->amount), *scope = row->scope.data;
    int len = (int)row->scope.len;
    const struct amount_shown limit = amount_show(hit->amount, node->limits.of[hit->amount]),
                              spent = amount_show(hit->amount, node->spent.of[hit->amount]),
                              above = amount_show(hit->amount, node->above.of[hit->amount]),
                              reserved = amount_show(hit->amount, node->reserved.of[hit->amount]);
    AUTO(text_done) struct text text = text_up_to(WHY_MAX);
    if (judgement->verdict == BUDGET_SPENT && hit->above) {
        text_addf(&text,
                  "The budget %.*s has nothing left for it (%s: %s of %s spent, %s reserved by the"
                  " runs above it)",
                  len, scope, title, spent.text, limit.text, above.text);
    } else if (judgement->verdict == BUDGET_SPENT) {
        text_addf(&text, "The budget %.*s is used up (%s: %s of %s spent)", len, scope, title,
                  spent.text, limit.text);
    } else if (hit->today) {
        text_addf(
            &text,
            "It waits for midnight: the budget %.*s is used up for today (%s: %s of %s spent)", len,
            scope, title, spent.text, limit.text);
    } else {
        text_addf(&text,
                  "It waits for the budget %.*s (%s: %s of %s spent, %s reserved by other runs)",
                  len, scope, title, spent.text, limit.text, reserved.text);
    }
    return tx_copy_text(tx, &text, "budget: why");
}

/* --- Charging --------------------------------------------------------------------------------- */

static void mean_learn(struct tx *tx, int64_t budget, const struct budget_spend *spend) {
    struct budget_mean mean = mean_find(tx, budget, spend->what);
    budget_learn(&mean, &spend->spent);
    tx_do(tx,
          "INSERT INTO budget_means (budget, what, count, output_tokens, tokens, cost_micros,"
          " agents, wall_ms) SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE CAST($3 AS BIGINT) > 1"
          " OR (SELECT count(*) FROM budget_means WHERE budget = $1) < $9"
          " ON CONFLICT (budget, what) DO UPDATE SET count = EXCLUDED.count,"
          " output_tokens = EXCLUDED.output_tokens, tokens = EXCLUDED.tokens,"
          " cost_micros = EXCLUDED.cost_micros, agents = EXCLUDED.agents,"
          " wall_ms = EXCLUDED.wall_ms",
          ARGS(arg_int(budget), arg_text(spend->what), arg_int(mean.count),
               arg_int(mean.mean.of[AMOUNT_OUTPUT_TOKENS]), arg_int(mean.mean.of[AMOUNT_TOKENS]),
               arg_int(mean.mean.of[AMOUNT_COST]), arg_int(mean.mean.of[AMOUNT_AGENTS]),
               arg_int(mean.mean.of[AMOUNT_WALL]), arg_int(BUDGET_MEANS_MAX)));
}

void budget__charge(struct tx *tx, const struct budget__places *places,
                    const struct budget_spend *spend) {
    bool any = amounts_any(&spend->spent);
    for (size_t n = 0; n < places->count; n++) {
        struct budget_row row = places->rows[n]; /* Within the transaction nobody else writes it. */
        if (any) {
            amounts_add(&row.spent, &spend->spent);
            tx_row_update(tx, &budget_resource, BUDGET_SET_SPENT, &row);
        }
        if (spend->learn && budget__limited(&row)) {
            mean_learn(tx, row.id, spend);
        }
    }
}
