/* test_model_build.c: the bodies that providers are sent: what is in them, that they are what the
 * interface takes, and that a longer conversation begins with the bytes of the shorter one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "model/wire/wire.h"

static struct bytes of(const char *text) {
    return (struct bytes){text, strlen(text)};
}

static char *built(const struct wire *wire, const struct model_request *request,
                   const char *base_url) {
    struct text body;
    text_init(&body, 1 << 20);
    struct wire_order order = {.request = request,
                               .base_url = base_url,
                               .model = BYTES("m"),
                               .facts = {.output_max = 64000}};
    wire->build(&order, &body);
    assert_false(text_failed(&body));
    return text_take(&body, NULL);
}

static void body_is(const struct wire *wire, struct model_request *request, const char *wanted) {
    assert_false(model_request_failed(request));
    AUTO(mem_release) char *body = built(wire, request, "http://h/v1");
    json_t *json = NULL;
    assert_false(err_failed(json_parse(body, strlen(body), JSON_DEPTH_MAX, &json, NULL)));
    json_release(&json);
    assert_string_equal(body, wanted);
    model_request_free(request);
}

static void add_part(struct model_request *request, struct model_part part) {
    part.id = part.id.data != NULL ? part.id : of("");
    part.name = part.name.data != NULL ? part.name : of("");
    part.signature = part.signature.data != NULL ? part.signature : of("");
    model_request_add_part(request, &part);
}

/* One of everything. */
static struct model_request *conversation(enum model_kind maker, const char *signature) {
    struct model_request *request = model_request_new(of("p/m"));
    model_request_set_system(request, of("be \"kind\""));
    model_request_add_tool(request, &(struct model_tool){of("write"), of("W"), of("nonsense")});
    model_request_add_tool(
        request, &(struct model_tool){of("read"), of("R"), of("{\"type\":\"object\", \"a\": 1}")});
    model_request_add_message(request, MODEL_USER);
    model_request_add_text(request, of("look"));
    add_part(request, (struct model_part){
                          .kind = MODEL_PART_IMAGE, .name = of("image/png"), .text = of("AAAA")});
    model_request_add_message(request, MODEL_ASSISTANT);
    add_part(request, (struct model_part){.kind = MODEL_PART_THINKING,
                                          .text = of("hm"),
                                          .signature = of(signature),
                                          .maker = maker});
    model_request_add_text(request, of("so"));
    add_part(request, (struct model_part){.kind = MODEL_PART_TOOL_CALL,
                                          .id = of("c1"),
                                          .name = of("read"),
                                          .text = of("{\"p\": 1}")});
    add_part(request, (struct model_part){.kind = MODEL_PART_TOOL_CALL,
                                          .id = of("c2"),
                                          .name = of("write"),
                                          .text = of("{broken")});
    model_request_add_message(request, MODEL_TOOL);
    add_part(request, (struct model_part){
                          .kind = MODEL_PART_TOOL_RESULT, .id = of("c1"), .text = of("one")});
    model_request_add_message(request, MODEL_TOOL);
    add_part(request, (struct model_part){.kind = MODEL_PART_TOOL_RESULT,
                                          .id = of("c2"),
                                          .text = of("two"),
                                          .is_error = true});
    return request;
}

static void chat_completions_are_written_as_they_are_read(void **state) {
    body_is(
        &wire_openai, conversation(MODEL_KIND_OPENAI, "reasoning_content"),
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"tools\":["
        "{\"type\":\"function\",\"function\":{\"name\":\"read\",\"description\":\"R\","
        "\"parameters\":{\"a\":1,\"type\":\"object\"}}},"
        "{\"type\":\"function\",\"function\":{\"name\":\"write\",\"description\":\"W\","
        "\"parameters\":{\"type\":\"object\"}}}],\"messages\":["
        "{\"role\":\"system\",\"content\":\"be \\\"kind\\\"\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]},"
        "{\"role\":\"assistant\",\"content\":\"so\",\"reasoning_content\":\"hm\",\"tool_calls\":["
        "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"read\","
        "\"arguments\":\"{\\\"p\\\": 1}\"}},"
        "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"write\","
        "\"arguments\":\"{\\\"invalid_arguments\\\":\\\"{broken\\\"}\"}}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"one\"},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"two\"}]}");
}

