/* test_turn_reviews.c: a model has looked at a call of another one: what follows, once. */
#include "turns_kit.h"

struct reviewing {
    struct turns_kit *kit;
    struct turn_review_end end;
};

static struct err end_tx(struct tx *tx, void *ctx) {
    struct reviewing *reviewing = ctx;
    return tx_turn_review_end(tx, &reviewing->end, &reviewing->kit->plan);
}

static struct reviewing review(struct turns_kit *kit, const struct turns_say *say, int64_t part,
                               enum turn_review how) {
    return (struct reviewing){.kit = kit,
                              .end = {.key = turns_key(kit, say->run),
                                      .part = part,
                                      .review = how,
                                      .reason = BYTES("because"),
                                      .usage = {.fresh = 100, .output = 3},
                                      .cost = {.known = true, .micros = 11},
                                      .tries = 1,
                                      .asked = true}};
}

static enum turn_next end(struct turns_kit *kit, struct reviewing *reviewing) {
    assert_int_equal(runs_do(kit->runs, end_tx, reviewing), ERR_NONE);
    return kit->plan.next;
}

/* A turn of two calls, of which the first is to be reviewed, and may not run again. */
static struct turns_say begin(struct turns_kit *kit) {
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item items[] = {turns_call("a", "write_file", TURN_REVIEW, false),
                                      turns_call("b", "read_file", TURN_ALLOW, true)};
    assert_int_equal(turns_answer_calls(kit, say.run, items, 2), TURN_NEXT_START);
    assert_int_equal(kit->plan.card_count, 1); /* The second waits for the first. */
    assert_true(kit->plan.cards[0].review);
    assert_memory_equal(kit->plan.reviewer.data, "scripted/test", 13);
    return say;
}

static const char spans[] =
    "SELECT kind || ' ' || CAST(step AS TEXT) || ' ' || state FROM spans WHERE kind = 'review'";

static void what_is_allowed_begins_and_it_counts(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = begin(kit);
    int64_t part = kit->plan.cards[0].part;
    struct reviewing reviewing = review(kit, &say, part, TURN_REVIEW_ALLOWS);
    assert_int_equal(end(kit, &reviewing), TURN_NEXT_START);
    assert_int_equal(kit->plan.card_count, 1);
    assert_int_equal(kit->plan.cards[0].part, part);
    assert_false(kit->plan.cards[0].review);
    assert_int_equal(end(kit, &reviewing), TURN_NEXT_CALL); /* Nothing: */
    assert_true(kit->plan.late);                            /* it came twice. */
    assert_int_equal(turns_card(kit, say.run, part, CARD_DONE), TURN_NEXT_START);
    /* The model's call is step 1, its cards are 2 and 3, their reviews 4 and 5. */
    assert_string_equal(turns_text(kit, spans).text, "review 4 succeeded");
    assert_int_equal(runs_count(kit->runs, "SELECT fresh FROM sessions"), 110);
    assert_int_equal(runs_count(kit->runs, "SELECT cost_micros FROM sessions"), 18);
    assert_int_equal(turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE), TURN_NEXT_CALL);
    assert_int_equal(kit->plan.step, 6);
}

static void what_is_denied_is_told_to_the_model(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = begin(kit);
    struct reviewing reviewing = review(kit, &say, kit->plan.cards[0].part, TURN_REVIEW_DENIES);
    assert_int_equal(end(kit, &reviewing), TURN_NEXT_START);
    assert_int_equal(turns_card(kit, say.run, kit->plan.cards[0].part, CARD_DONE), TURN_NEXT_CALL);
    assert_non_null(strstr(turns_prompt(kit, say.run).text, "denied it: because"));
    assert_int_equal(runs_count(kit->runs, "SELECT count(*) FROM approvals"), 0);
}

static void what_nobody_can_say_is_asked_and_the_turn_waits(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = begin(kit);
    struct reviewing reviewing = review(kit, &say, kit->plan.cards[0].part, TURN_REVIEW_ASKS);
    assert_int_equal(end(kit, &reviewing), TURN_NEXT_PARK);
    assert_string_equal(turns_text(kit, "SELECT state FROM approvals").text, "open");
    assert_string_equal(turns_text(kit, "SELECT state FROM runs WHERE kind = 'turn'").text,
                        "waiting");
}

static void a_crash_has_it_reviewed_again(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = begin(kit);
    for (int i = 0; i < 3; i++) {
        runs_restart(kit->runs);
        assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
        assert_int_equal(kit->plan.card_count, 1);
        assert_true(kit->plan.cards[0].review);
    }
    assert_string_equal(turns_text(kit, spans).text, "review 4 running");
    struct reviewing reviewing = review(kit, &say, kit->plan.cards[0].part, TURN_REVIEW_ALLOWS);
    assert_int_equal(end(kit, &reviewing), TURN_NEXT_START);
    assert_false(kit->plan.cards[0].review);
}

static void a_stop_meets_a_review_and_begins_nothing(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = begin(kit);
    int64_t part = kit->plan.cards[0].part;
    (void)turns_say(kit, "no, this", TURN_INTERRUPT);
    struct reviewing reviewing = review(kit, &say, part, TURN_REVIEW_ALLOWS);
    assert_int_equal(end(kit, &reviewing), TURN_NEXT_END);
    assert_string_equal(turns_text(kit, spans).text, "review 4 succeeded");
    assert_int_equal(runs_count(kit->runs, "SELECT count(*) FROM parts WHERE kind = 'tool'"
                                           " AND state = 'cancelled'"),
                     2);
}

static void a_turn_that_ends_takes_its_reviews_with_it(void **state) {
    struct turns_kit *kit = *state;
    struct turns_say say = begin(kit);
    (void)turns_say(kit, "no, this", TURN_INTERRUPT);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_END);
    assert_string_equal(turns_text(kit, spans).text, "review 4 cancelled");
}

#define REVIEWS_TEST(name) cmocka_unit_test_setup_teardown(name, turns_begin, turns_end)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        REVIEWS_TEST(what_is_allowed_begins_and_it_counts),
        REVIEWS_TEST(what_is_denied_is_told_to_the_model),
        REVIEWS_TEST(what_nobody_can_say_is_asked_and_the_turn_waits),
        REVIEWS_TEST(a_crash_has_it_reviewed_again),
        REVIEWS_TEST(a_stop_meets_a_review_and_begins_nothing),
        REVIEWS_TEST(a_turn_that_ends_takes_its_reviews_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
