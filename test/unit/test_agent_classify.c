/* How programs end: what was recorded of each, and the verdict about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/text.h"
#include "rules/agent/classify.h"

enum { NO_RESULT_LINE, GOOD, BAD, QUIET /* Good, and without a word. */ };
#define SIG(n) (1000 + (n))
enum { NEVER = 2000, GONE };

/* end: an exit code, SIG(n), NEVER or GONE. */
static const struct row {
    const char *about;
    int end, result, status;
    const char *kind, *text, *tail, *transport;
    enum agent_ender ender;
    enum agent_task task;
    bool unread, mute; /* mute: nobody knows words of its stderr. */
    enum agent_outcome outcome;
    const char *rule;
} table[] = {
#define SAYS(result_, status_, kind_, text_)                                                       \
    .result = (result_), .status = (status_), .kind = (kind_), .text = (text_)
    /* claude */
    {"claude: a turn", 0, SAYS(GOOD, 0, "success", ""), .outcome = AGENT_COMPLETED,
     .rule = "said-so"},
    {"claude: a turn after its stream broke and it asked again", 0, SAYS(GOOD, 0, "success", ""),
     .tail = "API Error: stream truncated, retrying", .outcome = AGENT_COMPLETED},
    {"claude: 401", 1, SAYS(BAD, 401, "success", "Failed to authenticate. API Error: 401"),
     .outcome = AGENT_AUTH_FAILED, .rule = "status-401"},
    {"claude: 403", 1, SAYS(BAD, 403, "success", "API Error: 403 Forbidden"),
     .outcome = AGENT_AUTH_FAILED, .rule = "status-403"},
    {"claude: 429", 1, SAYS(BAD, 429, "success", "API Error: Request rejected (429)"),
     .outcome = AGENT_RATE_LIMITED, .rule = "status-429"},
    {"claude: 500", 1, SAYS(BAD, 500, "success", "API Error: 500 Internal server error"),
     .outcome = AGENT_PROVIDER_ERROR, .rule = "status-5xx"},
    {"claude: 529", 1, SAYS(BAD, 529, "success", "API Error: 529 Overloaded"),
     .outcome = AGENT_PROVIDER_ERROR},
    {"claude: a prompt that is too long", 1,
     SAYS(BAD, 400, "prompt_too_long", "Prompt is too long"), .outcome = AGENT_CONTEXT_OVERFLOW,
     .rule = "kind-too-long"},
    {"claude: the same by its words", 1,
     SAYS(BAD, 400, "success", "API Error: 400 prompt is too long: 210000 tokens"),
     .outcome = AGENT_CONTEXT_OVERFLOW, .rule = "result-too-long"},
    {"claude: a request that is refused for good", 1,
     SAYS(BAD, 400, "success", "API Error: 400 messages.3: tool_use ids must be unique"),
     .outcome = AGENT_FAILED, .rule = "status-4xx"},
    {"claude: a model that there is not", 1,
     SAYS(BAD, 404, "success", "API Error: 404 model: claude-9"), .outcome = AGENT_FAILED},
    {"claude: no credit", 1, SAYS(BAD, 400, "success", "Credit balance is too low"),
     .outcome = AGENT_QUOTA, .rule = "result-spent"},
    {"claude: no credit, without the number", 1,
     SAYS(BAD, 0, "billing_error", "Credit balance is too low"), .outcome = AGENT_QUOTA},
    {"claude: a request that took too long", 1, SAYS(BAD, 408, "success", "API Error: 408"),
     .outcome = AGENT_PROVIDER_ERROR, .rule = "status-408"},
    {"claude: a payment is asked for", 1, SAYS(BAD, 402, "success", "API Error: 402"),
     .outcome = AGENT_QUOTA, .rule = "status-402"},
    {"claude: refused", 1, SAYS(BAD, 0, "success", "API Error: Unable to connect to API"),
     .outcome = AGENT_PROVIDER_UNREACHABLE, .rule = "result-unreachable"},
    {"claude: refused, by the code", 1, SAYS(BAD, 0, "success", "Connection error (ECONNREFUSED)"),
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"claude: no key", 1, SAYS(BAD, 0, "success", "Not logged in · Please run /login"),
     .outcome = AGENT_AUTH_FAILED, .rule = "result-denied"},
    {"claude: a wrong key", 1, SAYS(BAD, 0, "success", "Invalid API key · Fix external API key"),
     .outcome = AGENT_AUTH_FAILED},
    {"claude: its limit of turns", 1, SAYS(BAD, 0, "error_max_turns", ""), .outcome = AGENT_FAILED,
     .rule = "result-bad"},
    {"claude: SIGINT", 0, SAYS(BAD, 0, "error_during_execution", ""), .outcome = AGENT_FAILED},
    {"claude: SIGINT by us", 0, SAYS(BAD, 0, "error_during_execution", ""), .ender = AGENT_STOPPED,
     .outcome = AGENT_KILLED, .rule = "stopped"},
    {"claude: SIGTERM", 143, .outcome = AGENT_CRASHED, .rule = "crashed"},
    {"claude: SIGKILL", SIG(9), .outcome = AGENT_KILLED, .rule = "signal"},
    {"claude: unknown session", 1, .tail = "No conversation found with session ID: 1",
     .outcome = AGENT_CRASHED},
    {"claude: session in use", 1, .tail = "Error: Session ID 1 is already in use.",
     .outcome = AGENT_SESSION_BUSY, .rule = "stderr-busy"},
    {"claude: refused as root", 1,
     .tail = "--dangerously-skip-permissions cannot be used with root privileges",
     .outcome = AGENT_CRASHED},
    {"claude: its usage limit", 1, SAYS(BAD, 0, "success", "Claude usage limit reached."),
     .outcome = AGENT_RATE_LIMITED, .rule = "result-limited"},
    {"claude: nothing said", 0, SAYS(QUIET, 0, "success", ""), .outcome = AGENT_NO_RESULT,
     .rule = "no-answer"},
    /* codex */
    {"codex: a turn", 0, SAYS(GOOD, 0, "", ""), .outcome = AGENT_COMPLETED},
    {"codex: a turn with a warning about its model", 0, SAYS(GOOD, 0, "", ""),
     .tail = "WARN: model metadata not found, 500 ms", .outcome = AGENT_COMPLETED},
    {"codex: 401", 1, SAYS(BAD, 0, "", "unexpected status 401 Unauthorized: no, url: http://x"),
     .outcome = AGENT_AUTH_FAILED, .rule = "result-denied"},
    {"codex: 429", 1, SAYS(BAD, 0, "", "exceeded retry limit, last status: 429 Too Many Requests"),
     .outcome = AGENT_RATE_LIMITED},
    {"codex: 500", 1,
     SAYS(BAD, 0, "", "exceeded retry limit, last status: 500 Internal Server Error"),
     .outcome = AGENT_PROVIDER_ERROR, .rule = "result-broken"},
    {"codex: 400", 1, SAYS(BAD, 0, "", "{\"error\":{\"message\":\"bad input\"}}"),
     .outcome = AGENT_FAILED},
    {"codex: truncated", 1,
     SAYS(BAD, 0, "", "stream disconnected before completion: stream closed"),
     .outcome = AGENT_PROVIDER_ERROR},
    {"codex: reset", 1,
     SAYS(BAD, 0, "", "stream disconnected before completion: ECONNRESET by peer"),
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"codex: refused", 1,
     SAYS(BAD, 0, "", "stream disconnected: error sending request for url (http://x)"),
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"codex: refused, and our deadline", SIG(15), .ender = AGENT_DEADLINE,
     .outcome = AGENT_TIMED_OUT, .rule = "deadline"},
    {"codex: too long", 1, SAYS(BAD, 0, "", "context_length_exceeded: your input exceeds"),
     .outcome = AGENT_CONTEXT_OVERFLOW},
    {"codex: too long, in its own words", 1,
     SAYS(
         BAD, 0, "",
         "Codex ran out of room in the model's context window. Start a new thread or clear earlier "
         "history before retrying."),
     .outcome = AGENT_CONTEXT_OVERFLOW, .rule = "result-too-long"},
    {"codex: no key in the environment", 1,
     .tail = "Error: Missing environment variable: `OPENAI_API_KEY`.", .outcome = AGENT_AUTH_FAILED,
     .rule = "stderr-denied"},
    {"codex: unknown thread", 1, .tail = "Error: no rollout found for thread id 1",
     .outcome = AGENT_CRASHED},
    {"codex: a second writer", 1, .tail = "Error: -32600: thread 1 already has an active writer",
     .outcome = AGENT_SESSION_BUSY},
    {"codex: its thread is locked", 1, SAYS(BAD, 0, "", "the thread is locked by another process"),
     .outcome = AGENT_SESSION_BUSY, .rule = "result-busy"},
    {"codex: SIGTERM", SIG(15), .outcome = AGENT_KILLED},
    {"codex: its turn failed by itself", 1, SAYS(BAD, 0, "", "the model refused"),
     .outcome = AGENT_FAILED},
    /* opencode */
    {"opencode: a turn", 0, SAYS(GOOD, 0, "", ""), .outcome = AGENT_COMPLETED},
    {"opencode: 401", 1, SAYS(BAD, 401, "APIError", "no"), .outcome = AGENT_AUTH_FAILED},
    {"opencode: 429", 1, SAYS(BAD, 429, "APIError", "Too Many Requests"),
     .outcome = AGENT_RATE_LIMITED},
    {"opencode: 500 at the last", 1, SAYS(BAD, 500, "APIError", "oops"),
     .outcome = AGENT_PROVIDER_ERROR},
    {"opencode: 500 and no end", SIG(9), .ender = AGENT_NO_PROGRESS, .outcome = AGENT_TIMED_OUT,
     .rule = "no-progress"},
    {"opencode: its processes are gone", GONE, .ender = AGENT_GONE, .outcome = AGENT_STUCK,
     .rule = "gone"},
    {"opencode: too long", 1, SAYS(BAD, 400, "ContextOverflowError", "too long"),
     .outcome = AGENT_CONTEXT_OVERFLOW},
    {"opencode: a runaway", SIG(9), .ender = AGENT_OVER_LIMIT, .outcome = AGENT_KILLED,
     .rule = "over-limit"},
    {"opencode: unknown session", 1, .tail = "Error: Session not found", .outcome = AGENT_CRASHED},
    {"opencode: aborted", 1, SAYS(BAD, 0, "MessageAbortedError", "The operation was aborted"),
     .outcome = AGENT_FAILED},
    {"opencode: its server is gone", 1, SAYS(BAD, 0, "UnknownError", "ECONNREFUSED"),
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"opencode: no key", 1, SAYS(BAD, 0, "ProviderAuthError", "Unauthorized"),
     .outcome = AGENT_AUTH_FAILED},
    /* pi: exits with 0 whatever happened */
    {"pi: a turn", 0, SAYS(GOOD, 0, "stop", ""), .outcome = AGENT_COMPLETED},
    {"pi: 401", 0, SAYS(BAD, 0, "error", "401 Incorrect API key provided"),
     .outcome = AGENT_AUTH_FAILED},
    {"pi: 429", 0, SAYS(BAD, 0, "error", "429 status code (no body)"),
     .outcome = AGENT_RATE_LIMITED},
    {"pi: 500", 0, SAYS(BAD, 0, "error", "500 status code (no body)"),
     .outcome = AGENT_PROVIDER_ERROR},
    {"pi: refused", 0, SAYS(BAD, 0, "error", "Connection error."),
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"pi: truncated", 0, SAYS(BAD, 0, "error", "Stream ended without finish_reason"),
     .outcome = AGENT_PROVIDER_ERROR},
    {"pi: too long", 0, SAYS(BAD, 0, "error", "400 prompt is too long"),
     .outcome = AGENT_CONTEXT_OVERFLOW},
    {"pi: aborted", 0, SAYS(BAD, 0, "aborted", "Request was aborted."), .outcome = AGENT_FAILED},
    {"pi: SIGTERM", 143, .outcome = AGENT_CRASHED},
    {"pi: SIGTERM after an answer", 143, SAYS(GOOD, 0, "stop", ""), .outcome = AGENT_COMPLETED},
    {"pi: lost after an answer", GONE, SAYS(GOOD, 0, "stop", ""), .outcome = AGENT_COMPLETED},
    {"pi: a stop by us", 143, .ender = AGENT_STOPPED, .outcome = AGENT_KILLED},
    {"pi: killed with a prompt running", 0, .outcome = AGENT_GATEWAY_TIMEOUT, .rule = "exit-0"},
    /* gemini: HTTP status modulo 256 */
    {"gemini: a turn", 0, SAYS(GOOD, 0, "", ""), .outcome = AGENT_COMPLETED},
    {"gemini: no key", 41, .tail = "Please set an Auth method: 401 Unauthorized",
     .outcome = AGENT_AUTH_FAILED},
    {"gemini: 401", 145, SAYS(BAD, 401, "", ""), .outcome = AGENT_AUTH_FAILED},
    {"gemini: 400", 144, SAYS(BAD, 400, "", "invalid argument"), .outcome = AGENT_FAILED},
    {"gemini: 429 for ever", SIG(9), .ender = AGENT_DEADLINE, .outcome = AGENT_TIMED_OUT},
    {"gemini: truncated", 0, SAYS(BAD, 0, "error", "Incomplete JSON segment at the end"),
     .outcome = AGENT_FAILED},
    {"gemini: reset", 1, SAYS(BAD, 0, "error", "read ECONNRESET"),
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"gemini: SIGTERM", 0, .outcome = AGENT_GATEWAY_TIMEOUT},
    {"gemini: unknown session", 42, .tail = "Invalid session identifier", .outcome = AGENT_CRASHED},
    /* openclaw: a gateway, and tasks */
    {"openclaw: a turn", 0, SAYS(GOOD, 0, "ok", ""), .transport = "gateway",
     .outcome = AGENT_COMPLETED},
    {"openclaw: without its gateway", 0, SAYS(GOOD, 0, "ok", ""), .transport = "embedded",
     .outcome = AGENT_FALLBACK_USED, .rule = "embedded"},
    {"openclaw: without its gateway, task done", 0, SAYS(GOOD, 0, "ok", ""),
     .transport = "embedded", .task = AGENT_TASK_ENDED, .outcome = AGENT_FALLBACK_USED},
    {"openclaw: task done", 0, .task = AGENT_TASK_ENDED, .outcome = AGENT_COMPLETED,
     .rule = "done"},
    {"openclaw: task failed, then our deadline", SIG(9), .ender = AGENT_DEADLINE,
     .task = AGENT_TASK_FAILED, .outcome = AGENT_FAILED, .rule = "task-failed"},
    {"openclaw: a limit within a compaction", 1,
     SAYS(BAD, 0, "", "429 rate limit exceeded during compaction"), .outcome = AGENT_RATE_LIMITED},
    {"openclaw: a compaction that failed", 1, SAYS(BAD, 0, "", "compaction failed"),
     .outcome = AGENT_CONTEXT_OVERFLOW, .rule = "result-compaction"},
    {"node: a crash in line 403", 1, .tail = "at run (/opt/a/cli.js:403:15)",
     .outcome = AGENT_CRASHED},
    {"node: 500 ms", 1, .tail = "took 500 ms", .outcome = AGENT_CRASHED},
    {"node: a lock file", 1, .tail = "cannot read package-lock.json", .outcome = AGENT_CRASHED},
    {"lines: its words say nothing, stderr does", 1, SAYS(BAD, 0, "cli_error", "failed"),
     .tail = "ECONNREFUSED", .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"openclaw: task in review, no result line", 0, .task = AGENT_TASK_ENDED, .tail = "lock",
     .outcome = AGENT_COMPLETED},
    {"openclaw: task failed", 0, SAYS(GOOD, 0, "ok", ""), .task = AGENT_TASK_FAILED,
     .outcome = AGENT_FAILED, .rule = "task-failed"},
    {"openclaw: task failed and a crash", 1, .task = AGENT_TASK_FAILED, .outcome = AGENT_FAILED},
    {"openclaw: task open", 0, SAYS(GOOD, 0, "ok", ""), .task = AGENT_TASK_OPEN,
     .outcome = AGENT_GATEWAY_TIMEOUT, .rule = "exit-0"},
    {"openclaw: task open, busy", 0, .task = AGENT_TASK_OPEN, .tail = "lane task error: x",
     .outcome = AGENT_SESSION_BUSY, .rule = "exit-0-busy"},
    {"openclaw: task open, locked", 0, .task = AGENT_TASK_OPEN, .tail = "session lock held",
     .outcome = AGENT_SESSION_BUSY},
    {"openclaw: concurrent", 0, .task = AGENT_TASK_OPEN, .tail = "concurrent run refused",
     .outcome = AGENT_SESSION_BUSY},
    {"openclaw: compaction", 0, .task = AGENT_TASK_OPEN, .tail = "[compaction-diag] x",
     .outcome = AGENT_CONTEXT_OVERFLOW, .rule = "exit-0-too-long"},
    {"openclaw: overflow", 0, .task = AGENT_TASK_OPEN, .tail = "context-overflow in turn",
     .outcome = AGENT_CONTEXT_OVERFLOW},
    {"openclaw: rate_limit", 0, .task = AGENT_TASK_OPEN, .tail = "reason=rate_limit",
     .outcome = AGENT_RATE_LIMITED, .rule = "exit-0-limited"},
    {"openclaw: 503", 0, .task = AGENT_TASK_OPEN, .tail = "upstream 503",
     .outcome = AGENT_PROVIDER_ERROR, .rule = "exit-0-broken"},
    {"openclaw: gateway down", 1, SAYS(BAD, 0, "cli_error", "Gateway not reachable (ECONNREFUSED)"),
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"openclaw: gateway closed", 1, .tail = "gateway closed (1006)",
     .outcome = AGENT_PROVIDER_UNREACHABLE, .rule = "stderr-unreachable"},
    {"openclaw: its own timeout", 2, SAYS(BAD, 0, "timeout", "timed out after 600 s"),
     .outcome = AGENT_FAILED},
    {"openclaw: timeout in a compaction", 1, .tail = "timeout-compaction",
     .outcome = AGENT_CONTEXT_OVERFLOW, .rule = "stderr-too-long"},
    {"openclaw: hanging compaction", SIG(9), .ender = AGENT_COMPACTING,
     .outcome = AGENT_COMPACTION_HANGING, .rule = "compacting"},
    {"openclaw: cool-down after a 401", 1, SAYS(BAD, 0, "auth", "no profile: 401 earlier"),
     .outcome = AGENT_AUTH_FAILED},
    /* any program */
    {"not there", NEVER, .tail = "ENOENT", .outcome = AGENT_SPAWN_FAILED, .rule = "not-started"},
    {"not there, with a stop", NEVER, .ender = AGENT_STOPPED, .outcome = AGENT_SPAWN_FAILED},
    {"its holder was killed", GONE, .outcome = AGENT_UNKNOWN, .rule = "vanished"},
    {"the same, after it had said that it failed", GONE, SAYS(BAD, 500, "", ""),
     .outcome = AGENT_PROVIDER_ERROR},
    {"lines: exit 0 and no result", 0, .outcome = AGENT_GATEWAY_TIMEOUT},
    {"lines: exit 3", 3, .outcome = AGENT_CRASHED},
    {"lines: 401 on stderr", 1, .tail = "HTTP 401", .outcome = AGENT_AUTH_FAILED},
    {"lines: unauthorized", 1, .tail = "Unauthorized.", .outcome = AGENT_AUTH_FAILED},
    {"lines: the same in red", 1, .tail = "\033[91m\033[1mError: \033[0;31mUnauthorized\033[0m\n",
     .outcome = AGENT_AUTH_FAILED},
    {"lines: a colour that is cut", 1, .tail = "unauthorize \033[9", .outcome = AGENT_CRASHED},
    {"lines: forbidden", 1, .tail = "403 Forbidden", .outcome = AGENT_AUTH_FAILED},
    {"lines: ETIMEDOUT", 1, .tail = "connect ETIMEDOUT 1.2.3.4:443",
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"lines: ECONNRESET", 1, .tail = "Error: read ECONNRESET",
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"lines: 429", 1, .tail = "status=429", .outcome = AGENT_RATE_LIMITED,
     .rule = "stderr-limited"},
    {"lines: 500", 1, .tail = "status 500", .outcome = AGENT_PROVIDER_ERROR,
     .rule = "stderr-broken"},
    {"lines: API error", 1, .tail = "API Error", .outcome = AGENT_PROVIDER_ERROR},
    {"lines: 5000 is no status", 1, .tail = "waited 5000 ms", .outcome = AGENT_CRASHED},
    {"lines: an author is no auth error", 1, .tail = "unknown author: 4010 commits",
     .outcome = AGENT_CRASHED},
    {"lines: blocked is no lock", 1, .tail = "blocked by unlocked door", .outcome = AGENT_CRASHED},
    {"lines: stderr says what the typed result does not", 1, SAYS(BAD, 0, "", "no such file"),
     .tail = "429", .outcome = AGENT_RATE_LIMITED},
    {"lines: the typed result decides first", 1, SAYS(BAD, 0, "", "HTTP 401"), .tail = "429",
     .outcome = AGENT_AUTH_FAILED},
    {"lines: a good result, and exit 1", 1, SAYS(GOOD, 0, "", ""), .tail = "401",
     .outcome = AGENT_COMPLETED},
    {"lines: a segfault", SIG(11), .tail = "429", .outcome = AGENT_KILLED},
    /* words that are joined to others */
    {"joined: a status after a colon", 1, .tail = "status:401", .outcome = AGENT_AUTH_FAILED},
    {"joined: a code between marks", 1, .tail = "failed, code:429, waiting",
     .outcome = AGENT_RATE_LIMITED},
    {"joined: a code with a long name", 1, .tail = "status_code:429",
     .outcome = AGENT_RATE_LIMITED},
    {"joined: a word after a colon", 1, .tail = "error:ECONNREFUSED",
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"joined: a word between colons", 1, .tail = "Error:Unauthorized:expired",
     .outcome = AGENT_AUTH_FAILED},
    {"joined: a status after a slash", 1, .tail = "HTTP/401", .outcome = AGENT_AUTH_FAILED},
    {"joined: words with a slash between them", 1, .tail = "unauthorized/expired",
     .outcome = AGENT_AUTH_FAILED},
    {"joined: a status before a colon", 1, .tail = "error 429:rate", .outcome = AGENT_RATE_LIMITED},
    {"joined: a status after a colour", 1, .tail = "\033[31mcode:429\033[0m",
     .outcome = AGENT_RATE_LIMITED},
    {"joined: rateLimitExceeded", 1, .tail = "reason: rateLimitExceeded",
     .outcome = AGENT_RATE_LIMITED},
    {"joined: a quota", 1, .tail = "Quota exceeded for requests", .outcome = AGENT_RATE_LIMITED},
    {"joined: EAI_AGAIN", 1, .tail = "getaddrinfo EAI_AGAIN api.example",
     .outcome = AGENT_PROVIDER_UNREACHABLE},
    {"joined: an author is no auth", 1, .tail = "author:x/authors", .outcome = AGENT_CRASHED},
    {"joined: a folder is no status", 1, .tail = "cannot read /usr/lib/429/x",
     .outcome = AGENT_CRASHED},
    {"joined: a file is no status", 1, .tail = "cannot read /usr/lib/429",
     .outcome = AGENT_CRASHED},
    {"joined: a relative path is no status", 1, .tail = "cannot read lib/429",
     .outcome = AGENT_CRASHED},
    {"joined: a path that begins with a number", 1, .tail = "cannot read 429/x",
     .outcome = AGENT_CRASHED},
    {"joined: a line and a column are no status", 1, .tail = "file.c:429:12: bad",
     .outcome = AGENT_CRASHED},
    {"joined: a line is no status", 1, .tail = "file.c:429: bad", .outcome = AGENT_CRASHED},
    {"joined: a line of a file without a dot", 1, .tail = "Makefile:500: bad",
     .outcome = AGENT_CRASHED},
    {"joined: a time is no status", 1, .tail = "at 10:500 and 429:12", .outcome = AGENT_CRASHED},
    {"joined: a port is no status", 1, .tail = "connect to 127.0.0.1:500",
     .outcome = AGENT_CRASHED},
    {"joined: a folder is no lock", 1, .tail = "cannot write /run/lock/x",
     .outcome = AGENT_CRASHED},
    {"joined: the end of a path is no lock", 1, .tail = "cannot write /run/lock",
     .outcome = AGENT_CRASHED},
    {"joined: the root of a path is no lock", 1, .tail = "no /lock/x", .outcome = AGENT_CRASHED},
    {"joined: a page is no status", 1, .tail = "GET /429", .outcome = AGENT_CRASHED},
    {"joined: a disk is no provider", 1, .tail = "write: Disk quota exceeded",
     .outcome = AGENT_CRASHED},
    {"lines: a package is locked", 1, .mute = true, .tail = "error: package is locked",
     .outcome = AGENT_CRASHED, .rule = "crashed"},
    {"lines: a hook failed", 1, .mute = true, .tail = "HTTP 500 from hook",
     .outcome = AGENT_CRASHED},
    {"lines: a rate limit of somebody", 0, .mute = true, .tail = "429 Too Many Requests",
     .outcome = AGENT_GATEWAY_TIMEOUT, .rule = "exit-0"},
    {"claude: its result could not be read", 0, .unread = true, .outcome = AGENT_UNKNOWN,
     .rule = "unread"},
    {"claude: the same, and it had failed", 1, .unread = true, .tail = "429",
     .outcome = AGENT_UNKNOWN},
    {"claude: a line before its result could not be read", 0, SAYS(GOOD, 0, "success", ""),
     .unread = true, .outcome = AGENT_COMPLETED},
    {"claude: killed in the middle of a line", SIG(9), .unread = true, .outcome = AGENT_KILLED},
    {"plain: words", 0, SAYS(GOOD, 0, "", ""), .outcome = AGENT_COMPLETED},
    {"plain: no words", 0, SAYS(QUIET, 0, "", ""), .outcome = AGENT_NO_RESULT},
};

