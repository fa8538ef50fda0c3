/* load.h: what bench_load can do; each tells its figures as lines "name=value" (see measure.h). */
#ifndef DROVER_BENCH_LOAD_H
#define DROVER_BENCH_LOAD_H

#include <sys/types.h>

#include "wire.h"

struct load {
    struct target target;
    const char *stream;
    const char *folder;  /* The data directory; of `jobs`: the file for stamps. */
    const char *name;    /* Of a metric. */
    const char *program; /* bench_stamp, or NULL: /bin/true. */
    int64_t pid;         /* Of the server, to count its CPU and memory; 0: not counted. */
    int64_t connections, pipeline, readers, writers, count;
    int64_t milliseconds, rate; /* rate 0: as fast as answers come. */
    int64_t delay;              /* ms until a model answers (`flows`). */
    bool spin;                  /* Never sleep: for a client with a processor of its own. */
};

void load_ping(const struct load *load);    /* GET /healthz, closed loop. */
void load_append(const struct load *load);  /* One event per request, closed loop. */
void load_submit(const struct load *load);  /* Commands that only wait in line, closed loop. */
void load_jobs(const struct load *load);    /* Commands that run and end, closed loop. */
void load_fanout(const struct load *load);  /* Writers, and readers that get every event. */
void load_idle(const struct load *load);    /* Readers of a silent stream: memory and CPU. */
void load_turns(const struct load *load);   /* Turns of a model, each heard by a client. */
void load_model(const struct load *load);   /* The same model, heard without the daemon. */
void load_turn(const struct load *load);    /* One turn after the other. */
void load_flows(const struct load *given);  /* Workflows of `count` steps, closed loop. */
void load_holding(const struct load *load); /* Workflows that wait. */
void load_first(const struct load *load);   /* From the request for one to its first model call. */
void load_lists(const struct load *load);   /* Clients that list everything. */
void load_short(const struct load *load);   /* GET `name`, paced. */
void load_board(const struct load *load);   /* Tasks of a board with `count` of them. */
void load_rest(const struct load *load);    /* Nobody at all. */

/* Runs `command` again and again: time from fork to the first answer. */
void load_start(char **command, int64_t count);
/* The same, killed: with `count` workflows under way, and with one that has so many steps. */
void load_survive(char **command, int64_t count);
void load_replay(char **command, int64_t count);

#endif
