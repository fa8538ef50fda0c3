/* tree_table.h: one look at all processes, and which of them are ours.
 *
 * Promise    tree_table_look finds every process that carries one of the marks in its environment,
 *            that was found before, or that descends from one of those. An environment is read
 *            once, however many looks and marks there are. Zombies are dead. What may not be
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
    /* Kept from look to look. */
    int mark;     /* Whose it is: an index, or TREE_NOBODYS. */
    bool foreign; /* It has another environment, and does not get ours any more. */
    bool frozen, killed;
};
enum { TREE_NOBODYS = -1, TREE_MARK_MAX = 256 };

/* DROVER_RUN=RUN.ATTEMPT.NONCE */
struct tree_variable {
    char text[TREE_MARK_MAX];
    size_t len;
    bool is_beginning; /* The nonce is not known: any will do. */
};

struct tree_table {
    struct tree_process *rows; /* Owned; by pid. */
    size_t count, size;
    struct tree_variable *marks; /* Owned. */
    size_t marks_count;
    char *page; /* Owned; for reading environments. */
    /* Each time that a look reads a mark, before it goes on to other processes: what ends as soon
     * as it has started the next is gone by the end of a look. NULL: nobody wants to know. */
    void (*on_marked)(struct tree_process *row, void *context);
    void *context;
};

void tree_table_init(struct tree_table *table, const struct tree_mark *marks, size_t count);
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
