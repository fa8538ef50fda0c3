/* hosts.c: the hosts that share a database, and what a person does about one that is gone.
 *
 * The jobs of a host are given up in a chain of transactions, each durable by itself; the last one
 * forgets the host. A chain that a crash cut short has given up fewer: the client sends it again.
 */
#include <string.h>

#include "api/base/op.h"
#include "api/run/runs.h"
#include "base/memory.h"
#include "dispatch/host/parts.h"
#include "engine/host/hosts.h"
#include "loop/loop.h"

enum { LIST_Q = PAGE_OWNER, LIST_STATE, LIST_SINCE };
enum { REMOVE_HOST, REMOVE_FORCE };
enum { HOST_QUIET_MS = 30 * 1000 }; /* Three signs of life that did not come. */

static uint32_t random_of(const struct runs_api *api) {
    uint32_t random = 0;
    world_random(loop_world(api->loop), &random, sizeof random);
    return random;
}

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct bytes q, roles; /* Borrowed from the exchange. */
    int64_t since_ms;
    struct run_bounds bounds;
};

static bool is_ours(const struct run_bounds *bounds, struct bytes place) {
    return bytes_equal(bounds->host, place);
}

static struct err list_row(void *ctx, const struct host_row *host) {
    struct list_op *list = ctx;
    const char *role = is_ours(&list->bounds, host->place) ? "leader" : "standby";
    bool named = page_holds(host->name, list->q) || page_holds(host->place, list->q);
    if (!named || !page_names(list->roles, bytes_of(role)) || host->seen_ms < list->since_ms) {
        page_pass_number(&list->page, host->id);
        return ERR_OK;
    }
    if (!page_add_number(&list->page, host->id)) {
        return ERR_OK;
    }
    struct text *text = &list->page.op.answer;
    text_add_str(text, "{\"place\":");
    text_add_json(text, host->place.data, host->place.len);
    text_add_str(text, ",\"name\":");
    text_add_json(text, host->name.data, host->name.len);
    text_addf(text, ",\"role\":\"%s\",\"version\":", role);
    text_add_json(text, host->version.data, host->version.len);
    text_addf(text, ",\"here\":%s", is_ours(&list->bounds, host->place) ? "true" : "false");
    text_addf(text, ",\"runs\":%lld,\"made_ms\":%lld,\"seen_ms\":%lld}", (long long)host->runs,
              (long long)host->made_ms, (long long)host->seen_ms);
    return ERR_OK;
}

static struct err list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct host_page what = {.after = part->from, .limit = part->limit};
    return tx_host_each(tx, &what, list_row, CONTAINER_OF(page, struct list_op, page));
}

static void list(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.of = PAGE_OF_ALL};
    const struct runs_api *api = ctx;
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return;
    }
    struct list_op *list = mem_new(sizeof *list);
    page_init(&list->page, exchange, ask.limit);
    list->bounds = dispatch_bounds(api->dispatch);
    list->q = page_word(exchange, LIST_Q);
    list->roles = page_word(exchange, LIST_STATE);
    list->since_ms = exchange_query_int(exchange, LIST_SINCE);
    struct err err = page_words_check(list->roles, "role", "leader,standby", &list->page.op.why);
    if (err_failed(err)) {
        op_done(err, list);
        return;
    }
    page_list(&list->page, api->store, &ask, list_rows);
}

/* --- Remove ----------------------------------------------------------------------------------- */

struct remove_op {
    struct op op;
    struct runs_api *api;
    struct bytes word; /* Borrowed from the exchange. */
    bool force;
    struct text place, name; /* Owned. */
    struct host_abandon what;
    struct host_abandoned page; /* The store function's, as is the next one. */
    bool more;                  /* Its list of removals is longer. */
    int64_t lost;
};

static void remove_end(struct remove_op *remove, struct err err) {
    op_answer(&remove->op, err);
    text_done(&remove->place);
    text_done(&remove->name);
    mem_free(remove);
}

static struct err find_run(struct tx *tx, void *ctx) {
    struct remove_op *remove = ctx;
    op_restart(&remove->op);
    text_clear(&remove->place);
    text_clear(&remove->name);
    bool found = false;
    struct host_row host;
    struct err err = tx_host_find(tx, remove->word, &found, &host);
    if (err.code == ERR_CONFLICT) {
        why_set(&remove->op.why, "several hosts have that name: say the place of one of them");
    }
    if (!err_failed(err) && !found) {
        why_set(&remove->op.why, "there is no such host; drover host ls lists them");
        return err_make(ERR_NOT_FOUND, "hosts: find");
    }
    if (!err_failed(err)) {
        text_add(&remove->place, host.place.data, host.place.len);
        text_add(&remove->name, host.name.data, host.name.len);
        err = text_failed(&remove->place) || text_failed(&remove->name)
                  ? err_make(ERR_OUT_OF_MEMORY, "hosts: find")
                  : ERR_OK;
    }
    return err;
}

