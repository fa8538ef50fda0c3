/* anthropic_build.c: writes the body of a request to Anthropic's messages.
 *
 * Results of tools are blocks of a user's message, all results of one answer in the next one; two
 * messages of one role in a row become one. The system text and the end of the conversation are
 * marked for the provider's cache, so that each call reads what the one before has written.
 * The interface has no schema for answers: a tool of ours takes its place (WIRE_ANSWER_TOOL).
 */
#include <string.h>

#include "model/wire/build.h"

enum {
    OUTPUT_UNKNOWN = 8192, /* Of a model that nobody knows: all take that much. */
    OUTPUT_USUAL_MAX = 32000,
    THINKING_MIN = 1024, /* The least that is accepted. */
};

static const char cached[] = ",\"cache_control\":{\"type\":\"ephemeral\"}";

static int64_t output_max(const struct wire_order *order) {
    if (order->request->output_max > 0) {
        return order->request->output_max;
    }
    int64_t known = order->facts.output_max;
    if (known <= 0) {
        return OUTPUT_UNKNOWN;
    }
    return known < OUTPUT_USUAL_MAX ? known : OUTPUT_USUAL_MAX;
}

/* The tokens of thinking are part of the longest answer; 0: it doesn't think. */
static int64_t thinking_budget(const struct wire_order *order) {
    static const int64_t budgets[] = {[MODEL_EFFORT_DEFAULT] = 0,
                                      [MODEL_EFFORT_LOW] = 2048,
                                      [MODEL_EFFORT_MEDIUM] = 8192,
                                      [MODEL_EFFORT_HIGH] = 24576};
    int64_t budget = budgets[order->request->effort], most = output_max(order) / 2;
    budget = budget < most ? budget : most;
    return budget >= THINKING_MIN ? budget : 0;
}

static void build_settings(const struct wire_order *order, struct text *body) {
    text_add_str(body, "{\"model\":");
    build_bytes(body, order->model);
    text_add_str(body, ",\"stream\":true,\"max_tokens\":");
    text_add_int(body, output_max(order));
    int64_t budget = thinking_budget(order);
    if (budget > 0) { /* Thinking and a temperature exclude each other. */
        text_add_str(body, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":");
        text_add_int(body, budget);
        text_add_char(body, '}');
    } else {
        build_temperature(body, order->request->temperature_pct);
    }
    if (order->request->system.len > 0) {
        text_add_str(body, ",\"system\":[{\"type\":\"text\",\"text\":");
        build_bytes(body, order->request->system);
        text_add_str(body, cached);
        text_add_str(body, "}]");
    }
}

static void build_named_choice(struct text *body, struct bytes name) {
    text_add_str(body, ",\"tool_choice\":{\"type\":\"tool\",\"name\":");
    build_bytes(body, name);
    text_add_char(body, '}');
}

/* While it thinks, a model may not be made to call a tool. */
static void build_choice(const struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    bool thinks = thinking_budget(order) > 0, schema = request->schema.len > 0;
    if (request->choice == MODEL_CHOICE_NONE && !schema) {
        text_add_str(body, ",\"tool_choice\":{\"type\":\"none\"}");
    } else if (thinks) {
        return;
    } else if (request->choice_tool.len > 0) {
        build_named_choice(body, request->choice_tool);
    } else if (schema && request->tool_count == 0) {
        build_named_choice(body, BYTES(WIRE_ANSWER_TOOL));
    } else if (schema || request->choice == MODEL_CHOICE_REQUIRED) {
        text_add_str(body, ",\"tool_choice\":{\"type\":\"any\"}");
    }
}

static void build_tools(const struct wire_order *order, struct text *body) {
    const struct model_request *request = order->request;
    bool first = true;
    if (request->tool_count == 0 && request->schema.len == 0) {
        return;
    }
    build_choice(order, body);
    text_add_str(body, ",\"tools\":[");
    for (size_t i = 0; i < request->tool_count; i++) {
        build_comma(body, &first);
        text_add_char(body, '{');
        build_tool(body, &request->tools[i], "input_schema");
        text_add_char(body, '}');
    }
    if (request->schema.len > 0) {
        const struct model_tool answer = {
            .name = BYTES(WIRE_ANSWER_TOOL),
            .description = BYTES("Gives the final answer. Call it once, when you are done; what "
                                 "you write elsewhere is not read."),
            .schema = request->schema};
        build_comma(body, &first);
        text_add_char(body, '{');
        build_tool(body, &answer, "input_schema");
        text_add_char(body, '}');
    }
    text_add_char(body, ']');
}

