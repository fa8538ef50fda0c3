/* openapi.c: openapi.json, derived from the routes: what is not in a route's row is not in the
 * document, and nothing in a row is left out. */
#include <inttypes.h>
#include <string.h>

#include "engine/token/token.h"
#include "http/inside.h"
#include "http/problem.h"

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

void openapi_write(const struct http_server *server, struct text *text) {
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
    text_addf(text,
              "\"x-limits\":{\"connections\":%u,\"connectionsPerAddress\":%u,"
              "\"requestsInFlight\":%u,\"headers\":%u,\"headerBytes\":%zu,\"urlBytes\":%zu,"
              "\"bodyBytes\":%zu,\"bodiesBytes\":%zu,\"answersBytes\":%zu,\"headMs\":%u,\"bodyMs\":"
              "%u,\"idleMs\":%u,\"writeMs\":%u,\"heartbeatMs\":%u,\"subscriptionsPerSocket\":%u}",
              limits->connections_max, limits->per_address_max, limits->pipeline_max,
              limits->headers_max, limits->head_bytes_max, limits->url_bytes_max,
              limits->body_bytes_max, limits->bodies_bytes_max, limits->answers_bytes_max,
              limits->head_ms, limits->body_ms, limits->idle_ms, limits->write_ms,
              limits->heartbeat_ms, limits->subscriptions_max);
    text_add_str(text, ",\"x-codes\":{");
    for (enum err_code code = ERR_NONE + 1; code < ERR_CODES; code++) {
        text_add_name(text, err_name(code));
        text_addf(text, "{\"status\":%d", err_http_status(code));
        text_add_member(text, "title", bytes_of(err_title(code)));
        text_add_char(text, '}');
    }
    text_add_str(text, "}}");
}
