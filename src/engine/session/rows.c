/* rows.c: reading and writing one row of a session. */
#include "engine/session/rows.h"

#include <string.h>

#include "base/memory.h"
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

static struct session_usage usage_of(const struct rows *rows) {
    return (struct session_usage){
        .calls = rows_int(rows, COL_CALLS),
        .fresh = rows_int(rows, COL_FRESH),
        .cache_read = rows_int(rows, COL_CACHE_READ),
        .cache_write = rows_int(rows, COL_CACHE_WRITE),
        .output = rows_int(rows, COL_OUTPUT),
        .reasoning = rows_int(rows, COL_REASONING),
        .cost_micros = rows_int(rows, COL_COST),
        .cost_unknown = rows_int(rows, COL_COST_UNKNOWN),
    };
}

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
        .usage = usage_of(rows),
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
    /* Nothing is decided by these words: the next turn writes the state anew, and a title of whom
     * nobody knows may be replaced. */
    if (!session_state_find(rows_text(rows, COL_STATE), &row.state)) {
        row.state = SESSION_IDLE;
    }
    if (!title_by_find(rows_text(rows, COL_TITLE_BY), &row.title_by)) {
        row.title_by = TITLE_NONE;
    }
    *ret_row = row;
}

struct err sessions__keep(struct tx *tx, struct bytes *const texts[], size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *copy =
            texts[i]->len == 0 ? "" : arena_try_copy(tx_arena(tx), texts[i]->data, texts[i]->len);
        if (copy == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "sessions: row");
        }
        texts[i]->data = copy;
    }
    return ERR_OK;
}

