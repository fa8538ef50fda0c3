/* script.c: stand-in for script/script.h and script/program.h: workers that play programs.
 *
 *   starting ──a while──> live ──its end, a crash──> ended
 *      └─────── no zygote ──────────────────────────────^
 *
 * The frames are those of script/protocol.h (player.h; of a flow, as its first one says:
 * flow_player.h). What a socket and a process add is time:
 * each frame takes a while by the seed. Workers crash, are lost with their zygote, are not
 * started or compute for too long, by the seed too, until all is healed. All memory is the life's.
 */
#include "script/script.h"

#include <signal.h>
#include <string.h>

#include "base/memory.h"
#include "flow_player.h"
#include "flows.h"
#include "script/judge.h"
#include "script/program.h"
#include "script/protocol.h"
#include "workflows.h"

enum { ANSWER_MS_MAX = 12, BUILDS = 2, FLOW_FRAMES_MAX = 16 };

/* A frame on its way, in either direction. */
struct parcel {
    struct parcel *next;
    char *bytes; /* Owned. */
    size_t len;
};

enum worker_state { WORKER_STARTING, WORKER_LIVE, WORKER_ENDED };

struct script_worker {
    struct script_worker *prev, *next;
    struct scripts *scripts;          /* Borrowed. */
    const struct script_watch *watch; /* Borrowed. */
    void *ctx;
    enum worker_state state;
    struct player *player;    /* Owned. */
    struct flow_player *flow; /* Owned: instead of `player`; NULL: it plays a script. */
    struct timer timer;
    struct parcel *in, **in_end;   /* Owned. */
    struct parcel *out, **out_end; /* Owned. */
    struct parcel *hearing;        /* Owned: heard, and paused at. */
    struct script_end end;         /* How it ends, when all was heard; ENDED. */
    unsigned frames_left;          /* That it takes before `fate`. */
    enum script_end_kind fate;     /* EXITED: none. */
    bool begun;                    /* The first order was played. */
    bool paused, in_call, closed;
};

struct scripts {
    struct loop *loop; /* Borrowed. */
    struct script_worker *workers;
    struct scripts_stats stats;
};

/* --- The program ------------------------------------------------------------------------------ */

/* An upgrade, now and then: runs go on with the build that they began with. */
struct err script_program_install(const struct world *world, const char *data_dir,
                                  struct sha256 *ret_hash, char **ret_path) {
    struct sim *sim = sim_current();
    (void)world;
    (void)data_dir;
    *ret_hash = (struct sha256){0};
    ret_hash->bytes[0] =
        (uint8_t)(sim_hash(sim_seed(sim), sim_life(sim)->number, "build", 0) % BUILDS);
    *ret_path = mem_copy("worker", 6);
    return ERR_OK;
}

struct err script_program_find(const struct world *world, const char *data_dir,
                               const struct sha256 *hash, char **ret_path) {
    (void)world;
    (void)data_dir;
    (void)hash;
    *ret_path = mem_copy("worker", 6);
    return ERR_OK;
}

/* Judged in a process of its own, which this world has not. */
struct err script_judge(const struct script_source *source, const struct script_prepared *prepared,
                        struct script_notes *ret_notes) {
    (void)source;
    (void)prepared;
    *ret_notes = (struct script_notes){.count = 0};
    return ERR_OK;
}

void script_judge_open(const char *data_dir, void (*failed)(void *ctx, struct err err), void *ctx) {
    (void)data_dir;
    (void)failed;
    (void)ctx;
}

void script_judge_close(void) {
}

/* --- Parcels ---------------------------------------------------------------------------------- */

static void parcel_add(struct parcel ***end, char *bytes, size_t len) {
    struct parcel *parcel = mem_new(sizeof *parcel);
    *parcel = (struct parcel){.bytes = bytes, .len = len};
    **end = parcel;
    *end = &parcel->next;
}

static struct parcel *parcel_take(struct parcel **first, struct parcel ***end) {
    struct parcel *parcel = *first;
    *first = parcel->next;
    *end = *first == NULL ? first : *end;
    parcel->next = NULL;
    return parcel;
}

static void parcels_free(struct parcel *parcel) {
    while (parcel != NULL) {
        struct parcel *next = parcel->next;
        mem_free(parcel->bytes);
        mem_free(parcel);
        parcel = next;
    }
}

/* --- A worker --------------------------------------------------------------------------------- */

static void worker_turn(struct timer *timer);

