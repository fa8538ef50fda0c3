/* What a run did, step by step: rows that begin and end once, pages, and what goes with the run. */
#include "runs_kit.h"

#include "engine/trace/spans.h"
#include "engine/workflow/rows.h"

/* --- Calls ------------------------------------------------------------------------------------ */

static struct err start_tx(struct tx *tx, void *ctx) {
    return tx_span_start(tx, ctx);
}

static struct span_start model_start(int64_t run, int64_t step) {
    return (struct span_start){.key = {.run = run, .attempt = 1, .step = step},
                               .kind = SPAN_MODEL,
                               .name = BYTES("a-model"),
                               .input = BYTES("what?"),
                               .reserve = {900, 70}};
}

struct end {
    struct span_end what;
    bool late;
};

static struct err end_tx(struct tx *tx, void *ctx) {
    struct end *end = ctx;
    return tx_span_end(tx, &end->what, &end->late);
}

static struct end model_end(int64_t run, int64_t step) {
    return (struct end){.what = {.key = {.run = run, .attempt = 1, .step = step},
                                 .state = BYTES("succeeded"),
                                 .cause = BYTES("completed"),
                                 .error = BYTES(""),
                                 .output = BYTES("that"),
                                 .tokens = {1200, 300, SPAN_UNKNOWN, 80, 0},
                                 .cost = 1234,
                                 .tries = 2,
                                 .exit_code = SPAN_UNKNOWN,
                                 .cpu_us = SPAN_UNKNOWN,
                                 .memory_kb = SPAN_UNKNOWN}};
}

/* All of a run's as one JSON array. */
struct listing {
    struct span_page page;
    char text[64 << 10];
    unsigned count;
};

static struct err list_row(void *ctx, const struct span_row *row) {
    struct listing *listing = ctx;
    AUTO(text_done) struct text text;
    text_init(&text, sizeof listing->text);
    text_add_char(&text, listing->count++ == 0 ? '[' : ',');
    span_write_json(row, &text);
    assert_false(text_failed(&text));
    assert_true(strlen(listing->text) + text.len + 2 < sizeof listing->text);
    strncat(listing->text, text.data, text.len);
    return ERR_OK;
}

static struct err list_tx(struct tx *tx, void *ctx) {
    struct listing *listing = ctx;
    listing->text[0] = '\0';
    listing->count = 0;
    return tx_span_each(tx, &listing->page, list_row, listing);
}

static json_t *list(struct runs_kit *runs, struct span_page page) {
    static struct listing listing;
    listing.page = page;
    assert_int_equal(runs_do(runs, list_tx, &listing), ERR_NONE);
    strncat(listing.text, listing.count == 0 ? "[]" : "]", 3);
    json_t *json = NULL;
    kit_check(json_parse(listing.text, strlen(listing.text), 10, &json, NULL));
    return json;
}

static json_t *list_all(struct runs_kit *runs, int64_t run) {
    return list(runs, (struct span_page){.run = run, .step = -1, .limit = 1000});
}

static void check_text(const json_t *spans, size_t at, const char *name, const char *wanted) {
    assert_string_equal(json_string_value(json_object_get(json_array_get(spans, at), name)),
                        wanted);
}

