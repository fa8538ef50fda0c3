/* Tasks in files of other tools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rules/board/import.h"
#include "rules/board/task.h"

static void assert_ok(struct err err) {
    assert_int_equal(err.code, ERR_OK.code);
}

static void assert_err(struct err err, int code) {
    assert_int_equal((int)err.code, code);
}

/* "TITLE|TYPE|PRIORITY|ABOUT<AFTER,AFTER" of each task, in order; or the refusal. */
static void assert_import(const char *name, const char *file, const char *wanted) {
    AUTO(json_release) json_t *list = json_array();
    AUTO(text_done) struct text seen = text_up_to(64 << 10);
    struct why why = {""};
    size_t i = 0, j = 0;
    json_t *task = NULL, *after = NULL;
    struct err err = board_import_read(name, bytes_of(file), list, &why);
    err = err_failed(err) ? err : board_import_order(list, &why);
    if (err_failed(err)) {
        text_add_str(&seen, why.text);
    } else {
        json_array_foreach(list, i, task) {
            text_addf(&seen, "%s|%s|%d|%s", json_str(task, "title", ""), json_str(task, "type", ""),
                      (int)json_integer_value(json_object_get(task, "priority")),
                      json_str(task, "description", ""));
            json_array_foreach(json_object_get(task, "after"), j, after) {
                size_t at = 0;
                json_t *other = NULL;
                json_array_foreach(list, at, other) {
                    if (json_equal(json_object_get(other, "source"), after)) {
                        text_addf(&seen, "<%s", json_str(other, "title", ""));
                    }
                }
            }
            text_add_char(&seen, '\n');
        }
    }
    assert_string_equal(text_bytes(&seen).data, wanted);
}

static void a_checklist_with_what_stands_below_its_items(void **state) {
    (void)state;
    assert_import("plan.md",
                  "# Parser\n\n- [ ] Write it\n  It reads\n  lines.\n  - [ ] Numbers\n"
                  "  - [x] Strings\n  - [ ] Comments\n    ```\n    - [ ] not this\n    ```\n"
                  "- [x] Set up\n* [ ] Release\n\n## Later\n1. [ ] Numbers\n2) [ ] Numbers\n"
                  "- no box\n- [y] no box\n",
                  "Numbers|general|5|\n"
                  "Comments|general|5|```\n- [ ] not this\n```\n"
                  "Write it|general|5|It reads\nlines.<Numbers<Comments\n"
                  "Release|general|5|\nNumbers|general|5|\nNumbers|general|5|\n");
    assert_import("a/n.md", "nothing",
                  "'a/n.md' has no tasks: a Markdown list with boxes (\"- [ ] Fix it\"), issues as "
                  "GitHub's JSON, .beads/issues.jsonl and tasks of Claude Code are read");
    assert_import("n.md", "- [x] Done\n", "");
}

/* Items of one name have sources of their own, which are the same when the file is read again. */
static void a_task_has_the_same_source_when_its_file_is_read_again(void **state) {
    static const char file[] = "- [ ] A\n- [ ] A\n  - [ ] A\n# B\n- [ ] A\n";
    AUTO(json_release) json_t *first = json_array();
    AUTO(json_release) json_t *second = json_array();
    struct why why = {""};
    (void)state;
    assert_ok(board_import_read("x/plan.md", bytes_of(file), first, &why));
    assert_ok(board_import_read("plan.md", bytes_of(file), second, &why));
    assert_int_equal(json_array_size(first), 4);
    assert_true(json_equal(first, second));
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_false(json_equal(json_object_get(json_array_get(first, i), "source"),
                                    json_object_get(json_array_get(first, j), "source")));
        }
    }
    assert_int_equal(json_array_extend(first, second), 0);
    assert_ok(board_import_order(first, &why)); /* A file that is named twice is read once. */
    assert_int_equal(json_array_size(first), 4);
}

