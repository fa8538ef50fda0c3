/* The journal's transactions: names, notes, numbers, pages, pruning. */
/* runs-with: sqlite, postgres, threads */
#include "journal_kit.h"

#include <sys/stat.h>

#include "journal/note.h"
#include "store/commit_mark.h"

/* --- Names ------------------------------------------------------------------------------------ */

static void stream_names_are_ascii_and_never_a_path_segment_of_dots(void **state) {
    (void)state;
    static const char *const good[] = {"a", "Build.7_x", "run:run_01", "a@b~c-d", "...", "0"};
    static const char *const bad[] = {"",      ".",   "..",  "a b", "a/b",  "a\n", "caf\xc3\xa9",
                                      "a%20b", "a?b", "a#b", "\"",  "a\\b", "<a>", "a+b",
                                      "a,b",   "\x7f"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(stream_name_valid(kit_bytes(good[i])));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(stream_name_valid(kit_bytes(bad[i])));
    }
    assert_false(stream_name_valid((struct bytes){"a\0b", 3}));
    char long_name[STREAM_NAME_MAX + 1];
    memset(long_name, 'x', sizeof long_name);
    assert_true(stream_name_valid((struct bytes){long_name, STREAM_NAME_MAX}));
    assert_false(stream_name_valid((struct bytes){long_name, STREAM_NAME_MAX + 1}));
}

static void names_of_our_own_streams_are_reserved(void **state) {
    (void)state;
    static const char *const ours[] = {"session:", "session:a", "run:x", "project:1", "system"};
    static const char *const theirs[] = {"session", "runs:x",   "system2",
                                         "sys",     "my-run:x", "Run:x"};
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        assert_true(stream_name_reserved(kit_bytes(ours[i])));
    }
    for (size_t i = 0; i < COUNT_OF(theirs); i++) {
        assert_false(stream_name_reserved(kit_bytes(theirs[i])));
    }
}

static void event_types_are_lower_case_words_and_not_our_frames(void **state) {
    (void)state;
    static const char *const good[] = {"a", "turn_started", "x.y-z_0", "snapshots", "done2"};
    static const char *const bad[] = {"",         "A",    "1a",      "_a", "a b", "a\n",
                                      "snapshot", "done", "closing", "aB", "a:b", "\xc3\xa9"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(event_type_valid(kit_bytes(good[i])));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(event_type_valid(kit_bytes(bad[i])));
    }
    char type[EVENT_TYPE_MAX + 1];
    memset(type, 'x', sizeof type);
    assert_true(event_type_valid((struct bytes){type, EVENT_TYPE_MAX}));
    assert_false(event_type_valid((struct bytes){type, EVENT_TYPE_MAX + 1}));
}

/* --- Notes ------------------------------------------------------------------------------------ */

static void a_note_reads_back_as_it_was_written_and_no_other_length_does(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct note note = {.kind = NOTE_EVENT,
                              .seq = INT64_MAX,
                              .at_ms = 1234567890123,
                              .owner = BYTES("o"),
                              .name = BYTES("stream"),
                              .type = BYTES("tick"),
                              .data = BYTES("{\"a\":[1,2]}")};
    struct bytes bytes = {0};
    kit_check(note_write(&arena, &note, &bytes));
    struct note back;
    assert_true(note_read(bytes, &back));
    assert_int_equal(back.kind, NOTE_EVENT);
    assert_int_equal(back.seq, INT64_MAX);
    assert_int_equal(back.at_ms, 1234567890123);
    assert_int_equal(back.owner.len, 1);
    assert_memory_equal(back.name.data, "stream", 6);
    assert_memory_equal(back.type.data, "tick", 4);
    assert_int_equal(back.data.len, note.data.len);
    assert_memory_equal(back.data.data, note.data.data, note.data.len);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_false(note_read((struct bytes){bytes.data, len}, &back));
    }
    char other_kind[256];
    memcpy(other_kind, bytes.data, bytes.len);
    other_kind[bytes.len] = 'x';
    assert_false(note_read((struct bytes){other_kind, bytes.len + 1}, &back));
    other_kind[0] = NOTE_LAST;
    assert_true(note_read((struct bytes){other_kind, bytes.len}, &back));
    assert_int_equal(back.kind, NOTE_LAST);
    other_kind[0] = NOTE_LAST + 1;
    assert_false(note_read((struct bytes){other_kind, bytes.len}, &back));
    arena_done(&arena);
}

