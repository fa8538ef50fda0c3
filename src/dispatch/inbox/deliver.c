/* deliver.c: receivers that are known, and the next of them; one delivery, from the row to the
 * commit of its outcome (a request to a webhook, or a turn of a session); and the questions about
 * all rows: recovery, and the census. */
#include "dispatch/inbox/deliver.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/link.h"
#include "base/memory.h"
#include "dispatch/base/ask.h"
#include "dispatch/base/table.h"
#include "engine/turn/turns.h"

enum {
    RETRY_FIRST_MS = 1000, /* Waits after an error of the store, */
    RETRY_MAX_MS = 10000,  /* doubled up to this. */
    HOPELESS_MS = 3600 * 1000,
    ANSWER_MAX = 64 << 10, /* Bytes of an answer that are read, and dropped. */
    PAGE = 200,            /* Receivers of a page of the walk. */
    CENSUS_MS = 1000,
};

enum receiver_state {
    RECEIVER_QUEUED,
    RECEIVER_ASKING,
    RECEIVER_SENDING,
    RECEIVER_SETTLING,
    RECEIVER_WAITING,
    RECEIVER_STATES
};

/* A row in the hands of this daemon. Holds a slot. */
struct parcel {
    struct receiver *receiver;
    bool found, late;
    int64_t damaged; /* Id of a row that cannot be delivered; 0: none. */
    bool slow;       /* The slot is one of those for slow receivers. */
    bool lasting;    /* The delivery takes long. */
    char delivery[ID_SIZE];
    int64_t failures, wait_ms;
    uint32_t random; /* For the length of the next wait. */
    size_t payload_len;
    struct fetch_request *request; /* The client's; NULL: none. */
    enum inbox_outcome outcome;
    char cause[INBOX_CAUSE_MAX * 2];
    char payload[INBOX_PAYLOAD_MAX];
    struct turn_message followup; /* To a session. */
    struct default_model model;   /* The model that followup names. */
    enum turn_followed followed;
};

struct receiver {
    struct table_node node; /* By the note that names it. */
    struct deliver *deliver;
    struct link link; /* In the queue. */
    enum receiver_state state;
    bool touched; /* A note came while it was busy. */
    bool slow;    /* The last delivery took long. */
    struct retry retry;
    struct ask ask;
    struct timer timer;        /* WAITING, SENDING, or SETTLING while the store cannot. */
    char waited[ID_SIZE];      /* The row whose time the timer counts, and */
    bool ripe;                 /* whether that is over, whatever the wall clock says. */
    struct parcel *parcel;     /* Owned; ASKING, SENDING, SETTLING. */
    char *note, *url;          /* Owned. */
    struct inbox_receiver key; /* Borrows `note`. */
};

/*   asleep ──> walking ──the last page──> asleep, or, where somebody was missed, a round later
 *                ^  └──no room──> paused ──room──> walking
 */
struct deliver_walk {
    struct timer timer;
    struct ask ask;
    uint64_t began_ns;               /* This round. */
    int64_t limit;                   /* Receivers of a page. */
    int64_t damaged;                 /* Number of receivers that the page left out. */
    struct inbox_cursor after, next; /* next: the store function's. */
    struct retry retry;
    bool running, again;
    bool paused; /* There is no room. */
    bool missed; /* Since this round began: a receiver with due rows is not known. */
    bool asleep; /* The timer counts to the next round. */
};

struct deliver {
    struct deliver_options options;
    struct table receivers;
    struct link quick, slow; /* Queues of receivers, oldest first. */
    bool slow_next;          /* A slow receiver is next. */
    struct loop_task pump, stop_task;
    size_t slots;      /* Taken. */
    size_t slow_slots; /* Slots taken by slow receivers. */
    struct asker asker;
    struct deliver_walk walk;
    struct ask census_ask;
    bool census_again;
    struct inbox_census counting, known; /* counting: the store function's. */
    bool held;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct deliver_stats stats;
};

/* --- The store -------------------------------------------------------------------------------- */

/* The wait before the next try. The first failure in a row is reported. An error that no try cures
 * is reported again, and retried each HOPELESS_MS: what is owed is never dropped. */
