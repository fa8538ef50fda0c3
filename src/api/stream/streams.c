/* streams.c: the routes of streams, in one table. */
#include "api/stream/streams.h"

#include "http/stream/websocket.h"
#include "journal/journal.h"

enum streams_use { USE_READ, USE_WRITE };

/* False: the name of the path was refused. */
static bool name_check(struct exchange *exchange, enum streams_use use) {
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
    if (use == USE_WRITE && stream_name_reserved(name)) {
        why_set(&why, "stream: names that begin with session:, run: or project:, and system, are "
                      "written by drover alone");
        op_refuse(exchange, err_make(ERR_STREAM_RESERVED, "streams: name"), &why);
        return false;
    }
    return true;
}

static void list_handle(struct exchange *exchange, void *ctx) {
    const struct streams *streams = ctx;
    request_take(exchange, (struct request_host){ctx, streams->loop, streams->store});
}

static void read_handle(struct exchange *exchange, void *ctx) {
    if (name_check(exchange, USE_READ)) {
        list_handle(exchange, ctx);
    }
}

static void write_handle(struct exchange *exchange, void *ctx) {
    if (name_check(exchange, USE_WRITE)) {
        list_handle(exchange, ctx);
    }
}

static void events_handle(struct exchange *exchange, void *ctx) {
    if (!exchange_accepts(exchange, "text/event-stream")) {
        read_handle(exchange, ctx);
    } else if (name_check(exchange, USE_READ)) {
        streams__follow(exchange, ctx);
    }
}

static void websocket(struct exchange *exchange, void *ctx) {
    struct streams *streams = ctx;
    exchange_upgrade_websocket(exchange, streams->hub);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param read_query[] = {
    {.name = "after",
     .about = "Cursor: the seq of the last event that is known; -1: only new ones.",
     .kind = QUERY_INT,
     .min = -1,
     .max = INT64_MAX},
    {.name = "limit",
     .about = "Events on a page.",
     .kind = QUERY_INT,
     .min = 1,
     .max = READ_LIMIT_MAX,
     .absent = READ_LIMIT_DEFAULT},
    {.name = "wait",
     .about = "Seconds to wait for an event when there is none (long-poll).",
     .kind = QUERY_INT,
     .min = 0,
     .max = READ_WAIT_MAX_S},
    {.name = "snapshot", .about = "Begin with a snapshot in any case.", .kind = QUERY_FLAG},
    OP_OWNER_PARAM("Another owner's stream"),
    {.name = NULL},
};

static const struct query_param list_query[] = {
    PAGE_PARAMS(STREAM_NAME_MAX),
    OP_OWNER_PARAM("Another owner's streams"),
    PAGE_Q_PARAM("name"),
    PAGE_SINCE_PARAM("made"),
    {.name = NULL},
};

static const struct query_param prune_query[] = {
    {.name = "through",
     .about = "The last event to remove; all before it go too.",
     .kind = QUERY_INT,
     .required = true,
     .min = 1,
     .max = INT64_MAX},
    {.name = NULL},
};

#define INT_SCHEMA "{\"type\":\"integer\"}"
#define NAME_SCHEMA "{\"type\":\"string\"}"

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
     .body = {.fields = &streams__append_fields, .use = FIELD_GIVEN},
     .answer_schema = append_answer,
     .answer_status = 201,
     .handle = write_handle,
     .request = &streams__append},
    {.method = "GET",
     .path = "/api/v1/streams/{id}/events",
     .summary = "Read events; waits with ?wait=, follows with Accept: text/event-stream",
     .scope = SCOPE_READ,
     .query = read_query,
     .answer_schema = read_answer,
     .stream_media = "text/event-stream",
     .handle = events_handle,
     .request = &streams__read},
    {.method = "DELETE",
     .path = "/api/v1/streams/{id}/events",
     .summary = "Prune the events up to ?through=",
     .scope = SCOPE_RUN,
     .query = prune_query,
     .answer_schema = prune_answer,
     .handle = write_handle,
     .request = &streams__prune},
    {.method = "GET",
     .path = "/api/v1/streams",
     .summary = "List the streams",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer = {.fields = &streams__fields, .use = FIELD_LISTED, .page = true},
     .handle = list_handle,
     .page = &streams__list},
    {.method = "GET",
     .path = "/api/v1/streams/{id}",
     .summary = "Show a stream",
     .scope = SCOPE_READ,
     .query = OP_OWNER_QUERY("Another owner's stream"),
     .answer = {.fields = &streams__fields, .use = FIELD_LISTED | FIELD_WHOLE},
     .handle = read_handle,
     .request = &streams__show},
    {.method = "PATCH",
     .path = "/api/v1/streams/{id}",
     .summary = "Set how long a stream keeps its events; 0 keeps them for ever",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body = {.fields = &streams__keep_fields, .use = FIELD_CHANGED},
     .answer = {.fields = &streams__fields, .use = FIELD_LISTED | FIELD_WHOLE},
     .handle = write_handle,
     .request = &streams__keep},
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
