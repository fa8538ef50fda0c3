/* memory.c: lists, searches, days, one memory; keeping one, and forgetting it. */
#include "api/memory/memory.h"

#include "api/base/page.h"
#include "engine/memory/memory.h"

static const struct one_kind memory_one = {.prefix = "mem", .noun = "memory"};

/* --- List, search, days ----------------------------------------------------------------------- */

static struct memory_scope scope_of(const struct page *page) {
    const struct exchange *exchange = page->request.op.exchange;
    bool given = param_given(exchange, "project");
    return (struct memory_scope){.owner = page->request.key.owner,
                                 .about = given ? MEMORY_ABOUT_PROJECT : MEMORY_ABOUT_ANY,
                                 .project = param_text(exchange, "project"),
                                 .topic = param_text(exchange, "topic")};
}

static struct err memory_list_row(void *ctx, const struct memory *memory) {
    struct page *page = ctx;
    if (page_row_number(page, memory->key, page_since(page, memory->changed_ms))) {
        memory_write_json(memory, &page->request.op.answer);
    }
    return ERR_OK;
}

/* The best of a search come first: no page follows them, and they alone are counted. */
static struct err memory_list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct memory_page what = {
        .scope = scope_of(page), .before = part->from, .limit = part->limit};
    const struct memory_question question = {
        .scope = what.scope,
        .query = param_text(page->request.op.exchange, "q"),
        .limit = page->limit < MEMORY_RECALLED_MAX ? page->limit : MEMORY_RECALLED_MAX};
    return param_given(page->request.op.exchange, "q")
               ? tx_memory_recall(tx, &question, memory_list_row, page)
               : tx_memory_list(tx, &what, memory_list_row, page);
}

static struct err day_row(void *ctx, const struct memory_day *day) {
    struct page *page = ctx;
    if (page_add_number(page, day->day)) {
        memory_day_write_json(day, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err day_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct memory_days what = {
        .scope = scope_of(page), .before = part->from, .limit = part->limit};
    return tx_memory_days(tx, &what, day_row, page);
}

static const struct page_kind list = {.rows = memory_list_rows}, days = {.rows = day_rows};

/* --- One memory ------------------------------------------------------------------------------- */

static struct err memory_show_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct memory_key key = {.owner = request->key.owner, .id = request->key.id};
    bool found = false;
    struct memory memory = {0};
    struct err err = tx_memory_find(tx, &key, &found, &memory);
    if (err_failed(err) || !found) {
        return request_absent(request, err);
    }
    memory_write_json(&memory, &request->op.answer);
    return ERR_OK;
}

static struct err forget_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct memory_key key = {.owner = request->key.owner, .id = request->key.id};
    struct err err = tx_memory_forget(tx, &key);
    text_add_char(&request->op.answer, '{');
    text_add_member(&request->op.answer, "id", key.id);
    text_add_char(&request->op.answer, '}');
    return err;
}

static const struct request_kind show = {.one = &memory_one, .work = memory_show_work};
static const struct request_kind forget = {.writes = true, .one = &memory_one, .work = forget_work};

/* --- Keeping one ------------------------------------------------------------------------------ */

struct keep_op {
    struct request request;
    struct memory memory; /* Texts are borrowed from the exchange, and from below. */
    json_t *tags_given;
    struct id id;
    struct text tags; /* Owned. */
};

#define AT(member) .at = offsetof(struct keep_op, member)
static const struct field keep_rows[] = {
    {.name = "project", .kind = FIELD_TEXT, AT(memory.project), .max = MEMORY_PROJECT_MAX},
    {.name = "topic",
     .kind = FIELD_TEXT,
     AT(memory.topic),
     .required = true,
     .min = 1,
     .max = MEMORY_TOPIC_MAX},
    {.name = "title",
     .kind = FIELD_TEXT,
     AT(memory.title),
     .required = true,
     .min = 1,
     .max = MEMORY_TITLE_MAX},
    {.name = "content",
     .kind = FIELD_TEXT,
     AT(memory.content),
     .required = true,
     .min = 1,
     .max = MEMORY_CONTENT_MAX},
    {.name = "tags", .kind = FIELD_TEXTS, AT(tags_given), .max = MEMORY_TAGS_MAX},
};
static const struct field_set keep_fields = {FIELD_ROWS(keep_rows), .use = FIELD_GIVEN};

static struct err keep_read(void *ctx) {
    struct keep_op *keep = ctx;
    struct memory *memory = &keep->memory;
    struct why *why = &keep->request.op.why;
    text_init(&keep->tags, 8 * (size_t)MEMORY_TAGS_MAX * MEMORY_TAG_MAX);
    struct err err = memory_tags_write(keep->tags_given, &keep->tags, why);
    memory->tags = text_bytes(&keep->tags);
    if (memory->project.data == NULL) {
        memory->project = BYTES("");
    }
    return err_failed(err) ? err : memory_check(memory, why);
}

