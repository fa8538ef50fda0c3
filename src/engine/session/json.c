/* json.c: sessions, their messages and the parts of these, as clients see them. */
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/session/message_rows.h"
#include "engine/trace/spans.h"
#include "engine/trace/usage_totals.h"

/* --- A session -------------------------------------------------------------------------------- */

#define HIT(member) offsetof(struct session_hit, member)
static const struct field hit_rows[] = {
    {FIELD("message", FIELD_TEXT, HIT(message)), .empty = FIELD_EMPTY_LEFT_OUT},
    {FIELD("text", FIELD_TEXT, HIT(text))},
};
static const struct field_set hit_fields = {FIELD_ROWS(hit_rows), .use = FIELD_LISTED};
static const struct field found_rows[] = {
    {FIELD("match", FIELD_OBJECT, 0), .fields = &hit_fields, .empty = FIELD_EMPTY_LEFT_OUT}};
const struct field_set session_found_fields = {FIELD_ROWS(found_rows), .use = FIELD_LISTED};

void session_write_found(const struct session_row *row, const struct session_hit *hit,
                         struct text *text) {
    fields_write(&session_shown_fields, FIELD_LISTED, row, text);
    text_cut(text, text->len - 1);
    fields_add_one(&session_found_fields, "match", hit, text);
    text_add_char(text, '}');
}

/* --- A message -------------------------------------------------------------------------------- */

void part_write_json(const struct message_part *part, int64_t ms, struct text *text) {
    text_add_char(text, '{');
    text_add_member_int(text, "number", part->number);
    text_add_member_or_null(text, "kind", bytes_of(part_kind_name(part->kind)));
    if (part->kind == PART_TOOL) {
        text_add_member_or_null(text, "state", bytes_of(part_state_name(part->state)));
        text_add_member_or_null(text, "cause", part->cause);
        text_add_member_or_null(text, "call", part->call);
    }
    if (part->name.len > 0) {
        text_add_member(text, "name", part->name);
    }
    if (part->run_name.len > 0) {
        text_add_member(text, "run", part->run_name);
    }
    if (part->step > 0) {
        text_add_member_int(text, "step", part->step);
    }
    text_add_member(text, "text", part->text);
    bool data_cut = (int64_t)part->data.len < part->data_bytes;
    text_add_name(text, "data");
    if (data_cut) {
        text_add_str(text, "null");
    } else {
        json_add_stored(text, part->data);
    }
    if ((int64_t)part->text.len < part->bytes || data_cut) {
        text_add_member_bool(text, "cut", true);
        text_add_member_int(text, "bytes", part->bytes);
    }
    if (ms != SPAN_UNKNOWN) {
        text_add_member_int(text, "ms", ms);
    }
    text_add_char(text, '}');
}

static void message_write_open(const struct message_row *row, struct text *text) {
    text_add_char(text, '{');
    text_add_member(text, "id", row->message);
    text_add_member_or_null(text, "role", bytes_of(message_role_names[row->role]));
    text_add_member_or_null(text, "status", bytes_of(message_status_name(row->status)));
    text_add_member_or_null(text, "run", row->run_name);
    text_add_member_or_null(text, "reply_to", row->reply_name);
    text_add_member_int(text, "variant", row->variant);
    text_add_member_bool(text, "active", row->active);
    text_add_member_or_null(text, "client_id", row->client_id);
    text_add_member_or_null(text, "cause", row->cause);
    text_add_member_or_null(text, "error", row->error);
    text_add_member_int(text, "made_ms", row->made_ms);
    text_add_member_int(text, "changed_ms", row->changed_ms);
    text_add_name(text, "metadata");
    json_add_stored(text, row->metadata);
}

struct session_usage messages__usage(struct tx *tx, int64_t run) {
    AUTO(rows_release)
    struct rows *rows = tx_row(
        tx,
        "SELECT count(*), CAST(COALESCE(sum(fresh), 0) AS BIGINT),"
        " CAST(COALESCE(sum(cache_read), 0) AS BIGINT),"
        " CAST(COALESCE(sum(cache_write), 0) AS BIGINT),"
        " CAST(COALESCE(sum(output_tokens), 0) AS BIGINT),"
        " CAST(COALESCE(sum(reasoning), 0) AS BIGINT), CAST(COALESCE(sum(cost), 0) AS"
        " BIGINT), count(*) - count(cost) FROM spans WHERE run = $1 AND ended_ms IS NOT NULL"
        " AND kind IN ('model', 'review', 'compaction') AND NOT EXISTS (SELECT 1 FROM turns t"
        " WHERE t.run = spans.run AND t.program_begun > 0 AND fresh IS NULL)",
        ARGS(arg_int(run)));
    return rows == NULL ? (struct session_usage){.calls = 0} : usage_read(rows, 0);
}

void messages__write_open(struct tx *tx, const struct message_row *row, struct text *text) {
    message_write_open(row, text);
    if (row->role != ROLE_ASSISTANT) {
        return;
    }
    const struct bytes model = tx_text(
        tx, "SELECT " MESSAGE_MODEL " FROM messages m WHERE m.id = $1", ARGS(arg_int(row->id)));
    const struct session_usage usage = messages__usage(tx, row->run);
    const int64_t resume_at_ms = tx_number(
        tx,
        "SELECT COALESCE(not_before_ms, 0) FROM runs WHERE id = $1 AND (state = 'waiting'"
        " OR (state = 'failed' AND cause IN ('quota', 'rate_limited', 'provider_error')))",
        ARGS(arg_int(row->run)));
    text_add_member_int_or_null(text, "resume_at_ms", resume_at_ms, resume_at_ms > 0);
    text_add_member_or_null(text, "model", model);
    text_add_name(text, "usage");
    fields_write(&session_usage_fields, FIELD_LISTED, &usage, text);
}

