/* Hosts that share a database, and jobs of one that is gone. */
#include "runs_kit.h"

#include "engine/host/hosts.h"
#include "engine/run/folder_removals.h"
#include "engine/run/local.h"

#define OLD "machine/1"

/* The jobs of these tests began at OLD. */
static int begin(void **state) {
    int result = runs_begin(state);
    struct runs_kit *runs = *state;
    runs->bounds.host = BYTES(OLD);
    runs->bounds.hosts = RUN_HOSTS_SHARED;
    return result;
}

#define HOSTS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, runs_end)

static struct run_bounds leader(const struct runs_kit *runs) {
    struct run_bounds bounds = runs->bounds;
    bounds.host = BYTES("machine/2");
    return bounds;
}

static struct err seen_tx(struct tx *tx, void *ctx) {
    return tx_host_seen(tx, ctx);
}

static void sign(struct runs_kit *runs, const char *place, const char *name) {
    struct host_row host = {.place = kit_bytes(place), .name = kit_bytes(name)};
    host.version = BYTES("1");
    assert_int_equal(runs_do(runs, seen_tx, &host), ERR_NONE);
}

struct find {
    const char *word;
    bool found;
    int64_t runs, made_ms, seen_ms;
    char place[64];
};

static struct err find_tx(struct tx *tx, void *ctx) {
    struct find *find = ctx;
    struct host_row host;
    struct err err = tx_host_find(tx, kit_bytes(find->word), &find->found, &host);
    if (!err_failed(err) && find->found) {
        find->runs = host.runs;
        find->made_ms = host.made_ms;
        find->seen_ms = host.seen_ms;
        runs_copy_text(host.place, find->place, sizeof find->place);
    }
    return err;
}

static enum err_code find_host(struct runs_kit *runs, struct find *find) {
    return runs_do(runs, find_tx, find);
}

/* --- Rows ------------------------------------------------------------------------------------- */

static void a_sign_of_life_makes_a_host_known_and_moves_its_time(void **state) {
    struct runs_kit *runs = *state;
    sign(runs, OLD, "a:/d");
    int64_t first_ms = runs->kit.clock_ms;
    runs->kit.clock_ms += 5000;
    sign(runs, OLD, "b:/d");
    (void)runs_add(runs);
    struct find find = {.word = OLD};
    assert_int_equal(find_host(runs, &find), ERR_NONE);
    assert_true(find.found);
    assert_int_equal(find.made_ms, first_ms);
    assert_int_equal(find.seen_ms, first_ms + 5000);
    assert_int_equal(find.runs, 1);
    find.word = "a:/d"; /* Its name of before. */
    assert_int_equal(find_host(runs, &find), ERR_NONE);
    assert_false(find.found);
}

static void a_name_that_several_hosts_have_names_none(void **state) {
    struct runs_kit *runs = *state;
    sign(runs, "machine/1", "box:/d");
    sign(runs, "machine/2", "box:/d");
    struct find find = {.word = "box:/d"};
    assert_int_equal(find_host(runs, &find), ERR_CONFLICT);
    find.word = "machine/2";
    assert_int_equal(find_host(runs, &find), ERR_NONE);
    assert_string_equal(find.place, "machine/2");
}

/* --- Jobs of a host that is gone -------------------------------------------------------------- */

struct abandon {
    struct host_abandon what;
    struct host_abandoned done;
};

static struct err abandon_tx(struct tx *tx, void *ctx) {
    struct abandon *abandon = ctx;
    return tx_host_abandon(tx, &abandon->what, &abandon->done);
}

static void abandon_page(struct runs_kit *runs, struct abandon *abandon) {
    abandon->what.place = BYTES(OLD);
    abandon->what.bounds = leader(runs);
    assert_int_equal(runs_do(runs, abandon_tx, abandon), ERR_NONE);
}

static struct err execute_tx(struct tx *tx, void *ctx) {
    const char *const *sql = ctx;
    return tx_exec(tx, *sql, NULL, 0, NULL);
}

static void execute(struct runs_kit *runs, const char *sql) {
    assert_int_equal(runs_do(runs, execute_tx, &sql), ERR_NONE);
}

