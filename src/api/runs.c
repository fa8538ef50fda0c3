/* runs.c: the routes of runs of every kind, in one table. */
#include "api/runs.h"

#include <string.h>

#include "api/op.h"

struct err runs__absent(struct why *why) {
    why_set(why, "there is no run with that id");
    return err_make(ERR_NOT_FOUND, "runs: find");
}

bool runs__key(struct exchange *exchange, unsigned owner_at, struct run_key *ret_key) {
    struct why why = {.text = ""};
    struct run_key key = {.run = exchange_param(exchange, 0)};
    struct err err = op_owner(exchange, owner_at, &key.owner, &why);
    if (!err_failed(err) && !id_valid(key.run.data, key.run.len, "run")) {
        err = runs__absent(&why);
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return false;
    }
    *ret_key = key;
    return true;
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    [RUNS_LIST_AFTER] = {.name = "after",
                         .about = "Cursor: `next` of the page before.",
                         .kind = QUERY_TEXT,
                         .max = 20},
    [RUNS_LIST_LIMIT] = {.name = "limit",
                         .about = "Rows on a page.",
                         .kind = QUERY_INT,
                         .min = 1,
                         .max = OP_LIST_LIMIT_MAX,
                         .absent = OP_LIST_LIMIT},
    [RUNS_LIST_OWNER] = {.name = "owner",
                         .about = "Another owner's runs (scope admin).",
                         .kind = QUERY_TEXT,
                         .max = 64},
    [RUNS_LIST_STATE] = {.name = "state",
                         .about = "Only those in this state.",
                         .kind = QUERY_TEXT,
                         .max = 20},
    [RUNS_LIST_LIVE] = {.name = "live",
                        .about = "Only those that have not ended.",
                        .kind = QUERY_FLAG},
    [RUNS_LIST_KIND] = {.name = "kind",
                        .about = "Only those of this kind.",
                        .kind = QUERY_TEXT,
                        .max = 20},
    {.name = NULL},
};

static const struct query_param one_query[] = {
    [RUN_OWNER] = {.name = "owner",
                   .about = "Another owner's run (scope admin).",
                   .kind = QUERY_TEXT,
                   .max = 64},
    {.name = NULL},
};

static const char list_answer[] =
    "{\"type\":\"object\",\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":"
    "\"array\",\"items\":" RUN_LIGHT_SCHEMA "},\"next\":{\"type\":[\"string\",\"null\"]}}}";

static const char light_answer[] = RUN_LIGHT_SCHEMA;
static const char whole_answer[] = RUN_WHOLE_SCHEMA;

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
     .answer_schema = list_answer,
     .answer_status = 200,
     .handle = runs__list},
    {.method = "GET",
     .path = "/api/v1/runs/{id}",
     .summary = "Show a run",
     .scope = SCOPE_READ,
     .query = one_query,
     .answer_schema = whole_answer,
     .answer_status = 200,
     .handle = runs__show},
    {.method = "POST",
     .path = "/api/v1/runs/{id}/stop",
     .summary = "Ask a run, and all below it, to end",
     .scope = SCOPE_RUN,
     .query = one_query,
     .has_body = true,
     .body_optional = true,
     .body_schema = stop_body,
     .answer_schema = light_answer,
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
