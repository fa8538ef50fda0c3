/* list.c: what is due, lists, recovery and the census of the inbox. */
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

/* A row that was put off by a clock that is no more goes before all others: there is an end to
 * those. */
static bool candidate_before(const struct candidate *a, const struct candidate *b) {
    if (b->id == 0 || a->absurd != b->absurd) {
        return b->id == 0 || a->absurd;
    }
    if (a->wait_ms != b->wait_ms) {
        return a->wait_ms < b->wait_ms;
    }
    return a->not_before_ms != b->not_before_ms ? a->not_before_ms < b->not_before_ms
                                                : a->id < b->id;
}

static struct candidate first_find(struct tx *tx, const struct inbox_receiver *receiver,
                                   const struct inbox_waits *waits) {
    struct candidate first = {.id = 0};
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, due_sql,
                ARGS(arg_text(receiver->owner), arg_str(receiver_kind_name(receiver->kind)),
                     arg_text(receiver->address)));
    while (rows_step(rows)) {
        const struct inbox_time time = {.failures = rows_int(rows, 1),
                                        .not_before_ms = rows_int(rows, 2),
                                        .now_ms = tx_now_ms(tx)};
        const struct candidate next = {.id = rows_int(rows, 0),
                                       .not_before_ms = time.not_before_ms,
                                       .wait_ms = inbox_wait_left(waits, &time),
                                       .absurd = inbox_time_absurd(waits, &time)};
        first = candidate_before(&next, &first) ? next : first;
    }
    return first;
}

struct err tx_inbox_set_aside(struct tx *tx, int64_t id) {
    tx_do(tx,
          "UPDATE inbox SET state = 'held', turn = '', cause = '" INBOX_DAMAGED "'"
          " WHERE id = $1 AND settled_ms IS NULL",
          ARGS(arg_int(id)));
    return tx_error(tx);
}

struct err tx_inbox_due(struct tx *tx, const struct inbox_receiver *receiver,
                        const struct inbox_waits *waits, struct inbox_due *ret_due) {
    const struct inbox_waits of_session = INBOX_WAITS_SESSION;
    bool session = receiver->kind == RECEIVER_SESSION;
    const struct candidate first = first_find(tx, receiver, session ? &of_session : waits);
    struct inbox_due due = {.found = first.id != 0, .wait_ms = first.wait_ms};
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT " INBOX_COLUMNS " FROM inbox WHERE id = $1", ARGS(arg_int(first.id)));
    if (rows != NULL) {
        inbox__read(tx, rows, &due.row);
        /* The notice of a session becomes a message, which can say that it is damaged. */
        due.damaged = due.row.delivery.len >= ID_SIZE || (!session && due.row.payload.len == 0);
    }
    assert(err_failed(tx_error(tx)) || !due.found || rows != NULL); /* It was just seen. */
    *ret_due = due;
    return tx_error(tx);
}

#define PAGE_SQL "SELECT " INBOX_COLUMNS_LIGHT " FROM inbox WHERE owner = $1 AND id < $2"

struct err tx_inbox_each(struct tx *tx, const struct inbox_page *page,
                         struct err (*each)(void *ctx, const struct inbox_row *row), void *ctx) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                page->all ? PAGE_SQL " ORDER BY id DESC LIMIT $3"
                          : PAGE_SQL " AND settled_ms IS NULL ORDER BY id DESC LIMIT $3",
                ARGS(arg_text(page->owner), arg_int(page->before > 0 ? page->before : INT64_MAX),
                     arg_int(page->limit)));
    struct err err = ERR_OK;
    while (!err_failed(err) && rows_step(rows)) {
        struct inbox_row row;
        inbox__borrow(rows, INBOX_LIGHT, &row);
        err = each(ctx, &row);
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* A receiver as its rows have it. */
struct place {
    struct bytes owner, kind, address;
};

/* The next receiver by the index of what is due: one look for each, past all of its rows. */
static bool place_step(struct tx *tx, struct place *io_place) {
    AUTO(rows_release)
    struct rows *rows = tx_row(
        tx,
        "SELECT owner, receiver, address FROM inbox WHERE settled_ms IS NULL"
        " AND (owner, receiver, address) > ($1, $2, $3) ORDER BY owner, receiver, address LIMIT 1",
        ARGS(arg_text(io_place->owner), arg_text(io_place->kind), arg_text(io_place->address)));
    if (rows != NULL) {
        *io_place = (struct place){rows_copy(rows, 0), rows_copy(rows, 1), rows_copy(rows, 2)};
    }
    return rows != NULL;
}

/* The cursor follows each row, also a damaged one that cannot be delivered. */
struct err tx_inbox_recover(struct tx *tx, const struct inbox_cursor *after, int64_t limit,
                            struct inbox_cursor *ret_next, int64_t *ret_damaged) {
    struct inbox_receiver at = {.owner = {"", 0}, .address = {"", 0}};
    bool first = !inbox_note_read((struct bytes){after->note, after->len}, &at), found = true;
    struct place place = {at.owner, bytes_of(first ? "" : receiver_kind_name(at.kind)), at.address};
    struct inbox_cursor next = {.len = 0};
    int64_t told = 0, damaged = 0;
    while (found && told < limit && damaged < DAMAGED_MAX) {
        found = place_step(tx, &place) && !err_failed(tx_error(tx));
        at = (struct inbox_receiver){.owner = place.owner, .address = place.address};
        if (!found) {
            break;
        }
        if (receiver_kind_find(place.kind, &at.kind) && inbox__cursor(&at, &next)) {
            told++;
            inbox__tell(tx, &at);
        } else {
            damaged++;
        }
    }
    if (!err_failed(tx_error(tx))) {
        *ret_next = next;
        ret_next->len = found && told > 0 ? next.len : 0;
        *ret_damaged = damaged;
    }
    return tx_error(tx);
}

struct err tx_inbox_census(struct tx *tx, struct inbox_census *ret_census) {
    struct inbox_census census = {.pending = 0};
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT state, count(*), min(made_ms) FROM inbox"
                                " WHERE settled_ms IS NULL GROUP BY state",
                                NO_ARGS);
    while (rows_step(rows)) {
        enum inbox_state state;
        int64_t oldest_ms = rows_int(rows, 2);
        if (!inbox_state_find(rows_text(rows, 0), &state)) {
            continue; /* Those rows are damaged. */
        }
        if (state == INBOX_STALLED) {
            census.stalled = rows_int(rows, 1);
        } else {
            census.pending += rows_int(rows, 1); /* Of several states. */
        }
        if (census.oldest_ms == 0 || oldest_ms < census.oldest_ms) {
            census.oldest_ms = oldest_ms;
        }
    }
    *ret_census = census;
    return tx_error(tx);
}
