/* world.c: the clock and randomness of a life; durable files are real ones in a private folder. */
#include <string.h>

#include "inside.h"

enum { LOOK_NS = 20 * 1000 };

uint64_t sim_now_ns(const struct sim *sim) {
    return sim->now_ns;
}

int64_t sim_wall_ms(const struct sim *sim) {
    return INT64_C(1700000000000) + sim->wall_offset_ms + (int64_t)(sim->now_ns / 1000000);
}

static int64_t wall_ms(void *ctx) {
    return sim_wall_ms(ctx);
}

/* Each look at the clock finds it a little later, and now and then more than a turn of the loop
 * may take: what is cut into turns by time is cut somewhere else in each seed. */
static uint64_t mono_ns(void *ctx) {
    struct sim *sim = ctx;
    uint64_t drawn = sim_hash(sim->options.seed, sim->steps, "look", sim->looks++);
    sim->now_ns += drawn % 64 == 0 ? 1500 * 1000 : drawn % LOOK_NS;
    return sim->now_ns;
}

static uint64_t boot_ns(void *ctx) {
    const struct sim *sim = ctx;
    return sim->now_ns + sim->slept_ns;
}

static void fill_random(void *ctx, void *bytes, size_t len) {
    struct sim *sim = ctx;
    uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)sim_choose(sim, "random", 256);
    }
}

void world_begin(struct sim *sim) {
    const struct world *real = world_real();
    sim->world = *real;
    sim->world.ctx = sim; /* The real file functions look at no context. */
    sim->world.wall_ms = wall_ms;
    sim->world.mono_ns = mono_ns;
    sim->world.boot_ns = boot_ns;
    sim->world.random = fill_random;
    sim->now_ns = UINT64_C(3600) * 1000 * 1000 * 1000;
}

/* --- Events ----------------------------------------------------------------------------------- */

void sim_plan_stop(struct sim *sim, struct sim_event *event) {
    if (!event->planned) {
        return;
    }
    struct sim_event **at = &sim->events;
    while (*at != event) {
        at = &(*at)->next;
    }
    *at = event->next;
    event->planned = false;
}

void sim_plan(struct sim *sim, struct sim_event *event, uint64_t after_ms,
              void (*run)(struct sim *sim, struct sim_event *event)) {
    sim_plan_stop(sim, event);
    event->due_ns = sim->now_ns + after_ms * 1000000;
    event->order = ++sim->event_order;
    event->run = run;
    event->planned = true;
    struct sim_event **at = &sim->events;
    while (*at != NULL && (*at)->due_ns <= event->due_ns) {
        at = &(*at)->next;
    }
    event->next = *at;
    *at = event;
}
