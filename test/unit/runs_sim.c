/* runs_sim.c: see the header. Each check is one promise, told from the rows alone. */
#include "runs_sim.h"

_Noreturn void sim_fail(const struct sim *sim, const char *what, const char *run) {
    fail_msg("seed %llu, step %u (%s): %s: %s; again with DROVER_SEED=%llu",
             (unsigned long long)sim->seed, sim->step, sim->doing, what, run,
             (unsigned long long)sim->seed);
    abort(); /* fail_msg is not declared as what never returns. */
}

/* --- The outside ------------------------------------------------------------------------------ */

struct sim_command *sim_command_find(struct sim *sim, const char *run) {
    for (size_t i = 0; i < sim->command_count; i++) {
        if (strcmp(sim->commands[i].run, run) == 0) {
            return &sim->commands[i];
        }
    }
    return NULL;
}

void sim_command_drop(struct sim *sim, struct sim_command *command) {
    *command = sim->commands[--sim->command_count];
}

static size_t waker_find(const struct sim *sim, const char *run) {
    size_t at = 0;
    while (at < sim->waker_count && strcmp(sim->wakers[at], run) != 0) {
        at++;
    }
    return at;
}

void sim_waker_drop(struct sim *sim, const char *run) {
    size_t at = waker_find(sim, run);
    if (at < sim->waker_count) {
        memcpy(sim->wakers[at], sim->wakers[--sim->waker_count], ID_SIZE);
    }
}

static void listen_waker(struct sim *sim, const char *run, bool wanted) {
    sim_waker_drop(sim, run);
    if (wanted) {
        memcpy(sim->wakers[sim->waker_count++], run, ID_SIZE);
    }
}

/* A second note of the same attempt is nothing new. */
static void listen_one(struct sim *sim, const struct run_row *row) {
    char run[ID_SIZE];
    runs_copy_text(row->run, run, sizeof run);
    struct run_effects effects = run_effects(row, store_epoch(sim->runs->kit.store), sim->hold);
    listen_waker(sim, run, effects.wake);
    struct sim_command *command = sim_command_find(sim, run);
    if (command != NULL && command->attempt != row->attempt && effects.start) {
        sim_fail(sim, "two attempts at once", run);
    }
    if (command == NULL && (effects.start || effects.adopt || effects.stop)) {
        command = &sim->commands[sim->command_count++];
        *command = (struct sim_command){.attempt = row->attempt, .absent = !effects.start};
        memcpy(command->run, run, sizeof command->run);
    }
    if (command != NULL && effects.stop) {
        command->asked = true;
    }
}

void sim_listen(struct sim *sim) {
    for (; sim->heard < sim->runs->count; sim->heard++) {
        const struct runs_note *note = &sim->runs->notes[sim->heard];
        struct run_row row;
        if (note->kind == RUN_NOTE) {
            assert_true(run_note_read((struct bytes){note->bytes, note->len}, &row));
            listen_one(sim, &row);
        }
    }
}

/* --- The rows --------------------------------------------------------------------------------- */

static struct err read_run(void *ctx, const struct run_row *row) {
    struct sim *sim = ctx;
    assert_true(sim->row_count < SIM_RUNS);
    struct sim_row *copy = &sim->rows[sim->row_count++];
    copy->row = *row;
    runs_copy_text(row->run, copy->run, sizeof copy->run);
    runs_copy_text(row->owner, copy->owner, sizeof copy->owner);
    runs_copy_text(row->key, copy->key, sizeof copy->key);
    runs_copy_text(row->label, copy->label, sizeof copy->label);
    return ERR_OK;
}

static struct err read_owed(void *ctx, const void *read) {
    struct sim *sim = ctx;
    const struct inbox_row *row = read;
    assert_true(sim->owed_count < COUNT_OF(sim->owed));
    struct sim_owed *owed = &sim->owed[sim->owed_count++];
    *owed = (struct sim_owed){.id = row->id,
                              .state = row->state,
                              .not_before_ms = row->not_before_ms,
                              .failures = row->failures,
                              .settled = row->settled_ms != 0};
    runs_copy_text(row->run, owed->run, sizeof owed->run);
    runs_copy_text(row->address, owed->address, sizeof owed->address);
    return ERR_OK;
}

struct sim_look {
    struct kit_call call;
    struct sim *sim;
};

