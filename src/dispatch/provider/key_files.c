/* key_files.c: writing, reading and removing the files of keys. */
#include "dispatch/provider/key_files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/memory.h"
#include "model/connection.h"
#include "store/datadir.h"

#define FOLDER "provider-keys"

struct key_file_name key_file_name_make(const struct world *world, struct bytes provider) {
    struct key_file_name name;
    struct id id = world_new_id(world, "key");
    int len =
        snprintf(name.text, sizeof name.text, "%.*s.%s", (int)provider.len, provider.data, id.text);
    assert(len > 0 && (size_t)len < sizeof name.text); /* A connection's name is bounded. */
    return name;
}

static char *folder_path(const struct key_folder *folder) {
    return datadir_path(folder->data_dir, FOLDER);
}

static char *file_path(const struct key_folder *folder, const char *file) {
    AUTO(mem_release) char *path = folder_path(folder);
    return datadir_path(path, file);
}

/* A row may come from a copied database: what it names must lie in the folder. */
static bool name_fits(const char *file) {
    return file[0] != '\0' && file[0] != '.' && strchr(file, '/') == NULL;
}

struct err key_file_write(const struct key_folder *folder, const char *file, const char *key) {
    AUTO(mem_release) char *place = folder_path(folder);
    AUTO(mem_release) char *path = datadir_path(place, file);
    struct bytes content = bytes_of(key);
    struct err err = datadir_make_folder(place, "key: make the folder");
    return err_failed(err) ? err
                           : folder->world->file_replace(folder->world->ctx, path, content, 0600);
}

struct err key_file_read(const struct key_folder *folder, const char *file, char **ret_key,
                         struct why *why) {
    AUTO(mem_release) char *path = file_path(folder, file);
    if (!name_fits(file)) {
        return err_why(why, ERR_STORE_CORRUPT, "its row names no key file");
    }
    return key_load(folder->world, path, ret_key, why);
}

void key_file_remove(const struct key_folder *folder, const char *file) {
    AUTO(mem_release) char *path = file_path(folder, file);
    if (name_fits(file)) {
        (void)unlink(path); /* What stays behind is swept at the next start. */
    }
}

void key_files_sweep(const struct key_folder *folder, bool (*keep)(void *ctx, const char *file),
                     void *ctx) {
    AUTO(mem_release) char *path = folder_path(folder);
    AUTO(entries_close) DIR *entries = opendir(path);
    for (const char *name; (name = entries_next(entries)) != NULL;) {
        if (!keep(ctx, name)) {
            (void)unlinkat(dirfd(entries), name, 0 /* a file */); /* Else at the next start. */
        }
    }
}
