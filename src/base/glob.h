/* glob.h: patterns for paths and names.
 *
 *   ?        one character, not '/'
 *   *        any number of them, not '/'
 *   **       any number of whole components, also none, where it stands alone between slashes;
 *            beside other characters it is a '*'
 *   [a-z]    one of these bytes; [!a-z]: none of them. A bracket without an end is itself.
 *   \x       the character x
 *
 * A path pattern without '/' is compared with the last component alone, at any depth: "*.md",
 * ".env". With "./" before it, only in the topmost folder.
 *
 * Promise    the time is bounded by pattern length x subject length. GLOB_WORDS knows no
 *            components, '/' is a character like any other: for commands and URLs. A pattern longer
 *            than GLOB_PATTERN_MAX matches nothing: whoever takes patterns refuses it.
 * Threads    any.
 */
#ifndef DROVER_BASE_GLOB_H
#define DROVER_BASE_GLOB_H

#include "base/base.h"

enum { GLOB_PATTERN_MAX = 512 };
enum glob_kind { GLOB_PATH, GLOB_WORDS };

MUST_CHECK bool glob_match(enum glob_kind kind, struct bytes pattern, struct bytes subject);

#endif