static void responses_take_items_and_their_reasoning_back(void **state) {
    body_is(&wire_responses, conversation(MODEL_KIND_RESPONSES, "{\"type\":\"reasoning\"}"),
            "{\"model\":\"m\",\"stream\":true,\"store\":false,\"include\":[\"reasoning.encrypted_"
            "content"
            "\"],\"tools\":[{\"type\":\"function\",\"name\":\"read\",\"description\":\"R\","
            "\"parameters\":{\"a\":1,\"type\":\"object\"},\"strict\":false},"
            "{\"type\":\"function\",\"name\":\"write\",\"description\":\"W\","
            "\"parameters\":{\"type\":\"object\"},\"strict\":false}],"
            "\"instructions\":\"be \\\"kind\\\"\",\"input\":["
            "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"look\"}]},"
            "{\"role\":\"user\",\"content\":[{\"type\":\"input_image\","
            "\"image_url\":\"data:image/png;base64,AAAA\"}]},"
            "{\"type\":\"reasoning\"},"
            "{\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"so\"}]},"
            "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"read\","
            "\"arguments\":\"{\\\"p\\\": 1}\"},"
            "{\"type\":\"function_call\",\"call_id\":\"c2\",\"name\":\"write\","
            "\"arguments\":\"{\\\"invalid_arguments\\\":\\\"{broken\\\"}\"},"
            "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"one\"},"
            "{\"type\":\"function_call_output\",\"call_id\":\"c2\",\"output\":\"two\"}]}");
}

static void anthropic_gets_one_message_a_turn_and_marks_for_its_cache(void **state) {
    body_is(
        &wire_anthropic, conversation(MODEL_KIND_ANTHROPIC, "c2ln"),
        "{\"model\":\"m\",\"stream\":true,\"max_tokens\":32000,\"system\":[{\"type\":\"text\","
        "\"text\":\"be \\\"kind\\\"\",\"cache_control\":{\"type\":\"ephemeral\"}}],\"tools\":["
        "{\"name\":\"read\",\"description\":\"R\",\"input_schema\":{\"a\":1,\"type\":\"object\"}},"
        "{\"name\":\"write\",\"description\":\"W\",\"input_schema\":{\"type\":\"object\"}}],"
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\"},"
        "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
        "\"data\":\"AAAA\"}}]},"
        "{\"role\":\"assistant\",\"content\":["
        "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"c2ln\"},"
        "{\"type\":\"text\",\"text\":\"so\"},"
        "{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"read\",\"input\":{\"p\": 1}},"
        "{\"type\":\"tool_use\",\"id\":\"c2\",\"name\":\"write\","
        "\"input\":{\"invalid_arguments\":\"{broken\"}}]},"
        "{\"role\":\"user\",\"content\":["
        "{\"type\":\"tool_result\",\"tool_use_id\":\"c1\",\"content\":\"one\"},"
        "{\"type\":\"tool_result\",\"tool_use_id\":\"c2\",\"is_error\":true,\"content\":\"two\","
        "\"cache_control\":{\"type\":\"ephemeral\"}}]}]}");
}

