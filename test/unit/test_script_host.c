/* The processes of workflow workers: their ends, closing, pausing. With a toy for a body. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script_kit.h"

/* --- Ends ------------------------------------------------------------------------------------- */

static void the_exit_code_is_told(void **state) {
    struct ear ear;
    ear_start(&ear, *state);
    ear_tell(&ear, "x7");
    ear_wait_end(&ear, SCRIPT_EXITED);
    assert_int_equal(ear.end.number, 7);
    ear_done(&ear);
}

static void a_crash_is_told_with_its_signal(void **state) {
    struct ear ear;
    ear_start(&ear, *state);
    ear_tell(&ear, "a");
    ear_wait_end(&ear, SCRIPT_CRASHED);
    assert_int_equal(ear.end.number, SIGSEGV);
    ear_done(&ear);
}

static void a_kill_from_outside_is_told(void **state) {
    struct ear ear;
    pid_t pid = 0;
    ear_start(&ear, *state);
    ear_ask(&ear, "e");
    assert_int_equal(count_workers(&pid), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    ear_wait_end(&ear, SCRIPT_CRASHED);
    assert_int_equal(ear.end.number, SIGKILL);
    ear_done(&ear);
}

static void what_it_said_before_its_end_is_heard_before(void **state) {
    for (unsigned i = 0; i < 10; i++) {
        struct ear ear;
        ear_start(&ear, *state);
        ear_tell(&ear, "n1000");
        ear_tell(&ear, "b200000");
        ear_tell(&ear, "x0");
        ear_tell(&ear, "enobody reads this"); /* So that the socket ends as a broken one. */
        ear_wait_end(&ear, SCRIPT_EXITED);
        assert_int_equal(ear.frames, 1001);
        assert_int_equal(ear.len, 200000);
        ear_done(&ear);
    }
}

static void a_part_of_a_frame_is_not_heard(void **state) {
    struct ear ear;
    ear_start(&ear, *state);
    ear_tell(&ear, "h5");
    ear_wait_end(&ear, SCRIPT_CRASHED);
    assert_int_equal(ear.frames, 0);
    ear_done(&ear);
}

static void one_that_computes_for_too_long_is_killed(void **state) {
    const struct script_bounds bounds = {.cpu_ms = 1};
    struct ear ear, quiet;
    ear_start_bound(&ear, *state, &bounds);
    ear_start_bound(&quiet, *state, &bounds);
    ear_ask(&quiet, "e");
    script_busy(quiet.worker);
    script_busy(ear.worker);
    ear_tell(&ear, "s");
    ear_wait_end(&ear, SCRIPT_STUCK);
    ear_ask(&quiet, "estill here"); /* It was as busy, and used no time. */
    script_rest(quiet.worker);
    ear_done(&ear);
    ear_done(&quiet);
}

static void one_that_rests_is_not_watched(void **state) {
    const struct script_bounds bounds = {.cpu_ms = 1};
    struct ear resting, busy;
    ear_start_bound(&resting, *state, &bounds);
    ear_start_bound(&busy, *state, &bounds);
    script_busy(resting.worker);
    script_busy(busy.worker);
    script_busy(resting.worker); /* Once more is once. */
    script_rest(resting.worker);
    ear_tell(&resting, "s");
    ear_tell(&busy, "s");
    ear_wait_end(&busy, SCRIPT_STUCK); /* By then the other has had as much. */
    assert_false(resting.ended);
    ear_done(&resting);
    ear_done(&busy);
}

static void memory_has_its_bound(void **state) {
    const struct script_bounds bounds = {.memory_max = 512 << 20, .cpu_ms = 1000};
    struct ear ear;
    ear_start_bound(&ear, *state, &bounds);
    ear_ask(&ear, "m");
    long megabytes = strtol(ear.last, NULL, 10);
    assert_in_range(megabytes, 300, 400); /* The toy itself has taken 128. */
    ear_done(&ear);
}

/* --- Closing ---------------------------------------------------------------------------------- */

static void nothing_is_heard_after_a_close_from_within(void **state) {
    struct ear ear, other;
    pid_t pid = 0;
    ear_start(&ear, *state);
    ear.at_frame = EAR_CLOSES;
    ear_tell(&ear, "n100");
    ear_wait(&ear);
    assert_int_equal(ear.frames, 1);
    ear_start(&other, *state);
    ear_ask(&other, "e");
    ear_ask(&other, "e");
    assert_int_equal(ear.frames, 1);
    assert_false(ear.ended);
    while (count_workers(&pid) > 1) { /* The closed one was killed; its end takes a moment. */
        ear_ask(&other, "e");
    }
    ear_done(&ear);
    ear_done(&other);
}

static void a_close_at_the_end_is_harmless(void **state) {
    struct ear ear;
    ear_start(&ear, *state);
    ear.closes_at_end = true;
    ear_tell(&ear, "x0");
    ear_wait_end(&ear, SCRIPT_EXITED);
    assert_int_equal(ear.ends, 0);
    ear_done(&ear);
}

static void one_that_is_closed_before_its_birth_does_not_live(void **state) {
    struct pen *pen = *state;
    struct ear ears[40], last;
    pid_t pid = 0;
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        ear_start(&ears[i], pen);
        ear_tell(&ears[i], "s");
        if (i % 4 == 0) {
            script_close(ears[i].worker); /* Before anybody was asked. */
            ears[i].worker = NULL;
        }
    }
    pen_turn(pen);
    for (size_t i = COUNT_OF(ears); i-- > 0;) {
        ear_done(&ears[i]); /* From behind: out of the middle of those that wait. */
    }
    ear_start(&last, pen);
    ear_ask(&last, "e");
    while (count_workers(&pid) > 1) {
        ear_ask(&last, "e");
    }
    ear_done(&last);
}

