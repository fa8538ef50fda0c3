/* ops_images.c: a client gives an image to a session, and says something about it.
 *
 *   upload   what is no image is refused; equal bytes are one attachment, which stays as long as a
 *            session uses it, with its file
 *   prompts  hold the bytes as they were sent, or say why not: somebody else may remove or damage
 *            the file
 */
#include "images.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "asks.h"
#include "base/base64.h"
#include "base/memory.h"
#include "chat_ops.h"
#include "dispatch/session/blobs.h"
#include "engine/session/attachments.h"
#include "ops.h"

enum { IMAGES_MAX = 128, BYTES_MAX = 512, DIGITS_MAX = 1024, PATH_SIZE = 256 };

struct image {
    struct known_message *message;
    char bytes[BYTES_MAX], digits[DIGITS_MAX]; /* digits: as JSON has it. */
    size_t len;
    char hash[65];
    bool is_image;
};

static struct image images[IMAGES_MAX];
static size_t image_count;
/* Files that somebody else touched: of these bytes nothing is known any more. */
static char touched[IMAGES_MAX][65];
static size_t touched_count;

/* --- Bytes ------------------------------------------------------------------------------------ */

/* A picture of one grey point. */
static const char png[] = "\x89PNG\r\n\x1a\n"
                          "\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x8\0\0\0\0\x3a\x7e\x9b\x55"
                          "\0\0\0\nIDAT\x78\x9c\x63\x68\0\0\0\x82\0\x81\x77\xcd\x72\xb6"
                          "\0\0\0\0IEND\xae\x42\x60\x82";

/* What follows the end of a picture is looked at by nobody: it makes others of the same one. */
static void bytes_fill(struct sim *sim, struct image *image) {
    uint64_t kind = sim_choose(sim, "kind", 8);
    image->is_image = kind != 0;
    if (kind == 0) {
        image->len = (size_t)snprintf(image->bytes, BYTES_MAX, "<svg>%u</svg>", sim_operation(sim));
    } else if (kind == 1) { /* Cut off behind its first bytes. */
        image->len = 9 + (size_t)sim_choose(sim, "cut", 40);
        memcpy(image->bytes, png, image->len);
    } else {
        memcpy(image->bytes, png, sizeof png - 1);
        memset(image->bytes + sizeof png - 1, 'a' + (int)sim_choose(sim, "picture", 4), 30);
        image->len = sizeof png - 1 + 30;
    }
    base64_write(image->digits, (struct bytes){image->bytes, image->len});
    image->digits[base64_size(image->len)] = '\0';
}

/* --- Upload, and the message ------------------------------------------------------------------ */

struct upload {
    struct sim *sim;
    struct blob_put put;
    struct image *image;
    struct attachment_new what;
    struct id id;
    char attachment[ID_SIZE];
};

static struct err upload_row(struct tx *tx, void *ctx) {
    struct upload *upload = CONTAINER_OF((struct blob_put *)ctx, struct upload, put);
    struct attachment_new what = upload->what;
    what.hash = (struct bytes){upload->put.hash.text, strlen(upload->put.hash.text)};
    what.media = known_bytes(upload->put.media);
    what.bytes = (int64_t)upload->put.bytes.len;
    struct attachment_row row;
    struct err err = tx_attachment_add(tx, &what, &row);
    if (!err_failed(err)) {
        (void)snprintf(upload->attachment, sizeof upload->attachment, "%.*s",
                       (int)row.attachment.len, row.attachment.data); /* It fits. */
    }
    return err;
}

static void upload_done(struct blob_put *put, struct err result) {
    struct upload *upload = CONTAINER_OF(put, struct upload, put);
    struct sim *sim = upload->sim;
    struct image *image = upload->image;
    struct known_message *message = image->message;
    sim_trace(sim, "upload of op %u: %s", message->op, err_name(result.code));
    if (image->is_image ? result.code == ERR_BAD_IMAGE : !err_failed(result)) {
        sim_fail(sim, "the upload of op %u is %s: %s", message->op,
                 image->is_image ? "an image" : "a text", err_name(result.code));
    }
    if (!err_failed(result)) {
        (void)snprintf(image->hash, sizeof image->hash, "%s", put->hash.text); /* It fits. */
        memcpy(message->attachment, upload->attachment, sizeof message->attachment);
        message->unsent = false;
        turns_say(sim, message, TURN_ENQUEUE);
    }
    mem_free(upload);
}

