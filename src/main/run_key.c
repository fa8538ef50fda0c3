/* run_key.c: see run_key.h. */
#include "main/run_key.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "store/datadir.h"

enum { TEXT_LEN = 2 * RUN_TOKEN_KEY_BYTES + 1 };

static struct err key_make(const struct world *world, const char *path,
                           struct run_token_key *ret_key, struct why *why) {
    char text[TEXT_LEN];
    world_random(world, ret_key->bytes, sizeof ret_key->bytes);
    hex_write(ret_key->bytes, sizeof ret_key->bytes, text);
    text[TEXT_LEN - 1] = '\n'; /* In place of the terminator. */
    const struct err err =
        world->file_replace(world->ctx, path, (struct bytes){text, sizeof text}, 0600);
    explicit_bzero(text, sizeof text);
    if (err_failed(err)) {
        why_set(why, "the key %s cannot be created: %s", path, err_title(err.code));
    }
    return err;
}

struct err run_key_load(const struct world *world, const char *data_dir,
                        struct run_token_key *ret_key, struct why *why) {
    AUTO(mem_release) char *path = datadir_path(data_dir, "run.key");
    AUTO(mem_wipe) char *text = NULL;
    size_t len = 0;
    const struct err err = world->file_read(world->ctx, path, TEXT_LEN + 1, &text, &len);
    if (err.code == ERR_NOT_FOUND) {
        return key_make(world, path, ret_key, why);
    }
    if (err_failed(err)) {
        why_set(why, "the key %s cannot be read: %s", path, err_title(err.code));
        return err;
    }
    return hex_parse(bytes_trim((struct bytes){text, len}, "\n"), ret_key->bytes,
                     sizeof ret_key->bytes)
               ? ERR_OK
               : err_why(why, ERR_CONFIG,
                         "%s must be one line of %d hex digits: remove it, and the daemon makes"
                         " another one",
                         path, TEXT_LEN - 1);
}
