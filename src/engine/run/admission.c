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
 * Rejected: a rerun of the end without the admission. The queue behind the refused run would stall.
 */
#include <string.h>

#include "base/memory.h"
#include "engine/run/budget_gate.h"
#include "engine/trace/spans.h"

/* --- An attempt begins ------------------------------------------------------------------------ */

void runs__span_start(struct tx *tx, const struct run_bounds *bounds, const struct run_row *row) {
    bool shared = bounds->hosts == RUN_HOSTS_SHARED;
    const struct span_start start = {.key = {.run = row->id, .attempt = row->attempt},
                                     .kind = SPAN_PROCESS,
                                     .name = row->label.len > 0 ? row->label : row->command,
                                     .reserve = {SPAN_UNKNOWN, SPAN_UNKNOWN},
                                     .host = shared ? row->host : BYTES("")};
    if (run_kind_is(row->kind, RUN_HAS_PROCESS)) {
        tx_fail(tx, tx_span_start(tx, &start));
    }
}

/* Of a workflow that is paused nobody is asked: an agent that is admitted meanwhile has that as its
 * cause, until the run goes on (workflow/workflows.c). */
static void run_start(struct tx *tx, const struct run_bounds *bounds, struct run_row *row) {
    assert(row->state == RUN_QUEUED);
    bool paused = run_kind_is(row->kind, RUN_IS_STEP) &&
                  tx_number(tx, "SELECT count(*) FROM runs WHERE id = $1 AND state = 'waiting'",
                            ARGS(arg_int(row->parent))) > 0;
    row->cause = paused ? CAUSE_PAUSED : CAUSE_NONE;
    row->state = RUN_RUNNING;
    row->gate = GATE_NONE;
    row->attempt++;
    row->epoch = tx_epoch(tx);
    row->exit_code = -1;
    row->not_before_ms = 0;
    row->started_ms = tx_now_ms(tx);
    row->steady_ms = tx_steady_ms(tx);
    row->host = bounds->host;
    row->note = BYTES("");
    row->result = BYTES("");
    tx_fail(tx, runs__write(tx, RUN_QUEUED, row));
    runs__span_start(tx, bounds, row);
    tx_fail(tx, runs__event_started(tx, row));
}

/* First run in a line, and whether it goes on. */
struct candidate {
    const struct run_bounds *bounds; /* Borrowed; of slots. */
    struct run_row row;
    bool passes;
};

/* --- Keys ------------------------------------------------------------------------------------- */

/* At most `key_max` are counted: more make no difference. */
static struct err key_pass(struct tx *tx, void *ctx) {
    static const char taken[] =
        "SELECT count(*) FROM (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate IN ('', 'slot', 'budget') AND ended_ms IS NULL AND run_key <> '' LIMIT $3)"
        " taken";
    struct candidate *candidate = ctx;
    struct run_row *row = &candidate->row;
    const struct run_admission admission = {
        .key_max = row->key_max,
        .key_taken = tx_number(
            tx, taken, ARGS(arg_text(row->owner), arg_text(row->key), arg_int(row->key_max)))};
    candidate->passes = run_admit(&admission) != GATE_KEY;
    if (candidate->passes) {
        row->gate = GATE_SLOT;
        row->not_before_ms = 0;
        tx_fail(tx, runs__write(tx, RUN_QUEUED, row));
    }
    return tx_error(tx);
}

/* The oldest of those that hold it: with a larger number there are several. */
void runs__key_mark(struct tx *tx, struct run_row *io_row) {
    if (io_row->gate != GATE_KEY) {
        return;
    }
    io_row->waits_for = tx_text(tx,
                                "SELECT run FROM runs WHERE owner = $1 AND run_key = $2"
                                " AND gate IN ('', 'slot', 'budget') AND ended_ms IS NULL"
                                " AND run_key <> '' ORDER BY id LIMIT 1",
                                ARGS(arg_text(io_row->owner), arg_text(io_row->key)));
}

/* Whoever is first in line and does not fit holds back the rest, also those that would fit because
 * they named a larger number: first in, first out. That several pass at once is rare (only where
 * runs of one key name different numbers), so it is bounded: those left go when these end. */