static void issues_beads_and_tasks_of_claude_code(void **state) {
    (void)state;
    assert_import("i.json",
                  "[{\"number\":7,\"title\":\"Crash\",\"body\":\"It does\",\"state\":\"OPEN\","
                  "\"labels\":[{\"name\":\"x\"},{\"name\":\"bug\"}],\"url\":\"https://x/7\"},"
                  "{\"number\":8,\"title\":\"Old\",\"state\":\"CLOSED\"},"
                  "{\"number\":9,\"title\":\"Merge\",\"state\":\"open\",\"pull_request\":{}}]",
                  "Crash|bug|5|It does\n");
    assert_import("b.jsonl",
                  "{\"id\":\"bd-1\",\"title\":\"A\",\"status\":\"open\",\"priority\":0,"
                  "\"issue_type\":\"task\",\"dependencies\":[{\"depends_on_id\":\"bd-2\",\"type\":"
                  "\"blocks\"},{\"depends_on_id\":\"bd-3\",\"type\":\"blocks\"},"
                  "{\"depends_on_id\":\"bd-2\",\"type\":\"related\"}]}\n\n"
                  "{\"id\":\"bd-2\",\"title\":\"B\",\"priority\":4}\n"
                  "{\"id\":\"bd-3\",\"title\":\"C\",\"status\":\"closed\"}\n",
                  "B|general|1|\nA|task|9|<B\n");
    assert_import("list/1.json",
                  "{\"id\":\"1\",\"subject\":\"One\",\"description\":\"d\",\"status\":\"pending\","
                  "\"blockedBy\":[\"9\"]}",
                  "One|general|5|d\n");
}

static void what_is_no_list_of_tasks_is_refused_with_a_sentence(void **state) {
    (void)state;
    assert_import("c.jsonl",
                  "{\"id\":\"x\",\"title\":\"A\",\"dependencies\":[{\"depends_on_id\":\"y\","
                  "\"type\":\"blocks\"}]}\n{\"id\":\"y\",\"title\":\"B\",\"dependencies\":"
                  "[{\"depends_on_id\":\"x\",\"type\":\"blocks\"}]}\n",
                  "the tasks wait for each other: 'A' is one of them");
    assert_import("n.json", "[{\"a\":1}]",
                  "'n.json' is JSON, but holds no issues of GitHub (\"number\", \"title\"), no "
                  "beads (\"id\", \"title\") and no tasks of Claude Code (\"id\", \"subject\")");
    assert_import("n.json", "{\"id\":\"\",\"title\":\"A\"}",
                  "a task of the file has no id of 1 to 194 bytes");
    assert_import("n.md", "- [ ] \xff", "'n.md' is no text in UTF-8");
    assert_import("w.json", "{\"id\":\"1\",\"subject\":\"A\",\"blockedBy\":[\"2\",\"3\"]}",
                  "A|general|5|\n"); /* The command asks for those of other files. */
    AUTO(text_done) struct text deep = text_up_to(64 << 10), many = text_up_to(64 << 10);
    AUTO(json_release) json_t *list = json_array();
    struct why why = {""};
    for (int i = 0; i <= IMPORT_DEPTH_MAX; i++) {
        text_addf(&deep, "%*s- [ ] item %d\n", 2 * i, "", i);
    }
    assert_err(board_import_read("d.md", text_bytes(&deep), list, &why), ERR_BAD_FIELD);
    assert_string_equal(why.text, "'item 16' stands more than 16 items deep");
    for (int i = 0; i <= IMPORT_TASKS_MAX; i++) {
        text_addf(&many, "- [ ] item %d\n", i);
    }
    assert_err(board_import_read("m.md", text_bytes(&many), list, &why), ERR_BAD_FIELD);
    assert_string_equal(why.text, "more than 1000 tasks are too many for one import");
    AUTO(text_done) struct text waits = text_up_to(64 << 10);
    AUTO(json_release) json_t *one = json_array();
    text_add_str(&waits, "- [ ] All\n");
    for (int i = 0; i <= TASK_NEEDS_MAX; i++) {
        text_addf(&waits, "  - [ ] part %d\n", i);
    }
    assert_ok(board_import_read("w.md", text_bytes(&waits), one, &why));
    assert_err(board_import_order(one, &why), ERR_BAD_FIELD);
    assert_string_equal(why.text, "'All' waits for more than 100 tasks");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checklist_with_what_stands_below_its_items),
        cmocka_unit_test(a_task_has_the_same_source_when_its_file_is_read_again),
        cmocka_unit_test(issues_beads_and_tasks_of_claude_code),
        cmocka_unit_test(what_is_no_list_of_tasks_is_refused_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
