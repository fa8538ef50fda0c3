/* claude.c: adapter of Claude Code (claude -p, JSON lines in both directions).
 *
 * The prompt is the first line of stdin. Stdin stays open for answers to permission requests and
 * for further messages; Claude Code exits when stdin is closed. Lines of stdout:
 *
 *   system/init            session id, model, and the permission mode that it works in
 *   stream_event           an event of the provider's stream: a piece of text, usage
 *   assistant              a complete message, whose text came in pieces before
 *   user                   results of tools; or, with "isReplay", a message that we sent: once it
 *                          is read (--replay-user-messages)
 *   control_request        a permission request; Claude Code blocks until the control_response
 *   control_cancel_request the same is withdrawn: nobody waits for an answer
 *   system/api_retry       a retry of a request to the provider, with the wait before it
 *   rate_limit_event       limits of a subscription, and when they are reset
 *   system/status          "compacting" while it makes a summary; another status, or a
 *   system/compact_boundary    boundary, is its end
 *   control_response       an echo of our answer
 *   command_lifecycle      a message of ours was queued, started, completed
 *   result                 end of the turn; "subtype" is "success" for some failures, too. After
 *                          it, "system/init" says that a further message is answered
 *
 * A message that comes while Claude Code works is read between two calls of the model, after
 * results of tools. Where none follow, it is read after the result, with others that have come, and
 * has a result of its own. The echo stands where it was read, or after the first pieces of the
 * answer to it. One whose uuid the session knows is echoed, and never answered.
 *
 * Subagents print the same lines with "parent_tool_use_id". Their text is not part of the answer.
 * After a stream that broke off inside a message, Claude Code requests the message again, at last
 * without streaming: it then comes complete, with another id, and the broken one is void. If one
 * block of the broken message was already complete, 2.1.197 ends there and reports success; newer
 * versions ask their model to go on from there, and end with a failure after three times.
 */
#include "agent/reader.h"
#include "rules/agent/wait.h"

#define WALL_MAX_S (INT64_C(1) << 40)

static void line_add_user(struct bytes id, struct bytes words, struct text *text) {
    text_add_str(text, "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":");
    text_add_json(text, words.data, words.len);
    text_add_char(text, '}');
    text_add_member(text, "uuid", id);
    text_add_str(text, "}\n");
}

static const char *mode_of(const struct agent_definition *agent) {
    static const char *const modes[AGENT_ACCESS_COUNT] = {
        [AGENT_ACCESS_READ] = "plan",
        [AGENT_ACCESS_WRITE] = "default", /* The same as "manual" of newer versions. */
        [AGENT_ACCESS_ALL] = "bypassPermissions"};
    return modes[agent_definition_access(agent)];
}

static void claude_make(struct program_making *making) {
    static const char *const words[] = {"-p",
                                        "--input-format",
                                        "stream-json",
                                        "--output-format",
                                        "stream-json",
                                        "--verbose",
                                        "--include-partial-messages",
                                        "--replay-user-messages"};
    const struct program_start *start = making->start;
    const struct agent_definition *agent = start->agent;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        making_add(making, words[i]);
    }
    /* Always: else settings of a project name the mode. */
    making_add_option(making, "--permission-mode", bytes_of(mode_of(agent)));
    if (agent_definition_access(agent) != AGENT_ACCESS_ALL) {
        making_add_option(making, "--permission-prompt-tool", BYTES("stdio"));
    }
    making_add_option(making, "--model", bytes_of(agent->model));
    making_add_option(making, "--append-system-prompt", bytes_of(agent->instructions));
    making_add_tools(making);
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

static bool is_inner(const json_t *line) {
    return json_is_string(json_object_get(line, "parent_tool_use_id"));
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
        if (state->midway) {
            reader_discard(reader);
        }
        state->pieces = false;
        state->midway = true;
        reader_count_request(reader);
        state->compacting = false;
        state->retry_after_ms = state->retry_at_ms = 0;
        reader_set_message(reader, json_bytes(message, "id"));
        reader_set_model(reader, json_bytes(message, "model"));
    } else if (bytes_is(type, "message_delta")) {
        const struct usage usage = usage_of(json_object_get(event, "usage"));
        state->open.output += usage.output;
        state->midway = false;
        reader_message_end(reader);
    }
}

