/* The inbox: what is owed to whoever waits for a result. */
/* runs-with: sqlite, postgres */
#include "engine/inbox/rows.h"
#include "inbox_kit.h"

/* --- Notices ---------------------------------------------------------------------------------- */

static json_t *notice_of(struct due *due) {
    json_t *json = NULL;
    kit_check(json_parse(due->payload, strlen(due->payload), 10, &json, NULL));
    return json;
}

static void the_commit_that_ends_a_run_owes_each_receiver_a_notice(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row =
        add_with(runs, "{\"argv\":[\"make\",\"all\"],\"notify\":[{\"webhook\":\"" HOOK_A
                       "\"},{\"webhook\":\"" HOOK_B "\"}]}");
    runs->kit.clock_ms += 250;
    struct run_settle what = runs_exit(runs, row.run, 3);
    what.output = BYTES("no rule\n");
    (void)runs_settle(runs, &what);
    struct due a, b;
    due_at(runs, HOOK_A, &a);
    due_at(runs, HOOK_B, &b);
    assert_true(a.found && b.found);
    assert_string_not_equal(a.delivery, b.delivery);
    assert_true(id_valid(a.delivery, strlen(a.delivery), "dlv"));
    assert_int_equal(notes_for(runs, 0, HOOK_A), 1);
    AUTO(json_release) json_t *json = notice_of(&a);
    assert_string_equal(json_string_value(json_object_get(json, "delivery")), a.delivery);
    assert_string_equal(json_string_value(json_object_get(json, "run")), row.run);
    assert_string_equal(json_string_value(json_object_get(json, "kind")), "job");
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "argv"), 1)), "all");
    assert_string_equal(json_string_value(json_object_get(json, "state")), "failed");
    assert_string_equal(json_string_value(json_object_get(json, "cause")), "exit_code");
    assert_int_equal(json_integer_value(json_object_get(json, "exit_code")), 3);
    assert_int_equal(json_integer_value(json_object_get(json, "duration_ms")), 250);
    assert_string_equal(json_string_value(json_object_get(json, "output")), "no rule\n");
    char log[80];
    (void)snprintf(log, sizeof log, "/api/v1/jobs/%s/logs", row.run);
    assert_string_equal(json_string_value(json_object_get(json, "log")), log);
}

static void only_the_notice_of_a_job_names_a_log(void **state) {
    (void)state;
    for (enum run_kind kind = 0; kind < RUN_KIND_COUNT; kind++) {
        const struct run_row row = {.kind = kind, .run = BYTES("run_1"), .state = RUN_SUCCEEDED};
        const struct inbox_notice notice = {.run = &row};
        AUTO(text_done) struct text text = text_up_to(4096);
        AUTO(json_release) json_t *json = NULL;
        kit_check(inbox__write_notice(&notice, BYTES("dlv_1"), NULL, &text));
        kit_check(json_parse(text.data, text.len, 10, &json, NULL));
        assert_int_equal(json_object_get(json, "log") != NULL, kind == KIND_JOB);
    }
}

