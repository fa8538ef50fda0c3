/* steps.c: what is ready, and who is next.
 *
 * Kinds of ready things are drawn by weight. When nothing is ready the clock jumps to the next
 * timer or event. An operation is one of the ready things, too, but a rare one, so that most of
 * what the operation before it began is on its way when it comes.
 */
#include <unistd.h>

#include "base/memory.h"
#include "hosts.h"
#include "inside.h"
#include "loop/loop.h"
#include "ops.h"
#include "store/store.h"

enum {
    READY_STORE = LOOP_KINDS,
    READY_EVENT,
    READY_OP,
    READY_HOST, /* A daemon that does not lead. */
    READY_KINDS,
    STEPS_MAX = 400000,
    STEP_NS = 30 * 1000,
};
/* So long, by the virtual clock, may take what was begun when all faults are healed. */
static const uint64_t REST_NS = UINT64_C(12) * 3600 * 1000 * 1000 * 1000;

static const unsigned weights[READY_KINDS] = {
    [LOOP_MESSAGE] = 8, [LOOP_TASK] = 8,   [LOOP_TIMER] = 4, [LOOP_WORK] = 4,  [LOOP_WORK_DONE] = 4,
    [READY_STORE] = 6,  [READY_EVENT] = 4, [READY_OP] = 1,   [READY_HOST] = 6,
};

static uint64_t store_queued(const struct sim *sim) {
    struct store_stats stats;
    if (sim->life.store == NULL || sim->now_ns < sim->still_ns) {
        return 0;
    }
    store_get_stats(sim->life.store, &stats);
    return stats.queued;
}

static bool op_left(const struct sim *sim) {
    return sim->life.ready && sim->now_ns >= sim->still_ns && sim->operation < sim->options.ops &&
           sim->now_ns >= sim->patience_ns;
}

static bool is_ready(const struct sim *sim, unsigned kind) {
    switch (kind) {
    case READY_STORE:
        return store_queued(sim) > 0;
    case READY_EVENT:
        return sim->events != NULL && sim->events->due_ns <= sim->now_ns;
    case READY_OP:
        return op_left(sim);
    case READY_HOST:
        return hosts_ready(sim);
    default:
        return sim->now_ns >= sim->still_ns && loop_ready(sim->life.loop, (enum loop_kind)kind);
    }
}

/* READY_KINDS: nothing is, but for an operation. */
static unsigned pick(struct sim *sim) {
    unsigned sum = 0, others = 0;
    bool ready[READY_KINDS];
    for (unsigned kind = 0; kind < READY_KINDS; kind++) {
        ready[kind] = is_ready(sim, kind);
        sum += ready[kind] ? weights[kind] : 0;
        others += ready[kind] && kind != READY_OP;
    }
    if (others == 0) {
        return READY_KINDS;
    }
    uint64_t drawn = sim_choose(sim, "step", sum);
    for (unsigned kind = 0;; kind++) {
        if (ready[kind] && drawn < weights[kind]) {
            return kind;
        }
        drawn -= ready[kind] ? weights[kind] : 0;
    }
}

/* --- One step --------------------------------------------------------------------------------- */

static void store_step(struct sim *sim) {
    struct store_stats before, after;
    store_get_stats(sim->life.store, &before);
    (void)store_turn(sim->life.store); /* Whether there was anything is known. */
    store_get_stats(sim->life.store, &after);
    sim->committed = after.groups != before.groups;
}

static void event_step(struct sim *sim) {
    struct sim_event *event = sim->events;
    sim_plan_stop(sim, event);
    hosts_news(sim);
    event->run(sim, event);
}

static void op_step(struct sim *sim) {
    do {
        sim->operation++;
    } while (sim->operation <= sim->options.ops && sim->options.without[sim->operation]);
    sim->since = 0;
    hosts_news(sim);
    if (sim->operation > sim->options.ops) {
        return;
    }
    const struct sim_op *op = ops_pick(&sim->options, sim->operation);
    sim_trace(sim, "operation %u: %s", sim->operation, op->name);
    op->run(sim);
}

static void perform(struct sim *sim, unsigned kind) {
    switch (kind) {
    case READY_STORE:
        store_step(sim);
        break;
    case READY_EVENT:
        event_step(sim);
        break;
    case READY_OP:
        op_step(sim);
        break;
    case READY_HOST:
        hosts_step(sim);
        break;
    default:
        loop_step(sim->life.loop, (enum loop_kind)kind);
        break;
    }
}

