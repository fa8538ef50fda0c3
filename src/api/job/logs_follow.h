/* logs_follow.h: the machine that follows a log (its states: logs_follow.c), and the two ways on
 * which its frames leave: an answer of events (logs_follow.c), a subscription (logs_feed.c).
 *
 * Ownership  a follow is the first member of the object of its way, and freed with it.
 * Threads    the loop; a round of reading is in the pool.
 */
#ifndef DROVER_API_JOB_LOGS_FOLLOW_H
#define DROVER_API_JOB_LOGS_FOLLOW_H

#include "api/job/logs.h"

enum follow_state {
    FOLLOW_NEW,
    FOLLOW_LOOKING,
    FOLLOW_READING,
    FOLLOW_WRITING,
    FOLLOW_WAITING,
    FOLLOW_FULL, /* The way has no room for another round. */
    FOLLOW_OVER,
    FOLLOW_GONE, /* The client left while something was under way: freed at its end. */
    FOLLOW_STATES
};

/* Result of a round of reading. */
enum follow_round { ROUND_NOTHING, ROUND_FRAMES, ROUND_LAST /* After its frames comes the end. */ };

struct follow;
struct follow_way {
    /* The first round is read: `frames` may be empty. False: the follow is freed. */
    bool (*begin)(struct follow *follow);
    void (*refuse)(struct follow *follow, struct err err); /* Instead of `begin`; takes it over. */
    bool (*open)(const struct follow *follow);             /* Frames can be written now. */
    bool (*write)(struct follow *follow, struct bytes frames); /* False: others must wait. NULL:
                                                                * never open with frames. */
    void (*end)(struct follow *follow);
    bool (*room)(const struct follow *follow); /* Another round may be read. NULL: always. */
};

struct follow {
    const struct follow_way *way;
    struct runs_api *api; /* Borrowed. */
    struct log_target target;
    enum follow_state state;
    enum log_encoding encoding;
    enum err_code closing; /* ERR_NONE: it goes on. */
    bool begun;            /* `begin` was called. */
    bool sent;             /* Output of this attempt was sent. */
    bool ended;            /* The attempt had ended before the folder was read. */
    struct bytes socket;   /* Name of the subscription; empty: SSE. Borrowed from the object. */
    enum follow_round round;
    int64_t from;       /* Where it began. */
    int64_t next;       /* The first byte that was not sent; negative until it is known. */
    int64_t seen;       /* Up to where the log was read, */
    int64_t size;       /* and where it ended then. */
    unsigned fruitless; /* Number of calls of `grown` in a row when nothing was there. */
    struct loop_work work;
    struct text frames; /* Owned. */
    struct err err;     /* Error of the round in the pool. */
    struct why why;
    struct hub_watch changes;
    struct dispatch_watch grown;
    struct timer again;
};

/* Bytes of the log in one round, and of its frames. */
enum { FOLLOW_ROUND_MAX = 80 << 10, FOLLOW_FRAMES_MAX = 256 << 10 };

/* The members without a comment of their own are set: way, api, target, next, encoding, socket. */
void follow_start(struct follow *follow);
void follow_written(struct follow *follow); /* The frames are on their way. */
void follow_go_on(struct follow *follow);   /* After FOLLOW_FULL: there is room again. */
void follow_leave(struct follow *follow);   /* The client is gone. */
void follow_frames_clear(struct follow *follow);

#endif
