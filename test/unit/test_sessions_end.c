/* Sessions forked and removed: chains of transactions, and what a crash between them leaves. */
/* runs-with: sqlite, postgres */
#include "sessions_kit.h"

#include "engine/session/checkpoints.h"
#include "engine/system/session_delete.h"

struct counting {
    const char *sql;
    int64_t count;
};

static struct err counting_tx(struct tx *tx, void *ctx) {
    struct counting *counting = ctx;
    counting->count = tx_number(tx, counting->sql, NO_ARGS);
    return tx_error(tx);
}

static int64_t count_of(struct runs_kit *runs, const char *sql) {
    struct counting counting = {.sql = sql};
    assert_int_equal(runs_do(runs, counting_tx, &counting), ERR_NONE);
    return counting.count;
}

/* --- Delete ----------------------------------------------------------------------------------- */

struct removal {
    struct session_delete what;
    bool more;
};

static struct err removal_tx(struct tx *tx, void *ctx) {
    struct removal *removal = ctx;
    return tx_session_delete(tx, &removal->what, &removal->more);
}

static int removal_do(struct runs_kit *runs, const char *session) {
    struct removal removal = {
        .what = {.key = {.owner = BYTES("ann"), .session = kit_bytes(session)},
                 .bounds = runs->bounds}};
    int links = 0;
    do {
        assert_int_equal(runs_do(runs, removal_tx, &removal), ERR_NONE);
        links++;
    } while (removal.more);
    return links;
}

static struct err purge_tx(struct tx *tx, void *ctx) {
    return tx_session_purge(tx, ctx);
}

static int purge_all(struct runs_kit *runs) {
    struct session_purge purge = {.after = 0};
    int pages = 0;
    do {
        assert_int_equal(runs_do(runs, purge_tx, &purge), ERR_NONE);
        pages++;
    } while (purge.more);
    return pages;
}

static void a_deleted_session_is_gone_at_once_and_its_rows_go_page_by_page(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    struct sessions_row other = sessions_add(runs, "other");
    messages_add_many(runs, row.row.id, 2 * SESSION_PURGE_PAGE + 10);
    struct messages_row kept = messages_add(runs, other.row.id, ROLE_USER, "kept");
    assert_int_equal(removal_do(runs, row.session), 1);
    assert_false(sessions_find(runs, "ann", row.session, NULL));
    struct sessions_events told = sessions_told(runs, row.session);
    const char *const lists[] = {"project:default", "owner:ann"};
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct sessions_events events = sessions_events(runs, lists[i]);
        assert_non_null(strstr(events.last, "\"removed\":true"));
    }
    assert_true(purge_all(runs) > 6);
    assert_int_equal(count_of(runs, "SELECT count(*) FROM events WHERE data LIKE '%\"one\"%'"), 0);
    assert_true(count_of(runs, "SELECT count(*) FROM events WHERE data LIKE '%\"other\"%'") > 1);
    assert_int_equal(count_of(runs, "SELECT count(*) FROM messages"), 1);
    assert_int_equal(count_of(runs, "SELECT count(*) FROM parts"), 1);
    json_t *json = messages_show(runs, kept.message, 100);
    assert_non_null(json);
    json_decref(json);
    /* Whoever was away for a moment still hears of the end; later the stream goes, too. */
    assert_true(sessions_told(runs, row.session).head == told.head);
    runs->kit.clock_ms += SESSION_STREAM_KEPT_MS;
    (void)purge_all(runs);
    assert_int_equal(sessions_told(runs, row.session).head, 0);
    assert_int_equal(count_of(runs, "SELECT count(*) FROM sessions"), 1);
}

