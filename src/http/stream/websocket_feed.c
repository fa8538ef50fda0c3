#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "http/socket.h"

enum { PULL_BYTES_MAX = 256 << 10, NOTE_MAX = 4096 };

static struct bytes name_of(const struct subscription *subscription) {
    return (struct bytes){subscription->name, subscription->name_len};
}

struct subscription *subscription_find(struct socket *socket, struct bytes name) {
    struct subscription *at = socket->subscriptions;
    while (at != NULL && (at->name_len != name.len || memcmp(at->name, name.data, name.len) != 0)) {
        at = at->next;
    }
    return at;
}

static void queue_ready(struct subscription *subscription) {
    struct socket *socket = subscription->socket;
    if (subscription->queued) {
        return;
    }
    subscription->queued = true;
    subscription->next_ready = NULL;
    if (socket->ready_last != NULL) {
        socket->ready_last->next_ready = subscription;
    } else {
        socket->ready = subscription;
    }
    socket->ready_last = subscription;
}

static struct subscription *take_ready(struct socket *socket) {
    struct subscription *first = socket->ready;
    if (first != NULL) {
        first->queued = false;
        socket->ready = first->next_ready;
        if (socket->ready == NULL) {
            socket->ready_last = NULL;
        }
    }
    return first;
}

static void unqueue_ready(struct subscription *subscription) {
    struct socket *socket = subscription->socket;
    struct subscription *before = NULL;
    struct subscription **at = &socket->ready;
    while (subscription->queued && *at != NULL) {
        if (*at == subscription) {
            *at = subscription->next_ready;
            subscription->queued = false;
            if (socket->ready_last == subscription) {
                socket->ready_last = before;
            }
            return;
        }
        before = *at;
        at = &before->next_ready;
    }
}

static void ready(struct hub_subscriber *subscriber) {
    struct subscription *subscription = CONTAINER_OF(subscriber, struct subscription, subscriber);
    queue_ready(subscription);
    socket_pump(subscription->socket);
}

void subscription_open(struct socket *socket, struct bytes name, int64_t after, bool snapshot) {
    struct subscription *subscription = mem_new(sizeof *subscription + name.len);
    subscription->socket = socket;
    subscription->name_len = name.len;
    memcpy(subscription->name, name.data, name.len);
    subscription->next = socket->subscriptions;
    if (socket->subscriptions != NULL) {
        socket->subscriptions->prev = subscription;
    }
    socket->subscriptions = subscription;
    socket->subscription_count++;
    subscription->subscriber.ready = ready;
    subscription->subscriber.format = HUB_WS;
    struct hub_subscribe what = {.owner = {socket->owner, strlen(socket->owner)},
                                 .name = name_of(subscription),
                                 .after = after,
                                 .snapshot = snapshot};
    hub_subscribe(socket->hub, &what, &subscription->subscriber);
}

void subscription_close(struct subscription *subscription) {
    struct socket *socket = subscription->socket;
    hub_unsubscribe(socket->hub, &subscription->subscriber);
    unqueue_ready(subscription);
    hub_buffer_unref(subscription->held.buffer);
    if (subscription->prev != NULL) {
        subscription->prev->next = subscription->next;
    } else {
        socket->subscriptions = subscription->next;
    }
    if (subscription->next != NULL) {
        subscription->next->prev = subscription->prev;
    }
    socket->subscription_count--;
    mem_free(subscription);
}

void subscription_say_closing(const struct subscription *subscription, const char *code) {
    AUTO(text_done) struct text json;
    text_init(&json, NOTE_MAX);
    text_add_str(&json, "{\"stream\":");
    text_add_json(&json, subscription->name, subscription->name_len);
    text_addf(&json, ",\"closing\":{\"after\":%" PRId64, subscription->sent);
    if (code != NULL) {
        text_addf(&json, ",\"code\":\"%s\"", code);
    }
    text_add_str(&json, "}}");
    socket_reply(subscription->socket, &json);
}

static void say_subscribed(const struct subscription *subscription) {
    AUTO(text_done) struct text json;
    text_init(&json, NOTE_MAX);
    text_add_str(&json, "{\"subscribed\":");
    text_add_json(&json, subscription->name, subscription->name_len);
    text_add_char(&json, '}');
    socket_reply(subscription->socket, &json);
}

/* The stream itself has ended, and its subscription with it. */
static void finish(struct subscription *subscription) {
    AUTO(text_done) struct text json;
    text_init(&json, NOTE_MAX);
    text_add_str(&json, "{\"stream\":");
    text_add_json(&json, subscription->name, subscription->name_len);
    text_addf(&json, ",\"done\":{\"after\":%" PRId64 "}}", subscription->sent);
    socket_reply(subscription->socket, &json);
    subscription_close(subscription);
}

static enum hub_pull pull(struct subscription *subscription, struct hub_piece *piece) {
    if (subscription->held.buffer != NULL) {
        *piece = subscription->held;
        subscription->held.buffer = NULL;
        return HUB_PIECE;
    }
    return hub_pull(subscription->socket->hub, &subscription->subscriber, piece);
}

static void lose(struct subscription *subscription) {
    socket_say_error(subscription->socket, name_of(subscription), subscription->subscriber.err,
                     /* why */ NULL);
    subscription_close(subscription);
}

/* The first word about a subscription: it stands, or it does not. Its events come behind. */
static void confirm(struct subscription *subscription) {
    subscription->confirmed = true;
    subscription->sent = subscription->subscriber.cursor;
    enum hub_pull result = pull(subscription, &subscription->held);
    if (result == HUB_GONE) {
        lose(subscription);
        return;
    }
    say_subscribed(subscription);
    if (result != HUB_WAIT) {
        queue_ready(subscription); /* A stream that is over already is told of behind that. */
    }
}

unsigned socket_pull(struct socket *socket, struct outlet_piece *pieces, unsigned count_max) {
    unsigned count = 0;
    size_t total = 0;
    /* A reply that came up on the way is written before what was pulled behind it. */
    while (count < count_max && total < PULL_BYTES_MAX && socket->replies.len == 0) {
        struct subscription *subscription = take_ready(socket);
        if (subscription == NULL) {
            break;
        }
        if (!subscription->confirmed) {
            confirm(subscription);
            continue;
        }
        struct hub_piece piece;
        enum hub_pull result = pull(subscription, &piece);
        if (result == HUB_GONE) {
            lose(subscription);
        } else if (result == HUB_DONE) {
            finish(subscription);
        } else if (result == HUB_PIECE) {
            pieces[count++] = (struct outlet_piece){.bytes = piece.bytes, .buffer = piece.buffer};
            total += piece.bytes.len;
            subscription->sent = piece.last_seq;
            queue_ready(subscription);
        }
    }
    return count;
}
