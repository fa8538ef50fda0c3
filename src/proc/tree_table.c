/* tree_table.c: /proc, read with the suspicion it deserves.
 *
 * A pid may be recycled between any two reads. So each row is made of a start time, the
 * environment, and the same start time again; and a parent is believed only if it is not younger
 * than its child.
 */
#include "proc/tree_table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"

enum {
    PROCESSES_MAX = 1 << 22, /* What Linux allows. */
    PAGE_SIZE = 64 << 10,
    ENVIRONMENT_MAX = 16 << 20, /* Beyond what exec takes by default. */
    STAT_SIZE = 1024,
    PATH_SIZE = 48,
    FIELD_STATE = 3, /* As proc(5) counts. */
    FIELD_PARENT = 4,
    FIELD_FLAGS = 9,
    FIELD_START_TIME = 22,
    FLAG_KERNEL = 0x00200000,
    EXEC_PATIENCE_MS = 100,
};

void tree_table_init(struct tree_table *table, const struct tree_mark *marks, size_t count) {
    *table = (struct tree_table){.page = mem_new(PAGE_SIZE), .marks_count = count};
    table->marks = mem_new_array(count, sizeof *table->marks);
    for (size_t i = 0; i < count; i++) {
        struct tree_variable *variable = &table->marks[i];
        int len = snprintf(variable->text, sizeof variable->text, "DROVER_RUN=%s.%s", marks[i].name,
                           marks[i].nonce);
        assert(len > 0 && (size_t)len < sizeof variable->text); /* Both are ours and short. */
        variable->len = (size_t)len;
        variable->is_beginning = marks[i].nonce[0] == '\0';
    }
}

void tree_table_done(struct tree_table *table) {
    mem_free(table->rows);
    mem_free(table->marks);
    mem_free(table->page);
}

/* --- One process ------------------------------------------------------------------------------ */

/* The field behind the name, which stands in parentheses and may hold anything, those too. */
static struct bytes stat_field(struct bytes stat, unsigned wanted) {
    const char *close = memrchr(stat.data, ')', stat.len);
    struct bytes field = {NULL, 0};
    if (close == NULL) {
        return field;
    }
    const char *at = close + 1, *end = stat.data + stat.len;
    for (unsigned number = FIELD_STATE; at < end && number <= wanted; number++) {
        at++; /* The blank. */
        const char *begin = at;
        while (at < end && *at != ' ' && *at != '\n') {
            at++;
        }
        field = number == wanted ? (struct bytes){begin, (size_t)(at - begin)} : field;
    }
    return field;
}

