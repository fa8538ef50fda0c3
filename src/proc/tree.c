/* tree.c: finds and ends what a dead holder left behind.
 *
 * First everything is stopped (SIGSTOP), until a look finds nobody new; only then killed. Killing
 * at once would be as deadly and would lose somebody: when a parent dies, its child is given to
 * another one, and a child without our mark is known by its parent alone. A fork bomb is frozen by
 * the same rounds, since what stands still does not fork. What carries a mark is stopped as soon as
 * it is seen: on a busy machine a look takes longer than a process that starts another and ends.
 *
 * Between looks we wait for one of the killed to end, by its pidfd, and never for long.
 *
 * A look reads /proc with the suspicion it deserves: a pid may be recycled between any two reads.
 * So each row is made of a start time, the environment, and the same start time again; and a parent
 * is believed only if it is not younger than its child. A look finds every process that carries one
 * of the marks in its environment, that was found before, or that descends from one of those. An
 * environment is read once, however many looks and marks there are. Zombies are dead. What may not
 * be read (another user's) and what vanishes while we look is skipped. We ourselves and process 1
 * are never ours.
 */
#include "proc/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/number.h"
#include "loop/world.h"
#include "proc/small/small.h"

enum {
    PROCESSES_MAX = 1 << 22, /* Limit of Linux. */
    PAGE_SIZE = 64 << 10,
    ENVIRONMENT_MAX = 16 << 20, /* Beyond what exec takes by default. */
    STAT_SIZE = 1024,
    PATH_SIZE = 48,
    MARK_SIZE = 256,
    FIELD_STATE = 3, /* As proc(5) counts. */
    FIELD_PARENT = 4,
    FIELD_FLAGS = 9,
    FIELD_CPU = 14, /* Four of them: user, system, and the same of children. */
    FIELD_CPU_END = 18,
    FIELD_START_TIME = 22,
    FIELD_RESIDENT = 24, /* Pages. */
    FLAG_KERNEL = 0x00200000,
    EXEC_PATIENCE_MS = 100,
    FREEZE_ROUNDS_MAX = 16, /* A tree that forks faster is killed as it is found. */
    WAIT_MS = 20,
    QUIET_LOOKS = 2, /* In a row, that find nothing. */
    NOBODYS = -1,
};

static const uint64_t NS_PER_MS = 1000 * 1000;

struct process {
    int pid, parent;
    uint64_t start_time;
    /* Kept from look to look. */
    int mark;       /* Index of the tree that it belongs to, or NOBODYS. */
    bool unrelated; /* The process has another environment, and will not get ours any more. */
    bool frozen, killed;
};

/* By pid. */
struct processes {
    struct process *rows; /* Owned. */
    size_t count, size;
};

/* DROVER_RUN=RUN.ATTEMPT.NONCE */
struct variable {
    char text[MARK_SIZE];
    size_t len;
    bool is_beginning; /* The nonce is not known: any will do. */
};

struct table {
    struct processes found;
    struct variable *marks; /* Owned. */
    size_t marks_count;
    char *page;      /* Owned; for reading environments. */
    bool freezes;    /* A look stops each process whose mark it reads, before it goes on. */
    unsigned frozen; /* By the last look, and after it. */
};

static void processes_done(struct processes *processes) {
    mem_free(processes->rows);
}

static void table_init(struct table *table, const struct tree_mark *marks, size_t count) {
    *table = (struct table){.page = mem_new(PAGE_SIZE), .marks_count = count};
    table->marks = mem_new_array(count, sizeof *table->marks);
    for (size_t i = 0; i < count; i++) {
        struct variable *variable = &table->marks[i];
        int len = snprintf(variable->text, sizeof variable->text, "DROVER_RUN=%s.%s", marks[i].name,
                           marks[i].nonce);
        assert(len > 0 && (size_t)len < sizeof variable->text); /* Both are ours and short. */
        variable->len = (size_t)len;
        variable->is_beginning = marks[i].nonce[0] == '\0';
    }
}

static void table_done(struct table *table) {
    processes_done(&table->found);
    mem_free(table->marks);
    mem_free(table->page);
}

/* --- One process ------------------------------------------------------------------------------ */

/* The field after the name, which stands in parentheses and may hold anything, those too. */
static struct bytes stat_field(struct bytes stat, unsigned wanted) {
    const char *close = memrchr(stat.data, ')', stat.len);
    struct bytes field = {NULL, 0}, rest = {NULL, 0};
    if (close != NULL && close + 2 < stat.data + stat.len) {
        rest = (struct bytes){close + 2, (size_t)(stat.data + stat.len - close) - 2};
    }
    for (unsigned number = FIELD_STATE; number <= wanted; number++) {
        if (!bytes_next(&rest, ' ', &field)) {
            return (struct bytes){NULL, 0};
        }
    }
    return field;
}

