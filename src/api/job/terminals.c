/* terminals.c: named terminals are made, started again and closed. Lists, and the change of a name,
 * follow from the descriptor (rules/job/resource.c). */
#include "engine/job/terminals.h"
#include "api/run/runs.h"
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/job/spec.h"

const struct resource_handlers terminal_handlers = {.resource = &terminal_resource};

static const struct one_kind terminals_one = {.prefix = "trm", .noun = "terminal"};

static void terminal_answer(struct request *request, const struct terminal *row) {
    fields_write(&terminal_resource.fields, FIELD_LISTED | FIELD_WHOLE, row, &request->op.answer);
}

/* --- Make ------------------------------------------------------------------------------------- */

struct open_op {
    struct request request;
    struct terminal row; /* Texts are borrowed from the exchange and from `env`. */
    struct id run;
    struct text env, job; /* Owned: JSON. */
};

static struct err too_large(struct open_op *open, const struct text *text) {
    return text->no_memory ? text_error(text, "terminals: job")
                           : err_why(&open->request.op.why, ERR_BODY_TOO_LARGE,
                                     "the terminal has more than %d bytes as a job", RUN_SPEC_MAX);
}

/* The job as it would be started, so that what it refuses is refused here. */
static struct err job_check(struct open_op *open) {
    AUTO(json_release) json_t *json = NULL;
    struct job_spec spec;
    request_text(&open->request, &open->job, RUN_SPEC_MAX);
    terminal_job_write(&open->row, &open->job);
    if (text_failed(&open->job)) {
        return too_large(open, &open->job);
    }
    struct err err = json_parse_wrapped(text_bytes(&open->job), &json, &open->request.op.why);
    return err_failed(err) ? err : job_spec_read(json, &spec, &open->request.op.why);
}

static struct err open_read(void *ctx) {
    struct open_op *open = ctx;
    struct terminal *row = &open->row;
    const char *path = request_variable(&open->request, "PATH");
    const struct bytes none = BYTES("");
    row->owner = open->request.key.owner;
    row->command = row->command.data != NULL ? row->command : none;
    row->cwd = row->cwd.data != NULL ? row->cwd : none;
    row->path = path != NULL ? bytes_of(path) : none;
    row->env = none;
    if (row->name.data == NULL && row->command.len == 0) {
        row->name = BYTES("shell");
    } else if (row->name.data == NULL) {
        row->name = (struct bytes){row->command.data, utf8_cut(row->command, TERMINAL_NAME_MAX)};
    }
    if (row->env_given != NULL) {
        request_text(&open->request, &open->env, RUN_SPEC_MAX);
        if (err_failed(json_write(row->env_given, &open->env))) {
            return too_large(open, &open->env);
        }
        row->env = text_bytes(&open->env);
    }
    return job_check(open);
}

static struct err open_start(void *ctx) {
    struct open_op *open = ctx;
    open->row.id = request_new_id(&open->request, terminal_resource.prefix);
    open->run = request_new_id(&open->request, "run");
    return ERR_OK;
}

static struct err open_work(struct tx *tx, void *ctx) {
    struct open_op *open = ctx;
    const struct terminal_start start = {bytes_of(open->run.text), open->request.bounds};
    struct terminal row = open->row;
    struct err err = tx_terminal_open(tx, &start, &row, &open->request.op.why);
    if (!err_failed(err)) {
        terminal_answer(&open->request, &row);
        open->request.about = bytes_of(open->row.id.text);
    }
    return err;
}

static const struct request_kind terminals_open = {
    .size = sizeof(struct open_op),
    .writes = true,
    .fields = &terminal_resource.fields,
    .into = offsetof(struct open_op, row),
    .gone = "the terminal that the first request with this key made",
    .read = open_read,
    .start = open_start,
    .work = open_work,
};

/* --- Start again, close ----------------------------------------------------------------------- */

static struct resource_key key_of(const struct request *request) {
    return (struct resource_key){request->key.owner, request->key.id};
}

struct restart_op {
    struct request request;
    struct id run;
};

static struct err restart_start(void *ctx) {
    struct restart_op *restart = ctx;
    restart->run = request_new_id(&restart->request, "run");
    return ERR_OK;
}

static struct err restart_work(struct tx *tx, void *ctx) {
    struct restart_op *restart = ctx;
    struct request *request = &restart->request;
    const struct resource_key key = key_of(request);
    const struct terminal_start start = {bytes_of(restart->run.text), request->bounds};
    struct terminal row;
    struct err err = tx_terminal_restart(tx, &key, &start, &row, &request->op.why);
    if (!err_failed(err)) {
        terminal_answer(request, &row);
        request->about = key.id;
    }
    return err;
}

static const struct request_kind terminals_restart = {
    .size = sizeof(struct restart_op),
    .writes = true,
    .one = &terminals_one,
    .gone = "the terminal that the first request with this key started",
    .start = restart_start,
    .work = restart_work,
};

static struct err close_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct resource_key key = key_of(request);
    op_removed(&request->op, tx, "id", key.id, "removed_ms");
    return tx_terminal_close(tx, &key, &request->bounds);
}

static const struct request_kind terminals_close = {
    .writes = true, .one = &terminals_one, .work = close_work};

/* --- The table -------------------------------------------------------------------------------- */

#define TERMINAL_QUERY OP_OWNER_QUERY("Another owner's terminal")
#define TERMINAL_ANSWER                                                                            \
    { .fields = &terminal_resource.fields, .use = FIELD_LISTED | FIELD_WHOLE }

const struct route terminals_routes[] = {
    {ROUTE("POST", "/api/v1/terminals", SCOPE_RUN, "Make a terminal, and start it"),
     .begins_run = true, .has_body = true, .idempotent_key = true,
     .body = {.fields = &terminal_resource.fields, .use = FIELD_GIVEN}, .answer = TERMINAL_ANSWER,
     .answer_status = 201, .request = &terminals_open},
    {ROUTE("POST", "/api/v1/terminals/{id}/restart", SCOPE_RUN,
           "Start a terminal again, whose job has ended"),
     .begins_run = true, .idempotent_key = true, .query = TERMINAL_QUERY, .answer = TERMINAL_ANSWER,
     .request = &terminals_restart},
    {ROUTE("DELETE", "/api/v1/terminals/{id}", SCOPE_RUN, "Close a terminal, and stop its job"),
     .query = TERMINAL_QUERY, .answer_schema = REMOVED_SCHEMA, .request = &terminals_close},
    {.method = NULL},
};
