/* thread_queue.c: see thread_queue.h. */
#include "store/thread_queue.h"

#include <signal.h>

enum { STACK_BYTES = 1 << 20 };

struct err store__thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *arg),
                               void *arg) {
    pthread_attr_t attributes;
    int rc = pthread_attr_init(&attributes);
    assert(rc == 0);
    rc = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    assert(rc == 0);
    sigset_t all, before;
    (void)sigfillset(&all); /* Neither this nor setting a mask can fail. */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(ret_thread, &attributes, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes); /* Cannot fail. */
    if (rc != 0) {
        return err_from_errno(rc, "store: thread");
    }
    (void)pthread_setname_np(*ret_thread, name); /* For humans only. */
    return ERR_OK;
}

void thread_queue_init(struct thread_queue *queue) {
    *queue = (struct thread_queue){.ending = false};
    int rc = uv_mutex_init(&queue->lock);
    assert(rc == 0);
    rc = uv_cond_init(&queue->wake);
    assert(rc == 0);
}

void thread_queue_done(struct thread_queue *queue) {
    calls_free(&queue->calls);
    calls_free(&queue->slices);
    uv_cond_destroy(&queue->wake);
    uv_mutex_destroy(&queue->lock);
}

void thread_queue_bound_slices(struct thread_queue *queue, unsigned slices_max) {
    queue->slices_max = slices_max;
}

static void unlock_and_wake(struct thread_queue *queue, bool wake) {
    wake = wake && queue->sleepers > 0;
    uv_mutex_unlock(&queue->lock);
    if (wake) {
        uv_cond_signal(&queue->wake);
    }
}

void thread_queue_push(struct thread_queue *queue, struct call *call) {
    call->slice = false;
    uv_mutex_lock(&queue->lock);
    /* The first lazy one wakes the sleeper too, which then sleeps on with a time limit. */
    bool wake = !call->lazy || queue->calls.first == NULL;
    calls_push(&queue->calls, call);
    unlock_and_wake(queue, wake);
}

void thread_queue_push_slice(struct thread_queue *queue, struct call *call) {
    call->slice = true;
    uv_mutex_lock(&queue->lock);
    calls_push(&queue->slices, call);
    unlock_and_wake(queue, true);
}

void thread_queue_slice_ended(struct thread_queue *queue) {
    uv_mutex_lock(&queue->lock);
    assert(queue->slices_now > 0);
    queue->slices_now--;
    unlock_and_wake(queue, queue->slices.first != NULL);
}

void thread_queue_end(struct thread_queue *queue) {
    uv_mutex_lock(&queue->lock);
    queue->ending = true;
    uv_cond_broadcast(&queue->wake);
    uv_mutex_unlock(&queue->lock);
}

/* With the lock held. A queue that ends gives out what is left. */
static bool slice_waits(const struct thread_queue *queue) {
    return queue->slices.first != NULL &&
           (queue->slices_max == 0 || queue->slices_now < queue->slices_max || queue->ending);
}

bool thread_queue_wait_one(struct thread_queue *queue, struct call **ret_call) {
    uv_mutex_lock(&queue->lock);
    while (queue->calls.first == NULL && !slice_waits(queue) && !queue->ending) {
        queue->sleepers++;
        uv_cond_wait(&queue->wake, &queue->lock);
        queue->sleepers--;
    }
    bool slice = slice_waits(queue) &&
                 (queue->calls.first == NULL || queue->in_a_row >= THREAD_QUEUE_IN_A_ROW);
    queue->in_a_row = slice || queue->slices.first == NULL ? 0 : queue->in_a_row + 1;
    queue->slices_now += slice ? 1 : 0;
    struct call *call = calls_pop(slice ? &queue->slices : &queue->calls);
    uv_mutex_unlock(&queue->lock);
    if (call != NULL) {
        *ret_call = call;
    }
    return call != NULL;
}

bool thread_queue_wait_all(struct thread_queue *queue, const struct world *world, uint64_t lazy_ns,
                           struct calls *calls) {
    uv_mutex_lock(&queue->lock);
    while (queue->calls.eager == 0 && !queue->ending) {
        const struct call *first = queue->calls.first;
        uint64_t age_ns = first == NULL ? 0 : world_mono_ns(world) - first->queued_ns;
        if (age_ns >= lazy_ns) {
            break;
        }
        queue->sleepers++;
        if (first == NULL) {
            uv_cond_wait(&queue->wake, &queue->lock);
        } else { /* Why it woke, the next round sees. */
            (void)uv_cond_timedwait(&queue->wake, &queue->lock, lazy_ns - age_ns);
        }
        queue->sleepers--;
    }
    bool any = queue->calls.first != NULL;
    calls_move(calls, &queue->calls);
    uv_mutex_unlock(&queue->lock);
    return any;
}

void thread_queue_take_all(struct thread_queue *queue, struct calls *calls) {
    uv_mutex_lock(&queue->lock);
    calls_move(calls, &queue->calls);
    uv_mutex_unlock(&queue->lock);
}
