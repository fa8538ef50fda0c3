/* names.h: paths of files in JSON, and which of them hold secrets. Pure.
 *
 *   src/main.c             valid UTF-8 without control characters: the path as it is
 *   "a\377b\n"             any other path, and one that begins with a quote: the form in which git
 *                          quotes it, with the quotes
 *
 * Promise    each path has one form, and the form read back is the path, byte by byte.
 * Threads    any.
 * Failure    change_name_read: false where a form is quoted wrongly, is empty or has a NUL.
 */
#ifndef DROVER_RULES_CHANGES_NAMES_H
#define DROVER_RULES_CHANGES_NAMES_H

#include "base/base.h"
#include "base/text.h"

void change_name_write(struct bytes path, struct text *text);
/* Appends the path to `path`. */
MUST_CHECK bool change_name_read(struct bytes name, struct text *path);

/* Whether a path is relative and stays below its folder: no empty component, no ".", no "..", and
 * no ".git" in any spelling of its letters. */
MUST_CHECK bool change_name_is_safe(struct bytes path);

/* Whether the last component is one that usually holds a key or a password. */
MUST_CHECK bool change_name_is_secret(struct bytes path);

#endif