static void closing_all_of_it_ends_zygote_and_workers(void **state) {
    struct pen *pen = *state;
    struct ear ears[3];
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        ear_start(&ears[i], pen);
    }
    ear_ask(&ears[0], "e");
    pid_t zygote = find_zygote(), worker = 0;
    assert_true(count_workers(&worker) >= 1);
    scripts_close(pen->scripts);
    pen->scripts = NULL;
    wait_until_gone(worker);
    wait_until_gone(zygote);
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        assert_false(ears[i].ended);
        ears[i].worker = NULL;
        ear_done(&ears[i]);
    }
}

static void descriptors_do_not_add_up(void **state) {
    struct pen *pen = *state;
    struct ear ear, stays;
    ear_start(&stays, pen);
    ear_ask(&stays, "e");
    unsigned before = count_descriptors();
    for (unsigned i = 0; i < 100; i++) {
        ear_start(&ear, pen);
        if (i % 3 == 0) {
            ear_tell(&ear, "x0");
            ear_wait_end(&ear, SCRIPT_EXITED);
        } else if (i % 3 == 1) {
            ear_ask(&ear, "e");
        }
        ear_done(&ear);
    }
    struct scripts_stats stats;
    do {
        ear_ask(&stays, "e");
        scripts_get_stats(pen->scripts, &stats);
    } while (count_descriptors() > before);
    assert_int_equal(stats.live, 1);
    assert_int_equal(stats.started, 101);
    assert_int_equal(stats.zygotes, 1);
    ear_done(&stays);
}

/* --- Given back ------------------------------------------------------------------------------- */

static const struct script_bounds anns = {.cpu_ms = 1000, .owner = {"ann", 3}};
static const struct script_bounds bobs = {.cpu_ms = 1000, .owner = {"bob", 3}};

/* A script that is given back at its second frame: how many its process has run, "a" for the first.
 */
static char run_and_give_back(struct pen *pen, const struct script_bounds *bounds,
                              const char *order) {
    struct ear ear;
    ear_start_bound(&ear, pen, bounds);
    ear_ask(&ear, "q");
    const char which = ear.last[0];
    ear.at_frame = EAR_GIVES_BACK;
    ear_ask(&ear, order);
    ear_done(&ear);
    return which;
}

static uint64_t live_of(const struct pen *pen) {
    struct scripts_stats stats;
    scripts_get_stats(pen->scripts, &stats);
    return stats.live;
}

static void the_next_script_of_an_owner_has_the_same_process(void **state) {
    struct pen *pen = *state;
    for (char which = 'a'; which <= 'e'; which++) {
        assert_int_equal(run_and_give_back(pen, &anns, "e"), which);
        assert_int_equal(live_of(pen), 0);
    }
    struct ear ear, other;
    ear_start_bound(&ear, pen, &anns);
    ear_start_bound(&other, pen, &anns);
    assert_int_equal(live_of(pen), 2);
    ear_ask(&ear, "q");
    ear_ask(&other, "q");
    ear_expect(&ear, "f");
    ear_expect(&other, "a");
    ear_tell(&ear, "x7");
    ear_wait_end(&ear, SCRIPT_EXITED);
    assert_int_equal(ear.end.number, 7);
    ear_done(&ear);
    ear_done(&other);
}

static void no_script_has_the_process_of_another_owner(void **state) {
    static const struct script_bounds nobodys = {.cpu_ms = 1000}, small = {.memory_max = 512 << 20,
                                                                           .cpu_ms = 1000,
                                                                           .owner = {"ann", 3}};
    struct pen *pen = *state;
    assert_int_equal(run_and_give_back(pen, &anns, "e"), 'a');
    assert_int_equal(run_and_give_back(pen, &bobs, "e"), 'a');
    assert_int_equal(run_and_give_back(pen, &nobodys, "e"), 'a');
    assert_int_equal(run_and_give_back(pen, &nobodys, "e"), 'a'); /* The first was for no other. */
    assert_int_equal(run_and_give_back(pen, &small, "e"), 'a');
    assert_int_equal(run_and_give_back(pen, &bobs, "e"), 'b');
    assert_int_equal(run_and_give_back(pen, &anns, "e"), 'b');
}

