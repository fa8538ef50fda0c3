/* Allocation, checked sizes, and the arena. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"

void *__real_mem_try(size_t size);
void *__wrap_mem_try(size_t size);

static bool exhausted;

void *__wrap_mem_try(size_t size) {
    return exhausted ? NULL : __real_mem_try(size);
}

static void new_memory_is_zeroed_and_copies_are_terminated(void **state) {
    (void)state;
    static const char zeroes[64];
    AUTO(mem_release) char *memory = mem_new(sizeof zeroes);
    assert_memory_equal(memory, zeroes, sizeof zeroes);
    AUTO(mem_release) char *copy = mem_copy("abcdef", 3);
    assert_string_equal(copy, "abc");
    AUTO(mem_release) char *empty = mem_copy(NULL, 0);
    assert_string_equal(empty, "");
    AUTO(mem_release) void *nothing = mem_try(0);
    assert_non_null(nothing);
    mem_free(NULL);
}

static void grown_memory_keeps_what_was_in_it(void **state) {
    (void)state;
    char *memory = mem_copy("abc", 3);
    memory = mem_grow(memory, 4096);
    assert_string_equal(memory, "abc");
    mem_release(&memory);
    assert_null(memory);
}

static void sizes_that_do_not_fit_are_refused_and_leave_the_output(void **state) {
    (void)state;
    size_t size = 7;
    assert_false(size_add(SIZE_MAX, 1, &size));
    assert_false(size_mul(SIZE_MAX / 2 + 1, 2, &size));
    assert_int_equal(size, 7);
    assert_true(size_add(SIZE_MAX - 1, 1, &size));
    assert_true(size == SIZE_MAX);
    assert_true(size_mul(3, 5, &size));
    assert_int_equal(size, 15);
}

static int status_of_a_child_that(void (*does)(void)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        exhausted = true;
        (void)close(STDERR_FILENO); /* Its last words are expected. */
        does();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void take_new(void) {
    mem_free(mem_new(16));
}

static void take_array_too_large(void) {
    exhausted = false;
    mem_free(mem_new_array(SIZE_MAX / 2, 3));
}

static void take_copy(void) {
    mem_free(mem_copy("abc", 3));
}

static void memory_that_must_be_there_aborts_when_it_is_not(void **state) {
    (void)state;
    void (*const takes[])(void) = {take_new, take_array_too_large, take_copy};
    for (size_t i = 0; i < COUNT_OF(takes); i++) {
        int status = status_of_a_child_that(takes[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

/* --- The arena -------------------------------------------------------------------------------- */

static void an_arena_hands_out_aligned_memory_that_does_not_overlap(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    unsigned char *parts[500];
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i] = arena_try(&arena, i + 1);
        assert_non_null(parts[i]);
        assert_int_equal((uintptr_t)parts[i] % _Alignof(max_align_t), 0);
        memset(parts[i], (int)(i & 255), i + 1);
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        for (size_t at = 0; at <= i; at++) {
            assert_int_equal(parts[i][at], i & 255);
        }
    }
    arena_done(&arena);
}

static void an_arena_refuses_what_exceeds_its_bound(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1000);
    assert_null(arena_try(&arena, 1001));
    assert_null(arena_try(&arena, SIZE_MAX));
    assert_null(arena_try_copy(&arena, "", SIZE_MAX));
    assert_non_null(arena_try(&arena, 900));
    assert_null(arena_try(&arena, 200));
    assert_non_null(arena_try(&arena, 80));
    arena_done(&arena);
}

static void an_arena_reset_twice_needs_no_more_memory(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 100; i++) {
            char *copy = arena_try_copy(&arena, "some text of a row", 18);
            assert_string_equal(copy, "some text of a row");
        }
        assert_non_null(arena_try(&arena, 100000));
        arena_reset(&arena);
        assert_int_equal(arena.used, 0);
        exhausted = round > 0;
    }
    exhausted = false;
    arena_done(&arena);
    arena_done(&arena);
}

static void an_arena_without_memory_answers_null_and_stays_usable(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    exhausted = true;
    assert_null(arena_try(&arena, 10));
    assert_null(arena_try_copy(&arena, "abc", 3));
    exhausted = false;
    assert_non_null(arena_try(&arena, 10));
    arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_memory_is_zeroed_and_copies_are_terminated),
        cmocka_unit_test(grown_memory_keeps_what_was_in_it),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused_and_leave_the_output),
        cmocka_unit_test(memory_that_must_be_there_aborts_when_it_is_not),
        cmocka_unit_test(an_arena_hands_out_aligned_memory_that_does_not_overlap),
        cmocka_unit_test(an_arena_refuses_what_exceeds_its_bound),
        cmocka_unit_test(an_arena_reset_twice_needs_no_more_memory),
        cmocka_unit_test(an_arena_without_memory_answers_null_and_stays_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
