/* list.c: what is due, lists, recovery and the census of the inbox. */
#include <string.h>

#include "base/memory.h"
#include "engine/inbox/rows.h"

enum { DAMAGED_MAX = 10000 }; /* Receivers that one page of a walk leaves out. */

struct candidate {
    int64_t id, not_before_ms, wait_ms; /* id 0: there is none. */
    bool absurd;
};

/* The first and the last by time, of those that wait minutes and of those that wait hours: the last
 * ones are where it shows that the clock was set back. */
static const char due_sql[] =
    "SELECT * FROM (SELECT id, failures, not_before_ms FROM inbox WHERE owner = $1"
    " AND receiver = $2 AND address = $3 AND state = 'pending' AND settled_ms IS NULL"
    " ORDER BY not_before_ms, id LIMIT 1) a"
    " UNION ALL SELECT * FROM (SELECT id, failures, not_before_ms FROM inbox WHERE owner = $1"
    " AND receiver = $2 AND address = $3 AND state = 'pending' AND settled_ms IS NULL"
    " ORDER BY not_before_ms DESC, id DESC LIMIT 1) b"
    " UNION ALL SELECT * FROM (SELECT id, failures, not_before_ms FROM inbox WHERE owner = $1"
    " AND receiver = $2 AND address = $3 AND state = 'stalled' AND settled_ms IS NULL"
    " ORDER BY not_before_ms, id LIMIT 1) c"
    " UNION ALL SELECT * FROM (SELECT id, failures, not_before_ms FROM inbox WHERE owner = $1"
    " AND receiver = $2 AND address = $3 AND state = 'stalled' AND settled_ms IS NULL"
    " ORDER BY not_before_ms DESC, id DESC LIMIT 1) d";

/* What was put off by a clock that is no more goes before all others: there is an end to those. */
static bool goes_first(const struct candidate *a, const struct candidate *b) {
    if (b->id == 0 || a->absurd != b->absurd) {
        return b->id == 0 || a->absurd;
    }
    if (a->wait_ms != b->wait_ms) {
        return a->wait_ms < b->wait_ms;
    }
    return a->not_before_ms != b->not_before_ms ? a->not_before_ms < b->not_before_ms
                                                : a->id < b->id;
}

static struct err find_first(struct tx *tx, const struct inbox_receiver *receiver,
                             const struct inbox_waits *waits, struct candidate *ret_first) {
    const char *kind = receiver_kind_name(receiver->kind);
    const struct arg args[] = {arg_text(receiver->owner), arg_text(bytes_of(kind)),
                               arg_text(receiver->address)};
    struct candidate first = {.id = 0};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, due_sql, args, COUNT_OF(args), &rows);
    bool more = !err_failed(err);
    while (!err_failed(err) && more) {
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        const struct inbox_time time = {.failures = rows_int(rows, 1),
                                        .not_before_ms = rows_int(rows, 2),
                                        .now_ms = tx_now_ms(tx)};
        const struct candidate next = {.id = rows_int(rows, 0),
                                       .not_before_ms = time.not_before_ms,
                                       .wait_ms = inbox_wait_left(waits, &time),
                                       .absurd = inbox_time_absurd(waits, &time)};
        first = goes_first(&next, &first) ? next : first;
    }
    if (!err_failed(err)) {
        *ret_first = first;
    }
    return err;
}

/* The notice of a session becomes a message, which can say that it is damaged. */
static bool can_be_sent(enum receiver_kind kind, const struct inbox_row *row) {
    return row->delivery.len < ID_SIZE && (kind == RECEIVER_SESSION || row->payload.len > 0);
}

struct err tx_inbox_set_aside(struct tx *tx, int64_t id) {
    static const char sql[] = "UPDATE inbox SET state = 'held', turn = '',"
                              " cause = '" INBOX_DAMAGED "'"
                              " WHERE id = $1 AND settled_ms IS NULL";
    const struct arg args[] = {arg_int(id)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* it may be settled */);
}

struct err tx_inbox_due(struct tx *tx, const struct inbox_receiver *receiver,
                        const struct inbox_waits *waits, struct inbox_due *ret_due) {
    static const char sql[] = "SELECT " INBOX_COLUMNS " FROM inbox WHERE id = $1";
    const struct inbox_waits of_session = INBOX_WAITS_SESSION;
    bool session = receiver->kind == RECEIVER_SESSION;
    struct candidate first;
    struct err err = find_first(tx, receiver, session ? &of_session : waits, &first);
    if (err_failed(err)) {
        return err;
    }
    struct inbox_due due = {.found = first.id != 0, .wait_ms = first.wait_ms};
    if (due.found) {
        const struct arg args[] = {arg_int(first.id)};
        AUTO(rows_release) struct rows *rows = NULL;
        err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
        assert(err_failed(err) || rows != NULL); /* This transaction has just seen it. */
        err = err_failed(err) ? err : inbox__read(tx, rows, &due.row);
        due.damaged = !err_failed(err) && !can_be_sent(receiver->kind, &due.row);
    }
    if (!err_failed(err)) {
        *ret_due = due;
    }
    return err;
}

