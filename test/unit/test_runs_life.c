/* The transactions of runs: holding, adopting, recovery, lists, retention. */
/* runs-with: sqlite, postgres */
#include "runs_kit.h"

#include "engine/inbox/rows.h"
#include "engine/session/sessions.h"

struct admit {
    struct run_bounds bounds;
    int64_t limit;
    bool more;
};

static struct err admit_tx(struct tx *tx, void *ctx) {
    struct admit *admit = ctx;
    return tx_run_admit_all(tx, &admit->bounds, admit->limit, &admit->more);
}

static void while_the_daemon_holds_nothing_begins_and_a_release_starts_in_pages(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 0;
    for (int i = 0; i < 7; i++) {
        assert_int_equal(runs_add(runs).row.gate, GATE_SLOT);
    }
    struct run_new turn = runs_new(runs);
    turn.kind = KIND_TURN;
    assert_int_equal(runs_submit(runs, &turn).row.gate, GATE_SLOT);
    runs->bounds.slots = 5;
    struct admit admit = {.bounds = runs->bounds, .limit = 2, .more = true};
    static const int64_t running[] = {3, 5, 6}; /* The turn needs no slot of a job. */
    for (size_t i = 0; i < COUNT_OF(running); i++) {
        assert_true(admit.more);
        assert_int_equal(runs_do(runs, admit_tx, &admit), ERR_NONE);
        assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE state = 'running'"),
                         running[i]);
    }
    assert_false(admit.more);
}

static void a_run_that_began_under_another_daemon_is_adopted(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct run_row heard;
    assert_true(runs_heard(runs, row.run, &heard));
    runs_restart(runs);
    struct run_effects effects = run_effects(&heard, store_epoch(runs->kit.store), RUN_FREE);
    assert_true(effects.adopt && !effects.start);
}

struct adopt {
    struct run_key key;
    int64_t attempt;
    bool late;
};

static struct err adopt_tx(struct tx *tx, void *ctx) {
    struct adopt *adopt = ctx;
    return tx_run_adopted(tx, &adopt->key, adopt->attempt, &adopt->late);
}

static void an_adopted_attempt_is_of_this_epoch(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    runs_restart(runs);
    assert_true(row.row.epoch < store_epoch(runs->kit.store));
    struct adopt adopt = {.key = {.run = kit_bytes(row.run)}, .attempt = 2};
    assert_int_equal(runs_do(runs, adopt_tx, &adopt), ERR_NONE);
    assert_true(adopt.late);
    adopt.attempt = 1;
    assert_int_equal(runs_do(runs, adopt_tx, &adopt), ERR_NONE);
    assert_false(adopt.late);
    struct runs_row read = runs_get(runs, row.run);
    assert_int_equal(read.row.epoch, store_epoch(runs->kit.store));
    assert_int_equal(read.row.attempt, 1);
    (void)runs_finish(runs, row.run);
    assert_int_equal(runs_do(runs, adopt_tx, &adopt), ERR_NONE);
    assert_true(adopt.late);
}

/* --- Recovery --------------------------------------------------------------------------------- */

struct recover {
    int64_t after, limit;
    struct run_recovered page;
};

static struct err recover_tx(struct tx *tx, void *ctx) {
    struct recover *recover = ctx;
    return tx_run_recover(tx, recover->after, recover->limit, &recover->page);
}

static size_t recover_all(struct runs_kit *runs, int64_t limit) {
    size_t pages = 0;
    struct recover recover = {.limit = limit};
    do {
        assert_int_equal(runs_do(runs, recover_tx, &recover), ERR_NONE);
        recover.after = recover.page.last;
        pages++;
    } while (recover.page.last != 0);
    return pages;
}

/* The newest note about a run, among the first `end`. */
static const struct runs_note *note_of(const struct runs_kit *runs, size_t end, int64_t id) {
    const struct runs_note *newest = NULL;
    for (size_t i = 0; i < end; i++) {
        const struct runs_note *note = &runs->notes[i];
        struct run_row row;
        if (note->kind == RUN_NOTE) {
            assert_true(run_note_read((struct bytes){note->bytes, note->len}, &row));
            newest = row.id == id ? note : newest;
        }
    }
    return newest;
}

static struct err damage_tx(struct tx *tx, void *ctx) {
    const struct arg args[] = {arg_int(*(const int64_t *)ctx)};
    return tx_exec(tx, "UPDATE runs SET cause = 'no such word' WHERE id = $1", args, COUNT_OF(args),
                   NULL);
}

