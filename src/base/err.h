/* err.h: errors by value, and the one table that gives each code its words.
 *
 * Promise    a struct err is 24 bytes, copied freely, and owns nothing. `step` is static text that
 *            names what was being done ("datadir: open"). ERR_NONE means success.
 * Threads    any.
 *
 * What was wrong with an *input* (which field, which byte, what to do) is told in a `struct why`,
 * filled by whoever found the fault and shown to the user as it stands.
 *
 * Each row: code, stable name (`code` in problem documents), HTTP status, exit code, title.
 * A name that was released never changes its meaning. docs/errors.md is checked against this table.
 */
#ifndef DROVER_BASE_ERR_H
#define DROVER_BASE_ERR_H

#include <stdarg.h>

#include "base/base.h"

/* Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused (permission), 5 conflict,
 * 6 data directory or schema busy, 7 storage full or read-only, 8 storage lost (outcome of a commit
 * unknown, see ARCHITECTURE.md), 9 daemon not reachable, 10 newer schema, 130 interrupted: what a
 * shell reports of a program that SIGINT ended. */
#define ERR_TABLE(X)                                                                               \
    X(NONE, "ok", 200, 0, "Success")                                                               \
    X(INTERNAL, "internal", 500, 1, "Internal error")                                              \
    X(OUT_OF_MEMORY, "out_of_memory", 503, 1, "Not enough memory for this request")                \
    X(TEXT_TOO_LONG, "text_too_long", 413, 1, "A text is longer than its limit")                   \
    X(IO, "io_error", 500, 1, "Input or output failed")                                            \
    X(NO_PERMISSION, "no_permission", 500, 4, "The operating system does not permit this")         \
    X(USAGE, "usage", 400, 2, "The command was used incorrectly")                                  \
    X(CONFIG, "bad_config", 500, 2, "The configuration is not valid")                              \
    X(BAD_REQUEST, "bad_request", 400, 2, "The request is not valid HTTP")                         \
    X(BAD_JSON, "bad_json", 400, 2, "The body is not valid JSON")                                  \
    X(BAD_FIELD, "bad_field", 400, 2, "A field has a wrong value")                                 \
    X(UNKNOWN_FIELD, "unknown_field", 400, 2, "A field is unknown")                                \
    X(MISSING_FIELD, "missing_field", 400, 2, "A required field is missing")                       \
    X(BAD_QUERY, "bad_query", 400, 2, "A query parameter is not valid")                            \
    X(BAD_CURSOR, "bad_cursor", 400, 2, "The page cursor is not valid")                            \
    X(BAD_PATTERN, "bad_pattern", 400, 2, "The pattern is not a valid regular expression")         \
    X(NOT_A_USER_MESSAGE, "not_a_user_message", 400, 2, "Only messages of the user can be edited") \
    X(BAD_SCRIPT, "bad_script", 400, 2, "The workflow script is not valid")                        \
    X(BAD_FLOW, "bad_flow", 400, 2, "The flow is not valid")                                       \
    X(BAD_IMAGE, "bad_image", 400, 2, "The body is not a supported image")                         \
    X(MODEL_WITHOUT_IMAGES, "model_without_images", 400, 2, "The model does not accept images")    \
    X(CURSOR_AHEAD, "cursor_ahead", 400, 2, "The cursor is ahead of the stream")                   \
    X(BAD_HOST, "bad_host", 421, 4, "The Host header does not name this daemon")                   \
    X(BAD_ORIGIN, "bad_origin", 403, 4, "Requests from this Origin are refused")                   \
    X(KEY_ORIGIN, "key_origin", 403, 4, "The key of a page is used only by its own page")          \
    X(UNAUTHORIZED, "unauthorized", 401, 4, "A valid token is required")                           \
    X(FORBIDDEN, "forbidden", 403, 4, "The token does not allow this")                             \
    X(INSIDE_RUN, "inside_run", 403, 4, "A program inside a run may not do this")                  \
    X(STREAM_RESERVED, "stream_reserved", 403, 4, "Only drover itself writes to this stream")      \
    X(COMMAND_BY_AGENT, "command_by_agent", 403, 4, "Only a person may have drover run a command") \
    X(NOT_YOUR_TASK, "not_your_task", 403, 4, "An agent may speak only for itself, of its task")   \
    X(NOT_APPROVER, "not_approver", 403, 4, "Only an approver whom the flow names may approve")    \
    X(NOT_FOUND, "not_found", 404, 3, "There is no such object")                                   \
    X(MESSAGE_NOT_FOUND, "message_not_found", 404, 3, "There is no message with that id")          \
    X(WORKFLOW_NOT_FOUND, "workflow_not_found", 404, 3, "There is no workflow by that name")       \
    X(FLOW_NOT_FOUND, "flow_not_found", 404, 3, "There is no flow by that name")                   \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, 2, "The method is not allowed here")          \
    X(NOT_ACCEPTABLE, "not_acceptable", 406, 2, "No offered media type is acceptable")             \
    X(REQUEST_TIMEOUT, "request_timeout", 408, 1, "The request took too long to arrive")           \
    X(AMBIGUOUS, "ambiguous", 400, 2, "The name matches more than one object")                     \
    X(CONFLICT, "conflict", 409, 5, "The request does not fit the state of the object")            \
    X(OTHER_QUESTION, "other_question", 409, 5, "The question is not the one that was shown")      \
    X(MESSAGE_EXISTS, "message_exists", 409, 5, "Another message was sent with that client id")    \
    X(MODEL_UNKNOWN, "model_unknown", 400, 2, "There is no such model")                            \
    X(NO_MODEL, "no_model", 400, 2, "No model is known")                                           \
    X(RUN_ALIVE, "run_alive", 409, 5, "The run has not ended")                                     \
    X(RUN_ENDED, "run_ended", 409, 5, "The run has ended")                                         \
    X(STEP_ENDED, "step_ended", 409, 5, "The agent has ended")                                     \
    X(TURN_IN_PROGRESS, "turn_in_progress", 409, 5, "A turn of the session is running")            \
    X(CHANGED_SINCE, "changed_since", 409, 5, "Somebody else has changed a file meanwhile")        \
    X(WORKTREE_HAS_WORK, "worktree_has_work", 409, 5,                                              \
      "The working tree holds work that is nowhere else")                                          \
    X(IN_USE, "in_use", 409, 5, "An agent is working there")                                       \
    X(HOST_AWAY, "host_away", 409, 5, "The process is on another host")                            \
    X(HOST_ALIVE, "host_alive", 409, 5, "The host sent a heartbeat recently")                      \
    X(HOST_GONE, "host_gone", 410, 5, "The host was removed, and its output with it")              \
    X(NOT_AWAY, "not_away", 409, 5, "The run is on the leader's own host")                         \
    X(INPUT_CLOSED, "input_closed", 409, 5, "The job accepts no input, or no more input")          \
    X(INPUT_FULL, "input_full", 409, 5, "The limit of input for a job is reached")                 \
    X(TASK_EDGE, "task_edge", 409, 5, "The task does not go from this status to that one")         \
    X(TASK_HELD, "task_held", 409, 5, "Another agent has the task")                                \
    X(TASK_WAITS, "task_waits", 409, 5, "The task waits for another task, or for its time")        \
    X(ATTEMPT_OVER, "attempt_over", 409, 5, "The attempt at the task has ended")                   \
    X(NO_OUTPUT, "no_output", 409, 5, "The attempt has written no output")                         \
    X(PLAN_MISSING, "plan_missing", 409, 5, "The plan of the task is not approved")                \
    X(MUST_HAVE, "must_have", 409, 5, "Something that must be true of the result is not")          \
    X(TASK_CYCLE, "task_cycle", 409, 5, "The tasks would wait for each other")                     \
    X(TASK_DEPTH, "task_depth", 409, 5, "The chain of tasks is too long")                          \
    X(MAIL, "mail", 409, 5, "That is a mail, and no task")                                         \
    X(MAIL_LOOP, "mail_loop", 409, 5, "The chain of mail is too long")                             \
    X(BUDGET_TOO_DEEP, "budget_too_deep", 409, 5, "Too many budgets apply to the run")             \
    X(GONE, "gone", 410, 3, "The requested object was deleted")                                    \
    X(OUTPUT_GONE, "output_gone", 410, 3, "The output of the run is gone")                         \
    X(LENGTH_REQUIRED, "length_required", 411, 2, "The length of the body is missing")             \
    X(BODY_TOO_LARGE, "body_too_large", 413, 2, "The body is larger than allowed")                 \
    X(URL_TOO_LONG, "url_too_long", 414, 2, "The URL is longer than allowed")                      \
    X(UNSUPPORTED_MEDIA, "unsupported_media_type", 415, 2,                                         \
      "The media type of the body is not supported")                                               \
    X(EXPECTATION_FAILED, "expectation_failed", 417, 2, "The expectation cannot be met")           \
    X(IDEMPOTENCY_MISMATCH, "idempotency_mismatch", 422, 5,                                        \
      "The Idempotency-Key was used for another request")                                          \
    X(TOO_EXPENSIVE, "too_expensive", 422, 1, "The request needs too much time or memory")         \
    X(UPGRADE_REQUIRED, "upgrade_required", 426, 2,                                                \
      "This address accepts only WebSocket connections")                                           \
    X(TOO_MANY, "too_many", 429, 1, "Too many at once; try again later")                           \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, 2, "The header is larger than allowed")         \
    X(NOT_IMPLEMENTED, "not_implemented", 501, 2,                                                  \
      "The request needs a feature that is not implemented")                                       \
    X(SANDBOX_UNAVAILABLE, "sandbox_unavailable", 501, 1, "The sandbox is not available here")     \
    X(BAD_VERSION, "http_version_not_supported", 505, 2,                                           \
      "Only HTTP/1.0 and HTTP/1.1 are supported")                                                  \
    X(BUSY, "busy", 503, 6, "Another process is using it")                                         \
    X(ADDRESS_TAKEN, "address_taken", 503, 5, "Another process is listening on that address")      \
    X(OVERLOADED, "overloaded", 503, 1, "The daemon is overloaded; try again later")               \
    X(CLOSING, "closing", 503, 1, "The daemon is shutting down")                                   \
    X(DISK_FULL, "disk_full", 507, 7, "The disk is full; nothing was changed")                     \
    X(DATA_FULL, "data_full", 507, 7, "The data directory has reached its size limit")             \
    X(READ_ONLY, "storage_read_only", 507, 7, "The storage is read-only; nothing was changed")     \
    X(STORE_IO, "store_io", 500, 7, "The database could not read or write; nothing was changed")   \
    X(STORE_LOST, "store_lost", 500, 8, "The outcome of a commit is unknown; restart the daemon")  \
    X(STORE_CORRUPT, "store_corrupt", 500, 7, "The database is damaged")                           \
    X(STORE_INCOMPLETE, "store_incomplete", 500, 7,                                                \
      "The database lacks commits that were acknowledged")                                         \
    X(STORE_DOWN, "store_down", 503, 7, "The database server cannot be reached")                   \
    X(STALLED, "stalled", 503, 1, "Work of the daemon makes no progress")                          \
    X(NEWER_SCHEMA, "newer_schema", 500, 10, "The database was written by a newer drover")         \
    X(OTHER_SCHEMA, "other_schema", 500, 10, "The database was created by an unreleased build")    \
    X(UNREACHABLE, "unreachable", 503, 9, "The daemon cannot be reached")                          \
    X(INTERRUPTED, "interrupted", 503, 130, "Interrupted")

