/* ops_hosts.c: what happens to hosts that share a database, and what people say about them.
 *
 * A place that is given up (host rm, or --host-timeout) may have commands that live: from then on
 * another copy may run beside them, and they are to be ended as soon as their host is back. Nothing
 * else may end an attempt that is away. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "dispatch/job/dispatch.h"
#include "engine/host/hosts.h"
#include "hosts.h"
#include "jobs.h"
#include "loop/loop.h"
#include "main/work.h"
#include "ops.h"
#include "processes.h"
#include "rows.h"

enum {
    PLACE_SIZE = 32,
    GIVEN_UP_MAX = 1024,
    STILL_MS_MAX = 40000,
    VIGIL_MS = 15000,         /* store/postgres/vigil.c: looks, a second apart. */
    RM_AGAIN_MS = 2000,       /* A person sends it again until it is answered well. */
    TIMEOUT_SLACK_MS = 10000, /* A host dies in the middle between two signs. */
};

/* An attempt that nobody waits for any more. */
struct given_up {
    char run[ID_SIZE];
    int64_t attempt;
    uint64_t over_ns; /* When the rows were first seen to say so; 0: they do not yet. */
};

struct hosts_model {
    struct given_up list[GIVEN_UP_MAX];
    size_t count;
    struct sim_event vigil, removal;
    bool replaced; /* The leader stood still: another host takes over. */
};

static struct hosts_model *model(void) {
    static struct hosts_model all;
    return &all;
}

/* --- Given up --------------------------------------------------------------------------------- */

bool hosts_gave_up(const char *run, int64_t attempt) {
    for (size_t i = 0; i < model()->count; i++) {
        const struct given_up *one = &model()->list[i];
        if (one->attempt == attempt && strcmp(one->run, run) == 0) {
            return true;
        }
    }
    return false;
}

uint64_t hosts_over_since_ns(struct sim *sim, const char *run, int64_t attempt) {
    for (size_t i = 0; i < model()->count; i++) {
        struct given_up *one = &model()->list[i];
        if (one->attempt != attempt || strcmp(one->run, run) != 0) {
            continue;
        }
        struct row_state row;
        if (one->over_ns == 0 && row_state_read(sim, run, &row) &&
            (!row.found || run_state_final(row.state) || row.state == RUN_QUEUED ||
             row.attempt > attempt)) {
            one->over_ns = sim->now_ns;
        }
        return one->over_ns;
    }
    return 0;
}

static void give_up(const char *run, int64_t attempt) {
    struct hosts_model *all = model();
    if (!hosts_gave_up(run, attempt) && all->count < GIVEN_UP_MAX) {
        struct given_up *one = &all->list[all->count++];
        (void)snprintf(one->run, sizeof one->run, "%s", run);
        one->attempt = attempt;
    }
}

static void over_mark(const struct sim *sim, const char *run, int64_t attempt) {
    for (size_t i = 0; i < model()->count; i++) {
        struct given_up *one = &model()->list[i];
        if (one->over_ns == 0 && one->attempt == attempt && strcmp(one->run, run) == 0) {
            one->over_ns = sim->now_ns;
        }
    }
}

static void give_up_place(struct sim *sim, const char *place) {
    struct sqlite3_stmt *rows = rows_open(
        sim,
        "SELECT run, attempt FROM runs WHERE host = $1 AND kind = 'job' AND ended_ms IS NULL"
        " AND gate = ''",
        TEXTS(place));
    while (rows != NULL && stmt_step(sim, rows)) {
        give_up(row_text(rows, 0), row_int(rows, 1));
    }
}

/* --- Places ----------------------------------------------------------------------------------- */

/* False: no machine is that place any more, or another one. */
static bool place_read(const char *place, unsigned *ret_host) {
    unsigned generation = 0;
    return sscanf(place, "host-%u/%u", ret_host, &generation) == 2 && *ret_host < SIM_HOSTS_MAX &&
           host_of(*ret_host)->generation == generation;
}

uint64_t hosts_up_since_ns(const struct sim *sim, const char *place) {
    unsigned number = 0;
    if (!place_read(place, &number) || host_of(number)->state == HOST_OFF) {
        return UINT64_MAX;
    }
    uint64_t up_ns = host_of(number)->up_ns;
    return up_ns > sim->life.ready_ns ? up_ns : sim->life.ready_ns;
}

/* --host-timeout: whether a leader may have taken it for gone. */
static bool is_silent(const struct sim *sim, const char *place) {
    struct serve_options serve;
    unsigned number = 0;
    life_options((struct sim *)sim, &serve);
    if (serve.host_timeout_ms == 0) {
        return false;
    }
    if (!place_read(place, &number)) {
        return true;
    }
    const struct host *host = host_of(number);
    uint64_t off_ms = (sim->now_ns - host->sign_ns) / 1000000;
    return host->state == HOST_OFF && off_ms + TIMEOUT_SLACK_MS >= (uint64_t)serve.host_timeout_ms;
}

