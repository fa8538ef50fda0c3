/* vfs_model.c: see vfs_model.h. */
#include "vfs_model.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { SECTOR = 512 };

/* --- The folder ------------------------------------------------------------------------------- */

bool vfs_ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

void vfs_bytes_read(const char *path, char **ret_data, size_t *ret_len) {
    FILE *file = fopen(path, "rb");
    assert(file != NULL);
    int rc = fseek(file, 0, SEEK_END);
    assert(rc == 0);
    long len = ftell(file);
    assert(len >= 0);
    rewind(file);
    *ret_data = mem_new((size_t)len + 1);
    *ret_len = fread(*ret_data, 1, (size_t)len, file);
    assert(*ret_len == (size_t)len);
    (void)fclose(file); /* Only read. */
}

void vfs_bytes_write(const char *path, const char *data, size_t len) {
    FILE *file = fopen(path, "wb");
    assert(file != NULL);
    size_t written = fwrite(data, 1, len, file);
    assert(written == len);
    int rc = fclose(file);
    assert(rc == 0);
}

char *vfs_path(const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = mem_new(size);
    (void)snprintf(path, size, "%s%s%s", folder, vfs_ends_with(folder, "/") ? "" : "/", name);
    return path;
}

/* --- Files ------------------------------------------------------------------------------------ */

static void drop_changes(struct vfs_file *file) {
    while (file->first != NULL) {
        struct vfs_change *change = file->first;
        file->first = change->next;
        mem_free(change);
    }
    file->last = NULL;
}

static void file_free(struct vfs_file *file) {
    drop_changes(file);
    mem_free(file->name);
    mem_free(file->durable);
    mem_free(file);
}

void vfs_files_done(struct vfs_files *files) {
    while (files->first != NULL) {
        struct vfs_file *file = files->first;
        files->first = file->next;
        file_free(file);
    }
}

struct vfs_file *vfs_files_find(struct vfs_files *files, const char *name) {
    struct vfs_file *file = files->first;
    while (file != NULL && strcmp(file->name, name) != 0) {
        file = file->next;
    }
    return file;
}

struct vfs_file *vfs_files_add(struct vfs_files *files, const char *name) {
    struct vfs_file *file = vfs_files_find(files, name);
    if (file != NULL) {
        file->removed = false;
        return file;
    }
    file = mem_new(sizeof *file);
    file->name = mem_copy(name, strlen(name));
    file->next = files->first;
    files->first = file;
    return file;
}

static void unlink_file(struct vfs_files *files, struct vfs_file *file) {
    struct vfs_file **at = &files->first;
    while (*at != file) {
        at = &(*at)->next;
    }
    *at = file->next;
    file_free(file);
}

void vfs_files_remove(struct vfs_files *files, const char *name, bool durably) {
    struct vfs_file *file = vfs_files_find(files, name);
    if (file == NULL) {
        return;
    }
    drop_changes(file);
    file->removed = true;
    if (durably || !file->named) {
        unlink_file(files, file);
    }
}

void vfs_files_sync_folder(struct vfs_files *files) {
    struct vfs_file *next = NULL;
    for (struct vfs_file *file = files->first; file != NULL; file = next) {
        next = file->next;
        file->named = true;
        if (file->removed) {
            unlink_file(files, file);
        }
    }
}

static struct vfs_change *add_change(struct vfs_file *file, size_t at, size_t len,
                                     const void *data) {
    struct vfs_change *added = mem_grow(NULL /* a new one, not zeroed */, sizeof *added + len);
    *added = (struct vfs_change){.at = at, .len = len};
    if (len > 0) {
        memcpy(added->data, data, len);
    }
    if (file->last == NULL) {
        file->first = added;
    } else {
        file->last->next = added;
    }
    file->last = added;
    return added;
}

void vfs_files_copy(const struct vfs_files *from, struct vfs_files *to) {
    for (const struct vfs_file *file = from->first; file != NULL; file = file->next) {
        struct vfs_file *copy = vfs_files_add(to, file->name);
        vfs_file_set_durable(copy, file->durable, file->len);
        copy->named = file->named;
        copy->removed = file->removed;
        for (const struct vfs_change *change = file->first; change != NULL; change = change->next) {
            add_change(copy, change->at, change->len, change->data)->truncate = change->truncate;
        }
    }
}

