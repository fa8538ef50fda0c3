/* pi.c: Pi (`pi --mode json -p`).
 *
 * The prompt is stdin. The exit code is always 0; the last message says whether Pi failed.
 * A failure is the result only once Pi has ended: it may try again, also after an agent_end.
 * A stream that broke off ends as a failure, of which Pi says that it tries again; of versions up
 * to 0.73 it looks like a short answer. Lines of stdout:
 *
 *   session                        session id
 *   message_update                 a piece, and the whole message so far
 *   message_end                    a complete message, with usage and the cause of a failure
 *   tool_execution_start, _end     a tool
 *   compaction_start, _end         it makes a summary of its conversation
 *   auto_retry_start               the last message is void, and its model is asked again
 *   agent_end                      the end
 *
 * Text is taken from the pieces; the complete message only adds what no piece contained. */
#include "agent/reader.h"

static void pi_make(struct program_making *making) {
    const struct program_start *start = making->start;
    making_add_option(making, "--mode", BYTES("json"));
    making_add_option(making, "--session", start->native);
    making_add_option(making, "--model", bytes_of(start->agent->model));
    making_add_option(making, "--append-system-prompt", bytes_of(start->agent->instructions));
    making_add_tools(making);
    making_add_own(making);
    making_add(making, "-p");
    making_set_input(making, start->prompt);
}

/* --- Its lines -------------------------------------------------------------------------------- */

static void on_update(struct program_reader *reader, const json_t *event) {
    const struct bytes type = json_bytes(event, "type"), delta = json_bytes(event, "delta");
    if (bytes_is(type, "text_delta")) {
        reader->state.said += (int64_t)delta.len;
        reader_say(reader, PROGRAM_TEXT, delta);
    } else if (bytes_is(type, "thinking_delta")) {
        reader->state.pieces = true;
        reader_say(reader, PROGRAM_THINKING, delta);
    }
}

/* The end of the message that the pieces did not have. */
static void say_rest(struct program_reader *reader, const json_t *content) {
    int64_t said = reader->state.said;
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        const struct bytes type = json_bytes(block, "type"), text = json_bytes(block, "text");
        if (bytes_is(type, "text")) {
            const int64_t had = said < (int64_t)text.len ? said : (int64_t)text.len;
            const struct bytes rest = {text.data + had, text.len - (size_t)had};
            said -= had;
            reader_say(reader, PROGRAM_TEXT, rest);
        } else if (bytes_is(type, "thinking") && !reader->state.pieces) {
            reader_say(reader, PROGRAM_THINKING, json_bytes(block, "thinking"));
        }
    }
}

static void on_usage(struct program_reader *reader, const json_t *counts) {
    const struct usage_messages_counts said = {
        .input_tokens = reader_number(counts, "input"),
        .cache_read_input_tokens = reader_number(counts, "cacheRead"),
        .cache_creation_input_tokens = reader_number(counts, "cacheWrite"),
        .output_tokens = reader_number(counts, "output"),
        .web_search_requests = -1};
    const struct usage usage = usage_of_messages(&said);
    const json_t *dollars = json_object_get(json_object_get(counts, "cost"), "total");
    reader_use(reader, &usage);
    if (json_number_value(dollars) > 0) { /* 0: a model without a price. */
        reader_price(reader, dollars);
    }
}

static void on_message(struct program_reader *reader, const json_t *message) {
    struct reader_state *state = &reader->state;
    const struct bytes stop = json_bytes(message, "stopReason");
    if (!bytes_is(json_bytes(message, "role"), "assistant")) {
        return;
    }
    say_rest(reader, json_object_get(message, "content"));
    on_usage(reader, json_object_get(message, "usage"));
    reader_count_request(reader);
    reader_set_model(reader, json_bytes(message, "model"));
    state->said = 0;
    state->pieces = false;
    if (bytes_is(stop, "error") || bytes_is(stop, "aborted")) {
        reader_set_fault(reader, stop, json_bytes(message, "errorMessage"));
        state->good = false;
    } else {
        reader_set_fault(reader, BYTES(""), BYTES(""));
        state->good = true;
    }
    reader_tell(reader, PROGRAM_STEP);
}

static bool pi_read(struct program_reader *reader, const json_t *line) {
    static const char *const others[] = {"agent_start",
                                         "turn_start",
                                         "turn_end",
                                         "message_start",
                                         "tool_execution_update",
                                         "auto_retry_end",
                                         "queue_update",
                                         "entry_appended",
                                         "agent_settled",
                                         NULL};
    const struct bytes type = json_bytes(line, "type");
    unsigned at;
    if (bytes_is(type, "session")) {
        reader_set_native(reader, json_bytes(line, "id"));
    } else if (bytes_is(type, "message_update")) {
        on_update(reader, json_object_get(line, "assistantMessageEvent"));
    } else if (bytes_is(type, "message_end")) {
        on_message(reader, json_object_get(line, "message"));
    } else if (bytes_is(type, "tool_execution_start")) {
        reader_start_tool(reader, json_bytes(line, "toolCallId"), json_bytes(line, "toolName"),
                          json_object_get(line, "args"));
    } else if (bytes_is(type, "tool_execution_end")) {
        AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
        reader_text_of(json_object_get(json_object_get(line, "result"), "content"), &text);
        reader_finish_tool(reader, json_bytes(line, "toolCallId"), text_bytes(&text),
                           json_is_true(json_object_get(line, "isError")) ? READER_TOOL_FAILED
                                                                          : READER_TOOL_DONE);
        reader_tell(reader, PROGRAM_STEP);
    } else if (bytes_is(type, "compaction_start") || bytes_is(type, "compaction_end")) {
        reader->state.compacting = bytes_is(type, "compaction_start");
    } else if (bytes_is(type, "auto_retry_start")) {
        reader_discard(reader);
        reader_retry(reader, 0, json_int(line, "delayMs", 0));
    } else if (bytes_is(type, "agent_end")) {
        if (reader->state.good) {
            reader_done(reader);
        }
    } else {
        return bytes_find(type, others, &at);
    }
    return true;
}

const struct program program_pi = {.name = "pi",
                                   .command = "pi",
                                   .can = PROGRAM_RESUMES | PROGRAM_TAKES_MODEL,
                                   .make = pi_make,
                                   .read = pi_read,
                                   .finish = reader_finish_fault};
