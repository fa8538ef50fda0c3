/* test_model_wires.c: each kind of provider, over HTTP, well and broken at every byte. */
#include "model_kit.h"
#include "model_streams.h"
#include "share.h"

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

static char whole[32 << 10];

static void serve_stream(struct kit *kit, const struct model_stream *stream) {
    (void)snprintf(whole, sizeof whole, "%s%s", KIT_STREAM, stream->bytes);
    kit->answer = whole;
    kit_connect(kit, (struct model_connection){.kind = stream->kind, .key = "sk-secret-1"});
}

static void each_kind_is_understood_at_once_and_byte_by_byte(void **state) {
    struct kit *kit = *state;
    for (size_t i = 0; i < COUNT_OF(model_streams); i++) {
        serve_stream(kit, &model_streams[i]);
        kit->step = 0;
        ask_expect(kit, "test/m", "hi", model_streams[i].told, MODEL_NONE);
        char line[100];
        (void)snprintf(line, sizeof line, "POST %s HTTP/1.1\r\n", model_streams[i].path);
        assert_memory_equal(kit->request.data, line, strlen(line));
        kit->step = 1;
        ask_expect(kit, "test/m", "hi", model_streams[i].told, MODEL_NONE);
    }
    assert_int_equal(kit->server.requests, 6);
}

static void line_ends_comments_and_marks_do_not_matter(void **state) {
    struct kit *kit = *state;
    static char other[64 << 10];
    for (size_t i = 0; i < COUNT_OF(model_streams); i++) {
        for (size_t how = 0; how < 2; how++) {
            const char *const ends[] = {"\r\n", "\r"};
            struct text text;
            text_init(&text, sizeof other);
            text_add_str(&text, KIT_STREAM "\xef\xbb\xbf: hello\n\nid: 3\nretry: 10\n\n");
            for (const char *at = model_streams[i].bytes; *at != '\0'; at++) {
                if (*at == '\n') {
                    text_add_str(&text, ends[how]);
                } else {
                    text_add_char(&text, *at);
                }
                if (*at == '\n' && at[1] == '\n') {
                    text_add_str(&text, ": keep-alive");
                    text_add_str(&text, ends[how]);
                }
            }
            (void)snprintf(other, sizeof other, "%s", text.data);
            text_done(&text);
            serve_stream(kit, &model_streams[i]);
            kit->answer = other;
            ask_expect(kit, "test/m", "hi", model_streams[i].told, MODEL_NONE);
        }
    }
}

/* The first try is cut at `cut`, the second is whole. */
static void cut_at(struct kit *kit, const struct model_stream *stream, size_t cut) {
    static char part[32 << 10];
    (void)snprintf(part, sizeof part, "%.*s", (int)cut, whole);
    kit->answers[0] = part;
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "test/m", "hi");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    size_t told = strlen(stream->told), all = strlen(ask.told.data);
    assert_true(all >= told);
    assert_string_equal(ask.told.data + all - told, stream->told);
    bool enough = cut >= sizeof KIT_STREAM - 1 + stream->enough;
    /* A reset may overtake the bytes before it. */
    enough = enough && (kit->then_early != KIT_RESET || kit->server.requests == 1);
    if (kit->server.requests != (enough ? 1 : 2) || ask.result.tries != kit->server.requests) {
        fail_msg("%u requests after a cut at %zu of %s: %s", kit->server.requests, cut,
                 stream->path, ask.told.data);
    }
    bool said = all > told && strchr("tk<s", ask.told.data[0]) != NULL;
    assert_int_equal(strstr(ask.told.data, "DR(") != NULL, said);
    if (!enough) {
        enum model_cause cause = ask.retried.cause;
        bool in_head = cut < sizeof KIT_STREAM - 1;
        assert_true(cause == MODEL_STREAM_BROKEN || (in_head && cause == MODEL_BAD_RESPONSE));
    }
    ask_end(&ask);
}

static void cut_everywhere(struct kit *kit, enum kit_end end, size_t stride) {
    struct share share = share_taken();
    for (size_t i = 0; i < COUNT_OF(model_streams); i++) {
        serve_stream(kit, &model_streams[i]);
        for (size_t cut = 1 + share.first * stride; cut < strlen(whole);
             cut += share.step * stride) {
            kit_renew(kit);
            serve_stream(kit, &model_streams[i]);
            kit->then_early = end;
            cut_at(kit, &model_streams[i], cut);
        }
    }
}

