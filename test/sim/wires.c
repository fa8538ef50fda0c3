/* wires.c: what was said, as the three kinds of providers stream it. */
#include <string.h>

#include "base/utf8.h"
#include "provider.h"

/* Pieces of a text are cut between characters; their lengths follow from the key. */
struct pieces {
    struct bytes rest;
    uint64_t state;
};

static struct pieces pieces_of(struct bytes text, uint64_t key) {
    return (struct pieces){text, key * UINT64_C(6364136223846793005) + 1442695040888963407U};
}

static bool pieces_next(struct pieces *pieces, struct bytes *ret_piece) {
    if (pieces->rest.len == 0) {
        return false;
    }
    pieces->state = pieces->state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    size_t most = 1 + (pieces->state >> 33) % (pieces->rest.len / 8 + 24);
    size_t len = most < pieces->rest.len ? most : pieces->rest.len;
    while (len < pieces->rest.len && ((uint8_t)pieces->rest.data[len] & 0xc0U) == 0x80U) {
        len++; /* Up to the end of the character. */
    }
    *ret_piece = (struct bytes){pieces->rest.data, len};
    pieces->rest = (struct bytes){pieces->rest.data + len, pieces->rest.len - len};
    return true;
}

static void add_string(struct text *body, struct bytes bytes) {
    text_add_json(body, bytes.data, bytes.len);
}

static void add_name(struct text *body, const char *name) {
    text_add_json(body, name, strlen(name));
}

/* --- Chat completions ------------------------------------------------------------------------- */

static void openai_begin(struct text *body) {
    text_add_str(body, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":"
                       "[{\"index\":0,\"delta\":{");
}

static void openai_end(struct text *body, const char *finish) {
    text_addf(body, "},\"finish_reason\":%s}]}\n\n", finish);
}

static void openai_text(struct text *body, const char *member, struct bytes text, uint64_t key) {
    struct pieces pieces = pieces_of(text, key);
    struct bytes piece;
    while (pieces_next(&pieces, &piece)) {
        openai_begin(body);
        text_addf(body, "\"%s\":", member);
        add_string(body, piece);
        openai_end(body, "null");
    }
}

static void openai_call(struct text *body, size_t index, const struct utterance_call *call,
                        uint64_t key) {
    openai_begin(body);
    text_addf(body,
              "\"tool_calls\":[{\"index\":%zu,\"id\":\"%s\",\"type\":\"function\","
              "\"function\":{\"name\":",
              index, call->id);
    add_name(body, call->name);
    text_add_str(body, ",\"arguments\":\"\"}}]");
    openai_end(body, "null");
    struct pieces pieces = pieces_of(text_bytes(&call->arguments), key + index);
    struct bytes piece;
    while (pieces_next(&pieces, &piece)) {
        openai_begin(body);
        text_addf(body, "\"tool_calls\":[{\"index\":%zu,\"function\":{\"arguments\":", index);
        add_string(body, piece);
        text_add_str(body, "}}]");
        openai_end(body, "null");
    }
}

static void openai_write(uint64_t key, const struct utterance *said, struct text *body) {
    static const char *const finishes[] = {[SPOKE_END] = "\"stop\"",
                                           [SPOKE_TOOLS] = "\"tool_calls\"",
                                           [SPOKE_LENGTH] = "\"length\"",
                                           [SPOKE_REFUSED] = "\"content_filter\""};
    openai_text(body, key % 2 == 0 ? "reasoning_content" : "reasoning", text_bytes(&said->thinking),
                key);
    openai_text(body, "content", text_bytes(&said->text), key + 1);
    for (size_t i = 0; i < said->call_count; i++) {
        openai_call(body, i, &said->calls[i], key);
    }
    openai_begin(body);
    openai_end(body, finishes[said->stop]);
    if (said->counted) {
        text_addf(body,
                  "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":%lld,"
                  "\"completion_tokens\":%lld,\"total_tokens\":%lld,\"prompt_tokens_details\":"
                  "{\"cached_tokens\":%lld},\"completion_tokens_details\":{\"reasoning_tokens\":"
                  "%lld}}}\n\n",
                  (long long)said->input, (long long)said->output,
                  (long long)(said->input + said->output), (long long)said->cached,
                  (long long)said->reasoning);
    }
    text_add_str(body, "data: [DONE]\n\n");
}

