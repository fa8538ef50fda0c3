/* opencode.c: OpenCode (`opencode run --format json`), and Kilo, which is OpenCode under another
 * name: its arguments and its lines are the same.
 *
 * One prompt, which is its input. A line comes when a part is whole:
 *
 *   text, reasoning      a part of an answer
 *   tool_use             a call of a tool that has ended
 *   step_start           a call of its model
 *   step_finish          the end of the call, with its usage and cost
 *   error                a failure, after which it ends, with the header of the answer
 *
 * There is no line for the end: it has succeeded when it exits with 0 and has said something. */
#include "agent/reader.h"
#include "rules/provider/retry_after.h"

static void opencode_make(struct program_making *making) {
    const struct program_start *start = making->start;
    making_add(making, "run");
    making_add_option(making, "--format", BYTES("json"));
    making_add_option(making, "--session", start->native);
    making_add_option(making, "--model", bytes_of(start->agent->model));
    if (agent_definition_access(start->agent) == AGENT_ACCESS_READ) {
        making_add_option(making, "--agent", BYTES("plan"));
    }
    making_add_own(making);
    making_set_input(making, making_prompt(making));
}

/* --- Its lines -------------------------------------------------------------------------------- */

static void on_tool(struct program_reader *reader, const json_t *part) {
    const json_t *state = json_object_get(part, "state");
    const bool failed = bytes_is(json_bytes(state, "status"), "error");
    const struct bytes id = json_bytes(part, "callID");
    AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
    reader_text_of(json_object_get(state, failed ? "error" : "output"), &text);
    reader->state.broken = 0;
    reader_start_tool(reader, id, json_bytes(part, "tool"), json_object_get(state, "input"));
    reader_finish_tool(reader, id, text_bytes(&text),
                       failed ? READER_TOOL_FAILED : READER_TOOL_DONE);
    reader_tell(reader, PROGRAM_STEP);
}

#define BROKE_OFF "API error: its answers broke off"

/* OpenCode repeats a call whose answer broke off at once, several a second, and never gives up: its
 * loop goes on until a call has a reason for its end. */
static void on_broken(struct program_reader *reader) {
    enum { BROKEN_MAX = 10 };
    if (++reader->state.broken == BROKEN_MAX) {
        reader_failed(reader, BYTES(""), BYTES(BROKE_OFF), 0);
    } else {
        reader_retry(reader, /* status */ 0, /* wait_ms */ 0);
    }
}

/* The input is without the part from the cache, and the output without the reasoning. */
static void on_finish(struct program_reader *reader, const json_t *part) {
    const json_t *tokens = json_object_get(part, "tokens");
    const json_t *cache = json_object_get(tokens, "cache");
    reader_count_request(reader);
    const struct usage_messages_counts said = {
        .input_tokens = reader_number(tokens, "input"),
        .cache_read_input_tokens = reader_number(cache, "read"),
        .cache_creation_input_tokens = reader_number(cache, "write"),
        .output_tokens = reader_number(tokens, "output"),
        .web_search_requests = -1};
    struct usage usage = usage_of_messages(&said);
    const int64_t reasoning = reader_number(tokens, "reasoning");
    if (reasoning > 0 && reasoning <= USAGE_TOKENS_MAX) {
        const struct usage more = {.output = reasoning, .reasoning = reasoning};
        usage_add(&usage, &more);
    }
    reader_use(reader, &usage);
    reader->state.midway =
        bytes_is(json_bytes(part, "reason"), "unknown") && usage_total(&usage) == 0;
    if (reader->state.midway) {
        on_broken(reader);
    } else {
        reader->state.broken = 0;
    }
    if (json_number_value(json_object_get(part, "cost")) > 0) { /* 0: a model without a price. */
        reader_price(reader, json_object_get(part, "cost"));
    }
    reader_tell(reader, PROGRAM_STEP);
}

static void on_headers(struct program_reader *reader, const json_t *headers) {
    struct reader_state *state = &reader->state;
    const struct bytes after = json_bytes(headers, "retry-after");
    uint64_t ms = 0;
    state->retry_after_ms = state->retry_at_ms = 0;
    if (retry_after_amount(json_bytes(headers, "retry-after-ms"), 1, &ms) ||
        retry_after_amount(after, 1000, &ms)) {
        state->retry_after_ms = (int64_t)ms;
    } else if (!retry_after_date(after, &state->retry_at_ms)) {
        state->retry_at_ms = 0;
    }
}

static void on_error(struct program_reader *reader, const json_t *error) {
    const json_t *data = json_object_get(error, "data");
    on_headers(reader, json_object_get(data, "responseHeaders"));
    const struct bytes message = json_bytes(data, "message");
    reader_failed(reader, json_bytes(error, "name"),
                  message.len > 0 ? message : json_bytes(error, "message"),
                  json_int(data, "statusCode", 0));
}

static bool opencode_read(struct program_reader *reader, const json_t *line) {
    const struct bytes type = json_bytes(line, "type");
    const json_t *part = json_object_get(line, "part");
    reader_set_native(reader, json_bytes(line, "sessionID"));
    if (bytes_is(type, "text")) {
        reader_say(reader, PROGRAM_TEXT, json_bytes(part, "text"));
        reader_tell(reader, PROGRAM_STEP);
    } else if (bytes_is(type, "reasoning")) {
        reader_say(reader, PROGRAM_THINKING, json_bytes(part, "text"));
    } else if (bytes_is(type, "tool_use")) {
        on_tool(reader, part);
    } else if (bytes_is(type, "step_finish")) {
        on_finish(reader, part);
    } else if (bytes_is(type, "error")) {
        on_error(reader, json_object_get(line, "error"));
    } else if (bytes_is(type, "step_start")) {
        reader->state.midway = true;
    } else {
        return false;
    }
    return true;
}

static void opencode_finish(struct program_reader *reader, struct agent_ending *io_ending) {
    struct reader_state *state = &reader->state;
    if (io_ending->exit != AGENT_EXITED || io_ending->code != 0) {
        return;
    }
    if (state->midway) { /* A call that has no end: Kilo ends then, and repeats nothing. */
        reader_set_fault(reader, BYTES(""), BYTES(BROKE_OFF));
        reader_finish_fault(reader, io_ending);
    } else if (state->has_said) {
        state->done = state->good = true;
    }
}

static const struct agent_stderr opencode_stderr[] = {{"error unauthorized", AGENT_AUTH_FAILED},
                                                      {NULL, AGENT_UNKNOWN}};

#define OPENCODE                                                                                   \
    .stderr_words = opencode_stderr,                                                               \
    .can = PROGRAM_RESUMES | PROGRAM_TAKES_MODEL | PROGRAM_TAKES_ACCESS, .make = opencode_make,    \
    .read = opencode_read, .finish = opencode_finish

const struct program program_opencode = {.name = "opencode", .command = "opencode", OPENCODE};
const struct program program_kilo = {.name = "kilo", .command = "kilo", OPENCODE};
