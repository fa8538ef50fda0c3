/* Sessions: made, found, listed, searched, changed, forked and removed. */
/* runs-with: sqlite, postgres */
#include "sessions_kit.h"

static void a_session_is_its_owners_alone(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "Mine");
    struct sessions_row found;
    assert_true(sessions_find(runs, "ann", row.session, &found));
    assert_string_equal(found.title, "Mine");
    assert_int_equal(found.row.title_by, TITLE_USER);
    assert_int_equal(found.row.version, 1);
    assert_int_equal(found.row.state, SESSION_IDLE);
    assert_string_equal(found.metadata, "{}");
    assert_false(sessions_find(runs, "bob", row.session, NULL));
    assert_false(sessions_find(runs, "ann", "ses_00000000000000000000000000", NULL));
    assert_string_equal(sessions_told(runs, row.session).types, "session_created ");
    assert_string_equal(sessions_events(runs, "project:default").types, "session_changed ");
    assert_string_equal(sessions_events(runs, "owner:ann").types,
                        "project_changed session_changed ");
}

static struct sessions_create child_of(struct runs_kit *runs, const char *owner,
                                       const char *parent) {
    return (struct sessions_create){.what = {.session = sessions_id(runs, "ses"),
                                             .owner = kit_bytes(owner),
                                             .parent = kit_bytes(parent)}};
}

static void a_subagents_session_hangs_below_its_parent(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row parent = sessions_add(runs, "Parent");
    struct sessions_create strange = child_of(runs, "bob", parent.session);
    assert_int_equal(runs_do(runs, sessions_create_tx, &strange), ERR_NOT_FOUND);
    struct sessions_create child = child_of(runs, "ann", parent.session);
    assert_int_equal(runs_do(runs, sessions_create_tx, &child), ERR_NONE);
    assert_int_equal(child.row.row.parent, parent.row.id);
    assert_int_equal(child.row.row.depth, 1);
}

/* --- Lists ------------------------------------------------------------------------------------ */

enum { LISTED_MAX = 100 };

struct listed {
    struct session_page page;
    const char *text; /* NULL: not a search. */
    int64_t most;     /* Of a search; 0: all. */
    size_t count;
    char titles[LISTED_MAX][SESSION_TITLE_MAX + 1];
    char hits[LISTED_MAX][300];
    struct session_cursor after;
};

static struct err listed_row(void *ctx, const struct session_row *row) {
    struct listed *listed = ctx;
    assert_true(listed->count < LISTED_MAX);
    runs_copy_text(row->title, listed->titles[listed->count++], SESSION_TITLE_MAX + 1);
    listed->after = (struct session_cursor){row->changed_ms, row->id};
    return ERR_OK;
}

static enum session_found found_row(void *ctx, const struct session_row *row,
                                    const struct session_hit *hit) {
    struct listed *listed = ctx;
    if (listed->most > 0 && (int64_t)listed->count == listed->most) {
        return SESSION_FOUND_ENOUGH;
    }
    runs_copy_text(hit->text, listed->hits[listed->count], sizeof listed->hits[0]);
    kit_check(listed_row(ctx, row));
    return SESSION_FOUND_TAKEN;
}

static struct err listed_tx(struct tx *tx, void *ctx) {
    struct listed *listed = ctx;
    listed->count = 0;
    listed->after = (struct session_cursor){0, 0};
    if (listed->text == NULL) {
        return tx_session_each(tx, &listed->page, listed_row, listed);
    }
    struct session_cursor after;
    struct err err =
        tx_session_search(tx, &listed->page, kit_bytes(listed->text), found_row, listed, &after);
    listed->after = after;
    return err;
}

static struct listed listed_new(const char *text) {
    return (struct listed){.page = {.owner = BYTES("ann"),
                                    .parent = BYTES(""),
                                    .project = BYTES(""),
                                    .limit = LISTED_MAX},
                           .text = text};
}

