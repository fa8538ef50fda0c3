/* holder_image.h: the holder's program, carried inside the daemon's.
 *
 * Promise    a whole ELF file, static and stripped, built from src/proc/holder/ by the same build.
 * Ownership  static data.
 */
#ifndef DROVER_PROC_HOLDER_IMAGE_H
#define DROVER_PROC_HOLDER_IMAGE_H

#include "base/base.h"

struct bytes holder_image(void);

#endif
