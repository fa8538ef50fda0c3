/* jobs.c: the routes of jobs and of their output, in one table. */
#include "api/run/runs.h"
#include "rules/job/job.h"

static const struct query_param list_query[] = {
    RUNS_LIST_QUERY("Another owner's jobs"),
    {.name = NULL},
};

#define OWNER_PARAM OP_OWNER_PARAM("Another owner's job")
#define OWNER_QUERY OP_OWNER_QUERY("Another owner's job")
#define STREAM_PARAM                                                                               \
    {                                                                                              \
        .name = "stream",                                                                          \
        .about = "out, err or pty; absent: pty if the job has a terminal, else out.",              \
        .kind = QUERY_TEXT, .max = 3                                                               \
    }
#define ATTEMPT_PARAM                                                                              \
    {                                                                                              \
        .name = "attempt", .about = "Which attempt; absent: the latest.", .kind = QUERY_INT,       \
        .min = 1, .max = LOGS_ATTEMPT_MAX, .absent = 1                                             \
    }

static const struct query_param abandon_query[] = {
    OWNER_PARAM,
    {.name = "force",
     .about = "Also where its host gave a sign of life just now.",
     .kind = QUERY_FLAG},
    {.name = NULL},
};

static const struct query_param logs_query[] = {
    OWNER_PARAM,
    STREAM_PARAM,
    ATTEMPT_PARAM,
    {.name = "offset",
     .about = "First byte, counted from the start; negative: from the end.",
     .kind = QUERY_INT,
     .min = -LOGS_OFFSET_MAX,
     .max = LOGS_OFFSET_MAX},
    {.name = "after",
     .about = "Instead of offset: the id of the last event that was received.",
     .kind = QUERY_TEXT,
     .max = LOGS_AFTER_MAX},
    {.name = "limit",
     .about = "Bytes at most; not when it is followed.",
     .kind = QUERY_INT,
     .min = 1,
     .max = LOGS_LIMIT_MAX,
     .absent = LOGS_LIMIT_DEFAULT},
    {.name = "encoding",
     .about = "base64: frames never hold text; only when it is followed.",
     .kind = QUERY_TEXT,
     .max = 10},
    {.name = NULL},
};

static const struct query_param search_query[] = {
    OWNER_PARAM,
    STREAM_PARAM,
    ATTEMPT_PARAM,
    {.name = "pattern",
     .about = "A regular expression of 1 to 200 characters, as Perl has them.",
     .kind = QUERY_TEXT,
     .required = true,
     .max = SEARCH_PATTERN_BYTES},
    {.name = "limit",
     .about = "Matching lines to show; all are counted.",
     .kind = QUERY_INT,
     .min = 1,
     .max = SEARCH_LIMIT_MAX,
     .absent = SEARCH_LIMIT_DEFAULT},
    {.name = "context",
     .about = "Lines to show before and after each.",
     .kind = QUERY_INT,
     .min = 0,
     .max = SEARCH_CONTEXT_MAX},
    {.name = NULL},
};

#define TEXT_SCHEMA "{\"type\":\"string\"}"
#define INT_SCHEMA "{\"type\":\"integer\"}"
#define TEXTS_SCHEMA "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"

static const char input_answer[] =
    "{\"type\":\"object\",\"required\":[\"offset\",\"next\"],\"properties\":{"
    "\"offset\":" INT_SCHEMA ",\"next\":" INT_SCHEMA "}}";

static const char logs_answer[] =
    "{\"type\":\"string\",\"format\":\"binary\",\"description\":\"The bytes; where they are and "
    "what follows is in the headers Drover-Offset, Drover-Next, Drover-Size, Drover-Dropped, "
    "Drover-Ended, Drover-Attempt and Drover-Stream\"}";

static const char search_answer[] =
    "{\"type\":\"object\",\"required\":[\"matches\",\"total\",\"truncated\"],\"properties\":{"
    "\"matches\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"line\":" INT_SCHEMA ",\"text\":" TEXT_SCHEMA ",\"before\":" TEXTS_SCHEMA
    ",\"after\":" TEXTS_SCHEMA "}}},\"total\":" INT_SCHEMA ",\"truncated\":{\"type\":\"boolean\"},"
    "\"dropped\":{\"type\":\"object\",\"properties\":{\"from\":" INT_SCHEMA ",\"to\":" INT_SCHEMA
    "}}}}";

static const struct route routes[] = {
    {.method = "POST",
     .path = "/api/v1/jobs",
     .summary = "Start a command; the answer means that it is on disk",
     .scope = SCOPE_RUN,
     .has_body = true,
     .idempotent_key = true,
     .body = {.fields = &job_fields, .use = FIELD_GIVEN},
     .answer = RUN_LIGHT_ANSWER,
     .answer_status = 201,
     .request = &jobs__submit},
    {.method = "GET",
     .path = "/api/v1/jobs",
     .summary = "List the jobs, newest first",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer = RUN_LIST_ANSWER,
     .page = &jobs__list},
    {.method = "GET",
     .path = "/api/v1/jobs/{id}",
     .summary = "Show a job",
     .scope = SCOPE_READ,
     .query = OWNER_QUERY,
     .answer = RUN_WHOLE_ANSWER,
     .request = &jobs__show},
    {.method = "POST",
     .path = "/api/v1/jobs/{id}/input",
     .summary = "Send a job input; the answer means that it is on disk",
     .scope = SCOPE_RUN,
     .query = OWNER_QUERY,
     .has_body = true,
     .idempotent_key = true,
     .body = {.fields = &jobs__input_fields, .use = FIELD_GIVEN},
     .answer_schema = input_answer,
     .request = &jobs__input},
    {.method = "POST",
     .path = "/api/v1/jobs/{id}/abandon",
     .summary = "Give up a job whose host is gone: it is lost",
     .scope = SCOPE_RUN,
     .query = abandon_query,
     .answer = RUN_LIGHT_ANSWER,
     .request = &jobs__abandon},
    {.method = "POST",
     .path = "/api/v1/jobs/{id}/resize",
     .summary = "Tell a job's terminal its new size",
     .scope = SCOPE_RUN,
     .query = OWNER_QUERY,
     .has_body = true,
     .body = {.fields = &jobs__size_fields, .use = FIELD_GIVEN},
     .answer = {.fields = &jobs__size_fields, .use = FIELD_LISTED},
     .request = &jobs__resize},
    {.method = "GET",
     .path = "/api/v1/jobs/{id}/logs",
     .summary = "Read a job's output; follows it with Accept: text/event-stream",
     .scope = SCOPE_READ,
     .query = logs_query,
     .answer_schema = logs_answer,
     .answer_media = "application/octet-stream",
     .stream_media = "text/event-stream",
     .handle = jobs__logs,
     .request = &jobs__range},
    {.method = "GET",
     .path = "/api/v1/jobs/{id}/logs/search",
     .summary = "Search a job's output for a pattern, line by line",
     .scope = SCOPE_READ,
     .query = search_query,
     .answer_schema = search_answer,
     .request = &jobs__search},
};

struct route_table jobs_table(struct runs_api *api) {
    return (struct route_table){
        .routes = routes, .count = COUNT_OF(routes), .ctx = api, .handle = runs__handle};
}
