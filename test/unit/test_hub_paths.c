/* The ways through the hub: rings and catching up, races between them, leaving, fairness. */
#include "hub_follower.h"

static int open_kit(void **state) {
    struct kit *kit = kit_new(STORE_INLINE, NULL);
    kit->clock_ms = CLOCK_MS;
    *state = kit;
    return 0;
}

static int open_small_kit(void **state) {
    struct kit *kit = kit_new(
        STORE_INLINE, &(struct hub_options){.ring_bytes_max = 4096, .total_bytes_max = 16384});
    kit->clock_ms = CLOCK_MS;
    *state = kit;
    return 0;
}

static int open_idle_kit(void **state) {
    struct kit *kit = kit_new(STORE_INLINE, &(struct hub_options){.idle_ms = 1});
    kit->clock_ms = CLOCK_MS;
    *state = kit;
    return 0;
}

static int close_kit(void **state) {
    struct kit *kit = *state;
    struct hub_stats stats;
    hub_get_stats(kit->hub, &stats);
    assert_int_equal(stats.subscribers, 0);
    kit_store(kit); /* Pages whose subscribers left. */
    hub_get_stats(kit->hub, &stats);
    assert_int_equal(stats.streams, 0);
    assert_int_equal(stats.ring_bytes, 0);
    kit_free(kit);
    return 0;
}

static struct hub_stats stats_of(struct kit *kit) {
    struct hub_stats stats;
    hub_get_stats(kit->hub, &stats);
    return stats;
}

/* --- Rings and catching up -------------------------------------------------------------------- */

static void a_slow_follower_is_fed_from_the_store_and_joins_the_ring_again(void **state) {
    struct kit *kit = *state;
    struct follower slow = {0}, fast = {.greedy = true};
    follow(kit, &slow, "a", 0);
    follow(kit, &fast, "a", 0);
    kit_settle(kit);
    follower_pull_all(&slow);
    for (int i = 0; i < 100; i++) {
        model_append(kit, "a", 1 + 10 * i, 10);
        kit_settle(kit);
        assert_true(stats_of(kit).ring_bytes <= 4096);
    }
    assert_int_equal(fast.seq, 1000);
    uint64_t pages = stats_of(kit).pages_read;
    slow.greedy = true;
    follower_pull_all(&slow);
    kit_settle(kit);
    assert_int_equal(slow.seq, 1000);
    assert_true(stats_of(kit).pages_read - pages >= 4); /* 1,000 events by 256 at most. */
    pages = stats_of(kit).pages_read;
    model_append(kit, "a", 1001, 5);
    kit_settle(kit);
    assert_int_equal(slow.seq, 1005);
    assert_int_equal(stats_of(kit).pages_read, pages); /* From the ring. */
    unfollow(&slow);
    unfollow(&fast);
}

static void followers_with_the_same_cursor_share_one_read(void **state) {
    enum { MANY = 100 };
    struct kit *kit = *state;
    model_append(kit, "a", 1, 50);
    static struct follower followers[MANY];
    memset(followers, 0, sizeof followers);
    for (int i = 0; i < MANY; i++) {
        followers[i].greedy = true;
        followers[i].subscriber.format = i % 2 == 0 ? HUB_SSE : HUB_WS;
        follow(kit, &followers[i], "a", 10);
    }
    kit_settle(kit);
    assert_int_equal(stats_of(kit).pages_read, 2); /* One per format. */
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(followers[i].seq, 50);
        unfollow(&followers[i]);
    }
}

static void the_memory_of_all_rings_is_bounded_and_the_least_used_gives_first(void **state) {
    enum { STREAMS = 40 };
    struct kit *kit = *state;
    static struct follower followers[STREAMS];
    static char names[STREAMS][8];
    memset(followers, 0, sizeof followers);
    for (int i = 0; i < STREAMS; i++) {
        (void)snprintf(names[i], sizeof names[i], "%c%d", 'a' + i % 26, i);
        followers[i].subscriber.format = i % 2 == 0 ? HUB_SSE : HUB_WS;
        follow(kit, &followers[i], names[i], 0);
    }
    kit_settle(kit);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < STREAMS; i++) {
            model_append(kit, names[i], 1 + round * 5, 5);
            assert_true(stats_of(kit).ring_bytes <= 16384);
        }
    }
    assert_true(stats_of(kit).rings_dropped > 0);
    for (int i = 0; i < STREAMS; i++) {
        followers[i].greedy = true;
        follower_pull_all(&followers[i]);
    }
    kit_settle(kit);
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(followers[i].seq, 50);
        unfollow(&followers[i]);
    }
}

