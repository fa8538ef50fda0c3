/* test_run_input.c: what was sent to a run that lives, in rows, by offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "engine/job/input.h"
#include "runs_kit.h"

struct add {
    struct run_input what;
    struct run_input_place place;
    struct why why;
};

static struct err add_tx(struct tx *tx, void *ctx) {
    struct add *add = ctx;
    return tx_run_input(tx, &add->what, &add->place, &add->why);
}

static struct add input_of(const char *run, struct bytes bytes) {
    return (struct add){
        .what = {.key = {.owner = BYTES("ann"), .run = kit_bytes(run)}, .bytes = bytes}};
}

/* Taken, and at that offset. */
static void add(struct runs_kit *runs, const char *run, struct bytes bytes, int64_t offset) {
    struct add call = input_of(run, bytes);
    call.what.accepted = offset;
    assert_int_equal(runs_do(runs, add_tx, &call), ERR_NONE);
    assert_int_equal(call.place.offset, offset);
    assert_int_equal(call.place.next, offset + (int64_t)bytes.len);
}

static void refused(struct runs_kit *runs, struct add call, enum err_code code, const char *part) {
    assert_int_equal(runs_do(runs, add_tx, &call), code);
    assert_non_null(strstr(call.why.text, part));
}

static void end(struct runs_kit *runs, const char *run) {
    struct add call = input_of(run, BYTES(""));
    call.what.end = RUN_INPUT_ENDS;
    assert_int_equal(runs_do(runs, add_tx, &call), ERR_NONE);
}

struct part {
    const char *run;
    int64_t from;
    struct text bytes;
    struct run_input_part part;
};

static struct err part_tx(struct tx *tx, void *ctx) {
    struct part *part = ctx;
    return tx_run_input_read(tx, kit_bytes(part->run), part->from, &part->bytes, &part->part);
}

static struct part read_from(struct runs_kit *runs, const char *run, int64_t from) {
    struct part part = {.run = run, .from = from};
    text_init(&part.bytes, RUN_INPUT_PIECE_MAX);
    assert_int_equal(runs_do(runs, part_tx, &part), ERR_NONE);
    return part;
}

static void holds(struct runs_kit *runs, const char *run, int64_t from, const char *bytes) {
    struct part part = read_from(runs, run, from);
    assert_int_equal(part.bytes.len, strlen(bytes));
    assert_memory_equal(part.bytes.len > 0 ? part.bytes.data : "", bytes, strlen(bytes));
    text_done(&part.bytes);
}

static struct runs_row open_from(struct runs_kit *runs, int64_t from) {
    struct run_new what = runs_new(runs);
    what.spec = BYTES("{\"argv\":[\"cat\"],\"stdin_open\":true}");
    what.input_open = true;
    what.input_from = from;
    return runs_submit(runs, &what);
}

static struct bytes filled(char *memory, size_t len) {
    for (size_t i = 0; i < len; i++) {
        memory[i] = (char)(i % 251);
    }
    return (struct bytes){memory, len};
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void pieces_stand_one_behind_the_other_from_where_the_spec_ends(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = open_from(runs, 5);
    add(runs, run.run, BYTES("one "), 5);
    add(runs, run.run, (struct bytes){"t\0o", 3}, 9);
    struct part part = read_from(runs, run.run, 0);
    assert_int_equal(part.part.offset, 5); /* What stands before is not ours. */
    assert_int_equal(part.part.end, -1);
    assert_false(part.part.more);
    assert_int_equal(part.bytes.len, 7);
    assert_memory_equal(part.bytes.data, "one t\0o", 7);
    text_done(&part.bytes);
    holds(runs, run.run, 11, "o");
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM run_input"), 1);
}

static void what_was_sent_is_read_in_pieces_and_each_byte_once(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = open_from(runs, 0);
    char *memory = mem_new(RUN_INPUT_PIECE_MAX);
    const size_t sizes[] = {RUN_INPUT_PIECE_MAX, 1, 20000, RUN_INPUT_PIECE_MAX, 7, 16384, 3};
    int64_t next = 0, read = 0;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        add(runs, run.run, filled(memory, sizes[i]), next);
        next += (int64_t)sizes[i];
    }
    end(runs, run.run);
    size_t piece = 0, in_piece = 0; /* Where the next byte stands. */
    bool more = true;
    while (more) {
        struct part part = read_from(runs, run.run, read);
        assert_int_equal(part.part.offset, read);
        for (size_t i = 0; i < part.bytes.len; i++) {
            assert_int_equal((uint8_t)part.bytes.data[i], in_piece % 251);
            in_piece++;
            if (in_piece == sizes[piece]) {
                piece++;
                in_piece = 0;
            }
        }
        read += (int64_t)part.bytes.len;
        more = part.part.more;
        assert_int_equal(more ? -1 : part.part.end, more ? -1 : next);
        text_done(&part.bytes);
    }
    assert_int_equal(read, next);
    mem_free(memory);
}

static void many_keys_make_few_rows(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = open_from(runs, 0);
    for (int64_t i = 0; i < 100; i++) {
        add(runs, run.run, BYTES("k"), i);
    }
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM run_input"), 1);
    assert_int_equal(runs_count(runs, "SELECT max(len) FROM run_input"), 100);
}

