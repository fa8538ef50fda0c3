/* system.c: what a client may want to know before it does anything. */
#include "api/system/system.h"

#include <string.h>

#include "api/base/op.h"
#include "api/system/damage.h"
#include "engine/token/token.h"

static void version(struct exchange *exchange, void *ctx) {
    const struct system_info *info = ctx;
    const struct identity *identity = exchange_identity(exchange);
    struct op op;
    op_init(&op, exchange, 200);
    text_addf(&op.answer, "{\"name\":\"drover\",\"version\":\"%s\",\"database\":\"%s\"",
              info->version, info->database);
    text_addf(&op.answer, ",\"epoch\":%lld,\"owner\":", (long long)store_epoch(info->store));
    text_add_json(&op.answer, identity->owner, strlen(identity->owner));
    text_add_str(&op.answer,
                 dispatch_held(info->dispatch) == RUN_HELD ? ",\"held\":true" : ",\"held\":false");
    text_addf(&op.answer, ",\"jobs_max\":%lld,\"connections_max\":%u", (long long)info->jobs_max,
              info->connections_max);
    text_add_str(&op.answer, ",\"scopes\":[");
    const char *comma = "";
    for (unsigned i = 0; i < TOKEN_SCOPES; i++) {
        if ((identity->scopes & (1U << i)) != 0) {
            text_addf(&op.answer, "%s\"%s\"", comma, token_scope_name(i));
            comma = ",";
        }
    }
    text_add_str(&op.answer, "]}");
    op_answer(&op, ERR_OK);
}

static const char version_answer[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
    "\"version\":{\"type\":\"string\"},\"database\":{\"enum\":[\"sqlite\",\"postgres\"]},"
    "\"epoch\":{\"type\":\"integer\"},\"held\":{\"type\":\"boolean\"},\"owner\":{\"type\":"
    "\"string\"},\"jobs_max\":{\"type\":\"integer\"},\"connections_max\":{\"type\":\"integer\"},"
    "\"scopes\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/version",
     .summary = "Version of the daemon, and who the token says you are",
     .scope = SCOPE_READ,
     .answer_schema = version_answer,
     .answer_status = 200,
     .handle = version},
    {.method = "GET",
     .path = "/api/v1/damage",
     .summary = "Search the database for damaged rows",
     .scope = SCOPE_ADMIN,
     .query = damage_query,
     .answer_schema = damage_answer,
     .answer_status = 200,
     .handle = damage_list},
    {.method = "GET",
     .path = "/api/v1/damage/folders",
     .summary = "Compare folders of the spool with the database",
     .scope = SCOPE_ADMIN,
     .query = damage_folders_query,
     .answer_schema = damage_folders_answer,
     .answer_status = 200,
     .handle = damage_folders_list},
};

struct route_table system_table(struct system_info *info) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = info};
}