static int64_t int_of(const json_t *spans, size_t at, const char *name) {
    const json_t *value = json_object_get(json_array_get(spans, at), name);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static bool null_of(const json_t *spans, size_t at, const char *name) {
    return json_is_null(json_object_get(json_array_get(spans, at), name));
}

/* --- A step ----------------------------------------------------------------------------------- */

static void a_step_shows_what_was_said_of_it_and_null_for_the_rest(void **state) {
    struct runs_kit *runs = *state;
    struct span_start start = model_start(7, 3);
    assert_int_equal(runs_do(runs, start_tx, &start), ERR_NONE);
    AUTO(json_release) json_t *running = list_all(runs, 7);
    assert_int_equal(json_array_size(running), 1);
    check_text(running, 0, "state", "running");
    check_text(running, 0, "kind", "model");
    check_text(running, 0, "input", "what?");
    assert_true(null_of(running, 0, "tokens"));
    assert_true(null_of(running, 0, "cost_micros"));
    assert_true(null_of(running, 0, "ended_ms"));
    assert_true(null_of(running, 0, "cause"));
    runs->kit.clock_ms += 250;
    struct end end = model_end(7, 3);
    assert_int_equal(runs_do(runs, end_tx, &end), ERR_NONE);
    assert_false(end.late);
    AUTO(json_release) json_t *ended = list_all(runs, 7);
    check_text(ended, 0, "state", "succeeded");
    check_text(ended, 0, "output", "that");
    assert_int_equal(int_of(ended, 0, "ended_ms") - int_of(ended, 0, "started_ms"), 250);
    assert_int_equal(int_of(ended, 0, "cost_micros"), 1234);
    assert_int_equal(int_of(ended, 0, "tries"), 2);
    assert_true(null_of(ended, 0, "exit_code"));
    const json_t *tokens = json_object_get(json_array_get(ended, 0), "tokens");
    assert_int_equal(json_integer_value(json_object_get(tokens, "fresh")), 1200);
    assert_int_equal(json_integer_value(json_object_get(tokens, "reasoning")), 0);
    assert_true(json_is_null(json_object_get(tokens, "cache_write")));
}

static void a_step_does_not_end_before_its_start_where_the_clock_was_set_back(void **state) {
    struct runs_kit *runs = *state;
    struct span_start start = model_start(7, 3);
    assert_int_equal(runs_do(runs, start_tx, &start), ERR_NONE);
    runs->kit.clock_ms -= 3600000;
    struct end end = model_end(7, 3);
    assert_int_equal(runs_do(runs, end_tx, &end), ERR_NONE);
    AUTO(json_release) json_t *ended = list_all(runs, 7);
    assert_int_equal(int_of(ended, 0, "ended_ms"), int_of(ended, 0, "started_ms"));
}

static void a_step_begins_once_and_ends_once(void **state) {
    struct runs_kit *runs = *state;
    struct end end = model_end(7, 1);
    assert_int_equal(runs_do(runs, end_tx, &end), ERR_NONE);
    assert_true(end.late); /* It never began. */
    struct span_start start = model_start(7, 1);
    assert_int_equal(runs_do(runs, start_tx, &start), ERR_NONE);
    struct end other = model_end(7, 1);
    other.what.key.attempt = 2;
    assert_int_equal(runs_do(runs, end_tx, &other), ERR_NONE);
    assert_true(other.late);
    assert_int_equal(runs_do(runs, end_tx, &end), ERR_NONE);
    assert_false(end.late);
    struct end again = model_end(7, 1);
    again.what.state = (struct bytes){"failed", 6};
    assert_int_equal(runs_do(runs, end_tx, &again), ERR_NONE);
    assert_true(again.late);
    AUTO(json_release) json_t *spans = list_all(runs, 7);
    check_text(spans, 0, "state", "succeeded");
}

/* NUL, an escape, and a character that the bound would cut in two. */
static void texts_are_bounded_and_may_hold_anything(void **state) {
    struct runs_kit *runs = *state;
    static char input[SPAN_TEXT_MAX + 100];
    memset(input, 'x', sizeof input);
    memcpy(input, "a\0\"b", 4);
    memcpy(input + SPAN_TEXT_MAX - 1, "\xc3\xa9", 2);
    struct span_start start = model_start(7, 1);
    start.input = (struct bytes){input, sizeof input};
    assert_int_equal(runs_do(runs, start_tx, &start), ERR_NONE);
    AUTO(json_release) json_t *spans = list_all(runs, 7);
    const json_t *back = json_object_get(json_array_get(spans, 0), "input");
    assert_int_equal(json_string_length(back), SPAN_TEXT_MAX - 1);
    assert_memory_equal(json_string_value(back), input, SPAN_TEXT_MAX - 1);
}

static void pages_follow_each_other_in_the_order_of_attempt_and_step(void **state) {
    struct runs_kit *runs = *state;
    static const int64_t keys[][2] = {{2, 1}, {1, 9}, {1, 10}, {2, 0}, {1, 2}};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct span_start start = model_start(7, keys[i][1]);
        start.key.attempt = keys[i][0];
        assert_int_equal(runs_do(runs, start_tx, &start), ERR_NONE);
    }
    struct span_start foreign = model_start(8, 1);
    assert_int_equal(runs_do(runs, start_tx, &foreign), ERR_NONE);
    static const int64_t wanted[][2] = {{1, 2}, {1, 9}, {1, 10}, {2, 0}, {2, 1}};
    struct span_page page = {.run = 7, .step = -1, .limit = 2};
    size_t at = 0;
    for (size_t pages = 0; pages < 4; pages++) {
        AUTO(json_release) json_t *spans = list(runs, page);
        for (size_t i = 0; i < json_array_size(spans); i++, at++) {
            assert_true(at < COUNT_OF(wanted));
            page.attempt = int_of(spans, i, "attempt");
            page.step = int_of(spans, i, "step");
            assert_int_equal(page.attempt, wanted[at][0]);
            assert_int_equal(page.step, wanted[at][1]);
        }
    }
    assert_int_equal(at, COUNT_OF(wanted));
}