bool process_stat_parse(struct bytes stat, struct process_stat *ret_stat) {
    struct bytes state = stat_field(stat, FIELD_STATE);
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

bool process_stat(int pid, struct process_stat *ret_stat) {
    char path[PATH_SIZE], text[STAT_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    return files_read(path, text, sizeof text) && process_stat_parse(bytes_of(text), ret_stat);
}

static int send_through(int pidfd, int number) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, number, NULL /* info */, 0 /* flags */);
}

/* The start time is read after the pidfd was opened: if it is still the right one, so is the
 * pidfd, whatever becomes of the pid. -1: that process is gone, or we may not. */
static int pidfd_open_if(int pid, uint64_t expected_start_time) {
    AUTO(fd_release) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0 /* flags */);
    struct process_stat stat;
    bool same = pidfd >= 0 && process_stat(pid, &stat) && stat.start_time == expected_start_time;
    return same ? fd_take(&pidfd) : -1;
}

void process_kill(int pid, uint64_t start_time, unsigned wait_ms) {
    AUTO(fd_release) int pidfd = pidfd_open_if(pid, start_time);
    if (pidfd < 0) {
        return;
    }
    (void)send_through(pidfd, SIGKILL); /* Else it has just ended. */
    struct pollfd death = {.fd = pidfd, .events = POLLIN};
    (void)poll(&death, 1, (int)wait_ms); /* The caller looks again and sees. */
}

/* --- Marks ------------------------------------------------------------------------------------ */

/* The mark must be a whole variable: after the beginning or a NUL, and before one. */
static int table_find_mark(const struct table *table, size_t len) {
    const char *at = table->page, *end = table->page + len, *nul;
    for (; at < end && (nul = memchr(at, '\0', (size_t)(end - at))) != NULL; at = nul + 1) {
        struct bytes variable = {at, (size_t)(nul - at)};
        for (size_t i = 0; *at == 'D' && i < table->marks_count; i++) {
            struct bytes mark = {table->marks[i].text, table->marks[i].len};
            if (bytes_begin(variable, mark) &&
                (table->marks[i].is_beginning || variable.len == mark.len)) {
                return (int)i;
            }
        }
    }
    return NOBODYS;
}

enum environment { ENVIRONMENT_EMPTY, ENVIRONMENT_READ, ENVIRONMENT_UNREADABLE };

static enum environment read_environment(struct table *table, int pid, int *ret_mark) {
    char path[PATH_SIZE], *page = table->page;
    (void)snprintf(path, sizeof path, "/proc/%d/environ", pid);
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    *ret_mark = NOBODYS;
    if (fd < 0) {
        return ENVIRONMENT_UNREADABLE; /* Gone, or not ours to read. */
    }
    size_t kept = 0, total = 0;
    bool inside = false; /* A variable that fills a whole page is not the mark: it is dropped. */
    while (total < ENVIRONMENT_MAX && *ret_mark == NOBODYS) {
        /* One byte is left for the NUL that a program may have taken from the last variable. */
        ssize_t got = read(fd, page + kept, PAGE_SIZE - 1 - kept);
        if (got <= 0) {
            page[kept] = '\0';
            *ret_mark = !inside && kept > 0 ? table_find_mark(table, kept + 1) : NOBODYS;
            return total == 0 ? ENVIRONMENT_EMPTY : ENVIRONMENT_READ;
        }
        total += (size_t)got;
        size_t len = kept + (size_t)got;
        if (inside) {
            /* The rest of a variable that began on a page before. */
            const char *nul = memchr(page, '\0', len);
            inside = nul == NULL;
            size_t rest = inside ? len : (size_t)(nul - page) + 1;
            len -= rest;
            memmove(page, page + rest, len);
        }
        *ret_mark = table_find_mark(table, len);
        /* What follows the last NUL is kept for the next page. */
        const char *nul = memrchr(page, '\0', len);
        inside = inside || (nul == NULL && len == PAGE_SIZE - 1);
        size_t begin = inside ? len : nul == NULL ? 0 : (size_t)(nul - page) + 1;
        kept = len - begin;
        memmove(page, page + begin, kept);
    }
    return ENVIRONMENT_READ;
}

/* In the middle of execve(2) a process has neither arguments nor environment, and what it will have
 * may be our mark. So an empty environment is believed only when arguments were there before it was
 * read, or when patience ends. Holders have an empty one, and there may be thousands of them: one
 * that shows arguments is not waited for. */