static uint64_t deliver_retry_ms(struct deliver *deliver, struct retry *retry, struct err err) {
    static const struct retry_words words = {
        .effect = "read or write the inbox",
        .again = "the inbox could not be read or written; it is tried again"};
    if (effect_is_hopeless(retry->tries + 1, err)) {
        deliver->asker.retries++;
        asker_report(&deliver->asker,
                     "a receiver's inbox could not be read or written: each hour now", BYTES(""),
                     err);
        effects_abandon(deliver->options.effects, &retry->effect);
        return HOPELESS_MS;
    }
    return retry_failed(retry, &deliver->asker, &words, BYTES(""), err);
}

/* Rows that cannot be delivered are reported, and counted as given up. */
static void deliver_report_damaged(struct deliver *deliver, const char *what) {
    struct effect none = {.effects = NULL};
    const struct err err = err_make(ERR_STORE_CORRUPT, "deliver: damaged");
    asker_report(&deliver->asker, what, BYTES(""), err);
    effects_abandon(deliver->options.effects, &none);
}

/* --- The walk over all receivers that are owed something -------------------------------------- */

static struct err walk_tx(struct tx *tx, void *ctx) {
    struct deliver_walk *walk = &((struct deliver *)ctx)->walk;
    return tx_inbox_recover(tx, &walk->after, walk->limit, &walk->next, &walk->damaged);
}

static void walk_done(void *ctx);

/* A page's notes need room for all of them: one that is dropped is missed until the next round. */
static void walk_next(struct deliver *deliver) {
    struct deliver_walk *walk = &deliver->walk;
    size_t max = deliver->options.receivers_max, page = max / 2 < PAGE ? max / 2 : PAGE;
    walk->limit = (int64_t)page;
    walk->paused = deliver->receivers.count + page > max;
    if (!walk->paused) {
        ask_write(&walk->ask, walk_tx, walk_done);
    }
}

static void walk_on_timer(struct timer *timer) {
    struct deliver *deliver = CONTAINER_OF(timer, struct deliver, walk.timer);
    if (deliver->walk.asleep) {
        deliver->walk.asleep = false;
        deliver_recover(deliver);
    } else {
        walk_next(deliver);
    }
}

static void walk_sleep(struct deliver *deliver, uint64_t for_ms) {
    struct deliver_walk *walk = &deliver->walk;
    if (!walk->asleep && !deliver->asker.stopping) {
        walk->asleep = true;
        timer_start(deliver->options.loop, &walk->timer, for_ms, walk_on_timer);
    }
}

static void walk_done(void *ctx) {
    struct deliver *deliver = ctx;
    struct deliver_walk *walk = &deliver->walk;
    struct err err = walk->ask.err;
    if (err_failed(err)) {
        timer_start(deliver->options.loop, &walk->timer,
                    deliver_retry_ms(deliver, &walk->retry, err), walk_on_timer);
        return;
    }
    retry_done(&walk->retry);
    if (walk->damaged > 0) {
        deliver_report_damaged(deliver,
                               "receivers of notices could not be read: they are left out");
    }
    walk->after = walk->next;
    if (walk->next.len > 0) {
        walk_next(deliver);
        return;
    }
    walk->running = false;
    if (walk->again) {
        deliver_recover(deliver);
    } else if (walk->missed) {
        /* So that walking, and asking whom it finds, has its share of a day and no more. */
        uint64_t now_ns = world_mono_ns(loop_world(deliver->options.loop));
        uint64_t rest_ms = (now_ns - walk->began_ns) / 1000000 * DELIVER_ROUND_REST;
        walk_sleep(deliver, rest_ms > DELIVER_ROUND_MS ? rest_ms : DELIVER_ROUND_MS);
    }
}

/* A receiver with due rows is not known. */
static void walk_miss(struct deliver *deliver) {
    deliver->walk.missed = true;
    if (!deliver->walk.running) {
        walk_sleep(deliver, DELIVER_ROUND_MS);
    }
}

void deliver_recover(struct deliver *deliver) {
    struct deliver_walk *walk = &deliver->walk;
    walk->again = walk->running;
    if (!walk->running && !deliver->asker.stopping) {
        timer_stop(deliver->options.loop, &walk->timer);
        walk->running = true;
        walk->asleep = walk->missed = false;
        walk->after.len = 0;
        walk->began_ns = world_mono_ns(loop_world(deliver->options.loop));
        walk_next(deliver);
    }
}

/* --- The census ------------------------------------------------------------------------------- */

