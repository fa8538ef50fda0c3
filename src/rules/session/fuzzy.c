/* fuzzy.c: the best of all ways to find the letters in a path, by one pass over its bytes.
 *
 * After each byte of the path, `best[j]` is the highest score of the first j + 1 letters among the
 * bytes so far, and `last[j]` that of the ways whose last letter is this very byte: only these get
 * the points for letters in a row. The first way to be found is not always the best one: "ab" in
 * "a/x_ab" is meant as the word at the end. */
#include "rules/session/fuzzy.h"

#include <string.h>

enum { LETTER = 1, IN_NAME = 4, IN_ROW = 6, AT_WORD = 8, AT_COMPONENT = 10 };

static bool is_lower(char byte) {
    return byte >= 'a' && byte <= 'z';
}

static char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

void fuzzy_begin(struct fuzzy *fuzzy, struct bytes typed) {
    assert(typed.len <= FUZZY_LETTERS_MAX);
    fuzzy->count = typed.len;
    for (size_t i = 0; i < typed.len; i++) {
        fuzzy->letters[i] = lower(typed.data[i]);
    }
}

/* Most paths do not fit, and are left at once. */
static bool fits(const struct fuzzy *fuzzy, struct bytes path) {
    size_t found = 0;
    for (size_t i = 0; i < path.len && found < fuzzy->count; i++) {
        found += lower(path.data[i]) == fuzzy->letters[found];
    }
    return found == fuzzy->count;
}

/* Points of a letter at this place, wherever the other letters are. */
static int place_points(struct bytes path, size_t at, size_t name) {
    const char before = at == 0 ? '/' : path.data[at - 1], byte = path.data[at];
    const int in_name = at >= name ? IN_NAME : 0;
    if (before == '/') {
        return LETTER + in_name + AT_COMPONENT;
    }
    const bool word =
        memchr("_-. ", before, 4) != NULL || (is_lower(before) && lower(byte) != byte);
    return LETTER + in_name + (word ? AT_WORD : 0);
}

int fuzzy_score(const struct fuzzy *fuzzy, struct bytes path) {
    int best[FUZZY_LETTERS_MAX] = {0}, last[FUZZY_LETTERS_MAX] = {0}; /* 0: not found yet. */
    if (fuzzy->count == 0) {
        return 1;
    }
    if (!fits(fuzzy, path)) {
        return 0;
    }
    const char *slash = memrchr(path.data, '/', path.len);
    const size_t name = slash == NULL ? 0 : (size_t)(slash - path.data) + 1;
    for (size_t i = 0; i < path.len; i++) {
        const char byte = lower(path.data[i]);
        const int points = place_points(path, i, name);
        /* From the last letter to the first: the letter before still has its older scores. */
        for (size_t j = fuzzy->count; j-- > 0;) {
            const bool begun = j == 0 || best[j - 1] > 0;
            if (byte != fuzzy->letters[j] || !begun) {
                last[j] = 0;
                continue;
            }
            const int apart = j == 0 ? 0 : best[j - 1];
            const int row = j > 0 && last[j - 1] > 0 ? last[j - 1] + IN_ROW : 0;
            last[j] = points + (row > apart ? row : apart);
            best[j] = last[j] > best[j] ? last[j] : best[j];
        }
    }
    return best[fuzzy->count - 1];
}
