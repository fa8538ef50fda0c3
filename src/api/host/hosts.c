/* hosts.c: the hosts that share a database, and what a person does about one that is gone. */
#include <string.h>

#include "api/base/page.h"
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

struct list_op {
    struct page page;
    struct run_bounds bounds;
};

/* A host as the list shows it. */
struct host_shown {
    struct host_row row;
    bool here;
    const char *role;
};
#define AT(member) .at = offsetof(struct host_shown, member)
static const char *const role_names[] = {"leader", "standby", NULL};
static const struct field host_rows[] = {
    {.name = "place", .kind = FIELD_TEXT, AT(row.place), .required = true},
    {.name = "name", .kind = FIELD_TEXT, AT(row.name), .required = true},
    {.name = "role", .kind = FIELD_CHARS, AT(role), .names = role_names, .required = true},
    {.name = "version", .kind = FIELD_TEXT, AT(row.version)},
    {.name = "here", .kind = FIELD_BOOL, AT(here)},
    {.name = "runs", .kind = FIELD_INT, AT(row.runs)},
    {.name = "made_ms", .kind = FIELD_INT, AT(row.made_ms)},
    {.name = "seen_ms", .kind = FIELD_INT, AT(row.seen_ms)},
};
static const struct field_set host_fields = {FIELD_ROWS(host_rows), .use = FIELD_LISTED};

