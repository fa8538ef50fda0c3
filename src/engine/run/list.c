/* list.c: runs as clients see them (rules/run/fields.c), lists of them by any filters together, and
 * reads of all that have not ended: recovery, the census.
 *
 * One filter, the one that is expected to leave the fewest rows, has an index in the order of the
 * list and leads; the others are compared with each row that it leaves. Where its rows stand in two
 * indexes, the statement merges both. Where others are given, the
 * rows that one transaction looks at are bounded: a statement on the index alone finds the id at
 * which the slice ends, the second reads what fits between, and the caller goes on below that id in
 * another transaction. So whatever the filters are, no list holds a reader for long.
 */
#include <string.h>

#include "base/fields/fields.h"
#include "base/memory.h"
#include "engine/base/search_sql.h"
#include "engine/run/rows.h"
#include "engine/trace/spans.h"

enum { PROGRESS_MAX = 512 };

void run_write_wait(const struct run_row *row, struct text *text) {
    fields_add_one(&run_fields, "state", row, text);
    fields_add_one(&run_fields, "gate", row, text);
    fields_add_one(&run_fields, "waits_for", row, text);
    fields_add_one(&run_fields, "resume_at_ms", row, text);
}

void run_write_json(const struct run_row *row, enum run_form form, struct text *text) {
    fields_write(&run_fields, form == RUN_WHOLE ? FIELD_LISTED | FIELD_WHOLE : FIELD_LISTED, row,
                 text);
}

void run_write_shown(const struct tx *tx, const struct run_row *row,
                     const struct run_bounds *bounds, struct text *text) {
    struct run_row shown = *row;
    run_shown(&shown, tx_epoch(tx), run_bounds_hold(bounds));
    shown.away = run_is_away(&shown, bounds);
    run_write_json(&shown, RUN_LIGHT, text);
}

/* --- Progress --------------------------------------------------------------------------------- */

static void progress_write(struct tx *tx, int64_t workflow, struct text *text) {
    static const char *const names[] = {"done", "total", "cached", "waiting", "failed", "last_ms"};
    int64_t numbers[COUNT_OF(names)];
    tx_numbers(tx,
               "SELECT count(ended_ms), count(*), COALESCE(sum(cached), 0),"
               " count(CASE WHEN state IN ('queued', 'waiting') THEN 1 END),"
               " count(CASE WHEN state IN ('failed', 'timed_out', 'lost') THEN 1 END),"
               " COALESCE(max(COALESCE(ended_ms, started_ms, made_ms)), 0)"
               " FROM runs WHERE parent = $1 AND step_key <> ''",
               ARGS(arg_int(workflow)), numbers, COUNT_OF(names));
    text_add_char(text, '{');
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        text_add_member_int(text, names[i], numbers[i]);
    }
    text_add_char(text, '}');
}

void runs__progress_view(struct tx *tx, struct run_row *io_row) {
    AUTO(text_done) struct text text = text_up_to(PROGRESS_MAX);
    if (io_row->ended_ms == 0) {
        progress_write(tx, io_row->id, &text);
        io_row->progress = tx_copy(tx, text_bytes(&text));
    }
}

struct err tx_run_progress(struct tx *tx, int64_t workflow, struct text *text, size_t *ret_told) {
    const struct bytes run =
        tx_text(tx, "SELECT run FROM runs WHERE id = $1", ARGS(arg_int(workflow)));
    if (run.len == 0) {
        return tx_error(tx);
    }
    text_add_char(text, '{');
    text_add_member(text, "id", run);
    text_add_name(text, "progress");
    progress_write(tx, workflow, text);
    *ret_told = text->len;
    text_add_member_int(text, "at_ms", tx_now_ms(tx));
    text_add_char(text, '}');
    return tx_error(tx);
}

/* --- Filters ---------------------------------------------------------------------------------- */

/* Arguments of the statements below, in the order of their numbers: FILTER_KEY is $4. A filter that
 * is empty or 0 compares nothing. */
