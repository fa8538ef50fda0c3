/* websocket.c: a socket, its subscriptions, and what its client says.
 *
 * Frames to the client are never masked nor fragmented:
 *
 *     81 len payload                 text; len < 126
 *     81 7e len16 payload            text; len < 65,536 (big endian)
 *     89 00                          ping, followed by a heartbeat in text
 *
 * Event frames come whole from the hub. Whatever the client sends, and the answers to its control
 * frames, are wslay's business; its output is gathered and written as whole frames. */
#include "http/stream/websocket.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "http/inside.h"
#include "http/stream/handshake.h"
#include "http/stream/sign_in.h"
#include "journal/journal.h"

enum {
    MESSAGE_MAX = 16 << 10, /* Bytes of a client's message. */
    MESSAGE_DEPTH_MAX = 4,
    REPLY_MAX = 4096,
    UNREAD_MAX = 64 << 10, /* Bytes of our replies, before we stop reading. */
    REPLIES_MAX = 1 << 20, /* With all the closing frames of a drain. */
    WRITE_PIECES_MAX = 16,
    PULL_BYTES_MAX = 256 << 10,
    TURN_WRITES_MAX = 4,
    HEAR_BYTES_MAX = 4 << 10, /* Per turn: a read may hold thousands of small messages. */
    SILENT_BEATS_MAX = 2,
};

/* A stream of the hub, or a feed. */
struct subscription {
    struct hub_subscriber subscriber;
    struct feed *feed; /* Owned by its kind; NULL: a stream of the hub. */
    struct socket *socket;
    struct link link;      /* Among all of the socket. */
    struct link in_ready;  /* Among those that are ready. */
    bool confirmed;        /* The client was notified. */
    struct hub_piece held; /* Pulled with the confirmation, written after it. */
    int64_t sent;          /* The cursor of what was handed to the connection. */
    size_t name_len;
    char name[];
};

/* A message that is a request, until it is answered. */
struct errand {
    struct link link;
    struct socket *socket; /* NULL: it is gone. */
    const char *word;      /* Static. */
    size_t name_len;
    char name[];
};

struct socket {
    struct outlet outlet;
    struct http_server *server;    /* Borrowed. */
    struct hub *hub;               /* Borrowed. */
    const struct feed_kind *feeds; /* Borrowed; NULL: none. */
    wslay_event_context_ptr wslay;
    struct timer heartbeat;
    struct loop_task task;
    struct link subscriptions;  /* Owned. */
    struct link ready;          /* Subscriptions with something to pull. */
    struct subscription *taken; /* The feed whose frames are being written; NULL: none. */
    struct link errands;        /* Owned until they are answered. */
    unsigned subscription_count, feed_count, errand_count, silent_beats;
    struct text replies; /* Whole frames of ours, to be written. */
    struct bytes input;  /* Borrowed during `receive`: what wslay has not taken. */
    char *backlog;       /* Owned: input for the next turns. */
    size_t backlog_at, backlog_len;
    bool draining, closing, failed;
    bool refuses_input;       /* wslay cannot read on. */
    struct identity identity; /* Once it has signed in. */
    struct sign_in sign_in;
    char accept[HANDSHAKE_ACCEPT_SIZE];
};

static struct socket *of_outlet(struct outlet *outlet) {
    return CONTAINER_OF(outlet, struct socket, outlet);
}

static bool socket_is_over(const struct socket *socket) {
    return socket->closing || wslay_event_get_close_sent(socket->wslay) != 0;
}

/* --- Replies ---------------------------------------------------------------------------------- */

/* Queues a close frame; the connection ends after it. */
static void socket_close(struct socket *socket, uint16_t code) {
    if (!socket->closing) {
        socket->closing = true;
        /* Refused only when a close is queued already, which does as well. */
        (void)wslay_event_queue_close(socket->wslay, code, NULL, 0);
    }
}

/* Closes a socket that has not signed in, or not in time; `reason` is all that its client reads. */
static void socket_refuse(struct socket *socket, const char *reason) {
    if (!socket->closing) {
        socket->closing = true;
        /* As above. */
        (void)wslay_event_queue_close(socket->wslay, WSLAY_CODE_POLICY_VIOLATION,
                                      (const uint8_t *)reason, strlen(reason));
    }
}

