/* socket.h: the parts of a WebSocket, for websocket*.c only.
 *
 * websocket.c drives the connection, websocket_feed.c what the hub has for it, websocket_talk.c
 * what the client says.
 */
#ifndef DROVER_HTTP_SOCKET_H
#define DROVER_HTTP_SOCKET_H

#include <wslay/wslay.h>

#include "http/inside.h"

enum {
    SOCKET_MESSAGE_MAX = 16 << 10, /* Of the client. */
    SOCKET_UNREAD_MAX = 64 << 10,  /* Of our replies, before we stop listening. */
    SOCKET_REPLIES_MAX = 1 << 20,  /* With all the closing frames of a drain. */
};

struct subscription {
    struct hub_subscriber subscriber;
    struct socket *socket;
    struct subscription *prev, *next; /* All of the socket. */
    struct subscription *next_ready;
    bool queued;           /* Among those that are ready. */
    bool confirmed;        /* The client was told. */
    struct hub_piece held; /* Pulled with the confirmation, written after it. */
    int64_t sent;          /* The cursor of what was handed to the connection. */
    size_t name_len;
    char name[];
};

struct socket {
    struct outlet outlet;
    struct http_server *server; /* Borrowed. */
    struct hub *hub;            /* Borrowed. */
    wslay_event_context_ptr wslay;
    struct timer heartbeat;
    struct loop_task task;
    struct subscription *subscriptions; /* Owned. */
    struct subscription *ready, *ready_last;
    unsigned subscription_count, silent_beats;
    struct text replies; /* Whole frames of ours, to be written. */
    struct bytes input;  /* Borrowed during `receive`: what wslay has not taken. */
    char *backlog;       /* Owned: input for the next turns. */
    size_t backlog_at, backlog_len;
    bool draining, closing, failed;
    bool deaf; /* wslay cannot read on. */
    char owner[OWNER_SIZE];
    char accept[32]; /* Of the handshake. */
};

/* websocket.c */
void socket_pump(struct socket *socket);
void socket_reply(struct socket *socket, const struct text *json); /* As one text frame. */
void socket_close(struct socket *socket, uint16_t code);           /* Says so, then ends. */

/* websocket_feed.c */
struct subscription *subscription_find(struct socket *socket, struct bytes name);
void subscription_open(struct socket *socket, struct bytes name, int64_t after, bool snapshot);
void subscription_close(struct subscription *subscription);
void subscription_say_closing(const struct subscription *subscription,
                              const char *code); /* NULL: the server drains. */
/* Fills `pieces` in turns from all that are ready. */
unsigned socket_pull(struct socket *socket, struct outlet_piece *pieces, unsigned count_max);

/* websocket_talk.c */
void socket_hear(struct socket *socket, struct bytes message);
/* `stream` may be empty. */
void socket_say_error(struct socket *socket, struct bytes stream, struct err err,
                      const struct why *why);

#endif
