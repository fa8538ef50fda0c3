/* base64.h: RFC 4648, with padding: how bytes that are not text travel inside JSON.
 *
 * Threads    any; pure.
 */
#ifndef DROVER_BASE_BASE64_H
#define DROVER_BASE_BASE64_H

#include "base/base.h"
#include "base/text.h"

void base64_add(struct text *text, struct bytes bytes);
size_t base64_size(size_t len); /* Digits for that many bytes; below SIZE_MAX / 2 of them. */
/* Writes base64_size(bytes.len) digits, not terminated. */
void base64_write(char *ret_digits, struct bytes bytes);
/* Adds the bytes that `encoded` stands for; false: it is not base64 (and a part may be there). */
MUST_CHECK bool base64_add_decoded(struct text *bytes, struct bytes encoded);

#endif
