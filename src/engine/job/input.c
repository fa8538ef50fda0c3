/* input.c: input by offset, in rows.
 *
 * Keys are pressed one by one, and a row for each would be millions: a piece goes into the last row
 * while that is small. So all but the last are large, and the end of a run removes a thousand rows
 * at most. That a run takes input is said by its first row, which is empty at first;
 * nothing else has to be asked.
 */
#include "engine/job/input.h"

#include <string.h>

#include "base/base64.h"
#include "engine/run/rows.h"

enum {
    ROW_SMALL = 16 << 10, /* Up to here a row grows. */
    TEXT_MAX = RUN_INPUT_PIECE_MAX * 2,
    PAGE_ROWS = 8,
};

void runs__input_open(struct tx *tx, int64_t id, int64_t from) {
    tx_do(tx,
          "INSERT INTO run_input (run, from_offset, len, ends, bytes) VALUES ($1, $2, 0, 0, '')",
          ARGS(arg_int(id), arg_int(from)));
}

/* Most runs take none, and their end is a hot path: where the spec names neither word, there is no
 * row. One that was read without its spec is asked for in any case. */
void runs__input_close(struct tx *tx, const struct run_row *row) {
    static const char open[] = "\"stdin_open\"", pty[] = "\"pty\"";
    const struct bytes spec = row->spec;
    if (spec.len == 0 || memmem(spec.data, spec.len, open, sizeof open - 1) != NULL ||
        memmem(spec.data, spec.len, pty, sizeof pty - 1) != NULL) {
        tx_do(tx, "DELETE FROM run_input WHERE run = $1", ARGS(arg_int(row->id)));
    }
}

/* A damaged row may hold any numbers. Sums of sound ones do not overflow. */
static bool place_sound(int64_t from, int64_t len) {
    return from >= 0 && from <= INT64_MAX / 4 && len >= 0 && len <= INT64_MAX / 4;
}

static struct err corrupt(void) {
    return err_make(ERR_STORE_CORRUPT, "runs: input");
}

/* --- Appending -------------------------------------------------------------------------------- */

/* Where a run's input stands: its last row. */
struct tail {
    int64_t id, first, from, len;
    struct text bytes; /* Owned; of a row that may grow. */
};

static void tail_done(struct tail *tail) {
    text_done(&tail->bytes);
}

/* The bytes of a row that may not grow are not read. */
static struct err tail_find(struct tx *tx, const struct run_key *key, struct tail *tail,
                            struct why *why) {
    static const char sql[] = "SELECT r.id, r.state, i.from_offset, i.len, i.ends,"
                              " (SELECT min(f.from_offset) FROM run_input f WHERE f.run = r.id),"
                              " CASE WHEN i.len < 16384 THEN i.bytes ELSE '' END"
                              " FROM runs r LEFT JOIN run_input i ON i.run = r.id"
                              " WHERE r.run = $1 AND r.kind = 'job' AND ($2 = '' OR r.owner = $2)"
                              " ORDER BY i.from_offset DESC LIMIT 1";
    enum { COL_ID, COL_STATE, COL_FROM, COL_LEN, COL_ENDS, COL_FIRST, COL_BYTES };
    static_assert(ROW_SMALL == 16384, "as the statement says");
    enum run_state state;
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, sql, ARGS(arg_text(key->run), arg_text(key->owner)));
    if (rows == NULL) {
        return err_failed(tx_error(tx)) ? tx_error(tx) : err_make(ERR_NOT_FOUND, "runs: input");
    }
    if (!run_state_find(rows_text(rows, COL_STATE), &state)) {
        return err_make(ERR_STORE_CORRUPT, "runs: state");
    }
    const char *closed =
        run_state_final(state) ? "the job has ended: it takes no more input"
        : rows_null(rows, COL_FROM)
            ? "the job takes no input: it was started without \"stdin_open\" or a terminal"
        : rows_int(rows, COL_ENDS) != 0 ? "the end of the job's input was sent already"
                                        : NULL;
    if (closed != NULL) {
        return err_why(why, ERR_INPUT_CLOSED, "%s", closed);
    }
    tail->id = rows_int(rows, COL_ID);
    tail->first = rows_int(rows, COL_FIRST);
    tail->from = rows_int(rows, COL_FROM);
    tail->len = rows_int(rows, COL_LEN);
    bool whole = tail->len >= ROW_SMALL;
    bool sound = place_sound(tail->from, tail->len) && place_sound(tail->first, tail->len) &&
                 base64_add_decoded(&tail->bytes, rows_text(rows, COL_BYTES)) &&
                 (whole || (int64_t)tail->bytes.len == tail->len);
    return sound ? ERR_OK : corrupt();
}

/* A client whose answer was lost sends the piece again with its offset: once is enough. */
static struct err place_check(const struct tail *tail, const struct run_input *input,
                              struct why *why) {
    int64_t next = tail->from + tail->len;
    if (!input->placed || input->at == next) {
        return ERR_OK;
    }
    return err_why(why, ERR_CONFLICT, "\"offset\" is %lld, and the job's input goes on at %lld",
                   (long long)input->at, (long long)next);
}

