/* memory.c: additions to the list of memories: a search, the days, the topics. */
#include "api/memory/memory.h"

#include "base/memory.h"
#include "engine/memory/memory.h"

static struct memory_scope scope_of(const struct page *page) {
    const struct exchange *exchange = page->request.op.exchange;
    bool given = param_given(exchange, "project");
    return (struct memory_scope){.owner = page->request.key.owner,
                                 .about = given ? MEMORY_ABOUT_PROJECT : MEMORY_ABOUT_ANY,
                                 .project = param_text(exchange, "project"),
                                 .topic = param_text(exchange, "topic")};
}

/* The best of a search come first: no page follows them, and they alone are counted. */
static struct err search_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    if (!param_given(page->request.op.exchange, "q")) {
        return resource_list_rows(tx, page, part);
    }
    const struct memory_question question = {
        .scope = scope_of(page),
        .query = param_text(page->request.op.exchange, "q"),
        .limit = page->limit < MEMORY_RECALLED_MAX ? page->limit : MEMORY_RECALLED_MAX};
    return tx_memory_recall(tx, &question, resource_list_row, page);
}

static const struct query_param search[] = {
    {QUERY("q", QUERY_TEXT, "Words to look for: the best 20 at most come first."),
     .max = MEMORY_QUERY_MAX},
    {.name = NULL},
};
const struct resource_handlers memory_handlers = {
    .resource = &memory_resource, .rows = search_rows, .query = search};

/* --- Days ------------------------------------------------------------------------------------- */

static struct err day_row(void *ctx, const void *row) {
    struct page *page = ctx;
    const struct memory_day *day = row;
    if (page_add_number(page, day->day)) {
        fields_write(&memory_day_fields, FIELD_LISTED, day, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err day_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct memory_days what = {
        .scope = scope_of(page), .before = part->from, .limit = part->limit};
    return tx_memory_days(tx, &what, day_row, page);
}

static const struct page_kind days = {.rows = day_rows};

static const struct query_param days_query[] = {
    PAGE_PARAMS(PAGE_NUMBER),
    OP_OWNER_PARAM("Another owner's memories"),
    {QUERY("project", QUERY_TEXT,
           "Only those of this project, and general ones; '': general ones alone."),
     .max = MEMORY_PROJECT_MAX},
    {QUERY("topic", QUERY_TEXT, "Only those of this topic."), .max = MEMORY_TOPIC_MAX},
    {.name = NULL},
};

/* --- Topics ----------------------------------------------------------------------------------- */

static bool topic_valid(struct bytes cursor) {
    return cursor.len > 0 && cursor.len <= MEMORY_TOPIC_MAX;
}

static struct err topic_row(void *ctx, const void *row) {
    struct page *page = ctx;
    const struct memory_topic *topic = row;
    if (page_add(page, topic->topic)) {
        fields_write(&memory_topic_fields, FIELD_LISTED, topic, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err topic_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct exchange *exchange = page->request.op.exchange;
    const bool given = param_given(exchange, "project");
    const struct memory_topics what = {
        .scope = {.owner = page->request.key.owner,
                  .about = given ? MEMORY_ABOUT_PROJECT : MEMORY_ABOUT_ANY,
                  .project = param_text(exchange, "project")},
        .after = part->after,
        .limit = part->limit};
    return tx_memory_topics(tx, &what, topic_row, page);
}

static const struct page_kind topics = {.valid = topic_valid, .rows = topic_rows};

static const struct query_param topics_query[] = {
    PAGE_PARAMS(MEMORY_TOPIC_MAX),
    OP_OWNER_PARAM("Another owner's memories"),
    {QUERY("project", QUERY_TEXT,
           "Only those of this project, and general ones; '': general ones alone."),
     .max = MEMORY_PROJECT_MAX},
    {.name = NULL},
};

const struct route memory_routes[] = {
    {ROUTE("GET", "/api/v1/memory/daily", SCOPE_READ,
           "Count the memories of each day, newest first"),
     .query = days_query,
     .answer = {.fields = &memory_day_fields, .use = FIELD_LISTED, .page = true}, .page = &days},
    {ROUTE("GET", "/api/v1/memory/topics", SCOPE_READ, "Count the memories of each topic"),
     .query = topics_query,
     .answer = {.fields = &memory_topic_fields, .use = FIELD_LISTED, .page = true},
     .page = &topics},
    {.method = NULL},
};
