/* rows.c: rows of sessions, and their events.
 *
 * session:ID has what happens in the session, for a client that shows it; owner:NAME and
 * project:NAME have its row as lists show it, whenever that changes.
 */
#include "engine/session/rows.h"

#include "engine/base/follow.h"
#include "engine/base/ids.h"
#include "engine/project/projects.h"
#include "engine/run/rows.h"
#include "engine/trace/usage_totals.h"
#include "rules/session/title.h"

enum {
    DATA_MAX = 4 << 10,
    /* Cuts of events beyond the retention when a turn ends; the pruner's next round cuts the rest.
     */
    CUTS_MAX = 8,
};

void sessions__borrow(const struct rows *rows, enum resource_form form,
                      struct session_row *ret_row) {
    *ret_row = (struct session_row){.state = SESSION_IDLE,
                                    .title_by = TITLE_NONE,
                                    .settings = BYTES("{}"),
                                    .instructions = BYTES(""),
                                    .program = BYTES(""),
                                    .worktree = BYTES(""),
                                    .path = BYTES(""),
                                    .config_dir = BYTES(""),
                                    .last = BYTES(""),
                                    .native.reader = BYTES("")};
    bool known = resource_row_fill(&session_resource, form, rows, ret_row);
    (void)known; /* Nothing is decided by words that are not: the next turn writes the state, and a
                  * title of an unknown maker may be replaced. */
}

void sessions__copy(struct tx *tx, struct session_row *row) {
    tx_resource_copy(tx, &session_resource, row);
}

#define ANY_OWNER ((struct bytes){NULL, 0})
#define FIND_SQL "SELECT * FROM sessions WHERE "

/* The row, unless it belongs to another owner. */
static bool row_find(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                     struct bytes owner, struct session_row *ret_row) {
    const char *text = tx_resource_sql(tx, &session_resource, RESOURCE_WHOLE, sql);
    AUTO(rows_release) struct rows *rows = tx_row(tx, text, args, count);
    struct session_row row;
    if (rows == NULL) {
        return false;
    }
    sessions__borrow(rows, RESOURCE_WHOLE, &row);
    if (owner.data != NULL && !bytes_equal(row.owner, owner)) {
        return false;
    }
    sessions__copy(tx, &row);
    *ret_row = row;
    return !err_failed(tx_error(tx));
}

bool sessions__find(struct tx *tx, const struct session_key *key, struct session_row *ret_row) {
    return row_find(tx, FIND_SQL "session = $1 AND hidden = 0", ARGS(arg_text(key->session)),
                    key->owner, ret_row);
}

struct err tx_session_find(struct tx *tx, const struct session_key *key, bool *ret_found,
                           struct session_row *ret_row) {
    *ret_found = sessions__find(tx, key, ret_row);
    return tx_error(tx);
}

struct err sessions__get(struct tx *tx, const struct session_key *key, const char *step,
                         struct session_row *ret_row) {
    const bool found = sessions__find(tx, key, ret_row);
    return found || err_failed(tx_error(tx)) ? tx_error(tx) : err_make(ERR_NOT_FOUND, step);
}

bool sessions__find_id(struct tx *tx, int64_t id, struct session_row *ret_row) {
    return row_find(tx, FIND_SQL "id = $1 AND hidden = 0", ARGS(arg_int(id)), ANY_OWNER, ret_row);
}

bool sessions__find_hidden(struct tx *tx, struct bytes session, int64_t hidden,
                           struct session_row *ret_row) {
    return row_find(tx, FIND_SQL "session = $1 AND hidden = $2",
                    ARGS(arg_text(session), arg_int(hidden)), ANY_OWNER, ret_row);
}

