/* front_matter.h: the front matter of a Markdown file.
 *
 * It stands between two lines of "---" at the top and is a few lines "key: value". A key may be
 * quoted, and so may a value, which may go on below its key: as a block (">" or "|") of indented
 * lines, as a list of lines that begin with "- ", or as one in brackets up to its end. What follows
 * " #" is a comment. More of YAML is not read.
 *
 * Promise    a text without front matter, or with one that has no end, has none: all of it is the
 *            rest. Whoever reads of it what may not be missed looks at `broken` first.
 * Ownership  everything is borrowed from the text. Threads: any; pure.
 */
#ifndef DROVER_BASE_MARKDOWN_FRONT_MATTER_H
#define DROVER_BASE_MARKDOWN_FRONT_MATTER_H

#include "base/base.h"

struct front {
    struct bytes lines; /* Between the two. */
    struct bytes rest;  /* Behind them. */
    bool broken; /* It has no end, or is written as it is not read here: keys may be missed. */
};
void front_read(struct bytes text, struct front *ret_front);
/* As it stands there, over several lines with the comments in them; no data: there is no such key.
 */
struct bytes front_value(const struct front *front, const char *key);
/* The next key of *io_rest, which begins as front->lines, and its value as above. False: there is
 * none left. Where the front matter is not broken, no key is missed. */
MUST_CHECK bool front_next(struct bytes *io_rest, struct bytes *ret_key, struct bytes *ret_value);
/* The first line of *io_rest, without its end and the blanks before that; what follows is left. */
struct bytes front_line(struct bytes *io_rest);

#endif
