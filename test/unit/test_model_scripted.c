/* test_model_scripted.c: the model that needs no provider: what demos and tests rely on. */
#include "loop/loop_uv.h"
#include "model_kit.h"

static int open_kit(void **state) {
    struct kit *kit = kit_open();
    kit_open_models(kit, (struct models_options){.script = NULL});
    *state = kit;
    return 0;
}

static int close_kit(void **state) {
    kit_close(*state);
    return 0;
}

static void add(struct model_request *request, enum model_role role, const char *text) {
    model_request_add_message(request, role);
    model_request_add_text(request, kit_bytes(text));
}

static void it_answers_without_a_script(void **state) {
    struct ask ask = {.kit = *state};
    ask_begin(&ask, *state, "scripted/demo", "hello");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_non_null(strstr(ask.said.data, "hello"));
    assert_int_equal(ask.result.stop, MODEL_STOP_END);
    assert_true(ask.result.cost.known);
    assert_int_equal(ask.result.cost.micros, 0);
    assert_false(ask.result.usage.estimated);
    assert_int_equal(ask.result.usage.fresh, 2);
    ask_end(&ask);
}

static void it_says_thinks_and_calls_what_the_message_tells(void **state) {
    ask_expect(*state, "scripted/demo",
               "Please:\nthink: hm\\nwell\nsay: hi\ncall: read_file {\"path\": \"a\"}\n"
               "call: list_files",
               "k(hm\nwell)s()t(hi)<0 call_0000000000000001_0 read_file>a0({\"path\": \"a\"})"
               "<1 call_0000000000000001_1 list_files>a1({})"
               "<0/ call_0000000000000001_0 read_file {\"path\": \"a\"}>"
               "<1/ call_0000000000000001_1 list_files {}>",
               MODEL_NONE);
}

static void after_the_results_of_tools_comes_the_next_step(void **state) {
    static const char script[] = "say: one\ncall: t {}\nsay: two\ncall: t {}\nstep:\nsay: three";
    struct kit *kit = *state;
    struct ask ask = {.kit = kit};
    const char *const wanted[] = {"t(one)<0", "t(two)<0", "t(three)", "t(Done: the tools have"};
    for (size_t step = 0; step < COUNT_OF(wanted); step++) {
        struct model_request *request = kit_request("scripted/demo", script);
        for (size_t i = 0; i < step; i++) {
            add(request, MODEL_ASSISTANT, "…");
            model_request_add_message(request, MODEL_TOOL);
            model_request_add_part(request, &(struct model_part){.kind = MODEL_PART_TOOL_RESULT,
                                                                 .id = BYTES("x"),
                                                                 .text = BYTES("r")});
        }
        ask_begin_with(&ask, kit, request);
        ask_finish(&ask);
        ask_cause(&ask, MODEL_NONE);
        assert_memory_equal(ask.told.data, wanted[step], strlen(wanted[step]));
        ask_end(&ask);
    }
}

static void a_message_without_a_script_is_answered_after_one_with(void **state) {
    struct model_request *request = kit_request("scripted/demo", "say: one");
    add(request, MODEL_ASSISTANT, "one");
    add(request, MODEL_USER, "and now?");
    struct ask ask = {.kit = *state};
    ask_begin_with(&ask, *state, request);
    ask_finish(&ask);
    assert_non_null(strstr(ask.said.data, "and now?"));
    assert_true(ask.result.usage.cache_read > 0);
    ask_end(&ask);
}

static void what_only_waits_is_followed_by_the_usual_answer(void **state) {
    struct model_request *request = kit_request("scripted/demo", "delay: 1ms\nHow are they?");
    struct ask ask = {.kit = *state};
    model_request_set_schema(request, BYTES("{\"type\":\"object\",\"required\":[\"n\"],"
                                            "\"properties\":{\"n\":{\"const\":7}}}"));
    ask_begin_with(&ask, *state, request);
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_string_equal(ask.said.data, "{\"n\":7}");
    ask_end(&ask);
}

