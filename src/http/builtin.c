/* builtin.c: the addresses that every daemon has, whatever it does. */
#include <string.h>

#include "http/inside.h"

enum { SMALL_MAX = 4096, METRICS_MAX = 256 << 10, OPENAPI_MAX = 1 << 20 };

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
    if (server->draining) {
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

static void metrics(struct exchange *exchange, void *ctx) {
    AUTO(text_done) struct text text = text_up_to(METRICS_MAX);
    metrics_write(ctx, &text);
    exchange_reply(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
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
    "\"missing_at_ms\":{\"type\":\"integer\"},\"mark_errors\":{\"type\":\"integer\"},"             \
    "\"descriptors\":{\"type\":\"object\",\"properties\":{"                                        \
    "\"used\":{\"type\":[\"integer\",\"null\"]},\"limit\":{\"type\":[\"integer\",\"null\"]},"      \
    "\"waiting_since_ms\":{\"type\":[\"integer\",\"null\"]}}}}}"

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
    {.method = "GET",
     .path = "/metrics",
     .summary = "Counters in the text format of Prometheus",
     .scope = SCOPE_READ,
     .answer_status = 200,
     .answer_media = "text/plain",
     .handle = metrics},
    {.method = "GET",
     .path = "/api/v1/openapi.json",
     .summary = "This description of the API, made from the routes themselves",
     .answer_schema = "{\"type\":\"object\"}",
     .answer_status = 200,
     .handle = openapi},
};
const size_t builtin_route_count = COUNT_OF(builtin_routes);
