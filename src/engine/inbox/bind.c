/* bind.c: see the header. What is due, and what an end means, the rules say. */
#include "engine/inbox/bind.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/inbox/rows.h"

static struct arg word(const char *name) {
    return arg_text(bytes_of(name));
}

/* --- A page of rows --------------------------------------------------------------------------- */

/* Rows are read before any is written: a cursor does not survive a write everywhere. */
struct page {
    struct inbox_row *rows; /* In the transaction's arena. */
    size_t count;
};

struct question {
    const char *sql;
    const struct arg *args;
    size_t count;
    size_t limit;
};

static struct err read_page(struct tx *tx, const struct question *question, struct page *ret_page) {
    struct page page = {.rows = arena_try(tx_arena(tx), question->limit * sizeof *page.rows)};
    if (page.rows == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "inbox: rows");
    }
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, question->sql, question->args, question->count, &rows);
    bool more = !err_failed(err);
    while (!err_failed(err) && more && page.count < question->limit) {
        err = rows_next(rows, &more);
        if (!err_failed(err) && more) {
            err = inbox__read(tx, rows, &page.rows[page.count++]);
        }
    }
    if (!err_failed(err)) {
        *ret_page = page;
    }
    return err;
}

static struct err rows_of_turn(struct tx *tx, struct bytes turn, struct page *ret_page) {
    static const char sql[] = "SELECT " INBOX_COLUMNS " FROM inbox WHERE turn = $1"
                              " AND turn <> '' AND settled_ms IS NULL ORDER BY id LIMIT $2";
    const struct arg args[] = {arg_text(turn), arg_int(INBOX_BATCH_MAX)};
    const struct question question = {
        .sql = sql, .args = args, .count = COUNT_OF(args), .limit = INBOX_BATCH_MAX};
    return read_page(tx, &question, ret_page);
}

/* --- Binding ---------------------------------------------------------------------------------- */

/* Of each state the first by time, and the last, where a clock that was set back shows. */
static const char candidates_sql[] =
    "SELECT * FROM (SELECT id, failures, not_before_ms, length(payload) FROM inbox"
    " WHERE owner = $1 AND receiver = $2 AND address = $3 AND state = 'pending'"
    " AND settled_ms IS NULL ORDER BY not_before_ms, id LIMIT $4) a"
    " UNION SELECT * FROM (SELECT id, failures, not_before_ms, length(payload) FROM inbox"
    " WHERE owner = $1 AND receiver = $2 AND address = $3 AND state = 'pending'"
    " AND settled_ms IS NULL ORDER BY not_before_ms DESC, id DESC LIMIT $4) b"
    " UNION SELECT * FROM (SELECT id, failures, not_before_ms, length(payload) FROM inbox"
    " WHERE owner = $1 AND receiver = $2 AND address = $3 AND state = 'stalled'"
    " AND settled_ms IS NULL ORDER BY not_before_ms, id LIMIT $4) c"
    " UNION SELECT * FROM (SELECT id, failures, not_before_ms, length(payload) FROM inbox"
    " WHERE owner = $1 AND receiver = $2 AND address = $3 AND state = 'stalled'"
    " AND settled_ms IS NULL ORDER BY not_before_ms DESC, id DESC LIMIT $4) d";

struct due_rows {
    struct inbox_candidate at[4 * INBOX_BATCH_MAX];
    size_t count;
};

static struct err find_due(struct tx *tx, const struct inbox_bind *bind, struct due_rows *due) {
    const struct arg args[] = {arg_text(bind->session.owner),
                               word(receiver_kind_name(bind->session.kind)),
                               arg_text(bind->session.address), arg_int(INBOX_BATCH_MAX)};
    const struct inbox_waits waits = INBOX_WAITS_SESSION;
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, candidates_sql, args, COUNT_OF(args), &rows);
    bool more = !err_failed(err);
    due->count = 0;
    while (!err_failed(err) && more && due->count < COUNT_OF(due->at)) {
        err = rows_next(rows, &more);
        if (err_failed(err) || !more) {
            break;
        }
        const struct inbox_candidate row = {rows_int(rows, 0), rows_int(rows, 1), rows_int(rows, 2),
                                            rows_int(rows, 3)};
        const struct inbox_time time = {
            .failures = row.failures, .not_before_ms = row.not_before_ms, .now_ms = tx_now_ms(tx)};
        if (inbox_wait_left(&waits, &time) == 0) {
            due->at[due->count++] = row;
        }
    }
    return err;
}