/* --- Processes of runs ------------------------------------------------------------------------ */

static void each_attempt_of_a_job_is_a_step_of_its_own(void **state) {
    struct runs_kit *runs = *state;
    struct run_new what = runs_new(runs);
    what.command = BYTES("make all");
    struct runs_row row = runs_submit(runs, &what);
    struct run_settle settle = runs_exit(runs, row.run, 3);
    settle.retry = (struct retry_policy){.max = 1, .on = RETRY_FAILED};
    settle.usage = (struct run_usage){.known = true, .cpu_us = 1500, .memory_kb = 900};
    settle.disk = 20480;
    assert_int_equal(runs_settle(runs, &settle).row.row.attempt, 2);
    settle.attempt = 2;
    settle.end = (struct attempt){.end = ATTEMPT_GONE};
    settle.usage = (struct run_usage){.cpu_us = 700, .memory_kb = 900}; /* Known of the first. */
    settle.note = BYTES("nobody saw it");
    assert_int_equal(runs_settle(runs, &settle).row.row.state, RUN_LOST);
    AUTO(json_release) json_t *spans = list_all(runs, row.row.id);
    assert_int_equal(json_array_size(spans), 2);
    check_text(spans, 0, "kind", "process");
    check_text(spans, 0, "name", "make all");
    check_text(spans, 0, "state", "failed");
    check_text(spans, 0, "cause", "exit_code");
    assert_int_equal(int_of(spans, 0, "step"), 0);
    assert_int_equal(int_of(spans, 0, "exit_code"), 3);
    assert_int_equal(int_of(spans, 0, "cpu_us"), 1500);
    assert_int_equal(int_of(spans, 0, "memory_kb"), 900);
    assert_int_equal(int_of(spans, 1, "attempt"), 2);
    check_text(spans, 1, "state", "lost");
    check_text(spans, 1, "cause", "holder_killed");
    check_text(spans, 1, "error", "nobody saw it");
    assert_int_equal(int_of(spans, 1, "cpu_us"), 700);
    assert_true(null_of(spans, 1, "memory_kb"));
    assert_true(null_of(spans, 1, "exit_code"));
}

static void a_start_of_which_nothing_came_and_a_stop_are_steps_too(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct run_settle settle = runs_exit(runs, row.run, 0);
    settle.end = (struct attempt){.end = ATTEMPT_VOID};
    assert_int_equal(runs_settle(runs, &settle).row.row.attempt, 2);
    settle.attempt = 2;
    settle.end = (struct attempt){.end = ATTEMPT_SIGNALED, .why = ATTEMPT_STOPPED, .code = SIGTERM};
    assert_int_equal(runs_settle(runs, &settle).row.row.state, RUN_CANCELLED);
    AUTO(json_release) json_t *spans = list_all(runs, row.row.id);
    assert_int_equal(json_array_size(spans), 2);
    check_text(spans, 0, "state", "failed");
    check_text(spans, 0, "cause", "not_started");
    check_text(spans, 1, "state", "cancelled");
    check_text(spans, 1, "cause", "stopped");
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM spans WHERE state = 'running'"), 0);
}

static void a_run_that_waits_has_no_step_until_it_begins(void **state) {
    struct runs_kit *runs = *state;
    runs->bounds.slots = 1;
    struct runs_row first = runs_add(runs), second = runs_add(runs);
    assert_int_equal(second.row.state, RUN_QUEUED);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM spans"), 1);
    (void)runs_finish(runs, first.run);
    AUTO(json_release) json_t *spans = list_all(runs, second.row.id);
    assert_int_equal(json_array_size(spans), 1);
    check_text(spans, 0, "state", "running");
}

