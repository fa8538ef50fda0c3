/* submit.c: a command from outside, made a run. The answer means that it is on disk. */
#include <stdio.h>
#include <string.h>

#include "api/base/request.h"
#include "api/run/runs.h"
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/job/spec.h"
#include "engine/session/sessions.h"

struct submit_op {
    struct request request;
    struct run_new run; /* Texts are borrowed from the exchange and from `spec`. */
    struct text spec;   /* Owned: compact JSON. */
    struct text shown;  /* Owned: its fields that lists show. */
    struct amounts budget;
    char command[RUN_COMMAND_MAX + 8];
};

static void submit_end(void *ctx, struct err result) {
    struct submit_op *submit = ctx;
    text_done(&submit->spec);
    text_done(&submit->shown);
}

/* --- The body --------------------------------------------------------------------------------- */

static struct err spec_write(struct submit_op *submit, const json_t *json) {
    text_init(&submit->spec, RUN_SPEC_MAX);
    struct err err = json_write(json, &submit->spec);
    if (err_failed(err) && submit->spec.no_memory) {
        return err;
    }
    if (err_failed(err)) {
        return err_why(&submit->request.op.why, ERR_BODY_TOO_LARGE,
                       "the job has more than %d bytes as compact JSON", RUN_SPEC_MAX);
    }
    submit->run.spec = text_bytes(&submit->spec);
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

static struct err submit_read(void *ctx) {
    struct submit_op *submit = ctx;
    struct why *why = &submit->request.op.why;
    const struct runs_api *api = submit->request.api;
    const json_t *json = exchange_json(submit->request.op.exchange);
    struct job_spec spec = {0};
    struct err err = job_spec_read(json, &spec, why);
    if (err_failed(err)) {
        return err;
    }
    const char *lack = spec.sandbox ? dispatch_sandbox_lack(api->dispatch) : NULL;
    if (lack != NULL) {
        return err_why(why, ERR_SANDBOX_UNAVAILABLE, "%s", lack);
    }
    submit->budget = spec.budget;
    submit->run =
        (struct run_new){.owner = submit->request.key.owner,
                         .parent = BYTES(""),
                         .kind = KIND_JOB,
                         .key = bytes_of(spec.key),
                         .label = bytes_of(spec.label),
                         .priority = spec.priority,
                         .key_max = spec.key_max,
                         .once = spec.once,
                         .project = bytes_of(spec.project),
                         .budget = spec.budgeted ? &submit->budget : NULL,
                         .input_open = spec.input_open,
                         .input_from = spec.input == NULL ? 0 : (int64_t)strlen(spec.input)};
    if (spec.label == NULL) {
        submit->run.command = command_write(submit, &spec);
    }
    text_init(&submit->shown, RUN_SPEC_MAX);
    fields_write(&job_fields, FIELD_LISTED, &spec, &submit->shown);
    if (submit->shown.len > strlen("{}")) {
        submit->run.shown = text_bytes(&submit->shown);
    }
    return text_failed(&submit->shown) ? text_error(&submit->shown, "jobs: shown")
                                       : spec_write(submit, json);
}

static struct err submit_start(void *ctx) {
    struct submit_op *submit = ctx;
    const struct runs_api *api = submit->request.api;
    submit->run.run = request_new_id(&submit->request, "run");
    submit->run.bounds = dispatch_bounds(api->dispatch);
    return ERR_OK;
}

/* --- The transaction -------------------------------------------------------------------------- */

/* Sessions that are to be notified must exist now; whether they do later, nobody promises. */
static struct err sessions_find(struct tx *tx, struct submit_op *submit) {
    const json_t *list = json_object_get(exchange_json(submit->request.op.exchange), "notify");
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(list, i), "session"));
        const struct session_key key = {.owner = submit->run.owner, .session = bytes_of(id)};
        struct session_row row;
        bool found = id == NULL;
        err = found ? ERR_OK : tx_session_find(tx, &key, &found, &row);
        if (!err_failed(err) && !found) {
            why_set(&submit->request.op.why, "notify[%zu]: there is no session '%.60s'", i, id);
            err = err_make(ERR_BAD_FIELD, "jobs: notify");
        }
    }
    return err;
}

static struct err submit_work(struct tx *tx, void *ctx) {
    struct submit_op *submit = ctx;
    struct run_row row = {0};
    struct err err = sessions_find(tx, submit);
    if (!err_failed(err)) {
        err = tx_run_submit(tx, &submit->run, &row);
    }
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, &row, &submit->run.bounds, &submit->request.op.answer);
    submit->request.about = row.run;
    return ERR_OK;
}

const struct request_kind jobs__submit = {
    .size = sizeof(struct submit_op),
    .writes = true,
    .gone = "the run that the first request with this key made",
    .read = submit_read,
    .start = submit_start,
    .work = submit_work,
    .end = submit_end,
};