struct err sessions__read(struct tx *tx, const struct rows *rows, enum session_form form,
                          struct session_row *ret_row) {
    struct session_row row;
    sessions__borrow(rows, form, &row);
    struct bytes *const texts[] = {
        &row.session,     &row.owner,    &row.project,  &row.parent_name,
        &row.title,       &row.model,    &row.agent,    &row.root,
        &row.forked_from, &row.metadata, &row.settings, &row.instructions,
    };
    struct err err = sessions__keep(tx, texts, COUNT_OF(texts));
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

/* The row of the answer, unless it is another owner's. */
static struct err take(struct tx *tx, struct rows *rows, struct bytes owner, bool *ret_found,
                       struct session_row *ret_row) {
    bool found = rows != NULL;
    if (found && owner.data != NULL) {
        struct bytes whose = rows_text(rows, COL_OWNER);
        found = bytes_equal(whose, owner);
    }
    struct err err = ERR_OK;
    if (found) {
        err = sessions__read(tx, rows, SESSION_WHOLE, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = found;
    }
    return err;
}

struct err sessions__find(struct tx *tx, const struct session_key *key, bool *ret_found,
                          struct session_row *ret_row) {
    static const char sql[] =
        "SELECT " SESSION_COLUMNS SESSION_FROM " WHERE s.session = $1 AND s.hidden = 0";
    const struct arg args[] = {arg_text(key->session)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    return err_failed(err) ? err : take(tx, rows, key->owner, ret_found, ret_row);
}

struct err sessions__find_id(struct tx *tx, int64_t id, bool *ret_found,
                             struct session_row *ret_row) {
    static const char sql[] =
        "SELECT " SESSION_COLUMNS SESSION_FROM " WHERE s.id = $1 AND s.hidden = 0";
    const struct bytes anybody = {NULL, 0};
    const struct arg args[] = {arg_int(id)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    return err_failed(err) ? err : take(tx, rows, anybody, ret_found, ret_row);
}

struct err sessions__find_hidden(struct tx *tx, struct bytes session, int64_t hidden,
                                 bool *ret_found, struct session_row *ret_row) {
    static const char sql[] =
        "SELECT " SESSION_COLUMNS SESSION_FROM " WHERE s.session = $1 AND s.hidden = $2";
    const struct bytes anybody = {NULL, 0};
    const struct arg args[] = {arg_text(session), arg_int(hidden)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    return err_failed(err) ? err : take(tx, rows, anybody, ret_found, ret_row);
}

/* Of a session's turns one at most has begun and not ended: gate "". A session that is idle, or
 * that waits, is so in a daemon that holds, too. */
struct err tx_session_shown(struct tx *tx, enum run_hold hold, struct session_row *io_row) {
    static const char sql[] = "SELECT state, epoch FROM runs WHERE owner = $1 AND run_key = $2"
                              " AND run_key <> '' AND gate = '' AND ended_ms IS NULL LIMIT 1";
    bool works = io_row->state == SESSION_RUNNING || io_row->state == SESSION_COMPACTING;
    if (hold == RUN_FREE || !works) {
        return ERR_OK;
    }
    char stream[SESSION_STREAM_MAX];
    const struct arg args[] = {arg_text(io_row->owner), arg_text(sessions__stream(io_row, stream))};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err) || rows == NULL) {
        return err;
    }
    struct run_row turn = {.epoch = rows_int(rows, 1)};
    if (run_state_find(rows_text(rows, 0), &turn.state)) { /* Else the row is damaged. */
        run_shown(&turn, tx_epoch(tx), hold);
        io_row->state = turn.gate == GATE_HOLD ? SESSION_WAITING : io_row->state;
    }
    return ERR_OK;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static struct err next_id(struct tx *tx, int64_t *ret_id) {
    const struct run_ask ask = {.sql = "SELECT " IDS_NEXT("sessions")};
    return runs__int(tx, &ask, ret_id);
}

struct err sessions__insert(struct tx *tx, int64_t hidden, struct session_row *row) {
    static const char sql[] =
        "INSERT INTO sessions (id, session, owner, project, parent, depth, hidden, version, state,"
        " archived_ms, made_ms, changed_ms, title, title_by, model, agent, root, forked_from,"
        " metadata, settings, instructions) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL, $10,"
        " $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
    int64_t id = 0;
    struct err err = next_id(tx, &id);
    if (err_failed(err)) {
        return err;
    }
    row->id = id;
    const struct arg args[] = {
        arg_int(id),
        arg_text(row->session),
        arg_text(row->owner),
        arg_text(row->project),
        arg_int(row->parent),
        arg_int(row->depth),
        arg_int(hidden),
        arg_int(row->version),
        runs__name(session_state_name(row->state)),
        arg_int(row->made_ms),
        arg_text(row->title),
        runs__name(title_by_name(row->title_by)),
        arg_text(row->model),
        arg_text(row->agent),
        arg_text(row->root),
        arg_text(row->forked_from),
        arg_text(row->metadata),
        arg_text(row->settings),
        arg_text(row->instructions),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err sessions__set_hidden(struct tx *tx, const struct session_row *row, int64_t hidden) {
    const struct arg args[] = {arg_int(row->id), arg_int(hidden), arg_int(tx_now_ms(tx))};
    return tx_exec(tx, "UPDATE sessions SET hidden = $2, changed_ms = $3 WHERE id = $1", args,
                   COUNT_OF(args), NULL /* one row, always */);
}

struct err sessions__empty(struct tx *tx, struct session_row *row) {
    static const char sql[] =
        "UPDATE sessions SET title = '', title_by = '', model = '', agent = '', root = '',"
        " metadata = '{}', settings = '{}', instructions = '' WHERE id = $1";
    const struct arg args[] = {arg_int(row->id)};
    row->title = row->model = row->agent = row->root = row->instructions = BYTES("");
    row->metadata = row->settings = BYTES("{}");
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err sessions__write(struct tx *tx, struct session_row *row) {
    static const char sql[] =
        "UPDATE sessions SET version = $2, archived_ms = $3, changed_ms = $4, title = $5,"
        " title_by = $6, model = $7, agent = $8, root = $9, metadata = $10, settings = $11,"
        " instructions = $12 WHERE id = $1";
    row->changed_ms = tx_now_ms(tx);
    const struct arg args[] = {
        arg_int(row->id),
        arg_int(row->version),
        row->archived_ms == 0 ? arg_null() : arg_int(row->archived_ms),
        arg_int(row->changed_ms),
        arg_text(row->title),
        runs__name(title_by_name(row->title_by)),
        arg_text(row->model),
        arg_text(row->agent),
        arg_text(row->root),
        arg_text(row->metadata),
        arg_text(row->settings),
        arg_text(row->instructions),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err sessions__set_state(struct tx *tx, enum session_state state, struct session_row *row) {
    if (row->state == state) {
        return ERR_OK;
    }
    row->state = state;
    row->changed_ms = tx_now_ms(tx);
    const struct arg args[] = {arg_int(row->id), runs__name(session_state_name(state)),
                               arg_int(row->changed_ms)};
    struct err err = tx_exec(tx, "UPDATE sessions SET state = $2, changed_ms = $3 WHERE id = $1",
                             args, COUNT_OF(args), NULL /* one row, always */);
    return err_failed(err) ? err : sessions__tell_project(tx, row, BYTES("session_state"));
}

struct err sessions__touch(struct tx *tx, struct session_row *row) {
    row->changed_ms = tx_now_ms(tx);
    const struct arg args[] = {arg_int(row->id), arg_int(row->changed_ms)};
    return tx_exec(tx, "UPDATE sessions SET changed_ms = $2 WHERE id = $1", args, COUNT_OF(args),
                   NULL /* one row, always */);
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
    static const char sql[] =
        "UPDATE sessions SET calls = calls + $2, fresh = fresh + $3, cache_read = cache_read + $4,"
        " cache_write = cache_write + $5, output = output + $6, reasoning = reasoning + $7,"
        " cost_micros = cost_micros + $8, cost_unknown = cost_unknown + $9 WHERE id = $1";
    const struct arg args[] = {
        arg_int(row->id),           arg_int(usage->calls),       arg_int(usage->fresh),
        arg_int(usage->cache_read), arg_int(usage->cache_write), arg_int(usage->output),
        arg_int(usage->reasoning),  arg_int(usage->cost_micros), arg_int(usage->cost_unknown),
    };
    sessions__add_sums(usage, &row->usage);
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

struct err sessions__set_context(struct tx *tx, const struct session_context *context,
                                 struct session_row *row) {
    static const char sql[] =
        "UPDATE sessions SET context_used = $2, context_window = $3 WHERE id = $1";
    row->context_used = context->used;
    row->context_window = context->window;
    const struct arg args[] = {arg_int(row->id), arg_int(context->used), arg_int(context->window)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}
