/* The holder's program: what a daemon says to it and hears from it. */
/* links: base */
#include "holder_kit.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* --- Input ----------------------------------------------------------------------------------- */

static void the_orders_input_arrives_whole_and_ends(void **state) {
    enum { SIZE = 3000000 };
    char *input = malloc(SIZE);
    assert_non_null(input);
    for (size_t i = 0; i < SIZE; i++) {
        input[i] = (char)(i * 7 % 251);
    }
    struct kit_order order = {.shell = "cat", .input = {input, SIZE}};
    const char *json = kit_run(*state, &order);
    assert_int_equal(kit_number(json, "in"), SIZE);
    assert_int_equal(kit_number(json, "out"), SIZE);
    size_t len;
    char *output = kit_file(*state, "out.head", &len);
    assert_int_equal(len, SIZE);
    assert_memory_equal(output, input, SIZE);
    free(output);
    free(input);
}

static void without_input_there_is_none(void **state) {
    (void)kit_run(*state, &(struct kit_order){.shell = "cat; echo end"});
    kit_assert_file(*state, "out.head", "end\n");
}

static void input_by_offset_is_written_once(void **state) {
    struct kit_order order = {
        .shell = "cat", .input = BYTES_INIT("abc"), .flags = ORDER_INPUT_OPEN};
    struct held *held = kit_start(*state, &order);
    kit_wait_size(held, "out", 3);
    kit_say(held, "input 3 3\ndef");
    kit_say(held, "input 1 7\nbcdefgh"); /* Five of them again. */
    kit_say(held, "input 0 2\nab");      /* All of them again. */
    kit_say(held, "input 10 2\nkl");     /* Two are missing. */
    assert_string_equal(kit_wait_line(held, "input_gap "), "8");
    kit_say(held, "input 8 4\nijkl");
    kit_say(held, "input_end 12\n");
    const char *json = kit_wait_result(held);
    assert_int_equal(kit_number(json, "in"), 12);
    kit_assert_file(*state, "out.head", "abcdefghijkl");
}

static void the_end_of_input_waits_for_what_is_missing(void **state) {
    struct held *held =
        kit_start(*state, &(struct kit_order){.shell = "cat", .flags = ORDER_INPUT_OPEN});
    kit_say(held, "input_end 4\ninput 0 2\nab");
    kit_wait_size(held, "out", 2);
    kit_say(held, "input 2 4\ncdXX"); /* Two are behind the end. */
    assert_int_equal(kit_number(kit_wait_result(held), "in"), 4);
    kit_assert_file(*state, "out.head", "abcd");
}

static void several_may_say_the_same_input(void **state) {
    struct held *held =
        kit_start(*state, &(struct kit_order){.shell = "cat", .flags = ORDER_INPUT_OPEN});
    (void)kit_wait_line(held, "claimed");
    struct held *other = kit_connect(*state);
    kit_say(held, "input 0 6\nabc"); /* Half of it. */
    kit_wait_size(held, "out", 3);
    kit_say(other, "input 0 6\nabcdef");
    kit_wait_size(other, "out", 6);
    kit_say(held, "def");
    kit_say(held, "input_end 6\n");
    assert_int_equal(kit_number(kit_wait_result(held), "in"), 6);
    kit_let_go(other);
    kit_assert_file(*state, "out.head", "abcdef");
}

static void a_reader_that_is_gone_counts_as_accepted(void **state) {
    struct kit_order order = {.shell = "exec <&-; echo up; while :; do sleep 1; done",
                              .flags = ORDER_INPUT_OPEN};
    struct held *held = kit_start(*state, &order);
    kit_wait_size(held, "out", 3);
    kit_say(held, "input 0 5\nhello");
    assert_string_equal(kit_wait_line(held, "accepted "), "5");
    kit_say(held, "input 5 5\nworld");
    assert_string_equal(kit_wait_line(held, "accepted "), "10");
    kit_say(held, "stop 0\n");
    assert_int_equal(kit_number(kit_wait_result(held), "in"), 10);
}

static void who_does_not_read_does_not_keep_a_stop_away(void **state) {
    enum { SIZE = PROTOCOL_INPUT_MAX };
    struct held *held = kit_start(*state, &(struct kit_order){.shell = "while :; do sleep 1; done",
                                                              .flags = ORDER_INPUT_OPEN});
    char *bytes = calloc(1, SIZE);
    assert_non_null(bytes);
    for (unsigned i = 0; i < 8; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "input %u %u\n", i * SIZE, (unsigned)SIZE);
        kit_say(held, line);
        kit_say_bytes(held, (struct bytes){bytes, SIZE});
    }
    free(bytes);
    kit_say(held, "stop 0\n");
    kit_assert_text(kit_wait_result(held), "why", "stopped");
}

