/* test_model_http.c: how a provider fails before its stream begins, and what comes of it: the
 * cause, the number of requests, the waits. And what is never sent or told.
 */
#include "loop/loop_uv.h"
#include "model_kit.h"

#include "rules/provider/brake.h"

static int open_kit(void **state) {
    struct kit *kit = kit_open();
    kit_open_models(kit, (struct models_options){.script = NULL});
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI, .key = "sk-very-secret"});
    *state = kit;
    return 0;
}

static int close_kit(void **state) {
    kit_close(*state);
    return 0;
}

#define GOOD                                                                                       \
    KIT_STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"ok\"},\"finish_reason\":\"stop\"}]}" \
               "\n\ndata: [DONE]\n\n"
#define SAYS(status, body) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n\r\n" body

#define TOOL_USE_FAILED                                                                            \
    "\"message\":\"Failed to call a function. See 'failed_generation'.\",\"type\":"                \
    "\"invalid_request_error\",\"code\":\"tool_use_failed\",\"failed_generation\":\"tool_choice\""
static const struct {
    const char *answer;
    enum model_cause cause;
    unsigned tries;
    const char *detail; /* A part of it. */
} failed_answers[] = {
    {SAYS("400 Bad", "{\"error\":{\"message\":\"no such field\"}}"), MODEL_BAD_REQUEST, 1,
     "no such field"},
    {SAYS("401 No", "{\"error\":{\"message\":\"Incorrect API key provided: sk-very-secret.\"}}"),
     MODEL_AUTH_FAILED, 1, "Incorrect API key"},
    {SAYS("403 No", ""), MODEL_AUTH_FAILED, 1, "HTTP 403"},
    {SAYS("401 No", "{\"error\":{\"message\":\"wrong: sk-proj-a**secret or gsk_secret1\"}}"),
     MODEL_AUTH_FAILED, 1, "wrong: [key] or [key]"},
    {SAYS("402 Pay", "{\"error\":{\"message\":\"Insufficient Balance\"}}"), MODEL_QUOTA, 1, ""},
    {SAYS("429 Slow", "{\"error\":{\"type\":\"insufficient_quota\",\"message\":\"You exceeded "
                      "your current quota\"}}"),
     MODEL_QUOTA, 1, "current quota"},
    {SAYS("400 Bad", "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
                     "\"message\":\"Your credit balance is too low\"}}"),
     MODEL_QUOTA, 1, "credit"},
    {SAYS("404 No", "{\"error\":{\"message\":\"The model `x` does not exist\"}}"),
     MODEL_MODEL_UNKNOWN, 1, "does not exist"},
    {SAYS("404 No", "<html><title>Not Found</title>"), MODEL_BAD_REQUEST, 1, "Not Found"},
    {SAYS("400 Bad", "{\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"x\"}}"),
     MODEL_CONTEXT_OVERFLOW, 1, ""},
    {SAYS("400 Bad", "{\"error\":{\"message\":\"prompt is too long: 9 tokens > 8 maximum\"}}"),
     MODEL_CONTEXT_OVERFLOW, 1, "too long"},
    {SAYS("413 Large", ""), MODEL_CONTEXT_OVERFLOW, 1, ""},
    {SAYS("400 Bad", "{\"error\":{\"code\":\"content_filter\",\"message\":\"no\"}}"), MODEL_REFUSED,
     1, "no"},
    {SAYS("408 Slow", ""), MODEL_PROVIDER_ERROR, 4, ""},
    {SAYS("409 Twice", ""), MODEL_PROVIDER_ERROR, 4, ""},
    {SAYS("429 Slow", "{\"error\":{\"message\":\"Rate limit reached\"}}"), MODEL_RATE_LIMITED, 4,
     "Rate limit"},
    {SAYS("500 Oh", "{\"error\":\"llama runner died\"}"), MODEL_PROVIDER_ERROR, 4, "runner"},
    {SAYS("502 Bad", "<html><head><title>502 Bad Gateway</title>"), MODEL_PROVIDER_ERROR, 4,
     "502 Bad Gateway"},
    {SAYS("504 Late", ""), MODEL_PROVIDER_ERROR, 4, ""},
    {SAYS("529 Full", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
                      "\"message\":\"Overloaded\"}}"),
     MODEL_PROVIDER_ERROR, 4, "Overloaded"},
    {SAYS("400 Bad",
          "{\"error\":{\"code\":400,\"message\":\"Provider returned error\",\"metadata\":{"
          "\"provider_name\":\"Chutes\",\"raw\":\"{\\\"error\\\":{\\\"message\\\":"
          "\\\"no field top_k for sk-very-secret\\\"}}\"}}}"),
     MODEL_BAD_REQUEST, 1, "Provider returned error (Chutes): no field top_k for ["},
    {SAYS("403 No", "{\"error\":{\"code\":403,\"message\":\"Your input was flagged\","
                    "\"metadata\":{\"reasons\":[\"violence\"],\"flagged_input\":\"x\"}}}"),
     MODEL_REFUSED, 1, "flagged"},
    {KIT_STREAM
     "data: {\"choices\":[{\"delta\":{\"content\":\"half\"},\"finish_reason\":\"error\"}]}"
     "\n\ndata: [DONE]\n\n",
     MODEL_PROVIDER_ERROR, 4, "The provider failed"},
    {SAYS("307 Elsewhere\r\nLocation: http://127.0.0.1:1/", ""), MODEL_BAD_REQUEST, 1, "base URL"},
    {SAYS("200 OK", "{\"choices\":[]}"), MODEL_BAD_RESPONSE, 4, "no stream"},
    {SAYS("200 OK", "[{\"error\":{\"code\":429,\"message\":\"m\",\"status\":"
                    "\"RESOURCE_EXHAUSTED\"}}]"),
     MODEL_RATE_LIMITED, 4, "m"},
    {SAYS("200 OK", "{\"error\":{\"code\":\"invalid_api_key\",\"message\":\"not yours\"}}"),
     MODEL_AUTH_FAILED, 1, "not yours"},
    {SAYS("200 OK", "{\"message\":\"the gateway sleeps\"}"), MODEL_BAD_RESPONSE, 4,
     "no answer: the gateway sleeps"},
    {SAYS("200 OK", ""), MODEL_BAD_RESPONSE, 4, "HTTP 200"},
    {KIT_STREAM "data: {\"choices\":[{\"delta\":\n\n", MODEL_BAD_RESPONSE, 4, "valid JSON"},
    {SAYS("400 Bad", "{\"error\":{" TOOL_USE_FAILED "}}"), MODEL_BAD_RESPONSE, 4,
     "Failed to call a function"},
    {KIT_STREAM "event: error\ndata: {\"error\":{" TOOL_USE_FAILED "}}\n\n", MODEL_BAD_RESPONSE, 4,
     "Failed to call a function"},
    {KIT_STREAM
     "data: {\"choices\":[{\"delta\":{\"content\":\"I look. <|tool_calls_section_begin|>"
     "<|tool_call_begin|>functions.ls:0<|tool_call_argument_begin|>{}<|tool_ca\"}}]}\n\n"
     "data: {\"choices\":[{\"delta\":{\"content\":\"ll_end|><|tool_calls_section_end|>\"},"
     "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
     MODEL_BAD_RESPONSE, 4, "delivered the call as text"},
    {SAYS("404 No",
          "{\"error\":{\"message\":\"This model is only supported in v1/responses and not "
          "in v1/chat/completions.\",\"param\":\"model\"}}"),
     MODEL_BAD_REQUEST, 1, "'drover provider add NAME --kind responses' (This model is only"},
    {SAYS("400 Bad", "{\"error\":{\"message\":\"model gpt-5-codex is not accessible via the "
                     "/chat/completions endpoint\",\"code\":\"unsupported_api_for_model\"}}"),
     MODEL_BAD_REQUEST, 1, "served by the Responses API alone"},
    {KIT_STREAM "<html>hello</html>", MODEL_STREAM_BROKEN, 4, "final marker"},
    {KIT_STREAM, MODEL_STREAM_BROKEN, 4, "final marker"},
    {"nonsense\r\n\r\n", MODEL_BAD_RESPONSE, 4, "not valid HTTP"},
    {"HTTP/1.1 200 OK\r\nContent-Le", MODEL_STREAM_BROKEN, 4, ""},
};

