/* order.c: see order.h.
 *
 * The whole order is read into one mapping and its texts are used where they stand. A record has no
 * terminator; but once the header of the next record was read, its first byte becomes the
 * terminator of the text before it.
 * The arrays of pointers follow in the same mapping: each record takes at least the 8 bytes of its
 * header, so an array is never larger than the order. What is not touched costs nothing.
 */
#include "proc/holder/order.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process/umask.h"
#include "proc/small/small.h"

enum {
    MAGIC_LEN = sizeof(PROTOCOL_ORDER_MAGIC) - 1,
    FLAGS_KNOWN = ORDER_PTY | ORDER_ONCE | ORDER_INPUT_OPEN | ORDER_SANDBOX | ORDER_TMP,
    HEADER_LEN = 8,
    MARK_SIZE = sizeof("DROVER_RUN=") + PROTOCOL_NAME_MAX + 1 + ORDER_NONCE_LEN,
    ARRAY_SPARE = 4 * sizeof(char *), /* DROVER_RUN, the NULL, and what rounding takes. */
};

/* Records that are one number. */
static const struct {
    enum order_tag tag;
    size_t at;
    int64_t max;
} numbers[] = {
    {ORDER_FLAGS, offsetof(struct order, flags), INT64_MAX},
    {ORDER_TIMEOUT_MS, offsetof(struct order, timeout_ms), INT64_MAX},
    {ORDER_GRACE_MS, offsetof(struct order, grace_ms), INT64_MAX},
    {ORDER_LOG_MAX, offsetof(struct order, log_max), INT64_MAX},
    {ORDER_MEMORY_MAX, offsetof(struct order, memory_max), INT64_MAX},
    {ORDER_PROCESSES_MAX, offsetof(struct order, processes_max), INT64_MAX},
    {ORDER_FILES, offsetof(struct order, files), INT64_MAX},
    {ORDER_UMASK, offsetof(struct order, umask), UMASK_KNOWN | 0777},
    {ORDER_ROWS, offsetof(struct order, size.rows), UINT16_MAX},
    {ORDER_COLUMNS, offsetof(struct order, size.columns), UINT16_MAX},
};

static uint64_t get_little(const char *bytes, unsigned size) {
    uint64_t number = 0;
    while (size-- > 0) {
        number = number << 8 | (unsigned char)bytes[size];
    }
    return number;
}

static bool take_name(struct bytes record, char *ret_name, size_t size) {
    if (record.len >= size || !name_is_plain(record)) {
        return false;
    }
    memcpy(ret_name, record.data, record.len);
    ret_name[record.len] = '\0';
    return true;
}

/* A text of the command: anything but a NUL. */
static bool take_text(struct bytes record, const char **ret_text) {
    *ret_text = record.data;
    return memchr(record.data, '\0', record.len) == NULL;
}

static bool take_path(struct bytes record, const char **ret_path) {
    return record.len > 0 && record.data[0] == '/' && take_text(record, ret_path);
}

static bool order_take(struct order *order, uint32_t tag, struct bytes record) {
    switch (tag) {
    case ORDER_SPOOL:
        return take_path(record, &order->spool);
    case ORDER_NAME:
        return take_name(record, order->name, sizeof order->name);
    case ORDER_NONCE:
        return take_name(record, order->nonce, sizeof order->nonce);
    case ORDER_ARG:
        return take_text(record, &order->argv[order->argc++]);
    case ORDER_ENV:
        /* The mark is ours to set, and comes last. */
        return bytes_begin(record, BYTES("DROVER_RUN=")) ||
               take_text(record, &order->envp[order->envc++]);
    case ORDER_CWD:
        return take_path(record, &order->cwd);
    case ORDER_CGROUP:
        return take_path(record, &order->cgroup);
    case ORDER_STDIN:
        order->input_at = record.data - order->map;
        order->input_len = (int64_t)record.len;
        return true;
    case ORDER_HIDE:
        return order->hide_count < ORDER_HIDE_MAX &&
               take_path(record, &order->hide[order->hide_count++]);
    case ORDER_WRITE:
        return order->write_count < ORDER_WRITE_MAX &&
               take_path(record, &order->write[order->write_count++]);
    default:
        break;
    }
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (tag == (uint32_t)numbers[i].tag) {
            /* A number that we could not count with is refused. */
            uint64_t number = record.len == 8 ? get_little(record.data, 8) : UINT64_MAX;
            *(int64_t *)(void *)((char *)order + numbers[i].at) = (int64_t)number;
            return number <= (uint64_t)numbers[i].max;
        }
    }
    order->unknown = true;
    return true;
}

