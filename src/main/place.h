/* place.h: which machine and which directory this daemon's processes belong to.
 *
 * A copy of the data has another inode, and its holders are not ours. A system without a machine id
 * has that part empty. Two machines of one image have one machine id, and on a file system of its
 * own (a volume, tmpfs) the directory has the same inode on both: so a random id lies in the
 * directory, in the file `host-id`, made once.
 *
 * File       "MACHINE/INODE/ID\n": the place for which the id was made. Where machine or inode
 *            differ, the file was copied with its directory, and another id replaces it; so does
 *            one where the file is damaged: its jobs are those of a host that is gone then.
 * Ownership  *ret_data_dir is the caller's (mem_free).
 * Threads    any; blocks on the disk. The data directory must be claimed.
 */
#ifndef DROVER_MAIN_PLACE_H
#define DROVER_MAIN_PLACE_H

#include "base/base.h"
#include "base/err.h"
#include "cli/system/serve_options.h"

/* "MACHINE/INODE/ID", as engine/base/home.h wants it. */
struct place_name {
    char text[128];
};
MUST_CHECK struct err place_find(const struct serve_options *serve, char **ret_data_dir,
                                 struct place_name *ret_name);

#endif
