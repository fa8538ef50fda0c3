/* message_events.c: what happens to messages, as events of session:ID. */
#include "engine/session/message_rows.h"

#include "base/text.h"
#include "journal/journal.h"

static struct err append(struct tx *tx, const struct session_row *session, struct bytes type,
                         struct text *data) {
    if (text_failed(data)) {
        return text_error(data, "messages: event");
    }
    return sessions__event(tx, session, type, (struct bytes){data->data, data->len});
}

static void end_whole(struct bytes before, struct text *data) {
    if (before.len > 0) {
        text_add_str(data, ",\"before\":");
        text_add_json(data, before.data, before.len);
    }
    text_add_char(data, '}');
}

/* The row is read again, since only what is read knows the names of run and answered message. */
static struct err tell_whole(struct tx *tx, const struct session_row *session, int64_t id,
                             struct bytes before, struct bytes type) {
    bool found = false;
    struct message_row row;
    struct err err = messages__find_id(tx, id, &found, &row);
    if (err_failed(err) || !found) {
        return err;
    }
    AUTO(text_done) struct text data;
    text_init(&data, EVENT_DATA_MAX);
    text_add_str(&data, "{\"message\":");
    err = tx_message_write_json(tx, &row, MESSAGE_BYTES_EVENT, &data);
    end_whole(before, &data);
    if (err_failed(err) || !text_failed(&data) || data.no_memory) {
        return err_failed(err) ? err : append(tx, session, type, &data);
    }
    /* Texts that are nearly all escapes, or very many parts. */
    text_clear(&data);
    text_add_str(&data, "{\"message\":");
    message_write_head(&row, &data);
    end_whole(before, &data);
    return append(tx, session, type, &data);
}

struct err messages__tell_added(struct tx *tx, const struct session_row *session,
                                const struct message_row *row) {
    return tell_whole(tx, session, row->id, BYTES(""), BYTES("message_added"));
}

struct err messages__tell_put(struct tx *tx, const struct session_row *session,
                              const struct message_row *row) {
    bool found = false;
    struct message_row before = {.message = {"", 0}};
    struct err err = messages__find_id(tx, row->id + 1, &found, &before);
    return err_failed(err)
               ? err
               : tell_whole(tx, session, row->id, before.message, BYTES("message_added"));
}

struct err messages__tell_edited(struct tx *tx, const struct session_row *session,
                                 const struct message_row *row) {
    return tell_whole(tx, session, row->id, BYTES(""), BYTES("message_edited"));
}

struct err messages__tell_removed(struct tx *tx, const struct session_row *session,
                                  const struct message_row *row) {
    AUTO(text_done) struct text data;
    text_init(&data, 200);
    text_add_str(&data, "{\"message\":");
    text_add_json(&data, row->message.data, row->message.len);
    text_add_char(&data, '}');
    return append(tx, session, BYTES("message_removed"), &data);
}

static void add_id(struct text *text, const char *name, struct bytes id) {
    text_add_str(text, name);
    if (id.len > 0) {
        text_add_json(text, id.data, id.len);
    } else {
        text_add_str(text, "null");
    }
}

struct err messages__tell_cleared(struct tx *tx, const struct session_row *session,
                                  const struct messages_cleared *what) {
    AUTO(text_done) struct text data;
    text_init(&data, 200);
    add_id(&data, "{\"after\":", what->after);
    add_id(&data, ",\"fork\":", what->fork);
    text_add_char(&data, '}');
    return append(tx, session, BYTES("cleared"), &data);
}

struct err messages__tell_queue(struct tx *tx, const struct session_row *session) {
    struct message_rows live;
    struct err err = messages__live(tx, session->id, &live);
    if (err_failed(err)) {
        return err;
    }
    AUTO(text_done) struct text data;
    text_init(&data, 8 << 10);
    text_add_str(&data, "{\"queue\":[");
    bool first = true;
    for (size_t i = 0; i < live.count; i++) {
        if (live.rows[i].status == MESSAGE_QUEUED) {
            text_add_str(&data, first ? "" : ",");
            text_add_json(&data, live.rows[i].message.data, live.rows[i].message.len);
            first = false;
        }
    }
    text_add_str(&data, "]}");
    return append(tx, session, BYTES("queue_changed"), &data);
}
