/* Holders, with the real program: started, followed, stopped, fed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "custody_kit.h"
#include "loop/loop_uv.h"
#include "proc/nursery.h"

/* --- Following -------------------------------------------------------------------------------- */

static void a_command_is_followed_to_its_end(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    char output[16];
    start_shell(yard, "echo hi; echo oops >&2; exit 3", &heard);
    yard_run_until(yard, &heard.ended);
    assert_true(heard.claimed);
    assert_int_equal(heard.end, HOLDER_EXITED);
    assert_int_equal(heard.exit.end, EXIT_EXITED);
    assert_int_equal(heard.exit.code, 3);
    assert_int_equal(heard.exit.why, EXIT_ITSELF);
    assert_int_equal(heard.exit.out, 3);
    assert_int_equal(heard.exit.err, 5);
    assert_int_equal(heard.sizes[LOG_OUT], 3);
    assert_int_equal(read_log(yard, LOG_OUT, output, sizeof output), 3);
    assert_memory_equal(output, "hi\n", 3);
    struct spool_state found = look_until_gone(yard);
    assert_int_equal(found.found, SPOOL_ENDED);
    assert_int_equal(found.exit.code, 3);
    assert_int_equal(heard.ends, 1);
}

static void a_command_without_output_ends_too(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    start_shell(yard, "kill -9 $$", &heard);
    yard_run_until(yard, &heard.ended);
    assert_false(heard.grown);
    assert_int_equal(heard.exit.end, EXIT_SIGNALED);
    assert_int_equal(heard.exit.signal, SIGKILL);
}

static void a_program_that_is_not_there_says_where_it_failed(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    const char *const argv[] = {"no-such-program-anywhere", NULL};
    struct holder_order order = shell_order(yard, argv);
    start_order(yard, &order, &heard);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_EXITED);
    assert_int_equal(heard.exit.end, EXIT_NOT_STARTED);
    assert_int_equal(heard.exit.os, ENOENT);
    assert_string_equal(heard.exit.step, "exec");
}

static void many_at_once_all_end_and_are_collected(void **state) {
    enum { MANY = 40 };
    struct yard *yard = *state;
    static struct heard heard[MANY];
    const char *const argv[] = {"/bin/true", NULL};
    for (unsigned i = 0; i < MANY; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "run_%u.1", i);
        struct holder_order order = shell_order(yard, argv);
        order.name = name;
        start_order(yard, &order, &heard[i]);
    }
    struct holders_stats stats;
    for (unsigned i = 0; i < MANY; i++) {
        yard_run_until(yard, &heard[i].ended);
        assert_int_equal(heard[i].end, HOLDER_EXITED);
        assert_int_equal(heard[i].exit.code, 0);
    }
    holders_get_stats(yard->holders, &stats);
    assert_int_equal(stats.started, MANY);
    assert_int_equal(stats.live, 0);
}

static void the_environment_is_the_orders_and_the_mark(void **state) {
    enum { VARIABLES = 10000 };
    struct yard *yard = *state;
    struct heard heard;
    static char names[VARIABLES][24];
    static const char *env[VARIABLES + 2] = {"PATH=/usr/bin:/bin"};
    for (unsigned i = 0; i < VARIABLES; i++) {
        (void)snprintf(names[i], sizeof names[i], "VARIABLE_%u=x", i);
        env[i + 1] = names[i];
    }
    const char *const argv[] = {"/bin/sh", "-c",
                                "env | grep -c '^VARIABLE_.*=x$'; echo $DROVER_RUN; pwd", NULL};
    char output[256] = "", wanted[256];
    struct holder_order order = shell_order(yard, argv);
    order.env = env;
    start_order(yard, &order, &heard);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.exit.code, 0);
    (void)read_log(yard, LOG_OUT, output, sizeof output - 1);
    (void)snprintf(wanted, sizeof wanted, "10000\n" NAME ".%s\n%s\n", nonce(), yard->place.dir);
    assert_string_equal(output, wanted);
}