/* Words about a failure ("error") are repeated in the result, and are no part of an answer. */
static void on_assistant(struct program_reader *reader, const json_t *line, const json_t *message) {
    struct reader_state *state = &reader->state;
    const json_t *content = json_object_get(message, "content");
    const struct bytes id = json_bytes(message, "id");
    const bool again = id.len > 0 && !bytes_is(id, state->message);
    const bool silent = is_inner(line) || json_is_string(json_object_get(line, "error"));
    const bool pieces = silent || (state->pieces && !again);
    state->midway = state->midway && state->pieces; /* Else it came whole. */
    if (again && state->midway && !silent) {
        state->midway = false;
        reader_discard(reader);
    }
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

/* Results of tools, or words of Claude Code. After an answer that broke off, such words ask its
 * model to go on with it, so the text until there stays. */
static void on_user(struct program_reader *reader, const json_t *line, const json_t *content) {
    bool used = false;
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i);
        if (bytes_is(json_bytes(block, "type"), "tool_result")) {
            used = true;
            AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
            reader_text_of(json_object_get(block, "content"), &text);
            reader_finish_tool(reader, json_bytes(block, "tool_use_id"), text_bytes(&text),
                               json_is_true(json_object_get(block, "is_error")) ? READER_TOOL_FAILED
                                                                                : READER_TOOL_DONE);
        }
    }
    if (reader->state.midway && !used && !is_inner(line)) {
        reader_retry(reader, /* status */ 0, /* wait_ms */ 0);
    }
    reader_tell(reader, PROGRAM_STEP);
    reader->state.midway = false;
}

/* Usage of all models: "usage" is without that of messages which were requested again, and without
 * that of subagents. */
static struct usage usage_of_models(const json_t *models) {
    struct usage sum = {.fresh = 0};
    for (struct json_member at = json_first(models); at.value != NULL; at = json_next(at)) {
        const struct usage_messages_counts said = {
            .input_tokens = reader_number(at.value, "inputTokens"),
            .cache_read_input_tokens = reader_number(at.value, "cacheReadInputTokens"),
            .cache_creation_input_tokens = reader_number(at.value, "cacheCreationInputTokens"),
            .output_tokens = reader_number(at.value, "outputTokens"),
            .web_search_requests = reader_number(at.value, "webSearchRequests")};
        const struct usage usage = usage_of_messages(&said);
        usage_add(&sum, &usage);
    }
    return sum;
}

/* Cost of all models; NULL: that of one is unknown. Owned by the caller. */
static json_t *cost_of_models(const json_t *models) {
    double dollars = 0;
    for (struct json_member at = json_first(models); at.value != NULL; at = json_next(at)) {
        const json_t *cost = json_object_get(at.value, "costUSD");
        if (!json_is_number(cost)) {
            return NULL;
        }
        dollars += json_number_value(cost);
    }
    return json_real(dollars);
}

/* Newer versions: "modelUsage" and "total_cost_usd" are sums over the session, also over those of
 * its processes that drover did not start. The difference to the last result stands beside them. */
static void use_since(struct program_reader *reader, const json_t *models) {
    struct reader_state *state = &reader->state;
    AUTO(json_release) json_t *cost = cost_of_models(models);
    const struct usage usage = usage_of_models(models);
    if (usage_total(&usage) == 0 && usage_total(&state->open) > 0) {
        return; /* A message that broke off is not counted, and its cost neither. */
    }
    state->open = (struct usage){.fresh = 0};
    reader_use(reader, &usage);
    reader_price(reader, cost);
}

/* Older versions, as 2.1.197: the usage is that of the calls for this result; the cost, and the
 * usage of each model, are sums since the process began. */
static void use_sums(struct program_reader *reader, const json_t *line) {
    struct reader_state *state = &reader->state;
    const struct usage usage = usage_of(json_object_get(line, "usage"));
    const struct usage sum = usage_of_models(json_object_get(line, "modelUsage"));
    if (usage_total(&sum) > usage_total(&state->counted)) {
        reader_use_sum(reader, &state->counted, &sum);
    } else if (usage_total(&usage) > 0) {
        reader_use(reader, &usage);
    } else if (usage_total(&state->open) > 0) {
        return; /* A message that broke off is not counted, and its cost neither. */
    }
    state->open = (struct usage){.fresh = 0};
    reader_price_sum(reader, json_object_get(line, "total_cost_usd"));
}