static void look_for_mark(struct table *table, struct process *row) {
    bool settled = false;
    for (unsigned waited_ms = 0; waited_ms < EXEC_PATIENCE_MS;) {
        struct process_stat stat;
        enum environment found = read_environment(table, row->pid, &row->mark);
        row->unrelated = found == ENVIRONMENT_READ && row->mark == NOBODYS;
        if (found != ENVIRONMENT_EMPTY || settled || !process_stat(row->pid, &stat) ||
            !stat.alive) {
            return;
        }
        char path[PATH_SIZE], first = 0;
        (void)snprintf(path, sizeof path, "/proc/%d/cmdline", row->pid);
        AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
        settled = fd >= 0 && read(fd, &first, 1) == 1;
        if (!settled) {
            (void)poll(NULL, 0, 1 /* ms; nothing tells of the end of an execve */);
            waited_ms++;
        }
    }
}

/* --- One look at all of them ------------------------------------------------------------------ */

static int compare_pids(const void *a, const void *b) {
    const struct process *left = a, *right = b;
    return (left->pid > right->pid) - (left->pid < right->pid);
}

static struct process *processes_find(const struct processes *processes, int pid) {
    const struct process key = {.pid = pid};
    return processes->count == 0 ? NULL
                                 : bsearch(&key, processes->rows, processes->count,
                                           sizeof *processes->rows, compare_pids);
}

static void freeze_one(struct table *table, struct process *row) {
    AUTO(fd_release) int pidfd = pidfd_open_if(row->pid, row->start_time);
    row->frozen = true; /* Also what can't be: it is not tried again. */
    table->frozen += pidfd >= 0 && send_through(pidfd, SIGSTOP) == 0;
}

/* False: it vanished, or it is nothing that could be ended. */
static bool table_describe(struct table *table, int pid, struct process *ret_row) {
    struct process_stat before, after;
    if (!process_stat(pid, &before) || !before.alive) {
        return false;
    }
    const struct process *known = processes_find(&table->found, pid);
    bool same = known != NULL && known->start_time == before.start_time;
    *ret_row = same ? *known : (struct process){.pid = pid, .mark = NOBODYS};
    ret_row->parent = before.parent;
    ret_row->start_time = before.start_time;
    if (before.kernel || ret_row->unrelated || ret_row->mark != NOBODYS) {
        return true;
    }
    look_for_mark(table, ret_row);
    if (ret_row->mark != NOBODYS &&
        !(process_stat(pid, &after) && after.start_time == before.start_time)) {
        ret_row->mark = NOBODYS;
    }
    if (ret_row->mark != NOBODYS && table->freezes) {
        /* Before other processes: what ends as soon as it has started the next is gone by the end
         * of a look. */
        freeze_one(table, ret_row);
    }
    return true;
}

/* The table keeps what it knew where this fails. */
static struct err table_look(struct table *table) {
    AUTO(processes_done) struct processes seen = {0};
    AUTO(fd_release) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct names names;
    names_start(&names, proc);
    for (const char *name; proc >= 0 && (name = names_next(&names)) != NULL;) {
        int64_t pid = 0;
        struct process row;
        if (!number_parse(bytes_of(name), (struct number_bounds){2, INT_MAX}, &pid) ||
            pid == getpid() || !table_describe(table, (int)pid, &row)) {
            continue;
        }
        if (seen.count == seen.size) {
            size_t size = seen.size == 0 ? 256 : 2 * seen.size;
            struct process *rows =
                size > PROCESSES_MAX ? NULL : mem_try_grow(seen.rows, size * sizeof *rows);
            if (rows == NULL) {
                return err_make(ERR_OUT_OF_MEMORY, "tree: list processes");
            }
            seen.rows = rows;
            seen.size = size;
        }
        seen.rows[seen.count++] = row;
    }
    if (proc < 0 || names.len < 0) {
        return err_from_errno(errno, "tree: read /proc");
    }
    if (seen.count > 0) {
        qsort(seen.rows, seen.count, sizeof *seen.rows, compare_pids);
    }
    /* Marks spread to children. These mostly have higher pids than their parents, so that one pass
     * and one that finds nothing more are the rule; a chain against the order costs a pass for each
     * link. */
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < seen.count; i++) {
            struct process *row = &seen.rows[i];
            const struct process *parent =
                row->mark == NOBODYS ? processes_find(&seen, row->parent) : NULL;
            if (parent != NULL && parent->start_time <= row->start_time &&
                parent->mark != NOBODYS) {
                row->mark = parent->mark;
                changed = true;
            }
        }
    }
    processes_done(&table->found);
    table->found = seen;
    seen = (struct processes){0}; /* Handed over. */
    return ERR_OK;
}

/* --- The end ---------------------------------------------------------------------------------- */

static uint64_t now_ns(void) {
    return world_mono_ns(world_real());
}

