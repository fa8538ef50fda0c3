/* life.c: a daemon's life: opened as main/daemon.c opens it, without a server; ended by a crash.
 *
 *   closed ──life_open──> opening ──home known──> serving ──sim_die──> dead ──life_crash──> closed
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/system/serve_options.h"
#include "dispatch/session/blobs.h"
#include "engine/base/follow.h"
#include "engine/board/board.h"
#include "engine/inbox/inbox.h"
#include "engine/run/runs.h"
#include "engine/turn/view.h"
#include "hosts.h"
#include "inside.h"
#include "journal/hub.h"
#include "journal/pruner.h"
#include "main/deletion.h"
#include "main/place.h"
#include "main/report/sandbox_lack.h"
#include "main/work.h"
#include "ops.h"

/* All of it is the life's. */
struct rooms {
    struct sim *sim;
    struct serve_options serve;
    struct log log;
    struct deletion deletion;
    struct pruner *pruner;
    bool stopping, gone;
};

/* --- What stands in for the machine ----------------------------------------------------------- */

struct err place_find(const struct serve_options *serve, char **ret_data_dir,
                      struct place_name *ret_name) {
    struct sim *sim = serve->world->ctx;
    hosts_place(sim, ret_name->text, sizeof ret_name->text);
    *ret_data_dir = mem_copy(serve->data, strlen(serve->data));
    return ERR_OK;
}

const char *sandbox_lack(const struct serve_options *serve) {
    (void)serve; /* This machine has one. */
    return NULL;
}

/* --- Callbacks from the rooms ----------------------------------------------------------------- */

static void store_lost(void *ctx, struct err err) {
    struct rooms *rooms = ctx;
    sim_trace(rooms->sim, "the store is lost: %s", err_name(err.code));
    sim_die(rooms->sim, SIM_KILLED);
}

static void run_note(void *ctx, struct bytes note) {
    struct rooms *rooms = ctx;
    struct run_row row;
    bool ours = run_note_read(note, &row);
    assert(ours);
    if (guest_store_noted() >= 0) {
        unsigned host = (unsigned)guest_store_noted(), acted = hosts_enter(rooms->sim, host);
        guest_store_deliver(host, note);
        (void)hosts_enter(rooms->sim, acted);
        return;
    }
    for (size_t i = 0; i < sim_parts_count; i++) {
        if (sim_parts[i]->noted != NULL) {
            sim_parts[i]->noted(rooms->sim, &row);
        }
    }
    work_run_note(rooms->sim->life.work, &row);
}

static void inbox_note(void *ctx, struct bytes note) {
    struct rooms *rooms = ctx;
    work_inbox_note(rooms->sim->life.work, note);
}

static void board_note(void *ctx, struct bytes note) {
    struct rooms *rooms = ctx;
    work_board_note(rooms->sim->life.work, note);
}

static void prune_failed(void *ctx, struct err err) {
    struct rooms *rooms = ctx;
    sim_trace(rooms->sim, "the pruner failed: %s", err_name(err.code));
}

static int64_t log_clock(void *ctx) {
    return sim_wall_ms(ctx);
}

