/* input.c: what a client types or pours into a job. The answer means that it is on disk; it is
 * sent to the process after that, and by offset, so that neither a repeated request nor a restart
 * doubles a byte.
 */
#include <string.h>

#include "api/base/op.h"
#include "api/run/runs.h"
#include "base/base64.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/base/idempotency.h"
#include "engine/job/input.h"

struct input_op {
    struct op op;
    struct loop_work work;
    struct err err;       /* Of the preparation. */
    struct runs_api *api; /* Borrowed. */
    struct run_bounds bounds;
    struct run_input input; /* Its texts are borrowed from the exchange and from `bytes`. */
    struct idempotency idempotency;
    bool replayed;
    struct text bytes; /* Owned. */
};

static void input_free(struct input_op *input) {
    text_done(&input->bytes);
    mem_free(input);
}

/* --- The transaction -------------------------------------------------------------------------- */

/* Input is sent by the daemon that follows the process. */
static struct err check_here(struct tx *tx, struct input_op *input) {
    bool found = false;
    struct run_row row = {0};
    struct err err = tx_run_find_shown(tx, &input->input.key, &found, &row);
    if (err_failed(err) || !found || !run_is_away(&row, &input->bounds)) {
        return err;
    }
    return tx_run_check_here(tx, &row, &input->bounds, &input->op.why);
}

