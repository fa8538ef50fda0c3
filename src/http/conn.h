/* conn.h: a connection, the listener that it came from, and the limit of its address.
 *
 * Threads    the loop.
 */
#ifndef DROVER_HTTP_CONN_H
#define DROVER_HTTP_CONN_H

#include <uv.h>

#include "http/host.h"
#include "http/inside.h"
#include "loop/address.h"

/* The state of a connection; the table of edges is in conn.c. */
enum conn_state {
    CONN_IDLE,    /* Between requests. Others may still be in flight. */
    CONN_HEAD,    /* In the middle of a head. */
    CONN_BODY,    /* In the middle of a body. */
    CONN_HELD,    /* Not read: enough in flight, or an upgrade is being decided. */
    CONN_STREAM,  /* An outlet has it. */
    CONN_BROKEN,  /* The outlet gave it up: cut in the next turn. */
    CONN_ENDING,  /* No more requests; answers are on their way. */
    CONN_LINGER,  /* Our side is shut; what still comes is dropped, so that the client reads. */
    CONN_CLOSING, /* uv_close was called. */
    CONN_STATES,
};

enum conn_input {
    INPUT_PAUSED,  /* Read on as soon as the connection's state allows it. */
    INPUT_READING, /* uv_read_start was called. */
    INPUT_SATED,   /* Not read: the outlet takes no more for now. */
    INPUT_OVER,    /* The client has shut its side. */
};

union conn_handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct conn {
    union conn_handle uv;
    struct http_server *server;
    struct listener *listener; /* Borrowed: lives as long as the server. */
    struct link link;          /* In the server's list. */
    enum conn_state state;
    enum conn_input input;
    bool corked;     /* Answers are gathered until the bytes at hand are used up. */
    unsigned scopes; /* Scopes of a request without a token; 0: a token is needed. */
    unsigned in_flight, turn_requests;
    struct parser parser;
    struct exchange *first, *last; /* Owned, in the order of the requests. */
    struct exchange *reading;      /* The last one, while it is not complete. */
    struct outlet *outlet;         /* Borrowed. */
    struct conn_write *writing;    /* Owned; NULL: nothing waits for the client. */
    char *stash;                   /* Owned: bytes that came while it was held. */
    size_t stash_len;
    struct loop_task task; /* Flush, then go on reading. */
    struct timer timer;    /* Armed at `timer_due_ms`; looks at `deadline_ms` when it fires. */
    uint64_t timer_due_ms, deadline_ms, progress;
    size_t lingered;
    struct address_slot *address; /* Borrowed: counts the connections of one address. */
    enum http_inside inside;      /* Known before the first read. */
    struct id run;                /* With HTTP_INSIDE_RUN. */
    struct peer_look *look;       /* Borrowed: it finds that out, and frees itself. */
};

/* Finds out, in the pool, whether the client is inside a run; it begins to be read after that, or
 * after look_ms, as one of whom nobody can tell. */
struct peer_look {
    struct loop_work work;
    struct timer timer;
    struct http_server *server; /* Lives at least as long. */
    struct conn *conn;          /* NULL: it was closed meanwhile, or waits no more. */
    int pid;
    enum http_inside inside;
    struct id run;
};

struct conn *conn_new(struct listener *listener);
void conn_start(struct conn *conn); /* After uv_accept. */
void conn_close(struct conn *conn); /* At once; twice is fine. */
void conn_drain(struct conn *conn);
void conn_revoke(struct conn *conn); /* Ends streams and waits of revoked tokens. */
void conn_reject(struct conn *conn, struct err err, const struct why *why); /* Before any read. */
void conn_answered(struct conn *conn);                    /* An exchange of it got its answer. */
void conn_deadline(struct conn *conn, uint64_t after_ms); /* 0: none. */
/* server.c: forgets a connection whose handle is closed. */
void server_conn_gone(struct conn *conn);

/* --- Between conn.c, output.c and outlet.c ---------------------------------------------------- */

void conn__go(struct conn *conn, enum conn_state to); /* Asserts that the edge is legal. */
/* Closes at once; the kernel drops what the client has not taken yet, too. */
void conn__cut(struct conn *conn);
/* Takes an exchange off its connection. While a handler has it, it lives on without a client. */
void conn__let_go(struct exchange *exchange);
/* Bytes that came while the connection was held, now the caller's. NULL: there are none, and
 * *ret_len is untouched. */
char *conn__stash_take(struct conn *conn, size_t *ret_len);
void conn__flush(struct conn *conn); /* Writes what can be written, and goes on from there. */
void conn__read_stop(struct conn *conn);
void conn__read_more(struct conn *conn); /* As far as the state of the connection allows it. */

enum written { WRITTEN_ALL, WRITTEN_KEPT, WRITTEN_NOT };
/* Ends the references of the pieces. Bytes that the socket does not take are kept until it does:
 * shared ones by their reference, others by a copy, but for the last piece if its bytes stay until
 * conn->writing ends. WRITTEN_NOT: the connection must end, for want of memory or because the
 * socket is broken. */
enum written conn__write(struct conn *conn, const struct outlet_piece *pieces, unsigned count,
                         bool last_stays);
/* True: more answers can be written now. */
bool conn__answers_flush(struct conn *conn);

/* The exchange of a stream is the first in the queue: its outlet takes the connection over. */
void conn__outlet_start(struct conn *conn);
/* The client has shut its side: notifies the outlet, or ends the connection. */
void conn__half_closed(struct conn *conn);

/* --- Addresses and listeners ------------------------------------------------------------------ */

/* Number of connections of each address: IPv4 in its mapped form, IPv6 by its first 64 bits.
 * Finding, adding and releasing take constant time; a slot lives as long as one connection holds
 * it. */
struct address_slot {
    struct address_slot *next; /* In its bucket. */
    struct address address;
    size_t count;
};
enum { ADDRESS_BUCKETS = 256 };
struct addresses {
    struct address_slot *buckets[ADDRESS_BUCKETS]; /* Owned. */
};
/* NULL when that address holds count_max already. */
MUST_CHECK struct address_slot *addresses_take(struct addresses *addresses, struct address address,
                                               size_t count_max);
void addresses_release(struct addresses *addresses, struct address_slot *slot); /* NULL is fine. */

enum { ADDRESS_SIZE = 64 };
struct listener {
    struct http_server *server;
    struct listener *next;
    union conn_handle uv;
    bool is_unix, loopback, open;
    unsigned turn_accepts; /* Above TURN_ACCEPTS_MAX: a connection was not taken in yet. */
    struct loop_task task; /* The next turn's. */
    struct host_rules rules;
    char address[ADDRESS_SIZE]; /* Text that rules.address points to. */
    char *path;                 /* Owned: the socket's, to remove it again. */
};

#endif
