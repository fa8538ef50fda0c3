/* runs.c: the list of runs, and one run. Jobs are the runs of one kind. change.c: what a client may
 * do to them. */
#include "api/run/runs.h"

#include <string.h>

#include "base/json/json.h"
#include "engine/approval/approvals.h"
#include "engine/job/spec.h"

const struct one_kind runs__one = {.prefix = "run", .noun = "run"};

struct err runs__absent(struct bytes id, struct why *why) {
    return one_absent(&runs__one, id, why);
}

struct err request_run(struct tx *tx, struct request *request, struct run_row *ret_row) {
    const struct run_key key = runs__key_of(request);
    bool found = false;
    struct err err = tx_run_find_shown(tx, &key, &found, ret_row);
    return found || err_failed(err) ? err : runs__absent(request->key.id, &request->op.why);
}

struct err request_run_seen(struct tx *tx, struct request *request, struct run_row *ret_row) {
    struct run_key key = runs__key_of(request);
    bool found = false;
    struct err err = tx_run_find_shown(tx, &key, &found, ret_row);
    if (!found && !err_failed(err)) {
        err = tx_approval_run_owner(tx, key.run, request->key.owner, &key.owner);
        err = err_failed(err) || key.owner.len == 0 ? err
                                                    : tx_run_find_shown(tx, &key, &found, ret_row);
    }
    return found || err_failed(err) ? err : runs__absent(request->key.id, &request->op.why);
}

struct err request_run_whole(struct tx *tx, struct request *request, struct run_row *ret_row) {
    const struct run_key key = runs__key_of(request);
    bool found = false;
    *ret_row = (struct run_row){0};
    struct err err = tx_run_find(tx, &key, &found, ret_row);
    return found || err_failed(err) ? err : runs__absent(request->key.id, &request->op.why);
}

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct run_page what; /* Filters; texts are borrowed from the exchange. */
    struct tx *tx;        /* Borrowed while the function runs. */
};

static struct err run_list_row(void *ctx, const struct run_row *row) {
    struct list_op *list = ctx;
    if (!page_add_number(&list->page, row->id)) {
        return ERR_OK;
    }
    struct run_row shown = *row;
    run_shown(&shown, tx_epoch(list->tx), list->what.hold);
    struct err err = tx_run_waits_mark(list->tx, &list->page.request.bounds, &shown);
    if (!err_failed(err)) {
        run_write_json(&shown, RUN_LIGHT, &list->page.request.op.answer);
    }
    return err;
}

static struct err run_list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct list_op *list = PAGE_OF(page, struct list_op);
    struct run_page what = list->what;
    int64_t next = 0;
    struct err err;
    list->tx = tx;
    what.before = part->from;
    if (page->now.state == PAGE_COUNTING) {
        what.limit = PAGE_TOTAL_MAX + 1;
        err = tx_run_count(tx, &what, &page->now.counted, &next);
    } else {
        what.limit = part->limit;
        err = tx_run_each(tx, &what, run_list_row, list, &next);
    }
    if (err.code == ERR_NOT_FOUND) {
        struct bytes named = what.parent.len > 0 ? what.parent : what.root;
        bool both = what.parent.len > 0 && what.root.len > 0;
        why_set(&page->request.op.why, "%s: there is no run '%.*s'",
                both                  ? "parent or root"
                : what.parent.len > 0 ? "parent"
                                      : "root",
                (int)named.len, named.data);
    }
    if (!err_failed(err) && next != 0) {
        page_looked_number(page, next);
    }
    return err;
}

static struct err run_list_read(void *ctx) {
    struct list_op *list = ctx;
    struct page *page = &list->page;
    struct run_page *what = &list->what;
    const struct exchange *exchange = page->request.op.exchange;
    struct bytes states = param_text(exchange, "state");
    *what = (struct run_page){.owner = page->request.key.owner,
                              .by_kind = what->by_kind,
                              .kind = what->kind,
                              .live = param_flag(exchange, "live"),
                              .top = param_flag(exchange, "top"),
                              .project = param_text(exchange, "project"),
                              .session = param_text(exchange, "session"),
                              .parent = param_text(exchange, "parent"),
                              .root = param_text(exchange, "root"),
                              .agent = param_text(exchange, "agent"),
                              .q = param_text(exchange, "q"),
                              .since_ms = param_number(exchange, "since"),
                              .hold = run_bounds_hold(&page->request.bounds)};
    for (unsigned i = 0; i < RUN_STATE_COUNT && states.len > 0; i++) {
        bool named = page_names(states, bytes_of(run_state_name((enum run_state)i)));
        what->states |= named ? 1U << i : 0;
    }
    return ERR_OK;
}

