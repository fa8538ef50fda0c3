/* cut.c: history is cut: a session is cleared, or a message is said again. */
#include <string.h>

#include "api/base/once.h"
#include "api/base/one.h"
#include "api/session/sessions.h"
#include "api/turn/turns.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/turn/turns.h"

/* --- What was removed ------------------------------------------------------------------------- */

/* Behind the answer: what removed messages said goes from the disk, page by page. What a crash
 * leaves goes with the next cut, or with the session. */
struct purge {
    struct store *store; /* Borrowed. */
    int64_t session;
    bool more;
};

static struct err purge_run(struct tx *tx, void *ctx) {
    struct purge *purge = ctx;
    purge->more = false;
    return tx_message_purge(tx, purge->session, &purge->more);
}

static void purge_done(struct err result, void *ctx) {
    struct purge *purge = ctx;
    if (!err_failed(result) && purge->more) {
        store_write(purge->store, purge_run, purge_done, purge);
        return;
    }
    mem_free(purge);
}

static void purge_begin(struct store *store, int64_t session) {
    struct purge *purge = mem_new(sizeof *purge);
    purge->store = store;
    purge->session = session;
    store_write(store, purge_run, purge_done, purge);
}

/* --- Clear ------------------------------------------------------------------------------------ */

struct clear_op {
    struct op op;
    struct turns_api *api;
    struct turn_clear what; /* Its key is borrowed from the exchange. */
    struct turn_cleared cleared;
};

static struct err clear_run(struct tx *tx, void *ctx) {
    struct clear_op *clear = ctx;
    const struct bytes *id = &clear->what.session.session;
    op_restart(&clear->op);
    struct err err = tx_turn_clear(tx, &clear->what, &clear->cleared);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&turns__session, &clear->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    text_add_str(&clear->op.answer, "{\"id\":");
    text_add_json(&clear->op.answer, id->data, id->len);
    text_addf(&clear->op.answer, ",\"cleared_ms\":%lld}", (long long)tx_now_ms(tx));
    return op_written(&clear->op);
}

static void clear_done(struct err result, void *ctx) {
    struct clear_op *clear = ctx;
    struct store *store = clear->api->store;
    int64_t session = clear->cleared.session;
    if (!err_failed(result) && clear->cleared.more) {
        clear->what.emptied = true;
        store_write(store, clear_run, clear_done, clear);
        return;
    }
    op_answer(&clear->op, result);
    mem_free(clear);
    if (!err_failed(result)) {
        purge_begin(store, session);
    }
}

void turns__clear(struct exchange *exchange, void *ctx) {
    struct turns_api *api = ctx;
    struct one_key key;
    if (!one_read(exchange, &turns__session, TURNS_OWNER, &key)) {
        return;
    }
    struct clear_op *clear = mem_new(sizeof *clear);
    op_init(&clear->op, exchange, 200);
    clear->api = api;
    clear->what.session = (struct session_key){.owner = key.owner, .session = key.id};
    clear->what.bounds = dispatch_bounds(api->dispatch);
    store_write(api->store, clear_run, clear_done, clear);
}

/* --- Resend ----------------------------------------------------------------------------------- */

struct resend_op {
    struct op op;
    struct once once;
    struct turns_api *api;
    struct turn_resend what; /* Its texts are borrowed from the exchange, and from below. */
    struct turn_resent resent;
    struct default_model model;
    struct err err; /* Why the chain was given up. */
};