/* Counts rows that are not settled, once a second at most, and only when notes came. */
static struct err census_tx(struct tx *tx, void *ctx) {
    return tx_inbox_census(tx, &((struct deliver *)ctx)->counting);
}

static void census_touch(struct deliver *deliver);

static void census_done(void *ctx) {
    struct deliver *deliver = ctx;
    if (!err_failed(deliver->census_ask.err)) {
        deliver->known = deliver->counting;
    }
    if (deliver->census_again) {
        deliver->census_again = false;
        census_touch(deliver);
    }
}

static void census_touch(struct deliver *deliver) {
    if (deliver->census_ask.state == ASK_AWAY) {
        deliver->census_again = true;
    } else if (deliver->census_ask.state == ASK_IDLE) {
        ask_read_in(&deliver->census_ask, CENSUS_MS, census_tx, census_done);
    }
}

/* --- Receivers -------------------------------------------------------------------------------- */

#define TO(state) (1U << RECEIVER_##state)
static const unsigned edges[RECEIVER_STATES] = {
    [RECEIVER_QUEUED] = TO(ASKING),
    [RECEIVER_ASKING] = TO(SENDING) | TO(WAITING) | TO(QUEUED),
    [RECEIVER_SENDING] = TO(SETTLING) | TO(QUEUED),
    [RECEIVER_SETTLING] = TO(QUEUED) | TO(WAITING),
    [RECEIVER_WAITING] = TO(QUEUED),
};
#undef TO

static void receiver_enter(struct receiver *receiver, enum receiver_state state) {
    assert((edges[receiver->state] & 1U << state) != 0);
    receiver->state = state;
}

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

/* The receiver is in no queue, and has no slot. */
static void receiver_forget(struct receiver *receiver) {
    struct deliver *deliver = receiver->deliver;
    receiver_free(receiver);
    if (deliver->walk.paused && !deliver->asker.stopping &&
        deliver->receivers.count <= deliver->options.receivers_max / 2) {
        walk_next(deliver); /* There is room. */
    }
}

/* Gives back its slot. */
static void parcel_drop(struct receiver *receiver) {
    if (receiver->parcel != NULL) {
        receiver->deliver->slots--;
        receiver->deliver->slow_slots -= receiver->parcel->slow;
        mem_free(receiver->parcel);
        receiver->parcel = NULL;
        loop_soon(receiver->deliver->options.loop, &receiver->deliver->pump);
    }
}

static void receiver_queue(struct receiver *receiver) {
    struct deliver *deliver = receiver->deliver;
    parcel_drop(receiver);
    receiver_enter(receiver, RECEIVER_QUEUED);
    link_add_last(receiver->slow ? &deliver->slow : &deliver->quick, &receiver->link);
    loop_soon(deliver->options.loop, &deliver->pump);
}

static void receiver_on_time(struct timer *timer) {
    struct receiver *receiver = CONTAINER_OF(timer, struct receiver, timer);
    receiver->ripe = true;
    receiver_queue(receiver);
}

/* The receiver is queued again after `wait_ms`. It may be gone then. */
static void receiver_wait(struct receiver *receiver, uint64_t wait_ms) {
    struct deliver *deliver = receiver->deliver;
    if (receiver->touched) { /* A row may be due that was not there when it was asked. */
        wait_ms = 0;
    }
    parcel_drop(receiver);
    receiver_enter(receiver, RECEIVER_WAITING);
    if (wait_ms == 0) {
        receiver_queue(receiver);
    } else if (deliver->receivers.count > deliver->options.receivers_max / 2) {
        /* Above half of what we may know nobody is kept who only waits. */
        walk_miss(deliver);
        receiver_forget(receiver);
    } else {
        timer_start(deliver->options.loop, &receiver->timer, wait_ms, receiver_on_time);
    }
}

/* Nothing is owed. It may be gone then. */
static void receiver_rest(struct receiver *receiver) {
    if (receiver->touched) {
        receiver_queue(receiver);
    } else {
        parcel_drop(receiver);
        receiver_forget(receiver);
    }
}

