/* usage_walk.c: see usage_walk.h.
 *
 *              usage_walk_accept              tx_usage_slice, which adds the rows
 *   READING ─────────────────────▶ READ ───────────────────────────────────┬─────▶ ENDED
 *      ▲                                  rows are left, and are read      │  none is left
 *      └───────────────────────────────────────────────────────────────────┘
 *
 * A store function may run twice. So its rows go to a buffer first, which a second run fills anew;
 * they are added by the run after that, when it is known that the first one has counted.
 *
 * Rows are read in one of two orders, each that of an index: from the newest day, or by session;
 * those of one session or one run in the order of their ids. By
 * session a group is complete when the next one begins; so of more than USAGE_KEYS_MAX groups those
 * with the fewest calls are dropped, and the result is exact. By day a group is complete at the end
 * only, and the keys that come after so many have no item.
 */
#include "engine/trace/usage_walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
    PART_ROWS = 64, /* Rows of one statement; a part has two at most. */
    PARTS = USAGE_SLICE_ROWS / (2 * PART_ROWS),
    SLICE_BYTES = 8 << 20,
    HOURS = 24,
};

/* Columns of both statements. */
enum {
    ROW_ID,
    ROW_DAY,
    ROW_HOUR,
    ROW_SESSION,
    ROW_MODEL,
    ROW_CATEGORY,
    ROW_PROJECT,
    ROW_AGENT,
    ROW_WORKFLOW,
    ROW_PHASE,
    ROW_TOOL,
    ROW_MS,
    ROW_ERRORS,
    ROW_PARTS,
    ROW_CALLS = ROW_PARTS + USAGE_PART_COUNT
};
#define COLUMNS                                                                                    \
    "SELECT id, day, hour, session, model, category, project, agent, workflow, phase, tool, ms,"   \
    " errors, tools_tokens, instructions_tokens, history_tokens, calls, fresh, cache_read, "       \
    "cache_write, output, reasoning, cost_micros,"                                                 \
    " cost_unknown FROM usage_totals WHERE owner = $1"

static const char by_day_sql[] =
    COLUMNS " AND (day, id) < ($2, $3) ORDER BY day DESC, id DESC LIMIT $4";
static const char of_session_sql[] = COLUMNS " AND session = $2 AND id > $3 ORDER BY id LIMIT $4";
static const char of_run_sql[] =
    COLUMNS " AND run = $2 AND run <> 0 AND id > $3 ORDER BY id LIMIT $4";
static const char sessions_sql[] = COLUMNS " AND session > $2 ORDER BY session, id LIMIT $3";

enum walk_order { FROM_NEWEST_DAY, BY_SESSION, OF_ONE_SESSION, OF_ONE_RUN };
enum walk_state { WALK_READING, WALK_READ, WALK_ENDED };

/* Position after a row: what the order compares. Texts are NULL before the first row. */
struct position {
    int64_t day, id;
    struct bytes session;
};

struct group {
    char *texts[USAGE_KEYS]; /* Owned: of its keys. */
    struct usage_total total;
};

static void group_free(struct group *group) {
    for (size_t i = 0; i < USAGE_KEYS; i++) {
        mem_free(group->texts[i]);
    }
    mem_free(group);
}

struct usage_walk {
    struct usage_ask ask; /* Texts are borrowed from the caller. */
    enum walk_order order;
    enum walk_state state;
    unsigned slices; /* Whose rows were added. */
    /* Slice: its rows, and the position after the last of them; texts in `arena`. */
    struct usage_total rows[USAGE_SLICE_ROWS];
    size_t count;
    struct position after;
    bool last; /* Whether no row follows the slice. */
    struct arena arena;
    /* Position after all rows that were added; its texts in `kept`, the arena of their slice. */
    struct position added;
    struct arena kept;
    struct session_usage sum;
    struct group **groups; /* Owned, by key until the walk has ended. */
    size_t group_count, group_size;
};

/* --- Groups ----------------------------------------------------------------------------------- */

