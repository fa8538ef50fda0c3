/* deliver_session.c: a notice to a session: no request, but a turn of it.
 *
 * The transaction decides (engine/turn/followup.c). One that is busy is forgotten here: the commit
 * that ends its turn sends a note. */
#include <string.h>

#include "dispatch/inbox/deliver_inside.h"

static struct id new_id(const struct deliver *deliver, const char *prefix) {
    const struct world *world = loop_world(deliver->options.loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make(prefix, world_wall_ms(world), random);
}

static struct err follow_tx(struct tx *tx, void *ctx) {
    struct parcel *parcel = ctx;
    return tx_turn_follow_up(tx, &parcel->followup, &parcel->followed);
}

/* Rows that are there and not due, whatever the timer said, are waited for a little more: somebody
 * may have turned the wall clock back. */
static void settle(struct receiver *receiver, enum turn_followed how) {
    switch (how) {
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

static void followed(struct err err, void *ctx) {
    const struct parcel *parcel = ctx;
    struct receiver *receiver = parcel->receiver;
    struct deliver *deliver = receiver->deliver;
    if (!deliver__answered(deliver)) {
        return;
    }
    deliver__enter(receiver, RECEIVER_SETTLING);
    if (err_failed(err)) {
        deliver__wait(receiver, deliver__retry_ms(deliver, &receiver->retry, err));
        return;
    }
    deliver__retry_done(&receiver->retry);
    settle(receiver, parcel->followed);
}

void parcel__follow(struct receiver *receiver) {
    struct deliver *deliver = receiver->deliver;
    struct parcel *parcel = receiver->parcel;
    connections_default_model(deliver->options.connections, &parcel->model);
    parcel->followup = (struct turn_followup){
        .session = {.owner = receiver->key.owner, .session = receiver->key.address},
        .model_default = {parcel->model.name, strlen(parcel->model.name)},
        .run = new_id(deliver, "run"),
        .message = new_id(deliver, "msg"),
        .answer = new_id(deliver, "msg"),
        .bounds = deliver->options.bounds};
    deliver__enter(receiver, RECEIVER_SENDING);
    deliver__write(deliver, follow_tx, followed, parcel);
}
