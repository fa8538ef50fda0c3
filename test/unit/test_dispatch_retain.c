/* test_dispatch_retain.c: what is taken away after its time, and what never is. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/text.h"
#include "dispatch/job/flight.h"
#include "dispatch/run/retention.h"
#include "dispatch_kit.h"
#include "engine/workflow/workflows.h"

static bool is_gone(struct kit *kit, void *ctx) {
    return !file_exists(ctx);
}

static void old_runs_go_and_their_folders_with_them(void **state) {
    struct kit *kit = *state;
    kit_down(kit);
    kit->keep = (struct run_keep){.count = 1};
    kit_up(kit);
    struct id first = kit_shell(kit, "echo first");
    (void)kit_end(kit, &first); /* What ended first goes first. */
    struct id second = kit_shell(kit, "echo second");
    (void)kit_end(kit, &second);
    char folder[256];
    (void)snprintf(folder, sizeof folder, "%s/spool/%s", kit->place.dir, kit_name(&first, 1));
    assert_true(file_exists(folder));
    retention_wake(kit->dispatch);
    kit_until(kit, is_gone, folder);
    assert_int_equal(kit_number(kit, "SELECT count(*) FROM runs"), 1);
    (void)snprintf(folder, sizeof folder, "%s/spool/%s", kit->place.dir, kit_name(&second, 1));
    assert_true(file_exists(folder));
}

/* Two folders without a row: one was touched a moment ago. */
static void folders_without_a_row_go_when_nobody_touched_them_for_a_day(void **state) {
    struct kit *kit = *state;
    static const char old_name[] = "run_00000000000000000000000000.1";
    static const char new_name[] = "run_00000000000000000000000001.1";
    struct id run = kit_shell(kit, "true");
    (void)kit_end(kit, &run);
    char old[256], fresh[256], known[256];
    put_text(place_path(&kit->place, old_name, "out.head"), "x");
    put_text(place_path(&kit->place, new_name, "out.head"), "x");
    (void)snprintf(old, sizeof old, "%s/spool/%s", kit->place.dir, old_name);
    (void)snprintf(fresh, sizeof fresh, "%s/spool/%s", kit->place.dir, new_name);
    (void)snprintf(known, sizeof known, "%s/spool/%s", kit->place.dir, kit_name(&run, 1));
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, old, times, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, known, times, 0), 0);
    retention_wake(kit->dispatch);
    kit_until(kit, is_gone, old);
    assert_true(file_exists(fresh));
    assert_true(file_exists(known));
}

static void damage(struct kit *kit, const char *set, const struct id *run) {
    char sql[256];
    (void)snprintf(sql, sizeof sql, "UPDATE runs SET %s WHERE run = '%s' RETURNING 1", set,
                   run->text);
    assert_int_equal(kit_number(kit, sql), 1);
}

/* Each start that found no descriptor was an attempt with a number. */
static void the_folder_of_an_attempt_after_a_long_shortage_goes_too(void **state) {
    struct kit *kit = *state;
    kit_down(kit);
    kit->keep = (struct run_keep){.count = 1};
    kit_up(kit);
    struct id first = kit_shell(kit, "true"), second;
    (void)kit_end(kit, &first);
    char folder[256];
    put_text(place_path(&kit->place, kit_name(&first, RUN_UNBEGUN_MAX), "out.head"), "x");
    (void)snprintf(folder, sizeof folder, "%s/spool/%s", kit->place.dir,
                   kit_name(&first, RUN_UNBEGUN_MAX));
    char set[64];
    (void)snprintf(set, sizeof set, "attempt = %d, unbegun = %d", RUN_UNBEGUN_MAX,
                   RUN_UNBEGUN_MAX - 1);
    damage(kit, set, &first);
    second = kit_shell(kit, "true");
    (void)kit_end(kit, &second);
    retention_wake(kit->dispatch);
    kit_until(kit, is_gone, folder);
}

