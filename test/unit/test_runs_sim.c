/* Runs against a random world: seeded, the real transactions, one step after the other.
 *
 * Submits, ends, stops, wake-ups, restarts, holds, clocks that jump, deliveries and removals happen
 * in random order; after each of them runs_sim.c holds rows and outside against the promises. In
 * the end everything that can end is ended, and then nothing may be left: whoever still waits waits
 * for nobody. DROVER_SEED=N repeats one seed; DROVER_SEEDS=N runs so many; else
 * 1,500, or this run's share of them.
 */
/* runs-with: sqlite, postgres */
#include <unistd.h>

#include "runs_sim.h"
#include "share.h"

enum { SEEDS = 1500, STEPS = 24, DRAIN_MAX = 2000, HOUR_MS = 3600 * 1000 };

static uint32_t draw(struct sim *sim, uint32_t below) {
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return (uint32_t)((sim->random >> 16) % below);
}

static bool one_in(struct sim *sim, uint32_t count) {
    return draw(sim, count) == 0;
}

/* Some are taken back once before they count. */
static enum err_code act(struct sim *sim, store_fn fn, void *ctx) {
    if (one_in(sim, 4)) {
        return runs_do(sim->runs, fn, ctx);
    }
    struct runs_call call = {.fn = fn, .ctx = ctx};
    return kit_write(&sim->runs->kit, runs_call_tx, &call.call).code;
}

static struct run_bounds bounds(const struct sim *sim) {
    return (struct run_bounds){.slots = sim->hold == RUN_HELD ? 0 : sim->slots,
                               .host = BYTES("here")};
}

static const struct sim_row *any_row(struct sim *sim) {
    return sim->row_count == 0 ? NULL : &sim->rows[draw(sim, (uint32_t)sim->row_count)];
}

/* --- Steps ------------------------------------------------------------------------------------ */

static void submit(struct sim *sim) {
    static const struct bytes specs[] = {
        BYTES_INIT("{\"argv\":[\"x\"]}"),
        BYTES_INIT("{\"argv\":[\"x\"],\"notify\":[{\"webhook\":\"http://a\"}]}"),
        BYTES_INIT("{\"argv\":[\"x\"],\"notify\":[{\"webhook\":\"http://a\"},"
                   "{\"webhook\":\"http://b\"}]}"),
    };
    static const struct bytes labels[] = {BYTES_INIT(""), BYTES_INIT("a"), BYTES_INIT("ab")};
    static const struct bytes keys[] = {BYTES_INIT("k0"), BYTES_INIT("k1")};
    if (sim->row_count >= SIM_RUNS / 2) {
        return;
    }
    struct runs_submit submit = {.what = runs_new(sim->runs)};
    uint32_t notify = draw(sim, 6), key = draw(sim, 4);
    submit.what.owner = one_in(sim, 5) ? BYTES("bob") : BYTES("ann");
    submit.what.kind = one_in(sim, 5) ? KIND_FLOW : KIND_JOB;
    submit.what.spec = specs[notify < 3 ? notify : 0];
    submit.what.label = labels[notify < 3 ? notify : 0];
    submit.what.once = one_in(sim, 5);
    submit.what.priority = one_in(sim, 3);
    submit.what.bounds = bounds(sim);
    if (key < COUNT_OF(keys)) {
        submit.what.key = keys[key];
        submit.what.key_max = sim->same_max ? 1 + key : 1 + draw(sim, 3);
    }
    const struct sim_row *parent = one_in(sim, 2) ? any_row(sim) : NULL;
    if (parent != NULL) {
        submit.what.parent = kit_bytes(parent->run);
        submit.what.owner = kit_bytes(parent->owner);
        if (parent->key[0] != '\0' && !one_in(sim, 3)) { /* What is below one wants the same. */
            submit.what.key = kit_bytes(parent->key);
            submit.what.key_max = parent->row.key_max;
        }
    }
    (void)act(sim, runs_submit_tx, &submit); /* The parent may have ended. */
}