static struct err room_check(const struct tail *tail, const struct run_input *input,
                             struct why *why) {
    int64_t next = tail->from + tail->len + (int64_t)input->bytes.len;
    int64_t accepted = input->accepted > tail->first ? input->accepted : tail->first;
    if (next - tail->first > RUN_INPUT_MAX) {
        return err_why(why, ERR_INPUT_FULL,
                       "a job is sent at most %d bytes of input; let the command read a file",
                       RUN_INPUT_MAX);
    }
    if (input->bytes.len > 0 && next - accepted > RUN_INPUT_AHEAD_MAX) {
        return err_why(why, ERR_TOO_MANY,
                       "the job has not read what it was sent: at most %d bytes wait for it",
                       RUN_INPUT_AHEAD_MAX);
    }
    return ERR_OK;
}

struct err tx_run_input(struct tx *tx, const struct run_input *input,
                        struct run_input_place *ret_place, struct why *why) {
    static const char grow[] = "UPDATE run_input SET len = $3, ends = $4, bytes = $5"
                               " WHERE run = $1 AND from_offset = $2";
    static const char add[] = "INSERT INTO run_input (run, from_offset, len, ends, bytes)"
                              " VALUES ($1, $2, $3, $4, $5)";
    assert(input->bytes.len <= RUN_INPUT_PIECE_MAX);
    AUTO(tail_done) struct tail tail = {.id = 0};
    AUTO(text_done) struct text encoded = text_up_to(TEXT_MAX);
    text_init(&tail.bytes, RUN_INPUT_PIECE_MAX + ROW_SMALL);
    struct err err = tail_find(tx, &input->key, &tail, why);
    if (!err_failed(err)) {
        err = place_check(&tail, input, why);
    }
    if (!err_failed(err)) {
        err = room_check(&tail, input, why);
    }
    if (err_failed(err)) {
        return err;
    }
    text_add(&tail.bytes, input->bytes.data, input->bytes.len);
    base64_add(&encoded, text_bytes(&tail.bytes));
    if (text_failed(&encoded) || text_failed(&tail.bytes)) {
        return text_error(text_failed(&encoded) ? &encoded : &tail.bytes, "runs: input");
    }
    bool grows = tail.len < ROW_SMALL;
    int64_t len = (int64_t)input->bytes.len, offset = tail.from + tail.len;
    tx_do(tx, grows ? grow : add,
          ARGS(arg_int(tail.id), arg_int(grows ? tail.from : offset),
               arg_int(grows ? tail.len + len : len), arg_int(input->end == RUN_INPUT_ENDS ? 1 : 0),
               arg_text(text_bytes(&encoded))));
    *ret_place = (struct run_input_place){offset, offset + len};
    return tx_error(tx);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct reading {
    int64_t next; /* The first byte that is still wanted. */
    struct text *bytes;
    struct text row; /* Owned: one row's bytes. */
    struct run_input_part part;
    bool begun;
};

static void reading_done(struct reading *reading) {
    text_done(&reading->row);
}

/* Takes what fits of one row. */
static struct err reading_add(struct reading *reading, const struct rows *rows) {
    enum { COL_FROM, COL_LEN, COL_ENDS, COL_BYTES };
    int64_t from = rows_int(rows, COL_FROM), len = rows_int(rows, COL_LEN);
    text_clear(&reading->row);
    if (!place_sound(from, len) || !base64_add_decoded(&reading->row, rows_text(rows, COL_BYTES)) ||
        text_failed(&reading->row) || (int64_t)reading->row.len != len) {
        return corrupt();
    }
    if (!reading->begun) {
        reading->begun = true;
        reading->next = from > reading->next ? from : reading->next;
        reading->part.offset = reading->next;
    }
    if (from > reading->next) { /* A gap: a row between these two is missing or damaged. */
        return corrupt();
    }
    int64_t skipped = reading->next - from;
    int64_t wanted = len > skipped ? len - skipped : 0;
    int64_t room = RUN_INPUT_PIECE_MAX - (int64_t)reading->bytes->len;
    int64_t taken = wanted < room ? wanted : room;
    if (taken > 0) {
        text_add(reading->bytes, reading->row.data + skipped, (size_t)taken);
        reading->next += taken;
    }
    reading->part.more = taken < wanted;
    reading->part.end = rows_int(rows, COL_ENDS) != 0 ? from + len : -1;
    return text_failed(reading->bytes) ? text_error(reading->bytes, "runs: input") : ERR_OK;
}

struct err tx_run_input_read(struct tx *tx, struct bytes run, int64_t from, struct text *bytes,
                             struct run_input_part *ret_part) {
    AUTO(reading_done)
    struct reading reading = {
        .next = from, .bytes = bytes, .part = {.offset = from, .more = false, .end = -1}};
    text_init(&reading.row, RUN_INPUT_PIECE_MAX + ROW_SMALL);
    text_clear(bytes);
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT i.from_offset, i.len, i.ends, i.bytes FROM runs r, run_input i"
                " WHERE r.run = $1 AND i.run = r.id AND i.from_offset >="
                " COALESCE((SELECT max(f.from_offset) FROM run_input f WHERE f.run = r.id"
                " AND f.from_offset <= $2), 0) ORDER BY i.from_offset LIMIT $3",
                ARGS(arg_text(run), arg_int(from), arg_int(PAGE_ROWS)));
    struct err err = ERR_OK;
    for (int count = 0; !err_failed(err) && !reading.part.more && rows_step(rows); count++) {
        /* One more than a page: it only says `more`. */
        if (bytes->len == RUN_INPUT_PIECE_MAX || count == PAGE_ROWS - 1) {
            reading.part.more = true;
        } else {
            err = reading_add(&reading, rows);
        }
    }
    *ret_part = reading.part;
    return err_failed(err) ? err : tx_error(tx);
}
