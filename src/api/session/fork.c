/* fork.c: a copy of a session's beginning, in a chain of transactions. */
#include "api/session/sessions.h"

struct fork_op {
    struct request request;
    struct session_fork what; /* Texts are borrowed from the exchange. */
    struct session_fork next; /* While the function runs. */
    struct err err;           /* Why the chain was given up. */
};

#define AT(member) offsetof(struct fork_op, member)
static const struct field fork_rows[] = {
    {FIELD("message", FIELD_TEXT, AT(what.message)), .max = ID_SIZE},
    {FIELD("title", FIELD_TEXT, AT(what.title)), .max = SESSION_TITLE_MAX},
};
const struct field_set sessions__fork_fields = {FIELD_ROWS(fork_rows), .use = FIELD_GIVEN};

static struct err fork_read(void *ctx) {
    struct fork_op *fork = ctx;
    struct session_fork *what = &fork->what;
    if (what->message.data == NULL) {
        what->message = BYTES("");
    }
    what->key = sessions__key_of(&fork->request);
    return sessions__line_valid(what->title)
               ? ERR_OK
               : err_why(&fork->request.op.why, ERR_BAD_FIELD, "title: no control characters");
}

static struct err fork_start(void *ctx) {
    struct fork_op *fork = ctx;
    struct session_fork *what = &fork->what;
    if (what->until == 0) { /* The first transaction. */
        what->session = request_new_id(&fork->request, "ses");
        world_random(loop_world(fork->request.loop), what->seed, sizeof what->seed);
    }
    return ERR_OK;
}

static struct err fork_work(struct tx *tx, void *ctx) {
    struct fork_op *fork = ctx;
    struct session_row row;
    struct err err = tx_session_fork(tx, &fork->what, &fork->next, &fork->request.more, &row);
    if (err.code == ERR_MESSAGE_NOT_FOUND) {
        return one_absent(&messages__kind, fork->what.message, &fork->request.op.why);
    }
    if (!err_failed(err) && !fork->request.more) {
        sessions__answer(&fork->request, &row);
    }
    return err;
}

static struct err fork_abandon(struct tx *tx, void *ctx) {
    const struct fork_op *fork = ctx;
    return tx_session_fork_abandon(tx, &fork->what);
}

/* A fork that cannot be cleared away now is, at the next start. */
static void fork_abandoned(struct err result, void *ctx) {
    struct fork_op *fork = ctx;
    const struct sessions_api *api = fork->request.api;
    request_answer(&fork->request, fork->err);
    if (!err_failed(result)) {
        chores_purge(api->chores);
    }
}

static enum request_next fork_done(void *ctx, struct err *io_result) {
    struct fork_op *fork = ctx;
    if (err_failed(*io_result) && fork->what.until != 0) {
        fork->err = *io_result;
        store_write(fork->request.store, fork_abandon, fork_abandoned, fork);
        return REQUEST_LATER;
    }
    if (!err_failed(*io_result) && fork->request.more) {
        fork->what = fork->next;
    }
    return REQUEST_ANSWER;
}

const struct request_kind sessions__fork = {
    .size = sizeof(struct fork_op),
    .writes = true,
    .one = &session_one,
    .fields = &sessions__fork_fields,
    .read = fork_read,
    .start = fork_start,
    .work = fork_work,
    .done = fork_done,
};
