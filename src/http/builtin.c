/* builtin.c: the addresses that every daemon has, whatever it does. openapi.json is derived from
 * the routes: what is not in a route's row is not in the document, and nothing in a row is left
 * out. */
#include <inttypes.h>
#include <string.h>

#include "engine/token/token.h"
#include "http/inside.h"
#include "http/metrics.h"

enum { SMALL_MAX = 4096, METRICS_MAX = 256 << 10, OPENAPI_MAX = 1 << 20 };

/* --- Metrics ---------------------------------------------------------------------------------- */

void metrics_add(struct text *text, const struct metric *metrics, size_t count) {
    static const char total[] = "_total";
    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = &metrics[i];
        const size_t len = strlen(metric->name), tail = sizeof total - 1;
        const bool counts = len > tail && strcmp(metric->name + len - tail, total) == 0;
        text_addf(text, "# HELP drover_%s %s\n# TYPE drover_%s %s\ndrover_%s %" PRIu64 "\n",
                  metric->name, metric->help, metric->name, counts ? "counter" : "gauge",
                  metric->name, metric->value);
    }
}

static void metrics(struct exchange *exchange, void *ctx) {
    const struct http_server *server = ctx;
    AUTO(text_done) struct text text = text_up_to(METRICS_MAX);
    const struct http_options *options = &server->options;
    struct bytes version = bytes_of(options->version);
    struct http_stats stats;
    http_get_stats(server, &stats);
    /* Values of labels are escaped as in JSON, but for the quotes around them. */
    text_add_str(&text, "# HELP drover_build_info The version that runs; always 1.\n"
                        "# TYPE drover_build_info gauge\ndrover_build_info{version=");
    text_add_json(&text, version.data, version.len);
    text_add_str(&text, "} 1\n");
    const struct metric of_server[] = {
        {"http_connections", "Open connections.", stats.connections},
        {"http_sse_streams", "Open SSE streams.", stats.streams_sse},
        {"http_websockets", "Open WebSockets.", stats.streams_websocket},
        {"http_requests_in_flight", "Requests without an answer yet.", stats.requests_in_flight},
        {"http_unread_bytes", "Bytes of answers that wait for their clients.", stats.unread_bytes},
        {"http_connections_accepted_total", "Connections accepted.", stats.accepted},
        {"http_connections_refused_total", "Connections refused by a limit.", stats.refused},
        {"http_requests_total", "Requests read whole.", stats.requests},
        {"http_protocol_errors_total", "Requests that were not valid HTTP.", stats.protocol_errors},
        {"http_timeouts_total", "Clients that were too slow.", stats.timeouts},
        {"http_received_bytes_total", "Bytes received.", stats.bytes_read},
        {"http_sent_bytes_total", "Bytes sent.", stats.bytes_written},
        {"loop_slow_turns_total", "Turns of the loop over 2 ms of CPU.",
         loop_slow_turns(server->loop)},
    };
    metrics_add(&text, of_server, COUNT_OF(of_server));
    text_add_str(&text, "# HELP drover_http_responses_total Responses by class of status.\n"
                        "# TYPE drover_http_responses_total counter\n");
    for (int i = 2; i <= 5; i++) {
        text_addf(&text, "drover_http_responses_total{class=\"%dxx\"} %" PRIu64 "\n", i,
                  stats.answers[i]);
    }
    if (options->hub != NULL) {
        struct hub_stats hub;
        hub_get_stats(options->hub, &hub);
        const struct metric of_hub[] = {
            {"hub_events_total", "Events delivered to the hub.", hub.events},
            {"hub_pieces_total", "Pieces pulled by subscribers.", hub.pieces_pulled},
            {"hub_pages_total", "Pages read from the store to catch up.", hub.pages_read},
            {"hub_streams", "Streams held in memory.", hub.streams},
            {"hub_subscribers", "Subscribers.", hub.subscribers},
            {"hub_ring_bytes", "Bytes in the rings of all streams.", hub.ring_bytes},
        };
        metrics_add(&text, of_hub, COUNT_OF(of_hub));
    }
    if (options->metrics != NULL) {
        options->metrics(options->ctx, &text);
    }
    exchange_reply(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

/* --- openapi.json ----------------------------------------------------------------------------- */

/* Begins the next element of an array. */
static void add_element(struct text *text, const char *begin) {
    text_add_str(text, text->data != NULL && text->data[text->len - 1] == '[' ? "" : ",");
    text_add_str(text, begin);
}

static void add_query_schema(struct text *text, const struct query_param *param) {
    switch (param->kind) {
    case QUERY_TEXT:
        text_add_str(text, "{\"type\":\"string\"");
        if (param->max > 0) {
            text_add_member_int(text, "maxLength", param->max);
        }
        break;
    case QUERY_INT:
        text_addf(text, "{\"type\":\"integer\",\"minimum\":%" PRId64 ",\"maximum\":%" PRId64,
                  param->min, param->max);
        if (!param->required) {
            text_add_member_int(text, "default", param->absent);
        }
        break;
    case QUERY_FLAG:
        text_addf(text, "{\"type\":\"integer\",\"enum\":[0,1],\"default\":%" PRId64, param->absent);
        break;
    }
    text_add_char(text, '}');
}

static void add_params(struct text *text, const struct route *route) {
    text_add_str(text, ",\"parameters\":[");
    for (const char *at = strchr(route->path, '{'); at != NULL; at = strchr(at + 1, '{')) {
        add_element(text, "{\"in\":\"path\"");
        text_add_member(text, "name", (struct bytes){at + 1, strcspn(at + 1, "}")});
        text_add_str(text, ",\"required\":true,\"schema\":{\"type\":\"string\"}}");
    }
    for (const struct query_param *at = route->query; at != NULL && at->name != NULL; at++) {
        add_element(text, "{\"in\":\"query\"");
        text_add_member(text, "name", bytes_of(at->name));
        text_add_member(text, "description", bytes_of(at->about));
        text_add_str(text, at->required ? ",\"required\":true,\"schema\":" : ",\"schema\":");
        add_query_schema(text, at);
        text_add_char(text, '}');
    }
    if (route->idempotent_key) {
        add_element(text, "{\"in\":\"header\",\"name\":\"Idempotency-Key\",\"schema\":"
                          "{\"type\":\"string\"},\"description\":"
                          "\"The same key and request get the stored answer again\"}");
    }
    text_add_char(text, ']');
}

static void add_shape(struct text *text, const struct field_shape *shape, const char *schema) {
    if (shape->fields != NULL) {
        fields_schema(shape, text);
    } else {
        text_add_str(text, schema == NULL ? "{}" : schema);
    }
}

static void add_route(struct text *text, const struct http_server *server,
                      const struct route *route) {
    text_add_char(text, '"');
    for (const char *at = route->method; *at != '\0'; at++) {
        text_add_char(text, (char)(*at | 0x20));
    }
    text_add_str(text, "\":{");
    text_add_member(text, "summary", bytes_of(route->summary));
    add_params(text, route);
    if (route->has_body) {
        size_t size_max = route->body_max == 0 ? server->limits.body_bytes_max : route->body_max;
        text_addf(text,
                  ",\"requestBody\":{\"required\":%s,\"description\":\"At most %zu bytes\","
                  "\"content\":{\"%s\":{\"schema\":",
                  route->body_optional ? "false" : "true", size_max,
                  route->body_media == NULL ? "application/json" : route->body_media);
        add_shape(text, &route->body, route->body_schema);
        text_add_str(text, "}}}");
    }
    text_addf(text, ",\"responses\":{\"%d\":{\"description\":\"Success\"", route_status(route));
    if (route->answer.fields != NULL || route->answer_schema != NULL) {
        text_addf(text, ",\"content\":{\"%s\":{\"schema\":",
                  route->answer_media == NULL ? "application/json" : route->answer_media);
        add_shape(text, &route->answer, route->answer_schema);
        text_add_char(text, '}');
        if (route->stream_media != NULL) {
            text_addf(text, ",\"%s\":{\"schema\":{\"type\":\"string\"}}", route->stream_media);
        }
        text_add_char(text, '}');
    }
    text_add_str(text, "},\"default\":{\"$ref\":\"#/components/responses/problem\"}}");
    text_add_str(text, route->scope == 0 ? ",\"security\":[" : ",\"security\":[{\"token\":[");
    for (unsigned i = 0; i < TOKEN_SCOPES; i++) {
        if ((route->scope & (1U << i)) != 0) {
            add_element(text, "\"");
            text_addf(text, "%s\"", token_scope_names[i]);
        }
    }
    text_add_str(text, route->scope == 0 ? "]}" : "]}]}");
}

static void openapi_write(const struct http_server *server, struct text *text) {
    const char *version = server->options.version;
    const struct http_limits *limits = &server->limits;
    text_add_str(text, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"drover\"");
    text_add_member(text, "version", bytes_of(version == NULL ? "0" : version));
    text_add_str(text, "},\"paths\":{");
    for (size_t r = 0; r < server->router.count; r++) {
        const struct router_row *row = &server->router.rows[r];
        text_add_name(text, row->entries[0].route->path);
        text_add_char(text, '{');
        for (unsigned i = 0; i < row->entry_count; i++) {
            text_add_str(text, i == 0 ? "" : ",");
            add_route(text, server, row->entries[i].route);
        }
        text_add_char(text, '}');
    }
    text_addf(text,
              "},\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\","
              "\"scheme\":\"bearer\"}},\"responses\":{\"problem\":{\"description\":"
              "\"A refusal; 'code' is stable\",\"content\":{\"%s\":{\"schema\":%s}}}}},",
              PROBLEM_MEDIA, problem_schema);
    text_addf(
        text,
        "\"x-limits\":{\"connections\":%zu,\"connectionsPerAddress\":%zu,"
        "\"requestsInFlight\":%zu,\"headers\":%zu,\"headerBytes\":%zu,\"urlBytes\":%zu,"
        "\"bodyBytes\":%zu,\"bodiesBytes\":%zu,\"answersBytes\":%zu,\"headMs\":%zu,\"bodyMs\":"
        "%zu,\"idleMs\":%zu,\"writeMs\":%zu,\"heartbeatMs\":%zu,\"subscriptionsPerSocket\":"
        "%zu}",
        limits->connections_max, limits->per_address_max, limits->pipeline_max, limits->headers_max,
        limits->head_bytes_max, limits->url_bytes_max, limits->body_bytes_max,
        limits->bodies_bytes_max, limits->answers_bytes_max, limits->head_ms, limits->body_ms,
        limits->idle_ms, limits->write_ms, limits->heartbeat_ms, limits->subscriptions_max);
    text_add_str(text, ",\"x-codes\":{");
    for (enum err_code code = ERR_NONE + 1; code < ERR_CODES; code++) {
        text_add_name(text, err_name(code));
        text_addf(text, "{\"status\":%d", err_http_status(code));
        text_add_member(text, "title", bytes_of(err_title(code)));
        text_add_char(text, '}');
    }
    text_add_str(text, "}}");
}

/* --- Routes ----------------------------------------------------------------------------------- */

static void healthz(struct exchange *exchange, void *ctx) {
    const struct http_server *server = ctx;
    AUTO(text_done) struct text text = text_up_to(SMALL_MAX);
    text_add_str(&text, "{\"status\":\"ok\"");
    text_add_member(&text, "version", bytes_of(server->options.version));
    text_add_char(&text, '}');
    exchange_reply(exchange, 200, "application/json", &text);
}

static void readyz(struct exchange *exchange, void *ctx) {
    const struct http_server *server = ctx;
    const struct http_options *options = &server->options;
    struct why why = {0};
    struct err err = ERR_OK;
    if (server->state >= SERVER_DRAINING) {
        err = err_make(ERR_CLOSING, "http: ready");
    } else if (options->ready != NULL) {
        err = options->ready(options->ctx, &why);
    }
    if (err_failed(err)) {
        exchange_problem(exchange, err, &why);
        return;
    }
    AUTO(text_done) struct text text = text_up_to(SMALL_MAX);
    text_add_str(&text, "{\"status\":\"ready\"");
    if (options->status != NULL) {
        options->status(options->ctx, &text);
    }
    text_add_char(&text, '}');
    exchange_reply(exchange, 200, "application/json", &text);
}

static void openapi(struct exchange *exchange, void *ctx) {
    AUTO(text_done) struct text text = text_up_to(OPENAPI_MAX);
    openapi_write(ctx, &text);
    exchange_reply(exchange, 200, "application/json", &text);
}

#define STATUS_SCHEMA                                                                              \
    "{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{"                              \
    "\"status\":{\"type\":\"string\"},\"version\":{\"type\":\"string\"}}}"

#define READY_SCHEMA                                                                               \
    "{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{"                              \
    "\"status\":{\"type\":\"string\"},\"failed_starts\":{\"type\":\"integer\"},"                   \
    "\"last_runs\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"                          \
    "\"damaged\":{\"type\":\"integer\"},"                                                          \
    "\"missing\":{\"type\":\"integer\"},\"unknown_folders\":{\"type\":\"integer\"},"               \
    "\"abandoned\":{\"type\":\"integer\"},"                                                        \
    "\"missing_at_ms\":{\"type\":\"integer\"},\"mark_errors\":{\"type\":\"integer\"},"             \
    "\"pages\":{\"type\":\"object\",\"required\":[\"port\",\"taken\"],\"properties\":{"            \
    "\"port\":{\"type\":\"integer\"},\"taken\":{\"type\":\"boolean\"}}},"                          \
    "\"descriptors\":{\"type\":\"object\",\"required\":[\"used\",\"limit\",\"waiting_since_ms\"]," \
    "\"properties\":{"                                                                             \
    "\"used\":{\"type\":[\"integer\",\"null\"]},\"limit\":{\"type\":[\"integer\",\"null\"]},"      \
    "\"waiting_since_ms\":{\"type\":[\"integer\",\"null\"]}}},"                                    \
    "\"disk\":{\"type\":\"object\",\"required\":[\"level\",\"bytes\",\"limit\",\"free_bytes\"],"   \
    "\"properties\":{"                                                                             \
    "\"level\":{\"enum\":[\"ok\",\"warning\",\"urgent\",\"full\"]},"                               \
    "\"bytes\":{\"type\":[\"integer\",\"null\"]},\"limit\":{\"type\":[\"integer\",\"null\"]},"     \
    "\"free_bytes\":{\"type\":[\"integer\",\"null\"]}}}}}"

const struct route builtin_routes[] = {
    {.method = "GET",
     .path = "/healthz",
     .summary = "Says that the daemon lives",
     .answer_schema = STATUS_SCHEMA,
     .answer_status = 200,
     .handle = healthz},
    {.method = "GET",
     .path = "/readyz",
     .summary = "Says whether the daemon takes work: 503 without its database, in shutdown or when "
                "work is stuck",
     .answer_schema = READY_SCHEMA,
     .answer_status = 200,
     .handle = readyz},
    {ROUTE("GET", "/metrics", SCOPE_READ, "Counters in the text format of Prometheus"),
     .answer_status = 200, .answer_media = "text/plain", .handle = metrics},
    {.method = "GET",
     .path = "/api/v1/openapi.json",
     .summary = "This description of the API, made from the routes themselves",
     .answer_schema = "{\"type\":\"object\"}",
     .answer_status = 200,
     .handle = openapi},
};
const size_t builtin_route_count = COUNT_OF(builtin_routes);
