/* tree_job.h: the jobs by which git makes, reads and removes the working tree of an agent: their
 * words, and git's own sentence about a failure.
 *
 * Words and paths are arguments, never shell text. No hook of the repository is run and no daemon
 * of git's is left running; but a repository names programs that git runs where it writes files
 * (filters), and an agent may have written that. So git is kept where commands of agents are: in
 * the sandbox, where it writes in the repository and nowhere else.
 *
 * Threads    any; tree_fault_read blocks on the disk: in the pool.
 */
#ifndef DROVER_DISPATCH_BASE_TREE_JOB_H
#define DROVER_DISPATCH_BASE_TREE_JOB_H

#include "base/json/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "dispatch/base/run_wait.h"
#include "engine/run/runs.h"
#include "proc/spool/spool.h"

/* Texts that a row has of a tree: where it is, the root of the agent in it, the commit it began at
 * ("": not yet known), the top of the repository, where git is run, and what git keeps of the tree
 * ("": as what stands in the trees says). Of a task also the branch, and the last attempt that
 * began in it ("": none did); the tree of an agent of a workflow is on no branch. */
enum tree_text {
    TREE_PATH,
    TREE_ROOT,
    TREE_BASE,
    TREE_TOP,
    TREE_FROM,
    TREE_GIT,
    TREE_BRANCH,
    TREE_ATTEMPT,
    TREE_TEXTS
};
void tree_texts_read(const json_t *worktree, const char *ret_texts[static TREE_TEXTS]);
void tree_texts_write(char *const texts[static TREE_TEXTS], struct text *text);

enum tree_job {
    TREE_HEAD, /* Prints the commit that a tree on a branch begins at. */
    TREE_ADD,
    TREE_REMOVE,
    TREE_WIPE,   /* Half a tree. */
    TREE_DIFF,   /* Prints names of new files, all changes since the base, and the new files. */
    TREE_FORGET, /* The branch, which is kept where anything was committed on it. */
    TREE_NO_JOB,
};
struct tree_order {
    char *const *texts; /* By enum tree_text. */
    enum tree_job job;
    struct bytes user; /* run_… or tsk_…: last word of the label, by which the job is found. */
    bool sandbox;
};
enum { TREE_JOB_BYTES = 4 * 6 * LIMIT_PATH_MAX + 4096, TREE_FAULT_BYTES = 1024 };
/* Key, label and spec of the job, which `bytes` has room for. Git fails now and then where two of
 * it make trees of one repository: one sees what the other has half written. So a repository is a
 * key, and they come one after the other. Paths are bounded, so a spec fits; without memory, and of
 * TREE_NO_JOB, there is none. */
void tree_job_fill(const struct tree_order *order, struct text *bytes, struct run_new *io_job);

/* After a job that failed: the first line that git calls fatal or an error, else the first. As it
 * was, where there is none. */
void tree_fault_read(const struct spool *spool, const char *log, struct text *io_fault);
/* The log of the last attempt of a job that has ended, and the fault that is known without it. ""
 * and "": the job was removed; a fault of "" alone: it succeeded. */
void tree_job_ended(const struct run_wait *wait, char ret_log[static PROTOCOL_NAME_MAX + 1],
                    struct text *ret_fault);

#endif
