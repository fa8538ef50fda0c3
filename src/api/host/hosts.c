/* hosts.c: the hosts that share a database, and what a person does about one that is gone. */
#include <string.h>

#include "api/base/resource.h"
#include "api/run/runs.h"
#include "dispatch/host/parts.h"
#include "engine/host/hosts.h"

enum { HOST_QUIET_MS = 30 * 1000 }; /* Three signs of life that did not come. */

static uint32_t random_of(const struct request *request) {
    uint32_t random = 0;
    world_random(loop_world(request->loop), &random, sizeof random);
    return random;
}

/* --- List ------------------------------------------------------------------------------------- */

/* The host that answers leads, whatever another one has left in its row. */
static struct err host_list_row(void *ctx, const void *row) {
    const struct page *page = ctx;
    struct host_row host = *(const struct host_row *)row;
    host.here = bytes_equal(page->request.bounds.host, host.place);
    host.role = host.here ? HOST_LEADER : HOST_STANDBY;
    return resource_list_row(ctx, &host);
}

static struct err host_list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct host_page what = {.after = part->from, .limit = part->limit};
    return tx_host_each(tx, &what, host_list_row, page);
}

const struct resource_handlers host_handlers = {.resource = &host_resource, .rows = host_list_rows};

/* --- Giving up -------------------------------------------------------------------------------- */

/* A host that was not looked at yet may live as well as one that was seen. */
static struct err quiet_check(const struct dispatch *dispatch, struct bytes place, const char *lost,
                              struct why *why) {
    int64_t quiet_ms = host_watch_quiet_ms(dispatch, place);
    if (quiet_ms >= HOST_QUIET_MS) {
        return ERR_OK;
    }
    return err_why(why, ERR_HOST_ALIVE,
                   "the host has been watched without a heartbeat for %lld s, and %d s are"
                   " needed: wait, or force it (--force), which makes %s",
                   (long long)(quiet_ms < 0 ? 0 : quiet_ms / 1000), HOST_QUIET_MS / 1000, lost);
}

/* First the host is found by a read, and judged on the loop; then its jobs are given up in a chain
 * of transactions, the last of which forgets the host. */
struct remove_op {
    struct request request;
    struct text place, name; /* Owned. */
    struct host_abandon what;
    struct host_abandoned page; /* The store function's. */
    int64_t lost;
};

/* Copies what outlives the transaction. */
static struct err text_keep(struct text *text, struct bytes bytes) {
    text_clear(text);
    text_add(text, bytes.data, bytes.len);
    return text_failed(text) ? err_make(ERR_OUT_OF_MEMORY, "hosts: find") : ERR_OK;
}

static struct err remove_find(struct tx *tx, void *ctx) {
    struct remove_op *remove = ctx;
    struct why *why = &remove->request.op.why;
    bool found = false;
    struct host_row host;
    struct err err =
        tx_host_find(tx, param_text(remove->request.op.exchange, "host"), &found, &host);
    if (err.code == ERR_CONFLICT) {
        why_set(why, "several hosts have that name: name one by its place");
    }
    if (!err_failed(err) && !found) {
        return err_why(why, ERR_NOT_FOUND, "there is no such host; 'drover host ls' lists them");
    }
    if (!err_failed(err)) {
        err = text_keep(&remove->place, host.place);
    }
    return err_failed(err) ? err : text_keep(&remove->name, host.name);
}

static void remove_found(struct err err, void *ctx) {
    struct remove_op *remove = ctx;
    struct request *request = &remove->request;
    struct why *why = &request->op.why;
    struct bytes place = text_bytes(&remove->place);
    if (!err_failed(err) && bytes_equal(request->bounds.host, place)) {
        err = err_why(why, ERR_CONFLICT, "this is the leader's own host: stop its jobs instead");
    }
    if (!err_failed(err) && !param_flag(request->op.exchange, "force")) {
        err = quiet_check(request->dispatch, place, "jobs lost that may live", why);
    }
    remove->what = (struct host_abandon){
        .place = place, .limit = HOST_ABANDON_PAGE, .random = random_of(request)};
    request_go(request, err);
}

static struct err host_remove_start(void *ctx) {
    struct remove_op *remove = ctx;
    if (remove->request.more) {
        request_go(&remove->request, ERR_OK);
        return ERR_OK;
    }
    request_text(&remove->request, &remove->place, OP_ANSWER_MAX / 4);
    request_text(&remove->request, &remove->name, OP_ANSWER_MAX / 4);
    store_read(remove->request.store, remove_find, remove_found, remove);
    return ERR_OK;
}

