/* reader.c: where a parse stands, and how it says what is wrong there. */
#include "base/json/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

struct position {
    size_t line, column;
};

/* Both count from 1; columns count characters, not bytes. */
static struct position position_of(struct bytes input, size_t at) {
    struct position position = {.line = 1, .column = 1};
    for (size_t i = 0; i < at && i < input.len; i++) {
        if (input.data[i] == '\n') {
            position.line++;
            position.column = 1;
        } else if (((unsigned char)input.data[i] & 0xC0) != 0x80) {
            position.column++;
        }
    }
    return position;
}

bool json__refuse(struct json_reader *reader, size_t at, const char *format, ...) {
    struct why words;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words.text, sizeof words.text, format, args); /* Too long is cut. */
    va_end(args);
    struct position position = position_of(reader->input, at);
    why_set(reader->why, "line %zu, column %zu: %s", position.line, position.column, words.text);
    reader->err = err_make(ERR_BAD_JSON, "json: parse");
    return false;
}

bool json__exhaust(struct json_reader *reader) {
    why_set(reader->why, "there is not enough memory for this JSON text; try again later");
    reader->err = err_make(ERR_OUT_OF_MEMORY, "json: parse");
    return false;
}

bool json__check_bytes(struct json_reader *reader) {
    struct bytes input = reader->input;
    if (input.len == 0) {
        return json__refuse(reader, 0, "a JSON value is expected, and nothing is there");
    }
    size_t valid = utf8_valid_len(input.data, input.len);
    if (valid < input.len) {
        return json__refuse(reader, valid, "the byte 0x%02x is not valid UTF-8",
                            (unsigned)(unsigned char)input.data[valid]);
    }
    if (input.len >= 3 && memcmp(input.data, "\xEF\xBB\xBF", 3) == 0) {
        return json__refuse(reader, 0, "JSON must not start with a byte order mark");
    }
    return true;
}

bool json__scratch(struct json_reader *reader) {
    if (reader->scratch != NULL) {
        return true;
    }
    size_t size;
    if (size_add(reader->input.len, 1, &size)) {
        reader->scratch = mem_try(size);
    }
    return reader->scratch != NULL || json__exhaust(reader);
}
