/* Checkpoints: what prompts begin with, and what a change of the history does to them. */
#include "turns_kit.h"

#include "engine/session/checkpoints.h"
#include "engine/session/message_rows.h"

/* --- Rows ------------------------------------------------------------------------------------- */

struct cover {
    const char *message, *summary;
};

static struct err cover_tx(struct tx *tx, void *ctx) {
    const struct cover *cover = ctx;
    const struct message_key key = {.owner = BYTES("ann"), .message = kit_bytes(cover->message)};
    struct message_row row;
    struct session_row session;
    bool found = false;
    struct err err = tx_message_find(tx, &key, &found, &row, &session);
    assert_true(err_failed(err) || found);
    const struct checkpoint checkpoint = {.session = row.session,
                                          .message = row.id,
                                          .tokens_before = 100,
                                          .tokens_after = 10,
                                          .made_by = CHECKPOINT_MANUAL,
                                          .method = BYTES("summary"),
                                          .summary = kit_bytes(cover->summary)};
    return err_failed(err) ? err : tx_checkpoint_add(tx, &checkpoint);
}

static void cover(struct turns_kit *kit, const char *message, const char *summary) {
    struct cover what = {.message = message, .summary = summary};
    assert_int_equal(runs_do(kit->runs, cover_tx, &what), ERR_NONE);
}

static struct err change_tx(struct tx *tx, void *ctx) {
    struct message_row row;
    struct session_row session;
    return tx_message_edit(tx, ctx, &row, &session);
}

static void change(struct turns_kit *kit, const char *message, const char *text) {
    struct message_edit what = {.key = {.owner = BYTES("ann"), .message = kit_bytes(message)},
                                .text = kit_bytes(text)};
    assert_int_equal(runs_do(kit->runs, change_tx, &what), ERR_NONE);
}

/* A question and its answer. */
static struct turns_say talk(struct turns_kit *kit, const char *question, const char *answer) {
    struct turns_say say = turns_say(kit, question, TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_CALL);
    assert_int_equal(turns_answer(kit, say.run, answer), TURN_NEXT_END);
    return say;
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void a_prompt_begins_with_the_summary_in_place_of_what_it_covers(void **state) {
    struct turns_kit *kit = *state;
    (void)talk(kit, "one", "first");
    struct turns_say two = talk(kit, "two", "second");
    struct turns_say three = turns_say(kit, "three", TURN_ENQUEUE);
    (void)turns_plan(kit, three.run);
    cover(kit, two.message, "they counted");
    struct turns_prompt prompt = turns_prompt(kit, three.run);
    assert_ptr_equal(strstr(prompt.text, "/user [drover: what was said"), prompt.text);
    assert_non_null(strstr(prompt.text, "they counted|/assistant second|/user three|"));
    assert_null(strstr(prompt.text, "one"));
    assert_null(strstr(prompt.text, "two"));
}

static void the_checkpoint_that_covers_most_is_the_one_that_holds(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = talk(kit, "one", "first");
    struct turns_say two = talk(kit, "two", "second");
    struct turns_say three = turns_say(kit, "three", TURN_ENQUEUE);
    (void)turns_plan(kit, three.run);
    cover(kit, two.message, "longer");
    cover(kit, one.message, "shorter");
    struct turns_prompt prompt = turns_prompt(kit, three.run);
    assert_non_null(strstr(prompt.text, "longer|/assistant second|"));
    assert_null(strstr(prompt.text, "shorter"));
}

static void a_change_voids_what_covers_it_and_an_older_one_holds_again(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = talk(kit, "one", "first");
    struct turns_say two = talk(kit, "two", "second");
    cover(kit, one.message, "shorter");
    cover(kit, two.message, "longer");
    change(kit, two.message, "zwei");
    struct turns_say three = turns_say(kit, "three", TURN_ENQUEUE);
    (void)turns_plan(kit, three.run);
    struct turns_prompt prompt = turns_prompt(kit, three.run);
    assert_non_null(strstr(prompt.text, "shorter|/assistant first|/user zwei|/assistant second|"));
    (void)turns_answer(kit, three.run, "third");
    change(kit, one.message, "eins");
    struct turns_say four = turns_say(kit, "four", TURN_ENQUEUE);
    (void)turns_plan(kit, four.run);
    prompt = turns_prompt(kit, four.run);
    assert_ptr_equal(strstr(prompt.text, "/user eins|/assistant first|"), prompt.text);
}

static void a_change_behind_it_leaves_a_checkpoint_as_it_is(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say one = talk(kit, "one", "first");
    struct turns_say two = talk(kit, "two", "second");
    cover(kit, one.message, "shorter");
    change(kit, two.message, "zwei");
    assert_string_equal(turns_text(kit, "SELECT count(*) FROM checkpoints WHERE void = 0").text,
                        "1");
}

/* --- A long history --------------------------------------------------------------------------- */

enum { LONG = 10000, PAGE = 500 };

struct filling {
    char session[ID_SIZE], last[ID_SIZE];
    struct runs_kit *runs;
};

static struct err fill_tx(struct tx *tx, void *ctx) {
    struct filling *filling = ctx;
    const struct session_key key = {.owner = BYTES("ann"), .session = kit_bytes(filling->session)};
    struct session_row session;
    bool found = false;
    struct err err = tx_session_find(tx, &key, &found, &session);
    for (int i = 0; i < PAGE && !err_failed(err); i++) {
        struct id id = turns_id(filling->runs, "msg");
        struct message_row row = {.message = kit_bytes(id.text),
                                  .role = i % 2 == 0 ? ROLE_USER : ROLE_ASSISTANT,
                                  .status = MESSAGE_COMPLETED,
                                  .active = true};
        struct message_part part = {.kind = PART_TEXT, .step = i % 2, .text = BYTES("of long ago")};
        const struct message_insert insert = {
            .session = &session, .row = &row, .parts = &part, .count = 1};
        messages__insert_quiet(tx, &insert);
        err = tx_error(tx);
        memcpy(filling->last, id.text, sizeof filling->last);
    }
    return err;
}

/* SQLite's own plan: the rows of before the checkpoint are not walked to be left out. */
static struct err plan_tx(struct tx *tx, void *ctx) {
    struct turns_ask *ask = ctx;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, ask->sql, NULL, 0, &rows);
    if (!err_failed(err) && rows != NULL) {
        runs_copy_text(rows_text(rows, 3), ask->text, sizeof ask->text);
    }
    return err;
}

