/* What a model may do with files, and what it is told. */
#include "scale.h"
#include "tool/file/content.h"
#include "tool_kit.h"

/* --- Reading ---------------------------------------------------------------------------------- */

static void lines_come_with_their_numbers(void **state) {
    struct tools *tools = *state;
    tools_file(tools, "project/a.txt", "one\ntwo\nthree");
    tools_expect(tools, "read_file", "{\"path\":\"a.txt\"}",
                 "a.txt, lines 1 to 3 of 3\n1\tone\n2\ttwo\n3\tthree\n");
    tools_expect(tools, "read_file", "{\"path\":\"./a.txt\",\"line\":2,\"lines\":1}",
                 "a.txt, lines 2 to 2 of 3\n2\ttwo\n[1 more lines; the next is line 3]\n");
    tools_expect(tools, "read_file", "{\"path\":\"a.txt\",\"line\":9}",
                 "a.txt: nothing at these lines; it has 3 lines\n");
    tools_file(tools, "project/empty", "");
    tools_expect(tools, "read_file", "{\"path\":\"empty\"}",
                 "empty: the file is empty; it has 0 lines\n");
    tools_file(tools, "project/blank", "\n\nx\n");
    tools_expect(tools, "read_file", "{\"path\":\"blank\"}",
                 "blank, lines 1 to 3 of 3\n1\t\n2\t\n3\tx\n");
}

static void a_long_line_is_cut_and_its_rest_is_readable(void **state) {
    struct tools *tools = *state;
    char line[5001];
    memset(line, 'a', 5000);
    line[5000] = '\0';
    tools_file(tools, "project/long", line);
    AUTO(mem_release)
    struct tools_answer *answer = tools_call(tools, "read_file", "{\"path\":\"long\"}");
    assert_non_null(strstr(answer->content, "[cut: the line has 5000 bytes]"));
    assert_non_null(strstr(answer->content, "begins at byte 2000]"));
    AUTO(mem_release)
    struct tools_answer *rest = tools_call(tools, "read_file", "{\"path\":\"long\",\"byte\":2000}");
    assert_non_null(strstr(rest->content, "3000 bytes from byte 2000 of 5000\naaa"));
    assert_null(strstr(rest->content, "[more"));
}

static void a_large_file_is_read_in_parts_without_a_gap(void **state) {
    struct tools *tools = *state;
    char *text = mem_new(400000);
    size_t len = 0;
    for (int i = 1; i <= 20000; i++) {
        len += (size_t)snprintf(text + len, 400000 - len, "line %d of it\n", i);
    }
    tools_put(tools, "project/large", text, len);
    mem_free(text);
    int next = 1, calls = 0;
    while (next <= 20000) {
        char arguments[100];
        (void)snprintf(arguments, sizeof arguments,
                       "{\"path\":\"large\",\"line\":%d,\"lines\":5000}", next);
        AUTO(mem_release)
        struct tools_answer *answer = tools_call(tools, "read_file", arguments);
        char *at = strchr(answer->content, '\n') + 1;
        for (char expected[64];; next++) {
            (void)snprintf(expected, sizeof expected, "%d\tline %d of it\n", next, next);
            if (strncmp(at, expected, strlen(expected)) != 0) {
                break;
            }
            at += strlen(expected);
        }
        assert_in_range(++calls, 1, 20);
    }
    assert_int_equal(next, 20001);
}

static void what_is_no_text_is_said_to_be_none(void **state) {
    struct tools *tools = *state;
    tools_put(tools, "project/binary", "ab\0cd", 5);
    tools_refuse(tools, "read_file", "{\"path\":\"binary\"}", "is not text (5 bytes");
    tools_expect(tools, "read_file", "{\"path\":\"binary\",\"byte\":1}",
                 "binary, 4 bytes from byte 1 of 5\nb\xEF\xBF\xBD"
                 "cd");
    tools_put(tools, "project/latin", "gr\xFC\xDF", 4);
    tools_expect(tools, "read_file", "{\"path\":\"latin\"}",
                 "latin, lines 1 to 1 of 1\n1\tgr\xEF\xBF\xBD\xEF\xBF\xBD\n");
}

/* --- Listing and searching -------------------------------------------------------------------- */

