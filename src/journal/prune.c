/* prune.c: cutting the beginning of a stream, a little at a time.
 *
 * Only a prefix is ever cut: what remains is floor + 1 … head without holes, so one number says
 * all that a reader must know. Events and floor change in one commit. `head` stays, also when
 * nothing is left, so no number is used twice.
 */
#include "journal/journal.h"

#include "journal/note.h"

static int64_t min_of(int64_t a, int64_t b) {
    return a < b ? a : b;
}

struct kept {
    struct stream_state state;
    struct retention keep;
    int64_t hold;             /* Nothing behind it is cut. */
    struct bytes owner, name; /* In the transaction's arena. */
};

static struct err keep_text(struct tx *tx, struct bytes text, struct bytes *ret_text) {
    const char *copy = arena_try_copy(tx_arena(tx), text.data, text.len);
    if (copy == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "journal: prune");
    }
    *ret_text = (struct bytes){copy, text.len};
    return ERR_OK;
}

static struct err read_kept(struct tx *tx, struct rows *rows, struct kept *ret_kept) {
    struct kept kept = {.state = {.stream = rows_int(rows, 0),
                                  .head = rows_int(rows, 1),
                                  .floor = rows_int(rows, 2)},
                        .keep = {.events = rows_int(rows, 3), .ms = rows_int(rows, 4)},
                        .hold = rows_int(rows, 5)};
    struct err err = keep_text(tx, rows_text(rows, 6), &kept.owner);
    if (err_failed(err)) {
        return err;
    }
    err = keep_text(tx, rows_text(rows, 7), &kept.name);
    if (err_failed(err)) {
        return err;
    }
    *ret_kept = kept;
    return ERR_OK;
}

static struct err find_by_number(struct tx *tx, int64_t stream, bool *ret_found,
                                 struct kept *ret_kept) {
    static const char sql[] =
        "SELECT id, head, floor, COALESCE(keep_events, 0), COALESCE(keep_ms, 0),"
        " COALESCE(hold_after, head), owner, name FROM streams WHERE id = $1";
    const struct arg args[] = {arg_int(stream)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    *ret_found = rows != NULL;
    return rows != NULL ? read_kept(tx, rows, ret_kept) : ERR_OK;
}

/* The hub may still hold what goes now. It must know the floor, so that a new reader from below is
 * given a snapshot, whether or not others follow the stream. */
static struct err tell_hub(struct tx *tx, const struct kept *kept, int64_t floor) {
    const struct note note = {
        .kind = NOTE_PRUNED, .seq = floor, .owner = kept->owner, .name = kept->name};
    struct bytes bytes;
    struct err err = note_write(tx_arena(tx), &note, &bytes);
    return err_failed(err) ? err : tx_note(tx, JOURNAL_NOTE, bytes);
}

static struct err cut(struct tx *tx, const struct kept *kept, int64_t floor) {
    static const char delete_sql[] =
        "DELETE FROM events WHERE stream = $1 AND seq > $2 AND seq <= $3";
    static const char floor_sql[] = "UPDATE streams SET floor = $2 WHERE id = $1";
    const struct arg range[] = {arg_int(kept->state.stream), arg_int(kept->state.floor),
                                arg_int(floor)};
    struct err err = tx_exec(tx, delete_sql, range, COUNT_OF(range), NULL);
    if (err_failed(err)) {
        return err;
    }
    const struct arg raised[] = {arg_int(kept->state.stream), arg_int(floor)};
    err = tx_exec(tx, floor_sql, raised, COUNT_OF(raised), NULL);
    return err_failed(err) ? err : tell_hub(tx, kept, floor);
}

static struct err cut_some(struct tx *tx, const struct kept *kept, int64_t through,
                           int64_t count_max, bool *ret_more) {
    int64_t end = min_of(through, kept->state.head);
    int64_t floor = min_of(end, kept->state.floor + count_max);
    if (floor > kept->state.floor) {
        struct err err = cut(tx, kept, floor);
        if (err_failed(err)) {
            return err;
        }
    }
    *ret_more = floor < end;
    return ERR_OK;
}

struct err tx_prune(struct tx *tx, int64_t stream, int64_t through, int64_t count_max,
                    bool *ret_more) {
    assert(count_max > 0);
    bool found = false;
    struct kept kept;
    struct err err = find_by_number(tx, stream, &found, &kept);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        *ret_more = false;
        return ERR_OK;
    }
    return cut_some(tx, &kept, through, count_max, ret_more);
}

