/* work.h: all that a state of a flight needs while it lasts. A job in the pool touches nothing
 * else. */
#ifndef DROVER_DISPATCH_JOB_WORK_H
#define DROVER_DISPATCH_JOB_WORK_H

#include "dispatch/job/flight.h"
#include "proc/tree.h"

enum {
    NOTE_MAX = 320,      /* A sentence about a failure. */
    TREE_WAIT_MS = 2000, /* Length of one try to end the tree of a dead holder. */
};

/* Forms in which an end is stored; each but the first where the one before was refused for
 * good. */
enum settle_form {
    SETTLE_WHOLE,
    SETTLE_BARE,  /* Without result and output. */
    SETTLE_ALONE, /* The run fails, and no row of its attempt ends as it was: tx_run_give_up. */
};

struct flight_work {
    struct pool_job job;
    struct flight *flight; /* Borrowed: it waits for us. */
    struct dispatch *dispatch;
    char name[PROTOCOL_NAME_MAX];
    struct ask ask;        /* SETTLING. */
    bool away;             /* In the pool: it must stay. */
    bool of_other_host;    /* The row is of another host: of its folder only an end counts. */
    bool adopts;           /* An earlier daemon began it, or was about to. */
    bool removed;          /* A command ran there, and the folder was removed. */
    bool of_other_history; /* The row was written before this database's history: a command may
                            * have run although there is no folder. */
    char *spec;            /* Owned; NULL once it was read. */
    size_t spec_len;
    struct flight_facts facts;
    struct err err;
    char note[NOTE_MAX];                 /* "": nothing to say. */
    char address[DISPATCH_ADDRESS_SIZE]; /* Address of the daemon, when the start began. */

    int order; /* Owned; -1: none. */

    int64_t epoch;
    struct spool_state found;
    struct tree_end tree;
    int64_t cpu_us; /* Used by that tree, as far as somebody knows; 0: nobody. */
    bool kill;      /* The holder is to be killed, should it live. */

    struct attempt end;
    bool ended; /* `exit` is filled. */
    struct spool_exit exit;
    int64_t disk; /* Bytes that its folder takes. */
    struct text result, output;
    struct run_settle settle;
    enum settle_form form;
    bool late;
};

struct flight_work *flight__work(struct flight *flight); /* Made where there is none. */
void flight__work_drop(struct flight *flight);
void work__at(const struct flight_work *work); /* A step of its run begins in this thread. */
void work__begin(struct flight_work *work, void (*run)(struct pool_job *job),
                 void (*done)(struct pool_job *job)); /* In the pool. */
/* For work that came back: false, and the flight is gone, when the daemon stops. */
MUST_CHECK bool work__back(struct flight_work *work);
void flight__learn(struct flight *flight); /* Takes over what its work read in the spec. */

/* facts.c, in the pool: the spec, once; the facts of the work are filled in. */
struct job_spec;
struct err facts__read_spec(struct flight_work *work, json_t **ret_json, struct job_spec *ret_spec,
                            struct why *why);
void facts__read(struct flight_work *work); /* No more than these. */

#endif
