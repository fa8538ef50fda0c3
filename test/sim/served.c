/* served.c: what clients are served: it parses, it is whole, and it agrees with the model.
 *
 * One operation reads all that the API serves of a session (show, list, snapshot, messages,
 * export), in transactions of the real store; at the end each session is read so. Events are read
 * as they are stored.
 */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "chat_ops.h"
#include "engine/session/messages.h"
#include "engine/turn/view.h"
#include "ops.h"

enum { PAGE = 50, DEPTH_MAX = 256 };

static json_t *parse(struct errand *errand, const struct text *text) {
    json_t *json = NULL;
    struct why why = {""};
    if (text_failed(text)) {
        sim_fail(errand->sim, "%s: what is served is larger than its bound", errand->name);
    }
    if (err_failed(
            json_parse(text->data != NULL ? text->data : "", text->len, DEPTH_MAX, &json, &why))) {
        sim_fail(errand->sim, "%s of %s is not valid JSON: %s", errand->name, errand->session->id,
                 why.text);
    }
    return json;
}

static void json_done(struct errand *errand, struct err result) {
    if (!err_failed(result)) {
        AUTO(json_release) json_t *json = parse(errand, &errand->text);
        (void)json; /* That it parses was the question. */
    } else if (errand->session->state == SESSION_THERE && !errand_refused(errand, result)) {
        sim_fail(errand->sim, "%s of %s failed: %s", errand->name, errand->session->id,
                 err_name(result.code));
    }
}

/* --- Show and list ---------------------------------------------------------------------------- */

static struct err absent(const struct errand *errand) {
    (void)errand;
    return err_make(ERR_NOT_FOUND, "sim: serve");
}

static struct err show_run(struct tx *tx, struct errand *errand) {
    const struct session_key key = errand_key(errand);
    struct session_row row;
    bool found = false;
    text_clear(&errand->text);
    struct err err = tx_session_find(tx, &key, &found, &row);
    if (!err_failed(err) && found) {
        fields_write(&session_shown_fields, FIELD_LISTED | FIELD_WHOLE, &row, &errand->text);
    }
    return err_failed(err) || found ? err : absent(errand);
}

static void show_done(struct errand *errand, struct err result) {
    json_done(errand, result);
    if (err_failed(result)) {
        return;
    }
    AUTO(json_release) json_t *json = parse(errand, &errand->text);
    const char *id = json_string_value(json_object_get(json, "id"));
    if (id == NULL || strcmp(id, errand->session->id) != 0) {
        sim_fail(errand->sim, "%s is shown as %s", errand->session->id, id == NULL ? "none" : id);
    }
}

static struct err list_row(void *ctx, const struct session_row *row) {
    struct errand *errand = ctx;
    text_add_str(&errand->text, errand->text.len > 1 ? "," : "");
    fields_write(&session_shown_fields, FIELD_LISTED, row, &errand->text);
    return ERR_OK;
}

static struct err list_run(struct tx *tx, struct errand *errand) {
    const struct session_page page = {
        .owner = BYTES(KNOWN_OWNER), .parent = BYTES(""), .project = BYTES(""), .limit = PAGE};
    text_clear(&errand->text);
    text_add_char(&errand->text, '[');
    struct err err = tx_session_each(tx, &page, list_row, errand);
    text_add_char(&errand->text, ']');
    return err;
}

static const json_t *row_find(const json_t *list, const char *id) {
    size_t i;
    json_t *row;
    json_array_foreach(list, i, row) {
        const char *own = json_string_value(json_object_get(row, "id"));
        if (own != NULL && strcmp(own, id) == 0) {
            return row;
        }
    }
    return NULL;
}

/* A list that is no full page has every session that is there, and none that is gone. One that a
 * client put away is in another list. */
static void list_done(struct errand *errand, struct err result) {
    json_done(errand, result);
    if (err_failed(result)) {
        return;
    }
    AUTO(json_release) json_t *list = parse(errand, &errand->text);
    const struct known *known = known_of(errand->sim);
    for (size_t i = 0; i < known->session_count && json_array_size(list) < PAGE; i++) {
        const struct known_session *session = &known->sessions[i];
        bool is_listed = row_find(list, session->id) != NULL;
        bool certain = session->since_ns != 0 && session->since_ns < errand->begun_ns;
        if (certain && session->state == SESSION_THERE && !is_listed && !session->archives) {
            sim_fail(errand->sim, "the session %s of op %u is missing in the list", session->id,
                     session->op);
        }
        if (certain && session->state == SESSION_GONE && is_listed) {
            sim_fail(errand->sim, "the session %s was deleted, and is listed", session->id);
        }
    }
}

