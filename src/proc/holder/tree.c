/* tree.c: see tree.h. */
#include "proc/holder/tree.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/small/small.h"

enum { PATH_SIZE = 300, CHUNK_SIZE = 4096, STAT_SIZE = 512 };

/* Adds the pids of a text such as "12 345 6 ". The last may go on in the next chunk: *pid. */
static void tree_add_pids(struct tree *tree, struct bytes text, pid_t parent, pid_t *pid) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c >= '0' && c <= '9') {
            *pid = *pid * 10 + (c - '0');
        } else if (*pid > 0) {
            if (tree->count < TREE_MAX) {
                tree->members[tree->count++] = (struct tree_member){*pid, parent};
            }
            *pid = 0;
        }
    }
}

/* Adds the children of each thread. One that has ended meanwhile has none: they are others' now. */
static void tree_visit(struct tree *tree, pid_t pid) {
    char path[PATH_SIZE], chunk[CHUNK_SIZE];
    (void)line_make(path, sizeof path, "/proc/%d/task", (int)pid); /* The path fits. */
    AUTO(fd_release) int tasks = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct names names;
    names_start(&names, tasks);
    for (const char *tid; tasks >= 0 && (tid = names_next(&names)) != NULL;) {
        (void)line_make(path, sizeof path, "%s/children", tid); /* The same. */
        AUTO(fd_release) int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
        pid_t child = 0;
        for (ssize_t got; fd >= 0 && (got = read(fd, chunk, sizeof chunk)) > 0;) {
            tree_add_pids(tree, (struct bytes){chunk, (size_t)got}, pid, &child);
        }
        tree_add_pids(tree, BYTES(" "), pid, &child);
    }
}

void tree_walk(struct tree *tree) {
    tree->self = getpid();
    tree->count = 0;
    tree_visit(tree, tree->self);
    for (size_t i = 0; i < tree->count; i++) {
        tree_visit(tree, tree->members[i].pid);
    }
}

int64_t tree_stat_number(const char *stat, unsigned field) {
    const char *at = strrchr(stat, ')'); /* The name before it may contain anything. */
    for (unsigned i = 2; at != NULL && i < field; i++) {
        at = strchr(at + 1, ' ');
    }
    int64_t number = 0;
    for (at = at == NULL ? "" : at + 1; *at >= '0' && *at <= '9' && number < INT64_MAX / 10; at++) {
        number = number * 10 + (*at - '0');
    }
    return number;
}

void tree_signal(const struct tree *tree, int number) {
    for (size_t i = 0; i < tree->count; i++) {
        struct tree_member member = tree->members[i];
        if (member.parent == tree->self) {
            (void)kill(member.pid, number); /* A child that we did not reap keeps its pid. */
            continue;
        }
        AUTO(fd_release) int pidfd = (int)syscall(SYS_pidfd_open, member.pid, 0);
        char path[PATH_SIZE], stat[STAT_SIZE];
        (void)line_make(path, sizeof path, "/proc/%d/stat", (int)member.pid); /* The path fits. */
        bool there = pidfd >= 0 && files_read(path, stat, sizeof stat);
        pid_t parent = there ? (pid_t)tree_stat_number(stat, 4) : 0;
        if (parent > 0 && (parent == member.parent || parent == tree->self)) {
            /* Gone meanwhile, or not ours to signal: the next round sees it, or not. */
            (void)syscall(SYS_pidfd_send_signal, pidfd, number, /* info */ NULL, 0);
        }
    }
}

void tree_hurry(void) {
    const struct sched_param first = {.sched_priority = 1};
    (void)sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first); /* Needs a privilege. */
}
