/* run_admit.c: who goes next, when something was freed.
 *
 * Slots and keys are counted from the rows of runs that have not ended, in the transaction that
 * hands them out: there is no counter that could be wrong. What frees a place hands it out in the
 * same commit, so somebody waits only while the place is taken. It does so last of all, and for all
 * that it freed at once: keys first, of each key that somebody left, then budgets, then the slots
 * of each kind of which somebody left or came through a key or a budget.
 */
#include "engine/run_budget.h"
#include "engine/run_rows.h"

#include <string.h>

#include "base/memory.h"
#include "engine/spans.h"

struct err runs__span_start(struct tx *tx, const struct run_row *row) {
    if (row->kind != KIND_JOB) {
        return ERR_OK;
    }
    const struct span_start start = {.key = {.run = row->id, .attempt = row->attempt},
                                     .kind = SPAN_PROCESS,
                                     .name = row->label.len > 0 ? row->label : row->command,
                                     .reserve = {SPAN_UNKNOWN, SPAN_UNKNOWN}};
    return tx_span_start(tx, &start);
}

/* Of a workflow that is paused nobody is asked: an agent that is let go meanwhile has that as its
 * cause, until the run goes on (workflow_pause.c). */
static struct err cause_of(struct tx *tx, const struct run_row *row, enum run_cause *ret_cause) {
    static const char sql[] = "SELECT count(*) FROM runs WHERE id = $1 AND state = 'waiting'";
    const struct arg args[] = {arg_int(row->parent)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t paused = 0;
    struct err err = row->kind == KIND_AGENT ? runs__int(tx, &ask, &paused) : ERR_OK;
    *ret_cause = paused > 0 ? CAUSE_PAUSED : CAUSE_NONE;
    return err;
}

struct err runs__start(struct tx *tx, const struct run_bounds *bounds, struct run_row *row) {
    const struct bytes none = {"", 0};
    assert(row->state == RUN_QUEUED);
    struct err err = cause_of(tx, row, &row->cause);
    if (err_failed(err)) {
        return err;
    }
    row->state = RUN_RUNNING;
    row->gate = GATE_NONE;
    row->attempt++;
    row->epoch = tx_epoch(tx);
    row->exit_code = -1;
    row->not_before_ms = 0;
    row->started_ms = tx_now_ms(tx);
    row->steady_ms = tx_steady_ms(tx);
    row->host = bounds->host;
    row->note = none;
    row->result = none;
    err = runs__write(tx, RUN_QUEUED, row);
    if (!err_failed(err)) {
        err = runs__span_start(tx, row);
    }
    return err_failed(err) ? err : runs__event_started(tx, row);
}

/* --- Keys ------------------------------------------------------------------------------------- */

static struct err key_next(struct tx *tx, const struct run_lane *lane, bool *ret_found,
                           struct run_row *ret_row) {
    static const char sql[] =
        "SELECT " RUN_COLUMNS " FROM runs WHERE owner = $1 AND run_key = $2 AND gate = 'key'"
        " AND ended_ms IS NULL AND run_key <> '' ORDER BY priority DESC, id LIMIT 1";
    const struct arg args[] = {arg_text(lane->owner), arg_text(lane->key)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return runs__first(tx, &ask, ret_found, ret_row);
}

/* At most `key_max` are counted: more make no difference. */
static struct err key_taken(struct tx *tx, const struct run_row *row, int64_t *ret_taken) {
    static const char sql[] =
        "SELECT count(*) FROM (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate IN ('', 'slot', 'budget') AND ended_ms IS NULL AND run_key <> '' LIMIT $3) "
        "taken";
    const struct arg args[] = {arg_text(row->owner), arg_text(row->key), arg_int(row->key_max)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_taken);
}

static struct err pass_key(struct tx *tx, struct run_row *row, bool *ret_passed,
                           unsigned *io_kinds) {
    struct run_admission admission = {.key_max = row->key_max};
    struct err err = key_taken(tx, row, &admission.key_taken);
    if (err_failed(err)) {
        return err;
    }
    bool passes = run_admit(&admission) != GATE_KEY;
    if (passes) {
        row->gate = GATE_SLOT;
        *io_kinds |= 1U << row->kind;
        err = runs__write(tx, RUN_QUEUED, row);
    }
    *ret_passed = passes;
    return err;
}

/* Whoever is first in line and does not fit holds back the rest, also those that would fit because
 * they named a larger number: first in, first out. That several pass at once is rare (only where
 * runs of one key name different numbers), so it is bounded: those left go when these end. */
static struct err admit_key(struct tx *tx, const struct run_lane *lane, unsigned *io_kinds) {
    bool passed = true;
    for (int i = 0; i < RUN_ADMIT_MAX && passed; i++) {
        struct run_row row;
        struct err err = key_next(tx, lane, &passed, &row);
        if (!err_failed(err) && passed) {
            err = pass_key(tx, &row, &passed, io_kinds);
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
    return runs__first(tx, &ask, ret_found, ret_row);
}

/* Jobs share the daemon's slots, and workflows where they have a limit. */
int64_t runs__slots(enum run_kind kind, const struct run_bounds *bounds) {
    if (bounds->slots == 0) {
        return 0; /* The daemon holds. */
    }
    bool limited = kind == KIND_WORKFLOW && bounds->workflows > 0;
    return kind == KIND_JOB ? bounds->slots : limited ? bounds->workflows : INT64_MAX;
}

struct err runs__slots_free(struct tx *tx, enum run_kind kind, const struct run_bounds *bounds,
                            int64_t *ret_free) {
    static const char sql[] = "SELECT count(*) FROM runs WHERE kind = $1"
                              " AND gate = '' AND ended_ms IS NULL";
    int64_t slots = runs__slots(kind, bounds);
    if (slots == 0 || slots == INT64_MAX) {
        *ret_free = slots;
        return ERR_OK;
    }
    const struct arg args[] = {runs__name(run_kind_name(kind))};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t taken = 0;
    struct err err = runs__int(tx, &ask, &taken);
    if (!err_failed(err)) {
        *ret_free = slots - taken;
    }
    return err;
}

static struct err pass_budgets(struct tx *tx, struct run_row *row, bool *ret_goes) {
    enum budget_verdict verdict = BUDGET_ADMITTED;
    struct err err = runs__budget_judge(tx, row, &verdict);
    return err_failed(err) ? err : runs__budget_apply(tx, verdict, row, ret_goes);
}

/* One goes, if there is one and room for it, or leaves the line for a budget. *io_free: INT64_MIN
 * as long as nobody has counted: nothing is counted when nobody waits. */
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
    bool goes = false;
    err = pass_budgets(tx, &row, &goes);
    if (err_failed(err) || !goes) {
        return err;
    }
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

/* --- What was freed --------------------------------------------------------------------------- */

static bool same(struct bytes a, struct bytes b) {
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static struct err add_lane(struct tx *tx, const struct run_lane *lane, struct run_freed *freed) {
    for (size_t i = 0; i < freed->count; i++) {
        if (same(freed->lanes[i].key, lane->key) && same(freed->lanes[i].owner, lane->owner)) {
            return ERR_OK;
        }
    }
    if (freed->count == freed->size) {
        size_t size = freed->size == 0 ? 8 : freed->size * 2;
        struct run_lane *lanes = arena_try(tx_arena(tx), size * sizeof *lanes);
        if (lanes == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "runs: freed");
        }
        if (freed->count > 0) {
            memcpy(lanes, freed->lanes, freed->count * sizeof *lanes);
        }
        freed->lanes = lanes;
        freed->size = size;
    }
    freed->lanes[freed->count++] = *lane;
    return ERR_OK;
}

/* Who waits for its time holds nothing, and holds back nobody. Who waits at its key's gate may have
 * been the one that did not fit, and so held back others that do. */
struct err runs__free(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    if (row->gate == GATE_TIME) {
        return ERR_OK;
    }
    if (row->gate == GATE_NONE) {
        freed->kinds |= 1U << row->kind;
    }
    const struct run_lane lane = {.owner = row->owner, .key = row->key};
    return row->key.len == 0 ? ERR_OK : add_lane(tx, &lane, freed);
}

struct err runs__admit_freed(struct tx *tx, const struct run_freed *freed,
                             const struct run_bounds *bounds) {
    struct budget__opening opening = {.left = BUDGET_ADMIT_MAX, .kinds = freed->kinds};
    struct err err = ERR_OK;
    for (size_t i = 0; i < freed->count && !err_failed(err); i++) {
        err = admit_key(tx, &freed->lanes[i], &opening.kinds);
    }
    for (size_t i = 0; i < freed->budget_count && !err_failed(err); i++) {
        err = budget__open_lane(tx, freed->budgets[i], &opening);
    }
    for (unsigned kind = 0; kind < RUN_KIND_COUNT && !err_failed(err); kind++) {
        bool more = false;
        if ((opening.kinds & 1U << kind) != 0) {
            err = runs__admit_slots(tx, (enum run_kind)kind, bounds, RUN_ADMIT_MAX, &more);
        }
        /* One commit has its bound, and those whom it looked at may all have left the line for a
         * budget: so who is next goes on by himself. */
        if (!err_failed(err) && more) {
            err = runs__park_slot(tx, (enum run_kind)kind);
        }
    }
    return err;
}

struct err runs__admit_later(struct tx *tx, const struct run_freed *freed) {
    unsigned kinds = freed->kinds;
    struct err err = ERR_OK;
    for (size_t i = 0; i < freed->count && !err_failed(err); i++) {
        err = admit_key(tx, &freed->lanes[i], &kinds);
    }
    for (size_t i = 0; i < freed->budget_count && !err_failed(err); i++) {
        err = budget__park(tx, freed->budgets[i]);
    }
    for (unsigned kind = 0; kind < RUN_KIND_COUNT && !err_failed(err); kind++) {
        err = (kinds & 1U << kind) == 0 ? ERR_OK : runs__park_slot(tx, (enum run_kind)kind);
    }
    return err;
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
    if (err_failed(err) || !found || row.state != RUN_QUEUED || row.not_before_ms == 0) {
        return err; /* It has moved on by itself. */
    }
    struct run_freed freed = {.kinds = 0};
    if (row.gate != GATE_TIME) {
        err = runs__unpark(tx, &row, &freed);
        return err_failed(err) ? err : runs__admit_freed(tx, &freed, bounds);
    }
    if (row.stop != CAUSE_NONE) {
        err = runs__end_queued(tx, &row, &freed);
        if (!err_failed(err)) {
            err = runs__ask_children(tx, &row, &freed);
        }
        return err_failed(err) ? err : runs__admit_freed(tx, &freed, bounds);
    }
    row.not_before_ms = 0;
    row.gate = row.key.len > 0 ? GATE_KEY : GATE_SLOT;
    err = runs__write(tx, RUN_QUEUED, &row);
    if (!err_failed(err)) { /* It stands in line now, and may be the one that goes. */
        freed.kinds = 1U << row.kind;
        err = runs__free(tx, &row, &freed);
    }
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, bounds);
}
