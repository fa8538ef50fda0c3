/* pool.c: three queues, and how many of each run. */
#include "dispatch/base/pool.h"

#include <errno.h>

static void serve(struct pool *pool);

static void serve_again(struct loop_task *task) {
    serve(CONTAINER_OF(task, struct pool, again));
}

void pool_init(struct pool *pool, struct loop *loop, struct shortage *shortage) {
    *pool = (struct pool){.loop = loop, .shortage = shortage, .again = {.run = serve_again}};
    for (size_t kind = 0; kind < POOL_KINDS; kind++) {
        links_init(&pool->queues[kind]);
    }
}

static bool pool_has_room(const struct pool *pool, enum pool_kind kind) {
    static const unsigned most[POOL_KINDS] = {
        [POOL_QUICK] = POOL_MAX, [POOL_SLOW] = POOL_SLOW_MAX, [POOL_TIDY] = POOL_TIDY_MAX};
    unsigned all = 0;
    for (size_t i = 0; i < POOL_KINDS; i++) {
        all += pool->running[i];
    }
    return all < POOL_MAX && pool->running[kind] < most[kind];
}

static void on_run(struct loop_work *work) {
    struct pool_job *job = CONTAINER_OF(work, struct pool_job, work);
    if (job->run == NULL) {
        return;
    }
    job->starved = job->waits && !shortage_room();
    if (!job->starved) {
        job->run(job);
    }
}

static void on_done(struct loop_work *work) {
    struct pool_job *job = CONTAINER_OF(work, struct pool_job, work);
    struct pool *pool = job->pool;
    pool->running[job->kind]--;
    if (job->starved) { /* Back to the head of its queue. */
        link_add_first(&pool->queues[job->kind], &job->link);
        job->run = pool->cancelled ? NULL : job->run;
        shortage_report(pool->shortage, "read or write files",
                        err_from_errno(EMFILE, "pool: find a descriptor"));
        serve(pool);
        return;
    }
    pool->count--;
    if (pool->count == 0) {
        /* An empty pool may end without a word. */
        shortage_leave(&pool->waiter);
        loop_task_cancel(pool->loop, &pool->again);
    }
    serve(pool); /* First: `done` may be the end of whoever embeds us. */
    job->done(job);
}

static void serve(struct pool *pool) {
    for (enum pool_kind kind = 0; kind < POOL_KINDS; kind++) {
        struct link *queue = &pool->queues[kind];
        while (!links_empty(queue) && pool_has_room(pool, kind)) {
            struct pool_job *job = CONTAINER_OF(queue->next, struct pool_job, link);
            /* A stop waits for the jobs of a cancelled pool; some are added after the cancel. */
            if (job->run != NULL && !pool->cancelled && shortage_lasts(pool->shortage)) {
                shortage_await(pool->shortage, &pool->waiter, &pool->again);
                break;
            }
            link_remove(&job->link);
            pool->running[kind]++;
            job->starved = false;
            job->waits = pool->shortage != NULL && !shortage_is_endless(pool->shortage);
            job->work.run = on_run;
            job->work.done = on_done;
            loop_work(pool->loop, &job->work);
        }
    }
}

void pool_add(struct pool *pool, struct pool_job *job) {
    job->pool = pool;
    link_add_last(&pool->queues[job->kind], &job->link);
    pool->count++;
    serve(pool);
}

void pool_begin(struct pool *pool, struct pool_job *job, enum pool_kind kind,
                void (*run)(struct pool_job *job), void (*done)(struct pool_job *job)) {
    *job = (struct pool_job){.kind = kind, .run = run, .done = done};
    pool_add(pool, job);
}

/* Cancelled jobs pass through the pool as no-ops: so there is one way back, and one count. */
void pool_cancel(struct pool *pool) {
    pool->cancelled = true;
    for (size_t kind = 0; kind < POOL_KINDS; kind++) {
        const struct link *queue = &pool->queues[kind];
        for (struct link *at = queue->next; at != queue; at = at->next) {
            CONTAINER_OF(at, struct pool_job, link)->run = NULL;
        }
    }
    if (pool->count > 0) {
        loop_soon(pool->loop, &pool->again); /* Cancelled jobs need no descriptors. */
    }
}