/* --- Stopping and feeding --------------------------------------------------------------------- */

static void a_command_that_ignores_the_request_is_ended_after_the_grace(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    start_shell(yard, "trap '' TERM; echo ready; while :; do sleep 1000; done", &heard);
    yard_run_until(yard, &heard.grown);
    holder_stop(heard.holder, 50);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_EXITED);
    assert_int_equal(heard.exit.end, EXIT_SIGNALED);
    assert_int_equal(heard.exit.signal, SIGKILL);
    assert_int_equal(heard.exit.why, EXIT_STOPPED);
    assert_int_equal(heard.exit.left, 0);
}

static void input_goes_in_pieces_by_offset_over_a_restart(void **state) {
    enum { FIRST = 1000, ALL = 700000 };
    struct yard *yard = *state;
    char *input = malloc(ALL), *output = malloc(ALL);
    for (size_t i = 0; i < ALL; i++) {
        input[i] = (char)('a' + i * 7 % 26);
    }
    const char *const argv[] = {"/bin/cat", NULL};
    struct holder_order order = shell_order(yard, argv);
    order.flags = ORDER_INPUT_OPEN;
    order.input = (struct bytes){input, FIRST};
    struct heard heard, again;
    start_order(yard, &order, &heard);
    heard.input = (struct bytes){input + FIRST, ALL / 2 - FIRST};
    heard.input_from = FIRST;
    while (heard.accepted_size < ALL / 2) {
        yard_turn(yard);
    }
    yard_reopen(yard);
    adopt(yard, &again);
    again.input = (struct bytes){input, ALL};
    while (again.accepted_size < ALL) {
        yard_turn(yard);
    }
    holder_input_end(again.holder, ALL);
    yard_run_until(yard, &again.ended);
    assert_int_equal(again.exit.code, 0);
    assert_int_equal(again.exit.in, ALL);
    assert_int_equal(again.exit.out, ALL);
    assert_int_equal(read_log(yard, LOG_OUT, output, ALL), ALL);
    assert_memory_equal(output, input, ALL);
    free(input);
    free(output);
}

static void a_command_that_does_not_read_can_be_stopped_all_the_same(void **state) {
    struct yard *yard = *state;
    static char piece[PROTOCOL_INPUT_MAX];
    struct heard heard;
    start_shell_with(yard, "echo ready; sleep 1000", ORDER_INPUT_OPEN, &heard);
    heard.input = (struct bytes){piece, sizeof piece};
    yard_run_until(yard, &heard.grown);
    for (unsigned i = 0; i < 50; i++) {
        holder_input(heard.holder, (int64_t)i * (int64_t)sizeof piece, heard.input);
        (void)uv_run(loop_uv(yard->loop), UV_RUN_NOWAIT);
    }
    holder_stop(heard.holder, 5000);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.exit.why, EXIT_STOPPED);
    assert_true(heard.exit.in <= (int64_t)sizeof piece); /* One piece in flight, no more. */
}

static void a_terminal_is_resized(void **state) {
    struct yard *yard = *state;
    const char *const argv[] = {
        "/bin/sh", "-c", "trap 'stty size; exit 4' WINCH; stty size; while :; do sleep 0.02; done",
        NULL};
    struct holder_order order = shell_order(yard, argv);
    order.flags = ORDER_PTY;
    order.rows = 12;
    order.columns = 34;
    struct heard heard;
    char output[64] = "";
    start_order(yard, &order, &heard);
    yard_run_until(yard, &heard.grown);
    holder_resize(heard.holder, 56, 78);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.exit.code, 4);
    (void)read_log(yard, LOG_PTY, output, sizeof output - 1);
    assert_string_equal(output, "12 34\r\n56 78\r\n");
}

/* --- Who decided ------------------------------------------------------------------------------ */

