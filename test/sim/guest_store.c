/* guest_store.c: the store of a guest, between the guest and the engine store of the leader.
 *
 * The linker gives these functions what the daemon's code asks of store.h (--wrap); whatever is not
 * of a guest goes on to the real one. A function of a guest runs in a turn of its own, when the
 * leader has nothing queued. What is told is what a driver of a server tells: an error that passes
 * (the connection is gone), with nothing done or with everything done. */
#include <string.h>

#include "base/memory.h"
#include "engine/run/runs.h"
#include "hosts.h"

enum { LOST_PERCENT = 2 };
enum call_kind { CALL_READ, CALL_WRITE };

struct guest_call {
    struct guest_call *next;
    enum call_kind kind;
    store_fn fn;
    store_done done;
    void *ctx;
    bool answered;
    struct err result;
};

struct guest_store {
    struct sim *sim;
    unsigned host;
    const struct world *world;
    struct store_note_kind notes[STORE_NOTE_KINDS_MAX];
    int64_t steady_base_ms;
    struct guest_call *calls, **calls_end;
    bool closing;
};

struct guest_stores {
    struct guest_store *of[SIM_HOSTS_MAX]; /* The host's memory; NULL: none. */
    bool runs;
    unsigned running; /* Host whose function runs now. */
};

static struct guest_stores *stores(void) {
    static struct guest_stores all;
    return &all;
}

static struct guest_store *guest_of(const struct store *store) {
    for (size_t i = 0; i < SIM_HOSTS_MAX; i++) {
        if (stores()->of[i] != NULL && (const void *)stores()->of[i] == (const void *)store) {
            return stores()->of[i];
        }
    }
    return NULL;
}

void guest_store_forget(unsigned host) {
    stores()->of[host] = NULL;
}

int guest_store_noted(void) {
    return stores()->runs ? (int)stores()->running : -1;
}

void guest_store_deliver(unsigned host, struct bytes note) {
    const struct guest_store *guest = stores()->of[host];
    const struct store_note_kind *kind = &guest->notes[RUN_NOTE];
    kind->deliver(kind->ctx, note);
}

/* --- Asked by the guest ----------------------------------------------------------------------- */

struct err __real_store_open(const struct store_options *options, struct store **ret_store,
                             struct why *why);
void __real_store_close(struct store *store);
void __real_store_write(struct store *store, store_fn fn, store_done done, void *ctx);
void __real_store_write_lazy(struct store *store, store_fn fn, store_done done, void *ctx);
void __real_store_read(struct store *store, store_fn fn, store_done done, void *ctx);
int64_t __real_store_epoch(const struct store *store);
int64_t __real_store_steady_ms(const struct store *store);
struct err __wrap_store_open(const struct store_options *options, struct store **ret_store,
                             struct why *why);
void __wrap_store_close(struct store *store);
void __wrap_store_write(struct store *store, store_fn fn, store_done done, void *ctx);
void __wrap_store_write_lazy(struct store *store, store_fn fn, store_done done, void *ctx);
void __wrap_store_read(struct store *store, store_fn fn, store_done done, void *ctx);
int64_t __wrap_store_epoch(const struct store *store);
int64_t __wrap_store_steady_ms(const struct store *store);

struct err __wrap_store_open(const struct store_options *options, struct store **ret_store,
                             struct why *why) {
    if (!options->guest) {
        return __real_store_open(options, ret_store, why);
    }
    struct sim *sim = sim_current();
    struct guest_store *guest = mem_new(sizeof *guest);
    guest->sim = sim;
    guest->host = sim->acting;
    guest->world = options->world;
    memcpy(guest->notes, options->notes, sizeof guest->notes);
    guest->steady_base_ms =
        world_wall_ms(options->world) - (int64_t)(world_mono_ns(options->world) / 1000000);
    guest->calls_end = &guest->calls;
    stores()->of[guest->host] = guest;
    *ret_store = (struct store *)(void *)guest; /* Nobody looks into it but through store.h. */
    return ERR_OK;
}

static void call_queue(struct guest_store *guest, enum call_kind kind,
                       const struct guest_call *what) {
    struct guest_call *call = mem_new(sizeof *call);
    *call = *what;
    call->kind = kind;
    *guest->calls_end = call;
    guest->calls_end = &call->next;
}

static struct guest_call *call_take(struct guest_store *guest) {
    struct guest_call *call = guest->calls;
    guest->calls = call->next;
    if (guest->calls == NULL) {
        guest->calls_end = &guest->calls;
    }
    return call;
}

