/* change.c: changes of runs by a client: stop one, remove one, and the same for several at once. */
#include <string.h>

#include "api/run/runs.h"
#include "base/memory.h"
#include "dispatch/run/retention.h"
#include "engine/job/spec.h"
#include "engine/system/overview.h"
#include "engine/system/retention.h"

/* --- Stop ------------------------------------------------------------------------------------- */

struct stop_op {
    struct request request;
    int64_t grace_ms;
    bool begun; /* An earlier transaction has asked the run itself. */
};

static const struct field stop_rows[] = {
    {FIELD("grace_ms", FIELD_INT, offsetof(struct stop_op, grace_ms)), .max = RUN_GRACE_MS_MAX,
     .absent = JOB_GRACE_MS},
};
const struct field_set runs__stop_fields = {FIELD_ROWS(stop_rows), .use = FIELD_GIVEN};

/* Says in which state a run is that cannot be changed any more. */
static struct err state_tell(struct tx *tx, struct request *request) {
    struct run_row row;
    TRY(request_run_whole(tx, request, &row));
    return err_why(&request->op.why, ERR_CONFLICT,
                   run_state_final(row.state) ? "the run has ended: it is %s"
                                              : "the run is still %s",
                   run_state_name(row.state));
}

/* A large subtree is asked in a chain of transactions, `begun` after the first of them. */
static struct err run_stop(struct tx *tx, struct request *request, int64_t grace_ms, bool begun,
                           struct run_row *ret_row) {
    const struct run_stop what = {.key = runs__key_of(request),
                                  .cause = CAUSE_STOPPED,
                                  .grace_ms = grace_ms,
                                  .bounds = request->bounds};
    struct err err = tx_run_stop(tx, &what, &request->more, ret_row);
    if (err.code == ERR_CONFLICT && !begun) {
        return state_tell(tx, request);
    }
    return err.code == ERR_CONFLICT ? request_run_whole(tx, request, ret_row) : err;
}

/* A turn whose command is on another host ends when that host has ended it: the answer says so. */
static struct err stop_work(struct tx *tx, void *ctx) {
    struct stop_op *stop = ctx;
    struct request *request = &stop->request;
    struct run_row row = {0};
    struct err err = run_stop(tx, request, stop->grace_ms, stop->begun, &row);
    if (!err_failed(err)) {
        err = tx_run_waits_mark(tx, &request->bounds, &row);
    }
    if (!err_failed(err)) {
        run_write_shown(tx, &row, &request->bounds, &request->op.answer);
    }
    return err;
}

static enum request_next stop_done(void *ctx, struct err *io_result) {
    struct stop_op *stop = ctx;
    stop->begun = !err_failed(*io_result);
    return REQUEST_ANSWER;
}

const struct request_kind runs__stop = {
    .size = sizeof(struct stop_op),
    .writes = true,
    .one = &runs__one,
    .fields = &runs__stop_fields,
    .work = stop_work,
    .done = stop_done,
};

/* --- Remove ----------------------------------------------------------------------------------- */

/* First the row, then what its attempts left on the disk: a crash in between leaves folders that
 * belong to no run, which the dispatcher clears away when nobody has touched them for a day. */
struct remove_op {
    struct request request;
    int64_t attempts;
};

/* Why one stays that somebody wanted removed. */
static struct err kept_tell(struct tx *tx, struct request *request) {
    struct why *why = &request->op.why;
    struct run_row row;
    struct err err = request_run_whole(tx, request, &row);
    if (err_failed(err) || !run_state_final(row.state)) {
        return err_failed(err) ? err : state_tell(tx, request);
    }
    if (run_kind_is(row.kind, RUN_IS_STEP)) {
        why_set(why, "an agent is removed with its workflow: remove the workflow");
    } else if (run_kind_is(row.kind, RUN_IN_SESSION) && row.parent_run.len > 0) {
        why_set(why, "the turn is removed with run %.*s, which it belongs to",
                (int)row.parent_run.len, row.parent_run.data);
    } else {
        why_set(why, "the run is %s, but a run below it has not ended", run_state_name(row.state));
    }
    return err_make(ERR_CONFLICT, "runs: below it");
}

static struct err run_remove(struct tx *tx, struct request *request, int64_t *ret_attempts) {
    const struct run_key key = runs__key_of(request);
    struct run_row row = {0};
    struct err err = tx_run_remove(tx, &key, &request->more, &row);
    *ret_attempts = row.attempt;
    return err.code == ERR_CONFLICT ? kept_tell(tx, request) : err;
}

