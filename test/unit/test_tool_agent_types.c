/* Types of agents: where they are found, and what of them is read. */
#include "tool_kit.h"

#include <stdio.h>

#include "base/markdown/front_matter.h"
#include "tool/agent_types.h"

static struct err find(const struct tools *tools, const char *name, struct agent_type *ret_type,
                       struct why *why) {
    const struct agent_places places = {.root = tools->project, .home = tools->extra};
    return agent_type_find(&places, (struct bytes){name, strlen(name)}, ret_type, why);
}

static tool_set read_list(const char *list) {
    return agent_tools_read((struct bytes){list, strlen(list)});
}

static void names_of_tools_are_read_however_they_are_listed(void **state) {
    (void)state;
    const tool_set two = tool_set_of(TOOL_READ_FILE) | tool_set_of(TOOL_SEARCH_FILES);
    assert_int_equal(read_list("Read, Grep"), two);
    assert_int_equal(read_list("[\"Read\", 'Grep']"), two);
    assert_int_equal(read_list("  - Read\n  - Grep\n"), two);
    assert_int_equal(read_list("read_file,search_files"), two);
    assert_int_equal(read_list("Read, Bash(git log:*, git diff:*), Grep, mcp__a__b"), two);
    assert_int_equal(read_list("Bash(a, Read\nGrep"), tool_set_of(TOOL_SEARCH_FILES));
    assert_int_equal(read_list("Bash"), tool_set_of(TOOL_RUN_COMMAND) | tool_set_of(TOOL_RUN_JOB));
    assert_int_equal(read_list("*"), TOOL_SET_ALL);
    assert_int_equal(read_list(""), 0);
    assert_int_equal(read_list(")),((,\n-,"), 0);
}

static void a_value_of_front_matter_ends_where_the_next_key_begins(void **state) {
    (void)state;
    static const char text[] =
        "---\na: 'x'\nlist:\n- one\n  two\nblock: >\n  l1\n  l2\nb:\n---\nrest";
    struct front front;
    front_read((struct bytes){text, sizeof text - 1}, &front);
    static const struct {
        const char *key, *value;
    } wanted[] = {{"a", "x"}, {"list", "- one\n  two"}, {"block", "  l1\n  l2"}, {"b", ""}};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        struct bytes value = front_value(&front, wanted[i].key);
        assert_int_equal(value.len, strlen(wanted[i].value));
        assert_memory_equal(value.data, wanted[i].value, value.len);
    }
    assert_null(front_value(&front, "c").data);
    assert_null(front_value(&front, "one").data);
    assert_int_equal(front.rest.len, 4);
    front_read(BYTES("---\na: x\n"), &front);
    assert_null(front_value(&front, "a").data); /* It has no end. */
}

static void the_first_of_a_name_counts_and_a_stem_is_a_name(void **state) {
    struct tools *tools = *state;
    static const char *const folders[] = {"project/.claude", "project/.claude/agents",
                                          "project/.drover", "project/.drover/agents",
                                          "extra/.claude",   "extra/.claude/agents"};
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        tools_folder(tools, folders[i]);
    }
    tools_file(tools, "project/.drover/agents/x.md", "---\nname: both\n---\nfirst\n");
    tools_file(tools, "project/.claude/agents/both.md", "second");
    tools_file(tools, "project/.claude/agents/plain.md", "Only words.\n");
    tools_file(tools, "project/.claude/agents/notes.txt", "---\nname: notes\n---\n");
    tools_file(tools, "extra/.claude/agents/plain.md", "far");
    tools_link(tools, "project/.claude/agents/away.md", "../../../outside/secret");
    static const char *const wanted[][2] = {
        {"both", "first"}, {"plain", "Only words."}, {"general-purpose", ""}};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        AUTO(agent_type_done) struct agent_type type = {.tools = 0};
        assert_int_equal(find(tools, wanted[i][0], &type, NULL).code, ERR_NONE);
        assert_string_equal(type.instructions, wanted[i][1]);
        assert_string_equal(type.model, "");
        assert_int_equal(type.tools, TOOL_SET_ALL);
    }
    static const char *const absent[] = {"notes", "x", "away", "", "../x"};
    for (size_t i = 0; i < COUNT_OF(absent); i++) {
        AUTO(agent_type_done) struct agent_type type = {.tools = 0};
        struct why why = {""};
        assert_int_equal(find(tools, absent[i], &type, &why).code, ERR_NOT_FOUND);
        assert_null(type.instructions);
        assert_non_null(strstr(why.text, "there is no agent type"));
    }
}

