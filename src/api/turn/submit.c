/* submit.c: a message to a session. The answer means that it is on disk, and will be answered;
 * with ?wait= it is the turn's own, where that ends in time. A wait that ends early costs nothing:
 * the turn goes on, and its text is in the session.
 */
#include <stdio.h>
#include <string.h>

#include "agent/program.h"
#include "api/session/sessions.h"
#include "api/turn/turns.h"
#include "base/json/json.h"
#include "base/json/schema.h"
#include "engine/turn/turns.h"
#include "engine/turn/view.h"

enum { HEAD_MAX = 4 << 20 };

struct say_op {
    struct request request;
    const char *policy; /* Member of the body; NULL: absent, as the next two. */
    json_t *attachments, *schema_given;
    struct turn_message message; /* Its texts are borrowed from the exchange, and from below. */
    struct default_model model;
    char session_model[SESSION_MODEL_MAX + 1]; /* Of a message with images; "": none. */
    struct text schema;                        /* Owned. */
    struct text head;  /* Owned: of the answer, what was decided when the message came. */
    char run[ID_SIZE]; /* Of the turn. */
    struct id process; /* Program that the message goes to at once; "": none. */
    char stream[sizeof "session:" + ID_SIZE];
    uint64_t until_ns; /* The wait is over then; 0: there is none. */
    int64_t seq;       /* What the stream had when the turn was looked at. */
    bool ended, waiting, no_wait;
    struct hub_watch watch;
    struct timer timer;
};

/* --- The body --------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct say_op, member)
static const struct field say_rows[] = {
    {FIELD("text", FIELD_TEXT, AT(message.text)), .required = true, .min = 1, .max = TURN_TEXT_MAX},
    {FIELD("client_id", FIELD_TEXT, AT(message.client)), .min = 1, .max = MESSAGE_CLIENT_ID_MAX},
    {FIELD("policy", FIELD_CHARS, AT(policy)),
     .schema = "{\"enum\":[\"enqueue\",\"reject\",\"interrupt\",\"rollback\",\"steer\"]}"},
    {FIELD("schema", FIELD_JSON, AT(schema_given)), .schema = "{\"type\":\"object\"}"},
    {FIELD("attachments", FIELD_TEXTS, AT(attachments)), .max = TURN_IMAGES_MAX},
    {FIELD("model", FIELD_TEXT, AT(message.model)), .min = 3, .max = SESSION_MODEL_MAX},
};
const struct field_set turns__say_fields = {FIELD_ROWS(say_rows), .use = FIELD_GIVEN};

/* A schema that does not compile would fail every answer. */
static struct err schema_read(const json_t *json, struct text *ret_schema, struct why *why) {
    AUTO(json_schema_release) struct json_schema *schema = NULL;
    struct why inner = {""};
    struct err err = json_is_object(json) ? json_schema_compile(json, &schema, &inner)
                                          : err_make(ERR_BAD_FIELD, "turns: schema");
    if (!err_failed(err) && json_schema_is_void(schema, &inner)) {
        err = err_make(ERR_BAD_FIELD, "turns: schema"); /* No answer would ever fit. */
    }
    if (err_failed(err)) {
        why_set(why, "schema: %s", inner.text[0] != '\0' ? inner.text : "it must be an object");
        return err;
    }
    err = json_write(json, ret_schema);
    if (err_failed(err)) {
        return err_why(why, ERR_BAD_FIELD, "schema: it is longer than %d bytes", TURN_SCHEMA_MAX);
    }
    return ERR_OK;
}

static struct err say_read(void *ctx) {
    struct say_op *say = ctx;
    struct turn_message *message = &say->message;
    struct why *why = &say->request.op.why;
    request_text(&say->request, &say->schema, TURN_SCHEMA_MAX);
    if (say->schema_given != NULL) {
        TRY(schema_read(say->schema_given, &say->schema, why));
    }
    message->schema = (struct bytes){say->schema.data, say->schema.len};
    message->client = message->client.data == NULL ? BYTES("") : message->client;
    message->model = message->model.data == NULL ? BYTES("") : message->model;
    for (size_t i = 0; i < json_array_size(say->attachments); i++) {
        const char *id = json_string_value(json_array_get(say->attachments, i));
        message->attachments[message->attachment_count++] = bytes_of(id);
    }
    message->policy = TURN_ENQUEUE;
    if (say->policy != NULL && !turn_policy_find(bytes_of(say->policy), &message->policy)) {
        return err_why(why, ERR_BAD_FIELD,
                       "policy: one of enqueue, reject, interrupt, rollback, steer");
    }
    if (message->policy == TURN_STEER && say->schema_given != NULL) {
        return err_why(why, ERR_BAD_FIELD,
                       "schema: a message that joins a running turn has no answer of its own");
    }
    return ERR_OK;
}