static void thinking_is_shown_to_the_kind_that_made_it_alone(void **state) {
    static const struct wire *const wires[] = {&wire_openai, &wire_responses, &wire_anthropic};
    static const enum model_kind kinds[] = {MODEL_KIND_OPENAI, MODEL_KIND_RESPONSES,
                                            MODEL_KIND_ANTHROPIC};
    static const char *const signatures[] = {"reasoning_content", "[\"signed-hm\"]", "signed-hm"};
    for (size_t wire = 0; wire < COUNT_OF(wires); wire++) {
        for (size_t maker = 0; maker < COUNT_OF(kinds); maker++) {
            struct model_request *request = conversation(kinds[maker], signatures[maker]);
            AUTO(mem_release) char *body = built(wires[wire], request, "http://h/v1");
            bool shown = strstr(body, "signed-hm") != NULL || strstr(body, "\"hm\"") != NULL;
            assert_int_equal(shown, wire == maker);
            model_request_free(request);
        }
    }
    struct model_request *unnamed = conversation(MODEL_KIND_OPENAI, "");
    AUTO(mem_release) char *without = built(&wire_openai, unnamed, "http://h/v1");
    assert_null(strstr(without, "\"hm\"")); /* It did not come as reasoning_content. */
    model_request_free(unnamed);
    struct model_request *request = conversation(MODEL_KIND_ANTHROPIC, "redacted ZGF0");
    AUTO(mem_release) char *body = built(&wire_anthropic, request, "http://h");
    assert_non_null(strstr(body, "{\"type\":\"redacted_thinking\",\"data\":\"ZGF0\"}"));
    model_request_free(request);
}

/* As a damaged row may have it. */
static void reasoning_that_is_no_JSON_is_left_out(void **state) {
    (void)state;
    struct model_request *request = conversation(MODEL_KIND_RESPONSES, "{\"type\":\"reaso");
    AUTO(mem_release) char *body = built(&wire_responses, request, "http://h/v1");
    assert_true(json_is_valid(of(body)));
    model_request_free(request);
}

static void set(struct model_request *request, struct bytes schema) {
    model_request_add_message(request, MODEL_USER);
    model_request_add_text(request, of("x"));
    model_request_set_schema(request, schema);
    request->output_max = 100;
}

