/* custody.h: the life of a command, from its start to its result.
 *
 *   running ──main process ends──> draining ──outputs closed, or 1 s──> ending ──ECHILD──> settled
 *      │                              └──────── the tree is empty ────────────────────────────┘ ^
 *      └──stop, timeout──> (SIGTERM) ──grace──> (SIGKILL in rounds) ────────────────────────────┘
 *
 * Promise    the main process's end decides; nothing of its tree outlives the custody, unless the
 *            kernel does not let us end it (then `left` says how many). What it said before is
 *            in the logs.
 * Ownership  everything of one command; there is one custody in this program.
 */
#ifndef DROVER_PROC_HOLDER_CUSTODY_H
#define DROVER_PROC_HOLDER_CUSTODY_H

#include "base/base.h"
#include "base/err.h"
#include "proc/holder/child.h"
#include "proc/holder/claim.h"
#include "proc/holder/control.h"
#include "proc/holder/input.h"
#include "proc/holder/logs.h"
#include "proc/holder/order.h"
#include "proc/holder/tree.h"

enum custody_phase {
    CUSTODY_RUNNING,  /* The main process lives. */
    CUSTODY_DRAINING, /* It has ended; others of its tree may live. */
    CUSTODY_EMPTY,    /* The tree has ended, or was never started, or is left. */
};

struct custody {
    struct claim_self self;
    struct order order;
    struct claim claim;
    struct group group;
    int signals; /* Owned: SIGCHLD and SIGTERM. */
    struct child child;
    enum custody_phase phase;
    bool stopping, killing;
    int status; /* Of the main process, as waitpid says. */
    enum exit_why why;
    struct err not_started;              /* Or ERR_OK. */
    int sandbox;                         /* The ABI of landlock that holds the command; 0: none. */
    int64_t started_wall_ms, started_at; /* By both clocks. */
    int64_t timeout_at, kill_at;         /* CLOCK_NEVER: not set. */
    int64_t drain_until;                 /* After the main process's end. */
    int64_t final_until;                 /* After the tree's end. */
    int64_t fewest, give_up_at;          /* What can't be killed is left. */
    int64_t round_at, round_ms;
    int64_t count_at, count_ms; /* When the processes are counted; then in so much longer. */
    bool counted;               /* `processes_peak` is what was seen. */
    int64_t retry_at;           /* When a full disk is tried again. */
    int64_t processes_peak, left, unsaved;
    struct logs logs;
    struct input input;
    struct control control;
    struct tree tree;
};

/* From a claim to the end of the whole tree, the result on the disk, and the last word to everybody
 * who wants it, a second at most. */
void custody_run(struct custody *custody);

void custody_stop(struct custody *custody, int64_t grace_ms, enum exit_why why);
int64_t custody_count(struct custody *custody); /* Processes of the tree, by a walk. */

#endif