static struct err remove_work(struct tx *tx, void *ctx) {
    struct remove_op *remove = ctx;
    struct err err = run_remove(tx, &remove->request, &remove->attempts);
    op_removed(&remove->request.op, tx, "id", remove->request.key.id, "removed_ms");
    return err;
}

/* A folder that stays is listed, and tried again. */
static void folders_remove(const struct request *request, struct bytes run, int64_t attempts) {
    const struct runs_api *api = request->api;
    const struct run_folders folders = {.run = run, .first = 1, .last = attempts};
    struct err err = run_folders_remove(api->spool, &folders);
    (void)err; /* See above. */
}

static struct err remove_folders(void *ctx) {
    const struct remove_op *remove = ctx;
    folders_remove(&remove->request, remove->request.key.id, remove->attempts);
    return ERR_OK;
}

/* Sessions of a workflow's agents, and other things that went with the run, are removed later. */
static void removed_wake(const struct request *request) {
    const struct runs_api *api = request->api;
    chores_purge(api->chores);
    retention_wake(request->dispatch);
}

static void remove_end(void *ctx, struct err result) {
    if (!err_failed(result)) {
        removed_wake(ctx);
    }
}

const struct request_kind runs__remove = {
    .size = sizeof(struct remove_op),
    .writes = true,
    .one = &runs__one,
    .work = remove_work,
    .after = remove_folders,
    .end = remove_end,
};

/* --- Several ---------------------------------------------------------------------------------- */

/* Each run has a transaction of its own, that of the route for one, so that a refusal undoes
 * nothing of the others; a large subtree has several. A last one writes the answer, which an
 * Idempotency-Key keeps. The client sends again what a crash cut short. */
enum { BULK_MAX = 100 };
enum bulk_action { BULK_STOP, BULK_REMOVE, BULK_SEEN };
static const char *const bulk_actions[] = {"stop", "remove", "seen", NULL};

struct outcome {
    struct bytes id; /* Borrowed from the body. */
    struct err err;
    struct why why;
    int64_t attempts; /* Number of attempts of a run that was removed. */
};

struct bulk_op {
    struct request request;
    struct bytes action;
    json_t *ids; /* Borrowed from the exchange. */
    enum bulk_action what;
    struct outcome outcomes[BULK_MAX];
    size_t count, at; /* Outcomes before `at` are final. */
    bool begun;       /* An earlier transaction has begun with that run. */
    bool tried;       /* The transaction has come as far as the run, */
    bool goes_on;     /* and another one follows for it. */
};

static const struct field bulk_rows[] = {
    {FIELD("action", FIELD_TEXT, offsetof(struct bulk_op, action)), .required = true,
     .names = bulk_actions},
    {FIELD("ids", FIELD_TEXTS, offsetof(struct bulk_op, ids)), .required = true, .min = 1,
     .max = BULK_MAX},
};
const struct field_set runs__bulk_fields = {FIELD_ROWS(bulk_rows), .use = FIELD_GIVEN};

/* An id that is given twice is one run. */
static struct err bulk_read(void *ctx) {
    struct bulk_op *bulk = ctx;
    const bool known = bytes_find(bulk->action, bulk_actions, &bulk->what);
    assert(known); /* The fields have checked it. */
    for (size_t i = 0; i < json_array_size(bulk->ids); i++) {
        const struct bytes id = json_text(json_array_get(bulk->ids, i));
        size_t at = 0;
        while (at < bulk->count && !bytes_equal(bulk->outcomes[at].id, id)) {
            at++;
        }
        if (at == bulk->count) {
            bulk->outcomes[bulk->count++] = (struct outcome){.id = id};
        }
    }
    return ERR_OK;
}

static struct err bulk_start(void *ctx) {
    struct bulk_op *bulk = ctx;
    bulk->tried = false;
    return ERR_OK;
}

/* All that there is of it has been seen. As POST /api/v1/seen, no run may say so. */
static struct err run_seen(struct tx *tx, struct request *request) {
    const char *inside = exchange_identity(request->op.exchange)->inside;
    const struct seen seen = {
        .owner = request->key.owner, .run = request->key.id, .seq = INT64_MAX};
    int64_t seq = 0;
    if (inside[0] != '\0') {
        return err_why(&request->op.why, ERR_INSIDE_RUN,
                       "the program that sent this is inside of %s, and a run marks none as seen;"
                       " have a person do it, outside of the run",
                       inside);
    }
    return tx_seen(tx, &seen, &seq);
}

