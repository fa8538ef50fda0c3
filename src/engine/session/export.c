/* export.c: a session written out, a page at a time. */
#include "engine/session/export.h"

#include "engine/session/message_rows.h"

/* --- Markdown --------------------------------------------------------------------------------- */

/* A fence is longer than any run of backquotes inside of it. */
static void fenced_add(struct text *text, const char *language, struct bytes body) {
    size_t longest = 2, run = 0;
    for (size_t i = 0; i < body.len; i++) {
        run = body.data[i] == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    text_add_char(text, '\n');
    for (size_t i = 0; i <= longest; i++) {
        text_add_char(text, '`');
    }
    text_add_str(text, language);
    text_add_char(text, '\n');
    text_add(text, body.data, body.len);
    if (body.len > 0 && body.data[body.len - 1] != '\n') {
        text_add_char(text, '\n');
    }
    for (size_t i = 0; i <= longest; i++) {
        text_add_char(text, '`');
    }
    text_add_char(text, '\n');
}

static void markdown_part(const struct message_part *part, struct text *text) {
    switch (part->kind) {
    case PART_TEXT:
        text_add_char(text, '\n');
        text_add(text, part->text.data, part->text.len);
        text_add_char(text, '\n');
        break;
    case PART_TOOL:
        text_add_str(text, "\n### ");
        text_add(text, part->name.data, part->name.len);
        text_addf(text, " (%s%s%.*s)\n", part_state_name(part->state),
                  part->cause.len > 0 ? ": " : "", (int)part->cause.len, part->cause.data);
        fenced_add(text, "json", part->data);
        fenced_add(text, "", part->text);
        break;
    case PART_IMAGE:
        text_add_str(text, "\n*image: ");
        text_add(text, part->name.data, part->name.len);
        text_add_str(text, "*\n");
        break;
    case PART_STEER:
        text_add_str(text, "\n*user:*\n\n");
        text_add(text, part->text.data, part->text.len);
        text_add_char(text, '\n');
        break;
    case PART_THINKING:
    case PART_ERROR:
    case PART_NOTICE:
    case PART_KIND_COUNT:
        text_addf(text, "\n*%s*\n", part_kind_name(part->kind));
        fenced_add(text, "", part->text);
        break;
    }
}

/* --- Both forms ------------------------------------------------------------------------------- */

static struct err message_open(struct tx *tx, enum session_export_format format, bool first,
                               const struct message_row *row, struct text *text) {
    static const char *const names[] = {"User", "Assistant", "System", "Notice"};
    static_assert(COUNT_OF(names) == MESSAGE_ROLE_COUNT, "a name for each role");
    if (format == SESSION_EXPORT_MARKDOWN) {
        text_addf(text, "\n## %s\n", names[row->role]);
        if (row->status != MESSAGE_COMPLETED) {
            text_addf(text, "\n*%s*\n", message_status_name(row->status));
        }
        return ERR_OK;
    }
    text_add_str(text, first ? "\n" : ",\n");
    struct err err = tx_message_write_open(tx, row, text);
    text_add_str(text, ",\"parts\":[");
    return err;
}

/* The next message, or the next part of the open one; each is closed after its last part. */
static struct err export_step(struct tx *tx, const struct session_export *what, int64_t session,
                              struct session_export_place *place, struct text *text) {
    bool json = what->format == SESSION_EXPORT_JSON, found = false;
    if (place->open) {
        struct message_part part;
        struct err err = parts__next(tx, place->message, place->part, &found, &part);
        if (err_failed(err)) {
            return err;
        }
        place->open = found;
        if (!found) {
            text_add_str(text, json ? "]}" : "");
        } else if (json) {
            text_add_str(text, place->part == 0 ? "" : ",");
            part_write_json(&part, text);
        } else {
            markdown_part(&part, text);
        }
        place->part = found ? part.number : place->part;
        return ERR_OK;
    }
    const struct message_page page = {
        .session = session, .order = MESSAGES_OLDEST, .after = place->message, .limit = 1};
    struct message_rows rows;
    struct err err = tx_message_page(tx, &page, &rows);
    if (err_failed(err)) {
        return err;
    }
    if (rows.count == 0) {
        place->done = true;
        text_add_str(text, json ? "\n]}\n" : "");
        return ERR_OK;
    }
    bool first = place->message == 0;
    place->message = rows.rows[0].id;
    place->part = 0;
    place->open = true;
    return message_open(tx, what->format, first, &rows.rows[0], text);
}

struct err tx_session_export(struct tx *tx, const struct session_export *what, struct text *text,
                             struct session_export_place *ret_place) {
    struct session_export_place place = what->place;
    struct session_row session;
    struct err err = sessions__get(tx, &what->key, "sessions: export", &session);
    if (!err_failed(err)) {
        err = tx_session_shown(tx, what->hold, &session);
    }
    if (err_failed(err)) {
        return err;
    }
    if (!place.begun && what->format == SESSION_EXPORT_MARKDOWN) {
        struct bytes title = session.title.len > 0 ? session.title : session.session;
        text_add_str(text, "# ");
        text_add(text, title.data, title.len);
        text_add_char(text, '\n');
    } else if (!place.begun) {
        text_add_str(text, "{\"session\":");
        session_write_json(&session, SESSION_WHOLE, text);
        text_add_str(text, ",\"messages\":[");
    }
    place.begun = true;
    while (!err_failed(err) && !place.done && text->len < SESSION_EXPORT_PAGE) {
        err = export_step(tx, what, session.id, &place, text);
    }
    if (!err_failed(err) && text_failed(text)) {
        err = text_error(text, "sessions: export");
    }
    if (!err_failed(err)) {
        *ret_place = place;
    }
    return err;
}
