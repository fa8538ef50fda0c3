/* place.h: which machine and which directory this daemon's processes belong to.
 *
 * A copy of the data has another inode, and its holders are not ours. A system without a machine id
 * has that part empty.
 *
 * Ownership  *ret_data_dir is the caller's (mem_free).
 * Threads    any; blocks on the disk.
 */
#ifndef DROVER_MAIN_PLACE_H
#define DROVER_MAIN_PLACE_H

#include "base/base.h"
#include "base/err.h"
#include "cli/serve_options.h"

/* "MACHINE/INODE", as engine/home.h wants it. */
struct place_name {
    char text[128];
};
MUST_CHECK struct err place_find(const struct serve_options *serve, char **ret_data_dir,
                                 struct place_name *ret_name);

#endif