static const char every_sql[] =
    "SELECT " INBOX_COLUMNS_LIGHT " FROM inbox WHERE owner = $1 AND id < $2"
    " ORDER BY id DESC LIMIT $3";
static const char open_sql[] =
    "SELECT " INBOX_COLUMNS_LIGHT " FROM inbox WHERE owner = $1 AND id < $2 AND settled_ms IS NULL"
    " ORDER BY id DESC LIMIT $3";

struct err tx_inbox_each(struct tx *tx, const struct inbox_page *page,
                         struct err (*each)(void *ctx, const struct inbox_row *row), void *ctx) {
    const struct arg args[] = {arg_text(page->owner),
                               arg_int(page->before > 0 ? page->before : INT64_MAX),
                               arg_int(page->limit)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, page->all ? every_sql : open_sql, args, COUNT_OF(args), &rows);
    for (;;) {
        bool more = false;
        struct inbox_row row;
        if (!err_failed(err)) {
            err = rows_next(rows, &more);
        }
        if (err_failed(err) || !more) {
            return err;
        }
        inbox__borrow(rows, INBOX_LIGHT, &row);
        err = each(ctx, &row);
    }
}

/* A receiver as its rows have it. */
struct place {
    struct bytes owner, kind, address;
};

static struct err place_copy(struct tx *tx, struct bytes *text) {
    const char *copy = arena_try_copy(tx_arena(tx), text->len == 0 ? "" : text->data, text->len);
    text->data = copy;
    return copy == NULL ? err_make(ERR_OUT_OF_MEMORY, "inbox: receiver") : ERR_OK;
}

/* The next receiver by the index of what is due: one look for each, past all of its rows. */
static struct err next_place(struct tx *tx, struct place *io_place, bool *ret_found) {
    static const char sql[] = "SELECT owner, receiver, address FROM inbox"
                              " WHERE settled_ms IS NULL AND (owner, receiver, address) >"
                              " ($1, $2, $3) ORDER BY owner, receiver, address LIMIT 1";
    const struct arg args[] = {arg_text(io_place->owner), arg_text(io_place->kind),
                               arg_text(io_place->address)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err) || rows == NULL) {
        *ret_found = false;
        return err;
    }
    struct place place = {rows_text(rows, 0), rows_text(rows, 1), rows_text(rows, 2)};
    struct bytes *const texts[] = {&place.owner, &place.kind, &place.address};
    for (size_t i = 0; i < COUNT_OF(texts) && !err_failed(err); i++) {
        err = place_copy(tx, texts[i]);
    }
    if (!err_failed(err)) {
        *ret_found = true;
        *io_place = place;
    }
    return err;
}

/* The cursor follows each row, also a damaged one that cannot be delivered. */
struct err tx_inbox_recover(struct tx *tx, const struct inbox_cursor *after, int64_t limit,
                            struct inbox_cursor *ret_next, int64_t *ret_damaged) {
    struct inbox_receiver at = {.owner = {"", 0}, .address = {"", 0}};
    bool first = !inbox_note_read((struct bytes){after->note, after->len}, &at), found = true;
    const char *kind = first ? "" : receiver_kind_name(at.kind);
    struct place place = {at.owner, {kind, strlen(kind)}, at.address};
    struct inbox_cursor next = {.len = 0};
    int64_t told = 0, damaged = 0;
    struct err err = ERR_OK;
    while (!err_failed(err) && found && told < limit && damaged < DAMAGED_MAX) {
        err = next_place(tx, &place, &found);
        if (err_failed(err) || !found) {
            break;
        }
        at = (struct inbox_receiver){.owner = place.owner, .address = place.address};
        if (receiver_kind_find(place.kind, &at.kind) && inbox__cursor(&at, &next)) {
            told++;
            err = inbox__tell(tx, &at);
        } else {
            damaged++;
        }
    }
    if (!err_failed(err)) {
        *ret_next = next;
        ret_next->len = found && told > 0 ? next.len : 0;
        *ret_damaged = damaged;
    }
    return err;
}

static void count_state(enum inbox_state state, const struct rows *rows,
                        struct inbox_census *census) {
    int64_t count = rows_int(rows, 1), oldest_ms = rows_int(rows, 2);
    if (state == INBOX_STALLED) {
        census->stalled = count;
    } else {
        census->pending += count; /* Those of several states. */
    }
    if (census->oldest_ms == 0 || oldest_ms < census->oldest_ms) {
        census->oldest_ms = oldest_ms;
    }
}

struct err tx_inbox_census(struct tx *tx, struct inbox_census *ret_census) {
    static const char sql[] = "SELECT state, count(*), min(made_ms) FROM inbox"
                              " WHERE settled_ms IS NULL GROUP BY state";
    struct inbox_census census = {.pending = 0};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, NULL /* no argument */, 0, &rows);
    bool more = true;
    while (!err_failed(err)) {
        enum inbox_state state;
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        if (inbox_state_find(rows_text(rows, 0), &state)) { /* Else those rows are damaged. */
            count_state(state, rows, &census);
        }
    }
    if (!err_failed(err)) {
        *ret_census = census;
    }
    return err;
}
