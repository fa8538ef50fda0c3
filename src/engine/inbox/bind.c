/* bind.c: see the header. The rules judge which rows are due, and what an end means for them. */
#include "engine/inbox/bind.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/inbox/rows.h"

/* --- A page of rows --------------------------------------------------------------------------- */

/* Rows are read before any is written: a cursor does not survive a write everywhere. */
struct page {
    struct inbox_row *rows; /* In the transaction's arena. */
    size_t count;
};

/* At most `limit` rows, by a condition. */
static struct page page_read(struct tx *tx, const char *where, const struct arg *args, size_t count,
                             size_t limit) {
    struct page page = {.rows = tx_memory(tx, limit * sizeof *page.rows)};
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(tx, &delivery_resource, where, args, count);
    while (page.count < limit && rows_step(rows)) {
        inbox__read(tx, rows, &page.rows[page.count++]);
    }
    return page;
}

static struct page page_of_turn(struct tx *tx, struct bytes turn) {
    return page_read(tx,
                     "turn = $1 AND turn <> ''"
                     " AND settled_ms IS NULL ORDER BY id LIMIT $2",
                     ARGS(arg_text(turn), arg_int(INBOX_BATCH_MAX)), INBOX_BATCH_MAX);
}

/* --- Binding ---------------------------------------------------------------------------------- */

struct err tx_inbox_bind(struct tx *tx, const struct inbox_bind *bind,
                         struct err (*each)(void *ctx, const struct inbox_row *row), void *ctx,
                         size_t *ret_count) {
    assert(bind->session.kind == RECEIVER_SESSION);
    assert(bind->turn.len > 0);
    const struct inbox_waits waits = INBOX_WAITS_SESSION;
    struct inbox__candidates due;
    size_t count = 0;
    inbox__candidates_find(tx, &bind->session, INBOX_BATCH_MAX, &due);
    for (size_t i = 0; i < due.count; i++) {
        const struct inbox_time time = {.failures = due.at[i].failures,
                                        .not_before_ms = due.at[i].not_before_ms,
                                        .now_ms = tx_now_ms(tx)};
        if (inbox_wait_left(&waits, &time) == 0) {
            due.at[count++] = due.at[i];
        }
    }
    size_t picked = inbox_pick(due.at, count);
    const struct page page = {.rows = tx_memory(tx, picked * sizeof *page.rows)};
    struct err err = tx_error(tx);
    for (size_t i = 0; i < picked && !err_failed(err); i++) {
        struct inbox_row *row = &page.rows[i];
        bool found = inbox__find(tx, "id = $1", arg_int(due.at[i].id), row);
        assert(err_failed(tx_error(tx)) || found); /* This transaction has read its id. */
        if (found) {
            row->state = INBOX_BOUND;
            row->turn = bind->turn;
            tx_fail(tx, tx_resource_update(tx, &delivery_resource, FIELD_SET, row));
        }
        err = tx_error(tx);
    }
    for (size_t i = 0; i < picked && !err_failed(err); i++) {
        err = each(ctx, &page.rows[i]);
    }
    *ret_count = picked;
    return err;
}

struct err tx_inbox_join(struct tx *tx, struct bytes delivery, struct bytes turn) {
    struct inbox_row row;
    if (!inbox__find(tx, "delivery = $1", arg_text(delivery), &row) || row.settled_ms != 0) {
        return tx_error(tx);
    }
    row.state = INBOX_BOUND;
    row.turn = turn;
    return tx_resource_update(tx, &delivery_resource, FIELD_SET, &row);
}

/* --- Settling --------------------------------------------------------------------------------- */

static void row_settle(struct tx *tx, enum inbox_state state, struct inbox_row *row) {
    row->state = state;
    row->settled_ms = tx_now_ms(tx);
}

/* Chance, the same however often the function runs. */
static uint32_t retry_chance(struct bytes turn, int64_t id) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, turn.data, turn.len);
    sha256_add(&sha, &id, sizeof id);
    struct sha256 digest = sha256_finish(&sha);
    uint32_t number = 0;
    memcpy(&number, digest.bytes, sizeof number);
    return number;
}

/* The turn stays in a row that is settled: that is where its notice went. */
static void row_end(struct tx *tx, const struct inbox_turn_end *end, struct inbox_row *row) {
    const struct inbox_waits waits = INBOX_WAITS_SESSION;
    enum inbox_turn verdict = inbox_judge_turn(end->state, end->cause);
    row->cause = verdict == INBOX_TURN_TOOK ? BYTES("") : bytes_of(run_cause_name(end->cause));
    switch (verdict) {
    case INBOX_TURN_TOOK:
    case INBOX_TURN_STOPPED:
        row_settle(tx, INBOX_ACKNOWLEDGED, row);
        return;
    case INBOX_TURN_UNDONE:
        row->state = inbox_state_unbound(&waits, row->failures);
        row->not_before_ms = tx_now_ms(tx);
        break;
    case INBOX_TURN_HELD:
        row->state = INBOX_HELD;
        break;
    case INBOX_TURN_FAILED:
        inbox__fail(tx, &waits, retry_chance(end->turn, row->id), row);
        break;
    }
    row->turn = BYTES("");
}

