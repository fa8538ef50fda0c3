/* names.c: names and paths of working trees. */
#include <stdio.h>
#include <string.h>

#include "rules/tree/tree.h"

static const char above[] = "/.drover/worktrees/";

static bool name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/* Git refuses a branch of such a name. */
static bool name_is_lock(struct bytes name) {
    static const char lock[] = ".lock";
    const size_t len = sizeof lock - 1;
    return name.len >= len && memcmp(name.data + name.len - len, lock, len) == 0;
}

bool tree_name_valid(struct bytes name) {
    if (name.len == 0 || name.len > TREE_NAME_MAX || strchr("._-", name.data[0]) != NULL ||
        name.data[name.len - 1] == '.' || name_is_lock(name) || bytes_begin(name, BYTES("run_")) ||
        bytes_begin(name, BYTES("tsk_"))) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!name_char(name.data[i]) || (i > 0 && name.data[i] == '.' && name.data[i - 1] == '.')) {
            return false;
        }
    }
    return true;
}

void tree_branch_make(struct bytes words, struct bytes id, char ret_branch[TREE_BRANCH_SIZE]) {
    enum { WORDS_MAX = 32, ID_PART = 6 };
    char slug[WORDS_MAX + 1];
    size_t len = 0;
    for (size_t i = 0; i < words.len && len < WORDS_MAX; i++) {
        const char c = words.data[i], low = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        const bool plain = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9');
        if (plain || (len > 0 && slug[len - 1] != '-')) {
            slug[len++] = plain ? low : '-';
        }
    }
    while (len > 0 && slug[len - 1] == '-') {
        len--;
    }
    const size_t skip = id.len > ID_PART ? id.len - ID_PART : 0;
    (void)snprintf(ret_branch, TREE_BRANCH_SIZE, "drover/%.*s-%.*s", len > 0 ? (int)len : 5,
                   len > 0 ? slug : "agent", (int)(id.len - skip), id.data + skip);
}

struct bytes tree_path_of(struct bytes folder) {
    const size_t above_len = sizeof above - 1;
    for (size_t at = folder.len; at >= above_len; at--) {
        if (memcmp(folder.data + at - above_len, above, above_len) == 0) {
            const char *name = folder.data + at;
            const char *end = memchr(name, '/', folder.len - at);
            const size_t len = end == NULL ? folder.len : (size_t)(end - folder.data);
            return len > at ? (struct bytes){folder.data, len} : (struct bytes){NULL, 0};
        }
    }
    return (struct bytes){NULL, 0};
}
