/* turns.c: a message to a session. The answer means that it is on disk, and will be answered. */
#include "api/turns.h"

#include <string.h>

#include "api/one.h"
#include "api/op.h"
#include "base/json.h"
#include "base/memory.h"
#include "engine/messages.h"
#include "engine/turns.h"

enum { QUERY_OWNER };

static const struct one_kind of_session = {.prefix = "ses",
                                           .absent = "there is no session with that id"};

/* --- A message -------------------------------------------------------------------------------- */

struct say_op {
    struct op op;
    struct turns_api *api;
    struct turn_message message; /* Its texts are borrowed from the exchange, and from below. */
    struct default_model model;
};

static void add(struct text *text, const char *name, struct bytes value) {
    text_add_str(text, name);
    text_add_json(text, value.data, value.len);
}

static void write_accepted(const struct turn_accepted *accepted, struct text *text) {
    static const char *const words[] = {[TURN_DECIDE_QUEUE] = "queued",
                                        [TURN_DECIDE_REFUSE] = "refused",
                                        [TURN_DECIDE_STOP] = "interrupted",
                                        [TURN_DECIDE_UNDO] = "rolled_back",
                                        [TURN_DECIDE_JOIN] = "joined"};
    const char *state = run_state_name(accepted->run.state);
    add(text, "{\"message\":", accepted->message);
    add(text, ",\"run\":", accepted->run.run);
    add(text, ",\"state\":", (struct bytes){state, strlen(state)});
    text_add_str(text, ",\"decision\":\"");
    text_add_str(text, words[accepted->decision]);
    text_add_str(text, accepted->repeated ? "\",\"repeated\":true" : "\",\"repeated\":false");
    text_add_str(text, ",\"undone\":");
    if (accepted->undone.len > 0) {
        text_add(text, accepted->undone.data, accepted->undone.len);
    } else {
        text_add_str(text, "null");
    }
    text_add_char(text, '}');
}

static struct err say_run(struct tx *tx, void *ctx) {
    struct say_op *say = ctx;
    struct turn_accepted accepted;
    op_restart(&say->op);
    struct err err = tx_turn_submit(tx, &say->message, &accepted, &say->op.why);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&of_session, &say->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    write_accepted(&accepted, &say->op.answer);
    return op_written(&say->op);
}

static void say_done(struct err result, void *ctx) {
    struct say_op *say = ctx;
    op_answer(&say->op, result);
    mem_free(say);
}

static struct bytes bytes_of(const char *text) {
    return text == NULL ? (struct bytes){"", 0} : (struct bytes){text, strlen(text)};
}

static struct err read_body(const struct exchange *exchange, struct turn_message *message,
                            struct why *why) {
    const char *text = NULL, *client = NULL, *policy = NULL, *model = NULL;
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
    message->text = bytes_of(text);
    message->client = bytes_of(client);
    message->model = bytes_of(model);
    if (policy != NULL && !turn_policy_find(bytes_of(policy), &message->policy)) {
        why_set(why, "policy: one of enqueue, reject, interrupt, rollback, steer");
        return err_make(ERR_BAD_FIELD, "turns: policy");
    }
    return ERR_OK;
}

