/* worker_image.c: see worker_image.h. The bytes come from an assembler file: scripts/image.sh. */
#include "script/worker_image.h"

#include <string.h>

extern const char worker_image_bytes[];
extern const size_t worker_image_bytes_size;
extern const uint8_t worker_image_bytes_sha256[sizeof(struct sha256)];

struct bytes worker_image(void) {
    return (struct bytes){worker_image_bytes, worker_image_bytes_size};
}

struct sha256 worker_image_hash(void) {
    struct sha256 hash;
    memcpy(hash.bytes, worker_image_bytes_sha256, sizeof hash.bytes);
    return hash;
}