struct err tx_stream_remove(struct tx *tx, const struct stream_name *stream, int64_t count_max,
                            bool *ret_more) {
    struct stream_state state;
    bool found = false, more = false;
    struct err err = tx_stream_find(tx, stream->owner, stream->name, &found, &state);
    if (!err_failed(err) && found) {
        err = tx_prune(tx, state.stream, state.head, count_max, &more);
    }
    if (!err_failed(err) && found && !more) {
        const struct arg args[] = {arg_int(state.stream)};
        tx_stream_removed(tx);
        err = tx_exec(tx, "DELETE FROM streams WHERE id = $1", args, COUNT_OF(args), NULL);
    }
    if (!err_failed(err)) {
        *ret_more = more;
    }
    return err;
}

/* No bound is NULL: that keeps the stream out of the pruner's index. */
static struct arg bound(int64_t value) {
    return value == 0 ? arg_null() : arg_int(value);
}

struct err tx_stream_keep(struct tx *tx, struct bytes owner, struct bytes name,
                          struct retention keep, bool *ret_found) {
    static const char sql[] = "UPDATE streams SET keep_events = $3, keep_ms = $4 "
                              "WHERE owner = $1 AND name = $2";
    if (keep.events < 0 || keep.ms < 0) {
        return err_make(ERR_BAD_FIELD, "journal: retention");
    }
    const struct arg args[] = {arg_text(owner), arg_text(name), bound(keep.events), bound(keep.ms)};
    int64_t changed = 0;
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), &changed);
    if (err_failed(err)) {
        return err;
    }
    *ret_found = changed > 0;
    return ERR_OK;
}

struct err tx_stream_hold(struct tx *tx, const struct stream_name *stream, enum stream_hold hold) {
    static const char hold_sql[] =
        "UPDATE streams SET hold_after = head WHERE owner = $1 AND name = $2";
    static const char release_sql[] =
        "UPDATE streams SET hold_after = NULL WHERE owner = $1 AND name = $2";
    const struct arg args[] = {arg_text(stream->owner), arg_text(stream->name)};
    return tx_exec(tx, hold == STREAM_HOLD ? hold_sql : release_sql, args, COUNT_OF(args), NULL);
}

/* The last of the oldest events that are all too old; looks at one event more than can be cut. An
 * event made before a step of the clock back may look young: it then keeps what stands behind it,
 * which costs nothing but time. */
static struct err find_old(struct tx *tx, const struct kept *kept, int64_t *ret_through) {
    static const char sql[] = "SELECT seq, at_ms FROM events "
                              "WHERE stream = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    int64_t older_than = tx_now_ms(tx) - kept->keep.ms;
    const struct arg args[] = {arg_int(kept->state.stream), arg_int(kept->state.floor),
                               arg_int(JOURNAL_PRUNE_MAX + 1)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    int64_t through = kept->state.floor;
    while (!err_failed(err)) {
        bool row = false;
        err = rows_next(rows, &row);
        if (err_failed(err) || !row || rows_int(rows, 1) >= older_than) {
            break;
        }
        through = rows_int(rows, 0);
    }
    if (!err_failed(err)) {
        *ret_through = through;
    }
    return err;
}

struct err tx_prune_kept(struct tx *tx, int64_t stream, bool *ret_more) {
    bool found = false;
    struct kept kept;
    struct err err = find_by_number(tx, stream, &found, &kept);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        *ret_more = false;
        return ERR_OK;
    }
    int64_t through = kept.state.floor;
    if (kept.keep.ms > 0) {
        err = find_old(tx, &kept, &through);
        if (err_failed(err)) {
            return err;
        }
    }
    if (kept.keep.events > 0 && kept.state.head - kept.keep.events > through) {
        through = kept.state.head - kept.keep.events;
    }
    return cut_some(tx, &kept, min_of(through, kept.hold), JOURNAL_PRUNE_MAX, ret_more);
}
