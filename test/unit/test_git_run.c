/* Processes of git, played by other programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tool/changes/git_run.h"

enum { LARGE = 4 << 20, PATIENCE_MS = 60000 };

static const char *const environment[] = {"PATH=/usr/bin:/bin", "ONLY=this", NULL};

static struct git_words words_of(const char *script) {
    struct git_words words = {.count = 0};
    git_words_add(&words, "sh");
    git_words_add(&words, "-c");
    git_words_add(&words, script);
    return words;
}

static struct git_call call_of(const struct git_words *words) {
    return (struct git_call){.program = "/bin/sh",
                             .words = words,
                             .environment = environment,
                             .folder = "/",
                             .output_max = 2 * LARGE,
                             .stall_ms = PATIENCE_MS,
                             .keep_fds = {-1, -1}};
}

static void words_folder_and_environment_are_those_given(void **state) {
    (void)state;
    const struct git_words words =
        words_of("pwd; env | grep -c .; echo $ONLY; echo bad >&2; exit 3");
    const struct git_call call = call_of(&words);
    AUTO(git_result_done) struct git_result result = {.code = 0};
    assert_int_equal(git_run(&call, &result).code, ERR_NONE);
    /* The shell itself adds PWD. */
    assert_string_equal(result.output.data, "/\n3\nthis\n");
    assert_string_equal(result.complaints.data, "bad\n");
    assert_int_equal(result.code, 3);
    assert_false(result.cut);
}

struct pieces {
    char *bytes;
    unsigned left;
};

static bool pieces_next(void *ctx, struct bytes *ret_piece) {
    struct pieces *pieces = ctx;
    *ret_piece = (struct bytes){pieces->bytes, LARGE / 4};
    return pieces->left > 0 && pieces->left-- > 0;
}

static void input_and_output_larger_than_pipes_flow_at_once(void **state) {
    (void)state;
    struct pieces pieces = {calloc(1, LARGE / 4), 4};
    assert_non_null(pieces.bytes);
    memset(pieces.bytes, 'x', LARGE / 4);
    const struct git_words words = words_of("exec cat");
    struct git_call call = call_of(&words);
    call.feed = (struct git_feed){pieces_next, &pieces};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    assert_int_equal(git_run(&call, &result).code, ERR_NONE);
    assert_int_equal(result.output.len, LARGE);
    assert_int_equal(result.code, 0);
    free(pieces.bytes);
}

static void a_program_may_end_before_it_has_read_its_input(void **state) {
    (void)state;
    struct pieces pieces = {calloc(1, LARGE / 4), 4};
    assert_non_null(pieces.bytes);
    const struct git_words words = words_of("exec 0<&-; exit 1");
    struct git_call call = call_of(&words);
    call.feed = (struct git_feed){pieces_next, &pieces};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    assert_int_equal(git_run(&call, &result).code, ERR_NONE);
    assert_int_equal(result.code, 1);
    free(pieces.bytes);
}

static void output_beyond_its_bound_is_cut_there(void **state) {
    (void)state;
    const struct git_words words = words_of("while :; do echo 0123456789; done");
    struct git_call call = call_of(&words);
    call.output_max = 100001;
    AUTO(git_result_done) struct git_result result = {.code = 0};
    assert_int_equal(git_run(&call, &result).code, ERR_NONE);
    assert_true(result.cut);
    assert_int_equal(result.output.len, 100001);
}

static void a_program_without_progress_is_ended(void **state) {
    (void)state;
    const struct git_words words = words_of("exec sleep 1000");
    struct git_call call = call_of(&words);
    call.stall_ms = 1;
    AUTO(git_result_done) struct git_result result = {.code = 0};
    assert_int_equal(git_run(&call, &result).code, ERR_STALLED);
}

static void a_program_that_cannot_be_executed_is_a_failure(void **state) {
    (void)state;
    const struct git_words words = words_of("true");
    struct git_call call = call_of(&words);
    AUTO(git_result_done) struct git_result result = {.code = 0};
    call.program = "/nowhere/git";
    assert_int_equal(git_run(&call, &result).code, ERR_UNREACHABLE);
    call.program = "/bin/sh";
    call.folder = "/nowhere";
    assert_int_equal(git_run(&call, &result).code, ERR_UNREACHABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_folder_and_environment_are_those_given),
        cmocka_unit_test(input_and_output_larger_than_pipes_flow_at_once),
        cmocka_unit_test(a_program_may_end_before_it_has_read_its_input),
        cmocka_unit_test(output_beyond_its_bound_is_cut_there),
        cmocka_unit_test(a_program_without_progress_is_ended),
        cmocka_unit_test(a_program_that_cannot_be_executed_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
