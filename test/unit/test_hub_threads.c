/* The hub over a store with threads: what the inline tests cannot order, the machine orders here.
 *
 * Writers keep several commits in flight while followers come, go, resume where they were, and read
 * slowly; a pruner cuts behind them. Each follower checks every byte. Meant for the thread
 * sanitizer too. No time is awaited: the test ends when everybody has everything.
 */
/* runs-with: sqlite, postgres, threads, postgres-threads */
#include "hub_follower.h"

enum {
    STREAMS = 3,
    FOLLOWERS = 40,
    EVENTS = 6000, /* Of each stream. */
    IN_FLIGHT = 8, /* Commits of each stream. */
    PER_COMMIT = 4,
};

static const char *const names[STREAMS] = {"a", "b", "c"};

struct run;

struct writer {
    struct model_append append;
    struct run *run;
    int stream;
};

struct walker {
    struct follower follower;
    struct run *run;
    struct loop_task task; /* A slow one goes on in a later turn. */
    int stream;
    unsigned resumed;
    bool done;
};

struct cutter {
    struct kit_prune prune;
    struct kit_find find;
    struct run *run;
    int stream;
    bool busy;
};

struct run {
    struct kit *kit;
    uint64_t random;
    int64_t queued[STREAMS], committed[STREAMS];
    struct writer writers[STREAMS][IN_FLIGHT];
    unsigned writing;
    struct walker walkers[FOLLOWERS];
    unsigned walking;
    struct cutter cutter;
    struct hub_watch watch;
    unsigned watched;
    int64_t watch_after;
};

static uint32_t draw(struct run *run, uint32_t below) {
    run->random = run->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(run->random >> 40) % below;
}

static void maybe_stop(struct run *run) {
    if (run->writing == 0 && run->walking == 0 && !run->cutter.busy) {
        hub_watch_stop(&run->watch);
        loop_stop(run->kit->loop);
    }
}

/* --- Writers ---------------------------------------------------------------------------------- */

static void write_next(struct writer *writer);

static struct err write_tx(struct tx *tx, void *ctx) {
    struct writer *writer = ctx;
    return model_append_tx(tx, &writer->append);
}

static void write_done(struct err err, void *ctx) {
    struct writer *writer = ctx;
    kit_check(err);
    writer->run->committed[writer->stream] = writer->append.next + PER_COMMIT - 1;
    write_next(writer);
}

static void write_next(struct writer *writer) {
    struct run *run = writer->run;
    if (run->queued[writer->stream] >= EVENTS) {
        run->writing--;
        maybe_stop(run);
        return;
    }
    writer->append = (struct model_append){.stream = names[writer->stream],
                                           .next = run->queued[writer->stream] + 1,
                                           .times = PER_COMMIT};
    run->queued[writer->stream] += PER_COMMIT;
    store_write(run->kit->store, write_tx, write_done, writer);
}

/* --- A cutter, so that cursors fall below the floor ------------------------------------------- */

static void cut_again(struct cutter *cutter);

static void cut_done(struct err err, void *ctx) {
    struct cutter *cutter = ctx;
    kit_check(err);
    cut_again(cutter);
}

static struct err cut_tx(struct tx *tx, void *ctx) {
    struct cutter *cutter = ctx;
    return kit_prune_tx(tx, &cutter->prune);
}

static struct err cut_find_tx(struct tx *tx, void *ctx) {
    struct cutter *cutter = ctx;
    return kit_find_tx(tx, &cutter->find);
}

static void found(struct err err, void *ctx) {
    struct cutter *cutter = ctx;
    kit_check(err);
    if (!cutter->find.found) {
        cut_again(cutter);
        return;
    }
    cutter->prune.stream = cutter->find.state.stream;
    cutter->prune.through = cutter->find.state.head - 64;
    cutter->prune.count_max = 900;
    store_write(cutter->run->kit->store, cut_tx, cut_done, cutter);
}

static void cut_again(struct cutter *cutter) {
    if (cutter->run->writing == 0) {
        cutter->busy = false;
        maybe_stop(cutter->run);
        return;
    }
    cutter->busy = true;
    cutter->stream = (cutter->stream + 1) % STREAMS;
    cutter->find.stream = names[cutter->stream];
    store_read(cutter->run->kit->store, cut_find_tx, found, cutter);
}

/* --- Followers -------------------------------------------------------------------------------- */

static void walker_check(struct walker *walker) {
    struct follower *follower = &walker->follower;
    if (!walker->done && follower->seq == EVENTS) {
        walker->done = true;
        loop_task_cancel(walker->run->kit->loop, &walker->task);
        unfollow(follower);
        walker->run->walking--;
        maybe_stop(walker->run);
    }
}