struct removing {
    struct run_key key;
    bool more;
};

static struct err remove_tx(struct tx *tx, void *ctx) {
    struct removing *removing = ctx;
    struct run_row row;
    return tx_run_remove(tx, &removing->key, &removing->more, &row);
}

struct seen_parent {
    char run[ID_SIZE], parent[ID_SIZE];
};

static struct err see_parent_tx(struct tx *tx, void *ctx) {
    struct seen_parent *seen = ctx;
    const struct run_key key = {.run = kit_bytes(seen->run)};
    bool found = false;
    struct run_row row;
    struct err err = tx_run_find(tx, &key, &found, &row);
    assert_true(err_failed(err) || found);
    if (!err_failed(err)) {
        runs_copy_text(row.parent_run, seen->parent, sizeof seen->parent);
    }
    return err;
}

static void check_parent(struct runs_kit *runs, const char *run, const char *wanted) {
    struct seen_parent seen = {.parent = "?"};
    memcpy(seen.run, run, strlen(run) + 1);
    assert_int_equal(runs_do(runs, see_parent_tx, &seen), ERR_NONE);
    assert_string_equal(seen.parent, wanted);
}

static void a_run_names_the_one_above_it_as_long_as_that_is_there(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row parent = runs_add(runs);
    struct runs_row child = runs_add_child(runs, parent.run);
    check_parent(runs, parent.run, "");
    check_parent(runs, child.run, parent.run);
    (void)runs_finish(runs, child.run);
    (void)runs_finish(runs, parent.run);
    struct run_key key = {.owner = BYTES("ann"), .run = kit_bytes(parent.run)};
    struct removing removing = {.key = key};
    assert_int_equal(runs_do(runs, remove_tx, &removing), ERR_NONE);
    (void)runs_add(runs); /* Its number is another. */
    check_parent(runs, child.run, "");
}

/* --- Going ------------------------------------------------------------------------------------ */

/* As a long turn would have them. */
static void add_steps(struct runs_kit *runs, int64_t run, int64_t count) {
    for (int64_t step = 1; step <= count; step++) {
        struct span_start start = model_start(run, step);
        kit_check((struct err){.code = runs_do(runs, start_tx, &start), .step = "start"});
    }
}

static void a_run_with_very_many_steps_goes_a_page_at_a_time_and_last(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs), other = runs_add(runs);
    (void)runs_finish(runs, row.run);
    add_steps(runs, row.row.id, SPAN_REMOVE_MAX + 10);
    struct removing removing = {.key = {.owner = BYTES("ann"), .run = kit_bytes(row.run)}};
    assert_int_equal(runs_do(runs, remove_tx, &removing), ERR_NONE);
    assert_true(removing.more);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM spans"), 12);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"), 2);
    assert_int_equal(runs_do(runs, remove_tx, &removing), ERR_NONE);
    assert_false(removing.more);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"), 1);
    AUTO(json_release) json_t *left = list_all(runs, other.row.id);
    assert_int_equal(json_array_size(left), 1);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM spans"), 1);
}

struct telling {
    struct bytes stream;
    int64_t count;
};

static struct err tell_tx(struct tx *tx, void *ctx) {
    const struct telling *telling = ctx;
    const struct append append = {.owner = BYTES("ann"),
                                  .stream = telling->stream,
                                  .type = BYTES("log"),
                                  .data = BYTES("{}")};
    struct err err = ERR_OK;
    for (int64_t i = 0; i < telling->count && !err_failed(err); i++) {
        struct appended appended;
        err = tx_append(tx, &append, &appended);
    }
    return err;
}

static struct err make_agents_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    struct err err = tx_exec(tx, "UPDATE runs SET kind = 'workflow' WHERE parent = 0", NULL, 0,
                             NULL /* one row */);
    return err_failed(err) ? err
                           : tx_exec(tx, "UPDATE runs SET step_key = run WHERE parent <> 0", NULL,
                                     0, NULL /* any number */);
}

