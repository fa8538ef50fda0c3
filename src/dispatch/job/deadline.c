/* deadline.c: the deadline of a command, kept a second time.
 *
 * Its holder keeps it: who lives through our restarts, and whom its command can stop with a signal.
 * So we look when its time, the grace behind it and a margin are over and no end was told. A holder
 * that answers then is not hurried: it ends what the system is slow to end, or our clock went wrong
 * (while no daemon was there, the wall's clock was all that there is, and it can be set). One that
 * is silent is deaf (unresponsive.c). After an answer the whole time passes before the next
 * look. */
#include "dispatch/job/inside.h"
#include "engine/job/spec.h"

/* What a holder takes beside the grace to end what does not want to; and, after a restart, for us
 * to hear of thousands of them. */
enum { MARGIN_MS = 5000 };

static void on_timer(struct timer *timer) {
    struct flight *flight = CONTAINER_OF(timer, struct flight, deadline);
    if (!flight->deaf) {
        deaf__look(flight);
    }
}

static int64_t whole_ms(const struct flight *flight) {
    return flight->timeout_ms + JOB_GRACE_MS + MARGIN_MS;
}

/* Of one that an older daemon began, at most what the wall's clock says. */
static int64_t left_ms(const struct flight *flight) {
    int64_t whole = whole_ms(flight);
    int64_t now_ms = world_wall_ms(loop_world(flight->dispatch->options.loop));
    int64_t left = flight->since_ms + whole - now_ms;
    return left > whole ? whole : left < MARGIN_MS ? MARGIN_MS : left;
}

void overdue__watch(struct flight *flight) {
    if (flight->timeout_ms > 0 && !timer_runs(&flight->deadline)) {
        timer_start(flight->dispatch->options.loop, &flight->deadline, (uint64_t)left_ms(flight),
                    on_timer);
    }
}

void overdue__again(struct flight *flight) {
    timer_start(flight->dispatch->options.loop, &flight->deadline, (uint64_t)whole_ms(flight),
                on_timer);
}