struct err tx_inbox_settle_turn(struct tx *tx, const struct inbox_turn_end *end) {
    struct err err = tx_error(tx);
    size_t count = INBOX_BATCH_MAX; /* Rows that joined the turn come beside a whole batch. */
    while (count == INBOX_BATCH_MAX && !err_failed(err)) {
        const struct page page = page_of_turn(tx, end->turn);
        count = page.count;
        for (size_t i = 0; i < page.count && !err_failed(err); i++) {
            row_end(tx, end, &page.rows[i]);
            err = inbox__write(tx, &page.rows[i]);
        }
        err = err_failed(err) ? err : tx_error(tx);
    }
    return err;
}

void tx_inbox_hold_turn(struct tx *tx, struct bytes turn, enum run_cause cause) {
    const struct page page = page_of_turn(tx, turn);
    for (size_t i = 0; i < page.count && !err_failed(tx_error(tx)); i++) {
        page.rows[i].state = INBOX_HELD;
        page.rows[i].cause = bytes_of(run_cause_name(cause));
        page.rows[i].turn = BYTES("");
        tx_fail(tx, inbox__write(tx, &page.rows[i]));
    }
}

struct err tx_inbox_offer(struct tx *tx, const struct inbox_receiver *session) {
    assert(session->kind == RECEIVER_SESSION);
    return inbox__tell(tx, session);
}

/* Gives a page of rows the state: PENDING, or a settled one. True: there were `limit` rows. */
static bool page_settle(struct tx *tx, const char *where, const struct arg *args, size_t count,
                        size_t limit, enum inbox_state state) {
    const struct page page = page_read(tx, where, args, count, limit);
    for (size_t i = 0; i < page.count && !err_failed(tx_error(tx)); i++) {
        if (state == INBOX_PENDING) {
            page.rows[i].state = state;
            page.rows[i].not_before_ms = tx_now_ms(tx);
        } else {
            row_settle(tx, state, &page.rows[i]);
        }
        tx_fail(tx, inbox__write(tx, &page.rows[i]));
    }
    return page.count == limit && !err_failed(tx_error(tx));
}

#define OF_SESSION_SQL "owner = $1 AND receiver = 'session' AND address = $2"
#define OF_SESSION(session, more)                                                                  \
    ARGS(arg_text((session)->owner), arg_text((session)->address), more)

/* A run notifies a receiver once, so there is one row, or none. */
void tx_inbox_settle_fetched(struct tx *tx, const struct inbox_receiver *session,
                             struct bytes run) {
    page_settle(tx, OF_SESSION_SQL " AND run = $3 AND settled_ms IS NULL ORDER BY id LIMIT 8",
                OF_SESSION(session, arg_text(run)), 8, INBOX_ACKNOWLEDGED);
}

bool tx_inbox_unhold(struct tx *tx, const struct inbox_receiver *session) {
    return page_settle(tx,
                       OF_SESSION_SQL " AND state = 'held' AND settled_ms IS NULL"
                                      " ORDER BY not_before_ms, id LIMIT $3",
                       OF_SESSION(session, arg_int(INBOX_SETTLE_PAGE)), INBOX_SETTLE_PAGE,
                       INBOX_PENDING);
}

struct err tx_inbox_unhold_all(struct tx *tx, struct bytes owner, enum run_cause cause) {
    const struct bytes held_by = bytes_of(run_cause_name(cause));
    page_settle(tx,
                "id > 0 AND state = 'held'"
                " AND settled_ms IS NULL AND ($1 = 1 OR owner = $2)"
                " AND ($3 = '' OR cause = $3) ORDER BY id LIMIT $4",
                ARGS(arg_int(owner.data == NULL ? 1 : 0),
                     arg_text(owner.data == NULL ? BYTES("") : owner), arg_text(held_by),
                     arg_int(INBOX_UNHOLD_MAX)),
                INBOX_UNHOLD_MAX, INBOX_PENDING);
    return tx_error(tx);
}

bool tx_inbox_receiver_gone(struct tx *tx, const struct inbox_receiver *session) {
    return page_settle(tx, OF_SESSION_SQL " AND settled_ms IS NULL LIMIT $3",
                       OF_SESSION(session, arg_int(INBOX_SETTLE_PAGE)), INBOX_SETTLE_PAGE,
                       INBOX_GONE);
}