/* The records of order->map up to `size`; the byte after them is ours, too. */
static bool order_take_all(struct order *order, size_t size) {
    char *end = NULL; /* Of the last record, where a text wants its terminator. */
    for (size_t at = MAGIC_LEN; at < size;) {
        if (size - at < HEADER_LEN) {
            return false;
        }
        uint32_t tag = (uint32_t)get_little(order->map + at, 4);
        uint32_t len = (uint32_t)get_little(order->map + at + 4, 4);
        at += HEADER_LEN;
        if (end != NULL) {
            *end = '\0';
        }
        if (len > size - at || !order_take(order, tag, (struct bytes){order->map + at, len})) {
            return false;
        }
        at += len;
        end = order->map + at;
    }
    if (end != NULL) {
        *end = '\0';
    }
    return true;
}

/* What is missing gets its default, or is refused. */
static bool order_complete(struct order *order) {
    if (order->grace_ms == 0) {
        order->grace_ms = ORDER_GRACE_DEFAULT_MS;
    }
    if (order->log_max == 0) {
        order->log_max = ORDER_LOG_DEFAULT;
    } else if (order->log_max < ORDER_LOG_MIN) {
        order->log_max = ORDER_LOG_MIN;
    }
    return order->spool != NULL && order->cwd != NULL && order->argc > 0 &&
           order->name[0] != '\0' && order->nonce[0] != '\0';
}

/* What must not be left out, and would be. A sandbox in an order that older holders would take and
 * run without one, and one that hides nothing, were not made by a daemon of ours. */
static bool order_is_supported(const struct order *order) {
    bool known = !order->unknown && (order->flags & ~(int64_t)FLAGS_KNOWN) == 0;
    if (order_has(order, ORDER_SANDBOX) && (!order->strict || order->hide_count == 0)) {
        return false;
    }
    return known || !order->strict;
}

static bool read_whole(int fd, char *bytes, size_t size) {
    size_t at = 0;
    while (at < size) {
        ssize_t got = pread(fd, bytes + at, size - at, (off_t)at);
        if (got <= 0) {
            return false;
        }
        at += (size_t)got;
    }
    return true;
}

static size_t round_up(size_t size) {
    return (size + 15) & ~(size_t)15;
}

struct err order_read(int fd, struct order *ret_order) {
    struct stat stat;
    if (fstat(fd, &stat) < 0) {
        return err_from_errno(errno, "order");
    }
    if (stat.st_size < MAGIC_LEN || stat.st_size > ORDER_SIZE_MAX) {
        return err_from_errno(EINVAL, "order");
    }
    size_t size = (size_t)stat.st_size;
    size_t array_size = round_up(size + ARRAY_SPARE);
    struct order order = {.fd = fd, .map_size = round_up(size + 1) + 2 * array_size + MARK_SIZE};
    void *map = mmap(/* address */ NULL, order.map_size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        return err_from_errno(errno, "order");
    }
    order.map = map;
    order.argv = (void *)(order.map + round_up(size + 1));
    order.envp = (void *)(order.map + round_up(size + 1) + array_size);
    bool whole = read_whole(fd, order.map, size);
    order.strict = memcmp(order.map, PROTOCOL_ORDER_STRICT, MAGIC_LEN) == 0;
    whole = whole && (order.strict || memcmp(order.map, PROTOCOL_ORDER_MAGIC, MAGIC_LEN) == 0);
    if (!whole || !order_take_all(&order, size) || !order_complete(&order)) {
        order_forget(&order);
        return err_from_errno(EINVAL, "order");
    }
    if (!order_is_supported(&order)) {
        order_forget(&order);
        return err_from_errno(ENOTSUP, "order");
    }
    /* Every process of the command carries this mark; a dead holder's tree is found by it. */
    char *mark = order.map + order.map_size - MARK_SIZE;
    bool fits = line_make(mark, MARK_SIZE, "DROVER_RUN=%s.%s", order.name, order.nonce);
    assert(fits);
    order.envp[order.envc++] = mark;
    *ret_order = order;
    return ERR_OK;
}

void order_forget(struct order *order) {
    if (order->map != NULL) {
        (void)munmap(order->map, order->map_size); /* Fails only for a range that is none. */
    }
    order->map = NULL;
    order->spool = order->cwd = order->cgroup = NULL;
    order->argv = order->envp = NULL;
}