static struct err bind_one(struct tx *tx, int64_t id, struct bytes turn) {
    static const char sql[] = "UPDATE inbox SET state = 'bound', turn = $2 WHERE id = $1";
    const struct arg args[] = {arg_int(id), arg_text(turn)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* this transaction has seen it */);
}

static struct err tell_each(const struct page *page,
                            struct err (*each)(void *ctx, const struct inbox_row *row), void *ctx) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < page->count && !err_failed(err); i++) {
        err = each(ctx, &page->rows[i]);
    }
    return err;
}

struct err tx_inbox_bind(struct tx *tx, const struct inbox_bind *bind,
                         struct err (*each)(void *ctx, const struct inbox_row *row), void *ctx,
                         size_t *ret_count) {
    assert(bind->session.kind == RECEIVER_SESSION);
    assert(bind->turn.len > 0);
    struct due_rows due;
    struct err err = find_due(tx, bind, &due);
    size_t picked = err_failed(err) ? 0 : inbox_pick(due.at, due.count);
    for (size_t i = 0; i < picked && !err_failed(err); i++) {
        err = bind_one(tx, due.at[i].id, bind->turn);
    }
    struct page page = {.count = 0};
    if (!err_failed(err) && picked > 0) {
        err = rows_of_turn(tx, bind->turn, &page);
        assert(err_failed(err) || page.count == picked); /* A turn binds once. */
    }
    if (!err_failed(err)) {
        err = tell_each(&page, each, ctx);
    }
    if (!err_failed(err)) {
        *ret_count = picked;
    }
    return err;
}

struct err tx_inbox_bound(struct tx *tx, struct bytes turn,
                          struct err (*each)(void *ctx, const struct inbox_row *row), void *ctx) {
    struct page page = {.count = 0};
    struct err err = rows_of_turn(tx, turn, &page);
    return err_failed(err) ? err : tell_each(&page, each, ctx);
}

/* --- Settling --------------------------------------------------------------------------------- */

static void settle_row(struct tx *tx, enum inbox_state state, struct inbox_row *row) {
    row->state = state;
    row->settled_ms = tx_now_ms(tx);
}

/* Chance, the same however often the function runs. */
static uint32_t chance(struct bytes turn, int64_t id) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, turn.data, turn.len);
    sha256_add(&sha, &id, sizeof id);
    struct sha256 digest = sha256_finish(&sha);
    uint32_t number = 0;
    memcpy(&number, digest.bytes, sizeof number);
    return number;
}

/* The turn stays in a row that is settled: it is where it went. */
static void apply(struct tx *tx, const struct inbox_turn_end *end, struct inbox_row *row) {
    const char *cause = run_cause_name(end->cause);
    const struct bytes none = {"", 0};
    const struct inbox_waits waits = INBOX_WAITS_SESSION;
    enum inbox_turn verdict = inbox_judge_turn(end->state, end->cause);
    row->cause = verdict == INBOX_TURN_TOOK ? none : bytes_of(cause);
    switch (verdict) {
    case INBOX_TURN_TOOK:
    case INBOX_TURN_STOPPED:
        settle_row(tx, INBOX_ACKNOWLEDGED, row);
        return;
    case INBOX_TURN_UNDONE:
        row->state = inbox_state_unbound(&waits, row->failures);
        row->not_before_ms = tx_now_ms(tx);
        break;
    case INBOX_TURN_HELD:
        row->state = INBOX_HELD;
        break;
    case INBOX_TURN_FAILED:
        inbox__fail(tx, &waits, chance(end->turn, row->id), row);
        break;
    }
    row->turn = none;
}

struct err tx_inbox_settle_turn(struct tx *tx, const struct inbox_turn_end *end) {
    struct page page = {.count = 0};
    struct err err = rows_of_turn(tx, end->turn, &page);
    for (size_t i = 0; i < page.count && !err_failed(err); i++) {
        apply(tx, end, &page.rows[i]);
        err = inbox__write(tx, &page.rows[i]);
    }
    return err;
}