static void on_result(struct program_reader *reader, const json_t *line) {
    const bool failed = json_is_true(json_object_get(line, "is_error"));
    const struct bytes subtype = json_bytes(line, "subtype");
    const struct bytes reason = json_bytes(line, "terminal_reason");
    struct reader_state *state = &reader->state;
    const json_t *since = json_object_get(line, "model_usage_since_last_result");
    if (json_is_object(since)) {
        use_since(reader, since);
    } else {
        use_sums(reader, line);
    }
    if (failed || !bytes_is(subtype, "success")) {
        reader_failed(reader, failed && reason.len > 0 ? reason : subtype,
                      json_bytes(line, "result"), json_int(line, "api_error_status", 0));
        return;
    }
    if (state->midway && json_is_null(json_object_get(line, "stop_reason"))) {
        reader_failed(reader, BYTES(""), BYTES("API error: its answer broke off"), 0);
        return;
    }
    if (!state->has_said) { /* The answer to a command of the program, such as /help. */
        reader_say(reader, PROGRAM_TEXT, json_bytes(line, "result"));
    }
    reader_done(reader);
}

static struct bytes file_of(struct bytes tool, const json_t *input) {
    static const struct {
        const char *tool, *member;
    } tools[] = {{"Edit", "file_path"},
                 {"MultiEdit", "file_path"},
                 {"NotebookEdit", "notebook_path"},
                 {"Write", "file_path"}};
    for (size_t i = 0; i < COUNT_OF(tools); i++) {
        if (bytes_is(tool, tools[i].tool)) {
            return json_bytes(input, tools[i].member);
        }
    }
    return BYTES("");
}

/* The id is kept as long as the question is open. */
static void on_question(struct program_reader *reader, const json_t *line) {
    const json_t *request = json_object_get(line, "request");
    const struct bytes id = json_bytes(line, "request_id");
    if (id.len > PROGRAM_QUESTION_MAX) {
        reader_failed(reader, BYTES("question_too_long"),
                      BYTES("it asked for permission with an id of more than 1,000 bytes"), 0);
        return;
    }
    AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
    const json_t *input = json_object_get(request, "input");
    if (!json_is_object(input) || err_failed(json_write(input, &text))) {
        text_clear(&text);
    }
    const struct program_event event = {.kind = PROGRAM_QUESTION,
                                        .id = id,
                                        .tool = json_bytes(request, "tool_name"),
                                        .file = file_of(json_bytes(request, "tool_name"), input),
                                        .text = json_bytes(request, "tool_use_id"),
                                        .arguments =
                                            text.len == 0 ? BYTES("{}") : text_bytes(&text)};
    reader->heard(reader->ctx, &event);
}

static void on_limits(struct program_reader *reader, const json_t *info) {
    const int64_t resets_s = reader_number(info, "resetsAt");
    const bool rejected = bytes_is(json_bytes(info, "status"), "rejected");
    reader->state.retry_at_ms =
        rejected && resets_s > 0 && resets_s <= WALL_MAX_S ? resets_s * 1000 : 0;
}

/* A definition may have a mode of its own among its args, which goes before ours. */
static bool mode_is_own(const struct agent_definition *agent) {
    static const char option[] = "--permission-mode";
    bool own = false;
    for (size_t i = 0; i < json_array_size(agent->args); i++) {
        const char *arg = json_string_value(json_array_get(agent->args, i));
        own = own || (arg != NULL && strncmp(arg, option, sizeof option - 1) == 0);
    }
    return own;
}

static void mode_check(struct program_reader *reader, struct bytes mode) {
    const char *asked = mode_of(reader->agent);
    const bool same =
        bytes_is(mode, asked) || (bytes_is(mode, "manual") && strcmp(asked, "default") == 0);
    AUTO(text_done) struct text note = text_up_to(READER_NOTE_MAX);
    if (mode.len > 0 && !same && !mode_is_own(reader->agent)) {
        text_addf(
            &note,
            "%.64s worked in the permission mode '%.*s', not in '%s', which drover asked for: "
            "it may have acted without asking",
            reader->agent->name, (int)(mode.len < 64 ? mode.len : 64), mode.data, asked);
    }
    reader_set_note(reader, text_bytes(&note));
}