struct err tx_session_main(struct tx *tx, const struct session_main *what, bool *ret_found,
                           struct session_row *ret_row) {
    const int64_t id = tx_number(
        tx,
        "SELECT id FROM sessions WHERE owner = $1 AND agent = $2 AND root = $3 AND main <> 0"
        " AND hidden = 0 AND deleted_ms IS NULL ORDER BY id DESC LIMIT 1",
        ARGS(arg_text(what->owner), arg_text(what->agent), arg_text(what->root)));
    *ret_found = id != 0 && sessions__find_id(tx, id, ret_row);
    return tx_error(tx);
}

struct err sessions__shown(struct tx *tx, enum run_hold hold, bool queued,
                           struct session_row *io_row) {
    const struct arg args[] = {arg_text(io_row->owner), arg_text(sessions__stream(tx, io_row))};
    if (io_row->state == SESSION_IDLE && queued) {
        io_row->state = SESSION_WAITING;
    }
    if (hold == RUN_FREE ||
        (io_row->state != SESSION_RUNNING && io_row->state != SESSION_COMPACTING)) {
        return tx_error(tx);
    }
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT state, epoch FROM runs WHERE owner = $1 AND run_key = $2"
                               " AND run_key <> '' AND gate = '' AND ended_ms IS NULL LIMIT 1",
                               args, COUNT_OF(args));
    struct run_row turn = {.epoch = rows == NULL ? 0 : rows_int(rows, 1)};
    if (rows != NULL && run_state_find(rows_text(rows, 0), &turn.state)) { /* Else damaged. */
        run_shown(&turn, tx_epoch(tx), hold);
        io_row->state = turn.gate == GATE_HOLD ? SESSION_WAITING : io_row->state;
    }
    return tx_error(tx);
}

struct err tx_session_shown(struct tx *tx, enum run_hold hold, struct session_row *io_row) {
    const struct bytes key = sessions__stream(tx, io_row);
    const bool queued = io_row->state == SESSION_IDLE &&
                        tx_number(tx, "SELECT " QUEUED_SQL("$1", "$2"),
                                  ARGS(arg_text(io_row->owner), arg_text(key))) != 0;
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, "SELECT " LAST_SQL("$1"), ARGS(arg_int(io_row->id)));
    io_row->last = rows == NULL ? BYTES("") : tx_copy(tx, title_last_line(rows_text(rows, 0)));
    rows_release(&rows);
    return sessions__shown(tx, hold, queued, io_row);
}

/* --- Events ----------------------------------------------------------------------------------- */

struct bytes sessions__stream(struct tx *tx, const struct session_row *row) {
    return tx_stream_name(tx, "session:", row->session);
}

bool sessions__find_stream(struct tx *tx, const struct session_row *row,
                           struct stream_state *ret_state) {
    bool found = false;
    *ret_state = (struct stream_state){.stream = 0};
    tx_fail(tx, tx_stream_find(tx, row->owner, sessions__stream(tx, row), &found, ret_state));
    return found;
}

static void event_append(struct tx *tx, const struct append *append) {
    struct appended appended;
    tx_fail(tx, tx_append(tx, append, &appended));
}

void sessions__event(struct tx *tx, const struct session_row *row, struct bytes type,
                     struct bytes data) {
    const struct append append = {
        .owner = row->owner, .stream = sessions__stream(tx, row), .type = type, .data = data};
    event_append(tx, &append);
}

void sessions__event_text(struct tx *tx, const struct session_row *row, struct bytes type,
                          const struct text *data) {
    if (text_failed(data)) {
        tx_fail(tx, text_error(data, "sessions: event"));
    } else {
        sessions__event(tx, row, type, text_bytes(data));
    }
}

struct untell {
    int64_t stream, after, through;
};

/* An agent's of a workflow, until somebody takes it out of the archive: it is in nobody's list, and
 * a step costs no event. A client's session is archived after it was made (tx_session_change). */
static bool row_unlisted(const struct session_row *row) {
    return row->archived_ms != 0 && row->archived_ms == row->made_ms;
}

static void row_changed(struct tx *tx, const struct session_row *row) {
    tx_row_changed(tx, FOLLOW_SESSION, row->id);
}

