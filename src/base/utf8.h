/* utf8.h: strict UTF-8, as RFC 3629 has it.
 *
 * Promise    overlong forms, surrogates, code points above U+10FFFF and cut sequences are refused.
 *            NUL is a valid character; whoever cannot bear it looks for it himself.
 * Threads    any.
 */
#ifndef DROVER_BASE_UTF8_H
#define DROVER_BASE_UTF8_H

#include "base/base.h"

/* How many leading bytes are valid: `len` when all are, else the offset of the first bad sequence.
 */
size_t utf8_valid_len(const char *bytes, size_t len);

static inline bool utf8_valid(const char *bytes, size_t len) {
    return utf8_valid_len(bytes, len) == len;
}

/* Length of the beginning that stands in a JSON string as it is: valid UTF-8 without quotes,
 * backslashes and what is below U+0020. */
size_t utf8_unescaped_len(const char *bytes, size_t len);

/* Number of characters; each byte that begins none counts as part of the one before it. */
size_t utf8_count(struct bytes text);

/* The longest prefix of at most `len_max` bytes that does not end inside a character. The text is
 * taken to be valid; of an invalid one the answer is still a safe length. */
size_t utf8_cut(struct bytes text, size_t len_max);

/* Length of the control character that `text` begins with: C0, DEL, C1, which some terminals obey
 * too, or one that changes the direction of writing, since text after it is shown in another order
 * than it has. 0: it begins with another one, or is empty. */
size_t utf8_control_len(struct bytes text);
bool utf8_has_control(struct bytes text);

/* Makes `text` fit to be shown: each byte of a control character or of a bad sequence becomes '?'.
 */
void utf8_make_plain(char *text, size_t len);

#endif