static void image_say(struct sim *sim) {
    struct known_session *session = known_pick(sim, "session");
    struct known_message *message =
        session == NULL || image_count == IMAGES_MAX ? NULL : turns_new(sim, session);
    if (message == NULL) {
        return;
    }
    message->unsent = true;
    struct image *image = &images[image_count++];
    *image = (struct image){.message = message};
    bytes_fill(sim, image);
    struct upload *upload = mem_new(sizeof *upload);
    *upload = (struct upload){.sim = sim, .image = image};
    upload->what = (struct attachment_new){
        .session = {.owner = BYTES(KNOWN_OWNER), .session = known_bytes(session->id)},
        .attachment = known_id(sim, "att", "attachment")};
    upload->put = (struct blob_put){.bytes = {image->bytes, image->len},
                                    .row = upload_row,
                                    .done = upload_done,
                                    .blobs = sim_life(sim)->blobs};
    blobs_put(sim_life(sim)->blobs, &upload->put);
}

/* --- Files, touched by others ----------------------------------------------------------------- */

static void path_write(struct sim *sim, const char *hash, char path[PATH_SIZE]) {
    (void)snprintf(path, PATH_SIZE, "%s/blobs/%s", sim_life(sim)->data_dir, hash); /* It fits. */
}

static bool is_touched(const char *hash) {
    for (size_t i = 0; i < touched_count; i++) {
        if (strcmp(touched[i], hash) == 0) {
            return true;
        }
    }
    return false;
}

static void image_damage(struct sim *sim) {
    const struct image *image =
        image_count == 0 ? NULL : &images[sim_choose(sim, "image", image_count)];
    if (image == NULL || image->hash[0] == '\0' || touched_count == IMAGES_MAX) {
        return;
    }
    char path[PATH_SIZE];
    path_write(sim, image->hash, path);
    memcpy(touched[touched_count++], image->hash, sizeof image->hash);
    if (sim_chance(sim, "removed", 50)) {
        (void)unlink(path); /* It may be gone. */
    } else {
        (void)truncate(path, 3); /* Likewise. */
    }
}

/* --- What must hold --------------------------------------------------------------------------- */

/* A part is {"type": "text", …}, or has the digits somewhere, whichever wire it is. */
static bool shows(const json_t *json, const char *digits) {
    const char *text = json_string_value(json), *name;
    size_t i;
    json_t *member;
    if (text != NULL) {
        size_t len = json_string_length(json), tail = strlen(digits);
        return strstr(text, "[drover: an image is not shown") != NULL ||
               (len >= tail && strcmp(text + len - tail, digits) == 0);
    }
    json_array_foreach(json, i, member) {
        if (shows(member, digits)) {
            return true;
        }
    }
    json_object_foreach((json_t *)json, name, member) {
        if (shows(member, digits)) {
            return true;
        }
    }
    return false;
}

void images_requested(struct sim *sim, const char *session, const char *mark, const json_t *body) {
    for (size_t i = 0; i < image_count; i++) {
        const struct image *image = &images[i];
        const struct known_message *message = image->message;
        /* A probe has the mark of the last operation. */
        bool asks = message->attachment[0] != '\0' && message->op < sim_operation(sim) &&
                    strcmp(message->session->id, session) == 0 &&
                    strncmp(message->text, mark, strlen(mark)) == 0;
        if (asks && !is_touched(image->hash) && !shows(body, image->digits)) {
            sim_fail(sim, "a prompt does not show the image of op %u, nor why", message->op);
        }
    }
}

static void images_check(struct sim *sim) {
    for (size_t i = 0; i < image_count; i++) {
        const struct image *image = &images[i];
        const struct known_message *message = image->message;
        char path[PATH_SIZE];
        if (message->state != MESSAGE_STORED || message->session->state != SESSION_THERE) {
            continue;
        }
        if (rows_number(sim, "SELECT count(*) FROM attachments WHERE attachment = $1",
                        TEXTS(message->attachment), 1) == 0) {
            sim_fail(sim, "the image %s of op %u is gone", message->attachment, message->op);
        }
        path_write(sim, image->hash, path);
        if (!is_touched(image->hash) && access(path, R_OK) < 0) {
            sim_fail(sim, "the file of the image of op %u is gone", message->op);
        }
    }
}

static void images_begin(struct sim *sim) {
    (void)sim;
    image_count = touched_count = 0;
}

static const struct sim_op ops_images[] = {
    {"image_say", 4, image_say},
    {"image_damage", 1, image_damage},
    {NULL, 0, NULL},
};

const struct sim_part part_images = {.name = "images",
                                     .ops = ops_images,
                                     .begin = images_begin,
                                     .opened = images_check,
                                     .end = images_check};
