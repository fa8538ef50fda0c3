/* herd.h: the processes that a daemon keeps, found without asking it.
 *
 * A holder is found by the claim in its folder and is only believed if the process that it names
 * began when it says; a command is found by DROVER_DATA in its environment.
 *
 * Threads    one.
 * Failure    what ends while it is looked at is not counted; a folder that is no spool holds none.
 */
#ifndef DROVER_BENCH_HERD_H
#define DROVER_BENCH_HERD_H

#include <sys/types.h>

#include "ask.h"
#include "load.h"

enum { HERD_NAME_SIZE = 96 };
struct herder {
    pid_t pid;
    char name[HERD_NAME_SIZE]; /* RUN.ATTEMPT */
};
struct herd {
    struct herder *holders; /* Owned: mem_free. */
    size_t count;
};
void herd_find(const char *data_dir, struct herd *ret_herd); /* The living ones. */

int64_t metric_of(const char *metrics, const char *name); /* -1: it is not there. */

void load_herd(const struct load *load);  /* How many of both, and the memory of the holders. */
void load_fill(const struct load *load);  /* Submits `count` commands that sleep. */
void load_stop(const struct load *load);  /* Asks the daemon to stop each that lives. */
void load_await(const struct load *load); /* Until a number of /metrics is at least `count`. */
void load_gone(const struct load *load);  /* Until none of either is left. */
void load_end(const struct load *load);   /* Without a daemon: to be called when all else failed. */

#endif