static void settings_go_where_each_interface_has_them(void **state) {
    struct model_request *request = model_request_new(of("p/m"));
    set(request, of("{\"type\":\"object\"}"));
    request->effort = MODEL_EFFORT_HIGH;
    body_is(
        &wire_openai, request,
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
        "\"max_tokens\":100,\"reasoning_effort\":\"high\","
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\","
        "\"schema\":{\"type\":\"object\"}}},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    request = model_request_new(of("p/m"));
    set(request, of("{\"type\":\"object\"}"));
    body_is(
        &wire_anthropic, request,
        "{\"model\":\"m\",\"stream\":true,\"max_tokens\":100,"
        "\"tool_choice\":{\"type\":\"tool\",\"name\":\"final_answer\"},\"tools\":["
        "{\"name\":\"final_answer\",\"description\":\"Gives the final answer. Call it "
        "once, when you are done; what you write elsewhere is not read.\",\"input_schema\":"
        "{\"type\":\"object\"}}],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
        "\"text\":\"x\",\"cache_control\":{\"type\":\"ephemeral\"}}]}]}");
    request = model_request_new(of("p/m"));
    set(request, of(""));
    request->effort = MODEL_EFFORT_MEDIUM;
    request->output_max = 0;
    AUTO(mem_release) char *thinks = built(&wire_anthropic, request, "http://h");
    assert_non_null(strstr(thinks, "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":8192}"));
    model_request_free(request);
}

#define REQUEST                                                                                    \
    "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"max_tokens\":" \
    "100"
#define ANSWER(parameters)                                                                         \
    "{\"type\":\"function\",\"function\":{\"name\":\"final_answer\",\"description\":\"Gives the "  \
    "final "                                                                                       \
    "answer. Call it once, when you are done; what you write elsewhere is not read.\","            \
    "\"parameters\":" parameters "}}"
#define TOOL_F                                                                                     \
    "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"F\",\"parameters\":{}}" \
    "}"
#define MESSAGES                                                                                   \
    "\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"x\"}]" \
    "}"
#define WORDS                                                                                      \
    "Answer with one JSON object and nothing around it: no words, no fence. It must fit this "     \
    "JSON "                                                                                        \
    "Schema:\\n{\\\"type\\\":\\\"object\\\"}"

/* The body without what a model refuses, and with what takes its place. */
static void what_is_refused_is_left_out_or_said_otherwise(void **state) {
    static const struct {
        parameter_set refused;
        enum { TOOLLESS, WITH_A_TOOL, LAST } tools;
        bool beside;
        const char *schema, *body;
        parameter_set sent, wanted;
    } rows[] = {
        {0, TOOLLESS, false, "", REQUEST "," MESSAGES,
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM), 0},
        {PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM) |
             PARAMETER_SET(EFFORT),
         TOOLLESS, false, "",
         "{\"model\":\"m\",\"stream\":true,\"max_completion_tokens\":100,\"messages\":["
         "{\"role\":\"developer\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"x\"}]}",
         PARAMETER_SET(MAX_COMPLETION_TOKENS) | PARAMETER_SET(DEVELOPER),
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM)},
        {PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) |
             PARAMETER_SET(MAX_COMPLETION_TOKENS) | PARAMETER_SET(SYSTEM) |
             PARAMETER_SET(DEVELOPER),
         TOOLLESS, false, "",
         "{\"model\":\"m\",\"stream\":true,\"messages\":["
         "{\"role\":\"user\",\"content\":\"s\\n\\nx\"}]}",
         0,
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) |
             PARAMETER_SET(MAX_COMPLETION_TOKENS) | PARAMETER_SET(SYSTEM) |
             PARAMETER_SET(DEVELOPER)},
        /* The means for an answer by a schema. */
        {PARAMETER_SET(JSON_SCHEMA), TOOLLESS, false, "{\"type\":\"object\"}",
         REQUEST ",\"response_format\":{\"type\":\"json_object\"},\"messages\":["
                 "{\"role\":\"system\",\"content\":\"s\\n\\n" WORDS "\"},"
                 "{\"role\":\"user\",\"content\":\"x\"}]}",
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM) |
             PARAMETER_SET(JSON_OBJECT),
         PARAMETER_SET(JSON_SCHEMA)},
        {PARAMETER_SET(JSON_SCHEMA) | PARAMETER_SET(JSON_OBJECT), TOOLLESS, false,
         "{\"type\":\"object\"}",
         REQUEST ",\"messages\":[{\"role\":\"system\",\"content\":\"s\\n\\n" WORDS "\"},"
                 "{\"role\":\"user\",\"content\":\"x\"}]}",
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM),
         PARAMETER_SET(JSON_SCHEMA) | PARAMETER_SET(JSON_OBJECT)},
        {0, WITH_A_TOOL, false, "{\"properties\":{}}",
         REQUEST ",\"tools\":[" TOOL_F
                 "," ANSWER("{\"properties\":{},\"type\":\"object\"}") "]," MESSAGES,
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM), 0},
        {0, WITH_A_TOOL, true, "{\"type\":\"object\"}",
         REQUEST ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
                 "\"answer\",\"schema\":{\"type\":\"object\"}}},\"tools\":[" TOOL_F "]," MESSAGES,
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM) |
             PARAMETER_SET(JSON_SCHEMA),
         0},
        {0, LAST, false, "{\"type\":\"object\"}",
         REQUEST
         ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"final_answer\"}},"
         "\"tools\":[" TOOL_F "," ANSWER("{\"type\":\"object\"}") "]," MESSAGES,
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM) |
             PARAMETER_SET(TOOL_CHOICE),
         0},
        {PARAMETER_SET(TOOL_CHOICE), LAST, false, "{\"type\":\"object\"}",
         REQUEST ",\"tools\":[" ANSWER("{\"type\":\"object\"}") "]," MESSAGES,
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM),
         PARAMETER_SET(TOOL_CHOICE)},
        {PARAMETER_SET(TOOL_CHOICE), LAST, false, "", REQUEST "," MESSAGES,
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM),
         PARAMETER_SET(TOOL_CHOICE)},
        /* No object: it becomes the member of one, and its definitions stay at the root. */
        {0, WITH_A_TOOL, false,
         "{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/a\"},\"$defs\":{\"a\":{}}}",
         REQUEST ",\"tools\":[" TOOL_F "," ANSWER(
             "{\"$defs\":{\"a\":{}},\"properties\":{\"answer\":{\"items\":{\"$ref\":\"#/$defs/a\"},"
             "\"type\":\"array\"}},\"required\":[\"answer\"],\"type\":\"object\"}") "]," MESSAGES,
         PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(SYSTEM), 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct model_request *request = model_request_new(of("p/m"));
        AUTO(text_done) struct text body = text_up_to(1 << 20);
        model_request_set_system(request, of("s"));
        if (rows[i].tools != TOOLLESS) {
            model_request_add_tool(request, &(struct model_tool){of("f"), of("F"), of("{}")});
        }
        request->no_calls = rows[i].tools == LAST;
        set(request, of(rows[i].schema));
        struct wire_order order = {.request = request,
                                   .base_url = "http://h/v1",
                                   .model = BYTES("m"),
                                   .refused = rows[i].refused,
                                   .beside_tools = rows[i].beside};
        wire_openai.build(&order, &body);
        assert_string_equal(body.data, rows[i].body);
        const parameter_set tools = rows[i].tools != TOOLLESS ? PARAMETER_SET(TOOLS) : 0;
        const bool has_schemas = strstr(rows[i].body, "\"parameters\":") != NULL;
        const parameter_set schemas = has_schemas ? PARAMETER_SET(TOOL_SCHEMAS) : 0;
        assert_int_equal(order.sent, rows[i].sent | tools | schemas);
        assert_int_equal(order.wanted, rows[i].wanted);
        assert_int_equal(order.answer_tool, strstr(rows[i].body, "\"final_answer\"") != NULL);
        model_request_free(request);
    }
}