static void a_stream_that_ends_early_is_asked_for_again_wherever_it_was_cut(void **state) {
    cut_everywhere(*state, KIT_CLOSE, 1);
}

static void so_is_one_whose_connection_is_reset(void **state) {
    cut_everywhere(*state, KIT_RESET, 13);
}

static void four_tries_are_all_and_the_last_ones_words_stay(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[0]);
    kit->answer = KIT_STREAM DELTA("\"content\":\"half\"");
    ask_expect(kit, "test/m", "hi",
               "t(half)DR(stream_broken)t(half)DR(stream_broken)t(half)DR(stream_broken)t(half)",
               MODEL_STREAM_BROKEN);
    assert_int_equal(kit->server.requests, 4);
    assert_int_equal(kit->waited_ms, 375 + 1500 + 6000);
}

static void an_error_inside_a_stream_is_told_as_what_it_is(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[2]);
    kit->answers[0] = KIT_STREAM EVENT(
        "error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}");
    ask_expect(kit, "test/m", "hi", "R(provider_error)" ANTHROPIC_TOLD, MODEL_NONE);
    kit_renew(kit);
    serve_stream(kit, &model_streams[0]);
    kit->answers[0] = KIT_STREAM DELTA(
        "\"content\":\"x\"") "data: {\"error\":{\"message\":\"boom\",\"code\":500}}\n\n";
    ask_expect(kit, "test/m", "hi", "t(x)DR(provider_error)" OPENAI_TOLD, MODEL_NONE);
    kit_renew(kit);
    serve_stream(kit, &model_streams[1]);
    kit->answers[0] = NULL;
    kit->answer = KIT_STREAM EVENT("response.failed",
                                   ",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\","
                                   "\"message\":\"slow down\"}}");
    ask_expect(kit, "test/m", "hi", "R(rate_limited)R(rate_limited)R(rate_limited)",
               MODEL_RATE_LIMITED);
}

static void usage_is_what_each_provider_means_by_it(void **state) {
    struct kit *kit = *state;
    static const struct usage wanted[] = {
        {.fresh = 20, .cache_read = 100, .output = 30, .reasoning = 10},
        {.fresh = 20, .cache_read = 100, .output = 30, .reasoning = 10},
        {.fresh = 20, .cache_read = 100, .cache_write = 5, .output = 42},
    };
    for (size_t i = 0; i < COUNT_OF(model_streams); i++) {
        serve_stream(kit, &model_streams[i]);
        struct ask ask = {.kit = kit};
        ask_begin(&ask, kit, "test/m", "hi");
        ask_finish(&ask);
        const struct usage *used = &ask.result.usage;
        assert_int_equal(used->fresh, wanted[i].fresh);
        assert_int_equal(used->cache_read, wanted[i].cache_read);
        assert_int_equal(used->cache_write, wanted[i].cache_write);
        assert_int_equal(used->output, wanted[i].output);
        assert_int_equal(used->reasoning, wanted[i].reasoning);
        assert_int_equal(used->estimated, wanted[i].estimated);
        assert_false(ask.result.cost.known); /* Nobody knows what "test/m" costs. */
        assert_int_equal(ask.result.stop, MODEL_STOP_TOOLS);
        ask_end(&ask);
    }
}

static void what_nobody_counted_is_estimated_and_tries_add_up(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[0]);
    kit->answers[0] = KIT_STREAM DELTA("\"content\":\"12345678\"");
    kit->answer = KIT_STREAM DELTA("\"content\":\"1234\"") OPENAI_FINISH;
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "test/m", "12345678");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_true(ask.result.usage.estimated);
    assert_int_equal(ask.result.usage.fresh, 2);
    assert_int_equal(ask.result.usage.output, 1);
    assert_int_equal(ask.result.spent.fresh, 4);
    assert_int_equal(ask.result.spent.output, 3);
    ask_end(&ask);
}

