/* sessions.c: a session is made, found, listed and changed. */
#include "engine/inbox/bind.h"
#include "engine/session/rows.h"

/* --- Made and found --------------------------------------------------------------------------- */

static struct bytes text_or(struct bytes text, struct bytes absent) {
    return text.data == NULL ? absent : text;
}

struct err tx_session_create(struct tx *tx, const struct session_new *what,
                             struct session_row *ret_row) {
    struct session_row parent = {.parent_name = BYTES("")};
    if (what->parent.len > 0) {
        const struct session_key key = {.owner = what->owner, .session = what->parent};
        struct err err = sessions__get(tx, &key, "sessions: parent", &parent);
        if (err_failed(err)) {
            return err;
        }
    }
    struct session_row row = {
        .session = tx_copy(tx, bytes_of(what->session.text)), /* It outlives the caller's id. */
        .owner = what->owner,
        .project = text_or(what->project, BYTES(SESSION_PROJECT_DEFAULT)),
        .parent = parent.id,
        .parent_name = what->parent.len > 0 ? parent.session : BYTES(""),
        .depth = what->parent.len > 0 ? parent.depth + 1 : 0,
        .version = 1,
        .state = SESSION_IDLE,
        .made_ms = tx_now_ms(tx),
        .changed_ms = tx_now_ms(tx),
        .title = text_or(what->title, BYTES("")),
        .title_by = what->title.len > 0 ? TITLE_USER : TITLE_NONE,
        .model = text_or(what->model, BYTES("")),
        .agent = text_or(what->agent, BYTES("")),
        .root = text_or(what->root, BYTES("")),
        .forked_from = BYTES(""),
        .metadata = text_or(what->metadata, BYTES("{}")),
        .settings = text_or(what->settings, BYTES("{}")),
        .instructions = text_or(what->instructions, BYTES("")),
    };
    sessions__insert(tx, &row);
    sessions__tell_created(tx, &row);
    *ret_row = row;
    return tx_error(tx);
}

struct err tx_session_find(struct tx *tx, const struct session_key *key, bool *ret_found,
                           struct session_row *ret_row) {
    return sessions__find(tx, key, ret_found, ret_row);
}

/* Each statement has an index in the order of the list. */
#define PAGE_SQL(project, archived)                                                                \
    "SELECT " SESSION_COLUMNS_LIGHT " FROM sessions"                                               \
    " WHERE owner = $1 AND parent = $2 AND " project " AND changed_ms >= $6"                       \
    " AND (changed_ms, id) < ($4, $5) AND hidden = 0 AND archived_ms " archived                    \
    " ORDER BY changed_ms DESC, id DESC LIMIT $7"

static const char *const page_sql[2][2] = {
    {PAGE_SQL("$3 = ''", "IS NULL"), PAGE_SQL("$3 = ''", "IS NOT NULL")},
    {PAGE_SQL("project = $3", "IS NULL"), PAGE_SQL("project = $3", "IS NOT NULL")}};

struct err tx_session_each(struct tx *tx, const struct session_page *page, session_fn each,
                           void *ctx) {
    struct session_row parent = {.id = 0};
    if (page->parent.len > 0) {
        const struct session_key key = {.owner = page->owner, .session = page->parent};
        struct err err = sessions__get(tx, &key, "sessions: parent", &parent);
        if (err_failed(err)) {
            return err;
        }
    }
    bool start = page->after.id == 0;
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, page_sql[page->project.len > 0 ? 1 : 0][page->archived ? 1 : 0],
                ARGS(arg_text(page->owner), arg_int(parent.id), arg_text(page->project),
                     arg_int(start ? INT64_MAX : page->after.changed_ms),
                     arg_int(start ? INT64_MAX : page->after.id), arg_int(page->since_ms),
                     arg_int(page->limit)));
    struct err err = ERR_OK;
    while (!err_failed(err) && rows_step(rows)) {
        struct session_row row;
        sessions__borrow(rows, SESSION_LIGHT, &row);
        err = tx_session_shown(tx, page->hold, &row);
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
    text_add_member(&data, "by", bytes_of(title_by_name(row->title_by)));
    text_add_member_int(&data, "version", row->version);
    text_add_char(&data, '}');
    sessions__event_text(tx, row, BYTES("session_renamed"), &data);
    sessions__tell_project(tx, row, BYTES("session_renamed"));
}

/* Another change by a client: a client that shows the session reads it again. */
static void tell_changed(struct tx *tx, const struct session_row *row) {
    AUTO(text_done) struct text data = text_up_to(100);
    text_add_char(&data, '{');
    text_add_member_int(&data, "version", row->version);
    text_add_member_bool(&data, "archived", row->archived_ms != 0);
    text_add_char(&data, '}');
    sessions__event_text(tx, row, BYTES("session_changed"), &data);
    sessions__tell_project(tx, row, BYTES("session_changed"));
}

/* Whether the text is another one now. */
static bool text_replace(struct bytes given, struct bytes *text) {
    bool other = given.data != NULL && !bytes_equal(given, *text);
    *text = other ? given : *text;
    return other;
}

static void change_apply(struct tx *tx, const struct session_change *change,
                         struct session_row *row) {
    const struct {
        struct bytes given;
        struct bytes *text;
    } pairs[] = {{change->model, &row->model},       {change->agent, &row->agent},
                 {change->root, &row->root},         {change->instructions, &row->instructions},
                 {change->settings, &row->settings}, {change->metadata, &row->metadata}};
    bool renamed = text_replace(change->title, &row->title), other = false;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        other = text_replace(pairs[i].given, pairs[i].text) || other;
    }
    if (change->archive != SESSION_ARCHIVE_KEEP &&
        (row->archived_ms != 0) != (change->archive == SESSION_ARCHIVE)) {
        row->archived_ms = row->archived_ms != 0 ? 0 : tx_now_ms(tx);
        other = true;
    }
    /* A title that the user confirms is the user's from then on. */
    enum title_by by = row->title.len > 0 ? TITLE_USER : TITLE_NONE;
    renamed = renamed || (change->title.data != NULL && row->title_by != by);
    if (!renamed && !other) {
        return;
    }
    row->title_by = renamed ? by : row->title_by;
    row->version++;
    sessions__write(tx, row);
    if (renamed) {
        tell_renamed(tx, row);
    }
    if (other) {
        tell_changed(tx, row);
    }
}

struct err tx_session_change(struct tx *tx, const struct session_change *change,
                             struct session_row *ret_row) {
    struct session_row row;
    struct err err = sessions__get(tx, &change->key, "sessions: change", &row);
    if (err_failed(err)) {
        return err;
    }
    if (change->version != 0 && change->version != row.version) {
        *ret_row = row;
        return err_make(ERR_CONFLICT, "sessions: version");
    }
    change_apply(tx, change, &row);
    err = tx_error(tx);
    /* Another model may do what the one before could not. */
    const struct inbox_receiver receiver = {
        .owner = row.owner, .address = row.session, .kind = RECEIVER_SESSION};
    bool more = change->model.data != NULL;
    while (!err_failed(err) && more) {
        err = tx_inbox_unhold(tx, &receiver, &more);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err tx_session_give_title(struct tx *tx, const struct session_key *key, struct bytes title,
                                 bool *ret_given) {
    bool found = false;
    struct session_row row;
    struct err err = sessions__find(tx, key, &found, &row);
    *ret_given = !err_failed(err) && found && row.title_by == TITLE_NONE && title.len > 0;
    if (!*ret_given) {
        return err;
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