static void faults_are_retried_like_those_of_a_provider(void **state) {
    struct kit *kit = *state;
    ask_expect(kit, "scripted/demo", "say: half\nfail: cut x2\nsay: whole",
               "t(half)DR(stream_broken)t(half)DR(stream_broken)t(half)t(whole)", MODEL_NONE);
    assert_int_equal(kit->waited_ms, 375 + 1500);
    ask_expect(kit, "scripted/demo", "fail: 429", "R(rate_limited)R(rate_limited)R(rate_limited)",
               MODEL_RATE_LIMITED);
    ask_expect(kit, "scripted/demo", "fail: 400", "", MODEL_BAD_REQUEST);
    ask_expect(kit, "scripted/demo", "fail: overflow", "", MODEL_CONTEXT_OVERFLOW);
    ask_expect(kit, "scripted/demo", "say: no\nstop: refused", "t(no)", MODEL_REFUSED);
    ask_expect(kit, "scripted/demo", "think: hm", "k(hm)s()", MODEL_EMPTY_RESPONSE);
}

static void a_wait_that_the_provider_names_is_honoured_up_to_a_bound(void **state) {
    struct kit *kit = *state;
    ask_expect(kit, "scripted/demo", "fail: 503 x1 after 7s\nsay: ok", "R(provider_error)t(ok)",
               MODEL_NONE);
    assert_int_equal(kit->waited_ms, 7000);
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "scripted/demo", "fail: 503 x1 after 61s\nsay: ok");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_PROVIDER_ERROR);
    assert_int_equal(ask.result.failure.resume_at_ms, kit->clock_ms + 61000);
    ask_end(&ask);
}

static void a_quota_trips_the_breaker_until_its_time(void **state) {
    struct kit *kit = *state;
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "scripted/demo", "fail: quota x1 after 90s\nsay: ok");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_QUOTA);
    assert_int_equal(ask.result.tries, 1);
    ask_end(&ask);
    ask_begin(&ask, kit, "scripted/demo", "say: never");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_QUOTA);
    assert_int_equal(ask.result.tries, 0); /* Nobody was asked. */
    assert_int_equal(ask.result.failure.resume_at_ms, kit->clock_ms + 90000);
    ask_end(&ask);
    kit->clock_ms += 90000;
    ask_expect(kit, "scripted/demo", "say: again", "t(again)", MODEL_NONE);
}

static void a_quota_ends_in_time_also_where_the_clock_was_set_back(void **state) {
    struct kit *kit = *state;
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "scripted/demo", "fail: quota x1 after 90s\nsay: ok");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_QUOTA);
    ask_end(&ask);
    kit->clock_ms -= INT64_C(365) * 86400 * 1000;
    ask_begin(&ask, kit, "scripted/demo", "say: never");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_QUOTA);
    assert_in_range(ask.result.failure.resume_at_ms, kit->clock_ms, kit->clock_ms + 90000);
    ask_end(&ask);
    kit->ahead_ns += UINT64_C(90) * 1000000000;
    ask_expect(kit, "scripted/demo", "say: again", "t(again)", MODEL_NONE);
}

static void tokens_and_usage_are_what_the_script_says(void **state) {
    struct kit *kit = *state;
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "scripted/demo", "tokens: 40\nusage: fresh=7 cache_read=3 output=40");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_int_equal(ask.result.usage.fresh, 7);
    assert_int_equal(ask.result.usage.cache_read, 3);
    assert_int_equal(ask.result.usage.output, 40);
    ask_end(&ask);
    uint64_t before = world_mono_ns(world_real());
    ask_begin(&ask, kit, "scripted/demo", "tokens: 20 at 200/s");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_int_equal(ask.result.usage.output, 20);
    assert_true(world_mono_ns(world_real()) - before >= UINT64_C(90000000));
    ask_end(&ask);
}

static void a_line_that_is_not_valid_fails_with_a_sentence(void **state) {
    struct ask ask = {.kit = *state};
    ask_begin(&ask, *state, "scripted/demo", "say: hi\ndelay: soon");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_BAD_REQUEST);
    assert_non_null(strstr(ask.result.failure.detail, "\"delay: soon\" is not valid"));
    ask_end(&ask);
}