static struct err keep_start(void *ctx) {
    struct keep_op *keep = ctx;
    keep->id = request_new_id(&keep->request, "mem");
    keep->memory.id = bytes_of(keep->id.text);
    return ERR_OK;
}

static struct err keep_work(struct tx *tx, void *ctx) {
    struct keep_op *keep = ctx;
    const struct memory_key key = {keep->request.key.owner, keep->memory.id};
    bool found = false;
    struct memory made = {0};
    struct err err = tx_memory_add(tx, key.owner, &keep->memory);
    if (err.code == ERR_TOO_MANY) {
        why_set(&keep->request.op.why, "there are %d memories already; forget some",
                MEMORY_ROWS_MAX);
    }
    if (!err_failed(err)) {
        err = tx_memory_find(tx, &key, &found, &made);
    }
    if (!err_failed(err)) {
        assert(found);
        memory_write_json(&made, &keep->request.op.answer);
    }
    return err;
}

static void keep_end(void *ctx, struct err result) {
    struct keep_op *keep = ctx;
    text_done(&keep->tags);
}

static const struct request_kind keep = {
    .size = sizeof(struct keep_op),
    .writes = true,
    .fields = &keep_fields,
    .read = keep_read,
    .start = keep_start,
    .work = keep_work,
    .end = keep_end,
};

/* --- The table -------------------------------------------------------------------------------- */

#define SCOPE_PARAMS                                                                               \
    PAGE_PARAMS(PAGE_NUMBER), OP_OWNER_PARAM("Another owner's memories"),                          \
        {.name = "project",                                                                        \
         .about = "Of this project, and those about everything; \"\": only these.",                \
         .kind = QUERY_TEXT,                                                                       \
         .max = MEMORY_PROJECT_MAX},                                                               \
    {                                                                                              \
        .name = "topic", .about = "Of this topic.", .kind = QUERY_TEXT, .max = MEMORY_TOPIC_MAX    \
    }

static const struct query_param list_query[] = {
    SCOPE_PARAMS,
    PAGE_SINCE_PARAM("kept or changed"),
    {.name = "q",
     .about = "Words to look for: the best 20 at most come first.",
     .kind = QUERY_TEXT,
     .max = MEMORY_QUERY_MAX},
    {.name = NULL},
};
static const struct query_param days_query[] = {SCOPE_PARAMS, {.name = NULL}};
#define MEMORY_QUERY OP_OWNER_QUERY("Another owner's memories")

#define MEMORY_SCHEMA                                                                              \
    "{\"type\":\"object\",\"required\":[\"id\",\"scope\",\"topic\",\"title\",\"content\","         \
    "\"tags\",\"day\"],\"properties\":{\"id\":{\"type\":\"string\"},\"scope\":{\"enum\":["         \
    "\"global\",\"project\"]},\"day\":{\"type\":\"string\"}}}"
static const char list_answer[] = PAGE_SCHEMA(MEMORY_SCHEMA);
static const char days_answer[] =
    PAGE_SCHEMA("{\"type\":\"object\",\"properties\":{\"day\":{\"type\":\"string\"},"
                "\"count\":{\"type\":\"integer\"}}}");

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/memory",
     .summary = "List what agents remember, newest first; or search it",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer_schema = list_answer,
     .page = &list},
    {.method = "POST",
     .path = "/api/v1/memory",
     .summary = "Store a memory for agents",
     .scope = SCOPE_RUN,
     .has_body = true,
     .query = MEMORY_QUERY,
     .body = {.fields = &keep_fields, .use = FIELD_GIVEN, .loose = true},
     .answer_schema = MEMORY_SCHEMA,
     .answer_status = 201,
     .request = &keep},
    {.method = "GET",
     .path = "/api/v1/memory/daily",
     .summary = "Count the memories of each day, newest first",
     .scope = SCOPE_READ,
     .query = days_query,
     .answer_schema = days_answer,
     .page = &days},
    {.method = "GET",
     .path = "/api/v1/memory/{id}",
     .summary = "Show a memory",
     .scope = SCOPE_READ,
     .query = MEMORY_QUERY,
     .answer_schema = MEMORY_SCHEMA,
     .request = &show},
    {.method = "DELETE",
     .path = "/api/v1/memory/{id}",
     .summary = "Delete a memory",
     .scope = SCOPE_RUN,
     .query = MEMORY_QUERY,
     .answer_schema = "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"}}}",
     .request = &forget},
};

struct route_table memory_table(struct request_host *host) {
    return (struct route_table){routes, COUNT_OF(routes), host, request_handle};
}
