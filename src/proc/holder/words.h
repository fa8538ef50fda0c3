/* words.h: short texts built in a fixed buffer: lines, names of files, exit.json.
 *
 * Promise    never writes beyond the buffer; always terminated. What does not fit is left out whole
 *            and `failed` says so.
 * Why        printf and its locale would be half of this program.
 */
#ifndef DROVER_PROC_HOLDER_WORDS_H
#define DROVER_PROC_HOLDER_WORDS_H

#include "base/base.h"

struct words {
    char *at; /* Borrowed. */
    size_t size, len;
    bool failed;
};

void words_init(struct words *words, char *buffer, size_t size);
void words_add_bytes(struct words *words, struct bytes bytes);
void words_add(struct words *words, const char *text);
void words_add_number(struct words *words, int64_t number);
/* With leading zeros. */
void words_add_digits(struct words *words, uint64_t number, unsigned digits);

#endif
