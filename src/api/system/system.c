/* system.c: what a client may want to know before it does anything. */
#include "api/system/system.h"

#include <string.h>

#include "api/system/damage.h"
#include "engine/token/token.h"

static struct err version_start(void *ctx) {
    struct request *request = ctx;
    const struct system_info *info = request->api;
    const struct identity *identity = exchange_identity(request->op.exchange);
    struct text *text = &request->op.answer;
    text_add_char(text, '{');
    text_add_member(text, "name", BYTES("drover"));
    text_add_member(text, "version", bytes_of(info->version));
    text_add_member(text, "database", bytes_of(info->database));
    text_add_member_int(text, "epoch", store_epoch(info->store));
    text_add_member(text, "owner", bytes_of(identity->owner));
    text_add_member_bool(text, "held", dispatch_held(info->dispatch) == RUN_HELD);
    text_add_member_int(text, "jobs_max", info->jobs_max);
    text_add_member_int(text, "connections_max", info->connections_max);
    const struct token token = {.scopes = identity->scopes};
    fields_add_one(&token_fields, "scopes", &token, text);
    text_add_char(text, '}');
    return ERR_OK;
}

static const struct request_kind version = {.start = version_start};

static void system_handle(struct exchange *exchange, void *ctx) {
    const struct system_info *info = ctx;
    request_take(exchange, (struct request_host){.api = ctx, .store = info->store});
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
     .request = &version},
    {.method = "GET",
     .path = "/api/v1/damage",
     .summary = "Search the database for damaged rows",
     .scope = SCOPE_ADMIN,
     .query = damage_query,
     .answer_schema = damage_answer,
     .request = &damage_list},
    {.method = "GET",
     .path = "/api/v1/damage/folders",
     .summary = "Compare folders of the spool with the database",
     .scope = SCOPE_ADMIN,
     .query = damage_folders_query,
     .answer_schema = damage_folders_answer,
     .request = &damage_folders_list},
};

struct route_table system_table(struct system_info *info) {
    return (struct route_table){
        .routes = routes, .count = COUNT_OF(routes), .ctx = info, .handle = system_handle};
}
