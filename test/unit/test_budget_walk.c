/* A seeded random walk over runs and budgets, beside a model that only knows what was decided.
 *
 * After each step: what is spent is what the model added up, what is reserved is the sum over the
 * rows that live, nobody waits without a reason that will pass, and nobody began uncharged. In the
 * end, when every run has ended, nothing is reserved and nobody waits. DROVER_SEED repeats a walk,
 * DROVER_SEEDS says how many are taken.
 */
/* runs-with: sqlite, postgres */
#include "budgets_kit.h"

enum { STEPS = 300, SEEDS = 10, LIVE_MAX = 60, NODES = 3 };

static const char *const scopes[NODES] = {"global", "project:a", "project:b"};

struct model_node {
    bool there;
    int64_t limit, spent, made_ms;
};

struct live {
    char run[ID_SIZE], path[160];
    int64_t id, parent, lane, held, started_ms, attempt, not_before_ms;
    bool charged, queued, asked; /* asked: to stop. */
    enum run_gate gate;
};

struct walk {
    struct runs_kit *runs;
    uint64_t random;
    struct model_node nodes[NODES];
    struct live live[LIVE_MAX * 2];
    size_t count;
};

static unsigned pick(struct walk *walk, unsigned below) {
    walk->random = walk->random * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(walk->random >> 33) % below;
}

/* --- What the rows say ------------------------------------------------------------------------ */

static struct err look_tx(struct tx *tx, void *ctx) {
    struct walk *walk = ctx;
    walk->count = 0;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(
        tx,
        "SELECT run, budget, id, parent, lane, wall_ms_held, started_ms, attempt,"
        " not_before_ms, charged, state, gate, stop FROM runs WHERE ended_ms IS NULL ORDER BY id",
        NULL /* no argument */, 0, &rows);
    bool more = !err_failed(err);
    while (!err_failed(err) && more) {
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        assert_true(walk->count < COUNT_OF(walk->live));
        struct live *live = &walk->live[walk->count++];
        runs_copy_text(rows_text(rows, 0), live->run, sizeof live->run);
        runs_copy_text(rows_text(rows, 1), live->path, sizeof live->path);
        live->id = rows_int(rows, 2);
        live->parent = rows_int(rows, 3);
        live->lane = rows_int(rows, 4);
        live->held = rows_int(rows, 5);
        live->started_ms = rows_int(rows, 6);
        live->attempt = rows_int(rows, 7);
        live->not_before_ms = rows_int(rows, 8);
        live->charged = rows_int(rows, 9) != 0;
        live->queued = rows_text(rows, 10).data[0] == 'q';
        assert_true(run_gate_find(rows_text(rows, 11), &live->gate));
        live->asked = rows_text(rows, 12).len > 0;
    }
    return err;
}

static void look(struct walk *walk) {
    assert_int_equal(runs_do(walk->runs, look_tx, walk), ERR_NONE);
}

static bool under(const struct live *live, int node) {
    return node == 0 || (strncmp(live->path, scopes[node], strlen(scopes[node])) == 0 &&
                         live->path[strlen(scopes[node])] == '/');
}

static int64_t held_under(const struct walk *walk, int node) {
    int64_t held = 0;
    for (size_t i = 0; i < walk->count; i++) {
        held += under(&walk->live[i], node) && walk->live[i].charged ? walk->live[i].held : 0;
    }
    return held;
}

static const struct live *by_id(const struct walk *walk, int64_t id) {
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->live[i].id == id) {
            return &walk->live[i];
        }
    }
    return NULL;
}

/* --- What must hold --------------------------------------------------------------------------- */

static void check_nodes(struct walk *walk) {
    for (int n = 0; n < NODES; n++) {
        struct budgets_call call = budgets_call(walk->runs, scopes[n]);
        assert_int_equal(runs_do(walk->runs, budgets_find_tx, &call), ERR_NONE);
        assert_int_equal(call.found, walk->nodes[n].there);
        if (call.found) {
            assert_int_equal(call.row.limits.of[AMOUNT_WALL], walk->nodes[n].limit);
            assert_int_equal(call.row.spent.of[AMOUNT_WALL], walk->nodes[n].spent);
            assert_int_equal(call.row.reserved.of[AMOUNT_WALL], held_under(walk, n));
        }
    }
}