/* --- The end of an attempt that was away ------------------------------------------------------ */

/* Its own row tells who had it; a queued one has let go of it. */
void hosts_noted(struct sim *sim, const struct run_row *row) {
    if (!hosts_several(sim) || row->kind != KIND_JOB || row->host.len == 0 ||
        row->host.len >= PLACE_SIZE) {
        return;
    }
    char run[ID_SIZE], place[PLACE_SIZE];
    (void)snprintf(run, sizeof run, "%.*s", (int)row->run.len, row->run.data);
    (void)snprintf(place, sizeof place, "%.*s", (int)row->host.len, row->host.data);
    bool over = run_state_final(row->state) || row->state == RUN_QUEUED;
    if (over && is_silent(sim, place)) {
        give_up(run, row->attempt);
    }
    if (over) {
        over_mark(sim, run, row->attempt);
    }
    bool gone = row->state == RUN_LOST && row->cause == CAUSE_HOST_GONE;
    if (gone && !hosts_gave_up(run, row->attempt)) {
        sim_fail(sim, "%s is lost with its host %s, and nobody gave that up", run, place);
    }
}

/* --- What happens ----------------------------------------------------------------------------- */

static unsigned pick(struct sim *sim, enum host_state state) {
    unsigned found[SIM_HOSTS_MAX], count = 0;
    for (unsigned i = 0; i < sim->options.hosts; i++) {
        if (host_of(i)->state == state) {
            found[count++] = i;
        }
    }
    return count == 0 ? SIM_HOSTS_MAX : found[sim_choose(sim, "which host", count)];
}

static void op_crash(struct sim *sim) {
    unsigned number = pick(sim, HOST_STANDBY_LIVES);
    if (number == SIM_HOSTS_MAX) {
        return;
    }
    uint64_t drawn = sim_choose(sim, "death", 10);
    host_kill(sim, number, drawn < 6 ? SIM_KILLED : drawn < 9 ? SIM_POWER_CUT : SIM_MOVED);
}

static void op_stop(struct sim *sim) {
    unsigned number = pick(sim, HOST_STANDBY_LIVES);
    if (number != SIM_HOSTS_MAX) {
        host_stop(sim, number);
    }
}

static void op_return(struct sim *sim) {
    unsigned number = pick(sim, HOST_OFF);
    if (number != SIM_HOSTS_MAX) {
        sim_plan(sim, &host_of(number)->back, 0, host_back);
    }
}

/* --- A leader that stands still --------------------------------------------------------------- */

/* A standby has looked often enough. Whoever stood still finds its session ended. */
static void vigil_over(struct sim *sim, struct sim_event *event) {
    (void)event;
    if (sim->now_ns < sim->still_ns && pick(sim, HOST_STANDBY_LIVES) != SIM_HOSTS_MAX) {
        sim_trace(sim, "host %u stood still, and is replaced", sim->leader);
        model()->replaced = true;
        sim_die(sim, SIM_KILLED);
    }
}

static void op_still(struct sim *sim) {
    uint64_t still_ms = sim_choose(sim, "still", STILL_MS_MAX);
    sim->still_ns = sim->now_ns + still_ms * 1000000;
    sim_trace(sim, "host %u stands still for %llu ms", sim->leader, (unsigned long long)still_ms);
    sim_plan(sim, &model()->vigil, VIGIL_MS + sim_choose(sim, "vigil", 2000), vigil_over);
}

bool hosts_replaced(void) {
    bool replaced = model()->replaced;
    model()->replaced = false;
    return replaced;
}

/* --- host rm ---------------------------------------------------------------------------------- */

struct removal {
    struct sim *sim;
    char place[PLACE_SIZE];
    struct host_abandon what;
    struct host_abandoned page;
    bool more;
};

static struct dispatch *dispatch_of(struct sim *sim) {
    return work_api(sim_life(sim)->work).host.dispatch;
}

/* As page_run of api/host/hosts.c. */
static struct err removal_tx(struct tx *tx, void *ctx) {
    struct removal *removal = ctx;
    removal->more = false;
    struct err err = tx_host_abandon(tx, &removal->what, &removal->page);
    return err_failed(err) || removal->page.last != 0
               ? err
               : tx_host_remove(tx, removal->what.place, &removal->more);
}

static void removal_done(struct err err, void *ctx) {
    struct removal *removal = ctx;
    struct sim *sim = removal->sim;
    if (!err_failed(err) && (removal->page.last != 0 || removal->more)) {
        removal->what.after = removal->page.last != 0 ? removal->page.last : removal->what.after;
        removal->what.bounds = dispatch_bounds(dispatch_of(sim));
        store_write(sim_life(sim)->store, removal_tx, removal_done, removal);
        return;
    }
    sim_trace(sim, "host rm %s: %s", removal->place, err_name(err.code));
    mem_free(removal);
}

