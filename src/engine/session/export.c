/* export.c: a session is written out as JSON or Markdown, a page at a time. */
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/session/message_rows.h"
#include "engine/trace/spans.h"

static void fence_add(struct text *text, size_t longest) {
    for (size_t i = 0; i <= longest; i++) {
        text_add_char(text, '`');
    }
}

/* A fence is longer than any run of backquotes inside of it. */
static void fenced_add(struct text *text, const char *language, struct bytes body) {
    size_t longest = 2, run = 0;
    for (size_t i = 0; i < body.len; i++) {
        run = body.data[i] == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    text_add_char(text, '\n');
    fence_add(text, longest);
    text_add_str(text, language);
    text_add_char(text, '\n');
    text_add(text, body.data, body.len);
    if (body.len > 0 && body.data[body.len - 1] != '\n') {
        text_add_char(text, '\n');
    }
    fence_add(text, longest);
    text_add_char(text, '\n');
}

static void markdown_part(const struct message_part *part, struct text *text) {
    switch (part->kind) {
    case PART_TEXT:
        text_addf(text, "\n%.*s\n", (int)part->text.len, part->text.data);
        break;
    case PART_TOOL:
        text_addf(text, "\n### %.*s (%s%s%.*s)\n", (int)part->name.len, part->name.data,
                  part_state_name(part->state), part->cause.len > 0 ? ": " : "",
                  (int)part->cause.len, part->cause.data);
        fenced_add(text, "json", part->data);
        fenced_add(text, "", part->text);
        break;
    case PART_IMAGE:
        text_addf(text, "\n*image: %.*s*\n", (int)part->name.len, part->name.data);
        break;
    case PART_STEER:
        text_addf(text, "\n*user:*\n\n%.*s\n", (int)part->text.len, part->text.data);
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

/* --- Export ----------------------------------------------------------------------------------- */

/* The next part of the open message, which is closed after its last one. */
static void export_part(struct tx *tx, bool json, struct session_export_place *place,
                        struct text *text) {
    struct message_part part;
    place->open = parts__next(tx, place->message, place->part, &part);
    if (!place->open) {
        text_add_str(text, json ? "]}" : "");
        return;
    }
    if (json) {
        text_add_str(text, place->part == 0 ? "" : ",");
        part_write_json(&part, SPAN_UNKNOWN, text);
    } else {
        markdown_part(&part, text);
    }
    place->part = part.number;
}

static void export_message(struct tx *tx, bool json, int64_t session,
                           struct session_export_place *place, struct text *text) {
    static const char *const names[] = {"User", "Assistant", "System", "Notice"};
    static_assert(COUNT_OF(names) == MESSAGE_ROLE_COUNT, "a name for each role");
    const struct message_page page = {
        .session = session, .order = MESSAGES_OLDEST, .after = place->message, .limit = 1};
    struct message_rows rows;
    tx_fail(tx, tx_message_page(tx, &page, &rows));
    place->open = rows.count > 0;
    if (!place->open) {
        place->done = true;
        text_add_str(text, json ? "\n]}\n" : "");
        return;
    }
    const struct message_row *row = &rows.rows[0];
    if (json) {
        text_add_str(text, place->message == 0 ? "\n" : ",\n");
        messages__write_open(tx, row, text);
        text_add_str(text, ",\"parts\":[");
    } else {
        text_addf(text, "\n## %s\n", names[row->role]);
        if (row->status != MESSAGE_COMPLETED) {
            text_addf(text, "\n*%s*\n", message_status_name(row->status));
        }
    }
    place->message = row->id;
    place->part = 0;
}

struct err tx_session_export(struct tx *tx, const struct session_export *what, struct text *text,
                             struct session_export_place *ret_place) {
    const bool json = what->format == SESSION_EXPORT_JSON;
    struct session_export_place place = what->place;
    struct session_row session;
    struct err err = sessions__get(tx, &what->key, "sessions: export", &session);
    if (!err_failed(err)) {
        err = tx_session_shown(tx, what->hold, &session);
    }
    if (err_failed(err)) {
        return err;
    }
    if (!place.begun && !json) {
        struct bytes title = session.title.len > 0 ? session.title : session.session;
        text_addf(text, "# %.*s\n", (int)title.len, title.data);
    } else if (!place.begun) {
        text_add_str(text, "{\"session\":");
        fields_write(&session_shown_fields, FIELD_LISTED | FIELD_WHOLE, &session, text);
        text_add_str(text, ",\"messages\":[");
    }
    place.begun = true;
    while (!err_failed(tx_error(tx)) && !place.done && text->len < SESSION_EXPORT_PAGE) {
        if (place.open) {
            export_part(tx, json, &place, text);
        } else {
            export_message(tx, json, session.id, &place, text);
        }
    }
    *ret_place = place;
    return text_failed(text) ? tx_fail(tx, text_error(text, "sessions: export")) : tx_error(tx);
}