static void a_row_that_cannot_be_read_is_named_by_recovery_and_ends(void **state) {
    struct runs_kit *runs = *state;
    enum { COUNT = 5, DAMAGED = 2 };
    struct runs_row rows[COUNT];
    for (int i = 0; i < COUNT; i++) {
        rows[i] = runs_add(runs);
    }
    assert_int_equal(runs_do(runs, damage_tx, &rows[DAMAGED].row.id), ERR_NONE);
    size_t lived = runs->count;
    struct recover recover = {.limit = COUNT + 1};
    assert_int_equal(runs_do(runs, recover_tx, &recover), ERR_NONE);
    assert_int_equal(recover.page.last, 0);
    assert_int_equal(recover.page.unreadable, 1);
    assert_string_equal(recover.page.first.text, rows[DAMAGED].run);
    assert_int_equal(runs->count - lived, COUNT + 1); /* And the event of its list. */
    struct run_row heard;
    assert_true(runs_heard(runs, rows[DAMAGED].run, &heard));
    assert_int_equal(heard.state, RUN_RUNNING); /* Its process has to end first. */
    assert_int_equal(heard.stop, CAUSE_HISTORY_UNREADABLE);
    runs_forget(runs);
    assert_int_equal(recover_all(runs, 2), 3);
    assert_int_equal(runs->count, COUNT);
}

static void recovery_tells_what_life_told(void **state) {
    struct runs_kit *runs = *state;
    enum { COUNT = 8 };
    runs->bounds.slots = 3;
    struct runs_row rows[COUNT];
    for (int i = 0; i < COUNT; i++) {
        rows[i] = i % 2 == 0 ? runs_add(runs)
                             : runs_add_key(runs, (struct runs_place){.key_max = 1, .priority = i});
    }
    (void)runs_finish(runs, rows[0].run);
    struct run_settle what = runs_exit(runs, rows[1].run, 1);
    what.retry = (struct retry_policy){.max = 2, .on = RETRY_FAILED, .backoff_ms = 1000};
    what.note = BYTES("no");
    (void)runs_settle(runs, &what);
    size_t lived = runs->count;
    assert_int_equal(recover_all(runs, 3), 3);
    assert_int_equal(runs->count - lived, COUNT - 1); /* All but the one that ended. */
    for (int i = 1; i < COUNT; i++) {
        const struct runs_note *then = note_of(runs, lived, rows[i].row.id);
        const struct runs_note *now = &runs->notes[lived + (size_t)i - 1];
        assert_non_null(then);
        assert_int_equal(then->len, now->len);
        assert_memory_equal(then->bytes, now->bytes, now->len);
    }
}

static void large_runs_are_recovered_a_few_at_a_time(void **state) {
    struct runs_kit *runs = *state;
    enum { COUNT = 9, SIZE = 1 << 20 };
    char *spec = mem_new(SIZE);
    memset(spec, 'x', SIZE);
    for (int i = 0; i < COUNT; i++) {
        struct run_new what = runs_new(runs);
        what.spec = (struct bytes){spec, SIZE};
        (void)runs_submit(runs, &what);
    }
    mem_free(spec);
    size_t lived = runs->count;
    assert_int_equal(recover_all(runs, 1000), 4);
    assert_int_equal(runs->count - lived, COUNT);
}

static void a_note_that_was_cut_is_not_read(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    const struct runs_note *note = note_of(runs, runs->count, row.row.id);
    assert_non_null(note);
    struct run_row heard;
    for (size_t len = 0; len < note->len; len++) {
        char *copy = mem_copy(note->bytes, len);
        assert_false(run_note_read((struct bytes){copy, len}, &heard));
        mem_free(copy);
    }
}

/* --- Lists ------------------------------------------------------------------------------------ */

struct list {
    struct run_page page;
    int64_t ids[16];
    int64_t next;
    size_t count;
};

static struct err list_each(void *ctx, const struct run_row *row) {
    struct list *list = ctx;
    assert_true(list->count < COUNT_OF(list->ids));
    assert_int_equal(row->spec.len, 0);
    list->ids[list->count++] = row->id;
    return ERR_OK;
}

static struct err list_tx(struct tx *tx, void *ctx) {
    struct list *list = ctx;
    list->count = 0;
    return tx_run_each(tx, &list->page, list_each, list, &list->next);
}

static size_t list_go(struct runs_kit *runs, struct list *list) {
    list->page.owner = BYTES("ann");
    list->page.limit = list->page.limit == 0 ? 10 : list->page.limit;
    assert_int_equal(runs_do(runs, list_tx, list), ERR_NONE);
    return list->count;
}

