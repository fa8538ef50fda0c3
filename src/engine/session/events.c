/* events.c: what happens to a session, on its own stream and on its project's. */
#include "engine/session/rows.h"

#include <string.h>

#include "base/text.h"
#include "engine/run/rows.h"
#include "journal/journal.h"

enum {
    DATA_MAX = 4 << 10,
    PROJECT_EVENTS_KEPT = 10000,
    CUTS_MAX =
        8, /* Of what is too much, when a turn ends; the pruner's next round cuts the rest. */
};

struct stream_range {
    int64_t after, through; /* Numbers of events. */
};

static struct err append(struct tx *tx, const struct session_row *row, struct append append) {
    struct appended appended;
    append.owner = row->owner;
    return tx_append(tx, &append, &appended);
}

static struct bytes join(const char *prefix, struct bytes name, char *ret_joined, size_t size) {
    size_t len = strlen(prefix);
    assert(len + name.len <= size);
    memcpy(ret_joined, prefix, len);
    memcpy(ret_joined + len, name.data, name.len);
    return (struct bytes){ret_joined, len + name.len};
}

struct bytes sessions__stream(const struct session_row *row, char ret_name[SESSION_STREAM_MAX]) {
    return join("session:", row->session, ret_name, SESSION_STREAM_MAX);
}

struct err sessions__event(struct tx *tx, const struct session_row *row, struct bytes type,
                           struct bytes data) {
    char name[SESSION_STREAM_MAX];
    return append(
        tx, row,
        (struct append){.stream = sessions__stream(row, name), .type = type, .data = data});
}

static void add_text(struct text *text, const char *before, struct bytes value) {
    text_add_str(text, before);
    text_add_json(text, value.data, value.len);
}

/* A project whose name is damaged has no stream: nobody can follow a name that is refused. */
struct err sessions__tell_project(struct tx *tx, const struct session_row *row, struct bytes type) {
    AUTO(text_done) struct text data;
    text_init(&data, DATA_MAX);
    if (!session_project_valid(row->project)) {
        return ERR_OK;
    }
    add_text(&data, "{\"session\":", row->session);
    add_text(&data, ",\"title\":", row->title);
    text_addf(&data, ",\"state\":\"%s\",\"archived\":%s,\"changed_ms\":%lld",
              session_state_name(row->state), row->archived_ms != 0 ? "true" : "false",
              (long long)row->changed_ms);
    if (row->parent_name.len > 0) {
        add_text(&data, ",\"parent\":", row->parent_name);
    } else {
        text_add_str(&data, ",\"parent\":null");
    }
    text_add_char(&data, '}');
    if (text_failed(&data)) {
        return text_error(&data, "sessions: event");
    }
    char name[STREAM_NAME_MAX];
    return append(tx, row,
                  (struct append){.stream = join("project:", row->project, name, sizeof name),
                                  .type = type,
                                  .data = {data.data, data.len}});
}

static struct err purged_seq(struct tx *tx, const struct session_row *row, int64_t *ret_seq) {
    const struct arg args[] = {arg_int(row->id)};
    const struct run_ask ask = {.sql = "SELECT purged_seq FROM sessions WHERE id = $1",
                                .args = args,
                                .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_seq);
}

/* Numbers and times of the events stay: only the data of those that name the session changes. */
static struct err untell(struct tx *tx, const struct session_row *row, int64_t stream,
                         struct stream_range range) {
    static const char sql[] = "UPDATE events SET data = $4 WHERE stream = $1 AND seq > $2"
                              " AND seq <= $3 AND substr(data, 1, CAST($6 AS INTEGER)) = $5";
    AUTO(text_done) struct text data;
    text_init(&data, DATA_MAX);
    add_text(&data, "{\"session\":", row->session);
    size_t beginning = data.len;
    text_add_str(&data, ",\"title\":\"\",\"deleted\":true}");
    if (text_failed(&data)) {
        return text_error(&data, "sessions: event");
    }
    const struct arg args[] = {arg_int(stream),
                               arg_int(range.after),
                               arg_int(range.through),
                               arg_text((struct bytes){data.data, data.len}),
                               arg_text((struct bytes){data.data, beginning}),
                               arg_int((int64_t)beginning)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* any number */);
}

