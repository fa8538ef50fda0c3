/* memory.c: lists, searches, days, one memory; keeping one, and forgetting it. */
#include "api/memory/memory.h"

#include <string.h>

#include "api/base/one.h"
#include "api/base/page.h"
#include "base/id.h"
#include "base/memory.h"
#include "engine/memory/memory.h"

enum { LIST_PROJECT = PAGE_OWN, LIST_TOPIC, LIST_SINCE, LIST_QUERY };
enum { ONE_OWNER };

static const struct one_kind kind = {.prefix = "mem", .absent = "there is no memory with that id"};

/* --- List, search, days ----------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct memory_scope scope; /* Borrowed from the exchange, as the query is. */
    struct bytes query;
    int64_t since_ms;
    bool total; /* Of a search. */
};

static void scope_read(const struct exchange *exchange, struct bytes owner,
                       struct memory_scope *ret_scope) {
    bool given = exchange_query_given(exchange, LIST_PROJECT);
    *ret_scope = (struct memory_scope){
        .owner = owner,
        .about = given ? MEMORY_ABOUT_PROJECT : MEMORY_ABOUT_ANY,
        .project = given ? exchange_query_text(exchange, LIST_PROJECT) : BYTES("")};
    if (exchange_query_given(exchange, LIST_TOPIC)) {
        ret_scope->topic = exchange_query_text(exchange, LIST_TOPIC);
    }
}

static struct list_op *list_new(struct exchange *exchange, struct page_ask *ret_ask) {
    static const struct page_form form = {.of = PAGE_OF_OWNER};
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return NULL;
    }
    struct list_op *list = mem_new(sizeof *list);
    page_init(&list->page, exchange, ask.limit);
    scope_read(exchange, ask.owner, &list->scope);
    *ret_ask = ask;
    return list;
}

static struct err list_row(void *ctx, const struct memory *memory) {
    struct list_op *list = ctx;
    if (memory->changed_ms < list->since_ms) {
        page_pass_number(&list->page, memory->key);
    } else if (page_add_number(&list->page, memory->key)) {
        memory_write_json(memory, &list->page.op.answer);
    }
    return ERR_OK;
}

static struct err list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct list_op *list = CONTAINER_OF(page, struct list_op, page);
    const struct memory_page what = {
        .scope = list->scope, .before = part->from, .limit = part->limit};
    return tx_memory_list(tx, &what, list_row, list);
}

/* The best come first: there is no page after them, and they are all that is counted. */
static struct err search_run(struct tx *tx, void *ctx) {
    struct list_op *list = ctx;
    struct memory_question question = {.scope = list->scope, .query = list->query};
    int64_t limit = page_begin(&list->page) - 1;
    question.limit = limit < MEMORY_RECALLED_MAX ? limit : MEMORY_RECALLED_MAX;
    struct err err = tx_memory_recall(tx, &question, list_row, list);
    page_end(&list->page, list->total ? list->page.now.rows : PAGE_NO_TOTAL);
    return err;
}

static void list(struct exchange *exchange, void *ctx) {
    const struct memories *memories = ctx;
    struct page_ask ask;
    struct list_op *list = list_new(exchange, &ask);
    if (list == NULL) {
        return;
    }
    list->total = ask.total;
    list->since_ms = exchange_query_int(exchange, LIST_SINCE);
    if (exchange_query_given(exchange, LIST_QUERY)) {
        list->query = exchange_query_text(exchange, LIST_QUERY);
        store_read(memories->store, search_run, op_done, list);
    } else {
        page_list(&list->page, memories->store, &ask, list_rows);
    }
}

static struct err day_row(void *ctx, const struct memory_day *day) {
    struct list_op *list = ctx;
    if (page_add_number(&list->page, day->day)) {
        memory_day_write_json(day, &list->page.op.answer);
    }
    return ERR_OK;
}

static struct err days_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct list_op *list = CONTAINER_OF(page, struct list_op, page);
    const struct memory_days what = {
        .scope = list->scope, .before = part->from, .limit = part->limit};
    return tx_memory_days(tx, &what, day_row, list);
}

static void days(struct exchange *exchange, void *ctx) {
    const struct memories *memories = ctx;
    struct page_ask ask;
    struct list_op *list = list_new(exchange, &ask);
    if (list != NULL) {
        page_list(&list->page, memories->store, &ask, days_rows);
    }
}

/* --- One memory ------------------------------------------------------------------------------- */

struct one_op {
    struct op op;
    struct memory_key key; /* Borrowed from the exchange. */
};

