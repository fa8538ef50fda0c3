/* vfs.h: a disk that fails, and a power cut.
 *
 * A VFS of SQLite that stands before the default one and becomes the default itself, so that what
 * is tested needs no seam for it. It does two things:
 *
 * Failing    vfs_fail lets the n-th call of a kind answer with a result code and an errno.
 * Cutting    of each file in the watched folder it knows what was synced (`durable`) and what was
 *            written since (`pending`). vfs_capture keeps that as an image; vfs_image_write makes
 *            the folder that a machine would find after losing power at that moment: what was
 *            synced, and of the rest nothing, everything, or what a seed decides: whole writes,
 *            single sectors, or the beginning of a sector.
 *
 * Promise    the folder being watched always holds what a running machine would read: the page
 *            cache.
 * Ownership  the caller owns *vfs and images, and ends them with vfs_remove and vfs_image_free.
 * Threads    any; a lock guards the model. vfs_at_sync's hook runs on the thread that syncs.
 */
#ifndef DROVER_TEST_FAULT_VFS_H
#define DROVER_TEST_FAULT_VFS_H

#include "base/base.h"

struct vfs;
struct vfs_image;

enum vfs_call { VFS_READ, VFS_WRITE, VFS_SYNC, VFS_TRUNCATE, VFS_OPEN, VFS_SHM, VFS_CALLS };

struct vfs *vfs_install(void);
void vfs_remove(struct vfs *vfs); /* No database may be open. */

struct vfs_failure {
    enum vfs_call call;
    const char *file; /* Only files whose name ends so; NULL: all. Borrowed. */
    unsigned after;   /* So many calls go well first. */
    unsigned times;   /* So many fail; 0: all from there on. */
    int code, os;     /* Their answer, and errno. */
};
void vfs_fail(struct vfs *vfs, struct vfs_failure failure); /* Replaces the one before. */
void vfs_heal(struct vfs *vfs);
unsigned vfs_failed(struct vfs *vfs);                    /* How many failed since vfs_fail. */
unsigned vfs_calls(struct vfs *vfs, enum vfs_call call); /* How many there were, ever. */

/* From now on files below `folder` are modelled; what is there counts as synced. NULL ends it. */
void vfs_watch(struct vfs *vfs, const char *folder);
/* Called before each sync of a watched file. */
void vfs_at_sync(struct vfs *vfs, void (*hook)(void *ctx, const char *name), void *ctx);

struct vfs_image *vfs_capture(struct vfs *vfs);
void vfs_image_free(struct vfs_image *image);

enum vfs_cut {
    VFS_LOSE_ALL,  /* Nothing that was not synced is there. */
    VFS_KEEP_ALL,  /* Everything is: the process was killed, the machine runs on. */
    VFS_LOSE_SOME, /* The seed decides for each write. */
    VFS_TEAR,      /* The seed decides for each sector, and where a sector breaks. */
};
/* `folder` exists and is empty. */
void vfs_image_write(const struct vfs_image *image, const char *folder, enum vfs_cut cut,
                     uint64_t seed);
/* As VFS_KEEP_ALL, and watches `folder` from there on with what the image knew to be unsynced: the
 * process was killed, and the power may still fail. */
void vfs_image_adopt(struct vfs *vfs, const struct vfs_image *image, const char *folder);

#endif