static void a_run_that_takes_none_or_no_more_refuses(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row none = runs_add(runs), run = open_from(runs, 0);
    refused(runs, input_of(none.run, BYTES("x")), ERR_INPUT_CLOSED, "stdin_open");
    struct add stranger = input_of(run.run, BYTES("x"));
    stranger.what.key.owner = BYTES("bob");
    refused(runs, stranger, ERR_NOT_FOUND, "");
    end(runs, run.run);
    refused(runs, input_of(run.run, BYTES("x")), ERR_INPUT_CLOSED, "sent already");
    (void)runs_finish(runs, run.run);
    refused(runs, input_of(run.run, BYTES("x")), ERR_INPUT_CLOSED, "has ended");
}

static void what_nobody_reads_and_what_is_too_much_is_refused(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = open_from(runs, 10);
    char *memory = mem_new(RUN_INPUT_PIECE_MAX);
    struct add call = input_of(run.run, filled(memory, RUN_INPUT_PIECE_MAX));
    for (int i = 0; i < RUN_INPUT_AHEAD_MAX / RUN_INPUT_PIECE_MAX; i++) {
        assert_int_equal(runs_do(runs, add_tx, &call), ERR_NONE);
    }
    struct add one = input_of(run.run, BYTES("x"));
    refused(runs, one, ERR_TOO_MANY, "has not read");
    for (int i = RUN_INPUT_AHEAD_MAX; i < RUN_INPUT_MAX; i += RUN_INPUT_PIECE_MAX) {
        call.what.accepted = 10 + i;
        assert_int_equal(runs_do(runs, add_tx, &call), ERR_NONE);
    }
    one.what.accepted = 10 + RUN_INPUT_MAX;
    refused(runs, one, ERR_INPUT_FULL, "at most 16777216 bytes");
    assert_true(runs_count(runs, "SELECT count(*) FROM run_input") <= 1024);
    mem_free(memory);
}

static void a_later_attempt_reads_it_all_again_and_the_end_removes_it(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row run = open_from(runs, 0), other = open_from(runs, 0);
    add(runs, run.run, BYTES("kept"), 0);
    struct run_settle what = runs_exit(runs, run.run, 1);
    what.retry = (struct retry_policy){.max = 1, .on = RETRY_FAILED, .backoff_ms = 60000};
    (void)runs_settle(runs, &what);
    assert_int_equal(runs_get(runs, run.run).row.state, RUN_QUEUED);
    holds(runs, run.run, 0, "kept");
    runs->kit.clock_ms += 120000;
    runs_wake(runs, run.run);
    (void)runs_finish(runs, run.run);
    holds(runs, run.run, 0, "");
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM run_input"), 1);
    (void)runs_finish(runs, other.run);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM run_input"), 0);
}

/* Where a place is damaged, and which side notices: a row that sorts before all others is never
 * read, and a gap is no trouble for who adds. */
struct damage {
    const char *sql;
    enum err_code read, add;
};

static struct err damage_tx(struct tx *tx, void *ctx) {
    return tx_exec(tx, ctx, NULL /* no argument */, 0, NULL /* one row, always */);
}

static enum err_code read_code(struct runs_kit *runs, const char *run, int64_t from) {
    struct part part = {.run = run, .from = from};
    text_init(&part.bytes, RUN_INPUT_PIECE_MAX);
    enum err_code code = runs_do(runs, part_tx, &part);
    text_done(&part.bytes);
    return code;
}

static void damaged_places_are_reported_and_never_followed(void **state) {
#define DAMAGE(set) "UPDATE run_input SET " set " WHERE from_offset > 0"
    static const struct damage all[] = {
        {DAMAGE("from_offset = from_offset + 1"), ERR_STORE_CORRUPT, ERR_NONE},
        {DAMAGE("from_offset = 9223372036854775807"), ERR_STORE_CORRUPT, ERR_STORE_CORRUPT},
        {DAMAGE("from_offset = -9223372036854775807"), ERR_NONE, ERR_STORE_CORRUPT},
        {DAMAGE("len = -1"), ERR_STORE_CORRUPT, ERR_STORE_CORRUPT},
        {DAMAGE("len = 9223372036854775807"), ERR_STORE_CORRUPT, ERR_STORE_CORRUPT},
        {DAMAGE("len = 3"), ERR_STORE_CORRUPT, ERR_STORE_CORRUPT},
    };
#undef DAMAGE
    struct runs_kit *runs = *state;
    char *memory = mem_new(RUN_INPUT_PIECE_MAX);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct runs_row run = open_from(runs, 0);
        add(runs, run.run, filled(memory, RUN_INPUT_PIECE_MAX), 0);
        add(runs, run.run, BYTES("and more"), RUN_INPUT_PIECE_MAX);
        assert_int_equal(runs_do(runs, damage_tx, (void *)all[i].sql), ERR_NONE);
        assert_int_equal(read_code(runs, run.run, 1), all[i].read);
        assert_int_equal(read_code(runs, run.run, RUN_INPUT_PIECE_MAX), all[i].read);
        struct add call = input_of(run.run, BYTES("x"));
        call.what.accepted = RUN_INPUT_PIECE_MAX;
        assert_int_equal(runs_do(runs, add_tx, &call), all[i].add);
        (void)runs_finish(runs, run.run);
    }
    mem_free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(pieces_stand_one_behind_the_other_from_where_the_spec_ends),
        RUNS_TEST(what_was_sent_is_read_in_pieces_and_each_byte_once),
        RUNS_TEST(many_keys_make_few_rows),
        RUNS_TEST(a_run_that_takes_none_or_no_more_refuses),
        RUNS_TEST(what_nobody_reads_and_what_is_too_much_is_refused),
        RUNS_TEST(damaged_places_are_reported_and_never_followed),
        RUNS_TEST(a_later_attempt_reads_it_all_again_and_the_end_removes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