static void worker_wake(struct script_worker *worker) {
    if (worker->timer.slot == 0 && !worker->paused && !worker->closed) {
        timer_start(worker->scripts->loop, &worker->timer,
                    sim_choose(sim_current(), "worker", ANSWER_MS_MAX), worker_turn);
    }
}

static void worker_free(struct script_worker *worker) {
    struct scripts *scripts = worker->scripts;
    timer_stop(scripts->loop, &worker->timer);
    if (worker->prev != NULL) {
        worker->prev->next = worker->next;
    } else {
        scripts->workers = worker->next;
    }
    if (worker->next != NULL) {
        worker->next->prev = worker->prev;
    }
    scripts->stats.live--;
    parcels_free(worker->in);
    parcels_free(worker->out);
    parcels_free(worker->hearing);
    player_free(worker->player);
    flow_player_free(worker->flow);
    mem_free(worker);
}

static void worker_called(void *ctx, const struct player_call *call, bool recorded) {
    const struct script_worker *worker = ctx;
    (void)recorded;
    workflows_called(sim_current(), player_op(worker->player), call);
}

static void worker_settled(void *ctx, const struct player_call *call, int64_t number,
                           const json_t *outcome) {
    const struct script_worker *worker = ctx;
    workflows_settled(sim_current(), player_op(worker->player), call, number, outcome);
}

static void worker_ends(struct script_worker *worker, enum script_end_kind kind, int number,
                        const char *detail) {
    worker->state = WORKER_ENDED;
    worker->end = (struct script_end){.kind = kind, .number = number, .detail = detail};
}

static bool worker_say(struct script_worker *worker, struct text *frame) {
    return worker->flow != NULL ? flow_player_say(worker->flow, frame)
                                : player_say(worker->player, frame);
}

static enum player_state worker_take(struct script_worker *worker, struct bytes frame) {
    if (!worker->begun && flow_player_begins(frame)) {
        worker->flow = flow_player_new();
        worker->frames_left += (unsigned)sim_choose(sim_current(), "flow frames", FLOW_FRAMES_MAX);
    }
    worker->begun = true;
    return worker->flow != NULL ? flow_player_take(worker->flow, frame)
                                : player_take(worker->player, frame);
}

static void frames_gather(struct script_worker *worker) {
    struct text frame;
    for (text_init(&frame, SCRIPT_FRAME_MAX); worker_say(worker, &frame);
         text_init(&frame, SCRIPT_FRAME_MAX)) {
        size_t len = 0;
        char *taken = text_take(&frame, &len);
        char *bytes = mem_new(len); /* Exact: who reads beyond it is seen. */
        memcpy(bytes, taken, len);
        mem_free(taken);
        parcel_add(&worker->out_end, bytes, len);
    }
    text_done(&frame);
}

/* Before its first order was played, that says whose worker it is. */
static void worker_lost(const struct script_worker *worker, const struct parcel *first) {
    const struct bytes frame = first == NULL ? BYTES("") : (struct bytes){first->bytes, first->len};
    flows_worker_lost(sim_current(), worker->flow != NULL ? flow_player_op(worker->flow)
                                                          : flow_player_op_of(frame));
}

static void worker_play(struct script_worker *worker) {
    struct parcel *parcel = parcel_take(&worker->in, &worker->in_end);
    if (worker->fate != SCRIPT_EXITED && worker->frames_left-- == 0) {
        worker_lost(worker, parcel);
        parcels_free(parcel);
        worker_ends(worker, worker->fate, worker->fate == SCRIPT_CRASHED ? SIGSEGV : 0,
                    "by chance");
        return;
    }
    enum player_state state = worker_take(worker, (struct bytes){parcel->bytes, parcel->len});
    frames_gather(worker);
    if (state == PLAYER_NONSENSE) {
        sim_fail(sim_current(), "a worker is told what is no order: %.*s",
                 (int)(parcel->len < 600 ? parcel->len : 600), parcel->bytes);
    }
    parcels_free(parcel);
    if (state == PLAYER_ENDED) {
        worker_ends(worker, SCRIPT_EXITED, SCRIPT_EXIT_OK, "exited");
    }
}

static void worker_hear(struct script_worker *worker) {
    struct parcel *parcel = parcel_take(&worker->out, &worker->out_end);
    worker->hearing = parcel;
    worker->in_call = true;
    worker->watch->heard(worker->ctx, (struct bytes){parcel->bytes, parcel->len});
    worker->in_call = false;
    if (worker->closed) {
        worker_free(worker);
        return;
    }
    if (!worker->paused) {
        parcels_free(worker->hearing);
        worker->hearing = NULL;
    }
    worker_wake(worker);
}

