/* sim.h: one seed of the simulator: a world, the lives of a daemon in it, and what must hold.
 *
 *   part.begin ──> life: opened ──steps──> crashed ──> life: opened ──> … ──> quiet ──> part.end
 *
 * How        The real rooms (rules, engine, journal, store, dispatch, model, tool, main/work.c) are
 *            linked against stand-ins for loop.h, fetch.h, holder.h, spool.h, tree.h, cgroups.h,
 *            script.h and the allocator. Everything runs in one thread. The scheduler (steps.c)
 *            picks one ready thing after the other: a message, a task, a due timer, a job of the
 *            pool, a turn of the store, an event of the world outside, the next operation.
 * Choices    Every choice is sim_choose(): a hash of the seed, the number of the operation that
 *            was begun last, the step since then, and a purpose. There is no shared random stream,
 *            so that leaving out an operation (shrinking) leaves the choices of the others alone.
 * Memory     What the daemon allocates (mem_*) belongs to the life, and a crash frees all of it at
 *            once without running any close path. What a stand-in keeps beyond a life comes from
 *            sim_new (sim_free), or from mem_* between memory_leave and memory_return.
 * Time       One virtual clock in nanoseconds. It moves a little with each step and jumps to the
 *            next event when nothing is ready. The wall clock can be set by an operation.
 * Failure    sim_fail ends the seed and names what was broken; so does an assert of the code.
 */
#ifndef DROVER_TEST_SIM_SIM_H
#define DROVER_TEST_SIM_SIM_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "loop/world.h"

struct sim;
struct run_row;

enum { SIM_HOSTS_MAX = 3 };

/* --- Choices ---------------------------------------------------------------------------------- */

/* Pure: the same for the same arguments in every process. */
uint64_t sim_hash(uint64_t seed, uint64_t number, const char *purpose, uint64_t index);
/* 0 … count - 1. Two calls within a step with the same purpose give different numbers. */
uint64_t sim_choose(struct sim *sim, const char *purpose, uint64_t count);
/* true in `percent` of a hundred cases. */
bool sim_chance(struct sim *sim, const char *purpose, unsigned percent);
/* The seed, for stand-ins that hash keys of their own (an argument vector, a prompt). */
uint64_t sim_seed(const struct sim *sim);
/* Number of the operation that was begun last; the first one is 1. It marks what operations make
 * (labels, prompts, commands), so that a marker is the same whichever operations are left out. */
unsigned sim_operation(const struct sim *sim);

/* The simulator of this process: there is one. Stand-ins whose header gives them nothing to find it
 * by ask here. */
struct sim *sim_current(void);

/* --- Failure and trace ------------------------------------------------------------------------ */

/* An invariant is broken: ends the seed. */
_Noreturn void sim_fail(struct sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds a line to the trace (shown by --trace), and to the hash that must be the same for the same
 * seed: no address, no path, no real time. */
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- Memory ----------------------------------------------------------------------------------- */

void *sim_new(size_t size); /* Zeroed; outlives a life. */
void *sim_grow(void *old, size_t size);
void sim_free(void *memory);
char *sim_copy(const char *text);
/* Between these two mem_* outlives a life, too. They nest. */
void memory_leave(void);
void memory_return(void);

/* --- Time and events of the world outside ----------------------------------------------------- */

uint64_t sim_now_ns(const struct sim *sim);
int64_t sim_wall_ms(const struct sim *sim);

/* Something that happens outside of the daemon: a process ends, a byte arrives. Embedded, zeroed
 * before first use. It survives a crash unless its owner stops it in part.crashed. */
struct sim_event {
    uint64_t due_ns, order; /* Private. */
    struct sim_event *next; /* Private. */
    bool planned;
    void (*run)(struct sim *sim, struct sim_event *event);
};
/* Planning one that is planned moves it. Due at once is legal: it is one of the ready things. */
void sim_plan(struct sim *sim, struct sim_event *event, uint64_t after_ms,
              void (*run)(struct sim *sim, struct sim_event *event));
void sim_plan_stop(struct sim *sim, struct sim_event *event);

/* --- The daemon that lives now ---------------------------------------------------------------- */

struct loop;
struct store;
struct hub;
struct work;
struct blobs;
struct sqlite3;

/* All belong to the life and are gone with it. */
struct life {
    unsigned number; /* From 1. */
    bool ready;      /* It serves: operations may come. */
    uint64_t ready_ns;
    bool dead; /* It ends at the end of this step: nothing that it does reaches the outside. */
    struct loop *loop;
    struct store *store;
    struct hub *hub;
    struct work *work; /* main/work.h: the daemon's own wiring. */
    struct blobs *blobs;
    /* The reader's connection of the store, for checks between two steps; query_only. */
    struct sqlite3 *db;
    const char *data_dir; /* Where tools, blobs and catalogs have real files: a private folder. */
};
struct life *sim_life(struct sim *sim); /* Never NULL; `ready` false: nobody serves. */
/* Since it serves, without standing still; 0: it does not. */
uint64_t sim_life_age_ms(const struct sim *sim);

/* The daemon dies at the end of this step: kill -9, or the whole machine; or what it had stored is
 * taken to another machine, where nothing of its processes and their folders is. */
enum sim_death { SIM_KILLED, SIM_POWER_CUT, SIM_MOVED };
void sim_die(struct sim *sim, enum sim_death death);
/* It is the leader that acts, and it is dead: what it does reaches nothing. */
bool sim_acting_is_dead(const struct sim *sim);

/* Set by an operation for the end of a seed: nothing fails any more, and all must come to rest. */
bool sim_healed(const struct sim *sim);

/* The folder of the project that sessions and workflows work in; below data_dir's parent. At the
 * begin of a seed it has the scripts of children.h, and nothing else. */
const char *sim_project_dir(const struct sim *sim);

/* --- Parts ------------------------------------------------------------------------------------ */

/* One kind of operation. `run` is called when the daemon serves. It asks the store, or the rooms
 * below `life`, as a handler of the API would, and returns; what is acknowledged comes through
 * `done`. */
struct sim_op {
    const char *name;
    unsigned weight;
    void (*run)(struct sim *sim);
};

/* One part of the world, with its model and its invariants. Any function may be NULL. */
struct sim_part {
    const char *name;
    const struct sim_op *ops; /* Ends with a NULL name; NULL: none. */
    void (*begin)(struct sim *sim);
    void (*opened)(struct sim *sim);   /* A life serves. */
    void (*stopping)(struct sim *sim); /* The daemon ends in order: its clients hang up. */
    void (*crashed)(struct sim *sim);  /* The life is gone, and with it all memory of the daemon. */
    void (*rebooted)(struct sim *sim); /* After `crashed`: the machine was restarted, */
    void (*moved)(struct sim *sim);    /* or it is another one. */
    void (*step)(struct sim *sim);     /* After every step: must be cheap. */
    void (*look)(struct sim *sim);     /* After every commit: `life.db` shows what is stored. */
    /* A run of any kind was touched by a commit, before `look`: what the daemon itself is told. */
    void (*noted)(struct sim *sim, const struct run_row *row);
    void (*heal)(struct sim *sim); /* The last operation is over. */
    /* Asked when nothing is ready after the last operation: whether all that was begun has ended,
     * or waits for a named cause. `must`: the time is over; whoever does not rest says why, and
     * fails. */
    bool (*rest)(struct sim *sim, bool must);
    void (*end)(struct sim *sim);
};
/* ops.h has the table of all parts. */

#endif
