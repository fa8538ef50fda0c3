/* unresponsive.c: a holder that was told to stop its command, and does not; or does not keep its
 * time.
 *
 *   stop ──grace──> ask ──ANSWER_MS──> a word came? ──yes──> ask …; of an overdue one: later
 *                    ^                     │ no, ASKS_MAX times in a row; or there is no link
 *   overdue (deadline.c)                    └──> deaf: killed by pid and start time, its tree ended
 *
 * A command runs as the same user as its holder, and can stop it with a signal, or take its socket
 * away. Whoever is in charge of the end of a tree must therefore be in charge of that, too. A
 * holder that lives gets all the time that its system takes to end what cannot be killed; it only
 * has to say a word. Until the grace is over it may be as quiet as it likes. It is asked twice: we
 * may have stood still ourselves, and look at the clock before we read what was said meanwhile. */
#include "dispatch/job/inside.h"

enum { ANSWER_MS = 300, ASKS_MAX = 2 };

static void on_timer(struct timer *timer);

static void give_up(struct flight *flight) {
    flight->deaf = true;
    flight->overdue = !flight->stop;
    if (flight->state == FLIGHT_FOLLOWING) {
        holder_close(flight->holder);
        flight->holder = NULL;
        decide__begin(flight);
    } else if (flight->state == FLIGHT_PAUSING) {
        decide__now(flight);
    }
}

/* One that is being looked at (thousands are, at a start) is not unreachable yet. */
static bool is_deaf(const struct flight *flight) {
    bool silent = flight->state == FLIGHT_FOLLOWING && flight->asks >= ASKS_MAX;
    return silent || (flight->asks > 0 && flight->state == FLIGHT_PAUSING);
}

void deaf__look(struct flight *flight) {
    if (flight->state == FLIGHT_FOLLOWING && !holder_is_silent(flight->holder)) {
        bool heard = flight->asks > 0;
        flight->asks = 0;
        if (heard && !flight->stop) {
            overdue__again(flight);
            return;
        }
    }
    if (is_deaf(flight)) {
        give_up(flight);
        return;
    }
    flight->asks = flight->state == FLIGHT_DECIDING ? 0 : flight->asks + 1;
    if (flight->state == FLIGHT_FOLLOWING) {
        holder_ask(flight->holder);
    }
    if (flight->state < FLIGHT_CLEARING) {
        timer_start(flight->dispatch->options.loop, &flight->answer, ANSWER_MS, on_timer);
    }
}

static void on_timer(struct timer *timer) {
    deaf__look(CONTAINER_OF(timer, struct flight, answer));
}

/* One that is being asked already is not given more time. */
void deaf__watch(struct flight *flight) {
    if (!flight->deaf && flight->asks == 0) {
        timer_start(flight->dispatch->options.loop, &flight->answer, flight->grace_ms, on_timer);
    }
}
