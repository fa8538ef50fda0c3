/* requests.c: calls into plain values, results into JSON. */
#include "tool/requests.h"

#include <string.h>

#include "tool/work.h"

/* --- Reading ---------------------------------------------------------------------------------- */

void command_request_read(const struct tool_call *call, struct command_request *ret_request) {
    bool job = call->id == TOOL_RUN_JOB;
    assert(job || call->id == TOOL_RUN_COMMAND);
    *ret_request = (struct command_request){
        .command = json_str(call->input, "command", ""),
        .args = json_object_get(call->input, "args"),
        .description = json_str(call->input, "description", ""),
        .timeout_ms = input_int(call->input, "timeout_ms", job ? 0 : COMMAND_TIMEOUT_MS),
    };
}

void access_request_read(const struct tool_call *call, struct access_request *ret_request) {
    assert(call->id == TOOL_REQUEST_ACCESS);
    bool write = strcmp(json_str(call->input, "access", ""), "write") == 0;
    *ret_request = (struct access_request){.path = json_str(call->input, "path", ""),
                                           .reason = json_str(call->input, "reason", ""),
                                           .access = write ? ROOT_WRITE : ROOT_READ};
}

void spawn_request_read(const struct tool_call *call, struct spawn_request *ret_request) {
    assert(call->id == TOOL_SPAWN_SUBAGENT);
    *ret_request = (struct spawn_request){.input = json_str(call->input, "input", ""),
                                          .model = json_str(call->input, "model", ""),
                                          .agent = json_str(call->input, "agent", ""),
                                          .label = json_str(call->input, "label", ""),
                                          .tools = json_object_get(call->input, "tools"),
                                          .budget_micros = input_int(call->input, "budget", -1)};
}

const char *subagent_id_read(const struct tool_call *call) {
    assert(call->id == TOOL_SUBAGENT_STATUS || call->id == TOOL_SUBAGENT_RESULT ||
           call->id == TOOL_SUBAGENT_CANCEL);
    return json_str(call->input, "id", "");
}

void session_request_read(const struct tool_call *call, struct session_request *ret_request) {
    assert(call->id == TOOL_READ_SESSION);
    *ret_request =
        (struct session_request){.session = json_str(call->input, "session", ""),
                                 .last = input_int(call->input, "last", SESSION_MESSAGES_ABSENT)};
}

bool remember_request_read(const struct tool_call *call, struct remember_request *ret_request,
                           struct why *why) {
    static const char *const actions[] = {"create", "change", "forget"};
    assert(call->id == TOOL_REMEMBER);
    const char *action = json_str(call->input, "action", "");
    struct remember_request request = {
        .id = json_str(call->input, "id", ""),
        .topic = json_str(call->input, "topic", ""),
        .title = json_str(call->input, "title", ""),
        .content = json_str(call->input, "content", ""),
        .tags = json_object_get(call->input, "tags"),
        .global = strcmp(json_str(call->input, "scope", ""), "global") == 0};
    while (strcmp(actions[request.action], action) != 0) {
        request.action++;
        assert(request.action < COUNT_OF(actions));
    }
    bool create = request.action == REMEMBER_CREATE;
    if (create && (request.topic[0] == '\0' || request.title[0] == '\0' ||
                   request.content[0] == '\0' || request.id[0] != '\0')) {
        why_set(why, "to create a memory, give topic, title and content, and no id");
        return false;
    }
    if (!create && request.id[0] == '\0') {
        why_set(why, "to %s a memory, give its id, as recall returned it", action);
        return false;
    }
    *ret_request = request;
    return true;
}

void recall_request_read(const struct tool_call *call, struct recall_request *ret_request) {
    assert(call->id == TOOL_RECALL);
    *ret_request = (struct recall_request){.query = json_str(call->input, "query", ""),
                                           .topic = json_str(call->input, "topic", ""),
                                           .limit = input_int(call->input, "limit", RECALL_ABSENT)};
}