static void key_admit(struct tx *tx, const struct run_lane *lane, unsigned *io_kinds,
                      struct run_freed *freed) {
    static const char next[] =
        "SELECT * FROM runs WHERE owner = $1 AND run_key = $2 AND gate = 'key'"
        " AND ended_ms IS NULL AND run_key <> '' AND id <> $3"
        " ORDER BY priority DESC, id LIMIT 1";
    int64_t unwritable = 0; /* Run that is unwritable in the line (runs__try); 0: none. */
    size_t bytes = 0;
    bool goes_on = true;
    for (int i = 0; i < RUN_ADMIT_MAX && bytes <= RUN_BYTES_TURN && goes_on; i++) {
        struct candidate candidate = {.passes = false};
        if (!runs__first(tx, next,
                         ARGS(arg_text(lane->owner), arg_text(lane->key), arg_int(unwritable)),
                         &candidate.row)) {
            return;
        }
        bytes += runs__bytes(&candidate.row);
        const enum run_kind kind = candidate.row.kind;
        enum run_part_end end =
            runs__try(tx, key_pass, &candidate, candidate.row.id, &unwritable, freed);
        bool passes = end == RUN_PART_DONE && candidate.passes;
        *io_kinds |= passes ? 1U << kind : 0;
        goes_on = passes || end == RUN_PART_PASSED;
    }
}

/* --- Slots ------------------------------------------------------------------------------------ */

int64_t runs__slots(enum run_kind kind, const struct run_bounds *bounds) {
    const int64_t of[] = {[RUN_SLOTS_ANY] = INT64_MAX,
                          [RUN_SLOTS_JOBS] = bounds->slots,
                          [RUN_SLOTS_WORKFLOWS] =
                              bounds->workflows > 0 ? bounds->workflows : INT64_MAX};
    return bounds->slots == 0 ? 0 /* The daemon holds. */ : of[run_kind_rules[kind].slots];
}

/* The first run of a kind ($1) that waits for a slot, but for the unwritable one ($2; 0: none). */
static const char slot_sql[] =
    "SELECT * FROM runs WHERE kind = $1 AND gate = 'slot' AND ended_ms IS NULL"
    " AND id <> $2 ORDER BY priority DESC, id LIMIT 1";

/* The same of one right below a run of its kind. */
static const char nested_sql[] =
    "SELECT * FROM runs WHERE kind = $1 AND gate = 'slot' AND ended_ms IS NULL"
    " AND id <> $2 AND parent <> 0 AND EXISTS (SELECT 1 FROM runs p WHERE p.id = runs.parent"
    " AND p.kind = $1) ORDER BY priority DESC, id LIMIT 1";

bool runs__is_nested(struct tx *tx, const struct run_row *row) {
    return row->parent != 0 && run_kind_is(row->kind, RUN_NESTS) &&
           tx_number(tx, "SELECT count(*) FROM runs WHERE id = $1 AND kind = $2",
                     ARGS(arg_int(row->parent), arg_str(run_kind_name(row->kind)))) != 0;
}

static void slot_park(struct tx *tx, enum run_kind kind, struct run_freed *freed) {
    budget__park_line(tx, slot_sql, arg_str(run_kind_name(kind)), freed);
}

static int64_t slots_free(struct tx *tx, enum run_kind kind, const struct run_bounds *bounds) {
    int64_t slots = runs__slots(kind, bounds);
    if (slots == 0 || slots == INT64_MAX) {
        return slots;
    }
    return slots - tx_number(tx,
                             "SELECT count(*) FROM runs WHERE kind = $1 AND gate = ''"
                             " AND ended_ms IS NULL",
                             ARGS(arg_str(run_kind_name(kind))));
}

static struct err slot_pass(struct tx *tx, void *ctx) {
    struct candidate *candidate = ctx;
    enum budget_verdict verdict = runs__budget_judge(tx, /* past */ 0, &candidate->row);
    candidate->passes = runs__budget_apply(tx, verdict, &candidate->row);
    if (candidate->passes && !err_failed(tx_error(tx))) {
        run_start(tx, candidate->bounds, &candidate->row);
    }
    return tx_error(tx);
}

