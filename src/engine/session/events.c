/* events.c: the events of a session: on its own stream, and those of the project that lists it.
 *
 * session:ID has what happens in the session, for a client that shows it; project:NAME has what
 * changes in the list of the project's sessions.
 */
#include <string.h>

#include "base/text.h"
#include "engine/session/message_rows.h"
#include "engine/session/rows.h"
#include "journal/journal.h"

enum {
    DATA_MAX = 4 << 10,
    PROJECT_EVENTS_KEPT = 10000,
    /* Cuts of events beyond the retention when a turn ends; the pruner's next round cuts the rest.
     */
    CUTS_MAX = 8,
};

static struct err event_append(struct tx *tx, const struct session_row *row, struct append append) {
    struct appended appended;
    append.owner = row->owner;
    return tx_fail(tx, tx_append(tx, &append, &appended));
}

static struct bytes stream_join(const char *prefix, struct bytes name, char *ret_joined,
                                size_t size) {
    size_t len = strlen(prefix);
    assert(len + name.len <= size);
    memcpy(ret_joined, prefix, len);
    memcpy(ret_joined + len, name.data, name.len);
    return (struct bytes){ret_joined, len + name.len};
}

struct bytes sessions__stream(const struct session_row *row, char ret_name[SESSION_STREAM_MAX]) {
    return stream_join("session:", row->session, ret_name, SESSION_STREAM_MAX);
}

struct err sessions__event(struct tx *tx, const struct session_row *row, struct bytes type,
                           struct bytes data) {
    char name[SESSION_STREAM_MAX];
    const struct append append = {
        .stream = sessions__stream(row, name), .type = type, .data = data};
    return event_append(tx, row, append);
}

struct err sessions__event_text(struct tx *tx, const struct session_row *row, struct bytes type,
                                const struct text *data) {
    return text_failed(data) ? tx_fail(tx, text_error(data, "sessions: event"))
                             : sessions__event(tx, row, type, text_bytes(data));
}

/* --- Of the session --------------------------------------------------------------------------- */

/* A project whose name is damaged has no stream: nobody can follow a name that is refused. */
struct err sessions__tell_project(struct tx *tx, const struct session_row *row, struct bytes type) {
    if (!session_project_valid(row->project)) {
        return ERR_OK;
    }
    AUTO(text_done) struct text data = text_up_to(DATA_MAX);
    text_add_char(&data, '{');
    text_add_member(&data, "session", row->session);
    text_add_member(&data, "title", row->title);
    text_add_member(&data, "state", bytes_of(session_state_name(row->state)));
    text_add_member_bool(&data, "archived", row->archived_ms != 0);
    text_add_member_int(&data, "changed_ms", row->changed_ms);
    text_add_member_or_null(&data, "parent", row->parent_name);
    text_add_char(&data, '}');
    if (text_failed(&data)) {
        return tx_fail(tx, text_error(&data, "sessions: event"));
    }
    char name[STREAM_NAME_MAX];
    const struct append append = {.stream =
                                      stream_join("project:", row->project, name, sizeof name),
                                  .type = type,
                                  .data = text_bytes(&data)};
    return event_append(tx, row, append);
}

/* Numbers and times of the events stay: only the data of those that name the session changes. */
struct err sessions__untell_project(struct tx *tx, const struct session_row *row, int64_t limit,
                                    bool *ret_some) {
    *ret_some = false;
    if (!session_project_valid(row->project)) {
        return ERR_OK;
    }
    char name[STREAM_NAME_MAX];
    struct bytes stream = stream_join("project:", row->project, name, sizeof name);
    struct stream_state state = {.stream = 0};
    bool found = false;
    struct err err = tx_stream_find(tx, row->owner, stream, &found, &state);
    int64_t after =
        tx_number(tx, "SELECT purged_seq FROM sessions WHERE id = $1", ARGS(arg_int(row->id)), 0);
    after = after > state.floor ? after : state.floor;
    int64_t through = state.head < after + limit ? state.head : after + limit;
    if (err_failed(err) || !found || after >= through) {
        return tx_error(tx);
    }
    AUTO(text_done) struct text data = text_up_to(DATA_MAX);
    text_add_char(&data, '{');
    text_add_member(&data, "session", row->session);
    size_t start = data.len;
    text_add_str(&data, ",\"title\":\"\",\"deleted\":true}");
    if (text_failed(&data)) {
        return tx_fail(tx, text_error(&data, "sessions: event"));
    }
    tx_do(tx,
          "UPDATE events SET data = $4 WHERE stream = $1 AND seq > $2"
          " AND seq <= $3 AND substr(data, 1, CAST($6 AS INTEGER)) = $5",
          ARGS(arg_int(state.stream), arg_int(after), arg_int(through), arg_text(text_bytes(&data)),
               arg_text((struct bytes){data.data, start}), arg_int((int64_t)start)));
    tx_do(tx, "UPDATE sessions SET purged_seq = $2 WHERE id = $1",
          ARGS(arg_int(row->id), arg_int(through)));
    *ret_some = true;
    return tx_error(tx);
}

