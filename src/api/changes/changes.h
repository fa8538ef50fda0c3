/* changes.h: files that changed in a folder, with their authors, over HTTP.
 *
 *   GET  /api/v1/sessions/{id}/changes   files that changed, with their authors
 *   GET  /api/v1/sessions/{id}/diff      the same as a diff that `git apply` takes
 *   PUT  /api/v1/sessions/{id}/viewed    mark the content of a path as viewed, or not
 *   POST /api/v1/sessions/{id}/rewind    take back what the session did (rewind.c)
 *   GET  /api/v1/sessions/{id}/blame     who wrote each line of a file (blame.c)
 *   GET  /api/v1/runs/{id}/changes, …    the same of a run and of all runs below it
 *   GET  /api/v1/projects/{project}/tasks/{task}/changes, …/diff   of its last attempt (api/board)
 *
 * The rows say between which trees the changes lie, and who had a call open; drover-changes
 * compares the trees, in the pool, after the transaction.
 *
 * Ownership  everything in struct changes_api is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_CHANGES_CHANGES_H
#define DROVER_API_CHANGES_CHANGES_H

#include "api/base/request.h"
#include "base/json/json.h"
#include "dispatch/changes/points.h"
#include "engine/changes/points.h"

struct changes_api {
    struct request_host host; /* First. */
    struct points *points;
    struct rewinds *rewinds;
};
extern const struct route blame_routes[], changes_routes[], rewind_routes[];

/* --- For resources whose changes are those of a session --------------------------------------- */

struct changes_op {
    struct request request;
    struct changes_span span; /* Owned. */
    struct changes_question question;
};
/* Steps of a request: its `start`, which reads the query; its `after`, a list or a diff, from the
 * span that `work` has found; and its `end`. */
MUST_CHECK struct err changes__list_start(void *changes_op);
MUST_CHECK struct err changes__list(void *changes_op);
MUST_CHECK struct err changes__diff_start(void *changes_op);
MUST_CHECK struct err changes__diff(void *changes_op);
void changes__end(void *changes_op, struct err result);

/* --- For orders about a span ------------------------------------------------------------------ */

enum {
    CHANGES_PATH_MAX = 8192, /* Bytes of a path. */
    CHANGES_BASE_MAX = 64,
    CHANGES_ORDER_BYTES = 8 << 20,
    CHANGES_ANSWER_BYTES = 12 << 20,
    CHANGES_COMPARE_MS = 60 * 1000,
};
MUST_CHECK struct err changes__path_start(void *changes_op);          /* `start` with a path. */
MUST_CHECK struct err changes__work(struct tx *tx, void *changes_op); /* Finds the span. */
MUST_CHECK struct err changes__git_need(struct changes_op *op);
/* "{" and the members that each order has, with the trees of the span. */
void changes__order_begin(const struct changes_op *op, const char *what, struct text *order);
extern const struct one_kind changes__run;
#define CHANGES_BASE_PARAM                                                                         \
    {                                                                                              \
        QUERY("base", QUERY_TEXT,                                                                  \
              "Where the changes begin: start (default), turn:N, the begin of that turn, or "      \
              "point:ID."),                                                                        \
            .max = CHANGES_BASE_MAX                                                                \
    }
#define CHANGES_PERSON_SCHEMA                                                                      \
    "{\"type\":\"object\",\"required\":[\"kind\",\"session\",\"run\",\"agent\",\"name\"],"         \
    "\"properties\":{\"kind\":{\"type\":\"string\",\"enum\":[\"session\",\"run\",\"unknown\"]},"   \
    "\"session\":" TEXT_OR_NULL ",\"run\":" TEXT_OR_NULL ",\"agent\":" TEXT_OR_NULL                \
    ",\"name\":" TEXT_SCHEMA "}}"
extern const struct query_param changes__list_query[], changes__diff_query[];
extern const char changes__schema[];
/* ,"by":[…]: the authors of a set, as `people` of the span shows them. */
void changes__people_write(int64_t set, json_t *people, struct text *answer);
#define CHANGES_PERSON_SCHEMA                                                                      \
    "{\"type\":\"object\",\"required\":[\"kind\",\"session\",\"run\",\"agent\",\"name\"],"         \
    "\"properties\":{\"kind\":{\"type\":\"string\",\"enum\":[\"session\",\"run\",\"unknown\"]},"   \
    "\"session\":" TEXT_OR_NULL ",\"run\":" TEXT_OR_NULL ",\"agent\":" TEXT_OR_NULL                \
    ",\"name\":" TEXT_SCHEMA "}}"
#define CHANGES_DIFF_MEDIA "text/x-diff; charset=utf-8"

#endif
