/* jobs.h: the model of jobs: what clients were told, and nothing else.
 *
 *   ASKED ──done──> ACCEPTED ──delete acknowledged──> DELETED
 *     │  └──refused──> REFUSED
 *     └──the life ends before an answer──> UNKNOWN (it is stored whole, or not at all)
 */
#ifndef DROVER_TEST_SIM_JOBS_H
#define DROVER_TEST_SIM_JOBS_H

#include "rules/run/run.h"
#include "sim.h"

enum { JOBS_MAX = 256, JOB_INPUT_PIECES = 32, JOB_HOOKS_MAX = 2 };

enum told { TOLD_ASKED, TOLD_ACCEPTED, TOLD_REFUSED, TOLD_UNKNOWN, TOLD_DELETED };

/* Input that was acknowledged: bytes of one letter. */
struct job_piece {
    int64_t offset, next;
    char letter;
};

struct job {
    struct id run;
    unsigned operation;
    enum told told;
    bool once, stdin_open, deleting;
    bool stopped;        /* A stop was acknowledged, */
    uint64_t stopped_ns; /* then, */
    int64_t grace_ms;    /* with this grace. */
    int64_t key_max, retries, timeout_ms;
    char key[8];       /* "": none. From k2 on, the request has the name of a key of the engine. */
    unsigned hooks;    /* Notices that are owed at its end. */
    int64_t input;     /* Bytes of input that were acknowledged, the spec's included. */
    uint64_t input_ns; /* When the last of it was. */
    bool input_ended, input_unsure;
    struct job_piece pieces[JOB_INPUT_PIECES];
    size_t pieces_count;
    /* As last seen in the rows. */
    bool final;
    enum run_state state;
    int64_t attempt;
};

struct jobs {
    struct job list[JOBS_MAX];
    size_t count;
    uint64_t held_ns; /* When the daemon was last seen to hold. */
};
struct jobs *jobs_of(struct sim *sim);
struct job *job_find(struct jobs *jobs, const char *run); /* NULL. */

/* ops_jobs.c */
extern const struct sim_op jobs_ops[];
void jobs_submit(struct sim *sim);
void jobs_stop(struct sim *sim); /* One of them. */
void jobs_release(struct sim *sim);
bool jobs_held(struct sim *sim); /* Somebody looks at a copy first: nothing begins or is ended. */

/* check_runs.c: the rows against the model; `all`: not only those that have not ended. */
void runs_check(struct sim *sim, bool all);
bool runs_rest(struct sim *sim, bool must);
/* A holder is given these bytes of input: they are what was acknowledged there. */
void runs_check_input(struct sim *sim, const char *run, int64_t offset, struct bytes bytes);
/* check_inbox.c */
void inbox_check(struct sim *sim);
bool inbox_rest(struct sim *sim, bool must);

#endif
