/* attachments.c: images that are given to a session, and read again.
 *
 * An upload's body is bytes and not JSON; what it is is told by its first bytes, never by what the
 * client says. They go to the disk first and are named by a row then (dispatch/session/blobs.h).
 */
#include <string.h>

#include "api/session/sessions.h"
#include "base/memory.h"
#include "dispatch/session/blobs.h"
#include "engine/session/attachments.h"

static const struct one_kind attachment_kind = {.prefix = "att",
                                                .absent = "there is no attachment with that id"};

/* --- Upload ----------------------------------------------------------------------------------- */

struct upload {
    struct op op;
    struct blob_put put;
    struct attachment_new what; /* Its key is borrowed from the exchange. */
};

static struct err upload_row(struct tx *tx, void *ctx) {
    struct upload *upload = CONTAINER_OF((struct blob_put *)ctx, struct upload, put);
    struct attachment_new what = upload->what;
    op_restart(&upload->op);
    what.hash = bytes_of(upload->put.hash.text);
    what.media = bytes_of(upload->put.media);
    what.bytes = (int64_t)upload->put.bytes.len;
    struct attachment_row row;
    struct err err = tx_attachment_add(tx, &what, &row);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&sessions__kind, &upload->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    attachment_write_json(&row, &upload->op.answer);
    return op_written(&upload->op);
}

static void upload_done(struct blob_put *put, struct err result) {
    struct upload *upload = CONTAINER_OF(put, struct upload, put);
    if (result.code == ERR_BAD_IMAGE) {
        why_set(&upload->op.why, "the body must be a PNG, JPEG, GIF or WebP image");
    }
    op_answer(&upload->op, result);
    mem_free(upload);
}

static struct err session_there(struct tx *tx, void *ctx) {
    struct upload *upload = ctx;
    op_restart(&upload->op);
    bool found = false;
    struct session_row row;
    struct err err = tx_session_find(tx, &upload->what.session, &found, &row);
    return !err_failed(err) && !found ? one_absent(&sessions__kind, &upload->op.why) : err;
}

/* Before the disk is filled with what nobody may give to it. */
static void session_known(struct err result, void *ctx) {
    struct upload *upload = ctx;
    if (err_failed(result)) {
        op_done(result, upload);
        return;
    }
    struct blobs *blobs = upload->put.blobs;
    upload->put.row = upload_row;
    upload->put.done = upload_done;
    blobs_put(blobs, &upload->put);
}

static void attach(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct session_key key;
    if (!sessions__key(exchange, SESSION_OWNER, &key)) {
        return;
    }
    struct upload *upload = mem_new(sizeof *upload);
    op_init(&upload->op, exchange, 201);
    upload->put.bytes = exchange_body(exchange);
    upload->put.blobs = api->blobs;
    upload->what.session = key;
    upload->what.attachment = sessions__new_id(api, "att");
    store_read(api->store, session_there, session_known, upload);
}

/* --- Read ------------------------------------------------------------------------------------- */

struct reading {
    struct op op;
    struct loop_work work;
    const struct sessions_api *api;
    struct attachment_key key; /* Borrowed from the exchange. */
    char hash[65];
    int64_t bytes;
    const char *media; /* Static, as the server wants it. */
    struct err err;
    struct text content; /* Owned. */
};

static void reading_free(struct reading *reading) {
    text_done(&reading->content);
    mem_free(reading);
}

