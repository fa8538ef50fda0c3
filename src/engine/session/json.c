/* json.c: a session as clients see it. */
#include <string.h>

#include "engine/session/sessions.h"

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

static void add_number(struct text *text, const char *before, int64_t number) {
    text_add_str(text, before);
    text_add_int(text, number);
}

void session_write_usage(const struct session_usage *usage, struct text *text) {
    add_number(text, "{\"calls\":", usage->calls);
    add_number(text, ",\"fresh\":", usage->fresh);
    add_number(text, ",\"cache_read\":", usage->cache_read);
    add_number(text, ",\"cache_write\":", usage->cache_write);
    add_number(text, ",\"output\":", usage->output);
    add_number(text, ",\"reasoning\":", usage->reasoning);
    if (usage->calls > 0 && usage->cost_unknown >= usage->calls) {
        text_add_str(text, ",\"cost_micros\":null");
    } else {
        add_number(text, ",\"cost_micros\":", usage->cost_micros);
    }
    add_number(text, ",\"cost_unknown\":", usage->cost_unknown);
    text_add_char(text, '}');
}

static void write_open(const struct session_row *row, enum session_form form, struct text *text) {
    add_text(text, "{\"id\":", row->session);
    add_text(text, ",\"project\":", row->project);
    add_text(text, ",\"title\":", row->title);
    const char *by = title_by_name(row->title_by);
    add_optional(text, ",\"title_by\":", bytes_of(by));
    text_addf(text, ",\"state\":\"%s\",\"archived\":%s", session_state_name(row->state),
              row->archived_ms != 0 ? "true" : "false");
    add_optional(text, ",\"model\":", row->model);
    add_optional(text, ",\"agent\":", row->agent);
    add_optional(text, ",\"root\":", row->root);
    add_optional(text, ",\"parent\":", row->parent_name);
    add_number(text, ",\"depth\":", row->depth);
    add_optional(text, ",\"forked_from\":", row->forked_from);
    add_number(text, ",\"version\":", row->version);
    add_number(text, ",\"made_ms\":", row->made_ms);
    add_number(text, ",\"changed_ms\":", row->changed_ms);
    text_add_str(text, ",\"usage\":");
    session_write_usage(&row->usage, text);
    add_number(text, ",\"context_used\":", row->context_used);
    add_number(text, ",\"context_window\":", row->context_window);
    text_add_str(text, ",\"metadata\":");
    json_add_stored(text, row->metadata);
    if (form == SESSION_WHOLE) {
        text_add_str(text, ",\"settings\":");
        json_add_stored(text, row->settings);
        add_optional(text, ",\"instructions\":", row->instructions);
    }
    text_add_str(text, ",\"stream\":\"session:");
    text_add_json_piece(text, row->session);
    text_add_char(text, '"');
}

void session_write_json(const struct session_row *row, enum session_form form, struct text *text) {
    write_open(row, form, text);
    text_add_char(text, '}');
}

void session_write_found(const struct session_row *row, const struct session_hit *hit,
                         struct text *text) {
    write_open(row, SESSION_LIGHT, text);
    text_add_str(text, ",\"match\":{");
    if (hit->message.len > 0) {
        add_text(text, "\"message\":", hit->message);
        text_add_char(text, ',');
    }
    add_text(text, "\"text\":", hit->text);
    text_add_str(text, "}}");
}