static void a_list_shows_the_session_changed_last_first_page_by_page(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row first = sessions_add(runs, "0");
    for (int i = 1; i < 10; i++) {
        char title[8];
        (void)snprintf(title, sizeof title, "%d", i);
        (void)sessions_add(runs, title);
    }
    (void)messages_add(runs, first.row.id, ROLE_USER, "again");
    struct listed listed = listed_new(NULL);
    listed.page.limit = 3;
    char order[32] = "";
    do {
        assert_int_equal(runs_do(runs, listed_tx, &listed), ERR_NONE);
        for (size_t i = 0; i < listed.count; i++) {
            strcat(order, listed.titles[i]);
        }
        listed.page.after = listed.after;
    } while (listed.count == 3);
    assert_string_equal(order, "0987654321");
    listed.page.owner = BYTES("bob");
    listed.page.after = (struct session_cursor){0, 0};
    assert_int_equal(runs_do(runs, listed_tx, &listed), ERR_NONE);
    assert_int_equal(listed.count, 0);
}

struct change {
    struct session_change what;
    struct sessions_row row;
};

static struct err change_tx(struct tx *tx, void *ctx) {
    struct change *change = ctx;
    struct session_row row;
    struct err err = tx_session_change(tx, &change->what, &row);
    if (!err_failed(err) || err.code == ERR_CONFLICT) {
        sessions_copy(&row, &change->row);
    }
    return err;
}

static struct change change_of(const char *session) {
    return (struct change){.what = {.key = {.owner = BYTES("ann"), .session = kit_bytes(session)}}};
}

static void what_is_archived_is_listed_apart(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "old");
    (void)sessions_add(runs, "new");
    struct change change = change_of(row.session);
    change.what.archive = CHANGE_YES;
    assert_int_equal(runs_do(runs, change_tx, &change), ERR_NONE);
    assert_true(change.row.row.archived_ms > 0);
    struct listed listed = listed_new(NULL);
    assert_int_equal(runs_do(runs, listed_tx, &listed), ERR_NONE);
    assert_int_equal(listed.count, 1);
    assert_string_equal(listed.titles[0], "new");
    listed.page.shelf = SHELF_ARCHIVED;
    assert_int_equal(runs_do(runs, listed_tx, &listed), ERR_NONE);
    assert_int_equal(listed.count, 1);
    assert_string_equal(listed.titles[0], "old");
    change.what.archive = CHANGE_NO;
    assert_int_equal(runs_do(runs, change_tx, &change), ERR_NONE);
    assert_int_equal(change.row.row.archived_ms, 0);
    assert_int_equal(change.row.row.version, 3);
}

/* --- Search ----------------------------------------------------------------------------------- */

static void a_search_finds_titles_and_messages_whatever_the_case(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row a = sessions_add(runs, "A plan for 100% of it");
    struct sessions_row b = sessions_add(runs, "b");
    (void)sessions_add(runs, "c");
    (void)messages_add(runs, a.row.id, ROLE_USER, "nothing here");
    (void)messages_add(runs, b.row.id, ROLE_USER, "Where does the Needle lie?");
    (void)messages_add(runs, b.row.id, ROLE_ASSISTANT, "somewhere_else");
    const struct {
        const char *text, *titles;
    } cases[] = {{"NEEDLE", "b"},
                 {"100%", "A plan for 100% of it"},
                 {"1%0", ""},
                 {"somewhere_else", "b"},
                 {"somewhere!else", ""},
                 {"somewhere?else", ""},
                 {"no such text", ""},
                 {"here", "bA plan for 100% of it"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct listed listed = listed_new(cases[i].text);
        char titles[1000] = "";
        assert_int_equal(runs_do(runs, listed_tx, &listed), ERR_NONE);
        for (size_t at = 0; at < listed.count; at++) {
            strcat(titles, listed.titles[at]);
        }
        assert_string_equal(titles, cases[i].titles);
        assert_int_equal(listed.after.id, 0);
    }
}

static void what_was_removed_is_not_found_by_a_search(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "a");
    struct messages_add add = {.session = row.row.id,
                               .row = {.role = ROLE_USER, .status = MESSAGE_REMOVED},
                               .parts = {{.kind = PART_TEXT, .text = BYTES("needle")}},
                               .count = 1};
    (void)messages_put(runs, &add);
    struct listed listed = listed_new("needle");
    assert_int_equal(runs_do(runs, listed_tx, &listed), ERR_NONE);
    assert_int_equal(listed.count, 0);
}