/* `data` NULL: it was removed. */
static void changed_tell(struct tx *tx, const struct session_row *row, const struct text *data) {
    const struct follow change = {
        .name = "session", .owner = row->owner, .project = row->project, .id = row->session};
    follow_tell(tx, &change, data);
}

void sessions__tell_changed(struct tx *tx, int64_t id) {
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    struct session_row row;
    if (!sessions__find_id(tx, id, &row) || row_unlisted(&row)) { /* Out of sight. */
        return;
    }
    tx_fail(tx, tx_session_shown(tx, RUN_FREE, &row));
    fields_write(&session_shown_fields, FIELD_TOLD, &row, &data);
    changed_tell(tx, &row, &data);
}

/* Events of a page that are about the session, or name it as theirs: run_changed anywhere, and
 * approval_changed, which has texts of the model, right after its id. Each begins with an id, and
 * all ids are equally long. */
static void page_untell(struct tx *tx, const struct session_row *row, const struct untell *page) {
    AUTO(text_done) struct text own = text_up_to(DATA_MAX);
    AUTO(text_done) struct text named = text_up_to(DATA_MAX);
    AUTO(text_done) struct text second = text_up_to(DATA_MAX);
    text_add_char(&own, '{');
    text_add_member(&own, "id", row->session);
    text_addf(&named, "%%\"session\":\"%.*s\"%%", (int)row->session.len, row->session.data);
    text_addf(&second, ",\"session\":\"%.*s\"", (int)row->session.len, row->session.data);
    if (text_failed(&own) || text_failed(&named) || text_failed(&second)) {
        tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "sessions: event"));
        return;
    }
    tx_do(tx,
          "UPDATE events SET data = substr(data, 1, CAST($6 AS INTEGER)) || $7 WHERE stream = $1"
          " AND seq > $2 AND seq <= $3"
          " AND (substr(data, 1, CAST($6 AS INTEGER)) = $4"
          " OR (type = 'run_changed' AND data LIKE $5)"
          " OR substr(data, CAST($6 AS INTEGER) + 1, CAST($8 AS INTEGER)) = $9)",
          ARGS(arg_int(page->stream), arg_int(page->after), arg_int(page->through),
               arg_text(text_bytes(&own)), arg_text(text_bytes(&named)), arg_int((int64_t)own.len),
               arg_text(BYTES(",\"removed\":true}")), arg_int((int64_t)second.len),
               arg_text(text_bytes(&second))));
}

bool sessions__untell(struct tx *tx, const struct session_row *row, int64_t limit) {
    static const struct {
        const char *prefix, *find, *write;
    } streams[] = {{"project:", "SELECT purged_seq FROM sessions WHERE id = $1",
                    "UPDATE sessions SET purged_seq = $2 WHERE id = $1"},
                   {"owner:", "SELECT purged_own_seq FROM sessions WHERE id = $1",
                    "UPDATE sessions SET purged_own_seq = $2 WHERE id = $1"}};
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        const struct bytes of = i == 0 ? row->project : row->owner;
        const struct bytes stream = tx_stream_name(tx, streams[i].prefix, of);
        struct stream_state state = {.stream = 0};
        bool found = false;
        tx_fail(tx, tx_stream_find(tx, row->owner, stream, &found, &state));
        int64_t after = tx_number(tx, streams[i].find, ARGS(arg_int(row->id)));
        after = after > state.floor ? after : state.floor;
        const struct untell page = {.stream = state.stream,
                                    .after = after,
                                    .through =
                                        state.head < after + limit ? state.head : after + limit};
        if (found && after < page.through) {
            page_untell(tx, row, &page);
            tx_do(tx, streams[i].write, ARGS(arg_int(row->id), arg_int(page.through)));
            return true;
        }
    }
    return false;
}