static void a_notice_is_bounded_whatever_the_command_was_and_wrote(void **state) {
    struct runs_kit *runs = *state;
    static const char *const fills[] = {"\x01", "\xff", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "a"};
    AUTO(text_done) struct text spec;
    text_init(&spec, 1 << 20);
    text_add_str(&spec, "{\"notify\":[{\"webhook\":\"" HOOK_A "\"}],\"argv\":[\"x\"");
    for (int i = 0; i < 4000; i++) {
        text_add_str(&spec, ",\"\\u0001\\u0001\"");
    }
    text_add_str(&spec, "]}");
    for (size_t f = 0; f < COUNT_OF(fills); f++) {
        AUTO(text_done) struct text output;
        text_init(&output, 1 << 20);
        for (int i = 0; i < 9000; i++) {
            text_add_str(&output, i == 0 ? "H" : i == 8999 ? "T" : fills[f]);
        }
        struct runs_row row = add_with(runs, spec.data);
        struct run_settle what = runs_exit(runs, row.run, 0);
        what.output = (struct bytes){output.data, output.len};
        (void)runs_settle(runs, &what);
        struct due due;
        due_at(runs, HOOK_A, &due);
        AUTO(json_release) json_t *json = notice_of(&due);
        const json_t *text = json_object_get(json, "output");
        const char *shown = json_string_value(text);
        size_t len = json_string_length(text);
        assert_int_equal(shown[0], 'H');
        assert_int_equal(shown[len - 1], 'T');
        assert_non_null(strstr(shown, "\n…\n"));
        size_t characters = 0;
        for (size_t i = 0; i < len; i++) {
            characters += ((unsigned char)shown[i] & 0xc0) != 0x80;
        }
        assert_in_range(characters, 3990, INBOX_OUTPUT_MAX);
        assert_true(json_array_size(json_object_get(json, "argv")) > 10);
        assert_true(settle(runs, due.delivery, INBOX_DELIVERED));
    }
}

static void every_end_notifies_also_of_what_never_began(void **state) {
    struct runs_kit *runs = *state;
    static const char spec[] =
        "{\"shell\":\"make; make install\",\"notify\":[{\"webhook\":\"" HOOK_A "\"}]}";
    runs->bounds.slots = 1;
    struct runs_row parent = runs_add(runs);
    struct run_new what = runs_new(runs);
    what.parent = kit_bytes(parent.run);
    what.spec = kit_bytes(spec);
    (void)runs_submit(runs, &what);
    (void)runs_finish(runs, parent.run);
    struct due due;
    due_at(runs, HOOK_A, &due);
    assert_true(due.found);
    AUTO(json_release) json_t *json = notice_of(&due);
    assert_string_equal(json_string_value(json_object_get(json, "state")), "cancelled");
    assert_string_equal(json_string_value(json_object_get(json, "cause")), "parent_ended");
    assert_string_equal(json_string_value(json_object_get(json, "shell")), "make; make install");
    assert_true(json_is_null(json_object_get(json, "exit_code")));
    assert_int_equal(json_integer_value(json_object_get(json, "duration_ms")), 0);
}

static void a_retry_notifies_nobody(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = add_with(runs, "{\"notify\":[{\"webhook\":\"" HOOK_A "\"}]}");
    struct run_settle what = runs_exit(runs, row.run, 3);
    what.retry = (struct retry_policy){.max = 1, .on = RETRY_FAILED, .backoff_ms = 5};
    (void)runs_settle(runs, &what);
    struct due due;
    due_at(runs, HOOK_A, &due);
    assert_false(due.found);
}

static void the_word_alone_owes_nothing(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = add_with(runs, "{\"argv\":[\"say\",\"\\\"notify\\\"\"]}");
    (void)runs_finish(runs, row.run);
    row = add_with(runs, "{\"argv\":[\"say\"],\"env\":{\"notify\":\"x\"}}");
    (void)runs_finish(runs, row.run);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox"), 0);
}

/* --- Settling --------------------------------------------------------------------------------- */

static void what_was_delivered_is_owed_no_more_and_a_second_answer_is_late(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 2);
    struct due first, second;
    due_at(runs, HOOK_A, &first);
    size_t told = runs->count;
    assert_true(settle(runs, first.delivery, INBOX_DELIVERED));
    assert_int_equal(notes_for(runs, told, HOOK_A), 1);
    assert_false(settle(runs, first.delivery, INBOX_FAILED));
    due_at(runs, HOOK_A, &second);
    assert_string_not_equal(second.delivery, first.delivery);
    assert_true(settle(runs, second.delivery, INBOX_RECEIVER_GONE));
    due_at(runs, HOOK_A, &first);
    assert_false(first.found);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox WHERE state = 'gone'"), 1);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox WHERE state = 'acknowledged'"),
                     1);
}

struct order {
    struct inbox_key key;
    enum inbox_order order;
    struct due row;
};