static void a_workflow_with_very_many_agents_goes_a_page_at_a_time_the_newest_first(void **state) {
    enum { AGENTS = 2 * WORKFLOW_FORGET_PAGE + 10 };
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    int64_t first = 0;
    for (int i = 0; i < AGENTS; i++) {
        struct runs_row agent = runs_add_child(runs, row.run);
        first = first == 0 ? agent.row.id : first;
        (void)runs_finish(runs, agent.run);
    }
    (void)runs_finish(runs, row.run);
    assert_int_equal(runs_do(runs, make_agents_tx, NULL), ERR_NONE);
    struct removing removing = {.key = {.owner = BYTES("ann"), .run = kit_bytes(row.run)}};
    for (int64_t left = AGENTS; left >= WORKFLOW_FORGET_PAGE; left -= WORKFLOW_FORGET_PAGE) {
        assert_int_equal(runs_do(runs, remove_tx, &removing), ERR_NONE);
        assert_true(removing.more);
        assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"),
                         1 + left - WORKFLOW_FORGET_PAGE);
        assert_int_equal(runs_count(runs, "SELECT min(id) FROM runs WHERE parent <> 0"), first);
    }
    assert_int_equal(runs_do(runs, remove_tx, &removing), ERR_NONE);
    assert_false(removing.more);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"), 0);
}

static void a_run_with_very_many_events_goes_a_page_at_a_time_too(void **state) {
    static const char own_events[] = "SELECT count(*) FROM events WHERE stream IN"
                                     " (SELECT id FROM streams WHERE name LIKE 'run:%')";
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    char stream[STREAM_NAME_MAX];
    int len = snprintf(stream, sizeof stream, "run:%s", row.run);
    struct telling telling = {.stream = {stream, (size_t)len}, .count = JOURNAL_PRUNE_MAX};
    assert_int_equal(runs_do(runs, tell_tx, &telling), ERR_NONE);
    (void)runs_finish(runs, row.run);
    struct removing removing = {.key = {.owner = BYTES("ann"), .run = kit_bytes(row.run)}};
    assert_int_equal(runs_do(runs, remove_tx, &removing), ERR_NONE);
    assert_true(removing.more);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"), 1);
    assert_in_range(runs_count(runs, own_events), 1, 10);
    assert_int_equal(runs_do(runs, remove_tx, &removing), ERR_NONE);
    assert_false(removing.more);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"), 0);
    assert_int_equal(runs_count(runs, own_events), 0);
}

static void retention_takes_a_page_of_steps_at_a_time(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row rows[3];
    for (int i = 0; i < 3; i++) {
        rows[i] = runs_add(runs);
        (void)runs_finish(runs, rows[i].run);
        runs->kit.clock_ms += 1000;
    }
    add_steps(runs, rows[0].row.id, SPAN_REMOVE_MAX + 10);
    struct runs_prune prune = {.what = {.keep = {.count = 1}, .limit = 10}};
    runs_prune(runs, &prune);
    assert_int_equal(prune.gone, 0); /* Its folder stays as long as its row. */
    assert_true(prune.more);
    runs_prune(runs, &prune);
    assert_int_equal(prune.gone, 2);
    assert_false(prune.more);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM spans"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(a_step_shows_what_was_said_of_it_and_null_for_the_rest),
        RUNS_TEST(a_step_does_not_end_before_its_start_where_the_clock_was_set_back),
        RUNS_TEST(a_step_begins_once_and_ends_once),
        RUNS_TEST(texts_are_bounded_and_may_hold_anything),
        RUNS_TEST(pages_follow_each_other_in_the_order_of_attempt_and_step),
        RUNS_TEST(each_attempt_of_a_job_is_a_step_of_its_own),
        RUNS_TEST(a_start_of_which_nothing_came_and_a_stop_are_steps_too),
        RUNS_TEST(a_run_that_waits_has_no_step_until_it_begins),
        RUNS_TEST(a_run_names_the_one_above_it_as_long_as_that_is_there),
        RUNS_TEST(a_run_with_very_many_steps_goes_a_page_at_a_time_and_last),
        RUNS_TEST(a_workflow_with_very_many_agents_goes_a_page_at_a_time_the_newest_first),
        RUNS_TEST(a_run_with_very_many_events_goes_a_page_at_a_time_too),
        RUNS_TEST(retention_takes_a_page_of_steps_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
