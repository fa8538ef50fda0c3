/* servers.h: the far end of the simulated network: every host that a request can reach.
 *
 *   fetch.c ── server_request ──> servers_answer ──> server_reply ──> fetch.c plays it, in pieces
 *
 * Promise    the reply to a request depends on the seed, on the marker of the operation that the
 *            request carries (below), and on how many requests carried that marker before: never on
 *            what other operations asked. A replay with fewer operations answers the others alike.
 * Marker     generated texts hold "op#N." where N is the marker of what made them: an operation's
 *            is its number; each part of a burst of messages has one, and each call of a tool. The
 *            last one in the body names the request; a body without one is marker 0.
 * Ownership  embedded in the simulation, outside of the daemon's memory: survives its crashes.
 * Threads    one.
 */
#ifndef DROVER_SIM_SERVERS_H
#define DROVER_SIM_SERVERS_H

#include "base/base.h"
#include "base/text.h"
#include "loop/fetch.h"

enum {
    SERVER_OPERATIONS_MAX = 1024, /* Operations of a seed, */
    SERVER_PARTS_MAX = 15,        /* and parts that one of them sends. */
    SERVER_MARKERS_MAX = 65536,
    SERVER_CUTS_MAX = 1024
};

/* An answer that was sent with the word that its longest length ended it. */
struct server_cut {
    uint64_t key;
    char call[48]; /* Id of the call that was cut off; "": none was, or a text. */
};

struct server_request {
    struct bytes method, url, host, path, body;
    const struct fetch_header *headers;
    size_t header_count;
};

/* How a reply ends. */
enum reply_end { REPLY_WHOLE, REPLY_CUT_OFF, REPLY_SILENT };

struct server_reply {
    enum fetch_fault link; /* FETCH_NONE, or what becomes of the connection; CONNECT_TIMEOUT and
                             * ANSWER_TIMEOUT: the other side stays silent. */
    uint64_t connect_ms;   /* Until the connection stands or fails. */
    uint64_t first_ms;     /* From there to the head. */
    uint64_t gap_ms;       /* Maximum pause between two pieces. */
    const char *address;   /* Of the socket. */
    int status;
    struct text head, body; /* head: lines of headers, each with CRLF. */
    size_t sent_max;        /* Length of the body's part that is sent before `end`. */
    enum reply_end end;
    uint64_t cut_key; /* Decides the lengths of pieces. */
};

/* What the servers counted since they were made. */
struct servers_stats {
    uint64_t requests, faults, models, hooks, pages, lists, tool_calls, bad_arguments, truncated;
    uint64_t overflows, empty, refused, broken, away;
};

struct servers {
    uint64_t seed;
    bool healed;
    unsigned weather;                   /* Percentage of requests that meet a fault. */
    uint16_t asked[SERVER_MARKERS_MAX]; /* Number of requests by marker. */
    char complaint[512];
    struct server_cut cuts[SERVER_CUTS_MAX];
    size_t cut_count;
    int64_t least_input; /* Tokens of the smallest prompt; 0: none came. */
    unsigned sleeps;     /* Number of suspends of the machine that asks, */
    uint64_t woke_ns;    /* and the end of the last one, by its monotonic clock. */
    struct servers_stats stats;
};
void servers_init(struct servers *servers, uint64_t seed);
/* The servers of the network that fetch.c reaches from now on; NULL: none. Borrowed. */
void servers_use(struct servers *servers);
struct servers *servers_in_use(void);

/* From now on nothing fails: the last part of a run, in which all has to come to an end. */
void servers_heal(struct servers *servers);

/* A choice for the n-th request of a marker: 64 bits that depend on nothing else. */
uint64_t servers_choose(const struct servers *servers, uint64_t key, const char *purpose);
/* true in `percent` of a hundred cases; never once healed. */
bool servers_fault(const struct servers *servers, uint64_t key, const char *purpose,
                   unsigned percent);

/* The marker that the bytes name last; 0: none. */
uint64_t servers_marker(struct bytes bytes);
/* Marker of a part of what an operation sends: 0, the operation's own, to SERVER_PARTS_MAX. */
unsigned servers_part_marker(unsigned operation, unsigned part);
/* Marker of a call of a tool, by the key of the call: never an operation's. Two calls of a seed may
 * have the same one, which is rare and breaks nothing but the promise above. */
unsigned servers_call_marker(const struct servers *servers, uint64_t key);

void server_reply_init(struct server_reply *reply);
void server_reply_done(struct server_reply *reply);
/* Answers as the host that the request names. */
void servers_answer(struct servers *servers, const struct server_request *request,
                    struct server_reply *reply);

/* Keeps the first thing that a server found wrong with a request, which a correct client never
 * sends: an invariant is broken. */
void servers_complain(struct servers *servers, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