static void make_tree(struct tools *tools) {
    tools_folder(tools, "project/src");
    tools_folder(tools, "project/src/deep");
    tools_folder(tools, "project/.git");
    tools_file(tools, "project/.git/config", "needle\n");
    tools_file(tools, "project/README.md", "read me\n");
    tools_file(tools, "project/src/a.c", "int a;\nint needle;\nint b;\n");
    tools_file(tools, "project/src/deep/b.c", "needle\nx\nneedle\n");
    tools_file(tools, "project/src/deep/b.h", "Needle\n");
    tools_put(tools, "project/src/data", "needle\0", 7);
    tools_link(tools, "project/link", "../outside");
}

static void a_folder_is_listed_in_order(void **state) {
    struct tools *tools = *state;
    make_tree(tools);
    tools_expect(tools, "list_files", "{}",
                 "README.md  8\nlink  (link)\nsrc/\n"
                 "[1 names are not shown: denied, or not readable]\n");
    tools_expect(tools, "list_files", "{\"path\":\"src\",\"depth\":9}",
                 "src/a.c  26\nsrc/data  7\nsrc/deep/\nsrc/deep/b.c  16\nsrc/deep/b.h  7\n");
    tools_expect(tools, "list_files", "{\"glob\":\"**/*.c\",\"path\":\"src\"}",
                 "src/a.c  26\nsrc/deep/b.c  16\n");
    tools_expect(tools, "list_files", "{\"path\":\"src\",\"depth\":9,\"limit\":2}",
                 "src/a.c  26\nsrc/data  7\n[more: go on with after = \"src/data\"]\n");
    tools_expect(tools, "list_files",
                 "{\"path\":\"src\",\"depth\":9,\"limit\":2,\"after\":\"src/data\"}",
                 "src/deep/\nsrc/deep/b.c  16\n[more: go on with after = \"src/deep/b.c\"]\n");
    tools_expect(tools, "list_files",
                 "{\"path\":\"src\",\"depth\":9,\"limit\":2,\"after\":\"src/deep/b.c\"}",
                 "src/deep/b.h  7\n");
    tools_expect(tools, "list_files", "{\"path\":\".git\"}", ".git/config  7\n");
    tools_expect(tools, "list_files", "{\"glob\":\"*.zig\",\"path\":\"src\"}",
                 "src: nothing that matches\n");
}

static void lines_are_found_with_their_neighbours(void **state) {
    struct tools *tools = *state;
    make_tree(tools);
    tools_expect(tools, "search_files", "{\"pattern\":\"needle\",\"path\":\"src\"}",
                 "3 matches in 3 files\nsrc/a.c:2:int needle;\nsrc/deep/b.c:1:needle\n"
                 "src/deep/b.c:3:needle\n[1 files are no text, too large or not readable]\n");
    tools_expect(tools, "search_files",
                 "{\"pattern\":\"needle\",\"path\":\"src\",\"glob\":\"*.h\",\"ignore_case\":true}",
                 "1 matches in 1 files\nsrc/deep/b.h:1:Needle\n");
    tools_expect(tools, "search_files",
                 "{\"pattern\":\"needle\",\"path\":\"src/a.c\",\"context\":1}",
                 "1 matches in 1 files\nsrc/a.c-1-int a;\nsrc/a.c:2:int needle;\n"
                 "src/a.c-3-int b;\n");
    tools_expect(tools, "search_files",
                 "{\"pattern\":\"needle\",\"path\":\"src/deep\",\"context\":1}",
                 "2 matches in 2 files\nsrc/deep/b.c:1:needle\nsrc/deep/b.c-2-x\n"
                 "src/deep/b.c:3:needle\n");
    tools_expect(tools, "search_files", "{\"pattern\":\"needle\",\"path\":\"src\",\"limit\":1}",
                 "1 matches in 2 files so far\nsrc/a.c:2:int needle;\n"
                 "[more matches: narrow path or glob, or go on with after = \"src/a.c\"]\n"
                 "[1 files are no text, too large or not readable]\n");
    tools_expect(tools, "search_files",
                 "{\"pattern\":\"needle\",\"path\":\"src\",\"after\":\"src/a.c\"}",
                 "2 matches in 2 files\nsrc/deep/b.c:1:needle\nsrc/deep/b.c:3:needle\n"
                 "[1 files are no text, too large or not readable]\n");
    tools_refuse(tools, "search_files", "{\"pattern\":\"(\"}", "pattern: ");
}

