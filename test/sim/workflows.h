/* workflows.h: the model of workflows: what was asked for and acknowledged, and what the workers
 * that play them saw.
 *
 *   run   ASKED ──acknowledged──> ACCEPTED ──delete acknowledged──> DELETED
 *           │ └──refused──> REFUSED
 *           └──the life ends before an answer──> UNKNOWN
 *
 * Family     runs that resume each other, with the same args: args.op is the number of the
 *            operation that submitted the first, and stands in each prompt. At most one of a
 *            family lives.
 */
#ifndef DROVER_TEST_SIM_WORKFLOWS_H
#define DROVER_TEST_SIM_WORKFLOWS_H

#include "base/json/json.h"
#include "jobs.h"
#include "player.h"
#include "program.h"
#include "rules/run/run.h"
#include "sim.h"

enum {
    WORKFLOWS_MAX = 128,
    WORKFLOW_KEYS_MAX = 96,
    WORKFLOW_CHILDREN_MAX = 32,
    WORKFLOW_HASH_SIZE = 65
};

/* Calls of one key that the script of a run made. */
struct workflow_key {
    char key[WORKFLOW_HASH_SIZE];
    char *prompt;        /* Owned, by sim_new. */
    int64_t occurrences; /* Highest one. */
    unsigned requests;   /* That providers got. */
};

/* A script that workflow() found for it. */
struct child_found {
    int64_t number; /* Of the outcome. */
    unsigned child, version;
};

struct workflow {
    unsigned op;
    int64_t family;
    struct program_id program;
    char run[ID_SIZE];      /* "": not known yet. */
    int64_t total;          /* -1: none. */
    struct workflow *from;  /* That it resumes; NULL: none. */
    int64_t reuse_ms;       /* Age of results of any run that it may take over; 0: none. */
    int64_t wall_offset_ms; /* Wall clock at its submission. */
    int64_t timeout_ms;     /* 0: none. */
    unsigned life;          /* Life of the daemon that saw it run, */
    uint64_t since_ns;      /* since then; 0: none has. */
    const char *model;      /* A literal. */
    enum told told;
    bool stopped, deleting;
    bool paused;
    bool rooted;                         /* It has a project. */
    unsigned versions[PROGRAM_CHILDREN]; /* Of the children's files, when it was submitted. */
    struct child_found found[WORKFLOW_CHILDREN_MAX];
    size_t found_count;
    /* As last seen in the rows. */
    bool final;
    bool judged; /* Its end was looked at. */
    enum run_state state;
    /* What the script of it asked for. */
    struct workflow_key keys[WORKFLOW_KEYS_MAX];
    size_t key_count;
    int64_t spent; /* As its script was told last. */
};
struct workflows {
    struct workflow list[WORKFLOWS_MAX];
    size_t count;
};
struct workflows *workflows_of(struct sim *sim);
/* The last one of the family: who lives, if any does; NULL: there is none. */
struct workflow *workflows_last(struct sim *sim, int64_t family);

/* By its run; NULL: there is none. */
struct workflow *workflows_find(struct sim *sim, struct bytes run);

/* check_reuse.c: the run has ended. */
void workflows_check_reuse(struct sim *sim, struct workflow *workflow);

/* ops_workflows.c */
extern const struct sim_op workflows_ops[];
/* Lets go on what is paused; false: nothing is. */
bool workflows_unpause(struct sim *sim);

/* check_workflows.c: told by the stand-in of workers (script.c). */
void workflows_called(struct sim *sim, int64_t family, const struct player_call *call);
/* An outcome reaches the script: it must be stored under that number. */
void workflows_settled(struct sim *sim, int64_t family, const struct player_call *call,
                       int64_t number, const json_t *outcome);
/* A provider is asked: `body` is the request's. */
void workflows_requested(struct sim *sim, int64_t marker, struct bytes body);

#endif
