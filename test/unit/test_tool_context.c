/* What a project tells its agents. */
#include "tool_kit.h"

#include "tool/context_files.h"

static struct context_place place_of(const struct tools *tools, const char *cwd) {
    return (struct context_place){.root = tools->project, .cwd = cwd, .home = tools->extra};
}

static void the_nearest_instructions_come_first(void **state) {
    struct tools *tools = *state;
    tools_folder(tools, "project/a");
    tools_folder(tools, "project/a/b");
    tools_file(tools, "project/AGENTS.md", "top\n");
    tools_link(tools, "project/CLAUDE.md", "AGENTS.md"); /* The usual pair: told once. */
    tools_file(tools, "project/a/b/CLAUDE.md", "near\n");
    tools_file(tools, "project/a/AGENTS.md", "middle\n");
    tools_file(tools, "project/a/CLAUDE.md", "middle, too\n");
    struct context_place place = place_of(tools, "a/b");
    AUTO(context_files_done) struct context_files files;
    assert_int_equal(context_files_read(&place, &files).code, ERR_NONE);
    static const char *const expected[][2] = {{"a/b/CLAUDE.md", "near\n"},
                                              {"a/AGENTS.md", "middle\n"},
                                              {"a/CLAUDE.md", "middle, too\n"},
                                              {"AGENTS.md", "top\n"}};
    assert_int_equal(files.count, COUNT_OF(expected));
    for (size_t i = 0; i < files.count; i++) {
        assert_string_equal(files.files[i].path, expected[i][0]);
        assert_string_equal(files.files[i].text, expected[i][1]);
    }
    assert_int_equal(files.warnings.len, 0);
}

static void links_that_lead_out_and_odd_files_are_left_out(void **state) {
    struct tools *tools = *state;
    tools_link(tools, "project/AGENTS.md", "../outside/secret");
    tools_put(tools, "project/CLAUDE.md", "a\0b", 3);
    struct context_place place = place_of(tools, "");
    AUTO(context_files_done) struct context_files files;
    assert_int_equal(context_files_read(&place, &files).code, ERR_NONE);
    assert_int_equal(files.count, 0);
    assert_non_null(strstr(files.warnings.data, "AGENTS.md is left out"));
    assert_non_null(strstr(files.warnings.data, "CLAUDE.md is left out"));
}

static void long_instructions_are_cut_between_characters(void **state) {
    struct tools *tools = *state;
    AUTO(mem_release) char *text = mem_new(CONTEXT_FILE_MAX + 100);
    for (size_t i = 0; i < CONTEXT_FILE_MAX + 90; i += 3) {
        memcpy(text + i, "\xE2\x82\xAC", 3);
    }
    tools_put(tools, "project/AGENTS.md", text, CONTEXT_FILE_MAX + 91);
    struct context_place place = place_of(tools, "");
    AUTO(context_files_done) struct context_files files;
    assert_int_equal(context_files_read(&place, &files).code, ERR_NONE);
    assert_int_equal(files.count, 1);
    assert_true(files.files[0].cut);
    assert_int_equal(files.files[0].len, CONTEXT_FILE_MAX - CONTEXT_FILE_MAX % 3);
    assert_non_null(strstr(files.warnings.data, "is cut after"));
}

static void make_skills(struct tools *tools) {
    tools_folder(tools, "project/.drover");
    tools_folder(tools, "project/.drover/skills");
    tools_folder(tools, "project/.drover/skills/review");
    tools_file(tools, "project/.drover/skills/review/SKILL.md",
               "---\nname: Review\ndescription: \"Looks at changes.\"\n---\nLook at them.\n");
    tools_file(tools, "project/.drover/skills/review/list.txt", "x");
    tools_folder(tools, "project/.claude");
    tools_folder(tools, "project/.claude/skills");
    tools_folder(tools, "project/.claude/skills/deploy");
    tools_file(tools, "project/.claude/skills/deploy/SKILL.md",
               "---\ndescription: >\n  Ships it,\n  in two lines.\nother: 1\n---\nShip.\n");
    tools_folder(tools, "project/.claude/skills/review");
    tools_file(tools, "project/.claude/skills/review/SKILL.md", "hidden by the first\n");
    tools_link(tools, "project/.claude/skills/outside", "../../../outside");
    tools_folder(tools, "extra/.claude");
    tools_folder(tools, "extra/.claude/skills");
    tools_folder(tools, "extra/.claude/skills/mine");
    tools_file(tools, "extra/.claude/skills/mine/SKILL.md", "---\nno end\n");
    tools_file(tools, "outside/SKILL.md", "the secret\n");
}

static void skills_are_listed_by_name_and_loaded(void **state) {
    struct tools *tools = *state;
    make_skills(tools);
    struct context_place place = place_of(tools, "");
    AUTO(skills_done) struct skills skills;
    assert_int_equal(skills_list(&place, &skills).code, ERR_NONE);
    AUTO(text_done) struct text text;
    text_init(&text, 64 << 10);
    skills_write(&skills, &text);
    assert_string_equal(text.data, "- deploy: Ships it, in two lines.\n- mine\n"
                                   "- review: Looks at changes.\n");
    assert_string_equal(skills.items[1].folder, "~/.claude/skills/mine");
    assert_non_null(strstr(skills.warnings.data, "outside is left out"));
    text_clear(&text);
    struct why why = {.text = ""};
    assert_int_equal(skill_load(&place, "review", &text, &why).code, ERR_NONE);
    assert_string_equal(text.data, "Look at them.\n\nBeside it: .drover/skills/review/list.txt\n");
    text_clear(&text);
    assert_int_equal(skill_load(&place, "mine", &text, &why).code, ERR_NONE);
    assert_string_equal(text.data, "---\nno end\n");
    static const char *const wrong[] = {"../review", "outside", "", ".", "reviw", "review/.."};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        text_clear(&text);
        assert_int_equal(skill_load(&place, wrong[i], &text, &why).code, ERR_NOT_FOUND);
        assert_int_equal(text.len, 0);
    }
    assert_int_equal(skill_load(&place, "reviw", &text, &why).code, ERR_NOT_FOUND);
    assert_non_null(strstr(why.text, "did you mean review?"));
    tools_refuse(tools, "load_skill", "{\"name\":\"reviw\"}", "did you mean review?");
    tools->place.home = tools->extra;
    tools_expect(tools, "load_skill", "{\"name\":\"mine\"}", "---\nno end\n");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        TOOLS_TEST(the_nearest_instructions_come_first),
        TOOLS_TEST(links_that_lead_out_and_odd_files_are_left_out),
        TOOLS_TEST(long_instructions_are_cut_between_characters),
        TOOLS_TEST(skills_are_listed_by_name_and_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