static void what_came_behind_a_report_counts_when_the_answer_breaks_off(void **state) {
    struct kit *kit = *state;
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_ANTHROPIC, .key = "sk-1"});
    kit->answer =
        KIT_STREAM "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":70,"
                   "\"output_tokens\":1}}}\n\n"
                   "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
                   "{\"type\":\"text\",\"text\":\"\"}}\n\n"
                   "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
                   "{\"type\":\"text_delta\",\"text\":\"12345678\"}}\n\n";
    kit->then = KIT_KEEP;
    struct ask ask = {.kit = kit};
    struct model_spent spent;
    ask_begin(&ask, kit, "test/m", "hi");
    while (ask.said.len == 0) {
        server_turn(kit->loop);
    }
    model_get_spent(ask.asking, &spent);
    assert_int_equal(spent.usage.fresh, 70);
    assert_int_equal(spent.usage.output, 2);
    assert_true(spent.usage.estimated);
    model_cancel(ask.asking);
    ask_end(&ask);
}

#define SEARCH_ITEM(status, action)                                                                \
    "data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":"         \
    "\"web_search_call\",\"id\":\"ws\",\"status\":\"" status "\",\"action\":{\"type\":\"" action   \
    "\"}}}\n\n"
#define SEARCHED                                                                                   \
    SEARCH_ITEM("completed", "search")                                                             \
    SEARCH_ITEM("completed", "open_page")                                                          \
    SEARCH_ITEM("failed", "search")                                                                \
    "data: {\"type\":\"response.output_text.delta\",\"delta\":\"wool\"}\n\n"

/* Searches alone are billed: pages are opened for nothing. */
static void each_search_is_counted_also_where_the_answer_breaks_off(void **state) {
    struct kit *kit = *state;
    struct ask ask = {.kit = kit};
    kit_connect(kit, (struct model_connection){.kind = MODEL_KIND_RESPONSES});
    kit->answers[0] = KIT_STREAM SEARCHED;
    kit->answer = KIT_STREAM SEARCHED "data: {\"type\":\"response.completed\",\"response\":"
                                      "{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n";
    ask_begin(&ask, kit, "test/m", "hi");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_int_equal(ask.result.usage.searches, 1);
    assert_int_equal(ask.result.spent.searches, 2);
    ask_end(&ask);
}

static void a_call_that_the_longest_length_cut_off_is_not_done(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[0]);
    kit->answer = KIT_STREAM CALL("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\","
                                  "\"arguments\":\"{}\"}}")
        CALL("{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{\\\"x\"}}")
            CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}", "") "data: [DONE]\n\n";
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "test/m", "hi");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_int_equal(ask.result.stop, MODEL_STOP_LENGTH);
    assert_string_equal(ask.told.data, "<0 a f>a0({})<1 b g>a1({\"x)<0/ a f {}><1! {\"x>");
    ask_end(&ask);
}

/* The text is "12" whole, and the half of it is JSON as well; arguments are objects. */
static void a_call_whose_half_is_json_but_no_object_was_cut_off(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[0]);
    kit->answer = KIT_STREAM CALL("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\","
                                  "\"arguments\":\"1\"}}")
        CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}", "") "data: [DONE]\n\n";
    ask_expect(kit, "test/m", "hi", "<0 a f>a0(1)<0! 1>", MODEL_NONE);
}

/* More would have followed the object: only the provider knows. */
static void a_call_that_is_called_incomplete_was_cut_off_whatever_came(void **state) {
    static const char *const ends[] = {
        EVENT("response.incomplete",
              ",\"response\":{\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}"),
        EVENT("response.completed", ",\"response\":{}"),
    };
    struct kit *kit = *state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        AUTO(text_done) struct text answer;
        text_init(&answer, 4096);
        text_add_str(&answer, KIT_STREAM RESPONSES_CALL("0", "a", "f", "completed")
                                  RESPONSES_CALL("1", "b", "g", "incomplete"));
        text_add_str(&answer, ends[i]);
        kit_renew(kit);
        serve_stream(kit, &model_streams[1]);
        kit->answer = answer.data;
        struct ask ask = {.kit = kit};
        ask_begin(&ask, kit, "test/m", "hi");
        ask_finish(&ask);
        ask_cause(&ask, MODEL_NONE);
        assert_string_equal(ask.told.data, "<0 a f>a0({})<0/ a f {}><1 b g>a1({})<1! {}>");
        assert_int_equal(ask.result.stop, MODEL_STOP_LENGTH);
        ask_end(&ask);
    }
}

