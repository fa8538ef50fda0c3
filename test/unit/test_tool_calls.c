/* From what a model wrote to a call: repair, check, digest; calls that were printed; results. */
#include "tool_kit.h"

#include "tool/printed.h"
#include "tool/repair.h"
#include "tool/requests.h"

/* --- The catalogue ---------------------------------------------------------------------------- */

static void the_catalogue_is_sorted(void **state) {
    for (unsigned i = 0; i < TOOL_COUNT; i++) {
        const struct tool *tool = tool_get((enum tool_id)i);
        assert_true(i == 0 || strcmp(tool_get((enum tool_id)(i - 1))->name, tool->name) < 0);
        const bool acts = tool->performer == TOOL_HERE || i == TOOL_TASK_OUTPUT;
        assert_int_equal(acts, tool->perform != NULL);
        assert_true(tool->needs != 0 && strlen(tool->about) > 15);
    }
}

static void equal_arguments_have_one_digest(void **state) {
    struct tools *tools = *state;
    static const char *const same[] = {"{\"path\":\"a\",\"line\":1}",
                                       "{ \"line\":1, \"path\":\"a\" }",
                                       "```json\n{\"line\":\"1\",\"path\":\"a\"}\n```"};
    struct sha256_hex digest = {""};
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        AUTO(tool_call_done) struct tool_call call = {0};
        assert_int_equal(tools_read(tools, "read_file", same[i], &call), ERR_NONE);
        assert_string_equal(call.canonical, "{\"line\":1,\"path\":\"a\"}");
        assert_true(i == 0 || strcmp(digest.text, call.digest.text) == 0);
        digest = call.digest;
    }
    AUTO(tool_call_done) struct tool_call other = {0};
    assert_int_equal(tools_read(tools, "read_file", "{\"path\":\"a\",\"line\":2}", &other),
                     ERR_NONE);
    assert_string_not_equal(digest.text, other.digest.text);
    AUTO(tool_call_done) struct tool_call tool = {0};
    assert_int_equal(tools_read(tools, "list_files", "{\"path\":\"a\"}", &tool), ERR_NONE);
    AUTO(tool_call_done) struct tool_call tool2 = {0};
    assert_int_equal(tools_read(tools, "delete_file", "{\"path\":\"a\"}", &tool2), ERR_NONE);
    assert_string_not_equal(tool.digest.text, tool2.digest.text);
}

static void a_tool_that_was_not_given_is_not_there(void **state) {
    struct tools *tools = *state;
    AUTO(tool_call_done) struct tool_call call = {0};
    struct err err = tool_call_read(tools->toolbox, tool_set_of(TOOL_READ_FILE),
                                    BYTES("run_command"), BYTES("{}"), &call, &tools->problem);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(tools->problem.data,
                        "there is no tool \"run_command\"; there are read_file\n");
    /* By the name that it has in Claude Code. */
    err = tool_call_read(tools->toolbox, tool_set_of(TOOL_READ_FILE) | tool_set_of(TOOL_RUN_JOB),
                         BYTES("Read"), BYTES("{}"), &call, &tools->problem);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(tools->problem.data,
                        "there is no tool \"Read\"; did you mean read_file?\n");
}

/* --- Repair ----------------------------------------------------------------------------------- */

