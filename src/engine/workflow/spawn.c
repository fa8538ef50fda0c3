/* spawn.c: see workflow_spawn.h. */
#include "engine/workflow/spawn.h"

#include "engine/budget/rows.h"
#include "engine/run/rows.h"

static struct err count_open(struct tx *tx, const struct session_row *session, int64_t *ret_open) {
    static const char sql[] =
        "SELECT count(*) FROM runs r JOIN parts p ON p.run = r.id AND p.run <> 0"
        " JOIN messages m ON m.id = p.message WHERE r.ended_ms IS NULL AND r.kind = 'workflow'"
        " AND m.session = $1";
    const struct arg args[] = {arg_int(session->id)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_open);
}

/* Its agents would be the next level. */
static struct err check(struct tx *tx, const struct session_row *session, struct why *why) {
    int64_t open = 0;
    if (session->depth >= SESSION_DEPTH_MAX) {
        why_set(why, "Agents are at most %d deep, and this is the last: do it yourself.",
                SESSION_DEPTH_MAX);
        return err_make(ERR_CONFLICT, "workflows: depth");
    }
    struct err err = count_open(tx, session, &open);
    if (!err_failed(err) && open >= WORKFLOWS_OPEN_MAX) {
        why_set(why, "%d of your workflows have not ended; wait for some of them.",
                WORKFLOWS_OPEN_MAX);
        err = err_make(ERR_CONFLICT, "workflows: count");
    }
    return err;
}

struct err tx_workflow_spawn(struct tx *tx, const struct turn_seat *seat,
                             const struct workflow_new *what, struct run_row *ret_row,
                             struct why *why) {
    struct workflow_new with = *what;
    struct err err = check(tx, &seat->session, why);
    if (!err_failed(err)) {
        err = budget__session_path(tx, &seat->session, &with.run.budget_path);
    }
    return err_failed(err) ? err : tx_workflow_submit(tx, &with, ret_row, why);
}