static void subagents_sessions_go_with_their_parents(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row parent = sessions_add(runs, "parent");
    char below[ID_SIZE];
    memcpy(below, parent.session, sizeof below);
    for (int i = 0; i < 3; i++) {
        struct sessions_create child = {.what = {.session = sessions_id(runs, "ses"),
                                                 .owner = BYTES("ann"),
                                                 .parent = kit_bytes(below)}};
        assert_int_equal(runs_do(runs, sessions_create_tx, &child), ERR_NONE);
        memcpy(below, child.row.session, sizeof below);
    }
    assert_int_equal(removal_do(runs, parent.session), 4);
    assert_false(sessions_find(runs, "ann", below, NULL));
    (void)purge_all(runs);
    runs->kit.clock_ms += SESSION_STREAM_KEPT_MS;
    (void)purge_all(runs);
    assert_int_equal(count_of(runs, "SELECT count(*) FROM sessions"), 0);
}

static struct err delete_later_tx(struct tx *tx, void *ctx) {
    const struct sessions_row *session = ctx;
    const struct session_change change = {
        .key = {.owner = BYTES("ann"), .session = kit_bytes(session->session)},
        .remove = CHANGE_YES};
    struct session_row row;
    return tx_session_change(tx, &change, &row);
}

struct expire {
    int64_t before_ms;
    bool more;
};

static struct err expire_tx(struct tx *tx, void *ctx) {
    struct expire *expire = ctx;
    return tx_session_expire(tx, expire->before_ms, 1, &expire->more);
}

static void what_was_put_to_be_deleted_is_removed_when_its_time_is_over(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one"), other = sessions_add(runs, "other");
    assert_int_equal(runs_do(runs, delete_later_tx, &row), ERR_NONE);
    struct expire expire = {.before_ms = runs->kit.clock_ms};
    assert_int_equal(runs_do(runs, expire_tx, &expire), ERR_NONE);
    assert_false(expire.more);
    assert_true(sessions_find(runs, "ann", row.session, NULL));
    expire.before_ms += 2; /* A time of archiving is later than that of the beginning. */
    assert_int_equal(runs_do(runs, expire_tx, &expire), ERR_NONE);
    assert_true(expire.more);
    assert_false(sessions_find(runs, "ann", row.session, NULL));
    assert_int_equal(runs_do(runs, expire_tx, &expire), ERR_NONE);
    assert_false(expire.more);
    assert_true(sessions_find(runs, "ann", other.session, NULL));
}

static void a_delete_asks_the_turns_to_end_first(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    struct run_new what = runs_new(runs);
    what.kind = KIND_TURN;
    struct runs_row running = runs_submit(runs, &what);
    what.run = runs_id(runs);
    what.bounds.slots = 0;
    struct runs_row queued = runs_submit(runs, &what);
    assert_int_equal(queued.row.state, RUN_QUEUED);
    const int64_t turns[] = {running.row.id, queued.row.id};
    for (size_t i = 0; i < COUNT_OF(turns); i++) {
        struct messages_add add = {
            .session = row.row.id,
            .row = {.role = i == 0 ? ROLE_ASSISTANT : ROLE_USER,
                    .status = i == 0 ? MESSAGE_RUNNING : MESSAGE_QUEUED,
                    .run = turns[i]},
        };
        (void)messages_put(runs, &add);
    }
    (void)removal_do(runs, row.session);
    assert_int_equal(runs_get(runs, running.run).row.stop, CAUSE_STOPPED);
    assert_int_equal(runs_get(runs, queued.run).row.state, RUN_CANCELLED);
    assert_false(sessions_find(runs, "ann", row.session, NULL));
}

struct run_removal {
    struct run_key key;
    bool more;
};

static struct err run_removal_tx(struct tx *tx, void *ctx) {
    struct run_removal *removal = ctx;
    struct run_row row;
    return tx_run_remove(tx, &removal->key, &removal->more, &row);
}

