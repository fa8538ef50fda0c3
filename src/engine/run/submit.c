/* submit.c: a new run, admitted or queued.
 *
 * This is the hottest transaction of all: without a parent, a key and a budget it is one query, one
 * row, one event. The query looks for a run that waits for a slot before it counts the slots in
 * use: while there is a queue, which is when most runs are submitted, nothing is counted.
 *
 * A line is read when a run ends that holds a place of it. Where none does, the runs that wait are
 * unwritable (runs__try), so a run that joins them is parked: a transaction of its own reads the
 * line.
 */
#include <string.h>

#include "base/memory.h"
#include "engine/base/ids.h"
#include "engine/project/projects.h"
#include "engine/run/budget_gate.h"

static struct err parent_find(struct tx *tx, const struct run_new *what, struct run_row *row) {
    const struct run_key key = {.owner = what->owner, .run = what->parent};
    struct run_row parent;
    TRY(runs__get(tx, &key, &parent));
    if (run_state_final(parent.state) || parent.stop != CAUSE_NONE) {
        return err_make(ERR_CONFLICT, "runs: parent has ended, or is about to");
    }
    row->parent = parent.id;
    row->parent_run = parent.run;
    row->budget = parent.budget;
    row->session = parent.session;
    row->root = parent.root != 0 ? parent.root : parent.id;
    return ERR_OK;
}

/* A waiting run proves that all slots ($1) are taken; for the key, only one queued before the new
 * run does. *ret_budget: there is a global one. *ret_unread: the run joins a line that no end of
 * another run will read. */
static void gates_ask(struct tx *tx, const struct run_new *what, struct run_row *row,
                      bool *ret_budget, bool *ret_unread) {
    static const char of_all[] = "SELECT " IDS_NEXT(
        "runs") ", CASE WHEN EXISTS (SELECT 1 FROM runs WHERE kind = $2"
                " AND gate = 'slot' AND ended_ms IS NULL) THEN $1"
                " ELSE (SELECT count(*) FROM runs WHERE kind = $2 AND gate = ''"
                " AND ended_ms IS NULL) END,"
                " CASE WHEN EXISTS (SELECT 1 FROM budgets WHERE owner = '' AND path = '') THEN 1 "
                "ELSE 0"
                " END, CASE WHEN EXISTS (SELECT 1 FROM runs WHERE kind = $2 AND gate = 'slot'"
                " AND ended_ms IS NULL) AND NOT EXISTS (SELECT 1 FROM runs WHERE kind = $2"
                " AND gate = '' AND ended_ms IS NULL) THEN 1 ELSE 0 END";
    static const char of_key[] =
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate = 'key' AND priority >= $4 AND ended_ms IS NULL AND run_key <> '') THEN $3"
        " ELSE (SELECT count(*) FROM (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate IN ('', 'slot', 'budget') AND ended_ms IS NULL AND run_key <> '' LIMIT $3) "
        "taken) END, CASE WHEN EXISTS (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate IN ('', 'slot', 'budget') AND ended_ms IS NULL AND run_key <> '') THEN 0"
        " ELSE 1 END";
    int64_t slots = runs__slots(row->kind, &what->bounds);
    slots = slots > 0 && runs__is_nested(tx, row) ? INT64_MAX : slots;
    struct run_admission admission = {.key_max = row->key_max};
    if (row->not_before_ms != 0) {
        admission.not_before_ms = row->not_before_ms;
        admission.now_ms = tx_now_ms(tx);
    }
    int64_t all[4], keys[2] = {0};
    tx_numbers(tx, of_all, ARGS(arg_int(slots), arg_str(run_kind_name(what->kind))), all,
               COUNT_OF(all));
    row->id = all[0];
    admission.slots_free = slots == INT64_MAX ? 1 : slots - all[1];
    *ret_budget = all[2] != 0;
    if (admission.key_max > 0) {
        tx_numbers(tx, of_key,
                   ARGS(arg_text(what->owner), arg_text(row->key), arg_int(what->key_max),
                        arg_int(what->priority)),
                   keys, COUNT_OF(keys));
    }
    admission.key_taken = keys[0];
    row->gate = run_admit(&admission);
    *ret_unread = (row->gate == GATE_KEY && keys[1] != 0) ||
                  (row->gate == GATE_SLOT && all[3] != 0 && slots > 0);
}

/* Where the run stands in the tree of budgets; a child stands where its parent does. Budgets are
 * asked last, and only for a run that could begin now. */
