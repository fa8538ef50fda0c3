/* rows.c: reads and writes one row of a session. */
#include "engine/session/rows.h"

#include "engine/base/ids.h"
#include "engine/run/rows.h"
#include "engine/trace/usage_totals.h"

#define SESSION_COLUMN(name, member, kind, use)                                                    \
    {name, kind, use, offsetof(struct session_row, member)},
static const struct map_column columns[] = {SESSION_LIGHT_MAP(SESSION_COLUMN)
                                                SESSION_LONG_MAP(SESSION_COLUMN)};
#define SESSION_ONE(name, member, kind, use) +1
enum { LIGHT_COLUMNS = 0 SESSION_LIGHT_MAP(SESSION_ONE) };
static const char *const *const words[] = {session_state_names, title_by_names};
static const struct map session_map = {.table = "sessions",
                                       .key = "id",
                                       .key_offset = offsetof(struct session_row, id),
                                       .columns = columns,
                                       .count = COUNT_OF(columns),
                                       .names = words};

void sessions__borrow(const struct rows *rows, enum session_form form,
                      struct session_row *ret_row) {
    *ret_row = (struct session_row){.state = SESSION_IDLE,
                                    .title_by = TITLE_NONE,
                                    .settings = BYTES("{}"),
                                    .instructions = BYTES("")};
    size_t count = form == SESSION_WHOLE ? COUNT_OF(columns) : LIGHT_COLUMNS;
    bool known = map_read_some(&session_map, count, rows, ret_row);
    (void)known; /* Nothing is decided by words that are not: the next turn writes the state, and a
                  * title of an unknown maker may be replaced. */
}

void sessions__copy(struct tx *tx, struct session_row *row) {
    tx_fail(tx, map_copy(tx, &session_map, row));
}

#define FIND_SQL "SELECT " SESSION_COLUMNS " FROM sessions WHERE "

/* The row of the answer, unless it belongs to another owner. */
static struct err row_take(struct tx *tx, const struct rows *rows, struct bytes owner,
                           bool *ret_found, struct session_row *ret_row) {
    struct session_row row = {.id = 0};
    if (rows != NULL) {
        sessions__borrow(rows, SESSION_WHOLE, &row);
    }
    *ret_found = rows != NULL && (owner.data == NULL || bytes_equal(row.owner, owner));
    if (*ret_found) {
        sessions__copy(tx, &row);
        *ret_row = row;
    }
    return tx_error(tx);
}

struct err sessions__find(struct tx *tx, const struct session_key *key, bool *ret_found,
                          struct session_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, FIND_SQL "session = $1 AND hidden = 0", ARGS(arg_text(key->session)));
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
    struct rows *rows = tx_row(tx, FIND_SQL "id = $1 AND hidden = 0", ARGS(arg_int(id)));
    return row_take(tx, rows, (struct bytes){NULL, 0}, ret_found, ret_row);
}

struct err sessions__find_hidden(struct tx *tx, struct bytes session, int64_t hidden,
                                 bool *ret_found, struct session_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, FIND_SQL "session = $1 AND hidden = $2",
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

void sessions__insert(struct tx *tx, struct session_row *row) {
    row->id = tx_number(tx, "SELECT " IDS_NEXT("sessions"), NO_ARGS, /* absent */ 0);
    map_insert(tx, &session_map, row);
}

void sessions__set_hidden(struct tx *tx, const struct session_row *row, int64_t hidden) {
    const struct session_row set = {.id = row->id, .hidden = hidden, .changed_ms = tx_now_ms(tx)};
    map_update(tx, &session_map, SESSION_SIGHT, &set);
}

void sessions__empty(struct tx *tx, struct session_row *row) {
    row->title = row->model = row->agent = row->root = row->instructions = BYTES("");
    row->metadata = row->settings = BYTES("{}");
    row->title_by = TITLE_NONE;
    map_update(tx, &session_map, SESSION_TEXTS, row);
}

void sessions__write(struct tx *tx, struct session_row *row) {
    row->changed_ms = tx_now_ms(tx);
    map_update(tx, &session_map, SESSION_OWN, row);
}

struct err sessions__set_state(struct tx *tx, enum session_state state, struct session_row *row) {
    if (row->state == state) {
        return ERR_OK;
    }
    row->state = state;
    row->changed_ms = tx_now_ms(tx);
    map_update(tx, &session_map, SESSION_STATE, row);
    return sessions__tell_project(tx, row, BYTES("session_state"));
}

struct err sessions__touch(struct tx *tx, struct session_row *row) {
    row->changed_ms = tx_now_ms(tx);
    map_update(tx, &session_map, SESSION_TIME, row);
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

struct err sessions__add_usage(struct tx *tx, const struct session_usage *usage,
                               struct session_row *row) {
    struct arg args[1 + SESSION_USAGE_NUMBERS] = {arg_int(row->id)};
    usage_args(usage, &args[1]);
    session_usage_add(&row->usage, usage);
    tx_do(tx,
          "UPDATE sessions SET calls = calls + $2, fresh = fresh + $3,"
          " cache_read = cache_read + $4, cache_write = cache_write + $5, output = output + $6,"
          " reasoning = reasoning + $7, cost_micros = cost_micros + $8,"
          " cost_unknown = cost_unknown + $9 WHERE id = $1",
          args, COUNT_OF(args));
    return tx_error(tx);
}

struct err sessions__set_context(struct tx *tx, const struct session_context *context,
                                 struct session_row *row) {
    row->context_used = context->used;
    row->context_window = context->window;
    map_update(tx, &session_map, SESSION_FULL, row);
    return tx_error(tx);
}
