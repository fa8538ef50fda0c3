/* agents.c: programs that are agents: the list, and one of them. Definitions are read again for
 * each request, since they are files of the project and of the user. */
#include "api/agent/agents.h"

#include <stdlib.h>

#include "agent/find.h"

static bool name_valid(struct bytes name) {
    return name.len > 0 && name.len <= AGENT_NAME_MAX;
}
static const struct one_kind agent_one = {.valid = name_valid, .noun = "agent"};

struct agents_op {
    struct request request;
    struct text path, root; /* Owned: PATH of the client, and the project's folder. */
    size_t count;
};

static struct err agents_read(void *ctx) {
    struct agents_op *op = ctx;
    const struct exchange *exchange = op->request.op.exchange;
    const struct bytes root = param_text(exchange, "root");
    op->path = client_variable(exchange, "PATH");
    text_init(&op->root, 4096);
    text_add(&op->root, root.data, root.len);
    return root.len == 0 || root.data[0] == '/'
               ? ERR_OK
               : err_why(&op->request.op.why, ERR_BAD_FIELD, "root: must be an absolute path");
}

static struct agent_search search_of(const struct agents_op *op) {
    const struct agents_api *api = op->request.api;
    return (struct agent_search){.root = op->root.len > 0 ? op->root.data : NULL,
                                 .home = api->home,
                                 .path = op->path.len > 0 ? op->path.data : getenv("PATH")};
}

static void agent_add(void *ctx, const struct agent_seen *seen) {
    struct agents_op *op = ctx;
    text_add_str(&op->request.op.answer, op->count++ > 0 ? "," : "");
    agent_seen_write(seen, &op->request.op.answer);
}

static struct err list_pool(void *ctx) {
    struct agents_op *op = ctx;
    const struct agent_search search = search_of(op);
    text_add_str(&op->request.op.answer, "{\"items\":[");
    agent_each(&search, agent_add, op);
    text_add_str(&op->request.op.answer, "],\"next\":null}");
    return ERR_OK;
}

static struct err show_pool(void *ctx) {
    struct agents_op *op = ctx;
    const struct agent_search search = search_of(op);
    const struct bytes name = op->request.key.id;
    return agent_find(&search, name, agent_add, op)
               ? ERR_OK
               : err_why(&op->request.op.why, ERR_NOT_FOUND,
                         "there is no agent '%.*s'; 'drover agent ls' lists them", (int)name.len,
                         name.data);
}

static void agents_end(void *ctx, struct err result) {
    struct agents_op *op = ctx;
    text_done(&op->path);
    text_done(&op->root);
}

static const struct request_kind list = {
    .size = sizeof(struct agents_op), .read = agents_read, .pool = list_pool, .end = agents_end};
static const struct request_kind show = {.size = sizeof(struct agents_op),
                                         .one = &agent_one,
                                         .read = agents_read,
                                         .pool = show_pool,
                                         .end = agents_end};

static const struct query_param query[] = {
    {.name = "root",
     .about = "Folder of the project, whose .drover/agents count, too.",
     .kind = QUERY_TEXT,
     .max = 4095},
    {.name = NULL},
};

#define AGENT_SCHEMA                                                                               \
    "{\"type\":\"object\",\"required\":[\"name\",\"kind\",\"found\",\"state\",\"from\",\"may\"],"  \
    "\"properties\":{\"name\":{\"type\":\"string\"},\"kind\":{\"enum\":[\"cli\"]},"                \
    "\"found\":{\"type\":\"boolean\"},\"state\":{\"enum\":[\"ready\",\"missing\",\"broken\"]}}}"
static const char list_answer[] = "{\"type\":\"object\",\"required\":[\"items\",\"next\"],"
                                  "\"properties\":{\"items\":{\"type\":\"array\","
                                  "\"items\":" AGENT_SCHEMA "}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/agents",
     .summary = "List programs that are agents, and whether they are installed",
     .scope = SCOPE_READ,
     .query = query,
     .answer_schema = list_answer,
     .request = &list},
    {.method = "GET",
     .path = "/api/v1/agents/{name}",
     .summary = "Show one of them",
     .scope = SCOPE_READ,
     .query = query,
     .answer_schema = AGENT_SCHEMA,
     .request = &show},
};

struct route_table agents_table(struct agents_api *api) {
    return (struct route_table){
        .routes = routes, .count = COUNT_OF(routes), .handle = request_handle, .ctx = api};
}
