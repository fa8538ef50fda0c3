/* streams.c: the routes of streams, in one table. */
#include "api/stream/streams.h"

#include "http/stream/websocket.h"
#include "journal/journal.h"

bool streams__name(struct exchange *exchange, enum streams_use use, struct bytes *ret_name) {
    struct bytes name = exchange_param(exchange, 0);
    struct why why;
    if (!stream_name_valid(name)) {
        why_set(&why,
                "stream: a name is 1 to %d of A-Z, a-z, 0-9 and . _ : @ ~ -, neither '.' "
                "nor '..'",
                STREAM_NAME_MAX);
        op_refuse(exchange, err_make(ERR_BAD_FIELD, "streams: name"), &why);
        return false;
    }
    if (use == STREAMS_USE_WRITE && stream_name_reserved(name)) {
        why_set(&why, "stream: names that begin with session:, run: or project:, and system, are "
                      "written by drover alone");
        op_refuse(exchange, err_make(ERR_STREAM_RESERVED, "streams: name"), &why);
        return false;
    }
    *ret_name = name;
    return true;
}

static void websocket(struct exchange *exchange, void *ctx) {
    struct streams *streams = ctx;
    exchange_upgrade_websocket(exchange, streams->hub);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param read_query[] = {
    [READ_AFTER] = {.name = "after",
                    .about = "Cursor: the seq of the last event that is known; -1: only new ones.",
                    .kind = QUERY_INT,
                    .min = -1,
                    .max = INT64_MAX},
    [READ_LIMIT] = {.name = "limit",
                    .about = "Events on a page.",
                    .kind = QUERY_INT,
                    .min = 1,
                    .max = READ_LIMIT_MAX,
                    .absent = READ_LIMIT_DEFAULT},
    [READ_WAIT] = {.name = "wait",
                   .about = "Seconds to wait for an event when there is none (long-poll).",
                   .kind = QUERY_INT,
                   .min = 0,
                   .max = READ_WAIT_MAX_S},
    [READ_SNAPSHOT] = {.name = "snapshot",
                       .about = "Begin with a snapshot in any case.",
                       .kind = QUERY_FLAG},
    [READ_OWNER] = OP_OWNER_PARAM("Another owner's stream"),
    {.name = NULL},
};

static const struct query_param list_query[] = {
    [PAGE_AFTER] = PAGE_AFTER_PARAM(STREAM_NAME_MAX),
    PAGE_PARAMS,
    [PAGE_OWNER] = OP_OWNER_PARAM("Another owner's streams"),
    [LIST_Q] = PAGE_Q_PARAM("name"),
    [LIST_SINCE] = PAGE_SINCE_PARAM("made"),
    {.name = NULL},
};

static const struct query_param show_query[] = {
    [SHOW_OWNER] = OP_OWNER_PARAM("Another owner's stream"),
    {.name = NULL},
};

static const struct query_param prune_query[] = {
    [PRUNE_THROUGH] = {.name = "through",
                       .about = "The last event to remove; all before it go too.",
                       .kind = QUERY_INT,
                       .required = true,
                       .min = 1,
                       .max = INT64_MAX},
    {.name = NULL},
};

#define INT_SCHEMA "{\"type\":\"integer\"}"
#define NAME_SCHEMA "{\"type\":\"string\"}"

static const char append_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"type\"],\"properties\":{"
    "\"type\":{\"type\":\"string\",\"pattern\":\"^[a-z][a-z0-9_.-]{0,63}$\"},\"data\":{}}}";

static const char append_answer[] =
    "{\"type\":\"object\",\"required\":[\"stream\",\"seq\",\"at_ms\"],\"properties\":{"
    "\"stream\":" NAME_SCHEMA ",\"seq\":" INT_SCHEMA ",\"at_ms\":" INT_SCHEMA "}}";

static const char read_answer[] =
    "{\"type\":\"object\",\"required\":[\"events\",\"head\",\"floor\"],\"properties\":{"
    "\"snapshot\":{\"type\":\"object\"},\"snapshot_seq\":" INT_SCHEMA
    ",\"events\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
    "\"required\":[\"seq\",\"at_ms\",\"type\",\"data\"],\"properties\":{\"seq\":" INT_SCHEMA
    ",\"at_ms\":" INT_SCHEMA ",\"type\":" NAME_SCHEMA ",\"data\":{}}}},\"head\":" INT_SCHEMA
    ",\"floor\":" INT_SCHEMA "}}";

#define ROW_PROPERTIES                                                                             \
    "\"stream\":" NAME_SCHEMA ",\"head\":" INT_SCHEMA ",\"floor\":" INT_SCHEMA                     \
    ",\"made_ms\":" INT_SCHEMA

static const char list_answer[] =
    PAGE_SCHEMA("{\"type\":\"object\",\"properties\":{" ROW_PROPERTIES "}}");

static const char show_answer[] = "{\"type\":\"object\",\"properties\":{" ROW_PROPERTIES
                                  ",\"keep_events\":" INT_SCHEMA ",\"keep_ms\":" INT_SCHEMA "}}";

static const char keep_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"keep_events\":{\"type\":\"integer\",\"minimum\":0},"
    "\"keep_ms\":{\"type\":\"integer\",\"minimum\":0}}}";

static const char prune_answer[] =
    "{\"type\":\"object\",\"required\":[\"stream\",\"head\",\"floor\"],\"properties\":{"
    "\"stream\":" NAME_SCHEMA ",\"head\":" INT_SCHEMA ",\"floor\":" INT_SCHEMA "}}";

static const struct route routes[] = {
    {.method = "POST",
     .path = "/api/v1/streams/{id}/events",
     .summary = "Append an event; the answer means that it is on disk",
     .scope = SCOPE_RUN,
     .has_body = true,
     .idempotent_key = true,
     .body_schema = append_body,
     .answer_schema = append_answer,
     .answer_status = 201,
     .handle = streams__append},
    {.method = "GET",
     .path = "/api/v1/streams/{id}/events",
     .summary = "Read events; waits with ?wait=, follows with Accept: text/event-stream",
     .scope = SCOPE_READ,
     .query = read_query,
     .answer_schema = read_answer,
     .answer_status = 200,
     .stream_media = "text/event-stream",
     .handle = streams__read},
    {.method = "DELETE",
     .path = "/api/v1/streams/{id}/events",
     .summary = "Prune the events up to ?through=",
     .scope = SCOPE_RUN,
     .query = prune_query,
     .answer_schema = prune_answer,
     .answer_status = 200,
     .handle = streams__prune},
    {.method = "GET",
     .path = "/api/v1/streams",
     .summary = "List the streams",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer_schema = list_answer,
     .answer_status = 200,
     .handle = streams__list},
    {.method = "GET",
     .path = "/api/v1/streams/{id}",
     .summary = "Show a stream",
     .scope = SCOPE_READ,
     .query = show_query,
     .answer_schema = show_answer,
     .answer_status = 200,
     .handle = streams__show},
    {.method = "PATCH",
     .path = "/api/v1/streams/{id}",
     .summary = "Set how long a stream keeps its events; 0 keeps them for ever",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body_schema = keep_body,
     .answer_schema = show_answer,
     .answer_status = 200,
     .handle = streams__keep},
    {.method = "GET",
     .path = "/api/v1/ws",
     .summary = "Follow many streams over one WebSocket",
     .scope = SCOPE_READ,
     .answer_status = 101,
     .handle = websocket},
};

struct route_table streams_table(struct streams *streams) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = streams};
}
