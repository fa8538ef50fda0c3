/* inside.h: what the core of the simulator knows of itself. Parts use sim.h.
 *
 *   main.c      arguments, seeds, report        steps.c   what is ready, and who is next
 *   sim.c       choices, failure, trace         loop.c    loop.h
 *   life.c      open, crash, reopen             memory.c  base/memory.h
 *   disk.c      SQLite's files                  world.c   clock, randomness
 */
#ifndef DROVER_TEST_SIM_INSIDE_H
#define DROVER_TEST_SIM_INSIDE_H

#include "sim.h"

enum { SIM_OPS_MAX = 512 };

/* FLOWS: nearly all operations are those of flows, and of what befalls them; CHANGES: those of
 * conversations and jobs that write one folder. */
enum sim_mix { SIM_MIXED, SIM_FLOWS, SIM_CHANGES };
struct sim_options {
    uint64_t seed;
    enum sim_mix mix;
    unsigned ops;                  /* Number of operations. */
    unsigned hosts;                /* That share the database; at least 1. */
    bool without[SIM_OPS_MAX + 1]; /* Those that are left out, by number. */
    unsigned seconds;              /* CPU time that the seed may take. */
    bool trace;
    int report;         /* A descriptor for the failure; -1: stderr only. */
    const char *folder; /* For real files; empty. */
};

struct sim {
    struct sim_options options;
    struct world world;
    struct life life;

    unsigned operation;   /* Begun last. */
    uint64_t since;       /* Steps since then. */
    uint64_t draws;       /* Choices in this step. */
    uint64_t steps, hash; /* Of the trace. */
    unsigned judged;      /* Flows of their own kind whose end is what the model says. */
    bool healed;

    uint64_t now_ns, looks; /* looks: at the clock in this step. */
    int64_t wall_offset_ms;
    uint64_t slept_ns;        /* In suspends, in which now_ns stood still. */
    uint64_t patience_ns;     /* Until then no operation comes. */
    struct sim_event *events; /* By due time. */
    uint64_t event_order;

    struct rooms *rooms; /* life.c; the life's. */
    enum sim_death death;
    bool committed;    /* A group of the store was committed in this step. */
    unsigned machine;  /* On which the daemon runs; from 1. */
    unsigned leader;   /* Host of the life; from 0. */
    unsigned acting;   /* Host whose daemon runs in this moment. */
    uint64_t still_ns; /* Until then the leader stands still. */
    uint64_t news_ns;  /* When something happened last that was no poll. */
    int first_fd;      /* From here on descriptors are the daemon's. */
    char project[64];
};

/* sim.c */
void sim_use(struct sim *sim);

/* memory.c: of the daemon that acts, each host's its own. */
void memory_use(unsigned host);
void memory_begin(void);   /* A life begins: all is its from here on. */
void memory_end(void);     /* Frees all of it. */
size_t memory_count(void); /* Blocks of the life. */

/* world.c */
void world_begin(struct sim *sim);

/* disk.c: the files of SQLite, in memory. */
void disk_install(void); /* Once in a process. */
void disk_template(
    const char *folder);          /* Makes the migrated database that each seed begins with. */
void disk_begin(struct sim *sim); /* A seed, which begins with the template. */
void disk_end(void);
void disk_crash(enum sim_death death, uint64_t choice); /* What is left; all handles are closed. */
struct sqlite3 *disk_reader(void);                      /* The connection that was opened last. */
void disk_closed(void); /* The store has closed its connections by itself. */
enum disk_plan { DISK_PLAN_KILL, DISK_PLAN_POWER, DISK_PLAN_FULL, DISK_PLAN_SYNC_FAILS };
/* After so many writes (of a sync: syncs) from now on. */
void disk_plan(enum disk_plan plan, unsigned after);
void disk_heal(void);
uint64_t disk_syncs(void);
uint64_t disk_full_ns(void); /* Time of the last write that found no space; 0: none did. */

/* loop.c */
enum loop_kind { LOOP_MESSAGE, LOOP_TASK, LOOP_TIMER, LOOP_WORK, LOOP_WORK_DONE, LOOP_KINDS };
bool loop_ready(const struct loop *loop, enum loop_kind kind);
void loop_step(struct loop *loop, enum loop_kind kind);
uint64_t loop_next_ns(const struct loop *loop); /* When the next timer is due; UINT64_MAX: never. */

/* loop.c: timers that were stretched are due as they were asked for. */
void loop_hurry(struct loop *loop);

/* rows.c: the statements of a life are gone. */
void rows_forget(void);
void rows_finish(void); /* Ends them, before their connection is closed. */

/* life.c */
void life_open(struct sim *sim);
void life_stop(struct sim *sim);  /* In order, as for a SIGTERM: takes many steps. */
void life_close(struct sim *sim); /* After each step: closes one that has stopped. */
void life_crash(struct sim *sim);

/* steps.c */
void steps_run(struct sim *sim); /* The whole seed. */

#endif
