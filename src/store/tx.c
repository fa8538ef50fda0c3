/* tx.c: see tx.h and the second half of store.h. */
#include "store/tx.h"

#include <string.h>

#include "base/text.h"

enum {
    ARENA_BYTES_MAX = 16 << 20,
    ARENA_BYTES_KEPT = 256 << 10, /* An arena that grew larger is given back after its function. */
    SQL_MAX = 8192,               /* Bytes of a statement that is built. */
};

void tx_init(struct tx *tx, struct conn *conn, const struct world *world, int64_t epoch) {
    *tx = (struct tx){.conn = conn, .world = world, .epoch = epoch, .slice_ns = STORE_SLICE_NS};
    arena_init(&tx->arena, ARENA_BYTES_MAX);
}

void tx_done(struct tx *tx) {
    statements_done(&tx->sql_texts, mem_free);
    arena_done(&tx->arena);
}

void tx_set_time(struct tx *tx, int64_t wall_ms, uint64_t mono_ns) {
    tx->began_ns = mono_ns;
    tx->now_ms = wall_ms;
    tx->steady_ms = tx->steady_base_ms + (int64_t)(mono_ns / 1000000);
    clocks_look(&tx->clocks, tx->now_ms, tx->steady_ms);
}

/* No mark of the current kind is added meanwhile: only those of later kinds may still come. */
static void marks_tell(struct tx *tx) {
    for (unsigned kind = 0; kind < STORE_ROW_KINDS_MAX; kind++) {
        for (size_t i = 0; i < tx->marks_count && !err_failed(tx->err); i++) {
            if (tx->marks[i].kind == kind) {
                tx->rows_changed[kind](tx, tx->marks[i].id);
            }
        }
    }
}

struct err tx_run(struct tx *tx, store_fn fn, void *ctx) {
    tx->err = ERR_OK;
    tx->tried = false;
    if (tx->arena.size > ARENA_BYTES_KEPT) {
        arena_done(&tx->arena);
    }
    arena_reset(&tx->arena);
    tx->marks = NULL;
    tx->marks_count = tx->marks_size = 0;
    struct err err = fn(tx, ctx);
    if (!err_failed(err)) {
        marks_tell(tx);
    }
    assert(tx->rows_open == 0); /* A cursor left open would keep its transaction alive. */
    return err_failed(tx->err) ? tx->err : err;
}

void tx_read(struct tx *tx, struct call *call) {
    const struct driver *driver = tx->conn->driver;
    bool lost = true;
    /* Again where the connection was lost under the function, but no oftener. */
    for (int i = 0; i < 2 && lost; i++) {
        call->result = driver->begin(tx->conn);
        if (err_failed(call->result)) {
            return;
        }
        tx_set_time(tx, world_wall_ms(tx->world), world_mono_ns(tx->world));
        tx->slice_ns = call->slice ? STORE_SLICE_NS : STORE_FIRST_SLICE_NS;
        call->result = tx_run(tx, call->fn, call->ctx);
        lost = err_failed(tx->err) && driver->transaction_lost(tx->conn);
        driver->rollback(tx->conn);
    }
}

static struct err keep(struct tx *tx, struct err err) {
    if (err_failed(err) && !err_failed(tx->err)) {
        tx->err = err;
    }
    return err;
}

struct err tx_exec(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                   int64_t *ret_changed) {
    int64_t changed = 0;
    if (err_failed(tx->err)) {
        return tx->err;
    }
    /* A driver that answers later would let a later part fail for this one. */
    int64_t *wanted = ret_changed == NULL && tx->careful ? &changed : ret_changed;
    return keep(tx, tx->conn->driver->exec(tx->conn, sql, args, count, wanted));
}

bool store_error_passes(struct err err) {
    switch (err.code) {
    case ERR_BUSY:
    case ERR_OVERLOADED:
    case ERR_TOO_MANY:
    case ERR_CLOSING:
    case ERR_INTERRUPTED:
    case ERR_DISK_FULL:
    case ERR_READ_ONLY:
    case ERR_NO_PERMISSION:
    case ERR_CONFIG: /* PostgreSQL: user, password or privilege. */
    case ERR_STORE_IO:
    case ERR_STORE_LOST:
    case ERR_STORE_DOWN:
        return true;
    default:
        return false;
    }
}

