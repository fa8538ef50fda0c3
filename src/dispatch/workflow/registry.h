/* registry.h: all workflows in the hands of this daemon, and what they share.
 *
 * For the files of this folder alone, on the loop. workflows.h is what others see of it.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_REGISTRY_H
#define DROVER_DISPATCH_WORKFLOW_REGISTRY_H

#include "base/json/json.h"
#include "base/link.h"
#include "dispatch/base/ask.h"
#include "dispatch/base/pool.h"
#include "dispatch/base/table.h"
#include "dispatch/workflow/check.h"
#include "dispatch/workflow/progress.h"
#include "dispatch/workflow/workflows.h"

enum {
    WORKFLOW_RETRY_FIRST_MS = 200, /* Delay after an error of the store, */
    WORKFLOW_RETRY_MAX_MS = 10000, /* doubled up to this. */
    WORKFLOW_CRASH_MS = 100,       /* Delay before a worker is rebuilt, doubled. */
    WORKFLOW_ORDER_MAX = 120 << 20,
    WORKFLOW_INLINE = 16 << 10, /* Bytes of a frame that is parsed on the loop. */
    WORKFLOW_PENDING_MAX =
        32 << 20, /* Bytes of prompts and rows that calls of one workflow hold. */
    WORKFLOWS_PENDING_MAX =
        96 << 20, /* Global cap; above it each workflow is limited to its share. */
    WORKFLOW_PENDING_SHARE = 4 << 20,    /* The share. */
    WORKFLOW_BATCH_NS = 4 * 1000 * 1000, /* Longest wait for a script that has unprocessed input, */
    WORKFLOW_BATCH_MAX = 64,             /* and most ops that wait for one. */
};

struct call;
struct workflow;
struct workflow_op;

/* Functions of files above the one that calls them. */
struct workflow_machine {
    /* A call goes on: it is restarted, or ends with its cause, or another client has ended it; its
     * row is there, and the end has waited for that; a timer was held; BEGUN: it is performed. */
    void (*tick)(struct call *call);
    void (*pump)(struct workflow *workflow); /* Begins the calls that have a slot. */
    void (*load)(struct workflow *workflow); /* UNREAD: its history is read. */
    void (*refused)(struct workflow_op *op, struct err err); /* For good: the workflow ends. */
    void (*let_go)(struct workflow *workflow); /* Freed, if it is over and nothing is away. */
};

struct workflows {
    struct workflows_options options;
    const struct workflow_machine *machine; /* Static. */
    struct table workflows, ids; /* Holds struct workflow: by run, and by the number of its row. */
    struct link freed;           /* The ones whose memory is being freed. */
    struct turns *turns_of;      /* Borrowed: performs the turns; NULL: nobody can be asked. */
    struct table builds;         /* Holds struct build: earlier engines. */
    struct timer linger;         /* Closes builds that no workflow holds. */
    struct scripts_stats closed_scripts; /* Counts of builds that are closed. */
    struct pool pool;
    struct progress_board *board; /* Owned; NULL: there is no hub. */
    struct link pulsing;          /* Workflows with busy agents. */
    struct timer pulse_timer;
    struct link idle;      /* Workers that only wait: the longest first. */
    struct link computing; /* Workers with unprocessed input: the oldest first. */
    size_t batched;        /* Ops that wait in the store, to share a commit. */
    size_t pending_bytes;  /* For all workflows; */
    bool pending_full;     /* a workflow waits until it is less. */
    struct link checks;    /* Owned: under way. */
    struct table checked;  /* Holds struct workflow_checked: verdicts on recent scripts. */
    struct workflow_checked
        *checked_ring[WORKFLOW_CHECKED_MAX]; /* Owned: in the order of finding. */
    size_t checked_next;
    struct link rehearsals; /* Owned: under way. */
    size_t rehearsal_count;
    struct loop_task stop_task;
    struct asker asker; /* Counts ops with the store. */
    bool stop_reported;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct workflows_stats stats;
};

/* workflow.c */
void workflows__maybe_stopped(struct workflows *workflows);
int64_t workflows__now_ms(const struct workflows *workflows);
int64_t workflows__mono_ms(const struct workflows *workflows); /* Clock of durations. */
struct id workflows__new_id(const struct workflows *workflows, const char *prefix);
/* Places of scripts for a run; config_dir: that of its client, NULL: that of the daemon. */
struct catalog_search workflows__search(const struct workflows *workflows, const char *root,
                                        const char *config_dir);

void workflows__free_json(struct workflows *workflows,
                          json_t *json); /* In the pool: it may be large. */

/* store_ops.c: whether another script most likely has something to store in a moment. */
MUST_CHECK bool workflows__batch_expected(struct workflows *workflows);

/* check.c */
void workflows__stop_checks(struct workflows *workflows);
void workflows__forget_checked(struct workflows *workflows);

/* plan.c */
void workflows__stop_rehearsals(struct workflows *workflows);

/* engine_build.c */
void workflows__stop_builds(struct workflows *workflows);
void workflows__drop_builds(struct workflows *workflows);

#endif
