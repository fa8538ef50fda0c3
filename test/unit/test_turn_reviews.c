/* test_turn_reviews.c: a model has looked at a call of another one: what follows, once. */
#include "budgets_kit.h"
#include "turns_kit.h"

struct admitting {
    struct turn_review_begin begin;
    struct turn_review_begun begun;
    char why[400];
};

static struct err admit_tx(struct tx *tx, void *ctx) {
    struct admitting *admitting = ctx;
    struct err err = tx_turn_review_begin(tx, &admitting->begin, &admitting->begun);
    if (!err_failed(err)) {
        runs_copy_text(admitting->begun.why, admitting->why, sizeof admitting->why);
    }
    return err;
}

/* Budgets are asked for the review of that card. */
static struct admitting admit(struct turns_kit *kit, const struct turns_say *say, int64_t part) {
    struct admitting admitting = {
        .begin = {.key = turns_key(kit, say->run), .part = part, .model = BYTES("scripted/test")}};
    assert_int_equal(runs_do(kit->runs, admit_tx, &admitting), ERR_NONE);
    return admitting;
}

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
                                      .model = BYTES("scripted/test"),
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
    assert_int_equal(admit(kit, &say, part).begun.verdict, BUDGET_ADMITTED);
    assert_int_equal(end(kit, &reviewing), TURN_NEXT_START);
    assert_true(admit(kit, &say, part).begun.late);
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
        assert_false(admit(kit, &say, kit->plan.cards[0].part).begun.late);
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
    (void)admit(kit, &say, part);
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
    (void)admit(kit, &say, kit->plan.cards[0].part);
    (void)turns_say(kit, "no, this", TURN_INTERRUPT);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_END);
    assert_string_equal(turns_text(kit, spans).text, "review 4 cancelled");
}

/* --- Budgets ---------------------------------------------------------------------------------- */

enum { ANSWER = 15, REVIEW = 103 }; /* Tokens of a call of turns_kit.h, and of a review here. */

static void limit(struct turns_kit *kit, int64_t tokens) {
    (void)budgets_limit(kit->runs, "global", AMOUNT_TOKENS, tokens);
}

static int64_t spent(struct turns_kit *kit) {
    return budgets_get(kit->runs, "global").spent.of[AMOUNT_TOKENS];
}

static int64_t reserved(struct turns_kit *kit) {
    return budgets_get(kit->runs, "global").reserved.of[AMOUNT_TOKENS];
}

static void a_review_holds_a_reserve_and_is_charged_what_it_used(void **state) {
    struct turns_kit *kit = *state;
    limit(kit, 100000);
    struct turns_say say = begin(kit);
    int64_t part = kit->plan.cards[0].part;
    struct reviewing reviewing = review(kit, &say, part, TURN_REVIEW_ALLOWS);
    const struct admitting admitting = admit(kit, &say, part);
    assert_int_equal(admitting.begun.granted.of[AMOUNT_TOKENS], 8000);
    assert_int_equal(reserved(kit), 8000);
    reviewing.end.granted = admitting.begun.granted;
    (void)end(kit, &reviewing);
    assert_int_equal(spent(kit), ANSWER + REVIEW);
    assert_int_equal(reserved(kit), 0);
    assert_string_equal(
        turns_text(kit, "SELECT what FROM budget_means WHERE what LIKE 'review:%'").text,
        "review:scripted/test");
}

static void a_review_that_a_crash_cut_off_is_charged_its_reserve(void **state) {
    struct turns_kit *kit = *state;
    limit(kit, 100000);
    struct turns_say say = begin(kit);
    (void)admit(kit, &say, kit->plan.cards[0].part);
    for (int64_t crashes = 1; crashes <= 3; crashes++) {
        runs_restart(kit->runs);
        assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
        assert_int_equal(spent(kit), ANSWER + crashes * 8000);
        assert_int_equal(reserved(kit), 0);
        (void)admit(kit, &say, kit->plan.cards[0].part);
        assert_int_equal(reserved(kit), 8000);
    }
}

static void a_review_that_its_turn_left_behind_is_charged_its_reserve(void **state) {
    struct turns_kit *kit = *state;
    limit(kit, 100000);
    struct turns_say say = begin(kit);
    (void)admit(kit, &say, kit->plan.cards[0].part);
    (void)turns_say(kit, "no, this", TURN_INTERRUPT);
    assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_END);
    assert_int_equal(spent(kit), ANSWER + 8000);
    assert_int_equal(reserved(kit), 0);
}