/* Whether the error takes back the part alone. Want of memory does not: the arena is that of the
 * whole function, and the part that found it full need not be the one that filled it. */
static bool part_may_fail(struct tx *tx, struct err err) {
    return !store_error_passes(err) && err.code != ERR_OUT_OF_MEMORY &&
           !(err_failed(tx->err) && tx->conn->driver->transaction_lost(tx->conn));
}

static struct err run_part(struct tx *tx, store_fn fn, void *ctx) {
    const struct driver *driver = tx->conn->driver;
    struct err err = keep(tx, driver->savepoint(tx->conn));
    if (!err_failed(err)) {
        err = fn(tx, ctx);
        err = err_failed(tx->err) ? tx->err : err;
    }
    return err_failed(err) ? err : keep(tx, driver->release(tx->conn));
}

struct err tx_try(struct tx *tx, store_fn fn, void *ctx, struct err *ret_refused) {
    *ret_refused = ERR_OK;
    if (err_failed(tx->err)) {
        return tx->err;
    }
    tx->tried = true;
    if (!tx->careful || tx->parts == SAVEPOINTS_MAX) {
        /* Nothing takes this part back alone, so a caller that expects its error must not go on. */
        return keep(tx, fn(tx, ctx));
    }
    unsigned rows_open = tx->rows_open;
    size_t mark = notes_mark(tx->notes), marks = tx->marks_count;
    const struct raised raised = tx->conn->raised;
    tx->parts++;
    struct err err = run_part(tx, fn, ctx);
    tx->parts--;
    assert(tx->rows_open == rows_open);
    if (!err_failed(err) || !part_may_fail(tx, err)) {
        return err_failed(err) ? keep(tx, err) : ERR_OK;
    }
    struct err undone = tx->conn->driver->rollback_to(tx->conn);
    if (err_failed(undone)) {
        return keep(tx, undone);
    }
    notes_cut(tx->notes, mark);
    tx->marks_count = marks;
    tx->conn->raised = raised;
    tx->err = ERR_OK;
    *ret_refused = err;
    return ERR_OK;
}

struct err tx_query(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                    struct rows **ret_rows) {
    if (err_failed(tx->err)) {
        return tx->err;
    }
    struct rows *rows = NULL;
    struct err err = keep(tx, tx->conn->driver->query(tx->conn, sql, args, count, &rows));
    if (!err_failed(err)) {
        rows->tx = tx;
        tx->rows_open++;
        *ret_rows = rows;
    }
    return err;
}

struct err rows_next(struct rows *rows, bool *ret_row) {
    if (err_failed(rows->tx->err)) {
        return rows->tx->err;
    }
    return keep(rows->tx, rows->conn->driver->rows_next(rows, ret_row));
}

struct err tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                    struct rows **ret_rows) {
    AUTO(rows_release) struct rows *rows = NULL;
    bool row = false;
    TRY(tx_query(tx, sql, args, count, &rows));
    TRY(rows_next(rows, &row));
    *ret_rows = row ? rows : NULL;
    if (row) {
        rows = NULL; /* Handed over. */
    }
    return ERR_OK;
}

struct err tx_error(const struct tx *tx) {
    return tx->err;
}

struct err tx_fail(struct tx *tx, struct err err) {
    return keep(tx, err);
}

bool rows_null(const struct rows *rows, int column) {
    return rows->conn->driver->rows_null(rows, column);
}

int64_t rows_int(const struct rows *rows, int column) {
    return rows->conn->driver->rows_int(rows, column);
}

struct bytes rows_text(const struct rows *rows, int column) {
    return rows->conn->driver->rows_text(rows, column);
}

struct bytes rows_copy(struct rows *rows, int column) {
    return tx_copy(rows->tx, rows_text(rows, column));
}

void rows_close(struct rows *rows) {
    if (rows == NULL) {
        return;
    }
    assert(rows->tx->rows_open > 0);
    rows->tx->rows_open--;
    rows->conn->driver->rows_close(rows);
}

