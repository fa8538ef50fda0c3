/* secret.c: the key that signs what is sent to webhooks. */
#include <sys/stat.h>

#include "base/hash.h"
#include "base/memory.h"
#include "dispatch/inbox/deliver.h"
#include "store/datadir.h"

enum { KEY_BYTES = 32, FILE_MAX = DELIVER_SECRET_MAX + 2 };

static struct err secret_read(const struct world *world, const char *path, char **ret_secret,
                              struct why *why) {
    AUTO(mem_wipe) char *text = NULL;
    size_t size = 0;
    struct err err = world->file_read(world->ctx, path, FILE_MAX, &text, &size);
    if (err_failed(err)) {
        why_set(why, "the webhook secret %s cannot be read: %s", path, err_title(err.code));
        return err;
    }
    size_t len = strcspn(text, "\r\n");
    bool one_line = strspn(text + len, "\r\n") == size - len;
    if (!one_line || len < DELIVER_SECRET_MIN || len > DELIVER_SECRET_MAX) {
        return err_why(why, ERR_CONFIG,
                       "the webhook secret %s must be one line of %d to %d characters", path,
                       DELIVER_SECRET_MIN, DELIVER_SECRET_MAX);
    }
    *ret_secret = mem_copy(text, len);
    return ERR_OK;
}

struct err deliver_secret_load(const struct world *world, const char *data_dir, const char *file,
                               char **ret_secret, struct why *why) {
    AUTO(mem_release) char *own = datadir_path(data_dir, "webhook.key");
    const char *path = file != NULL ? file : own;
    struct stat there;
    if (stat(path, &there) == 0 && (there.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return err_why(why, ERR_CONFIG,
                       "the webhook secret %s can be read by other users: run 'chmod 600' on it",
                       path);
    }
    struct err err = secret_read(world, path, ret_secret, why);
    if (err.code != ERR_NOT_FOUND || file != NULL) {
        return err;
    }
    uint8_t random[KEY_BYTES];
    char text[2 * KEY_BYTES + 1];
    world_random(world, random, sizeof random);
    hex_write(random, sizeof random, text);
    text[2 * KEY_BYTES] = '\n'; /* In place of the terminator. */
    err = world->file_replace(world->ctx, path, (struct bytes){text, sizeof text}, 0600);
    explicit_bzero(random, sizeof random);
    explicit_bzero(text, sizeof text);
    if (err_failed(err)) {
        why_set(why, "the webhook secret %s cannot be created: %s", path, err_title(err.code));
        return err;
    }
    return secret_read(world, path, ret_secret, why);
}