/* As definitions have them. */
static const struct agent_stderr words[] = {{"lock", AGENT_SESSION_BUSY},
                                            {"concurrent", AGENT_SESSION_BUSY},
                                            {"lane task error", AGENT_SESSION_BUSY},
                                            {"already in use", AGENT_SESSION_BUSY},
                                            {"already has an active writer", AGENT_SESSION_BUSY},
                                            {"401", AGENT_AUTH_FAILED},
                                            {"403", AGENT_AUTH_FAILED},
                                            {"unauthorized", AGENT_AUTH_FAILED},
                                            {"missing environment variable", AGENT_AUTH_FAILED},
                                            {"econnrefused", AGENT_PROVIDER_UNREACHABLE},
                                            {"etimedout", AGENT_PROVIDER_UNREACHABLE},
                                            {"econnreset", AGENT_PROVIDER_UNREACHABLE},
                                            {"eai again", AGENT_PROVIDER_UNREACHABLE},
                                            {"gateway closed", AGENT_PROVIDER_UNREACHABLE},
                                            {"429", AGENT_RATE_LIMITED},
                                            {"rate limit", AGENT_RATE_LIMITED},
                                            {"ratelimitexceeded", AGENT_RATE_LIMITED},
                                            {"quota exceeded", AGENT_RATE_LIMITED},
                                            {"500", AGENT_PROVIDER_ERROR},
                                            {"503", AGENT_PROVIDER_ERROR},
                                            {"api error", AGENT_PROVIDER_ERROR},
                                            {"compaction diag", AGENT_CONTEXT_OVERFLOW},
                                            {"timeout compaction", AGENT_CONTEXT_OVERFLOW},
                                            {"context overflow", AGENT_CONTEXT_OVERFLOW}};