/* --- Appending -------------------------------------------------------------------------------- */

static unsigned statements; /* Counted by the wraps below, only where a test asks. */

struct err __real_tx_exec(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                          int64_t *ret_changed);
struct err __wrap_tx_exec(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                          int64_t *ret_changed);
struct err __wrap_tx_exec(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                          int64_t *ret_changed) {
    statements++;
    return __real_tx_exec(tx, sql, args, count, ret_changed);
}

struct err __real_tx_query(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);
struct err __wrap_tx_query(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);
struct err __wrap_tx_query(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows) {
    statements++;
    return __real_tx_query(tx, sql, args, count, ret_rows);
}

struct err __real_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);
struct err __wrap_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);
struct err __wrap_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows) {
    statements++;
    return __real_tx_first(tx, sql, args, count, ret_rows);
}

static int open_kit(void **state) {
    *state = kit_new(STORE_INLINE, NULL);
    return 0;
}

static int close_kit(void **state) {
    kit_free(*state);
    return 0;
}

static void each_stream_counts_from_one_without_gap(void **state) {
    assert_int_equal(kit_append(*state, "a", 1), 1);
    assert_int_equal(kit_append(*state, "b", 3), 3);
    assert_int_equal(kit_append(*state, "a", 1), 2);
    assert_int_equal(kit_append(*state, "a", 2), 4);
    struct stream_state a = kit_state(*state, "a");
    assert_int_equal(a.head, 4);
    assert_int_equal(a.floor, 0);
    assert_int_equal(kit_state(*state, "b").head, 3);
}

static void two_owners_may_use_one_name_for_two_streams(void **state) {
    struct kit_append other = {.append = {.owner = BYTES("bob"),
                                          .stream = BYTES("a"),
                                          .type = BYTES("tick"),
                                          .data = BYTES("1")}};
    assert_int_equal(kit_append(*state, "a", 2), 2);
    kit_check(kit_write(*state, kit_append_tx, &other.call));
    assert_int_equal(other.appended.seq, 1);
    assert_int_not_equal(other.appended.stream, kit_state(*state, "a").stream);
}

static struct err append_and_fail(struct tx *tx, void *ctx) {
    struct err err = kit_append_tx(tx, ctx);
    return err_failed(err) ? err : err_make(ERR_CONFLICT, "test: changed its mind");
}

static void a_number_that_was_rolled_back_is_given_to_the_next_event(void **state) {
    assert_int_equal(kit_append(*state, "a", 1), 1);
    struct kit_append append = {.append = {.owner = BYTES("ann"),
                                           .stream = BYTES("a"),
                                           .type = BYTES("tick"),
                                           .data = BYTES("2")}};
    assert_int_equal(kit_write(*state, append_and_fail, &append.call).code, ERR_CONFLICT);
    assert_int_equal(kit_append(*state, "a", 1), 2);
}

static const char count_streams[] = "SELECT count(*) FROM streams";
static const char count_events[] = "SELECT count(*) FROM events";

static void an_append_is_three_statements_and_one_new_row(void **state) {
    statements = 0;
    kit_append(*state, "a", 1);
    assert_int_equal(statements, 3); /* The stream is made with the number in it. */
    int64_t events = kit_count(*state, count_events);
    statements = 0;
    kit_append(*state, "a", 1);
    assert_int_equal(statements, 3);
    kit_append(*state, "a", 10);
    assert_int_equal(statements, 3 + 30);
    assert_int_equal(kit_count(*state, count_events), events + 11);
    assert_int_equal(kit_count(*state, count_streams), 1);
}

struct append_many {
    struct kit_call call;
    struct append appends[3];
    size_t count;
    struct appended last;
};

static struct err append_many_tx(struct tx *tx, void *ctx) {
    struct append_many *many = CONTAINER_OF(ctx, struct append_many, call);
    return tx_append_all(tx, many->appends, many->count, &many->last);
}

