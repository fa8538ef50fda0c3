/* Subjects of a yes of approvers: the text that they read, and what differs from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rules/flow/about.h"

static json_t *read(const char *text) {
    json_t *json = NULL;
    assert_false(err_failed(json_parse_wrapped(bytes_of(text), &json, NULL)));
    return json;
}

static void on_word(void *ctx, struct bytes word) {
    struct text *words = ctx;
    text_addf(words, "[%.*s]", (int)word.len, word.data);
}

static void words_that_may_name_a_file_are_found_but_not_where_it_is_written(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool shell;
        const char *words;
    } rows[] = {
        {"sh ./deploy.sh prod", true, "[sh][./deploy.sh][prod]"},
        {"cat a>b c >> d e 2>&1 <f", true, "[cat][a][c][e][2][1][f]"},
        {"cat > 'b' c", true, "[cat][b][c]"},
        {"cat <>b; node -e \"() => './c.js'\" a->d", true, "[cat][b][node][-e][./c.js][a-][d]"},
        {"() => \"./deploy.sh --prod\"", false, "[./deploy.sh][--prod]"},
        {"() => `sh \"${root}/x.sh\" >> log`", false, "[sh][root][/x.sh][log]"},
        {"ü.txt", true, "[ü.txt]"},
        {"", true, ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text words = text_up_to(1000);
        flow_about_words(bytes_of(rows[i].text), rows[i].shell, on_word, &words);
        assert_string_equal(words.len > 0 ? words.data : "", rows[i].words);
    }
}

static const char file[] =
    "{\"steps\":[{\"id\":\"sure\",\"kind\":\"approval\",\"prompt\":\"?\",\"approvers\":[\"ana\"]},"
    "{\"id\":\"aside\",\"kind\":\"command\",\"command\":\"x\"},"
    "{\"id\":\"ship\",\"kind\":\"command\",\"command\":\"sh a.sh\\nowner: "
    "eve\",\"deps\":[\"sure\"]},"
    "{\"id\":\"tell\",\"kind\":\"agent\",\"agents\":[\"a\",\"b\"],\"deps\":[\"ship\"],"
    "\"maxRetries\":2,\"run\":{\"function\":true,\"digest\":\"d1\"}}]}";

/* The object of the question; `text` is what people see. */
static json_t *about_of(const char *files, const char *input, const json_t *old) {
    AUTO(json_release) json_t *root = read(file);
    AUTO(json_release) json_t *found = read(files);
    AUTO(json_release) json_t *texts = read("{\"tell\":\"(ctx) => 1\"}");
    AUTO(flow_free) struct flow flow = {0};
    AUTO(text_done) struct text json = text_up_to(FLOW_ABOUT_BYTES_MAX);
    struct why why;
    assert_false(err_failed(flow_read(root, &flow, &why)));
    const struct flow_about about = {.flow = &flow,
                                     .texts = texts,
                                     .owner = BYTES("local"),
                                     .name = BYTES("f"),
                                     .file = BYTES("/f.js"),
                                     .source = BYTES("abc"),
                                     .model = BYTES(""),
                                     .input = bytes_of(input),
                                     .files = found,
                                     .old = old,
                                     .answer = old != NULL ? BYTES("yes, by ana") : BYTES("")};
    assert_false(err_failed(flow_about_write(&about, &json)));
    return read(json.data);
}

#define FILE_A(hash) "{\"step_id\":\"ship\",\"path\":\"a.sh\",\"sha256\":\"" hash "\"}"
#define FILE_B "{\"step_id\":\"ship\",\"path\":\"b\",\"sha256\":\"2\"}"

static void the_question_has_all_steps_after_it_and_no_line_that_is_not_ours(void **state) {
    (void)state;
    AUTO(json_release) json_t *about = about_of("[" FILE_A("1234567890abcdef01") "]", "{}", NULL);
    assert_string_equal(json_str(about, "text", ""),
                        "A yes is for this, once:\nowner: local\n"
                        "flow: f, /f.js (sha256 ba7816bf8f01cfea)\ninput: {}\n"
                        "step ship, command: sh a.sh\n  > owner: eve\n"
                        "  file a.sh (sha256 1234567890abcdef)\n"
                        "step tell, agent: a, then b\n  > (ctx) => 1\n"
                        "  > (tried again up to 2 times)");
    assert_null(json_object_get(about, "before"));
}

static void what_differs_is_said(void **state) {
    (void)state;
    static const struct {
        const char *files, *input, *differs, *of_step;
    } rows[] = {
        {"[" FILE_A("1") "]", "{}", "", ""},
        {"[" FILE_A("2") "]", "{}", "a.sh was another file", "a.sh was another file"},
        {"[]", "{}", "a.sh is gone", "a.sh is gone"},
        {"[" FILE_A("1") "," FILE_B "]", "1", "the input was another one, b was not there",
         "b was not there"},
    };
    AUTO(json_release) json_t *old = about_of("[" FILE_A("1") "]", "{}", NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(json_release) json_t *about = about_of(rows[i].files, rows[i].input, old);
        AUTO(json_release) json_t *files = read(rows[i].files);
        AUTO(text_done) struct text how = text_up_to(1000), begin = text_up_to(1000);
        assert_string_equal(json_str(about, "differs", "-"), rows[i].differs);
        text_addf(&begin, "Asked again. The answer before: yes, by ana\n%s%s\n\nA yes is",
                  rows[i].differs[0] != '\0' ? "Since then: " : "Nothing differs since then.",
                  rows[i].differs);
        assert_memory_equal(json_str(about, "text", ""), begin.data, begin.len);
        const bool differs = flow_about_differs(old, BYTES("ship"), files, &how);
        assert_int_equal(differs, rows[i].of_step[0] != '\0');
        assert_string_equal(differs ? how.data : "", rows[i].of_step);
    }
    AUTO(text_done) struct text how = text_up_to(1000);
    assert_true(flow_about_differs(NULL, BYTES("ship"), NULL, &how)); /* Nothing was said. */
    AUTO(json_release) json_t *none = about_of("[]", "{}", NULL), *no_array = read("{}");
    AUTO(json_release) json_t *odd = read("{\"steps\":[{\"step_id\":\"ship\",\"files\":1}]}");
    AUTO(json_release) json_t *empty = read("[]");
    text_clear(&how);
    assert_false(flow_about_differs(none, BYTES("ship"), empty, &how));
    assert_true(flow_about_differs(none, BYTES("ship"), NULL, &how));
    text_clear(&how);
    assert_true(flow_about_differs(none, BYTES("ship"), no_array, &how));
    text_clear(&how);
    assert_true(flow_about_differs(odd, BYTES("ship"), empty, &how));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_that_may_name_a_file_are_found_but_not_where_it_is_written),
        cmocka_unit_test(the_question_has_all_steps_after_it_and_no_line_that_is_not_ours),
        cmocka_unit_test(what_differs_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
