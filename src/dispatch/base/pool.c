/* pool.c: three queues, and how many of each run. */
#include "dispatch/base/pool.h"

#include <errno.h>

static void serve(struct pool *pool);

static void serve_again(struct loop_task *task) {
    serve(CONTAINER_OF(task, struct pool, again));
}

void pool_init(struct pool *pool, struct loop *loop, struct shortage *shortage) {
    *pool = (struct pool){.loop = loop, .shortage = shortage, .again = {.run = serve_again}};
}

static bool may_begin(const struct pool *pool, enum pool_kind kind) {
    static const unsigned most[POOL_KINDS] = {
        [POOL_QUICK] = POOL_MAX, [POOL_SLOW] = POOL_SLOW_MAX, [POOL_TIDY] = POOL_TIDY_MAX};
    unsigned all = 0;
    for (size_t i = 0; i < POOL_KINDS; i++) {
        all += pool->running[i];
    }
    return all < POOL_MAX && pool->running[kind] < most[kind];
}

static struct pool_job *take(struct pool *pool, enum pool_kind kind) {
    struct pool_job *job = pool->first[kind];
    if (job != NULL) {
        pool->first[kind] = job->next;
        job->next = NULL;
        if (pool->first[kind] == NULL) {
            pool->last[kind] = NULL;
        }
    }
    return job;
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

static void put_back(struct pool *pool, struct pool_job *job) {
    job->next = pool->first[job->kind];
    pool->first[job->kind] = job;
    if (job->next == NULL) {
        pool->last[job->kind] = job;
    }
    if (pool->cancelled) {
        job->run = NULL;
    }
    shortage_report(pool->shortage, "read or write files",
                    err_from_errno(EMFILE, "pool: find a descriptor"));
    serve(pool);
}

static void on_done(struct loop_work *work) {
    struct pool_job *job = CONTAINER_OF(work, struct pool_job, work);
    struct pool *pool = job->pool;
    pool->running[job->kind]--;
    if (job->starved) {
        put_back(pool, job);
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

/* A stop waits for the jobs of a cancelled pool, and some are added after the cancel. */
static bool must_wait(struct pool *pool, const struct pool_job *job) {
    bool wait = job->run != NULL && !pool->cancelled && shortage_lasts(pool->shortage);
    if (wait) {
        shortage_await(pool->shortage, &pool->waiter, &pool->again);
    }
    return wait;
}

static void serve(struct pool *pool) {
    for (enum pool_kind kind = 0; kind < POOL_KINDS; kind++) {
        while (pool->first[kind] != NULL && may_begin(pool, kind) &&
               !must_wait(pool, pool->first[kind])) {
            struct pool_job *job = take(pool, kind);
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
    job->next = NULL;
    if (pool->last[job->kind] != NULL) {
        pool->last[job->kind]->next = job;
    } else {
        pool->first[job->kind] = job;
    }
    pool->last[job->kind] = job;
    pool->count++;
    serve(pool);
}

/* They pass through the pool as no-ops: so there is one way back, and one count. */
void pool_cancel(struct pool *pool) {
    pool->cancelled = true;
    for (size_t kind = 0; kind < POOL_KINDS; kind++) {
        for (struct pool_job *job = pool->first[kind]; job != NULL; job = job->next) {
            job->run = NULL;
        }
    }
    if (pool->count > 0) {
        loop_soon(pool->loop, &pool->again); /* Cancelled jobs need no descriptors. */
    }
}