static void a_message_never_names_a_run_that_is_not_its_own(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct runs_row run = runs_add(runs);
    struct messages_add add = {
        .session = session.row.id,
        .row = {.role = ROLE_ASSISTANT, .status = MESSAGE_COMPLETED, .run = run.row.id},
        .parts = {{.kind = PART_TOOL, .state = PART_STATE_SUCCEEDED, .run = run.row.id}},
        .count = 1};
    struct messages_row message = messages_put(runs, &add);
    (void)runs_finish(runs, run.run);
    json_t *json = messages_show(runs, message.message, 100);
    assert_string_equal(json_string_value(json_object_get(json, "run")), run.run);
    json_decref(json);
    struct run_removal removal = {.key = {.owner = BYTES("ann"), .run = kit_bytes(run.run)}};
    assert_int_equal(runs_do(runs, run_removal_tx, &removal), ERR_NONE);
    assert_int_not_equal(runs_add(runs).row.id, run.row.id);
    json = messages_show(runs, message.message, 100);
    assert_true(json_is_null(json_object_get(json, "run")));
    assert_null(json_object_get(json_array_get(json_object_get(json, "parts"), 0), "run"));
    json_decref(json);
}

static void no_session_or_message_gets_the_id_of_one_that_is_gone(void **state) {
    struct runs_kit *runs = *state;
    int64_t last_session = 0, last_message = 0;
    for (int i = 0; i < 3; i++) {
        struct sessions_row row = sessions_add(runs, "one");
        struct messages_add add = {.session = row.row.id,
                                   .row = {.role = ROLE_USER, .status = MESSAGE_COMPLETED}};
        (void)messages_put(runs, &add);
        int64_t message = count_of(runs, "SELECT max(id) FROM messages");
        assert_true(row.row.id > last_session && message > last_message);
        last_session = row.row.id;
        last_message = message;
        (void)removal_do(runs, row.session);
        runs->kit.clock_ms += SESSION_STREAM_KEPT_MS;
        (void)purge_all(runs);
        assert_int_equal(count_of(runs, "SELECT count(*) FROM messages"), 0);
    }
}

/* --- Fork ------------------------------------------------------------------------------------- */

struct forking {
    struct session_fork what, next;
    bool more;
    struct sessions_row row;
};

static struct err forking_tx(struct tx *tx, void *ctx) {
    struct forking *forking = ctx;
    struct session_row row;
    struct err err = tx_session_fork(tx, &forking->what, &forking->next, &forking->more, &row);
    if (!err_failed(err)) {
        sessions_copy(&row, &forking->row);
    }
    return err;
}

static struct forking forking_new(struct runs_kit *runs, const char *session, const char *message) {
    return (struct forking){.what = {.key = {.owner = BYTES("ann"), .session = kit_bytes(session)},
                                     .message = kit_bytes(message),
                                     .session = sessions_id(runs, "ses"),
                                     .seed = {(uint8_t)runs->ids}}};
}

static int forking_do(struct runs_kit *runs, struct forking *forking) {
    int links = 0;
    do {
        assert_int_equal(runs_do(runs, forking_tx, forking), ERR_NONE);
        forking->what = forking->next;
        links++;
    } while (forking->more);
    return links;
}

struct paging {
    struct message_page what;
    size_t count;
    struct messages_row rows[2000];
    int64_t reply_to[2000];
};

static struct err paging_tx(struct tx *tx, void *ctx) {
    struct paging *paging = ctx;
    struct message_rows rows;
    struct err err = tx_message_page(tx, &paging->what, &rows);
    paging->count = err_failed(err) ? 0 : rows.count;
    for (size_t i = 0; i < paging->count; i++) {
        paging->rows[i].id = rows.rows[i].id;
        paging->reply_to[i] = rows.rows[i].reply_to;
        runs_copy_text(rows.rows[i].message, paging->rows[i].message, ID_SIZE);
    }
    return err;
}

static const struct paging *paging_do(struct runs_kit *runs, int64_t session) {
    static struct paging paging;
    paging.what =
        (struct message_page){.session = session, .order = MESSAGES_OLDEST, .limit = 2000};
    assert_int_equal(runs_do(runs, paging_tx, &paging), ERR_NONE);
    return &paging;
}

