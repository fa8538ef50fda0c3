/* confine.h: the three ways in which a process gives up rights for ever, and for all that it
 * starts: capabilities, files (landlock), system calls (a filter).
 *
 * Compiled into small static programs: no allocation, no state. Neither the C library nor the
 * headers of the system we build on know all of it, so the kernel's numbers stand here.
 *
 * Threads    any; what is given up is given up by the calling thread.
 * Failure    -1 with errno; some may be gone.
 */
#ifndef DROVER_PROC_SANDBOX_CONFINE_H
#define DROVER_PROC_SANDBOX_CONFINE_H

#include "base/base.h"

/* No capability afterwards, and no way to get one. */
MUST_CHECK int privileges_drop(void);

/* --- Landlock --------------------------------------------------------------------------------- */

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
    /* Rights that mean something for a file; the others are rights in a folder. */
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
/* Every right that this ABI judges and that we know: what is handled and not granted is refused,
 * also where it was free in an older kernel. */
uint64_t landlock_rights(int abi);

/* A ruleset that handles all of landlock_rights(abi), and the scopes where it has them. -1: errno.
 */
int landlock_create(int abi);
/* Everything below `fd` (or that file) gets `rights`. -1: errno. */
int landlock_allow(int ruleset, int fd, uint64_t rights);
/* For this thread and what it starts, for ever. -1: errno. */
int landlock_enter(int ruleset);

/* --- System calls ----------------------------------------------------------------------------- */

/* A row judges one call, by its number and its plain arguments: the kernel shows a filter no
 * memory, so neither paths nor addresses. Arguments are compared by their low 32 bits: where the
 * kernel takes 32, the rest is ignored by it too, and a filter that looked at it could be got
 * around. A call in a foreign numbering (another processor's, x32) ends the process. Of the others,
 * the first row answers whose call it is and whose conditions all hold; if there is none, what
 * call_filter_end said. */
enum { FILTER_MAX = 512, FILTER_CONDITIONS_MAX = 4 };

/* As the kernel's struct sock_filter, whose header the C library of the holder doesn't bring. */
struct filter_step {
    uint16_t code;
    uint8_t yes, no;
    uint32_t value;
};
struct filter {
    uint16_t len;
    struct filter_step steps[FILTER_MAX];
};

enum { FILTER_WHOLE = -1 };
enum filter_how { FILTER_UNUSED, FILTER_EQUAL, FILTER_NOT_EQUAL, FILTER_ANY_BIT, FILTER_NO_BIT };
struct filter_condition {
    enum filter_how how;
    unsigned char argument; /* From 0. */
    int mask;               /* Bits of the argument that count. */
    int value;              /* For EQUAL and NOT_EQUAL. */
};
enum { FILTER_ALLOW = 0 };
struct filter_row {
    int call;   /* Below 0: the rows end here. */
    int answer; /* FILTER_ALLOW, or the errno with which it fails. */
    struct filter_condition conditions[FILTER_CONDITIONS_MAX]; /* None: always. */
};

void call_filter_begin(struct filter *filter);
void call_filter_add(struct filter *filter, const struct filter_row *rows, size_t count);
enum filter_rest { FILTER_REST_ALLOWED, FILTER_REST_KILLS };
void call_filter_end(struct filter *filter, enum filter_rest rest);

/* For this thread and what it starts, for ever; it must have given up new privileges. -1: errno. */
int call_filter_enter(const struct filter *filter);

#endif
