/* order.h: what this holder was told to do: the records of the sealed memfd, checked.
 *
 * Promise    after order_read all that is required is there and within bounds; texts end with NUL.
 *            Unknown records were skipped, or refused where protocol.h says so.
 * Ownership  texts live in one mapping until order_forget, which is called as soon as the command
 *            runs: thousands of holders wait for days, and the environment is most of their memory.
 *            The numbers and the name stay. The first input stays in the memfd and is read from it
 *            piece by piece.
 * Failure    nothing is mapped. EINVAL: not an order of ours. ENOTSUP: one that wants what this
 *            holder does not know, or a sandbox that hides nothing.
 */
#ifndef DROVER_PROC_HOLDER_ORDER_H
#define DROVER_PROC_HOLDER_ORDER_H

#include "base/base.h"
#include "base/err.h"
#include "proc/spool/protocol.h"

enum {
    ORDER_SIZE_MAX = 256 << 20,
    ORDER_NONCE_LEN = 32,
    ORDER_GRACE_DEFAULT_MS = 5000,
    ORDER_LOG_MIN = 4096,
    ORDER_LOG_DEFAULT = 64 << 20,
    ORDER_HIDE_MAX = 8,
    ORDER_WRITE_MAX = 8,
};

struct order_size {
    int64_t rows, columns; /* At most UINT16_MAX; 0: as the kernel makes it. */
};

struct order {
    int fd; /* Owned: the memfd. */
    char *map;
    size_t map_size;
    const char *spool, *cwd;            /* Until order_forget. */
    const char *cgroup;                 /* The same; NULL: none. */
    const char **argv, **envp;          /* Until order_forget; end with NULL. */
    const char *hide[ORDER_HIDE_MAX];   /* Until order_forget. */
    const char *write[ORDER_WRITE_MAX]; /* Until order_forget. */
    size_t argc, envc, hide_count, write_count;
    bool strict;  /* PROTOCOL_ORDER_STRICT. */
    bool unknown; /* There was a record that nobody here knows. */
    char name[PROTOCOL_NAME_MAX + 1], nonce[ORDER_NONCE_LEN + 1];
    int64_t flags;
    int64_t input_at, input_len; /* Where in the memfd the first input stands. */
    int64_t timeout_ms;          /* 0: none. */
    int64_t grace_ms, log_max;
    int64_t memory_max, processes_max; /* 0: none. */
    int64_t files, umask;              /* 0: as it is. */
    struct order_size size;
};

MUST_CHECK struct err order_read(int fd, struct order *ret_order);
void order_forget(struct order *order);

static inline bool order_has(const struct order *order, enum order_flag flag) {
    return (order->flags & (int64_t)flag) != 0;
}

#endif
