/* A call as text for the person who may allow it: nothing of it is hidden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "rules/approval/shown.h"

struct row {
    const char *tool, *arguments, *about, *shown;
};

static void rows_are_shown(const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        AUTO(text_done) struct text shown = text_up_to((size_t)2 * SHOWN_MAX);
        const struct row *row = &rows[i];
        const struct shown_call call = {bytes_of(row->tool), bytes_of(row->arguments),
                                        bytes_of(row->about)};
        shown_write(&call, &shown);
        assert_string_equal(shown.data, row->shown);
    }
}

static void a_command_is_shown_as_a_shell_quotes_it(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"run_command", "{\"args\":[\"-rf\",\"/srv/data\"],\"command\":\"rm\"}", "",
         "rm -rf /srv/data"},
        {"run_command", "{\"args\":[\"a b\",\"\",\"it's\",\"$X;y\",\"\\u65e5\"],\"command\":\"x\"}",
         "", "x 'a b' '' 'it'\\''s' '$X;y' '\u65e5'"},
        {"run_command", "{\"args\":[\"'\",\"''\"],\"command\":\"echo\"}", "",
         "echo ''\\''' ''\\'''\\'''"},
        {"run_command", "{\"command\":\"a; b\"}", "", "'a; b'"},
        {"run_job", "{\"args\":[\"K=1\"],\"command\":\"K=1\",\"timeout_ms\":5}", "",
         "'K=1' K=1\ntimeout_ms: 5"},
        {"run_command", "{\"args\":[\"-c\",\"true\\nrm -rf x\"],\"command\":\"sh\"}", "",
         "sh -c 'true\n> rm -rf x'"},
        {"Bash",
         "{\"command\":\"cd /srv && rm -rf \\\"data\\\"\\ncommand: ls\\n\","
         "\"dangerouslyDisableSandbox\":true,\"description\":\"Look\\nat it\"}",
         "",
         "cd /srv && rm -rf \"data\"\n> command: ls\n"
         "dangerouslyDisableSandbox: true\ndescription: Look\n> at it"},
        {"shell", "{\"command\":[\"bash\",\"-lc\",\"ls | wc\"]}", "", "bash -lc 'ls | wc'"},
        {"other", "{\"command\":\"stop\",\"args\":{\"a\":1}}", "", "stop\nargs: {\"a\":1}"},
        {"other", "{\"command\":7}", "", "command: 7"},
    };
    rows_are_shown(rows, COUNT_OF(rows));
}

static void what_is_invisible_is_written_out(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"Bash", "{\"command\":\"echo \\u202egnp.\\u2066\\u200b\\ufeff \\u200f\\u00ad#\"}", "",
         "echo \\u202egnp.\\u2066\\u200b\\ufeff \\u200f\\u00ad#"},
        {"Bash", "{\"command\":\"ls \\udb40\\udc41\\udb40\\udc7f x\"}", "",
         "ls \\U000e0041\\U000e007f x"},
        {"Bash", "{\"command\":\"rm x\\r\\u001b[2Kls\\t\\b\\u007f\\u0085\\u0000 \\ud83d\\ude00\"}",
         "", "rm x\\r\\u001b[2Kls\\t\\u0008\\u007f\\u0085\\u0000 \U0001f600"},
        {"other", "{\"a\\u202eb\":\"c\\u2028d\",\"n\":[\"\\u202e\"]}", "",
         "a\\u202eb: c\\u2028d\nn: [\"\\u202e\"]"},
        {"other", "no json \xff\x1b", "", "no json \\xff\\u001b"},
        {"other", "{}", "", "(no arguments)"},
        {"other", "", "", "(no arguments)"},
    };
    rows_are_shown(rows, COUNT_OF(rows));
}

static void an_edit_is_shown_as_its_change(void **state) {
    (void)state;
    static const char diff[] =
        "{\"subjects\":[\"b\"],\"diff\":\"--- /dev/null\\n+++ b\\n@@ -0,0 +1,2 @@\\n+\\tx\\u202e\\n"
        "+y\\n\",\"before\":\"\"}";
    static const struct row rows[] = {
        {"write_file", "{\"content\":\"\\tx\\u202e\\ny\\n\",\"path\":\"b\"}", diff,
         "b (new file)\n@@ -0,0 +1,2 @@\n+\tx\\u202e\n+y"},
        {"edit_file",
         "{\"new_text\":\"n\",\"old_text\":\"o\",\"path\":\"l/a\",\"replace_all\":true}",
         "{\"subjects\":[\"l/a\",\"/etc/a\"],\"diff\":\"--- l/a\\n+++ l/a\\n@@ -1 +1 "
         "@@\\n-o\\n+n\\n\"}",
         "l/a (leads to /etc/a)\n@@ -1 +1 @@\n-o\n+n\nreplace_all: true"},
        {"delete_file", "{\"path\":\"a\"}",
         "{\"subjects\":[\"a\"],\"diff\":\"--- a\\n+++ /dev/null\\n@@ -1 +0,0 @@\\n-o\\n\"}",
         "a (is deleted)\n@@ -1 +0,0 @@\n-o"},
        {"delete_file", "{\"path\":\"a\"}", "{\"subjects\":[\"a\",\"/b\"],\"diff\":\"\"}",
         "path: a (leads to /b)"},
        /* The texts of a call are whole where its diff is not. */
        {"write_file", "{\"content\":\"long\",\"path\":\"a\"}",
         "{\"diff\":\"--- a\\n+++ a\\n@@ -0,0 +1 @@\\n+lo [cut]\\n\",\"before\":\"x\"}",
         "a\n+long"},
        {"Edit",
         "{\"file_path\":\"/a.py\",\"old_string\":\"def f():\\n  a\\n  b\\nend\","
         "\"new_string\":\"def f():\\n  c\\n  b\\nend\",\"replace_all\":false}",
         "{\"subjects\":[\"/a.py\"],\"before\":\"x\"}",
         "/a.py\n def f():\n-  a\n+  c\n   b\n end\nreplace_all: false"},
        {"Edit", "{\"file_path\":\"a\",\"old_string\":\"x\\ny\",\"new_string\":\"x\\nzy\"}", "",
         "a\n x\n-y\n+zy"},
        {"Edit", "{\"file_path\":\"a\",\"old_string\":\"x\\n\",\"new_string\":\"\"}", "", "a\n-x"},
        {"Write", "{\"file_path\":\"a\",\"content\":\"one\\ntwo\\n\"}", "{\"before\":\"\"}",
         "a (new file)\n+one\n+two"},
        {"Write", "{\"file_path\":\"a\",\"content\":\"one\"}", "{\"before\":\"ab\"}",
         "a (replaces the whole file)\n+one"},
        {"MultiEdit",
         "{\"file_path\":\"a\",\"edits\":[{\"old_string\":\"x\",\"new_string\":\"y\"},"
         "{\"old_string\":\"p\",\"new_string\":\"q\",\"replace_all\":true}]}",
         "", "a\n@@ edit 1 of 2 @@\n-x\n+y\n@@ edit 2 of 2, each place @@\n-p\n+q"},
        {"MultiEdit", "{\"file_path\":\"a\",\"edits\":[{\"old_string\":\"x\"}]}", "",
         "a\nedits: [{\"old_string\":\"x\"}]"},
        {"NotebookEdit",
         "{\"notebook_path\":\"n.ipynb\",\"cell_id\":\"c1\",\"new_source\":\"p()\","
         "\"edit_mode\":\"insert\"}",
         "{\"before\":null}", "n.ipynb\n+p()\ncell_id: c1\nedit_mode: insert"},
        {"Edit", "{\"file_path\":\"a\",\"old_string\":\"x\",\"new_string\":7}", "",
         "a\n-x\nnew_string: 7"},
    };
    rows_are_shown(rows, COUNT_OF(rows));
}