/* As main/daemon.c does it in serving_begin. */
static void home_known(void *ctx, struct err result) {
    struct rooms *rooms = ctx;
    struct sim *sim = rooms->sim;
    struct life *life = &sim->life;
    if (err_failed(result)) {
        sim_trace(sim, "the daemon does not serve: %s", err_name(result.code));
        sim_die(sim, SIM_KILLED);
        return;
    }
    work_begin(life->work);
    deletion_init(&rooms->deletion, life->blobs, work_api(life->work).host.dispatch,
                  work_changes_api(life->work).points);
    deletion_start(&rooms->deletion, life->loop, life->store, &rooms->log);
    const struct pruner_options pruning = {
        .loop = life->loop, .store = life->store, .failed = prune_failed, .ctx = rooms};
    rooms->pruner = pruner_start(&pruning);
    life->ready = true;
    life->ready_ns = sim->now_ns;
    sim_trace(sim, "life %u serves", life->number);
    for (size_t i = 0; i < sim_parts_count && !life->dead; i++) {
        if (sim_parts[i]->opened != NULL) {
            sim_parts[i]->opened(sim);
        }
    }
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* What a seed has instead of flags; the same for all lives of it. */
void life_options(struct sim *sim, struct serve_options *serve) {
    uint64_t seed = sim->options.seed;
    *serve = (struct serve_options){
        .data = sim->life.data_dir,
        .hold = !sim->healed && sim_hash(seed, sim->life.number, "hold", 0) % 20 == 0,
        .no_cgroups = true,
        .jobs_max = (int64_t)(1 + sim_hash(seed, 0, "jobs_max", 0) % 6),
        .keep_runs = sim_hash(seed, 0, "keep", 0) % 3 == 0 ? 5 : 10000,
        .keep_days = 30,
        .attachment_max = 20 << 20,
        .webhook_allow = "hook.test",
        .fetch_allow = "page.test",
        .webhook_timeout_ms = 30000,
        .webhook_first_ms = 1000,
        .webhook_max_ms = 300000,
        .webhook_stalled_ms = 3600000,
        .model_answer_ms = 300000,
        .model_stall_ms = 120000,
        .workflows_max = (int64_t)(sim_hash(seed, 0, "workflows_max", 0) % 4),
        .agents = (int64_t)(1 + sim_hash(seed, 0, "agents", 0) % 6),
        .agent_stuck_ms = 600000,
        .flow_steps = 1 + (int64_t)(sim_hash(seed, 0, "flow_steps", 0) % 16),
        .flow_step_ms = 300000,
        .script_cpu_ms = 2000,
        .script_memory = 64 << 20,
        .workers_max = (int64_t)(1 + sim_hash(seed, 0, "workers_max", 0) % 4),
        .world = &sim->world,
    };
    if (hosts_several(sim)) {
        serve->database = "postgres://sim"; /* Told from a file by its being there. */
        serve->host_timeout_ms = sim_hash(seed, 0, "host_timeout", 0) % 4 == 0 ? 60000 : 0;
    }
}

static struct err store_begin(struct rooms *rooms, struct why *why) {
    struct life *life = &rooms->sim->life;
    const struct store_options with = {
        .where = life->data_dir,
        .executor = STORE_INLINE,
        .world = &rooms->sim->world,
        .lost = store_lost,
        .rows_changed = followed_rows,
        .ctx = rooms,
        .notes[JOURNAL_NOTE] = {.deliver = hub_deliver, .flush = hub_flush, .ctx = life->hub},
        .notes[RUN_NOTE] = {.deliver = run_note, .ctx = rooms},
        .notes[INBOX_NOTE] = {.deliver = inbox_note, .ctx = rooms},
        .notes[BOARD_NOTE] = {.deliver = board_note, .ctx = rooms}};
    return store_open(&with, &life->store, why);
}

static struct err rooms_open(struct rooms *rooms, struct why *why) {
    struct sim *sim = rooms->sim;
    struct life *life = &sim->life;
    static const struct snapshot_kind *const states[] = {&session_snapshot};
    const struct loop_options of_loop = {.world = &sim->world};
    struct err err = loop_open(&of_loop, &life->loop);
    const struct hub_options of_hub = {.loop = life->loop,
                                       .snapshots = {.kinds = states, .count = COUNT_OF(states)}};
    if (!err_failed(err)) {
        err = hub_open(&of_hub, &life->hub);
    }
    if (!err_failed(err)) {
        err = store_begin(rooms, why);
    }
    if (err_failed(err)) {
        return err;
    }
    life->db = disk_reader();
    hub_attach(life->hub, life->store);
    const struct blobs_options of_blobs = {
        .loop = life->loop, .store = life->store, .data = life->data_dir};
    err = blobs_open(&of_blobs, &life->blobs);
    const struct work_options of_work = {
        .serve = &rooms->serve, .loop = life->loop, .store = life->store, .hub = life->hub};
    return err_failed(err) ? err : work_open(&of_work, &life->work, why);
}

void life_open(struct sim *sim) {
    struct life *life = &sim->life;
    memory_begin();
    life->number++;
    hosts_leads(sim);
    struct rooms *rooms = mem_new(sizeof *rooms);
    rooms->sim = sim;
    sim->rooms = rooms;
    log_init(&rooms->log, sim->options.trace ? STDERR_FILENO : -1, LOG_WARN, log_clock, sim);
    life_options(sim, &rooms->serve);
    rooms->serve.log = &rooms->log;
    struct why why = {.text = ""};
    struct err err = rooms_open(rooms, &why);
    if (life->dead) {
        return;
    }
    if (err_failed(err)) {
        sim_fail(sim, "the daemon does not start: %s (%s) %s", err_name(err.code), err.step,
                 why.text);
    }
    sim_trace(sim, "life %u opens, epoch %lld", life->number, (long long)store_epoch(life->store));
    work_come_home(life->work, home_known, rooms);
}

/* --- The end, in order ------------------------------------------------------------------------ */

static void work_gone(void *ctx) {
    struct rooms *rooms = ctx;
    rooms->gone = true;
}

/* As stop_begin and stop_work of main/daemon.c, without a server that is drained. */
void life_stop(struct sim *sim) {
    struct rooms *rooms = sim->rooms;
    struct life *life = &sim->life;
    sim_trace(sim, "life %u stops", life->number);
    for (size_t i = 0; i < sim_parts_count; i++) {
        if (sim_parts[i]->stopping != NULL) {
            sim_parts[i]->stopping(sim);
        }
    }
    life->ready = false;
    rooms->stopping = true;
    deletion_stop(&rooms->deletion);
    pruner_stop(rooms->pruner);
    blobs_stop(life->blobs);
    work_stop(life->work, work_gone, rooms);
}

static bool loop_idle(const struct loop *loop) {
    return !loop_ready(loop, LOOP_MESSAGE) && !loop_ready(loop, LOOP_TASK) &&
           !loop_ready(loop, LOOP_WORK) && !loop_ready(loop, LOOP_WORK_DONE);
}

/* As rooms_close of main/daemon.c. What the daemon still has of its memory then is a leak. */
static void rooms_close(struct sim *sim) {
    struct life *life = &sim->life;
    rows_finish();
    life->db = NULL;
    store_close(life->store);
    life->store = NULL;
    if (life->dead) {
        return; /* Its last write ended the daemon, which closes nothing more. */
    }
    work_close(life->work);
    blobs_close(life->blobs);
    hub_close(life->hub);
    loop_drain(life->loop);
    loop_close(life->loop);
    mem_free(sim->rooms);
    sim->rooms = NULL;
    if (memory_count() > 0) {
        sim_fail(sim, "a daemon that stopped in order keeps %zu blocks of memory", memory_count());
    }
    disk_closed();
}

void life_close(struct sim *sim) {
    struct rooms *rooms = sim->rooms;
    struct life *life = &sim->life;
    if (rooms == NULL || !rooms->gone || life->dead || !loop_idle(life->loop)) {
        return;
    }
    rooms_close(sim);
    sim_die(sim, SIM_KILLED); /* The rest is what a crash does, too. */
}

/* --- A crash ---------------------------------------------------------------------------------- */

void life_crash(struct sim *sim) {
    struct life *life = &sim->life;
    enum sim_death death = sim->death;
    static const char *const how[] = {"killed", "power cut", "moved to another machine"};
    sim_trace(sim, "life %u ends: %s", life->number, how[death]);
    rows_forget();
    disk_crash(death, sim_choose(sim, "cut", UINT32_MAX));
    memory_end();
    (void)close_range((unsigned)sim->first_fd, ~0U,
                      0); /* What the daemon had open; it never fails. */
    sim->rooms = NULL;
    life->loop = NULL;
    life->store = NULL;
    life->hub = NULL;
    life->work = NULL;
    life->blobs = NULL;
    life->db = NULL;
    life->ready = life->dead = false;
    for (size_t i = 0; i < sim_parts_count; i++) {
        if (sim_parts[i]->crashed != NULL) {
            sim_parts[i]->crashed(sim);
        }
    }
    sim->machine += death == SIM_MOVED;
    for (size_t i = 0; i < sim_parts_count; i++) {
        if (death == SIM_POWER_CUT && sim_parts[i]->rebooted != NULL) {
            sim_parts[i]->rebooted(sim);
        }
        if (death == SIM_MOVED && sim_parts[i]->moved != NULL) {
            sim_parts[i]->moved(sim);
        }
    }
}