static void a_pattern_that_explodes_is_too_expensive_and_no_match(void **state) {
    struct tools *tools = *state;
    char line[30000];
    memset(line, 'a', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    tools_file(tools, "project/aaa", line);
    tools->place.deadline_ns = world_mono_ns(world_real()) + (uint64_t)scaled_ms(300) * 1000000;
    AUTO(mem_release)
    struct tools_answer *answer =
        tools_call(tools, "search_files", "{\"pattern\":\"(a+)+[bc]\",\"path\":\"aaa\"}");
    assert_non_null(strstr(answer->content, "too expensive"));
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void a_file_is_made_with_its_folders(void **state) {
    struct tools *tools = *state;
    AUTO(mem_release)
    struct tools_answer *answer = tools_call(
        tools, "write_file", "{\"path\":\"new/deep/a.txt\",\"content\":\"one\\ntwo\\n\"}");
    assert_string_equal(answer->content, "made new/deep/a.txt: 8 bytes, +2 -0 lines\n");
    assert_string_equal(answer->diff, "--- /dev/null\n+++ new/deep/a.txt\n@@ -0,0 +1,2 @@\n"
                                      "+one\n+two\n");
    assert_string_equal(answer->before, "");
    assert_string_equal(tools_content(tools, "project/new/deep/a.txt").text, "one\ntwo\n");
    tools_expect(tools, "write_file", "{\"path\":\"./other//deep/./a.txt\",\"content\":\"x\\n\"}",
                 "made other/deep/a.txt: 2 bytes, +1 -0 lines\n");
}

static void a_file_is_replaced_and_keeps_its_mode(void **state) {
    struct tools *tools = *state;
    tools_file(tools, "project/run.sh", "old\n");
    char path[256];
    tools_path(tools, "project/run.sh", path, sizeof path);
    assert_int_equal(chmod(path, 0750), 0);
    AUTO(mem_release)
    struct tools_answer *answer =
        tools_call(tools, "write_file", "{\"path\":\"run.sh\",\"content\":\"new\\n\"}");
    assert_string_equal(answer->diff, "--- run.sh\n+++ run.sh\n@@ -1,1 +1,1 @@\n-old\n+new\n");
    assert_int_equal(strlen(answer->before), 64);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0750);
    tools_expect(tools, "write_file", "{\"path\":\"run.sh\",\"content\":\"new\\n\"}",
                 "run.sh has exactly this content already; nothing was changed\n");
    assert_int_equal(chmod(path, 0444), 0);
    tools_refuse(tools, "write_file", "{\"path\":\"run.sh\",\"content\":\"x\"}", "read-only");
    assert_string_equal(tools_content(tools, "project/run.sh").text, "new\n");
}

static void a_link_within_the_project_is_written_through(void **state) {
    struct tools *tools = *state;
    tools_file(tools, "project/AGENTS.md", "old\n");
    tools_link(tools, "project/CLAUDE.md", "AGENTS.md");
    AUTO(mem_release)
    struct tools_answer *answer =
        tools_call(tools, "write_file", "{\"path\":\"CLAUDE.md\",\"content\":\"new\\n\"}");
    assert_false(answer->failed);
    assert_string_equal(tools_content(tools, "project/AGENTS.md").text, "new\n");
    char path[256], target[64] = "";
    tools_path(tools, "project/CLAUDE.md", path, sizeof path);
    assert_int_equal(readlink(path, target, sizeof target), 9);
    /* Removing it removes the link alone. */
    tools_expect(tools, "delete_file", "{\"path\":\"CLAUDE.md\"}", "removed CLAUDE.md (9 bytes)\n");
    assert_int_equal(readlink(path, target, sizeof target), -1);
    assert_string_equal(tools_content(tools, "project/AGENTS.md").text, "new\n");
}

static void a_file_is_removed(void **state) {
    struct tools *tools = *state;
    tools_file(tools, "project/a", "x\n");
    AUTO(mem_release)
    struct tools_answer *answer = tools_call(tools, "delete_file", "{\"path\":\"a\"}");
    assert_string_equal(answer->content, "removed a (2 bytes)\n");
    assert_string_equal(answer->diff, "--- a\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x\n");
    assert_string_equal(tools_content(tools, "project/a").text, "(none)");
    tools_refuse(tools, "delete_file", "{\"path\":\"a\"}", "there is no \"a\"");
    tools_folder(tools, "project/folder");
    tools_refuse(tools, "delete_file", "{\"path\":\"folder\"}", "is not a file");
}

static unsigned folders_fail; /* Syncs of folders that fail from now on. */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    struct stat about;
    if (folders_fail > 0 && fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
        folders_fail--;
        errno = ENOSPC;
        return -1;
    }
    return __real_fsync(fd);
}

