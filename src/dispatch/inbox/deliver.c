/* deliver.c: which receivers are known, and which of them is next. */
#include "dispatch/inbox/deliver.h"

#include "base/memory.h"
#include "dispatch/inbox/deliver_inside.h"

/* --- States ----------------------------------------------------------------------------------- */

#define TO(state) (1U << RECEIVER_##state)
static const unsigned edges[RECEIVER_STATES] = {
    [RECEIVER_QUEUED] = TO(ASKING),
    [RECEIVER_ASKING] = TO(SENDING) | TO(WAITING) | TO(QUEUED),
    [RECEIVER_SENDING] = TO(SETTLING) | TO(QUEUED),
    [RECEIVER_SETTLING] = TO(SETTLING) | TO(QUEUED) | TO(WAITING),
    [RECEIVER_WAITING] = TO(QUEUED),
};
#undef TO

void deliver__enter(struct receiver *receiver, enum receiver_state state) {
    assert((edges[receiver->state] & 1U << state) != 0);
    receiver->state = state;
}

static void parcel_drop(struct receiver *receiver) {
    if (receiver->parcel != NULL) {
        receiver->deliver->slots--;
        receiver->deliver->slow_slots -= receiver->parcel->slow;
        mem_free(receiver->parcel);
        receiver->parcel = NULL;
        loop_soon(receiver->deliver->options.loop, &receiver->deliver->pump);
    }
}

static void append(struct receiver *receiver) {
    struct deliver *deliver = receiver->deliver;
    struct receiver_queue *queue = receiver->slow ? &deliver->slow : &deliver->quick;
    receiver->next = NULL;
    *queue->end = receiver;
    queue->end = &receiver->next;
    loop_soon(deliver->options.loop, &deliver->pump);
}

void deliver__queue(struct receiver *receiver) {
    parcel_drop(receiver);
    deliver__enter(receiver, RECEIVER_QUEUED);
    append(receiver);
}

static void on_time(struct timer *timer) {
    struct receiver *receiver = CONTAINER_OF(timer, struct receiver, timer);
    receiver->ripe = true;
    deliver__queue(receiver);
}

static void forget(struct receiver *receiver);

void deliver__wait(struct receiver *receiver, uint64_t wait_ms) {
    struct deliver *deliver = receiver->deliver;
    if (receiver->touched) { /* A row may be due that was not there when it was asked. */
        wait_ms = 0;
    }
    parcel_drop(receiver);
    deliver__enter(receiver, RECEIVER_WAITING);
    if (wait_ms == 0) {
        deliver__queue(receiver);
    } else if (deliver->receivers.count > deliver->options.receivers_max / 2) {
        /* Above half of what we may know nobody is kept who only waits. */
        walk__missed(deliver);
        forget(receiver);
    } else {
        timer_start(deliver->options.loop, &receiver->timer, wait_ms, on_time);
    }
}

void deliver__slow(struct receiver *receiver) {
    struct deliver *deliver = receiver->deliver;
    receiver->slow = receiver->parcel->lasting = true;
    if (!receiver->parcel->slow && deliver->slow_slots >= DELIVER_SLOW_MAX) {
        parcel__cancel(receiver);
        deliver__queue(receiver);
        return;
    }
    deliver->slow_slots += !receiver->parcel->slow;
    receiver->parcel->slow = true;
}

/* --- Which are known -------------------------------------------------------------------------- */

static void receiver_free(struct receiver *receiver) {
    timer_stop(receiver->deliver->options.loop, &receiver->timer);
    table_remove(&receiver->deliver->receivers, &receiver->node);
    ask_drop(&receiver->ask);
    retry_done(&receiver->retry);
    mem_free(receiver->parcel);
    mem_free(receiver->note);
    mem_free(receiver->url);
    mem_free(receiver);
}

/* It is in no queue, and has no slot. */
static void forget(struct receiver *receiver) {
    struct deliver *deliver = receiver->deliver;
    receiver_free(receiver);
    walk__room(deliver);
}