struct counting {
    struct turn_key key;
    int parts;
};

static struct err count_part(void *ctx, const struct prompt_part *part) {
    struct counting *counting = ctx;
    counting->parts += part->text.len > 0;
    return ERR_OK;
}

static struct err count_tx(struct tx *tx, void *ctx) {
    struct counting *counting = ctx;
    counting->parts = 0;
    return tx_prompt_each(tx, &counting->key, count_part, counting);
}

static void a_prompt_reads_nothing_of_what_is_covered_however_long_it_is(void **state) {
    struct turns_kit *kit = *state;
    struct filling filling = {.runs = kit->runs};
    memcpy(filling.session, kit->session, sizeof filling.session);
    for (int i = 0; i < LONG / PAGE; i++) {
        assert_int_equal(runs_do(kit->runs, fill_tx, &filling), ERR_NONE);
    }
    cover(kit, filling.last, "of long ago, in short");
    struct turns_say say = turns_say(kit, "now", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    struct counting counting = {.key = turns_key(kit, say.run)};
    assert_int_equal(runs_do(kit->runs, count_tx, &counting), ERR_NONE);
    assert_int_equal(counting.parts, 2);
    struct turns_ask plan = {.sql = "EXPLAIN QUERY PLAN SELECT m.id FROM messages m JOIN parts p"
                                    " ON p.message = m.id WHERE m.session = 1 AND m.id > 10000"
                                    " ORDER BY m.id, p.number"};
    assert_int_equal(runs_do(kit->runs, plan_tx, &plan), ERR_NONE);
    assert_non_null(strstr(plan.text, "session=? AND id>?"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_prompt_begins_with_the_summary_in_place_of_what_it_covers,
                                        turns_begin, turns_end),
        cmocka_unit_test_setup_teardown(the_checkpoint_that_covers_most_is_the_one_that_holds,
                                        turns_begin, turns_end),
        cmocka_unit_test_setup_teardown(a_change_voids_what_covers_it_and_an_older_one_holds_again,
                                        turns_begin, turns_end),
        cmocka_unit_test_setup_teardown(a_change_behind_it_leaves_a_checkpoint_as_it_is,
                                        turns_begin, turns_end),
        cmocka_unit_test_setup_teardown(
            a_prompt_reads_nothing_of_what_is_covered_however_long_it_is, turns_begin, turns_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
