/* The flags of `drover run` as a request body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "cli/workflow/request.h"

static const struct command run = {.name = "run",
                                   .summary = "x",
                                   .operands = "[FILE|NAME] [TEXT]…",
                                   .flags = workflow_request_flags,
                                   .talks = true};
static const struct command *const commands[] = {&run, NULL};

enum { WORDS_MAX = 12 };
struct words {
    const char *argv[WORDS_MAX];
};

static enum err_code write_body(const struct words *words, struct workflow_request *request,
                                struct text *body, struct why *why) {
    const char *argv[WORDS_MAX + 2] = {"drover", "run"};
    struct args args;
    int argc = 2;
    while (argc < WORDS_MAX + 2 && words->argv[argc - 2] != NULL) {
        argv[argc] = words->argv[argc - 2];
        argc++;
    }
    why->text[0] = '\0';
    assert_int_equal(args_parse(commands, argc, argv, &args, why).code, ERR_NONE);
    request->args = &args;
    request->root = "/r";
    text_init(body, 1 << 16);
    return workflow_request_write(request, body, why).code;
}

static void body_is(const struct words *words, const char *json) {
    struct workflow_request request = {.title = NULL};
    AUTO(text_done) struct text body = {0};
    struct why why;
    assert_int_equal(write_body(words, &request, &body, &why), ERR_NONE);
    assert_string_equal(body.data, json);
}

static void refused(const struct words *words, const char *because) {
    struct workflow_request request = {.title = NULL};
    AUTO(text_done) struct text body = {0};
    struct why why;
    assert_int_equal(write_body(words, &request, &body, &why), ERR_USAGE);
    assert_string_equal(why.text, because);
}

static void what_is_not_given_is_not_sent(void **state) {
    (void)state;
    body_is(&(struct words){{"look"}}, "{\"root\":\"/r\"}");
}

static void a_file_goes_as_its_text_and_name(void **state) {
    (void)state;
    struct workflow_request request = {.script = BYTES("return \"\u00e9\""), .title = "a.js"};
    AUTO(text_done) struct text body = {0};
    struct why why;
    assert_int_equal(write_body(&(struct words){{"x/a.js"}}, &request, &body, &why), ERR_NONE);
    assert_string_equal(body.data, "{\"script\":\"return \\\"\u00e9\\\"\",\"title\":\"a.js\","
                                   "\"root\":\"/r\"}");
    text_done(&body);
    request.script = BYTES("\xff");
    assert_int_equal(write_body(&(struct words){{"x/a.js"}}, &request, &body, &why), ERR_USAGE);
    assert_string_equal(why.text, "a.js is not UTF-8 text");
}

static void a_value_is_json_where_it_is_json(void **state) {
    (void)state;
    body_is(
        &(struct words){{"look", "--arg", "a=12", "--arg", "b=true", "--arg", "c=[1,{}]", "--arg",
                         "d=\"12\"", "--arg", "e=null"}},
        "{\"root\":\"/r\",\"args\":{\"a\":12,\"b\":true,\"c\":[1,{}],\"d\":\"12\",\"e\":null}}");
    body_is(&(struct words){{"look", "--arg", "a=hello", "--arg", "b=", "--arg", "c=x=y", "--arg",
                             "d=007", "--arg", "e={a:1}"}},
            "{\"root\":\"/r\",\"args\":{\"a\":\"hello\",\"b\":\"\",\"c\":\"x=y\",\"d\":\"007\","
            "\"e\":\"{a:1}\"}}");
}

static void args_are_whole_and_arg_stands_over_a_member(void **state) {
    (void)state;
    body_is(&(struct words){{"look", "--args", "[1, 2]"}}, "{\"root\":\"/r\",\"args\":[1,2]}");
    body_is(&(struct words){{"look", "--args", "\"x\""}}, "{\"root\":\"/r\",\"args\":\"x\"}");
    body_is(&(struct words){{"look", "--arg", "a=3", "--args", "{\"a\":1,\"b\":2}"}},
            "{\"root\":\"/r\",\"args\":{\"a\":3,\"b\":2}}");
}

static void args_that_do_not_begin_as_json_are_a_text(void **state) {
    (void)state;
    body_is(&(struct words){{"look", "--args", "12 monkeys"}},
            "{\"root\":\"/r\",\"args\":\"12 monkeys\"}");
    body_is(&(struct words){{"look", "--args", "12"}}, "{\"root\":\"/r\",\"args\":12}");
    body_is(&(struct words){{"look", "--args", "null and void"}},
            "{\"root\":\"/r\",\"args\":\"null and void\"}");
}

/* `schema`: meta.args, or NULL. `error`: NULL where the body is `wanted`. */
static void text_gives(const struct words *words, const char *schema, const char *wanted,
                       const char *error) {
    AUTO(json_release) json_t *parsed = NULL;
    AUTO(text_done) struct text body = {0};
    struct workflow_request request = {.words = "a b"};
    struct why why;
    if (schema != NULL) {
        assert_int_equal(json_parse(schema, strlen(schema), JSON_DEPTH_MAX, &parsed, &why).code,
                         ERR_NONE);
    }
    request.schema = parsed;
    enum err_code code = write_body(words, &request, &body, &why);
    assert_int_equal(code, error == NULL ? ERR_NONE : ERR_USAGE);
    assert_string_equal(error == NULL ? body.data : why.text, error == NULL ? wanted : error);
}