struct err sessions__untell_project(struct tx *tx, const struct session_row *row, int64_t limit,
                                    bool *ret_some) {
    static const char sql[] = "UPDATE sessions SET purged_seq = $2 WHERE id = $1";
    char name[STREAM_NAME_MAX];
    struct stream_state state = {.stream = 0};
    bool found = false;
    int64_t purged = 0;
    if (!session_project_valid(row->project)) {
        *ret_some = false;
        return ERR_OK;
    }
    struct err err = tx_stream_find(
        tx, row->owner, join("project:", row->project, name, sizeof name), &found, &state);
    if (!err_failed(err)) {
        err = purged_seq(tx, row, &purged);
    }
    struct stream_range range = {.after = purged > state.floor ? purged : state.floor};
    range.through = state.head < range.after + limit ? state.head : range.after + limit;
    *ret_some = found && range.after < range.through;
    if (err_failed(err) || !*ret_some) {
        return err;
    }
    const struct arg args[] = {arg_int(row->id), arg_int(range.through)};
    err = untell(tx, row, state.stream, range);
    return err_failed(err) ? err : tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row */);
}

/* Both streams are there: something was told on each. */
static struct err keep_events(struct tx *tx, const struct session_row *row) {
    const struct retention of_session = {.ms = SESSION_EVENTS_KEPT_MS,
                                         .events = SESSION_EVENTS_KEPT};
    const struct retention of_project = {.events = PROJECT_EVENTS_KEPT};
    char name[STREAM_NAME_MAX];
    struct bytes project = join("project:", row->project, name, sizeof name);
    bool found = false;
    struct err err = tx_stream_keep(tx, row->owner, project, of_project, &found);
    return err_failed(err)
               ? err
               : tx_stream_keep(tx, row->owner, sessions__stream(row, name), of_session, &found);
}

struct err sessions__hold_events(struct tx *tx, const struct session_row *row) {
    char name[SESSION_STREAM_MAX];
    const struct stream_name stream = {.owner = row->owner, .name = sessions__stream(row, name)};
    return tx_stream_hold(tx, &stream, STREAM_HOLD);
}

struct err sessions__release_events(struct tx *tx, const struct session_row *row) {
    char name[SESSION_STREAM_MAX];
    const struct stream_name stream = {.owner = row->owner, .name = sessions__stream(row, name)};
    struct stream_state state = {.stream = 0};
    bool more = false;
    struct err err = tx_stream_hold(tx, &stream, STREAM_RELEASE);
    if (!err_failed(err)) {
        err = tx_stream_find(tx, stream.owner, stream.name, &more, &state);
    }
    for (int i = 0; i < CUTS_MAX && more && !err_failed(err); i++) {
        err = tx_prune_kept(tx, state.stream, &more);
    }
    return err;
}

struct err sessions__tell_created(struct tx *tx, const struct session_row *row) {
    AUTO(text_done) struct text data;
    text_init(&data, DATA_MAX);
    add_text(&data, "{\"session\":", row->session);
    add_text(&data, ",\"title\":", row->title);
    text_add_char(&data, '}');
    if (text_failed(&data)) {
        return text_error(&data, "sessions: event");
    }
    struct err err =
        sessions__event(tx, row, BYTES("session_created"), (struct bytes){data.data, data.len});
    if (!err_failed(err)) {
        err = sessions__tell_project(tx, row, BYTES("session_created"));
    }
    return err_failed(err) ? err : keep_events(tx, row);
}

struct err sessions__tell_deleted(struct tx *tx, const struct session_row *row) {
    char name[SESSION_STREAM_MAX];
    struct err err = append(tx, row,
                            (struct append){.stream = sessions__stream(row, name),
                                            .type = BYTES("deleted"),
                                            .data = BYTES("{}"),
                                            .last = true});
    return err_failed(err) ? err : sessions__tell_project(tx, row, BYTES("session_deleted"));
}
