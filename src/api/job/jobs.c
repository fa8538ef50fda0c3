/* jobs.c: commands from outside, made runs; their input, the size of their terminals; and the
 * routes of jobs.
 *
 * Input    An answer means that it is on disk. It is sent to the process after that, and by offset,
 *          so that neither a repeated request nor a restart doubles a byte.
 */
#include <stdio.h>
#include <string.h>

#include "api/job/logs.h"
#include "api/run/receivers.h"
#include "base/base64.h"
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/job/input.h"
#include "engine/job/spec.h"
#include "engine/run/inside.h"
#include "engine/session/sessions.h"
#include "rules/job/job.h"

/* --- Submit ----------------------------------------------------------------------------------- */

struct submit_op {
    struct request request;
    struct run_new run; /* Texts are borrowed from the exchange and from `spec`. */
    struct text spec;   /* Owned: compact JSON. */
    struct text shown;  /* Owned: its fields that lists show. */
    struct amounts budget;
    char command[RUN_COMMAND_MAX + 8];
};

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

/* The PATH of the client becomes a field of the job, so that each attempt has the same. */
static void path_add(struct submit_op *submit) {
    const char *path = request_variable(&submit->request, "PATH");
    if (path != NULL) {
        submit->spec.len--; /* The brace. */
        text_add_member(&submit->spec, "path", bytes_of(path));
        text_add_char(&submit->spec, '}');
    }
}

static struct err submit_read(void *ctx) {
    struct submit_op *submit = ctx;
    struct why *why = &submit->request.op.why;
    const json_t *json = exchange_json(submit->request.op.exchange);
    struct job_spec spec = {0};
    TRY(job_spec_read(json, &spec, why));
    TRY(receivers_check(submit->request.dispatch, spec.notify, why));
    const char *lack =
        spec.sandbox ? dispatch_options(submit->request.dispatch)->sandbox_lack : NULL;
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
    request_text(&submit->request, &submit->shown, RUN_SPEC_MAX);
    fields_write(&job_fields, FIELD_LISTED, &spec, &submit->shown);
    if (submit->shown.len > strlen("{}")) {
        submit->run.shown = text_bytes(&submit->shown);
    }
    if (text_failed(&submit->shown)) {
        return text_error(&submit->shown, "jobs: shown");
    }
    request_text(&submit->request, &submit->spec, RUN_SPEC_MAX);
    struct err err = json_write(json, &submit->spec);
    if (!err_failed(err) && spec.path == NULL) {
        path_add(submit);
    }
    submit->run.spec = text_bytes(&submit->spec);
    if (err_failed(err) && !submit->spec.no_memory) {
        return err_why(why, ERR_BODY_TOO_LARGE, "the job has more than %d bytes as compact JSON",
                       RUN_SPEC_MAX);
    }
    return err;
}

static struct err submit_start(void *ctx) {
    struct submit_op *submit = ctx;
    submit->run.run = request_new_id(&submit->request, "run");
    submit->run.bounds = submit->request.bounds;
    return ERR_OK;
}

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
            err = err_why(&submit->request.op.why, ERR_BAD_FIELD,
                          "notify[%zu]: there is no session '%.60s'", i, id);
        }
        if (!err_failed(err) && id != NULL) { /* A notice is a message to it. */
            err = request_inside(tx, &submit->request, key.session);
        }
    }
    return err;
}

static struct err submit_work(struct tx *tx, void *ctx) {
    struct submit_op *submit = ctx;
    const char *inside = exchange_identity(submit->request.op.exchange)->inside;
    struct run_new what = submit->run;
    struct run_row row = {0};
    struct err err = sessions_find(tx, submit);
    if (!err_failed(err)) {
        err = tx_inside_budget(tx, inside, &what);
    }
    if (!err_failed(err)) {
        err = tx_run_submit(tx, &what, &row);
    }
    if (!err_failed(err)) {
        err = tx_inside_mark_run(tx, inside, row.id);
    }
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, &row, &submit->run.bounds, &submit->request.op.answer);
    submit->request.about = row.run;
    return ERR_OK;
}

static const struct request_kind submit_kind = {
    .size = sizeof(struct submit_op),
    .writes = true,
    .gone = "the run that the first request with this key made",
    .read = submit_read,
    .start = submit_start,
    .work = submit_work,
};

