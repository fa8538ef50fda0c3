/* quoted.h: texts of others within a prompt. Pure.
 *
 * Promise    a reader can see where such a text begins and ends, whatever it holds: a title stands
 *            as a JSON string on one line, a block between lines of tildes, more of them than any
 *            run in the text. Control characters become spaces.
 * Threads    any.
 */
#ifndef DROVER_RULES_BOARD_QUOTED_H
#define DROVER_RULES_BOARD_QUOTED_H

#include "base/base.h"
#include "base/text.h"

/* A single word of [A-Za-z0-9_.-], which may stand as it is. */
MUST_CHECK bool quoted_is_word(struct bytes text);
void quoted_title_add(struct text *text, struct bytes title);
void quoted_block_add(struct text *text, struct bytes block);
/* Ends a line that was begun. */
void quoted_paragraph_begin(struct text *text);

#endif