static struct agent_verdict judge(const struct row *row) {
    const struct agent_ending ending = {
        .exit = row->end == NEVER   ? AGENT_NOT_STARTED
                : row->end == GONE  ? AGENT_VANISHED
                : row->end > SIG(0) ? AGENT_SIGNALED
                                    : AGENT_EXITED,
        .code = row->end,
        .signal = row->end - SIG(0),
        .ender = row->ender,
        .task = row->task,
        .unread = row->unread,
        .result = {.present = row->result != NO_RESULT_LINE,
                   .good = row->result == GOOD || row->result == QUIET,
                   .said = row->result == GOOD,
                   .status = row->status,
                   .kind = bytes_of(row->kind),
                   .text = bytes_of(row->text),
                   .transport = bytes_of(row->transport)},
        .stderr_tail = bytes_of(row->tail),
        .stderr_words = words,
        .stderr_count = row->mute ? 0 : COUNT_OF(words)};
    return agent_classify(&ending);
}

static void each_recorded_ending_has_its_outcome(void **state) {
    (void)state;
    assert_true(COUNT_OF(table) >= 100);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct agent_verdict verdict = judge(&table[i]);
        if (verdict.outcome != table[i].outcome ||
            (table[i].rule != NULL && strcmp(table[i].rule, verdict.rule) != 0)) {
            fail_msg("%s: %s by the rule %s", table[i].about, agent_outcome_name(verdict.outcome),
                     verdict.rule);
        }
    }
}