/* --- Input ------------------------------------------------------------------------------------ */

struct input_body {
    json_t *text; /* Any value: a text that holds NUL is fine. */
    const char *base64;
    int64_t offset; /* OFFSET_ANY: wherever the input goes on. */
    bool end;
};
enum { OFFSET_ANY = -1 };
#define AT(member) offsetof(struct input_body, member)
static const struct field input_rows[] = {
    {FIELD("text", FIELD_JSON, AT(text)), .schema = "{\"type\":\"string\"}"},
    {FIELD("base64", FIELD_CHARS, AT(base64))},
    {FIELD("offset", FIELD_INT, AT(offset)), .min = OFFSET_ANY, .max = LOGS_OFFSET_MAX,
     .absent = OFFSET_ANY},
    {FIELD("end", FIELD_BOOL, AT(end))},
};
static const struct field_set input_fields = {FIELD_ROWS(input_rows), .use = FIELD_GIVEN};

struct input_op {
    struct request request;
    struct input_body body;
    struct run_input input; /* Texts are borrowed from the exchange and from `bytes`. */
    struct text bytes;      /* Owned. */
};

static struct err input_read(void *ctx) {
    struct input_op *input = ctx;
    struct why *why = &input->request.op.why;
    const struct input_body *body = &input->body;
    bool good = true;
    if (body->text != NULL && body->base64 != NULL) {
        return err_why(why, ERR_BAD_FIELD, "\"text\" and \"base64\" exclude each other");
    }
    if (body->text != NULL && !json_is_string(body->text)) {
        return err_why(why, ERR_BAD_FIELD, "\"text\" must be a string");
    }
    request_text(&input->request, &input->bytes, RUN_INPUT_PIECE_MAX);
    if (body->base64 != NULL) {
        good = base64_add_decoded(&input->bytes, bytes_of(body->base64));
    } else if (body->text != NULL) {
        text_add(&input->bytes, json_string_value(body->text), json_string_length(body->text));
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
    if (input->bytes.len == 0 && !body->end) {
        return err_why(why, ERR_MISSING_FIELD,
                       "\"text\", \"base64\" or \"end\" is missing: name what to send");
    }
    input->input.placed = body->offset != OFFSET_ANY;
    input->input.at = body->offset;
    input->input.end = body->end ? RUN_INPUT_ENDS : RUN_INPUT_GOES_ON;
    input->input.bytes = text_bytes(&input->bytes);
    return ERR_OK;
}

static struct err input_start(void *ctx) {
    struct input_op *input = ctx;
    input->input.key = runs__key_of(&input->request);
    input->input.accepted = dispatch_input_accepted(input->request.dispatch, input->input.key.run);
    return ERR_OK;
}

/* Input is sent by the daemon that follows the process. */
static struct err input_check_here(struct tx *tx, struct input_op *input) {
    const struct run_bounds *bounds = &input->request.bounds;
    bool found = false;
    struct run_row row = {0};
    struct err err = tx_run_find_shown(tx, &input->input.key, &found, &row);
    if (err_failed(err) || !found || !run_is_away(&row, bounds)) {
        return err;
    }
    return tx_run_check_here(tx, &row, bounds, &input->request.op.why);
}

static struct err input_work(struct tx *tx, void *ctx) {
    struct input_op *input = ctx;
    struct op *op = &input->request.op;
    struct run_input_place place = {0};
    struct err err = ERR_OK;
    if (input->request.bounds.hosts == RUN_HOSTS_SHARED) {
        err = input_check_here(tx, input);
    }
    if (!err_failed(err)) {
        err = tx_run_input(tx, &input->input, &place, &op->why);
    }
    text_addf(&op->answer, "{\"offset\":%lld,\"next\":%lld}", (long long)place.offset,
              (long long)place.next);
    return err;
}

static enum request_next input_done(void *ctx, struct err *io_result) {
    const struct request *request = ctx;
    if (!err_failed(*io_result)) {
        dispatch_input(request->dispatch, request->key.id);
    }
    return REQUEST_ANSWER;
}

static const struct request_kind input_kind = {
    .size = sizeof(struct input_op),
    .writes = true,
    .one = &runs__one,
    .fields = &input_fields,
    .into = offsetof(struct input_op, body),
    .read = input_read,
    .start = input_start,
    .work = input_work,
    .done = input_done,
};

/* --- Resize: nothing is stored, since a client that attaches says its size anyway ------------- */

struct size {
    int64_t rows, columns;
};
#define SIDE(side)                                                                                 \
    .name = #side, .kind = FIELD_INT, .at = offsetof(struct size, side), .required = true,         \
    .use = FIELD_GIVEN | FIELD_LISTED, .min = 1, .max = TERMINAL_SIDE_MAX
static const struct field size_rows[] = {{SIDE(rows)}, {SIDE(columns)}};
static const struct field_set size_fields = {FIELD_ROWS(size_rows)};

struct resize_op {
    struct request request;
    struct size size;
};

/* The store is asked only whose job it is. */
static struct err resize_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    struct run_row row;
    struct err err = request_run_whole(tx, request, &row);
    return err_failed(err) || row.kind != KIND_JOB
               ? request_absent(request, err)
               : tx_run_check_here(tx, &row, &request->bounds, &request->op.why);
}

