/* change.c: what a client may do to a run that is there: stop it, remove it. */

#include "api/base/op.h"
#include "api/run/runs.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/run/folders.h"
#include "dispatch/run/retention.h"
#include "engine/job/spec.h"
#include "engine/system/retention.h"

/* --- Stop ------------------------------------------------------------------------------------- */

/* A large subtree is asked in a chain of transactions. Each link is durable by itself, so a chain
 * that a crash cut short has asked fewer; the client sends it again. */
struct stop_op {
    struct op op;
    struct runs_api *api;
    struct run_stop stop; /* Its key is borrowed from the exchange. */
    bool begun;           /* An earlier link has asked the run itself. */
    bool more;
};

/* Says in which state a run is that cannot be changed any more. */
static struct err tell_state(struct tx *tx, const struct run_key *key, struct why *why) {
    bool found = false;
    struct run_row row = {0};
    struct err err = tx_run_find(tx, key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return runs__absent(why);
    }
    why_set(why, run_state_final(row.state) ? "the run has ended: it is %s" : "the run is still %s",
            run_state_name(row.state));
    return err_make(ERR_CONFLICT, "runs: state");
}

/* A turn whose command is on another host ends when that host has ended it: the answer says so. */
static struct err show_row(struct tx *tx, struct stop_op *stop, struct run_row *row) {
    struct err err = tx_run_away_mark(tx, &stop->stop.bounds, row);
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, row, &stop->stop.bounds, &stop->op.answer);
    return op_written(&stop->op);
}

