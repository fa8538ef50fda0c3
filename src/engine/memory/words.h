/* words.h: texts as words, so that both databases find the same. Pure.
 *
 * A word is a run of letters and digits, two or more, in lower case (ASCII and Latin 1); every byte
 * above 0x7F belongs to one. So it has neither '%' nor '_', which LIKE would read as more.
 *
 * Threads    any.
 */
#ifndef DROVER_ENGINE_MEMORY_WORDS_H
#define DROVER_ENGINE_MEMORY_WORDS_H

#include "base/base.h"
#include "base/text.h"

enum { MEMORY_WORD_MAX = 40, MEMORY_WORDS_ASKED = 8 };

/* Bytes; longer words are cut. */
struct memory_word {
    char text[MEMORY_WORD_MAX + 1];
    size_t len;
};
/* At most MEMORY_WORDS_ASKED different ones. */
struct memory_words {
    size_t count;
    struct memory_word items[MEMORY_WORDS_ASKED];
};
void memory_words_of(struct bytes text, struct memory_words *ret_words);

/* " one two three", in the order of the text: each word after a blank. */
void memory_words_write(struct bytes text, struct text *into);

/* How well a text answers: whole words count twice, beginnings of words once; each word of the
 * question counts once. */
unsigned memory_words_score(const struct memory_words *asked, struct bytes text);

#endif