static struct one_op *one_new(struct exchange *exchange) {
    struct one_key key;
    if (!one_read(exchange, &kind, ONE_OWNER, &key)) {
        return NULL;
    }
    struct one_op *one = mem_new(sizeof *one);
    op_init(&one->op, exchange, 200);
    one->key = (struct memory_key){.owner = key.owner, .id = key.id};
    return one;
}

static struct err show_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    bool found = false;
    struct memory memory = {0};
    struct err err = tx_memory_find(tx, &one->key, &found, &memory);
    if (!err_failed(err) && !found) {
        return one_absent(&kind, &one->op.why);
    }
    if (!err_failed(err)) {
        memory_write_json(&memory, &one->op.answer);
    }
    return err;
}

static void show(struct exchange *exchange, void *ctx) {
    const struct memories *memories = ctx;
    struct one_op *one = one_new(exchange);
    if (one != NULL) {
        store_read(memories->store, show_run, op_done, one);
    }
}

static struct err forget_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    struct err err = tx_memory_forget(tx, &one->key);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&kind, &one->op.why);
    }
    text_add_str(&one->op.answer, "{\"id\":");
    text_add_json(&one->op.answer, one->key.id.data, one->key.id.len);
    text_add_char(&one->op.answer, '}');
    return err_failed(err) ? err : op_written(&one->op);
}

static void forget(struct exchange *exchange, void *ctx) {
    const struct memories *memories = ctx;
    struct one_op *one = one_new(exchange);
    if (one != NULL) {
        store_write(memories->store, forget_run, op_done, one);
    }
}

/* --- Keeping one ------------------------------------------------------------------------------ */

struct keep_op {
    struct op op;
    struct bytes owner; /* Borrowed from the exchange, like the texts of the memory. */
    struct memory memory;
    struct id id;
    struct text tags; /* Owned. */
};

static struct err keep_run(struct tx *tx, void *ctx) {
    struct keep_op *keep = ctx;
    op_restart(&keep->op);
    bool found = false;
    struct memory made = {0};
    struct memory_key key = {keep->owner, keep->memory.id};
    struct err err = tx_memory_add(tx, keep->owner, &keep->memory);
    if (err.code == ERR_TOO_MANY) {
        why_set(&keep->op.why, "there are %d memories already; forget some", MEMORY_ROWS_MAX);
    }
    if (!err_failed(err)) {
        err = tx_memory_find(tx, &key, &found, &made);
    }
    if (err_failed(err)) {
        return err;
    }
    assert(found);
    memory_write_json(&made, &keep->op.answer);
    return op_written(&keep->op);
}

static void keep_done(struct err result, void *ctx) {
    struct keep_op *keep = ctx;
    op_answer(&keep->op, result);
    text_done(&keep->tags);
    mem_free(keep);
}

static struct err body_read(const json_t *body, struct memory *ret_memory, struct text *tags,
                            struct why *why) {
    const char *project = "", *topic = NULL, *title = NULL, *content = NULL;
    json_t *list = NULL;
    const struct json_field fields[] = {
        {.name = "project", .kind = JSON_KIND_TEXT, .max = MEMORY_PROJECT_MAX, .text = &project},
        {.name = "topic",
         .kind = JSON_KIND_TEXT,
         .required = true,
         .min = 1,
         .max = MEMORY_TOPIC_MAX,
         .text = &topic},
        {.name = "title",
         .kind = JSON_KIND_TEXT,
         .required = true,
         .min = 1,
         .max = MEMORY_TITLE_MAX,
         .text = &title},
        {.name = "content",
         .kind = JSON_KIND_TEXT,
         .required = true,
         .min = 1,
         .max = MEMORY_CONTENT_MAX,
         .text = &content},
        {.name = "tags", .kind = JSON_KIND_TEXTS, .max = MEMORY_TAGS_MAX, .value = &list},
    };
    struct err err = json_read_fields(body, fields, COUNT_OF(fields), why);
    if (!err_failed(err)) {
        err = memory_tags_write(list, tags, why);
    }
    if (err_failed(err)) {
        return err;
    }
    *ret_memory = (struct memory){.project = bytes_of(project),
                                  .topic = bytes_of(topic),
                                  .title = bytes_of(title),
                                  .content = bytes_of(content),
                                  .tags = {tags->data, tags->len}};
    return memory_check(ret_memory, why);
}