static void build_image(const struct model_part *part, struct text *body) {
    text_add_str(body, "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":");
    build_bytes(body, part->name);
    text_add_str(body, ",\"data\":\"");
    text_add(body, part->text.data, part->text.len);
    text_add_str(body, "\"}");
}

static void build_thinking(const struct model_part *part, struct text *body) {
    static const char redacted[] = "redacted ";
    const size_t len = sizeof redacted - 1;
    struct bytes signature = part->signature;
    if (signature.len > len && memcmp(signature.data, redacted, len) == 0) {
        text_add_str(body, "{\"type\":\"redacted_thinking\",\"data\":");
        build_bytes(body, (struct bytes){signature.data + len, signature.len - len});
        return;
    }
    text_add_str(body, "{\"type\":\"thinking\",\"thinking\":");
    build_bytes(body, part->text);
    text_add_str(body, ",\"signature\":");
    build_bytes(body, signature);
}

static void build_call(const struct model_part *part, struct text *body) {
    text_add_str(body, "{\"type\":\"tool_use\",\"id\":");
    build_bytes(body, part->id);
    text_add_str(body, ",\"name\":");
    build_bytes(body, part->name);
    text_add_str(body, ",\"input\":");
    build_arguments(body, part->text);
}

/* Without its closing brace: the last one of all gets the mark for the cache. */
static void build_block(const struct model_part *part, struct text *body) {
    switch (part->kind) {
    case MODEL_PART_TEXT:
        text_add_str(body, "{\"type\":\"text\",\"text\":");
        build_bytes(body, part->text);
        break;
    case MODEL_PART_THINKING:
        build_thinking(part, body);
        break;
    case MODEL_PART_TOOL_CALL:
        build_call(part, body);
        break;
    case MODEL_PART_TOOL_RESULT:
        text_add_str(body, "{\"type\":\"tool_result\",\"tool_use_id\":");
        build_bytes(body, part->id);
        text_addf(body, "%s,\"content\":", part->is_error ? ",\"is_error\":true" : "");
        build_bytes(body, part->text);
        break;
    case MODEL_PART_IMAGE:
        build_image(part, body);
        break;
    }
}

static bool shown(const struct model_part *part) {
    bool unsigned_thinking = part->kind == MODEL_PART_THINKING && part->signature.len == 0;
    return build_shown(part, MODEL_KIND_ANTHROPIC) && !unsigned_thinking;
}

struct messages {
    struct text *body;
    const struct model_part *open; /* The block that still lacks its brace; NULL: none yet. */
    bool user;                     /* The block is in a message of a user. */
    bool marked;                   /* The block has the mark of the cache. */
};

static void add_block(struct messages *messages, const struct model_part *part, bool of_user) {
    struct text *body = messages->body;
    if (messages->open == NULL || of_user != messages->user) {
        text_add_str(body, messages->open != NULL ? "}]}," : "");
        text_addf(body, "{\"role\":\"%s\",\"content\":[", of_user ? "user" : "assistant");
    } else {
        text_add_str(body, "},");
    }
    build_block(part, body);
    messages->open = part;
    messages->user = of_user;
    messages->marked = false;
}

/* Thinking cannot be marked. */
static void mark_open(struct messages *messages) {
    if (messages->open != NULL && messages->open->kind != MODEL_PART_THINKING &&
        !messages->marked) {
        text_add_str(messages->body, cached);
        messages->marked = true;
    }
}

static void add_message(struct messages *messages, const struct model_message *message) {
    for (const struct model_part *part = message->first; part != NULL; part = part->next) {
        if (shown(part)) {
            add_block(messages, part, message->role != MODEL_ASSISTANT);
        }
    }
}

/* Last message of a user before the question: up to there the prompt of the turn before was the
 * same. */
static const struct model_message *find_asked_before(const struct model_request *request) {
    const struct model_message *found = NULL;
    for (const struct model_message *at = request->first; at != NULL && at != request->question;
         at = at->next) {
        found = at->role == MODEL_USER ? at : found;
    }
    return request->question != NULL ? found : NULL;
}

/* Marked are, beside the system text, the question and what was asked before it, both without the
 * tail, which no other turn has, and the end: four marks, as many as the interface takes. */
static void build_messages(const struct model_request *request, struct text *body) {
    const struct model_message *before = find_asked_before(request);
    const struct model_part tail = {.kind = MODEL_PART_TEXT, .text = request->tail};
    struct messages messages = {.body = body};
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        add_message(&messages, at);
        if (at == before || at == request->question) {
            mark_open(&messages);
        }
        if (at == request->question && tail.text.len > 0) {
            add_block(&messages, &tail, true /* a user's */);
        }
    }
    if (messages.open != &tail) {
        mark_open(&messages);
    }
    text_add_str(body, messages.open != NULL ? "}]}" : "");
}

void wire__anthropic_build(const struct wire_order *order, struct text *body) {
    build_settings(order, body);
    build_tools(order, body);
    text_add_str(body, ",\"messages\":[");
    build_messages(order->request, body);
    text_add_str(body, "]}");
}