static void each_rule_decides_about_some_ending(void **state) {
    (void)state;
    for (unsigned rule = 0; agent_rule_name(rule) != NULL; rule++) {
        bool hit = false;
        for (size_t i = 0; i < COUNT_OF(table); i++) {
            hit = hit || judge(&table[i]).rule == agent_rule_name(rule);
        }
        if (!hit) {
            fail_msg("no ending for the rule %s", agent_rule_name(rule));
        }
    }
}

static void each_outcome_has_a_name_a_cause_and_a_sentence(void **state) {
    (void)state;
    for (unsigned i = 0; i < AGENT_OUTCOME_COUNT; i++) {
        enum agent_outcome found;
        AUTO(text_done) struct text text = text_up_to(500);
        assert_true(agent_outcome_find(bytes_of(agent_outcome_name(i)), &found));
        assert_int_equal(found, i);
        agent_outcome_tell(i, "claude", &text);
        assert_true((text.len > 0) == (i != AGENT_COMPLETED));
        assert_null(text.data == NULL ? NULL : strchr(text.data, '%'));
        assert_true((agent_outcome_cause(i) == CAUSE_COMPLETED) == (i == AGENT_COMPLETED));
        assert_int_not_equal(agent_outcome_cause(i), CAUSE_NONE);
    }
}

