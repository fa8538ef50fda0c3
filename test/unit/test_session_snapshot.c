/* The state of session:ID: what a client that just came is told first. */
/* runs-with: sqlite, postgres */
#include "sessions_kit.h"

#include "engine/turn/view.h"

struct asking {
    const char *owner;
    char name[80];
    int64_t seq, head;
    struct text text; /* Owned. */
};

static struct err asking_tx(struct tx *tx, void *ctx) {
    static const struct snapshot_kind *const kinds[] = {&session_snapshot};
    const struct snapshot_kinds all = {.kinds = kinds, .count = 1};
    struct asking *asking = ctx;
    struct snapshot_ask ask = {.owner = kit_bytes(asking->owner), .name = kit_bytes(asking->name)};
    bool found = false;
    struct err err = tx_stream_find(tx, ask.owner, ask.name, &found, &ask.state);
    asking->head = ask.state.head;
    return err_failed(err) ? err : tx_snapshot(tx, &all, &ask, &asking->text, &asking->seq);
}

/* json_decref it. */
static json_t *snapshot_of(struct runs_kit *runs, const char *owner, const char *session,
                           struct asking *ret_asking) {
    struct asking asking = {.owner = owner};
    (void)snprintf(asking.name, sizeof asking.name, "session:%s", session);
    text_init(&asking.text, SNAPSHOT_MAX);
    assert_int_equal(runs_do(runs, asking_tx, &asking), ERR_NONE);
    json_t *json = NULL;
    kit_check(json_parse(asking.text.data, asking.text.len, JSON_DEPTH_MAX, &json, NULL));
    assert_true(asking.text.len <= SNAPSHOT_MAX);
    text_done(&asking.text);
    *ret_asking = asking;
    return json;
}

