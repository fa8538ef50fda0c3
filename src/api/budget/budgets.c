/* budgets.c: budgets: list, one, set, remove.
 *
 * A change admits, or refuses, runs that wait: a commit takes a few of them, and the rest goes on
 * by itself, so that the answer never waits for a long queue.
 */
#include "api/base/page.h"
#include "api/run/runs.h"
#include "engine/budget/budget.h"

static const struct one_kind budget_one = {
    .valid = budget_scope_valid,
    .noun = "budget",
    .malformed = "a budget is named global, project:NAME, session:ID or run:ID"};

/* --- List ------------------------------------------------------------------------------------- */

static struct err budget_list_row(void *ctx, const struct budget_row *row) {
    struct page *page = ctx;
    bool runs = param_flag(page->request.op.exchange, "runs"); /* Also budgets of single runs. */
    bool fits =
        page_holds(page, row->scope) && page_since(page, row->made_ms) && (row->run == 0 || runs);
    if (page_row_number(page, row->id, fits)) {
        fields_write(&budget_resource.fields, FIELD_LISTED, row, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err budget_list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct budget_page what = {
        .owner = page->request.key.owner, .before = part->from, .limit = part->limit};
    return tx_budget_each(tx, &what, budget_list_row, page);
}

static const struct page_kind list = {.rows = budget_list_rows};

/* --- One budget ------------------------------------------------------------------------------- */

struct change_op {
    struct request request;
    struct budget_set set;
};

static struct budget_key budget_key_of(const struct request *request) {
    return (struct budget_key){.owner = request->key.owner, .scope = request->key.id};
}

static struct err budget_show_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct budget_key key = budget_key_of(request);
    bool found = false;
    struct budget_row row = {0};
    struct err err = tx_budget_find(tx, &key, &found, &row);
    if (err_failed(err) || !found) {
        return request_absent(request, err);
    }
    fields_write(&budget_resource.fields, FIELD_LISTED, &row, &request->op.answer);
    return ERR_OK;
}

/* Everybody may know what is left for all; only an admin may say what that is. */
static struct err change_read(void *ctx) {
    struct change_op *change = ctx;
    const struct exchange *exchange = change->request.op.exchange;
    struct why *why = &change->request.op.why;
    const struct identity *identity = exchange_identity(exchange);
    bool admin = (identity->scopes & SCOPE_ADMIN) != 0 || identity->inside[0] != '\0';
    if (budget_scope_global(change->request.key.id) && !admin) { /* Inside: inside_check refuses. */
        return err_why(why, ERR_FORBIDDEN,
                       "only a token with the scope admin may change the global budget");
    }
    if (!exchange_route(exchange)->has_body) {
        return ERR_OK;
    }
    change->set.only_new = param_flag(exchange, "new");
    return budget_change_read(exchange_json(exchange), &change->set.limits, why);
}

/* A run may limit what it begins. It changes no limit: that may be a person's, or its own. */
static struct err inside_check(struct tx *tx, struct change_op *change) {
    static const struct bytes sessions = BYTES_INIT("session:");
    struct request *request = &change->request;
    const struct bytes scope = request->key.id;
    const char *inside = exchange_identity(request->op.exchange)->inside;
    if (inside[0] == '\0') {
        return ERR_OK;
    }
    if (change->set.only_new && bytes_begin(scope, sessions)) {
        return request_inside(tx, request,
                              (struct bytes){scope.data + sessions.len, scope.len - sessions.len});
    }
    request->op.run = id_copy(bytes_of(inside));
    return err_why(
        &request->op.why, ERR_INSIDE_RUN,
        "the program that sent this is inside of %s, and a run sets budgets only of "
        "sessions that it began, and changes none (?new=1); have a person do it, outside "
        "of the run",
        inside);
}

static struct err set_work(struct tx *tx, void *ctx) {
    struct change_op *change = ctx;
    struct budget_row row = {0};
    change->set.key = budget_key_of(&change->request);
    change->set.bounds = change->request.bounds;
    struct err err = inside_check(tx, change);
    err = err_failed(err) ? err : tx_budget_set(tx, &change->set, &row);
    if (err.code == ERR_NOT_FOUND) {
        bool run = change->set.key.scope.data[0] == 'r';
        why_set(&change->request.op.why,
                run ? "this run was not given a budget of its own" : "there is no such session");
    }
    if (err.code == ERR_CONFLICT) {
        why_set(&change->request.op.why, "there is such a budget already, and it stays as it is");
    }
    if (!err_failed(err)) {
        fields_write(&budget_resource.fields, FIELD_LISTED, &row, &change->request.op.answer);
    }
    return err;
}

static struct err budget_remove_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct budget_key key = budget_key_of(request);
    struct budget_row row = {0};
    struct err err = tx_budget_remove(tx, &key, &request->bounds, &row);
    op_removed(&request->op, tx, "scope", row.scope, "removed_ms");
    return err;
}

#define CHANGE(work_)                                                                              \
    {                                                                                              \
        .size = sizeof(struct change_op), .writes = true, .one = &budget_one, .read = change_read, \
        .work = (work_)                                                                            \
    }
static const struct request_kind show = {.one = &budget_one, .work = budget_show_work};
static const struct request_kind set = CHANGE(set_work), removal = CHANGE(budget_remove_work);

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    PAGE_PARAMS(PAGE_NUMBER),
    OP_OWNER_PARAM("Another owner's budgets"),
    {QUERY("runs", QUERY_FLAG, "Also the budgets of single runs.")},
    PAGE_Q_PARAM("name"),
    PAGE_SINCE_PARAM("made"),
    {.name = NULL},
};
#define BUDGET_QUERY OP_OWNER_QUERY("Another owner's budget")
static const struct query_param set_query[] = {
    OP_OWNER_PARAM("Another owner's budget"),
    {QUERY("new", QUERY_FLAG, "Only where there is none: otherwise 409.")},
    {.name = NULL},
};

#define LIMIT(amount, name, title) "\"" name "\":{\"type\":[\"integer\",\"null\"],\"minimum\":0},"
static const char set_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" AMOUNTS(
        LIMIT) "\"per\":{\"type\":[\"string\",\"null\"],\"enum\":[\"day\",null]}}}";
#define SHOWN .answer = {.fields = &budget_resource.fields, .use = FIELD_LISTED}

const struct route budgets_routes[] = {
    {ROUTE("GET", "/api/v1/budgets", SCOPE_READ, "List the budgets, newest first"),
     .query = list_query,
     .answer = {.fields = &budget_resource.fields, .use = FIELD_LISTED, .page = true},
     .page = &list},
    {ROUTE("GET", "/api/v1/budgets/{scope}", SCOPE_READ,
           "Show a budget: its limits, what is spent and what is reserved"),
     .query = BUDGET_QUERY, SHOWN, .request = &show},
    {ROUTE("PATCH", "/api/v1/budgets/{scope}", SCOPE_RUN,
           "Set limits of a budget, in all or per day; makes it where there is none"),
     .inside = INSIDE_ALWAYS, /* inside_check. */
     .query = set_query, .has_body = true, .body_schema = set_body, SHOWN, .request = &set},
    {ROUTE("DELETE", "/api/v1/budgets/{scope}", SCOPE_RUN,
           "Remove a budget, and the count of what was spent"),
     .query = BUDGET_QUERY,
     .answer_schema = "{\"type\":\"object\",\"required\":[\"scope\"],\"properties\":{\"scope\":{"
                      "\"type\":\"string\"},\"removed_ms\":{\"type\":\"integer\"}}}",
     .request = &removal},
    {.method = NULL},
};
