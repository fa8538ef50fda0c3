/* holder_image.h: the holder's program, carried inside the daemon's.
 *
 * Promise    a whole ELF file, static and stripped, built from src/proc/holder/ by the same build.
 * Ownership  static data.
 */
#ifndef DROVER_PROC_HOLDER_IMAGE_H
#define DROVER_PROC_HOLDER_IMAGE_H

#include "base/base.h"
#include "base/hash.h"

struct bytes holder_image(void);
/* Its SHA-256, which the build has computed: at a start of the daemon that would be most of it. */
struct sha256 holder_image_hash(void);

#endif
