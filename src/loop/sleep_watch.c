/* sleep_watch.c: see sleep_watch.h. */
#include "loop/sleep_watch.h"

enum { NS_PER_MS = 1000 * 1000 };

/* The monotonic clock is read first, so that the difference never shrinks between the readings. */
static struct sleep_clocks clocks_read(const struct loop *loop) {
    const struct world *world = loop_world(loop);
    struct sleep_clocks clocks = {.mono_ms = world_mono_ns(world) / NS_PER_MS};
    clocks.boot_ms = world_boot_ns(world) / NS_PER_MS;
    return clocks;
}

uint64_t sleep_between(const struct sleep_clocks *before, const struct sleep_clocks *now) {
    const uint64_t awake = now->mono_ms - before->mono_ms, all = now->boot_ms - before->boot_ms;
    return all >= awake + SLEEP_LEAST_MS ? all - awake : 0;
}

static void sleep_look(struct timer *timer) {
    struct sleep_watch *watch = CONTAINER_OF(timer, struct sleep_watch, timer);
    const struct sleep_clocks now = clocks_read(watch->loop);
    const uint64_t slept_ms = sleep_between(&watch->last, &now);
    watch->last = now;
    timer_start(watch->loop, timer, SLEEP_LOOK_MS, sleep_look);
    if (slept_ms > 0) {
        watch->woke(watch->ctx, slept_ms);
    }
}

void sleep_watch_start(struct sleep_watch *watch, struct loop *loop,
                       void (*woke)(void *ctx, uint64_t slept_ms), void *ctx) {
    *watch =
        (struct sleep_watch){.loop = loop, .last = clocks_read(loop), .woke = woke, .ctx = ctx};
    timer_start(loop, &watch->timer, SLEEP_LOOK_MS, sleep_look);
}

void sleep_watch_stop(struct sleep_watch *watch) {
    if (watch->loop != NULL) {
        timer_stop(watch->loop, &watch->timer);
    }
}