void feed_frame_add(struct text *frames, struct bytes json) {
    char head[10] = {(char)0x81, (char)json.len};
    size_t more = json.len < 126 ? 0 : json.len <= UINT16_MAX ? 2 : 8;
    head[1] = more == 0 ? head[1] : more == 2 ? 126 : 127;
    for (size_t i = 0; i < more; i++) {
        head[2 + i] = (char)(json.len >> (8 * (more - 1 - i)));
    }
    text_add(frames, head, 2 + more);
    text_add(frames, json.data, json.len);
}

/* Queues one text frame. */
static void socket_reply(struct socket *socket, const struct text *json) {
    if (text_failed(json)) {
        socket_close(socket, WSLAY_CODE_INTERNAL_SERVER_ERROR);
    } else {
        feed_frame_add(&socket->replies, text_bytes(json));
    }
}

/* {"subscribed":"name"} */
static void socket_say(struct socket *socket, const char *word, struct bytes name) {
    AUTO(text_done) struct text json = text_up_to(REPLY_MAX);
    text_add_char(&json, '{');
    text_add_member(&json, word, name);
    text_add_char(&json, '}');
    socket_reply(socket, &json);
}

void feed_error_add(struct text *frames, struct bytes name, struct err err, const struct why *why) {
    AUTO(text_done) struct text json = text_up_to(REPLY_MAX);
    text_add_char(&json, '{');
    if (name.len > 0) {
        text_add_member(&json, "stream", name);
    }
    text_add_name(&json, "error");
    problem_write(&json, err, why, &(struct problem_about){.run = NULL});
    text_add_char(&json, '}');
    feed_frame_add(frames, text_failed(&json) ? BYTES("{\"error\":{}}") : text_bytes(&json));
}

static void socket_say_error(struct socket *socket, struct bytes stream, struct err err,
                             const struct why *why) {
    feed_error_add(&socket->replies, stream, err, why);
}

static struct bytes name_of(const struct subscription *subscription) {
    return (struct bytes){subscription->name, subscription->name_len};
}

/* {"stream":"name","closing":{"after":seq}}, perhaps with a code. */
static void subscription_say_end(const struct subscription *subscription, const char *word,
                                 const char *code) {
    AUTO(text_done) struct text json = text_up_to(REPLY_MAX);
    text_add_char(&json, '{');
    text_add_member(&json, "stream", name_of(subscription));
    text_add_name(&json, word);
    text_add_char(&json, '{');
    if (subscription->feed != NULL) {
        subscription->feed->ops->mark(subscription->feed, &json);
    } else {
        text_add_member_int(&json, "after", subscription->sent);
    }
    if (code != NULL) {
        text_add_member(&json, "code", bytes_of(code));
    }
    text_add_str(&json, "}}");
    socket_reply(subscription->socket, &json);
}

/* --- Subscriptions ---------------------------------------------------------------------------- */

static void ready_push(struct subscription *subscription) {
    if (!link_listed(&subscription->in_ready)) {
        link_add_last(&subscription->socket->ready, &subscription->in_ready);
    }
}

static void socket_pump(struct socket *socket);

static void subscription_ready(struct hub_subscriber *subscriber) {
    struct subscription *subscription = CONTAINER_OF(subscriber, struct subscription, subscriber);
    ready_push(subscription);
    socket_pump(subscription->socket);
}

/* NULL: there is none. */
static struct subscription *subscription_find(struct socket *socket, struct bytes name) {
    for (struct link *at = socket->subscriptions.next; at != &socket->subscriptions;
         at = at->next) {
        struct subscription *subscription = CONTAINER_OF(at, struct subscription, link);
        if (bytes_equal(name_of(subscription), name)) {
            return subscription;
        }
    }
    return NULL;
}

static struct subscription *subscription_new(struct socket *socket, struct bytes name) {
    struct subscription *subscription = mem_new(sizeof *subscription + name.len);
    subscription->socket = socket;
    subscription->name_len = name.len;
    memcpy(subscription->name, name.data, name.len);
    link_add_first(&socket->subscriptions, &subscription->link);
    socket->subscription_count++;
    return subscription;
}

static void subscription_open(struct socket *socket, struct bytes name, int64_t after,
                              bool snapshot) {
    struct subscription *subscription = subscription_new(socket, name);
    subscription->subscriber.ready = subscription_ready;
    subscription->subscriber.format = HUB_WS;
    struct hub_subscribe what = {.owner = bytes_of(socket->identity.owner),
                                 .name = name_of(subscription),
                                 .after = after,
                                 .snapshot = snapshot};
    hub_subscribe(socket->hub, &what, &subscription->subscriber);
}