static void a_refusal_keeps_its_words_and_is_not_asked_again(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[0]);
    kit->answer = KIT_STREAM DELTA("\"refusal\":\"I can't\"")
        CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "") "data: [DONE]\n\n";
    ask_expect(kit, "test/m", "hi", "t(I can't)", MODEL_REFUSED);
    kit->answer = KIT_STREAM CHUNK(
        "{\"index\":0,\"delta\":{},\"finish_reason\":\"content_filter\"}", "") "data: [DONE]\n\n";
    ask_expect(kit, "test/m", "hi", "", MODEL_REFUSED);
    assert_int_equal(kit->server.requests, 2);
}

static void an_empty_answer_is_a_failure(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[0]);
    kit->answer = KIT_STREAM DELTA("\"content\":\"\"")
        CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "") "data: [DONE]\n\n";
    ask_expect(kit, "test/m", "hi", "", MODEL_EMPTY_RESPONSE);
    assert_int_equal(kit->server.requests, 1);
}

#define JSON_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"

static void an_answer_that_is_not_streamed_is_read_whole(void **state) {
    struct kit *kit = *state;
    static const struct {
        enum model_kind kind;
        const char *body;
    } rows[] = {
        {MODEL_KIND_OPENAI,
         "{\"choices\":[{\"message\":{\"reasoning\":\"hm\",\"content\":\"so\",\"tool_calls\":[{"
         "\"id\":"
         "\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"n\\\":1}\"}}]},"
         "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":7,"
         "\"completion_tokens\":3}}"},
        {MODEL_KIND_ANTHROPIC,
         "{\"type\":\"message\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\","
         "\"signature\":\"\"},{\"type\":\"text\",\"text\":\"so\"},{\"type\":\"tool_use\",\"id\":"
         "\"a\","
         "\"name\":\"f\",\"input\":{\"n\":1}}],\"stop_reason\":\"tool_use\","
         "\"usage\":{\"input_tokens\":7,\"output_tokens\":3}}"},
        {MODEL_KIND_RESPONSES,
         "{\"object\":\"response\",\"status\":\"completed\",\"error\":null,\"output\":[{\"type\":"
         "\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"hm\"}]},{\"type\":"
         "\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"so\"}]},{\"type\":"
         "\"function_call\",\"call_id\":\"a\",\"name\":\"f\",\"arguments\":\"{\\\"n\\\":1}\","
         "\"status\":\"completed\"}],\"usage\":{\"input_tokens\":7,\"output_tokens\":3}}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static char answer[4096];
        (void)snprintf(answer, sizeof answer, JSON_ANSWER "%s", rows[i].body);
        kit_connect(kit, (struct model_connection){.kind = rows[i].kind, .key = "sk-1"});
        kit->answer = answer;
        struct ask ask = {.kit = kit};
        ask_begin(&ask, kit, "test/m", "hi");
        ask_finish(&ask);
        ask_cause(&ask, MODEL_NONE);
        assert_string_equal(ask.told.data, "k(hm)s()t(so)<0 a f>a0({\"n\":1})<0/ a f {\"n\":1}>");
        assert_int_equal(ask.result.usage.fresh, 7);
        assert_int_equal(ask.result.stop, MODEL_STOP_TOOLS);
        ask_end(&ask);
    }
    assert_int_equal(kit->server.requests, COUNT_OF(rows));
}

static void texts_in_a_list_and_calls_as_some_write_them_are_read(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[0]);
    kit->answer =
        KIT_STREAM DELTA("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\","
                         "\"text\":\"hm\"}]}]")
            DELTA("\"content\":[{\"type\":\"text\",\"text\":\"so\"}]") DELTA("\"content\":\"!\"")
                CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "");
    ask_expect(kit, "test/m", "hi", "k(hm)s()t(so)t(!)", MODEL_NONE);
    /* Two calls with one id, numbered and not; the later one gets an id of ours. */
    static const char told[] = "<0 a f>a0({\"n\":1})<1 call_0000000000000000_1 f>a1({\"n\":2})"
                               "<0/ a f {\"n\":1}><1/ call_0000000000000000_1 f {\"n\":2}>";
