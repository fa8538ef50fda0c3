/* holder_order.c: what a holder is told, as the records of protocol.h in a sealed memfd.
 *
 * It never touches a disk, since an environment holds secrets; and it is complete and sealed before
 * the holder starts, so that a holder never waits for us, and never reads half of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "proc/holder.h"

enum { ORDER_BYTES_MAX = 64 << 20, U64_SIZE = 8 };

static void put_little(char *bytes, uint64_t number, size_t size) {
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char)(number >> (8 * i));
    }
}

static void add_record(struct text *text, enum order_tag tag, struct bytes bytes) {
    char header[8];
    put_little(header, (uint64_t)tag, 4);
    put_little(header + 4, bytes.len, 4);
    text_add(text, header, sizeof header);
    text_add(text, bytes.data, bytes.len);
}

static void add_string(struct text *text, enum order_tag tag, const char *string) {
    add_record(text, tag, bytes_of(string));
}

/* NULL: none. */
static void add_strings(struct text *text, enum order_tag tag, const char *const *strings) {
    for (; strings != NULL && *strings != NULL; strings++) {
        add_string(text, tag, *strings);
    }
}

static void write_order(struct text *text, const struct holder_order *order,
                        const char *spool_path) {
    const struct {
        enum order_tag tag;
        uint64_t number;
    } numbers[] = {
        {ORDER_FLAGS, order->flags},           {ORDER_TIMEOUT_MS, order->timeout_ms},
        {ORDER_GRACE_MS, order->grace_ms},     {ORDER_LOG_MAX, order->log_max},
        {ORDER_MEMORY_MAX, order->memory_max}, {ORDER_PROCESSES_MAX, order->processes_max},
        {ORDER_FILES, order->files},           {ORDER_ROWS, order->rows},
        {ORDER_COLUMNS, order->columns},       {ORDER_UMASK, order->umask},
    };
    bool strict = (order->flags & ORDER_SANDBOX) != 0;
    text_add_str(text, strict ? PROTOCOL_ORDER_STRICT : PROTOCOL_ORDER_MAGIC);
    add_string(text, ORDER_SPOOL, spool_path);
    add_string(text, ORDER_NAME, order->name);
    add_string(text, ORDER_NONCE, order->nonce);
    add_strings(text, ORDER_ARG, order->argv);
    add_strings(text, ORDER_ENV, order->env);
    add_string(text, ORDER_CWD, order->cwd);
    if (order->cgroup != NULL) {
        add_string(text, ORDER_CGROUP, order->cgroup);
    }
    add_strings(text, ORDER_HIDE, order->hide);
    add_strings(text, ORDER_WRITE, order->write);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        /* Zero is what the holder takes for a number that is missing. */
        char bytes[U64_SIZE];
        put_little(bytes, numbers[i].number, sizeof bytes);
        if (numbers[i].number != 0) {
            add_record(text, numbers[i].tag, (struct bytes){bytes, sizeof bytes});
        }
    }
    if (order->input.len > 0) {
        add_record(text, ORDER_STDIN, order->input);
    }
}

static struct err write_all(int fd, struct bytes bytes) {
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.data, bytes.len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return err_from_errno(errno, "order: write");
        }
        bytes.data += put;
        bytes.len -= (size_t)put;
    }
    return ERR_OK;
}

struct err holder_order_make(const struct holder_order *order, const char *spool_path,
                             int *ret_fd) {
    assert(order->argv[0] != NULL);
    AUTO(text_done) struct text text = text_up_to(ORDER_BYTES_MAX);
    write_order(&text, order, spool_path);
    if (text_failed(&text)) {
        return err_make(text.no_memory ? ERR_OUT_OF_MEMORY : ERR_BODY_TOO_LARGE, "order: size");
    }
    AUTO(fd_release) int fd = memfd_create("drover-order", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return err_from_errno(errno, "order: make");
    }
    TRY(write_all(fd, (struct bytes){text.data, text.len}));
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
        return err_from_errno(errno, "order: seal");
    }
    *ret_fd = fd_take(&fd);
    return ERR_OK;
}
