/* words.h: an enum whose values are words in rows, the API and the docs: a table by value.
 *
 * An enum without negative values is an unsigned int to gcc and clang, so its finder hands the
 * pointer on; for any other the call does not compile.
 *
 * Threads    any; pure.
 */
#ifndef DROVER_BASE_WORDS_H
#define DROVER_BASE_WORDS_H

#include "base/base.h"

/* False: there is no such word, and *ret_value is untouched. */
static inline bool word_find(const char *const *words, unsigned count, struct bytes word,
                             unsigned *ret_value) {
    for (unsigned i = 0; i < count; i++) {
        if (bytes_is(word, words[i])) {
            *ret_value = i;
            return true;
        }
    }
    return false;
}

#endif
