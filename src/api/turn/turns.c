/* turns.c: what is asked of a session's turns, and of its history. A message is in submit.c. */
#include "api/turn/turns.h"

#include <string.h>

#include "api/session/sessions.h"
#include "base/memory.h"
#include "engine/turn/background.h"
#include "engine/turn/timeline.h"
#include "engine/turn/turns.h"

/* --- A stop: of a large subtree, a chain ------------------------------------------------------ */

struct stop_op {
    struct request request;
    char run[ID_SIZE]; /* Turn that an earlier transaction has asked. */
};

static struct err turn_find(struct tx *tx, struct request *request, struct bytes *ret_run) {
    struct session_row session;
    struct err err = request_session(tx, request, &session);
    if (!err_failed(err)) {
        err = tx_session_turn(tx, session.id, ret_run);
    }
    if (!err_failed(err) && ret_run->len == 0) {
        return err_why(&request->op.why, ERR_CONFLICT, "no turn is running in this session");
    }
    return err;
}

static struct err stop_work(struct tx *tx, void *ctx) {
    struct stop_op *stop = ctx;
    struct request *request = &stop->request;
    struct run_row row;
    struct run_stop what = {.key = {.owner = request->key.owner, .run = bytes_of(stop->run)},
                            .cause = CAUSE_STOPPED,
                            .grace_ms = RUN_STOP_GRACE_MS,
                            .bounds = request->bounds};
    struct err err = stop->run[0] != '\0' ? ERR_OK : turn_find(tx, request, &what.key.run);
    if (!err_failed(err)) {
        err = tx_run_stop(tx, &what, &request->more, &row);
    }
    if (!err_failed(err)) {
        err = tx_run_waits_mark(tx, &request->bounds, &row);
    }
    if (!err_failed(err)) {
        run_write_shown(tx, &row, &request->bounds, &request->op.answer);
        memcpy(stop->run, row.run.data, row.run.len);
    }
    return err;
}

static const struct request_kind stop = {
    .size = sizeof(struct stop_op),
    .writes = true,
    .one = &session_one,
    .work = stop_work,
};

/* --- A summary on demand ---------------------------------------------------------------------- */

/* A request that begins a turn, or a summary. */
struct turn_op {
    struct request request;
    struct default_model model;
    struct id run, message; /* Used if they are needed. */
};

static void turn_begin(void *ctx) {
    struct turn_op *turn = ctx;
    const struct turns_api *api = turn->request.api;
    connections_default_model(api->connections, &turn->model);
    turn->run = request_new_id(&turn->request, "run");
    turn->message = request_new_id(&turn->request, "msg");
    request_go(&turn->request, ERR_OK);
}

static struct err turn_start(void *ctx) {
    const struct turn_op *turn = ctx;
    const struct turns_api *api = turn->request.api;
    if (!connections_look(api->connections, turn_begin, ctx)) {
        turn_begin(ctx);
    }
    return ERR_OK;
}

static struct err compact_work(struct tx *tx, void *ctx) {
    struct turn_op *turn = ctx;
    struct request *request = &turn->request;
    const struct turn_message what = {.session = sessions__key_of(request),
                                      .model_default = bytes_of(turn->model.name),
                                      .run = turn->run,
                                      .message = turn->message,
                                      .bounds = request->bounds};
    struct run_row run;
    struct err err = tx_turn_compact(tx, &what, &run, &request->op.why);
    if (!err_failed(err)) {
        run_write_shown(tx, &run, &request->bounds, &request->op.answer);
    }
    return sessions__name_turn(tx, request, err);
}

static const struct request_kind compact = {
    .size = sizeof(struct turn_op),
    .writes = true,
    .one = &session_one,
    .later = true,
    .start = turn_start,
    .work = compact_work,
};

/* --- A queued message is sent now ------------------------------------------------------------- */

static struct err send_now_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    struct text *text = &request->op.answer;
    const struct turn_send_now what = {.key = messages__key_of(request), .bounds = request->bounds};
    struct turn_accepted accepted;
    struct err err = tx_turn_send_now(tx, &what, &accepted, &request->op.why);
    if (!err_failed(err)) {
        struct run_row run = accepted.run;
        run_shown(&run, tx_epoch(tx), run_bounds_hold(&request->bounds));
        text_add_char(text, '{');
        text_add_member(text, "message", accepted.message);
        text_add_member(text, "run", run.run);
        text_add_member(text, "decision", bytes_of(turn_decision_name(accepted.decision)));
        text_add_member(text, "state", bytes_of(run_state_name(run.state)));
        text_add_char(text, '}');
    }
    return err;
}

static const struct request_kind send_now = {
    .writes = true, .one = &messages__kind, .work = send_now_work};

/* --- The last answer is asked for again ------------------------------------------------------- */

