/* The holder's program: one command from its start to its result. */
/* links: base */
#include "holder_kit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *shell(struct kit *kit, const char *text) {
    return kit_run(kit, &(struct kit_order){.shell = text});
}

static void a_command_leaves_its_output_and_its_result(void **state) {
    const char *json = shell(*state, "echo hello; echo oops >&2; exit 3");
    kit_assert_text(json, "end", "exited");
    kit_assert_text(json, "why", "itself");
    assert_int_equal(kit_number(json, "v"), 1);
    assert_int_equal(kit_number(json, "code"), 3);
    assert_int_equal(kit_number(json, "out"), 6);
    assert_int_equal(kit_number(json, "err"), 5);
    assert_int_equal(kit_number(json, "left"), 0);
    /* It is over before it is counted, unless the machine has much else to do. */
    assert_true(strstr(json, "\"processes\"") == NULL || kit_number(json, "processes") == 1);
    assert_true(kit_number(json, "memory_kb") > 0);
    assert_true(kit_number(json, "started_ms") > 0);
    assert_true(kit_number(json, "ended_ms") >= kit_number(json, "started_ms"));
    kit_assert_file(*state, "out.head", "hello\n");
    kit_assert_file(*state, "err.head", "oops\n");
}

static void a_silent_command_makes_no_log(void **state) {
    (void)shell(*state, ":");
    assert_false(kit_has(*state, "out.head"));
    assert_false(kit_has(*state, "err.head"));
}

static void a_command_that_a_signal_ended_says_so(void **state) {
    const char *json = shell(*state, "kill -9 $$");
    kit_assert_text(json, "end", "signaled");
    assert_int_equal(kit_number(json, "signal"), 9);
    kit_assert_text(json, "why", "itself");
}

static void assert_not_started(const char *json, const char *step, int os) {
    kit_assert_text(json, "end", "not_started");
    kit_assert_text(json, "step", step);
    assert_int_equal(kit_number(json, "errno"), os);
    assert_int_equal(kit_number(json, "processes"), 0);
}

static void an_unknown_program_is_not_started(void **state) {
    const char *const argv[] = {"there-is-no-such-program", NULL};
    assert_not_started(kit_run(*state, &(struct kit_order){.argv = argv}), "exec", ENOENT);
}

static void a_folder_that_is_gone_is_not_started_in(void **state) {
    struct kit_order order = {.shell = "true", .cwd = "/there/is/no/such/folder"};
    assert_not_started(kit_run(*state, &order), "chdir", ENOENT);
}

static void a_terminal_needs_a_program_too(void **state) {
    const char *const argv[] = {"/", NULL};
    struct kit_order order = {.argv = argv, .flags = ORDER_PTY};
    assert_not_started(kit_run(*state, &order), "exec", EACCES);
}

static void a_text_without_interpreter_is_not_given_to_a_shell(void **state) {
    struct kit *kit = *state;
    char path[KIT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/script", kit->spool);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("echo hello\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0700), 0);
    const char *const argv[] = {path, NULL};
    assert_not_started(kit_run(kit, &(struct kit_order){.argv = argv}), "exec", ENOEXEC);
}

static void arguments_beyond_what_the_system_takes_are_not_started(void **state) {
    enum { ARGUMENTS = 100, SIZE = 100000 };
    char *large = calloc(1, SIZE);
    assert_non_null(large);
    memset(large, 'x', SIZE - 1);
    const char *argv[ARGUMENTS + 1] = {"true"};
    for (unsigned i = 1; i < ARGUMENTS; i++) {
        argv[i] = large;
    }
    assert_not_started(kit_run(*state, &(struct kit_order){.argv = argv}), "exec", E2BIG);
    free(large);
}

static void the_program_is_looked_up_in_the_path_of_the_order(void **state) {
    const char *const argv[] = {"true", NULL};
    const char *const nowhere[] = {"PATH=/there:/is/none", NULL};
    struct kit_order order = {.argv = argv, .env = nowhere};
    assert_not_started(kit_run(*state, &order), "exec", ENOENT);
}

static void a_path_of_several_folders_is_walked(void **state) {
    const char *const argv[] = {"sh", "-c", "echo $A", NULL};
    const char *const env[] = {"A=b c", "PATH=/there::/is/none:/bin:/usr/bin", NULL};
    const char *json = kit_run(*state, &(struct kit_order){.argv = argv, .env = env});
    assert_int_equal(kit_number(json, "code"), 0);
    kit_assert_file(*state, "out.head", "b c\n");
}