static void all_jobs_of_a_host_are_given_up_in_pages(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row rows[5];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rows[i] = runs_add(runs);
    }
    struct run_new what = runs_new(runs);
    what.bounds = leader(runs);
    struct runs_row here = runs_submit(runs, &what);
    struct abandon abandon = {.what = {.limit = 2}};
    for (int64_t left = 5; left > 0; left -= 2) {
        abandon_page(runs, &abandon);
        assert_int_equal(abandon.done.ended, left < 2 ? left : 2);
        assert_int_equal(abandon.done.refused, 0);
        assert_int_equal(abandon.done.last != 0, left > 2);
        abandon.what.after = abandon.done.last;
    }
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct runs_row row = runs_get(runs, rows[i].run);
        assert_int_equal(row.row.state, RUN_LOST);
        assert_int_equal(row.row.cause, CAUSE_HOST_GONE);
    }
    assert_int_equal(runs_get(runs, here.run).row.state, RUN_RUNNING);
}

static void a_job_whose_row_is_damaged_keeps_no_other_from_its_end(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row bad = runs_add(runs), good = runs_add(runs);
    execute(runs, "UPDATE runs SET cause = 'melted' WHERE id ="
                  " (SELECT min(id) FROM runs)");
    struct abandon abandon = {.what = {.limit = HOST_ABANDON_PAGE}};
    abandon_page(runs, &abandon);
    assert_int_equal(abandon.done.refused, 1);
    assert_int_equal(abandon.done.ended, 1);
    assert_int_equal(abandon.done.last, 0);
    assert_int_equal(runs_get(runs, good.run).row.state, RUN_LOST);
    assert_string_not_equal(bad.run, good.run);
}

/* --- Jobs with large specs -------------------------------------------------------------------- */

enum { LARGE = 40 }; /* A page of questions, and more than a transaction has memory for. */

/* Jobs whose specs are as large as specs may be. */
static void add_large(struct runs_kit *runs, struct runs_row *ret_rows) {
    const struct bytes spec = runs_large_spec();
    for (size_t i = 0; i < LARGE; i++) {
        struct run_new what = runs_new(runs);
        what.spec = spec;
        ret_rows[i] = runs_submit(runs, &what);
    }
}

static void jobs_of_a_host_are_given_up_however_large_they_are(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row rows[LARGE];
    add_large(runs, rows);
    struct abandon abandon = {.what = {.limit = HOST_ABANDON_PAGE}};
    int64_t ended = 0;
    do {
        abandon_page(runs, &abandon);
        ended += abandon.done.ended;
        assert_int_equal(abandon.done.refused, 0);
        assert_true(abandon.done.ended > 0 || abandon.done.last == 0);
        abandon.what.after = abandon.done.last;
    } while (abandon.done.last != 0);
    assert_int_equal(ended, LARGE);
}

struct here {
    struct run_here runs[LARGE];
    bool moved[LARGE];
};

static struct err moved_tx(struct tx *tx, void *ctx) {
    struct here *here = ctx;
    return tx_run_here_moved(tx, here->runs, LARGE, here->moved);
}

static struct err tell_tx(struct tx *tx, void *ctx) {
    struct here *here = ctx;
    return tx_run_here_tell(tx, BYTES("machine/3"), here->runs, LARGE);
}

static void questions_of_a_standby_are_answered_however_large_the_jobs_are(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row rows[LARGE];
    struct here here;
    add_large(runs, rows);
    for (size_t i = 0; i < LARGE; i++) {
        here.runs[i] = (struct run_here){.attempt = 1};
        runs_copy_text(kit_bytes(rows[i].run), here.runs[i].run.text, sizeof here.runs[i].run.text);
    }
    assert_int_equal(runs_do(runs, moved_tx, &here), ERR_NONE);
    assert_false(here.moved[LARGE - 1]);
    assert_int_equal(runs_do(runs, tell_tx, &here), ERR_NONE); /* None of them is there. */
}

struct one {
    struct run_abandon what;
    struct why why;
};

static struct err one_tx(struct tx *tx, void *ctx) {
    struct one *one = ctx;
    struct run_row row;
    return tx_run_abandon(tx, &one->what, &row, &one->why);
}

