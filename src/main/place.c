/* place.c: the data directory's true path, and its name. */
#include "main/place.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

enum { MACHINE_ID_MAX = 64 };

static struct err name_find(const struct serve_options *serve, const char *path,
                            struct place_name *ret_name) {
    const struct world *world = serve->world;
    AUTO(mem_release) char *machine = NULL;
    size_t len = 0;
    struct err err =
        world->file_read(world->ctx, "/etc/machine-id", MACHINE_ID_MAX, &machine, &len);
    size_t id_len = err_failed(err) ? 0 : strcspn(machine, "\r\n");
    struct stat about;
    if (stat(path, &about) != 0) {
        return err_from_errno(errno, "place: look at the data directory");
    }
    (void)snprintf(ret_name->text, sizeof ret_name->text, "%.*s/%" PRIu64, (int)id_len,
                   id_len > 0 ? machine : "", (uint64_t)about.st_ino); /* It fits. */
    return ERR_OK;
}

struct err place_find(const struct serve_options *serve, char **ret_data_dir,
                      struct place_name *ret_name) {
    char path[PATH_MAX];
    if (realpath(serve->data, path) == NULL) {
        return err_from_errno(errno, "place: find the data directory");
    }
    struct err err = name_find(serve, path, ret_name);
    if (!err_failed(err)) {
        *ret_data_dir = mem_copy(path, strlen(path));
    }
    return err;
}