/* Members of a turn whose answer will be `answer`; the rest of the object is the caller's. The
 * stored answer is about the session of the message, and goes with it. */
static struct err begun_write(struct tx *tx, struct request *request, const struct run_row *run,
                              const struct id *answer) {
    struct text *text = &request->op.answer;
    struct message_row message;
    struct session_row session;
    text_add_char(text, '{');
    text_add_member(text, "message", bytes_of(answer->text));
    text_add_member(text, "run", run->run);
    text_add_member(text, "state", bytes_of(run_state_name(run->state)));
    struct err err = request_message(tx, request, &message, &session);
    if (!err_failed(err)) {
        request->about = session.session;
    }
    return err;
}

static struct err again_work(struct tx *tx, void *ctx) {
    struct turn_op *turn = ctx;
    struct request *request = &turn->request;
    const struct turn_message what = {.key = messages__key_of(request),
                                      .model_default = bytes_of(turn->model.name),
                                      .run = turn->run,
                                      .answer = turn->message,
                                      .bounds = request->bounds};
    struct run_row run;
    struct err err = tx_turn_again(tx, &what, &run, &request->op.why);
    if (err_failed(err)) {
        return sessions__name_turn(tx, request, err);
    }
    err = begun_write(tx, request, &run, &what.answer);
    text_add_char(&request->op.answer, '}');
    return err;
}

static const struct request_kind again = {
    .size = sizeof(struct turn_op),
    .writes = true,
    .one = &messages__kind,
    .later = true,
    .start = turn_start,
    .work = again_work,
};

/* --- An earlier answer is chosen -------------------------------------------------------------- */

static struct err choose_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct message_key key = messages__key_of(request);
    struct message_row row;
    struct err err = tx_turn_choose(tx, &key, &row, &request->op.why);
    return err_failed(err)
               ? sessions__name_turn(tx, request, err)
               : tx_message_write_json(tx, &row, MESSAGE_BYTES_WHOLE, &request->op.answer);
}

static const struct request_kind choose = {
    .writes = true, .one = &messages__kind, .work = choose_work};

/* --- What was removed ------------------------------------------------------------------------- */

/* After the answer: the texts of removed messages are erased from the disk, page by page. What a
 * crash leaves goes with the next cut, or with the session. */
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
    struct request request;
    struct turn_cleared cleared;
    bool emptied; /* By an earlier transaction. */
};

static struct err clear_work(struct tx *tx, void *ctx) {
    struct clear_op *clear = ctx;
    const struct turn_clear what = {.session = sessions__key_of(&clear->request),
                                    .bounds = clear->request.bounds,
                                    .emptied = clear->emptied};
    struct err err = tx_turn_clear(tx, &what, &clear->cleared);
    clear->request.more = clear->cleared.more;
    op_removed(&clear->request.op, tx, "id", clear->request.key.id, "cleared_ms");
    return err;
}

static enum request_next clear_done(void *ctx, struct err *io_result) {
    struct clear_op *clear = ctx;
    clear->emptied = clear->request.more;
    return REQUEST_ANSWER;
}

static void clear_end(void *ctx, struct err result) {
    const struct clear_op *clear = ctx;
    if (!err_failed(result)) {
        purge_begin(clear->request.store, clear->cleared.session);
    }
}

static const struct request_kind clear = {
    .size = sizeof(struct clear_op),
    .writes = true,
    .one = &session_one,
    .work = clear_work,
    .done = clear_done,
    .end = clear_end,
};

/* --- Resend ----------------------------------------------------------------------------------- */

struct resend_op {
    struct request request;
    struct turn_resend what; /* Texts are borrowed from the exchange, and from below. */
    struct turn_resent resent;
    struct default_model model;
    struct err err; /* Why the chain was given up. */
};

static const struct field resend_rows[] = {
    {FIELD("text", FIELD_TEXT, offsetof(struct resend_op, what.message.text)), .min = 1,
     .max = MESSAGE_TEXT_MAX},
};
static const struct field_set resend_fields = {FIELD_ROWS(resend_rows), .use = FIELD_GIVEN};

static void resend_begin(void *ctx) {
    struct resend_op *resend = ctx;
    const struct turns_api *api = resend->request.api;
    struct turn_resend *what = &resend->what;
    connections_default_model(api->connections, &resend->model);
    what->message.key = messages__key_of(&resend->request);
    what->message.model_default = bytes_of(resend->model.name);
    what->message.run = request_new_id(&resend->request, "run");
    what->message.answer = request_new_id(&resend->request, "msg");
    what->message.bounds = resend->request.bounds;
    what->fork.session = request_new_id(&resend->request, "ses");
    world_random(loop_world(resend->request.loop), what->fork.seed, sizeof what->fork.seed);
    request_go(&resend->request, ERR_OK);
}

