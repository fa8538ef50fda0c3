/* sessions.c: a session is made, listed and changed. */
#include "engine/base/follow.h"
#include "engine/base/ids.h"
#include "engine/inbox/bind.h"
#include "engine/project/projects.h"
#include "engine/run/rows.h"
#include "engine/session/checkpoints.h"
#include "engine/session/rows.h"
#include "engine/trace/usage_totals.h"
#include "rules/session/title.h"

enum { DATA_MAX = 4 << 10 };

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
        .worktree = BYTES(""),
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

/* The last columns spare queries for each row, which are round trips in PostgreSQL. */
#define PAGE_COLUMNS                                                                               \
    "*, " QUEUED_SQL("sessions.owner",                                                             \
                     "'session:' || sessions.session") ", " LAST_SQL("sessions.id")
/* Each statement has an index in the order of the list. */
#define PAGE_SQL(project, archived)                                                                \
    "SELECT " PAGE_COLUMNS " FROM sessions"                                                        \
    " WHERE owner = $1 AND parent = $2 AND " project " AND changed_ms >= $6"                       \
    " AND (changed_ms, id) < ($4, $5) AND hidden = 0 AND archived_ms " archived                    \
    " ORDER BY changed_ms DESC, id DESC LIMIT $7"

/* By enum session_shelf. */
#define SHELVES(sql)                                                                               \
    {                                                                                              \
        sql("IS NULL"), sql("IS NOT NULL AND deleted_ms IS NULL"),                                 \
            sql("IS NOT NULL AND deleted_ms IS NOT NULL")                                          \
    }
#define ALL_SQL(archived) PAGE_SQL("$3 = ''", archived)
#define PROJECT_SQL(archived) PAGE_SQL("project = $3", archived)

static const char *const page_sql[2][3] = {SHELVES(ALL_SQL), SHELVES(PROJECT_SQL)};

/* Lists that are led by something else than the project compare that, and the agent. */
#define LED_SQL(leads, archived)                                                                   \
    "SELECT " PAGE_COLUMNS " FROM sessions"                                                        \
    " WHERE owner = $1 AND " leads " AND parent = $2 AND ($3 = '' OR project = $3)"                \
    " AND changed_ms >= $6 AND (changed_ms, id) < ($4, $5) AND hidden = 0"                         \
    " AND archived_ms " archived " ORDER BY changed_ms DESC, id DESC LIMIT $7"

#define AGENT_SQL(archived) LED_SQL("agent = $8 AND agent <> ''", archived)
#define FORKS_SQL(archived)                                                                        \
    LED_SQL("fork_of = $8 AND fork_of <> 0 AND ($9 = '' OR agent = $9)", archived)

static const char *const agent_sql[3] = SHELVES(AGENT_SQL), *const forks_sql[3] =
                                                                SHELVES(FORKS_SQL);

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
    const char *plain_sql = page_sql[page->project.len > 0 ? 1 : 0][page->shelf];
    const size_t unused = fork_of != 0 ? 0 : page->agent.len > 0 ? 1 : 2;
    const char *sql = fork_of != 0          ? forks_sql[page->shelf]
                      : page->agent.len > 0 ? agent_sql[page->shelf]
                                            : plain_sql;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, tx_resource_sql(tx, &session_resource, RESOURCE_LISTED, sql),
                                args, COUNT_OF(args) - unused);
    const int queued = (int)resource_columns(&session_resource, RESOURCE_LISTED);
    while (!err_failed(err) && rows_step(rows)) {
        struct session_row row;
        sessions__borrow(rows, RESOURCE_LISTED, &row);
        row.last = tx_copy(tx, title_last_line(rows_text(rows, queued + 1)));
        err = sessions__shown(tx, page->hold, rows_int(rows, queued) != 0, &row);
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
    tx_row_changed(tx, FOLLOW_SESSION, row->id);
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

/* Time of a client's archiving: always another one than that. */
static int64_t archive_ms(const struct tx *tx, const struct session_row *row) {
    return tx_now_ms(tx) + (tx_now_ms(tx) == row->made_ms ? 1 : 0);
}

/* A deleted session is archived, too: it takes the time of its archiving back with it, unless a
 * client had archived it before. True: another state. */
static bool archive_write(const struct tx *tx, const struct session_change *change,
                          struct session_row *row) {
    const bool was = row->archived_ms != 0, is = change->archive == CHANGE_YES;
    const bool deleted = row->deleted_ms != 0, deletes = change->remove == CHANGE_YES;
    if (change->remove != CHANGE_KEEP && deleted != deletes) {
        const int64_t own = row->archived_ms == row->deleted_ms ? 0 : row->archived_ms;
        row->deleted_ms = deletes ? archive_ms(tx, row) : 0;
        row->archived_ms = !deletes ? own : was ? row->archived_ms : row->deleted_ms;
        return true;
    }
    if (change->archive == CHANGE_KEEP || was == is) {
        return false;
    }
    row->archived_ms = is ? archive_ms(tx, row) : 0;
    row->deleted_ms = is ? row->deleted_ms : 0;
    return true;
}

/* The lists of the project before see it leave, those of the other one see it come. */
static bool project_write(struct tx *tx, const struct session_change *change,
                          struct session_row *row) {
    struct project project;
    if (change->project.data == NULL || bytes_equal(change->project, row->project)) {
        return false;
    }
    tx_project_use(tx, row->owner, change->project, &project);
    sessions__tell_removed(tx, row);
    row->project = change->project;
    return true;
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
    const bool restored = row.deleted_ms != 0;
    other = archive_write(tx, change, &row) || other;
    other = project_write(tx, change, &row) || other;
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
        text_add_member_bool(&data, "deleted", row.deleted_ms != 0);
        text_add_char(&data, '}');
        sessions__event_text(tx, &row, BYTES("session_changed"), &data);
        tx_row_changed(tx, FOLLOW_SESSION, row.id);
    }
    /* Another model may do what the one before could not. */
    const struct inbox_receiver receiver = {
        .owner = row.owner, .address = row.session, .kind = RECEIVER_SESSION};
    for (bool more = model.data != NULL; more;) {
        more = tx_inbox_unhold(tx, &receiver);
    }
    if (restored && row.deleted_ms == 0) { /* Notices may have come meanwhile. */
        tx_fail(tx, tx_inbox_offer(tx, &receiver));
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
