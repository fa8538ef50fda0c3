/* place.c: see place.h. */
#include "main/place.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/base/home.h"
#include "store/datadir.h"

enum {
    MACHINE_ID_MAX = 64,
    ID_BYTES = 8,
    ID_LEN = 2 * ID_BYTES,
    FILE_SIZE_MAX = sizeof((struct place_name *)0)->text,
};

/* --- The id ----------------------------------------------------------------------------------- */

/* False: the file says nothing, or something of another place. `line` loses its end. */
static bool host_id_read(char *line, const struct place_name *here, char ret_id[ID_LEN + 1]) {
    line[strcspn(line, "\n")] = '\0';
    char *slash = strrchr(line, '/');
    if (slash == NULL || strlen(slash + 1) != ID_LEN ||
        strspn(slash + 1, "0123456789abcdef") != ID_LEN) {
        return false;
    }
    const struct home_places places = {.stored = {line, (size_t)(slash - line)},
                                       .ours = bytes_of(here->text)};
    memcpy(ret_id, slash + 1, ID_LEN + 1);
    return home_same(&places);
}

/* *io_name gets its last part. The file is written again also where the machine has got its id. */
static struct err host_id_add(const struct world *world, const char *path,
                              struct place_name *io_name) {
    AUTO(mem_release) char *file = datadir_path(path, DATADIR_HOST_ID);
    AUTO(mem_release) char *line = NULL;
    size_t len = 0;
    struct err err = world->file_read(world->ctx, file, FILE_SIZE_MAX, &line, &len);
    bool none = err_failed(err) && (err.os == ENOENT || err.os == EFBIG);
    if (err_failed(err) && !none) {
        return err;
    }
    struct place_name whole;
    char id[ID_LEN + 1];
    AUTO(mem_release) char *before = none ? NULL : mem_copy(line, len);
    if (none || !host_id_read(line, io_name, id)) {
        unsigned char random[ID_BYTES];
        world_random(world, random, sizeof random);
        hex_write(random, sizeof random, id);
    }
    int size = snprintf(whole.text, sizeof whole.text, "%s/%s\n", io_name->text, id);
    assert(size > 0 && (size_t)size < sizeof whole.text);
    bool same = before != NULL && strcmp(before, whole.text) == 0;
    err = same ? ERR_OK
               : world->file_replace(world->ctx, file, (struct bytes){whole.text, (size_t)size},
                                     0600 /* the owner's */);
    if (!err_failed(err)) {
        whole.text[size - 1] = '\0';
        *io_name = whole;
    }
    return err;
}

struct err place_find(const struct serve_options *serve, char **ret_data_dir,
                      struct place_name *ret_name) {
    const struct world *world = serve->world;
    AUTO(mem_release) char *machine = NULL;
    char path[PATH_MAX];
    struct place_name name;
    struct stat about;
    size_t len = 0;
    if (realpath(serve->data, path) == NULL) {
        return err_from_errno(errno, "place: find the data directory");
    }
    /* A system without a machine id has that part empty. */
    struct err err =
        world->file_read(world->ctx, "/etc/machine-id", MACHINE_ID_MAX, &machine, &len);
    size_t id_len = err_failed(err) ? 0 : strcspn(machine, "\r\n");
    if (stat(path, &about) != 0) {
        return err_from_errno(errno, "place: look at the data directory");
    }
    (void)snprintf(name.text, sizeof name.text, "%.*s/%" PRIu64, (int)id_len,
                   id_len > 0 ? machine : "", (uint64_t)about.st_ino); /* It fits. */
    err = host_id_add(world, path, &name);
    if (!err_failed(err)) {
        *ret_name = name;
        *ret_data_dir = mem_copy(path, strlen(path));
    }
    return err;
}