static struct err resend_start(void *ctx) {
    struct resend_op *resend = ctx;
    const struct turns_api *api = resend->request.api;
    if (resend->request.more) {
        request_go(&resend->request, ERR_OK);
    } else if (!connections_look(api->connections, resend_begin, resend)) {
        resend_begin(resend);
    }
    return ERR_OK;
}

static struct err resend_work(struct tx *tx, void *ctx) {
    struct resend_op *resend = ctx;
    struct request *request = &resend->request;
    struct turn_resent *resent = &resend->resent;
    struct err err = tx_turn_resend(tx, &resend->what, resent, &request->op.why);
    request->more = !err_failed(err) && resent->more;
    if (err_failed(err) || resent->more) {
        return sessions__name_turn(tx, request, err);
    }
    err = begun_write(tx, request, &resent->run, &resend->what.message.answer);
    const char *fork = resent->forked ? resent->fork.session.text : "";
    text_add_member_or_null(&request->op.answer, "fork", bytes_of(fork));
    text_add_char(&request->op.answer, '}');
    return err;
}

static struct err resend_abandon(struct tx *tx, void *ctx) {
    const struct resend_op *resend = ctx;
    return tx_session_fork_abandon(tx, &resend->what.fork);
}

/* A fork that cannot be cleared away now is, at the next start. */
static void resend_abandoned(struct err result, void *ctx) {
    struct resend_op *resend = ctx;
    request_answer(&resend->request, resend->err);
}

static enum request_next resend_done(void *ctx, struct err *io_result) {
    struct resend_op *resend = ctx;
    const struct request *request = &resend->request;
    bool begun = resend->what.fork.until != 0;
    if (begun && (err_failed(*io_result) || request->replayed)) {
        resend->err = *io_result;
        store_write(request->store, resend_abandon, resend_abandoned, resend);
        return REQUEST_LATER;
    }
    if (!err_failed(*io_result) && request->more) {
        resend->what.fork = resend->resent.fork;
    }
    return REQUEST_ANSWER;
}

static void resend_end(void *ctx, struct err result) {
    const struct resend_op *resend = ctx;
    if (!err_failed(result) && !resend->request.replayed) {
        purge_begin(resend->request.store, resend->resent.session);
    }
}

static const struct request_kind resend = {
    .size = sizeof(struct resend_op),
    .writes = true,
    .one = &messages__kind,
    .fields = &resend_fields,
    .later = true,
    .start = resend_start,
    .work = resend_work,
    .done = resend_done,
    .end = resend_end,
};

/* --- The timeline ----------------------------------------------------------------------------- */

