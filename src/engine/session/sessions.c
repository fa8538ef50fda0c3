/* sessions.c: a session is made, found, listed and changed; its rows, and its events.
 *
 * session:ID has what happens in the session, for a client that shows it; owner:NAME and
 * project:NAME have its row as lists show it, whenever that changes.
 */
#include "engine/base/follow.h"
#include "engine/base/ids.h"
#include "engine/inbox/bind.h"
#include "engine/project/projects.h"
#include "engine/run/rows.h"
#include "engine/session/checkpoints.h"
#include "engine/session/rows.h"
#include "engine/trace/usage_totals.h"

enum {
    DATA_MAX = 4 << 10,
    /* Cuts of events beyond the retention when a turn ends; the pruner's next round cuts the rest.
     */
    CUTS_MAX = 8,
};

/* --- Rows ------------------------------------------------------------------------------------- */

void sessions__borrow(const struct rows *rows, enum resource_form form,
                      struct session_row *ret_row) {
    *ret_row = (struct session_row){.state = SESSION_IDLE,
                                    .title_by = TITLE_NONE,
                                    .settings = BYTES("{}"),
                                    .instructions = BYTES(""),
                                    .program = BYTES(""),
                                    .path = BYTES(""),
                                    .config_dir = BYTES(""),
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
        " AND hidden = 0 ORDER BY id DESC LIMIT 1",
        ARGS(arg_text(what->owner), arg_text(what->agent), arg_text(what->root)));
    *ret_found = id != 0 && sessions__find_id(tx, id, ret_row);
    return tx_error(tx);
}

/* 1: a run of that key waits at a gate. */
#define QUEUED_SQL(owner, key)                                                                     \
    "COALESCE((SELECT 1 FROM runs WHERE runs.owner = " owner " AND runs.run_key = " key            \
    " AND runs.run_key <> '' AND runs.gate <> '' AND runs.ended_ms IS NULL LIMIT 1), 0)"

/* At most one turn of a session has begun and not ended: gate "". The turn of a session that is
 * idle has not begun, so a gate holds it. */