static void several_events_at_once_look_the_stream_up_once(void **state) {
    const struct append tick = {
        .owner = BYTES("ann"), .stream = BYTES("a"), .type = BYTES("tick"), .data = BYTES("1")};
    struct append_many many = {.appends = {tick, tick, tick}, .count = 3};
    for (int64_t i = 1; i <= 2; i++) { /* The first time it makes the stream. */
        statements = 0;
        kit_check(kit_write(*state, append_many_tx, &many.call));
        assert_int_equal(statements, 5);
        assert_int_equal(many.last.seq, 3 * i);
        assert_int_equal(kit_state(*state, "a").head, 3 * i);
        assert_int_equal(kit_count(*state, count_events), 3 * i);
    }
    many.appends[1].data = BYTES("one\ntwo");
    assert_int_equal(kit_write(*state, append_many_tx, &many.call).code, ERR_BAD_FIELD);
    assert_int_equal(kit_state(*state, "a").head, 6);
    many.appends[1] = tick;
    many.appends[2].last = true;
    kit_check(kit_write(*state, append_many_tx, &many.call));
    assert_true(kit_state(*state, "a").ended);
    assert_int_equal(kit_state(*state, "a").head, 9);
}

/* Of the writer's connection; a thing of SQLite. */
static int64_t rows_written(struct kit *kit) {
    struct kit_count count = {.sql = "SELECT total_changes()"};
    kit_check(kit_write(kit, kit_count_tx, &count.call));
    return count.count;
}

static off_t log_bytes(const struct kit *kit) {
    char path[96];
    (void)snprintf(path, sizeof path, "%s/drover.db-wal", kit->folder);
    struct stat stat_of;
    assert_int_equal(stat(path, &stat_of), 0);
    return stat_of.st_size;
}

static void an_append_writes_two_rows_and_three_pages(void **state) {
    if (getenv("DROVER_TEST_POSTGRES_DIR") != NULL) {
        skip();
    }
    enum { FRAME = 24 + 4096, ROUNDS = 3 };
    kit_append(*state, "a", 1);
    int64_t rows = rows_written(*state);
    off_t bytes = log_bytes(*state);
    for (int i = 0; i < ROUNDS * COMMIT_MARK_STRIDE; i++) {
        off_t before = log_bytes(*state);
        kit_append(*state, "a", 1);
        assert_true(log_bytes(*state) >= before + 3 * FRAME);
    }
    /* The leaf of streams, that of events, and that of the events' index; and now and then the row
     * of the node, which counts the commits. */
    assert_int_equal(rows_written(*state), rows + ROUNDS * (2 * COMMIT_MARK_STRIDE + 1));
    assert_int_equal(log_bytes(*state), bytes + ROUNDS * (3 * COMMIT_MARK_STRIDE + 1) * FRAME);
    bytes = log_bytes(*state);
    kit_append(*state, "a", 20); /* One transaction writes each page once. */
    assert_in_range(log_bytes(*state), bytes + 3 * FRAME, bytes + 4 * FRAME);
}

static struct err append_and_remove_tx(struct tx *tx, void *ctx) {
    bool more = false;
    struct err err = kit_append_tx(tx, ctx);
    const struct stream_name stream = {.owner = BYTES("ann"), .name = BYTES("a")};
    return err_failed(err) ? err : tx_stream_remove(tx, &stream, JOURNAL_PRUNE_MAX, &more);
}

/* The head by which a commit is found later (store/commit_mark.h) may go in the same commit. */
static void a_stream_that_is_removed_with_its_append_is_no_lost_commit(void **state) {
    struct kit *kit = *state;
    struct kit_append append = {.append = {.owner = BYTES("ann"),
                                           .stream = BYTES("a"),
                                           .type = BYTES("tick"),
                                           .data = BYTES("1")}};
    if (getenv("DROVER_TEST_POSTGRES_DIR") != NULL) {
        skip();
    }
    kit_check(kit_write(kit, append_and_remove_tx, &append.call));
    struct store_check check = {.missing = -1};
    kit_check(store_check(kit->folder, &check, NULL));
    assert_int_equal(check.missing, 0);
}

