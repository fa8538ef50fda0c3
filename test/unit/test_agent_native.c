/* Sessions of programs as their files have them: whole, cut, broken and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/native.h"
#include "base/fd.h"
#include "base/utf8.h"

#define ID "7f3c2b1a-0d4e-4f5a-8b6c-9d0e1f2a3b4c"
#define USER(words) "{\"type\":\"user\",\"message\":{\"content\":\"" words "\"}}\n"
#define ANSWER(blocks) "{\"type\":\"assistant\",\"message\":{\"content\":[" blocks "]}}\n"
#define TOOL(id) "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"Bash\",\"input\":{}}"
#define RESULT(id, words)                                                                          \
    "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\",\"is_error\":true,"    \
    "\"tool_use_id\":\"" id "\",\"content\":\"" words "\"}]}}\n"
#define WORDS(words) "{\"type\":\"text\",\"text\":\"" words "\"}"

static struct agent_definition claude = {.name = "claude", .program = "claude"};
static struct agent_definition codex = {.name = "codex", .program = "codex"};

static struct err read_bytes(const struct agent_definition *what, struct bytes content,
                             struct native_session *ret_session) {
    const struct native_wish wish = {.what = what, .root = "/", .id = BYTES(ID)};
    struct why why = {""};
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
    assert_int_equal(fflush(file), 0);
    const struct err err = native_read_file(&wish, fileno(file), ret_session, &why);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(err_failed(err), why.text[0] != '\0');
    return err;
}

static struct native_session read_session(const struct agent_definition *what, const char *text) {
    struct native_session session = {.count = 0};
    assert_int_equal(read_bytes(what, bytes_of(text), &session).code, ERR_NONE);
    return session;
}

static const struct message_part *part_of(const struct native_session *session, size_t message,
                                          size_t part) {
    assert_true(message < session->count && part < session->list[message].count);
    return &session->list[message].parts[part];
}

static void ids_that_lead_elsewhere_are_none(void **state) {
    static const char *const bad[] = {"",           "short",      "../../etc/passwd",
                                      "aaaaaaaa/b", "aaaaaaaa.b", "-aaaaaaaa",
                                      "aaaaaaaa_",  "aaaaaaaa%",  "aaaaaaaa\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(native_id_valid(bytes_of(bad[i])));
    }
    assert_false(native_id_valid(BYTES("aaaaaaaa\0b")));
    assert_false(native_id_valid(BYTES(ID ID)));
    assert_true(native_id_valid(BYTES(ID)));
}

static void an_answer_is_all_until_the_user_speaks(void **state) {
    struct native_session session =
        read_session(&claude, USER("one") ANSWER(WORDS("two")) ANSWER(WORDS("three")) USER("four"));
    assert_int_equal(session.count, 3);
    assert_int_equal(session.list[1].role, ROLE_ASSISTANT);
    assert_int_equal(session.list[1].count, 2);
    assert_true(bytes_is(part_of(&session, 2, 0)->text, "four"));
    assert_false(session.cut);
    assert_non_null(strstr(session.reader.data, "\"native\":\"" ID "\""));
    native_done(&session);
}

static void lines_that_are_broken_cut_or_unknown_are_left_out(void **state) {
    struct native_session session = read_session(
        &claude, "\n{\n[]\n\"user\"\n{\"type\":7}\n{\"type\":\"user\"}\n"
                 "{\"type\":\"user\",\"message\":[]}\n{\"type\":\"user\",\"message\":{\"content\":"
                 "[7,null,{\"type\":\"text\"},{\"type\":\"tool_result\"}]}}\n" USER("\xff")
                     USER("a\\u0000b") ANSWER("{\"type\":\"tool_use\",\"input\":[]}")
                         USER("kept") "{\"type\":\"user\",\"message\":{\"content\":\"cut");
    assert_int_equal(session.count, 3);
    assert_true(bytes_is(part_of(&session, 0, 0)->text, "ab"));
    assert_true(bytes_is(part_of(&session, 2, 0)->text, "kept"));
    native_done(&session);
}

static void a_tool_that_has_no_result_is_unknown(void **state) {
    static const char file[] = USER("go") ANSWER(TOOL("a")) ANSWER(TOOL("b")) RESULT("b", "no");
    struct native_session session = read_session(&claude, file);
    assert_int_equal(part_of(&session, 1, 0)->state, PART_STATE_OUTCOME_UNKNOWN);
    assert_int_equal(part_of(&session, 1, 1)->state, PART_STATE_FAILED);
    assert_true(bytes_is(part_of(&session, 1, 1)->text, "no"));
    native_done(&session);
}

static void a_file_without_a_known_line_is_refused(void **state) {
    struct native_session session = {.count = 7};
    static const char *const files[] = {"", "\n\n", "{}\n", "\177ELF", "{\"type\":\"other\"}\n"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        assert_int_equal(read_bytes(&claude, bytes_of(files[i]), &session).code, ERR_CONFLICT);
        assert_int_equal(read_bytes(&codex, bytes_of(files[i]), &session).code, ERR_CONFLICT);
    }
    /* Codex says whose file it is. */
    assert_int_equal(read_bytes(&codex,
                                BYTES("{\"type\":\"session_meta\",\"payload\":{\"id\":"
                                      "\"another-thread\",\"cwd\":\"/\"}}\n"),
                                &session)
                         .code,
                     ERR_CONFLICT);
    assert_int_equal(session.count, 7); /* Untouched. */
}

