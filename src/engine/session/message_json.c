/* message_json.c: a message and its parts as clients see them. */
#include <string.h>

#include "engine/session/message_rows.h"

#include "base/json/json.h"

static void add_text(struct text *text, const char *before, struct bytes value) {
    text_add_str(text, before);
    text_add_json(text, value.data, value.len);
}

static void add_optional(struct text *text, const char *before, struct bytes value) {
    if (value.len == 0) {
        text_add_str(text, before);
        text_add_str(text, "null");
    } else {
        add_text(text, before, value);
    }
}

static void add_word(struct text *text, const char *before, const char *word) {
    add_optional(text, before, bytes_of(word));
}

static void add_number(struct text *text, const char *before, int64_t number) {
    text_add_str(text, before);
    text_add_int(text, number);
}

/* A text that was cut says so, and how long it is; data that did not fit is null. */
void part_write_json(const struct message_part *part, struct text *text) {
    add_number(text, "{\"number\":", part->number);
    add_word(text, ",\"kind\":", part_kind_name(part->kind));
    if (part->kind == PART_TOOL) {
        add_word(text, ",\"state\":", part_state_name(part->state));
        add_optional(text, ",\"cause\":", part->cause);
        add_optional(text, ",\"call\":", part->call);
    }
    if (part->name.len > 0) {
        add_text(text, ",\"name\":", part->name);
    }
    if (part->run_name.len > 0) {
        add_text(text, ",\"run\":", part->run_name);
    }
    if (part->step > 0) {
        add_number(text, ",\"step\":", part->step);
    }
    add_text(text, ",\"text\":", part->text);
    bool data_cut = (int64_t)part->data.len < part->data_bytes;
    text_add_str(text, ",\"data\":");
    if (data_cut) {
        text_add_str(text, "null");
    } else {
        json_add_stored(text, part->data);
    }
    if ((int64_t)part->text.len < part->bytes || data_cut) {
        add_number(text, ",\"cut\":true,\"bytes\":", part->bytes);
    }
    text_add_char(text, '}');
}

static void message_write_open(const struct message_row *row, struct text *text) {
    add_text(text, "{\"id\":", row->message);
    add_word(text, ",\"role\":", message_role_name(row->role));
    add_word(text, ",\"status\":", message_status_name(row->status));
    add_optional(text, ",\"run\":", row->run_name);
    add_optional(text, ",\"reply_to\":", row->reply_name);
    add_number(text, ",\"variant\":", row->variant);
    text_add_str(text, row->active ? ",\"active\":true" : ",\"active\":false");
    add_optional(text, ",\"client_id\":", row->client_id);
    add_optional(text, ",\"cause\":", row->cause);
    add_optional(text, ",\"error\":", row->error);
    add_number(text, ",\"made_ms\":", row->made_ms);
    add_number(text, ",\"changed_ms\":", row->changed_ms);
    text_add_str(text, ",\"metadata\":");
    json_add_stored(text, row->metadata);
}

/* Of the calls that have ended; what its summaries and reviews took is the turn's, too. */
static struct err read_usage(struct tx *tx, int64_t run, struct session_usage *ret_usage) {
    static const char sql[] =
        "SELECT count(*), CAST(COALESCE(sum(fresh), 0) AS BIGINT),"
        " CAST(COALESCE(sum(cache_read), 0) AS BIGINT),"
        " CAST(COALESCE(sum(cache_write), 0) AS BIGINT),"
        " CAST(COALESCE(sum(output_tokens), 0) AS BIGINT),"
        " CAST(COALESCE(sum(reasoning), 0) AS BIGINT), CAST(COALESCE(sum(cost), 0) AS BIGINT),"
        " count(*) - count(cost) FROM spans WHERE run = $1 AND ended_ms IS NOT NULL"
        " AND kind IN ('model', 'review', 'compaction')";
    const struct arg args[] = {arg_int(run)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        *ret_usage = (struct session_usage){.calls = rows_int(rows, 0),
                                            .fresh = rows_int(rows, 1),
                                            .cache_read = rows_int(rows, 2),
                                            .cache_write = rows_int(rows, 3),
                                            .output = rows_int(rows, 4),
                                            .reasoning = rows_int(rows, 5),
                                            .cost_micros = rows_int(rows, 6),
                                            .cost_unknown = rows_int(rows, 7)};
    }
    return err;
}

static struct err add_model(struct tx *tx, int64_t message, struct text *text) {
    static const char sql[] = "SELECT " MESSAGE_MODEL " FROM messages m WHERE m.id = $1";
    const struct arg args[] = {arg_int(message)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        add_optional(text,
                     ",\"model\":", rows == NULL ? (struct bytes){"", 0} : rows_text(rows, 0));
    }
    return err;
}

struct err tx_message_write_open(struct tx *tx, const struct message_row *row, struct text *text) {
    message_write_open(row, text);
    if (row->role != ROLE_ASSISTANT) {
        return ERR_OK;
    }
    struct session_usage usage = {.calls = 0};
    struct err err = add_model(tx, row->id, text);
    if (!err_failed(err)) {
        err = read_usage(tx, row->run, &usage);
    }
    if (!err_failed(err)) {
        text_add_str(text, ",\"usage\":");
        session_write_usage(&usage, text);
    }
    return err;
}

void message_write_head(const struct message_row *row, struct text *text) {
    message_write_open(row, text);
    text_add_str(text, ",\"parts\":[],\"cut\":true}");
}

/* Without the brace that closes it. */
static struct err write_message(struct tx *tx, const struct message_row *row, size_t budget,
                                struct text *text) {
    struct message_parts parts;
    struct err err = parts__read(tx, row->id, budget, &parts);
    if (err_failed(err)) {
        return err;
    }
    err = tx_message_write_open(tx, row, text);
    text_add_str(text, ",\"parts\":[");
    for (size_t i = 0; i < parts.count && !err_failed(err); i++) {
        text_add_str(text, i == 0 ? "" : ",");
        part_write_json(&parts.parts[i], text);
    }
    text_add_char(text, ']');
    return err;
}

struct err tx_message_write_json(struct tx *tx, const struct message_row *row, size_t budget,
                                 struct text *text) {
    struct err err = write_message(tx, row, budget, text);
    text_add_char(text, '}');
    return err;
}

struct err tx_message_write_found(struct tx *tx, const struct message_row *row, size_t budget,
                                  struct bytes around, struct text *text) {
    struct err err = write_message(tx, row, budget, text);
    text_add_str(text, ",\"match\":{\"text\":");
    text_add_json(text, around.data, around.len);
    text_add_str(text, "}}");
    return err;
}