void rows_release(struct rows **rows) {
    rows_close(*rows);
    *rows = NULL;
}

struct err tx_note(struct tx *tx, unsigned kind, struct bytes note) {
    assert(kind < STORE_NOTE_KINDS_MAX);
    assert(tx->notes != NULL); /* Readers have nothing to tell. */
    return keep(tx, notes_add(tx->notes, kind, note));
}

enum { MARKS_FIRST = 16 };

void tx_row_changed(struct tx *tx, unsigned kind, int64_t id) {
    assert(kind < STORE_ROW_KINDS_MAX);
    if (tx->rows_changed == NULL || err_failed(tx->err)) {
        return;
    }
    for (size_t i = 0; i < tx->marks_count; i++) {
        if (tx->marks[i].kind == kind && tx->marks[i].id == id) {
            return;
        }
    }
    if (tx->marks_count == tx->marks_size) {
        const size_t size = tx->marks_size == 0 ? MARKS_FIRST : 2 * tx->marks_size;
        struct row_mark *marks = tx_memory(tx, size * sizeof *marks);
        if (marks == NULL) {
            return;
        }
        if (tx->marks_count > 0) {
            memcpy(marks, tx->marks, tx->marks_count * sizeof *marks);
        }
        tx->marks = marks;
        tx->marks_size = size;
    }
    tx->marks[tx->marks_count++] = (struct row_mark){.kind = kind, .id = id};
}

void tx_scrub(struct tx *tx) {
    tx->scrubs = true;
}

void tx_stream_raised(struct tx *tx, int64_t stream, int64_t head) {
    tx->conn->raised.stream = stream;
    tx->conn->raised.head = head;
}

void tx_stream_removed(struct tx *tx) {
    tx->conn->raised.removed = true;
}

bool tx_scrub_take(struct tx *tx) {
    bool scrubs = tx->scrubs;
    tx->scrubs = false;
    return scrubs;
}

struct arena *tx_arena(struct tx *tx) {
    return &tx->arena;
}

void *tx_memory(struct tx *tx, size_t size) {
    void *memory = arena_try(&tx->arena, size);
    if (memory == NULL) {
        keep(tx, err_make(ERR_OUT_OF_MEMORY, "store: arena"));
    }
    return memory;
}

struct bytes tx_copy(struct tx *tx, struct bytes text) {
    const char *copy = text.len == 0 ? "" : arena_try_copy(&tx->arena, text.data, text.len);
    if (copy == NULL) {
        tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "store: text"));
        return BYTES("");
    }
    return (struct bytes){copy, text.len};
}

struct bytes tx_copy_text(struct tx *tx, const struct text *text, const char *step) {
    if (text_failed(text)) {
        tx_fail(tx, text_error(text, step));
        return BYTES("");
    }
    return tx_copy(tx, text_bytes(text));
}

int64_t tx_now_ms(const struct tx *tx) {
    return tx->now_ms;
}

int64_t tx_steady_ms(const struct tx *tx) {
    return tx->steady_ms;
}

int64_t tx_steady_of(const struct tx *tx, int64_t wall_ms) {
    return clocks_steady_ms(&tx->clocks, wall_ms);
}

bool tx_slice_over(const struct tx *tx) {
    return world_mono_ns(tx->world) - tx->began_ns >= tx->slice_ns;
}

int64_t tx_epoch(const struct tx *tx) {
    return tx->epoch;
}

const char *tx_sql(struct tx *tx, const void *address, unsigned use,
                   void (*write)(const void *ctx, struct text *sql), const void *ctx) {
    struct statements_slot *slot = statements_find(&tx->sql_texts, address, use);
    if (slot->value == NULL) {
        AUTO(text_done) struct text sql = text_up_to(SQL_MAX);
        write(ctx, &sql);
        assert(!text_failed(&sql) || sql.no_memory); /* Too long: our bug. */
        if (text_failed(&sql)) {
            tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "store: statement"));
            return "";
        }
        slot->value = mem_copy(sql.data, sql.len);
    }
    return slot->value;
}
