/* spans.c: the rows of spans, and a span as clients see it.
 *
 * Input and output are stored as JSON strings: a model or a tool may have said NUL, which a column
 * of text cannot hold, and whoever lists them passes them on as they are.
 */
#include "engine/trace/spans.h"

#include <stdio.h>

#include "base/id.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"
#include "engine/base/resource.h"

const char *const span_kind_names[] = {"process", "model", "tool", "review", "compaction", NULL};

const char *span_kind_name(enum span_kind kind) {
    assert(kind < SPAN_KIND_COUNT);
    return span_kind_names[kind];
}

#define AT(member) offsetof(struct span_row, member)
#define OR_NULL .or_null = true, .none = SPAN_UNKNOWN
static const struct field span_rows[] = {
    {ROW_ONCE("run", FIELD_INT, AT(run_id))},
    {ROW_ONCE("attempt", FIELD_INT, AT(attempt))},
    {ROW_ONCE("step", FIELD_INT, AT(step))},
    {ROW_ONCE("kind", FIELD_TEXT, AT(kind))},
    {ROW_ONCE("name", FIELD_TEXT, AT(name))},
    {ROW_ONCE("state", FIELD_TEXT, AT(state))},
    {ROW_READ("cause", FIELD_TEXT, AT(cause))},
    {ROW_READ("rule", FIELD_TEXT, AT(rule))},
    {ROW_ONCE("started_ms", FIELD_INT, AT(started_ms))},
    {ROW_READ("ended_ms", FIELD_TIME, AT(ended_ms))},
    {ROW_READ("fresh", FIELD_INT, AT(tokens.fresh)), OR_NULL},
    {ROW_READ("cache_read", FIELD_INT, AT(tokens.cache_read)), OR_NULL},
    {ROW_READ("cache_write", FIELD_INT, AT(tokens.cache_write)), OR_NULL},
    {ROW_READ("output_tokens", FIELD_INT, AT(tokens.output)), OR_NULL},
    {ROW_READ("reasoning", FIELD_INT, AT(tokens.reasoning)), OR_NULL},
    {ROW_READ("cost", FIELD_INT, AT(cost)), OR_NULL},
    {ROW_ONCE("reserve_tokens", FIELD_INT, AT(reserve.tokens)), OR_NULL},
    {ROW_ONCE("reserve_cost", FIELD_INT, AT(reserve.cost)), OR_NULL},
    {ROW_READ("estimated", FIELD_BOOL, AT(estimated))},
    {ROW_READ("tries", FIELD_INT, AT(tries))},
    {ROW_READ("exit_code", FIELD_INT, AT(exit_code)), OR_NULL},
    {ROW_READ("cpu_us", FIELD_INT, AT(cpu_us)), OR_NULL},
    {ROW_READ("memory_kb", FIELD_INT, AT(memory_kb)), OR_NULL},
    {ROW_READ("disk", FIELD_INT, AT(disk))},
    {ROW_READ("error", FIELD_TEXT, AT(error))},
    {ROW_ONCE("input", FIELD_TEXT, AT(input))},
    {ROW_READ("output", FIELD_TEXT, AT(output))},
    {ROW_READ("tools_bytes", FIELD_INT, AT(prompt[USAGE_TOOLS])), OR_NULL},
    {ROW_READ("instructions_bytes", FIELD_INT, AT(prompt[USAGE_INSTRUCTIONS])), OR_NULL},
    {ROW_READ("history_bytes", FIELD_INT, AT(prompt[USAGE_HISTORY])), OR_NULL},
    {ROW_ONCE("host", FIELD_TEXT, AT(host))},
};
const struct resource span_resource = {.table = "spans",
                                       .of_daemon = true,
                                       .fields = {FIELD_ROWS(span_rows), .use = FIELD_KEPT},
                                       .size = sizeof(struct span_row)};

/* --- Writing ---------------------------------------------------------------------------------- */

