/* lane.c: see lane.h. */
#include "store/lane.h"

#include "base/memory.h"

void lane_init(struct lane *lane) {
    *lane = (struct lane){.ending = false};
    int rc = uv_mutex_init(&lane->lock);
    assert(rc == 0);
    rc = uv_cond_init(&lane->wake);
    assert(rc == 0);
}

void lane_done(struct lane *lane) {
    for (struct call *call = calls_pop(&lane->calls); call != NULL;
         call = calls_pop(&lane->calls)) {
        mem_free(call);
    }
    for (struct call *call = calls_pop(&lane->slices); call != NULL;
         call = calls_pop(&lane->slices)) {
        mem_free(call);
    }
    uv_cond_destroy(&lane->wake);
    uv_mutex_destroy(&lane->lock);
}

void lane_bound_slices(struct lane *lane, unsigned slices_max) {
    lane->slices_max = slices_max;
}

void lane_push(struct lane *lane, struct call *call) {
    call->slice = false;
    uv_mutex_lock(&lane->lock);
    /* The first lazy one wakes the sleeper too, which then sleeps on with a time limit. */
    bool wake = lane->sleepers > 0 && (!call->lazy || lane->calls.first == NULL);
    calls_push(&lane->calls, call);
    uv_mutex_unlock(&lane->lock);
    if (wake) {
        uv_cond_signal(&lane->wake);
    }
}

void lane_push_slice(struct lane *lane, struct call *call) {
    call->slice = true;
    uv_mutex_lock(&lane->lock);
    bool wake = lane->sleepers > 0;
    calls_push(&lane->slices, call);
    uv_mutex_unlock(&lane->lock);
    if (wake) {
        uv_cond_signal(&lane->wake);
    }
}

void lane_slice_ended(struct lane *lane) {
    uv_mutex_lock(&lane->lock);
    assert(lane->slices_now > 0);
    lane->slices_now--;
    bool wake = lane->sleepers > 0 && lane->slices.first != NULL;
    uv_mutex_unlock(&lane->lock);
    if (wake) {
        uv_cond_signal(&lane->wake);
    }
}

void lane_end(struct lane *lane) {
    uv_mutex_lock(&lane->lock);
    lane->ending = true;
    uv_cond_broadcast(&lane->wake);
    uv_mutex_unlock(&lane->lock);
}

/* With the lock held. */
static void sleep_until_woken(struct lane *lane) {
    lane->sleepers++;
    uv_cond_wait(&lane->wake, &lane->lock);
    lane->sleepers--;
}

static void sleep_for(struct lane *lane, uint64_t wait_ns) {
    lane->sleepers++;
    (void)uv_cond_timedwait(&lane->wake, &lane->lock, wait_ns); /* Why it woke, the caller sees. */
    lane->sleepers--;
}

/* With the lock held. A lane that ends gives out what is left. */
static bool slice_waits(const struct lane *lane) {
    return lane->slices.first != NULL &&
           (lane->slices_max == 0 || lane->slices_now < lane->slices_max || lane->ending);
}

/* With the lock held. */
static struct call *take_one(struct lane *lane) {
    bool slice =
        slice_waits(lane) && (lane->calls.first == NULL || lane->in_a_row >= LANE_IN_A_ROW);
    lane->in_a_row = slice || lane->slices.first == NULL ? 0 : lane->in_a_row + 1;
    lane->slices_now += slice ? 1 : 0;
    return calls_pop(slice ? &lane->slices : &lane->calls);
}

bool lane_wait_one(struct lane *lane, struct call **ret_call) {
    uv_mutex_lock(&lane->lock);
    while (lane->calls.first == NULL && !slice_waits(lane) && !lane->ending) {
        sleep_until_woken(lane);
    }
    struct call *call = take_one(lane);
    uv_mutex_unlock(&lane->lock);
    if (call == NULL) {
        return false;
    }
    *ret_call = call;
    return true;
}

bool lane_wait_all(struct lane *lane, const struct world *world, uint64_t lazy_ns,
                   struct calls *calls) {
    uv_mutex_lock(&lane->lock);
    while (lane->calls.eager == 0 && !lane->ending) {
        if (lane->calls.first == NULL) {
            sleep_until_woken(lane);
            continue;
        }
        uint64_t age_ns = world_mono_ns(world) - lane->calls.first->queued_ns;
        if (age_ns >= lazy_ns) {
            break;
        }
        sleep_for(lane, lazy_ns - age_ns);
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