void deliver_note(struct deliver *deliver, struct bytes note) {
    static const struct ask_rules rules = {.judge = ask_any};
    struct inbox_receiver key;
    if (deliver->asker.stopping) {
        return;
    }
    census_touch(deliver);
    if (!inbox_note_read(note, &key) ||
        (key.kind == RECEIVER_SESSION && deliver->options.connections == NULL)) {
        return;
    }
    struct table_node *node = table_find(&deliver->receivers, note);
    if (node != NULL) {
        struct receiver *receiver = CONTAINER_OF(node, struct receiver, node);
        if (receiver->state == RECEIVER_WAITING) {
            timer_stop(deliver->options.loop, &receiver->timer);
            receiver_queue(receiver);
        } else if (receiver->state != RECEIVER_QUEUED) {
            receiver->touched = true;
        }
        return;
    }
    if (deliver->receivers.count >= deliver->options.receivers_max) {
        walk_miss(deliver);
        return;
    }
    struct receiver *receiver = mem_new(sizeof *receiver);
    receiver->deliver = deliver;
    ask_init(&receiver->ask, &deliver->asker, &rules, receiver);
    receiver->note = mem_copy(note.data, note.len);
    receiver->node.name = (struct bytes){receiver->note, note.len};
    bool read = inbox_note_read(receiver->node.name, &receiver->key);
    assert(read); /* As above. */
    receiver->url = mem_copy(receiver->key.address.data, receiver->key.address.len);
    receiver->state = RECEIVER_WAITING;
    table_add(&deliver->receivers, &receiver->node);
    receiver_queue(receiver);
}

/* The store has answered. False: it refused, and the receiver waits for its next try. */
static bool receiver_goes_on(struct receiver *receiver) {
    struct err err = receiver->ask.err;
    if (err_failed(err)) {
        receiver_wait(receiver, deliver_retry_ms(receiver->deliver, &receiver->retry, err));
    } else {
        retry_done(&receiver->retry);
    }
    return !err_failed(err);
}

/* --- Settling --------------------------------------------------------------------------------- */

static struct err settle_tx(struct tx *tx, void *ctx) {
    const struct receiver *receiver = ctx;
    struct parcel *parcel = receiver->parcel;
    const struct inbox_settle settle = {.delivery = bytes_of(parcel->delivery),
                                        .cause = bytes_of(parcel->cause),
                                        .outcome = parcel->outcome,
                                        .waits = receiver->deliver->options.waits,
                                        .random = parcel->random};
    parcel->late = false;
    return tx_inbox_settle(tx, &settle, &parcel->late);
}

static void settle_done(void *ctx) {
    struct receiver *receiver = ctx;
    struct deliver *deliver = receiver->deliver;
    const struct parcel *parcel = receiver->parcel;
    uint64_t *const counters[] = {[INBOX_DELIVERED] = &deliver->stats.delivered,
                                  [INBOX_FAILED] = &deliver->stats.failed,
                                  [INBOX_RECEIVER_GONE] = &deliver->stats.gone};
    if (err_failed(receiver->ask.err)) {
        uint64_t wait_ms = deliver_retry_ms(deliver, &receiver->retry, receiver->ask.err);
        if (wait_ms >= HOPELESS_MS) { /* The slot is for others until then. */
            receiver_wait(receiver, wait_ms);
        } else {
            ask_write_in(&receiver->ask, wait_ms, settle_tx, settle_done);
        }
        return;
    }
    retry_done(&receiver->retry);
    (*counters[parcel->outcome])++;
    deliver->stats.late += parcel->late;
    receiver_queue(receiver); /* After the others: its next row, if there is one. */
}

/* --- Sending ---------------------------------------------------------------------------------- */

/* The status line is the receiver's word; the fate of the rest does not change it. */
static void parcel_sent(void *ctx, const struct fetch_result *result) {
    struct parcel *parcel = ctx;
    struct receiver *receiver = parcel->receiver;
    int status = result->answer.status;
    parcel->request = NULL;
    receiver->deliver->stats.in_flight--;
    receiver->slow = parcel->lasting;
    timer_stop(receiver->deliver->options.loop, &receiver->timer);
    parcel->outcome = status >= 200 && status < 300 ? INBOX_DELIVERED
                      : status == 410               ? INBOX_RECEIVER_GONE
                                                    : INBOX_FAILED;
    parcel->cause[0] = '\0';
    if (parcel->outcome != INBOX_DELIVERED && status != 0) { /* Cut at worst, as below. */
        (void)snprintf(parcel->cause, sizeof parcel->cause, "the receiver answered %d%s", status,
                       status < 400 ? "; redirects are not followed" : "");
    } else if (parcel->outcome != INBOX_DELIVERED) {
        (void)snprintf(parcel->cause, sizeof parcel->cause, "%s%s%s",
                       fetch_fault_text(result->fault), result->detail[0] != '\0' ? ": " : "",
                       result->detail);
    }
    receiver_enter(receiver, RECEIVER_SETTLING);
    ask_write(&receiver->ask, settle_tx, settle_done);
}