static struct bytes cut_to(struct bytes text, size_t len_max) {
    return (struct bytes){text.data, text.len == 0 ? 0 : utf8_cut(text, len_max)};
}

/* Escapes can make six bytes of one. */
enum { JSON_SIZE_MAX = 6 * SPAN_TEXT_MAX + 16 };

struct bytes spans__quote(struct tx *tx, struct bytes text) {
    AUTO(text_done) struct text json = text_up_to(JSON_SIZE_MAX);
    if (text.len == 0) {
        return BYTES("");
    }
    text_add_json(&json, text.data, utf8_cut(text, SPAN_TEXT_MAX));
    return tx_copy_text(tx, &json, "spans: text");
}

struct err tx_span_start(struct tx *tx, const struct span_start *start) {
    const struct span_row row = {.run_id = start->key.run,
                                 .attempt = start->key.attempt,
                                 .step = start->key.step,
                                 .kind = bytes_of(span_kind_name(start->kind)),
                                 .name = cut_to(start->name, SPAN_NAME_MAX),
                                 .state = BYTES("running"),
                                 .started_ms = tx_now_ms(tx),
                                 .reserve = start->reserve,
                                 .input = spans__quote(tx, start->input),
                                 .host = start->host};
    tx_row_insert(tx, &span_resource, 0, &row);
    return tx_error(tx);
}

static struct arg maybe(int64_t number) {
    return number == SPAN_UNKNOWN ? arg_null() : arg_int(number);
}

static struct arg part_of(const struct span_end *end, enum usage_part part) {
    return end->prompt == NULL ? arg_null() : arg_int(end->prompt[part]);
}

/* The row of its run has the sum, so that lists need not add up all spans. A step of a workflow
 * gets its own when it ends. */
static void cost_add(struct tx *tx, const struct span_end *end) {
    const bool known = end->cost != SPAN_UNKNOWN;
    if (known || end->tokens.fresh != SPAN_UNKNOWN) {
        tx_do(tx,
              "UPDATE runs SET cost_micros = cost_micros + $2, cost_unknown = cost_unknown + $3"
              " WHERE id = $1 AND step_key = ''",
              ARGS(arg_int(end->key.run), arg_int(known ? end->cost : 0), arg_int(known ? 0 : 1)));
    }
}