/* By its ancestors, of what is reserved at a node of that path. */
static int64_t held_above(const struct walk *walk, const struct live *live, const char *path) {
    int64_t held = 0;
    const struct live *up = by_id(walk, live->parent);
    for (; up != NULL; up = by_id(walk, up->parent)) {
        held += up->charged && strncmp(up->path, path, strlen(path)) == 0 ? up->held : 0;
    }
    return held;
}

struct asked {
    int64_t lane, limit, spent;
    char path[160];
    bool found;
};

static struct err node_tx(struct tx *tx, void *ctx) {
    struct asked *asked = ctx;
    const struct arg args[] = {arg_int(asked->lane / 8)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err =
        tx_first(tx, "SELECT wall_ms_max, wall_ms_spent, path FROM budgets WHERE id = $1", args,
                 COUNT_OF(args), &rows);
    asked->found = !err_failed(err) && rows != NULL;
    if (asked->found) {
        assert_false(rows_null(rows, 0));
        asked->limit = rows_int(rows, 0);
        asked->spent = rows_int(rows, 1);
        runs_copy_text(rows_text(rows, 2), asked->path, sizeof asked->path);
    }
    return err;
}

/* Its budget is there, nothing of it is free, and somebody who is not its ancestor holds a part. */
static void check_wait(struct walk *walk, const struct live *live) {
    struct asked asked = {.lane = live->lane};
    assert_int_equal(runs_do(walk->runs, node_tx, &asked), ERR_NONE);
    assert_true(asked.found);
    int64_t held = 0;
    for (size_t i = 0; i < walk->count; i++) {
        const struct live *other = &walk->live[i];
        bool here = other->charged && strncmp(other->path, asked.path, strlen(asked.path)) == 0;
        held += here ? other->held : 0;
    }
    assert_true(asked.spent < asked.limit);
    assert_true(asked.spent + held >= asked.limit);
    assert_true(held > held_above(walk, live, asked.path));
}

static void check(struct walk *walk) {
    look(walk);
    check_nodes(walk);
    for (size_t i = 0; i < walk->count; i++) {
        const struct live *live = &walk->live[i];
        assert_int_equal(live->lane != 0, live->gate == GATE_BUDGET);
        assert_true(live->charged || live->held == 0);
        if (live->gate == GATE_BUDGET) {
            check_wait(walk, live);
        }
        for (int n = 0; n < NODES && !live->queued; n++) {
            bool after = walk->nodes[n].there && live->started_ms > walk->nodes[n].made_ms;
            assert_true(live->charged || !after || !under(live, n));
        }
    }
}

/* --- Steps ------------------------------------------------------------------------------------ */

static const struct live *some(struct walk *walk, bool queued) {
    const struct live *found = NULL;
    unsigned seen = 0;
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->live[i].queued == queued && pick(walk, ++seen) == 0) {
            found = &walk->live[i];
        }
    }
    return found;
}

static void submit(struct walk *walk) {
    static const char *const projects[] = {"", "a", "b"};
    struct run_new what = runs_new(walk->runs);
    struct amounts limits = amounts_unlimited();
    const struct live *parent = pick(walk, 3) == 0 ? some(walk, false) : NULL;
    what.project = kit_bytes(projects[pick(walk, 3)]);
    what.priority = pick(walk, 3);
    if (parent != NULL && parent->asked) {
        return; /* Nothing is made below it any more. */
    }
    if (parent != NULL) {
        what.parent = kit_bytes(parent->run);
    }
    if (pick(walk, 5) == 0 && (parent == NULL || strlen(parent->path) < 80)) {
        limits.of[AMOUNT_WALL] = pick(walk, 3000);
        what.budget = &limits;
    }
    if (pick(walk, 6) == 0) {
        what.key = BYTES("k");
        what.key_max = 2;
    }
    (void)runs_submit(walk->runs, &what);
}

