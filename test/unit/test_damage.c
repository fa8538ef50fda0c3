/* test_damage.c: the search for damaged rows has a limit at a start, and none for the doctor. */
#include "runs_kit.h"

#include "engine/damage.h"

enum { EVENTS = 3 * DAMAGE_NEWEST_ROWS, TABLES_MAX = 40 };

struct search {
    enum damage_scope scope;
    struct damage_cursor at, next;
    bool more;
    int64_t pages, found;
};

static struct err fill_tx(struct tx *tx, void *ctx) {
    static const char sql[] =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)"
        " INSERT INTO events (stream, seq, at_ms, type, data)"
        " SELECT 1000000, i, 1, 'note', CASE WHEN i = 2 OR i = $1 THEN '{\"a\":' ELSE '{}' END"
        " FROM n";
    const struct arg args[] = {arg_int(EVENTS)};
    (void)ctx; /* Nothing comes back. */
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL);
}

static void count_damage(void *ctx, const struct damage *damage) {
    struct search *search = ctx;
    assert_string_equal(damage->table, "events");
    search->found++;
}

static struct err page_tx(struct tx *tx, void *ctx) {
    struct search *search = ctx;
    search->next = search->at;
    return tx_damage_page(tx, search->scope, &search->next, count_damage, search, &search->more);
}

/* Each page is read twice by runs_do, so each damaged row is found twice. */
static struct search search_all(struct runs_kit *kit, enum damage_scope scope) {
    struct search search = {.scope = scope, .more = true};
    while (search.more) {
        assert_int_equal(runs_do(kit, page_tx, &search), ERR_NONE);
        search.at = search.next;
        search.pages++;
    }
    search.found /= 2;
    return search;
}

static void a_start_reads_a_part_of_a_long_stream_and_the_doctor_all(void **state) {
    struct runs_kit *kit = *state;
    assert_int_equal(runs_do(kit, fill_tx, NULL), ERR_NONE);
    struct search newest = search_all(kit, DAMAGE_NEWEST), all = search_all(kit, DAMAGE_ALL);
    assert_int_equal(newest.found, 1);
    assert_in_range(newest.pages, 1, DAMAGE_NEWEST_ROWS / DAMAGE_PAGE + TABLES_MAX);
    assert_int_equal(all.found, 2);
    assert_true(all.pages > EVENTS / DAMAGE_PAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_start_reads_a_part_of_a_long_stream_and_the_doctor_all,
                                        runs_begin, runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