static struct err input_work(struct tx *tx, struct input_op *input) {
    struct run_input_place place = {0};
    struct err err = input->bounds.hosts == RUN_HOSTS_SHARED ? check_here(tx, input) : ERR_OK;
    if (err_failed(err)) {
        return err;
    }
    err = tx_run_input(tx, &input->input, &place, &input->op.why);
    if (err.code == ERR_NOT_FOUND) {
        return runs__absent(&input->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    text_addf(&input->op.answer, "{\"offset\":%lld,\"next\":%lld}", (long long)place.offset,
              (long long)place.next);
    return op_written(&input->op);
}

static struct err input_once(struct tx *tx, struct input_op *input) {
    struct idempotency_answer kept = {0};
    bool found = false;
    struct err err = tx_idempotency_find(tx, &input->idempotency, &found, &kept);
    if (err_failed(err)) {
        return err;
    }
    input->replayed = found;
    if (found) {
        json_add_stored(&input->op.answer, kept.body);
        return ERR_OK;
    }
    err = input_work(tx, input);
    if (err_failed(err)) {
        return err;
    }
    kept.status = input->op.status;
    kept.body = (struct bytes){input->op.answer.data, input->op.answer.len};
    return tx_idempotency_keep(tx, &input->idempotency, &kept);
}

static struct err input_run(struct tx *tx, void *ctx) {
    struct input_op *input = ctx;
    op_restart(&input->op);
    input->replayed = false;
    return input->idempotency.key.len > 0 ? input_once(tx, input) : input_work(tx, input);
}

static void input_done(struct err result, void *ctx) {
    struct input_op *input = ctx;
    if (result.code == ERR_IDEMPOTENCY_MISMATCH) {
        why_set(&input->op.why, "Idempotency-Key: another request was sent with this key");
    }
    if (!err_failed(result) && input->replayed) {
        exchange_add_header(input->op.exchange, "Idempotent-Replay", "true");
    }
    if (!err_failed(result)) {
        dispatch_input(input->api->dispatch, input->input.key.run);
    }
    op_answer(&input->op, result);
    input_free(input);
}

/* --- The body --------------------------------------------------------------------------------- */

static struct err bytes_read(struct input_op *input, const json_t *text, const char *base64) {
    struct why *why = &input->op.why;
    if (text != NULL && base64 != NULL) {
        why_set(why, "\"text\" and \"base64\" exclude each other");
        return err_make(ERR_BAD_FIELD, "jobs: input");
    }
    if (text != NULL && !json_is_string(text)) {
        why_set(why, "\"text\" must be a string");
        return err_make(ERR_BAD_FIELD, "jobs: input");
    }
    bool good = true;
    if (base64 != NULL) {
        good = base64_add_decoded(&input->bytes, bytes_of(base64));
    } else if (text != NULL) {
        text_add(&input->bytes, json_string_value(text), json_string_length(text));
    }
    if (input->bytes.no_memory) {
        return err_make(ERR_OUT_OF_MEMORY, "jobs: input");
    }
    if (text_failed(&input->bytes)) {
        why_set(why, "at most %d bytes of input in one request", RUN_INPUT_PIECE_MAX);
        return err_make(ERR_BODY_TOO_LARGE, "jobs: input");
    }
    if (!good) {
        why_set(why, "\"base64\" is not base64 with padding");
        return err_make(ERR_BAD_FIELD, "jobs: input");
    }
    return ERR_OK;
}

static struct err body_read(struct input_op *input) {
    json_t *text = NULL;
    const char *base64 = NULL;
    bool end = false;
    const struct json_field fields[] = {
        {"text", JSON_KIND_ANY, .value = &text}, /* It may hold NUL. */
        {"base64", JSON_KIND_TEXT, .text = &base64},
        {"end", JSON_KIND_BOOL, .flag = &end},
    };
    struct err err = json_read_fields(exchange_json(input->op.exchange), fields, COUNT_OF(fields),
                                      &input->op.why);
    if (!err_failed(err)) {
        err = bytes_read(input, text, base64);
    }
    if (!err_failed(err) && input->bytes.len == 0 && !end) {
        why_set(&input->op.why, "\"text\", \"base64\" or \"end\" is missing: what shall be sent?");
        err = err_make(ERR_MISSING_FIELD, "jobs: input");
    }
    input->input.end = end ? RUN_INPUT_ENDS : RUN_INPUT_GOES_ON;
    input->input.bytes = (struct bytes){input->bytes.data, input->bytes.len};
    return err;
}

/* --- The request ------------------------------------------------------------------------------ */

/* An absent key is fine; a bad one is refused, since its owner counts on it. */
static struct err key_read(const struct exchange *exchange, struct input_op *input) {
    struct bytes key = {0};
    if (!exchange_header(exchange, "idempotency-key", &key)) {
        return ERR_OK;
    }
    if (!idempotency_key_valid(key)) {
        why_set(&input->op.why, "Idempotency-Key: 1 to %d printable ASCII characters",
                IDEMPOTENCY_KEY_MAX);
        return err_make(ERR_BAD_REQUEST, "jobs: key");
    }
    const char *route = exchange_route(exchange)->path;
    input->idempotency = (struct idempotency){
        .owner = input->input.key.owner, .route = {route, strlen(route)}, .key = key};
    return ERR_OK;
}

/* Any thread, one at a time: the exchange's bytes are only read. */
static void prepare(struct input_op *input) {
    const struct exchange *exchange = input->op.exchange;
    if (input->idempotency.key.len > 0) {
        struct idempotency_request request = {.method = exchange_method(exchange),
                                              .target = exchange_target(exchange),
                                              .body = exchange_body(exchange)};
        input->idempotency.digest = idempotency_digest(&request);
    }
    input->err = body_read(input);
}

static void prepared(struct input_op *input) {
    if (err_failed(input->err)) {
        op_answer(&input->op, input->err);
        input_free(input);
        return;
    }
    input->bounds = dispatch_bounds(input->api->dispatch);
    input->input.accepted = dispatch_input_accepted(input->api->dispatch, input->input.key.run);
    store_write(input->api->store, input_run, input_done, input);
}

static void prepare_in_pool(struct loop_work *work) {
    prepare(CONTAINER_OF(work, struct input_op, work));
}

static void prepared_in_pool(struct loop_work *work) {
    struct input_op *input = CONTAINER_OF(work, struct input_op, work);
    exchange_release_next(input->op.exchange);
    prepared(input);
}

void jobs__input(struct exchange *exchange, void *ctx) {
    struct run_key key;
    if (!runs__key(exchange, RUN_OWNER, &key)) {
        return;
    }
    struct input_op *input = mem_new(sizeof *input);
    op_init(&input->op, exchange, 200);
    text_init(&input->bytes, RUN_INPUT_PIECE_MAX);
    input->api = ctx;
    input->input.key = key;
    input->err = key_read(exchange, input);
    if (err_failed(input->err)) {
        prepared(input);
    } else if (exchange_body(exchange).len <= BODY_INLINE_MAX) {
        prepare(input);
        prepared(input);
    } else {
        exchange_hold_next(exchange); /* Input of one client is stored in its order. */
        input->work.run = prepare_in_pool;
        input->work.done = prepared_in_pool;
        loop_work(input->api->loop, &input->work);
    }
}
