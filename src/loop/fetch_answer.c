/* fetch_answer.c: reader of an answer's headers, and the words of each fault. Pure: no library, no
 * loop, so that another client can stand behind fetch.h with the same readers. */
#include "loop/fetch.h"

const char *fetch_fault_text(enum fetch_fault fault) {
    static const char *const texts[] = {
#define X(fault, text) [FETCH_##fault] = (text),
        FETCH_FAULTS(X)
#undef X
    };
    assert((unsigned)fault < COUNT_OF(texts));
    return texts[fault];
}

bool fetch_answer_header(const struct fetch_answer *answer, const char *name,
                         struct bytes *ret_value) {
    struct bytes rest = answer->head, line, wanted = bytes_of(name);
    while (bytes_next(&rest, '\n', &line)) {
        if (line.len > wanted.len && line.data[wanted.len] == ':' &&
            bytes_equal_nocase((struct bytes){line.data, wanted.len}, wanted)) {
            struct bytes value = {line.data + wanted.len + 1, line.len - wanted.len - 1};
            *ret_value = bytes_trim(value, " \t\r\n");
            return true;
        }
    }
    return false;
}
