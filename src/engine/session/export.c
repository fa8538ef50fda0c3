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

struct export {
    struct tx *tx;
    enum session_export_format format;
    struct text *text;
    struct session_export_place place;
};

static void export_start(struct export *export, const struct session_row *session) {
    export->place.begun = true;
    if (export->format == SESSION_EXPORT_MARKDOWN) {
        struct bytes title = session->title.len > 0 ? session->title : session->session;
        text_add_str(export->text, "# ");
        text_add(export->text, title.data, title.len);
        text_add_char(export->text, '\n');
        return;
    }
    text_add_str(export->text, "{\"session\":");
    session_write_json(session, SESSION_WHOLE, export->text);
    text_add_str(export->text, ",\"messages\":[");
}

static struct err message_open(struct export *export, const struct message_row *row) {
    static const char *const names[] = {"User", "Assistant", "System", "Notice"};
    static_assert(COUNT_OF(names) == MESSAGE_ROLE_COUNT, "a name for each role");
    bool first = export->place.message == 0;
    export->place.message = row->id;
    export->place.part = 0;
    export->place.open = true;
    if (export->format == SESSION_EXPORT_MARKDOWN) {
        text_addf(export->text, "\n## %s\n", names[row->role]);
        if (row->status != MESSAGE_COMPLETED) {
            text_addf(export->text, "\n*%s*\n", message_status_name(row->status));
        }
        return ERR_OK;
    }
    text_add_str(export->text, first ? "\n" : ",\n");
    struct err err = tx_message_write_open(export->tx, row, export->text);
    text_add_str(export->text, ",\"parts\":[");
    return err;
}

/* The next part of the open message; closes it after the last. */
static struct err part_step(struct export *export) {
    bool found = false;
    struct message_part part;
    struct err err =
        parts__next(export->tx, export->place.message, export->place.part, &found, &part);
    if (err_failed(err)) {
        return err;
    }
    bool json = export->format == SESSION_EXPORT_JSON;
    if (!found) {
        export->place.open = false;
        text_add_str(export->text, json ? "]}" : "");
        return ERR_OK;
    }
    if (json) {
        text_add_str(export->text, export->place.part == 0 ? "" : ",");
        part_write_json(&part, export->text);
    } else {
        markdown_part(&part, export->text);
    }
    export->place.part = part.number;
    return ERR_OK;
}

static struct err message_step(struct export *export, int64_t session) {
    const struct message_page page = {
        .session = session, .order = MESSAGES_OLDEST, .after = export->place.message, .limit = 1};
    struct message_rows rows;
    struct err err = tx_message_page(export->tx, &page, &rows);
    if (err_failed(err)) {
        return err;
    }
    if (rows.count > 0) {
        return message_open(export, &rows.rows[0]);
    }
    export->place.done = true;
    text_add_str(export->text, export->format == SESSION_EXPORT_JSON ? "\n]}\n" : "");
    return ERR_OK;
}

struct err tx_session_export(struct tx *tx, const struct session_export *what, struct text *text,
                             struct session_export_place *ret_place) {
    struct export export = {.tx = tx, .format = what->format, .text = text, .place = what->place};
    struct session_row session;
    struct err err = sessions__get(tx, &what->key, "sessions: export", &session);
    if (!err_failed(err)) {
        err = tx_session_shown(tx, what->hold, &session);
    }
    if (!err_failed(err) && !export.place.begun) {
        export_start(&export, &session);
    }
    while (!err_failed(err) && !export.place.done && text->len < SESSION_EXPORT_PAGE) {
        err = export.place.open ? part_step(&export) : message_step(&export, session.id);
    }
    if (!err_failed(err) && text_failed(text)) {
        err = text_error(text, "sessions: export");
    }
    if (!err_failed(err)) {
        *ret_place = export.place;
    }
    return err;
}
