/* The holder's program: nothing of a command outlives its end, and nothing else is touched.
 *
 * kit_wait_result checks after each of these that no process of the command is left.
 */
/* links: base */
#include "holder_kit.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* A tool that left: another session, its parent gone, deaf to everything that can be ignored. */
#define LEAVE "(setsid sh -c 'trap \"\" TERM HUP INT; echo left; while :; do sleep 1; done' &) ; "

static void what_leaves_and_holds_the_output_ends_with_the_command(void **state) {
    const char *json = kit_run(*state, &(struct kit_order){.shell = LEAVE "echo main; exit 6"});
    kit_assert_text(json, "end", "exited");
    kit_assert_text(json, "why", "itself");
    assert_int_equal(kit_number(json, "code"), 6);
    assert_int_equal(kit_number(json, "left"), 0);
    assert_int_equal(kit_number(json, "out"), 10);
    assert_true(kit_number(json, "processes") >= 2);
}

static void what_leaves_without_a_trace_ends_with_the_command(void **state) {
    const char *json = kit_run(
        *state, &(struct kit_order){.shell = "(setsid sleep 40 >/dev/null 2>&1 </dev/null &) ; :"});
    assert_int_equal(kit_number(json, "code"), 0);
    assert_int_equal(kit_number(json, "left"), 0);
}

static void what_goes_on_for_a_moment_is_still_heard(void **state) {
    const char *json = kit_run(*state, &(struct kit_order){.shell = "(sleep 0.2; echo late) & :"});
    assert_int_equal(kit_number(json, "out"), 5);
    kit_assert_file(*state, "out.head", "late\n");
}

/* Starts the command and waits until it and what left it have spoken. */
static struct held *start(struct kit *kit, const struct kit_order *order, long said) {
    struct held *held = kit_start(kit, order);
    kit_wait_size(held, "out", said);
    return held;
}

static const char *stop(struct held *held, const char *words) {
    kit_say(held, words);
    const char *json = kit_wait_result(held);
    kit_assert_text(json, "why", "stopped");
    assert_int_equal(kit_number(json, "left"), 0);
    return json;
}

static void a_stop_asks_first(void **state) {
    struct kit_order order = {
        .shell = "trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.05; done"};
    const char *json = stop(start(*state, &order, 3), "stop 40000\n");
    kit_assert_text(json, "end", "exited");
    assert_int_equal(kit_number(json, "code"), 9);
    kit_assert_file(*state, "out.head", "up\nbye\n");
}

static void a_stop_ends_what_does_not_want_to(void **state) {
    struct kit_order order = {.shell = LEAVE
                              "trap '' TERM HUP INT; echo main; while :; do sleep 1; done"};
    const char *json = stop(start(*state, &order, 10), "stop 100\n");
    kit_assert_text(json, "end", "signaled");
    assert_int_equal(kit_number(json, "signal"), SIGKILL);
}

static void a_stop_reaches_what_is_stopped(void **state) {
    struct kit_order order = {.shell = LEAVE "echo main; kill -STOP $$"};
    const char *json = stop(start(*state, &order, 10), "stop 100\n");
    kit_assert_text(json, "end", "signaled");
    assert_int_equal(kit_number(json, "signal"), SIGTERM);
}

static void a_stop_reaches_grandchildren_of_grandchildren(void **state) {
    struct kit_order order = {.shell = "sh -c 'sh -c \"setsid sh -c \\\"trap : TERM; echo deep; "
                                       "sleep 40; sleep 40\\\"\" ; :' ; :"};
    (void)stop(start(*state, &order, 5), "stop 50\n");
}

static void a_second_stop_shortens_the_grace(void **state) {
    struct kit_order order = {.shell = "trap '' TERM; echo up; while :; do sleep 1; done"};
    struct held *held = start(*state, &order, 3);
    kit_say(held, "stop 50000\n");
    (void)stop(held, "stop 0\n");
}

static void sigterm_to_the_holder_is_a_stop(void **state) {
    struct kit_order order = {.shell = "echo up; while :; do sleep 1; done"};
    struct held *held = start(*state, &order, 3);
    for (int number = 1; number < SIGSYS; number++) {
        if (number != SIGKILL && number != SIGSTOP && number != SIGTERM) {
            assert_int_equal(kill(held->pid, number), 0); /* None of these matters to it. */
        }
    }
    kit_say(held, "status\n");
    assert_non_null(strstr(kit_wait_line(held, "status "), "alive=1"));
    assert_int_equal(kill(held->pid, SIGTERM), 0);
    kit_assert_text(kit_wait_result(held), "why", "stopped");
}