/* --- Responses -------------------------------------------------------------------------------- */

static void responses_begin(struct text *body, const char *type) {
    text_addf(body, "event: %s\ndata: {\"type\":\"%s\"", type, type);
}

static void responses_end(struct text *body) {
    text_add_str(body, "}\n\n");
}

static void responses_deltas(struct text *body, const char *type, size_t index, struct bytes text,
                             uint64_t key) {
    struct pieces pieces = pieces_of(text, key);
    struct bytes piece;
    while (pieces_next(&pieces, &piece)) {
        responses_begin(body, type);
        text_addf(body, ",\"output_index\":%zu,\"delta\":", index);
        add_string(body, piece);
        responses_end(body);
    }
}

static void responses_thinking(struct text *body, const struct utterance *said, uint64_t key) {
    responses_deltas(body, "response.reasoning_summary_text.delta", 0, text_bytes(&said->thinking),
                     key);
    responses_begin(body, "response.output_item.done");
    text_addf(body,
              ",\"output_index\":0,\"item\":{\"type\":\"reasoning\",\"id\":\"rs_%llu\","
              "\"summary\":[],\"encrypted_content\":\"secret+%llu\"}",
              (unsigned long long)key, (unsigned long long)key);
    responses_end(body);
}

static void responses_call(struct text *body, size_t index, const struct utterance_call *call,
                           const char *status, uint64_t key) {
    static const char *const events[] = {"response.output_item.added", "response.output_item.done"};
    for (size_t i = 0; i < COUNT_OF(events); i++) {
        responses_begin(body, events[i]);
        text_addf(body,
                  ",\"output_index\":%zu,\"item\":{\"type\":\"function_call\","
                  "\"call_id\":\"%s\",\"name\":",
                  index, call->id);
        add_name(body, call->name);
        text_add_str(body, ",\"arguments\":");
        add_string(body, i == 0 ? BYTES("") : text_bytes(&call->arguments));
        text_addf(body, ",\"status\":\"%s\"}", i == 0 ? "in_progress" : status);
        responses_end(body);
        if (i == 0) {
            responses_deltas(body, "response.function_call_arguments.delta", index,
                             text_bytes(&call->arguments), key + index);
        }
    }
}

static void responses_write(uint64_t key, const struct utterance *said, struct text *body) {
    bool refused = said->stop == SPOKE_REFUSED;
    if (said->thinking.len > 0) {
        responses_thinking(body, said, key);
    }
    responses_deltas(body, refused ? "response.refusal.delta" : "response.output_text.delta", 1,
                     text_bytes(&said->text), key + 1);
    for (size_t i = 0; i < said->call_count; i++) {
        bool cut = said->last_call_cut && i + 1 == said->call_count;
        responses_call(body, i + 2, &said->calls[i], cut ? "incomplete" : "completed", key);
    }
    bool incomplete = said->stop == SPOKE_LENGTH;
    responses_begin(body, incomplete ? "response.incomplete" : "response.completed");
    text_add_str(body, ",\"response\":{");
    if (incomplete) {
        text_add_str(body, "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}");
    }
    if (said->counted) {
        text_addf(body,
                  "%s\"usage\":{\"input_tokens\":%lld,\"output_tokens\":%lld,"
                  "\"input_tokens_details\":{\"cached_tokens\":%lld},\"output_tokens_details\":"
                  "{\"reasoning_tokens\":%lld}}",
                  incomplete ? "," : "", (long long)said->input, (long long)said->output,
                  (long long)said->cached, (long long)said->reasoning);
    }
    text_add_char(body, '}');
    responses_end(body);
}

/* --- Messages --------------------------------------------------------------------------------- */

static void anthropic_begin(struct text *body, const char *type) {
    text_addf(body, "event: %s\ndata: {\"type\":\"%s\"", type, type);
}

static void anthropic_end(struct text *body) {
    text_add_str(body, "}\n\n");
}

static void block_begin(struct text *body, size_t index, const char *block) {
    anthropic_begin(body, "content_block_start");
    text_addf(body, ",\"index\":%zu,\"content_block\":%s", index, block);
}

static void block_deltas(struct text *body, size_t index, const char *kind, const char *member,
                         struct pieces pieces) {
    struct bytes piece;
    while (pieces_next(&pieces, &piece)) {
        anthropic_begin(body, "content_block_delta");
        text_addf(body, ",\"index\":%zu,\"delta\":{\"type\":\"%s\",\"%s\":", index, kind, member);
        add_string(body, piece);
        text_add_char(body, '}');
        anthropic_end(body);
    }
}