/* Of a damaged row its folder is known, and the folders beside it are judged by their own rows. */
static void a_damaged_row_leaves_no_folder_and_loses_none(void **state) {
    struct kit *kit = *state;
    static const char unlisted_name[] = "run_00000000000000000000000000.1";
    struct id run = kit_shell(kit, "sleep 600");
    kit_until_state(kit, &run, RUN_RUNNING);
    char unlisted[256], known[256];
    (void)snprintf(known, sizeof known, "%s/spool/%s", kit->place.dir, kit_name(&run, 1));
    kit_until_file(kit, known);
    damage(kit, "cause = 'no such word'", &run);
    put_text(place_path(&kit->place, unlisted_name, "out.head"), "x");
    (void)snprintf(unlisted, sizeof unlisted, "%s/spool/%s", kit->place.dir, unlisted_name);
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, unlisted, times, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, known, times, 0), 0);
    retention_wake(kit->dispatch);
    kit_until(kit, is_gone, unlisted);
    assert_true(file_exists(known));
    damage(kit, "cause = ''", &run);
    kit_stop(kit, &run);
    (void)kit_end(kit, &run);
}

static bool has_one_run(struct kit *kit, void *ctx) {
    (void)ctx;
    return kit_number(kit, "SELECT count(*) FROM runs") == 1;
}

/* The row of the first says that it began more often than any run can, that of the second has the
 * name of a folder elsewhere. */
static void damaged_rows_go_and_no_number_or_name_in_them_is_believed(void **state) {
    struct kit *kit = *state;
    kit_down(kit);
    kit->keep = (struct run_keep){.count = 1};
    kit_up(kit);
    struct id runs[3];
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        runs[i] = kit_shell(kit, "true");
        (void)kit_end(kit, &runs[i]);
    }
    char first[256];
    (void)snprintf(first, sizeof first, "%s/spool/%s", kit->place.dir, kit_name(&runs[0], 1));
    damage(kit, "attempt = 9000000000000000000", &runs[0]);
    damage(kit, "run = '../x'", &runs[1]);
    retention_wake(kit->dispatch);
    kit_until(kit, has_one_run, NULL);
    kit_until(kit, is_gone, first);
    assert_int_equal(kit->failures, 0);
    struct id next = kit_shell(kit, "true"); /* The pool is free for others. */
    (void)kit_end(kit, &next);
    retention_wake(kit->dispatch);
    kit_until(kit, has_one_run, NULL);
}

static void folders_without_a_row_are_looked_for_once_a_day(void **state) {
    (void)state;
    const uint64_t day_ns = UINT64_C(24) * 60 * 60 * 1000000000, start_ns = 5;
    assert_true(retention__look_due(0, start_ns));
    assert_false(retention__look_due(start_ns, start_ns));
    assert_false(retention__look_due(start_ns, start_ns + day_ns - 1));
    assert_true(retention__look_due(start_ns, start_ns + day_ns));
}

/* Somebody wants to look at the data first. */
static void a_daemon_that_holds_takes_nothing_away(void **state) {
    struct kit *kit = *state;
    struct id first = kit_shell(kit, "true"), second = kit_shell(kit, "true");
    (void)kit_end(kit, &first);
    (void)kit_end(kit, &second);
    kit_down(kit);
    kit->keep = (struct run_keep){.count = 1};
    kit->hold = RUN_HELD;
    kit_up(kit);
    retention_wake(kit->dispatch);
    struct id third = kit_shell(kit, "true");
    assert_int_equal(kit_row(kit, &third)->state, RUN_QUEUED);
    assert_int_equal(kit_number(kit, "SELECT count(*) FROM runs"), 3);
    kit->hold = RUN_FREE;
}

static const char *folder_of(struct kit *kit, const struct id *run, char (*path)[256]) {
    (void)snprintf(*path, sizeof *path, "%s/spool/%s", kit->place.dir, kit_name(run, 1));
    return *path;
}

/* The round after the start is over, and the next by the clock is an hour away: that much has come
 * together is enough. */
static void the_oldest_go_by_themselves_when_much_is_kept(void **state) {
    struct kit *kit = *state;
    kit_down(kit);
    kit->keep = (struct run_keep){.bytes = 200 << 10};
    kit_up(kit);
    retention_wake(kit->dispatch);
    struct id first = kit_shell(kit, "head -c 100000 /dev/zero");
    (void)kit_end(kit, &first);
    struct id second = kit_shell(kit, "head -c 100000 /dev/zero");
    (void)kit_end(kit, &second);
    char old[256], young[256];
    kit_until(kit, is_gone, (void *)(uintptr_t)folder_of(kit, &first, &old));
    assert_true(file_exists(folder_of(kit, &second, &young)));
    assert_int_equal(kit_number(kit, "SELECT count(*) FROM runs"), 1);
    assert_true(kit_number(kit, "SELECT disk FROM nodes") >= 100000);
    assert_true(kit_number(kit, "SELECT disk FROM nodes") <= 200 << 10);
}