static void a_schema_without_a_script_gets_the_smallest_value(void **state) {
    struct model_request *request = kit_request("scripted/demo", "answer");
    model_request_set_schema(
        request, BYTES("{\"type\":\"object\",\"required\":[\"a\",\"b\",\"c\"],\"properties\":{"
                       "\"a\":{\"enum\":[\"x\",\"y\"]},\"b\":{\"type\":\"integer\",\"minimum\":3},"
                       "\"c\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1},"
                       "\"d\":{}}}"));
    struct ask ask = {.kit = *state};
    ask_begin_with(&ask, *state, request);
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_string_equal(ask.told.data, "t({\"a\":\"x\",\"b\":3,\"c\":[\"tex)t(t\"]})");
    ask_end(&ask);
}

static void a_cancelled_call_is_never_told_again(void **state) {
    struct kit *kit = *state;
    struct ask ask = {.kit = kit, .cancel_at_text = true}, other = {.kit = kit};
    ask_begin(&ask, kit, "scripted/demo", "say: one\nsay: two");
    ask_begin(&other, kit, "scripted/demo", "delay: 30ms\nsay: later");
    ask_finish(&other);
    assert_int_equal(ask.dones, 0);
    assert_string_equal(ask.told.data, "t(one)");
    ask_end(&ask);
    ask_end(&other);
    ask.cancel_at_text = false;
    ask_begin(&ask, kit, "scripted/demo", "delay: 10s\nsay: never");
    for (int i = 0; i < 3; i++) {
        (void)uv_run(loop_uv(kit->loop), UV_RUN_NOWAIT);
    }
    model_cancel(ask.asking);
    ask_begin(&other, kit, "scripted/demo", "say: free");
    ask_finish(&other);
    assert_int_equal(ask.dones, 0);
    ask_end(&ask);
    ask_end(&other);
}

static void what_a_call_has_used_is_known_before_its_end(void **state) {
    struct kit *kit = *state;
    struct ask ask = {.kit = kit};
    struct model_spent spent;
    ask_begin(&ask, kit, "scripted/demo", "say: 12345678\ndelay: 600s");
    model_get_spent(ask.asking, &spent);
    assert_int_equal(usage_total(&spent.usage), 0); /* Nobody was asked yet. */
    assert_true(spent.cost.known);
    while (ask.said.len == 0) {
        server_turn(kit->loop);
    }
    model_get_spent(ask.asking, &spent);
    assert_int_equal(spent.usage.fresh, 7);
    assert_int_equal(spent.usage.output, 2);
    assert_true(spent.usage.estimated && spent.cost.known);
    assert_int_equal(spent.tries, 1);
    model_cancel(ask.asking);
    ask_end(&ask);
}

static void names_that_lead_nowhere_say_so(void **state) {
    ask_expect(*state, "nowhere/x", "hi", "", MODEL_MODEL_UNKNOWN);
    ask_expect(*state, "scripted", "hi", "", MODEL_MODEL_UNKNOWN);
    ask_expect(*state, "", "hi", "", MODEL_MODEL_UNKNOWN);
}

#define WITH_KIT(test) cmocka_unit_test_setup_teardown(test, open_kit, close_kit)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        WITH_KIT(it_answers_without_a_script),
        WITH_KIT(it_says_thinks_and_calls_what_the_message_tells),
        WITH_KIT(after_the_results_of_tools_comes_the_next_step),
        WITH_KIT(a_message_without_a_script_is_answered_after_one_with),
        WITH_KIT(what_only_waits_is_followed_by_the_usual_answer),
        WITH_KIT(faults_are_retried_like_those_of_a_provider),
        WITH_KIT(a_wait_that_the_provider_names_is_honoured_up_to_a_bound),
        WITH_KIT(a_quota_trips_the_breaker_until_its_time),
        WITH_KIT(a_quota_ends_in_time_also_where_the_clock_was_set_back),
        WITH_KIT(tokens_and_usage_are_what_the_script_says),
        WITH_KIT(a_line_that_is_not_valid_fails_with_a_sentence),
        WITH_KIT(a_schema_without_a_script_gets_the_smallest_value),
        WITH_KIT(a_cancelled_call_is_never_told_again),
        WITH_KIT(what_a_call_has_used_is_known_before_its_end),
        WITH_KIT(names_that_lead_nowhere_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