/* Hands out slots of one kind, at most `limit`. One run goes, if there is room for it, or leaves
 * the line for a budget. Nothing is counted where nobody waits. True: some may be left. */
enum slot_line { LINE_OF_ALL, LINE_NESTED };
static bool line_admit(struct tx *tx, enum run_kind kind, enum slot_line line,
                       const struct run_bounds *bounds, int64_t limit, struct run_freed *freed) {
    const char *sql = line == LINE_NESTED ? nested_sql : slot_sql;
    struct run_admission admission = {.slots_free = 0};
    int64_t unwritable = 0; /* Run that is unwritable in the line (runs__try); 0: none. */
    size_t bytes = 0;
    for (int64_t i = 0; i < limit && bytes <= RUN_BYTES_TURN; i++) {
        struct candidate candidate = {.bounds = bounds};
        if (!runs__first(tx, sql, ARGS(arg_str(run_kind_name(kind)), arg_int(unwritable)),
                         &candidate.row)) {
            return false;
        }
        if (i == 0) {
            admission.slots_free = line == LINE_OF_ALL  ? slots_free(tx, kind, bounds)
                                   : bounds->slots == 0 ? 0 /* The daemon holds. */
                                                        : INT64_MAX;
        }
        if (run_admit(&admission) != GATE_NONE) {
            return false;
        }
        bytes += runs__bytes(&candidate.row);
        enum run_part_end end =
            runs__try(tx, slot_pass, &candidate, candidate.row.id, &unwritable, freed);
        admission.slots_free -= end == RUN_PART_DONE && candidate.passes;
        if (end == RUN_PART_WAITS || admission.slots_free == 0) {
            return false;
        }
    }
    return true;
}

static bool slots_admit(struct tx *tx, enum run_kind kind, const struct run_bounds *bounds,
                        int64_t limit, struct run_freed *freed) {
    const bool more =
        run_kind_is(kind, RUN_NESTS) && line_admit(tx, kind, LINE_NESTED, bounds, limit, freed);
    return line_admit(tx, kind, LINE_OF_ALL, bounds, limit, freed) || more;
}

/* --- What was freed --------------------------------------------------------------------------- */

void *runs__freed_room(struct tx *tx, void *items, size_t count, size_t *io_size, size_t item) {
    if (count < *io_size) {
        return items;
    }
    size_t size = *io_size == 0 ? 8 : *io_size * 2;
    void *room = tx_memory(tx, size * item);
    if (room == NULL) {
        return NULL;
    }
    if (count > 0) {
        memcpy(room, items, count * item);
    }
    *io_size = size;
    return room;
}

static void lane_add(struct tx *tx, const struct run_lane *lane, struct run_freed *freed) {
    for (size_t i = 0; i < freed->count; i++) {
        if (bytes_equal(freed->lanes[i].key, lane->key) &&
            bytes_equal(freed->lanes[i].owner, lane->owner)) {
            return;
        }
    }
    struct run_lane *lanes =
        runs__freed_room(tx, freed->lanes, freed->count, &freed->size, sizeof *lanes);
    if (lanes != NULL) {
        freed->lanes = lanes;
        freed->lanes[freed->count++] = *lane;
    }
}

/* A run that waits for its time holds nothing, and holds back nobody. One that waits at its key's
 * gate may have been the one that did not fit, and so held back others that do. */
struct err runs__free(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    const struct run_lane lane = {.owner = row->owner, .key = row->key};
    if (row->gate == GATE_TIME) {
        return ERR_OK;
    }
    if (row->gate == GATE_NONE) {
        freed->kinds |= 1U << row->kind;
    }
    if (row->key.len > 0) {
        lane_add(tx, &lane, freed);
    }
    return tx_error(tx);
}

/* Keys at once, the rest in transactions of its own. A run that is refused meanwhile leaves places,
 * too, so a key that was handed on may be freed again. RUN_REFUSED_MAX is the limit of that. */