static void worker_tell_end(struct script_worker *worker) {
    const struct script_end end = worker->end;
    if (end.kind == SCRIPT_NOT_STARTED) {
        worker_lost(worker, worker->in);
    }
    worker->in_call = true;
    worker->watch->ended(worker->ctx, &end);
    worker_free(worker);
}

static void worker_turn(struct timer *timer) {
    struct script_worker *worker = CONTAINER_OF(timer, struct script_worker, timer);
    worker->state = worker->state == WORKER_STARTING ? WORKER_LIVE : worker->state;
    if (worker->out != NULL) {
        worker_hear(worker);
    } else if (worker->state == WORKER_ENDED) {
        worker_tell_end(worker);
    } else if (worker->in != NULL) {
        worker_play(worker);
        worker_wake(worker);
    }
}

/* --- script.h --------------------------------------------------------------------------------- */

struct scripts *scripts_open(const struct scripts_options *options) {
    struct scripts *scripts = mem_new(sizeof *scripts);
    scripts->loop = options->loop;
    return scripts;
}

void scripts_close(struct scripts *scripts) {
    while (scripts != NULL && scripts->workers != NULL) {
        worker_free(scripts->workers);
    }
    mem_free(scripts);
}

void scripts_get_stats(const struct scripts *scripts, struct scripts_stats *ret_stats) {
    *ret_stats = scripts->stats;
}

/* What becomes of it beside what its script does. */
static void fate_choose(struct script_worker *worker) {
    struct sim *sim = sim_current();
    uint64_t pick = sim_choose(sim, "fate", 200);
    worker->fate = SCRIPT_EXITED;
    worker->frames_left = (unsigned)sim_choose(sim, "frames", 6);
    if (sim_healed(sim)) {
        return;
    }
    if (pick < 8) {
        worker->fate = SCRIPT_CRASHED;
    } else if (pick < 14) {
        worker->fate = SCRIPT_LOST;
    } else if (pick < 15) {
        worker->fate = SCRIPT_STUCK;
    } else if (pick < 20) {
        worker_ends(worker, SCRIPT_NOT_STARTED, 11, "there is no process for it");
    }
}

struct script_worker *script_start(struct scripts *scripts, const struct script_bounds *bounds,
                                   const struct script_watch *watch, void *ctx) {
    struct script_worker *worker = mem_new(sizeof *worker);
    const struct player_watch playing = {
        .called = worker_called, .settled = worker_settled, .ctx = worker};
    (void)bounds;
    worker->scripts = scripts;
    worker->watch = watch;
    worker->ctx = ctx;
    worker->player = player_new(&playing);
    worker->in_end = &worker->in;
    worker->out_end = &worker->out;
    worker->next = scripts->workers;
    if (worker->next != NULL) {
        worker->next->prev = worker;
    }
    scripts->workers = worker;
    scripts->stats.started++;
    scripts->stats.live++;
    fate_choose(worker);
    worker_wake(worker);
    return worker;
}

void script_close(struct script_worker *worker) {
    if (worker == NULL) {
        return;
    }
    worker->closed = true;
    if (!worker->in_call) {
        worker_free(worker);
    }
}

void script_give_back(struct script_worker *worker) {
    script_close(worker); /* A player never offers it. */
}

void script_send(struct script_worker *worker, const struct script_piece *pieces, size_t count) {
    AUTO(text_done) struct text frame = text_up_to(SCRIPT_ORDER_MAX);
    for (size_t i = 0; i < count; i++) {
        text_add(&frame, pieces[i].data, pieces[i].len);
        mem_free(pieces[i].data);
    }
    size_t len = 0;
    char *whole = text_take(&frame, &len);
    parcel_add(&worker->in_end, whole, len);
    worker_wake(worker);
}

struct bytes script_pause(struct script_worker *worker) {
    assert(worker->in_call && worker->hearing != NULL);
    worker->paused = true;
    timer_stop(worker->scripts->loop, &worker->timer);
    return (struct bytes){worker->hearing->bytes, worker->hearing->len};
}

void script_resume(struct script_worker *worker) {
    assert(worker->paused);
    worker->paused = false;
    parcels_free(worker->hearing);
    worker->hearing = NULL;
    worker_wake(worker);
}

void script_busy(struct script_worker *worker) {
    (void)worker; /* Nobody measures it. */
}

void script_rest(struct script_worker *worker) {
    (void)worker;
}