static struct err order_tx(struct tx *tx, void *ctx) {
    struct order *order = ctx;
    struct inbox_row row;
    struct err err = tx_inbox_order(tx, &order->key, order->order, &row);
    if (!err_failed(err)) {
        copy_row(&row, &order->row);
    }
    return err;
}

static void a_person_may_try_again_at_once_or_drop(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 1);
    struct due due;
    due_at(runs, HOOK_A, &due);
    assert_true(settle(runs, due.delivery, INBOX_FAILED));
    struct order order = {.key = {.owner = BYTES("eve"), .delivery = kit_bytes(due.delivery)}};
    assert_int_equal(runs_do(runs, order_tx, &order), ERR_NOT_FOUND);
    order.key.owner = BYTES("ann");
    size_t told = runs->count;
    assert_int_equal(runs_do(runs, order_tx, &order), ERR_NONE);
    assert_int_equal(notes_for(runs, told, HOOK_A), 1);
    assert_int_equal(order.row.row.not_before_ms, runs->kit.clock_ms);
    order.order = INBOX_DROP;
    assert_int_equal(runs_do(runs, order_tx, &order), ERR_NONE);
    assert_int_equal(order.row.row.state, INBOX_DROPPED);
    assert_int_equal(runs_do(runs, order_tx, &order), ERR_CONFLICT);
    order.order = INBOX_RETRY;
    assert_int_equal(runs_do(runs, order_tx, &order), ERR_CONFLICT);
    assert_false(settle(runs, due.delivery, INBOX_DELIVERED)); /* Late. */
}

/* --- Walking ---------------------------------------------------------------------------------- */

struct walk {
    struct resource_page page;
    size_t count;
    int64_t last, now_ms; /* now_ms: by the clock that judges ages. */
    struct inbox_prune prune;
    struct inbox_cursor after, next;
    int64_t damaged;
    bool more;
    struct inbox_census census;
};

static struct err walk_each(void *ctx, const void *read) {
    struct walk *walk = ctx;
    const struct inbox_row *row = read;
    assert_int_equal(row->payload.len, 0);
    walk->count++;
    walk->last = row->id;
    return ERR_OK;
}

static struct err list_tx(struct tx *tx, void *ctx) {
    struct walk *walk = ctx;
    walk->count = 0;
    return tx_resource_list(tx, &delivery_resource, &walk->page, walk_each, walk);
}

static struct err recover_tx(struct tx *tx, void *ctx) {
    struct walk *walk = ctx;
    return tx_inbox_recover(tx, &walk->after, walk->page.limit, &walk->next, &walk->damaged);
}

static struct err prune_tx(struct tx *tx, void *ctx) {
    struct walk *walk = ctx;
    const struct arg args[] = {arg_int(walk->now_ms)};
    struct err err =
        tx_exec(tx, "UPDATE nodes SET judged_ms = $1", args, COUNT_OF(args), NULL /* one row */);
    return err_failed(err) ? err : tx_inbox_prune(tx, &walk->prune, &walk->more);
}

static struct err census_tx(struct tx *tx, void *ctx) {
    struct walk *walk = ctx;
    return tx_inbox_census(tx, &walk->census);
}

static void lists_show_what_is_not_settled_unless_all_is_asked_for(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 3);
    struct due due;
    due_at(runs, HOOK_A, &due);
    assert_true(settle(runs, due.delivery, INBOX_DELIVERED));
    struct walk walk = {.page = {.owner = BYTES("ann"), .limit = 10, .unsettled = true}};
    assert_int_equal(runs_do(runs, list_tx, &walk), ERR_NONE);
    assert_int_equal(walk.count, 2);
    walk.page.unsettled = false;
    assert_int_equal(runs_do(runs, list_tx, &walk), ERR_NONE);
    assert_int_equal(walk.count, 3);
    walk.page.limit = 1;
    assert_int_equal(runs_do(runs, list_tx, &walk), ERR_NONE);
    walk.page.before = walk.last;
    walk.page.limit = 10;
    assert_int_equal(runs_do(runs, list_tx, &walk), ERR_NONE);
    assert_int_equal(walk.count, 2);
    walk.page.owner = BYTES("eve");
    assert_int_equal(runs_do(runs, list_tx, &walk), ERR_NONE);
    assert_int_equal(walk.count, 0);
}