static struct err reading_run(struct tx *tx, void *ctx) {
    struct reading *reading = ctx;
    op_restart(&reading->op);
    bool found = false;
    struct attachment_row row;
    struct err err = tx_attachment_find(tx, &reading->key, &found, &row);
    if (!err_failed(err) && !found) {
        return one_absent(&attachment_kind, &reading->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    if (row.hash.len >= sizeof reading->hash) {
        return err_make(ERR_STORE_CORRUPT, "attachments: row");
    }
    memcpy(reading->hash, row.hash.data, row.hash.len);
    reading->bytes = row.bytes;
    return ERR_OK;
}

static void reading_in_pool(struct loop_work *work) {
    struct reading *reading = CONTAINER_OF(work, struct reading, work);
    const struct world *world = loop_world(reading->api->loop);
    AUTO(mem_release) char *path = blobs_path(reading->api->blobs, reading->hash);
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    reading->err = world->file_read(world->ctx, path, (size_t)reading->bytes, &content, &len);
    if (err_failed(reading->err)) {
        return;
    }
    reading->media = blob_media((struct bytes){content, len});
    text_add(&reading->content, content, len);
    if (reading->media == NULL || (int64_t)len != reading->bytes) {
        reading->err = err_make(ERR_IO, "attachments: the file was changed");
    }
}

static void content_read(struct loop_work *work) {
    struct reading *reading = CONTAINER_OF(work, struct reading, work);
    if (err_failed(reading->err)) {
        op_answer(&reading->op, reading->err);
        reading_free(reading);
        return;
    }
    exchange_reply(reading->op.exchange, 200, reading->media, &reading->content);
    text_done(&reading->op.answer);
    reading_free(reading);
}

static void row_known(struct err result, void *ctx) {
    struct reading *reading = ctx;
    if (err_failed(result)) {
        op_answer(&reading->op, result);
        reading_free(reading);
        return;
    }
    text_init(&reading->content, (size_t)reading->bytes + 1);
    reading->work = (struct loop_work){.run = reading_in_pool, .done = content_read};
    loop_work(reading->api->loop, &reading->work);
}

static void show(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct one_key key;
    if (!one_read(exchange, &attachment_kind, SESSION_OWNER, &key)) {
        return;
    }
    struct reading *reading = mem_new(sizeof *reading);
    op_init(&reading->op, exchange, 200);
    reading->api = api;
    reading->key = (struct attachment_key){.owner = key.owner, .attachment = key.id};
    store_read(api->store, reading_run, row_known, reading);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param attach_query[] = {
    [SESSION_OWNER] = OP_OWNER_PARAM("Another owner's session"),
    {.name = NULL},
};
static const struct query_param show_query[] = {
    [SESSION_OWNER] = OP_OWNER_PARAM("Another owner's attachment"),
    {.name = NULL},
};

static const char attach_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"media\",\"bytes\"],\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"media\":{\"enum\":[\"image/png\",\"image/jpeg\","
    "\"image/gif\",\"image/webp\"]},\"bytes\":{\"type\":\"integer\"},"
    "\"sha256\":{\"type\":\"string\"},\"made_ms\":{\"type\":\"integer\"}}}";
static const char show_answer[] = "{\"type\":\"string\",\"format\":\"binary\"}";

static const struct route routes[ATTACHMENT_ROUTES] = {
    {.method = "POST",
     .path = "/api/v1/sessions/{id}/attachments",
     .summary = "Give a session an image; the answer means that it is on disk",
     .scope = SCOPE_RUN,
     .query = attach_query,
     .has_body = true,
     .body_media = "image/*",
     .body_schema = show_answer,
     .answer_schema = attach_answer,
     .answer_status = 201,
     .handle = attach},
    {.method = "GET",
     .path = "/api/v1/attachments/{id}",
     .summary = "Read an image that was given to a session",
     .scope = SCOPE_READ,
     .query = show_query,
     .answer_schema = show_answer,
     .answer_media = "image/*",
     .answer_status = 200,
     .handle = show},
};

/* The bound of a body is a setting, so the rows are the daemon's own. */
struct route_table attachments_table(struct sessions_api *api) {
    memcpy(api->attachment_routes, routes, sizeof routes);
    api->attachment_routes[0].body_max = api->attachment_max;
    return (struct route_table){
        .routes = api->attachment_routes, .count = ATTACHMENT_ROUTES, .ctx = api};
}