/* Each is the front matter of a type that may not run commands, nor write. */
static const char *const restricting[] = {
    "\xef\xbb\xbf---\ntools: Read\n---\n",
    "\n---\ntools: Read\n---\n",
    "---\r\ntools: Read\r\n---\r\n",
    "---\ntools: Read # and no more\n---\n",
    "---\ntools:\n---\n",
    "---\n\"tools\": [\"Read\"]\n---\n",
    "---\n'tools' : Read\n---\n",
    "---\ndisallowedTools: # none of these\n  - Bash\n  - Write\n---\n",
    "---\ndisallowedTools:\n# the shell\n- Bash # rm, mv\n# files\n-\tWrite\n---\n",
    "---\ndisallowedTools: [Bash,\n  Write, Edit]\n---\n",
    "---\ndisallowedTools: [\nBash, # ]\nWrite,\n]\nmodel: a/b\n---\n",
    "---\ndisallowedTools: [Bash(a[1]), Write]\n---\n",
    "---\ndisallowedTools: Bash,\n  Write\n---\n",
    "---\ndisallowedTools: \"Bash, Write\" # none\n---\n",
    "---\ndisallowedTools: Edit, Bash, Write # none\n---\n",
    "---\ndisallowedTools: Write # none\n  , Bash\n---\n",
    "---\n\"disallowedTools\": Bash, Write\n---\n",
    "---\ndisallowedTools: Bash(rm:*), Write(/etc/**)\n---\n",
    "---\ndisallowedTools: Bash(a, Write\n---\n",
    "---\ndisallowedTools: Bash Write\n---\n",
    "---\ndisallowedTools:\n  Bash: true\n  Write: true\n---\n",
    "---\ndisallowedTools: |\n  Bash\n  Write\n---\n",
    "---\ndisallowedTools: '*'\n---\n",
};

static void a_type_that_may_less_is_never_read_as_one_that_may_all(void **state) {
    struct tools *tools = *state;
    tools_folder(tools, "project/.drover");
    tools_folder(tools, "project/.drover/agents");
    for (size_t i = 0; i < COUNT_OF(restricting); i++) {
        AUTO(agent_type_done) struct agent_type type = {.tools = 0};
        struct why why = {""};
        tools_file(tools, "project/.drover/agents/a.md", restricting[i]);
        struct err err = find(tools, "a", &type, &why);
        if (err_failed(err) || (type.tools & tool_set_of(TOOL_RUN_COMMAND)) != 0 ||
            (type.tools & tool_set_of(TOOL_WRITE_FILE)) != 0) {
            fail_msg("%s\n%s", restricting[i], why.text);
        }
    }
    tools_file(tools, "project/.drover/agents/a.md",
               "---\nname: a # b\nmodel: 'x/y' # z\ndisallowedTools: Task, mcp__a__Read\n---\nbe");
    AUTO(agent_type_done) struct agent_type type = {.tools = 0};
    assert_int_equal(find(tools, "a", &type, NULL).code, ERR_NONE);
    assert_int_equal(type.tools, TOOL_SET_ALL);
    assert_string_equal(type.model, "x/y");
    assert_string_equal(type.instructions, "be");
}

static void a_type_asks_for_a_working_tree_of_its_own(void **state) {
    struct tools *tools = *state;
    static const struct {
        const char *file;
        bool isolated;
    } cases[] = {
        {"---\nisolation: worktree\n---\n", true},
        {"---\nisolation: \"worktree\" # apart\n---\n", true},
        {"---\nisolation:\n---\n", false},
        {"---\nisolation: none\n---\n", false},
        {"---\nname: a\n---\nisolation: worktree\n", false},
    };
    tools_folder(tools, "project/.drover");
    tools_folder(tools, "project/.drover/agents");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(agent_type_done) struct agent_type type = {.tools = 0};
        tools_file(tools, "project/.drover/agents/a.md", cases[i].file);
        assert_int_equal(find(tools, "a", &type, NULL).code, ERR_NONE);
        assert_int_equal(type.isolated, cases[i].isolated);
    }
}

