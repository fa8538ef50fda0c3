/* submit.c: a new run, admitted or queued.
 *
 * This is the hottest transaction of all: without a parent, a key and a budget it is one query, one
 * row, one event. The query looks for somebody who waits for a slot before it counts who has one,
 * so that behind a long queue, and that is where most runs are submitted, nothing is counted.
 *
 * A line is read when a run ends that holds a place of it. Where none does, the runs that wait are
 * unwritable (runs__try), so a run that joins them is parked: a transaction of its own reads the
 * line.
 */
#include "engine/base/ids.h"
#include "engine/run/budget_gate.h"
#include "engine/run/rows.h"

#include <string.h>

#include "base/memory.h"

struct facts {
    int64_t next_id, slots_taken;
    bool budget; /* There is a global one. */
    bool unread; /* Runs wait for a slot, and none runs whose end would read their line. */
};

/* Somebody who waits stands for all slots ($1). */
static struct err ask_facts(struct tx *tx, const struct run_new *what, struct facts *ret_facts) {
    static const char sql[] = "SELECT " IDS_NEXT(
        "runs") ","
                " CASE WHEN EXISTS (SELECT 1 FROM runs WHERE kind = $2 AND gate = 'slot'"
                " AND ended_ms IS NULL) THEN $1"
                " ELSE (SELECT count(*) FROM runs WHERE kind = $2 AND gate = ''"
                " AND ended_ms IS NULL) END,"
                " CASE WHEN EXISTS (SELECT 1 FROM budgets WHERE owner = '' AND path = '') THEN 1 "
                "ELSE 0 "
                "END,"
                " CASE WHEN EXISTS (SELECT 1 FROM runs WHERE kind = $2 AND gate = 'slot'"
                " AND ended_ms IS NULL) AND NOT EXISTS (SELECT 1 FROM runs WHERE kind = $2"
                " AND gate = '' AND ended_ms IS NULL) THEN 1 ELSE 0 END";
    const struct arg args[] = {arg_int(runs__slots(what->kind, &what->bounds)),
                               runs__name(run_kind_name(what->kind))};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    assert(rows != NULL); /* Scalars always come as one row. */
    *ret_facts = (struct facts){.next_id = rows_int(rows, 0),
                                .slots_taken = rows_int(rows, 1),
                                .budget = rows_int(rows, 2) != 0,
                                .unread = rows_int(rows, 3) != 0};
    return ERR_OK;
}

struct key_facts {
    int64_t taken;
    bool unread; /* As of facts, for the key. */
};

/* Whoever waits for the key, and is not behind us, means that it is full for us, too. */
static struct err ask_key(struct tx *tx, const struct run_new *what, struct key_facts *ret_facts) {
    static const char sql[] =
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate = 'key' AND priority >= $4 AND ended_ms IS NULL AND run_key <> '') THEN $3"
        " ELSE (SELECT count(*) FROM (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate IN ('', 'slot', 'budget') AND ended_ms IS NULL AND run_key <> '' LIMIT $3) "
        "taken) END, CASE WHEN EXISTS (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate IN ('', 'slot', 'budget') AND ended_ms IS NULL AND run_key <> '') THEN 0"
        " ELSE 1 END";
    const struct arg args[] = {arg_text(what->owner), arg_text(what->key), arg_int(what->key_max),
                               arg_int(what->priority)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    assert(rows != NULL); /* As above. */
    *ret_facts = (struct key_facts){.taken = rows_int(rows, 0), .unread = rows_int(rows, 1) != 0};
    return ERR_OK;
}

static struct err find_parent(struct tx *tx, const struct run_new *what, struct run_row *row) {
    const struct run_key key = {.owner = what->owner, .run = what->parent};
    bool found = false;
    struct run_row parent;
    struct err err = tx_run_find(tx, &key, &found, &parent);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_make(ERR_NOT_FOUND, "runs: parent");
    }
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

/* Where it stands in the tree of budgets; a child stands where its parent does. */
static struct err find_budget(struct tx *tx, const struct run_new *what, struct run_row *row) {
    struct err err = ERR_OK;
    if (what->parent.len == 0 && what->budget_path.data != NULL) {
        row->budget = what->budget_path;
    } else if (what->parent.len == 0 && what->project.len > 0) {
        err = budget__project_path(tx, what->project, &row->budget);
    }
    if (!err_failed(err) && what->budget != NULL) {
        err = runs__budget_own(tx, what->budget, row);
    }
    return err;
}

static void begin(struct tx *tx, const struct run_new *what, struct run_row *row) {
    row->state = RUN_RUNNING;
    row->attempt = 1;
    row->epoch = tx_epoch(tx);
    row->host = what->bounds.host;
    row->started_ms = tx_now_ms(tx);
    row->steady_ms = tx_steady_ms(tx);
}

/* What admission has found. */
struct admitted {
    enum budget_verdict verdict;
    bool budget; /* There is a global one. */
    bool unread; /* The run joins a line that no end of another run will read. */
};

