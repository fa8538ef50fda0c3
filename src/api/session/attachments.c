/* attachments.c: images that are given to a session, and read again.
 *
 * An upload's body is bytes and not JSON; its type is read from its first bytes, never from what
 * the client says. They go to the disk first and are named by a row then
 * (dispatch/session/blobs.h).
 */
#include <string.h>

#include "api/session/sessions.h"
#include "base/memory.h"
#include "dispatch/session/blobs.h"
#include "engine/session/attachments.h"

static const struct one_kind attachment_one = {.prefix = "att", .noun = "attachment"};

/* --- Upload ----------------------------------------------------------------------------------- */

struct upload_op {
    struct request request;
    struct blob_put put;
    struct id attachment;
};

/* Before the disk is filled with what nobody may give to it. */
static struct err upload_check(struct tx *tx, void *ctx) {
    struct session_row row;
    return request_session(tx, ctx, &row);
}

static struct err upload_row(struct tx *tx, void *ctx) {
    struct upload_op *upload = CONTAINER_OF((struct blob_put *)ctx, struct upload_op, put);
    struct op *op = &upload->request.op;
    const struct attachment_new what = {.session = sessions__key_of(&upload->request),
                                        .attachment = upload->attachment,
                                        .hash = bytes_of(upload->put.hash.text),
                                        .media = bytes_of(upload->put.media),
                                        .bytes = (int64_t)upload->put.bytes.len};
    struct attachment_row row;
    op_restart(op);
    struct err err = tx_attachment_add(tx, &what, &row);
    if (err.code == ERR_NOT_FOUND) {
        return request_absent(&upload->request, ERR_OK);
    }
    if (err_failed(err)) {
        return err;
    }
    attachment_write_json(&row, &op->answer);
    return op_written(op);
}

static void upload_done(struct blob_put *put, struct err result) {
    struct upload_op *upload = CONTAINER_OF(put, struct upload_op, put);
    if (result.code == ERR_BAD_IMAGE) {
        why_set(&upload->request.op.why, "the body must be a PNG, JPEG, GIF or WebP image");
    }
    request_answer(&upload->request, result);
}

static enum request_next upload_checked(void *ctx, struct err *io_result) {
    struct upload_op *upload = ctx;
    const struct sessions_api *api = upload->request.api;
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    upload->attachment = request_new_id(&upload->request, "att");
    upload->put = (struct blob_put){.bytes = exchange_body(upload->request.op.exchange),
                                    .blobs = api->blobs,
                                    .row = upload_row,
                                    .done = upload_done};
    blobs_put(api->blobs, &upload->put);
    return REQUEST_LATER;
}

static const struct request_kind upload = {
    .size = sizeof(struct upload_op),
    .one = &session_one,
    .work = upload_check,
    .done = upload_checked,
};

/* --- Read ------------------------------------------------------------------------------------- */

struct show_op {
    struct request request;
    char hash[65];
    int64_t bytes;
};

static struct err attachment_show_work(struct tx *tx, void *ctx) {
    struct show_op *show = ctx;
    const struct attachment_key key = {.owner = show->request.key.owner,
                                       .attachment = show->request.key.id};
    bool found = false;
    struct attachment_row row;
    struct err err = tx_attachment_find(tx, &key, &found, &row);
    if (err_failed(err) || !found) {
        return request_absent(&show->request, err);
    }
    if (row.hash.len >= sizeof show->hash) {
        return err_make(ERR_STORE_CORRUPT, "attachments: row");
    }
    memcpy(show->hash, row.hash.data, row.hash.len);
    show->hash[row.hash.len] = '\0';
    show->bytes = row.bytes;
    return ERR_OK;
}

static enum request_next show_found(void *ctx, struct err *io_result) {
    struct show_op *show = ctx;
    text_init(&show->request.op.answer, (size_t)show->bytes + 1);
    return REQUEST_ANSWER;
}

static struct err show_file(void *ctx) {
    struct show_op *show = ctx;
    struct op *op = &show->request.op;
    const struct sessions_api *api = show->request.api;
    const struct world *world = loop_world(show->request.loop);
    AUTO(mem_release) char *path = blobs_path(api->blobs, show->hash);
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    TRY(world->file_read(world->ctx, path, (size_t)show->bytes, &content, &len));
    op->media = blob_media((struct bytes){content, len});
    text_add(&op->answer, content, len);
    bool whole = op->media != NULL && (int64_t)len == show->bytes;
    return whole ? ERR_OK : err_make(ERR_IO, "attachments: the file was changed");
}

static const struct request_kind show = {
    .size = sizeof(struct show_op),
    .one = &attachment_one,
    .work = attachment_show_work,
    .done = show_found,
    .after = show_file,
};

/* --- The table -------------------------------------------------------------------------------- */

static const char attach_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"media\",\"bytes\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"media\":{\"enum\":[\"image/png\",\"image/jpeg\",\"image/"
    "gif\",\"image/webp\"]},\"bytes\":" INT_SCHEMA ",\"sha256\":" TEXT_SCHEMA
    ",\"made_ms\":" INT_SCHEMA "}}";
static const char show_answer[] = "{\"type\":\"string\",\"format\":\"binary\"}";

static const struct route routes[ATTACHMENT_ROUTES] = {
    {ROUTE("POST", "/api/v1/sessions/{id}/attachments", SCOPE_RUN,
           "Give a session an image; the answer means that it is on disk"),
     .inside = INSIDE_BELOW, .query = SESSION_QUERY, .has_body = true, .body_media = "image/*",
     .body_schema = show_answer, .answer_schema = attach_answer, .answer_status = 201,
     .request = &upload},
    {ROUTE("GET", "/api/v1/attachments/{id}", SCOPE_READ,
           "Read an image that was given to a session"),
     .query = OP_OWNER_QUERY("Another owner's attachment"), .answer_schema = show_answer,
     .answer_media = "image/*", .request = &show},
};

/* The bound of a body is a setting, so the rows are the daemon's own. */
struct route_table attachments_table(struct sessions_api *api) {
    memcpy(api->attachment_routes, routes, sizeof routes);
    api->attachment_routes[0].body_max = api->attachment_max;
    return (struct route_table){api->attachment_routes, ATTACHMENT_ROUTES, api, request_handle};
}
