/* foresee.c: a holder that gets ready for a run while the commit that begins it is being synced.
 *
 * What stands between a commit and its command (the order, the folder and what is in it) takes as
 * long as the sync itself, and one processor has nothing to do meanwhile. So whoever hands a run to
 * the store may say so here: the order is made, and a spare of the nursery gets ready with it, up
 * to the claim. The note of the commit lets it go on. Without that (the run is refused, or has to
 * wait) it leaves nothing behind. So the rules of the spool are as they were: nothing is claimed
 * before the commit that asks for it is on disk, and a daemon that dies in between has begun
 * nothing.
 *
 * One at a time: with more under way the processors are busy without that. And runs that were
 * foreseen in vain make it rare: whoever queues a thousand gets no thousand spares. */
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/memory.h"
#include "dispatch/inside.h"

enum { SPEC_MAX = 8 << 10, REST_MAX = 1024 };

static bool is_of(const struct foresight *foresight, struct bytes run) {
    const struct errand *errand = foresight->errand;
    return errand != NULL && strncmp(errand->name, run.data, run.len) == 0 &&
           strcmp(errand->name + run.len, ".1") == 0;
}

static bool is_worth_it(struct dispatch *dispatch, struct bytes spec) {
    struct foresight *foresight = &dispatch->foresight;
    bool has_slot = (int64_t)dispatch->flights.count < dispatch_bounds(dispatch).slots;
    if (dispatch->stopping || !has_slot || spec.len > SPEC_MAX || foresight->errand != NULL ||
        dispatch->starts != NULL) {
        return false;
    }
    if (foresight->rest > 0) {
        foresight->rest--;
        return false;
    }
    return true;
}

void dispatch_foresee(struct dispatch *dispatch, struct bytes run, struct bytes spec) {
    struct foresight *foresight = &dispatch->foresight;
    if (!is_worth_it(dispatch, spec)) {
        return;
    }
    struct errand *errand = flight__errand_new(dispatch);
    int len = snprintf(errand->name, sizeof errand->name, "%.*s.1", (int)run.len, run.data);
    assert(len > 0 && (size_t)len < sizeof errand->name); /* Ids are ours. */
    errand->spec = mem_copy(spec.data, spec.len);
    errand->spec_len = spec.len;
    errand->flags = ORDER_WAIT;
    order__make(errand);
    struct err err = errand->err;
    if (!err_failed(err)) {
        err = holder_prepare(dispatch->options.holders, fd_take(&errand->order), &foresight->ready);
    }
    if (err_failed(err)) {
        flight__errand_free(errand); /* Whoever starts it hears the same again, and says so. */
        return;
    }
    foresight->errand = errand;
}

static void drop(struct foresight *foresight) {
    holder_drop(&foresight->ready);
    flight__errand_free(foresight->errand);
    foresight->errand = NULL;
}

void dispatch_foreseen(struct dispatch *dispatch, struct bytes run) {
    struct foresight *foresight = &dispatch->foresight;
    if (is_of(foresight, run)) {
        unsigned more = 2 * foresight->pause + 1;
        foresight->pause = more < REST_MAX ? more : REST_MAX;
        foresight->rest = foresight->pause;
        drop(foresight);
    }
}

void foresee__stop(struct dispatch *dispatch) {
    if (dispatch->foresight.errand != NULL) {
        drop(&dispatch->foresight);
    }
}

/* The row's spec is the one that was foreseen: it is written once, under this id. */
bool foresee__start(struct flight *flight) {
    struct dispatch *dispatch = flight->dispatch;
    struct foresight *foresight = &dispatch->foresight;
    if (!is_of(foresight, flight__run(flight)) || flight->attempt != 1) {
        return false;
    }
    struct err err = holder_start_ready(dispatch->options.holders, &foresight->ready,
                                        flight__news(), flight, &flight->holder);
    if (!err_failed(err)) {
        flight__errand_drop(flight);
        flight->errand = foresight->errand;
        flight->errand->flight = flight;
        flight__learn(flight);
        foresight->errand = NULL;
        foresight->pause = 0;
        return true;
    }
    drop(foresight);
    return false;
}
