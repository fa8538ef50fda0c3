/* inbox.c: notices of results that are to be delivered: list, one, retry, drop. */
#include "engine/inbox/inbox.h"

#include "api/base/page.h"
#include "api/run/runs.h"

static const struct one_kind delivery = {.prefix = "dlv", .noun = "notice"};

/* --- List ------------------------------------------------------------------------------------- */

static struct err delivery_list_row(void *ctx, const struct inbox_row *row) {
    struct page *page = ctx;
    bool fits = page_is(page, "state", bytes_of(inbox_state_name(row->state))) &&
                page_is(page, "run", row->run) && page_since(page, row->made_ms) &&
                (page_holds(page, row->address) || page_holds(page, row->cause));
    if (page_row_number(page, row->id, fits)) {
        inbox_write_json(row, INBOX_LIGHT, &page->request.op.answer);
    }
    return ERR_OK;
}

/* Without `all` only unsettled notices are read, so a filter by state reads all of them. */
static struct err delivery_list_rows(struct tx *tx, struct page *page,
                                     const struct page_part *part) {
    const struct exchange *exchange = page->request.op.exchange;
    const struct inbox_page what = {.owner = page->request.key.owner,
                                    .all = param_flag(exchange, "all") ||
                                           param_text(exchange, "state").len > 0,
                                    .before = part->from,
                                    .limit = part->limit};
    return tx_inbox_each(tx, &what, delivery_list_row, page);
}

static const struct page_kind list = {.rows = delivery_list_rows};

/* --- One delivery ----------------------------------------------------------------------------- */

static struct inbox_key delivery_key_of(const struct request *request) {
    return (struct inbox_key){.owner = request->key.owner, .delivery = request->key.id};
}

static struct err delivery_show_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct inbox_key key = delivery_key_of(request);
    bool found = false;
    struct inbox_row row = {0};
    struct err err = tx_inbox_find(tx, &key, &found, &row);
    if (err_failed(err) || !found) {
        return request_absent(request, err);
    }
    inbox_write_json(&row, INBOX_WHOLE, &request->op.answer);
    return ERR_OK;
}

static struct err delivery_order(struct tx *tx, struct request *request, enum inbox_order what) {
    const struct inbox_key key = delivery_key_of(request);
    struct inbox_row row = {0};
    struct err err = tx_inbox_order(tx, &key, what, &row);
    if (err.code == ERR_CONFLICT) {
        why_set(&request->op.why, "the notice is settled already");
    }
    if (!err_failed(err)) {
        inbox_write_json(&row, INBOX_LIGHT, &request->op.answer);
    }
    return err;
}

static struct err retry_work(struct tx *tx, void *request) {
    return delivery_order(tx, request, INBOX_RETRY);
}

static struct err drop_work(struct tx *tx, void *request) {
    return delivery_order(tx, request, INBOX_DROP);
}

static const struct request_kind show = {.one = &delivery, .work = delivery_show_work};
static const struct request_kind retry = {.writes = true, .one = &delivery, .work = retry_work};
static const struct request_kind drop = {.writes = true, .one = &delivery, .work = drop_work};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    PAGE_PARAMS(PAGE_NUMBER),
    OP_OWNER_PARAM("Another owner's deliveries"),
    {.name = "all", .about = "Include settled notices.", .kind = QUERY_FLAG},
    PAGE_STATE_PARAM("pending,stalled,bound,held,acknowledged,gone,dropped"),
    PAGE_WORD_PARAM("run", "Only those of this run."),
    PAGE_SINCE_PARAM("made"),
    PAGE_Q_PARAM("address or last failure"),
    {.name = NULL},
};
#define DELIVERY_QUERY OP_OWNER_QUERY("Another owner's delivery")

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
     .answer_schema = PAGE_SCHEMA("{\"type\":\"object\"}"),
     .page = &list},
    {.method = "GET",
     .path = "/api/v1/inbox/{id}",
     .summary = "Show a delivery, with what it delivers",
     .scope = SCOPE_READ,
     .query = DELIVERY_QUERY,
     .answer_schema = one_answer,
     .request = &show},
    {.method = "POST",
     .path = "/api/v1/inbox/{id}/retry",
     .summary = "Try a delivery now",
     .scope = SCOPE_RUN,
     .inside = INSIDE_BELOW,
     .query = DELIVERY_QUERY,
     .answer_schema = one_answer,
     .request = &retry},
    {.method = "POST",
     .path = "/api/v1/inbox/{id}/drop",
     .summary = "Drop a delivery",
     .scope = SCOPE_RUN,
     .inside = INSIDE_BELOW,
     .query = DELIVERY_QUERY,
     .answer_schema = one_answer,
     .request = &drop},
};

struct route_table inbox_table(struct runs_api *api) {
    return (struct route_table){routes, COUNT_OF(routes), api, request_handle};
}
