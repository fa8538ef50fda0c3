/* blobs.h: bytes that rows name by their SHA-256, as files DIR/blobs/HASH.
 *
 * Promise    a blob is on the disk, whole, before the row that names it is written; it is removed
 *            after the last such row is gone. Equal bytes are one file. A crash leaves at most
 *            files that no row names, which the next sweep removes.
 * How        one job at a time, from its first look at the disk to the end of its commit: so a
 *            sweep never sees the file of an upload whose row is still on its way, and no upload
 *            counts on a file that a sweep is about to remove.
 * Ownership  the caller's; a put is embedded in its owner's object and lives until `done`.
 * Threads    the loop; the disk is touched in the pool.
 * Failure    ERR_BAD_IMAGE: not one of the kinds that are taken. ERR_OVERLOADED: BLOBS_WAITING_MAX
 *            wait already; ERR_CLOSING after blobs_stop. What a sweep cannot remove stays for the
 *            next one.
 */
#ifndef DROVER_DISPATCH_SESSION_BLOBS_H
#define DROVER_DISPATCH_SESSION_BLOBS_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/link.h"
#include "loop/loop.h"
#include "store/store.h"

enum { BLOBS_WAITING_MAX = 64 };

struct blobs;
struct blobs_options {
    struct loop *loop;   /* Borrowed. */
    struct store *store; /* Borrowed. */
    const char *data;    /* The data directory; borrowed during the call. */
};
/* Blocks: makes the folder. */
MUST_CHECK struct err blobs_open(const struct blobs_options *options, struct blobs **ret_blobs);
/* No job begins any more, and none goes back to the disk: before the loop stops. */
void blobs_stop(struct blobs *blobs);
/* After the loop has ended, and the store. NULL is allowed. */
void blobs_close(struct blobs *blobs);

struct blob_put {
    struct bytes bytes; /* Borrowed until `done`. */
    store_fn row;       /* Writes the row that names it; its ctx is the put. */
    void (*done)(struct blob_put *put, struct err result);
    /* Found before `row` runs. */
    struct sha256_hex hash;
    const char *media; /* Static: image/png, image/jpeg, image/gif or image/webp. */
    /* Private. */
    struct link link;
    struct blobs *blobs;
    struct loop_work work;
    struct loop_task task;
    struct err err;
};
void blobs_put(struct blobs *blobs, struct blob_put *put);

/* Removes the files that no row names, soon. */
void blobs_sweep(struct blobs *blobs);

/* DIR/blobs/HASH, for who reads it in the pool; end: mem_free. */
MUST_CHECK char *blobs_path(const struct blobs *blobs, const char *hash);

/* The same, for who knows the data directory alone. */
MUST_CHECK char *blob_path(const char *data, const char *hash);

/* By its first bytes; NULL: none of the four. */
const char *blob_media(struct bytes bytes);

#endif
