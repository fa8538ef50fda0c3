/* input.c: what is stored as a run's input, on its way to the process that reads it.
 *
 *                 wanted, and nothing is in flight
 *      IDLE ───────────────────────────────────────> READING (one page of the rows)
 *       ^ │ ^  nothing there, or not yet ours to send    │
 *       │ │ └────────────────────────────────────────────┤
 *       │ └ a commit says `wanted`                       │ a piece
 *       │           accepted whole                       v
 *       └──────────────────────────────────────────── SENDING
 *
 * The rows know all that was ever sent to the run; the holder knows how much of it was taken, and
 * says so after each start and each adoption. So nothing has to be remembered here: from `accepted`
 * on it is read and sent, one piece at a time, and what arrives twice the holder skips by offset.
 * The spec's stdin stands before all of it, and lies with the holder: till that was taken, we wait.
 */
#include <string.h>

#include "base/memory.h"
#include "dispatch/job/flight.h"
#include "engine/job/input.h"

struct feed {
    struct dispatch *dispatch;
    struct flight *flight; /* NULL: it is gone, and the store's answer ends this. */
    struct id run;
    int64_t accepted; /* INPUT_UNKNOWN: the holder will say. */
    int64_t sent;     /* Behind the piece in flight; at most `accepted`: none is. */
    bool wanted;      /* There may be more to send. */
    bool away;        /* READING. */
    unsigned tries;   /* Of reading, in a row. */
    struct effect effect;
    struct timer timer;
    /* Of the store while it is away. */
    int64_t asked;
    struct text bytes;
    struct run_input_part part;
};

static void go(struct feed *feed);

static void feed_free(struct feed *feed) {
    effect_done(&feed->effect);
    text_done(&feed->bytes);
    mem_free(feed);
}

static void on_timer(struct timer *timer) {
    go(CONTAINER_OF(timer, struct feed, timer));
}

/* --- Reading ---------------------------------------------------------------------------------- */

static struct err read_tx(struct tx *tx, void *ctx) {
    struct feed *feed = ctx;
    const struct bytes run = bytes_of(feed->run.text);
    return tx_run_input_read(tx, run, feed->asked, &feed->bytes, &feed->part);
}

static void read_done(struct err err, void *ctx) {
    struct feed *feed = ctx;
    struct dispatch *dispatch = feed->dispatch;
    feed->away = false;
    dispatch__answered(dispatch);
    if (feed->flight == NULL) {
        feed_free(feed);
        return;
    }
    if (err_failed(err)) {
        dispatch->stats.store_retries++;
        if (effect_is_hopeless(++feed->tries, err)) { /* The next input asks again. */
            dispatch__failed(dispatch, "the input of a run could not be read",
                             flight__run(feed->flight), err);
            effects_abandon(dispatch->options.effects, &feed->effect, "read the input of a run",
                            err);
            feed->tries = 0;
            return;
        }
        effect_begin(dispatch->options.effects, &feed->effect, "read the input of a run");
        effect_failed(&feed->effect, err);
        feed->wanted = true;
        timer_start(dispatch->options.loop, &feed->timer, dispatch__wait_ms(feed->tries), on_timer);
        return;
    }
    feed->tries = 0;
    effect_done(&feed->effect);
    if (feed->flight->state != FLIGHT_FOLLOWING || feed->asked != feed->accepted) {
        feed->wanted = true; /* It was asked for under other circumstances. */
        go(feed);
    } else if (feed->part.offset > feed->accepted) {
        feed->wanted = true; /* Again when it has taken more of the spec's stdin. */
    } else {
        /* What was read may be sent: its holder has all that stands before it. */
        struct holder *holder = feed->flight->holder;
        const struct run_input_part *part = &feed->part;
        feed->wanted = feed->wanted || part->more;
        if (feed->bytes.len > 0) {
            feed->sent = part->offset + (int64_t)feed->bytes.len;
            holder_input(holder, part->offset, (struct bytes){feed->bytes.data, feed->bytes.len});
        }
        if (!part->more && part->end >= 0) {
            holder_input_end(holder, part->end);
        }
        go(feed);
    }
}

static void go(struct feed *feed) {
    bool follows = feed->flight->state == FLIGHT_FOLLOWING && feed->accepted >= 0;
    if (!feed->wanted || feed->away || !follows || feed->sent > feed->accepted) {
        return;
    }
    timer_stop(feed->dispatch->options.loop, &feed->timer);
    feed->wanted = false;
    feed->away = true;
    feed->asked = feed->accepted;
    dispatch__read(feed->dispatch, read_tx, read_done, feed);
}

/* --- What happens to it ----------------------------------------------------------------------- */

void input__follow(struct flight *flight, int64_t accepted) {
    if (!flight->facts.input_open) {
        return;
    }
    if (flight->feed == NULL) {
        struct feed *feed = mem_new(sizeof *feed);
        struct bytes run = flight__run(flight);
        assert(run.len < sizeof feed->run.text);
        memcpy(feed->run.text, run.data, run.len);
        feed->dispatch = flight->dispatch;
        feed->flight = flight;
        text_init(&feed->bytes, RUN_INPUT_PIECE_MAX);
        flight->feed = feed;
    }
    flight->feed->accepted = accepted;
    flight->feed->sent = accepted;
    flight->feed->wanted = true;
    go(flight->feed);
}

/* Less than was sent and more than we knew is only news; less than we began at is a gap: the holder
 * forgot the piece, and it is sent again from there. */
void input__accepted(struct flight *flight, int64_t size) {
    struct feed *feed = flight->feed;
    if (feed == NULL) {
        return;
    }
    if (size < feed->accepted) {
        feed->sent = size;
        feed->wanted = true;
    }
    feed->accepted = size;
    go(feed);
}

void input__drop(struct flight *flight) {
    struct feed *feed = flight->feed;
    if (feed == NULL) {
        return;
    }
    flight->feed = NULL;
    feed->flight = NULL;
    timer_stop(feed->dispatch->options.loop, &feed->timer);
    if (!feed->away) {
        feed_free(feed);
    }
}

/* --- Asked from above ------------------------------------------------------------------------- */

static struct feed *find(const struct dispatch *dispatch, struct bytes run) {
    struct table_node *node = table_find(&dispatch->flights, run);
    for (; node != NULL; node = table_find_next(node)) {
        const struct flight *flight = CONTAINER_OF(node, struct flight, node);
        if (flight->state == FLIGHT_FOLLOWING && flight->feed != NULL) {
            return flight->feed;
        }
    }
    return NULL;
}

void dispatch_input(struct dispatch *dispatch, struct bytes run) {
    struct feed *feed = find(dispatch, run);
    if (feed != NULL) {
        feed->wanted = true;
        go(feed);
    }
}

int64_t dispatch_input_accepted(const struct dispatch *dispatch, struct bytes run) {
    const struct feed *feed = find(dispatch, run);
    return feed != NULL && feed->accepted > 0 ? feed->accepted : 0;
}