static enum request_next resize_done(void *ctx, struct err *io_result) {
    struct resize_op *resize = ctx;
    struct request *request = &resize->request;
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    *io_result = dispatch_resize(request->dispatch, request->key.id, (unsigned)resize->size.rows,
                                 (unsigned)resize->size.columns);
    if (io_result->code == ERR_NOT_FOUND) {
        *io_result =
            err_why(&request->op.why, ERR_CONFLICT, "the job has no process at the moment");
    }
    fields_write(&size_fields, FIELD_LISTED, &resize->size, &request->op.answer);
    return REQUEST_ANSWER;
}

static const struct request_kind resize_kind = {
    .size = sizeof(struct resize_op),
    .one = &runs__one,
    .fields = &size_fields,
    .into = offsetof(struct resize_op, size),
    .work = resize_work,
    .done = resize_done,
};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    RUNS_LIST_QUERY("Another owner's jobs"),
    {.name = NULL},
};

#define OWNER_PARAM OP_OWNER_PARAM("Another owner's job")
#define OWNER_QUERY OP_OWNER_QUERY("Another owner's job")
#define STREAM_PARAM                                                                               \
    {                                                                                              \
        QUERY("stream", QUERY_TEXT,                                                                \
              "out, err or pty; absent: pty if the job has a terminal, else out."),                \
            .max = 3                                                                               \
    }
#define ATTEMPT_PARAM                                                                              \
    {                                                                                              \
        QUERY("attempt", QUERY_INT, "Which attempt; absent: the latest."),                         \
            .min = 1, .max = LOGS_ATTEMPT_MAX, .absent = 1                                         \
    }

static const struct query_param abandon_query[] = {
    OWNER_PARAM,
    {QUERY("force", QUERY_FLAG, "Even if its host sent a heartbeat recently.")},
    {.name = NULL},
};

static const struct query_param logs_query[] = {
    OWNER_PARAM,
    STREAM_PARAM,
    ATTEMPT_PARAM,
    {QUERY("offset", QUERY_INT, "First byte, counted from the start; negative: from the end."),
     .min = -LOGS_OFFSET_MAX, .max = LOGS_OFFSET_MAX},
    {QUERY("after", QUERY_TEXT, "Instead of offset: the id of the last event that was received."),
     .max = LOGS_AFTER_MAX},
    {QUERY("limit", QUERY_INT, "Bytes at most; not when it is followed."), .min = 1,
     .max = LOGS_LIMIT_MAX, .absent = LOGS_LIMIT_DEFAULT},
    {QUERY("encoding", QUERY_TEXT, "base64: frames never hold text; only when it is followed."),
     .max = 10},
    {.name = NULL},
};

static const struct query_param search_query[] = {
    OWNER_PARAM,
    STREAM_PARAM,
    ATTEMPT_PARAM,
    {QUERY("pattern", QUERY_TEXT, "A regular expression of 1 to 200 characters, as Perl has them."),
     .required = true, .max = SEARCH_PATTERN_BYTES},
    {QUERY("limit", QUERY_INT, "Matching lines to show; all are counted."), .min = 1,
     .max = SEARCH_LIMIT_MAX, .absent = SEARCH_LIMIT_DEFAULT},
    {QUERY("context", QUERY_INT, "Lines to show before and after each."), .min = 0,
     .max = SEARCH_CONTEXT_MAX},
    {.name = NULL},
};

