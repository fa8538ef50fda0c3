/* admission.c: who goes next, when something was freed.
 *
 * Slots and keys are counted from the rows of runs that have not ended, in the transaction that
 * hands them out: there is no counter that could be wrong. What frees a place hands it out in the
 * same commit, so somebody waits only while the place is taken. It does so last of all, and for all
 * that it freed at once: keys first, of each key that somebody left, then budgets, then the slots
 * of each kind of which somebody left or came through a key or a budget.
 *
 * Each run in a line is tried as a part of that commit (runs__try). If the store refuses the part,
 * the commit goes on without it: the refused run fails with a cause, and what it held is handed on
 * at the end of the same commit. So the row of a run that waits cannot refuse the end of another.
 * A rerun of the end without the admission was rejected: the line would stand still behind the
 * refused run.
 */
#include "engine/run/budget_gate.h"
#include "engine/run/rows.h"

#include <string.h>

#include "base/memory.h"
#include "engine/trace/spans.h"

struct err runs__span_start(struct tx *tx, const struct run_bounds *bounds,
                            const struct run_row *row) {
    bool shared = bounds->hosts == RUN_HOSTS_SHARED;
    if (row->kind != KIND_JOB) {
        return ERR_OK;
    }
    const struct span_start start = {.key = {.run = row->id, .attempt = row->attempt},
                                     .kind = SPAN_PROCESS,
                                     .name = row->label.len > 0 ? row->label : row->command,
                                     .reserve = {SPAN_UNKNOWN, SPAN_UNKNOWN},
                                     .host = shared ? row->host : (struct bytes){"", 0}};
    return tx_span_start(tx, &start);
}

/* Of a workflow that is paused nobody is asked: an agent that is let go meanwhile has that as its
 * cause, until the run goes on (workflow/workflows.c). */
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
        err = runs__span_start(tx, bounds, row);
    }
    return err_failed(err) ? err : runs__event_started(tx, row);
}

/* --- Keys ------------------------------------------------------------------------------------- */

