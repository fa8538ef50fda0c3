/* openapi.json, derived from the routes: what is not in a route's row is not in the document, and
 * nothing in a row is left out. */
#include <inttypes.h>
#include <string.h>

#include "http/inside.h"
#include "http/problem.h"

static void add_quoted(struct text *text, const char *string) {
    text_add_json(text, string, strlen(string));
}

static void add_comma(struct text *text, bool *first) {
    if (!*first) {
        text_add_char(text, ',');
    }
    *first = false;
}

static void add_path_params(struct text *text, const char *path, bool *first) {
    for (const char *at = strchr(path, '{'); at != NULL; at = strchr(at + 1, '{')) {
        add_comma(text, first);
        text_add_str(text, "{\"in\":\"path\",\"name\":");
        text_add_json(text, at + 1, strcspn(at + 1, "}"));
        text_add_str(text, ",\"required\":true,\"schema\":{\"type\":\"string\"}}");
    }
}

static void add_query_schema(struct text *text, const struct query_param *param) {
    switch (param->kind) {
    case QUERY_TEXT:
        text_add_str(text, "{\"type\":\"string\"");
        if (param->max > 0) {
            text_addf(text, ",\"maxLength\":%" PRId64, param->max);
        }
        break;
    case QUERY_INT:
        text_addf(text, "{\"type\":\"integer\",\"minimum\":%" PRId64 ",\"maximum\":%" PRId64,
                  param->min, param->max);
        if (!param->required) {
            text_addf(text, ",\"default\":%" PRId64, param->absent);
        }
        break;
    case QUERY_FLAG:
        text_addf(text, "{\"type\":\"integer\",\"enum\":[0,1],\"default\":%" PRId64, param->absent);
        break;
    }
    text_add_char(text, '}');
}

static void add_query_params(struct text *text, const struct query_param *table, bool *first) {
    for (const struct query_param *at = table; at != NULL && at->name != NULL; at++) {
        add_comma(text, first);
        text_add_str(text, "{\"in\":\"query\",\"name\":");
        add_quoted(text, at->name);
        text_add_str(text, ",\"description\":");
        add_quoted(text, at->about == NULL ? "" : at->about);
        text_add_str(text, at->required ? ",\"required\":true,\"schema\":" : ",\"schema\":");
        add_query_schema(text, at);
        text_add_char(text, '}');
    }
}

static void add_params(struct text *text, const struct route *route) {
    bool first = true;
    text_add_str(text, ",\"parameters\":[");
    add_path_params(text, route->path, &first);
    add_query_params(text, route->query, &first);
    if (route->idempotent_key) {
        add_comma(text, &first);
        text_add_str(text, "{\"in\":\"header\",\"name\":\"Idempotency-Key\",\"schema\":"
                           "{\"type\":\"string\"},\"description\":"
                           "\"The same key and request get the stored answer again\"}");
    }
    text_add_char(text, ']');
}

static void add_body(struct text *text, const struct http_server *server,
                     const struct route *route) {
    if (!route->has_body) {
        return;
    }
    size_t size_max = route->body_max == 0 ? server->limits.body_bytes_max : route->body_max;
    text_addf(text,
              ",\"requestBody\":{\"required\":%s,\"description\":\"At most %zu bytes\","
              "\"content\":{\"%s\":{\"schema\":",
              route->body_optional ? "false" : "true", size_max,
              route->body_media == NULL ? "application/json" : route->body_media);
    if (route->body.fields != NULL) {
        fields_schema(&route->body, text);
    } else {
        text_add_str(text, route->body_schema == NULL ? "{}" : route->body_schema);
    }
    text_add_str(text, "}}}");
}

static void add_answers(struct text *text, const struct route *route) {
    const char *media = route->answer_media == NULL ? "application/json" : route->answer_media;
    text_addf(text, ",\"responses\":{\"%d\":{\"description\":\"Success\"", route->answer_status);
    if (route->answer.fields != NULL || route->answer_schema != NULL) {
        text_add_str(text, ",\"content\":{");
        add_quoted(text, media);
        text_add_str(text, ":{\"schema\":");
        if (route->answer.fields != NULL) {
            fields_schema(&route->answer, text);
        } else {
            text_add_str(text, route->answer_schema);
        }
        text_add_char(text, '}');
        if (route->stream_media != NULL) {
            text_add_char(text, ',');
            add_quoted(text, route->stream_media);
            text_add_str(text, ":{\"schema\":{\"type\":\"string\"}}");
        }
        text_add_char(text, '}');
    }
    text_add_str(text, "},\"default\":{\"$ref\":\"#/components/responses/problem\"}}");
}

