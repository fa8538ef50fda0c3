/* runs.h: runs, jobs, their logs, the inbox, and the hold, over HTTP.
 *
 *   GET    /api/v1/runs                    list runs of every kind, newest first
 *   GET    /api/v1/runs/{id}               one of them
 *   GET    /api/v1/runs/{id}/spans         what it did, step by step
 *   GET    /api/v1/sessions/{id}/spans     the same of a session's turns
 *   POST   /api/v1/runs/{id}/stop          ask it, and all below it, to end
 *   DELETE /api/v1/runs/{id}               remove one that has ended
 *   POST   /api/v1/runs/bulk               stop, remove or mark as seen several of them
 *   POST   /api/v1/jobs                    start a command
 *   GET    /api/v1/jobs                    list jobs
 *   GET    /api/v1/jobs/{id}               one of them
 *   POST   /api/v1/jobs/{id}/input         send it input
 *   POST   /api/v1/jobs/{id}/abandon       give it up: its host is gone
 *   POST   /api/v1/jobs/{id}/resize        tell its terminal a new size
 *   GET    /api/v1/jobs/{id}/logs          a range of its output, or follow it (SSE)
 *   GET    /api/v1/jobs/{id}/logs/search   lines of its output that match a pattern
 *   POST   /api/v1/terminals               make a terminal, and start it
 *   POST   /api/v1/terminals/{id}/restart  start it again
 *   DELETE /api/v1/terminals/{id}          close it
 *   GET    /api/v1/hosts                   the hosts that share the database
 *   DELETE /api/v1/hosts?host=             give up one that is gone, with its jobs
 *   GET    /api/v1/inbox                   what is owed to whoever waits for a result
 *   GET    /api/v1/inbox/{id}              one delivery
 *   POST   /api/v1/inbox/{id}/retry        try it now
 *   POST   /api/v1/inbox/{id}/drop         take it off the list
 *   GET    /api/v1/budgets                 what may be spent, and what was
 *   GET    /api/v1/budgets/{scope}         one budget
 *   PATCH  /api/v1/budgets/{scope}         set its limits
 *   DELETE /api/v1/budgets/{scope}         remove it
 *   GET    /api/v1/system/hold             whether nothing begins, and what waits for that
 *   POST   /api/v1/system/release          let it begin
 *
 * Ownership  everything in struct runs_api is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_RUN_RUNS_H
#define DROVER_API_RUN_RUNS_H

#include "api/base/page.h"
#include "api/base/resource.h"
#include "base/base.h"
#include "dispatch/job/dispatch.h"
#include "engine/run/runs.h"
#include "engine/system/chores.h"
#include "http/http.h"
#include "http/server.h"
#include "journal/hub.h"
#include "loop/loop.h"
#include "proc/spool/spool.h"
#include "rules/job/job.h"
#include "store/store.h"

struct runs_api {
    struct request_host host; /* First. */
    struct hub *hub;
    const struct failed_starts *starts; /* NULL: none are counted. */
    struct spool *spool;
    struct chores *chores;
    unsigned searches; /* Of logs, in the pool now; begins as 0. */
};

extern const struct route runs_routes[], jobs_routes[], inbox_routes[], budgets_routes[],
    hosts_routes[], hold_routes[], terminals_routes[];
extern const struct resource_handlers delivery_handlers, host_handlers, terminal_handlers;

/* --- Shared inside api/ ---------------------------------------------------------------------- */

extern const struct one_kind runs__one;
/* Key of a request about a run. */
static inline struct run_key runs__key_of(const struct request *request) {
    return (struct run_key){.owner = request->key.owner, .run = request->key.id};
}
/* The run that the request is about, as answers show it. ERR_NOT_FOUND, in words. */
MUST_CHECK struct err request_run(struct tx *tx, struct request *request, struct run_row *ret_row);
/* The same; approvers whom a question of the run names find it, too. */
MUST_CHECK struct err request_run_seen(struct tx *tx, struct request *request,
                                       struct run_row *ret_row);
/* The same as the rules see it: a damaged row is an error. */
MUST_CHECK struct err request_run_whole(struct tx *tx, struct request *request,
                                        struct run_row *ret_row);
/* ERR_NOT_FOUND, in words. */
MUST_CHECK struct err runs__absent(struct bytes id, struct why *why);

extern const struct request_kind jobs__show, jobs__abandon;
extern const struct page_kind jobs__list, runs__spans, runs__session_spans;
extern const struct request_kind runs__span_text;
/* change.c */
extern const struct request_kind runs__stop, runs__remove, runs__bulk;
extern const struct field_set runs__stop_fields, runs__bulk_fields;

/* The rows of the query of both lists. */
#define RUNS_LIST_QUERY(whose)                                                                     \
    PAGE_PARAMS(PAGE_NUMBER), OP_OWNER_PARAM(whose),                                               \
        {QUERY("state", QUERY_TEXT, "Only those in this state, or in one of several (a,b)."),      \
         .max = 100, .words = PAGE_RUN_STATES},                                                    \
        {QUERY("live", QUERY_FLAG, "Only those that have not ended.")},                            \
        {QUERY("top", QUERY_FLAG, "Only those that no other run has started.")},                   \
        {QUERY("project", QUERY_TEXT, "Only those of this project."), .max = 256},                 \
        {QUERY("session", QUERY_TEXT,                                                              \
               "Only those of this session: its turns, and all below them."),                      \
         .max = ID_SIZE},                                                                          \
        {QUERY("parent", QUERY_TEXT, "Only those that this run has started."), .max = ID_SIZE},    \
        {QUERY("root", QUERY_TEXT, "Only those below this run, which stands at the top."),         \
         .max = ID_SIZE},                                                                          \
        {QUERY("agent", QUERY_TEXT,                                                                \
               "Only those of this agent: its turns, their processes, and steps of workflows."),   \
         .max = PAGE_WORD_MAX},                                                                    \
        PAGE_SINCE_PARAM("submitted"), {                                                           \
        QUERY("q", QUERY_TEXT, "Only those whose label, command or id contains this text."),       \
            .max = RUN_SEARCH_MAX                                                                  \
    }
enum {
    LOGS_LIMIT_DEFAULT = 64 << 10,
    LOGS_LIMIT_MAX = 1 << 20,
    LOGS_ATTEMPT_MAX = 1 << 30,
    LOGS_AFTER_MAX = 40,      /* Two numbers and a point. */
    SEARCH_PATTERN_MAX = 200, /* Characters, */
    SEARCH_PATTERN_BYTES = 4 * SEARCH_PATTERN_MAX,
    SEARCH_LIMIT_DEFAULT = 50,
    SEARCH_LIMIT_MAX = 500,
    SEARCH_CONTEXT_MAX = 50,
    SEARCHES_MAX = 2, /* At once; they would take the whole pool otherwise. */
    RUN_GRACE_MS_MAX = 10 * 60 * 1000,
    TERMINAL_SIDE_MAX = 1000, /* Rows or columns. */
};

#define LOGS_OFFSET_MAX (INT64_C(1) << 53) /* What every JSON client can count to. */

/* A run in openapi.json, for answers that hold one: a row of lists, all of it, and a list. */
#define RUN_LIGHT_ANSWER                                                                           \
    { .fields = &run_fields, .use = FIELD_LISTED, .more = &job_fields }
#define RUN_WHOLE_ANSWER                                                                           \
    { .fields = &run_fields, .use = FIELD_LISTED | FIELD_WHOLE, .more = &job_fields }
#define RUN_LIST_ANSWER                                                                            \
    { .fields = &run_fields, .use = FIELD_LISTED, .more = &job_fields, .page = true }

#endif
