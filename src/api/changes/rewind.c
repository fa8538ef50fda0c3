/* rewind.c: a session takes back what it did (dispatch/changes/rewinds.h).
 *
 *   start   the session's folder is read, and a point of it is taken: the rewind is against what
 *           stands there now, and can itself be taken back
 *   work    the points from the target to that one, and who wrote between them
 *   done    the plan, and unless it is a preview, the files and the conversation
 */
#include "engine/turn/rewind.h"
#include "api/changes/changes.h"
#include "api/session/sessions.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/changes/rewinds.h"
#include "engine/session/sessions.h"
#include "engine/turn/submit.h"

enum { TARGET_MAX = 64, FORCE_MAX = 1000, PATH_BYTES_MAX = 8192, HEAD_MAX = 1 << 20 };

struct rewind_body {
    const char *to;
    bool files, conversation, preview;
    json_t *force; /* Borrowed from the body. */
};
static const struct field rewind_rows[] = {
    {FIELD("to", FIELD_CHARS, offsetof(struct rewind_body, to)), .use = FIELD_GIVEN,
     .required = true, .min = 1, .max = TARGET_MAX},
    {FIELD("files", FIELD_BOOL, offsetof(struct rewind_body, files)), .use = FIELD_GIVEN,
     .required = true},
    {FIELD("conversation", FIELD_BOOL, offsetof(struct rewind_body, conversation)),
     .use = FIELD_GIVEN},
    {FIELD("preview", FIELD_BOOL, offsetof(struct rewind_body, preview)), .use = FIELD_GIVEN},
    {FIELD("force", FIELD_TEXTS, offsetof(struct rewind_body, force)), .use = FIELD_GIVEN,
     .max = FORCE_MAX, .each_max = PATH_BYTES_MAX},
};
static const struct field_set rewind_fields = {FIELD_ROWS(rewind_rows), .use = FIELD_GIVEN};

struct rewind_op {
    struct request request;
    struct rewind_body body;
    char *root; /* Owned; NULL: the session has none. */
    struct id id;
    struct point_wait wait;
    bool waited;              /* A point is taken. */
    struct changes_span span; /* Owned, until the rewind takes it over. */
    json_t *people;           /* Owned: its authors. */
    char *point;              /* Owned: the point that was taken; NULL: none. */
    int64_t mine;             /* Set of the authors that are the session. */
};

static bool target_is(const struct rewind_op *op, const char *prefix) {
    return id_valid(op->body.to, strlen(op->body.to), prefix);
}

static struct err rewind_read(void *ctx) {
    struct rewind_op *op = ctx;
    struct why *why = &op->request.op.why;
    if (!target_is(op, "msg") && !target_is(op, "pnt")) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"to\" must be a message of the user (msg_…) or a point (pnt_…)");
    }
    if (op->body.conversation && !target_is(op, "msg")) {
        return err_why(why, ERR_BAD_FIELD,
                       "the conversation goes back to a message: name one in \"to\"");
    }
    if (!op->body.files && !op->body.conversation) {
        return err_why(why, ERR_BAD_FIELD,
                       "there is nothing to take back: set \"files\" or "
                       "\"conversation\"");
    }
    return ERR_OK;
}

/* --- The point before ------------------------------------------------------------------------- */

static struct err root_find(struct tx *tx, void *ctx) {
    struct rewind_op *op = ctx;
    struct session_row session;
    TRY(request_session(tx, &op->request, &session));
    TRY(tx_session_idle(tx, &session, &op->request.op.why));
    mem_free(op->root);
    op->root = session.root.len == 0 ? NULL : mem_copy(session.root.data, session.root.len);
    return ERR_OK;
}

static void on_point(struct point_wait *wait) {
    struct rewind_op *op = CONTAINER_OF(wait, struct rewind_op, wait);
    request_go(&op->request, ERR_OK);
}

static void on_root(struct err err, void *ctx) {
    struct rewind_op *op = ctx;
    const struct changes_api *api = op->request.api;
    const struct point_ask point = {.root = op->root == NULL ? "" : op->root,
                                    .run = op->request.key.id,
                                    .call = op->id.text,
                                    .phase = op->body.preview ? POINT_HAND : POINT_BEFORE};
    op->wait.done = on_point;
    op->waited = !err_failed(err) && op->body.files && points_wait(api->points, &point, &op->wait);
    if (!op->waited) {
        request_go(&op->request, err);
    }
}