struct err tx_span_end(struct tx *tx, const struct span_end *end, bool *ret_late) {
    static const char sql[] =
        "UPDATE spans SET state = $4, cause = $5,"
        " ended_ms = CASE WHEN started_ms > $6 THEN started_ms ELSE $6 END,"
        " fresh = $7, cache_read = $8, cache_write = $9, output_tokens = $10, reasoning = $11,"
        " cost = $12, estimated = $13,"
        " tries = $14, exit_code = $15, cpu_us = $16, memory_kb = $17, error = $18, output = $19,"
        " disk = $20, tools_bytes = $21, instructions_bytes = $22, history_bytes = $23, rule = $24"
        " WHERE run = $1 AND attempt = $2 AND step = $3 AND state = 'running'";
    assert(end->state.len > 0);
    assert(end->tries >= 1);
    const struct arg args[] = {arg_int(end->key.run),
                               arg_int(end->key.attempt),
                               arg_int(end->key.step),
                               arg_text(end->state),
                               arg_text(end->cause),
                               arg_int(end->ended_ms > 0 ? end->ended_ms : tx_now_ms(tx)),
                               maybe(end->tokens.fresh),
                               maybe(end->tokens.cache_read),
                               maybe(end->tokens.cache_write),
                               maybe(end->tokens.output),
                               maybe(end->tokens.reasoning),
                               maybe(end->cost),
                               arg_int(end->estimated ? 1 : 0),
                               arg_int(end->tries),
                               maybe(end->exit_code),
                               maybe(end->cpu_us),
                               maybe(end->memory_kb),
                               arg_text(cut_to(end->error, SPAN_ERROR_MAX)),
                               arg_text(spans__quote(tx, end->output)),
                               arg_int(end->disk),
                               part_of(end, USAGE_TOOLS),
                               part_of(end, USAGE_INSTRUCTIONS),
                               part_of(end, USAGE_HISTORY),
                               arg_text(end->rule.len > 0 ? end->rule : BYTES(""))};
    const bool late = tx_change(tx, sql, args, COUNT_OF(args)) == 0;
    if (ret_late != NULL) {
        *ret_late = late;
    }
    if (!late) {
        cost_add(tx, end);
    }
    return tx_error(tx);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct bytes span_write_id(struct bytes run, const struct span_key *key, char id[SPAN_ID_MAX]) {
    int len = snprintf(id, SPAN_ID_MAX, "%.*s.%lld.%lld", (int)(run.len < ID_SIZE ? run.len : 0),
                       run.data, (long long)key->attempt, (long long)key->step);
    assert(len > 0 && len < SPAN_ID_MAX);
    return (struct bytes){id, (size_t)len};
}

/* Rows that ended before are not even read by a poll for changes: their texts are long. */
#define CHANGED_SINCE(number) " AND (s.ended_ms IS NULL OR s.ended_ms >= " number ")"

/* `like`: members that all rows have in common; `of_session`: the last three columns are those of a
 * session's spans. */
static struct err rows_each(struct tx *tx, struct rows *rows, const struct span_row *like,
                            bool of_session,
                            struct err (*each)(void *ctx, const struct span_row *row), void *ctx) {
    while (rows_step(rows)) {
        struct span_row row = *like;
        bool known = resource_row_fill(&span_resource, RESOURCE_WHOLE, rows, &row);
        assert(known); /* No column is a word. */
        if (of_session) {
            row.turn = rows_int(rows, (int)COUNT_OF(span_rows));
            row.run = rows_text(rows, (int)COUNT_OF(span_rows) + 1);
            row.message = rows_text(rows, (int)COUNT_OF(span_rows) + 2);
        }
        tx_fail(tx, each(ctx, &row));
    }
    return tx_error(tx);
}

static const char *span_sql(struct tx *tx, const char *sql) {
    return tx_resource_sql(tx, &span_resource, RESOURCE_WHOLE, sql);
}

struct err tx_span_each(struct tx *tx, const struct span_page *page,
                        struct err (*each)(void *ctx, const struct span_row *row), void *ctx) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                span_sql(tx, "SELECT s.* FROM spans s WHERE s.run = $1"
                             " AND (s.attempt, s.step) > ($2, $3)" CHANGED_SINCE(
                                 "$5") " ORDER BY s.attempt, s.step LIMIT $4"),
                ARGS(arg_int(page->run), arg_int(page->attempt), arg_int(page->step),
                     arg_int(page->limit), arg_int(page->changed_since)));
    const struct span_row like = {.run = page->name};
    return rows_each(tx, rows, &like, /* of_session */ false, each, ctx);
}

struct err tx_span_of_session(struct tx *tx, const struct span_session_page *page,
                              struct err (*each)(void *ctx, const struct span_row *row),
                              void *ctx) {
    int64_t from = page->turn > page->turn_min ? page->turn : page->turn_min;
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        span_sql(tx,
                 "SELECT s.*, t.number, r.run, m.message FROM turns t"
                 " JOIN spans s ON s.run = t.run JOIN runs r ON r.id = t.run"
                 " JOIN messages m ON m.id = t.answer"
                 " WHERE t.session = $1 AND t.number >= $2 AND t.number <= $3"
                 " AND (r.ended_ms IS NULL OR r.ended_ms >= $8)" /* No span ends after its run. */
                 " AND (t.number, s.attempt, s.step) > ($4, $5, $6)" CHANGED_SINCE(
                     "$8") " ORDER BY t.number, s.attempt, s.step LIMIT $7"),
        ARGS(arg_int(page->session), arg_int(from), arg_int(page->turn_max), arg_int(page->turn),
             arg_int(page->attempt), arg_int(page->step), arg_int(page->limit),
             arg_int(page->changed_since)));
    const struct span_row like = {.turn = 0};
    return rows_each(tx, rows, &like, /* of_session */ true, each, ctx);
}