static void each_answer_has_its_cause_and_its_number_of_tries(void **state) {
    struct kit *kit = *state;
    for (size_t i = 0; i < COUNT_OF(failed_answers); i++) {
        kit_renew(kit);
        kit_connect(kit,
                    (struct model_connection){.kind = MODEL_KIND_OPENAI, .key = "sk-very-secret"});
        kit->answer = failed_answers[i].answer;
        struct ask ask = {.kit = kit};
        ask_begin(&ask, kit, "test/m", "hi");
        ask_finish(&ask);
        const char *detail = ask.result.failure.detail;
        if (ask.result.failure.cause != failed_answers[i].cause ||
            kit->server.requests != failed_answers[i].tries ||
            strstr(detail, failed_answers[i].detail) == NULL) {
            fail_msg("row %zu: %s after %u requests: %s", i,
                     model_cause_name(ask.result.failure.cause), kit->server.requests, detail);
        }
        assert_null(strstr(detail, "secret"));
        assert_int_equal(ask.result.tries, failed_answers[i].tries);
        ask_end(&ask);
    }
}

#define REFUSES(name)                                                                              \
    SAYS("400 Bad",                                                                                \
         "{\"error\":{\"message\":\"Unsupported parameter: '" name "'\",\"param\":\"" name "\"}}")

static void note_refused(void *ctx, const struct model_refused *refused) {
    text_addf(ctx, "%.*s %x|", (int)refused->name.len, refused->name.data,
              (unsigned)refused->parameters);
}

static void ask_for_more(struct kit *kit, unsigned tries, unsigned requests,
                         enum model_cause cause) {
    struct ask ask = {.kit = kit};
    struct model_request *request = kit_request("test/m", "hi");
    const unsigned before = kit->server.requests;
    request->output_max = 100;
    request->effort = MODEL_EFFORT_LOW;
    ask_begin_with(&ask, kit, request);
    ask_finish(&ask);
    ask_cause(&ask, cause);
    assert_int_equal(ask.result.tries, tries);
    assert_int_equal(kit->server.requests - before, requests);
    ask_end(&ask);
}

/* A repetition without what was refused is no try; what it taught holds for the next call, and only
 * if the provider took it. */
