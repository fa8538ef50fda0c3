/* guest.c: the dispatcher of a host whose daemon does not lead.
 *
 *   ASLEEP ──EVERY_MS──> READING a page ──> TELLING those that are new ──> READING … ──last page──┐
 *     ^                                                                                           │
 *     └──────────────── JUDGING flights that no page had <────────────────────────────────────────┘
 *
 * The leader's rows say what runs here and what was asked to stop; nothing of ours writes them. An
 * attempt that is new comes through the door of every other note, and its flight is the same but
 * for its end, which is put into host_reports (settle.c) and waits as REPORTED until the leader has
 * stored it. A flight that no page of a whole walk had is looked up by its run: where the rows say
 * that it ended, or went on to another attempt, it was abandoned, and its tree is ended. Where
 * they say nothing, it goes on: they may be those of the wrong database.
 *
 * A report that the leader takes away is stored in the same commit, so that the next walk does not
 * have the attempt. Where walks go on having it, the report was lost (a restored database, a server
 * that was replaced by an older copy): the folder is asked again, and the end reported again, after
 * AGAIN_WALKS, twice as many, and so on. The leader drops the second report of one end.
 *
 * An error of the store ends the walk, and proves nothing; the next one begins anew. */
#include "base/memory.h"
#include "dispatch/host/parts.h"
#include "dispatch/job/flight.h"
#include "engine/run/local.h"

enum {
    EVERY_MS = 1000,
    AGAIN_WALKS = 15,
    AGAIN_MAX = 10,  /* Of one end: the last comes after some four hours. */
    ERRORS_TOLD = 5, /* Walks in a row: a restart of the server, or a migration, takes fewer. */
};

struct guest {
    struct dispatch *dispatch;
    struct timer timer;
    struct ask ask;
    int64_t after;
    struct run_here asked[RUN_HERE_TELL_MAX]; /* New ones, or unseen ones, for the store. */
    size_t asked_count;
    unsigned errors; /* Walks in a row that ended by an error. */
    struct run_here_page page;
    bool moved[RUN_HERE_TELL_MAX];
};

static void guest_free(void *ctx) {
    struct guest *guest = ctx;
    timer_stop(guest->dispatch->options.loop, &guest->timer);
    ask_drop(&guest->ask);
    guest->dispatch->guest = NULL;
    mem_free(guest);
}

static void page_ask(struct guest *guest);

static void on_timer(struct timer *timer) {
    struct guest *guest = CONTAINER_OF(timer, struct guest, timer);
    guest->dispatch->guest_walk++;
    guest->after = 0;
    page_ask(guest);
}

static void sleep_until_next(struct guest *guest) {
    timer_start(guest->dispatch->options.loop, &guest->timer, EVERY_MS, on_timer);
}

/* The walk ends. The leader makes its schema, or the server is away: where it lasts, the schema may
 * be of another version for ever. */
static void walk_failed(void *ctx, struct err err) {
    struct guest *guest = ctx;
    guest->errors++;
    if (guest->errors == ERRORS_TOLD) {
        dispatch__report(guest->dispatch,
                         "the database can't be read while standing by: jobs of this host are not"
                         " stopped, and their ends not reported, until it can",
                         BYTES(""), err);
    }
    sleep_until_next(guest);
}

static enum ask_verdict walk_judge(void *ctx, unsigned tries, struct err err) {
    (void)ctx; /* Another try is another walk, */
    (void)tries;
    (void)err; /* whatever the error is. */
    return ASK_REFUSED;
}

/* --- Flights that no page had ----------------------------------------------------------------- */

static struct err moved_tx(struct tx *tx, void *ctx) {
    struct guest *guest = ctx;
    return tx_run_here_moved(tx, guest->asked, guest->asked_count, guest->moved);
}

static void moved_done(void *ctx) {
    struct guest *guest = ctx;
    for (size_t i = 0; i < guest->asked_count; i++) {
        const struct run_here *here = &guest->asked[i];
        struct flight *flight =
            flight__find(guest->dispatch, bytes_of(here->run.text), here->attempt);
        if (flight != NULL && guest->moved[i]) {
            flight__stop(flight, 0);
        }
    }
    sleep_until_next(guest);
}

/* What the leader has stored is done with. The rest of those that live is asked for; more than fit
 * wait for the next walk. */