static struct err host_list_row(void *ctx, const struct host_row *host) {
    struct list_op *list = ctx;
    struct page *page = &list->page;
    bool here = bytes_equal(list->bounds.host, host->place);
    const struct host_shown shown = {.row = *host, .here = here, .role = role_names[here ? 0 : 1]};
    bool fits = (page_holds(page, host->name) || page_holds(page, host->place)) &&
                page_is(page, "role", bytes_of(shown.role)) && page_since(page, host->seen_ms);
    if (page_row_number(page, host->id, fits)) {
        fields_write(&host_fields, FIELD_LISTED, &shown, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err host_list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct host_page what = {.after = part->from, .limit = part->limit};
    return tx_host_each(tx, &what, host_list_row, PAGE_OF(page, struct list_op));
}

static struct err host_list_read(void *ctx) {
    struct list_op *list = ctx;
    const struct runs_api *api = list->page.request.api;
    list->bounds = dispatch_bounds(api->dispatch);
    return ERR_OK;
}

static const struct page_kind list = {
    .request = {.size = sizeof(struct list_op), .read = host_list_read}, .rows = host_list_rows};

/* --- Giving up -------------------------------------------------------------------------------- */

/* A host that was not looked at yet may live as well as one that was seen. */
static struct err quiet_check(const struct dispatch *dispatch, struct bytes place, const char *lost,
                              struct why *why) {
    int64_t quiet_ms = host_watch_quiet_ms(dispatch, place);
    if (quiet_ms >= HOST_QUIET_MS) {
        return ERR_OK;
    }
    return err_why(why, ERR_HOST_ALIVE,
                   "the host has been watched without a sign of life for %lld s, and %d s are"
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

static struct err host_remove_start(void *ctx) {
    struct remove_op *remove = ctx;
    text_init(&remove->place, OP_ANSWER_MAX / 4);
    text_init(&remove->name, OP_ANSWER_MAX / 4);
    return ERR_OK;
}

static struct err remove_find(struct tx *tx, void *ctx) {
    struct remove_op *remove = ctx;
    struct why *why = &remove->request.op.why;
    bool found = false;
    struct host_row host;
    struct err err =
        tx_host_find(tx, param_text(remove->request.op.exchange, "host"), &found, &host);
    if (err.code == ERR_CONFLICT) {
        why_set(why, "several hosts have that name: say the place of one of them");
    }
    if (!err_failed(err) && !found) {
        return err_why(why, ERR_NOT_FOUND, "there is no such host; drover host ls lists them");
    }
    if (!err_failed(err)) {
        err = text_keep(&remove->place, host.place);
    }
    return err_failed(err) ? err : text_keep(&remove->name, host.name);
}

static struct err remove_page(struct tx *tx, void *ctx) {
    struct remove_op *remove = ctx;
    struct op *op = &remove->request.op;
    bool more = false;
    op_restart(op);
    struct err err = tx_host_abandon(tx, &remove->what, &remove->page);
    if (!err_failed(err) && remove->page.last == 0) {
        err = tx_host_remove(tx, remove->what.place, &more);
    }
    remove->request.more = more || remove->page.last != 0;
    if (err_failed(err) || remove->request.more) {
        return err;
    }
    text_add_char(&op->answer, '{');
    text_add_member(&op->answer, "place", text_bytes(&remove->place));
    text_add_member(&op->answer, "name", text_bytes(&remove->name));
    text_add_member_int(&op->answer, "runs", remove->lost + remove->page.ended);
    text_add_char(&op->answer, '}');
    return op_written(op);
}

static void remove_paged(struct err result, void *ctx) {
    struct remove_op *remove = ctx;
    const struct runs_api *api = remove->request.api;
    if (err_failed(result) || !remove->request.more) {
        request_answer(&remove->request, result);
        return;
    }
    remove->lost += remove->page.ended;
    if (remove->page.last != 0) {
        remove->what.after = remove->page.last;
    }
    remove->what.bounds = dispatch_bounds(api->dispatch);
    store_write(remove->request.store, remove_page, remove_paged, remove);
}

static enum request_next remove_found(void *ctx, struct err *io_result) {
    struct remove_op *remove = ctx;
    const struct runs_api *api = remove->request.api;
    struct why *why = &remove->request.op.why;
    const struct run_bounds bounds = dispatch_bounds(api->dispatch);
    struct bytes place = text_bytes(&remove->place);
    if (!err_failed(*io_result) && bytes_equal(bounds.host, place)) {
        why_set(why, "this is the leader's own host: stop its jobs instead");
        *io_result = err_make(ERR_CONFLICT, "hosts: own");
    }
    if (!err_failed(*io_result) && !param_flag(remove->request.op.exchange, "force")) {
        *io_result = quiet_check(api->dispatch, place, "jobs lost that may live", why);
    }
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    remove->what = (struct host_abandon){.place = place,
                                         .limit = HOST_ABANDON_PAGE,
                                         .random = random_of(&remove->request),
                                         .bounds = bounds};
    store_write(remove->request.store, remove_page, remove_paged, remove);
    return REQUEST_LATER;
}

static void host_remove_end(void *ctx, struct err result) {
    struct remove_op *remove = ctx;
    text_done(&remove->place);
    text_done(&remove->name);
}

static const struct request_kind removal = {
    .size = sizeof(struct remove_op),
    .start = host_remove_start,
    .work = remove_find,
    .done = remove_found,
    .end = host_remove_end,
};

/* --- One job ---------------------------------------------------------------------------------- */

struct abandon_op {
    struct request request;
    struct run_abandon what; /* The host is borrowed from `host`. */
    struct text host;        /* Owned. */
};

static struct err abandon_start(void *ctx) {
    struct abandon_op *abandon = ctx;
    const struct runs_api *api = abandon->request.api;
    text_init(&abandon->host, OP_ANSWER_MAX / 4);
    abandon->what = (struct run_abandon){.key = runs__key_of(&abandon->request),
                                         .random = random_of(&abandon->request),
                                         .bounds = dispatch_bounds(api->dispatch)};
    return ERR_OK;
}

static struct err abandon_find(struct tx *tx, void *ctx) {
    struct abandon_op *abandon = ctx;
    struct run_row row = {0};
    struct err err = tx_run_abandon_find(tx, &abandon->what, &row, &abandon->request.op.why);
    return err_failed(err) ? err : text_keep(&abandon->host, row.host);
}

static struct err abandon_write(struct tx *tx, void *ctx) {
    struct abandon_op *abandon = ctx;
    struct op *op = &abandon->request.op;
    struct run_row row = {0};
    op_restart(op);
    struct err err = tx_run_abandon(tx, &abandon->what, &row, &op->why);
    if (err.code == ERR_NOT_FOUND) {
        return runs__absent(&op->why);
    }
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, &row, &abandon->what.bounds, &op->answer);
    return op_written(op);
}

static void abandon_written(struct err result, void *ctx) {
    request_answer(ctx, result);
}

static enum request_next abandon_found(void *ctx, struct err *io_result) {
    struct abandon_op *abandon = ctx;
    const struct runs_api *api = abandon->request.api;
    abandon->what.host = text_bytes(&abandon->host);
    if (!err_failed(*io_result) && !param_flag(abandon->request.op.exchange, "force")) {
        *io_result = quiet_check(api->dispatch, abandon->what.host, "a job lost that may live",
                                 &abandon->request.op.why);
    }
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    abandon->what.bounds = dispatch_bounds(api->dispatch);
    store_write(abandon->request.store, abandon_write, abandon_written, abandon);
    return REQUEST_LATER;
}

static void abandon_end(void *ctx, struct err result) {
    struct abandon_op *abandon = ctx;
    text_done(&abandon->host);
}

const struct request_kind jobs__abandon = {
    .size = sizeof(struct abandon_op),
    .one = &runs__one,
    .start = abandon_start,
    .work = abandon_find,
    .done = abandon_found,
    .end = abandon_end,
};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    PAGE_PARAMS(PAGE_NUMBER),
    PAGE_Q_PARAM("name or place"),
    PAGE_WORDS_PARAM("role", "Only the leader, or the standbys.", "leader,standby"),
    PAGE_SINCE_PARAM("seen"),
    {.name = NULL},
};

/* No part of the path: places and names have slashes. */
static const struct query_param remove_query[] = {
    {.name = "host",
     .about = "Place or name of the host.",
     .kind = QUERY_TEXT,
     .required = true,
     .max = 8192},
    {.name = "force",
     .about = "Also where the host gave a sign of life just now.",
     .kind = QUERY_FLAG},
    {.name = NULL},
};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/hosts",
     .summary = "List the hosts that share the database",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer = {.fields = &host_fields, .use = FIELD_LISTED, .page = true},
     .page = &list},
    {.method = "DELETE",
     .path = "/api/v1/hosts",
     .summary = "Remove a host that is gone; its jobs are lost",
     .scope = SCOPE_ADMIN,
     .query = remove_query,
     .answer_schema = "{\"type\":\"object\",\"required\":[\"place\",\"runs\"],\"properties\":{"
                      "\"place\":{\"type\":\"string\"},\"name\":{\"type\":\"string\"},"
                      "\"runs\":{\"type\":\"integer\"}}}",
     .request = &removal},
};

struct route_table hosts_table(struct runs_api *api) {
    return (struct route_table){
        .routes = routes, .count = COUNT_OF(routes), .ctx = api, .handle = runs__handle};
}
