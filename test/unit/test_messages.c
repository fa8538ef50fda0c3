/* Messages and their parts: what a session's history is made of. */
/* runs-with: sqlite, postgres */
#include "sessions_kit.h"

static const char *text_of(const json_t *message, size_t part) {
    return json_string_value(
        json_object_get(json_array_get(json_object_get(message, "parts"), part), "text"));
}

static void a_message_is_stored_once_and_told_of(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct messages_row row = messages_add(runs, session.row.id, ROLE_USER, "hello \"you\"\n");
    json_t *json = messages_show(runs, row.message, 1000);
    assert_string_equal(text_of(json, 0), "hello \"you\"\n");
    assert_string_equal(json_string_value(json_object_get(json, "role")), "user");
    assert_null(json_object_get(json_array_get(json_object_get(json, "parts"), 0), "cut"));
    struct sessions_events told = sessions_told(runs, session.session);
    assert_string_equal(told.types, "session_created message_added ");
    json_t *event = NULL;
    kit_check(json_parse(told.last, strlen(told.last), JSON_DEPTH_MAX, &event, NULL));
    assert_true(json_equal(json_object_get(event, "message"), json));
    json_decref(event);
    json_decref(json);
    assert_int_equal(sessions_get(runs, session.session).row.changed_ms, runs->kit.clock_ms);
}

static void a_message_belongs_to_its_sessions_owner(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct messages_row row = messages_add(runs, session.row.id, ROLE_USER, "x");
    struct messages_json show = {.key = {.owner = BYTES("bob"), .message = kit_bytes(row.message)}};
    text_init(&show.text, 1000);
    assert_int_equal(runs_do(runs, messages_json_tx, &show), ERR_NONE);
    assert_false(show.found);
    text_done(&show.text);
}

/* --- Budgets ---------------------------------------------------------------------------------- */

static void a_message_over_its_budget_says_what_is_cut(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    char *text = mem_new(1001);
    memset(text, 'a', 1000);
    struct messages_add add = {
        .session = session.row.id,
        .row = {.role = ROLE_ASSISTANT, .status = MESSAGE_COMPLETED},
        .parts = {{.kind = PART_TEXT, .step = 1, .text = {text, 1000}},
                  {.kind = PART_TEXT, .step = 1, .text = {text, 1000}},
                  {.kind = PART_TOOL, .step = 1, .data = BYTES("{\"a\":1}"), .text = {text, 9}}},
        .count = 3};
    struct messages_row row = messages_put(runs, &add);
    mem_free(text);
    json_t *json = messages_show(runs, row.message, 1400);
    const json_t *parts = json_object_get(json, "parts");
    assert_int_equal(strlen(text_of(json, 0)), 1000);
    assert_int_equal(strlen(text_of(json, 1)), 400);
    assert_true(json_is_true(json_object_get(json_array_get(parts, 1), "cut")));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(parts, 1), "bytes")), 1000);
    assert_int_equal(strlen(text_of(json, 2)), 0);
    assert_true(json_is_null(json_object_get(json_array_get(parts, 2), "data")));
    assert_true(json_is_true(json_object_get(json_array_get(parts, 2), "cut")));
    json_decref(json);
    json = messages_show(runs, row.message, 2016);
    assert_null(json_object_get(json_array_get(json_object_get(json, "parts"), 2), "cut"));
    json_decref(json);
}

static void an_event_never_fails_for_the_length_of_a_text(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    char *text = mem_new(MESSAGE_TEXT_MAX + 1);
    memset(text, 1, MESSAGE_TEXT_MAX); /* Six bytes each as JSON. */
    struct messages_row row = messages_add(runs, session.row.id, ROLE_USER, text);
    mem_free(text);
    assert_non_null(strstr(sessions_told(runs, session.session).types, "message_added"));
    json_t *json = messages_show(runs, row.message, MESSAGE_BYTES_WHOLE);
    assert_int_equal(strlen(text_of(json, 0)), MESSAGE_TEXT_MAX);
    json_decref(json);
}

struct ranging {
    struct part_range what;
    bool found;
    int64_t offset, bytes;
    char text[100];
};

static struct err ranging_tx(struct tx *tx, void *ctx) {
    struct ranging *ranging = ctx;
    struct part_text text;
    struct err err = tx_part_text(tx, &ranging->what, &ranging->found, &text);
    if (!err_failed(err)) {
        ranging->offset = text.offset;
        ranging->bytes = text.bytes;
        runs_copy_text(text.text, ranging->text, sizeof ranging->text);
    }
    return err;
}