/* --- Snapshot --------------------------------------------------------------------------------- */

static struct err snapshot_run(struct tx *tx, struct errand *errand) {
    const struct snapshot_of of = {.owner = BYTES(KNOWN_OWNER),
                                   .id = known_bytes(errand->session->id)};
    bool found = false;
    text_clear(&errand->text);
    struct err err = session_snapshot.write(tx, &of, &found, &errand->text);
    return err_failed(err) || found ? err : absent(errand);
}

/* --- Messages --------------------------------------------------------------------------------- */

static struct err messages_write(struct tx *tx, struct errand *errand) {
    const struct session_key key = errand_key(errand);
    struct session_row session;
    struct message_rows rows = {0};
    bool found = false;
    struct err err = tx_session_find(tx, &key, &found, &session);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err : absent(errand);
    }
    const struct message_page page = {.session = session.id, .limit = PAGE};
    err = tx_message_page(tx, &page, &rows);
    text_add_char(&errand->text, '[');
    for (size_t i = 0; i < rows.count && !err_failed(err); i++) {
        text_add_str(&errand->text, i > 0 ? "," : "");
        err = tx_message_write_json(tx, &rows.rows[i], MESSAGE_BYTES_LIST, &errand->text);
    }
    text_add_char(&errand->text, ']');
    return err;
}

static struct err messages_run(struct tx *tx, struct errand *errand) {
    text_clear(&errand->text);
    return messages_write(tx, errand);
}

/* The text that a client sent, where the list has all of it. */
static void text_check(struct errand *errand, const struct known_message *message,
                       const json_t *served) {
    size_t i;
    json_t *part;
    json_array_foreach(json_object_get(served, "parts"), i, part) {
        const char *kind = json_string_value(json_object_get(part, "kind"));
        const char *text = json_string_value(json_object_get(part, "text"));
        bool cut = json_is_true(json_object_get(part, "cut"));
        if (kind != NULL && text != NULL && strcmp(kind, "text") == 0 && !cut &&
            message->edited == NULL && strcmp(text, message->text) != 0) {
            sim_fail(errand->sim, "the message %s of op %u is served with another text",
                     message->id, message->op);
        }
    }
}

/* A short history is listed whole: all that was acknowledged is in it. */
static void messages_done(struct errand *errand, struct err result) {
    json_done(errand, result);
    if (err_failed(result)) {
        return;
    }
    AUTO(json_release) json_t *list = parse(errand, &errand->text);
    const struct known *known = known_of(errand->sim);
    for (size_t i = 0; i < known->message_count && json_array_size(list) < PAGE; i++) {
        const struct known_message *message = &known->messages[i];
        bool certain = message->state == MESSAGE_STORED && message->op < errand->op &&
                       message->session == errand->session && !message->probe;
        const json_t *served = row_find(list, message->id);
        if (certain && errand->session->state == SESSION_THERE && served == NULL) {
            sim_fail(errand->sim, "the message %s of op %u is missing in the list of %s",
                     message->id, message->op, errand->session->id);
        }
        if (certain) {
            text_check(errand, message, served);
        }
    }
}

/* --- Export ----------------------------------------------------------------------------------- */

static struct err export_write(struct tx *tx, struct errand *errand) {
    struct session_export what = {.key = errand_key(errand), .format = SESSION_EXPORT_JSON};
    struct session_export_place next = {0};
    struct err err = ERR_OK;
    while (!err_failed(err) && !what.place.done) { /* In one transaction: pages of one moment. */
        err = tx_session_export(tx, &what, &errand->text, &next);
        what.place = next;
    }
    return err;
}

static struct err export_run(struct tx *tx, struct errand *errand) {
    text_clear(&errand->text);
    return export_write(tx, errand);
}

/* --- They agree ------------------------------------------------------------------------------- */

/* All three of one moment, as one list. */
static struct err agree_run(struct tx *tx, struct errand *errand) {
    const struct snapshot_of of = {.owner = BYTES(KNOWN_OWNER),
                                   .id = known_bytes(errand->session->id)};
    bool found = false;
    text_clear(&errand->text);
    text_add_char(&errand->text, '[');
    struct err err = messages_write(tx, errand);
    text_add_char(&errand->text, ',');
    err = err_failed(err) ? err : export_write(tx, errand);
    text_add_char(&errand->text, ',');
    err = err_failed(err) ? err : session_snapshot.write(tx, &of, &found, &errand->text);
    text_add_char(&errand->text, ']');
    return err_failed(err) || found ? err : absent(errand);
}

