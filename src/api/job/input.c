/* input.c: what a client types or pours into a job. The answer means that it is on disk; it is
 * sent to the process after that, and by offset, so that neither a repeated request nor a restart
 * doubles a byte.
 */
#include "engine/job/input.h"

#include <string.h>

#include "api/base/request.h"
#include "api/run/runs.h"
#include "base/base64.h"
#include "base/json/json.h"

struct input_body {
    json_t *text; /* Any value: a text that holds NUL is fine. */
    const char *base64;
    bool end;
};
#define AT(member) .at = offsetof(struct input_body, member)
static const struct field input_rows[] = {
    {.name = "text", .kind = FIELD_JSON, AT(text), .schema = "{\"type\":\"string\"}"},
    {.name = "base64", .kind = FIELD_CHARS, AT(base64)},
    {.name = "end", .kind = FIELD_BOOL, AT(end)},
};
const struct field_set jobs__input_fields = {FIELD_ROWS(input_rows), .use = FIELD_GIVEN};

struct input_op {
    struct request request;
    struct input_body body;
    struct run_bounds bounds;
    struct run_input input; /* Texts are borrowed from the exchange and from `bytes`. */
    struct text bytes;      /* Owned. */
};

static void input_end(void *ctx, struct err result) {
    struct input_op *input = ctx;
    text_done(&input->bytes);
}

/* --- The body --------------------------------------------------------------------------------- */

static struct err bytes_read(struct input_op *input, const json_t *text, const char *base64) {
    struct why *why = &input->request.op.why;
    if (text != NULL && base64 != NULL) {
        return err_why(why, ERR_BAD_FIELD, "\"text\" and \"base64\" exclude each other");
    }
    if (text != NULL && !json_is_string(text)) {
        return err_why(why, ERR_BAD_FIELD, "\"text\" must be a string");
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
        return err_why(why, ERR_BODY_TOO_LARGE, "at most %d bytes of input in one request",
                       RUN_INPUT_PIECE_MAX);
    }
    if (!good) {
        return err_why(why, ERR_BAD_FIELD, "\"base64\" is not base64 with padding");
    }
    return ERR_OK;
}

static struct err input_read(void *ctx) {
    struct input_op *input = ctx;
    const struct input_body *body = &input->body;
    text_init(&input->bytes, RUN_INPUT_PIECE_MAX);
    struct err err = bytes_read(input, body->text, body->base64);
    if (!err_failed(err) && input->bytes.len == 0 && !body->end) {
        why_set(&input->request.op.why,
                "\"text\", \"base64\" or \"end\" is missing: what shall be sent?");
        err = err_make(ERR_MISSING_FIELD, "jobs: input");
    }
    input->input.end = body->end ? RUN_INPUT_ENDS : RUN_INPUT_GOES_ON;
    input->input.bytes = text_bytes(&input->bytes);
    return err;
}

static struct err input_start(void *ctx) {
    struct input_op *input = ctx;
    const struct runs_api *api = input->request.api;
    input->input.key = runs__key_of(&input->request);
    input->bounds = dispatch_bounds(api->dispatch);
    input->input.accepted = dispatch_input_accepted(api->dispatch, input->input.key.run);
    return ERR_OK;
}

/* --- The transaction -------------------------------------------------------------------------- */

/* Input is sent by the daemon that follows the process. */
static struct err input_check_here(struct tx *tx, struct input_op *input) {
    bool found = false;
    struct run_row row = {0};
    struct err err = tx_run_find_shown(tx, &input->input.key, &found, &row);
    if (err_failed(err) || !found || !run_is_away(&row, &input->bounds)) {
        return err;
    }
    return tx_run_check_here(tx, &row, &input->bounds, &input->request.op.why);
}

static struct err input_work(struct tx *tx, void *ctx) {
    struct input_op *input = ctx;
    struct op *op = &input->request.op;
    struct run_input_place place = {0};
    struct err err = input->bounds.hosts == RUN_HOSTS_SHARED ? input_check_here(tx, input) : ERR_OK;
    if (err_failed(err)) {
        return err;
    }
    err = tx_run_input(tx, &input->input, &place, &op->why);
    text_addf(&op->answer, "{\"offset\":%lld,\"next\":%lld}", (long long)place.offset,
              (long long)place.next);
    return err;
}

static enum request_next input_done(void *ctx, struct err *io_result) {
    struct input_op *input = ctx;
    const struct runs_api *api = input->request.api;
    if (!err_failed(*io_result)) {
        dispatch_input(api->dispatch, input->input.key.run);
    }
    return REQUEST_ANSWER;
}

const struct request_kind jobs__input = {
    .size = sizeof(struct input_op),
    .writes = true,
    .one = &runs__one,
    .fields = &jobs__input_fields,
    .into = offsetof(struct input_op, body),
    .read = input_read,
    .start = input_start,
    .work = input_work,
    .done = input_done,
    .end = input_end,
};
