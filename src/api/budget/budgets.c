/* budgets.c: budgets: list, one, set, remove.
 *
 * A change admits, or refuses, runs that wait: a commit takes a few of them, and the rest goes on
 * by itself, so that the answer never waits for a long queue.
 */
#include "api/base/op.h"
#include "api/base/page.h"
#include "api/run/runs.h"
#include "base/memory.h"
#include "engine/budget/budget.h"

enum { LIST_RUNS = PAGE_OWN, LIST_Q, LIST_SINCE };
enum { ONE_OWNER };

static struct err absent(struct why *why) {
    why_set(why, "there is no such budget");
    return err_make(ERR_NOT_FOUND, "budgets: find");
}

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct budget_page what; /* Filters of the engine. Texts are borrowed from the exchange. */
    struct bytes q;          /* Part of the scope; borrowed from the exchange. */
    bool runs;               /* Whether budgets of single runs are listed, too. */
    int64_t since_ms;
};

static struct err list_row(void *ctx, const struct budget_row *row) {
    struct list_op *list = ctx;
    bool fits = page_holds(row->scope, list->q) && row->made_ms >= list->since_ms &&
                (row->run == 0 || list->runs);
    if (!fits) {
        page_pass_number(&list->page, row->id);
    } else if (page_add_number(&list->page, row->id)) {
        budget_write_json(row, &list->page.op.answer);
    }
    return ERR_OK;
}

static struct err list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct list_op *list = CONTAINER_OF(page, struct list_op, page);
    struct budget_page what = list->what;
    what.before = part->from;
    what.limit = part->limit;
    return tx_budget_each(tx, &what, list_row, list);
}

static void list(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.of = PAGE_OF_OWNER};
    const struct runs_api *api = ctx;
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return;
    }
    struct list_op *list = mem_new(sizeof *list);
    page_init(&list->page, exchange, ask.limit);
    list->what = (struct budget_page){.owner = ask.owner};
    list->runs = exchange_query_int(exchange, LIST_RUNS) != 0;
    list->q = page_word(exchange, LIST_Q);
    list->since_ms = exchange_query_int(exchange, LIST_SINCE);
    page_list(&list->page, api->store, &ask, list_rows);
}

/* --- One budget ------------------------------------------------------------------------------- */

struct one_op {
    struct op op;
    struct budget_set set; /* Its key is borrowed from the exchange. */
};

/* Everybody may know what is left for all; only an admin may say what that is. */
static struct err scope_check(const struct exchange *exchange, struct bytes scope, enum scope need,
                              struct why *why) {
    if (!budget_scope_valid(scope)) {
        why_set(why, "a budget is named global, project:NAME, session:ID or run:ID");
        return err_make(ERR_NOT_FOUND, "budgets: scope");
    }
    bool admin = (exchange_identity(exchange)->scopes & SCOPE_ADMIN) != 0;
    if (need != SCOPE_READ && budget_scope_global(scope) && !admin) {
        why_set(why, "only a token with the scope admin may change the global budget");
        return err_make(ERR_FORBIDDEN, "budgets: global");
    }
    return ERR_OK;
}

/* NULL: it was answered. */
static struct one_op *one_new(struct exchange *exchange, enum scope need) {
    struct why why = {.text = ""};
    struct budget_key key = {.scope = exchange_param(exchange, 0)};
    struct err err = op_owner(exchange, ONE_OWNER, &key.owner, &why);
    if (!err_failed(err)) {
        err = scope_check(exchange, key.scope, need, &why);
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return NULL;
    }
    struct one_op *one = mem_new(sizeof *one);
    op_init(&one->op, exchange, 200);
    one->set.key = key;
    return one;
}

static struct err show_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    bool found = false;
    struct budget_row row = {0};
    struct err err = tx_budget_find(tx, &one->set.key, &found, &row);
    if (!err_failed(err) && !found) {
        return absent(&one->op.why);
    }
    if (!err_failed(err)) {
        budget_write_json(&row, &one->op.answer);
    }
    return err;
}

static void show(struct exchange *exchange, void *ctx) {
    const struct runs_api *api = ctx;
    struct one_op *one = one_new(exchange, SCOPE_READ);
    if (one != NULL) {
        store_read(api->store, show_run, op_done, one);
    }
}

/* --- Changes ---------------------------------------------------------------------------------- */

static struct err set_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    struct budget_row row = {0};
    struct err err = tx_budget_set(tx, &one->set, &row);
    if (err.code == ERR_NOT_FOUND) {
        bool run = one->set.key.scope.data[0] == 'r';
        why_set(&one->op.why,
                run ? "this run was not given a budget of its own" : "there is no such session");
    }
    if (err_failed(err)) {
        return err;
    }
    budget_write_json(&row, &one->op.answer);
    return op_written(&one->op);
}