static void a_refused_parameter_is_left_out_at_once_and_remembered(void **state) {
    struct kit *kit = *state;
    AUTO(text_done) struct text found = text_up_to(1000);
    struct model_info info;
    models_on_refused(kit->models, note_refused, &found);
    kit->answers[0] = REFUSES("reasoning_effort");
    kit->answer = GOOD;
    ask_for_more(kit, 1, 2, MODEL_NONE);
    assert_string_equal(found.data, "test/m 1|");
    assert_true(models_info(kit->models, BYTES("test/m"), &info));
    assert_int_equal(info.refused, PARAMETER_SET(EFFORT));
    ask_for_more(kit, 1, 1, MODEL_NONE);
    assert_null(strstr(kit->request.data, "reasoning_effort"));
    /* This one says so whatever is sent: both spellings, then it is a bad request. */
    kit->answer = SAYS("400 Bad", "{\"error\":{\"message\":\"max_tokens: no\"}}");
    ask_for_more(kit, 1, 3, MODEL_BAD_REQUEST);
    assert_string_equal(found.data, "test/m 1|");
    kit->clock_ms += MODEL_REFUSED_MS;
    assert_true(models_info(kit->models, BYTES("test/m"), &info));
    assert_int_equal(info.refused, 0);
    models_on_refused(kit->models, NULL, NULL);
}

#define GOOGLE(message, details)                                                                   \
    SAYS("429 Slow", "[{\"error\":{\"code\":429,\"message\":\"" message                            \
                     "\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[" details "]}}]")
#define QUOTA_OF(id)                                                                               \
    "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[{\"quotaId\":"     \
    "\"GenerateRequestsPer" id "PerProjectPerModel-FreeTier\"}]}"
#define RETRY_INFO(delay)                                                                          \
    "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"" delay "\"}"
#define EXCEEDED "You exceeded your current quota, please check your plan and billing details."

/* A limit of a minute is no account without money; that of a day is, whatever wait is named. */
static void a_wait_in_the_words_of_a_refusal_is_waited_for(void **state) {
    struct kit *kit = *state;
    static const struct {
        const char *answer;
        uint64_t waited_ms;
        enum model_cause cause; /* NONE: asked again after that wait. */
    } rows[] = {
        {GOOGLE(EXCEEDED, QUOTA_OF("Minute") "," RETRY_INFO("12s")), 12000, MODEL_NONE},
        {GOOGLE(EXCEEDED, RETRY_INFO("34.074824224s")), 34074, MODEL_NONE},
        {GOOGLE(EXCEEDED "\\nPlease retry in 12.5 s.", ""), 12500, MODEL_NONE},
        {SAYS("429 Slow",
              "{\"error\":{\"message\":\"Rate limit reached. Please try again in 20ms.\"}}"),
         20, MODEL_NONE},
        {GOOGLE(EXCEEDED, QUOTA_OF("Day") "," RETRY_INFO("12s")), 0, MODEL_QUOTA},
        {GOOGLE(EXCEEDED, ""), 0, MODEL_QUOTA},
        {GOOGLE("slow down", RETRY_INFO("61s")), 0, MODEL_RATE_LIMITED},
        {SAYS("400 Bad", "{\"error\":{\"message\":\"wrong; try again in 2s\"}}"), 0,
         MODEL_BAD_REQUEST},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kit_renew(kit);
        kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI});
        kit->answers[0] = rows[i].answer;
        kit->answer = GOOD;
        kit->waited_ms = 0;
        struct ask ask = {.kit = kit};
        ask_begin(&ask, kit, "test/m", "hi");
        ask_finish(&ask);
        if (kit->waited_ms != rows[i].waited_ms || ask.result.failure.cause != rows[i].cause) {
            fail_msg("row %zu: %s after %u ms", i, model_cause_name(ask.result.failure.cause),
                     (unsigned)kit->waited_ms);
        }
        ask_end(&ask);
    }
}

static void the_provider_says_when_to_come_again(void **state) {
    struct kit *kit = *state;
    kit->clock_ms = INT64_C(784111777000); /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *header;
        uint64_t waited_ms;
        unsigned requests;
    } rows[] = {
        {"Retry-After: 7", 7000, 2},
        {"retry-after: 0.5", 500, 2},
        {"Retry-After-Ms: 1500\r\nRetry-After: 9", 1500, 2},
        {"Retry-After: Sun, 06 Nov 1994 08:49:42 GMT", 5000, 2},
        {"Retry-After: soon", 375, 2},
        {"X-Should-Retry: false", 0, 1},
        {"Retry-After: 61", 0, 1},
        {"Retry-After: 999999999999999999999", 375, 2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char answer[200];
        kit_renew(kit);
        kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI});
        (void)snprintf(answer, sizeof answer, "HTTP/1.1 503 No\r\n%s\r\n\r\n", rows[i].header);
        kit->answers[0] = answer;
        kit->answer = GOOD;
        kit->waited_ms = 0;
        struct ask ask = {.kit = kit};
        ask_begin(&ask, kit, "test/m", "hi");
        ask_finish(&ask);
        ask_cause(&ask, rows[i].requests == 2 ? MODEL_NONE : MODEL_PROVIDER_ERROR);
        if (kit->waited_ms != rows[i].waited_ms || kit->server.requests != rows[i].requests) {
            fail_msg("%s: %u requests, %u ms", rows[i].header, kit->server.requests,
                     (unsigned)kit->waited_ms);
        }
        ask_end(&ask);
    }
    kit_renew(kit);
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI});
    kit->answers[0] = "HTTP/1.1 400 No\r\nX-Should-Retry: true\r\n\r\n";
    ask_expect(kit, "test/m", "hi", "R(bad_request)t(ok)", MODEL_NONE);
}