static void parts_step(struct sim *sim) {
    for (size_t i = 0; i < sim_parts_count && !sim->life.dead; i++) {
        if (sim->committed && sim_parts[i]->look != NULL) {
            sim_parts[i]->look(sim);
        }
        if (sim_parts[i]->step != NULL) {
            sim_parts[i]->step(sim);
        }
    }
    sim->committed = false;
}

static void bury(struct sim *sim) {
    while (sim->life.dead) {
        enum sim_death death = sim->death;
        life_crash(sim);
        hosts_succeed(sim, death);
        sim->draws = 0;
        sim->steps++;
        sim->since++;
        life_open(sim);
    }
}

/* True: something was done. */
static bool step(struct sim *sim) {
    sim->steps++;
    sim->since++;
    sim->draws = 0;
    sim->looks = 0;
    sim->now_ns += sim_choose(sim, "time", STEP_NS);
    if (sim->steps > STEPS_MAX) {
        sim_fail(sim, "no rest after %d steps: something asks itself again and again", STEPS_MAX);
    }
    unsigned kind = pick(sim);
    if (kind != READY_KINDS) {
        perform(sim, kind);
        parts_step(sim);
        life_close(sim);
        bury(sim);
        return true;
    }
    return false;
}

static uint64_t next_ns(const struct sim *sim) {
    uint64_t timer_ns = loop_next_ns(sim->life.loop);
    timer_ns = timer_ns < sim->still_ns ? sim->still_ns : timer_ns;
    uint64_t event_ns = sim->events == NULL ? UINT64_MAX : sim->events->due_ns;
    uint64_t first_ns = timer_ns < event_ns ? timer_ns : event_ns;
    uint64_t host_ns = hosts_next_ns(sim);
    return first_ns < host_ns ? first_ns : host_ns;
}

/* Nothing is ready: the clock jumps, or an operation comes. */
static void idle(struct sim *sim) {
    uint64_t at_ns = next_ns(sim);
    /* In some seeds operations come at once, in others most of what they began has ended. */
    unsigned pace = (unsigned)(4 + sim_hash(sim->options.seed, 0, "pace", 0) % 60);
    if (op_left(sim) && (at_ns == UINT64_MAX || sim_chance(sim, "idle", pace))) {
        op_step(sim);
        parts_step(sim);
        bury(sim);
        return;
    }
    if (at_ns == UINT64_MAX) {
        sim_fail(sim, "nothing is ready, and no timer is due, ever");
    }
    sim->now_ns = at_ns > sim->now_ns ? at_ns : sim->now_ns;
}

/* --- A seed ----------------------------------------------------------------------------------- */

static void heal(struct sim *sim) {
    sim->healed = true;
    disk_heal();
    sim_trace(sim, "healed");
    for (size_t i = 0; i < sim_parts_count; i++) {
        if (sim_parts[i]->heal != NULL) {
            sim_parts[i]->heal(sim);
        }
    }
}

/* `must`: whoever does not rest says why, and fails. */
static bool at_rest(struct sim *sim, bool must) {
    bool rest = sim->life.ready;
    for (size_t i = 0; i < sim_parts_count && (rest || must); i++) {
        rest = sim_parts[i]->rest == NULL || sim_parts[i]->rest(sim, must);
    }
    return rest;
}

static void come_to_rest(struct sim *sim) {
    uint64_t until_ns = sim->now_ns + REST_NS;
    for (;;) {
        if (step(sim)) {
            continue;
        }
        if (at_rest(sim, false)) {
            return;
        }
        if (sim->now_ns > until_ns) {
            (void)at_rest(sim, true);
            sim_fail(sim, "no rest after twelve hours");
        }
        idle(sim);
    }
}

void steps_run(struct sim *sim) {
    sim_use(sim);
    world_begin(sim);
    hosts_begin(sim);
    disk_begin(sim);
    for (size_t i = 0; i < sim_parts_count; i++) {
        if (sim_parts[i]->begin != NULL) {
            sim_parts[i]->begin(sim);
        }
    }
    sim->machine = 1;
    sim->first_fd = dup(STDIN_FILENO);
    (void)close(sim->first_fd); /* It was the lowest one that is free. */
    life_open(sim);
    bury(sim);
    while (sim->operation < sim->options.ops) {
        if (!step(sim)) {
            idle(sim);
        }
    }
    heal(sim);
    come_to_rest(sim);
    for (size_t i = sim_parts_count; i > 0; i--) {
        if (sim_parts[i - 1]->end != NULL) {
            sim_parts[i - 1]->end(sim);
        }
    }
    sim->life.dead = true;
    sim->death = SIM_KILLED;
    life_crash(sim);
    disk_end();
}
