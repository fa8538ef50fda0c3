/* runs.c: the routes of runs of every kind, in one table. */
#include "api/run/runs.h"

#include "api/base/one.h"

const struct one_kind runs__one = {.prefix = "run", .absent = "there is no run with that id"};

struct err runs__absent(struct why *why) {
    return one_absent(&runs__one, why);
}

bool runs__key(struct exchange *exchange, unsigned owner_at, struct run_key *ret_key) {
    struct one_key key;
    if (!one_read(exchange, &runs__one, owner_at, &key)) {
        return false;
    }
    *ret_key = (struct run_key){.owner = key.owner, .run = key.id};
    return true;
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    RUNS_LIST_QUERY("Another owner's runs"),
    [RUNS_LIST_KIND] = {.name = "kind",
                        .about = "Only those of this kind.",
                        .kind = QUERY_TEXT,
                        .max = 20},
    {.name = NULL},
};

static const struct query_param one_query[] = {
    [RUN_OWNER] = OP_OWNER_PARAM("Another owner's run"),
    {.name = NULL},
};

#define SPANS_FILTERS                                                                              \
    [RUNS_SPANS_STATE] = PAGE_STATE_PARAM,                                                         \
    [RUNS_SPANS_KIND] = PAGE_WORD_PARAM("kind", "Only those of this kind, or of several (a,b)."),  \
    [RUNS_SPANS_Q] = PAGE_Q_PARAM("name or error"),                                                \
    [RUNS_SPANS_SINCE] = PAGE_SINCE_PARAM("started"),                                              \
    [RUNS_SPANS_MIN] = {.name = "min_ms",                                                          \
                        .about = "Only those that ended and took as long, or longer.",             \
                        .kind = QUERY_INT,                                                         \
                        .min = 0,                                                                  \
                        .max = INT64_C(1) << 53}

static const struct query_param spans_query[] = {
    [PAGE_AFTER] = PAGE_AFTER_PARAM(40),
    PAGE_PARAMS,
    [PAGE_OWNER] = OP_OWNER_PARAM("Another owner's run"),
    SPANS_FILTERS,
    {.name = NULL},
};

static const struct query_param session_spans_query[] = {
    [PAGE_AFTER] = PAGE_AFTER_PARAM(60),
    PAGE_PARAMS,
    [PAGE_OWNER] = OP_OWNER_PARAM("Another owner's session"),
    SPANS_FILTERS,
    [RUNS_SPANS_TURN] = {.name = "turn",
                         .about = "The number of a turn; absent: all of them.",
                         .kind = QUERY_INT,
                         .min = 1,
                         .max = INT64_MAX},
    {.name = NULL},
};

#define MAYBE_INT "{\"type\":[\"integer\",\"null\"]}"
#define MAYBE_TEXT "{\"type\":[\"string\",\"null\"]}"
#define SPAN_SCHEMA                                                                                \
    "{\"type\":\"object\",\"required\":[\"attempt\",\"step\",\"kind\",\"state\"],\"properties\":{" \
    "\"turn\":{\"type\":\"integer\"},\"run\":{\"type\":\"string\"},\"message\":"                   \
    "{\"type\":\"string\"},\"prompt\":{\"type\":[\"object\",\"null\"]},"                           \
    "\"attempt\":{\"type\":\"integer\"},\"step\":{\"type\":\"integer\"},\"kind\":{\"enum\":["      \
    "\"process\",\"model\",\"tool\",\"review\",\"compaction\"]},\"name\":{\"type\":\"string\"},"   \
    "\"state\":{\"enum\":["                                                                        \
    "\"running\",\"succeeded\",\"degraded\",\"failed\",\"cancelled\",\"timed_out\",\"lost\"]},"    \
    "\"cause\":" MAYBE_TEXT ",\"error\":" MAYBE_TEXT ",\"started_ms\":{\"type\":\"integer\"},"     \
    "\"ended_ms\":" MAYBE_INT ",\"tokens\":{\"type\":[\"object\",\"null\"],\"properties\":{"       \
    "\"fresh\":" MAYBE_INT ",\"cache_read\":" MAYBE_INT ",\"cache_write\":" MAYBE_INT              \
    ",\"output\":" MAYBE_INT ",\"reasoning\":" MAYBE_INT "}},\"cost_micros\":" MAYBE_INT           \
    ",\"estimated\":{\"type\":\"boolean\"},\"tries\":{\"type\":\"integer\"},"                      \
    "\"exit_code\":" MAYBE_INT ",\"cpu_us\":" MAYBE_INT ",\"memory_kb\":" MAYBE_INT                \
    ",\"disk_bytes\":{\"type\":\"integer\"},\"input\":" MAYBE_TEXT ",\"output\":" MAYBE_TEXT "}}"

static const char spans_answer[] = PAGE_SCHEMA(SPAN_SCHEMA);

static const char stop_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"grace_ms\":"
    "{\"type\":\"integer\",\"minimum\":0,\"maximum\":600000,\"default\":5000}}}";

static const char remove_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"removed_ms\"],\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"removed_ms\":{\"type\":\"integer\"}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/runs",
     .summary = "List runs of every kind, newest first",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer = RUN_LIST_ANSWER,
     .answer_status = 200,
     .handle = runs__list},
    {.method = "GET",
     .path = "/api/v1/runs/{id}",
     .summary = "Show a run",
     .scope = SCOPE_READ,
     .query = one_query,
     .answer = RUN_WHOLE_ANSWER,
     .answer_status = 200,
     .handle = runs__show},
    {.method = "GET",
     .path = "/api/v1/runs/{id}/spans",
     .summary = "List what a run did, step by step",
     .scope = SCOPE_READ,
     .query = spans_query,
     .answer_schema = spans_answer,
     .answer_status = 200,
     .handle = runs__spans},
    {.method = "GET",
     .path = "/api/v1/sessions/{id}/spans",
     .summary = "List what the turns of a session did, step by step",
     .scope = SCOPE_READ,
     .query = session_spans_query,
     .answer_schema = spans_answer,
     .answer_status = 200,
     .handle = runs__session_spans},
    {.method = "POST",
     .path = "/api/v1/runs/{id}/stop",
     .summary = "Ask a run, and all below it, to end",
     .scope = SCOPE_RUN,
     .query = one_query,
     .has_body = true,
     .body_optional = true,
     .body_schema = stop_body,
     .answer = RUN_LIGHT_ANSWER,
     .answer_status = 200,
     .handle = runs__stop},
    {.method = "DELETE",
     .path = "/api/v1/runs/{id}",
     .summary = "Remove a run that has ended, with its log",
     .scope = SCOPE_RUN,
     .query = one_query,
     .answer_schema = remove_answer,
     .answer_status = 200,
     .handle = runs__remove},
};

struct route_table runs_table(struct runs_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