static void lists_go_from_the_newest_and_can_be_narrowed(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row rows[4];
    for (int i = 0; i < 4; i++) {
        rows[i] = runs_add(runs);
    }
    struct run_new what = runs_new(runs);
    what.owner = BYTES("eve");
    (void)runs_submit(runs, &what);
    (void)runs_finish(runs, rows[1].run);
    struct list all = {.page = {.limit = 3}};
    assert_int_equal(list_go(runs, &all), 3);
    assert_int_equal(all.ids[0], rows[3].row.id);
    all.page.before = all.ids[2];
    assert_int_equal(list_go(runs, &all), 1);
    assert_int_equal(all.ids[0], rows[0].row.id);
    struct list live = {.page = {.live = true}};
    assert_int_equal(list_go(runs, &live), 3);
    struct list done = {.page = {.states = 1U << RUN_SUCCEEDED}};
    assert_int_equal(list_go(runs, &done), 1);
    assert_int_equal(done.ids[0], rows[1].row.id);
    struct list running = {.page = {.states = 1U << RUN_RUNNING}};
    assert_int_equal(list_go(runs, &running), 3);
    struct list turns = {.page = {.by_kind = true, .kind = KIND_TURN}};
    assert_int_equal(list_go(runs, &turns), 0);
}

/* --- Retention -------------------------------------------------------------------------------- */

static struct err remove_tx(struct tx *tx, void *ctx) {
    struct runs_find *find = ctx;
    struct run_row row;
    bool more = false;
    struct err err = tx_run_remove(tx, &find->key, &more, &row);
    assert_false(more);
    if (!err_failed(err)) {
        runs_copy(&row, &find->row);
    }
    return err;
}

static void only_what_has_ended_is_removed_and_its_stream_goes_with_it(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs), other = runs_add(runs);
    struct runs_find find = {.key = {.owner = BYTES("ann"), .run = kit_bytes(row.run)}};
    assert_int_equal(runs_do(runs, remove_tx, &find), ERR_CONFLICT);
    (void)runs_finish(runs, row.run);
    find.key.owner = BYTES("eve");
    assert_int_equal(runs_do(runs, remove_tx, &find), ERR_NOT_FOUND);
    find.key.owner = BYTES("ann");
    assert_int_equal(runs_do(runs, remove_tx, &find), ERR_NONE);
    assert_string_equal(find.row.run, row.run);
    assert_int_equal(runs_do(runs, remove_tx, &find), ERR_NOT_FOUND);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM streams WHERE name LIKE 'run:%'"), 1);
    assert_string_equal(runs_events(runs, other.run).text, "run_started {\"attempt\":1};");
}

static void a_run_stays_while_one_below_it_lives(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row parent = runs_add(runs);
    struct runs_row child = runs_add_child(runs, parent.run);
    (void)runs_finish(runs, parent.run);
    struct runs_find find = {.key = {.owner = BYTES("ann"), .run = kit_bytes(parent.run)}};
    assert_int_equal(runs_do(runs, remove_tx, &find), ERR_CONFLICT);
    (void)runs_finish(runs, child.run);
    assert_int_equal(runs_do(runs, remove_tx, &find), ERR_NONE);
}

static void no_run_gets_the_id_of_one_that_is_gone(void **state) {
    struct runs_kit *runs = *state;
    int64_t last = 0;
    for (int i = 0; i < 3; i++) {
        struct runs_row row = runs_add(runs);
        assert_true(row.row.id > last);
        last = row.row.id;
        (void)runs_finish(runs, row.run);
        struct runs_find find = {.key = {.owner = BYTES("ann"), .run = kit_bytes(row.run)}};
        assert_int_equal(runs_do(runs, remove_tx, &find), ERR_NONE);
        runs_restart(runs);
    }
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"), 0);
}

static void retention_is_by_count_and_by_age_the_oldest_end_first(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row rows[6];
    for (int i = 0; i < 6; i++) {
        rows[i] = runs_add(runs);
    }
    for (int i = 4; i >= 0; i--) { /* The fifth ends first; the sixth lives. */
        runs->kit.clock_ms += 1000;
        (void)runs_finish(runs, rows[i].run);
    }
    struct runs_prune prune = {.what = {.keep = {.count = 3}, .limit = 1}};
    runs_prune(runs, &prune);
    assert_int_equal(prune.gone, 1);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE id = 5"), 0);
    assert_true(prune.more);
    prune.what.limit = 10;
    runs_prune(runs, &prune);
    assert_int_equal(prune.gone, 1);
    assert_false(prune.more);
    prune.what.keep = (struct run_keep){.age_ms = 1500}; /* One ended 2 s ago. */
    runs_prune(runs, &prune);
    assert_int_equal(prune.gone, 1);
    prune.what.keep = (struct run_keep){.count = 0};
    runs_prune(runs, &prune);
    assert_int_equal(prune.gone, 0);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"), 3);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM streams WHERE name LIKE 'run:%'"), 3);
}

