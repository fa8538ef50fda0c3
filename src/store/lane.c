/* lane.c: see lane.h. */
#include "store/lane.h"

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

void lane_init(struct lane *lane) {
    *lane = (struct lane){.ending = false};
    int rc = uv_mutex_init(&lane->lock);
    assert(rc == 0);
    rc = uv_cond_init(&lane->wake);
    assert(rc == 0);
}

void lane_done(struct lane *lane) {
    calls_free(&lane->calls);
    calls_free(&lane->slices);
    uv_cond_destroy(&lane->wake);
    uv_mutex_destroy(&lane->lock);
}

void lane_bound_slices(struct lane *lane, unsigned slices_max) {
    lane->slices_max = slices_max;
}

static void unlock_and_wake(struct lane *lane, bool wake) {
    wake = wake && lane->sleepers > 0;
    uv_mutex_unlock(&lane->lock);
    if (wake) {
        uv_cond_signal(&lane->wake);
    }
}

void lane_push(struct lane *lane, struct call *call) {
    call->slice = false;
    uv_mutex_lock(&lane->lock);
    /* The first lazy one wakes the sleeper too, which then sleeps on with a time limit. */
    bool wake = !call->lazy || lane->calls.first == NULL;
    calls_push(&lane->calls, call);
    unlock_and_wake(lane, wake);
}

void lane_push_slice(struct lane *lane, struct call *call) {
    call->slice = true;
    uv_mutex_lock(&lane->lock);
    calls_push(&lane->slices, call);
    unlock_and_wake(lane, true);
}

void lane_slice_ended(struct lane *lane) {
    uv_mutex_lock(&lane->lock);
    assert(lane->slices_now > 0);
    lane->slices_now--;
    unlock_and_wake(lane, lane->slices.first != NULL);
}

void lane_end(struct lane *lane) {
    uv_mutex_lock(&lane->lock);
    lane->ending = true;
    uv_cond_broadcast(&lane->wake);
    uv_mutex_unlock(&lane->lock);
}

/* With the lock held. A lane that ends gives out what is left. */
static bool slice_waits(const struct lane *lane) {
    return lane->slices.first != NULL &&
           (lane->slices_max == 0 || lane->slices_now < lane->slices_max || lane->ending);
}

bool lane_wait_one(struct lane *lane, struct call **ret_call) {
    uv_mutex_lock(&lane->lock);
    while (lane->calls.first == NULL && !slice_waits(lane) && !lane->ending) {
        lane->sleepers++;
        uv_cond_wait(&lane->wake, &lane->lock);
        lane->sleepers--;
    }
    bool slice =
        slice_waits(lane) && (lane->calls.first == NULL || lane->in_a_row >= LANE_IN_A_ROW);
    lane->in_a_row = slice || lane->slices.first == NULL ? 0 : lane->in_a_row + 1;
    lane->slices_now += slice ? 1 : 0;
    struct call *call = calls_pop(slice ? &lane->slices : &lane->calls);
    uv_mutex_unlock(&lane->lock);
    if (call != NULL) {
        *ret_call = call;
    }
    return call != NULL;
}

bool lane_wait_all(struct lane *lane, const struct world *world, uint64_t lazy_ns,
                   struct calls *calls) {
    uv_mutex_lock(&lane->lock);
    while (lane->calls.eager == 0 && !lane->ending) {
        const struct call *first = lane->calls.first;
        uint64_t age_ns = first == NULL ? 0 : world_mono_ns(world) - first->queued_ns;
        if (age_ns >= lazy_ns) {
            break;
        }
        lane->sleepers++;
        if (first == NULL) {
            uv_cond_wait(&lane->wake, &lane->lock);
        } else { /* Why it woke, the next round sees. */
            (void)uv_cond_timedwait(&lane->wake, &lane->lock, lazy_ns - age_ns);
        }
        lane->sleepers--;
    }
    bool any = lane->calls.first != NULL;
    calls_move(calls, &lane->calls);
    uv_mutex_unlock(&lane->lock);
    return any;
}

void lane_take_all(struct lane *lane, struct calls *calls) {
    uv_mutex_lock(&lane->lock);
    calls_move(calls, &lane->calls);
    uv_mutex_unlock(&lane->lock);
}
