/* The hub and the journal where the store or the memory says no. */
#include "hub_follower.h"

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

/* --- A store that says no --------------------------------------------------------------------- */

static unsigned failures; /* The next reads of a stream fail so often, with that code. */
static enum err_code failure;

struct err __real_tx_stream_find(struct tx *tx, struct bytes owner, struct bytes name,
                                 bool *ret_found, struct stream_state *ret_state);
struct err __wrap_tx_stream_find(struct tx *tx, struct bytes owner, struct bytes name,
                                 bool *ret_found, struct stream_state *ret_state);
struct err __wrap_tx_stream_find(struct tx *tx, struct bytes owner, struct bytes name,
                                 bool *ret_found, struct stream_state *ret_state) {
    if (failures > 0) {
        failures--;
        return err_make(failure, "test: find");
    }
    return __real_tx_stream_find(tx, owner, name, ret_found, ret_state);
}

static void a_follower_whose_page_cannot_be_read_is_told_why(void **state) {
    struct kit *kit = *state;
    failures = 1;
    failure = ERR_STORE_IO;
    struct follower follower = {.greedy = true};
    follow(kit, &follower, "a", 0);
    kit_settle(kit);
    assert_true(follower.gone);
    assert_int_equal(follower.subscriber.err.code, ERR_STORE_IO);
    unfollow(&follower);
    follow(kit, &follower, "a", 0);
    kit_settle(kit);
    assert_false(follower.gone);
    unfollow(&follower);
}

static void a_page_that_met_an_overloaded_store_is_read_again_later(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 3);
    failures = 3;
    failure = ERR_OVERLOADED;
    struct follower follower = {.greedy = true}, impatient = {.greedy = true};
    follow(kit, &follower, "a", 0);
    follow(kit, &impatient, "a", 1);
    kit_settle(kit);
    unfollow(&impatient);
    while (follower.seq < 3) {
        kit_settle(kit);
        assert_false(follower.gone);
    }
    assert_int_equal(failures, 0);
    unfollow(&follower);
}

/* --- Memory that is not there ----------------------------------------------------------------- */

enum { LARGE = 2048 }; /* Sizes that our own code chose are smaller, and are always served. */

static bool no_memory;
static unsigned refused;

void *__real_mem_try(size_t size);
void *__wrap_mem_try(size_t size);
void *__wrap_mem_try(size_t size) {
    if (no_memory && size >= LARGE) {
        refused++;
        return NULL;
    }
    return __real_mem_try(size);
}

void *__real_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try_grow(void *old, size_t size) {
    if (no_memory && size >= LARGE) {
        refused++;
        return NULL;
    }
    return __real_mem_try_grow(old, size);
}

static void deliver_without_memory(struct kit *kit) {
    no_memory = true;
    kit_release(kit, SIZE_MAX);
    no_memory = false;
    assert_true(refused > 0);
    refused = 0;
}

static void an_event_that_the_ring_has_no_memory_for_comes_from_the_store(void **state) {
    struct kit *kit = *state;
    struct follower follower = {.greedy = true};
    follow(kit, &follower, "a", 0);
    kit_settle(kit);
    for (int i = 0; i < 3; i++) {
        kit->holding = true;
        model_append(kit, "a", 1 + i * 100, 100);
        deliver_without_memory(kit);
        kit->holding = false;
        kit_settle(kit);
        assert_int_equal(follower.seq, 100 + i * 100);
    }
    model_append(kit, "a", 301, 10);
    kit_settle(kit);
    assert_int_equal(follower.seq, 310);
    assert_true(stats_of(kit).ring_bytes > 0);
    unfollow(&follower);
}

static void a_follower_whose_page_has_no_memory_is_told_and_may_come_again(void **state) {
    struct kit *kit = *state;
    model_append(kit, "a", 1, 200);
    struct follower follower = {.greedy = true};
    follow(kit, &follower, "a", 0);
    no_memory = true;
    kit_settle(kit);
    no_memory = false;
    assert_true(refused > 0);
    refused = 0;
    assert_true(follower.gone);
    assert_int_equal(follower.subscriber.err.code, ERR_OUT_OF_MEMORY);
    unfollow(&follower);
    follow(kit, &follower, "a", 0);
    kit_settle(kit);
    assert_int_equal(follower.seq, 200);
    unfollow(&follower);
}

static void an_append_that_has_no_memory_is_refused_and_changes_nothing(void **state) {
    struct kit *kit = *state;
    static char large[100000];
    memset(large, '1', sizeof large);
    struct kit_append append = {.append = {.owner = BYTES("ann"),
                                           .stream = BYTES("a"),
                                           .type = BYTES("tick"),
                                           .data = {large, sizeof large}}};
    no_memory = true;
    struct err err = kit_write(kit, kit_append_tx, &append.call);
    no_memory = false;
    assert_int_equal(err.code, ERR_OUT_OF_MEMORY);
    refused = 0;
    kit_check(kit_write(kit, kit_append_tx, &append.call));
    assert_int_equal(append.appended.seq, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, open_kit, close_kit)
        KIT_TEST(a_follower_whose_page_cannot_be_read_is_told_why),
        KIT_TEST(a_page_that_met_an_overloaded_store_is_read_again_later),
        KIT_TEST(an_event_that_the_ring_has_no_memory_for_comes_from_the_store),
        KIT_TEST(a_follower_whose_page_has_no_memory_is_told_and_may_come_again),
        KIT_TEST(an_append_that_has_no_memory_is_refused_and_changes_nothing),
#undef KIT_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
