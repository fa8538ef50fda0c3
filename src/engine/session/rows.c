/* rows.c: reads and writes one row of a session. */
#include "engine/session/rows.h"

#include "engine/base/ids.h"
#include "engine/run/rows.h"

enum column {
    COL_ID,
    COL_SESSION,
    COL_OWNER,
    COL_PROJECT,
    COL_PARENT,
    COL_PARENT_NAME,
    COL_DEPTH,
    COL_VERSION,
    COL_STATE,
    COL_ARCHIVED,
    COL_MADE,
    COL_CHANGED,
    COL_CALLS,
    COL_FRESH,
    COL_CACHE_READ,
    COL_CACHE_WRITE,
    COL_OUTPUT,
    COL_REASONING,
    COL_COST,
    COL_COST_UNKNOWN,
    COL_CONTEXT,
    COL_WINDOW,
    COL_TITLE,
    COL_TITLE_BY,
    COL_MODEL,
    COL_AGENT,
    COL_ROOT,
    COL_FORKED,
    COL_METADATA,
    COL_SETTINGS,
    COL_INSTRUCTIONS,
};

void sessions__borrow(const struct rows *rows, enum session_form form,
                      struct session_row *ret_row) {
    struct session_row row = {
        .id = rows_int(rows, COL_ID),
        .session = rows_text(rows, COL_SESSION),
        .owner = rows_text(rows, COL_OWNER),
        .project = rows_text(rows, COL_PROJECT),
        .parent = rows_int(rows, COL_PARENT),
        .parent_name = rows_text(rows, COL_PARENT_NAME),
        .depth = rows_int(rows, COL_DEPTH),
        .version = rows_int(rows, COL_VERSION),
        .archived_ms = rows_null(rows, COL_ARCHIVED) ? 0 : rows_int(rows, COL_ARCHIVED),
        .made_ms = rows_int(rows, COL_MADE),
        .changed_ms = rows_int(rows, COL_CHANGED),
        .usage = {.calls = rows_int(rows, COL_CALLS),
                  .fresh = rows_int(rows, COL_FRESH),
                  .cache_read = rows_int(rows, COL_CACHE_READ),
                  .cache_write = rows_int(rows, COL_CACHE_WRITE),
                  .output = rows_int(rows, COL_OUTPUT),
                  .reasoning = rows_int(rows, COL_REASONING),
                  .cost_micros = rows_int(rows, COL_COST),
                  .cost_unknown = rows_int(rows, COL_COST_UNKNOWN)},
        .context_used = rows_int(rows, COL_CONTEXT),
        .context_window = rows_int(rows, COL_WINDOW),
        .title = rows_text(rows, COL_TITLE),
        .model = rows_text(rows, COL_MODEL),
        .agent = rows_text(rows, COL_AGENT),
        .root = rows_text(rows, COL_ROOT),
        .forked_from = rows_text(rows, COL_FORKED),
        .metadata = rows_text(rows, COL_METADATA),
        .settings = BYTES("{}"),
        .instructions = BYTES(""),
    };
    if (form == SESSION_WHOLE) {
        row.settings = rows_text(rows, COL_SETTINGS);
        row.instructions = rows_text(rows, COL_INSTRUCTIONS);
    }
    /* Nothing is decided by these words: the next turn writes the state, and a title of an unknown
     * maker may be replaced. */
    if (!session_state_find(rows_text(rows, COL_STATE), &row.state)) {
        row.state = SESSION_IDLE;
    }
    if (!title_by_find(rows_text(rows, COL_TITLE_BY), &row.title_by)) {
        row.title_by = TITLE_NONE;
    }
    *ret_row = row;
}

void sessions__copy(struct tx *tx, struct session_row *row) {
    struct bytes *const texts[] = {
        &row->session,     &row->owner,    &row->project,  &row->parent_name,
        &row->title,       &row->model,    &row->agent,    &row->root,
        &row->forked_from, &row->metadata, &row->settings, &row->instructions,
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        *texts[i] = tx_copy(tx, *texts[i]);
    }
}

#define FIND_SQL "SELECT " SESSION_COLUMNS SESSION_FROM " WHERE "

