/* apply.c: the changes of a working tree are put onto its root (engine/changes/apply.h).
 *
 *   start   the row; a point of the tree, and after it one of the root: both are as they are now
 *   work    the two points, as a span
 *   done    the plan, and unless it is a preview, the files: as a rewind is (dispatch/changes)
 *
 * The user's .git is not written: what comes is an uncommitted change.
 */
#include "engine/changes/apply.h"

#include "api/changes/changes.h"
#include "api/tree/trees.h"
#include "base/memory.h"
#include "dispatch/changes/rewinds.h"

enum { PATHS_MAX = 1000, PATH_BYTES_MAX = 8192 };

struct apply_body {
    bool preview;
    json_t *paths, *force; /* Borrowed from the body. */
};
static const struct field apply_rows[] = {
    {FIELD("paths", FIELD_TEXTS, offsetof(struct apply_body, paths)), .use = FIELD_GIVEN,
     .max = PATHS_MAX, .each_max = PATH_BYTES_MAX},
    {FIELD("force", FIELD_TEXTS, offsetof(struct apply_body, force)), .use = FIELD_GIVEN,
     .max = PATHS_MAX, .each_max = PATH_BYTES_MAX},
    {FIELD("preview", FIELD_BOOL, offsetof(struct apply_body, preview)), .use = FIELD_GIVEN},
};
static const struct field_set apply_fields = {FIELD_ROWS(apply_rows), .use = FIELD_GIVEN};

struct apply_op {
    struct request request;
    struct apply_body body;
    char *path, *source, *session; /* Owned; session: "": none works in the tree. */
    int64_t number;                /* Number of the row of the tree. */
    struct id id;
    struct point_wait wait;
    struct changes_span span; /* Owned, until the rewind takes it over. */
};

/* --- The points before ------------------------------------------------------------------------ */

static void text_keep(char **text, struct bytes bytes) {
    mem_free(*text);
    *text = mem_copy(bytes.len == 0 ? "" : bytes.data, bytes.len);
}

static struct err places_find(struct tx *tx, void *ctx) {
    struct apply_op *op = ctx;
    const struct resource_key key = {op->request.key.owner, op->request.key.id};
    struct apply_places places;
    TRY(tx_apply_places(tx, &key, &places, &op->request.op.why));
    op->number = places.tree.number;
    text_keep(&op->path, places.tree.texts[TREE_PATH]);
    text_keep(&op->source, places.tree.texts[TREE_FROM]);
    text_keep(&op->session, places.session);
    return ERR_OK;
}

static bool point_wait(struct apply_op *op, const char *root, enum point_phase phase,
                       void (*done)(struct point_wait *wait)) {
    const struct trees_api *api = op->request.api;
    const struct point_ask point = {
        .root = root, .run = op->request.key.id, .call = op->id.text, .phase = phase};
    op->wait.done = done;
    return points_wait(api->points, &point, &op->wait);
}

static void on_root_point(struct point_wait *wait) {
    request_go(&CONTAINER_OF(wait, struct apply_op, wait)->request, ERR_OK);
}

static void on_tree_point(struct point_wait *wait) {
    struct apply_op *op = CONTAINER_OF(wait, struct apply_op, wait);
    if (!point_wait(op, op->source, op->body.preview ? POINT_HAND : POINT_BEFORE, on_root_point)) {
        request_go(&op->request, ERR_OK); /* `work` says what is missing. */
    }
}

static void on_places(struct err err, void *ctx) {
    struct apply_op *op = ctx;
    if (err_failed(err) || !point_wait(op, op->path, POINT_HAND, on_tree_point)) {
        request_go(&op->request, err_failed(err) ? request_absent(&op->request, err) : ERR_OK);
    }
}

static struct err apply_start(void *ctx) {
    struct apply_op *op = ctx;
    op->id = request_new_id(&op->request, "rwd");
    store_read(op->request.store, places_find, on_places, op);
    return ERR_OK;
}

/* --- The plan --------------------------------------------------------------------------------- */

static struct err apply_work(struct tx *tx, void *ctx) {
    struct apply_op *op = ctx;
    const struct resource_key key = {op->request.key.owner, op->request.key.id};
    struct apply_places places;
    TRY(tx_apply_places(tx, &key, &places, &op->request.op.why));
    return tx_apply_find(tx, &places.tree, bytes_of(op->id.text), &op->span, &op->request.op.why);
}

static struct err refused_say(const json_t *refused, struct why *why) {
    const size_t count = json_array_size(refused);
    return err_why(why, ERR_CHANGED_SINCE,
                   "%zu file%s changed in the project's folder in the same place, too: %.300s%s; "
                   "nothing was applied. Name paths in \"force\" to take those of the tree, or in "
                   "\"paths\" those that are to be applied",
                   count, count == 1 ? " was" : "s were",
                   json_str(json_array_get(refused, 0), "path", ""), count == 1 ? "" : " and more");
}

