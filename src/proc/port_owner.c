/* port_owner.c: see port_owner.h. */
#include "proc/port_owner.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/number.h"
#include "base/text.h"

enum { TABLE_MAX = 4 << 20, PATH_SIZE = 320 };
#define LISTENS "0A" /* TCP_LISTEN */

/* Field of a line, counted from 0; fields have blanks between them. */
static struct bytes line_field(struct bytes line, unsigned number) {
    struct bytes field = {line.data, 0};
    for (unsigned i = 0;; i++) {
        const char *end = line.data + line.len;
        const char *at = field.data + field.len;
        while (at < end && *at == ' ') {
            at++;
        }
        field = (struct bytes){at, 0};
        while (at + field.len < end && at[field.len] != ' ') {
            field.len++;
        }
        if (i == number || field.len == 0) {
            return field;
        }
    }
}

/* Fields: number, ADDRESS:PORT of ours, that of the peer, state, queues, timer, retransmits, user,
 * timeout, inode. Ports and states are hexadecimal. */
uint64_t port_inode_find(const char *table, uint16_t port) {
    enum { LOCAL = 1, STATE = 3, INODE = 9 };
    char ending[8];
    (void)snprintf(ending, sizeof ending, ":%04X", port); /* 5 characters. */
    for (const char *at = table, *next = NULL; at != NULL; at = next) {
        const struct bytes line = {at, strcspn(at, "\n")};
        const struct bytes local = line_field(line, LOCAL), state = line_field(line, STATE);
        const size_t len = strlen(ending);
        int64_t inode = 0;
        if (local.len > len && memcmp(local.data + local.len - len, ending, len) == 0 &&
            bytes_is(state, LISTENS) &&
            number_parse(line_field(line, INODE), (struct number_bounds){1, INT64_MAX}, &inode)) {
            return (uint64_t)inode;
        }
        next = at[line.len] == '\n' ? at + line.len + 1 : NULL;
    }
    return 0;
}

static uint64_t inode_of(const char *path, uint16_t port) {
    AUTO(text_done) struct text table = text_up_to(TABLE_MAX);
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char piece[16 << 10];
    for (ssize_t got = 0; fd >= 0 && (got = read(fd, piece, sizeof piece)) > 0;) {
        text_add(&table, piece, (size_t)got);
    }
    return table.data != NULL ? port_inode_find(table.data, port) : 0;
}

static bool process_holds(const char *pid, const char *socket) {
    char path[PATH_SIZE], target[64];
    (void)snprintf(path, sizeof path, "/proc/%s/fd", pid); /* A name in /proc fits. */
    AUTO(entries_close) DIR *folder = opendir(path);
    for (const char *name; (name = entries_next(folder)) != NULL;) {
        ssize_t len = readlinkat(dirfd(folder), name, target, sizeof target - 1);
        target[len > 0 ? len : 0] = '\0';
        if (strcmp(target, socket) == 0) {
            return true;
        }
    }
    return false;
}

static void name_read(const char *pid, char *name, size_t size) {
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%s/comm", pid); /* As above. */
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, name, size - 1);
    name[got > 0 ? got : 0] = '\0';
    name[strcspn(name, "\n")] = '\0';
}

struct port_owner port_owner_find(uint16_t port) {
    struct port_owner owner = {.pid = 0};
    uint64_t inode = inode_of("/proc/net/tcp", port);
    inode = inode != 0 ? inode : inode_of("/proc/net/tcp6", port);
    char socket[64];
    (void)snprintf(socket, sizeof socket, "socket:[%" PRIu64 "]", inode); /* 20 digits fit. */
    AUTO(entries_close) DIR *processes = inode != 0 ? opendir("/proc") : NULL;
    for (const char *name; (name = entries_next(processes)) != NULL;) {
        int64_t pid = 0;
        if (number_parse(bytes_of(name), (struct number_bounds){1, INT32_MAX}, &pid) &&
            process_holds(name, socket)) {
            owner.pid = (int)pid;
            name_read(name, owner.name, sizeof owner.name);
            break;
        }
    }
    return owner;
}