struct err tx_span_host(struct tx *tx, int64_t run, int64_t attempt, struct bytes *ret_host) {
    *ret_host = tx_text(tx, "SELECT host FROM spans WHERE run = $1 AND attempt = $2 AND step = 0",
                        ARGS(arg_int(run), arg_int(attempt)));
    return tx_error(tx);
}

/* --- The disk, and removing ------------------------------------------------------------------- */

/* The sum stands beside the rows, so that nobody has to add up all of them. */
static void disk_add(struct tx *tx, int64_t bytes) {
    if (bytes != 0) {
        tx_do(tx, "UPDATE nodes SET disk = disk + $1 WHERE id = 1", ARGS(arg_int(bytes)));
    }
}

struct err tx_span_keep(struct tx *tx, int64_t run) {
    disk_add(tx, tx_number(tx,
                           "SELECT CAST(COALESCE(sum(disk), 0) AS BIGINT) FROM spans"
                           " WHERE run = $1",
                           ARGS(arg_int(run))));
    return tx_error(tx);
}

int64_t tx_span_disk(struct tx *tx) {
    return tx_number(tx, "SELECT disk FROM nodes WHERE id = 1", NO_ARGS);
}

struct span_removed tx_span_remove(struct tx *tx, int64_t run) {
    static const char disk[] =
        "SELECT CAST(COALESCE(sum(disk), 0) AS BIGINT) FROM (SELECT disk FROM spans WHERE run = $1"
        " ORDER BY attempt, step LIMIT $2) page";
    static const char remove[] =
        "DELETE FROM spans WHERE run = $1 AND (attempt, step) IN (SELECT attempt, step FROM spans"
        " WHERE run = $1 ORDER BY attempt, step LIMIT $2)";
    const struct arg args[] = {arg_int(run), arg_int(SPAN_REMOVE_MAX)};
    const int64_t bytes = tx_number(tx, disk, args, COUNT_OF(args));
    disk_add(tx, -bytes);
    return (struct span_removed){.count = tx_change(tx, remove, args, COUNT_OF(args)),
                                 .disk = bytes};
}

/* --- As JSON ---------------------------------------------------------------------------------- */

static void add_number(struct text *text, const char *name, int64_t number) {
    text_add_member_int_or_null(text, name, number, number != SPAN_UNKNOWN);
}

/* A JSON string as it was stored. */
static void add_stored(struct text *text, const char *name, struct bytes json) {
    text_add_name(text, name);
    json_add_stored(text, json.len == 0 ? BYTES("null") : json);
}

static void add_tokens(const struct span_tokens *tokens, struct text *text) {
    text_add_name(text, "tokens");
    if (tokens->fresh == SPAN_UNKNOWN && tokens->cache_read == SPAN_UNKNOWN &&
        tokens->cache_write == SPAN_UNKNOWN && tokens->output == SPAN_UNKNOWN &&
        tokens->reasoning == SPAN_UNKNOWN) {
        text_add_str(text, "null");
        return;
    }
    text_add_char(text, '{');
    add_number(text, "fresh", tokens->fresh);
    add_number(text, "cache_read", tokens->cache_read);
    add_number(text, "cache_write", tokens->cache_write);
    add_number(text, "output", tokens->output);
    add_number(text, "reasoning", tokens->reasoning);
    text_add_char(text, '}');
}