static void rings_that_are_not_used_any_more_go(void **state) {
    struct kit *kit = *state;
    struct follower slow = {0}, fast = {.greedy = true};
    follow(kit, &slow, "a", 0);
    follow(kit, &fast, "a", 0);
    kit_settle(kit);
    follower_pull_all(&slow);
    model_append(kit, "a", 1, 10);
    assert_true(stats_of(kit).ring_bytes > 0);
    while (stats_of(kit).ring_bytes > 0) {
        kit_settle(kit); /* The time to be idle is a millisecond here. */
    }
    slow.greedy = true;
    follower_pull_all(&slow);
    model_append(kit, "a", 11, 10);
    kit_settle(kit);
    assert_int_equal(slow.seq, 20);
    assert_int_equal(fast.seq, 20);
    unfollow(&slow);
    unfollow(&fast);
}

static void an_event_larger_than_the_ring_reaches_its_followers(void **state) {
    struct kit *kit = *state;
    struct follower follower = {.greedy = true, .data_size = 200000};
    follow(kit, &follower, "a", 0);
    kit_settle(kit);
    struct model_append append = {.stream = "a", .times = 1, .data_size = 200000};
    for (append.next = 1; append.next <= 70; append.next++) {
        kit_check(kit_write(kit, model_append_tx, &append.call));
    }
    kit_settle(kit);
    assert_int_equal(follower.seq, 70);
    unfollow(&follower);
}

static void a_piece_outlives_the_ring_that_it_was_cut_from(void **state) {
    struct kit *kit = *state;
    struct follower follower = {0}, other = {.greedy = true};
    follow(kit, &follower, "a", 0);
    follow(kit, &other, "a", 0);
    kit_settle(kit);
    follower_pull_all(&follower);
    model_append(kit, "a", 1, 3);
    kit_settle(kit);
    struct hub_piece piece;
    assert_int_equal(hub_pull(kit->hub, &follower.subscriber, &piece), HUB_PIECE);
    static char copy[FRAME_SIZE];
    memcpy(copy, piece.bytes.data, piece.bytes.len);
    for (int i = 0; i < 50; i++) {
        model_append(kit, "a", 4 + 10 * i, 10);
        kit_settle(kit);
    }
    unfollow(&follower);
    unfollow(&other);
    assert_int_equal(stats_of(kit).ring_bytes, 0);
    assert_memory_equal(copy, piece.bytes.data, piece.bytes.len);
    hub_buffer_ref(piece.buffer);
    hub_buffer_unref(piece.buffer);
    hub_buffer_unref(piece.buffer);
    hub_buffer_unref(NULL);
}

/* --- Races between a page and the notes ------------------------------------------------------- */

static void a_page_may_hold_events_whose_notes_are_still_on_their_way(void **state) {
    struct kit *kit = *state;
    struct follower early = {.greedy = true};
    follow(kit, &early, "a", 0);
    kit_settle(kit);
    model_append(kit, "a", 1, 5);
    kit_settle(kit);
    kit->holding = true;
    model_append(kit, "a", 6, 5);
    struct follower from_store = {.greedy = true, .subscriber.format = HUB_WS};
    follow(kit, &from_store, "a", 2);
    kit_settle(kit);
    assert_int_equal(from_store.seq, 10);
    assert_int_equal(early.seq, 5);
    kit_release(kit, 2);
    kit_settle(kit);
    assert_int_equal(early.seq, 7);
    assert_int_equal(from_store.readies, 1); /* Nothing new for this one. */
    kit_release(kit, 3);
    kit->holding = false;
    model_append(kit, "a", 11, 1);
    kit_settle(kit);
    assert_int_equal(early.seq, 11);
    assert_int_equal(from_store.seq, 11);
    unfollow(&early);
    unfollow(&from_store);
}

