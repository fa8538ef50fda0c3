/* order.c: see order.h.
 *
 * The whole order is read into one mapping and its texts are used where they stand. A record has no
 * terminator; but once the header behind a text was read, its first byte is free to become one.
 * The arrays of pointers follow in the same mapping: each record takes at least the 8 bytes of its
 * header, so an array is never larger than the order. What is not touched costs nothing.
 */
#include "proc/holder/order.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/holder/words.h"

enum {
    MAGIC_LEN = sizeof(PROTOCOL_ORDER_MAGIC) - 1,
    FLAGS_KNOWN = ORDER_PTY | ORDER_ONCE | ORDER_INPUT_OPEN | ORDER_SANDBOX,
    HEADER_LEN = 8,
    MARK_SIZE = sizeof("DROVER_RUN=") + PROTOCOL_NAME_MAX + 1 + ORDER_NONCE_LEN,
    ARRAY_SPARE = 4 * sizeof(char *), /* DROVER_RUN, the NULL, and what rounding takes. */
};

static struct err bad_order(void) {
    return err_from_errno(EINVAL, "order");
}

static uint32_t get_u32(const char *bytes) {
    uint32_t number = 0;
    for (unsigned i = 4; i-- > 0;) {
        number = number << 8 | (unsigned char)bytes[i];
    }
    return number;
}

/* False: not a number that we could count with. */
static bool get_number(struct bytes record, int64_t *ret_number) {
    if (record.len != 8 || (unsigned char)record.data[7] > 0x7F) {
        return false;
    }
    *ret_number = (int64_t)((uint64_t)get_u32(record.data + 4) << 32 | get_u32(record.data));
    return true;
}

/* Names of ours stand in paths and in JSON without any escaping. */
static bool is_plain(struct bytes text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || strchr(plain, text.data[i]) == NULL) {
            return false;
        }
    }
    return text.len > 0;
}

static bool take_name(struct bytes record, char *ret_name, size_t size) {
    if (record.len >= size || !is_plain(record)) {
        return false;
    }
    memcpy(ret_name, record.data, record.len);
    ret_name[record.len] = '\0';
    return true;
}

static bool take_side(struct bytes record, unsigned short *ret_side) {
    int64_t number;
    if (!get_number(record, &number) || number > UINT16_MAX) {
        return false;
    }
    *ret_side = (unsigned short)number;
    return true;
}

/* A text of the command: anything but a NUL. It grows the array that it belongs to. */
static bool take_text(struct bytes record, const char **ret_text) {
    if (memchr(record.data, '\0', record.len) != NULL) {
        return false;
    }
    *ret_text = record.data;
    return true;
}

static bool take_path(struct bytes record, const char **ret_path) {
    return record.len > 0 && record.data[0] == '/' && take_text(record, ret_path);
}

static bool take_flags(struct bytes record, struct order *order) {
    int64_t flags;
    if (!get_number(record, &flags)) {
        return false;
    }
    order->flags = (uint64_t)flags;
    return true;
}

static bool take_argument(struct bytes record, struct order *order) {
    return take_text(record, &order->argv[order->argc]) && ++order->argc > 0;
}

static bool take_env(struct bytes record, struct order *order) {
    static const struct bytes mark = BYTES_INIT("DROVER_RUN=");
    if (record.len >= mark.len && memcmp(record.data, mark.data, mark.len) == 0) {
        return true; /* It is ours to set, and comes last. */
    }
    return take_text(record, &order->envp[order->envc]) && ++order->envc > 0;
}

static bool take_hide(struct bytes record, struct order *order) {
    return order->hide_count < ORDER_HIDE_MAX &&
           take_path(record, &order->hide[order->hide_count]) && ++order->hide_count > 0;
}

static bool take_write(struct bytes record, struct order *order) {
    return order->write_count < ORDER_WRITE_MAX &&
           take_path(record, &order->write[order->write_count]) && ++order->write_count > 0;
}

static bool take_record(struct order *order, uint32_t tag, struct bytes record) {
    switch (tag) {
    case ORDER_SPOOL:
        return take_path(record, &order->spool);
    case ORDER_NAME:
        return take_name(record, order->name, sizeof order->name);
    case ORDER_NONCE:
        return take_name(record, order->nonce, sizeof order->nonce);
    case ORDER_ARG:
        return take_argument(record, order);
    case ORDER_ENV:
        return take_env(record, order);
    case ORDER_CWD:
        return take_path(record, &order->cwd);
    case ORDER_CGROUP:
        return take_path(record, &order->cgroup);
    case ORDER_STDIN:
        order->input_at = record.data - order->map;
        order->input_len = (int64_t)record.len;
        return true;
    case ORDER_ROWS:
        return take_side(record, &order->size.rows);
    case ORDER_COLUMNS:
        return take_side(record, &order->size.columns);
    case ORDER_HIDE:
        return take_hide(record, order);
    case ORDER_WRITE:
        return take_write(record, order);
    default:
        order->unknown = true;
        return true;
    }
}