static struct err timeline_row(void *ctx, const struct timeline_turn *turn) {
    struct page *page = ctx;
    if (page_row_number(page, turn->number,
                        page_is(page, "state", bytes_of(run_state_name(turn->run.state))))) {
        fields_write(&timeline_fields, FIELD_LISTED, turn, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err timeline_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct session_row session;
    int64_t last = 0;
    TRY(request_session(tx, &page->request, &session));
    const struct timeline_page what = {.session = session.id,
                                       .before = part->from,
                                       .limit = part->limit,
                                       .hold = run_bounds_hold(&page->request.bounds)};
    struct err err = tx_turn_timeline(tx, &what, timeline_row, page, &last);
    if (!err_failed(err) && last != 0) {
        page_looked_number(page, last);
    }
    return err;
}

static const struct page_kind timeline = {.request = {.one = &session_one}, .rows = timeline_rows};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param say_query[] = {
    OP_OWNER_PARAM("Another owner's session"),
    {QUERY("wait", QUERY_INT, "Seconds to wait for the end of the turn, whose text is answered."),
     .min = 0, .max = TURNS_WAIT_MAX_S},
    {.name = NULL},
};

static const struct query_param runs_query[] = {
    PAGE_PARAMS(PAGE_NUMBER),
    OP_OWNER_PARAM("Another owner's session"),
    PAGE_STATE_PARAM(PAGE_RUN_STATES),
    {.name = NULL},
};

static const char say_answer[] =
    "{\"type\":\"object\",\"required\":[\"message\",\"run\",\"state\",\"decision\"],\"properties\":"
    "{\"message\":" TEXT_SCHEMA ",\"run\":" TEXT_SCHEMA ",\"state\":" TEXT_SCHEMA
    ",\"decision\":{\"enum\":[\"queued\",\"interrupted\",\"rolled_back\",\"joined\"]},"
    "\"repeated\":" BOOL_SCHEMA
    ",\"undone\":{\"type\":[\"array\",\"null\"]},\"cause\":" TEXT_OR_NULL ",\"text\":" TEXT_OR_NULL
    "}}";
static const char send_now_answer[] =
    "{\"type\":\"object\",\"required\":[\"message\",\"run\",\"decision\",\"state\"],\"properties\":"
    "{\"message\":" TEXT_SCHEMA ",\"run\":" TEXT_SCHEMA
    ",\"decision\":{\"enum\":[\"queued\",\"interrupted\"]},\"state\":" TEXT_SCHEMA "}}";
static const char run_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"state\"],\"properties\":{\"id\":" TEXT_SCHEMA
    ",\"state\":" TEXT_SCHEMA "}}";

static const char again_answer[] =
    "{\"type\":\"object\",\"required\":[\"message\",\"run\",\"state\"],\"properties\":{"
    "\"message\":" TEXT_SCHEMA ",\"run\":" TEXT_SCHEMA ",\"state\":" TEXT_SCHEMA "}}";

static const char clear_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"cleared_ms\"],\"properties\":{\"id\":" TEXT_SCHEMA
    ",\"cleared_ms\":" INT_SCHEMA "}}";
static const char resend_answer[] =
    "{\"type\":\"object\",\"required\":[\"message\",\"run\",\"state\",\"fork\"],\"properties\":{"
    "\"message\":" TEXT_SCHEMA ",\"run\":" TEXT_SCHEMA ",\"state\":" TEXT_SCHEMA
    ",\"fork\":" TEXT_OR_NULL "}}";
static const char chosen_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"active\"],\"properties\":{\"id\":" TEXT_SCHEMA
    ",\"active\":" BOOL_SCHEMA "}}";

const struct route turns_routes[] = {
    {ROUTE("POST", "/api/v1/sessions/{id}/messages", SCOPE_RUN,
           "Send a message to a session; a turn answers it"),
     .inside = INSIDE_BELOW, .begins_run = true, .has_body = true, .body_max = (size_t)2 << 20,
     .query = say_query, .body = {.fields = &turns__say_fields, .use = FIELD_GIVEN},
     .answer_schema = say_answer, .answer_status = 201, .request = &turns__say},
    {ROUTE("POST", "/api/v1/sessions/{id}/stop", SCOPE_RUN,
           "Stop the running turn; its text remains"),
     .inside = INSIDE_BELOW, .query = SESSION_QUERY, .answer_schema = run_answer, .request = &stop},
    {ROUTE("GET", "/api/v1/sessions/{id}/timeline", SCOPE_READ,
           "List the turns of a session, newest first: times, calls, usage, files"),
     .query = runs_query, .answer = {.fields = &timeline_fields, .use = FIELD_LISTED, .page = true},
     .page = &timeline},
    {ROUTE("GET", "/api/v1/sessions/{id}/background", SCOPE_READ,
           "List what a session has in the background: jobs, workflows, subagents"),
     .query = runs_query,
     .answer =
         {.fields = &run_fields, .use = FIELD_LISTED, .more = &background_fields, .page = true},
     .page = &turns__background},
    {ROUTE("POST", "/api/v1/sessions/{id}/compact", SCOPE_RUN,
           "Summarise what was said, for the model; the messages stay"),
     .inside = INSIDE_BELOW, .query = SESSION_QUERY, .answer_schema = run_answer,
     .answer_status = 202, .request = &compact},
    {ROUTE("POST", "/api/v1/sessions/{id}/clear", SCOPE_RUN,
           "Remove all messages of a session; a running answer is discarded"),
     .inside = INSIDE_BELOW, .query = SESSION_QUERY, .answer_schema = clear_answer,
     .request = &clear},
    {ROUTE("POST", "/api/v1/messages/{id}/resend", SCOPE_RUN,
           "Send a message again, with another text or the same; what follows it goes to a fork"),
     .inside = INSIDE_BELOW, .begins_run = true, .query = SESSION_QUERY, .has_body = true,
     .body_optional = true, .body_max = (size_t)2 << 20, .idempotent_key = true,
     .body = {.fields = &resend_fields, .use = FIELD_GIVEN}, .answer_schema = resend_answer,
     .answer_status = 201, .request = &resend},
    {ROUTE("POST", "/api/v1/messages/{id}/send_now", SCOPE_RUN,
           "Send a queued message before the others; a running turn is interrupted"),
     .inside = INSIDE_BELOW, .query = SESSION_QUERY, .answer_schema = send_now_answer,
     .request = &send_now},
    {ROUTE("POST", "/api/v1/messages/{id}/choose", SCOPE_RUN,
           "Make an earlier answer the active one"),
     .inside = INSIDE_BELOW, .query = SESSION_QUERY, .answer_schema = chosen_answer,
     .request = &choose},
    {ROUTE("POST", "/api/v1/messages/{id}/regenerate", SCOPE_RUN,
           "Ask for the last answer again; the new one is a variant of it"),
     .inside = INSIDE_BELOW, .begins_run = true, .query = SESSION_QUERY, .idempotent_key = true,
     .answer_schema = again_answer, .answer_status = 201, .request = &again},
    {.method = NULL},
};