void message_write_head(const struct message_row *row, struct text *text) {
    message_write_open(row, text);
    text_add_str(text, ",\"parts\":[],\"cut\":true}");
}

/* Durations of the calls of tools in an answer, by the spans of its turn: parts store no times. In
 * the order of `parts`; SPAN_UNKNOWN: not a call, not ended, or without a span. NULL: there is no
 * call. The span of a call is the next step after the call of the model that made it, or
 * after the call before (turn/record.c). */
static const int64_t *calls_time(struct tx *tx, int64_t run, const struct message_parts *parts) {
    int64_t *steps = tx_memory(tx, (parts->count + 1) * 2 * sizeof *steps);
    int64_t *ms = steps + parts->count + 1, step = 0, made_by = 0;
    bool any = false;
    for (size_t i = 0; i < parts->count; i++) {
        const bool call = parts->parts[i].kind == PART_TOOL;
        if (call) {
            step = parts->parts[i].step == made_by && any ? step + 1 : parts->parts[i].step + 1;
            made_by = parts->parts[i].step;
            any = true;
        }
        steps[i] = call ? step : 0;
        ms[i] = SPAN_UNKNOWN;
    }
    if (!any || run == 0) {
        return NULL;
    }
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT step, name, ended_ms - started_ms FROM spans WHERE run = $1"
                                " AND kind = 'tool' AND ended_ms IS NOT NULL"
                                " ORDER BY attempt, step",
                                ARGS(arg_int(run)));
    for (size_t i = 0; rows_step(rows);) {
        const int64_t of = rows_int(rows, 0), took_ms = rows_int(rows, 2);
        i = i < parts->count && steps[i] <= of ? i : 0; /* Another attempt begins. */
        while (i < parts->count && steps[i] < of) {
            i++;
        }
        const struct bytes name = i < parts->count ? parts->parts[i].name : BYTES("");
        const struct bytes cut = {name.data, utf8_cut(name, SPAN_NAME_MAX)};
        if (i < parts->count && steps[i] == of && bytes_equal(rows_text(rows, 1), cut)) {
            ms[i] = took_ms > 0 ? took_ms : 0;
        }
    }
    return ms;
}

void messages__write_parts(struct tx *tx, const struct message_row *row, size_t budget,
                           struct message_parts more, struct text *text) {
    const struct message_parts parts = parts__read(tx, row->id, budget);
    const int64_t *ms = calls_time(tx, row->run, &parts);
    int64_t number = 0;
    messages__write_open(tx, row, text);
    text_add_str(text, ",\"parts\":[");
    for (size_t i = 0; i < parts.count; i++) {
        text_add_str(text, i == 0 ? "" : ",");
        part_write_json(&parts.parts[i], ms == NULL ? SPAN_UNKNOWN : ms[i], text);
        number = parts.parts[i].number;
        budget -= parts.parts[i].text.len;
    }
    for (size_t i = 0; i < more.count; i++) {
        struct message_part *part = &more.parts[i];
        part->number = ++number;
        part->bytes = (int64_t)part->text.len;
        part->text.len = utf8_cut(part->text, budget);
        part->data = BYTES("{}");
        part->data_bytes = (int64_t)part->data.len;
        budget -= part->text.len;
        text_add_str(text, number == 1 ? "" : ",");
        part_write_json(part, SPAN_UNKNOWN, text);
    }
    text_add_char(text, ']');
}

static const struct message_parts no_more = {.count = 0};

struct err tx_message_write_json(struct tx *tx, const struct message_row *row, size_t budget,
                                 struct text *text) {
    messages__write_parts(tx, row, budget, no_more, text);
    text_add_char(text, '}');
    return tx_error(tx);
}

struct err tx_message_write_alone(struct tx *tx, const struct message_row *row,
                                  struct bytes session, struct text *text) {
    messages__write_parts(tx, row, MESSAGE_BYTES_WHOLE, no_more, text);
    text_add_member(text, "session", session);
    text_add_char(text, '}');
    return tx_error(tx);
}

struct err tx_message_write_found(struct tx *tx, const struct message_row *row, size_t budget,
                                  struct bytes around, struct text *text) {
    messages__write_parts(tx, row, budget, no_more, text);
    text_add_str(text, ",\"match\":{");
    text_add_member(text, "text", around);
    text_add_str(text, "}}");
    return tx_error(tx);
}

void messages__write_queue(const struct message_rows *live, struct text *text) {
    bool first = true;
    text_add_name(text, "queue");
    text_add_char(text, '[');
    for (size_t i = 0; i < live->count; i++) {
        if (live->rows[i].status == MESSAGE_QUEUED) {
            text_add_str(text, first ? "" : ",");
            text_add_json(text, live->rows[i].message.data, live->rows[i].message.len);
            first = false;
        }
    }
    text_add_char(text, ']');
}
