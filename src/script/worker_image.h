/* worker_image.h: the program of scripts, carried inside the daemon's.
 *
 * Promise    a whole ELF file, static and stripped, built from src/script/worker/ with the rest.
 * Ownership  static data.
 */
#ifndef DROVER_SCRIPT_WORKER_IMAGE_H
#define DROVER_SCRIPT_WORKER_IMAGE_H

#include "base/base.h"
#include "base/hash.h"

struct bytes worker_image(void);
/* Its SHA-256, which the build has computed: at a start of the daemon that would be most of it. */
struct sha256 worker_image_hash(void);

#endif
