/* requests.h: calls that others perform, read into plain values; and the shapes of their results.
 *
 * A child run, a transaction or a person performs them. The call was checked against its schema, so
 * reading cannot fail but by our own mistake: it is asserted.
 *
 * Ownership  texts are borrowed from the call.
 * Threads    any.
 */
#ifndef DROVER_TOOL_REQUESTS_H
#define DROVER_TOOL_REQUESTS_H

#include "base/base.h"
#include "base/err.h"
#include "rules/board/board.h"
#include "tool/tool.h"

enum {
    COMMAND_TIMEOUT_MS = 30 * 1000,
    COMMAND_OUTPUT_MAX = 32000, /* Characters of both streams, stdout first. */
    SESSION_MESSAGES_ABSENT = 10,
    RECALL_ABSENT = 5,
};

/* run_command and run_job. */
struct command_request {
    const char *command;
    json_t *args;            /* An array of strings, or NULL. */
    const char *description; /* "" when there is none. */
    int64_t timeout_ms;      /* run_job: 0 is none. */
};
void command_request_read(const struct tool_call *call, struct command_request *ret_request);

enum command_state { COMMAND_EXITED, COMMAND_NOT_FOUND, COMMAND_TIMED_OUT };
struct command_end {
    enum command_state state;
    int exit_code; /* Of one that was ended by signal N: 128 + N. NOT_FOUND: reported as -1. */
    struct bytes out, err; /* Any bytes; reported as UTF-8. */
    bool truncated;        /* Bytes are missing already. */
    int64_t duration_ms;
};
/* {"exit_code","stdout","stderr","truncated","timed_out","duration_ms"}. */
void command_result_write(const struct command_end *end, struct tool_result *result);

struct access_request {
    const char *path, *reason; /* path: absolute. */
    enum root_access access;
};
void access_request_read(const struct tool_call *call, struct access_request *ret_request);

struct spawn_request {
    const char *input, *model, *agent, *label; /* "" when not given. */
    json_t *tools;                             /* An array of names, or NULL: the parent's. */
    int64_t budget_micros;                     /* -1: the parent's. */
};
void spawn_request_read(const struct tool_call *call, struct spawn_request *ret_request);
/* subagent_status, subagent_result, subagent_cancel. */
const char *subagent_id_read(const struct tool_call *call);

struct subagent_view {
    const char *id, *session, *status;
    int64_t created_ms, ended_ms; /* ended_ms 0: not yet. */
    int64_t elapsed_s;
    struct bytes progress, summary; /* Empty: none. */
    struct bytes output;            /* Of one that ended. */
    const json_t *usage;            /* NULL: none. */
};
void spawn_result_write(const struct subagent_view *view, struct tool_result *result);
void subagent_status_write(const struct subagent_view *view, struct tool_result *result);
/* `ended` false: {"error":"not_finished","status"}. */
void subagent_result_write(const struct subagent_view *view, struct tool_result *result);
void subagent_cancel_write(const struct subagent_view *view, struct tool_result *result);

struct session_request {
    const char *session;
    int64_t last;
};
void session_request_read(const struct tool_call *call, struct session_request *ret_request);

enum remember_action { REMEMBER_CREATE, REMEMBER_CHANGE, REMEMBER_FORGET };
struct remember_request {
    enum remember_action action;
    const char *id, *topic, *title, *content; /* "" when not given. */
    json_t *tags;                             /* An array of texts, or NULL. */
    bool global;
};
/* Which fields an action needs is more than its schema says: false, and `why`. */
MUST_CHECK bool remember_request_read(const struct tool_call *call,
                                      struct remember_request *ret_request, struct why *why);
struct recall_request {
    const char *query, *topic; /* topic "": every one. */
    int64_t limit;
};
void recall_request_read(const struct tool_call *call, struct recall_request *ret_request);

struct task_status_request {
    enum task_status to;
    struct bytes detail, question; /* "": none. The question of a blocked task may be its detail. */
};
void task_status_request_read(const struct tool_call *call,
                              struct task_status_request *ret_request);

/* {"error": the cause's name, "message"}; or with a code of another table that says more. */
void failure_result_write(enum card_cause cause, const char *message, struct tool_result *result);
void coded_result_write(enum card_cause cause, const char *code, const char *message,
                        struct tool_result *result);

#endif
