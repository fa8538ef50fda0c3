/* The hub as its clients see it: frames, subscribing, snapshots, watches. */
/* runs-with: sqlite, postgres, threads */
#include "hub_follower.h"

#include "journal/frame.h"

static int open_kit(void **state) {
    struct kit *kit = kit_new(STORE_INLINE, NULL);
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

/* --- Frames ----------------------------------------------------------------------------------- */

static void check_frames(size_t pad, int64_t seq) {
    static char data[FRAME_SIZE], wanted[FRAME_SIZE], written[FRAME_SIZE];
    size_t len = pad + 2;
    memset(data, 'x', len);
    data[0] = data[len - 1] = '"';
    data[len] = '\0';
    const struct frame frame = {.name = BYTES("s:1"),
                                .type = BYTES("tick"),
                                .data = {data, len},
                                .seq = seq,
                                .at_ms = CLOCK_MS};
    for (enum hub_format format = 0; format < HUB_FORMATS; format++) {
        size_t wanted_len = model_frame(format, "s:1", frame.seq, "tick", data, wanted);
        assert_int_equal(frame_len(format, &frame), wanted_len);
        assert_ptr_equal(frame_write(format, &frame, written), written + wanted_len);
        assert_memory_equal(written, wanted, wanted_len);
    }
}

/* Around each length where the WebSocket header changes, and the largest. */
static void frames_have_the_bytes_that_their_formats_prescribe(void **state) {
    (void)state;
    for (size_t pad = 0; pad < 200; pad++) {
        check_frames(pad, INT64_MAX >> pad % 63);
    }
    for (size_t pad = 65400; pad < 65600; pad++) {
        check_frames(pad, 9);
    }
    check_frames(EVENT_DATA_MAX - 2, INT64_MAX);
}

static void a_subscriber_and_a_watch_are_small(void **state) {
    (void)state;
    assert_true(sizeof(struct hub_subscriber) <= 128);
    assert_true(sizeof(struct hub_watch) <= 144);
}

/* --- Subscribing ------------------------------------------------------------------------------ */

static void a_follower_gets_what_was_there_and_what_comes(void **state) {
    struct kit *kit = *state;
    for (enum hub_format format = 0; format < HUB_FORMATS; format++) {
        int64_t head = 5 * (int64_t)format;
        struct follower follower = {.greedy = true, .subscriber.format = format};
        model_append(kit, "a", head + 1, 3);
        follow(kit, &follower, "a", 0);
        kit_settle(kit);
        assert_int_equal(follower.seq, head + 3);
        model_append(kit, "a", head + 4, 2);
        kit_settle(kit);
        assert_int_equal(follower.seq, head + 5);
        assert_int_equal(follower.snapshots, 0);
        unfollow(&follower);
        unfollow(&follower); /* Twice is fine. */
    }
}

static void a_stream_that_does_not_exist_yet_is_followed_from_its_first_event(void **state) {
    struct kit *kit = *state;
    struct follower follower = {.greedy = true};
    follow(kit, &follower, "a", 0);
    kit_settle(kit);
    assert_int_equal(follower.readies, 1); /* The subscription stands. */
    assert_int_equal(follower.pieces, 0);
    model_append(kit, "a", 1, 1);
    kit_settle(kit);
    assert_int_equal(follower.seq, 1);
    unfollow(&follower);
}

static void from_the_end_only_new_events_come(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 10);
    struct follower first = {.greedy = true}, second = {.greedy = true};
    follow(kit, &first, "a", -1);
    kit_settle(kit);
    follow(kit, &second, "a", -1); /* The hub knows the end by now. */
    assert_int_equal(stats_of(kit).pages_read, 1);
    kit_settle(kit);
    assert_int_equal(first.seq, 10);
    assert_int_equal(second.seq, 10);
    assert_int_equal(second.readies, 1);
    model_append(kit, "a", 11, 2);
    kit_settle(kit);
    assert_int_equal(first.seq, 12);
    assert_int_equal(second.seq, 12);
    assert_int_equal(second.events, 2);
    assert_int_equal(stats_of(kit).pages_read, 1);
    unfollow(&first);
    unfollow(&second);
}