/* A model whose server cannot compile the schemas reads them in the descriptions. */
static void schemas_that_do_not_compile_stand_in_the_descriptions(void **state) {
    static const struct {
        const struct wire *wire;
        const char *key;
    } rows[] = {{&wire_openai, "parameters"},
                {&wire_responses, "parameters"},
                {&wire_anthropic, "input_schema"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct model_request *request = model_request_new(of("p/m"));
        AUTO(text_done) struct text body = text_up_to(1 << 20);
        AUTO(text_done) struct text tool = text_up_to(1000);
        AUTO(text_done) struct text answer = text_up_to(1000);
        model_request_add_tool(request, &(struct model_tool){of("f"), of("F"), of("{\"x\":1}")});
        set(request, of("{\"type\":\"object\",\"y\":2}"));
        struct wire_order order = {.request = request,
                                   .base_url = "http://h/v1",
                                   .model = BYTES("m"),
                                   .refused = PARAMETER_SET(TOOL_SCHEMAS)};
        rows[i].wire->build(&order, &body);
        text_addf(&tool,
                  "\"name\":\"f\",\"description\":\"F\\n\\nThe arguments must fit this JSON Schema:"
                  "\\n{\\\"x\\\":1}\",\"%s\":{\"type\":\"object\"}",
                  rows[i].key);
        text_addf(&answer,
                  "is not read.\\n\\nThe arguments must fit this JSON Schema:\\n{\\\"type\\\":"
                  "\\\"object\\\",\\\"y\\\":2}\",\"%s\":{\"type\":\"object\"}",
                  rows[i].key);
        assert_non_null(strstr(body.data, text_bytes(&tool).data));
        assert_non_null(strstr(body.data, text_bytes(&answer).data));
        assert_int_equal(order.wanted, PARAMETER_SET(TOOL_SCHEMAS));
        model_request_free(request);
    }
}

/* The other two interfaces. */
static void each_interface_leaves_out_what_is_refused(void **state) {
    static const struct {
        const struct wire *wire;
        parameter_set refused, before; /* before: refused in any case. */
        const char *absent;
    } rows[] = {
        {&wire_responses, PARAMETER_SET(EFFORT), 0, "\"reasoning\""},
        {&wire_responses, PARAMETER_SET(SUMMARY), 0, "\"summary\""},
        {&wire_responses, PARAMETER_SET(ENCRYPTED), 0, "\"include\""},
        {&wire_responses, PARAMETER_SET(JSON_SCHEMA), 0, "json_schema"},
        {&wire_anthropic, PARAMETER_SET(EFFORT), 0, "\"thinking\""},
        {&wire_anthropic, PARAMETER_SET(TOOL_CHOICE), PARAMETER_SET(EFFORT), "\"tool_choice\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct model_request *request = model_request_new(of("p/m"));
        set(request, of("{\"type\":\"object\"}"));
        request->output_max = 9000;
        request->effort = MODEL_EFFORT_LOW;
        for (unsigned refused = 0; refused < 2; refused++) {
            AUTO(text_done) struct text body = text_up_to(1 << 20);
            struct wire_order order = {.request = request,
                                       .model = BYTES("m"),
                                       .refused =
                                           rows[i].before | (refused != 0 ? rows[i].refused : 0)};
            rows[i].wire->build(&order, &body);
            assert_int_equal(strstr(body.data, rows[i].absent) == NULL, refused);
            assert_int_equal(order.wanted, order.refused);
        }
        model_request_free(request);
    }
}

/* Twenty turns: each body, without its last two bytes, begins the next one. */
static void a_longer_conversation_begins_like_the_shorter_one(void **state) {
    static const struct wire *const wires[] = {&wire_openai, &wire_responses};
    for (size_t i = 0; i < COUNT_OF(wires); i++) {
        char *before = NULL;
        for (size_t turns = 1; turns <= 20; turns++) {
            struct model_request *request = model_request_new(of("p/m"));
            model_request_set_system(request, of("s"));
            const char *const names[] = {"b", "a", "c"}; /* In another order each time. */
            for (size_t k = 0; k < 3; k++) {
                model_request_add_tool(
                    request, &(struct model_tool){of(names[(k + turns) % 3]), of("d"),
                                                  of(turns % 2 == 0 ? "{\"x\":1,\"y\":2}"
                                                                    : "{ \"y\":2, \"x\":1 }")});
            }
            for (size_t k = 0; k < turns; k++) {
                char words[20];
                (void)snprintf(words, sizeof words, "turn %zu", k);
                model_request_add_message(request, k % 2 == 0 ? MODEL_USER : MODEL_ASSISTANT);
                model_request_add_text(request, of(words));
            }
            char *body = built(wires[i], request, "http://h");
            if (before != NULL) {
                assert_memory_equal(body, before, strlen(before) - 2);
            }
            mem_free(before);
            before = body;
            model_request_free(request);
        }
        mem_free(before);
    }
}

/* The body up to `end`, without what joins a tail to it, and without the marks for a cache, which
 * move with the end. */
static char *beginning(const char *body, const char *end) {
    static const char mark[] = ",\"cache_control\":{\"type\":\"ephemeral\"}";
    static const char *const joints[] = {"\\n\\n", ",{\"type\":\"text\",\"text\":\"",
                                         ",{\"type\":\"input_text\",\"text\":\""};
    struct text text;
    text_init(&text, 1 << 20);
    for (const char *at = body; at < end;) {
        if (strncmp(at, mark, sizeof mark - 1) == 0) {
            at += sizeof mark - 1;
        } else {
            text_add_char(&text, *at++);
        }
    }
    for (size_t i = 0; i < COUNT_OF(joints); i++) {
        size_t len = strlen(joints[i]);
        if (text.len > len && memcmp(text.data + text.len - len, joints[i], len) == 0) {
            text.len -= len;
        }
    }
    text_add_char(&text, '\0');
    return text_take(&text, NULL);
}

/* A turn asks twice: with the user's words last, and with the result of a tool last. */
static struct model_request *of_steps(size_t steps) {
    struct model_request *request = model_request_new(of("p/m"));
    model_request_set_system(request, of("s"));
    for (size_t k = 0; k < steps; k++) {
        char words[20];
        (void)snprintf(words, sizeof words, "turn %zu", k);
        if (k % 2 == 0) {
            model_request_add_message(request, MODEL_USER);
            model_request_add_text(request, of(words));
            model_request_add_message(request, MODEL_ASSISTANT);
            add_part(request, (struct model_part){.kind = MODEL_PART_TOOL_CALL,
                                                  .id = of(words),
                                                  .name = of("look"),
                                                  .text = of("{}")});
        } else {
            model_request_add_message(request, MODEL_TOOL);
            add_part(request, (struct model_part){.kind = MODEL_PART_TOOL_RESULT,
                                                  .id = of("c"),
                                                  .text = of(words)});
            model_request_add_message(request, MODEL_ASSISTANT);
            model_request_add_text(request, of("seen"));
        }
    }
    model_request_add_message(request, steps % 2 == 0 ? MODEL_USER : MODEL_TOOL);
    if (steps % 2 == 0) {
        model_request_add_text(request, of("last"));
    } else {
        add_part(request, (struct model_part){
                              .kind = MODEL_PART_TOOL_RESULT, .id = of("c"), .text = of("last")});
    }
    return request;
}

/* A tail stays with its question: no result of a tool has it, and a call that follows begins as the
 * one before it ended. */
static void a_tail_stays_with_the_question_of_its_turn(void **state) {
    static const struct wire *const wires[] = {&wire_openai, &wire_responses, &wire_anthropic};
    for (size_t i = 0; i < COUNT_OF(wires); i++) {
        for (size_t steps = 0; steps <= 20; steps += 2) {
            struct model_request *request = of_steps(steps);
            AUTO(mem_release) char *without = built(wires[i], request, "http://h");
            model_request_mark_question(request);
            model_request_set_tail(request, of("<tail>"));
            AUTO(mem_release) char *first = built(wires[i], request, "http://h");
            AUTO(mem_release) char *plain = beginning(without, without + strlen(without));
            AUTO(mem_release) char *begin = beginning(first, strstr(first, "<tail>"));
            assert_memory_equal(plain, begin, strlen(begin));
            assert_non_null(strstr(begin, "last"));
            model_request_add_message(request, MODEL_ASSISTANT);
            add_part(request, (struct model_part){.kind = MODEL_PART_TOOL_CALL,
                                                  .id = of("id"),
                                                  .name = of("look"),
                                                  .text = of("{}")});
            model_request_add_message(request, MODEL_TOOL);
            add_part(request, (struct model_part){.kind = MODEL_PART_TOOL_RESULT,
                                                  .id = of("id"),
                                                  .text = of("{\"seen\":1}")});
            AUTO(mem_release) char *second = built(wires[i], request, "http://h");
            AUTO(mem_release) char *again = beginning(second, second + strlen(second));
            AUTO(mem_release) char *tailed = beginning(first, first + strlen(first));
            assert_memory_equal(tailed, again, strlen(tailed) - strlen("}]}]}"));
            assert_null(strstr(strstr(second, "<tail>") + 1, "<tail>"));
            assert_non_null(strstr(second, "\"{\\\"seen\\\":1}\""));
            json_t *json = NULL;
            assert_false(
                err_failed(json_parse(second, strlen(second), JSON_DEPTH_MAX, &json, NULL)));
            json_release(&json);
            model_request_free(request);
        }
    }
}

static void a_tail_without_a_word_of_a_user_stands_alone(void **state) {
    static const struct wire *const wires[] = {&wire_openai, &wire_responses, &wire_anthropic};
    static const char *const ends[] = {
        "{\"role\":\"user\",\"content\":\"now\"}]}",
        "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"now\"}]}]}",
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"now\"}]}]}"};
    for (size_t i = 0; i < COUNT_OF(wires); i++) {
        for (int said = 0; said < 2; said++) {
            struct model_request *request = model_request_new(of("p/m"));
            if (said == 1) {
                model_request_add_message(request, MODEL_ASSISTANT);
                model_request_add_text(request, of("so"));
            }
            model_request_set_tail(request, of("now"));
            AUTO(mem_release) char *body = built(wires[i], request, "http://h");
            assert_string_equal(body + strlen(body) - strlen(ends[i]), ends[i]);
            model_request_free(request);
        }
    }
}

static void add_call(struct model_request *request, const char *id, const char *name) {
    add_part(request,
             (struct model_part){
                 .kind = MODEL_PART_TOOL_CALL, .id = of(id), .name = of(name), .text = of("{}")});
}

static void add_result(struct model_request *request, const char *id, const char *text) {
    add_part(request,
             (struct model_part){.kind = MODEL_PART_TOOL_RESULT, .id = of(id), .text = of(text)});
}

static void what_providers_refuse_is_left_out(void **state) {
    static const struct wire *const wires[] = {&wire_openai, &wire_responses, &wire_anthropic};
    struct model_request *request = model_request_new(of("p/m"));
    model_request_add_message(request, MODEL_TOOL);
    add_result(request, "c0", "bad: before any call");
    model_request_add_message(request, MODEL_USER);
    model_request_add_text(request, of(""));
    model_request_add_text(request, of("good: question"));
    model_request_add_message(request, MODEL_ASSISTANT);
    model_request_add_text(request, of(""));
    add_call(request, "c1", "good-one");
    add_call(request, "", "bad-no-id");
    add_call(request, "c2", "");
    add_call(request, "c3", "bad-no-result");
    add_call(request, "c1", "bad-twice");
    model_request_add_message(request, MODEL_TOOL);
    add_result(request, "c2", "bad: of no name");
    add_result(request, "c1", "good: result");
    add_result(request, "c1", "bad: twice");
    add_result(request, "", "bad: without id");
    model_request_add_message(request, MODEL_USER);
    model_request_add_text(request, of("good: more"));
    model_request_add_message(request, MODEL_TOOL);
    add_result(request, "c3", "bad: too late");
    assert_int_equal(model_request_mend(request), 9);
    assert_int_equal(model_request_mend(request), 0);
    model_request_set_tail(request, of("good: tail"));
    for (size_t i = 0; i < COUNT_OF(wires); i++) {
        AUTO(mem_release) char *body = built(wires[i], request, "http://h");
        size_t good = 0;
        for (const char *at = body; (at = strstr(at, "\"good")) != NULL; at++) {
            good++;
        }
        bool joined = strstr(body, "good: more\\n\\ngood: tail") != NULL;
        assert_int_equal(good + (joined ? 1 : 0), 5);
        assert_null(strstr(body, "bad"));
        assert_null(strstr(body, "\"text\":\"\""));
        assert_null(strstr(body, "\"c2\""));
    }
    model_request_free(request);
}

static void a_request_that_is_too_large_says_so(void **state) {
    struct model_request *request = model_request_new(of("p/m"));
    model_request_add_message(request, MODEL_USER);
    AUTO(mem_release) char *large = mem_new((size_t)20 << 20);
    for (int i = 0; i < 4; i++) {
        model_request_add_text(request, (struct bytes){large, (size_t)20 << 20});
    }
    assert_true(model_request_failed(request));
    model_request_free(request);
    request = model_request_new(of("p/m"));
    for (int i = 0; i < REQUEST_MESSAGES_MAX + 1; i++) {
        model_request_add_message(request, MODEL_USER);
    }
    assert_true(model_request_failed(request));
    model_request_free(request);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chat_completions_are_written_as_they_are_read),
        cmocka_unit_test(responses_take_items_and_their_reasoning_back),
        cmocka_unit_test(anthropic_gets_one_message_a_turn_and_marks_for_its_cache),
        cmocka_unit_test(thinking_is_shown_to_the_kind_that_made_it_alone),
        cmocka_unit_test(reasoning_that_is_no_JSON_is_left_out),
        cmocka_unit_test(settings_go_where_each_interface_has_them),
        cmocka_unit_test(what_is_refused_is_left_out_or_said_otherwise),
        cmocka_unit_test(schemas_that_do_not_compile_stand_in_the_descriptions),
        cmocka_unit_test(each_interface_leaves_out_what_is_refused),
        cmocka_unit_test(a_longer_conversation_begins_like_the_shorter_one),
        cmocka_unit_test(a_tail_stays_with_the_question_of_its_turn),
        cmocka_unit_test(a_tail_without_a_word_of_a_user_stands_alone),
        cmocka_unit_test(what_providers_refuse_is_left_out),
        cmocka_unit_test(a_request_that_is_too_large_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