static void what_was_made_void_never_runs(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    struct spool_state found;
    assert_false(
        err_failed(spool_decide(yard->place.spool, NAME, SPOOL_DECIDE, 1 /* epoch */, &found)));
    start_shell(yard, "echo 1 >ran", &heard);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_VOID);
    assert_false(heard.claimed);
    assert_false(file_exists(yard_file(yard, "ran")));
    assert_int_equal(look(yard).found, SPOOL_VOID);
}

static void a_holder_that_cannot_claim_says_why(void **state) {
    struct yard *yard = *state;
    struct heard heard = {.yard = yard};
    const char *const argv[] = {"/bin/true", NULL};
    struct holder_order order = shell_order(yard, argv);
    int fd = -1;
    assert_false(err_failed(holder_order_make(&order, "/nowhere/at/all", &fd)));
    assert_false(err_failed(holder_start(yard->holders, fd, &heard_news, &heard, &heard.holder)));
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_LOST);
    assert_true(heard.has_exit);
    assert_int_equal(heard.exit.end, EXIT_NOT_STARTED);
    assert_int_equal(heard.exit.os, ENOENT);
}

static void without_its_program_nothing_starts_and_nobody_is_called(void **state) {
    struct yard *yard = *state;
    struct heard heard = {.yard = yard};
    char command[256];
    (void)snprintf(command, sizeof command, "rm -r %s/libexec", yard->place.dir);
    assert_int_equal(system(command), 0);
    const char *const argv[] = {"/bin/true", NULL};
    struct holder_order order = shell_order(yard, argv);
    int fd = -1;
    assert_false(err_failed(holder_order_make(&order, spool_path(yard->place.spool), &fd)));
    struct err err = holder_start(yard->holders, fd, &heard_news, &heard, &heard.holder);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_null(heard.holder);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* It was taken all the same. */
    (void)uv_run(loop_uv(yard->loop), UV_RUN_NOWAIT);
    assert_false(heard.ended);
}

/* --- The program ------------------------------------------------------------------------------ */

static const char *program_path(const struct yard *yard) {
    static char path[256];
    struct bytes image = holder_image();
    struct sha256 hash = sha256_of(image.data, image.len);
    struct sha256_hex hex = sha256_hex(&hash);
    (void)snprintf(path, sizeof path, "%s/libexec/%s/holder", yard->place.dir, hex.text);
    return path;
}

static void check_program(const struct yard *yard) {
    struct bytes image = holder_image();
    struct stat about;
    assert_int_equal(stat(program_path(yard), &about), 0);
    assert_int_equal(about.st_mode & 07777, 0700);
    assert_int_equal(about.st_size, image.len);
    char *content = NULL;
    size_t len = 0;
    const struct world *world = world_real();
    assert_false(err_failed(
        world->file_read(world->ctx, program_path(yard), image.len + 1, &content, &len)));
    assert_memory_equal(content, image.data, image.len);
    free(content);
}