static struct id new_id(const struct turns_api *api, const char *prefix) {
    const struct world *world = loop_world(api->loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make(prefix, world_wall_ms(world), random);
}

static void say(struct exchange *exchange, void *ctx) {
    struct turns_api *api = ctx;
    struct why why = {.text = ""};
    struct one_key key;
    if (!one_read(exchange, &of_session, QUERY_OWNER, &key)) {
        return;
    }
    struct turn_message message = {.session = {.owner = key.owner, .session = key.id},
                                   .policy = TURN_ENQUEUE,
                                   .run = new_id(api, "run"),
                                   .message = new_id(api, "msg"),
                                   .answer = new_id(api, "msg"),
                                   .bounds = dispatch_bounds(api->dispatch)};
    struct err err = read_body(exchange, &message, &why);
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    struct say_op *op = mem_new(sizeof *op);
    op_init(&op->op, exchange, 201);
    op->api = api;
    op->message = message;
    connections_default_model(api->connections, &op->model);
    op->message.model_default = bytes_of(op->model.name);
    store_write(api->store, say_run, say_done, op);
}

/* --- A stop ----------------------------------------------------------------------------------- */

struct stop_op {
    struct op op;
    struct turns_api *api;
    struct session_key key; /* Borrowed from the exchange. */
    struct run_bounds bounds;
    char run[ID_SIZE]; /* Of the turn that an earlier link has asked. */
    bool more;
};

static struct err find_turn(struct tx *tx, struct stop_op *stop, struct bytes *ret_run) {
    struct session_row session;
    bool found = false;
    struct err err = tx_session_find(tx, &stop->key, &found, &session);
    if (!err_failed(err) && !found) {
        return one_absent(&of_session, &stop->op.why);
    }
    if (!err_failed(err)) {
        err = tx_session_turn(tx, session.id, ret_run);
    }
    if (!err_failed(err) && ret_run->len == 0) {
        why_set(&stop->op.why, "no turn is going on in this session");
        return err_make(ERR_CONFLICT, "turns: stop");
    }
    return err;
}

static struct err stop_run(struct tx *tx, void *ctx) {
    struct stop_op *stop = ctx;
    struct run_row row;
    struct run_stop what = {.key = {.owner = stop->key.owner, .run = bytes_of(stop->run)},
                            .cause = CAUSE_STOPPED,
                            .grace_ms = RUN_STOP_GRACE_MS,
                            .bounds = stop->bounds};
    op_restart(&stop->op);
    stop->more = false;
    struct err err = stop->run[0] != '\0' ? ERR_OK : find_turn(tx, stop, &what.key.run);
    if (!err_failed(err)) {
        err = tx_run_stop(tx, &what, &stop->more, &row);
    }
    if (err_failed(err)) {
        return err;
    }
    run_write_json(&row, RUN_LIGHT, &stop->op.answer);
    memcpy(stop->run, row.run.data, row.run.len);
    return op_written(&stop->op);
}

static void stop_done(struct err result, void *ctx) {
    struct stop_op *stop = ctx;
    if (!err_failed(result) && stop->more) {
        store_write(stop->api->store, stop_run, stop_done, stop);
        return;
    }
    op_answer(&stop->op, result);
    mem_free(stop);
}

static void stop(struct exchange *exchange, void *ctx) {
    struct turns_api *api = ctx;
    struct one_key key;
    if (!one_read(exchange, &of_session, QUERY_OWNER, &key)) {
        return;
    }
    struct stop_op *op = mem_new(sizeof *op);
    op_init(&op->op, exchange, 200);
    op->api = api;
    op->key = (struct session_key){.owner = key.owner, .session = key.id};
    op->bounds = dispatch_bounds(api->dispatch);
    store_write(api->store, stop_run, stop_done, op);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param one_query[] = {
    [QUERY_OWNER] = {.name = "owner",
                     .about = "Another owner's session (scope admin).",
                     .kind = QUERY_TEXT,
                     .max = 64},
    {.name = NULL},
};

static const char say_body[] =
    "{\"type\":\"object\",\"required\":[\"text\"],\"additionalProperties\":false,\"properties\":{"
    "\"text\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1048576},"
    "\"client_id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":100},"
    "\"policy\":{\"enum\":[\"enqueue\",\"reject\",\"interrupt\",\"rollback\",\"steer\"]},"
    "\"model\":{\"type\":\"string\"}}}";
static const char say_answer[] =
    "{\"type\":\"object\",\"required\":[\"message\",\"run\",\"state\",\"decision\"],\"properties\":"
    "{"
    "\"message\":{\"type\":\"string\"},\"run\":{\"type\":\"string\"},\"state\":{\"type\":"
    "\"string\"},\"decision\":{\"enum\":[\"queued\",\"interrupted\",\"rolled_back\",\"joined\"]},"
    "\"repeated\":{\"type\":\"boolean\"},\"undone\":{\"type\":[\"array\",\"null\"]}}}";
static const char run_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"state\"],\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"state\":{\"type\":\"string\"}}}";

static const struct route routes[] = {
    {.method = "POST",
     .path = "/api/v1/sessions/{id}/messages",
     .summary = "Say something in a session; a turn answers it",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body_max = (size_t)2 << 20,
     .query = one_query,
     .body_schema = say_body,
     .answer_schema = say_answer,
     .answer_status = 201,
     .handle = say},
    {.method = "POST",
     .path = "/api/v1/sessions/{id}/stop",
     .summary = "Stop the turn that is going on; what it said stays",
     .scope = SCOPE_RUN,
     .query = one_query,
     .answer_schema = run_answer,
     .answer_status = 200,
     .handle = stop},
};

struct route_table turns_table(struct turns_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