static void waits_double_up_to_a_quarter_of_an_hour(void **state) {
    (void)state;
    assert_int_equal(agent_next(AGENT_RATE_LIMITED, 1, 0).wait_ms, 60000);
    assert_int_equal(agent_next(AGENT_RATE_LIMITED, 2, 0).wait_ms, 120000);
    assert_int_equal(agent_next(AGENT_RATE_LIMITED, 3, 5000).wait_ms, 5000);
    assert_int_equal(agent_next(AGENT_RATE_LIMITED, 4, 0).remedy, AGENT_FAILS);
    assert_int_equal(agent_next(AGENT_GATEWAY_TIMEOUT, 3, 0).remedy, AGENT_RESUMES);
    assert_int_equal(agent_next(AGENT_GATEWAY_TIMEOUT, 4, 0).remedy, AGENT_FAILS);
    assert_int_equal(agent_next(AGENT_AUTH_FAILED, 1, 0).remedy, AGENT_FAILS);
    assert_int_equal(agent_next(AGENT_COMPLETED, 1, 0).remedy, AGENT_SUCCEEDS);
}

static struct agent_sequel sequel_of(const char *before, int64_t tries, enum agent_outcome outcome,
                                     bool progress) {
    const struct agent_past past = {
        .before = bytes_of(before), .tries = tries, .attempts = tries, .progress = progress};
    return agent_sequel(&past, outcome, true);
}

