/* The store's small parts: the table of statements, notes, lists of calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "store/call.h"
#include "store/migrations.h"
#include "store/notes.h"
#include "store/statements.h"

/* --- Statements ------------------------------------------------------------------------------- */

static size_t values_ended;

static void count_value(void *value) {
    (void)value;
    values_ended++;
}

static void an_address_keeps_its_number(void **state) {
    enum { COUNT = 1000 };
    static const char texts[COUNT * 8] = {0};
    struct statements statements = {.slots = NULL};
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            struct statements_slot *slot = statements_find(&statements, texts + i * 8, 0);
            assert_int_equal(slot->number, i);
            assert_ptr_equal(slot->value, round == 0 ? NULL : texts + i * 8);
            slot->value = (void *)(texts + i * 8);
        }
    }
    assert_ptr_not_equal(statements_find(&statements, texts, 1)->value, texts);
    values_ended = 0;
    statements_done(&statements, count_value);
    assert_int_equal(values_ended, COUNT);
}

/* --- Memory that runs out --------------------------------------------------------------------- */

/* The one thing that a wrapped call can reach. */
static bool no_memory;

void *__real_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try_grow(void *old, size_t size) {
    return no_memory ? NULL : __real_mem_try_grow(old, size);
}

/* --- Notes ------------------------------------------------------------------------------------ */

static void check_next(const struct notes *notes, size_t *at, unsigned kind, const char *text) {
    unsigned found_kind = 99;
    struct bytes found;
    assert_true(notes_next(notes, at, &found_kind, &found));
    assert_int_equal(found_kind, kind);
    assert_int_equal(found.len, strlen(text));
    assert_memory_equal(found.data, text, found.len);
    assert_int_equal((uintptr_t)found.data % 8, 0);
}

static void notes_come_back_aligned_and_in_order(void **state) {
    struct notes notes;
    notes_init(&notes);
    assert_false(err_failed(notes_add(&notes, 1, BYTES("one"))));
    assert_false(err_failed(notes_add(&notes, 0, BYTES(""))));
    assert_false(err_failed(notes_add(&notes, 3, BYTES("exactly8"))));
    size_t at = 0;
    check_next(&notes, &at, 1, "one");
    check_next(&notes, &at, 0, "");
    check_next(&notes, &at, 3, "exactly8");
    unsigned kind;
    struct bytes note;
    assert_false(notes_next(&notes, &at, &kind, &note));
    notes_done(&notes);
}

static void cutting_forgets_what_came_after_the_mark(void **state) {
    struct notes notes;
    notes_init(&notes);
    assert_false(err_failed(notes_add(&notes, 0, BYTES("kept"))));
    size_t mark = notes_mark(&notes);
    assert_false(err_failed(notes_add(&notes, 0, BYTES("dropped"))));
    notes_cut(&notes, mark);
    assert_false(err_failed(notes_add(&notes, 0, BYTES("next"))));
    size_t at = 0;
    check_next(&notes, &at, 0, "kept");
    check_next(&notes, &at, 0, "next");
    notes_done(&notes);
}

static void too_many_notes_are_an_error_that_adds_nothing(void **state) {
    struct notes notes;
    notes_init(&notes);
    assert_false(err_failed(notes_add(&notes, 0, BYTES("first"))));
    size_t len = notes.len;
    AUTO(mem_release) char *large = mem_new(NOTES_BYTES_MAX);
    assert_int_equal(notes_add(&notes, 0, (struct bytes){large, NOTES_BYTES_MAX}).code,
                     ERR_OUT_OF_MEMORY);
    assert_int_equal(notes.len, len);
    notes_done(&notes);
}

static void without_memory_a_note_is_an_error_that_adds_nothing(void **state) {
    struct notes notes;
    notes_init(&notes);
    no_memory = true;
    assert_int_equal(notes_add(&notes, 0, BYTES("lost")).code, ERR_OUT_OF_MEMORY);
    no_memory = false;
    assert_int_equal(notes.len, 0);
    assert_false(err_failed(notes_add(&notes, 0, BYTES("next"))));
    notes_done(&notes);
}

static void a_large_buffer_is_given_back_after_its_group(void **state) {
    struct notes notes;
    notes_init(&notes);
    AUTO(mem_release) char *large = mem_new(2 * NOTES_BYTES_KEPT);
    assert_false(err_failed(notes_add(&notes, 0, (struct bytes){large, 2 * NOTES_BYTES_KEPT})));
    notes_clear(&notes);
    assert_null(notes.data);
    assert_false(err_failed(notes_add(&notes, 0, BYTES("small"))));
    notes_clear(&notes);
    assert_non_null(notes.data);
    notes_done(&notes);
}

/* --- Calls ------------------------------------------------------------------------------------ */

static void lists_keep_order_and_count(void **state) {
    struct call_pool pool = {.free = NULL};
    struct calls a = {.first = NULL}, b = {.first = NULL};
    struct call *calls[5];
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        calls[i] = call_pool_take(&pool);
        calls[i]->lazy = i % 2 == 1;
        calls_push(i < 2 ? &a : &b, calls[i]);
    }
    assert_int_equal(b.eager, 2);
    calls_move(&a, &b);
    calls_move(&a, &b); /* An empty one changes nothing. */
    assert_int_equal(a.count, 5);
    assert_int_equal(a.eager, 3);
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        struct call *call = calls_pop(&a);
        assert_ptr_equal(call, calls[i]);
        call_pool_give(&pool, call);
    }
    assert_null(calls_pop(&a));
    assert_null(a.last);
    assert_ptr_equal(call_pool_take(&pool), calls[4]); /* Used again, and clean. */
    assert_false(calls[4]->lazy);
    mem_free(calls[4]);
    call_pool_done(&pool);
}

/* --- Migrations ------------------------------------------------------------------------------- */

static void migrations_are_compiled_in(void **state) {
    size_t count = 0;
    const struct migration *migrations = migrations_get(&count);
    assert_true(count >= 1);
    assert_string_equal(migrations[0].name, "001_tables.sql");
    for (size_t i = 0; i < count; i++) {
        for (const char *const *sql = migrations[i].statements; *sql != NULL; sql++) {
            assert_null(strstr(*sql, "--"));
            assert_string_equal(*sql + strlen(*sql) - 2, ";\n");
            bool makes_table = strstr(*sql, "CREATE TABLE") != NULL;
            assert_int_equal(strstr(*sql, "@strict@") != NULL, makes_table);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_keeps_its_number),
        cmocka_unit_test(notes_come_back_aligned_and_in_order),
        cmocka_unit_test(cutting_forgets_what_came_after_the_mark),
        cmocka_unit_test(too_many_notes_are_an_error_that_adds_nothing),
        cmocka_unit_test(without_memory_a_note_is_an_error_that_adds_nothing),
        cmocka_unit_test(a_large_buffer_is_given_back_after_its_group),
        cmocka_unit_test(lists_keep_order_and_count),
        cmocka_unit_test(migrations_are_compiled_in),
    };
    return cmocka_run_group_tests_name("store parts", tests, NULL /* no group fixture */, NULL);
}
