/* channel.c: slots, the queue before them, and the breaker of one connection. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/models_inside.h"

enum { CLOCKS_APART_MS = 1000 }; /* More than that: the wall clock was set. */

static uint64_t slots(const struct channel *channel) {
    const struct model_connection *connection = channel->route->connection;
    if (connection->max_concurrent > 0) {
        return (uint64_t)connection->max_concurrent;
    }
    bool scripted = connection->kind == MODEL_KIND_SCRIPTED;
    return scripted ? UINT64_MAX : CONNECTION_CONCURRENT_DEFAULT;
}

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
    while (channel->route != NULL && channel->running < slots(channel)) {
        struct asking *asking = channel->queue[MODEL_FOREGROUND] != NULL
                                    ? channel->queue[MODEL_FOREGROUND]
                                    : channel->queue[MODEL_BACKGROUND];
        if (asking == NULL) {
            return;
        }
        channel__dequeue(channel, asking);
        channel->running++;
        asking->slot = true;
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
