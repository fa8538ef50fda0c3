/* channel.c: a connection: its headers and guard, made once; its slots, the queue before them,
 * and its breaker. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "model/calls/inside.h"

enum { CLOCKS_APART_MS = 1000 }; /* More than that: the wall clock was set. */

/* --- Routes ----------------------------------------------------------------------------------- */

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
    connection = route->connection; /* The headers borrow from the copy. */
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
        AUTO(text_done) struct text bearer = text_up_to(CONNECTION_KEY_MAX + 16);
        text_addf(&bearer, "Bearer %s", connection->key);
        route->bearer = text_take(&bearer, NULL);
        header_add(route, "Authorization", route->bearer);
    }
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

/* --- Slots and the queue ---------------------------------------------------------------------- */

void channel__enqueue(struct channel *channel, struct asking *asking) {
    enum model_priority priority = asking->priority;
    asking->next = NULL;
    if (channel->queue_end[priority] != NULL) {
        channel->queue_end[priority]->next = asking;
    } else {
        channel->queue[priority] = asking;
    }
    channel->queue_end[priority] = asking;
    asking->models->waiting++;
}

void channel__dequeue(struct channel *channel, struct asking *asking) {
    struct asking **at = &channel->queue[asking->priority], *before = NULL;
    while (*at != asking) {
        assert(*at != NULL);
        before = *at;
        at = &before->next;
    }
    *at = asking->next;
    if (channel->queue_end[asking->priority] == asking) {
        channel->queue_end[asking->priority] = before;
    }
    asking->models->waiting--;
}

void channel__run(struct channel *channel) {
    while (channel->route != NULL) {
        const struct model_connection *connection = channel->route->connection;
        uint64_t slots =
            connection->kind == MODEL_KIND_SCRIPTED ? UINT64_MAX : CONNECTION_CONCURRENT_DEFAULT;
        slots = connection->numbers.max_concurrent > 0
                    ? (uint64_t)connection->numbers.max_concurrent
                    : slots;
        if (channel->running >= slots) {
            return;
        }
        struct asking *asking = channel->queue[MODEL_FOREGROUND] != NULL
                                    ? channel->queue[MODEL_FOREGROUND]
                                    : channel->queue[MODEL_BACKGROUND];
        if (asking == NULL) {
            return;
        }
        channel__dequeue(channel, asking);
        channel->running++;
        asking->models->running++;
        asking__start(asking);
    }
}

void channel__release(struct channel *channel) {
    assert(channel->running > 0);
    channel->running--;
    channel__run(channel);
}

/* Open as long as both clocks say so: the wall clock may be set back by years, and the other one
 * stands still while the machine sleeps. */
bool channel__is_broken(const struct channel *channel, const struct world *world,
                        int64_t *ret_resume_at_ms) {
    int64_t now_ms = world_wall_ms(world);
    uint64_t now_ns = world_mono_ns(world);
    if (channel->quota_until_ms <= now_ms || channel->quota_until_ns <= now_ns) {
        return false;
    }
    int64_t rest_ms = (int64_t)((channel->quota_until_ns - now_ns) / 1000000);
    bool set_back = channel->quota_until_ms - now_ms > rest_ms + CLOCKS_APART_MS;
    *ret_resume_at_ms = set_back ? now_ms + rest_ms : channel->quota_until_ms;
    return true;
}

void channel__trip(struct channel *channel, struct model_failure *failure,
                   const struct world *world) {
    int64_t now_ms = world_wall_ms(world);
    channel->quota_trips++;
    if (failure->resume_at_ms <= now_ms) {
        failure->resume_at_ms = now_ms + (int64_t)retry_quota_pause_ms(channel->quota_trips);
    }
    channel->quota_until_ms = failure->resume_at_ms;
    channel->quota_until_ns =
        world_mono_ns(world) + (uint64_t)(failure->resume_at_ms - now_ms) * 1000000;
    (void)snprintf(channel->quota_detail, sizeof channel->quota_detail, "%s", failure->detail);
}

void listed_free(struct listed *listed, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(listed[i].id);
    }
    mem_free(listed);
}

void channel__forget_list(struct channel *channel) {
    listed_free(channel->listed, channel->listed_count);
    channel->listed = NULL;
    channel->listed_count = 0;
}

void channel__forget_learned(struct channel *channel) {
    for (size_t i = 0; i < channel->learned_count; i++) {
        mem_free(channel->learned[i].model);
    }
    mem_free(channel->learned);
    channel->learned = NULL;
    channel->learned_count = 0;
}

void channel__free(struct channel *channel) {
    channel__forget_list(channel);
    channel__forget_learned(channel);
    route_unref(channel->route);
    mem_free(channel->name);
    mem_free(channel);
}