static void recovery_names_each_receiver_once(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 2);
    struct runs_row row = add_with(runs, "{\"notify\":[{\"webhook\":\"" HOOK_B "\"}]}");
    (void)runs_finish(runs, row.run);
    owe(runs, 1);
    runs_restart(runs);
    size_t told = runs->count;
    struct walk walk = {.page = {.limit = 1}};
    unsigned pages = 0;
    do {
        assert_int_equal(runs_do(runs, recover_tx, &walk), ERR_NONE);
        walk.after = walk.next;
        pages++;
    } while (walk.next.len != 0);
    assert_int_equal(pages, 3);
    assert_int_equal(notes_for(runs, told, HOOK_A), 1);
    assert_int_equal(notes_for(runs, told, HOOK_B), 1);
}

static void only_what_is_settled_is_ever_pruned(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 3);
    for (int i = 0; i < 2; i++) {
        struct due due;
        due_at(runs, HOOK_A, &due);
        assert_true(settle(runs, due.delivery, INBOX_DELIVERED));
    }
    struct walk walk = {.prune = {.age_ms = 50, .count = 100, .limit = 1},
                        .now_ms = runs->kit.clock_ms + 50};
    assert_int_equal(runs_do(runs, prune_tx, &walk), ERR_NONE);
    assert_false(walk.more); /* Not old enough. */
    walk.now_ms++;
    assert_int_equal(runs_do(runs, prune_tx, &walk), ERR_NONE);
    assert_true(walk.more);
    walk.prune.limit = 100;
    assert_int_equal(runs_do(runs, prune_tx, &walk), ERR_NONE);
    assert_false(walk.more);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox"), 1);
}

static void deliver(struct runs_kit *runs, int count) {
    for (int i = 0; i < count; i++) {
        struct due due;
        due_at(runs, HOOK_A, &due);
        assert_true(settle(runs, due.delivery, INBOX_DELIVERED));
        runs->kit.clock_ms++;
    }
}

static void of_what_is_settled_only_the_newest_are_kept(void **state) {
    struct runs_kit *runs = *state;
    owe(runs, 6);
    deliver(runs, 5);
    int64_t fourth_ms = runs->kit.clock_ms - 2;
    struct walk walk = {.prune = {.count = 2, .limit = 2}};
    assert_int_equal(runs_do(runs, prune_tx, &walk), ERR_NONE);
    assert_true(walk.more);
    assert_int_equal(runs_do(runs, prune_tx, &walk), ERR_NONE);
    assert_false(walk.more);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox WHERE settled_ms IS NULL"), 1);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox WHERE settled_ms > 0"), 2);
    assert_int_equal(runs_count(runs, "SELECT min(settled_ms) FROM inbox"), fourth_ms);
}

static struct err remove_tx(struct tx *tx, void *ctx) {
    struct run_row row;
    const struct run_key key = {.run = kit_bytes(ctx)};
    bool more = false;
    return tx_run_remove(tx, &key, &more, &row);
}

/* The output of a run stands in its notices. What is owed is told all the same, and goes then. */
static void what_was_told_of_a_run_goes_with_it(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = add_with(runs, "{\"argv\":[\"make\"],\"notify\":[{\"webhook\":\"" HOOK_A
                                         "\"},{\"webhook\":\"" HOOK_B "\"}]}");
    (void)runs_finish(runs, run.run);
    struct due due;
    due_at(runs, HOOK_A, &due);
    assert_true(settle(runs, due.delivery, INBOX_DELIVERED));
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox"), 2);
    assert_int_equal(runs_do(runs, remove_tx, run.run), ERR_NONE);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox"), 1);
    due_at(runs, HOOK_B, &due);
    assert_true(due.found);
    assert_true(settle(runs, due.delivery, INBOX_FAILED));
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox"), 1);
    assert_true(settle(runs, due.delivery, INBOX_DELIVERED));
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM inbox"), 0);
}