static int one_key_compare(const struct usage_key *a, const struct usage_key *b) {
    if (a->time != b->time) {
        return a->time > b->time ? -1 : 1;
    }
    size_t len = a->text.len < b->text.len ? a->text.len : b->text.len;
    int order = len == 0 ? 0 : memcmp(a->text.data, b->text.data, len);
    return order != 0 ? order : (a->text.len > b->text.len) - (a->text.len < b->text.len);
}

/* In the order of keys. */
static int key_compare(const struct usage_total *a, const struct usage_total *b) {
    int order = one_key_compare(&a->keys[0], &b->keys[0]);
    return order != 0 ? order : one_key_compare(&a->keys[1], &b->keys[1]);
}

static int group_compare(const void *left, const void *right) {
    return key_compare(&(*(struct group *const *)left)->total,
                       &(*(struct group *const *)right)->total);
}

/* The newest day or hour first, else the most calls; keys tell those with the same number apart. */
static int shown_compare(const void *left, const void *right) {
    const struct usage_total *a = &(*(struct group *const *)left)->total;
    const struct usage_total *b = &(*(struct group *const *)right)->total;
    if (a->keys[0].time != b->keys[0].time || a->usage.calls == b->usage.calls) {
        return key_compare(a, b);
    }
    return a->usage.calls > b->usage.calls ? -1 : 1;
}

/* Keeps the groups that the answer shows, in its order. */
static void groups_cut(struct usage_walk *walk) {
    if (walk->group_count > 0) {
        qsort(walk->groups, walk->group_count, sizeof *walk->groups, shown_compare);
    }
    const bool alone = walk->ask.by_count == 1 || usage_asks_segments(&walk->ask);
    const size_t most = alone ? USAGE_ROWS_MAX : USAGE_PAIRS_MAX;
    while (walk->group_count > most) {
        group_free(walk->groups[--walk->group_count]);
    }
}

/* Number of groups before the key of the row. */
static size_t group_place(const struct usage_walk *walk, const struct usage_total *row) {
    size_t from = 0, to = walk->group_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        bool before = key_compare(&walk->groups[middle]->total, row) < 0;
        from = before ? middle + 1 : from;
        to = before ? to : middle;
    }
    return from;
}

static void row_add(struct usage_walk *walk, const struct usage_total *row) {
    size_t at = group_place(walk, row);
    session_usage_add(&walk->sum, &row->usage);
    if (at < walk->group_count && key_compare(&walk->groups[at]->total, row) == 0) {
        struct usage_total *total = &walk->groups[at]->total;
        session_usage_add(&total->usage, &row->usage);
        total->ms += row->ms;
        total->errors += row->errors;
        for (size_t i = 0; i < USAGE_PART_COUNT; i++) {
            total->parts[i] += row->parts[i];
        }
        return;
    }
    if (walk->group_count == USAGE_KEYS_MAX && walk->order == BY_SESSION) {
        groups_cut(walk);
        qsort(walk->groups, walk->group_count, sizeof *walk->groups, group_compare);
        at = group_place(walk, row);
    }
    if (walk->group_count == USAGE_KEYS_MAX) {
        return;
    }
    if (walk->group_count == walk->group_size) {
        walk->group_size = walk->group_size == 0 ? 16 : walk->group_size * 2;
        walk->groups = mem_grow(walk->groups, walk->group_size * sizeof(struct group *));
    }
    struct group *group = mem_new(sizeof *group), **place = &walk->groups[at];
    *group = (struct group){.total = *row};
    for (size_t i = 0; i < USAGE_KEYS; i++) {
        group->texts[i] = mem_copy(row->keys[i].text.data, row->keys[i].text.len);
        group->total.keys[i].text.data = group->texts[i];
    }
    memmove(place + 1, place, (walk->group_count++ - at) * sizeof(struct group *));
    *place = group;
}

/* --- Slices ----------------------------------------------------------------------------------- */