/* How much of each part of the prompt was in the provider's cache. */
static void add_parts(const struct span_row *row, struct text *text) {
    static const char *const names[USAGE_PART_COUNT] = {"tools", "instructions", "history"};
    const struct usage usage = {.fresh = row->tokens.fresh,
                                .cache_read = row->tokens.cache_read,
                                .cache_write = row->tokens.cache_write};
    text_add_name(text, "prompt");
    if (row->prompt[0] == SPAN_UNKNOWN || usage.fresh == SPAN_UNKNOWN) {
        text_add_str(text, "null");
        return;
    }
    const struct usage_parts parts = usage_split(&usage, row->prompt);
    text_add_char(text, '{');
    for (size_t i = 0; i < USAGE_PART_COUNT; i++) {
        text_add_name(text, names[i]);
        text_add_char(text, '{');
        add_number(text, "tokens", parts.tokens[i]);
        add_number(text, "cache_read", parts.cache_read[i]);
        text_add_char(text, '}');
    }
    text_add_char(text, '}');
}

static void add_id(const struct span_key *key, struct bytes run, struct text *text) {
    char id[SPAN_ID_MAX];
    text_add_member(text, "id", span_write_id(run, key, id));
}

void span_add_started(const struct span_start *start, struct bytes run, int64_t started_ms,
                      struct text *text) {
    add_id(&start->key, run, text);
    text_add_member_int(text, "attempt", start->key.attempt);
    text_add_member_int(text, "step", start->key.step);
    text_add_member(text, "kind", bytes_of(span_kind_name(start->kind)));
    text_add_member(text, "name", cut_to(start->name, SPAN_NAME_MAX));
    text_add_member_int(text, "started_ms", started_ms);
}

void span_add_finished(const struct span_end *end, struct bytes run, int64_t ms,
                       struct text *text) {
    add_id(&end->key, run, text);
    text_add_member(text, "state", end->state);
    text_add_member_or_null(text, "cause", end->cause);
    add_number(text, "ms", ms);
    add_tokens(&end->tokens, text);
    add_number(text, "cost_micros", end->cost);
}

void span_write_json(const struct span_row *row, struct text *text) {
    char id[SPAN_ID_MAX];
    const struct span_key key = {.attempt = row->attempt, .step = row->step};
    text_add_char(text, '{');
    text_add_member(text, "id", row->is_run ? row->run : span_write_id(row->run, &key, id));
    if (row->turn != 0) {
        add_number(text, "turn", row->turn);
    }
    text_add_member_or_null(text, "run", row->run);
    if (row->turn != 0) {
        text_add_member_or_null(text, "message", row->message);
    }
    if (row->in_tree) {
        text_add_member_or_null(text, "parent", row->parent);
        add_number(text, "depth", row->depth);
        text_add_member_or_null(text, "label", row->label);
        text_add_member_or_null(text, "phase", row->phase);
    }
    add_number(text, "attempt", row->attempt);
    add_number(text, "step", row->is_run ? SPAN_UNKNOWN : row->step);
    text_add_member_or_null(text, "kind", row->kind);
    text_add_member(text, "name", row->name);
    text_add_member_or_null(text, "state", row->state);
    text_add_member_or_null(text, "cause", row->cause);
    text_add_member_or_null(text, "rule", row->rule);
    text_add_member_or_null(text, "error", row->error);
    add_number(text, "started_ms", row->started_ms);
    add_number(text, "ended_ms", row->ended_ms == 0 ? SPAN_UNKNOWN : row->ended_ms);
    if (row->due_ms > 0) {
        text_add_member_int(text, "due_ms", row->due_ms);
    }
    add_tokens(&row->tokens, text);
    add_parts(row, text);
    add_number(text, "cost_micros", row->cost);
    text_add_member_bool(text, "estimated", row->estimated);
    add_number(text, "tries", row->tries);
    add_number(text, "exit_code", row->exit_code);
    add_number(text, "cpu_us", row->cpu_us);
    add_number(text, "memory_kb", row->memory_kb);
    add_number(text, "disk_bytes", row->disk);
    add_stored(text, "input", row->input);
    add_stored(text, "output", row->output);
    text_add_char(text, '}');
}