struct err sessions__tell_created(struct tx *tx, const struct session_row *row) {
    AUTO(text_done) struct text data = text_up_to(DATA_MAX);
    text_add_char(&data, '{');
    text_add_member(&data, "session", row->session);
    text_add_member(&data, "title", row->title);
    text_add_char(&data, '}');
    sessions__event_text(tx, row, BYTES("session_created"), &data);
    sessions__tell_project(tx, row, BYTES("session_created"));
    /* Both streams exist now. */
    const struct retention of_session = {.ms = SESSION_EVENTS_KEPT_MS,
                                         .events = SESSION_EVENTS_KEPT};
    const struct retention of_project = {.events = PROJECT_EVENTS_KEPT};
    char name[STREAM_NAME_MAX];
    struct bytes project = stream_join("project:", row->project, name, sizeof name);
    bool found = false;
    struct err err = tx_stream_keep(tx, row->owner, project, of_project, &found);
    return err_failed(err)
               ? err
               : tx_stream_keep(tx, row->owner, sessions__stream(row, name), of_session, &found);
}

void sessions__tell_deleted(struct tx *tx, const struct session_row *row) {
    char name[SESSION_STREAM_MAX];
    const struct append last = {.stream = sessions__stream(row, name),
                                .type = BYTES("deleted"),
                                .data = BYTES("{}"),
                                .last = true};
    event_append(tx, row, last);
    sessions__tell_project(tx, row, BYTES("session_deleted"));
}

struct err sessions__hold_events(struct tx *tx, const struct session_row *row) {
    char name[SESSION_STREAM_MAX];
    const struct stream_name stream = {.owner = row->owner, .name = sessions__stream(row, name)};
    return tx_stream_hold(tx, &stream, STREAM_HOLD);
}

struct err sessions__release_events(struct tx *tx, const struct session_row *row) {
    char name[SESSION_STREAM_MAX];
    const struct stream_name stream = {.owner = row->owner, .name = sessions__stream(row, name)};
    struct stream_state state = {.stream = 0};
    bool more = false;
    struct err err = tx_stream_hold(tx, &stream, STREAM_RELEASE);
    if (!err_failed(err)) {
        err = tx_stream_find(tx, stream.owner, stream.name, &more, &state);
    }
    for (int i = 0; i < CUTS_MAX && more && !err_failed(err); i++) {
        err = tx_prune_kept(tx, state.stream, &more);
    }
    return err;
}

/* --- Of its messages -------------------------------------------------------------------------- */

/* The row is read again, since only a row that was read has the names of its run and of the message
 * that it answers. */
static struct err whole_tell(struct tx *tx, const struct session_row *session, int64_t id,
                             struct bytes before, struct bytes type) {
    bool found = false, whole = true;
    struct message_row row;
    tx_fail(tx, messages__find_id(tx, id, &found, &row));
    if (!found) {
        return tx_error(tx);
    }
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    for (bool done = false; !done; whole = false) {
        text_clear(&data);
        text_add_str(&data, "{\"message\":");
        if (whole) {
            tx_fail(tx, tx_message_write_json(tx, &row, MESSAGE_BYTES_EVENT, &data));
        } else { /* Texts that are nearly all escapes, or very many parts. */
            message_write_head(&row, &data);
        }
        if (before.len > 0) {
            text_add_member(&data, "before", before);
        }
        text_add_char(&data, '}');
        done = !whole || !text_failed(&data) || data.no_memory;
    }
    return sessions__event_text(tx, session, type, &data);
}

struct err messages__tell_added(struct tx *tx, const struct session_row *session,
                                const struct message_row *row) {
    return whole_tell(tx, session, row->id, BYTES(""), BYTES("message_added"));
}

struct err messages__tell_put(struct tx *tx, const struct session_row *session,
                              const struct message_row *row) {
    bool found = false;
    struct message_row before = {.message = {"", 0}};
    tx_fail(tx, messages__find_id(tx, row->id + 1, &found, &before));
    return whole_tell(tx, session, row->id, before.message, BYTES("message_added"));
}

struct err messages__tell_edited(struct tx *tx, const struct session_row *session,
                                 const struct message_row *row) {
    return whole_tell(tx, session, row->id, BYTES(""), BYTES("message_edited"));
}

struct err messages__tell_cleared(struct tx *tx, const struct session_row *session,
                                  const struct messages_cleared *what) {
    AUTO(text_done) struct text data = text_up_to(200);
    text_add_char(&data, '{');
    text_add_member_or_null(&data, "after", what->after);
    text_add_member_or_null(&data, "fork", what->fork);
    text_add_char(&data, '}');
    return sessions__event_text(tx, session, BYTES("cleared"), &data);
}

struct err messages__tell_queue(struct tx *tx, const struct session_row *session) {
    struct message_rows live;
    struct err err = messages__live(tx, session->id, &live);
    if (err_failed(err)) {
        return err;
    }
    AUTO(text_done) struct text data = text_up_to(8 << 10);
    text_add_char(&data, '{');
    messages__write_queue(&live, &data);
    text_add_char(&data, '}');
    return sessions__event_text(tx, session, BYTES("queue_changed"), &data);
}
