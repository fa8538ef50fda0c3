/* Home: which places are the same, and what a database says of its own. */
#include "runs_kit.h"

#include "engine/base/home.h"

static bool alike(const char *stored, const char *ours) {
    struct home_places places = {.stored = {stored, strlen(stored)}, .ours = {ours, strlen(ours)}};
    return home_same(&places);
}

static void a_place_is_the_machine_and_the_folder(void **state) {
    (void)state;
    assert_true(alike("abc/12", "abc/12"));
    assert_false(alike("abc/12", "abc/13"));
    assert_false(alike("abc/12", "abd/12"));
    assert_false(alike("abc/12", "abc/1"));
}

static void what_a_system_does_not_have_is_not_compared(void **state) {
    (void)state;
    assert_true(alike("/12", "abc/12"));
    assert_true(alike("abc/12", "/12"));
    assert_false(alike("/12", "abc/13"));
}

static void a_machine_that_has_no_id_yet_is_not_compared(void **state) {
    (void)state;
    assert_true(alike("uninitialized/12", "abc/12"));
    assert_true(alike("abc/12", "uninitialized/12"));
    assert_false(alike("uninitialized/12", "abc/13"));
}

static void an_id_tells_machines_of_one_image_from_each_other(void **state) {
    (void)state;
    assert_true(alike("abc/12/0f", "abc/12/0f"));
    assert_false(alike("abc/12/0f", "abc/12/0e"));
    assert_false(alike("abc/12/0f", "abc/13/0f"));
    assert_false(alike("abc/12/0f", "abd/12/0f"));
    assert_true(alike("abc/12", "abc/12/0f")); /* Of an older version. */
    assert_true(alike("abc/12/0f", "abc/12"));
    assert_false(alike("abc/13", "abc/12/0f"));
    assert_true(alike("uninitialized/12/0f", "abc/12/0f"));
}

static void the_older_name_of_a_place_has_no_id(void **state) {
    (void)state;
    struct bytes older = home_without_id(BYTES("abc/12/0f"));
    assert_int_equal(older.len, strlen("abc/12"));
    assert_memory_equal(older.data, "abc/12", older.len);
    assert_int_equal(home_without_id(BYTES("abc/12")).len, 0);
    assert_int_equal(home_without_id(BYTES("restored")).len, 0);
}

static void a_word_is_no_place(void **state) {
    (void)state;
    assert_false(alike("restored", "abc/12"));
    assert_false(alike("", "abc/12"));
}

struct home_call {
    struct kit_call call;
    const char *place;
    struct home_found found;
};

static struct err find(struct tx *tx, void *ctx) {
    struct home_call *call = ctx;
    return tx_home_find(tx, (struct bytes){call->place, strlen(call->place)}, &call->found);
}

static struct err take(struct tx *tx, void *ctx) {
    struct home_call *call = ctx;
    return tx_home_take(tx, (struct bytes){call->place, strlen(call->place)});
}

static enum home found(struct runs_kit *runs, const char *place) {
    struct home_call call = {.place = place};
    assert_int_equal(kit_write(&runs->kit, find, &call.call).code, ERR_NONE);
    return call.found.home;
}

static void a_new_database_is_at_home_and_elsewhere_only_once_released(void **state) {
    struct runs_kit *runs = *state;
    assert_int_equal(found(runs, "abc/12"), HOME_OURS);
    assert_int_equal(found(runs, "abc/13"), HOME_OTHER);
    assert_int_equal(found(runs, "abc/13"), HOME_OTHER); /* Looking is not releasing. */
    assert_int_equal(found(runs, "abc/12"), HOME_OURS);
    struct home_call call = {.place = "abc/13"};
    assert_int_equal(kit_write(&runs->kit, take, &call.call).code, ERR_NONE);
    assert_int_equal(found(runs, "abc/13"), HOME_OURS);
    assert_int_equal(found(runs, "abc/12"), HOME_OTHER);
}

static void an_id_that_comes_late_is_taken_up_and_then_tells_copies(void **state) {
    struct runs_kit *runs = *state;
    static const char *const before[] = {"uninitialized/12", "/12"};
    for (size_t i = 0; i < COUNT_OF(before); i++) {
        struct home_call call = {.place = before[i]};
        assert_int_equal(kit_write(&runs->kit, take, &call.call).code, ERR_NONE);
        assert_int_equal(found(runs, before[i]), HOME_OURS);
        assert_int_equal(found(runs, "abc/12"), HOME_OURS);
        assert_int_equal(found(runs, "abd/12"), HOME_OTHER);
        assert_int_equal(found(runs, "/12"), HOME_OURS); /* Less is learned by nobody. */
        assert_int_equal(found(runs, "abd/12"), HOME_OTHER);
    }
}

static void the_id_of_a_directory_is_taken_up_by_an_older_database(void **state) {
    struct runs_kit *runs = *state;
    assert_int_equal(found(runs, "abc/12"), HOME_OURS);
    assert_int_equal(found(runs, "abc/12/0f"), HOME_OURS);
    assert_int_equal(found(runs, "abc/12/0e"), HOME_OTHER);
    assert_int_equal(found(runs, "abc/12/0f"), HOME_OURS);
}

static int64_t since_epoch(struct runs_kit *runs, const char *place) {
    struct home_call call = {.place = place};
    assert_int_equal(kit_write(&runs->kit, find, &call.call).code, ERR_NONE);
    return call.found.since_epoch;
}

/* Also for the daemons after the one that was released: a crash must not take the doubt away. */
static void what_is_doubted_after_a_release_stays_doubted(void **state) {
    struct runs_kit *runs = *state;
    assert_int_equal(since_epoch(runs, "abc/12"), 0);
    runs_restart(runs);
    int64_t epoch = store_epoch(runs->kit.store);
    assert_int_equal(since_epoch(runs, "abc/13"), epoch);
    struct home_call call = {.place = "abc/13"};
    assert_int_equal(kit_write(&runs->kit, take, &call.call).code, ERR_NONE);
    assert_int_equal(since_epoch(runs, "abc/13"), epoch);
    runs_restart(runs);
    assert_int_equal(store_epoch(runs->kit.store), epoch + 1);
    assert_int_equal(since_epoch(runs, "abc/13"), epoch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_the_machine_and_the_folder),
        cmocka_unit_test(what_a_system_does_not_have_is_not_compared),
        cmocka_unit_test(a_machine_that_has_no_id_yet_is_not_compared),
        cmocka_unit_test(an_id_tells_machines_of_one_image_from_each_other),
        cmocka_unit_test(the_older_name_of_a_place_has_no_id),
        cmocka_unit_test(a_word_is_no_place),
        cmocka_unit_test_setup_teardown(the_id_of_a_directory_is_taken_up_by_an_older_database,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(an_id_that_comes_late_is_taken_up_and_then_tells_copies,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_new_database_is_at_home_and_elsewhere_only_once_released,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(what_is_doubted_after_a_release_stays_doubted, runs_begin,
                                        runs_end),
    };
    return cmocka_run_group_tests_name("home", tests, NULL /* no group fixture */, NULL);
}
