/* holder_image.c: see holder_image.h. The bytes come from an assembler file: scripts/image.sh. */
#include "proc/holder_image.h"

#include <string.h>

extern const char holder_image_bytes[];
extern const size_t holder_image_bytes_size;
extern const uint8_t holder_image_bytes_sha256[sizeof(struct sha256)];

struct bytes holder_image(void) {
    return (struct bytes){holder_image_bytes, holder_image_bytes_size};
}

struct sha256 holder_image_hash(void) {
    struct sha256 hash;
    memcpy(hash.bytes, holder_image_bytes_sha256, sizeof hash.bytes);
    return hash;
}