static void the_program_is_written_once_and_again_when_it_was_changed(void **state) {
    struct yard *yard = *state;
    struct stat first, second;
    check_program(yard);
    assert_int_equal(stat(program_path(yard), &first), 0);
    yard_reopen(yard);
    assert_int_equal(stat(program_path(yard), &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    int fd = open(program_path(yard), O_WRONLY | O_CLOEXEC); /* One byte, and the same size. */
    assert_int_equal(pwrite(fd, "X", 1, 100), 1);
    (void)close(fd);
    yard_reopen(yard);
    check_program(yard);
    assert_int_equal(chmod(program_path(yard), 0600), 0);
    yard_reopen(yard);
    check_program(yard);
    assert_int_equal(unlink(program_path(yard)), 0);
    assert_int_equal(symlink("/bin/true", program_path(yard)), 0);
    yard_reopen(yard);
    check_program(yard);
}

/* --- A program that fails before its claim ---------------------------------------------------- */

/* It is started by itself, as where the nursery has too much to do: a script could not play one. */
static bool nursery_busy;
struct err __real_nursery_bear(struct nursery *nursery, const struct nursery_birth *birth);
struct err __wrap_nursery_bear(struct nursery *nursery, const struct nursery_birth *birth);
struct err __wrap_nursery_bear(struct nursery *nursery, const struct nursery_birth *birth) {
    return nursery_busy ? err_make(ERR_BUSY, "test: bear") : __real_nursery_bear(nursery, birth);
}

static void put_program(const struct yard *yard, const char *script) {
    assert_int_equal(unlink(program_path(yard)), 0);
    put_text(program_path(yard), script);
    assert_int_equal(chmod(program_path(yard), 0700), 0);
    nursery_busy = true;
}

static void what_it_ended_with_is_told(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    static const char *const scripts[] = {
        "#!/bin/sh\nexit 28\n",
        "#!/bin/sh\nsleep 0.2 &\nexit 28\n", /* The link ends after the process. */
        "#!/bin/sh\nexec 4>&-\nsleep 0.2\nexit 28\n",
    };
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        put_program(yard, scripts[i]);
        start_shell(yard, "", &heard);
        yard_run_until(yard, &heard.ended);
        assert_int_equal(heard.end, HOLDER_LOST);
        assert_true(heard.has_exit);
        assert_int_equal(heard.exit.end, EXIT_NOT_STARTED);
        assert_int_equal(heard.exit.os, ENOSPC);
    }
}

static void one_that_is_killed_or_says_nothing_is_lost(void **state) {
    static const char *const scripts[] = {
        "#!/bin/sh\nkill -9 $$\n", "#!/bin/sh\nexit 0\n",
        "#!/bin/sh\necho nonsense, >&4; echo >&4; exit 5\n",
        "#!/bin/sh\nexec 4>&-; exec sleep 5\n", /* It lives, and is not waited for. */
    };
    struct yard *yard = *state;
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        struct heard heard;
        put_program(yard, scripts[i]);
        start_shell(yard, "", &heard);
        yard_run_until(yard, &heard.ended);
        assert_int_equal(heard.end, HOLDER_LOST);
        assert_false(heard.has_exit);
        assert_int_equal(heard.ends, 1);
    }
}

static void a_result_without_a_claim_before_it_is_taken(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    char script[1024];
    (void)snprintf(script, sizeof script,
                   "#!/bin/sh\nprintf 'exited %zu\\n%%s\\n' '%s' >&4\nread last <&4\n",
                   strlen(EXIT_GOOD) + 1, EXIT_GOOD);
    put_program(yard, script);
    start_shell(yard, "", &heard);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_EXITED);
    assert_int_equal(heard.exit.code, 3);
    assert_false(heard.claimed);
}

#define YARD(test) cmocka_unit_test_setup_teardown(test, yard_open, yard_close)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        YARD(a_command_is_followed_to_its_end),
        YARD(a_command_without_output_ends_too),
        YARD(a_program_that_is_not_there_says_where_it_failed),
        YARD(many_at_once_all_end_and_are_collected),
        YARD(the_environment_is_the_orders_and_the_mark),
        YARD(a_command_that_ignores_the_request_is_ended_after_the_grace),
        YARD(input_goes_in_pieces_by_offset_over_a_restart),
        YARD(a_command_that_does_not_read_can_be_stopped_all_the_same),
        YARD(a_terminal_is_resized),
        YARD(what_was_made_void_never_runs),
        YARD(a_holder_that_cannot_claim_says_why),
        YARD(without_its_program_nothing_starts_and_nobody_is_called),
        YARD(the_program_is_written_once_and_again_when_it_was_changed),
        YARD(what_it_ended_with_is_told),
        YARD(one_that_is_killed_or_says_nothing_is_lost),
        YARD(a_result_without_a_claim_before_it_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