static struct attempt any_end(struct sim *sim, const struct sim_command *command) {
    static const struct attempt ends[] = {
        {.end = ATTEMPT_EXITED},
        {.end = ATTEMPT_EXITED},
        {.end = ATTEMPT_EXITED, .code = 1},
        {.end = ATTEMPT_SIGNALED, .code = 9},
        {.end = ATTEMPT_SIGNALED, .why = ATTEMPT_TIMED_OUT},
        {.end = ATTEMPT_SIGNALED, .why = ATTEMPT_PROCESSES},
        {.end = ATTEMPT_NOT_STARTED},
        {.end = ATTEMPT_VOID},
        {.end = ATTEMPT_GONE},
        {.end = ATTEMPT_REBOOTED},
        {.end = ATTEMPT_HOST_GONE},
    };
    if (command->absent) {
        return (struct attempt){.end = ATTEMPT_VOID};
    }
    return command->asked && !one_in(sim, 4)
               ? (struct attempt){.end = ATTEMPT_SIGNALED, .why = ATTEMPT_STOPPED, .code = 15}
               : ends[draw(sim, COUNT_OF(ends))];
}

static void settle_command(struct sim *sim, struct sim_command *command, struct attempt end,
                           struct retry_policy retry) {
    struct sim_command copy = *command;
    struct runs_settle settle = {.what = runs_exit(sim->runs, copy.run, 0)};
    settle.what.attempt = copy.attempt;
    settle.what.end = end;
    settle.what.retry = retry;
    settle.what.random = draw(sim, UINT32_MAX);
    settle.what.bounds = bounds(sim);
    sim_command_drop(sim, command);
    assert_int_equal(act(sim, runs_settle_tx, &settle), ERR_NONE);
    if (settle.late) {
        sim_fail(sim, "the end of a command that came too late", copy.run);
    }
    if (one_in(sim, 8)) { /* The same once more. */
        assert_int_equal(act(sim, runs_settle_tx, &settle), ERR_NONE);
        assert_true(settle.late);
    }
}

static void settle(struct sim *sim) {
    if (sim->command_count == 0) {
        return;
    }
    struct sim_command *command = &sim->commands[draw(sim, (uint32_t)sim->command_count)];
    struct retry_policy retry = {.max = draw(sim, 3),
                                 .on = RETRY_FAILED | (one_in(sim, 2) ? RETRY_LOST : 0),
                                 .backoff_ms = one_in(sim, 3) ? 0 : 1000};
    settle_command(sim, command, any_end(sim, command), retry);
}

struct stop {
    struct run_stop what;
    bool more;
};

static struct err stop_tx(struct tx *tx, void *ctx) {
    struct stop *stop = ctx;
    struct run_row row;
    return tx_run_stop(tx, &stop->what, &stop->more, &row);
}

static void stop(struct sim *sim) {
    const struct sim_row *row = any_row(sim);
    const struct sim_row *above = row == NULL ? NULL : sim_row_find(sim, row->row.parent);
    if (row == NULL) {
        return;
    }
    row = above != NULL && !one_in(sim, 3) ? above : row;
    char run[ID_SIZE];
    memcpy(run, row->run, sizeof run);
    struct stop stop = {.what = {.key = {.run = kit_bytes(run)},
                                 .cause = CAUSE_STOPPED,
                                 .grace_ms = one_in(sim, 2) ? 0 : 9000,
                                 .bounds = bounds(sim)}};
    bool final = run_state_final(row->row.state);
    assert_int_equal(act(sim, stop_tx, &stop), final ? ERR_CONFLICT : ERR_NONE);
}

static void wake_one(struct sim *sim, size_t at) {
    struct runs_wake wake = {.bounds = bounds(sim)};
    char run[ID_SIZE];
    memcpy(run, sim->wakers[at], sizeof run);
    wake.key.run = kit_bytes(run);
    sim_waker_drop(sim, run);
    assert_int_equal(act(sim, runs_wake_tx, &wake), ERR_NONE);
}

static void wake(struct sim *sim) {
    if (sim->waker_count > 0) {
        wake_one(sim, draw(sim, (uint32_t)sim->waker_count));
    }
}

/* --- Restarts --------------------------------------------------------------------------------- */

struct walk {
    int64_t after;
    struct run_recovered page;
    struct run_bounds bounds;
    bool more;
};

