/* inbox.c: what is owed to whoever waits for a result, and what a person may do about it. */
#include <string.h>

#include "api/op.h"
#include "api/runs.h"
#include "base/memory.h"
#include "base/number.h"
#include "engine/inbox.h"

enum { LIST_AFTER, LIST_LIMIT, LIST_OWNER, LIST_ALL };
enum { ONE_OWNER };

static struct err absent(struct why *why) {
    why_set(why, "there is no delivery with that id");
    return err_make(ERR_NOT_FOUND, "inbox: find");
}

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct op op;
    struct inbox_page page; /* Its owner is borrowed from the exchange. */
    int64_t rows, last;     /* While the function runs. */
};

static struct err list_row(void *ctx, const struct inbox_row *row) {
    struct list_op *list = ctx;
    if (list->rows++ == list->page.limit) {
        return ERR_OK;
    }
    if (list->rows > 1) {
        text_add_char(&list->op.answer, ',');
    }
    inbox_write_json(row, INBOX_LIGHT, &list->op.answer);
    list->last = row->id;
    return ERR_OK;
}

static struct err list_run(struct tx *tx, void *ctx) {
    struct list_op *list = ctx;
    struct text *text = &list->op.answer;
    op_restart(&list->op);
    list->rows = 0;
    struct inbox_page page = list->page;
    page.limit++;
    text_add_str(text, "{\"items\":[");
    struct err err = tx_inbox_each(tx, &page, list_row, list);
    if (list->rows > list->page.limit) {
        text_addf(text, "],\"next\":\"%lld\"}", (long long)list->last);
    } else {
        text_add_str(text, "],\"next\":null}");
    }
    return err;
}

static void list_done(struct err result, void *ctx) {
    struct list_op *list = ctx;
    op_answer(&list->op, result);
    mem_free(list);
}

static void list(struct exchange *exchange, void *ctx) {
    const struct runs_api *api = ctx;
    struct why why = {.text = ""};
    struct inbox_page page = {.limit = exchange_query_int(exchange, LIST_LIMIT),
                              .all = exchange_query_int(exchange, LIST_ALL) != 0};
    struct number_bounds bounds = {1, INT64_MAX};
    struct err err = op_owner(exchange, LIST_OWNER, &page.owner, &why);
    if (!err_failed(err) && exchange_query_given(exchange, LIST_AFTER) &&
        !number_parse(exchange_query_text(exchange, LIST_AFTER), bounds, &page.before)) {
        why_set(&why, "after: take it from `next` of the page before");
        err = err_make(ERR_BAD_CURSOR, "inbox: after");
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    struct list_op *op = mem_new(sizeof *op);
    op_init(&op->op, exchange, 200);
    op->page = page;
    store_read(api->store, list_run, list_done, op);
}

/* --- One delivery ----------------------------------------------------------------------------- */

struct one_op {
    struct op op;
    struct inbox_key key; /* Borrowed from the exchange. */
    enum inbox_order order;
};

static struct one_op *one_new(struct exchange *exchange) {
    struct why why = {.text = ""};
    struct inbox_key key = {.delivery = exchange_param(exchange, 0)};
    struct err err = op_owner(exchange, ONE_OWNER, &key.owner, &why);
    if (!err_failed(err) && !id_valid(key.delivery.data, key.delivery.len, "dlv")) {
        err = absent(&why);
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return NULL;
    }
    struct one_op *one = mem_new(sizeof *one);
    op_init(&one->op, exchange, 200);
    one->key = key;
    return one;
}

static void one_done(struct err result, void *ctx) {
    struct one_op *one = ctx;
    op_answer(&one->op, result);
    mem_free(one);
}

static struct err show_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    bool found = false;
    struct inbox_row row = {0};
    struct err err = tx_inbox_find(tx, &one->key, &found, &row);
    if (!err_failed(err) && !found) {
        return absent(&one->op.why);
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
        store_read(api->store, show_run, one_done, one);
    }
}

/* --- Orders ----------------------------------------------------------------------------------- */

static struct err order_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    struct inbox_row row = {0};
    struct err err = tx_inbox_order(tx, &one->key, one->order, &row);
    if (err.code == ERR_NOT_FOUND) {
        return absent(&one->op.why);
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
        store_write(api->store, order_run, one_done, one);
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
    [LIST_AFTER] = {.name = "after",
                    .about = "Cursor: `next` of the page before.",
                    .kind = QUERY_TEXT,
                    .max = 20},
    [LIST_LIMIT] = {.name = "limit",
                    .about = "Rows on a page.",
                    .kind = QUERY_INT,
                    .min = 1,
                    .max = OP_LIST_LIMIT_MAX,
                    .absent = OP_LIST_LIMIT},
    [LIST_OWNER] = {.name = "owner",
                    .about = "Another owner's deliveries (scope admin).",
                    .kind = QUERY_TEXT,
                    .max = 64},
    [LIST_ALL] = {.name = "all", .about = "Those that are settled, too.", .kind = QUERY_FLAG},
    {.name = NULL},
};

static const struct query_param one_query[] = {
    [ONE_OWNER] = {.name = "owner",
                   .about = "Another owner's delivery (scope admin).",
                   .kind = QUERY_TEXT,
                   .max = 64},
    {.name = NULL},
};

static const char list_answer[] =
    "{\"type\":\"object\",\"required\":[\"items\",\"next\"],\"properties\":{\"items\":{\"type\":"
    "\"array\",\"items\":{\"type\":\"object\"}},\"next\":{\"type\":[\"string\",\"null\"]}}}";

static const char one_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"state\"],\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"state\":{\"enum\":[\"pending\",\"stalled\",\"acknowledged\","
    "\"gone\",\"dropped\"]}}}";

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
