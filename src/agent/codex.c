/* codex.c: Codex (`codex exec --json`).
 *
 * The prompt is stdin. Codex asks for no permission; its sandbox limits it. While a command runs,
 * the sandbox makes `.git`, `.agents` and others in each folder that it lets be written, /tmp among
 * them, where they mislead git and go of others, and stay if Codex is killed. So /tmp is excluded
 * where the process has a TMPDIR of its own. Lines of stdout:
 *
 *   thread.started             session id
 *   item.started, .completed   a message, a thought, a command, changes of files, a search, …
 *   turn.completed             success, with the usage of the whole thread so far
 *   error                      a failure, which Codex may retry
 *   turn.failed                the final failure
 *
 * The wait that a provider names is in the sentences of failures alone (rules/agent/wait.h). */
#include "agent/reader.h"

static void codex_make(struct program_making *making) {
    static const struct bytes sandboxes[AGENT_ACCESS_COUNT] = {
        [AGENT_ACCESS_READ] = BYTES_INIT("read-only"),
        [AGENT_ACCESS_WRITE] = BYTES_INIT("workspace-write"),
        [AGENT_ACCESS_ALL] = BYTES_INIT("danger-full-access")};
    const struct program_start *start = making->start;
    making_add(making, "exec");
    making_add_option(making, "--sandbox", sandboxes[agent_definition_access(start->agent)]);
    if (start->own_tmp) {
        making_add_option(making, "-c", BYTES("sandbox_workspace_write.exclude_slash_tmp=true"));
    }
    making_add_option(making, "--model", bytes_of(start->agent->model));
    making_add_own(making);
    if (start->native.len > 0) {
        making_add(making, "resume");
    }
    making_add(making, "--json");
    making_add(making, "--skip-git-repo-check");
    if (start->native.len > 0) {
        making_add_bytes(making, start->native);
    }
    making_add(making, "-");
    making_set_input(making, making_prompt(making));
}

/* --- Its lines -------------------------------------------------------------------------------- */

static struct bytes tool_of(const json_t *item, struct bytes type) {
    return bytes_is(type, "mcp_tool_call") ? json_bytes(item, "tool") : type;
}

static const json_t *input_of(const json_t *item, struct bytes type, json_t **ret_owned) {
    const char *member = bytes_is(type, "command_execution") ? "command"
                         : bytes_is(type, "file_change")     ? "changes"
                         : bytes_is(type, "web_search")      ? "query"
                                                             : "arguments";
    json_t *value = json_object_get(item, member);
    *ret_owned = json_pack("{s:O*}", member, value);
    return *ret_owned;
}

static bool is_tool(struct bytes type) {
    static const char *const tools[] = {"command_execution", "file_change", "mcp_tool_call",
                                        "web_search", NULL};
    unsigned at;
    return bytes_find(type, tools, &at);
}

/* Codex prints no request. Its model is asked before the first item, and again with the result of
 * each tool: tools that one answer calls, and that run one after the other, count as several. */
static void request_count(struct program_reader *reader) {
    if (!reader->state.asks) {
        reader->state.asks = true;
        reader_count_request(reader);
    }
}

static void tool_start(struct program_reader *reader, const json_t *item, struct bytes type) {
    AUTO(json_release) json_t *owned = NULL;
    const json_t *input = input_of(item, type, &owned);
    reader_start_tool(reader, json_bytes(item, "id"), tool_of(item, type), input);
}

static void tool_finish(struct program_reader *reader, const json_t *item, struct bytes type) {
    AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
    const bool command = bytes_is(type, "command_execution");
    const json_t *code = json_object_get(item, "exit_code");
    const struct bytes status = json_bytes(item, "status");
    reader_text_of(json_object_get(item, command ? "aggregated_output" : "result"), &text);
    const bool failed = bytes_is(status, "failed") || bytes_is(status, "declined") ||
                        (json_is_integer(code) && json_integer_value(code) != 0);
    reader_finish_tool(reader, json_bytes(item, "id"), text_bytes(&text),
                       failed ? READER_TOOL_FAILED : READER_TOOL_DONE);
}

/* A tool that was not remembered when it began is shown when it is done, as those are that Codex
 * reports only then. Commands overlap, and one may still run at the end. */
static void on_tool(struct program_reader *reader, const json_t *item, bool completed) {
    const struct bytes type = json_bytes(item, "type"), id = json_bytes(item, "id");
    if (!completed) {
        if (reader_tool_open(reader, id)) {
            request_count(reader);
            tool_start(reader, item, type);
        }
        return;
    }
    if (!reader_tool_close(reader, id)) {
        request_count(reader);
        tool_start(reader, item, type);
    }
    tool_finish(reader, item, type);
    reader->state.asks = false;
}

static void on_item(struct program_reader *reader, const json_t *item, bool completed) {
    const struct bytes type = json_bytes(item, "type");
    const bool said = bytes_is(type, "agent_message");
    if (is_tool(type)) {
        on_tool(reader, item, completed);
    } else if (completed && (said || bytes_is(type, "reasoning"))) {
        request_count(reader);
        reader_say(reader, said ? PROGRAM_TEXT : PROGRAM_THINKING, json_bytes(item, "text"));
    }
    if (completed) {
        reader_tell(reader, PROGRAM_STEP);
    }
}

/* The counts are those of the whole thread. */
static void on_usage(struct program_reader *reader, const json_t *counts) {
    const struct usage_responses_counts said = {
        .input_tokens = reader_number(counts, "input_tokens"),
        .output_tokens = reader_number(counts, "output_tokens"),
        .cached_tokens = reader_number(counts, "cached_input_tokens"),
        .reasoning_tokens = reader_number(counts, "reasoning_output_tokens")};
    const struct usage now = usage_of_responses(&said);
    reader_use_sum(reader, &reader->state.total, &now);
}

static bool codex_read(struct program_reader *reader, const json_t *line) {
    const struct bytes type = json_bytes(line, "type");
    const json_t *item = json_object_get(line, "item");
    if (bytes_is(type, "thread.started")) {
        reader_set_native(reader, json_bytes(line, "thread_id"));
    } else if (bytes_is(type, "item.started") || bytes_is(type, "item.completed")) {
        on_item(reader, item, bytes_is(type, "item.completed"));
    } else if (bytes_is(type, "turn.completed")) {
        on_usage(reader, json_object_get(line, "usage"));
        reader_done(reader);
    } else if (bytes_is(type, "turn.failed")) {
        reader_failed(reader, BYTES(""), json_bytes(json_object_get(line, "error"), "message"), 0);
    } else if (bytes_is(type, "error")) {
        reader->state.requests++; /* Others are not shown; and it may have read nothing. */
        reader_set_fault(reader, BYTES(""), json_bytes(line, "message"));
        reader_retry(reader, 0, 0);
    } else {
        return bytes_is(type, "turn.started") || bytes_is(type, "item.updated");
    }
    return true;
}

static const struct agent_stderr codex_stderr[] = {
    {"already has an active writer", AGENT_SESSION_BUSY},
    {"missing environment variable", AGENT_AUTH_FAILED},
    {"not logged in", AGENT_AUTH_FAILED},
    {NULL, AGENT_UNKNOWN}};

const struct program program_codex = {.name = "codex",
                                      .command = "codex",
                                      .stderr_words = codex_stderr,
                                      .can = PROGRAM_RESUMES | PROGRAM_TAKES_MODEL |
                                             PROGRAM_TAKES_ACCESS,
                                      .make = codex_make,
                                      .read = codex_read,
                                      .finish = reader_finish_fault};