static void only_a_job_that_is_away_is_abandoned(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = runs_add(runs);
    struct one one = {.what = {.key = {.owner = BYTES("ann"), .run = kit_bytes(run.run)}}};
    one.what.bounds = runs->bounds;
    assert_int_equal(runs_do(runs, one_tx, &one), ERR_NOT_AWAY);
    one.what.bounds = leader(runs);
    one.what.key.owner = BYTES("eve");
    assert_int_equal(runs_do(runs, one_tx, &one), ERR_NOT_FOUND);
    one.what.key.owner = BYTES("ann");
    one.what.bounds.hosts = RUN_HOST_ONE; /* A copy of a database: its own rules hold. */
    assert_int_equal(runs_do(runs, one_tx, &one), ERR_NOT_AWAY);
    one.what.bounds = leader(runs);
    one.what.host = BYTES("machine/3"); /* Another host was judged. */
    assert_int_equal(runs_do(runs, one_tx, &one), ERR_CONFLICT);
    one.what.host = BYTES(OLD);
    assert_int_equal(runs_do(runs, one_tx, &one), ERR_NONE);
    assert_int_equal(runs_do(runs, one_tx, &one), ERR_RUN_ENDED);
    assert_int_equal(runs_get(runs, run.run).row.state, RUN_LOST);
}

/* --- Runs that are removed -------------------------------------------------------------------- */

struct prune {
    struct run_prune what;
    bool more;
};

static struct err prune_tx(struct tx *tx, void *ctx) {
    struct prune *prune = ctx;
    return tx_run_prune(tx, &prune->what, &prune->more);
}

/* The leader removes everything that has ended. */
static void prune_all(struct runs_kit *runs) {
    enum { LATER_MS = 1000 * 1000 };
    struct prune prune = {.what = {.keep = {.age_ms = 1}, .limit = 10, .lived_ms = LATER_MS}};
    runs->kit.clock_ms += LATER_MS;
    do {
        assert_int_equal(runs_do(runs, prune_tx, &prune), ERR_NONE);
    } while (prune.more);
}

static int64_t removals(struct runs_kit *runs) {
    return runs_count(runs, "SELECT count(*) FROM folder_removals WHERE place <> ''");
}

static struct err remove_tx(struct tx *tx, void *ctx) {
    return tx_host_remove(tx, BYTES(OLD), ctx);
}

static struct err removals_tx(struct tx *tx, void *ctx) {
    struct folder_removals *listed = ctx;
    listed->place = BYTES(OLD);
    struct err err = tx_folder_removals_find(tx, listed);
    return err_failed(err) ? err : tx_folder_removals_done(tx, listed);
}

static void give_up_all(struct runs_kit *runs) {
    struct abandon abandon = {.what = {.limit = HOST_ABANDON_PAGE}};
    abandon_page(runs, &abandon);
    assert_int_equal(abandon.done.last, 0);
}

static void another_host_is_told_of_the_runs_of_it_that_are_removed(void **state) {
    struct runs_kit *runs = *state;
    sign(runs, OLD, "a:/d");
    sign(runs, "machine/2", "b:/d");
    sign(runs, "machine/3", "c:/d"); /* No attempt was there. */
    struct runs_row run = runs_add(runs);
    struct run_new what = runs_new(runs);
    what.bounds = leader(runs); /* On another one. */
    struct runs_row own = runs_submit(runs, &what);
    struct run_settle end = runs_exit(runs, own.run, 0);
    end.bounds = leader(runs);
    assert_false(runs_settle(runs, &end).late);
    give_up_all(runs);
    assert_int_equal(removals(runs), 0);
    prune_all(runs);
    assert_int_equal(removals(runs), 2); /* Each of its own. */
    struct folder_removals listed = {.count = 0};
    assert_int_equal(runs_do(runs, removals_tx, &listed), ERR_NONE);
    assert_int_equal(listed.count, 1);
    assert_string_equal(listed.page[0].run.text, run.run);
    assert_int_equal(listed.page[0].attempts, 1);
    assert_int_equal(removals(runs), 1);
}

static void a_host_is_told_of_an_older_attempt_too(void **state) {
    struct runs_kit *runs = *state;
    sign(runs, OLD, "a:/d");
    struct runs_row run = runs_add(runs);
    execute(runs, "UPDATE runs SET host = 'machine/2'");
    struct run_settle end = runs_exit(runs, run.run, 0);
    end.bounds = leader(runs);
    assert_false(runs_settle(runs, &end).late);
    prune_all(runs);
    assert_int_equal(removals(runs), 1);
}

