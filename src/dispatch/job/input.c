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
#include "engine/job/input.h"
#include "base/memory.h"
#include "dispatch/job/flight.h"

struct feed {
    struct dispatch *dispatch;
    struct flight *flight; /* NULL: it is gone, and the store's answer ends this. */
    struct id run;
    int64_t accepted; /* INPUT_UNKNOWN: the holder will say. */
    int64_t sent;     /* End of the piece in flight; at most `accepted`: none is. */
    bool wanted;      /* There may be more to send. */
    struct ask ask;   /* READING. */
    struct retry retry;
    struct timer timer;
    /* The store function's while it is away. */
    int64_t asked;
    struct text bytes;
    struct run_input_part part;
};

static void feed_go(struct feed *feed);

static void feed_free(struct feed *feed) {
    ask_drop(&feed->ask);
    retry_done(&feed->retry);
    text_done(&feed->bytes);
    mem_free(feed);
}

static void on_timer(struct timer *timer) {
    feed_go(CONTAINER_OF(timer, struct feed, timer));
}

static struct err read_tx(struct tx *tx, void *ctx) {
    struct feed *feed = ctx;
    return tx_run_input_read(tx, bytes_of(feed->run.text), feed->asked, &feed->bytes, &feed->part);
}

static void read_done(void *ctx) {
    static const struct retry_words words = {.effect = "read the input of a run"};
    struct feed *feed = ctx;
    struct dispatch *dispatch = feed->dispatch;
    struct err err = feed->ask.err;
    const struct run_input_part *part = &feed->part;
    if (feed->flight == NULL) {
        feed_free(feed);
        return;
    }
    if (err_failed(err) && effect_is_hopeless(feed->retry.tries + 1, err)) {
        dispatch__report(dispatch, "the input of a run could not be read",
                         flight__run(feed->flight), err); /* The next input asks again. */
        effects_abandon(dispatch->options.effects, &feed->retry.effect);
        feed->retry.tries = 0;
        return;
    }
    if (err_failed(err)) {
        feed->wanted = true;
        timer_start(dispatch->options.loop, &feed->timer,
                    retry_failed(&feed->retry, &dispatch->asker, &words, BYTES(""), err), on_timer);
        return;
    }
    retry_done(&feed->retry);
    if (feed->flight->state != FLIGHT_FOLLOWING || feed->asked != feed->accepted) {
        feed->wanted = true; /* It was asked for under other circumstances. */
        feed_go(feed);
        return;
    }
    if (part->offset > feed->accepted) {
        feed->wanted = true; /* Again when it has taken more of the spec's stdin. */
        return;
    }
    /* The piece may be sent: its holder has all that stands before it. */
    feed->wanted = feed->wanted || part->more;
    if (feed->bytes.len > 0) {
        feed->sent = part->offset + (int64_t)feed->bytes.len;
        holder_input(feed->flight->holder, part->offset, text_bytes(&feed->bytes));
    }
    if (!part->more && part->end >= 0) {
        holder_input_end(feed->flight->holder, part->end);
    }
    feed_go(feed);
}

/* The daemon stops. */
static void read_dropped(void *ctx) {
    struct feed *feed = ctx;
    if (feed->flight == NULL) {
        feed_free(feed);
    }
}

static void feed_go(struct feed *feed) {
    bool follows = feed->flight->state == FLIGHT_FOLLOWING && feed->accepted >= 0;
    if (feed->wanted && feed->ask.state == ASK_IDLE && follows && feed->sent <= feed->accepted) {
        timer_stop(feed->dispatch->options.loop, &feed->timer);
        feed->wanted = false;
        feed->asked = feed->accepted;
        ask_read(&feed->ask, read_tx, read_done);
    }
}

/* --- News of its holder ----------------------------------------------------------------------- */

void input__follow(struct flight *flight, int64_t accepted) {
    static const struct ask_rules rules = {.judge = ask_any, .dropped = read_dropped};
    struct feed *feed = flight->feed;
    if (!flight->facts.input_open) {
        return;
    }
    if (feed == NULL) {
        feed = flight->feed = mem_new(sizeof *feed);
        feed->run = id_copy(flight__run(flight));
        feed->dispatch = flight->dispatch;
        ask_init(&feed->ask, &feed->dispatch->asker, &rules, feed);
        feed->flight = flight;
        text_init(&feed->bytes, RUN_INPUT_PIECE_MAX);
    }
    feed->accepted = feed->sent = accepted;
    feed->wanted = true;
    feed_go(feed);
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
    feed_go(feed);
}

void input__drop(struct flight *flight) {
    struct feed *feed = flight->feed;
    if (feed == NULL) {
        return;
    }
    flight->feed = NULL;
    feed->flight = NULL;
    timer_stop(feed->dispatch->options.loop, &feed->timer);
    if (feed->ask.state != ASK_AWAY) {
        feed_free(feed);
    }
}

/* --- Asked from above ------------------------------------------------------------------------- */

static struct feed *feed_find(const struct dispatch *dispatch, struct bytes run) {
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
    struct feed *feed = feed_find(dispatch, run);
    if (feed != NULL) {
        feed->wanted = true;
        feed_go(feed);
    }
}

int64_t dispatch_input_accepted(const struct dispatch *dispatch, struct bytes run) {
    const struct feed *feed = feed_find(dispatch, run);
    return feed != NULL && feed->accepted > 0 ? feed->accepted : 0;
}