static struct err resend_work(struct tx *tx, void *ctx) {
    struct resend_op *resend = ctx;
    struct text *text = &resend->op.answer;
    struct turn_resent *resent = &resend->resent;
    struct err err = tx_turn_resend(tx, &resend->what, resent, &resend->op.why);
    err = op_name_turn_of(tx, &resend->what.key, err, &resend->op);
    if (err.code == ERR_MESSAGE_NOT_FOUND) {
        return one_absent(&messages__kind, &resend->op.why);
    }
    resend->once.more = !err_failed(err) && resent->more;
    if (err_failed(err) || resent->more) {
        return err;
    }
    const char *fork = resent->fork.session.text;
    turns__write_begun(&resent->run, &resend->what.answer, text);
    text_add_str(text, ",\"fork\":");
    if (resent->forked) {
        text_add_json(text, fork, strlen(fork));
    } else {
        text_add_str(text, "null");
    }
    text_add_char(text, '}');
    err = turns__find_about(tx, &resend->what.key, &resend->once);
    return err_failed(err) ? err : op_written(&resend->op);
}

static struct err resend_run(struct tx *tx, void *ctx) {
    struct resend_op *resend = ctx;
    return once_run(tx, &resend->once, &resend->op, resend_work, resend);
}

static void resend_end(struct resend_op *resend, struct err result) {
    struct store *store = resend->api->store;
    bool cut = !err_failed(result) && !resend->once.replayed;
    int64_t session = resend->resent.session;
    once_tell(&resend->once, &resend->op, result);
    op_answer(&resend->op, result);
    mem_free(resend);
    if (cut) {
        purge_begin(store, session);
    }
}

static struct err abandon_run(struct tx *tx, void *ctx) {
    const struct resend_op *resend = ctx;
    return tx_session_fork_abandon(tx, &resend->what.fork);
}

/* What cannot be cleared away now is, at the next start. */
static void abandoned(struct err result, void *ctx) {
    (void)result;
    struct resend_op *resend = ctx;
    resend_end(resend, resend->err);
}

static void resend_done(struct err result, void *ctx) {
    struct resend_op *resend = ctx;
    struct store *store = resend->api->store;
    bool begun = resend->what.fork.until != 0;
    if (!err_failed(result) && resend->once.more) {
        resend->what.fork = resend->resent.fork;
        store_write(store, resend_run, resend_done, resend);
    } else if (begun && (err_failed(result) || resend->once.replayed)) {
        resend->err = result;
        store_write(store, abandon_run, abandoned, resend);
    } else {
        resend_end(resend, result);
    }
}

/* No body means what {} means. */
static struct err resend_read(struct resend_op *resend) {
    const char *text = NULL;
    const struct json_field fields[] = {
        {.name = "text", .kind = JSON_KIND_TEXT, .min = 1, .max = MESSAGE_TEXT_MAX, .text = &text},
    };
    const json_t *json = exchange_json(resend->op.exchange);
    struct err err = ERR_OK;
    if (json != NULL) {
        err = json_read_fields(json, fields, COUNT_OF(fields), &resend->op.why);
    }
    if (!err_failed(err) && text != NULL) {
        resend->what.text = bytes_of(text);
    }
    return err_failed(err) ? err : once_read(resend->op.exchange, &resend->once, &resend->op.why);
}

void turns__resend(struct exchange *exchange, void *ctx) {
    struct turns_api *api = ctx;
    struct one_key key;
    if (!one_read(exchange, &messages__kind, TURNS_OWNER, &key)) {
        return;
    }
    struct resend_op *resend = mem_new(sizeof *resend);
    op_init(&resend->op, exchange, 201);
    resend->api = api;
    struct err err = resend_read(resend);
    if (err_failed(err)) {
        op_done(err, resend);
        return;
    }
    connections_default_model(api->connections, &resend->model);
    resend->what.key = (struct message_key){.owner = key.owner, .message = key.id};
    resend->what.model_default = bytes_of(resend->model.name);
    resend->what.run = turns__new_id(api, "run");
    resend->what.answer = turns__new_id(api, "msg");
    resend->what.bounds = dispatch_bounds(api->dispatch);
    resend->what.fork.session = turns__new_id(api, "ses");
    world_random(loop_world(api->loop), resend->what.fork.seed, sizeof resend->what.fork.seed);
    store_write(api->store, resend_run, resend_done, resend);
}