static void a_part_is_read_by_ranges_of_whole_characters(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x91z"; /* 1, 2, 3, 4, 1 bytes. */
    struct messages_row row = messages_add(runs, session.row.id, ROLE_USER, text);
    struct ranging ranging = {.what = {.message = row.id, .number = 1, .limit = 4}};
    char whole[100] = "";
    do {
        assert_int_equal(runs_do(runs, ranging_tx, &ranging), ERR_NONE);
        assert_true(ranging.found);
        assert_int_equal(ranging.bytes, sizeof text - 1);
        strcat(whole, ranging.text);
        ranging.what.offset = ranging.offset + (int64_t)strlen(ranging.text);
    } while (ranging.what.offset < ranging.bytes);
    assert_string_equal(whole, text);
    ranging.what.offset = 2; /* Inside a character. */
    assert_int_equal(runs_do(runs, ranging_tx, &ranging), ERR_NONE);
    assert_int_equal(ranging.offset, 1);
    ranging.what.number = 2;
    assert_int_equal(runs_do(runs, ranging_tx, &ranging), ERR_NONE);
    assert_false(ranging.found);
}

/* --- Parts ------------------------------------------------------------------------------------ */

struct writing {
    struct message_part part;
    bool replace;
};

static struct err writing_tx(struct tx *tx, void *ctx) {
    const struct writing *writing = ctx;
    struct message_part part = writing->part;
    if (writing->replace) {
        parts__write(tx, PART_RESULT, &part);
    } else {
        parts__insert(tx, &part);
    }
    return tx_error(tx);
}

static void parts_are_added_and_replaced(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct messages_row row = messages_add(runs, session.row.id, ROLE_ASSISTANT, "one");
    struct writing writing = {.part = {.message = row.id,
                                       .kind = PART_TOOL,
                                       .step = 1,
                                       .state = PART_STATE_RUNNING,
                                       .name = BYTES("read_file"),
                                       .call = BYTES("call_1"),
                                       .data = BYTES("{\"arguments\":{}}")}};
    assert_int_equal(runs_do(runs, writing_tx, &writing), ERR_NONE);
    writing.part.number = 2;
    writing.part.state = PART_STATE_SUCCEEDED;
    writing.part.text = BYTES("result");
    writing.replace = true;
    assert_int_equal(runs_do(runs, writing_tx, &writing), ERR_NONE);
    json_t *json = messages_show(runs, row.message, 1000);
    const json_t *part = json_array_get(json_object_get(json, "parts"), 1);
    assert_string_equal(json_string_value(json_object_get(part, "state")), "succeeded");
    assert_string_equal(json_string_value(json_object_get(part, "call")), "call_1");
    assert_string_equal(text_of(json, 1), "result");
    json_decref(json);
    writing = (struct writing){.part = {.message = row.id, .kind = PART_TEXT}};
    for (int64_t count = 3; count <= MESSAGE_PARTS_MAX; count++) { /* In any order of numbers. */
        writing.part.number = count == 3 ? MESSAGE_PARTS_MAX : 0;
        assert_int_equal(runs_do(runs, writing_tx, &writing), ERR_NONE);
    }
    assert_int_equal(runs_do(runs, writing_tx, &writing), ERR_TOO_MANY);
}

/* --- Pages ------------------------------------------------------------------------------------ */

struct paging {
    struct message_page what;
    char texts[64];
    int64_t last;
    size_t count;
};

static struct err paging_tx(struct tx *tx, void *ctx) {
    struct paging *paging = ctx;
    struct message_rows rows;
    struct err err = tx_message_page(tx, &paging->what, &rows);
    paging->texts[0] = '\0';
    paging->count = err_failed(err) ? 0 : rows.count;
    for (size_t i = 0; i < paging->count && !err_failed(err); i++) {
        const struct message_parts parts = parts__read(tx, rows.rows[i].id, 100);
        strncat(paging->texts, parts.parts[0].text.data, parts.parts[0].text.len);
        paging->last = rows.rows[i].id;
    }
    return err;
}