static void a_search_goes_on_where_it_was_ended(void **state) {
    struct runs_kit *runs = *state;
    for (int i = 0; i < 60; i++) {
        (void)sessions_add(runs, i % 2 == 0 ? "even" : "odd");
    }
    struct listed listed = listed_new("EVEN");
    size_t total = 0;
    listed.most = 7;
    do {
        assert_int_equal(runs_do(runs, listed_tx, &listed), ERR_NONE);
        total += listed.count;
        listed.page.after = listed.after;
    } while (listed.after.id != 0);
    assert_int_equal(total, 30);
}

static void a_search_looks_at_a_bounded_number_of_bytes(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row large = sessions_add(runs, "large");
    struct sessions_row small = sessions_add(runs, "small");
    char *text = mem_new(MESSAGE_TEXT_MAX + 1);
    memset(text, 'x', MESSAGE_TEXT_MAX);
    (void)messages_add(runs, large.row.id, ROLE_USER, "needle");
    for (int i = 0; i < SESSION_SEARCH_BYTES / MESSAGE_TEXT_MAX + 4; i++) {
        (void)messages_add(runs, large.row.id, ROLE_USER, text);
    }
    (void)messages_add(runs, small.row.id, ROLE_USER, "needle");
    mem_free(text);
    struct listed listed = listed_new("needle");
    assert_int_equal(runs_do(runs, listed_tx, &listed), ERR_NONE);
    assert_int_equal(listed.count, 1); /* The large one waits for a page of its own, */
    assert_int_not_equal(listed.after.id, 0);
    listed.page.after = listed.after;
    assert_int_equal(runs_do(runs, listed_tx, &listed), ERR_NONE);
    assert_int_equal(listed.count, 0); /* and there only its newest texts are looked at. */
    listed.page.after = listed.after;
    assert_int_equal(runs_do(runs, listed_tx, &listed), ERR_NONE);
    assert_int_equal(listed.after.id, 0);
}

/* --- Changes ---------------------------------------------------------------------------------- */

static void a_change_of_what_was_changed_since_is_refused(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    struct change change = change_of(row.session);
    change.what.title = BYTES("two");
    change.what.version = 1;
    assert_int_equal(runs_do(runs, change_tx, &change), ERR_NONE);
    assert_int_equal(change.row.row.version, 2);
    change.what.title = BYTES("three");
    assert_int_equal(runs_do(runs, change_tx, &change), ERR_CONFLICT);
    assert_int_equal(change.row.row.version, 2);
    assert_string_equal(sessions_get(runs, row.session).title, "two");
    struct change strange = change_of(row.session);
    strange.what.key.owner = BYTES("bob");
    assert_int_equal(runs_do(runs, change_tx, &strange), ERR_NOT_FOUND);
    assert_string_equal(sessions_told(runs, row.session).types, "session_created session_renamed ");
    struct change same = change_of(row.session);
    same.what.title = BYTES("two");
    assert_int_equal(runs_do(runs, change_tx, &same), ERR_NONE);
    assert_int_equal(same.row.row.version, 2); /* Nothing to change, nothing to tell. */
}