static void attempts_in_a_row_are_counted_and_progress_resets_the_count(void **state) {
    (void)state;
    struct agent_sequel sequel = sequel_of("gateway_timeout", 2, AGENT_GATEWAY_TIMEOUT, false);
    assert_int_equal(sequel.tries, 3);
    assert_int_equal(sequel.remedy, AGENT_RESUMES);
    sequel = sequel_of("gateway_timeout", 3, AGENT_GATEWAY_TIMEOUT, true);
    assert_int_equal(sequel.tries, 1);
    assert_int_equal(sequel.remedy, AGENT_RESUMES);
    sequel = sequel_of("crashed", 1, AGENT_KILLED, false);
    assert_int_equal(sequel.tries, 1);
    assert_int_equal(sequel.remedy, AGENT_RESUMES);
    sequel = sequel_of("gateway_timeout", 3, AGENT_GATEWAY_TIMEOUT, false);
    assert_int_equal(sequel.remedy, AGENT_FAILS);
    assert_int_equal(sequel.cause, CAUSE_MAX_RETRY_COUNT);
    sequel = sequel_of("rate_limited", 3, AGENT_RATE_LIMITED, false);
    assert_int_equal(sequel.remedy, AGENT_FAILS);
    assert_int_equal(sequel.cause, CAUSE_RATE_LIMITED);
    sequel = sequel_of("", 0, AGENT_COMPLETED, true);
    assert_int_equal(sequel.remedy, AGENT_SUCCEEDS);
}

