/* hosts.c: see the header. */
#include "hosts.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "main/guest.h"
#include "processes.h"

enum {
    BACK_MS_MAX = 30000,     /* A supervisor starts the daemon again. */
    REBOOT_MS_MAX = 120000,  /* The machine is back. */
    AT_ONCE_PERCENT = 30,    /* The daemon that ended is the first to ask for the lock. */
    STOP_STEPS_MAX = 100000, /* Of a guest, until it has let go of everything. */
};

#define SIGN_NS (UINT64_C(5) * 1000 * 1000 * 1000)

/* All of it is the host's memory. */
struct standby {
    struct sim *sim;
    struct loop *loop;
    struct serve_options serve;
    struct log log;
    struct guest_rooms *guest;
    bool stopped;
};

struct host *host_of(unsigned number) {
    static struct host all[SIM_HOSTS_MAX];
    assert(number < SIM_HOSTS_MAX);
    return &all[number];
}

bool hosts_several(const struct sim *sim) {
    return sim->options.hosts > 1;
}

unsigned hosts_enter(struct sim *sim, unsigned host) {
    unsigned acted = sim->acting;
    sim->acting = host;
    memory_use(host);
    return acted;
}

bool sim_acting_is_dead(const struct sim *sim) {
    return sim->acting == sim->leader && sim->life.dead;
}

void hosts_place(const struct sim *sim, char *text, size_t size) {
    if (hosts_several(sim)) {
        (void)snprintf(text, size, "host-%u/%u", sim->acting, host_of(sim->acting)->generation);
    } else {
        (void)snprintf(text, size, "machine/%u", sim->machine);
    }
}

/* --- A standby -------------------------------------------------------------------------------- */

static int64_t log_clock(void *ctx) {
    return sim_wall_ms(ctx);
}

static void standby_begin(struct sim *sim, unsigned number) {
    struct host *host = host_of(number);
    unsigned acted = hosts_enter(sim, number);
    memory_begin();
    struct standby *standby = mem_new(sizeof *standby);
    standby->sim = sim;
    host->standby = standby;
    host->state = HOST_STANDBY_LIVES;
    host->up_ns = sim->now_ns;
    log_init(&standby->log, sim->options.trace ? STDERR_FILENO : -1, LOG_WARN, log_clock, sim);
    life_options(sim, &standby->serve);
    standby->serve.log = &standby->log;
    const struct loop_options of_loop = {.world = &sim->world};
    struct err err = loop_open(&of_loop, &standby->loop);
    if (!err_failed(err)) {
        err = guest_open(&standby->serve, standby->loop, &standby->guest);
    }
    if (err_failed(err)) {
        sim_fail(sim, "host %u does not stand by: %s (%s)", number, err_name(err.code), err.step);
    }
    sim_trace(sim, "host %u stands by", number);
    (void)hosts_enter(sim, acted);
}

static void guest_stopped(void *ctx) {
    struct standby *standby = ctx;
    standby->stopped = true;
}