static void messages_are_paged_in_both_orders(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct sessions_row other = sessions_add(runs, "other");
    for (int i = 0; i < 7; i++) {
        const char text[] = {(char)('a' + i), '\0'};
        (void)messages_add(runs, session.row.id, ROLE_USER, text);
        (void)messages_add(runs, other.row.id, ROLE_USER, "-");
    }
    struct messages_add gone = {.session = session.row.id,
                                .row = {.role = ROLE_USER, .status = MESSAGE_REMOVED},
                                .parts = {{.kind = PART_TEXT, .text = BYTES("X")}},
                                .count = 1};
    (void)messages_put(runs, &gone);
    for (int order = MESSAGES_NEWEST; order <= MESSAGES_OLDEST; order++) {
        struct paging paging = {
            .what = {.session = session.row.id, .order = (enum message_order)order, .limit = 3}};
        char all[64] = "";
        do {
            assert_int_equal(runs_do(runs, paging_tx, &paging), ERR_NONE);
            strcat(all, paging.texts);
            paging.what.after = paging.last;
        } while (paging.count == 3);
        assert_string_equal(all, order == MESSAGES_NEWEST ? "gfedcba" : "abcdefg");
    }
}

/* --- Edit, unqueue, client ids ---------------------------------------------------------------- */

struct editing {
    struct message_edit what;
    struct message_row row;
    struct session_row session;
};

static struct err editing_tx(struct tx *tx, void *ctx) {
    struct editing *editing = ctx;
    return tx_message_edit(tx, &editing->what, &editing->row, &editing->session);
}

static struct editing editing_of(const char *message, const char *text) {
    return (struct editing){.what = {.key = {.owner = BYTES("ann"), .message = kit_bytes(message)},
                                     .text = kit_bytes(text)}};
}

struct stating {
    int64_t session;
    enum session_state state;
};

static struct err stating_tx(struct tx *tx, void *ctx) {
    const struct stating *stating = ctx;
    struct session_row row;
    if (sessions__find_id(tx, stating->session, &row)) {
        sessions__set_state(tx, stating->state, &row);
    }
    return tx_error(tx);
}

static void an_edit_saves_the_text_of_a_users_message_and_nothing_else(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct messages_add add = {
        .session = session.row.id,
        .row = {.role = ROLE_USER, .status = MESSAGE_COMPLETED, .active = true},
        .parts = {{.kind = PART_TEXT, .text = BYTES("before")},
                  {.kind = PART_IMAGE, .name = BYTES("image/png"), .data = BYTES("{\"a\":1}")},
                  {.kind = PART_TEXT, .text = BYTES("more")}},
        .count = 3};
    struct messages_row row = messages_put(runs, &add);
    struct messages_row answer = messages_add(runs, session.row.id, ROLE_ASSISTANT, "answer");
    struct editing editing = editing_of(row.message, "after");
    assert_int_equal(runs_do(runs, editing_tx, &editing), ERR_NONE);
    json_t *json = messages_show(runs, row.message, 1000);
    assert_string_equal(text_of(json, 0), "after");
    assert_string_equal(text_of(json, 2), "");
    assert_int_equal(json_array_size(json_object_get(json, "parts")), 3);
    json_decref(json);
    assert_non_null(strstr(sessions_told(runs, session.session).types, "message_edited "));
    editing = editing_of(answer.message, "no");
    assert_int_equal(runs_do(runs, editing_tx, &editing), ERR_NOT_A_USER_MESSAGE);
    editing = editing_of("msg_00000000000000000000000000", "no");
    assert_int_equal(runs_do(runs, editing_tx, &editing), ERR_MESSAGE_NOT_FOUND);
    editing = editing_of(row.message, "no");
    editing.what.key.owner = BYTES("bob");
    assert_int_equal(runs_do(runs, editing_tx, &editing), ERR_MESSAGE_NOT_FOUND);
}

static void an_edit_waits_for_no_turn_but_of_what_is_queued(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct messages_row row = messages_add(runs, session.row.id, ROLE_USER, "said");
    struct messages_add add = {.session = session.row.id,
                               .row = {.role = ROLE_USER, .status = MESSAGE_QUEUED},
                               .parts = {{.kind = PART_TEXT, .text = BYTES("waits")}},
                               .count = 1};
    struct messages_row queued = messages_put(runs, &add);
    struct stating stating = {.session = session.row.id, .state = SESSION_RUNNING};
    assert_int_equal(runs_do(runs, stating_tx, &stating), ERR_NONE);
    assert_non_null(strstr(sessions_events(runs, "project:default").last, "\"running\""));
    struct editing editing = editing_of(row.message, "no");
    assert_int_equal(runs_do(runs, editing_tx, &editing), ERR_TURN_IN_PROGRESS);
    editing = editing_of(queued.message, "yes");
    assert_int_equal(runs_do(runs, editing_tx, &editing), ERR_NONE);
}

