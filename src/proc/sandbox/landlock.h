/* landlock.h: what the kernel's landlock can do, by the number of its ABI, and its three calls.
 *
 * Neither the C library nor the headers of the system we build on know all of it, so the numbers
 * stand here. Compiled into the daemon and into the holder: no allocation, no state.
 *
 * Promise    landlock_rights names every right that this ABI judges and that we know: what is
 *            handled and not granted is refused, also where it was free in an older kernel.
 * Threads    any.
 */
#ifndef DROVER_PROC_SANDBOX_LANDLOCK_H
#define DROVER_PROC_SANDBOX_LANDLOCK_H

#include "base/base.h"

enum {
    LANDLOCK_EXECUTE = 1 << 0,
    LANDLOCK_WRITE_FILE = 1 << 1,
    LANDLOCK_READ_FILE = 1 << 2,
    LANDLOCK_READ_DIR = 1 << 3,
    LANDLOCK_MAKE_CHAR = 1 << 6,
    LANDLOCK_MAKE_BLOCK = 1 << 11,
    LANDLOCK_REFER = 1 << 13,     /* ABI 2; before it, renames across folders are refused. */
    LANDLOCK_TRUNCATE = 1 << 14,  /* ABI 3 */
    LANDLOCK_IOCTL_DEV = 1 << 15, /* ABI 5 */
    /* Those that mean something for a file; the others are rights in a folder. */
    LANDLOCK_OF_FILES = LANDLOCK_EXECUTE | LANDLOCK_WRITE_FILE | LANDLOCK_READ_FILE |
                        LANDLOCK_TRUNCATE | LANDLOCK_IOCTL_DEV,
};
enum {
    LANDLOCK_ABI_REFER = 2,
    LANDLOCK_ABI_TRUNCATE = 3,
    LANDLOCK_ABI_NET = 4, /* Not used: see docs/sandbox.md. */
    LANDLOCK_ABI_IOCTL_DEV = 5,
    LANDLOCK_ABI_SCOPES = 6, /* Abstract sockets and signals. */
};

/* The ABI of this kernel; 0: it has none, or it is switched off, or kept from us. */
int landlock_abi(void);
uint64_t landlock_rights(int abi);

/* A ruleset that handles all of landlock_rights(abi), and the scopes where it has them. -1: errno.
 */
int landlock_create(int abi);
/* Everything below `fd` (or that file) gets `rights`. -1: errno. */
int landlock_allow(int ruleset, int fd, uint64_t rights);
/* For this thread and what it starts, for ever. -1: errno. */
int landlock_enter(int ruleset);

#endif
