/* names.c: which names streams and events may bear. Pure. */
#include "journal/journal.h"

#include <string.h>

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c) {
    return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("._:@~-", c) != NULL);
}

static bool equals(struct bytes text, struct bytes other) {
    return bytes_equal(text, other);
}

static bool begins(struct bytes text, struct bytes prefix) {
    return text.len >= prefix.len && memcmp(text.data, prefix.data, prefix.len) == 0;
}

/* ASCII only: a name is shown in URLs, terminals and logs, and nowhere needs escaping; two names
 * that look alike are alike. The dots alone are path segments that clients resolve by themselves,
 * so a request for such a stream would reach another resource. */
bool stream_name_valid(struct bytes name) {
    if (name.len == 0 || name.len > STREAM_NAME_MAX) {
        return false;
    }
    for (size_t at = 0; at < name.len; at++) {
        if (!is_name_char(name.data[at])) {
            return false;
        }
    }
    return !equals(name, BYTES(".")) && !equals(name, BYTES(".."));
}

bool stream_name_reserved(struct bytes name) {
    return begins(name, BYTES("session:")) || begins(name, BYTES("run:")) ||
           begins(name, BYTES("project:")) || equals(name, BYTES("system"));
}

bool event_type_valid(struct bytes type) {
    if (type.len == 0 || type.len > EVENT_TYPE_MAX || !is_lower(type.data[0])) {
        return false;
    }
    for (size_t at = 1; at < type.len; at++) {
        char c = type.data[at];
        if (!is_lower(c) && !is_digit(c) && c != '_' && c != '.' && c != '-') {
            return false;
        }
    }
    return !equals(type, BYTES("snapshot")) && !equals(type, BYTES("done")) &&
           !equals(type, BYTES("closing"));
}