static void on_feed_ready(struct feed *feed) {
    struct subscription *subscription = feed->subscription;
    ready_push(subscription);
    /* Not at once: this can be inside `taken`, or inside of wslay. */
    loop_soon(subscription->socket->server->loop, &subscription->socket->task);
}

static void subscription_close(struct subscription *subscription) {
    struct socket *socket = subscription->socket;
    if (subscription->feed != NULL) {
        socket->feed_count--;
        subscription->feed->ops->close(subscription->feed);
    } else {
        hub_unsubscribe(socket->hub, &subscription->subscriber);
    }
    if (socket->taken == subscription) {
        socket->taken = NULL;
    }
    link_remove(&subscription->in_ready);
    hub_buffer_unref(subscription->held.buffer);
    link_remove(&subscription->link);
    socket->subscription_count--;
    mem_free(subscription);
}

/* Takes what the subscription has next. HUB_DONE and HUB_GONE have ended the subscription. */
static enum hub_pull subscription_pull(struct subscription *subscription,
                                       struct hub_piece *ret_piece) {
    struct socket *socket = subscription->socket;
    bool first = !subscription->confirmed;
    enum hub_pull result = HUB_PIECE;
    if (subscription->held.buffer != NULL) {
        *ret_piece = subscription->held;
        subscription->held.buffer = NULL;
    } else {
        result = hub_pull(socket->hub, &subscription->subscriber, ret_piece);
    }
    if (result == HUB_GONE) {
        socket_say_error(socket, name_of(subscription), subscription->subscriber.err,
                         /* why */ NULL);
        subscription_close(subscription);
    } else if (result == HUB_DONE && !first) {
        subscription_say_end(subscription, "done", NULL);
        subscription_close(subscription);
    }
    return result;
}

/* First reply to a subscribe request: accepted or refused. Its events follow. */
static void subscription_confirm(struct subscription *subscription) {
    struct hub_piece piece;
    subscription->sent = subscription->subscriber.cursor;
    enum hub_pull result = subscription_pull(subscription, &piece);
    if (result == HUB_GONE) {
        return;
    }
    subscription->confirmed = true;
    socket_say(subscription->socket, "subscribed", name_of(subscription));
    if (result == HUB_PIECE) {
        subscription->held = piece;
    }
    if (result != HUB_WAIT) {
        ready_push(subscription); /* The end of a stream that is over already is sent after it. */
    }
}

/* Fills `pieces` in turns from all that are ready. A reply that was
 * queued meanwhile is written before the pieces that were pulled later. */
static unsigned socket_pull(struct socket *socket, struct outlet_piece *pieces) {
    unsigned count = 0;
    size_t total = 0;
    while (count < WRITE_PIECES_MAX && total < PULL_BYTES_MAX && socket->replies.len == 0 &&
           !links_empty(&socket->ready)) {
        struct subscription *subscription =
            CONTAINER_OF(links_take(&socket->ready), struct subscription, in_ready);
        struct hub_piece piece;
        if (subscription->feed != NULL) {
            struct bytes frames = subscription->feed->ops->pull(subscription->feed);
            if (frames.len > 0) {
                pieces[count++] = (struct outlet_piece){.bytes = frames};
                socket->taken = subscription;
                break; /* The frames are written before anything else happens to the feed. */
            }
        } else if (!subscription->confirmed) {
            subscription_confirm(subscription);
        } else if (subscription_pull(subscription, &piece) == HUB_PIECE) {
            pieces[count++] = (struct outlet_piece){.bytes = piece.bytes, .buffer = piece.buffer};
            total += piece.bytes.len;
            subscription->sent = piece.last_seq;
            ready_push(subscription);
        }
    }
    return count;
}

/* --- Out -------------------------------------------------------------------------------------- */

/* Moves wslay's own frames (pong, close) to the place after our replies. */
static void socket_collect(struct socket *socket) {
    while (!socket->refuses_input && !socket->failed && wslay_event_want_write(socket->wslay)) {
        socket->failed = wslay_event_send(socket->wslay) != 0;
    }
}

/* Frames of a feed are on their way. */
static void socket_feed_taken(struct socket *socket) {
    struct subscription *subscription = socket->taken;
    if (subscription != NULL) {
        socket->taken = NULL;
        subscription->feed->ops->taken(subscription->feed);
        if (subscription->feed->over) {
            subscription_close(subscription);
        }
    }
}