enum {
    FILTER_OWNER,
    FILTER_BELOW, /* Ids below. */
    FILTER_LIMIT, /* Rows at most. */
    FILTER_KEY,   /* Value of the filter that leads. */
    FILTER_FROM,  /* Lowest id. */
    FILTER_KIND,
    FILTER_STATES,
    FILTER_HELD_EPOCH, /* Epoch of a daemon that holds, else 0. */
    FILTER_LIVE,
    FILTER_PROJECT,
    FILTER_SESSION,
    FILTER_PARENT, /* PARENT_NONE: runs without one. */
    FILTER_ROOT,
    FILTER_SINCE,
    FILTER_PATTERN,
    FILTER_AGENT,
    FILTERS
};
/* Value of $12. A list that is led by a parent, too, finds nothing then. SQLite sorts the merge of
 * two indexes if there is one comparison more, so this one has no argument of its own. */
enum { PARENT_NONE = -1 };
enum { FILTERS_BOUNDS = FILTER_KEY + 1 }; /* Number of those that the bounds of a slice need. */

/* State of a row as run_shown has it. */
#define STATE_SHOWN                                                                                \
    "CASE WHEN state = 'running' AND epoch <> $8 AND $8 <> 0 THEN 'waiting' ELSE state END"

/* Comparisons with each row. `||` keeps both databases from the index by owner. Each argument is
 * met first where its type can be seen. The agent and the time are one comparison, for the reason
 * that PARENT_NONE has. */
#define COMPARED                                                                                   \
    " AND id >= $5 AND owner || '' = $1 AND (kind = $6 OR $6 = '')"                                \
    " AND ($7 = '' OR $7 LIKE '%,' || (" STATE_SHOWN ") || ',%')"                                  \
    " AND ($9 = 0 OR ended_ms IS NULL) AND (project = $10 OR $10 = '')"                            \
    " AND (session = $11 OR $11 = '') AND ($12 = 0 OR parent = $12 OR ($12 = -1 AND parent = 0))"  \
    " AND (root = $13 OR $13 = 0)"                                                                 \
    " AND CASE WHEN agent = $16 OR $16 = '' THEN made_ms ELSE -1 END >= $14"                       \
    " AND ($15 = '' OR " SEARCH_LOWER("label") " LIKE $15 ESCAPE '!' OR " SEARCH_LOWER(            \
        "command") " LIKE $15 ESCAPE '!'"                                                          \
                   " OR run LIKE $15 ESCAPE '!')"

struct lead {
    const char *bounds; /* Takes FILTERS_BOUNDS arguments: lowest id and number of the rows. */
    const char *rows;   /* Takes all. */
    const char *count;  /* The same without a limit: $3 counts for nothing. */
};

#define LEAD_IDS(where) "SELECT id FROM runs WHERE " where " AND id < $2"
#define LEAD_ROWS(where) "SELECT * FROM runs WHERE " where " AND id < $2" COMPARED
#define LEAD_COUNT(where)                                                                          \
    "SELECT count(*) FROM runs WHERE " where " AND id < $2 AND $3 > 0" COMPARED
#define LEAD_BY(ids, rows_, count_)                                                                \
    {                                                                                              \
        .bounds = "SELECT COALESCE(min(id), 0), count(*) FROM (" ids                               \
                  " ORDER BY id DESC LIMIT $3) slice",                                             \
        .rows = rows_ " ORDER BY id DESC LIMIT $3", .count = (count_)                              \
    }
#define LEAD(where) LEAD_BY(LEAD_IDS(where), LEAD_ROWS(where), LEAD_COUNT(where))
/* No row fits both. */
#define LEAD_TWO(one, other)                                                                       \
    LEAD_BY(LEAD_IDS(one) " UNION ALL " LEAD_IDS(other),                                           \
            LEAD_ROWS(one) " UNION ALL " LEAD_ROWS(other),                                         \
            "SELECT (" LEAD_COUNT(one) ") + (" LEAD_COUNT(other) ")")

enum {
    BY_OWNER,
    BY_KIND,
    BY_AGENTS,
    BY_END,
    BY_LIFE,
    BY_PROJECT,
    BY_SESSION,
    BY_AGENT,
    BY_PARENT,
    BY_ROOT,
    BY_TOP,
    LEADS
};

