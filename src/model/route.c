/* route.c: headers and guard of a connection, made once. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "model/models_inside.h"

/* A header that is there already, as one that the user set is, stays. */
static void header_add(struct route *route, const char *name, const char *value) {
    for (size_t i = 0; i < route->header_count; i++) {
        if (strcasecmp(route->headers[i].name, name) == 0) {
            return;
        }
    }
    assert(route->header_count < ROUTE_HEADERS_MAX);
    route->headers[route->header_count++] = (struct fetch_header){name, value};
}

static void headers_add(struct route *route) {
    const struct model_connection *connection = route->connection;
    for (size_t i = 0; i < connection->header_count; i++) {
        header_add(route, connection->headers[i].name, connection->headers[i].value);
    }
    header_add(route, "Content-Type", "application/json");
    if (connection->kind == MODEL_KIND_ANTHROPIC) {
        header_add(route, "anthropic-version", "2023-06-01");
    }
    if (connection->key != NULL && connection->kind == MODEL_KIND_ANTHROPIC) {
        header_add(route, "x-api-key", connection->key);
    } else if (connection->key != NULL) {
        struct text bearer;
        text_init(&bearer, CONNECTION_KEY_MAX + 16);
        text_addf(&bearer, "Bearer %s", connection->key);
        route->bearer = text_take(&bearer, NULL);
        header_add(route, "Authorization", route->bearer);
    }
}

struct err route_new(const struct model_connection *connection, struct route **ret_route,
                     struct why *why) {
    struct err err = connection_check(connection, why);
    if (err_failed(err)) {
        return err;
    }
    struct route *route = mem_new(sizeof *route);
    route->refs = 1;
    route->connection = connection_copy(connection);
    if (connection->kind != MODEL_KIND_SCRIPTED) {
        struct bytes authority = connection_authority(connection->base_url);
        route->authority = mem_copy(authority.data, authority.len);
        err = address_list_parse(route->authority, &route->allow, why);
    }
    if (err_failed(err)) {
        route_unref(route);
        return err;
    }
    headers_add(route);
    *ret_route = route;
    return ERR_OK;
}

void route_url(const struct route *route, const char *path, char *ret_url, size_t size) {
    const char *base = route->connection->base_url;
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/') {
        len--;
    }
    bool versioned = len >= 3 && memcmp(base + len - 3, "/v1", 3) == 0;
    const char *rest = versioned && strncmp(path, "/v1", 3) == 0 ? path + 3 : path;
    int written = snprintf(ret_url, size, "%.*s%s", (int)len, base, rest);
    assert(written > 0 && (size_t)written < size);
}

struct route *route_ref(struct route *route) {
    route->refs++;
    return route;
}

void route_unref(struct route *route) {
    if (route == NULL || --route->refs > 0) {
        return;
    }
    if (route->bearer != NULL) {
        explicit_bzero(route->bearer, strlen(route->bearer));
    }
    mem_free(route->bearer);
    mem_free(route->authority);
    address_list_free(route->allow);
    connection_free(route->connection);
    mem_free(route);
}