/* False: there is nothing to write, or nothing more can be written. */
static bool socket_write(struct socket *socket) {
    socket_collect(socket);
    if (socket->failed || text_failed(&socket->replies)) {
        outlet_cut(&socket->outlet);
        return false;
    }
    if (socket->replies.len > 0) {
        struct outlet_piece piece = {.bytes = text_bytes(&socket->replies)};
        bool taken = outlet_write(&socket->outlet, &piece, 1);
        text_done(&socket->replies);
        return taken;
    }
    if (socket_is_over(socket)) {
        outlet_end(&socket->outlet);
        return false;
    }
    struct outlet_piece pieces[WRITE_PIECES_MAX];
    unsigned count = socket_pull(socket, pieces);
    if (count == 0) {
        return socket->replies.len > 0;
    }
    bool taken = outlet_write(&socket->outlet, pieces, count);
    socket_feed_taken(socket);
    return taken;
}

static void socket_pump(struct socket *socket) {
    if (!outlet_is_open(&socket->outlet)) {
        return;
    }
    for (unsigned turns = 0; !outlet_waits(&socket->outlet); turns++) {
        if (turns == TURN_WRITES_MAX) {
            loop_soon(socket->server->loop, &socket->task);
            return;
        }
        if (!socket_write(socket)) {
            return;
        }
    }
}

/* --- In: what the client says ----------------------------------------------------------------- */

enum { NO_NUMBER = -1 };
#define NUMBER_MAX                                                                                 \
    ((INT64_C(1) << 53) - 1) /* Largest integer that each JSON client reads exactly. */

struct wish {
    const char *subscribe, *unsubscribe;
    const char *acknowledge;
    int64_t ping, offset; /* NO_NUMBER: not given. */
    int64_t after;
    bool snapshot;
};

static int64_t socket_now_ms(const struct socket *socket) {
    return world_wall_ms(loop_world(socket->server->loop));
}

static void socket_answer_ping(struct socket *socket, int64_t ping) {
    AUTO(text_done) struct text json = text_up_to(REPLY_MAX);
    text_addf(&json, "{\"pong\":%" PRId64 ",\"at_ms\":%" PRId64 "}", ping, socket_now_ms(socket));
    socket_reply(socket, &json);
}

static struct err room_check(const struct socket *socket, const struct subscription *subscription,
                             struct why *why) {
    if (subscription != NULL) {
        return err_why(why, ERR_CONFLICT, "this stream is already subscribed to");
    }
    if (socket->subscription_count >= socket->server->limits.subscriptions_max) {
        return err_why(why, ERR_TOO_MANY, "at most %zu subscriptions on one socket",
                       socket->server->limits.subscriptions_max);
    }
    return ERR_OK;
}

static struct err wish_grant(struct socket *socket, const struct wish *wish, struct bytes name,
                             struct why *why) {
    struct subscription *subscription = subscription_find(socket, name);
    if (wish->unsubscribe != NULL) {
        if (subscription == NULL) {
            return err_why(why, ERR_NOT_FOUND, "this stream is not subscribed to");
        }
        subscription_close(subscription);
        socket_say(socket, "unsubscribed", name);
        return ERR_OK;
    }
    if (wish->acknowledge != NULL) {
        if (subscription == NULL) {
            return ERR_OK; /* The subscription can have ended meanwhile. */
        }
        if (subscription->feed == NULL) {
            return err_why(why, ERR_BAD_FIELD, "'ack' must name a log");
        }
        if (wish->offset == NO_NUMBER) {
            return err_why(why, ERR_MISSING_FIELD, "'offset' is missing: up to where");
        }
        return subscription->feed->ops->acknowledge(subscription->feed, wish->offset, why);
    }
    if (!stream_name_valid(name)) {
        return err_why(why, ERR_BAD_FIELD, "'subscribe' is not a valid stream name");
    }
    TRY(stream_check_reader(name, socket->identity.scopes, why));
    TRY(room_check(socket, subscription, why));
    subscription_open(socket, name, wish->after, wish->snapshot);
    return ERR_OK;
}

/* --- In: the key of a page -------------------------------------------------------------------- */

static void on_sign_in_late(struct sign_in *sign_in) {
    struct socket *socket = CONTAINER_OF(sign_in, struct socket, sign_in);
    if (outlet_is_open(&socket->outlet)) {
        socket_refuse(socket, err_name(ERR_REQUEST_TIMEOUT));
        socket_pump(socket);
    }
}

static void socket_sign_in(struct socket *socket, struct bytes message) {
    struct err err = sign_in_hear(&socket->sign_in, message, &socket->identity);
    if (err_failed(err)) {
        socket_refuse(socket, err_name(err.code));
        return;
    }
    memcpy(socket->outlet.token, socket->identity.token, sizeof socket->outlet.token);
    socket_say(socket, "signed_in", bytes_of(socket->identity.owner));
}