static bool take_number(struct order *order, uint32_t tag, struct bytes record) {
    switch (tag) {
    case ORDER_FLAGS:
        return take_flags(record, order);
    case ORDER_TIMEOUT_MS:
        return get_number(record, &order->timeout_ms);
    case ORDER_GRACE_MS:
        return get_number(record, &order->grace_ms);
    case ORDER_LOG_MAX:
        return get_number(record, &order->log_max);
    case ORDER_MEMORY_MAX:
        return get_number(record, &order->memory_max);
    case ORDER_PROCESSES_MAX:
        return get_number(record, &order->processes_max);
    case ORDER_FILES:
        return get_number(record, &order->files);
    default:
        return take_record(order, tag, record);
    }
}

static bool is_text(uint32_t tag) {
    return tag == ORDER_SPOOL || tag == ORDER_ARG || tag == ORDER_ENV || tag == ORDER_CWD ||
           tag == ORDER_HIDE || tag == ORDER_WRITE || tag == ORDER_CGROUP;
}

/* The records of order->map up to `size`; the byte behind them is ours, too. */
static bool take_records(struct order *order, size_t size) {
    size_t at = MAGIC_LEN;
    char *open = NULL; /* Where the last text wants its terminator. */
    while (at < size) {
        if (size - at < HEADER_LEN) {
            return false;
        }
        uint32_t tag = get_u32(order->map + at);
        uint32_t len = get_u32(order->map + at + 4);
        at += HEADER_LEN;
        if (open != NULL) {
            *open = '\0';
        }
        if (len > size - at || !take_number(order, tag, (struct bytes){order->map + at, len})) {
            return false;
        }
        at += len;
        open = is_text(tag) ? order->map + at : NULL;
    }
    if (open != NULL) {
        *open = '\0';
    }
    return true;
}

/* What is missing gets its default, or is refused. */
static bool complete(struct order *order) {
    if (order->grace_ms == 0) {
        order->grace_ms = ORDER_GRACE_DEFAULT_MS;
    }
    if (order->log_max == 0) {
        order->log_max = ORDER_LOG_DEFAULT;
    } else if (order->log_max < ORDER_LOG_MIN) {
        order->log_max = ORDER_LOG_MIN;
    }
    return order->spool != NULL && order->cwd != NULL && order->argc > 0 &&
           order->name[0] != '\0' && order->name[0] != '.' && order->nonce[0] != '\0';
}

/* What must not be left out, and would be. A sandbox in an order that older holders would take and
 * run without one, and one that hides nothing, were not made by a daemon of ours. */
static bool supported(const struct order *order) {
    bool known = !order->unknown && (order->flags & ~(uint64_t)FLAGS_KNOWN) == 0;
    bool sandbox = order_has(order, ORDER_SANDBOX);
    if (sandbox && (!order->strict || order->hide_count == 0)) {
        return false;
    }
    return known || !order->strict;
}

/* Every process of the command carries this mark; a dead holder's tree is found by it. */
static void add_mark(struct order *order, char *place) {
    struct words mark;
    words_init(&mark, place, MARK_SIZE);
    words_add(&mark, "DROVER_RUN=");
    words_add(&mark, order->name);
    words_add(&mark, ".");
    words_add(&mark, order->nonce);
    assert(!mark.failed);
    order->envp[order->envc++] = place;
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

static bool take_magic(struct order *order) {
    order->strict = memcmp(order->map, PROTOCOL_ORDER_STRICT, MAGIC_LEN) == 0;
    return order->strict || memcmp(order->map, PROTOCOL_ORDER_MAGIC, MAGIC_LEN) == 0;
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
        return bad_order();
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
    if (!read_whole(fd, order.map, size) || !take_magic(&order) || !take_records(&order, size) ||
        !complete(&order)) {
        order_forget(&order);
        return bad_order();
    }
    if (!supported(&order)) {
        order_forget(&order);
        return err_from_errno(ENOTSUP, "order");
    }
    add_mark(&order, order.map + order.map_size - MARK_SIZE);
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
