/* inbox.c: orders about deliveries (rules/inbox/resource.c): retry, drop. */
#include "engine/inbox/inbox.h"

#include "api/base/resource.h"
#include "api/run/runs.h"

static const struct one_kind delivery = {.prefix = "dlv", .noun = "delivery"};

const struct resource_handlers delivery_handlers = {.resource = &delivery_resource};

static struct err delivery_order(struct tx *tx, struct request *request, enum inbox_order what) {
    const struct inbox_key key = {.owner = request->key.owner, .delivery = request->key.id};
    struct inbox_row row = {0};
    struct err err = tx_inbox_order(tx, &key, what, &row);
    if (err.code == ERR_CONFLICT) {
        why_set(&request->op.why, "the delivery is settled already");
    }
    if (!err_failed(err)) {
        fields_write(&delivery_resource.fields, FIELD_LISTED, &row, &request->op.answer);
    }
    return err;
}

static struct err retry_work(struct tx *tx, void *request) {
    return delivery_order(tx, request, INBOX_RETRY);
}

static struct err drop_work(struct tx *tx, void *request) {
    return delivery_order(tx, request, INBOX_DROP);
}

static const struct request_kind retry = {.writes = true, .one = &delivery, .work = retry_work};
static const struct request_kind drop = {.writes = true, .one = &delivery, .work = drop_work};

/* --- The table -------------------------------------------------------------------------------- */

#define DELIVERY_QUERY OP_OWNER_QUERY("Another owner's delivery")

#define DELIVERY_ANSWER .answer = {.fields = &delivery_resource.fields, .use = FIELD_LISTED}

const struct route inbox_routes[] = {
    {ROUTE("POST", "/api/v1/inbox/{id}/retry", SCOPE_RUN, "Try a delivery now"),
     .inside = INSIDE_BELOW, .query = DELIVERY_QUERY, DELIVERY_ANSWER, .request = &retry},
    {ROUTE("POST", "/api/v1/inbox/{id}/drop", SCOPE_RUN, "Drop a delivery"), .inside = INSIDE_BELOW,
     .query = DELIVERY_QUERY, DELIVERY_ANSWER, .request = &drop},
    {.method = NULL},
};
