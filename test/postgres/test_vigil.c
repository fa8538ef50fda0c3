/* What a standby does about a leader that holds the lock and no longer commits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "kit.h"
#include "store/postgres/schema.h"

/* A session that may see and use everything, and may end nobody else's. */
static const char make_looker[] =
    "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'looker') THEN "
    "CREATE ROLE looker LOGIN; END IF; END $$";

struct standby {
    struct libpq pq;
    struct pg_patience patience;
    struct pg_link *link;
    int64_t oid;
    struct pg_vigil vigil;
};

static void leader_open(struct kit_store *leader, const char *schema) {
    char url[KIT_URL_SIZE];
    kit_url(kit_server_dir(), schema, url);
    kit_open(url, leader);
}

static void standby_open(struct standby *standby, const char *schema, const char *user) {
    char url[KIT_URL_SIZE];
    int len =
        snprintf(url, sizeof url, "postgres:///drover?user=%s&host=%s&options=-csearch_path%%3D%s",
                 user, kit_server_dir(), schema);
    assert_in_range(len, 1, sizeof url - 1);
    *standby = (struct standby){.link = NULL};
    assert_int_equal(libpq_open(&standby->pq, NULL).code, ERR_NONE);
    pg_patience_init(&standby->patience, world_real());
    assert_int_equal(pg_link_open(&standby->pq, url, &standby->patience, &standby->link, NULL).code,
                     ERR_NONE);
    assert_int_equal(pg_schema_enter(standby->link, PG_ENTER_FIND, &standby->oid, NULL).code,
                     ERR_NONE);
}

static enum pg_vigil_seen standby_look(struct standby *standby) {
    enum pg_vigil_seen seen = PG_VIGIL_ALIVE;
    assert_int_equal(pg_vigil_look(&standby->vigil, standby->link, standby->oid, &seen).code,
                     ERR_NONE);
    return seen;
}

/* As often as a leader may be without a commit. */
static void standby_look_in_vain(struct standby *standby) {
    for (unsigned i = 0; i < PG_VIGIL_LOOKS; i++) {
        assert_int_equal(standby_look(standby), PG_VIGIL_ALIVE);
    }
}

static void standby_close(struct standby *standby) {
    pg_link_close(standby->link);
    libpq_close(&standby->pq);
}

static void a_leader_that_commits_is_left_alone(void **state) {
    (void)state;
    struct kit_store leader;
    struct standby standby;
    leader_open(&leader, "vigil_alive");
    standby_open(&standby, "vigil_alive", "drover");
    for (int64_t i = 0; i < 3 * PG_VIGIL_LOOKS; i++) {
        if (i % PG_VIGIL_LOOKS == 0) {
            assert_int_equal(kit_add_one(&leader, i).code, ERR_NONE);
        }
        assert_int_equal(standby_look(&standby), PG_VIGIL_ALIVE);
    }
    standby_close(&standby);
    kit_close(&leader);
}

static void the_session_of_a_leader_that_stands_still_is_ended(void **state) {
    (void)state;
    struct kit_store leader;
    struct standby standby;
    leader_open(&leader, "vigil_still");
    standby_open(&standby, "vigil_still", "drover");
    standby_look_in_vain(&standby);
    assert_int_equal(standby_look(&standby), PG_VIGIL_ENDED);
    bool locked = false;
    for (unsigned tries = 0; !locked && tries < 1000; tries++) { /* Until its backend has ended. */
        assert_int_equal(pg_schema_try_lock(standby.link, standby.oid, &locked).code, ERR_NONE);
        kit_look("vigil_still", "SELECT pg_sleep(0.01)", (char[KIT_TEXT_SIZE]){""});
    }
    assert_true(locked);
    standby_close(&standby);
    kit_close(&leader);
}

static void a_session_that_may_not_be_ended_is_told(void **state) {
    (void)state;
    char text[KIT_TEXT_SIZE];
    struct kit_store leader;
    leader_open(&leader, "vigil_refused");
    kit_look("vigil_refused", make_looker, text);
    kit_look("vigil_refused", "GRANT pg_read_all_stats TO looker", text);
    kit_look("vigil_refused", "GRANT USAGE ON SCHEMA vigil_refused TO looker", text);
    kit_look("vigil_refused", "GRANT SELECT ON ALL TABLES IN SCHEMA vigil_refused TO looker", text);
    struct standby standby;
    standby_open(&standby, "vigil_refused", "looker");
    standby_look_in_vain(&standby);
    assert_int_equal(standby_look(&standby), PG_VIGIL_REFUSED);
    kit_look("vigil_refused", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", text);
    assert_string_equal(text, "1");
    assert_int_equal(kit_add_one(&leader, 1).code, ERR_NONE);
    standby_close(&standby);
    kit_close(&leader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_that_commits_is_left_alone),
        cmocka_unit_test(the_session_of_a_leader_that_stands_still_is_ended),
        cmocka_unit_test(a_session_that_may_not_be_ended_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
