/* inbox.c: notices of results that are to be delivered: list, one, retry, drop. */
#include "engine/inbox/inbox.h"

#include <string.h>

#include "api/base/one.h"
#include "api/base/page.h"
#include "api/run/runs.h"
#include "base/memory.h"

enum { LIST_ALL = PAGE_OWN, LIST_STATE, LIST_RUN, LIST_SINCE, LIST_Q };
enum { ONE_OWNER };

static const struct one_kind delivery = {.prefix = "dlv",
                                         .absent = "there is no delivery with that id"};

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct inbox_page what;      /* Filters of the engine. Texts are borrowed from the exchange. */
    struct bytes states, run, q; /* Filters of this file; the same. */
    int64_t since_ms;
};

static bool fits(const struct list_op *list, const struct inbox_row *row) {
    const char *state = inbox_state_name(row->state);
    return page_names(list->states, bytes_of(state)) && page_names(list->run, row->run) &&
           row->made_ms >= list->since_ms &&
           (page_holds(row->address, list->q) || page_holds(row->cause, list->q));
}

static struct err list_row(void *ctx, const struct inbox_row *row) {
    struct list_op *list = ctx;
    if (!fits(list, row)) {
        page_pass_number(&list->page, row->id);
    } else if (page_add_number(&list->page, row->id)) {
        inbox_write_json(row, INBOX_LIGHT, &list->page.op.answer);
    }
    return ERR_OK;
}

static struct err list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct list_op *list = CONTAINER_OF(page, struct list_op, page);
    struct inbox_page what = list->what;
    what.before = part->from;
    what.limit = part->limit;
    return tx_inbox_each(tx, &what, list_row, list);
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
    list->states = page_word(exchange, LIST_STATE);
    list->run = page_word(exchange, LIST_RUN);
    list->q = page_word(exchange, LIST_Q);
    list->since_ms = exchange_query_int(exchange, LIST_SINCE);
    /* Without `all` only unsettled notices are read, so a filter by state reads all of them. */
    list->what = (struct inbox_page){.owner = ask.owner,
                                     .all = exchange_query_int(exchange, LIST_ALL) != 0 ||
                                            list->states.len > 0};
    struct err err = page_words_check(list->states, "state",
                                      "pending,stalled,bound,held,acknowledged,gone,dropped",
                                      &list->page.op.why);
    if (err_failed(err)) {
        op_done(err, list);
        return;
    }
    page_list(&list->page, api->store, &ask, list_rows);
}

/* --- One delivery ----------------------------------------------------------------------------- */

struct one_op {
    struct op op;
    struct inbox_key key; /* Borrowed from the exchange. */
    enum inbox_order order;
};

static struct one_op *one_new(struct exchange *exchange) {
    struct one_key key;
    if (!one_read(exchange, &delivery, ONE_OWNER, &key)) {
        return NULL;
    }
    struct one_op *one = mem_new(sizeof *one);
    op_init(&one->op, exchange, 200);
    one->key = (struct inbox_key){.owner = key.owner, .delivery = key.id};
    return one;
}

static struct err show_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    bool found = false;
    struct inbox_row row = {0};
    struct err err = tx_inbox_find(tx, &one->key, &found, &row);
    if (!err_failed(err) && !found) {
        return one_absent(&delivery, &one->op.why);
    }
    if (!err_failed(err)) {
        inbox_write_json(&row, INBOX_WHOLE, &one->op.answer);
    }
    return err;
}

static void show(struct exchange *exchange, void *ctx) {
    const struct runs_api *api = ctx;
    struct one_op *one = one_new(exchange);
    if (one != NULL) {
        store_read(api->store, show_run, op_done, one);
    }
}

/* --- Orders ----------------------------------------------------------------------------------- */

static struct err order_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    struct inbox_row row = {0};
    struct err err = tx_inbox_order(tx, &one->key, one->order, &row);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&delivery, &one->op.why);
    }
    if (err.code == ERR_CONFLICT) {
        why_set(&one->op.why, "the delivery is settled already");
    }
    if (err_failed(err)) {
        return err;
    }
    inbox_write_json(&row, INBOX_LIGHT, &one->op.answer);
    return op_written(&one->op);
}

static void order(struct exchange *exchange, const struct runs_api *api, enum inbox_order what) {
    struct one_op *one = one_new(exchange);
    if (one != NULL) {
        one->order = what;
        store_write(api->store, order_run, op_done, one);
    }
}

static void retry(struct exchange *exchange, void *ctx) {
    order(exchange, ctx, INBOX_RETRY);
}

static void drop(struct exchange *exchange, void *ctx) {
    order(exchange, ctx, INBOX_DROP);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    [PAGE_AFTER] = PAGE_NUMBER_PARAM,
    PAGE_PARAMS,
    [PAGE_OWNER] = OP_OWNER_PARAM("Another owner's deliveries"),
    [LIST_ALL] = {.name = "all", .about = "Those that are settled, too.", .kind = QUERY_FLAG},
    [LIST_STATE] = PAGE_STATE_PARAM,
    [LIST_RUN] = PAGE_WORD_PARAM("run", "Only those of this run."),
    [LIST_SINCE] = PAGE_SINCE_PARAM("made"),
    [LIST_Q] = PAGE_Q_PARAM("address or last failure"),
    {.name = NULL},
};

static const struct query_param one_query[] = {
    [ONE_OWNER] = OP_OWNER_PARAM("Another owner's delivery"),
    {.name = NULL},
};

static const char list_answer[] = PAGE_SCHEMA("{\"type\":\"object\"}");

static const char one_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"state\"],\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"state\":{\"enum\":[\"pending\",\"stalled\",\"bound\",\"held\","
    "\"acknowledged\",\"gone\",\"dropped\"]}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/inbox",
     .summary = "List the deliveries that are not settled, newest first",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer_schema = list_answer,
     .answer_status = 200,
     .handle = list},
    {.method = "GET",
     .path = "/api/v1/inbox/{id}",
     .summary = "Show a delivery, with what it delivers",
     .scope = SCOPE_READ,
     .query = one_query,
     .answer_schema = one_answer,
     .answer_status = 200,
     .handle = show},
    {.method = "POST",
     .path = "/api/v1/inbox/{id}/retry",
     .summary = "Try a delivery now",
     .scope = SCOPE_RUN,
     .query = one_query,
     .answer_schema = one_answer,
     .answer_status = 200,
     .handle = retry},
    {.method = "POST",
     .path = "/api/v1/inbox/{id}/drop",
     .summary = "Give a delivery up",
     .scope = SCOPE_RUN,
     .query = one_query,
     .answer_schema = one_answer,
     .answer_status = 200,
     .handle = drop},
};

struct route_table inbox_table(struct runs_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