static void receiver_add(struct deliver *deliver, struct bytes note) {
    static const struct ask_rules rules = {.judge = ask_any};
    struct receiver *receiver = mem_new(sizeof *receiver);
    receiver->deliver = deliver;
    ask_init(&receiver->ask, &deliver->asker, &rules, receiver);
    receiver->note = mem_copy(note.data, note.len);
    receiver->node.name = (struct bytes){receiver->note, note.len};
    bool read = inbox_note_read(receiver->node.name, &receiver->key);
    assert(read); /* The caller has read it. */
    receiver->url = mem_copy(receiver->key.address.data, receiver->key.address.len);
    receiver->state = RECEIVER_QUEUED;
    table_add(&deliver->receivers, &receiver->node);
    append(receiver);
}

void deliver__idle(struct receiver *receiver) {
    if (receiver->touched) {
        deliver__queue(receiver);
        return;
    }
    parcel_drop(receiver);
    forget(receiver);
}

void deliver_note(struct deliver *deliver, struct bytes note) {
    struct inbox_receiver key;
    if (deliver->asker.stopping) {
        return;
    }
    census__touch(deliver);
    if (!inbox_note_read(note, &key) ||
        (key.kind == RECEIVER_SESSION && deliver->options.connections == NULL)) {
        return;
    }
    struct table_node *node = table_find(&deliver->receivers, note);
    if (node == NULL) {
        if (deliver->receivers.count < deliver->options.receivers_max) {
            receiver_add(deliver, note);
        } else {
            walk__missed(deliver);
        }
        return;
    }
    struct receiver *receiver = CONTAINER_OF(node, struct receiver, node);
    if (receiver->state == RECEIVER_WAITING) {
        timer_stop(deliver->options.loop, &receiver->timer);
        deliver__queue(receiver);
    } else if (receiver->state != RECEIVER_QUEUED) {
        receiver->touched = true;
    }
}

/* --- Which is next ---------------------------------------------------------------------------- */

static struct receiver *take(struct receiver_queue *queue) {
    struct receiver *receiver = queue->first;
    queue->first = receiver->next;
    if (queue->first == NULL) {
        queue->end = &queue->first;
    }
    return receiver;
}

/* In turns, where there is a choice: neither may keep the other from every slot. */
static struct receiver *take_next(struct deliver *deliver) {
    bool slow = deliver->slow.first != NULL && deliver->slow_slots < DELIVER_SLOW_MAX;
    if (slow && (deliver->slow_next || deliver->quick.first == NULL)) {
        deliver->slow_next = false;
        return take(&deliver->slow);
    }
    deliver->slow_next = true;
    return deliver->quick.first == NULL ? NULL : take(&deliver->quick);
}

static void pump(struct loop_task *task) {
    struct deliver *deliver = CONTAINER_OF(task, struct deliver, pump);
    while (!deliver->held && !deliver->asker.stopping && deliver->slots < DELIVER_AT_ONCE) {
        struct receiver *receiver = take_next(deliver);
        if (receiver == NULL) {
            return;
        }
        receiver->touched = false;
        receiver->parcel = mem_new(sizeof *receiver->parcel);
        receiver->parcel->receiver = receiver;
        receiver->parcel->slow = receiver->slow;
        deliver->slots++;
        deliver->slow_slots += receiver->slow;
        deliver__enter(receiver, RECEIVER_ASKING);
        parcel__ask(receiver);
    }
}

/* --- The store -------------------------------------------------------------------------------- */

uint64_t deliver__retry_ms(struct deliver *deliver, struct retry *retry, struct err err) {
    static const struct retry_words words = {
        .effect = "read or write the inbox",
        .again = "the inbox could not be read or written; it is tried again"};
    if (effect_is_hopeless(retry->tries + 1, err)) {
        deliver->asker.retries++;
        asker_report(&deliver->asker,
                     "a receiver's inbox could not be read or written: each hour now", BYTES(""),
                     err);
        effects_abandon(deliver->options.effects, &retry->effect, words.effect, err);
        return DELIVER_HOPELESS_MS;
    }
    return retry_failed(retry, &deliver->asker, &words, BYTES(""), err);
}

