/* libexec.h: programs that are embedded in ours, on the disk where they can be run.
 *
 * Promise    DIR/libexec/HASH/NAME holds exactly these bytes, durably and executable for us alone,
 *            HASH being their SHA-256 in hexadecimal. What is there is compared, byte by byte,
 *            and replaced when it differs; a program that runs from it is not disturbed.
 *            Folders of other hashes are never removed here: the runs of an older build pin theirs,
 *            and which do is known to the database and not to this room. One costs less than a
 *            megabyte for each build that was ever started.
 * Ownership  *ret_path is owned (mem_free).
 * Threads    any one at a time; both block on the disk: before the loop runs, or in the pool.
 * Failure    *ret_path is untouched; an old file is whole or absent.
 */
#ifndef DROVER_PROC_LIBEXEC_H
#define DROVER_PROC_LIBEXEC_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "loop/world.h"

struct libexec_program {
    const char *data_dir, *name;
    struct bytes image;
    struct sha256 hash; /* Of the image. */
};
MUST_CHECK struct err libexec_install(const struct world *world,
                                      const struct libexec_program *program, char **ret_path);

/* One that was installed, maybe by another build. ERR_NOT_FOUND: it is not there, or is not what
 * its name says. */
struct libexec_pin {
    const char *data_dir, *name;
    struct sha256 hash;
};
MUST_CHECK struct err libexec_find(const struct world *world, const struct libexec_pin *pin,
                                   char **ret_path);

#endif