/* The row of the answer, unless it belongs to another owner. */
static struct err row_take(struct tx *tx, const struct rows *rows, struct bytes owner,
                           bool *ret_found, struct session_row *ret_row) {
    *ret_found =
        rows != NULL && (owner.data == NULL || bytes_equal(rows_text(rows, COL_OWNER), owner));
    if (*ret_found) {
        sessions__borrow(rows, SESSION_WHOLE, ret_row);
        sessions__copy(tx, ret_row);
    }
    return tx_error(tx);
}

struct err sessions__find(struct tx *tx, const struct session_key *key, bool *ret_found,
                          struct session_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, FIND_SQL "s.session = $1 AND s.hidden = 0", ARGS(arg_text(key->session)));
    return row_take(tx, rows, key->owner, ret_found, ret_row);
}

struct err sessions__get(struct tx *tx, const struct session_key *key, const char *step,
                         struct session_row *ret_row) {
    bool found = false;
    struct err err = sessions__find(tx, key, &found, ret_row);
    return err_failed(err) || found ? err : err_make(ERR_NOT_FOUND, step);
}

struct err sessions__find_id(struct tx *tx, int64_t id, bool *ret_found,
                             struct session_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, FIND_SQL "s.id = $1 AND s.hidden = 0", ARGS(arg_int(id)));
    return row_take(tx, rows, (struct bytes){NULL, 0}, ret_found, ret_row);
}

struct err sessions__find_hidden(struct tx *tx, struct bytes session, int64_t hidden,
                                 bool *ret_found, struct session_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, FIND_SQL "s.session = $1 AND s.hidden = $2",
                               ARGS(arg_text(session), arg_int(hidden)));
    return row_take(tx, rows, (struct bytes){NULL, 0}, ret_found, ret_row);
}

/* At most one turn of a session has begun and not ended: gate "". A session that is idle, or
 * that waits, is so in a daemon that holds, too. */
struct err tx_session_shown(struct tx *tx, enum run_hold hold, struct session_row *io_row) {
    if (hold == RUN_FREE ||
        (io_row->state != SESSION_RUNNING && io_row->state != SESSION_COMPACTING)) {
        return ERR_OK;
    }
    char stream[SESSION_STREAM_MAX];
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT state, epoch FROM runs WHERE owner = $1 AND run_key = $2"
               " AND run_key <> '' AND gate = '' AND ended_ms IS NULL LIMIT 1",
               ARGS(arg_text(io_row->owner), arg_text(sessions__stream(io_row, stream))));
    struct run_row turn = {.epoch = rows == NULL ? 0 : rows_int(rows, 1)};
    if (rows != NULL && run_state_find(rows_text(rows, 0), &turn.state)) { /* Else damaged. */
        run_shown(&turn, tx_epoch(tx), hold);
        io_row->state = turn.gate == GATE_HOLD ? SESSION_WAITING : io_row->state;
    }
    return tx_error(tx);
}

/* --- Writing ---------------------------------------------------------------------------------- */

void sessions__insert(struct tx *tx, int64_t hidden, struct session_row *row) {
    row->id = tx_number(tx, "SELECT " IDS_NEXT("sessions"), NO_ARGS, 0);
    tx_do(tx,
          "INSERT INTO sessions (id, session, owner, project, parent, depth, hidden, version,"
          " state, archived_ms, made_ms, changed_ms, title, title_by, model, agent, root,"
          " forked_from, metadata, settings, instructions) VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
          " $9, NULL, $10, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
          ARGS(arg_int(row->id), arg_text(row->session), arg_text(row->owner),
               arg_text(row->project), arg_int(row->parent), arg_int(row->depth), arg_int(hidden),
               arg_int(row->version), arg_str(session_state_name(row->state)),
               arg_int(row->made_ms), arg_text(row->title), arg_str(title_by_name(row->title_by)),
               arg_text(row->model), arg_text(row->agent), arg_text(row->root),
               arg_text(row->forked_from), arg_text(row->metadata), arg_text(row->settings),
               arg_text(row->instructions)));
}

void sessions__set_hidden(struct tx *tx, const struct session_row *row, int64_t hidden) {
    tx_do(tx, "UPDATE sessions SET hidden = $2, changed_ms = $3 WHERE id = $1",
          ARGS(arg_int(row->id), arg_int(hidden), arg_int(tx_now_ms(tx))));
}