void deliver__damaged(struct deliver *deliver, const char *what) {
    struct effect none = {.effects = NULL};
    const struct err err = err_make(ERR_STORE_CORRUPT, "deliver: damaged");
    asker_report(&deliver->asker, what, BYTES(""), err);
    effects_abandon(deliver->options.effects, &none, "deliver a notice", err);
}

/* --- Its life --------------------------------------------------------------------------------- */

static void stop_end(struct loop_task *task) {
    struct deliver *deliver = CONTAINER_OF(task, struct deliver, stop_task);
    deliver->stopped(deliver->stopped_ctx);
}

static void on_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    const struct deliver *deliver = ctx;
    (void)run; /* Notices belong to receivers. */
    if (deliver->options.failed != NULL) {
        deliver->options.failed(deliver->options.ctx, what, err);
    }
}

struct deliver *deliver_open(const struct deliver_options *options) {
    assert(options->secret.len >= DELIVER_SECRET_MIN);
    struct deliver *deliver = mem_new(sizeof *deliver);
    deliver->options = *options;
    deliver->asker = (struct asker){.loop = options->loop,
                                    .store = options->store,
                                    .effects = options->effects,
                                    .pause_ms = DELIVER_RETRY_FIRST_MS,
                                    .pause_max_ms = DELIVER_RETRY_MAX_MS,
                                    .ctx = deliver,
                                    .failed = on_failed};
    walk__init(deliver);
    if (options->receivers_max == 0) {
        deliver->options.receivers_max = DELIVER_RECEIVERS_MAX;
    }
    deliver->held = options->hold == RUN_HELD;
    deliver->quick.end = &deliver->quick.first;
    deliver->slow.end = &deliver->slow.first;
    deliver->pump.run = pump;
    deliver->stop_task.run = stop_end;
    table_init(&deliver->receivers);
    return deliver;
}

void deliver_hold(struct deliver *deliver) {
    deliver->held = true;
}

void deliver_release(struct deliver *deliver) {
    deliver->held = false;
    loop_soon(deliver->options.loop, &deliver->pump);
}

static void leave_off(void *ctx, struct table_node *node) {
    struct deliver *deliver = ctx;
    struct receiver *receiver = CONTAINER_OF(node, struct receiver, node);
    timer_stop(deliver->options.loop, &receiver->timer);
    parcel__cancel(receiver);
}

void deliver_stop(struct deliver *deliver, void (*stopped)(void *ctx), void *ctx) {
    assert(!deliver->asker.stopping);
    deliver->asker.stopping = true;
    deliver->stopped = stopped;
    deliver->stopped_ctx = ctx;
    table_each(&deliver->receivers, leave_off, deliver);
    loop_task_cancel(deliver->options.loop, &deliver->pump);
    walk__stop(deliver);
    loop_soon(deliver->options.loop, &deliver->stop_task);
}

static void close_one(void *ctx, struct table_node *node) {
    (void)ctx; /* The receiver knows its deliver. */
    receiver_free(CONTAINER_OF(node, struct receiver, node));
}

void deliver_close(struct deliver *deliver) {
    if (deliver == NULL) {
        return;
    }
    assert(deliver->asker.away == 0);
    walk__stop(deliver);
    loop_task_cancel(deliver->options.loop, &deliver->pump);
    loop_task_cancel(deliver->options.loop, &deliver->stop_task);
    table_each(&deliver->receivers, close_one, NULL);
    table_done(&deliver->receivers);
    mem_free(deliver);
}

void deliver_get_stats(const struct deliver *deliver, struct deliver_stats *ret_stats) {
    const struct inbox_census *known = &deliver->census.known;
    *ret_stats = deliver->stats;
    ret_stats->store_retries = deliver->asker.retries;
    ret_stats->receivers = deliver->receivers.count;
    ret_stats->pending = (uint64_t)known->pending;
    ret_stats->stalled = (uint64_t)known->stalled;
    ret_stats->oldest_ms = known->oldest_ms;
}