static void what_cannot_be_appended_is_refused_before_any_statement(void **state) {
    static char large[EVENT_DATA_MAX + 1];
    memset(large, '1', sizeof large);
    const struct append good = {
        .owner = BYTES("ann"), .stream = BYTES("a"), .type = BYTES("tick"), .data = BYTES("1")};
    struct append bad[8] = {good, good, good, good, good, good, good, good};
    bad[0].owner = BYTES("");
    bad[1].owner = (struct bytes){large, STREAM_OWNER_MAX + 1};
    bad[2].stream = BYTES("a b");
    bad[3].type = BYTES("snapshot");
    bad[4].data = BYTES("");
    bad[5].data = BYTES("{\"a\":\n1}");
    bad[6].data = BYTES("1\r");
    bad[7].data = (struct bytes){large, sizeof large};
    statements = 0;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct kit_append append = {.append = bad[i]};
        enum err_code wanted = i == 7 ? ERR_BODY_TOO_LARGE : ERR_BAD_FIELD;
        assert_int_equal(kit_write(*state, kit_append_tx, &append.call).code, wanted);
        assert_int_equal(append.appended.seq, 0); /* Untouched. */
    }
    assert_int_equal(statements, 0);
    struct kit_append largest = {.append = good};
    largest.append.data = (struct bytes){large, EVENT_DATA_MAX};
    kit_check(kit_write(*state, kit_append_tx, &largest.call));
    assert_int_equal(kit_count(*state, count_streams), 1);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct page {
    struct kit_call call;
    int64_t stream, after, limit;
    int64_t count, first, last;
    int64_t fail_at;
};

static struct err see(void *ctx, const struct event *event) {
    struct page *page = ctx;
    if (page->count == 0) {
        page->first = event->seq;
    } else {
        assert_int_equal(event->seq, page->last + 1);
    }
    page->last = event->seq;
    page->count++;
    return event->seq == page->fail_at ? err_make(ERR_INTERRUPTED, "test") : ERR_OK;
}

static struct err page_tx(struct tx *tx, void *ctx) {
    struct page *page = ctx;
    page->count = page->first = page->last = 0;
    return tx_events(tx, page->stream, page->after, page->limit, see, page);
}

static void a_page_holds_at_most_256_events_in_order(void **state) {
    kit_append(*state, "a", 300);
    struct page page = {.stream = kit_state(*state, "a").stream, .limit = 1000};
    kit_check(kit_read(*state, page_tx, &page.call));
    assert_int_equal(page.count, JOURNAL_PAGE_EVENTS);
    assert_int_equal(page.first, 1);
    page.after = page.last;
    kit_check(kit_read(*state, page_tx, &page.call));
    assert_int_equal(page.count, 300 - JOURNAL_PAGE_EVENTS);
    assert_int_equal(page.last, 300);
    page.after = 300;
    kit_check(kit_read(*state, page_tx, &page.call));
    assert_int_equal(page.count, 0);
    page.after = 10;
    page.limit = 3;
    kit_check(kit_read(*state, page_tx, &page.call));
    assert_int_equal(page.first, 11);
    assert_int_equal(page.count, 3);
    page.limit = 0;
    kit_check(kit_read(*state, page_tx, &page.call));
    assert_int_equal(page.count, 0);
}

static void a_page_holds_at_most_a_megabyte(void **state) {
    static char large[EVENT_DATA_MAX];
    memset(large, '7', sizeof large);
    struct kit_append append = {.append = {.owner = BYTES("ann"),
                                           .stream = BYTES("a"),
                                           .type = BYTES("tick"),
                                           .data = {large, sizeof large}},
                                .times = 6};
    kit_check(kit_write(*state, kit_append_tx, &append.call));
    struct page page = {.stream = append.appended.stream, .limit = 100};
    kit_check(kit_read(*state, page_tx, &page.call));
    assert_int_equal(page.count, 3); /* Their types count too, so four do not fit. */
}

static void an_error_of_the_reader_ends_the_page(void **state) {
    kit_append(*state, "a", 9);
    struct page page = {.stream = kit_state(*state, "a").stream, .limit = 100, .fail_at = 4};
    assert_int_equal(kit_read(*state, page_tx, &page.call).code, ERR_INTERRUPTED);
    assert_int_equal(page.count, 4);
}

static void a_stream_that_was_never_written_is_not_found(void **state) {
    struct kit_find find = {.stream = "none", .state = {.head = 77}};
    kit_check(kit_read(*state, kit_find_tx, &find.call));
    assert_false(find.found);
    assert_int_equal(find.state.head, 77); /* Untouched. */
}

struct show {
    struct kit_call call;
    struct stream_name key;
    struct err answer; /* Of the function that is shown the row. */
    bool found;
};

static struct err show_row(void *ctx, const struct stream_row *row) {
    const struct show *show = ctx;
    return err_failed(show->answer) || row->head == 3 ? show->answer
                                                      : err_make(ERR_INTERNAL, "test: head");
}