static bool loop_kind_ready(const struct loop *loop, enum loop_kind *ret_kind) {
    for (enum loop_kind kind = 0; kind < LOOP_KINDS; kind++) {
        if (loop_ready(loop, kind)) {
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

/* As main/standby.c does it when the lock is ours. What is in the pool comes back first. */
static void standby_end(struct sim *sim, unsigned number) {
    struct host *host = host_of(number);
    struct standby *standby = host->standby;
    unsigned acted = hosts_enter(sim, number);
    guest_stop(standby->guest, guest_stopped, standby);
    enum loop_kind kind = LOOP_KINDS;
    for (unsigned steps = 0; !standby->stopped && loop_kind_ready(standby->loop, &kind); steps++) {
        assert(steps < STOP_STEPS_MAX);
        loop_step(standby->loop, kind);
    }
    if (!standby->stopped) {
        sim_fail(sim, "the guest of host %u does not stop", number);
    }
    guest_close(standby->guest);
    loop_drain(standby->loop);
    loop_close(standby->loop);
    mem_free(standby);
    host->standby = NULL;
    if (memory_count() > 0) {
        sim_fail(sim, "a standby that stopped in order keeps %zu blocks of memory", memory_count());
    }
    memory_end();
    processes_let_go(sim);
    sim_trace(sim, "the guest of host %u has ended", number);
    (void)hosts_enter(sim, acted);
}

/* --- Gone, and back --------------------------------------------------------------------------- */

void host_back(struct sim *sim, struct sim_event *event) {
    struct host *host = CONTAINER_OF(event, struct host, back);
    assert(host->state == HOST_OFF);
    standby_begin(sim, (unsigned)(host - host_of(0)));
}

static void host_goes(struct sim *sim, unsigned number, enum sim_death death) {
    struct host *host = host_of(number);
    uint64_t most = death == SIM_KILLED ? BACK_MS_MAX : REBOOT_MS_MAX;
    host->state = HOST_OFF;
    host->off_ns = sim->now_ns;
    host->sign_ns = sim->now_ns - host->up_ns < SIGN_NS ? host->sign_ns : sim->now_ns;
    host->generation += death == SIM_MOVED;
    host->removed = host->removed && death != SIM_MOVED;
    sim_plan(sim, &host->back, sim_choose(sim, "back", most), host_back);
}

void host_stop(struct sim *sim, unsigned number) {
    standby_end(sim, number);
    host_goes(sim, number, SIM_KILLED);
}

void host_kill(struct sim *sim, unsigned number, enum sim_death death) {
    struct host *host = host_of(number);
    assert(host->state == HOST_STANDBY_LIVES);
    unsigned acted = hosts_enter(sim, number);
    sim_trace(sim, "the standby of host %u is killed", number);
    memory_end();
    guest_store_forget(number);
    host->standby = NULL;
    processes_let_go(sim);
    if (death == SIM_POWER_CUT) {
        processes_reboot(sim);
    } else if (death == SIM_MOVED) {
        processes_move(sim);
    }
    (void)hosts_enter(sim, acted);
    host_goes(sim, number, death);
}

/* --- Who leads -------------------------------------------------------------------------------- */

void hosts_begin(struct sim *sim) {
    for (unsigned i = 0; i < SIM_HOSTS_MAX; i++) {
        *host_of(i) = (struct host){.generation = 1};
    }
    sim->news_ns = sim->now_ns;
}

void hosts_leads(struct sim *sim) {
    struct host *host = host_of(sim->leader);
    sim_plan_stop(sim, &host->back);
    host->state = HOST_LEADS;
    if (hosts_several(sim)) {
        host->up_ns = host->up_ns > host->off_ns ? host->up_ns : sim->now_ns;
        sim_trace(sim, "host %u leads", sim->leader);
        for (unsigned i = 0; i < sim->options.hosts && sim->life.number == 1; i++) {
            if (i != sim->leader) {
                standby_begin(sim, i);
            }
        }
    }
}

void hosts_succeed(struct sim *sim, enum sim_death death) {
    if (!hosts_several(sim)) {
        return;
    }
    unsigned standing[SIM_HOSTS_MAX], count = 0, last = sim->leader;
    host_goes(sim, last, death);
    for (unsigned i = 0; i < sim->options.hosts; i++) {
        if (host_of(i)->state == HOST_STANDBY_LIVES) {
            standing[count++] = i;
        }
    }
    bool itself = !hosts_replaced() && sim_chance(sim, "again", AT_ONCE_PERCENT);
    itself = itself || count == 0;
    unsigned next = itself ? last : standing[sim_choose(sim, "next", count)];
    if (next != last) {
        standby_end(sim, next);
    }
    sim->leader = next;
    sim->still_ns = 0;
    (void)hosts_enter(sim, next);
    hosts_news(sim);
}

/* --- Steps ------------------------------------------------------------------------------------ */

enum { STORE_TURN = LOOP_KINDS, CHOICES_MAX = SIM_HOSTS_MAX * (LOOP_KINDS + 1) };

struct choice {
    unsigned host, kind;
};

static size_t choices(const struct sim *sim, struct choice *list) {
    size_t count = 0;
    for (unsigned i = 0; i < sim->options.hosts; i++) {
        const struct standby *standby = host_of(i)->standby;
        for (unsigned kind = 0; standby != NULL && kind <= STORE_TURN; kind++) {
            if (kind == STORE_TURN ? guest_store_waits(sim, i)
                                   : loop_ready(standby->loop, (enum loop_kind)kind)) {
                list[count++] = (struct choice){i, kind};
            }
        }
    }
    return count;
}

bool hosts_ready(const struct sim *sim) {
    struct choice list[CHOICES_MAX];
    return hosts_several(sim) && choices(sim, list) > 0;
}

void hosts_step(struct sim *sim) {
    struct choice list[CHOICES_MAX];
    size_t count = choices(sim, list);
    const struct choice choice = list[sim_choose(sim, "host", count)];
    if (choice.kind == STORE_TURN) {
        guest_store_turn(sim, choice.host);
        return;
    }
    unsigned acted = hosts_enter(sim, choice.host);
    loop_step(host_of(choice.host)->standby->loop, (enum loop_kind)choice.kind);
    (void)hosts_enter(sim, acted);
}

uint64_t hosts_next_ns(const struct sim *sim) {
    uint64_t next_ns = UINT64_MAX;
    for (unsigned i = 0; i < sim->options.hosts; i++) {
        const struct standby *standby = host_of(i)->standby;
        uint64_t at_ns = standby == NULL ? UINT64_MAX : loop_next_ns(standby->loop);
        next_ns = at_ns < next_ns ? at_ns : next_ns;
    }
    return next_ns;
}

void hosts_news(struct sim *sim) {
    if (!hosts_several(sim)) {
        return;
    }
    sim->news_ns = sim->now_ns;
    if (sim->life.loop != NULL) {
        loop_hurry(sim->life.loop);
    }
    for (unsigned i = 0; i < sim->options.hosts; i++) {
        if (host_of(i)->standby != NULL) {
            loop_hurry(host_of(i)->standby->loop);
        }
    }
}
