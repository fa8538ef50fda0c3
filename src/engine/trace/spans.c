/* spans.c: the rows of spans.
 *
 * Input and output are stored as JSON strings: a model or a tool may have said NUL, which a column
 * of text cannot hold, and whoever lists them passes them on as they are.
 */
#include "engine/trace/spans.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"

static const char *const kind_names[SPAN_KIND_COUNT] = {"process", "model", "tool", "review",
                                                        "compaction"};

const char *span_kind_name(enum span_kind kind) {
    assert(kind < SPAN_KIND_COUNT);
    return kind_names[kind];
}

static struct bytes word(const char *word) {
    return bytes_of(word);
}

static struct arg maybe(int64_t number) {
    return number == SPAN_UNKNOWN ? arg_null() : arg_int(number);
}

static struct arg cut_to(struct bytes text, size_t len_max) {
    return text.len == 0 ? arg_text(BYTES(""))
                         : arg_text((struct bytes){text.data, utf8_cut(text, len_max)});
}

/* Escapes can make six bytes of one. */
enum { JSON_SIZE_MAX = 6 * SPAN_TEXT_MAX + 16 };

static struct err quote(struct tx *tx, struct bytes text, struct arg *ret_arg) {
    if (text.len == 0) {
        *ret_arg = arg_text(BYTES(""));
        return ERR_OK;
    }
    AUTO(text_done) struct text json;
    text_init(&json, JSON_SIZE_MAX);
    text_add_json(&json, text.data, utf8_cut(text, SPAN_TEXT_MAX));
    const char *copy =
        text_failed(&json) ? NULL : arena_try_copy(tx_arena(tx), json.data, json.len);
    if (copy == NULL) {
        return text_error(&json, "spans: text");
    }
    *ret_arg = arg_text((struct bytes){copy, json.len});
    return ERR_OK;
}