static void a_cursor_ahead_of_the_stream_is_told(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 2);
    struct follower ahead = {0}, nowhere = {0};
    follow(kit, &ahead, "a", 3);
    follow(kit, &nowhere, "b", 1);
    kit_settle(kit);
    assert_true(ahead.ready);
    assert_int_equal(follower_pull(&ahead), HUB_GONE);
    assert_int_equal(ahead.subscriber.err.code, ERR_CURSOR_AHEAD);
    assert_int_equal(follower_pull(&ahead), HUB_GONE);
    assert_int_equal(follower_pull(&nowhere), HUB_GONE);
    unfollow(&ahead);
    unfollow(&nowhere);
}

static void the_events_of_another_owner_stay_with_their_owner(void **state) {
    struct kit *kit = *state;
    struct follower follower = {.greedy = true};
    follow(kit, &follower, "a", 0);
    kit_settle(kit);
    struct kit_append other = {.append = {.owner = BYTES("bob"),
                                          .stream = BYTES("a"),
                                          .type = BYTES("tick"),
                                          .data = BYTES("1")}};
    kit_check(kit_write(kit, kit_append_tx, &other.call));
    kit_settle(kit);
    assert_int_equal(follower.seq, 0);
    unfollow(&follower);
}

static void ready_is_called_once_for_each_wait_and_never_inside_a_call(void **state) {
    struct kit *kit = *state;
    struct follower follower = {0};
    follow(kit, &follower, "a", 0);
    assert_int_equal(follower_pull(&follower), HUB_WAIT); /* Too early, and harmless. */
    kit_settle(kit);
    assert_int_equal(follower.readies, 1);
    model_append(kit, "a", 1, 1);
    kit_settle(kit);
    assert_int_equal(follower.readies, 1); /* It has not pulled yet. */
    follower_pull_all(&follower);
    assert_int_equal(follower.seq, 1);
    model_append(kit, "a", 2, 1); /* The note is delivered, and nobody called yet. */
    assert_int_equal(follower.readies, 1);
    model_append(kit, "a", 3, 1);
    kit_settle(kit);
    assert_int_equal(follower.readies, 2);
    follower_pull_all(&follower);
    assert_int_equal(follower.seq, 3);
    unfollow(&follower);
}

static void events_of_several_commits_are_pulled_as_one_piece(void **state) {
    struct kit *kit = *state;
    struct follower follower = {0};
    model_append(kit, "a", 1, 1);
    follow(kit, &follower, "a", 1);
    kit_settle(kit);
    follower_pull_all(&follower);
    for (int i = 0; i < 5; i++) {
        model_append(kit, "a", 2 + i, 1);
    }
    kit_settle(kit);
    follower_pull_all(&follower);
    assert_int_equal(follower.seq, 6);
    assert_int_equal(follower.pieces, 1);
    unfollow(&follower);
}

static void two_formats_of_one_stream_are_served_side_by_side(void **state) {
    struct kit *kit = *state;
    struct follower sse = {.greedy = true}, ws = {.greedy = true, .subscriber.format = HUB_WS};
    follow(kit, &sse, "a", 0);
    follow(kit, &ws, "a", 0);
    kit_settle(kit);
    size_t one = 0;
    for (int i = 0; i < 4; i++) {
        model_append(kit, "a", 1 + i, 1);
        kit_settle(kit);
        assert_int_equal(sse.seq, 1 + i);
        assert_int_equal(ws.seq, 1 + i);
    }
    one = stats_of(kit).ring_bytes;
    unfollow(&sse);
    assert_true(stats_of(kit).ring_bytes < one); /* Its format has no follower any more. */
    model_append(kit, "a", 5, 1);
    kit_settle(kit);
    assert_int_equal(ws.seq, 5);
    unfollow(&ws);
}

static void a_stream_without_followers_keeps_nothing(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 50);
    struct hub_stats stats = stats_of(kit);
    assert_int_equal(stats.notes, 50);
    assert_int_equal(stats.events, 0);
    assert_int_equal(stats.streams, 0);
    assert_int_equal(stats.ring_bytes, 0);
}

/* --- Snapshots -------------------------------------------------------------------------------- */