static void add_scope(struct text *text, unsigned scope) {
    static const char *const names[] = {"read", "run", "approve", "admin"};
    if (scope == 0) {
        text_add_str(text, ",\"security\":[]");
        return;
    }
    bool first = true;
    text_add_str(text, ",\"security\":[{\"token\":[");
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        if ((scope & (1U << i)) != 0) {
            add_comma(text, &first);
            add_quoted(text, names[i]);
        }
    }
    text_add_str(text, "]}]");
}

static void add_route(struct text *text, const struct http_server *server,
                      const struct route *route) {
    text_add_char(text, '"');
    for (const char *at = route->method; *at != '\0'; at++) {
        text_add_char(text, (char)(*at | 0x20));
    }
    text_add_str(text, "\":{\"summary\":");
    add_quoted(text, route->summary == NULL ? "" : route->summary);
    add_params(text, route);
    add_body(text, server, route);
    add_answers(text, route);
    add_scope(text, route->scope);
    text_add_char(text, '}');
}

static void add_limits(struct text *text, const struct http_limits *limits) {
    text_addf(text,
              "\"x-limits\":{\"connections\":%u,\"connectionsPerAddress\":%u,"
              "\"requestsInFlight\":%u,\"headers\":%u,\"headerBytes\":%zu,\"urlBytes\":%zu,"
              "\"bodyBytes\":%zu,\"bodiesBytes\":%zu,\"answersBytes\":%zu,\"headMs\":%u,\"bodyMs\":"
              "%u,\"idleMs\":%u,"
              "\"writeMs\":%u,"
              "\"heartbeatMs\":%u,\"subscriptionsPerSocket\":%u}",
              limits->connections_max, limits->per_address_max, limits->pipeline_max,
              limits->headers_max, limits->head_bytes_max, limits->url_bytes_max,
              limits->body_bytes_max, limits->bodies_bytes_max, limits->answers_bytes_max,
              limits->head_ms, limits->body_ms, limits->idle_ms, limits->write_ms,
              limits->heartbeat_ms, limits->subscriptions_max);
}

static void add_codes(struct text *text) {
    bool first = true;
    text_add_str(text, "\"x-codes\":{");
    for (int code = ERR_NONE + 1; code < ERR_CODES; code++) {
        add_comma(text, &first);
        add_quoted(text, err_name((enum err_code)code));
        text_addf(text, ":{\"status\":%d,\"title\":", err_http_status((enum err_code)code));
        add_quoted(text, err_title((enum err_code)code));
        text_add_char(text, '}');
    }
    text_add_char(text, '}');
}

void openapi_write(const struct http_server *server, struct text *text) {
    const char *version = server->options.version;
    text_add_str(text, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"drover\",\"version\":");
    add_quoted(text, version == NULL ? "0" : version);
    text_add_str(text, "},\"paths\":{");
    for (size_t r = 0; r < server->router.count; r++) {
        const struct router_row *row = &server->router.rows[r];
        text_add_str(text, r == 0 ? "" : ",");
        add_quoted(text, row->entries[0].route->path);
        text_add_str(text, ":{");
        for (unsigned i = 0; i < row->entry_count; i++) {
            text_add_str(text, i == 0 ? "" : ",");
            add_route(text, server, row->entries[i].route);
        }
        text_add_char(text, '}');
    }
    text_add_str(text, "},\"components\":{\"securitySchemes\":{\"token\":{\"type\":\"http\","
                       "\"scheme\":\"bearer\"}},\"responses\":{\"problem\":{\"description\":"
                       "\"A refusal; 'code' is stable\",\"content\":{");
    add_quoted(text, PROBLEM_MEDIA);
    text_add_str(text, ":{\"schema\":");
    text_add_str(text, problem_schema);
    text_add_str(text, "}}}}},");
    add_limits(text, &server->limits);
    text_add_char(text, ',');
    add_codes(text);
    text_add_char(text, '}');
}
