/* tree_table.h: one look at all processes, and which of them are ours.
 *
 * Promise    tree_table_look finds every process that carries the mark in its environment, that was
 *            ours before, or that descends from one of those. Zombies are dead. What may not be
 *            read (another user's) and what vanishes while we look is skipped. We ourselves and
 *            process 1 are never ours.
 * Ownership  embedded: tree_table_init/tree_table_done.
 * Threads    one at a time; blocks.
 * Failure    the table keeps what it knew.
 */
#ifndef DROVER_PROC_TREE_TABLE_H
#define DROVER_PROC_TREE_TABLE_H

#include "base/base.h"
#include "base/err.h"
#include "proc/tree.h"

struct tree_process {
    int pid, parent;
    uint64_t start_time;
    bool ours;
    /* Kept from look to look. */
    bool frozen, killed;
};

struct tree_table {
    struct tree_process *rows; /* Owned; by pid. */
    size_t count, size;
    char *mark; /* Owned: DROVER_RUN=RUN.ATTEMPT.NONCE */
    size_t mark_len;
    char *page; /* Owned; for reading environments. */
};

void tree_table_init(struct tree_table *table, const struct tree_mark *mark);
void tree_table_done(struct tree_table *table);
MUST_CHECK struct err tree_table_look(struct tree_table *table);

/* What /proc/PID/stat says. False: no such process, or it is dead and not yet collected. */
struct process_stat {
    int parent;
    uint64_t start_time;
    bool alive;  /* Not a zombie. */
    bool kernel; /* A thread of the kernel's own. */
};
MUST_CHECK bool process_stat(int pid, struct process_stat *ret_stat);

#endif