/* A read is told while the notes of two later commits, which it saw, are still to come. */
static void a_page_told_ahead_of_two_commits_leaves_no_gap_and_no_repeat(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 3);
    kit->holding = true;
    model_append(kit, "a", 4, 2);
    model_append(kit, "a", 6, 2);
    struct follower sse = {.greedy = true}, ws = {.greedy = true, .subscriber.format = HUB_WS};
    follow(kit, &sse, "a", 0);
    follow(kit, &ws, "a", 5);
    kit_settle(kit);
    assert_int_equal(sse.seq, 7);
    assert_int_equal(ws.seq, 7);
    kit_release(kit, 2); /* The first commit's, each flushed by itself, */
    kit_settle(kit);
    kit_release(kit, 2); /* and the second's. */
    kit_settle(kit);
    kit->holding = false;
    model_append(kit, "a", 8, 2);
    kit_settle(kit);
    assert_int_equal(sse.seq, 9);
    assert_int_equal(sse.events, 9);
    assert_int_equal(ws.seq, 9);
    assert_int_equal(ws.events, 4);
    unfollow(&sse);
    unfollow(&ws);
}

static void events_committed_while_a_page_is_read_follow_it(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 400);
    struct follower follower = {0};
    follow(kit, &follower, "a", 0);
    kit_settle(kit);
    assert_int_equal(follower_pull(&follower), HUB_PIECE); /* 256 of them. */
    model_append(kit, "a", 401, 100);                      /* Now the ring begins at 401. */
    assert_int_equal(follower_pull(&follower), HUB_WAIT);
    follower.ready = false;
    follower.greedy = true;
    kit_settle(kit);
    assert_int_equal(follower.seq, 500);
    unfollow(&follower);
}

/* --- Leaving ---------------------------------------------------------------------------------- */

static void a_follower_may_leave_in_every_state(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 300);
    struct follower follower = {0};
    unfollow(&(struct follower){.kit = kit}); /* Never subscribed. */
    follow(kit, &follower, "a", 0);           /* Its page is being read. */
    unfollow(&follower);
    follow(kit, &follower, "a", 0);
    unfollow(&follower);
    kit_store(kit);
    follow(kit, &follower, "a", 0);
    kit_store(kit); /* Its ready is owed. */
    unfollow(&follower);
    kit_settle(kit);
    assert_int_equal(follower.readies, 0);
    follow(kit, &follower, "a", 0);
    kit_settle(kit); /* Its page lies ready. */
    unfollow(&follower);
    follow(kit, &follower, "a", 300);
    kit_settle(kit);
    follower_pull_all(&follower); /* It waits. */
    unfollow(&follower);
    follow(kit, &follower, "a", 300);
    kit_settle(kit);
    follower_pull_all(&follower);
    model_append(kit, "a", 301, 1); /* It is about to be woken. */
    unfollow(&follower);
    kit_settle(kit);
    follow(kit, &follower, "a", 999);
    kit_settle(kit);
    assert_int_equal(follower_pull(&follower), HUB_GONE);
    unfollow(&follower);
    assert_int_equal(stats_of(kit).streams, 0);
}

static void pages_beyond_those_that_are_read_at_once_wait_and_may_be_left(void **state) {
    enum { MANY = 40 };
    struct kit *kit = *state;
    model_append(kit, "a", 1, 100);
    static struct follower followers[MANY];
    memset(followers, 0, sizeof followers);
    for (int i = 0; i < MANY; i++) {
        followers[i].greedy = true;
        follow(kit, &followers[i], "a", i); /* Each has its own cursor, so its own page. */
    }
    for (int i = 0; i < MANY; i += 2) {
        unfollow(&followers[i]);
    }
    kit_settle(kit);
    assert_true(stats_of(kit).pages_read < MANY - 8);
    for (int i = 1; i < MANY; i += 2) {
        assert_int_equal(followers[i].seq, 100);
        unfollow(&followers[i]);
    }
}

struct leaver {
    struct follower follower;
    struct follower *other;
};

static void leave_both(struct hub_subscriber *subscriber) {
    struct follower *follower = CONTAINER_OF(subscriber, struct follower, subscriber);
    struct leaver *leaver = CONTAINER_OF(follower, struct leaver, follower);
    follower->readies++;
    unfollow(follower);
    unfollow(leaver->other);
}

