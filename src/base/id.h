/* id.h: the ids that users see: a typed prefix, then 26 characters of time and randomness.
 *
 * Promise    ids of one kind sort by the millisecond they were made in, and are unguessable beyond
 *            that (80 random bits). Crockford's base 32, lower case.
 */
#ifndef DROVER_BASE_ID_H
#define DROVER_BASE_ID_H

#include "base/base.h"

enum { ID_SIZE = 32 }; /* With the terminator; "tok_" + 26. */
struct id {
    char text[ID_SIZE];
};

/* `prefix` is at most 4 letters, without the underscore. */
struct id id_make(const char *prefix, int64_t now_ms, const uint8_t random[10]);
/* The same id, from its bytes. */
static inline struct id id_copy(struct bytes text) {
    struct id id = {""};
    assert(text.len < sizeof id.text);
    memcpy(id.text, text.data, text.len);
    return id;
}
/* As other programs name things: a UUID of version 4 (RFC 9562), in lower case. */
enum { UUID_SIZE = 37 };
struct uuid {
    char text[UUID_SIZE];
};
struct uuid uuid_make(const uint8_t random[16]);
MUST_CHECK bool id_valid(const char *text, size_t len, const char *prefix);

/* Name that a person gave: 1 to len_max of a-z, 0-9, '.', '_' and '-', first a letter or digit. */
MUST_CHECK bool id_name_valid(struct bytes name, size_t len_max);

#endif