/* --- In: what features answer ----------------------------------------------------------------- */

static struct err feed_subscribe(struct socket *socket, struct bytes name, const json_t *message,
                                 struct why *why) {
    const struct feed_kind *kind = socket->feeds;
    struct feed *feed = NULL;
    struct err err = room_check(socket, subscription_find(socket, name), why);
    if (!err_failed(err) && socket->feed_count >= FEEDS_MAX) {
        err = err_why(why, ERR_TOO_MANY, "at most %d logs on one socket", FEEDS_MAX);
    }
    if (!err_failed(err)) {
        const struct feed_open what = {
            .owner = socket->identity.owner, .name = name, .message = message};
        err = kind->open(kind->ctx, &what, &feed, why);
    }
    if (err_failed(err)) {
        return err;
    }
    struct subscription *subscription = subscription_new(socket, name);
    subscription->feed = feed;
    feed->ready = on_feed_ready;
    feed->subscription = subscription;
    socket->feed_count++;
    return ERR_OK;
}

static void errand_answered(struct exchange *exchange, void *ctx) {
    struct errand *errand = ctx;
    struct socket *socket = errand->socket;
    const struct bytes name = {errand->name, errand->name_len};
    const struct bytes body = {exchange->body, exchange->body_len};
    link_remove(&errand->link);
    if (socket != NULL && body.len > 2) {
        AUTO(text_done) struct text json = text_up_to(REPLY_MAX);
        bool good = exchange->status < 300;
        text_add_char(&json, '{');
        text_add_member(&json, good ? errand->word : "stream", name);
        if (good) {
            text_add_char(&json, ',');
            text_add(&json, body.data + 1, body.len - 1); /* The members of the answer. */
        } else {
            text_add_name(&json, "error");
            text_add(&json, body.data, body.len);
            text_add_char(&json, '}');
        }
        socket_reply(socket, &json);
    }
    if (socket != NULL) {
        socket->errand_count--;
        loop_soon(socket->server->loop, &socket->task); /* This call can be inside of wslay. */
    }
    mem_free(errand);
}

/* {"WORD":"name", …} is the request that its kind says. */
static struct err socket_request(struct socket *socket, const char *word, json_t *message,
                                 struct why *why) {
    const json_t *value = json_object_get(message, word);
    const struct bytes name = {json_string_value(value), json_string_length(value)};
    AUTO(text_done) struct text path = text_up_to(STREAM_NAME_MAX + REPLY_MAX);
    if (name.data == NULL) {
        return err_why(why, ERR_BAD_FIELD, "'%s' must be the name of a log", word);
    }
    if (socket->errand_count >= FEED_REQUESTS_MAX) {
        return err_why(why, ERR_TOO_MANY, "at most %d requests of one socket at a time",
                       FEED_REQUESTS_MAX);
    }
    TRY(socket->feeds->path(word, name, &path, why));
    struct errand *errand = mem_new(sizeof *errand + name.len);
    errand->socket = socket;
    errand->word = word;
    errand->name_len = name.len;
    memcpy(errand->name, name.data, name.len);
    link_add_last(&socket->errands, &errand->link);
    socket->errand_count++;
    json_object_del(message, word);
    const struct exchange_ask ask = {.path = text_bytes(&path),
                                     .json = message,
                                     .identity = &socket->identity,
                                     .answered = {.run = errand_answered, .ctx = errand}};
    struct err err = exchange_perform(socket->outlet.conn, &ask);
    if (err_failed(err)) {
        link_remove(&errand->link);
        socket->errand_count--;
        mem_free(errand);
    }
    return err;
}

/* True: the message is for a feature, whose error *ret_err is. */
static bool feature_hear(struct socket *socket, json_t *message, struct bytes *ret_name,
                         struct err *ret_err, struct why *why) {
    const struct feed_kind *kind = socket->feeds;
    if (kind == NULL || !json_is_object(message)) {
        return false;
    }
    struct bytes name = json_bytes(message, "subscribe");
    size_t len = strlen(kind->prefix);
    if (name.len > len && name.len <= STREAM_NAME_MAX &&
        memcmp(name.data, kind->prefix, len) == 0) {
        *ret_name = name;
        *ret_err = feed_subscribe(socket, name, message, why);
        return true;
    }
    for (const char *const *word = kind->words; *word != NULL; word++) {
        if (json_object_get(message, *word) != NULL) {
            *ret_err = socket_request(socket, *word, message, why);
            name = json_bytes(message, *word);
            *ret_name = name.len <= STREAM_NAME_MAX ? name : BYTES("");
            return true;
        }
    }
    return false;
}

