/* nursery.h: processes of the holder's program: the nursery, which waits for orders and makes a
 * holder of itself for each, and holders that are started without it.
 *
 *   NONE ──a start──> READY ──its end, a broken link, nursery_drop──> NONE
 *
 * Why        starting a program takes longer than all else that stands between a commit and its
 *            command, and it is the loop that would wait for it. The nursery is the holder's
 *            program, started once; a fork of it is small, quick, and not ours to wait for.
 * Promise    it belongs to no run: it makes no folder, claims nothing, keeps nothing of an order,
 *            and ends by itself when our end of its link is closed, so with us in any case. The
 *            holders that it made don't need it. There is none before a daemon's first start.
 * Ownership  embedded in struct holders; the image is static data.
 * Threads    the loop.
 * Failure    nothing was begun. The next call makes another one if need be.
 */
#ifndef DROVER_PROC_NURSERY_H
#define DROVER_PROC_NURSERY_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"

/* The program, carried inside the daemon's: a whole ELF file, static and stripped, built from
 * src/proc/holder/ by the same build. */
struct bytes holder_image(void);
/* Its SHA-256, which the build has computed: at a start of the daemon that would be most of it. */
struct sha256 holder_image_hash(void);

struct nursery {
    int pid;     /* 0: there is none. */
    int link_fd; /* Owned; -1. */
};

void nursery_init(struct nursery *nursery);
void nursery_done(struct nursery *nursery);

/* Equipment of a new holder; all borrowed. */
struct nursery_birth {
    const char *program;
    int order_fd, link_fd;
};
/* As a child of ours, without any nursery; it gets copies. order_fd -1: it becomes a nursery. */
MUST_CHECK struct err nursery_spawn(const struct nursery_birth *birth, int *ret_pid);
/* A connected pair; ours does not block. */
MUST_CHECK struct err nursery_make_link(int *ret_ours, int *ret_theirs);

/* ERR_BUSY: it does not come to its orders fast enough; another way must be taken. */
MUST_CHECK struct err nursery_bear(struct nursery *nursery, const struct nursery_birth *birth);

/* It does not do what it is told: it is ended, and what it has not begun it never will. */
void nursery_drop(struct nursery *nursery);
/* True: that was the nursery, and it is gone. */
MUST_CHECK bool nursery_reaped(struct nursery *nursery, int pid);

#endif