bool process_stat(int pid, struct process_stat *ret_stat) {
    char path[PATH_SIZE], text[STAT_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (len <= 0) {
        return false;
    }
    struct bytes stat = {text, (size_t)len}, state = stat_field(stat, FIELD_STATE);
    int64_t parent = 0, flags = 0, start_time = 0;
    if (state.len != 1 ||
        !number_parse(stat_field(stat, FIELD_PARENT), (struct number_bounds){0, INT_MAX},
                      &parent) ||
        !number_parse(stat_field(stat, FIELD_FLAGS), (struct number_bounds){0, UINT32_MAX},
                      &flags) ||
        !number_parse(stat_field(stat, FIELD_START_TIME), (struct number_bounds){0, INT64_MAX},
                      &start_time)) {
        return false;
    }
    bool dead = state.data[0] == 'Z' || state.data[0] == 'X' || state.data[0] == 'x';
    *ret_stat = (struct process_stat){.parent = (int)parent,
                                      .start_time = (uint64_t)start_time,
                                      .alive = !dead,
                                      .kernel = (flags & FLAG_KERNEL) != 0};
    return true;
}

bool process_start_time(int pid, uint64_t *ret_start_time) {
    struct process_stat stat;
    if (!process_stat(pid, &stat)) {
        return false;
    }
    *ret_start_time = stat.start_time;
    return true;
}

static int find_mark(const struct tree_table *table, struct bytes variable) {
    for (size_t i = 0; i < table->marks_count; i++) {
        const struct tree_variable *mark = &table->marks[i];
        bool fits = mark->is_beginning ? variable.len >= mark->len : variable.len == mark->len;
        if (fits && memcmp(mark->text, variable.data, mark->len) == 0) {
            return (int)i;
        }
    }
    return TREE_NOBODYS;
}

/* The mark must be a whole variable: behind the beginning or a NUL, and before one. */
static int find_on_page(const struct tree_table *table, size_t len) {
    const char *at = table->page, *end = table->page + len, *nul;
    int mark = TREE_NOBODYS;
    while (mark == TREE_NOBODYS && at < end &&
           (nul = memchr(at, '\0', (size_t)(end - at))) != NULL) {
        mark = *at == 'D' ? find_mark(table, (struct bytes){at, (size_t)(nul - at)}) : mark;
        at = nul + 1;
    }
    return mark;
}

/* Keeps what follows the last NUL for the next page. A variable that fills a whole page is not the
 * mark: it is dropped, and *inside says that its rest is still to come. */
static size_t keep_tail(struct tree_table *table, size_t len, bool *inside) {
    const char *nul = memrchr(table->page, '\0', len);
    *inside = nul == NULL && len == PAGE_SIZE - 1;
    size_t begin = *inside ? len : nul == NULL ? 0 : (size_t)(nul - table->page) + 1;
    size_t kept = len - begin;
    memmove(table->page, table->page + begin, kept);
    return kept;
}

/* Drops the rest of a variable that began on a page before. */
static size_t drop_rest(struct tree_table *table, size_t len, bool *inside) {
    const char *nul = memchr(table->page, '\0', len);
    if (nul == NULL) {
        return 0;
    }
    *inside = false;
    size_t begin = (size_t)(nul - table->page) + 1;
    memmove(table->page, table->page + begin, len - begin);
    return len - begin;
}

enum environment { ENVIRONMENT_EMPTY, ENVIRONMENT_READ, ENVIRONMENT_UNREADABLE };

static enum environment read_environment(struct tree_table *table, int pid, int *ret_mark) {
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%d/environ", pid);
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    *ret_mark = TREE_NOBODYS;
    if (fd < 0) {
        return ENVIRONMENT_UNREADABLE; /* Gone, or not ours to read. */
    }
    size_t kept = 0, total = 0;
    bool inside = false;
    while (total < ENVIRONMENT_MAX && *ret_mark == TREE_NOBODYS) {
        /* One byte is left for the NUL that a program may have taken from the last variable. */
        ssize_t got = read(fd, table->page + kept, PAGE_SIZE - 1 - kept);
        if (got <= 0) {
            table->page[kept] = '\0';
            *ret_mark = !inside && kept > 0 ? find_on_page(table, kept + 1) : TREE_NOBODYS;
            return total == 0 ? ENVIRONMENT_EMPTY : ENVIRONMENT_READ;
        }
        total += (size_t)got;
        size_t len = kept + (size_t)got;
        if (inside) {
            len = drop_rest(table, len, &inside);
        }
        *ret_mark = find_on_page(table, len);
        kept = len == 0 ? 0 : keep_tail(table, len, &inside);
    }
    return ENVIRONMENT_READ;
}

static bool has_arguments(int pid) {
    char path[PATH_SIZE], first = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &first, 1) == 1;
}

static bool is_over(int pid) {
    struct process_stat stat;
    return !process_stat(pid, &stat) || !stat.alive;
}

/* In the middle of execve(2) a process has neither arguments nor environment, and what it will have
 * may be our mark. So an empty environment is believed only when arguments were there before it was
 * read, or when patience ends. Holders have an empty one, and there may be thousands of them: one
 * that shows arguments is not waited for. */
static void look_for_mark(struct tree_table *table, struct tree_process *row) {
    bool settled = false;
    for (unsigned waited_ms = 0; waited_ms < EXEC_PATIENCE_MS;) {
        enum environment found = read_environment(table, row->pid, &row->mark);
        row->foreign = found == ENVIRONMENT_READ && row->mark == TREE_NOBODYS;
        if (found != ENVIRONMENT_EMPTY || settled || is_over(row->pid)) {
            return;
        }
        settled = has_arguments(row->pid);
        if (!settled) {
            (void)poll(NULL, 0, 1 /* ms; nothing tells of the end of an execve */);
            waited_ms++;
        }
    }
}

/* --- All of them ------------------------------------------------------------------------------ */

static int compare_pids(const void *a, const void *b) {
    const struct tree_process *left = a, *right = b;
    return (left->pid > right->pid) - (left->pid < right->pid);
}

static struct tree_process *find_row(const struct tree_process *rows, size_t count, int pid) {
    const struct tree_process key = {.pid = pid};
    return count == 0 ? NULL : bsearch(&key, rows, count, sizeof *rows, compare_pids);
}