#define NUMBERED(index, n)                                                                         \
    CALL("{" index "\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"n\\\":" n       \
         "}\"}}")
    kit->answer =
        KIT_STREAM NUMBERED("\"index\":0,", "1") NUMBERED("\"index\":1,", "2") OPENAI_FINISH;
    ask_expect(kit, "test/m", "hi", told, MODEL_NONE);
    kit->answer =
        KIT_STREAM NUMBERED("\"index\":0,", "1") NUMBERED("\"index\":0,", "2") OPENAI_FINISH;
    ask_expect(kit, "test/m", "hi", told, MODEL_NONE);
    kit->answer = KIT_STREAM NUMBERED("", "1") NUMBERED("", "2") OPENAI_FINISH;
    ask_expect(kit, "test/m", "hi", told, MODEL_NONE);
    kit->answer =
        KIT_STREAM CALL("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":"
                        "{\"n\":1}}}") OPENAI_FINISH;
    ask_expect(kit, "test/m", "hi", "<0 a f>a0({\"n\":1})<0/ a f {\"n\":1}>", MODEL_NONE);
}

static void calls_without_numbers_or_ids_are_told_apart(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[0]);
    /* All numbered 0, as one compatible interface does. */
    kit->answer = KIT_STREAM CALL("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\","
                                  "\"arguments\":\"{}\"}}")
        CALL("{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}")
            OPENAI_FINISH "data: [DONE]\n\n";
    ask_expect(kit, "test/m", "hi", "<0 a f>a0({})<1 b g>a1({})<0/ a f {}><1/ b g {}>", MODEL_NONE);
    /* No id: one of ours. */
    kit->answer =
        KIT_STREAM CALL("{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
            OPENAI_FINISH "data: [DONE]\n\n";
    ask_expect(kit, "test/m", "hi",
               "<0 call_0000000000000000_0 f>a0({})<0/ call_0000000000000000_0 f {}>", MODEL_NONE);
    /* No name: nothing that anybody could run. */
    kit->answer = KIT_STREAM CALL("{\"index\":0,\"id\":\"a\",\"function\":{\"arguments\":\"{}\"}}")
        OPENAI_FINISH "data: [DONE]\n\n";
    ask_expect(kit, "test/m", "hi", "R(bad_response)R(bad_response)R(bad_response)",
               MODEL_BAD_RESPONSE);
}

enum tools { TOOLLESS, WITH_A_TOOL };

static void ask_schema(struct kit *kit, enum tools tools, const char *told) {
    struct ask ask = {.kit = kit};
    struct model_request *request = kit_request("test/m", "hi");
    model_request_set_schema(request, BYTES("{\"type\":\"object\"}"));
    if (tools == WITH_A_TOOL) {
        model_request_add_tool(request, &(struct model_tool){BYTES("f"), BYTES("F"), BYTES("{}")});
    }
    ask_begin_with(&ask, kit, request);
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_string_equal(ask.told.data, told);
    ask_end(&ask);
}

static void redacted_thinking_and_a_schemas_answer_come_from_anthropic(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[2]);
    kit->answer = KIT_STREAM EVENT("content_block_start",
                                   ",\"index\":0,\"content_block\":{\"type\":"
                                   "\"redacted_thinking\",\"data\":\"ZGF0\"}") BLOCK_STOP("0")
        EVENT("content_block_start", ",\"index\":1,\"content_block\":{\"type\":\"tool_use\","
                                     "\"id\":\"t\",\"name\":\"final_answer\"}")
            BLOCK_DELTA("1", "\"type\":\"input_json_delta\",\"partial_json\":\"{}\"")
                BLOCK_STOP("1") EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\"}")
                    EVENT("message_stop", "");
    ask_schema(kit, TOOLLESS, "s(redacted ZGF0)t({})");
}

