/* claude.c: Claude Code (-p, JSON lines both ways).
 *
 * It gets its prompt as a line of its input, which stays open: questions are answered there, and
 * more messages may follow. It ends when its input does. Lines:
 *
 *   system/init            its session and model
 *   stream_event           a piece of what its model says, as the provider's API has it
 *   assistant              a message: whole; its texts came in pieces before
 *   user                   results of its tools; or a message of ours, once it has taken it
 *   control_request        may it use a tool? It waits for a control_response
 *   system/api_retry       it asks its provider again
 *   result                 the end of what was asked: "subtype" says success also of failures
 */
#include "agent/reader.h"

static void line_add_user(struct bytes id, struct bytes words, struct text *text) {
    text_add_str(text, "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":");
    text_add_json(text, words.data, words.len);
    text_add_char(text, '}');
    text_add_member(text, "uuid", id);
    text_add_str(text, "}\n");
}

static void claude_make(struct program_making *making) {
    static const char *const words[] = {"-p",
                                        "--input-format",
                                        "stream-json",
                                        "--output-format",
                                        "stream-json",
                                        "--verbose",
                                        "--include-partial-messages"};
    const struct program_start *start = making->start;
    const struct agent_definition *agent = start->agent;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        making_add(making, words[i]);
    }
    switch (agent_definition_access(agent)) {
    case AGENT_ACCESS_READ:
        making_add_option(making, "--permission-mode", BYTES("plan"));
        break;
    case AGENT_ACCESS_ALL:
        making_add_option(making, "--permission-mode", BYTES("bypassPermissions"));
        break;
    default:
        break;
    }
    if (agent_definition_access(agent) != AGENT_ACCESS_ALL) {
        making_add_option(making, "--permission-prompt-tool", BYTES("stdio"));
    }
    making_add_option(making, "--model", bytes_of(agent->model));
    making_add_option(making, "--append-system-prompt", bytes_of(agent->instructions));
    making_add_option(making, "--resume", start->native);
    making_add_option(making, "--session-id", start->native.len > 0 ? BYTES("") : start->session);
    making_add_own(making);
    AUTO(text_done) struct text input = text_up_to((size_t)8 << 20);
    line_add_user(start->message, start->prompt, &input);
    making->command->input = making_keep(making, &input);
    making->command->input_open = true;
}

/* --- Its lines -------------------------------------------------------------------------------- */

static struct usage usage_of(const json_t *counts) {
    const struct usage_messages_counts said = {
        .input_tokens = reader_number(counts, "input_tokens"),
        .cache_read_input_tokens = reader_number(counts, "cache_read_input_tokens"),
        .cache_creation_input_tokens = reader_number(counts, "cache_creation_input_tokens"),
        .output_tokens = reader_number(counts, "output_tokens"),
        .web_search_requests = -1};
    return usage_of_messages(&said);
}

/* message_start has the input, message_delta the output so far: a call is added up at its end. */
static void on_event(struct program_reader *reader, const json_t *event) {
    struct reader_state *state = &reader->state;
    const struct bytes type = json_bytes(event, "type");
    const json_t *delta = json_object_get(event, "delta");
    if (bytes_is(type, "content_block_delta")) {
        state->pieces = true;
        reader_say(reader, PROGRAM_TEXT, json_bytes(delta, "text"));
        reader_say(reader, PROGRAM_THINKING, json_bytes(delta, "thinking"));
    } else if (bytes_is(type, "message_start")) {
        const json_t *message = json_object_get(event, "message");
        const struct usage usage = usage_of(json_object_get(message, "usage"));
        usage_add(&state->open, &usage);
        state->open.output -= usage.output; /* The end says how much it was. */
        state->pieces = false;
        reader_set_model(reader, json_bytes(message, "model"));
    } else if (bytes_is(type, "message_delta")) {
        const struct usage usage = usage_of(json_object_get(event, "usage"));
        state->open.output += usage.output;
    }
}

static void on_assistant(struct program_reader *reader, const json_t *content) {
    const bool pieces = reader->state.pieces;
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        const struct bytes type = json_bytes(block, "type");
        if (bytes_is(type, "text") && !pieces) {
            reader_say(reader, PROGRAM_TEXT, json_bytes(block, "text"));
        } else if (bytes_is(type, "thinking") && !pieces) {
            reader_say(reader, PROGRAM_THINKING, json_bytes(block, "thinking"));
        } else if (bytes_is(type, "tool_use")) {
            reader_start_tool(reader, json_bytes(block, "id"), json_bytes(block, "name"),
                              json_object_get(block, "input"));
        }
    }
    reader_tell(reader, PROGRAM_STEP);
}

