/* classify.c: see classify.h. */
#include "rules/agent/classify.h"

/* --- Words ------------------------------------------------------------------------------------ */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_token(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

static char lowered(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Length of a colour of terminals at that place, such as "\033[91m"; 0: there is none. Some
 * programs print colours to pipes, too. */
static size_t colour_len(struct bytes text, size_t at) {
    size_t end = at + 2;
    if (end > text.len || text.data[at] != '\033' || text.data[at + 1] != '[') {
        return 0;
    }
    while (end < text.len && (text.data[end] == ';' || is_digit(text.data[end]))) {
        end++;
    }
    return (end < text.len ? end + 1 : end) - at;
}

/* Removes the next token from the text and returns it; empty at the end. */
static struct bytes token_next(struct bytes *rest) {
    size_t from = 0, end;
    if (rest->len == 0) {
        return BYTES("");
    }
    while (from < rest->len && !is_token(rest->data[from])) {
        const size_t colour = colour_len(*rest, from);
        from += colour > 0 ? colour : 1;
    }
    for (end = from; end < rest->len && is_token(rest->data[end]);) {
        end++;
    }
    const struct bytes token = {rest->data + from, end - from};
    *rest = (struct bytes){rest->data + end, rest->len - end};
    return token;
}

static bool token_same(struct bytes token, struct bytes word) {
    bool same = token.len == word.len;
    for (size_t i = 0; same && i < token.len; i++) {
        same = lowered(token.data[i]) == lowered(word.data[i]);
    }
    return same;
}

/* The character that joins the token to its neighbour on that side; 0: none. */
static char join_at(struct bytes text, size_t join, size_t beyond) {
    static const char joins[] = "-._/:#";
    const bool joined = join < text.len && beyond < text.len && is_token(text.data[beyond]) &&
                        memchr(joins, text.data[join], sizeof joins - 1) != NULL;
    return joined ? text.data[join] : '\0';
}

/* Whether both sides of a join are one name, or one number. */
static bool join_is_tight(char join) {
    return join != '\0' && join != '/' && join != ':';
}

/* The name that ends before the join: "status_code" of "status_code:429". */
static struct bytes name_before(struct bytes text, size_t join) {
    size_t from = join;
    while (from > 0 && (is_token(text.data[from - 1]) || text.data[from - 1] == '_' ||
                        text.data[from - 1] == '-')) {
        from--;
    }
    return (struct bytes){text.data + from, join - from};
}

/* Whether a name is the end of a path, or of the name of a file. */
static bool name_is_tail(struct bytes text, struct bytes name) {
    return name.data > text.data && memchr("./\\", name.data[-1], 3) != NULL;
}

/* "status:401" and "HTTP/401" label a number. A path, a line of a file, a time or a port do not:
 * /usr/lib/429, cli.js:403:15, Makefile:500: x, 10:15:500. */
static bool number_labelled(struct bytes text, size_t join) {
    const struct bytes name = name_before(text, join);
    bool digits = true;
    for (size_t i = 0; i < name.len; i++) {
        digits = digits && is_digit(name.data[i]);
    }
    return !digits && !name_is_tail(text, name) &&
           (text.data[join] == ':' || token_same(name, BYTES("http")));
}

/* False for a token inside a name, a path or a number: package-lock.json, /run/lock/x, 1.500. */
static bool token_alone(struct bytes text, struct bytes token) {
    const size_t at = (size_t)(token.data - text.data), end = at + token.len;
    const char before = at > 1 ? join_at(text, at - 1, at - 2) : '\0';
    const char after = join_at(text, end, end + 1);
    const bool root = before == '\0' && at > 0 && text.data[at - 1] == '/';
    if (root || join_is_tight(before) || join_is_tight(after)) {
        return false;
    }
    if (!is_digit(token.data[0])) {
        return before != '/' || (after != '/' && !name_is_tail(text, name_before(text, at - 1)));
    }
    const bool line = before == ':' && end < text.len && text.data[end] == ':';
    return (before == '\0' || number_labelled(text, at - 1)) && !line && after != '/' &&
           !(after == ':' && is_digit(text.data[end + 1]));
}

/* Whether a unit follows a number: "500 ms" is no status. */
static bool is_amount(struct bytes following) {
    static const char *const units[] = {"ms",    "s",        "seconds", "minutes", "bytes",
                                        "kb",    "mb",       "tokens",  "times",   "lines",
                                        "files", "requests", NULL};
    const struct bytes unit = token_next(&following);
    for (size_t i = 0; units[i] != NULL; i++) {
        if (token_same(unit, bytes_of(units[i]))) {
            return true;
        }
    }
    return false;
}

/* Words about a disk ("quota exceeded", "busy") say nothing about a provider or a session. */
bool agent_words_in(struct bytes text, const char *words) {
    struct bytes more = bytes_of(words);
    const struct bytes first = token_next(&more);
    const bool single = token_next(&more).len == 0;
    const bool number = single && is_digit(first.data[0]);
    struct bytes before = BYTES("");
    for (struct bytes rest = text, token; (token = token_next(&rest)).len > 0; before = token) {
        struct bytes following = {token.data, (size_t)(text.data + text.len - token.data)};
        struct bytes wanted = bytes_of(words), word;
        bool fits = (!single || token_alone(text, token)) && !token_same(before, BYTES("disk"));
        while (fits && (word = token_next(&wanted)).len > 0) {
            fits = token_same(token_next(&following), word);
        }
        if (fits && !(number && is_amount(following))) {
            return true;
        }
    }
    return false;
}

static bool any_in(struct bytes text, const char *const *phrases) {
    for (size_t i = 0; phrases[i] != NULL; i++) {
        if (agent_words_in(text, phrases[i])) {
            return true;
        }
    }
    return false;
}

static const char *const too_long[] = {"prompt too long",
                                       "prompt is too long",
                                       "context length exceeded",
                                       "context overflow",
                                       "contextoverflowerror",
                                       "ran out of room in the model s context window", /* Codex */
                                       NULL};
static const char *const compaction[] = {"compaction",         "compaction diag",
                                         "timeout compaction", "prompt is too long",
                                         "context overflow",   NULL};
static const char *const busy[] = {"lock",
                                   "locked",
                                   "busy",
                                   "concurrent",
                                   "lane task error",
                                   "already in use",
                                   "already has an active writer",
                                   NULL};
static const char *const denied[] = {"401",
                                     "403",
                                     "unauthorized",
                                     "forbidden",
                                     "not logged in",
                                     "invalid api key",
                                     "authentication failed",
                                     "authentication error",
                                     "please run login",
                                     "missing environment variable",
                                     NULL};
static const char *const unreachable[] = {"econnrefused",
                                          "etimedout",
                                          "econnreset",
                                          "enotfound",
                                          "gateway closed",
                                          "gateway not reachable",
                                          "connection refused",
                                          "unable to connect",
                                          "connection error",
                                          "network error",
                                          "error sending request",
                                          "eai again",
                                          NULL};
static const char *const limited[] = {"429",
                                      "rate limit",
                                      "rate limited",
                                      "ratelimitexceeded",
                                      "too many requests",
                                      "usage limit",
                                      "insufficient quota",
                                      "quota exceeded",
                                      NULL};
static const char *const spent[] = {"credit balance is too low", "insufficient credit",
                                    "insufficient credits", "exceeded your current quota", NULL};
static const char *const broken[] = {"500",
                                     "502",
                                     "503",
                                     "529",
                                     "overloaded",
                                     "experiencing high demand", /* Codex, of a 500. */
                                     "api error",
                                     "internal server error",
                                     "server error",
                                     "stream disconnected before completion",
                                     "stream ended without finish reason", /* Pi */
                                     NULL};

/* --- Rules ------------------------------------------------------------------------------------ */

/* Text that is searched for the words of a rule. */
enum where {
    NOWHERE,
    IN_KIND,   /* The program's own word for the failure. */
    IN_RESULT, /* The word, and the program's sentence. */
    IN_STDERR,
};
/* Conditions of a rule; all of them must hold. */
enum when {
    NOT_STARTED = 1 << 0,
    VANISHED = 1 << 1,
    EXIT_0 = 1 << 2,
    EXIT_NOT_0 = 1 << 3,
    SIGNALED = 1 << 4,
    GOOD_RESULT = 1 << 10, /* There is one, with an answer, and no task that knows better. */
    NO_RESULT = 1 << 11,
    NOT_BAD = 1 << 12,   /* None, or a good one. */
    BAD_RESULT = 1 << 5, /* There is one, and it says that it failed. */
    TASK_FAILED = 1 << 6,
    DONE = 1 << 7,     /* The task has ended. */
    EMBEDDED = 1 << 8, /* The answer came without the gateway. */
    SILENT = 1 << 9,   /* A good result without an answer, and no task. */
    UNREAD = 1 << 13,  /* The program has ended by itself, and some of its output was not read. */
};

/* Rows by what a bad result says, in this place; by its HTTP status, from and below; by stderr. */
#define SAYS(name_, where_, words_, outcome_)                                                      \
    .name = (name_), .when = BAD_RESULT, .where = (where_), .words = (words_), .outcome = (outcome_)
#define STATUS(name_, from_, below_, outcome_)                                                     \
    .name = (name_), .when = BAD_RESULT, .status = (from_), .status_end = (below_),                \
    .outcome = (outcome_)
#define COMPLAINS(name_, when_, outcome_)                                                          \
    .name = (name_), .when = (when_), .where = IN_STDERR, .outcome = (outcome_)

static const struct rule {
    const char *name;
    unsigned when;
    enum agent_ender ender; /* AGENT_ITSELF: for every end. */
    int status, status_end; /* HTTP status from, and below; 0: any. */
    enum where where;
    const char *const *words;
    enum agent_outcome outcome;
} rules[] = {
    {.name = "not-started", .when = NOT_STARTED, .outcome = AGENT_SPAWN_FAILED},
    {.name = "task-failed", .when = TASK_FAILED, .outcome = AGENT_FAILED},
    {.name = "said-so", .when = GOOD_RESULT, .outcome = AGENT_COMPLETED},
    {.name = "deadline", .ender = AGENT_DEADLINE, .outcome = AGENT_TIMED_OUT},
    {.name = "compacting", .ender = AGENT_COMPACTING, .outcome = AGENT_COMPACTION_HANGING},
    {.name = "gone", .ender = AGENT_GONE, .outcome = AGENT_STUCK},
    {.name = "no-progress", .ender = AGENT_NO_PROGRESS, .outcome = AGENT_TIMED_OUT},
    {.name = "over-limit", .ender = AGENT_OVER_LIMIT, .outcome = AGENT_KILLED},
    {.name = "stopped", .ender = AGENT_STOPPED, .outcome = AGENT_KILLED},
    {.name = "embedded", .when = EXIT_0 | EMBEDDED, .outcome = AGENT_FALLBACK_USED},
    {.name = "no-answer", .when = EXIT_0 | SILENT, .outcome = AGENT_NO_RESULT},
    {.name = "done", .when = EXIT_0 | DONE, .outcome = AGENT_COMPLETED},
    {SAYS("kind-too-long", IN_KIND, too_long, AGENT_CONTEXT_OVERFLOW)},
    {STATUS("status-401", 401, 402, AGENT_AUTH_FAILED)},
    {STATUS("status-403", 403, 404, AGENT_AUTH_FAILED)},
    {STATUS("status-402", 402, 403, AGENT_QUOTA)},
    {SAYS("result-spent", IN_RESULT, spent, AGENT_QUOTA)},
    {STATUS("status-408", 408, 409, AGENT_PROVIDER_ERROR)},
    {STATUS("status-429", 429, 430, AGENT_RATE_LIMITED)},
    {STATUS("status-5xx", 500, 600, AGENT_PROVIDER_ERROR)},
    {SAYS("result-too-long", IN_RESULT, too_long, AGENT_CONTEXT_OVERFLOW)},
    /* Refusals for good, whatever the words beside the number: Claude Code writes "API Error"
     * before every refusal. */
    {STATUS("status-4xx", 400, 500, AGENT_FAILED)},
    {SAYS("result-denied", IN_RESULT, denied, AGENT_AUTH_FAILED)},
    {SAYS("result-unreachable", IN_RESULT, unreachable, AGENT_PROVIDER_UNREACHABLE)},
    {SAYS("result-limited", IN_RESULT, limited, AGENT_RATE_LIMITED)},
    {SAYS("result-broken", IN_RESULT, broken, AGENT_PROVIDER_ERROR)},
    {SAYS("result-busy", IN_RESULT, busy, AGENT_SESSION_BUSY)},
    {SAYS("result-compaction", IN_RESULT, compaction, AGENT_CONTEXT_OVERFLOW)},
    {.name = "vanished", .when = VANISHED | NO_RESULT, .outcome = AGENT_UNKNOWN},
    {.name = "unread", .when = UNREAD | NO_RESULT, .outcome = AGENT_UNKNOWN},
    {COMPLAINS("exit-0-busy", EXIT_0 | NO_RESULT, AGENT_SESSION_BUSY)},
    {COMPLAINS("exit-0-too-long", EXIT_0 | NO_RESULT, AGENT_CONTEXT_OVERFLOW)},
    {COMPLAINS("exit-0-limited", EXIT_0 | NO_RESULT, AGENT_RATE_LIMITED)},
    {COMPLAINS("exit-0-broken", EXIT_0 | NO_RESULT, AGENT_PROVIDER_ERROR)},
    {.name = "exit-0", .when = EXIT_0 | NOT_BAD, .outcome = AGENT_GATEWAY_TIMEOUT},
    {.name = "signal", .when = SIGNALED | NO_RESULT, .outcome = AGENT_KILLED},
    {COMPLAINS("stderr-denied", EXIT_NOT_0, AGENT_AUTH_FAILED)},
    {COMPLAINS("stderr-unreachable", EXIT_NOT_0, AGENT_PROVIDER_UNREACHABLE)},
    {COMPLAINS("stderr-limited", EXIT_NOT_0, AGENT_RATE_LIMITED)},
    {COMPLAINS("stderr-broken", EXIT_NOT_0, AGENT_PROVIDER_ERROR)},
    {COMPLAINS("stderr-too-long", EXIT_NOT_0, AGENT_CONTEXT_OVERFLOW)},
    {COMPLAINS("stderr-busy", EXIT_NOT_0, AGENT_SESSION_BUSY)},
    {.name = "result-bad", .when = BAD_RESULT, .outcome = AGENT_FAILED},
    {.name = "crashed", .outcome = AGENT_CRASHED},
};

const char *agent_rule_name(unsigned at) {
    return at < COUNT_OF(rules) ? rules[at].name : NULL;
}

static unsigned fact(bool holds, enum when which) {
    return holds ? (unsigned)which : 0;
}

static unsigned exit_facts(const struct agent_ending *ending) {
    const bool exited = ending->exit == AGENT_EXITED;
    return fact(ending->exit == AGENT_NOT_STARTED, NOT_STARTED) |
           fact(ending->exit == AGENT_VANISHED, VANISHED) |
           fact(ending->exit == AGENT_SIGNALED, SIGNALED) |
           fact(exited && ending->code == 0, EXIT_0) |
           fact(exited && ending->code != 0, EXIT_NOT_0);
}

static unsigned ending_facts(const struct agent_ending *ending) {
    const struct agent_result *result = &ending->result;
    const bool good = result->present && result->good;
    const bool task = ending->task != AGENT_NO_TASK;
    const bool embedded = bytes_is(result->transport, "embedded");
    return exit_facts(ending) | fact(result->present && !result->good, BAD_RESULT) |
           fact(!result->present, NO_RESULT) | fact(!result->present || result->good, NOT_BAD) |
           fact(good && result->said && !task && !embedded, GOOD_RESULT) |
           fact(ending->task == AGENT_TASK_FAILED, TASK_FAILED) |
           fact(task && ending->task != AGENT_TASK_OPEN, DONE) | fact(embedded, EMBEDDED) |
           fact(!task && good && !result->said, SILENT) |
           fact(ending->unread && ending->exit == AGENT_EXITED, UNREAD);
}

/* Words that the program is known to print there. Others are of whatever it ran: a hook, a tool. */
static bool stderr_says(const struct agent_ending *ending, enum agent_outcome outcome) {
    bool says = false;
    for (size_t i = 0; i < ending->stderr_count && !says; i++) {
        const struct agent_stderr *known = &ending->stderr_words[i];
        says = known->outcome == outcome && agent_words_in(ending->stderr_tail, known->words);
    }
    return says;
}

static bool words_fit(const struct rule *rule, const struct agent_ending *ending) {
    const struct agent_result *result = &ending->result;
    switch (rule->where) {
    case NOWHERE:
        break;
    case IN_KIND:
        return any_in(result->kind, rule->words);
    case IN_RESULT:
        return any_in(result->kind, rule->words) || any_in(result->text, rule->words);
    case IN_STDERR:
        return stderr_says(ending, rule->outcome);
    }
    return true;
}

static bool rule_fits(const struct rule *rule, const struct agent_ending *ending, unsigned facts) {
    const int64_t status = ending->result.status;
    return (facts & rule->when) == rule->when &&
           (rule->ender == AGENT_ITSELF || rule->ender == ending->ender) &&
           (rule->status == 0 || (status >= rule->status && status < rule->status_end)) &&
           words_fit(rule, ending);
}

struct agent_verdict agent_classify(const struct agent_ending *ending) {
    const unsigned facts = ending_facts(ending);
    size_t at = 0;
    while (!rule_fits(&rules[at], ending, facts)) { /* The last one always fits. */
        at++;
        assert(at < COUNT_OF(rules));
    }
    return (struct agent_verdict){.outcome = rules[at].outcome, .rule = rules[at].name};
}