static struct err read_tx(struct tx *tx, void *ctx) {
    static const char *const owners[] = {"ann", "bob"};
    struct sim *sim = ((struct sim_look *)ctx)->sim;
    sim->row_count = sim->owed_count = 0;
    struct err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(owners) && !err_failed(err); i++) {
        const struct run_page page = {.owner = kit_bytes(owners[i]), .limit = SIM_RUNS};
        const struct resource_page inbox = {.owner = kit_bytes(owners[i]),
                                            .limit = COUNT_OF(sim->owed)};
        int64_t next = 0;
        err = tx_run_each(tx, &page, read_run, sim, &next);
        assert_int_equal(next, 0);
        if (!err_failed(err)) {
            err = tx_resource_list(tx, &delivery_resource, &inbox, read_owed, sim);
        }
    }
    if (err_failed(err)) {
        return err;
    }
    AUTO(rows_release) struct rows *rows = NULL;
    /* Flows without rows of their own tell their end, and nothing else, so. */
    static const char ends[] = "SELECT count(*) FROM events WHERE type IN ('run_finished',"
                               " 'flow_run_step_updated')";
    err = tx_first(tx, ends, NULL /* none */, 0, &rows);
    if (!err_failed(err)) {
        sim->finished = rows_int(rows, 0);
    }
    return err;
}

void sim_read(struct sim *sim) {
    memcpy(sim->before, sim->rows, sizeof sim->before);
    sim->before_count = sim->row_count;
    struct sim_look look = {.sim = sim};
    kit_check(kit_read(&sim->runs->kit, read_tx, &look.call));
}

const struct sim_row *sim_row_find(const struct sim *sim, int64_t id) {
    for (size_t i = 0; i < sim->row_count; i++) {
        if (sim->rows[i].row.id == id) {
            return &sim->rows[i];
        }
    }
    return NULL;
}

/* --- Promises --------------------------------------------------------------------------------- */

static bool ended(const struct sim_row *row) {
    return run_state_final(row->row.state);
}

static bool past_key(const struct sim_row *row) {
    return !ended(row) && (row->row.gate == GATE_NONE || row->row.gate == GATE_SLOT);
}

static bool same_key(const struct sim_row *a, const struct sim_row *b) {
    return a->key[0] != '\0' && strcmp(a->key, b->key) == 0 && strcmp(a->owner, b->owner) == 0;
}

static bool goes_first(const struct sim_row *a, const struct sim_row *b) {
    return a->row.priority != b->row.priority ? a->row.priority > b->row.priority
                                              : a->row.id < b->row.id;
}

static void check_shape(struct sim *sim, const struct sim_row *row) {
    if ((row->row.state == RUN_QUEUED) != (row->row.gate != GATE_NONE)) {
        sim_fail(sim, "a gate and a state that don't go together", row->run);
    }
    if (ended(row) != (row->row.ended_ms != 0)) {
        sim_fail(sim, "an end without a time, or a time without an end", row->run);
    }
    if (ended(row) && row->row.cause == CAUSE_NONE) {
        sim_fail(sim, "an end without a cause", row->run);
    }
}

/* What the outside holds and what the rows call running are the same. */
static void check_command(struct sim *sim, const struct sim_row *row) {
    const struct sim_command *command = sim_command_find(sim, row->run);
    bool runs = row->row.state == RUN_RUNNING;
    if (runs != (command != NULL)) {
        sim_fail(sim, runs ? "a run that nobody began" : "a command that no row knows", row->run);
    }
    if (runs && command->attempt != row->row.attempt) {
        sim_fail(sim, "a command of another attempt", row->run);
    }
    if (runs && row->row.stop != CAUSE_NONE && !command->asked) {
        sim_fail(sim, "a stop that its command never heard of", row->run);
    }
}

static int64_t taken(const struct sim *sim, const struct sim_row *row, int64_t *ret_max) {
    int64_t count = 0;
    *ret_max = 0;
    for (size_t i = 0; i < sim->row_count; i++) {
        const struct sim_row *other = &sim->rows[i];
        if (same_key(row, other) && past_key(other)) {
            count++;
            *ret_max = other->row.key_max > *ret_max ? other->row.key_max : *ret_max;
        }
    }
    return count;
}

static bool first_in_line(const struct sim *sim, const struct sim_row *row) {
    for (size_t i = 0; i < sim->row_count; i++) {
        const struct sim_row *other = &sim->rows[i];
        if (other->row.gate == GATE_KEY && same_key(row, other) && goes_first(other, row)) {
            return false;
        }
    }
    return true;
}

static bool passed_now(const struct sim *sim, const struct sim_row *row) {
    if (!past_key(row)) {
        return false;
    }
    for (size_t i = 0; i < sim->before_count; i++) {
        if (strcmp(sim->before[i].run, row->run) == 0) {
            return !past_key(&sim->before[i]);
        }
    }
    return true;
}

