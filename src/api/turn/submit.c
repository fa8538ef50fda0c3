/* submit.c: a message to a session. The answer means that it is on disk, and will be answered;
 * with ?wait= it is the turn's own, where that ends in time. A wait that ends early costs nothing:
 * the turn goes on, and its text is in the session.
 */
#include <stdio.h>
#include <string.h>

#include "api/base/one.h"
#include "api/base/op.h"
#include "api/turn/turns.h"
#include "base/json/json.h"
#include "base/json/schema.h"
#include "base/memory.h"
#include "engine/session/messages.h"
#include "engine/turn/reply.h"
#include "engine/turn/turns.h"

/* --- A message -------------------------------------------------------------------------------- */

enum { HEAD_MAX = 4 << 20 };

struct say_op {
    struct op op;
    struct turns_api *api;
    struct turn_message message; /* Its texts are borrowed from the exchange, and from below. */
    struct default_model model;
    struct text schema; /* Owned. */
    struct text head;   /* Owned: of the answer, what was decided when the message came. */
    char run[ID_SIZE];  /* Of the turn. */
    char stream[sizeof "session:" + ID_SIZE];
    uint64_t until_ns; /* The wait is over then; 0: there is none. */
    int64_t seq;       /* What the stream had when the turn was looked at. */
    bool ended, waiting, no_wait;
    struct hub_watch watch;
    struct timer timer;
};

static void add(struct text *text, const char *name, struct bytes value) {
    text_add_str(text, name);
    text_add_json(text, value.data, value.len);
}

static void write_head(const struct turn_accepted *accepted, struct text *text) {
    add(text, "{\"message\":", accepted->message);
    add(text, ",\"run\":", accepted->run.run);
    text_add_str(text, ",\"decision\":\"");
    text_add_str(text, turn_decision_name(accepted->decision));
    text_add_str(text, accepted->repeated ? "\",\"repeated\":true" : "\",\"repeated\":false");
    text_add_str(text, ",\"undone\":");
    if (accepted->undone.len > 0) {
        text_add(text, accepted->undone.data, accepted->undone.len);
    } else {
        text_add_str(text, "null");
    }
}

/* `said` data NULL: it has not ended. */
static void write_answer(const struct tx *tx, struct say_op *say, const struct run_row *row,
                         struct bytes said) {
    struct text *text = &say->op.answer;
    struct run_row shown = *row, *run = &shown;
    run_shown(run, tx_epoch(tx), run_bounds_hold(&say->message.bounds));
    text_add(text, say->head.data, say->head.len);
    add(text, ",\"state\":", bytes_of(run_state_name(run->state)));
    if (run->cause == CAUSE_NONE) {
        text_add_str(text, ",\"cause\":null");
    } else {
        add(text, ",\"cause\":", bytes_of(run_cause_name(run->cause)));
    }
    if (said.data == NULL) {
        text_add_str(text, ",\"text\":null}");
    } else {
        add(text, ",\"text\":", said);
        text_add_char(text, '}');
    }
}

static struct err say_run(struct tx *tx, void *ctx) {
    struct say_op *say = ctx;
    struct turn_accepted accepted;
    op_restart(&say->op);
    text_clear(&say->head);
    struct err err = tx_turn_submit(tx, &say->message, &accepted, &say->op.why);
    err = op_name_turn(tx, &say->message.session, err, &say->op);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&turns__session, &say->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    write_head(&accepted, &say->head);
    if (text_failed(&say->head)) {
        return text_error(&say->head, "turns: answer");
    }
    write_answer(tx, say, &accepted.run, (struct bytes){NULL, 0});
    memcpy(say->run, accepted.run.run.data, accepted.run.run.len);
    return op_written(&say->op);
}

static void say_end(struct say_op *say, struct err result) {
    hub_watch_stop(&say->watch);
    timer_stop(say->api->loop, &say->timer);
    op_answer(&say->op, result);
    text_done(&say->head);
    text_done(&say->schema);
    mem_free(say);
}

/* --- The wait --------------------------------------------------------------------------------- */

/*            ┌────────────────────────────────┐
 *            v                                │ the session's stream goes on
 *   said ─> LOOKING ── not ended, time left ──> WAITING ── time is up, drain, client gone ─┐
 *            └── ended, error, or no time left ──> answered <──────────────────────────────┘
 */
static void look(struct say_op *say);

