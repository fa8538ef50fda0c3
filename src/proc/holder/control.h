/* control.h: whoever talks to this holder: the daemon that started it, and those that came later.
 *
 * Promise    nobody is waited for. What a client has not been told yet follows from comparing what
 *            it was told with what is true, so news take the room of one buffer for each client:
 *            who reads slowly gets later sizes, and never an old one after a new one. A client that
 *            breaks the protocol is closed; the others and the command notice nothing.
 * Ownership  embedded; the descriptors are owned.
 */
#ifndef DROVER_PROC_HOLDER_CONTROL_H
#define DROVER_PROC_HOLDER_CONTROL_H

#include <poll.h>

#include "base/base.h"
#include "proc/holder/logs.h"
#include "proc/spool/protocol.h"

enum {
    CONTROL_CLIENTS = 5, /* The link, and four more. Others wait in the listener's queue. */
    CONTROL_OUT_SIZE = 1024,
    CONTROL_GROWN_MS = 4, /* Between two tellings of sizes: a fast command costs nobody a core. */
    CONTROL_LAST_SIZE = PROTOCOL_EXIT_SIZE + 32,
};

/* What there is to tell. */
struct news {
    int64_t size[LOG_STREAMS];
    int64_t accepted;
    bool disk_full;
};

struct client {
    int fd; /* Owned; -1: a free place. */
    bool wants_status, wants_gap, keeps;
    struct news told;
    /* Raw bytes of an `input` that are still to come, and where they belong. */
    int64_t payload_left, payload_at;
    size_t line_len, out_at, out_len, last_at;
    char line[PROTOCOL_LINE_MAX];
    char out[CONTROL_OUT_SIZE];
};

struct control {
    int listener; /* Owned. */
    int64_t quiet_until;
    struct client clients[CONTROL_CLIENTS];
    size_t last_len; /* 0: the last word isn't known yet. */
    char last[CONTROL_LAST_SIZE];
};

/* Takes both; `link` may be -1. */
void control_init(struct control *control, int listener, int link);

/* One line to the starting daemon, at once. */
void control_tell_link(struct control *control, const char *text);

/* The same, from one that comes to no claim, and has no control yet. */
void control_tell_failed(int link, int os);

/* The last word to everybody: `result` is exit.json. */
void control_set_last(struct control *control, struct bytes result);
/* Everybody has got the last word, and whoever wanted to be waited for said `bye`. */
bool control_is_done(const struct control *control);

/* For the loop: 1 + CONTROL_CLIENTS places, and what poll said about them. */
enum { CONTROL_POLLS = 1 + CONTROL_CLIENTS };
struct custody;
void control_poll(struct control *control, struct pollfd *polls);
void control_serve(struct control *control, const struct pollfd *polls, struct custody *custody);

/* Tells everybody what is new. Returns when it must be called again, or CLOCK_NEVER. */
int64_t control_tell(struct control *control, struct custody *custody, int64_t now);

#endif
