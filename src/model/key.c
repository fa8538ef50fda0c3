/* key.c: reads the file of a key. */
#include "model/key.h"

#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "model/connection.h"

void key_free(char **key) {
    if (*key != NULL) {
        explicit_bzero(*key, strlen(*key));
    }
    mem_free(*key);
}

struct err key_load(const struct world *world, const char *path, char **ret_key, struct why *why) {
    struct stat found;
    if (stat(path, &found) == 0 && (found.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return err_why(why, ERR_CONFIG, "%s holds a key, and others may read it: chmod 600 it",
                       path);
    }
    AUTO(key_free) char *text = NULL;
    size_t size = 0;
    struct err err = world->file_read(world->ctx, path, CONNECTION_KEY_MAX + 8, &text, &size);
    if (err_failed(err)) {
        why_set(why, "%s, which should hold a key, cannot be read: %s", path, err_title(err.code));
        return err;
    }
    size_t from = strspn(text, " \t\r\n"), len = strcspn(text + from, " \t\r\n");
    size_t behind = strspn(text + from + len, " \t\r\n");
    if (len == 0 || len > CONNECTION_KEY_MAX || from + len + behind != size) {
        return err_why(why, ERR_CONFIG,
                       "%s should hold a key: one line of at most %d characters without blanks",
                       path, CONNECTION_KEY_MAX);
    }
    *ret_key = mem_copy(text + from, len);
    return ERR_OK;
}