static void parcel_cancel(struct receiver *receiver) {
    if (receiver->parcel != NULL && receiver->parcel->request != NULL) {
        fetch_cancel(receiver->parcel->request);
        receiver->parcel->request = NULL;
        receiver->deliver->stats.in_flight--;
    }
}

/* SENDING for too long: it goes on where a slot for such is free, else back to its queue. */
static void parcel_on_slow(struct timer *timer) {
    struct receiver *receiver = CONTAINER_OF(timer, struct receiver, timer);
    struct deliver *deliver = receiver->deliver;
    receiver->slow = receiver->parcel->lasting = true;
    if (!receiver->parcel->slow && deliver->slow_slots >= DELIVER_SLOW_MAX) {
        parcel_cancel(receiver);
        receiver_queue(receiver);
        return;
    }
    deliver->slow_slots += !receiver->parcel->slow;
    receiver->parcel->slow = true;
}

static struct err parcel_post(struct parcel *parcel) {
    const struct receiver *receiver = parcel->receiver;
    const struct deliver_options *options = &receiver->deliver->options;
    const struct bytes payload = {parcel->payload, parcel->payload_len};
    char timestamp[24], attempt[24], signature[sizeof "v1=" + sizeof(struct sha256_hex)];
    int64_t now_ms = world_wall_ms(loop_world(options->loop));
    (void)snprintf(timestamp, sizeof timestamp, "%lld", (long long)(now_ms / 1000));
    (void)snprintf(attempt, sizeof attempt, "%lld", (long long)(parcel->failures + 1));
    const struct bytes parts[] = {bytes_of(timestamp), BYTES("."), bytes_of(parcel->delivery),
                                  BYTES("."), payload};
    struct hmac_stream hmac;
    hmac_start(&hmac, options->secret);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        hmac_add(&hmac, parts[i]);
    }
    struct sha256 hash = hmac_finish(&hmac);
    (void)snprintf(signature, sizeof signature, "v1=%s", sha256_hex(&hash).text); /* Short. */
    const struct fetch_header headers[] = {{"Content-Type", "application/json"},
                                           {"Drover-Delivery", parcel->delivery},
                                           {"Drover-Attempt", attempt},
                                           {"Drover-Timestamp", timestamp},
                                           {"Drover-Signature", signature}};
    const struct fetch_call call = {
        .method = "POST",
        .url = receiver->url,
        .headers = headers,
        .header_count = COUNT_OF(headers),
        .body = payload,
        .allow = options->allow,
        .limits = {.total_ms = options->timeout_ms, .size_max = ANSWER_MAX},
        .done = parcel_sent,
        .ctx = parcel,
    };
    return fetch_start(options->client, &call, &parcel->request);
}

/* --- To a session ----------------------------------------------------------------------------- */

static struct err follow_tx(struct tx *tx, void *ctx) {
    struct parcel *parcel = ((struct receiver *)ctx)->parcel;
    return tx_turn_follow_up(tx, &parcel->followup, &parcel->followed);
}

/* The transaction decides (engine/turn/submit.c). A session that is busy is forgotten here: the
 * commit that ends its turn sends a note. Rows that are there and not due, whatever the timer said,
 * are waited for a little more: somebody may have turned the wall clock back. */
static void follow_done(void *ctx) {
    struct receiver *receiver = ctx;
    receiver_enter(receiver, RECEIVER_SETTLING);
    if (!receiver_goes_on(receiver)) {
        return;
    }
    switch (receiver->parcel->followed) {
    case FOLLOW_UP_MORE:
        receiver_queue(receiver);
        break;
    case FOLLOW_UP_IDLE:
        receiver_wait(receiver, RETRY_FIRST_MS);
        break;
    case FOLLOW_UP_BEGUN:
    case FOLLOW_UP_BUSY:
        receiver_rest(receiver);
        break;
    }
}

