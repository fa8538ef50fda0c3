/* delivery.c: one delivery, from the row to the commit of its outcome: a request to a webhook, or a
 * turn of a session. */
#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/base/new_id.h"
#include "dispatch/inbox/deliver_inside.h"

enum { ANSWER_MAX = 64 << 10 }; /* Bytes of an answer that are read, and dropped. */

/* The store has answered. False: it refused, and the receiver waits for its next try. */
static bool receiver_goes_on(struct receiver *receiver) {
    struct err err = receiver->ask.err;
    if (err_failed(err)) {
        deliver__wait(receiver, deliver__retry_ms(receiver->deliver, &receiver->retry, err));
    } else {
        retry_done(&receiver->retry);
    }
    return !err_failed(err);
}

/* --- Settling --------------------------------------------------------------------------------- */

static struct err settle_tx(struct tx *tx, void *ctx) {
    const struct receiver *receiver = ctx;
    struct parcel *parcel = receiver->parcel;
    const struct inbox_settle settle = {
        .delivery = bytes_of(parcel->delivery),
        .cause = bytes_of(parcel->cause),
        .outcome = parcel->outcome,
        .waits = receiver->deliver->options.waits,
        .random = parcel->random,
    };
    parcel->late = false;
    return tx_inbox_settle(tx, &settle, &parcel->late);
}

static void settle(struct receiver *receiver);

static void settle_again(struct timer *timer) {
    settle(CONTAINER_OF(timer, struct receiver, timer));
}

static void settle_done(void *ctx) {
    struct receiver *receiver = ctx;
    struct deliver *deliver = receiver->deliver;
    const struct parcel *parcel = receiver->parcel;
    uint64_t *const counters[] = {[INBOX_DELIVERED] = &deliver->stats.delivered,
                                  [INBOX_FAILED] = &deliver->stats.failed,
                                  [INBOX_RECEIVER_GONE] = &deliver->stats.gone};
    if (err_failed(receiver->ask.err)) {
        uint64_t wait_ms = deliver__retry_ms(deliver, &receiver->retry, receiver->ask.err);
        if (wait_ms >= DELIVER_HOPELESS_MS) { /* The slot is for others until then. */
            deliver__wait(receiver, wait_ms);
        } else {
            timer_start(deliver->options.loop, &receiver->timer, wait_ms, settle_again);
        }
        return;
    }
    retry_done(&receiver->retry);
    (*counters[parcel->outcome])++;
    deliver->stats.late += parcel->late;
    deliver__queue(receiver); /* After the others: its next row, if there is one. */
}

static void settle(struct receiver *receiver) {
    deliver__enter(receiver, RECEIVER_SETTLING);
    ask_write(&receiver->ask, settle_tx, settle_done);
}

/* --- Sending ---------------------------------------------------------------------------------- */

/* The status line is the receiver's word; the fate of the rest does not change it. */
static void judge(struct parcel *parcel, const struct fetch_result *result) {
    int status = result->answer.status;
    parcel->outcome = status >= 200 && status < 300 ? INBOX_DELIVERED
                      : status == 410               ? INBOX_RECEIVER_GONE
                                                    : INBOX_FAILED;
    parcel->cause[0] = '\0';
    if (parcel->outcome == INBOX_DELIVERED) {
        return;
    }
    if (status != 0) { /* Cut at worst, as below. */
        (void)snprintf(parcel->cause, sizeof parcel->cause, "the receiver answered %d%s", status,
                       status < 400 ? "; redirects are not followed" : "");
    } else {
        (void)snprintf(parcel->cause, sizeof parcel->cause, "%s%s%s",
                       fetch_fault_text(result->fault), result->detail[0] != '\0' ? ": " : "",
                       result->detail);
    }
}

static void sent(void *ctx, const struct fetch_result *result) {
    struct parcel *parcel = ctx;
    struct receiver *receiver = parcel->receiver;
    parcel->request = NULL;
    receiver->deliver->stats.in_flight--;
    receiver->slow = parcel->lasting;
    timer_stop(receiver->deliver->options.loop, &receiver->timer);
    judge(parcel, result);
    settle(receiver);
}

static void on_slow(struct timer *timer) {
    deliver__slow(CONTAINER_OF(timer, struct receiver, timer));
}

#define SIGNATURE_PREFIX "v1="
struct signature {
    char text[sizeof SIGNATURE_PREFIX - 1 + sizeof(struct sha256_hex)];
};

static struct signature sign(const struct parcel *parcel, const char *timestamp) {
    struct hmac_stream hmac;
    hmac_start(&hmac, parcel->receiver->deliver->options.secret);
    hmac_add(&hmac, bytes_of(timestamp));
    hmac_add(&hmac, BYTES("."));
    hmac_add(&hmac, bytes_of(parcel->delivery));
    hmac_add(&hmac, BYTES("."));
    hmac_add(&hmac, (struct bytes){parcel->payload, parcel->payload_len});
    struct sha256 hash = hmac_finish(&hmac);
    struct sha256_hex hex = sha256_hex(&hash);
    struct signature signature = {.text = SIGNATURE_PREFIX};
    memcpy(signature.text + sizeof SIGNATURE_PREFIX - 1, hex.text, sizeof hex.text);
    return signature;
}

