/* reader.h: the state of one parse, shared by the files json_*.c of this room only.
 *
 * Promise    a function here that fails has called json__refuse or json__exhaust: `err` is set, and
 *            the user's sentence is told. After that the reader is good for nothing.
 * Ownership  the reader lives on json_parse's stack; `scratch` is owned.
 */
#ifndef DROVER_BASE_JSON_READER_H
#define DROVER_BASE_JSON_READER_H

#include <jansson.h>

#include "base/base.h"
#include "base/err.h"

struct json_reader {
    struct bytes input; /* Borrowed for the parse. */
    size_t at;          /* The next byte. */
    unsigned depth, depth_max;
    unsigned values, values_max; /* values: read so far. */
    struct why *why;             /* Borrowed; may be NULL. */
    bool wide;                   /* Integers beyond 64 bits are reals. */
    struct err err;
    /* Where text goes whose spelling differs from its meaning. Made at the first need, with one
     * byte more than the input: no escape is shorter than what it means, and each number has a byte
     * behind it for its terminator (the last one has the extra byte). So it never grows, and bytes
     * in it stay where they are until the parse ends. */
    char *scratch;
    size_t scratch_len;
};

/* The words are followed by nothing, preceded by "line 1, column 2: ". Always false. */
bool json__refuse(struct json_reader *reader, size_t at, const char *format, ...) PRINTF_LIKE(3, 4);
bool json__exhaust(struct json_reader *reader); /* Out of memory. Always false. */

MUST_CHECK bool json__check_bytes(struct json_reader *reader);
MUST_CHECK bool json__scratch(struct json_reader *reader); /* Makes it, if it isn't there yet. */

/* A string, from its opening quote to behind its closing one. *ret_chars is borrowed from the input
 * or from the scratch. */
MUST_CHECK bool json__read_chars(struct json_reader *reader, struct bytes *ret_chars);
/* A number from its first digit or minus. */
MUST_CHECK bool json__read_number(struct json_reader *reader, json_t **ret_json);

#endif