static void the_environment_is_the_orders_and_the_mark(void **state) {
    const char *const env[] = {"PATH=/usr/bin:/bin", "DROVER_RUN=forged", NULL};
    const char *const argv[] = {"env", NULL};
    (void)kit_run(*state, &(struct kit_order){.argv = argv, .env = env});
    kit_assert_file(*state, "out.head",
                    "PATH=/usr/bin:/bin\nDROVER_RUN=" KIT_NAME "." KIT_NONCE "\n");
}

static void ten_thousand_variables_arrive(void **state) {
    enum { VARIABLES = 10000, SIZE = 64 };
    char(*texts)[SIZE] = calloc(VARIABLES, SIZE);
    const char **env = calloc(VARIABLES + 2, sizeof *env);
    assert_true(texts != NULL && env != NULL);
    env[0] = "PATH=/usr/bin:/bin";
    for (unsigned i = 0; i < VARIABLES; i++) {
        (void)snprintf(texts[i], SIZE, "VARIABLE_%u=the value of number %u", i, i);
        env[i + 1] = texts[i];
    }
    struct kit_order order = {.shell = "env | grep -c ^VARIABLE_; echo $VARIABLE_9999", .env = env};
    (void)kit_run(*state, &order);
    kit_assert_file(*state, "out.head", "10000\nthe value of number 9999\n");
    free(env);
    free(texts);
}

static void nothing_of_the_holder_leaks_into_the_command(void **state) {
    (void)shell(*state, "ls /proc/self/fd | tr '\\n' ' ';"
                        "grep -E '^Sig(Blk|Ign):' /proc/self/status | tr '\\n\\t' '  '");
    /* ls holds the folder that it reads as number 3. */
    kit_assert_file(*state, "out.head",
                    "0 1 2 3 SigBlk: 0000000000000000 SigIgn: 0000000000000000 ");
}

static void the_command_leads_a_session_of_its_own(void **state) {
    (void)shell(*state, "set -- $(cat /proc/$$/stat); [ $6 = $$ ] && [ $5 = $$ ] && echo leads");
    kit_assert_file(*state, "out.head", "leads\n");
}

static void any_bytes_are_kept_as_they_are(void **state) {
    const char *json = shell(*state, "printf 'a\\000b\\377\\376\\303(no newline'");
    size_t len;
    char *content = kit_file(*state, "out.head", &len);
    assert_non_null(content);
    assert_int_equal(len, 17);
    assert_memory_equal(content, "a\0b\377\376\303(no newline", len);
    assert_int_equal(kit_number(json, "out"), 17);
    free(content);
}

static void closing_its_output_does_not_end_a_command(void **state) {
    struct kit_order order = {.shell = "exec >&- 2>&-; read line; exit 4",
                              .flags = ORDER_INPUT_OPEN};
    struct held *held = kit_start(*state, &order);
    (void)kit_wait_line(held, "claimed");
    kit_say(held, "status\n");
    assert_non_null(strstr(kit_wait_line(held, "status "), "alive=1"));
    kit_say(held, "input 0 3\ngo\n");
    assert_int_equal(kit_number(kit_wait_result(held), "code"), 4);
}

static void memory_is_limited(void **state) {
    struct kit_order order = {.shell = "ulimit -v", .memory_max = 512 << 20};
    (void)kit_run(*state, &order);
    kit_assert_file(*state, "out.head", "524288\n");
}

/* --- Large output ---------------------------------------------------------------------------- */

enum { LINES = 1200000, LINE_LEN = 8, LOG_MAX = 1 << 20 };

static void assert_numbered(const char *content, size_t len, long offset) {
    for (size_t at = 0; at + LINE_LEN <= len; at += LINE_LEN) {
        char expected[32];
        (void)snprintf(expected, sizeof expected, "%07ld\n", (offset + (long)at) / LINE_LEN);
        assert_memory_equal(content + at, expected, LINE_LEN);
    }
}

static void a_large_log_keeps_its_head_and_its_end(void **state) {
    struct kit_order order = {.shell = "seq -f %07.0f 0 1199999", .log_max = LOG_MAX};
    const char *json = kit_run(*state, &order);
    long size = kit_number(json, "out");
    assert_int_equal(size, (long)LINES * LINE_LEN);
    size_t len, kept;
    char *head = kit_file(*state, "out.head", &kept);
    assert_non_null(head);
    assert_int_equal(kept, LOG_MAX / 4);
    assert_numbered(head, kept, 0);
    free(head);
    long at = size, segment = (LOG_MAX - LOG_MAX / 4) / 8;
    long start = LOG_MAX / 4 + (size - 1 - LOG_MAX / 4) / segment * segment;
    for (; start >= LOG_MAX / 4; start -= segment) {
        char name[64];
        (void)snprintf(name, sizeof name, "out.%020ld", start);
        char *content = kit_file(*state, name, &len);
        if (content == NULL) {
            break;
        }
        assert_int_equal((long)len, at - start);
        assert_numbered(content, len, start);
        free(content);
        kept += len;
        at = start;
    }
    assert_true(kept <= LOG_MAX);
    assert_true(size - at >= LOG_MAX / 2);
}