static void a_fork_has_copies_up_to_its_message_and_a_life_of_its_own(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    struct messages_row first = messages_add(runs, row.row.id, ROLE_USER, "first");
    struct messages_add answer = {.session = row.row.id,
                                  .row = {.role = ROLE_ASSISTANT,
                                          .status = MESSAGE_INTERRUPTED,
                                          .reply_to = first.id,
                                          .active = true,
                                          .client_id = BYTES("mine"),
                                          .cause = BYTES("stopped")},
                                  .parts = {{.kind = PART_TEXT, .step = 1, .text = BYTES("so f")},
                                            {.kind = PART_TOOL,
                                             .step = 1,
                                             .state = PART_STATE_PENDING,
                                             .name = BYTES("run_job"),
                                             .data = BYTES("{\"arguments\":{\"a\":1}}")},
                                            {.kind = PART_TOOL,
                                             .step = 1,
                                             .state = PART_STATE_RUNNING,
                                             .name = BYTES("read_file"),
                                             .data = BYTES("{}")}},
                                  .count = 3};
    struct messages_row second = messages_put(runs, &answer);
    (void)messages_add(runs, row.row.id, ROLE_USER, "third");
    struct forking forking = forking_new(runs, row.session, second.message);
    (void)forking_do(runs, &forking);
    assert_string_equal(forking.row.forked_from, second.message);
    assert_string_equal(forking.row.title, "one");
    const struct paging *copies = paging_do(runs, forking.row.row.id);
    assert_int_equal(copies->count, 2);
    assert_int_equal(copies->reply_to[1], copies->rows[0].id);
    json_t *copy = messages_show(runs, copies->rows[1].message, 1000);
    const json_t *parts = json_object_get(copy, "parts");
    assert_string_equal(json_string_value(json_object_get(copy, "status")), "interrupted");
    assert_true(json_is_null(json_object_get(copy, "client_id")));
    assert_int_equal(json_array_size(parts), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(parts, 0), "text")),
                        "so f");
    /* The job lives on and its end reaches both cards; the other call ends in the old session. */
    assert_string_equal(json_string_value(json_object_get(json_array_get(parts, 1), "state")),
                        "pending");
    assert_string_equal(json_string_value(json_object_get(json_array_get(parts, 2), "state")),
                        "cancelled");
    assert_int_equal(
        json_integer_value(json_object_get(
            json_object_get(json_object_get(json_array_get(parts, 1), "data"), "arguments"), "a")),
        1);
    json_decref(copy);
    (void)messages_add(runs, forking.row.row.id, ROLE_USER, "elsewhere");
    assert_int_equal(paging_do(runs, row.row.id)->count, 3);
    (void)removal_do(runs, row.session);
    (void)purge_all(runs);
    assert_int_equal(paging_do(runs, forking.row.row.id)->count, 3);
}

static void a_fork_at_a_strange_message_is_refused(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    struct sessions_row other = sessions_add(runs, "other");
    struct messages_row message = messages_add(runs, other.row.id, ROLE_USER, "x");
    struct forking forking = forking_new(runs, row.session, message.message);
    assert_int_equal(runs_do(runs, forking_tx, &forking), ERR_MESSAGE_NOT_FOUND);
    forking = forking_new(runs, "ses_00000000000000000000000000", "");
    assert_int_equal(runs_do(runs, forking_tx, &forking), ERR_NOT_FOUND);
    forking = forking_new(runs, row.session, "");
    forking.what.key.owner = BYTES("bob");
    assert_int_equal(runs_do(runs, forking_tx, &forking), ERR_NOT_FOUND);
    assert_int_equal(count_of(runs, "SELECT count(*) FROM sessions"), 2);
}