#define NO_AGENTS "owner = $1 AND $4 = '' AND kind <> 'agent'"
static const struct lead leads[LEADS] = {
    [BY_OWNER] = LEAD_TWO(NO_AGENTS, "owner = $1 AND $4 = '' AND kind = 'agent'"),
    [BY_TOP] = LEAD(NO_AGENTS),
    [BY_KIND] = LEAD("owner = $1 AND kind = $4 AND kind <> 'agent'"),
    [BY_AGENTS] = LEAD("owner = $1 AND $4 <> '' AND kind = 'agent'"),
    [BY_END] = LEAD("owner = $1 AND state = $4 AND ended_ms IS NOT NULL AND state <> 'succeeded'"),
    [BY_LIFE] = LEAD("$1 <> '' AND $4 = '' AND ended_ms IS NULL"),
    [BY_PROJECT] = LEAD("owner = $1 AND project = $4 AND project <> ''"),
    [BY_SESSION] = LEAD("owner = $1 AND session = $4 AND session <> ''"),
    [BY_AGENT] = LEAD("owner = $1 AND agent = $4 AND agent <> ''"),
    [BY_PARENT] = LEAD_TWO("$1 <> '' AND parent = $4 AND parent <> 0 AND step_key = ''",
                           "$1 <> '' AND parent = $4 AND step_key <> ''"),
    [BY_ROOT] = LEAD_TWO("$1 <> '' AND root = $4 AND root <> 0"
                         " AND (step_key = '' OR root <> parent)",
                         "$1 <> '' AND parent = $4 AND step_key <> ''"),
};

enum { STATES_MAX = RUN_STATE_COUNT * 12 + 2, PATTERN_MAX = SEARCH_PATTERN_SIZE(RUN_SEARCH_MAX) };

struct list {
    struct tx *tx;
    const struct run_page *page; /* Borrowed. */
    const struct lead *lead;
    struct arg args[FILTERS]; /* FILTER_BELOW, _LIMIT and _FROM change from part to part. */
    bool compares;            /* Whether filters are given beside the one that leads. */
    int64_t parent, root;
    int64_t oldest; /* Lowest id that a run which fits may have. */
    char states[STATES_MAX], pattern[PATTERN_MAX];
};

/* --- What leads ------------------------------------------------------------------------------- */

static unsigned filters_given(const struct run_page *page) {
    return (page->by_kind ? 1U : 0) + (page->states != 0 ? 1U : 0) + (page->live ? 1U : 0) +
           (page->project.len > 0 ? 1U : 0) + (page->session.len > 0 ? 1U : 0) +
           (page->parent.len > 0 ? 1U : 0) + (page->root.len > 0 ? 1U : 0) + (page->top ? 1U : 0) +
           (page->agent.len > 0 ? 1U : 0) + (page->since_ms > 0 ? 1U : 0) +
           (page->q.len > 0 ? 1U : 0);
}

/* Most runs succeed, so that this state leads nowhere. Agents are inside workflows, and all else is
 * compared, to find the runs at the top. */