static void the_timeout_stops_the_tree(void **state) {
    struct kit_order order = {.shell = LEAVE "trap '' TERM; while :; do sleep 1; done",
                              .timeout_ms = 300,
                              .grace_ms = 100};
    const char *json = kit_run(*state, &order);
    kit_assert_text(json, "why", "timed_out");
    kit_assert_text(json, "end", "signaled");
    assert_int_equal(kit_number(json, "signal"), SIGKILL);
    assert_int_equal(kit_number(json, "left"), 0);
}

/* At most 255 processes, so that a broken holder does not take the machine with it. */
#define BOMB "f() { if [ $1 -gt 0 ]; then f $(($1-1)) & f $(($1-1)) & fi; sleep 30; }; f 7"

static void a_fork_bomb_ends_at_the_limit(void **state) {
    const char *json = kit_run(*state, &(struct kit_order){.shell = BOMB, .processes_max = 20});
    kit_assert_text(json, "why", "processes");
    kit_assert_text(json, "end", "signaled");
    assert_true(kit_number(json, "processes") > 20);
    assert_int_equal(kit_number(json, "left"), 0);
}

static void below_the_limit_processes_live(void **state) {
    struct kit_order order = {.shell = "for i in 1 2 3 4; do sleep 40 & done; echo up; read line",
                              .processes_max = 20,
                              .flags = ORDER_INPUT_OPEN};
    struct held *held = start(*state, &order, 3);
    kit_say(held, "status\n");
    assert_non_null(strstr(kit_wait_line(held, "status "), "processes=5"));
    kit_say(held, "input 0 1\n\n");
    const char *json = kit_wait_result(held);
    kit_assert_text(json, "why", "itself");
    assert_int_equal(kit_number(json, "processes"), 5);
}

static void without_a_limit_processes_are_counted_while_it_runs(void **state) {
    const char *json =
        kit_run(*state, &(struct kit_order){.shell = "sleep 2 & sleep 2 & sleep 2 & wait"});
    assert_int_equal(kit_number(json, "processes"), 4);
}

static void what_outlives_the_command_is_counted_beside_it(void **state) {
    struct kit_order order = {.shell = "for i in 1 2 3; do sleep 40 & done; echo up; exit 5"};
    const char *json = kit_run(*state, &order);
    assert_int_equal(kit_number(json, "code"), 5);
    assert_int_equal(kit_number(json, "processes"), 4);
}

static void orphans_are_reaped_while_the_command_lives(void **state) {
    struct kit_order order = {
        .shell = "for i in 1 2 3 4 5 6 7 8; do (: &) ; done; echo up; read line; echo $?",
        .flags = ORDER_INPUT_OPEN};
    struct held *held = start(*state, &order, 3);
    for (;;) {
        kit_say(held, "status\n");
        if (strstr(kit_wait_line(held, "status "), "processes=1") != NULL) {
            break;
        }
        (void)poll(NULL, 0, 5);
    }
    kit_say(held, "stop 0\n");
    (void)kit_wait_result(held);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        KIT_TEST(what_leaves_and_holds_the_output_ends_with_the_command),
        KIT_TEST(what_leaves_without_a_trace_ends_with_the_command),
        KIT_TEST(what_goes_on_for_a_moment_is_still_heard),
        KIT_TEST(a_stop_asks_first),
        KIT_TEST(a_stop_ends_what_does_not_want_to),
        KIT_TEST(a_stop_reaches_what_is_stopped),
        KIT_TEST(a_stop_reaches_grandchildren_of_grandchildren),
        KIT_TEST(a_second_stop_shortens_the_grace),
        KIT_TEST(sigterm_to_the_holder_is_a_stop),
        KIT_TEST(the_timeout_stops_the_tree),
        KIT_TEST(a_fork_bomb_ends_at_the_limit),
        KIT_TEST(below_the_limit_processes_live),
        KIT_TEST(without_a_limit_processes_are_counted_while_it_runs),
        KIT_TEST(what_outlives_the_command_is_counted_beside_it),
        KIT_TEST(orphans_are_reaped_while_the_command_lives),
    };
    return cmocka_run_group_tests_name("holder_program_tree", tests, NULL, NULL);
}