static struct err rest_admit(struct tx *tx, struct run_freed *rest) {
    while (!err_failed(tx_error(tx)) &&
           (rest->count > 0 || rest->budget_count > 0 || rest->kinds != 0)) {
        if (rest->count > 0) {
            const struct run_lane lane = rest->lanes[--rest->count];
            key_admit(tx, &lane, &rest->kinds, rest);
        } else if (rest->budget_count > 0) {
            budget__park(tx, rest->budgets[--rest->budget_count], rest);
        } else {
            unsigned kind = (unsigned)__builtin_ctz(rest->kinds);
            rest->kinds &= ~(1U << kind);
            slot_park(tx, (enum run_kind)kind, rest);
        }
    }
    return tx_error(tx);
}

struct err runs__admit_freed(struct tx *tx, const struct run_freed *freed,
                             const struct run_bounds *bounds) {
    struct run_freed rest = {.kinds = 0};
    struct budget__opening opening = {
        .left = BUDGET_ADMIT_MAX, .kinds = freed->kinds, .freed = &rest};
    for (size_t i = 0; i < freed->count; i++) {
        key_admit(tx, &freed->lanes[i], &opening.kinds, &rest);
    }
    for (size_t i = 0; i < freed->budget_count; i++) {
        budget__open_lane(tx, freed->budgets[i], &opening);
    }
    for (unsigned kind = 0; kind < RUN_KIND_COUNT; kind++) {
        /* One commit has its bound, and the runs that it looked at may all have left the line for a
         * budget: so the next one goes on by itself. */
        if ((opening.kinds & 1U << kind) != 0 &&
            slots_admit(tx, (enum run_kind)kind, bounds, RUN_ADMIT_MAX, &rest)) {
            slot_park(tx, (enum run_kind)kind, &rest);
        }
    }
    return rest_admit(tx, &rest);
}

struct err runs__admit_later(struct tx *tx, const struct run_freed *freed) {
    struct run_freed rest = {.kinds = freed->kinds};
    for (size_t i = 0; i < freed->count; i++) {
        lane_add(tx, &freed->lanes[i], &rest);
    }
    for (size_t i = 0; i < freed->budget_count; i++) {
        budget__free_lane(tx, freed->budgets[i], &rest);
    }
    return rest_admit(tx, &rest);
}

struct err tx_run_admit_all(struct tx *tx, const struct run_bounds *bounds, int64_t limit,
                            bool *ret_more) {
    struct run_freed rest = {.kinds = 0};
    *ret_more = false;
    for (unsigned kind = 0; kind < RUN_KIND_COUNT; kind++) {
        *ret_more |= slots_admit(tx, (enum run_kind)kind, bounds, limit, &rest);
    }
    return rest_admit(tx, &rest);
}

/* --- Wake-ups --------------------------------------------------------------------------------- */

struct unparking {
    struct run_row row;
    struct run_freed *freed; /* Borrowed. */
};

static struct err unpark_part(struct tx *tx, void *ctx) {
    struct unparking *unparking = ctx;
    runs__unpark(tx, &unparking->row, unparking->freed);
    return tx_error(tx);
}

struct err tx_run_wake(struct tx *tx, const struct run_key *key, const struct run_bounds *bounds) {
    struct run_freed freed = {.kinds = 0};
    bool found = false;
    struct run_row row;
    struct err err = tx_run_find(tx, key, &found, &row);
    if (err_failed(err) || !found || row.state != RUN_QUEUED || row.not_before_ms == 0) {
        return err; /* It has moved on by itself. */
    }
    if (row.gate != GATE_TIME) {
        /* The wake-up is for the whole line: it is handed on also where the row is refused. */
        struct unparking unparking = {.row = row, .freed = &freed};
        int64_t unwritable = 0;
        runs__try(tx, unpark_part, &unparking, row.id, &unwritable, &freed);
    } else if (row.stop != CAUSE_NONE) {
        tx_fail(tx, runs__end_queued(tx, &row, &freed));
        tx_fail(tx, runs__ask_children(tx, &row, &freed));
    } else { /* It stands in line from here on, and may be the one that goes. */
        row.not_before_ms = 0;
        row.gate = row.key.len > 0 ? GATE_KEY : GATE_SLOT;
        tx_fail(tx, runs__write(tx, RUN_QUEUED, &row));
        freed.kinds = 1U << row.kind;
        tx_fail(tx, runs__free(tx, &row, &freed));
    }
    return runs__admit_freed(tx, &freed, bounds);
}