static void place_remove(struct sim *sim, const char *place) {
    struct removal *removal = mem_new(sizeof *removal);
    removal->sim = sim;
    (void)snprintf(removal->place, sizeof removal->place, "%s", place);
    give_up_place(sim, place);
    unsigned number = 0;
    if (place_read(place, &number)) {
        host_of(number)->removed = true;
    }
    sim_trace(sim, "host rm %s", place);
    removal->what = (struct host_abandon){
        .place = {removal->place, strlen(removal->place)},
        .limit = HOST_ABANDON_PAGE,
        .random = (uint32_t)sim_choose(sim, "random", UINT32_MAX),
        .bounds = dispatch_bounds(dispatch_of(sim)),
    };
    store_write(sim_life(sim)->store, removal_tx, removal_done, removal);
}

/* A place that has jobs, and is not the leader's; "": none is. */
static void place_pick(struct sim *sim, bool gone_only, char ret_place[PLACE_SIZE]) {
    char ours[PLACE_SIZE];
    unsigned acted = hosts_enter(sim, sim->leader);
    hosts_place(sim, ours, sizeof ours);
    (void)hosts_enter(sim, acted);
    struct sqlite3_stmt *rows =
        rows_open(sim,
                  "SELECT DISTINCT host FROM runs WHERE kind = 'job' AND ended_ms IS NULL AND"
                  " gate = '' AND host <> '' ORDER BY host",
                  NULL);
    ret_place[0] = '\0';
    for (unsigned seen = 1; rows != NULL && stmt_step(sim, rows);) {
        unsigned number = 0;
        const char *place = row_text(rows, 0);
        bool may = strcmp(place, ours) != 0 && strlen(place) < PLACE_SIZE &&
                   (!gone_only || !place_read(place, &number));
        if (may && sim_choose(sim, "place", seen++) == 0) {
            (void)snprintf(ret_place, PLACE_SIZE, "%s", place);
        }
    }
}

static void op_remove(struct sim *sim) {
    char place[PLACE_SIZE];
    place_pick(sim, false, place);
    if (place[0] != '\0') {
        place_remove(sim, place);
    }
}

/* At the end somebody gives up every place that no machine is any more. */
static void removal_again(struct sim *sim, struct sim_event *event) {
    char place[PLACE_SIZE] = "";
    if (sim_life(sim)->ready) {
        place_pick(sim, true, place);
    }
    if (place[0] != '\0') {
        place_remove(sim, place);
    }
    if (place[0] != '\0' || !sim_life(sim)->ready) {
        sim_plan(sim, event, RM_AGAIN_MS, removal_again);
    }
}

/* A leader that stands still goes on, and is not replaced: what is asked of it to heal would die
 * with it. */
static void heal(struct sim *sim) {
    if (hosts_several(sim)) {
        sim->still_ns = sim->still_ns < sim->now_ns ? sim->still_ns : sim->now_ns;
        sim_plan_stop(sim, &model()->vigil);
        sim_plan(sim, &model()->removal, 0, removal_again);
    }
}

/* A row may come to name a place that is gone after the last look. */
static bool rest(struct sim *sim, bool must) {
    (void)must; /* Others say which run has not ended. */
    char place[PLACE_SIZE] = "";
    if (hosts_several(sim) && sim_life(sim)->ready) {
        place_pick(sim, true, place);
    }
    if (place[0] != '\0' && !model()->removal.planned) {
        sim_plan(sim, &model()->removal, 0, removal_again);
    }
    return place[0] == '\0';
}

static void begin(struct sim *sim) {
    (void)sim;
    *model() = (struct hosts_model){.count = 0};
}

/* The leader ends, and another host takes over. */
static void op_take_over(struct sim *sim) {
    if (pick(sim, HOST_STANDBY_LIVES) != SIM_HOSTS_MAX) {
        model()->replaced = true;
        sim_die(sim, sim_chance(sim, "machine", 25) ? SIM_POWER_CUT : SIM_KILLED);
    }
}

static const struct sim_op ops[] = {
    {"submit a job of several", 40, jobs_submit},
    {"stop a job of several", 8, jobs_stop},
    {"take over", 10, op_take_over},
    {"crash of a standby", 6, op_crash},
    {"stop of a standby", 2, op_stop},
    {"return of a host", 4, op_return},
    {"the leader stands still", 3, op_still},
    {"host rm", 2, op_remove},
    {.name = NULL},
};

const struct sim_part part_hosts = {
    .name = "hosts", .ops = ops, .begin = begin, .noted = hosts_noted, .heal = heal, .rest = rest};
