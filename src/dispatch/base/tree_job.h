/* tree_job.h: the jobs by which git makes, reads and removes the working tree of an agent
 * (tool/tree_words.h), and git's own sentence about a failure.
 *
 * A repository names programs that git runs where it writes files (filters), and an agent may have
 * written that. So git is kept where commands of agents are: in the sandbox, where it writes in the
 * repository and nowhere else.
 *
 * Threads    any; tree_fault_read blocks on the disk: in the pool.
 */
#ifndef DROVER_DISPATCH_BASE_TREE_JOB_H
#define DROVER_DISPATCH_BASE_TREE_JOB_H

#include "base/limits.h"
#include "base/text.h"
#include "dispatch/base/run_wait.h"
#include "engine/run/runs.h"
#include "proc/spool/spool.h"
#include "rules/tree/tree.h"

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
