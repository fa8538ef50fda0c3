/* run_admit.c: who goes next, when something was freed.
 *
 * Slots and keys are counted from the rows of runs that have not ended, in the transaction that
 * hands them out: there is no counter that could be wrong. What frees a place hands it out in the
 * same commit, so somebody waits only while the place is taken.
 */
#include "engine/run_rows.h"

struct err runs__start(struct tx *tx, const struct run_bounds *bounds, struct run_row *row) {
    const struct bytes none = {"", 0};
    assert(row->state == RUN_QUEUED);
    row->state = RUN_RUNNING;
    row->gate = GATE_NONE;
    row->cause = CAUSE_NONE;
    row->attempt++;
    row->epoch = tx_epoch(tx);
    row->exit_code = -1;
    row->not_before_ms = 0;
    row->started_ms = tx_now_ms(tx);
    row->host = bounds->host;
    row->note = none;
    row->result = none;
    struct err err = runs__write(tx, RUN_QUEUED, row);
    return err_failed(err) ? err : runs__event_started(tx, row);
}

static struct err first_row(struct tx *tx, const struct run_ask *ask, bool *ret_found,
                            struct run_row *ret_row) {
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, ask->sql, ask->args, ask->count, &rows);
    if (!err_failed(err) && rows != NULL) {
        err = runs__read(tx, rows, RUN_WHOLE, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

/* --- Keys ------------------------------------------------------------------------------------- */

static struct err key_next(struct tx *tx, const struct run_lane *lane, bool *ret_found,
                           struct run_row *ret_row) {
    static const char sql[] =
        "SELECT " RUN_COLUMNS " FROM runs WHERE owner = $1 AND run_key = $2 AND gate = 'key'"
        " AND ended_ms IS NULL AND run_key <> '' ORDER BY priority DESC, id LIMIT 1";
    const struct arg args[] = {arg_text(lane->owner), arg_text(lane->key)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return first_row(tx, &ask, ret_found, ret_row);
}

/* At most `key_max` are counted: more make no difference. */
static struct err key_taken(struct tx *tx, const struct run_row *row, int64_t *ret_taken) {
    static const char sql[] =
        "SELECT count(*) FROM (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate IN ('', 'slot') AND ended_ms IS NULL AND run_key <> '' LIMIT $3) taken";
    const struct arg args[] = {arg_text(row->owner), arg_text(row->key), arg_int(row->key_max)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_taken);
}

static struct err pass_key(struct tx *tx, struct run_row *row, bool *ret_passed) {
    struct run_admission admission = {.key_max = row->key_max};
    struct err err = key_taken(tx, row, &admission.key_taken);
    if (err_failed(err)) {
        return err;
    }
    bool passes = run_admit(&admission) != GATE_KEY;
    if (passes) {
        row->gate = GATE_SLOT;
        err = runs__write(tx, RUN_QUEUED, row);
    }
    *ret_passed = passes;
    return err;
}

/* Whoever is first in line and does not fit holds back the rest, also those that would fit because
 * they named a larger number: first in, first out. That several pass at once is rare (only where
 * runs of one key name different numbers), so it is bounded: those left go when these end. */
struct err runs__admit_key(struct tx *tx, const struct run_lane *lane) {
    bool passed = lane->key.len > 0;
    for (int i = 0; i < RUN_ADMIT_MAX && passed; i++) {
        struct run_row row;
        struct err err = key_next(tx, lane, &passed, &row);
        if (!err_failed(err) && passed) {
            err = pass_key(tx, &row, &passed);
        }
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

/* --- Slots ------------------------------------------------------------------------------------ */

static struct err slot_next(struct tx *tx, enum run_kind kind, bool *ret_found,
                            struct run_row *ret_row) {
    static const char sql[] =
        "SELECT " RUN_COLUMNS " FROM runs WHERE kind = $1 AND gate = 'slot' AND ended_ms IS NULL"
        " ORDER BY priority DESC, id LIMIT 1";
    const struct arg args[] = {runs__name(run_kind_name(kind))};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return first_row(tx, &ask, ret_found, ret_row);
}

struct err runs__slots_free(struct tx *tx, enum run_kind kind, const struct run_bounds *bounds,
                            int64_t *ret_free) {
    static const char sql[] = "SELECT count(*) FROM runs WHERE kind = $1"
                              " AND gate = '' AND ended_ms IS NULL";
    if (kind != KIND_JOB || bounds->slots == 0) {
        *ret_free = bounds->slots == 0 ? 0 : INT64_MAX; /* Only jobs share the slots. */
        return ERR_OK;
    }
    const struct arg args[] = {runs__name(run_kind_name(kind))};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t taken = 0;
    struct err err = runs__int(tx, &ask, &taken);
    if (!err_failed(err)) {
        *ret_free = bounds->slots - taken;
    }
    return err;
}

/* One goes, if there is one and room for it. *io_free: INT64_MIN as long as nobody has counted:
 * nothing is counted when nobody waits. */
static struct err admit_slot(struct tx *tx, enum run_kind kind, const struct run_bounds *bounds,
                             int64_t *io_free, size_t *ret_bytes) {
    bool found = false;
    struct run_row row;
    struct err err = slot_next(tx, kind, &found, &row);
    if (!err_failed(err) && found && *io_free == INT64_MIN) {
        err = runs__slots_free(tx, kind, bounds, io_free);
    }
    const struct run_admission admission = {.slots_free = found ? *io_free : 0};
    if (err_failed(err) || run_admit(&admission) != GATE_NONE) {
        *io_free = 0;
        return err;
    }
    *ret_bytes = row.spec.len;
    --*io_free;
    return runs__start(tx, bounds, &row);
}

struct err runs__admit_slots(struct tx *tx, enum run_kind kind, const struct run_bounds *bounds,
                             int64_t limit, bool *ret_more) {
    int64_t free_slots = INT64_MIN;
    size_t bytes = 0;
    for (int64_t i = 0; i < limit && bytes <= RUN_BYTES_TURN; i++) {
        size_t more = 0;
        struct err err = admit_slot(tx, kind, bounds, &free_slots, &more);
        if (err_failed(err)) {
            return err;
        }
        if (free_slots == 0) {
            *ret_more = false;
            return ERR_OK;
        }
        bytes += more;
    }
    *ret_more = true;
    return ERR_OK;
}

struct err runs__admit_freed(struct tx *tx, const struct run_row *row,
                             const struct run_bounds *bounds) {
    const struct run_lane lane = {.owner = row->owner, .key = row->key};
    struct err err = runs__admit_key(tx, &lane);
    /* What is left over fits when the next one ends, which these make sure of. */
    bool more = false;
    return err_failed(err) ? err : runs__admit_slots(tx, row->kind, bounds, RUN_ADMIT_MAX, &more);
}

struct err tx_run_admit_all(struct tx *tx, const struct run_bounds *bounds, int64_t limit,
                            bool *ret_more) {
    bool any = false;
    for (unsigned kind = 0; kind < RUN_KIND_COUNT; kind++) {
        bool more = false;
        struct err err = runs__admit_slots(tx, (enum run_kind)kind, bounds, limit, &more);
        if (err_failed(err)) {
            return err;
        }
        any = any || more;
    }
    *ret_more = any;
    return ERR_OK;
}

struct err tx_run_wake(struct tx *tx, const struct run_key *key, const struct run_bounds *bounds) {
    bool found = false;
    struct run_row row;
    struct err err = tx_run_find(tx, key, &found, &row);
    if (err_failed(err) || !found || row.state != RUN_QUEUED || row.gate != GATE_TIME) {
        return err; /* It has moved on by itself. */
    }
    if (row.stop != CAUSE_NONE) {
        err = runs__end_queued(tx, &row);
        return err_failed(err) ? err : runs__ask_children(tx, &row);
    }
    row.not_before_ms = 0;
    row.gate = row.key.len > 0 ? GATE_KEY : GATE_SLOT;
    err = runs__write(tx, RUN_QUEUED, &row);
    return err_failed(err) ? err : runs__admit_freed(tx, &row, bounds);
}
