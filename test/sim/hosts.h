/* hosts.h: several hosts that share one database, each with a spool, processes and a daemon.
 *
 *            the leader ends, and this one gets the lock
 *   STANDBY ──────────────────────────────────────────────> LEADER
 *      ^  └──── its daemon is killed ────> OFF <── ends, in whatever way ──┘
 *      └── it is started again (`back`) ────┘
 *
 * How        the leader is the life of life.c, with the store on the simulated disk. On each other
 *            host whose daemon lives, the real guest of a standby (main/guest.c) runs. Its store is
 *            a stand-in (guest_store.c): the guest's functions run in the engine store of the
 *            leader, each in a transaction of its own between two groups of the leader; while
 *            nobody leads, they wait. A connection may fail before a function, or after its COMMIT.
 *            The world acts on one host at a time: `sim->acting`, by which memory, spool, holders
 *            and place are told from each other.
 * Not played the lock itself, upgrades, and what a leader does between a stop of its process and
 *            the moment at which it sees that it was replaced: it is gone by then.
 * Polls      while nothing happens, timers of polls are stretched (loop.c), up to a minute.
 */
#ifndef DROVER_TEST_SIM_HOSTS_H
#define DROVER_TEST_SIM_HOSTS_H

#include "cli/system/serve_options.h"
#include "inside.h"
#include "store/store.h"

enum host_state { HOST_OFF, HOST_STANDBY_LIVES, HOST_LEADS };

struct standby;
struct host {
    enum host_state state;
    unsigned generation; /* Machines that have been this host; from 1. */
    uint64_t up_ns;      /* Since when its daemon lives, in whatever role. */
    uint64_t off_ns;     /* Since when no daemon of it lives, */
    uint64_t sign_ns;    /* and has given a sign of that: one that ends at once gives none. */
    bool removed;        /* Somebody said `host rm` of it. */
    struct sim_event back;
    struct standby *standby; /* The host's memory; NULL: none. */
};
struct host *host_of(unsigned number);

bool hosts_several(const struct sim *sim);
/* For a while the daemon of `host` acts. Returns the one that did. */
unsigned hosts_enter(struct sim *sim, unsigned host);
void hosts_begin(struct sim *sim); /* The first leader was opened. */
/* The life has crashed: says who leads next. */
void hosts_succeed(struct sim *sim, enum sim_death death);
void hosts_leads(struct sim *sim); /* A life opens on the host that acts. */

/* For steps.c. */
bool hosts_ready(const struct sim *sim);
void hosts_step(struct sim *sim);
uint64_t hosts_next_ns(const struct sim *sim);
void hosts_news(struct sim *sim); /* Something happened: polls go on as they are promised. */

/* Of a standby. */
void host_kill(struct sim *sim, unsigned number, enum sim_death death);
void host_note(struct sim *sim, struct bytes note); /* Of the guest function that runs now. */
void hosts_place(const struct sim *sim, char *text, size_t size);
void host_stop(struct sim *sim, unsigned number); /* In order. */
void host_back(struct sim *sim, struct sim_event *event);
/* life.c: what all daemons of a seed are started with. */
void life_options(struct sim *sim, struct serve_options *serve);

/* ops_hosts.c. hosts_gave_up: somebody, or --host-timeout, took the host of that attempt for gone:
 * it may live beside a later one. */
bool hosts_gave_up(const char *run, int64_t attempt);
/* A commit has written the row; twice is as well as once. */
void hosts_noted(struct sim *sim, const struct run_row *row);
/* Since when the rows say that this attempt, which was given up, is over; 0: they do not. */
uint64_t hosts_over_since_ns(struct sim *sim, const char *run, int64_t attempt);
/* Since when a daemon lives at that place while somebody leads; UINT64_MAX: none does. */
uint64_t hosts_up_since_ns(const struct sim *sim, const char *place);
bool hosts_replaced(void); /* The leader that died stood still; once. */

/* guest_store.c */
bool guest_store_waits(const struct sim *sim, unsigned host); /* It has a function to run. */
void guest_store_turn(struct sim *sim, unsigned host);
void guest_store_forget(unsigned host); /* Its memory is gone. */
int guest_store_noted(void);            /* Host whose function runs now; -1: none. */
void guest_store_deliver(unsigned host, struct bytes note);

#endif