static void lead_choose(struct list *list) {
    const struct run_page *page = list->page;
    enum run_state end = RUN_STATE_COUNT; /* The only state that is asked for, if it ends runs. */
    bool lives = page->live || page->states != 0;
    for (unsigned i = 0; i < RUN_STATE_COUNT; i++) {
        if ((page->states & 1U << i) != 0 && run_state_final((enum run_state)i)) {
            lives = page->live;
            end = page->states == 1U << i ? (enum run_state)i : RUN_STATE_COUNT;
        }
    }
    const bool ends = end != RUN_STATE_COUNT && end != RUN_SUCCEEDED;
    const struct {
        bool leads; /* The first that does. */
        unsigned by;
        struct arg key;
    } ways[] = {
        {list->parent != 0, BY_PARENT, arg_int(list->parent)},
        {list->root != 0, BY_ROOT, arg_int(list->root)},
        {page->session.len > 0, BY_SESSION, arg_text(page->session)},
        {lives, BY_LIFE, arg_str("")},
        {page->agent.len > 0, BY_AGENT, arg_text(page->agent)},
        {ends, BY_END, arg_str(ends ? run_state_name(end) : "")},
        {page->project.len > 0, BY_PROJECT, arg_text(page->project)},
        {page->by_kind, page->kind == KIND_AGENT ? BY_AGENTS : BY_KIND,
         arg_str(run_kind_name(page->kind))},
        {page->top, BY_TOP, arg_str("")},
        {true, BY_OWNER, arg_str("")},
    };
    size_t way = 0;
    while (!ways[way].leads) {
        way++;
    }
    const unsigned by = ways[way].by;
    list->args[FILTER_KEY] = ways[way].key;
    list->lead = &leads[by];
    /* Steps are sorted: only their ids, and then the rows of one part. */
    bool sorts = by == BY_PARENT || by == BY_ROOT;
    list->compares =
        by == BY_LIFE || by == BY_TOP || sorts || filters_given(page) > (by == BY_OWNER ? 0U : 1U);
}

/* --- Arguments -------------------------------------------------------------------------------- */

/* ",running,queued,": each name between commas. */
static struct bytes states_write(struct list *list) {
    size_t len = 0;
    for (unsigned i = 0; i < RUN_STATE_COUNT; i++) {
        if ((list->page->states & 1U << i) != 0) {
            const char *name = run_state_name((enum run_state)i);
            size_t size = strlen(name);
            assert(len + size + 2 <= sizeof list->states);
            list->states[len++] = ',';
            memcpy(list->states + len, name, size);
            len += size;
        }
    }
    if (len > 0) {
        list->states[len++] = ',';
    }
    return (struct bytes){list->states, len};
}

/* A root that is not the top of a tree has the id -1, below which no run is. */
static struct err id_find(struct list *list, struct bytes run, bool is_root, int64_t *ret_id) {
    const struct run_key key = {.owner = list->page->owner, .run = run};
    bool found = run.len == 0;
    struct run_row row = {.id = 0};
    struct err err = found ? ERR_OK : tx_run_find_shown(list->tx, &key, &found, &row);
    *ret_id = is_root && row.root != 0 ? -1 : row.id;
    return !err_failed(err) && !found ? err_make(ERR_NOT_FOUND, "runs: parent or root of a list")
                                      : err;
}

/* Id below which no run is from `since_ms` or later. Ids follow the order of submits, and `made_ms`
 * a clock that may be set back; where it never went back by more than RUN_CLOCK_BACK_MS, every run
 * before one that is that much older than `since_ms` is older, too, so ids can be halved. */
static int64_t oldest_find(struct tx *tx, int64_t since_ms) {
#define MADE_AT_HALF                                                                               \
    "(SELECT made_ms FROM runs WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1) < $1"
    static const char sql[] =
        "WITH RECURSIVE half(low, high) AS (SELECT (SELECT COALESCE(min(id), 0) FROM runs),"
        " (SELECT COALESCE(max(id), 0) + 1 FROM runs) UNION ALL"
        " SELECT CASE WHEN " MADE_AT_HALF " THEN (low + high) / 2 + 1 ELSE low END,"
        " CASE WHEN " MADE_AT_HALF " THEN high ELSE (low + high) / 2 END FROM half"
        " WHERE low < high) SELECT max(low) FROM half";
    return tx_number(tx, sql, ARGS(arg_int(since_ms - RUN_CLOCK_BACK_MS)));
#undef MADE_AT_HALF
}