static void what_was_removed_of_a_host_goes_with_it(void **state) {
    struct runs_kit *runs = *state;
    (void)runs_add(runs);
    give_up_all(runs);
    prune_all(runs);
    assert_int_equal(removals(runs), 0); /* Nobody knows such a host. */
    (void)runs_add(runs);
    sign(runs, OLD, "a:/d");
    give_up_all(runs);
    prune_all(runs);
    assert_true(removals(runs) > 0);
    bool more = true;
    assert_int_equal(runs_do(runs, remove_tx, &more), ERR_NONE);
    assert_false(more);
    assert_int_equal(removals(runs), 0);
}

static void a_host_that_comes_back_is_told_of_what_was_given_up_and_removed(void **state) {
    struct runs_kit *runs = *state;
    bool more = false;
    sign(runs, OLD, "a:/d");
    sign(runs, "machine/2", "b:/d");
    struct runs_row ended = runs_add(runs), lives = runs_add(runs);
    struct run_settle end = runs_exit(runs, ended.run, 0);
    end.usage = (struct run_usage){.known = true, .memory_kb = 1};
    assert_false(runs_settle(runs, &end).late);
    give_up_all(runs);
    assert_int_equal(runs_do(runs, remove_tx, &more), ERR_NONE);
    prune_all(runs);
    struct folder_removals listed = {.count = 0};
    assert_int_equal(runs_do(runs, removals_tx, &listed), ERR_NONE);
    assert_int_equal(listed.count, 1);
    assert_string_equal(listed.page[0].run.text, lives.run);
    assert_int_equal(removals(runs), 0);
}

static void a_long_list_of_a_host_goes_in_pieces_and_the_host_with_the_last(void **state) {
    struct runs_kit *runs = *state;
    bool more = false;
    sign(runs, OLD, "a:/d");
    execute(runs, "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 510)"
                  " INSERT INTO folder_removals (run, place, attempts)"
                  " SELECT 'run_' || n, '" OLD "', 1 FROM n");
    assert_int_equal(runs_do(runs, remove_tx, &more), ERR_NONE);
    assert_true(more);
    assert_int_equal(removals(runs), 510 - FOLDER_REMOVALS_FORGET);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM hosts"), 1);
    assert_int_equal(runs_do(runs, remove_tx, &more), ERR_NONE);
    assert_false(more);
    assert_int_equal(removals(runs), 0);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM hosts"), 0);
}

/* --- Names of older versions ------------------------------------------------------------------ */

static struct err rename_tx(struct tx *tx, void *ctx) {
    return tx_host_rename(tx, kit_bytes(ctx));
}

static void assert_jobs(struct runs_kit *runs, const char *place, int64_t count) {
    struct find find = {.word = place};
    assert_int_equal(find_host(runs, &find), ERR_NONE);
    assert_true(find.found);
    assert_int_equal(find.runs, count);
}

static void jobs_of_an_older_version_are_called_by_the_new_name_of_their_host(void **state) {
    struct runs_kit *runs = *state;
    (void)runs_add(runs);
    sign(runs, OLD, "a:/d");
    sign(runs, OLD "/0f", "a:/d");
    assert_int_equal(runs_do(runs, rename_tx, "machine/11/0f"), ERR_NONE);
    assert_int_equal(runs_do(runs, rename_tx, OLD), ERR_NONE);
    assert_jobs(runs, OLD, 1);
    assert_int_equal(runs_do(runs, rename_tx, OLD "/0f"), ERR_NONE);
    assert_jobs(runs, OLD "/0f", 1);
    struct find find = {.word = OLD};
    assert_int_equal(find_host(runs, &find), ERR_NONE);
    assert_false(find.found);
}

static void of_two_hosts_with_one_older_name_neither_gets_the_jobs(void **state) {
    struct runs_kit *runs = *state;
    (void)runs_add(runs);
    sign(runs, OLD, "a:/d");
    sign(runs, OLD "/0e", "a:/d");
    sign(runs, OLD "/0f", "b:/d");
    assert_int_equal(runs_do(runs, rename_tx, OLD "/0f"), ERR_NONE);
    assert_jobs(runs, OLD, 1);
}