static void call_answer(struct guest_call *call, struct err result) {
    store_done done = call->done;
    void *ctx = call->ctx;
    mem_free(call);
    if (done != NULL) {
        done(result, ctx);
    }
}

void __wrap_store_close(struct store *store) {
    struct guest_store *guest = guest_of(store);
    if (guest == NULL) {
        __real_store_close(store);
        return;
    }
    while (guest->calls != NULL) {
        call_answer(call_take(guest), err_make(ERR_CLOSING, "store: queue"));
    }
    stores()->of[guest->host] = NULL;
    mem_free(guest);
}

void __wrap_store_write(struct store *store, store_fn fn, store_done done, void *ctx) {
    struct guest_store *guest = guest_of(store);
    if (guest == NULL) {
        __real_store_write(store, fn, done, ctx);
        return;
    }
    call_queue(guest, CALL_WRITE, &(struct guest_call){.fn = fn, .done = done, .ctx = ctx});
}

void __wrap_store_write_lazy(struct store *store, store_fn fn, store_done done, void *ctx) {
    if (guest_of(store) == NULL) {
        __real_store_write_lazy(store, fn, done, ctx);
        return;
    }
    __wrap_store_write(store, fn, done, ctx);
}

void __wrap_store_read(struct store *store, store_fn fn, store_done done, void *ctx) {
    struct guest_store *guest = guest_of(store);
    if (guest == NULL) {
        __real_store_read(store, fn, done, ctx);
        return;
    }
    call_queue(guest, CALL_READ, &(struct guest_call){.fn = fn, .done = done, .ctx = ctx});
}

int64_t __wrap_store_epoch(const struct store *store) {
    return guest_of(store) == NULL ? __real_store_epoch(store) : 0;
}

int64_t __wrap_store_steady_ms(const struct store *store) {
    const struct guest_store *guest = guest_of(store);
    return guest == NULL ? __real_store_steady_ms(store)
                         : guest->steady_base_ms + (int64_t)(world_mono_ns(guest->world) / 1000000);
}

/* --- Run in the leader's store ---------------------------------------------------------------- */

static bool leader_serves(const struct sim *sim) {
    if (sim->life.store == NULL || sim->life.dead || sim->now_ns < sim->still_ns) {
        return false;
    }
    struct store_stats stats;
    store_get_stats(sim->life.store, &stats);
    return stats.queued == 0;
}

bool guest_store_waits(const struct sim *sim, unsigned host) {
    const struct guest_store *guest = stores()->of[host];
    return guest != NULL && guest->calls != NULL && leader_serves(sim);
}

/* What it allocates may be the guest's (a text that grows) or the leader's (an arena): it outlives
 * both. */
static struct err call_run(struct tx *tx, void *ctx) {
    struct guest_call *call = ctx;
    memory_leave();
    struct err err = call->fn(tx, call->ctx);
    memory_return();
    return err;
}

static void call_done(struct err result, void *ctx) {
    struct guest_call *call = ctx;
    call->answered = true;
    call->result = result;
}

static void call_perform(struct sim *sim, struct guest_call *call) {
    struct store *store = sim->life.store;
    struct store_stats before, after;
    store_get_stats(store, &before);
    if (call->kind == CALL_WRITE) {
        __real_store_write(store, call_run, call_done, call);
    } else {
        __real_store_read(store, call_run, call_done, call);
    }
    (void)store_turn(store); /* It has this function alone. */
    store_get_stats(store, &after);
    sim->committed = after.groups != before.groups;
}

/* The leader may die in it, by the disk: then nobody knows what became of the function. */
void guest_store_turn(struct sim *sim, unsigned host) {
    struct guest_store *guest = stores()->of[host];
    struct guest_call *call = call_take(guest);
    bool faulty = !sim->healed;
    bool before = faulty && sim_chance(sim, "guest link", LOST_PERCENT);
    bool after = faulty && !before && sim_chance(sim, "guest link", LOST_PERCENT);
    if (!before) {
        unsigned acted = hosts_enter(sim, sim->leader);
        stores()->runs = true;
        stores()->running = host;
        call_perform(sim, call);
        stores()->runs = false;
        (void)hosts_enter(sim, acted);
    }
    bool lost = before || after || !call->answered;
    struct err result = lost ? err_make(ERR_STORE_DOWN, "store: guest") : call->result;
    unsigned acted = hosts_enter(sim, host);
    call_answer(call, result);
    (void)hosts_enter(sim, acted);
}