static struct tree_process *known_before(const struct tree_table *table, int pid,
                                         uint64_t start_time) {
    struct tree_process *row = find_row(table->rows, table->count, pid);
    return row != NULL && row->start_time == start_time ? row : NULL;
}

/* False: it vanished, or it is nothing that could be ended. */
static bool describe(struct tree_table *table, int pid, struct tree_process *ret_row) {
    struct process_stat before, after;
    if (!process_stat(pid, &before) || !before.alive) {
        return false;
    }
    *ret_row = (struct tree_process){.pid = pid, .mark = TREE_NOBODYS};
    const struct tree_process *known = known_before(table, pid, before.start_time);
    if (known != NULL) {
        *ret_row = *known;
    }
    ret_row->parent = before.parent;
    ret_row->start_time = before.start_time;
    if (before.kernel || ret_row->foreign || ret_row->mark != TREE_NOBODYS) {
        return true;
    }
    look_for_mark(table, ret_row);
    if (ret_row->mark != TREE_NOBODYS &&
        !(process_stat(pid, &after) && after.start_time == before.start_time)) {
        ret_row->mark = TREE_NOBODYS;
    }
    if (ret_row->mark != TREE_NOBODYS && table->on_marked != NULL) {
        table->on_marked(ret_row, table->context);
    }
    return true;
}

struct gathering {
    struct tree_process *rows; /* Owned. */
    size_t count, size;
};

static void gathering_done(struct gathering *gathering) {
    mem_free(gathering->rows);
}

static struct err gather(struct gathering *gathering, const struct tree_process *row) {
    if (gathering->count == gathering->size) {
        size_t size = gathering->size == 0 ? 256 : 2 * gathering->size;
        struct tree_process *rows =
            size > PROCESSES_MAX ? NULL : mem_try_grow(gathering->rows, size * sizeof *rows);
        if (rows == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "tree: list processes");
        }
        gathering->rows = rows;
        gathering->size = size;
    }
    gathering->rows[gathering->count++] = *row;
    return ERR_OK;
}

static bool may_be_ours(int64_t pid) {
    return pid != 1 && pid != getpid();
}

static void dir_release(DIR **dir) {
    if (*dir != NULL) {
        (void)closedir(*dir); /* It was only read. */
    }
}

static struct err gather_all(struct tree_table *table, struct gathering *gathering) {
    AUTO(dir_release) DIR *dir = opendir("/proc");
    if (dir == NULL) {
        return err_from_errno(errno, "tree: read /proc");
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            return errno == 0 ? ERR_OK : err_from_errno(errno, "tree: read /proc");
        }
        int64_t pid = 0;
        struct bytes name = bytes_of(entry->d_name);
        struct tree_process row;
        if (!number_parse(name, (struct number_bounds){1, INT_MAX}, &pid) || !may_be_ours(pid) ||
            !describe(table, (int)pid, &row)) {
            continue;
        }
        struct err err = gather(gathering, &row);
        if (err_failed(err)) {
            return err;
        }
    }
}

static const struct tree_process *parent_of(const struct gathering *gathering,
                                            const struct tree_process *row) {
    const struct tree_process *parent = find_row(gathering->rows, gathering->count, row->parent);
    bool older = parent != NULL && parent->start_time <= row->start_time;
    return older ? parent : NULL;
}

/* Children mostly have higher pids than their parents, so that one pass and one that finds nothing
 * more are the rule; a chain against the order costs a pass for each link. */
static void spread_to_children(struct gathering *gathering) {
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < gathering->count; i++) {
            struct tree_process *row = &gathering->rows[i];
            const struct tree_process *parent =
                row->mark == TREE_NOBODYS ? parent_of(gathering, row) : NULL;
            if (parent != NULL && parent->mark != TREE_NOBODYS) {
                row->mark = parent->mark;
                changed = true;
            }
        }
    }
}

struct err tree_table_look(struct tree_table *table) {
    AUTO(gathering_done) struct gathering gathering = {0};
    struct err err = gather_all(table, &gathering);
    if (err_failed(err)) {
        return err;
    }
    if (gathering.count > 0) {
        qsort(gathering.rows, gathering.count, sizeof *gathering.rows, compare_pids);
    }
    spread_to_children(&gathering);
    mem_free(table->rows);
    table->rows = gathering.rows;
    table->count = gathering.count;
    table->size = gathering.size;
    gathering = (struct gathering){0}; /* Handed over. */
    return ERR_OK;
}
