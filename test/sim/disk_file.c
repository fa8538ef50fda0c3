/* disk_file.c: the bytes of one file, and how to take back those that were not synced.
 *
 * Bytes that a running machine reads are held once, in pieces, so that a log of megabytes grows
 * without being copied. Each write or truncation is noted with the bytes that it replaces. A sync
 * drops the notes. A power cut goes back through them, so that the model of test/fault is given
 * the bytes that were synced, and the writes since then in their order. A file that is made anew
 * under a name whose removal is not durable is different: the model holds its bytes (`apart`).
 */
#include <stdio.h>
#include <string.h>

#include "disk.h"

struct unsynced {
    struct unsynced *before;
    bool truncate;           /* To `at`; otherwise `len` bytes were written there. */
    size_t at, len, old_len; /* old_len: number of bytes that were replaced, at `at`. */
    size_t file_len;         /* Before. */
    char *written;           /* Owned; while a power cut is prepared. */
    char old[];
};

/* --- Bytes ------------------------------------------------------------------------------------ */

static void pieces_reserve(struct disk_file *file, size_t len) {
    size_t count = (len + PIECE_BYTES - 1) / PIECE_BYTES;
    if (count > file->pieces_size) {
        size_t size = count * 2;
        file->pieces = sim_grow(file->pieces, size * sizeof *file->pieces);
        memset(file->pieces + file->pieces_size, 0,
               (size - file->pieces_size) * sizeof *file->pieces);
        file->pieces_size = size;
    }
    for (size_t i = count; i > 0 && file->pieces[i - 1] == NULL; i--) {
        file->pieces[i - 1] = sim_grow(NULL /* a new one, not zeroed */, PIECE_BYTES);
    }
}

/* Bytes from `at` to the end of a piece, or `len` if they are fewer. */
static size_t part_of(size_t at, size_t len) {
    size_t rest = PIECE_BYTES - at % PIECE_BYTES;
    return len < rest ? len : rest;
}

static char *place_of(const struct disk_file *file, size_t at) {
    return file->pieces[at / PIECE_BYTES] + at % PIECE_BYTES;
}

size_t disk_file_read(const struct disk_file *file, char *data, size_t len, size_t at) {
    size_t have = at >= file->len ? 0 : file->len - at;
    size_t copied = have < len ? have : len;
    for (size_t done = 0; done < copied;) {
        size_t part = part_of(at + done, copied - done);
        memcpy(data + done, place_of(file, at + done), part);
        done += part;
    }
    return copied;
}

static void bytes_zero(struct disk_file *file, size_t from, size_t to) {
    while (from < to) {
        size_t part = part_of(from, to - from);
        memset(place_of(file, from), 0, part);
        from += part;
    }
}

static void len_set(struct disk_file *file, size_t len) {
    if (len > file->len) {
        pieces_reserve(file, len);
        bytes_zero(file, file->len, len);
    }
    file->len = len;
}

static void bytes_put(struct disk_file *file, const char *data, size_t len, size_t at) {
    if (at > file->len) {
        len_set(file, at);
    }
    size_t end = at + len;
    pieces_reserve(file, end);
    for (size_t done = 0; done < len;) {
        size_t part = part_of(at + done, len - done);
        memcpy(place_of(file, at + done), data + done, part);
        done += part;
    }
    file->len = end > file->len ? end : file->len;
}

/* --- What was not synced ---------------------------------------------------------------------- */

static void unsynced_drop(struct disk_file *file) {
    while (file->unsynced != NULL) {
        struct unsynced *last = file->unsynced;
        file->unsynced = last->before;
        sim_free(last->written);
        sim_free(last);
    }
}

static struct unsynced *note(struct disk_file *file, size_t at, size_t len) {
    size_t have = at >= file->len ? 0 : file->len - at;
    size_t old_len = have < len ? have : len;
    struct unsynced *fresh = sim_grow(NULL /* a new one, not zeroed */, sizeof *fresh + old_len);
    *fresh = (struct unsynced){
        .before = file->unsynced, .at = at, .len = len, .old_len = old_len, .file_len = file->len};
    size_t read = disk_file_read(file, fresh->old, old_len, at);
    assert(read == old_len);
    file->unsynced = fresh;
    return fresh;
}

void disk_file_write(struct disk_file *file, struct vfs_file *model, const char *data, size_t len,
                     size_t at) {
    if (model != NULL && file->apart) {
        memory_leave();
        vfs_file_write(model, data, len, at);
        memory_return();
    } else if (model != NULL) {
        (void)note(file, at, len);
    }
    bytes_put(file, data, len, at);
}

void disk_file_truncate(struct disk_file *file, struct vfs_file *model, size_t len) {
    if (model != NULL && file->apart) {
        memory_leave();
        vfs_file_truncate(model, len);
        memory_return();
    } else if (model != NULL) {
        note(file, len, file->len > len ? file->len - len : 0)->truncate = true;
    }
    len_set(file, len);
}

void disk_file_sync(struct disk_file *file, struct vfs_file *model) {
    memory_leave();
    if (file->apart) {
        vfs_file_sync(model);
    }
    memory_return();
    model->named = true;
    unsynced_drop(file);
}

static void take_back(struct disk_file *file, const struct unsynced *last) {
    bytes_put(file, last->old, last->old_len, last->at);
    assert(file->len >= last->file_len);
    file->len = last->file_len;
}

void disk_file_part(struct disk_file *file, struct vfs_file *model) {
    if (file->apart || model == NULL) {
        return;
    }
    struct unsynced *first = NULL; /* Oldest first, through `before`. */
    while (file->unsynced != NULL) {
        struct unsynced *last = file->unsynced;
        file->unsynced = last->before;
        if (!last->truncate) {
            last->written = sim_grow(NULL /* a new one */, last->len + 1);
            size_t read = disk_file_read(file, last->written, last->len, last->at);
            assert(read == last->len);
        }
        take_back(file, last);
        last->before = first;
        first = last;
    }
    char *synced = sim_grow(NULL /* a new one */, file->len + 1);
    size_t len = disk_file_read(file, synced, file->len, 0);
    memory_leave();
    vfs_file_set_durable(model, synced, len);
    for (const struct unsynced *at = first; at != NULL; at = at->before) {
        if (at->truncate) {
            vfs_file_truncate(model, at->at);
        } else {
            vfs_file_write(model, at->written, at->len, at->at);
        }
    }
    memory_return();
    sim_free(synced);
    file->unsynced = first;
    unsynced_drop(file);
    file->apart = true;
}

void disk_file_set(struct disk_file *file, const char *data, size_t len) {
    unsynced_drop(file);
    file->apart = false;
    file->len = 0;
    bytes_put(file, data, len, 0);
}

/* --- The folder ------------------------------------------------------------------------------- */

struct disk_file *disk_file_find(const char *name) {
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (strcmp(disk()->files[i].name, name) == 0) {
            return &disk()->files[i];
        }
    }
    return NULL;
}

struct disk_file *disk_file_add(const char *name) {
    struct disk_file *file = disk_file_find("");
    assert(file != NULL && strlen(name) < NAME_SIZE);
    (void)snprintf(file->name, sizeof file->name, "%s", name); /* It fits. */
    file->len = 0;
    return file;
}

void disk_file_clear(struct disk_file *file) {
    unsynced_drop(file);
    for (size_t i = 0; i < file->pieces_size; i++) {
        sim_free(file->pieces[i]);
    }
    sim_free(file->pieces);
    for (size_t i = 0; i < SHM_REGIONS; i++) {
        sim_free(file->regions[i]);
    }
    *file = (struct disk_file){.len = 0};
}
