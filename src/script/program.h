/* program.h: the worker's program on the disk, DIR/libexec/HASH/worker.
 *
 * Promise    a run goes on with the engine that it began with: the hash names it, and what an older
 *            drover installed stays there (proc/libexec.h).
 * Ownership  *ret_path is owned (mem_free).
 * Threads    any one at a time; both block on the disk: before the loop runs, or in the pool.
 * Failure    *ret_path is untouched. ERR_NOT_FOUND: it was removed, or is not what its name says.
 */
#ifndef DROVER_SCRIPT_PROGRAM_H
#define DROVER_SCRIPT_PROGRAM_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "loop/world.h"

/* The one that is carried in ours; *ret_hash is what a run pins. */
MUST_CHECK struct err script_program_install(const struct world *world, const char *data_dir,
                                             struct sha256 *ret_hash, char **ret_path);
/* The same as a file in memory, for a process that needs no data directory. *ret_fd is owned. */
MUST_CHECK struct err script_program_in_memory(int *ret_fd);
/* The one that a run has pinned. */
MUST_CHECK struct err script_program_find(const struct world *world, const char *data_dir,
                                          const struct sha256 *hash, char **ret_path);

#endif