static void a_change_that_is_not_confirmed_is_told_as_the_change_that_it_is(void **state) {
    static const char old[] = "may bring the old one back";
    struct tools *tools = *state;
    tools_file(tools, "project/a", "old\n");
    const struct {
        const char *tool, *arguments, *says, *then;
    } calls[] = {
        {"write_file", "{\"path\":\"a\",\"content\":\"new\\n\"}", "changed a: 4 bytes", "new\n"},
        {"edit_file", "{\"path\":\"a\",\"old_text\":\"new\",\"new_text\":\"newer\"}",
         "edited a: 1 place", "newer\n"},
        {"delete_file", "{\"path\":\"a\"}", "removed a (6 bytes)", "(none)"},
    };
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        folders_fail = 1;
        AUTO(mem_release)
        struct tools_answer *answer = tools_call(tools, calls[i].tool, calls[i].arguments);
        assert_int_equal(folders_fail, 0);
        assert_false(answer->failed);
        assert_non_null(strstr(answer->content, calls[i].says));
        assert_non_null(strstr(answer->content, old));
        assert_null(strstr(answer->content, "nothing was changed"));
        assert_string_equal(tools_content(tools, "project/a").text, calls[i].then);
    }
}

/* --- Editing ---------------------------------------------------------------------------------- */

struct edit_row {
    const char *file, *arguments, *after, *told; /* after NULL: refused, and told says so. */
};
static const struct edit_row edits[] = {
    {"one\ntwo\nthree\n", "\"old_text\":\"two\",\"new_text\":\"2\"", "one\n2\nthree\n", "1 place,"},
    {"a\na\n", "\"old_text\":\"a\",\"new_text\":\"b\"", NULL, "2 times (lines 1, 2)"},
    {"a\na\n", "\"old_text\":\"a\",\"new_text\":\"b\",\"replace_all\":true", "b\nb\n", "2 places"},
    {"a\n", "\"old_text\":\"zz\",\"new_text\":\"b\"", NULL, "was not found in"},
    {"a\n", "\"old_text\":\"a\",\"new_text\":\"a\"", NULL, "the same"},
    /* Blanks: indentation is the file's. */
    {"if (x) {\n        y();\n        z();\n}\n",
     "\"old_text\":\"    y();\\n    z();\",\"new_text\":\"    y(1);\\n    if (q)\\n      z();\"",
     "if (x) {\n        y(1);\n        if (q)\n          z();\n}\n", "but for blanks"},
    {"a  =  1;\t\nb\n", "\"old_text\":\"a = 1;\\nb\",\"new_text\":\"a = 2;\\nb\"", "a = 2;\nb\n",
     "but for blanks"},
    {"x = 1\n x =  1\n", "\"old_text\":\"x  = 1\",\"new_text\":\"x = 2\"", NULL, "2 times"},
    /* Line ends. */
    {"one\r\ntwo\r\nthree\r\n", "\"old_text\":\"two\",\"new_text\":\"2\\n2b\"",
     "one\r\n2\r\n2b\r\nthree\r\n", "1 place"},
    {"one\r\ntwo\r\nthree\r\n", "\"old_text\":\"one\\ntwo\",\"new_text\":\"1\\n2\"",
     "1\r\n2\r\nthree\r\n", "but for blanks"},
    /* Where it may have been meant. */
    {"a\nb\nc\n", "\"old_text\":\"b\\nx\",\"new_text\":\"y\"", NULL, "first line is at line 2"},
    {"aaa", "\"old_text\":\"aa\",\"new_text\":\"b\"", "ba", "1 place"},
    {"a\nb\n", "\"old_text\":\"b\\n\",\"new_text\":\"\"", "a\n", "1 place"},
};

static void edits_are_exact_or_unmistakable(void **state) {
    struct tools *tools = *state;
    for (size_t i = 0; i < COUNT_OF(edits); i++) {
        tools_file(tools, "project/f", edits[i].file);
        char arguments[512];
        (void)snprintf(arguments, sizeof arguments, "{\"path\":\"f\",%s}", edits[i].arguments);
        AUTO(mem_release) struct tools_answer *answer = tools_call(tools, "edit_file", arguments);
        const char *after = edits[i].after == NULL ? edits[i].file : edits[i].after;
        struct tools_content content = tools_content(tools, "project/f");
        if (strcmp(content.text, after) != 0 || strstr(answer->content, edits[i].told) == NULL ||
            answer->failed != (edits[i].after == NULL)) {
            fail_msg("%s: \"%s\", %s", arguments, content.text, answer->content);
        }
    }
}