struct mended {
    const char *raw, *json, *told; /* json NULL: refused. */
};
static const struct mended mended[] = {
    {"{\"s\":\"x\",\"n\":1}", "{\"n\":1,\"s\":\"x\"}", ""},
    {"", "{}", ""},
    {"  \n", "{}", ""},
    {"```json\n{\"n\":1}\n```", "{\"n\":1}", "text around"},
    {"Sure! {\"s\":\"}\"} done", "{\"s\":\"}\"}", "text around"},
    {"{\"n\":1,}", "{\"n\":1}", "commas before"},
    {"{\"l\":[\"a\",],}", "{\"l\":[\"a\"]}", "commas before"},
    {"{\"s\":\",}\",}", "{\"s\":\",}\"}", "commas before"},
    {"\"{\\\"n\\\":1}\"", "{\"n\":1}", "were a string"},
    {"{\"n\":\"12\"}", "{\"n\":12}", "/n: text was taken as a number"},
    {"{\"n\":\" 12 \"}", "{\"n\":12}", "/n: text"},
    {"{\"n\":\"twelve\"}", "{\"n\":\"twelve\"}", ""},
    {"{\"s\":12}", "{\"s\":\"12\"}", "/s: the value was taken as text"},
    {"{\"s\":true}", "{\"s\":\"true\"}", "/s: the value"},
    {"{\"b\":\"True\"}", "{\"b\":true}", "/b: text was taken as true or false"},
    {"{\"b\":\"maybe\"}", "{\"b\":\"maybe\"}", ""},
    {"{\"o\":\"{\\\"n\\\":\\\"3\\\"}\"}", "{\"o\":{\"n\":3}}", "/o: the JSON in the text"},
    {"{\"l\":\"a\"}", "{\"l\":[\"a\"]}", "/l: the value was taken as a list of one"},
    {"{\"l\":\"[\\\"a\\\",\\\"b\\\"]\"}", "{\"l\":[\"a\",\"b\"]}", "/l: the JSON in the text"},
    {"{\"l\":[1]}", "{\"l\":[\"1\"]}", "/l/0: the value was taken as text"},
    {"{\"s\":null,\"n\":1}", "{\"n\":1}", "/s: null was taken as absent"},
    {"{\"e\":null}", "{}", "/e: null was taken as absent"},
    {"{\"r\":null}", "{\"r\":null}", ""}, /* Required: not to be guessed. */
    {"{\"unknown\":\"1\"}", "{\"unknown\":\"1\"}", ""},
    {"{\"u\":\"5\"}", "{\"u\":\"5\"}", ""}, /* It fits as it is. */
    {"no json", NULL, ""},
    {"{\"n\":", NULL, ""},
    {"{\"n\":1}}}", "{\"n\":1}", "text around"},
    {"5", "5", ""},
};

static void mistakes_are_mended_and_told(void **state) {
    (void)state;
    static const char source[] =
        "{\"type\":\"object\",\"required\":[\"r\"],\"properties\":{\"s\":{\"type\":\"string\"},"
        "\"n\":{\"type\":\"integer\"},\"b\":{\"type\":\"boolean\"},\"r\":{\"type\":\"string\"},"
        "\"e\":{\"enum\":[\"a\"]},\"u\":{\"type\":[\"string\",\"integer\"]},"
        "\"o\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}},"
        "\"l\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}";
    json_t *json = NULL;
    assert_int_equal(json_parse(source, strlen(source), JSON_DEPTH_MAX, &json, NULL).code,
                     ERR_NONE);
    AUTO(json_schema_release) struct json_schema *schema = NULL;
    assert_int_equal(json_schema_compile(json, &schema, NULL).code, ERR_NONE);
    json_release(&json);
    for (size_t i = 0; i < COUNT_OF(mended); i++) {
        AUTO(text_done) struct text told, out;
        text_init(&told, 4096);
        text_init(&out, 4096);
        struct why why = {.text = ""};
        struct bytes raw = {mended[i].raw, strlen(mended[i].raw)};
        struct err err = repair_parse(raw, &json, &told, &why);
        assert_int_equal(err.code, mended[i].json == NULL ? ERR_BAD_JSON : ERR_NONE);
        if (mended[i].json == NULL) {
            assert_non_null(strstr(why.text, "line 1"));
            continue;
        }
        assert_int_equal(repair_values(schema, &json, &told).code, ERR_NONE);
        assert_int_equal(json_write_canonical(json, &out).code, ERR_NONE);
        json_release(&json);
        const char *notes = told.data == NULL ? "" : told.data;
        bool silent = mended[i].told[0] == '\0';
        if (strcmp(out.data, mended[i].json) != 0 || strstr(notes, mended[i].told) == NULL ||
            silent != (notes[0] == '\0')) {
            fail_msg("%s: %s, \"%s\"", mended[i].raw, out.data, notes);
        }
    }
}

/* --- Printed calls ---------------------------------------------------------------------------- */

static bool known(void *ctx, struct bytes name) {
    (void)ctx;
    enum tool_id id;
    return tool_find(name, &id);
}

