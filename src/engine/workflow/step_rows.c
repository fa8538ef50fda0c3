/* step_rows.c: what has happened in a workflow, in the order in which it was settled. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/workflow/rows.h"

/* --- Settled ---------------------------------------------------------------------------------- */

/* Answers of workflow() stand between the steps, by their numbers. */
static struct err read_step(const struct rows *rows, struct step_row *ret_row) {
    struct step_row row = {.run = rows_text(rows, 0),
                           .key = rows_text(rows, 1),
                           .occurrence = rows_int(rows, 2),
                           .done_no = rows_int(rows, 3),
                           .result = rows_text(rows, 6),
                           .note = rows_text(rows, 7),
                           .output_tokens = rows_int(rows, 8),
                           .script = rows_text(rows, 9),
                           .file = rows_text(rows, 10),
                           .label = rows_text(rows, 11),
                           .attempt = rows_int(rows, 12),
                           .started_ms = rows_int(rows, 13),
                           .steady_ms = rows_int(rows, 15),
                           .epoch = rows_int(rows, 16),
                           .spec = rows_text(rows, 18)};
    row.is_ref = row.run.len == 0;
    bool known = run_state_find(rows_text(rows, 4), &row.state) &&
                 run_cause_find(rows_text(rows, 5), &row.cause) &&
                 run_cause_find(rows_text(rows, 14), &row.stop);
    row.resume_at_ms = row.state == RUN_WAITING ? rows_int(rows, 17) : 0;
    *ret_row = row;
    return known ? ERR_OK : err_make(ERR_STORE_CORRUPT, "steps: a word of a row");
}

#define STEP_COLUMNS_OF(result)                                                                    \
    "run, step_key, occurrence, done_no, state, cause, " result ", note, output_tokens,"           \
    " '' AS script, '' AS file, label, attempt, started_ms, stop, steady_ms, epoch,"               \
    " not_before_ms, "
#define STEP_COLUMNS STEP_COLUMNS_OF("result")
#define STEP_HISTORY_OF(result)                                                                    \
    "SELECT " STEP_COLUMNS_OF(                                                                     \
        result) "'' AS spec FROM runs WHERE parent = $1"                                           \
                " AND step_key <> '' AND done_no > $2"                                             \
                " UNION ALL SELECT '', step_key, occurrence, done_no, "                            \
                "'succeeded', 'completed', '', note,"                                              \
                " 0, script, file, '', 0, 0, '', 0, 0, 0, '' FROM workflow_refs "                  \
                "WHERE run = $1 AND done_no > $2"                                                  \
                " ORDER BY done_no LIMIT $3"

struct walk {
    struct err (*each)(void *ctx, const struct step_row *row);
    void *ctx;
    size_t bytes, bytes_max;
    int64_t last, count;
    bool dry; /* The rows have come to their end. */
};

static struct err walk_rows(struct rows *rows, struct walk *walk) {
    struct err err = ERR_OK;
    bool found = true;
    while (!err_failed(err) && walk->bytes < walk->bytes_max) {
        struct step_row row;
        err = rows_next(rows, &found);
        if (err_failed(err) || !found) {
            walk->dry = !found;
            break;
        }
        walk->count++;
        err = read_step(rows, &row);
        if (!err_failed(err)) {
            err = walk->each(walk->ctx, &row);
            walk->last = row.done_no;
            walk->bytes += row.result.len + row.key.len;
        }
    }
    return err;
}

struct err tx_step_history(struct tx *tx, const struct step_page *page,
                           struct err (*each)(void *ctx, const struct step_row *row), void *ctx,
                           int64_t *ret_last, bool *ret_whole) {
    const char *sql = page->bare ? STEP_HISTORY_OF("'' AS result") : STEP_HISTORY_OF("result");
    const struct arg args[] = {arg_int(page->workflow), arg_int(page->after), arg_int(page->limit)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct walk walk = {
        .each = each, .ctx = ctx, .bytes_max = page->bytes_max, .last = page->after};
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        err = walk_rows(rows, &walk);
    }
    if (!err_failed(err)) {
        *ret_last = walk.last;
        *ret_whole = walk.dry && walk.count < page->limit;
    }
    return err;
}

/* --- Not settled, or taken over --------------------------------------------------------------- */

static struct err walk_all(struct tx *tx, const char *sql, int64_t workflow, struct walk *walk) {
    const struct arg args[] = {arg_int(workflow),
                               arg_int(WORKFLOW_AGENTS_MAX + WORKFLOW_NESTED_MAX)};
    AUTO(rows_release) struct rows *rows = NULL;
    walk->bytes_max = SIZE_MAX;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    return err_failed(err) ? err : walk_rows(rows, walk);
}

struct err tx_step_open(struct tx *tx, int64_t workflow,
                        struct err (*each)(void *ctx, const struct step_row *row), void *ctx) {
    static const char sql[] =
        "SELECT " STEP_COLUMNS "spec FROM runs WHERE parent = $1 AND step_key <> '' AND done_no = 0"
        " ORDER BY id LIMIT $2";
    struct walk walk = {.each = each, .ctx = ctx};
    return walk_all(tx, sql, workflow, &walk);
}

/* Calls of workflow() that threw are included: the place in the order counts, not the outcome. */
struct err tx_step_successes(struct tx *tx, int64_t workflow,
                             struct err (*each)(void *ctx, const struct step_row *row), void *ctx) {
    static const char sql[] =
        "SELECT run, step_key, occurrence, done_no, state, cause, '', '', 0, '', '', label,"
        " attempt, started_ms, stop, steady_ms, epoch, 0, '' FROM runs WHERE parent = $1 AND "
        "step_key "
        "<> ''"
        " AND done_no > 0 AND state IN ('succeeded', 'degraded') AND cause <> 'truncated'"
        " UNION ALL SELECT '', step_key, occurrence, done_no, 'succeeded', 'completed', '', '', 0,"
        " '', '', '', 0, 0, '', 0, 0, 0, '' FROM workflow_refs WHERE run = $1"
        " ORDER BY done_no LIMIT $2";
    struct walk walk = {.each = each, .ctx = ctx};
    return walk_all(tx, sql, workflow, &walk);
}