/* The run ended before its host got an id, or lived on under the new name: its span has the old
 * one. */
static void a_host_is_told_of_the_runs_of_it_by_its_older_name(void **state) {
    struct runs_kit *runs = *state;
    (void)runs_add(runs);
    (void)runs_add(runs);
    sign(runs, OLD, "a:/d");
    execute(runs, "UPDATE spans SET host = ''");
    give_up_all(runs);
    struct runs_row live = runs_add(runs);
    sign(runs, OLD "/0f", "a:/d");
    sign(runs, "machine/11/0e", "b:/d"); /* Another one. */
    assert_int_equal(runs_do(runs, rename_tx, OLD "/0f"), ERR_NONE);
    assert_string_equal(runs_get(runs, live.run).host, OLD "/0f");
    struct run_settle end = runs_exit(runs, live.run, 0);
    end.bounds = leader(runs);
    assert_false(runs_settle(runs, &end).late);
    execute(runs, "UPDATE runs SET host = 'machine/2' WHERE host = '" OLD "/0f'");
    prune_all(runs);
    assert_int_equal(removals(runs), 3);
    assert_int_equal(
        runs_count(runs, "SELECT count(*) FROM folder_removals WHERE place = '" OLD "/0f'"), 3);
}

struct output {
    struct run_output what;
    struct run_bounds bounds;
    struct why why;
    const char *run;
};

static struct err output_tx(struct tx *tx, void *ctx) {
    struct output *output = ctx;
    bool found = false;
    struct run_row row;
    const struct run_key key = {.run = kit_bytes(output->run)};
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    output->what = (struct run_output){.row = &row, .attempt = 1};
    return tx_run_check_output(tx, &output->what, &output->bounds, &output->why);
}

static void the_output_of_a_run_is_on_the_host_of_its_older_name(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = runs_add(runs);
    give_up_all(runs);
    struct output output = {.bounds = leader(runs), .run = run.run};
    assert_int_equal(runs_do(runs, output_tx, &output), ERR_HOST_GONE);
    sign(runs, OLD "/0f", "a:/d");
    assert_int_equal(runs_do(runs, output_tx, &output), ERR_HOST_AWAY);
    assert_non_null(strstr(output.why.text, "ran on host a:/d, which keeps"));
    sign(runs, OLD "/0e", "b:/d"); /* Either of them. */
    assert_int_equal(runs_do(runs, output_tx, &output), ERR_HOST_AWAY);
    assert_non_null(strstr(output.why.text, "ran on host " OLD ", which keeps"));
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        HOSTS_TEST(a_sign_of_life_makes_a_host_known_and_moves_its_time),
        HOSTS_TEST(a_name_that_several_hosts_have_names_none),
        HOSTS_TEST(all_jobs_of_a_host_are_given_up_in_pages),
        HOSTS_TEST(a_job_whose_row_is_damaged_keeps_no_other_from_its_end),
        HOSTS_TEST(jobs_of_a_host_are_given_up_however_large_they_are),
        HOSTS_TEST(questions_of_a_standby_are_answered_however_large_the_jobs_are),
        HOSTS_TEST(only_a_job_that_is_away_is_abandoned),
        HOSTS_TEST(another_host_is_told_of_the_runs_of_it_that_are_removed),
        HOSTS_TEST(a_host_is_told_of_an_older_attempt_too),
        HOSTS_TEST(what_was_removed_of_a_host_goes_with_it),
        HOSTS_TEST(a_host_that_comes_back_is_told_of_what_was_given_up_and_removed),
        HOSTS_TEST(a_long_list_of_a_host_goes_in_pieces_and_the_host_with_the_last),
        HOSTS_TEST(jobs_of_an_older_version_are_called_by_the_new_name_of_their_host),
        HOSTS_TEST(of_two_hosts_with_one_older_name_neither_gets_the_jobs),
        HOSTS_TEST(a_host_is_told_of_the_runs_of_it_by_its_older_name),
        HOSTS_TEST(the_output_of_a_run_is_on_the_host_of_its_older_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