static struct err rewind_start(void *ctx) {
    struct rewind_op *op = ctx;
    op->id = request_new_id(&op->request, "rwd");
    store_read(op->request.store, root_find, on_root, op);
    return ERR_OK;
}

/* --- The plan --------------------------------------------------------------------------------- */

/* The rewind is against the folder as it is now: the point of that must be there. */
static struct err span_find(struct tx *tx, struct rewind_op *op,
                            const struct changes_question *question) {
    TRY(tx_changes_find(tx, question, &op->span, &op->request.op.why));
    if (!op->span.found || !op->waited ||
        tx_number(tx,
                  "SELECT 1 FROM points WHERE call = $2 AND session <> 0 AND session ="
                  " (SELECT id FROM sessions WHERE session = $1)",
                  ARGS(arg_text(op->request.key.id), arg_text(bytes_of(op->id.text)))) != 0) {
        return tx_error(tx);
    }
    return err_why(&op->request.op.why, ERR_BUSY,
                   "the folder could not be read in time, and is read on: try it again in a "
                   "moment");
}

static struct err rewind_work(struct tx *tx, void *ctx) {
    struct rewind_op *op = ctx;
    struct why *why = &op->request.op.why;
    struct changes_question question = {.owner = op->request.key.owner, .of = op->request.key.id};
    changes_span_done(&op->span);
    if (target_is(op, "pnt")) {
        question.base = CHANGES_FROM_POINT;
        question.point = bytes_of(op->body.to);
    } else {
        struct bytes session;
        TRY(tx_rewind_turn(tx, op->request.key.owner, bytes_of(op->body.to), &session,
                           &question.turn, why));
        if (!bytes_equal(session, op->request.key.id)) {
            return err_why(why, ERR_MESSAGE_NOT_FOUND, "the message is of another session");
        }
        if (question.turn == 0) {
            return ERR_OK; /* No turn began with it or later: no file was written. */
        }
        question.base = CHANGES_FROM_TURN;
    }
    return op->body.files ? span_find(tx, op, &question) : ERR_OK;
}

/* Authors of a refused path, without the session itself. */
static int64_t others_of(const struct rewind_op *op, const json_t *refused) {
    const json_t *by = json_object_get(refused, "by");
    int64_t all = 0;
    for (size_t i = 0; i < json_array_size(by); i++) {
        all |= json_integer_value(json_array_get(by, i));
    }
    return all & ~op->mine;
}

/* A sentence about the paths that others have written. */
static struct err refused_say(const struct rewind_op *op, const json_t *refused, struct why *why) {
    const json_t *first = json_array_get(refused, 0);
    const int64_t others = others_of(op, first);
    const char *name = others == 0 ? "somebody outside of drover" : "others";
    for (size_t i = json_array_size(op->people); i > 0; i--) {
        if ((others & INT64_C(1) << (i - 1)) != 0) {
            name = json_str(json_array_get(op->people, i - 1), "name", name);
        }
    }
    const size_t count = json_array_size(refused);
    return err_why(why, ERR_CHANGED_SINCE,
                   "%zu file%s changed by somebody else, too, %.200s by %.100s%s; nothing was taken"
                   " back. Name paths in \"force\" to take them back all the same, or let each"
                   " agent work in a tree of its own",
                   count, count == 1 ? " was" : "s were", json_str(first, "path", ""), name,
                   count == 1 ? "" : " among them");
}

static void refused_write(const struct rewind_op *op, const json_t *refused, struct text *answer) {
    text_add_str(answer, ",\"refused\":[");
    for (size_t i = 0; i < json_array_size(refused); i++) {
        const json_t *row = json_array_get(refused, i);
        text_add_str(answer, i > 0 ? ",{" : "{");
        text_add_member_str(answer, "path", json_str(row, "path", ""));
        text_add_member_str(answer, "why", json_str(row, "why", "changed"));
        changes__people_write(others_of(op, row), op->people, answer);
        text_add_char(answer, '}');
    }
    text_add_char(answer, ']');
}

static void on_rewound(void *ctx, struct err err, const struct why *why, const json_t *plan) {
    struct rewind_op *op = ctx;
    struct text *answer = &op->request.op.answer;
    const json_t *refused = json_object_get(plan, "refused");
    if (why != NULL && why->text[0] != '\0') {
        op->request.op.why = *why;
    }
    if (!err_failed(err) && json_array_size(refused) > 0 && !op->body.preview) {
        err = refused_say(op, refused, &op->request.op.why);
    }
    if (!err_failed(err)) {
        text_clear(answer);
        text_add_char(answer, '{');
        text_add_member_str(answer, "id", op->body.preview ? NULL : op->id.text);
        text_add_member_str(answer, "state", op->body.preview ? "preview" : "applied");
        text_add_member_bool(answer, "conversation", op->body.conversation);
        text_add_member_str(answer, "point", op->point);
        text_add_name(answer, "files");
        err = json_write(json_object_get(plan, "files"), answer);
        refused_write(op, refused, answer);
        text_add_char(answer, '}');
        err = !err_failed(err) && text_failed(answer) ? text_error(answer, "changes: answer") : err;
    }
    request_answer(&op->request, err);
}