/* --- Approvals -------------------------------------------------------------------------------- */

static void a_look_shows_and_changes_nothing(void **state) {
    struct tools *tools = *state;
    tools_file(tools, "project/a", "old\n");
    AUTO(tool_call_done) struct tool_call call = {0};
    assert_int_equal(
        tools_read(tools, "write_file", "{\"path\":\"x/../a\",\"content\":\"new\\n\"}", &call),
        ERR_NONE);
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    assert_int_equal(tool_look(&call, &tools->place, &look).code, ERR_NONE);
    /* The folder x is not there: the kernel does not go up from it. */
    assert_true(look.refusal.len > 0 || look.subject_count > 0);
    AUTO(tool_call_done) struct tool_call plain = {0};
    assert_int_equal(
        tools_read(tools, "write_file", "{\"path\":\"./a\",\"content\":\"new\\n\"}", &plain),
        ERR_NONE);
    AUTO(tool_look_done) struct tool_look seen;
    tool_look_init(&seen);
    assert_int_equal(tool_look(&plain, &tools->place, &seen).code, ERR_NONE);
    assert_int_equal(seen.subject_count, 1);
    assert_string_equal(seen.subjects[0].data, "a");
    assert_non_null(strstr(seen.diff.data, "-old\n+new\n"));
    assert_int_equal(strlen(seen.before.text), 64);
    assert_string_equal(tools_content(tools, "project/a").text, "old\n");
    /* Somebody else changes it: what was allowed is not what would happen. */
    tools_file(tools, "project/a", "other\n");
    AUTO(tool_result_done) struct tool_result result;
    tool_result_init(&result);
    assert_int_equal(tool_perform(&plain, &tools->place, &seen, &result).code, ERR_NONE);
    assert_true(result.cause != CARD_DONE);
    assert_non_null(strstr(result.content.data, "changed since this was allowed"));
    assert_string_equal(tools_content(tools, "project/a").text, "other\n");
}

static void what_rules_deny_is_not_read_listed_or_found(void **state) {
    struct tools *tools = *state;
    tools_folder(tools, "project/keys");
    tools_file(tools, "project/keys/one", "needle\n");
    tools_file(tools, "project/plain", "needle\n");
    tools_link(tools, "project/way", "keys");
    tools->rules[0] =
        (struct permission_rule){.subject = BYTES("keys/**"), .permission = PERMISSION_DENY};
    tools->rules[1] =
        (struct permission_rule){.subject = BYTES("**"), .permission = PERMISSION_ALLOW};
    tools->with.count = 2;
    tools_refuse(tools, "read_file", "{\"path\":\"keys/one\"}", "denied");
    tools_refuse(tools, "read_file", "{\"path\":\"way/one\"}", "denied");
    tools_refuse(tools, "write_file", "{\"path\":\"keys/two\",\"content\":\"\"}", "denied");
    tools_refuse(tools, "write_file", "{\"path\":\"way/new/two\",\"content\":\"\"}", "denied");
    assert_string_equal(tools_content(tools, "project/keys/new/two").text, "(none)");
    tools_expect(tools, "search_files", "{\"pattern\":\"needle\",\"glob\":\"**\"}",
                 "1 matches in 1 files\nplain:1:needle\n"
                 "[2 names are left out: denied, or not readable]\n");
    AUTO(tool_call_done) struct tool_call call = {0};
    assert_int_equal(tools_read(tools, "read_file", "{\"path\":\"way/one\"}", &call), ERR_NONE);
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    assert_int_equal(tool_look(&call, &tools->place, &look).code, ERR_NONE);
    assert_int_equal(tool_judge(&call, &look, &tools->with).permission, PERMISSION_DENY);
}

static void an_extra_root_is_used_as_far_as_it_was_granted(void **state) {
    struct tools *tools = *state;
    tools_file(tools, "extra/notes", "hello\n");
    char arguments[256];
    (void)snprintf(arguments, sizeof arguments, "{\"path\":\"%s/notes\"}", tools->extra);
    AUTO(mem_release) struct tools_answer *answer = tools_call(tools, "read_file", arguments);
    assert_false(answer->failed);
    assert_non_null(strstr(answer->content, "1\thello\n"));
    (void)snprintf(arguments, sizeof arguments, "{\"path\":\"%s/notes\",\"content\":\"\"}",
                   tools->extra);
    tools_refuse(tools, "write_file", arguments, "may be read but not written");
    /* The project's own root, written out. */
    tools_file(tools, "project/a", "x\n");
    (void)snprintf(arguments, sizeof arguments, "{\"path\":\"%s/a\"}", tools->project);
    tools_expect(tools, "read_file", arguments, "a, lines 1 to 1 of 1\n1\tx\n");
}