void task_status_request_read(const struct tool_call *call,
                              struct task_status_request *ret_request) {
    assert(call->id == TOOL_TASK_STATUS);
    const bool known =
        bytes_find(json_bytes(call->input, "status"), task_status_names, &ret_request->to);
    assert(known); /* The schema names some of them. */
    ret_request->detail = json_bytes(call->input, "detail");
    ret_request->question = json_bytes(call->input, "question");
    if (ret_request->to == TASK_BLOCKED && ret_request->question.len == 0) {
        ret_request->question = ret_request->detail;
    }
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void add_json(struct text *text, const json_t *json) {
    bool written = !err_failed(json_write(json, text));
    text->failed = text->failed || !written;
}

/* As UTF-8, of at most `left` characters; what is beyond sets *truncated. */
static void add_output(struct text *text, const char *key, struct bytes output, size_t *left,
                       bool *truncated) {
    AUTO(text_done) struct text plain = text_up_to(3 * output.len + 1);
    work_add_text(&plain, output);
    size_t len = 0;
    while (len < plain.len) {
        bool begins = ((unsigned char)plain.data[len] & 0xC0) != 0x80;
        if (begins && *left == 0) {
            *truncated = true;
            break;
        }
        *left -= begins ? 1 : 0;
        len++;
    }
    text->failed = text->failed || plain.failed;
    text_add_member(text, key, (struct bytes){plain.data == NULL ? "" : plain.data, len});
}

void command_result_write(const struct command_end *end, struct tool_result *result) {
    struct text *text = &result->content;
    size_t left = COMMAND_OUTPUT_MAX;
    bool truncated = end->truncated;
    bool started = end->state != COMMAND_NOT_FOUND;
    /* 32,000 characters may take four times as many bytes, and JSON more. */
    text->size_max = 8 * (size_t)COMMAND_OUTPUT_MAX;
    text_addf(text, "{\"exit_code\":%d", started ? end->exit_code : -1);
    add_output(text, "stdout", end->out, &left, &truncated);
    add_output(text, "stderr", end->err, &left, &truncated);
    text_add_member_bool(text, "truncated", truncated);
    text_add_member_bool(text, "timed_out", end->state == COMMAND_TIMED_OUT);
    text_add_member_int(text, "duration_ms", end->duration_ms);
    text_add_char(text, '}');
    result->cause = started ? CARD_DONE : CARD_NOT_STARTED;
}

/* An object that is open. */
static struct text *view_begin(const struct subagent_view *view, struct tool_result *result) {
    text_add_char(&result->content, '{');
    text_add_member(&result->content, "id", bytes_of(view->id));
    return &result->content;
}

void spawn_result_write(const struct subagent_view *view, struct tool_result *result) {
    struct text *text = view_begin(view, result);
    text_add_member(text, "session", bytes_of(view->session));
    text_add_member(text, "status", bytes_of(view->status));
    text_add_member_int_or_null(text, "created_at", view->created_ms, view->created_ms > 0);
    text_add_char(text, '}');
}

void subagent_status_write(const struct subagent_view *view, struct tool_result *result) {
    struct text *text = view_begin(view, result);
    text_add_member(text, "status", bytes_of(view->status));
    text_add_member_int(text, "elapsed_s", view->elapsed_s);
    if (view->progress.len > 0) {
        text_add_member(text, "progress", view->progress);
    }
    if (view->summary.len > 0) {
        text_add_member(text, "summary", view->summary);
    }
    text_add_member_int_or_null(text, "ended_at", view->ended_ms, view->ended_ms > 0);
    text_add_char(text, '}');
}

void subagent_result_write(const struct subagent_view *view, struct tool_result *result) {
    struct text *text = view_begin(view, result);
    bool ended = view->ended_ms != 0;
    if (!ended) {
        result->cause = CARD_NOT_FINISHED;
        text_add_member(text, "error", BYTES("not_finished"));
    }
    text_add_member(text, "status", bytes_of(view->status));
    if (ended) {
        text_add_member(text, "output", view->output);
        text_add_name(text, "usage");
        add_json(text, view->usage == NULL ? json_null() : view->usage);
    }
    text_add_char(text, '}');
}

void subagent_cancel_write(const struct subagent_view *view, struct tool_result *result) {
    struct text *text = view_begin(view, result);
    text_add_member(text, "status", bytes_of(view->status));
    text_add_char(text, '}');
}

void failure_result_write(enum card_cause cause, const char *message, struct tool_result *result) {
    coded_result_write(cause, card_cause_name(cause), message, result);
}

void coded_result_write(enum card_cause cause, const char *code, const char *message,
                        struct tool_result *result) {
    result->cause = cause;
    text_add_char(&result->content, '{');
    text_add_member(&result->content, "error", bytes_of(code));
    text_add_member(&result->content, "message", bytes_of(message));
    text_add_char(&result->content, '}');
}