struct unqueue {
    struct message_key key;
    struct run_bounds bounds;
};

static struct err unqueue_tx(struct tx *tx, void *ctx) {
    const struct unqueue *unqueue = ctx;
    struct message_row row;
    return tx_message_unqueue(tx, &unqueue->key, &unqueue->bounds, &row);
}

static void a_queued_message_leaves_the_queue_with_its_turn(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct run_new what = runs_new(runs);
    what.kind = KIND_TURN;
    what.bounds.slots = 0;
    struct runs_row turn = runs_submit(runs, &what);
    struct messages_add add = {
        .session = session.row.id,
        .row = {.role = ROLE_USER, .status = MESSAGE_QUEUED, .run = turn.row.id},
        .parts = {{.kind = PART_TEXT, .text = BYTES("waits")}},
        .count = 1};
    struct messages_row first = messages_put(runs, &add);
    add.row.run = 0;
    struct messages_row second = messages_put(runs, &add);
    struct unqueue unqueue = {.key = {.owner = BYTES("ann"), .message = kit_bytes(first.message)},
                              .bounds = runs->bounds};
    assert_int_equal(runs_do(runs, unqueue_tx, &unqueue), ERR_NONE);
    assert_int_equal(runs_get(runs, turn.run).row.state, RUN_CANCELLED);
    assert_null(messages_show(runs, first.message, 10));
    struct sessions_events told = sessions_told(runs, session.session);
    assert_non_null(strstr(told.types, "message_removed queue_changed "));
    char queue[100];
    (void)snprintf(queue, sizeof queue, "{\"queue\":[\"%s\"]}", second.message);
    assert_string_equal(told.last, queue);
    assert_int_equal(runs_do(runs, unqueue_tx, &unqueue), ERR_MESSAGE_NOT_FOUND);
    struct messages_row said = messages_add(runs, session.row.id, ROLE_USER, "said");
    unqueue.key.message = kit_bytes(said.message);
    assert_int_equal(runs_do(runs, unqueue_tx, &unqueue), ERR_CONFLICT);
}

struct client {
    int64_t session;
    const char *client_id;
    bool found;
    char message[ID_SIZE], digest[20];
};

static struct err client_tx(struct tx *tx, void *ctx) {
    struct client *client = ctx;
    struct message_row row;
    struct err err = tx_message_find_client(tx, client->session, kit_bytes(client->client_id),
                                            &client->found, &row);
    if (!err_failed(err) && client->found) {
        runs_copy_text(row.message, client->message, sizeof client->message);
        runs_copy_text(row.client_digest, client->digest, sizeof client->digest);
    }
    return err;
}

static void a_clients_own_id_finds_its_message_even_removed(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct sessions_row other = sessions_add(runs, "other");
    struct messages_add add = {.session = session.row.id,
                               .row = {.role = ROLE_USER,
                                       .status = MESSAGE_REMOVED,
                                       .client_id = BYTES("c-1"),
                                       .client_digest = BYTES("abc")}};
    struct messages_row row = messages_put(runs, &add);
    struct client client = {.session = session.row.id, .client_id = "c-1"};
    assert_int_equal(runs_do(runs, client_tx, &client), ERR_NONE);
    assert_true(client.found);
    assert_string_equal(client.message, row.message);
    assert_string_equal(client.digest, "abc");
    client.session = other.row.id;
    assert_int_equal(runs_do(runs, client_tx, &client), ERR_NONE);
    assert_false(client.found);
    add.message = sessions_id(runs, "msg");
    assert_int_equal(runs_do(runs, messages_add_tx, &add), ERR_CONFLICT); /* Twice the same id. */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_is_stored_once_and_told_of, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_message_belongs_to_its_sessions_owner, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_message_over_its_budget_says_what_is_cut, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(an_event_never_fails_for_the_length_of_a_text, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_part_is_read_by_ranges_of_whole_characters, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(parts_are_added_and_replaced, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(messages_are_paged_in_both_orders, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(an_edit_saves_the_text_of_a_users_message_and_nothing_else,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(an_edit_waits_for_no_turn_but_of_what_is_queued, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_queued_message_leaves_the_queue_with_its_turn, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_clients_own_id_finds_its_message_even_removed, runs_begin,
                                        runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