static struct bytes text_keep(struct tx *tx, struct usage_walk *walk, struct bytes from) {
    char *copy = arena_try_copy(&walk->arena, from.data, from.len);
    if (copy == NULL) {
        tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "usage: slice"));
        return BYTES("");
    }
    return (struct bytes){copy, from.len};
}

static struct usage_key key_keep(struct tx *tx, struct usage_walk *walk, const struct rows *rows,
                                 enum usage_sort sort) {
    static const int columns[USAGE_SORT_COUNT] = {
        [USAGE_BY_MODEL] = ROW_MODEL,       [USAGE_BY_AGENT] = ROW_AGENT,
        [USAGE_BY_SESSION] = ROW_SESSION,   [USAGE_BY_PROJECT] = ROW_PROJECT,
        [USAGE_BY_CATEGORY] = ROW_CATEGORY, [USAGE_BY_TOOL] = ROW_TOOL,
        [USAGE_BY_WORKFLOW] = ROW_WORKFLOW, [USAGE_BY_PHASE] = ROW_PHASE,
    };
    const int64_t day = rows_int(rows, ROW_DAY);
    if (sort == USAGE_BY_SEGMENT) {
        return (struct usage_key){.text = BYTES("")};
    }
    if (usage_sort_is_time(sort)) {
        return (struct usage_key){
            .text = BYTES(""),
            .time = sort == USAGE_BY_DAY ? day : day * HOURS + rows_int(rows, ROW_HOUR)};
    }
    return (struct usage_key){.text = text_keep(tx, walk, rows_text(rows, columns[sort]))};
}

static void row_keep(struct tx *tx, struct usage_walk *walk, const struct rows *rows) {
    const struct usage_ask *ask = &walk->ask;
    walk->after = (struct position){.id = rows_int(rows, ROW_ID),
                                    .day = rows_int(rows, ROW_DAY),
                                    .session = text_keep(tx, walk, rows_text(rows, ROW_SESSION))};
    bool of_tool = rows_text(rows, ROW_TOOL).len > 0;
    if (walk->after.day < ask->from_day || (ask->to_day > 0 && walk->after.day > ask->to_day) ||
        of_tool != usage_asks_tools(ask) ||
        (ask->session.len > 0 && !bytes_equal(walk->after.session, ask->session)) ||
        (ask->project.len > 0 && !bytes_equal(rows_text(rows, ROW_PROJECT), ask->project))) {
        return;
    }
    struct usage_total row = {.usage = usage_read(rows, ROW_CALLS),
                              .ms = rows_int(rows, ROW_MS),
                              .errors = rows_int(rows, ROW_ERRORS)};
    for (int i = 0; i < (int)USAGE_PART_COUNT; i++) {
        row.parts[i] = rows_int(rows, ROW_PARTS + i);
    }
    for (size_t i = 0; i < USAGE_KEYS; i++) {
        row.keys[i] = i < ask->by_count ? key_keep(tx, walk, rows, ask->by[i])
                                        : (struct usage_key){.text = BYTES("")};
    }
    walk->rows[walk->count++] = row;
}

/* Number of rows that were read, fitting or not. */
static int64_t rows_keep(struct tx *tx, struct usage_walk *walk, const char *sql,
                         const struct arg *args, size_t args_count) {
    int64_t count = 0;
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql, args, args_count);
    for (; rows_step(rows); count++) {
        row_keep(tx, walk, rows);
    }
    return count;
}

/* Whether rows are left. */
static bool part_read(struct tx *tx, struct usage_walk *walk) {
    const struct position *after = &walk->after;
    if (walk->order == FROM_NEWEST_DAY) {
        return rows_keep(tx, walk, by_day_sql,
                         ARGS(arg_text(walk->ask.owner), arg_int(after->day), arg_int(after->id),
                              arg_int(PART_ROWS))) == PART_ROWS &&
               after->day >= walk->ask.from_day;
    }
    if (walk->order == OF_ONE_RUN) {
        return rows_keep(tx, walk, of_run_sql,
                         ARGS(arg_text(walk->ask.owner), arg_int(walk->ask.run), arg_int(after->id),
                              arg_int(PART_ROWS))) == PART_ROWS;
    }
    int64_t count = rows_keep(tx, walk, of_session_sql,
                              ARGS(arg_text(walk->ask.owner), arg_text(after->session),
                                   arg_int(after->id), arg_int(PART_ROWS)));
    if (count < PART_ROWS && walk->order == BY_SESSION) {
        count = rows_keep(
            tx, walk, sessions_sql,
            ARGS(arg_text(walk->ask.owner), arg_text(after->session), arg_int(PART_ROWS)));
    }
    return count == PART_ROWS;
}

