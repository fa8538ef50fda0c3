/* vfs_model.h: what a disk holds of one file: synced bytes, and writes since then.
 *
 * Ownership  everything is copied in. Threads: one at a time.
 */
#ifndef DROVER_TEST_FAULT_VFS_MODEL_H
#define DROVER_TEST_FAULT_VFS_MODEL_H

#include "base/base.h"
#include "vfs.h"

struct vfs_change {
    struct vfs_change *next;
    bool truncate; /* To `at`; otherwise `len` bytes were written there. */
    size_t at, len;
    char data[];
};

struct vfs_file {
    struct vfs_file *next;
    char *name;                      /* Owned; without the folder. */
    char *durable;                   /* Owned. */
    size_t len, size;                /* Of durable; size: of its block of memory. */
    bool named;                      /* Its name is durable. */
    bool removed;                    /* Removed, but the folder was not synced. */
    struct vfs_change *first, *last; /* Owned; oldest first. */
};

struct vfs_files {
    struct vfs_file *first; /* Owned. */
};

void vfs_files_done(struct vfs_files *files);
void vfs_files_copy(const struct vfs_files *from, struct vfs_files *to);
struct vfs_file *vfs_files_find(struct vfs_files *files, const char *name); /* NULL. */
struct vfs_file *vfs_files_add(struct vfs_files *files, const char *name);
void vfs_files_sync_folder(struct vfs_files *files); /* All names stay, what was removed is gone. */
void vfs_files_remove(struct vfs_files *files, const char *name, bool durably);

void vfs_file_write(struct vfs_file *file, const void *data, size_t len, size_t at);
void vfs_file_truncate(struct vfs_file *file, size_t len);
void vfs_file_sync(struct vfs_file *file);
void vfs_file_set_durable(struct vfs_file *file, const char *data, size_t len);

/* The bytes that a cut leaves; false: the file is not there. *ret_data is owned (mem_free). */
bool vfs_file_after(const struct vfs_file *file, enum vfs_cut cut, uint64_t *seed, char **ret_data,
                    size_t *ret_len);

/* Of the folder itself; they abort where it cannot be read or written. */
void vfs_bytes_read(const char *path, char **ret_data, size_t *ret_len); /* End: mem_free. */
void vfs_bytes_write(const char *path, const char *data, size_t len);
MUST_CHECK char *vfs_path(const char *folder, const char *name); /* End: mem_free. */
bool vfs_ends_with(const char *text, const char *end);

#endif
