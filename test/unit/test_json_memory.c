/* Each allocation of json_parse and json_write fails once, in turn. Linked with
 * -Wl,--wrap=mem_try,--wrap=mem_try_grow: the calls of base and of jansson arrive here first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"

void *__real_mem_try(size_t size);
void *__real_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try(size_t size);
void *__wrap_mem_try_grow(void *old, size_t size);

static unsigned calls, fail_at; /* Calls count from 1; fail_at 0: none fails. */

static bool fails_now(void) {
    calls++;
    return calls == fail_at;
}

void *__wrap_mem_try(size_t size) {
    return fails_now() ? NULL : __real_mem_try(size);
}

void *__wrap_mem_try_grow(void *old, size_t size) {
    return fails_now() ? NULL : __real_mem_try_grow(old, size);
}

/* Holds what makes jansson allocate: long numbers (its lexer's buffer grows), many keys (its table
 * grows), strings, arrays; and a lone surrogate (our copy). */
static const char input[] =
    "{\"a\":[1,-1234567890123456,123456.789012345678901234567890,true,null,\"text\",\"\\ud83d\",6,"
    "7,8,9,10],"
    "\"b\":{\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9,\"10\":10},"
    "\"a key that is quite a bit longer than the others\":\"a value that is longer, too\"}";
static const char output[] =
    "{\"a\":[1,-1234567890123456,123456.78901234567,true,null,\"text\",\"\uFFFD\",6,7,8,9,10],"
    "\"b\":{\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9,\"10\":10},"
    "\"a key that is quite a bit longer than the others\":\"a value that is longer, too\"}";

static void count_from(unsigned fail) {
    calls = 0;
    fail_at = fail;
}

/* True when the run reached its end without the failure that was ordered. */
static bool parse_with_failure(unsigned fail) {
    json_t *json = NULL;
    struct why why = {""};
    count_from(fail);
    struct err err = json_parse(input, sizeof input - 1, JSON_DEPTH_MAX, &json, &why);
    bool reached = calls >= fail;
    count_from(0);
    if (reached) {
        assert_int_equal(err.code, ERR_OUT_OF_MEMORY);
        assert_null(json);
        assert_non_null(strstr(why.text, "memory"));
    } else {
        assert_int_equal(err.code, ERR_NONE);
        json_release(&json);
    }
    return !reached;
}

static void each_allocation_of_a_parse_fails_clearly_and_leaks_nothing(void **state) {
    (void)state;
    unsigned fail = 1;
    while (!parse_with_failure(fail)) {
        fail++;
    }
    assert_true(fail > 30); /* The seam is in place: jansson's calls were counted, too. */
    print_message("failed %u allocations in turn\n", fail - 1);
}

static void each_allocation_of_a_write_fails_clearly(void **state) {
    (void)state;
    json_t *json = NULL;
    assert_int_equal(json_parse(input, sizeof input - 1, JSON_DEPTH_MAX, &json, NULL).code,
                     ERR_NONE);
    for (unsigned fail = 1;; fail++) {
        AUTO(text_done) struct text text;
        text_init(&text, 4096);
        count_from(fail);
        struct err err = json_write(json, &text);
        bool reached = calls >= fail;
        count_from(0);
        assert_int_equal(err.code, reached ? ERR_OUT_OF_MEMORY : ERR_NONE);
        if (!reached) {
            assert_true(fail > 1);
            assert_string_equal(text.data, output);
            break;
        }
    }
    json_release(&json);
}

static void a_parse_after_a_failed_one_works(void **state) {
    (void)state;
    (void)parse_with_failure(3);
    assert_true(parse_with_failure(100000));
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_of_a_parse_fails_clearly_and_leaks_nothing),
        cmocka_unit_test(each_allocation_of_a_write_fails_clearly),
        cmocka_unit_test(a_parse_after_a_failed_one_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