static struct err look_run(struct tx *tx, void *ctx) {
    struct say_op *say = ctx;
    struct turn_reply reply;
    op_restart(&say->op);
    const struct session_key *session = &say->message.session;
    struct err err = tx_turn_reply(tx, session, bytes_of(say->run), &reply);
    if (err_failed(err)) {
        why_set(&say->op.why, "the session was deleted while its turn ran");
        return err;
    }
    say->seq = reply.seq;
    say->ended = run_state_final(reply.run.state);
    write_answer(tx, say, &reply.run, reply.text);
    return op_written(&say->op);
}

static void on_news(struct hub_watch *watch, struct err result) {
    struct say_op *say = CONTAINER_OF(watch, struct say_op, watch);
    say->waiting = false;
    timer_stop(say->api->loop, &say->timer);
    if (err_failed(result)) {
        say_end(say, result);
    } else {
        look(say);
    }
}

static void on_time(struct timer *timer) {
    say_end(CONTAINER_OF(timer, struct say_op, timer), ERR_OK); /* As it was seen last. */
}

static void on_cut(struct exchange *exchange, void *ctx) {
    struct say_op *say = ctx;
    say->no_wait = true;
    if (say->waiting) {
        say_end(say, ERR_OK);
    }
}

static void look_done(struct err result, void *ctx) {
    struct say_op *say = ctx;
    uint64_t now_ns = world_mono_ns(loop_world(say->api->loop));
    if (err_failed(result) || say->ended || say->no_wait || now_ns >= say->until_ns) {
        say_end(say, result);
        return;
    }
    say->waiting = true;
    const struct hub_subscribe what = {
        .owner = say->message.session.owner, .name = bytes_of(say->stream), .after = say->seq};
    timer_start(say->api->loop, &say->timer, (say->until_ns - now_ns) / 1000000 + 1, on_time);
    hub_watch_start(say->api->hub, &what, &say->watch, on_news);
}

static void look(struct say_op *say) {
    store_read(say->api->store, look_run, look_done, say);
}

static void say_done(struct err result, void *ctx) {
    struct say_op *say = ctx;
    if (!err_failed(result) && say->until_ns > 0 && !say->no_wait) {
        look(say);
    } else {
        say_end(say, result);
    }
}

/* --- The request ------------------------------------------------------------------------------ */

/* What does not compile here would fail every answer. */
static struct err read_schema(const json_t *json, struct text *ret_schema, struct why *why) {
    AUTO(json_schema_release) struct json_schema *schema = NULL;
    struct why inner = {""};
    text_init(ret_schema, TURN_SCHEMA_MAX);
    struct err err = json_is_object(json) ? json_schema_compile(json, &schema, &inner)
                                          : err_make(ERR_BAD_FIELD, "turns: schema");
    if (err_failed(err)) {
        why_set(why, "schema: %s", inner.text[0] != '\0' ? inner.text : "it must be an object");
        return err;
    }
    err = json_write(json, ret_schema);
    if (err_failed(err)) {
        why_set(why, "schema: it is longer than %d bytes", TURN_SCHEMA_MAX);
        return err_make(ERR_BAD_FIELD, "turns: schema");
    }
    return ERR_OK;
}

static struct err read_body(const struct exchange *exchange, struct turn_message *message,
                            struct text *ret_schema, struct why *why) {
    const char *text = NULL, *client = NULL, *policy = NULL, *model = NULL;
    json_t *attachments = NULL, *schema = NULL;
    const struct json_field fields[] = {
        {.name = "text",
         .kind = JSON_KIND_TEXT,
         .required = true,
         .min = 1,
         .max = TURN_TEXT_MAX,
         .text = &text},
        {.name = "client_id",
         .kind = JSON_KIND_TEXT,
         .min = 1,
         .max = MESSAGE_CLIENT_ID_MAX,
         .text = &client},
        {.name = "policy", .kind = JSON_KIND_TEXT, .text = &policy},
        {.name = "schema", .kind = JSON_KIND_ANY, .value = &schema},
        {.name = "attachments",
         .kind = JSON_KIND_TEXTS,
         .max = TURN_IMAGES_MAX,
         .value = &attachments},
        {.name = "model",
         .kind = JSON_KIND_TEXT,
         .min = 3,
         .max = SESSION_MODEL_MAX,
         .text = &model},
    };
    struct err err = json_read_fields(exchange_json(exchange), fields, COUNT_OF(fields), why);
    if (err_failed(err)) {
        return err;
    }
    err = schema != NULL ? read_schema(schema, ret_schema, why) : ERR_OK;
    if (err_failed(err)) {
        return err;
    }
    message->schema = (struct bytes){ret_schema->data, ret_schema->len};
    message->text = bytes_of(text);
    message->client = bytes_of(client);
    message->model = bytes_of(model);
    for (size_t i = 0; i < json_array_size(attachments); i++) {
        const char *id = json_string_value(json_array_get(attachments, i));
        message->attachments[message->attachment_count++] = bytes_of(id);
    }
    if (policy != NULL && !turn_policy_find(bytes_of(policy), &message->policy)) {
        why_set(why, "policy: one of enqueue, reject, interrupt, rollback, steer");
        return err_make(ERR_BAD_FIELD, "turns: policy");
    }
    if (message->policy == TURN_STEER && schema != NULL) {
        why_set(why, "schema: a message that joins a running turn has no answer of its own");
        return err_make(ERR_BAD_FIELD, "turns: schema");
    }
    return ERR_OK;
}