static void end(struct walk *walk) {
    const struct live *live = some(walk, false);
    if (live == NULL) {
        return;
    }
    struct run_settle what = runs_exit(walk->runs, live->run, pick(walk, 2) == 0);
    bool began = pick(walk, 8) != 0;
    what.attempt = live->attempt;
    what.end.end = began ? ATTEMPT_EXITED : pick(walk, 2) == 0 ? ATTEMPT_VOID : ATTEMPT_NOT_STARTED;
    what.retry = (struct retry_policy){.max = 2, .on = RETRY_FAILED, .backoff_ms = pick(walk, 2)};
    int64_t took_ms = pick(walk, 4) == 0 ? pick(walk, 4000) : pick(walk, 200);
    what.usage = (struct run_usage){.known = true, .wall_ms = took_ms};
    for (int n = 0; n < NODES; n++) {
        struct model_node *node = &walk->nodes[n];
        node->spent += began && live->charged && node->there && under(live, n) ? took_ms : 0;
    }
    assert_false(runs_settle(walk->runs, &what).late);
}

static void stop(struct walk *walk) {
    const struct live *live = some(walk, pick(walk, 3) != 0);
    if (live != NULL) {
        budgets_stop(walk->runs, live->run);
    }
}

static void limit(struct walk *walk) {
    int n = (int)pick(walk, NODES);
    struct model_node *node = &walk->nodes[n];
    if (node->there && pick(walk, 4) == 0) {
        budgets_remove(walk->runs, scopes[n]);
        *node = (struct model_node){.there = false};
        return;
    }
    if (!node->there) {
        node->made_ms = walk->runs->kit.clock_ms;
    }
    node->there = true;
    node->limit = node->spent + pick(walk, 4000);
    (void)budgets_wall(walk->runs, scopes[n], node->limit);
}

static void slots(struct walk *walk) {
    static const int64_t some_slots[] = {0, 1, 3, 10, 100};
    walk->runs->bounds.slots = some_slots[pick(walk, COUNT_OF(some_slots))];
}

static void step(struct walk *walk) {
    unsigned what = pick(walk, 100);
    walk->runs->kit.clock_ms += 1 + pick(walk, 50);
    if (what < 45 && walk->count < LIVE_MAX) {
        submit(walk);
    } else if (what < 85) {
        end(walk);
    } else if (what < 90) {
        stop(walk);
    } else if (what < 97) {
        limit(walk);
    } else if (what < 99) {
        slots(walk);
    } else {
        runs_restart(walk->runs);
        runs_forget(walk->runs);
        budgets_recover(walk->runs);
    }
    walk->runs->kit.clock_ms += 1;
    (void)budgets_wake_all(walk->runs);
    check(walk);
    runs_forget(walk->runs);
    budgets_recover(walk->runs);
}

static void end_all(struct walk *walk) {
    walk->runs->bounds.slots = 100;
    budgets_admit_all(walk->runs);
    for (int i = 0; i < 100 * LIVE_MAX && walk->count > 0; i++) {
        end(walk);
        (void)budgets_wake_all(walk->runs);
        check(walk);
        runs_forget(walk->runs);
        budgets_recover(walk->runs);
    }
    assert_int_equal(walk->count, 0);
    assert_int_equal(runs_count(walk->runs, "SELECT count(*) FROM runs WHERE charged <> 0"), 0);
}

static void walk_once(uint64_t seed) {
    void *state = NULL;
    assert_int_equal(runs_begin(&state), 0);
    struct walk *walk = mem_new(sizeof *walk);
    walk->runs = state;
    walk->random = seed * 2 + 1;
    for (int i = 0; i < STEPS; i++) {
        step(walk);
    }
    end_all(walk);
    mem_free(walk);
    (void)runs_end(&state);
}

static void nothing_leaks_and_nobody_waits_without_a_reason(void **state) {
    (void)state;
    const char *asked = getenv("DROVER_SEED"), *count = getenv("DROVER_SEEDS");
    long first = asked != NULL ? strtol(asked, NULL, 10) : getpid() * 1000L;
    long seeds = asked != NULL ? 1 : count != NULL ? strtol(count, NULL, 10) : SEEDS;
    for (long seed = first; seed < first + seeds; seed++) {
        print_message("DROVER_SEED=%ld\n", seed);
        walk_once((uint64_t)seed);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_leaks_and_nobody_waits_without_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