static void a_large_fork_is_seen_only_when_it_is_whole(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    enum { MANY = SESSION_FORK_PAGE + 100 };
    messages_add_many(runs, row.row.id, MANY);
    struct forking forking = forking_new(runs, row.session, "");
    assert_int_equal(runs_do(runs, forking_tx, &forking), ERR_NONE);
    assert_true(forking.more);
    assert_false(sessions_find(runs, "ann", forking.row.session, NULL));
    (void)purge_all(runs); /* What is being made is nobody's leftover. */
    forking.what = forking.next;
    assert_true(forking_do(runs, &forking) >= 2);
    assert_true(sessions_find(runs, "ann", forking.row.session, NULL));
    assert_int_equal(paging_do(runs, forking.row.row.id)->count, MANY);
}

/* --- Fork: summaries -------------------------------------------------------------------------- */

struct covering {
    int64_t session, message;
    const char *summary;
    struct checkpoint found;
    bool has;
    char text[20];
};

static struct err covering_tx(struct tx *tx, void *ctx) {
    const struct covering *covering = ctx;
    const struct checkpoint checkpoint = {.session = covering->session,
                                          .message = covering->message,
                                          .tokens_before = 100,
                                          .tokens_after = 10,
                                          .made_by = CHECKPOINT_MANUAL,
                                          .method = BYTES("summary"),
                                          .summary = kit_bytes(covering->summary)};
    return tx_checkpoint_add(tx, &checkpoint);
}

static void cover(struct runs_kit *runs, int64_t session, int64_t message, const char *summary) {
    struct covering covering = {.session = session, .message = message, .summary = summary};
    assert_int_equal(runs_do(runs, covering_tx, &covering), ERR_NONE);
}

struct voiding {
    int64_t session, message;
};

static struct err voiding_tx(struct tx *tx, void *ctx) {
    const struct voiding *voiding = ctx;
    const struct session_row session = {.id = voiding->session};
    tx_checkpoint_void_from(tx, &session, voiding->message);
    return tx_error(tx);
}

static struct err covered_tx(struct tx *tx, void *ctx) {
    struct covering *covering = ctx;
    covering->has = tx_checkpoint_find(tx, covering->session, &covering->found);
    if (covering->has) {
        runs_copy_text(covering->found.summary, covering->text, sizeof covering->text);
    }
    return tx_error(tx);
}

static struct covering covered(struct runs_kit *runs, int64_t session) {
    struct covering covering = {.session = session};
    assert_int_equal(runs_do(runs, covered_tx, &covering), ERR_NONE);
    return covering;
}

static void a_fork_keeps_the_summary_that_covers_most_of_what_it_has(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    struct messages_row messages[4];
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        messages[i] = messages_add(runs, row.row.id, ROLE_USER, "x");
    }
    cover(runs, row.row.id, messages[0].id, "shortest");
    cover(runs, row.row.id, messages[1].id, "shorter");
    cover(runs, row.row.id, messages[3].id, "longer");
    struct forking forking = forking_new(runs, row.session, messages[2].message);
    (void)forking_do(runs, &forking);
    struct covering fork = covered(runs, forking.row.row.id);
    assert_true(fork.has);
    assert_string_equal(fork.text, "shorter");
    assert_int_equal(fork.found.message, paging_do(runs, forking.row.row.id)->rows[1].id);
    assert_int_equal(fork.found.made_by, CHECKPOINT_MANUAL);
    assert_int_equal(fork.found.tokens_before, 100);
    assert_string_equal(covered(runs, row.row.id).text, "longer");
    forking = forking_new(runs, row.session, "");
    (void)forking_do(runs, &forking);
    assert_string_equal(covered(runs, forking.row.row.id).text, "longer");
    assert_int_equal(count_of(runs, "SELECT count(*) FROM checkpoints"), 5);
}