enum err_code {
#define X(code, name, status, exit_code, title) ERR_##code,
    ERR_TABLE(X)
#undef X
        ERR_CODES
};

struct err {
    enum err_code code;
    int os;           /* errno of the failed call, or 0. */
    const char *step; /* Static text: what was being done. NULL on success. */
};

#define ERR_OK ((struct err){.code = ERR_NONE})

/* Tells a user what was wrong, where, and what to do. Always terminated; too long is cut. */
struct why {
    char text[512];
};

struct err err_make(enum err_code code, const char *step);
struct err err_from_errno(int os, const char *step);
void why_set(struct why *why, const char *format, ...) PRINTF_LIKE(2, 3); /* NULL is allowed. */
void why_set_list(struct why *why, const char *format, va_list args) PRINTF_LIKE(2, 0);
/* The same, and the error that the sentence is about; its step is the format, which is static. */
MUST_CHECK struct err err_why(struct why *why, enum err_code code, const char *format, ...)
    PRINTF_LIKE(3, 4);

static inline bool err_failed(struct err err) {
    return err.code != ERR_NONE;
}

/* Returns the failure of a call; the only macro that returns. What the function owns is AUTO. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        const struct err try_err = (call);                                                         \
        if (err_failed(try_err)) {                                                                 \
            return try_err;                                                                        \
        }                                                                                          \
    } while (0)

/* The sentence of an error, or its title where it has none. */
const char *err_words(struct err err, const struct why *why);

const char *err_name(enum err_code code);
const char *err_title(enum err_code code);
int err_http_status(enum err_code code);
int err_exit_code(enum err_code code);

#endif