static struct err runs_read(void *ctx) {
    struct list_op *list = ctx;
    const struct exchange *exchange = list->page.request.op.exchange;
    list->what.by_kind = param_given(exchange, "kind");
    if (list->what.by_kind && !run_kind_find(param_text(exchange, "kind"), &list->what.kind)) {
        return err_why(&list->page.request.op.why, ERR_BAD_QUERY,
                       "query parameter 'kind' must be one of job, turn, agent, workflow, flow");
    }
    return run_list_read(list);
}

static struct err jobs_read(void *ctx) {
    struct list_op *list = ctx;
    list->what.by_kind = true;
    list->what.kind = KIND_JOB;
    return run_list_read(list);
}

static const struct page_kind runs_list = {
    .request = {.size = sizeof(struct list_op), .read = runs_read},
    .rows = run_list_rows,
    .slices = RUN_PAGE_SLICES};
const struct page_kind jobs__list = {.request = {.size = sizeof(struct list_op), .read = jobs_read},
                                     .rows = run_list_rows,
                                     .slices = RUN_PAGE_SLICES};

/* --- One run ---------------------------------------------------------------------------------- */

static struct err run_show(struct tx *tx, struct request *request, bool job) {
    struct run_row row = {0};
    struct err err = request_run_seen(tx, request, &row);
    if (err_failed(err) || (job && row.kind != KIND_JOB)) {
        return request_absent(request, err);
    }
    run_shown(&row, tx_epoch(tx), run_bounds_hold(&request->bounds));
    err = tx_run_waits_mark(tx, &request->bounds, &row);
    if (!err_failed(err)) {
        run_write_json(&row, RUN_WHOLE, &request->op.answer);
    }
    return err;
}

static struct err show_run(struct tx *tx, void *request) {
    return run_show(tx, request, false /* job */);
}

static struct err show_job(struct tx *tx, void *request) {
    return run_show(tx, request, true /* job */);
}

static const struct request_kind runs_show = {.one = &runs__one, .work = show_run};
const struct request_kind jobs__show = {.one = &runs__one, .work = show_job};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    RUNS_LIST_QUERY("Another owner's runs"),
    {QUERY("kind", QUERY_TEXT, "Only those of this kind."), .max = 20},
    {.name = NULL},
};
#define RUN_QUERY OP_OWNER_QUERY("Another owner's run")

#define SPAN_KINDS "process,model,tool,review,compaction"
#define SPANS_FILTERS(kinds)                                                                       \
    PAGE_STATE_PARAM("queued,running,waiting,succeeded,degraded,failed,cancelled,timed_out,lost,"  \
                     "denied,outcome_unknown"),                                                    \
        PAGE_WORDS_PARAM("kind", "Only those of this kind, or of several (a,b).", kinds),          \
        PAGE_Q_PARAM("name or error"), PAGE_SINCE_PARAM("started"),                                \
        {QUERY("changed_since", QUERY_INT, "Only those that began or ended then or later (ms)."),  \
         .min = 0, .max = INT64_C(1) << 53},                                                       \
    {                                                                                              \
        QUERY("min_ms", QUERY_INT, "Only those that ended and took as long, or longer."),          \
            .min = 0, .max = INT64_C(1) << 53                                                      \
    }

/* A tree of spans is drawn as a whole: its pages end at their bytes (PAGE_BYTES). */
enum { SPANS_LIMIT_MAX = 1000 };