static bool on_system(struct program_reader *reader, const json_t *line) {
    const struct bytes subtype = json_bytes(line, "subtype");
    if (bytes_is(subtype, "init")) {
        reader_go_on(reader);
        reader_set_native(reader, json_bytes(line, "session_id"));
        reader_set_model(reader, json_bytes(line, "model"));
        mode_check(reader, json_bytes(line, "permissionMode"));
    } else if (bytes_is(subtype, "api_retry")) {
        reader_count_request(reader);
        /* No line comes where a header names more than a minute: Claude Code gives up at once; and
         * without a status there was no header. */
        const int64_t status = json_int(line, "error_status", 0);
        reader->state.retry_after_ms =
            status > 0 ? agent_wait_of_retry(json_int(line, "attempt", 1),
                                             json_int(line, "retry_delay_ms", 0))
                       : 0;
        reader_retry(reader, status, json_int(line, "retry_delay_ms", 0));
    } else if (bytes_is(subtype, "status") || bytes_is(subtype, "compact_boundary")) {
        reader->state.compacting = bytes_is(json_bytes(line, "status"), "compacting");
    } else {
        return bytes_is(subtype, "thinking_tokens");
    }
    return true;
}

static bool claude_read(struct program_reader *reader, const json_t *line) {
    const struct bytes type = json_bytes(line, "type");
    const json_t *message = json_object_get(line, "message");
    if (bytes_is(type, "stream_event")) {
        if (!is_inner(line)) {
            on_event(reader, json_object_get(line, "event"));
        }
    } else if (bytes_is(type, "assistant")) {
        on_assistant(reader, line, message);
    } else if (bytes_is(type, "user") && json_is_true(json_object_get(line, "isReplay"))) {
        reader_name(reader, json_bytes(line, "uuid"));
    } else if (bytes_is(type, "user")) {
        on_user(reader, line, json_object_get(message, "content"));
    } else if (bytes_is(type, "result")) {
        on_result(reader, line);
    } else if (bytes_is(type, "control_request") &&
               bytes_is(json_bytes(json_object_get(line, "request"), "subtype"), "can_use_tool")) {
        on_question(reader, line);
    } else if (bytes_is(type, "control_cancel_request")) {
        const struct program_event event = {.kind = PROGRAM_WITHDRAWN,
                                            .id = json_bytes(line, "request_id")};
        reader->heard(reader->ctx, &event);
    } else if (bytes_is(type, "system")) {
        return on_system(reader, line);
    } else if (bytes_is(type, "rate_limit_event")) {
        on_limits(reader, json_object_get(line, "rate_limit_info"));
    } else {
        return bytes_is(type, "control_response") || bytes_is(type, "command_lifecycle");
    }
    return true;
}

/* A permission request that cannot be answered would block Claude Code until its deadline, so the
 * turn fails instead. */
static bool claude_read_cut(struct program_reader *reader, struct bytes line) {
    static const char mark[] = "\"control_request\"";
    enum { TYPE_WITHIN = 200 }; /* Members that come before the arguments. */
    const size_t len = line.len < TYPE_WITHIN ? line.len : TYPE_WITHIN;
    if (memmem(line.data, len, mark, sizeof mark - 1) == NULL) {
        return false;
    }
    reader_failed(reader, BYTES("question_too_long"),
                  BYTES("it asked for permission with more than 1 MB of arguments"), 0);
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

static const struct agent_stderr claude_stderr[] = {{"is already in use", AGENT_SESSION_BUSY},
                                                    {"not logged in", AGENT_AUTH_FAILED},
                                                    {NULL, AGENT_UNKNOWN}};

const struct program program_claude = {.name = "claude",
                                       .command = "claude",
                                       .stderr_words = claude_stderr,
                                       .can = PROGRAM_RESUMES | PROGRAM_NAMES_SESSION |
                                              PROGRAM_TAKES_MESSAGES | PROGRAM_TAKES_MODEL |
                                              PROGRAM_TAKES_ACCESS | PROGRAM_HAS_COMMANDS,
                                       .make = claude_make,
                                       .read = claude_read,
                                       .read_cut = claude_read_cut,
                                       .reply = claude_reply,
                                       .message = line_add_user};
