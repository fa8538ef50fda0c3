/* submit.c: a command from outside, made a run. The answer means that it is on disk.
 *
 * What takes time in proportion to the body (its digest, its fields, its compact form) is done at
 * once for a small one, and in the pool for a large one, as in streams_append.c.
 */
#include <stdio.h>
#include <string.h>

#include "api/base/op.h"
#include "api/run/runs.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/base/idempotency.h"
#include "engine/job/spec.h"
#include "engine/session/sessions.h"

struct submit_op {
    struct op op;
    struct loop_work work;
    struct err err;       /* Of the preparation. */
    struct runs_api *api; /* Borrowed. */
    struct run_new run;   /* Its texts are borrowed from the exchange and from `spec`. */
    struct idempotency idempotency;
    bool replayed;
    struct bytes about; /* Id of the run that was made. */
    struct text spec;   /* Owned: compact JSON. */
    struct amounts budget;
    char command[RUN_COMMAND_MAX + 8];
};

static void submit_free(struct submit_op *submit) {
    text_done(&submit->spec);
    mem_free(submit);
}

/* --- The transaction -------------------------------------------------------------------------- */

/* Those that are to be told must be there now; that they are later, nobody promises. */
static struct err find_sessions(struct tx *tx, struct submit_op *submit) {
    const json_t *list = json_object_get(exchange_json(submit->op.exchange), "notify");
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(list, i), "session"));
        const struct session_key key = {.owner = submit->run.owner, .session = bytes_of(id)};
        struct session_row row;
        bool found = id == NULL;
        err = found ? ERR_OK : tx_session_find(tx, &key, &found, &row);
        if (!err_failed(err) && !found) {
            why_set(&submit->op.why, "notify[%zu]: there is no session '%.60s'", i, id);
            err = err_make(ERR_BAD_FIELD, "jobs: notify");
        }
    }
    return err;
}

static struct err submit_work(struct tx *tx, struct submit_op *submit) {
    struct run_row row = {0};
    struct err err = find_sessions(tx, submit);
    if (err_failed(err)) {
        return err;
    }
    err = tx_run_submit(tx, &submit->run, &row);
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, &row, &submit->run.bounds, &submit->op.answer);
    submit->about = row.run;
    return op_written(&submit->op);
}

static struct err submit_once(struct tx *tx, struct submit_op *submit) {
    struct idempotency_answer kept = {0};
    bool found = false;
    struct err err = tx_idempotency_find(tx, &submit->idempotency, &found, &kept);
    if (err_failed(err)) {
        return err;
    }
    submit->replayed = found;
    if (found) {
        json_add_stored(&submit->op.answer, kept.body);
        return ERR_OK;
    }
    err = submit_work(tx, submit);
    if (err_failed(err)) {
        return err;
    }
    kept.status = submit->op.status;
    kept.body = (struct bytes){submit->op.answer.data, submit->op.answer.len};
    kept.about = submit->about;
    return tx_idempotency_keep(tx, &submit->idempotency, &kept);
}

static struct err submit_run(struct tx *tx, void *ctx) {
    struct submit_op *submit = ctx;
    op_restart(&submit->op);
    submit->replayed = false;
    return submit->idempotency.key.len > 0 ? submit_once(tx, submit) : submit_work(tx, submit);
}

static void submit_done(struct err result, void *ctx) {
    struct submit_op *submit = ctx;
    if (result.code == ERR_IDEMPOTENCY_MISMATCH) {
        why_set(&submit->op.why, "Idempotency-Key: another request was sent with this key");
    }
    if (result.code == ERR_GONE) {
        why_set(&submit->op.why,
                "Idempotency-Key: the run that the first request with this key made was deleted");
    }
    if (!err_failed(result) && submit->replayed) {
        exchange_add_header(submit->op.exchange, "Idempotent-Replay", "true");
    }
    op_answer(&submit->op, result);
    submit_free(submit);
}

/* --- The body --------------------------------------------------------------------------------- */

static struct err spec_write(struct submit_op *submit, const json_t *json) {
    struct err err = json_write(json, &submit->spec);
    if (err_failed(err) && submit->spec.no_memory) {
        return err;
    }
    if (err_failed(err)) {
        why_set(&submit->op.why, "the job has more than %d bytes as compact JSON", RUN_SPEC_MAX);
        return err_make(ERR_BODY_TOO_LARGE, "jobs: spec");
    }
    submit->run.spec = (struct bytes){submit->spec.data, submit->spec.len};
    return ERR_OK;
}