static void check_key(struct sim *sim, const struct sim_row *row) {
    int64_t max = 0, count = taken(sim, row, &max);
    if (past_key(row) && count > max) {
        sim_fail(sim, "more of a key than may be", row->run);
    }
    if (row->row.gate == GATE_KEY && first_in_line(sim, row) && count < row->row.key_max) {
        sim_fail(sim, "a run that waits for a key that is free", row->run);
    }
    if (row->key[0] == '\0' || !passed_now(sim, row)) {
        return;
    }
    for (size_t i = 0; i < sim->row_count; i++) {
        const struct sim_row *other = &sim->rows[i];
        if (other->row.gate == GATE_KEY && same_key(row, other) && goes_first(other, row)) {
            sim_fail(sim, "a run that overtook in its line", row->run);
        }
    }
}

static void check_slots(struct sim *sim) {
    int64_t running = 0;
    const struct sim_row *waits[RUN_KIND_COUNT] = {NULL};
    for (size_t i = 0; i < sim->row_count; i++) {
        const struct sim_row *row = &sim->rows[i];
        running += row->row.kind == KIND_JOB && row->row.state == RUN_RUNNING;
        if (row->row.gate == GATE_SLOT) {
            waits[row->row.kind] = row;
        }
    }
    int64_t slots = sim->hold == RUN_HELD ? 0 : sim->slots;
    if (waits[KIND_JOB] != NULL && running < slots) {
        sim_fail(sim, "a job that waits for a slot that is free", waits[KIND_JOB]->run);
    }
    if (waits[KIND_FLOW] != NULL && slots > 0) {
        sim_fail(sim, "a run that waits for a slot and needs none", waits[KIND_FLOW]->run);
    }
}

/* Somebody whose own end, or wake-up, asks the next ones of the same parent. */
static bool goes_on(const struct sim *sim, int64_t parent) {
    for (size_t i = 0; i < sim->row_count; i++) {
        const struct sim_row *row = &sim->rows[i];
        if (row->row.parent == parent && row->row.stop != CAUSE_NONE &&
            (row->row.state == RUN_RUNNING || row->row.gate == GATE_TIME)) {
            return true;
        }
    }
    return false;
}

static void check_parent(struct sim *sim, const struct sim_row *row) {
    const struct sim_row *parent =
        row->row.parent == 0 || ended(row) ? NULL : sim_row_find(sim, row->row.parent);
    if (row->row.parent != 0 && !ended(row) && parent == NULL) {
        sim_fail(sim, "a child whose parent was removed", row->run);
    }
    if (parent != NULL && ended(parent) && row->row.stop == CAUSE_NONE &&
        !goes_on(sim, row->row.parent)) {
        sim_fail(sim, "a child that nobody will ask to end", row->run);
    }
}

static void check_waker(struct sim *sim, const struct sim_row *row) {
    bool waits = row->row.gate == GATE_TIME;
    if (waits != (waker_find(sim, row->run) < sim->waker_count)) {
        sim_fail(sim, waits ? "a run that nobody will wake" : "a waker of nobody", row->run);
    }
}

/* The label says whom it notifies: one letter each. */
static void check_owed(struct sim *sim, const struct sim_row *row) {
    for (const char *at = "ab"; *at != '\0'; at++) {
        size_t want = ended(row) && strchr(row->label, *at) != NULL ? 1 : 0, have = 0;
        for (size_t i = 0; i < sim->owed_count; i++) {
            have += strcmp(sim->owed[i].run, row->run) == 0 &&
                    sim->owed[i].address[strlen("http://")] == *at;
        }
        if (have != want) {
            sim_fail(sim, "a receiver that is not owed exactly one notice", row->run);
        }
    }
}

/* An end stays as it was. */
static void check_ends(struct sim *sim) {
    for (size_t i = 0; i < sim->before_count; i++) {
        const struct sim_row *before = &sim->before[i];
        for (size_t j = 0; ended(before) && j < sim->row_count; j++) {
            const struct sim_row *row = &sim->rows[j];
            if (strcmp(row->run, before->run) == 0 &&
                (row->row.state != before->row.state || row->row.attempt != before->row.attempt ||
                 row->row.ended_ms != before->row.ended_ms)) {
                sim_fail(sim, "a run that ended twice", row->run);
            }
        }
    }
}

void sim_check(struct sim *sim) {
    int64_t ends = 0;
    for (size_t i = 0; i < sim->row_count; i++) {
        const struct sim_row *row = &sim->rows[i];
        check_shape(sim, row);
        check_command(sim, row);
        check_key(sim, row);
        check_parent(sim, row);
        check_waker(sim, row);
        check_owed(sim, row);
        ends += ended(row);
    }
    check_slots(sim);
    check_ends(sim);
    if (ends != sim->finished) {
        sim_fail(sim, "ends that were not told exactly once", "");
    }
}

void sim_check_end(struct sim *sim) {
    for (size_t i = 0; i < sim->row_count; i++) {
        if (!ended(&sim->rows[i])) {
            sim_fail(sim, "a run that never ends", sim->rows[i].run);
        }
    }
}