static void a_text_is_the_one_required_argument(void **state) {
    (void)state;
    static const struct words plain = {{"look"}}, more = {{"look", "--arg", "deep=3"}};
    static const char one[] =
        "{\"type\":\"object\",\"required\":[\"q\"],\"properties\":{\"q\":{},\"deep\":{}}}";
    text_gives(&plain, one, "{\"root\":\"/r\",\"args\":{\"q\":\"a b\"}}", NULL);
    text_gives(&more, one, "{\"root\":\"/r\",\"args\":{\"deep\":3,\"q\":\"a b\"}}", NULL);
    text_gives(&plain, NULL, "{\"root\":\"/r\",\"args\":\"a b\"}", NULL);
    text_gives(&plain, "{\"type\":\"string\"}", "{\"root\":\"/r\",\"args\":\"a b\"}", NULL);
    text_gives(&(struct words){{"look", "--arg", "q=3"}}, one, NULL,
               "q is given twice: as text and by --arg");
    text_gives(&(struct words){{"look", "--args", "{}"}}, one, NULL,
               "--args and a text after the workflow exclude each other");
    text_gives(&plain, "{\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"a\",\"b\"]}", NULL,
               "a text needs a workflow with one required argument; this one takes: --arg a=VALUE, "
               "--arg b=VALUE");
    text_gives(&plain, "{\"type\":\"object\"}", NULL,
               "a text needs a workflow with one required argument; this one takes no arguments");
}

static void every_flag_has_its_member(void **state) {
    (void)state;
    body_is(&(struct words){{"--resume", "run_1", "--rerun", "run_2", "--rerun", "run_3"}},
            "{\"root\":\"/r\",\"resumeFromRunId\":\"run_1\",\"rerun\":[\"run_2\",\"run_3\"]}");
    body_is(&(struct words){{"look", "-m", "a/b", "--timeout", "2m", "--agent-timeout", "5",
                             "--concurrency", "3", "--budget-tokens", "900"}},
            "{\"root\":\"/r\",\"model\":\"a/b\",\"timeout_ms\":120000,\"agent_timeout_ms\":5000,"
            "\"concurrency\":3,\"total\":900}");
    body_is(&(struct words){{"--resume", "run_1", "--lift", "budget-tokens", "--lift", "budget",
                             "--timeout", "5"}},
            "{\"root\":\"/r\",\"resumeFromRunId\":\"run_1\",\"total\":null,\"budget\":null,"
            "\"timeout_ms\":5000}");
    body_is(&(struct words){{"look", "--yes"}},
            "{\"root\":\"/r\",\"settings\":{\"permissions\":[{\"permission\":\"allow\"}]}}");
    body_is(&(struct words){{"look", "--budget", "agents=5", "--budget", "cost=2.50", "-l", "mine",
                             "--notify", "http://a/"}},
            "{\"root\":\"/r\",\"label\":\"mine\",\"budget\":{\"agents\":5,\"cost_micros\":2500000},"
            "\"notify\":[{\"webhook\":\"http://a/\"}]}");
}

static void what_makes_no_sense_is_refused_by_name(void **state) {
    (void)state;
    refused(&(struct words){{"look", "--arg", "a"}}, "--arg a: NAME=VALUE is expected");
    refused(&(struct words){{"look", "--arg", "=a"}}, "--arg =a: NAME=VALUE is expected");
    refused(&(struct words){{"look", "--arg", "a=\xff"}}, "--arg a is not UTF-8 text");
    refused(&(struct words){{"look", "--args", "[1]", "--arg", "a=1"}},
            "--arg adds a member, and --args is an array");
    refused(&(struct words){{"look", "--rerun", "run_1"}},
            "--rerun needs --resume RUN, the run of the agent");
    refused(&(struct words){{"look", "--lift", "timeout"}},
            "--lift timeout needs --resume RUN, the run whose --timeout is lifted");
    refused(&(struct words){{"--resume", "run_1", "--lift", "timeout", "--timeout", "5"}},
            "--lift timeout and --timeout exclude each other");
    refused(&(struct words){{"--resume", "run_1", "--lift", "time"}},
            "--lift 'time' is no limit of a run: timeout, agent-timeout, concurrency, "
            "budget-tokens, budget");
    refused(&(struct words){{"look", "--budget", "agents"}},
            "'agents': a limit is written NAME=VALUE, like wall=30m");
    struct workflow_request request = {.title = NULL};
    AUTO(text_done) struct text body = {0};
    struct why why;
    assert_int_equal(write_body(&(struct words){{"look", "--args", "{a}"}}, &request, &body, &why),
                     ERR_USAGE);
    assert_memory_equal(why.text, "--args: ", 8);
}

static void a_word_with_a_slash_or_the_end_of_a_script_may_be_a_file(void **state) {
    (void)state;
    assert_int_equal(workflow_word_kind("deep-research"), WORKFLOW_WORD_NAME);
    assert_int_equal(workflow_word_kind("plugin:name"), WORKFLOW_WORD_NAME);
    assert_int_equal(workflow_word_kind(".js"), WORKFLOW_WORD_NAME);
    assert_int_equal(workflow_word_kind("a.js"), WORKFLOW_WORD_MAYBE_FILE);
    assert_int_equal(workflow_word_kind("a.mjs"), WORKFLOW_WORD_MAYBE_FILE);
    assert_int_equal(workflow_word_kind("./a"), WORKFLOW_WORD_FILE);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_is_not_sent),
        cmocka_unit_test(a_file_goes_as_its_text_and_name),
        cmocka_unit_test(a_value_is_json_where_it_is_json),
        cmocka_unit_test(args_are_whole_and_arg_stands_over_a_member),
        cmocka_unit_test(args_that_do_not_begin_as_json_are_a_text),
        cmocka_unit_test(a_text_is_the_one_required_argument),
        cmocka_unit_test(every_flag_has_its_member),
        cmocka_unit_test(what_makes_no_sense_is_refused_by_name),
        cmocka_unit_test(a_word_with_a_slash_or_the_end_of_a_script_may_be_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
