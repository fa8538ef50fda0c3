/* prelude.c: see prelude.h. The bytes come from an assembler file: scripts/image.sh. */
#include "script/worker/prelude.h"

extern const char world_bytes[];
extern const size_t world_bytes_size;
extern const char texts_bytes[];
extern const size_t texts_bytes_size;
extern const char prelude_bytes[];
extern const size_t prelude_bytes_size;

struct bytes prelude_world(void) {
    return (struct bytes){world_bytes, world_bytes_size};
}

struct bytes prelude_texts(void) {
    return (struct bytes){texts_bytes, texts_bytes_size};
}

struct bytes prelude_text(void) {
    return (struct bytes){prelude_bytes, prelude_bytes_size};
}