static void a_turn_has_a_last_attempt_whatever_progress_it_makes(void **state) {
    (void)state;
    struct agent_past past = {.before = BYTES("signal"),
                              .tries = 1,
                              .attempts = AGENT_ATTEMPTS_MAX - 1,
                              .progress = true};
    assert_int_equal(agent_sequel(&past, AGENT_KILLED, true).remedy, AGENT_RESUMES);
    past.attempts++;
    struct agent_sequel sequel = agent_sequel(&past, AGENT_KILLED, true);
    assert_int_equal(sequel.remedy, AGENT_FAILS);
    assert_int_equal(sequel.cause, CAUSE_MAX_RETRY_COUNT);
    /* Tries of the program's own and ours would multiply. */
    const struct agent_past retried = {
        .before = BYTES("provider_error"), .tries = 1, .attempts = 2, .retried = true};
    assert_int_equal(agent_sequel(&retried, AGENT_RATE_LIMITED, true).remedy, AGENT_RETRIES);
    assert_int_equal(agent_sequel(&retried, AGENT_PROVIDER_ERROR, true).remedy, AGENT_FAILS);
    assert_int_equal(sequel_of("provider_error", 1, AGENT_PROVIDER_ERROR, false).remedy,
                     AGENT_RETRIES);
    assert_int_equal(agent_sequel(&past, AGENT_AUTH_FAILED, true).cause, CAUSE_AUTH_FAILED);
    assert_int_equal(agent_sequel(&past, AGENT_COMPLETED, true).remedy, AGENT_SUCCEEDS);
}