static void nobody_there_and_no_tls_are_unreachable(void **state) {
    struct kit *kit = *state;
    kit_connect(kit, (struct model_connection){.name = "none",
                                               .kind = MODEL_KIND_OPENAI,
                                               .base_url = "http://127.0.0.1:1/v1"});
    const char *told = "R(provider_unreachable)R(provider_unreachable)R(provider_unreachable)";
    ask_expect(kit, "none/m", "hi", told, MODEL_UNREACHABLE);
    char url[80];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/v1", kit->server.port);
    kit_connect(
        kit, (struct model_connection){.name = "tls", .kind = MODEL_KIND_OPENAI, .base_url = url});
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "tls/m", "hi");
    for (unsigned answered = 0; ask.dones == 0; server_turn(kit->loop)) {
        for (; answered < kit->server.connections; answered++) {
            served_say(kit->server.served[answered], "HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    }
    ask_cause(&ask, MODEL_UNREACHABLE);
    assert_string_equal(ask.told.data, told);
    assert_non_null(strstr(ask.result.failure.detail, "TLS failed"));
    ask_end(&ask);
}

static void open_with_limits(struct kit *kit, struct model_limits limits) {
    kit_close_models(kit);
    kit_open_models(kit, (struct models_options){.limits = limits});
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI});
}

static void silence_is_a_time_out_wherever_it_begins(void **state) {
    struct kit *kit = *state;
    open_with_limits(kit, (struct model_limits){.answer_ms = 50, .stall_ms = 50});
    ask_expect(kit, "test/m", "hi", "R(timed_out)R(timed_out)R(timed_out)", MODEL_TIMED_OUT);
    assert_int_equal(kit->server.requests, 4);
    kit->answer = KIT_STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    kit->then = KIT_KEEP;
    ask_expect(kit, "test/m", "hi", "t(a)DR(timed_out)t(a)DR(timed_out)t(a)DR(timed_out)t(a)",
               MODEL_TIMED_OUT);
    assert_int_equal(kit->server.requests, 8);
}

/* Silence may be that of one long prompt: it holds up nobody else, and each try may be paid for. */
static void an_agent_is_asked_eight_times_by_a_silent_provider_that_is_not_away(void **state) {
    struct kit *kit = *state;
    struct model_failure failure;
    open_with_limits(kit, (struct model_limits){.answer_ms = 20});
    struct model_request *request = kit_request("test/m", "hi");
    request->patience = PATIENCE_AGENT;
    struct ask ask = {.kit = kit};
    ask_begin_with(&ask, kit, request);
    while (ask.dones == 0) {
        server_turn(kit->loop);
        assert_false(models_is_away(kit->models, BYTES("test"), &failure));
    }
    ask_cause(&ask, MODEL_TIMED_OUT);
    assert_int_equal(kit->server.requests, 8);
    ask_end(&ask);
}

static void all_tries_together_have_a_limit(void **state) {
    struct kit *kit = *state;
    kit->answer = GOOD;
    ask_expect(kit, "test/m", "hi", "t(ok)", MODEL_NONE); /* The library is there from here on. */
    open_with_limits(kit, (struct model_limits){.total_ms = 400});
    kit->answer = KIT_STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    kit->then = KIT_KEEP;
    ask_expect(kit, "test/m", "hi", "t(a)", MODEL_TIMED_OUT);
    assert_int_equal(kit->server.requests, 2);
}

static struct usage spent_on(struct kit *kit) {
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "test/m", "12345678");
    ask_finish(&ask);
    ask_end(&ask);
    return ask.result.spent;
}

static void a_try_is_charged_when_its_provider_had_the_prompt(void **state) {
    struct kit *kit = *state;
    kit->answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    assert_int_equal(spent_on(kit).fresh, 0);
    kit->answer = "HTTP/1.1 503 Busy\r\n\r\n";
    assert_int_equal(spent_on(kit).fresh, 0);
    open_with_limits(kit, (struct model_limits){.answer_ms = 0}); /* A new one: not away. */
    kit->answer = "HTTP/1.1 504 Late\r\n\r\n";
    assert_int_equal(spent_on(kit).fresh, 8); /* Two tokens, four tries. */
    kit->answer = NULL;
    open_with_limits(kit, (struct model_limits){.answer_ms = 50});
    const struct usage silent = spent_on(kit);
    assert_int_equal(silent.fresh, 8);
    assert_int_equal(silent.output, 0);
    assert_true(silent.estimated);
}

static void a_server_that_stays_behind_its_final_marker_holds_nobody_up(void **state) {
    struct kit *kit = *state;
    kit->answer = GOOD;
    kit->then = KIT_KEEP;
    ask_expect(kit, "test/m", "hi", "t(ok)", MODEL_NONE);
}

static void the_key_is_in_its_header_alone(void **state) {
    struct kit *kit = *state;
    kit->answer = GOOD;
    ask_expect(kit, "test/m", "hi", "t(ok)", MODEL_NONE);
    const char *at = strstr(kit->request.data, "sk-very-secret");
    assert_non_null(at);
    assert_memory_equal(at - strlen("Authorization: Bearer "), "Authorization: Bearer ", 22);
    assert_null(strstr(at + 1, "sk-very-secret"));
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_ANTHROPIC, .key = "sk-ant"});
    ask_expect(kit, "test/m", "hi", "R(stream_broken)R(stream_broken)R(stream_broken)",
               MODEL_STREAM_BROKEN);
    assert_non_null(strstr(kit->request.data, "x-api-key: sk-ant\r\n"));
    assert_non_null(strstr(kit->request.data, "anthropic-version: 2023-06-01\r\n"));
}