/* --- Files that programs change --------------------------------------------------------------- */

static void the_file_of_a_program_is_hashed_wherever_it_is(void **state) {
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    static const char secret[] = "ba7fd6f5908e220feaca4f687ae246df3a533a6b760393a28f78871f683c4d3f";
    struct tools *tools = *state;
    char outside[128], path[128];
    tools_path(tools, "outside/secret", outside, sizeof outside);
    const struct {
        const char *path, *before; /* NULL: nothing is known. */
    } rows[] = {
        {"a", abc},        {"./in", abc},       {"../outside/secret", secret},
        {outside, secret}, {"out", secret},     {"none/none", ""},
        {"nowhere", ""},   {"a/none", NULL},    {"loop", NULL},
        {"magic", NULL},   {"pipe", NULL},      {".", NULL},
        {"large", NULL},   {"/dev/zero", NULL}, {"closed/drover.db", NULL},
    };
    tools_file(tools, "project/a", "abc");
    tools_link(tools, "project/in", "a");
    tools_link(tools, "project/out", outside);
    tools_link(tools, "project/nowhere", "none");
    tools_link(tools, "project/loop", "loop");
    tools_link(tools, "project/magic", "/proc/self/exe");
    tools_path(tools, "project/pipe", path, sizeof path);
    assert_int_equal(mkfifo(path, 0600), 0);
    tools_file(tools, "project/large", "");
    tools_path(tools, "project/large", path, sizeof path);
    assert_int_equal(truncate(path, (off_t)TOOL_HASH_MAX + 1), 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tool_look look = {.unread = false};
        tool_look_file(&tools->place, rows[i].path, &look);
        if (look.unread != (rows[i].before == NULL) ||
            strcmp(look.before.text, rows[i].before == NULL ? "" : rows[i].before) != 0) {
            fail_msg("%s: \"%s\"%s", rows[i].path, look.before.text, look.unread ? ", unread" : "");
        }
    }
}

/* As of a file that grows while it is read, the size of this one says nothing. */
static void no_more_is_hashed_than_is_asked_for(void **state) {
    struct tools *tools = *state;
    struct sha256_hex hash = {.text = ""};
    const int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    struct stat about;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &about), 0);
    assert_int_equal(about.st_size, 0);
    assert_int_equal(content_hash(&tools->place, fd, 8, &hash, /* why */ NULL).code, ERR_CONFLICT);
    assert_string_equal(hash.text, "");
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(content_hash(&tools->place, fd, SIZE_MAX, &hash, /* why */ NULL).code,
                     ERR_NONE);
    assert_int_equal(strlen(hash.text), 64);
    assert_int_equal(close(fd), 0);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        TOOLS_TEST(lines_come_with_their_numbers),
        TOOLS_TEST(a_long_line_is_cut_and_its_rest_is_readable),
        TOOLS_TEST(a_large_file_is_read_in_parts_without_a_gap),
        TOOLS_TEST(what_is_no_text_is_said_to_be_none),
        TOOLS_TEST(a_folder_is_listed_in_order),
        TOOLS_TEST(lines_are_found_with_their_neighbours),
        TOOLS_TEST(a_pattern_that_explodes_is_too_expensive_and_no_match),
        TOOLS_TEST(a_file_is_made_with_its_folders),
        TOOLS_TEST(a_file_is_replaced_and_keeps_its_mode),
        TOOLS_TEST(a_link_within_the_project_is_written_through),
        TOOLS_TEST(a_file_is_removed),
        TOOLS_TEST(a_change_that_is_not_confirmed_is_told_as_the_change_that_it_is),
        TOOLS_TEST(edits_are_exact_or_unmistakable),
        TOOLS_TEST(a_look_shows_and_changes_nothing),
        TOOLS_TEST(what_rules_deny_is_not_read_listed_or_found),
        TOOLS_TEST(an_extra_root_is_used_as_far_as_it_was_granted),
        TOOLS_TEST(the_file_of_a_program_is_hashed_wherever_it_is),
        TOOLS_TEST(no_more_is_hashed_than_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