static struct err page_run(struct tx *tx, void *ctx) {
    struct remove_op *remove = ctx;
    op_restart(&remove->op);
    remove->more = false;
    struct err err = tx_host_abandon(tx, &remove->what, &remove->page);
    if (err_failed(err) || remove->page.last != 0) {
        return err;
    }
    err = tx_host_remove(tx, remove->what.place, &remove->more);
    if (err_failed(err) || remove->more) {
        return err;
    }
    struct text *text = &remove->op.answer;
    text_add_str(text, "{\"place\":");
    text_add_json(text, remove->place.data, remove->place.len);
    text_add_str(text, ",\"name\":");
    text_add_json(text, remove->name.data, remove->name.len);
    text_addf(text, ",\"runs\":%lld}", (long long)(remove->lost + remove->page.ended));
    return op_written(&remove->op);
}

static void page_done(struct err result, void *ctx) {
    struct remove_op *remove = ctx;
    if (err_failed(result) || (remove->page.last == 0 && !remove->more)) {
        remove_end(remove, result);
        return;
    }
    remove->lost += remove->page.ended;
    if (remove->page.last != 0) {
        remove->what.after = remove->page.last;
    }
    remove->what.bounds = dispatch_bounds(remove->api->dispatch);
    store_write(remove->api->store, page_run, page_done, remove);
}

/* A host that was not looked at yet may live as well as one that was seen. */
static struct err check_quiet(const struct dispatch *dispatch, struct bytes place, const char *lost,
                              struct why *why) {
    int64_t quiet_ms = host_watch_quiet_ms(dispatch, place);
    if (quiet_ms >= HOST_QUIET_MS) {
        return ERR_OK;
    }
    why_set(why,
            "the host has been watched without a sign of life for %lld s, and %d s are"
            " needed: wait, or force it (--force), which makes %s",
            (long long)(quiet_ms < 0 ? 0 : quiet_ms / 1000), HOST_QUIET_MS / 1000, lost);
    return err_make(ERR_HOST_ALIVE, "hosts: alive");
}

static struct err check_gone(struct remove_op *remove) {
    const struct dispatch *dispatch = remove->api->dispatch;
    const struct run_bounds bounds = dispatch_bounds(dispatch);
    struct bytes place = {remove->place.data, remove->place.len};
    if (is_ours(&bounds, place)) {
        why_set(&remove->op.why, "this is the leader's own host: stop its jobs instead");
        return err_make(ERR_CONFLICT, "hosts: own");
    }
    return remove->force ? ERR_OK
                         : check_quiet(dispatch, place, "jobs lost that may live", &remove->op.why);
}

static void find_done(struct err result, void *ctx) {
    struct remove_op *remove = ctx;
    if (!err_failed(result)) {
        result = check_gone(remove);
    }
    if (err_failed(result)) {
        remove_end(remove, result);
        return;
    }
    remove->what = (struct host_abandon){.place = {remove->place.data, remove->place.len},
                                         .limit = HOST_ABANDON_PAGE,
                                         .random = random_of(remove->api),
                                         .bounds = dispatch_bounds(remove->api->dispatch)};
    store_write(remove->api->store, page_run, page_done, remove);
}

static void host_remove(struct exchange *exchange, void *ctx) {
    struct runs_api *api = ctx;
    struct remove_op *remove = mem_new(sizeof *remove);
    op_init(&remove->op, exchange, 200);
    text_init(&remove->place, OP_ANSWER_MAX / 4);
    text_init(&remove->name, OP_ANSWER_MAX / 4);
    remove->api = api;
    remove->word = exchange_query_text(exchange, REMOVE_HOST);
    remove->force = exchange_query_int(exchange, REMOVE_FORCE) != 0;
    store_read(api->store, find_run, find_done, remove);
}

/* --- One job ---------------------------------------------------------------------------------- */

struct abandon_op {
    struct op op;
    const struct runs_api *api;
    struct run_abandon what; /* The key is borrowed from the exchange, the host from `host`. */
    struct text host;        /* Owned. */
    bool force;
};

static void abandon_end(struct err err, void *ctx) {
    struct abandon_op *abandon = ctx;
    op_answer(&abandon->op, err);
    text_done(&abandon->host);
    mem_free(abandon);
}

