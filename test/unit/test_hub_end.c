/* The end of a stream, as the hub tells of it: on every path, once all of it was handed out. */
#include "hub_follower.h"

static int open_kit(void **state) {
    struct kit *kit = kit_new(STORE_INLINE, NULL);
    kit->clock_ms = CLOCK_MS;
    *state = kit;
    return 0;
}

static int close_kit(void **state) {
    kit_free(*state);
    return 0;
}

struct model_last {
    struct kit_call call;
    int64_t seq;
};

static struct err model_last_tx(struct tx *tx, void *ctx) {
    struct model_last *last = ctx;
    static char data[256];
    size_t len = model_data("a", last->seq, 0, data, sizeof data);
    const struct append what = {.owner = BYTES("ann"),
                                .stream = BYTES("a"),
                                .type = BYTES("tick"),
                                .data = {data, len},
                                .last = true};
    struct appended appended;
    return tx_append(tx, &what, &appended);
}

static void end_stream(struct kit *kit, int64_t seq) {
    struct model_last last = {.seq = seq};
    kit_check(kit_write(kit, model_last_tx, &last.call));
}

static void an_ended_stream_gives_its_tail_and_then_says_so(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 3);
    end_stream(kit, 4);
    for (int64_t after = 0; after <= 4; after += 2) {
        struct follower follower = {.subscriber.format = HUB_WS};
        follow(kit, &follower, "a", after);
        kit_settle(kit);
        enum hub_pull pull = HUB_PIECE;
        while (pull == HUB_PIECE) {
            pull = follower_pull(&follower);
            kit_settle(kit);
        }
        assert_int_equal(follower.seq, 4);
        assert_int_equal(follower_pull(&follower), HUB_DONE);
        assert_int_equal(follower_pull(&follower), HUB_DONE); /* However often one asks. */
        unfollow(&follower);
    }
    struct follower ahead = {.subscriber.format = HUB_SSE};
    follow(kit, &ahead, "a", 5);
    kit_settle(kit);
    assert_int_equal(follower_pull(&ahead), HUB_GONE);
    assert_int_equal(ahead.subscriber.err.code, ERR_CURSOR_AHEAD);
    unfollow(&ahead);
    struct follower newest = {.subscriber.format = HUB_SSE};
    follow(kit, &newest, "a", -1);
    kit_settle(kit);
    assert_int_equal(follower_pull(&newest), HUB_DONE);
    unfollow(&newest);
}

static void who_waits_hears_of_the_end_with_the_last_event(void **state) {
    struct kit *kit = *state;
    struct follower follower = {.subscriber.format = HUB_SSE};
    model_append(kit, "a", 1, 1);
    follow(kit, &follower, "a", 0);
    kit_settle(kit);
    follower_pull_all(&follower);
    assert_int_equal(follower_pull(&follower), HUB_WAIT);
    end_stream(kit, 2);
    kit_settle(kit);
    assert_true(follower.ready);
    assert_int_equal(follower_pull(&follower), HUB_PIECE);
    assert_int_equal(follower.seq, 2);
    assert_int_equal(follower_pull(&follower), HUB_DONE);
    struct follower second = {.subscriber.format = HUB_SSE}; /* What the hub knows is enough. */
    follow(kit, &second, "a", 2);
    kit_settle(kit);
    assert_int_equal(follower_pull(&second), HUB_DONE);
    unfollow(&second);
    unfollow(&follower);
}

static void nothing_comes_behind_the_end(void **state) {
    struct kit *kit = *state;
    end_stream(kit, 1);
    struct model_last more = {.seq = 2};
    assert_int_equal(kit_write(kit, model_last_tx, &more.call).code, ERR_CONFLICT);
    assert_int_equal(kit_state(kit, "a").head, 1);
    assert_true(kit_state(kit, "a").ended);
}

struct watcher {
    struct hub_watch watch;
    unsigned fired;
    struct err result;
};

static void fired(struct hub_watch *watch, struct err result) {
    struct watcher *watcher = CONTAINER_OF(watch, struct watcher, watch);
    watcher->fired++;
    watcher->result = result;
}

static void start_watch(struct kit *kit, struct watcher *watcher, int64_t after) {
    const struct hub_subscribe what = {.owner = BYTES("ann"), .name = BYTES("a"), .after = after};
    hub_watch_start(kit->hub, &what, &watcher->watch, fired);
}

static void a_watch_of_an_ended_stream_fires(void **state) {
    struct kit *kit = *state;
    struct watcher early = {0}, late = {0};
    model_append(kit, "a", 1, 1);
    start_watch(kit, &early, 1);
    kit_settle(kit);
    end_stream(kit, 2);
    kit_settle(kit);
    assert_int_equal(early.fired, 1);
    start_watch(kit, &late, 2);
    kit_settle(kit);
    assert_int_equal(late.fired, 1);
    assert_int_equal(late.result.code, ERR_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_ended_stream_gives_its_tail_and_then_says_so, open_kit,
                                        close_kit),
        cmocka_unit_test_setup_teardown(who_waits_hears_of_the_end_with_the_last_event, open_kit,
                                        close_kit),
        cmocka_unit_test_setup_teardown(nothing_comes_behind_the_end, open_kit, close_kit),
        cmocka_unit_test_setup_teardown(a_watch_of_an_ended_stream_fires, open_kit, close_kit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
