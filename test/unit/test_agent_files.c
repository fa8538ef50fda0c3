/* Files of definitions: what is read of them, and the line that is to blame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/file.h"

static void read_file(enum agent_file form, const char *text, json_t **ret_json,
                      struct agent_definition *ret_what) {
    struct why why = {""};
    const struct err err =
        agent_file_read(form, "helper", bytes_of(text), ret_json, ret_what, &why);
    assert_string_equal(why.text, "");
    assert_int_equal(err.code, ERR_NONE);
}

static void front_matter_says_the_same_as_json(void **state) {
    static const char *const files[AGENT_FILES] = {
        [AGENT_FILE_JSON] =
            "{\"program\":\"codex\",\"description\":\"Reviews changes.\",\"args\":[\"--a\","
            "\"b, c\"],\"env\":{\"A\":\"x: y\",\"T\":{\"from\":\"TOKEN\"},\"K\":{\"file\":\"k\"}},"
            "\"access\":\"read\",\"isolation\":\"worktree\",\"deadline_ms\":90000,\"instructions\":"
            "\"You review.\"}",
        [AGENT_FILE_MARKDOWN] = "---\nname: helper\nprogram: codex\ndescription: >\n  Reviews\n"
                                "  changes.\nargs: [--a, \"b, c\"] # two\nenv:\n  A: x: y\n  # no\n"
                                "  T: {\"from\": \"TOKEN\"}\n  K: {\"file\": \"k\"}\naccess: read\n"
                                "isolation: worktree # apart\n"
                                "deadline_ms: 90000\n---\n\nYou review.\n",
    };
    for (unsigned form = 0; form < AGENT_FILES; form++) {
        AUTO(json_release) json_t *json = NULL;
        AUTO(text_done) struct text texts = text_up_to(1000), secrets = text_up_to(1000);
        struct agent_definition what;
        read_file((enum agent_file)form, files[form], &json, &what);
        assert_string_equal(what.name, "helper");
        assert_string_equal(what.program, "codex");
        assert_string_equal(what.description, "Reviews changes.");
        assert_int_equal(json_array_size(what.args), 2);
        assert_string_equal(json_string_value(json_array_get(what.args, 1)), "b, c");
        assert_int_equal(agent_definition_access(&what), AGENT_ACCESS_READ);
        assert_string_equal(what.isolation, AGENT_ISOLATION_WORKTREE);
        assert_int_equal(what.deadline_ms, 90000);
        assert_string_equal(what.instructions, "You review.");
        text_add_char(&texts, '{');
        text_add_char(&secrets, '{');
        assert_true(agent_env_write(what.env, AGENT_ENV_TEXTS, "env", &texts));
        assert_true(agent_env_write(what.env, AGENT_ENV_REFERENCES, "agent", &secrets));
        assert_string_equal(texts.data, "{\"env\":{\"A\":\"x: y\"}");
        assert_string_equal(secrets.data,
                            "{\"agent\":{\"T\":{\"from\":\"TOKEN\"},\"K\":{\"file\":\"k\"}}");
    }
}

static void lists_are_read_as_lines_and_as_words(void **state) {
    static const char *const lists[] = {"args: one, two\n", "args: [one, 'two']\n",
                                        "args:\n  - one\n  - \"two\"\n", "args:\n- one\n- two\n"};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        AUTO(json_release) json_t *json = NULL;
        AUTO(text_done) struct text text = text_up_to(1000), args = text_up_to(1000);
        struct agent_definition what;
        text_addf(&text, "---\nprogram: pi\n%s---\n", lists[i]);
        read_file(AGENT_FILE_MARKDOWN, text.data, &json, &what);
        assert_int_equal(json_write(what.args, &args).code, ERR_NONE);
        assert_string_equal(args.data, "[\"one\",\"two\"]");
    }
}

static void rules_are_json_in_both(void **state) {
    static const char *const files[AGENT_FILES] = {
        [AGENT_FILE_JSON] = "{\"program\":\"claude\",\"permissions\":[{\"tool\":\"Bash\","
                            "\"subject\":\"make *\",\"permission\":\"allow\"}]}",
        [AGENT_FILE_MARKDOWN] =
            "---\nprogram: claude\npermissions:\n  [{\"tool\": \"Bash\", \"subject\": \"make *\",\n"
            "    \"permission\": \"allow\"}]\n---\n",
    };
    for (unsigned form = 0; form < AGENT_FILES; form++) {
        AUTO(json_release) json_t *json = NULL, *kept = NULL;
        AUTO(text_done) struct text rules = text_up_to(1000), stored = text_up_to(1000);
        struct agent_definition what;
        read_file((enum agent_file)form, files[form], &json, &what);
        assert_int_equal(json_write(what.permissions, &rules).code, ERR_NONE);
        assert_string_equal(
            rules.data, "[{\"tool\":\"Bash\",\"subject\":\"make *\",\"permission\":\"allow\"}]");
        assert_int_equal(agent_definition_write(&what, &stored).code, ERR_NONE);
        assert_int_equal(json_parse_wrapped(text_bytes(&stored), &kept, NULL).code, ERR_NONE);
        assert_true(json_equal(json_object_get(kept, "permissions"), what.permissions));
    }
}

static void a_fault_names_its_line(void **state) {
    static const struct {
        enum agent_file form;
        const char *text, *words;
    } table[] = {
        {AGENT_FILE_JSON, "{\n\"program\": \"pi\",\n}", "line 3"},
        {AGENT_FILE_JSON, "[]", "line 1: it must be a JSON object"},
        {AGENT_FILE_JSON, "", "line 1"},
        {AGENT_FILE_JSON, "{\n\"program\": \"pi\",\n\"at_once\": \"x\"}", "line 3: \"at_once\""},
        {AGENT_FILE_JSON, "{\n\"program\": \"none\"}", "line 2: \"program\""},
        {AGENT_FILE_JSON, "{\"program\": \"pi\",\n\"name\": \"other\"}", "line 2: \"name\""},
        {AGENT_FILE_JSON, "{\"program\": \"pi\",\n\"env\": {\"A\": 1}}", "line 2: \"env\""},
        {AGENT_FILE_JSON, "{\"program\": \"claude\",\n\"permissions\": {}}",
         "line 2: \"permissions\" must be a list"},
        {AGENT_FILE_JSON, "{\"program\": \"claude\",\n\"permissions\": [{\"tool\": \"x\"}]}",
         "line 2: \"permissions\": rule 1: "},
        {AGENT_FILE_JSON, "{\"program\": \"codex\",\n\"permissions\": []}",
         "line 2: \"permissions\" answer questions, and codex asks none"},
        {AGENT_FILE_JSON, "{\"program\": \"codex\",\n\"tools\": [\"bash\"]}",
         "line 2: \"tools\": codex cannot be given a list; limit it by"},
        {AGENT_FILE_JSON, "{\"program\": \"pi\",\n\"tools\": [\"read\", \"a,b\"]}",
         "line 2: \"tools\": name 2 must be"},
        {AGENT_FILE_MARKDOWN, "---\nprogram: pi\ntools: []\n---\n", "line 3: \"tools\""},
        {AGENT_FILE_JSON, "{\"program\": \"plain\", \"command\": \"a\",\n\"requests\": 9}",
         "line 2: \"requests\": plain shows none"},
        {AGENT_FILE_JSON,
         "{\"program\": \"json_lines\", \"command\": \"a\",\n\"requests\": 9,"
         " \"lines\": {\"text\": \"t\"}}",
         "line 2: \"requests\": json_lines shows none"},
        {AGENT_FILE_JSON, "{\"program\": \"pi\",\n\"env\": {\"A\": {\"file\": \"../x\"}}}",
         "line 2: \"env\""},
        {AGENT_FILE_JSON, "{\"program\": \"pi\",\n\"env\": {\"A\": {\"from\": \"B\", \"x\": 1}}}",
         "line 2: \"env\""},
        {AGENT_FILE_JSON, "{\"program\": \"plain\"}", "\"command\" is missing"},
        {AGENT_FILE_JSON, "{\"program\": \"pi\",\n\"model\": \"--yes\"}",
         "line 2: \"model\": '--yes' begins with a dash"},
        {AGENT_FILE_JSON,
         "{\"program\": \"json_lines\", \"command\": \"x\",\n\"lines\": {\"txt\": \"a\"}}",
         "line 2: \"lines\": 'txt' is none of text, "},
        {AGENT_FILE_JSON, "{\"program\": \"pi\",\n\"lines\": {\"text\": \"a\"}}",
         "line 2: \"lines\" are for the program json_lines, not for pi"},
        {AGENT_FILE_MARKDOWN, "---\nprogram: pi\nwrong: 1\n---\n",
         "line 3: unknown field \"wrong\""},
        {AGENT_FILE_MARKDOWN, "---\nprogram: pi\n\nat_once: many\n---\n", "line 4: \"at_once\""},
        {AGENT_FILE_MARKDOWN, "---\nprogram: pi\nat_once: 0\n---\n", "line 3: \"at_once\""},
        {AGENT_FILE_MARKDOWN, "---\nprogram: pi\nprogram: codex\n---\n",
         "line 3: \"program\" stands there twice"},
        {AGENT_FILE_MARKDOWN, "---\nprogram: pi\nenv:\n  A\n---\n", "line 3: \"A\" must be"},
        {AGENT_FILE_MARKDOWN, "---\nprogram: pi\nenv:\n  A: {\"from\": 1}\n---\n",
         "line 3: \"env\""},
        {AGENT_FILE_MARKDOWN, "---\nprogram: pi\n? odd\n---\n", "is not read here"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        json_t *json = NULL;
        struct agent_definition what;
        struct why why = {""};
        const struct err err =
            agent_file_read(table[i].form, "helper", bytes_of(table[i].text), &json, &what, &why);
        if (!err_failed(err) || err.code == ERR_NOT_FOUND ||
            strstr(why.text, table[i].words) == NULL) {
            fail_msg("%s\n-> %s", table[i].text, why.text);
        }
        assert_null(json);
    }
}

static void markdown_without_a_program_is_an_agent_of_models(void **state) {
    static const char *const files[] = {"---\nname: helper\ntools: Read\n---\nHelp.", "Help.", ""};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        json_t *json = NULL;
        struct agent_definition what;
        struct why why = {""};
        assert_int_equal(
            agent_file_read(AGENT_FILE_MARKDOWN, "helper", bytes_of(files[i]), &json, &what, &why)
                .code,
            ERR_NOT_FOUND);
    }
}

static void what_is_built_in_is_a_definition_that_can_be_stored(void **state) {
    unsigned count = 0;
    for (; agent_built_in(count) != NULL; count++) {
        AUTO(json_release) json_t *json = NULL;
        AUTO(text_done) struct text text = text_up_to(AGENT_DEFINITION_MAX);
        struct agent_definition what;
        struct why why = {""};
        assert_int_equal(agent_definition_write(agent_built_in(count), &text).code, ERR_NONE);
        assert_int_equal(json_parse(text.data, text.len, JSON_DEPTH_MAX, &json, &why).code,
                         ERR_NONE);
        assert_int_equal(agent_definition_read(json, &what, &why).code, ERR_NONE);
        assert_string_equal(what.name, agent_built_in(count)->name);
    }
    assert_int_equal(count, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(front_matter_says_the_same_as_json),
        cmocka_unit_test(lists_are_read_as_lines_and_as_words),
        cmocka_unit_test(rules_are_json_in_both),
        cmocka_unit_test(a_fault_names_its_line),
        cmocka_unit_test(markdown_without_a_program_is_an_agent_of_models),
        cmocka_unit_test(what_is_built_in_is_a_definition_that_can_be_stored),
    };
    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
