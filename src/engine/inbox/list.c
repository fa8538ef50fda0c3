/* list.c: what is due, recovery, the census and the retention of the inbox. */
#include "engine/inbox/rows.h"

enum { DAMAGED_MAX = 10000 }; /* Receivers that one page of a walk leaves out. */

#define CANDIDATES(before, state, order, name)                                                     \
    before "SELECT * FROM (SELECT id, failures, not_before_ms, length(payload) FROM inbox"         \
           " WHERE owner = $1 AND receiver = $2 AND address = $3 AND state = '" state "'"          \
           " AND settled_ms IS NULL ORDER BY " order " LIMIT $4) " name
static const char candidates_sql[] = CANDIDATES("", "pending", "not_before_ms, id", "a")
    CANDIDATES(" UNION ", "pending", "not_before_ms DESC, id DESC", "b")
        CANDIDATES(" UNION ", "stalled", "not_before_ms, id", "c")
            CANDIDATES(" UNION ", "stalled", "not_before_ms DESC, id DESC", "d");

void inbox__candidates_find(struct tx *tx, const struct inbox_receiver *receiver, int64_t limit,
                            struct inbox__candidates *ret_candidates) {
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, candidates_sql,
                ARGS(arg_text(receiver->owner), arg_str(receiver_kind_names[receiver->kind]),
                     arg_text(receiver->address), arg_int(limit)));
    ret_candidates->count = 0;
    while (ret_candidates->count < COUNT_OF(ret_candidates->at) && rows_step(rows)) {
        ret_candidates->at[ret_candidates->count++] = (struct inbox_candidate){
            rows_int(rows, 0), rows_int(rows, 1), rows_int(rows, 2), rows_int(rows, 3)};
    }
}

struct first {
    int64_t id, not_before_ms, wait_ms; /* id 0: there is none. */
    bool absurd;
};

/* A row that was put off by a clock that is no more goes before all others: there is an end to
 * those. */
static bool first_before(const struct first *a, const struct first *b) {
    if (b->id == 0 || a->absurd != b->absurd) {
        return b->id == 0 || a->absurd;
    }
    if (a->wait_ms != b->wait_ms) {
        return a->wait_ms < b->wait_ms;
    }
    return a->not_before_ms != b->not_before_ms ? a->not_before_ms < b->not_before_ms
                                                : a->id < b->id;
}

struct err tx_inbox_set_aside(struct tx *tx, int64_t id) {
    struct inbox_row row;
    if (!inbox__find(tx, "id = $1", arg_int(id), &row) || row.settled_ms != 0) {
        return tx_error(tx);
    }
    row.state = INBOX_HELD;
    row.turn = BYTES("");
    row.cause = BYTES(INBOX_DAMAGED);
    return tx_resource_update(tx, &delivery_resource, FIELD_SET, &row);
}

struct err tx_inbox_due(struct tx *tx, const struct inbox_receiver *receiver,
                        const struct inbox_waits *waits, struct inbox_due *ret_due) {
    const struct inbox_waits of_session = INBOX_WAITS_SESSION;
    bool session = receiver->kind == RECEIVER_SESSION;
    waits = session ? &of_session : waits;
    struct inbox__candidates candidates;
    struct first first = {.id = 0};
    inbox__candidates_find(tx, receiver, 1, &candidates);
    for (size_t i = 0; i < candidates.count; i++) {
        const struct inbox_candidate *row = &candidates.at[i];
        const struct inbox_time time = {.failures = row->failures,
                                        .not_before_ms = row->not_before_ms,
                                        .now_ms = tx_now_ms(tx)};
        const struct first next = {.id = row->id,
                                   .not_before_ms = row->not_before_ms,
                                   .wait_ms = inbox_wait_left(waits, &time),
                                   .absurd = inbox_time_absurd(waits, &time)};
        first = first_before(&next, &first) ? next : first;
    }
    struct inbox_due due = {.found = first.id != 0, .wait_ms = first.wait_ms};
    bool found = due.found && inbox__find(tx, "id = $1", arg_int(first.id), &due.row);
    assert(err_failed(tx_error(tx)) || !due.found || found); /* This transaction has read its id. */
    /* The notice of a session becomes a message, which can say that it is damaged. */
    due.damaged =
        found && (due.row.delivery.len >= ID_SIZE || (!session && due.row.payload.len == 0));
    *ret_due = due;
    return tx_error(tx);
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
    struct place place = {at.owner, bytes_of(first ? "" : receiver_kind_names[at.kind]),
                          at.address};
    struct inbox_cursor next = {.len = 0};
    int64_t told = 0, damaged = 0;
    while (found && told < limit && damaged < DAMAGED_MAX) {
        found = place_step(tx, &place) && !err_failed(tx_error(tx));
        at = (struct inbox_receiver){.owner = place.owner, .address = place.address};
        if (!found) {
            break;
        }
        if (bytes_find(place.kind, receiver_kind_names, &at.kind) && inbox__cursor(&at, &next)) {
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

/* --- Retention -------------------------------------------------------------------------------- */

/* Only settled notices are removed, whatever the others take. A settled row has the output of its
 * run in it, so it never outlives the run: it goes with it, or where the run went first, with its
 * own settlement (inbox__write). */
void inbox__forget(struct tx *tx, struct bytes run) {
    tx_do(tx, "DELETE FROM inbox WHERE run = $1 AND settled_ms IS NOT NULL", ARGS(arg_text(run)));
}

static int64_t oldest_remove(struct tx *tx, int64_t before_ms, int64_t limit) {
    return tx_change(tx,
                     "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox"
                     " WHERE settled_ms IS NOT NULL AND settled_ms < $1"
                     " ORDER BY settled_ms, id LIMIT $2)",
                     ARGS(arg_int(before_ms), arg_int(limit)));
}

struct err tx_inbox_prune(struct tx *tx, const struct inbox_prune *prune, bool *ret_more) {
    assert(prune->limit > 0 && prune->count > 0);
    /* By the clock for runs (rules/run/retention.h): one that was set ahead takes nothing away. */
    int64_t judged_ms = tx_number(tx, "SELECT judged_ms FROM nodes WHERE id = 1", NO_ARGS);
    int64_t before_ms = prune->age_ms == 0 ? INT64_MIN : judged_ms - prune->age_ms;
    /* Counted no further than one call can remove. */
    int64_t count = tx_number(tx,
                              "SELECT count(*) FROM (SELECT 1 FROM inbox"
                              " WHERE settled_ms IS NOT NULL LIMIT $1) settled",
                              ARGS(arg_int(prune->count + prune->limit)));
    int64_t removed = 0;
    if (count > prune->count) {
        removed = oldest_remove(tx, INT64_MAX, count - prune->count);
    }
    if (removed < prune->limit) {
        removed += oldest_remove(tx, before_ms, prune->limit - removed);
    }
    *ret_more = removed >= prune->limit;
    return tx_error(tx);
}