static struct err list_init(struct list *list, struct tx *tx, const struct run_page *page) {
    assert(page->q.len <= RUN_SEARCH_MAX);
    list->tx = tx;
    list->page = page;
    struct err err = id_find(list, page->parent, false /* is_root */, &list->parent);
    if (!err_failed(err)) {
        err = id_find(list, page->root, true /* is_root */, &list->root);
    }
    if (err_failed(err)) {
        return err;
    }
    list->oldest = page->since_ms > 0 ? oldest_find(tx, page->since_ms) : 0;
    list->args[FILTER_OWNER] = arg_text(page->owner);
    list->args[FILTER_BELOW] = arg_int(page->before > 0 ? page->before : INT64_MAX);
    list->args[FILTER_LIMIT] = arg_int(page->limit);
    list->args[FILTER_FROM] = arg_int(0);
    list->args[FILTER_KIND] = arg_str(page->by_kind ? run_kind_name(page->kind) : "");
    list->args[FILTER_STATES] = arg_text(states_write(list));
    list->args[FILTER_HELD_EPOCH] = arg_int(page->hold == RUN_HELD ? tx_epoch(tx) : 0);
    list->args[FILTER_LIVE] = arg_int(page->live ? 1 : 0);
    list->args[FILTER_PROJECT] = arg_text(page->project);
    list->args[FILTER_SESSION] = arg_text(page->session);
    list->args[FILTER_PARENT] = arg_int(page->top ? PARENT_NONE : list->parent);
    list->args[FILTER_ROOT] = arg_int(list->root);
    list->args[FILTER_SINCE] = arg_int(page->since_ms);
    list->args[FILTER_AGENT] = arg_text(page->agent);
    list->args[FILTER_PATTERN] = arg_text(search_pattern(page->q, list->pattern));
    lead_choose(list);
    return tx_error(tx);
}

/* --- A part of a slice ------------------------------------------------------------------------ */

struct slice {
    int64_t from;  /* Lowest id that is looked at. */
    int64_t count; /* Number of rows on the index from there. */
    bool last;     /* Whether nothing is left below. */
};

/* The next slice begins below this one. */
static struct slice slice_find(struct list *list, int64_t limit) {
    int64_t bounds[2]; /* After an error 0: the last one. */
    list->args[FILTER_LIMIT] = arg_int(limit);
    tx_numbers(list->tx, list->lead->bounds, list->args, FILTERS_BOUNDS, bounds, COUNT_OF(bounds));
    list->args[FILTER_FROM] = arg_int(bounds[0]);
    return (struct slice){.from = bounds[0],
                          .count = bounds[1],
                          .last = bounds[1] < limit || bounds[0] <= list->oldest};
}

/* --- All of them ------------------------------------------------------------------------------ */

/* A part of a slice: few enough rows that a file whose pages are not in memory answers in time. */
enum { PART_ROWS = 50 };

/* Whether the transaction may go on with the next part. */
static bool slice_more(struct list *list, const struct slice *part, int64_t looked) {
    list->args[FILTER_BELOW] = arg_int(part->from);
    return !part->last && looked < RUN_SLICE_ROWS && !tx_slice_over(list->tx);
}

/* With no filter beside the one that leads, an index finds each row: all of them are one part. */
struct err tx_run_each(struct tx *tx, const struct run_page *page,
                       struct err (*each)(void *ctx, const struct run_row *row), void *ctx,
                       int64_t *ret_next) {
    struct list list = {.parent = 0};
    struct slice part = {.last = true};
    int64_t left = page->limit, looked = 0;
    struct err err = list_init(&list, tx, page);
    bool more = !err_failed(err);
    while (more) {
        part = list.compares ? slice_find(&list, PART_ROWS) : part;
        looked += part.count;
        list.args[FILTER_LIMIT] = arg_int(left);
        AUTO(rows_release)
        struct rows *rows =
            tx_rows(tx, runs__sql(tx, RUN_LIGHT, list.lead->rows), list.args, FILTERS);
        for (; !err_failed(err) && rows_step(rows); left--) {
            struct run_row row;
            runs__borrow_shown(rows, RUN_LIGHT, &row);
            err = each(ctx, &row);
        }
        err = err_failed(err) ? err : tx_error(tx);
        more = !err_failed(err) && left > 0 && slice_more(&list, &part, looked);
    }
    if (!err_failed(err)) {
        *ret_next = part.last || left == 0 ? 0 : part.from;
    }
    return err;
}