static void keep(struct exchange *exchange, void *ctx) {
    const struct memories *memories = ctx;
    struct why why = {.text = ""};
    struct keep_op *keep = mem_new(sizeof *keep);
    text_init(&keep->tags, 8 * (size_t)MEMORY_TAGS_MAX * MEMORY_TAG_MAX);
    struct err err = op_owner(exchange, ONE_OWNER, &keep->owner, &why);
    if (!err_failed(err)) {
        err = body_read(exchange_json(exchange), &keep->memory, &keep->tags, &why);
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        text_done(&keep->tags);
        mem_free(keep);
        return;
    }
    const struct world *world = loop_world(memories->loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    keep->id = id_make("mem", world_wall_ms(world), random);
    keep->memory.id = bytes_of(keep->id.text);
    op_init(&keep->op, exchange, 201);
    store_write(memories->store, keep_run, keep_done, keep);
}

/* --- The table -------------------------------------------------------------------------------- */

#define OWNER_PARAM                                                                                \
    {                                                                                              \
        .name = "owner", .about = "Another owner's memories (scope admin).", .kind = QUERY_TEXT,   \
        .max = 64                                                                                  \
    }
#define SCOPE_PARAMS                                                                               \
    [PAGE_AFTER] = PAGE_NUMBER_PARAM, PAGE_PARAMS, [PAGE_OWNER] = OWNER_PARAM,                     \
    [LIST_PROJECT] = {.name = "project",                                                           \
                      .about = "Of this project, and those about everything; \"\": only these.",   \
                      .kind = QUERY_TEXT,                                                          \
                      .max = MEMORY_PROJECT_MAX},                                                  \
    [LIST_TOPIC] = {                                                                               \
        .name = "topic", .about = "Of this topic.", .kind = QUERY_TEXT, .max = MEMORY_TOPIC_MAX}

static const struct query_param list_query[] = {
    SCOPE_PARAMS,
    [LIST_SINCE] = PAGE_SINCE_PARAM("kept or changed"),
    [LIST_QUERY] = {.name = "q",
                    .about = "Words to look for: the best 20 at most come first.",
                    .kind = QUERY_TEXT,
                    .max = MEMORY_QUERY_MAX},
    {.name = NULL},
};
static const struct query_param days_query[] = {SCOPE_PARAMS, {.name = NULL}};
static const struct query_param one_query[] = {[ONE_OWNER] = OWNER_PARAM, {.name = NULL}};

#define MEMORY_SCHEMA                                                                              \
    "{\"type\":\"object\",\"required\":[\"id\",\"scope\",\"topic\",\"title\",\"content\","         \
    "\"tags\",\"day\"],\"properties\":{\"id\":{\"type\":\"string\"},\"scope\":{\"enum\":["         \
    "\"global\",\"project\"]},\"day\":{\"type\":\"string\"}}}"
static const char list_answer[] = PAGE_SCHEMA(MEMORY_SCHEMA);
static const char days_answer[] =
    PAGE_SCHEMA("{\"type\":\"object\",\"properties\":{\"day\":{\"type\":\"string\"},"
                "\"count\":{\"type\":\"integer\"}}}");
static const char keep_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"topic\",\"title\","
    "\"content\"],\"properties\":{\"project\":{\"type\":\"string\"},\"topic\":{\"type\":"
    "\"string\"},\"title\":{\"type\":\"string\"},\"content\":{\"type\":\"string\"},"
    "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/memory",
     .summary = "List what agents remember, newest first; or search it",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer_schema = list_answer,
     .answer_status = 200,
     .handle = list},
    {.method = "POST",
     .path = "/api/v1/memory",
     .summary = "Keep something for agents to remember",
     .scope = SCOPE_RUN,
     .has_body = true,
     .query = one_query,
     .body_schema = keep_body,
     .answer_schema = MEMORY_SCHEMA,
     .answer_status = 201,
     .handle = keep},
    {.method = "GET",
     .path = "/api/v1/memory/daily",
     .summary = "Count the memories of each day, newest first",
     .scope = SCOPE_READ,
     .query = days_query,
     .answer_schema = days_answer,
     .answer_status = 200,
     .handle = days},
    {.method = "GET",
     .path = "/api/v1/memory/{id}",
     .summary = "Show a memory",
     .scope = SCOPE_READ,
     .query = one_query,
     .answer_schema = MEMORY_SCHEMA,
     .answer_status = 200,
     .handle = show},
    {.method = "DELETE",
     .path = "/api/v1/memory/{id}",
     .summary = "Forget a memory",
     .scope = SCOPE_RUN,
     .query = one_query,
     .answer_schema = "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"}}}",
     .answer_status = 200,
     .handle = forget},
};

struct route_table memory_table(struct memories *memories) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = memories};
}
