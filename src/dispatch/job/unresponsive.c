/* unresponsive.c: a holder that was told to stop its command, and does not; or does not keep its
 * time.
 *
 *   stop ──grace──> ask ──ANSWER_MS──> a word came? ──yes──> ask …; of an overdue one: later
 *                    ^                     │ no, ASKS_MAX times in a row; or there is no link
 *   overdue: its deadline has passed        └──> unresponsive: killed by pid and start time, and
 *                                                its tree ended
 *
 * A command runs as the same user as its holder, and can stop it with a signal, or take its socket
 * away. Whoever is in charge of the end of a tree must therefore be in charge of that, too. A
 * holder that lives gets all the time that its system takes to end what cannot be killed; it only
 * has to say a word. Until the grace is over it may be as quiet as it likes. It is asked twice: we
 * may have stood still ourselves, and look at the clock before we read what was said meanwhile.
 *
 * The deadline of a command is kept a second time, since a command can stop its holder, who keeps
 * it. So we look when its time, the grace after it and a margin are over and no end was reported. A
 * holder that answers then is not hurried: it ends what the system is slow to end, or our clock
 * went wrong (while no daemon was there, the wall's clock was all that there is, and that can be
 * set). After an answer the whole time passes before the next look. */
#include "dispatch/job/flight.h"
#include "engine/job/spec.h"

enum {
    ANSWER_MS = 300,
    ASKS_MAX = 2,
    /* Time that a holder takes beside the grace to end what does not want to; and, after a
     * restart, for us to hear of thousands of them. */
    MARGIN_MS = 5000,
};

static void responsive_look(struct flight *flight);
static void answer_due(struct timer *timer);

static void deadline_due(struct timer *timer) {
    struct flight *flight = CONTAINER_OF(timer, struct flight, deadline);
    if (flight->health == HEALTH_GOOD) {
        responsive_look(flight);
    }
}

static int64_t whole_ms(const struct flight *flight) {
    return flight->facts.timeout_ms + JOB_GRACE_MS + MARGIN_MS;
}

void unresponsive__watch_deadline(struct flight *flight) {
    if (flight->facts.timeout_ms > 0 && !timer_runs(&flight->deadline)) {
        /* For a command that an older daemon began, at most what the wall's clock says. */
        int64_t whole = whole_ms(flight);
        int64_t now_ms = world_wall_ms(loop_world(flight->dispatch->options.loop));
        int64_t left = flight->since_ms + whole - now_ms;
        timer_start(flight->dispatch->options.loop, &flight->deadline,
                    (uint64_t)(left > whole       ? whole
                               : left < MARGIN_MS ? MARGIN_MS
                                                  : left),
                    deadline_due);
    }
}

static void responsive_look(struct flight *flight) {
    if (flight->state == FLIGHT_FOLLOWING && !holder_is_silent(flight->holder)) {
        bool heard = flight->asks > 0;
        flight->asks = 0;
        if (heard && !flight__is_stopped(flight)) {
            timer_start(flight->dispatch->options.loop, &flight->deadline,
                        (uint64_t)whole_ms(flight), deadline_due);
            return;
        }
    }
    /* A holder that is being looked at (thousands are, at a start) is not unreachable yet. */
    bool silent = flight->state == FLIGHT_FOLLOWING && flight->asks >= ASKS_MAX;
    if (silent || (flight->asks > 0 && flight->state == FLIGHT_PAUSING)) {
        flight->health = flight__is_stopped(flight) ? HEALTH_UNRESPONSIVE : HEALTH_OVERDUE;
        flight->dispatch->on_silent(flight);
        return;
    }
    flight->asks = flight->state == FLIGHT_DECIDING ? 0 : flight->asks + 1;
    if (flight->state == FLIGHT_FOLLOWING) {
        holder_ask(flight->holder);
    }
    if (flight->state < FLIGHT_CLEARING) {
        timer_start(flight->dispatch->options.loop, &flight->answer, ANSWER_MS, answer_due);
    }
}

static void answer_due(struct timer *timer) {
    responsive_look(CONTAINER_OF(timer, struct flight, answer));
}

/* One that is being asked already is not given more time. */
void unresponsive__watch_stop(struct flight *flight) {
    if (flight->health == HEALTH_GOOD && flight->asks == 0) {
        timer_start(flight->dispatch->options.loop, &flight->answer, flight->grace_ms, answer_due);
    }
}