static void what_had_no_room_is_asked_for_when_there_is(void **state) {
    enum { SIZE = PROTOCOL_INPUT_MAX, PIECES = 5 };
    struct held *held = kit_start(
        *state, &(struct kit_order){.shell = "read line; cat | wc -c", .flags = ORDER_INPUT_OPEN});
    char *bytes = calloc(1, SIZE);
    assert_non_null(bytes);
    bytes[0] = '\n';
    long have = 0, total = (long)SIZE * PIECES;
    while (have < total) {
        for (long at = have; at < total; at += SIZE) {
            char line[64];
            long len = total - at < SIZE ? total - at : SIZE;
            (void)snprintf(line, sizeof line, "input %ld %ld\n", at, len);
            kit_say(held, line);
            kit_say_bytes(held, (struct bytes){bytes, (size_t)len});
        }
        kit_say(held, "input 999999999 1\nx"); /* Asks where it stands, by a gap. */
        have = strtol(kit_wait_line(held, "input_gap "), NULL, 10);
    }
    free(bytes);
    char line[64];
    (void)snprintf(line, sizeof line, "input_end %ld\n", total);
    kit_say(held, line);
    assert_int_equal(kit_number(kit_wait_result(held), "in"), total);
    kit_assert_file(*state, "out.head", "327679\n");
}

/* --- Words ----------------------------------------------------------------------------------- */

static void a_new_connection_is_told_how_things_are(void **state) {
    struct kit_order order = {.shell = "echo hello; read line; echo more; read line",
                              .flags = ORDER_INPUT_OPEN};
    struct held *held = kit_start(*state, &order);
    kit_wait_size(held, "out", 6);
    struct held *later = kit_connect(*state);
    kit_say(later, "status\n");
    assert_string_equal(kit_wait_line(later, "status "),
                        "out=6 err=0 pty=0 in=0 alive=1 disk_full=0 processes=1");
    kit_say(later, "input 0 1\n\n");
    kit_wait_size(later, "out", 11);
    kit_wait_size(held, "out", 11);
    kit_say(later, "stop 0\n");
    (void)kit_wait_result(later);
    (void)kit_wait_result(held);
    kit_let_go(later);
}

static void unknown_words_are_skipped_and_nonsense_is_closed(void **state) {
    struct held *held =
        kit_start(*state, &(struct kit_order){.shell = "read line", .flags = ORDER_INPUT_OPEN});
    (void)kit_wait_line(held, "claimed");
    static const char *const nonsense[] = {
        "stop\n",
        "stop -1\n",
        "stop 1x\n",
        "input 0 65537\n",
        "input 9223372036854775807 1\n",
        "resize 70000 1\n",
        "input 0\n",
    };
    for (size_t i = 0; i < COUNT_OF(nonsense); i++) {
        struct held *other = kit_connect(*state);
        kit_say(other, nonsense[i]);
        assert_true(kit_is_closed(other));
        kit_let_go(other);
    }
    struct held *other = kit_connect(*state);
    char endless[PROTOCOL_LINE_MAX + 1];
    memset(endless, 'x', sizeof endless);
    kit_say_bytes(other, (struct bytes){endless, sizeof endless});
    assert_true(kit_is_closed(other));
    kit_let_go(other);
    kit_say(held, "dance 7\n\nstatus and more\n");
    assert_non_null(strstr(kit_wait_line(held, "status "), "alive=1"));
    kit_say(held, "stop 0\n");
    kit_assert_text(kit_wait_result(held), "why", "stopped");
}

static void more_than_it_serves_wait_for_a_place(void **state) {
    enum { MANY = 8 };
    struct held *held =
        kit_start(*state, &(struct kit_order){.shell = "read line", .flags = ORDER_INPUT_OPEN});
    (void)kit_wait_line(held, "claimed");
    struct held *others[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        others[i] = kit_connect(*state);
        kit_say(others[i], "status\n");
    }
    for (unsigned i = 0; i < MANY; i++) {
        (void)kit_wait_line(others[i], "status ");
        kit_let_go(others[i]);
    }
    kit_say(held, "input 0 1\n\n");
    assert_int_equal(kit_number(kit_wait_result(held), "code"), 0);
}

static void who_never_listens_holds_nobody_back(void **state) {
    struct kit_order order = {.shell = "read line; head -c 64000000 /dev/zero; exit 7",
                              .flags = ORDER_INPUT_OPEN,
                              .log_max = 1 << 20};
    struct held *held = kit_start(*state, &order);
    (void)kit_wait_line(held, "claimed");
    struct held *deaf = kit_connect(*state);
    for (unsigned i = 0; i < 20000; i++) { /* Far more answers than a socket holds. */
        kit_say(deaf, "status\n");
    }
    kit_say(held, "input 0 1\n\n");
    kit_wait_size(held, "out", 64000000);
    const char *json = kit_wait_result(held);
    assert_int_equal(kit_number(json, "code"), 7);
    assert_int_equal(kit_number(json, "out"), 64000000);
    kit_let_go(deaf);
}