static void a_follower_may_leave_and_end_another_inside_ready(void **state) {
    struct kit *kit = *state;
    struct leaver a = {0}, b = {0};
    a.other = &b.follower;
    b.other = &a.follower;
    for (int round = 0; round < 2; round++) {
        a.follower.greedy = b.follower.greedy = true;
        follow(kit, &a.follower, "a", round);
        follow(kit, &b.follower, "a", round);
        kit_settle(kit);
        a.follower.readies = b.follower.readies = 0;
        a.follower.subscriber.ready = b.follower.subscriber.ready = leave_both;
        model_append(kit, "a", round + 1, 1);
        kit_settle(kit);
        assert_int_equal(a.follower.readies + b.follower.readies, 1);
        assert_int_equal(stats_of(kit).streams, 0);
    }
}

/* --- Fairness --------------------------------------------------------------------------------- */

struct burner {
    struct hub_subscriber subscriber;
    struct kit *kit;
    unsigned calls;
};

/* Takes about 50 us, as a slow write would. */
static void burn(struct hub_subscriber *subscriber) {
    struct burner *burner = CONTAINER_OF(subscriber, struct burner, subscriber);
    burner->calls++;
    uint64_t end_ns = world_mono_ns(world_real()) + 50000;
    while (world_mono_ns(world_real()) < end_ns) {
    }
    struct hub_piece piece;
    while (hub_pull(burner->kit->hub, subscriber, &piece) == HUB_PIECE) {
        hub_buffer_unref(piece.buffer);
    }
}

static void many_followers_are_woken_in_turns_that_leave_the_loop_free(void **state) {
    enum { MANY = 400 };
    struct kit *kit = *state;
    static struct burner burners[MANY];
    memset(burners, 0, sizeof burners);
    model_append(kit, "a", 1, 1);
    const struct hub_subscribe what = {.owner = BYTES("ann"), .name = BYTES("a"), .after = 1};
    for (int i = 0; i < MANY; i++) {
        burners[i].kit = kit;
        burners[i].subscriber.ready = burn;
        hub_subscribe(kit->hub, &what, &burners[i].subscriber);
    }
    kit_store(kit);
    while (burners[MANY - 1].calls == 0) {
        kit_loop(kit);
    }
    model_append(kit, "a", 2, 1);
    unsigned turns = 0;
    while (burners[MANY - 1].calls == 1) {
        kit_loop(kit);
        turns++;
        if (turns == 2) {
            model_append(kit, "a", 3, 1); /* Joins the piece of those not called yet. */
        }
    }
    assert_true(turns >= 8); /* 20 ms of work in turns of about 1 ms; slack for a busy machine. */
    while (burners[0].calls < 3) {
        kit_loop(kit);
    }
    kit_settle(kit);
    for (int i = 0; i < MANY; i++) {
        assert_in_range(burners[i].calls, 2, 3);
        assert_int_equal(burners[i].subscriber.cursor, 3);
        hub_unsubscribe(kit->hub, &burners[i].subscriber);
    }
    assert_int_equal(burners[MANY - 1].calls, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, open_kit, close_kit)
#define IDLE_TEST(name) cmocka_unit_test_setup_teardown(name, open_idle_kit, close_kit)
#define SMALL_TEST(name) cmocka_unit_test_setup_teardown(name, open_small_kit, close_kit)
        SMALL_TEST(a_slow_follower_is_fed_from_the_store_and_joins_the_ring_again),
        KIT_TEST(followers_with_the_same_cursor_share_one_read),
        SMALL_TEST(the_memory_of_all_rings_is_bounded_and_the_least_used_gives_first),
        IDLE_TEST(rings_that_are_not_used_any_more_go),
        SMALL_TEST(an_event_larger_than_the_ring_reaches_its_followers),
        SMALL_TEST(a_piece_outlives_the_ring_that_it_was_cut_from),
        KIT_TEST(a_page_may_hold_events_whose_notes_are_still_on_their_way),
        KIT_TEST(a_page_told_ahead_of_two_commits_leaves_no_gap_and_no_repeat),
        KIT_TEST(events_committed_while_a_page_is_read_follow_it),
        KIT_TEST(a_follower_may_leave_in_every_state),
        KIT_TEST(pages_beyond_those_that_are_read_at_once_wait_and_may_be_left),
        KIT_TEST(a_follower_may_leave_and_end_another_inside_ready),
        KIT_TEST(many_followers_are_woken_in_turns_that_leave_the_loop_free),
#undef SMALL_TEST
#undef IDLE_TEST
#undef KIT_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