static struct err run_admit_new(struct tx *tx, const struct run_new *what, struct run_row *row,
                                bool global, enum budget_verdict *ret_verdict) {
    if (what->parent.len == 0 && what->budget_path.data != NULL) {
        row->budget = what->budget_path;
    } else if (what->parent.len == 0 && what->project.len > 0) {
        row->budget = budget__project_path(tx, what->project);
        tx_project_use(tx, what->owner, what->project, NULL /* ret_project */);
    }
    TRY(what->budget != NULL ? runs__budget_own(tx, what->budget, row) : ERR_OK);
    if (row->gate == GATE_NONE && (global || row->budget.len > 0)) {
        *ret_verdict = runs__budget_judge(tx, /* past */ 0, row);
    }
    if (*ret_verdict != BUDGET_ADMITTED) {
        row->gate = GATE_BUDGET;
    } else if (row->gate == GATE_NONE) {
        row->state = RUN_RUNNING;
        row->attempt = 1;
        row->epoch = tx_epoch(tx);
        row->host = what->bounds.host;
        row->started_ms = tx_now_ms(tx);
        row->steady_ms = tx_steady_ms(tx);
    }
    return ERR_OK;
}

/* Keys of requests and those of the engine never meet: see run_key_given. */
static struct bytes key_stored(struct tx *tx, const struct run_new *what) {
    assert(what->key.len == 0 || what->own_key.len == 0);
    assert(!run_key_given(what->own_key));
    if (what->key.len == 0) {
        return what->own_key.len > 0 ? what->own_key : BYTES("");
    }
    AUTO(text_done) struct text key = text_up_to(what->key.len + 1);
    text_add_char(&key, RUN_KEY_GIVEN);
    text_add(&key, what->key.data, what->key.len);
    return tx_copy_text(tx, &key, "runs: key");
}

struct err tx_run_submit(struct tx *tx, const struct run_new *what, struct run_row *ret_row) {
    assert(what->spec.len <= RUN_SPEC_MAX);
    const struct bytes key = key_stored(tx, what);
    assert(key.len == 0 || what->key_max > 0);
    const struct bytes none = {"", 0};
    struct run_row row = {
        /* The id stands in the caller's memory by value; the row must outlive this function. */
        .run = tx_copy(tx, bytes_of(what->run.text)),
        .owner = what->owner,
        .kind = what->kind,
        .state = RUN_QUEUED,
        .priority = what->priority,
        .key_max = key.len > 0 ? what->key_max : 0,
        .exit_code = -1,
        .made_ms = tx_now_ms(tx),
        .not_before_ms = what->not_before_ms,
        .once = what->once,
        .key = key,
        .label = what->label,
        .command = what->command.data == NULL ? none : what->command,
        .shown = what->shown.data == NULL ? none : what->shown,
        .spec = what->spec,
        .parent_run = none,
        .project = none,
        .session = none,
        .budget = none,
        .host = none,
        .result = none,
        .note = none};
    bool global = false, unread = false;
    enum budget_verdict verdict = BUDGET_ADMITTED;
    struct err err = what->parent.len > 0 ? parent_find(tx, what, &row) : ERR_OK;
    if (!err_failed(err)) {
        gates_ask(tx, what, &row, &global, &unread);
        err = run_admit_new(tx, what, &row, global, &verdict);
    }
    if (err_failed(err) || err_failed(tx_error(tx))) {
        return err_failed(err) ? err : tx_error(tx);
    }
    runs__insert(tx, &row);
    if (verdict == BUDGET_ADMITTED && row.charged) {
        budget__write_run(tx, &row);
    }
    if (what->input_open) {
        runs__input_open(tx, row.id, what->input_from);
    }
    if (row.state == RUN_RUNNING) {
        runs__span_start(tx, &what->bounds, &row);
        tx_fail(tx, runs__event_started(tx, &row));
    } else {
        struct run_row shown = row;
        run_shown(&shown, tx_epoch(tx), run_bounds_hold(&what->bounds));
        runs__event_queued(tx, &shown);
    }
    if (verdict != BUDGET_ADMITTED) {
        (void)runs__budget_apply(tx, verdict, &row); /* It does not begin. */
    }
    if (unread) {
        struct run_row parked = row;
        tx_fail(tx, budget__park_run(tx, &parked));
    }
    *ret_row = row;
    return tx_error(tx);
}

enum run_hold run_bounds_hold(const struct run_bounds *bounds) {
    return bounds->slots == 0 ? RUN_HELD : RUN_FREE;
}