/* `skip`: the run that is unwritable in the line (runs__try); 0: none. */
static struct err key_next(struct tx *tx, const struct run_lane *lane, int64_t skip,
                           bool *ret_found, struct run_row *ret_row) {
    static const char sql[] =
        "SELECT " RUN_COLUMNS " FROM runs WHERE owner = $1 AND run_key = $2 AND gate = 'key'"
        " AND ended_ms IS NULL AND run_key <> '' AND id <> $3"
        " ORDER BY priority DESC, id LIMIT 1";
    const struct arg args[] = {arg_text(lane->owner), arg_text(lane->key), arg_int(skip)};
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

/* First run in a line, and whether it goes on. */
struct candidate {
    const struct run_bounds *bounds; /* Borrowed; of slots. */
    struct run_row row;
    bool passes;
};

static struct err pass_key(struct tx *tx, void *ctx) {
    struct candidate *candidate = ctx;
    struct run_row *row = &candidate->row;
    struct run_admission admission = {.key_max = row->key_max};
    struct err err = key_taken(tx, row, &admission.key_taken);
    if (err_failed(err)) {
        return err;
    }
    candidate->passes = run_admit(&admission) != GATE_KEY;
    if (!candidate->passes) {
        return ERR_OK;
    }
    row->gate = GATE_SLOT;
    row->not_before_ms = 0;
    return runs__write(tx, RUN_QUEUED, row);
}

/* Whoever is first in line and does not fit holds back the rest, also those that would fit because
 * they named a larger number: first in, first out. That several pass at once is rare (only where
 * runs of one key name different numbers), so it is bounded: those left go when these end. */
static struct err admit_key(struct tx *tx, const struct run_lane *lane, unsigned *io_kinds,
                            struct run_freed *freed) {
    int64_t unwritable = 0;
    size_t bytes = 0;
    bool goes_on = true;
    for (int i = 0; i < RUN_ADMIT_MAX && bytes <= RUN_BYTES_TURN && goes_on; i++) {
        struct candidate candidate = {.passes = false};
        enum run_part_end end = RUN_PART_DONE;
        struct err err = key_next(tx, lane, unwritable, &goes_on, &candidate.row);
        if (err_failed(err) || !goes_on) {
            return err;
        }
        bytes += runs__bytes(&candidate.row);
        enum run_kind kind = candidate.row.kind;
        const struct run_part part = {.fn = pass_key,
                                      .ctx = &candidate,
                                      .id = candidate.row.id,
                                      .io_unwritable = &unwritable};
        err = runs__try(tx, &part, freed, &end);
        if (err_failed(err)) {
            return err;
        }
        bool passes = end == RUN_PART_DONE && candidate.passes;
        *io_kinds |= passes ? 1U << kind : 0;
        goes_on = passes || end == RUN_PART_PASSED;
    }
    return ERR_OK;
}

/* --- Slots ------------------------------------------------------------------------------------ */

static struct err slot_next(struct tx *tx, enum run_kind kind, int64_t skip, bool *ret_found,
                            struct run_row *ret_row) {
    static const char sql[] =
        "SELECT " RUN_COLUMNS " FROM runs WHERE kind = $1 AND gate = 'slot' AND ended_ms IS NULL"
        " AND id <> $2 ORDER BY priority DESC, id LIMIT 1";
    const struct arg args[] = {runs__name(run_kind_name(kind)), arg_int(skip)};
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

static struct err pass_slot(struct tx *tx, void *ctx) {
    struct candidate *candidate = ctx;
    enum budget_verdict verdict = BUDGET_ADMITTED;
    struct err err = runs__budget_judge(tx, &candidate->row, &verdict);
    if (!err_failed(err)) {
        err = runs__budget_apply(tx, verdict, &candidate->row, &candidate->passes);
    }
    return err_failed(err) || !candidate->passes
               ? err
               : runs__start(tx, candidate->bounds, &candidate->row);
}

/* Slots of one kind, while they are handed out. */
struct slots {
    enum run_kind kind;
    int64_t free;       /* INT64_MIN as long as nobody has counted: not where nobody waits. */
    int64_t unwritable; /* Run that is unwritable in the line (runs__try); 0: none. */
    size_t bytes;       /* Of the rows that were read. */
};

/* One goes, if there is one and room for it, or leaves the line for a budget. */
static struct err admit_slot(struct tx *tx, const struct run_bounds *bounds, struct slots *slots,
                             struct run_freed *freed) {
    bool found = false;
    struct candidate candidate = {.bounds = bounds};
    enum run_part_end end = RUN_PART_DONE;
    struct err err = slot_next(tx, slots->kind, slots->unwritable, &found, &candidate.row);
    if (!err_failed(err) && found && slots->free == INT64_MIN) {
        err = runs__slots_free(tx, slots->kind, bounds, &slots->free);
    }
    const struct run_admission admission = {.slots_free = found ? slots->free : 0};
    if (err_failed(err) || run_admit(&admission) != GATE_NONE) {
        slots->free = 0;
        return err;
    }
    slots->bytes += runs__bytes(&candidate.row);
    const struct run_part part = {.fn = pass_slot,
                                  .ctx = &candidate,
                                  .id = candidate.row.id,
                                  .io_unwritable = &slots->unwritable};
    err = runs__try(tx, &part, freed, &end);
    slots->free -= end == RUN_PART_DONE && candidate.passes;
    slots->free = end == RUN_PART_WAITS ? 0 : slots->free;
    return err;
}

struct err runs__admit_slots(struct tx *tx, enum run_kind kind, const struct run_bounds *bounds,
                             int64_t limit, struct run_freed *freed, bool *ret_more) {
    struct slots slots = {.kind = kind, .free = INT64_MIN};
    for (int64_t i = 0; i < limit && slots.bytes <= RUN_BYTES_TURN; i++) {
        struct err err = admit_slot(tx, bounds, &slots, freed);
        if (err_failed(err)) {
            return err;
        }
        if (slots.free == 0) {
            *ret_more = false;
            return ERR_OK;
        }
    }
    *ret_more = true;
    return ERR_OK;
}

/* --- What was freed --------------------------------------------------------------------------- */

static struct err add_lane(struct tx *tx, const struct run_lane *lane, struct run_freed *freed) {
    for (size_t i = 0; i < freed->count; i++) {
        if (bytes_equal(freed->lanes[i].key, lane->key) &&
            bytes_equal(freed->lanes[i].owner, lane->owner)) {
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

/* Keys at once, the rest in transactions of its own. A run that is refused meanwhile leaves places,
 * too, so a key that was handed on may be freed again. RUN_REFUSED_MAX is the limit of that. */
static struct err admit_rest(struct tx *tx, struct run_freed *rest) {
    struct err err = ERR_OK;
    while (!err_failed(err) && (rest->count > 0 || rest->budget_count > 0 || rest->kinds != 0)) {
        if (rest->count > 0) {
            const struct run_lane lane = rest->lanes[--rest->count];
            err = admit_key(tx, &lane, &rest->kinds, rest);
        } else if (rest->budget_count > 0) {
            err = budget__park(tx, rest->budgets[--rest->budget_count], rest);
        } else {
            unsigned kind = (unsigned)__builtin_ctz(rest->kinds);
            rest->kinds &= ~(1U << kind);
            err = runs__park_slot(tx, (enum run_kind)kind, rest);
        }
    }
    return err;
}

struct err runs__admit_freed(struct tx *tx, const struct run_freed *freed,
                             const struct run_bounds *bounds) {
    struct run_freed rest = {.kinds = 0};
    struct budget__opening opening = {
        .left = BUDGET_ADMIT_MAX, .kinds = freed->kinds, .freed = &rest};
    struct err err = ERR_OK;
    for (size_t i = 0; i < freed->count && !err_failed(err); i++) {
        err = admit_key(tx, &freed->lanes[i], &opening.kinds, &rest);
    }
    for (size_t i = 0; i < freed->budget_count && !err_failed(err); i++) {
        err = budget__open_lane(tx, freed->budgets[i], &opening);
    }
    for (unsigned kind = 0; kind < RUN_KIND_COUNT && !err_failed(err); kind++) {
        bool more = false;
        if ((opening.kinds & 1U << kind) != 0) {
            err = runs__admit_slots(tx, (enum run_kind)kind, bounds, RUN_ADMIT_MAX, &rest, &more);
        }
        /* One commit has its bound, and those whom it looked at may all have left the line for a
         * budget: so who is next goes on by himself. */
        if (!err_failed(err) && more) {
            err = runs__park_slot(tx, (enum run_kind)kind, &rest);
        }
    }
    return err_failed(err) ? err : admit_rest(tx, &rest);
}

struct err runs__admit_later(struct tx *tx, const struct run_freed *freed) {
    struct run_freed rest = {.kinds = freed->kinds};
    struct err err = ERR_OK;
    for (size_t i = 0; i < freed->count && !err_failed(err); i++) {
        err = add_lane(tx, &freed->lanes[i], &rest);
    }
    for (size_t i = 0; i < freed->budget_count && !err_failed(err); i++) {
        err = budget__free_lane(tx, freed->budgets[i], &rest);
    }
    return err_failed(err) ? err : admit_rest(tx, &rest);
}

struct err tx_run_admit_all(struct tx *tx, const struct run_bounds *bounds, int64_t limit,
                            bool *ret_more) {
    struct run_freed rest = {.kinds = 0};
    bool any = false;
    for (unsigned kind = 0; kind < RUN_KIND_COUNT; kind++) {
        bool more = false;
        struct err err = runs__admit_slots(tx, (enum run_kind)kind, bounds, limit, &rest, &more);
        if (err_failed(err)) {
            return err;
        }
        any = any || more;
    }
    *ret_more = any;
    return admit_rest(tx, &rest);
}

/* --- Wake-ups --------------------------------------------------------------------------------- */

struct unparking {
    struct run_row row;
    struct run_freed *freed; /* Borrowed. */
};

static struct err unpark_part(struct tx *tx, void *ctx) {
    struct unparking *unparking = ctx;
    return runs__unpark(tx, &unparking->row, unparking->freed);
}

/* The wake-up is for the whole line: it is handed on also where the row of the run is refused. */
static struct err unpark(struct tx *tx, const struct run_row *row,
                         const struct run_bounds *bounds) {
    struct run_freed freed = {.kinds = 0};
    struct unparking unparking = {.row = *row, .freed = &freed};
    int64_t unwritable = 0;
    const struct run_part part = {
        .fn = unpark_part, .ctx = &unparking, .id = row->id, .io_unwritable = &unwritable};
    enum run_part_end end = RUN_PART_DONE;
    struct err err = runs__try(tx, &part, &freed, &end);
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, bounds);
}

struct err tx_run_wake(struct tx *tx, const struct run_key *key, const struct run_bounds *bounds) {
    bool found = false;
    struct run_row row;
    struct err err = tx_run_find(tx, key, &found, &row);
    if (err_failed(err) || !found || row.state != RUN_QUEUED || row.not_before_ms == 0) {
        return err; /* It has moved on by itself. */
    }
    if (row.gate != GATE_TIME) {
        return unpark(tx, &row, bounds);
    }
    struct run_freed freed = {.kinds = 0};
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