static void a_users_header_wins_over_ours(void **state) {
    struct kit *kit = *state;
    const struct connection_header headers[] = {{"X-Team", "red"}, {"authorization", "Basic x"}};
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI,
                                               .key = "sk-other",
                                               .headers = headers,
                                               .header_count = COUNT_OF(headers)});
    kit->answer = GOOD;
    ask_expect(kit, "test/m", "hi", "t(ok)", MODEL_NONE);
    assert_non_null(strstr(kit->request.data, "X-Team: red\r\n"));
    assert_non_null(strstr(kit->request.data, "authorization: Basic x\r\n"));
    assert_null(strstr(kit->request.data, "sk-other"));
}

/* --- Slots ------------------------------------------------------------------------------------ */

static void settle(struct kit *kit) {
    for (int i = 0; i < 20; i++) {
        (void)uv_run(loop_uv(kit->loop), UV_RUN_NOWAIT);
    }
}

static void slots_are_given_by_priority_then_in_order(void **state) {
    struct kit *kit = *state;
    kit_connect(kit,
                (struct model_connection){.kind = MODEL_KIND_OPENAI, .numbers.max_concurrent = 1});
    struct ask asks[4] = {{.kit = kit}};
    ask_begin(&asks[0], kit, "test/m", "first");
    static const enum model_priority priorities[] = {MODEL_FOREGROUND, MODEL_BACKGROUND,
                                                     MODEL_FOREGROUND, MODEL_FOREGROUND};
    static const char *const words[] = {"first", "behind", "second", "third"};
    for (size_t i = 1; i < 4; i++) {
        asks[i] = (struct ask){.kit = kit};
        text_init(&asks[i].told, 1000);
        text_init(&asks[i].said, 1000);
        asks[i].asking = model_ask(kit->models, kit_request("test/m", words[i]), priorities[i],
                                   &ask_watch, &asks[i]);
    }
    static const char *const order[] = {"first", "second", "third", "behind"};
    for (unsigned i = 0; i < 4; i++) {
        while (kit->server.requests < i + 1) {
            server_turn(kit->loop);
        }
        settle(kit);
        assert_int_equal(kit->server.requests, i + 1);
        assert_non_null(strstr(kit->request.data, order[i]));
        struct models_stats stats;
        models_get_stats(kit->models, &stats);
        assert_int_equal(stats.running, 1);
        assert_int_equal(stats.waiting, 3 - i);
        served_say(kit->asked, GOOD);
        served_close(kit->asked);
    }
    for (size_t i = 0; i < 4; i++) {
        ask_finish(&asks[i]);
        ask_cause(&asks[i], MODEL_NONE);
        ask_end(&asks[i]);
    }
}

/* The call that was refused keeps its slot; another one waits until the limit rises by itself. */
static void a_429_halves_the_slots_and_quiet_gives_one_back(void **state) {
    struct kit *kit = *state;
    struct model_load load;
    kit_connect(kit,
                (struct model_connection){.kind = MODEL_KIND_OPENAI, .numbers.max_concurrent = 2});
    kit->answers[0] = "HTTP/1.1 429 Slow\r\nConnection: close\r\n\r\n";
    kit->answer = KIT_STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    kit->then = KIT_KEEP;
    struct ask first = {.kit = kit}, second = {.kit = kit}, third = {.kit = kit};
    ask_begin(&first, kit, "test/m", "first");
    while (kit->server.requests < 2) {
        server_turn(kit->loop);
    }
    ask_begin(&second, kit, "test/m", "second");
    settle(kit);
    assert_true(models_get_load(kit->models, BYTES("test/m"), &load));
    assert_int_equal(load.limit, 1);
    assert_int_equal(load.most, 2);
    assert_int_equal(load.running, 1);
    assert_int_equal(load.waiting, 1);
    assert_int_equal(kit->server.requests, 2);
    /* The third call sets the timer again, by the clock that was moved. */
    kit->ahead_ns += (uint64_t)(BRAKE_QUIET_MS - 50) * 1000000;
    ask_begin(&third, kit, "test/m", "third");
    while (kit->server.requests < 3) {
        server_turn(kit->loop);
    }
    assert_true(models_get_load(kit->models, BYTES("test/m"), &load));
    assert_int_equal(load.limit, 2);
    assert_int_equal(load.running, 2);
    assert_int_equal(load.waiting, 1);
    model_cancel(third.asking);
    model_cancel(second.asking);
    model_cancel(first.asking);
    ask_end(&first);
    ask_end(&second);
    ask_end(&third);
}

static void a_connection_that_is_removed_ends_what_waits_for_it(void **state) {
    struct kit *kit = *state;
    kit_connect(kit,
                (struct model_connection){.kind = MODEL_KIND_OPENAI, .numbers.max_concurrent = 1});
    struct ask first = {.kit = kit}, second = {.kit = kit}, third = {.kit = kit};
    ask_begin(&first, kit, "test/m", "first");
    ask_begin(&second, kit, "test/m", "second");
    ask_begin(&third, kit, "test/m", "third");
    while (kit->server.requests == 0) {
        server_turn(kit->loop);
    }
    assert_true(models_connection_remove(kit->models, "test"));
    assert_int_equal(second.dones, 0); /* Not inside the call. */
    ask_finish(&second);
    ask_finish(&third);
    ask_cause(&second, MODEL_CONNECTION_CHANGED);
    ask_cause(&third, MODEL_CONNECTION_CHANGED);
    assert_false(models_connection_remove(kit->models, "test"));
    served_say(kit->asked, GOOD); /* What runs goes on. */
    served_close(kit->asked);
    ask_finish(&first);
    ask_cause(&first, MODEL_NONE);
    ask_end(&first);
    ask_end(&second);
    ask_end(&third);
    ask_expect(kit, "test/m", "hi", "", MODEL_MODEL_UNKNOWN);
}