static struct err freeze_all(struct table *table, uint64_t until_ns) {
    table->freezes = true;
    for (unsigned i = 0; i < FREEZE_ROUNDS_MAX && now_ns() < until_ns; i++) {
        table->frozen = 0;
        TRY(table_look(table));
        /* Processes that the look knows by their parents alone; the others stand still since it saw
         * them. */
        for (size_t n = 0; n < table->found.count; n++) {
            struct process *row = &table->found.rows[n];
            if (row->mark != NOBODYS && !row->frozen) {
                freeze_one(table, row);
            }
        }
        if (table->frozen == 0) {
            return ERR_OK;
        }
    }
    return ERR_OK;
}

/* Returns the number found; `left` of each mark says the same. *ret_pidfd: one that was killed, or
 * -1. */
static unsigned kill_all(struct table *table, struct tree_end *ends, int *ret_pidfd) {
    unsigned found = 0;
    for (size_t i = 0; i < table->marks_count; i++) {
        ends[i].left = 0;
    }
    for (size_t i = 0; i < table->found.count; i++) {
        struct process *row = &table->found.rows[i];
        if (row->mark == NOBODYS) {
            continue;
        }
        found++;
        ends[row->mark].left++;
        AUTO(fd_release) int pidfd = pidfd_open_if(row->pid, row->start_time);
        if (pidfd >= 0 && send_through(pidfd, SIGKILL) == 0) {
            ends[row->mark].killed += !row->killed;
            row->killed = true;
            fd_release(ret_pidfd);
            *ret_pidfd = fd_take(&pidfd);
        }
    }
    return found;
}

struct err tree_end(const struct tree_mark *marks, size_t count, unsigned wait_ms,
                    struct tree_end *ret_ends) {
    assert(count > 0 && count <= TREE_MARKS_MAX);
    struct tree_end ends[TREE_MARKS_MAX] = {0};
    uint64_t until_ns = now_ns() + wait_ms * NS_PER_MS;
    AUTO(table_done) struct table table;
    table_init(&table, marks, count);
    struct err err = freeze_all(&table, until_ns);
    for (unsigned quiet = 0; !err_failed(err);) {
        err = table_look(&table);
        if (err_failed(err)) {
            break;
        }
        AUTO(fd_release) int killed = -1;
        unsigned found = kill_all(&table, ends, &killed);
        quiet = found == 0 ? quiet + 1 : 0;
        if (quiet == QUIET_LOOKS || now_ns() >= until_ns) {
            memcpy(ret_ends, ends, count * sizeof *ends);
            break;
        }
        if (found > 0) {
            struct pollfd about = {.fd = killed, .events = POLLIN};
            (void)poll(&about, 1, WAIT_MS); /* In any case we look again. */
        }
    }
    return err;
}

struct err tree_count(const struct tree_mark *marks, size_t count, unsigned *ret_counts) {
    AUTO(table_done) struct table table;
    table_init(&table, marks, count);
    TRY(table_look(&table));
    memset(ret_counts, 0, count * sizeof *ret_counts);
    for (size_t i = 0; i < table.found.count; i++) {
        if (table.found.rows[i].mark != NOBODYS) {
            ret_counts[table.found.rows[i].mark]++;
        }
    }
    return ERR_OK;
}

/* --- What it takes ---------------------------------------------------------------------------- */

/* A process that has ended meanwhile takes nothing. */
static void use_add(const struct process *row, struct tree_use *use) {
    const struct number_bounds bounds = {0, INT64_MAX / 1000000};
    char path[PATH_SIZE], text[STAT_SIZE];
    int64_t ticks = 0, pages = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", row->pid);
    if (!files_read(path, text, sizeof text)) {
        return;
    }
    use->processes++;
    for (unsigned field = FIELD_CPU; field < FIELD_CPU_END; field++) {
        int64_t some = 0;
        ticks += number_parse(stat_field(bytes_of(text), field), bounds, &some) ? some : 0;
    }
    use->cpu_us += ticks * 1000000 / sysconf(_SC_CLK_TCK);
    if (number_parse(stat_field(bytes_of(text), FIELD_RESIDENT), bounds, &pages)) {
        use->memory += pages * sysconf(_SC_PAGESIZE);
    }
}

struct err tree_measure(const struct tree_mark *mark, struct tree_use *ret_use) {
    AUTO(table_done) struct table table;
    struct tree_use use = {.processes = 0};
    table_init(&table, mark, 1);
    const struct err err = table_look(&table);
    if (err_failed(err)) {
        return err;
    }
    for (size_t i = 0; i < table.found.count; i++) {
        if (table.found.rows[i].mark != NOBODYS) {
            use_add(&table.found.rows[i], &use);
        }
    }
    *ret_use = use;
    return ERR_OK;
}
