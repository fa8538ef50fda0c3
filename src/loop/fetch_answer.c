/* fetch_answer.c: what an answer says, and the words of each fault. Pure: no library, no loop, so
 * that another client can stand behind fetch.h with the same readers. */
#include <string.h>
#include <strings.h>

#include "loop/fetch.h"

static const char *const fault_texts[] = {
#define X(fault, text) [FETCH_##fault] = (text),
    FETCH_FAULTS(X)
#undef X
};

const char *fetch_fault_text(enum fetch_fault fault) {
    assert((unsigned)fault < COUNT_OF(fault_texts));
    return fault_texts[fault];
}

static struct bytes trimmed(struct bytes text) {
    while (text.len > 0 && strchr(" \t\r\n", text.data[0]) != NULL) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL) {
        text.len--;
    }
    return text;
}

bool fetch_answer_header(const struct fetch_answer *answer, const char *name,
                         struct bytes *ret_value) {
    size_t name_len = strlen(name);
    struct bytes rest = answer->head;
    while (rest.len > 0) {
        const char *end = memchr(rest.data, '\n', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.data) + 1 : rest.len;
        if (len > name_len && rest.data[name_len] == ':' &&
            strncasecmp(rest.data, name, name_len) == 0) {
            *ret_value = trimmed((struct bytes){rest.data + name_len + 1, len - name_len - 1});
            return true;
        }
        rest = (struct bytes){rest.data + len, rest.len - len};
    }
    return false;
}