static const char *word(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static void a_snapshot_is_the_state_as_of_the_streams_head(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct messages_row said = messages_add(runs, session.row.id, ROLE_USER, "hello");
    struct run_new what = runs_new(runs);
    what.kind = KIND_TURN;
    struct runs_row turn = runs_submit(runs, &what);
    struct messages_add add = {.session = session.row.id,
                               .row = {.role = ROLE_ASSISTANT,
                                       .status = MESSAGE_RUNNING,
                                       .run = turn.row.id,
                                       .reply_to = said.id,
                                       .active = true},
                               .parts = {{.kind = PART_TOOL,
                                          .step = 1,
                                          .state = PART_STATE_PENDING,
                                          .name = BYTES("run_job"),
                                          .call = BYTES("call_7")},
                                         {.kind = PART_TEXT, .step = 2, .text = BYTES("so fa")}},
                               .count = 2};
    struct messages_row running = messages_put(runs, &add);
    add = (struct messages_add){.session = session.row.id,
                                .row = {.role = ROLE_USER, .status = MESSAGE_QUEUED},
                                .parts = {{.kind = PART_TEXT, .text = BYTES("next")}},
                                .count = 1};
    struct messages_row queued = messages_put(runs, &add);
    struct asking asking;
    json_t *json = snapshot_of(runs, "ann", session.session, &asking);
    assert_int_equal(asking.seq, asking.head);
    assert_int_equal(asking.seq, 4);
    assert_string_equal(word(json_object_get(json, "session"), "title"), "one");
    assert_string_equal(word(json_object_get(json, "turn"), "run"), turn.run);
    assert_string_equal(word(json, "streaming"), "text");
    const json_t *messages = json_object_get(json, "messages");
    assert_int_equal(json_array_size(messages), 3);
    assert_string_equal(word(json_array_get(messages, 0), "id"), queued.message);
    assert_string_equal(word(json_array_get(messages, 1), "reply_to"), said.message);
    assert_string_equal(
        word(json_array_get(json_object_get(json_array_get(messages, 1), "parts"), 1), "text"),
        "so fa");
    assert_true(json_is_null(json_object_get(json, "next")));
    const json_t *queue = json_object_get(json, "queue");
    assert_int_equal(json_array_size(queue), 1);
    assert_string_equal(json_string_value(json_array_get(queue, 0)), queued.message);
    const json_t *tool = json_array_get(json_object_get(json, "tools"), 0);
    assert_string_equal(word(tool, "message"), running.message);
    assert_string_equal(word(tool, "call"), "call_7");
    assert_string_equal(word(tool, "state"), "pending");
    json_decref(json);
}

static void another_owners_session_has_no_state(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct asking asking;
    json_t *json = snapshot_of(runs, "bob", session.session, &asking);
    assert_null(json_object_get(json, "session"));
    assert_int_equal(json_integer_value(json_object_get(json, "head")), 0);
    json_decref(json);
}

/* However large: what is left out is named by `next`, which lists go on from. */
static void a_snapshot_keeps_its_bound_whatever_is_in_the_messages(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    char *text = mem_new(MESSAGE_TEXT_MAX + 1);
    memset(text, 1, MESSAGE_TEXT_MAX); /* Six bytes each as JSON. */
    int64_t ids[60];
    for (int i = 0; i < 60; i++) {
        ids[i] = messages_add(runs, session.row.id, ROLE_USER, text).id;
    }
    mem_free(text);
    struct asking asking;
    json_t *json = snapshot_of(runs, "ann", session.session, &asking);
    size_t shown = json_array_size(json_object_get(json, "messages"));
    assert_in_range(shown, 8, 50);
    assert_true(strtoll(word(json, "next"), NULL, 10) == ids[60 - shown]);
    for (size_t i = 0; i < shown; i++) { /* All of them say so. */
        const json_t *message = json_array_get(json_object_get(json, "messages"), i);
        const json_t *part = json_array_get(json_object_get(message, "parts"), 0);
        assert_true(json_is_true(json_object_get(part != NULL ? part : message, "cut")));
    }
    json_decref(json);
}

static void a_snapshot_has_the_newest_fifty(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    int64_t ids[51];
    for (int i = 0; i < 51; i++) {
        ids[i] = messages_add(runs, session.row.id, ROLE_USER, "x").id;
    }
    struct asking asking;
    json_t *json = snapshot_of(runs, "ann", session.session, &asking);
    assert_int_equal(json_array_size(json_object_get(json, "messages")), 50);
    assert_true(strtoll(word(json, "next"), NULL, 10) == ids[1]);
    assert_true(json_is_null(json_object_get(json, "turn")));
    json_decref(json);
}

struct many {
    int64_t message;
};

static struct err many_tx(struct tx *tx, void *ctx) {
    const struct many *many = ctx;
    struct err err = ERR_OK;
    for (int64_t i = 2; i <= MESSAGE_PARTS_MAX && !err_failed(err); i++) {
        struct message_part part = {.message = many->message,
                                    .number = i,
                                    .kind = PART_TOOL,
                                    .state = PART_STATE_RUNNING,
                                    .name = BYTES("a_tool_with_a_name_of_some_length"),
                                    .call = BYTES("call_0123456789012345678901234567890123456789"),
                                    .text = BYTES("\x01\x01\x01\x01\x01\x01\x01\x01")};
        parts__insert(tx, &part);
        err = tx_error(tx);
    }
    return err;
}

static void a_message_of_very_many_parts_is_told_without_them(void **state) {
    struct runs_kit *runs = *state;
    struct sessions_row session = sessions_add(runs, "one");
    struct many many = {.message = messages_add(runs, session.row.id, ROLE_USER, "x").id};
    assert_int_equal(runs_do(runs, many_tx, &many), ERR_NONE);
    struct asking asking;
    json_t *json = snapshot_of(runs, "ann", session.session, &asking);
    const json_t *message = json_array_get(json_object_get(json, "messages"), 0);
    assert_true(json_is_true(json_object_get(message, "cut")));
    assert_int_equal(json_array_size(json_object_get(message, "parts")), 0);
    assert_int_equal(json_array_size(json_object_get(json, "tools")), 100);
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_snapshot_is_the_state_as_of_the_streams_head, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(another_owners_session_has_no_state, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_snapshot_keeps_its_bound_whatever_is_in_the_messages,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_snapshot_has_the_newest_fifty, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_message_of_very_many_parts_is_told_without_them,
                                        runs_begin, runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