static struct err ask_gates(struct tx *tx, const struct run_new *what, struct run_row *row,
                            struct admitted *admitted) {
    struct facts facts = {0};
    struct key_facts key = {0};
    struct run_admission admission = {.key_max = row->key_max};
    if (row->not_before_ms != 0) {
        admission.not_before_ms = row->not_before_ms;
        admission.now_ms = tx_now_ms(tx);
    }
    struct err err = ask_facts(tx, what, &facts);
    if (!err_failed(err) && admission.key_max > 0) {
        err = ask_key(tx, what, &key);
    }
    if (err_failed(err)) {
        return err;
    }
    admission.key_taken = key.taken;
    int64_t slots = runs__slots(row->kind, &what->bounds);
    admission.slots_free = slots == INT64_MAX ? 1 : slots - facts.slots_taken;
    row->id = facts.next_id;
    row->gate = run_admit(&admission);
    admitted->budget = facts.budget;
    admitted->unread = (row->gate == GATE_KEY && key.unread) ||
                       (row->gate == GATE_SLOT && facts.unread && slots > 0);
    return ERR_OK;
}

/* Budgets are asked last, and only of who could begin now. */
static struct err admit(struct tx *tx, const struct run_new *what, struct run_row *row,
                        struct admitted *admitted) {
    struct err err = ask_gates(tx, what, row, admitted);
    if (!err_failed(err)) {
        err = find_budget(tx, what, row);
    }
    if (!err_failed(err) && row->gate == GATE_NONE && (admitted->budget || row->budget.len > 0)) {
        err = runs__budget_judge(tx, row, &admitted->verdict);
    }
    if (err_failed(err)) {
        return err;
    }
    if (admitted->verdict != BUDGET_ADMITTED) {
        row->gate = GATE_BUDGET;
    } else if (row->gate == GATE_NONE) {
        begin(tx, what, row);
    }
    return ERR_OK;
}

enum run_hold run_bounds_hold(const struct run_bounds *bounds) {
    return bounds->slots == 0 ? RUN_HELD : RUN_FREE;
}

static struct err event_queued(struct tx *tx, const struct run_new *what,
                               const struct run_row *row) {
    struct run_row shown = *row;
    run_shown(&shown, tx_epoch(tx), run_bounds_hold(&what->bounds));
    return runs__event_queued(tx, &shown);
}

/* What stands beside its row. */
static struct err add_rest(struct tx *tx, const struct run_new *what, enum budget_verdict verdict,
                           struct run_row *row) {
    struct err err = what->input_open ? runs__input_open(tx, row->id, what->input_from) : ERR_OK;
    if (!err_failed(err) && row->state == RUN_RUNNING) {
        err = runs__span_start(tx, &what->bounds, row);
    }
    if (!err_failed(err)) {
        err = row->state == RUN_QUEUED ? event_queued(tx, what, row) : runs__event_started(tx, row);
    }
    if (err_failed(err) || verdict == BUDGET_ADMITTED) {
        return err;
    }
    bool goes = false;
    return runs__budget_apply(tx, verdict, row, &goes);
}

struct err tx_run_submit(struct tx *tx, const struct run_new *what, struct run_row *ret_row) {
    assert(what->spec.len <= RUN_SPEC_MAX);
    assert(what->key.len == 0 || what->key_max > 0);
    const struct bytes none = {"", 0};
    struct run_row row = {.owner = what->owner,
                          .kind = what->kind,
                          .state = RUN_QUEUED,
                          .priority = what->priority,
                          .key_max = what->key.len > 0 ? what->key_max : 0,
                          .exit_code = -1,
                          .made_ms = tx_now_ms(tx),
                          .not_before_ms = what->not_before_ms,
                          .once = what->once,
                          .key = what->key,
                          .label = what->label,
                          .command = what->command.data == NULL ? none : what->command,
                          .spec = what->spec,
                          .parent_run = none,
                          .project = none,
                          .session = none,
                          .budget = none,
                          .host = none,
                          .result = none,
                          .note = none};
    /* The id stands in the caller's memory by value; the row must outlive this function. */
    row.run.len = strlen(what->run.text);
    row.run.data = arena_try_copy(tx_arena(tx), what->run.text, row.run.len);
    if (row.run.data == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: id");
    }
    struct admitted admitted = {.verdict = BUDGET_ADMITTED};
    struct err err = what->parent.len > 0 ? find_parent(tx, what, &row) : ERR_OK;
    if (!err_failed(err)) {
        err = admit(tx, what, &row, &admitted);
    }
    if (!err_failed(err)) {
        err = runs__insert(tx, &row);
    }
    if (!err_failed(err)) {
        err = add_rest(tx, what, admitted.verdict, &row);
    }
    if (!err_failed(err) && admitted.unread) {
        err = budget__park_run(tx, row.id);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}
