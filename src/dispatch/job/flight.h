/* flight.h: an attempt in the hands of this daemon, and the steps that its files take.
 *
 * A FLIGHT is one attempt of a run in the hands of this daemon, from the note that asks for it to
 * the commit of its end:
 *
 *    note: start                               note: adopt
 *        │      ┌──────────┐                        │
 *        v      v          │ large order            v     ┌── pause ──┐
 *      QUEUED ────────> ORDERING          ┌───> DECIDING <┤           │ unreachable, or an error
 *        │  └──────────────┼──────────────┤      │  │ │   └> PAUSING ─┘ of the system
 *        │ begun           │ stopped, or  │      │  │ └──────────┐
 *        v                 │ it failed    │      │  │ its holder │
 *      FOLLOWING <─────────┼──────────────┼──────┘  │ is dead    v
 *        │  └─ link lost, ─┴──────────────┘ alive   │        CLEARING (its tree)
 *        │     or unresponsive (at once again: by PAUSING)          │
 *        │ ended                                    │            │
 *        v                          void, ended     v            │
 *      READING (output for a notice) <──────────────┴────────────┘
 *        │
 *        v
 *      SETTLING ──> gone; of a guest: REPORTED ──> gone, or DECIDING where the report was lost
 *                                                  (host/guest.c)
 *
 * A flight keeps only what its end needs; what a state needs beside that is its work (work.h): the
 * flight owns it, and a job in the pool or a function of the store may use it in between.
 */
#ifndef DROVER_DISPATCH_JOB_FLIGHT_H
#define DROVER_DISPATCH_JOB_FLIGHT_H

#include "dispatch/base/folder.h"
#include "dispatch/job/inside.h"

enum flight_state {
    FLIGHT_NEW,
    FLIGHT_QUEUED,
    FLIGHT_ORDERING,
    FLIGHT_FOLLOWING,
    FLIGHT_DECIDING,
    FLIGHT_PAUSING,
    FLIGHT_CLEARING,
    FLIGHT_READING,
    FLIGHT_SETTLING,
    FLIGHT_REPORTED, /* A guest's: its end waits for the leader. */
    FLIGHT_STATES
};

/* A holder that does not do what it must is killed: it does not stop its command, or was to end it
 * at its deadline though nobody had asked for a stop. */
enum flight_health { HEALTH_GOOD, HEALTH_UNRESPONSIVE, HEALTH_OVERDUE };

/* Facts that the spec has about an attempt. */
struct flight_facts {
    bool read; /* False: the spec was not read yet. */
    bool notify, pty;
    bool input_open; /* Input may come, by offset. */
    struct retry_policy retry;
    int64_t log_max;    /* Bytes of each stream of output that are kept. */
    int64_t timeout_ms; /* 0: none. */
    bool path_given;    /* The job has a PATH of its own. */
    char program[96];   /* Beginning of its first word, for a sentence about it. */
};

struct flight {
    struct table_node node; /* By run. */
    struct dispatch *dispatch;
    struct link link; /* In the queue of starts, or of trees to be ended. */
    struct folder folder;
    int64_t attempt;
    enum flight_state state;
    enum flight_health health;
    bool ours;    /* The row says that this daemon's epoch has it. */
    bool claimed; /* The holder reported it to this daemon. */
    bool full;    /* The output finds no space on the disk. */
    struct flight_facts facts;
    struct feed *feed; /* input.c: owned, or by the store's answer; NULL: it takes no input. */
    int64_t since_ms;  /* When its time began, by the wall's clock. */
    unsigned grace_ms; /* For the stop; FLIGHT_NOT_STOPPED: nobody has asked the attempt to end. */
    unsigned asks;     /* In a row, for a sign of its life, since the grace or the deadline. */
    unsigned tries;    /* In a row, to decide. */
    struct effect effect; /* Listed while the folder cannot be read. */
    unsigned breaks;      /* Links in a row that broke as soon as they were there. */
    uint64_t followed_ns;
    uint64_t walked;   /* A guest's: number of the last walk that had it, */
    uint64_t reported; /* and of the walk in which its end was reported, */
    unsigned reports;  /* for the n-th time. */
    int64_t sizes[LOG_STREAMS];
    struct holder *holder;     /* Owned; FOLLOWING. */
    struct flight_work *work;  /* Owned. */
    struct adoption *adoption; /* Owned, or by the store's answer; NULL: none. */
    struct link watches;       /* Borrowed. */
    struct timer timer, answer, deadline;
};

/* The rows are to say that this daemon holds an attempt which an older one began. The command is
 * followed already, and its end does not wait for this: a row that still names the older epoch
 * would only be looked into again at the next start. So it is tried again while the command lives,
 * and forgotten when it ends: the commit of its end says more. An answer may outlive its flight. */
struct adoption {
    struct flight *flight; /* NULL: it is gone. */
    struct id run;
    int64_t attempt;
    bool late;
    struct ask ask;
};
void flight__adoption_free(void *adoption);

#define FLIGHT_NOT_STOPPED UINT32_MAX
static inline bool flight__is_stopped(const struct flight *flight) {
    return flight->grace_ms != FLIGHT_NOT_STOPPED;
}

/* The holder has written `size` bytes of that stream. */
void flight__grown(struct flight *flight, enum log_stream stream, int64_t size);
struct flight *flight__find(const struct dispatch *dispatch, struct bytes run, int64_t attempt);
struct flight *flight__new(struct dispatch *dispatch, const struct run_row *row);
void flight__enter(struct flight *flight, enum flight_state state);
static inline struct bytes flight__run(const struct flight *flight) {
    return flight->node.name;
}
void flight__free(struct flight *flight); /* At the end, or when the daemon stops. */
void flight__stop(struct flight *flight, unsigned grace_ms);
unsigned flight__grace_ms(int64_t stop_grace_ms); /* As a row has it. */
/* flight->holder is there: follow it, from where its input was taken. */
void flight__follow(struct flight *flight, int64_t accepted);
/* news.c: for struct dispatch. */
extern const struct holder_news flight_news;

/* start.c */
void start__queue(struct flight *flight);
void start__task(struct loop_task *task);

/* decide.c */
void decide__begin(struct flight *flight);
void decide__silent(struct flight *flight); /* At once: the holder does not answer. */
void decide__pause(struct flight *flight);  /* Before the next try. */
/* The link broke, and the one before it, too: after a pause. */
void decide__later(struct flight *flight);

/* unresponsive.c: for a flight that was asked to stop: after the grace its holder must show that it
 * lives. The deadline of a flight whose holder lives is watched, too; again: nothing. */
void unresponsive__watch_stop(struct flight *flight);
void unresponsive__watch_deadline(struct flight *flight);

/* settle.c */
void settle__begin(struct flight *flight, struct attempt end);
void settle__exit(struct flight *flight, const struct spool_exit *exit);

/* input.c: for an attempt that is followed. `accepted`: bytes that it has taken; INPUT_UNKNOWN: its
 * holder will say. */
enum { INPUT_UNKNOWN = -1 };
void input__follow(struct flight *flight, int64_t accepted);
void input__accepted(struct flight *flight, int64_t size);
void input__drop(struct flight *flight);

/* followers.c */
void log_watch__grown(struct flight *flight, enum log_stream stream);

#endif