static void a_cursor_below_the_floor_gets_a_snapshot_and_all_that_is_left(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 20);
    kit_prune(kit, "a", 12);
    struct follower follower = {.greedy = true};
    follow(kit, &follower, "a", 3);
    kit_settle(kit);
    assert_int_equal(follower.snapshots, 1);
    assert_int_equal(follower.floor, 12);
    assert_int_equal(follower.head, 20);
    assert_int_equal(follower.events, 8);
    assert_int_equal(follower.seq, 20);
    unfollow(&follower);
    struct follower at_floor = {.greedy = true};
    follow(kit, &at_floor, "a", 12);
    kit_settle(kit);
    assert_int_equal(at_floor.snapshots, 0); /* Nothing is missing there. */
    assert_int_equal(at_floor.seq, 20);
    unfollow(&at_floor);
}

static void a_snapshot_comes_even_if_the_ring_still_holds_what_was_pruned(void **state) {
    struct kit *kit = *state;
    struct follower other = {.greedy = true}, late = {.greedy = true};
    follow(kit, &other, "a", 0);
    kit_settle(kit);
    model_append(kit, "a", 1, 20);
    kit_settle(kit);
    kit_prune(kit, "a", 12);
    follow(kit, &late, "a", 3);
    kit_settle(kit);
    assert_int_equal(late.snapshots, 1);
    assert_int_equal(late.floor, 12);
    assert_int_equal(late.seq, 20);
    assert_int_equal(other.snapshots, 0);
    unfollow(&other);
    unfollow(&late);
}

static void a_snapshot_is_sent_to_whoever_asks(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 600);
    kit_prune(kit, "a", 2);
    static const int64_t cursors[] = {-1, 0, 400, 600};
    for (size_t i = 0; i < COUNT_OF(cursors); i++) {
        for (enum hub_format format = 0; format < HUB_FORMATS; format++) {
            struct follower follower = {
                .greedy = true, .expects_snapshot = true, .subscriber.format = format};
            follow(kit, &follower, "a", cursors[i]);
            kit_settle(kit);
            assert_int_equal(follower.snapshots, 1);
            assert_int_equal(follower.floor, 2);
            assert_int_equal(follower.head, 600);
            assert_int_equal(follower.seq, 600);
            unfollow(&follower);
        }
    }
    struct follower empty = {.greedy = true, .expects_snapshot = true};
    follow(kit, &empty, "none", 0);
    kit_settle(kit);
    assert_int_equal(empty.snapshots, 1);
    assert_int_equal(empty.floor, 0);
    model_append(kit, "none", 1, 1);
    kit_settle(kit);
    assert_int_equal(empty.seq, 1);
    unfollow(&empty);
}

/* --- Watches ---------------------------------------------------------------------------------- */

struct watcher {
    struct hub_watch watch;
    struct kit *kit;
    unsigned fired;
    bool again;
    struct err result;
};

static void fired(struct hub_watch *watch, struct err result);

static void start_watch(struct kit *kit, struct watcher *watcher, const char *stream,
                        int64_t after) {
    watcher->kit = kit;
    unsigned before = watcher->fired;
    hub_watch_start(
        kit->hub,
        &(struct hub_subscribe){.owner = BYTES("ann"), .name = kit_bytes(stream), .after = after},
        &watcher->watch, fired);
    assert_int_equal(watcher->fired, before);
}

static void fired(struct hub_watch *watch, struct err result) {
    struct watcher *watcher = CONTAINER_OF(watch, struct watcher, watch);
    watcher->fired++;
    watcher->result = result;
    if (watcher->again) {
        start_watch(watcher->kit, watcher, "a", watcher->fired);
    }
}

