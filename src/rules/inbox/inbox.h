/* rules/inbox/inbox.h: when a delivery that failed is tried again, and what a turn's end settles.
 * And the fields of a delivery (resource.c). Pure.
 *
 * A webhook:
 *   pending ──taken──> delivering ──> acknowledged | gone (the receiver is no more)
 *      ^                   │
 *      └─── failed ────────┘   20 failures: stalled, tried hourly and on demand, never dropped
 *
 * `delivering` is in memory only: a daemon that died while delivering tries again (at least once).
 *
 * A session: the commit that makes a turn binds to it what is due, and the commit that ends that
 * turn settles it. A crash in between changes nothing: the turn is resumed, its rows are its own.
 *   pending ──a turn──> bound ──> acknowledged (it took them, or its user stopped it) | gone
 *      ^ ^                │ └──> held, by a cause that no retry cures, until somebody says so
 *      │ └── taken back ──┤
 *      └──── failed ──────┘   2 failures: it goes alone from then on; 20: stalled
 */
#ifndef DROVER_RULES_INBOX_INBOX_H
#define DROVER_RULES_INBOX_INBOX_H

#include "base/base.h"
#include "base/resource/resource.h"
#include "rules/run/run.h"

#define INBOX_STATES(X)                                                                            \
    X(PENDING, "pending")                                                                          \
    X(STALLED, "stalled")                                                                          \
    X(BOUND, "bound")                                                                              \
    X(HELD, "held")                                                                                \
    X(ACKNOWLEDGED, "acknowledged")                                                                \
    X(GONE, "gone")                                                                                \
    X(DROPPED, "dropped")

enum inbox_state {
#define X(state, name) INBOX_##state,
    INBOX_STATES(X)
#undef X
        INBOX_STATE_COUNT
};
extern const char *const inbox_state_names[]; /* By value; NULL ends them. */
enum receiver_kind { RECEIVER_WEBHOOK, RECEIVER_SESSION, RECEIVER_KIND_COUNT };
extern const char *const receiver_kind_names[]; /* The same. */

/* Events of notices, most important first. */
enum notice_event { NOTICE_ASKED, NOTICE_STALLED, NOTICE_FAILED, NOTICE_ENDED, NOTICE_EVENTS };
extern const char *const notice_event_names[]; /* By value; NULL ends them. */
enum { NOTICE_EVENTS_ALL = (1 << NOTICE_EVENTS) - 1 };
/* The events that setting `notify_on`, a JSON array, names, as bits; all where it is not set. 0: it
 * is no array of 1 to 4 such words, each once. */
unsigned notice_events_read(struct bytes json);
/* Whether the owner of a run is notified of its row: of an agent that was stuck, at any depth; else
 * of a run that no other run started, where it failed, or took `after_ms` or more.
 * *ret_event is the event in any case. */
bool notice_event_of(const struct run_row *run, int64_t after_ms, enum notice_event *ret_event);

enum { INBOX_PAYLOAD_MAX = 32 << 10 };
#define INBOX_DAMAGED "the notice is damaged in the database"

/* A row with unknown words reads as held, or as gone where it is settled, with INBOX_DAMAGED as its
 * cause. */
struct inbox_row {
    int64_t id;
    struct bytes delivery;            /* dlv_…: the same in every try. */
    struct bytes owner, run, address; /* address: the URL, or the session. */
    enum receiver_kind kind;
    enum inbox_state state;
    struct bytes payload; /* JSON, compact; of a damaged row too long: empty. */
    struct bytes cause;   /* Sentence of the last failure, or ""; of a turn: its name. */
    struct bytes turn;    /* run_…: the turn that it is bound to; "": none. */
    enum notice_event event;
    int64_t approval; /* id of the question that it is about; 0: none. */
    int64_t failures, made_ms, not_before_ms, settled_ms;
};
extern const struct resource delivery_resource;
MUST_CHECK bool inbox_state_find(struct bytes name, enum inbox_state *ret_state);

/* Settings, with these defaults. */
struct inbox_waits {
    int64_t first_ms, max_ms, stalled_ms;
    int64_t stalled_after; /* Failures. */
};
#define INBOX_WAITS_DEFAULT                                                                        \
    ((struct inbox_waits){.first_ms = 1000,                                                        \
                          .max_ms = INT64_C(5) * 60 * 1000,                                        \
                          .stalled_ms = INT64_C(3600) * 1000,                                      \
                          .stalled_after = 20})

/* Sessions wait by these, whatever is set for webhooks: the end of a turn, which has no settings at
 * hand, writes when its rows are due, and whoever offers them must not take that for a clock that
 * was set back. */
#define INBOX_WAITS_SESSION INBOX_WAITS_DEFAULT

struct inbox_next {
    enum inbox_state state;
    int64_t wait_ms;
};
/* After the `failures`th failure in a row (from 1). `random` spreads: up to a quarter more. */
struct inbox_next inbox_after_failure(const struct inbox_waits *waits, int64_t failures,
                                      uint32_t random);

/* How long a row still waits at `now_ms`; 0: it is due. What never failed waits for nothing. A time
 * that is further away than its failure can have put it was written before the clock was set back:
 * that row is due. */
struct inbox_time {
    int64_t failures, not_before_ms, now_ms;
};
int64_t inbox_wait_left(const struct inbox_waits *waits, const struct inbox_time *time);
/* Whether that is because the clock was set back. */
bool inbox_time_absurd(const struct inbox_waits *waits, const struct inbox_time *time);

/* --- Sessions --------------------------------------------------------------------------------- */

enum inbox_turn {
    INBOX_TURN_TOOK,    /* It succeeded, or nearly: it has read them. */
    INBOX_TURN_STOPPED, /* Its user stopped it, or sent something else: seen, and done with. */
    INBOX_TURN_UNDONE,  /* It was taken back: they are as they were. */
    INBOX_TURN_HELD,    /* Trying again would end the same, until somebody changes something. */
    INBOX_TURN_FAILED,
};
enum inbox_turn inbox_judge_turn(enum run_state state, enum run_cause cause);

/* A row that failed leaves this state with its turn. */
enum inbox_state inbox_state_unbound(const struct inbox_waits *waits, int64_t failures);

enum {
    INBOX_SPLIT_AFTER = 2,            /* Failures, after which a row goes alone. */
    INBOX_BATCH_MAX = 100,            /* Rows of one turn, */
    INBOX_BATCH_TEXT_MAX = 256 << 10, /* and characters of their notices: one always goes. */
};
struct inbox_candidate {
    int64_t id, failures, not_before_ms;
    int64_t text; /* Characters of its notice. */
};
/* Of rows that are due, those that the next turn takes: moved to the front, in the order of ids.
 * Whoever is due first decides: alone, or with all that may go together. */
size_t inbox_pick(struct inbox_candidate *rows, size_t count);

#endif
