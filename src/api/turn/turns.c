/* turns.c: what is asked of a session's turns. A message is in turns_say.c. */
#include "api/turn/turns.h"

#include <string.h>

#include "api/base/one.h"
#include "api/base/op.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/session/messages.h"
#include "engine/turn/turns.h"

const struct one_kind turns__session = {.prefix = "ses",
                                        .absent = "there is no session with that id"};

struct id turns__new_id(const struct turns_api *api, const char *prefix) {
    const struct world *world = loop_world(api->loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make(prefix, world_wall_ms(world), random);
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
        return one_absent(&turns__session, &stop->op.why);
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
    if (!err_failed(err)) {
        err = tx_run_away_mark(tx, &stop->bounds, &row);
    }
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, &row, &stop->bounds, &stop->op.answer);
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
    if (!one_read(exchange, &turns__session, TURNS_OWNER, &key)) {
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

static const struct query_param say_query[] = {
    [TURNS_OWNER] = OP_OWNER_PARAM("Another owner's session"),
    [TURNS_WAIT] = {.name = "wait",
                    .about = "Seconds to wait for the end of the turn, whose text is answered.",
                    .kind = QUERY_INT,
                    .min = 0,
                    .max = TURNS_WAIT_MAX_S},
    {.name = NULL},
};

static const struct query_param one_query[] = {
    [TURNS_OWNER] = OP_OWNER_PARAM("Another owner's session"),
    {.name = NULL},
};

static const char say_body[] =
    "{\"type\":\"object\",\"required\":[\"text\"],\"additionalProperties\":false,\"properties\":{"
    "\"text\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1048576},"
    "\"client_id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":100},"
    "\"attachments\":{\"type\":\"array\",\"maxItems\":16,\"items\":{\"type\":\"string\"}},"
    "\"schema\":{\"type\":\"object\"},"
    "\"policy\":{\"enum\":[\"enqueue\",\"reject\",\"interrupt\",\"rollback\",\"steer\"]},"
    "\"model\":{\"type\":\"string\"}}}";
static const char say_answer[] =
    "{\"type\":\"object\",\"required\":[\"message\",\"run\",\"state\",\"decision\"],\"properties\":"
    "{"
    "\"message\":{\"type\":\"string\"},\"run\":{\"type\":\"string\"},\"state\":{\"type\":"
    "\"string\"},\"decision\":{\"enum\":[\"queued\",\"interrupted\",\"rolled_back\",\"joined\"]},"
    "\"repeated\":{\"type\":\"boolean\"},\"undone\":{\"type\":[\"array\",\"null\"]},"
    "\"cause\":{\"type\":[\"string\",\"null\"]},\"text\":{\"type\":[\"string\",\"null\"]}}}";
static const char run_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"state\"],\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"state\":{\"type\":\"string\"}}}";

static const char again_answer[] =
    "{\"type\":\"object\",\"required\":[\"message\",\"run\",\"state\"],\"properties\":{"
    "\"message\":{\"type\":\"string\"},\"run\":{\"type\":\"string\"},\"state\":{\"type\":"
    "\"string\"}}}";

static const char clear_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"cleared_ms\"],\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"cleared_ms\":{\"type\":\"integer\"}}}";
static const char resend_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"text\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1048576}}}";
static const char resend_answer[] =
    "{\"type\":\"object\",\"required\":[\"message\",\"run\",\"state\",\"fork\"],"
    "\"properties\":{\"message\":{\"type\":\"string\"},\"run\":{\"type\":\"string\"},"
    "\"state\":{\"type\":\"string\"},\"fork\":{\"type\":[\"string\",\"null\"]}}}";
static const char chosen_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"active\"],\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"active\":{\"type\":\"boolean\"}}}";

static const struct route routes[] = {
    {.method = "POST",
     .path = "/api/v1/sessions/{id}/messages",
     .summary = "Say something in a session; a turn answers it",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body_max = (size_t)2 << 20,
     .query = say_query,
     .body_schema = say_body,
     .answer_schema = say_answer,
     .answer_status = 201,
     .handle = turns__say},
    {.method = "POST",
     .path = "/api/v1/sessions/{id}/stop",
     .summary = "Stop the turn that is going on; what it said stays",
     .scope = SCOPE_RUN,
     .query = one_query,
     .answer_schema = run_answer,
     .answer_status = 200,
     .handle = stop},
    {.method = "POST",
     .path = "/api/v1/sessions/{id}/compact",
     .summary = "Summarise what was said, for the model; the messages stay",
     .scope = SCOPE_RUN,
     .query = one_query,
     .answer_schema = run_answer,
     .answer_status = 202,
     .handle = turns__compact},
    {.method = "POST",
     .path = "/api/v1/sessions/{id}/clear",
     .summary = "Take all messages out of a session; what its turn says is discarded",
     .scope = SCOPE_RUN,
     .query = one_query,
     .answer_schema = clear_answer,
     .answer_status = 200,
     .handle = turns__clear},
    {.method = "POST",
     .path = "/api/v1/messages/{id}/resend",
     .summary =
         "Say a message again, with another text or the same; what is behind it goes to a fork",
     .scope = SCOPE_RUN,
     .query = one_query,
     .has_body = true,
     .body_optional = true,
     .body_max = (size_t)2 << 20,
     .idempotent_key = true,
     .body_schema = resend_body,
     .answer_schema = resend_answer,
     .answer_status = 201,
     .handle = turns__resend},
    {.method = "POST",
     .path = "/api/v1/messages/{id}/choose",
     .summary = "Make an earlier answer the one that is in prompts",
     .scope = SCOPE_RUN,
     .query = one_query,
     .answer_schema = chosen_answer,
     .answer_status = 200,
     .handle = turns__choose},
    {.method = "POST",
     .path = "/api/v1/messages/{id}/regenerate",
     .summary = "Ask for the last answer again; the new one is a variant of it",
     .scope = SCOPE_RUN,
     .query = one_query,
     .idempotent_key = true,
     .answer_schema = again_answer,
     .answer_status = 201,
     .handle = turns__again},
};

struct route_table turns_table(struct turns_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