/* The rewind takes the span over: what the answer shows of it is read before that. */
static struct err span_read(struct rewind_op *op) {
    AUTO(text_done) struct text head = text_up_to(HEAD_MAX);
    AUTO(json_release) json_t *parts = NULL;
    if (!op->span.found) {
        return ERR_OK;
    }
    text_addf(&head, "{%s}", text_bytes(&op->span.head).data);
    TRY(json_parse_wrapped(text_bytes(&head), &parts, NULL));
    TRY(json_parse_wrapped(text_bytes(&op->span.people), &op->people, NULL));
    const char *point = json_str(json_object_get(parts, "to"), "id", "");
    op->point = mem_copy(point, strlen(point));
    op->mine = op->span.mine;
    return ERR_OK;
}

static enum request_next rewind_done(void *ctx, struct err *io_result) {
    struct rewind_op *op = ctx;
    const struct changes_api *api = op->request.api;
    *io_result = err_failed(*io_result) ? *io_result : span_read(op);
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    const struct rewind_order order = {.owner = op->request.key.owner,
                                       .session = op->request.key.id,
                                       .actor = op->request.key.id,
                                       .message = op->body.conversation ? bytes_of(op->body.to)
                                                                        : BYTES(""),
                                       .id = op->id,
                                       .span = &op->span,
                                       .force = op->body.force,
                                       .files = op->body.files,
                                       .preview = op->body.preview,
                                       .done = on_rewound,
                                       .ctx = op};
    rewinds_begin(api->rewinds, &order);
    return REQUEST_LATER;
}

static void rewind_end(void *ctx, struct err result) {
    struct rewind_op *op = ctx;
    (void)result; /* Answered. */
    point_wait_cancel(&op->wait);
    changes_span_done(&op->span);
    json_decref(op->people);
    mem_free(op->point);
    mem_free(op->root);
}

static const struct request_kind rewind_kind = {.size = sizeof(struct rewind_op),
                                                .later = true,
                                                .one = &session_one,
                                                .fields = &rewind_fields,
                                                .into = offsetof(struct rewind_op, body),
                                                .read = rewind_read,
                                                .start = rewind_start,
                                                .work = rewind_work,
                                                .done = rewind_done,
                                                .end = rewind_end};

static const char rewind_schema[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"state\",\"conversation\",\"point\",\"files\","
    "\"refused\"],"
    "\"properties\":{\"id\":" TEXT_OR_NULL
    ",\"state\":{\"type\":\"string\",\"enum\":[\"preview\",\"applied\"]},"
    "\"conversation\":" BOOL_SCHEMA ",\"point\":" TEXT_OR_NULL
    ",\"files\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"path\"],"
    "\"properties\":{\"path\":" TEXT_SCHEMA ",\"before\":" TEXT_OR_NULL ",\"after\":" TEXT_OR_NULL
    ",\"mode_before\":" TEXT_OR_NULL ",\"mode_after\":" TEXT_OR_NULL ",\"added\":" INT_SCHEMA
    ",\"removed\":" INT_SCHEMA ",\"binary\":" BOOL_SCHEMA
    "}}},\"refused\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"path\","
    "\"why\",\"by\"],\"properties\":{\"path\":" TEXT_SCHEMA
    ",\"why\":{\"type\":\"string\",\"enum\":[\"changed\",\"shared\",\"kind\"]},"
    "\"by\":{\"type\":\"array\",\"items\":" CHANGES_PERSON_SCHEMA "}}}}}}";

const struct route rewind_routes[] = {
    {ROUTE("POST", "/api/v1/sessions/{id}/rewind", SCOPE_APPROVE,
           "Take back what a session did in its folder, or in its conversation"),
     .query = OP_OWNER_QUERY("Another owner's session"), .has_body = true,
     .body = {.fields = &rewind_fields, .use = FIELD_GIVEN}, .answer_schema = rewind_schema,
     .request = &rewind_kind},
    {.method = NULL},
};
