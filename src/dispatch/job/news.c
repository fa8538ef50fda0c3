/* news.c: holders tell of their flights. */
#include <stdio.h>

#include "dispatch/job/work.h"

enum { SHORT_MS = 1000 }; /* Life of a link that broke as soon as it was there. */

static void on_claimed(void *ctx) {
    struct flight *flight = ctx;
    flight->claimed = true;
}

static void on_grown(void *ctx, enum log_stream stream, int64_t size) {
    flight__grown(ctx, stream, size);
}

static void on_accepted(void *ctx, int64_t size) {
    input__accepted(ctx, size);
}

static void on_disk_full(void *ctx, bool full) {
    struct flight *flight = ctx;
    struct dispatch *dispatch = flight->dispatch;
    dispatch->stats.disk_full += full;
    dispatch->stats.disk_full -= flight->full;
    if (full && !flight->full) {
        dispatch__report(dispatch, "the output of a command finds no space; it waits",
                         flight__run(flight), err_make(ERR_DISK_FULL, "dispatch: log"));
    }
    flight->full = full;
}

static void on_ended(void *ctx, enum holder_end end, const struct spool_exit *exit) {
    struct flight *flight = ctx;
    flight->holder = NULL; /* A holder ends by itself. */
    on_disk_full(flight, false);
    timer_stop(flight->dispatch->options.loop, &flight->timer);
    struct flight_work *work = flight__work(flight);
    const char *why = exit == NULL ? NULL : strerrordesc_np(exit->os);
    const struct world *world = loop_world(flight->dispatch->options.loop);
    switch (end) {
    case HOLDER_EXITED:
        settle__exit(flight, exit);
        break;
    case HOLDER_VOID: /* Or it ran already: the row may be older than its folder, by a restore. */
        (void)snprintf(work->note, sizeof work->note, "Somebody else decided its start");
        decide__begin(flight);
        break;
    case HOLDER_LOST: /* Used when the spool says that nothing ran. */
        if (exit != NULL) {
            work->exit = *exit; /* Why; that nothing ran is for the spool to say. */
        }
        (void)snprintf(work->note, sizeof work->note,
                       "The holder ended before it came to the command%s%s",
                       why == NULL ? "" : ": ", why == NULL ? "" : why); /* Short. */
        /* A link that broke as soon as it was there will do so again. */
        flight->breaks = world_mono_ns(world) - flight->followed_ns < (uint64_t)SHORT_MS * 1000000
                             ? flight->breaks + 1
                             : 0;
        if (flight->breaks > 1) {
            decide__later(flight);
        } else {
            decide__begin(flight);
        }
        break;
    }
}

const struct holder_news flight_news = {
    .claimed = on_claimed,
    .grown = on_grown,
    .accepted = on_accepted,
    .disk_full = on_disk_full,
    .ended = on_ended,
};