static struct err wish_hear(struct socket *socket, const json_t *json, struct bytes *ret_name,
                            struct why *why) {
    struct wish wish = {.ping = NO_NUMBER, .offset = NO_NUMBER, .after = -1};
    const struct json_field fields[] = {
        {"subscribe", JSON_KIND_TEXT, .min = 1, .max = STREAM_NAME_MAX, .text = &wish.subscribe},
        {"unsubscribe", JSON_KIND_TEXT, .min = 1, .max = STREAM_NAME_MAX,
         .text = &wish.unsubscribe},
        {"ack", JSON_KIND_TEXT, .min = 1, .max = STREAM_NAME_MAX, .text = &wish.acknowledge},
        {"ping", JSON_KIND_INT, .min = 0, .max = NUMBER_MAX, .number = &wish.ping},
        {"offset", JSON_KIND_INT, .min = 0, .max = NUMBER_MAX, .number = &wish.offset},
        {"after", JSON_KIND_INT, .min = -1, .max = INT64_MAX, .number = &wish.after},
        {"snapshot", JSON_KIND_BOOL, .flag = &wish.snapshot},
    };
    struct err err = json_read_fields(json, fields, COUNT_OF(fields), why);
    const char *names[] = {wish.subscribe, wish.unsubscribe, wish.acknowledge};
    const char *name = NULL;
    int words = wish.ping != NO_NUMBER;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        words += names[i] != NULL;
        name = names[i] != NULL ? names[i] : name;
    }
    if (err_failed(err)) {
        return err;
    }
    if (words != 1) {
        return err_why(why, ERR_MISSING_FIELD,
                       "give one of 'subscribe', 'unsubscribe', 'ack' and 'ping'");
    }
    if (wish.ping != NO_NUMBER) {
        socket_answer_ping(socket, wish.ping);
        return ERR_OK;
    }
    *ret_name = bytes_of(name);
    return wish_grant(socket, &wish, *ret_name, why);
}

static void socket_hear_message(struct socket *socket, struct bytes message) {
    AUTO(json_release) json_t *json = NULL;
    struct why why = {0};
    struct bytes name = {0};
    struct err err = json_parse(message.data, message.len, MESSAGE_DEPTH_MAX, &json, &why);
    if (!err_failed(err) && !feature_hear(socket, json, &name, &err, &why)) {
        err = wish_hear(socket, json, &name, &why);
    }
    if (err_failed(err)) {
        socket_say_error(socket, name, err, &why);
    }
}

/* --- In: through wslay ------------------------------------------------------------------------ */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags,
                       void *user) {
    struct socket *socket = user;
    if (socket->input.len == 0) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t take = len < socket->input.len ? len : socket->input.len;
    memcpy(buf, socket->input.data, take);
    socket->input = (struct bytes){socket->input.data + take, socket->input.len - take};
    return (ssize_t)take;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                       void *user) {
    struct socket *socket = user;
    text_add(&socket->replies, (const char *)data, len);
    return (ssize_t)len; /* A builder that failed is seen before the next write. */
}

/* Close with 1002, and nothing more of wslay's. */
static void socket_fail_protocol(struct socket *socket) {
    text_add(&socket->replies, "\x88\x02\x03\xea", 4);
    socket->closing = socket->refuses_input = true;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user) {
    struct socket *socket = user;
    if (socket_is_over(socket)) {
        return;
    }
    if (arg->opcode == WSLAY_CONNECTION_CLOSE && arg->msg_length == 1) {
        socket_fail_protocol(socket); /* Half a code: wslay's answer would be a close of none. */
    } else if (socket->replies.len > UNREAD_MAX) {
        socket_close(socket, WSLAY_CODE_POLICY_VIOLATION);
    } else if (sign_in_waits(&socket->sign_in) && arg->opcode == WSLAY_TEXT_FRAME) {
        socket_sign_in(socket, (struct bytes){(const char *)arg->msg, arg->msg_length});
    } else if (sign_in_waits(&socket->sign_in) && arg->opcode != WSLAY_CONNECTION_CLOSE) {
        socket_refuse(socket, err_name(ERR_UNAUTHORIZED));
    } else if (arg->opcode == WSLAY_TEXT_FRAME) {
        socket_hear_message(socket, (struct bytes){(const char *)arg->msg, arg->msg_length});
    } else if (arg->opcode == WSLAY_BINARY_FRAME) {
        socket_close(socket, WSLAY_CODE_UNSUPPORTED_DATA);
    }
}