static struct err show_light(struct tx *tx, struct stop_op *stop) {
    bool found = false;
    struct run_row row = {0};
    struct err err = tx_run_find(tx, &stop->stop.key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    return found ? show_row(tx, stop, &row) : runs__absent(&stop->op.why);
}

static struct err stop_run(struct tx *tx, void *ctx) {
    struct stop_op *stop = ctx;
    op_restart(&stop->op);
    stop->more = false;
    struct run_row row = {0};
    struct err err = tx_run_stop(tx, &stop->stop, &stop->more, &row);
    if (err.code == ERR_CONFLICT) {
        return stop->begun ? show_light(tx, stop) : tell_state(tx, &stop->stop.key, &stop->op.why);
    }
    if (err.code == ERR_NOT_FOUND) {
        return runs__absent(&stop->op.why);
    }
    return err_failed(err) ? err : show_row(tx, stop, &row);
}

static void stop_done(struct err result, void *ctx) {
    struct stop_op *stop = ctx;
    if (!err_failed(result) && stop->more) {
        stop->begun = true;
        stop->stop.bounds = dispatch_bounds(stop->api->dispatch);
        store_write(stop->api->store, stop_run, stop_done, stop);
        return;
    }
    op_answer(&stop->op, result);
    mem_free(stop);
}

/* No body means what {} means. */
static struct err grace_read(const struct exchange *exchange, int64_t *ret_grace_ms,
                             struct why *why) {
    int64_t grace_ms = JOB_GRACE_MS;
    const struct json_field fields[] = {
        {.name = "grace_ms", .kind = JSON_KIND_INT, .max = RUN_GRACE_MS_MAX, .number = &grace_ms},
    };
    const json_t *json = exchange_json(exchange);
    if (json != NULL) {
        struct err err = json_read_fields(json, fields, COUNT_OF(fields), why);
        if (err_failed(err)) {
            return err;
        }
    }
    *ret_grace_ms = grace_ms;
    return ERR_OK;
}

void runs__stop(struct exchange *exchange, void *ctx) {
    struct runs_api *api = ctx;
    struct run_stop what = {.cause = CAUSE_STOPPED};
    if (!runs__key(exchange, RUN_OWNER, &what.key)) {
        return;
    }
    struct why why = {.text = ""};
    struct err err = grace_read(exchange, &what.grace_ms, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    what.bounds = dispatch_bounds(api->dispatch);
    struct stop_op *stop = mem_new(sizeof *stop);
    op_init(&stop->op, exchange, 200);
    stop->api = api;
    stop->stop = what;
    store_write(api->store, stop_run, stop_done, stop);
}

/* Why one stays that somebody wanted removed. */
static struct err tell_kept(struct tx *tx, const struct run_key *key, struct why *why) {
    bool found = false;
    struct run_row row = {0};
    struct err err = tx_run_find(tx, key, &found, &row);
    if (err_failed(err) || !found || !run_state_final(row.state)) {
        return err_failed(err) ? err : tell_state(tx, key, why);
    }
    if (row.kind == KIND_AGENT) {
        why_set(why, "an agent of a workflow goes with it: remove the workflow");
    } else if (row.kind == KIND_TURN && row.parent_run.len > 0) {
        why_set(why, "it goes with the run %.*s that it belongs to, or has not ended below it",
                (int)row.parent_run.len, row.parent_run.data);
    } else {
        why_set(why, "the run is %s, but what is below it has not ended",
                run_state_name(row.state));
    }
    return err_make(ERR_CONFLICT, "runs: below it");
}

/* --- Remove ----------------------------------------------------------------------------------- */

/* First the row, then what its attempts left on the disk: a crash in between leaves folders that
 * belong to no run, which the dispatcher clears away when nobody has touched them for a day. */
struct remove_op {
    struct op op;
    struct loop_work work;
    struct runs_api *api;
    struct run_key key; /* Borrowed from the exchange. */
    int64_t attempts;
    bool more; /* It is not gone yet. */
};

static struct err remove_run(struct tx *tx, void *ctx) {
    struct remove_op *remove = ctx;
    op_restart(&remove->op);
    remove->attempts = 0;
    remove->more = false;
    struct run_row row = {0};
    struct err err = tx_run_remove(tx, &remove->key, &remove->more, &row);
    if (err.code == ERR_CONFLICT) {
        return tell_kept(tx, &remove->key, &remove->op.why);
    }
    if (err.code == ERR_NOT_FOUND) {
        return runs__absent(&remove->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    remove->attempts = row.attempt;
    struct text *text = &remove->op.answer;
    text_add_str(text, "{\"id\":");
    text_add_json(text, remove->key.run.data, remove->key.run.len);
    text_addf(text, ",\"removed_ms\":%lld}", (long long)tx_now_ms(tx));
    return op_written(&remove->op);
}

static void folders_remove(struct loop_work *work) {
    struct remove_op *remove = CONTAINER_OF(work, struct remove_op, work);
    const struct run_folders folders = {
        .run = remove->key.run, .first = 1, .last = remove->attempts};
    struct err err = run_folders_remove(remove->api->spool, &folders);
    (void)err; /* The folder is listed, and tried again. */
}

/* Sessions of a workflow's agents, and other things that went with the run, are removed later. */
static void remove_end(struct remove_op *remove, struct err result) {
    struct runs_api *api = remove->api;
    op_answer(&remove->op, result);
    mem_free(remove);
    if (!err_failed(result)) {
        chores_purge(api->chores);
        retention_wake(api->dispatch);
    }
}

static void folders_removed(struct loop_work *work) {
    remove_end(CONTAINER_OF(work, struct remove_op, work), ERR_OK);
}

static void remove_done(struct err result, void *ctx) {
    struct remove_op *remove = ctx;
    if (!err_failed(result) && remove->more) {
        store_write(remove->api->store, remove_run, remove_done, remove);
        return;
    }
    if (!err_failed(result) && remove->attempts > 0) {
        remove->work.run = folders_remove;
        remove->work.done = folders_removed;
        loop_work(remove->api->loop, &remove->work);
        return;
    }
    remove_end(remove, result);
}

void runs__remove(struct exchange *exchange, void *ctx) {
    struct runs_api *api = ctx;
    struct run_key key;
    if (!runs__key(exchange, RUN_OWNER, &key)) {
        return;
    }
    struct remove_op *remove = mem_new(sizeof *remove);
    op_init(&remove->op, exchange, 200);
    remove->api = api;
    remove->key = key;
    store_write(api->store, remove_run, remove_done, remove);
}
