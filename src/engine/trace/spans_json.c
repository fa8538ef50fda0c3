/* spans_json.c: a span as clients see it. */
#include "engine/trace/spans.h"

#include "base/json/json.h"
#include "base/text.h"

static void add_number(struct text *text, const char *before, int64_t number) {
    text_add_str(text, before);
    if (number == SPAN_UNKNOWN) {
        text_add_str(text, "null");
    } else {
        text_add_int(text, number);
    }
}

/* No word is null. */
static void add_word(struct text *text, const char *before, struct bytes word) {
    text_add_str(text, before);
    if (word.len == 0) {
        text_add_str(text, "null");
        return;
    }
    text_add_json(text, word.data, word.len);
}

/* A JSON string as it was stored. */
static void add_stored(struct text *text, const char *before, struct bytes json) {
    text_add_str(text, before);
    if (json.len == 0) {
        text_add_str(text, "null");
    } else {
        json_add_stored(text, json);
    }
}

static void add_tokens(const struct span_tokens *tokens, struct text *text) {
    const int64_t all[] = {tokens->fresh, tokens->cache_read, tokens->cache_write, tokens->output,
                           tokens->reasoning};
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        known = known || all[i] != SPAN_UNKNOWN;
    }
    if (!known) {
        text_add_str(text, ",\"tokens\":null");
        return;
    }
    add_number(text, ",\"tokens\":{\"fresh\":", tokens->fresh);
    add_number(text, ",\"cache_read\":", tokens->cache_read);
    add_number(text, ",\"cache_write\":", tokens->cache_write);
    add_number(text, ",\"output\":", tokens->output);
    add_number(text, ",\"reasoning\":", tokens->reasoning);
    text_add_char(text, '}');
}

/* How much of each part of the prompt was in the provider's cache. */
static void add_parts(const struct span_row *row, struct text *text) {
    static const char *const names[USAGE_PART_COUNT] = {
        ",\"prompt\":{\"tools\":", ",\"instructions\":", ",\"history\":"};
    const struct span_tokens *tokens = &row->tokens;
    if (!row->measured || tokens->fresh == SPAN_UNKNOWN) {
        text_add_str(text, ",\"prompt\":null");
        return;
    }
    const struct usage usage = {.fresh = tokens->fresh,
                                .cache_read = tokens->cache_read,
                                .cache_write = tokens->cache_write};
    const struct usage_parts parts = usage_split(&usage, row->prompt);
    for (size_t i = 0; i < USAGE_PART_COUNT; i++) {
        text_add_str(text, names[i]);
        add_number(text, "{\"tokens\":", parts.tokens[i]);
        add_number(text, ",\"cache_read\":", parts.cache_read[i]);
        text_add_char(text, '}');
    }
    text_add_char(text, '}');
}

void span_write_json(const struct span_row *row, struct text *text) {
    text_add_char(text, '{');
    if (row->turn != 0) {
        add_number(text, "\"turn\":", row->turn);
        add_word(text, ",\"run\":", row->run);
        add_word(text, ",\"message\":", row->message);
        text_add_char(text, ',');
    }
    add_number(text, "\"attempt\":", row->attempt);
    add_number(text, ",\"step\":", row->step);
    add_word(text, ",\"kind\":", row->kind);
    text_add_str(text, ",\"name\":");
    text_add_json(text, row->name.data, row->name.len);
    add_word(text, ",\"state\":", row->state);
    add_word(text, ",\"cause\":", row->cause);
    text_add_str(text, ",\"error\":");
    if (row->error.len == 0) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, row->error.data, row->error.len);
    }
    add_number(text, ",\"started_ms\":", row->started_ms);
    add_number(text, ",\"ended_ms\":", row->ended_ms == 0 ? SPAN_UNKNOWN : row->ended_ms);
    add_tokens(&row->tokens, text);
    add_parts(row, text);
    add_number(text, ",\"cost_micros\":", row->cost);
    text_add_str(text, row->estimated ? ",\"estimated\":true" : ",\"estimated\":false");
    add_number(text, ",\"tries\":", row->tries);
    add_number(text, ",\"exit_code\":", row->exit_code);
    add_number(text, ",\"cpu_us\":", row->cpu_us);
    add_number(text, ",\"memory_kb\":", row->memory_kb);
    add_number(text, ",\"disk_bytes\":", row->disk);
    add_stored(text, ",\"input\":", row->input);
    add_stored(text, ",\"output\":", row->output);
    text_add_char(text, '}');
}