struct err tx_run_count(struct tx *tx, const struct run_page *page, int64_t *io_count,
                        int64_t *ret_next) {
    struct list list = {.parent = 0};
    struct slice part = {.last = true};
    int64_t counted = 0, looked = 0;
    struct err err = list_init(&list, tx, page);
    bool more = !err_failed(err);
    while (more) {
        part = slice_find(&list, list.compares ? PART_ROWS : page->limit);
        looked += part.count;
        counted += list.compares ? tx_number(tx, list.lead->count, list.args, FILTERS) : part.count;
        err = tx_error(tx);
        more = !err_failed(err) && slice_more(&list, &part, looked);
    }
    if (!err_failed(err)) {
        *io_count += counted;
        *ret_next = part.last ? 0 : part.from;
    }
    return err;
}

/* --- All runs that have not ended ------------------------------------------------------------- */

/* A page ends by its bytes, too, and then the walk with it; this is not an error of the store. */
struct err tx_run_recover(struct tx *tx, int64_t after, int64_t limit,
                          struct run_recovered *ret_recovered) {
    struct run_recovered recovered = {.last = 0};
    int64_t count = 0, *damaged = tx_memory(tx, (size_t)limit * sizeof *damaged);
    size_t bytes = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                runs__sql(tx, RUN_WHOLE,
                                          "SELECT * FROM runs WHERE id > $1"
                                          " AND ended_ms IS NULL ORDER BY id LIMIT $2"),
                                ARGS(arg_int(after), arg_int(limit)));
    bool more = true;
    while (bytes <= RUN_BYTES_TURN && (more = rows_step(rows))) {
        struct run_row row;
        count++;
        recovered.last = rows_int(rows, RUN_COLUMN_ID);
        if (!err_failed(runs__borrow(rows, RUN_WHOLE, &row))) {
            bytes += row.spec.len;
            tx_fail(tx, runs__tell(tx, &row));
            continue;
        }
        struct bytes run = rows_text(rows, RUN_COLUMN_RUN);
        damaged[recovered.unreadable] = recovered.last;
        if (recovered.unreadable++ == 0 && run.len < ID_SIZE) {
            recovered.first = id_copy(run);
        }
    }
    rows_release(&rows);
    for (int64_t i = 0; i < recovered.unreadable; i++) {
        tx_fail(tx, runs__end_damaged(tx, damaged[i]));
    }
    if (!more && count < limit) {
        recovered.last = 0;
    }
    *ret_recovered = recovered;
    return tx_error(tx);
}

/* Queued runs may be many, so the index alone counts them. The oldest has the lowest id. */
struct err tx_run_census(struct tx *tx, struct run_census *ret_census) {
    struct run_census census = {.oldest_queued_ms = 0};
    int64_t queued[2], budgets[2];
    tx_numbers(tx,
               "SELECT count(*), COALESCE(min(id), 0) FROM runs"
               " WHERE ended_ms IS NULL AND gate <> ''",
               NO_ARGS, queued, COUNT_OF(queued));
    census.states[RUN_QUEUED] = queued[0];
    census.oldest_queued_ms =
        tx_number(tx, "SELECT made_ms FROM runs WHERE id = $1", ARGS(arg_int(queued[1])));
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT state, count(*) FROM runs WHERE ended_ms IS NULL"
                                " AND gate = '' GROUP BY state",
                                NO_ARGS);
    while (rows_step(rows)) {
        enum run_state state;
        if (run_state_find(rows_text(rows, 0), &state)) { /* Else those rows are damaged. */
            census.states[state] = rows_int(rows, 1);
        }
    }
    rows_release(&rows);
    census.kept_bytes = tx_span_disk(tx);
    tx_numbers(tx,
               "SELECT (SELECT count(*) FROM budgets),"
               " (SELECT count(*) FROM runs WHERE lane <> 0 AND ended_ms IS NULL)",
               NO_ARGS, budgets, COUNT_OF(budgets));
    census.budgets = budgets[0];
    census.waiting_for_budget = budgets[1];
    *ret_census = census;
    return tx_error(tx);
}
