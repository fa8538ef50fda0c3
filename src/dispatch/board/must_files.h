/* must_files.h: must-haves that the disk answers for: files, and what must not change.
 *
 * A fingerprint is the hash of all names and contents below a path, in the order of names. What
 * ".git" is named is left out: commits change no file. Links count as what they say, and are not
 * followed. A path stays within its folder, whatever links do (base/beneath.h).
 *
 * Threads    any; blocks on the disk, for as long as the limits below allow: in the pool.
 */
#ifndef DROVER_DISPATCH_BOARD_MUST_FILES_H
#define DROVER_DISPATCH_BOARD_MUST_FILES_H

#include "base/base.h"
#include "base/text.h"

/* Limits of what all paths of one list hold together, and of the depth below each of them. The path
 * that passes one of them is too large to be checked, and so is each that reads more after it. */
enum { PRINT_FILES_MAX = 20000, PRINT_BYTES_MAX = 256 << 20, PRINT_DEPTH_MAX = 64 };

struct must_folder {
    struct bytes root;               /* "": there is none. */
    struct bytes must_haves, prints; /* JSON: the list, and the fingerprints that are known. */
};
/* Fingerprints of the paths that have none yet, and those that are known: {"PATH": "HASH"}. Nothing
 * where the list names no path. */
void must_prints_write(const struct must_folder *folder, struct text *prints);
/* Appends those that are not met, as must_unmet_add does. False: the list could not be read. */
MUST_CHECK bool must_files_check(const struct must_folder *folder, struct text *unmet);

#endif