static void no_review_is_asked_when_all_is_spent(void **state) {
    struct turns_kit *kit = *state;
    limit(kit, 10);
    struct turns_say say = begin(kit);
    int64_t part = kit->plan.cards[0].part;
    const struct admitting admitting = admit(kit, &say, part);
    assert_int_equal(admitting.begun.verdict, BUDGET_SPENT);
    assert_string_equal(admitting.why, "The budget global is used up (tokens: 15 of 10 spent)");
    struct reviewing reviewing = review(kit, &say, part, TURN_REVIEW_ASKS);
    reviewing.end.asked = false;
    reviewing.end.failure = CAUSE_BUDGET;
    assert_int_equal(end(kit, &reviewing), TURN_NEXT_PARK);
    assert_int_equal(spent(kit), ANSWER);
    assert_string_equal(turns_text(kit, "SELECT state FROM approvals").text, "open");
}

/* The first holds all that is left. */
static void a_review_waits_for_what_another_one_holds(void **state) {
    struct turns_kit *kit = *state;
    limit(kit, 5000);
    struct turns_say say = turns_say(kit, "go", TURN_ENQUEUE);
    (void)turns_plan(kit, say.run);
    const struct turn_item items[] = {turns_call("a", "write_file", TURN_REVIEW, false),
                                      turns_call("b", "write_file", TURN_REVIEW, false)};
    assert_int_equal(turns_answer_calls(kit, say.run, items, 2), TURN_NEXT_START);
    assert_int_equal(kit->plan.card_count, 2);
    int64_t first = kit->plan.cards[0].part, second = kit->plan.cards[1].part;
    const struct admitting one = admit(kit, &say, first);
    assert_int_equal(one.begun.granted.of[AMOUNT_TOKENS], 5000 - ANSWER);
    assert_int_equal(admit(kit, &say, second).begun.verdict, BUDGET_WAITS);
    assert_int_not_equal(runs_get(kit->runs, say.run).row.lane, 0);
    runs_forget(kit->runs);
    struct reviewing reviewing = review(kit, &say, first, TURN_REVIEW_DENIES);
    reviewing.end.granted = one.begun.granted;
    assert_int_equal(end(kit, &reviewing), TURN_NEXT_START);
    struct run_row heard;
    assert_true(runs_heard(kit->runs, say.run, &heard));
    assert_int_equal(runs_get(kit->runs, say.run).row.lane, 0);
    assert_int_equal(kit->plan.card_count, 1);
    assert_true(kit->plan.cards[0].review);
    assert_int_equal(admit(kit, &say, second).begun.verdict, BUDGET_ADMITTED);
}

/* The call of another session holds all that is left. */
static void a_review_that_waits_for_a_budget_outlives_any_number_of_crashes(void **state) {
    struct turns_kit *kit = *state;
    limit(kit, ANSWER + 5);
    struct turns_say say = begin(kit);
    int64_t part = kit->plan.cards[0].part;
    struct turns_create other = {.what = {.session = turns_id(kit->runs, "ses"),
                                          .owner = BYTES("ann"),
                                          .parent = BYTES("")}};
    assert_int_equal(runs_do(kit->runs, turns_create_tx, &other), ERR_NONE);
    memcpy(kit->session, other.session, sizeof kit->session);
    struct turns_say holder = turns_say(kit, "hello", TURN_ENQUEUE);
    assert_int_equal(turns_plan(kit, holder.run), TURN_NEXT_CALL);
    for (int i = 0; i < 12; i++) {
        assert_int_equal(admit(kit, &say, part).begun.verdict, BUDGET_WAITS);
        runs_restart(kit->runs);
        assert_int_equal(turns_plan(kit, say.run), TURN_NEXT_START);
        assert_true(kit->plan.cards[0].review);
    }
    turns_assert_state(kit, say.run, RUN_RUNNING, CAUSE_NONE);
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
        REVIEWS_TEST(a_review_holds_a_reserve_and_is_charged_what_it_used),
        REVIEWS_TEST(a_review_that_a_crash_cut_off_is_charged_its_reserve),
        REVIEWS_TEST(a_review_that_its_turn_left_behind_is_charged_its_reserve),
        REVIEWS_TEST(no_review_is_asked_when_all_is_spent),
        REVIEWS_TEST(a_review_waits_for_what_another_one_holds),
        REVIEWS_TEST(a_review_that_waits_for_a_budget_outlives_any_number_of_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