static struct err session_shown(struct tx *tx, enum run_hold hold, bool queued,
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
    return session_shown(tx, hold, queued, io_row);
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

/* Time of a client's archiving: always another one than that. */
static int64_t archive_ms(const struct tx *tx, const struct session_row *row) {
    return tx_now_ms(tx) + (tx_now_ms(tx) == row->made_ms ? 1 : 0);
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
 * approval_changed, which has texts of the model, right behind its id. Each begins with an id, and
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

void sessions__tell_deleted(struct tx *tx, const struct session_row *row) {
    const struct append last = {.owner = row->owner,
                                .stream = sessions__stream(tx, row),
                                .type = BYTES("deleted"),
                                .data = BYTES("{}"),
                                .last = true};
    event_append(tx, &last);
    if (!row_unlisted(row)) {
        changed_tell(tx, row, NULL /* removed */);
    }
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

/* --- Made and found --------------------------------------------------------------------------- */

static struct bytes text_or(struct bytes text, struct bytes absent) {
    return text.data == NULL ? absent : text;
}

struct err tx_session_create(struct tx *tx, const struct session_new *what,
                             struct session_row *ret_row) {
    struct session_row parent = {.parent_name = BYTES("")};
    if (what->parent.len > 0) {
        const struct session_key key = {.owner = what->owner, .session = what->parent};
        TRY(sessions__get(tx, &key, "sessions: parent", &parent));
    }
    struct project project;
    const struct bytes name = what->project.data != NULL ? what->project
                              : what->folder.len > 0 ? tx_project_of(tx, what->owner, what->folder)
                                                     : BYTES(SESSION_PROJECT_DEFAULT);
    /* A program, and an agent of another session, have theirs from elsewhere. */
    const bool plain = what->program.len == 0 && what->parent.len == 0;
    tx_project_use(tx, what->owner, name, &project);
    struct session_row row = {
        .session = tx_copy(tx, bytes_of(what->session.text)), /* It outlives the caller's id. */
        .owner = what->owner,
        .project = name,
        .parent = parent.id,
        .parent_name = what->parent.len > 0 ? parent.session : BYTES(""),
        .depth = what->parent.len > 0 ? parent.depth + 1 : 0,
        .version = 1,
        .state = SESSION_IDLE,
        .made_ms = tx_now_ms(tx),
        .changed_ms = tx_now_ms(tx),
        .archived_ms = what->archived ? tx_now_ms(tx) : 0,
        .title = text_or(what->title, BYTES("")),
        .title_by = what->title.len > 0 ? TITLE_USER : TITLE_NONE,
        .model = what->model.len > 0 || !plain ? text_or(what->model, BYTES("")) : project.model,
        .agent = text_or(what->agent, BYTES("")),
        .root = what->root.len > 0 || !plain ? text_or(what->root, BYTES("")) : project.root,
        .forked_from = BYTES(""),
        .fork_name = BYTES(""),
        .metadata = text_or(what->metadata, BYTES("{}")),
        .settings = text_or(what->settings, BYTES("{}")),
        .instructions = text_or(what->instructions, BYTES("")),
        .program = text_or(what->program, BYTES("")),
        .path = text_or(what->path, BYTES("")),
        .config_dir = text_or(what->config_dir, BYTES("")),
        .native.reader = BYTES(""),
    };
    sessions__insert(tx, &row);
    if (what->adopted != NULL) {
        sessions__adopt(tx, what->adopted, &row);
    }
    sessions__tell_created(tx, &row);
    if (what->main) {
        tx_do(tx, "UPDATE sessions SET main = 1 WHERE id = $1", ARGS(arg_int(row.id)));
    }
    *ret_row = row;
    return tx_error(tx);
}

/* The last column spares a query for each row, which is a round trip in PostgreSQL. */
#define PAGE_COLUMNS "*, " QUEUED_SQL("sessions.owner", "'session:' || sessions.session")
/* Each statement has an index in the order of the list. */
#define PAGE_SQL(project, archived)                                                                \
    "SELECT " PAGE_COLUMNS " FROM sessions"                                                        \
    " WHERE owner = $1 AND parent = $2 AND " project " AND changed_ms >= $6"                       \
    " AND (changed_ms, id) < ($4, $5) AND hidden = 0 AND archived_ms " archived                    \
    " ORDER BY changed_ms DESC, id DESC LIMIT $7"

static const char *const page_sql[2][2] = {
    {PAGE_SQL("$3 = ''", "IS NULL"), PAGE_SQL("$3 = ''", "IS NOT NULL")},
    {PAGE_SQL("project = $3", "IS NULL"), PAGE_SQL("project = $3", "IS NOT NULL")}};

/* Lists that are led by something else than the project compare that, and the agent. */
#define LED_SQL(leads, archived)                                                                   \
    "SELECT " PAGE_COLUMNS " FROM sessions"                                                        \
    " WHERE owner = $1 AND " leads " AND parent = $2 AND ($3 = '' OR project = $3)"                \
    " AND changed_ms >= $6 AND (changed_ms, id) < ($4, $5) AND hidden = 0"                         \
    " AND archived_ms " archived " ORDER BY changed_ms DESC, id DESC LIMIT $7"

#define AGENT_SQL(archived) LED_SQL("agent = $8 AND agent <> ''", archived)
#define FORKS_SQL(archived)                                                                        \
    LED_SQL("fork_of = $8 AND fork_of <> 0 AND ($9 = '' OR agent = $9)", archived)

static const char *const agent_sql[2] = {AGENT_SQL("IS NULL"), AGENT_SQL("IS NOT NULL")};
static const char *const forks_sql[2] = {FORKS_SQL("IS NULL"), FORKS_SQL("IS NOT NULL")};

/* id of the session that a list is about; 0: none was named. */
static struct err page_about(struct tx *tx, const struct session_page *page, struct bytes session,
                             int64_t *ret_id) {
    struct session_row row = {.id = 0};
    const struct session_key key = {.owner = page->owner, .session = session};
    const struct err err =
        session.len > 0 ? sessions__get(tx, &key, "sessions: list", &row) : ERR_OK;
    *ret_id = row.id;
    return err;
}

struct err tx_session_each(struct tx *tx, const struct session_page *page, session_fn each,
                           void *ctx) {
    int64_t parent = 0, fork_of = 0;
    struct err err = page_about(tx, page, page->parent, &parent);
    err = err_failed(err) ? err : page_about(tx, page, page->fork_of, &fork_of);
    if (err_failed(err)) {
        return err;
    }
    bool start = page->after.id == 0;
    const struct arg args[] = {arg_text(page->owner),
                               arg_int(parent),
                               arg_text(page->project),
                               arg_int(start ? INT64_MAX : page->after.changed_ms),
                               arg_int(start ? INT64_MAX : page->after.id),
                               arg_int(page->since_ms),
                               arg_int(page->limit),
                               fork_of != 0 ? arg_int(fork_of) : arg_text(page->agent),
                               arg_text(page->agent)};
    const unsigned archived = page->archived ? 1 : 0;
    const char *plain_sql = page_sql[page->project.len > 0 ? 1 : 0][archived];
    const size_t unused = fork_of != 0 ? 0 : page->agent.len > 0 ? 1 : 2;
    const char *sql = fork_of != 0          ? forks_sql[archived]
                      : page->agent.len > 0 ? agent_sql[archived]
                                            : plain_sql;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, tx_resource_sql(tx, &session_resource, RESOURCE_LISTED, sql),
                                args, COUNT_OF(args) - unused);
    const int queued = (int)resource_columns(&session_resource, RESOURCE_LISTED);
    while (!err_failed(err) && rows_step(rows)) {
        struct session_row row;
        sessions__borrow(rows, RESOURCE_LISTED, &row);
        err = session_shown(tx, page->hold, rows_int(rows, queued) != 0, &row);
        if (!err_failed(err)) {
            err = each(ctx, &row);
        }
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* --- Changes ---------------------------------------------------------------------------------- */

static void tell_renamed(struct tx *tx, const struct session_row *row) {
    AUTO(text_done) struct text data = text_up_to(6 * SESSION_TITLE_MAX + 100);
    text_add_char(&data, '{');
    text_add_member(&data, "title", row->title);
    text_add_member(&data, "by", bytes_of(title_by_names[row->title_by]));
    text_add_member_int(&data, "version", row->version);
    text_add_char(&data, '}');
    sessions__event_text(tx, row, BYTES("session_renamed"), &data);
    row_changed(tx, row);
}

/* Whether the text is another one now. */
static bool text_replace(struct bytes given, struct bytes *text) {
    bool other = given.data != NULL && !bytes_equal(given, *text);
    *text = other ? given : *text;
    return other;
}

/* A model that follows a program is that of the project, unless one is named. */
static struct bytes model_next(struct tx *tx, const struct session_change *change,
                               const struct session_row *row) {
    struct project project;
    if (change->program.data == NULL || change->program.len > 0 || change->model.data != NULL) {
        return change->model;
    }
    tx_project_use(tx, row->owner, row->project, &project);
    return project.model;
}

/* A program that begins has read nothing: its first prompt has the conversation so far. */
static void program_write(struct tx *tx, struct bytes program, struct session_row *row) {
    if (program.data != NULL) {
        row->program = program;
        row->native = (struct session_native){.reader = BYTES("")};
        tx_row_update(tx, &session_resource, SESSION_ANSWER, row);
        sessions__set_native(tx, row);
    }
}

struct err tx_session_change(struct tx *tx, const struct session_change *change,
                             struct session_row *ret_row) {
    struct session_row row;
    TRY(sessions__get(tx, &change->key, "sessions: change", &row));
    *ret_row = row;
    if (change->version != 0 && change->version != row.version) {
        return err_make(ERR_CONFLICT, "sessions: version");
    }
    const struct bytes model = model_next(tx, change, &row);
    const struct {
        struct bytes given;
        struct bytes *text;
    } pairs[] = {{model, &row.model},
                 {change->agent, &row.agent},
                 {change->root, &row.root},
                 {change->instructions, &row.instructions},
                 {change->settings, &row.settings},
                 {change->metadata, &row.metadata}};
    const bool another = model.data != NULL && !bytes_equal(model, row.model);
    bool renamed = text_replace(change->title, &row.title), other = false;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        other = text_replace(pairs[i].given, pairs[i].text) || other;
    }
    if (change->archive != SESSION_ARCHIVE_KEEP &&
        (row.archived_ms != 0) != (change->archive == SESSION_ARCHIVE)) {
        row.archived_ms = row.archived_ms != 0 ? 0 : archive_ms(tx, &row);
        other = true;
    }
    /* A title that the user confirms is the user's from then on. */
    enum title_by by = row.title.len > 0 ? TITLE_USER : TITLE_NONE;
    renamed = renamed || (change->title.data != NULL && row.title_by != by);
    if (renamed || other) {
        row.title_by = renamed ? by : row.title_by;
        row.version++;
        row.changed_ms = tx_now_ms(tx);
        tx_row_update(tx, &session_resource, SESSION_OWN, &row);
    }
    program_write(tx, change->program, &row);
    if (another) { /* The first call tells the window of the new model. */
        row.context_window = 0;
        sessions__weigh_context(tx, &row);
    }
    if (renamed) {
        tell_renamed(tx, &row);
    }
    if (other) { /* A client that shows the session reads it again. */
        AUTO(text_done) struct text data = text_up_to(100);
        text_add_char(&data, '{');
        text_add_member_int(&data, "version", row.version);
        text_add_member_bool(&data, "archived", row.archived_ms != 0);
        text_add_char(&data, '}');
        sessions__event_text(tx, &row, BYTES("session_changed"), &data);
        row_changed(tx, &row);
    }
    /* Another model may do what the one before could not. */
    const struct inbox_receiver receiver = {
        .owner = row.owner, .address = row.session, .kind = RECEIVER_SESSION};
    for (bool more = model.data != NULL; more;) {
        more = tx_inbox_unhold(tx, &receiver);
    }
    *ret_row = row;
    return tx_error(tx);
}

struct err tx_session_give_title(struct tx *tx, const struct session_key *key, struct bytes title,
                                 bool *ret_given) {
    struct session_row row;
    *ret_given = sessions__find(tx, key, &row) && row.title_by == TITLE_NONE && title.len > 0;
    if (!*ret_given) {
        return tx_error(tx);
    }
    tx_do(tx,
          "UPDATE sessions SET title = $2, title_by = 'auto', version = version + 1"
          " WHERE id = $1 AND title_by = ''",
          ARGS(arg_int(row.id), arg_text(title)));
    row.title = title;
    row.title_by = TITLE_AUTO;
    row.version++;
    tell_renamed(tx, &row);
    return tx_error(tx);
}
