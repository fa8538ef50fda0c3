/* delivery.c: one delivery, from the row to the commit of its outcome. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/inbox/deliver_inside.h"

enum { ANSWER_MAX = 64 << 10 }; /* Bytes of an answer that are read, and dropped. */

/* --- Settling --------------------------------------------------------------------------------- */

static struct err settle_tx(struct tx *tx, void *ctx) {
    struct parcel *parcel = ctx;
    const struct inbox_settle settle = {
        .delivery = {parcel->delivery, strlen(parcel->delivery)},
        .cause = {parcel->cause, strlen(parcel->cause)},
        .outcome = parcel->outcome,
        .waits = parcel->receiver->deliver->options.waits,
        .random = parcel->random,
    };
    parcel->late = false;
    return tx_inbox_settle(tx, &settle, &parcel->late);
}

static void settle(struct receiver *receiver);

static void settle_again(struct timer *timer) {
    settle(CONTAINER_OF(timer, struct receiver, timer));
}

static void count(struct deliver *deliver, const struct parcel *parcel) {
    uint64_t *const counters[] = {[INBOX_DELIVERED] = &deliver->stats.delivered,
                                  [INBOX_FAILED] = &deliver->stats.failed,
                                  [INBOX_RECEIVER_GONE] = &deliver->stats.gone};
    (*counters[parcel->outcome])++;
    deliver->stats.late += parcel->late;
}

static void settle_done(struct err err, void *ctx) {
    const struct parcel *parcel = ctx;
    struct receiver *receiver = parcel->receiver;
    struct deliver *deliver = receiver->deliver;
    if (!deliver__answered(deliver)) {
        return;
    }
    if (err_failed(err)) {
        uint64_t wait_ms = deliver__retry_ms(deliver, &receiver->retry, err);
        if (wait_ms >= DELIVER_HOPELESS_MS) { /* The slot is for others until then. */
            deliver__wait(receiver, wait_ms);
        } else {
            timer_start(deliver->options.loop, &receiver->timer, wait_ms, settle_again);
        }
        return;
    }
    deliver__retry_done(&receiver->retry);
    count(deliver, parcel);
    deliver__queue(receiver); /* Behind the others: its next row, if there is one. */
}

static void settle(struct receiver *receiver) {
    deliver__enter(receiver, RECEIVER_SETTLING);
    deliver__write(receiver->deliver, settle_tx, settle_done, receiver->parcel);
}

/* --- Sending ---------------------------------------------------------------------------------- */

static enum inbox_outcome outcome_of(int status) {
    if (status >= 200 && status < 300) {
        return INBOX_DELIVERED;
    }
    return status == 410 ? INBOX_RECEIVER_GONE : INBOX_FAILED;
}

/* The status line is the receiver's word; what became of the rest does not change it. */
static void judge(struct parcel *parcel, const struct fetch_result *result) {
    int status = result->answer.status;
    parcel->outcome = outcome_of(status);
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
    receiver->slow = receiver->late;
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

/* --- Asking ----------------------------------------------------------------------------------- */

/* Copies the row into the parcel, which belongs to this function until it is answered. */
static struct err due_tx(struct tx *tx, void *ctx) {
    struct parcel *parcel = ctx;
    struct inbox_due due;
    parcel->found = false;
    parcel->damaged = 0;
    struct err err =
        tx_inbox_due(tx, &parcel->receiver->key, &parcel->receiver->deliver->options.waits, &due);
    if (err_failed(err) || !due.found) {
        return err;
    }
    const struct inbox_row row = due.row;
    parcel->found = true;
    if (due.damaged) {
        parcel->damaged = row.id;
        return ERR_OK;
    }
    memcpy(parcel->payload, row.payload.data, row.payload.len);
    parcel->payload_len = row.payload.len;
    memcpy(parcel->delivery, row.delivery.data, row.delivery.len);
    parcel->delivery[row.delivery.len] = '\0';
    parcel->failures = row.failures;
    parcel->wait_ms = due.wait_ms;
    return ERR_OK;
}

/* The row has a wall clock's time. While we live, what was waited for is over after its wait at the
 * latest, even if somebody turned that clock back. */
static uint64_t wait_of(const struct receiver *receiver) {
    const struct parcel *parcel = receiver->parcel;
    bool over = receiver->ripe && strcmp(receiver->waited, parcel->delivery) == 0;
    return over ? 0 : (uint64_t)parcel->wait_ms;
}

static void proceed(struct receiver *receiver) {
    struct deliver *deliver = receiver->deliver;
    struct parcel *parcel = receiver->parcel;
    uint64_t wait_ms = wait_of(receiver);
    receiver->ripe = false;
    memcpy(receiver->waited, parcel->delivery, sizeof receiver->waited);
    if (wait_ms > 0) {
        deliver__wait(receiver, wait_ms);
        return;
    }
    if (receiver->key.kind == RECEIVER_SESSION) {
        parcel__follow(receiver);
        return;
    }
    world_random(loop_world(deliver->options.loop), &parcel->random, sizeof parcel->random);
    if (err_failed(post(parcel))) { /* Too many wait for the client. */
        deliver__wait(receiver, DELIVER_RETRY_FIRST_MS);
        return;
    }
    deliver->stats.in_flight++;
    receiver->late = false;
    deliver__enter(receiver, RECEIVER_SENDING);
    timer_start(deliver->options.loop, &receiver->timer, DELIVER_SLOW_MS, on_slow);
}

static struct err set_aside_tx(struct tx *tx, void *ctx) {
    const struct parcel *parcel = ctx;
    return tx_inbox_set_aside(tx, parcel->damaged);
}

/* false: the store refused, and the receiver waits for its next try; or the daemon is stopping. */
static bool parcel_answered(struct parcel *parcel, struct err err) {
    struct receiver *receiver = parcel->receiver;
    struct deliver *deliver = receiver->deliver;
    if (!deliver__answered(deliver)) {
        return false;
    }
    if (err_failed(err)) {
        deliver__wait(receiver, deliver__retry_ms(deliver, &receiver->retry, err));
        return false;
    }
    deliver__retry_done(&receiver->retry);
    return true;
}

static void set_aside_done(struct err err, void *ctx) {
    struct parcel *parcel = ctx;
    struct receiver *receiver = parcel->receiver;
    if (parcel_answered(parcel, err)) {
        deliver__damaged(receiver->deliver, "a notice is damaged: it is held");
        deliver__queue(receiver);
    }
}

static void asked(struct err err, void *ctx) {
    struct parcel *parcel = ctx;
    struct receiver *receiver = parcel->receiver;
    struct deliver *deliver = receiver->deliver;
    if (!parcel_answered(parcel, err)) {
        return;
    }
    if (parcel->damaged != 0) {
        deliver__write(deliver, set_aside_tx, set_aside_done, receiver->parcel);
    } else if (parcel->found) {
        proceed(receiver);
    } else {
        deliver__idle(receiver);
    }
}

void parcel__ask(struct receiver *receiver) {
    deliver__read(receiver->deliver, due_tx, asked, receiver->parcel);
}

void parcel__cancel(struct receiver *receiver) {
    if (receiver->parcel != NULL && receiver->parcel->request != NULL) {
        fetch_cancel(receiver->parcel->request);
        receiver->parcel->request = NULL;
        receiver->deliver->stats.in_flight--;
    }
}