static void a_watch_fires_once_when_the_stream_passes_its_cursor(void **state) {
    struct kit *kit = *state;
    struct watcher watcher = {0}, other = {0};
    model_append(kit, "a", 1, 2);
    start_watch(kit, &watcher, "a", 2);
    start_watch(kit, &other, "b", 0);
    kit_settle(kit);
    assert_int_equal(watcher.fired, 0);
    model_append(kit, "a", 3, 1);
    kit_settle(kit);
    assert_int_equal(watcher.fired, 1);
    assert_int_equal(watcher.result.code, ERR_NONE);
    assert_int_equal(other.fired, 0);
    model_append(kit, "a", 4, 1);
    kit_settle(kit);
    assert_int_equal(watcher.fired, 1);
    assert_int_equal(stats_of(kit).ring_bytes, 0); /* Nothing is serialised for watches. */
    hub_watch_stop(&watcher.watch);
    hub_watch_stop(&other.watch);
    hub_watch_stop(&other.watch);
    hub_watch_stop(&(struct hub_watch){0});
}

static void a_watch_does_not_miss_what_was_committed_before_it_began(void **state) {
    struct kit *kit = *state;
    struct watcher watcher = {0}, second = {0};
    model_append(kit, "a", 1, 2); /* The caller had read up to 1; nobody followed then. */
    start_watch(kit, &watcher, "a", 1);
    kit_settle(kit);
    assert_int_equal(watcher.fired, 1);
    struct follower follower = {.greedy = true};
    follow(kit, &follower, "a", 0);
    kit_settle(kit);
    uint64_t pages = stats_of(kit).pages_read;
    start_watch(kit, &second, "a", 1); /* The hub knows without asking. */
    kit_settle(kit);
    assert_int_equal(second.fired, 1);
    assert_int_equal(stats_of(kit).pages_read, pages);
    unfollow(&follower);
}

static void a_watch_fires_when_all_behind_its_cursor_was_pruned(void **state) {
    struct kit *kit = *state;
    struct watcher watcher = {0};
    model_append(kit, "a", 1, 5);
    kit_prune(kit, "a", 5);
    start_watch(kit, &watcher, "a", 2);
    kit_settle(kit);
    assert_int_equal(watcher.fired, 1);
}

static void a_watch_ahead_of_its_stream_says_so(void **state) {
    struct watcher watcher = {0};
    start_watch(*state, &watcher, "a", 7);
    kit_settle(*state);
    assert_int_equal(watcher.fired, 1);
    assert_int_equal(watcher.result.code, ERR_CURSOR_AHEAD);
}

static void a_watch_may_start_again_inside_its_own_call(void **state) {
    struct kit *kit = *state;
    struct watcher watcher = {.again = true};
    start_watch(kit, &watcher, "a", 0);
    kit_settle(kit);
    for (unsigned i = 1; i <= 3; i++) {
        model_append(kit, "a", i, 1);
        kit_settle(kit);
        assert_int_equal(watcher.fired, i);
    }
    hub_watch_stop(&watcher.watch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_have_the_bytes_that_their_formats_prescribe),
        cmocka_unit_test(a_subscriber_and_a_watch_are_small),
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, open_kit, close_kit)
        KIT_TEST(a_follower_gets_what_was_there_and_what_comes),
        KIT_TEST(a_stream_that_does_not_exist_yet_is_followed_from_its_first_event),
        KIT_TEST(from_the_end_only_new_events_come),
        KIT_TEST(a_cursor_ahead_of_the_stream_is_told),
        KIT_TEST(the_events_of_another_owner_stay_with_their_owner),
        KIT_TEST(ready_is_called_once_for_each_wait_and_never_inside_a_call),
        KIT_TEST(events_of_several_commits_are_pulled_as_one_piece),
        KIT_TEST(two_formats_of_one_stream_are_served_side_by_side),
        KIT_TEST(a_stream_without_followers_keeps_nothing),
        KIT_TEST(a_cursor_below_the_floor_gets_a_snapshot_and_all_that_is_left),
        KIT_TEST(a_snapshot_comes_even_if_the_ring_still_holds_what_was_pruned),
        KIT_TEST(a_snapshot_is_sent_to_whoever_asks),
        KIT_TEST(a_watch_fires_once_when_the_stream_passes_its_cursor),
        KIT_TEST(a_watch_does_not_miss_what_was_committed_before_it_began),
        KIT_TEST(a_watch_fires_when_all_behind_its_cursor_was_pruned),
        KIT_TEST(a_watch_ahead_of_its_stream_says_so),
        KIT_TEST(a_watch_may_start_again_inside_its_own_call),
#undef KIT_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