/* For lists, which do not read specs: the words of the command, or its line, as far as they go. */
static struct bytes command_write(struct submit_op *submit, const struct job_spec *spec) {
    char *command = submit->command;
    size_t room = sizeof submit->command, len = 0;
    size_t count = spec->argv == NULL ? 1 : json_array_size(spec->argv);
    for (size_t i = 0; i < count && len + 1 < room; i++) {
        const char *word =
            spec->argv == NULL ? spec->shell : json_string_value(json_array_get(spec->argv, i));
        int more = snprintf(command + len, room - len, "%s%s", i > 0 ? " " : "", word);
        len = more < 0 || (size_t)more >= room - len ? room - 1 : len + (size_t)more;
    }
    return (struct bytes){command, utf8_cut((struct bytes){command, len}, RUN_COMMAND_MAX)};
}

static struct err spec_read(struct submit_op *submit) {
    const json_t *json = exchange_json(submit->op.exchange);
    struct job_spec spec = {0};
    struct err err = job_spec_read(json, &spec, &submit->op.why);
    if (err_failed(err)) {
        return err;
    }
    const char *lack = spec.sandbox ? dispatch_sandbox_lack(submit->api->dispatch) : NULL;
    if (lack != NULL) {
        why_set(&submit->op.why, "%s", lack);
        return err_make(ERR_SANDBOX_UNAVAILABLE, "jobs: sandbox");
    }
    submit->run.key = bytes_of(spec.key);
    submit->run.label = bytes_of(spec.label);
    if (spec.label == NULL) {
        submit->run.command = command_write(submit, &spec);
    }
    submit->run.priority = spec.priority;
    submit->run.key_max = spec.key_max;
    submit->run.once = spec.once;
    submit->run.project = bytes_of(spec.project);
    if (spec.budgeted) {
        submit->budget = spec.budget;
        submit->run.budget = &submit->budget;
    }
    submit->run.input_open = spec.input_open;
    submit->run.input_from = spec.input == NULL ? 0 : (int64_t)strlen(spec.input);
    return spec_write(submit, json);
}

/* --- The request ------------------------------------------------------------------------------ */

/* An absent key is fine; a bad one is refused, since its owner counts on it. */
static struct err key_read(const struct exchange *exchange, struct submit_op *submit) {
    struct bytes key = {0};
    if (!exchange_header(exchange, "idempotency-key", &key)) {
        return ERR_OK;
    }
    if (!idempotency_key_valid(key)) {
        why_set(&submit->op.why, "Idempotency-Key: 1 to %d printable ASCII characters",
                IDEMPOTENCY_KEY_MAX);
        return err_make(ERR_BAD_REQUEST, "jobs: key");
    }
    const char *route = exchange_route(exchange)->path;
    submit->idempotency = (struct idempotency){
        .owner = submit->run.owner, .route = {route, strlen(route)}, .key = key};
    return ERR_OK;
}

/* Any thread, one at a time: the exchange's bytes are only read. */
static void prepare(struct submit_op *submit) {
    const struct exchange *exchange = submit->op.exchange;
    if (submit->idempotency.key.len > 0) {
        struct idempotency_request request = {.method = exchange_method(exchange),
                                              .target = exchange_target(exchange),
                                              .body = exchange_body(exchange)};
        submit->idempotency.digest = idempotency_digest(&request);
    }
    submit->err = spec_read(submit);
}

static void prepared(struct submit_op *submit) {
    if (err_failed(submit->err)) {
        op_answer(&submit->op, submit->err);
        submit_free(submit);
        return;
    }
    const struct world *world = loop_world(submit->api->loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    submit->run.run = id_make("run", world_wall_ms(world), random);
    submit->run.bounds = dispatch_bounds(submit->api->dispatch);
    store_write(submit->api->store, submit_run, submit_done, submit);
}

static void prepare_in_pool(struct loop_work *work) {
    prepare(CONTAINER_OF(work, struct submit_op, work));
}

static void prepared_in_pool(struct loop_work *work) {
    struct submit_op *submit = CONTAINER_OF(work, struct submit_op, work);
    exchange_release_next(submit->op.exchange);
    prepared(submit);
}

void jobs__submit(struct exchange *exchange, void *ctx) {
    const struct identity *identity = exchange_identity(exchange);
    struct submit_op *submit = mem_new(sizeof *submit);
    op_init(&submit->op, exchange, 201);
    text_init(&submit->spec, RUN_SPEC_MAX);
    submit->api = ctx;
    submit->run = (struct run_new){
        .owner = {identity->owner, strlen(identity->owner)}, .parent = {"", 0}, .kind = KIND_JOB};
    submit->err = key_read(exchange, submit);
    if (err_failed(submit->err)) {
        prepared(submit);
    } else if (exchange_body(exchange).len <= BODY_INLINE_MAX) {
        prepare(submit);
        prepared(submit);
    } else {
        exchange_hold_next(exchange); /* Jobs of one client begin in its order. */
        submit->work.run = prepare_in_pool;
        submit->work.done = prepared_in_pool;
        loop_work(submit->api->loop, &submit->work);
    }
}