static struct err recover_tx(struct tx *tx, void *ctx) {
    struct walk *walk = ctx;
    return tx_run_recover(tx, walk->after, SIM_PAGE, &walk->page);
}

static struct err admit_tx(struct tx *tx, void *ctx) {
    struct walk *walk = ctx;
    return tx_run_admit_all(tx, &walk->bounds, SIM_PAGE, &walk->more);
}

struct adopt {
    struct run_key key;
    int64_t attempt;
    bool late;
};

static struct err adopt_tx(struct tx *tx, void *ctx) {
    struct adopt *adopt = ctx;
    return tx_run_adopted(tx, &adopt->key, adopt->attempt, &adopt->late);
}

static void walk_all(struct sim *sim) {
    struct walk walk = {.bounds = bounds(sim), .more = sim->hold == RUN_FREE};
    do {
        assert_int_equal(act(sim, recover_tx, &walk), ERR_NONE);
        walk.after = walk.page.last;
    } while (walk.page.last != 0);
    while (walk.more) {
        assert_int_equal(act(sim, admit_tx, &walk), ERR_NONE);
    }
}

/* Holders live on, but for those that had not come to it; timers are forgotten. */
static void restart(struct sim *sim) {
    for (size_t i = sim->command_count; i > 0; i--) {
        struct sim_command *command = &sim->commands[i - 1];
        command->asked = false; /* Whoever adopts it has to say so again. */
        if (command->absent || one_in(sim, 4)) {
            sim_command_drop(sim, command);
        }
    }
    sim->waker_count = 0;
    runs_restart(sim->runs);
    sim->heard = sim->runs->count;
    sim->hold = one_in(sim, 3) ? RUN_HELD : RUN_FREE;
    sim->slots = 1 + draw(sim, 3);
    walk_all(sim);
    sim_listen(sim);
    for (size_t i = 0; i < sim->command_count; i++) {
        const struct sim_command *command = &sim->commands[i];
        struct adopt adopt = {.key = {.run = kit_bytes(command->run)}, .attempt = command->attempt};
        if (!command->absent && one_in(sim, 2)) {
            assert_int_equal(act(sim, adopt_tx, &adopt), ERR_NONE);
            assert_false(adopt.late);
        }
    }
}

static void release(struct sim *sim) {
    if (sim->hold == RUN_HELD) {
        sim->hold = RUN_FREE;
        walk_all(sim);
    }
}

static void jump(struct sim *sim) {
    int64_t by_ms = (int64_t)draw(sim, 24 * HOUR_MS);
    sim->runs->kit.clock_ms += one_in(sim, 2) ? -by_ms : by_ms;
}

/* --- Deliveries and removals ------------------------------------------------------------------ */

struct deliver {
    struct inbox_settle what;
    bool late;
    char delivery[ID_SIZE];
    struct inbox_receiver receiver;
    bool found;
};

static struct err deliver_tx(struct tx *tx, void *ctx) {
    struct deliver *deliver = ctx;
    struct inbox_due due;
    struct err err = tx_inbox_due(tx, &deliver->receiver, &deliver->what.waits, &due);
    deliver->found = !err_failed(err) && due.found;
    if (!deliver->found) {
        return err;
    }
    struct inbox_settle settle = deliver->what;
    settle.delivery = due.row.delivery;
    return tx_inbox_settle(tx, &settle, &deliver->late);
}

static void deliver(struct sim *sim) {
    struct deliver deliver = {
        .what = {.cause = BYTES(""), .waits = INBOX_WAITS_DEFAULT, .random = draw(sim, UINT32_MAX)},
        .receiver = {.owner = one_in(sim, 5) ? BYTES("bob") : BYTES("ann"),
                     .address = one_in(sim, 2) ? BYTES("http://a") : BYTES("http://b")}};
    deliver.what.outcome = one_in(sim, 2) ? INBOX_FAILED : INBOX_DELIVERED;
    assert_int_equal(act(sim, deliver_tx, &deliver), ERR_NONE);
    assert_false(deliver.found && deliver.late);
}

static struct err remove_tx(struct tx *tx, void *ctx) {
    struct runs_find *find = ctx;
    struct run_row row;
    bool more = false; /* It has few spans. */
    return tx_run_remove(tx, &find->key, &more, &row);
}

