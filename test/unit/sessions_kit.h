/* sessions_kit.h: sessions and messages for tests of the engine, on top of runs_kit.h. */
#ifndef DROVER_TEST_SESSIONS_KIT_H
#define DROVER_TEST_SESSIONS_KIT_H

#include "runs_kit.h"

#include "engine/session/message_rows.h"

/* --- Rows, copied out of the transaction ------------------------------------------------------ */

struct sessions_row {
    struct session_row row; /* Its texts are gone, but for these. */
    char session[ID_SIZE], title[SESSION_TITLE_MAX + 1], forked_from[ID_SIZE];
    char metadata[1000], instructions[1000];
};

static inline void sessions_copy(const struct session_row *row, struct sessions_row *ret_row) {
    struct sessions_row copy = {.row = *row};
    runs_copy_text(row->session, copy.session, sizeof copy.session);
    runs_copy_text(row->title, copy.title, sizeof copy.title);
    runs_copy_text(row->forked_from, copy.forked_from, sizeof copy.forked_from);
    runs_copy_text(row->metadata, copy.metadata, sizeof copy.metadata);
    runs_copy_text(row->instructions, copy.instructions, sizeof copy.instructions);
    *ret_row = copy;
}

static inline struct id sessions_id(struct runs_kit *runs, const char *prefix) {
    uint8_t random[10] = {0};
    runs->ids++;
    memcpy(random, &runs->ids, sizeof runs->ids);
    return id_make(prefix, runs->kit.clock_ms, random);
}

struct sessions_find {
    struct session_key key;
    bool found;
    struct sessions_row row;
};

static inline struct err sessions_find_tx(struct tx *tx, void *ctx) {
    struct sessions_find *find = ctx;
    struct session_row row;
    struct err err = tx_session_find(tx, &find->key, &find->found, &row);
    if (!err_failed(err) && find->found) {
        sessions_copy(&row, &find->row);
    }
    return err;
}

static inline bool sessions_find(struct runs_kit *runs, const char *owner, const char *session,
                                 struct sessions_row *ret_row) {
    struct sessions_find find = {.key = {.owner = kit_bytes(owner), .session = kit_bytes(session)}};
    assert_int_equal(runs_do(runs, sessions_find_tx, &find), ERR_NONE);
    if (find.found && ret_row != NULL) {
        *ret_row = find.row;
    }
    return find.found;
}

static inline struct sessions_row sessions_get(struct runs_kit *runs, const char *session) {
    struct sessions_row row;
    assert_true(sessions_find(runs, "ann", session, &row));
    return row;
}

/* --- Making ----------------------------------------------------------------------------------- */

struct sessions_create {
    struct session_new what;
    struct sessions_row row;
};

static inline struct err sessions_create_tx(struct tx *tx, void *ctx) {
    struct sessions_create *create = ctx;
    struct session_row row;
    struct err err = tx_session_create(tx, &create->what, &row);
    if (!err_failed(err)) {
        sessions_copy(&row, &create->row);
    }
    return err;
}

/* Of "ann"; a millisecond passes. */
static inline struct sessions_row sessions_add(struct runs_kit *runs, const char *title) {
    struct sessions_create create = {.what = {.session = sessions_id(runs, "ses"),
                                              .owner = BYTES("ann"),
                                              .parent = BYTES(""),
                                              .title = kit_bytes(title)}};
    runs->kit.clock_ms++;
    assert_int_equal(runs_do(runs, sessions_create_tx, &create), ERR_NONE);
    return create.row;
}

struct messages_add {
    int64_t session;
    struct id message;
    struct message_row row;
    struct message_part parts[4];
    size_t count;
};

static inline struct err messages_add_tx(struct tx *tx, void *ctx) {
    struct messages_add *add = ctx;
    struct session_row session;
    const bool found = sessions__find_id(tx, add->session, &session);
    assert_true(err_failed(tx_error(tx)) || found);
    add->row.message = kit_bytes(add->message.text);
    const struct message_insert insert = {
        .session = &session, .row = &add->row, .parts = add->parts, .count = add->count};
    if (found) {
        messages__insert(tx, &insert);
    }
    return tx_error(tx);
}

struct messages_row {
    int64_t id;
    char message[ID_SIZE];
};

static inline struct messages_row messages_put(struct runs_kit *runs, struct messages_add *add) {
    add->message = sessions_id(runs, "msg");
    runs->kit.clock_ms++;
    assert_int_equal(runs_do(runs, messages_add_tx, add), ERR_NONE);
    struct messages_row row = {.id = add->row.id};
    memcpy(row.message, add->message.text, sizeof row.message);
    return row;
}

