/* The holder's program: who decides whether a command runs. */
/* links: base */
#include "holder_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct kit_order appends = {.shell = "echo ran >> ran"};
static const struct kit_order waits = {.shell = "echo ran >> ran; read line",
                                       .flags = ORDER_INPUT_OPEN};

static void make_folder(struct kit *kit) {
    char path[KIT_PATH_SIZE];
    kit_path(kit, "", path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void write_file(struct kit *kit, const char *name, const char *content) {
    char path[KIT_PATH_SIZE];
    kit_path(kit, name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The command's own traces stand in the scratch folder. */
static void assert_ran(struct kit *kit, const char *expected) {
    char path[KIT_PATH_SIZE], text[64] = "";
    (void)snprintf(path, sizeof path, "%s/ran", kit->spool);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        (void)fclose(file);
    }
    assert_string_equal(text, expected);
}

static void assert_void(struct held *held) {
    (void)kit_wait_line(held, "void");
    assert_true(kit_is_closed(held));
    assert_int_equal(kit_wait_process(held), 0);
}

static void the_claim_names_the_holder(void **state) {
    struct held *held = kit_start(*state, &waits);
    (void)kit_wait_line(held, "claimed");
    char *claim = kit_file(*state, "claim", NULL);
    assert_non_null(claim);
    int pid = 0, end = 0;
    unsigned long long started = 0;
    char boot[64] = "", nonce[64] = "";
    assert_int_equal(sscanf(claim, "go %d %llu %63s %63s%n", &pid, &started, boot, nonce, &end), 4);
    assert_int_equal(pid, held->pid);
    assert_true(started > 0);
    assert_int_equal(strlen(boot), 36);
    assert_string_equal(nonce, KIT_NONCE);
    assert_string_equal(claim + end, "\n");
    free(claim);
    kit_say(held, "input 0 1\n\n");
    (void)kit_wait_result(held);
    assert_ran(*state, "ran\n");
}

static void the_lock_is_held_for_life(void **state) {
    struct held *held = kit_start(*state, &waits);
    (void)kit_wait_line(held, "claimed");
    char path[KIT_PATH_SIZE];
    kit_path(*state, "lock", path);
    int lock = open(path, O_RDWR | O_CLOEXEC);
    assert_true(lock >= 0);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(errno, EWOULDBLOCK);
    kit_say(held, "stop 0\n");
    (void)kit_wait_result(held);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    close(lock);
}

static void where_somebody_said_void_nothing_runs_and_nothing_changes(void **state) {
    make_folder(*state);
    write_file(*state, "claim", "void 7\n");
    assert_void(kit_start(*state, &appends));
    kit_assert_file(*state, "claim", "void 7\n");
    assert_false(kit_has(*state, "exit.json"));
    assert_false(kit_has(*state, "exit.json.tmp"));
    assert_false(kit_has(*state, "sock"));
    assert_ran(*state, "");
}

static void a_second_holder_gives_up_while_the_first_lives(void **state) {
    struct held *first = kit_start(*state, &waits);
    (void)kit_wait_line(first, "claimed");
    char *claim = kit_file(*state, "claim", NULL);
    assert_void(kit_start(*state, &appends));
    kit_assert_file(*state, "claim", claim);
    free(claim);
    kit_say(first, "input 0 1\n\n");
    assert_int_equal(kit_number(kit_wait_result(first), "code"), 0);
    assert_ran(*state, "ran\n");
}

static void of_many_holders_at_once_one_runs(void **state) {
    enum { HOLDERS = 8 };
    struct held *held[HOLDERS];
    for (unsigned i = 0; i < HOLDERS; i++) {
        held[i] = kit_start(*state, &appends);
    }
    for (unsigned i = 0; i < HOLDERS; i++) {
        assert_true(kit_is_closed(held[i]));
        assert_int_equal(kit_wait_process(held[i]), 0);
    }
    assert_ran(*state, "ran\n");
    assert_true(kit_has(*state, "exit.json"));
}

static void a_claim_outlives_its_holder(void **state) {
    struct held *first = kit_start(*state, &waits);
    (void)kit_wait_line(first, "claimed");
    char *claim = kit_file(*state, "claim", NULL);
    kit_say(first, "status\n");
    (void)kit_wait_line(first, "status ");
    assert_int_equal(kill(first->pid, SIGKILL), 0);
    assert_int_equal(WTERMSIG(kit_wait_process(first)), SIGKILL);
    assert_void(kit_start(*state, &appends));
    kit_assert_file(*state, "claim", claim);
    assert_false(kit_has(*state, "exit.json"));
    free(claim);
}

static void what_died_before_its_claim_is_cleared_away(void **state) {
    make_folder(*state);
    write_file(*state, "lock",
               "go 123456789 123456789123456789 what a killed holder had written, "
               "longer than what comes now and without any end of the line at all");
    write_file(*state, "exit.json.tmp", "   ");
    write_file(*state, "sock", "");
    assert_int_equal(kit_number(kit_run(*state, &appends), "code"), 0);
    assert_ran(*state, "ran\n");
    char *claim = kit_file(*state, "claim", NULL);
    assert_non_null(claim);
    assert_ptr_equal(strchr(claim, '\n'), claim + strlen(claim) - 1);
    free(claim);
}

static void what_runs_at_most_once_runs(void **state) {
    struct kit_order order = appends;
    order.flags = ORDER_ONCE;
    assert_int_equal(kit_number(kit_run(*state, &order), "code"), 0);
    assert_ran(*state, "ran\n");
}

static void assert_exit_code(struct held *held, int code) {
    assert_true(kit_is_closed(held));
    int status = kit_wait_process(held);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

static void a_spool_that_is_gone_is_an_exit_code(void **state) {
    struct kit_order order = appends;
    order.spool = "/there/is/no/spool";
    assert_exit_code(kit_start(*state, &order), ENOENT);
    assert_ran(*state, "");
}

static void what_is_no_order_is_refused(void **state) {
    static const struct bytes orders[] = {
        BYTES_INIT("DRVORD1\n"),
        BYTES_INIT("DRVORD2\n"),
        BYTES_INIT("x"),
        BYTES_INIT("DRVORD1\n\4\0\0\0\377\377\377\377true"), /* Longer than there is. */
        BYTES_INIT("DRVORD1\n\4\0\0\0\4\0\0\0true"),         /* No name, no spool. */
        BYTES_INIT("DRVORD1\n\4\0\0"),                       /* Half a header. */
        BYTES_INIT("DRVORD1\n\2\0\0\0\7\0\0\0../../x"),      /* A name that is a path. */
        BYTES_INIT("DRVORD1\n\4\0\0\0\3\0\0\0a\0b"),         /* An argument with a NUL. */
        BYTES_INIT("DRVORD1\n\7\0\0\0\1\0\0\0\1"),           /* A number of one byte. */
        BYTES_INIT("DRVORD1\n\6\0\0\0\3\0\0\0tmp"),          /* A path that is relative. */
    };
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        assert_exit_code(kit_start(*state, &(struct kit_order){.raw = orders[i]}), EINVAL);
    }
}

static void a_lost_link_changes_nothing(void **state) {
    struct held *held = kit_start(*state, &waits);
    (void)kit_wait_line(held, "claimed");
    struct held *later = kit_connect(*state);
    kit_let_go(held);
    kit_say(later, "status\n");
    assert_non_null(strstr(kit_wait_line(later, "status "), "alive=1"));
    kit_say(later, "input 0 1\n\n");
    assert_int_equal(kit_number(kit_wait_result(later), "code"), 0);
    kit_let_go(later);
    assert_int_equal(kit_wait_process(held), 0);
    assert_ran(*state, "ran\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        KIT_TEST(the_claim_names_the_holder),
        KIT_TEST(the_lock_is_held_for_life),
        KIT_TEST(where_somebody_said_void_nothing_runs_and_nothing_changes),
        KIT_TEST(a_second_holder_gives_up_while_the_first_lives),
        KIT_TEST(of_many_holders_at_once_one_runs),
        KIT_TEST(a_claim_outlives_its_holder),
        KIT_TEST(what_died_before_its_claim_is_cleared_away),
        KIT_TEST(what_runs_at_most_once_runs),
        KIT_TEST(a_spool_that_is_gone_is_an_exit_code),
        KIT_TEST(what_is_no_order_is_refused),
        KIT_TEST(a_lost_link_changes_nothing),
    };
    return cmocka_run_group_tests_name("holder_program_claim", tests, NULL, NULL);
}