static struct err remove_page(struct tx *tx, void *ctx) {
    struct remove_op *remove = ctx;
    struct request *request = &remove->request;
    struct host_abandon what = remove->what;
    bool more = false;
    what.bounds = request->bounds;
    struct err err = tx_host_abandon(tx, &what, &remove->page);
    if (!err_failed(err) && remove->page.last == 0) {
        err = tx_host_remove(tx, what.place, &more);
    }
    request->more = more || remove->page.last != 0;
    text_add_char(&request->op.answer, '{');
    text_add_member(&request->op.answer, "place", text_bytes(&remove->place));
    text_add_member(&request->op.answer, "name", text_bytes(&remove->name));
    text_add_member_int(&request->op.answer, "runs", remove->lost + remove->page.ended);
    text_add_char(&request->op.answer, '}');
    return err;
}

static enum request_next remove_paged(void *ctx, struct err *io_result) {
    struct remove_op *remove = ctx;
    if (!err_failed(*io_result)) {
        remove->lost += remove->page.ended;
        remove->what.after = remove->page.last != 0 ? remove->page.last : remove->what.after;
    }
    return REQUEST_ANSWER;
}

static const struct request_kind removal = {
    .size = sizeof(struct remove_op),
    .writes = true,
    .later = true,
    .start = host_remove_start,
    .work = remove_page,
    .done = remove_paged,
};

/* --- One job ---------------------------------------------------------------------------------- */

struct abandon_op {
    struct request request;
    struct run_abandon what; /* The host is borrowed from `host`. */
    struct text host;        /* Owned. */
};

static struct err abandon_find(struct tx *tx, void *ctx) {
    struct abandon_op *abandon = ctx;
    struct run_row row = {0};
    struct err err = tx_run_abandon_find(tx, &abandon->what, &row, &abandon->request.op.why);
    if (err.code == ERR_NOT_FOUND && abandon->request.op.why.text[0] == '\0') {
        return runs__absent(abandon->request.key.id, &abandon->request.op.why);
    }
    return err_failed(err) ? err : text_keep(&abandon->host, row.host);
}

static void abandon_found(struct err err, void *ctx) {
    struct abandon_op *abandon = ctx;
    struct request *request = &abandon->request;
    abandon->what.host = text_bytes(&abandon->host);
    abandon->what.bounds = dispatch_bounds(request->dispatch);
    if (!err_failed(err) && !param_flag(request->op.exchange, "force")) {
        err = quiet_check(request->dispatch, abandon->what.host, "a job lost that may live",
                          &request->op.why);
    }
    request_go(request, err);
}

static struct err abandon_start(void *ctx) {
    struct abandon_op *abandon = ctx;
    request_text(&abandon->request, &abandon->host, OP_ANSWER_MAX / 4);
    abandon->what = (struct run_abandon){.key = runs__key_of(&abandon->request),
                                         .random = random_of(&abandon->request),
                                         .bounds = abandon->request.bounds};
    store_read(abandon->request.store, abandon_find, abandon_found, abandon);
    return ERR_OK;
}

static struct err abandon_work(struct tx *tx, void *ctx) {
    struct abandon_op *abandon = ctx;
    struct op *op = &abandon->request.op;
    struct run_row row = {0};
    struct err err = tx_run_abandon(tx, &abandon->what, &row, &op->why);
    if (err.code == ERR_NOT_FOUND) {
        return runs__absent(abandon->request.key.id, &op->why);
    }
    if (!err_failed(err)) {
        run_write_shown(tx, &row, &abandon->what.bounds, &op->answer);
    }
    return err;
}

const struct request_kind jobs__abandon = {
    .size = sizeof(struct abandon_op),
    .writes = true,
    .later = true,
    .one = &runs__one,
    .start = abandon_start,
    .work = abandon_work,
};

/* --- The table -------------------------------------------------------------------------------- */

/* No part of the path: places and names have slashes. */
static const struct query_param remove_query[] = {
    {QUERY("host", QUERY_TEXT, "Place or name of the host."), .required = true, .max = 8192},
    {QUERY("force", QUERY_FLAG, "Even if the host sent a heartbeat recently.")},
    {.name = NULL},
};

const struct route hosts_routes[] = {
    {ROUTE("DELETE", "/api/v1/hosts", SCOPE_ADMIN, "Remove a host that is gone; its jobs are lost"),
     .query = remove_query,
     .answer_schema = "{\"type\":\"object\",\"required\":[\"place\",\"runs\"],\"properties\":{"
                      "\"place\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},"
                      "\"runs\":{\"type\":\"integer\"}}}",
     .request = &removal},
    {.method = NULL},
};