static struct err bulk_one(struct tx *tx, struct bulk_op *bulk, struct outcome *outcome) {
    struct request *request = &bulk->request;
    struct run_row row = {0};
    struct err err = id_valid(outcome->id.data, outcome->id.len, runs__one.prefix)
                         ? ERR_OK
                         : err_make(ERR_NOT_FOUND, "runs: id");
    if (!err_failed(err) && bulk->what != BULK_SEEN) {
        err = request_inside(tx, request, outcome->id);
    }
    if (!err_failed(err)) {
        err = bulk->what == BULK_STOP     ? run_stop(tx, request, JOB_GRACE_MS, bulk->begun, &row)
              : bulk->what == BULK_REMOVE ? run_remove(tx, request, &outcome->attempts)
                                          : run_seen(tx, request);
    }
    if (err.code == ERR_NOT_FOUND && request->op.why.text[0] == '\0') {
        err = runs__absent(outcome->id, &request->op.why);
    }
    return err;
}

static void bulk_write(const struct bulk_op *bulk, struct text *text) {
    text_add_str(text, "{\"items\":[");
    for (size_t i = 0; i < bulk->count; i++) {
        const struct outcome *outcome = &bulk->outcomes[i];
        const bool failed = err_failed(outcome->err);
        text_add_str(text, i == 0 ? "{" : ",{");
        text_add_member(text, "id", outcome->id);
        text_add_member_bool(text, "ok", !failed);
        text_add_member_int(text, "status", failed ? err_http_status(outcome->err.code) : 200);
        if (failed) {
            const char *why = outcome->why.text;
            text_add_member(text, "code", bytes_of(err_name(outcome->err.code)));
            text_add_member(text, "detail",
                            bytes_of(why[0] != '\0' ? why : err_title(outcome->err.code)));
        }
        text_add_char(text, '}');
    }
    text_add_str(text, "]}");
}

static struct err bulk_work(struct tx *tx, void *ctx) {
    struct bulk_op *bulk = ctx;
    struct request *request = &bulk->request;
    if (bulk->at == bulk->count) {
        bulk_write(bulk, &request->op.answer);
        return ERR_OK;
    }
    bulk->tried = true;
    request->key.id = bulk->outcomes[bulk->at].id;
    struct err err = bulk_one(tx, bulk, &bulk->outcomes[bulk->at]);
    bulk->goes_on = request->more;
    request->more = true; /* No answer yet that a key could keep. */
    return err;
}

/* A refusal is that of its run, and the next one follows. What failed before the run was reached
 * (a key that another request has, a daemon that ends) is that of the whole. */
static enum request_next bulk_done(void *ctx, struct err *io_result) {
    struct bulk_op *bulk = ctx;
    struct request *request = &bulk->request;
    if (!bulk->tried || bulk->at == bulk->count) {
        return REQUEST_ANSWER;
    }
    bulk->begun = !err_failed(*io_result) && bulk->goes_on;
    if (!bulk->begun) {
        struct outcome *outcome = &bulk->outcomes[bulk->at++];
        outcome->err = *io_result;
        outcome->why = request->op.why;
        outcome->attempts = err_failed(*io_result) ? 0 : outcome->attempts;
    }
    *io_result = ERR_OK;
    request->more = true;
    return REQUEST_ANSWER;
}

static struct err bulk_folders(void *ctx) {
    const struct bulk_op *bulk = ctx;
    for (size_t i = 0; i < bulk->at; i++) {
        folders_remove(&bulk->request, bulk->outcomes[i].id, bulk->outcomes[i].attempts);
    }
    return ERR_OK;
}

static void bulk_end(void *ctx, struct err result) {
    const struct bulk_op *bulk = ctx;
    if (bulk->what == BULK_REMOVE && bulk->at > 0) {
        removed_wake(&bulk->request);
    }
}

const struct request_kind runs__bulk = {
    .size = sizeof(struct bulk_op),
    .writes = true,
    .fields = &runs__bulk_fields,
    .read = bulk_read,
    .start = bulk_start,
    .work = bulk_work,
    .done = bulk_done,
    .after = bulk_folders,
    .end = bulk_end,
};