static const struct wslay_event_callbacks wslay_callbacks = {
    .recv_callback = on_recv, .send_callback = on_send, .on_msg_recv_callback = on_message};

/* Hears as much as one turn allows, and returns how much that was. */
static size_t socket_hear(struct socket *socket, struct bytes bytes) {
    size_t now = bytes.len < HEAR_BYTES_MAX ? bytes.len : HEAR_BYTES_MAX;
    socket->input = (struct bytes){bytes.data, now};
    if (wslay_event_recv(socket->wslay) != 0) {
        socket_fail_protocol(socket); /* wslay's own close frame would name no code. */
    }
    socket->input = (struct bytes){0};
    /* Answers of wslay count too: pings are messages. */
    socket_collect(socket);
    if (socket->replies.len > 2 * UNREAD_MAX) {
        socket->failed = true;
    }
    return now;
}

static void socket_receive(struct outlet *outlet, struct bytes bytes) {
    struct socket *socket = of_outlet(outlet);
    if (socket->refuses_input) {
        return;
    }
    socket->silent_beats = 0;
    size_t now = socket_hear(socket, bytes);
    if (now < bytes.len && !socket->refuses_input) {
        assert(socket->backlog == NULL);
        socket->backlog_at = 0;
        socket->backlog_len = bytes.len - now;
        socket->backlog = mem_try(socket->backlog_len);
        if (socket->backlog == NULL) {
            outlet_cut(outlet);
        } else {
            memcpy(socket->backlog, bytes.data + now, socket->backlog_len);
            /* Read on now, and the bytes that wait here would be overtaken. */
            outlet_sate(outlet);
            loop_soon(socket->server->loop, &socket->task);
        }
    }
    socket_pump(socket);
}

static void socket_turn(struct loop_task *task) {
    struct socket *socket = CONTAINER_OF(task, struct socket, task);
    if (outlet_is_open(&socket->outlet) && !socket->refuses_input && socket->backlog != NULL) {
        socket->backlog_at +=
            socket_hear(socket, (struct bytes){socket->backlog + socket->backlog_at,
                                               socket->backlog_len - socket->backlog_at});
        if (socket->backlog_at < socket->backlog_len) {
            loop_soon(socket->server->loop, &socket->task);
        } else {
            mem_free(socket->backlog);
            socket->backlog = NULL;
            outlet_hear(&socket->outlet);
        }
    }
    socket_pump(socket);
}

/* --- The connection's side -------------------------------------------------------------------- */

static void socket_beat(struct timer *timer) {
    struct socket *socket = CONTAINER_OF(timer, struct socket, heartbeat);
    timer_start(socket->server->loop, timer, socket->server->limits.heartbeat_ms, socket_beat);
    if (!outlet_is_open(&socket->outlet)) {
        return;
    }
    if (socket->silent_beats++ >= SILENT_BEATS_MAX) {
        socket->server->stats.timeouts++;
        outlet_cut(&socket->outlet);
        return;
    }
    /* Both in one write: every client library answers a ping, so the server finds dead clients, and
     * scripts of a page, which cannot see pings, find a dead server. */
    if (!outlet_waits(&socket->outlet)) {
        AUTO(text_done) struct text json = text_up_to(REPLY_MAX);
        text_add(&socket->replies, "\x89\x00", 2);
        text_addf(&json, "{\"heartbeat\":{\"at_ms\":%" PRId64 "}}", socket_now_ms(socket));
        socket_reply(socket, &json);
        socket_pump(socket);
    }
}

static void socket_drain(struct outlet *outlet, enum err_code why) {
    struct socket *socket = of_outlet(outlet);
    bool drains = why == ERR_CLOSING;
    if (outlet->conn == NULL || socket->draining || socket_is_over(socket)) {
        return;
    }
    socket->draining = true;
    for (struct link *at = socket->subscriptions.next; at != &socket->subscriptions;
         at = at->next) {
        const struct subscription *subscription = CONTAINER_OF(at, struct subscription, link);
        const struct feed *feed = subscription->feed;
        if (feed != NULL ? feed->begun : subscription->confirmed) {
            subscription_say_end(subscription, "closing", drains ? NULL : err_name(why));
        }
    }
    socket_close(socket, drains ? WSLAY_CODE_GOING_AWAY : WSLAY_CODE_POLICY_VIOLATION);
    socket_pump(socket);
}

