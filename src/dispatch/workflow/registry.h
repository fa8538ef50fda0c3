/* registry.h: all workflows in the hands of this daemon, and what they share.
 *
 * For the files of this folder alone, on the loop. flows.h is what others see of it.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_REGISTRY_H
#define DROVER_DISPATCH_WORKFLOW_REGISTRY_H

#include "dispatch/base/ask.h"
#include "dispatch/base/pool.h"
#include "dispatch/base/table.h"
#include "dispatch/workflow/check.h"
#include "dispatch/workflow/flows.h"

enum {
    FLOW_RETRY_FIRST_MS = 200, /* Delay after an error of the store, */
    FLOW_RETRY_MAX_MS = 10000, /* doubled up to this. */
    FLOW_CRASH_MS = 100,       /* Delay before a worker is rebuilt, doubled. */
    FLOW_ORDER_MAX = 120 << 20,
    FLOW_INLINE = 16 << 10,          /* Bytes of a frame that is parsed on the loop. */
    FLOW_PENDING_MAX = 32 << 20,     /* Bytes of prompts and rows that calls of one flow hold. */
    FLOWS_PENDING_MAX = 96 << 20,    /* Global cap; above it each flow is limited to its share. */
    FLOW_PENDING_SHARE = 4 << 20,    /* The share. */
    FLOW_BATCH_NS = 4 * 1000 * 1000, /* Longest wait for a script that has unprocessed input, */
    FLOW_BATCH_MAX = 64,             /* and most ops that wait for one. */
};

/* A list of what embeds a link. Zeroes are an empty list. */
struct flow_link {
    struct flow_link *prev, *next;
    bool listed;
};
struct flow_list {
    struct flow_link *first, *last;
};
void flow_list_append(struct flow_list *list, struct flow_link *link);
void flow_list_prepend(struct flow_list *list, struct flow_link *link);
void flow_list_remove(struct flow_list *list, struct flow_link *link); /* Or is not in it. */

struct flow;
struct flows {
    struct flows_options options;
    struct table flows, ids; /* Holds struct flow: by run, and by the number of its row. */
    struct flow_list freed;  /* The ones whose memory is being freed. */
    struct table turns;     /* Holds struct call: by its turn, or by the job of its working tree. */
    struct turns *turns_of; /* Borrowed: performs the turns; NULL: nobody can be asked. */
    struct table builds;    /* Holds struct build: earlier engines. */
    struct timer linger;    /* Closes builds that no flow holds. */
    struct scripts_stats closed_scripts; /* Counts of builds that are closed. */
    struct pool pool;
    struct flow_list idle;      /* Workers that only wait: the longest first. */
    struct flow_list computing; /* Workers with unprocessed input: the oldest first. */
    size_t batched;             /* Ops that wait in the store, to share a commit. */
    size_t pending_bytes;       /* For all flows; */
    bool pending_full;          /* a flow waits until it is less. */
    struct flow_list checks;    /* Owned: under way. */
    struct table checked;       /* Holds struct flow_checked: verdicts on recent scripts. */
    struct flow_checked *checked_ring[FLOW_CHECKED_MAX]; /* Owned: in the order of finding. */
    size_t checked_next;
    struct flow_list rehearsals; /* Owned: under way. */
    size_t rehearsal_count;
    struct loop_task stop_task;
    struct asker asker; /* Counts ops with the store. */
    bool stop_reported;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct flows_stats stats;
};

/* flows.c */
void flows__maybe_stopped(struct flows *flows);
int64_t flows__now_ms(const struct flows *flows);
int64_t flows__mono_ms(const struct flows *flows); /* Clock of durations. */
struct id flows__new_id(const struct flows *flows, const char *prefix);
/* Places of scripts for a run; config_dir: that of its client, NULL: that of the daemon. */
struct catalog_search flows__search(const struct flows *flows, const char *root,
                                    const char *config_dir);

/* store_ops.c: whether another script most likely has something to store in a moment. */
MUST_CHECK bool flows__batch_expected(struct flows *flows);

/* check.c */
void flows__stop_checks(struct flows *flows);
void flows__forget_checked(struct flows *flows);

/* plan.c */
void flows__stop_rehearsals(struct flows *flows);

/* engine_build.c */
void flows__stop_builds(struct flows *flows);
void flows__drop_builds(struct flows *flows);

/* worker.c */
/* Evicts idle workers until `wanted` more may live, as far as there are any. */
void flows__make_room(struct flows *flows, size_t wanted);
void flows__resume_frames(struct flows *flows);           /* Calls hold less than they did. */
void flows__free_json(struct flows *flows, json_t *json); /* In the pool: it may be large. */

/* agent_turn.c, worktree.c: notes of turns and of jobs. */
void flows__turn_note(struct flows *flows, const struct run_row *row);
void flows__job_note(struct flows *flows, const struct run_row *row);

#endif