static void who_wants_to_be_waited_for_says_bye(void **state) {
    struct held *held =
        kit_start(*state, &(struct kit_order){.shell = "read line", .flags = ORDER_INPUT_OPEN});
    kit_say(held, "keep\ninput 0 1\n\n");
    (void)kit_wait_line(held, "exited ");
    assert_true(kit_has(*state, "exit.json"));
    kit_say(held, "bye\n");
    assert_true(kit_is_closed(held));
    assert_int_equal(kit_wait_process(held), 0);
}

/* --- A terminal ------------------------------------------------------------------------------ */

static void a_terminal_is_the_controlling_one_and_has_a_size(void **state) {
    struct kit_order order = {.shell = "stty size </dev/tty; test -t 0 -a -t 1 -a -t 2 && echo all",
                              .flags = ORDER_PTY,
                              .rows = 33,
                              .columns = 77};
    const char *json = kit_run(*state, &order);
    assert_int_equal(kit_number(json, "code"), 0);
    kit_assert_file(*state, "pty.head", "33 77\r\nall\r\n");
    assert_int_equal(kit_number(json, "pty"), 12);
    assert_int_equal(kit_number(json, "out"), 0);
}

static void a_terminal_can_be_resized(void **state) {
    struct kit_order order = {
        .shell =
            "stty -echo; trap 'stty size; exit 0' WINCH; echo up; while :; do sleep 0.05; done",
        .flags = ORDER_PTY | ORDER_INPUT_OPEN,
        .rows = 24,
        .columns = 80};
    struct held *held = kit_start(*state, &order);
    kit_wait_size(held, "pty", 4);
    kit_say(held, "resize 50 132\n");
    (void)kit_wait_result(held);
    kit_assert_file(*state, "pty.head", "up\r\n50 132\r\n");
}

static void a_terminals_input_ends_and_its_reader_ends_by_itself(void **state) {
    static const struct bytes inputs[] = {BYTES_INIT("whole\n"), BYTES_INIT("not whole"),
                                          BYTES_INIT("")};
    for (size_t i = 0; i < COUNT_OF(inputs); i++) {
        void *own;
        assert_int_equal(kit_open(&own), 0);
        struct kit_order order = {
            .shell = "stty -echo; exec cat", .flags = ORDER_PTY, .input = inputs[i]};
        const char *json = kit_run(own, &order);
        kit_assert_text(json, "end", "exited");
        assert_int_equal(kit_number(json, "code"), 0);
        assert_int_equal(kit_number(json, "in"), (long)inputs[i].len);
        assert_int_equal(kit_close(&own), 0);
    }
}

static void a_character_interrupts_on_a_terminal(void **state) {
    struct kit_order order = {.shell = "stty -echo; echo up; while :; do sleep 1; done",
                              .flags = ORDER_PTY | ORDER_INPUT_OPEN};
    struct held *held = kit_start(*state, &order);
    kit_wait_size(held, "pty", 4);
    kit_say(held, "input 0 1\n\003");
    const char *json = kit_wait_result(held);
    kit_assert_text(json, "end", "signaled");
    assert_int_equal(kit_number(json, "signal"), SIGINT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        KIT_TEST(the_orders_input_arrives_whole_and_ends),
        KIT_TEST(without_input_there_is_none),
        KIT_TEST(input_by_offset_is_written_once),
        KIT_TEST(the_end_of_input_waits_for_what_is_missing),
        KIT_TEST(several_may_say_the_same_input),
        KIT_TEST(a_reader_that_is_gone_counts_as_accepted),
        KIT_TEST(who_does_not_read_does_not_keep_a_stop_away),
        KIT_TEST(what_had_no_room_is_asked_for_when_there_is),
        KIT_TEST(a_new_connection_is_told_how_things_are),
        KIT_TEST(unknown_words_are_skipped_and_nonsense_is_closed),
        KIT_TEST(more_than_it_serves_wait_for_a_place),
        KIT_TEST(who_never_listens_holds_nobody_back),
        KIT_TEST(who_wants_to_be_waited_for_says_bye),
        KIT_TEST(a_terminal_is_the_controlling_one_and_has_a_size),
        KIT_TEST(a_terminal_can_be_resized),
        KIT_TEST(a_terminals_input_ends_and_its_reader_ends_by_itself),
        KIT_TEST(a_character_interrupts_on_a_terminal),
    };
    return cmocka_run_group_tests_name("holder_program_talk", tests, NULL, NULL);
}