static void remove_one(struct sim *sim) {
    const struct sim_row *row = any_row(sim);
    if (row != NULL) {
        struct runs_find find = {.key = {.run = kit_bytes(row->run)}};
        (void)act(sim, remove_tx, &find); /* It, or one below it, may not have ended. */
    }
}

/* --- A seed ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(struct sim *sim);
    uint32_t weight;
} steps[] = {
    {"submit", submit, 40}, {"settle", settle, 25},   {"stop", stop, 10},
    {"wake", wake, 10},     {"restart", restart, 1},  {"release", release, 3},
    {"jump", jump, 3},      {"deliver", deliver, 10}, {"remove", remove_one, 3},
};

static void look(struct sim *sim) {
    sim_listen(sim);
    sim_read(sim);
    sim_check(sim);
}

static void step(struct sim *sim) {
    uint32_t total = 0;
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        total += steps[i].weight;
    }
    uint32_t at = draw(sim, total);
    size_t chosen = 0;
    while (at >= steps[chosen].weight) {
        at -= steps[chosen++].weight;
    }
    sim->doing = steps[chosen].name;
    steps[chosen].run(sim);
    look(sim);
}

/* Everybody who is asked does what he should, and nothing new comes. */
static void drain(struct sim *sim) {
    sim->doing = "drain";
    release(sim);
    look(sim);
    while (sim->waker_count > 0 || sim->command_count > 0) {
        if (sim->step++ > DRAIN_MAX) {
            sim_fail(sim, "a stop or a retry that goes on for ever", "");
        }
        if (sim->waker_count > 0) {
            wake_one(sim, 0);
        } else {
            struct sim_command *command = &sim->commands[0];
            struct attempt end = {.why = command->asked ? ATTEMPT_STOPPED : ATTEMPT_ITSELF};
            end.end = command->absent ? ATTEMPT_VOID : ATTEMPT_EXITED;
            settle_command(sim, command, end, (struct retry_policy){.max = 0});
        }
        look(sim);
    }
    sim_check_end(sim);
}

static struct err clear_tx(struct tx *tx, void *ctx) {
    static const char *const tables[] = {"DELETE FROM runs", "DELETE FROM inbox",
                                         "DELETE FROM streams", "DELETE FROM events",
                                         "DELETE FROM spans"};
    (void)ctx; /* One call for all seeds. */
    struct err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(tables) && !err_failed(err); i++) {
        err = tx_exec(tx, tables[i], NULL /* none */, 0, NULL /* all of them */);
    }
    return err;
}

static void run_seed(struct runs_kit *runs, uint64_t seed) {
    struct sim *sim = mem_new(sizeof *sim);
    runs_forget(runs);
    struct runs_call call = {.fn = clear_tx};
    kit_check(kit_write(&runs->kit, runs_call_tx, &call.call));
    *sim = (struct sim){.runs = runs, .seed = seed, .random = seed * UINT64_C(0x9e3779b97f4a7c15)};
    sim->slots = 1 + draw(sim, 3);
    sim->same_max = one_in(sim, 2);
    sim->doing = "begin";
    for (sim->step = 0; sim->step < STEPS; sim->step++) {
        step(sim);
    }
    drain(sim);
    mem_free(sim);
}

static void whatever_happens_no_run_is_lost_and_none_waits_for_nobody(void **state) {
    struct runs_kit *runs = *state;
    const char *one = getenv("DROVER_SEED"), *many = getenv("DROVER_SEEDS");
    struct share share = {.first = 0, .step = 1};
    uint64_t seed = one == NULL ? 1 : strtoull(one, NULL, 10);
    uint64_t end = seed + (many == NULL ? SEEDS : strtoull(many, NULL, 10));
    if (one != NULL) {
        end = seed + 1;
    } else if (many == NULL) {
        share = share_taken();
    }
    for (seed += share.first; seed < end; seed += share.step) {
        run_seed(runs, seed);
    }
}

/* Where there is memory for files: what a sync costs is of no interest here. */
static int begin(void **state) {
    return runs_begin_in(state, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_happens_no_run_is_lost_and_none_waits_for_nobody,
                                        begin, runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