static void other_calls_are_names_and_values(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"ask_user",
         "{\"multi\":true,\"options\":[\"sheep\",{\"label\":\"goats\"}],"
         "\"question\":\"Which\\nherd?\"}",
         "", "Which\nherd?\n  1) sheep\n  2) goats\nmulti: true"},
        {"request_access", "{\"access\":\"write\",\"path\":\"/l\",\"reason\":\"why\"}",
         "{\"grant\":{\"path\":\"/real\",\"access\":\"write\"}}",
         "write access to /real\npath: /l\nreason: why"},
        {"web_fetch", "{\"url\":\"https://example.org/?a=b\"}", "",
         "url: https://example.org/?a=b"},
        {"mcp__x", "{\"a\":{\"b\":[1,null]},\"n\":1.5,\"on\":true,\"text\":\"one\\non: false\"}",
         "", "n: 1.5\non: true\ntext: one\n> on: false\na: {\"b\":[1,null]}"},
    };
    rows_are_shown(rows, COUNT_OF(rows));
}

static void a_huge_call_ends_with_what_is_not_shown(void **state) {
    (void)state;
    enum { LINES = 30000 };
    AUTO(text_done) struct text arguments = text_up_to(1 << 20);
    AUTO(text_done) struct text shown = text_up_to((size_t)2 * SHOWN_MAX);
    text_add_str(&arguments, "{\"command\":\"rm -rf /srv\\n");
    for (int i = 0; i < LINES; i++) {
        text_add_str(&arguments, i + 1 < LINES ? "\\u65e5\\n" : "last");
    }
    text_add_str(&arguments, "\",\"timeout\":7}");
    const struct shown_call call = {BYTES("Bash"), text_bytes(&arguments), BYTES("")};
    shown_write(&call, &shown);
    assert_true(shown.len <= SHOWN_MAX && shown.len > SHOWN_MAX / 2);
    assert_true(utf8_valid(shown.data, shown.len));
    assert_true(bytes_begin(text_bytes(&shown), BYTES("rm -rf /srv\n> \u65e5\n> ")));
    size_t lines = 0;
    struct bytes rest = text_bytes(&shown), line;
    while (bytes_next(&rest, '\n', &line) && !bytes_begin(line, BYTES("\u2026"))) {
        lines++;
    }
    AUTO(text_done) struct text mark = text_up_to(200);
    text_addf(&mark, "\u2026 %zu more lines (", LINES + 1 - lines);
    assert_true(bytes_begin(line, text_bytes(&mark)));
    assert_string_equal(rest.data, "timeout: 7");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_shown_as_a_shell_quotes_it),
        cmocka_unit_test(what_is_invisible_is_written_out),
        cmocka_unit_test(an_edit_is_shown_as_its_change),
        cmocka_unit_test(other_calls_are_names_and_values),
        cmocka_unit_test(a_huge_call_ends_with_what_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