static void refused_write(const json_t *refused, struct text *answer) {
    text_add_str(answer, ",\"refused\":[");
    for (size_t i = 0; i < json_array_size(refused); i++) {
        const json_t *row = json_array_get(refused, i);
        text_add_str(answer, i > 0 ? ",{" : "{");
        text_add_member_str(answer, "path", json_str(row, "path", ""));
        text_add_member_str(answer, "why", json_str(row, "why", "changed"));
        text_add_str(answer, ",\"by\":[]}");
    }
    text_add_char(answer, ']');
}

static void on_applied(void *ctx, struct err err, const struct why *why, const json_t *plan) {
    struct apply_op *op = ctx;
    struct text *answer = &op->request.op.answer;
    const json_t *refused = json_object_get(plan, "refused");
    if (why != NULL && why->text[0] != '\0') {
        op->request.op.why = *why;
    }
    if (!err_failed(err) && json_array_size(refused) > 0 && !op->body.preview) {
        err = refused_say(refused, &op->request.op.why);
    }
    if (!err_failed(err)) {
        text_clear(answer);
        text_add_char(answer, '{');
        text_add_member_str(answer, "id", op->body.preview ? NULL : op->id.text);
        text_add_member_str(answer, "state", op->body.preview ? "preview" : "applied");
        text_add_member_str(answer, "root", op->source);
        text_add_name(answer, "files");
        err = json_write(json_object_get(plan, "files"), answer);
        refused_write(refused, answer);
        text_add_char(answer, '}');
        err = !err_failed(err) && text_failed(answer) ? text_error(answer, "trees: answer") : err;
    }
    request_answer(&op->request, err);
}

static enum request_next apply_done(void *ctx, struct err *io_result) {
    struct apply_op *op = ctx;
    const struct trees_api *api = op->request.api;
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    const struct rewind_order order = {.owner = op->request.key.owner,
                                       .session = bytes_of(op->session),
                                       .actor = op->request.key.id,
                                       .message = BYTES(""),
                                       .id = op->id,
                                       .span = &op->span,
                                       .force = op->body.force,
                                       .paths = op->body.paths,
                                       .tree = op->number,
                                       .files = true,
                                       .preview = op->body.preview,
                                       .done = on_applied,
                                       .ctx = op};
    rewinds_begin(api->rewinds, &order);
    return REQUEST_LATER;
}

static void apply_end(void *ctx, struct err result) {
    struct apply_op *op = ctx;
    (void)result; /* Answered. */
    point_wait_cancel(&op->wait);
    changes_span_done(&op->span);
    mem_free(op->path);
    mem_free(op->source);
    mem_free(op->session);
}

static const struct request_kind apply_kind = {.size = sizeof(struct apply_op),
                                               .later = true,
                                               .one = &tree__one,
                                               .fields = &apply_fields,
                                               .into = offsetof(struct apply_op, body),
                                               .start = apply_start,
                                               .work = apply_work,
                                               .done = apply_done,
                                               .end = apply_end};

static const char apply_schema[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"state\",\"root\",\"files\",\"refused\"],"
    "\"properties\":{\"id\":" TEXT_OR_NULL
    ",\"state\":{\"type\":\"string\",\"enum\":[\"preview\",\"applied\"]},\"root\":" TEXT_SCHEMA
    ",\"files\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"path\"],"
    "\"properties\":{\"path\":" TEXT_SCHEMA ",\"before\":" TEXT_OR_NULL ",\"after\":" TEXT_OR_NULL
    ",\"mode_before\":" TEXT_OR_NULL ",\"mode_after\":" TEXT_OR_NULL ",\"added\":" INT_SCHEMA
    ",\"removed\":" INT_SCHEMA ",\"binary\":" BOOL_SCHEMA
    "}}},\"refused\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"path\","
    "\"why\",\"by\"],\"properties\":{\"path\":" TEXT_SCHEMA
    ",\"why\":{\"type\":\"string\",\"enum\":[\"changed\",\"shared\",\"kind\"]},"
    "\"by\":{\"type\":\"array\",\"items\":" CHANGES_PERSON_SCHEMA "}}}}}}";

const struct route tree_apply_routes[] = {
    {ROUTE("POST", "/api/v1/worktrees/{id}/apply", SCOPE_APPROVE,
           "Merge the changes of a working tree onto its root"),
     .query = OP_OWNER_QUERY("Another owner's working tree"), .has_body = true,
     .body_optional = true, .body = {.fields = &apply_fields, .use = FIELD_GIVEN},
     .answer_schema = apply_schema, .request = &apply_kind},
    {.method = NULL},
};