static struct err show_tx(struct tx *tx, void *ctx) {
    struct show *show = ctx;
    return tx_stream_show(tx, &show->key, &show->found, show_row, show);
}

static void whether_a_stream_is_there_is_told_only_when_it_was_shown(void **state) {
    kit_append(*state, "a", 3);
    struct show show = {.key = {BYTES("ann"), BYTES("a")},
                        .answer = err_make(ERR_OUT_OF_MEMORY, "test: show")};
    assert_int_equal(kit_read(*state, show_tx, &show.call).code, ERR_OUT_OF_MEMORY);
    assert_false(show.found); /* Untouched. */
    show.answer = ERR_OK;
    kit_check(kit_read(*state, show_tx, &show.call));
    assert_true(show.found);
    show.key.name = BYTES("none");
    kit_check(kit_read(*state, show_tx, &show.call));
    assert_false(show.found);
}

/* --- Pruning ---------------------------------------------------------------------------------- */

static void pruning_cuts_a_prefix_in_small_steps_and_raises_floor(void **state) {
    kit_append(*state, "a", 20);
    struct kit_prune prune = {.stream = kit_state(*state, "a").stream, .through = 12};
    prune.count_max = 5;
    kit_check(kit_write(*state, kit_prune_tx, &prune.call));
    assert_true(prune.more);
    assert_int_equal(kit_state(*state, "a").floor, 5);
    kit_check(kit_write(*state, kit_prune_tx, &prune.call));
    assert_true(prune.more);
    kit_check(kit_write(*state, kit_prune_tx, &prune.call));
    assert_false(prune.more);
    assert_int_equal(kit_state(*state, "a").floor, 12);
    assert_int_equal(kit_count(*state, count_events), 8);
    prune.through = 3; /* Already gone. */
    kit_check(kit_write(*state, kit_prune_tx, &prune.call));
    assert_false(prune.more);
    assert_int_equal(kit_state(*state, "a").floor, 12);
}

static void numbers_go_on_after_everything_was_pruned(void **state) {
    kit_append(*state, "a", 4);
    kit_append(*state, "b", 2);
    kit_prune(*state, "a", 1000);
    struct stream_state a = kit_state(*state, "a");
    assert_int_equal(a.head, 4);
    assert_int_equal(a.floor, 4);
    assert_int_equal(kit_count(*state, count_events), 2); /* Of the other stream. */
    assert_int_equal(kit_append(*state, "a", 1), 5);
}

static void pruning_what_does_not_exist_changes_nothing(void **state) {
    struct kit_prune prune = {.stream = 999, .through = 12, .count_max = 5, .more = true};
    kit_check(kit_write(*state, kit_prune_tx, &prune.call));
    assert_false(prune.more);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_names_are_ascii_and_never_a_path_segment_of_dots),
        cmocka_unit_test(names_of_our_own_streams_are_reserved),
        cmocka_unit_test(event_types_are_lower_case_words_and_not_our_frames),
        cmocka_unit_test(a_note_reads_back_as_it_was_written_and_no_other_length_does),
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, open_kit, close_kit)
        KIT_TEST(each_stream_counts_from_one_without_gap),
        KIT_TEST(two_owners_may_use_one_name_for_two_streams),
        KIT_TEST(a_number_that_was_rolled_back_is_given_to_the_next_event),
        KIT_TEST(an_append_is_three_statements_and_one_new_row),
        KIT_TEST(several_events_at_once_look_the_stream_up_once),
        KIT_TEST(an_append_writes_two_rows_and_three_pages),
        KIT_TEST(a_stream_that_is_removed_with_its_append_is_no_lost_commit),
        KIT_TEST(what_cannot_be_appended_is_refused_before_any_statement),
        KIT_TEST(a_page_holds_at_most_256_events_in_order),
        KIT_TEST(a_page_holds_at_most_a_megabyte),
        KIT_TEST(an_error_of_the_reader_ends_the_page),
        KIT_TEST(a_stream_that_was_never_written_is_not_found),
        KIT_TEST(whether_a_stream_is_there_is_told_only_when_it_was_shown),
        KIT_TEST(pruning_cuts_a_prefix_in_small_steps_and_raises_floor),
        KIT_TEST(numbers_go_on_after_everything_was_pruned),
        KIT_TEST(pruning_what_does_not_exist_changes_nothing),
#undef KIT_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