static struct err abandon_run(struct tx *tx, void *ctx) {
    struct abandon_op *abandon = ctx;
    op_restart(&abandon->op);
    struct run_row row = {0};
    struct err err = tx_run_abandon(tx, &abandon->what, &row, &abandon->op.why);
    if (err.code == ERR_NOT_FOUND) {
        return runs__absent(&abandon->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, &row, &abandon->what.bounds, &abandon->op.answer);
    return op_written(&abandon->op);
}

static struct err abandon_find(struct tx *tx, void *ctx) {
    struct abandon_op *abandon = ctx;
    op_restart(&abandon->op);
    text_clear(&abandon->host);
    struct run_row row = {0};
    struct err err = tx_run_abandon_find(tx, &abandon->what, &row, &abandon->op.why);
    if (err.code == ERR_NOT_FOUND) {
        return runs__absent(&abandon->op.why);
    }
    if (!err_failed(err)) {
        text_add(&abandon->host, row.host.data, row.host.len);
        err = text_failed(&abandon->host) ? err_make(ERR_OUT_OF_MEMORY, "hosts: abandon") : ERR_OK;
    }
    return err;
}

static void abandon_found(struct err err, void *ctx) {
    struct abandon_op *abandon = ctx;
    abandon->what.host = (struct bytes){abandon->host.data, abandon->host.len};
    if (!err_failed(err) && !abandon->force) {
        err = check_quiet(abandon->api->dispatch, abandon->what.host, "a job lost that may live",
                          &abandon->op.why);
    }
    if (err_failed(err)) {
        abandon_end(err, abandon);
        return;
    }
    abandon->what.bounds = dispatch_bounds(abandon->api->dispatch);
    store_write(abandon->api->store, abandon_run, abandon_end, abandon);
}

void jobs__abandon(struct exchange *exchange, void *ctx) {
    const struct runs_api *api = ctx;
    struct run_key key;
    if (!runs__key(exchange, RUN_OWNER, &key)) {
        return;
    }
    struct abandon_op *abandon = mem_new(sizeof *abandon);
    op_init(&abandon->op, exchange, 200);
    text_init(&abandon->host, OP_ANSWER_MAX / 4);
    abandon->api = api;
    abandon->force = exchange_query_int(exchange, ABANDON_FORCE) != 0;
    abandon->what = (struct run_abandon){
        .key = key, .random = random_of(api), .bounds = dispatch_bounds(api->dispatch)};
    store_read(api->store, abandon_find, abandon_found, abandon);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    [PAGE_AFTER] = PAGE_NUMBER_PARAM,
    PAGE_PARAMS,
    [LIST_Q] = PAGE_Q_PARAM("name or place"),
    [LIST_STATE] = PAGE_WORD_PARAM("role", "Only the leader, or the standbys."),
    [LIST_SINCE] = PAGE_SINCE_PARAM("seen"),
    {.name = NULL},
};

/* No part of the path: places and names have slashes. */
static const struct query_param remove_query[] = {
    [REMOVE_HOST] = {.name = "host",
                     .about = "Place or name of the host.",
                     .kind = QUERY_TEXT,
                     .required = true,
                     .max = 8192},
    [REMOVE_FORCE] = {.name = "force",
                      .about = "Also where the host gave a sign of life just now.",
                      .kind = QUERY_FLAG},
    {.name = NULL},
};

#define INT_SCHEMA "{\"type\":\"integer\"}"
#define TEXT_SCHEMA "{\"type\":\"string\"}"
#define HOST_SCHEMA                                                                                \
    "{\"type\":\"object\",\"required\":[\"place\",\"name\",\"role\"],\"properties\":{"             \
    "\"place\":" TEXT_SCHEMA ",\"name\":" TEXT_SCHEMA                                              \
    ",\"role\":{\"enum\":[\"leader\",\"standby\"]},"                                               \
    "\"version\":" TEXT_SCHEMA ",\"here\":{\"type\":\"boolean\"},\"runs\":" INT_SCHEMA             \
    ",\"made_ms\":" INT_SCHEMA ",\"seen_ms\":" INT_SCHEMA "}}"

static const char list_answer[] = PAGE_SCHEMA(HOST_SCHEMA);
static const char remove_answer[] =
    "{\"type\":\"object\",\"required\":[\"place\",\"runs\"],\"properties\":{\"place\":" TEXT_SCHEMA
    ",\"name\":" TEXT_SCHEMA ",\"runs\":" INT_SCHEMA "}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/hosts",
     .summary = "List the hosts that share the database",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer_schema = list_answer,
     .answer_status = 200,
     .handle = list},
    {.method = "DELETE",
     .path = "/api/v1/hosts",
     .summary = "Remove a host that is gone; its jobs are lost",
     .scope = SCOPE_ADMIN,
     .query = remove_query,
     .answer_schema = remove_answer,
     .answer_status = 200,
     .handle = host_remove},
};

struct route_table hosts_table(struct runs_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