static void the_census_counts_what_is_owed(void **state) {
    struct runs_kit *runs = *state;
    struct walk walk = {.more = false};
    int64_t oldest_ms = runs->kit.clock_ms;
    owe(runs, 1);
    runs->kit.clock_ms += 7;
    owe(runs, 2);
    struct due due;
    due_at(runs, HOOK_A, &due);
    for (int i = 0; i < 20; i++) {
        assert_true(settle(runs, due.delivery, INBOX_FAILED));
    }
    assert_int_equal(runs_do(runs, census_tx, &walk), ERR_NONE);
    assert_int_equal(walk.census.pending, 2);
    assert_int_equal(walk.census.stalled, 1);
    assert_int_equal(walk.census.oldest_ms, oldest_ms);
}

static void a_note_that_was_cut_is_not_read(void **state) {
    (void)state;
    struct inbox_receiver receiver;
    assert_false(inbox_note_read(BYTES(""), &receiver));
    assert_false(inbox_note_read(BYTES("\0"), &receiver));
    assert_false(inbox_note_read(BYTES("\0\3an"), &receiver));
    assert_false(inbox_note_read(BYTES("\2\3annx"), &receiver));
    assert_true(inbox_note_read(BYTES("\1\3annx"), &receiver));
    assert_int_equal(receiver.kind, RECEIVER_SESSION);
}

static void a_row_is_json_for_clients(void **state) {
    (void)state;
    const struct inbox_row row = {.delivery = BYTES("dlv_1"),
                                  .run = BYTES("run_1"),
                                  .address = BYTES(HOOK_A),
                                  .state = INBOX_STALLED,
                                  .failures = 21,
                                  .not_before_ms = 9,
                                  .payload = BYTES("{\"run\":\"run_1\"}")};
    AUTO(text_done) struct text text;
    text_init(&text, 4096);
    fields_write(&delivery_resource.fields, FIELD_LISTED | FIELD_WHOLE, &row, &text);
    AUTO(json_release) json_t *json = NULL;
    kit_check(json_parse(text.data, text.len, 10, &json, NULL));
    assert_string_equal(json_string_value(json_object_get(json, "state")), "stalled");
    assert_string_equal(json_string_value(json_object_get(json, "receiver")), "webhook");
    assert_int_equal(json_integer_value(json_object_get(json, "next_ms")), 9);
    assert_true(json_is_null(json_object_get(json, "settled_ms")));
    assert_true(json_is_object(json_object_get(json, "payload")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(the_commit_that_ends_a_run_owes_each_receiver_a_notice),
        RUNS_TEST(only_the_notice_of_a_job_names_a_log),
        RUNS_TEST(a_notice_is_bounded_whatever_the_command_was_and_wrote),
        RUNS_TEST(every_end_notifies_also_of_what_never_began),
        RUNS_TEST(a_retry_notifies_nobody),
        RUNS_TEST(the_word_alone_owes_nothing),
        RUNS_TEST(what_was_delivered_is_owed_no_more_and_a_second_answer_is_late),
        RUNS_TEST(a_person_may_try_again_at_once_or_drop),
        RUNS_TEST(lists_show_what_is_not_settled_unless_all_is_asked_for),
        RUNS_TEST(recovery_names_each_receiver_once),
        RUNS_TEST(only_what_is_settled_is_ever_pruned),
        RUNS_TEST(of_what_is_settled_only_the_newest_are_kept),
        RUNS_TEST(what_was_told_of_a_run_goes_with_it),
        RUNS_TEST(the_census_counts_what_is_owed),
        cmocka_unit_test(a_note_that_was_cut_is_not_read),
        cmocka_unit_test(a_row_is_json_for_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