void sessions__tell_created(struct tx *tx, const struct session_row *row) {
    AUTO(text_done) struct text data = text_up_to(DATA_MAX);
    text_add_char(&data, '{');
    text_add_member(&data, "session", row->session);
    text_add_member(&data, "title", row->title);
    text_add_char(&data, '}');
    sessions__event_text(tx, row, BYTES("session_created"), &data);
    row_changed(tx, row);
    const struct retention keep = {.ms = SESSION_EVENTS_KEPT_MS, .events = SESSION_EVENTS_KEPT};
    bool found = false;
    tx_fail(tx, tx_stream_keep(tx, row->owner, sessions__stream(tx, row), keep, &found));
}

void sessions__tell_removed(struct tx *tx, const struct session_row *row) {
    if (!row_unlisted(row)) {
        changed_tell(tx, row, NULL);
    }
}

void sessions__tell_deleted(struct tx *tx, const struct session_row *row) {
    const struct append last = {.owner = row->owner,
                                .stream = sessions__stream(tx, row),
                                .type = BYTES("deleted"),
                                .data = BYTES("{}"),
                                .last = true};
    event_append(tx, &last);
    sessions__tell_removed(tx, row);
}

void sessions__hold_events(struct tx *tx, const struct session_row *row, enum stream_hold hold) {
    const struct stream_name stream = {.owner = row->owner, .name = sessions__stream(tx, row)};
    struct stream_state state;
    tx_fail(tx, tx_stream_hold(tx, &stream, hold));
    bool more = hold == STREAM_RELEASE && sessions__find_stream(tx, row, &state);
    for (int i = 0; i < CUTS_MAX && more; i++) {
        more = false;
        tx_fail(tx, tx_prune_kept(tx, state.stream, &more));
    }
}

void sessions__insert(struct tx *tx, struct session_row *row) {
    row->id = tx_number(tx, "SELECT " IDS_NEXT("sessions"), NO_ARGS);
    tx_row_insert(tx, &session_resource, 0, row);
}

void sessions__set_hidden(struct tx *tx, const struct session_row *row, int64_t hidden) {
    const struct session_row set = {.id = row->id, .hidden = hidden, .changed_ms = tx_now_ms(tx)};
    tx_row_update(tx, &session_resource, SESSION_SIGHT, &set);
}

static bool place_set(struct bytes *place, struct bytes given) {
    bool other = given.len > 0 && !bytes_equal(given, *place);
    *place = other ? given : *place;
    return other;
}

void sessions__set_places(struct tx *tx, const struct client_places *given,
                          struct session_row *row) {
    bool path = place_set(&row->path, given->path);
    if (place_set(&row->config_dir, given->config_dir) || path) {
        tx_row_update(tx, &session_resource, SESSION_PATH, row);
    }
}

void sessions__empty(struct tx *tx, struct session_row *row) {
    row->title = row->model = row->agent = row->root = row->instructions = row->path = BYTES("");
    row->config_dir = row->program = row->native.reader = BYTES("");
    row->metadata = row->settings = BYTES("{}");
    row->title_by = TITLE_NONE;
    tx_row_update(tx, &session_resource, SESSION_TEXTS, row);
}

void sessions__set_state(struct tx *tx, enum session_state state, struct session_row *row) {
    if (row->state != state) {
        row->state = state;
        row->changed_ms = tx_now_ms(tx);
        tx_row_update(tx, &session_resource, SESSION_STATE, row);
        row_changed(tx, row);
    }
}

void sessions__touch(struct tx *tx, struct session_row *row) {
    row->changed_ms = tx_now_ms(tx);
    tx_row_update(tx, &session_resource, SESSION_TIME, row);
    row_changed(tx, row);
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

void sessions__add_usage(struct tx *tx, const struct session_usage *usage,
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
}

void sessions__set_native(struct tx *tx, struct session_row *row) {
    tx_row_update(tx, &session_resource, SESSION_NATIVE, row);
}

void sessions__set_context(struct tx *tx, const struct session_context *context,
                           struct session_row *row) {
    row->context_used = context->used;
    row->context_window = context->window;
    tx_row_update(tx, &session_resource, SESSION_FULL, row);
}