/* Another of the name, in a place behind it, allows all. */
static void a_type_that_cannot_be_understood_is_refused_and_keeps_its_name(void **state) {
    struct tools *tools = *state;
    static const char *const broken[] = {
        "---\nname: a\ntools: Read\n",
        "--- # a\ntools: Read\n---\n",
        "---\rtools: Read\r---\rbe\r",
        "---\n  tools: Read\n---\n",
        "---\n{tools: Read}\n---\n",
        "---\n? tools\n: Read\n---\n",
        "---\n\"too\\u006cs\": Read\n---\n",
        "---\ntools: [Read\n---\n",
        "---\ndisallowedTools: *all\n---\n",
        "---\ndisallowedTools: {Bash: 1}\n---\n",
        "---\ndisallowedTools: Read\ndisallowedTools: Bash\n---\n",
        "---\ntools: \xff\n---\n",
        "---\nbase: &b\n  disallowedTools: Bash\n<<: *b\n---\n",
        "---\ndisallowedTools: \"B\\x61sh\"\n---\n",
        "---\ndisallowedTools:\n  - Read\n  - \"B\\x61sh\"\n---\n",
        "---\nisolation: cloud\n---\n",
        "---\nisolation: [worktree]\n---\n",
        "---\nisolation: worktree\nisolation: none\n---\n",
        "---\nisolation: *where\n---\n",
    };
    static const char *const folders[] = {"project/.drover", "project/.drover/agents",
                                          "extra/.drover", "extra/.drover/agents"};
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        tools_folder(tools, folders[i]);
    }
    tools_file(tools, "extra/.drover/agents/a.md", "all");
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        AUTO(agent_type_done) struct agent_type type = {.tools = 0};
        struct why why = {""};
        tools_file(tools, "project/.drover/agents/a.md", broken[i]);
        if (find(tools, "a", &type, &why).code != ERR_BAD_FIELD || type.instructions != NULL ||
            strstr(why.text, "project/.drover/agents/a.md") == NULL) {
            fail_msg("%s\n%s", broken[i], why.text);
        }
    }
    AUTO(agent_type_done) struct agent_type other = {.tools = 0};
    assert_int_equal(find(tools, "Plan", &other, NULL).code,
                     ERR_NONE); /* Others are as they were. */
}

static void links_out_of_the_folder_are_no_definitions(void **state) {
    struct tools *tools = *state;
    static const char *const folders[] = {"project/.claude", "project/.claude/agents",
                                          "project/.claude/agents/more"};
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        tools_folder(tools, folders[i]);
    }
    tools_file(tools, "project/.env", "SECRET=1");
    tools_file(tools, "project/.claude/agents/more/own.txt", "mine");
    tools_link(tools, "project/.claude/agents/linked.md", "../../.env");
    tools_link(tools, "project/.claude/agents/own.md", "more/own.txt");
    AUTO(agent_type_done) struct agent_type type = {.tools = 0};
    assert_int_equal(find(tools, "linked", &type, NULL).code, ERR_NOT_FOUND);
    assert_int_equal(find(tools, "own", &type, NULL).code, ERR_NONE);
    assert_string_equal(type.instructions, "mine");
}

static void other_files_of_a_folder_hide_no_definition(void **state) {
    struct tools *tools = *state;
    tools_folder(tools, "project/.claude");
    tools_folder(tools, "project/.claude/agents");
    char name[80];
    for (int i = 0; i < AGENT_TYPE_FILES_MAX + 20; i++) {
        (void)snprintf(name, sizeof name, "project/.claude/agents/%d.txt", i);
        tools_file(tools, name, "");
    }
    tools_file(tools, "project/.claude/agents/one.md", "found");
    AUTO(agent_type_done) struct agent_type type = {.tools = 0};
    assert_int_equal(find(tools, "one", &type, NULL).code, ERR_NONE);
    assert_string_equal(type.instructions, "found");
    for (int i = 0; i < AGENT_TYPE_FILES_MAX; i++) {
        (void)snprintf(name, sizeof name, "project/.claude/agents/%d.md", i);
        tools_file(tools, name, "");
    }
    struct why why = {""};
    AUTO(agent_type_done) struct agent_type none = {.tools = 0};
    assert_int_equal(find(tools, "Plan", &none, &why).code, ERR_BAD_FIELD);
    assert_non_null(strstr(why.text, "more than 500 files"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_tools_are_read_however_they_are_listed),
        cmocka_unit_test(a_value_of_front_matter_ends_where_the_next_key_begins),
        TOOLS_TEST(the_first_of_a_name_counts_and_a_stem_is_a_name),
        TOOLS_TEST(a_type_that_may_less_is_never_read_as_one_that_may_all),
        TOOLS_TEST(a_type_asks_for_a_working_tree_of_its_own),
        TOOLS_TEST(a_type_that_cannot_be_understood_is_refused_and_keeps_its_name),
        TOOLS_TEST(links_out_of_the_folder_are_no_definitions),
        TOOLS_TEST(other_files_of_a_folder_hide_no_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
