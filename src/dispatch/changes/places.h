/* places.h: struct points, for the files of this folder. See points.h. */
#ifndef DROVER_DISPATCH_CHANGES_PLACES_H
#define DROVER_DISPATCH_CHANGES_PLACES_H

#include "dispatch/base/table.h"
#include "dispatch/changes/points.h"
#include "dispatch/changes/sweep.h"
#include "proc/answer.h"
#include "tool/git.h"

enum place_state {
    PLACE_IDLE,
    PLACE_PAUSING,
    PLACE_OPENING,
    PLACE_TAKING,
    PLACE_STORING,
    PLACE_NOTING
};

struct changes_place {
    struct table_node node; /* By its path. */
    struct points *points;
    char *path, *repository; /* Owned. */
    enum world_kind kind;
    enum place_state state;
    struct link queue, pass; /* Entries that wait for the next pass, and those of this one. */
    struct ask ask;
    struct answer answer;
    struct timer timer;
    struct id fresh;
    bool opened;                /* `world` is its row. */
    struct changes_world world; /* Texts are in `detail`, `left_out`. */
    struct text detail, left_out;
    struct text capture; /* JSON array, of the project of the last pass; "": none. */
    char tree[65];
    int64_t files, added, removed; /* Sums of what differs; -1: not known. */
    int64_t began_ms;              /* Begin of the pass, by the wall clock. */
    uint64_t minute_ms;
    unsigned minute_count;  /* Passes since then. */
    uint64_t off_until_ms;  /* 0: it is not off. */
    struct point_new *rows; /* Owned: of the pass. */
    size_t row_count;
};

struct point_entry {
    struct link link;
    struct pool_job job;
    struct points *points;
    struct point_wait *wait; /* Borrowed; NULL: nobody waits. */
    char *root, *path;       /* Owned. path: NULL: any. */
    char run[ID_SIZE], call[POINT_CALL_MAX + 1];
    enum point_phase phase;
    bool begins, late;
    bool found;
    struct git_place at;
    char relative[LIMIT_PATH_MAX]; /* `path` in the world; "": any. */
    struct id ids[2];
};

/* A job that runs, and has its first point. */
struct point_job {
    struct table_node node; /* By run. */
    char run[ID_SIZE];
    char *root; /* Owned. */
};

struct points {
    struct points_options options;
    struct room room;
    struct table places, jobs;
    char *git, *folder; /* Owned. */
    size_t entries;
    struct sweep sweep;
    struct id held; /* Repository without passes, for the sweep; "": none. */
    struct points_stats stats;
};

/* Members of an order: what to do, git, and the repository. */
void points__order_begin(const struct points *points, const char *what, const char *repository,
                         struct text *order);
/* No pass of the repository begins from now on. False: one is under way, and sweep_quiet follows
 * its end. */
MUST_CHECK bool points__hold(struct points *points, const char *repository);
void points__release(struct points *points); /* Not held is allowed. */

#endif