#define TEXTS_SCHEMA "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"

static const char input_answer[] =
    "{\"type\":\"object\",\"required\":[\"offset\",\"next\"],\"properties\":{\"offset\":" INT_SCHEMA
    ",\"next\":" INT_SCHEMA "}}";

static const char logs_answer[] =
    "{\"type\":\"string\",\"format\":\"binary\",\"description\":\"The bytes; where they are and "
    "what follows is in the headers Drover-Offset, Drover-Next, Drover-Size, Drover-Dropped, "
    "Drover-Ended, Drover-Attempt and Drover-Stream\"}";

static const char search_answer[] =
    "{\"type\":\"object\",\"required\":[\"matches\",\"total\",\"truncated\"],\"properties\":{"
    "\"matches\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"line\","
    "\"text\",\"before\",\"after\"],\"properties\":{\"line\":" INT_SCHEMA ",\"text\":" TEXT_SCHEMA
    ",\"before\":" TEXTS_SCHEMA ",\"after\":" TEXTS_SCHEMA "}}},\"total\":" INT_SCHEMA
    ",\"truncated\":" BOOL_SCHEMA
    ",\"dropped\":{\"type\":\"object\",\"properties\":{\"from\":" INT_SCHEMA ",\"to\":" INT_SCHEMA
    "}}}}";

const struct route jobs_routes[] = {
    {ROUTE("POST", "/api/v1/jobs", SCOPE_RUN,
           "Start a command; the answer means that it is on disk"),
     .inside = INSIDE_ALWAYS, .begins_run = true, .has_body = true, .idempotent_key = true,
     .body = {.fields = &job_fields, .use = FIELD_GIVEN}, .answer = RUN_LIGHT_ANSWER,
     .answer_status = 201, .request = &submit_kind},
    {ROUTE("GET", "/api/v1/jobs", SCOPE_READ, "List the jobs, newest first"), .query = list_query,
     .answer = RUN_LIST_ANSWER, .page = &jobs__list},
    {ROUTE("GET", "/api/v1/jobs/{id}", SCOPE_READ, "Show a job"), .query = OWNER_QUERY,
     .answer = RUN_WHOLE_ANSWER, .request = &jobs__show},
    {ROUTE("POST", "/api/v1/jobs/{id}/input", SCOPE_RUN,
           "Send a job input; the answer means that it is on disk"),
     .inside = INSIDE_BELOW, .query = OWNER_QUERY, .has_body = true, .idempotent_key = true,
     .body = {.fields = &input_fields, .use = FIELD_GIVEN}, .answer_schema = input_answer,
     .request = &input_kind},
    {ROUTE("POST", "/api/v1/jobs/{id}/abandon", SCOPE_RUN,
           "Give up a job whose host is gone: it is lost"),
     .query = abandon_query, .answer = RUN_LIGHT_ANSWER, .request = &jobs__abandon},
    {ROUTE("POST", "/api/v1/jobs/{id}/resize", SCOPE_RUN, "Resize a job's terminal"),
     .inside = INSIDE_BELOW, .query = OWNER_QUERY, .has_body = true,
     .body = {.fields = &size_fields, .use = FIELD_GIVEN},
     .answer = {.fields = &size_fields, .use = FIELD_LISTED}, .request = &resize_kind},
    {ROUTE("GET", "/api/v1/jobs/{id}/logs", SCOPE_READ,
           "Read a job's output; follows it with Accept: text/event-stream"),
     .query = logs_query, .answer_schema = logs_answer, .answer_media = "application/octet-stream",
     .stream_media = "text/event-stream", .handle = jobs__logs, .request = &jobs__range},
    {ROUTE("GET", "/api/v1/jobs/{id}/logs/search", SCOPE_READ,
           "Search a job's output for a pattern, line by line"),
     .query = search_query, .answer_schema = search_answer, .request = &jobs__search},
    {.method = NULL},
};