/* Beside other tools a server of chat completions is offered one for the answer. */
static void beside_tools_the_answer_to_a_schema_is_a_call(void **state) {
    struct kit *kit = *state;
    serve_stream(kit, &model_streams[0]);
    /* Words around it are not the answer, and neither is a second one. */
    kit->answer = KIT_STREAM DELTA("\"content\":\"Done:\"") CALL(
        "{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"final_answer\",\"arguments\":\"\"}}")
        CALL("{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":\"}}")
            CALL("{\"index\":0,\"function\":{\"arguments\":\"1}\"}}")
                CALL("{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"final_answer\","
                     "\"arguments\":\"{}\"}}") OPENAI_FINISH "data: [DONE]\n\n";
    ask_schema(kit, WITH_A_TOOL, "t({\"a\":)t(1})");
    /* The name that another host gives that tool. */
    kit->answer = KIT_STREAM CALL("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":"
                                  "\"StructuredOutput\",\"arguments\":\"{}\"}}") OPENAI_FINISH
        "data: [DONE]\n\n";
    ask_schema(kit, WITH_A_TOOL, "t({})");
    /* Words beside another call are words. */
    kit->answer = KIT_STREAM DELTA("\"content\":\"Look:\"")
        CALL("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
            OPENAI_FINISH "data: [DONE]\n\n";
    ask_schema(kit, WITH_A_TOOL, "<0 a f>a0({})t(Look:)<0/ a f {}>");
    /* This server numbers all of its calls 0. */
    kit->answer = KIT_STREAM CALL(
        "{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"final_answer\",\"arguments\":\"1\"}}")
        CALL("{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}")
            OPENAI_FINISH "data: [DONE]\n\n";
    ask_schema(kit, WITH_A_TOOL, "t(1)<0 b f>a0({})<0/ b f {}>");
    kit->answer =
        KIT_STREAM CALL("{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"final_answer\"}}")
            OPENAI_FINISH "data: [DONE]\n\n";
    ask_schema(kit, WITH_A_TOOL, "t({})");
    /* Nothing but words: these are the answer. */
    kit->answer = KIT_STREAM DELTA("\"content\":\"{}\"") OPENAI_FINISH;
    ask_schema(kit, WITH_A_TOOL, "t({})");
}

static void an_event_that_is_large_is_read_whole(void **state) {
    struct kit *kit = *state;
    enum { SIZE = 300000 };
    struct text text;
    text_init(&text, SIZE * 2);
    text_add_str(&text, KIT_STREAM DELTA("\"content\":\"a\"") "data: {\"choices\":[{\"delta\":"
                                                              "{\"content\":\"");
    for (size_t i = 0; i < SIZE; i++) {
        text_add_char(&text, 'x');
    }
    text_add_str(&text, "\"}}]}\n\n" DELTA("\"content\":\"z\"") OPENAI_FINISH "data: [DONE]\n\n");
    serve_stream(kit, &model_streams[0]);
    kit->answer = text.data;
    struct ask ask = {.kit = kit};
    ask_begin(&ask, kit, "test/m", "hi");
    ask_finish(&ask);
    ask_cause(&ask, MODEL_NONE);
    assert_int_equal(ask.said.len, SIZE + 2);
    assert_int_equal(ask.said.data[0], 'a');
    assert_int_equal(ask.said.data[SIZE + 1], 'z');
    ask_end(&ask);
    text_done(&text);
}

#define WITH_KIT(test) cmocka_unit_test_setup_teardown(test, open_kit, close_kit)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        WITH_KIT(each_kind_is_understood_at_once_and_byte_by_byte),
        WITH_KIT(line_ends_comments_and_marks_do_not_matter),
        WITH_KIT(a_stream_that_ends_early_is_asked_for_again_wherever_it_was_cut),
        WITH_KIT(so_is_one_whose_connection_is_reset),
        WITH_KIT(four_tries_are_all_and_the_last_ones_words_stay),
        WITH_KIT(an_error_inside_a_stream_is_told_as_what_it_is),
        WITH_KIT(usage_is_what_each_provider_means_by_it),
        WITH_KIT(what_nobody_counted_is_estimated_and_tries_add_up),
        WITH_KIT(what_came_behind_a_report_counts_when_the_answer_breaks_off),
        WITH_KIT(each_search_is_counted_also_where_the_answer_breaks_off),
        WITH_KIT(a_call_that_the_longest_length_cut_off_is_not_done),
        WITH_KIT(a_call_whose_half_is_json_but_no_object_was_cut_off),
        WITH_KIT(a_call_that_is_called_incomplete_was_cut_off_whatever_came),
        WITH_KIT(a_refusal_keeps_its_words_and_is_not_asked_again),
        WITH_KIT(an_empty_answer_is_a_failure),
        WITH_KIT(an_answer_that_is_not_streamed_is_read_whole),
        WITH_KIT(texts_in_a_list_and_calls_as_some_write_them_are_read),
        WITH_KIT(calls_without_numbers_or_ids_are_told_apart),
        WITH_KIT(beside_tools_the_answer_to_a_schema_is_a_call),
        WITH_KIT(redacted_thinking_and_a_schemas_answer_come_from_anthropic),
        WITH_KIT(an_event_that_is_large_is_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