static void a_title_touches_no_message(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    struct messages_row message = messages_add(runs, row.row.id, ROLE_USER, "hello");
    json_t *before = messages_show(runs, message.message, 1000);
    runs->kit.clock_ms += 1000;
    struct change change = change_of(row.session);
    change.what.title = BYTES("two");
    assert_int_equal(runs_do(runs, change_tx, &change), ERR_NONE);
    json_t *after = messages_show(runs, message.message, 1000);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

struct title {
    struct session_key key;
    struct bytes title;
    bool given;
};

static struct err title_tx(struct tx *tx, void *ctx) {
    struct title *title = ctx;
    return tx_session_give_title(tx, &title->key, title->title, &title->given);
}

static void a_title_of_ours_never_takes_a_users_place(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "");
    struct title title = {.key = {.owner = BYTES("ann"), .session = kit_bytes(row.session)},
                          .title = BYTES("ours")};
    assert_int_equal(row.row.title_by, TITLE_NONE);
    assert_int_equal(runs_do(runs, title_tx, &title), ERR_NONE);
    assert_true(title.given);
    assert_int_equal(sessions_get(runs, row.session).row.title_by, TITLE_AUTO);
    title.title = BYTES("ours again");
    assert_int_equal(runs_do(runs, title_tx, &title), ERR_NONE);
    assert_false(title.given);
    struct change change = change_of(row.session);
    change.what.title = BYTES("ours"); /* The user confirms it: it is the user's now. */
    assert_int_equal(runs_do(runs, change_tx, &change), ERR_NONE);
    assert_int_equal(change.row.row.title_by, TITLE_USER);
    assert_int_equal(runs_do(runs, title_tx, &title), ERR_NONE);
    assert_false(title.given);
    change.what.title = BYTES("");
    assert_int_equal(runs_do(runs, change_tx, &change), ERR_NONE);
    assert_int_equal(runs_do(runs, title_tx, &title), ERR_NONE);
    assert_true(title.given);
    assert_string_equal(sessions_get(runs, row.session).title, "ours again");
}

struct used {
    struct session_row row;
    struct session_usage usage;
};

static struct err usage_tx(struct tx *tx, void *ctx) {
    const struct used *usage = ctx;
    struct session_row row = usage->row;
    const struct session_context context = {.used = 15, .window = 1000};
    sessions__add_usage(tx, &usage->usage, &row);
    sessions__set_context(tx, &context, &row);
    return tx_error(tx);
}

static void usage_adds_up_and_an_unknown_cost_is_not_zero(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row row = sessions_add(runs, "one");
    struct used usage = {
        .row = row.row,
        .usage = {.calls = 1, .fresh = 10, .cache_read = 5, .output = 7, .cost_unknown = 1}};
    assert_int_equal(runs_do(runs, usage_tx, &usage), ERR_NONE);
    struct text text;
    text_init(&text, 1000);
    row = sessions_get(runs, row.session);
    fields_write(&session_usage_fields, FIELD_LISTED, &row.row.usage, &text);
    assert_non_null(strstr(text.data, "\"cost_micros\":null"));
    usage.usage.cost_unknown = 0;
    usage.usage.cost_micros = 42;
    assert_int_equal(runs_do(runs, usage_tx, &usage), ERR_NONE);
    row = sessions_get(runs, row.session);
    assert_int_equal(row.row.usage.fresh, 20);
    assert_int_equal(row.row.usage.output, 14);
    assert_int_equal(row.row.context_used, 15);
    assert_int_equal(row.row.context_window, 1000);
    text_clear(&text);
    fields_write(&session_usage_fields, FIELD_LISTED, &row.row.usage, &text);
    assert_non_null(strstr(text.data, "\"cost_micros\":42,\"cost_unknown\":1"));
    text_done(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_is_its_owners_alone, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_subagents_session_hangs_below_its_parent, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_list_shows_the_session_changed_last_first_page_by_page,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(what_is_archived_is_listed_apart, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_search_finds_titles_and_messages_whatever_the_case,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(what_was_removed_is_not_found_by_a_search, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_search_goes_on_where_it_was_ended, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_search_looks_at_a_bounded_number_of_bytes, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_change_of_what_was_changed_since_is_refused, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_title_touches_no_message, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_title_of_ours_never_takes_a_users_place, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(usage_adds_up_and_an_unknown_cost_is_not_zero, runs_begin,
                                        runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