struct print {
    const char *answer, *text;
    const char *name, *arguments; /* NULL: no call in it. */
    size_t count;
};
#define CALL "{\"name\":\"read_file\",\"arguments\":{\"path\":\"a\"}}"
static const struct print prints[] = {
    {"plain words", "plain words", NULL, NULL, 0},
    {"Let me see.\n<tool_call>" CALL "</tool_call>", "Let me see.\n", "read_file",
     "{\"path\":\"a\"}", 1},
    {"<tool_call>\n" CALL "\n</tool_call> and <tool_call>" CALL "</tool_call>!", " and !",
     "read_file", "{\"path\":\"a\"}", 2},
    {"<tool_call>" CALL, "", "read_file", "{\"path\":\"a\"}", 1},
    {"<tool_call>{\"name\":\"read_file\",\"arguments\":\"{\\\"path\\\":1}\"}</tool_call>", "",
     "read_file", "{\"path\":1}", 1},
    {"<function=read_file>{\"path\":\"a\"}</function>", "", "read_file", "{\"path\":\"a\"}", 1},
    {"<|python_tag|>{\"name\":\"read_file\",\"parameters\":{}}", "", "read_file", "{}", 1},
    {"So:\n```json\n" CALL "\n```\nthen", "So:\n\nthen", "read_file", "{\"path\":\"a\"}", 1},
    {"```tool_call\n" CALL "\n```", "", "read_file", "{\"path\":\"a\"}", 1},
    {"```\n{\"type\":\"function\",\"function\":" CALL "}\n```", "", "read_file", "{\"path\":\"a\"}",
     1},
    /* What only looks like one. */
    {"```json\n{\"name\":\"drover\",\"version\":1}\n```",
     "```json\n{\"name\":\"drover\",\"version\":"
     "1}\n```",
     NULL, NULL, 0},
    {"```json\n{\"name\":\"nobody\",\"arguments\":{}}\n```",
     "```json\n{\"name\":\"nobody\",\"arguments\":{}}\n```", NULL, NULL, 0},
    {"```c\n" CALL "\n```", "```c\n" CALL "\n```", NULL, NULL, 0},
    {"```sh\nls\n```\n" CALL "\n```\nx", "```sh\nls\n```\n" CALL "\n```\nx", NULL, NULL, 0},
    {"say <tool_call> to call", "say <tool_call> to call", NULL, NULL, 0},
    {"`" CALL "`", "`" CALL "`", NULL, NULL, 0},
    {"<tool_call>{broken</tool_call>", "<tool_call>{broken</tool_call>", NULL, NULL, 0},
};

static void printed_calls_are_taken_out(void **state) {
    (void)state;
    struct printed_names names = {.known = known};
    for (size_t i = 0; i < COUNT_OF(prints); i++) {
        AUTO(printed_done) struct printed printed = {0};
        struct bytes answer = {prints[i].answer, strlen(prints[i].answer)};
        assert_int_equal(printed_read(answer, &names, &printed).code, ERR_NONE);
        const char *text = printed.text.data == NULL ? "" : printed.text.data;
        if (strcmp(text, prints[i].text) != 0 || printed.count != prints[i].count) {
            fail_msg("%s: \"%s\", %zu calls", prints[i].answer, text, printed.count);
        }
        if (printed.count > 0) {
            assert_string_equal(printed.calls[0].name, prints[i].name);
            assert_string_equal(printed.calls[0].arguments, prints[i].arguments);
        }
    }
}

static void many_marks_cost_bounded_work(void **state) {
    (void)state;
    static const char mark[] = "<tool_call>{\"name\":";
    AUTO(text_done) struct text text;
    text_init(&text, 4 << 20);
    for (int i = 0; i < 100000; i++) {
        text_add(&text, mark, sizeof mark - 1);
    }
    AUTO(printed_done) struct printed printed = {0};
    struct printed_names names = {.known = known};
    assert_int_equal(printed_read((struct bytes){text.data, text.len}, &names, &printed).code,
                     ERR_NONE);
    assert_int_equal(printed.count, 0);
    assert_int_equal(printed.text.len, text.len);
}

/* --- Requests and results --------------------------------------------------------------------- */

static void requests_are_read_into_plain_values(void **state) {
    struct tools *tools = *state;
    AUTO(tool_call_done) struct tool_call call = {0};
    assert_int_equal(
        tools_read(tools, "run_command", "{\"command\":\"make\",\"args\":\"-j2\"}", &call),
        ERR_NONE);
    assert_non_null(strstr(call.notes.data, "/args: the value was taken as a list of one"));
    struct command_request command;
    command_request_read(&call, &command);
    assert_string_equal(command.command, "make");
    assert_int_equal(json_array_size(command.args), 1);
    assert_int_equal(command.timeout_ms, COMMAND_TIMEOUT_MS);
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    assert_int_equal(tool_look(&call, &tools->place, &look).code, ERR_NONE);
    assert_string_equal(look.subjects[0].data, "make -j2");
    assert_int_equal(tool_judge(&call, &look, NULL).permission, PERMISSION_ASK);
    tools->rules[0] = (struct permission_rule){
        .tool = BYTES("run_command"), .subject = BYTES("make *"), .permission = PERMISSION_ALLOW};
    tools->with.count = 1;
    assert_int_equal(tool_judge(&call, &look, &tools->with).permission, PERMISSION_ALLOW);

    static const char *const wrong[] = {"{\"action\":\"create\",\"title\":\"t\"}",
                                        "{\"action\":\"change\",\"title\":\"t\"}",
                                        "{\"action\":\"forget\"}"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        AUTO(tool_call_done) struct tool_call remember = {0};
        assert_int_equal(tools_read(tools, "remember", wrong[i], &remember), ERR_NONE);
        struct remember_request request;
        struct why why = {.text = ""};
        assert_false(remember_request_read(&remember, &request, &why));
        assert_int_not_equal(why.text[0], '\0');
    }
}