struct err tx_span_start(struct tx *tx, const struct span_start *start) {
    static const char sql[] =
        "INSERT INTO spans (run, attempt, step, kind, name, state, cause, started_ms,"
        " reserve_tokens, reserve_cost, estimated, tries, disk, error, input, output, host)"
        " VALUES ($1, $2, $3, $4, $5, 'running', '', $6, $7, $8, 0, 1, 0, '', $9, '', $10)";
    struct arg input;
    struct err err = quote(tx, start->input, &input);
    if (err_failed(err)) {
        return err;
    }
    const struct arg args[] = {
        arg_int(start->key.run),
        arg_int(start->key.attempt),
        arg_int(start->key.step),
        arg_text(word(span_kind_name(start->kind))),
        cut_to(start->name, SPAN_NAME_MAX),
        arg_int(tx_now_ms(tx)),
        maybe(start->reserve.tokens),
        maybe(start->reserve.cost),
        input,
        arg_text(start->host.data == NULL ? BYTES("") : start->host),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static struct arg part_of(const struct span_end *end, enum usage_part part) {
    return end->prompt == NULL ? arg_null() : arg_int(end->prompt[part]);
}

struct err tx_span_end(struct tx *tx, const struct span_end *end, bool *ret_late) {
    static const char sql[] =
        "UPDATE spans SET state = $4, cause = $5,"
        " ended_ms = CASE WHEN started_ms > $6 THEN started_ms ELSE $6 END,"
        " fresh = $7, cache_read = $8, cache_write = $9, output_tokens = $10, reasoning = $11,"
        " cost = $12, estimated = $13,"
        " tries = $14, exit_code = $15, cpu_us = $16, memory_kb = $17, error = $18, output = $19,"
        " disk = $20, tools_bytes = $21, instructions_bytes = $22, history_bytes = $23"
        " WHERE run = $1 AND attempt = $2 AND step = $3 AND state = 'running'";
    assert(end->state.len > 0);
    assert(end->tries >= 1);
    struct arg output;
    struct err err = quote(tx, end->output, &output);
    if (err_failed(err)) {
        return err;
    }
    const struct arg args[] = {
        arg_int(end->key.run),
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
        cut_to(end->error, SPAN_ERROR_MAX),
        output,
        arg_int(end->disk),
        part_of(end, USAGE_TOOLS),
        part_of(end, USAGE_INSTRUCTIONS),
        part_of(end, USAGE_HISTORY),
    };
    bool asked = ret_late != NULL;
    int64_t changed = 1;
    err = tx_exec(tx, sql, args, COUNT_OF(args), asked ? &changed : NULL);
    if (!err_failed(err) && asked) {
        *ret_late = changed == 0;
    }
    return err;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* The columns in this order. */
#define SPAN_COLUMNS                                                                               \
    "s.attempt, s.step, s.kind, s.name, s.state, s.cause, s.started_ms, s.ended_ms, s.fresh,"      \
    " s.cache_read, s.cache_write, s.output_tokens, s.reasoning, s.cost, s.reserve_tokens,"        \
    " s.reserve_cost, s.estimated, s.tries, s.exit_code, s.cpu_us, s.memory_kb, s.disk, s.error,"  \
    " s.input, s.output, s.tools_bytes, s.instructions_bytes, s.history_bytes"
enum column {
    COL_ATTEMPT,
    COL_STEP,
    COL_KIND,
    COL_NAME,
    COL_STATE,
    COL_CAUSE,
    COL_STARTED,
    COL_ENDED,
    COL_FRESH,
    COL_CACHE_READ,
    COL_CACHE_WRITE,
    COL_OUTPUT_TOKENS,
    COL_REASONING,
    COL_COST,
    COL_RESERVE_TOKENS,
    COL_RESERVE_COST,
    COL_ESTIMATED,
    COL_TRIES,
    COL_EXIT_CODE,
    COL_CPU,
    COL_MEMORY,
    COL_DISK,
    COL_ERROR,
    COL_INPUT,
    COL_OUTPUT,
    COL_PROMPT,
    COL_TURN = COL_PROMPT + USAGE_PART_COUNT, /* From here on: a session's. */
    COL_RUN,
    COL_MESSAGE,
};

static int64_t number_of(const struct rows *rows, int column) {
    return rows_null(rows, column) ? SPAN_UNKNOWN : rows_int(rows, column);
}

static struct span_row read_row(const struct rows *rows) {
    return (struct span_row){
        .attempt = rows_int(rows, COL_ATTEMPT),
        .step = rows_int(rows, COL_STEP),
        .kind = rows_text(rows, COL_KIND),
        .name = rows_text(rows, COL_NAME),
        .state = rows_text(rows, COL_STATE),
        .cause = rows_text(rows, COL_CAUSE),
        .error = rows_text(rows, COL_ERROR),
        .input = rows_text(rows, COL_INPUT),
        .output = rows_text(rows, COL_OUTPUT),
        .started_ms = rows_int(rows, COL_STARTED),
        .ended_ms = rows_null(rows, COL_ENDED) ? 0 : rows_int(rows, COL_ENDED),
        .tokens = {number_of(rows, COL_FRESH), number_of(rows, COL_CACHE_READ),
                   number_of(rows, COL_CACHE_WRITE), number_of(rows, COL_OUTPUT_TOKENS),
                   number_of(rows, COL_REASONING)},
        .cost = number_of(rows, COL_COST),
        .reserve = {number_of(rows, COL_RESERVE_TOKENS), number_of(rows, COL_RESERVE_COST)},
        .estimated = rows_int(rows, COL_ESTIMATED) != 0,
        .tries = rows_int(rows, COL_TRIES),
        .exit_code = number_of(rows, COL_EXIT_CODE),
        .cpu_us = number_of(rows, COL_CPU),
        .memory_kb = number_of(rows, COL_MEMORY),
        .disk = rows_int(rows, COL_DISK),
        .measured = !rows_null(rows, COL_PROMPT),
        .prompt = {number_of(rows, COL_PROMPT), number_of(rows, COL_PROMPT + 1),
                   number_of(rows, COL_PROMPT + 2)},
        .run = {"", 0},
        .message = {"", 0},
    };
}

struct each_span {
    struct err (*each)(void *ctx, const struct span_row *row);
    void *ctx;
};

static struct err each_of(struct rows *rows, bool of_session, const struct each_span *what) {
    for (;;) {
        bool more = false;
        struct err err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            return err;
        }
        struct span_row row = read_row(rows);
        if (of_session) {
            row.turn = rows_int(rows, COL_TURN);
            row.run = rows_text(rows, COL_RUN);
            row.message = rows_text(rows, COL_MESSAGE);
        }
        err = what->each(what->ctx, &row);
        if (err_failed(err)) {
            return err;
        }
    }
}

struct err tx_span_each(struct tx *tx, const struct span_page *page,
                        struct err (*each)(void *ctx, const struct span_row *row), void *ctx) {
    static const char sql[] = "SELECT " SPAN_COLUMNS " FROM spans s WHERE s.run = $1"
                              " AND (s.attempt, s.step) > ($2, $3)"
                              " ORDER BY s.attempt, s.step LIMIT $4";
    const struct arg args[] = {arg_int(page->run), arg_int(page->attempt), arg_int(page->step),
                               arg_int(page->limit)};
    const struct each_span what = {each, ctx};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    return err_failed(err) ? err : each_of(rows, false, &what);
}

struct err tx_span_of_session(struct tx *tx, const struct span_session_page *page,
                              struct err (*each)(void *ctx, const struct span_row *row),
                              void *ctx) {
    static const char sql[] = "SELECT " SPAN_COLUMNS ", t.number, r.run, m.message FROM turns t"
                              " JOIN spans s ON s.run = t.run JOIN runs r ON r.id = t.run"
                              " JOIN messages m ON m.id = t.answer"
                              " WHERE t.session = $1 AND t.number >= $2 AND t.number <= $3"
                              " AND (t.number, s.attempt, s.step) > ($4, $5, $6)"
                              " ORDER BY t.number, s.attempt, s.step LIMIT $7";
    int64_t from = page->turn > page->turn_min ? page->turn : page->turn_min;
    const struct arg args[] = {
        arg_int(page->session), arg_int(from),       arg_int(page->turn_max), arg_int(page->turn),
        arg_int(page->attempt), arg_int(page->step), arg_int(page->limit)};
    const struct each_span what = {each, ctx};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    return err_failed(err) ? err : each_of(rows, true, &what);
}

struct err tx_span_host(struct tx *tx, int64_t run, int64_t attempt, struct bytes *ret_host) {
    static const char sql[] = "SELECT host FROM spans WHERE run = $1 AND attempt = $2 AND step = 0";
    const struct arg args[] = {arg_int(run), arg_int(attempt)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    struct bytes host = {"", 0};
    if (!err_failed(err) && rows != NULL && rows_text(rows, 0).len > 0) {
        host = rows_text(rows, 0);
        host.data = arena_try_copy(tx_arena(tx), host.data, host.len);
        err = host.data == NULL ? err_make(ERR_OUT_OF_MEMORY, "spans: host") : ERR_OK;
    }
    if (!err_failed(err)) {
        *ret_host = host;
    }
    return err;
}

/* --- The disk, and removing ------------------------------------------------------------------- */

static struct err ask_int(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                          int64_t *ret_number) {
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, count, &rows);
    if (!err_failed(err)) {
        *ret_number = rows != NULL ? rows_int(rows, 0) : 0;
    }
    return err;
}

/* The sum stands beside the rows, so that nobody has to add up all of them. */
static struct err add_disk(struct tx *tx, int64_t bytes) {
    const struct arg args[] = {arg_int(bytes)};
    return tx_exec(tx, "UPDATE nodes SET disk = disk + $1 WHERE id = 1", args, COUNT_OF(args),
                   NULL /* one row, always */);
}

struct err tx_span_keep(struct tx *tx, int64_t run) {
    static const char sql[] =
        "SELECT CAST(COALESCE(sum(disk), 0) AS BIGINT) FROM spans WHERE run = $1";
    const struct arg args[] = {arg_int(run)};
    int64_t bytes = 0;
    struct err err = ask_int(tx, sql, args, COUNT_OF(args), &bytes);
    return err_failed(err) || bytes == 0 ? err : add_disk(tx, bytes);
}

struct err tx_span_disk(struct tx *tx, int64_t *ret_bytes) {
    return ask_int(tx, "SELECT disk FROM nodes WHERE id = 1", NULL /* no argument */, 0, ret_bytes);
}

struct err tx_span_remove(struct tx *tx, int64_t run, struct span_removed *ret_removed) {
    static const char disk_sql[] =
        "SELECT CAST(COALESCE(sum(disk), 0) AS BIGINT) FROM (SELECT disk FROM spans WHERE run = $1"
        " ORDER BY attempt, step LIMIT $2) page";
    static const char sql[] =
        "DELETE FROM spans WHERE run = $1 AND (attempt, step) IN (SELECT attempt, step FROM spans"
        " WHERE run = $1 ORDER BY attempt, step LIMIT $2)";
    const struct arg args[] = {arg_int(run), arg_int(SPAN_REMOVE_MAX)};
    struct span_removed removed = {.count = 0};
    struct err err = ask_int(tx, disk_sql, args, COUNT_OF(args), &removed.disk);
    if (!err_failed(err)) {
        err = tx_exec(tx, sql, args, COUNT_OF(args), &removed.count);
    }
    if (!err_failed(err) && removed.disk > 0) {
        err = add_disk(tx, -removed.disk);
    }
    if (!err_failed(err)) {
        *ret_removed = removed;
    }
    return err;
}