static void judge_unseen(struct guest *guest) {
    struct dispatch *dispatch = guest->dispatch;
    guest->asked_count = 0;
    for (struct table_node *node = table_next(&dispatch->flights, NULL), *next; node != NULL;
         node = next) {
        struct flight *flight = CONTAINER_OF(node, struct flight, node);
        next = table_next(&dispatch->flights, node);
        if (flight->walked == dispatch->guest_walk) {
            continue;
        }
        if (flight->state == FLIGHT_REPORTED) {
            flight__free(flight);
        } else if (!flight__is_stopped(flight) && guest->asked_count < RUN_HERE_TELL_MAX) {
            guest->asked[guest->asked_count++] =
                (struct run_here){.run = id_copy(node->name), .attempt = flight->attempt};
        }
    }
}

/* --- Pages ------------------------------------------------------------------------------------ */

static void page_next(void *ctx) {
    struct guest *guest = ctx;
    guest->after = guest->page.last;
    if (guest->after != 0) {
        page_ask(guest);
        return;
    }
    guest->errors = 0;
    dispatch__parts(guest->dispatch, PART_RECOVERED);
    judge_unseen(guest);
    if (guest->asked_count == 0) {
        sleep_until_next(guest);
    } else {
        ask_read(&guest->ask, moved_tx, moved_done);
    }
}

/* Only a writer's function leaves notes. */
static struct err tell_tx(struct tx *tx, void *ctx) {
    struct guest *guest = ctx;
    return tx_run_here_tell(tx, guest->dispatch->options.bounds.host, guest->asked,
                            guest->asked_count);
}

static struct err page_tx(struct tx *tx, void *ctx) {
    struct guest *guest = ctx;
    return tx_run_here(tx, guest->dispatch->options.bounds.host, guest->after, &guest->page);
}

static void page_done(void *ctx) {
    struct guest *guest = ctx;
    struct dispatch *dispatch = guest->dispatch;
    guest->asked_count = 0;
    for (size_t i = 0; i < guest->page.count; i++) {
        const struct run_here *here = &guest->page.runs[i];
        struct flight *flight = flight__find(dispatch, bytes_of(here->run.text), here->attempt);
        if (flight == NULL && guest->asked_count < RUN_HERE_TELL_MAX) {
            guest->asked[guest->asked_count++] = *here;
        }
        if (flight == NULL) {
            continue;
        }
        flight->walked = dispatch->guest_walk;
        if (here->stop) {
            flight__stop(flight, flight__grace_ms(here->stop_grace_ms));
        }
        /* Whether the row does not have an end that was reported, walk after walk. */
        if (flight->state == FLIGHT_REPORTED && flight->reports <= AGAIN_MAX &&
            dispatch->guest_walk - flight->reported >= (uint64_t)AGAIN_WALKS
                                                           << (flight->reports - 1)) {
            if (flight->reports == 1) {
                dispatch__report(dispatch,
                                 "the end of a command was reported, and its row does not have it:"
                                 " it is reported again",
                                 flight__run(flight), err_make(ERR_HOST_AWAY, "guest: report"));
            }
            dispatch->stats.reports_again++;
            decide__begin(flight);
        }
    }
    if (guest->asked_count == 0) {
        page_next(guest);
    } else {
        ask_write(&guest->ask, tell_tx, page_next);
    }
}

static void page_ask(struct guest *guest) {
    ask_read(&guest->ask, page_tx, page_done);
}

/* --- Life ------------------------------------------------------------------------------------- */

static void guest_open(struct dispatch *dispatch) {
    static const struct ask_rules rules = {
        .judge = walk_judge, .refused = walk_failed, .dropped = guest_free};
    struct guest *guest = mem_new(sizeof *guest);
    ask_init(&guest->ask, &dispatch->asker, &rules, guest);
    guest->dispatch = dispatch;
    dispatch->guest = guest;
    timer_start(dispatch->options.loop, &guest->timer, 0, on_timer);
}

static void guest_stop(struct dispatch *dispatch) {
    struct guest *guest = dispatch->guest;
    if (guest != NULL && guest->ask.state != ASK_AWAY) {
        guest_free(guest);
    }
}

const struct dispatch_part guest_part = {
    .steps = {[PART_OPEN] = guest_open, [PART_STOP] = guest_stop}};