static inline struct messages_row messages_add(struct runs_kit *runs, int64_t session,
                                               enum message_role role, const char *text) {
    struct messages_add add = {
        .session = session,
        .row = {.role = role, .status = MESSAGE_COMPLETED, .active = true},
        .parts = {{.kind = PART_TEXT, .step = role == ROLE_USER ? 0 : 1, .text = kit_bytes(text)}},
        .count = 1};
    return messages_put(runs, &add);
}

struct messages_many {
    struct runs_kit *runs;
    int64_t session;
    int count;
};

static inline struct err messages_many_tx(struct tx *tx, void *ctx) {
    const struct messages_many *many = ctx;
    struct err err = ERR_OK;
    for (int i = 0; i < many->count && !err_failed(err); i++) {
        struct messages_add add = {
            .session = many->session,
            .message = sessions_id(many->runs, "msg"),
            .row = {.role = ROLE_USER, .status = MESSAGE_COMPLETED, .active = true},
            .parts = {{.kind = PART_TEXT, .text = BYTES("x")}},
            .count = 1};
        err = messages_add_tx(tx, &add);
    }
    return err;
}

/* Adds messages "x" of a user, in one transaction: a server takes long for each. */
static inline void messages_add_many(struct runs_kit *runs, int64_t session, int count) {
    struct messages_many many = {runs, session, count};
    runs->kit.clock_ms++;
    kit_check(runs_once(runs, messages_many_tx, &many));
}

/* --- What clients see ------------------------------------------------------------------------- */

struct messages_json {
    struct message_key key;
    size_t budget;
    bool found;
    struct text text; /* Owned. */
};

static inline struct err messages_json_tx(struct tx *tx, void *ctx) {
    struct messages_json *json = ctx;
    struct message_row row;
    struct session_row session;
    text_clear(&json->text);
    struct err err = tx_message_find(tx, &json->key, &json->found, &row, &session);
    if (err_failed(err) || !json->found) {
        return err;
    }
    return tx_message_write_json(tx, &row, json->budget, &json->text);
}

/* json_decref it; NULL: there is no such message of "ann". */
static inline json_t *messages_show(struct runs_kit *runs, const char *message, size_t budget) {
    struct messages_json show = {.key = {.owner = BYTES("ann"), .message = kit_bytes(message)},
                                 .budget = budget};
    text_init(&show.text, 8 << 20);
    assert_int_equal(runs_do(runs, messages_json_tx, &show), ERR_NONE);
    json_t *json = NULL;
    if (show.found) {
        kit_check(json_parse(show.text.data, show.text.len, JSON_DEPTH_MAX, &json, NULL));
    }
    text_done(&show.text);
    return json;
}

/* --- Events ----------------------------------------------------------------------------------- */

struct sessions_events {
    struct bytes name;
    int64_t head;
    char types[4000]; /* With a blank behind each. */
    char last[2000];  /* Data of the last one. */
};

static inline struct err sessions_event_each(void *ctx, const struct event *event) {
    struct sessions_events *events = ctx;
    size_t len = strlen(events->types);
    assert_true(len + event->type.len + 2 < sizeof events->types);
    memcpy(events->types + len, event->type.data, event->type.len);
    memcpy(events->types + len + event->type.len, " ", 2);
    size_t take =
        event->data.len < sizeof events->last - 1 ? event->data.len : sizeof events->last - 1;
    memcpy(events->last, event->data.data, take);
    events->last[take] = '\0';
    return ERR_OK;
}

static inline struct err sessions_events_tx(struct tx *tx, void *ctx) {
    struct sessions_events *events = ctx;
    bool found = false;
    struct stream_state state = {.head = 0};
    events->types[0] = events->last[0] = '\0';
    struct err err = tx_stream_find(tx, BYTES("ann"), events->name, &found, &state);
    events->head = state.head;
    if (err_failed(err) || !found) {
        return err;
    }
    return tx_events(tx, state.stream, 0, JOURNAL_PAGE_EVENTS, sessions_event_each, events);
}

static inline struct sessions_events sessions_events(struct runs_kit *runs, const char *name) {
    struct sessions_events events = {.name = kit_bytes(name)};
    assert_int_equal(runs_do(runs, sessions_events_tx, &events), ERR_NONE);
    return events;
}

static inline struct sessions_events sessions_told(struct runs_kit *runs, const char *session) {
    char name[80];
    (void)snprintf(name, sizeof name, "session:%s", session);
    return sessions_events(runs, name);
}

#endif