static void a_program_that_cannot_go_on_has_its_own_cause(void **state) {
    (void)state;
    const struct agent_past past = {.before = BYTES(""), .attempts = 1};
    struct agent_sequel sequel = agent_sequel(&past, AGENT_STUCK, false);
    assert_int_equal(sequel.remedy, AGENT_FAILS);
    assert_int_equal(sequel.cause, CAUSE_REVIVE_FAILED);
    assert_int_equal(agent_sequel(&past, AGENT_STUCK, true).remedy, AGENT_RESUMES);
    assert_int_equal(sequel_of("stuck", 1, AGENT_STUCK, false).cause, CAUSE_STUCK);
    assert_int_equal(sequel_of("stuck", 1, AGENT_SPAWN_FAILED, false).cause, CAUSE_REVIVE_FAILED);
    assert_int_equal(sequel_of("", 0, AGENT_SPAWN_FAILED, false).cause, CAUSE_NOT_STARTED);
    sequel = agent_sequel(&past, AGENT_GATEWAY_TIMEOUT, false);
    assert_int_equal(sequel.remedy, AGENT_FAILS);
    assert_int_equal(sequel.cause, CAUSE_GATEWAY_TIMEOUT);
}

static void a_turn_that_yields_waits_for_a_minute_at_most(void **state) {
    (void)state;
    struct agent_past past = {.before = BYTES(""), .attempts = 1, .yields = true};
    struct agent_sequel sequel = agent_sequel(&past, AGENT_RATE_LIMITED, true);
    assert_int_equal(sequel.remedy, AGENT_RETRIES);
    assert_int_equal(sequel.yields_ms, 0);
    past.named_ms = 61 * 1000;
    sequel = agent_sequel(&past, AGENT_RATE_LIMITED, true);
    assert_int_equal(sequel.remedy, AGENT_FAILS);
    assert_int_equal(sequel.cause, CAUSE_RATE_LIMITED);
    assert_int_equal(sequel.yields_ms, 61 * 1000);
    past.yields = false;
    assert_int_equal(agent_sequel(&past, AGENT_RATE_LIMITED, true).remedy, AGENT_RETRIES);

    /* A minute has passed already, or half of one twice. */
    past = (struct agent_past){
        .before = BYTES("provider_error"), .tries = 1, .attempts = 2, .yields = true};
    assert_int_equal(agent_sequel(&past, AGENT_PROVIDER_ERROR, true).yields_ms, 120 * 1000);
    past.named_ms = 30 * 1000;
    assert_int_equal(agent_sequel(&past, AGENT_PROVIDER_ERROR, true).remedy, AGENT_RETRIES);
    past.tries = 2;
    assert_int_equal(agent_sequel(&past, AGENT_PROVIDER_ERROR, true).yields_ms, 30 * 1000);

    /* No provider has refused. */
    past = (struct agent_past){
        .before = BYTES("session_busy"), .tries = 1, .attempts = 2, .yields = true};
    assert_int_equal(agent_sequel(&past, AGENT_SESSION_BUSY, true).remedy, AGENT_RETRIES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts_in_a_row_are_counted_and_progress_resets_the_count),
        cmocka_unit_test(a_turn_has_a_last_attempt_whatever_progress_it_makes),
        cmocka_unit_test(a_program_that_cannot_go_on_has_its_own_cause),
        cmocka_unit_test(each_recorded_ending_has_its_outcome),
        cmocka_unit_test(each_rule_decides_about_some_ending),
        cmocka_unit_test(each_outcome_has_a_name_a_cause_and_a_sentence),
        cmocka_unit_test(waits_double_up_to_a_quarter_of_an_hour),
        cmocka_unit_test(a_turn_that_yields_waits_for_a_minute_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
