/* words.c: cut, lower, compare. */
#include "engine/memory/words.h"

#include <string.h>

enum { PREFIX_MIN = 3 }; /* Shorter beginnings say too little. */

static bool is_letter(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

/* One byte in lower case. Of Latin 1's capitals, in UTF-8, the second byte. */
static char lower(struct bytes text, size_t at) {
    unsigned char c = (unsigned char)text.data[at];
    if (c >= 'A' && c <= 'Z') {
        return (char)(c | 0x20);
    }
    bool latin = at > 0 && (unsigned char)text.data[at - 1] == 0xC3;
    return (char)(latin && c >= 0x80 && c <= 0x9E && c != 0x97 ? c + 0x20 : c);
}

/* The next word at or after *at, which moves on; false: there is none. */
static bool word_next(struct bytes text, size_t *at, struct memory_word *ret_word) {
    for (;;) {
        while (*at < text.len && !is_letter((unsigned char)text.data[*at])) {
            ++*at;
        }
        if (*at == text.len) {
            return false;
        }
        size_t from = *at, len = 0;
        while (*at < text.len && is_letter((unsigned char)text.data[*at])) {
            ++*at;
        }
        while (len < *at - from && len < MEMORY_WORD_MAX) {
            ret_word->text[len] = lower(text, from + len);
            len++;
        }
        /* Not in the middle of a character. */
        while (from + len < *at && len > 0 &&
               ((unsigned char)text.data[from + len] & 0xC0) == 0x80) {
            len--;
        }
        if (len >= 2) {
            ret_word->text[len] = '\0';
            ret_word->len = len;
            return true;
        }
    }
}

void memory_words_of(struct bytes text, struct memory_words *ret_words) {
    ret_words->count = 0;
    struct memory_word word;
    for (size_t at = 0; ret_words->count < MEMORY_WORDS_ASKED && word_next(text, &at, &word);) {
        bool known = false;
        for (size_t i = 0; i < ret_words->count; i++) {
            known = known || strcmp(ret_words->items[i].text, word.text) == 0;
        }
        if (!known) {
            ret_words->items[ret_words->count++] = word;
        }
    }
}

void memory_words_write(struct bytes text, struct text *into) {
    struct memory_word word;
    for (size_t at = 0; word_next(text, &at, &word);) {
        text_add_char(into, ' ');
        text_add(into, word.text, word.len);
    }
}

unsigned memory_words_score(const struct memory_words *asked, struct bytes text) {
    unsigned best[MEMORY_WORDS_ASKED] = {0}, sum = 0;
    struct memory_word word;
    for (size_t at = 0; word_next(text, &at, &word);) {
        for (size_t i = 0; i < asked->count; i++) {
            const struct memory_word *want = &asked->items[i];
            bool begins = want->len <= word.len && memcmp(want->text, word.text, want->len) == 0;
            unsigned score = begins && want->len == word.len     ? 2
                             : begins && want->len >= PREFIX_MIN ? 1
                                                                 : 0;
            best[i] = best[i] > score ? best[i] : score;
        }
    }
    for (size_t i = 0; i < asked->count; i++) {
        sum += best[i];
    }
    return sum;
}