static struct err slice_read(struct tx *tx, struct usage_walk *walk) {
    bool more = true;
    arena_reset(&walk->arena);
    walk->count = 0;
    walk->after = walk->added;
    for (int parts = 0; more && parts < PARTS && (parts == 0 || !tx_slice_over(tx)); parts++) {
        more = part_read(tx, walk);
    }
    walk->last = !more;
    return tx_error(tx);
}

static void slice_add(struct usage_walk *walk) {
    for (size_t i = 0; i < walk->count; i++) {
        row_add(walk, &walk->rows[i]);
    }
    const struct arena before = walk->kept; /* A slice without rows is the last one. */
    walk->added = walk->after;
    walk->kept = walk->arena;
    walk->arena = before;
    walk->slices++;
    walk->state = walk->last ? WALK_ENDED : WALK_READING;
    if (walk->last) {
        groups_cut(walk);
    }
}

struct err tx_usage_slice(struct tx *tx, struct usage_walk *walk) {
    if (walk->state == WALK_READ) {
        slice_add(walk);
    }
    if (walk->state == WALK_ENDED) {
        return ERR_OK;
    }
    return walk->slices < walk->ask.slices_max ? slice_read(tx, walk)
                                               : err_make(ERR_TOO_EXPENSIVE, "usage: slices");
}

void usage_walk_accept(struct usage_walk *walk) {
    assert(walk->state == WALK_READING);
    walk->state = WALK_READ;
}

bool usage_walk_ended(const struct usage_walk *walk) {
    return walk->state == WALK_ENDED;
}

/* --- A walk ----------------------------------------------------------------------------------- */

struct usage_walk *usage_walk_new(const struct usage_ask *ask) {
    struct usage_walk *walk = mem_new(sizeof *walk);
    walk->ask = *ask;
    walk->ask.slices_max = ask->slices_max > 0 ? ask->slices_max : USAGE_SLICES_MAX;
    walk->order = ask->run != 0                                          ? OF_ONE_RUN
                  : ask->session.len > 0                                 ? OF_ONE_SESSION
                  : ask->by_count == 1 && ask->by[0] == USAGE_BY_SESSION ? BY_SESSION
                                                                         : FROM_NEWEST_DAY;
    assert(ask->by_count >= 1 && ask->by_count <= USAGE_KEYS);
    walk->added = (struct position){.day = ask->to_day > 0 ? ask->to_day + 1 : INT64_MAX,
                                    .session = ask->session};
    arena_init(&walk->arena, SLICE_BYTES);
    arena_init(&walk->kept, SLICE_BYTES);
    return walk;
}

void usage_walk_free(struct usage_walk *walk) {
    if (walk == NULL) {
        return;
    }
    for (size_t i = 0; i < walk->group_count; i++) {
        group_free(walk->groups[i]);
    }
    mem_free(walk->groups);
    arena_done(&walk->arena);
    arena_done(&walk->kept);
    mem_free(walk);
}

void usage_walk_each(struct usage_walk *walk,
                     void (*each)(void *ctx, const struct usage_total *total), void *ctx) {
    assert(walk->state == WALK_ENDED);
    for (size_t i = 0; i < walk->group_count; i++) {
        each(ctx, &walk->groups[i]->total);
    }
}

struct session_usage usage_walk_sum(const struct usage_walk *walk) {
    return walk->sum;
}
