/* runs.h: runs, jobs, their logs, the inbox, and the hold, over HTTP.
 *
 *   GET    /api/v1/runs                    list runs of every kind, newest first
 *   GET    /api/v1/runs/{id}               one of them
 *   GET    /api/v1/runs/{id}/spans         what it did, step by step
 *   GET    /api/v1/sessions/{id}/spans     the same of a session's turns
 *   POST   /api/v1/runs/{id}/stop          ask it, and all below it, to end
 *   DELETE /api/v1/runs/{id}               remove one that has ended
 *   POST   /api/v1/jobs                    start a command
 *   GET    /api/v1/jobs                    list jobs
 *   GET    /api/v1/jobs/{id}               one of them
 *   POST   /api/v1/jobs/{id}/input         send it input
 *   POST   /api/v1/jobs/{id}/abandon       give it up: its host is gone
 *   POST   /api/v1/jobs/{id}/resize        tell its terminal a new size
 *   GET    /api/v1/jobs/{id}/logs          a range of its output, or follow it (SSE)
 *   GET    /api/v1/jobs/{id}/logs/search   lines of its output that match a pattern
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
#include "api/base/request.h"
#include "base/base.h"
#include "dispatch/job/dispatch.h"
#include "engine/run/runs.h"
#include "engine/system/chores.h"
#include "http/http.h"
#include "http/server.h"
#include "journal/hub.h"
#include "loop/loop.h"
#include "proc/spool/spool.h"
#include "store/store.h"

struct runs_api {
    struct loop *loop;
    struct store *store;
    struct hub *hub;
    struct dispatch *dispatch;
    const struct failed_starts *starts; /* NULL: none are counted. */
    struct spool *spool;
    struct chores *chores;
    unsigned searches; /* Of logs, in the pool now; begins as 0. */
};

struct route_table runs_table(struct runs_api *api);
struct route_table jobs_table(struct runs_api *api);
struct route_table inbox_table(struct runs_api *api);
struct route_table budgets_table(struct runs_api *api);
struct route_table hosts_table(struct runs_api *api);
struct route_table hold_table(struct runs_api *api);

/* --- Shared inside api/ ---------------------------------------------------------------------- */

extern const struct one_kind runs__one;
static inline struct request_host runs__host(void *ctx) {
    const struct runs_api *api = ctx;
    return (struct request_host){.api = ctx, .loop = api->loop, .store = api->store};
}
/* Key of a request about a run. */
static inline struct run_key runs__key_of(const struct request *request) {
    return (struct run_key){.owner = request->key.owner, .run = request->key.id};
}
/* The run of the path, and whose it is; borrowed from the exchange. The answer was given when it
 * is false. `owner_at`: the position of `owner` in the route's query. */
MUST_CHECK bool runs__key(struct exchange *exchange, unsigned owner_at, struct run_key *ret_key);
/* ERR_NOT_FOUND, in words. */
struct err runs__absent(struct why *why);

void runs__list(struct exchange *exchange, void *ctx);
void runs__show(struct exchange *exchange, void *ctx);
void runs__spans(struct exchange *exchange, void *ctx);
enum {
    RUNS_SPANS_STATE = PAGE_OWN,
    RUNS_SPANS_KIND,
    RUNS_SPANS_Q,
    RUNS_SPANS_SINCE,
    RUNS_SPANS_MIN,
    RUNS_SPANS_TURN, /* Of a session only. */
};
void runs__session_spans(struct exchange *exchange, void *ctx);
void runs__stop(struct exchange *exchange, void *ctx);
void runs__remove(struct exchange *exchange, void *ctx);
extern const struct field_set jobs__input_fields, jobs__size_fields;
void jobs__submit(struct exchange *exchange, void *ctx);
void jobs__list(struct exchange *exchange, void *ctx);
void jobs__show(struct exchange *exchange, void *ctx);
void jobs__input(struct exchange *exchange, void *ctx);
void jobs__abandon(struct exchange *exchange, void *ctx);
void jobs__resize(struct exchange *exchange, void *ctx);
void jobs__logs(struct exchange *exchange, void *ctx);
void jobs__search(struct exchange *exchange, void *ctx);

/* Positions in the query tables, which stand beside the routes. */
enum {
    RUNS_LIST_STATE = PAGE_OWN,
    RUNS_LIST_LIVE,
    RUNS_LIST_PROJECT,
    RUNS_LIST_SESSION,
    RUNS_LIST_PARENT,
    RUNS_LIST_ROOT,
    RUNS_LIST_SINCE,
    RUNS_LIST_Q,
    RUNS_LIST_KIND, /* Of runs only. */
};
/* The rows of both tables but KIND. */
#define RUNS_LIST_QUERY(whose)                                                                     \
    [PAGE_AFTER] = PAGE_NUMBER_PARAM, PAGE_PARAMS, [PAGE_OWNER] = OP_OWNER_PARAM(whose),           \
    [RUNS_LIST_STATE] = {.name = "state",                                                          \
                         .about = "Only those in this state, or in one of several (a,b).",         \
                         .kind = QUERY_TEXT,                                                       \
                         .max = 100},                                                              \
    [RUNS_LIST_LIVE] = {.name = "live",                                                            \
                        .about = "Only those that have not ended.",                                \
                        .kind = QUERY_FLAG},                                                       \
    [RUNS_LIST_PROJECT] = {.name = "project",                                                      \
                           .about = "Only those of this project.",                                 \
                           .kind = QUERY_TEXT,                                                     \
                           .max = 256},                                                            \
    [RUNS_LIST_SESSION] = {.name = "session",                                                      \
                           .about = "Only those of this session: its turns, and all below them.",  \
                           .kind = QUERY_TEXT,                                                     \
                           .max = ID_SIZE},                                                        \
    [RUNS_LIST_PARENT] = {.name = "parent",                                                        \
                          .about = "Only those that this run has started.",                        \
                          .kind = QUERY_TEXT,                                                      \
                          .max = ID_SIZE},                                                         \
    [RUNS_LIST_ROOT] = {.name = "root",                                                            \
                        .about = "Only those below this run, which stands at the top.",            \
                        .kind = QUERY_TEXT,                                                        \
                        .max = ID_SIZE},                                                           \
    [RUNS_LIST_SINCE] = {.name = "since",                                                          \
                         .about = "Only those submitted at this time or later; milliseconds.",     \
                         .kind = QUERY_INT,                                                        \
                         .min = 0,                                                                 \
                         .max = INT64_C(1) << 53},                                                 \
    [RUNS_LIST_Q] = {.name = "q",                                                                  \
                     .about = "Only those whose label, command or id contains this text.",         \
                     .kind = QUERY_TEXT,                                                           \
                     .max = RUN_SEARCH_MAX}
enum { RUN_OWNER };
/* And of jobs__abandon. */
enum { ABANDON_FORCE = RUN_OWNER + 1 };
enum { LOGS_OWNER, LOGS_STREAM, LOGS_ATTEMPT, LOGS_OFFSET, LOGS_AFTER, LOGS_LIMIT, LOGS_ENCODING };
enum { SEARCH_PATTERN = LOGS_OFFSET, SEARCH_LIMIT, SEARCH_CONTEXT };

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
    { .fields = &run_fields, .use = FIELD_LISTED }
#define RUN_WHOLE_ANSWER                                                                           \
    { .fields = &run_fields, .use = FIELD_LISTED | FIELD_WHOLE }
#define RUN_LIST_ANSWER                                                                            \
    { .fields = &run_fields, .use = FIELD_LISTED, .page = true }

#endif