/* Nothing is asked for it, and those that wait are as they were. */
static void a_call_beyond_those_that_may_wait_fails(void **state) {
    struct kit *kit = *state;
    enum { CALLS = MODEL_QUEUE_MAX + 1 };
    kit_connect(kit,
                (struct model_connection){.kind = MODEL_KIND_OPENAI, .numbers.max_concurrent = 1});
    static const struct model_watch silent = {.done = NULL};
    struct asking **waiting = mem_new_array(CALLS, sizeof *waiting);
    for (size_t i = 0; i < CALLS; i++) {
        struct model_request *request = kit_request("test/m", "hi");
        waiting[i] = model_ask(kit->models, request, MODEL_FOREGROUND, &silent, NULL);
    }
    while (kit->server.requests == 0) {
        server_turn(kit->loop);
    }
    struct models_stats stats;
    models_get_stats(kit->models, &stats);
    assert_int_equal(stats.waiting, MODEL_QUEUE_MAX);
    ask_expect(kit, "test/m", "hi", "", MODEL_OVERLOADED);
    kit->answer = GOOD;
    kit_connect(kit, (struct model_connection){.name = "other", .kind = MODEL_KIND_OPENAI});
    ask_expect(kit, "other/m", "hi", "t(ok)", MODEL_NONE);
    for (size_t i = 0; i < CALLS; i++) {
        model_cancel(waiting[i]);
    }
    mem_free(waiting);
    models_get_stats(kit->models, &stats);
    assert_int_equal(stats.waiting, 0);
}

static void a_cancel_frees_its_slot_wherever_the_call_is(void **state) {
    struct kit *kit = *state;
    kit_connect(kit,
                (struct model_connection){.kind = MODEL_KIND_OPENAI, .numbers.max_concurrent = 1});
    kit->answer = KIT_STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    kit->then = KIT_KEEP;
    for (int turns = 0; turns < 12; turns++) {
        struct ask ask = {.kit = kit};
        ask_begin(&ask, kit, "test/m", "hi");
        for (int i = 0; i < turns; i++) {
            (void)uv_run(loop_uv(kit->loop), UV_RUN_NOWAIT);
        }
        model_cancel(ask.asking);
        settle(kit);
        assert_int_equal(ask.dones, 0);
        ask_end(&ask);
    }
    struct ask ask = {.kit = kit, .cancel_at_text = true};
    ask_begin(&ask, kit, "test/m", "hi");
    while (ask.said.len == 0) {
        server_turn(kit->loop);
    }
    settle(kit);
    assert_int_equal(ask.dones, 0);
    ask_end(&ask);
    kit->answer = GOOD;
    kit->then = KIT_CLOSE;
    ask_expect(kit, "test/m", "hi", "t(ok)", MODEL_NONE);
    struct models_stats stats;
    models_get_stats(kit->models, &stats);
    assert_int_equal(stats.running + stats.waiting, 0);
}

#define BUSY "HTTP/1.1 503 Busy\r\nretry-after-ms: 1\r\ncontent-length: 0\r\n\r\n"

static void the_end_of_a_wait_is_told_and_a_cancel_there_asks_nobody(void **state) {
    struct kit *kit = *state;
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI});
    kit->answers[0] = kit->answers[2] = BUSY;
    kit->answer = GOOD;
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "test/m", "hi");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_int_equal(ask.resumed, 1);
    ask_end(&ask);
    struct ask gone = {.kit = kit, .cancel_at_resumed = true};
    ask_begin(&gone, kit, "test/m", "hi");
    while (gone.resumed == 0) {
        server_turn(kit->loop);
    }
    settle(kit);
    assert_int_equal(gone.dones, 0);
    assert_int_equal(kit->server.requests, 3);
    ask_end(&gone);
}

static void a_changed_connection_is_used_from_the_next_try(void **state) {
    struct kit *kit = *state;
    kit->answer = GOOD;
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI,
                                               .base_url = "http://127.0.0.1:1/v1"});
    kit->frozen = true;
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "test/m", "hi");
    while (ask.retried.cause == MODEL_NONE) {
        server_turn(kit->loop);
    }
    kit->frozen = false;
    model_cancel(ask.asking);
    ask_end(&ask);
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI});
    ask_expect(kit, "test/m", "hi", "t(ok)", MODEL_NONE);
}

/* --- A provider that is away, and one whose quota is used up ---------------------------------- */

#define NO_QUOTA SAYS("402 Pay\r\nConnection: close", "{\"error\":{\"message\":\"pay first\"}}")
#define AWAY "HTTP/1.1 503 No\r\nConnection: close\r\n\r\n"

static struct model_request *agents_request(void) {
    struct model_request *request = kit_request("test/m", "hi");
    request->patience = PATIENCE_AGENT;
    return request;
}

static void ask_until(struct kit *kit, unsigned requests) {
    while (kit->server.requests < requests) {
        server_turn(kit->loop);
    }
}