static const struct query_param spans_query[] = {
    PAGE_PARAMS_UP_TO(60, SPANS_LIMIT_MAX),
    OP_OWNER_PARAM("Another owner's run"),
    {QUERY("below", QUERY_FLAG, "With the runs below it, each before its spans, and sums of all.")},
    SPANS_FILTERS(SPAN_KINDS ",timer,workflow,agent,turn,job,flow,title"),
    {.name = NULL},
};

/* As of ranges of a message's part. */
enum { SPAN_RANGE_MAX = 64 << 20, SPAN_LIMIT_MAX = 1 << 20, SPAN_LIMIT_DEFAULT = 64 << 10 };

static const struct query_param span_text_query[] = {
    OP_OWNER_PARAM("Another owner's run"),
    {QUERY("side", QUERY_TEXT, "input, or output (the default)."), .max = 8},
    {QUERY("offset", QUERY_INT, "First byte of the text."), .min = 0, .max = SPAN_RANGE_MAX},
    {QUERY("limit", QUERY_INT, "Bytes at most; cut at a whole character."), .min = 4,
     .max = SPAN_LIMIT_MAX, .absent = SPAN_LIMIT_DEFAULT},
    {.name = NULL},
};

static const struct query_param session_spans_query[] = {
    PAGE_PARAMS_UP_TO(60, SPANS_LIMIT_MAX),
    OP_OWNER_PARAM("Another owner's session"),
    SPANS_FILTERS(SPAN_KINDS),
    {QUERY("turn", QUERY_INT, "The number of a turn; absent: all of them."), .min = 1,
     .max = INT64_MAX},
    {.name = NULL},
};

#define SPANS_SUMS                                                                                 \
    ",\"sums\":{\"type\":\"object\",\"required\":[\"count\",\"ms\",\"tokens\",\"cost_micros\","    \
    "\"cost_unknown\",\"errors\",\"cache\"],\"properties\":{\"count\":" INT_SCHEMA                 \
    ",\"ms\":" INT_SCHEMA ",\"tokens\":" INT_SCHEMA ",\"cost_micros\":" INT_OR_NULL                \
    ",\"cost_unknown\":" INT_SCHEMA ",\"errors\":" INT_SCHEMA                                      \
    ",\"cache\":{\"type\":[\"number\",\"null\"]}}}"
static const char spans_answer[] = PAGE_SCHEMA_WITH(
    SPANS_SUMS,
    "{\"type\":\"object\",\"required\":[\"id\",\"run\",\"prompt\",\"attempt\",\"step\","
    "\"kind\",\"name\",\"state\",\"cause\",\"rule\",\"error\",\"started_ms\",\"ended_ms\","
    "\"tokens\",\"cost_micros\",\"estimated\",\"tries\",\"exit_code\",\"cpu_us\",\"memory_kb\","
    "\"disk_bytes\",\"input\",\"output\"],"
    "\"properties\":{\"id\":" TEXT_SCHEMA ",\"parent\":" TEXT_OR_NULL ",\"depth\":" INT_SCHEMA
    ",\"label\":" TEXT_OR_NULL ",\"phase\":" TEXT_OR_NULL ",\"turn\":" INT_SCHEMA
    ",\"run\":" TEXT_SCHEMA ",\"message\":" TEXT_SCHEMA
    ",\"prompt\":{\"type\":[\"object\",\"null\"]},\"attempt\":" INT_SCHEMA ",\"step\":" INT_OR_NULL
    ",\"kind\":{\"enum\":[\"process\",\"model\",\"tool\",\"review\",\"compaction\",\"timer\","
    "\"workflow\",\"agent\",\"turn\",\"job\",\"flow\",\"title\"]},\"name\":" TEXT_SCHEMA
    ",\"state\":{\"enum\":[\"queued\",\"running\",\"waiting\",\"succeeded\",\"degraded\","
    "\"failed\",\"cancelled\",\"timed_out\",\"lost\",\"denied\",\"outcome_unknown\"]},"
    "\"cause\":" TEXT_OR_NULL ",\"rule\":" TEXT_OR_NULL ",\"error\":" TEXT_OR_NULL
    ",\"started_ms\":" INT_SCHEMA ",\"ended_ms\":" INT_OR_NULL ",\"due_ms\":" INT_SCHEMA
    ",\"tokens\":{\"type\":[\"object\",\"null\"],\"required\":[\"fresh\",\"cache_read\","
    "\"cache_write\",\"output\",\"reasoning\"],\"properties\":{\"fresh\":" INT_OR_NULL
    ",\"cache_read\":" INT_OR_NULL ",\"cache_write\":" INT_OR_NULL ",\"output\":" INT_OR_NULL
    ",\"reasoning\":" INT_OR_NULL "}},\"cost_micros\":" INT_OR_NULL ",\"estimated\":" BOOL_SCHEMA
    ",\"tries\":" INT_SCHEMA ",\"exit_code\":" INT_OR_NULL ",\"cpu_us\":" INT_OR_NULL
    ",\"memory_kb\":" INT_OR_NULL ",\"disk_bytes\":" INT_SCHEMA ",\"input\":" TEXT_OR_NULL
    ",\"output\":" TEXT_OR_NULL "}}");

