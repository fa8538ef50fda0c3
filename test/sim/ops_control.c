/* ops_control.c: what happens to the machine and to the daemon. */
#include "inside.h"
#include "ops.h"
#include "rules/run/run.h"
#include "sleeps.h"

enum { CLOCK_SCALES = 3, CLOCK_STEPS = 60, CLOCK_PAUSE_MS = 3000 };

static void op_kill(struct sim *sim) {
    sim_die(sim, SIM_KILLED);
}

static void op_restart(struct sim *sim) {
    life_stop(sim);
}

static void op_power_cut(struct sim *sim) {
    sim_die(sim, SIM_POWER_CUT);
}

static void op_move(struct sim *sim) {
    sim_die(sim, SIM_MOVED);
}

/* Between any two writes of a commit to come. */
static void op_kill_at_write(struct sim *sim) {
    disk_plan(DISK_PLAN_KILL, (unsigned)sim_choose(sim, "after", 60));
}

static void op_power_cut_at_sync(struct sim *sim) {
    disk_plan(DISK_PLAN_POWER, (unsigned)sim_choose(sim, "after", 8));
}

static struct sim_event *space_event(void) {
    static struct sim_event event;
    return &event;
}

static void space_again(struct sim *sim, struct sim_event *event) {
    (void)event;
    sim_trace(sim, "the disk has space again");
    disk_heal();
}

static void op_disk_full(struct sim *sim) {
    disk_plan(DISK_PLAN_FULL, (unsigned)sim_choose(sim, "after", 20));
    sim_plan(sim, space_event(), sim_choose(sim, "space", 20000), space_again);
}

static void op_sync_fails(struct sim *sim) {
    disk_plan(DISK_PLAN_SYNC_FAILS, (unsigned)sim_choose(sim, "after", 4));
}

/* The wall clock is set: back or forward, by up to a day. */
static void clock_set(struct sim *sim, unsigned scales) {
    static const int64_t most_ms[CLOCK_SCALES] = {5000, 3600000, 86400000};
    int64_t most = most_ms[sim_choose(sim, "scale", scales)];
    int64_t step = (int64_t)sim_choose(sim, "step", (uint64_t)(2 * most)) - most;
    sim->wall_offset_ms += step;
    sleeps_clock_set(step);
    sim_trace(sim, "the clock is set by %lld ms", (long long)step);
}

/* A clock that does not come to rest: it is set again while turns run, by up to an hour. Between
 * operations few turns run, so that a clock that is set there alone is seldom met by one. */
struct restless {
    struct sim_event event;
    unsigned steps; /* Still to come. */
};

static struct restless *restless(void) {
    static struct restless all;
    return &all;
}

static void clock_again(struct sim *sim, struct sim_event *event) {
    (void)event;
    clock_set(sim, CLOCK_SCALES - 1);
}

static void control_noted(struct sim *sim, const struct run_row *row) {
    struct restless *clock = restless();
    bool begins = row->kind == KIND_TURN && row->state == RUN_RUNNING;
    if (begins && clock->steps > 0 && !clock->event.planned && !sim_healed(sim)) {
        clock->steps--;
        sim_plan(sim, &clock->event, sim_choose(sim, "clock", CLOCK_PAUSE_MS), clock_again);
    }
}

static void op_clock(struct sim *sim) {
    clock_set(sim, CLOCK_SCALES);
    restless()->steps = (unsigned)sim_choose(sim, "restless", CLOCK_STEPS);
}

/* Time passes in which nobody asks anything. */
static void op_wait(struct sim *sim) {
    static const uint64_t most_ms[] = {1000, 60000, 3600000};
    uint64_t most = most_ms[sim_choose(sim, "scale", COUNT_OF(most_ms))];
    sim->patience_ns = sim->now_ns + sim_choose(sim, "wait", most) * 1000000;
}

static void begin(struct sim *sim) {
    (void)sim;
    *space_event() = (struct sim_event){.planned = false};
    *restless() = (struct restless){.steps = 0};
}

static const struct sim_op ops[] = {
    {"kill", 4, op_kill},
    {"stop in order", 2, op_restart},
    {"power cut", 2, op_power_cut},
    {"move to another machine", 1, op_move},
    {"kill at a write", 4, op_kill_at_write},
    {"power cut at a sync", 2, op_power_cut_at_sync},
    {"disk full", 2, op_disk_full},
    {"sync fails", 1, op_sync_fails},
    {"set the clock", 2, op_clock},
    {"wait", 10, op_wait},
    {.name = NULL},
};

const struct sim_part part_control = {
    .name = "control", .ops = ops, .begin = begin, .noted = control_noted};