static void a_commands_end_is_told_within_its_bounds(void **state) {
    (void)state;
    AUTO(tool_result_done) struct tool_result result;
    tool_result_init(&result);
    struct command_end end = {
        .exit_code = 2, .out = BYTES("o\n"), .err = BYTES("e\xFF"), .duration_ms = 7};
    command_result_write(&end, &result);
    assert_string_equal(result.content.data,
                        "{\"exit_code\":2,\"stdout\":\"o\\n\",\"stderr\":\"e\xEF\xBF\xBD\","
                        "\"truncated\":false,\"timed_out\":false,\"duration_ms\":7}");
    AUTO(mem_release) char *much = mem_new(COMMAND_OUTPUT_MAX);
    memset(much, 'x', COMMAND_OUTPUT_MAX);
    AUTO(tool_result_done) struct tool_result cut;
    tool_result_init(&cut);
    end.out = (struct bytes){much, COMMAND_OUTPUT_MAX - 1};
    end.err = BYTES("\xC3\xA4\xC3\xB6");
    end.state = COMMAND_TIMED_OUT;
    command_result_write(&end, &cut);
    assert_non_null(strstr(cut.content.data, "\"stderr\":\"\xC3\xA4\",\"truncated\":true,"
                                             "\"timed_out\":true"));
    AUTO(tool_result_done) struct tool_result none;
    tool_result_init(&none);
    command_result_write(&(struct command_end){.state = COMMAND_NOT_FOUND}, &none);
    assert_true(none.cause != CARD_DONE);
    assert_non_null(strstr(none.content.data, "{\"exit_code\":-1,\"stdout\":\"\""));
}

static void subagents_are_told_in_fixed_shapes(void **state) {
    (void)state;
    struct subagent_view view = {
        .id = "run_1", .session = "ses_1", .status = "running", .created_ms = 5, .elapsed_s = 3};
    static const char *const shapes[] = {
        "{\"id\":\"run_1\",\"session\":\"ses_1\",\"status\":\"running\",\"created_at\":5}",
        "{\"id\":\"run_1\",\"status\":\"running\",\"elapsed_s\":3,\"ended_at\":null}",
        "{\"id\":\"run_1\",\"error\":\"not_finished\",\"status\":\"running\"}",
    };
    void (*const writers[])(const struct subagent_view *, struct tool_result *) = {
        spawn_result_write, subagent_status_write, subagent_result_write};
    for (size_t i = 0; i < COUNT_OF(writers); i++) {
        AUTO(tool_result_done) struct tool_result result;
        tool_result_init(&result);
        writers[i](&view, &result);
        assert_string_equal(result.content.data, shapes[i]);
        assert_int_equal(result.cause != CARD_DONE, i == 2);
    }
    view.ended_ms = 9;
    view.status = "succeeded";
    view.output = BYTES("done");
    AUTO(tool_result_done) struct tool_result result;
    tool_result_init(&result);
    subagent_result_write(&view, &result);
    assert_string_equal(result.content.data, "{\"id\":\"run_1\",\"status\":\"succeeded\","
                                             "\"output\":\"done\",\"usage\":null}");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        TOOLS_TEST(the_catalogue_is_sorted),
        TOOLS_TEST(equal_arguments_have_one_digest),
        TOOLS_TEST(a_tool_that_was_not_given_is_not_there),
        TOOLS_TEST(requests_are_read_into_plain_values),
        cmocka_unit_test(mistakes_are_mended_and_told),
        cmocka_unit_test(printed_calls_are_taken_out),
        cmocka_unit_test(many_marks_cost_bounded_work),
        cmocka_unit_test(a_commands_end_is_told_within_its_bounds),
        cmocka_unit_test(subagents_are_told_in_fixed_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
