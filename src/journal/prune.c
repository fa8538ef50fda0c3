/* prune.c: retention of streams, and cuts of their beginning, a little at a time.
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

/* --- Cuts ------------------------------------------------------------------------------------- */

struct kept {
    int64_t stream, head, floor;
    struct retention keep;
    int64_t hold;             /* Nothing after it is cut. */
    struct bytes owner, name; /* In the transaction's arena. */
};

/* False: there is none, or an error. */
static bool kept_find(struct tx *tx, int64_t stream, struct kept *ret_kept) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT id, head, floor, COALESCE(keep_events, 0), COALESCE(keep_ms, 0),"
               " COALESCE(hold_after, head), owner, name FROM streams WHERE id = $1",
               ARGS(arg_int(stream)));
    if (rows == NULL) {
        return false;
    }
    *ret_kept = (struct kept){.stream = rows_int(rows, 0),
                              .head = rows_int(rows, 1),
                              .floor = rows_int(rows, 2),
                              .keep = {.events = rows_int(rows, 3), .ms = rows_int(rows, 4)},
                              .hold = rows_int(rows, 5),
                              .owner = rows_copy(rows, 6),
                              .name = rows_copy(rows, 7)};
    return true;
}

static struct err kept_cut(struct tx *tx, const struct kept *kept, int64_t through,
                           int64_t count_max, bool *ret_more) {
    int64_t end = min_of(through, kept->head);
    int64_t floor = min_of(end, kept->floor + count_max);
    if (floor > kept->floor) {
        tx_do(tx, "DELETE FROM events WHERE stream = $1 AND seq > $2 AND seq <= $3",
              ARGS(arg_int(kept->stream), arg_int(kept->floor), arg_int(floor)));
        tx_do(tx, "UPDATE streams SET floor = $2 WHERE id = $1",
              ARGS(arg_int(kept->stream), arg_int(floor)));
        /* The hub may still hold what goes now. It must know the floor, so that a new reader from
         * below is given a snapshot, whether or not others follow the stream. */
        tx_fail(tx, note_send(tx, &(struct note){.kind = NOTE_PRUNED,
                                                 .seq = floor,
                                                 .owner = kept->owner,
                                                 .name = kept->name}));
    }
    return journal__told(tx, floor < end, ret_more);
}

struct err tx_prune(struct tx *tx, int64_t stream, int64_t through, int64_t count_max,
                    bool *ret_more) {
    assert(count_max > 0);
    struct kept kept;
    return kept_find(tx, stream, &kept) ? kept_cut(tx, &kept, through, count_max, ret_more)
                                        : journal__told(tx, false, ret_more);
}

struct err tx_prune_kept(struct tx *tx, int64_t stream, bool *ret_more) {
    struct kept kept;
    if (!kept_find(tx, stream, &kept)) {
        return journal__told(tx, false, ret_more);
    }
    int64_t through = kept.floor;
    if (kept.keep.ms > 0) {
        /* The last of the oldest events that are all too old; one event more is looked at than can
         * be cut. An event made before a step of the clock back may look young: it then keeps what
         * stands after it, which costs nothing but time. */
        int64_t older_than = tx_now_ms(tx) - kept.keep.ms;
        AUTO(rows_release)
        struct rows *rows = tx_rows(
            tx,
            "SELECT seq, at_ms FROM events WHERE stream = $1 AND seq > $2 ORDER BY seq LIMIT $3",
            ARGS(arg_int(kept.stream), arg_int(kept.floor), arg_int(JOURNAL_PRUNE_MAX + 1)));
        while (rows_step(rows) && rows_int(rows, 1) < older_than) {
            through = rows_int(rows, 0);
        }
    }
    if (kept.keep.events > 0 && kept.head - kept.keep.events > through) {
        through = kept.head - kept.keep.events;
    }
    return kept_cut(tx, &kept, min_of(through, kept.hold), JOURNAL_PRUNE_MAX, ret_more);
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
        tx_stream_removed(tx);
        tx_do(tx, "DELETE FROM streams WHERE id = $1", ARGS(arg_int(state.stream)));
    }
    return err_failed(err) ? err : journal__told(tx, more, ret_more);
}

/* --- Retention -------------------------------------------------------------------------------- */

/* No bound is NULL: that keeps the stream out of the pruner's index. */
static struct arg bound(int64_t value) {
    return value == 0 ? arg_null() : arg_int(value);
}

struct err tx_stream_keep(struct tx *tx, struct bytes owner, struct bytes name,
                          struct retention keep, bool *ret_found) {
    if (keep.events < 0 || keep.ms < 0) {
        return err_make(ERR_BAD_FIELD, "journal: retention");
    }
    int64_t changed = tx_change(
        tx, "UPDATE streams SET keep_events = $3, keep_ms = $4 WHERE owner = $1 AND name = $2",
        ARGS(arg_text(owner), arg_text(name), bound(keep.events), bound(keep.ms)));
    return journal__told(tx, changed > 0, ret_found);
}

struct err tx_stream_set_keep(struct tx *tx, const struct stream_name *stream,
                              const struct stream_keep *keep, bool *ret_found) {
    int64_t kept[2];
    const bool found =
        tx_numbers(tx, "SELECT keep_events, keep_ms FROM streams WHERE owner = $1 AND name = $2",
                   ARGS(arg_text(stream->owner), arg_text(stream->name)), kept, COUNT_OF(kept));
    const struct retention retention = {.events = keep->has_events ? keep->events : kept[0],
                                        .ms = keep->has_ms ? keep->ms : kept[1]};
    return found ? tx_stream_keep(tx, stream->owner, stream->name, retention, ret_found)
                 : journal__told(tx, false, ret_found);
}

struct err tx_stream_hold(struct tx *tx, const struct stream_name *stream, enum stream_hold hold) {
    static const char *const sql[] = {
        [STREAM_HOLD] = "UPDATE streams SET hold_after = head WHERE owner = $1 AND name = $2",
        [STREAM_RELEASE] = "UPDATE streams SET hold_after = NULL WHERE owner = $1 AND name = $2"};
    tx_do(tx, sql[hold], ARGS(arg_text(stream->owner), arg_text(stream->name)));
    return tx_error(tx);
}