struct err tx_inbox_offer(struct tx *tx, const struct inbox_receiver *session) {
    assert(session->kind == RECEIVER_SESSION);
    return inbox__tell(tx, session);
}

static struct err settle_page(struct tx *tx, const struct question *question,
                              enum inbox_state state, bool *ret_more) {
    struct page page = {.count = 0};
    struct err err = read_page(tx, question, &page);
    for (size_t i = 0; i < page.count && !err_failed(err); i++) {
        if (state == INBOX_PENDING) {
            page.rows[i].state = state;
            page.rows[i].not_before_ms = tx_now_ms(tx);
        } else {
            settle_row(tx, state, &page.rows[i]);
        }
        err = inbox__write(tx, &page.rows[i]);
    }
    if (!err_failed(err)) {
        *ret_more = page.count == question->limit;
    }
    return err;
}

/* A run notifies a receiver once, so there is one row, or none. */
struct err tx_inbox_settle_fetched(struct tx *tx, const struct inbox_receiver *session,
                                   struct bytes run) {
    static const char sql[] = "SELECT " INBOX_COLUMNS " FROM inbox WHERE owner = $1"
                              " AND receiver = $2 AND address = $3 AND run = $4"
                              " AND settled_ms IS NULL ORDER BY id LIMIT $5";
    enum { LIMIT = 8 };
    const struct arg args[] = {arg_text(session->owner), word(receiver_kind_name(session->kind)),
                               arg_text(session->address), arg_text(run), arg_int(LIMIT)};
    const struct question question = {
        .sql = sql, .args = args, .count = COUNT_OF(args), .limit = LIMIT};
    bool more = false;
    return settle_page(tx, &question, INBOX_ACKNOWLEDGED, &more);
}

struct err tx_inbox_unhold(struct tx *tx, const struct inbox_receiver *session, bool *ret_more) {
    static const char sql[] = "SELECT " INBOX_COLUMNS " FROM inbox WHERE owner = $1"
                              " AND receiver = $2 AND address = $3 AND state = 'held'"
                              " AND settled_ms IS NULL ORDER BY not_before_ms, id LIMIT $4";
    const struct arg args[] = {arg_text(session->owner), word(receiver_kind_name(session->kind)),
                               arg_text(session->address), arg_int(INBOX_SETTLE_PAGE)};
    const struct question question = {
        .sql = sql, .args = args, .count = COUNT_OF(args), .limit = INBOX_SETTLE_PAGE};
    return settle_page(tx, &question, INBOX_PENDING, ret_more);
}

struct err tx_inbox_unhold_all(struct tx *tx, struct bytes owner) {
    static const char sql[] = "SELECT " INBOX_COLUMNS " FROM inbox WHERE id > 0 AND state = 'held'"
                              " AND settled_ms IS NULL AND ($1 = 1 OR owner = $2) ORDER BY id"
                              " LIMIT $3";
    const struct arg args[] = {arg_int(owner.data == NULL ? 1 : 0),
                               arg_text(owner.data == NULL ? BYTES("") : owner),
                               arg_int(INBOX_UNHOLD_MAX)};
    const struct question question = {
        .sql = sql, .args = args, .count = COUNT_OF(args), .limit = INBOX_UNHOLD_MAX};
    bool more = false;
    return settle_page(tx, &question, INBOX_PENDING, &more);
}

struct err tx_inbox_receiver_gone(struct tx *tx, const struct inbox_receiver *session,
                                  bool *ret_more) {
    static const char sql[] = "SELECT " INBOX_COLUMNS " FROM inbox WHERE owner = $1"
                              " AND receiver = $2 AND address = $3 AND settled_ms IS NULL LIMIT $4";
    const struct arg args[] = {arg_text(session->owner), word(receiver_kind_name(session->kind)),
                               arg_text(session->address), arg_int(INBOX_SETTLE_PAGE)};
    const struct question question = {
        .sql = sql, .args = args, .count = COUNT_OF(args), .limit = INBOX_SETTLE_PAGE};
    return settle_page(tx, &question, INBOX_GONE, ret_more);
}