/* The default model is known: also that of a server which was started after the daemon. */
static void follow_begin(void *ctx) {
    struct receiver *receiver = ctx;
    const struct deliver *deliver = receiver->deliver;
    const struct world *world = loop_world(deliver->options.loop);
    struct parcel *parcel = receiver->parcel;
    if (deliver->asker.stopping) {
        return; /* The next daemon finds the rows. */
    }
    connections_default_model(deliver->options.connections, &parcel->model);
    parcel->followup = (struct turn_message){
        .session = {.owner = receiver->key.owner, .session = receiver->key.address},
        .model_default = bytes_of(parcel->model.name),
        .run = world_new_id(world, "run"),
        .message = world_new_id(world, "msg"),
        .answer = world_new_id(world, "msg"),
        .bounds = deliver->options.bounds};
    ask_write(&receiver->ask, follow_tx, follow_done);
}

/* --- Asking ----------------------------------------------------------------------------------- */

/* Copies the row into the parcel, which belongs to this function until it is answered. */
static struct err due_tx(struct tx *tx, void *ctx) {
    const struct receiver *receiver = ctx;
    struct parcel *parcel = receiver->parcel;
    struct inbox_due due;
    const struct inbox_row *row = &due.row;
    parcel->found = false;
    parcel->damaged = 0;
    struct err err = tx_inbox_due(tx, &receiver->key, &receiver->deliver->options.waits, &due);
    if (err_failed(err) || !due.found) {
        return err;
    }
    parcel->found = true;
    if (due.damaged) {
        parcel->damaged = row->id;
        return ERR_OK;
    }
    memcpy(parcel->payload, row->payload.data, row->payload.len);
    parcel->payload_len = row->payload.len;
    memcpy(parcel->delivery, row->delivery.data, row->delivery.len);
    parcel->delivery[row->delivery.len] = '\0';
    parcel->failures = row->failures;
    parcel->wait_ms = due.wait_ms;
    return ERR_OK;
}

static struct err set_aside_tx(struct tx *tx, void *ctx) {
    const struct receiver *receiver = ctx;
    return tx_inbox_set_aside(tx, receiver->parcel->damaged);
}

static void set_aside_done(void *ctx) {
    struct receiver *receiver = ctx;
    if (receiver_goes_on(receiver)) {
        deliver_report_damaged(receiver->deliver, "a notice is damaged: it is held");
        receiver_queue(receiver);
    }
}

static void due_done(void *ctx) {
    struct receiver *receiver = ctx;
    struct deliver *deliver = receiver->deliver;
    struct parcel *parcel = receiver->parcel;
    const struct world *world = loop_world(deliver->options.loop);
    if (!receiver_goes_on(receiver)) {
        return;
    }
    if (parcel->damaged != 0) {
        ask_write(&receiver->ask, set_aside_tx, set_aside_done);
        return;
    }
    if (!parcel->found) {
        receiver_rest(receiver);
        return;
    }
    /* The row has a wall clock's time. While we live, the wait is over after its length at the
     * latest, even if somebody turned that clock back. */
    bool over = receiver->ripe && strcmp(receiver->waited, parcel->delivery) == 0;
    receiver->ripe = false;
    memcpy(receiver->waited, parcel->delivery, sizeof receiver->waited);
    if (!over && parcel->wait_ms > 0) {
        receiver_wait(receiver, (uint64_t)parcel->wait_ms);
    } else if (receiver->key.kind == RECEIVER_SESSION) {
        receiver_enter(receiver, RECEIVER_SENDING);
        if (!connections_look(deliver->options.connections, follow_begin, receiver)) {
            follow_begin(receiver);
        }
    } else {
        world_random(world, &parcel->random, sizeof parcel->random);
        if (err_failed(parcel_post(parcel))) { /* Too many wait for the client. */
            receiver_wait(receiver, RETRY_FIRST_MS);
            return;
        }
        deliver->stats.in_flight++;
        receiver_enter(receiver, RECEIVER_SENDING);
        timer_start(deliver->options.loop, &receiver->timer, DELIVER_SLOW_MS, parcel_on_slow);
    }
}