static const char span_text_answer[] =
    "{\"type\":\"object\",\"required\":[\"text\",\"offset\",\"next\",\"bytes\"],\"properties\":{"
    "\"text\":" TEXT_SCHEMA ",\"offset\":" INT_SCHEMA ",\"next\":" INT_SCHEMA
    ",\"bytes\":" INT_SCHEMA "}}";

static const char bulk_answer[] =
    "{\"type\":\"object\",\"required\":[\"items\"],\"properties\":{\"items\":{\"type\":\"array\","
    "\"items\":{\"type\":\"object\",\"required\":[\"id\",\"ok\",\"status\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"ok\":" BOOL_SCHEMA ",\"status\":" INT_SCHEMA ",\"code\":" TEXT_SCHEMA
    ",\"detail\":" TEXT_SCHEMA "}}}}}";

const struct route runs_routes[] = {
    {ROUTE("GET", "/api/v1/runs", SCOPE_READ, "List runs of every kind, newest first"),
     .query = list_query, .answer = RUN_LIST_ANSWER, .page = &runs_list},
    {ROUTE("GET", "/api/v1/runs/{id}", SCOPE_READ, "Show a run"), .query = RUN_QUERY,
     .answer = RUN_WHOLE_ANSWER, .request = &runs_show},
    {ROUTE("GET", "/api/v1/runs/{id}/spans", SCOPE_READ, "List what a run did, step by step"),
     .query = spans_query, .answer_schema = spans_answer, .page = &runs__spans},
    {ROUTE("GET", "/api/v1/runs/{id}/spans/{span}", SCOPE_READ,
           "Read a range of the input or output of a step"),
     .query = span_text_query, .answer_schema = span_text_answer, .request = &runs__span_text},
    {ROUTE("GET", "/api/v1/sessions/{id}/spans", SCOPE_READ,
           "List what the turns of a session did, step by step"),
     .query = session_spans_query, .answer_schema = spans_answer, .page = &runs__session_spans},
    {ROUTE("POST", "/api/v1/runs/{id}/stop", SCOPE_RUN, "Stop a run and everything below it"),
     .inside = INSIDE_BELOW, .query = RUN_QUERY, .has_body = true, .body_optional = true,
     .body = {.fields = &runs__stop_fields, .use = FIELD_GIVEN}, .answer = RUN_LIGHT_ANSWER,
     .request = &runs__stop},
    {ROUTE("DELETE", "/api/v1/runs/{id}", SCOPE_RUN, "Remove a run that has ended, with its log"),
     .inside = INSIDE_BELOW, .query = RUN_QUERY, .answer_schema = REMOVED_SCHEMA,
     .request = &runs__remove},
    {ROUTE("POST", "/api/v1/runs/bulk", SCOPE_RUN,
           "Stop, remove or mark as seen several runs, each by itself"),
     .inside = INSIDE_ALWAYS, /* Each run is checked by itself. */
     .query = OP_OWNER_QUERY("Another owner's runs"), .has_body = true, .idempotent_key = true,
     .body = {.fields = &runs__bulk_fields, .use = FIELD_GIVEN}, .answer_schema = bulk_answer,
     .request = &runs__bulk},
    {.method = NULL},
};
