/* fork.c: a copy of a session's beginning, in a chain of transactions. */
#include <string.h>

#include "api/session/sessions.h"
#include "base/memory.h"

struct fork_op {
    struct op op;
    const struct sessions_api *api;
    struct session_fork what; /* Its texts are borrowed from the exchange. */
    struct session_fork next; /* While the function runs. */
    struct err err;           /* Why the chain was given up. */
    bool more;
};

static struct err fork_run(struct tx *tx, void *ctx) {
    struct fork_op *fork = ctx;
    op_restart(&fork->op);
    fork->more = false;
    struct session_row row;
    struct err err = tx_session_fork(tx, &fork->what, &fork->next, &fork->more, &row);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&sessions__kind, &fork->op.why);
    }
    if (err.code == ERR_MESSAGE_NOT_FOUND) {
        return one_absent(&messages__kind, &fork->op.why);
    }
    if (err_failed(err) || fork->more) {
        return err;
    }
    session_write_json(&row, SESSION_WHOLE, &fork->op.answer);
    return op_written(&fork->op);
}

static struct err abandon_run(struct tx *tx, void *ctx) {
    const struct fork_op *fork = ctx;
    return tx_session_fork_abandon(tx, &fork->what);
}

/* What cannot be cleared away now is, at the next start. */
static void abandoned(struct err result, void *ctx) {
    struct fork_op *fork = ctx;
    struct chores *chores = fork->api->chores;
    op_answer(&fork->op, fork->err);
    mem_free(fork);
    if (!err_failed(result)) {
        chores_purge(chores);
    }
}

static void fork_done(struct err result, void *ctx) {
    struct fork_op *fork = ctx;
    bool begun = fork->what.until != 0;
    if (!err_failed(result) && fork->more) {
        fork->what = fork->next;
        store_write(fork->api->store, fork_run, fork_done, fork);
    } else if (err_failed(result) && begun) {
        fork->err = result;
        store_write(fork->api->store, abandon_run, abandoned, fork);
    } else {
        op_done(result, fork);
    }
}

/* No body means what {} means. */
static struct err fork_read(struct fork_op *fork) {
    const char *message = NULL, *title = NULL;
    const struct json_field fields[] = {
        {.name = "message", .kind = JSON_KIND_TEXT, .max = ID_SIZE, .text = &message},
        {.name = "title", .kind = JSON_KIND_TEXT, .max = SESSION_TITLE_MAX, .text = &title},
    };
    const json_t *json = exchange_json(fork->op.exchange);
    struct err err = ERR_OK;
    if (json != NULL) {
        err = json_read_fields(json, fields, COUNT_OF(fields), &fork->op.why);
    }
    fork->what.message = BYTES("");
    if (message != NULL) {
        fork->what.message = bytes_of(message);
    }
    if (title != NULL) {
        fork->what.title = bytes_of(title);
    }
    if (!err_failed(err) && !sessions__line_valid(fork->what.title)) {
        why_set(&fork->op.why, "title: no control characters");
        err = err_make(ERR_BAD_FIELD, "sessions: title");
    }
    return err;
}

void sessions__fork(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct session_key key;
    if (!sessions__key(exchange, SESSION_OWNER, &key)) {
        return;
    }
    struct fork_op *fork = mem_new(sizeof *fork);
    op_init(&fork->op, exchange, 201);
    fork->api = api;
    fork->what.key = key;
    struct err err = fork_read(fork);
    if (err_failed(err)) {
        op_done(err, fork);
        return;
    }
    fork->what.session = sessions__new_id(api, "ses");
    world_random(loop_world(api->loop), fork->what.seed, sizeof fork->what.seed);
    store_write(api->store, fork_run, fork_done, fork);
}