static void socket_start(struct outlet *outlet) {
    struct socket *socket = of_outlet(outlet);
    char fields[128], head[ANSWER_HEAD_MAX];
    (void)snprintf(fields, sizeof fields,
                   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
                   socket->accept); /* The length is fixed, and fits. */
    size_t len = reply_stream_head_write(socket->server, "HTTP/1.1 101 Switching Protocols\r\n",
                                         fields, head);
    struct outlet_piece piece = {.bytes = {head, len}};
    timer_start(socket->server->loop, &socket->heartbeat, socket->server->limits.heartbeat_ms,
                socket_beat);
    (void)outlet_write(outlet, &piece, 1); /* Nothing else is to be written yet. */
}

static void socket_writable(struct outlet *outlet) {
    socket_pump(of_outlet(outlet));
}

static void socket_gone(struct outlet *outlet) {
    struct socket *socket = of_outlet(outlet);
    timer_stop(socket->server->loop, &socket->heartbeat);
    sign_in_end(&socket->sign_in);
    loop_task_cancel(socket->server->loop, &socket->task);
    while (!links_empty(&socket->subscriptions)) {
        subscription_close(CONTAINER_OF(socket->subscriptions.next, struct subscription, link));
    }
    while (!links_empty(&socket->errands)) {
        CONTAINER_OF(links_take(&socket->errands), struct errand, link)->socket = NULL;
    }
    wslay_event_context_free(socket->wslay);
    text_done(&socket->replies);
    mem_free(socket->backlog);
    socket->server->stats.streams_websocket--;
    mem_free(socket);
}

static const struct outlet_ops socket_outlet = {.start = socket_start,
                                                .receive = socket_receive,
                                                .writable = socket_writable,
                                                .drain = socket_drain,
                                                .gone = socket_gone};

/* --- Beginning -------------------------------------------------------------------------------- */

static struct err handshake_check(struct exchange *exchange, struct bytes *ret_key,
                                  struct why *why) {
    const struct request *request = &exchange->request;
    struct bytes version;
    if (!request->wants_upgrade) {
        exchange_add_header(exchange, "Upgrade", "websocket");
        exchange_add_header(exchange, "Connection", "Upgrade");
        return err_why(why, ERR_UPGRADE_REQUIRED,
                       "send 'Connection: Upgrade' and 'Upgrade: websocket'");
    }
    if (!request_known(request, HEADER_WEBSOCKET_VERSION, &version) || !bytes_is(version, "13")) {
        exchange_add_header(exchange, "Sec-WebSocket-Version", "13");
        return err_why(why, ERR_UPGRADE_REQUIRED, "the only supported Sec-WebSocket-Version is 13");
    }
    if (!request_known(request, HEADER_WEBSOCKET_KEY, ret_key) || !handshake_key_valid(*ret_key)) {
        return err_why(why, ERR_BAD_REQUEST,
                       "Sec-WebSocket-Key is missing or not 16 bytes in base 64");
    }
    return ERR_OK;
}

void exchange_upgrade_websocket(struct exchange *exchange, struct hub *hub,
                                const struct feed_kind *feeds) {
    struct bytes key = {0};
    struct why why = {0};
    struct err err = handshake_check(exchange, &key, &why);
    if (err_failed(err)) {
        exchange_problem(exchange, err, &why);
        return;
    }
    struct socket *socket = mem_new(sizeof *socket);
    if (wslay_event_context_server_init(&socket->wslay, &wslay_callbacks, socket) != 0) {
        mem_free(socket);
        exchange_problem(exchange, err_make(ERR_OUT_OF_MEMORY, "websocket: open"), NULL);
        return;
    }
    wslay_event_config_set_max_recv_msg_length(socket->wslay, MESSAGE_MAX);
    socket->outlet.ops = &socket_outlet;
    socket->server = exchange->server;
    socket->hub = hub;
    socket->feeds = feeds;
    socket->task.run = socket_turn;
    links_init(&socket->subscriptions);
    links_init(&socket->ready);
    links_init(&socket->errands);
    socket->identity = exchange->identity;
    socket->identity.origin = NULL; /* Borrowed, and checked before. */
    if (exchange->identity.scopes == 0) {
        sign_in_begin(&socket->sign_in, exchange, on_sign_in_late);
    }
    handshake_accept(key, socket->accept);
    text_init(&socket->replies, REPLIES_MAX);
    exchange->server->stats.streams_websocket++;
    exchange_hand_over(exchange, &socket->outlet);
}