static void deliver_pump(struct loop_task *task) {
    struct deliver *deliver = CONTAINER_OF(task, struct deliver, pump);
    while (!deliver->held && !deliver->asker.stopping && deliver->slots < DELIVER_AT_ONCE) {
        /* In turns, where there is a choice: neither may keep the other from every slot. */
        bool slow = !links_empty(&deliver->slow) && deliver->slow_slots < DELIVER_SLOW_MAX &&
                    (deliver->slow_next || links_empty(&deliver->quick));
        struct link *first = links_take(slow ? &deliver->slow : &deliver->quick);
        deliver->slow_next = !slow;
        if (first == NULL) {
            return;
        }
        struct receiver *receiver = CONTAINER_OF(first, struct receiver, link);
        receiver->touched = false;
        receiver->parcel = mem_new(sizeof *receiver->parcel);
        receiver->parcel->receiver = receiver;
        receiver->parcel->slow = receiver->slow;
        deliver->slots++;
        deliver->slow_slots += receiver->slow;
        receiver_enter(receiver, RECEIVER_ASKING);
        ask_read(&receiver->ask, due_tx, due_done);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static void deliver_on_stopped(struct loop_task *task) {
    struct deliver *deliver = CONTAINER_OF(task, struct deliver, stop_task);
    deliver->stopped(deliver->stopped_ctx);
}

struct deliver *deliver_open(const struct deliver_options *options) {
    static const struct ask_rules rules = {.judge = ask_any};
    assert(options->secret.len >= DELIVER_SECRET_MIN);
    struct deliver *deliver = mem_new(sizeof *deliver);
    deliver->options = *options;
    deliver->asker = (struct asker){.loop = options->loop,
                                    .store = options->store,
                                    .effects = options->effects,
                                    .pause_ms = RETRY_FIRST_MS,
                                    .pause_max_ms = RETRY_MAX_MS,
                                    .ctx = options->ctx,
                                    .failed = options->failed};
    ask_init(&deliver->walk.ask, &deliver->asker, &rules, deliver);
    ask_init(&deliver->census_ask, &deliver->asker, &rules, deliver);
    if (options->receivers_max == 0) {
        deliver->options.receivers_max = DELIVER_RECEIVERS_MAX;
    }
    deliver->held = options->hold == RUN_HELD;
    links_init(&deliver->quick);
    links_init(&deliver->slow);
    deliver->pump.run = deliver_pump;
    deliver->stop_task.run = deliver_on_stopped;
    table_init(&deliver->receivers);
    return deliver;
}

void deliver_set_hold(struct deliver *deliver, enum run_hold hold) {
    deliver->held = hold == RUN_HELD;
    if (!deliver->held) {
        loop_soon(deliver->options.loop, &deliver->pump);
    }
}

/* Timers and tasks of its own; those of receivers go with them. */
static void deliver_stop_timers(struct deliver *deliver) {
    loop_task_cancel(deliver->options.loop, &deliver->pump);
    timer_stop(deliver->options.loop, &deliver->walk.timer);
    ask_stop(&deliver->census_ask);
    retry_done(&deliver->walk.retry);
}

void deliver_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct deliver *deliver = room;
    assert(!deliver->asker.stopping);
    deliver->asker.stopping = true;
    deliver->stopped = stopped;
    deliver->stopped_ctx = ctx;
    for (struct table_node *node = NULL; (node = table_next(&deliver->receivers, node)) != NULL;) {
        struct receiver *receiver = CONTAINER_OF(node, struct receiver, node);
        timer_stop(deliver->options.loop, &receiver->timer);
        parcel_cancel(receiver);
    }
    deliver_stop_timers(deliver);
    loop_soon(deliver->options.loop, &deliver->stop_task);
}

void deliver_close(struct deliver *deliver) {
    if (deliver == NULL) {
        return;
    }
    assert(deliver->asker.away == 0);
    deliver_stop_timers(deliver);
    loop_task_cancel(deliver->options.loop, &deliver->stop_task);
    for (struct table_node *node = table_next(&deliver->receivers, NULL), *next; node != NULL;
         node = next) {
        next = table_next(&deliver->receivers, node);
        receiver_free(CONTAINER_OF(node, struct receiver, node));
    }
    table_done(&deliver->receivers);
    mem_free(deliver);
}

void deliver_get_stats(const struct deliver *deliver, struct deliver_stats *ret_stats) {
    *ret_stats = deliver->stats;
    ret_stats->store_retries = deliver->asker.retries;
    ret_stats->receivers = deliver->receivers.count;
    ret_stats->pending = (uint64_t)deliver->known.pending;
    ret_stats->stalled = (uint64_t)deliver->known.stalled;
    ret_stats->oldest_ms = deliver->known.oldest_ms;
}