/* --- Images ----------------------------------------------------------------------------------- */

static struct err seeing_run(struct tx *tx, void *ctx) {
    struct say_op *say = ctx;
    struct session_row session;
    bool found = false;
    struct err err = tx_session_find(tx, &say->message.session, &found, &session);
    if (!err_failed(err) && found && session.model.len < sizeof say->session_model) {
        memcpy(say->session_model, session.model.data, session.model.len);
        say->session_model[session.model.len] = '\0';
    }
    return err; /* One that is not there is refused with the message. */
}

/* Before anything is stored. A model that nobody knows enough about is shown what it was given. */
static void seeing_done(struct err result, void *ctx) {
    struct say_op *say = ctx;
    const struct turns_api *api = say->request.api;
    const struct turn_message *message = &say->message;
    struct bytes model = message->model.len > 0          ? message->model
                         : say->session_model[0] != '\0' ? bytes_of(say->session_model)
                                                         : message->model_default;
    struct model_info info;
    if (!err_failed(result) && models_info(connections_models(api->connections), model, &info) &&
        info.facts.vision == ABILITY_NO) {
        why_set(&say->request.op.why, "the model %.*s does not accept images", (int)model.len,
                model.data);
        result = err_make(ERR_MODEL_WITHOUT_IMAGES, "turns: images");
    }
    request_go(&say->request, result);
}

/* --- The message ------------------------------------------------------------------------------ */

static void on_cut(struct exchange *exchange, void *ctx);

static void say_begin(void *ctx) {
    struct say_op *say = ctx;
    struct request *request = &say->request;
    const struct turns_api *api = request->api;
    struct turn_message *message = &say->message;
    int64_t wait_s = param_number(request->op.exchange, "wait");
    request_text(request, &say->head, HEAD_MAX);
    connections_default_model(api->connections, &say->model);
    message->model_default = bytes_of(say->model.name);
    message->places =
        (struct client_places){bytes_of(request_variable(request, "PATH")),
                               bytes_of(request_variable(request, "CLAUDE_CONFIG_DIR"))};
    message->session = sessions__key_of(request);
    message->run = request_new_id(request, "run");
    message->message = request_new_id(request, "msg");
    message->answer = request_new_id(request, "msg");
    message->bounds = request->bounds;
    message->line = program_message_line;
    if (wait_s > 0) {
        (void)snprintf(say->stream, sizeof say->stream, "session:%.*s", (int)request->key.id.len,
                       request->key.id.data); /* It fits. */
        say->until_ns = world_mono_ns(loop_world(request->loop)) + (uint64_t)wait_s * 1000000000U;
        exchange_on_gone(request->op.exchange, on_cut, say);
        exchange_on_drain(request->op.exchange, on_cut, say);
    }
    if (message->attachment_count > 0) {
        store_read(request->store, seeing_run, seeing_done, say);
    } else {
        request_go(request, ERR_OK);
    }
}

static struct err say_start(void *ctx) {
    const struct say_op *say = ctx;
    const struct turns_api *api = say->request.api;
    if (!connections_look(api->connections, say_begin, ctx)) {
        say_begin(ctx);
    }
    return ERR_OK;
}

/* `said` data NULL: it has not ended. */
static void answer_write(const struct tx *tx, struct say_op *say, const struct run_row *row,
                         struct bytes said) {
    struct text *text = &say->request.op.answer;
    struct run_row run = *row;
    run_shown(&run, tx_epoch(tx), run_bounds_hold(&say->message.bounds));
    text_add(text, say->head.data, say->head.len);
    text_add_member(text, "state", bytes_of(run_state_name(run.state)));
    text_add_member_or_null(text, "cause",
                            bytes_of(run.cause == CAUSE_NONE ? "" : run_cause_name(run.cause)));
    if (said.data == NULL) {
        text_add_str(text, ",\"text\":null}");
    } else {
        text_add_member(text, "text", said);
        text_add_char(text, '}');
    }
}

/* A program has the model that its session began with: another name would only be that under which
 * its usage is shown. */
static struct err model_check(struct tx *tx, struct say_op *say) {
    const struct bytes model = say->message.model;
    struct session_row session;
    bool found = false;
    struct err err =
        model.len == 0 ? ERR_OK : tx_session_find(tx, &say->message.session, &found, &session);
    if (err_failed(err) || !found || session.program.len == 0 ||
        bytes_equal(model, session.model)) {
        return err;
    }
    return err_why(&say->request.op.why, ERR_BAD_FIELD,
                   "model: a program answers in this session, and keeps the model that it began "
                   "with; begin another session");
}