static int64_t weight(struct kit *kit, const struct id *run) {
    struct spool *spool = NULL;
    assert_int_equal(spool_open(kit->place.dir, &spool).code, ERR_NONE);
    int64_t bytes = spool_disk(spool, kit_name(run, 1));
    spool_close(spool);
    return bytes;
}

/* What is counted is reckoned from the sizes of the output; the folder itself must agree. */
static void what_is_counted_is_what_the_folder_takes(void **state) {
    static const char *const specs[] = {
        "{\"shell\":\"true\"}",
        "{\"shell\":\"head -c 300000 /dev/zero; head -c 50000 /dev/zero >&2\"}",
        "{\"shell\":\"head -c 9000000 /dev/zero\",\"limits\":{\"output\":1048576}}",
    };
    struct kit *kit = *state;
    for (size_t i = 0; i < COUNT_OF(specs); i++) {
        const struct kit_job job = {.spec = specs[i]};
        int64_t before = kit_number(kit, "SELECT disk FROM nodes");
        struct id run = kit_submit(kit, &job);
        (void)kit_end(kit, &run);
        int64_t counted = kit_number(kit, "SELECT disk FROM nodes") - before;
        int64_t taken = weight(kit, &run);
        assert_true(taken > 0);
        assert_in_range(counted, taken / 2, taken * 2);
    }
    struct id none = {.text = "run_00000000000000000000000000"};
    assert_int_equal(weight(kit, &none), 0);
}

static void write_script(struct kit *kit, int number, struct text *values, char (*ret_path)[256]) {
    char source[32];
    (void)snprintf(source, sizeof source, "return %d;", number);
    const struct sha256 hash = sha256_of(source, strlen(source));
    const struct sha256_hex hex = sha256_hex(&hash);
    (void)snprintf(*ret_path, sizeof *ret_path, "%s/scripts/%.16s.js", kit->place.dir, hex.text);
    FILE *file = fopen(*ret_path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(source, file) < 0, false);
    assert_int_equal(fclose(file), 0);
    text_addf(values, "%s('%s', 9000000000000)", number == 0 ? "" : ", ", hex.text);
}

static bool no_script_is_listed(struct kit *kit, void *ctx) {
    (void)ctx;
    return kit_number(kit, "SELECT count(*) FROM script_removals") == 0;
}

/* A session's workflows may have more texts than a page of the list. */
static void the_scripts_of_all_runs_that_were_deleted_go_in_one_round(void **state) {
    enum { SCRIPTS = SCRIPT_REMOVALS_PAGE + 10 };
    struct kit *kit = *state;
    char folder[256], paths[SCRIPTS][256];
    AUTO(text_done) struct text values;
    text_init(&values, 1 << 20);
    (void)snprintf(folder, sizeof folder, "%s/scripts", kit->place.dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    text_add_str(&values, "INSERT INTO script_removals (hash, made_ms) VALUES ");
    for (int i = 0; i < SCRIPTS; i++) {
        write_script(kit, i, &values, &paths[i]);
    }
    text_add_str(&values, " RETURNING 1");
    assert_int_equal(kit_number(kit, values.data), 1);
    retention_wake(kit->dispatch);
    for (int i = 0; i < SCRIPTS; i++) {
        kit_until(kit, is_gone, paths[i]);
    }
    kit_until(kit, no_script_is_listed, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(old_runs_go_and_their_folders_with_them),
        CASE(the_folder_of_an_attempt_after_a_long_shortage_goes_too),
        CASE(folders_without_a_row_go_when_nobody_touched_them_for_a_day),
        CASE(a_damaged_row_leaves_no_folder_and_loses_none),
        CASE(damaged_rows_go_and_no_number_or_name_in_them_is_believed),
        CASE(a_daemon_that_holds_takes_nothing_away),
        CASE(the_oldest_go_by_themselves_when_much_is_kept),
        cmocka_unit_test(folders_without_a_row_are_looked_for_once_a_day),
        CASE(what_is_counted_is_what_the_folder_takes),
        CASE(the_scripts_of_all_runs_that_were_deleted_go_in_one_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