static struct err post(struct parcel *parcel) {
    const struct receiver *receiver = parcel->receiver;
    const struct deliver_options *options = &receiver->deliver->options;
    char timestamp[24], attempt[24];
    int64_t now_ms = world_wall_ms(loop_world(options->loop));
    (void)snprintf(timestamp, sizeof timestamp, "%lld", (long long)(now_ms / 1000));
    (void)snprintf(attempt, sizeof attempt, "%lld", (long long)(parcel->failures + 1));
    struct signature signature = sign(parcel, timestamp);
    const struct fetch_header headers[] = {{"Content-Type", "application/json"},
                                           {"Drover-Delivery", parcel->delivery},
                                           {"Drover-Attempt", attempt},
                                           {"Drover-Timestamp", timestamp},
                                           {"Drover-Signature", signature.text}};
    const struct fetch_call call = {
        .method = "POST",
        .url = receiver->url,
        .headers = headers,
        .header_count = COUNT_OF(headers),
        .body = {parcel->payload, parcel->payload_len},
        .allow = options->allow,
        .limits = {.total_ms = options->timeout_ms, .size_max = ANSWER_MAX},
        .done = sent,
        .ctx = parcel,
    };
    return fetch_start(options->client, &call, &parcel->request);
}

/* --- To a session ----------------------------------------------------------------------------- */

static struct err follow_tx(struct tx *tx, void *ctx) {
    struct parcel *parcel = ((struct receiver *)ctx)->parcel;
    return tx_turn_follow_up(tx, &parcel->followup, &parcel->followed);
}

/* The transaction decides (engine/turn/followup.c). A session that is busy is forgotten here: the
 * commit that ends its turn sends a note. Rows that are there and not due, whatever the timer said,
 * are waited for a little more: somebody may have turned the wall clock back. */
static void follow_done(void *ctx) {
    struct receiver *receiver = ctx;
    deliver__enter(receiver, RECEIVER_SETTLING);
    if (!receiver_goes_on(receiver)) {
        return;
    }
    switch (receiver->parcel->followed) {
    case FOLLOW_UP_MORE:
        deliver__queue(receiver);
        break;
    case FOLLOW_UP_IDLE:
        deliver__wait(receiver, DELIVER_RETRY_FIRST_MS);
        break;
    case FOLLOW_UP_BEGUN:
    case FOLLOW_UP_BUSY:
        deliver__idle(receiver);
        break;
    }
}

static void follow(struct receiver *receiver) {
    const struct deliver *deliver = receiver->deliver;
    const struct world *world = loop_world(deliver->options.loop);
    struct parcel *parcel = receiver->parcel;
    connections_default_model(deliver->options.connections, &parcel->model);
    parcel->followup = (struct turn_followup){
        .session = {.owner = receiver->key.owner, .session = receiver->key.address},
        .model_default = bytes_of(parcel->model.name),
        .run = new_id(world, "run"),
        .message = new_id(world, "msg"),
        .answer = new_id(world, "msg"),
        .bounds = deliver->options.bounds};
    deliver__enter(receiver, RECEIVER_SENDING);
    ask_write(&receiver->ask, follow_tx, follow_done);
}

/* --- Asking ----------------------------------------------------------------------------------- */

/* Copies the row into the parcel, which belongs to this function until it is answered. */
static struct err due_tx(struct tx *tx, void *ctx) {
    const struct receiver *receiver = ctx;
    struct parcel *parcel = receiver->parcel;
    const struct inbox_row *row = NULL;
    struct inbox_due due;
    parcel->found = false;
    parcel->damaged = 0;
    struct err err = tx_inbox_due(tx, &receiver->key, &receiver->deliver->options.waits, &due);
    if (err_failed(err) || !due.found) {
        return err;
    }
    row = &due.row;
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
        deliver__damaged(receiver->deliver, "a notice is damaged: it is held");
        deliver__queue(receiver);
    }
}

static void due_done(void *ctx) {
    struct receiver *receiver = ctx;
    struct deliver *deliver = receiver->deliver;
    struct parcel *parcel = receiver->parcel;
    if (!receiver_goes_on(receiver)) {
        return;
    }
    if (parcel->damaged != 0) {
        ask_write(&receiver->ask, set_aside_tx, set_aside_done);
        return;
    }
    if (!parcel->found) {
        deliver__idle(receiver);
        return;
    }
    /* The row has a wall clock's time. While we live, the wait is over after its length at the
     * latest, even if somebody turned that clock back. */
    bool over = receiver->ripe && strcmp(receiver->waited, parcel->delivery) == 0;
    receiver->ripe = false;
    memcpy(receiver->waited, parcel->delivery, sizeof receiver->waited);
    if (!over && parcel->wait_ms > 0) {
        deliver__wait(receiver, (uint64_t)parcel->wait_ms);
        return;
    }
    if (receiver->key.kind == RECEIVER_SESSION) {
        follow(receiver);
        return;
    }
    world_random(loop_world(deliver->options.loop), &parcel->random, sizeof parcel->random);
    if (err_failed(post(parcel))) { /* Too many wait for the client. */
        deliver__wait(receiver, DELIVER_RETRY_FIRST_MS);
        return;
    }
    deliver->stats.in_flight++;
    deliver__enter(receiver, RECEIVER_SENDING);
    timer_start(deliver->options.loop, &receiver->timer, DELIVER_SLOW_MS, on_slow);
}

void parcel__ask(struct receiver *receiver) {
    ask_read(&receiver->ask, due_tx, due_done);
}

void parcel__cancel(struct receiver *receiver) {
    if (receiver->parcel != NULL && receiver->parcel->request != NULL) {
        fetch_cancel(receiver->parcel->request);
        receiver->parcel->request = NULL;
        receiver->deliver->stats.in_flight--;
    }
}