/* n3 says three frames: it is given back at the first. */
static void who_says_more_after_its_end_is_not_used_again(void **state) {
    struct pen *pen = *state;
    assert_int_equal(run_and_give_back(pen, &anns, "n3"), 'a');
    assert_int_equal(run_and_give_back(pen, &anns, "e"), 'a');
}

static void one_that_dies_at_rest_is_missed_by_nobody(void **state) {
    struct pen *pen = *state;
    pid_t pid = 0;
    assert_int_equal(run_and_give_back(pen, &anns, "e"), 'a');
    assert_int_equal(count_workers(&pid), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    wait_until_gone(pid);
    assert_int_equal(run_and_give_back(pen, &bobs, "e"), 'a'); /* The loop turns. */
    assert_int_equal(run_and_give_back(pen, &anns, "e"), 'a');
}

static void nobody_rests_for_long(void **state) {
    struct pen *pen = *state;
    pid_t pid = 0;
    assert_int_equal(run_and_give_back(pen, &anns, "e"), 'a');
    while (count_workers(&pid) > 0) {
        pen_turn(pen);
    }
}

static void only_some_rest(void **state) {
    enum { MANY = 40, SOME = 32 };
    struct pen *pen = *state;
    struct ear ears[MANY];
    pid_t pid = 0;
    for (size_t i = 0; i < MANY; i++) {
        ear_start_bound(&ears[i], pen, &anns);
        ear_ask(&ears[i], "e");
    }
    for (size_t i = 0; i < MANY; i++) {
        ears[i].at_frame = EAR_GIVES_BACK;
        ear_ask(&ears[i], "e");
        ear_done(&ears[i]);
    }
    struct ear last;
    ear_start_bound(&last, pen, &bobs);
    while (count_workers(&pid) > SOME + 1) {
        ear_ask(&last, "e");
    }
    ear_done(&last);
}

/* --- Pausing ---------------------------------------------------------------------------------- */

static void pause_and_resume(struct pen *pen, const char *order, size_t len) {
    struct ear ear, other;
    ear_start(&ear, pen);
    ear_start(&other, pen);
    ear.at_frame = EAR_PAUSES;
    ear_tell(&ear, order);
    ear_tell(&ear, "ebehind");
    ear_tell(&ear, "x0");
    ear_wait(&ear);
    for (unsigned i = 0; i < 20; i++) {
        ear_ask(&other, "ethe shared buffer is used by others");
    }
    assert_int_equal(ear.frames, 1);
    assert_false(ear.ended);
    assert_int_equal(ear.paused.len, len);
    assert_memory_equal(ear.paused.data, ear.last, len);
    ear.at_frame = EAR_NOTHING;
    script_resume(ear.worker);
    assert_int_equal(ear.frames, 1);
    ear_wait_end(&ear, SCRIPT_EXITED);
    assert_int_equal(ear.frames, 2);
    ear_expect(&ear, "ebehind");
    ear_done(&ear);
    ear_done(&other);
}

static void a_frame_lives_while_reading_is_paused(void **state) {
    pause_and_resume(*state, "eshort", 6);
    pause_and_resume(*state, "b3000000", 3000000);
}

static void one_that_is_paused_can_be_closed(void **state) {
    struct ear ear;
    ear_start(&ear, *state);
    ear.at_frame = EAR_PAUSES;
    ear_ask(&ear, "n50");
    ear_done(&ear);
    ear_start(&ear, *state);
    ear_ask(&ear, "e");
    ear_done(&ear);
}

#define PEN(test) cmocka_unit_test_setup_teardown(test, pen_open, pen_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        PEN(the_exit_code_is_told),
        PEN(a_crash_is_told_with_its_signal),
        PEN(a_kill_from_outside_is_told),
        PEN(what_it_said_before_its_end_is_heard_before),
        PEN(a_part_of_a_frame_is_not_heard),
        PEN(one_that_computes_for_too_long_is_killed),
        PEN(one_that_rests_is_not_watched),
        PEN(memory_has_its_bound),
        PEN(nothing_is_heard_after_a_close_from_within),
        PEN(a_close_at_the_end_is_harmless),
        PEN(one_that_is_closed_before_its_birth_does_not_live),
        PEN(closing_all_of_it_ends_zygote_and_workers),
        PEN(descriptors_do_not_add_up),
        PEN(the_next_script_of_an_owner_has_the_same_process),
        PEN(no_script_has_the_process_of_another_owner),
        PEN(who_says_more_after_its_end_is_not_used_again),
        PEN(one_that_dies_at_rest_is_missed_by_nobody),
        PEN(nobody_rests_for_long),
        PEN(only_some_rest),
        PEN(a_frame_lives_while_reading_is_paused),
        PEN(one_that_is_paused_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