static void block_end(struct text *body, size_t index) {
    anthropic_begin(body, "content_block_stop");
    text_addf(body, ",\"index\":%zu", index);
    anthropic_end(body);
}

static void anthropic_thinking(struct text *body, size_t index, const struct utterance *said,
                               uint64_t key) {
    block_begin(body, index, "{\"type\":\"thinking\",\"thinking\":\"\"}");
    anthropic_end(body);
    block_deltas(body, index, "thinking_delta", "thinking",
                 pieces_of(text_bytes(&said->thinking), key));
    block_deltas(body, index, "signature_delta", "signature", pieces_of(BYTES("c2lnbmVk"), key));
    block_end(body, index);
}

static void anthropic_call(struct text *body, size_t index, const struct utterance_call *call,
                           uint64_t key) {
    block_begin(body, index, "{\"type\":\"tool_use\",\"id\":\"");
    text_addf(body, "%s\",\"input\":{},\"name\":", call->id);
    add_name(body, call->name);
    text_add_char(body, '}');
    anthropic_end(body);
    block_deltas(body, index, "input_json_delta", "partial_json",
                 pieces_of(text_bytes(&call->arguments), key));
    block_end(body, index);
}

static void anthropic_blocks(uint64_t key, const struct utterance *said, struct text *body) {
    size_t index = 0;
    if (said->thinking.len > 0) {
        anthropic_thinking(body, index++, said, key);
    }
    if (said->text.len > 0) {
        block_begin(body, index, "{\"type\":\"text\",\"text\":\"\"}");
        anthropic_end(body);
        block_deltas(body, index, "text_delta", "text",
                     pieces_of(text_bytes(&said->text), key + 1));
        block_end(body, index++);
    }
    for (size_t i = 0; i < said->call_count; i++) {
        anthropic_call(body, index++, &said->calls[i], key + i);
    }
}

static void anthropic_write(uint64_t key, const struct utterance *said, struct text *body) {
    static const char *const reasons[] = {[SPOKE_END] = "end_turn",
                                          [SPOKE_TOOLS] = "tool_use",
                                          [SPOKE_LENGTH] = "max_tokens",
                                          [SPOKE_REFUSED] = "refusal"};
    anthropic_begin(body, "message_start");
    text_add_str(body, ",\"message\":{\"role\":\"assistant\"");
    if (said->counted) {
        text_addf(body,
                  ",\"usage\":{\"input_tokens\":%lld,\"cache_read_input_tokens\":%lld,"
                  "\"output_tokens\":1}",
                  (long long)(said->input - said->cached), (long long)said->cached);
    }
    text_add_char(body, '}');
    anthropic_end(body);
    text_add_str(body, key % 4 == 0 ? "event: ping\ndata: {\"type\":\"ping\"}\n\n" : "");
    anthropic_blocks(key, said, body);
    anthropic_begin(body, "message_delta");
    text_addf(body, ",\"delta\":{\"stop_reason\":\"%s\"}", reasons[said->stop]);
    if (said->counted) {
        text_addf(body, ",\"usage\":{\"output_tokens\":%lld}", (long long)said->output);
    }
    anthropic_end(body);
    anthropic_begin(body, "message_stop");
    anthropic_end(body);
}

/* --- All of them ------------------------------------------------------------------------------ */

void wires_write(enum wire_kind wire, uint64_t key, const struct utterance *utterance,
                 struct text *body) {
    switch (wire) {
    case WIRE_OPENAI:
        openai_write(key, utterance, body);
        break;
    case WIRE_RESPONSES:
        responses_write(key, utterance, body);
        break;
    case WIRE_ANTHROPIC:
    case WIRE_KINDS:
        anthropic_write(key, utterance, body);
        break;
    }
}

void wires_write_error(enum wire_kind wire, const char *type, const char *message,
                       struct text *body) {
    text_add_str(body, wire == WIRE_OPENAI ? "" : "event: error\n");
    text_addf(body, "data: {%s\"error\":{\"type\":\"%s\",\"message\":\"%s\"}}\n\n",
              wire == WIRE_ANTHROPIC ? "\"type\":\"error\"," : "", type, message);
}
