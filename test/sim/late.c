/* late.c: see late.h. */
#include "late.h"

#include <stdio.h>

#include "known.h"
#include "ops.h"

enum { LATE_MAX = 256, AGAIN_MS = 2000 };

struct late {
    struct sim_event event;
    unsigned op;
    void (*run)(struct sim *sim, unsigned op);
};

static struct late table[LATE_MAX];
static size_t count;

static void late_run(struct sim *sim, struct sim_event *event) {
    struct late *late = CONTAINER_OF(event, struct late, event);
    if (!sim_life(sim)->ready) {
        sim_plan(sim, event, AGAIN_MS, late_run);
        return;
    }
    sim_trace(sim, "operation %u goes on", late->op);
    late->run(sim, late->op);
}

void late_plan(struct sim *sim, void (*run)(struct sim *sim, unsigned op)) {
    /* The last ones: an hour after everything was healed each session is asked once more. */
    static const uint64_t waits_ms[] = {0, 0, 500, 5000, 60000, 600000, 2400000, 3000000};
    if (count == LATE_MAX) {
        return;
    }
    struct late *late = &table[count++];
    *late = (struct late){.op = sim_operation(sim), .run = run};
    uint64_t wait_ms = waits_ms[sim_choose(sim, "wait", COUNT_OF(waits_ms))];
    if (wait_ms == 0) {
        run(sim, late->op);
    } else {
        sim_plan(sim, &late->event, wait_ms, late_run);
    }
}

struct id late_id(struct sim *sim, unsigned op, const char *prefix, const char *purpose) {
    char text[64];
    (void)snprintf(text, sizeof text, "%s of %u", purpose, op); /* It fits. */
    return known_id(sim, prefix, text);
}

static void late_begin(struct sim *sim) {
    (void)sim;
    count = 0;
}

const struct sim_part part_late = {.name = "late", .begin = late_begin};
