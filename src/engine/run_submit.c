/* run_submit.c: a new run, admitted or queued.
 *
 * This is the hottest transaction of all: without a parent and a key it is one query, one row, one
 * event. The query looks for somebody who waits for a slot before it counts who has one, so that
 * behind a long queue, and that is where most runs are submitted, nothing is counted.
 */
#include "engine/run_rows.h"

#include <string.h>

#include "base/memory.h"

struct facts {
    int64_t next_id, slots_taken;
};

/* Somebody who waits stands for all slots ($1). */
static struct err ask_facts(struct tx *tx, const struct run_new *what, struct facts *ret_facts) {
    static const char sql[] =
        "SELECT (SELECT COALESCE(max(id), 0) + 1 FROM runs),"
        " CASE WHEN EXISTS (SELECT 1 FROM runs WHERE kind = $2 AND gate = 'slot'"
        " AND ended_ms IS NULL) THEN $1"
        " ELSE (SELECT count(*) FROM runs WHERE kind = $2 AND gate = ''"
        " AND ended_ms IS NULL) END";
    const struct arg args[] = {arg_int(what->bounds.slots), runs__name(run_kind_name(what->kind))};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (err_failed(err)) {
        return err;
    }
    assert(rows != NULL); /* Scalars always come as one row. */
    *ret_facts = (struct facts){.next_id = rows_int(rows, 0), .slots_taken = rows_int(rows, 1)};
    return ERR_OK;
}

/* Whoever waits for the key, and is not behind us, means that it is full for us, too. */
static struct err ask_key(struct tx *tx, const struct run_new *what, int64_t *ret_taken) {
    static const char sql[] =
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate = 'key' AND priority >= $4 AND ended_ms IS NULL AND run_key <> '') THEN $3"
        " ELSE (SELECT count(*) FROM (SELECT 1 FROM runs WHERE owner = $1 AND run_key = $2"
        " AND gate IN ('', 'slot') AND ended_ms IS NULL AND run_key <> '' LIMIT $3) taken) END";
    const struct arg args[] = {arg_text(what->owner), arg_text(what->key), arg_int(what->key_max),
                               arg_int(what->priority)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_taken);
}

static struct err find_parent(struct tx *tx, const struct run_new *what, int64_t *ret_parent) {
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
    if (run_state_final(parent.state)) {
        return err_make(ERR_CONFLICT, "runs: parent has ended");
    }
    *ret_parent = parent.id;
    return ERR_OK;
}

static struct err admit(struct tx *tx, const struct run_new *what, struct run_row *row) {
    struct facts facts = {0};
    struct run_admission admission = {.key_max = what->key.len > 0 ? what->key_max : 0};
    struct err err = ask_facts(tx, what, &facts);
    if (!err_failed(err) && admission.key_max > 0) {
        err = ask_key(tx, what, &admission.key_taken);
    }
    if (err_failed(err)) {
        return err;
    }
    /* Only jobs share the slots; what is no job needs one only while the daemon holds. */
    bool counted = row->kind == KIND_JOB || what->bounds.slots == 0;
    admission.slots_free = counted ? what->bounds.slots - facts.slots_taken : 1;
    row->id = facts.next_id;
    row->gate = run_admit(&admission);
    if (row->gate == GATE_NONE) {
        row->state = RUN_RUNNING;
        row->attempt = 1;
        row->epoch = tx_epoch(tx);
        row->host = what->bounds.host;
        row->started_ms = tx_now_ms(tx);
    }
    return ERR_OK;
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
                          .once = what->once,
                          .key = what->key,
                          .label = what->label,
                          .command = what->command.data == NULL ? none : what->command,
                          .spec = what->spec,
                          .host = none,
                          .result = none,
                          .note = none};
    /* The id stands in the caller's memory by value; the row must outlive this function. */
    row.run.len = strlen(what->run.text);
    row.run.data = arena_try_copy(tx_arena(tx), what->run.text, row.run.len);
    if (row.run.data == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: id");
    }
    struct err err = ERR_OK;
    if (what->parent.len > 0) {
        err = find_parent(tx, what, &row.parent);
    }
    if (!err_failed(err)) {
        err = admit(tx, what, &row);
    }
    if (!err_failed(err)) {
        err = runs__insert(tx, &row);
    }
    if (!err_failed(err) && what->input_open) {
        err = runs__input_open(tx, row.id, what->input_from);
    }
    if (!err_failed(err)) {
        err =
            row.state == RUN_QUEUED ? runs__event_queued(tx, &row) : runs__event_started(tx, &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}