void sessions__empty(struct tx *tx, struct session_row *row) {
    row->title = row->model = row->agent = row->root = row->instructions = BYTES("");
    row->metadata = row->settings = BYTES("{}");
    tx_do(tx,
          "UPDATE sessions SET title = '', title_by = '', model = '', agent = '', root = '',"
          " metadata = '{}', settings = '{}', instructions = '' WHERE id = $1",
          ARGS(arg_int(row->id)));
}

void sessions__write(struct tx *tx, struct session_row *row) {
    row->changed_ms = tx_now_ms(tx);
    tx_do(tx,
          "UPDATE sessions SET version = $2, archived_ms = $3, changed_ms = $4, title = $5,"
          " title_by = $6, model = $7, agent = $8, root = $9, metadata = $10, settings = $11,"
          " instructions = $12 WHERE id = $1",
          ARGS(arg_int(row->id), arg_int(row->version),
               row->archived_ms == 0 ? arg_null() : arg_int(row->archived_ms),
               arg_int(row->changed_ms), arg_text(row->title),
               arg_str(title_by_name(row->title_by)), arg_text(row->model), arg_text(row->agent),
               arg_text(row->root), arg_text(row->metadata), arg_text(row->settings),
               arg_text(row->instructions)));
}

struct err sessions__set_state(struct tx *tx, enum session_state state, struct session_row *row) {
    if (row->state == state) {
        return ERR_OK;
    }
    row->state = state;
    row->changed_ms = tx_now_ms(tx);
    tx_do(tx, "UPDATE sessions SET state = $2, changed_ms = $3 WHERE id = $1",
          ARGS(arg_int(row->id), arg_str(session_state_name(state)), arg_int(row->changed_ms)));
    return sessions__tell_project(tx, row, BYTES("session_state"));
}

struct err sessions__touch(struct tx *tx, struct session_row *row) {
    row->changed_ms = tx_now_ms(tx);
    tx_do(tx, "UPDATE sessions SET changed_ms = $2 WHERE id = $1",
          ARGS(arg_int(row->id), arg_int(row->changed_ms)));
    return tx_error(tx);
}

struct session_usage sessions__sums_of(const struct usage *usage, const struct usage_cost *cost) {
    return (struct session_usage){.calls = 1,
                                  .fresh = usage->fresh,
                                  .cache_read = usage->cache_read,
                                  .cache_write = usage->cache_write,
                                  .output = usage->output,
                                  .reasoning = usage->reasoning,
                                  .cost_micros = cost->known ? cost->micros : 0,
                                  .cost_unknown = cost->known ? 0 : 1};
}

void sessions__add_sums(const struct session_usage *more, struct session_usage *sums) {
    sums->calls += more->calls;
    sums->fresh += more->fresh;
    sums->cache_read += more->cache_read;
    sums->cache_write += more->cache_write;
    sums->output += more->output;
    sums->reasoning += more->reasoning;
    sums->cost_micros += more->cost_micros;
    sums->cost_unknown += more->cost_unknown;
}

struct err sessions__add_usage(struct tx *tx, const struct session_usage *usage,
                               struct session_row *row) {
    sessions__add_sums(usage, &row->usage);
    tx_do(tx,
          "UPDATE sessions SET calls = calls + $2, fresh = fresh + $3,"
          " cache_read = cache_read + $4, cache_write = cache_write + $5, output = output + $6,"
          " reasoning = reasoning + $7, cost_micros = cost_micros + $8,"
          " cost_unknown = cost_unknown + $9 WHERE id = $1",
          ARGS(arg_int(row->id), arg_int(usage->calls), arg_int(usage->fresh),
               arg_int(usage->cache_read), arg_int(usage->cache_write), arg_int(usage->output),
               arg_int(usage->reasoning), arg_int(usage->cost_micros),
               arg_int(usage->cost_unknown)));
    return tx_error(tx);
}

struct err sessions__set_context(struct tx *tx, const struct session_context *context,
                                 struct session_row *row) {
    row->context_used = context->used;
    row->context_window = context->window;
    tx_do(tx, "UPDATE sessions SET context_used = $2, context_window = $3 WHERE id = $1",
          ARGS(arg_int(row->id), arg_int(context->used), arg_int(context->window)));
    return tx_error(tx);
}
