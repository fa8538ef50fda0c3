/* text.h: a bounded builder for text and bytes.
 *
 * Promise    adding never goes beyond `size_max` bytes; an addition goes in whole or not at all.
 *            A builder that ran out (of bound or of memory) remembers it and takes nothing more:
 *            add as you like, and ask text_failed() once at the end.
 * Ownership  embedded: text_init/text_done. text_take hands the bytes over (end with mem_free).
 * Threads    one at a time.
 */
#ifndef DROVER_BASE_TEXT_H
#define DROVER_BASE_TEXT_H

#include <stdarg.h>

#include "base/base.h"
#include "base/err.h"

struct text {
    char *data; /* Owned; terminated whenever it is not NULL. */
    size_t len, size, size_max;
    bool failed;
    bool no_memory; /* It failed for want of memory, not at its bound. */
};

void text_init(struct text *text, size_t size_max);
/* The same as a value: `AUTO(text_done) struct text words = text_up_to(512);` */
static inline struct text text_up_to(size_t size_max) {
    return (struct text){.size_max = size_max};
}
void text_done(struct text *text); /* For AUTO. */
void text_clear(struct text *text);
/* The bytes that were added so far, until the next change. */
static inline struct bytes text_bytes(const struct text *text) {
    return text->data == NULL ? BYTES("") : (struct bytes){text->data, text->len};
}
void text_add(struct text *text, const char *bytes, size_t len);
void text_add_str(struct text *text, const char *str);
void text_add_char(struct text *text, char c);
void text_add_int(struct text *text, int64_t value);
void text_addf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
/* Quoted and escaped: always valid JSON. A byte that is no UTF-8 becomes U+FFFD. */
void text_add_json(struct text *text, const char *bytes, size_t len);
/* A part of such a string, without its quotes. */
void text_add_json_piece(struct text *text, struct bytes piece);
/* Members of a JSON object: the name, after a comma unless the object was just opened, and the
 * value. */
void text_add_name(struct text *text, const char *name);
void text_add_member(struct text *text, const char *name, struct bytes value);
/* null where the value is empty. */
void text_add_member_or_null(struct text *text, const char *name, struct bytes value);
/* null where there is none. */
void text_add_member_str(struct text *text, const char *name, const char *value);
void text_add_member_int(struct text *text, const char *name, int64_t value);
/* null where the number is not `there`. */
void text_add_member_int_or_null(struct text *text, const char *name, int64_t value, bool there);
/* null where the number is `none`. */
void text_add_member_int_unless(struct text *text, const char *name, int64_t value, int64_t none);
void text_add_member_bool(struct text *text, const char *name, bool value);
/* Back to an earlier length, also of a builder that has failed at its bound. */
void text_cut(struct text *text, size_t len);
MUST_CHECK bool text_failed(const struct text *text);
/* Reason why a text, or a copy of it, does not exist: ERR_TEXT_TOO_LONG where the builder reached
 * its bound, which no other try changes, else ERR_OUT_OF_MEMORY. Never ERR_OK. */
struct err text_error(const struct text *text, const char *step);
/* Terminated. Only of a builder that has not failed; it is empty then. ret_len may be NULL. */
MUST_CHECK char *text_take(struct text *text, size_t *ret_len);

#endif