static void a_fork_has_no_summary_of_what_it_lacks(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    struct messages_row first = messages_add(runs, row.row.id, ROLE_USER, "x");
    struct messages_row second = messages_add(runs, row.row.id, ROLE_USER, "x");
    cover(runs, row.row.id, second.id, "of both");
    struct forking forking = forking_new(runs, row.session, first.message);
    (void)forking_do(runs, &forking);
    assert_false(covered(runs, forking.row.row.id).has);
}

static void a_change_while_it_is_forked_leaves_the_summary_behind(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    struct messages_row first = messages_add(runs, row.row.id, ROLE_USER, "x");
    messages_add_many(runs, row.row.id, SESSION_FORK_PAGE);
    cover(runs, row.row.id, first.id, "as it was");
    struct forking forking = forking_new(runs, row.session, "");
    assert_int_equal(runs_do(runs, forking_tx, &forking), ERR_NONE);
    assert_true(forking.more);
    struct voiding changed = {.session = row.row.id, .message = first.id};
    assert_int_equal(runs_do(runs, voiding_tx, &changed), ERR_NONE);
    cover(runs, row.row.id, first.id, "as it is now");
    forking.what = forking.next;
    (void)forking_do(runs, &forking);
    assert_false(covered(runs, forking.row.row.id).has);
}

static void what_a_crash_leaves_of_a_fork_is_cleared_away(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    messages_add_many(runs, row.row.id, SESSION_FORK_PAGE);
    struct forking forking = forking_new(runs, row.session, "");
    assert_int_equal(runs_do(runs, forking_tx, &forking), ERR_NONE);
    assert_true(forking.more);
    runs_restart(runs);
    assert_false(sessions_find(runs, "ann", forking.row.session, NULL));
    (void)purge_all(runs);
    assert_int_equal(count_of(runs, "SELECT count(*) FROM sessions"), 1);
    assert_int_equal(count_of(runs, "SELECT count(*) FROM messages"), SESSION_FORK_PAGE);
}

static struct err abandon_tx(struct tx *tx, void *ctx) {
    const struct forking *forking = ctx;
    return tx_session_fork_abandon(tx, &forking->what);
}

static void a_fork_whose_source_goes_is_given_up(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    messages_add_many(runs, row.row.id, SESSION_FORK_PAGE);
    struct forking forking = forking_new(runs, row.session, "");
    assert_int_equal(runs_do(runs, forking_tx, &forking), ERR_NONE);
    forking.what = forking.next;
    (void)removal_do(runs, row.session);
    assert_int_equal(runs_do(runs, forking_tx, &forking), ERR_NOT_FOUND);
    assert_int_equal(runs_do(runs, abandon_tx, &forking), ERR_NONE);
    runs->kit.clock_ms += SESSION_STREAM_KEPT_MS;
    (void)purge_all(runs);
    runs->kit.clock_ms += SESSION_STREAM_KEPT_MS;
    (void)purge_all(runs);
    assert_int_equal(count_of(runs, "SELECT count(*) FROM messages"), 0);
    assert_int_equal(count_of(runs, "SELECT count(*) FROM sessions"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_deleted_session_is_gone_at_once_and_its_rows_go_page_by_page, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(subagents_sessions_go_with_their_parents, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(no_session_or_message_gets_the_id_of_one_that_is_gone,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_message_never_names_a_run_that_is_not_its_own, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(what_was_put_to_be_deleted_is_removed_when_its_time_is_over,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_delete_asks_the_turns_to_end_first, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_fork_has_copies_up_to_its_message_and_a_life_of_its_own,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_fork_at_a_strange_message_is_refused, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_large_fork_is_seen_only_when_it_is_whole, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_fork_keeps_the_summary_that_covers_most_of_what_it_has,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_fork_has_no_summary_of_what_it_lacks, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_change_while_it_is_forked_leaves_the_summary_behind,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(what_a_crash_leaves_of_a_fork_is_cleared_away, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_fork_whose_source_goes_is_given_up, runs_begin, runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