/* --- One file --------------------------------------------------------------------------------- */

void vfs_file_write(struct vfs_file *file, const void *data, size_t len, size_t at) {
    (void)add_change(file, at, len, data); /* Nothing more to say about it. */
}

void vfs_file_truncate(struct vfs_file *file, size_t len) {
    add_change(file, len, 0, NULL /* no bytes */)->truncate = true;
}

void vfs_file_set_durable(struct vfs_file *file, const char *data, size_t len) {
    mem_free(file->durable);
    file->durable = mem_new(len + 1);
    file->len = len;
    file->size = len + 1;
    if (len > 0) {
        memcpy(file->durable, data, len);
    }
}

struct bytes_owned {
    char *data;
    size_t len, size; /* size: of the block of memory. */
};

static void reserve(struct bytes_owned *bytes, size_t len) {
    if (len >= bytes->size) {
        bytes->size = len + len / 2 + 1;
        bytes->data = mem_grow(bytes->data, bytes->size);
    }
}

static void resize(struct bytes_owned *bytes, size_t len) {
    reserve(bytes, len);
    if (len > bytes->len) {
        memset(bytes->data + bytes->len, 0, len - bytes->len);
    }
    bytes->len = len;
}

static void put(struct bytes_owned *bytes, size_t at, const char *data, size_t len) {
    reserve(bytes, at + len);
    if (at > bytes->len) { /* Only the gap is zeroed: most writes lengthen the log. */
        resize(bytes, at);
    }
    memcpy(bytes->data + at, data, len);
    bytes->len = at + len > bytes->len ? at + len : bytes->len;
}

static uint64_t draw(uint64_t *seed) {
    *seed += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = (*seed ^ (*seed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}

/* A disk writes sectors; which of them arrived is anybody's guess, and the last one may be
 * broken. */
static void put_torn(struct bytes_owned *bytes, const struct vfs_change *change, uint64_t *seed) {
    for (size_t done = 0; done < change->len; done += SECTOR) {
        size_t len = change->len - done < SECTOR ? change->len - done : SECTOR;
        uint64_t fate = draw(seed) % 8;
        if (fate < 4) {
            put(bytes, change->at + done, change->data + done, len);
        } else if (fate == 4) {
            put(bytes, change->at + done, change->data + done, draw(seed) % (len + 1));
        }
    }
}

static void apply(struct bytes_owned *bytes, const struct vfs_change *change, enum vfs_cut cut,
                  uint64_t *seed) {
    bool whole = cut == VFS_KEEP_ALL || (cut != VFS_LOSE_ALL && draw(seed) % 2 == 0);
    if (change->truncate) {
        if (whole) {
            resize(bytes, change->at);
        }
    } else if (whole) {
        put(bytes, change->at, change->data, change->len);
    } else if (cut == VFS_TEAR) {
        put_torn(bytes, change, seed);
    }
}

bool vfs_file_after(const struct vfs_file *file, enum vfs_cut cut, uint64_t *seed, char **ret_data,
                    size_t *ret_len) {
    bool there = file->named;
    if (cut == VFS_KEEP_ALL) {
        there = !file->removed;
    } else if (cut != VFS_LOSE_ALL && (!file->named || file->removed)) {
        there = draw(seed) % 2 == 0;
    }
    if (!there) {
        return false;
    }
    struct bytes_owned bytes = {.data = NULL};
    resize(&bytes, 0);
    if (file->len > 0) {
        put(&bytes, 0, file->durable, file->len);
    }
    for (const struct vfs_change *change = file->first; change != NULL; change = change->next) {
        apply(&bytes, change, cut, seed);
    }
    *ret_data = bytes.data;
    *ret_len = bytes.len;
    return true;
}

/* In place: a log of megabytes is synced after each few pages that are added to it. */
void vfs_file_sync(struct vfs_file *file) {
    struct bytes_owned bytes = {.data = file->durable, .len = file->len, .size = file->size};
    file->named = true;
    if (bytes.data == NULL) {
        resize(&bytes, 0);
    }
    for (const struct vfs_change *change = file->first; change != NULL; change = change->next) {
        uint64_t unused = 0;
        apply(&bytes, change, VFS_KEEP_ALL, &unused);
    }
    file->durable = bytes.data;
    file->len = bytes.len;
    file->size = bytes.size;
    drop_changes(file);
}
