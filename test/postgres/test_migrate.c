/* test_migrate.c: an older schema is brought to the newest one in PostgreSQL: whole or not at all,
 * by the daemon that has the lock. The newer migrations are ours, as in test/unit/test_migrate.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kit.h"
#include "store/migrations.h"

enum { LIST_MAX = 200, PARTS = 3 };

/* The session of the daemon is ended by itself, in place of the part that stands there. */
static const char killing[] = "SELECT pg_terminate_backend(pg_backend_pid());\n";
static const char *const parts[PARTS] = {
    "ALTER TABLE streams ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey';\n",
    "CREATE TABLE crates (\n    id @id@,\n    size @int@ NOT NULL\n) @strict@;\n",
    "CREATE INDEX crates_size ON crates (size);\n"};

static struct {
    size_t base, known;
    const char *statements[PARTS + 2];
} ours;

const struct migration *__real_migrations_get(size_t *ret_count);
const struct migration *__wrap_migrations_get(size_t *ret_count);
const struct migration *__wrap_migrations_get(size_t *ret_count) {
    static struct migration list[LIST_MAX];
    const struct migration *real = __real_migrations_get(&ours.base);
    assert_true(ours.base < LIST_MAX);
    memcpy(list, real, ours.base * sizeof *real);
    list[ours.base] = (struct migration){.name = "ours.sql", .statements = ours.statements};
    *ret_count = ours.base + ours.known;
    return list;
}

/* killed_at: before that part; PARTS: behind the last one; more: nowhere. */
static void know(size_t killed_at) {
    size_t count = 0;
    for (size_t i = 0; i < PARTS; i++) {
        if (i == killed_at) {
            ours.statements[count++] = killing;
        }
        ours.statements[count++] = parts[i];
    }
    if (killed_at == PARTS) {
        ours.statements[count++] = killing;
    }
    ours.statements[count] = NULL;
    ours.known = 1;
}

static int64_t made(const char *schema) {
    return kit_look_int(schema, "SELECT (SELECT count(*) FROM information_schema.columns"
                                " WHERE table_schema = current_schema() AND column_name = 'colour')"
                                " + (SELECT count(*) FROM pg_class WHERE relname LIKE 'crates%'"
                                " AND relkind IN ('r', 'i') AND relname <> 'crates_pkey' AND"
                                " relnamespace = quote_ident(current_schema())::regnamespace)");
}

static void a_session_that_ends_at_any_statement_leaves_one_version_or_the_next(void **state) {
    (void)state;
    char url[KIT_URL_SIZE];
    struct kit_store kit;
    struct why why = {.text = ""};
    kit_url(kit_server_dir(), "migrated", url);
    ours.known = 0;
    kit_open(url, &kit);
    assert_int_equal(kit_add_one(&kit, 1).code, ERR_NONE);
    kit_close(&kit);
    for (size_t at = 0; at <= PARTS; at++) {
        know(at);
        assert_int_not_equal(kit_try_open(url, &kit, &why).code, ERR_NONE);
        assert_int_equal(kit_look_int("migrated", "SELECT version FROM schema"), ours.base);
        assert_int_equal(made("migrated"), 0);
    }
    know(PARTS + 1);
    kit_open(url, &kit);
    assert_int_equal(store_upgraded_from(kit.store), ours.base);
    assert_int_equal(kit_add_one(&kit, 2).code, ERR_NONE);
    kit_close(&kit);
    assert_int_equal(kit_look_int("migrated", "SELECT version FROM schema"), ours.base + 1);
    assert_int_equal(made("migrated"), PARTS);
    assert_int_equal(kit_look_int("migrated", "SELECT sum(n) FROM tally"), 3);
    ours.known = 0;
    assert_int_equal(kit_try_open(url, &kit, &why).code, ERR_NEWER_SCHEMA);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_that_ends_at_any_statement_leaves_one_version_or_the_next),
    };
    return cmocka_run_group_tests_name("postgres migrate", tests, NULL /* no fixture */, NULL);
}