/* --- What others see -------------------------------------------------------------------------- */

static struct err census_tx(struct tx *tx, void *ctx) {
    return tx_run_census(tx, ctx);
}

static void the_census_counts_what_has_not_ended(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 2;
    struct run_census census = {.oldest_queued_ms = -1};
    assert_int_equal(runs_do(runs, census_tx, &census), ERR_NONE);
    assert_int_equal(census.oldest_queued_ms, 0);
    (void)runs_add(runs);
    (void)runs_add(runs);
    int64_t made_ms = runs->kit.clock_ms += 5;
    (void)runs_add(runs);
    runs->kit.clock_ms += 5;
    (void)runs_add(runs);
    assert_int_equal(runs_do(runs, census_tx, &census), ERR_NONE);
    assert_int_equal(census.states[RUN_RUNNING], 2);
    assert_int_equal(census.states[RUN_QUEUED], 2);
    assert_int_equal(census.oldest_queued_ms, made_ms);
    assert_int_equal(census.states[RUN_SUCCEEDED], 0);
}

static void a_row_is_json_for_clients(void **state) {
    (void)state;
    const struct run_row row = {.run = BYTES("run_1"),
                                .kind = KIND_JOB,
                                .state = RUN_FAILED,
                                .cause = CAUSE_EXIT_CODE,
                                .attempt = 2,
                                .exit_code = 3,
                                .made_ms = 5,
                                .label = BYTES("a \"b\""),
                                .spec = BYTES("{\"argv\":[]}")};
    AUTO(text_done) struct text text;
    text_init(&text, 4096);
    run_write_json(&row, RUN_WHOLE, &text);
    AUTO(json_release) json_t *json = NULL;
    kit_check(json_parse(text.data, text.len, 10, &json, NULL));
    assert_string_equal(json_string_value(json_object_get(json, "state")), "failed");
    assert_string_equal(json_string_value(json_object_get(json, "cause")), "exit_code");
    assert_string_equal(json_string_value(json_object_get(json, "label")), "a \"b\"");
    assert_int_equal(json_integer_value(json_object_get(json, "exit_code")), 3);
    assert_int_equal(json_integer_value(json_object_get(json, "attempts")), 2);
    assert_true(json_is_null(json_object_get(json, "ended_ms")));
    assert_true(json_is_null(json_object_get(json, "gate")));
    assert_true(json_is_object(json_object_get(json, "spec")));
    assert_true(json_is_null(json_object_get(json, "result")));
    assert_string_equal(json_string_value(json_object_get(json, "stream")), "run:run_1");
}

/* A list must be readable, whatever one of its rows holds. */
static void a_row_whose_id_is_damaged_is_json_all_the_same(void **state) {
    (void)state;
    static const struct bytes damaged = BYTES_INIT("\xff\"\\\x01");
    const struct run_row run = {.run = damaged, .parent_run = damaged, .key = damaged};
    const struct session_row session = {.session = damaged};
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 16);
    run_write_json(&run, RUN_WHOLE, &text);
    assert_true(json_is_valid((struct bytes){text.data, text.len}));
    text_clear(&text);
    fields_write(&session_shown_fields, FIELD_LISTED | FIELD_WHOLE, &session, &text);
    assert_true(json_is_valid((struct bytes){text.data, text.len}));
    const struct inbox_notice notice = {.run = &run};
    text_clear(&text);
    kit_check(inbox__write_notice(&notice, damaged, NULL, &text));
    assert_true(json_is_valid((struct bytes){text.data, text.len}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(while_the_daemon_holds_nothing_begins_and_a_release_starts_in_pages),
        RUNS_TEST(a_run_that_began_under_another_daemon_is_adopted),
        RUNS_TEST(an_adopted_attempt_is_of_this_epoch),
        RUNS_TEST(recovery_tells_what_life_told),
        RUNS_TEST(a_row_that_cannot_be_read_is_named_by_recovery_and_ends),
        RUNS_TEST(large_runs_are_recovered_a_few_at_a_time),
        RUNS_TEST(a_note_that_was_cut_is_not_read),
        RUNS_TEST(lists_go_from_the_newest_and_can_be_narrowed),
        RUNS_TEST(only_what_has_ended_is_removed_and_its_stream_goes_with_it),
        RUNS_TEST(a_run_stays_while_one_below_it_lives),
        RUNS_TEST(no_run_gets_the_id_of_one_that_is_gone),
        RUNS_TEST(retention_is_by_count_and_by_age_the_oldest_end_first),
        RUNS_TEST(the_census_counts_what_has_not_ended),
        cmocka_unit_test(a_row_is_json_for_clients),
        cmocka_unit_test(a_row_whose_id_is_damaged_is_json_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