/* --- A full disk: a limit on the size of files, which is an error of write, too -------------- */

enum { DISK = 16 << 10, SAID = 50000 };

static void grow_disk(const struct held *held) {
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    assert_int_equal(prlimit(held->pid, RLIMIT_FSIZE, &none, NULL), 0);
}

static void output_goes_on_when_the_disk_has_room_again(void **state) {
    struct kit_order order = {.shell = "seq -f %07.0f 0 6249; exit 5", .file_max = DISK};
    struct held *held = kit_start(*state, &order);
    assert_string_equal(kit_wait_line(held, "disk_full "), "1");
    kit_say(held, "status\n");
    const char *status = kit_wait_line(held, "status ");
    assert_non_null(strstr(status, "disk_full=1"));
    assert_non_null(strstr(status, "out=16384"));
    grow_disk(held);
    assert_string_equal(kit_wait_line(held, "disk_full "), "0");
    const char *json = kit_wait_result(held);
    assert_int_equal(kit_number(json, "code"), 5);
    assert_int_equal(kit_number(json, "out"), SAID);
    assert_int_equal(kit_number(json, "unsaved"), 0);
    size_t len;
    char *content = kit_file(*state, "out.head", &len);
    assert_int_equal(len, SAID);
    assert_numbered(content, len, 0);
    free(content);
}

/* The command says so by a file, since its words are not read any more. */
static void wait_for_file(struct kit *kit, const char *name) {
    char path[KIT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", kit->spool, name);
    for (unsigned i = 0; access(path, F_OK) != 0; i++) {
        assert_true(i < 12000);
        (void)poll(NULL, 0, 5);
    }
}

static void a_disk_that_stays_full_does_not_keep_the_result(void **state) {
    struct kit_order order = {.shell = "seq -f %07.0f 0 6249; : > said; read line",
                              .file_max = DISK,
                              .flags = ORDER_INPUT_OPEN};
    struct held *held = kit_start(*state, &order);
    assert_string_equal(kit_wait_line(held, "disk_full "), "1");
    wait_for_file(*state, "said");
    kit_say(held, "stop 0\n");
    const char *json = kit_wait_result(held);
    kit_assert_text(json, "end", "signaled");
    kit_assert_text(json, "why", "stopped");
    assert_int_equal(kit_number(json, "out"), DISK);
    assert_int_equal(kit_number(json, "out") + kit_number(json, "unsaved"), SAID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        KIT_TEST(a_command_leaves_its_output_and_its_result),
        KIT_TEST(a_silent_command_makes_no_log),
        KIT_TEST(a_command_that_a_signal_ended_says_so),
        KIT_TEST(an_unknown_program_is_not_started),
        KIT_TEST(a_folder_that_is_gone_is_not_started_in),
        KIT_TEST(a_terminal_needs_a_program_too),
        KIT_TEST(a_text_without_interpreter_is_not_given_to_a_shell),
        KIT_TEST(arguments_beyond_what_the_system_takes_are_not_started),
        KIT_TEST(the_program_is_looked_up_in_the_path_of_the_order),
        KIT_TEST(a_path_of_several_folders_is_walked),
        KIT_TEST(the_environment_is_the_orders_and_the_mark),
        KIT_TEST(ten_thousand_variables_arrive),
        KIT_TEST(nothing_of_the_holder_leaks_into_the_command),
        KIT_TEST(the_command_leads_a_session_of_its_own),
        KIT_TEST(any_bytes_are_kept_as_they_are),
        KIT_TEST(closing_its_output_does_not_end_a_command),
        KIT_TEST(memory_is_limited),
        KIT_TEST(a_large_log_keeps_its_head_and_its_end),
        KIT_TEST(output_goes_on_when_the_disk_has_room_again),
        KIT_TEST(a_disk_that_stays_full_does_not_keep_the_result),
    };
    return cmocka_run_group_tests_name("holder_program", tests, NULL, NULL);
}
