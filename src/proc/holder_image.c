/* holder_image.c: see holder_image.h. The bytes come from an assembler file: scripts/image.sh. */
#include "proc/holder_image.h"

extern const char holder_image_bytes[];
extern const size_t holder_image_bytes_size;

struct bytes holder_image(void) {
    return (struct bytes){holder_image_bytes, holder_image_bytes_size};
}
