/* tree.c: see tree.h. */
#include "proc/holder/tree.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/files.h"
#include "proc/holder/words.h"

enum { PATH_SIZE = 64, CHUNK_SIZE = 4096, STAT_SIZE = 512 };

void tree_init(struct tree *tree) {
    tree->self = getpid();
    tree->count = 0;
}

static void add_member(struct tree *tree, struct tree_member member) {
    if (tree->count < TREE_MAX) {
        tree->members[tree->count++] = member;
    }
}

/* Adds the pids of a text such as "12 345 6 ". The last may go on in the next chunk: *pid. */
static void add_pids(struct tree *tree, struct bytes text, pid_t parent, pid_t *pid) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c >= '0' && c <= '9') {
            *pid = *pid * 10 + (c - '0');
        } else if (*pid > 0) {
            add_member(tree, (struct tree_member){*pid, parent});
            *pid = 0;
        }
    }
}

static void add_children(struct tree *tree, int tasks, const char *tid, pid_t parent) {
    char path[PATH_SIZE];
    struct words words;
    words_init(&words, path, sizeof path);
    words_add(&words, tid);
    words_add(&words, "/children");
    AUTO(fd_release) int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return; /* The thread has ended: its children are others' now. */
    }
    char chunk[CHUNK_SIZE];
    pid_t pid = 0;
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0) {
        add_pids(tree, (struct bytes){chunk, (size_t)got}, parent, &pid);
    }
    add_pids(tree, BYTES(" "), parent, &pid);
}

static struct words *proc_path(struct words *words, pid_t pid, const char *rest) {
    words_add(words, "/proc/");
    words_add_number(words, pid);
    words_add(words, rest);
    return words;
}

static void visit(struct tree *tree, pid_t pid) {
    char path[PATH_SIZE];
    struct words words;
    words_init(&words, path, sizeof path);
    AUTO(fd_release)
    int tasks = open(proc_path(&words, pid, "/task")->at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tasks < 0) {
        return;
    }
    struct files_chunk chunk;
    ssize_t got;
    while ((got = files_list(tasks, &chunk)) > 0) {
        const char *name;
        for (size_t at = 0; (name = files_next(&chunk, (size_t)got, &at)) != NULL;) {
            if (name[0] != '.') {
                add_children(tree, tasks, name, pid);
            }
        }
    }
}

void tree_walk(struct tree *tree) {
    tree->count = 0;
    visit(tree, tree->self);
    for (size_t i = 0; i < tree->count; i++) {
        visit(tree, tree->members[i].pid);
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

/* 0: no such process. */
static pid_t parent_of(pid_t pid) {
    char path[PATH_SIZE], stat[STAT_SIZE];
    struct words words;
    words_init(&words, path, sizeof path);
    bool there = files_read(proc_path(&words, pid, "/stat")->at, stat, sizeof stat);
    return there ? (pid_t)tree_stat_number(stat, 4) : 0;
}

static void signal_member(const struct tree *tree, struct tree_member member, int number) {
    if (member.parent == tree->self) {
        (void)kill(member.pid, number); /* It is ours to reap, so the pid is still its own. */
        return;
    }
    AUTO(fd_release) int pidfd = (int)syscall(SYS_pidfd_open, member.pid, 0);
    pid_t parent = pidfd < 0 ? 0 : parent_of(member.pid);
    if (parent > 0 && (parent == member.parent || parent == tree->self)) {
        /* Gone meanwhile, or not ours to signal: the next round sees it, or not. */
        (void)syscall(SYS_pidfd_send_signal, pidfd, number, /* info */ NULL, 0);
    }
}

void tree_signal(const struct tree *tree, int number) {
    for (size_t i = 0; i < tree->count; i++) {
        signal_member(tree, tree->members[i], number);
    }
}