/* --- Images ----------------------------------------------------------------------------------- */

struct seeing {
    struct say_op *say;
    char model[SESSION_MODEL_MAX + 1]; /* Of the session; "": none. */
};

static struct err seeing_run(struct tx *tx, void *ctx) {
    struct seeing *seeing = ctx;
    struct session_row session;
    bool found = false;
    struct err err = tx_session_find(tx, &seeing->say->message.session, &found, &session);
    if (!err_failed(err) && found && session.model.len < sizeof seeing->model) {
        memcpy(seeing->model, session.model.data, session.model.len);
        seeing->model[session.model.len] = '\0';
    }
    return err; /* One that is not there is refused with the message. */
}

/* Before anything is stored. A model that nobody knows enough about is shown what it was given. */
static void seeing_done(struct err result, void *ctx) {
    struct seeing *seeing = ctx;
    struct say_op *say = seeing->say;
    struct turn_message *message = &say->message;
    struct bytes model = message->model.len > 0     ? message->model
                         : seeing->model[0] != '\0' ? bytes_of(seeing->model)
                                                    : message->model_default;
    struct model_info info;
    const struct models *models = connections_models(say->api->connections);
    if (!err_failed(result) && models_info(models, model, &info) &&
        info.facts.vision == ABILITY_NO) {
        why_set(&say->op.why, "%.*s sees no images", (int)model.len, model.data);
        result = err_make(ERR_MODEL_WITHOUT_IMAGES, "turns: images");
    }
    mem_free(seeing);
    if (err_failed(result)) {
        say_end(say, result);
    } else {
        store_write(say->api->store, say_run, say_done, say);
    }
}

static void look_for_eyes(struct say_op *say) {
    struct seeing *seeing = mem_new(sizeof *seeing);
    seeing->say = say;
    store_read(say->api->store, seeing_run, seeing_done, seeing);
}

static void begin_wait(struct say_op *say, int64_t wait_s) {
    const struct bytes session = say->message.session.session;
    (void)snprintf(say->stream, sizeof say->stream, "session:%.*s", (int)session.len,
                   session.data); /* It fits. */
    say->until_ns = world_mono_ns(loop_world(say->api->loop)) + (uint64_t)wait_s * 1000000000U;
    exchange_on_gone(say->op.exchange, on_cut, say);
    exchange_on_drain(say->op.exchange, on_cut, say);
}

void turns__say(struct exchange *exchange, void *ctx) {
    struct turns_api *api = ctx;
    struct why why = {.text = ""};
    struct one_key key;
    if (!one_read(exchange, &turns__session, TURNS_OWNER, &key)) {
        return;
    }
    struct turn_message message = {.session = {.owner = key.owner, .session = key.id},
                                   .policy = TURN_ENQUEUE,
                                   .run = turns__new_id(api, "run"),
                                   .message = turns__new_id(api, "msg"),
                                   .answer = turns__new_id(api, "msg"),
                                   .bounds = dispatch_bounds(api->dispatch)};
    struct text schema = {0};
    struct err err = read_body(exchange, &message, &schema, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        text_done(&schema);
        return;
    }
    struct say_op *op = mem_new(sizeof *op);
    op_init(&op->op, exchange, 201);
    op->api = api;
    op->message = message;
    op->schema = schema;
    text_init(&op->head, HEAD_MAX);
    connections_default_model(api->connections, &op->model);
    op->message.model_default = bytes_of(op->model.name);
    int64_t wait_s = exchange_query_int(exchange, TURNS_WAIT);
    if (wait_s > 0) {
        begin_wait(op, wait_s);
    }
    if (message.attachment_count > 0) {
        look_for_eyes(op);
    } else {
        store_write(api->store, say_run, say_done, op);
    }
}