static void set(struct exchange *exchange, void *ctx) {
    const struct runs_api *api = ctx;
    struct why why = {.text = ""};
    struct budget_limits limits;
    struct err err = budget_limits_read(exchange_json(exchange), &limits, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    struct one_op *one = one_new(exchange, SCOPE_RUN);
    if (one != NULL) {
        one->set.limits = limits;
        one->set.bounds = dispatch_bounds(api->dispatch);
        store_write(api->store, set_run, op_done, one);
    }
}

static struct err remove_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    struct budget_row row = {0};
    struct err err = tx_budget_remove(tx, &one->set.key, &one->set.bounds, &row);
    if (err.code == ERR_NOT_FOUND) {
        return absent(&one->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    struct text *text = &one->op.answer;
    text_add_str(text, "{\"scope\":");
    text_add_json(text, row.scope.data, row.scope.len);
    text_addf(text, ",\"removed_ms\":%lld}", (long long)tx_now_ms(tx));
    return op_written(&one->op);
}

static void drop(struct exchange *exchange, void *ctx) {
    const struct runs_api *api = ctx;
    struct one_op *one = one_new(exchange, SCOPE_RUN);
    if (one != NULL) {
        one->set.bounds = dispatch_bounds(api->dispatch);
        store_write(api->store, remove_run, op_done, one);
    }
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    [PAGE_AFTER] = PAGE_NUMBER_PARAM,
    PAGE_PARAMS,
    [PAGE_OWNER] = OP_OWNER_PARAM("Another owner's budgets"),
    [LIST_RUNS] = {.name = "runs", .about = "Those of single runs, too.", .kind = QUERY_FLAG},
    [LIST_Q] = PAGE_Q_PARAM("name"),
    [LIST_SINCE] = PAGE_SINCE_PARAM("made"),
    {.name = NULL},
};

static const struct query_param one_query[] = {
    [ONE_OWNER] = OP_OWNER_PARAM("Another owner's budget"),
    {.name = NULL},
};

#define AMOUNTS_SCHEMA(type)                                                                       \
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"                         \
    "\"output_tokens\":" type ",\"tokens\":" type ",\"cost_micros\":" type ",\"agents\":" type     \
    ",\"wall_ms\":" type "}}"
#define COUNT_SCHEMA "{\"type\":\"integer\",\"minimum\":0}"
#define LIMIT_SCHEMA "{\"type\":[\"integer\",\"null\"],\"minimum\":0}"
#define BUDGET_SCHEMA                                                                              \
    "{\"type\":\"object\",\"required\":[\"scope\",\"limits\",\"spent\",\"reserved\"],"             \
    "\"properties\":{\"scope\":{\"type\":\"string\"},\"owner\":{\"type\":[\"string\",\"null\"]},"  \
    "\"limits\":" AMOUNTS_SCHEMA(LIMIT_SCHEMA) ",\"spent\":" AMOUNTS_SCHEMA(                       \
        COUNT_SCHEMA) ",\"reserved\":" AMOUNTS_SCHEMA(COUNT_SCHEMA) ",\"waiting\":" COUNT_SCHEMA   \
                                                                    ",\"made_ms\":" COUNT_SCHEMA   \
                                                                    "}}"

static const char limits_body[] = AMOUNTS_SCHEMA(LIMIT_SCHEMA);
static const char one_answer[] = BUDGET_SCHEMA;
static const char list_answer[] = PAGE_SCHEMA(BUDGET_SCHEMA);
static const char removed_answer[] =
    "{\"type\":\"object\",\"required\":[\"scope\"],\"properties\":{\"scope\":{\"type\":"
    "\"string\"},\"removed_ms\":{\"type\":\"integer\"}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/budgets",
     .summary = "List the budgets, newest first",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer_schema = list_answer,
     .answer_status = 200,
     .handle = list},
    {.method = "GET",
     .path = "/api/v1/budgets/{scope}",
     .summary = "Show a budget: its limits, what is spent and what is reserved",
     .scope = SCOPE_READ,
     .query = one_query,
     .answer_schema = one_answer,
     .answer_status = 200,
     .handle = show},
    {.method = "PATCH",
     .path = "/api/v1/budgets/{scope}",
     .summary = "Set limits of a budget, null takes one away; makes it where there is none",
     .scope = SCOPE_RUN,
     .query = one_query,
     .has_body = true,
     .body_schema = limits_body,
     .answer_schema = one_answer,
     .answer_status = 200,
     .handle = set},
    {.method = "DELETE",
     .path = "/api/v1/budgets/{scope}",
     .summary = "Remove a budget, and the count of what was spent",
     .scope = SCOPE_RUN,
     .query = one_query,
     .answer_schema = removed_answer,
     .answer_status = 200,
     .handle = drop},
};

struct route_table budgets_table(struct runs_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
