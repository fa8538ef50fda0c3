/* pause.c: a workflow is paused, and goes on.
 *
 *   running <──pause, resume──> waiting, with the cause `paused`
 *
 * It stands in the run's row, so a daemon that comes back finds it there; who performs the workflow
 * hears of it by the row's note, and begins no agent from then on. */
#include "engine/workflow/rows.h"

static struct err refuse(const struct run_row *row, struct why *why) {
    if (row->kind != KIND_WORKFLOW) {
        why_set(why, "only workflows are paused; this is a %s: 'drover stop' ends it",
                run_kind_name(row->kind));
        return err_make(ERR_CONFLICT, "workflows: pause");
    }
    if (run_state_final(row->state)) {
        why_set(why, "the run has ended: it is %s", run_state_name(row->state));
        return err_make(ERR_RUN_ENDED, "workflows: pause");
    }
    if (row->stop != CAUSE_NONE) {
        why_set(why, "the run was asked to end, and is about to");
        return err_make(ERR_RUN_ENDED, "workflows: pause");
    }
    if (row->state == RUN_QUEUED) {
        why_set(why, "the run is still queued: nothing of it has begun; 'drover stop' ends it");
        return err_make(ERR_CONFLICT, "workflows: pause");
    }
    return ERR_OK;
}

static struct err tell(struct tx *tx, const struct run_row *row, const char *type) {
    const struct workflow_place place = {.id = row->id, .owner = row->owner, .run = row->run};
    AUTO(text_done) struct text data;
    text_init(&data, WORKFLOW_EVENT_MAX);
    text_add_str(&data, "{}");
    return workflows__event(tx, &place, type, &data, WORKFLOW_GOES_ON);
}

/* Those that a budget has let go meanwhile: they are asked now. */
static struct err let_go(struct tx *tx, const struct run_row *row) {
    static const char sql[] = "UPDATE runs SET cause = '' WHERE parent = $1 AND step_key <> ''"
                              " AND cause = 'paused' AND ended_ms IS NULL";
    const struct arg args[] = {arg_int(row->id)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* as many as there are */);
}

static struct err change(struct tx *tx, enum workflow_pause what, struct run_row *row) {
    enum run_state from = row->state;
    bool pauses = what == WORKFLOW_PAUSE;
    row->state = pauses ? RUN_WAITING : RUN_RUNNING;
    row->cause = pauses ? CAUSE_PAUSED : CAUSE_NONE;
    struct err err = runs__write(tx, from, row);
    if (!err_failed(err) && !pauses) {
        err = let_go(tx, row);
    }
    return err_failed(err) ? err : tell(tx, row, pauses ? "workflow_paused" : "workflow_resumed");
}

struct err tx_workflow_pause(struct tx *tx, const struct run_key *key, enum workflow_pause what,
                             struct run_row *ret_row, struct why *why) {
    struct run_row row = {.state = RUN_RUNNING};
    struct err err = runs__get(tx, key, &row);
    if (!err_failed(err)) {
        err = refuse(&row, why);
    }
    bool is_paused = row.state == RUN_WAITING;
    if (!err_failed(err) && is_paused != (what == WORKFLOW_PAUSE)) {
        err = change(tx, what, &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}
