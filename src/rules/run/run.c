/* run.c: the words of runs, their legal edges, admission and effects. */
#include "rules/run/run.h"

#define X(state, name) name,
const char *const run_state_names[] = {RUN_STATES(X) NULL};
#undef X
#define X(cause, name, about) name,
const char *const run_cause_names[] = {RUN_CAUSES(X) NULL};
#undef X
#define X(cause, name, about) about,
static const char *const cause_abouts[] = {RUN_CAUSES(X)};
#undef X
const char *const run_gate_names[RUN_GATE_COUNT + 1] = {"",     "key",  "budget",   "slot",
                                                        "time", "hold", "provider", "host"};

const char *run_state_name(enum run_state state) {
    assert(state < RUN_STATE_COUNT);
    return run_state_names[state];
}

const char *run_cause_name(enum run_cause cause) {
    assert(cause < RUN_CAUSE_COUNT);
    return run_cause_names[cause];
}

const char *run_cause_about(enum run_cause cause) {
    assert(cause < RUN_CAUSE_COUNT);
    return cause_abouts[cause];
}

const char *run_gate_name(enum run_gate gate) {
    assert(gate < RUN_GATE_COUNT);
    return run_gate_names[gate];
}

bool run_state_find(struct bytes name, enum run_state *ret_state) {
    return bytes_find(name, run_state_names, ret_state);
}

bool run_gate_find(struct bytes name, enum run_gate *ret_gate) {
    return bytes_find(name, run_gate_names, ret_gate);
}

bool run_cause_find(struct bytes name, enum run_cause *ret_cause) {
    return bytes_find(name, run_cause_names, ret_cause);
}

/* --- Edges ------------------------------------------------------------------------------------ */

#define TO(state) (1U << RUN_##state)
#define TO_ENDS                                                                                    \
    (TO(SUCCEEDED) | TO(DEGRADED) | TO(FAILED) | TO(CANCELLED) | TO(TIMED_OUT) | TO(LOST))

/* The drawing of run.h. What has no row here has ended, and stays as it is. */
static const unsigned edges[RUN_STATE_COUNT] = {
    [RUN_QUEUED] = TO(RUNNING) | TO(CANCELLED) | TO(FAILED),
    [RUN_RUNNING] = TO(QUEUED) | TO(WAITING) | TO_ENDS,
    [RUN_WAITING] = TO(QUEUED) | TO(RUNNING) | TO_ENDS,
};

bool run_state_final(enum run_state state) {
    assert(state < RUN_STATE_COUNT);
    return edges[state] == 0;
}

bool run_edge_legal(enum run_state from, enum run_state to) {
    assert(from < RUN_STATE_COUNT);
    assert(to < RUN_STATE_COUNT);
    return (edges[from] & (1U << to)) != 0;
}

/* --- Admission and effects -------------------------------------------------------------------- */

/* In this order, so that a run which waits for its time keeps neither a key nor a slot from
 * others, and one that waits for its key no slot. */
enum run_gate run_admit(const struct run_admission *admission) {
    if (admission->not_before_ms > admission->now_ms) {
        return GATE_TIME;
    }
    if (admission->key_max > 0 && admission->key_taken >= admission->key_max) {
        return GATE_KEY;
    }
    return admission->slots_free > 0 ? GATE_NONE : GATE_SLOT;
}

bool run_lives(const struct run_row *row) {
    return row->state == RUN_RUNNING || row->state == RUN_WAITING;
}

bool run_waits_for_provider(const struct run_row *row) {
    return row->state == RUN_WAITING && row->not_before_ms != 0;
}

static bool waits_for_descriptors(const struct run_row *row) {
    return row->state == RUN_QUEUED && row->gate == GATE_TIME && row->cause == CAUSE_NO_DESCRIPTORS;
}

enum run_gate run_gate_shown(const struct run_row *row) {
    return run_waits_for_provider(row)  ? GATE_PROVIDER
           : waits_for_descriptors(row) ? GATE_SLOT
                                        : row->gate;
}

int64_t run_attempts(const struct run_row *row) {
    if (row->starts > 0) {
        return row->starts;
    }
    return row->attempt > row->unbegun ? row->attempt - row->unbegun : 0;
}

int64_t run_provider_wait_ms(int64_t resume_at_ms, int64_t now_ms) {
    int64_t rest_ms = resume_at_ms - now_ms;
    return rest_ms < 0                          ? 0
           : rest_ms > RUN_PROVIDER_WAIT_MAX_MS ? RUN_PROVIDER_WAIT_MAX_MS
                                                : rest_ms;
}

bool run_provider_parks(int64_t resume_at_ms, int64_t now_ms) {
    return resume_at_ms - now_ms > RUN_PROVIDER_WAIT_MAX_MS;
}

int64_t run_resume_at_ms(const struct run_row *row) {
    bool refused = row->state == RUN_FAILED &&
                   (row->cause == CAUSE_QUOTA || row->cause == CAUSE_RATE_LIMITED ||
                    row->cause == CAUSE_PROVIDER_ERROR);
    bool queued = row->state == RUN_QUEUED && row->gate == GATE_TIME;
    return refused || queued || run_waits_for_provider(row) ? row->not_before_ms : row->day_end_ms;
}

void run_shown(struct run_row *io_row, int64_t epoch, enum run_hold hold) {
    bool works = io_row->state == RUN_RUNNING || run_waits_for_provider(io_row);
    if (hold == RUN_HELD && works && io_row->epoch != epoch) {
        io_row->state = RUN_WAITING;
        io_row->gate = GATE_HOLD;
        io_row->not_before_ms = 0;
    }
    /* A daemon that holds has no slots, so the hold is what such a run waits for. */
    if (hold == RUN_HELD && io_row->state == RUN_QUEUED && io_row->gate == GATE_SLOT) {
        io_row->gate = GATE_HOLD;
    }
}

/* A wake-up is due also while the daemon holds: it leads to a gate that is shut, or to the end of
 * a run that was asked to stop. */

struct run_effects run_effects(const struct run_row *row, int64_t epoch, enum run_hold hold) {
    bool lives = run_lives(row);
    bool asked = row->stop != CAUSE_NONE;
    return (struct run_effects){
        .start = row->state == RUN_RUNNING && row->epoch == epoch && hold == RUN_FREE && !asked,
        .adopt = lives && row->epoch != epoch,
        .stop = lives && asked,
        .wake = row->state == RUN_QUEUED && (row->gate == GATE_TIME || row->not_before_ms != 0),
    };
}