/* Messages that `some` has are in `all`, and are the same there. */
static void messages_agree(struct errand *errand, const json_t *some, const json_t *all,
                           const char *where) {
    static const char *const members[] = {"role", "status", "active", "variant", "reply_to"};
    size_t i;
    json_t *message;
    json_array_foreach(some, i, message) {
        const char *id = json_string_value(json_object_get(message, "id"));
        const json_t *other = id == NULL ? NULL : row_find(all, id);
        if (other == NULL) {
            sim_fail(errand->sim, "the message %s of %s is not in its %s",
                     id == NULL ? "without an id" : id, errand->session->id, where);
        }
        for (size_t j = 0; j < COUNT_OF(members); j++) {
            if (!json_equal(json_object_get(message, members[j]),
                            json_object_get(other, members[j]))) {
                sim_fail(errand->sim, "%s of the message %s is another one in the %s of %s",
                         members[j], id, where, errand->session->id);
            }
        }
    }
}

static void agree_done(struct errand *errand, struct err result) {
    json_done(errand, result);
    if (err_failed(result)) {
        return;
    }
    AUTO(json_release) json_t *json = parse(errand, &errand->text);
    const json_t *list = json_array_get(json, 0);
    const json_t *exported = json_object_get(json_array_get(json, 1), "messages");
    const json_t *snapshot = json_object_get(json_array_get(json, 2), "messages");
    messages_agree(errand, list, exported, "export");
    messages_agree(errand, snapshot, exported, "export");
    if (json_array_size(list) < PAGE) {
        messages_agree(errand, exported, list, "list");
    }
}

/* --- All of a session ------------------------------------------------------------------------- */

static void served_read(struct sim *sim, struct known_session *session) {
    static const struct {
        const char *name;
        struct err (*run)(struct tx *tx, struct errand *errand);
        void (*done)(struct errand *errand, struct err result);
    } faces[] = {
        {"show", show_run, show_done},         {"list", list_run, list_done},
        {"snapshot", snapshot_run, json_done}, {"messages", messages_run, messages_done},
        {"export", export_run, json_done},     {"agreement", agree_run, agree_done},
    };
    for (size_t i = 0; i < COUNT_OF(faces); i++) {
        struct errand *errand = errand_new(sim, faces[i].name, session);
        errand->way = ERRAND_READ;
        errand->run = faces[i].run;
        errand->done = faces[i].done;
        errand_send(errand);
    }
}

static void session_serve(struct sim *sim) {
    struct known_session *session = known_pick(sim, "session");
    if (session != NULL) {
        served_read(sim, session);
    }
}

/* --- Events, as they are stored --------------------------------------------------------------- */

static int64_t events_seen; /* Highest rowid that was looked at. */

static void event_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    AUTO(json_release) json_t *json = NULL;
    struct why why = {""};
    events_seen = row->number[0] > events_seen ? row->number[0] : events_seen;
    if (err_failed(json_parse(row->text[2].data, row->text[2].len, DEPTH_MAX, &json, &why))) {
        sim_fail(sim, "an event %s is not valid JSON: %s", row->text[1].data, why.text);
    }
}

static void served_look(struct sim *sim) {
    struct ask_number from = ask_number(events_seen);
    ask_each(sim, "SELECT rowid, type, data FROM events WHERE rowid > $1", TEXTS(from.text),
             event_take, NULL);
}

static bool read_all;

static bool served_rest(struct sim *sim, bool must) {
    struct known *known = known_of(sim);
    if (read_all || must) {
        return true;
    }
    read_all = true;
    for (size_t i = 0; i < known->session_count; i++) {
        if (known->sessions[i].state == SESSION_THERE) {
            served_read(sim, &known->sessions[i]);
        }
    }
    return false;
}

static void served_begin(struct sim *sim) {
    (void)sim;
    events_seen = 0;
    read_all = false;
}

static void served_opened(struct sim *sim) {
    (void)sim;
    events_seen = 0; /* A power cut may have taken rows back; their numbers come again. */
}

static const struct sim_op ops_served[] = {{"session_serve", 6, session_serve}, {NULL, 0, NULL}};

const struct sim_part part_served = {.name = "served",
                                     .ops = ops_served,
                                     .begin = served_begin,
                                     .opened = served_opened,
                                     .look = served_look,
                                     .rest = served_rest};