static void usage_of_a_thread_counts_from_where_it_is(void **state) {
    struct native_session session = read_session(
        &codex, "{\"type\":\"session_meta\",\"payload\":{\"id\":\"" ID "\",\"cwd\":\"/\"}}\n"
                "{\"type\":\"event_msg\",\"payload\":{\"type\":\"token_count\",\"info\":null}}\n"
                "{\"type\":\"event_msg\",\"payload\":{\"type\":\"token_count\",\"info\":"
                "{\"total_token_usage\":{\"input_tokens\":50,\"cached_input_tokens\":20,"
                "\"output_tokens\":9}}}}\n");
    struct program_reader *reader = program_reader_new(program_find(BYTES("codex")), &codex);
    assert_true(program_reader_load(reader, text_bytes(&session.reader)));
    assert_true(bytes_is(program_seen(reader).native, ID));
    assert_non_null(strstr(session.reader.data, "\"fresh\":30"));
    program_reader_free(reader);
    native_done(&session);
}

static void what_is_huge_is_bounded(void **state) {
    AUTO(text_done) struct text file = text_up_to((size_t)200 << 20);
    AUTO(text_done) struct text words = text_up_to((size_t)4 << 20);
    for (size_t i = 0; i < 20000; i++) {
        text_add_str(&words, "ä\\u0000b");
    }
    text_add_str(&file, USER("first"));
    while (file.len < (size_t)NATIVE_FILE_MAX + (1 << 20)) {
        text_add_str(&file, "{\"type\":\"user\",\"message\":{\"content\":\"");
        text_add(&file, words.data, words.len);
        text_add_str(&file, "\"}}\n" ANSWER(WORDS("yes")));
    }
    for (size_t i = 0; i < 300; i++) { /* Parts of one answer. */
        text_add_str(&file, ANSWER("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"Bash\"}"));
    }
    text_add_str(&file, ANSWER(WORDS("last")) "{\"type\":\"user\",\"x\":\"");
    for (size_t i = 0; i < 20; i++) { /* A line of 3 MB, without an end. */
        text_add(&file, words.data, words.len);
    }
    struct native_session session = {.count = 0};
    assert_int_equal(read_bytes(&claude, text_bytes(&file), &session).code, ERR_NONE);
    assert_true(session.cut);
    assert_in_range(session.count, 2, NATIVE_MESSAGES_MAX);
    assert_in_range(session.bytes, 1, NATIVE_BYTES_MAX);
    assert_int_equal(session.list[0].role, ROLE_USER);
    const struct native_message *last = &session.list[session.count - 1];
    assert_int_equal(last->count, NATIVE_PARTS_MAX);
    assert_true(bytes_is(last->parts[last->count - 1].text, "last"));
    const struct bytes text = part_of(&session, 0, 0)->text;
    assert_in_range(text.len, 1, NATIVE_TEXT_MAX);
    assert_true(utf8_valid(text.data, text.len));
    assert_null(memchr(text.data, '\0', text.len));
    native_done(&session);
}

static void each_cut_of_a_file_is_read_or_refused(void **state) {
    static const char whole[] = USER("one")
        ANSWER("{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"Bash\",\"input\":{\"c\":\"ä\"}}")
            ANSWER(WORDS("two"));
    for (size_t len = 0; len < sizeof whole; len++) {
        struct native_session session = {.count = 0};
        if (!err_failed(read_bytes(&claude, (struct bytes){whole, len}, &session))) {
            native_done(&session);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_that_lead_elsewhere_are_none),
        cmocka_unit_test(an_answer_is_all_until_the_user_speaks),
        cmocka_unit_test(lines_that_are_broken_cut_or_unknown_are_left_out),
        cmocka_unit_test(a_tool_that_has_no_result_is_unknown),
        cmocka_unit_test(a_file_without_a_known_line_is_refused),
        cmocka_unit_test(usage_of_a_thread_counts_from_where_it_is),
        cmocka_unit_test(what_is_huge_is_bounded),
        cmocka_unit_test(each_cut_of_a_file_is_read_or_refused),
    };
    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