/* Wait of the connection's calls; -1: they do not wait. */
static int64_t away_ms(const struct kit *kit) {
    struct model_failure failure;
    return models_is_away(kit->models, BYTES("test"), &failure)
               ? failure.resume_at_ms - kit->clock_ms
               : -1;
}

static void calls_that_are_refused_together_double_no_pause(void **state) {
    struct kit *kit = *state;
    struct ask asks[6];
    kit->answer = GOOD;
    ask_expect(kit, "test/m", "hi", "t(ok)", MODEL_NONE); /* Known to answer: all are sent. */
    kit->answer = NO_QUOTA;
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        asks[i] = (struct ask){.kit = kit};
        ask_begin(&asks[i], kit, "test/m", "hi");
    }
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        ask_finish(&asks[i]);
        ask_cause(&asks[i], MODEL_QUOTA);
        assert_int_equal(asks[i].result.failure.resume_at_ms - kit->clock_ms, 60000);
        ask_end(&asks[i]);
    }
    assert_int_equal(kit->server.requests, 1 + COUNT_OF(asks));
    assert_int_equal(away_ms(kit), 60000);
}

/* No time was named: the caller gets that of the next try. */
static void who_yields_gives_up_and_says_when_asking_may_help(void **state) {
    struct kit *kit = *state;
    open_with_limits(kit, (struct model_limits){.outage_ms = 40});
    kit->answer = AWAY;
    kit->frozen = true; /* Each wait is one of ten seconds. */
    struct model_request *request = kit_request("test/m", "hi");
    request->patience = PATIENCE_YIELDS;
    struct ask ask = {.kit = kit};
    ask_begin_with(&ask, kit, request);
    ask_finish(&ask);
    ask_cause(&ask, MODEL_PROVIDER_ERROR);
    assert_int_equal(kit->server.requests, 1);
    assert_int_equal(ask.result.failure.resume_at_ms - kit->clock_ms, 10000);
    ask_end(&ask);
}

/* The first call is the probe, and hears nothing: its own deadline is far away. */
static void who_waits_behind_a_probe_that_hangs_waits_no_longer_than_patience(void **state) {
    struct kit *kit = *state;
    struct ask probe = {.kit = kit}, ask = {.kit = kit};
    open_with_limits(kit, (struct model_limits){.outage_ms = 40});
    kit->answer = AWAY;
    ask_begin_with(&probe, kit, agents_request());
    ask_until(kit, 1);
    kit->answer = NULL;
    ask_until(kit, 2);
    ask_begin(&ask, kit, "test/m", "hi");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_PROVIDER_ERROR);
    assert_int_equal(probe.dones, 0);
    assert_int_equal(kit->server.requests, 2);
    ask_end(&ask);
    model_cancel(probe.asking);
    ask_end(&probe);
}

static void test_connection(struct kit *kit, enum model_cause cause) {
    struct ask ask = {.kit = kit};
    text_init(&ask.told, 1000);
    text_init(&ask.said, 1000);
    ask.asking = models_connection_test(kit->models, "test/m", &ask_watch, &ask);
    ask_finish(&ask);
    ask_cause(&ask, cause);
    ask_end(&ask);
}

static void only_a_good_answer_to_a_test_ends_the_wait_for_a_quota(void **state) {
    struct kit *kit = *state;
    kit->answer = NO_QUOTA;
    ask_expect(kit, "test/m", "hi", "", MODEL_QUOTA);
    test_connection(kit, MODEL_QUOTA);
    assert_int_equal(away_ms(kit), 60000);
    kit->answer = SAYS("401 No", "{}");
    test_connection(kit, MODEL_AUTH_FAILED);
    assert_int_equal(away_ms(kit), 60000);
    kit->answer = GOOD;
    test_connection(kit, MODEL_NONE);
    assert_int_equal(away_ms(kit), -1);
}

static void what_an_old_key_is_told_says_nothing_about_the_new_one(void **state) {
    static const char *const answers[] = {NO_QUOTA, SAYS("401 No", "{}"), AWAY};
    struct kit *kit = *state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct ask ask = {.kit = kit};
        kit_renew(kit);
        kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI, .key = "sk-old-key"});
        kit->answer = NULL;
        ask_begin(&ask, kit, "test/m", "hi");
        ask_until(kit, 1);
        kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI, .key = "sk-new-key"});
        kit->answer = GOOD;
        served_say(kit->asked, answers[i]);
        served_close(kit->asked);
        ask_finish(&ask);
        ask_cause(&ask, MODEL_NONE);
        assert_non_null(strstr(kit->request.data, "sk-new-key"));
        assert_int_equal(away_ms(kit), -1);
        ask_end(&ask);
    }
}

static void an_answer_by_an_old_key_ends_no_wait_of_the_new_one(void **state) {
    struct kit *kit = *state;
    struct ask old = {.kit = kit}, fresh = {.kit = kit};
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI, .key = "sk-old-key"});
    kit->answer = NULL;
    ask_begin(&old, kit, "test/m", "hi");
    ask_until(kit, 1);
    struct served *held = kit->asked;
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_OPENAI, .key = "sk-new-key"});
    kit->answer = AWAY;
    kit->frozen = true;
    ask_begin_with(&fresh, kit, agents_request());
    while (fresh.retried.cause == MODEL_NONE) {
        server_turn(kit->loop);
    }
    assert_true(away_ms(kit) >= 0);
    served_say(held, GOOD);
    served_close(held);
    ask_finish(&old);
    ask_cause(&old, MODEL_NONE);
    assert_true(away_ms(kit) >= 0);
    model_cancel(fresh.asking);
    ask_end(&fresh);
    ask_end(&old);
}