static void on_user(struct program_reader *reader, const json_t *content) {
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        if (bytes_is(json_bytes(block, "type"), "tool_result")) {
            AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
            reader_text_of(json_object_get(block, "content"), &text);
            reader_finish_tool(reader, json_bytes(block, "tool_use_id"), text_bytes(&text),
                               json_is_true(json_object_get(block, "is_error")) ? READER_TOOL_FAILED
                                                                                : READER_TOOL_DONE);
        }
    }
    reader_tell(reader, PROGRAM_STEP);
}

/* The usage of the result is that of all calls since its input began: the sum is
 * reported once, at the end. */
static void on_result(struct program_reader *reader, const json_t *line) {
    const bool failed = json_is_true(json_object_get(line, "is_error"));
    const struct bytes subtype = json_bytes(line, "subtype");
    const struct bytes reason = json_bytes(line, "terminal_reason");
    const struct usage usage = usage_of(json_object_get(line, "usage"));
    reader->state.open = (struct usage){.fresh = 0};
    reader_use(reader, &usage);
    reader_price(reader, json_object_get(line, "total_cost_usd"));
    if (failed || !bytes_is(subtype, "success")) {
        reader_failed(reader, failed && reason.len > 0 ? reason : subtype,
                      json_bytes(line, "result"), json_int(line, "api_error_status", 0));
        return;
    }
    if (!reader->state.has_said) { /* The answer to a command of the program, such as /help. */
        reader_say(reader, PROGRAM_TEXT, json_bytes(line, "result"));
    }
    reader_done(reader);
}

static void on_question(struct program_reader *reader, const json_t *line) {
    const json_t *request = json_object_get(line, "request");
    AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
    const json_t *input = json_object_get(request, "input");
    if (!json_is_object(input) || err_failed(json_write(input, &text))) {
        text_clear(&text);
    }
    const struct program_event event = {.kind = PROGRAM_QUESTION,
                                        .id = json_bytes(line, "request_id"),
                                        .tool = json_bytes(request, "tool_name"),
                                        .text = json_bytes(request, "tool_use_id"),
                                        .arguments =
                                            text.len == 0 ? BYTES("{}") : text_bytes(&text)};
    reader->heard(reader->ctx, &event);
}

static bool on_system(struct program_reader *reader, const json_t *line) {
    const struct bytes subtype = json_bytes(line, "subtype");
    if (bytes_is(subtype, "init")) {
        reader_set_native(reader, json_bytes(line, "session_id"));
        reader_set_model(reader, json_bytes(line, "model"));
    } else if (bytes_is(subtype, "api_retry")) {
        const struct program_event event = {.kind = PROGRAM_RETRYING,
                                            .status = json_int(line, "error_status", 0),
                                            .wait_ms = json_int(line, "retry_delay_ms", 0)};
        reader->heard(reader->ctx, &event);
    } else {
        return bytes_is(subtype, "status") || bytes_is(subtype, "thinking_tokens") ||
               bytes_is(subtype, "compact_boundary");
    }
    return true;
}

static bool claude_read(struct program_reader *reader, const json_t *line) {
    const struct bytes type = json_bytes(line, "type");
    const json_t *content = json_object_get(json_object_get(line, "message"), "content");
    if (bytes_is(type, "stream_event")) {
        on_event(reader, json_object_get(line, "event"));
    } else if (bytes_is(type, "assistant")) {
        on_assistant(reader, content);
    } else if (bytes_is(type, "user")) {
        on_user(reader, content);
    } else if (bytes_is(type, "result")) {
        on_result(reader, line);
    } else if (bytes_is(type, "control_request") &&
               bytes_is(json_bytes(json_object_get(line, "request"), "subtype"), "can_use_tool")) {
        on_question(reader, line);
    } else if (bytes_is(type, "system")) {
        return on_system(reader, line);
    } else {
        return false;
    }
    return true;
}

static void claude_reply(const struct program_reply *reply, struct text *text) {
    text_add_str(text, "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\"");
    text_add_member(text, "request_id", reply->question);
    text_add_str(text, ",\"response\":{");
    if (reply->allowed) {
        text_add_str(text, "\"behavior\":\"allow\",\"updatedInput\":");
        json_add_stored(text, reply->arguments);
    } else {
        const struct bytes reason =
            reply->reason.len > 0 ? reply->reason : BYTES("The user denied this.");
        text_add_str(text, "\"behavior\":\"deny\"");
        text_add_member(text, "message", reason);
    }
    text_add_str(text, "}}}\n");
}

const struct program program_claude = {.name = "claude",
                                       .command = "claude",
                                       .can = PROGRAM_RESUMES | PROGRAM_NAMES_SESSION |
                                              PROGRAM_ASKS | PROGRAM_TAKES_MESSAGES |
                                              PROGRAM_TAKES_MODEL | PROGRAM_TAKES_ACCESS,
                                       .make = claude_make,
                                       .read = claude_read,
                                       .reply = claude_reply,
                                       .message = line_add_user};
