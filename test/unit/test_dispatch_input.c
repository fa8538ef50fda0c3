/* test_dispatch_input.c: input from the rows to the command, by the real holder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "dispatch_kit.h"
#include "engine/job/input.h"

struct sent {
    struct run_input what;
    struct run_input_place place;
    struct why why;
    struct err err;
    bool done;
};

static struct err send_tx(struct tx *tx, void *ctx) {
    struct sent *sent = ctx;
    return tx_run_input(tx, &sent->what, &sent->place, &sent->why);
}

static void send_done(struct err err, void *ctx) {
    struct sent *sent = ctx;
    sent->err = err;
    sent->done = true;
}

static bool is_sent(struct kit *kit, void *ctx) {
    return ((const struct sent *)ctx)->done;
}

/* As a request does: committed first, then told. */
static void send_input(struct kit *kit, const struct id *run, struct run_input what) {
    struct sent sent = {.what = what};
    sent.what.key = (struct run_key){.owner = BYTES("ann"), .run = {run->text, strlen(run->text)}};
    sent.what.accepted = dispatch_input_accepted(kit->dispatch, sent.what.key.run);
    store_write(kit->store, send_tx, send_done, &sent);
    kit_until(kit, is_sent, &sent);
    assert_int_equal(sent.err.code, ERR_NONE);
    dispatch_input(kit->dispatch, sent.what.key.run);
}

static void send_text(struct kit *kit, const struct id *run, const char *text) {
    send_input(kit, run, (struct run_input){.bytes = {text, strlen(text)}});
}

static void send_end(struct kit *kit, const struct id *run) {
    send_input(kit, run, (struct run_input){.bytes = {"", 0}, .end = RUN_INPUT_ENDS});
}

struct wanted {
    struct bytes run;
    int64_t accepted;
};

static bool is_accepted(struct kit *kit, void *ctx) {
    const struct wanted *wanted = ctx;
    return dispatch_input_accepted(kit->dispatch, wanted->run) >= wanted->accepted;
}

static void until_accepted(struct kit *kit, const struct id *run, int64_t accepted) {
    struct wanted wanted = {{run->text, strlen(run->text)}, accepted};
    kit_until(kit, is_accepted, &wanted);
}

/* What the first attempt wrote, from the start; until the next call. */
static const char *output(struct kit *kit, const struct id *run, int64_t attempt) {
    static char text[4096];
    struct log_place place = {.name = kit_name(run, attempt), .stream = LOG_OUT};
    struct log_read read = {0};
    assert_false(
        err_failed(spool_log_read(kit->place.spool, &place, text, sizeof text - 1, &read)));
    text[read.len] = '\0';
    return text;
}

static struct id cat(struct kit *kit) {
    return kit_submit(kit, &(struct kit_job){.spec = "{\"argv\":[\"cat\"],\"stdin\":\"0 \","
                                                     "\"stdin_open\":true}",
                                             .input_open = true,
                                             .input_from = 2});
}

static void ends_well(struct kit *kit, const struct id *run) {
    assert_string_equal(run_state_name(kit_end(kit, run)->state), "succeeded");
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void input_goes_to_the_command_in_its_order_and_ends(void **state) {
    struct kit *kit = *state;
    struct id run = cat(kit);
    send_text(kit, &run, "1 ");
    send_text(kit, &run, "2 ");
    until_accepted(kit, &run, 6);
    send_text(kit, &run, "3");
    send_end(kit, &run);
    ends_well(kit, &run);
    assert_string_equal(output(kit, &run, 1), "0 1 2 3");
}

static void what_was_committed_before_a_crash_is_sent_after_it_and_nothing_twice(void **state) {
    struct kit *kit = *state;
    struct id run = cat(kit);
    send_text(kit, &run, "1 ");
    until_accepted(kit, &run, 4);
    send_text(kit, &run, "2 "); /* On its way, or not yet. */
    kit_down(kit);
    kit_up(kit);
    until_accepted(kit, &run, 6);
    send_text(kit, &run, "3 ");
    send_end(kit, &run);
    kit_down(kit);
    kit_up(kit);
    ends_well(kit, &run);
    assert_string_equal(output(kit, &run, 1), "0 1 2 3 ");
}

static void more_than_a_piece_waits_for_a_reader_that_takes_its_time(void **state) {
    struct kit *kit = *state;
    char spec[300];
    (void)snprintf(spec, sizeof spec,
                   "{\"shell\":\"while [ ! -e %s ]; do sleep 0.02; done; wc -c\","
                   "\"stdin_open\":true}",
                   kit_path(kit, "go"));
    struct id run = kit_submit(kit, &(struct kit_job){.spec = spec, .input_open = true});
    AUTO(mem_release) char *piece = mem_new(RUN_INPUT_PIECE_MAX);
    for (int i = 0; i < 8; i++) {
        send_input(kit, &run, (struct run_input){.bytes = {piece, RUN_INPUT_PIECE_MAX}});
    }
    send_end(kit, &run);
    (void)snprintf(spec, sizeof spec, "{\"argv\":[\"touch\",\"%s\"]}", kit_path(kit, "go"));
    struct id go = kit_submit(kit, &(struct kit_job){.spec = spec});
    ends_well(kit, &go);
    ends_well(kit, &run);
    assert_int_equal(strtoll(output(kit, &run, 1), NULL, 10), 8 * RUN_INPUT_PIECE_MAX);
}

static void a_second_attempt_gets_it_from_the_start(void **state) {
    struct kit *kit = *state;
    char spec[400];
    const char *tried = kit_path(kit, "tried");
    (void)snprintf(spec, sizeof spec,
                   "{\"shell\":\"cat; [ -e %s ] || { touch %s; exit 1; }\",\"stdin_open\":true,"
                   "\"retry\":{\"max\":1,\"backoff\":0}}",
                   tried, tried);
    struct id run = kit_submit(kit, &(struct kit_job){.spec = spec, .input_open = true});
    send_text(kit, &run, "again");
    send_end(kit, &run);
    ends_well(kit, &run);
    assert_string_equal(output(kit, &run, 1), "again");
    assert_string_equal(output(kit, &run, 2), "again");
}

static void input_to_nobody_is_no_matter(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, "true");
    dispatch_input(kit->dispatch, BYTES("run_nobody"));
    ends_well(kit, &run);
    dispatch_input(kit->dispatch, (struct bytes){run.text, strlen(run.text)});
    assert_int_equal(
        dispatch_input_accepted(kit->dispatch, (struct bytes){run.text, strlen(run.text)}), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(input_goes_to_the_command_in_its_order_and_ends),
        CASE(what_was_committed_before_a_crash_is_sent_after_it_and_nothing_twice),
        CASE(more_than_a_piece_waits_for_a_reader_that_takes_its_time),
        CASE(a_second_attempt_gets_it_from_the_start),
        CASE(input_to_nobody_is_no_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
