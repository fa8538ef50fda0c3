/* tree.c: ends what a dead holder left behind.
 *
 * First everything is stopped (SIGSTOP), until a look finds nobody new; only then killed. Killing
 * at once would be as deadly and would lose somebody: when a parent dies, its child is given to
 * another one, and a child without our mark is known by its parent alone. A fork bomb is frozen by
 * the same rounds, since what stands still does not fork. What carries a mark is stopped as soon as
 * it is seen: on a busy machine a look takes longer than a process that starts another and ends.
 *
 * Between looks we wait for one of the killed to end, by its pidfd, and never for long.
 */
#include "proc/tree.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "loop/world.h"
#include "proc/tree_table.h"

enum {
    FREEZE_ROUNDS_MAX = 16, /* Who forks faster than that is killed as he is found. */
    WAIT_MS = 20,
    QUIET_LOOKS = 2, /* In a row, that find nothing. */
};

static const uint64_t NS_PER_MS = 1000 * 1000;

static int open_pidfd(int pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0 /* flags */);
}

static int send_through(int pidfd, int number) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, number, NULL /* info */, 0 /* flags */);
}

/* The start time is read after the pidfd was opened: if it is still the right one, so is the
 * pidfd, whatever becomes of the pid. -1: that process is gone, or we may not. */
static int pidfd_open_if(int pid, uint64_t expected_start_time) {
    AUTO(fd_release) int pidfd = open_pidfd(pid);
    uint64_t start_time = 0;
    if (pidfd < 0 || !process_start_time(pid, &start_time) || start_time != expected_start_time) {
        return -1;
    }
    return fd_take(&pidfd);
}

static int pidfd_of(const struct tree_process *row) {
    return pidfd_open_if(row->pid, row->start_time);
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

struct ending {
    struct tree_table table;
    uint64_t until_ns;
    struct tree_end *ends; /* Borrowed: one for each mark. */
    unsigned frozen;       /* By the last look. */
    int waiting_for;       /* Owned: a pidfd of one that was killed, or -1. */
};

static void ending_done(struct ending *ending) {
    tree_table_done(&ending->table);
    fd_release(&ending->waiting_for);
}

static uint64_t now_ns(void) {
    return world_mono_ns(world_real());
}

static void freeze_one(struct tree_process *row, void *context) {
    struct ending *ending = context;
    AUTO(fd_release) int pidfd = pidfd_of(row);
    row->frozen = true; /* Also what can't be: it is not tried again. */
    ending->frozen += pidfd >= 0 && send_through(pidfd, SIGSTOP) == 0;
}

/* Those that the look knows by their parents alone; the others stand still since it saw them. */
static void freeze_others(struct ending *ending) {
    for (size_t i = 0; i < ending->table.count; i++) {
        struct tree_process *row = &ending->table.rows[i];
        if (row->mark != TREE_NOBODYS && !row->frozen) {
            freeze_one(row, ending);
        }
    }
}

static struct err freeze_all(struct ending *ending) {
    for (unsigned i = 0; i < FREEZE_ROUNDS_MAX && now_ns() < ending->until_ns; i++) {
        ending->frozen = 0;
        struct err err = tree_table_look(&ending->table);
        if (err_failed(err)) {
            return err;
        }
        freeze_others(ending);
        if (ending->frozen == 0) {
            return ERR_OK;
        }
    }
    return ERR_OK;
}

static void kill_one(struct ending *ending, struct tree_process *row) {
    AUTO(fd_release) int pidfd = pidfd_of(row);
    if (pidfd < 0 || send_through(pidfd, SIGKILL) < 0) {
        return;
    }
    ending->ends[row->mark].killed += !row->killed;
    row->killed = true;
    fd_release(&ending->waiting_for);
    ending->waiting_for = fd_take(&pidfd);
}

/* How many there were; `left` of each mark says the same. */
static unsigned kill_all(struct ending *ending) {
    unsigned found = 0;
    for (size_t i = 0; i < ending->table.marks_count; i++) {
        ending->ends[i].left = 0;
    }
    for (size_t i = 0; i < ending->table.count; i++) {
        struct tree_process *row = &ending->table.rows[i];
        if (row->mark != TREE_NOBODYS) {
            found++;
            ending->ends[row->mark].left++;
            kill_one(ending, row);
        }
    }
    return found;
}

static void wait_for_one(struct ending *ending) {
    struct pollfd about = {.fd = ending->waiting_for, .events = POLLIN};
    (void)poll(&about, 1, WAIT_MS); /* Whatever it says, we look again. */
    fd_release(&ending->waiting_for);
}

static struct err kill_until_quiet(struct ending *ending) {
    unsigned quiet = 0;
    for (;;) {
        struct err err = tree_table_look(&ending->table);
        if (err_failed(err)) {
            return err;
        }
        unsigned found = kill_all(ending);
        quiet = found == 0 ? quiet + 1 : 0;
        if (quiet == QUIET_LOOKS || now_ns() >= ending->until_ns) {
            return ERR_OK;
        }
        if (found > 0) {
            wait_for_one(ending);
        }
    }
}

struct err tree_end(const struct tree_mark *marks, size_t count, unsigned wait_ms,
                    struct tree_end *ret_ends) {
    assert(count > 0 && count <= TREE_MARKS_MAX);
    struct tree_end ends[TREE_MARKS_MAX] = {0};
    AUTO(ending_done)
    struct ending ending = {
        .until_ns = now_ns() + wait_ms * NS_PER_MS, .ends = ends, .waiting_for = -1};
    tree_table_init(&ending.table, marks, count);
    ending.table.on_marked = freeze_one;
    ending.table.context = &ending;
    struct err err = freeze_all(&ending);
    if (!err_failed(err)) {
        err = kill_until_quiet(&ending);
    }
    if (!err_failed(err)) {
        memcpy(ret_ends, ends, count * sizeof *ends);
    }
    return err;
}

struct err tree_find(const struct tree_mark *marks, size_t count, bool *ret_lives) {
    AUTO(tree_table_done) struct tree_table table;
    tree_table_init(&table, marks, count);
    struct err err = tree_table_look(&table);
    if (err_failed(err)) {
        return err;
    }
    memset(ret_lives, 0, count * sizeof *ret_lives);
    for (size_t i = 0; i < table.count; i++) {
        if (table.rows[i].mark != TREE_NOBODYS) {
            ret_lives[table.rows[i].mark] = true;
        }
    }
    return ERR_OK;
}

struct err tree_count(const struct tree_mark *mark, unsigned *ret_count) {
    AUTO(tree_table_done) struct tree_table table;
    tree_table_init(&table, mark, 1);
    struct err err = tree_table_look(&table);
    if (err_failed(err)) {
        return err;
    }
    unsigned count = 0;
    for (size_t i = 0; i < table.count; i++) {
        count += table.rows[i].mark != TREE_NOBODYS;
    }
    *ret_count = count;
    return ERR_OK;
}