static void walk(struct walker *walker);

static void walker_ready(struct hub_subscriber *subscriber) {
    struct follower *follower = CONTAINER_OF(subscriber, struct follower, subscriber);
    assert_false(follower->ready);
    follower->ready = true;
    walk(CONTAINER_OF(follower, struct walker, follower));
}

static void resume(struct walker *walker) {
    struct follower *follower = &walker->follower;
    unfollow(follower);
    follow(walker->run->kit, follower, names[walker->stream], follower->seq);
    follower->subscriber.ready = walker_ready;
    walker->resumed++;
}

/* A few pieces; then it goes on later, leaves and comes back, or waits. */
static void walk(struct walker *walker) {
    struct run *run = walker->run;
    struct follower *follower = &walker->follower;
    for (unsigned i = 0; i < 1 + draw(run, 3); i++) {
        enum hub_pull pull = follower_pull(follower);
        assert_int_not_equal(pull, HUB_GONE);
        if (pull == HUB_WAIT) {
            follower->ready = false;
            walker_check(walker);
            return;
        }
    }
    if (draw(run, 50) == 0 && follower->seq >= 0) {
        resume(walker);
    } else {
        loop_soon(run->kit->loop, &walker->task);
    }
}

/* Every fifth is so slow that it falls out of the ring, and below the floor. */
static void walk_on(struct loop_task *task) {
    struct walker *walker = CONTAINER_OF(task, struct walker, task);
    struct run *run = walker->run;
    bool slow = (walker - run->walkers) % 5 == 4 && run->writing > 0;
    if (slow && run->committed[walker->stream] < walker->follower.seq + 1500) {
        loop_soon(run->kit->loop, task);
    } else {
        walk(walker);
    }
}

static void start_walkers(struct run *run) {
    for (int i = 0; i < FOLLOWERS; i++) {
        struct walker *walker = &run->walkers[i];
        walker->run = run;
        walker->stream = i % STREAMS;
        walker->task.run = walk_on;
        walker->follower.subscriber.format = (enum hub_format)(i % HUB_FORMATS);
        run->walking++;
        follow(run->kit, &walker->follower, names[walker->stream], 0);
        walker->follower.subscriber.ready = walker_ready;
    }
}

static void watch_on(struct hub_watch *watch, struct err result) {
    struct run *run = CONTAINER_OF(watch, struct run, watch);
    kit_check(result);
    assert_true(run->watched == 0 || run->queued[0] > run->watch_after);
    run->watched++;
    run->watch_after = run->committed[0];
    hub_watch_start(run->kit->hub,
                    &(struct hub_subscribe){.owner = BYTES("ann"),
                                            .name = kit_bytes(names[0]),
                                            .after = run->watch_after},
                    &run->watch, watch_on);
}

static void followers_of_a_threaded_store_end_with_exact_copies(void **state) {
    (void)state;
    struct run *run = mem_new(sizeof *run);
    run->random = 42;
    run->kit = kit_new(STORE_THREAD,
                       &(struct hub_options){.ring_bytes_max = 16384, .total_bytes_max = 65536});
    run->kit->clock_ms = CLOCK_MS;
    run->writing = STREAMS * IN_FLIGHT;
    start_walkers(run);
    for (int i = 0; i < STREAMS * IN_FLIGHT; i++) {
        struct writer *writer = &run->writers[i % STREAMS][i / STREAMS];
        writer->run = run;
        writer->stream = i % STREAMS;
        write_next(writer);
    }
    run->cutter.run = run;
    cut_again(&run->cutter);
    watch_on(&run->watch, ERR_OK);
    loop_run(run->kit->loop);
    unsigned resumed = 0, snapshots = 0;
    for (int i = 0; i < FOLLOWERS; i++) {
        assert_int_equal(run->walkers[i].follower.seq, EVENTS);
        resumed += run->walkers[i].resumed;
        snapshots += run->walkers[i].follower.snapshots;
    }
    struct hub_stats stats;
    hub_get_stats(run->kit->hub, &stats);
    assert_int_equal(stats.subscribers, 0);
    assert_int_equal(stats.ring_bytes, 0);
    assert_true(run->watched > 1);
    print_message("pages %" PRIu64 ", pieces %" PRIu64 ", resumed %u, snapshots %u, watched %u\n",
                  stats.pages_read, stats.pieces_pulled, resumed, snapshots, run->watched);
    kit_free(run->kit);
    mem_free(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(followers_of_a_threaded_store_end_with_exact_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