static struct err say_work(struct tx *tx, void *ctx) {
    struct say_op *say = ctx;
    struct text *head = &say->head;
    struct turn_accepted accepted;
    text_clear(head);
    struct err err = model_check(tx, say);
    err =
        err_failed(err) ? err : tx_turn_submit(tx, &say->message, &accepted, &say->request.op.why);
    if (err_failed(err)) {
        return sessions__name_turn(tx, &say->request, err);
    }
    text_add_char(head, '{');
    text_add_member(head, "message", accepted.message);
    text_add_member(head, "run", accepted.run.run);
    text_add_member(head, "decision", bytes_of(turn_decision_name(accepted.decision)));
    text_add_member_bool(head, "repeated", accepted.repeated);
    text_add_name(head, "undone");
    struct bytes undone = accepted.undone.len > 0 ? accepted.undone : BYTES("null");
    text_add(head, undone.data, undone.len);
    if (text_failed(head)) {
        return text_error(head, "turns: answer");
    }
    answer_write(tx, say, &accepted.run, (struct bytes){NULL, 0});
    memcpy(say->run, accepted.run.run.data, accepted.run.run.len);
    say->process = id_copy(accepted.process);
    return ERR_OK;
}

/* --- The wait --------------------------------------------------------------------------------- */

/*            ┌────────────────────────────────┐
 *            v                                │ the session's stream goes on
 *   said ─> LOOKING ── not ended, time left ──> WAITING ── time is up, drain, client gone ─┐
 *            └── ended, error, or no time left ──> answered <──────────────────────────────┘
 */
static struct err look_run(struct tx *tx, void *ctx) {
    struct say_op *say = ctx;
    struct op *op = &say->request.op;
    struct turn_reply reply;
    op_restart(op);
    struct err err = tx_turn_reply(tx, &say->message.session, bytes_of(say->run), &reply);
    if (err_failed(err)) {
        why_set(&op->why, "the session was deleted while its turn ran");
        return err;
    }
    say->seq = reply.seq;
    say->ended = run_state_final(reply.run.state);
    answer_write(tx, say, &reply.run, reply.text);
    return op_written(op);
}

static void look_done(struct err result, void *ctx);

static void on_news(struct hub_watch *watch, struct err result) {
    struct say_op *say = CONTAINER_OF(watch, struct say_op, watch);
    say->waiting = false;
    timer_stop(say->request.loop, &say->timer);
    if (err_failed(result)) {
        request_answer(&say->request, result);
    } else {
        store_read(say->request.store, look_run, look_done, say);
    }
}

/* The answer is as it was seen last. */
static void on_time(struct timer *timer) {
    request_answer(&CONTAINER_OF(timer, struct say_op, timer)->request, ERR_OK);
}

static void on_cut(struct exchange *exchange, void *ctx) {
    struct say_op *say = ctx;
    say->no_wait = true;
    if (say->waiting) {
        request_answer(&say->request, ERR_OK);
    }
}

static void look_done(struct err result, void *ctx) {
    struct say_op *say = ctx;
    const struct turns_api *api = say->request.api;
    uint64_t now_ns = world_mono_ns(loop_world(say->request.loop));
    if (err_failed(result) || say->ended || say->no_wait || now_ns >= say->until_ns) {
        request_answer(&say->request, result);
        return;
    }
    say->waiting = true;
    const struct hub_subscribe what = {
        .owner = say->message.session.owner, .name = bytes_of(say->stream), .after = say->seq};
    timer_start(say->request.loop, &say->timer, (say->until_ns - now_ns) / 1000000 + 1, on_time);
    hub_watch_start(api->hub, &what, &say->watch, on_news);
}

static enum request_next say_done(void *ctx, struct err *io_result) {
    struct say_op *say = ctx;
    if (!err_failed(*io_result) && say->process.text[0] != '\0') {
        dispatch_input(say->request.dispatch, bytes_of(say->process.text));
    }
    if (err_failed(*io_result) || say->until_ns == 0 || say->no_wait) {
        return REQUEST_ANSWER;
    }
    store_read(say->request.store, look_run, look_done, say);
    return REQUEST_LATER;
}

static void say_end(void *ctx, struct err result) {
    struct say_op *say = ctx;
    hub_watch_stop(&say->watch);
    timer_stop(say->request.loop, &say->timer);
}

const struct request_kind turns__say = {
    .size = sizeof(struct say_op),
    .writes = true,
    .later = true,
    .one = &session_one,
    .fields = &turns__say_fields,
    .read = say_read,
    .start = say_start,
    .work = say_work,
    .done = say_done,
    .end = say_end,
};