static void a_probe_that_hangs_holds_nobody_up_after_a_reset(void **state) {
    struct kit *kit = *state;
    struct ask hangs = {.kit = kit}, other = {.kit = kit};
    kit->answers[0] = kit->answers[2] = AWAY;
    kit->then_early = KIT_CLOSE;
    ask_begin_with(&hangs, kit, agents_request());
    ask_until(kit, 2);
    models_reset(kit->models, BYTES("test"));
    kit->answer = GOOD;
    kit->answers[1] = GOOD;
    ask_begin_with(&other, kit, agents_request());
    ask_until(kit, 3);
    for (int i = 0; i < 100 && other.dones == 0; i++) {
        settle(kit);
        (void)uv_run(loop_uv(kit->loop), UV_RUN_ONCE);
    }
    assert_int_equal(other.dones, 1);
    ask_cause(&other, MODEL_NONE);
    model_cancel(hangs.asking);
    ask_end(&hangs);
    ask_end(&other);
}

/* The wait of that call is for it alone: the provider answered a moment ago. */
static void one_call_that_breaks_off_again_makes_no_other_wait_long(void **state) {
    struct kit *kit = *state;
    struct ask ask = {.kit = kit};
    for (size_t i = 0; i < 5; i++) {
        kit->answers[i] = AWAY;
    }
    kit->answer = KIT_STREAM "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    ask_begin_with(&ask, kit, agents_request());
    ask_until(kit, 6);
    kit->frozen = true; /* Else its own wait is skipped. */
    while (ask.retried.cause != MODEL_STREAM_BROKEN) {
        server_turn(kit->loop);
    }
    assert_in_range(away_ms(kit), 0, 1000);
    model_cancel(ask.asking);
    ask_end(&ask);
}

/* The first wait does not end; one that the provider named is shortened by the time slept. */
static void a_wake_asks_providers_that_are_away(void **state) {
    struct kit *kit = *state;
    struct ask ask = {.kit = kit};
    kit->answers[0] = "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n";
    kit->answers[1] = "HTTP/1.1 503 Busy\r\nRetry-After: 30\r\nConnection: close\r\n\r\n";
    kit->answer = GOOD;
    kit->frozen = true;
    ask_begin(&ask, kit, "test/m", "hi");
    for (unsigned i = 0; i < 3; i++) {
        while (kit->server.requests < i + 1 || model_is_waiting(ask.asking) == (i == 2)) {
            server_turn(kit->loop);
        }
        settle(kit);
        assert_int_equal(kit->server.requests, i + 1);
        if (i == 1) {
            models_woke(kit->models, 5000); /* Half of the wait is left. */
            settle(kit);
            assert_int_equal(kit->server.requests, 2);
        }
        models_woke(kit->models, 6000);
        models_woke(kit->models, 0); /* Twice is once. */
    }
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    /* A wait that became shorter is reported again. */
    assert_string_equal(ask.told.data, "R(provider_error)R(provider_error)R(provider_error)t(ok)");
    ask_end(&ask);
}

#define WITH_KIT(test) cmocka_unit_test_setup_teardown(test, open_kit, close_kit)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        WITH_KIT(each_answer_has_its_cause_and_its_number_of_tries),
        WITH_KIT(a_refused_parameter_is_left_out_at_once_and_remembered),
        WITH_KIT(a_wait_in_the_words_of_a_refusal_is_waited_for),
        WITH_KIT(the_provider_says_when_to_come_again),
        WITH_KIT(nobody_there_and_no_tls_are_unreachable),
        WITH_KIT(silence_is_a_time_out_wherever_it_begins),
        WITH_KIT(an_agent_is_asked_eight_times_by_a_silent_provider_that_is_not_away),
        WITH_KIT(all_tries_together_have_a_limit),
        WITH_KIT(a_try_is_charged_when_its_provider_had_the_prompt),
        WITH_KIT(a_server_that_stays_behind_its_final_marker_holds_nobody_up),
        WITH_KIT(the_key_is_in_its_header_alone),
        WITH_KIT(a_users_header_wins_over_ours),
        WITH_KIT(slots_are_given_by_priority_then_in_order),
        WITH_KIT(a_429_halves_the_slots_and_quiet_gives_one_back),
        WITH_KIT(a_connection_that_is_removed_ends_what_waits_for_it),
        WITH_KIT(a_call_beyond_those_that_may_wait_fails),
        WITH_KIT(a_cancel_frees_its_slot_wherever_the_call_is),
        WITH_KIT(the_end_of_a_wait_is_told_and_a_cancel_there_asks_nobody),
        WITH_KIT(a_changed_connection_is_used_from_the_next_try),
        WITH_KIT(calls_that_are_refused_together_double_no_pause),
        WITH_KIT(who_yields_gives_up_and_says_when_asking_may_help),
        WITH_KIT(who_waits_behind_a_probe_that_hangs_waits_no_longer_than_patience),
        WITH_KIT(an_answer_by_an_old_key_ends_no_wait_of_the_new_one),
        WITH_KIT(only_a_good_answer_to_a_test_ends_the_wait_for_a_quota),
        WITH_KIT(what_an_old_key_is_told_says_nothing_about_the_new_one),
        WITH_KIT(a_probe_that_hangs_holds_nobody_up_after_a_reset),
        WITH_KIT(one_call_that_breaks_off_again_makes_no_other_wait_long),
        WITH_KIT(a_wake_asks_providers_that_are_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
