/* sessions.c: a session is made, found and changed. */
#include "engine/session/sessions.h"

#include <string.h>

#include "base/memory.h"
#include "engine/inbox/bind.h"
#include "engine/session/rows.h"

bool session_project_valid(struct bytes project) {
    if (project.len == 0 || project.len > SESSION_PROJECT_MAX) {
        return false;
    }
    for (size_t i = 0; i < project.len; i++) {
        char c = project.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (i == 0 || (c != '_' && c != '.' && c != '-'))) {
            return false;
        }
    }
    return true;
}

static struct bytes or_else(struct bytes text, struct bytes absent) {
    return text.data == NULL ? absent : text;
}

static struct err find_parent(struct tx *tx, const struct session_new *what,
                              struct session_row *row) {
    const struct session_key key = {.owner = what->owner, .session = what->parent};
    bool found = false;
    struct session_row parent;
    struct err err = sessions__find(tx, &key, &found, &parent);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "sessions: parent");
    }
    if (!err_failed(err)) {
        row->parent = parent.id;
        row->parent_name = parent.session;
        row->depth = parent.depth + 1;
    }
    return err;
}

/* What a row borrows must outlive the function: the id stands in the caller's memory by value. */
static struct err new_row(struct tx *tx, const struct session_new *what,
                          struct session_row *ret_row) {
    const struct bytes none = {"", 0}, empty = BYTES("{}");
    struct session_row row = {
        .session = {what->session.text, strlen(what->session.text)},
        .owner = what->owner,
        .project = or_else(what->project, BYTES(SESSION_PROJECT_DEFAULT)),
        .parent_name = none,
        .version = 1,
        .state = SESSION_IDLE,
        .made_ms = tx_now_ms(tx),
        .changed_ms = tx_now_ms(tx),
        .title = or_else(what->title, none),
        .model = or_else(what->model, none),
        .agent = or_else(what->agent, none),
        .root = or_else(what->root, none),
        .forked_from = none,
        .metadata = or_else(what->metadata, empty),
        .settings = or_else(what->settings, empty),
        .instructions = or_else(what->instructions, none),
    };
    row.title_by = row.title.len > 0 ? TITLE_USER : TITLE_NONE;
    struct bytes *const texts[] = {&row.session};
    struct err err = sessions__keep(tx, texts, COUNT_OF(texts));
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err tx_session_create(struct tx *tx, const struct session_new *what,
                             struct session_row *ret_row) {
    struct session_row row;
    struct err err = new_row(tx, what, &row);
    if (!err_failed(err) && what->parent.len > 0) {
        err = find_parent(tx, what, &row);
    }
    if (!err_failed(err)) {
        err = sessions__insert(tx, 0 /* in sight */, &row);
    }
    if (!err_failed(err)) {
        err = sessions__tell_created(tx, &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err tx_session_find(struct tx *tx, const struct session_key *key, bool *ret_found,
                           struct session_row *ret_row) {
    return sessions__find(tx, key, ret_found, ret_row);
}

/* --- Changes ---------------------------------------------------------------------------------- */

static struct err tell_renamed(struct tx *tx, const struct session_row *row) {
    AUTO(text_done) struct text data;
    text_init(&data, 6 * SESSION_TITLE_MAX + 100);
    text_add_str(&data, "{\"title\":");
    text_add_json(&data, row->title.data, row->title.len);
    text_addf(&data, ",\"by\":\"%s\",\"version\":%lld}", title_by_name(row->title_by),
              (long long)row->version);
    if (text_failed(&data)) {
        return text_error(&data, "sessions: event");
    }
    struct err err =
        sessions__event(tx, row, BYTES("session_renamed"), (struct bytes){data.data, data.len});
    return err_failed(err) ? err : sessions__tell_project(tx, row, BYTES("session_renamed"));
}

/* What else a client changed: who shows a session reads it again. */
static struct err tell_changed(struct tx *tx, const struct session_row *row) {
    AUTO(text_done) struct text data;
    text_init(&data, 100);
    text_addf(&data, "{\"version\":%lld,\"archived\":%s}", (long long)row->version,
              row->archived_ms != 0 ? "true" : "false");
    struct err err =
        sessions__event(tx, row, BYTES("session_changed"), (struct bytes){data.data, data.len});
    return err_failed(err) ? err : sessions__tell_project(tx, row, BYTES("session_changed"));
}

static bool replace(struct bytes given, struct bytes *text) {
    bool other = given.data != NULL &&
                 (given.len != text->len || memcmp(given.data, text->data, given.len) != 0);
    *text = other ? given : *text;
    return other;
}

static bool archive(const struct session_change *change, int64_t now_ms, struct session_row *row) {
    bool is = row->archived_ms != 0;
    if (change->archive == SESSION_ARCHIVE_KEEP || is == (change->archive == SESSION_ARCHIVE)) {
        return false;
    }
    row->archived_ms = is ? 0 : now_ms;
    return true;
}

static struct err apply(struct tx *tx, const struct session_change *change,
                        struct session_row *row) {
    const struct {
        struct bytes given;
        struct bytes *text;
    } pairs[] = {{change->model, &row->model},       {change->agent, &row->agent},
                 {change->root, &row->root},         {change->instructions, &row->instructions},
                 {change->settings, &row->settings}, {change->metadata, &row->metadata}};
    bool renamed = replace(change->title, &row->title), other = false;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        other = replace(pairs[i].given, pairs[i].text) || other;
    }
    other = archive(change, tx_now_ms(tx), row) || other;
    /* A title that the user confirms is the user's from then on. */
    enum title_by by = row->title.len > 0 ? TITLE_USER : TITLE_NONE;
    renamed = renamed || (change->title.data != NULL && row->title_by != by);
    if (!renamed && !other) {
        return ERR_OK;
    }
    row->title_by = renamed ? by : row->title_by;
    row->version++;
    struct err err = sessions__write(tx, row);
    if (!err_failed(err) && renamed) {
        err = tell_renamed(tx, row);
    }
    if (!err_failed(err) && other) {
        err = tell_changed(tx, row);
    }
    return err;
}

/* Another model may do what the one before could not. */
static struct err unhold(struct tx *tx, const struct session_row *row) {
    const struct inbox_receiver receiver = {
        .owner = row->owner, .address = row->session, .kind = RECEIVER_SESSION};
    bool more = true;
    struct err err = ERR_OK;
    while (!err_failed(err) && more) {
        err = tx_inbox_unhold(tx, &receiver, &more);
    }
    return err;
}

struct err tx_session_change(struct tx *tx, const struct session_change *change,
                             struct session_row *ret_row) {
    bool found = false;
    struct session_row row;
    struct err err = sessions__find(tx, &change->key, &found, &row);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "sessions: change");
    }
    if (err_failed(err)) {
        return err;
    }
    if (change->version != 0 && change->version != row.version) {
        *ret_row = row;
        return err_make(ERR_CONFLICT, "sessions: version");
    }
    err = apply(tx, change, &row);
    if (!err_failed(err) && change->model.data != NULL) {
        err = unhold(tx, &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err tx_session_give_title(struct tx *tx, const struct session_key *key, struct bytes title,
                                 bool *ret_given) {
    static const char sql[] = "UPDATE sessions SET title = $2, title_by = 'auto',"
                              " version = version + 1 WHERE id = $1 AND title_by = ''";
    bool found = false;
    struct session_row row;
    struct err err = sessions__find(tx, key, &found, &row);
    if (err_failed(err) || !found || row.title_by != TITLE_NONE || title.len == 0) {
        *ret_given = false;
        return err;
    }
    const struct arg args[] = {arg_int(row.id), arg_text(title)};
    err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* it was seen to match */);
    row.title = title;
    row.title_by = TITLE_AUTO;
    row.version++;
    if (!err_failed(err)) {
        err = tell_renamed(tx, &row);
    }
    *ret_given = !err_failed(err);
    return err;
}
